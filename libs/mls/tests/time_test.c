/* SPDX-License-Identifier: Apache-2.0 */
/* Messages out of order and late, commits that win and lose. */
#include "trio.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_past_epochs),
		cmocka_unit_test(test_pending),
	};

	return cmocka_run_group_tests_name("mls time", tests, NULL, NULL);
}
