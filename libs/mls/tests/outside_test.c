/* SPDX-License-Identifier: Apache-2.0 */
/* From outside and from group to group: external joins and senders, newcomers, reinitialisation, branches. */
#include "trio.h"

static void join_external(struct person *p, const struct cv_buf *group_info, bool resync, struct cv_buf *commit)
{
	struct mls_external_join j = {.group_info = SPAN_OF(*group_info), .resync = resync};

	mls_group_free(p->group);
	p->group = NULL;
	cv_buf_init(commit, 1 << 20);
	assert_int_equal(mls_group_join_external(&p->options, &p->member, &j, commit, &p->group), 0);
}

static void test_external_join(void **state)
{
	struct trio t;
	struct person d;
	struct cv_buf gi, commit;
	uint32_t before;

	trio_init(&t, 4);
	person_init(&d, &t.w, 1, "dave");
	cv_buf_init(&gi, 1 << 20);
	assert_int_equal(mls_group_info(t.b.group, true, &gi), 0);
	join_external(&d, &gi, false, &commit);
	assert_int_equal(person_process(&t.a, &commit), 0);
	assert_int_equal(person_process(&t.b, &commit), 0);
	assert_int_equal(person_process(&t.c, &commit), 0);
	assert_agree(&t.a, &d);
	assert_agree(&t.b, &d);
	assert_agree(&t.c, &d);
	assert_speak(&d, &t.a);
	assert_speak(&t.c, &d);
	cv_buf_done(&commit);
	/* Dave loses everything and comes back: his old leaf goes in the same commit. */
	cv_buf_reset(&gi);
	before = mls_group_n_members(t.a.group);
	assert_int_equal(mls_group_info(t.a.group, true, &gi), 0);
	join_external(&d, &gi, true, &commit);
	assert_int_equal(person_process(&t.a, &commit), 0);
	assert_int_equal(mls_group_n_members(t.a.group), before);
	assert_agree(&t.a, &d);
	cv_buf_done(&commit);
	/* A GroupInfo of a past epoch leads nowhere. */
	join_external(&d, &gi, true, &commit);
	assert_int_equal(person_process(&t.a, &commit), CV_EEPOCH);
	cv_buf_done(&commit);
	cv_buf_done(&gi);
	person_done(&d);
	trio_done(&t);
}

/* --- extensions of GroupInfos --- */

static int answer;
static bool shown;

static int look_at_info(void *ctx, const struct mls_group *g, struct cv_span extensions)
{
	struct cv_span data;

	assert_int_equal(mls_group_epoch(g) > 0, true);
	shown = !mls_extension_find(extensions, 0xf0f0, &data) && data.len == 4 && !memcmp(data.data, "note", 4);
	return answer;
}

/* The application's note reaches who joins by Welcome and who joins from outside, and each may refuse for it. */
static void test_notes_in_group_infos(void **state)
{
	const struct mls_extension note = {.type = 0xf0f0, .data = TEXT("note")}, odd[] = {note, note},
				   own = {.type = MLS_EXT_EXTERNAL_PUB};
	struct mls_commit what = {
		.n_adds = 1, .info_extensions = &note, .n_info_extensions = 1, .want_group_info = true};
	struct mls_commit_output out;
	struct mls_external_join j = {0};
	struct cv_buf gi, commit;
	struct person d, e;
	struct cv_span add;
	struct trio t;

	trio_init(&t, 44);
	person_init(&d, &t.w, 1, "dave");
	person_init(&e, &t.w, 1, "erin");
	d.options.policy.group_info = e.options.policy.group_info = look_at_info;
	cv_buf_init(&gi, 1 << 20);
	cv_buf_init(&commit, 1 << 20);
	add = person_offer(&d);
	what.adds = &add;
	person_commit(&t.a, &what, &out);
	assert_int_equal(person_process(&t.b, &out.commit), 0);
	answer = CV_EDENIED;
	assert_int_equal(person_join(&d, &out), CV_EDENIED);
	answer = 0;
	shown = false;
	assert_int_equal(person_join(&d, &out), 0);
	assert_true(shown);
	assert_agree(&t.b, &d);
	shown = false;
	j.group_info = SPAN_OF(out.group_info);
	assert_int_equal(mls_group_join_external(&e.options, &e.member, &j, &commit, &e.group), 0);
	assert_true(shown);
	mls_group_free(e.group);
	e.group = NULL;
	mls_commit_output_done(&out);
	/* Asked for later; and lists that cannot be. */
	assert_int_equal(mls_group_info_with(t.b.group, true, odd, 2, &gi), CV_EFORMAT);
	assert_int_equal(mls_group_info_with(t.b.group, true, &own, 1, &gi), CV_EINVAL);
	assert_int_equal(gi.len, 0);
	assert_int_equal(mls_group_info_with(t.b.group, true, &note, 1, &gi), 0);
	j.group_info = SPAN_OF(gi);
	answer = CV_EDENIED;
	cv_buf_reset(&commit);
	assert_int_equal(mls_group_join_external(&e.options, &e.member, &j, &commit, &e.group), CV_EDENIED);
	assert_int_equal(commit.len, 0);
	answer = 0;
	shown = false;
	assert_int_equal(mls_group_join_external(&e.options, &e.member, &j, &commit, &e.group), 0);
	assert_true(shown);
	assert_int_equal(person_process(&t.a, &commit), 0);
	assert_agree(&t.a, &e);
	cv_buf_done(&gi);
	cv_buf_done(&commit);
	person_done(&d);
	person_done(&e);
	trio_done(&t);
}

static void test_external_senders(void **state)
{
	struct trio t;
	struct person server, d;
	struct mls_external_sender sender;
	struct mls_external_proposer from = {.suite = 1, .group_id = TEXT("trio")};
	struct mls_extension ext = {.type = MLS_EXT_EXTERNAL_SENDERS};
	struct mls_commit_output out;
	struct cv_buf list, p;

	trio_init(&t, 5);
	person_init(&server, &t.w, 1, "server");
	person_init(&d, &t.w, 1, "dave");
	cv_buf_init(&list, 4096);
	cv_buf_init(&p, 1 << 20);
	sender = (struct mls_external_sender){.signature_key = server.member.signature_key,
					      .credential = server.member.credential};
	from.signer = server.member.signer;
	from.epoch = mls_group_epoch(t.a.group);
	/* Before the group knows it, its proposals count for nothing. */
	assert_int_equal(mls_external_propose_remove(&from, 1, &p), 0);
	assert_int_equal(person_process(&t.a, &p), CV_EINVAL);
	assert_int_equal(mls_external_senders(&sender, 1, &list), 0);
	ext.data = SPAN_OF(list);
	commit_all(&t.a, &t.b, &t.c,
		   &(struct mls_commit){.set_extensions = true, .extensions = &ext, .n_extensions = 1});
	from.epoch = mls_group_epoch(t.a.group);
	cv_buf_reset(&p);
	assert_int_equal(mls_external_propose_remove(&from, mls_group_own_index(t.c.group), &p), 0);
	assert_int_equal(person_process(&t.a, &p), 0);
	assert_int_equal(person_process(&t.b, &p), 0);
	cv_buf_reset(&p);
	assert_int_equal(mls_external_propose_add(&from, person_offer(&d), &p), 0);
	assert_int_equal(person_process(&t.a, &p), 0);
	assert_int_equal(person_process(&t.b, &p), 0);
	person_commit(&t.a, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&t.b, &out.commit), 0);
	assert_int_equal(person_join(&d, &out), 0);
	assert_agree(&t.b, &d);
	mls_commit_output_done(&out);
	/* Wrong index, forged signature. */
	from.index = 1;
	from.epoch = mls_group_epoch(t.a.group);
	cv_buf_reset(&p);
	assert_int_equal(mls_external_propose_remove(&from, 0, &p), 0);
	assert_int_equal(person_process(&t.b, &p), CV_EINVAL);
	from.index = 0;
	from.signer = d.member.signer;
	cv_buf_reset(&p);
	assert_int_equal(mls_external_propose_remove(&from, 0, &p), 0);
	assert_int_equal(person_process(&t.b, &p), CV_EAUTH);
	cv_buf_done(&list);
	cv_buf_done(&p);
	person_done(&server);
	person_done(&d);
	trio_done(&t);
}

/* Everything that a sender from outside may ask for, section 12.1.8, and what no group could take. */
static void test_external_sender_asks_all(void **state)
{
	const struct mls_psk_question psk = {.usage = MLS_PSK_EXTERNAL, .psk_id = TEXT("id")};
	const struct mls_reinit next = {.group_id = TEXT("next"), .suite = 3};
	const struct mls_extension twice[] = {{.type = 0xf001}, {.type = 0xf001}},
				   bad = {.type = MLS_EXT_REQUIRED_CAPABILITIES, .data = TEXT("?")};
	struct mls_external_proposer from = {.suite = 1, .group_id = TEXT("trio")};
	struct mls_extension ext = {.type = MLS_EXT_EXTERNAL_SENDERS};
	struct mls_external_sender sender;
	struct person server;
	struct cv_buf list, p;
	struct trio t;

	trio_init(&t, 55);
	person_init(&server, &t.w, 1, "server");
	cv_buf_init(&list, 4096);
	cv_buf_init(&p, 1 << 20);
	sender = (struct mls_external_sender){server.member.signature_key, server.member.credential};
	assert_int_equal(mls_external_senders(&sender, 1, &list), 0);
	ext.data = SPAN_OF(list);
	commit_all(&t.a, &t.b, &t.c,
		   &(struct mls_commit){.set_extensions = true, .extensions = &ext, .n_extensions = 1});
	from.signer = server.member.signer;
	from.epoch = mls_group_epoch(t.a.group);
	t.a.psk_id = t.b.psk_id = t.c.psk_id = psk.psk_id;
	t.a.psk = t.b.psk = t.c.psk = TEXT("a shared secret");
	assert_int_equal(mls_external_propose_psk(&from, &psk, &t.w.rng, &p), 0);
	assert_int_equal(person_process(&t.a, &p) | person_process(&t.b, &p) | person_process(&t.c, &p), 0);
	cv_buf_reset(&p);
	assert_int_equal(mls_external_propose_extensions(&from, NULL, 0, &p), 0);
	assert_int_equal(person_process(&t.a, &p) | person_process(&t.b, &p) | person_process(&t.c, &p), 0);
	assert_int_equal(mls_group_n_proposals(t.a.group), 2);
	commit_all(&t.a, &t.b, &t.c, &(struct mls_commit){0});
	assert_int_equal(mls_group_extensions(t.b.group).len, 0);
	commit_all(&t.a, &t.b, &t.c,
		   &(struct mls_commit){.set_extensions = true, .extensions = &ext, .n_extensions = 1});
	from.epoch = mls_group_epoch(t.a.group);
	cv_buf_reset(&p);
	/* The appended message is taken off again. */
	assert_int_equal(mls_external_propose_extensions(&from, twice, 2, &p), CV_EFORMAT);
	assert_int_equal(mls_external_propose_extensions(&from, &bad, 1, &p), CV_ETRUNCATED);
	assert_int_equal(
		mls_external_propose_reinit(&from, &(struct mls_reinit){.extensions = twice, .n_extensions = 2}, &p),
		CV_EFORMAT);
	from.suite = 99;
	assert_int_equal(mls_external_propose_psk(&from, &psk, &t.w.rng, &p), CV_EUNSUPPORTED);
	from.suite = 1;
	assert_int_equal(p.len, 0);
	assert_int_equal(mls_external_propose_reinit(&from, &next, &p), 0);
	assert_int_equal(person_process(&t.a, &p) | person_process(&t.b, &p) | person_process(&t.c, &p), 0);
	commit_all(&t.a, &t.b, &t.c, &(struct mls_commit){0});
	assert_false(mls_group_active(t.c.group));
	cv_buf_done(&list);
	cv_buf_done(&p);
	person_done(&server);
	trio_done(&t);
}

static void test_newcomer_asks(void **state)
{
	struct trio t;
	struct person d;
	struct mls_commit_output out;
	struct cv_buf p;

	trio_init(&t, 6);
	person_init(&d, &t.w, 1, "dave");
	cv_buf_init(&p, 1 << 20);
	person_offer(&d);
	assert_int_equal(
		mls_propose_join(&t.w.env, d.kp, d.member.signer, TEXT("trio"), mls_group_epoch(t.a.group), &p), 0);
	t.b.proposal_answer = CV_EDENIED;
	assert_int_equal(person_process(&t.b, &p), CV_EDENIED);
	assert_int_equal(mls_group_n_proposals(t.b.group), 0);
	t.b.proposal_answer = 0;
	assert_int_equal(person_process(&t.a, &p), 0);
	assert_int_equal(person_process(&t.b, &p), 0);
	person_commit(&t.a, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&t.b, &out.commit), 0);
	assert_int_equal(person_join(&d, &out), 0);
	assert_agree(&t.b, &d);
	mls_commit_output_done(&out);
	cv_buf_done(&p);
	person_done(&d);
	trio_done(&t);
}

static void test_reinit(void **state)
{
	struct mls_reinit next = {.group_id = TEXT("trio, again"), .suite = 3};
	struct trio t;
	struct person a3, b3, c3;
	struct mls_commit_output out;
	struct mls_received r;
	struct mls_reinit_view info;
	struct cv_span adds[2];
	struct mls_join j;

	trio_init(&t, 7);
	/* What others have proposed cannot go with it and is left out, a ReInit of theirs too. */
	for (int i = 0; i < 2; i++) {
		struct cv_buf p;

		cv_buf_init(&p, 1 << 20);
		if (i)
			assert_int_equal(mls_group_propose_update(t.c.group, NULL, NOTHING, &p), 0);
		else
			assert_int_equal(
				mls_group_propose_reinit(t.c.group, &(struct mls_reinit){.suite = 2}, NOTHING, &p), 0);
		assert_int_equal(person_process(&t.a, &p), 0);
		cv_buf_done(&p);
		assert_int_equal(mls_group_commit(t.a.group, &(struct mls_commit){.reinit = &next}, &out), 0);
		mls_commit_output_done(&out);
		mls_group_clear_pending(t.a.group);
	}
	person_commit(&t.a, &(struct mls_commit){.reinit = &next}, &out);
	assert_int_equal(person_process(&t.c, &out.commit), 0);
	assert_int_equal(mls_group_process(t.b.group, out.commit.data, out.commit.len, &r), 0);
	assert_int_equal(r.kind, MLS_RECEIVED_REINIT);
	mls_received_done(&r);
	mls_commit_output_done(&out);
	assert_false(mls_group_active(t.b.group));
	assert_int_equal(mls_group_encrypt(t.b.group, TEXT("x"), NOTHING, &(struct cv_buf){.max = 4096}), CV_ESTATE);
	assert_int_equal(mls_group_commit(t.b.group, &(struct mls_commit){0}, &out), CV_ESTATE);
	assert_int_equal(mls_group_reinit_info(t.b.group, &info), 0);
	assert_int_equal(info.suite, 3);

	person_init(&a3, &t.w, 3, "alice");
	person_init(&b3, &t.w, 3, "bob");
	person_init(&c3, &t.w, 3, "carol");
	adds[0] = person_offer(&b3);
	adds[1] = person_offer(&c3);
	/* Nobody may be left behind. */
	assert_int_equal(mls_group_reinit(t.a.group, &a3.options, &a3.member, adds, 1, &out, &a3.group), CV_EINVAL);
	assert_int_equal(mls_group_reinit(t.a.group, &a3.options, &a3.member, adds, 2, &out, &a3.group), 0);
	j = (struct mls_join){.welcome = SPAN_OF(out.welcome), .key_package = b3.kp, .signer = b3.member.signer};
	/* Without the old group it is nothing; with it, it is its successor. */
	assert_int_equal(mls_group_join(&b3.options, &j, &b3.group), CV_ENOTFOUND);
	b3.options.policy.group_info = look_at_info;
	answer = CV_EDENIED;
	assert_int_equal(mls_group_join_successor(t.b.group, &b3.options, &j, &b3.group), CV_EDENIED);
	answer = 0;
	assert_int_equal(mls_group_join_successor(t.b.group, &b3.options, &j, &b3.group), 0);
	assert_agree(&a3, &b3);
	assert_speak(&a3, &b3);
	mls_commit_output_done(&out);
	person_done(&a3);
	person_done(&b3);
	person_done(&c3);
	trio_done(&t);
}

static void test_branch(void **state)
{
	struct trio t;
	struct person a2, b2, d;
	struct mls_commit_output out;
	struct cv_span adds[1];
	struct mls_join j;

	trio_init(&t, 8);
	person_init(&a2, &t.w, 1, "alice");
	person_init(&b2, &t.w, 1, "bob");
	person_init(&d, &t.w, 1, "mallory");
	adds[0] = person_offer(&b2);
	assert_int_equal(
		mls_group_branch(t.a.group, &a2.options, &a2.member, TEXT("side room"), adds, 1, &out, &a2.group), 0);
	j = (struct mls_join){.welcome = SPAN_OF(out.welcome), .key_package = b2.kp, .signer = b2.member.signer};
	assert_int_equal(mls_group_join_successor(t.b.group, &b2.options, &j, &b2.group), 0);
	assert_agree(&a2, &b2);
	mls_commit_output_done(&out);
	/* A branch with somebody who is not in the old group is refused by those who are. */
	mls_group_free(d.group);
	mls_group_free(b2.group);
	b2.group = NULL;
	adds[0] = person_offer(&b2);
	assert_int_equal(mls_group_branch(t.a.group, &d.options, &d.member, TEXT("side room"), adds, 1, &out, &d.group),
			 0);
	j = (struct mls_join){.welcome = SPAN_OF(out.welcome), .key_package = b2.kp, .signer = b2.member.signer};
	assert_int_equal(mls_group_join_successor(t.b.group, &b2.options, &j, &b2.group), CV_EINVAL);
	mls_commit_output_done(&out);
	person_done(&a2);
	person_done(&b2);
	person_done(&d);
	trio_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_external_join),
		cmocka_unit_test(test_external_senders),
		cmocka_unit_test(test_newcomer_asks),
		cmocka_unit_test(test_reinit),
		cmocka_unit_test(test_external_sender_asks_all),
		cmocka_unit_test(test_notes_in_group_infos),
		cmocka_unit_test(test_branch),
	};

	return cmocka_run_group_tests_name("mls outside", tests, NULL, NULL);
}
