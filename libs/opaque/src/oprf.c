/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"

/* contextString = "OPRFV1-" || I2OSP(mode, 1) || "-" || identifier; RFC 9497 section 3.1. */
#define CONTEXT_STRING "OPRFV1-\0-ristretto255-SHA512"

#define XMD_BLOCK 128 /* input block of SHA-512 */

static void sha_feed(crypto_hash_sha512_state *st, const void *p, size_t len)
{
	if (len)
		crypto_hash_sha512_update(st, p, len);
}

static void sha_feed_u16(crypto_hash_sha512_state *st, size_t v)
{
	const uint8_t b[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	crypto_hash_sha512_update(st, b, 2);
}

/* RFC 9380 section 5.3.1. */
int oprf_expand_spans(const struct cv_span *spans, size_t count, const void *dst, size_t dst_len, uint8_t *out,
		      size_t out_len)
{
	static const uint8_t zero_pad[XMD_BLOCK], zero;
	const uint8_t dst_len_byte = (uint8_t)dst_len;
	uint8_t b0[HASH_LEN], bi[HASH_LEN] = {0};
	crypto_hash_sha512_state st;
	size_t done = 0;

	if (dst_len < 1 || dst_len > 255 || out_len < 1 || out_len > (size_t)255 * HASH_LEN)
		return CV_EINVAL;
	crypto_hash_sha512_init(&st);
	sha_feed(&st, zero_pad, sizeof(zero_pad));
	for (size_t i = 0; i < count; i++)
		sha_feed(&st, spans[i].data, spans[i].len);
	sha_feed_u16(&st, out_len);
	sha_feed(&st, &zero, 1);
	sha_feed(&st, dst, dst_len);
	sha_feed(&st, &dst_len_byte, 1);
	crypto_hash_sha512_final(&st, b0);
	for (uint8_t i = 1; done < out_len; i++) {
		size_t take = out_len - done < HASH_LEN ? out_len - done : HASH_LEN;

		for (size_t k = 0; k < HASH_LEN; k++)
			bi[k] ^= b0[k];
		crypto_hash_sha512_init(&st);
		sha_feed(&st, bi, HASH_LEN);
		sha_feed(&st, &i, 1);
		sha_feed(&st, dst, dst_len);
		sha_feed(&st, &dst_len_byte, 1);
		crypto_hash_sha512_final(&st, bi);
		memcpy(out + done, bi, take);
		done += take;
	}
	cv_wipe(&st, sizeof(st));
	cv_wipe(b0, sizeof(b0));
	cv_wipe(bi, sizeof(bi));
	return 0;
}

int oprf_expand_message(const void *msg, size_t msg_len, const void *dst, size_t dst_len, uint8_t *out, size_t out_len)
{
	struct cv_span span = SPAN(msg, msg_len);

	return oprf_expand_spans(&span, 1, dst, dst_len, out, out_len);
}

int oprf_scalar_check(const uint8_t scalar[OPRF_SCALAR_LEN])
{
	uint8_t wide[64] = {0}, reduced[OPRF_SCALAR_LEN];
	bool ok;

	memcpy(wide, scalar, OPRF_SCALAR_LEN);
	crypto_core_ristretto255_scalar_reduce(reduced, wide);
	ok = cv_equal(reduced, scalar, OPRF_SCALAR_LEN) && !sodium_is_zero(reduced, sizeof(reduced));
	cv_wipe(wide, sizeof(wide));
	cv_wipe(reduced, sizeof(reduced));
	return ok ? 0 : CV_EFORMAT;
}

int oprf_scalar_random(const struct cv_rng *rng, uint8_t ret_scalar[OPRF_SCALAR_LEN])
{
	uint8_t s[OPRF_SCALAR_LEN];
	int err = CV_ECRYPTO;

	/* About half of the values below 2^253 are scalars; a generator that never gives one is broken. */
	for (int tries = 0; tries < 256; tries++) {
		if (cv_rng_fill(rng, s, sizeof(s)) != 0)
			break;
		s[31] &= 0x1f;
		if (oprf_scalar_check(s) == 0) {
			memcpy(ret_scalar, s, sizeof(s));
			err = 0;
			break;
		}
	}
	cv_wipe(s, sizeof(s));
	return err;
}

int oprf_element_check(const uint8_t element[OPRF_ELEMENT_LEN])
{
	/* DeserializeElement fails for the identity too (RFC 9497 2.1 and 4.1), canonical as its encoding is. */
	if (sodium_is_zero(element, OPRF_ELEMENT_LEN) || crypto_core_ristretto255_is_valid_point(element) != 1)
		return CV_EFORMAT;
	/* No canonical encoding has the highest bit (RFC 9496 4.3.1), but libsodium 1.0.18 does not look at it. */
	if (element[OPRF_ELEMENT_LEN - 1] & 0x80)
		return CV_EFORMAT;
	return 0;
}

int oprf_derive_key(const uint8_t seed[OPRF_SEED_LEN], const void *info, size_t info_len,
		    uint8_t ret_private[OPRF_SCALAR_LEN], uint8_t ret_public[OPRF_ELEMENT_LEN])
{
	static const char dst[] = "DeriveKeyPair" CONTEXT_STRING;
	const uint8_t info_len_bytes[2] = {(uint8_t)(info_len >> 8), (uint8_t)info_len};
	uint8_t wide[64], sk[OPRF_SCALAR_LEN], pk[OPRF_ELEMENT_LEN];
	int err = CV_ECRYPTO;

	if (info_len > 65535)
		return CV_EINVAL;
	for (unsigned int counter = 0; counter < 256; counter++) {
		const uint8_t counter_byte = (uint8_t)counter;
		const struct cv_span spans[] = {SPAN(seed, OPRF_SEED_LEN), SPAN(info_len_bytes, 2),
						SPAN(info, info_len), SPAN(&counter_byte, 1)};

		err = oprf_expand_spans(spans, 4, dst, sizeof(dst) - 1, wide, sizeof(wide));
		if (err)
			break;
		crypto_core_ristretto255_scalar_reduce(sk, wide);
		err = CV_ECRYPTO;
		if (crypto_scalarmult_ristretto255_base(pk, sk) == 0) {
			err = 0;
			break;
		}
	}
	if (!err) {
		memcpy(ret_private, sk, sizeof(sk));
		memcpy(ret_public, pk, sizeof(pk));
	}
	cv_wipe(wide, sizeof(wide));
	cv_wipe(sk, sizeof(sk));
	return err;
}

int oprf_blind(const void *input, size_t input_len, const uint8_t blind[OPRF_SCALAR_LEN],
	       uint8_t ret_blinded[OPRF_ELEMENT_LEN])
{
	static const char dst[] = "HashToGroup-" CONTEXT_STRING;
	uint8_t wide[64], element[OPRF_ELEMENT_LEN], blinded[OPRF_ELEMENT_LEN];
	int err;

	if (input_len > OPRF_INPUT_MAX || oprf_scalar_check(blind) != 0)
		return CV_EINVAL;
	err = oprf_expand_message(input, input_len, dst, sizeof(dst) - 1, wide, sizeof(wide));
	if (err)
		return err;
	crypto_core_ristretto255_from_hash(element, wide);
	/* Fails for the identity: InvalidInputError. */
	if (crypto_scalarmult_ristretto255(blinded, blind, element) != 0)
		err = CV_EINVAL;
	else
		memcpy(ret_blinded, blinded, sizeof(blinded));
	cv_wipe(wide, sizeof(wide));
	cv_wipe(element, sizeof(element));
	return err;
}

int oprf_evaluate(const uint8_t private_key[OPRF_SCALAR_LEN], const uint8_t blinded[OPRF_ELEMENT_LEN],
		  uint8_t ret_evaluated[OPRF_ELEMENT_LEN])
{
	uint8_t out[OPRF_ELEMENT_LEN];
	int err = oprf_element_check(blinded);

	if (err)
		return err;
	if (crypto_scalarmult_ristretto255(out, private_key, blinded) != 0)
		return CV_EFORMAT;
	memcpy(ret_evaluated, out, sizeof(out));
	return 0;
}

int oprf_finalize(const void *input, size_t input_len, const uint8_t blind[OPRF_SCALAR_LEN],
		  const uint8_t evaluated[OPRF_ELEMENT_LEN], uint8_t ret_output[OPRF_OUTPUT_LEN])
{
	uint8_t inverse[OPRF_SCALAR_LEN], unblinded[OPRF_ELEMENT_LEN];
	crypto_hash_sha512_state st;
	int err;

	if (input_len > OPRF_INPUT_MAX || oprf_scalar_check(blind) != 0)
		return CV_EINVAL;
	err = oprf_element_check(evaluated);
	if (err)
		return err;
	if (crypto_core_ristretto255_scalar_invert(inverse, blind) != 0 ||
	    crypto_scalarmult_ristretto255(unblinded, inverse, evaluated) != 0) {
		err = CV_EFORMAT;
		goto out;
	}
	crypto_hash_sha512_init(&st);
	sha_feed_u16(&st, input_len);
	sha_feed(&st, input, input_len);
	sha_feed_u16(&st, sizeof(unblinded));
	sha_feed(&st, unblinded, sizeof(unblinded));
	sha_feed(&st, "Finalize", 8);
	crypto_hash_sha512_final(&st, ret_output);
	cv_wipe(&st, sizeof(st));
out:
	cv_wipe(inverse, sizeof(inverse));
	cv_wipe(unblinded, sizeof(unblinded));
	return err;
}
