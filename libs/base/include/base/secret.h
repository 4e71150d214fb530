/* SPDX-License-Identifier: Apache-2.0 */
/* Secret values: fixed room, wiped by _wipe, compared in constant time, never printed. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/err.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CV_SECRET_MAX 72

struct cv_secret {
	uint8_t len;
	uint8_t data[CV_SECRET_MAX];
};

/* Overwrites memory; never optimised away. */
CV_PUBLIC void cv_wipe(void *p, size_t len);
/* Constant-time comparison of two blocks of public, equal length. */
CV_PUBLIC bool cv_equal(const void *a, const void *b, size_t len);

/* CV_ELIMIT when len > CV_SECRET_MAX. */
CV_PUBLIC int cv_secret_set(struct cv_secret *s, const void *src, size_t len) CV_NODISCARD;
CV_PUBLIC void cv_secret_wipe(struct cv_secret *s);
/* dst takes src's value, src is wiped. */
CV_PUBLIC void cv_secret_move(struct cv_secret *dst, struct cv_secret *src);
/* Constant time in the content; false when lengths differ. */
CV_PUBLIC bool cv_secret_equal(const struct cv_secret *a, const struct cv_secret *b);

/* Randomness that is handed in. fill: 0 or CV_ECRYPTO. */
struct cv_rng {
	int (*fill)(void *ctx, uint8_t *out, size_t len);
	void *ctx;
};
/* The system's generator (libsodium), for programs. */
CV_PUBLIC const struct cv_rng *cv_rng_system(void);
CV_PUBLIC int cv_rng_fill(const struct cv_rng *rng, void *out, size_t len) CV_NODISCARD;

/*
 * For programs, before the first secret: no core dumps, not dumpable (no ptrace by other processes of the user),
 * SIGPIPE and SIGXFSZ ignored, umask 077. 0 or CV_EIO.
 */
CV_PUBLIC int cv_process_harden(void) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
