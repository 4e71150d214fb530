/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MLS (RFC 9420): the vocabulary shared by all headers of this library.
 *
 * The library knows no sockets, files, clocks or generators: randomness and time are handed in (struct mls_env).
 * Spans (struct cv_span) in results are borrowed views; each function says from whom. Nothing here is thread safe:
 * one thread at a time per group and per key object; different objects may be used by different threads.
 *
 * Results (arguments ret…) are written on success alone; only room for bytes may hold anything after a failure.
 * What is appended to a struct cv_buf by a call that fails is taken off again; but when the buffer itself failed
 * (CV_ENOMEM, or CV_ELIMIT: its maximum is too small) it is spoilt until cv_buf_reset, see <base/buf.h>. *Decoding
 * errors* are CV_ETRUNCATED, CV_ETRAILING, CV_EFORMAT, CV_ELIMIT (one of the limits below) and CV_EUNSUPPORTED (a
 * version, wire format or suite that is not known). CV_ECRYPTO: OpenSSL or the generator handed in failed. An error of
 * an application's signer or policy comes back as it is.
 */
#ifndef MLS_TYPES_H
#define MLS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/buf.h>
#include <base/err.h>
#include <base/reader.h>
#include <base/secret.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Limits on what a peer can send. Each is checked before memory is taken. */
#define MLS_MESSAGE_MAX     (16u << 20) /* one MLSMessage, or one ratchet tree, in bytes */
#define MLS_LEAVES_MAX      16384u      /* slots for members in one tree (a power of two) */
#define MLS_GROUP_ID_MAX    255u        /* bytes */
#define MLS_IDENTITY_MAX    65536u      /* a credential's content in bytes */
#define MLS_CERTS_MAX       16u         /* certificates in one chain */
#define MLS_EXTENSIONS_MAX  256u        /* extensions in one list */
#define MLS_PROPOSALS_MAX   16384u      /* proposals in one commit */
#define MLS_TYPES_MAX       256u        /* entries in one list of capabilities, or of required ones */
#define MLS_SENDERS_MAX     256u        /* external senders of one group */
#define MLS_KEPT_MAX        4096u       /* proposals waiting for a commit in one epoch */
#define MLS_KEPT_BYTES_MAX  (16u << 20) /* and their size together */
#define MLS_OWN_UPDATES_MAX 64u         /* Updates of our own among them */
#define MLS_PSKS_MAX        256u        /* pre-shared keys in one commit */
#define MLS_PSK_MAX         1024u       /* one external pre-shared key (and its id) in bytes */
#define MLS_SIGNATURE_MAX   144u        /* any signature of any suite in bytes */
#define MLS_PUBLIC_MAX      133u        /* any public key of any suite in bytes */
#define MLS_HASH_MAX        64u         /* KDF.Nh of any suite */

/* Cipher suites, RFC 9420 section 17.1: KEM, AEAD, hash, signature. All are implemented. */
enum mls_suite_id {
	MLS_SUITE_X25519_AES128GCM_SHA256_ED25519 = 1,
	MLS_SUITE_P256_AES128GCM_SHA256_P256 = 2,
	MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519 = 3,
	MLS_SUITE_X448_AES256GCM_SHA512_ED448 = 4,
	MLS_SUITE_P521_AES256GCM_SHA512_P521 = 5,
	MLS_SUITE_X448_CHACHA20POLY1305_SHA512_ED448 = 6,
	MLS_SUITE_P384_AES256GCM_SHA384_P384 = 7,
};
/* Whether this library implements the suite. */
CV_PUBLIC bool mls_suite_known(uint16_t suite);
/* KDF.Nh of the suite in bytes: the length of hashes, exporter secrets and authenticators; 0 for an unknown suite. */
CV_PUBLIC size_t mls_suite_hash_len(uint16_t suite);

/* What the library needs from the world. Borrowed by every object made with it: it must outlive them. */
struct mls_env {
	const struct cv_rng *rng;
	uint64_t (*now)(void *ctx); /* seconds since 1970-01-01 UTC */
	void *now_ctx;
};

/*
 * Something that signs with a member's private signature key (Ed25519 and Ed448: over `msg` itself; ECDSA: DER
 * signature over the suite's hash of `msg`). `ret_sig` has room for MLS_SIGNATURE_MAX bytes. 0, or a negative CV_E…
 * that becomes the result of the call in progress.
 */
struct mls_signer {
	int (*sign)(void *ctx, const uint8_t *msg, size_t len, uint8_t *ret_sig, size_t *ret_len);
	void *ctx;
};

/* A private signature key in memory, for those who have no other signer. */
struct mls_sign_key;
/* A fresh key, for mls_sign_key_free. CV_EUNSUPPORTED: suite not known; CV_ENOMEM; CV_ECRYPTO. */
CV_PUBLIC int mls_sign_key_generate(uint16_t suite, const struct cv_rng *rng, struct mls_sign_key **ret) CV_NODISCARD;
/*
 * From a private key: Ed25519 the 32-byte seed, Ed448 57 bytes, ECDSA the big-endian scalar at most as long as the
 * curve's order (32, 48, 66). Copied. CV_EINVAL when it is no key; CV_EUNSUPPORTED: suite not known; CV_ENOMEM;
 * CV_ECRYPTO.
 */
CV_PUBLIC int mls_sign_key_new(uint16_t suite, const void *priv, size_t len, struct mls_sign_key **ret) CV_NODISCARD;
/* The public key as it stands in LeafNodes (ECDSA: uncompressed point); borrowed from `key`. */
CV_PUBLIC struct cv_span mls_sign_key_public(const struct mls_sign_key *key);
/* A signer that borrows `key`. */
CV_PUBLIC struct mls_signer mls_sign_key_signer(struct mls_sign_key *key);
/* Wipes and frees. Takes NULL. */
CV_PUBLIC void mls_sign_key_free(struct mls_sign_key *key);
/*
 * Verifies a plain signature as struct mls_signer makes it. CV_EAUTH when it does not verify; CV_EINVAL: no public key
 * of the suite; CV_EUNSUPPORTED: suite not known; CV_ECRYPTO.
 */
CV_PUBLIC int mls_signature_verify(uint16_t suite, struct cv_span public_key, const void *msg, size_t len,
				   struct cv_span sig) CV_NODISCARD;

/* Credentials, RFC 9420 section 5.3. */
enum mls_credential_type {
	MLS_CREDENTIAL_BASIC = 1,
	MLS_CREDENTIAL_X509 = 2,
};
/*
 * basic: `data` is the identity. x509: `data` is the list of certificates as on the wire: read it with
 * mls_x509_cert, write it with mls_x509_chain. The library checks that the first certificate's public key is the
 * leaf's signature key; whether the chain is trusted is the policy's to say.
 */
struct mls_credential {
	uint16_t type;
	struct cv_span data;
};
/* Appends a chain of 1..MLS_CERTS_MAX DER certificates (end entity first) as credential data. CV_ELIMIT, CV_ENOMEM. */
CV_PUBLIC int mls_x509_chain(const struct cv_span *certs, size_t n_certs, struct cv_buf *out) CV_NODISCARD;
/* The i-th certificate (0 = end entity), DER, borrowed from `cred`. CV_ENOTFOUND past the last, CV_EINVAL if basic. */
CV_PUBLIC int mls_x509_cert(const struct mls_credential *cred, size_t i, struct cv_span *ret_der) CV_NODISCARD;

/* Extensions, RFC 9420 section 17.3. Types 0xf000..0xffff are for private use. */
enum mls_extension_type {
	MLS_EXT_APPLICATION_ID = 1,        /* in leaves */
	MLS_EXT_RATCHET_TREE = 2,          /* in GroupInfo; written by the library */
	MLS_EXT_REQUIRED_CAPABILITIES = 3, /* in GroupContext; mls_required_capabilities, …_read */
	MLS_EXT_EXTERNAL_PUB = 4,          /* in GroupInfo; written by the library */
	MLS_EXT_EXTERNAL_SENDERS = 5,      /* in GroupContext; mls_external_senders, …_next */
};
struct mls_extension {
	uint16_t type;
	struct cv_span data;
};
/*
 * Looks an extension up in a list as the views of this library hand it out (the content of `Extension extensions<V>`).
 * `ret_data` is borrowed from `list`. CV_ENOTFOUND when it is not in there.
 */
CV_PUBLIC int mls_extension_find(struct cv_span list, uint16_t type, struct cv_span *ret_data) CV_NODISCARD;
/* Walks such a list: *at starts at 0 and is moved on. False at the end. */
CV_PUBLIC bool mls_extension_next(struct cv_span list, size_t *at, struct mls_extension *ret);
/* Appends the content of a required_capabilities extension, RFC 9420 section 11.1. CV_ELIMIT, CV_ENOMEM. */
CV_PUBLIC int mls_required_capabilities(const uint16_t *extensions, size_t n_extensions, const uint16_t *proposals,
					size_t n_proposals, const uint16_t *credentials, size_t n_credentials,
					struct cv_buf *out) CV_NODISCARD;
/* The same, read: lists of 16-bit numbers in wire form (mls_list16_has), borrowed from `data`. */
struct mls_required_capabilities_view {
	struct cv_span extensions, proposals, credentials;
};
/* `data` is the extension's content (mls_extension_find). CV_ETRUNCATED, CV_ETRAILING, CV_EFORMAT, CV_ELIMIT. */
CV_PUBLIC int mls_required_capabilities_read(struct cv_span data,
					     struct mls_required_capabilities_view *ret) CV_NODISCARD;
/* Who may send proposals from outside, RFC 9420 section 12.1.8.1. */
struct mls_external_sender {
	struct cv_span signature_key;
	struct mls_credential credential;
};
/* Appends the content of an external_senders extension. CV_ELIMIT, CV_ENOMEM. */
CV_PUBLIC int mls_external_senders(const struct mls_external_sender *senders, size_t n_senders,
				   struct cv_buf *out) CV_NODISCARD;
/*
 * Walks the content of an external_senders extension (mls_extension_find): *at starts at 0 and is moved on; the i-th
 * sender is the one whose proposals carry the index i. Whether their credentials are to be trusted is the policy's to
 * say, where it is asked about new GroupContext extensions and about a group to join (section 5.3.1). Spans are
 * borrowed from `data`. CV_ENOTFOUND: there are no more; CV_EINVAL: *at is not from here; CV_ETRUNCATED, CV_ETRAILING,
 * CV_EFORMAT, CV_ELIMIT (MLS_SENDERS_MAX): the list, which is checked as a whole at 0, is malformed.
 */
CV_PUBLIC int mls_external_senders_next(struct cv_span data, size_t *at, struct mls_external_sender *ret) CV_NODISCARD;

/* Proposal types, RFC 9420 section 17.4. */
enum mls_proposal_type {
	MLS_PROPOSAL_ADD = 1,
	MLS_PROPOSAL_UPDATE = 2,
	MLS_PROPOSAL_REMOVE = 3,
	MLS_PROPOSAL_PSK = 4,
	MLS_PROPOSAL_REINIT = 5,
	MLS_PROPOSAL_EXTERNAL_INIT = 6,
	MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS = 7,
};

/* What a member's software can do: lists of 16-bit numbers in wire form, RFC 9420 section 7.2. */
struct mls_capabilities_view {
	struct cv_span versions, suites, extensions, proposals, credentials;
};
/* Whether such a list holds `value`. */
CV_PUBLIC bool mls_list16_has(struct cv_span list, uint16_t value);

enum mls_leaf_source {
	MLS_LEAF_KEY_PACKAGE = 1,
	MLS_LEAF_UPDATE = 2,
	MLS_LEAF_COMMIT = 3,
};
/* A LeafNode, RFC 9420 section 7.2. Spans are borrowed from whatever the view was taken of. */
struct mls_leaf_view {
	struct cv_span encryption_key;
	struct cv_span signature_key;
	struct mls_credential credential;
	struct mls_capabilities_view capabilities;
	uint8_t source;      /* enum mls_leaf_source */
	uint64_t not_before; /* seconds; only for MLS_LEAF_KEY_PACKAGE, else 0 */
	uint64_t not_after;
	struct cv_span extensions; /* for mls_extension_find */
};

/*
 * What a member says of itself. All spans and arrays are borrowed for the call only; the signer (its ctx) for the
 * life of the group.
 */
struct mls_member {
	struct mls_credential credential;
	struct cv_span signature_key;
	struct mls_signer signer;
	/*
	 * Capabilities beside the suite in use and the RFC's defaults. Types of both lists of extensions below are
	 * added by themselves, and so is the credential's type. MLS_CREDENTIAL_BASIC and _X509 are always announced.
	 */
	const uint16_t *suites;
	size_t n_suites;
	const uint16_t *extension_types;
	size_t n_extension_types;
	const uint16_t *credential_types;
	size_t n_credential_types;
	/* The leaf's own extensions. */
	const struct mls_extension *extensions;
	size_t n_extensions;
	/* Those of a KeyPackage, beside its leaf: mls_key_package_new puts them in. A leaf announces their types. */
	const struct mls_extension *key_package_extensions;
	size_t n_key_package_extensions;
	/* Mix GREASE values (RFC 9420 section 13.5) into the capabilities. */
	bool grease;
};

#ifdef __cplusplus
}
#endif

#endif
