/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, their headers, counters and windows. Keys that come from MLS epochs: mls_keys_test.c. */
#include "pair.h"

static const enum sframe_suite all_suites[] = {1, 2, 3, 4, 5};

static void test_header(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		int err;
	} bad[] = {
		{"", 0, CV_ETRUNCATED},
		{"\x80", 1, CV_ETRUNCATED},
		{"\x08", 1, CV_ETRUNCATED},
		{"\x9f\xff\xff\xff", 4, CV_ETRUNCATED},
		{"\x80\x07", 2, CV_EFORMAT},         /* 7 fits into the first byte */
		{"\x08\x00", 2, CV_EFORMAT},         /* so does 0 */
		{"\x90\x00\x08", 3, CV_EFORMAT},     /* leading zero */
		{"\x0a\x00\xff\xff", 4, CV_EFORMAT}, /* leading zero */
	};
	static const uint64_t values[] = {0, 1, 7, 8, 255, 256, 1u << 24, UINT64_MAX - 1, UINT64_MAX};
	struct sframe_header h = {1, 2};
	size_t n = 77;

	for (size_t i = 0; i < LEN(bad); i++) {
		assert_int_equal(sframe_header_decode(bad[i].bytes, bad[i].len, &h, &n), bad[i].err);
		assert_true(h.kid == 1 && h.ctr == 2 && n == 77);
	}
	for (size_t i = 0; i < LEN(values); i++)
		for (size_t k = 0; k < LEN(values); k++) {
			struct sframe_header in = {values[i], values[k]};
			uint8_t enc[SFRAME_HEADER_MAX];
			size_t len = sframe_header_encode(&in, enc);

			assert_int_equal(sframe_header_decode(enc, len, &h, &n), 0);
			assert_true(n == len && h.kid == in.kid && h.ctr == in.ctr);
			for (size_t cut = 0; cut < len; cut++)
				assert_int_equal(sframe_header_decode(enc, cut, &h, &n), CV_ETRUNCATED);
		}
}

static void test_every_bit_counts(void **state)
{
	for (size_t i = 0; i < LEN(all_suites); i++) {
		struct pair p = pair_new(all_suites[i], 0x123);
		uint8_t f[64], m[sizeof(md)], out[64];
		size_t n = seal_at(&p, 300, f), len;

		for (size_t bit = 0; bit < n * 8; bit++) {
			f[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_not_equal(open_frame(p.r, f, n), 0);
			f[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t cut = 0; cut < n; cut++)
			assert_int_not_equal(open_frame(p.r, f, cut), 0);
		memcpy(m, md, sizeof(md));
		for (size_t bit = 0; bit < sizeof(m) * 8; bit++) {
			m[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(sframe_open(p.r, m, sizeof(m), f, n, out, sizeof(out), &len, NULL), CV_EAUTH);
			m[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(sframe_open(p.r, md, sizeof(md) - 1, f, n, out, sizeof(out), &len, NULL), CV_EAUTH);
		/* The forgeries have not moved the window. */
		assert_int_equal(open_frame(p.r, f, n), 0);
		assert_int_equal(open_frame(p.r, f, n), CV_EREPLAY);
		pair_free(&p);
	}
}

static void test_failed_open_leaves_no_plaintext(void **state)
{
	struct pair p = pair_new(SFRAME_AES_128_GCM_SHA256_128, 1);
	uint8_t f[64], out[64] = {0}, zero[64] = {0};
	size_t n = seal_at(&p, 0, f), len;

	f[n - 1] ^= 1;
	assert_int_equal(sframe_open(p.r, md, sizeof(md), f, n, out, sizeof(out), &len, NULL), CV_EAUTH);
	assert_memory_equal(out, zero, sizeof(out));
	pair_free(&p);
}

/* However long the header is and however short the tag: what is left for the plaintext is never taken below zero. */
static void test_cut_frames(void **state)
{
	for (enum sframe_suite suite = SFRAME_AES_128_CTR_HMAC_SHA256_80; suite <= SFRAME_AES_256_GCM_SHA512_128;
	     suite++) {
		struct pair p = pair_new(suite, UINT64_MAX);
		size_t shortest = SFRAME_HEADER_MAX + sframe_suite_tag_len(suite);
		uint8_t f[64];
		size_t n = seal_at(&p, UINT64_MAX - 1, f);

		for (size_t len = 0; len < n; len++)
			assert_int_equal(open_frame(p.r, f, len), len < shortest ? CV_ETRUNCATED : CV_EAUTH);
		assert_int_equal(open_frame(p.r, f, n), 0);
		pair_free(&p);
	}
}

static void test_window(void **state)
{
	struct pair p = pair_new(SFRAME_AES_128_GCM_SHA256_128, 9);
	uint8_t old[64], edge[64], inside[64], top[64], far[64];
	size_t n_old = seal_at(&p, 1000, old), n_edge = seal_at(&p, 1001, edge), n_inside = seal_at(&p, 1500, inside);
	size_t n_top = seal_at(&p, 1000 + SFRAME_WINDOW, top), n_far = seal_at(&p, 1000000, far);

	assert_int_equal(open_frame(p.r, top, n_top), 0);
	assert_int_equal(open_frame(p.r, old, n_old), CV_EREPLAY); /* exactly SFRAME_WINDOW behind */
	assert_int_equal(open_frame(p.r, edge, n_edge), 0);        /* the last one inside */
	assert_int_equal(open_frame(p.r, edge, n_edge), CV_EREPLAY);
	assert_int_equal(open_frame(p.r, inside, n_inside), 0);
	assert_int_equal(open_frame(p.r, inside, n_inside), CV_EREPLAY);
	assert_int_equal(open_frame(p.r, top, n_top), CV_EREPLAY);
	assert_int_equal(open_frame(p.r, far, n_far), 0);
	assert_int_equal(open_frame(p.r, top, n_top), CV_EREPLAY);
	assert_int_equal(open_frame(p.r, far, n_far), CV_EREPLAY);
	pair_free(&p);
}

/* The window against the plain definition, over pseudo-random jumps. */
static void test_window_model(void **state)
{
	static uint8_t seen[20000];
	struct sframe_window w = {0};
	uint32_t x = 1;
	uint64_t base = UINT64_MAX - sizeof(seen) + 1, high = 0;
	bool any = false;

	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < 60000; i++) {
		uint64_t c;
		int want;

		x = x * 1664525 + 1013904223;
		c = (uint64_t)i / 4 + (x >> 8) % ((x >> 4) % 16 == 0 ? 5000 : 1300);
		if (c >= sizeof(seen))
			c = sizeof(seen) - 1;
		want = seen[c] || (any && high >= SFRAME_WINDOW + c) ? CV_EREPLAY : 0;
		assert_int_equal(sframe_window_check(&w, base + c), want);
		if (want)
			continue;
		sframe_window_mark(&w, base + c);
		seen[c] = 1;
		if (!any || c > high)
			high = c;
		any = true;
	}
}

static void test_counter_exhausted(void **state)
{
	struct pair p = pair_new(SFRAME_AES_128_CTR_HMAC_SHA256_80, 2);
	uint8_t f[64];
	size_t n = seal_at(&p, UINT64_MAX, f);

	assert_int_equal(open_frame(p.r, f, n), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sframe_seal(p.s, md, sizeof(md), "frame", 5, f, sizeof(f), &n), CV_ELIMIT);
	assert_int_equal(sframe_sender_skip_to(p.s, UINT64_MAX), CV_ESTATE);
	assert_int_equal(sframe_sender_skip_to(p.s, 0), CV_ESTATE);
	/* A new key goes on. */
	assert_int_equal(sframe_sender_set_key(p.s, 2, 3, base_b, sizeof(base_b)), 0);
	assert_int_equal(sframe_seal(p.s, md, sizeof(md), "frame", 5, f, sizeof(f), &n), 0);
	/* A stricter limit. */
	sframe_sender_set_limit(p.s, 2);
	assert_int_equal(sframe_seal(p.s, md, sizeof(md), "frame", 5, f, sizeof(f), &n), 0);
	assert_int_equal(sframe_seal(p.s, md, sizeof(md), "frame", 5, f, sizeof(f), &n), CV_ELIMIT);
	pair_free(&p);
}

static void test_key_reuse_refused(void **state)
{
	struct pair p = pair_new(SFRAME_AES_256_GCM_SHA512_128, 5);
	struct sframe_header h;
	uint8_t f[64];
	size_t n;

	assert_int_equal(sframe_sender_skip_to(p.s, 10), 0);
	assert_int_equal(sframe_sender_skip_to(p.s, 9), CV_ESTATE);
	assert_int_equal(sframe_sender_set_key(p.s, 1, 5, base_a, sizeof(base_a)), CV_ESTATE);
	assert_int_equal(sframe_sender_set_key(p.s, 1, 6, base_b, sizeof(base_b)), CV_ESTATE);
	assert_int_equal(sframe_sender_set_key(p.s, 0, 6, base_b, sizeof(base_b)), CV_ESTATE);
	assert_int_equal(sframe_sender_set_key(p.s, 2, 5, base_a, sizeof(base_a)), CV_ESTATE);
	/* The refused calls have not reset the counter. */
	assert_int_equal(sframe_seal(p.s, md, sizeof(md), "frame", 5, f, sizeof(f), &n), 0);
	assert_int_equal(sframe_header_decode(f, n, &h, &n), 0);
	assert_int_equal(h.ctr, 10);
	/* Nor does clearing the key open the way back. */
	sframe_sender_clear_key(p.s);
	assert_int_equal(sframe_seal(p.s, md, sizeof(md), "frame", 5, f, sizeof(f), &n), CV_ESTATE);
	assert_int_equal(sframe_sender_skip_to(p.s, 20), CV_ESTATE);
	assert_int_equal(sframe_sender_set_key(p.s, 1, 5, base_a, sizeof(base_a)), CV_ESTATE);
	assert_int_equal(sframe_sender_set_key(p.s, 2, 5, base_a, sizeof(base_a)), CV_ESTATE);
	/* Nor other keys between: the counter would begin again. The KID alone may come back. */
	for (uint64_t epoch = 2; epoch < 1 + SFRAME_SEEN_KEYS; epoch++) {
		assert_int_equal(sframe_sender_set_key(p.s, epoch, 5 + epoch % 2, &epoch, sizeof(epoch)), 0);
		assert_int_equal(sframe_sender_set_key(p.s, 100, 5, base_a, sizeof(base_a)), CV_ESTATE);
	}
	assert_int_equal(sframe_receiver_add_key(p.r, 9, 5, base_b, sizeof(base_b)), CV_EEXIST);
	pair_free(&p);
}

static void test_wrong_kid_and_wrong_key(void **state)
{
	struct pair p = pair_new(SFRAME_AES_128_GCM_SHA256_128, 5), q = pair_new(SFRAME_AES_128_GCM_SHA256_128, 6);
	uint8_t f[64];
	size_t n = seal_at(&p, 0, f);

	assert_int_equal(open_frame(q.r, f, n), CV_ENOTFOUND);
	/* The same base key under another KID is another key. */
	f[0] = 0x60;
	assert_int_equal(open_frame(q.r, f, n), CV_EAUTH);
	assert_int_equal(sframe_receiver_drop_key(p.r, 5), 0);
	assert_int_equal(sframe_receiver_drop_key(p.r, 5), CV_ENOTFOUND);
	assert_int_equal(sframe_receiver_add_key(p.r, 1, 5, base_b, sizeof(base_b)), 0);
	f[0] = 0x50;
	assert_int_equal(open_frame(p.r, f, n), CV_EAUTH);
	pair_free(&p);
	pair_free(&q);
}

static void test_arguments(void **state)
{
	struct sframe_mls_params wrong = {.epoch_bits = 0, .sender_bits = 16};
	struct sframe_receiver *r = NULL;
	struct sframe_sender *s = NULL;
	struct sframe_keys keys;
	struct pair p = pair_new(SFRAME_AES_128_GCM_SHA256_128, 1);
	uint8_t f[64], big[256] = {0};
	size_t n = 0;
	uint64_t kid;

	assert_int_equal(sframe_sender_new(0, &s), CV_EUNSUPPORTED);
	assert_int_equal(sframe_sender_new(6, &s), CV_EUNSUPPORTED);
	assert_int_equal(sframe_receiver_new(0x7fffffff, NULL, 1, &r), CV_EUNSUPPORTED);
	assert_int_equal(sframe_receiver_new(4, NULL, 0, &r), CV_EINVAL);
	assert_int_equal(sframe_receiver_new(4, NULL, SFRAME_KEYS_MAX + 1, &r), CV_EINVAL);
	assert_int_equal(sframe_receiver_new(4, &wrong, 1, &r), CV_EINVAL);
	assert_null(s);
	assert_null(r);
	assert_int_equal(sframe_key_derive(9, 0, base_a, 32, &keys), CV_EUNSUPPORTED);
	assert_int_equal(sframe_key_derive(4, 0, base_a, 0, &keys), CV_EINVAL);
	assert_int_equal(sframe_key_derive(4, 0, big, 256, &keys), CV_EINVAL);
	assert_int_equal(sframe_receiver_add_epoch(p.r, 1, base_a, 32), CV_ESTATE);
	assert_int_equal(sframe_mls_kid(&meeting, 0, 1 << 16, 0, &kid), CV_ELIMIT);
	assert_int_equal(sframe_mls_kid(&meeting, (uint64_t)1 << 40, 0, 0, &kid), CV_ELIMIT);
	assert_int_equal(sframe_seal(p.s, md, sizeof(md), f, 5, f, 5 + 1 + 15, &n), CV_EINVAL);
	assert_int_equal(sframe_seal(p.s, md, sizeof(md), f, SFRAME_PLAINTEXT_MAX + 1, f, SIZE_MAX, &n), CV_ELIMIT);
	assert_int_equal(sframe_seal(p.s, md, SFRAME_METADATA_MAX + 1, f, 5, f, sizeof(f), &n), CV_ELIMIT);
	assert_int_equal(n, 0);
	n = seal_at(&p, 0, f); /* the refused calls have not used the counter up */
	assert_int_equal(sframe_open(p.r, md, sizeof(md), f, n, big, 4, &n, NULL), CV_EINVAL);
	pair_free(&p);
	sframe_sender_free(NULL);
	sframe_receiver_free(NULL);
	assert_int_equal(sframe_suite_tag_len(2), 8);
	assert_int_equal(sframe_suite_tag_len(99), 0);
	assert_int_equal(sframe_suite_key_len(5), 32);
	assert_int_equal(sframe_suite_key_len(0), 0);
}

static void test_empty_frames(void **state)
{
	for (size_t i = 0; i < LEN(all_suites); i++) {
		struct pair p = pair_new(all_suites[i], 7);
		uint8_t f[64], out[1];
		size_t n, m = 5;

		assert_int_equal(sframe_seal(p.s, NULL, 0, NULL, 0, f, sizeof(f), &n), 0);
		assert_int_equal(n, 1 + sframe_suite_tag_len(all_suites[i]));
		assert_int_equal(sframe_open(p.r, NULL, 0, f, n, out, 0, &m, NULL), 0);
		assert_int_equal(m, 0);
		pair_free(&p);
	}
}

static void test_metadata_of_any_length(void **state)
{
	static const size_t lens[] = {0, 1, 63, 64, 65, 1000, SFRAME_METADATA_MAX};
	static uint8_t metadata[SFRAME_METADATA_MAX];

	for (size_t i = 0; i < LEN(all_suites); i++) {
		struct pair p = pair_new(all_suites[i], 7);

		for (size_t k = 0; k < LEN(lens); k++) {
			uint8_t f[64], out[64];
			size_t n, m;

			assert_int_equal(sframe_seal(p.s, metadata, lens[k], "frame", 5, f, sizeof(f), &n), 0);
			metadata[lens[k] / 2] ^= 1;
			if (lens[k])
				assert_int_equal(sframe_open(p.r, metadata, lens[k], f, n, out, sizeof(out), &m, NULL),
						 CV_EAUTH);
			metadata[lens[k] / 2] ^= 1;
			assert_int_equal(sframe_open(p.r, metadata, lens[k], f, n, out, sizeof(out), &m, NULL), 0);
		}
		pair_free(&p);
	}
}

static void test_seal_buf(void **state)
{
	struct pair p = pair_new(SFRAME_AES_128_GCM_SHA256_128, 1);
	struct cv_buf b, tiny;

	cv_buf_init(&b, 100);
	cv_buf_init(&tiny, 20);
	cv_buf_put_u8(&b, 0xee);
	assert_int_equal(sframe_seal_buf(p.s, md, sizeof(md), "frame", 5, &b), 0);
	assert_int_equal(b.len, 1 + 1 + 5 + 16);
	assert_int_equal(open_frame(p.r, b.data + 1, b.len - 1), 0);
	assert_int_equal(sframe_seal_buf(p.s, md, sizeof(md), "frame", 5, &tiny), CV_ELIMIT);
	assert_int_equal(tiny.len, 0);
	cv_buf_done(&b);
	cv_buf_done(&tiny);
	pair_free(&p);
}

static void test_hot_path_allocates_nothing(void **state)
{
	for (size_t i = 0; i < LEN(all_suites); i++) {
		struct pair p = pair_new(all_suites[i], 77);
		uint8_t f[64];

		cv_alloc_fail_at(0);
		for (uint64_t c = 0; c < 2000; c++)
			assert_int_equal(open_frame(p.r, f, seal_at(&p, c, f)), 0);
		assert_int_equal(cv_alloc_count(), 0);
		cv_alloc_fail_at(-1);
		pair_free(&p);
	}
}

/* One life with every allocating call. 0, or the first error; everything is freed. */
static int oom_life(void)
{
	struct sframe_receiver *r = NULL;
	struct sframe_sender *s = NULL;
	struct cv_buf b;
	uint8_t out[64];
	uint64_t kid = 0;
	size_t n;
	int err;

	cv_buf_init(&b, 100);
	err = sframe_sender_new(4, &s);
	if (!err)
		err = sframe_receiver_new(4, &meeting, 100, &r);
	if (!err)
		err = sframe_mls_kid(&meeting, 0, 1, 1, &kid);
	if (!err)
		err = sframe_sender_set_key(s, 1, kid, base_a, 32);
	if (!err)
		err = sframe_receiver_add_epoch(r, 1, base_a, 32);
	for (uint64_t k = 0; !err && k < 20; k++)
		err = sframe_receiver_add_key(r, 1, 0x90000000 + k, base_a, 32);
	if (!err)
		err = sframe_seal_buf(s, md, sizeof(md), "frame", 5, &b);
	if (!err) {
		err = sframe_open(r, md, sizeof(md), b.data, b.len, out, sizeof(out), &n, NULL);
		if (err) {
			/* Nothing has changed: the same frame opens once there is memory. */
			assert_int_equal(sframe_receiver_key_count(r), 20);
			assert_int_equal(open_frame(r, b.data, b.len), 0);
		}
	}
	cv_buf_done(&b);
	sframe_sender_free(s);
	sframe_receiver_free(r);
	return err;
}

static void test_oom(void **state)
{
	int failures = 0;
	long total;

	cv_alloc_fail_at(-1);
	assert_int_equal(oom_life(), 0);
	total = cv_alloc_count();
	assert_true(total > 24);
	for (long i = 0; i < total; i++) {
		int err;

		cv_alloc_fail_at(i);
		err = oom_life();
		assert_true(err == 0 || err == CV_ENOMEM);
		failures += err != 0;
	}
	cv_alloc_fail_at(-1);
	/* Only the growth of the table may fail unnoticed. */
	assert_int_equal(failures, total - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_failed_open_leaves_no_plaintext),
		cmocka_unit_test(test_cut_frames),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_window_model),
		cmocka_unit_test(test_counter_exhausted),
		cmocka_unit_test(test_key_reuse_refused),
		cmocka_unit_test(test_wrong_kid_and_wrong_key),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_empty_frames),
		cmocka_unit_test(test_metadata_of_any_length),
		cmocka_unit_test(test_seal_buf),
		cmocka_unit_test(test_hot_path_allocates_nothing),
		cmocka_unit_test(test_oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
