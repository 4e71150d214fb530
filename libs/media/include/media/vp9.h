/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VP9 uncompressed headers ("VP9 Bitstream & Decoding Process Specification" v0.6, section 6.2): enough to know a
 * frame's size and kind, and to turn an SVC picture, whose layers are all "shown", into one superframe (Annex B) that
 * shows exactly one frame, as players expect of a file.
 *
 * The input is what a member sent: everything is bounds-checked, nothing is trusted. Not thread safe.
 */
#ifndef MEDIA_VP9_H
#define MEDIA_VP9_H

#include <base/buf.h>
#include <media/unit.h>

#define MEDIA_VP9_REFS     8
#define MEDIA_VP9_SIZE_MAX 16384 /* widest and highest frame that is accepted */

struct media_vp9_size {
	uint32_t width, height; /* 0: nothing stored in this reference */
};

/* What later headers depend on; zeroed at the start of a stream, updated by media_vp9_parse in decoding order. */
struct media_vp9_state {
	struct media_vp9_size ref[MEDIA_VP9_REFS];
};

struct media_vp9_header {
	uint8_t profile;
	bool show_existing;
	uint8_t existing_ref; /* which one, for show_existing */
	bool key;
	bool show;
	bool error_resilient;
	bool intra_only;
	uint8_t refresh; /* bit i: reference i is replaced by this frame */
	struct media_vp9_size size;
	uint32_t header_bits;           /* length of the uncompressed header without its padding */
	uint32_t compressed_header_len; /* bytes */
};

/*
 * Parses the header of one frame and updates *st. CV_ETRUNCATED, CV_EFORMAT, CV_EUNSUPPORTED (profiles above 0),
 * CV_ELIMIT (size). On failure *st is unchanged.
 */
CV_PUBLIC int media_vp9_parse(struct media_vp9_state *st, const uint8_t *data, size_t len,
			      struct media_vp9_header *ret) CV_NODISCARD;

/*
 * Rewrites an SVC picture (layers one after the other in `data`, their lengths in layer_len) to one superframe that
 * shows one frame, always of the size `full`. When the highest layer is not of that size (layers were dropped), all
 * layers are hidden and the last full-size frame is shown again, if a reference still holds one.
 * Appends to *out; ret_shown: what it shows (size 0x0: nothing; the bytes must still be decoded).
 * Errors as media_vp9_parse, and CV_ENOMEM, CV_ELIMIT of the buffer; then nothing usable was appended.
 */
struct media_vp9_merge {
	struct media_vp9_state state;
	struct media_vp9_size full; /* set from the first picture's highest layer, kept */
	int full_ref;               /* a reference that holds a full-size frame, or -1 */
};
CV_PUBLIC void media_vp9_merge_init(struct media_vp9_merge *m);
CV_PUBLIC int media_vp9_merge(struct media_vp9_merge *m, const uint8_t *data, const size_t *layer_len, unsigned layers,
			      struct cv_buf *out, struct media_vp9_size *ret_shown) CV_NODISCARD;

#endif
