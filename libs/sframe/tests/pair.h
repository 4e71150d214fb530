/* SPDX-License-Identifier: Apache-2.0 */
/* A sender and a receiver with one key between them, and one small frame. */
#ifndef SFRAME_TEST_PAIR_H
#define SFRAME_TEST_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <base/alloc.h>

#include "internal.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Epochs of 8 bits and leaves of 16, as in a meeting. */
extern const struct sframe_mls_params meeting;
extern const uint8_t base_a[32], base_b[32];
extern const char md[9];

struct pair {
	struct sframe_sender *s;
	struct sframe_receiver *r;
};
struct pair pair_new(enum sframe_suite suite, uint64_t kid);
void pair_free(struct pair *p);
/* Seals "frame" with the metadata `md` at this counter; `dst` has room for 64 bytes. */
size_t seal_at(struct pair *p, uint64_t ctr, uint8_t *dst);
/* sframe_open's result. Asserts that it gives "frame", or leaves its outputs alone. */
int open_frame(struct sframe_receiver *r, const uint8_t *frame, size_t len);

#endif
