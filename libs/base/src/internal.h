/* SPDX-License-Identifier: Apache-2.0 */
/* Shared between the files of the base library only. */
#ifndef BASE_INTERNAL_H
#define BASE_INTERNAL_H

#include <pthread.h>
#include <sys/epoll.h>

#include <base/loop.h>

#define CV_LOOP_BATCH 256 /* events taken from the kernel at once */

struct cv_post {
	void (*fn)(void *arg);
	void *arg;
};

struct cv_loop {
	int epoll_fd;
	int64_t now;
	bool quit;

	struct epoll_event batch[CV_LOOP_BATCH];
	int batch_len; /* of the turn under way; removed watchers are taken out of it */

	struct cv_timer **heap;
	size_t heap_len, heap_cap, timers;
	bool in_timers;

	struct cv_deferred deferred, running; /* list heads */

	pthread_mutex_t post_lock;
	struct cv_post *posts;
	size_t posts_len, posts_cap;
	int wake_fd;
	struct cv_fd wake;

	int signal_fd;
	struct cv_fd signal;
	void (*signal_cb)(void *arg, int signo);
	void *signal_arg;
};

int64_t cv_loop_next_timer(const struct cv_loop *l);
void cv_loop_run_timers(struct cv_loop *l);

#endif
