/* SPDX-License-Identifier: Apache-2.0 */
/* The client's way to an open tunnel: name, TCP (each address in turn), proxy, TLS with pins, upgrade. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/alloc.h>

#include "internal.h"

#define NEXT_ADDRESS_US 3000000 /* an address that does not answer for so long lets the next one have its turn */
#define TEXT_MAX        1024

struct net_connector {
	char host[256], path[TEXT_MAX], server_name[256];
	uint16_t port;
	char proxy_host[256], proxy_auth[TEXT_MAX]; /* Basic credentials, encoded */
	uint16_t proxy_port;
	struct net_resolve *resolve;
	struct net_addresses addresses;
	size_t next;
	char key[25];
};

void net_connector_free(struct net_connector *c)
{
	if (!c)
		return;
	net_resolve_cancel(c->resolve);
	cv_free_wiped(c, sizeof(*c));
}

/* ---- what the caller gave ---- */

/* Copies text that goes into a request: visible ASCII only, so that it brings no line of its own. */
static int copy_text(char *dst, size_t size, const char *src, size_t len)
{
	if (!len || len >= size)
		return CV_EINVAL;
	for (size_t i = 0; i < len; i++)
		if (src[i] <= ' ' || src[i] >= 0x7f)
			return CV_EINVAL;
	memcpy(dst, src, len);
	dst[len] = '\0';
	return 0;
}

static int parse_port(const char *s, uint16_t *ret_port)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (*s < '0' || *s > '9' || (*end && strcmp(end, "/") != 0) || !v || v > 65535)
		return CV_EINVAL;
	*ret_port = (uint16_t)v;
	return 0;
}

/* [http://][user:password@]host:port, the host in brackets when it is an IPv6 address. */
static int parse_proxy(struct net_connector *c, const char *s)
{
	const char *at, *colon;
	int err;

	if (strncmp(s, "http://", 7) == 0)
		s += 7;
	else if (strstr(s, "://"))
		return CV_EUNSUPPORTED;
	at = strrchr(s, '@');
	if (at) {
		if ((size_t)(at - s) > TEXT_MAX / 2)
			return CV_EINVAL;
		EVP_EncodeBlock((unsigned char *)c->proxy_auth, (const unsigned char *)s, (int)(at - s));
		s = at + 1;
	}
	colon = strrchr(s, ':');
	if (!colon)
		return CV_EINVAL;
	if (*s == '[' && colon > s + 1 && colon[-1] == ']')
		err = copy_text(c->proxy_host, sizeof(c->proxy_host), s + 1, (size_t)(colon - s) - 2);
	else
		err = copy_text(c->proxy_host, sizeof(c->proxy_host), s, (size_t)(colon - s));
	return err ? err : parse_port(colon + 1, &c->proxy_port);
}

static int fill_connector(struct net_connector *c, const struct net_connect_opts *o)
{
	const char *path = o->path ? o->path : "/tunnel", *name = o->server_name ? o->server_name : o->host;
	int err = copy_text(c->host, sizeof(c->host), o->host, strlen(o->host));

	if (!err)
		err = copy_text(c->path, sizeof(c->path), path, strlen(path));
	if (!err && *path != '/')
		err = CV_EINVAL;
	if (!err)
		err = copy_text(c->server_name, sizeof(c->server_name), name, strlen(name));
	if (!err && o->proxy && *o->proxy)
		err = parse_proxy(c, o->proxy);
	c->port = o->port;
	return err;
}

/* ---- TCP ---- */

static void try_next(struct net_tunnel *t)
{
	struct net_connector *c = t->conn;

	cv_fd_del(&t->watch);
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	t->state = NET_CONNECTING;
	while (c->next < c->addresses.count) {
		size_t i = c->next++;

		if (net_sock_connect(&c->addresses.sa[i], c->addresses.len[i], &t->fd))
			continue;
		if (cv_fd_add(&t->watch, t->loop, t->fd, CV_LOOP_WRITE, net_tunnel_on_io, t)) {
			net_tunnel_fail(t, CV_EIO);
			return;
		}
		net_sock_address(&c->addresses.sa[i], t->peer.address, sizeof(t->peer.address), &t->peer.port);
		if (c->next < c->addresses.count)
			cv_timer_set(&t->gate, NEXT_ADDRESS_US);
		return;
	}
	net_tunnel_fail(t, CV_EIO);
}

void net_connect_on_gate(struct net_tunnel *t)
{
	if (t->state == NET_CONNECTING)
		try_next(t);
}

static void on_resolved(void *arg, int err, const struct net_addresses *a)
{
	struct net_tunnel *t = arg;

	net_tunnel_enter(t);
	if (!err)
		t->conn->addresses = *a;
	net_resolve_cancel(t->conn->resolve);
	t->conn->resolve = NULL;
	if (err)
		net_tunnel_fail(t, err);
	else
		try_next(t);
	net_tunnel_leave(t);
}

/* ---- proxy ---- */

static int send_connect(struct net_tunnel *t)
{
	const struct net_connector *c = t->conn;
	bool v6 = strchr(c->host, ':') != NULL, auth = c->proxy_auth[0];
	char text[3 * TEXT_MAX];
	int n = snprintf(text, sizeof(text), "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n%s%s%s\r\n",
			 v6 ? "[" : "", c->host, v6 ? "]" : "", c->port, v6 ? "[" : "", c->host, v6 ? "]" : "", c->port,
			 auth ? "Proxy-Authorization: Basic " : "", auth ? c->proxy_auth : "", auth ? "\r\n" : "");

	if (n < 0 || n >= (int)sizeof(text))
		return CV_EINVAL;
	/* A fresh connection takes so few bytes at once. */
	return send(t->fd, text, (size_t)n, MSG_NOSIGNAL) == n ? 0 : CV_EIO;
}

static int start_tls(struct net_tunnel *t)
{
	int err = net_tls_connect(t->tls, t->fd, t->conn->server_name, &t->ssl);

	if (!err)
		t->state = NET_TLS;
	return err;
}

static int read_proxy(struct net_tunnel *t)
{
	struct net_http_head head;
	size_t used;
	uint8_t *p;
	ssize_t n;
	int err = cv_buf_extend(&t->head, 1024, &p);

	if (err)
		return err;
	n = recv(t->fd, p, 1024, 0);
	t->head.len -= 1024 - (n > 0 ? (size_t)n : 0);
	if (n == 0)
		return CV_ECLOSED;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? CV_EAGAIN : CV_EIO;
	err = net_http_response_parse(t->head.data, t->head.len, &head, &used);
	if (err)
		return err;
	t->http_status = head.status;
	net_http_head_done(&head);
	if (t->http_status / 100 != 2)
		return CV_EDENIED;
	/* The server does not speak first in TLS. */
	if (used != t->head.len)
		return CV_EFORMAT;
	t->http_status = 0;
	cv_buf_reset(&t->head);
	return start_tls(t);
}

static int on_connected(struct net_tunnel *t)
{
	int err;

	cv_timer_stop(&t->gate);
	if (!t->conn->proxy_host[0])
		return start_tls(t);
	err = send_connect(t);
	if (err)
		return err;
	t->state = NET_PROXY;
	cv_fd_set(&t->watch, CV_LOOP_READ);
	return CV_EAGAIN;
}

/* ---- upgrade: RFC 6455 section 4.1 ---- */

static int write_request(struct net_tunnel *t)
{
	struct net_connector *c = t->conn;
	bool v6 = strchr(c->server_name, ':') != NULL;
	char port[8] = "";
	int n, err = net_ws_key(c->key);

	if (err)
		return err;
	if (c->port != 443)
		snprintf(port, sizeof(port), ":%u", c->port);
	n = snprintf((char *)t->wbuf, NET_CHUNK_MAX,
		     "GET %s HTTP/1.1\r\nHost: %s%s%s%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		     "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: " NET_SUBPROTOCOL
		     "\r\n\r\n",
		     c->path, v6 ? "[" : "", c->server_name, v6 ? "]" : "", port, c->key);
	if (n < 0 || n >= NET_CHUNK_MAX)
		return CV_EINVAL;
	t->wlen = (size_t)n;
	t->state = NET_UPGRADE;
	cv_deferred_run(&t->flush);
	return 0;
}

static int check_response(struct net_tunnel *t, const struct net_http_head *h)
{
	const char *accept = net_http_header(h, "Sec-WebSocket-Accept"), *protocol;
	char expected[29];
	int err;

	if (h->status != 101) {
		t->http_status = h->status;
		return CV_EDENIED;
	}
	err = net_ws_accept(t->conn->key, expected);
	if (err)
		return err;
	protocol = net_http_header(h, "Sec-WebSocket-Protocol");
	if (!accept || strcmp(accept, expected) != 0 || !protocol || strcmp(protocol, NET_SUBPROTOCOL) != 0 ||
	    !net_http_has_token(h, "Upgrade", "websocket") || !net_http_has_token(h, "Connection", "Upgrade") ||
	    net_http_header(h, "Sec-WebSocket-Extensions"))
		return CV_EFORMAT;
	return 0;
}

static int read_response(struct net_tunnel *t)
{
	struct net_http_head head;
	size_t used;
	uint8_t *p;
	int r, err = cv_buf_extend(&t->head, 4096, &p);

	if (err)
		return err;
	ERR_clear_error();
	errno = 0;
	r = SSL_read(t->ssl, p, 4096);
	t->head.len -= 4096 - (r > 0 ? (size_t)r : 0);
	if (r <= 0)
		return net_tls_error(t->ssl, r, &t->read_want);
	t->read_want = 0;
	err = net_http_response_parse(t->head.data, t->head.len, &head, &used);
	if (err)
		return err == CV_EAGAIN ? read_response(t) : err;
	err = check_response(t, &head);
	net_http_head_done(&head);
	if (err)
		return err;
	cv_buf_consume(&t->head, used);
	net_tunnel_opened(t);
	return 0;
}

/* ---- events ---- */

static int step(struct net_tunnel *t)
{
	unsigned want = 0;
	int soerr = 0, err;
	socklen_t len = sizeof(soerr);

	switch (t->state) {
	case NET_CONNECTING:
		if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &soerr, &len) != 0 || soerr) {
			try_next(t);
			return CV_EAGAIN;
		}
		return on_connected(t);
	case NET_PROXY: return read_proxy(t);
	case NET_TLS:
		err = net_tls_handshake(t->ssl, &want);
		if (err == CV_EAGAIN)
			cv_fd_set(&t->watch, want);
		if (err)
			return err;
		net_tls_peer(t->ssl, &t->peer);
		return write_request(t);
	case NET_UPGRADE:
		if (t->wlen)
			cv_deferred_run(&t->flush);
		err = read_response(t);
		/* Opened: nothing more for us to do. */
		return err ? err : CV_EAGAIN;
	default: return CV_EAGAIN;
	}
}

void net_connect_on_io(struct net_tunnel *t, unsigned events)
{
	int err = 0;

	while (!err && t->state < NET_OPEN)
		err = step(t);
	if (err && err != CV_EAGAIN)
		net_tunnel_fail(t, err);
}

int net_tunnel_connect(struct cv_loop *loop, const struct net_connect_opts *opts, const struct net_tunnel_cbs *cbs,
		       void *arg, struct net_tunnel **ret_tunnel)
{
	struct net_tunnel *t;
	struct net_connector *c;
	const char *host;
	uint16_t port;
	int err;

	if (!opts->host || !opts->port || !opts->tls)
		return CV_EINVAL;
	err = net_tunnel_new(loop, &opts->tunnel, true, &t);
	if (err)
		return err;
	t->conn = c = cv_calloc(1, sizeof(*c));
	err = c ? fill_connector(c, opts) : CV_ENOMEM;
	if (err)
		goto out;
	t->tls = net_tls_client_ref(opts->tls);
	net_tunnel_set_cbs(t, cbs, arg);
	host = c->proxy_host[0] ? c->proxy_host : c->host;
	port = c->proxy_host[0] ? c->proxy_port : c->port;
	if (net_resolve_numeric(host, port, &c->addresses) == 0) {
		net_tunnel_enter(t);
		try_next(t);
		net_tunnel_leave(t);
	} else {
		err = net_resolve_start(loop, host, port, on_resolved, t, &c->resolve);
	}
	if (!err)
		*ret_tunnel = t;
out:
	if (err)
		net_tunnel_abort(t);
	return err;
}
