/* SPDX-License-Identifier: Apache-2.0 */
/* Matroska elements (RFC 9559) as bytes; which of them a recording has is decided in webm.c. */
#ifndef CLIENT_GST_EBML_H
#define CLIENT_GST_EBML_H

#include <base/buf.h>
#include <media/unit.h>

/* Element ids of EBML (RFC 8794) and Matroska (RFC 9559). */
enum {
	ID_EBML = 0x1A45DFA3,
	ID_EBML_VERSION = 0x4286,
	ID_EBML_READ_VERSION = 0x42F7,
	ID_EBML_MAX_ID = 0x42F2,
	ID_EBML_MAX_SIZE = 0x42F3,
	ID_DOC_TYPE = 0x4282,
	ID_DOC_VERSION = 0x4287,
	ID_DOC_READ_VERSION = 0x4285,
	ID_SEGMENT = 0x18538067,
	ID_SEEK_HEAD = 0x114D9B74,
	ID_SEEK = 0x4DBB,
	ID_SEEK_ID = 0x53AB,
	ID_SEEK_POSITION = 0x53AC,
	ID_VOID = 0xEC,
	ID_INFO = 0x1549A966,
	ID_TIMESTAMP_SCALE = 0x2AD7B1,
	ID_DURATION = 0x4489,
	ID_MUXING_APP = 0x4D80,
	ID_WRITING_APP = 0x5741,
	ID_TRACKS = 0x1654AE6B,
	ID_TRACK_ENTRY = 0xAE,
	ID_TRACK_NUMBER = 0xD7,
	ID_TRACK_UID = 0x73C5,
	ID_TRACK_TYPE = 0x83,
	ID_FLAG_LACING = 0x9C,
	ID_CODEC_ID = 0x86,
	ID_CODEC_PRIVATE = 0x63A2,
	ID_CODEC_DELAY = 0x56AA,
	ID_SEEK_PRE_ROLL = 0x56BB,
	ID_VIDEO = 0xE0,
	ID_PIXEL_WIDTH = 0xB0,
	ID_PIXEL_HEIGHT = 0xBA,
	ID_AUDIO = 0xE1,
	ID_SAMPLING_FREQUENCY = 0xB5,
	ID_CHANNELS = 0x9F,
	ID_CLUSTER = 0x1F43B675,
	ID_TIMESTAMP = 0xE7,
	ID_SIMPLE_BLOCK = 0xA3,
	ID_CUES = 0x1C53BB6B,
	ID_CUE_POINT = 0xBB,
	ID_CUE_TIME = 0xB3,
	ID_CUE_TRACK_POSITIONS = 0xB7,
	ID_CUE_TRACK = 0xF7,
	ID_CUE_CLUSTER_POSITION = 0xF1,
};

#define TRACK_PICTURE 1
#define TRACK_VOICE   2

/* Writers of EBML elements (RFC 8794); errors are sticky in the buffer. */
void client_ebml_id(struct cv_buf *b, uint32_t id);
/* A size of 8 bytes, to be patched later. */
void client_ebml_size(struct cv_buf *b, uint64_t size);
void client_ebml_head(struct cv_buf *b, uint32_t id, size_t len);
void client_ebml_text(struct cv_buf *b, uint32_t id, const char *text);
void client_ebml_uint(struct cv_buf *b, uint32_t id, uint64_t v);
void client_ebml_double(struct cv_buf *b, uint32_t id, double v);
/* Appends `content` as element `id` and frees it. */
void client_ebml_nested(struct cv_buf *b, uint32_t id, struct cv_buf *content);
/* The file's head and its tracks. */
void client_ebml_begin(struct cv_buf *b);
/* Points at the cues (position in the segment); 0: a Void element of the same length. */
void client_ebml_seek_head(struct cv_buf *b, uint64_t cues);
void client_ebml_picture_track(struct cv_buf *b, unsigned width, unsigned height);
void client_ebml_voice_track(struct cv_buf *b);

#endif
