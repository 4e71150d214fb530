/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, certificates, pins, and mutual TLS under a private authority. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/alloc.h>

#include "fixture.h"

static struct cv_buf ca_key, ca_cert, key, cert, extra;

static const char *text(const struct cv_buf *b)
{
	return (const char *)b->data;
}

static int setup(void **state)
{
	cv_buf_init_secret(&ca_key, 8192);
	cv_buf_init(&ca_cert, 8192);
	cv_buf_init_secret(&key, 8192);
	cv_buf_init(&cert, 8192);
	cv_buf_init(&extra, 8192);
	assert_int_equal(fixture_setup(state), 0);
	assert_int_equal(net_key_make(&ca_key), 0);
	assert_int_equal(net_cert_make(&(struct net_cert_opts){.common_name = "deployment", .days = 10, .ca = true},
				       text(&ca_key), &ca_cert),
			 0);
	assert_int_equal(net_key_make(&key), 0);
	return 0;
}

static int teardown(void **state)
{
	cv_buf_done(&ca_key);
	cv_buf_done(&ca_cert);
	cv_buf_done(&key);
	cv_buf_done(&cert);
	cv_buf_done(&extra);
	return fixture_teardown(state);
}

static struct net_cert_opts issued(const char *name)
{
	return (struct net_cert_opts){
		.common_name = name, .days = 10, .issuer_cert = text(&ca_cert), .issuer_key_pem = text(&ca_key)};
}

static void test_pins(void **state)
{
	struct net_pin a, b, c;
	struct net_pins pins = {0};
	char t[NET_PIN_TEXT];

	assert_int_equal(net_pin_of_key(text(&ca_key), &a), 0);
	assert_int_equal(net_pin_of_cert(text(&ca_cert), &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	net_pin_format(t, &a);
	assert_int_equal(strlen(t), NET_PIN_TEXT - 1);
	assert_int_equal(net_pin_parse(t, &c), 0);
	assert_memory_equal(&a, &c, sizeof(a));
	t[42] = '\0';
	assert_int_equal(net_pin_parse(t, &c), CV_EFORMAT);
	assert_int_equal(net_pin_of_cert("nonsense", &c), CV_EFORMAT);
	assert_int_equal(net_pin_of_key(text(&ca_cert), &c), CV_EFORMAT);
	for (int i = 0; i < NET_PINS_MAX; i++)
		assert_int_equal(net_pins_add(&pins, a.sha256), 0);
	assert_int_equal(net_pins_add(&pins, a.sha256), CV_ELIMIT);
	assert_true(net_pins_have(&pins, a.sha256));
	a.sha256[0] ^= 1;
	assert_false(net_pins_have(&pins, a.sha256));
}

/* A pin as people compute it by hand. */
static void test_pin_is_the_hash_of_the_public_key(void **state)
{
	static const char pem[] = "-----BEGIN PUBLIC KEY-----\n"
				  "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
				  "-----END PUBLIC KEY-----\n";
	static const uint8_t expected[32] = {
		0xa1, 0xe9, 0x15, 0x60, 0x54, 0xe0, 0x4f, 0xac, 0x89, 0x9a, 0xe9, 0xf2, 0x75, 0x13, 0x2c, 0xdc,
		0x07, 0xa5, 0xdb, 0xc4, 0xea, 0x2c, 0x2a, 0xd3, 0xa1, 0xff, 0xc6, 0xe0, 0xd2, 0x53, 0x68, 0x1f,
	};
	struct net_pin p;

	assert_int_equal(net_pin_of_key(pem, &p), 0);
	assert_memory_equal(p.sha256, expected, sizeof(expected));
}

static void test_files(void **state)
{
	char path[128];
	struct stat st;
	struct net_cert_opts o = {.common_name = "x", .days = 1};
	struct net_pin before, after;
	bool made;

	snprintf(path, sizeof(path), "%s/k.pem", f.dir);
	umask(0);
	assert_int_equal(net_pem_write(path, text(&key), true), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(net_pem_read(path, &extra), 0);
	assert_string_equal(text(&extra), text(&key));
	umask(077);
	assert_int_equal(net_pem_write(path, "other", false), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	unlink(path);
	assert_int_equal(net_pem_read(path, &extra), CV_ENOTFOUND);
	assert_int_equal(net_pem_write("/nonexistent/k.pem", "x", true), CV_EIO);

	/* Made once, kept after that. */
	assert_int_equal(net_pin_of_key_file(f.key, &before), 0);
	assert_int_equal(net_cert_ensure(f.cert, f.key, &o, &made), 0);
	assert_false(made);
	unlink(f.cert);
	assert_int_equal(net_cert_ensure(f.cert, f.key, &o, &made), 0);
	assert_true(made);
	assert_int_equal(net_pin_of_cert_file(f.cert, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
	unlink(f.key);
	assert_int_equal(net_cert_ensure(f.cert, f.key, &o, &made), CV_EEXIST);
}

static void test_authority(void **state)
{
	struct net_cert_opts o = issued("relay 1"), bad;
	char cn[64];

	assert_int_equal(net_cert_make(&o, text(&key), &cert), 0);
	assert_int_equal(net_cert_verify(text(&cert), text(&ca_cert), cn, sizeof(cn)), 0);
	assert_string_equal(cn, "relay 1");
	/* Self-issued: not this authority's. */
	assert_int_equal(net_cert_make(&(struct net_cert_opts){.common_name = "y", .days = 1}, text(&key), &extra), 0);
	assert_int_equal(net_cert_verify(text(&extra), text(&ca_cert), cn, sizeof(cn)), CV_EAUTH);
	bad = issued("relay 1");
	bad.issuer_key_pem = text(&key);
	assert_int_equal(net_cert_make(&bad, text(&key), &extra), CV_EINVAL);
	bad = issued("relay 1");
	bad.issuer_key_pem = NULL;
	assert_int_equal(net_cert_make(&bad, text(&key), &extra), CV_EINVAL);
	/* A leaf is no authority. */
	cv_buf_reset(&extra);
	bad = (struct net_cert_opts){
		.common_name = "z", .days = 1, .issuer_cert = text(&cert), .issuer_key_pem = text(&key)};
	assert_int_equal(net_cert_make(&bad, text(&key), &extra), 0);
	assert_int_equal(net_cert_verify(text(&extra), text(&cert), cn, sizeof(cn)), CV_EAUTH);
}

static void test_request_for_a_certificate(void **state)
{
	struct cv_buf csr, pub;
	struct net_pin a, b;
	char *at;

	cv_buf_init(&csr, 8192);
	cv_buf_init(&pub, 8192);
	assert_int_equal(net_csr_make(text(&key), "relay 1", &csr), 0);
	assert_int_equal(net_csr_public(text(&csr), &pub), 0);
	assert_null(strstr(text(&pub), "PRIVATE"));
	assert_int_equal(net_pin_of_key(text(&pub), &a), 0);
	assert_int_equal(net_pin_of_key(text(&key), &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
	/* The authority needs the public key only. */
	{
		struct net_cert_opts o = issued("relay 1");

		assert_int_equal(net_cert_make(&o, text(&pub), &cert), 0);
		assert_int_equal(net_pin_of_cert(text(&cert), &b), 0);
		assert_memory_equal(&a, &b, sizeof(a));
	}
	/* Another name in it: the signature does not hold. */
	at = strstr((char *)csr.data, "\n") + 20;
	*at = *at == 'A' ? 'B' : 'A';
	cv_buf_reset(&pub);
	assert_true(net_csr_public(text(&csr), &pub) < 0);
	cv_buf_done(&csr);
	cv_buf_done(&pub);
}

/* ---- mutual TLS ---- */

static char ca_file[96], own_cert[96], own_key[96];

static void write_files(const char *names_for)
{
	struct net_cert_opts o = issued("relay 1");
	const char *names[] = {names_for};

	snprintf(ca_file, sizeof(ca_file), "%s/ca.pem", f.dir);
	snprintf(own_cert, sizeof(own_cert), "%s/own.pem", f.dir);
	snprintf(own_key, sizeof(own_key), "%s/ownkey.pem", f.dir);
	assert_int_equal(net_cert_make(&o, text(&key), &cert), 0);
	assert_int_equal(net_pem_write(ca_file, text(&ca_cert), false), 0);
	assert_int_equal(net_pem_write(own_cert, text(&cert), false), 0);
	assert_int_equal(net_pem_write(own_key, text(&key), true), 0);
	/* The server's certificate, by the same authority. */
	o.common_name = "manager";
	o.names = names;
	o.name_count = 1;
	assert_int_equal(net_cert_make(&o, text(&key), &extra), 0);
	assert_int_equal(net_pem_write(f.cert, text(&extra), false), 0);
	assert_int_equal(net_pem_write(f.key, text(&key), true), 0);
}

static void remove_files(void)
{
	unlink(ca_file);
	unlink(own_cert);
	unlink(own_key);
}

static void use_mutual(const char *client_cert)
{
	net_tls_server_free(f.tls_server);
	net_tls_client_free(f.tls_client);
	f.tls_client = NULL;
	assert_int_equal(net_tls_server_new(&(struct net_tls_server_opts){.cert_file = f.cert,
									  .key_file = f.key,
									  .ca_file = ca_file,
									  .require_client = true},
					    &f.tls_server),
			 0);
	assert_int_equal(net_tls_client_new(&(struct net_tls_client_opts){.ca_file = ca_file,
									  .cert_file = client_cert,
									  .key_file = client_cert ? own_key : NULL},
					    &f.tls_client),
			 0);
	fixture_listen(NULL);
	fixture_connect(NULL);
}

static void test_mutual_tls(void **state)
{
	struct net_peer p;

	write_files("127.0.0.1");
	use_mutual(own_cert);
	fixture_until(both_open);
	net_tunnel_get_peer(f.peer.t, &p);
	assert_true(p.has_cert);
	assert_string_equal(p.cert_cn, "relay 1");
	remove_files();
}

static void test_mutual_tls_needs_a_certificate(void **state)
{
	write_files("127.0.0.1");
	use_mutual(NULL);
	fixture_until(client_closed);
	assert_int_equal(f.client.err, CV_EAUTH);
	assert_int_equal(f.last_failure, CV_EAUTH);
	assert_int_equal(f.asked, 0);
	remove_files();
}

static void test_authority_alone_checks_the_name(void **state)
{
	write_files("127.0.0.2");
	use_mutual(own_cert);
	fixture_until(client_closed);
	assert_int_equal(f.client.err, CV_EAUTH);
	assert_int_equal(f.asked, 0);
	remove_files();
}

static void test_reload(void **state)
{
	struct net_pins pins = {0};
	struct net_pin p;

	fixture_listen(NULL);
	assert_int_equal(net_pem_write(f.cert, "broken", false), 0);
	assert_int_equal(net_tls_server_reload(f.tls_server), CV_EFORMAT);
	fixture_connect(NULL);
	fixture_until(both_open); /* with the old certificate */
	net_tunnel_abort(f.client.t);
	f.client.opened = f.peer.opened = 0;

	assert_int_equal(net_cert_make(&(struct net_cert_opts){.common_name = "n", .days = 1}, text(&key), &cert), 0);
	assert_int_equal(net_pem_write(f.cert, text(&cert), false), 0);
	assert_int_equal(net_pem_write(f.key, text(&key), true), 0);
	assert_int_equal(net_tls_server_reload(f.tls_server), 0);
	fixture_connect(NULL);
	fixture_until(client_closed);
	assert_int_equal(f.client.err, CV_EPIN); /* another key */
	assert_int_equal(net_pin_of_cert(text(&cert), &p), 0);
	assert_int_equal(net_pins_add(&pins, p.sha256), 0);
	assert_int_equal(net_tls_client_set_pins(f.tls_client, &pins), 0);
	fixture_connect(NULL);
	fixture_until(both_open);
}

static void test_contexts_refuse_nonsense(void **state)
{
	struct net_tls_server *s;
	struct net_tls_client *c;

	assert_int_equal(net_tls_client_new(&(struct net_tls_client_opts){0}, &c), CV_EINVAL);
	assert_int_equal(net_tls_server_new(&(struct net_tls_server_opts){0}, &s), CV_EINVAL);
	assert_int_equal(
		net_tls_server_new(&(struct net_tls_server_opts){.cert_file = "/nonexistent", .key_file = f.key}, &s),
		CV_EIO);
	assert_int_equal(net_tls_server_new(&(struct net_tls_server_opts){.cert_file = f.key, .key_file = f.key}, &s),
			 CV_EFORMAT);
	assert_int_equal(net_tls_client_set_pins(f.tls_client, &(struct net_pins){0}), CV_EINVAL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_pins),
		T(test_pin_is_the_hash_of_the_public_key),
		T(test_files),
		T(test_authority),
		T(test_request_for_a_certificate),
		T(test_mutual_tls),
		T(test_mutual_tls_needs_a_certificate),
		T(test_authority_alone_checks_the_name),
		T(test_reload),
		T(test_contexts_refuse_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
