/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/alloc.h>
#include <media/picture.h>

#define FRAME_US 33333

static const uint8_t cycle[4] = {0, 2, 1, 2};

struct flags {
	bool key, sync;
};

static int push(struct media_pictures *b, uint32_t n, uint8_t sid, uint8_t top, struct flags f)
{
	uint8_t data[2] = {(uint8_t)n, sid};
	struct media_unit u = {.kind = MEDIA_PICTURE,
			       .frame = n,
			       .sid = sid,
			       .tid = f.key ? 0 : cycle[n % 4],
			       .key = f.key,
			       .layer_sync = f.sync || f.key,
			       .end_of_picture = sid == top,
			       .capture_us = (int64_t)n * FRAME_US,
			       .data = data,
			       .len = sizeof(data)};
	return media_pictures_push(b, &u, (int64_t)n * FRAME_US);
}

static void push_all(struct media_pictures *b, uint32_t n, unsigned layers)
{
	for (uint8_t s = 0; s < layers; s++)
		assert_int_equal(push(b, n, s, 2, (struct flags){.key = n == 0}), 0);
}

/* Layers of the next picture, 0 if there is none; its number must be n. */
static unsigned pop(struct media_pictures *b, uint32_t n)
{
	struct media_picture p;
	if (media_pictures_pop(b, (int64_t)n * FRAME_US, &p) != 0)
		return 0;
	unsigned layers = p.layers;
	assert_int_equal(p.frame, n);
	assert_int_equal(p.len, layers * 2);
	for (unsigned s = 0; s < layers; s++)
		assert_int_equal(p.data[s * 2 + 1], s);
	media_picture_done(&p);
	return layers;
}

static struct media_pictures *begin(void)
{
	struct media_pictures *b;
	assert_int_equal(media_pictures_new(&b), 0);
	return b;
}

/* On a full path the tunnel serves the next picture's base before this one's upper layers: they still belong. */
static void test_base_layers_overtake(void **state)
{
	const struct flags key = {.key = true}, none = {0};
	struct media_pictures *b = begin();

	assert_int_equal(push(b, 0, 0, 2, key), 0);
	assert_int_equal(push(b, 1, 0, 2, none), 0);
	assert_int_equal(pop(b, 0), 0);
	assert_int_equal(push(b, 0, 1, 2, key), 0);
	assert_int_equal(push(b, 2, 0, 2, none), 0);
	assert_int_equal(pop(b, 0), 0);
	assert_int_equal(push(b, 0, 2, 2, key), 0);
	assert_int_equal(pop(b, 0), 3);
	/* The upper layers of picture 1 were left out by the sender: those of 2 tell. */
	assert_int_equal(pop(b, 1), 0);
	assert_int_equal(push(b, 2, 1, 2, none), 0);
	assert_int_equal(pop(b, 1), 1);
	media_pictures_free(b);
}

static void test_all_layers_pass(void **state)
{
	struct media_pictures *b = begin();
	for (uint32_t n = 0; n < 40; n++) {
		assert_int_equal(pop(b, n), 0);
		push_all(b, n, 2);
		assert_int_equal(pop(b, n), 0);
		assert_int_equal(push(b, n, 2, 2, (struct flags){.key = n == 0}), 0);
		assert_int_equal(pop(b, n), 3);
		assert_false(media_pictures_key_wanted(b, (int64_t)n * FRAME_US));
	}
	media_pictures_free(b);
}

static void test_begins_with_a_key(void **state)
{
	struct media_pictures *b = begin();
	assert_false(media_pictures_key_wanted(b, 0));
	for (uint32_t n = 5; n < 12; n++) {
		push_all(b, n, 3);
		assert_int_equal(pop(b, n), 0);
	}
	int64_t now = 12 * FRAME_US;
	assert_true(media_pictures_key_wanted(b, now));
	assert_false(media_pictures_key_wanted(b, now + 1000));
	assert_true(media_pictures_key_wanted(b, now + 600000));
	for (uint8_t s = 0; s < 3; s++)
		assert_int_equal(push(b, 40, s, 2, (struct flags){.key = true}), 0);
	assert_int_equal(pop(b, 40), 3);
	assert_false(media_pictures_key_wanted(b, now + 5000000));
	media_pictures_free(b);
}

static void test_temporal_layers_may_be_dropped(void **state)
{
	for (unsigned top = 0; top < 3; top++) {
		struct media_pictures *b = begin();
		for (uint32_t n = 0; n < 40; n++) {
			if (cycle[n % 4] > top)
				continue;
			push_all(b, n, 3);
			assert_int_equal(pop(b, n), 3);
		}
		assert_false(media_pictures_key_wanted(b, 40 * FRAME_US));
		media_pictures_free(b);
	}
}

static void test_lost_base_picture(void **state)
{
	struct media_pictures *b = begin();
	for (uint32_t n = 0; n < 16; n++) {
		if (n == 8)
			continue;
		push_all(b, n, 3);
		unsigned got = pop(b, n);
		/* 9, 10, 11 refer to 8; 12 too: nothing of it may be shown. */
		assert_int_equal(got, n < 8 ? 3 : 0);
	}
	assert_true(media_pictures_key_wanted(b, 16 * FRAME_US));
	media_pictures_free(b);
}

static void test_lost_middle_picture(void **state)
{
	struct media_pictures *b = begin();
	for (uint32_t n = 0; n < 16; n++) {
		if (n == 6)
			continue;
		push_all(b, n, 3);
		/* Only 7 refers to 6. */
		assert_int_equal(pop(b, n), n == 7 ? 0 : 3);
	}
	assert_false(media_pictures_key_wanted(b, 16 * FRAME_US));
	media_pictures_free(b);
}

static void test_subscribed_top_completes(void **state)
{
	struct media_pictures *b = begin();
	media_pictures_set_top(b, 0);
	for (uint32_t n = 0; n < 8; n++) {
		/* The end of the picture never comes: only layer 0 was subscribed to. */
		assert_int_equal(push(b, n, 0, 2, (struct flags){.key = n == 0}), 0);
		assert_int_equal(pop(b, n), 1);
	}
	media_pictures_free(b);
}

static void test_incomplete_picture_waits_then_goes(void **state)
{
	struct media_pictures *b = begin();
	struct media_picture p;
	push_all(b, 0, 2);
	int64_t at = media_pictures_deadline(b);
	assert_int_equal(at, MEDIA_PICTURE_WAIT_US);
	assert_int_equal(media_pictures_pop(b, at - 1, &p), CV_EAGAIN);
	assert_int_equal(media_pictures_pop(b, at, &p), 0);
	assert_int_equal(p.layers, 2);
	assert_false(p.full);
	media_picture_done(&p);
	assert_true(media_pictures_deadline(b) == INT64_MAX);
	/* What comes later is refused. */
	assert_int_equal(push(b, 0, 2, 2, (struct flags){0}), CV_EEXPIRED);
	media_pictures_free(b);
}

static void test_switch_up_point(void **state)
{
	struct media_pictures *b = begin();
	media_pictures_set_top(b, 0);
	for (uint32_t n = 0; n < 4; n++) {
		assert_int_equal(push(b, n, 0, 2, (struct flags){.key = n == 0}), 0);
		assert_int_equal(pop(b, n), 1);
	}
	media_pictures_set_top(b, 2);
	push_all(b, 4, 3);
	assert_int_equal(pop(b, 4), 1);
	/* Upper layers came that nothing can be done with: ask. */
	assert_true(media_pictures_key_wanted(b, 4 * FRAME_US));
	for (uint32_t n = 5; n < 8; n++) {
		push_all(b, n, 3);
		assert_int_equal(pop(b, n), 1);
	}
	for (uint8_t s = 0; s < 3; s++)
		assert_int_equal(push(b, 8, s, 2, (struct flags){.sync = s > 0}), 0);
	assert_int_equal(pop(b, 8), 3);
	for (uint32_t n = 9; n < 20; n++) {
		push_all(b, n, 3);
		assert_int_equal(pop(b, n), 3);
	}
	media_pictures_free(b);
}

static void test_bad_units(void **state)
{
	struct media_pictures *b = begin();
	uint8_t data[1] = {0};
	struct media_unit u = {.kind = MEDIA_PICTURE, .data = data, .len = 1, .sid = 3};
	assert_int_equal(media_pictures_push(b, &u, 0), CV_EINVAL);
	u.sid = 0;
	u.tid = 3;
	assert_int_equal(media_pictures_push(b, &u, 0), CV_EINVAL);
	u.tid = 0;
	u.len = 0;
	assert_int_equal(media_pictures_push(b, &u, 0), CV_EINVAL);
	u.len = MEDIA_UNIT_MAX + 1;
	assert_int_equal(media_pictures_push(b, &u, 0), CV_ELIMIT);
	u.len = 1;
	u.kind = MEDIA_VOICE;
	assert_int_equal(media_pictures_push(b, &u, 0), CV_EINVAL);
	media_pictures_free(b);
	media_pictures_free(NULL);
}

static void test_memory_runs_out(void **state)
{
	struct media_pictures *b = begin();
	struct media_picture p;
	cv_alloc_fail_at(0);
	assert_int_equal(push(b, 0, 0, 0, (struct flags){.key = true}), CV_ENOMEM);
	cv_alloc_fail_at(-1);
	assert_int_equal(push(b, 0, 0, 0, (struct flags){.key = true}), 0);
	cv_alloc_fail_at(0);
	assert_int_equal(media_pictures_pop(b, 0, &p), CV_ENOMEM);
	cv_alloc_fail_at(-1);
	/* The picture is lost, a key picture is asked for, nothing leaks. */
	assert_true(media_pictures_key_wanted(b, 0));
	media_pictures_free(b);
}

static void test_many_unfinished_pictures_stay_bounded(void **state)
{
	struct media_pictures *b = begin();
	struct media_pictures_stats st;
	/* Layer 1 alone: never decodable, never complete. */
	for (uint32_t n = 0; n < 100; n++)
		assert_int_equal(push(b, n, 1, 2, (struct flags){0}), 0);
	media_pictures_stats(b, &st);
	assert_int_equal(st.incomplete, 100 - MEDIA_PICTURE_SLOTS);
	assert_int_equal(pop(b, 200), 0);
	media_pictures_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base_layers_overtake),
		cmocka_unit_test(test_all_layers_pass),
		cmocka_unit_test(test_begins_with_a_key),
		cmocka_unit_test(test_temporal_layers_may_be_dropped),
		cmocka_unit_test(test_lost_base_picture),
		cmocka_unit_test(test_lost_middle_picture),
		cmocka_unit_test(test_subscribed_top_completes),
		cmocka_unit_test(test_incomplete_picture_waits_then_goes),
		cmocka_unit_test(test_switch_up_point),
		cmocka_unit_test(test_bad_units),
		cmocka_unit_test(test_memory_runs_out),
		cmocka_unit_test(test_many_unfinished_pictures_stay_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
