/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts: invited by e-mail, validated by link, changed by administrators (R15-R17, R25). */
#ifndef MGR_DOMAIN_ACCOUNT_H
#define MGR_DOMAIN_ACCOUNT_H

#include "domain/app.h"

#define MGR_LINK_MAX (MGR_URL_MAX + 128)

struct mgr_invite {
	const char *email;
	enum mgr_role role;
	const char *first_name, *last_name, *locale; /* NULL: not known */
};

/*
 * A new account and its link by mail; an account that is not validated yet gets a new link (its role is changed too
 * when `by` may manage accounts). MGR_EACCOUNT: it is validated; MGR_EDISABLED.
 */
int mgr_account_invite(struct mgr_app *app, const struct mgr_invite *invite,
		       struct mgr_account *ret_account) CV_NODISCARD;
/* A fresh validation link; older ones stop working. Sends nothing. */
int mgr_account_link(struct mgr_app *app, const struct mgr_account *a, char ret_link[MGR_LINK_MAX]) CV_NODISCARD;
/* A fresh link by mail: for a forgotten password or a lost invitation. */
int mgr_account_send_link(struct mgr_app *app, const uint8_t id[MGR_ID_LEN]) CV_NODISCARD;

/* The account of a usable link. MGR_ELINK…. */
int mgr_validation_show(struct mgr_app *app, const char *token, struct mgr_account *ret_account) CV_NODISCARD;
int mgr_validation_start(struct mgr_app *app, const char *token, const uint8_t *request, size_t len,
			 uint8_t ret_response[OPAQUE_RESPONSE_LEN]) CV_NODISCARD;
/* Uses the link up, keeps the record, ends the account's sessions. */
int mgr_validation_finish(struct mgr_app *app, const char *token, const char *first_name, const char *last_name,
			  const uint8_t *record, size_t len) CV_NODISCARD;

struct mgr_change {
	bool set_role, set_disabled, set_names;
	enum mgr_role role;
	bool disabled;
	const char *first_name, *last_name;
};
/* An administrator (`by`) changes an account. Disabling ends its sessions and its part in running meetings. */
int mgr_account_change(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN],
		       const struct mgr_change *change, struct mgr_account *ret_account) CV_NODISCARD;

/* Credential identifier of an account: its id as 32 hex digits. */
void mgr_credential_id(const uint8_t id[MGR_ID_LEN], char ret_text[2 * MGR_ID_LEN + 1]);
/* "First Last", or the address while the names are not known. */
void mgr_display_name(const struct mgr_account *a, char *dst, size_t size);

#endif
