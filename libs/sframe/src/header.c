/* SPDX-License-Identifier: Apache-2.0 */
#include <base/reader.h>

#include "internal.h"

/*
 * RFC 9605 section 4.3:
 *   struct { X (1 bit), K (3), Y (1), C (3), KID (0..8 bytes), CTR (0..8 bytes) }
 * Values below 8 stand in K or C; others follow in K+1 or C+1 bytes, as X and Y tell.
 */

static size_t put_value(uint64_t v, uint8_t *ret_nibble, uint8_t *dst)
{
	size_t len = 0;

	if (v < 8) {
		*ret_nibble = (uint8_t)v;
		return 0;
	}
	for (uint64_t rest = v; rest; rest >>= 8)
		len++;
	*ret_nibble = (uint8_t)(8 | (len - 1));
	for (size_t i = 0; i < len; i++)
		dst[i] = (uint8_t)(v >> (8 * (len - 1 - i)));
	return len;
}

size_t sframe_header_encode(const struct sframe_header *h, uint8_t dst[SFRAME_HEADER_MAX])
{
	uint8_t kid_nibble, ctr_nibble;
	size_t len = 1;

	len += put_value(h->kid, &kid_nibble, dst + len);
	len += put_value(h->ctr, &ctr_nibble, dst + len);
	dst[0] = (uint8_t)(kid_nibble << 4 | ctr_nibble);
	return len;
}

static int get_value(struct cv_reader *r, uint8_t nibble, uint64_t *ret)
{
	const uint8_t *p;
	uint64_t v = 0;
	size_t len;
	int err;

	if (!(nibble & 8)) {
		*ret = nibble;
		return 0;
	}
	len = (size_t)(nibble & 7) + 1;
	err = cv_reader_get(r, len, &p);
	if (err)
		return err;
	for (size_t i = 0; i < len; i++)
		v = v << 8 | p[i];
	/* "MUST be encoded with the minimum number of bytes required": one value, one encoding. */
	if (p[0] == 0 || v < 8)
		return CV_EFORMAT;
	*ret = v;
	return 0;
}

int sframe_header_decode(const void *data, size_t len, struct sframe_header *ret_header, size_t *ret_len)
{
	struct sframe_header h;
	struct cv_reader r;
	uint8_t config;
	int err;

	cv_reader_init(&r, data, len);
	err = cv_reader_get_u8(&r, &config);
	if (err)
		return err;
	err = get_value(&r, config >> 4, &h.kid);
	if (err)
		return err;
	err = get_value(&r, config & 15, &h.ctr);
	if (err)
		return err;
	*ret_header = h;
	*ret_len = len - r.left;
	return 0;
}
