/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jitter buffer for voice frames of 20 ms. It learns how unevenly frames arrive and keeps just enough of them back
 * that the loudspeaker does not run dry: after a hold-up the target grows at once, in calm it shrinks slowly.
 * Frames are ordered by number; duplicates and frames that come after their turn are discarded.
 *
 * Pure logic: time is handed in (any steady clock, microseconds). Not thread safe.
 */
#ifndef MEDIA_JITTER_H
#define MEDIA_JITTER_H

#include <media/unit.h>

#define MEDIA_JITTER_SLOTS    64   /* frames held at most (1.28 s); the oldest are given up above it */
#define MEDIA_VOICE_BYTES_MAX 1276 /* longest Opus frame of 20 ms, one packet, RFC 6716 section 3.4 */

enum media_jitter_action {
	MEDIA_JITTER_WAIT,    /* nothing to play yet: play silence, do not conceal */
	MEDIA_JITTER_PLAY,    /* decode ret->data */
	MEDIA_JITTER_CONCEAL, /* the frame is missing: let the decoder conceal it */
};

struct media_jitter;

struct media_jitter_frame {
	uint32_t frame;
	int64_t capture_us;
	int64_t arrival_us;
	uint8_t data[MEDIA_VOICE_BYTES_MAX];
	size_t len;
};

struct media_jitter_stats {
	uint64_t received, played, concealed, late, duplicate, dropped;
	int64_t jitter_us; /* smoothed deviation of transit time, RFC 3550 section 6.4.1 */
	int64_t target_us; /* how much is kept back at present */
	unsigned depth;    /* frames held */
};

/* CV_ENOMEM. Freed with media_jitter_free (takes NULL). */
CV_PUBLIC int media_jitter_new(struct media_jitter **ret) CV_NODISCARD;
CV_PUBLIC void media_jitter_free(struct media_jitter *j);

/*
 * Takes a copy of a voice frame that arrived at `now_us`. CV_EINVAL: no voice, empty, or a
 * senseless time; CV_ELIMIT: longer than MEDIA_VOICE_BYTES_MAX;
 * CV_EREPLAY: a duplicate; CV_EEXPIRED: its turn is over.
 */
CV_PUBLIC int media_jitter_push(struct media_jitter *j, const struct media_unit *u, int64_t now_us) CV_NODISCARD;

/*
 * Called once per 20 ms of output. Tells what to play, fills *ret with the frame for PLAY (and its number for CONCEAL).
 * A sender that stopped (mute, leave) ends in WAIT after a few concealed frames.
 */
CV_PUBLIC enum media_jitter_action media_jitter_pop(struct media_jitter *j, int64_t now_us,
						    struct media_jitter_frame *ret);

CV_PUBLIC void media_jitter_stats(const struct media_jitter *j, struct media_jitter_stats *ret);

#endif
