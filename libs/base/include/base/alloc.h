/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All heap memory of the libraries comes from here, so that tests can fail every allocation once.
 * Third-party libraries keep their own allocators.
 */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <stddef.h>

#include <base/err.h>

#ifdef __cplusplus
extern "C" {
#endif

/* malloc, calloc (with overflow check), realloc to count*size (with overflow check). NULL on failure. */
CV_PUBLIC void *cv_malloc(size_t size) CV_NODISCARD;
CV_PUBLIC void *cv_calloc(size_t count, size_t size) CV_NODISCARD;
CV_PUBLIC void *cv_reallocarray(void *ptr, size_t count, size_t size) CV_NODISCARD;
/* Copies of `len` bytes and of a string. cv_memdup of 0 bytes gives a valid 1-byte block. */
CV_PUBLIC void *cv_memdup(const void *src, size_t len) CV_NODISCARD;
CV_PUBLIC char *cv_strdup(const char *s) CV_NODISCARD;
/* Takes NULL. */
CV_PUBLIC void cv_free(void *ptr);
/* Wipes `len` bytes, then frees. Takes NULL. */
CV_PUBLIC void cv_free_wiped(void *ptr, size_t len);

/*
 * Test hook, per thread: the n-th allocation from now (0 = the next) fails, once; a negative n switches it off.
 * cv_alloc_count: how many allocations this thread has made since the last cv_alloc_fail_at.
 */
CV_PUBLIC void cv_alloc_fail_at(long n);
CV_PUBLIC long cv_alloc_count(void);

#ifdef __cplusplus
}
#endif

#endif
