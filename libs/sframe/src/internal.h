/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SFRAME_INTERNAL_H
#define SFRAME_INTERNAL_H

#include <stdbool.h>

#include <openssl/evp.h>

#include <sframe/sframe.h>

/* What the cipher suites differ in, RFC 9605 table 1. */
struct sframe_suite_info {
	const EVP_MD *(*hash)(void);
	const EVP_CIPHER *(*cipher)(void);
	uint8_t hash_len; /* Nh */
	uint8_t key_len;  /* Nk */
	uint8_t enc_len;  /* Nka, or Nk where the cipher is an AEAD */
	uint8_t tag_len;  /* Nt */
};

/* NULL for an unknown suite. */
const struct sframe_suite_info *sframe_suite_info(enum sframe_suite suite);

/* A key made ready: the expensive set-up of the contexts is done once per key, not once per frame. */
struct sframe_aead {
	const struct sframe_suite_info *info;
	EVP_CIPHER_CTX *cipher;
	EVP_MAC_CTX *mac; /* NULL for the AEAD suites */
	uint8_t salt[SFRAME_SALT_LEN];
};

/* `encrypt` fixes the direction. On failure *a is empty. */
int sframe_aead_init(struct sframe_aead *a, enum sframe_suite suite, bool encrypt, uint64_t kid, const void *base_key,
		     size_t base_key_len) CV_NODISCARD;
void sframe_aead_done(struct sframe_aead *a);

/* The additional data are header || metadata, passed as they lie in memory. */
struct sframe_aad {
	const uint8_t *header;
	size_t header_len;
	const void *metadata;
	size_t metadata_len;
};

/* dst: plaintext length + tag length bytes. */
int sframe_aead_seal(struct sframe_aead *a, uint64_t ctr, const struct sframe_aad *aad, const uint8_t *pt, size_t len,
		     uint8_t *dst) CV_NODISCARD;
/* `len` without the tag, which follows at ct + len. dst: len bytes, wiped on failure. */
int sframe_aead_open(struct sframe_aead *a, uint64_t ctr, const struct sframe_aad *aad, const uint8_t *ct, size_t len,
		     uint8_t *dst) CV_NODISCARD;

/* Replay window. Zeroed = nothing seen yet. */
struct sframe_window {
	bool any;
	uint64_t highest;
	uint64_t bits[SFRAME_WINDOW / 64]; /* counter c is bit c modulo SFRAME_WINDOW */
};

/* 0, or CV_EREPLAY. */
int sframe_window_check(const struct sframe_window *w, uint64_t ctr) CV_NODISCARD;
/* After sframe_window_check, once the frame has proved genuine. */
void sframe_window_mark(struct sframe_window *w, uint64_t ctr);

#endif
