/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing of an open tunnel. Writing happens in one place, at the end of a turn: as late as possible, so
 * that the order of service is decided with everything known that came in during the turn.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

#include "internal.h"

#define READ_BUDGET  (8 * NET_READ_SIZE)
#define WRITE_BUDGET (16 * NET_CHUNK_MAX)
#define STARVE_US    1000000
#define FRAME_ROOM   (NET_WS_HEADER_MAX + NET_HEAD_MAX)
#define CONTROL_ROOM (2 + 4 + NET_WS_CONTROL_MAX)

/* ---- writing ---- */

static int next_mask(struct net_tunnel *t)
{
	if (t->mask_next == NET_MASKS) {
		if (RAND_bytes(t->masks, sizeof(t->masks)) != 1)
			return CV_ECRYPTO;
		t->mask_next = 0;
	}
	memcpy(t->cur_mask, t->masks + 4 * t->mask_next++, 4);
	return 0;
}

static int put_frame(struct net_tunnel *t, enum net_ws_opcode opcode, const void *data, size_t len)
{
	uint8_t *p = t->wbuf + t->wlen;
	int err = t->client ? next_mask(t) : 0;

	if (err)
		return err;
	p += net_ws_header(p, opcode, len, t->client ? t->cur_mask : NULL);
	if (len)
		memcpy(p, data, len);
	if (t->client)
		net_ws_mask(p, len, t->cur_mask, 0);
	t->wlen = (size_t)(p - t->wbuf) + len;
	return 0;
}

static int put_control_frames(struct net_tunnel *t)
{
	int err = 0;

	if (t->pong_due) {
		t->pong_due = false;
		err = put_frame(t, NET_WS_PONG, t->pong, t->pong_len);
	}
	if (!err && t->ping_due && t->state == NET_OPEN) {
		t->ping_due = false;
		t->ping_id++;
		t->ping_sent_us = cv_now_us();
		err = put_frame(t, NET_WS_PING, &t->ping_id, sizeof(t->ping_id));
	}
	return err;
}

static bool pick(struct net_tunnel *t, int64_t now, struct net_entry *e)
{
	const int64_t age = t->opts.video_max_age_us;
	struct net_queue *app = &t->queue[NET_CLASS_APP];
	size_t waiting = 0;

	if (net_queue_pop(&t->queue[NET_CLASS_CONTROL], now, age, e))
		return true;
	if (t->state != NET_OPEN)
		return false;
	if (net_queue_pop(&t->queue[NET_CLASS_AUDIO], now, age, e))
		return true;
	if (app->count && net_queue_age(app, now) > STARVE_US && now - t->app_granted_us > STARVE_US) {
		t->app_granted_us = now;
		return net_queue_pop(app, now, age, e);
	}
	for (size_t i = NET_CLASS_BASE; i < NET_CLASSES; i++)
		waiting += t->queue[i].count;
	if (!waiting || !net_tunnel_may_write(t, now))
		return false;
	for (size_t i = NET_CLASS_BASE; i < NET_CLASSES; i++) {
		if (net_queue_pop(&t->queue[i], now, age, e)) {
			t->credit -= (int64_t)net_entry_size(e);
			return true;
		}
	}
	return false;
}

static int begin_message(struct net_tunnel *t)
{
	size_t len = net_entry_size(&t->cur);
	int err = t->client ? next_mask(t) : 0;

	if (err)
		return err;
	t->wlen += net_ws_header(t->wbuf + t->wlen, NET_WS_BINARY, len, t->client ? t->cur_mask : NULL);
	t->cur_off = 0;
	return 0;
}

/* Copies as much of the message as there is room for. */
static void copy_message(struct net_tunnel *t, size_t end)
{
	size_t len = net_entry_size(&t->cur), start = t->cur_off;
	uint8_t *p = t->wbuf + t->wlen;

	if (t->cur_off < t->cur.head_len) {
		size_t n = t->cur.head_len - t->cur_off;

		n = n < end - t->wlen ? n : end - t->wlen;
		memcpy(t->wbuf + t->wlen, t->cur.head + t->cur_off, n);
		t->wlen += n;
		t->cur_off += n;
	}
	if (t->cur_off >= t->cur.head_len) {
		size_t off = t->cur_off - t->cur.head_len + t->cur.skip, n = len - t->cur_off;

		n = n < end - t->wlen ? n : end - t->wlen;
		memcpy(t->wbuf + t->wlen, t->cur.msg->data + off, n);
		t->wlen += n;
		t->cur_off += n;
	}
	if (t->client)
		net_ws_mask(p, t->cur_off - start, t->cur_mask, start);
	if (t->cur_off == len) {
		net_msg_unref(t->cur.msg);
		t->cur.msg = NULL;
		t->stats.messages_out++;
	}
}

/* Gathers the next record. Leaves wlen 0 when there is nothing (that may be sent). */
static int fill(struct net_tunnel *t)
{
	int64_t now = cv_loop_now(t->loop);
	size_t end = net_tunnel_chunk_size(t, now);
	int err = 0;

	while (!err && t->wlen < end) {
		if (!t->cur.msg) {
			if (NET_CHUNK_MAX - t->wlen < 2 * CONTROL_ROOM + FRAME_ROOM)
				break;
			err = put_control_frames(t);
			if (err || !pick(t, now, &t->cur)) {
				t->cur.msg = NULL;
				break;
			}
			err = begin_message(t);
			if (end < t->wlen + NET_HEAD_MAX)
				end = t->wlen + NET_HEAD_MAX;
			if (err)
				break;
		}
		copy_message(t, end);
	}
	if (!err && t->close_due && !t->cur.msg && NET_CHUNK_MAX - t->wlen >= CONTROL_ROOM &&
	    !t->queue[NET_CLASS_CONTROL].count) {
		uint8_t code[2] = {(uint8_t)(t->close_code >> 8), (uint8_t)t->close_code};

		t->close_due = false;
		t->close_sent = true;
		err = put_frame(t, NET_WS_CLOSE, code, t->close_code == 1005 ? 0 : sizeof(code));
	}
	return err;
}

static void tell_drops(struct net_tunnel *t)
{
	for (int cls = NET_CLASS_BASE; cls <= NET_CLASS_UPPER; cls++) {
		uint64_t unit;

		while (t->state == NET_OPEN && net_queue_dropped(&t->queue[cls], &unit))
			if (t->cbs.on_drop)
				t->cbs.on_drop(t->arg, t, (enum net_class)cls, unit);
	}
}

static void tell_drained(struct net_tunnel *t)
{
	for (int cls = NET_CLASS_APP; cls <= NET_CLASS_FILE; cls++) {
		struct net_queue *q = &t->queue[cls];

		if (t->state != NET_OPEN || !q->refused || q->bytes > q->max / 2)
			continue;
		q->refused = false;
		if (t->cbs.on_drained)
			t->cbs.on_drained(t->arg, t, (enum net_class)cls);
	}
}

/* One record to TLS. 0, CV_EAGAIN, or the connection's end. */
static int write_record(struct net_tunnel *t)
{
	int r, err;

	ERR_clear_error();
	errno = 0;
	r = SSL_write(t->ssl, t->wbuf, (int)t->wlen);
	if (r <= 0) {
		err = net_tls_error(t->ssl, r, &t->write_want);
		if (err == CV_EAGAIN)
			t->blocked_us = cv_loop_now(t->loop);
		return err;
	}
	t->stats.writes++;
	t->stats.bytes_out += t->wlen;
	t->wlen = 0;
	t->write_want = 0;
	return 0;
}

static void write_all(struct net_tunnel *t)
{
	size_t budget = WRITE_BUDGET;
	int err = 0;

	while (!err) {
		size_t len;

		if (!t->wlen && t->state != NET_UPGRADE)
			err = fill(t);
		len = t->wlen;
		if (err || !len)
			break;
		err = write_record(t);
		if (!err && t->state == NET_UPGRADE && !t->client)
			net_tunnel_opened(t);
		if (t->state == NET_DEAD || (t->state == NET_UPGRADE && !err))
			return;
		if (!err && len >= budget) {
			cv_deferred_run(&t->flush);
			break;
		}
		budget -= len;
	}
	if (err && err != CV_EAGAIN)
		net_tunnel_fail(t, t->state == NET_CLOSING ? t->end_err : err);
}

void net_tunnel_on_flush(void *arg)
{
	struct net_tunnel *t = arg;

	net_tunnel_enter(t);
	tell_drops(t);
	if (t->state == NET_OPEN || t->state == NET_CLOSING || t->state == NET_UPGRADE)
		write_all(t);
	tell_drops(t);
	tell_drained(t);
	if (t->state == NET_CLOSING && t->close_sent && !t->wlen && t->peer_closed)
		net_tunnel_fail(t, t->end_err);
	net_tunnel_update_interest(t);
	net_tunnel_leave(t);
}

/* ---- reading ---- */

static int on_message(void *arg, struct net_msg *m)
{
	struct net_tunnel *t = arg;

	t->stats.messages_in++;
	if (t->state == NET_OPEN && t->cbs.on_message)
		t->cbs.on_message(t->arg, t, m);
	return t->state == NET_DEAD ? CV_ECLOSED : 0;
}

/* Codes that may stand in a close frame: RFC 6455 section 7.4. */
static bool close_code_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static int on_close_frame(struct net_tunnel *t, const uint8_t *data, size_t len)
{
	unsigned code = 1005;

	if (len >= 2)
		code = (unsigned)(data[0] << 8 | data[1]);
	if (len == 1 || (len >= 2 && !close_code_valid(code)))
		return CV_EFORMAT;
	t->peer_closed = true;
	t->peer_code = (uint16_t)code;
	net_tunnel_close_with(t, (uint16_t)code, CV_ECLOSED);
	cv_deferred_run(&t->flush);
	/* Section 5.5.1: nothing follows a close frame. */
	t->deaf = true;
	return CV_ECLOSED;
}

static int on_control(void *arg, enum net_ws_opcode opcode, const uint8_t *data, size_t len)
{
	struct net_tunnel *t = arg;
	uint64_t id;

	switch (opcode) {
	case NET_WS_PING:
		/* Section 5.5.3: of several pings only the last need be answered; nobody can make us queue pongs. */
		if (len)
			memcpy(t->pong, data, len);
		t->pong_len = len;
		t->pong_due = true;
		cv_deferred_run(&t->flush);
		return 0;
	case NET_WS_PONG:
		if (len == sizeof(id) && t->ping_sent_us) {
			memcpy(&id, data, sizeof(id));
			if (id == t->ping_id) {
				t->stats.ping_rtt_us = cv_now_us() - t->ping_sent_us;
				t->ping_sent_us = 0;
			}
		}
		return 0;
	case NET_WS_CLOSE: return on_close_frame(t, data, len);
	default: return CV_EFORMAT;
	}
}

void net_tunnel_decoder_init(struct net_tunnel *t)
{
	net_ws_decoder_init(&t->dec, !t->client, t->opts.max_message, t->opts.max_handshake);
	t->dec.on_message = on_message;
	t->dec.on_control = on_control;
	t->dec.arg = t;
}

void net_tunnel_feed(struct net_tunnel *t, const uint8_t *data, size_t len)
{
	int err;

	if (t->deaf)
		return;
	err = net_ws_feed(&t->dec, data, len);
	if (!err || t->state == NET_DEAD || t->deaf)
		return;
	t->deaf = true;
	net_tunnel_close_with(t, err == CV_ELIMIT ? 1009 : err == CV_ENOMEM ? 1011 : 1002, err);
}

void net_tunnel_read(struct net_tunnel *t, bool force)
{
	uint8_t buf[NET_READ_SIZE];
	size_t budget = READ_BUDGET;
	int r, err;

	while (budget) {
		if (t->state != NET_CLOSING && (t->state != NET_OPEN || (t->paused && !force)))
			return;
		ERR_clear_error();
		errno = 0;
		r = SSL_read(t->ssl, buf, sizeof(buf));
		if (r <= 0) {
			err = net_tls_error(t->ssl, r, &t->read_want);
			if (err != CV_EAGAIN)
				net_tunnel_fail(t, t->state == NET_CLOSING ? t->end_err : err);
			return;
		}
		t->read_want = 0;
		t->last_in_us = cv_loop_now(t->loop);
		t->stats.bytes_in += (uint64_t)r;
		net_tunnel_feed(t, buf, (size_t)r);
		budget -= (size_t)r < budget ? (size_t)r : budget;
	}
	cv_deferred_run(&t->more);
}

void net_tunnel_on_more(void *arg)
{
	struct net_tunnel *t = arg;

	net_tunnel_enter(t);
	if (t->state == NET_OPEN || t->state == NET_CLOSING)
		net_tunnel_read(t, false);
	net_tunnel_update_interest(t);
	net_tunnel_leave(t);
}

void net_tunnel_update_interest(struct net_tunnel *t)
{
	unsigned interest = 0;

	if (t->state == NET_DEAD || t->state < NET_UPGRADE)
		return;
	if (!t->paused || t->state != NET_OPEN)
		interest |= t->read_want ? t->read_want : CV_LOOP_READ;
	if (t->wlen)
		interest |= t->write_want ? t->write_want : CV_LOOP_WRITE;
	cv_fd_set(&t->watch, interest);
}

void net_tunnel_on_io(void *arg, unsigned events)
{
	struct net_tunnel *t = arg;

	net_tunnel_enter(t);
	if (t->state < NET_OPEN && t->client) {
		net_connect_on_io(t, events);
	} else {
		if (t->wlen)
			cv_deferred_run(&t->flush);
		if (t->state == NET_UPGRADE && events & CV_LOOP_ERROR)
			net_tunnel_fail(t, CV_ECLOSED);
		net_tunnel_read(t, events & CV_LOOP_ERROR);
		/* A broken connection from which nothing can be read any more would be told of for ever. */
		if (events & CV_LOOP_ERROR && t->state == NET_OPEN && t->paused)
			net_tunnel_fail(t, CV_ECLOSED);
	}
	net_tunnel_update_interest(t);
	net_tunnel_leave(t);
}
