/* SPDX-License-Identifier: Apache-2.0 */
/* The loop's timers: a binary heap of pointers; every initialised timer owns a place, so setting one cannot fail. */
#include <base/alloc.h>

#include "internal.h"

static void put(struct cv_loop *l, size_t i, struct cv_timer *t)
{
	l->heap[i] = t;
	t->pos = i + 1;
}

static void sift_up(struct cv_loop *l, size_t i, struct cv_timer *t)
{
	while (i > 0) {
		size_t parent = (i - 1) / 2;

		if (l->heap[parent]->at_us <= t->at_us)
			break;
		put(l, i, l->heap[parent]);
		i = parent;
	}
	put(l, i, t);
}

static void sift_down(struct cv_loop *l, size_t i, struct cv_timer *t)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= l->heap_len)
			break;
		if (child + 1 < l->heap_len && l->heap[child + 1]->at_us < l->heap[child]->at_us)
			child++;
		if (l->heap[child]->at_us >= t->at_us)
			break;
		put(l, i, l->heap[child]);
		i = child;
	}
	put(l, i, t);
}

/* Puts `t` at hole `i`, wherever it has to go from there. */
static void place(struct cv_loop *l, size_t i, struct cv_timer *t)
{
	if (i > 0 && l->heap[(i - 1) / 2]->at_us > t->at_us)
		sift_up(l, i, t);
	else
		sift_down(l, i, t);
}

int cv_timer_init(struct cv_timer *t, struct cv_loop *loop, void (*cb)(void *arg), void *arg)
{
	if (loop->timers == loop->heap_cap) {
		size_t cap = loop->heap_cap ? loop->heap_cap * 2 : 32;
		struct cv_timer **heap = cv_reallocarray(loop->heap, cap, sizeof(struct cv_timer *));

		if (!heap)
			return CV_ENOMEM;
		loop->heap = heap;
		loop->heap_cap = cap;
	}
	loop->timers++;
	*t = (struct cv_timer){.loop = loop, .cb = cb, .arg = arg};
	return 0;
}

void cv_timer_done(struct cv_timer *t)
{
	if (!t->loop)
		return;
	cv_timer_stop(t);
	t->loop->timers--;
	t->loop = NULL;
}

void cv_timer_set_at(struct cv_timer *t, int64_t at_us)
{
	struct cv_loop *l = t->loop;

	/* A timer set by a timer's callback waits for the next turn, so that the loop cannot be held there. */
	if (l->in_timers && at_us <= l->now)
		at_us = l->now + 1;
	t->at_us = at_us;
	place(l, t->pos ? t->pos - 1 : l->heap_len++, t);
}

void cv_timer_set(struct cv_timer *t, int64_t delay_us)
{
	int64_t now = cv_now_us();

	if (delay_us < 0)
		delay_us = 0;
	cv_timer_set_at(t, delay_us > INT64_MAX - now ? INT64_MAX : now + delay_us);
}

void cv_timer_stop(struct cv_timer *t)
{
	struct cv_loop *l = t->loop;
	struct cv_timer *last;
	size_t i;

	if (!t->pos)
		return;
	i = t->pos - 1;
	t->pos = 0;
	last = l->heap[--l->heap_len];
	if (last != t)
		place(l, i, last);
}

bool cv_timer_running(const struct cv_timer *t)
{
	return t->pos != 0;
}

int64_t cv_loop_next_timer(const struct cv_loop *l)
{
	return l->heap_len ? l->heap[0]->at_us : INT64_MAX;
}

void cv_loop_run_timers(struct cv_loop *l)
{
	l->in_timers = true;
	while (l->heap_len && l->heap[0]->at_us <= l->now) {
		struct cv_timer *t = l->heap[0];

		cv_timer_stop(t);
		t->cb(t->arg);
	}
	l->in_timers = false;
}
