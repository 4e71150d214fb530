/* SPDX-License-Identifier: Apache-2.0 */
/* An organisation in a temporary folder, with a clock that tests set, driven through the API without sockets. */
#ifndef MGR_TESTS_FIXTURE_H
#define MGR_TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "api/api.h"
#include "auth/auth.h"

#define TEST_URL "https://manager.example:8443"

struct device {
	uint8_t seed[PROTO_KEY_LEN], key[PROTO_KEY_LEN];
	char token[MGR_TOKEN_TEXT];
};

struct site {
	char dir[64];
	struct mgr_conf conf;
	struct mgr_keys keys;
	struct mgr_app app;
	int64_t now;
	/* of the last answer */
	int status;
	json_t *json;
	char nonce[32];
	int64_t retry_after;
	bool waits;
};

int site_setup(void **state);
int site_teardown(void **state);
/* The database closed and opened again. */
void site_reopen(struct site *s);

/* A request; the answer lands in s. `dev` NULL: without session. `body` is given up. Returns the status. */
int ask(struct site *s, const struct device *dev, const char *method, const char *path, json_t *body);
/* As ask, over the listener for relays. */
int ask_relay(struct site *s, const char *common_name, const char *method, const char *path, const char *query,
	      json_t *body);
/* Sends a raw request. */
int ask_raw(struct site *s, const struct mgr_request *req);
/* The problem's name of the last answer, or "". */
const char *problem_name(const struct site *s);

/* A proof for a request of `dev`, cv_free; each claim may be replaced through `change` before it is signed. */
char *make_proof(struct site *s, const struct device *dev, const char *method, const char *path,
		 void (*change)(json_t *header, json_t *claims));

void device_make(struct device *dev);
/* An account of this role with a session; its id into ret_id (may be NULL). */
void member_make(struct site *s, const char *email, enum mgr_role role, struct device *dev, uint8_t ret_id[MGR_ID_LEN]);
/* A relay in service. */
void relay_make(struct site *s, const char *url);

/* The token of a fresh validation link. */
void link_make(struct site *s, const char *email, char token[MGR_TOKEN_TEXT]);
/* Validates by OPAQUE; status of the last step. */
int validate(struct site *s, const char *token, const char *password);
/* Signs in by OPAQUE from `address`; the status of the step that ended it. */
int sign_in(struct site *s, const char *email, const char *password, const char *address, struct device *dev);

#endif
