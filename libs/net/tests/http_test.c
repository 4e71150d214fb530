/* SPDX-License-Identifier: Apache-2.0 */
/* The blocking HTTPS client against the listener, and both ways through a proxy. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <net/http.h>

#include "fixture.h"
#include "proxy.h"

struct call {
	struct net_http *h;
	struct net_http_call call;
	struct net_http_result res;
	int err;
	atomic_bool done;
};

static struct call c;
static char url[128];

static void *run(void *arg)
{
	c.err = net_http_request(c.h, &c.call, &c.res);
	atomic_store(&c.done, true);
	return NULL;
}

/* The request on a thread, the listener on this one. */
static int request(struct net_http *h, const char *method, const char *path, const char *body,
		   const char *const *headers)
{
	pthread_t th;

	snprintf(url, sizeof(url), "https://127.0.0.1:%u%s", net_server_port(f.server), path);
	memset(&c, 0, sizeof(c));
	c.h = h;
	c.call = (struct net_http_call){
		.method = method, .url = url, .body = body, .body_len = body ? strlen(body) : 0, .headers = headers};
	assert_int_equal(pthread_create(&th, NULL, run, NULL), 0);
	while (!atomic_load(&c.done))
		assert_int_equal(cv_loop_run_once(f.loop, 10), 0);
	pthread_join(th, NULL);
	return c.err;
}

static struct net_http *client(const struct net_http_opts *opts)
{
	struct net_http_opts o = opts ? *opts : (struct net_http_opts){0};
	struct net_http *h;

	if (!o.pins && !o.note_only && !o.ca_file)
		o.pins = &f.pins;
	if (!o.proxy)
		o.proxy = "";
	assert_int_equal(net_http_new(&o, &h), 0);
	return h;
}

static void test_requests(void **state)
{
	static const char *const headers[] = {"X-Test: hello", NULL};
	struct net_http *h = client(NULL);
	char pin[NET_PIN_TEXT];

	fixture_listen(NULL);
	assert_int_equal(request(h, "POST", "/echo", "some body", NULL), 0);
	assert_int_equal(c.res.status, 200);
	assert_int_equal(c.res.body.len, 9);
	assert_string_equal((char *)c.res.body.data, "some body");
	assert_string_equal(net_http_result_header(&c.res, "content-TYPE"), "application/json");
	assert_null(net_http_result_header(&c.res, "X-Absent"));
	net_pin_format(pin, &f.pins.pin[0]);
	assert_string_equal(c.res.tls_pin, pin);
	assert_true(c.res.first_byte_us >= c.res.connect_us);
	net_http_result_done(&c.res);

	assert_int_equal(request(h, "GET", "/header", NULL, headers), 0);
	assert_string_equal((char *)c.res.body.data, "hello");
	net_http_result_done(&c.res);
	assert_int_equal(request(h, "DELETE", "/nothing", NULL, NULL), 0);
	assert_int_equal(c.res.status, 404);
	net_http_result_done(&c.res);
	assert_int_equal(request(h, "GET", "/probe", NULL, NULL), 0);
	assert_int_equal(c.res.status, 204);
	assert_int_equal(c.res.body.len, 0);
	net_http_result_done(&c.res);
	net_http_free(h);
}

static void test_wrong_pin_sends_nothing(void **state)
{
	struct net_pins wrong = f.pins;
	struct net_http *h;

	wrong.pin[0].sha256[0] ^= 1;
	h = client(&(struct net_http_opts){.pins = &wrong});
	fixture_listen(NULL);
	assert_int_equal(request(h, "POST", "/echo", "secret", NULL), CV_EPIN);
	assert_true(c.res.detail[0] != '\0');
	assert_int_equal(f.asked, 0);
	/* The second of two pins is as good as the first. */
	net_http_free(h);
	assert_int_equal(net_pins_add(&wrong, f.pins.pin[0].sha256), 0);
	h = client(&(struct net_http_opts){.pins = &wrong});
	assert_int_equal(request(h, "POST", "/echo", "secret", NULL), 0);
	net_http_result_done(&c.res);
	net_http_free(h);
}

static void test_first_contact_notes_the_pin(void **state)
{
	struct net_http *h = client(&(struct net_http_opts){.note_only = true});
	char pin[NET_PIN_TEXT];

	fixture_listen(NULL);
	assert_int_equal(request(h, "GET", "/probe", NULL, NULL), 0);
	net_pin_format(pin, &f.pins.pin[0]);
	assert_string_equal(c.res.tls_pin, pin);
	net_http_result_done(&c.res);
	net_http_free(h);
}

static void test_authority(void **state)
{
	struct net_http *h = client(&(struct net_http_opts){.ca_file = f.cert});

	fixture_listen(NULL);
	assert_int_equal(request(h, "GET", "/probe", NULL, NULL), 0);
	net_http_result_done(&c.res);
	net_http_free(h);
	/* The system's authorities do not know it. */
	assert_int_equal(net_http_new(&(struct net_http_opts){.system_ca = true, .proxy = ""}, &h), 0);
	f.asked = 0;
	assert_int_equal(request(h, "GET", "/probe", NULL, NULL), CV_EAUTH);
	assert_int_equal(f.asked, 0);
	net_http_free(h);
}

static void test_mutual(void **state)
{
	struct net_http *h;

	/* The server's own certificate serves as authority and as the client's. */
	net_tls_server_free(f.tls_server);
	assert_int_equal(
		net_tls_server_new(
			&(struct net_tls_server_opts){.cert_file = f.cert, .key_file = f.key, .ca_file = f.cert},
			&f.tls_server),
		0);
	fixture_listen(NULL);
	h = client(&(struct net_http_opts){.ca_file = f.cert, .cert_file = f.cert, .key_file = f.key});
	assert_int_equal(request(h, "GET", "/who", NULL, NULL), 0);
	assert_int_equal(c.res.status, 200);
	assert_string_equal((char *)c.res.body.data, "test relay");
	net_http_result_done(&c.res);
	net_http_free(h);
	h = client(NULL);
	assert_int_equal(request(h, "GET", "/who", NULL, NULL), 0);
	assert_int_equal(c.res.status, 401);
	net_http_result_done(&c.res);
	net_http_free(h);
}

static void test_errors_have_classes(void **state)
{
	static const char *const split[] = {"X-Test: a\r\nX-Evil: b", NULL};
	struct net_http *h = client(&(struct net_http_opts){.max_response = 10});
	atomic_bool cancel = true;

	fixture_listen(NULL);
	assert_int_equal(request(h, "POST", "/echo", "eleven byte", NULL), CV_ELIMIT);
	assert_int_equal(request(h, "POST", "/echo", "ten bytes!", NULL), 0);
	net_http_result_done(&c.res);
	assert_int_equal(request(h, "GET", "/header", NULL, split), CV_EINVAL);
	c.call = (struct net_http_call){.method = "GET", .url = "http://127.0.0.1/"};
	assert_int_equal(net_http_request(h, &c.call, &c.res), CV_EINVAL);
	c.call = (struct net_http_call){.method = "GET", .url = "https://nowhere.invalid/"};
	assert_int_equal(net_http_request(h, &c.call, &c.res), CV_EIO);
	c.call = (struct net_http_call){.method = "GET", .url = "https://127.0.0.1:1/", .cancel = &cancel};
	assert_true(net_http_request(h, &c.call, &c.res) < 0);
	net_http_free(h);

	/* Nobody answers: the listener's loop does not turn. */
	h = client(&(struct net_http_opts){.timeout_ms = 200});
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/probe", net_server_port(f.server));
	c.call = (struct net_http_call){.method = "GET", .url = url};
	assert_int_equal(net_http_request(h, &c.call, &c.res), CV_ETIMEOUT);
	c.call.cancel = &cancel;
	assert_int_equal(net_http_request(h, &c.call, &c.res), CV_ECLOSED);
	net_http_free(h);
	assert_int_equal(net_http_new(&(struct net_http_opts){0}, &h), CV_EINVAL);
	assert_int_equal(net_http_new(&(struct net_http_opts){.note_only = true, .pins = &f.pins}, &h), CV_EINVAL);
}

/* ---- proxies ---- */

static int closed_err, closed_status;

static void on_close(void *arg, struct net_tunnel *t, int err)
{
	closed_err = err;
	closed_status = net_tunnel_http_status(t);
	f.client.closed = 1;
}

static void connect_by(const struct proxy *p, const char *credentials)
{
	static const struct net_tunnel_cbs cbs = {.on_close = on_close};
	char text[128];

	snprintf(text, sizeof(text), "%s%s127.0.0.1:%u", credentials ? "http://" : "", credentials ? credentials : "",
		 p->port);
	assert_int_equal(net_tunnel_connect(f.loop,
					    &(struct net_connect_opts){.host = "127.0.0.1",
								       .port = net_server_port(f.server),
								       .tls = f.tls_client,
								       .proxy = text},
					    &cbs, NULL, &f.client.t),
			 0);
}

static bool peer_open(void)
{
	return f.peer.opened;
}

static void test_tunnel_crosses_a_proxy(void **state)
{
	struct proxy p;

	fixture_listen(NULL);
	proxy_start(&p, "HTTP/1.1 200 Connection established\r\nX: y\r\n\r\n");
	connect_by(&p, "user:pass word@");
	fixture_until(peer_open);
	assert_non_null(strstr(p.request, "Proxy-Authorization: Basic dXNlcjpwYXNzIHdvcmQ=\r\n"));
	assert_memory_equal(p.request, "CONNECT 127.0.0.1:", 18);
	net_tunnel_abort(f.client.t);
	f.client.t = NULL;
	proxy_stop(&p);
}

static void test_proxy_refuses(void **state)
{
	struct proxy p;

	fixture_listen(NULL);
	proxy_start(&p, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
	connect_by(&p, NULL);
	fixture_until(client_closed);
	assert_int_equal(closed_err, CV_EDENIED);
	assert_int_equal(closed_status, 407);
	f.client.t = NULL;
	proxy_stop(&p);
	assert_int_equal(f.asked, 0);
}

/* A proxy that answers for the server has no pinned key. */
static void test_proxy_cannot_pose_as_the_server(void **state)
{
	struct net_pins wrong = f.pins;
	struct proxy p;

	wrong.pin[0].sha256[5] ^= 1;
	assert_int_equal(net_tls_client_set_pins(f.tls_client, &wrong), 0);
	fixture_listen(NULL);
	proxy_start(&p, "HTTP/1.1 200 OK\r\n\r\n");
	connect_by(&p, NULL);
	fixture_until(client_closed);
	assert_int_equal(closed_err, CV_EPIN);
	f.client.t = NULL;
	proxy_stop(&p);
}

static void test_http_crosses_a_proxy(void **state)
{
	struct net_http *h;
	struct proxy p;
	char text[64];

	fixture_listen(NULL);
	proxy_start(&p, "HTTP/1.1 200 OK\r\n\r\n");
	snprintf(text, sizeof(text), "http://127.0.0.1:%u", p.port);
	h = client(&(struct net_http_opts){.proxy = text});
	assert_int_equal(request(h, "POST", "/echo", "through", NULL), 0);
	assert_string_equal((char *)c.res.body.data, "through");
	assert_memory_equal(p.request, "CONNECT 127.0.0.1:", 18);
	net_http_result_done(&c.res);
	net_http_free(h);
	proxy_stop(&p);
	proxy_start(&p, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
	snprintf(text, sizeof(text), "http://127.0.0.1:%u", p.port);
	h = client(&(struct net_http_opts){.proxy = text});
	assert_int_equal(request(h, "POST", "/echo", "through", NULL), CV_EDENIED);
	net_http_free(h);
	proxy_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(test_requests),
		WITH_FIXTURE(test_wrong_pin_sends_nothing),
		WITH_FIXTURE(test_first_contact_notes_the_pin),
		WITH_FIXTURE(test_authority),
		WITH_FIXTURE(test_mutual),
		WITH_FIXTURE(test_errors_have_classes),
		WITH_FIXTURE(test_tunnel_crosses_a_proxy),
		WITH_FIXTURE(test_proxy_refuses),
		WITH_FIXTURE(test_proxy_cannot_pose_as_the_server),
		WITH_FIXTURE(test_http_crosses_a_proxy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
