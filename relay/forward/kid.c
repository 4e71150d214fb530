/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SFrame header, RFC 9605 section 4.3: a config byte X K K K Y C C C, then the key id when X is set (K + 1 bytes),
 * then the counter when Y is set (C + 1 bytes). The relay reads the key id and nothing else of SFrame.
 */
#include <base/reader.h>

#include "forward.h"

static int get_value(struct cv_reader *r, unsigned bits, uint64_t *ret)
{
	size_t n = (bits & 7) + 1;
	const uint8_t *p;
	uint64_t v = 0;
	int err;

	if (!(bits & 8)) {
		*ret = bits & 7;
		return 0;
	}
	err = cv_reader_get(r, n, &p);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		v = v << 8 | p[i];
	/* one encoding per value: none that would fit fewer bytes, or the config byte itself */
	if (n > 1 ? !p[0] : v < 8)
		return CV_EFORMAT;
	*ret = v;
	return 0;
}

int relay_kid_decode(const void *data, size_t len, uint64_t *ret_kid, uint64_t *ret_counter)
{
	struct cv_reader r;
	uint64_t kid, counter;
	uint8_t config;
	int err;

	cv_reader_init(&r, data, len);
	if ((err = cv_reader_get_u8(&r, &config)) || (err = get_value(&r, config >> 4, &kid)) ||
	    (err = get_value(&r, config & 15, &counter)))
		return err;
	*ret_kid = kid;
	*ret_counter = counter;
	return 0;
}
