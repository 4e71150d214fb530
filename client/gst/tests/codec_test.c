/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <gst/voice.h>
#include <gst/vp9.h>
#include <media/vp9.h>

#define W 640
#define H 360

static uint8_t planes[W * H * 3 / 2];

/* A moving pattern with soft edges, different in every picture. */
static struct client_raw_picture draw(unsigned n)
{
	for (unsigned y = 0; y < H; y++)
		for (unsigned x = 0; x < W; x++)
			planes[y * W + x] = (uint8_t)(128 + 60 * sin((x + n * 2) / 17.0) + 50 * cos((y + n) / 13.0));
	memset(planes + W * H, 100, W * H / 4);
	memset(planes + W * H * 5 / 4, 150, W * H / 4);
	return (struct client_raw_picture){.width = W,
					   .height = H,
					   .plane = {planes, planes + W * H, planes + W * H * 5 / 4},
					   .stride = {W, W / 2, W / 2}};
}

static double psnr(const struct client_raw_picture *a, const struct client_raw_picture *b)
{
	double sum = 0;
	assert_int_equal(a->width, b->width);
	assert_int_equal(a->height, b->height);
	for (unsigned y = 0; y < a->height; y++)
		for (unsigned x = 0; x < a->width; x++) {
			int d = a->plane[0][y * (unsigned)a->stride[0] + x] -
				b->plane[0][y * (unsigned)b->stride[0] + x];
			sum += d * d;
		}
	sum /= a->width * a->height;
	return sum > 0 ? 10 * log10(65025 / sum) : 99;
}

struct chain {
	struct client_vp9_encoder *encoder;
	struct client_vp9_decoder *decoder;
	struct media_pictures *pictures;
	struct media_unit unit[MEDIA_SPATIAL_MAX];
	unsigned units;
	unsigned n;
};

static void chain_init(struct chain *c)
{
	struct client_vp9_config cfg = {.width = W, .height = H, .fps = 30};
	memset(c, 0, sizeof(*c));
	assert_int_equal(client_vp9_encoder_new(&cfg, &c->encoder), 0);
	assert_int_equal(client_vp9_decoder_new(&c->decoder), 0);
	assert_int_equal(media_pictures_new(&c->pictures), 0);
}

static void chain_done(struct chain *c)
{
	client_vp9_encoder_free(c->encoder);
	client_vp9_decoder_free(c->decoder);
	media_pictures_free(c->pictures);
}

/* Encodes the next picture and passes layers 0..top on. Height of what is decoded, 0: nothing; PSNR at full size. */
static unsigned step(struct chain *c, unsigned top, double *ret_psnr)
{
	struct client_raw_picture in = draw(c->n), out;
	struct media_picture p;
	int64_t now = (int64_t)c->n * 33333;
	unsigned height = 0;
	assert_int_equal(client_vp9_encode(c->encoder, &in, 1000000 + now, c->unit, &c->units), 0);
	for (unsigned i = 0; i < c->units && i <= top; i++)
		assert_int_equal(media_pictures_push(c->pictures, &c->unit[i], now), 0);
	media_pictures_set_top(c->pictures, (uint8_t)top);
	while (media_pictures_pop(c->pictures, now, &p) == 0) {
		assert_int_equal(p.frame, c->unit[0].frame);
		assert_int_equal(client_vp9_decode(c->decoder, p.data, p.len, &out), 0);
		height = out.height;
		if (height == H && ret_psnr)
			*ret_psnr = psnr(&in, &out);
		media_picture_done(&p);
	}
	c->n++;
	return height;
}

static void test_layers_come_out_right(void **state)
{
	static const uint8_t cycle[4] = {0, 2, 1, 2};
	struct chain c;
	double db = 0, worst = 99;
	chain_init(&c);
	assert_int_equal(client_vp9_encoder_layers(c.encoder), 3);
	for (unsigned n = 0; n < 40; n++) {
		assert_int_equal(step(&c, 2, &db), H);
		worst = db < worst && n > 4 ? db : worst;
		assert_int_equal(c.units, 3);
		for (unsigned i = 0; i < 3; i++) {
			assert_int_equal(c.unit[i].frame, n);
			assert_int_equal(c.unit[i].sid, i);
			assert_int_equal(c.unit[i].tid, cycle[n % 4]);
			assert_int_equal(c.unit[i].key, n == 0);
			assert_int_equal(c.unit[i].end_of_picture, i == 2);
			assert_true(c.unit[i].capture_us == 1000000 + (int64_t)n * 33333);
		}
	}
	assert_true(worst > 30);
	chain_done(&c);
}

static void test_lower_layers_alone(void **state)
{
	struct chain c;
	chain_init(&c);
	for (unsigned n = 0; n < 12; n++)
		assert_int_equal(step(&c, 0, NULL), H / 4);
	chain_done(&c);
	chain_init(&c);
	for (unsigned n = 0; n < 12; n++)
		assert_int_equal(step(&c, 1, NULL), H / 2);
	chain_done(&c);
}

static void test_switching_up(void **state)
{
	struct chain c;
	double db = 0;
	chain_init(&c);
	for (unsigned n = 0; n < 10; n++)
		assert_int_equal(step(&c, 0, NULL), H / 4);
	/* Without a switch-up point the upper layers stay away. */
	for (unsigned n = 0; n < 6; n++)
		assert_int_equal(step(&c, 2, NULL), H / 4);
	client_vp9_encoder_sync(c.encoder, 1);
	assert_int_equal(step(&c, 2, &db), H);
	assert_true(db > 28);
	assert_false(c.unit[0].key);
	assert_false(c.unit[0].layer_sync);
	assert_true(c.unit[1].layer_sync && c.unit[2].layer_sync);
	for (unsigned n = 0; n < 10; n++) {
		assert_int_equal(step(&c, 2, &db), H);
		assert_true(db > 28);
	}
	chain_done(&c);
}

static void test_encodes_no_more_than_wanted(void **state)
{
	struct chain c;
	double db = 0;
	chain_init(&c);
	for (unsigned n = 0; n < 5; n++)
		assert_int_equal(step(&c, 2, NULL), H);
	assert_int_equal(client_vp9_encoder_set_top(c.encoder, 0), 0);
	for (unsigned n = 0; n < 7; n++) {
		assert_int_equal(step(&c, 2, NULL), H / 4);
		assert_int_equal(c.units, 1);
		assert_true(c.unit[0].end_of_picture);
	}
	assert_int_equal(client_vp9_encoder_set_top(c.encoder, 9), 0);
	for (unsigned n = 0; n < 10; n++) {
		assert_int_equal(step(&c, 2, &db), H);
		assert_true(db > 28);
		assert_int_equal(c.units, 3);
	}
	chain_done(&c);
}

static void test_key_on_demand(void **state)
{
	struct chain c;
	chain_init(&c);
	for (unsigned n = 0; n < 7; n++)
		step(&c, 2, NULL);
	client_vp9_encoder_key(c.encoder);
	/* A receiver that begins here sees it at once. */
	client_vp9_decoder_free(c.decoder);
	media_pictures_free(c.pictures);
	assert_int_equal(client_vp9_decoder_new(&c.decoder), 0);
	assert_int_equal(media_pictures_new(&c.pictures), 0);
	assert_int_equal(step(&c, 2, NULL), H);
	assert_true(c.unit[0].key && c.unit[2].layer_sync);
	assert_int_equal(step(&c, 2, NULL), H);
	assert_false(c.unit[0].key);
	chain_done(&c);
}

static void test_rate_is_kept(void **state)
{
	struct chain c;
	size_t low = 0, high = 0;
	chain_init(&c);
	assert_int_equal(client_vp9_encoder_set_bitrate(c.encoder, 900000), 0);
	for (unsigned n = 0; n < 90; n++) {
		step(&c, 2, NULL);
		for (unsigned i = 0; i < c.units && n >= 30; i++)
			high += c.unit[i].len;
	}
	assert_int_equal(client_vp9_encoder_set_bitrate(c.encoder, 150000), 0);
	for (unsigned n = 0; n < 90; n++) {
		step(&c, 2, NULL);
		for (unsigned i = 0; i < c.units && n >= 30; i++)
			low += c.unit[i].len;
	}
	/* Two seconds each. */
	assert_true(high * 8 / 2 < 1000000);
	assert_true(low * 8 / 2 < 180000);
	assert_true(low < high);
	assert_int_equal(client_vp9_encoder_set_bitrate(c.encoder, 0), CV_EINVAL);
	chain_done(&c);
}

static void test_bad_sizes(void **state)
{
	struct client_vp9_encoder *e = NULL;
	static const struct client_vp9_config bad[] = {{0, 0, 30, 0},      {641, 360, 30, 0}, {640, 361, 30, 0},
						       {2000, 720, 30, 0}, {640, 360, 0, 0},  {640, 360, 61, 0},
						       {640, 1080, 30, 0}, {14, 360, 30, 0}};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(client_vp9_encoder_new(&bad[i], &e), CV_EINVAL);
	assert_null(e);
	struct chain c;
	chain_init(&c);
	struct client_raw_picture p = draw(0);
	p.width = W / 2;
	assert_int_equal(client_vp9_encode(c.encoder, &p, 0, c.unit, &c.units), CV_EINVAL);
	chain_done(&c);
	client_vp9_encoder_free(NULL);
	client_vp9_decoder_free(NULL);
}

static void test_corrupt_pictures(void **state)
{
	struct chain c;
	struct client_raw_picture out;
	static uint8_t bytes[MEDIA_UNIT_MAX];
	chain_init(&c);
	assert_int_equal(client_vp9_decode(c.decoder, bytes, 0, &out), CV_EFORMAT);
	memset(bytes, 0xa5, 1000);
	assert_int_equal(client_vp9_decode(c.decoder, bytes, 1000, &out), CV_EFORMAT);
	step(&c, 2, NULL);
	for (unsigned n = 0; n < 60; n++) {
		struct client_raw_picture in = draw(n);
		assert_int_equal(client_vp9_encode(c.encoder, &in, 2000000 + n * 33333, c.unit, &c.units), 0);
		memcpy(bytes, c.unit[0].data, c.unit[0].len);
		bytes[n * 37 % c.unit[0].len] ^= (uint8_t)(1u << (n % 8));
		/* Flipped bits or a cut: an error or a picture, never more. */
		(void)!client_vp9_decode(c.decoder, bytes, n % 2 ? c.unit[0].len : c.unit[0].len / 2, &out);
	}
	/* A key picture heals everything. */
	client_vp9_encoder_key(c.encoder);
	media_pictures_broken(c.pictures);
	assert_int_equal(step(&c, 2, NULL), H);
	chain_done(&c);
}

/* What a player makes of a merged picture is exactly what a receiver of the layers sees. */
static void test_merged_pictures_decode_alike(void **state)
{
	struct chain c;
	struct client_vp9_decoder *player;
	struct media_vp9_merge m;
	chain_init(&c);
	media_vp9_merge_init(&m);
	assert_int_equal(client_vp9_decoder_new(&player), 0);
	for (unsigned n = 0; n < 30; n++) {
		struct client_raw_picture in = draw(n), a, b;
		struct media_vp9_size shown;
		struct cv_buf layers, merged;
		size_t len[MEDIA_SPATIAL_MAX];
		if (n == 9)
			client_vp9_encoder_sync(c.encoder, 1);
		if (n == 20)
			client_vp9_encoder_key(c.encoder);
		assert_int_equal(client_vp9_encode(c.encoder, &in, n * 33333, c.unit, &c.units), 0);
		cv_buf_init(&layers, MEDIA_UNIT_MAX);
		cv_buf_init(&merged, MEDIA_UNIT_MAX);
		for (unsigned i = 0; i < c.units; i++) {
			assert_int_equal(cv_buf_put(&layers, c.unit[i].data, c.unit[i].len), 0);
			len[i] = c.unit[i].len;
		}
		assert_int_equal(media_vp9_merge(&m, layers.data, len, c.units, &merged, &shown), 0);
		assert_int_equal(client_vp9_decode(c.decoder, layers.data, layers.len, &a), 0);
		assert_int_equal(client_vp9_decode(player, merged.data, merged.len, &b), 0);
		assert_true(psnr(&a, &b) >= 99);
		cv_buf_done(&layers);
		cv_buf_done(&merged);
	}
	client_vp9_decoder_free(player);
	chain_done(&c);
}

static void test_voice(void **state)
{
	struct client_voice_encoder *e;
	struct client_voice_decoder *d;
	uint8_t data[CLIENT_VOICE_BYTES];
	static int16_t in[50 * MEDIA_VOICE_SAMPLES], out[50 * MEDIA_VOICE_SAMPLES];
	assert_int_equal(client_voice_encoder_new(&e), 0);
	assert_int_equal(client_voice_decoder_new(&d), 0);
	int lag = client_voice_lookahead(e);
	assert_true(lag > 0 && lag < MEDIA_VOICE_SAMPLES);
	for (unsigned f = 0; f < 50; f++) {
		int16_t *x = in + f * MEDIA_VOICE_SAMPLES, *y = out + f * MEDIA_VOICE_SAMPLES;
		for (unsigned i = 0; i < MEDIA_VOICE_SAMPLES; i++) {
			double t = (f * MEDIA_VOICE_SAMPLES + i) / 48000.0;
			x[i] = (int16_t)(8000 * sin(2 * M_PI * 220 * t) * (0.6 + 0.4 * sin(2 * M_PI * 3 * t)));
		}
		/* Silence and sound have the same length on the wire. */
		if (f > 40)
			memset(x, 0, MEDIA_VOICE_SAMPLES * sizeof(*x));
		assert_int_equal(client_voice_encode(e, x, data), 0);
		/* One frame is lost. */
		if (f == 45)
			assert_int_equal(client_voice_decode(d, NULL, 0, y), 0);
		else
			assert_int_equal(client_voice_decode(d, data, sizeof(data), y), 0);
	}
	double xy = 0, xx = 0, yy = 0;
	for (int i = 4800; i < 40 * MEDIA_VOICE_SAMPLES - lag; i++) {
		double x = in[i], y = out[i + lag];
		xy += x * y;
		xx += x * x;
		yy += y * y;
	}
	assert_true(xy / sqrt(xx * yy) > 0.97);
	client_voice_encoder_free(e);
	client_voice_decoder_free(d);
}

static void test_bad_voice(void **state)
{
	struct client_voice_decoder *d;
	int16_t out[MEDIA_VOICE_SAMPLES];
	uint8_t data[2000];
	assert_int_equal(client_voice_decoder_new(&d), 0);
	memset(data, 0xff, sizeof(data));
	assert_int_equal(client_voice_decode(d, data, sizeof(data), out), CV_EFORMAT);
	assert_int_equal(client_voice_decode(d, data, 0, out), CV_EFORMAT);
	assert_int_equal(client_voice_decode(d, data, 1, out), CV_EFORMAT);
	/* A frame of 10 ms is a frame, but not one of ours. */
	data[0] = 0xf0;
	assert_int_equal(client_voice_decode(d, data, 100, out), CV_EFORMAT);
	client_voice_decoder_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layers_come_out_right),
		cmocka_unit_test(test_lower_layers_alone),
		cmocka_unit_test(test_switching_up),
		cmocka_unit_test(test_encodes_no_more_than_wanted),
		cmocka_unit_test(test_key_on_demand),
		cmocka_unit_test(test_rate_is_kept),
		cmocka_unit_test(test_bad_sizes),
		cmocka_unit_test(test_corrupt_pictures),
		cmocka_unit_test(test_merged_pictures_decode_alike),
		cmocka_unit_test(test_voice),
		cmocka_unit_test(test_bad_voice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
