/* SPDX-License-Identifier: Apache-2.0 */
/* Who sends what, who wants what, and the requests for key frames in between. */
#include <string.h>

#include "../session/session.h"

static struct net_msg *stream_state_msg(const struct member *m, uint32_t stream)
{
	struct PB(StreamState) state = PB_INIT(STREAM_STATE);
	struct PB(Control) c = PB_INIT(CONTROL);

	state.leaf = m->leaf;
	state.stream = stream;
	state.active = m->streams[stream].active;
	state.spatial_layers = m->streams[stream].spatial_layers;
	c.body_case = PB_CONTROL(STREAM_STATE);
	c.stream_state = &state;
	return control_msg(&c);
}

static void send_wanted(struct member *m, uint32_t stream, bool wanted, uint8_t spatial)
{
	struct PB(Wanted) w = PB_INIT(WANTED);
	struct PB(Control) c = PB_INIT(CONTROL);

	w.stream = stream;
	w.wanted = wanted;
	w.max_spatial = spatial;
	c.body_case = PB_CONTROL(WANTED);
	c.wanted = &w;
	(void)!conn_send_control(m->conn, &c);
}

static void start(struct member *m, uint32_t stream)
{
	struct stream *s = &m->streams[stream];

	s->wanted_known = false;
	s->wanted_dirty = true;
	stream_resync(m, stream, 0); /* what was asked for on an earlier connection may be lost */
	if (stream == PROTO_STREAM_VOICE)
		send_wanted(m, stream, true, 0);
	if (s->active && s->spatial_layers == s->asked_layers)
		return;
	s->active = true;
	s->spatial_layers = s->asked_layers;
	run_broadcast(m->run, NET_CLASS_CONTROL, stream_state_msg(m, stream), m->conn);
}

void conn_publish(struct relay_conn *c, const struct PB(Publish) * p)
{
	struct member *m = c->member;
	struct stream *s = &m->streams[p->stream];

	s->asked_layers = 0;
	if (!p->active) {
		streams_stop(m, p->stream);
		return;
	}
	s->asked_layers = p->spatial_layers ? (uint8_t)p->spatial_layers : 1;
	/* no crime: a moderator may have taken the right away a moment ago, or given it: see streams_allowed */
	if (!stream_right(m, p->stream)) {
		cv_log(CV_LOG_NOTICE, "relay", "stream without the right", cv_log_str("run", m->run->name),
		       cv_log_uint("leaf", m->leaf), cv_log_uint("stream", p->stream));
		return;
	}
	start(m, p->stream);
}

/* A member learns of a right by the commit, which may reach it before the moderator's SetRights reaches the relay. */
void streams_allowed(struct member *m, uint32_t stream)
{
	const struct stream *s = &m->streams[stream];

	if (s->asked_layers && !s->active && m->conn && !m->left)
		start(m, stream);
}

void streams_stop(struct member *m, uint32_t stream)
{
	struct stream *s = &m->streams[stream];

	if (!s->active)
		return;
	s->active = false;
	s->sync = false;
	for (size_t i = 0; i < s->n_subs; i++)
		s->subs[i].current = -1;
	run_broadcast(m->run, NET_CLASS_CONTROL, stream_state_msg(m, stream), m->conn);
}

void streams_tell(struct relay_conn *c)
{
	struct relay_run *run = c->run;

	for (size_t i = 0; i < run->leaves; i++) {
		const struct member *m = run->members[i];

		for (uint32_t s = 1; m && m != c->member && s <= PROTO_STREAM_MAX; s++) {
			struct net_msg *msg = m->streams[s].active ? stream_state_msg(m, s) : NULL;

			if (msg)
				(void)!conn_send_msg(c, NET_CLASS_CONTROL, msg);
			net_msg_unref(msg);
		}
	}
}

void streams_done(struct member *m)
{
	for (uint32_t s = 0; s <= PROTO_STREAM_MAX; s++) {
		cv_free(m->streams[s].subs);
		m->streams[s] = (struct stream){0};
	}
}

/* ---- subscriptions */

struct subscriber *stream_subscriber(struct stream *s, const struct relay_conn *c)
{
	for (size_t i = 0; i < s->n_subs; i++)
		if (s->subs[i].conn == c)
			return &s->subs[i];
	return NULL;
}

static struct subscriber *subscriber_add(struct stream *s, struct relay_conn *c)
{
	struct subscriber *sub;

	if (s->n_subs == s->cap_subs) {
		size_t cap = s->cap_subs ? 2 * s->cap_subs : 8;

		sub = cv_reallocarray(s->subs, cap, sizeof(*sub));
		if (!sub)
			return NULL;
		s->subs = sub;
		s->cap_subs = cap;
	}
	sub = &s->subs[s->n_subs++];
	*sub = (struct subscriber){.conn = c, .current = -1};
	memset(sub->hold, NO_HOLD, sizeof(sub->hold));
	return sub;
}

static void subscriber_remove(struct stream *s, const struct relay_conn *c)
{
	struct subscriber *sub = stream_subscriber(s, c);

	if (!sub)
		return;
	*sub = s->subs[--s->n_subs];
	s->wanted_dirty = true;
}

/* Brings one line of a connection's list into force, if its leaf is there. */
static void apply(struct relay_conn *c, const struct subscription *line)
{
	struct member *m = run_member(c->run, line->leaf);
	struct subscriber *sub;
	struct stream *s;
	bool more;

	if (!m || m == c->member || line->stream == PROTO_STREAM_VOICE)
		return;
	s = &m->streams[line->stream];
	sub = stream_subscriber(s, c);
	more = !sub || line->max_spatial > sub->max_spatial;
	if (!sub)
		sub = subscriber_add(s, c);
	if (!sub) {
		conn_refuse(c, PB_REFUSED(LIMIT), "out of memory");
		return;
	}
	sub->max_spatial = line->max_spatial;
	sub->max_temporal = line->max_temporal;
	sub->stamp = c->subs.stamp;
	s->wanted_dirty = true;
	if (more && s->active)
		stream_want_key(m, line->stream, sub->current < 0 ? 0 : line->max_spatial);
}

void conn_subscribe(struct relay_conn *c, const struct PB(Subscribe) * m)
{
	struct subscription *old = c->subs.list, *list = NULL;
	size_t n_old = c->subs.n;
	int64_t rate = c->relay->opts.limits.control_rate;

	/* long lists cost as much as many short ones */
	if (!bucket_take(&c->control, relay_now(c->relay), rate, 4 * rate, (int64_t)m->n_subscriptions / 32)) {
		conn_refuse(c, PB_REFUSED(LIMIT), "too many subscriptions");
		return;
	}
	if (m->n_subscriptions) {
		list = cv_calloc(m->n_subscriptions, sizeof(*list));
		if (!list) {
			conn_refuse(c, PB_REFUSED(LIMIT), "out of memory");
			return;
		}
	}
	c->subs.list = list;
	c->subs.n = m->n_subscriptions;
	c->subs.stamp++;
	for (size_t i = 0; i < m->n_subscriptions; i++) {
		const struct PB(Subscription) *s = m->subscriptions[i];

		list[i] = (struct subscription){
			(uint16_t)s->leaf, (uint8_t)s->stream,
			(uint8_t)(s->max_spatial < SPATIAL_LAYERS ? s->max_spatial : SPATIAL_LAYERS - 1),
			(uint8_t)s->max_temporal};
	}
	for (size_t i = 0; i < m->n_subscriptions && c->state == CONN_BOUND; i++)
		apply(c, &list[i]);
	/* what the new list does not name any more */
	for (size_t i = 0; i < n_old && c->state == CONN_BOUND; i++) {
		struct member *from = run_member(c->run, old[i].leaf);
		struct subscriber *sub = from ? stream_subscriber(&from->streams[old[i].stream], c) : NULL;

		if (sub && sub->stamp != c->subs.stamp)
			subscriber_remove(&from->streams[old[i].stream], c);
	}
	cv_free(old);
}

void subscriptions_done(struct relay_conn *c)
{
	for (size_t i = 0; i < c->subs.n && c->run; i++) {
		struct member *m = run_member(c->run, c->subs.list[i].leaf);

		if (m)
			subscriber_remove(&m->streams[c->subs.list[i].stream], c);
	}
	cv_free(c->subs.list);
	c->subs = (struct subscriptions){.stamp = c->subs.stamp};
}

void streams_adopt(struct member *m)
{
	for (struct relay_conn *c = m->run->conns, *next; c; c = next) {
		next = c->run_next;
		for (size_t i = 0; c->state == CONN_BOUND && i < c->subs.n; i++)
			if (c->subs.list[i].leaf == m->leaf)
				apply(c, &c->subs.list[i]);
	}
}

/* ---- key frames */

static void send_key_request(struct member *m, uint32_t stream, uint8_t spatial)
{
	struct PB(KeyFrameRequest) k = PB_INIT(KEY_FRAME_REQUEST);
	struct PB(Control) c = PB_INIT(CONTROL);
	struct stream *s = &m->streams[stream];

	k.leaf = m->leaf;
	k.stream = stream;
	k.spatial = spatial;
	c.body_case = PB_CONTROL(KEY_FRAME_REQUEST);
	c.key_frame_request = &k;
	(void)!conn_send_control(m->conn, &c);
	s->key_us = relay_now(m->run->relay);
	s->key_sent = true;
	s->key_pending = false;
	if (!spatial)
		stream_resync(m, stream, KEY_AGAIN_US);
}

void stream_want_key(struct member *m, uint32_t stream, uint8_t spatial)
{
	struct stream *s = &m->streams[stream];

	if (!s->active || stream == PROTO_STREAM_VOICE)
		return;
	/* a key frame serves everybody who waits for a layer too */
	if (s->key_pending && (!s->key_spatial || !spatial))
		spatial = 0;
	else if (s->key_pending && s->key_spatial > spatial)
		spatial = s->key_spatial;
	/* a sender whose connection is lost is asked when it is back: receivers may have come back before it */
	if (m->conn && (!s->key_sent || relay_now(m->run->relay) - s->key_us >= KEY_INTERVAL_US)) {
		send_key_request(m, stream, spatial);
		return;
	}
	s->key_pending = true;
	s->key_spatial = spatial;
}

void conn_key_frame_request(struct relay_conn *c, const struct PB(KeyFrameRequest) * k)
{
	struct member *m = run_member(c->run, k->leaf);
	struct subscriber *sub;

	if (!m || m == c->member || k->stream == PROTO_STREAM_VOICE)
		return;
	sub = stream_subscriber(&m->streams[k->stream], c);
	if (!sub)
		return;
	/* whoever asks for a key frame cannot use what comes before it */
	if (!k->spatial)
		sub->current = -1;
	stream_want_key(m, k->stream, (uint8_t)k->spatial);
}

void stream_resync(struct member *m, uint32_t stream, int64_t delay_us)
{
	int64_t at = relay_now(m->run->relay) + delay_us;
	struct stream *s = &m->streams[stream];

	if (!s->resync_us || at < s->resync_us)
		s->resync_us = at;
}

/* Receivers that still lack something: one request that serves them all. */
static void resync(struct member *m, uint32_t stream)
{
	struct stream *s = &m->streams[stream];
	bool key = false;
	uint8_t layer = 0;

	s->resync_us = 0;
	for (size_t i = 0; i < s->n_subs; i++) {
		const struct subscriber *sub = &s->subs[i];
		uint8_t most = sub->max_spatial < s->spatial_layers ? sub->max_spatial : s->spatial_layers - 1;

		if (sub->current < 0)
			key = true;
		else if (sub->current < most && most > layer)
			layer = most;
	}
	if (key || layer)
		stream_want_key(m, stream, key ? 0 : layer);
}

/* ---- Wanted */

static void update_wanted(struct member *m, uint32_t stream)
{
	struct stream *s = &m->streams[stream];
	bool wanted = s->n_subs != 0;
	uint8_t spatial = 0;

	s->wanted_dirty = false;
	for (size_t i = 0; i < s->n_subs; i++)
		if (s->subs[i].max_spatial > spatial)
			spatial = s->subs[i].max_spatial;
	if (s->spatial_layers && spatial >= s->spatial_layers)
		spatial = (uint8_t)(s->spatial_layers - 1);
	if (s->wanted_known && s->wanted == wanted && s->wanted_spatial == spatial)
		return;
	s->wanted_known = true;
	s->wanted = wanted;
	s->wanted_spatial = spatial;
	send_wanted(m, stream, wanted, spatial);
}

void streams_tick(struct relay_run *run)
{
	int64_t now = relay_now(run->relay);

	for (size_t i = 0; i < run->leaves; i++) {
		struct member *m = run->members[i];

		if (!m || !m->conn)
			continue;
		for (uint32_t n = PROTO_STREAM_CAMERA; n <= PROTO_STREAM_MAX; n++) {
			struct stream *s = &m->streams[n];

			if (!s->active)
				continue;
			if (s->wanted_dirty)
				update_wanted(m, n);
			if (s->resync_us && now >= s->resync_us)
				resync(m, n);
			if (s->key_pending && now - s->key_us >= KEY_INTERVAL_US)
				send_key_request(m, n, s->key_spatial);
		}
	}
}
