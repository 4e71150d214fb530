/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encoded unit: what passes between the codecs (client/gst) and everything else. One unit is one spatial layer of
 * one picture, or one voice frame of 20 ms; it becomes one SFrame ciphertext.
 */
#ifndef MEDIA_UNIT_H
#define MEDIA_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/err.h>

#define MEDIA_SPATIAL_MAX     3             /* spatial layers of a picture */
#define MEDIA_TEMPORAL_LAYERS 3             /* temporal layers, in the pattern 0 2 1 2 */
#define MEDIA_UNIT_MAX        (1024 * 1024) /* bytes of one encoded unit; larger ones are refused */
#define MEDIA_VOICE_RATE      48000         /* samples per second, one channel */
#define MEDIA_VOICE_SAMPLES   960           /* samples of one voice frame */
#define MEDIA_VOICE_US        20000         /* its duration */
#define MEDIA_LEVEL_SILENT    127           /* quietest voice level, RFC 6464: -127 dBov */

enum media_kind {
	MEDIA_VOICE = 1,
	MEDIA_PICTURE = 2,
};

struct media_unit {
	enum media_kind kind;
	uint32_t frame;      /* number of the picture or voice frame: +1 each, across all layers the same */
	uint8_t sid;         /* spatial layer, 0 = smallest */
	uint8_t tid;         /* temporal layer, 0 = every fourth picture */
	bool key;            /* belongs to a key picture: decoding can begin here */
	bool layer_sync;     /* this spatial layer refers only to lower layers of the same picture: switch up here */
	bool end_of_picture; /* the highest layer that was encoded for this picture */
	uint8_t level;       /* voice: 0 (loudest) .. 127 (silent) -dBov, RFC 6464 */
	int64_t capture_us;  /* CLOCK_MONOTONIC microseconds of the sender at capture */
	const uint8_t *data; /* encoded bytes; borrowed unless a function says otherwise */
	size_t len;
};

/* Voice level of signed 16-bit samples: 0..127, the negative of dB relative to overload. RFC 6464 section 3. */
CV_PUBLIC uint8_t media_level(const int16_t *samples, size_t count);

#endif
