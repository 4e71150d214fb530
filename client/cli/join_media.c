/* SPDX-License-Identifier: Apache-2.0 */
/* Camera, microphone and the viewers of the others, between client/gst and the meeting. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <base/alloc.h>
#include <base/time.h>

#include "join.h"

#define PATH_ROOM      4096
#define BATCH          64     /* events of the media threads per turn of the loop */
#define RECORDINGS_MAX 100000 /* of one person in one folder */

/* ---- sending */

static bool wants(const char *spec)
{
	return spec != NULL && strcmp(spec, "none") != 0;
}

static void send_unit(struct join *j, uint32_t token, const struct media_unit *u)
{
	struct proto_media_header h = {
		.stream = token == TOKEN_CAMERA ? PROTO_STREAM_CAMERA : PROTO_STREAM_VOICE,
		.frame = u->frame,
		.layer = (uint8_t)(u->sid << 4 | u->tid),
		.level = token == TOKEN_CAMERA ? 0 : u->level,
	};

	if (!j->joined || j->over)
		return;
	if (u->key)
		h.flags |= PROTO_MEDIA_KEY;
	if (u->layer_sync)
		h.flags |= PROTO_MEDIA_LAYER_SYNC;
	if (u->end_of_picture)
		h.flags |= PROTO_MEDIA_PICTURE_END;
	/* A unit that does not get out is gone; the receivers ask for a key picture when they need one. */
	if (client_meeting_send(j->meeting, &h, u->capture_us, (struct cv_span){u->data, u->len}) != 0)
		return;
	if (token == TOKEN_CAMERA) {
		j->camera_units += u->end_of_picture;
		j->camera_bytes += u->len;
	} else {
		j->voice_units++;
		j->voice_bytes += u->len;
	}
}

static void on_media_event(struct join *j, const struct client_event *e)
{
	const char *stream = e->token == TOKEN_CAMERA ? "camera" : "voice";

	switch (e->kind) {
	case CLIENT_EVENT_UNIT: send_unit(j, e->token, &e->unit); break;
	case CLIENT_EVENT_END:
		cli_event(j->cli, "source-ended", json_pack("{s:s}", "stream", stream));
		join_line(j, "The %s file is at its end.", stream);
		break;
	case CLIENT_EVENT_ERROR: join_local_error(j, e->text); break;
	case CLIENT_EVENT_KEY_WANTED:
		if (e->token >= TOKEN_VIEWER)
			client_meeting_want_key(j->meeting, e->token - TOKEN_VIEWER, PROTO_STREAM_CAMERA, 0);
		break;
	}
}

static void on_events(void *arg, unsigned events)
{
	struct join *j = arg;
	struct client_event e;

	for (int i = 0; i < BATCH && client_events_next(j->events, &e) == 0; i++) {
		if (j->meeting != NULL)
			on_media_event(j, &e);
		client_event_done(&e);
	}
}

static bool failed(struct join *j, int r, const char *text)
{
	client_fail(&j->cli->err, r, CLIENT_USAGE, "%s", text[0] != '\0' ? text : cv_strerror(r));
	return false;
}

static bool open_sources(struct join *j)
{
	char text[CLIENT_TEXT_MAX] = "", log[PATH_ROOM];
	struct client_sender_config cfg = {.loop = j->o.loop, .events = j->events};
	int r = 0;

	if (wants(j->o.camera)) {
		if (j->o.record != NULL &&
		    snprintf(log, sizeof(log), "%s/sent-camera.jsonl", j->o.record) < (int)sizeof(log))
			cfg.log = log;
		cfg.spec = j->o.camera;
		cfg.token = TOKEN_CAMERA;
		r = client_camera_open(&cfg, text, &j->camera);
	}
	if (r == 0 && wants(j->o.audio)) {
		if (j->o.record != NULL &&
		    snprintf(log, sizeof(log), "%s/sent-voice.jsonl", j->o.record) < (int)sizeof(log))
			cfg.log = log;
		cfg.spec = j->o.audio;
		cfg.token = TOKEN_VOICE;
		r = client_microphone_open(&cfg, text, &j->microphone);
	}
	return r == 0 || failed(j, r, text);
}

bool join_media_open(struct join *j)
{
	char text[CLIENT_TEXT_MAX] = "";
	int r = client_media_init(text);

	if (r == 0)
		r = client_events_new(&j->events);
	if (r == 0)
		r = cv_fd_add(&j->events_watch, j->loop, client_events_fd(j->events), CV_LOOP_READ, on_events, j);
	if (r != 0)
		return failed(j, r, text);
	return open_sources(j);
}

void join_media_publish(struct join *j)
{
	const struct client_group *g = client_meeting_group(j->meeting);
	uint8_t rights = g != NULL ? client_group_rights(g, client_group_leaf(g)) : 0;
	struct client_sender_stats stats = {0};

	if (g == NULL)
		return;
	if (j->camera != NULL) {
		client_camera_stats(j->camera, &stats);
		j->camera_layers = stats.layers > 0 ? stats.layers : 1;
		client_meeting_publish(j->meeting, PROTO_STREAM_CAMERA,
				       (rights & PROTO_RIGHT_CAMERA) != 0 && !j->camera_muted, j->camera_layers);
	}
	if (j->microphone != NULL)
		client_meeting_publish(j->meeting, PROTO_STREAM_VOICE,
				       (rights & PROTO_RIGHT_MICROPHONE) != 0 && !j->voice_muted, 1);
	if (!j->media_started) {
		int64_t now = client_now_us();

		j->media_started = true;
		if (j->camera != NULL && client_camera_start(j->camera, now) != 0)
			join_local_error(j, "the camera does not start");
		if (j->microphone != NULL && client_microphone_start(j->microphone, now) != 0)
			join_local_error(j, "the microphone does not start");
	}
}

void join_media_close(struct join *j)
{
	client_camera_close(j->camera);
	client_microphone_close(j->microphone);
	while (j->viewers != NULL) {
		struct viewer *v = j->viewers;

		j->viewers = v->next;
		client_viewer_free(v->media);
		cv_free(v);
	}
	cv_fd_del(&j->events_watch);
	if (j->events != NULL) {
		struct client_event e;

		/* A recording that fails at its very end is still worth a word. */
		while (client_events_next(j->events, &e) == 0) {
			if (e.kind == CLIENT_EVENT_ERROR)
				join_local_error(j, e.text);
			client_event_done(&e);
		}
	}
	client_events_free(j->events);
}

/* ---- receiving */

static bool taken(const char *base)
{
	char path[PATH_ROOM];
	struct stat st;

	return snprintf(path, sizeof(path), "%s.webm", base) < PATH_ROOM && lstat(path, &st) == 0;
}

/*
 * DIR/<e-mail>, and with _2 and so on for a second device, a second stay, or when there is an earlier recording: not
 * with -2, which is the second part of one recording.
 */
static bool record_path(struct join *j, const char *email, char path[PATH_ROOM])
{
	char name[CLIENT_FILE_NAME_MAX + 1];
	unsigned n = 0;

	if (j->o.record == NULL)
		return false;
	client_file_name(email, name);
	for (const struct viewer *v = j->viewers; v != NULL; v = v->next)
		n += strcmp(v->email, email) == 0;
	for (; n < RECORDINGS_MAX; n++) {
		int len = n == 0 ? snprintf(path, PATH_ROOM, "%s/%s", j->o.record, name)
				 : snprintf(path, PATH_ROOM, "%s/%s_%u", j->o.record, name, n + 1);

		if (len >= PATH_ROOM)
			return false;
		if (!taken(path))
			return true;
	}
	return false;
}

static struct viewer *viewer_for(struct join *j, uint32_t leaf)
{
	const struct client_member *m = client_group_member(client_meeting_group(j->meeting), leaf);
	struct client_viewer_config cfg = {.events = j->events, .token = TOKEN_VIEWER + leaf};
	char path[PATH_ROOM], text[CLIENT_TEXT_MAX] = "";
	struct viewer *v;
	int r;

	for (v = j->viewers; v != NULL; v = v->next) {
		if (v->leaf == leaf)
			return v;
	}
	if (m == NULL)
		return NULL;
	v = cv_calloc(1, sizeof(*v));
	if (v == NULL)
		return NULL;
	if (record_path(j, m->email, path))
		cfg.record = path;
	r = client_viewer_new(&cfg, text, &v->media);
	if (r != 0 && cfg.record != NULL) {
		/* Without the recording the meeting still goes on. */
		join_local_error(j, text[0] != '\0' ? text : cv_strerror(r));
		cfg.record = NULL;
		r = client_viewer_new(&cfg, text, &v->media);
	}
	if (r != 0) {
		cv_free(v);
		return NULL;
	}
	v->leaf = leaf;
	snprintf(v->email, sizeof(v->email), "%s", m->email);
	v->next = j->viewers;
	j->viewers = v;
	return v;
}

void join_on_unit(void *ctx, const struct client_unit *u)
{
	struct join *j = ctx;
	struct viewer *v = viewer_for(j, u->leaf);
	struct media_unit unit = {
		.kind = u->header.stream == PROTO_STREAM_VOICE ? MEDIA_VOICE : MEDIA_PICTURE,
		.frame = u->header.frame,
		.sid = u->header.layer >> 4,
		.tid = u->header.layer & 15,
		.key = (u->header.flags & PROTO_MEDIA_KEY) != 0,
		.layer_sync = (u->header.flags & PROTO_MEDIA_LAYER_SYNC) != 0,
		.end_of_picture = (u->header.flags & PROTO_MEDIA_PICTURE_END) != 0,
		.level = u->header.level,
		.capture_us = (int64_t)u->capture_us,
		.data = u->data.data,
		.len = u->data.len,
	};

	/* A viewer that cannot keep up drops, and asks for a key picture by itself. */
	if (v != NULL && v->media != NULL && u->header.stream != PROTO_STREAM_SCREEN)
		(void)!client_viewer_push(v->media, &unit);
}

void join_viewer_gone(struct join *j, uint32_t leaf)
{
	for (struct viewer *v = j->viewers; v != NULL; v = v->next) {
		if (v->leaf != leaf)
			continue;
		/* Kept in the list, so that a second recording of the same person gets another name. */
		client_viewer_free(v->media);
		v->media = NULL;
		v->leaf = UINT32_MAX;
	}
}

void join_viewers_check(struct join *j)
{
	for (struct viewer *v = j->viewers; v != NULL; v = v->next) {
		const struct client_member *m = client_group_member(client_meeting_group(j->meeting), v->leaf);

		if (v->media != NULL && (m == NULL || strcmp(m->email, v->email) != 0))
			join_viewer_gone(j, v->leaf);
	}
}

/* ---- statistics */

static json_t *stream_in(const struct viewer *v, const char *name, const struct client_stream_stats *s)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:i, s:i}",
			 "direction", "in", "email", v->email, "leaf", (int)v->leaf, "stream", name, "frames",
			 (json_int_t)s->frames, "full", (json_int_t)s->full, "units", (json_int_t)s->units, "bytes",
			 (json_int_t)s->bytes, "lost", (json_int_t)s->lost, "jitter_ms", (double)s->jitter_us / 1000,
			 "delay_p50_ms", (double)s->delay_p50_us / 1000, "delay_p99_ms", (double)s->delay_p99_us / 1000,
			 "decode_p50_ms", (double)s->decode_p50_us / 1000, "decode_p99_ms",
			 (double)s->decode_p99_us / 1000, "gap_max_ms", (double)s->gap_max_us / 1000, "width",
			 (int)s->width, "height", (int)s->height);
}

static json_t *stream_out(const char *name, uint64_t frames, uint64_t bytes, const struct client_sender_stats *s)
{
	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:i, s:i, s:i}", "direction", "out", "stream", name,
			 "frames", (json_int_t)frames, "bytes", (json_int_t)bytes, "encoded", (json_int_t)s->frames,
			 "skipped", (json_int_t)s->skipped, "encode_p50_ms", (double)s->encode_p50_us / 1000,
			 "encode_p99_ms", (double)s->encode_p99_us / 1000, "width", (int)s->width, "height",
			 (int)s->height, "layers", (int)s->layers);
}

json_t *join_stats(struct join *j)
{
	json_t *streams = json_array(), *rtt;
	struct client_sender_stats out;
	struct client_meeting_stats m;

	if (j->camera != NULL) {
		client_camera_stats(j->camera, &out);
		json_array_append_new(streams, stream_out("camera", j->camera_units, j->camera_bytes, &out));
	}
	if (j->microphone != NULL) {
		client_microphone_stats(j->microphone, &out);
		json_array_append_new(streams, stream_out("voice", j->voice_units, j->voice_bytes, &out));
	}
	for (const struct viewer *v = j->viewers; v != NULL; v = v->next) {
		struct client_viewer_stats s;

		if (v->media == NULL)
			continue;
		client_viewer_stats(v->media, &s);
		if (s.picture.units > 0)
			json_array_append_new(streams, stream_in(v, "camera", &s.picture));
		if (s.voice.units > 0)
			json_array_append_new(streams, stream_in(v, "voice", &s.voice));
	}
	client_meeting_stats(j->meeting, &m);
	/* Not measured yet: null. */
	rtt = m.rtt_us >= 0 ? json_real((double)m.rtt_us / 1000) : json_null();
	return json_pack("{s:I, s:i, s:I, s:o, s:{s:I, s:I, s:I, s:o, s:I, s:I, s:I, s:I}}", "time_ms",
			 (json_int_t)cv_wall_ms(), "participants", (int)j->participants, "epoch", (json_int_t)j->epoch,
			 "streams", streams, "tunnel", "bytes_in", (json_int_t)m.bytes_in, "bytes_out",
			 (json_int_t)m.bytes_out, "units_dropped", (json_int_t)m.units_dropped, "rtt_ms", rtt,
			 "unopened", (json_int_t)m.media.unopened, "damaged", (json_int_t)m.media.damaged,
			 "without_right", (json_int_t)m.media.without_right, "held", (json_int_t)m.media.held);
}
