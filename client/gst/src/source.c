/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>

#include "internal.h"
#include "pipeline.h"

#define READ_TRIES  100        /* a file that gives nothing for 10 s has failed */
#define LEAD_MAX_US 3600000000 /* a file whose sound begins later is not believed */

int client_source_open(enum client_source_kind kind, const char *spec, bool loop, char ret_text[CLIENT_TEXT_MAX],
		       struct client_source **ret)
{
	struct client_source *s = cv_calloc(1, sizeof(*s));
	if (!s || !(s->spec = cv_strdup(spec))) {
		cv_free(s);
		client_text(ret_text, "out of memory");
		return CV_ENOMEM;
	}
	s->kind = kind;
	s->loop = loop;
	s->device = strcmp(spec, "device") == 0;
	if (!s->device && !gst_uri_is_valid(spec) && !g_file_test(spec, G_FILE_TEST_EXISTS)) {
		client_text(ret_text, "%s: no such file", spec);
		client_source_close(s);
		return CV_EIO;
	}
	int r = client_pipeline_begin(s, ret_text);
	/* A camera settles its size with the first picture. */
	if (r == 0 && s->device && kind == CLIENT_SOURCE_PICTURE)
		for (unsigned i = 0;
		     i < READ_TRIES && !g_atomic_pointer_get(&s->caps) && (r = client_pipeline_check(s, ret_text)) == 0;
		     i++)
			g_usleep(CLIENT_READ_WAIT_NS / 1000);
	if (r == 0 && kind == CLIENT_SOURCE_PICTURE && !g_atomic_pointer_get(&s->caps)) {
		client_text(ret_text, "%s: gives no picture", spec);
		r = CV_EIO;
	}
	if (r < 0) {
		client_source_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void client_source_close(struct client_source *s)
{
	if (!s)
		return;
	client_pipeline_end(s);
	if (s->caps)
		gst_caps_unref(s->caps);
	cv_free(s->spec);
	cv_free(s);
}

void client_source_interrupt(struct client_source *s)
{
	g_atomic_int_set(&s->interrupted, 1);
}

bool client_source_is_device(const struct client_source *s)
{
	return s->device;
}

void client_source_format(const struct client_source *s, unsigned *ret_width, unsigned *ret_height, unsigned *ret_fps)
{
	*ret_width = s->width;
	*ret_height = s->height;
	*ret_fps = s->fps;
}

/* The next sample of the present round. CV_ENOTFOUND at its end. */
static int pull(struct client_source *s, char ret_text[CLIENT_TEXT_MAX], GstSample **ret)
{
	for (unsigned i = 0; i < READ_TRIES; i++) {
		if (g_atomic_int_get(&s->interrupted))
			return CV_ECLOSED;
		GstSample *sample = gst_app_sink_try_pull_sample(GST_APP_SINK(s->sink), CLIENT_READ_WAIT_NS);
		if (sample) {
			*ret = sample;
			return 0;
		}
		int r = client_pipeline_check(s, ret_text);
		if (r < 0)
			return r;
		if (gst_app_sink_is_eos(GST_APP_SINK(s->sink)))
			return CV_ENOTFOUND;
	}
	client_text(ret_text, "%s: gives no %s any more", s->spec, client_pipeline_kind(s));
	return CV_EIO;
}

/* Begins the file again. Both senders of one file begin at the same time: its duration is the same for both. */
static int rewind_file(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	s->round_us += s->duration_us > s->last_us ? s->duration_us : s->last_us;
	s->round++;
	s->index = 0;
	s->last_us = 0;
	if (gst_element_seek_simple(s->pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, 0))
		return 0;
	client_pipeline_end(s);
	return client_pipeline_begin(s, ret_text);
}

/* Time of a buffer: within the round for files, CLOCK_MONOTONIC for devices. -1: it has none. */
static int64_t time_of(const struct client_source *s, GstSample *sample)
{
	GstBuffer *b = gst_sample_get_buffer(sample);
	const GstSegment *seg = gst_sample_get_segment(sample);
	if (!b || !GST_BUFFER_PTS_IS_VALID(b))
		return s->device ? client_now_us() : -1;
	guint64 t = seg ? gst_segment_to_running_time(seg, GST_FORMAT_TIME, GST_BUFFER_PTS(b)) : GST_BUFFER_PTS(b);
	if (!GST_CLOCK_TIME_IS_VALID(t))
		t = 0;
	if (s->device)
		t += gst_element_get_base_time(s->pipeline);
	return (int64_t)(t / 1000);
}

/* The next picture of the file or device, as a sample; begins the file again when it loops. */
static int pull_picture(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	int r = pull(s, ret_text, &s->sample);
	if (r != CV_ENOTFOUND || !s->loop)
		return r;
	r = rewind_file(s, ret_text);
	if (r == 0)
		r = pull(s, ret_text, &s->sample);
	if (r == CV_ENOTFOUND) {
		client_text(ret_text, "%s: cannot be played again", s->spec);
		r = CV_EIO;
	}
	return r;
}

int client_source_picture(struct client_source *s, char ret_text[CLIENT_TEXT_MAX], struct client_raw_picture *ret)
{
	GstVideoInfo v;
	if (s->mapped)
		gst_video_frame_unmap(&s->frame);
	s->mapped = false;
	if (s->sample)
		gst_sample_unref(s->sample);
	s->sample = NULL;
	int r = pull_picture(s, ret_text);
	if (r < 0)
		return r;
	int64_t t = time_of(s, s->sample);
	if (t < 0)
		t = (int64_t)(s->index * 1000000 / s->fps);
	GstCaps *caps = gst_sample_get_caps(s->sample);
	if (!caps || !gst_video_info_from_caps(&v, caps) ||
	    !gst_video_frame_map(&s->frame, &v, gst_sample_get_buffer(s->sample), GST_MAP_READ)) {
		client_text(ret_text, "%s: picture cannot be read", s->spec);
		return CV_EIO;
	}
	s->mapped = true;
	*ret = (struct client_raw_picture){.width = (unsigned)v.width,
					   .height = (unsigned)v.height,
					   .index = s->index++,
					   .round = s->round,
					   .time_us = s->device ? t : s->round_us + t};
	for (int i = 0; i < 3; i++) {
		ret->plane[i] = GST_VIDEO_FRAME_PLANE_DATA(&s->frame, i);
		ret->stride[i] = GST_VIDEO_FRAME_PLANE_STRIDE(&s->frame, i);
	}
	s->last_us = t + 1000000 / s->fps;
	return 0;
}

/* Moves sound from the buffer in use into the store. */
static void drain_pending(struct client_source *s)
{
	size_t total = gst_buffer_get_size(s->pending), room = (CLIENT_VOICE_HELD - s->voice_count) * sizeof(int16_t);
	size_t n = total - s->pending_at < room ? total - s->pending_at : room;
	n -= n % sizeof(int16_t);
	gst_buffer_extract(s->pending, s->pending_at, s->voice + s->voice_count, n);
	s->voice_count += n / sizeof(int16_t);
	s->pending_at += n;
	if (total - s->pending_at < sizeof(int16_t)) {
		gst_buffer_unref(s->pending);
		s->pending = NULL;
	}
}

/* Takes one more buffer of sound. */
static int more_voice(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	GstSample *sample = NULL;
	int r = pull(s, ret_text, &sample);
	if (r < 0)
		return r;
	int64_t t = time_of(s, sample);
	if (s->device && s->voice_count == 0)
		s->voice_us = t;
	/* Sound that begins later than the picture stays in step with it. */
	if (!s->device && s->index == 0 && t > MEDIA_VOICE_US && t < LEAD_MAX_US)
		s->silence = (uint64_t)t * MEDIA_VOICE_RATE / 1000000;
	s->index++;
	s->pending = gst_buffer_ref(gst_sample_get_buffer(sample));
	s->pending_at = 0;
	gst_sample_unref(sample);
	return 0;
}

/* At the end of a round in a loop: silence up to the file's duration, so that picture and sound stay in step. */
static int next_voice_round(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	s->last_us = s->voice_us + (int64_t)s->voice_count * 1000000 / MEDIA_VOICE_RATE - s->round_us;
	if (s->last_us <= 0) {
		client_text(ret_text, "%s: holds no sound", s->spec);
		return CV_EFORMAT;
	}
	if (s->duration_us > s->last_us)
		s->silence = (uint64_t)(s->duration_us - s->last_us) * MEDIA_VOICE_RATE / 1000000;
	return rewind_file(s, ret_text);
}

/* One step towards a full frame. CV_ENOTFOUND at the end. */
static int fill_voice(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	size_t room = CLIENT_VOICE_HELD - s->voice_count;
	if (s->silence > 0) {
		size_t n = s->silence < room ? (size_t)s->silence : room;
		memset(s->voice + s->voice_count, 0, n * sizeof(int16_t));
		s->voice_count += n;
		s->silence -= n;
		return 0;
	}
	if (s->pending) {
		drain_pending(s);
		return 0;
	}
	int r = more_voice(s, ret_text);
	if (r == CV_ENOTFOUND && s->loop)
		return next_voice_round(s, ret_text);
	return r;
}

int client_source_voice(struct client_source *s, char ret_text[CLIENT_TEXT_MAX], int16_t ret[MEDIA_VOICE_SAMPLES],
			int64_t *ret_time_us)
{
	int r = 0;
	while (s->voice_count < MEDIA_VOICE_SAMPLES && (r = fill_voice(s, ret_text)) == 0)
		;
	if (r < 0 && (r != CV_ENOTFOUND || s->voice_count == 0))
		return r;
	size_t n = s->voice_count < MEDIA_VOICE_SAMPLES ? s->voice_count : MEDIA_VOICE_SAMPLES;
	memcpy(ret, s->voice, n * sizeof(int16_t));
	memset(ret + n, 0, (MEDIA_VOICE_SAMPLES - n) * sizeof(int16_t));
	s->voice_count -= n;
	memmove(s->voice, s->voice + n, s->voice_count * sizeof(int16_t));
	*ret_time_us = s->voice_us;
	s->voice_us += MEDIA_VOICE_US;
	return 0;
}
