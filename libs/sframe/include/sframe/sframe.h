/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SFrame, RFC 9605: end-to-end protection of media frames, with the key management for MLS of section 5.2.
 *
 * A `sender` seals frames under one key (one KID) at a time, a `receiver` opens frames of many keys. Once a key is
 * known neither side allocates memory. Objects are not thread safe; different objects may live on different threads.
 * There is no clock, no randomness and no I/O in here.
 *
 * A sealed frame is header (1..17 bytes) || ciphertext || tag. The metadata is authenticated, not encrypted, and
 * travels beside it.
 */
#ifndef SFRAME_SFRAME_H
#define SFRAME_SFRAME_H

#include <stddef.h>
#include <stdint.h>

#include <base/buf.h>
#include <base/err.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Cipher suites, RFC 9605 section 4.5, with their registered numbers. */
enum sframe_suite {
	SFRAME_AES_128_CTR_HMAC_SHA256_80 = 1,
	SFRAME_AES_128_CTR_HMAC_SHA256_64 = 2,
	SFRAME_AES_128_CTR_HMAC_SHA256_32 = 3,
	SFRAME_AES_128_GCM_SHA256_128 = 4,
	SFRAME_AES_256_GCM_SHA512_128 = 5,
};

#define SFRAME_HEADER_MAX    17 /* bytes of an encoded header */
#define SFRAME_TAG_MAX       16 /* bytes of the longest tag */
#define SFRAME_OVERHEAD_MAX  (SFRAME_HEADER_MAX + SFRAME_TAG_MAX)
#define SFRAME_KEY_MAX       48                /* bytes of the longest derived key (suites 1-3) */
#define SFRAME_SALT_LEN      12                /* bytes of the salt and of the nonce */
#define SFRAME_BASE_KEY_MAX  255               /* bytes of a base key; at least 1 */
#define SFRAME_PLAINTEXT_MAX ((size_t)1 << 24) /* bytes of one frame */
#define SFRAME_METADATA_MAX  ((size_t)1 << 16) /* bytes of metadata of one frame */
#define SFRAME_WINDOW        1024              /* counters behind the highest that are still accepted once */
#define SFRAME_SEEN_KEYS     16    /* keys that a sender remembers by a fingerprint, not to take them twice */
#define SFRAME_KEYS_MAX      65536 /* keys that one receiver holds at most */
#define SFRAME_EPOCHS_MAX    8     /* MLS epochs that one receiver holds at most */

/* Length of the tag of a suite in bytes; 0 for an unknown suite. */
CV_PUBLIC size_t sframe_suite_tag_len(enum sframe_suite suite);
/* Nk of a suite: the length of its key in bytes (16, 32 or 48), and of the base key of section 5.2; 0 for an unknown
 * suite. */
CV_PUBLIC size_t sframe_suite_key_len(enum sframe_suite suite);

/* ---- Header, section 4.3 ---- */

struct sframe_header {
	uint64_t kid;
	uint64_t ctr;
};

/*
 * Writes the encoding with the minimum number of bytes, the only one that section 4.3 allows, at most SFRAME_HEADER_MAX
 * bytes, and returns its length (1..17).
 */
CV_PUBLIC size_t sframe_header_encode(const struct sframe_header *h, uint8_t dst[SFRAME_HEADER_MAX]);
/*
 * Reads the header at the start of `data`. CV_ETRUNCATED when the data end before it; CV_EFORMAT for an encoding
 * with more bytes than the minimum ("MUST be encoded with the minimum number of bytes required").
 */
CV_PUBLIC int sframe_header_decode(const void *data, size_t len, struct sframe_header *ret_header,
				   size_t *ret_len) CV_NODISCARD;

/* ---- Key derivation, section 4.4.2 ---- */

/* The values that a base key gives for one KID. Wipe with cv_wipe after use. */
struct sframe_keys {
	uint8_t key_len;
	uint8_t key[SFRAME_KEY_MAX]; /* suites 1-3: enc_key (16) || auth_key (32) */
	uint8_t salt[SFRAME_SALT_LEN];
};

/*
 * Derives key and salt. Senders and receivers do this by themselves; it is public for tests and for other
 * implementations of the AEAD. CV_EUNSUPPORTED: unknown suite; CV_EINVAL: base key empty or too long; CV_ECRYPTO.
 */
CV_PUBLIC int sframe_key_derive(enum sframe_suite suite, uint64_t kid, const void *base_key, size_t base_key_len,
				struct sframe_keys *ret_keys) CV_NODISCARD;

/* ---- MLS key management, section 5.2 ---- */

/* The MLS exporter call that gives the base key of an epoch: this label, empty context, sframe_suite_key_len() bytes.
 */
#define SFRAME_MLS_EXPORTER_LABEL "SFrame 1.0 Base Key"

/* KID = context << (S + E) | leaf << E | epoch mod 2^E. All members of a group use the same two values. */
struct sframe_mls_params {
	uint8_t epoch_bits;  /* E: 1..16 */
	uint8_t sender_bits; /* S: 1..32 */
};

/* CV_EINVAL: parameters out of range; CV_ELIMIT: leaf or context does not fit. */
CV_PUBLIC int sframe_mls_kid(const struct sframe_mls_params *p, uint64_t context, uint32_t leaf, uint64_t epoch,
			     uint64_t *ret_kid) CV_NODISCARD;
/* The parts of a KID. `ret_epoch_low` is the epoch modulo 2^E. Each pointer may be NULL. */
CV_PUBLIC void sframe_mls_kid_split(const struct sframe_mls_params *p, uint64_t kid, uint64_t *ret_context,
				    uint32_t *ret_leaf, uint32_t *ret_epoch_low);

/* ---- Sender ---- */

struct sframe_sender;

/* A sender without a key. CV_EUNSUPPORTED: unknown suite; CV_ENOMEM. Free with sframe_sender_free. */
CV_PUBLIC int sframe_sender_new(enum sframe_suite suite, struct sframe_sender **ret_sender) CV_NODISCARD;
/* Wipes and frees. Takes NULL. */
CV_PUBLIC void sframe_sender_free(struct sframe_sender *s);
/*
 * Takes a new key; the counter starts at 0, the old key is wiped. The base key is not kept.
 * A key must never be used from a counter that was used before (section 9.1), therefore `epoch` has to be higher than
 * in every earlier call on this sender, and KID and base key must be those of that epoch; there must be no second
 * sender for the same KID and base key. CV_ESTATE: epoch not higher than before, or KID and base key are those of one
 * of the last SFRAME_SEEN_KEYS calls (key reuse), cleared or not; CV_EINVAL: base key empty or too long; CV_ECRYPTO. On
 * failure the sender keeps its present key.
 */
CV_PUBLIC int sframe_sender_set_key(struct sframe_sender *s, uint64_t epoch, uint64_t kid, const void *base_key,
				    size_t base_key_len) CV_NODISCARD;
/* Wipes the key (a member that stops sending). Sealing gives CV_ESTATE until the next set_key. */
CV_PUBLIC void sframe_sender_clear_key(struct sframe_sender *s);
/*
 * Lets the counter jump forward, for example over counters that another process has reserved. CV_ESTATE: no key, or
 * `counter` lies behind the next counter (counters never go back).
 */
CV_PUBLIC int sframe_sender_skip_to(struct sframe_sender *s, uint64_t counter) CV_NODISCARD;
/*
 * Refuses, from now on, counters of `limit` and above, for a policy stricter than the RFC's (0: no limit but 2^64).
 */
CV_PUBLIC void sframe_sender_set_limit(struct sframe_sender *s, uint64_t limit);

/*
 * Seals one frame. Writes header, ciphertext and tag to `dst`, which must not overlap the inputs; plaintext_len +
 * SFRAME_OVERHEAD_MAX bytes of room always suffice. Every call that returns 0 has used up one counter, and so may one
 * that returns CV_ECRYPTO; a counter is never used twice.
 * CV_ESTATE: no key; CV_ELIMIT: the counter is exhausted (section 4.4.1: rekey), or frame or metadata too long;
 * CV_EINVAL: `dst_size` too small; CV_ECRYPTO.
 */
CV_PUBLIC int sframe_seal(struct sframe_sender *s, const void *metadata, size_t metadata_len, const void *plaintext,
			  size_t plaintext_len, uint8_t *dst, size_t dst_size, size_t *ret_len) CV_NODISCARD;
/*
 * As sframe_seal, appended to `out` (which allocates unless it has the room). On failure `out` keeps its length.
 * CV_ESTATE, CV_ELIMIT (also: `out` may not grow that far), CV_ENOMEM, CV_ECRYPTO.
 */
CV_PUBLIC int sframe_seal_buf(struct sframe_sender *s, const void *metadata, size_t metadata_len, const void *plaintext,
			      size_t plaintext_len, struct cv_buf *out) CV_NODISCARD;

/* ---- Receiver ---- */

struct sframe_receiver;

/*
 * A receiver that holds at most `max_keys` keys (1..SFRAME_KEYS_MAX). `mls` (copied) may be NULL when epochs are not
 * used. CV_EUNSUPPORTED: unknown suite; CV_EINVAL: max_keys or `mls` out of range; CV_ENOMEM. Free with
 * sframe_receiver_free.
 */
CV_PUBLIC int sframe_receiver_new(enum sframe_suite suite, const struct sframe_mls_params *mls, size_t max_keys,
				  struct sframe_receiver **ret_receiver) CV_NODISCARD;
/* Wipes and frees. Takes NULL. */
CV_PUBLIC void sframe_receiver_free(struct sframe_receiver *r);
/*
 * Adds one key. Keys of several epochs may be held at once (rotation with overlap). The base key is not kept.
 * CV_EEXIST: there is a key for this KID already (exactly one key per KID: drop the old one first); CV_ELIMIT: max_keys
 * reached; CV_EINVAL: base key empty or too long; CV_ENOMEM, CV_ECRYPTO.
 */
CV_PUBLIC int sframe_receiver_add_key(struct sframe_receiver *r, uint64_t epoch, uint64_t kid, const void *base_key,
				      size_t base_key_len) CV_NODISCARD;
/*
 * Adds the base key of an MLS epoch. The keys of its KIDs are derived when the first genuine frame of each arrives
 * (that frame's sframe_open allocates). The receiver keeps the base key until the epoch is dropped. An older epoch with
 * the same value modulo 2^E is dropped, as section 5.2 demands: its KIDs now belong to the new one. Members know the
 * base key, and can make genuine frames of any leaf and context: compare those of a frame with what its sender may use
 * (sframe_header_decode, sframe_mls_kid_split) before it is opened, or one member can use up max_keys. CV_ESTATE: the
 * receiver has no MLS parameters; CV_EEXIST: this epoch, or a newer one with the same value modulo 2^E, is held;
 * CV_ELIMIT: SFRAME_EPOCHS_MAX reached; CV_EINVAL: base key empty or too long.
 */
CV_PUBLIC int sframe_receiver_add_epoch(struct sframe_receiver *r, uint64_t epoch, const void *base_key,
					size_t base_key_len) CV_NODISCARD;
/* Wipes every key and base key whose epoch is lower than `epoch`. */
CV_PUBLIC void sframe_receiver_drop_before(struct sframe_receiver *r, uint64_t epoch);
/* Wipes one key. CV_ENOTFOUND. A key of a held MLS epoch would be derived anew, with an empty replay window: do not. */
CV_PUBLIC int sframe_receiver_drop_key(struct sframe_receiver *r, uint64_t kid) CV_NODISCARD;
/* Keys held now. */
CV_PUBLIC size_t sframe_receiver_key_count(const struct sframe_receiver *r);

/*
 * Opens one frame: checks the replay window of its KID (SFRAME_WINDOW), decrypts and verifies. Writes the plaintext to
 * `dst`, which must not overlap the inputs; `len` bytes of room always suffice. On failure nothing is returned, the
 * windows are unchanged and what was written to `dst` is wiped. `ret_header` (may be NULL) tells who sealed it: compare
 * its parts with what the metadata says.
 * CV_ETRUNCATED, CV_EFORMAT: no header or no room for the tag; CV_ENOTFOUND: no key for the KID (perhaps an epoch that
 * is still to come); CV_EREPLAY: counter seen before or behind the window; CV_EAUTH: tag, header or metadata not
 * genuine; CV_ELIMIT: too long, or max_keys reached; CV_EINVAL: `dst_size` too small; CV_ENOMEM (first frame of a KID
 * only); CV_ECRYPTO.
 */
CV_PUBLIC int sframe_open(struct sframe_receiver *r, const void *metadata, size_t metadata_len, const void *frame,
			  size_t len, uint8_t *dst, size_t dst_size, size_t *ret_len,
			  struct sframe_header *ret_header) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
