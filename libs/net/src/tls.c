/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <base/alloc.h>

#include "internal.h"

#define TLS12_SUITES "ECDHE+AESGCM:ECDHE+CHACHA20"
#define TLS13_SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS       "X25519:P-256:P-384"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int client_index = -1;

static void make_index(void)
{
	client_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* ---- both ---- */

static int ctx_new(const SSL_METHOD *method, bool allow_tls12, SSL_CTX **ret_ctx)
{
	SSL_CTX *ctx;

	pthread_once(&once, make_index);
	ctx = SSL_CTX_new(method);
	if (!ctx || client_index < 0)
		return CV_ENOMEM;
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_read_ahead(ctx, 1);
	if (SSL_CTX_set_min_proto_version(ctx, allow_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, TLS12_SUITES) != 1 || SSL_CTX_set_ciphersuites(ctx, TLS13_SUITES) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, GROUPS) != 1) {
		SSL_CTX_free(ctx);
		return CV_ECRYPTO;
	}
	*ret_ctx = ctx;
	return 0;
}

static int use_certificate(SSL_CTX *ctx, const char *cert_file, const char *key_file)
{
	if (!cert_file || !key_file)
		return CV_EINVAL;
	if (access(cert_file, R_OK) != 0 || access(key_file, R_OK) != 0)
		return CV_EIO;
	if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, key_file, SSL_FILETYPE_PEM) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		return CV_EFORMAT;
	return 0;
}

static int use_authority(SSL_CTX *ctx, const char *ca_file)
{
	if (access(ca_file, R_OK) != 0)
		return CV_EIO;
	return SSL_CTX_load_verify_file(ctx, ca_file) == 1 ? 0 : CV_EFORMAT;
}

static int copy_string(const char *src, char **ret)
{
	char *copy;

	if (!src)
		return 0;
	copy = cv_strdup(src);
	if (!copy)
		return CV_ENOMEM;
	*ret = copy;
	return 0;
}

/* ---- server ---- */

/* Browsers and curl offer h2 too; only http/1.1 is spoken here. */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
		       unsigned int inlen, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";

	return SSL_select_next_proto((unsigned char **)out, outlen, ours, sizeof(ours) - 1, in, inlen) ==
			       OPENSSL_NPN_NEGOTIATED
		       ? SSL_TLSEXT_ERR_OK
		       : SSL_TLSEXT_ERR_NOACK;
}

static int server_ctx(const struct net_tls_server *s, SSL_CTX **ret_ctx)
{
	static const unsigned char id[] = "conclave";
	SSL_CTX *ctx;
	int err = ctx_new(TLS_server_method(), s->allow_tls12, &ctx);

	if (err)
		return err;
	err = use_certificate(ctx, s->cert_file, s->key_file);
	if (!err && s->ca_file) {
		STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(s->ca_file);

		err = use_authority(ctx, s->ca_file);
		if (names)
			SSL_CTX_set_client_CA_list(ctx, names);
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (s->require_client ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
				   NULL);
	}
	if (!err &&
	    (SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) != 1 || SSL_CTX_set_num_tickets(ctx, 1) != 1))
		err = CV_ECRYPTO;
	if (err) {
		SSL_CTX_free(ctx);
		return err;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets only: no state here */
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
	*ret_ctx = ctx;
	return 0;
}

int net_tls_server_new(const struct net_tls_server_opts *opts, struct net_tls_server **ret_server)
{
	struct net_tls_server *s;
	int err;

	if (!opts->cert_file || !opts->key_file || (opts->require_client && !opts->ca_file))
		return CV_EINVAL;
	s = cv_calloc(1, sizeof(*s));
	if (!s)
		return CV_ENOMEM;
	s->require_client = opts->require_client;
	s->allow_tls12 = opts->allow_tls12;
	err = copy_string(opts->cert_file, &s->cert_file);
	if (!err)
		err = copy_string(opts->key_file, &s->key_file);
	if (!err)
		err = copy_string(opts->ca_file, &s->ca_file);
	if (!err)
		err = server_ctx(s, &s->ctx);
	ERR_clear_error();
	if (err)
		net_tls_server_free(s);
	else
		*ret_server = s;
	return err;
}

int net_tls_server_reload(struct net_tls_server *s)
{
	SSL_CTX *ctx;
	int err = server_ctx(s, &ctx);

	ERR_clear_error();
	if (err)
		return err;
	SSL_CTX_free(s->ctx); /* connections hold references of their own */
	s->ctx = ctx;
	return 0;
}

void net_tls_server_free(struct net_tls_server *s)
{
	if (!s)
		return;
	SSL_CTX_free(s->ctx);
	cv_free(s->cert_file);
	cv_free(s->key_file);
	cv_free(s->ca_file);
	cv_free(s);
}

int net_tls_accept(struct net_tls_server *s, int fd, SSL **ret_ssl)
{
	SSL *ssl = SSL_new(s->ctx);

	if (!ssl)
		return CV_ENOMEM;
	if (SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return CV_ENOMEM;
	}
	SSL_set_accept_state(ssl);
	*ret_ssl = ssl;
	return 0;
}

/* ---- client ---- */

/* Runs when a full handshake shows the server's certificate. */
static int verify_server(X509_STORE_CTX *sctx, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(sctx, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct net_tls_client *c = SSL_get_ex_data(ssl, client_index);
	X509 *leaf = X509_STORE_CTX_get0_cert(sctx);
	struct net_pin pin;

	if (!c || !leaf || net_spki_pin(leaf, &pin)) {
		X509_STORE_CTX_set_error(sctx, X509_V_ERR_UNSPECIFIED);
		return 0;
	}
	if (c->pins.count && !net_pins_have(&c->pins, pin.sha256)) {
		X509_STORE_CTX_set_error(sctx, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	if (c->has_ca)
		return X509_verify_cert(sctx);
	X509_STORE_CTX_set_error(sctx, X509_V_OK);
	return 1;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct net_tls_client *c = SSL_get_ex_data(ssl, client_index);

	if (!c)
		return 0;
	SSL_SESSION_free(c->session);
	c->session = session;
	return 1; /* the reference is ours now */
}

int net_tls_client_new(const struct net_tls_client_opts *opts, struct net_tls_client **ret_client)
{
	static const unsigned char alpn[] = "\x08http/1.1";
	struct net_tls_client *c;
	int err;

	if ((!opts->pins || !opts->pins->count) && !opts->ca_file)
		return CV_EINVAL;
	c = cv_calloc(1, sizeof(*c));
	if (!c)
		return CV_ENOMEM;
	c->refs = 1;
	if (opts->pins)
		c->pins = *opts->pins;
	c->has_ca = opts->ca_file != NULL;
	err = ctx_new(TLS_client_method(), opts->allow_tls12, &c->ctx);
	if (!err && opts->ca_file)
		err = use_authority(c->ctx, opts->ca_file);
	if (!err && (opts->cert_file || opts->key_file))
		err = use_certificate(c->ctx, opts->cert_file, opts->key_file);
	if (!err && SSL_CTX_set_alpn_protos(c->ctx, alpn, sizeof(alpn) - 1) != 0)
		err = CV_ENOMEM;
	ERR_clear_error();
	if (err) {
		net_tls_client_free(c);
		return err;
	}
	SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(c->ctx, verify_server, NULL);
	SSL_CTX_set_session_cache_mode(c->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, keep_session);
	*ret_client = c;
	return 0;
}

int net_tls_client_set_pins(struct net_tls_client *c, const struct net_pins *pins)
{
	if (!pins->count && !c->has_ca)
		return CV_EINVAL;
	c->pins = *pins;
	return 0;
}

struct net_tls_client *net_tls_client_ref(struct net_tls_client *c)
{
	c->refs++;
	return c;
}

void net_tls_client_free(struct net_tls_client *c)
{
	if (!c || --c->refs)
		return;
	SSL_SESSION_free(c->session);
	SSL_CTX_free(c->ctx);
	cv_free(c);
}

static bool is_address(const char *name)
{
	uint8_t raw[16];

	return inet_pton(AF_INET, name, raw) == 1 || inet_pton(AF_INET6, name, raw) == 1;
}

int net_tls_connect(struct net_tls_client *c, int fd, const char *name, SSL **ret_ssl)
{
	SSL *ssl = SSL_new(c->ctx);
	bool ok;

	if (!ssl)
		return CV_ENOMEM;
	ok = SSL_set_fd(ssl, fd) == 1 && SSL_set_ex_data(ssl, client_index, c) == 1;
	if (is_address(name))
		ok = ok && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	else
		ok = ok && SSL_set_tlsext_host_name(ssl, name) == 1 && SSL_set1_host(ssl, name) == 1;
	/* A ticket serves once: two connections with one would be linkable. */
	if (ok && c->session) {
		ok = SSL_set_session(ssl, c->session) == 1;
		SSL_SESSION_free(c->session);
		c->session = NULL;
	}
	if (!ok) {
		SSL_free(ssl);
		return CV_ENOMEM;
	}
	SSL_set_connect_state(ssl);
	*ret_ssl = ssl;
	return 0;
}

/* The check after the handshake, the only one on a resumed session: its leaf must be pinned today. */
static int check_peer(SSL *ssl)
{
	const struct net_tls_client *c = SSL_get_ex_data(ssl, client_index);
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	struct net_pin pin;

	if (SSL_is_server(ssl))
		return leaf && SSL_get_verify_result(ssl) != X509_V_OK ? CV_EAUTH : 0;
	if (!c || !leaf || net_spki_pin(leaf, &pin))
		return CV_EAUTH;
	if (c->pins.count && !net_pins_have(&c->pins, pin.sha256))
		return CV_EPIN;
	return SSL_get_verify_result(ssl) == X509_V_OK ? 0 : CV_EAUTH;
}

static int reason_to_err(SSL *ssl, unsigned long e)
{
	if (!SSL_is_server(ssl) && SSL_get_verify_result(ssl) == X509_V_ERR_APPLICATION_VERIFICATION)
		return CV_EPIN;
	switch (ERR_GET_REASON(e)) {
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_TLSV1_ALERT_ACCESS_DENIED: return CV_EAUTH;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
	case SSL_R_WRONG_SSL_VERSION:
	case SSL_R_VERSION_TOO_LOW: return CV_EUNSUPPORTED;
	case SSL_R_UNEXPECTED_EOF_WHILE_READING: return CV_ECLOSED;
	default: return CV_EFORMAT;
	}
}

int net_tls_error(SSL *ssl, int ret, unsigned *ret_want)
{
	int saved = errno, err;
	unsigned long e;

	switch (SSL_get_error(ssl, ret)) {
	case SSL_ERROR_WANT_READ: *ret_want = CV_LOOP_READ; return CV_EAGAIN;
	case SSL_ERROR_WANT_WRITE: *ret_want = CV_LOOP_WRITE; return CV_EAGAIN;
	case SSL_ERROR_ZERO_RETURN: err = CV_ECLOSED; break;
	case SSL_ERROR_SYSCALL: err = saved == 0 || saved == ECONNRESET || saved == EPIPE ? CV_ECLOSED : CV_EIO; break;
	case SSL_ERROR_SSL:
		e = ERR_peek_error();
		err = reason_to_err(ssl, e);
		break;
	default: err = CV_EIO; break;
	}
	ERR_clear_error();
	return err;
}

int net_tls_handshake(SSL *ssl, unsigned *ret_want)
{
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_do_handshake(ssl);
	if (r == 1)
		return check_peer(ssl);
	return net_tls_error(ssl, r, ret_want);
}

void net_tls_peer(SSL *ssl, struct net_peer *peer)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);

	strncpy(peer->tls, SSL_get_version(ssl), sizeof(peer->tls) - 1);
	strncpy(peer->cipher, SSL_get_cipher_name(ssl), sizeof(peer->cipher) - 1);
	peer->resumed = SSL_session_reused(ssl) == 1;
	peer->has_cert = leaf && SSL_get_verify_result(ssl) == X509_V_OK;
	if (!leaf || net_spki_pin(leaf, &peer->pin))
		return;
	if (X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, peer->cert_cn,
				      sizeof(peer->cert_cn)) < 0)
		peer->cert_cn[0] = '\0';
}
