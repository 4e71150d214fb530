/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>
#include <jansson.h>

#include <base/alloc.h>

#include "compare.h"

static int add_line(struct compare_lines *l, size_t *cap, const json_t *j)
{
	if (l->count == COMPARE_FRAMES_MAX)
		return CV_ELIMIT;
	if (l->count == *cap) {
		size_t more = *cap ? *cap * 2 : 1024;
		struct compare_line *p = cv_reallocarray(l->line, more, sizeof(*p));
		if (!p)
			return CV_ENOMEM;
		l->line = p;
		*cap = more;
	}
	const char *kind = json_string_value(json_object_get(j, "kind"));
	l->line[l->count++] = (struct compare_line){
		.voice = kind && strcmp(kind, "voice") == 0,
		.frame = (uint32_t)json_integer_value(json_object_get(j, "frame")),
		.index = (uint64_t)json_integer_value(json_object_get(j, "index")),
		.round = (uint64_t)json_integer_value(json_object_get(j, "round")),
		.sample = (uint64_t)json_integer_value(json_object_get(j, "sample")),
		.part = (unsigned)json_integer_value(json_object_get(j, "part")),
		.full = json_is_true(json_object_get(j, "full")),
		.time_us = json_integer_value(json_object_get(j, "time_ms")) * 1000,
		.delay_us = json_integer_value(json_object_get(j, "delay_us")),
	};
	return 0;
}

int compare_read_lines(const char *path, struct compare_lines *ret)
{
	char text[1024];
	size_t cap = ret->count;
	FILE *f = fopen(path, "re");
	int r = 0;
	if (!f)
		return CV_EIO;
	while (r == 0 && fgets(text, sizeof(text), f)) {
		json_t *j = json_loads(text, 0, NULL);
		if (!j)
			break;
		r = add_line(ret, &cap, j);
		json_decref(j);
	}
	fclose(f);
	return r;
}

const struct compare_line *compare_find(const struct compare_lines *l, bool voice, uint32_t frame)
{
	/* Numbers count up by one per kind: the place is near the number, whatever else is in the list. */
	for (size_t i = 0; i < l->count; i++)
		if (l->line[i].voice == voice && l->line[i].frame == frame)
			return &l->line[i];
	return NULL;
}

struct compare_track {
	GstElement *pipeline, *sink;
	bool voice;
	GstSample *sample;
	GstMapInfo map;
	bool mapped;
};

static void on_pad(GstElement *demux, GstPad *pad, gpointer user)
{
	struct compare_track *t = user;
	GstCaps *caps = gst_pad_query_caps(pad, NULL);
	const char *name = gst_structure_get_name(gst_caps_get_structure(caps, 0));
	GstPad *to = gst_element_get_static_pad(t->sink, "sink");
	if (strcmp(name, t->voice ? "audio/x-opus" : "video/x-vp9") == 0 && !gst_pad_is_linked(to))
		(void)!gst_pad_link(pad, to);
	gst_object_unref(to);
	gst_caps_unref(caps);
}

int compare_track_open(const char *path, bool voice, struct compare_track **ret)
{
	struct compare_track *t = cv_calloc(1, sizeof(*t));
	if (!t)
		return CV_ENOMEM;
	t->voice = voice;
	t->pipeline = gst_parse_launch("filesrc name=src ! matroskademux name=demux "
				       "appsink name=sink sync=false max-buffers=64",
				       NULL);
	if (!t->pipeline) {
		compare_track_close(t);
		return CV_EIO;
	}
	GstElement *src = gst_bin_get_by_name(GST_BIN(t->pipeline), "src");
	GstElement *demux = gst_bin_get_by_name(GST_BIN(t->pipeline), "demux");
	t->sink = gst_bin_get_by_name(GST_BIN(t->pipeline), "sink");
	g_object_set(src, "location", path, NULL);
	g_signal_connect(demux, "pad-added", G_CALLBACK(on_pad), t);
	gst_object_unref(src);
	gst_object_unref(demux);
	gst_element_set_state(t->pipeline, GST_STATE_PLAYING);
	*ret = t;
	return 0;
}

static void drop_sample(struct compare_track *t)
{
	if (t->mapped)
		gst_buffer_unmap(gst_sample_get_buffer(t->sample), &t->map);
	if (t->sample)
		gst_sample_unref(t->sample);
	t->mapped = false;
	t->sample = NULL;
}

void compare_track_close(struct compare_track *t)
{
	if (!t)
		return;
	drop_sample(t);
	if (t->pipeline) {
		gst_element_set_state(t->pipeline, GST_STATE_NULL);
		gst_object_unref(t->sink);
		gst_object_unref(t->pipeline);
	}
	cv_free(t);
}

int compare_track_next(struct compare_track *t, const uint8_t **ret_data, size_t *ret_len)
{
	drop_sample(t);
	/* A file without this track, or one that cannot be read, gives nothing for a while: that is its end. */
	t->sample = gst_app_sink_try_pull_sample(GST_APP_SINK(t->sink), 2 * GST_SECOND);
	if (!t->sample)
		return CV_ENOTFOUND;
	if (!gst_buffer_map(gst_sample_get_buffer(t->sample), &t->map, GST_MAP_READ))
		return CV_EIO;
	t->mapped = true;
	*ret_data = t->map.data;
	*ret_len = t->map.size;
	return 0;
}

struct compare_sheet {
	unsigned rows, pairs, tile_w, tile_h;
	uint8_t *canvas; /* I420 */
};

int compare_sheet_new(unsigned rows, unsigned pairs, unsigned width, unsigned height, struct compare_sheet **ret)
{
	struct compare_sheet *s = cv_calloc(1, sizeof(*s));
	if (!s)
		return CV_ENOMEM;
	s->rows = rows;
	s->pairs = pairs;
	s->tile_w = COMPARE_TILE_WIDTH;
	s->tile_h = (COMPARE_TILE_WIDTH * height / width + 1) & ~1u;
	size_t luma = (size_t)s->tile_w * pairs * 2 * s->tile_h * rows;
	s->canvas = cv_malloc(luma * 3 / 2);
	if (!s->canvas) {
		cv_free(s);
		return CV_ENOMEM;
	}
	memset(s->canvas, 16, luma);
	memset(s->canvas + luma, 128, luma / 2);
	*ret = s;
	return 0;
}

void compare_sheet_free(struct compare_sheet *s)
{
	if (!s)
		return;
	cv_free(s->canvas);
	cv_free(s);
}

/* Mean over the source pixels that fall into each target pixel. */
static void shrink(uint8_t *dst, size_t dst_stride, unsigned dw, unsigned dh, const uint8_t *src, int src_stride,
		   unsigned sw, unsigned sh)
{
	for (unsigned y = 0; y < dh; y++) {
		for (unsigned x = 0; x < dw; x++) {
			unsigned x0 = x * sw / dw, x1 = (x + 1) * sw / dw, y0 = y * sh / dh, y1 = (y + 1) * sh / dh;
			unsigned sum = 0, n = 0;
			for (unsigned v = y0; v < (y1 > y0 ? y1 : y0 + 1); v++)
				for (unsigned u = x0; u < (x1 > x0 ? x1 : x0 + 1); u++, n++)
					sum += src[(int)v * src_stride + (int)u];
			dst[y * dst_stride + x] = (uint8_t)(sum / n);
		}
	}
}

void compare_sheet_put(struct compare_sheet *s, unsigned row, unsigned column, const struct client_raw_picture *pic)
{
	size_t w = (size_t)s->tile_w * s->pairs * 2, h = (size_t)s->tile_h * s->rows;
	uint8_t *plane = s->canvas;
	for (unsigned i = 0; i < 3; i++) {
		unsigned d = i ? 2 : 1;
		uint8_t *at = plane + (size_t)row * (s->tile_h / d) * (w / d) + (size_t)column * (s->tile_w / d);
		shrink(at, w / d, s->tile_w / d, s->tile_h / d, pic->plane[i], pic->stride[i], pic->width / d,
		       pic->height / d);
		plane += (w / d) * (h / d);
	}
}

int compare_sheet_write(const struct compare_sheet *s, const char *path)
{
	int w = (int)(s->tile_w * s->pairs * 2), h = (int)(s->tile_h * s->rows), r = CV_EIO;
	GstElement *p =
		gst_parse_launch("appsrc name=src ! videoconvert ! pngenc snapshot=true ! filesink name=out", NULL);
	if (!p)
		return CV_EIO;
	GstElement *src = gst_bin_get_by_name(GST_BIN(p), "src"), *out = gst_bin_get_by_name(GST_BIN(p), "out");
	GstCaps *caps = gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, "I420", "width", G_TYPE_INT, w,
					    "height", G_TYPE_INT, h, "framerate", GST_TYPE_FRACTION, 1, 1, NULL);
	g_object_set(out, "location", path, NULL);
	g_object_set(src, "caps", caps, "format", GST_FORMAT_TIME, NULL);
	gst_caps_unref(caps);
	gst_element_set_state(p, GST_STATE_PLAYING);
	/* Tile widths are multiples of 8 and heights even: GStreamer's I420 layout has no padding for them. */
	GstBuffer *b = gst_buffer_new_memdup(s->canvas, (size_t)w * (size_t)h * 3 / 2);
	GST_BUFFER_PTS(b) = 0;
	if (gst_app_src_push_buffer(GST_APP_SRC(src), b) == GST_FLOW_OK &&
	    gst_app_src_end_of_stream(GST_APP_SRC(src)) == GST_FLOW_OK) {
		GstBus *bus = gst_element_get_bus(p);
		GstMessage *m = gst_bus_timed_pop_filtered(bus, 20 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
		if (m && GST_MESSAGE_TYPE(m) == GST_MESSAGE_EOS)
			r = 0;
		if (m)
			gst_message_unref(m);
		gst_object_unref(bus);
	}
	gst_element_set_state(p, GST_STATE_NULL);
	gst_object_unref(src);
	gst_object_unref(out);
	gst_object_unref(p);
	return r;
}
