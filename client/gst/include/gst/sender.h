/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Camera and microphone: each a thread that reads a source at real speed, encodes, and puts units as
 * CLIENT_EVENT_UNIT into the program's queue. All functions here may be called from the program's thread at any time.
 *
 * Order of calls: open (reports an unreadable file), start with one common start time for both (keeps them in step),
 * close.
 */
#ifndef CLIENT_GST_SENDER_H
#define CLIENT_GST_SENDER_H

#include <gst/events.h>

struct client_sender_config {
	const char *spec;             /* path or URI of a file, or "device" */
	bool loop;                    /* a file begins again at its end */
	uint32_t bitrate;             /* camera: bit/s, 0 = by size */
	const char *log;              /* path of a file that gets a line per sent frame, or NULL (see below) */
	struct client_events *events; /* must outlive the sender */
	uint32_t token;               /* comes back in every event */
};
/*
 * The log has one JSON object per line: {"kind":"picture","frame":N,"index":I,"round":R,"capture_us":T,"width":W,
 * "height":H} or {"kind":"voice","frame":N,"sample":S,"capture_us":T}: index and sample tell which part of the file was
 * sent. tools/media-compare reads it.
 */

struct client_sender_stats {
	unsigned width, height;               /* camera */
	uint64_t frames, bytes;               /* sent */
	uint64_t skipped;                     /* pictures not encoded: too late, nobody wanted them, queue full */
	int64_t encode_p50_us, encode_p99_us; /* wall time per frame */
	uint8_t layers;                       /* spatial layers encoded at present */
};

struct client_camera;
struct client_microphone;

/* CV_EIO, CV_EFORMAT, CV_ENOMEM, CV_EUNSUPPORTED; ret_text holds one line for people. */
int client_camera_open(const struct client_sender_config *cfg, char ret_text[CLIENT_TEXT_MAX],
		       struct client_camera **ret) CV_NODISCARD;
/* Begins to send: a file's first picture is due at start_us (client_now_us() for at once). CV_ESTATE if started. */
int client_camera_start(struct client_camera *c, int64_t start_us) CV_NODISCARD;
/* Ends the thread and frees; takes NULL. No event comes after it returns. */
void client_camera_close(struct client_camera *c);
/* Somebody cannot decode: the next picture is a key picture. */
void client_camera_request_key(struct client_camera *c);
/* Somebody wants to switch up to layer `sid`. */
void client_camera_request_sync(struct client_camera *c, uint8_t sid);
/* The highest spatial layer that anybody wants; -1: nobody watches, nothing is encoded until it is raised. */
void client_camera_set_top(struct client_camera *c, int sid);
void client_camera_set_bitrate(struct client_camera *c, uint32_t bps);
/* Switched off: time goes on, nothing is sent. Switching on begins with a key picture. */
void client_camera_mute(struct client_camera *c, bool muted);
void client_camera_stats(struct client_camera *c, struct client_sender_stats *ret);

/* As the camera's. A muted microphone sends nothing. */
int client_microphone_open(const struct client_sender_config *cfg, char ret_text[CLIENT_TEXT_MAX],
			   struct client_microphone **ret) CV_NODISCARD;
int client_microphone_start(struct client_microphone *m, int64_t start_us) CV_NODISCARD;
void client_microphone_close(struct client_microphone *m);
void client_microphone_mute(struct client_microphone *m, bool muted);
void client_microphone_stats(struct client_microphone *m, struct client_sender_stats *ret);

#endif
