/* SPDX-License-Identifier: Apache-2.0 */
/* What the listener (server.c) and its connections (conn.c) share. */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "internal.h"

enum net_phase { PHASE_TLS, PHASE_HEAD, PHASE_BODY, PHASE_ANSWER, PHASE_LINGER };

/* A connection until it is a tunnel or answered. */
struct net_conn {
	struct net_server *server;
	struct net_conn *next, *prev;
	enum net_phase phase;
	int fd;
	SSL *ssl;
	struct cv_fd watch;
	struct cv_timer timer;
	struct net_peer peer;
	struct cv_buf in, out;
	struct net_http_head head;
	size_t head_len, body_len;
	size_t out_done;
};

struct net_server {
	struct cv_loop *loop;
	struct net_server_opts opts;
	struct net_server_cbs cbs;
	void *arg;
	char *tunnel_path, *origin;
	int fd;
	uint16_t port;
	struct cv_fd watch;
	struct cv_timer resume;
	struct net_conn *conns;
	struct net_tunnel *tunnels;
	size_t count;
};

/* Takes the accepted `fd`, also on failure, and adds the connection to the server's list. */
int net_conn_new(struct net_server *s, int fd, const struct sockaddr_storage *sa) CV_NODISCARD;
/* Closes it, takes it off the list and frees it. */
void net_conn_drop(struct net_conn *c);

#endif
