/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One remote participant: a thread that takes the decrypted units of its camera and microphone, decodes them, measures,
 * and records. Wants key pictures by CLIENT_EVENT_KEY_WANTED, reports failures of the recording (full disk) once by
 * CLIENT_EVENT_ERROR; what was recorded until then stays playable, and viewing goes on.
 * All functions may be called from the program's thread at any time.
 */
#ifndef CLIENT_GST_VIEWER_H
#define CLIENT_GST_VIEWER_H

#include <gst/source.h>

#define CLIENT_VIEWER_QUEUE_MAX 512 /* units waiting for the thread at most */

struct client_viewer_config {
	/*
	 * Path without extension, or NULL: "<record>.webm" gets VP9 and Opus in step, "<record>.frames.jsonl" a line
	 * per written frame: {"kind":"picture","frame":N,"time_ms":T,"delay_us":D,"full":true} or
	 * {"kind":"voice","frame":N,"time_ms":T,"delay_us":D}. Existing files are replaced.
	 */
	const char *record;
	struct client_events *events; /* must outlive the viewer */
	uint32_t token;
	/* Called in the viewer's thread for each decoded picture, borrowed for the call. May be NULL. */
	void (*on_picture)(void *ctx, const struct client_raw_picture *pic, uint32_t frame);
	/* Called in the viewer's thread every 20 ms while there is voice to play. May be NULL. */
	void (*on_voice)(void *ctx, const int16_t samples[MEDIA_VOICE_SAMPLES]);
	void *ctx;
};

struct client_stream_stats {
	uint64_t units, bytes; /* received */
	uint64_t frames;       /* pictures or voice frames decoded */
	uint64_t full;         /* pictures decoded at full size */
	uint64_t lost;         /* numbers that never came, or could not be decoded; voice: concealed */
	uint32_t first, last;  /* frame numbers received */
	int64_t decode_p50_us, decode_p99_us;
	int64_t delay_p50_us, delay_p99_us; /* capture to decoded; meaningful where clocks are shared */
	int64_t jitter_us;
	int64_t gap_max_us;     /* longest time between two decoded pictures after the first second */
	unsigned width, height; /* of the last picture */
};

struct client_viewer_stats {
	struct client_stream_stats picture, voice;
	bool recording; /* false also after it failed */
	uint64_t recorded_bytes;
};

struct client_viewer;

/* CV_ENOMEM, CV_EIO (recording cannot be created, thread); ret_text holds one line for people. */
int client_viewer_new(const struct client_viewer_config *cfg, char ret_text[CLIENT_TEXT_MAX],
		      struct client_viewer **ret) CV_NODISCARD;
/* Decodes what waits, ends the recording properly, frees; takes NULL. No event comes after it returns. */
void client_viewer_free(struct client_viewer *v);
/* Hands a copy of a decrypted unit to the thread. CV_ELIMIT when it cannot keep up (the unit is dropped), CV_ENOMEM. */
int client_viewer_push(struct client_viewer *v, const struct media_unit *u) CV_NODISCARD;
/* The highest spatial layer subscribed to. */
void client_viewer_set_top(struct client_viewer *v, uint8_t sid);
void client_viewer_stats(struct client_viewer *v, struct client_viewer_stats *ret);

#endif
