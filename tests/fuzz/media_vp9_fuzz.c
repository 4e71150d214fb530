/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of a member, merged for a recording: number of layers, their lengths (24 bit), their bytes. */
#include <stdlib.h>

#include <base/reader.h>
#include <media/vp9.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_reader r;
	struct media_vp9_merge m;
	cv_reader_init(&r, data, size);
	media_vp9_merge_init(&m);
	while (r.left > 0) {
		size_t len[MEDIA_SPATIAL_MAX], total = 0;
		const uint8_t *at;
		uint32_t n;
		uint8_t layers;
		struct media_vp9_size shown;
		struct cv_buf b;
		if (cv_reader_get_u8(&r, &layers) < 0 || layers > MEDIA_SPATIAL_MAX)
			break;
		for (unsigned i = 0; i < layers; i++) {
			if (cv_reader_get_u24(&r, &n) < 0)
				return 0;
			len[i] = n;
			total += n;
		}
		if (cv_reader_get(&r, total, &at) < 0)
			break;
		cv_buf_init(&b, size * 2 + 64);
		if (media_vp9_merge(&m, at, len, layers, &b, &shown) == 0 && shown.width > MEDIA_VP9_SIZE_MAX)
			abort();
		cv_buf_done(&b);
	}
	return 0;
}
