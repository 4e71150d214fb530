/* SPDX-License-Identifier: Apache-2.0 */
/* HPKE (RFC 9180), mode Base, with the KEM, KDF and AEAD of an MLS cipher suite. Useful beside MLS too. */
#ifndef MLS_HPKE_H
#define MLS_HPKE_H

#include <mls/types.h>

/* Key pair from fresh randomness. Public: at most MLS_PUBLIC_MAX bytes (NIST curves: uncompressed point). */
struct mls_hpke_key {
	uint8_t pub[MLS_PUBLIC_MAX];
	size_t pub_len;
	struct cv_secret priv;
};
CV_PUBLIC int mls_hpke_generate(uint16_t suite, const struct cv_rng *rng, struct mls_hpke_key *ret) CV_NODISCARD;
/* DeriveKeyPair(ikm), RFC 9180 section 4. */
CV_PUBLIC int mls_hpke_derive(uint16_t suite, const void *ikm, size_t len, struct mls_hpke_key *ret) CV_NODISCARD;
CV_PUBLIC void mls_hpke_key_wipe(struct mls_hpke_key *k);

/*
 * One message to `pub` (SealBase, RFC 9180 section 6.1): appends `enc` to one buffer, the ciphertext (plaintext + 16
 * bytes) to the other. CV_EINVAL for a bad public key.
 */
CV_PUBLIC int mls_hpke_seal(uint16_t suite, const struct cv_rng *rng, struct cv_span pub, struct cv_span info,
			    struct cv_span aad, struct cv_span plaintext, struct cv_buf *enc,
			    struct cv_buf *ciphertext) CV_NODISCARD;
/* OpenBase: appends the plaintext. CV_EAUTH when it does not open. */
CV_PUBLIC int mls_hpke_open(uint16_t suite, const struct mls_hpke_key *key, struct cv_span enc, struct cv_span info,
			    struct cv_span aad, struct cv_span ciphertext, struct cv_buf *plaintext) CV_NODISCARD;

#endif
