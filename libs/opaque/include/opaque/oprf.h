/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oblivious pseudorandom function of RFC 9497: mode 0 (OPRF), suite ristretto255-SHA512. OPAQUE is built on it; it
 * is public because it is useful alone. No allocation, no state, thread safe. Scalars are 32 bytes, little-endian;
 * elements are canonical ristretto255 encodings.
 */
#ifndef OPAQUE_OPRF_H
#define OPAQUE_OPRF_H

#include <stddef.h>
#include <stdint.h>

#include <base/err.h>
#include <base/secret.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OPRF_SCALAR_LEN  32
#define OPRF_ELEMENT_LEN 32
#define OPRF_OUTPUT_LEN  64
#define OPRF_SEED_LEN    32
#define OPRF_INPUT_MAX   65535

/* expand_message_xmd with SHA-512, RFC 9380 section 5.3.1. `dst_len` 1..255, `out_len` 1..255*64. CV_EINVAL outside. */
CV_PUBLIC int oprf_expand_message(const void *msg, size_t msg_len, const void *dst, size_t dst_len, uint8_t *out,
				  size_t out_len) CV_NODISCARD;

/* A uniform non-zero scalar. CV_ECRYPTO when the generator fails. RFC 9497 section 2.1 (RandomScalar). */
CV_PUBLIC int oprf_scalar_random(const struct cv_rng *rng, uint8_t ret_scalar[OPRF_SCALAR_LEN]) CV_NODISCARD;
/* 0 for a canonical encoding of an element that is not the identity, else CV_EFORMAT. Section 2.1 (DeserializeElement).
 */
CV_PUBLIC int oprf_element_check(const uint8_t element[OPRF_ELEMENT_LEN]) CV_NODISCARD;
/* Key pair from a seed; `info` at most 65535 bytes. CV_EINVAL: longer; CV_ECRYPTO. Section 3.2.1 (DeriveKeyPair). */
CV_PUBLIC int oprf_derive_key(const uint8_t seed[OPRF_SEED_LEN], const void *info, size_t info_len,
			      uint8_t ret_private[OPRF_SCALAR_LEN], uint8_t ret_public[OPRF_ELEMENT_LEN]) CV_NODISCARD;
/*
 * Client: `input` 0..OPRF_INPUT_MAX bytes, blinded by `blind` (oprf_scalar_random), a secret to be wiped after
 * finalize. Section 3.3.1. CV_EINVAL: too long, or `blind` is no canonical non-zero scalar.
 */
CV_PUBLIC int oprf_blind(const void *input, size_t input_len, const uint8_t blind[OPRF_SCALAR_LEN],
			 uint8_t ret_blinded[OPRF_ELEMENT_LEN]) CV_NODISCARD;
/* Server. CV_EFORMAT: not an element, or the identity. Section 3.3.1 (BlindEvaluate). */
CV_PUBLIC int oprf_evaluate(const uint8_t private_key[OPRF_SCALAR_LEN], const uint8_t blinded[OPRF_ELEMENT_LEN],
			    uint8_t ret_evaluated[OPRF_ELEMENT_LEN]) CV_NODISCARD;
/*
 * Client: unblinds and hashes; the output is a secret. CV_EFORMAT: not an element, or the identity; CV_EINVAL: as
 * oprf_blind. Section 3.3.1 (Finalize).
 */
CV_PUBLIC int oprf_finalize(const void *input, size_t input_len, const uint8_t blind[OPRF_SCALAR_LEN],
			    const uint8_t evaluated[OPRF_ELEMENT_LEN],
			    uint8_t ret_output[OPRF_OUTPUT_LEN]) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
