/* SPDX-License-Identifier: Apache-2.0 */
/* <mls/hpke.h> as others use it: every suite there and back, and each error that the header promises. */
#include "helper.h"

#include "../src/crypto.h"

#define SUITES  7
#define BUF_MAX 4096

struct letter {
	struct world w;
	uint16_t suite;
	struct mls_hpke_key key;
	struct cv_buf enc, ct, pt;
};

static void letter_init(struct letter *l, uint16_t suite)
{
	world_init(&l->w, suite);
	l->suite = suite;
	cv_buf_init(&l->enc, BUF_MAX);
	cv_buf_init(&l->ct, BUF_MAX);
	cv_buf_init_secret(&l->pt, BUF_MAX);
	assert_int_equal(mls_hpke_generate(suite, &l->w.rng, &l->key), 0);
	assert_int_equal(mls_hpke_seal(suite, &l->w.rng, (struct cv_span){l->key.pub, l->key.pub_len}, TEXT("info"),
				       TEXT("aad"), TEXT("plain"), &l->enc, &l->ct),
			 0);
	assert_int_equal(l->enc.len, l->key.pub_len);
	assert_int_equal(l->ct.len, 5 + 16);
}

static void letter_done(struct letter *l)
{
	mls_hpke_key_wipe(&l->key);
	cv_buf_done(&l->enc);
	cv_buf_done(&l->ct);
	cv_buf_done(&l->pt);
}

/* The result; after a failure nothing may have been appended. */
static int open_with(struct letter *l, struct cv_span enc, struct cv_span info, struct cv_span aad, struct cv_span ct)
{
	size_t before = l->pt.len;
	int err = mls_hpke_open(l->suite, &l->key, enc, info, aad, ct, &l->pt);

	if (err)
		assert_int_equal(l->pt.len, before);
	return err;
}

static int open_enc(struct letter *l, struct cv_span enc)
{
	return open_with(l, enc, TEXT("info"), TEXT("aad"), SPAN_OF(l->ct));
}

static int open_ct(struct letter *l, struct cv_span ct)
{
	return open_with(l, SPAN_OF(l->enc), TEXT("info"), TEXT("aad"), ct);
}

static void test_there_and_back(void **state)
{
	for (uint16_t suite = 1; suite <= SUITES; suite++) {
		struct mls_hpke_key one, two;
		struct letter l;

		letter_init(&l, suite);
		assert_int_equal(cv_buf_put(&l.pt, "before ", 7), 0);
		assert_int_equal(open_ct(&l, SPAN_OF(l.ct)), 0);
		assert_int_equal(l.pt.len, 12);
		assert_memory_equal(l.pt.data, "before plain", 12);
		assert_int_equal(open_with(&l, SPAN_OF(l.enc), TEXT("other"), TEXT("aad"), SPAN_OF(l.ct)), CV_EAUTH);
		assert_int_equal(open_with(&l, SPAN_OF(l.enc), TEXT("info"), TEXT("aae"), SPAN_OF(l.ct)), CV_EAUTH);
		for (size_t i = 0; i < l.ct.len; i++) {
			l.ct.data[i] ^= 1;
			assert_int_equal(open_ct(&l, SPAN_OF(l.ct)), CV_EAUTH);
			l.ct.data[i] ^= 1;
			assert_int_equal(open_ct(&l, (struct cv_span){l.ct.data, i}), CV_EAUTH);
		}
		/* The same bytes give the same pair, others another. */
		assert_int_equal(mls_hpke_derive(suite, "some key material", 17, &one), 0);
		assert_int_equal(mls_hpke_derive(suite, "some key material", 17, &two), 0);
		assert_memory_equal(one.pub, two.pub, one.pub_len);
		assert_true(cv_secret_equal(&one.priv, &two.priv));
		assert_int_equal(mls_hpke_derive(suite, "some key materiam", 17, &two), 0);
		assert_memory_not_equal(one.pub, two.pub, one.pub_len);
		mls_hpke_key_wipe(&one);
		mls_hpke_key_wipe(&two);
		letter_done(&l);
	}
}

/* A key that is none is CV_EINVAL, whether we send to it or it comes with a message; a wrong one is CV_EAUTH. */
static void test_bad_keys(void **state)
{
	for (uint16_t suite = 1; suite <= SUITES; suite++) {
		uint8_t bad[MLS_PUBLIC_MAX + 1] = {0};
		struct mls_hpke_key other;
		struct letter l;
		size_t n;

		letter_init(&l, suite);
		n = l.enc.len;
		/* All zero: of small order, or no point. Then the lengths. */
		const struct cv_span none[] = {{bad, n}, {bad, 0}, {l.enc.data, n - 1}, {bad, n + 1}};

		for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
			size_t enc_len = l.enc.len, ct_len = l.ct.len;

			assert_int_equal(open_enc(&l, none[i]), CV_EINVAL);
			assert_int_equal(mls_hpke_seal(suite, &l.w.rng, none[i], TEXT("info"), TEXT("aad"), TEXT("x"),
						       &l.enc, &l.ct),
					 CV_EINVAL);
			assert_int_equal(l.enc.len, enc_len);
			assert_int_equal(l.ct.len, ct_len);
		}
		assert_int_equal(mls_hpke_generate(suite, &l.w.rng, &other), 0);
		assert_int_equal(open_enc(&l, (struct cv_span){other.pub, other.pub_len}), CV_EAUTH);
		/* Somebody else's private key; then one of no suite. */
		cv_secret_move(&l.key.priv, &other.priv);
		assert_int_equal(open_ct(&l, SPAN_OF(l.ct)), CV_EAUTH);
		l.key.priv.len--;
		assert_int_equal(open_ct(&l, SPAN_OF(l.ct)), CV_EINVAL);
		letter_done(&l);
	}
}

/* A private key out of its range is none; one that is not clamped is the one that it becomes (RFC 9180 7.1.2). */
static void test_private_keys(void **state)
{
	for (uint16_t suite = 1; suite <= SUITES; suite++) {
		struct letter l;
		size_t n;

		letter_init(&l, suite);
		n = l.key.priv.len;
		if (l.key.pub[0] == 4 && l.key.pub_len > 56) {
			memset(l.key.priv.data, 0, n);
			assert_int_equal(open_ct(&l, SPAN_OF(l.ct)), CV_EINVAL);
			memset(l.key.priv.data, 0xff, n);
			assert_int_equal(open_ct(&l, SPAN_OF(l.ct)), CV_EINVAL);
		} else {
			l.key.priv.data[0] ^= n == 32 ? 7 : 3;
			l.key.priv.data[n - 1] ^= n == 32 ? 0xc0 : 0x80;
			assert_int_equal(open_ct(&l, SPAN_OF(l.ct)), 0);
			l.key.priv.data[1] ^= 1;
			assert_int_equal(open_ct(&l, SPAN_OF(l.ct)), CV_EAUTH);
		}
		letter_done(&l);
	}
}

/* "L has a maximum value of 255*Nh" (5.3). */
static void test_long_exports(void **state)
{
	static uint8_t out[255 * MLS_HASH_MAX + 1];
	static const struct cv_secret shared = {.len = 32};
	struct hpke_info info;
	struct mls_crypto c;
	struct hpke_ctx h;

	for (uint16_t suite = 1; suite <= SUITES; suite++) {
		size_t max = 255 * mls_suite_hash_len(suite);

		assert_int_equal(mls_crypto_init(&c, suite, NULL), 0);
		assert_int_equal(mls_hpke_info_init(&c, TEXT("info"), &info), 0);
		assert_int_equal(mls_hpke_setup(&c, &shared, &info, true, &h), 0);
		assert_int_equal(mls_hpke_export(&c, &h, TEXT("context"), out, max), 0);
		assert_int_equal(mls_hpke_export(&c, &h, TEXT("context"), out, max + 1), CV_EINVAL);
		mls_crypto_done(&c);
	}
}

static int no_randomness(void *ctx, uint8_t *out, size_t len)
{
	return CV_ECRYPTO;
}

static void test_other_errors(void **state)
{
	static const uint16_t unknown[] = {0, SUITES + 1, 0xffff};
	const struct cv_rng none = {.fill = no_randomness};
	struct mls_hpke_key key = {.pub_len = 77};
	struct cv_span pub;
	struct cv_buf small, enc;
	struct letter l;

	letter_init(&l, 1);
	pub = (struct cv_span){l.key.pub, l.key.pub_len};
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		assert_int_equal(mls_hpke_generate(unknown[i], &l.w.rng, &key), CV_EUNSUPPORTED);
		assert_int_equal(mls_hpke_derive(unknown[i], "x", 1, &key), CV_EUNSUPPORTED);
		assert_int_equal(mls_hpke_seal(unknown[i], &l.w.rng, pub, NOTHING, NOTHING, NOTHING, &l.enc, &l.ct),
				 CV_EUNSUPPORTED);
		assert_int_equal(mls_hpke_open(unknown[i], &l.key, SPAN_OF(l.enc), TEXT("info"), TEXT("aad"),
					       SPAN_OF(l.ct), &l.pt),
				 CV_EUNSUPPORTED);
	}
	assert_int_equal(mls_hpke_generate(1, &none, &key), CV_ECRYPTO);
	assert_int_equal(key.pub_len, 77);
	cv_buf_init(&enc, BUF_MAX);
	cv_buf_init(&small, 5 + 15);
	assert_int_equal(mls_hpke_seal(1, &none, pub, NOTHING, NOTHING, NOTHING, &enc, &l.ct), CV_ECRYPTO);
	assert_int_equal(mls_hpke_seal(1, &l.w.rng, pub, NOTHING, NOTHING, TEXT("plain"), &enc, &small), CV_ELIMIT);
	assert_int_equal(enc.len, 0);
	assert_int_equal(small.len, 0);
	cv_buf_done(&small);
	/* Nobody may take the length modulo something: here one byte would be authenticated. */
	const struct cv_span endless = {(const uint8_t *)"x", ((size_t)1 << 32) + 1};

	assert_int_equal(mls_hpke_seal(1, &l.w.rng, pub, NOTHING, endless, TEXT("plain"), &enc, &l.ct), CV_ELIMIT);
	assert_int_equal(open_with(&l, SPAN_OF(l.enc), TEXT("info"), endless, SPAN_OF(l.ct)), CV_ELIMIT);
	assert_int_equal(enc.len, 0);
	cv_buf_init(&small, 4);
	assert_int_equal(mls_hpke_open(1, &l.key, SPAN_OF(l.enc), TEXT("info"), TEXT("aad"), SPAN_OF(l.ct), &small),
			 CV_ELIMIT);
	cv_buf_done(&small);
	cv_buf_done(&enc);
	letter_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_bad_keys),
		cmocka_unit_test(test_private_keys),   cmocka_unit_test(test_long_exports),
		cmocka_unit_test(test_other_errors),
	};

	return cmocka_run_group_tests_name("mls hpke", tests, NULL, NULL);
}
