/* SPDX-License-Identifier: Apache-2.0 */
/* Groups that are saved and restored in the middle of things, and what is refused of a file that is not whole. */
#include "trio.h"

struct stage {
	struct trio t;
	struct cv_buf saved, again, msg;
	/* Bob's new signature key, as after the loss of a smart card. */
	struct mls_sign_key *key;
	struct mls_member member;
	struct mls_own_key keys[2];
};

static int setup(void **state)
{
	static struct stage s;

	memset(&s, 0, sizeof(s));
	trio_init(&s.t, 11);
	cv_buf_init_secret(&s.saved, 1 << 20);
	cv_buf_init_secret(&s.again, 1 << 20);
	cv_buf_init(&s.msg, 1 << 20);
	assert_int_equal(mls_sign_key_generate(1, &s.t.w.rng, &s.key), 0);
	s.member = s.t.b.member;
	s.member.signature_key = mls_sign_key_public(s.key);
	s.member.signer = mls_sign_key_signer(s.key);
	s.keys[0] = (struct mls_own_key){s.t.b.member.signature_key, s.t.b.member.signer};
	s.keys[1] = (struct mls_own_key){s.member.signature_key, s.member.signer};
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct stage *s = *state;

	trio_done(&s->t);
	mls_sign_key_free(s->key);
	cv_buf_done(&s->saved);
	cv_buf_done(&s->again);
	cv_buf_done(&s->msg);
	return 0;
}

/* Bob's group is thrown away and comes back with `n` keys; saved once more it is the same. */
static void restart(struct stage *s, size_t n)
{
	struct person *b = &s->t.b;

	cv_buf_reset(&s->saved);
	cv_buf_reset(&s->again);
	assert_int_equal(mls_group_save(b->group, &s->saved), 0);
	mls_group_free(b->group);
	b->group = NULL;
	assert_int_equal(mls_group_restore(&b->options, s->keys, n, s->saved.data, s->saved.len, &b->group), 0);
	assert_int_equal(mls_group_save(b->group, &s->again), 0);
	assert_int_equal(s->saved.len, s->again.len);
	assert_memory_equal(s->saved.data, s->again.data, s->saved.len);
}

static void test_messages(void **state)
{
	struct stage *s = *state;
	struct trio *t = &s->t;
	struct cv_buf m[3];

	for (int i = 0; i < 3; i++) {
		cv_buf_init(&m[i], 4096);
		assert_int_equal(mls_group_encrypt(t->a.group, TEXT("hi"), NOTHING, &m[i]), 0);
	}
	/* A skipped key and an Update under way. */
	assert_int_equal(read_message(&t->b, &m[1]), 0);
	assert_int_equal(mls_group_propose_update(t->b.group, NULL, NOTHING, &s->msg), 0);
	restart(s, 1);
	assert_int_equal(read_message(&t->b, &m[1]), CV_EREPLAY);
	assert_int_equal(read_message(&t->b, &m[0]), 0);
	assert_int_equal(read_message(&t->b, &m[2]), 0);
	assert_int_equal(person_process(&t->a, &s->msg), 0);
	assert_int_equal(person_process(&t->c, &s->msg), 0);
	commit_all(&t->a, &t->b, &t->c, &(struct mls_commit){0});
	assert_speak(&t->b, &t->c);
	commit_all(&t->c, &t->b, &t->a, &(struct mls_commit){0});
	for (int i = 0; i < 3; i++)
		cv_buf_done(&m[i]);
}

/* The new signature key of an Update is in force when somebody has committed it, not before. */
static void test_update_with_new_key(void **state)
{
	struct stage *s = *state;
	struct trio *t = &s->t;
	struct mls_group *g = NULL;

	assert_int_equal(mls_group_propose_update(t->b.group, NULL, NOTHING, &s->msg), 0);
	cv_buf_reset(&s->msg);
	assert_int_equal(mls_group_propose_update(t->b.group, &s->member, NOTHING, &s->msg), 0);
	restart(s, 2);
	assert_int_equal(mls_group_restore(&t->b.options, s->keys, 1, s->saved.data, s->saved.len, &g), CV_ENOTFOUND);
	assert_int_equal(mls_group_restore(&t->b.options, s->keys + 1, 1, s->saved.data, s->saved.len, &g),
			 CV_ENOTFOUND);
	assert_int_equal(mls_group_restore(&t->b.options, NULL, 0, s->saved.data, s->saved.len, &g), CV_ENOTFOUND);
	assert_int_equal(person_process(&t->a, &s->msg), 0);
	assert_int_equal(person_process(&t->c, &s->msg), 0);
	commit_all(&t->a, &t->b, &t->c, &(struct mls_commit){0});
	assert_speak(&t->b, &t->a);
	assert_speak(&t->b, &t->c);
	commit_all(&t->b, &t->a, &t->c, &(struct mls_commit){0});
	/* The old key is not asked for any more. */
	s->keys[0] = s->keys[1];
	restart(s, 1);
	assert_speak(&t->b, &t->a);
}

/* Saved between the commit and the word that it was accepted. */
static void test_pending_commit(void **state)
{
	const struct mls_commit plain = {0};
	struct stage *s = *state;
	struct trio *t = &s->t;
	const struct mls_commit renewed = {.member = &s->member};
	struct mls_commit_output out, other;
	struct mls_group *g = NULL;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(mls_group_commit(t->b.group, i ? &renewed : &plain, &out), 0);
		restart(s, 1 + (size_t)i);
		assert_true(mls_group_has_pending(t->b.group));
		if (i)
			assert_int_equal(mls_group_restore(&t->b.options, s->keys, 1, s->saved.data, s->saved.len, &g),
					 CV_ENOTFOUND);
		assert_int_equal(person_process(&t->a, &out.commit), 0);
		assert_int_equal(person_process(&t->c, &out.commit), 0);
		assert_int_equal(mls_group_merge_pending(t->b.group), 0);
		assert_agree(&t->a, &t->b);
		assert_speak(&t->b, &t->c);
		assert_speak(&t->c, &t->b);
		mls_commit_output_done(&out);
	}
	/* The same, but somebody else's was accepted. */
	assert_int_equal(mls_group_commit(t->b.group, &plain, &out), 0);
	s->keys[0] = s->keys[1];
	restart(s, 1);
	person_commit(&t->a, &plain, &other);
	assert_int_equal(person_process(&t->b, &other.commit), 0);
	assert_false(mls_group_has_pending(t->b.group));
	assert_agree(&t->a, &t->b);
	mls_commit_output_done(&out);
	mls_commit_output_done(&other);
}

/* Every cut, and every byte changed in turn, is refused or restored: never a crash. Only a whole one is taken. */
static void test_damaged(void **state)
{
	struct stage *s = *state;
	struct trio *t = &s->t;
	struct mls_commit_output out;
	struct mls_group *g = NULL;

	assert_int_equal(mls_group_propose_update(t->b.group, &s->member, NOTHING, &s->msg), 0);
	assert_int_equal(mls_group_commit(t->b.group, &(struct mls_commit){0}, &out), 0);
	restart(s, 2);
	for (size_t cut = 0; cut < s->saved.len; cut++)
		assert_int_not_equal(mls_group_restore(&t->b.options, s->keys, 2, s->saved.data, cut, &g), 0);
	cv_buf_put_u8(&s->saved, 0);
	assert_int_equal(mls_group_restore(&t->b.options, s->keys, 2, s->saved.data, s->saved.len, &g), CV_ETRAILING);
	s->saved.len--;
	s->saved.data[0]++;
	assert_int_equal(mls_group_restore(&t->b.options, s->keys, 2, s->saved.data, s->saved.len, &g),
			 CV_EUNSUPPORTED);
	s->saved.data[0]--;
	for (size_t i = 1; i < s->saved.len; i++) {
		s->saved.data[i] ^= 0x41;
		if (mls_group_restore(&t->b.options, s->keys, 2, s->saved.data, s->saved.len, &g) == 0)
			mls_group_free(g);
		s->saved.data[i] ^= 0x41;
	}
	mls_commit_output_done(&out);
}

/* Who is out has nothing to save. */
static void test_removed(void **state)
{
	struct stage *s = *state;
	struct trio *t = &s->t;
	uint32_t bob = mls_group_own_index(t->b.group);
	struct mls_commit_output out;

	person_commit(&t->a, &(struct mls_commit){.removes = &bob, .n_removes = 1}, &out);
	assert_int_equal(person_process(&t->b, &out.commit), 0);
	assert_int_equal(mls_group_save(t->b.group, &s->saved), CV_ESTATE);
	mls_commit_output_done(&out);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_messages), CASE(test_update_with_new_key), CASE(test_pending_commit), CASE(test_damaged),
		CASE(test_removed),
	};

	return cmocka_run_group_tests_name("mls save", tests, NULL, NULL);
}
