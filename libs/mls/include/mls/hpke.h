/* SPDX-License-Identifier: Apache-2.0 */
/* HPKE (RFC 9180), mode Base, with the KEM, KDF and AEAD of an MLS cipher suite. Useful beside MLS too. */
#ifndef MLS_HPKE_H
#define MLS_HPKE_H

#include <mls/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MLS_HPKE_MAX (1u << 30) /* info, additional data, plaintext and ciphertext, each in bytes */

/* A key pair (NIST curves: uncompressed point; the scalar in as many bytes as the order has). Holds a secret: wipe it.
 */
struct mls_hpke_key {
	uint8_t pub[MLS_PUBLIC_MAX];
	size_t pub_len;
	struct cv_secret priv;
};
/* A key pair from fresh randomness. CV_EUNSUPPORTED: suite not known; CV_ECRYPTO. */
CV_PUBLIC int mls_hpke_generate(uint16_t suite, const struct cv_rng *rng, struct mls_hpke_key *ret) CV_NODISCARD;
/*
 * DeriveKeyPair(ikm), RFC 9180 section 7.1.3: always the same pair from the same bytes, which should hold as much
 * entropy as a private key has bytes. CV_EUNSUPPORTED: suite not known; CV_ECRYPTO.
 */
CV_PUBLIC int mls_hpke_derive(uint16_t suite, const void *ikm, size_t len, struct mls_hpke_key *ret) CV_NODISCARD;
/* Wipes. Takes a zeroed pair. */
CV_PUBLIC void mls_hpke_key_wipe(struct mls_hpke_key *k);

/*
 * One message to `pub` (SealBase, RFC 9180 section 6.1; a context of its own, so no sequence number): appends `enc` to
 * one buffer, the ciphertext (plaintext + 16 bytes) to the other. CV_EINVAL: `pub` is no public key of the suite
 * (length, not on the curve, of small order); CV_EUNSUPPORTED: suite not known; CV_ELIMIT (also: something is longer
 * than MLS_HPKE_MAX), CV_ENOMEM, CV_ECRYPTO.
 */
CV_PUBLIC int mls_hpke_seal(uint16_t suite, const struct cv_rng *rng, struct cv_span pub, struct cv_span info,
			    struct cv_span aad, struct cv_span plaintext, struct cv_buf *enc,
			    struct cv_buf *ciphertext) CV_NODISCARD;
/*
 * OpenBase: appends the plaintext (`plaintext` should be secret). CV_EAUTH when it does not open; CV_EINVAL: `enc` is
 * no public key of the suite, or key->priv no private one; CV_EUNSUPPORTED: suite not known; CV_ELIMIT, CV_ENOMEM,
 * CV_ECRYPTO.
 */
CV_PUBLIC int mls_hpke_open(uint16_t suite, const struct mls_hpke_key *key, struct cv_span enc, struct cv_span info,
			    struct cv_span aad, struct cv_span ciphertext, struct cv_buf *plaintext) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
