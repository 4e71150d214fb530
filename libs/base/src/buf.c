/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <base/secret.h>

#define VARINT_MAX 0x3fffffffu

void cv_buf_init(struct cv_buf *b, size_t max)
{
	*b = (struct cv_buf){.max = max};
}

void cv_buf_init_secret(struct cv_buf *b, size_t max)
{
	*b = (struct cv_buf){.max = max, .secret = true};
}

static void give_up(const struct cv_buf *b)
{
	if (b->secret)
		cv_free_wiped(b->data, b->cap);
	else
		cv_free(b->data);
}

void cv_buf_done(struct cv_buf *b)
{
	give_up(b);
	*b = (struct cv_buf){.max = b->max, .secret = b->secret};
}

void cv_buf_reset(struct cv_buf *b)
{
	if (b->secret && b->data)
		cv_wipe(b->data, b->cap);
	b->len = 0;
	b->err = 0;
}

int cv_buf_status(const struct cv_buf *b)
{
	return b->err;
}

int cv_buf_steal(struct cv_buf *b, uint8_t **ret_data, size_t *ret_len)
{
	if (b->err)
		return b->err;
	*ret_data = b->data;
	*ret_len = b->len;
	*b = (struct cv_buf){.max = b->max, .secret = b->secret};
	return 0;
}

static int grow(struct cv_buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 64;
	uint8_t *p;

	while (cap < need)
		cap = cap > b->max / 2 ? b->max : cap * 2;
	if (b->secret) {
		/* realloc would leave the old copy behind unwiped. */
		p = cv_malloc(cap);
		if (!p)
			return CV_ENOMEM;
		if (b->len)
			memcpy(p, b->data, b->len);
		give_up(b);
	} else {
		p = cv_reallocarray(b->data, cap, 1);
		if (!p)
			return CV_ENOMEM;
	}
	b->data = p;
	b->cap = cap;
	return 0;
}

int cv_buf_extend(struct cv_buf *b, size_t len, uint8_t **ret_p)
{
	if (b->err)
		return b->err;
	if (len > b->max - b->len)
		return b->err = CV_ELIMIT;
	if (!b->data || len > b->cap - b->len) {
		int err = grow(b, b->len + len);

		if (err)
			return b->err = err;
	}
	*ret_p = b->data + b->len;
	b->len += len;
	return 0;
}

int cv_buf_put(struct cv_buf *b, const void *src, size_t len)
{
	uint8_t *p;
	int err = cv_buf_extend(b, len, &p);

	if (!err && len)
		memcpy(p, src, len);
	return err;
}

static int put_be(struct cv_buf *b, uint64_t v, size_t size)
{
	uint8_t *p;
	int err = cv_buf_extend(b, size, &p);

	if (err)
		return err;
	for (size_t i = 0; i < size; i++)
		p[i] = (uint8_t)(v >> (8 * (size - 1 - i)));
	return 0;
}

int cv_buf_put_u8(struct cv_buf *b, uint8_t v)
{
	return put_be(b, v, 1);
}

int cv_buf_put_u16(struct cv_buf *b, uint16_t v)
{
	return put_be(b, v, 2);
}

int cv_buf_put_u24(struct cv_buf *b, uint32_t v)
{
	return put_be(b, v, 3);
}

int cv_buf_put_u32(struct cv_buf *b, uint32_t v)
{
	return put_be(b, v, 4);
}

int cv_buf_put_u64(struct cv_buf *b, uint64_t v)
{
	return put_be(b, v, 8);
}

static size_t varint_size(uint32_t v)
{
	return v < 64 ? 1 : v < 16384 ? 2 : 4;
}

static void varint_write(uint8_t *p, uint32_t v)
{
	switch (varint_size(v)) {
	case 1: p[0] = (uint8_t)v; break;
	case 2:
		p[0] = (uint8_t)(0x40 | v >> 8);
		p[1] = (uint8_t)v;
		break;
	default:
		p[0] = (uint8_t)(0x80 | v >> 24);
		p[1] = (uint8_t)(v >> 16);
		p[2] = (uint8_t)(v >> 8);
		p[3] = (uint8_t)v;
	}
}

int cv_buf_put_varint(struct cv_buf *b, uint32_t v)
{
	uint8_t *p;
	int err;

	if (b->err)
		return b->err;
	if (v > VARINT_MAX)
		return b->err = CV_ELIMIT;
	err = cv_buf_extend(b, varint_size(v), &p);
	if (!err)
		varint_write(p, v);
	return err;
}

int cv_buf_put_vec(struct cv_buf *b, const void *src, size_t len)
{
	if (!b->err && len > VARINT_MAX)
		b->err = CV_ELIMIT;
	cv_buf_put_varint(b, (uint32_t)len);
	return cv_buf_put(b, src, len);
}

int cv_buf_put_vec16(struct cv_buf *b, const void *src, size_t len)
{
	if (!b->err && len > UINT16_MAX)
		b->err = CV_ELIMIT;
	cv_buf_put_u16(b, (uint16_t)len);
	return cv_buf_put(b, src, len);
}

void cv_buf_consume(struct cv_buf *b, size_t len)
{
	if (len >= b->len) {
		b->len = 0;
		return;
	}
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
}

size_t cv_buf_vec_begin(struct cv_buf *b)
{
	size_t mark = b->len;

	cv_buf_put_u8(b, 0);
	return mark;
}

int cv_buf_vec_end(struct cv_buf *b, size_t mark)
{
	size_t len, extra;
	uint8_t *p;
	int err;

	if (b->err)
		return b->err;
	len = b->len - mark - 1;
	if (len > VARINT_MAX)
		return b->err = CV_ELIMIT;
	extra = varint_size((uint32_t)len) - 1;
	if (extra) {
		err = cv_buf_extend(b, extra, &p);
		if (err)
			return err;
		memmove(b->data + mark + 1 + extra, b->data + mark + 1, len);
	}
	varint_write(b->data + mark, (uint32_t)len);
	return 0;
}
