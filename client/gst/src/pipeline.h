/* SPDX-License-Identifier: Apache-2.0 */
/* A source's GStreamer pipeline: built, begun and torn down in pipeline.c, read in source.c. */
#ifndef CLIENT_GST_PIPELINE_H
#define CLIENT_GST_PIPELINE_H

#include <gst/app/gstappsink.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <gst/source.h>

#define CLIENT_READ_WAIT_NS (100 * GST_MSECOND)
#define CLIENT_VOICE_HELD   (MEDIA_VOICE_SAMPLES * 64)

struct client_source {
	enum client_source_kind kind;
	char *spec;
	bool loop, device;
	GstElement *pipeline, *sink, *filter;
	GstCaps *caps;       /* atomic: what the first picture settled; later rounds and size changes keep to it */
	GstSample *sample;   /* in use by the caller */
	GstVideoFrame frame; /* mapped from sample */
	bool mapped;
	gint linked;      /* atomic: a pad of our kind was found */
	gint interrupted; /* atomic */
	char error[CLIENT_TEXT_MAX];
	unsigned width, height, fps;
	uint64_t index, round;
	int64_t round_us; /* start of the present round on the source's time */
	GstVideoInfo in;  /* streaming thread: what the file's or device's pictures are; valid if in_known */
	bool in_known;
	bool in_told;        /* streaming thread: there was a picture */
	bool thin_begun;     /* streaming thread: thin_ns is valid */
	int64_t thin_ns;     /* streaming thread: pictures before this time are left out */
	int64_t last_us;     /* end of what was last read, within the round */
	int64_t duration_us; /* of the file, 0 unknown */
	int16_t voice[CLIENT_VOICE_HELD];
	size_t voice_count;
	int64_t voice_us;   /* time of voice[0] */
	uint64_t silence;   /* samples of silence that come before what follows */
	GstBuffer *pending; /* sound that did not fit into the store yet */
	size_t pending_at;
};

/* "picture" or "sound", for texts. */
const char *client_pipeline_kind(const struct client_source *s);
/* Builds the pipeline and waits for the first picture or sound. On failure the caller tears down. */
int client_pipeline_begin(struct client_source *s, char ret_text[CLIENT_TEXT_MAX]) CV_NODISCARD;
/* Looks for bad news on the pipeline's bus: 0 or an error with its text. */
int client_pipeline_check(struct client_source *s, char ret_text[CLIENT_TEXT_MAX]) CV_NODISCARD;
void client_pipeline_end(struct client_source *s);

#endif
