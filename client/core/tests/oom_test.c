/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of the group's calls fails once: the call says CV_ENOMEM, nothing leaks, and the group goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <base/alloc.h>

#include "cast.h"

#define TALK 7u
#define LEAD 15u

struct scene {
	struct cast c;
	struct person *ann, *bob, *cem;
	struct cv_buf kp, commit, welcome, message, sealed;
	struct client_commit made;
	struct client_change change;
	struct client_candidate candidate;
	struct client_rights_change rights;
};

static void scene_init(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	cast_init(&s->c);
	s->ann = cast_person(&s->c, "ann", LEAD, NULL);
	s->bob = cast_person(&s->c, "bob", TALK, NULL);
	s->cem = cast_person(&s->c, "cem", TALK, NULL);
	cast_create(&s->c, s->ann);
	cast_admit(&s->c, s->ann, s->bob);
	cv_buf_init(&s->kp, 65536);
	cv_buf_init(&s->sealed, 65536);
	cv_buf_init(&s->message, 1 << 20);
}

static void scene_done(struct scene *s)
{
	cv_buf_done(&s->kp);
	cv_buf_done(&s->commit);
	cv_buf_done(&s->welcome);
	cv_buf_done(&s->message);
	cv_buf_done(&s->sealed);
	client_commit_done(&s->made);
	cast_done(&s->c);
}

/* Calls `op` with the n-th allocation failing, n = 0, 1, … until one run needs fewer: how many that were. */
static long every_allocation(struct scene *s, int (*op)(struct scene *s), const struct person *unchanged)
{
	uint64_t epoch = unchanged != NULL ? client_group_epoch(unchanged->group) : 0;
	uint8_t before[CLIENT_AUTHENTICATOR_LEN], now[CLIENT_AUTHENTICATOR_LEN];
	size_t count = unchanged != NULL ? client_group_count(unchanged->group) : 0;

	if (unchanged != NULL)
		assert_int_equal(client_group_authenticator(unchanged->group, before), 0);
	for (long n = 0;; n++) {
		long made;
		int r;

		cv_alloc_fail_at(n);
		r = op(s);
		made = cv_alloc_count();
		cv_alloc_fail_at(-1);
		if (made <= n) {
			assert_int_equal(r, 0);
			return n;
		}
		assert_int_equal(r, CV_ENOMEM);
		if (unchanged == NULL)
			continue;
		assert_int_equal(client_group_epoch(unchanged->group), epoch);
		assert_int_equal(client_group_count(unchanged->group), count);
		assert_int_equal(client_group_authenticator(unchanged->group, now), 0);
		assert_memory_equal(now, before, sizeof(now));
	}
}

static int do_key_package(struct scene *s)
{
	cv_buf_reset(&s->kp);
	return client_group_key_package(s->cem->group, &s->kp);
}

/* What is refused for want of memory is not pending. */
static int do_commit(struct scene *s)
{
	int r;

	client_commit_done(&s->made);
	r = client_group_commit(s->ann->group, &s->change, &s->made);
	if (r != 0)
		assert_false(client_group_pending(s->ann->group));
	return r;
}

static int do_process(struct scene *s)
{
	client_news_done(&s->bob->news);
	return client_group_process(s->bob->group, s->commit.data, s->commit.len, &s->bob->news);
}

static int do_join(struct scene *s)
{
	return client_group_join(s->cem->group, s->welcome.data, s->welcome.len);
}

static int do_seal(struct scene *s)
{
	cv_buf_reset(&s->sealed);
	return client_group_seal(s->ann->group, "text", 4, &s->sealed);
}

static int do_read(struct scene *s)
{
	client_news_done(&s->bob->news);
	return client_group_process(s->bob->group, s->sealed.data, s->sealed.len, &s->bob->news);
}

static int do_merge(struct scene *s)
{
	client_news_done(&s->ann->news);
	return client_group_accepted(s->ann->group, &s->ann->news);
}

static void test_admit(void **state)
{
	struct scene s;

	scene_init(&s);
	assert_true(every_allocation(&s, do_key_package, NULL) > 5);
	s.candidate = (struct client_candidate){.connection = 7, .key_package = {s.kp.data, s.kp.len}};
	memcpy(s.rights.user_id, s.bob->user_id, 16);
	s.rights.rights = 1;
	s.change = (struct client_change){
		.candidates = &s.candidate, .n_candidates = 1, .rights = &s.rights, .n_rights = 1};
	assert_true(every_allocation(&s, do_commit, s.ann) > 20);
	assert_int_equal(s.made.n_refused, 0);
	cast_parts(&s.made.message, &s.commit, &s.welcome);
	assert_true(every_allocation(&s, do_process, s.bob) > 20);
	assert_int_equal(do_merge(&s), 0);
	assert_true(every_allocation(&s, do_join, NULL) > 20);
	s.cem->in = true;
	assert_int_equal(s.bob->news.n_added, 1);
	assert_int_equal(client_group_rights(s.bob->group, 1), 1);
	cast_agree(&s.c);
	assert_true(every_allocation(&s, do_seal, s.ann) > 0);
	assert_true(every_allocation(&s, do_read, s.bob) > 0);
	assert_int_equal(s.bob->news.kind, CLIENT_NEWS_MESSAGE);
	scene_done(&s);
}

static void test_remove(void **state)
{
	const uint8_t(*ban)[16];
	struct scene s;

	scene_init(&s);
	cast_admit(&s.c, s.ann, s.cem);
	ban = (const uint8_t(*)[16]) & s.cem->user_id;
	s.change = (struct client_change){.ban = ban, .n_ban = 1};
	assert_true(every_allocation(&s, do_commit, s.ann) > 10);
	cast_parts(&s.made.message, &s.commit, &s.welcome);
	assert_true(every_allocation(&s, do_process, s.bob) > 10);
	assert_int_equal(s.bob->news.n_left, 1);
	assert_int_equal(s.bob->news.left[0].reason, PROTO_REASON_REMOVED);
	assert_int_equal(do_merge(&s), 0);
	s.cem->in = false;
	cast_agree(&s.c);
	/* And life goes on. */
	s.change = (struct client_change){.n_ban = 0};
	assert_int_equal(cast_commit(&s.c, s.bob, &s.change), 0);
	cast_agree(&s.c);
	scene_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_admit),
		cmocka_unit_test(test_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
