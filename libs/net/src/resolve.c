/* SPDX-License-Identifier: Apache-2.0 */
/*
 * getaddrinfo on a thread, because it may take as long as the network's name servers please. Thread and loop share a
 * counted job; whoever lets go last frees it, so that neither has to wait for the other.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <base/alloc.h>

#include "internal.h"

struct job {
	atomic_int refs;
	int event_fd;
	char host[256];
	char port[8];
	int err; /* written before the event */
	struct net_addresses found;
};

struct net_resolve {
	struct job *job;
	struct cv_fd watch;
	void (*cb)(void *arg, int err, const struct net_addresses *a);
	void *arg;
};

static void job_unref(struct job *j)
{
	if (atomic_fetch_sub(&j->refs, 1) == 1) {
		close(j->event_fd);
		cv_free(j);
	}
}

static int lookup(const char *host, const char *port, int flags, struct net_addresses *ret)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
	struct addrinfo *list = NULL;
	int r = getaddrinfo(host, port, &hints, &list);

	if (r != 0)
		return r == EAI_MEMORY ? CV_ENOMEM : CV_EIO;
	memset(ret, 0, sizeof(*ret));
	for (struct addrinfo *a = list; a && ret->count < NET_ADDRESSES_MAX; a = a->ai_next) {
		if (a->ai_addrlen > sizeof(ret->sa[0]))
			continue;
		memcpy(&ret->sa[ret->count], a->ai_addr, a->ai_addrlen);
		ret->len[ret->count++] = a->ai_addrlen;
	}
	freeaddrinfo(list);
	return ret->count ? 0 : CV_EIO;
}

static void *run(void *arg)
{
	struct job *j = arg;
	uint64_t one = 1;

	j->err = lookup(j->host, j->port, AI_ADDRCONFIG, &j->found);
	(void)!write(j->event_fd, &one, sizeof(one));
	job_unref(j);
	return NULL;
}

static void on_found(void *arg, unsigned events)
{
	struct net_resolve *r = arg;
	uint64_t count;

	/* orders what the thread wrote before what is read here */
	if (read(r->job->event_fd, &count, sizeof(count)) != sizeof(count))
		return;
	cv_fd_del(&r->watch);
	r->cb(r->arg, r->job->err, &r->job->found);
}

int net_resolve_numeric(const char *host, uint16_t port, struct net_addresses *ret_addresses)
{
	char text[8];

	snprintf(text, sizeof(text), "%u", port);
	return lookup(host, text, AI_NUMERICHOST, ret_addresses);
}

int net_resolve_start(struct cv_loop *loop, const char *host, uint16_t port,
		      void (*cb)(void *arg, int err, const struct net_addresses *a), void *arg,
		      struct net_resolve **ret_resolve)
{
	struct net_resolve *r = NULL;
	struct job *j;
	pthread_t th;
	int err;

	if (strlen(host) >= sizeof(j->host))
		return CV_EINVAL;
	j = cv_calloc(1, sizeof(*j));
	if (!j)
		return CV_ENOMEM;
	atomic_init(&j->refs, 1);
	snprintf(j->host, sizeof(j->host), "%s", host);
	snprintf(j->port, sizeof(j->port), "%u", port);
	j->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (j->event_fd < 0) {
		cv_free(j);
		return CV_EIO;
	}
	r = cv_calloc(1, sizeof(*r));
	err = r ? cv_fd_add(&r->watch, loop, j->event_fd, CV_LOOP_READ, on_found, r) : CV_ENOMEM;
	if (err)
		goto out;
	r->cb = cb;
	r->arg = arg;
	r->job = j;
	atomic_fetch_add(&j->refs, 1);
	if (pthread_create(&th, NULL, run, j) != 0) {
		atomic_fetch_sub(&j->refs, 1);
		cv_fd_del(&r->watch);
		err = CV_EIO;
		goto out;
	}
	pthread_detach(th);
	*ret_resolve = r;
	return 0;
out:
	cv_free(r);
	job_unref(j);
	return err;
}

void net_resolve_cancel(struct net_resolve *r)
{
	if (!r)
		return;
	cv_fd_del(&r->watch);
	job_unref(r->job);
	cv_free(r);
}
