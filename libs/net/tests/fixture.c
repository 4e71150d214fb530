/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

struct fixture f;
int fixture_want;

static void on_open(void *arg, struct net_tunnel *t)
{
	struct end *e = arg;

	e->opened++;
	if (e->pause_at_open)
		net_tunnel_pause(t, true);
}

static void on_message(void *arg, struct net_tunnel *t, struct net_msg *m)
{
	struct end *e = arg;

	assert_true(m->len >= 1);
	if (e->messages < (int)sizeof(e->kinds))
		e->kinds[e->messages] = m->data[0];
	e->messages++;
	e->bytes += m->len;
	if (e->echo)
		assert_int_equal(net_tunnel_send(t, &(struct net_send){.cls = NET_CLASS_CONTROL, .msg = m}), 0);
	net_msg_unref(e->last);
	e->last = net_msg_ref(m);
}

static void on_drained(void *arg, struct net_tunnel *t, enum net_class cls)
{
	((struct end *)arg)->drained++;
}

static void on_drop(void *arg, struct net_tunnel *t, enum net_class cls, uint64_t unit)
{
	struct end *e = arg;

	if (e->drops < FIXTURE_LOG)
		e->dropped[e->drops] = unit;
	e->drops++;
}

static void on_close(void *arg, struct net_tunnel *t, int err)
{
	struct end *e = arg;

	e->closed++;
	e->err = err;
	e->code = net_tunnel_close_code(t);
	e->status = net_tunnel_http_status(t);
	e->t = NULL;
}

static const struct net_tunnel_cbs cbs = {on_open, on_message, on_drained, on_drop, on_close};

static int on_tunnel(void *arg, const struct net_request *req, struct net_tunnel *t)
{
	f.asked++;
	if (f.refuse_with)
		return f.refuse_with;
	assert_string_equal(req->path, "/tunnel");
	f.peer.t = t;
	net_tunnel_set_cbs(t, &cbs, &f.peer);
	return 0;
}

static void on_request(void *arg, const struct net_request *req, struct net_response *res)
{
	f.asked++;
	if (strcmp(req->path, "/probe") == 0) {
		res->status = 204;
	} else if (strcmp(req->path, "/echo") == 0) {
		res->status = 200;
		cv_buf_put(&res->body, req->body, req->body_len);
	} else if (strcmp(req->path, "/header") == 0) {
		const char *v = net_request_header(req, "X-Test");

		res->status = 200;
		res->content_type = "text/plain";
		cv_buf_put(&res->body, v ? v : "none", v ? strlen(v) : 4);
	} else if (strcmp(req->path, "/who") == 0) {
		res->status = req->peer->has_cert ? 200 : 401;
		cv_buf_put(&res->body, req->peer->cert_cn, strlen(req->peer->cert_cn));
	}
}

static void on_failure(void *arg, const struct net_peer *peer, int err)
{
	f.failures++;
	f.last_failure = err;
	f.failure_peer = *peer;
}

static const struct net_server_cbs server_cbs = {on_tunnel, on_request, on_failure};

int fixture_setup(void **state)
{
	const char *names[] = {"localhost", "127.0.0.1"};
	struct net_cert_opts cert = {.common_name = "test relay", .names = names, .name_count = 2, .days = 2};
	struct net_pin pin;
	struct net_pins pins = {0};

	signal(SIGPIPE, SIG_IGN);
	memset(&f, 0, sizeof(f));
	strcpy(f.dir, "/tmp/conclave-net-XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	snprintf(f.cert, sizeof(f.cert), "%s/cert.pem", f.dir);
	snprintf(f.key, sizeof(f.key), "%s/key.pem", f.dir);
	assert_int_equal(net_cert_ensure(f.cert, f.key, &cert, NULL), 0);
	assert_int_equal(net_pin_of_cert_file(f.cert, &pin), 0);
	assert_int_equal(net_pins_add(&pins, pin.sha256), 0);
	f.pins = pins;
	assert_int_equal(cv_loop_new(&f.loop), 0);
	assert_int_equal(net_tls_server_new(&(struct net_tls_server_opts){.cert_file = f.cert, .key_file = f.key},
					    &f.tls_server),
			 0);
	assert_int_equal(net_tls_client_new(&(struct net_tls_client_opts){.pins = &pins}, &f.tls_client), 0);
	return 0;
}

int fixture_teardown(void **state)
{
	net_tunnel_abort(f.client.t);
	net_server_free(f.server);
	net_msg_unref(f.client.last);
	net_msg_unref(f.peer.last);
	net_tls_server_free(f.tls_server);
	net_tls_client_free(f.tls_client);
	cv_loop_free(f.loop);
	unlink(f.cert);
	unlink(f.key);
	rmdir(f.dir);
	return 0;
}

void fixture_listen(const struct net_server_opts *opts)
{
	struct net_server_opts o = opts ? *opts : (struct net_server_opts){0};

	o.address = "127.0.0.1";
	o.tls = f.tls_server;
	assert_int_equal(net_server_new(f.loop, &o, &server_cbs, NULL, &f.server), 0);
}

void fixture_connect(const struct net_tunnel_opts *opts)
{
	struct net_connect_opts o = {.host = "127.0.0.1", .port = net_server_port(f.server), .tls = f.tls_client};

	if (opts)
		o.tunnel = *opts;
	assert_int_equal(net_tunnel_connect(f.loop, &o, &cbs, &f.client, &f.client.t), 0);
}

void fixture_until(bool (*cond)(void))
{
	int64_t end = cv_now_us() + 30000000;

	while (!cond()) {
		assert_int_equal(cv_loop_run_once(f.loop, 1000), 0);
		assert_true(cv_now_us() < end);
	}
}

bool both_open(void)
{
	return f.client.opened && f.peer.opened;
}

bool client_closed(void)
{
	return f.client.closed;
}

bool both_closed(void)
{
	return f.client.closed && f.peer.closed;
}

bool client_has_all(void)
{
	return f.client.messages >= fixture_want;
}

bool peer_has_all(void)
{
	return f.peer.messages >= fixture_want;
}

void fixture_open(const struct net_server_opts *server, const struct net_tunnel_opts *client)
{
	fixture_listen(server);
	fixture_connect(client);
	fixture_until(both_open);
}

void send_unit(struct end *from, enum net_class cls, uint8_t kind, size_t len, uint64_t unit, bool last)
{
	struct net_send s = {.cls = cls, .unit = unit, .unit_end = last};

	assert_int_equal(net_msg_new(len, &s.msg), 0);
	memset(s.msg->data, 'x', len);
	s.msg->data[0] = kind;
	assert_int_equal(net_tunnel_send(from->t, &s), 0);
	net_msg_unref(s.msg);
}

void send_to(struct end *from, enum net_class cls, uint8_t kind, size_t len)
{
	send_unit(from, cls, kind, len, 0, false);
}
