/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <base/alloc.h>
#include <base/file.h>
#include <base/log.h>
#include <base/text.h>
#include <net/server.h>

#include "keys.h"
#include "link.h"
#include "relay.h"
#include "server.h"

struct server {
	const struct relay_config *config;
	uint8_t id[PROTO_ID_LEN];
	struct cv_loop *loop;
	struct net_tls_server *tls;
	struct net_server *listener;
	struct relay *relay;
	struct relay_link *link;
	struct cv_timer tick;
	struct peer *peers;
};

/* One tunnel and the core's connection for it. */
struct peer {
	struct server *server;
	struct net_tunnel *tunnel;
	struct relay_conn *conn; /* NULL before on_open */
	struct peer *next, **prev;
};

/* ---- the core's way out */

static int peer_send(void *t, const struct net_send *s)
{
	const struct peer *p = t;

	return net_tunnel_send(p->tunnel, s);
}

static void peer_close(void *t, uint16_t code)
{
	const struct peer *p = t;

	net_tunnel_close(p->tunnel, code);
}

static void peer_set_limits(void *t, size_t max_message, size_t max_handshake)
{
	const struct peer *p = t;

	net_tunnel_set_limits(p->tunnel, max_message, max_handshake);
}

static const struct relay_transport transport = {peer_send, peer_close, peer_set_limits};

static int64_t host_now(void *arg)
{
	return cv_now_us();
}

static int64_t host_wall(void *arg)
{
	return cv_wall_ms();
}

/* ---- tunnels */

static void on_open(void *arg, struct net_tunnel *t)
{
	struct peer *p = arg;
	struct net_peer who;
	int err;

	net_tunnel_get_peer(t, &who);
	err = relay_conn_new(p->server->relay, &transport, p, who.address, &p->conn);
	if (err) {
		p->conn = NULL;
		cv_log(CV_LOG_WARNING, "relay", "connection turned away", cv_log_str("address", who.address),
		       cv_log_err("error", err));
		net_tunnel_close(t, 1013);
		return;
	}
	cv_log(CV_LOG_INFO, "relay", "connection", cv_log_str("address", who.address), cv_log_str("tls", who.tls),
	       cv_log_str("cipher", who.cipher));
	if (!cv_timer_running(&p->server->tick))
		cv_timer_set(&p->server->tick, RELAY_TICK_US);
}

static void on_message(void *arg, struct net_tunnel *t, struct net_msg *m)
{
	const struct peer *p = arg;

	if (p->conn)
		relay_conn_message(p->conn, m);
}

static void on_drop(void *arg, struct net_tunnel *t, enum net_class cls, uint64_t unit)
{
	const struct peer *p = arg;

	if (p->conn)
		relay_conn_dropped(p->conn, unit);
}

static void peer_free(struct peer *p, int err)
{
	if (p->conn)
		relay_conn_gone(p->conn, err);
	*p->prev = p->next;
	if (p->next)
		p->next->prev = p->prev;
	cv_free(p);
}

static void on_close(void *arg, struct net_tunnel *t, int err)
{
	peer_free(arg, err);
}

static int on_tunnel(void *arg, const struct net_request *req, struct net_tunnel *t)
{
	static const struct net_tunnel_cbs cbs = {
		.on_open = on_open, .on_message = on_message, .on_drop = on_drop, .on_close = on_close};
	struct peer *p = cv_calloc(1, sizeof(*p));

	if (!p)
		return 503;
	p->server = arg;
	p->tunnel = t;
	p->next = p->server->peers;
	p->prev = &p->server->peers;
	if (p->next)
		p->next->prev = &p->next;
	p->server->peers = p;
	net_tunnel_set_cbs(t, &cbs, p);
	return 0;
}

static void on_request(void *arg, const struct net_request *req, struct net_response *res)
{
	if (!strcmp(req->path, "/probe"))
		res->status = !strcmp(req->method, "GET") || !strcmp(req->method, "HEAD") ? 204 : 405;
}

static void on_failure(void *arg, const struct net_peer *peer, int err)
{
	cv_log(CV_LOG_DEBUG, "relay", "no request", cv_log_str("address", peer->address), cv_log_err("error", err));
}

static void on_tick(void *arg)
{
	struct server *s = arg;

	relay_tick(s->relay);
	if (!relay_idle(s->relay))
		cv_timer_set(&s->tick, RELAY_TICK_US);
}

/* ---- the manager's news */

static void on_signers(void *arg, const struct proto_signers *signers)
{
	struct server *s = arg;

	relay_set_signers(s->relay, signers);
}

static void on_revocation(void *arg, const void *data, size_t len)
{
	struct server *s = arg;
	int err = relay_revoke(s->relay, data, len);

	if (err && err != CV_EEXPIRED)
		cv_log(CV_LOG_ERROR, "relay", "revocation not taken", cv_log_err("error", err));
}

static void on_run_ended(void *arg, const uint8_t run_id[PROTO_ID_LEN], bool cancelled)
{
	struct server *s = arg;

	relay_end_run(s->relay, run_id, cancelled);
}

/* A renewed certificate; one that clients would refuse is not taken. */
static void reload(struct server *s)
{
	const char *cert = s->config->tls_certificate;
	bool pinned;
	int err = relay_keys_pinned(s->config->data, s->id, cert, &pinned);

	if (!err && !pinned) {
		cv_log(CV_LOG_ERROR, "relay", "certificate not reloaded: clients do not know its key",
		       cv_log_str("file", cert));
		return;
	}
	if (!err)
		err = net_tls_server_reload(s->tls);
	if (err)
		cv_log(CV_LOG_ERROR, "relay",
		       "certificate not reloaded: it cannot be read, or is not for the key; the old one stays",
		       cv_log_str("file", cert), cv_log_err("error", err));
	else
		cv_log(CV_LOG_NOTICE, "relay", "certificate reloaded", cv_log_str("file", cert));
}

static void on_signal(void *arg, int signo)
{
	struct server *s = arg;

	if (signo != SIGHUP) {
		cv_log(CV_LOG_NOTICE, "relay", "stopping", cv_log_int("signal", signo));
		cv_loop_quit(s->loop);
		return;
	}
	reload(s);
}

/* ---- setting up */

static int load_id(const struct relay_config *c, uint8_t ret[PROTO_ID_LEN])
{
	char *path = relay_path(c->data, RELAY_FILE_ID);
	char hex[2 * PROTO_ID_LEN + 1];
	struct cv_buf b;
	int err;

	cv_buf_init(&b, 64);
	err = path ? cv_file_read(path, &b) : CV_ENOMEM;
	if (!err && b.len < 2 * PROTO_ID_LEN)
		err = CV_EFORMAT;
	if (!err) {
		memcpy(hex, b.data, 2 * PROTO_ID_LEN);
		hex[2 * PROTO_ID_LEN] = 0;
		err = cv_hex_decode(ret, PROTO_ID_LEN, hex);
	}
	cv_buf_done(&b);
	cv_free(path);
	return err;
}

static int make_tls(const struct relay_config *c, struct net_tls_server **ret)
{
	const struct net_tls_server_opts opts = {
		.cert_file = c->tls_certificate, .key_file = c->tls_key, .allow_tls12 = c->allow_tls12};

	return net_tls_server_new(&opts, ret);
}

static int make_relay(struct server *s, const struct proto_signers *signers)
{
	const struct relay_config *c = s->config;
	struct relay_opts opts = {.host = {host_now, host_wall, cv_rng_system(), NULL}};
	int err;

	memcpy(opts.relay_id, s->id, PROTO_ID_LEN);
	relay_limits_default(&opts.limits);
	opts.limits.connections = (size_t)c->max_connections;
	opts.limits.runs = (size_t)c->max_runs;
	opts.limits.members = (size_t)c->max_members;
	opts.limits.control_rate = c->control_rate;
	opts.limits.media_rate = c->media_rate;
	opts.limits.application_rate = c->application_rate;
	err = relay_new(&opts, &s->relay);
	if (!err)
		relay_set_signers(s->relay, signers);
	return err;
}

static int start_listener(struct server *s)
{
	static const struct net_server_cbs cbs = {on_tunnel, on_request, on_failure};
	const struct relay_config *c = s->config;
	char address[64];
	struct net_server_opts opts = {
		.tls = s->tls,
		.origin = c->origin,
		.max_connections = (size_t)c->max_connections,
		.max_per_address = (size_t)c->max_per_address,
		.address = address,
	};
	int err;

	/* an acceptor may have a whole window of chunks of each transfer waiting */
	opts.tunnel.queue_max[NET_CLASS_FILE] = (size_t)c->queue_files;
	opts.tunnel.queue_max[NET_CLASS_APP] = 8u << 20;
	err = relay_listen_parse(c->listen, address, sizeof(address), &opts.port);
	if (err)
		return err;
	if (!address[0])
		opts.address = NULL;
	return net_server_new(s->loop, &opts, &cbs, s, &s->listener);
}

static void raise_descriptors(const struct relay_config *c)
{
	struct rlimit limit;
	rlim_t want = (rlim_t)c->max_connections + 64;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= want)
		return;
	limit.rlim_cur = want < limit.rlim_max ? want : limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur < want)
		cv_log(CV_LOG_WARNING, "relay", "fewer file descriptors than connections",
		       cv_log_uint("descriptors", limit.rlim_cur));
}

static int report(const char *what, const char *name, int err)
{
	cv_log(CV_LOG_ERROR, "relay", what, cv_log_str("file", name), cv_log_err("error", err),
	       cv_log_errno("system", err == CV_EIO ? errno : 0));
	return err;
}

static int set_up(struct server *s)
{
	static const struct relay_link_cbs news = {on_signers, on_revocation, on_run_ended};
	const struct relay_config *c = s->config;
	struct proto_signers signers = {0};
	uint64_t version = 0;
	struct cv_buf root;
	bool pinned;
	int err;

	cv_buf_init(&root, RELAY_ROOT_MAX);
	if ((err = load_id(c, s->id)))
		return report("not enrolled: no relay id", c->data, err);
	if ((err = relay_keys_load(c->data, (uint64_t)cv_wall_ms() / 1000, &root, &version, &signers)))
		return report("root or manifest not usable", c->data, err);
	if ((err = make_tls(c, &s->tls))) {
		report("TLS certificate or key not usable", c->tls_certificate, err);
		goto out;
	}
	if (!relay_keys_pinned(c->data, s->id, c->tls_certificate, &pinned) && !pinned)
		cv_log(CV_LOG_ERROR, "relay", "clients do not know the key of the TLS certificate, none will come",
		       cv_log_str("file", c->tls_certificate));
	if ((err = cv_loop_new(&s->loop)) || (err = cv_loop_signals(s->loop, on_signal, s)) ||
	    (err = cv_timer_init(&s->tick, s->loop, on_tick, s)) || (err = make_relay(s, &signers))) {
		report("cannot start", NULL, err);
		goto out;
	}
	if ((err = start_listener(s))) {
		report("cannot listen", c->listen, err);
		goto out;
	}
	if ((err = relay_link_new(s->loop, c, &root, version, &news, s, &s->link)))
		report("cannot prepare the link to the manager", c->data, err);
out:
	cv_buf_done(&root);
	return err;
}

int relay_server_run(const struct relay_config *config)
{
	struct server s = {.config = config};
	char address[64];
	uint16_t port;
	int err;

	raise_descriptors(config);
	err = set_up(&s);
	if (!err && !relay_listen_parse(config->listen, address, sizeof(address), &port)) {
		printf("conclave-relay: listening on %s port %u as %s\n", address[0] ? address : "all addresses",
		       net_server_port(s.listener), config->url);
		fflush(stdout);
		err = cv_loop_run(s.loop);
	}
	relay_link_free(s.link);
	/* dropping the tunnels gives no callbacks, so their other halves go first */
	while (s.peers)
		peer_free(s.peers, CV_ECLOSED);
	relay_free(s.relay);
	net_server_free(s.listener);
	cv_timer_done(&s.tick);
	net_tls_server_free(s.tls);
	cv_loop_free(s.loop);
	return err;
}

int relay_server_check(const struct relay_config *config, char *ret_msg, size_t size)
{
	struct net_tls_server *tls = NULL;
	bool pinned = false;
	struct proto_signers signers;
	uint8_t id[PROTO_ID_LEN];
	uint64_t version = 0;
	struct cv_buf root;
	int err;

	cv_buf_init(&root, RELAY_ROOT_MAX);
	if ((err = load_id(config, id)))
		snprintf(ret_msg, size, "no relay is enrolled in %s (%s): run 'conclave-relay enrol'", config->data,
			 cv_strerror(err));
	else if ((err = relay_keys_load(config->data, (uint64_t)cv_wall_ms() / 1000, &root, &version, &signers)))
		snprintf(ret_msg, size, "%s: root or manifest not usable: %s", config->data, cv_strerror(err));
	else if ((err = make_tls(config, &tls)))
		snprintf(ret_msg, size, "%s, %s: TLS certificate or key not usable: %s", config->tls_certificate,
			 config->tls_key, cv_strerror(err));
	else if ((err = relay_keys_pinned(config->data, id, config->tls_certificate, &pinned)) || !pinned)
		snprintf(ret_msg, size, "%s: clients do not know its key", config->tls_certificate);
	if (!err && !pinned)
		err = CV_EPIN;
	net_tls_server_free(tls);
	cv_buf_done(&root);
	return err;
}
