/* SPDX-License-Identifier: Apache-2.0 */
/* The whole life of a group with every cipher suite: create, add, speak, update, remove, save. */
#include "helper.h"

static void life(uint16_t suite)
{
	struct mls_commit_output out;
	struct person a, b, c;
	struct cv_span adds[2];
	struct world w;
	uint32_t bob;

	world_init(&w, suite);
	person_init(&a, &w, suite, "alice");
	person_init(&b, &w, suite, "bob");
	person_init(&c, &w, suite, "carol");
	person_create(&a, "group");
	assert_int_equal(mls_group_epoch(a.group), 0);
	assert_int_equal(mls_group_n_members(a.group), 1);

	/* Bob is added without a path, Carol with one. */
	adds[0] = person_offer(&b);
	person_commit(&a, &(struct mls_commit){.adds = adds, .n_adds = 1}, &out);
	assert_int_equal(person_join(&b, &out), 0);
	mls_commit_output_done(&out);
	assert_agree(&a, &b);
	assert_speak(&a, &b);
	assert_speak(&b, &a);
	adds[0] = person_offer(&c);
	person_commit(&b, &(struct mls_commit){.adds = adds, .n_adds = 1, .force_path = true}, &out);
	assert_int_equal(person_process(&a, &out.commit), 0);
	assert_int_equal(person_join(&c, &out), 0);
	mls_commit_output_done(&out);
	assert_agree(&a, &b);
	assert_agree(&a, &c);
	assert_speak(&c, &a);
	assert_speak(&a, &c);

	/* Each renews its keys. */
	person_commit(&c, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&a, &out.commit), 0);
	assert_int_equal(person_process(&b, &out.commit), 0);
	mls_commit_output_done(&out);
	assert_agree(&b, &c);
	assert_agree(&a, &c);
	person_commit(&a, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&b, &out.commit), 0);
	assert_int_equal(person_process(&c, &out.commit), 0);
	mls_commit_output_done(&out);
	assert_agree(&a, &c);

	/* Bob goes. */
	assert_int_equal(mls_group_find_member(a.group, b.member.signature_key, &bob), 0);
	person_commit(&a, &(struct mls_commit){.removes = &bob, .n_removes = 1}, &out);
	assert_int_equal(person_process(&b, &out.commit), 0);
	assert_false(mls_group_active(b.group));
	assert_int_equal(person_process(&c, &out.commit), 0);
	mls_commit_output_done(&out);
	assert_agree(&a, &c);
	assert_speak(&a, &c);
	assert_int_equal(mls_group_n_members(a.group), 2);
	person_done(&a);
	person_done(&b);
	person_done(&c);
}

#define LIFE(n)                                                                                                        \
	static void test_life_##n(void **state)                                                                        \
	{                                                                                                              \
		life(n);                                                                                               \
	}
LIFE(1)
LIFE(2)
LIFE(3)
LIFE(4)
LIFE(5)
LIFE(6)
LIFE(7)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life_1), cmocka_unit_test(test_life_2), cmocka_unit_test(test_life_3),
		cmocka_unit_test(test_life_4), cmocka_unit_test(test_life_5), cmocka_unit_test(test_life_6),
		cmocka_unit_test(test_life_7),
	};

	return cmocka_run_group_tests_name("mls life", tests, NULL, NULL);
}
