/* SPDX-License-Identifier: Apache-2.0 */
/* Files as microphone and camera. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include <gst/source.h>

#include "compare.h"
#include "stage.h"

static void refused(enum client_source_kind kind, const char *spec, const char *says)
{
	char text[CLIENT_TEXT_MAX] = "";
	struct client_source *s = NULL;
	int r = client_source_open(kind, spec, false, text, &s);
	assert_true(r == CV_EIO || r == CV_EFORMAT);
	assert_null(s);
	assert_non_null(strstr(text, says));
	assert_null(strchr(text, '\n'));
}

static void test_unreadable_files(void **state)
{
	FILE *f = fopen(stage_path("text.webm"), "w");
	assert_non_null(f);
	fputs("this is not a film\n", f);
	fclose(f);
	f = fopen(stage_path("empty.webm"), "w");
	assert_non_null(f);
	fclose(f);
	refused(CLIENT_SOURCE_PICTURE, stage_path("missing.webm"), "no such file");
	refused(CLIENT_SOURCE_PICTURE, stage_path("text.webm"), "text.webm");
	refused(CLIENT_SOURCE_PICTURE, stage_path("empty.webm"), "empty.webm");
	refused(CLIENT_SOURCE_PICTURE, stage_path(""), stage_path(""));
	refused(CLIENT_SOURCE_PICTURE, stage_speech, "holds no picture");
	refused(CLIENT_SOURCE_VOICE, stage_clip, "holds no sound");
}

/* Unpadded rows, as containers hold them; the same pictures in a container that GStreamer reads row by row. */
static void test_raw_pictures_of_any_width(void **state)
{
	static const unsigned sizes[][2] = {{482, 270}, {484, 272}, {852, 480}, {726, 404}};
	char text[CLIENT_TEXT_MAX] = "", name[64];
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct client_source *raw, *reference;
		struct client_raw_picture p, q;
		snprintf(name, sizeof(name), "raw-%u.mkv", sizes[i][0]);
		assert_int_equal(client_source_open(CLIENT_SOURCE_PICTURE, stage_path(name), true, text, &raw), 0);
		snprintf(name, sizeof(name), "raw-%u.y4m", sizes[i][0]);
		assert_int_equal(client_source_open(CLIENT_SOURCE_PICTURE, stage_path(name), true, text, &reference),
				 0);
		/* 5 pictures each: the file begins again. */
		for (unsigned n = 0; n < 12; n++) {
			assert_int_equal(client_source_picture(raw, text, &p), 0);
			assert_int_equal(client_source_picture(reference, text, &q), 0);
			assert_true(p.width == sizes[i][0] && p.height == sizes[i][1]);
			assert_true(compare_psnr(&q, &p) >= 60);
			for (int c = 1; c < 3; c++)
				for (unsigned y = 0; y < p.height / 2; y++)
					assert_memory_equal(p.plane[c] + (size_t)y * (size_t)p.stride[c],
							    q.plane[c] + (size_t)y * (size_t)q.stride[c], p.width / 2);
		}
		uint8_t low = 255, high = 0;
		for (unsigned x = 0; x < p.width; x++) {
			low = p.plane[0][x] < low ? p.plane[0][x] : low;
			high = p.plane[0][x] > high ? p.plane[0][x] : high;
		}
		assert_true(high - low > 50);
		client_source_close(raw);
		client_source_close(reference);
	}
}

/* Pictures that hold less than their size says are refused, not shown blank. */
static void test_short_raw_pictures(void **state)
{
	char *line = g_strdup_printf("appsrc name=src format=time caps=video/x-raw,format=I420,width=482,height=270,"
				     "framerate=10/1 ! matroskamux ! filesink location=%s",
				     stage_path("short.mkv"));
	GstElement *p = gst_parse_launch(line, NULL);
	g_free(line);
	assert_non_null(p);
	GstElement *src = gst_bin_get_by_name(GST_BIN(p), "src");
	gst_element_set_state(p, GST_STATE_PLAYING);
	GstBuffer *b = gst_buffer_new_allocate(NULL, 482 * 270, NULL);
	gst_buffer_memset(b, 0, 100, 482 * 270);
	GST_BUFFER_PTS(b) = 0;
	assert_int_equal(gst_app_src_push_buffer(GST_APP_SRC(src), b), GST_FLOW_OK);
	gst_app_src_end_of_stream(GST_APP_SRC(src));
	GstBus *bus = gst_element_get_bus(p);
	GstMessage *m = gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
	assert_non_null(m);
	assert_int_equal(GST_MESSAGE_TYPE(m), GST_MESSAGE_EOS);
	gst_message_unref(m);
	gst_element_set_state(p, GST_STATE_NULL);
	gst_object_unref(bus);
	gst_object_unref(src);
	gst_object_unref(p);
	refused(CLIENT_SOURCE_PICTURE, stage_path("short.mkv"), "hold less than their size says");
}

static void test_a_cut_file_ends_or_fails(void **state)
{
	static char bytes[200000];
	char text[CLIENT_TEXT_MAX] = "";
	struct client_source *s;
	struct client_raw_picture p;
	FILE *in = fopen(stage_clip, "rb"), *out = fopen(stage_path("cut.webm"), "wb");
	assert_non_null(in);
	assert_non_null(out);
	size_t n = fread(bytes, 1, sizeof(bytes), in);
	assert_int_equal(fwrite(bytes, 1, n, out), n);
	fclose(in);
	fclose(out);
	assert_int_equal(client_source_open(CLIENT_SOURCE_PICTURE, stage_path("cut.webm"), false, text, &s), 0);
	unsigned count = 0;
	int r;
	while ((r = client_source_picture(s, text, &p)) == 0)
		count++;
	assert_true(r == CV_ENOTFOUND || r == CV_EIO);
	assert_true(count > 10);
	client_source_close(s);
}

static void test_same_pictures_every_time(void **state)
{
	char text[CLIENT_TEXT_MAX] = "";
	struct client_source *a, *b;
	struct client_raw_picture p, q;
	unsigned w, h, fps;
	assert_int_equal(client_source_open(CLIENT_SOURCE_PICTURE, stage_clip, false, text, &a), 0);
	assert_int_equal(client_source_open(CLIENT_SOURCE_PICTURE, stage_clip, true, text, &b), 0);
	client_source_format(a, &w, &h, &fps);
	assert_int_equal(w, 640);
	assert_int_equal(h, 360);
	assert_int_equal(fps, 30);
	for (unsigned n = 0; n < 60; n++) {
		assert_int_equal(client_source_picture(a, text, &p), 0);
		assert_int_equal(client_source_picture(b, text, &q), 0);
		assert_int_equal(p.index, n);
		assert_true(llabs(p.time_us - (int64_t)n * 1000000 / 30) < 2000);
		assert_true(compare_psnr(&p, &q) >= 60);
	}
	client_source_close(a);
	client_source_close(b);
}

static void test_voice_loops_in_step(void **state)
{
	char text[CLIENT_TEXT_MAX] = "";
	struct client_source *s;
	int16_t frame[MEDIA_VOICE_SAMPLES], first[MEDIA_VOICE_SAMPLES];
	int64_t t, want = 0;
	unsigned once = 0;
	assert_int_equal(client_source_open(CLIENT_SOURCE_VOICE, stage_speech, false, text, &s), 0);
	while (client_source_voice(s, text, frame, &t) == 0)
		once++;
	assert_true(once >= 540 && once <= 560);
	client_source_close(s);
	assert_int_equal(client_source_open(CLIENT_SOURCE_VOICE, stage_speech, true, text, &s), 0);
	for (unsigned n = 0; n < once * 2 + 10; n++, want += MEDIA_VOICE_US) {
		assert_int_equal(client_source_voice(s, text, frame, &t), 0);
		assert_true(t == want);
		if (n == 20)
			memcpy(first, frame, sizeof(first));
		if (n == 20 && once * MEDIA_VOICE_SAMPLES == 11 * 48000)
			assert_memory_equal(first, frame, sizeof(first));
	}
	client_source_interrupt(s);
	assert_int_equal(client_source_picture(s, text, &(struct client_raw_picture){0}), CV_ECLOSED);
	client_source_close(s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unreadable_files),         cmocka_unit_test(test_raw_pictures_of_any_width),
		cmocka_unit_test(test_short_raw_pictures),       cmocka_unit_test(test_a_cut_file_ends_or_fails),
		cmocka_unit_test(test_same_pictures_every_time), cmocka_unit_test(test_voice_loops_in_step),
	};
	int r = stage_init(argc, argv);
	return r ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
