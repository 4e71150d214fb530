/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile member tries with comparisons: to mark, to keep screens busy, to call off those of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "compare_stage.h"

static void test_refused(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1], *cem = &sites[2], *dan, *eve;
	uint32_t leaf = stage_leaf(cem);
	struct client_change change = {.n_ban = 1};
	uint64_t epoch = stage_epoch(bob);

	dan = stage_add("dan", NULL);
	/* An epoch to come, one that is not the message's, one never seen, one before dan was a member. */
	stage_forged(bob, leaf, epoch + 2, epoch + 2, 1);
	stage_forged(bob, leaf, epoch + 1, epoch, 2);
	stage_forged(bob, leaf, epoch, epoch + 1, 3);
	stage_forged(bob, leaf, epoch + 1, UINT64_MAX, 4);
	stage_forged(bob, stage_leaf(dan), epoch, epoch, 5);
	stage_forged(dan, leaf, epoch, epoch, 6);
	/* Nobody sits there; nobody speaks for us. */
	stage_forged(bob, 5, epoch + 1, epoch + 1, 7);
	stage_forged(bob, UINT32_MAX, epoch + 1, epoch + 1, 8);
	stage_forged(bob, stage_leaf(bob), epoch + 1, epoch + 1, 9);
	/* Who was removed may not speak from the epoch before. */
	change.ban = (const uint8_t(*)[16])dan->person->user_id;
	assert_int_equal(cast_commit(&c, ann->person, &change), 0);
	stage_begin();
	stage_forged(bob, 3, epoch + 1, epoch + 1, 10);
	/* Nor whoever has the leaf now, for the one before. */
	eve = stage_add("eve", NULL);
	assert_int_equal(stage_leaf(eve), 3);
	stage_forged(bob, 3, epoch + 1, epoch + 1, 10);
	assert_int_equal(bob->last, STAGE_NOTHING);
	assert_int_equal(dan->last, STAGE_NOTHING);
	/* A past epoch is remembered for a while, and five epochs on no longer. */
	epoch = stage_epoch(bob);
	stage_next_epoch(ann);
	now += CLIENT_COMPARE_PAST_US;
	client_compare_tick(bob->compare, now);
	stage_forged(bob, leaf, epoch, epoch, 11);
	assert_int_equal(bob->last, STAGE_NOTHING);
	epoch = stage_epoch(bob);
	for (int i = 0; i < CLIENT_PAST_EPOCHS; i++)
		stage_next_epoch(ann);
	stage_forged(cem, 0, epoch, epoch, 12);
	assert_int_equal(cem->epoch, epoch);
	stage_next_epoch(ann);
	stage_forged(bob, leaf, epoch, epoch, 13);
	assert_int_equal(bob->last, STAGE_NOTHING);
	/* The control: such a message is good in its epoch. */
	stage_forged(bob, leaf, stage_epoch(bob), stage_epoch(bob), 14);
	assert_int_equal(bob->last, CLIENT_COMPARE_FROZEN);
	assert_int_equal(stage_verified(bob) + stage_verified(cem), 0);
}

static void test_flood(void **state)
{
	struct site *bob = &sites[1], *cem = &sites[2];
	uint32_t ann_leaf = 0, cem_leaf = stage_leaf(cem);
	uint64_t epoch = stage_epoch(bob);

	for (int i = 0; i < 100; i++)
		stage_forged(bob, cem_leaf, epoch, epoch, (uint8_t)(10 + i));
	assert_int_equal(bob->frozen, 1);
	assert_int_equal(bob->asked, 1);
	/* Another member's waits until it has been on the screen for a while. */
	now += CLIENT_COMPARE_KEEP_US - 1;
	stage_forged(bob, ann_leaf, epoch, epoch, 1);
	assert_int_equal(bob->frozen, 1);
	now += 1;
	stage_forged(bob, ann_leaf, epoch, epoch, 1);
	assert_int_equal(bob->frozen, 2);
	assert_int_equal(bob->ended, 1);
	assert_string_equal(bob->by, "ann");
	/* The code of one epoch is computed once. */
	assert_int_equal(bob->asked, 1);
	/* Off the screen: the next needs a gap, its sender a longer one, and no id comes twice. */
	assert_int_equal(client_compare_verified(bob->compare, epoch), 0);
	stage_forged(bob, cem_leaf, epoch, epoch, 2);
	assert_int_equal(bob->frozen, 2);
	now += CLIENT_COMPARE_GAP_RECEIVED_US;
	stage_forged(bob, ann_leaf, epoch, epoch, 3);
	stage_forged(bob, cem_leaf, epoch, epoch, 1);
	stage_forged(bob, cem_leaf, epoch, epoch, 10);
	assert_int_equal(bob->frozen, 2);
	stage_forged(bob, cem_leaf, epoch, epoch, 2);
	assert_int_equal(bob->frozen, 3);
	/* Who is called off by the user is not heard for a good while. */
	assert_int_equal(client_compare_cancel(bob->compare, now), 0);
	now += CLIENT_COMPARE_DISMISSED_US - 1;
	stage_forged(bob, cem_leaf, epoch, epoch, 4);
	assert_int_equal(bob->frozen, 3);
	now += 1;
	stage_forged(bob, cem_leaf, epoch, epoch, 4);
	assert_int_equal(bob->frozen, 4);
	/* Nobody answers. */
	now += CLIENT_COMPARE_US;
	client_compare_tick(bob->compare, now);
	assert_int_equal(bob->last, CLIENT_COMPARE_ENDED);
	assert_int_equal(client_compare_verified(bob->compare, epoch), CV_ENOTFOUND);
	assert_int_equal(client_compare_cancel(bob->compare, now), CV_ENOTFOUND);
}

static void test_cancel(void **state)
{
	struct site *ann = &sites[0], *bob = &sites[1], *cem = &sites[2];
	PB(AppMessage) msg = PB_INIT(APP_MESSAGE);
	PB(CodeCancel) cancel = PB_INIT(CODE_CANCEL);
	uint64_t epoch = stage_epoch(ann);
	uint8_t id[CLIENT_ID_LEN];

	assert_int_equal(client_compare_start(ann->compare, now), 0);
	stage_deliver();
	memcpy(id, bob->compare->now->id, sizeof(id));
	cancel.comparison_id = (ProtobufCBinaryData){sizeof(id), id};
	msg.body_case = PB_APP(CODE_CANCEL);
	msg.code_cancel = &cancel;
	/* Not by somebody else, not another one, not our own by others. */
	client_compare_app(bob->compare, stage_leaf(cem), epoch, &msg, now);
	client_compare_app(ann->compare, stage_leaf(cem), epoch, &msg, now);
	id[0] ^= 1;
	client_compare_app(bob->compare, 0, epoch, &msg, now);
	assert_int_equal(bob->ended + ann->ended, 0);
	/* The beginner's reaches everybody, across a commit too. Who has answered has answered. */
	assert_int_equal(client_compare_verified(cem->compare, epoch), 0);
	assert_int_equal(client_compare_cancel(ann->compare, now), 0);
	stage_next_epoch(bob);
	stage_deliver();
	assert_int_equal(ann->ended, 1);
	assert_int_equal(bob->ended, 1);
	assert_int_equal(cem->last, CLIENT_COMPARE_VERIFIED);
	assert_int_equal(stage_verified(bob), 0);
	assert_int_equal(client_compare_verified(bob->compare, epoch), CV_ENOTFOUND);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_refused),
		CASE(test_flood),
		CASE(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
