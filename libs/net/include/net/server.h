/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The listener: accepts TLS, reads one bounded HTTP/1.1 request per connection, and either makes a tunnel of it
 * (GET of a tunnel path with the WebSocket upgrade) or answers it from a callback and closes. Loop thread only.
 */
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include <net/tunnel.h>

#define NET_HTTP_HEAD_MAX    8192 /* request line and headers, bytes: 431 above */
#define NET_HTTP_HEADERS_MAX 64
#define NET_HTTP_BODY_MAX    65536 /* request body: 413 above */

/* A request, borrowed for the callback. Method, path and header names are checked for their characters. */
struct net_request {
	const char *method;
	const char *path;  /* without query; begins with '/' */
	const char *query; /* after '?', "" when there is none */
	const uint8_t *body;
	size_t body_len;
	const struct net_peer *peer;
	const struct net_http_head *head; /* for net_request_header */
};
/* Value of a header (any case), NULL when absent; borrowed. Of a repeated header, the first. */
CV_PUBLIC const char *net_request_header(const struct net_request *req, const char *name);

struct net_response {
	int status;               /* 404 unless set */
	const char *content_type; /* default application/json; a constant */
	struct cv_buf body;       /* at most NET_HTTP_BODY_MAX; freed by the server */
};

struct net_server_cbs {
	/* A client asks for a tunnel; `req` as above. 0 and cbs set by net_tunnel_set_cbs: on_open follows when the
	 * upgrade is written. Else an HTTP status (403, 503 …) that refuses it. */
	int (*on_tunnel)(void *arg, const struct net_request *req, struct net_tunnel *t);
	/* Any other request. NULL: 404. */
	void (*on_request)(void *arg, const struct net_request *req, struct net_response *res);
	/* A connection ended before it came to a request (for counters and logs). May be NULL. */
	void (*on_failure)(void *arg, const struct net_peer *peer, int err);
};

struct net_server_opts {
	const char *address; /* numeric; NULL or "::" all of both families */
	uint16_t port;       /* 0: any, see net_server_port */
	struct net_tls_server *tls;
	const char *tunnel_path; /* default "/tunnel" */
	const char *origin;      /* browsers: the only Origin allowed; NULL: any request with Origin is refused.
				    "*" allows all */
	size_t max_connections;  /* default 2048; more are closed at once */
	size_t max_per_address;  /* connections of one address; default 0: no limit */
	bool reuse_port;         /* SO_REUSEPORT */
	struct net_tunnel_opts tunnel;
};

struct net_server;

/* Listens. CV_EIO (errno says why: EADDRINUSE, EACCES …), CV_EINVAL, CV_ENOMEM. */
CV_PUBLIC int net_server_new(struct cv_loop *loop, const struct net_server_opts *opts, const struct net_server_cbs *cbs,
			     void *arg, struct net_server **ret_server) CV_NODISCARD;
CV_PUBLIC uint16_t net_server_port(const struct net_server *s);
/* Connections alive, tunnels included. */
CV_PUBLIC size_t net_server_connections(const struct net_server *s);
/* No new connections from now on; tunnels go on. */
CV_PUBLIC void net_server_stop(struct net_server *s);
/* Stops and drops every connection without callbacks. Takes NULL. */
CV_PUBLIC void net_server_free(struct net_server *s);

#endif
