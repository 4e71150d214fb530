/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the media threads talk to the program's event loop: a bounded queue of messages with a descriptor to poll.
 * Cameras, microphones and viewers put events in from their own threads; the loop's thread takes them out.
 */
#ifndef CLIENT_GST_EVENTS_H
#define CLIENT_GST_EVENTS_H

#include <media/unit.h>

#define CLIENT_EVENTS_MAX 512 /* events waiting at most; pictures are not even encoded above a quarter of it */
#define CLIENT_TEXT_MAX   256 /* one-line texts for people, final NUL included */

enum client_event_kind {
	CLIENT_EVENT_UNIT = 1,   /* an encoded unit to send (camera, microphone) */
	CLIENT_EVENT_END,        /* the file ended (camera, microphone without loop) */
	CLIENT_EVENT_ERROR,      /* the source, encoder, decoder or recording failed; text says what, in one line */
	CLIENT_EVENT_KEY_WANTED, /* a viewer needs a key picture: ask its sender */
};

struct client_event {
	enum client_event_kind kind;
	uint32_t token;         /* as given to the camera, microphone or viewer */
	struct media_unit unit; /* UNIT: data owned by the event */
	char text[CLIENT_TEXT_MAX];
};

struct client_events;

/* CV_ENOMEM, CV_EIO (no descriptor). Free after everything that writes into it is closed; takes NULL. */
int client_events_new(struct client_events **ret) CV_NODISCARD;
void client_events_free(struct client_events *q);
/* Readable while events wait. Owned by the queue. */
int client_events_fd(const struct client_events *q);
/* Takes the next event out, CV_EAGAIN when there is none. Give it back with client_event_done. Any thread. */
int client_events_next(struct client_events *q, struct client_event *ret) CV_NODISCARD;
void client_event_done(struct client_event *e);
/* Events waiting. Any thread. */
size_t client_events_depth(struct client_events *q);
/* Puts an event in; unit data is copied. CV_ELIMIT when full, CV_ENOMEM. Any thread. */
int client_events_put(struct client_events *q, const struct client_event *e) CV_NODISCARD;

/* Once per process, before anything else of client/gst. CV_EIO when GStreamer does not start; ret_text says why. */
int client_media_init(char ret_text[CLIENT_TEXT_MAX]) CV_NODISCARD;
/* CLOCK_MONOTONIC in microseconds: the clock of all capture times. */
int64_t client_now_us(void);

#endif
