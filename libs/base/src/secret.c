/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <sodium.h>

#include <base/secret.h>

void cv_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}

bool cv_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

int cv_secret_set(struct cv_secret *s, const void *src, size_t len)
{
	if (len > CV_SECRET_MAX)
		return CV_ELIMIT;
	cv_secret_wipe(s);
	if (len)
		memcpy(s->data, src, len);
	s->len = (uint8_t)len;
	return 0;
}

void cv_secret_wipe(struct cv_secret *s)
{
	cv_wipe(s, sizeof(*s));
}

void cv_secret_move(struct cv_secret *dst, struct cv_secret *src)
{
	if (dst == src)
		return;
	*dst = *src;
	cv_secret_wipe(src);
}

bool cv_secret_equal(const struct cv_secret *a, const struct cv_secret *b)
{
	return a->len == b->len && cv_equal(a->data, b->data, a->len);
}

static int system_fill(void *ctx, uint8_t *out, size_t len)
{
	if (sodium_init() < 0)
		return CV_ECRYPTO;
	randombytes_buf(out, len);
	return 0;
}

const struct cv_rng *cv_rng_system(void)
{
	static const struct cv_rng rng = {.fill = system_fill};

	return &rng;
}

int cv_rng_fill(const struct cv_rng *rng, void *out, size_t len)
{
	return rng->fill(rng->ctx, out, len);
}

int cv_process_harden(void)
{
	const struct rlimit none = {0, 0};

	umask(077);
	signal(SIGPIPE, SIG_IGN);
	/* A file at its size limit is a failed write like a full disk. */
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return CV_EIO;
	return sodium_init() < 0 ? CV_ECRYPTO : 0;
}
