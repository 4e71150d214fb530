/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The organisation's X.509 certificates (docs/protocol.md section 2, RFC 5280), all Ed25519: root, intermediates and
 * identity certificates. Times are Unix seconds and handed in. All functions may be called from any thread; a
 * struct proto_trust may be read by several threads at once.
 */
#ifndef PROTO_IDENTITY_H
#define PROTO_IDENTITY_H

#include <base/secret.h>
#include <proto/manifest.h>

#define PROTO_EMAIL_MAX 254
/* X.520 ub-common-name: subject CN longer than this is cut at a character's border when issuing. */
#define PROTO_CN_MAX 64

struct proto_identity {
	uint8_t user_id[PROTO_ID_LEN];
	char email[PROTO_EMAIL_MAX + 1];
	char display_name[4 * PROTO_CN_MAX + 1]; /* UTF-8, printable */
	uint8_t device_key[PROTO_KEY_LEN];
	uint64_t not_before;
	uint64_t not_after;
};

/* Self-signed root CA named after the organisation; DER appended to `out`. Serial numbers are random (`rng`). */
CV_PUBLIC int proto_root_issue(const uint8_t root_seed[PROTO_KEY_LEN], const char *organisation, uint64_t not_before,
			       uint64_t not_after, const struct cv_rng *rng, struct cv_buf *out) CV_NODISCARD;
/* Intermediate for `key` certified by the root. CV_EINVAL: `root_seed` is not the key of `root`. */
CV_PUBLIC int proto_intermediate_issue(const uint8_t root_seed[PROTO_KEY_LEN], struct cv_span root,
				       enum proto_intermediate_kind kind, const uint8_t key[PROTO_KEY_LEN],
				       uint64_t not_before, uint64_t not_after, const struct cv_rng *rng,
				       struct cv_buf *out) CV_NODISCARD;
/* Identity certificate for id->device_key. CV_EINVAL: bad e-mail or name, or the seed is not the key of `issuer`. */
CV_PUBLIC int proto_identity_issue(const uint8_t issuer_seed[PROTO_KEY_LEN], struct cv_span issuer,
				   const struct proto_identity *id, const struct cv_rng *rng,
				   struct cv_buf *out) CV_NODISCARD;

/* What an identity certificate says, unverified. CV_EFORMAT: not an identity certificate of this system. */
CV_PUBLIC int proto_identity_parse(const void *der, size_t len, struct proto_identity *ret) CV_NODISCARD;
/*
 * Verifies leaf -> issuer -> root at `now` and parses the leaf. `tolerance`: seconds that the leaf may be past its end
 * (0, or for receivers of an Add as section 5 says) ; PROTO_CLOCK_SKEW is allowed before its beginning.
 * CV_EAUTH: a signature, name or constraint of the chain is wrong. CV_EEXPIRED. CV_EFORMAT.
 */
CV_PUBLIC int proto_identity_verify(struct cv_span leaf, struct cv_span issuer, struct cv_span root, uint64_t now,
				    uint64_t tolerance, struct proto_identity *ret) CV_NODISCARD;

/*
 * The organisation as a verifier knows it: root and the intermediates of a manifest, each verified once.
 */
struct proto_trust;
/* CV_EAUTH: an intermediate is not certified by `root`. Intermediates outside their times at `now` are left out. */
CV_PUBLIC int proto_trust_new(struct cv_span root, const struct proto_manifest *m, uint64_t now,
			      struct proto_trust **ret) CV_NODISCARD;
CV_PUBLIC void proto_trust_free(struct proto_trust *t);
/* As proto_identity_verify, for an issuer that must be one of the manifest's (CV_EAUTH otherwise); much cheaper. */
CV_PUBLIC int proto_trust_identity(const struct proto_trust *t, struct cv_span leaf, struct cv_span issuer,
				   uint64_t now, uint64_t tolerance, struct proto_identity *ret) CV_NODISCARD;
/* The grant signers' keys, for proto_ticket_open and the like; borrowed. */
CV_PUBLIC const struct proto_signers *proto_trust_grant_signers(const struct proto_trust *t);

/* SHA-256 of the certificate's SubjectPublicKeyInfo (any key type). */
CV_PUBLIC int proto_cert_spki_sha256(const void *der, size_t len, uint8_t ret[PROTO_HASH_LEN]) CV_NODISCARD;
/* The raw Ed25519 key. CV_EFORMAT for another key type. */
CV_PUBLIC int proto_cert_key(const void *der, size_t len, uint8_t ret[PROTO_KEY_LEN]) CV_NODISCARD;
/* Checks that `der` is a self-signed Ed25519 CA whose SHA-256 is `fingerprint` (NULL: any), gives its raw key. */
CV_PUBLIC int proto_root_check(const void *der, size_t len, const uint8_t *fingerprint,
			       uint8_t ret_key[PROTO_KEY_LEN]) CV_NODISCARD;

#endif
