/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>

#include <base/alloc.h>
#include <gst/vp9.h>

/* A picture that claims to be larger than any camera sends is refused before libvpx allocates for it. */
#define DECODE_WIDTH_MAX  4096
#define DECODE_HEIGHT_MAX 2304

struct client_vp9_decoder {
	vpx_codec_ctx_t ctx;
};

int client_vp9_decoder_new(struct client_vp9_decoder **ret)
{
	vpx_codec_dec_cfg_t cfg = {.threads = 1};
	struct client_vp9_decoder *d = cv_calloc(1, sizeof(*d));
	if (!d)
		return CV_ENOMEM;
	if (vpx_codec_dec_init(&d->ctx, vpx_codec_vp9_dx(), &cfg, 0) != VPX_CODEC_OK) {
		cv_free(d);
		return CV_EUNSUPPORTED;
	}
	*ret = d;
	return 0;
}

void client_vp9_decoder_free(struct client_vp9_decoder *d)
{
	if (!d)
		return;
	vpx_codec_destroy(&d->ctx);
	cv_free(d);
}

int client_vp9_decode(struct client_vp9_decoder *d, const uint8_t *data, size_t len, struct client_raw_picture *ret)
{
	vpx_codec_iter_t it = NULL;
	const vpx_image_t *img, *last = NULL;
	vpx_codec_stream_info_t si = {.sz = sizeof(si)};
	if (len == 0 || len > MEDIA_PICTURE_BYTES_MAX)
		return CV_EFORMAT;
	if (vpx_codec_peek_stream_info(vpx_codec_vp9_dx(), data, (unsigned)len, &si) == VPX_CODEC_OK &&
	    (si.w > DECODE_WIDTH_MAX || si.h > DECODE_HEIGHT_MAX))
		return CV_EFORMAT;
	if (vpx_codec_decode(&d->ctx, data, (unsigned)len, NULL, 0) != VPX_CODEC_OK)
		return CV_EFORMAT;
	/* libvpx gives the last shown frame of the buffer: the highest layer. */
	while ((img = vpx_codec_get_frame(&d->ctx, &it)))
		last = img;
	if (!last || last->fmt != VPX_IMG_FMT_I420 || last->d_w > DECODE_WIDTH_MAX || last->d_h > DECODE_HEIGHT_MAX)
		return CV_EFORMAT;
	int corrupted = 0;
	if (vpx_codec_control(&d->ctx, VP8D_GET_FRAME_CORRUPTED, &corrupted) == VPX_CODEC_OK && corrupted)
		return CV_EFORMAT;
	memset(ret, 0, sizeof(*ret));
	ret->width = last->d_w;
	ret->height = last->d_h;
	for (int i = 0; i < 3; i++) {
		ret->plane[i] = last->planes[i];
		ret->stride[i] = last->stride[i];
	}
	return 0;
}
