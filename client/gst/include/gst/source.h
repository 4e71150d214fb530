/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw sound and pictures from a file of any kind GStreamer reads, or from a device. Pull interface without pacing:
 * the camera and microphone threads pace, the measuring tool reads as fast as it can and gets the same pictures.
 */
#ifndef CLIENT_GST_SOURCE_H
#define CLIENT_GST_SOURCE_H

#include <gst/events.h>

#define CLIENT_CAMERA_WIDTH_MAX  1280
#define CLIENT_CAMERA_HEIGHT_MAX 720
#define CLIENT_CAMERA_FPS_MAX    30
#define CLIENT_CAMERA_SIDE_MIN   16 /* smaller pictures are enlarged to it */

/* A raw I420 picture; planes are borrowed until the next read or close. */
struct client_raw_picture {
	unsigned width, height; /* even, constant over a source's life */
	const uint8_t *plane[3];
	int stride[3];
	uint64_t index;  /* number in the file's present round, after reduction to 30 per second */
	uint64_t round;  /* how often the file began again */
	int64_t time_us; /* file: time since the first round's start; device: CLOCK_MONOTONIC of capture */
};

struct client_source;

enum client_source_kind { CLIENT_SOURCE_PICTURE = 1, CLIENT_SOURCE_VOICE };

/*
 * Opens `spec`: a path, a file: URI, or "device". Waits until the first picture or sound is there (at most 10 s), so
 * that an unreadable file is reported here: CV_EIO or CV_EFORMAT with one line in ret_text (unreadable, no picture, no
 * sound). `loop` begins again at the end (files).
 */
int client_source_open(enum client_source_kind kind, const char *spec, bool loop, char ret_text[CLIENT_TEXT_MAX],
		       struct client_source **ret) CV_NODISCARD;
/* Any thread, while no read is running in another. Takes NULL. */
void client_source_close(struct client_source *s);
/* Makes a read that is running or comes later return CV_ECLOSED. Any thread. */
void client_source_interrupt(struct client_source *s);
bool client_source_is_device(const struct client_source *s);
/* Pictures: size and pictures per second (1..30, rounded up) as announced by the source. */
void client_source_format(const struct client_source *s, unsigned *ret_width, unsigned *ret_height, unsigned *ret_fps);
/* Next picture. CV_ENOTFOUND at the end, CV_EIO with ret_text when reading fails, CV_ECLOSED when interrupted. */
int client_source_picture(struct client_source *s, char ret_text[CLIENT_TEXT_MAX],
			  struct client_raw_picture *ret) CV_NODISCARD;
/*
 * Next 20 ms of sound (48 kHz, mono), the last frame filled up with silence. ret_time_us as in client_raw_picture.
 * Errors as client_source_picture.
 */
int client_source_voice(struct client_source *s, char ret_text[CLIENT_TEXT_MAX], int16_t ret[MEDIA_VOICE_SAMPLES],
			int64_t *ret_time_us) CV_NODISCARD;

#endif
