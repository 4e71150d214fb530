/* SPDX-License-Identifier: Apache-2.0 */
/* Entering, ordering, the committer, coming back, leaving, bans. */
#include <base/log.h>

#include "fixture.h"

static struct world w;
static struct client a, b, c, d;

static int setup(void **state)
{
	world_init(&w);
	client_init(&a, 1);
	client_init(&b, 2);
	client_init(&c, 3);
	client_init(&d, 4);
	return 0;
}

static int teardown(void **state)
{
	client_done(&a);
	client_done(&b);
	client_done(&c);
	client_done(&d);
	world_done(&w);
	return 0;
}

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

/* ---- going and coming back */

static void test_resume(void **state)
{
	struct PB(Control) * m;

	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_join(&w, &a, &c, 2, 1, 0);
	proto_handshake_free(take_handshake(&b));
	assert_int_equal(b.last_seq, 2);
	client_drop(&b);
	m = take_control(&a, PB_CONTROL(PRESENCE));
	assert_non_null(m);
	assert_int_equal(m->presence->leaf, 1);
	assert_false(m->presence->connected);
	proto_control_free(m);
	client_app(&w, &a, 2, "missed");
	client_commit(&w, &a, &(struct commit){.epoch = 2});
	client_app(&w, &c, 3, "missed too");
	world_pass(&w, 5000);
	client_open(&w, &b);
	client_enter(&w, &b, &(struct enter_opts){.resume = true, .epoch = 2, .admission = true});
	assert_int_not_equal(b.number, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_APPLICATION), 2);
	assert_int_equal(take_kind(&b, PROTO_KIND_HANDSHAKE), 1);
	assert_true(got(&a, PB_CONTROL(PRESENCE)));
	/* nobody is asked to remove it any more */
	world_pass(&w, 30000);
	assert_false(got(&a, PB_CONTROL(REMOVE_REQUEST)));
}

/* A commit whose acceptance got lost with the connection is confirmed on return. */
static void test_resume_own_commit(void **state)
{
	struct PB(Control) * m;

	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	b.last_seq = 1;
	client_commit(&w, &b, &(struct commit){.epoch = 1});
	client_open(&w, &b);
	client_enter(&w, &b, &(struct enter_opts){.resume = true, .epoch = 1});
	m = take_control(&b, PB_CONTROL(COMMIT_ACCEPTED));
	assert_non_null(m);
	assert_int_equal(m->commit_accepted->epoch, 2);
	assert_int_equal(m->commit_accepted->seq, 2);
	proto_control_free(m);
	assert_null(take_handshake(&b));
}

static void test_resume_too_late(void **state)
{
	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	b.last_seq = 1;
	client_drop(&b);
	for (uint64_t e = 1; e < 34; e++) {
		client_commit(&w, &a, &(struct commit){.epoch = e});
		world_pass(&w, 20);
	}
	client_open(&w, &b);
	client_enter(&w, &b, &(struct enter_opts){.resume = true, .epoch = 1});
	assert_int_equal(refused(&b), PB_REFUSED(CANNOT_RESUME));
	/* another device cannot take the leaf over */
	client_open(&w, &c);
	c.leaf = 1;
	c.last_seq = 34;
	client_enter(&w, &c, &(struct enter_opts){.resume = true, .epoch = 34});
	assert_int_equal(refused(&c), PB_REFUSED(CANNOT_RESUME));
}

static void test_lost(void **state)
{
	struct PB(Control) * m;
	struct commit k = {.epoch = 1, .removals = {{1, PROTO_REASON_LOST, {0}}}, .n_removals = 1};

	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_drop(&b);
	world_pass(&w, 19000);
	assert_false(got(&a, PB_CONTROL(REMOVE_REQUEST)));
	world_pass(&w, 1100);
	m = take_control(&a, PB_CONTROL(REMOVE_REQUEST));
	assert_non_null(m);
	assert_int_equal(m->remove_request->n_removals, 1);
	assert_int_equal(m->remove_request->removals[0]->leaf, 1);
	assert_int_equal(m->remove_request->removals[0]->reason, PROTO_REASON_LOST);
	proto_control_free(m);
	client_commit(&w, &a, &k);
	assert_true(got(&a, PB_CONTROL(COMMIT_ACCEPTED)));
	/* no ban: it may come again, on any leaf */
	client_join(&w, &a, &b, 1, 2, 0);
}

static void test_leave_batch(void **state)
{
	uint8_t evidence[PROTO_SIG_LEN] = {1};
	struct PB(Leave) leave = PB_INIT(LEAVE);
	struct PB(Control) m = PB_INIT(CONTROL), *r;

	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_join(&w, &a, &c, 2, 1, 0);
	leave.evidence = (ProtobufCBinaryData){sizeof(evidence), evidence};
	m.body_case = PB_CONTROL(LEAVE);
	m.leave = &leave;
	client_send(&b, &m);
	assert_int_equal(b.closed, 1000);
	world_pass(&w, 100);
	client_send(&c, &m);
	world_pass(&w, 400);
	r = take_control(&a, PB_CONTROL(REMOVE_REQUEST));
	assert_non_null(r);
	assert_int_equal(r->remove_request->removals[0]->reason, PROTO_REASON_LEFT);
	assert_int_equal(r->remove_request->removals[0]->evidence.len, PROTO_SIG_LEN);
	proto_control_free(r);
	/* the last one ends the run */
	client_send(&a, &m);
	client_open(&w, &d);
	client_enter(&w, &d, &(struct enter_opts){0});
	assert_int_equal(refused(&d), PB_REFUSED(NO_SUCH_RUN));
}

static void test_removed_stays_out(void **state)
{
	struct commit k = {.epoch = 2, .removals = {{1, PROTO_REASON_REMOVED, {0}}}, .n_removals = 1};

	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_join(&w, &a, &c, 2, 1, 0);
	forget(&b);
	client_commit(&w, &a, &k);
	/* it gets the commit that removes it, then the door */
	assert_int_equal(take_kind(&b, PROTO_KIND_HANDSHAKE), 1);
	assert_int_equal(refused(&b), PB_REFUSED(BANNED));
	client_open(&w, &b);
	client_enter(&w, &b, &(struct enter_opts){0});
	assert_int_equal(refused(&b), PB_REFUSED(BANNED));
	assert_int_equal(c.closed, 0);
}

static void revocation(const struct client *who, struct cv_buf *out)
{
	struct proto_revocation v = {.issued = NOW, .expires = NOW + 3600};

	memcpy(v.user_id, who->user_id, PROTO_ID_LEN);
	assert_int_equal(proto_revocation_sign(&v, w.manager_seed, out), 0);
}

static void test_revoked(void **state)
{
	struct PB(Control) * m;
	struct commit k = {.epoch = 1, .n_removals = 1};
	struct cv_buf v;

	cv_buf_init(&v, 1024);
	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	revocation(&b, &v);
	k.removals[0] = (struct proto_removal){1, PROTO_REASON_REVOKED, {v.data, v.len}};
	/* evidence must be signed by the manager and about this member */
	v.data[50] ^= 1;
	client_commit(&w, &a, &k);
	assert_true(got(&a, PB_CONTROL(COMMIT_REJECTED)));
	assert_int_equal(relay_revoke(w.relay, v.data, v.len), CV_EAUTH);
	v.data[50] ^= 1;
	assert_int_equal(relay_revoke(w.relay, v.data, v.len), 0);
	assert_int_equal(refused(&b), PB_REFUSED(REVOKED));
	m = take_control(&a, PB_CONTROL(REMOVE_REQUEST));
	assert_non_null(m);
	assert_int_equal(m->remove_request->removals[0]->reason, PROTO_REASON_REVOKED);
	assert_int_equal(m->remove_request->removals[0]->evidence.len, v.len);
	proto_control_free(m);
	client_commit(&w, &a, &k);
	assert_true(got(&a, PB_CONTROL(COMMIT_ACCEPTED)));
	client_open(&w, &b);
	client_enter(&w, &b, &(struct enter_opts){0});
	assert_int_equal(refused(&b), PB_REFUSED(REVOKED));
	cv_buf_done(&v);
}

/* The same device again without its group: the older connection goes, the new leaf takes the old one's place. */
static void test_replaced(void **state)
{
	struct client again;
	struct commit k = {
		.epoch = 1, .leaves = {1}, .n_adds = 1, .removals = {{1, PROTO_REASON_REPLACED, {0}}}, .n_removals = 1};

	client_init(&again, 2);
	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_knock(&w, &again, 0);
	assert_int_equal(refused(&b), PB_REFUSED(REPLACED));
	/* not by somebody else's device */
	client_knock(&w, &c, 0);
	k.adds[0] = &c;
	client_commit(&w, &a, &k);
	assert_true(got(&a, PB_CONTROL(COMMIT_REJECTED)));
	k.adds[0] = &again;
	client_commit(&w, &a, &k);
	assert_true(got(&a, PB_CONTROL(COMMIT_ACCEPTED)));
	assert_int_equal(take_kind(&again, PROTO_KIND_HANDSHAKE), 1);
	client_done(&again);
}

static void test_end(void **state)
{
	struct PB(RunEnded) end = PB_INIT(RUN_ENDED);
	struct PB(Control) m = PB_INIT(CONTROL);

	m.body_case = PB_CONTROL(RUN_ENDED);
	m.run_ended = &end;
	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_join(&w, &a, &c, 2, 1, 0);
	client_send(&b, &m);
	assert_int_equal(refused(&b), PB_REFUSED(DENIED));
	client_send(&a, &m);
	assert_true(got(&c, PB_CONTROL(RUN_ENDED)));
	assert_int_equal(c.closed, 1000);
	client_open(&w, &c);
	client_enter(&w, &c, &(struct enter_opts){0});
	assert_int_equal(refused(&c), PB_REFUSED(NO_SUCH_RUN));
}

static void test_end_by_manager(void **state)
{
	struct relay_counts counts;

	client_create(&w, &a, 15);
	relay_end_run(w.relay, w.run_id, "ended by the manager");
	assert_true(got(&a, PB_CONTROL(RUN_ENDED)));
	relay_get_counts(w.relay, &counts);
	assert_int_equal(counts.runs, 0);
}

/* A run that nobody is connected to any more costs nothing in the end. */
static void test_forgotten(void **state)
{
	struct relay_counts counts;

	client_create(&w, &a, 15);
	client_drop(&a);
	world_pass(&w, 59000);
	relay_get_counts(w.relay, &counts);
	assert_int_equal(counts.runs, 1);
	world_pass(&w, 2000);
	relay_get_counts(w.relay, &counts);
	assert_int_equal(counts.runs, 0);
	assert_true(relay_idle(w.relay));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ticket_once),
		TEST(test_ticket_wrong),
		TEST(test_ticket_times),
		TEST(test_replay_full),
		TEST(test_silence_and_noise),
		TEST(test_flood),
		TEST(test_no_run),
		TEST(test_create_needs_grant),
		TEST(test_batch),
		TEST(test_committer_fallback),
		TEST(test_admit_rejected),
		TEST(test_one_commit_wins),
		TEST(test_commit_must_agree),
		TEST(test_application),
		TEST(test_resume),
		TEST(test_resume_own_commit),
		TEST(test_resume_too_late),
		TEST(test_lost),
		TEST(test_leave_batch),
		TEST(test_removed_stays_out),
		TEST(test_revoked),
		TEST(test_replaced),
		TEST(test_end),
		TEST(test_end_by_manager),
		TEST(test_forgotten),
	};

	cv_log_set_level(CV_LOG_CRITICAL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
