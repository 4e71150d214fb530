/* SPDX-License-Identifier: Apache-2.0 */
/* The rest of RFC 9420: proposals by reference, PSKs, external joins and senders, successors, late messages, saving. */
#include <openssl/x509.h>

#include "helper.h"

/* Three members of suite 1 in epoch 2 or so. */
struct trio {
	struct world w;
	struct person a, b, c;
};

static void trio_init(struct trio *t, uint64_t seed)
{
	struct mls_commit_output out;
	struct cv_span adds[2];

	world_init(&t->w, seed);
	person_init(&t->a, &t->w, 1, "alice");
	person_init(&t->b, &t->w, 1, "bob");
	person_init(&t->c, &t->w, 1, "carol");
	person_create(&t->a, "trio");
	adds[0] = person_offer(&t->b);
	adds[1] = person_offer(&t->c);
	person_commit(&t->a, &(struct mls_commit){.adds = adds, .n_adds = 2}, &out);
	assert_int_equal(person_join(&t->b, &out), 0);
	assert_int_equal(person_join(&t->c, &out), 0);
	mls_commit_output_done(&out);
}

static void trio_done(struct trio *t)
{
	person_done(&t->a);
	person_done(&t->b);
	person_done(&t->c);
}

/* `from` commits, the two others follow; everybody agrees. */
static void commit_all(struct person *from, struct person *x, struct person *y, const struct mls_commit *what)
{
	struct mls_commit_output out;

	person_commit(from, what, &out);
	assert_int_equal(person_process(x, &out.commit), 0);
	assert_agree(from, x);
	if (y) {
		assert_int_equal(person_process(y, &out.commit), 0);
		assert_agree(from, y);
	}
	mls_commit_output_done(&out);
}

static void test_proposals_by_reference(void **state)
{
	struct trio t;
	struct person d;
	struct mls_commit_output out;
	struct cv_buf update, add;

	trio_init(&t, 1);
	person_init(&d, &t.w, 1, "dave");
	cv_buf_init(&update, 1 << 20);
	cv_buf_init(&add, 1 << 20);
	/* Bob updates his leaf and proposes Dave; Alice commits both by reference. */
	assert_int_equal(mls_group_propose_update(t.b.group, NULL, NOTHING, &update), 0);
	assert_int_equal(mls_group_propose_add(t.b.group, person_offer(&d), NOTHING, &add), 0);
	assert_int_equal(person_process(&t.a, &update), 0);
	assert_int_equal(person_process(&t.a, &add), 0);
	/* Application data waits until proposals are decided (section 12.4). */
	assert_int_equal(mls_group_encrypt(t.a.group, TEXT("x"), NOTHING, &(struct cv_buf){.max = 4096}), CV_ESTATE);
	person_commit(&t.a, &(struct mls_commit){0}, &out);
	/* Carol has not got the proposals yet, then she has. */
	assert_int_equal(person_process(&t.c, &out.commit), CV_ENOTFOUND);
	assert_int_equal(person_process(&t.c, &add), 0);
	assert_int_equal(person_process(&t.c, &update), 0);
	assert_int_equal(mls_group_n_proposals(t.c.group), 2);
	assert_int_equal(person_process(&t.c, &out.commit), 0);
	assert_int_equal(mls_group_n_proposals(t.c.group), 0);
	assert_int_equal(person_process(&t.b, &out.commit), 0);
	assert_int_equal(person_join(&d, &out), 0);
	assert_agree(&t.a, &t.b);
	assert_agree(&t.a, &t.c);
	assert_agree(&t.a, &d);
	assert_speak(&t.b, &d);
	assert_speak(&d, &t.b);
	/* Bob's new leaf key is in use: Carol's path reaches him. */
	commit_all(&t.c, &t.b, &t.a, &(struct mls_commit){0});
	mls_commit_output_done(&out);
	cv_buf_done(&update);
	cv_buf_done(&add);
	person_done(&d);
	trio_done(&t);
}

static void test_own_update_cannot_be_committed(void **state)
{
	struct trio t;
	struct cv_buf update, remove;

	trio_init(&t, 2);
	cv_buf_init(&update, 1 << 20);
	cv_buf_init(&remove, 1 << 20);
	assert_int_equal(mls_group_propose_update(t.a.group, NULL, NOTHING, &update), 0);
	/* Remove beats Update of the same leaf; Alice's own Update and removal stay out of her commit. */
	assert_int_equal(mls_group_propose_remove(t.b.group, mls_group_own_index(t.a.group), NOTHING, &remove), 0);
	assert_int_equal(person_process(&t.a, &remove), 0);
	commit_all(&t.a, &t.b, &t.c, &(struct mls_commit){0});
	assert_int_equal(mls_group_n_members(t.a.group), 3);
	cv_buf_done(&update);
	cv_buf_done(&remove);
	trio_done(&t);
}

static void test_psk(void **state)
{
	struct mls_psk_question external = {.usage = MLS_PSK_EXTERNAL, .psk_id = TEXT("id")}, resumption;
	struct trio t;
	struct mls_commit_output out;

	trio_init(&t, 3);
	t.a.psk_id = t.b.psk_id = t.c.psk_id = external.psk_id;
	t.a.psk = t.b.psk = TEXT("a shared secret");
	person_commit(&t.a, &(struct mls_commit){.psks = &external, .n_psks = 1}, &out);
	assert_int_equal(person_process(&t.b, &out.commit), 0);
	/* Carol does not know it; with another value the confirmation tag fails; then she is told. */
	assert_int_equal(person_process(&t.c, &out.commit), CV_ENOTFOUND);
	t.c.psk = TEXT("another secret");
	assert_int_equal(person_process(&t.c, &out.commit), CV_EAUTH);
	t.c.psk = TEXT("a shared secret");
	assert_int_equal(person_process(&t.c, &out.commit), 0);
	assert_agree(&t.a, &t.b);
	assert_agree(&t.a, &t.c);
	mls_commit_output_done(&out);
	/* The resumption PSK of an epoch gone by. */
	resumption = (struct mls_psk_question){
		.usage = MLS_PSK_APPLICATION, .group_id = TEXT("trio"), .epoch = mls_group_epoch(t.b.group) - 1};
	commit_all(&t.b, &t.a, &t.c, &(struct mls_commit){.psks = &resumption, .n_psks = 1});
	/* One of an epoch that nobody remembers. */
	resumption.epoch = 0;
	assert_int_equal(mls_group_commit(t.c.group, &(struct mls_commit){.psks = &resumption, .n_psks = 1}, &out),
			 CV_ENOTFOUND);
	trio_done(&t);
}

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
	struct person b3, a3;
	struct mls_commit_output out;
	struct mls_received r;
	struct mls_reinit_view info;
	struct cv_span adds[1];
	struct mls_join j;

	trio_init(&t, 7);
	person_commit(&t.a, &(struct mls_commit){.reinit = &next}, &out);
	assert_int_equal(mls_group_process(t.b.group, out.commit.data, out.commit.len, &r), 0);
	assert_int_equal(r.kind, MLS_RECEIVED_REINIT);
	mls_received_done(&r);
	mls_commit_output_done(&out);
	assert_false(mls_group_active(t.b.group));
	assert_int_equal(mls_group_encrypt(t.b.group, TEXT("x"), NOTHING, &(struct cv_buf){.max = 4096}), CV_ESTATE);
	assert_int_equal(mls_group_reinit_info(t.b.group, &info), 0);
	assert_int_equal(info.suite, 3);
	assert_int_equal(mls_group_reinit_info(t.c.group, &info), CV_ESTATE);

	person_init(&a3, &t.w, 3, "alice");
	person_init(&b3, &t.w, 3, "bob");
	adds[0] = person_offer(&b3);
	assert_int_equal(mls_group_reinit(t.a.group, &a3.options, &a3.member, adds, 1, &out, &a3.group), 0);
	j = (struct mls_join){.welcome = SPAN_OF(out.welcome), .key_package = b3.kp, .signer = b3.member.signer};
	/* Without the old group it is nothing; with it, it is its successor. */
	assert_int_equal(mls_group_join(&b3.options, &j, &b3.group), CV_ENOTFOUND);
	assert_int_equal(mls_group_join_successor(t.b.group, &b3.options, &j, &b3.group), 0);
	assert_agree(&a3, &b3);
	assert_speak(&a3, &b3);
	mls_commit_output_done(&out);
	person_done(&a3);
	person_done(&b3);
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

static int read_message(struct person *p, const struct cv_buf *m)
{
	struct mls_received r;
	int err = mls_group_process(p->group, m->data, m->len, &r);

	if (!err) {
		assert_int_equal(r.kind, MLS_RECEIVED_APPLICATION);
		mls_received_done(&r);
	}
	return err;
}

static void test_out_of_order(void **state)
{
	struct trio t;
	struct cv_buf m[8];

	world_init(&t.w, 9);
	person_init(&t.a, &t.w, 1, "alice");
	person_init(&t.b, &t.w, 1, "bob");
	person_init(&t.c, &t.w, 1, "carol");
	t.b.options.max_forward = 5;
	t.b.options.max_skipped = 3;
	person_create(&t.a, "trio");
	struct cv_span add = person_offer(&t.b);
	struct mls_commit_output out;
	person_commit(&t.a, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	assert_int_equal(person_join(&t.b, &out), 0);
	mls_commit_output_done(&out);

	for (int i = 0; i < 8; i++) {
		cv_buf_init(&m[i], 4096);
		assert_int_equal(mls_group_encrypt(t.a.group, TEXT("hi"), NOTHING, &m[i]), 0);
	}
	assert_int_equal(read_message(&t.b, &m[6]), CV_ELIMIT);  /* six ahead */
	assert_int_equal(read_message(&t.b, &m[5]), 0);          /* five ahead; keys 2, 3, 4 are kept */
	assert_int_equal(read_message(&t.b, &m[0]), CV_EREPLAY); /* fallen out */
	assert_int_equal(read_message(&t.b, &m[3]), 0);
	assert_int_equal(read_message(&t.b, &m[3]), CV_EREPLAY);
	assert_int_equal(read_message(&t.b, &m[7]), 0);
	assert_int_equal(read_message(&t.b, &m[6]), 0);
	assert_int_equal(read_message(&t.b, &m[4]), 0);
	assert_int_equal(read_message(&t.b, &m[2]), 0); /* keys 2, 4, 6 were kept */
	for (int i = 0; i < 8; i++) {
		assert_int_equal(read_message(&t.b, &m[i]), CV_EREPLAY);
		cv_buf_done(&m[i]);
	}
	trio_done(&t);
}

static void test_past_epochs(void **state)
{
	struct trio t;
	struct mls_commit_output out;
	struct cv_buf m[2];

	world_init(&t.w, 10);
	person_init(&t.a, &t.w, 1, "alice");
	person_init(&t.b, &t.w, 1, "bob");
	person_init(&t.c, &t.w, 1, "carol");
	t.b.options.past_epochs = 1;
	person_create(&t.a, "trio");
	struct cv_span add = person_offer(&t.b);
	person_commit(&t.a, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	assert_int_equal(person_join(&t.b, &out), 0);
	mls_commit_output_done(&out);
	for (int i = 0; i < 2; i++) {
		cv_buf_init(&m[i], 4096);
		assert_int_equal(mls_group_encrypt(t.a.group, TEXT("late"), NOTHING, &m[i]), 0);
	}
	commit_all(&t.a, &t.b, NULL, &(struct mls_commit){0});
	assert_int_equal(read_message(&t.b, &m[0]), 0);
	assert_int_equal(read_message(&t.b, &m[0]), CV_EREPLAY);
	commit_all(&t.a, &t.b, NULL, &(struct mls_commit){0});
	assert_int_equal(read_message(&t.b, &m[1]), CV_EEPOCH);
	cv_buf_done(&m[0]);
	cv_buf_done(&m[1]);
	trio_done(&t);
}

static void test_save(void **state)
{
	struct trio t;
	struct cv_buf saved, again, m[3], update;
	struct mls_group *g = NULL;

	trio_init(&t, 11);
	cv_buf_init_secret(&saved, 1 << 20);
	cv_buf_init_secret(&again, 1 << 20);
	cv_buf_init(&update, 4096);
	for (int i = 0; i < 3; i++) {
		cv_buf_init(&m[i], 4096);
		assert_int_equal(mls_group_encrypt(t.a.group, TEXT("hi"), NOTHING, &m[i]), 0);
	}
	/* In the middle of things: a skipped key, an Update under way. */
	assert_int_equal(read_message(&t.b, &m[1]), 0);
	assert_int_equal(mls_group_propose_update(t.b.group, NULL, NOTHING, &update), 0);
	assert_int_equal(mls_group_save(t.b.group, &saved), 0);
	for (size_t cut = 0; cut < saved.len; cut += 7)
		assert_int_not_equal(mls_group_restore(&t.b.options, t.b.member.signer, saved.data, cut, &g), 0);
	mls_group_free(t.b.group);
	assert_int_equal(mls_group_restore(&t.b.options, t.b.member.signer, saved.data, saved.len, &t.b.group), 0);
	assert_int_equal(mls_group_save(t.b.group, &again), 0);
	assert_int_equal(saved.len, again.len);
	assert_memory_equal(saved.data, again.data, saved.len);
	assert_int_equal(read_message(&t.b, &m[1]), CV_EREPLAY);
	assert_int_equal(read_message(&t.b, &m[0]), 0);
	assert_int_equal(read_message(&t.b, &m[2]), 0);
	assert_int_equal(person_process(&t.a, &update), 0);
	assert_int_equal(person_process(&t.c, &update), 0);
	commit_all(&t.a, &t.b, &t.c, &(struct mls_commit){0});
	assert_speak(&t.b, &t.c);
	commit_all(&t.c, &t.b, &t.a, &(struct mls_commit){0});
	for (int i = 0; i < 3; i++)
		cv_buf_done(&m[i]);
	cv_buf_done(&saved);
	cv_buf_done(&again);
	cv_buf_done(&update);
	trio_done(&t);
}

static void test_pending(void **state)
{
	struct trio t;
	struct mls_commit_output mine, theirs;
	uint64_t epoch;
	uint8_t x[32], y[32];

	trio_init(&t, 12);
	epoch = mls_group_epoch(t.a.group);
	/* Both commit; the delivery service takes Bob's. */
	assert_int_equal(mls_group_commit(t.a.group, &(struct mls_commit){0}, &mine), 0);
	assert_int_equal(mls_group_epoch(t.a.group), epoch);
	assert_true(mls_group_has_pending(t.a.group));
	assert_int_equal(mls_group_commit(t.a.group, &(struct mls_commit){0}, &theirs), CV_ESTATE);
	person_commit(&t.b, &(struct mls_commit){0}, &theirs);
	assert_int_equal(person_process(&t.a, &theirs.commit), 0);
	assert_false(mls_group_has_pending(t.a.group));
	assert_int_equal(mls_group_merge_pending(t.a.group), CV_ESTATE);
	assert_agree(&t.a, &t.b);
	assert_int_equal(person_process(&t.c, &theirs.commit), 0);
	assert_int_equal(person_process(&t.c, &mine.commit), CV_EEPOCH);
	mls_commit_output_done(&mine);
	mls_commit_output_done(&theirs);
	/* What is exported from the pending epoch is what it exports later. */
	assert_int_equal(mls_group_commit(t.a.group, &(struct mls_commit){0}, &mine), 0);
	assert_int_equal(mls_group_pending_export(t.a.group, "x", NOTHING, x, 32), 0);
	/* Our own commit that comes back from the service is not to be processed. */
	assert_int_equal(person_process(&t.a, &mine.commit), CV_ESTATE);
	assert_int_equal(mls_group_merge_pending(t.a.group), 0);
	assert_int_equal(mls_group_export(t.a.group, "x", NOTHING, y, 32), 0);
	assert_memory_equal(x, y, 32);
	mls_commit_output_done(&mine);
	trio_done(&t);
}

static void test_public_handshake(void **state)
{
	struct trio t;
	struct mls_commit_output out;
	struct mls_peek peek;
	struct cv_buf p;

	world_init(&t.w, 13);
	person_init(&t.a, &t.w, 1, "alice");
	person_init(&t.b, &t.w, 1, "bob");
	person_init(&t.c, &t.w, 1, "carol");
	t.a.options.public_handshake = true;
	t.b.options.public_handshake = true;
	person_create(&t.a, "trio");
	struct cv_span adds[] = {person_offer(&t.b), person_offer(&t.c)};
	person_commit(&t.a, &(struct mls_commit){.adds = adds, .n_adds = 2}, &out);
	assert_int_equal(mls_peek(out.commit.data, out.commit.len, &peek), 0);
	assert_int_equal(peek.wire_format, MLS_PUBLIC_MESSAGE);
	assert_int_equal(peek.content_type, MLS_CONTENT_COMMIT);
	assert_int_equal(peek.epoch, 0);
	assert_int_equal(person_join(&t.b, &out), 0);
	assert_int_equal(person_join(&t.c, &out), 0);
	mls_commit_output_done(&out);
	cv_buf_init(&p, 4096);
	assert_int_equal(mls_group_propose_update(t.b.group, NULL, NOTHING, &p), 0);
	assert_int_equal(person_process(&t.a, &p), 0);
	assert_int_equal(person_process(&t.c, &p), 0);
	commit_all(&t.a, &t.b, &t.c, &(struct mls_commit){0});
	/* Public and private members understand each other. */
	commit_all(&t.c, &t.b, &t.a, &(struct mls_commit){0});
	cv_buf_done(&p);
	trio_done(&t);
}

static void test_extensions(void **state)
{
	const uint16_t mine = 0xf042;
	struct mls_extension ext[2] = {{.type = mine, .data = TEXT("state 1")},
				       {.type = MLS_EXT_REQUIRED_CAPABILITIES}};
	struct mls_extension leaf_ext = {.type = 0xf043, .data = TEXT("admission")};
	struct mls_commit_output out;
	struct mls_leaf_view leaf;
	struct person a, b, c;
	struct cv_buf required;
	struct cv_span add, data;
	struct world w;

	world_init(&w, 14);
	person_init(&a, &w, 1, "alice");
	person_init(&b, &w, 1, "bob");
	person_init(&c, &w, 1, "carol");
	a.member.extension_types = b.member.extension_types = &mine;
	a.member.n_extension_types = b.member.n_extension_types = 1;
	b.member.extensions = &leaf_ext;
	b.member.n_extensions = 1;
	assert_int_equal(mls_group_create(&a.options, 1, &a.member, TEXT("g"), ext, 1, &a.group), 0);
	add = person_offer(&b);
	person_commit(&a, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	assert_int_equal(person_join(&b, &out), 0);
	mls_commit_output_done(&out);
	assert_int_equal(mls_extension_find(mls_group_extensions(b.group), mine, &data), 0);
	assert_memory_equal(data.data, "state 1", 7);
	assert_int_equal(mls_group_member(a.group, 1, &leaf), 0);
	assert_int_equal(mls_extension_find(leaf.extensions, 0xf043, &data), 0);
	/* Carol's software does not know the group's extension. */
	add = person_offer(&c);
	assert_int_equal(mls_group_commit(a.group, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out),
			 CV_EUNSUPPORTED);
	/* Replaced for both. */
	ext[0].data = TEXT("state 2");
	commit_all(&b, &a, NULL, &(struct mls_commit){.set_extensions = true, .extensions = ext, .n_extensions = 1});
	assert_int_equal(mls_extension_find(mls_group_extensions(a.group), mine, &data), 0);
	assert_memory_equal(data.data, "state 2", 7);
	/* An extension that Bob's leaf does not announce cannot be set, nor required. */
	ext[0].type = 0xf099;
	assert_int_equal(
		mls_group_commit(a.group,
				 &(struct mls_commit){.set_extensions = true, .extensions = ext, .n_extensions = 1},
				 &out),
		CV_EUNSUPPORTED);
	cv_buf_init(&required, 256);
	assert_int_equal(mls_required_capabilities((uint16_t[]){0xf099}, 1, NULL, 0, NULL, 0, &required), 0);
	ext[1].data = SPAN_OF(required);
	assert_int_equal(
		mls_group_commit(a.group,
				 &(struct mls_commit){.set_extensions = true, .extensions = ext + 1, .n_extensions = 1},
				 &out),
		CV_EUNSUPPORTED);
	cv_buf_done(&required);
	person_done(&a);
	person_done(&b);
	person_done(&c);
}

static void test_new_leaf(void **state)
{
	struct trio t;
	struct mls_member renewed;
	struct mls_sign_key *key;
	struct mls_leaf_view leaf;

	trio_init(&t, 15);
	assert_int_equal(mls_sign_key_generate(1, &t.w.rng, &key), 0);
	renewed = t.b.member;
	renewed.credential.data = TEXT("bob the second");
	renewed.signature_key = mls_sign_key_public(key);
	renewed.signer = mls_sign_key_signer(key);
	commit_all(&t.b, &t.a, &t.c, &(struct mls_commit){.member = &renewed});
	assert_int_equal(mls_group_member(t.a.group, mls_group_own_index(t.b.group), &leaf), 0);
	assert_int_equal(leaf.credential.data.len, 14);
	assert_speak(&t.b, &t.a);
	commit_all(&t.b, &t.a, &t.c, &(struct mls_commit){0});
	trio_done(&t);
	mls_sign_key_free(key);
}

static void test_tree_outside(void **state)
{
	struct mls_commit_output out;
	struct person a, b;
	struct cv_span add;
	struct world w;
	struct mls_join j;

	world_init(&w, 16);
	person_init(&a, &w, 1, "alice");
	person_init(&b, &w, 1, "bob");
	person_create(&a, "g");
	add = person_offer(&b);
	person_commit(&a, &(struct mls_commit){.adds = &add, .n_adds = 1, .tree_outside_welcome = true}, &out);
	j = (struct mls_join){.welcome = SPAN_OF(out.welcome), .key_package = b.kp, .signer = b.member.signer};
	assert_int_equal(mls_group_join(&b.options, &j, &b.group), CV_ENOTFOUND);
	j.ratchet_tree = SPAN_OF(out.ratchet_tree);
	j.expected_group_id = TEXT("h");
	assert_int_equal(mls_group_join(&b.options, &j, &b.group), CV_EDENIED);
	j.expected_group_id = TEXT("g");
	b.join_answer = CV_EDENIED;
	assert_int_equal(mls_group_join(&b.options, &j, &b.group), CV_EDENIED);
	b.join_answer = 0;
	assert_int_equal(mls_group_join(&b.options, &j, &b.group), 0);
	assert_agree(&a, &b);
	mls_commit_output_done(&out);
	person_done(&a);
	person_done(&b);
}

/* A certificate for an Ed25519 key, signed by itself. */
static struct cv_span make_cert(const uint8_t seed[32], uint8_t **ret)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	int len;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"bob", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, NULL) > 0);
	*ret = NULL;
	len = i2d_X509(x, ret);
	assert_true(len > 0);
	X509_free(x);
	EVP_PKEY_free(key);
	return (struct cv_span){*ret, (size_t)len};
}

static void test_x509(void **state)
{
	uint8_t seed[32] = {1}, other[32] = {2}, *der, *wrong;
	struct mls_commit_output out;
	struct mls_leaf_view leaf;
	struct cv_span cert, cert2, got, add;
	struct person a, b;
	struct cv_buf chain;
	struct world w;

	world_init(&w, 17);
	person_init(&a, &w, 1, "alice");
	person_init(&b, &w, 1, "bob");
	mls_sign_key_free(b.key);
	assert_int_equal(mls_sign_key_new(1, seed, 32, &b.key), 0);
	b.member.signature_key = mls_sign_key_public(b.key);
	b.member.signer = mls_sign_key_signer(b.key);
	cert = make_cert(seed, &der);
	cert2 = make_cert(other, &wrong);
	cv_buf_init(&chain, 65536);
	assert_int_equal(mls_x509_chain((struct cv_span[]){cert, cert2}, 2, &chain), 0);
	b.member.credential = (struct mls_credential){.type = MLS_CREDENTIAL_X509, .data = SPAN_OF(chain)};
	person_create(&a, "g");
	add = person_offer(&b);
	person_commit(&a, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	assert_int_equal(person_join(&b, &out), 0);
	assert_agree(&a, &b);
	mls_commit_output_done(&out);
	assert_int_equal(mls_group_member(a.group, 1, &leaf), 0);
	assert_int_equal(mls_x509_cert(&leaf.credential, 1, &got), 0);
	assert_int_equal(got.len, cert2.len);
	assert_int_equal(mls_x509_cert(&leaf.credential, 2, &got), CV_ENOTFOUND);
	commit_all(&b, &a, NULL, &(struct mls_commit){0});
	/* Somebody else's certificate first: refused. */
	cv_buf_reset(&chain);
	assert_int_equal(mls_x509_chain((struct cv_span[]){cert2, cert}, 2, &chain), 0);
	b.member.credential.data = SPAN_OF(chain);
	assert_int_equal(mls_group_commit(b.group, &(struct mls_commit){.member = &b.member}, &out), CV_EINVAL);
	cv_buf_done(&chain);
	OPENSSL_free(der);
	OPENSSL_free(wrong);
	person_done(&a);
	person_done(&b);
}

static void test_key_package_storage(void **state)
{
	struct mls_key_package *again;
	struct mls_key_package_view view;
	struct cv_buf saved;
	struct person p;
	struct world w;
	struct cv_span m;

	world_init(&w, 18);
	person_init(&p, &w, 1, "alice");
	m = person_offer(&p);
	assert_int_equal(mls_key_package_read(m.data, m.len, &view), 0);
	assert_int_equal(view.suite, 1);
	assert_int_equal(view.leaf.not_after, w.now + 300);
	assert_memory_equal(view.ref, mls_key_package_ref(p.kp).data, view.ref_len);
	cv_buf_init_secret(&saved, 65536);
	assert_int_equal(mls_key_package_save(p.kp, &saved), 0);
	assert_int_equal(mls_key_package_restore(saved.data, saved.len, &again), 0);
	assert_memory_equal(mls_key_package_message(again).data, m.data, m.len);
	mls_key_package_free(again);
	saved.data[saved.len - 1] ^= 1;
	assert_int_equal(mls_key_package_restore(saved.data, saved.len, &again), CV_EINVAL);
	cv_buf_done(&saved);
	person_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proposals_by_reference),
		cmocka_unit_test(test_own_update_cannot_be_committed),
		cmocka_unit_test(test_psk),
		cmocka_unit_test(test_external_join),
		cmocka_unit_test(test_external_senders),
		cmocka_unit_test(test_newcomer_asks),
		cmocka_unit_test(test_reinit),
		cmocka_unit_test(test_branch),
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_past_epochs),
		cmocka_unit_test(test_save),
		cmocka_unit_test(test_pending),
		cmocka_unit_test(test_public_handshake),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_new_leaf),
		cmocka_unit_test(test_tree_outside),
		cmocka_unit_test(test_x509),
		cmocka_unit_test(test_key_package_storage),
	};

	return cmocka_run_group_tests_name("mls features", tests, NULL, NULL);
}
