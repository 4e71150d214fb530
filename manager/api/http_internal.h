/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the two files that know libwebsockets. */
#ifndef MGR_API_HTTP_INTERNAL_H
#define MGR_API_HTTP_INTERNAL_H

#include <signal.h>

#include <libwebsockets.h>
#include <openssl/ssl.h>

#include "api/http.h"

#define MGR_CHUNK       16384   /* bytes of a response written at once */
#define MGR_LINGER_S    2       /* a refused connection is kept for, while its client reads */
#define MGR_DISCARD_MAX 4194304 /* bytes of a refused request that are read and thrown away */

#define MGR_HEADERS_MAX 8192  /* all headers of a request together */
#define MGR_HEADERS_CUT 32768 /* beyond it libwebsockets closes without a word */

struct exchange;

/* What libwebsockets keeps for each connection. */
struct session {
	struct exchange *x;
};

struct mgr_http {
	struct mgr_http_opts opts;
	struct lws_context *context;
	struct lws_vhost *vhost[2];
	X509 *relay_ca;
	struct exchange *waiting;
	lws_sorted_usec_list_t tick;
	int64_t last_event;
	SSL_CTX *tls; /* of the listener for clients; borrowed */
	volatile sig_atomic_t stop, reload;
};

#define MGR_VHOST "manager" /* the listener for clients */
int mgr_http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t len);
/* Answers 400 to what is no request; the connection is to be closed then. `raw`: libwebsockets has given up HTTP. */
int mgr_refuse(struct lws *wsi, bool raw);
/* When a waiting exchange is due (cv_now_us), and the next one; waking looks at it again. */
int64_t mgr_exchange_deadline(const struct exchange *x);
void mgr_exchange_wake(struct exchange *x);
struct exchange *mgr_exchange_next(const struct exchange *x);

#endif
