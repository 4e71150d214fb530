/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A class's queue: a ring of messages, and for video the units they belong to. A unit is known from its first message
 * until its last one has left; a dead unit is remembered so that its late messages are dropped too.
 */
#include <string.h>

#include <base/alloc.h>

#include "internal.h"

void net_queue_init(struct net_queue *q, bool video, size_t max)
{
	*q = (struct net_queue){.video = video, .max = max};
}

static struct net_entry *at(const struct net_queue *q, size_t i)
{
	return &q->ring[(q->head + i) & (q->cap - 1)];
}

void net_queue_done(struct net_queue *q)
{
	for (size_t i = 0; i < q->count; i++)
		net_msg_unref(at(q, i)->msg);
	cv_free(q->ring);
	cv_free(q->units);
	*q = (struct net_queue){.video = q->video, .max = q->max};
}

static int grow_ring(struct net_queue *q)
{
	size_t cap = q->cap ? q->cap * 2 : 16;
	struct net_entry *ring = cv_reallocarray(NULL, cap, sizeof(*ring));

	if (!ring)
		return CV_ENOMEM;
	for (size_t i = 0; i < q->count; i++)
		ring[i] = *at(q, i);
	cv_free(q->ring);
	q->ring = ring;
	q->cap = cap;
	q->head = 0;
	return 0;
}

/* ---- units ---- */

static struct net_unit *find_unit(const struct net_queue *q, uint64_t id)
{
	for (size_t i = q->unit_count; i-- > 0;)
		if (q->units[i].id == id)
			return &q->units[i];
	return NULL;
}

static void forget_unit(struct net_queue *q, struct net_unit *u)
{
	size_t i = (size_t)(u - q->units);

	/* Order by age is kept: the oldest is the first to be forgotten. */
	memmove(u, u + 1, (q->unit_count - i - 1) * sizeof(*u));
	q->unit_count--;
}

/* Room in a full table: the oldest unit of which nothing is queued, and of which nothing is to be told. */
static bool make_room(struct net_queue *q)
{
	for (size_t i = 0; i < q->unit_count; i++) {
		if (!q->units[i].queued && !q->units[i].notify) {
			forget_unit(q, &q->units[i]);
			return true;
		}
	}
	return false;
}

static int add_unit(struct net_queue *q, uint64_t id, int64_t now, struct net_unit **ret_unit)
{
	if (q->unit_count == NET_UNITS_MAX && !make_room(q))
		return CV_ELIMIT;
	if (q->unit_count == q->unit_cap) {
		size_t cap = q->unit_cap ? q->unit_cap * 2 : 16;
		struct net_unit *units = cv_reallocarray(q->units, cap, sizeof(*units));

		if (!units)
			return CV_ENOMEM;
		q->units = units;
		q->unit_cap = cap;
	}
	q->units[q->unit_count] = (struct net_unit){.id = id, .first_us = now};
	*ret_unit = &q->units[q->unit_count++];
	return 0;
}

/* Drops everything that is queued of a unit. Its places in the ring stay until they come to the front. */
static void kill_unit(struct net_queue *q, struct net_unit *u, bool notify)
{
	for (size_t i = 0; i < q->count && u->queued; i++) {
		struct net_entry *e = at(q, i);

		if (!e->msg || e->unit != u->id)
			continue;
		q->bytes -= net_entry_size(e);
		net_msg_unref(e->msg);
		e->msg = NULL;
		u->queued--;
	}
	u->dead = true;
	q->units_dropped++;
	if (notify)
		u->notify = q->notify = true;
	else if (u->ended)
		forget_unit(q, u);
}

static bool is_stale(const struct net_unit *u, int64_t now, int64_t max_age)
{
	return now - u->first_us > (u->started ? 2 * max_age : max_age);
}

static void kill_stale(struct net_queue *q, int64_t now, int64_t max_age)
{
	for (size_t i = 0; i < q->unit_count; i++)
		if (!q->units[i].dead && q->units[i].queued && is_stale(&q->units[i], now, max_age))
			kill_unit(q, &q->units[i], true);
}

/* Places of dropped messages at the front are given back. */
static void trim(struct net_queue *q)
{
	while (q->count && !at(q, 0)->msg) {
		q->head = (q->head + 1) & (q->cap - 1);
		q->count--;
	}
}

/* ---- in ---- */

/* The unit that a video message belongs to; refuses late messages of a dead one. */
static int unit_for(struct net_queue *q, const struct net_send *s, size_t size, int64_t now, int64_t max_age,
		    struct net_unit **ret_unit)
{
	struct net_unit *u = find_unit(q, s->unit);
	int err;

	if (u && u->dead) {
		u->ended = u->ended || s->unit_end;
		if (u->ended && !u->notify)
			forget_unit(q, u);
		return CV_EEXPIRED;
	}
	if (size > q->max - q->bytes) {
		kill_stale(q, now, max_age);
		trim(q);
		u = find_unit(q, s->unit);
		if (u && u->dead)
			return unit_for(q, s, 0, now, max_age, ret_unit);
	}
	if (!u) {
		err = add_unit(q, s->unit, now, &u);
		if (err)
			return err;
	}
	if (size > q->max - q->bytes) {
		bool told = u->queued || u->started;

		u->ended = s->unit_end;
		kill_unit(q, u, told);
		return CV_ELIMIT;
	}
	*ret_unit = u;
	return 0;
}

int net_queue_put(struct net_queue *q, const struct net_send *s, int64_t now, int64_t max_age)
{
	size_t size = s->head_len + s->msg->len - s->skip;
	struct net_unit *u = NULL;
	struct net_entry *e;
	int err;

	if (q->video)
		err = unit_for(q, s, size, now, max_age, &u);
	else
		err = size > q->max - q->bytes ? CV_ELIMIT : 0;
	if (!err && q->count == q->cap)
		err = grow_ring(q);
	if (err == CV_ENOMEM && u && !u->queued && !u->started)
		forget_unit(q, u);
	if (err)
		return err;
	e = &q->ring[(q->head + q->count++) & (q->cap - 1)];
	*e = (struct net_entry){.msg = net_msg_ref(s->msg),
				.skip = s->skip,
				.head_len = s->head_len,
				.unit_end = s->unit_end,
				.unit = s->unit,
				.at_us = now};
	memcpy(e->head, s->head, s->head_len);
	q->bytes += size;
	if (u) {
		u->queued++;
		u->ended = u->ended || s->unit_end;
	}
	return 0;
}

/* ---- out ---- */

bool net_queue_pop(struct net_queue *q, int64_t now, int64_t max_age, struct net_entry *ret_entry)
{
	for (;;) {
		struct net_unit *u;
		struct net_entry *e;

		trim(q);
		if (!q->count)
			return false;
		e = at(q, 0);
		u = q->video ? find_unit(q, e->unit) : NULL;
		if (u && is_stale(u, now, max_age)) {
			kill_unit(q, u, true);
			continue;
		}
		*ret_entry = *e;
		q->head = (q->head + 1) & (q->cap - 1);
		q->count--;
		q->bytes -= net_entry_size(ret_entry);
		if (u) {
			u->started = true;
			u->queued--;
			if (u->ended && !u->queued)
				forget_unit(q, u);
		}
		return true;
	}
}

int64_t net_queue_age(const struct net_queue *q, int64_t now)
{
	for (size_t i = 0; i < q->count; i++)
		if (at(q, i)->msg)
			return now - at(q, i)->at_us;
	return -1;
}

bool net_queue_dropped(struct net_queue *q, uint64_t *ret_unit)
{
	for (size_t i = 0; q->notify && i < q->unit_count; i++) {
		struct net_unit *u = &q->units[i];

		if (!u->notify)
			continue;
		u->notify = false;
		*ret_unit = u->id;
		if (u->ended)
			forget_unit(q, u);
		return true;
	}
	q->notify = false;
	return false;
}
