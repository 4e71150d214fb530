/* SPDX-License-Identifier: Apache-2.0 */
/* A tunnel's life, its timers and what its user calls. Reading and writing are in tunnel_io.c. */
#include <string.h>
#include <unistd.h>

#include <base/alloc.h>

#include "internal.h"

#define MIB             (1024 * 1024)
#define CLOSE_WAIT_US   2000000
#define SECOND_US       1000000
#define DEFAULT(v, def) ((v) ? (v) : (def))

static const size_t queue_max[NET_CLASSES] = {32 * MIB, MIB, 4 * MIB, 4 * MIB, 4 * MIB, MIB};

static void set_defaults(struct net_tunnel_opts *o)
{
	o->max_message = DEFAULT(o->max_message, MIB);
	o->max_handshake = DEFAULT(o->max_handshake, 16 * MIB);
	for (size_t i = 0; i < NET_CLASSES; i++)
		o->queue_max[i] = DEFAULT(o->queue_max[i], queue_max[i]);
	o->video_max_age_us = DEFAULT(o->video_max_age_us, 250000);
	o->handshake_timeout_us = DEFAULT(o->handshake_timeout_us, 10 * SECOND_US);
	o->ping_interval_us = DEFAULT(o->ping_interval_us, 5 * SECOND_US);
	o->dead_after_us = DEFAULT(o->dead_after_us, 20 * SECOND_US);
}

/* ---- life ---- */

static void free_tunnel(struct net_tunnel *t)
{
	if (t->on_free)
		t->on_free(t->owner, t);
	cv_fd_del(&t->watch);
	cv_timer_done(&t->timer);
	cv_timer_done(&t->gate);
	cv_deferred_cancel(&t->flush);
	cv_deferred_cancel(&t->more);
	cv_deferred_cancel(&t->end);
	SSL_free(t->ssl);
	if (t->fd >= 0)
		close(t->fd);
	for (size_t i = 0; i < NET_CLASSES; i++)
		net_queue_done(&t->queue[i]);
	net_msg_unref(t->cur.msg);
	net_ws_decoder_done(&t->dec);
	cv_buf_done(&t->head);
	net_connector_free(t->conn);
	net_tls_client_free(t->tls);
	cv_free(t->wbuf);
	cv_free(t);
}

void net_tunnel_enter(struct net_tunnel *t)
{
	t->busy++;
}

void net_tunnel_leave(struct net_tunnel *t)
{
	if (--t->busy == 0 && t->aborted)
		free_tunnel(t);
}

static void on_end(void *arg)
{
	struct net_tunnel *t = arg;

	net_tunnel_enter(t);
	if (t->cbs.on_close)
		t->cbs.on_close(t->arg, t, t->end_err);
	t->aborted = true;
	net_tunnel_leave(t);
}

static void shut(struct net_tunnel *t)
{
	t->state = NET_DEAD;
	cv_fd_del(&t->watch);
	cv_timer_stop(&t->timer);
	cv_timer_stop(&t->gate);
	cv_deferred_cancel(&t->flush);
	cv_deferred_cancel(&t->more);
	/* A close_notify where it can be given at once; not in the middle of a record that waits for room. */
	if (t->ssl && SSL_is_init_finished(t->ssl) && !t->wlen)
		(void)SSL_shutdown(t->ssl);
}

void net_tunnel_fail(struct net_tunnel *t, int err)
{
	if (t->state == NET_DEAD)
		return;
	shut(t);
	t->end_err = err;
	cv_deferred_run(&t->end);
}

void net_tunnel_abort(struct net_tunnel *t)
{
	if (!t)
		return;
	if (t->state != NET_DEAD)
		shut(t);
	t->aborted = true;
	net_tunnel_enter(t);
	net_tunnel_leave(t);
}

static void keep_alive(struct net_tunnel *t)
{
	int64_t now = cv_now_us(), silent = now - t->last_in_us, next = t->opts.ping_interval_us;

	if (t->paused)
		silent = 0;
	if (silent >= t->opts.dead_after_us) {
		net_tunnel_fail(t, CV_ETIMEOUT);
		return;
	}
	if (t->opts.dead_after_us - silent < next)
		next = t->opts.dead_after_us - silent;
	t->ping_due = true;
	cv_deferred_run(&t->flush);
	cv_timer_set(&t->timer, next);
}

static void on_timer(void *arg)
{
	struct net_tunnel *t = arg;

	if (t->state == NET_OPEN)
		keep_alive(t);
	else if (t->state == NET_CLOSING)
		net_tunnel_fail(t, t->end_err);
	else
		net_tunnel_fail(t, CV_ETIMEOUT);
}

static void on_gate(void *arg)
{
	struct net_tunnel *t = arg;

	if (t->state < NET_OPEN)
		net_connect_on_gate(t);
	else
		cv_deferred_run(&t->flush);
}

int net_tunnel_new(struct cv_loop *loop, const struct net_tunnel_opts *opts, bool client,
		   struct net_tunnel **ret_tunnel)
{
	struct net_tunnel *t = cv_calloc(1, sizeof(*t));
	int err;

	if (!t)
		return CV_ENOMEM;
	t->loop = loop;
	t->opts = *opts;
	set_defaults(&t->opts);
	t->client = client;
	t->fd = -1;
	t->state = client ? NET_RESOLVING : NET_UPGRADE;
	t->stats.ping_rtt_us = -1;
	t->peer_code = 1006;
	t->mask_next = NET_MASKS;
	cv_buf_init(&t->head, NET_HTTP_HEAD_MAX + NET_READ_SIZE);
	cv_deferred_init(&t->flush, loop, net_tunnel_on_flush, t);
	cv_deferred_init(&t->more, loop, net_tunnel_on_more, t);
	cv_deferred_init(&t->end, loop, on_end, t);
	for (size_t i = 0; i < NET_CLASSES; i++)
		net_queue_init(&t->queue[i], i == NET_CLASS_BASE || i == NET_CLASS_UPPER, t->opts.queue_max[i]);
	err = cv_timer_init(&t->timer, loop, on_timer, t);
	if (!err)
		err = cv_timer_init(&t->gate, loop, on_gate, t);
	if (!err) {
		t->wbuf = cv_malloc(NET_CHUNK_MAX);
		err = t->wbuf ? 0 : CV_ENOMEM;
	}
	if (err) {
		free_tunnel(t);
		return err;
	}
	cv_timer_set(&t->timer, t->opts.handshake_timeout_us);
	*ret_tunnel = t;
	return 0;
}

int net_tunnel_adopt(struct net_tunnel *t, int fd, SSL *ssl, const struct net_peer *peer, const char *answer,
		     const uint8_t *rest, size_t rest_len)
{
	size_t len = strlen(answer);
	int err = len <= NET_CHUNK_MAX ? cv_buf_put(&t->head, rest, rest_len) : CV_ELIMIT;

	if (!err)
		err = cv_fd_add(&t->watch, t->loop, fd, 0, net_tunnel_on_io, t);
	if (err)
		return err;
	t->fd = fd;
	t->ssl = ssl;
	t->peer = *peer;
	memcpy(t->wbuf, answer, len);
	t->wlen = len;
	cv_deferred_run(&t->flush);
	return 0;
}

void net_tunnel_opened(struct net_tunnel *t)
{
	t->state = NET_OPEN;
	t->last_in_us = cv_now_us();
	cv_timer_stop(&t->gate);
	cv_timer_set(&t->timer, t->opts.ping_interval_us < t->opts.dead_after_us ? t->opts.ping_interval_us
										 : t->opts.dead_after_us);
	net_tunnel_decoder_init(t);
	if (t->cbs.on_open)
		t->cbs.on_open(t->arg, t);
	if (t->head.len && (t->state == NET_OPEN || t->state == NET_CLOSING))
		net_tunnel_feed(t, t->head.data, t->head.len);
	cv_buf_done(&t->head);
	net_connector_free(t->conn);
	t->conn = NULL;
	/* TLS may hold bytes that no event will tell of. */
	if (t->state == NET_OPEN)
		cv_deferred_run(&t->more);
}

void net_tunnel_close_with(struct net_tunnel *t, uint16_t code, int err)
{
	if (t->state >= NET_CLOSING)
		return;
	if (t->state < NET_OPEN) {
		net_tunnel_fail(t, err);
		return;
	}
	t->state = NET_CLOSING;
	t->end_err = err;
	t->close_code = code;
	t->close_due = true;
	/* What was promised is still sent on a wanted end; after a failure there is nothing to keep. */
	for (size_t i = err ? NET_CLASS_CONTROL : NET_CLASS_AUDIO; i < NET_CLASSES; i++)
		net_queue_done(&t->queue[i]);
	cv_timer_set(&t->timer, CLOSE_WAIT_US);
	cv_deferred_run(&t->flush);
}

void net_tunnel_close(struct net_tunnel *t, uint16_t code)
{
	net_tunnel_close_with(t, code, 0);
}

/* ---- user's side ---- */

void net_tunnel_set_cbs(struct net_tunnel *t, const struct net_tunnel_cbs *cbs, void *arg)
{
	t->cbs = *cbs;
	t->arg = arg;
}

int net_tunnel_send(struct net_tunnel *t, const struct net_send *s)
{
	struct net_queue *q;
	size_t size;
	int err;

	if (t->state != NET_OPEN)
		return CV_ESTATE;
	if (s->cls >= NET_CLASSES || !s->msg || s->skip > s->msg->len || s->head_len > NET_HEAD_MAX)
		return CV_EINVAL;
	size = s->head_len + s->msg->len - s->skip;
	q = &t->queue[s->cls];
	if (!size || (size > q->max && !q->video))
		return CV_EINVAL;
	err = net_queue_put(q, s, cv_loop_now(t->loop), t->opts.video_max_age_us);
	if (err == CV_ELIMIT && s->cls <= NET_CLASS_AUDIO) {
		net_tunnel_close_with(t, 1008, CV_ELIMIT);
	} else if (err == CV_ELIMIT && !q->video) {
		q->refused = true;
		err = CV_EAGAIN;
	}
	/* Also after a refused unit: on_drop may be due. */
	if (!err || q->notify)
		cv_deferred_run(&t->flush);
	return err;
}

int net_tunnel_send_bytes(struct net_tunnel *t, enum net_class cls, uint8_t kind, const void *payload, size_t len)
{
	struct net_send s = {.cls = cls};
	int err;

	if (t->state != NET_OPEN)
		return CV_ESTATE;
	if (cls >= NET_CLASSES || t->queue[cls].video)
		return CV_EINVAL;
	err = net_msg_from(kind, payload, len, &s.msg);
	if (err)
		return err;
	err = net_tunnel_send(t, &s);
	net_msg_unref(s.msg);
	return err;
}

size_t net_tunnel_queued(const struct net_tunnel *t, enum net_class cls)
{
	return cls < NET_CLASSES ? t->queue[cls].bytes : 0;
}

void net_tunnel_set_limits(struct net_tunnel *t, size_t max_message, size_t max_handshake)
{
	t->opts.max_message = t->dec.max_message = max_message;
	t->opts.max_handshake = t->dec.max_handshake = max_handshake;
}

void net_tunnel_pause(struct net_tunnel *t, bool paused)
{
	if (t->paused == paused)
		return;
	t->paused = paused;
	if (t->state != NET_OPEN)
		return;
	if (!paused) {
		t->last_in_us = cv_now_us();
		cv_deferred_run(&t->more);
	}
	net_tunnel_update_interest(t);
}

uint16_t net_tunnel_close_code(const struct net_tunnel *t)
{
	return t->peer_code;
}

int net_tunnel_http_status(const struct net_tunnel *t)
{
	return t->http_status;
}

void net_tunnel_get_stats(struct net_tunnel *t, struct net_tunnel_stats *ret_stats)
{
	net_tunnel_refresh_info(t, cv_now_us(), 10000);
	*ret_stats = t->stats;
	ret_stats->units_dropped = t->queue[NET_CLASS_BASE].units_dropped + t->queue[NET_CLASS_UPPER].units_dropped;
	ret_stats->tcp_rtt_us = t->info.rtt_us;
	ret_stats->tcp_min_rtt_us = t->info.min_rtt_us;
	ret_stats->rate = t->rate;
}

void net_tunnel_get_peer(const struct net_tunnel *t, struct net_peer *ret_peer)
{
	*ret_peer = t->peer;
}
