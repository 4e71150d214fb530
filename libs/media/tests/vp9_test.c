/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/reader.h>
#include <media/vp9.h>

#define STREAM_MAX (1 << 16)

static const char *corpus;

/* Streams of the corpus: per picture the number of layers, their lengths (24 bit), their bytes. */
struct stream {
	uint8_t data[STREAM_MAX];
	size_t len;
	struct cv_reader r;
};

static void load(struct stream *s, const char *name)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", corpus, name);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	s->len = fread(s->data, 1, sizeof(s->data), f);
	fclose(f);
	assert_true(s->len > 0 && s->len < sizeof(s->data));
	cv_reader_init(&s->r, s->data, s->len);
}

static bool next(struct stream *s, const uint8_t **ret_data, size_t layer_len[MEDIA_SPATIAL_MAX], unsigned *ret_layers)
{
	uint8_t n;
	uint32_t len;
	size_t total = 0;
	if (s->r.left == 0)
		return false;
	assert_int_equal(cv_reader_get_u8(&s->r, &n), 0);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(cv_reader_get_u24(&s->r, &len), 0);
		layer_len[i] = len;
		total += len;
	}
	assert_int_equal(cv_reader_get(&s->r, total, ret_data), 0);
	*ret_layers = n;
	return true;
}

/* Splits a superframe by its index and checks that exactly the last frame is shown, with this size. */
static void check_superframe(struct media_vp9_state *st, const struct cv_buf *b, unsigned width, unsigned height)
{
	uint8_t marker = b->data[b->len - 1];
	unsigned count = 1, mag = 0;
	size_t size[8] = {b->len}, at = 0;
	if ((marker & 0xe0) == 0xc0) {
		count = (marker & 7) + 1;
		mag = ((marker >> 3) & 3) + 1;
		const uint8_t *idx = b->data + b->len - 2 - (size_t)mag * count;
		assert_int_equal(idx[0], marker);
		size_t sum = 0;
		for (unsigned i = 0; i < count; i++) {
			size[i] = 0;
			for (unsigned k = 0; k < mag; k++)
				size[i] |= (size_t)idx[1 + i * mag + k] << (8 * k);
			sum += size[i];
		}
		assert_int_equal(sum, b->len - 2 - (size_t)mag * count);
	}
	for (unsigned i = 0; i < count; at += size[i], i++) {
		struct media_vp9_header h;
		assert_int_equal(media_vp9_parse(st, b->data + at, size[i], &h), 0);
		if (i + 1 < count)
			assert_false(h.show || h.show_existing);
		else
			assert_true(h.show || h.show_existing);
		if (i + 1 == count) {
			assert_int_equal(h.size.width, width);
			assert_int_equal(h.size.height, height);
		}
	}
}

static void merge_stream(const char *name, unsigned layers, unsigned width, unsigned height)
{
	static struct stream s;
	struct media_vp9_merge m;
	struct media_vp9_state st = {0};
	const uint8_t *data;
	size_t len[MEDIA_SPATIAL_MAX];
	unsigned n, pictures = 0;
	load(&s, name);
	media_vp9_merge_init(&m);
	while (next(&s, &data, len, &n)) {
		struct media_vp9_size shown;
		struct cv_buf b;
		cv_buf_init(&b, STREAM_MAX);
		assert_int_equal(n, layers);
		assert_int_equal(media_vp9_merge(&m, data, len, n, &b, &shown), 0);
		assert_int_equal(shown.width, width);
		assert_int_equal(shown.height, height);
		check_superframe(&st, &b, width, height);
		cv_buf_done(&b);
		pictures++;
	}
	assert_int_equal(pictures, 8);
}

static void test_one_frame_is_shown(void **state)
{
	merge_stream("l1_64x64.bin", 1, 64, 64);
	merge_stream("l2_320x180.bin", 2, 320, 180);
	merge_stream("l3_640x360.bin", 3, 640, 360);
}

static void test_missing_top_repeats_the_last(void **state)
{
	static struct stream s;
	struct media_vp9_merge m;
	struct media_vp9_state st = {0};
	const uint8_t *data;
	size_t len[MEDIA_SPATIAL_MAX];
	unsigned n, i = 0;
	load(&s, "l3_640x360.bin");
	media_vp9_merge_init(&m);
	for (; next(&s, &data, len, &n); i++) {
		struct media_vp9_size shown;
		struct cv_buf b;
		cv_buf_init(&b, STREAM_MAX);
		/* From the third picture on only the lowest layer comes. */
		assert_int_equal(media_vp9_merge(&m, data, len, i < 2 ? n : 1, &b, &shown), 0);
		assert_int_equal(shown.width, 640);
		check_superframe(&st, &b, 640, 360);
		cv_buf_done(&b);
	}
	/* A recording that begins on the lowest layer has its size, and never shows anything larger. */
	load(&s, "l3_640x360.bin");
	media_vp9_merge_init(&m);
	memset(&st, 0, sizeof(st));
	for (i = 0; next(&s, &data, len, &n); i++) {
		struct media_vp9_size shown;
		struct cv_buf b;
		cv_buf_init(&b, STREAM_MAX);
		assert_int_equal(media_vp9_merge(&m, data, len, i == 0 ? 1 : n, &b, &shown), 0);
		assert_int_equal(shown.width, 160);
		cv_buf_done(&b);
		if (i == 0)
			break;
	}
}

static void test_key_header(void **state)
{
	static struct stream s;
	struct media_vp9_state st = {0};
	struct media_vp9_header h;
	const uint8_t *data;
	size_t len[MEDIA_SPATIAL_MAX];
	unsigned n;
	load(&s, "l3_640x360.bin");
	assert_true(next(&s, &data, len, &n));
	assert_int_equal(media_vp9_parse(&st, data, len[0], &h), 0);
	assert_true(h.key);
	assert_true(h.show);
	assert_true(h.error_resilient);
	assert_int_equal(h.refresh, 0xff);
	assert_int_equal(h.size.width, 160);
	assert_int_equal(h.size.height, 90);
	assert_int_equal(st.ref[7].width, 160);
}

static void test_every_cut_is_an_error(void **state)
{
	static struct stream s;
	struct media_vp9_state st = {0}, before;
	struct media_vp9_header h;
	const uint8_t *data;
	size_t len[MEDIA_SPATIAL_MAX];
	unsigned n;
	load(&s, "l1_64x64.bin");
	assert_true(next(&s, &data, len, &n));
	assert_int_equal(media_vp9_parse(&st, data, len[0], &h), 0);
	size_t need = (h.header_bits + 7) / 8 + h.compressed_header_len;
	memset(&st, 0, sizeof(st));
	before = st;
	for (size_t cut = 0; cut < need; cut++) {
		assert_true(media_vp9_parse(&st, data, cut, &h) < 0);
		assert_memory_equal(&st, &before, sizeof(st));
	}
}

static void test_refused(void **state)
{
	struct media_vp9_state st = {0};
	struct media_vp9_header h;
	static const uint8_t not_vp9[] = {0x00, 0x49, 0x83, 0x42};
	static const uint8_t profile1[] = {0xa0, 0x49, 0x83, 0x42};
	static const uint8_t bad_sync[] = {0x82, 0x49, 0x83, 0x43, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	/* An inter frame whose size comes from an empty reference. */
	static const uint8_t no_ref[] = {0x87, 0x00, 0x00, 0x08, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	struct media_vp9_merge m;
	struct media_vp9_size shown;
	struct cv_buf b;
	size_t len = sizeof(bad_sync);
	assert_int_equal(media_vp9_parse(&st, not_vp9, sizeof(not_vp9), &h), CV_EFORMAT);
	assert_int_equal(media_vp9_parse(&st, profile1, sizeof(profile1), &h), CV_EUNSUPPORTED);
	assert_int_equal(media_vp9_parse(&st, bad_sync, sizeof(bad_sync), &h), CV_EFORMAT);
	assert_int_equal(media_vp9_parse(&st, no_ref, sizeof(no_ref), &h), CV_EFORMAT);
	cv_buf_init(&b, 1000);
	media_vp9_merge_init(&m);
	assert_int_equal(media_vp9_merge(&m, bad_sync, &len, 1, &b, &shown), CV_EFORMAT);
	assert_int_equal(media_vp9_merge(&m, bad_sync, &len, 0, &b, &shown), CV_EINVAL);
	assert_int_equal(media_vp9_merge(&m, bad_sync, &len, 4, &b, &shown), CV_EINVAL);
	cv_buf_done(&b);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_frame_is_shown),
		cmocka_unit_test(test_missing_top_repeats_the_last),
		cmocka_unit_test(test_key_header),
		cmocka_unit_test(test_every_cut_is_an_error),
		cmocka_unit_test(test_refused),
	};
	if (argc < 2)
		return 2;
	corpus = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
