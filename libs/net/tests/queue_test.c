/* SPDX-License-Identifier: Apache-2.0 */
/* A class's queue and the frame decoder, without a network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <base/alloc.h>

#include "internal.h"

#define AGE 100

static struct net_queue q;

static int put(uint64_t unit, uint8_t n, size_t len, bool last, int64_t now)
{
	struct net_send s = {.unit = unit, .unit_end = last};
	int err;

	assert_int_equal(net_msg_new(len, &s.msg), 0);
	s.msg->data[0] = n;
	err = net_queue_put(&q, &s, now, AGE);
	net_msg_unref(s.msg);
	return err;
}

/* The number of the next message, -1 when there is none. */
static int pop(int64_t now)
{
	struct net_entry e;
	int n;

	if (!net_queue_pop(&q, now, AGE, &e))
		return -1;
	n = e.msg->data[0];
	net_msg_unref(e.msg);
	return n;
}

static int dropped(void)
{
	uint64_t unit;

	return net_queue_dropped(&q, &unit) ? (int)unit : -1;
}

static void test_order_is_kept_while_the_ring_grows(void **state)
{
	int out = 0;

	net_queue_init(&q, false, 100000);
	for (int i = 0; i < 200; i++) {
		assert_int_equal(put(0, (uint8_t)i, 10, false, i), 0);
		if (i % 3 == 0)
			assert_int_equal(pop(i), out++);
	}
	while (out < 200)
		assert_int_equal(pop(1000), out++);
	assert_int_equal(pop(1000), -1);
	assert_int_equal(q.bytes, 0);
	net_queue_done(&q);
}

static void test_maximum_is_hard(void **state)
{
	net_queue_init(&q, false, 100);
	assert_int_equal(put(0, 1, 60, false, 0), 0);
	assert_int_equal(put(0, 2, 41, false, 0), CV_ELIMIT);
	assert_int_equal(put(0, 3, 40, false, 0), 0);
	assert_int_equal(q.bytes, 100);
	assert_int_equal(pop(0), 1);
	assert_int_equal(pop(0), 3);
	net_queue_done(&q);
}

static void test_unit_that_never_started_is_dropped_whole(void **state)
{
	net_queue_init(&q, true, 1000);
	assert_int_equal(put(1, 1, 10, false, 0), 0);
	assert_int_equal(put(2, 2, 10, true, 50), 0);
	assert_int_equal(put(1, 3, 10, true, 90), 0); /* young itself, but the unit is not */
	assert_int_equal(pop(AGE + 1), 2);
	assert_int_equal(pop(AGE + 1), -1);
	assert_int_equal(dropped(), 1);
	assert_int_equal(dropped(), -1);
	assert_int_equal(q.bytes, 0);
	assert_int_equal(q.unit_count, 0);
	net_queue_done(&q);
}

static void test_started_unit_is_finished_up_to_twice_the_age(void **state)
{
	net_queue_init(&q, true, 1000);
	assert_int_equal(put(1, 1, 10, false, 0), 0);
	assert_int_equal(put(1, 2, 10, false, 0), 0);
	assert_int_equal(put(1, 3, 10, false, 0), 0);
	assert_int_equal(pop(AGE), 1);
	assert_int_equal(pop(2 * AGE), 2);
	assert_int_equal(pop(2 * AGE + 1), -1);
	assert_int_equal(dropped(), 1);
	/* What still comes of it is dropped; the end lets it be forgotten. */
	assert_int_equal(put(1, 4, 10, false, 210), CV_EEXPIRED);
	assert_int_equal(put(1, 5, 10, true, 210), CV_EEXPIRED);
	assert_int_equal(q.unit_count, 0);
	net_queue_done(&q);
}

static void test_unit_that_does_not_fit_is_dropped_whole(void **state)
{
	net_queue_init(&q, true, 100);
	assert_int_equal(put(1, 1, 50, true, 0), 0);
	assert_int_equal(put(2, 2, 40, false, 0), 0);
	assert_int_equal(put(2, 3, 20, false, 0), CV_ELIMIT);
	assert_int_equal(q.bytes, 50); /* its first message went too */
	assert_int_equal(dropped(), 2);
	assert_int_equal(put(2, 4, 1, false, 0), CV_EEXPIRED);
	assert_int_equal(put(3, 5, 50, true, 0), 0); /* another one fits */
	/* Not accepted from its first message on: the result says it, no callback. */
	assert_int_equal(put(4, 6, 50, false, 0), CV_ELIMIT);
	assert_int_equal(put(4, 7, 1, true, 0), CV_EEXPIRED);
	assert_int_equal(dropped(), -1);
	assert_int_equal(pop(0), 1);
	assert_int_equal(pop(0), 5);
	assert_int_equal(pop(0), -1);
	net_queue_done(&q);
}

static void test_stale_units_make_room(void **state)
{
	net_queue_init(&q, true, 100);
	assert_int_equal(put(1, 1, 100, true, 0), 0);
	assert_int_equal(put(2, 2, 100, true, AGE + 1), 0);
	assert_int_equal(dropped(), 1);
	assert_int_equal(pop(AGE + 1), 2);
	net_queue_done(&q);
}

static void test_table_of_units_is_bounded(void **state)
{
	int err = 0;
	unsigned n = 0;

	net_queue_init(&q, true, 1000000);
	while (!(err = put(n, 1, 1, false, 0)))
		n++;
	assert_int_equal(err, CV_ELIMIT);
	assert_int_equal(n, NET_UNITS_MAX);
	/* Units whose end never comes give way to new ones once their messages are gone. */
	while (pop(0) >= 0)
		;
	assert_int_equal(put(5000, 1, 1, true, 0), 0);
	assert_int_equal(q.unit_count, NET_UNITS_MAX);
	net_queue_done(&q);
}

/* ---- decoder ---- */

struct seen {
	int messages, controls, last_opcode;
	size_t bytes;
	uint32_t sum;
};

static int on_message(void *arg, struct net_msg *m)
{
	struct seen *s = arg;

	s->messages++;
	s->bytes += m->len;
	for (size_t i = 0; i < m->len; i++)
		s->sum = s->sum * 31 + m->data[i];
	return 0;
}

static int on_control(void *arg, enum net_ws_opcode opcode, const uint8_t *data, size_t len)
{
	struct seen *s = arg;

	s->controls++;
	s->last_opcode = opcode;
	return 0;
}

static void init_decoder(struct net_ws_decoder *d, struct seen *s, bool mask)
{
	*s = (struct seen){0};
	net_ws_decoder_init(d, mask, 100000, 200000);
	d->on_message = on_message;
	d->on_control = on_control;
	d->arg = s;
}

static size_t add_frame(uint8_t *dst, bool masked, uint8_t first, size_t len)
{
	static const uint8_t mask[4] = {1, 2, 3, 4};
	size_t n = net_ws_header(dst, NET_WS_BINARY, len, masked ? mask : NULL);

	dst[0] = first;
	for (size_t i = 0; i < len; i++)
		dst[n + i] = (uint8_t)(i * 3 + 1);
	if (masked)
		net_ws_mask(dst + n, len, mask, 0);
	return n + len;
}

/* However the bytes are cut, the result is the same. */
static void test_decoder_at_every_cut(void **state)
{
	static uint8_t wire[80000];
	struct net_ws_decoder d;
	struct seen whole, cut;
	size_t n = 0;

	n += add_frame(wire + n, true, 0x82, 1);
	n += add_frame(wire + n, true, 0x02, 200);
	n += add_frame(wire + n, true, 0x89, 125);
	n += add_frame(wire + n, true, 0x00, 126);
	n += add_frame(wire + n, true, 0x8a, 0);
	n += add_frame(wire + n, true, 0x80, 0);
	n += add_frame(wire + n, true, 0x82, 70000);
	init_decoder(&d, &whole, true);
	assert_int_equal(net_ws_feed(&d, wire, n), 0);
	net_ws_decoder_done(&d);
	assert_int_equal(whole.messages, 3);
	assert_int_equal(whole.controls, 2);
	assert_int_equal(whole.bytes, 1 + 326 + 70000);
	for (size_t step = 1; step < 600; step += step < 20 ? 1 : 37) {
		init_decoder(&d, &cut, true);
		for (size_t i = 0; i < n; i += step)
			assert_int_equal(net_ws_feed(&d, wire + i, n - i < step ? n - i : step), 0);
		net_ws_decoder_done(&d);
		assert_memory_equal(&cut, &whole, sizeof(cut));
	}
	/* A client takes no masked frames. */
	init_decoder(&d, &cut, false);
	assert_int_equal(net_ws_feed(&d, wire, n), CV_EFORMAT);
	net_ws_decoder_done(&d);
}

static void test_decoder_limit_by_kind(void **state)
{
	static uint8_t wire[210000];
	struct net_ws_decoder d;
	struct seen s;
	size_t n = add_frame(wire, false, 0x82, 100001);

	init_decoder(&d, &s, false);
	assert_int_equal(net_ws_feed(&d, wire, n), CV_ELIMIT); /* kind 1 */
	net_ws_decoder_done(&d);
	wire[10] = NET_KIND_HANDSHAKE;
	init_decoder(&d, &s, false);
	assert_int_equal(net_ws_feed(&d, wire, n), 0);
	net_ws_decoder_done(&d);
	/* The header's claim alone costs nothing. */
	n = add_frame(wire, false, 0x82, 200000);
	init_decoder(&d, &s, false);
	assert_int_equal(net_ws_feed(&d, wire, 10), 0);
	assert_null(d.msg);
	net_ws_decoder_done(&d);
}

static void test_mask(void **state)
{
	static const uint8_t mask[4] = {0x11, 0x22, 0x44, 0x88};
	uint8_t a[100], b[100];

	for (size_t cut = 0; cut <= 100; cut++) {
		for (size_t i = 0; i < 100; i++) {
			a[i] = (uint8_t)i;
			b[i] = (uint8_t)i ^ mask[i & 3];
		}
		net_ws_mask(a, cut, mask, 0);
		net_ws_mask(a + cut, 100 - cut, mask, cut);
		assert_memory_equal(a, b, 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_is_kept_while_the_ring_grows),
		cmocka_unit_test(test_maximum_is_hard),
		cmocka_unit_test(test_unit_that_never_started_is_dropped_whole),
		cmocka_unit_test(test_started_unit_is_finished_up_to_twice_the_age),
		cmocka_unit_test(test_unit_that_does_not_fit_is_dropped_whole),
		cmocka_unit_test(test_stale_units_make_room),
		cmocka_unit_test(test_table_of_units_is_bounded),
		cmocka_unit_test(test_decoder_at_every_cut),
		cmocka_unit_test(test_decoder_limit_by_kind),
		cmocka_unit_test(test_mask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
