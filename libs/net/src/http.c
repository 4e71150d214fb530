/* SPDX-License-Identifier: Apache-2.0 */
#include <curl/curl.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <base/alloc.h>
#include <base/time.h>
#include <net/http.h>

#include "internal.h"

#define HEADER_TEXT_MAX  (64 * 1024)
#define DEFAULT_TIMEOUT  30000
#define DEFAULT_CONNECT  10000
#define DEFAULT_RESPONSE (1024 * 1024)
#define PINS_TEXT_MAX    (NET_PINS_MAX * (8 + 44 + 1) + 1)

struct net_http {
	CURL *curl;
	struct net_http_opts opts;
	struct net_pins pins;
	char *ca_file, *cert_file, *key_file, *proxy;
	/* of the request under way */
	const struct net_http_call *call;
	struct net_http_result *result;
	size_t max_response;
	bool wrong_pin, too_large;
	char pin[NET_PIN_TEXT]; /* of the last handshake */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool usable;

static void global_init(void)
{
	curl_sslbackend used = CURLSSLBACKEND_OPENSSL;

	/* The checks below are given to OpenSSL: another TLS library would not run them. */
	usable = curl_global_sslset(used, NULL, NULL) == CURLSSLSET_OK &&
		 curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static int dup_opt(const char *src, char **ret)
{
	if (!src)
		return 0;
	*ret = cv_strdup(src);
	return *ret ? 0 : CV_ENOMEM;
}

int net_http_new(const struct net_http_opts *opts, struct net_http **ret_http)
{
	bool pinned = opts->pins && opts->pins->count;
	struct net_http *h;
	int err;

	/* Exactly one answer to the question who the peer is. */
	if (!pinned && !opts->ca_file && !opts->system_ca && !opts->note_only)
		return CV_EINVAL;
	if (opts->note_only && (pinned || opts->ca_file || opts->system_ca))
		return CV_EINVAL;
	if (!opts->cert_file != !opts->key_file)
		return CV_EINVAL;
	pthread_once(&once, global_init);
	if (!usable)
		return CV_EUNSUPPORTED;
	h = cv_calloc(1, sizeof(*h));
	if (!h)
		return CV_ENOMEM;
	h->opts = *opts;
	if (pinned)
		h->pins = *opts->pins;
	err = dup_opt(opts->ca_file, &h->ca_file);
	if (!err)
		err = dup_opt(opts->cert_file, &h->cert_file);
	if (!err)
		err = dup_opt(opts->key_file, &h->key_file);
	if (!err)
		err = dup_opt(opts->proxy, &h->proxy);
	if (!err) {
		h->curl = curl_easy_init();
		err = h->curl ? 0 : CV_ENOMEM;
	}
	if (err)
		net_http_free(h);
	else
		*ret_http = h;
	return err;
}

void net_http_free(struct net_http *h)
{
	if (!h)
		return;
	if (h->curl)
		curl_easy_cleanup(h->curl);
	cv_free(h->ca_file);
	cv_free(h->cert_file);
	cv_free(h->key_file);
	cv_free_wiped(h->proxy, h->proxy ? strlen(h->proxy) : 0);
	cv_free(h);
}

/* ---- who the server is ---- */

/* During the handshake, before anything of the request is sent. */
static int verify_server(X509_STORE_CTX *sctx, void *arg)
{
	struct net_http *h = arg;
	X509 *leaf = X509_STORE_CTX_get0_cert(sctx);
	struct net_pin pin;

	if (!leaf || net_spki_pin(leaf, &pin)) {
		X509_STORE_CTX_set_error(sctx, X509_V_ERR_UNSPECIFIED);
		return 0;
	}
	net_pin_format(h->pin, &pin);
	if (h->pins.count && !net_pins_have(&h->pins, pin.sha256)) {
		h->wrong_pin = true;
		X509_STORE_CTX_set_error(sctx, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	if (h->ca_file || h->opts.system_ca)
		return X509_verify_cert(sctx);
	X509_STORE_CTX_set_error(sctx, X509_V_OK);
	return 1;
}

static CURLcode on_ssl_ctx(CURL *curl, void *ssl_ctx, void *arg)
{
	SSL_CTX *ctx = ssl_ctx;

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, verify_server, arg);
	return CURLE_OK;
}

/* libcurl compares these again after every handshake, also on a resumed session. */
static void pins_text(const struct net_pins *pins, char dst[PINS_TEXT_MAX])
{
	char *p = dst;

	for (size_t i = 0; i < pins->count; i++) {
		p += sprintf(p, "%ssha256//", i ? ";" : "");
		p += EVP_EncodeBlock((unsigned char *)p, pins->pin[i].sha256, NET_PIN_LEN);
	}
	*p = '\0';
}

static CURLcode set_peer(struct net_http *h)
{
	bool chain = h->ca_file || h->opts.system_ca;
	char text[PINS_TEXT_MAX];
	CURLcode r = CURLE_OK;

	if (h->pins.count) {
		pins_text(&h->pins, text);
		r = curl_easy_setopt(h->curl, CURLOPT_PINNEDPUBLICKEY, text);
	}
	/* With pins alone libcurl's own chain check is off; ours above decides. */
	if (!r)
		r = curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYPEER, chain ? 1L : 0L);
	if (!r)
		r = curl_easy_setopt(h->curl, CURLOPT_SSL_VERIFYHOST, chain ? 2L : 0L);
	if (!r && h->ca_file)
		r = curl_easy_setopt(h->curl, CURLOPT_CAINFO, h->ca_file);
	/* A private authority stands alone: the system's are not asked. */
	if (!r && h->ca_file)
		r = curl_easy_setopt(h->curl, CURLOPT_CAPATH, NULL);
	if (!r)
		r = curl_easy_setopt(h->curl, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
	if (!r)
		r = curl_easy_setopt(h->curl, CURLOPT_SSL_CTX_DATA, h);
	/* Connections are reused, sessions not: each new connection shows its certificate. */
	if (!r)
		r = curl_easy_setopt(h->curl, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	if (!r && h->cert_file)
		r = curl_easy_setopt(h->curl, CURLOPT_SSLCERT, h->cert_file);
	if (!r && h->key_file)
		r = curl_easy_setopt(h->curl, CURLOPT_SSLKEY, h->key_file);
	if (!r)
		r = curl_easy_setopt(h->curl, CURLOPT_SSLVERSION,
				     h->opts.allow_tls12 ? (long)CURL_SSLVERSION_TLSv1_2
							 : (long)CURL_SSLVERSION_TLSv1_3);
	return r;
}

/* ---- the request ---- */

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct net_http *h = arg;
	struct cv_buf *b = &h->result->body;

	if (size * count > h->max_response - b->len) {
		h->too_large = true;
		return 0;
	}
	return cv_buf_put(b, data, size * count) ? 0 : size * count;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
	struct net_http *h = arg;
	size_t len = size * count;

	/* A new status line begins another response (after 100, or the proxy's). */
	if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
		cv_buf_reset(&h->result->header_text);
	if (cv_buf_put(&h->result->header_text, data, len)) {
		h->too_large = true;
		return 0;
	}
	return len;
}

static int on_progress(void *arg, curl_off_t dltotal, curl_off_t dlnow, curl_off_t ultotal, curl_off_t ulnow)
{
	const struct net_http *h = arg;

	return h->call->cancel && atomic_load(h->call->cancel) ? 1 : 0;
}

static int add_headers(const struct net_http_call *call, struct curl_slist **ret_list)
{
	/* No waiting for "100 Continue", and no content type that the caller has not given. */
	static const char *const always[] = {"Expect:", "Content-Type:", "Accept:"};
	struct curl_slist *list = NULL, *next;
	bool has_type = false, has_accept = false;

	for (const char *const *p = call->headers; p && *p; p++) {
		if (strpbrk(*p, "\r\n") || !strchr(*p, ':')) {
			curl_slist_free_all(list);
			return CV_EINVAL;
		}
		has_type |= strncasecmp(*p, "Content-Type:", 13) == 0;
		has_accept |= strncasecmp(*p, "Accept:", 7) == 0;
		next = curl_slist_append(list, *p);
		if (!next)
			goto nomem;
		list = next;
	}
	for (size_t i = 0; i < 3; i++) {
		if ((i == 1 && has_type) || (i == 2 && has_accept))
			continue;
		next = curl_slist_append(list, always[i]);
		if (!next)
			goto nomem;
		list = next;
	}
	*ret_list = list;
	return 0;
nomem:
	curl_slist_free_all(list);
	return CV_ENOMEM;
}

static CURLcode set_call(struct net_http *h, const struct net_http_call *call, struct curl_slist *headers)
{
	const struct net_http_opts *o = &h->opts;
	bool head = strcmp(call->method, "HEAD") == 0;
	CURL *c = h->curl;
	CURLcode r = curl_easy_setopt(c, CURLOPT_URL, call->url);

	if (!r)
		r = curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method);
	if (!r && head)
		r = curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
	if (!r && (call->body_len || strcmp(call->method, "POST") == 0 || strcmp(call->method, "PUT") == 0 ||
		   strcmp(call->method, "PATCH") == 0)) {
		r = curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
		if (!r)
			r = curl_easy_setopt(c, CURLOPT_POSTFIELDS, call->body_len ? call->body : "");
	}
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	if (!r && h->proxy)
		r = curl_easy_setopt(c, CURLOPT_PROXY, h->proxy);
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_PROXYAUTH, (long)CURLAUTH_ANY);
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(o->timeout_ms ? o->timeout_ms : DEFAULT_TIMEOUT));
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS,
				     (long)(o->connect_timeout_ms ? o->connect_timeout_ms : DEFAULT_CONNECT));
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	return r;
}

static CURLcode set_sinks(struct net_http *h, char error[CURL_ERROR_SIZE])
{
	CURL *c = h->curl;
	CURLcode r = curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);

	if (!r)
		r = curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_XFERINFODATA, h);
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	if (!r)
		r = curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
	return r;
}

static int to_err(const struct net_http *h, CURLcode r)
{
	if (h->wrong_pin)
		return CV_EPIN;
	switch (r) {
	case CURLE_OK: return 0;
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH: return CV_EPIN;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CONNECT_ERROR: return CV_EAUTH;
	case CURLE_OPERATION_TIMEDOUT: return CV_ETIMEOUT;
	case CURLE_OUT_OF_MEMORY: return CV_ENOMEM;
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL: return CV_EINVAL;
	case CURLE_ABORTED_BY_CALLBACK: return CV_ECLOSED;
	case CURLE_WRITE_ERROR: return h->too_large ? CV_ELIMIT : CV_ENOMEM;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_GOT_NOTHING: return CV_EFORMAT;
	case CURLE_PROXY: return CV_EDENIED;
	case CURLE_RECV_ERROR: return CV_EIO;
	default: return CV_EIO;
	}
}

static void note_times(struct net_http *h)
{
	curl_off_t total = 0, connect = 0, first = 0;
	long status = 0;

	curl_easy_getinfo(h->curl, CURLINFO_TOTAL_TIME_T, &total);
	curl_easy_getinfo(h->curl, CURLINFO_PRETRANSFER_TIME_T, &connect);
	curl_easy_getinfo(h->curl, CURLINFO_STARTTRANSFER_TIME_T, &first);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	h->result->total_us = total;
	h->result->connect_us = connect;
	h->result->first_byte_us = first;
	h->result->status = (int)status;
}

int net_http_request(struct net_http *h, const struct net_http_call *call, struct net_http_result *ret_result)
{
	struct net_http_result res = {0};
	struct curl_slist *headers = NULL;
	char error[CURL_ERROR_SIZE] = "";
	CURLcode r = CURLE_OK;
	long proxy_status = 0;
	int err;

	ret_result->detail[0] = '\0';
	if (strncmp(call->url, "https://", 8) != 0)
		return CV_EINVAL;
	err = add_headers(call, &headers);
	if (err)
		return err;
	h->call = call;
	h->result = &res;
	h->max_response = h->opts.max_response ? h->opts.max_response : DEFAULT_RESPONSE;
	h->wrong_pin = h->too_large = false;
	/* One byte more for the NUL. */
	cv_buf_init_secret(&res.body, h->max_response + 1);
	cv_buf_init(&res.header_text, HEADER_TEXT_MAX + 1);
	curl_easy_reset(h->curl);
	r = set_call(h, call, headers);
	if (!r)
		r = set_peer(h);
	if (!r)
		r = set_sinks(h, error);
	if (!r)
		r = curl_easy_perform(h->curl);
	note_times(h);
	err = to_err(h, r);
	if (curl_easy_getinfo(h->curl, CURLINFO_HTTP_CONNECTCODE, &proxy_status) == CURLE_OK && err == CV_EIO &&
	    proxy_status >= 300)
		err = CV_EDENIED;
	if (!err)
		err = cv_buf_put_u8(&res.body, 0);
	if (!err)
		err = cv_buf_put_u8(&res.header_text, 0);
	curl_slist_free_all(headers);
	h->call = NULL;
	h->result = NULL;
	if (err) {
		net_http_result_done(&res);
		snprintf(ret_result->detail, sizeof(ret_result->detail), "%s", *error ? error : curl_easy_strerror(r));
		return err;
	}
	res.body.len--;
	res.header_text.len--;
	for (size_t i = 0; i < res.header_text.len; i++)
		if (res.header_text.data[i] == '\r' || res.header_text.data[i] == '\n')
			res.header_text.data[i] = '\0';
	/* A reused connection shows no certificate: the pin is the one of its handshake. */
	memcpy(res.tls_pin, h->pin, sizeof(res.tls_pin));
	*ret_result = res;
	return 0;
}

void net_http_result_done(struct net_http_result *r)
{
	cv_buf_done(&r->body);
	cv_buf_done(&r->header_text);
}

const char *net_http_result_header(const struct net_http_result *r, const char *name)
{
	const char *found = NULL;
	size_t want = strlen(name);
	const uint8_t *p = r->header_text.data, *end = p + r->header_text.len;

	while (p && p < end) {
		const char *line = (const char *)p;
		size_t len = strlen(line);

		if (len > want && line[want] == ':' && strncasecmp(line, name, want) == 0)
			found = line + want + 1 + strspn(line + want + 1, " \t");
		p += len;
		while (p < end && !*p)
			p++;
	}
	return found;
}
