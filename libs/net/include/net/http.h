/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocking HTTPS requests on libcurl: the clients' way to the manager, and the relay's. For worker threads and plain
 * programs, never on a loop's thread. Thread safe: each call stands alone; one net_http client per thread reuses its
 * connections.
 *
 * Only https. The peer is known as in net/tls.h: by pins (then nothing else), by a private authority, by both, or, when
 * asked for, by the system's authorities. Redirects are not followed. Proxies as given, or from the environment
 * (https_proxy, no_proxy) with every authentication libcurl knows.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/buf.h>
#include <net/tls.h>

struct net_http;

struct net_http_opts {
	const struct net_pins *pins; /* copied */
	const char *ca_file;
	bool system_ca;        /* with neither pins nor ca_file: trust the system's authorities. Else CV_EINVAL */
	bool note_only;        /* first contact: accept any certificate and note its pin in the result; the caller
				* checks it against what it learns. Never with a secret in the request */
	const char *cert_file; /* own certificate for mutual TLS */
	const char *key_file;
	const char *proxy; /* URL; NULL: environment; "" none */
	bool allow_tls12;
	int64_t timeout_ms;         /* whole request; default 30000 */
	int64_t connect_timeout_ms; /* default 10000 */
	size_t max_response;        /* body bytes; default 1 MB; CV_ELIMIT above */
};

/* CV_EINVAL, CV_ENOMEM. */
CV_PUBLIC int net_http_new(const struct net_http_opts *opts, struct net_http **ret_http) CV_NODISCARD;
CV_PUBLIC void net_http_free(struct net_http *h);

struct net_http_call {
	const char *method;         /* "GET", "POST" … */
	const char *url;            /* https://… */
	const char *const *headers; /* "Name: value", NULL-terminated, or NULL; no line breaks (CV_EINVAL) */
	const void *body;
	size_t body_len;
	const atomic_bool *cancel; /* set by another thread: CV_ECLOSED soon after; NULL: none */
};

struct net_http_result {
	int status;                                  /* 200, 404 …: any status is success of the call */
	struct cv_buf body;                          /* with a NUL after it, not counted in len */
	struct cv_buf header_text;                   /* for net_http_result_header */
	int64_t total_us, connect_us, first_byte_us; /* times; for probes: first_byte - connect is a round trip */
	char tls_pin[NET_PIN_TEXT];                  /* pin of the server's leaf */
	char detail[256];                            /* on failure: libcurl's words, for people */
};

/*
 * One request. On success the result is the caller's to net_http_result_done; on failure only `detail` is set.
 * CV_EPIN wrong key (no byte of the request was sent); CV_EAUTH certificate or our own refused; CV_ETIMEOUT; CV_EIO
 * unreachable; CV_ELIMIT too large; CV_EFORMAT not HTTP; CV_EDENIED the proxy refuses; CV_ECLOSED cancelled;
 * CV_EINVAL; CV_ENOMEM.
 */
CV_PUBLIC int net_http_request(struct net_http *h, const struct net_http_call *call,
			       struct net_http_result *ret_result) CV_NODISCARD;
CV_PUBLIC void net_http_result_done(struct net_http_result *r);
/* Value of a response header (any case; the last of repeated ones), NULL when absent; borrowed. */
CV_PUBLIC const char *net_http_result_header(const struct net_http_result *r, const char *name);

#endif
