/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "ebml.h"

#define OPUS_PRE_SKIP    312 /* samples that an Opus decoder gives before the first real one */
#define OPUS_DELAY_NS    6500000
#define OPUS_PRE_ROLL_NS 80000000

void client_ebml_id(struct cv_buf *b, uint32_t id)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		if (id >> shift)
			cv_buf_put_u8(b, (uint8_t)(id >> shift));
}

void client_ebml_size(struct cv_buf *b, uint64_t size)
{
	cv_buf_put_u64(b, size | 1ull << 56);
}

void client_ebml_head(struct cv_buf *b, uint32_t id, size_t len)
{
	client_ebml_id(b, id);
	/* Short elements, most of all blocks, get a 4-byte size. */
	cv_buf_put_u32(b, (uint32_t)len | 1u << 28);
}

static void client_ebml_bytes(struct cv_buf *b, uint32_t id, const void *data, size_t len)
{
	client_ebml_head(b, id, len);
	cv_buf_put(b, data, len);
}

void client_ebml_text(struct cv_buf *b, uint32_t id, const char *text)
{
	client_ebml_bytes(b, id, text, strlen(text));
}

void client_ebml_uint(struct cv_buf *b, uint32_t id, uint64_t v)
{
	client_ebml_id(b, id);
	cv_buf_put_u8(b, 0x88);
	cv_buf_put_u64(b, v);
}

void client_ebml_double(struct cv_buf *b, uint32_t id, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof(bits));
	client_ebml_uint(b, id, bits);
}

void client_ebml_nested(struct cv_buf *b, uint32_t id, struct cv_buf *content)
{
	client_ebml_head(b, id, content->len);
	cv_buf_put(b, content->data, content->len);
	if (content->err && !b->err)
		b->err = content->err;
	cv_buf_done(content);
}

void client_ebml_begin(struct cv_buf *b)
{
	struct cv_buf c;
	cv_buf_init(&c, 256);
	client_ebml_uint(&c, ID_EBML_VERSION, 1);
	client_ebml_uint(&c, ID_EBML_READ_VERSION, 1);
	client_ebml_uint(&c, ID_EBML_MAX_ID, 4);
	client_ebml_uint(&c, ID_EBML_MAX_SIZE, 8);
	client_ebml_text(&c, ID_DOC_TYPE, "webm");
	client_ebml_uint(&c, ID_DOC_VERSION, 4);
	client_ebml_uint(&c, ID_DOC_READ_VERSION, 2);
	client_ebml_nested(b, ID_EBML, &c);
}

void client_ebml_seek_head(struct cv_buf *b, uint64_t cues)
{
	struct cv_buf seek, c;
	uint8_t id[4] = {ID_CUES >> 24, (uint8_t)(ID_CUES >> 16), (uint8_t)(ID_CUES >> 8), (uint8_t)ID_CUES};
	cv_buf_init(&seek, 128);
	cv_buf_init(&c, 128);
	client_ebml_bytes(&c, ID_SEEK_ID, id, sizeof(id));
	client_ebml_uint(&c, ID_SEEK_POSITION, cues);
	client_ebml_nested(&seek, ID_SEEK, &c);
	if (cues) {
		client_ebml_nested(b, ID_SEEK_HEAD, &seek);
		return;
	}
	/* The void's id is three bytes shorter than the seek head's: its content is longer by as much. */
	size_t len = seek.len + 3;
	cv_buf_done(&seek);
	client_ebml_head(b, ID_VOID, len);
	for (size_t i = 0; i < len; i++)
		cv_buf_put_u8(b, 0);
}

void client_ebml_picture_track(struct cv_buf *b, unsigned width, unsigned height)
{
	struct cv_buf c, video;
	cv_buf_init(&c, 512);
	cv_buf_init(&video, 128);
	client_ebml_uint(&c, ID_TRACK_NUMBER, TRACK_PICTURE);
	client_ebml_uint(&c, ID_TRACK_UID, TRACK_PICTURE);
	client_ebml_uint(&c, ID_TRACK_TYPE, 1);
	client_ebml_uint(&c, ID_FLAG_LACING, 0);
	client_ebml_text(&c, ID_CODEC_ID, "V_VP9");
	client_ebml_uint(&video, ID_PIXEL_WIDTH, width);
	client_ebml_uint(&video, ID_PIXEL_HEIGHT, height);
	client_ebml_nested(&c, ID_VIDEO, &video);
	client_ebml_nested(b, ID_TRACK_ENTRY, &c);
}

void client_ebml_voice_track(struct cv_buf *b)
{
	/* OpusHead, RFC 7845 section 5.1: version 1, one channel, little-endian pre-skip, rate and gain, family 0 */
	static const uint8_t head[19] = {'O',
					 'p',
					 'u',
					 's',
					 'H',
					 'e',
					 'a',
					 'd',
					 1,
					 1,
					 OPUS_PRE_SKIP & 0xff,
					 OPUS_PRE_SKIP >> 8,
					 MEDIA_VOICE_RATE & 0xff,
					 (MEDIA_VOICE_RATE >> 8) & 0xff,
					 MEDIA_VOICE_RATE >> 16,
					 0,
					 0,
					 0,
					 0};
	struct cv_buf c, audio;
	cv_buf_init(&c, 512);
	cv_buf_init(&audio, 128);
	client_ebml_uint(&c, ID_TRACK_NUMBER, TRACK_VOICE);
	client_ebml_uint(&c, ID_TRACK_UID, TRACK_VOICE);
	client_ebml_uint(&c, ID_TRACK_TYPE, 2);
	client_ebml_uint(&c, ID_FLAG_LACING, 0);
	client_ebml_text(&c, ID_CODEC_ID, "A_OPUS");
	client_ebml_bytes(&c, ID_CODEC_PRIVATE, head, sizeof(head));
	client_ebml_uint(&c, ID_CODEC_DELAY, OPUS_DELAY_NS);
	client_ebml_uint(&c, ID_SEEK_PRE_ROLL, OPUS_PRE_ROLL_NS);
	client_ebml_double(&audio, ID_SAMPLING_FREQUENCY, MEDIA_VOICE_RATE);
	client_ebml_uint(&audio, ID_CHANNELS, 1);
	client_ebml_nested(&c, ID_AUDIO, &audio);
	client_ebml_nested(b, ID_TRACK_ENTRY, &c);
}
