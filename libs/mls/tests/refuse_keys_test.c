/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and signatures in every cipher suite: RFC 9420 sections 5.1.1 and 5.1.2, RFC 9180 section 7.1.4. */
#include "cast.h"

#define SUITES 7

static void test_hpke_keys(void **state)
{
	for (uint16_t suite = 1; suite <= SUITES; suite++) {
		uint8_t key[MLS_PUBLIC_MAX + 1] = {0};
		struct mls_hpke_key pair = {0};
		struct cv_secret shared = {0};
		struct mls_crypto c;
		struct world w;
		size_t n;

		world_init(&w, suite);
		assert_int_equal(mls_crypto_init(&c, suite, &w.rng), 0);
		assert_int_equal(mls_kem_generate(&c, &pair), 0);
		n = pair.pub_len;
		memcpy(key, pair.pub, n);
		assert_int_equal(mls_kem_check_public(&c, SPAN(key, n)), 0);
		assert_int_equal(mls_kem_decap(&c, &pair.priv, SPAN(key, n), &shared), 0);
		/* Too short, too long, nothing. */
		assert_int_equal(mls_kem_check_public(&c, SPAN(key, n - 1)), CV_EINVAL);
		assert_int_equal(mls_kem_check_public(&c, SPAN(key, n + 1)), CV_EINVAL);
		assert_int_equal(mls_kem_check_public(&c, SPAN_NONE), CV_EINVAL);
		if (c.suite->curve) {
			/* Compressed, hybrid, not on the curve, infinity. */
			key[0] = (uint8_t)(2 | (key[n - 1] & 1));
			assert_int_equal(mls_kem_check_public(&c, SPAN(key, 1 + n / 2)), CV_EINVAL);
			key[0] = (uint8_t)(6 | (key[n - 1] & 1));
			assert_int_equal(mls_kem_check_public(&c, SPAN(key, n)), CV_EINVAL);
			key[0] = 4;
			key[n - 1] ^= 1;
			assert_int_equal(mls_kem_check_public(&c, SPAN(key, n)), CV_EINVAL);
			assert_int_equal(mls_kem_decap(&c, &pair.priv, SPAN(key, n), &shared), CV_EINVAL);
			assert_int_equal(mls_kem_check_public(&c, SPAN("", 1)), CV_EINVAL);
		} else {
			/* Zero and one give an all-zero secret; so does p, which is zero written differently. */
			memset(key, 0, n);
			assert_int_equal(mls_kem_check_public(&c, SPAN(key, n)), CV_EINVAL);
			assert_int_equal(mls_kem_decap(&c, &pair.priv, SPAN(key, n), &shared), CV_EINVAL);
			assert_int_equal(mls_hpke_external_receive(&c, &pair.priv, SPAN(key, n), &shared), CV_EINVAL);
			key[0] = 1;
			assert_int_equal(mls_kem_check_public(&c, SPAN(key, n)), CV_EINVAL);
			assert_int_equal(mls_kem_decap(&c, &pair.priv, SPAN(key, n), &shared), CV_EINVAL);
			memset(key, 0xff, n);
			key[n == 32 ? 0 : 28] = n == 32 ? 0xed : 0xfe;
			if (n == 32)
				key[31] = 0x7f;
			assert_int_equal(mls_kem_check_public(&c, SPAN(key, n)), CV_EINVAL);
			assert_int_equal(mls_kem_decap(&c, &pair.priv, SPAN(key, n), &shared), CV_EINVAL);
		}
		mls_hpke_key_wipe(&pair);
		cv_secret_wipe(&shared);
		mls_crypto_done(&c);
	}
}

/* Ed25519: S + L is the other way to write S (RFC 8032 section 5.1.7 refuses it). */
static void add_order(uint8_t s[32])
{
	static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58,       0xd6,
					  0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10};
	unsigned int carry = 0;

	for (int i = 0; i < 32; i++) {
		carry += s[i] + order[i];
		s[i] = (uint8_t)carry;
		carry >>= 8;
	}
}

/* Ways to write a DER signature that are not DER. Gives the length, 0 when there is no such way. */
static size_t not_der(const uint8_t *der, size_t len, int way, uint8_t *ret)
{
	size_t head = der[1] & 0x80 ? 3 : 2;

	memcpy(ret, der, len);
	switch (way) {
	case 0: /* something behind it */ ret[len] = 0; return len + 1;
	case 1: /* the length of the sequence in one byte more than it needs */
		if (head == 3)
			return 0;
		ret[1] = 0x81;
		ret[2] = der[1];
		memcpy(ret + 3, der + 2, len - 2);
		return len + 1;
	case 2: /* r with a zero in front that it does not need */
		if (head == 3)
			return 0;
		ret[1]++;
		ret[head + 1]++;
		ret[head + 2] = 0;
		memcpy(ret + head + 3, der + head + 2, len - head - 2);
		return der[head + 2] ? len + 1 : 0;
	case 3: /* no length at all: indefinite */ ret[1] = 0x80; return len;
	case 4: /* r negative */ ret[head + 2] |= 0x80; return len;
	default: /* another tag */ ret[0] = 0x31; return len;
	}
}

static const uint8_t msg[] = "message";

/* The public key compressed, hybrid, not on the curve. */
static void refuse_points(uint16_t suite, struct cv_span good, struct cv_span sig)
{
	uint8_t pub[MLS_PUBLIC_MAX];

	memcpy(pub, good.data, good.len);
	pub[0] = (uint8_t)(2 | (pub[good.len - 1] & 1));
	assert_int_equal(mls_signature_verify(suite, SPAN(pub, 1 + good.len / 2), msg, sizeof(msg), sig), CV_EINVAL);
	pub[0] = (uint8_t)(6 | (pub[good.len - 1] & 1));
	assert_int_equal(mls_signature_verify(suite, SPAN(pub, good.len), msg, sizeof(msg), sig), CV_EINVAL);
	pub[0] = 4;
	pub[good.len - 1] ^= 1;
	assert_int_equal(mls_signature_verify(suite, SPAN(pub, good.len), msg, sizeof(msg), sig), CV_EINVAL);
}

static void test_signatures(void **state)
{
	for (uint16_t suite = 1; suite <= SUITES; suite++) {
		uint8_t sig[MLS_SIGNATURE_MAX + 1], other[MLS_SIGNATURE_MAX + 4];
		struct mls_signer signer;
		struct mls_sign_key *key;
		struct cv_span good;
		size_t len, tried = 0;
		struct world w;

		world_init(&w, 100 + suite);
		assert_int_equal(mls_sign_key_generate(suite, &w.rng, &key), 0);
		signer = mls_sign_key_signer(key);
		good = mls_sign_key_public(key);
		assert_int_equal(signer.sign(signer.ctx, msg, sizeof(msg), sig, &len), 0);
		assert_int_equal(mls_signature_verify(suite, good, msg, sizeof(msg), SPAN(sig, len)), 0);
		assert_int_equal(mls_signature_verify(suite, good, msg, sizeof(msg) - 1, SPAN(sig, len)), CV_EAUTH);
		assert_int_equal(mls_signature_verify(suite, good, msg, sizeof(msg), SPAN(sig, len - 1)), CV_EAUTH);
		assert_int_equal(mls_signature_verify(suite, good, msg, sizeof(msg), SPAN_NONE), CV_EAUTH);
		assert_int_equal(
			mls_signature_verify(suite, SPAN(good.data, good.len - 1), msg, sizeof(msg), SPAN(sig, len)),
			CV_EINVAL);
		if (sig[0] == 0x30 && good.data[0] == 4) {
			for (int way = 0; way < 6; way++) {
				size_t n = not_der(sig, len, way, other);

				if (!n)
					continue;
				tried++;
				assert_int_equal(mls_signature_verify(suite, good, msg, sizeof(msg), SPAN(other, n)),
						 CV_EAUTH);
			}
			assert_true(tried >= 4);
			refuse_points(suite, good, SPAN(sig, len));
		} else {
			sig[len] = 0;
			assert_int_equal(mls_signature_verify(suite, good, msg, sizeof(msg), SPAN(sig, len + 1)),
					 CV_EAUTH);
			if (len == 64) {
				add_order(sig + 32);
				assert_int_equal(mls_signature_verify(suite, good, msg, sizeof(msg), SPAN(sig, len)),
						 CV_EAUTH);
			}
		}
		mls_sign_key_free(key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hpke_keys),
		cmocka_unit_test(test_signatures),
	};

	return cmocka_run_group_tests_name("mls refuses keys", tests, NULL, NULL);
}
