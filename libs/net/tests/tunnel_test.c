/* SPDX-License-Identifier: Apache-2.0 */
/* How a tunnel opens, echoes and ends. What is sent first and what is dropped: service_test.c. */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <base/alloc.h>

#include "fixture.h"
#include "internal.h"

static void test_echo(void **state)
{
	static const size_t sizes[] = {1, 2, 125, 126, 127, 65535, 65536, 65537, 300000};
	struct net_tunnel_stats st;
	struct net_peer p;

	fixture_open(NULL, NULL);
	f.peer.echo = true;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct net_msg *m;

		assert_int_equal(net_msg_new(sizes[i], &m), 0);
		for (size_t j = 0; j < sizes[i]; j++)
			m->data[j] = (uint8_t)(j * 7 + i + 1);
		fixture_want = f.client.messages + 1;
		assert_int_equal(net_tunnel_send(f.client.t, &(struct net_send){.cls = NET_CLASS_CONTROL, .msg = m}),
				 0);
		fixture_until(client_has_all);
		assert_int_equal(f.client.last->len, sizes[i]);
		assert_memory_equal(f.client.last->data, m->data, sizes[i]);
		net_msg_unref(m);
	}
	net_tunnel_get_peer(f.client.t, &p);
	assert_string_equal(p.tls, "TLSv1.3");
	assert_string_equal(p.address, "127.0.0.1");
	assert_memory_equal(p.pin.sha256, f.pins.pin[0].sha256, NET_PIN_LEN);
	net_tunnel_get_stats(f.client.t, &st);
	assert_int_equal(st.messages_in, sizeof(sizes) / sizeof(sizes[0]));
	assert_int_equal(st.messages_out, st.messages_in);
	assert_int_equal(net_server_connections(f.server), 1);
}

static void test_head_takes_the_place_of_the_front(void **state)
{
	struct net_send s = {.cls = NET_CLASS_AUDIO, .skip = 3, .head_len = 2, .head = {9, 8}};

	fixture_open(NULL, NULL);
	assert_int_equal(net_msg_from(4, "abcdef", 6, &s.msg), 0);
	assert_int_equal(net_tunnel_send(f.client.t, &s), 0);
	s.skip = 7;
	assert_int_equal(net_tunnel_send(f.client.t, &s), 0);
	s.head_len = 0;
	assert_int_equal(net_tunnel_send(f.client.t, &s), CV_EINVAL);
	s.skip = 8;
	assert_int_equal(net_tunnel_send(f.client.t, &s), CV_EINVAL);
	net_msg_unref(s.msg);
	fixture_want = 1;
	fixture_until(peer_has_all);
	assert_int_equal(f.peer.bytes, f.peer.messages == 1 ? 6 : 8);
	fixture_want = 2;
	fixture_until(peer_has_all);
	assert_int_equal(f.peer.last->len, 2);
	assert_int_equal(f.peer.last->data[0], 9);
}

static bool anything_failed(void)
{
	return f.client.closed && f.failures;
}

static void test_wrong_pin_is_refused_before_any_request(void **state)
{
	struct net_pins wrong = f.pins;

	wrong.pin[0].sha256[31] ^= 1;
	assert_int_equal(net_tls_client_set_pins(f.tls_client, &wrong), 0);
	fixture_listen(NULL);
	fixture_connect(NULL);
	fixture_until(anything_failed);
	assert_int_equal(f.client.err, CV_EPIN);
	assert_int_equal(f.client.opened, 0);
	assert_int_equal(f.asked, 0);
	assert_int_equal(net_server_connections(f.server), 0);
}

static void reconnect(void)
{
	net_tunnel_close(f.client.t, 1000);
	fixture_until(both_closed);
	assert_int_equal(f.client.err, 0);
	assert_int_equal(f.peer.err, CV_ECLOSED);
	assert_int_equal(f.peer.code, 1000);
	f.client.opened = f.client.closed = f.peer.opened = f.peer.closed = 0;
	fixture_connect(NULL);
}

static void test_resumed_session_does_not_get_around_the_pins(void **state)
{
	struct net_pins wrong = {.count = 1};
	struct net_peer p;

	fixture_open(NULL, NULL);
	/* A round trip, so that the ticket has come. */
	f.peer.echo = true;
	send_to(&f.client, NET_CLASS_CONTROL, 1, 10);
	fixture_want = 1;
	fixture_until(client_has_all);
	net_tunnel_get_peer(f.client.t, &p);
	assert_false(p.resumed);

	reconnect();
	fixture_until(both_open);
	net_tunnel_get_peer(f.client.t, &p);
	assert_true(p.resumed);
	assert_memory_equal(p.pin.sha256, f.pins.pin[0].sha256, NET_PIN_LEN);
	send_to(&f.client, NET_CLASS_CONTROL, 1, 10);
	fixture_want = 2;
	fixture_until(client_has_all);

	assert_int_equal(net_tls_client_set_pins(f.tls_client, &wrong), 0);
	f.asked = 0;
	reconnect();
	fixture_until(client_closed);
	assert_int_equal(f.client.err, CV_EPIN);
	assert_int_equal(f.asked, 0);
}

static void test_refused_upgrade(void **state)
{
	f.refuse_with = 503;
	fixture_listen(NULL);
	fixture_connect(NULL);
	fixture_until(client_closed);
	assert_int_equal(f.client.err, CV_EDENIED);
	assert_int_equal(f.client.status, 503);
	assert_int_equal(f.peer.closed, 0);
}

static void test_unreachable(void **state)
{
	fixture_listen(NULL);
	net_server_stop(f.server);
	fixture_connect(NULL);
	fixture_until(client_closed);
	assert_int_equal(f.client.err, CV_EIO);
}

static void test_oversize_message_closes(void **state)
{
	fixture_open(&(struct net_server_opts){.tunnel.max_message = 1000, .tunnel.max_handshake = 2000}, NULL);
	send_to(&f.client, NET_CLASS_CONTROL, 2, 2000); /* a handshake may be larger */
	send_to(&f.client, NET_CLASS_CONTROL, 1, 1000);
	send_to(&f.client, NET_CLASS_CONTROL, 1, 1001);
	fixture_until(both_closed);
	assert_int_equal(f.peer.messages, 2);
	assert_int_equal(f.peer.err, CV_ELIMIT);
	assert_int_equal(f.client.err, CV_ECLOSED);
	assert_int_equal(f.client.code, 1009);
}

static void test_oversize_handshake_closes(void **state)
{
	fixture_open(&(struct net_server_opts){.tunnel.max_message = 1000, .tunnel.max_handshake = 2000}, NULL);
	send_to(&f.client, NET_CLASS_CONTROL, 2, 2001);
	fixture_until(both_closed);
	assert_int_equal(f.peer.messages, 0);
	assert_int_equal(f.peer.err, CV_ELIMIT);
}

static bool client_rtt_known(void)
{
	struct net_tunnel_stats st;

	net_tunnel_get_stats(f.client.t, &st);
	return st.ping_rtt_us >= 0;
}

static void test_ping_measures_the_round_trip(void **state)
{
	struct net_tunnel_stats st;

	fixture_open(NULL, &(struct net_tunnel_opts){.ping_interval_us = 5000});
	fixture_until(client_rtt_known);
	net_tunnel_get_stats(f.client.t, &st);
	assert_true(st.tcp_rtt_us > 0);
	assert_int_equal(f.client.closed, 0);
}

static void test_silent_peer_is_taken_for_dead(void **state)
{
	fixture_open(NULL, &(struct net_tunnel_opts){.ping_interval_us = 10000, .dead_after_us = 50000});
	net_tunnel_pause(f.peer.t, true); /* reads no pings, answers none */
	fixture_until(client_closed);
	assert_int_equal(f.client.err, CV_ETIMEOUT);
}

static bool somebody_failed(void)
{
	return f.failures;
}

static void test_handshake_timeout(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	fixture_open(&(struct net_server_opts){.tunnel.handshake_timeout_us = 1500000}, NULL);
	/* TCP connects, and then nothing. */
	a.sin_port = htons(net_server_port(f.server));
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	fixture_until(somebody_failed);
	assert_int_equal(f.last_failure, CV_ETIMEOUT);
	close(fd);
	/* An open tunnel outlives the handshake's time. */
	assert_int_equal(f.client.closed, 0);
	assert_int_equal(f.peer.closed, 0);
	assert_int_equal(net_server_connections(f.server), 1);
}

static void abort_on_message(void *arg, struct net_tunnel *t, struct net_msg *m)
{
	(*(int *)arg)++;
	net_tunnel_abort(t);
}

static void never(void *arg, struct net_tunnel *t, int err)
{
	fail_msg("on_close after abort");
}

static void test_abort_inside_a_callback(void **state)
{
	const struct net_tunnel_cbs c = {.on_message = abort_on_message, .on_close = never};
	int messages = 0;

	fixture_open(NULL, NULL);
	net_tunnel_set_cbs(f.peer.t, &c, &messages);
	for (int i = 0; i < 5; i++)
		send_to(&f.client, NET_CLASS_CONTROL, 1, 10);
	fixture_until(client_closed);
	assert_int_equal(messages, 1);
	assert_int_equal(f.client.err, CV_ECLOSED);
	assert_int_equal(net_server_connections(f.server), 0);
}

static void test_maximum_of_connections(void **state)
{
	fixture_open(&(struct net_server_opts){.max_connections = 1}, NULL);
	f.peer.t = f.client.t; /* keep the first */
	f.client.t = NULL;
	fixture_connect(NULL);
	fixture_until(client_closed);
	assert_int_equal(f.client.err, CV_ECLOSED);
	assert_int_equal(net_server_connections(f.server), 1);
	f.client.t = f.peer.t;
}

static void test_maximum_per_address(void **state)
{
	fixture_open(&(struct net_server_opts){.max_per_address = 1}, NULL);
	f.peer.t = f.client.t;
	f.client.t = NULL;
	fixture_connect(NULL);
	fixture_until(client_closed);
	assert_int_equal(f.client.err, CV_ECLOSED);
	f.client.t = f.peer.t;
}

static void test_name_is_resolved(void **state)
{
	struct net_connect_opts o = {.host = "localhost", .tls = f.tls_client};
	static const struct net_tunnel_cbs none = {0};
	struct net_tunnel *t;

	fixture_listen(NULL);
	o.port = net_server_port(f.server);
	assert_int_equal(net_tunnel_connect(f.loop, &o, &none, NULL, &t), 0);
	while (!f.peer.opened)
		assert_int_equal(cv_loop_run_once(f.loop, 1000), 0);
	net_tunnel_abort(t);
	/* One that is given up while the name is still being looked up. */
	assert_int_equal(net_tunnel_connect(f.loop, &o, &none, NULL, &t), 0);
	net_tunnel_abort(t);
	o.path = "/tunnel\r\nX: y";
	assert_int_equal(net_tunnel_connect(f.loop, &o, &none, NULL, &t), CV_EINVAL);
	o.path = NULL;
	o.host = "local host";
	assert_int_equal(net_tunnel_connect(f.loop, &o, &none, NULL, &t), CV_EINVAL);
}

static bool answered_or_closed(void)
{
	return f.client.messages || f.client.closed;
}

/* Connect, upgrade, send and receive with each allocation failing in turn: it works or it ends, and nothing leaks. */
static void test_every_failed_allocation(void **state)
{
	struct net_connect_opts o = {.host = "127.0.0.1", .tls = f.tls_client};
	struct net_tunnel_cbs cbs;
	bool worked = false;

	fixture_listen(NULL);
	fixture_connect(NULL);
	fixture_until(both_open);
	cbs = f.client.t->cbs;
	net_tunnel_abort(f.client.t);
	o.port = net_server_port(f.server);
	f.peer.echo = false;
	for (long n = 0; !worked && n < 200; n++) {
		struct net_send s = {.cls = NET_CLASS_BASE, .unit_end = true};
		int err;

		f.client = (struct end){0};
		f.peer.opened = f.peer.closed = 0;
		assert_int_equal(net_msg_from(4, "x", 1, &s.msg), 0);
		cv_alloc_fail_at(n);
		err = net_tunnel_connect(f.loop, &o, &cbs, &f.client, &f.client.t);
		while (!err && !f.client.opened && !f.client.closed)
			assert_int_equal(cv_loop_run_once(f.loop, 1000), 0);
		while (!err && !f.client.closed && !f.peer.opened)
			assert_int_equal(cv_loop_run_once(f.loop, 1000), 0);
		if (!err && !f.client.closed && !f.peer.closed && net_tunnel_send(f.peer.t, &s) == 0) {
			fixture_until(answered_or_closed);
			worked = cv_alloc_count() <= n;
		}
		cv_alloc_fail_at(-1);
		if (err)
			assert_int_equal(err, CV_ENOMEM);
		else if (!f.client.closed)
			net_tunnel_abort(f.client.t);
		net_msg_unref(f.client.last);
		f.client.t = NULL;
		f.client.last = NULL;
		net_msg_unref(s.msg);
		while (net_server_connections(f.server))
			assert_int_equal(cv_loop_run_once(f.loop, 1000), 0);
	}
	assert_true(worked);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(test_echo),
		WITH_FIXTURE(test_head_takes_the_place_of_the_front),
		WITH_FIXTURE(test_wrong_pin_is_refused_before_any_request),
		WITH_FIXTURE(test_resumed_session_does_not_get_around_the_pins),
		WITH_FIXTURE(test_refused_upgrade),
		WITH_FIXTURE(test_unreachable),
		WITH_FIXTURE(test_oversize_message_closes),
		WITH_FIXTURE(test_oversize_handshake_closes),
		WITH_FIXTURE(test_ping_measures_the_round_trip),
		WITH_FIXTURE(test_silent_peer_is_taken_for_dead),
		WITH_FIXTURE(test_handshake_timeout),
		WITH_FIXTURE(test_abort_inside_a_callback),
		WITH_FIXTURE(test_maximum_of_connections),
		WITH_FIXTURE(test_maximum_per_address),
		WITH_FIXTURE(test_name_is_resolved),
		WITH_FIXTURE(test_every_failed_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
