/* SPDX-License-Identifier: Apache-2.0 */
#include <proto/media.h>

static bool header_ok(const struct proto_media_header *h)
{
	const uint8_t known = PROTO_MEDIA_KEY | PROTO_MEDIA_LAYER_SYNC | PROTO_MEDIA_PICTURE_END;

	return h->stream >= PROTO_STREAM_VOICE && h->stream <= PROTO_STREAM_MAX && !(h->flags & ~known) &&
	       h->level <= PROTO_LEVEL_SILENCE;
}

static void put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

void proto_media_header_encode(const struct proto_media_header *h, uint8_t ret[PROTO_MEDIA_HEADER_LEN])
{
	ret[0] = h->stream;
	put_u32(ret + 1, h->frame);
	ret[5] = h->layer;
	ret[6] = h->flags;
	ret[7] = h->level;
}

int proto_media_header_decode(const uint8_t p[PROTO_MEDIA_HEADER_LEN], struct proto_media_header *ret)
{
	struct proto_media_header h = {
		.stream = p[0],
		.frame = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4],
		.layer = p[5],
		.flags = p[6],
		.level = p[7],
	};

	if (!header_ok(&h))
		return CV_EFORMAT;
	*ret = h;
	return 0;
}

/* What holds for every fragment, whoever makes it. */
static int fragment_check(const struct proto_fragment *f)
{
	bool first = f->flags & PROTO_FRAGMENT_FIRST;

	if (f->fragment >= PROTO_FRAGMENTS_MAX || f->ciphertext.len > PROTO_FRAGMENT_PAYLOAD_MAX)
		return CV_ELIMIT;
	if ((f->flags & ~(PROTO_FRAGMENT_FIRST | PROTO_FRAGMENT_LAST)) || first != (f->fragment == 0) ||
	    f->stream < PROTO_STREAM_VOICE || f->stream > PROTO_STREAM_MAX || !f->ciphertext.len)
		return CV_EFORMAT;
	if (first && (!header_ok(&f->header) || f->header.stream != f->stream))
		return CV_EFORMAT;
	return 0;
}

int proto_fragment_decode(const void *data, size_t len, struct proto_fragment *ret)
{
	struct proto_fragment f = {0};
	const uint8_t *p;
	struct cv_reader r;
	uint8_t kind;
	int err;

	cv_reader_init(&r, data, len);
	if ((err = cv_reader_get_u8(&r, &kind)))
		return err;
	if (kind != PROTO_KIND_MEDIA)
		return CV_EFORMAT;
	if ((err = cv_reader_get_u16(&r, &f.leaf)) || (err = cv_reader_get_u8(&r, &f.stream)) ||
	    (err = cv_reader_get_u32(&r, &f.unit)) || (err = cv_reader_get_u16(&r, &f.fragment)) ||
	    (err = cv_reader_get_u8(&r, &f.flags)))
		return err;
	if (f.flags & PROTO_FRAGMENT_FIRST) {
		if ((err = cv_reader_get(&r, PROTO_MEDIA_HEADER_LEN, &p)) ||
		    (err = proto_media_header_decode(p, &f.header)))
			return err;
	}
	f.ciphertext = (struct cv_span){.data = r.p, .len = r.left};
	err = fragment_check(&f);
	if (!err)
		*ret = f;
	return err;
}

static size_t encode_head(const struct proto_fragment *f, uint8_t head[PROTO_FRAGMENT_HEAD_MAX])
{
	head[0] = PROTO_KIND_MEDIA;
	head[1] = (uint8_t)(f->leaf >> 8);
	head[2] = (uint8_t)f->leaf;
	head[3] = f->stream;
	put_u32(head + 4, f->unit);
	head[8] = (uint8_t)(f->fragment >> 8);
	head[9] = (uint8_t)f->fragment;
	head[10] = f->flags;
	if (!(f->flags & PROTO_FRAGMENT_FIRST))
		return PROTO_FRAGMENT_HEAD_LEN;
	proto_media_header_encode(&f->header, head + PROTO_FRAGMENT_HEAD_LEN);
	return PROTO_FRAGMENT_HEAD_MAX;
}

int proto_fragment_put(const struct proto_fragment *f, struct cv_buf *out)
{
	uint8_t head[PROTO_FRAGMENT_HEAD_MAX];

	if (fragment_check(f))
		return CV_EINVAL;
	cv_buf_put(out, head, encode_head(f, head));
	return cv_buf_put(out, f->ciphertext.data, f->ciphertext.len);
}

int proto_fragmenter_init(struct proto_fragmenter *f, uint16_t leaf, uint32_t unit,
			  const struct proto_media_header *header, const void *ciphertext, size_t len)
{
	if (!len || !header_ok(header))
		return CV_EINVAL;
	if (len > PROTO_UNIT_MAX)
		return CV_ELIMIT;
	*f = (struct proto_fragmenter){.leaf = leaf, .unit = unit, .header = *header, .left = {ciphertext, len}};
	return 0;
}

bool proto_fragmenter_next(struct proto_fragmenter *f, uint8_t head[PROTO_FRAGMENT_HEAD_MAX], size_t *ret_head_len,
			   struct cv_span *ret_payload)
{
	size_t n = f->left.len < PROTO_FRAGMENT_PAYLOAD_MAX ? f->left.len : PROTO_FRAGMENT_PAYLOAD_MAX;
	struct proto_fragment out = {
		.leaf = f->leaf,
		.stream = f->header.stream,
		.unit = f->unit,
		.fragment = (uint16_t)f->next,
		.flags = (uint8_t)((f->next ? 0 : PROTO_FRAGMENT_FIRST) | (n == f->left.len ? PROTO_FRAGMENT_LAST : 0)),
		.header = f->header,
	};

	if (!n)
		return false;
	*ret_head_len = encode_head(&out, head);
	*ret_payload = (struct cv_span){f->left.data, n};
	f->left.data += n;
	f->left.len -= n;
	f->next++;
	return true;
}
