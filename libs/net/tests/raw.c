/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "raw.h"

static bool enough(const struct raw *r)
{
	return r->until && memmem(r->reply, r->reply_len, r->until, r->until_len);
}

static void talk(struct raw *r, SSL *ssl)
{
	size_t done = 0;

	if (SSL_connect(ssl) != 1)
		return;
	r->tls_ok = true;
	while (done < r->send_len) {
		size_t n;

		if (SSL_write_ex(ssl, (const char *)r->send + done, r->send_len - done, &n) != 1)
			break;
		done += n;
	}
	while (r->reply_len < sizeof(r->reply) && !enough(r)) {
		size_t n;

		if (SSL_read_ex(ssl, r->reply + r->reply_len, sizeof(r->reply) - r->reply_len, &n) != 1)
			break;
		r->reply_len += n;
	}
}

static void *run(void *arg)
{
	struct raw *r = arg;
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_port = htons(r->port);
	if (r->max_version)
		SSL_CTX_set_max_proto_version(ctx, r->max_version);
	ssl = SSL_new(ctx);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && SSL_set_fd(ssl, fd) == 1)
		talk(r, ssl);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	atomic_store(&r->done, true);
	return NULL;
}

void raw_run(struct raw *r)
{
	r->port = net_server_port(f.server);
	r->tls_ok = false;
	r->reply_len = 0;
	atomic_store(&r->done, false);
	assert_int_equal(pthread_create(&r->thread, NULL, run, r), 0);
	while (!atomic_load(&r->done))
		assert_int_equal(cv_loop_run_once(f.loop, 10), 0);
	pthread_join(r->thread, NULL);
}
