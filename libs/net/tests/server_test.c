/* SPDX-License-Identifier: Apache-2.0 */
/* The listener against peers that do not keep to the rules. */
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "raw.h"

#define UPGRADE                                                                                                        \
	"GET /tunnel HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"                             \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"                                 \
	"Sec-WebSocket-Protocol: conclave.tunnel.1\r\n"

static struct raw r;

static void send_text(const char *text)
{
	memset(&r, 0, sizeof(r));
	r.send = text;
	r.send_len = strlen(text);
	raw_run(&r);
	r.reply[r.reply_len] = '\0';
}

static void expect_status(const char *request, int status)
{
	char line[32];

	snprintf(line, sizeof(line), "HTTP/1.1 %d ", status);
	send_text(request);
	if (strncmp((char *)r.reply, line, strlen(line)) != 0)
		fail_msg("expected %d for <%.80s>, got <%.40s>", status, request, (char *)r.reply);
}

static bool none_left(void)
{
	return net_server_connections(f.server) == 0;
}

static void test_requests(void **state)
{
	fixture_listen(NULL);
	expect_status("GET /probe HTTP/1.1\r\nHost: x\r\n\r\n", 204);
	expect_status("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404);
	expect_status("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200);
	assert_non_null(strstr((char *)r.reply, "\r\n\r\nhello"));
	expect_status("HEAD /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 200);
	assert_null(strstr((char *)r.reply, "hello"));
	assert_int_equal(f.asked, 4);
	fixture_until(none_left);
}

static void test_malformed_requests(void **state)
{
	static const char *const bad[] = {
		"GET / HTTP/1.1\r\n\r\n",                       /* no host */
		"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", /* two */
		"GET / HTTP/1.0\r\nHost: x\r\n\r\n",            /* version */
		"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",           /* space */
		"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n",        /* control character */
		"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",    /* absolute form */
		"GET / HTTP/1.1\r\nHost : x\r\n\r\n",           /* space before colon */
		"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", /* obsolete folding */
		"GET / HTTP/1.1\nHost: x\r\n\r\n",              /* bare LF */
		"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", /* bare CR */
		"GE(T / HTTP/1.1\r\nHost: x\r\n\r\n",           /* method */
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n",
	};

	fixture_listen(NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_status(bad[i], 400);
	expect_status("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501);
	expect_status("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 65537\r\n\r\n", 413);
	expect_status("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413);
	assert_int_equal(f.asked, 0);
}

static void test_limits_of_the_head(void **state)
{
	static char text[NET_HTTP_HEAD_MAX + 1000];
	static const char front[] = "GET /header HTTP/1.1\r\nHost: x\r\nX-Test: ";
	size_t n = sizeof(front) - 1;

	fixture_listen(NULL);
	memcpy(text, front, n);
	memset(text + n, 'a', sizeof(text) - n - 1);
	memcpy(text + NET_HTTP_HEAD_MAX - 4, "\r\n\r\n", 5);
	expect_status(text, 200);
	memset(text + n, 'a', sizeof(text) - n - 1);
	memcpy(text + NET_HTTP_HEAD_MAX - 3, "\r\n\r\n", 5);
	expect_status(text, 431);
	/* An endless head is cut off too. */
	memset(text + n, 'a', sizeof(text) - n - 1);
	expect_status(text, 431);
	/* 65 headers. */
	strcpy(text, "GET / HTTP/1.1\r\nHost: x\r\n");
	for (int i = 0; i < NET_HTTP_HEADERS_MAX; i++)
		strcat(text, "A: b\r\n");
	strcat(text, "\r\n");
	expect_status(text, 431);
}

static void test_largest_body(void **state)
{
	static char text[NET_HTTP_BODY_MAX + 200];
	int n = snprintf(text, sizeof(text), "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n",
			 NET_HTTP_BODY_MAX);

	fixture_listen(NULL);
	memset(text + n, 'z', NET_HTTP_BODY_MAX);
	text[n + NET_HTTP_BODY_MAX] = '\0';
	expect_status(text, 200);
	assert_int_equal(strlen(strstr((char *)r.reply, "\r\n\r\n")), NET_HTTP_BODY_MAX + 4);
}

static void test_upgrades_that_may_not_be(void **state)
{
	fixture_listen(NULL);
	expect_status("GET /tunnel HTTP/1.1\r\nHost: x\r\n\r\n", 426);
	expect_status("POST /tunnel HTTP/1.1\r\nHost: x\r\n\r\n", 405);
	expect_status(UPGRADE "Origin: https://evil.example\r\n\r\n", 403);
	expect_status("GET /tunnel HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		      "Sec-WebSocket-Key: c2hvcnQ=\r\nSec-WebSocket-Version: 13\r\n"
		      "Sec-WebSocket-Protocol: conclave.tunnel.1\r\n\r\n",
		      400);
	expect_status("GET /tunnel HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, upgrade\r\n"
		      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
		      "Sec-WebSocket-Protocol: other\r\n\r\n",
		      400);
	assert_int_equal(f.asked, 0);
	f.refuse_with = 503;
	expect_status(UPGRADE "\r\n", 503);
}

static void test_allowed_origin(void **state)
{
	fixture_listen(&(struct net_server_opts){.origin = "https://m.example"});
	expect_status(UPGRADE "Origin: https://m.example.evil\r\n\r\n", 403);
	expect_status("GET /probe HTTP/1.1\r\nHost: x\r\nOrigin: https://m.example\r\n\r\n", 204);
	assert_non_null(strstr((char *)r.reply, "Access-Control-Allow-Origin: https://m.example\r\n"));
	expect_status("GET /probe HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\n\r\n", 204);
	assert_null(strstr((char *)r.reply, "Access-Control"));
}

static const uint8_t *answer; /* what comes after the 101 */

/* Frames right behind the upgrade. `until`: a close frame after which there is nothing to wait for; NULL: the end. */
static void send_frames(const void *frames, size_t len, const uint8_t until[4])
{
	static char text[4096];
	size_t n = strlen(UPGRADE "\r\n");

	memcpy(text, UPGRADE "\r\n", n);
	memcpy(text + n, frames, len);
	memset(&r, 0, sizeof(r));
	r.send = text;
	r.send_len = n + len;
	r.until = until;
	r.until_len = 4;
	raw_run(&r);
	assert_memory_equal(r.reply, "HTTP/1.1 101 ", 13);
	assert_non_null(memmem(r.reply, r.reply_len, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", 52));
	answer = memmem(r.reply, r.reply_len, "\r\n\r\n", 4);
	assert_non_null(answer);
	answer += 4;
}

static void expect_close(const void *frames, size_t len, unsigned code)
{
	const uint8_t close[4] = {0x88, 2, (uint8_t)(code >> 8), (uint8_t)code};

	send_frames(frames, len, close);
	assert_int_equal(r.reply + r.reply_len - answer, 4);
	assert_memory_equal(answer, close, 4);
	fixture_until(none_left);
}

static void test_bad_frames_close(void **state)
{
	fixture_listen(&(struct net_server_opts){.tunnel.max_message = 100, .tunnel.max_handshake = 100});
	expect_close("\x82\x01\x05", 3, 1002);                        /* not masked */
	expect_close("\xc2\x81\0\0\0\0\x05", 7, 1002);                /* reserved bit */
	expect_close("\x81\x81\0\0\0\0A", 7, 1002);                   /* text */
	expect_close("\x80\x81\0\0\0\0A", 7, 1002);                   /* continuation of nothing */
	expect_close("\x82\x80\0\0\0\0", 6, 1002);                    /* no kind */
	expect_close("\x09\x80\0\0\0\0", 6, 1002);                    /* fragmented ping */
	expect_close("\x83\x80\0\0\0\0", 6, 1002);                    /* unknown opcode */
	expect_close("\x88\x81\0\0\0\0A", 7, 1002);                   /* close of one byte */
	expect_close("\x88\x82\0\0\0\0\x03\xed", 8, 1002);            /* close with 1005 */
	expect_close("\x82\xfe\0\x05\0\0\0\0", 8, 1002);              /* length not minimal */
	expect_close("\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 14, 1002); /* length of 64 bits, first one set */
	expect_close("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14, 1009);
	expect_close("\x02\xe5\0\0\0\0", 6, 1009); /* 101 bytes */
	/* Who does not answer the close frame and stays is left behind. */
	send_frames("\x82\x01\x05", 3, NULL);
	assert_memory_equal(answer, "\x88\x02\x03\xea", 4);
}

static void test_fragments_are_bounded(void **state)
{
	uint8_t frames[300];
	size_t n = 0;

	fixture_listen(&(struct net_server_opts){.tunnel.max_message = 100, .tunnel.max_handshake = 100});
	/* 60 + 60 bytes. */
	for (int i = 0; i < 2; i++) {
		frames[n++] = i ? 0x80 : 0x02;
		frames[n++] = 0x80 | 60;
		memset(frames + n, 0, 4);
		n += 4;
		memset(frames + n, 5, 60);
		n += 60;
	}
	expect_close(frames, n, 1009);
	assert_int_equal(f.peer.messages, 0);
	/* Empty fragments for ever. */
	expect_close("\x02\x80\0\0\0\0", 6, 1002);
}

static bool peer_closed(void)
{
	return f.peer.closed;
}

static void test_close_is_answered(void **state)
{
	fixture_listen(NULL);
	expect_close("\x88\x82\0\0\0\0\x0f\xa1", 8, 4001);
	fixture_until(peer_closed);
	assert_int_equal(f.peer.err, CV_ECLOSED);
	assert_int_equal(f.peer.code, 4001);
}

static void test_messages_right_behind_the_upgrade(void **state)
{
	fixture_listen(NULL);
	/* A message in two fragments with a ping between them, then the end. */
	send_frames("\x02\x81\0\0\0\0\x05"
		    "\x89\x82\0\0\0\0hi"
		    "\x80\x81\0\0\0\0\x06"
		    "\x88\x80\0\0\0\0",
		    7 + 8 + 7 + 6, NULL);
	fixture_until(peer_closed);
	assert_int_equal(f.peer.messages, 1);
	assert_int_equal(f.peer.last->len, 2);
	assert_memory_equal(f.peer.last->data, "\x05\x06", 2);
	assert_int_equal(r.reply_len - (size_t)(answer - r.reply), 6);
	assert_memory_equal(answer, "\x8a\x02hi\x88\x00", 6);
	assert_int_equal(f.peer.code, 1005);
}

static void test_tls12_only_when_allowed(void **state)
{
	static const char probe[] = "GET /probe HTTP/1.1\r\nHost: x\r\n\r\n";
	struct net_tls_server *old = f.tls_server;

	fixture_listen(NULL);
	memset(&r, 0, sizeof(r));
	r.send = probe;
	r.send_len = sizeof(probe) - 1;
	r.max_version = TLS1_2_VERSION;
	raw_run(&r);
	assert_false(r.tls_ok);
	assert_int_equal(f.last_failure, CV_EUNSUPPORTED);

	net_server_free(f.server);
	assert_int_equal(
		net_tls_server_new(
			&(struct net_tls_server_opts){.cert_file = f.cert, .key_file = f.key, .allow_tls12 = true},
			&f.tls_server),
		0);
	net_tls_server_free(old);
	fixture_listen(NULL);
	raw_run(&r);
	assert_true(r.tls_ok);
	assert_memory_equal(r.reply, "HTTP/1.1 204", 12);
	r.max_version = TLS1_1_VERSION;
	raw_run(&r);
	assert_false(r.tls_ok);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(test_requests),
		WITH_FIXTURE(test_malformed_requests),
		WITH_FIXTURE(test_limits_of_the_head),
		WITH_FIXTURE(test_largest_body),
		WITH_FIXTURE(test_upgrades_that_may_not_be),
		WITH_FIXTURE(test_allowed_origin),
		WITH_FIXTURE(test_bad_frames_close),
		WITH_FIXTURE(test_fragments_are_bounded),
		WITH_FIXTURE(test_close_is_answered),
		WITH_FIXTURE(test_messages_right_behind_the_upgrade),
		WITH_FIXTURE(test_tls12_only_when_allowed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
