/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <base/alloc.h>
#include <gst/voice.h>

#include "compare.h"

#define SAMPLES_MAX ((size_t)MEDIA_VOICE_RATE * 1200) /* 20 minutes are compared at most */
#define WINDOW      ((size_t)MEDIA_VOICE_RATE * 2) /* the lag is searched for in the loudest stretch of this length */
#define LAG_MAX     2880                           /* 60 ms */

struct voices {
	int16_t *sent, *got; /* by frame number of the sender, both the same length */
	bool *have;          /* per frame: received, and known what was sent */
	size_t frames;
};

/* Reads the source up to what was sent and puts each frame where its number is. */
static int load_sent(const struct compare_options *o, struct voices *v, char ret_text[CLIENT_TEXT_MAX])
{
	struct client_source *src = NULL;
	int16_t samples[MEDIA_VOICE_SAMPLES];
	int64_t t;
	int r = client_source_open(CLIENT_SOURCE_VOICE, o->voice, o->loop, ret_text, &src);
	uint64_t read = 0;
	for (size_t i = 0; r == 0 && i < o->sent.count; i++) {
		const struct compare_line *l = &o->sent.line[i];
		if (!l->voice || l->frame >= v->frames)
			continue;
		while (r == 0 && read <= l->sample) {
			r = client_source_voice(src, ret_text, samples, &t);
			read += MEDIA_VOICE_SAMPLES;
		}
		if (r == 0)
			memcpy(v->sent + (size_t)l->frame * MEDIA_VOICE_SAMPLES, samples, sizeof(samples));
	}
	client_source_close(src);
	return r == CV_ENOTFOUND ? 0 : r;
}

/* Decodes the recording; frames between two received ones are concealed, as a listener would have heard them. */
static int load_got(const struct compare_options *o, struct compare_recording *rec, struct voices *v)
{
	char path[4096];
	struct compare_track *track = NULL;
	struct client_voice_decoder *opus = NULL;
	const uint8_t *data;
	size_t len;
	bool any = false;
	uint32_t next = 0;
	memset(v->have, 0, v->frames * sizeof(*v->have));
	snprintf(path, sizeof(path), "%s.webm", rec->base);
	int r = client_voice_decoder_new(&opus);
	if (r == 0)
		r = compare_track_open(path, true, &track);
	for (size_t i = 0; r == 0 && i < rec->lines.count; i++) {
		const struct compare_line *l = &rec->lines.line[i];
		if (!l->voice || l->part != 1)
			continue;
		if (compare_track_next(track, &data, &len) < 0)
			break;
		if (l->frame >= v->frames || (any && l->frame < next))
			continue;
		for (; any && next < l->frame; next++)
			(void)!client_voice_decode(opus, NULL, 0, v->got + (size_t)next * MEDIA_VOICE_SAMPLES);
		if (client_voice_decode(opus, data, len, v->got + (size_t)l->frame * MEDIA_VOICE_SAMPLES) == 0)
			v->have[l->frame] = true;
		any = true;
		next = l->frame + 1;
	}
	compare_track_close(track);
	client_voice_decoder_free(opus);
	return r;
}

/* Normalised correlation of sent[i] with got[i + lag] over i of received frames in [from, to). */
static double correlate(const struct voices *v, size_t from, size_t to, int lag)
{
	double xy = 0, xx = 0, yy = 0;
	size_t total = v->frames * MEDIA_VOICE_SAMPLES;
	for (size_t i = from; i < to; i++) {
		size_t k = i + (size_t)lag;
		if (k >= total)
			break;
		if (!v->have[i / MEDIA_VOICE_SAMPLES] || !v->have[k / MEDIA_VOICE_SAMPLES])
			continue;
		double x = v->sent[i], y = v->got[k];
		xy += x * y;
		xx += x * x;
		yy += y * y;
	}
	return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

/* Start of the loudest received stretch of WINDOW samples. */
static size_t loudest(const struct voices *v)
{
	size_t span = WINDOW / MEDIA_VOICE_SAMPLES, best = 0;
	double best_sum = -1, sum = 0;
	double *energy = cv_calloc(v->frames + 1, sizeof(*energy));
	if (!energy)
		return 0;
	for (size_t f = 0; f < v->frames; f++) {
		const int16_t *p = v->sent + f * MEDIA_VOICE_SAMPLES;
		for (size_t i = 0; v->have[f] && i < MEDIA_VOICE_SAMPLES; i++)
			energy[f] += (double)p[i] * p[i];
		sum += energy[f];
		if (f >= span)
			sum -= energy[f - span];
		if (sum > best_sum) {
			best_sum = sum;
			best = f + 1 >= span ? f + 1 - span : 0;
		}
	}
	cv_free(energy);
	return best * MEDIA_VOICE_SAMPLES;
}

static void judge(struct voices *v, struct compare_recording *rec)
{
	size_t from = loudest(v), total = v->frames * MEDIA_VOICE_SAMPLES;
	double best = -2;
	/* Every fourth lag first, then its neighbours: voice changes slowly enough for that. */
	for (int lag = 0; lag < LAG_MAX; lag += 4) {
		double c = correlate(v, from, from + WINDOW, lag);
		if (c > best) {
			best = c;
			rec->lag = lag;
		}
	}
	int middle = rec->lag;
	for (int lag = middle > 3 ? middle - 3 : 0; lag <= middle + 3; lag++) {
		double c = correlate(v, from, from + WINDOW, lag);
		if (c > best) {
			best = c;
			rec->lag = lag;
		}
	}
	rec->correlation = correlate(v, 0, total, rec->lag);
}

static void count_sent(const struct compare_options *o, struct compare_recording *rec)
{
	uint32_t first = 0, last = 0;
	for (size_t i = 0; i < rec->lines.count; i++) {
		const struct compare_line *l = &rec->lines.line[i];
		if (!l->voice)
			continue;
		if (rec->voice_received++ == 0)
			first = l->frame;
		last = l->frame;
	}
	for (size_t i = 0; rec->voice_received && i < o->sent.count; i++)
		if (o->sent.line[i].voice && o->sent.line[i].frame >= first && o->sent.line[i].frame <= last)
			rec->voice_sent++;
}

int compare_voices(struct compare_options *o, char ret_text[CLIENT_TEXT_MAX])
{
	struct voices v = {0};
	int r = 0;
	for (size_t i = 0; i < o->sent.count; i++)
		if (o->sent.line[i].voice && o->sent.line[i].frame >= v.frames)
			v.frames = (size_t)o->sent.line[i].frame + 1;
	if (v.frames == 0)
		return 0;
	if (v.frames > SAMPLES_MAX / MEDIA_VOICE_SAMPLES)
		v.frames = SAMPLES_MAX / MEDIA_VOICE_SAMPLES;
	v.sent = cv_calloc(v.frames, MEDIA_VOICE_SAMPLES * sizeof(int16_t));
	v.got = cv_calloc(v.frames, MEDIA_VOICE_SAMPLES * sizeof(int16_t));
	v.have = cv_calloc(v.frames, sizeof(bool));
	r = v.sent && v.got && v.have ? load_sent(o, &v, ret_text) : CV_ENOMEM;
	for (unsigned i = 0; r == 0 && i < o->recordings; i++) {
		count_sent(o, &o->recording[i]);
		if (o->recording[i].voice_received == 0)
			continue;
		memset(v.got, 0, v.frames * MEDIA_VOICE_SAMPLES * sizeof(int16_t));
		r = load_got(o, &o->recording[i], &v);
		if (r == 0)
			judge(&v, &o->recording[i]);
	}
	cv_free(v.sent);
	cv_free(v.got);
	cv_free(v.have);
	return r;
}
