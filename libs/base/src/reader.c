/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/reader.h>

void cv_reader_init(struct cv_reader *r, const void *data, size_t len)
{
	r->p = data;
	r->left = len;
}

int cv_reader_get(struct cv_reader *r, size_t len, const uint8_t **ret_p)
{
	if (len > r->left)
		return CV_ETRUNCATED;
	*ret_p = r->p;
	if (len)
		r->p += len;
	r->left -= len;
	return 0;
}

int cv_reader_copy(struct cv_reader *r, void *dst, size_t len)
{
	const uint8_t *p;
	int err = cv_reader_get(r, len, &p);

	if (!err && len)
		memcpy(dst, p, len);
	return err;
}

static int get_be(struct cv_reader *r, size_t size, uint64_t *ret)
{
	const uint8_t *p;
	uint64_t v = 0;
	int err = cv_reader_get(r, size, &p);

	if (err)
		return err;
	for (size_t i = 0; i < size; i++)
		v = v << 8 | p[i];
	*ret = v;
	return 0;
}

int cv_reader_get_u8(struct cv_reader *r, uint8_t *ret)
{
	uint64_t v;
	int err = get_be(r, 1, &v);

	if (!err)
		*ret = (uint8_t)v;
	return err;
}

int cv_reader_get_u16(struct cv_reader *r, uint16_t *ret)
{
	uint64_t v;
	int err = get_be(r, 2, &v);

	if (!err)
		*ret = (uint16_t)v;
	return err;
}

int cv_reader_get_u24(struct cv_reader *r, uint32_t *ret)
{
	uint64_t v;
	int err = get_be(r, 3, &v);

	if (!err)
		*ret = (uint32_t)v;
	return err;
}

int cv_reader_get_u32(struct cv_reader *r, uint32_t *ret)
{
	uint64_t v;
	int err = get_be(r, 4, &v);

	if (!err)
		*ret = (uint32_t)v;
	return err;
}

int cv_reader_get_u64(struct cv_reader *r, uint64_t *ret)
{
	return get_be(r, 8, ret);
}

int cv_reader_get_varint(struct cv_reader *r, uint32_t *ret)
{
	struct cv_reader save = *r;
	static const uint32_t least[] = {0, 64, 16384};
	unsigned prefix;
	uint64_t v;
	int err;

	if (!r->left)
		return CV_ETRUNCATED;
	prefix = r->p[0] >> 6;
	if (prefix == 3)
		return CV_EFORMAT;
	err = get_be(r, (size_t)1 << prefix, &v);
	if (err)
		return err;
	v &= ((uint64_t)1 << ((8u << prefix) - 2)) - 1;
	/* "values using more bits than necessary MUST be treated as malformed" (RFC 9420 section 2.1.2) */
	if (v < least[prefix]) {
		*r = save;
		return CV_EFORMAT;
	}
	*ret = (uint32_t)v;
	return 0;
}

static int take(struct cv_reader *r, struct cv_reader *at, size_t len, size_t max, struct cv_span *ret)
{
	int err;

	if (len > max)
		return CV_ELIMIT;
	err = cv_reader_get(at, len, &ret->data);
	if (err)
		return err;
	ret->len = len;
	*r = *at;
	return 0;
}

int cv_reader_get_vec(struct cv_reader *r, size_t max, struct cv_span *ret)
{
	struct cv_reader at = *r;
	uint32_t len;
	int err = cv_reader_get_varint(&at, &len);

	return err ? err : take(r, &at, len, max, ret);
}

int cv_reader_get_vec16(struct cv_reader *r, size_t max, struct cv_span *ret)
{
	struct cv_reader at = *r;
	uint16_t len;
	int err = cv_reader_get_u16(&at, &len);

	return err ? err : take(r, &at, len, max, ret);
}

int cv_reader_sub(struct cv_reader *r, size_t max, struct cv_reader *ret)
{
	struct cv_span span;
	int err = cv_reader_get_vec(r, max, &span);

	if (!err)
		cv_reader_init(ret, span.data, span.len);
	return err;
}

int cv_reader_end(const struct cv_reader *r)
{
	return r->left ? CV_ETRAILING : 0;
}
