/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The yardstick for pictures: libvpx alone, with the camera's settings, on the pictures that a camera would send from
 * a file, or on those that it did send by its log (a busy machine leaves some out); no threads, no pacing, no network,
 * none of the client's codec code. Prints one JSON object.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vpx/vp8cx.h>
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>
#include <vpx/vpx_encoder.h>

#include <base/alloc.h>
#include <gst/source.h>
#include <media/layers.h>

#include "compare.h"

#define TEMPORAL 3

struct bare {
	vpx_codec_ctx_t encoder, decoder;
	unsigned width, height, fps, layers, kbit;
	uint8_t *out;
	size_t out_len, total, cap;
	unsigned frames, decoded;
	double psnr;
	double *each; /* by place in the log of what was sent; negative: not decoded */
	size_t place;
};

static void on_packet(vpx_codec_cx_pkt_t *pkt, void *user)
{
	struct bare *b = user;
	if (pkt->kind != VPX_CODEC_CX_FRAME_PKT || pkt->data.frame.sz > b->cap - b->out_len)
		return;
	memcpy(b->out + b->out_len, pkt->data.frame.buf, pkt->data.frame.sz);
	b->out_len += pkt->data.frame.sz;
}

static int open_codecs(struct bare *b)
{
	vpx_codec_enc_cfg_t g;
	vpx_svc_extra_cfg_t svc;
	if (vpx_codec_enc_config_default(vpx_codec_vp9_cx(), &g, 0) != VPX_CODEC_OK)
		return CV_EUNSUPPORTED;
	g.g_w = b->width;
	g.g_h = b->height;
	g.g_threads = 1;
	g.g_timebase.num = 1;
	g.g_timebase.den = (int)b->fps;
	g.g_error_resilient = 1;
	g.g_lag_in_frames = 0;
	g.rc_end_usage = VPX_CBR;
	g.rc_target_bitrate = b->kbit;
	g.rc_min_quantizer = 2;
	g.rc_max_quantizer = 56;
	g.rc_undershoot_pct = g.rc_overshoot_pct = 25;
	g.rc_buf_sz = 1000;
	g.rc_buf_initial_sz = 500;
	g.rc_buf_optimal_sz = 600;
	g.rc_dropframe_thresh = 0;
	g.kf_mode = VPX_KF_DISABLED;
	g.ss_number_layers = b->layers;
	g.ts_number_layers = TEMPORAL;
	g.temporal_layering_mode = VP9E_TEMPORAL_LAYERING_MODE_0212;
	memset(&svc, 0, sizeof(svc));
	for (unsigned t = 0; t < TEMPORAL; t++)
		g.ts_rate_decimator[t] = 4u >> t;
	for (unsigned s = 0; s < b->layers; s++) {
		g.ss_target_bitrate[s] = b->kbit * media_layers_spatial_share((uint8_t)b->layers, (uint8_t)s) / 1000;
		for (unsigned t = 0; t < TEMPORAL; t++)
			g.layer_target_bitrate[s * TEMPORAL + t] =
				g.ss_target_bitrate[s] * media_layers_temporal_share((uint8_t)t) / 1000;
		svc.scaling_factor_num[s] = 1;
		svc.scaling_factor_den[s] = 1 << (b->layers - 1 - s);
		svc.speed_per_layer[s] = 8;
	}
	for (unsigned i = 0; i < VPX_MAX_LAYERS; i++) {
		svc.min_quantizers[i] = 2;
		svc.max_quantizers[i] = 56;
	}
	vpx_codec_priv_output_cx_pkt_cb_pair_t cb = {.output_cx_pkt = on_packet, .user_priv = b};
	if (vpx_codec_enc_init(&b->encoder, vpx_codec_vp9_cx(), &g, 0) != VPX_CODEC_OK ||
	    vpx_codec_control(&b->encoder, VP8E_SET_CPUUSED, 8) || vpx_codec_control(&b->encoder, VP9E_SET_SVC, 1) ||
	    vpx_codec_control(&b->encoder, VP9E_SET_SVC_PARAMETERS, &svc) ||
	    vpx_codec_control(&b->encoder, VP9E_REGISTER_CX_CALLBACK, &cb) ||
	    vpx_codec_control(&b->encoder, VP9E_SET_AQ_MODE, 3) ||
	    vpx_codec_control(&b->encoder, VP8E_SET_STATIC_THRESHOLD, 100) ||
	    vpx_codec_dec_init(&b->decoder, vpx_codec_vp9_dx(), NULL, 0) != VPX_CODEC_OK)
		return CV_EUNSUPPORTED;
	return 0;
}

static double psnr(const vpx_image_t *a, const vpx_image_t *b)
{
	double sum = 0;
	for (unsigned y = 0; y < a->d_h; y++)
		for (unsigned x = 0; x < a->d_w; x++) {
			int d = a->planes[0][(int)y * a->stride[0] + (int)x] -
				b->planes[0][(int)y * b->stride[0] + (int)x];
			sum += d * d;
		}
	sum /= (double)a->d_w * a->d_h;
	return sum > 0.065 ? 10 * log10(65025 / sum) : 60;
}

static int one(struct bare *b, const struct client_raw_picture *pic)
{
	vpx_image_t img, *out, *last = NULL;
	vpx_codec_iter_t it = NULL;
	memset(&img, 0, sizeof(img));
	img.fmt = VPX_IMG_FMT_I420;
	img.bit_depth = 8;
	img.w = img.d_w = pic->width;
	img.h = img.d_h = pic->height;
	img.x_chroma_shift = img.y_chroma_shift = 1;
	for (int i = 0; i < 3; i++) {
		img.planes[i] = (unsigned char *)pic->plane[i];
		img.stride[i] = pic->stride[i];
	}
	b->out_len = 0;
	if (vpx_codec_encode(&b->encoder, &img, b->frames, 1, b->frames == 0 ? VPX_EFLAG_FORCE_KF : 0,
			     VPX_DL_REALTIME) != VPX_CODEC_OK)
		return CV_EIO;
	b->frames++;
	b->total += b->out_len;
	if (vpx_codec_decode(&b->decoder, b->out, (unsigned)b->out_len, NULL, 0) != VPX_CODEC_OK)
		return CV_EFORMAT;
	while ((out = vpx_codec_get_frame(&b->decoder, &it)))
		last = out;
	if (last && last->d_w == img.d_w && last->d_h == img.d_h) {
		double v = psnr(&img, last);
		if (b->each)
			b->each[b->place] = v;
		b->psnr += v;
		b->decoded++;
	}
	return 0;
}

static int begin(struct bare *b, const char *path, bool loop, char text[CLIENT_TEXT_MAX], struct client_source **ret)
{
	int r = client_media_init(text);
	if (r == 0)
		r = client_source_open(CLIENT_SOURCE_PICTURE, path, loop, text, ret);
	if (r < 0)
		return r;
	client_source_format(*ret, &b->width, &b->height, &b->fps);
	b->layers = media_layers_for_size(b->width, b->height);
	b->kbit = media_layers_bitrate(b->width, b->height, b->fps) / 1000;
	b->cap = (size_t)b->width * b->height * 3;
	b->out = malloc(b->cap);
	return b->out ? open_codecs(b) : CV_ENOMEM;
}

/* Mean over the pictures that a receiver recorded: what bare libvpx would have given it. */
static int seen(const struct bare *b, const struct compare_lines *sent, const char *list, double *ret)
{
	struct compare_lines got = {0};
	double sum = 0;
	size_t n = 0;
	int r = compare_read_lines(list, &got);
	for (size_t i = 0; r == 0 && i < got.count; i++) {
		const struct compare_line *l =
			got.line[i].voice || !got.line[i].full ? NULL : compare_find(sent, false, got.line[i].frame);
		if (!l || b->each[l - sent->line] < 0)
			continue;
		sum += b->each[l - sent->line];
		n++;
	}
	cv_free(got.line);
	if (r == 0)
		*ret = n ? sum / (double)n : 0;
	return r;
}

/* The pictures of the log in its order, which is the source's; without a log all of the file. */
static int all(struct bare *b, struct client_source *src, const struct compare_lines *sent, char text[CLIENT_TEXT_MAX])
{
	struct client_raw_picture pic;
	size_t next = 0;
	int r = 0;
	while ((sent->count == 0 || next < sent->count) && r == 0) {
		r = client_source_picture(src, text, &pic);
		if (r < 0)
			break;
		if (sent->count > 0 && (pic.index != sent->line[next].index || pic.round != sent->line[next].round))
			continue;
		b->place = next++;
		r = one(b, &pic);
	}
	return r;
}

int main(int argc, char **argv)
{
	static struct bare b;
	struct client_source *src = NULL;
	struct compare_lines sent = {0};
	char text[CLIENT_TEXT_MAX] = "";
	int r = 0;
	if (argc < 2) {
		fputs("usage: vpx-bare FILE [SENT-LOG [LIST-OF-A-RECORDING...]]\n", stderr);
		return 2;
	}
	if (argc > 2)
		r = compare_read_lines(argv[2], &sent);
	if (r == 0 && sent.count > 0 && !(b.each = cv_calloc(sent.count, sizeof(*b.each))))
		r = CV_ENOMEM;
	for (size_t i = 0; r == 0 && i < sent.count; i++)
		b.each[i] = -1;
	if (r == 0)
		r = begin(&b, argv[1], sent.count > 0, text, &src);
	if (r == 0)
		r = all(&b, src, &sent, text);
	if (r < 0 && r != CV_ENOTFOUND) {
		fprintf(stderr, "vpx-bare: %s\n", text[0] ? text : cv_strerror(r));
		return 1;
	}
	r = 0;
	printf("{\"recordings\":[");
	for (int i = 3; r == 0 && i < argc; i++) {
		double v = 0;
		r = seen(&b, &sent, argv[i], &v);
		printf("%s%.2f", i > 3 ? "," : "", v);
	}
	printf("],\"frames\":%u,\"decoded\":%u,\"width\":%u,\"height\":%u,\"layers\":%u,\"kbit_s\":%.1f,"
	       "\"psnr_y_mean\":%.2f}\n",
	       b.frames, b.decoded, b.width, b.height, b.layers,
	       b.frames ? (double)b.total * 8 * b.fps / b.frames / 1000 : 0, b.decoded ? b.psnr / b.decoded : 0);
	vpx_codec_destroy(&b.encoder);
	vpx_codec_destroy(&b.decoder);
	client_source_close(src);
	cv_free(sent.line);
	cv_free(b.each);
	free(b.out);
	return r < 0;
}
