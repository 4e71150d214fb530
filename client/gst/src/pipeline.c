/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"
#include "pipeline.h"

#define OPEN_WAIT_NS (10 * GST_SECOND) /* until the first picture or sound */
#define FRAME_MIN_NS ((int64_t)GST_SECOND / CLIENT_CAMERA_FPS_MAX)
#define SIZE_IN_MAX  16384
/* Messages of ours on the pipeline's bus. */
#define NO_STREAM     "no-stream"
#define SHORT_PICTURE "short-picture"

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

/*
 * Raw pictures of containers have no padding, GStreamer's own layout has some where a row is no multiple of four
 * bytes, and its demuxers (1.22) do not tell: filters then show nothing. Says where the rows really are. False: the
 * picture is shorter than even that.
 */
static bool lay_out(const GstVideoInfo *v, GstPadProbeInfo *info)
{
	gsize offset[GST_VIDEO_MAX_PLANES] = {0}, at = 0, have = gst_buffer_get_size(GST_PAD_PROBE_INFO_BUFFER(info));
	gint stride[GST_VIDEO_MAX_PLANES] = {0};
	const GstVideoFormatInfo *f = v->finfo;
	if (have >= GST_VIDEO_INFO_SIZE(v) || gst_buffer_get_video_meta(GST_PAD_PROBE_INFO_BUFFER(info)))
		return true;
	if (GST_VIDEO_FORMAT_INFO_IS_COMPLEX(f) || GST_VIDEO_FORMAT_INFO_IS_TILED(f))
		return false;
	for (guint p = 0; p < GST_VIDEO_INFO_N_PLANES(v); p++) {
		gint rows = 0;
		for (guint c = 0; c < GST_VIDEO_FORMAT_INFO_N_COMPONENTS(f); c++) {
			if (GST_VIDEO_FORMAT_INFO_PLANE(f, c) != p)
				continue;
			gint bytes =
				GST_VIDEO_FORMAT_INFO_SCALE_WIDTH(f, c, v->width) * GST_VIDEO_FORMAT_INFO_PSTRIDE(f, c);
			stride[p] = bytes > stride[p] ? bytes : stride[p];
			rows = GST_VIDEO_FORMAT_INFO_SCALE_HEIGHT(f, c, v->height);
		}
		offset[p] = at;
		at += (gsize)stride[p] * (gsize)rows;
	}
	if (at != have)
		return false;
	GstBuffer *b = gst_buffer_make_writable(GST_PAD_PROBE_INFO_BUFFER(info));
	GST_PAD_PROBE_INFO_DATA(info) = b;
	gst_buffer_add_video_meta_full(b, GST_VIDEO_FRAME_FLAG_NONE, GST_VIDEO_INFO_FORMAT(v), (guint)v->width,
				       (guint)v->height, GST_VIDEO_INFO_N_PLANES(v), offset, stride);
	return true;
}

static void tell(struct client_source *s, const char *what)
{
	gst_element_post_message(s->pipeline,
				 gst_message_new_application(GST_OBJECT(s->pipeline), gst_structure_new_empty(what)));
}

/* A picture that is cut short (the last one of a cut file, say) is left out; a first one like that fails the file. */
static bool readable(struct client_source *s, GstPadProbeInfo *info)
{
	bool ok = !s->in_known || lay_out(&s->in, info);
	if (!ok && !s->in_told)
		tell(s, SHORT_PICTURE);
	s->in_told = true;
	return ok;
}

/* In the streaming thread: what is known of the pictures that follow. */
static void on_event(struct client_source *s, GstEvent *event)
{
	GstCaps *caps;
	if (GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT)
		s->thin_begun = false;
	if (GST_EVENT_TYPE(event) != GST_EVENT_CAPS)
		return;
	gst_event_parse_caps(event, &caps);
	s->in_known = gst_video_info_from_caps(&s->in, caps);
}

/*
 * In the streaming thread, before anything costs time: leaves out what exceeds 30 pictures per second. Times in files
 * are rounded (to whole milliseconds in Matroska), so a picture may come a little early.
 */
static GstPadProbeReturn on_picture(GstPad *pad, GstPadProbeInfo *info, gpointer user)
{
	struct client_source *s = user;
	if (GST_PAD_PROBE_INFO_TYPE(info) & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
		on_event(s, GST_PAD_PROBE_INFO_EVENT(info));
		return GST_PAD_PROBE_OK;
	}
	if (!readable(s, info))
		return GST_PAD_PROBE_DROP;
	GstBuffer *b = GST_PAD_PROBE_INFO_BUFFER(info);
	if (!GST_BUFFER_PTS_IS_VALID(b) || GST_BUFFER_PTS(b) > G_MAXINT64 / 2)
		return GST_PAD_PROBE_OK;
	int64_t t = (int64_t)GST_BUFFER_PTS(b), off = t - s->thin_ns;
	if (!s->thin_begun || off > FRAME_MIN_NS || off < -4 * FRAME_MIN_NS)
		s->thin_ns = t;
	else if (off < -FRAME_MIN_NS / 3)
		return GST_PAD_PROBE_DROP;
	s->thin_begun = true;
	s->thin_ns += FRAME_MIN_NS;
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
		g_atomic_int_set(&s->linked, 1);
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
	if (!g_atomic_int_get(&s->linked))
		tell(s, NO_STREAM);
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

/*
 * The first of the known elements that opens its device. No device monitor: stopping PipeWire's provider (1.22) frees
 * memory twice. A machine's own default settles which microphone it is.
 */
static GstElement *find_device(const struct client_source *s)
{
	static const char *const cameras[] = {"v4l2src", "pipewiresrc", NULL};
	static const char *const microphones[] = {"pulsesrc", "alsasrc", NULL};
	for (const char *const *name = s->kind == CLIENT_SOURCE_PICTURE ? cameras : microphones; *name; name++) {
		GstElement *e = gst_element_factory_make(*name, "device");
		if (!e)
			continue;
		/* PipeWire takes its memory back when a stream settles anew, whoever still holds a picture in it. */
		if (g_object_class_find_property(G_OBJECT_GET_CLASS(e), "always-copy"))
			g_object_set(e, "always-copy", TRUE, NULL);
		/* On the machine's clock, without leaving out or repeating sound to stay on it. */
		if (g_object_class_find_property(G_OBJECT_GET_CLASS(e), "slave-method"))
			gst_util_set_object_arg(G_OBJECT(e), "slave-method", "re-timestamp");
		if (gst_element_set_state(e, GST_STATE_READY) != GST_STATE_CHANGE_FAILURE)
			return e;
		gst_element_set_state(e, GST_STATE_NULL);
		gst_object_unref(e);
	}
	return NULL;
}

/* Never an automatic source: GStreamer's would show a test picture where there is no camera. */
static int attach_device(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	GstElement *device = find_device(s);
	if (!device) {
		client_text(ret_text, "device: no %s found",
			    s->kind == CLIENT_SOURCE_PICTURE ? "camera" : "microphone");
		return CV_EIO;
	}
	GstElement *entry = gst_bin_get_by_name(GST_BIN(s->pipeline), "entry");
	gst_bin_add(GST_BIN(s->pipeline), device);
	bool linked = gst_element_link(device, entry);
	gst_object_unref(entry);
	if (!linked) {
		client_text(ret_text, "device: gives nothing that can be used");
		return CV_EIO;
	}
	/* Times of capture on the clock that all of this machine's programs share. */
	GstClock *clock = gst_system_clock_obtain();
	g_object_set(clock, "clock-type", GST_CLOCK_TYPE_MONOTONIC, NULL);
	gst_pipeline_use_clock(GST_PIPELINE(s->pipeline), clock);
	gst_object_unref(clock);
	g_atomic_int_set(&s->linked, 1);
	return 0;
}

static int build(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	GError *err = NULL;
	/* A device's backlog is of no use: what cannot be taken in time is left out. */
	const char *head = s->device ? "queue name=entry max-size-buffers=4 max-size-time=0 leaky=downstream !"
				     : "uridecodebin name=decoder";
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
		GstElement *first = gst_bin_get_by_name(GST_BIN(s->pipeline), "first");
		pad = gst_element_get_static_pad(first, "sink");
		gst_pad_add_probe(pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_BUFFER, on_picture, s,
				  NULL);
		gst_object_unref(pad);
		gst_object_unref(first);
		if (s->caps)
			g_object_set(s->filter, "caps", s->caps, NULL);
	}
	if (s->device)
		return attach_device(s, ret_text);
	char *uri = uri_of(s->spec);
	GstElement *decoder = gst_bin_get_by_name(GST_BIN(s->pipeline), "decoder");
	g_object_set(decoder, "uri", uri, NULL);
	g_free(uri);
	g_signal_connect(decoder, "pad-added", G_CALLBACK(on_pad), s);
	g_signal_connect(decoder, "no-more-pads", G_CALLBACK(on_no_more_pads), s);
	gst_object_unref(decoder);
	return 0;
}

const char *client_pipeline_kind(const struct client_source *s)
{
	return s->kind == CLIENT_SOURCE_PICTURE ? "picture" : "sound";
}

int client_pipeline_check(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	int r = 0;
	GstBus *bus = gst_element_get_bus(s->pipeline);
	GstMessage *m = gst_bus_pop_filtered(bus, GST_MESSAGE_ERROR | GST_MESSAGE_APPLICATION);
	gst_object_unref(bus);
	if (!m)
		return 0;
	if (GST_MESSAGE_TYPE(m) == GST_MESSAGE_APPLICATION) {
		if (gst_message_has_name(m, SHORT_PICTURE))
			client_text(ret_text, "%s: its pictures hold less than their size says: convert the file first",
				    s->spec);
		else
			client_text(ret_text, "%s: holds no %s", s->spec, client_pipeline_kind(s));
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

void client_pipeline_end(struct client_source *s)
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
	g_atomic_int_set(&s->linked, 0);
}

/* Waits for the first picture or sound without taking it. */
static int wait_first(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
{
	int r;
	gint64 until = g_get_monotonic_time() + (gint64)(OPEN_WAIT_NS / 1000);
	while ((r = client_pipeline_check(s, ret_text)) == 0 && g_get_monotonic_time() < until) {
		if (g_atomic_int_get(&s->interrupted))
			return CV_ECLOSED;
		GstStateChangeReturn c = gst_element_get_state(s->pipeline, NULL, NULL, CLIENT_READ_WAIT_NS);
		if (c == GST_STATE_CHANGE_SUCCESS || c == GST_STATE_CHANGE_NO_PREROLL)
			break;
	}
	if (r < 0 || (r = client_pipeline_check(s, ret_text)) < 0)
		return r;
	if (g_get_monotonic_time() >= until) {
		client_text(ret_text, "%s: gives no %s", s->spec, client_pipeline_kind(s));
		return CV_EIO;
	}
	if (!s->device && !g_atomic_int_get(&s->linked)) {
		client_text(ret_text, "%s: holds no %s", s->spec, client_pipeline_kind(s));
		return CV_EFORMAT;
	}
	if (s->kind == CLIENT_SOURCE_PICTURE && !s->device && !g_atomic_pointer_get(&s->caps)) {
		client_text(ret_text, "%s: holds no picture", s->spec);
		return CV_EFORMAT;
	}
	return 0;
}

int client_pipeline_begin(struct client_source *s, char ret_text[CLIENT_TEXT_MAX])
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
