/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets. The kernel's own header, because glibc's tcp_info lacks what the kernel tells about the path. */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define BACKLOG 512
#define LOWAT   16384

void net_sock_tune(int fd)
{
	static const char bbr[] = "bbr";
	int one = 1;

	/* All of these only make it better: without them it still works. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, bbr, sizeof(bbr) - 1);
	net_sock_set_lowat(fd, LOWAT);
}

void net_sock_set_lowat(int fd, unsigned bytes)
{
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof(bytes));
}

int net_sock_info(int fd, struct net_sock_info *ret_info)
{
	struct tcp_info ti;
	socklen_t len = sizeof(ti);

	memset(&ti, 0, sizeof(ti));
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &ti, &len) != 0)
		return CV_EIO;
	/* Older kernels fill less; what is missing stays zero, which means unknown. */
	*ret_info = (struct net_sock_info){
		.rtt_us = ti.tcpi_rtt,
		.min_rtt_us = ti.tcpi_min_rtt == UINT32_MAX ? 0 : ti.tcpi_min_rtt,
		.rate = ti.tcpi_delivery_rate,
		.backlog = (uint64_t)ti.tcpi_unacked * ti.tcpi_snd_mss + ti.tcpi_notsent_bytes,
		.acked = ti.tcpi_bytes_acked,
		.app_limited = ti.tcpi_delivery_rate_app_limited,
	};
	return 0;
}

void net_sock_address(const struct sockaddr_storage *sa, char *dst, size_t size, uint16_t *ret_port)
{
	const struct sockaddr_in6 *in6 = (const void *)sa;
	const struct sockaddr_in *in = (const void *)sa;

	dst[0] = '\0';
	*ret_port = 0;
	if (sa->ss_family == AF_INET6) {
		/* IPv4 through a socket of both families is shown as what it is. */
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], dst, (socklen_t)size);
		else
			inet_ntop(AF_INET6, &in6->sin6_addr, dst, (socklen_t)size);
		*ret_port = ntohs(in6->sin6_port);
	} else if (sa->ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, dst, (socklen_t)size);
		*ret_port = ntohs(in->sin_port);
	}
}

static int listen_on(const struct sockaddr_storage *sa, socklen_t len, bool reuse_port, int *ret_fd)
{
	int one = 1, zero = 0, saved;
	int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return CV_EIO;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sa->ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if ((reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0) ||
	    bind(fd, (const struct sockaddr *)sa, len) != 0 || listen(fd, BACKLOG) != 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return CV_EIO;
	}
	*ret_fd = fd;
	return 0;
}

int net_sock_listen(const char *address, uint16_t port, bool reuse_port, int *ret_fd, uint16_t *ret_port)
{
	struct net_addresses a;
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	char text[64];
	bool any = !address || !*address || strcmp(address, "::") == 0;
	int fd, err = net_resolve_numeric(any ? "::" : address, port, &a);

	if (err)
		return CV_EINVAL;
	err = listen_on(&a.sa[0], a.len[0], reuse_port, &fd);
	if (err && any && errno == EAFNOSUPPORT && !net_resolve_numeric("0.0.0.0", port, &a))
		err = listen_on(&a.sa[0], a.len[0], reuse_port, &fd);
	if (err)
		return err;
	if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0) {
		close(fd);
		return CV_EIO;
	}
	net_sock_address(&bound, text, sizeof(text), ret_port);
	*ret_fd = fd;
	return 0;
}

int net_sock_connect(const struct sockaddr_storage *sa, socklen_t len, int *ret_fd)
{
	int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return CV_EIO;
	net_sock_tune(fd);
	if (connect(fd, (const struct sockaddr *)sa, len) != 0 && errno != EINPROGRESS) {
		close(fd);
		return CV_EIO;
	}
	*ret_fd = fd;
	return 0;
}
