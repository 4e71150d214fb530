/* SPDX-License-Identifier: Apache-2.0 */
/* A peer of our own making on a thread: blocking TLS that sends what it is given and reads the answer. */
#ifndef NET_RAW_H
#define NET_RAW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct raw {
	/* in */
	uint16_t port;
	const void *send;
	size_t send_len;
	int max_version;   /* 0: any */
	const void *until; /* reads until this has come; NULL: to the end */
	size_t until_len;
	/* out */
	bool tls_ok;
	uint8_t reply[65536 + 4096];
	size_t reply_len;
	atomic_bool done;
	pthread_t thread;
};

/* Runs it while f.loop turns. */
void raw_run(struct raw *r);

#endif
