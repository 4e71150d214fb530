/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Media on the tunnel (docs/protocol.md section 6): header, fragments, cutting and putting together of units.
 * One instance serves one thread.
 */
#ifndef PROTO_MEDIA_H
#define PROTO_MEDIA_H

#include <stdbool.h>

#include <base/buf.h>
#include <base/reader.h>
#include <proto/ids.h>

#define PROTO_MEDIA_HEADER_LEN  8
#define PROTO_MEDIA_KEY         1u /* flags */
#define PROTO_MEDIA_LAYER_SYNC  2u
#define PROTO_MEDIA_PICTURE_END 4u
#define PROTO_LEVEL_SILENCE     127

struct proto_media_header {
	uint8_t stream; /* enum proto_stream */
	uint32_t frame;
	uint8_t layer; /* spatial << 4 | temporal */
	uint8_t flags;
	uint8_t level; /* 0..127 -dBov; 0 for video */
};

/* The 8 bytes that travel, and that are the SFrame metadata. */
CV_PUBLIC void proto_media_header_encode(const struct proto_media_header *h, uint8_t ret[PROTO_MEDIA_HEADER_LEN]);
/* CV_EFORMAT: unknown stream or flags, level above 127. */
CV_PUBLIC int proto_media_header_decode(const uint8_t p[PROTO_MEDIA_HEADER_LEN],
					struct proto_media_header *ret) CV_NODISCARD;

#define PROTO_FRAGMENT_PAYLOAD_MAX 4096
#define PROTO_FRAGMENTS_MAX        512
#define PROTO_UNIT_MAX             (PROTO_FRAGMENT_PAYLOAD_MAX * PROTO_FRAGMENTS_MAX)
#define PROTO_FRAGMENT_HEAD_LEN    11                                                 /* kind .. flags */
#define PROTO_FRAGMENT_HEAD_MAX    (PROTO_FRAGMENT_HEAD_LEN + PROTO_MEDIA_HEADER_LEN) /* of the first fragment */
#define PROTO_FRAGMENT_FIRST       1u
#define PROTO_FRAGMENT_LAST        2u

struct proto_fragment {
	uint16_t leaf;
	uint8_t stream;
	uint32_t unit;
	uint16_t fragment;
	uint8_t flags;
	struct proto_media_header header; /* meaningful with PROTO_FRAGMENT_FIRST only */
	struct cv_span ciphertext;        /* borrowed; 1..4096 bytes */
};

/* Decodes a whole tunnel message, kind byte included. CV_EFORMAT: other kind, unknown flags, first flag without number
 * 0 or the reverse, header of another stream, empty ciphertext. CV_ELIMIT: too many fragments or too large a one. */
CV_PUBLIC int proto_fragment_decode(const void *data, size_t len, struct proto_fragment *ret) CV_NODISCARD;
/* Appends a whole tunnel message. CV_EINVAL for what decoding would refuse. */
CV_PUBLIC int proto_fragment_put(const struct proto_fragment *f, struct cv_buf *out) CV_NODISCARD;

/* Cuts one unit; allocates nothing. Fields are private. */
struct proto_fragmenter {
	uint16_t leaf;
	uint32_t unit;
	uint32_t next;
	struct proto_media_header header;
	struct cv_span left;
};

/* `ciphertext` is borrowed until the last fragment is out. CV_EINVAL: bad header, empty. CV_ELIMIT: above
 * PROTO_UNIT_MAX. */
CV_PUBLIC int proto_fragmenter_init(struct proto_fragmenter *f, uint16_t leaf, uint32_t unit,
				    const struct proto_media_header *header, const void *ciphertext,
				    size_t len) CV_NODISCARD;
/*
 * The next fragment: its head (kind byte first) is written to `head`, *ret_payload is what follows it in the message.
 * False when there is none left; then nothing is written.
 */
CV_PUBLIC bool proto_fragmenter_next(struct proto_fragmenter *f, uint8_t head[PROTO_FRAGMENT_HEAD_MAX],
				     size_t *ret_head_len, struct cv_span *ret_payload);

/*
 * Puts the units of one stream of one leaf together. Units of several layers may be under way at once; at most
 * PROTO_REASSEMBLY_SLOTS, and at most `max_bytes` of memory: the oldest is given up for a new one.
 */
#define PROTO_REASSEMBLY_SLOTS 8

struct proto_reassembly_slot {
	bool used;
	uint32_t unit;
	uint32_t next; /* fragment expected */
	struct proto_media_header header;
	struct cv_buf ciphertext;
};

struct proto_reassembler {
	struct proto_reassembly_slot slots[PROTO_REASSEMBLY_SLOTS];
	size_t max_bytes;
	int done;         /* slot whose unit was handed out last, -1: none */
	uint64_t dropped; /* units begun but given up */
};

struct proto_unit {
	uint32_t unit;
	struct proto_media_header header;
	struct cv_span ciphertext; /* borrowed until the next call with the same reassembler */
};

CV_PUBLIC void proto_reassembler_init(struct proto_reassembler *r, size_t max_bytes);
CV_PUBLIC void proto_reassembler_done(struct proto_reassembler *r);
/*
 * Takes one fragment. 0: *ret is a complete unit. CV_EAGAIN: taken, more to come. CV_ESTATE: a fragment of a unit whose
 * beginning is missing (not an error of the peer when the relay dropped some). CV_EFORMAT: a gap or repetition: the
 * unit is given up. CV_ELIMIT, CV_ENOMEM: the unit is given up.
 */
CV_PUBLIC int proto_reassembler_put(struct proto_reassembler *r, const struct proto_fragment *f,
				    struct proto_unit *ret) CV_NODISCARD;

#endif
