/* SPDX-License-Identifier: Apache-2.0 */
/* The two listeners and the loop. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <base/alloc.h>
#include <base/log.h>
#include <base/time.h>

#include "api/http_internal.h"
#include "domain/files.h"
#include "domain/relay.h"

#define POOL 1024 /* requests at once */

static const struct lws_protocols protocols[] = {
	{"http", mgr_http_callback, sizeof(struct session), MGR_CHUNK, 0, NULL, 0},
	{NULL, NULL, 0, 0, 0, NULL, 0},
};

void mgr_http_wake(struct mgr_http *h)
{
	for (struct exchange *x = h->waiting; x; x = mgr_exchange_next(x))
		mgr_exchange_wake(x);
}

static void wake_late(struct mgr_http *h)
{
	int64_t now = cv_now_us(), last = 0;
	/* Events may come from other processes (commands) too. */
	if (h->waiting && mgr_store_event_last(h->opts.app->store, &last) == 0 && last != h->last_event) {
		h->last_event = last;
		mgr_http_wake(h);
	}
	for (struct exchange *x = h->waiting; x; x = mgr_exchange_next(x)) {
		if (now >= mgr_exchange_deadline(x))
			mgr_exchange_wake(x);
	}
}

static void on_tick(lws_sorted_usec_list_t *sul)
{
	struct mgr_http *h = lws_container_of(sul, struct mgr_http, tick);
	h->opts.on_tick(h->opts.arg);
	if (h->opts.app->mail_added)
		h->opts.on_mail(h->opts.arg);
	h->opts.app->mail_added = h->opts.app->events_added = false;
	wake_late(h);
	lws_sul_schedule(h->context, 0, &h->tick, on_tick, LWS_US_PER_SEC);
}

static void on_log(int level, const char *line)
{
	size_t len = strcspn(line, "\n");
	cv_log(level & LLL_ERR ? CV_LOG_INFO : CV_LOG_DEBUG, "http", "libwebsockets",
	       cv_log_text("message", line, len));
}

static struct lws_vhost *listen_on(struct mgr_http *h, const char *name, const char *address, const char *cert,
				   const char *key, const char *ca)
{
	struct mgr_listen l;
	if (mgr_listen_parse(address, &l) < 0)
		return NULL;
	struct lws_context_creation_info info = {
		.vhost_name = name,
		.port = l.port,
		.iface = l.host[0] ? l.host : NULL,
		.protocols = protocols,
		.ssl_cert_filepath = cert,
		.ssl_private_key_filepath = key,
		.ssl_ca_filepath = ca,
		.alpn = "http/1.1",
		.server_string = "conclave",
		.keepalive_timeout = MGR_IDLE_TIMEOUT_S,
		.timeout_secs = MGR_REQUEST_TIMEOUT_S,
		.ssl_cipher_list = "ECDHE+AESGCM:ECDHE+CHACHA20",
		.ssl_options_set = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1 | SSL_OP_NO_RENEGOTIATION |
				   SSL_OP_NO_COMPRESSION | (h->opts.app->conf->tls12 ? 0 : (long)SSL_OP_NO_TLSv1_2),
		.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
			   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS | (l.ipv4 ? LWS_SERVER_OPTION_DISABLE_IPV6 : 0) |
			   (ca ? LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT |
					    LWS_SERVER_OPTION_PEER_CERT_NOT_REQUIRED
			       : 0),
	};
	struct lws_vhost *v = lws_create_vhost(h->context, &info);
	if (!v)
		cv_log(CV_LOG_CRITICAL, "http", "cannot listen (address in use, or no right to this port?)",
		       cv_log_str("address", address), cv_log_errno("errno", errno));
	return v;
}

static int load_relay_ca(struct mgr_http *h, const char *path)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return CV_EIO;
	h->relay_ca = PEM_read_X509(f, NULL, NULL, NULL);
	fclose(f);
	return h->relay_ca ? 0 : CV_EFORMAT;
}

int mgr_http_new(const struct mgr_http_opts *opts, struct mgr_http **ret_http)
{
	char ca[MGR_PATH_MAX], cert[MGR_PATH_MAX], key[MGR_PATH_MAX];
	const struct mgr_conf *conf = opts->app->conf;
	struct mgr_http *h = cv_calloc(1, sizeof *h);
	if (!h)
		return CV_ENOMEM;
	h->opts = *opts;
	int r = mgr_path(ca, conf->data, MGR_RELAY_CA);
	if (r == 0)
		r = mgr_path(cert, conf->data, MGR_RELAY_CERT);
	if (r == 0)
		r = mgr_path(key, conf->data, MGR_RELAY_KEY);
	if (r == 0)
		r = load_relay_ca(h, ca);
	if (r < 0)
		goto out;
	lws_set_log_level(LLL_ERR | LLL_WARN, on_log);
	struct lws_context_creation_info info = {
		.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS | LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		.user = h,
		.max_http_header_data = MGR_HEADERS_CUT,
		.max_http_header_pool = POOL,
		.pt_serv_buf_size = MGR_CHUNK,
		.timeout_secs = MGR_REQUEST_TIMEOUT_S,
		.keepalive_timeout = MGR_IDLE_TIMEOUT_S,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
	};
	r = CV_EIO;
	h->context = lws_create_context(&info);
	if (!h->context)
		goto out;
	h->vhost[0] = listen_on(h, MGR_VHOST, conf->listen, conf->certificate, conf->key, NULL);
	if (h->vhost[0])
		h->vhost[1] = listen_on(h, "relays", conf->relay_listen, cert, key, ca);
	if (!h->vhost[1])
		goto out;
	lws_sul_schedule(h->context, 0, &h->tick, on_tick, LWS_US_PER_SEC);
	*ret_http = h;
	return 0;
out:
	mgr_http_free(h);
	return r;
}

int mgr_http_run(struct mgr_http *h)
{
	while (!h->stop) {
		if (lws_service(h->context, 0) < 0 && !h->stop)
			return CV_EIO;
		if (h->reload) {
			h->reload = 0;
			h->opts.on_reload(h->opts.arg);
		}
	}
	return 0;
}

void mgr_http_wake_reload(struct mgr_http *h)
{
	h->reload = 1;
	lws_cancel_service(h->context);
}

static bool load_pair(SSL_CTX *ctx, const struct mgr_conf *conf)
{
	return SSL_CTX_use_certificate_chain_file(ctx, conf->certificate) == 1 &&
	       SSL_CTX_use_PrivateKey_file(ctx, conf->key, SSL_FILETYPE_PEM) == 1 &&
	       SSL_CTX_check_private_key(ctx) == 1;
}

int mgr_http_load_certificate(struct mgr_http *h)
{
	const struct mgr_conf *conf = h->opts.app->conf;
	/* Tried elsewhere first: half of a pair in use would leave the server without any. */
	SSL_CTX *trial = SSL_CTX_new(TLS_server_method());
	bool good = h->tls && trial && load_pair(trial, conf) && load_pair(h->tls, conf);
	SSL_CTX_free(trial);
	ERR_clear_error();
	return good ? 0 : CV_EFORMAT;
}

void mgr_http_stop(struct mgr_http *h)
{
	h->stop = 1;
	lws_cancel_service(h->context);
}

void mgr_http_free(struct mgr_http *h)
{
	if (!h)
		return;
	if (h->context)
		lws_context_destroy(h->context);
	X509_free(h->relay_ca);
	cv_free(h);
}
