/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <base/alloc.h>
#include <gst/sender.h>
#include <gst/voice.h>
#include <gst/vp9.h>

#include "internal.h"

#define LATE_MIN_US  50000   /* pictures later than this are not encoded any more, slow sources aside */
#define REBASE_US    1000000 /* after a pause of the whole program (sleep, debugger) time goes on from here */
#define SKIP_MAX     5       /* pictures left out in a row at most: a slow machine shows few, not none */
#define EVENTS_BUSY  (CLIENT_EVENTS_MAX / 4)
#define KEY_PAUSE_US 300000 /* requests for key pictures within this time are one */
#define TOP_ALL      MEDIA_SPATIAL_MAX

/* What camera and microphone have in common: a thread, a source, orders from the program, figures for it. */
struct sender {
	struct client_source *source;
	struct client_events *events;
	struct client_pause *pause;
	uint32_t token;
	FILE *log;
	pthread_t thread;
	bool running;
	int64_t start_us;

	pthread_mutex_t lock; /* protects what follows */
	bool muted, want_key;
	int want_sync; /* 0: none */
	int top;       /* -1: nobody watches */
	uint32_t bitrate;
	struct client_sender_stats st;
	struct client_times times;
};

struct client_camera {
	struct sender s;
	struct client_vp9_encoder *encoder;
	unsigned fps;
	unsigned skipped; /* pictures in a row */
	bool idle;        /* muted or unwatched: the next picture is a key picture */
	int64_t key_us;   /* of the last key picture */
};

struct client_microphone {
	struct sender s;
	struct client_voice_encoder *encoder;
	uint32_t frame;
	uint64_t read; /* frames read from the source */
};

static void sender_done(struct sender *s)
{
	if (s->pause)
		client_pause_stop(s->pause);
	if (s->source)
		client_source_interrupt(s->source);
	if (s->running)
		pthread_join(s->thread, NULL);
	client_source_close(s->source);
	client_pause_free(s->pause);
	if (s->log)
		fclose(s->log);
	pthread_mutex_destroy(&s->lock);
}

static int sender_init(struct sender *s, enum client_source_kind kind, const struct client_sender_config *cfg,
		       char ret_text[CLIENT_TEXT_MAX])
{
	pthread_mutex_init(&s->lock, NULL);
	s->events = cfg->events;
	s->token = cfg->token;
	s->bitrate = cfg->bitrate;
	s->top = TOP_ALL;
	if (cfg->log && !(s->log = fopen(cfg->log, "we"))) {
		client_text(ret_text, "%s: %s", cfg->log, strerror(errno));
		return CV_EIO;
	}
	int r = client_pause_new(&s->pause);
	if (r < 0) {
		client_text(ret_text, "out of memory");
		return r;
	}
	return client_source_open(kind, cfg->spec, cfg->loop, ret_text, &s->source);
}

static int sender_start(struct sender *s, int64_t start_us, void *(*run)(void *), void *arg)
{
	if (s->running)
		return CV_ESTATE;
	s->start_us = start_us;
	if (pthread_create(&s->thread, NULL, run, arg) != 0)
		return CV_EIO;
	s->running = true;
	return 0;
}

/* Tells the program how reading ended: nothing when it was interrupted. */
static void sender_report(struct sender *s, int err, const char *text)
{
	struct client_event e = {.token = s->token};
	if (err == CV_ECLOSED || client_pause_stopped(s->pause))
		return;
	e.kind = err == CV_ENOTFOUND ? CLIENT_EVENT_END : CLIENT_EVENT_ERROR;
	if (err != CV_ENOTFOUND)
		client_text(e.text, "%s", text[0] ? text : cv_strerror(err));
	(void)!client_events_put(s->events, &e);
}

static int put_unit(struct sender *s, const struct media_unit *u)
{
	struct client_event e = {.kind = CLIENT_EVENT_UNIT, .token = s->token, .unit = *u};
	return client_events_put(s->events, &e);
}

static void sender_count(struct sender *s, size_t bytes, int64_t took_us)
{
	pthread_mutex_lock(&s->lock);
	s->st.frames++;
	s->st.bytes += bytes;
	client_times_add(&s->times, took_us);
	pthread_mutex_unlock(&s->lock);
}

static void sender_skip(struct sender *s)
{
	pthread_mutex_lock(&s->lock);
	s->st.skipped++;
	pthread_mutex_unlock(&s->lock);
}

static void sender_stats(struct sender *s, struct client_sender_stats *ret)
{
	pthread_mutex_lock(&s->lock);
	*ret = s->st;
	ret->encode_p50_us = client_times_quantile(&s->times, 500);
	ret->encode_p99_us = client_times_quantile(&s->times, 990);
	pthread_mutex_unlock(&s->lock);
}

static void sender_mute(struct sender *s, bool muted)
{
	pthread_mutex_lock(&s->lock);
	s->muted = muted;
	pthread_mutex_unlock(&s->lock);
}

/* Waits until the piece of the source with this time is due; ret_capture_us is its capture time. False: stop. */
static bool sender_wait(struct sender *s, int64_t time_us, int64_t *ret_capture_us)
{
	if (client_source_is_device(s->source)) {
		*ret_capture_us = time_us;
		return !client_pause_stopped(s->pause);
	}
	if (!client_pause_until(s->pause, s->start_us + time_us))
		return false;
	int64_t late = client_now_us() - (s->start_us + time_us);
	if (late > REBASE_US)
		s->start_us += late;
	*ret_capture_us = s->start_us + time_us;
	return true;
}

/* Carries out the program's orders; false: this picture is not to be sent. */
static bool camera_orders(struct client_camera *c, int64_t now_us)
{
	struct sender *s = &c->s;
	pthread_mutex_lock(&s->lock);
	bool off = s->muted || s->top < 0;
	bool key = s->want_key && now_us - c->key_us >= KEY_PAUSE_US;
	int sync = s->want_sync, top = s->top;
	uint32_t bitrate = s->bitrate;
	if (!off && key)
		s->want_key = false;
	if (!off)
		s->want_sync = 0;
	pthread_mutex_unlock(&s->lock);
	if (off) {
		c->idle = true;
		return false;
	}
	/* An encoder that refuses a new rate goes on with the old one. */
	if (bitrate)
		(void)!client_vp9_encoder_set_bitrate(c->encoder, bitrate);
	(void)!client_vp9_encoder_set_top(c->encoder, (uint8_t)top);
	if (sync)
		client_vp9_encoder_sync(c->encoder, (uint8_t)sync);
	if (key || c->idle) {
		client_vp9_encoder_key(c->encoder);
		c->key_us = now_us;
	}
	c->idle = false;
	return true;
}

static void camera_log(struct client_camera *c, const struct client_raw_picture *pic, const struct media_unit *u)
{
	if (c->s.log)
		fprintf(c->s.log,
			"{\"kind\":\"picture\",\"frame\":%u,\"index\":%llu,\"round\":%llu,\"capture_us\":%lld,"
			"\"width\":%u,\"height\":%u}\n",
			u->frame, (unsigned long long)pic->index, (unsigned long long)pic->round,
			(long long)u->capture_us, pic->width, pic->height);
}

static int camera_send(struct client_camera *c, const struct client_raw_picture *pic, int64_t capture_us)
{
	struct media_unit unit[MEDIA_SPATIAL_MAX];
	unsigned count = 0;
	size_t bytes = 0;
	int64_t before = client_now_us();
	int r = client_vp9_encode(c->encoder, pic, capture_us, unit, &count);
	if (r < 0 || count == 0)
		return r;
	int64_t took = client_now_us() - before;
	camera_log(c, pic, &unit[0]);
	for (unsigned i = 0; i < count; i++) {
		if (put_unit(&c->s, &unit[i]) < 0)
			client_vp9_encoder_key(c->encoder);
		bytes += unit[i].len;
	}
	pthread_mutex_lock(&c->s.lock);
	c->s.st.layers = (uint8_t)count;
	pthread_mutex_unlock(&c->s.lock);
	sender_count(&c->s, bytes, took);
	return 0;
}

/* After one and a half intervals the next picture is there, and is worth more. */
static int64_t late_us(const struct client_camera *c)
{
	int64_t interval = 1500000 / c->fps;
	return interval > LATE_MIN_US ? interval : LATE_MIN_US;
}

static void *camera_run(void *arg)
{
	struct client_camera *c = arg;
	struct client_raw_picture pic;
	char text[CLIENT_TEXT_MAX] = "";
	int64_t capture_us;
	int r;
	while ((r = client_source_picture(c->s.source, text, &pic)) == 0) {
		if (!sender_wait(&c->s, pic.time_us, &capture_us))
			break;
		int64_t now = client_now_us();
		if (!camera_orders(c, now))
			continue;
		/* Behind, or the program is: leave out whole pictures before they cost anything. */
		bool late = now - capture_us > late_us(c) && c->skipped < SKIP_MAX;
		if (late || client_events_depth(c->s.events) > EVENTS_BUSY) {
			c->skipped++;
			sender_skip(&c->s);
			continue;
		}
		c->skipped = 0;
		r = camera_send(c, &pic, capture_us);
		if (r < 0)
			break;
	}
	if (r < 0)
		sender_report(&c->s, r, text);
	return NULL;
}

int client_camera_open(const struct client_sender_config *cfg, char ret_text[CLIENT_TEXT_MAX],
		       struct client_camera **ret)
{
	struct client_camera *c = cv_calloc(1, sizeof(*c));
	if (!c) {
		client_text(ret_text, "out of memory");
		return CV_ENOMEM;
	}
	struct client_vp9_config vp9 = {.bitrate = cfg->bitrate};
	int r = sender_init(&c->s, CLIENT_SOURCE_PICTURE, cfg, ret_text);
	if (r < 0)
		goto out;
	client_source_format(c->s.source, &vp9.width, &vp9.height, &vp9.fps);
	c->fps = vp9.fps;
	c->idle = true;
	r = client_vp9_encoder_new(&vp9, &c->encoder);
	if (r < 0) {
		client_text(ret_text, "%s: no encoder for %ux%u", cfg->spec, vp9.width, vp9.height);
		goto out;
	}
	c->s.st.width = vp9.width;
	c->s.st.height = vp9.height;
	c->s.st.layers = client_vp9_encoder_layers(c->encoder);
	*ret = c;
	return 0;
out:
	client_camera_close(c);
	return r;
}

int client_camera_start(struct client_camera *c, int64_t start_us)
{
	return sender_start(&c->s, start_us, camera_run, c);
}

void client_camera_close(struct client_camera *c)
{
	if (!c)
		return;
	sender_done(&c->s);
	client_vp9_encoder_free(c->encoder);
	cv_free(c);
}

void client_camera_request_key(struct client_camera *c)
{
	pthread_mutex_lock(&c->s.lock);
	c->s.want_key = true;
	pthread_mutex_unlock(&c->s.lock);
}

void client_camera_request_sync(struct client_camera *c, uint8_t sid)
{
	if (sid == 0) {
		client_camera_request_key(c);
		return;
	}
	pthread_mutex_lock(&c->s.lock);
	if (c->s.want_sync == 0 || sid < c->s.want_sync)
		c->s.want_sync = sid;
	pthread_mutex_unlock(&c->s.lock);
}

void client_camera_set_top(struct client_camera *c, int sid)
{
	pthread_mutex_lock(&c->s.lock);
	c->s.top = sid < 0 ? -1 : sid > TOP_ALL ? TOP_ALL : sid;
	pthread_mutex_unlock(&c->s.lock);
}

void client_camera_set_bitrate(struct client_camera *c, uint32_t bps)
{
	pthread_mutex_lock(&c->s.lock);
	c->s.bitrate = bps;
	pthread_mutex_unlock(&c->s.lock);
}

void client_camera_mute(struct client_camera *c, bool muted)
{
	sender_mute(&c->s, muted);
}

void client_camera_stats(struct client_camera *c, struct client_sender_stats *ret)
{
	sender_stats(&c->s, ret);
}

static int microphone_send(struct client_microphone *m, const int16_t *samples, int64_t capture_us)
{
	uint8_t data[CLIENT_VOICE_BYTES];
	int64_t before = client_now_us();
	int r = client_voice_encode(m->encoder, samples, data);
	if (r < 0)
		return r;
	int64_t took = client_now_us() - before;
	struct media_unit u = {.kind = MEDIA_VOICE,
			       .frame = m->frame++,
			       .key = true,
			       .end_of_picture = true,
			       .level = media_level(samples, MEDIA_VOICE_SAMPLES),
			       .capture_us = capture_us,
			       .data = data,
			       .len = sizeof(data)};
	if (m->s.log)
		fprintf(m->s.log, "{\"kind\":\"voice\",\"frame\":%u,\"sample\":%llu,\"capture_us\":%lld}\n", u.frame,
			(unsigned long long)m->read * MEDIA_VOICE_SAMPLES, (long long)capture_us);
	if (put_unit(&m->s, &u) < 0)
		sender_skip(&m->s);
	else
		sender_count(&m->s, sizeof(data), took);
	return 0;
}

static void *microphone_run(void *arg)
{
	struct client_microphone *m = arg;
	int16_t samples[MEDIA_VOICE_SAMPLES];
	char text[CLIENT_TEXT_MAX] = "";
	int64_t time_us, capture_us;
	int r;
	while ((r = client_source_voice(m->s.source, text, samples, &time_us)) == 0) {
		if (!sender_wait(&m->s, time_us, &capture_us))
			break;
		pthread_mutex_lock(&m->s.lock);
		bool muted = m->s.muted;
		pthread_mutex_unlock(&m->s.lock);
		if (!muted)
			r = microphone_send(m, samples, capture_us);
		m->read++;
		if (r < 0)
			break;
	}
	if (r < 0)
		sender_report(&m->s, r, text);
	return NULL;
}

int client_microphone_open(const struct client_sender_config *cfg, char ret_text[CLIENT_TEXT_MAX],
			   struct client_microphone **ret)
{
	struct client_microphone *m = cv_calloc(1, sizeof(*m));
	if (!m) {
		client_text(ret_text, "out of memory");
		return CV_ENOMEM;
	}
	int r = sender_init(&m->s, CLIENT_SOURCE_VOICE, cfg, ret_text);
	if (r == 0) {
		r = client_voice_encoder_new(&m->encoder);
		if (r < 0)
			client_text(ret_text, "no voice encoder");
	}
	if (r < 0) {
		client_microphone_close(m);
		return r;
	}
	*ret = m;
	return 0;
}

int client_microphone_start(struct client_microphone *m, int64_t start_us)
{
	return sender_start(&m->s, start_us, microphone_run, m);
}

void client_microphone_close(struct client_microphone *m)
{
	if (!m)
		return;
	sender_done(&m->s);
	client_voice_encoder_free(m->encoder);
	cv_free(m);
}

void client_microphone_mute(struct client_microphone *m, bool muted)
{
	sender_mute(&m->s, muted);
}

void client_microphone_stats(struct client_microphone *m, struct client_sender_stats *ret)
{
	sender_stats(&m->s, ret);
}
