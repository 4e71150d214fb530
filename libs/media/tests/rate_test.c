/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <media/layers.h>
#include <media/rate.h>

#define REPORT_US 100000

/* A link with a queue in front of it, fed at the controller's rate. Returns the longest queue in the second half. */
static int64_t drive(struct media_rate *r, uint32_t link_bps, unsigned seconds, int64_t *now_us)
{
	double queue_bits = 0;
	int64_t worst = 0, end = *now_us + (int64_t)seconds * 1000000, half = *now_us + (int64_t)seconds * 500000;
	for (; *now_us < end; *now_us += REPORT_US) {
		double in = (double)r->bps * REPORT_US / 1e6, out = (double)link_bps * REPORT_US / 1e6;
		double left = queue_bits + in < out ? queue_bits + in : out;
		queue_bits += in - left;
		int64_t delay = (int64_t)(queue_bits * 1e6 / link_bps);
		if (*now_us > half && delay > worst)
			worst = delay;
		media_rate_report(r, *now_us, delay, (uint32_t)(left * 1e6 / REPORT_US), queue_bits > 0);
	}
	return worst;
}

static void test_grows_on_a_free_link(void **state)
{
	struct media_rate r;
	int64_t now = 0;
	assert_int_equal(media_rate_init(&r, 100000, 300000, 800000), 0);
	drive(&r, 10000000, 30, &now);
	assert_int_equal(r.bps, 800000);
}

static void test_settles_below_a_narrow_link(void **state)
{
	struct media_rate r;
	int64_t now = 0;
	assert_int_equal(media_rate_init(&r, 100000, 2000000, 2000000), 0);
	int64_t worst = drive(&r, 500000, 60, &now);
	assert_true(worst < 400000);
	assert_true(r.bps >= 250000 && r.bps <= 600000);
	/* And comes back when the link does. */
	drive(&r, 10000000, 60, &now);
	assert_int_equal(r.bps, 2000000);
}

static void test_never_leaves_its_bounds(void **state)
{
	struct media_rate r;
	int64_t now = 0;
	assert_int_equal(media_rate_init(&r, 100000, 200000, 800000), 0);
	for (int i = 0; i < 1000; i++, now += REPORT_US) {
		uint32_t bps = media_rate_report(&r, now, i % 3 ? 10000000 : 0, 0, true);
		assert_true(bps >= 100000 && bps <= 800000);
	}
	assert_int_equal(r.bps, 100000);
	assert_int_equal(media_rate_init(&r, 0, 1, 2), CV_EINVAL);
	assert_int_equal(media_rate_init(&r, 3, 2, 4), CV_EINVAL);
	assert_int_equal(media_rate_init(&r, 1, 5, 4), CV_EINVAL);
}

static void test_admission_order(void **state)
{
	struct media_unit voice = {.kind = MEDIA_VOICE}, base = {.kind = MEDIA_PICTURE};
	struct media_unit upper = {.kind = MEDIA_PICTURE, .sid = 2, .tid = 2},
			  middle = {.kind = MEDIA_PICTURE, .sid = 1};
	assert_true(media_rate_admit(&upper, 0));
	assert_false(media_rate_admit(&upper, 70000));
	assert_true(media_rate_admit(&middle, 70000));
	assert_false(media_rate_admit(&middle, 120000));
	assert_true(media_rate_admit(&base, 120000));
	assert_false(media_rate_admit(&base, 250000));
	assert_true(media_rate_admit(&voice, 5000000));
}

static void test_layers(void **state)
{
	assert_int_equal(media_layers_for_size(1280, 720), 3);
	assert_int_equal(media_layers_for_size(640, 360), 3);
	assert_int_equal(media_layers_for_size(360, 640), 3);
	assert_int_equal(media_layers_for_size(320, 180), 2);
	assert_int_equal(media_layers_for_size(160, 90), 1);
	assert_int_equal(media_layers_for_size(16, 16), 1);
	for (uint8_t n = 1; n <= MEDIA_SPATIAL_MAX; n++) {
		unsigned sum = 0;
		for (uint8_t s = 0; s < n; s++)
			sum += media_layers_spatial_share(n, s);
		assert_int_equal(sum, 1000);
	}
	assert_int_equal(media_layers_temporal_share(2), 1000);
	assert_true(media_layers_bitrate(640, 360, 30) <= 760000);
	assert_true(media_layers_bitrate(1280, 720, 30) > media_layers_bitrate(640, 360, 30));
	assert_true(media_layers_bitrate(640, 360, 15) < media_layers_bitrate(640, 360, 30));
	assert_true(media_layers_bitrate(16, 16, 1) > 0);
	/* A full-screen tile takes everything, a thumbnail the smallest layer. */
	assert_int_equal(media_layers_for_tile(720, 3, 720), 2);
	assert_int_equal(media_layers_for_tile(720, 3, 400), 1);
	assert_int_equal(media_layers_for_tile(720, 3, 100), 0);
	assert_int_equal(media_layers_for_tile(720, 1, 720), 0);
	struct media_unit u = {.sid = 1, .tid = 2};
	assert_true(media_layers_wanted(&u, 1, 2));
	assert_false(media_layers_wanted(&u, 0, 2));
	assert_false(media_layers_wanted(&u, 2, 1));
}

static void test_level(void **state)
{
	int16_t loud[960], quiet[960], none[960] = {0};
	for (int i = 0; i < 960; i++) {
		loud[i] = i % 2 ? 32767 : -32768;
		quiet[i] = i % 2 ? 33 : -33;
	}
	assert_int_equal(media_level(loud, 960), 0);
	assert_int_equal(media_level(quiet, 960), 60);
	assert_int_equal(media_level(none, 960), MEDIA_LEVEL_SILENT);
	assert_int_equal(media_level(none, 0), MEDIA_LEVEL_SILENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_on_a_free_link),
		cmocka_unit_test(test_settles_below_a_narrow_link),
		cmocka_unit_test(test_never_leaves_its_bounds),
		cmocka_unit_test(test_admission_order),
		cmocka_unit_test(test_layers),
		cmocka_unit_test(test_level),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
