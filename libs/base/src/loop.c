/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <base/alloc.h>

#include "internal.h"

/* ---- file descriptors ---- */

static uint32_t to_epoll(unsigned interest)
{
	return (interest & CV_LOOP_READ ? (uint32_t)EPOLLIN : 0) | (interest & CV_LOOP_WRITE ? (uint32_t)EPOLLOUT : 0);
}

int cv_fd_add(struct cv_fd *w, struct cv_loop *loop, int fd, unsigned interest, void (*cb)(void *arg, unsigned events),
	      void *arg)
{
	struct epoll_event e = {.events = to_epoll(interest), .data.ptr = w};

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0)
		return errno == ENOMEM ? CV_ENOMEM : CV_EIO;
	*w = (struct cv_fd){.loop = loop, .cb = cb, .arg = arg, .fd = fd, .interest = interest};
	return 0;
}

void cv_fd_set(struct cv_fd *w, unsigned interest)
{
	struct epoll_event e = {.events = to_epoll(interest), .data.ptr = w};

	if (!w->loop || w->interest == interest)
		return;
	/* Fails only for a descriptor that is not watched, which the check above excludes. */
	if (epoll_ctl(w->loop->epoll_fd, EPOLL_CTL_MOD, w->fd, &e) == 0)
		w->interest = interest;
}

void cv_fd_del(struct cv_fd *w)
{
	struct cv_loop *l = w->loop;

	if (!l)
		return;
	epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = 0; i < l->batch_len; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
	w->loop = NULL;
}

/* ---- deferred ---- */

static void list_init(struct cv_deferred *head)
{
	head->next = head->prev = head;
}

void cv_deferred_init(struct cv_deferred *d, struct cv_loop *loop, void (*cb)(void *arg), void *arg)
{
	*d = (struct cv_deferred){.loop = loop, .cb = cb, .arg = arg};
}

void cv_deferred_run(struct cv_deferred *d)
{
	struct cv_deferred *head = &d->loop->deferred;

	if (d->next)
		return;
	d->prev = head->prev;
	d->next = head;
	head->prev->next = d;
	head->prev = d;
}

void cv_deferred_cancel(struct cv_deferred *d)
{
	if (!d->next)
		return;
	d->prev->next = d->next;
	d->next->prev = d->prev;
	d->next = d->prev = NULL;
}

static void run_deferred(struct cv_loop *l)
{
	struct cv_deferred *from = &l->deferred, *to = &l->running;

	if (from->next == from)
		return;
	/* Moved to a list of their own: what they ask for waits for the next turn. */
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
	while (to->next != to) {
		struct cv_deferred *d = to->next;

		cv_deferred_cancel(d);
		d->cb(d->arg);
	}
}

/* ---- posts ---- */

static void wake(struct cv_loop *l)
{
	uint64_t one = 1;
	ssize_t n;

	/* EAGAIN means the counter is full: the loop is being woken already. */
	do
		n = write(l->wake_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

int cv_loop_post(struct cv_loop *loop, void (*fn)(void *arg), void *arg)
{
	bool first = false;
	int err = 0;

	pthread_mutex_lock(&loop->post_lock);
	if (loop->posts_len == CV_LOOP_POSTS_MAX) {
		err = CV_ELIMIT;
		goto out;
	}
	if (loop->posts_len == loop->posts_cap) {
		size_t cap = loop->posts_cap ? loop->posts_cap * 2 : 64;
		struct cv_post *posts = cv_reallocarray(loop->posts, cap, sizeof(*posts));

		if (!posts) {
			err = CV_ENOMEM;
			goto out;
		}
		loop->posts = posts;
		loop->posts_cap = cap;
	}
	first = loop->posts_len == 0;
	loop->posts[loop->posts_len++] = (struct cv_post){fn, arg};
out:
	pthread_mutex_unlock(&loop->post_lock);
	if (first)
		wake(loop);
	return err;
}

static void on_wake(void *arg, unsigned events)
{
	struct cv_loop *l = arg;
	struct cv_post *posts;
	uint64_t count;
	size_t len;

	(void)!read(l->wake_fd, &count, sizeof(count));
	pthread_mutex_lock(&l->post_lock);
	posts = l->posts;
	len = l->posts_len;
	l->posts = NULL;
	l->posts_len = l->posts_cap = 0;
	pthread_mutex_unlock(&l->post_lock);
	for (size_t i = 0; i < len; i++)
		posts[i].fn(posts[i].arg);
	cv_free(posts);
}

/* ---- signals ---- */

static void on_signal(void *arg, unsigned events)
{
	struct cv_loop *l = arg;
	struct signalfd_siginfo info;

	while (read(l->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		l->signal_cb(l->signal_arg, (int)info.ssi_signo);
}

int cv_loop_signals(struct cv_loop *loop, void (*cb)(void *arg, int signo), void *arg)
{
	sigset_t set;
	int fd, err;

	if (loop->signal_fd >= 0)
		return CV_EEXIST;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return CV_EIO;
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return CV_EIO;
	err = cv_fd_add(&loop->signal, loop, fd, CV_LOOP_READ, on_signal, loop);
	if (err) {
		close(fd);
		return err;
	}
	loop->signal_fd = fd;
	loop->signal_cb = cb;
	loop->signal_arg = arg;
	return 0;
}

/* ---- the loop ---- */

int cv_loop_new(struct cv_loop **ret_loop)
{
	struct cv_loop *l = cv_calloc(1, sizeof(*l));
	int err = CV_EIO;

	if (!l)
		return CV_ENOMEM;
	l->signal_fd = -1;
	l->wake_fd = -1;
	list_init(&l->deferred);
	list_init(&l->running);
	pthread_mutex_init(&l->post_lock, NULL);
	l->now = cv_now_us();
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll_fd < 0)
		goto out;
	l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->wake_fd < 0)
		goto out;
	err = cv_fd_add(&l->wake, l, l->wake_fd, CV_LOOP_READ, on_wake, l);
	if (err)
		goto out;
	*ret_loop = l;
	l = NULL;
out:
	cv_loop_free(l);
	return err;
}

void cv_loop_free(struct cv_loop *loop)
{
	if (!loop)
		return;
	if (loop->signal_fd >= 0)
		close(loop->signal_fd);
	if (loop->wake_fd >= 0)
		close(loop->wake_fd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
	pthread_mutex_destroy(&loop->post_lock);
	cv_free(loop->posts);
	cv_free(loop->heap);
	cv_free(loop);
}

int64_t cv_loop_now(const struct cv_loop *loop)
{
	return loop->now;
}

void cv_loop_quit(struct cv_loop *loop)
{
	loop->quit = true;
}

/* Milliseconds that epoll may wait: rounded up, because a timer must not fire early. */
static int wait_ms(const struct cv_loop *l, int timeout_ms)
{
	int64_t next = cv_loop_next_timer(l), ms;

	if (l->deferred.next != &l->deferred)
		return 0;
	if (next == INT64_MAX)
		return timeout_ms;
	next -= cv_now_us();
	ms = next <= 0 ? 0 : next / 1000 + (next % 1000 != 0);
	if (timeout_ms >= 0 && ms > timeout_ms)
		return timeout_ms;
	return ms > 3600000 ? 3600000 : (int)ms;
}

static unsigned from_epoll(uint32_t events, unsigned interest)
{
	unsigned r = 0;

	if (events & (EPOLLIN | EPOLLHUP | EPOLLRDHUP))
		r |= CV_LOOP_READ;
	if (events & EPOLLOUT)
		r |= CV_LOOP_WRITE;
	r &= interest;
	if (events & (EPOLLERR | EPOLLHUP))
		r |= CV_LOOP_ERROR;
	return r;
}

int cv_loop_run_once(struct cv_loop *loop, int timeout_ms)
{
	int n = epoll_wait(loop->epoll_fd, loop->batch, CV_LOOP_BATCH, wait_ms(loop, timeout_ms));

	if (n < 0) {
		if (errno != EINTR)
			return CV_EIO;
		n = 0;
	}
	loop->now = cv_now_us();
	loop->batch_len = n;
	for (int i = 0; i < n; i++) {
		struct cv_fd *w = loop->batch[i].data.ptr;
		unsigned events = w ? from_epoll(loop->batch[i].events, w->interest) : 0;

		if (events)
			w->cb(w->arg, events);
	}
	loop->batch_len = 0;
	loop->now = cv_now_us();
	cv_loop_run_timers(loop);
	run_deferred(loop);
	return 0;
}

int cv_loop_run(struct cv_loop *loop)
{
	int err = 0;

	do
		err = cv_loop_run_once(loop, -1);
	while (!err && !loop->quit);
	loop->quit = false;
	return err;
}
