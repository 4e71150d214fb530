/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures and signed objects, docs/protocol.md sections 1 and 2: tickets, admissions, creation grants, revocations
 * and the manifest. No clock and no randomness inside: times are handed in as Unix seconds, ids by the caller.
 * All functions may be called from any thread.
 */
#ifndef PROTO_SIGNED_H
#define PROTO_SIGNED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/buf.h>
#include <base/err.h>
#include <base/reader.h>
#include <proto/ids.h>

enum proto_label {
	PROTO_LABEL_TICKET,
	PROTO_LABEL_ADMISSION,
	PROTO_LABEL_CREATION_GRANT,
	PROTO_LABEL_REVOCATION,
	PROTO_LABEL_MANIFEST,
	PROTO_LABEL_DEVICE_PROOF,
	PROTO_LABEL_SIGN_IN,
	PROTO_LABEL_LEAVE,
};

/* The label's text as it is signed ("Creation Grant"), static. NULL for an unknown number. */
CV_PUBLIC const char *proto_label_text(enum proto_label label);

/* Sign(seed, label, content). seed: 32-byte Ed25519 seed, borrowed. CV_ENOMEM, CV_EINVAL. */
CV_PUBLIC int proto_sign_label(const uint8_t seed[PROTO_KEY_LEN], enum proto_label label, const void *content,
			       size_t len, uint8_t ret_signature[PROTO_SIG_LEN]) CV_NODISCARD;
/* CV_EAUTH unless `signature` is Sign(key, label, content) under the raw public key. */
CV_PUBLIC int proto_verify_label(const uint8_t key[PROTO_KEY_LEN], enum proto_label label, const void *content,
				 size_t len, const uint8_t signature[PROTO_SIG_LEN]) CV_NODISCARD;
/* The raw public key of a seed. */
CV_PUBLIC void proto_public_key(const uint8_t seed[PROTO_KEY_LEN], uint8_t ret_key[PROTO_KEY_LEN]);
/* SHA-256 of any bytes; of a raw public key it is the device hash or the signer id. */
CV_PUBLIC void proto_sha256(const void *data, size_t len, uint8_t ret_hash[PROTO_HASH_LEN]);
CV_PUBLIC bool proto_id_is_zero(const void *id, size_t len);

#define PROTO_SIGNERS_MAX 64

/* Raw public keys that a verifier trusts. Plain memory, no ownership. */
struct proto_signers {
	size_t n;
	uint8_t keys[PROTO_SIGNERS_MAX][PROTO_KEY_LEN];
};

#define PROTO_SIGNED_BODY_MAX 65536
#define PROTO_SIGNED_MAX      (1 + 32 + 4 + PROTO_SIGNED_BODY_MAX + 64)

/* Appends a whole Signed around `body`. CV_ELIMIT when the body or `out` is too small, CV_ENOMEM. */
CV_PUBLIC int proto_signed_put(struct cv_buf *out, const uint8_t seed[PROTO_KEY_LEN], enum proto_label label,
			       const void *body, size_t len) CV_NODISCARD;
/*
 * Decodes a Signed (all of `data`) and verifies it under the signer it names, which must be one of `signers`.
 * ret_body is borrowed from `data`. CV_EAUTH: unknown signer or wrong signature. CV_EFORMAT and other decoding errors.
 */
CV_PUBLIC int proto_signed_open(const void *data, size_t len, enum proto_label label,
				const struct proto_signers *signers, struct cv_span *ret_body) CV_NODISCARD;

/* ---- ticket */
#define PROTO_TICKET_RELAYS_MAX 16
#define PROTO_TICKET_LIFE       60 /* seconds, at most */

struct proto_ticket {
	uint8_t ticket_id[PROTO_ID_LEN];
	uint8_t run_id[PROTO_ID_LEN];
	uint8_t user_id[PROTO_ID_LEN];
	uint8_t device_hash[PROTO_HASH_LEN];
	uint64_t issued;
	uint64_t expires;
	uint8_t rights;
	uint8_t flags;
	uint8_t switches;
	size_t n_relays;
	uint8_t relays[PROTO_TICKET_RELAYS_MAX][PROTO_ID_LEN];
};

/* ---- admission */
#define PROTO_ADMISSION_LIFE 86400

struct proto_admission {
	uint8_t admission_id[PROTO_ID_LEN];
	uint8_t run_id[PROTO_ID_LEN];
	uint8_t user_id[PROTO_ID_LEN];
	uint8_t device_hash[PROTO_HASH_LEN];
	uint64_t issued;
	uint64_t expires;
	uint8_t rights;
	uint8_t flags;
	uint8_t switches;
};

struct proto_creation_grant {
	uint8_t run_id[PROTO_ID_LEN];
	uint8_t user_id[PROTO_ID_LEN];
	uint8_t device_hash[PROTO_HASH_LEN];
	uint64_t issued;
	uint64_t expires;
};

struct proto_revocation {
	uint8_t run_id[PROTO_ID_LEN]; /* all zero: every run */
	uint8_t user_id[PROTO_ID_LEN];
	uint8_t device_hash[PROTO_HASH_LEN]; /* all zero: every device of the user */
	uint64_t issued;
	uint64_t expires;
};

/*
 * _sign: appends the Signed object. CV_EINVAL when a field is out of its range (unknown bits, expires <= issued, a life
 * longer than the kind allows, too many relays).
 * _open: decodes and verifies; the same ranges give CV_EFORMAT. Does not look at the clock.
 */
CV_PUBLIC int proto_ticket_sign(const struct proto_ticket *t, const uint8_t seed[PROTO_KEY_LEN],
				struct cv_buf *out) CV_NODISCARD;
CV_PUBLIC int proto_ticket_open(const void *data, size_t len, const struct proto_signers *signers,
				struct proto_ticket *ret) CV_NODISCARD;
CV_PUBLIC int proto_admission_sign(const struct proto_admission *a, const uint8_t seed[PROTO_KEY_LEN],
				   struct cv_buf *out) CV_NODISCARD;
CV_PUBLIC int proto_admission_open(const void *data, size_t len, const struct proto_signers *signers,
				   struct proto_admission *ret) CV_NODISCARD;
CV_PUBLIC int proto_creation_grant_sign(const struct proto_creation_grant *g, const uint8_t seed[PROTO_KEY_LEN],
					struct cv_buf *out) CV_NODISCARD;
CV_PUBLIC int proto_creation_grant_open(const void *data, size_t len, const struct proto_signers *signers,
					struct proto_creation_grant *ret) CV_NODISCARD;
CV_PUBLIC int proto_revocation_sign(const struct proto_revocation *r, const uint8_t seed[PROTO_KEY_LEN],
				    struct cv_buf *out) CV_NODISCARD;
CV_PUBLIC int proto_revocation_open(const void *data, size_t len, const struct proto_signers *signers,
				    struct proto_revocation *ret) CV_NODISCARD;

/*
 * The period of validity at `now`: issued - PROTO_CLOCK_SKEW <= now <= expires + late. CV_EEXPIRED otherwise.
 * `late` is 0, or PROTO_CLOCK_SKEW where a relay checks a ticket.
 */
CV_PUBLIC int proto_times_check(uint64_t issued, uint64_t expires, uint64_t now, uint64_t late) CV_NODISCARD;
/* True when the revocation covers this device of this user in this run. */
CV_PUBLIC bool proto_revocation_covers(const struct proto_revocation *r, const uint8_t run_id[PROTO_ID_LEN],
				       const uint8_t user_id[PROTO_ID_LEN], const uint8_t device_hash[PROTO_HASH_LEN]);

/*
 * Content of the device proof: relay_id || nonce (32 bytes) || SHA-256(ticket or admission), 80 bytes, to be signed
 * under PROTO_LABEL_DEVICE_PROOF.
 */
#define PROTO_DEVICE_PROOF_LEN (PROTO_ID_LEN + 32 + PROTO_HASH_LEN)
CV_PUBLIC void proto_device_proof_content(const uint8_t relay_id[PROTO_ID_LEN], const uint8_t nonce[32],
					  const void *object, size_t len, uint8_t ret[PROTO_DEVICE_PROOF_LEN]);
/* Content of a leave's evidence: run_id || admission_id || uint32 leaf, under PROTO_LABEL_LEAVE. */
#define PROTO_LEAVE_LEN (2 * PROTO_ID_LEN + 4)
CV_PUBLIC void proto_leave_content(const uint8_t run_id[PROTO_ID_LEN], const uint8_t admission_id[PROTO_ID_LEN],
				   uint32_t leaf, uint8_t ret[PROTO_LEAVE_LEN]);
/* Content of the sign-in signature: login_id || SHA-256(ke1 || ke2 || ke3) || device_key, under PROTO_LABEL_SIGN_IN. */
#define PROTO_SIGN_IN_LEN (PROTO_ID_LEN + PROTO_HASH_LEN + PROTO_KEY_LEN)
CV_PUBLIC void proto_sign_in_content(const uint8_t login_id[PROTO_ID_LEN], struct cv_span ke1, struct cv_span ke2,
				     struct cv_span ke3, const uint8_t device_key[PROTO_KEY_LEN],
				     uint8_t ret[PROTO_SIGN_IN_LEN]);

#endif
