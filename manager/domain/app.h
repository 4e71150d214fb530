/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager at work: what every request needs. One thread. Domain functions expect to run inside a transaction of
 * the store when they write (the API layer and the commands open it); they return 0, a CV_E… or an MGR_E….
 */
#ifndef MGR_DOMAIN_APP_H
#define MGR_DOMAIN_APP_H

#include <stdbool.h>

#include <base/secret.h>

#include "conf.h"
#include "domain/keys.h"
#include "domain/problem.h"
#include "store/store.h"

struct mgr_logins;

struct mgr_app {
	struct mgr_store *store;
	const struct mgr_conf *conf;
	struct mgr_keys *keys;
	const struct cv_rng *rng;
	int64_t (*now)(void *arg); /* Unix seconds */
	void *now_arg;
	int64_t started;           /* when this process began: silence before it does not count */
	struct mgr_logins *logins; /* sign-ins between start and finish; NULL in commands */
	uint8_t nonce_key[32];     /* DPoP nonces */
	/* What the caller must do once the transaction is committed. */
	bool mail_added, events_added;
	/* More about the last MGR_EREQUEST and the like; "" none. Never holds a secret. */
	char detail[256];
	int64_t retry_after; /* seconds, with MGR_ETHROTTLED */
};

int64_t mgr_now(const struct mgr_app *app);
/* Sets the detail and returns `err`. */
int mgr_fail(struct mgr_app *app, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));
int mgr_id_new(const struct mgr_app *app, uint8_t ret_id[MGR_ID_LEN]) CV_NODISCARD;

#define MGR_TOKEN_LEN  32
#define MGR_TOKEN_TEXT 44 /* base64url and NUL */
/* A fresh random token as text, and the hash under which it is stored: SHA-256 of the text. */
int mgr_token_new(const struct mgr_app *app, char ret_text[MGR_TOKEN_TEXT],
		  uint8_t ret_hash[MGR_HASH_LEN]) CV_NODISCARD;
void mgr_token_hash(const char *text, uint8_t ret_hash[MGR_HASH_LEN]);

/* ---- who may do what ---- */

enum mgr_action {
	MGR_ACT_JOIN,            /* meetings one is invited to */
	MGR_ACT_ORGANISE,        /* make meetings, invite to one's own */
	MGR_ACT_ADD_ACCOUNT,     /* invite people who have no account, as users */
	MGR_ACT_MANAGE_ACCOUNTS, /* list, invite with any role, change, disable */
	MGR_ACT_ALL_MEETINGS,    /* see, cancel, end those of others */
};
bool mgr_may(enum mgr_role role, enum mgr_action action);
const char *mgr_role_name(enum mgr_role role);
/* "user", "organiser", "administrator". CV_ENOTFOUND. */
int mgr_role_parse(const char *name, enum mgr_role *ret_role) CV_NODISCARD;

/* Lower-case address of `text`; MGR_EREQUEST when it is none that mail can be sent to. */
int mgr_email_normalise(struct mgr_app *app, const char *text, char ret_email[MGR_EMAIL_MAX + 1]) CV_NODISCARD;
/* Checks text for people: printable UTF-8, 1..max bytes after trimming spaces. `what` names it in the detail. */
int mgr_text_check(struct mgr_app *app, const char *what, const char *text, size_t min, size_t max,
		   char *ret_text) CV_NODISCARD;

#endif
