/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed keys and the mutation helpers that all protocol tests use. */
#ifndef PROTO_TEST_UTIL_H
#define PROTO_TEST_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <base/secret.h>
#include <proto/identity.h>
#include <proto/manifest.h>
#include <proto/signed.h>

#define NOW 1800000000u

static inline void fill(uint8_t *p, size_t len, uint8_t v)
{
	memset(p, v, len);
}

/* Deterministic bytes instead of randomness. */
static inline int test_fill(void *ctx, uint8_t *out, size_t len)
{
	uint32_t *state = ctx;

	for (size_t i = 0; i < len; i++) {
		*state = *state * 1664525u + 1013904223u;
		out[i] = (uint8_t)(*state >> 24);
	}
	return 0;
}

/* Calls `open` with every truncation and every bit flip of the bytes; each must fail. */
static inline void mutate(const uint8_t *data, size_t len, int (*open)(const void *data, size_t len))
{
	uint8_t *copy = cv_malloc(len + 1);

	assert_non_null(copy);
	memcpy(copy, data, len);
	assert_int_equal(open(copy, len), 0);
	for (size_t n = 0; n < len; n++)
		assert_int_not_equal(open(copy, n), 0);
	copy[len] = 0;
	assert_int_not_equal(open(copy, len + 1), 0);
	for (size_t bit = 0; bit < len * 8; bit++) {
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(open(copy, len), 0);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	cv_free(copy);
}

#endif
