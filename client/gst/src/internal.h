/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of client/gst only. */
#ifndef CLIENT_GST_INTERNAL_H
#define CLIENT_GST_INTERNAL_H

#include <stdio.h>

#include <gst/events.h>

/* printf into a text for people. */
__attribute__((format(printf, 2, 3))) void client_text(char ret_text[CLIENT_TEXT_MAX], const char *fmt, ...);

/* Sleeps until `due_us` on CLOCK_MONOTONIC or until *stop is set and client_pause_wake called. False: stopped. */
struct client_pause;
int client_pause_new(struct client_pause **ret) CV_NODISCARD;
void client_pause_free(struct client_pause *p);
bool client_pause_until(struct client_pause *p, int64_t due_us);
void client_pause_stop(struct client_pause *p);
bool client_pause_stopped(struct client_pause *p);

/*
 * Times of the last CLIENT_TIMES frames, for percentiles. Counts all, keeps a histogram of 1/4 ms steps up to 4 s.
 */
#define CLIENT_TIMES_STEP_US 250
#define CLIENT_TIMES_STEPS   16000
struct client_times {
	uint64_t count;
	uint32_t bin[CLIENT_TIMES_STEPS + 1];
};
void client_times_add(struct client_times *t, int64_t us);
/* The time that `permille` of all frames stayed under, 0 without frames. */
int64_t client_times_quantile(const struct client_times *t, unsigned permille);

#endif
