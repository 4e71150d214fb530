/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <vpx/vp8cx.h>
#include <vpx/vpx_encoder.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <gst/vp9.h>
#include <media/layers.h>

#define TIMEBASE  90000 /* ticks per second */
#define QUANT_MIN 2     /* of 63: below it bits buy nothing that can be seen */
#define QUANT_MAX 56
/*
 * Measured on talking heads at 360p and 720p: speed 8 costs a quarter less than 7 and, after a cut, recovers sooner.
 * A low threshold for blocks that stand still saves a further fifth at no loss that can be measured.
 */
#define SPEED 8
/* For key pictures: two fifths less work at the same PSNR, just when a newcomer waits and everybody sends one. */
#define SPEED_KEY        9
#define STATIC_THRESHOLD 100

struct layer_out {
	uint8_t sid, tid;
	bool key;
	size_t offset, len;
};

struct client_vp9_encoder {
	vpx_codec_ctx_t ctx;
	bool ready; /* ctx is initialised */
	vpx_codec_enc_cfg_t cfg;
	struct client_vp9_config want;
	uint8_t layers; /* configured */
	uint8_t top;    /* highest layer that is encoded at present */
	uint8_t sync_from;
	bool sync, key;
	int64_t last_pts;
	uint32_t frame;
	struct cv_buf bytes; /* of the picture's layers */
	struct layer_out out[MEDIA_SPATIAL_MAX];
	unsigned out_count;
	int out_err;
};

/* libvpx hands over each layer as soon as it is encoded. */
static void on_packet(vpx_codec_cx_pkt_t *pkt, void *user)
{
	struct client_vp9_encoder *e = user;
	vpx_svc_layer_id_t id;
	if (pkt->kind != VPX_CODEC_CX_FRAME_PKT || pkt->data.frame.sz == 0)
		return;
	memset(&id, 0, sizeof(id));
	if (vpx_codec_control(&e->ctx, VP9E_GET_SVC_LAYER_ID, &id) != VPX_CODEC_OK ||
	    e->out_count >= MEDIA_SPATIAL_MAX) {
		e->out_err = CV_EIO;
		return;
	}
	struct layer_out *o = &e->out[e->out_count];
	o->sid = (uint8_t)id.spatial_layer_id;
	o->tid = (uint8_t)id.temporal_layer_id;
	o->key = (pkt->data.frame.flags & VPX_FRAME_IS_KEY) != 0;
	o->offset = e->bytes.len;
	o->len = pkt->data.frame.sz;
	int r = cv_buf_put(&e->bytes, pkt->data.frame.buf, pkt->data.frame.sz);
	if (r < 0)
		e->out_err = r;
	e->out_count++;
}

/* Shares the rate among the layers; layers above `top` get nothing and are not encoded. */
static void set_rates(struct client_vp9_encoder *e)
{
	unsigned kbit = e->want.bitrate / 1000, total = 0;
	for (unsigned s = 0; s < e->layers; s++) {
		unsigned rate = s > e->top ? 0 : kbit * media_layers_spatial_share(e->layers, (uint8_t)s) / 1000;
		if (s <= e->top && rate == 0)
			rate = 1;
		e->cfg.ss_target_bitrate[s] = rate;
		for (unsigned t = 0; t < MEDIA_TEMPORAL_LAYERS; t++)
			e->cfg.layer_target_bitrate[s * MEDIA_TEMPORAL_LAYERS + t] =
				rate * media_layers_temporal_share((uint8_t)t) / 1000;
		total += rate;
	}
	for (unsigned t = 0; t < MEDIA_TEMPORAL_LAYERS; t++)
		e->cfg.ts_target_bitrate[t] = total * media_layers_temporal_share((uint8_t)t) / 1000;
	e->cfg.rc_target_bitrate = total;
}

static void set_config(struct client_vp9_encoder *e)
{
	vpx_codec_enc_cfg_t *g = &e->cfg;
	g->g_w = e->want.width;
	g->g_h = e->want.height;
	g->g_threads = 1;
	g->g_timebase.num = 1;
	g->g_timebase.den = TIMEBASE;
	/* Without it pictures do not decode once layers were dropped on the way. */
	g->g_error_resilient = 1;
	g->g_lag_in_frames = 0;
	g->g_pass = VPX_RC_ONE_PASS;
	g->rc_end_usage = VPX_CBR;
	g->rc_min_quantizer = QUANT_MIN;
	g->rc_max_quantizer = QUANT_MAX;
	g->rc_undershoot_pct = 25;
	g->rc_overshoot_pct = 25;
	g->rc_buf_sz = 1000;
	g->rc_buf_initial_sz = 500;
	g->rc_buf_optimal_sz = 600;
	g->rc_dropframe_thresh = 0;
	g->kf_mode = VPX_KF_DISABLED; /* on demand only */
	g->ss_number_layers = e->layers;
	g->ts_number_layers = MEDIA_TEMPORAL_LAYERS;
	g->temporal_layering_mode = VP9E_TEMPORAL_LAYERING_MODE_0212;
	for (unsigned t = 0; t < MEDIA_TEMPORAL_LAYERS; t++)
		g->ts_rate_decimator[t] = 1u << (MEDIA_TEMPORAL_LAYERS - 1 - t);
	set_rates(e);
}

static int set_layers(struct client_vp9_encoder *e, int speed)
{
	vpx_svc_extra_cfg_t svc;
	memset(&svc, 0, sizeof(svc));
	for (unsigned i = 0; i < VPX_MAX_LAYERS; i++) {
		/* Unset entries would mean lossless. */
		svc.min_quantizers[i] = QUANT_MIN;
		svc.max_quantizers[i] = QUANT_MAX;
	}
	for (unsigned s = 0; s < e->layers; s++) {
		svc.scaling_factor_num[s] = 1;
		svc.scaling_factor_den[s] = 1 << (e->layers - 1 - s);
		svc.speed_per_layer[s] = speed;
	}
	return vpx_codec_control(&e->ctx, VP9E_SET_SVC_PARAMETERS, &svc) == VPX_CODEC_OK ? 0 : CV_EIO;
}

static int set_controls(struct client_vp9_encoder *e)
{
	vpx_codec_priv_output_cx_pkt_cb_pair_t cb = {.output_cx_pkt = on_packet, .user_priv = e};
	int bad = 0;
	bad |= vpx_codec_control(&e->ctx, VP8E_SET_CPUUSED, SPEED);
	bad |= vpx_codec_control(&e->ctx, VP9E_SET_SVC, 1);
	bad |= set_layers(e, SPEED);
	bad |= vpx_codec_control(&e->ctx, VP9E_REGISTER_CX_CALLBACK, &cb);
	bad |= vpx_codec_control(&e->ctx, VP9E_SET_AQ_MODE, 3);
	bad |= vpx_codec_control(&e->ctx, VP9E_SET_FRAME_PARALLEL_DECODING, 0);
	bad |= vpx_codec_control(&e->ctx, VP9E_SET_TILE_COLUMNS, 0);
	bad |= vpx_codec_control(&e->ctx, VP9E_SET_NOISE_SENSITIVITY, 0);
	bad |= vpx_codec_control(&e->ctx, VP8E_SET_STATIC_THRESHOLD, STATIC_THRESHOLD);
	return bad ? CV_EUNSUPPORTED : 0;
}

int client_vp9_encoder_new(const struct client_vp9_config *cfg, struct client_vp9_encoder **ret)
{
	int r;
	if (cfg->width < CLIENT_CAMERA_SIDE_MIN || cfg->width > CLIENT_CAMERA_WIDTH_MAX || cfg->width % 2 ||
	    cfg->height < CLIENT_CAMERA_SIDE_MIN || cfg->height > CLIENT_CAMERA_HEIGHT_MAX || cfg->height % 2 ||
	    cfg->fps < 1 || cfg->fps > CLIENT_CAMERA_FPS_MAX)
		return CV_EINVAL;
	struct client_vp9_encoder *e = cv_calloc(1, sizeof(*e));
	if (!e)
		return CV_ENOMEM;
	e->want = *cfg;
	if (e->want.bitrate == 0)
		e->want.bitrate = media_layers_bitrate(cfg->width, cfg->height, cfg->fps);
	e->layers = media_layers_for_size(cfg->width, cfg->height);
	e->top = e->layers - 1;
	cv_buf_init(&e->bytes, MEDIA_SPATIAL_MAX * MEDIA_UNIT_MAX);
	r = CV_EUNSUPPORTED;
	if (vpx_codec_enc_config_default(vpx_codec_vp9_cx(), &e->cfg, 0) != VPX_CODEC_OK)
		goto out;
	set_config(e);
	if (vpx_codec_enc_init(&e->ctx, vpx_codec_vp9_cx(), &e->cfg, 0) != VPX_CODEC_OK)
		goto out;
	e->ready = true;
	r = set_controls(e);
	if (r < 0)
		goto out;
	*ret = e;
	return 0;
out:
	client_vp9_encoder_free(e);
	return r;
}

void client_vp9_encoder_free(struct client_vp9_encoder *e)
{
	if (!e)
		return;
	if (e->ready)
		vpx_codec_destroy(&e->ctx);
	cv_buf_done(&e->bytes);
	cv_free(e);
}

uint8_t client_vp9_encoder_layers(const struct client_vp9_encoder *e)
{
	return e->layers;
}

void client_vp9_encoder_key(struct client_vp9_encoder *e)
{
	e->key = true;
}

void client_vp9_encoder_sync(struct client_vp9_encoder *e, uint8_t sid)
{
	if (sid == 0) {
		e->key = true;
		return;
	}
	if (!e->sync || sid < e->sync_from)
		e->sync_from = sid;
	e->sync = true;
}

int client_vp9_encoder_set_top(struct client_vp9_encoder *e, uint8_t sid)
{
	uint8_t top = sid >= e->layers ? e->layers - 1 : sid;
	if (top == e->top)
		return 0;
	if (top > e->top)
		client_vp9_encoder_sync(e, e->top + 1);
	e->top = top;
	set_rates(e);
	return vpx_codec_enc_config_set(&e->ctx, &e->cfg) == VPX_CODEC_OK ? 0 : CV_EIO;
}

int client_vp9_encoder_set_bitrate(struct client_vp9_encoder *e, uint32_t bps)
{
	if (bps < 10000)
		return CV_EINVAL;
	if (bps / 1000 == e->want.bitrate / 1000)
		return 0;
	e->want.bitrate = bps;
	set_rates(e);
	return vpx_codec_enc_config_set(&e->ctx, &e->cfg) == VPX_CODEC_OK ? 0 : CV_EIO;
}

/* The next picture's layers from sync_from upwards give up their references to earlier pictures. */
static int arm_sync(struct client_vp9_encoder *e)
{
	vpx_svc_spatial_layer_sync_t sync;
	memset(&sync, 0, sizeof(sync));
	for (unsigned s = e->sync_from; s < e->layers; s++)
		sync.spatial_layer_sync[s] = 1;
	return vpx_codec_control(&e->ctx, VP9E_SET_SVC_SPATIAL_LAYER_SYNC, &sync) == VPX_CODEC_OK ? 0 : CV_EIO;
}

static unsigned collect(struct client_vp9_encoder *e, bool synced, int64_t capture_us,
			struct media_unit ret[MEDIA_SPATIAL_MAX])
{
	for (unsigned i = 0; i < e->out_count; i++) {
		const struct layer_out *o = &e->out[i];
		ret[i] = (struct media_unit){
			.kind = MEDIA_PICTURE,
			.frame = e->frame,
			.sid = o->sid,
			.tid = o->tid,
			.key = e->out[0].key,
			.layer_sync = e->out[0].key || (synced && o->sid >= e->sync_from),
			.end_of_picture = i + 1 == e->out_count,
			.capture_us = capture_us,
			.data = e->bytes.data + o->offset,
			.len = o->len,
		};
	}
	return e->out_count;
}

int client_vp9_encode(struct client_vp9_encoder *e, const struct client_raw_picture *pic, int64_t capture_us,
		      struct media_unit ret[MEDIA_SPATIAL_MAX], unsigned *ret_count)
{
	vpx_image_t img;
	if (pic->width != e->want.width || pic->height != e->want.height)
		return CV_EINVAL;
	memset(&img, 0, sizeof(img));
	img.fmt = VPX_IMG_FMT_I420;
	img.bit_depth = 8;
	img.bps = 12;
	img.w = img.d_w = pic->width;
	img.h = img.d_h = pic->height;
	img.x_chroma_shift = img.y_chroma_shift = 1;
	for (int i = 0; i < 3; i++) {
		img.planes[i] = (unsigned char *)pic->plane[i];
		img.stride[i] = pic->stride[i];
	}
	/*
	 * libvpx counts pictures, not time: a picture that was left out would make the next ones larger, and the rate
	 * would be exceeded just when the machine or the link is busy.
	 */
	int64_t step = TIMEBASE / e->want.fps, pts = e->last_pts + step;
	bool synced = e->sync && !e->key;
	if (synced && arm_sync(e) < 0)
		return CV_EIO;
	e->out_count = 0;
	e->out_err = 0;
	cv_buf_reset(&e->bytes);
	int r = e->key ? set_layers(e, SPEED_KEY) : 0;
	if (r == 0 && vpx_codec_encode(&e->ctx, &img, pts, (unsigned long)step, e->key ? VPX_EFLAG_FORCE_KF : 0,
				       VPX_DL_REALTIME) != VPX_CODEC_OK)
		r = CV_EIO;
	if (r == 0 && e->key)
		r = set_layers(e, SPEED);
	if (r == 0)
		r = e->out_err;
	if (r < 0)
		return r;
	e->last_pts = pts;
	*ret_count = collect(e, synced, capture_us, ret);
	e->key = e->sync = false;
	if (*ret_count > 0)
		e->frame++;
	return 0;
}
