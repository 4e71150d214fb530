/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and responses on libwebsockets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/ssl.h>

#include <base/alloc.h>
#include <base/time.h>

#include "api/http_internal.h"

#define VALUE_MAX    4608 /* one header */
#define PATH_MAX_LEN 512

#define CSP                                                                                                            \
	"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; "           \
	"font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "              \
	"frame-ancestors 'none'"

/* One request and its response. */
struct exchange {
	struct mgr_http *http;
	struct lws *wsi;
	struct exchange *next, **prev; /* in the list of those that wait */
	const char *method;
	char path[PATH_MAX_LEN], query[PATH_MAX_LEN], address[64], content_type[128], common_name[64];
	char authorization[256], proof[VALUE_MAX], etag[64];
	struct cv_buf body;
	bool relays, has_proof, answered, head;
	bool last;           /* close after the response: the rest of the request is not wanted */
	bool unread;         /* its length is unknown, so libwebsockets will not read it */
	bool lingers;        /* answered; what still comes of the request is thrown away */
	size_t discarded;    /* bytes of it */
	int64_t deadline_us; /* of a waiting one */
	struct mgr_response res;
	const struct mgr_static_file *file;
	size_t sent;
};

/* ---- exchanges ---- */

static void unlink_waiting(struct exchange *x)
{
	if (!x->prev)
		return;
	*x->prev = x->next;
	if (x->next)
		x->next->prev = x->prev;
	x->next = NULL;
	x->prev = NULL;
}

static void link_waiting(struct exchange *x)
{
	struct mgr_http *h = x->http;
	if (x->prev)
		return;
	x->next = h->waiting;
	if (x->next)
		x->next->prev = &x->next;
	x->prev = &h->waiting;
	h->waiting = x;
}

static void exchange_free(struct session *s)
{
	struct exchange *x = s ? s->x : NULL;
	if (!x)
		return;
	s->x = NULL;
	unlink_waiting(x);
	cv_buf_done(&x->body);
	mgr_response_done(&x->res);
	cv_free_wiped(x, sizeof *x);
}

int64_t mgr_exchange_deadline(const struct exchange *x)
{
	return x->deadline_us;
}

/*
 * While it waits, libwebsockets would not read what comes (the end of the connection too), yet wake for it again and
 * again; while it is told not to read, it does not write either.
 */
static void listen_to(struct exchange *x, bool on)
{
	lws_rx_flow_control(x->wsi, on);
}

void mgr_exchange_wake(struct exchange *x)
{
	listen_to(x, true);
	lws_callback_on_writable(x->wsi);
}

struct exchange *mgr_exchange_next(const struct exchange *x)
{
	return x->next;
}

/* The relay's name from a certificate that our own authority has signed; what libwebsockets thinks of it is checked
 * once more. */
static void peer_name(const struct mgr_http *h, struct lws *wsi, char *dst, size_t size)
{
	SSL *ssl = lws_get_ssl(wsi);
	X509 *cert = ssl ? SSL_get1_peer_certificate(ssl) : NULL;
	EVP_PKEY *ca = h->relay_ca ? X509_get0_pubkey(h->relay_ca) : NULL;
	if (cert && ca && SSL_get_verify_result(ssl) == X509_V_OK && X509_verify(cert, ca) == 1 &&
	    X509_cmp_current_time(X509_get0_notAfter(cert)) > 0) {
		int len = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, dst, (int)size);
		if (len <= 0 || (size_t)len != strlen(dst))
			dst[0] = 0;
	}
	X509_free(cert);
}

static const char *method_of(struct lws *wsi)
{
	static const struct {
		enum lws_token_indexes token;
		const char *name;
	} methods[] = {
		{WSI_TOKEN_GET_URI, "GET"},       {WSI_TOKEN_POST_URI, "POST"}, {WSI_TOKEN_PATCH_URI, "PATCH"},
		{WSI_TOKEN_DELETE_URI, "DELETE"}, {WSI_TOKEN_PUT_URI, "PUT"},   {WSI_TOKEN_OPTIONS_URI, "OPTIONS"},
		{WSI_TOKEN_HEAD_URI, "HEAD"},
	};
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		if (lws_hdr_total_length(wsi, methods[i].token) > 0)
			return methods[i].name;
	}
	return "?";
}

static void copy_header(struct lws *wsi, enum lws_token_indexes token, char *dst, size_t size)
{
	if (lws_hdr_copy(wsi, dst, (int)size, token) < 0)
		dst[0] = 0;
}

static void read_headers(struct exchange *x)
{
	struct lws *wsi = x->wsi;
	copy_header(wsi, WSI_TOKEN_HTTP_URI_ARGS, x->query, sizeof x->query);
	copy_header(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, x->content_type, sizeof x->content_type);
	copy_header(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, x->authorization, sizeof x->authorization);
	copy_header(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH, x->etag, sizeof x->etag);
	int len = lws_hdr_custom_length(wsi, "dpop:", 5);
	if (len > 0 && lws_hdr_custom_copy(wsi, x->proof, sizeof x->proof, "dpop:", 5) > 0)
		x->has_proof = true;
	lws_get_peer_simple(wsi, x->address, sizeof x->address);
	/* A dual-stack listener shows IPv4 peers in IPv6 form. */
	if (!strncasecmp(x->address, "::ffff:", 7) && strchr(x->address, '.'))
		memmove(x->address, x->address + 7, strlen(x->address + 7) + 1);
}

static struct exchange *exchange_new(struct mgr_http *h, struct lws *wsi, struct session *s, const char *path,
				     size_t len)
{
	struct exchange *x = cv_calloc(1, sizeof *x);
	if (!x)
		return NULL;
	s->x = x;
	x->http = h;
	x->wsi = wsi;
	x->relays = lws_get_vhost(wsi) == h->vhost[1];
	cv_buf_init_secret(&x->body, MGR_BODY_MAX);
	x->method = method_of(wsi);
	snprintf(x->path, sizeof x->path, "%.*s", (int)(len < PATH_MAX_LEN ? len : PATH_MAX_LEN - 1), path);
	read_headers(x);
	if (x->relays)
		peer_name(h, wsi, x->common_name, sizeof x->common_name);
	return x;
}

/* ---- responses ---- */

struct headers {
	struct lws *wsi;
	uint8_t *p, *end;
	int failed;
};

static void put_header(struct headers *o, const char *name, const char *value)
{
	o->failed |= lws_add_http_header_by_name(o->wsi, (const uint8_t *)name, (const uint8_t *)value,
						 (int)strlen(value), &o->p, o->end);
}

static void put_date(struct headers *o)
{
	char text[64];
	struct tm tm;
	time_t now = time(NULL);
	if (gmtime_r(&now, &tm) && strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0)
		put_header(o, "date:", text);
}

static void put_common(struct headers *o, const struct exchange *x)
{
	put_date(o);
	put_header(o, "strict-transport-security:", "max-age=31536000");
	put_header(o, "x-content-type-options:", "nosniff");
	put_header(o, "x-frame-options:", "DENY");
	put_header(o, "referrer-policy:", "no-referrer");
	put_header(o, "cross-origin-opener-policy:", "same-origin");
	put_header(o, "cross-origin-resource-policy:", "same-origin");
	put_header(o, "content-security-policy:", x->file ? CSP : "default-src 'none'; frame-ancestors 'none'");
	put_header(o, "cache-control:", x->file ? "no-cache" : "no-store");
}

static void put_own(struct headers *o, const struct exchange *x)
{
	char number[32];
	const struct mgr_response *res = &x->res;
	if (x->last)
		put_header(o, "connection:", "close");
	if (x->file)
		put_header(o, "etag:", x->file->etag);
	if (res->content_type)
		put_header(o, "content-type:", res->content_type);
	if (res->nonce[0])
		put_header(o, "dpop-nonce:", res->nonce);
	if (res->authenticate)
		put_header(o, "www-authenticate:", res->authenticate);
	if (res->allow[0])
		put_header(o, "allow:", res->allow);
	if (res->retry_after > 0) {
		snprintf(number, sizeof number, "%lld", (long long)res->retry_after);
		put_header(o, "retry-after:", number);
	}
}

static size_t content_len(const struct exchange *x)
{
	if (x->res.status == 304)
		return 0;
	return x->file ? x->file->len : x->res.body.len;
}

/* The connection takes the next request, or is closed (-1). A client that still sends is given time to read why it
 * is refused: closing at once would reset the connection under its response. */
static int complete(struct session *s)
{
	struct lws *wsi = s->x->wsi;
	if (s->x->last) {
		s->x->lingers = true;
		lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, MGR_LINGER_S);
		if (s->x->unread)
			lws_rx_flow_control(wsi, 0);
		return 0;
	}
	exchange_free(s);
	return lws_http_transaction_completed(wsi) ? -1 : 0;
}

/* Writes the head; -1 closes the connection. */
static int start_response(struct session *s)
{
	struct exchange *x = s->x;
	uint8_t buf[LWS_PRE + 4096], *start = buf + LWS_PRE;
	struct headers o = {.wsi = x->wsi, .p = start, .end = buf + sizeof buf - 1};
	size_t len = content_len(x);
	x->answered = true;
	unlink_waiting(x);
	if (lws_add_http_header_status(x->wsi, (unsigned)x->res.status, &o.p, o.end))
		return -1;
	put_common(&o, x);
	put_own(&o, x);
	if (x->res.status != 204 && x->res.status != 304)
		o.failed |= lws_add_http_header_content_length(x->wsi, len, &o.p, o.end);
	if (o.failed || lws_finalize_write_http_header(x->wsi, start, &o.p, o.end))
		return -1;
	lws_set_timeout(x->wsi, PENDING_TIMEOUT_HTTP_CONTENT, MGR_IDLE_TIMEOUT_S);
	if (len == 0 || x->head) {
		return complete(s);
	}
	lws_callback_on_writable(x->wsi);
	return 0;
}

static int continue_response(struct session *s)
{
	struct exchange *x = s->x;
	uint8_t buf[LWS_PRE + MGR_CHUNK];
	const uint8_t *data = x->file ? x->file->data : x->res.body.data;
	size_t len = content_len(x), n = len - x->sent < MGR_CHUNK ? len - x->sent : MGR_CHUNK;
	bool last = x->sent + n == len;
	memcpy(buf + LWS_PRE, data + x->sent, n);
	int w = lws_write(x->wsi, buf + LWS_PRE, n, last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP);
	cv_wipe(buf, sizeof buf);
	if (w < (int)n)
		return -1;
	x->sent += n;
	if (!last) {
		lws_callback_on_writable(x->wsi);
		return 0;
	}
	return complete(s);
}

static int problem(struct session *s, int err)
{
	mgr_response_done(&s->x->res);
	s->x->res = (struct mgr_response){0};
	mgr_response_problem(&s->x->res, err, NULL);
	return start_response(s);
}

/* What follows on this connection is the rest of a body nobody wants: answer, then close. */
static int refuse(struct session *s, int err)
{
	s->x->last = true;
	return problem(s, err);
}

static int serve_file(struct session *s)
{
	struct exchange *x = s->x;
	x->head = !strcmp(x->method, "HEAD");
	if (!x->head && strcmp(x->method, "GET")) {
		snprintf(x->res.allow, sizeof x->res.allow, "GET, HEAD");
		mgr_response_problem(&x->res, MGR_EMETHOD, NULL);
		return start_response(s);
	}
	x->file = x->relays ? NULL : mgr_static_find(x->http->opts.pages, x->path);
	if (!x->file)
		return problem(s, MGR_ENOTFOUND);
	x->res.status = strcmp(x->etag, x->file->etag) ? 200 : 304;
	x->res.content_type = x->file->type;
	return start_response(s);
}

static int dispatch(struct session *s)
{
	struct exchange *x = s->x;
	struct mgr_http *h = x->http;
	if (strncmp(x->path, "/api/", 5) && strncmp(x->path, "/relay/", 7))
		return serve_file(s);
	struct mgr_request req = {
		.method = x->method,
		.path = x->path,
		.query = x->query,
		.address = x->address,
		.authorization = x->authorization[0] ? x->authorization : NULL,
		.proof = x->has_proof ? x->proof : NULL,
		.content_type = x->content_type[0] ? x->content_type : NULL,
		.body = x->body.data,
		.body_len = x->body.len,
		.relays = x->relays,
		.common_name = x->common_name[0] ? x->common_name : NULL,
		.last_chance = x->deadline_us && cv_now_us() >= x->deadline_us,
	};
	mgr_response_done(&x->res);
	mgr_api_handle(h->opts.app, &req, &x->res);
	if (x->res.wait && !h->stop) {
		if (!x->deadline_us)
			x->deadline_us = cv_now_us() + MGR_POLL_S * 1000000LL;
		link_waiting(x);
		listen_to(x, false);
		lws_set_timeout(x->wsi, PENDING_TIMEOUT_HTTP_CONTENT, MGR_POLL_S + 10);
		return 0;
	}
	int r = start_response(s);
	if (h->opts.app->mail_added) {
		h->opts.app->mail_added = false;
		h->opts.on_mail(h->opts.arg);
	}
	if (h->opts.app->events_added) {
		h->opts.app->events_added = false;
		mgr_http_wake(h);
	}
	return r;
}

/* ---- requests ---- */

static size_t headers_len(struct lws *wsi)
{
	size_t sum = 0;
	for (int i = 0; i < WSI_TOKEN_COUNT; i++) {
		int n = lws_hdr_total_length(wsi, (enum lws_token_indexes)i);
		sum += n > 0 ? (size_t)n : 0;
	}
	return sum;
}

static int on_request(struct mgr_http *h, struct lws *wsi, struct session *s, const char *path, size_t len)
{
	char text[32];
	exchange_free(s);
	struct exchange *x = exchange_new(h, wsi, s, path, len);
	if (!x)
		return -1;
	lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, MGR_REQUEST_TIMEOUT_S);
	if (headers_len(wsi) > MGR_HEADERS_MAX)
		return refuse(s, MGR_EHEADERS);
	if (len >= PATH_MAX_LEN || lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) >= PATH_MAX_LEN)
		return refuse(s, MGR_EADDRESS);
	copy_header(wsi, WSI_TOKEN_HTTP, text, sizeof text);
	if (!strcmp(text, "HTTP/1.1") && lws_hdr_total_length(wsi, WSI_TOKEN_HOST) <= 0)
		return refuse(s, MGR_EHTTP);
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0) {
		x->unread = true;
		return refuse(s, MGR_ELENGTH);
	}
	copy_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text, sizeof text);
	/* One number: two of them, as text or as headers, are how requests are smuggled past a proxy. */
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) > 0 &&
	    (!text[0] || text[strspn(text, "0123456789")]))
		return refuse(s, MGR_EHTTP);
	unsigned long long body = text[0] ? strtoull(text, NULL, 10) : 0;
	if (body > MGR_BODY_MAX)
		return refuse(s, MGR_ETOOLARGE);
	return body == 0 ? dispatch(s) : 0;
}

static int on_body(struct session *s, const void *data, size_t len)
{
	struct exchange *x = s->x;
	if (!x)
		return 0;
	if (x->answered) {
		x->discarded += len;
		return x->discarded > MGR_DISCARD_MAX ? -1 : 0;
	}
	return cv_buf_put(&x->body, data, len) < 0 ? refuse(s, MGR_ETOOLARGE) : 0;
}

static int on_body_end(struct session *s)
{
	if (!s->x)
		return 0;
	if (s->x->lingers)
		return -1;
	return s->x->answered ? 0 : dispatch(s);
}

static int on_writable(struct session *s)
{
	if (!s->x || s->x->lingers)
		return 0;
	return s->x->answered ? continue_response(s) : dispatch(s);
}

/* X25519 first; libwebsockets would leave P-256 alone. */
static int tune_tls(struct mgr_http *h, struct lws_vhost *vhost, SSL_CTX *ctx)
{
	if (vhost && !strcmp(lws_get_vhost_name(vhost), MGR_VHOST))
		h->tls = ctx;
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	return SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1 ? 0 : 1;
}

int mgr_http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len)
{
	struct session *s = user;
	struct mgr_http *h = wsi && lws_get_context(wsi) ? lws_context_user(lws_get_context(wsi)) : NULL;
	switch (reason) {
	case LWS_CALLBACK_HTTP: return on_request(h, wsi, s, in, len);
	case LWS_CALLBACK_HTTP_BODY: return on_body(s, in, len);
	case LWS_CALLBACK_HTTP_BODY_COMPLETION: return on_body_end(s);
	case LWS_CALLBACK_HTTP_WRITEABLE: return on_writable(s);
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_HTTP_DROP_PROTOCOL: exchange_free(s); return 0;
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS: return user ? tune_tls(h, in, user) : 0;
	case LWS_CALLBACK_OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION: return len ? 0 : 1;
	/* No WebSocket here: the tunnel is the relays' affair. */
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE: (void)!mgr_refuse(wsi, false); return -1;
	case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION: return -1;
	/* CONNECT is taken for the beginning of something that is not HTTP. */
	case LWS_CALLBACK_RAW_RX: (void)!mgr_refuse(wsi, true); return -1;
	default: return 0;
	}
}
