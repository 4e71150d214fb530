/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Media fragments, cut through: each goes on as it comes, the same block for all receivers. What a receiver gets is
 * decided on the first fragment of a unit by its subscription and by what it has missed before.
 */
#include "../session/session.h"

bool stream_right(const struct member *m, uint32_t stream)
{
	return m->rights & proto_stream_right(stream);
}

/* KID = context << 24 | leaf << 8 | epoch mod 256 (docs/protocol.md, section 6) */
static bool kid_matches(const struct proto_fragment *f)
{
	uint64_t kid, counter;

	if (relay_kid_decode(f->ciphertext.data, f->ciphertext.len, &kid, &counter))
		return false;
	return kid >> 24 == f->stream && (kid >> 8 & 0xffff) == f->leaf;
}

static uint64_t unit_number(const struct proto_fragment *f, uint8_t layer)
{
	return (uint64_t)f->leaf << 48 | (uint64_t)f->stream << 40 | (uint64_t)layer << 32 | f->unit;
}

/* ---- units under way: later fragments do not carry the layer */

static int unit_layer(struct stream *s, const struct proto_fragment *f, uint8_t *ret_layer)
{
	if (f->flags & PROTO_FRAGMENT_FIRST) {
		s->units[s->next_unit] = (struct open_unit){true, f->unit, f->header.layer};
		s->next_unit = (s->next_unit + 1) % OPEN_UNITS;
		*ret_layer = f->header.layer;
		return 0;
	}
	for (size_t i = 0; i < OPEN_UNITS; i++) {
		if (s->units[i].used && s->units[i].unit == f->unit) {
			*ret_layer = s->units[i].layer;
			return 0;
		}
	}
	return CV_ENOTFOUND;
}

static void unit_close(struct stream *s, uint32_t unit)
{
	for (size_t i = 0; i < OPEN_UNITS; i++)
		if (s->units[i].unit == unit)
			s->units[i].used = false;
}

/* ---- what one receiver gets */

static bool wants(const struct subscriber *sub, uint8_t spatial, uint8_t temporal)
{
	return spatial <= sub->max_spatial && spatial <= sub->current && temporal <= sub->max_temporal &&
	       temporal < sub->hold[spatial];
}

/* The first fragment of a unit may bring a layer within reach. */
static void advance(const struct stream *s, struct subscriber *sub, const struct proto_media_header *h, uint8_t spatial,
		    uint8_t temporal)
{
	bool sync = s->sync && s->sync_frame == h->frame;

	if (sub->current > sub->max_spatial)
		sub->current = (int8_t)sub->max_spatial;
	if (!temporal)
		sub->hold[spatial] = NO_HOLD;
	if (spatial > sub->max_spatial || spatial != sub->current + 1 || !sync)
		return;
	/* a layer sync is no beginning for who has nothing: the lowest layer starts with a key frame */
	if (spatial || s->sync_is_key)
		sub->current = (int8_t)spatial;
}

/* A unit did not reach the receiver: nothing that builds on it is sent to it. */
static void lose(struct member *m, uint32_t stream, struct subscriber *sub, uint8_t spatial, uint8_t temporal)
{
	if (spatial >= SPATIAL_LAYERS)
		return;
	if (!temporal) {
		if (sub->current >= spatial)
			sub->current = (int8_t)(spatial - 1);
		stream_resync(m, stream, spatial ? RESYNC_UPPER_US : RESYNC_BASE_US);
		return;
	}
	for (unsigned s = spatial; s < SPATIAL_LAYERS; s++)
		if (sub->hold[s] > temporal)
			sub->hold[s] = temporal;
}

static void forward_video(struct member *m, const struct proto_fragment *f, struct net_msg *msg)
{
	struct stream *s = &m->streams[f->stream];
	uint8_t layer, spatial, temporal;
	struct net_send send = {.msg = msg, .unit_end = f->flags & PROTO_FRAGMENT_LAST};

	if (unit_layer(s, f, &layer)) {
		m->run->relay->counts.media_dropped++;
		return;
	}
	spatial = layer >> 4;
	temporal = layer & 15;
	if (spatial >= SPATIAL_LAYERS)
		return;
	if ((f->flags & PROTO_FRAGMENT_FIRST) && (f->header.flags & (PROTO_MEDIA_KEY | PROTO_MEDIA_LAYER_SYNC))) {
		bool same = s->sync && s->sync_frame == f->header.frame;

		s->sync_is_key = (f->header.flags & PROTO_MEDIA_KEY) || (same && s->sync_is_key);
		s->sync_frame = f->header.frame;
		s->sync = true;
	}
	send.cls = spatial ? NET_CLASS_UPPER : NET_CLASS_BASE;
	send.unit = unit_number(f, layer);
	for (size_t i = 0; i < s->n_subs; i++) {
		struct subscriber *sub = &s->subs[i];
		int err;

		if (f->flags & PROTO_FRAGMENT_FIRST)
			advance(s, sub, &f->header, spatial, temporal);
		if (!wants(sub, spatial, temporal))
			continue;
		err = sub->conn->ops->send(sub->conn->t, &send);
		if (err == CV_ELIMIT || err == CV_EEXPIRED || err == CV_ENOMEM)
			lose(m, f->stream, sub, spatial, temporal);
		m->run->relay->counts.media_out += !err;
	}
	if (f->flags & PROTO_FRAGMENT_LAST)
		unit_close(s, f->unit);
}

/* Everybody hears everybody (R34): voice needs no subscription. */
static void forward_voice(struct member *m, struct net_msg *msg)
{
	struct relay_run *run = m->run;

	for (size_t i = 0; i < run->leaves; i++) {
		struct relay_conn *c = run->members[i] ? run->members[i]->conn : NULL;

		if (c && c != m->conn && c->ready && !conn_send_msg(c, NET_CLASS_AUDIO, msg))
			run->relay->counts.media_out++;
	}
}

void conn_media(struct relay_conn *c, struct net_msg *msg)
{
	int64_t rate = c->relay->opts.limits.media_rate;
	struct relay_counts *counts = &c->relay->counts;
	struct member *m = c->member;
	struct proto_fragment f;

	if (proto_fragment_decode(msg->data, msg->len, &f)) {
		conn_violation(c, "media that cannot be read");
		return;
	}
	counts->media_in++;
	if (f.leaf != m->leaf || !stream_right(m, f.stream) || ((f.flags & PROTO_FRAGMENT_FIRST) && !kid_matches(&f)) ||
	    !bucket_take(&c->media, relay_now(c->relay), rate, MEDIA_BURST * rate, (int64_t)msg->len)) {
		counts->media_dropped++;
		return;
	}
	if (f.stream == PROTO_STREAM_VOICE)
		forward_voice(m, msg);
	else
		forward_video(m, &f, msg);
}

void media_dropped(struct relay_conn *c, uint64_t unit)
{
	struct member *m = run_member(c->run, (uint32_t)(unit >> 48));
	uint32_t stream = unit >> 40 & 0xff;
	struct subscriber *sub;

	if (!m || stream < PROTO_STREAM_CAMERA || stream > PROTO_STREAM_MAX)
		return;
	sub = stream_subscriber(&m->streams[stream], c);
	if (sub)
		lose(m, stream, sub, unit >> 36 & 15, unit >> 32 & 15);
}
