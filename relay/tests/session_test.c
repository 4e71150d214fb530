/* SPDX-License-Identifier: Apache-2.0 */
/* Entering, the lobby, the committer, ordering. */
#include <base/log.h>

#include "people.h"

/* ---- entering */

static void test_ticket_once(void **state)
{
	struct cv_buf ticket;

	cv_buf_init(&ticket, 4096);
	make_ticket(&w, &a, 7, &ticket);
	client_open(&w, &a);
	client_enter(&w, &a, &(struct enter_opts){.ticket = &ticket});
	assert_int_not_equal(a.number, 0);
	client_open(&w, &a);
	client_enter(&w, &a, &(struct enter_opts){.ticket = &ticket});
	assert_int_equal(refused(&a), PB_REFUSED(TICKET_USED));
	cv_buf_done(&ticket);
}

static void test_ticket_wrong(void **state)
{
	struct cv_buf ticket;

	cv_buf_init(&ticket, 4096);
	/* a ticket is no bearer token: another device cannot use it, nor can its proof be made up */
	make_ticket(&w, &a, 7, &ticket);
	client_open(&w, &b);
	client_enter(&w, &b, &(struct enter_opts){.ticket = &ticket});
	assert_int_equal(refused(&b), PB_REFUSED(TICKET_INVALID));
	client_open(&w, &a);
	client_enter(&w, &a, &(struct enter_opts){.ticket = &ticket, .bad_proof = true});
	assert_int_equal(refused(&a), PB_REFUSED(TICKET_INVALID));
	/* the failures did not use it up */
	client_open(&w, &a);
	client_enter(&w, &a, &(struct enter_opts){.ticket = &ticket});
	assert_int_not_equal(a.number, 0);
	/* for another relay */
	cv_buf_reset(&ticket);
	w.relay_id[0] ^= 1;
	make_ticket(&w, &b, 7, &ticket);
	w.relay_id[0] ^= 1;
	client_open(&w, &b);
	client_enter(&w, &b, &(struct enter_opts){.ticket = &ticket});
	assert_int_equal(refused(&b), PB_REFUSED(TICKET_INVALID));
	/* altered */
	cv_buf_reset(&ticket);
	make_ticket(&w, &b, 7, &ticket);
	ticket.data[60] ^= 1;
	client_open(&w, &b);
	client_enter(&w, &b, &(struct enter_opts){.ticket = &ticket});
	assert_int_equal(refused(&b), PB_REFUSED(TICKET_INVALID));
	cv_buf_done(&ticket);
}

static void test_ticket_times(void **state)
{
	struct cv_buf ticket;

	cv_buf_init(&ticket, 4096);
	make_ticket(&w, &a, 7, &ticket);
	w.wall_ms += (60 + PROTO_CLOCK_SKEW) * 1000;
	client_open(&w, &a);
	client_enter(&w, &a, &(struct enter_opts){.ticket = &ticket});
	assert_int_not_equal(a.number, 0);
	cv_buf_reset(&ticket);
	make_ticket(&w, &b, 7, &ticket);
	w.wall_ms += (61 + PROTO_CLOCK_SKEW) * 1000;
	client_open(&w, &b);
	client_enter(&w, &b, &(struct enter_opts){.ticket = &ticket});
	assert_int_equal(refused(&b), PB_REFUSED(TICKET_EXPIRED));
	/* from a manager whose clock is far ahead */
	cv_buf_reset(&ticket);
	make_ticket(&w, &b, 7, &ticket);
	w.wall_ms -= (PROTO_CLOCK_SKEW + 1) * 1000;
	client_open(&w, &b);
	client_enter(&w, &b, &(struct enter_opts){.ticket = &ticket});
	assert_int_equal(refused(&b), PB_REFUSED(TICKET_EXPIRED));
	cv_buf_done(&ticket);
}

/* When the memory of used tickets is full nobody enters, until the old ones have expired. */
static void test_replay_full(void **state)
{
	for (int i = 0; i < 64; i++) {
		client_open(&w, &a);
		client_enter(&w, &a, &(struct enter_opts){0});
		assert_int_not_equal(a.number, 0);
	}
	client_open(&w, &a);
	client_enter(&w, &a, &(struct enter_opts){0});
	assert_int_equal(refused(&a), PB_REFUSED(LIMIT));
	world_pass(&w, (61 + PROTO_CLOCK_SKEW) * 1000);
	client_open(&w, &a);
	client_enter(&w, &a, &(struct enter_opts){0});
	assert_int_not_equal(a.number, 0);
}

static void test_silence_and_noise(void **state)
{
	const uint8_t unknown[] = {9, 1, 2, 3};

	client_open(&w, &a);
	world_pass(&w, 10100);
	assert_int_equal(refused(&a), PB_REFUSED(LIMIT));
	client_open(&w, &b);
	client_send_raw(&b, unknown, sizeof(unknown));
	assert_int_equal(refused(&b), PB_REFUSED(MALFORMED));
	client_open(&w, &c);
	client_send_raw(&c, "\1\xff\xff", 3);
	assert_int_equal(refused(&c), PB_REFUSED(MALFORMED));
	/* media before entering */
	client_open(&w, &d);
	client_media(&d, 0, 1, 0, 0, 0, 0);
	assert_int_equal(refused(&d), PB_REFUSED(MALFORMED));
}

static void test_flood(void **state)
{
	struct PB(Ping) ping = PB_INIT(PING);
	struct PB(Control) m = PB_INIT(CONTROL);
	int n = 0;

	m.body_case = PB_CONTROL(PING);
	m.ping = &ping;
	client_open(&w, &a);
	while (!a.closed && n++ < 10000) {
		take_kind(&a, PROTO_KIND_CONTROL);
		client_send(&a, &m);
	}
	assert_int_equal(refused(&a), PB_REFUSED(LIMIT));
	assert_in_range(n, 400, 402);
}

/* ---- lobby and committer */

static void test_no_run(void **state)
{
	client_knock(&w, &a, 0);
	world_pass(&w, 29000);
	assert_int_equal(a.closed, 0);
	world_pass(&w, 1200);
	assert_int_equal(refused(&a), PB_REFUSED(NO_SUCH_RUN));
}

static void test_lobby_silence(void **state)
{
	client_open(&w, &a);
	client_enter(&w, &a, &(struct enter_opts){0});
	world_pass(&w, 29000);
	assert_int_equal(a.closed, 0);
	world_pass(&w, 1200);
	assert_int_equal(refused(&a), PB_REFUSED(NO_SUCH_RUN));
}

static void test_create_needs_grant(void **state)
{
	client_open(&w, &a);
	client_enter(&w, &a, &(struct enter_opts){0});
	client_ready(&a, 0);
	assert_int_equal(refused(&a), PB_REFUSED(MALFORMED));
}

static void test_batch(void **state)
{
	struct commit k = {.epoch = 0, .adds = {&b, &c}, .leaves = {1, 2}, .n_adds = 2};
	struct PB(Control) * m;

	client_knock(&w, &b, 0);
	client_create(&w, &a, 15);
	world_pass(&w, 60);
	client_knock(&w, &c, 0);
	world_pass(&w, 60);
	/* both within 100 ms: one request */
	m = take_control(&a, PB_CONTROL(ADMIT_REQUEST));
	assert_non_null(m);
	assert_int_equal(m->admit_request->n_candidates, 2);
	proto_control_free(m);
	client_commit(&w, &a, &k);
	assert_true(got(&a, PB_CONTROL(COMMIT_ACCEPTED)));
	assert_int_equal(take_kind(&b, PROTO_KIND_HANDSHAKE), 1);
	assert_int_equal(take_kind(&c, PROTO_KIND_HANDSHAKE), 1);
	world_pass(&w, 1000);
	assert_false(got(&a, PB_CONTROL(ADMIT_REQUEST)));
}

static void test_committer_fallback(void **state)
{
	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_knock(&w, &c, 0);
	world_pass(&w, 120);
	assert_true(got(&a, PB_CONTROL(ADMIT_REQUEST)));
	assert_false(got(&b, PB_CONTROL(ADMIT_REQUEST)));
	world_pass(&w, 480);
	assert_false(got(&b, PB_CONTROL(ADMIT_REQUEST)));
	world_pass(&w, 60);
	assert_true(got(&b, PB_CONTROL(ADMIT_REQUEST)));
	/* and round again */
	world_pass(&w, 540);
	assert_true(got(&a, PB_CONTROL(ADMIT_REQUEST)));
	/* a committer whose connection breaks is not waited for */
	client_drop(&a);
	world_pass(&w, 40);
	assert_true(got(&b, PB_CONTROL(ADMIT_REQUEST)));
}

static void test_admit_rejected(void **state)
{
	struct PB(AdmitRejected) r = PB_INIT(ADMIT_REJECTED);
	struct PB(Control) m = PB_INIT(CONTROL);

	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_knock(&w, &c, 0);
	r.connection = c.number;
	r.detail = (char *)"certificate expired";
	m.body_case = PB_CONTROL(ADMIT_REJECTED);
	m.admit_rejected = &r;
	world_pass(&w, 120);
	/* not by one that was not asked */
	client_send(&b, &m);
	assert_int_equal(c.closed, 0);
	client_send(&a, &m);
	assert_int_equal(refused(&c), PB_REFUSED(ADMISSION_REFUSED));
}

/* ---- ordering */

static void test_one_commit_wins(void **state)
{
	struct commit k = {.epoch = 1};
	struct PB(Handshake) * h;
	struct PB(Control) * m;

	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_commit(&w, &a, &k);
	client_commit(&w, &b, &k);
	assert_true(got(&a, PB_CONTROL(COMMIT_ACCEPTED)));
	m = take_control(&b, PB_CONTROL(COMMIT_REJECTED));
	assert_non_null(m);
	assert_int_equal(m->commit_rejected->epoch, 2);
	assert_int_equal(m->commit_rejected->commit_epoch, 1);
	proto_control_free(m);
	h = take_handshake(&b);
	assert_non_null(h);
	assert_int_equal(h->epoch, 2);
	assert_int_equal(h->seq, 2);
	proto_handshake_free(h);
	/* the sender does not get its own */
	assert_null(take_handshake(&a));
}

static void test_commit_must_agree(void **state)
{
	struct commit lost = {.epoch = 2, .removals = {{1, PROTO_REASON_LOST, {0}}}, .n_removals = 1};
	struct commit hidden = {
		.epoch = 2, .removals = {{1, PROTO_REASON_REMOVED, {0}}}, .n_removals = 1, .hide_removals = true};
	struct commit taken = {.epoch = 2, .adds = {&d}, .leaves = {1}, .n_adds = 1};
	struct commit welcome = {.epoch = 2, .adds = {&d}, .leaves = {3}, .n_adds = 1, .no_welcome = true};
	struct commit *bad[] = {&lost, &hidden, &taken, &welcome};

	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_join(&w, &a, &c, 2, 1, 0);
	client_knock(&w, &d, 0);
	for (size_t i = 0; i < 4; i++) {
		client_commit(&w, &a, bad[i]);
		assert_true(got(&a, PB_CONTROL(COMMIT_REJECTED)));
		assert_int_equal(a.closed, 0);
	}
	assert_int_equal(b.closed, 0);
	/* removing needs moderation */
	client_commit(&w, &c,
		      &(struct commit){.epoch = 2, .removals = {{1, PROTO_REASON_REMOVED, {0}}}, .n_removals = 1});
	assert_true(got(&c, PB_CONTROL(COMMIT_REJECTED)));
	/* an application message is no commit */
	client_app(&w, &a, 2, "x");
	assert_int_equal(a.closed, 0);
	client_app(&w, &a, 3, "of the future");
	assert_int_equal(refused(&a), PB_REFUSED(MALFORMED));
}

static void test_application(void **state)
{
	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_join(&w, &a, &c, 2, 1, 0);
	forget(&b);
	client_app(&w, &a, 2, "hello");
	assert_int_equal(take_kind(&a, PROTO_KIND_APPLICATION), 0);
	assert_int_equal(b.n_in, 1);
	assert_int_equal(b.cls[0], NET_CLASS_APP);
	/* kind, seq 3, then the message as it was */
	assert_memory_equal(b.in[0]->data, "\3\0\0\0\0\0\0\0\3\0\1\0\2\x10", 14);
	assert_int_equal(take_kind(&c, PROTO_KIND_APPLICATION), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ticket_once),     TEST(test_ticket_wrong),       TEST(test_ticket_times),
		TEST(test_replay_full),     TEST(test_silence_and_noise),  TEST(test_flood),
		TEST(test_no_run),          TEST(test_lobby_silence),      TEST(test_create_needs_grant),
		TEST(test_batch),           TEST(test_committer_fallback), TEST(test_admit_rejected),
		TEST(test_one_commit_wins), TEST(test_commit_must_agree),  TEST(test_application),
	};

	cv_log_set_level(CV_LOG_CRITICAL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
