/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation fails once: the call says CV_ENOMEM, nothing leaks, nothing changes, and the next try succeeds. */
#include "helper.h"

#include <base/alloc.h>

#include "../src/state.h"

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

/* Calls `op` with the n-th allocation failing, n = 0, 1, … until one run needs fewer. */
static void every_allocation(struct scene *s, int (*op)(struct scene *s), const struct person *unchanged)
{
	struct cv_span auth = {0};
	uint64_t epoch = 0;
	uint8_t before[32];

	if (unchanged) {
		epoch = mls_group_epoch(unchanged->group);
		memcpy(before, mls_group_epoch_authenticator(unchanged->group).data, 32);
	}
	for (long n = 0;; n++) {
		long made;
		int err;

		cv_alloc_fail_at(n);
		err = op(s);
		made = cv_alloc_count();
		cv_alloc_fail_at(-1);
		if (made <= n) {
			assert_int_equal(err, 0);
			assert_true(n > 2); /* it has allocated at all */
			return;
		}
		assert_int_equal(err, CV_ENOMEM);
		if (!unchanged)
			continue;
		auth = mls_group_epoch_authenticator(unchanged->group);
		assert_int_equal(mls_group_epoch(unchanged->group), epoch);
		assert_memory_equal(auth.data, before, 32);
	}
}

static int do_create(struct scene *s)
{
	return mls_group_create(&s->d.options, 1, &s->d.member, TEXT("new"), NULL, 0, &s->g);
}

static int do_offer(struct scene *s)
{
	struct mls_key_package *kp = NULL;
	int err = mls_key_package_new(&s->w.env, 1, &s->c.member, NOW, NOW + 10, &kp);

	mls_key_package_free(kp);
	return err;
}

static int do_commit(struct scene *s)
{
	struct cv_span add = mls_key_package_message(s->d.kp);

	return mls_group_commit(
		s->a.group,
		&(struct mls_commit){.adds = &add, .n_adds = 1, .force_path = true, .want_group_info = true}, &s->out);
}

static int do_process(struct scene *s)
{
	struct mls_received r;
	int err = mls_group_process(s->b.group, s->out.commit.data, s->out.commit.len, &r);

	if (!err)
		mls_received_done(&r);
	return err;
}

static int do_join(struct scene *s)
{
	return person_join(&s->c, &s->welcome);
}

static int do_encrypt(struct scene *s)
{
	cv_buf_reset(&s->msg);
	return mls_group_encrypt(s->a.group, TEXT("text"), TEXT("header"), &s->msg);
}

static int do_read(struct scene *s)
{
	struct mls_received r;
	int err = mls_group_process(s->b.group, s->msg.data, s->msg.len, &r);

	if (!err)
		mls_received_done(&r);
	return err;
}

static int do_propose(struct scene *s)
{
	cv_buf_reset(&s->msg);
	return mls_group_propose_update(s->a.group, NULL, NOTHING, &s->msg);
}

static int do_external(struct scene *s)
{
	struct mls_external_join j = {.group_info = SPAN_OF(s->gi)};

	cv_buf_reset(&s->msg);
	return mls_group_join_external(&s->d.options, &s->d.member, &j, &s->msg, &s->g);
}

static int do_save(struct scene *s)
{
	cv_buf_done(&s->gi);
	return mls_group_save(s->b.group, &s->gi);
}

static int do_restore(struct scene *s)
{
	const struct mls_own_key key = {s->b.member.signature_key, s->b.member.signer};

	return mls_group_restore(&s->b.options, &key, 1, s->gi.data, s->gi.len, &s->g);
}

static void test_group(void **state)
{
	struct scene s;

	scene_init(&s);
	every_allocation(&s, do_create, NULL);
	every_allocation(&s, do_offer, NULL);
	every_allocation(&s, do_join, NULL);
	every_allocation(&s, do_commit, &s.a);
	every_allocation(&s, do_process, &s.b);
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
	every_allocation(&s, do_encrypt, &s.a);
	cv_buf_reset(&s.msg);
	assert_int_equal(do_encrypt(&s), 0);
	every_allocation(&s, do_read, &s.b);
	assert_int_equal(do_read(&s), CV_EREPLAY);
	every_allocation(&s, do_propose, &s.a);
	every_allocation(&s, do_read, &s.b);
	assert_int_equal(mls_group_n_proposals(s.b.group), 1);
	scene_done(&s);
}

static void test_external_and_save(void **state)
{
	struct scene s;

	scene_init(&s);
	assert_int_equal(mls_group_info(s.a.group, true, &s.gi), 0);
	every_allocation(&s, do_external, NULL);
	assert_int_equal(person_process(&s.b, &s.msg), 0);
	mls_group_free(s.g);
	s.g = NULL;
	every_allocation(&s, do_save, &s.b);
	every_allocation(&s, do_restore, NULL);
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
