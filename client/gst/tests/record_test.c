/* SPDX-License-Identifier: Apache-2.0 */
/* Senders, viewers and recordings on the clips of tests/media, without a network. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <gst/sender.h>
#include <gst/viewer.h>
#include <gst/webm.h>

#include "compare.h"
#include "stage.h"

struct session {
	struct client_events *events;
	struct client_camera *camera;
	struct client_microphone *microphone;
	struct client_viewer *viewer;
	unsigned errors, ends, keys_wanted;
	char error[CLIENT_TEXT_MAX];
};

static void session_begin(struct session *s, const char *record)
{
	char text[CLIENT_TEXT_MAX] = "";
	memset(s, 0, sizeof(*s));
	assert_int_equal(client_events_new(&s->events), 0);
	struct client_sender_config camera = {.spec = stage_clip,
					      .loop = true,
					      .events = s->events,
					      .token = 1,
					      .log = stage_path("sent-camera.jsonl")};
	struct client_sender_config microphone = {.spec = stage_speech,
						  .loop = true,
						  .events = s->events,
						  .token = 2,
						  .log = stage_path("sent-voice.jsonl")};
	struct client_viewer_config viewer = {.record = record, .events = s->events, .token = 3};
	assert_int_equal(client_camera_open(&camera, text, &s->camera), 0);
	assert_int_equal(client_microphone_open(&microphone, text, &s->microphone), 0);
	assert_int_equal(client_viewer_new(&viewer, text, &s->viewer), 0);
	int64_t start = client_now_us();
	assert_int_equal(client_camera_start(s->camera, start), 0);
	assert_int_equal(client_microphone_start(s->microphone, start), 0);
	assert_int_equal(client_camera_start(s->camera, start), CV_ESTATE);
}

static void take_event(struct session *s, struct client_event *e)
{
	switch (e->kind) {
	case CLIENT_EVENT_UNIT:
		assert_true(e->token == 1 || e->token == 2);
		assert_int_equal(client_viewer_push(s->viewer, &e->unit), 0);
		break;
	case CLIENT_EVENT_ERROR:
		s->errors++;
		memcpy(s->error, e->text, sizeof(s->error));
		break;
	case CLIENT_EVENT_END: s->ends++; break;
	case CLIENT_EVENT_KEY_WANTED:
		s->keys_wanted++;
		client_camera_request_key(s->camera);
		break;
	}
	client_event_done(e);
}

/* Passes units on until the viewer decoded this many pictures (or an error came, if one is awaited). */
static void session_run(struct session *s, uint64_t pictures, bool until_error)
{
	struct client_viewer_stats st = {0};
	struct client_event e;
	while (st.picture.frames < pictures && !(until_error && s->errors)) {
		struct pollfd p = {.fd = client_events_fd(s->events), .events = POLLIN};
		assert_true(poll(&p, 1, 20000) > 0);
		while (client_events_next(s->events, &e) == 0)
			take_event(s, &e);
		client_viewer_stats(s->viewer, &st);
	}
}

static void session_end(struct session *s)
{
	struct client_event e;
	client_camera_close(s->camera);
	client_microphone_close(s->microphone);
	client_viewer_free(s->viewer);
	while (client_events_next(s->events, &e) == 0) {
		if (e.kind == CLIENT_EVENT_ERROR)
			s->errors++;
		client_event_done(&e);
	}
	client_events_free(s->events);
}

static void test_what_is_sent_is_recorded(void **state)
{
	static struct compare_options o;
	struct session s;
	struct client_viewer_stats st;
	char text[CLIENT_TEXT_MAX] = "";
	session_begin(&s, stage_path("meeting"));
	session_run(&s, 75, false);
	client_viewer_stats(s.viewer, &st);
	assert_int_equal(st.picture.width, 640);
	assert_int_equal(st.picture.height, 360);
	assert_true(st.recording);
	assert_true(st.voice.frames > 50);
	session_end(&s);
	assert_int_equal(s.errors, 0);
	memset(&o, 0, sizeof(o));
	o.camera = stage_clip;
	o.voice = stage_speech;
	o.loop = true;
	o.recordings = 1;
	o.recording[0].base = stage_path("meeting");
	assert_int_equal(compare_read_lines(stage_path("sent-camera.jsonl"), &o.sent), 0);
	assert_int_equal(compare_read_lines(stage_path("sent-voice.jsonl"), &o.sent), 0);
	assert_int_equal(compare_read_lines(stage_path("meeting.frames.jsonl"), &o.recording[0].lines), 0);
	assert_int_equal(compare_pictures(&o, text), 0);
	assert_int_equal(compare_voices(&o, text), 0);
	const struct compare_recording *r = &o.recording[0];
	assert_true(r->received >= 75);
	assert_int_equal(r->decoded, r->received);
	/* Upper layers that come after a picture's deadline, on a busy machine or at the end, leave it small. */
	assert_in_range(r->full, r->received / 2, r->received);
	assert_true(r->psnr_sum / (double)r->full > 38);
	assert_true(r->correlation > 0.95);
	assert_true(r->lag < 480);
}

static void test_mute_and_resume(void **state)
{
	struct session s;
	struct client_viewer_stats st;
	struct client_sender_stats sent, later;
	int patience = 100;
	session_begin(&s, NULL);
	session_run(&s, 10, false);
	client_camera_mute(s.camera, true);
	client_microphone_mute(s.microphone, true);
	/* What was on its way still comes, however long that takes; then nothing more. */
	do {
		client_camera_stats(s.camera, &sent);
		usleep(200000);
		client_camera_stats(s.camera, &later);
		assert_true(--patience > 0);
	} while (sent.frames != later.frames);
	client_camera_mute(s.camera, false);
	client_viewer_stats(s.viewer, &st);
	session_run(&s, st.picture.frames + 20, false);
	/* Nobody watches: nothing is sent. Somebody does again: it begins with a key picture. */
	client_camera_set_top(s.camera, -1);
	usleep(100000);
	client_camera_set_top(s.camera, 0);
	client_viewer_set_top(s.viewer, 0);
	client_viewer_stats(s.viewer, &st);
	session_run(&s, st.picture.frames + 20, false);
	client_viewer_stats(s.viewer, &st);
	assert_int_equal(st.picture.height, 90);
	session_end(&s);
	assert_int_equal(s.errors, 0);
}

/* Frames of a track, as a player finds them. */
static unsigned count_frames(const char *path, bool voice)
{
	struct compare_track *t;
	const uint8_t *data;
	size_t len;
	unsigned n = 0;
	assert_int_equal(compare_track_open(path, voice, &t), 0);
	while (compare_track_next(t, &data, &len) == 0)
		n++;
	compare_track_close(t);
	return n;
}

/*
 * Pictures come up to 90 ms after the voice of their time, across the ends of clusters too. The script that calls this
 * program looks whether every picture has kept its time.
 */
static void test_pictures_keep_their_time(void **state)
{
	static const uint8_t data[64] = {0x82, 0x49, 0x83, 0x42};
	struct client_webm *w;
	assert_int_equal(client_webm_open(stage_path("late.webm"), &w), 0);
	assert_int_equal(client_webm_set_size(w, 640, 360), 0);
	for (int64_t at = 0, picture = 0; at < 9000; at += 20) {
		assert_int_equal(client_webm_add(w, MEDIA_VOICE, at, true, data, sizeof(data)), 0);
		for (; picture + 90 <= at; picture += 40)
			assert_int_equal(
				client_webm_add(w, MEDIA_PICTURE, picture, picture % 2000 == 0, data, sizeof(data)), 0);
	}
	assert_int_equal(client_webm_close(w), 0);
}

/* A limit on the size of files stands for the full disk: writes fail in the same way. */
static void test_full_disk_keeps_what_was_written(void **state)
{
	struct session s;
	struct rlimit old, small;
	struct stat sb;
	struct client_viewer_stats st;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 250000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	session_begin(&s, stage_path("full"));
	session_run(&s, 100000, true);
	assert_int_equal(s.errors, 1);
	assert_non_null(strstr(s.error, "full.webm"));
	client_viewer_stats(s.viewer, &st);
	assert_false(st.recording);
	/* Viewing goes on. */
	session_run(&s, st.picture.frames + 15, false);
	session_end(&s);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(stat(stage_path("full.webm"), &sb), 0);
	assert_true(sb.st_size > 50000 && sb.st_size <= 250000);
	assert_true(count_frames(stage_path("full.webm"), false) > 25);
	assert_true(count_frames(stage_path("full.webm"), true) > 40);
}

static void test_recording_that_cannot_be_made(void **state)
{
	char text[CLIENT_TEXT_MAX] = "";
	struct client_events *q;
	struct client_viewer *v = NULL;
	assert_int_equal(client_events_new(&q), 0);
	struct client_viewer_config cfg = {.record = stage_path("no/such/place"), .events = q};
	assert_int_equal(client_viewer_new(&cfg, text, &v), CV_EIO);
	assert_non_null(strstr(text, "No such file or directory"));
	assert_null(v);
	client_events_free(q);
}

static void test_viewer_asks_for_a_key(void **state)
{
	static uint8_t junk[500];
	struct client_events *q;
	struct client_viewer *v;
	struct client_event e;
	char text[CLIENT_TEXT_MAX];
	assert_int_equal(client_events_new(&q), 0);
	struct client_viewer_config cfg = {.events = q, .token = 7};
	assert_int_equal(client_viewer_new(&cfg, text, &v), 0);
	for (uint32_t n = 1; n < 4; n++) {
		struct media_unit u = {.kind = MEDIA_PICTURE,
				       .frame = n,
				       .key = n == 3,
				       .end_of_picture = true,
				       .data = junk,
				       .len = sizeof(junk)};
		assert_int_equal(client_viewer_push(v, &u), 0);
	}
	struct media_unit voice = {.kind = MEDIA_VOICE, .data = junk, .len = sizeof(junk)};
	assert_int_equal(client_viewer_push(v, &voice), 0);
	struct pollfd p = {.fd = client_events_fd(q), .events = POLLIN};
	assert_true(poll(&p, 1, 20000) > 0);
	assert_int_equal(client_events_next(q, &e), 0);
	assert_int_equal(e.kind, CLIENT_EVENT_KEY_WANTED);
	assert_int_equal(e.token, 7);
	client_event_done(&e);
	client_viewer_free(v);
	client_events_free(q);
}

static void test_events_are_bounded(void **state)
{
	struct client_events *q;
	struct client_event e = {.kind = CLIENT_EVENT_UNIT, .unit = {.data = (const uint8_t *)"x", .len = 1}};
	unsigned n = 0;
	assert_int_equal(client_events_new(&q), 0);
	while (client_events_put(q, &e) == 0)
		n++;
	assert_true(n < CLIENT_EVENTS_MAX);
	e.kind = CLIENT_EVENT_ERROR;
	assert_int_equal(client_events_put(q, &e), 0);
	assert_int_equal(client_events_depth(q), n + 1);
	client_events_free(q);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_sent_is_recorded),
		cmocka_unit_test(test_mute_and_resume),
		cmocka_unit_test(test_pictures_keep_their_time),
		cmocka_unit_test(test_full_disk_keeps_what_was_written),
		cmocka_unit_test(test_recording_that_cannot_be_made),
		cmocka_unit_test(test_viewer_asks_for_a_key),
		cmocka_unit_test(test_events_are_bounded),
	};
	int r = stage_init(argc, argv);
	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
