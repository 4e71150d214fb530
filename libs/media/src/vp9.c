/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <media/vp9.h>

#define SEGMENTS         8
#define SEGMENT_FEATURES 4
#define SHOW_BIT         6 /* of the first byte, counted from its top: marker 2, profile 2, existing, type, show */

/* Bits from the most significant on; a failed get sets err and gives 0, so that a header can be read in one go. */
struct bits {
	const uint8_t *data;
	uint64_t pos, end;
	int err;
};

static uint32_t get(struct bits *b, unsigned count)
{
	uint32_t v = 0;
	if (b->err || b->end - b->pos < count) {
		b->err = b->err ? b->err : CV_ETRUNCATED;
		return 0;
	}
	for (unsigned i = 0; i < count; i++, b->pos++)
		v = v << 1 | ((uint32_t)(b->data[b->pos / 8] >> (7 - b->pos % 8)) & 1);
	return v;
}

static void skip(struct bits *b, unsigned count)
{
	(void)get(b, count);
}

static void fail(struct bits *b, int err)
{
	if (!b->err)
		b->err = err;
}

static void sync_code(struct bits *b)
{
	if (get(b, 24) != 0x498342)
		fail(b, CV_EFORMAT);
}

static void frame_size(struct bits *b, struct media_vp9_size *ret)
{
	ret->width = get(b, 16) + 1;
	ret->height = get(b, 16) + 1;
}

static void render_size(struct bits *b)
{
	if (get(b, 1))
		skip(b, 32);
}

static void frame_size_with_refs(struct bits *b, const struct media_vp9_state *st, const uint8_t idx[3],
				 struct media_vp9_size *ret)
{
	for (unsigned i = 0; i < 3; i++) {
		if (!get(b, 1))
			continue;
		*ret = st->ref[idx[i]];
		if (ret->width == 0)
			fail(b, CV_EFORMAT);
		return;
	}
	frame_size(b, ret);
}

static void loop_filter(struct bits *b)
{
	skip(b, 6 + 3);
	if (!get(b, 1) || !get(b, 1))
		return;
	for (unsigned i = 0; i < 4 + 2; i++)
		if (get(b, 1))
			skip(b, 7);
}

static void quantization(struct bits *b)
{
	skip(b, 8);
	for (unsigned i = 0; i < 3; i++)
		if (get(b, 1))
			skip(b, 5);
}

static void segmentation(struct bits *b)
{
	static const uint8_t width[SEGMENT_FEATURES] = {8, 6, 2, 0};
	static const uint8_t sign[SEGMENT_FEATURES] = {1, 1, 0, 0};
	if (!get(b, 1))
		return;
	if (get(b, 1)) {
		for (unsigned i = 0; i < 7; i++)
			if (get(b, 1))
				skip(b, 8);
		if (get(b, 1))
			for (unsigned i = 0; i < 3; i++)
				if (get(b, 1))
					skip(b, 8);
	}
	if (!get(b, 1))
		return;
	skip(b, 1);
	for (unsigned s = 0; s < SEGMENTS; s++)
		for (unsigned f = 0; f < SEGMENT_FEATURES; f++)
			if (get(b, 1))
				skip(b, width[f] + sign[f]);
}

static void tile_info(struct bits *b, uint32_t width)
{
	uint32_t sb64 = (width + 63) / 64;
	unsigned min = 0, max = 1;
	while ((64u << min) < sb64)
		min++;
	while ((sb64 >> max) >= 4)
		max++;
	max--;
	for (unsigned n = min; n < max && get(b, 1); n++)
		;
	if (get(b, 1))
		skip(b, 1);
}

static void inter_header(struct bits *b, const struct media_vp9_state *st, struct media_vp9_header *h)
{
	uint8_t idx[3];
	h->refresh = (uint8_t)get(b, 8);
	for (unsigned i = 0; i < 3; i++) {
		idx[i] = (uint8_t)get(b, 3);
		skip(b, 1);
	}
	frame_size_with_refs(b, st, idx, &h->size);
	render_size(b);
	skip(b, 1);
	if (!get(b, 1))
		skip(b, 2);
}

static void frame_kind(struct bits *b, const struct media_vp9_state *st, struct media_vp9_header *h)
{
	if (h->key) {
		sync_code(b);
		/* Colour space 7 (sRGB) does not exist in profile 0. */
		if (get(b, 3) == 7)
			fail(b, CV_EFORMAT);
		skip(b, 1);
		h->refresh = 0xff;
		frame_size(b, &h->size);
		render_size(b);
		return;
	}
	h->intra_only = h->show ? false : get(b, 1);
	if (!h->error_resilient)
		skip(b, 2);
	if (!h->intra_only) {
		inter_header(b, st, h);
		return;
	}
	sync_code(b);
	h->refresh = (uint8_t)get(b, 8);
	frame_size(b, &h->size);
	render_size(b);
}

int media_vp9_parse(struct media_vp9_state *st, const uint8_t *data, size_t len, struct media_vp9_header *ret)
{
	struct bits b = {.data = data, .end = (uint64_t)len * 8};
	struct media_vp9_header h = {0};
	if (get(&b, 2) != 2)
		return b.err ? b.err : CV_EFORMAT;
	h.profile = (uint8_t)get(&b, 1);
	h.profile |= (uint8_t)(get(&b, 1) << 1);
	if (h.profile != 0)
		return CV_EUNSUPPORTED;
	h.show_existing = get(&b, 1);
	if (h.show_existing) {
		h.existing_ref = (uint8_t)get(&b, 3);
		h.size = st->ref[h.existing_ref];
		h.header_bits = (uint32_t)b.pos;
		if (b.err)
			return b.err;
		*ret = h;
		return 0;
	}
	h.key = !get(&b, 1);
	h.show = get(&b, 1);
	h.error_resilient = get(&b, 1);
	frame_kind(&b, st, &h);
	if (b.err)
		return b.err;
	if (h.size.width > MEDIA_VP9_SIZE_MAX || h.size.height > MEDIA_VP9_SIZE_MAX)
		return CV_ELIMIT;
	if (!h.error_resilient)
		skip(&b, 2);
	skip(&b, 2);
	loop_filter(&b);
	quantization(&b);
	segmentation(&b);
	tile_info(&b, h.size.width);
	h.compressed_header_len = get(&b, 16);
	h.header_bits = (uint32_t)b.pos;
	if (b.err)
		return b.err;
	if (h.compressed_header_len == 0 || h.compressed_header_len > len - (b.pos + 7) / 8)
		return CV_EFORMAT;
	for (unsigned i = 0; i < MEDIA_VP9_REFS; i++)
		if (h.refresh & 1u << i)
			st->ref[i] = h.size;
	*ret = h;
	return 0;
}

/* Appends the frame with show_frame = 0. Shown inter frames lack the intra_only bit that hidden ones have. */
static int put_hidden(struct cv_buf *out, const uint8_t *data, size_t len, const struct media_vp9_header *h)
{
	uint8_t first = data[0] & (uint8_t) ~(1u << (7 - SHOW_BIT));
	size_t old_len = (h->header_bits + 7) / 8;
	if (!h->show)
		return cv_buf_put(out, data, len);
	if (h->key) {
		cv_buf_put_u8(out, first);
		return cv_buf_put(out, data + 1, len - 1);
	}
	cv_buf_put_u8(out, first);
	unsigned carry = 0; /* the inserted bit, then the last bit of the byte before */
	size_t new_len = (h->header_bits + 1 + 7) / 8;
	for (size_t i = 1; i < new_len; i++) {
		uint8_t byte = i < old_len ? data[i] : 0;
		cv_buf_put_u8(out, (uint8_t)(carry << 7 | byte >> 1));
		carry = byte & 1;
	}
	return cv_buf_put(out, data + old_len, len - old_len);
}

static int put_index(struct cv_buf *out, const size_t *len, unsigned count)
{
	unsigned mag = 1;
	for (unsigned i = 0; i < count; i++)
		while (mag < 4 && len[i] >> (8 * mag))
			mag++;
	uint8_t marker = (uint8_t)(0xc0 | (mag - 1) << 3 | (count - 1));
	cv_buf_put_u8(out, marker);
	for (unsigned i = 0; i < count; i++)
		for (unsigned k = 0; k < mag; k++)
			cv_buf_put_u8(out, (uint8_t)(len[i] >> (8 * k)));
	return cv_buf_put_u8(out, marker);
}

static bool same(const struct media_vp9_size *a, const struct media_vp9_size *b)
{
	return a->width == b->width && a->height == b->height;
}

/* Keeps full_ref on a reference that holds a full-size frame: the newest if this frame made one. */
static void track_full(struct media_vp9_merge *m, const struct media_vp9_header *h)
{
	if (m->full.width == 0)
		return;
	for (unsigned i = 0; i < MEDIA_VP9_REFS; i++)
		if ((h->refresh & 1u << i) && same(&h->size, &m->full)) {
			m->full_ref = (int)i;
			return;
		}
	if (m->full_ref >= 0 && same(&m->state.ref[m->full_ref], &m->full))
		return;
	m->full_ref = -1;
	for (unsigned i = 0; i < MEDIA_VP9_REFS; i++)
		if (same(&m->state.ref[i], &m->full))
			m->full_ref = (int)i;
}

void media_vp9_merge_init(struct media_vp9_merge *m)
{
	memset(m, 0, sizeof(*m));
	m->full_ref = -1;
}

/* The layers' headers, in order. */
static int parse_layers(struct media_vp9_merge *m, const uint8_t *data, const size_t *layer_len, unsigned layers,
			struct media_vp9_header h[MEDIA_SPATIAL_MAX])
{
	for (unsigned i = 0; i < layers; data += layer_len[i], i++) {
		int r = media_vp9_parse(&m->state, data, layer_len[i], &h[i]);
		if (r < 0)
			return r;
		if (h[i].show_existing)
			return CV_EFORMAT;
		if (i + 1 == layers && m->full.width == 0 && h[i].show)
			m->full = h[i].size;
		track_full(m, &h[i]);
	}
	return 0;
}

int media_vp9_merge(struct media_vp9_merge *m, const uint8_t *data, const size_t *layer_len, unsigned layers,
		    struct cv_buf *out, struct media_vp9_size *ret_shown)
{
	struct media_vp9_merge next = *m;
	struct media_vp9_header h[MEDIA_SPATIAL_MAX];
	size_t len[MEDIA_SPATIAL_MAX + 1];
	struct media_vp9_size shown = {0, 0};
	unsigned count = layers;
	if (layers == 0 || layers > MEDIA_SPATIAL_MAX)
		return CV_EINVAL;
	int r = parse_layers(&next, data, layer_len, layers, h);
	if (r < 0)
		return r;
	const struct media_vp9_header *last = &h[layers - 1];
	bool show_last = last->show && same(&last->size, &next.full);
	for (unsigned i = 0; i < layers; data += layer_len[i], i++) {
		size_t before = out->len;
		if (i + 1 == layers && show_last)
			r = cv_buf_put(out, data, layer_len[i]);
		else
			r = put_hidden(out, data, layer_len[i], &h[i]);
		len[i] = out->len - before;
	}
	if (show_last) {
		shown = last->size;
	} else if (next.full_ref >= 0) {
		/* marker 2, profile 0, show_existing_frame, the reference */
		r = cv_buf_put_u8(out, (uint8_t)(0x88 | next.full_ref));
		len[count++] = 1;
		shown = next.full;
	}
	if (count > 1)
		r = put_index(out, len, count);
	if (r < 0)
		return r;
	*m = next;
	*ret_shown = shown;
	return 0;
}
