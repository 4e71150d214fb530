/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <string.h>

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <base/alloc.h>
#include <gst/source.h>

#include "internal.h"

#define OPEN_WAIT_NS (10 * GST_SECOND) /* until the first picture or sound */
#define READ_WAIT_NS (100 * GST_MSECOND)
#define READ_TRIES   100 /* a file that gives nothing for 10 s has failed */
#define VOICE_HELD   (MEDIA_VOICE_SAMPLES * 64)
#define FRAME_MIN_US (1000000 / CLIENT_CAMERA_FPS_MAX)
#define SIZE_IN_MAX  16384
#define LEAD_MAX_US  3600000000 /* a file whose sound begins later is not believed */

struct client_source {
	enum client_source_kind kind;
	char *spec;
	bool loop, device;
	GstElement *pipeline, *sink, *filter;
	GstCaps *caps;       /* what the first picture settled; later rounds and size changes keep to it */
	GstSample *sample;   /* in use by the caller */
	GstVideoFrame frame; /* mapped from sample */
	bool mapped;
	bool linked; /* a pad of our kind was found */
	volatile gint interrupted;
	char error[CLIENT_TEXT_MAX];
	unsigned width, height, fps;
	uint64_t index, round;
	int64_t round_us;    /* start of the present round on the source's time */
	int64_t next_us;     /* pictures before this time are left out: there are enough */
	int64_t last_us;     /* end of what was last read, within the round */
	int64_t duration_us; /* of the file, 0 unknown */
	int16_t voice[VOICE_HELD];
	size_t voice_count;
	int64_t voice_us;   /* time of voice[0] */
	uint64_t silence;   /* samples of silence that come before what follows */
	GstBuffer *pending; /* sound that did not fit into the store yet */
	size_t pending_at;
};

int client_media_init(char ret_text[CLIENT_TEXT_MAX])
{
	GError *err = NULL;
	if (gst_init_check(NULL, NULL, &err))
		return 0;
	client_text(ret_text, "media system: %s", err ? err->message : "GStreamer does not start");
	g_clear_error(&err);
	return CV_EIO;
}

/* The largest even size of the same shape within the limits; small pictures grow to the least size. */
static void fit(unsigned in_w, unsigned in_h, unsigned *ret_w, unsigned *ret_h)
{
	double scale = 1;
	if (in_w > CLIENT_CAMERA_WIDTH_MAX)
		scale = (double)CLIENT_CAMERA_WIDTH_MAX / in_w;
	if (in_h * scale > CLIENT_CAMERA_HEIGHT_MAX)
		scale = (double)CLIENT_CAMERA_HEIGHT_MAX / in_h;
	unsigned w = (unsigned)(in_w * scale + 0.5) & ~1u, h = (unsigned)(in_h * scale + 0.5) & ~1u;
	*ret_w = w < CLIENT_CAMERA_SIDE_MIN ? CLIENT_CAMERA_SIDE_MIN : w;
	*ret_h = h < CLIENT_CAMERA_SIDE_MIN ? CLIENT_CAMERA_SIDE_MIN : h;
}

/* In the streaming thread, before the first picture: its size and rate settle what the sink gets. */
static GstPadProbeReturn on_caps(GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
	struct client_source *s = user;
	GstEvent *event = GST_PAD_PROBE_INFO_EVENT(info);
	GstVideoInfo v;
	GstCaps *caps;
	if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS || s->caps)
		return GST_PAD_PROBE_OK;
	gst_event_parse_caps(event, &caps);
	if (!gst_video_info_from_caps(&v, caps) || v.width < 1 || v.height < 1 || v.width > SIZE_IN_MAX ||
	    v.height > SIZE_IN_MAX)
		return GST_PAD_PROBE_OK;
	unsigned in_w = (unsigned)v.width;
	if (v.par_n > 0 && v.par_d > 0)
		in_w = (unsigned)((uint64_t)in_w * (unsigned)v.par_n / (unsigned)v.par_d);
	fit(in_w > 0 && in_w <= SIZE_IN_MAX ? in_w : (unsigned)v.width, (unsigned)v.height, &s->width, &s->height);
	s->fps = CLIENT_CAMERA_FPS_MAX;
	if (v.fps_n > 0 && v.fps_d > 0 && v.fps_n < CLIENT_CAMERA_FPS_MAX * v.fps_d)
		s->fps = (unsigned)((v.fps_n + v.fps_d - 1) / v.fps_d);
	GstCaps *fixed = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "I420", "width", G_TYPE_INT,
					     (int)s->width, "height", G_TYPE_INT, (int)s->height, "pixel-aspect-ratio",
					     GST_TYPE_FRACTION, 1, 1, NULL);
	g_object_set(s->filter, "caps", fixed, NULL);
	/* Last: who waits for it reads size and rate next. */
	g_atomic_pointer_set(&s->caps, fixed);
	return GST_PAD_PROBE_OK;
}

static void on_pad(GstElement *decoder, GstPad *pad, gpointer user)
{
	struct client_source *s = user;
	GstCaps *caps = gst_pad_get_current_caps(pad);
	if (!caps)
		caps = gst_pad_query_caps(pad, NULL);
	const char *name = gst_caps_get_size(caps) > 0 ? gst_structure_get_name(gst_caps_get_structure(caps, 0)) : "";
	const char *want = s->kind == CLIENT_SOURCE_PICTURE ? "video/" : "audio/";
	GstElement *first = gst_bin_get_by_name(GST_BIN(s->pipeline), "first");
	GstPad *to = gst_element_get_static_pad(first, "sink");
	if (g_str_has_prefix(name, want) && !gst_pad_is_linked(to) && gst_pad_link(pad, to) == GST_PAD_LINK_OK) {
		s->linked = true;
	} else {
		/* Other streams of the file run into nothing. */
		GstElement *nothing = gst_element_factory_make("fakesink", NULL);
		if (nothing) {
			g_object_set(nothing, "sync", FALSE, "async", FALSE, NULL);
			gst_bin_add(GST_BIN(s->pipeline), nothing);
			gst_element_sync_state_with_parent(nothing);
			GstPad *sink = gst_element_get_static_pad(nothing, "sink");
			(void)!gst_pad_link(pad, sink);
			gst_object_unref(sink);
		}
	}
	gst_object_unref(to);
	gst_object_unref(first);
	gst_caps_unref(caps);
}

static void on_no_more_pads(GstElement *decoder, gpointer user)
{
	struct client_source *s = user;
	if (!s->linked)
		gst_element_post_message(
			s->pipeline,
			gst_message_new_application(GST_OBJECT(s->pipeline), gst_structure_new_empty("no-stream")));
}

/* Hardware decoders and the like are left out: the same file must give the same pictures everywhere. */
static const char *tail_of(const struct client_source *s)
{
	if (s->kind == CLIENT_SOURCE_PICTURE)
		return "videoflip name=first video-direction=auto ! videoconvert name=convert ! videoscale "
		       "add-borders=false ! capsfilter name=filter ! "
		       "appsink name=sink sync=false max-buffers=4 drop=false";
	return "audioconvert name=first ! audioresample quality=8 ! "
	       "audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved ! "
	       "appsink name=sink sync=false max-buffers=16 drop=false";
}

static char *uri_of(const char *spec)
{
	if (gst_uri_is_valid(spec))
		return g_strdup(spec);
	return gst_filename_to_uri(spec, NULL);
}

static int build(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	GError *err = NULL;
	const char *head = "uridecodebin name=decoder";
	if (s->device)
		head = s->kind == CLIENT_SOURCE_PICTURE ? "autovideosrc ! queue max-size-buffers=2 leaky=downstream !"
							: "autoaudiosrc ! queue !";
	char *desc = g_strdup_printf("%s %s", head, tail_of(s));
	s->pipeline = gst_parse_launch(desc, &err);
	g_free(desc);
	if (!s->pipeline || err) {
		client_text(ret_text, "media system: %s", err ? err->message : "no pipeline");
		g_clear_error(&err);
		return CV_EIO;
	}
	s->sink = gst_bin_get_by_name(GST_BIN(s->pipeline), "sink");
	s->filter = gst_bin_get_by_name(GST_BIN(s->pipeline), "filter");
	if (s->kind == CLIENT_SOURCE_PICTURE) {
		/* After the flip, because it may swap width and height. */
		GstElement *convert = gst_bin_get_by_name(GST_BIN(s->pipeline), "convert");
		GstPad *pad = gst_element_get_static_pad(convert, "sink");
		gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_caps, s, NULL);
		gst_object_unref(pad);
		gst_object_unref(convert);
		if (s->caps)
			g_object_set(s->filter, "caps", s->caps, NULL);
	}
	if (s->device) {
		/* Times of capture on the clock that all machines' programs share. */
		GstClock *clock = gst_system_clock_obtain();
		g_object_set(clock, "clock-type", GST_CLOCK_TYPE_MONOTONIC, NULL);
		gst_pipeline_use_clock(GST_PIPELINE(s->pipeline), clock);
		gst_object_unref(clock);
		s->linked = true;
		return 0;
	}
	char *uri = uri_of(s->spec);
	GstElement *decoder = gst_bin_get_by_name(GST_BIN(s->pipeline), "decoder");
	g_object_set(decoder, "uri", uri, NULL);
	g_free(uri);
	g_signal_connect(decoder, "pad-added", G_CALLBACK(on_pad), s);
	g_signal_connect(decoder, "no-more-pads", G_CALLBACK(on_no_more_pads), s);
	gst_object_unref(decoder);
	return 0;
}

static const char *kind_text(const struct client_source *s)
{
	return s->kind == CLIENT_SOURCE_PICTURE ? "picture" : "sound";
}

/* Looks for bad news on the pipeline's bus: 0 or an error with its text. */
static int check_bus(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	int r = 0;
	GstBus *bus = gst_element_get_bus(s->pipeline);
	GstMessage *m = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR | GST_MESSAGE_APPLICATION);
	gst_object_unref(bus);
	if (!m)
		return 0;
	if (GST_MESSAGE_TYPE(m) == GST_MESSAGE_APPLICATION) {
		client_text(ret_text, "%s: holds no %s", s->spec, kind_text(s));
		r = CV_EFORMAT;
	} else {
		GError *err = NULL;
		gst_message_parse_error(m, &err, NULL);
		client_text(ret_text, "%s: %s", s->spec, err ? err->message : "cannot be read");
		g_clear_error(&err);
		r = CV_EIO;
	}
	gst_message_unref(m);
	return r;
}

static void tear_down(struct client_source *s)
{
	if (s->mapped)
		gst_video_frame_unmap(&s->frame);
	s->mapped = false;
	if (s->sample)
		gst_sample_unref(s->sample);
	s->sample = NULL;
	if (s->pending)
		gst_buffer_unref(s->pending);
	s->pending = NULL;
	if (s->pipeline)
		gst_element_set_state(s->pipeline, GST_STATE_NULL);
	if (s->sink)
		gst_object_unref(s->sink);
	if (s->filter)
		gst_object_unref(s->filter);
	if (s->pipeline)
		gst_object_unref(s->pipeline);
	s->pipeline = s->sink = s->filter = NULL;
	s->linked = false;
}

/* Waits for the first picture or sound without taking it. */
static int wait_first(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	int r;
	gint64 until = g_get_monotonic_time() + (gint64)(OPEN_WAIT_NS / 1000);
	while ((r = check_bus(s, ret_text)) == 0 && g_get_monotonic_time() < until) {
		if (g_atomic_int_get(&s->interrupted))
			return CV_ECLOSED;
		GstStateChangeReturn c = gst_element_get_state(s->pipeline, NULL, NULL, READ_WAIT_NS);
		if (c == GST_STATE_CHANGE_SUCCESS || c == GST_STATE_CHANGE_NO_PREROLL)
			break;
	}
	if (r < 0 || (r = check_bus(s, ret_text)) < 0)
		return r;
	if (g_get_monotonic_time() >= until) {
		client_text(ret_text, "%s: gives no %s", s->spec, kind_text(s));
		return CV_EIO;
	}
	if (!s->device && !s->linked) {
		client_text(ret_text, "%s: holds no %s", s->spec, kind_text(s));
		return CV_EFORMAT;
	}
	if (s->kind == CLIENT_SOURCE_PICTURE && !s->device && !s->caps) {
		client_text(ret_text, "%s: holds no picture", s->spec);
		return CV_EFORMAT;
	}
	return 0;
}

static int begin(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	gint64 ns = 0;
	int r = build(s, ret_text);
	if (r < 0)
		return r;
	/* Playing is fast here: nothing in the pipeline waits for a clock, the sink's full queue holds it back. */
	gst_element_set_state(s->pipeline, s->device ? GST_STATE_PLAYING : GST_STATE_PAUSED);
	r = wait_first(s, ret_text);
	if (r < 0)
		return r;
	if (!s->device && gst_element_query_duration(s->pipeline, GST_FORMAT_TIME, &ns) && ns > 0)
		s->duration_us = ns / 1000;
	gst_element_set_state(s->pipeline, GST_STATE_PLAYING);
	return 0;
}

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
	int r = begin(s, ret_text);
	/* A camera settles its size with the first picture. */
	if (r == 0 && s->device && kind == CLIENT_SOURCE_PICTURE)
		for (unsigned i = 0;
		     i < READ_TRIES && !g_atomic_pointer_get(&s->caps) && (r = check_bus(s, ret_text)) == 0; i++)
			g_usleep(READ_WAIT_NS / 1000);
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
	tear_down(s);
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
		GstSample *sample = gst_app_sink_try_pull_sample(GST_APP_SINK(s->sink), READ_WAIT_NS);
		if (sample) {
			*ret = sample;
			return 0;
		}
		int r = check_bus(s, ret_text);
		if (r < 0)
			return r;
		if (gst_app_sink_is_eos(GST_APP_SINK(s->sink)))
			return CV_ENOTFOUND;
	}
	client_text(ret_text, "%s: gives no %s any more", s->spec, kind_text(s));
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
	tear_down(s);
	return begin(s, ret_text);
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

/*
 * Whether to keep a picture of time t, so that no more than 30 per second are. Times in files are rounded (to whole
 * milliseconds in Matroska): a picture may come a little early.
 */
static bool keep(struct client_source *s, int64_t t)
{
	if (s->index > 0 && t < s->next_us - FRAME_MIN_US / 3)
		return false;
	int64_t off = t - s->next_us;
	if (s->index == 0 || off > FRAME_MIN_US || off < -FRAME_MIN_US)
		s->next_us = t;
	s->next_us += FRAME_MIN_US;
	return true;
}

/* The next picture of the file or device that is due, as a sample; begins the file again when it loops. */
static int pull_picture(struct client_source *s, char ret_text[CLIENT_TEXT_MAX], int64_t *ret_us)
{
	for (;;) {
		int r = pull(s, ret_text, &s->sample);
		if (r == CV_ENOTFOUND && s->loop) {
			r = rewind_file(s, ret_text);
			if (r == 0)
				r = pull(s, ret_text, &s->sample);
			if (r == CV_ENOTFOUND) {
				client_text(ret_text, "%s: cannot be played again", s->spec);
				r = CV_EIO;
			}
		}
		if (r < 0)
			return r;
		int64_t t = time_of(s, s->sample);
		if (t < 0)
			t = (int64_t)(s->index * 1000000 / s->fps);
		if (keep(s, t)) {
			*ret_us = t;
			return 0;
		}
		s->last_us = t;
		gst_sample_unref(s->sample);
		s->sample = NULL;
	}
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
	int64_t t = 0;
	int r = pull_picture(s, ret_text, &t);
	if (r < 0)
		return r;
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
	size_t total = gst_buffer_get_size(s->pending), room = (VOICE_HELD - s->voice_count) * sizeof(int16_t);
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
	size_t room = VOICE_HELD - s->voice_count;
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
