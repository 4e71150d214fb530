/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>
#include <base/secret.h>

static _Thread_local long fail_at = -1;
static _Thread_local long made;

static int must_fail(void)
{
	return made++ == fail_at;
}

void cv_alloc_fail_at(long n)
{
	fail_at = n;
	made = 0;
}

long cv_alloc_count(void)
{
	return made;
}

void *cv_malloc(size_t size)
{
	return must_fail() ? NULL : malloc(size ? size : 1);
}

void *cv_calloc(size_t count, size_t size)
{
	return must_fail() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *cv_reallocarray(void *ptr, size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		return NULL;
	return must_fail() ? NULL : realloc(ptr, count && size ? count * size : 1);
}

void *cv_memdup(const void *src, size_t len)
{
	void *p = cv_malloc(len);

	if (p && len)
		memcpy(p, src, len);
	return p;
}

char *cv_strdup(const char *s)
{
	return cv_memdup(s, strlen(s) + 1);
}

void cv_free(void *ptr)
{
	free(ptr);
}

void cv_free_wiped(void *ptr, size_t len)
{
	if (!ptr)
		return;
	cv_wipe(ptr, len);
	free(ptr);
}
