/* SPDX-License-Identifier: Apache-2.0 */
/* /validation and /users */
#include <string.h>

#include <base/alloc.h>
#include <base/text.h>

#include "api/call.h"
#include "domain/account.h"

#define TOKEN_MAX 128

static int validation_show(struct mgr_call *c)
{
	struct mgr_account a;
	const char *token;
	int r = mgr_in_text(c, "token", TOKEN_MAX, true, &token);
	if (r == 0)
		r = mgr_validation_show(c->app, token, &a);
	if (r < 0)
		return r;
	c->out = json_pack("{s:s, s:s, s:s, s:s, s:o}", "email", a.email, "first_name", a.first_name, "last_name",
			   a.last_name, "organisation", c->app->conf->organisation, "user_id",
			   mgr_json_hex(a.id, sizeof a.id));
	return 0;
}

static int validation_start(struct mgr_call *c)
{
	const char *token;
	uint8_t request[OPAQUE_REQUEST_LEN], response[OPAQUE_RESPONSE_LEN];
	int r = mgr_in_text(c, "token", TOKEN_MAX, true, &token);
	if (r == 0)
		r = mgr_in_bytes(c, "registration_request", request, sizeof request);
	if (r == 0)
		r = mgr_validation_start(c->app, token, request, sizeof request, response);
	if (r == 0)
		c->out = json_pack("{s:o}", "registration_response", mgr_json_b64(response, sizeof response));
	return r;
}

static int validation_finish(struct mgr_call *c)
{
	const char *token, *first_name, *last_name;
	uint8_t record[OPAQUE_RECORD_LEN];
	int r = mgr_in_text(c, "token", TOKEN_MAX, true, &token);
	if (r == 0)
		r = mgr_in_text(c, "first_name", 1024, true, &first_name);
	if (r == 0)
		r = mgr_in_text(c, "last_name", 1024, true, &last_name);
	if (r == 0)
		r = mgr_in_bytes(c, "registration_record", record, sizeof record);
	if (r == 0)
		r = mgr_validation_finish(c->app, token, first_name, last_name, record, sizeof record);
	cv_wipe(record, sizeof record);
	return r;
}

static int append_account(void *arg, const struct mgr_account *a)
{
	return json_array_append_new(arg, mgr_json_account(a)) == 0 ? 0 : CV_ENOMEM;
}

static int users_list(struct mgr_call *c)
{
	if (!mgr_may(c->who.account.role, MGR_ACT_MANAGE_ACCOUNTS))
		return MGR_EFORBIDDEN;
	json_t *list = json_array();
	int r = mgr_store_account_each(c->app->store, append_account, list);
	c->out = json_pack("{s:o}", "users", list);
	return r;
}

static int in_role(struct mgr_call *c, enum mgr_role def, enum mgr_role *ret_role, bool *ret_given)
{
	const char *text;
	int r = mgr_in_text(c, "role", 32, false, &text);
	if (r < 0)
		return r;
	*ret_given = text != NULL;
	*ret_role = def;
	if (text && mgr_role_parse(text, ret_role) < 0)
		return mgr_fail(c->app, MGR_EREQUEST, "role must be user, organiser or administrator");
	return 0;
}

static int users_invite(struct mgr_call *c)
{
	struct mgr_account a;
	struct mgr_invite invite = {0};
	bool given;
	if (!mgr_may(c->who.account.role, MGR_ACT_MANAGE_ACCOUNTS))
		return MGR_EFORBIDDEN;
	int r = mgr_in_text(c, "email", 1024, true, &invite.email);
	if (r == 0)
		r = in_role(c, MGR_ROLE_USER, &invite.role, &given);
	if (r == 0)
		r = mgr_in_text(c, "first_name", 1024, false, &invite.first_name);
	if (r == 0)
		r = mgr_in_text(c, "last_name", 1024, false, &invite.last_name);
	if (r == 0)
		r = mgr_in_text(c, "locale", 8, false, &invite.locale);
	if (r == 0)
		r = mgr_account_invite(c->app, &invite, &a);
	if (r < 0)
		return r;
	c->out = mgr_json_account(&a);
	c->status = 201;
	return 0;
}

static int users_change(struct mgr_call *c)
{
	struct mgr_account a;
	struct mgr_change change = {0};
	int disabled = -1;
	int r = in_role(c, MGR_ROLE_USER, &change.role, &change.set_role);
	if (r == 0)
		r = mgr_in_bool(c, "disabled", &disabled);
	if (r == 0)
		r = mgr_in_text(c, "first_name", 1024, false, &change.first_name);
	if (r == 0)
		r = mgr_in_text(c, "last_name", 1024, false, &change.last_name);
	if (r < 0)
		return r;
	change.set_disabled = disabled >= 0;
	change.disabled = disabled == 1;
	change.set_names = change.first_name || change.last_name;
	r = mgr_account_change(c->app, &c->who.account, c->id, &change, &a);
	if (r == 0)
		c->out = mgr_json_account(&a);
	return r;
}

static int users_link(struct mgr_call *c)
{
	if (!mgr_may(c->who.account.role, MGR_ACT_MANAGE_ACCOUNTS))
		return MGR_EFORBIDDEN;
	return mgr_account_send_link(c->app, c->id);
}

const struct mgr_route mgr_routes_account[] = {
	{"POST", "/api/v1/validation/show", validation_show, MGR_ROUTE_BODY},
	{"POST", "/api/v1/validation/start", validation_start, MGR_ROUTE_BODY},
	{"POST", "/api/v1/validation/finish", validation_finish, MGR_ROUTE_BODY | MGR_ROUTE_WRITE},
	{"GET", "/api/v1/users", users_list, MGR_ROUTE_SESSION},
	{"POST", "/api/v1/users", users_invite, MGR_ROUTE_SESSION | MGR_ROUTE_BODY | MGR_ROUTE_WRITE},
	{"PATCH", "/api/v1/users/{id}", users_change, MGR_ROUTE_SESSION | MGR_ROUTE_BODY | MGR_ROUTE_WRITE},
	{"POST", "/api/v1/users/{id}/link", users_link, MGR_ROUTE_SESSION | MGR_ROUTE_WRITE},
	{0},
};
