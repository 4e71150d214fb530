/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <base/log.h>
#include <base/text.h>

#include "domain/account.h"
#include "domain/run.h"
#include "mail/mail.h"

void mgr_credential_id(const uint8_t id[MGR_ID_LEN], char ret_text[2 * MGR_ID_LEN + 1])
{
	cv_hex_encode(ret_text, id, MGR_ID_LEN);
}

void mgr_display_name(const struct mgr_account *a, char *dst, size_t size)
{
	if (*a->first_name && *a->last_name)
		snprintf(dst, size, "%s %s", a->first_name, a->last_name);
	else
		snprintf(dst, size, "%s", *a->first_name ? a->first_name : *a->last_name ? a->last_name : a->email);
}

int mgr_account_link(struct mgr_app *app, const struct mgr_account *a, char ret_link[MGR_LINK_MAX])
{
	char token[MGR_TOKEN_TEXT];
	uint8_t hash[MGR_HASH_LEN];
	int64_t now = mgr_now(app);
	struct mgr_validation v = {.created = now, .expires = now + app->conf->link_ms / 1000};
	memcpy(v.user_id, a->id, sizeof v.user_id);
	if (a->disabled)
		return MGR_EDISABLED;
	int r = mgr_token_new(app, token, hash);
	if (r == 0)
		r = mgr_store_validation_revoke(app->store, a->id, now);
	if (r == 0)
		r = mgr_store_validation_add(app->store, hash, &v);
	if (r == 0)
		snprintf(ret_link, MGR_LINK_MAX, "%s/validate#t=%s&org=%s", app->conf->url, token,
			 app->keys->fingerprint);
	cv_wipe(token, sizeof token);
	return r;
}

static int invite_by_mail(struct mgr_app *app, const struct mgr_account *a)
{
	char link[MGR_LINK_MAX];
	int r = mgr_account_link(app, a, link);
	if (r == 0)
		r = mgr_mail_validation(app, a, link);
	cv_wipe(link, sizeof link);
	return r;
}

static int fill_names(struct mgr_app *app, const struct mgr_invite *invite, struct mgr_account *a)
{
	int r = 0;
	if (invite->first_name)
		r = mgr_text_check(app, "first_name", invite->first_name, 0, MGR_NAME_MAX, a->first_name);
	if (r == 0 && invite->last_name)
		r = mgr_text_check(app, "last_name", invite->last_name, 0, MGR_NAME_MAX, a->last_name);
	if (r < 0 || !invite->locale)
		return r;
	if (*invite->locale && strcmp(invite->locale, "en") && strcmp(invite->locale, "fr"))
		return mgr_fail(app, MGR_EREQUEST, "locale must be en or fr");
	snprintf(a->locale, sizeof a->locale, "%s", invite->locale);
	return 0;
}

int mgr_account_invite(struct mgr_app *app, const struct mgr_invite *invite, struct mgr_account *ret_account)
{
	struct mgr_account a = {0};
	char email[MGR_EMAIL_MAX + 1];
	int64_t accounts = 0;
	int r = mgr_email_normalise(app, invite->email, email);
	if (r < 0)
		return r;
	r = mgr_store_account_by_email(app->store, email, &a);
	if (r == 0) {
		if (a.disabled)
			return MGR_EDISABLED;
		if (a.has_record)
			return MGR_EACCOUNT;
		a.role = invite->role;
		r = fill_names(app, invite, &a);
		if (r == 0)
			r = mgr_store_account_update(app->store, &a);
	} else if (r == CV_ENOTFOUND) {
		r = mgr_store_account_count(app->store, &accounts);
		if (r == 0 && accounts >= app->conf->accounts_max)
			return mgr_fail(app, MGR_EFULL, "There are %lld accounts, the most that [accounts] max allows.",
					(long long)accounts);
		a = (struct mgr_account){.role = invite->role, .created = mgr_now(app)};
		memcpy(a.email, email, sizeof email);
		if (r == 0)
			r = mgr_id_new(app, a.id);
		if (r == 0)
			r = fill_names(app, invite, &a);
		if (r == 0)
			r = mgr_store_account_add(app->store, &a);
	}
	if (r == 0)
		r = invite_by_mail(app, &a);
	if (r < 0)
		return r;
	*ret_account = a;
	return 0;
}

int mgr_account_send_link(struct mgr_app *app, const uint8_t id[MGR_ID_LEN])
{
	struct mgr_account a;
	int r = mgr_store_account_by_id(app->store, id, &a);
	if (r == CV_ENOTFOUND)
		return MGR_ENOTFOUND;
	return r < 0 ? r : invite_by_mail(app, &a);
}

static int find_link(struct mgr_app *app, const char *token, uint8_t ret_hash[MGR_HASH_LEN],
		     struct mgr_account *ret_account)
{
	struct mgr_validation v;
	mgr_token_hash(token, ret_hash);
	int r = mgr_store_validation_get(app->store, ret_hash, &v);
	if (r == CV_ENOTFOUND)
		return MGR_ELINKUNKNOWN;
	if (r < 0)
		return r;
	if (v.used)
		return MGR_ELINKUSED;
	if (v.expires < mgr_now(app))
		return MGR_ELINKEXPIRED;
	r = mgr_store_account_by_id(app->store, v.user_id, ret_account);
	if (r == 0 && ret_account->disabled)
		return MGR_ELINKUNKNOWN;
	return r;
}

int mgr_validation_show(struct mgr_app *app, const char *token, struct mgr_account *ret_account)
{
	uint8_t hash[MGR_HASH_LEN];
	return find_link(app, token, hash, ret_account);
}

int mgr_validation_start(struct mgr_app *app, const char *token, const uint8_t *request, size_t len,
			 uint8_t ret_response[OPAQUE_RESPONSE_LEN])
{
	uint8_t hash[MGR_HASH_LEN];
	char credential[2 * MGR_ID_LEN + 1];
	struct mgr_account a;
	int r = find_link(app, token, hash, &a);
	if (r < 0)
		return r;
	mgr_credential_id(a.id, credential);
	r = opaque_server_register_respond(&app->keys->opaque, credential, strlen(credential), request, len,
					   ret_response);
	if (r == CV_EFORMAT)
		return mgr_fail(app, MGR_EREQUEST, "registration_request is not a valid OPAQUE registration request");
	return r;
}

int mgr_validation_finish(struct mgr_app *app, const char *token, const char *first_name, const char *last_name,
			  const uint8_t *record, size_t len)
{
	uint8_t hash[MGR_HASH_LEN];
	struct mgr_account a;
	int64_t now = mgr_now(app);
	int r = find_link(app, token, hash, &a);
	if (r == 0)
		r = mgr_text_check(app, "first_name", first_name, 1, MGR_NAME_MAX, a.first_name);
	if (r == 0)
		r = mgr_text_check(app, "last_name", last_name, 1, MGR_NAME_MAX, a.last_name);
	if (r < 0)
		return r;
	if (opaque_record_check(record, len) < 0)
		return mgr_fail(app, MGR_EREQUEST, "registration_record is not a valid OPAQUE record");
	r = mgr_store_validation_use(app->store, hash, now);
	if (r == 0)
		r = mgr_store_account_update(app->store, &a);
	if (r == 0)
		r = mgr_store_account_set_record(app->store, a.id, record, now);
	if (r == 0)
		r = mgr_store_session_delete_user(app->store, a.id);
	if (r == 0)
		cv_log(CV_LOG_NOTICE, "account", "validated", cv_log_str("email", a.email));
	return r;
}

static int check_last_administrator(struct mgr_app *app, const struct mgr_account *a, const struct mgr_change *change)
{
	int64_t others = 0;
	bool loses = (change->set_role && change->role != MGR_ROLE_ADMINISTRATOR) ||
		     (change->set_disabled && change->disabled);
	if (a->role != MGR_ROLE_ADMINISTRATOR || a->disabled || !loses)
		return 0;
	int r = mgr_store_administrators(app->store, a->id, &others);
	if (r < 0)
		return r;
	return others > 0 ? 0 : MGR_ELASTADMIN;
}

int mgr_account_change(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN],
		       const struct mgr_change *change, struct mgr_account *ret_account)
{
	struct mgr_account a;
	if (!mgr_may(by->role, MGR_ACT_MANAGE_ACCOUNTS))
		return MGR_EFORBIDDEN;
	int r = mgr_store_account_by_id(app->store, id, &a);
	if (r == CV_ENOTFOUND)
		return MGR_ENOTFOUND;
	if (r == 0)
		r = check_last_administrator(app, &a, change);
	if (r < 0)
		return r;
	if (change->set_disabled && change->disabled && !memcmp(by->id, id, MGR_ID_LEN))
		return MGR_ESELF;
	bool disables = change->set_disabled && change->disabled && !a.disabled;
	if (change->set_role)
		a.role = change->role;
	if (change->set_disabled)
		a.disabled = change->disabled;
	if (change->set_names && change->first_name)
		r = mgr_text_check(app, "first_name", change->first_name, 1, MGR_NAME_MAX, a.first_name);
	if (r == 0 && change->set_names && change->last_name)
		r = mgr_text_check(app, "last_name", change->last_name, 1, MGR_NAME_MAX, a.last_name);
	if (r == 0)
		r = mgr_store_account_update(app->store, &a);
	if (r == 0 && disables)
		r = mgr_store_session_delete_user(app->store, id);
	if (r == 0 && disables)
		r = mgr_store_validation_revoke(app->store, id, mgr_now(app));
	if (r == 0 && disables)
		r = mgr_run_revoke_everywhere(app, id);
	if (r < 0)
		return r;
	cv_log(CV_LOG_NOTICE, "account", "changed", cv_log_str("email", a.email), cv_log_str("by", by->email),
	       cv_log_str("role", mgr_role_name(a.role)), cv_log_int("disabled", a.disabled));
	*ret_account = a;
	return 0;
}
