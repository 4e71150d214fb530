/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <base/alloc.h>

#include "fixture.h"
#include "internal.h"

#define MIB (1024 * 1024)

static int want;

static bool client_has_all(void)
{
	return f.client.messages >= want;
}

static bool peer_has_all(void)
{
	return f.peer.messages >= want;
}

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
		want = f.client.messages + 1;
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
	want = 1;
	fixture_until(peer_has_all);
	assert_int_equal(f.peer.bytes, f.peer.messages == 1 ? 6 : 8);
	want = 2;
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
	want = 1;
	fixture_until(client_has_all);
	net_tunnel_get_peer(f.client.t, &p);
	assert_false(p.resumed);

	reconnect();
	fixture_until(both_open);
	net_tunnel_get_peer(f.client.t, &p);
	assert_true(p.resumed);
	assert_memory_equal(p.pin.sha256, f.pins.pin[0].sha256, NET_PIN_LEN);
	send_to(&f.client, NET_CLASS_CONTROL, 1, 10);
	want = 2;
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

static void on_idle(void *arg)
{
	*(bool *)arg = true;
}

/* Runs the loop for a while; what it waits for is that nothing more happens, so there is no event. */
static void run_ms(int ms)
{
	bool over = false;
	struct cv_timer t;

	assert_int_equal(cv_timer_init(&t, f.loop, on_idle, &over), 0);
	cv_timer_set(&t, ms * 1000);
	while (!over)
		assert_int_equal(cv_loop_run_once(f.loop, -1), 0);
	cv_timer_done(&t);
}

/* Fills the path with file data until nothing moves any more and the sender keeps a rest of it. */
static void clog_path(struct end *from)
{
	uint64_t last = UINT64_MAX;
	int still = 0;

	net_tunnel_pause(from == &f.client ? f.peer.t : f.client.t, true);
	for (int i = 0; i < 1000 && still < 10; i++) {
		struct net_tunnel_stats st;

		while (net_tunnel_queued(from->t, NET_CLASS_FILE) < MIB / 2)
			send_to(from, NET_CLASS_FILE, 50, 4000);
		run_ms(10);
		net_tunnel_get_stats(from->t, &st);
		still = st.messages_out == last ? still + 1 : 0;
		last = st.messages_out;
	}
	assert_int_equal(still, 10);
}

static int position(const struct end *e, uint8_t kind)
{
	for (int i = 0; i < e->messages && i < (int)sizeof(e->kinds); i++)
		if (e->kinds[i] == kind)
			return i;
	return -1;
}

static int count_kind(const struct end *e, uint8_t kind)
{
	int n = 0;

	for (int i = 0; i < e->messages && i < (int)sizeof(e->kinds); i++)
		n += e->kinds[i] == kind;
	return n;
}

static int files_queued;

static bool all_files_there(void)
{
	return net_tunnel_queued(f.client.t, NET_CLASS_FILE) == 0 && position(&f.peer, 40) >= 0 &&
	       f.peer.messages >= want;
}

static void test_order_of_service_on_a_clogged_link(void **state)
{
	struct net_tunnel_stats st;

	fixture_open(NULL, &(struct net_tunnel_opts){.video_max_age_us = 60000000});
	clog_path(&f.client);
	files_queued = (int)(net_tunnel_queued(f.client.t, NET_CLASS_FILE) / 4000);
	assert_true(files_queued > 100);
	/* Queued in the worst order. */
	send_to(&f.client, NET_CLASS_APP, 40, 500);
	send_unit(&f.client, NET_CLASS_UPPER, 31, 4000, 7, true);
	send_unit(&f.client, NET_CLASS_BASE, 30, 4000, 7, true);
	send_to(&f.client, NET_CLASS_AUDIO, 20, 200);
	send_to(&f.client, NET_CLASS_CONTROL, 10, 100);
	net_tunnel_get_stats(f.client.t, &st);
	want = (int)st.messages_out + files_queued + 5;
	net_tunnel_pause(f.peer.t, false);
	fixture_until(all_files_there);
	assert_true(position(&f.peer, 10) > 0);
	assert_true(position(&f.peer, 10) < position(&f.peer, 20));
	assert_true(position(&f.peer, 20) < position(&f.peer, 30));
	assert_true(position(&f.peer, 30) < position(&f.peer, 31));
	assert_true(position(&f.peer, 31) < position(&f.peer, 40));
	/* All of them overtake nearly every file message that was still queued. */
	assert_true(f.peer.messages - position(&f.peer, 40) > files_queued - 10);
}

static bool fresh_unit_there(void)
{
	return count_kind(&f.peer, 33) > 0;
}

static void test_stale_video_is_dropped_as_whole_units(void **state)
{
	fixture_open(NULL, &(struct net_tunnel_opts){.video_max_age_us = 50000});
	clog_path(&f.client);
	for (uint64_t unit = 1; unit <= 3; unit++)
		for (int i = 0; i < 4; i++)
			send_unit(&f.client, NET_CLASS_BASE, 30, 3000, unit, i == 3);
	/* The last unit's end has not come yet when the unit gets stale. */
	send_unit(&f.client, NET_CLASS_UPPER, 31, 3000, 4, false);
	send_to(&f.client, NET_CLASS_AUDIO, 20, 200);
	run_ms(80);
	net_tunnel_pause(f.peer.t, false);
	/* Once it flows again: the late end of the dropped unit, and a fresh unit. */
	run_ms(5);
	{
		struct net_send s = {.cls = NET_CLASS_UPPER, .unit = 4, .unit_end = true};

		assert_int_equal(net_msg_from(31, "x", 1, &s.msg), 0);
		while (f.client.drops < 4)
			run_ms(1);
		assert_int_equal(net_tunnel_send(f.client.t, &s), CV_EEXPIRED);
		net_msg_unref(s.msg);
	}
	/* On a busy machine one may get stale itself. */
	for (uint64_t unit = 5; !fresh_unit_there(); unit++) {
		assert_true(unit < 1000);
		send_unit(&f.client, NET_CLASS_BASE, 33, 3000, unit, true);
		run_ms(10);
	}
	assert_int_equal(count_kind(&f.peer, 30), 0);
	assert_int_equal(count_kind(&f.peer, 31), 0);
	assert_int_equal(count_kind(&f.peer, 20), 1); /* never dropped */
	assert_true(f.client.drops >= 4);
	for (int i = 0; i < 3; i++)
		assert_int_equal(f.client.dropped[i], i + 1);
	assert_int_equal(f.client.dropped[3], 4);
	assert_int_equal(f.client.closed, 0);
}

static void test_file_queue_refuses_and_tells_when_drained(void **state)
{
	struct net_send s = {.cls = NET_CLASS_FILE};
	int err;

	fixture_open(NULL, NULL);
	clog_path(&f.client);
	assert_int_equal(net_msg_new(4000, &s.msg), 0);
	s.msg->data[0] = 50;
	while (!(err = net_tunnel_send(f.client.t, &s)))
		;
	assert_int_equal(err, CV_EAGAIN);
	assert_true(net_tunnel_queued(f.client.t, NET_CLASS_FILE) <= MIB);
	net_msg_unref(s.msg);
	assert_int_equal(f.client.drained, 0);
	net_tunnel_pause(f.peer.t, false);
	while (!f.client.drained)
		assert_int_equal(cv_loop_run_once(f.loop, 1000), 0);
	assert_true(net_tunnel_queued(f.client.t, NET_CLASS_FILE) <= MIB / 2);
	assert_int_equal(f.client.closed, 0);
}

static void test_audio_overflow_closes(void **state)
{
	struct net_send s = {.cls = NET_CLASS_AUDIO};
	int err;

	fixture_open(NULL, NULL);
	clog_path(&f.client);
	assert_int_equal(net_msg_new(1000, &s.msg), 0);
	memset(s.msg->data, 20, 1000);
	while (!(err = net_tunnel_send(f.client.t, &s)))
		;
	assert_int_equal(err, CV_ELIMIT);
	assert_int_equal(net_tunnel_send(f.client.t, &s), CV_ESTATE);
	assert_int_equal(f.client.closed, 0); /* never from inside */
	net_msg_unref(s.msg);
	net_tunnel_pause(f.peer.t, false);
	fixture_until(both_closed);
	assert_int_equal(f.client.err, CV_ELIMIT);
	assert_int_equal(f.peer.code, 1008);
}

static void test_dead_reader_cannot_hold_the_end(void **state)
{
	struct net_send s = {.cls = NET_CLASS_AUDIO};

	fixture_open(NULL, NULL);
	clog_path(&f.client);
	assert_int_equal(net_msg_new(1000, &s.msg), 0);
	memset(s.msg->data, 20, 1000);
	while (!net_tunnel_send(f.client.t, &s))
		;
	net_msg_unref(s.msg);
	/* The peer never reads again. */
	fixture_until(client_closed);
	assert_int_equal(f.client.err, CV_ELIMIT);
}

#define SMALL 6000

static void test_small_messages_are_coalesced(void **state)
{
	struct net_tunnel_stats before, after;

	fixture_open(NULL, NULL);
	net_tunnel_get_stats(f.client.t, &before);
	for (int i = 0; i < SMALL; i++)
		send_to(&f.client, NET_CLASS_AUDIO, 20, 100);
	want = SMALL;
	fixture_until(peer_has_all);
	net_tunnel_get_stats(f.client.t, &after);
	assert_int_equal(f.peer.messages, SMALL);
	/* 106 bytes each on the wire: no more records than full ones and a few. */
	assert_true(after.writes - before.writes <= SMALL * 106 / 15000 + 4);
}

static void test_one_buffer_for_many_receivers(void **state)
{
	struct net_msg *m;

	fixture_open(NULL, NULL);
	assert_int_equal(net_msg_new(100, &m), 0);
	m->data[0] = 4;
	for (int i = 0; i < 10; i++)
		assert_int_equal(net_tunnel_send(f.client.t, &(struct net_send){.cls = NET_CLASS_AUDIO, .msg = m}), 0);
	assert_int_equal(m->refs, 11);
	want = 10;
	fixture_until(peer_has_all);
	assert_int_equal(m->refs, 1);
	net_msg_unref(m);
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

static bool match_even(void *arg, uint64_t unit)
{
	return unit % 2 == 0;
}

static bool odd_units_there(void)
{
	return count_kind(&f.peer, 30) >= 2;
}

static void test_purge(void **state)
{
	fixture_open(NULL, NULL);
	for (uint64_t unit = 1; unit <= 4; unit++)
		send_unit(&f.client, NET_CLASS_BASE, 30, 100, unit, true);
	assert_int_equal(net_tunnel_purge(f.client.t, NET_CLASS_BASE, match_even, NULL), 2);
	send_to(&f.client, NET_CLASS_FILE, 50, 100);
	fixture_until(odd_units_there);
	assert_int_equal(f.client.drops, 0);
	want = 3;
	fixture_until(peer_has_all);
	assert_int_equal(count_kind(&f.peer, 30), 2);
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

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_echo),
		T(test_head_takes_the_place_of_the_front),
		T(test_wrong_pin_is_refused_before_any_request),
		T(test_resumed_session_does_not_get_around_the_pins),
		T(test_refused_upgrade),
		T(test_unreachable),
		T(test_oversize_message_closes),
		T(test_oversize_handshake_closes),
		T(test_order_of_service_on_a_clogged_link),
		T(test_stale_video_is_dropped_as_whole_units),
		T(test_file_queue_refuses_and_tells_when_drained),
		T(test_audio_overflow_closes),
		T(test_dead_reader_cannot_hold_the_end),
		T(test_small_messages_are_coalesced),
		T(test_one_buffer_for_many_receivers),
		T(test_ping_measures_the_round_trip),
		T(test_silent_peer_is_taken_for_dead),
		T(test_handshake_timeout),
		T(test_abort_inside_a_callback),
		T(test_maximum_of_connections),
		T(test_maximum_per_address),
		T(test_purge),
		T(test_name_is_resolved),
		T(test_every_failed_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
