/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The voice codec: Opus, 48 kHz, mono, frames of 20 ms, constant bit rate, so that the sizes of frames say nothing of
 * what is spoken. RFC 6716. Not thread safe.
 */
#ifndef CLIENT_GST_VOICE_H
#define CLIENT_GST_VOICE_H

#include <media/jitter.h>

#define CLIENT_VOICE_BITRATE 40000
#define CLIENT_VOICE_BYTES   (CLIENT_VOICE_BITRATE / 8 / 50) /* every frame has exactly this length */

struct client_voice_encoder;
struct client_voice_decoder;

/* CV_ENOMEM, CV_EUNSUPPORTED. */
int client_voice_encoder_new(struct client_voice_encoder **ret) CV_NODISCARD;
void client_voice_encoder_free(struct client_voice_encoder *e);
/* Samples by which the decoded voice lags behind the encoded one. */
int client_voice_lookahead(const struct client_voice_encoder *e);
/* One frame of MEDIA_VOICE_SAMPLES into CLIENT_VOICE_BYTES bytes. CV_EIO when libopus fails. */
int client_voice_encode(struct client_voice_encoder *e, const int16_t *samples,
			uint8_t ret[CLIENT_VOICE_BYTES]) CV_NODISCARD;

int client_voice_decoder_new(struct client_voice_decoder **ret) CV_NODISCARD;
void client_voice_decoder_free(struct client_voice_decoder *d);
/* One frame; data NULL conceals a missing one. CV_EFORMAT: not an Opus frame of 20 ms. */
int client_voice_decode(struct client_voice_decoder *d, const uint8_t *data, size_t len,
			int16_t ret[MEDIA_VOICE_SAMPLES]) CV_NODISCARD;

#endif
