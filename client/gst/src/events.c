/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <base/alloc.h>
#include <gst/events.h>

#include "internal.h"

struct client_events {
	pthread_mutex_t lock;
	int fd;
	size_t head, count;
	struct client_event ring[CLIENT_EVENTS_MAX];
};

int client_events_new(struct client_events **ret)
{
	struct client_events *q = cv_calloc(1, sizeof(*q));
	if (!q)
		return CV_ENOMEM;
	q->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->fd < 0) {
		cv_free(q);
		return CV_EIO;
	}
	pthread_mutex_init(&q->lock, NULL);
	*ret = q;
	return 0;
}

void client_events_free(struct client_events *q)
{
	struct client_event e;
	if (!q)
		return;
	while (client_events_next(q, &e) == 0)
		client_event_done(&e);
	close(q->fd);
	pthread_mutex_destroy(&q->lock);
	cv_free(q);
}

int client_events_fd(const struct client_events *q)
{
	return q->fd;
}

int client_events_next(struct client_events *q, struct client_event *ret)
{
	int r = CV_EAGAIN;
	pthread_mutex_lock(&q->lock);
	if (q->count > 0) {
		*ret = q->ring[q->head];
		q->head = (q->head + 1) % CLIENT_EVENTS_MAX;
		q->count--;
		r = 0;
	}
	if (q->count == 0) {
		uint64_t n;
		if (read(q->fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
			r = r ? CV_EIO : r;
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

void client_event_done(struct client_event *e)
{
	cv_free((void *)e->unit.data);
	memset(e, 0, sizeof(*e));
}

size_t client_events_depth(struct client_events *q)
{
	pthread_mutex_lock(&q->lock);
	size_t n = q->count;
	pthread_mutex_unlock(&q->lock);
	return n;
}

int client_events_put(struct client_events *q, const struct client_event *e)
{
	uint8_t *copy = NULL;
	int r = 0;
	if (e->kind == CLIENT_EVENT_UNIT) {
		copy = cv_memdup(e->unit.data, e->unit.len);
		if (!copy)
			return CV_ENOMEM;
	}
	pthread_mutex_lock(&q->lock);
	/* The last places are kept for what is not media: an error must not drown in pictures. */
	if (q->count >= CLIENT_EVENTS_MAX - (e->kind == CLIENT_EVENT_UNIT ? 32 : 0)) {
		r = CV_ELIMIT;
	} else {
		struct client_event *slot = &q->ring[(q->head + q->count) % CLIENT_EVENTS_MAX];
		*slot = *e;
		slot->unit.data = copy;
		copy = NULL;
		q->count++;
		uint64_t one = 1;
		if (write(q->fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
			r = CV_EIO;
	}
	pthread_mutex_unlock(&q->lock);
	cv_free(copy);
	return r;
}

int64_t client_now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void client_text(char ret_text[CLIENT_TEXT_MAX], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(ret_text, CLIENT_TEXT_MAX, fmt, ap);
	va_end(ap);
	/* Messages of other libraries may have several lines. */
	for (char *p = ret_text; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
}

struct client_pause {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool stop;
};

int client_pause_new(struct client_pause **ret)
{
	struct client_pause *p = cv_calloc(1, sizeof(*p));
	pthread_condattr_t attr;
	if (!p)
		return CV_ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->cond, &attr);
	pthread_condattr_destroy(&attr);
	*ret = p;
	return 0;
}

void client_pause_free(struct client_pause *p)
{
	if (!p)
		return;
	pthread_cond_destroy(&p->cond);
	pthread_mutex_destroy(&p->lock);
	cv_free(p);
}

bool client_pause_until(struct client_pause *p, int64_t due_us)
{
	struct timespec t = {.tv_sec = due_us / 1000000, .tv_nsec = due_us % 1000000 * 1000};
	pthread_mutex_lock(&p->lock);
	while (!p->stop && pthread_cond_timedwait(&p->cond, &p->lock, &t) != ETIMEDOUT)
		;
	bool go = !p->stop;
	pthread_mutex_unlock(&p->lock);
	return go;
}

void client_pause_stop(struct client_pause *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_broadcast(&p->cond);
	pthread_mutex_unlock(&p->lock);
}

bool client_pause_stopped(struct client_pause *p)
{
	pthread_mutex_lock(&p->lock);
	bool stop = p->stop;
	pthread_mutex_unlock(&p->lock);
	return stop;
}

void client_times_add(struct client_times *t, int64_t us)
{
	int64_t i = us < 0 ? 0 : us / CLIENT_TIMES_STEP_US;
	t->bin[i > CLIENT_TIMES_STEPS ? CLIENT_TIMES_STEPS : i]++;
	t->count++;
}

int64_t client_times_quantile(const struct client_times *t, unsigned permille)
{
	uint64_t want = (t->count * permille + 999) / 1000, seen = 0;
	if (t->count == 0)
		return 0;
	for (int i = 0; i <= CLIENT_TIMES_STEPS; i++) {
		seen += t->bin[i];
		if (seen >= want)
			return (int64_t)(i + 1) * CLIENT_TIMES_STEP_US;
	}
	return (int64_t)CLIENT_TIMES_STEPS * CLIENT_TIMES_STEP_US;
}
