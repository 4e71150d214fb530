/* SPDX-License-Identifier: Apache-2.0 */
/* The official test vectors of RFC 9420 and RFC 9180, one function per kind of file. */
#ifndef MLS_VECTORS_H
#define MLS_VECTORS_H

#include <jansson.h>

#include "../src/state.h"

/* One entry under test: what is decoded from it lives until the entry is done. */
struct vec {
	json_t *entry;
	void *blobs[4096];
	size_t n_blobs;
	const char *failed; /* the first thing that was not as it should be */
	struct mls_crypto crypto;
};

/* True when all is well; otherwise notes what was wrong, once. */
bool vec_check(struct vec *v, bool ok, const char *what);
/* Hex member of an object; empty and noted when it is missing. */
struct cv_span vec_hex(struct vec *v, json_t *obj, const char *name);
struct cv_span vec_hex_value(struct vec *v, json_t *value);
struct cv_secret vec_secret(struct vec *v, json_t *obj, const char *name);
uint64_t vec_int(struct vec *v, json_t *obj, const char *name);
/* A label given as a string. */
struct cv_span vec_text(struct vec *v, json_t *obj, const char *name);
/* Compares bytes with a hex member. */
bool vec_same(struct vec *v, json_t *obj, const char *name, const void *got, size_t len);
/* Opens v->crypto for the entry's cipher suite. */
bool vec_suite(struct vec *v);

void vec_tree_math(struct vec *v);
void vec_deserialization(struct vec *v);
void vec_crypto_basics(struct vec *v);
void vec_secret_tree(struct vec *v);
void vec_key_schedule(struct vec *v);
void vec_psk_secret(struct vec *v);
void vec_transcript_hashes(struct vec *v);
void vec_message_protection(struct vec *v);
void vec_welcome(struct vec *v);
void vec_tree_operations(struct vec *v);
void vec_tree_validation(struct vec *v);
void vec_treekem(struct vec *v);
void vec_messages(struct vec *v);
void vec_passive(struct vec *v);
void vec_hpke(struct vec *v);

extern const struct mls_env vec_env;

#endif
