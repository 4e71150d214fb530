/* SPDX-License-Identifier: Apache-2.0 */
/* What two processes have learned about people: what is stored after both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "profile_pair.h"

static void test_contacts_of_both(void **state)
{
	meet(a, 1, 10, "Ann");
	meet(b, 2, 20, "Bob");
	save(a);
	save(b);
	/* Nothing new on either side: nothing goes. */
	save(a);
	save(b);
	assert_non_null(contact(a, 2));
	assert_non_null(contact(b, 1));
	reopen(&a);
	assert_int_equal(a->contact_count, 2);
	assert_string_equal(contact(a, 1)->name, "Ann");
	assert_string_equal(contact(a, 2)->name, "Bob");
}

static void test_verified_stays(void **state)
{
	meet(a, 1, 10, "Ann");
	meet(a, 1, 11, "Ann");
	save(a);
	reopen(&b);
	assert_int_equal(standing(b, 1, 11, "Ann"), CLIENT_STANDING_CHANGED);
	/* One process is told so by the user, and the other one saves what it remembers of before. */
	verify(b, 1, 10, "Ann");
	verify(b, 1, 11, "Ann");
	save(b);
	meet(a, 2, 20, "Bob");
	save(a);
	assert_int_equal(standing(a, 1, 10, "Ann"), CLIENT_STANDING_VERIFIED);
	reopen(&b);
	assert_int_equal(standing(b, 1, 10, "Ann"), CLIENT_STANDING_VERIFIED);
	assert_int_equal(standing(b, 1, 11, "Ann"), CLIENT_STANDING_VERIFIED);
	/* The other way round. */
	verify(a, 2, 20, "Bob");
	meet(b, 3, 30, "Eve");
	save(b);
	save(a);
	reopen(&b);
	assert_int_equal(standing(b, 2, 20, "Bob"), CLIENT_STANDING_VERIFIED);
	assert_int_equal(standing(b, 3, 30, "Eve"), CLIENT_STANDING_UNVERIFIED);
}

/* One and the same person seen first by both, with two keys: the second of them is a change, as if one had seen both.
 */
static void test_two_first_keys(void **state)
{
	assert_int_equal(meet(a, 1, 10, "Ann"), CLIENT_CONTACT_FIRST);
	assert_int_equal(meet(b, 1, 11, "Ann"), CLIENT_CONTACT_FIRST);
	save(a);
	save(b);
	reopen(&a);
	assert_int_equal(contact(a, 1)->devices, 2);
	assert_int_equal(standing(a, 1, 10, "Ann"), CLIENT_STANDING_UNVERIFIED);
	assert_int_equal(standing(a, 1, 11, "Ann"), CLIENT_STANDING_CHANGED);
	/* Nor does a key that somebody made up profit by the other process's verification. */
	meet(a, 1, 12, "Ann");
	verify(b, 1, 11, "Ann");
	save(b);
	save(a);
	assert_int_equal(standing(a, 1, 11, "Ann"), CLIENT_STANDING_VERIFIED);
	assert_int_equal(standing(a, 1, 10, "Ann"), CLIENT_STANDING_UNVERIFIED);
	assert_int_equal(standing(a, 1, 12, "Ann"), CLIENT_STANDING_CHANGED);
}

/* What was verified is a key under a name: nobody gets another name by way of a second process. */
static void test_names(void **state)
{
	meet(a, 1, 10, "Ann");
	save(a);
	reopen(&b);
	/* Met under another name here, verified under the first one there. */
	meet(a, 1, 10, "Eve");
	verify(b, 1, 10, "Ann");
	save(b);
	save(a);
	assert_int_equal(standing(a, 1, 10, "Ann"), CLIENT_STANDING_VERIFIED);
	assert_int_equal(standing(a, 1, 10, "Eve"), CLIENT_STANDING_CHANGED);
	assert_int_equal(meet(a, 1, 10, "Eve"), CLIENT_CONTACT_RENAMED);
	/* In the other order. */
	meet(a, 2, 20, "Bob");
	save(a);
	reopen(&b);
	verify(a, 2, 20, "Bob");
	meet(b, 2, 20, "Mallory");
	save(a);
	save(b);
	reopen(&b);
	assert_int_equal(standing(b, 2, 20, "Bob"), CLIENT_STANDING_VERIFIED);
	assert_int_equal(standing(b, 2, 20, "Mallory"), CLIENT_STANDING_CHANGED);
	/* The user has taken a new name in one process: the other one does not bring the old one back. */
	verify(b, 2, 20, "Robert");
	save(b);
	meet(a, 3, 30, "Cy");
	save(a);
	reopen(&b);
	assert_int_equal(standing(b, 2, 20, "Robert"), CLIENT_STANDING_VERIFIED);
	assert_int_equal(standing(b, 2, 20, "Bob"), CLIENT_STANDING_CHANGED);
	/* Nor later, with a save of its own word of before. */
	verify(a, 2, 20, "Rob");
	save(a);
	reopen(&b);
	verify(b, 2, 20, "Bobby");
	save(b);
	meet(a, 4, 40, "Di");
	save(a);
	assert_int_equal(standing(a, 2, 20, "Bobby"), CLIENT_STANDING_VERIFIED);
	/* Not verified: the name that was seen last. */
	reopen(&b);
	meet(a, 3, 30, "Cyril");
	save(a);
	meet(b, 5, 50, "Flo");
	save(b);
	assert_string_equal(contact(b, 3)->name, "Cyril");
}

static void test_device_limit(void **state)
{
	verify(a, 1, 10, "Ann");
	save(a);
	reopen(&b);
	for (uint16_t i = 0; i < CLIENT_CONTACT_KEYS_MAX; i++)
		meet(a, 1, 100 + i, "Ann");
	verify(b, 1, 11, "Ann");
	for (uint16_t i = 0; i < CLIENT_CONTACT_KEYS_MAX; i++)
		meet(b, 1, 200 + i, "Ann");
	save(a);
	save(b);
	reopen(&a);
	assert_int_equal(contact(a, 1)->devices, CLIENT_CONTACT_KEYS_MAX);
	assert_int_equal(standing(a, 1, 10, "Ann"), CLIENT_STANDING_VERIFIED);
	assert_int_equal(standing(a, 1, 11, "Ann"), CLIENT_STANDING_VERIFIED);
	/* All places verified: none goes for a key that was only met. */
	reopen(&b);
	meet(b, 1, 300, "Ann");
	for (uint16_t i = 0; i < CLIENT_CONTACT_KEYS_MAX - 2; i++)
		verify(a, 1, 400 + i, "Ann");
	save(a);
	save(b);
	for (uint16_t i = 0; i < CLIENT_CONTACT_KEYS_MAX - 2; i++)
		assert_int_equal(standing(b, 1, 400 + i, "Ann"), CLIENT_STANDING_VERIFIED);
	assert_int_equal(standing(b, 1, 10, "Ann"), CLIENT_STANDING_VERIFIED);
	assert_int_equal(standing(b, 1, 11, "Ann"), CLIENT_STANDING_VERIFIED);
}

static void test_contact_limit(void **state)
{
	for (uint16_t i = 0; i < CLIENT_CONTACTS_MAX; i++)
		meet(a, i, i, "N");
	verify(b, 5000, 1, "Ann");
	meet(b, 5001, 1, "Bob");
	meet(b, 1, 2, "N");
	save(a);
	save(b);
	reopen(&a);
	assert_int_equal(a->contact_count, CLIENT_CONTACTS_MAX);
	assert_int_equal(standing(a, 5000, 1, "Ann"), CLIENT_STANDING_VERIFIED);
	assert_int_equal(standing(a, 1, 2, "N"), CLIENT_STANDING_CHANGED);
	assert_null(contact(a, 5001));
	assert_null(contact(a, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(test_contacts_of_both), PAIR_TEST(test_verified_stays),
		PAIR_TEST(test_two_first_keys),   PAIR_TEST(test_names),
		PAIR_TEST(test_device_limit),     PAIR_TEST(test_contact_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
