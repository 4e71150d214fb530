/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's clock, corrected by the manager's. A computer's clock may be up to five minutes off; the offset is taken
 * from the manager's Date header and applied wherever times are compared or stated. Safe to use from several threads.
 */
#ifndef CLIENT_CLOCK_H
#define CLIENT_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <client/error.h>

#define CLIENT_CLOCK_MAX_OFFSET 300 /* seconds */
/* Date has whole seconds and the answer takes time: differences up to this are no error of the clock. Seconds. */
#define CLIENT_CLOCK_GRAIN 2

struct client_clock {
	_Atomic int64_t offset; /* seconds to add to this machine's clock */
	_Atomic bool known;     /* the manager has told its time */
};

/*
 * Takes the manager's time (Unix seconds) against this machine's clock. CV_EEXPIRED, outcome CLIENT_USAGE, and the
 * offset unchanged, when they are more than five minutes apart.
 */
CV_PUBLIC int client_clock_set(struct client_clock *c, int64_t manager_time, struct client_error *err) CV_NODISCARD;
/* As client_clock_set with the text of a Date header (RFC 9110 section 5.6.7). CV_EFORMAT: no such date. */
CV_PUBLIC int client_clock_set_date(struct client_clock *c, const char *date, struct client_error *err) CV_NODISCARD;
/* Corrected Unix time in seconds and microseconds. */
CV_PUBLIC uint64_t client_clock_now(const struct client_clock *c);
CV_PUBLIC uint64_t client_clock_now_us(const struct client_clock *c);

#endif
