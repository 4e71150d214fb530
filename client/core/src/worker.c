/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

#include <base/alloc.h>
#include <client/worker.h>

#define THREADS_MAX 8
/*
 * Voice and pictures cannot wait, Argon2id and checksums can. No more than this: while a thread that gets no time holds
 * the lock of the address space (Argon2id fills 64 MiB under it), no other thread of the program gets memory.
 */
#define NICENESS 5

struct client_worker {
	struct cv_loop *loop;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct client_job *first, **last;
	size_t waiting;
	struct client_job *finished, **finished_last; /* for the loop's thread */
	bool posted;
	bool background;
	atomic_bool stop;
	bool dead; /* freed, but a post is under way: it ends the object */
	pthread_t threads[THREADS_MAX];
	unsigned n_threads;
};

static struct client_job *take_finished(struct client_worker *w)
{
	struct client_job *list;

	pthread_mutex_lock(&w->lock);
	list = w->finished;
	w->finished = NULL;
	w->finished_last = &w->finished;
	w->posted = false;
	pthread_mutex_unlock(&w->lock);
	return list;
}

static void run_finished(struct client_job *list)
{
	while (list != NULL) {
		struct client_job *next = list->next;

		list->done(list);
		list = next;
	}
}

static void destroy(struct client_worker *w)
{
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
	cv_free(w);
}

static void on_loop(void *arg)
{
	struct client_worker *w = arg;

	if (w->dead)
		destroy(w);
	else
		run_finished(take_finished(w));
}

static void finish(struct client_worker *w, struct client_job *job)
{
	bool post;

	pthread_mutex_lock(&w->lock);
	job->next = NULL;
	*w->finished_last = job;
	w->finished_last = &job->next;
	post = !w->posted && !atomic_load(&w->stop);
	/* A post that fails is made up for by the next one, or by client_worker_free. */
	if (post && cv_loop_post(w->loop, on_loop, w) == 0)
		w->posted = true;
	pthread_mutex_unlock(&w->lock);
}

static void *thread_main(void *arg)
{
	struct client_worker *w = arg;

	/* On Linux the priority is the thread's own. A failure only costs smoothness. */
	if (w->background)
		setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
	for (;;) {
		struct client_job *job;

		pthread_mutex_lock(&w->lock);
		while (w->first == NULL && !atomic_load(&w->stop))
			pthread_cond_wait(&w->wake, &w->lock);
		job = atomic_load(&w->stop) ? NULL : w->first;
		if (job != NULL) {
			w->first = job->next;
			if (w->first == NULL)
				w->last = &w->first;
			w->waiting--;
		}
		pthread_mutex_unlock(&w->lock);
		if (job == NULL)
			return NULL;
		job->run(job);
		finish(w, job);
	}
}

int client_worker_new(struct cv_loop *loop, unsigned threads, bool background, struct client_worker **ret)
{
	struct client_worker *w = cv_calloc(1, sizeof(*w));

	if (w == NULL)
		return CV_ENOMEM;
	w->loop = loop;
	w->background = background;
	w->last = &w->first;
	w->finished_last = &w->finished;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	while (w->n_threads < threads && w->n_threads < THREADS_MAX) {
		if (pthread_create(&w->threads[w->n_threads], NULL, thread_main, w) != 0) {
			client_worker_free(w);
			return CV_EIO;
		}
		w->n_threads++;
	}
	*ret = w;
	return 0;
}

int client_worker_submit(struct client_worker *w, struct client_job *job)
{
	int r = 0;

	job->worker = w;
	job->next = NULL;
	pthread_mutex_lock(&w->lock);
	if (w->waiting >= CLIENT_JOBS_MAX) {
		r = CV_ELIMIT;
	} else {
		*w->last = job;
		w->last = &job->next;
		w->waiting++;
		pthread_cond_signal(&w->wake);
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

const atomic_bool *client_worker_cancel(const struct client_worker *w)
{
	return &w->stop;
}

void client_worker_free(struct client_worker *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	atomic_store(&w->stop, true);
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < w->n_threads; i++)
		pthread_join(w->threads[i], NULL);
	w->dead = w->posted;
	run_finished(take_finished(w));
	run_finished(w->first);
	if (!w->dead)
		destroy(w);
}
