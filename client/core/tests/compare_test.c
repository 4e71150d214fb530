/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing the security code among members of one group: what each screen shows, who is marked by whose word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <base/alloc.h>

#include "compare_stage.h"

static void test_verify(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1], *cem = &sites[2], *dan;
	uint64_t epoch = stage_epoch(ann);

	assert_int_equal(client_compare_unverified(bob->compare), 2);
	assert_int_equal(client_compare_start(ann->compare, now), 0);
	stage_deliver();
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(sites[i].frozen, 1);
		assert_int_equal(sites[i].epoch, epoch);
		assert_int_equal(sites[i].members, 3);
		assert_string_equal(sites[i].by, "ann");
		assert_int_equal(strlen(sites[i].code), CLIENT_SECURITY_CODE_LEN - 1);
		assert_string_equal(sites[i].code, ann->code);
		assert_int_equal(stage_verified(&sites[i]), 0);
	}
	assert_true(ann->mine && !bob->mine);
	/* The code stays through later epochs; bob's word counts on bob's device alone. */
	dan = stage_add("dan", NULL);
	stage_next_epoch(cem);
	assert_int_equal(client_compare_verified(bob->compare, stage_epoch(bob)), CV_ENOTFOUND);
	assert_int_equal(client_compare_verified(bob->compare, epoch), 0);
	assert_int_equal(bob->last, CLIENT_COMPARE_VERIFIED);
	assert_int_equal(bob->marked, 2);
	assert_int_equal(stage_standing(bob, ann), CLIENT_STANDING_VERIFIED);
	assert_int_equal(stage_standing(bob, cem), CLIENT_STANDING_VERIFIED);
	assert_int_equal(stage_verified(ann) + stage_verified(cem) + stage_verified(dan), 0);
	/* Who came after the epoch that was compared is not verified. */
	assert_int_equal(stage_standing(bob, dan), CLIENT_STANDING_UNVERIFIED);
	assert_int_equal(client_compare_unverified(bob->compare), 1);
	assert_int_equal(client_compare_standing(bob->compare, stage_leaf(dan)), CLIENT_STANDING_UNVERIFIED);
	assert_int_equal(client_compare_verified(bob->compare, epoch), CV_ENOTFOUND);
	/* Through later epochs, and the next comparison takes dan in. */
	stage_next_epoch(ann);
	assert_int_equal(client_compare_unverified(bob->compare), 1);
	now += 2 * CLIENT_COMPARE_KEEP_US;
	assert_int_equal(client_compare_start(dan->compare, now), 0);
	stage_deliver();
	assert_int_equal(client_compare_verified(bob->compare, stage_epoch(bob)), 0);
	assert_int_equal(bob->marked, 1);
	assert_int_equal(client_compare_unverified(bob->compare), 0);
	assert_string_equal(ann->code, dan->code);
}

static void test_crossing_commit(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1], *cem = &sites[2], *dan;
	uint64_t epoch = stage_epoch(ann);

	/* Written in one epoch, read in a later one, with somebody new and somebody gone between. */
	assert_int_equal(client_compare_start(ann->compare, now), 0);
	dan = stage_add("dan", NULL);
	stage_next_epoch(bob);
	assert_int_not_equal(stage_deliver_to(0, dan), 0);
	assert_int_equal(stage_deliver_to(0, bob), 0);
	assert_int_equal(stage_deliver_to(0, cem), 0);
	assert_int_equal(bob->epoch, epoch);
	assert_int_equal(bob->members, 3);
	assert_string_equal(bob->code, ann->code);
	assert_string_equal(cem->code, ann->code);
	assert_int_equal(dan->last, STAGE_NOTHING);
	assert_int_equal(client_compare_verified(cem->compare, epoch), 0);
	assert_int_equal(stage_standing(cem, dan), CLIENT_STANDING_UNVERIFIED);
	assert_int_equal(stage_verified(cem), 2);
	/* The same message once more is MLS's to refuse; the same id in another is refused here. */
	assert_int_not_equal(stage_deliver_to(0, bob), 0);
}

static void test_differs(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1];
	uint64_t epoch = stage_epoch(ann);

	assert_int_equal(client_compare_differs(bob->compare, epoch), CV_ENOTFOUND);
	assert_int_equal(client_compare_start(ann->compare, now), 0);
	stage_deliver();
	assert_int_equal(client_compare_differs(bob->compare, epoch + 1), CV_ENOTFOUND);
	assert_int_equal(client_compare_differs(bob->compare, epoch), 0);
	assert_int_equal(bob->last, CLIENT_COMPARE_DIFFERS);
	assert_int_equal(stage_verified(bob), 0);
	assert_int_equal(client_compare_unverified(bob->compare), 2);
	/* It is answered: a second thought needs a new comparison. */
	assert_int_equal(client_compare_verified(bob->compare, epoch), CV_ENOTFOUND);
	assert_int_equal(stage_verified(bob), 0);
}

static void test_own_limits(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1];
	uint64_t epoch = stage_epoch(ann);

	assert_int_equal(client_compare_start(ann->compare, now), 0);
	stage_deliver();
	assert_int_equal(client_compare_start(bob->compare, now), CV_ESTATE);
	assert_int_equal(client_compare_verified(ann->compare, epoch), 0);
	assert_int_equal(client_compare_verified(bob->compare, epoch), 0);
	assert_int_equal(client_compare_start(bob->compare, now), CV_EAGAIN);
	now += CLIENT_COMPARE_GAP_US;
	assert_int_equal(client_compare_start(ann->compare, now), CV_EAGAIN);
	/* What we keep to, others take: their limits are shorter. */
	assert_int_equal(client_compare_start(bob->compare, now), 0);
	stage_deliver();
	assert_int_equal(ann->frozen, 2);
	assert_string_equal(ann->by, "bob");
}

static void test_alone(void **state)
{
	assert_int_equal(client_compare_start(sites[0].compare, now), CV_ENOTFOUND);
	assert_int_equal(stage_messages, 0);
	stage_add("bob", NULL);
	now += CLIENT_COMPARE_GAP_US;
	assert_int_equal(client_compare_start(sites[0].compare, now), 0);
	assert_int_equal(sites[0].members, 2);
}

/* Who came later knows nothing of the one on the screen, and is not in it: theirs takes its place, once a minute. */
static void test_newcomer_begins(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1], *dan;

	assert_int_equal(client_compare_start(ann->compare, now), 0);
	stage_deliver();
	dan = stage_add("dan", NULL);
	assert_int_equal(client_compare_start(dan->compare, now), CV_EAGAIN);
	/* Others' are taken at once. */
	stage_forged(dan, 0, stage_epoch(dan), stage_epoch(dan), 9);
	assert_int_equal(dan->frozen, 1);
	assert_int_equal(client_compare_verified(dan->compare, stage_epoch(dan)), 0);
	now += CLIENT_COMPARE_GAP_US;
	assert_int_equal(client_compare_start(dan->compare, now), 0);
	stage_deliver();
	assert_int_equal(bob->frozen, 2);
	assert_int_equal(ann->frozen, 2);
	assert_int_equal(bob->members, 4);
	assert_string_equal(bob->code, dan->code);
	now += CLIENT_COMPARE_GAP_US;
	stage_forged(bob, stage_leaf(dan), stage_epoch(bob), stage_epoch(bob), 1);
	stage_forged(bob, client_group_leaf(sites[2].person->group), stage_epoch(bob), stage_epoch(bob), 2);
	assert_int_equal(bob->frozen, 2);
}

/* Two begin at once, a commit between: all screens end with the earlier epoch. */
static void test_two_at_once(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1], *cem = &sites[2];
	uint64_t epoch = stage_epoch(ann);

	assert_int_equal(client_compare_start(ann->compare, now), 0);
	stage_next_epoch(cem);
	assert_int_equal(client_compare_start(bob->compare, now), 0);
	assert_int_equal(bob->epoch, epoch + 1);
	/* cem reads the later one first. */
	assert_int_equal(stage_deliver_to(1, cem), 0);
	assert_int_equal(cem->epoch, epoch + 1);
	assert_int_equal(stage_deliver_to(1, ann), 0);
	assert_int_equal(stage_deliver_to(0, cem), 0);
	assert_int_equal(stage_deliver_to(0, bob), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(sites[i].last, CLIENT_COMPARE_FROZEN);
		assert_int_equal(sites[i].epoch, epoch);
		assert_string_equal(sites[i].code, ann->code);
	}
	/* An answer to what was on the screen before marks nobody. */
	assert_int_equal(client_compare_verified(cem->compare, epoch + 1), CV_ENOTFOUND);
	assert_int_equal(stage_verified(cem), 0);
}

static void test_late_code(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1], *cem = &sites[2];
	uint64_t epoch = stage_epoch(ann);
	const char *known;

	bob->hold = true;
	cem->no_code = true;
	assert_int_equal(client_compare_start(ann->compare, now), 0);
	stage_deliver();
	assert_int_equal(bob->frozen, 0);
	assert_int_equal(bob->asked, 1);
	assert_int_equal(cem->last, CLIENT_COMPARE_ENDED);
	/* What is not on the screen cannot be answered. */
	assert_int_equal(client_compare_verified(bob->compare, epoch), CV_ENOTFOUND);
	client_compare_code(bob->compare, epoch + 1, "11111 11111 11111 11111 11111 11111", now);
	assert_int_equal(bob->frozen, 0);
	for (int i = 0; i < CLIENT_PAST_EPOCHS + 2; i++)
		stage_next_epoch(ann);
	client_compare_code(bob->compare, epoch, ann->code, now);
	assert_int_equal(bob->frozen, 1);
	assert_string_equal(bob->code, ann->code);
	/* A code that was computed anyhow is not asked for again. */
	client_compare_code(bob->compare, stage_epoch(bob), "22222 22222 22222 22222 22222 22222", now);
	known = client_compare_known(bob->compare, stage_epoch(bob));
	assert_non_null(known);
	assert_string_equal(known, "22222 22222 22222 22222 22222 22222");
	assert_int_equal(bob->frozen, 1);
	assert_int_equal(bob->asked, 1);
	/* It fails later. */
	ann->hold = true;
	now += 2 * CLIENT_COMPARE_KEEP_US;
	assert_int_equal(client_compare_start(ann->compare, now), 0);
	client_compare_code(ann->compare, stage_epoch(ann), NULL, now);
	assert_int_equal(ann->last, CLIENT_COMPARE_ENDED);
}

/* A person who was verified comes with another device, or under another name: never silently verified. */
static void test_changed(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1], *bob2, *me2;
	const struct odd second = {.user_id = bob->person->user_id};
	const struct odd mine = {.user_id = ann->person->user_id};
	struct client_who who;
	uint64_t epoch = stage_epoch(ann);

	assert_int_equal(client_compare_start(ann->compare, now), 0);
	stage_deliver();
	assert_int_equal(client_compare_verified(ann->compare, epoch), 0);
	assert_int_equal(client_compare_unverified(ann->compare), 0);
	bob2 = stage_add("bob", &second);
	assert_int_equal(stage_standing(ann, bob2), CLIENT_STANDING_CHANGED);
	assert_int_equal(stage_standing(ann, bob), CLIENT_STANDING_VERIFIED);
	assert_int_equal(client_compare_unverified(ann->compare), 1);
	/* It is so when met again, until it is compared. */
	stage_next_epoch(ann);
	assert_int_equal(stage_standing(ann, bob2), CLIENT_STANDING_CHANGED);
	/* A device that the manager makes up in our own name is news too. */
	me2 = stage_add("ann", &mine);
	assert_int_equal(stage_standing(ann, me2), CLIENT_STANDING_CHANGED);
	now += 2 * CLIENT_COMPARE_KEEP_US;
	epoch = stage_epoch(ann);
	assert_int_equal(client_compare_start(bob2->compare, now), 0);
	stage_deliver();
	assert_int_equal(client_compare_verified(ann->compare, epoch), 0);
	assert_int_equal(ann->marked, 2);
	assert_int_equal(stage_standing(ann, bob2), CLIENT_STANDING_VERIFIED);
	/* The key that was verified, under another name or address. */
	who = client_who_of(client_group_member(ann->person->group, stage_leaf(bob)));
	assert_int_equal(client_profile_standing(ann->profile, &who), CLIENT_STANDING_VERIFIED);
	who.name = "The Director";
	assert_int_equal(client_profile_standing(ann->profile, &who), CLIENT_STANDING_CHANGED);
	who.name = "bob";
	who.email = "director@example.org";
	assert_int_equal(client_profile_standing(ann->profile, &who), CLIENT_STANDING_CHANGED);
	/* A key of bob's in cem's name is cem's first. */
	who = client_who_of(client_group_member(ann->person->group, stage_leaf(bob)));
	who.user_id = sites[2].person->user_id;
	assert_int_equal(client_profile_standing(ann->profile, &who), CLIENT_STANDING_CHANGED);
}

static void test_gone(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1], *cem = &sites[2];
	struct client_change change = {.n_ban = 1};
	uint64_t epoch = stage_epoch(ann);

	/* Frozen with cem, who is gone when bob answers: present then, marked. */
	assert_int_equal(client_compare_start(bob->compare, now), 0);
	change.ban = (const uint8_t(*)[16])cem->person->user_id;
	assert_int_equal(cast_commit(&c, ann->person, &change), 0);
	stage_begin();
	assert_int_equal(client_compare_unverified(ann->compare), 1);
	assert_int_equal(stage_deliver_to(0, ann), 0);
	assert_int_equal(ann->members, 3);
	assert_int_equal(client_compare_verified(ann->compare, epoch), 0);
	assert_int_equal(ann->marked, 2);
	assert_int_equal(ann->unmarked, 0);
	assert_int_equal(client_compare_unverified(ann->compare), 0);
}

/* Gone, and nowhere remembered: nobody knows whose key that would be. */
static void test_gone_and_forgotten(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1], *cem = &sites[2];
	struct client_change change = {.n_ban = 1};
	uint64_t epoch = stage_epoch(ann);

	change.ban = (const uint8_t(*)[16])cem->person->user_id;
	assert_int_equal(cast_commit(&c, ann->person, &change), 0);
	stage_begin();
	for (size_t i = 0; i < ann->profile->contact_count; i++) {
		cv_free(ann->profile->contacts[i].email);
		cv_free(ann->profile->contacts[i].name);
	}
	ann->profile->contact_count = 0;
	stage_forged(ann, stage_leaf(bob), epoch, epoch, 1);
	assert_int_equal(client_compare_verified(ann->compare, epoch), 0);
	assert_int_equal(ann->marked, 1);
	assert_int_equal(ann->unmarked, 1);
	assert_int_equal(stage_verified(ann), 1);
	assert_int_equal(stage_standing(ann, bob), CLIENT_STANDING_VERIFIED);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_verify),
		CASE(test_crossing_commit),
		CASE(test_differs),
		CASE(test_own_limits),
		cmocka_unit_test_setup_teardown(test_alone, stage_setup_one, stage_teardown),
		CASE(test_newcomer_begins),
		CASE(test_two_at_once),
		CASE(test_late_code),
		CASE(test_changed),
		CASE(test_gone),
		CASE(test_gone_and_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
