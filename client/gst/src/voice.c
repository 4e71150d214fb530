/* SPDX-License-Identifier: Apache-2.0 */
#include <opus/opus.h>

#include <base/alloc.h>
#include <gst/voice.h>

struct client_voice_encoder {
	OpusEncoder *opus;
};

struct client_voice_decoder {
	OpusDecoder *opus;
};

int client_voice_encoder_new(struct client_voice_encoder **ret)
{
	int err = OPUS_OK, bad = 0;
	struct client_voice_encoder *e = cv_calloc(1, sizeof(*e));
	if (!e)
		return CV_ENOMEM;
	/*
	 * The audio application keeps the waveform (no high-pass filter, no pitch emphasis): at this rate it is at
	 * least as clear for voice, and whoever sings or plays an instrument is heard as they are.
	 */
	e->opus = opus_encoder_create(MEDIA_VOICE_RATE, 1, OPUS_APPLICATION_AUDIO, &err);
	if (!e->opus || err != OPUS_OK) {
		cv_free(e);
		return CV_EUNSUPPORTED;
	}
	bad |= opus_encoder_ctl(e->opus, OPUS_SET_BITRATE(CLIENT_VOICE_BITRATE));
	bad |= opus_encoder_ctl(e->opus, OPUS_SET_VBR(0));
	bad |= opus_encoder_ctl(e->opus, OPUS_SET_COMPLEXITY(5));
	bad |= opus_encoder_ctl(e->opus, OPUS_SET_DTX(0));
	if (bad) {
		client_voice_encoder_free(e);
		return CV_EUNSUPPORTED;
	}
	*ret = e;
	return 0;
}

void client_voice_encoder_free(struct client_voice_encoder *e)
{
	if (!e)
		return;
	opus_encoder_destroy(e->opus);
	cv_free(e);
}

int client_voice_lookahead(const struct client_voice_encoder *e)
{
	opus_int32 n = 0;
	return opus_encoder_ctl(e->opus, OPUS_GET_LOOKAHEAD(&n)) == OPUS_OK ? n : 0;
}

int client_voice_encode(struct client_voice_encoder *e, const int16_t *samples, uint8_t ret[CLIENT_VOICE_BYTES])
{
	uint8_t out[CLIENT_VOICE_BYTES];
	opus_int32 n = opus_encode(e->opus, samples, MEDIA_VOICE_SAMPLES, out, sizeof(out));
	if (n < 0)
		return CV_EIO;
	/* libopus may leave a frame shorter even at constant rate (1 byte for digital silence): fill it up. */
	if (n < (opus_int32)sizeof(out) && opus_packet_pad(out, n, sizeof(out)) != OPUS_OK)
		return CV_EIO;
	for (size_t i = 0; i < sizeof(out); i++)
		ret[i] = out[i];
	return 0;
}

int client_voice_decoder_new(struct client_voice_decoder **ret)
{
	int err = OPUS_OK;
	struct client_voice_decoder *d = cv_calloc(1, sizeof(*d));
	if (!d)
		return CV_ENOMEM;
	d->opus = opus_decoder_create(MEDIA_VOICE_RATE, 1, &err);
	if (!d->opus || err != OPUS_OK) {
		cv_free(d);
		return CV_EUNSUPPORTED;
	}
	*ret = d;
	return 0;
}

void client_voice_decoder_free(struct client_voice_decoder *d)
{
	if (!d)
		return;
	opus_decoder_destroy(d->opus);
	cv_free(d);
}

int client_voice_decode(struct client_voice_decoder *d, const uint8_t *data, size_t len,
			int16_t ret[MEDIA_VOICE_SAMPLES])
{
	if (data && (len == 0 || len > MEDIA_VOICE_BYTES_MAX ||
		     opus_packet_get_nb_samples(data, (opus_int32)len, MEDIA_VOICE_RATE) != MEDIA_VOICE_SAMPLES))
		return CV_EFORMAT;
	int n = opus_decode(d->opus, data, data ? (opus_int32)len : 0, ret, MEDIA_VOICE_SAMPLES, 0);
	return n == MEDIA_VOICE_SAMPLES ? 0 : CV_EFORMAT;
}
