/* SPDX-License-Identifier: Apache-2.0 */
/* HTTPS by libwebsockets: two listeners, one for people and clients, one for relays with mutual TLS. One thread. */
#ifndef MGR_API_HTTP_H
#define MGR_API_HTTP_H

#include "api/api.h"
#include "api/static.h"

struct mgr_http;

struct mgr_http_opts {
	struct mgr_app *app;
	const struct mgr_static *pages;
	/* After requests: new mail, or (each second) whatever else is to be done. */
	void (*on_mail)(void *arg);
	void (*on_tick)(void *arg);
	/* After mgr_http_wake_reload, on the loop's thread. */
	void (*on_reload)(void *arg);
	void *arg;
};

#define MGR_REQUEST_TIMEOUT_S 15 /* to send a whole request */
#define MGR_IDLE_TIMEOUT_S    60

/* Listens as the configuration says. CV_EIO with the cause in the log. */
int mgr_http_new(const struct mgr_http_opts *opts, struct mgr_http **ret_http) CV_NODISCARD;
/* Serves until mgr_http_stop. */
int mgr_http_run(struct mgr_http *h) CV_NODISCARD;
/* From a signal handler or another thread too. */
void mgr_http_stop(struct mgr_http *h);
/* Makes the loop call on_reload; from a signal handler too. */
void mgr_http_wake_reload(struct mgr_http *h);
/*
 * Certificate and key of the configuration anew, for connections from now on. CV_EFORMAT: they cannot be read or do not
 * belong together; the old ones stay.
 */
int mgr_http_load_certificate(struct mgr_http *h) CV_NODISCARD;
/* Waiting requests are asked again: there may be events. */
void mgr_http_wake(struct mgr_http *h);
void mgr_http_free(struct mgr_http *h);

#endif
