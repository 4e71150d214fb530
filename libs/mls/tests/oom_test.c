/* SPDX-License-Identifier: Apache-2.0 */
/* Allocations that fail in the life of a group: creation, commits, messages, external joins, saving. */
#include "oom.h"

struct scene {
	struct world w;
	struct person a, b, c, d;
	struct mls_commit_output out, welcome;
	struct cv_buf msg, gi;
	struct mls_group *g;
};

static void scene_init(struct scene *s)
{
	struct cv_span adds[2];

	memset(s, 0, sizeof(*s));
	world_init(&s->w, 5);
	person_init(&s->a, &s->w, 1, "alice");
	person_init(&s->b, &s->w, 1, "bob");
	person_init(&s->c, &s->w, 1, "carol");
	person_init(&s->d, &s->w, 1, "dave");
	person_create(&s->a, "oom");
	adds[0] = person_offer(&s->b);
	adds[1] = person_offer(&s->c);
	person_commit(&s->a, &(struct mls_commit){.adds = adds, .n_adds = 2, .force_path = true}, &s->welcome);
	assert_int_equal(person_join(&s->b, &s->welcome), 0);
	cv_buf_init(&s->msg, 1 << 20);
	cv_buf_init(&s->gi, 1 << 20);
	person_offer(&s->d);
}

static void scene_done(struct scene *s)
{
	person_done(&s->a);
	person_done(&s->b);
	person_done(&s->c);
	person_done(&s->d);
	mls_commit_output_done(&s->out);
	mls_commit_output_done(&s->welcome);
	cv_buf_done(&s->msg);
	cv_buf_done(&s->gi);
	mls_group_free(s->g);
}

static int do_create(void *ctx)
{
	struct scene *s = ctx;
	return mls_group_create(&s->d.options, 1, &s->d.member, TEXT("new"), NULL, 0, &s->g);
}

static int do_offer(void *ctx)
{
	struct scene *s = ctx;
	struct mls_key_package *kp = NULL;
	int err = mls_key_package_new(&s->w.env, 1, &s->c.member, NOW, NOW + 10, &kp);

	mls_key_package_free(kp);
	return err;
}

static int do_commit(void *ctx)
{
	struct scene *s = ctx;
	struct cv_span add = mls_key_package_message(s->d.kp);

	return mls_group_commit(
		s->a.group,
		&(struct mls_commit){.adds = &add, .n_adds = 1, .force_path = true, .want_group_info = true}, &s->out);
}

static int do_process(void *ctx)
{
	struct scene *s = ctx;
	struct mls_received r;
	int err = mls_group_process(s->b.group, s->out.commit.data, s->out.commit.len, &r);

	if (!err)
		mls_received_done(&r);
	return err;
}

static int do_join(void *ctx)
{
	struct scene *s = ctx;
	return person_join(&s->c, &s->welcome);
}

static int do_encrypt(void *ctx)
{
	struct scene *s = ctx;
	cv_buf_reset(&s->msg);
	return mls_group_encrypt(s->a.group, TEXT("text"), TEXT("header"), &s->msg);
}

static int do_read(void *ctx)
{
	struct scene *s = ctx;
	struct mls_received r;
	int err = mls_group_process(s->b.group, s->msg.data, s->msg.len, &r);

	if (!err)
		mls_received_done(&r);
	return err;
}

static int do_propose(void *ctx)
{
	struct scene *s = ctx;
	cv_buf_reset(&s->msg);
	return mls_group_propose_update(s->a.group, NULL, NOTHING, &s->msg);
}

static int do_external(void *ctx)
{
	struct scene *s = ctx;
	struct mls_external_join j = {.group_info = SPAN_OF(s->gi)};

	cv_buf_reset(&s->msg);
	return mls_group_join_external(&s->d.options, &s->d.member, &j, &s->msg, &s->g);
}

static int do_save(void *ctx)
{
	struct scene *s = ctx;
	cv_buf_done(&s->gi);
	return mls_group_save(s->b.group, &s->gi);
}

static int do_restore(void *ctx)
{
	struct scene *s = ctx;
	const struct mls_own_key key = {s->b.member.signature_key, s->b.member.signer};

	return mls_group_restore(&s->b.options, &key, 1, s->gi.data, s->gi.len, &s->g);
}

static void test_group(void **state)
{
	struct scene s;

	scene_init(&s);
	oom_every(do_create, &s, NULL);
	oom_every(do_offer, &s, NULL);
	oom_every(do_join, &s, NULL);
	oom_every(do_commit, &s, UNCHANGED(&s.a));
	oom_every(do_process, &s, UNCHANGED(&s.b));
	assert_int_equal(mls_group_merge_pending(s.a.group), 0);
	assert_agree(&s.a, &s.b);
	/* Whoever came through the walk is a full member. */
	assert_int_equal(person_process(&s.c, &s.out.commit), 0);
	assert_agree(&s.a, &s.c);
	scene_done(&s);
}

static void test_messages(void **state)
{
	struct scene s;

	scene_init(&s);
	oom_every(do_encrypt, &s, UNCHANGED(&s.a));
	assert_int_equal(do_encrypt(&s), 0);
	oom_every(do_read, &s, UNCHANGED(&s.b));
	assert_int_equal(do_read(&s), CV_EREPLAY);
	oom_every(do_propose, &s, UNCHANGED(&s.a));
	oom_every(do_read, &s, UNCHANGED(&s.b));
	assert_int_equal(mls_group_n_proposals(s.b.group), 1);
	scene_done(&s);
}

static void test_external_and_save(void **state)
{
	struct scene s;

	scene_init(&s);
	assert_int_equal(mls_group_info(s.a.group, true, &s.gi), 0);
	oom_every(do_external, &s, NULL);
	assert_int_equal(person_process(&s.b, &s.msg), 0);
	mls_group_free(s.g);
	s.g = NULL;
	oom_every(do_save, &s, UNCHANGED(&s.b));
	oom_every(do_restore, &s, NULL);
	scene_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_group),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_external_and_save),
	};

	return cmocka_run_group_tests_name("mls oom", tests, NULL, NULL);
}
