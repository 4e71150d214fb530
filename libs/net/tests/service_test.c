/* SPDX-License-Identifier: Apache-2.0 */
/* The order of service: what goes first when the path is clogged, what is dropped and what ends the tunnel. */
#include <string.h>

#include "fixture.h"
#include "internal.h"

#define MIB (1024 * 1024)

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
	       f.peer.messages >= fixture_want;
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
	fixture_want = (int)st.messages_out + files_queued + 5;
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
	fixture_want = SMALL;
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
	fixture_want = 10;
	fixture_until(peer_has_all);
	assert_int_equal(m->refs, 1);
	net_msg_unref(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(test_order_of_service_on_a_clogged_link),
		WITH_FIXTURE(test_stale_video_is_dropped_as_whole_units),
		WITH_FIXTURE(test_file_queue_refuses_and_tells_when_drained),
		WITH_FIXTURE(test_audio_overflow_closes),
		WITH_FIXTURE(test_dead_reader_cannot_hold_the_end),
		WITH_FIXTURE(test_small_messages_are_coalesced),
		WITH_FIXTURE(test_one_buffer_for_many_receivers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
