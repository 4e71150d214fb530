/* SPDX-License-Identifier: Apache-2.0 */
/* Time that stands still and randomness from a seed, so that an input does the same each time. */
#ifndef FUZZ_MLS_ENV_H
#define FUZZ_MLS_ENV_H

#include <stdlib.h>

#include <mls/types.h>

#define FUZZ_NOW 1700000000u
#define MUST(x)                                                                                                        \
	do {                                                                                                           \
		if (x)                                                                                                 \
			abort();                                                                                       \
	} while (0)

extern const struct cv_rng fuzz_rng;
extern const struct mls_env fuzz_env;
void fuzz_seed(uint64_t seed);

#endif
