/* SPDX-License-Identifier: Apache-2.0 */
/* Allocations that fail with proposals, from outside, from group to group, and in objects that stand alone. */
#include "oom.h"
#include "trio.h"

struct scene {
	struct trio t;
	struct person d, server;
	struct mls_commit_output out;
	struct mls_external_proposer from;
	struct cv_buf msg, enc;
	struct mls_group *g;
	struct mls_key_package *kp;
	struct mls_sign_key *key;
	struct mls_hpke_key hpke;
};

static const struct mls_psk_question psk = {.usage = MLS_PSK_EXTERNAL, .psk_id = TEXT("id")};
static const struct mls_reinit next_group = {.group_id = TEXT("next"), .suite = 1};

static int setup(void **state)
{
	static struct scene s;
	struct mls_extension ext = {.type = MLS_EXT_EXTERNAL_SENDERS};
	struct mls_external_sender sender;

	memset(&s, 0, sizeof(s));
	trio_init(&s.t, 31);
	person_init(&s.d, &s.t.w, 1, "dave");
	person_init(&s.server, &s.t.w, 1, "server");
	person_offer(&s.d);
	s.t.a.psk_id = s.t.b.psk_id = s.t.c.psk_id = psk.psk_id;
	s.t.a.psk = s.t.b.psk = s.t.c.psk = TEXT("a shared secret");
	cv_buf_init(&s.msg, 1 << 20);
	cv_buf_init(&s.enc, 1 << 20);
	sender = (struct mls_external_sender){s.server.member.signature_key, s.server.member.credential};
	assert_int_equal(mls_external_senders(&sender, 1, &s.msg), 0);
	ext.data = SPAN_OF(s.msg);
	commit_all(&s.t.a, &s.t.b, &s.t.c,
		   &(struct mls_commit){.set_extensions = true, .extensions = &ext, .n_extensions = 1});
	s.from = (struct mls_external_proposer){.suite = 1,
						.group_id = TEXT("trio"),
						.epoch = mls_group_epoch(s.t.a.group),
						.signer = s.server.member.signer};
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	trio_done(&s->t);
	person_done(&s->d);
	person_done(&s->server);
	mls_commit_output_done(&s->out);
	cv_buf_done(&s->msg);
	cv_buf_done(&s->enc);
	mls_group_free(s->g);
	mls_key_package_free(s->kp);
	mls_sign_key_free(s->key);
	return 0;
}

/* --- proposals --- */

static int propose_add(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_group_propose_add(s->t.a.group, mls_key_package_message(s->d.kp), NOTHING, &s->msg);
}

static int propose_remove(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_group_propose_remove(s->t.a.group, 2, NOTHING, &s->msg);
}

static int propose_update(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_group_propose_update(s->t.a.group, &s->t.a.member, NOTHING, &s->msg);
}

static int propose_extensions(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_group_propose_extensions(s->t.a.group, NULL, 0, NOTHING, &s->msg);
}

static int propose_psk(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_group_propose_psk(s->t.a.group, &psk, NOTHING, &s->msg);
}

static int propose_reinit(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_group_propose_reinit(s->t.a.group, &next_group, NOTHING, &s->msg);
}

static int propose_join(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_propose_join(&s->t.w.env, s->d.kp, s->d.member.signer, s->from.group_id, s->from.epoch, &s->msg);
}

static int external_add(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_external_propose_add(&s->from, mls_key_package_message(s->d.kp), &s->msg);
}

static int external_remove(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_external_propose_remove(&s->from, 2, &s->msg);
}

static int external_psk(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_external_propose_psk(&s->from, &psk, &s->t.w.rng, &s->msg);
}

static int external_extensions(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_external_propose_extensions(&s->from, NULL, 0, &s->msg);
}

static int external_reinit(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_reset(&s->msg);
	return mls_external_propose_reinit(&s->from, &next_group, &s->msg);
}

static int bob_reads(void *ctx)
{
	struct scene *s = ctx;

	return person_process(&s->t.b, &s->msg);
}

static int bob_reads_commit(void *ctx)
{
	struct scene *s = ctx;

	return person_process(&s->t.b, &s->out.commit);
}

static int commit_kept(void *ctx)
{
	struct scene *s = ctx;

	return mls_group_commit(s->t.b.group, &(struct mls_commit){0}, &s->out);
}

static int commit_psk(void *ctx)
{
	struct scene *s = ctx;

	return mls_group_commit(s->t.a.group, &(struct mls_commit){.psks = &psk, .n_psks = 1}, &s->out);
}

/* Each kind is made and read with every allocation failing; some are then committed by reference. */
static void test_proposals(void **state)
{
	int (*const made[])(void *ctx) = {propose_add,        propose_remove, propose_update,
					  propose_extensions, propose_psk,    propose_reinit};
	int (*const outside[])(void *ctx) = {propose_join, external_remove,     external_add,
					     external_psk, external_extensions, external_reinit};
	struct scene *s = *state;
	struct trio *t = &s->t;

	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		oom_every(made[i], s, UNCHANGED(&t->a));
		oom_every(bob_reads, s, UNCHANGED(&t->b));
		assert_int_equal(mls_group_n_proposals(t->a.group), 1);
		assert_int_equal(mls_group_n_proposals(t->b.group), 1);
		mls_group_clear_proposals(t->a.group);
		mls_group_clear_proposals(t->b.group);
	}
	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		oom_every(outside[i], s, NULL);
		oom_every(bob_reads, s, UNCHANGED(&t->b));
		mls_group_clear_proposals(t->b.group);
	}
	assert_int_equal(propose_update(s), 0);
	assert_int_equal(bob_reads(s), 0);
	assert_int_equal(propose_psk(s), 0);
	assert_int_equal(bob_reads(s), 0);
	assert_int_equal(propose_add(s), 0);
	assert_int_equal(bob_reads(s), 0);
	oom_every(commit_kept, s, UNCHANGED(&t->b));
	assert_int_equal(mls_group_merge_pending(t->b.group), 0);
	assert_int_equal(person_process(&t->a, &s->out.commit), 0);
	assert_agree(&t->a, &t->b);
}

static void test_psk(void **state)
{
	struct scene *s = *state;

	oom_every(commit_psk, s, UNCHANGED(&s->t.a));
	oom_every(bob_reads_commit, s, UNCHANGED(&s->t.b));
	assert_int_equal(mls_group_merge_pending(s->t.a.group), 0);
	assert_agree(&s->t.a, &s->t.b);
}

static void test_external_commit(void **state)
{
	struct scene *s = *state;
	struct mls_external_join j;

	assert_int_equal(mls_group_info(s->t.a.group, true, &s->enc), 0);
	j = (struct mls_external_join){.group_info = SPAN_OF(s->enc)};
	cv_buf_reset(&s->msg);
	assert_int_equal(mls_group_join_external(&s->d.options, &s->d.member, &j, &s->msg, &s->d.group), 0);
	oom_every(bob_reads, s, UNCHANGED(&s->t.b));
	assert_agree(&s->t.b, &s->d);
}

/* --- from group to group --- */

static int commit_reinit(void *ctx)
{
	struct scene *s = ctx;

	return mls_group_commit(s->t.a.group, &(struct mls_commit){.reinit = &next_group}, &s->out);
}

static int found_next(void *ctx)
{
	struct scene *s = ctx;
	struct cv_span adds[2] = {mls_key_package_message(s->t.b.kp), mls_key_package_message(s->t.c.kp)};

	return mls_group_reinit(s->t.a.group, &s->t.a.options, &s->t.a.member, adds, 2, &s->out, &s->g);
}

static int found_branch(void *ctx)
{
	struct scene *s = ctx;
	struct cv_span add = mls_key_package_message(s->t.b.kp);

	return mls_group_branch(s->t.a.group, &s->t.a.options, &s->t.a.member, TEXT("side room"), &add, 1, &s->out,
				&s->g);
}

static int join_next(void *ctx)
{
	struct scene *s = ctx;
	struct mls_join j = {
		.welcome = SPAN_OF(s->out.welcome), .key_package = s->t.b.kp, .signer = s->t.b.member.signer};

	return mls_group_join_successor(s->t.b.group, &s->t.b.options, &j, &s->g);
}

/* Bob follows into the group of s->out. */
static void bob_follows(struct scene *s)
{
	mls_group_free(s->g);
	s->g = NULL;
	oom_every(join_next, s, UNCHANGED(&s->t.b));
	mls_group_free(s->g);
	s->g = NULL;
	mls_commit_output_done(&s->out);
	memset(&s->out, 0, sizeof(s->out));
}

static void test_successors(void **state)
{
	struct scene *s = *state;
	struct trio *t = &s->t;

	person_offer(&t->b);
	person_offer(&t->c);
	oom_every(found_branch, s, UNCHANGED(&t->a));
	bob_follows(s);
	oom_every(commit_reinit, s, UNCHANGED(&t->a));
	oom_every(bob_reads_commit, s, UNCHANGED(&t->b));
	assert_int_equal(mls_group_merge_pending(t->a.group), 0);
	mls_commit_output_done(&s->out);
	oom_every(found_next, s, UNCHANGED(&t->a));
	bob_follows(s);
}

/* --- alone --- */

static int group_info(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_done(&s->enc);
	return mls_group_info(s->t.a.group, true, &s->enc);
}

static int group_tree(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_done(&s->enc);
	return mls_group_tree(s->t.a.group, &s->enc);
}

static int sign_key(void *ctx)
{
	static const uint8_t seed[32] = {1, 2, 3};
	struct scene *s = ctx;
	int err;

	mls_sign_key_free(s->key);
	s->key = NULL;
	err = mls_sign_key_generate(1, &s->t.w.rng, &s->key);
	if (err)
		return err;
	mls_sign_key_free(s->key);
	s->key = NULL;
	return mls_sign_key_new(1, seed, sizeof(seed), &s->key);
}

static int save_key_package(void *ctx)
{
	struct scene *s = ctx;

	cv_buf_done(&s->enc);
	return mls_key_package_save(s->d.kp, &s->enc);
}

static int restore_key_package(void *ctx)
{
	struct scene *s = ctx;

	mls_key_package_free(s->kp);
	s->kp = NULL;
	return mls_key_package_restore(s->enc.data, s->enc.len, &s->kp);
}

static int hpke_seal(void *ctx)
{
	struct scene *s = ctx;
	struct cv_span pub = {s->hpke.pub, s->hpke.pub_len};

	cv_buf_done(&s->enc);
	cv_buf_done(&s->msg);
	return mls_hpke_seal(1, &s->t.w.rng, pub, TEXT("info"), NOTHING, TEXT("text"), &s->enc, &s->msg);
}

static int hpke_open(void *ctx)
{
	struct scene *s = ctx;
	struct cv_buf text;
	int err;

	cv_buf_init(&text, 64);
	err = mls_hpke_open(1, &s->hpke, SPAN_OF(s->enc), TEXT("info"), NOTHING, SPAN_OF(s->msg), &text);
	if (!err)
		assert_memory_equal(text.data, "text", 4);
	cv_buf_done(&text);
	return err;
}

static void test_alone(void **state)
{
	struct scene *s = *state;

	oom_every(group_info, s, UNCHANGED(&s->t.a));
	oom_every(group_tree, s, UNCHANGED(&s->t.a));
	oom_every(sign_key, s, NULL);
	oom_every(save_key_package, s, NULL);
	oom_every(restore_key_package, s, NULL);
	assert_int_equal(mls_hpke_generate(1, &s->t.w.rng, &s->hpke), 0);
	oom_every(hpke_seal, s, NULL);
	oom_every(hpke_open, s, NULL);
	mls_hpke_key_wipe(&s->hpke);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_proposals),  CASE(test_psk),   CASE(test_external_commit),
		CASE(test_successors), CASE(test_alone),
	};

	return cmocka_run_group_tests_name("mls oom outside", tests, NULL, NULL);
}
