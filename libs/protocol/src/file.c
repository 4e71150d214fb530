/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <proto/file.h>

static int chunk_check(const struct proto_file_chunk *c)
{
	if (c->index >= PROTO_FILE_CHUNKS_MAX || c->ciphertext.len > PROTO_FILE_CHUNK + PROTO_FILE_TAG)
		return CV_ELIMIT;
	return c->ciphertext.len < PROTO_FILE_TAG ? CV_EFORMAT : 0;
}

int proto_file_chunk_decode(const void *data, size_t len, struct proto_file_chunk *ret)
{
	struct proto_file_chunk c;
	struct cv_reader r;
	uint8_t kind;
	int err;

	cv_reader_init(&r, data, len);
	if ((err = cv_reader_get_u8(&r, &kind)))
		return err;
	if (kind != PROTO_KIND_FILE)
		return CV_EFORMAT;
	if ((err = cv_reader_copy(&r, c.transfer_id, PROTO_ID_LEN)) || (err = cv_reader_get_u32(&r, &c.generation)) ||
	    (err = cv_reader_get_u32(&r, &c.index)))
		return err;
	c.ciphertext = (struct cv_span){r.p, r.left};
	err = chunk_check(&c);
	if (!err)
		*ret = c;
	return err;
}

void proto_file_head_encode(const uint8_t transfer_id[PROTO_ID_LEN], uint32_t generation, uint32_t index,
			    uint8_t ret[PROTO_FILE_HEAD_LEN])
{
	ret[0] = PROTO_KIND_FILE;
	memcpy(ret + 1, transfer_id, PROTO_ID_LEN);
	for (int i = 0; i < 4; i++) {
		ret[1 + PROTO_ID_LEN + i] = (uint8_t)(generation >> (24 - 8 * i));
		ret[5 + PROTO_ID_LEN + i] = (uint8_t)(index >> (24 - 8 * i));
	}
}

int proto_file_chunk_put(const struct proto_file_chunk *c, struct cv_buf *out)
{
	uint8_t head[PROTO_FILE_HEAD_LEN];

	if (chunk_check(c))
		return CV_EINVAL;
	proto_file_head_encode(c->transfer_id, c->generation, c->index, head);
	cv_buf_put(out, head, sizeof(head));
	return cv_buf_put(out, c->ciphertext.data, c->ciphertext.len);
}

int proto_file_chunk_count(uint64_t size, uint32_t *ret)
{
	uint64_t n = size / PROTO_FILE_CHUNK + (size % PROTO_FILE_CHUNK != 0);

	if (n > PROTO_FILE_CHUNKS_MAX)
		return CV_ELIMIT;
	*ret = n ? (uint32_t)n : 1;
	return 0;
}
