/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets remembered in a disguise, and a search for them in the writable memory of a process. A stack is not searched:
 * its frames are reused by the search itself.
 */
#ifndef MLS_TESTS_HEAP_H
#define MLS_TESTS_HEAP_H

#include "helper.h"

#include "../src/state.h"

#define SECRETS_MAX 32
#define MASK        0xa5
#define LEAST       12 /* bytes that are not found by chance */

struct disguise {
	size_t len;
	uint8_t bytes[64]; /* each XOR MASK, so that this copy is not found */
};
extern struct disguise secrets[SECRETS_MAX];
extern size_t n_secrets;

void remember_bytes(const uint8_t *p, size_t len);
/* A leaf far from the sender has no key on some levels: an empty secret is not remembered. */
void remember(const struct cv_secret *s);
/* How many secrets are in the heap, or -1. */
int search_heap(void);

/* Alice and Bob in a group of two. */
struct pair {
	struct world w;
	struct person a, b;
	struct cv_buf m[3];
};

void pair_init(struct pair *p, uint16_t suite);
void pair_done(struct pair *p);

/* Each suite in a process of its own. A scene gives the number of finds, 100 or more when the search finds nothing
 * where there is something. */
void in_a_process(int (*scene)(uint16_t suite));

#endif
