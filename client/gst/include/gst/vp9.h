/* SPDX-License-Identifier: Apache-2.0 */
/* The camera codec: VP9 SVC, up to three spatial and three temporal layers, by libvpx. Not thread safe. */
#ifndef CLIENT_GST_VP9_H
#define CLIENT_GST_VP9_H

#include <gst/source.h>
#include <media/picture.h>

struct client_vp9_encoder;
struct client_vp9_decoder;

struct client_vp9_config {
	unsigned width, height; /* even, 16..1280 x 16..720 */
	unsigned fps;           /* 1..30 */
	uint32_t bitrate;       /* bit/s over all layers; 0: by size and rate (media_layers_bitrate) */
};

/* CV_EINVAL, CV_ENOMEM, CV_EUNSUPPORTED (libvpx refuses). */
int client_vp9_encoder_new(const struct client_vp9_config *cfg, struct client_vp9_encoder **ret) CV_NODISCARD;
void client_vp9_encoder_free(struct client_vp9_encoder *e);
uint8_t client_vp9_encoder_layers(const struct client_vp9_encoder *e);
/* The next picture is a key picture. */
void client_vp9_encoder_key(struct client_vp9_encoder *e);
/* The next picture has layer `sid` (and those above) refer only to lower layers: a switch-up point. */
void client_vp9_encoder_sync(struct client_vp9_encoder *e, uint8_t sid);
/* Encode only layers 0..sid from the next picture on. Raising it makes a switch-up point of the new layers. */
int client_vp9_encoder_set_top(struct client_vp9_encoder *e, uint8_t sid) CV_NODISCARD;
/* Bit rate of all layers together (with fewer layers encoded, their share of it). */
int client_vp9_encoder_set_bitrate(struct client_vp9_encoder *e, uint32_t bps) CV_NODISCARD;

/*
 * Encodes a picture of the configured size. The layer units come lowest first in ret (borrowed until the next call),
 * at most MEDIA_SPATIAL_MAX. The bit rate is kept per picture:
 * pictures that are left out spare their bits. CV_EINVAL (size), CV_EIO (libvpx failed).
 */
int client_vp9_encode(struct client_vp9_encoder *e, const struct client_raw_picture *pic, int64_t capture_us,
		      struct media_unit ret[MEDIA_SPATIAL_MAX], unsigned *ret_count) CV_NODISCARD;

/* CV_ENOMEM, CV_EUNSUPPORTED. */
int client_vp9_decoder_new(struct client_vp9_decoder **ret) CV_NODISCARD;
void client_vp9_decoder_free(struct client_vp9_decoder *d);
/*
 * Decodes one picture (all its layers) and gives its highest layer, borrowed until the next call. CV_EFORMAT: corrupt,
 * or a key picture is missing: ask for one (media_pictures_broken).
 */
int client_vp9_decode(struct client_vp9_decoder *d, const uint8_t *data, size_t len,
		      struct client_raw_picture *ret) CV_NODISCARD;

#endif
