/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "proxy.h"

static int dial(uint16_t port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void pump(int a, int b)
{
	struct pollfd p[2] = {{.fd = a, .events = POLLIN}, {.fd = b, .events = POLLIN}};
	char buf[4096];

	while (poll(p, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			if (!p[i].revents)
				continue;
			n = recv(p[i].fd, buf, sizeof(buf), 0);
			if (n <= 0 || send(p[1 - i].fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
				return;
		}
	}
}

static void *run(void *arg)
{
	struct proxy *p = arg;
	int c = accept(p->fd, NULL, NULL), s;
	size_t n = 0;
	char *colon;

	if (c < 0)
		return NULL;
	while (n < sizeof(p->request) - 1 && !strstr(p->request, "\r\n\r\n")) {
		ssize_t r = recv(c, p->request + n, sizeof(p->request) - 1 - n, 0);

		if (r <= 0)
			break;
		n += (size_t)r;
	}
	(void)!send(c, p->answer, strlen(p->answer), MSG_NOSIGNAL);
	colon = strchr(p->request, ':');
	if (strncmp(p->answer, "HTTP/1.1 2", 10) == 0 && colon) {
		s = dial((uint16_t)atoi(colon + 1));
		if (s >= 0) {
			pump(c, s);
			close(s);
		}
	}
	close(c);
	return NULL;
}

void proxy_start(struct proxy *p, const char *answer)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);

	memset(p, 0, sizeof(*p));
	p->answer = answer;
	p->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(p->fd, 4), 0);
	assert_int_equal(getsockname(p->fd, (struct sockaddr *)&a, &len), 0);
	p->port = ntohs(a.sin_port);
	assert_int_equal(pthread_create(&p->thread, NULL, run, p), 0);
}

void proxy_stop(struct proxy *p)
{
	shutdown(p->fd, SHUT_RDWR);
	pthread_join(p->thread, NULL);
	close(p->fd);
}
