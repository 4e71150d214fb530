/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <base/alloc.h>
#include <gst/viewer.h>
#include <gst/voice.h>
#include <gst/vp9.h>
#include <media/jitter.h>
#include <media/picture.h>

#include "internal.h"
#include "record.h"

#define TIME_OFF_MAX_US ((int64_t)400 * 86400 * 1000000)
#define GAP_AFTER_US    1000000 /* gaps count from here on: the beginning may wait for a key picture */

struct waiting {
	struct media_unit unit; /* data owned */
	int64_t arrival_us;
};

struct client_viewer {
	struct client_viewer_config cfg;
	struct media_pictures *pictures;
	struct media_jitter *jitter;
	struct client_vp9_decoder *vp9;
	struct client_voice_decoder *opus;
	struct client_record *record;
	pthread_t thread;
	bool running;
	int64_t tick_us; /* of the next 20 ms of voice, 0: no voice yet */
	int64_t first_picture_us, last_picture_us;
	unsigned full_height; /* of the largest picture seen */

	pthread_mutex_t lock; /* protects what follows */
	pthread_cond_t cond;
	struct waiting ring[CLIENT_VIEWER_QUEUE_MAX];
	size_t head, count;
	bool stop;
	int top; /* -1: unchanged */
	struct client_viewer_stats st;
	struct client_times picture_decode, picture_delay, voice_decode, voice_delay;
	bool seen[2];
};

int client_viewer_push(struct client_viewer *v, const struct media_unit *u)
{
	uint8_t *copy = cv_memdup(u->data, u->len);
	int r = 0;
	if (!copy)
		return CV_ENOMEM;
	pthread_mutex_lock(&v->lock);
	struct client_stream_stats *st = u->kind == MEDIA_PICTURE ? &v->st.picture : &v->st.voice;
	bool *seen = &v->seen[u->kind == MEDIA_PICTURE];
	if (v->count == CLIENT_VIEWER_QUEUE_MAX) {
		r = CV_ELIMIT;
	} else {
		struct waiting *w = &v->ring[(v->head + v->count) % CLIENT_VIEWER_QUEUE_MAX];
		w->unit = *u;
		w->unit.data = copy;
		w->arrival_us = client_now_us();
		/* A peer may write anything: times that are no times count as now. */
		if (u->capture_us > w->arrival_us + TIME_OFF_MAX_US || u->capture_us < w->arrival_us - TIME_OFF_MAX_US)
			w->unit.capture_us = w->arrival_us;
		copy = NULL;
		v->count++;
		pthread_cond_signal(&v->cond);
	}
	st->units++;
	st->bytes += u->len;
	if (!*seen)
		st->first = u->frame;
	*seen = true;
	st->last = u->frame;
	pthread_mutex_unlock(&v->lock);
	cv_free(copy);
	return r;
}

/* Waits for a unit until due_us. 0, CV_ETIMEOUT, CV_ECLOSED (nothing left and stop). */
static int next_unit(struct client_viewer *v, int64_t due_us, struct waiting *ret)
{
	struct timespec t = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};
	int r = 0;
	pthread_mutex_lock(&v->lock);
	while (v->count == 0 && !v->stop && r == 0) {
		if (due_us == INT64_MAX)
			pthread_cond_wait(&v->cond, &v->lock);
		else if (pthread_cond_timedwait(&v->cond, &v->lock, &t) != 0 && client_now_us() >= due_us)
			r = CV_ETIMEOUT;
	}
	if (v->count > 0) {
		*ret = v->ring[v->head];
		v->head = (v->head + 1) % CLIENT_VIEWER_QUEUE_MAX;
		v->count--;
		r = 0;
	} else if (v->stop) {
		r = CV_ECLOSED;
	}
	if (v->top >= 0) {
		media_pictures_set_top(v->pictures, (uint8_t)v->top);
		v->top = -1;
	}
	pthread_mutex_unlock(&v->lock);
	return r;
}

static void report(struct client_viewer *v, enum client_event_kind kind, const char *text)
{
	struct client_event e = {.kind = kind, .token = v->cfg.token};
	client_text(e.text, "%s", text);
	(void)!client_events_put(v->cfg.events, &e);
}

/* A failed recording is reported once and given up; what it holds stays. */
static void check_record(struct client_viewer *v, int r, const char *text)
{
	if (r == 0)
		return;
	(void)!client_record_close(v->record, (char[CLIENT_TEXT_MAX]){0});
	v->record = NULL;
	pthread_mutex_lock(&v->lock);
	v->st.recording = false;
	pthread_mutex_unlock(&v->lock);
	report(v, CLIENT_EVENT_ERROR, text);
}

static void count_picture(struct client_viewer *v, const struct media_picture *p, const struct client_raw_picture *raw,
			  int64_t before_us, int64_t now_us)
{
	struct media_pictures_stats ps;
	media_pictures_stats(v->pictures, &ps);
	if (raw->height > v->full_height)
		v->full_height = raw->height;
	if (!v->first_picture_us)
		v->first_picture_us = now_us;
	int64_t gap =
		v->last_picture_us && now_us - v->first_picture_us > GAP_AFTER_US ? now_us - v->last_picture_us : 0;
	v->last_picture_us = now_us;
	pthread_mutex_lock(&v->lock);
	struct client_stream_stats *st = &v->st.picture;
	st->frames++;
	st->full += p->full && raw->height == v->full_height;
	st->width = raw->width;
	st->height = raw->height;
	if (gap > st->gap_max_us)
		st->gap_max_us = gap;
	uint64_t span = st->last - st->first + 1;
	st->lost = span > st->frames ? span - st->frames : 0;
	client_times_add(&v->picture_decode, now_us - before_us);
	client_times_add(&v->picture_delay, now_us - p->capture_us);
	if (v->record)
		v->st.recorded_bytes = client_record_bytes(v->record);
	pthread_mutex_unlock(&v->lock);
}

static void show_picture(struct client_viewer *v, struct media_picture *p)
{
	struct client_raw_picture raw;
	char text[CLIENT_TEXT_MAX] = "";
	int64_t before = client_now_us();
	if (client_vp9_decode(v->vp9, p->data, p->len, &raw) < 0) {
		media_pictures_broken(v->pictures);
		return;
	}
	int64_t now = client_now_us();
	if (v->cfg.on_picture)
		v->cfg.on_picture(v->cfg.ctx, &raw, p->frame);
	count_picture(v, p, &raw, before, now);
	if (v->record)
		check_record(v, client_record_picture(v->record, p, now, text), text);
}

static void take_unit(struct client_viewer *v, struct waiting *w)
{
	char text[CLIENT_TEXT_MAX] = "";
	/* Late, doubled or malformed units are counted where they are refused and otherwise no event. */
	if (w->unit.kind == MEDIA_PICTURE) {
		(void)!media_pictures_push(v->pictures, &w->unit, w->arrival_us);
	} else if (media_jitter_push(v->jitter, &w->unit, w->arrival_us) == 0) {
		if (!v->tick_us)
			v->tick_us = w->arrival_us;
		if (v->record)
			check_record(v, client_record_voice(v->record, &w->unit, w->arrival_us, text), text);
	}
	cv_free((void *)w->unit.data);
}

static void play_voice(struct client_viewer *v)
{
	struct media_jitter_frame f;
	struct media_jitter_stats js;
	int16_t samples[MEDIA_VOICE_SAMPLES];
	int64_t before = client_now_us();
	enum media_jitter_action action = media_jitter_pop(v->jitter, before, &f);
	media_jitter_stats(v->jitter, &js);
	if (action == MEDIA_JITTER_WAIT)
		return;
	bool play = action == MEDIA_JITTER_PLAY;
	if (client_voice_decode(v->opus, play ? f.data : NULL, play ? f.len : 0, samples) < 0)
		memset(samples, 0, sizeof(samples));
	int64_t now = client_now_us();
	if (v->cfg.on_voice)
		v->cfg.on_voice(v->cfg.ctx, samples);
	pthread_mutex_lock(&v->lock);
	v->st.voice.frames += play;
	v->st.voice.lost = js.concealed;
	v->st.voice.jitter_us = js.jitter_us;
	client_times_add(&v->voice_decode, now - before);
	if (play)
		client_times_add(&v->voice_delay, now - f.capture_us);
	pthread_mutex_unlock(&v->lock);
}

static void *viewer_run(void *arg)
{
	struct client_viewer *v = arg;
	for (;;) {
		struct waiting w;
		struct media_picture p;
		int64_t due = media_pictures_deadline(v->pictures);
		if (v->tick_us && v->tick_us < due)
			due = v->tick_us;
		int r = next_unit(v, due, &w);
		if (r == CV_ECLOSED)
			break;
		if (r == 0)
			take_unit(v, &w);
		int64_t now = client_now_us();
		/* After a hold-up of the thread, layers that have come in time are not taken for late. */
		int64_t came = r == 0 ? w.arrival_us : now;
		while (media_pictures_pop(v->pictures, came, &p) == 0) {
			show_picture(v, &p);
			media_picture_done(&p);
		}
		now = client_now_us();
		if (media_pictures_key_wanted(v->pictures, now))
			report(v, CLIENT_EVENT_KEY_WANTED, "");
		/* After a hold-up of the thread the missed ticks are made up for at once. */
		for (; v->tick_us && v->tick_us <= now; v->tick_us += MEDIA_VOICE_US)
			play_voice(v);
	}
	return NULL;
}

int client_viewer_new(const struct client_viewer_config *cfg, char ret_text[CLIENT_TEXT_MAX],
		      struct client_viewer **ret)
{
	pthread_condattr_t attr;
	struct client_viewer *v = cv_calloc(1, sizeof(*v));
	client_text(ret_text, "out of memory");
	if (!v)
		return CV_ENOMEM;
	v->cfg = *cfg;
	v->top = -1;
	pthread_mutex_init(&v->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&v->cond, &attr);
	pthread_condattr_destroy(&attr);
	int r = media_pictures_new(&v->pictures);
	if (r == 0)
		r = media_jitter_new(&v->jitter);
	if (r == 0)
		r = client_vp9_decoder_new(&v->vp9);
	if (r == 0)
		r = client_voice_decoder_new(&v->opus);
	if (r == 0 && cfg->record)
		r = client_record_open(cfg->record, ret_text, &v->record);
	v->cfg.record = NULL; /* the caller's string is not kept */
	v->st.recording = v->record != NULL;
	if (r == 0 && pthread_create(&v->thread, NULL, viewer_run, v) != 0) {
		client_text(ret_text, "no thread for the viewer");
		r = CV_EIO;
	}
	if (r < 0) {
		client_viewer_free(v);
		return r;
	}
	v->running = true;
	*ret = v;
	return 0;
}

void client_viewer_free(struct client_viewer *v)
{
	char text[CLIENT_TEXT_MAX] = "";
	if (!v)
		return;
	pthread_mutex_lock(&v->lock);
	v->stop = true;
	pthread_cond_signal(&v->cond);
	pthread_mutex_unlock(&v->lock);
	if (v->running)
		pthread_join(v->thread, NULL);
	if (v->record && client_record_close(v->record, text) < 0)
		report(v, CLIENT_EVENT_ERROR, text);
	client_vp9_decoder_free(v->vp9);
	client_voice_decoder_free(v->opus);
	media_jitter_free(v->jitter);
	media_pictures_free(v->pictures);
	pthread_cond_destroy(&v->cond);
	pthread_mutex_destroy(&v->lock);
	cv_free(v);
}

void client_viewer_set_top(struct client_viewer *v, uint8_t sid)
{
	pthread_mutex_lock(&v->lock);
	v->top = sid;
	pthread_mutex_unlock(&v->lock);
}

void client_viewer_stats(struct client_viewer *v, struct client_viewer_stats *ret)
{
	pthread_mutex_lock(&v->lock);
	*ret = v->st;
	ret->picture.decode_p50_us = client_times_quantile(&v->picture_decode, 500);
	ret->picture.decode_p99_us = client_times_quantile(&v->picture_decode, 990);
	ret->picture.delay_p50_us = client_times_quantile(&v->picture_delay, 500);
	ret->picture.delay_p99_us = client_times_quantile(&v->picture_delay, 990);
	ret->voice.decode_p50_us = client_times_quantile(&v->voice_decode, 500);
	ret->voice.decode_p99_us = client_times_quantile(&v->voice_decode, 990);
	ret->voice.delay_p50_us = client_times_quantile(&v->voice_delay, 500);
	ret->voice.delay_p99_us = client_times_quantile(&v->voice_delay, 990);
	pthread_mutex_unlock(&v->lock);
}
