/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP proxy for one connection, on a thread: CONNECT, optionally with Basic credentials. */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include <pthread.h>
#include <stdint.h>

struct proxy {
	int fd;
	uint16_t port;
	const char *answer; /* whole response head */
	char request[4096]; /* what the client said first */
	pthread_t thread;
};

void proxy_start(struct proxy *p, const char *answer);
void proxy_stop(struct proxy *p);

#endif
