/* SPDX-License-Identifier: Apache-2.0 */
#include "mls_env.h"

static uint64_t counter;

static int fill(void *ctx, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)((counter = counter * 6364136223846793005u + 1442695040888963407u) >> 56);
	return 0;
}

static uint64_t now(void *ctx)
{
	return FUZZ_NOW;
}

const struct cv_rng fuzz_rng = {.fill = fill};
const struct mls_env fuzz_env = {.rng = &fuzz_rng, .now = now};

void fuzz_seed(uint64_t seed)
{
	counter = seed;
}
