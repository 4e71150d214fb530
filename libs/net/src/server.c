/* SPDX-License-Identifier: Apache-2.0 */
/* The listener: whom it lets in, and the lists of what has come. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <base/alloc.h>

#include "conn.h"

#define ACCEPT_BATCH    64
#define ACCEPT_PAUSE_US 100000 /* when there are no descriptors left */
#define DEFAULT_CONNS   2048

static size_t count_address(const struct net_server *s, const char *address)
{
	size_t n = 0;

	for (const struct net_conn *c = s->conns; c; c = c->next)
		n += strcmp(c->peer.address, address) == 0;
	for (const struct net_tunnel *t = s->tunnels; t; t = t->next)
		n += strcmp(t->peer.address, address) == 0;
	return n;
}

static bool has_room(const struct net_server *s, const struct sockaddr_storage *sa)
{
	char address[64];
	uint16_t port;

	if (s->count >= s->opts.max_connections)
		return false;
	if (!s->opts.max_per_address)
		return true;
	net_sock_address(sa, address, sizeof(address), &port);
	return count_address(s, address) < s->opts.max_per_address;
}

static void on_accept(void *arg, unsigned events)
{
	struct net_server *s = arg;

	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct sockaddr_storage sa;
		socklen_t len = sizeof(sa);
		int fd = accept4(s->fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			/* Out of descriptors or memory: the queue stays ready, so wait for some to be given back. */
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
				cv_fd_set(&s->watch, 0);
				cv_timer_set(&s->resume, ACCEPT_PAUSE_US);
			}
			if (errno == ECONNABORTED || errno == EINTR)
				continue;
			return;
		}
		if (has_room(s, &sa))
			(void)!net_conn_new(s, fd, &sa); /* without memory this one connection is lost */
		else
			close(fd);
	}
}

static void on_resume(void *arg)
{
	struct net_server *s = arg;

	cv_fd_set(&s->watch, CV_LOOP_READ);
}

int net_server_new(struct cv_loop *loop, const struct net_server_opts *opts, const struct net_server_cbs *cbs,
		   void *arg, struct net_server **ret_server)
{
	struct net_server *s;
	int err;

	if (!opts->tls)
		return CV_EINVAL;
	s = cv_calloc(1, sizeof(*s));
	if (!s)
		return CV_ENOMEM;
	s->loop = loop;
	s->opts = *opts;
	s->cbs = *cbs;
	s->arg = arg;
	s->fd = -1;
	if (!s->opts.max_connections)
		s->opts.max_connections = DEFAULT_CONNS;
	if (!s->opts.tunnel.handshake_timeout_us)
		s->opts.tunnel.handshake_timeout_us = 10000000;
	s->tunnel_path = cv_strdup(opts->tunnel_path ? opts->tunnel_path : "/tunnel");
	s->origin = opts->origin ? cv_strdup(opts->origin) : NULL;
	err = !s->tunnel_path || (opts->origin && !s->origin) ? CV_ENOMEM : 0;
	if (!err && s->origin && strlen(s->origin) > 256)
		err = CV_EINVAL;
	if (!err)
		err = cv_timer_init(&s->resume, loop, on_resume, s);
	if (!err)
		err = net_sock_listen(opts->address, opts->port, opts->reuse_port, &s->fd, &s->port);
	if (!err)
		err = cv_fd_add(&s->watch, loop, s->fd, CV_LOOP_READ, on_accept, s);
	if (err) {
		int saved = errno;

		net_server_free(s);
		errno = saved;
		return err;
	}
	*ret_server = s;
	return 0;
}

uint16_t net_server_port(const struct net_server *s)
{
	return s->port;
}

size_t net_server_connections(const struct net_server *s)
{
	return s->count;
}

void net_server_stop(struct net_server *s)
{
	cv_fd_del(&s->watch);
	cv_timer_stop(&s->resume);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

void net_server_free(struct net_server *s)
{
	if (!s)
		return;
	net_server_stop(s);
	cv_timer_done(&s->resume);
	while (s->conns)
		net_conn_drop(s->conns);
	while (s->tunnels) {
		struct net_tunnel *t = s->tunnels;

		/* Taken out first: one whose callback is running is freed only when that returns. */
		s->tunnels = t->next;
		t->on_free = NULL;
		net_tunnel_abort(t);
	}
	cv_free(s->tunnel_path);
	cv_free(s->origin);
	cv_free(s);
}
