/* SPDX-License-Identifier: Apache-2.0 */
/* Members that are lost, come back, leave, are removed, revoked or replaced; the end of runs. */
#include <base/log.h>

#include "people.h"

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

/* When no more can be remembered, who is here goes all the same; a run that ends makes room. */
static void test_revocations_full(void **state)
{
	struct proto_revocation v = {.issued = NOW, .expires = NOW + 3600};
	struct cv_buf buf;

	cv_buf_init(&buf, 1024);
	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	memset(v.run_id, 0x55, sizeof(v.run_id));
	for (unsigned i = 0; i < 4096; i++) {
		v.user_id[0] = (uint8_t)(i >> 8);
		v.user_id[1] = (uint8_t)i;
		cv_buf_reset(&buf);
		assert_int_equal(proto_revocation_sign(&v, w.manager_seed, &buf), 0);
		assert_int_equal(relay_revoke(w.relay, buf.data, buf.len), 0);
	}
	cv_buf_reset(&buf);
	revocation(&b, &buf);
	assert_int_equal(relay_revoke(w.relay, buf.data, buf.len), CV_ELIMIT);
	assert_int_equal(refused(&b), PB_REFUSED(REVOKED));
	relay_end_run(w.relay, v.run_id, false);
	assert_int_equal(relay_revoke(w.relay, buf.data, buf.len), 0);
	cv_buf_done(&buf);
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
	struct PB(Control) * m;

	client_create(&w, &a, 15);
	relay_end_run(w.relay, w.run_id, true);
	m = take_control(&a, PB_CONTROL(RUN_ENDED));
	assert_non_null(m);
	assert_true(m->run_ended->cancelled);
	proto_control_free(m);
	relay_get_counts(w.relay, &counts);
	assert_int_equal(counts.runs, 0);
}

/* Its only member has died: who waits at the door is told that nobody is left, not that somebody refuses. */
static void test_nobody_left(void **state)
{
	client_create(&w, &a, 15);
	client_drop(&a);
	client_knock(&w, &b, 0);
	world_pass(&w, 29000);
	assert_int_equal(b.closed, 0);
	world_pass(&w, 1500);
	assert_int_equal(refused(&b), PB_REFUSED(NO_SUCH_RUN));
	client_knock(&w, &c, 0);
	relay_end_run(w.relay, w.run_id, false);
	assert_int_equal(refused(&c), PB_REFUSED(NO_SUCH_RUN));
}

static void test_ended_at_the_door(void **state)
{
	client_create(&w, &a, 15);
	client_knock(&w, &b, 0);
	relay_end_run(w.relay, w.run_id, false);
	assert_true(got(&b, PB_CONTROL(RUN_ENDED)));
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_resume),
		TEST(test_resume_own_commit),
		TEST(test_resume_too_late),
		TEST(test_lost),
		TEST(test_leave_batch),
		TEST(test_removed_stays_out),
		TEST(test_revoked),
		TEST(test_revocations_full),
		TEST(test_replaced),
		TEST(test_end),
		TEST(test_end_by_manager),
		TEST(test_nobody_left),
		TEST(test_ended_at_the_door),
		TEST(test_forgotten),
	};

	cv_log_set_level(CV_LOG_CRITICAL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
