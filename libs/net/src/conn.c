/* SPDX-License-Identifier: Apache-2.0 */
/* One accepted connection: its TLS handshake, its one request, and the answer or the tunnel that it becomes. */
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <base/alloc.h>

#include "conn.h"

#define LINGER_US 2000000 /* for the peer to read an answer before the connection is reset */
#define HEAD_TEXT 1024
#define STEPS_MAX 1024

const char *net_request_header(const struct net_request *req, const char *name)
{
	return net_http_header(req->head, name);
}

void net_conn_drop(struct net_conn *c)
{
	struct net_server *s = c->server;

	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	s->count--;
	cv_fd_del(&c->watch);
	cv_timer_done(&c->timer);
	SSL_free(c->ssl);
	if (c->fd >= 0)
		close(c->fd);
	cv_buf_done(&c->in);
	cv_buf_done(&c->out);
	net_http_head_done(&c->head);
	cv_free(c);
}

static void fail(struct net_conn *c, int err)
{
	struct net_server *s = c->server;

	if (c->phase < PHASE_ANSWER && s->cbs.on_failure)
		s->cbs.on_failure(s->arg, &c->peer, err);
	net_conn_drop(c);
}

static bool origin_allowed(const struct net_server *s, const struct net_http_head *h)
{
	const char *origin = net_http_header(h, "Origin");

	return !origin || (s->origin && (strcmp(s->origin, "*") == 0 || strcmp(s->origin, origin) == 0));
}

static void start_linger(struct net_conn *c)
{
	c->phase = PHASE_LINGER;
	(void)SSL_shutdown(c->ssl);
	(void)shutdown(c->fd, SHUT_WR);
	cv_timer_set(&c->timer, LINGER_US);
	cv_fd_set(&c->watch, CV_LOOP_READ);
}

/* 0 done, CV_EAGAIN, or the end. */
static int write_out(struct net_conn *c)
{
	unsigned want = CV_LOOP_WRITE;
	int r, err;

	while (c->out_done < c->out.len) {
		ERR_clear_error();
		errno = 0;
		r = SSL_write(c->ssl, c->out.data + c->out_done, (int)(c->out.len - c->out_done));
		if (r <= 0) {
			err = net_tls_error(c->ssl, r, &want);
			if (err == CV_EAGAIN)
				cv_fd_set(&c->watch, want);
			return err;
		}
		c->out_done += (size_t)r;
	}
	start_linger(c);
	return CV_EAGAIN;
}

/* Begins the answer. */
static int answer(struct net_conn *c, int status, const char *content_type, const uint8_t *body, size_t len)
{
	const char *origin = c->head.text ? net_http_header(&c->head, "Origin") : NULL;
	bool cors = origin && c->server->origin && origin_allowed(c->server, &c->head);
	bool head_only = c->head.method && strcmp(c->head.method, "HEAD") == 0;
	char text[HEAD_TEXT];
	int n = snprintf(text, sizeof(text),
			 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
			 "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s%s%s%s\r\n",
			 status, net_http_reason(status), content_type, len,
			 status == 426 ? "Upgrade: websocket\r\n" : "", cors ? "Access-Control-Allow-Origin: " : "",
			 cors ? c->server->origin : "", cors ? "\r\nVary: Origin\r\n" : "");
	int err;

	c->phase = PHASE_ANSWER;
	if (n < 0 || n >= (int)sizeof(text))
		return CV_ELIMIT;
	/* RFC 9110 section 8.6: no length with 204. */
	if (status == 204)
		n = snprintf(text, sizeof(text),
			     "HTTP/1.1 204 No Content\r\nConnection: close\r\nCache-Control: no-store\r\n%s%s%s\r\n",
			     cors ? "Access-Control-Allow-Origin: " : "", cors ? c->server->origin : "",
			     cors ? "\r\nVary: Origin\r\n" : "");
	err = cv_buf_put(&c->out, text, (size_t)n);
	if (!err && !head_only && status != 204)
		err = cv_buf_put(&c->out, body, len);
	return err ? err : write_out(c);
}

static int refuse(struct net_conn *c, int status)
{
	return answer(c, status, "text/plain", NULL, 0);
}

/* ---- requests ---- */

static struct net_request make_request(const struct net_conn *c)
{
	return (struct net_request){
		.method = c->head.method,
		.path = c->head.path,
		.query = c->head.query,
		.body = c->in.data + c->head_len,
		.body_len = c->body_len,
		.peer = &c->peer,
		.head = &c->head,
	};
}

static void on_tunnel_free(void *owner, struct net_tunnel *t)
{
	struct net_server *s = owner;

	if (t->next)
		t->next->prev = t->prev;
	if (t->prev)
		t->prev->next = t->next;
	else
		s->tunnels = t->next;
	s->count--;
}

static void add_tunnel(struct net_server *s, struct net_tunnel *t)
{
	t->owner = s;
	t->on_free = on_tunnel_free;
	t->next = s->tunnels;
	if (s->tunnels)
		s->tunnels->prev = t;
	s->tunnels = t;
	s->count++;
}

/* Status of an upgrade that may not be: RFC 6455 section 4.2.1. 0 when it may. */
static int check_upgrade(const struct net_server *s, const struct net_http_head *h)
{
	const char *key = net_http_header(h, "Sec-WebSocket-Key"),
		   *version = net_http_header(h, "Sec-WebSocket-Version");

	if (strcmp(h->method, "GET") != 0)
		return 405;
	if (!net_http_has_token(h, "Upgrade", "websocket") || !net_http_has_token(h, "Connection", "Upgrade") ||
	    !version || strcmp(version, "13") != 0)
		return 426;
	if (!key || net_http_header_count(h, "Sec-WebSocket-Key") != 1 || !net_ws_key_valid(key) ||
	    !net_http_has_token(h, "Sec-WebSocket-Protocol", NET_SUBPROTOCOL))
		return 400;
	return origin_allowed(s, h) ? 0 : 403;
}

/* Turns the connection into a tunnel. 0: it has been, and `c` is gone. */
static int upgrade(struct net_conn *c)
{
	struct net_server *s = c->server;
	struct net_request req = make_request(c);
	struct net_tunnel *t;
	char text[HEAD_TEXT], accept[29];
	int status = check_upgrade(s, &c->head), err;

	if (status)
		return refuse(c, status);
	err = net_ws_accept(net_http_header(&c->head, "Sec-WebSocket-Key"), accept);
	if (!err)
		err = net_tunnel_new(s->loop, &s->opts.tunnel, false, &t);
	if (err)
		return refuse(c, 503);
	t->peer = c->peer;
	status = s->cbs.on_tunnel ? s->cbs.on_tunnel(s->arg, &req, t) : 404;
	if (status) {
		net_tunnel_abort(t);
		return refuse(c, status);
	}
	snprintf(text, sizeof(text),
		 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		 "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: " NET_SUBPROTOCOL "\r\n\r\n",
		 accept);
	cv_fd_del(&c->watch);
	err = net_tunnel_adopt(t, c->fd, c->ssl, &c->peer, text, c->in.data + c->head_len, c->in.len - c->head_len);
	if (err) {
		/* Its user has seen it: the end is told. */
		net_tunnel_fail(t, err);
	} else {
		c->fd = -1;
		c->ssl = NULL;
	}
	add_tunnel(s, t);
	net_conn_drop(c);
	return 0;
}

static int handle(struct net_conn *c)
{
	struct net_server *s = c->server;
	struct net_request req = make_request(c);
	struct net_response res = {.status = 404, .content_type = "application/json"};
	int err;

	if (strcmp(c->head.path, s->tunnel_path) == 0)
		return upgrade(c);
	cv_buf_init(&res.body, NET_HTTP_BODY_MAX);
	if (s->cbs.on_request)
		s->cbs.on_request(s->arg, &req, &res);
	if (cv_buf_status(&res.body))
		err = refuse(c, 500);
	else
		err = answer(c, res.status, res.content_type, res.body.data, res.body.len);
	cv_buf_done(&res.body);
	return err;
}

static int parse_head(struct net_conn *c)
{
	int err = net_http_request_parse(c->in.data, c->in.len, &c->head, &c->head_len);

	if (err == CV_ELIMIT)
		return refuse(c, 431);
	if (err == CV_EFORMAT)
		return refuse(c, 400);
	if (err)
		return err;
	err = net_http_body_length(&c->head, NET_HTTP_BODY_MAX, &c->body_len);
	if (err)
		return refuse(c, err == CV_ELIMIT ? 413 : err == CV_EUNSUPPORTED ? 501 : 400);
	c->phase = PHASE_BODY;
	return 0;
}

/* ---- steps ---- */

/* Reads more of the request. */
static int read_in(struct net_conn *c)
{
	unsigned want = CV_LOOP_READ;
	uint8_t buf[4096];
	int r, err;

	ERR_clear_error();
	errno = 0;
	r = SSL_read(c->ssl, buf, sizeof(buf));
	if (r <= 0) {
		err = net_tls_error(c->ssl, r, &want);
		if (err == CV_EAGAIN)
			cv_fd_set(&c->watch, want);
		return err;
	}
	return cv_buf_put(&c->in, buf, (size_t)r);
}

static int step(struct net_conn *c)
{
	unsigned want = 0;
	char sink[4096];
	ssize_t n;
	int err;

	switch (c->phase) {
	case PHASE_TLS:
		err = net_tls_handshake(c->ssl, &want);
		if (err == CV_EAGAIN)
			cv_fd_set(&c->watch, want);
		if (err)
			return err;
		net_tls_peer(c->ssl, &c->peer);
		c->phase = PHASE_HEAD;
		return 0;
	case PHASE_HEAD:
		err = read_in(c);
		if (err)
			return err;
		err = parse_head(c);
		/* Not complete: read on until TLS has no more. */
		return err == CV_EAGAIN && c->phase == PHASE_HEAD ? 0 : err;
	case PHASE_BODY:
		if (c->in.len - c->head_len >= c->body_len)
			return handle(c);
		return read_in(c);
	case PHASE_ANSWER: return write_out(c);
	case PHASE_LINGER:
		n = recv(c->fd, sink, sizeof(sink), 0);
		if (n > 0 || (n < 0 && errno == EINTR))
			return 0;
		return n < 0 && errno == EAGAIN ? CV_EAGAIN : CV_ECLOSED;
	}
	return CV_EFORMAT;
}

static void on_io(void *arg, unsigned events)
{
	struct net_conn *c = arg;
	int err = 0, turns = 0;

	/* A bounded number of steps, so that nobody keeps the loop to themselves. */
	while (!err && turns++ < STEPS_MAX) {
		bool last = c->phase == PHASE_BODY && c->in.len - c->head_len >= c->body_len &&
			    strcmp(c->head.path, c->server->tunnel_path) == 0;

		err = step(c);
		/* It became a tunnel: the connection is no more. */
		if (last && !err)
			return;
	}
	if (err && err != CV_EAGAIN)
		fail(c, err);
}

static void on_timeout(void *arg)
{
	struct net_conn *c = arg;

	fail(c, CV_ETIMEOUT);
}

int net_conn_new(struct net_server *s, int fd, const struct sockaddr_storage *sa)
{
	struct net_conn *c = cv_calloc(1, sizeof(*c));
	int err;

	if (!c) {
		close(fd);
		return CV_ENOMEM;
	}
	c->server = s;
	c->fd = fd;
	cv_buf_init(&c->in, NET_HTTP_HEAD_MAX + NET_HTTP_BODY_MAX + 4096);
	cv_buf_init(&c->out, NET_HTTP_BODY_MAX + HEAD_TEXT);
	c->next = s->conns;
	if (s->conns)
		s->conns->prev = c;
	s->conns = c;
	s->count++;
	net_sock_address(sa, c->peer.address, sizeof(c->peer.address), &c->peer.port);
	net_sock_tune(fd);
	err = cv_timer_init(&c->timer, s->loop, on_timeout, c);
	if (!err)
		err = net_tls_accept(s->opts.tls, fd, &c->ssl);
	if (!err)
		err = cv_fd_add(&c->watch, s->loop, fd, CV_LOOP_READ, on_io, c);
	if (err) {
		net_conn_drop(c);
		return err;
	}
	cv_timer_set(&c->timer, s->opts.tunnel.handshake_timeout_us);
	return 0;
}
