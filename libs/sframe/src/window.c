/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"

static uint64_t bit_of(uint64_t ctr)
{
	return (uint64_t)1 << (ctr % 64);
}

static size_t word_of(uint64_t ctr)
{
	return (size_t)(ctr % SFRAME_WINDOW / 64);
}

int sframe_window_check(const struct sframe_window *w, uint64_t ctr)
{
	if (!w->any || ctr > w->highest)
		return 0;
	if (w->highest - ctr >= SFRAME_WINDOW)
		return CV_EREPLAY;
	return w->bits[word_of(ctr)] & bit_of(ctr) ? CV_EREPLAY : 0;
}

void sframe_window_mark(struct sframe_window *w, uint64_t ctr)
{
	if (!w->any || (ctr > w->highest && ctr - w->highest >= SFRAME_WINDOW)) {
		memset(w->bits, 0, sizeof(w->bits));
		w->any = true;
		w->highest = ctr;
	}
	/* Counters between the old and the new highest have not been seen; their bits still tell of older ones. */
	while (w->highest < ctr) {
		w->highest++;
		w->bits[word_of(w->highest)] &= ~bit_of(w->highest);
	}
	w->bits[word_of(ctr)] |= bit_of(ctr);
}
