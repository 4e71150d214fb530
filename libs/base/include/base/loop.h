/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: one per thread, on epoll. Everything but cv_loop_post is called on the loop's own thread. Watchers
 * are structs embedded in the caller's objects: the loop keeps pointers to them, so they must stay where they are until
 * they are taken out.
 *
 * One turn of the loop: wait; signals, posts and file descriptors; due timers; deferred callbacks. A callback may add
 * and remove any watcher, its own included, and may free the object that holds it once it is taken out.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/err.h>
#include <base/time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cv_loop;

/* Posts waiting for the loop at most. */
#define CV_LOOP_POSTS_MAX 65536

/* CV_ENOMEM, CV_EIO. */
CV_PUBLIC int cv_loop_new(struct cv_loop **ret_loop) CV_NODISCARD;
/* All watchers must have been taken out, all posting threads joined. Posts that have not run are forgotten (run
 * cv_loop_run_once(loop, 0) before, when their arguments own memory). Takes NULL. */
CV_PUBLIC void cv_loop_free(struct cv_loop *loop);

/* Turns until cv_loop_quit. CV_EIO when epoll fails. */
CV_PUBLIC int cv_loop_run(struct cv_loop *loop) CV_NODISCARD;
/* One turn, waiting at most `timeout_ms` for something to happen (0: not at all, -1: as long as it takes). */
CV_PUBLIC int cv_loop_run_once(struct cv_loop *loop, int timeout_ms) CV_NODISCARD;
/* cv_loop_run returns at the end of this turn. When no run is under way, the next one returns after one turn. */
CV_PUBLIC void cv_loop_quit(struct cv_loop *loop);
/* cv_now_us() as read when this turn began: cheap, the same for all callbacks of a turn's phase. */
CV_PUBLIC int64_t cv_loop_now(const struct cv_loop *loop);

/*
 * From any thread: fn(arg) runs on the loop's thread, in the order of posting. CV_ELIMIT when CV_LOOP_POSTS_MAX are
 * waiting, CV_ENOMEM; `arg` stays the caller's then.
 */
CV_PUBLIC int cv_loop_post(struct cv_loop *loop, void (*fn)(void *arg), void *arg) CV_NODISCARD;

/* File descriptors. */
#define CV_LOOP_READ  1u
#define CV_LOOP_WRITE 2u
#define CV_LOOP_ERROR 4u /* error or hang-up; reported whatever the interest, never a part of it */

struct cv_fd {
	struct cv_loop *loop; /* NULL while not watched */
	void (*cb)(void *arg, unsigned events);
	void *arg;
	int fd;
	unsigned interest;
};

/* Watches `fd` (level-triggered; stays the caller's). `interest` may be 0. CV_EIO (for example a plain file). */
CV_PUBLIC int cv_fd_add(struct cv_fd *w, struct cv_loop *loop, int fd, unsigned interest,
			void (*cb)(void *arg, unsigned events), void *arg) CV_NODISCARD;
/* Changes the interest; costs nothing when it is the same. */
CV_PUBLIC void cv_fd_set(struct cv_fd *w, unsigned interest);
/* Takes it out, before the descriptor is closed. No callback after this. Takes a zeroed struct. */
CV_PUBLIC void cv_fd_del(struct cv_fd *w);

/* Timers, monotonic, one-shot, microseconds. */
struct cv_timer {
	struct cv_loop *loop; /* NULL before init and after done */
	void (*cb)(void *arg);
	void *arg;
	int64_t at_us;
	size_t pos; /* place in the heap plus 1; 0 while not running */
};

/* Reserves the timer's place, so that setting it cannot fail. CV_ENOMEM. */
CV_PUBLIC int cv_timer_init(struct cv_timer *t, struct cv_loop *loop, void (*cb)(void *arg), void *arg) CV_NODISCARD;
/* Stops it and gives its place back. Takes a zeroed struct. */
CV_PUBLIC void cv_timer_done(struct cv_timer *t);
/* (Re)starts: fires once, `delay_us` from now, never early. The callback may start it again. Below 0 counts as 0. */
CV_PUBLIC void cv_timer_set(struct cv_timer *t, int64_t delay_us);
/* The same for a moment of cv_now_us(); the way to a steady period without drift. */
CV_PUBLIC void cv_timer_set_at(struct cv_timer *t, int64_t at_us);
CV_PUBLIC void cv_timer_stop(struct cv_timer *t);
CV_PUBLIC bool cv_timer_running(const struct cv_timer *t);

/* Work for the end of the turn, once per turn however often it is asked for (coalesced writes). */
struct cv_deferred {
	struct cv_loop *loop;
	void (*cb)(void *arg);
	void *arg;
	struct cv_deferred *next, *prev; /* NULL while not asked for */
};

CV_PUBLIC void cv_deferred_init(struct cv_deferred *d, struct cv_loop *loop, void (*cb)(void *arg), void *arg);
/* Asks for one call at the end of this turn. Asked for by a deferred callback: at the end of the next turn, which then
 * does not wait. */
CV_PUBLIC void cv_deferred_run(struct cv_deferred *d);
/* Takes the request back. Takes a zeroed struct. */
CV_PUBLIC void cv_deferred_cancel(struct cv_deferred *d);

/*
 * SIGINT, SIGTERM and SIGHUP become callbacks. They are blocked in the calling thread, so call this before threads are
 * started: those inherit it. Once per process. CV_EIO, CV_EEXIST.
 */
CV_PUBLIC int cv_loop_signals(struct cv_loop *loop, void (*cb)(void *arg, int signo), void *arg) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
