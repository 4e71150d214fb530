/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP API without HTTP: a request in, a response out. What carries them (api/http.c) knows nothing of accounts or
 * meetings, and this knows nothing of sockets. proto/openapi.yaml describes it for others.
 */
#ifndef MGR_API_H
#define MGR_API_H

#include <base/buf.h>

#include "domain/app.h"

#define MGR_BODY_MAX     (64 * 1024)
#define MGR_RESPONSE_MAX (4 * 1024 * 1024)
#define MGR_POLL_S       25 /* how long GET /relay/v1/events may wait */

struct mgr_request {
	const char *method, *path;
	const char *query;                                /* without '?'; NULL: none */
	const char *address;                              /* of the client */
	const char *authorization, *proof, *content_type; /* header values; NULL: absent */
	const void *body;
	size_t body_len;
	bool relays;             /* came over the listener for relays */
	const char *common_name; /* of a client certificate that the private CA has issued; NULL: none */
	bool last_chance;        /* a waiting request must be answered now */
};

struct mgr_response {
	int status;
	struct cv_buf body;
	const char *content_type; /* static */
	char nonce[32];           /* DPoP-Nonce; "" none */
	const char *authenticate; /* WWW-Authenticate, static; NULL: none */
	char allow[64];           /* "" none */
	int64_t retry_after;      /* 0: none */
	bool wait;                /* nothing to say yet: ask again when there are events, or with last_chance */
};

/* Fills `ret`, whose body the caller frees with mgr_response_done. Never fails: what goes wrong is in the response. */
void mgr_api_handle(struct mgr_app *app, const struct mgr_request *req, struct mgr_response *ret);
void mgr_response_done(struct mgr_response *res);
/* A problem document as response. */
void mgr_response_problem(struct mgr_response *res, int err, const char *detail);

#endif
