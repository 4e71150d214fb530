/* SPDX-License-Identifier: Apache-2.0 */
/* The viewer and its recording fed with made-up pictures and voice: no files, no GStreamer, threads only. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/time.h>
#include <gst/viewer.h>
#include <gst/voice.h>
#include <gst/vp9.h>

static char dir[3000];

/*
 * The clock of the code under test (linked with --wrap): it goes on from picture to picture, so that a machine that is
 * held up for a while makes no layer late.
 */
static _Atomic int64_t clock_us;

int64_t __wrap_client_now_us(void);
int64_t __wrap_client_now_us(void)
{
	return clock_us;
}

struct sender {
	struct client_viewer *viewer;
	struct client_vp9_encoder *camera;
	struct client_voice_encoder *microphone;
	unsigned width, height;
	uint32_t voice;
	int64_t start_us;
};

static void camera(struct sender *s, unsigned width, unsigned height)
{
	struct client_vp9_config cfg = {.width = width, .height = height, .fps = 30};
	client_vp9_encoder_free(s->camera);
	assert_int_equal(client_vp9_encoder_new(&cfg, &s->camera), 0);
	s->width = width;
	s->height = height;
}

/* Sends pictures with their layers 0..top; `base` is added to the numbers (a new encoder begins at 0). */
static void send_pictures(struct sender *s, unsigned from, unsigned count, unsigned top, uint32_t base)
{
	size_t luma = (size_t)s->width * s->height;
	uint8_t *planes = malloc(luma * 3 / 2);
	assert_non_null(planes);
	memset(planes, 128, luma * 3 / 2);
	for (unsigned n = from; n < from + count; n++) {
		struct media_unit u[MEDIA_SPATIAL_MAX];
		unsigned units;
		clock_us = s->start_us + n * 33333;
		for (size_t i = 0; i < luma; i++)
			planes[i] = (uint8_t)(i % s->width + n * 2);
		struct client_raw_picture pic = {.width = s->width,
						 .height = s->height,
						 .plane = {planes, planes + luma, planes + luma * 5 / 4},
						 .stride = {(int)s->width, (int)s->width / 2, (int)s->width / 2}};
		assert_int_equal(client_vp9_encode(s->camera, &pic, s->start_us + n * 33333, u, &units), 0);
		for (unsigned i = 0; i < units && i <= top; i++) {
			u[i].frame += base;
			int r;
			while ((r = client_viewer_push(s->viewer, &u[i])) == CV_ELIMIT)
				usleep(1000);
			assert_int_equal(r, 0);
		}
	}
	free(planes);
}

static void send_voice(struct sender *s, unsigned count)
{
	int16_t samples[MEDIA_VOICE_SAMPLES];
	uint8_t data[CLIENT_VOICE_BYTES];
	for (unsigned n = 0; n < count; n++, s->voice++) {
		for (unsigned i = 0; i < MEDIA_VOICE_SAMPLES; i++)
			samples[i] = (int16_t)((i * (s->voice + 1) * 40) % 20000);
		assert_int_equal(client_voice_encode(s->microphone, samples, data), 0);
		struct media_unit u = {.kind = MEDIA_VOICE,
				       .frame = s->voice,
				       .key = true,
				       .capture_us = s->start_us + (int64_t)s->voice * MEDIA_VOICE_US,
				       .data = data,
				       .len = sizeof(data)};
		int r;
		while ((r = client_viewer_push(s->viewer, &u)) == CV_ELIMIT)
			usleep(1000);
		assert_int_equal(r, 0);
	}
}

static struct client_events *begin(struct sender *s, const char *name)
{
	struct client_events *q;
	char text[CLIENT_TEXT_MAX], path[4096];
	memset(s, 0, sizeof(*s));
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(client_events_new(&q), 0);
	struct client_viewer_config cfg = {.record = path, .events = q, .token = 5};
	assert_int_equal(client_viewer_new(&cfg, text, &s->viewer), 0);
	assert_int_equal(client_voice_encoder_new(&s->microphone), 0);
	clock_us = cv_now_us();
	s->start_us = clock_us;
	return q;
}

/* Ends everything; no error may have come. */
static void end(struct sender *s, struct client_events *q)
{
	struct client_event e;
	client_viewer_free(s->viewer);
	while (client_events_next(q, &e) == 0) {
		assert_int_not_equal(e.kind, CLIENT_EVENT_ERROR);
		client_event_done(&e);
	}
	client_events_free(q);
	client_vp9_encoder_free(s->camera);
	client_voice_encoder_free(s->microphone);
}

/* Lines of a kind and part in the recording's list. */
static unsigned listed(const char *name, const char *kind, unsigned part)
{
	char path[4096], line[512], a[64], b[64];
	unsigned n = 0;
	snprintf(path, sizeof(path), "%s/%s.frames.jsonl", dir, name);
	snprintf(a, sizeof(a), "\"kind\":\"%s\"", kind);
	snprintf(b, sizeof(b), "\"part\":%u,", part);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += strstr(line, a) && strstr(line, b);
	fclose(f);
	return n;
}

static bool exists(const char *name)
{
	char path[4096];
	struct stat sb;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return stat(path, &sb) == 0 && sb.st_size > 1000;
}

static void *voice_thread(void *arg)
{
	send_voice(arg, 100);
	return NULL;
}

static void test_two_threads_feed_a_third(void **state)
{
	struct sender s;
	struct client_viewer_stats st;
	pthread_t t;
	struct client_events *q = begin(&s, "threads");
	camera(&s, 320, 180);
	assert_int_equal(pthread_create(&t, NULL, voice_thread, &s), 0);
	send_pictures(&s, 0, 60, 2, 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	do {
		client_viewer_stats(s.viewer, &st);
		usleep(1000);
	} while (st.picture.frames < 60);
	assert_int_equal(st.picture.full, 60);
	assert_int_equal(st.picture.units, 120);
	assert_int_equal(st.voice.units, 100);
	assert_true(st.recording);
	end(&s, q);
	assert_int_equal(listed("threads", "picture", 1), 60);
	assert_int_equal(listed("threads", "voice", 1), 100);
	assert_false(exists("threads-2.webm"));
}

static void test_dropped_layers_keep_the_size(void **state)
{
	struct sender s;
	struct client_events *q = begin(&s, "layers");
	camera(&s, 640, 360);
	send_pictures(&s, 0, 10, 2, 0);
	client_viewer_set_top(s.viewer, 0);
	send_pictures(&s, 10, 10, 0, 0);
	end(&s, q);
	/* The last full picture is repeated while only the lowest layer comes. */
	assert_int_equal(listed("layers", "picture", 1), 20);
	assert_false(exists("layers-2.webm"));
}

/* A key picture that came without its upper layers shows nothing, nor does what builds on it: the file omits both. */
static void test_lower_key_pictures_show_nothing(void **state)
{
	struct sender s;
	struct client_events *q = begin(&s, "lower");
	camera(&s, 640, 360);
	send_pictures(&s, 0, 10, 2, 0);
	camera(&s, 640, 360);
	client_viewer_set_top(s.viewer, 0);
	send_pictures(&s, 10, 8, 0, 10);
	camera(&s, 640, 360);
	client_viewer_set_top(s.viewer, 2);
	send_pictures(&s, 18, 9, 2, 18);
	end(&s, q);
	assert_int_equal(listed("lower", "picture", 1), 19);
	assert_false(exists("lower-2.webm"));
}

static void test_another_camera_is_another_file(void **state)
{
	struct sender s;
	struct client_events *q = begin(&s, "cameras");
	camera(&s, 320, 180);
	send_pictures(&s, 0, 10, 2, 0);
	camera(&s, 640, 360);
	send_pictures(&s, 10, 12, 2, 10);
	end(&s, q);
	assert_int_equal(listed("cameras", "picture", 1), 10);
	assert_int_equal(listed("cameras", "picture", 2), 12);
	assert_true(exists("cameras.webm"));
	assert_true(exists("cameras-2.webm"));
}

static void test_camera_that_comes_later(void **state)
{
	struct sender s;
	struct client_events *q = begin(&s, "later");
	send_voice(&s, 300);
	camera(&s, 320, 180);
	send_pictures(&s, 180, 10, 2, 0);
	send_voice(&s, 20);
	end(&s, q);
	/* The first file has no room for pictures: its list of tracks was written. */
	assert_true(listed("later", "voice", 1) >= 300);
	assert_int_equal(listed("later", "picture", 2), 10);
	assert_true(exists("later-2.webm"));
}

static void test_wild_times_are_tamed(void **state)
{
	static const int64_t wild[] = {0, INT64_MAX, INT64_MIN, -1, 1, INT64_MAX / 2};
	struct sender s;
	struct client_events *q = begin(&s, "times");
	camera(&s, 320, 180);
	for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		uint8_t data[CLIENT_VOICE_BYTES];
		int16_t silence[MEDIA_VOICE_SAMPLES] = {0};
		assert_int_equal(client_voice_encode(s.microphone, silence, data), 0);
		struct media_unit u = {
			.kind = MEDIA_VOICE, .frame = i, .capture_us = wild[i], .data = data, .len = sizeof(data)};
		assert_int_equal(client_viewer_push(s.viewer, &u), 0);
	}
	send_pictures(&s, 0, 5, 2, 0);
	end(&s, q);
	assert_int_equal(listed("times", "voice", 1) + listed("times", "voice", 2), 6);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_threads_feed_a_third),
		cmocka_unit_test(test_dropped_layers_keep_the_size),
		cmocka_unit_test(test_lower_key_pictures_show_nothing),
		cmocka_unit_test(test_another_camera_is_another_file),
		cmocka_unit_test(test_camera_that_comes_later),
		cmocka_unit_test(test_wild_times_are_tamed),
	};
	if (argc < 2)
		return 2;
	snprintf(dir, sizeof(dir), "%s", argv[1]);
	mkdir(dir, 0700);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
