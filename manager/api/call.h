/* SPDX-License-Identifier: Apache-2.0 */
/* What a handler of the API gets. */
#ifndef MGR_API_CALL_H
#define MGR_API_CALL_H

#include <jansson.h>

#include "api/api.h"
#include "auth/auth.h"

struct mgr_call {
	struct mgr_app *app;
	const struct mgr_request *req;
	struct mgr_response *res;
	struct mgr_principal who; /* with MGR_ROUTE_SESSION */
	struct mgr_relay *relay;  /* with MGR_ROUTE_RELAY */
	uint8_t id[MGR_ID_LEN];   /* {id} of the path */
	json_t *in;               /* object; NULL without body */
	json_t *out;              /* what the handler answers; NULL: 204 */
	int status;               /* 0: 200 or 204 */
};

enum mgr_route_flags {
	MGR_ROUTE_SESSION = 1, /* signed in */
	MGR_ROUTE_WRITE = 2,   /* in a transaction, rolled back when the handler fails */
	MGR_ROUTE_KEEP = 4,    /* in a transaction that is committed even then */
	MGR_ROUTE_BODY = 8,    /* a JSON object must be there */
	MGR_ROUTE_RELAYS = 16, /* on the listener for relays only, as all others are not */
	MGR_ROUTE_CERT = 32,   /* with the certificate of an enrolled relay */
	MGR_ROUTE_NONCE = 64,  /* answers with a DPoP nonce */
};

struct mgr_route {
	const char *method, *pattern;
	int (*handler)(struct mgr_call *c);
	unsigned flags;
};

extern const struct mgr_route mgr_routes_account[], mgr_routes_auth[], mgr_routes_meeting[], mgr_routes_relay[];

/* ---- reading: MGR_EREQUEST with a detail that names the member ---- */

/* A string of at most max bytes; NULL into *ret when it is absent or null and not required. Borrowed. */
int mgr_in_text(struct mgr_call *c, const char *key, size_t max, bool required, const char **ret) CV_NODISCARD;
/* base64url of exactly `len` bytes. */
int mgr_in_bytes(struct mgr_call *c, const char *key, uint8_t *dst, size_t len) CV_NODISCARD;
int mgr_in_id(struct mgr_call *c, const char *key, uint8_t ret_id[MGR_ID_LEN]) CV_NODISCARD;
/* An integer within min..max, or `def` when it is absent or null and not required. */
int mgr_in_int(struct mgr_call *c, const char *key, bool required, int64_t min, int64_t max, int64_t def,
	       int64_t *ret) CV_NODISCARD;
/* -1 absent, 0, 1. */
int mgr_in_bool(struct mgr_call *c, const char *key, int *ret) CV_NODISCARD;
/* An array of strings of at most `max` items; *ret_list (cv_free) borrows them. */
int mgr_in_texts(struct mgr_call *c, const char *key, bool required, size_t max, const char ***ret_list,
		 size_t *ret_n) CV_NODISCARD;
/* Value of a query parameter as a number; `def` when absent. */
int64_t mgr_query_int(const struct mgr_call *c, const char *key, int64_t def);

/* ---- writing ---- */

json_t *mgr_json_hex(const void *data, size_t len);
json_t *mgr_json_b64(const void *data, size_t len);
json_t *mgr_json_account(const struct mgr_account *a);
json_t *mgr_json_pins(const struct mgr_relay *r);

#endif
