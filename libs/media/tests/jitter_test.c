/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <media/jitter.h>

static const uint8_t payload[100] = {1, 2, 3};

static int push(struct media_jitter *j, uint32_t frame, int64_t at_us)
{
	struct media_unit u = {.kind = MEDIA_VOICE,
			       .frame = frame,
			       .capture_us = (int64_t)frame * MEDIA_VOICE_US,
			       .data = payload,
			       .len = sizeof(payload)};
	return media_jitter_push(j, &u, at_us);
}

/* Frame n arrives at n*20 ms + delay(n); output ticks every 20 ms. Counts what is played. */
struct run {
	unsigned played, concealed, waited;
	uint32_t last;
	bool in_order;
	int64_t delay_sum; /* capture to output */
};

static struct run simulate(struct media_jitter *j, unsigned frames, int64_t (*delay)(unsigned n))
{
	struct run r = {.in_order = true};
	struct media_jitter_frame f;
	unsigned next = 0;
	int64_t arrival = 0;
	for (int64_t now = 0; now < (int64_t)frames * MEDIA_VOICE_US; now += 1000) {
		while (next < frames) {
			int64_t at = (int64_t)next * MEDIA_VOICE_US + delay(next);
			/* One connection: nothing overtakes. */
			arrival = at > arrival ? at : arrival;
			if (arrival > now)
				break;
			(void)!push(j, next++, now);
		}
		if (now % MEDIA_VOICE_US)
			continue;
		switch (media_jitter_pop(j, now, &f)) {
		case MEDIA_JITTER_PLAY:
			if (r.played && f.frame <= r.last)
				r.in_order = false;
			r.last = f.frame;
			r.played++;
			r.delay_sum += now - f.capture_us;
			break;
		case MEDIA_JITTER_CONCEAL: r.concealed++; break;
		default: r.waited++; break;
		}
	}
	return r;
}

static int64_t steady(unsigned n)
{
	return 30000;
}

static int64_t uneven(unsigned n)
{
	/* Between 30 and 80 ms, repeatable. */
	return 30000 + (int64_t)(n * 7919 % 51) * 1000;
}

static int64_t held_up_once(unsigned n)
{
	return n >= 200 && n < 215 ? 30000 + (215 - (int64_t)n) * MEDIA_VOICE_US : 30000;
}

static void test_steady_is_played_without_gaps(void **state)
{
	struct media_jitter *j;
	assert_int_equal(media_jitter_new(&j), 0);
	struct run r = simulate(j, 500, steady);
	assert_true(r.in_order);
	assert_int_equal(r.concealed, 0);
	assert_true(r.played >= 495);
	/* 30 ms of transit, at most two frames kept back, one tick of alignment. */
	assert_true(r.delay_sum / r.played < 90000);
	media_jitter_free(j);
}

static void test_uneven_arrival_is_smoothed(void **state)
{
	struct media_jitter *j;
	struct media_jitter_stats st;
	assert_int_equal(media_jitter_new(&j), 0);
	struct run r = simulate(j, 2000, uneven);
	media_jitter_stats(j, &st);
	assert_true(r.in_order);
	/* Less than 1 % are concealed, while it learns. */
	assert_true(r.concealed < 20);
	assert_true(r.played > 1960);
	assert_true(st.target_us >= 20000 && st.target_us <= 90000);
	assert_true(st.jitter_us > 1000);
	media_jitter_free(j);
}

static void test_hold_up_is_made_good(void **state)
{
	struct media_jitter *j;
	struct media_jitter_stats st;
	assert_int_equal(media_jitter_new(&j), 0);
	struct run r = simulate(j, 2000, held_up_once);
	media_jitter_stats(j, &st);
	assert_true(r.in_order);
	assert_true(r.concealed > 0 && r.concealed <= 10);
	/* Long after it the delay is small again. */
	assert_true(st.target_us <= 60000);
	assert_true(st.depth <= 5);
	media_jitter_free(j);
}

static void test_lost_frame_is_concealed(void **state)
{
	struct media_jitter *j;
	struct media_jitter_frame f;
	int64_t now = 0;
	unsigned concealed = 0;
	assert_int_equal(media_jitter_new(&j), 0);
	for (uint32_t n = 0; n < 10; n++)
		if (n != 4)
			assert_int_equal(push(j, n, now), 0);
	for (unsigned i = 0; i < 10; i++, now += MEDIA_VOICE_US) {
		enum media_jitter_action a = media_jitter_pop(j, now, &f);
		if (a == MEDIA_JITTER_CONCEAL) {
			concealed++;
			assert_int_equal(f.frame, 4);
		} else {
			assert_int_equal(a, MEDIA_JITTER_PLAY);
			assert_memory_equal(f.data, payload, sizeof(payload));
		}
	}
	assert_int_equal(concealed, 1);
	media_jitter_free(j);
}

static void test_duplicates_and_latecomers(void **state)
{
	struct media_jitter *j;
	struct media_jitter_frame f;
	assert_int_equal(media_jitter_new(&j), 0);
	assert_int_equal(push(j, 10, 0), 0);
	assert_int_equal(push(j, 10, 0), CV_EREPLAY);
	assert_int_equal(push(j, 11, 0), 0);
	assert_int_equal(push(j, 12, 0), 0);
	assert_int_equal(media_jitter_pop(j, 100000, &f), MEDIA_JITTER_PLAY);
	assert_int_equal(push(j, 10, 100000), CV_EEXPIRED);
	assert_int_equal(push(j, 9, 100000), CV_EEXPIRED);
	media_jitter_free(j);
}

static void test_bad_units(void **state)
{
	static uint8_t big[MEDIA_VOICE_BYTES_MAX + 1];
	struct media_jitter *j;
	struct media_unit u = {.kind = MEDIA_VOICE, .data = big, .len = sizeof(big)};
	assert_int_equal(media_jitter_new(&j), 0);
	assert_int_equal(media_jitter_push(j, &u, 0), CV_ELIMIT);
	u.len = 0;
	assert_int_equal(media_jitter_push(j, &u, 0), CV_EINVAL);
	u.len = 10;
	u.kind = MEDIA_PICTURE;
	assert_int_equal(media_jitter_push(j, &u, 0), CV_EINVAL);
	media_jitter_free(j);
	media_jitter_free(NULL);
}

static void test_flood_and_jump_stay_bounded(void **state)
{
	struct media_jitter *j;
	struct media_jitter_stats st;
	struct media_jitter_frame f;
	assert_int_equal(media_jitter_new(&j), 0);
	for (uint32_t n = 0; n < 1000; n++)
		assert_int_equal(push(j, n, 0), 0);
	media_jitter_stats(j, &st);
	assert_int_equal(st.depth, MEDIA_JITTER_SLOTS);
	/* A sender that came back counts from elsewhere; numbers may also pass 2^32. */
	assert_int_equal(push(j, 0xffffffff, 0), 0);
	assert_int_equal(push(j, 0, 0), 0);
	assert_int_equal(push(j, 1, 0), 0);
	assert_int_equal(media_jitter_pop(j, 500000, &f), MEDIA_JITTER_PLAY);
	assert_int_equal(f.frame, 0xffffffff);
	assert_int_equal(media_jitter_pop(j, 520000, &f), MEDIA_JITTER_PLAY);
	assert_int_equal(f.frame, 0);
	media_jitter_free(j);
}

static void test_silence_after_the_last_frame(void **state)
{
	struct media_jitter *j;
	struct media_jitter_frame f;
	unsigned concealed = 0, waits = 0;
	assert_int_equal(media_jitter_new(&j), 0);
	for (uint32_t n = 0; n < 3; n++)
		assert_int_equal(push(j, n, 0), 0);
	for (int64_t now = 50000; now < 2000000; now += MEDIA_VOICE_US) {
		enum media_jitter_action a = media_jitter_pop(j, now, &f);
		concealed += a == MEDIA_JITTER_CONCEAL;
		waits += a == MEDIA_JITTER_WAIT;
	}
	assert_int_equal(concealed, 5);
	assert_true(waits > 80);
	/* And it begins anew. */
	assert_int_equal(push(j, 3, 2000000), 0);
	assert_int_equal(push(j, 4, 2000000), 0);
	assert_int_equal(media_jitter_pop(j, 2500000, &f), MEDIA_JITTER_PLAY);
	assert_int_equal(f.frame, 3);
	media_jitter_free(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steady_is_played_without_gaps),
		cmocka_unit_test(test_uneven_arrival_is_smoothed),
		cmocka_unit_test(test_hold_up_is_made_good),
		cmocka_unit_test(test_lost_frame_is_concealed),
		cmocka_unit_test(test_duplicates_and_latecomers),
		cmocka_unit_test(test_bad_units),
		cmocka_unit_test(test_flood_and_jump_stay_bounded),
		cmocka_unit_test(test_silence_after_the_last_frame),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
