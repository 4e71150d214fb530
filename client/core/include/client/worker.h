/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work that blocks or takes long (HTTP, Argon2id, hashing of files) on threads of its own. A job runs on a thread, its
 * `done` on the loop's thread. One pool keeps the order of its jobs when it has one thread.
 */
#ifndef CLIENT_WORKER_H
#define CLIENT_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>

#include <base/loop.h>

#define CLIENT_JOBS_MAX 1024 /* jobs waiting in one pool at most */

/* Embed at the start of the job's own data. */
struct client_job {
	void (*run)(struct client_job *job);  /* on a worker thread */
	void (*done)(struct client_job *job); /* on the loop's thread, always, exactly once; frees the job */
	struct client_worker *worker;         /* set by the pool */
	struct client_job *next;              /* the pool's */
};

struct client_worker;

/* `background`: the threads give way to everything else, so that Argon2id does not hold up pictures. CV_ENOMEM, CV_EIO.
 */
CV_PUBLIC int client_worker_new(struct cv_loop *loop, unsigned threads, bool background,
				struct client_worker **ret) CV_NODISCARD;
/* Queues a job. CV_ELIMIT; the job stays the caller's then. */
CV_PUBLIC int client_worker_submit(struct client_worker *w, struct client_job *job) CV_NODISCARD;
/* For net_http_call.cancel and long runs: true once the pool is being freed. */
CV_PUBLIC const atomic_bool *client_worker_cancel(const struct client_worker *w);
/* Jobs under way are cancelled and waited for, those waiting are not run; `done` is called for all. Takes NULL. */
CV_PUBLIC void client_worker_free(struct client_worker *w);

#endif
