/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OPAQUE_INTERNAL_H
#define OPAQUE_INTERNAL_H

#include <stdbool.h>

#include <sodium.h>

#include <base/reader.h>
#include <opaque/opaque.h>
#include <opaque/oprf.h>

#define HASH_LEN 64 /* SHA-512, HMAC-SHA512, HKDF-SHA512 */

/* Offsets inside the messages, RFC 9807 sections 5.1 and 6.1. */
enum {
	KE1_BLINDED = 0,
	KE1_NONCE = 32,
	KE1_KEYSHARE = 64,
	KE2_EVALUATED = 0,
	KE2_MASKING_NONCE = 32,
	KE2_MASKED = 64,
	KE2_NONCE = 192,
	KE2_KEYSHARE = 224,
	KE2_MAC = 256,
	RECORD_PUBLIC_KEY = 0,
	RECORD_MASKING_KEY = 32,
	RECORD_ENVELOPE = 96,
	MASKED_LEN = OPAQUE_KEY_LEN + OPAQUE_ENVELOPE_LEN,
};

#define SPAN(p, n) ((struct cv_span){(const uint8_t *)(p), (n)})
#define SPAN_S(s)  ((struct cv_span){(const uint8_t *)(s), sizeof(s) - 1})

/* ---- hash.c: every input is given as a list of spans, so that nothing secret is gathered in buffers ---- */

void opaque_hmac(const uint8_t *key, size_t key_len, const struct cv_span *spans, size_t count,
		 uint8_t ret_mac[HASH_LEN]);
/* HKDF-Extract with an empty salt. */
void opaque_hkdf_extract(const struct cv_span *spans, size_t count, uint8_t ret_prk[HASH_LEN]);
/* HKDF-Expand; out_len at most 255 * HASH_LEN. */
void opaque_hkdf_expand(const uint8_t prk[HASH_LEN], const struct cv_span *spans, size_t count, uint8_t *out,
			size_t out_len);

/* ---- oprf.c ---- */

int oprf_expand_spans(const struct cv_span *spans, size_t count, const void *dst, size_t dst_len, uint8_t *out,
		      size_t out_len) CV_NODISCARD;
/* 0 for a canonical scalar other than zero, else CV_EFORMAT. */
int oprf_scalar_check(const uint8_t scalar[OPRF_SCALAR_LEN]) CV_NODISCARD;

/* ---- envelope.c, section 4 ---- */

/* The identities in force: explicit ones, or the public keys. The result borrows from its arguments. CV_EINVAL: too
 * long. */
int opaque_ids_resolve(const struct opaque_ids *ids, const uint8_t *client_public_key, const uint8_t *server_public_key,
		       struct cv_span *ret_client, struct cv_span *ret_server) CV_NODISCARD;
int opaque_config_check(const struct opaque_config *config) CV_NODISCARD;

/* Everything that an envelope nonce and the randomized password determine. Wipe after use. */
struct opaque_envelope_keys {
	uint8_t auth_key[HASH_LEN];
	uint8_t export_key[OPAQUE_EXPORT_KEY_LEN];
	uint8_t client_private_key[OPAQUE_KEY_LEN];
	uint8_t client_public_key[OPAQUE_KEY_LEN];
};

/* DeriveDiffieHellmanKeyPair, section 6.4.1. */
int opaque_dh_keypair(const uint8_t seed[32], uint8_t ret_private[OPAQUE_KEY_LEN],
		      uint8_t ret_public[OPAQUE_KEY_LEN]) CV_NODISCARD;
int opaque_envelope_open_keys(const uint8_t randomized_password[HASH_LEN], const uint8_t nonce[OPAQUE_NONCE_LEN],
			      struct opaque_envelope_keys *ret_keys) CV_NODISCARD;
/* The tag of an envelope, over its nonce and the cleartext credentials. */
int opaque_envelope_tag(const struct opaque_envelope_keys *keys, const uint8_t nonce[OPAQUE_NONCE_LEN],
			const uint8_t server_public_key[OPAQUE_KEY_LEN], const struct opaque_ids *ids,
			uint8_t ret_tag[OPAQUE_MAC_LEN]) CV_NODISCARD;
/* The pad that hides server public key and envelope in KE2. */
void opaque_masking_pad(const uint8_t masking_key[HASH_LEN], const uint8_t nonce[OPAQUE_NONCE_LEN],
			uint8_t ret_pad[MASKED_LEN]);

/* ---- ake.c, section 6.4: 3DH and its key schedule ---- */

struct opaque_ake_keys {
	uint8_t session_key[OPAQUE_SESSION_KEY_LEN];
	uint8_t server_mac[OPAQUE_MAC_LEN];
	uint8_t client_mac[OPAQUE_MAC_LEN];
};

/* The three shared secrets in a row; CV_EFORMAT when a public key is no valid element. */
int opaque_3dh(const uint8_t *const private_keys[3], const uint8_t *const public_keys[3],
	       uint8_t ret_ikm[3 * OPAQUE_KEY_LEN]) CV_NODISCARD;
/* From both ends' view of the messages. Only the first KE2_MAC bytes of ke2 are read. */
void opaque_ake_derive(const struct opaque_config *config, const uint8_t ikm[3 * OPAQUE_KEY_LEN],
		       const struct cv_span *client_id, const struct cv_span *server_id,
		       const uint8_t ke1[OPAQUE_KE1_LEN], const uint8_t ke2[KE2_MAC], struct opaque_ake_keys *ret_keys);

/* ---- client.c ---- */

/*
 * The finish functions without key stretching: what the RFC's test vectors use, and tests and fuzzing that cannot
 * afford Argon2id for every try. Not public: the record of a client that does not stretch is as weak as its password.
 */
int opaque_client_register_finish_unstretched(struct opaque_client *c, const struct opaque_config *config,
					      const struct opaque_ids *ids, const struct cv_rng *rng,
					      const void *response, size_t response_len,
					      uint8_t ret_record[OPAQUE_RECORD_LEN],
					      uint8_t ret_export_key[OPAQUE_EXPORT_KEY_LEN],
					      uint8_t ret_server_public_key[OPAQUE_KEY_LEN]) CV_NODISCARD;
int opaque_client_login_finish_unstretched(struct opaque_client *c, const struct opaque_config *config,
					   const struct opaque_ids *ids, const void *ke2, size_t ke2_len,
					   uint8_t ret_ke3[OPAQUE_KE3_LEN],
					   struct opaque_client_result *ret_result) CV_NODISCARD;

#endif
