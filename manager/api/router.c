/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <base/alloc.h>
#include <base/log.h>
#include <base/text.h>

#include "api/call.h"
#include "domain/relay.h"

#define DEPTH_BOUND 16 /* arrays and objects inside each other in a request */

void mgr_response_done(struct mgr_response *res)
{
	cv_buf_done(&res->body);
}

static void set_json(struct mgr_response *res, int status, const json_t *j, const char *content_type)
{
	char *text = json_dumps(j, JSON_COMPACT);
	cv_buf_done(&res->body);
	cv_buf_init_secret(&res->body, MGR_RESPONSE_MAX);
	res->status = text ? status : 500;
	res->content_type = content_type;
	if (text) {
		size_t len = strlen(text);
		if (cv_buf_put(&res->body, text, len) < 0) {
			cv_buf_reset(&res->body);
			res->status = 500;
		}
		cv_wipe(text, len);
		free(text);
	}
}

void mgr_response_problem(struct mgr_response *res, int err, const char *detail)
{
	char type[96];
	const struct mgr_problem *p = mgr_problem(err);
	snprintf(type, sizeof type, "urn:conclave:problem:%s", p->name);
	json_t *j = json_pack("{s:s, s:s, s:i, s:s}", "type", type, "title", p->title, "status", p->status, "detail",
			      detail && *detail ? detail : p->detail);
	set_json(res, p->status, j, "application/problem+json");
	json_decref(j);
	if (err == MGR_ENONCE)
		res->authenticate = "DPoP error=\"use_dpop_nonce\", algs=\"EdDSA\"";
	else if (err == MGR_EPROOF)
		res->authenticate = "DPoP error=\"invalid_dpop_proof\", algs=\"EdDSA\"";
	else if (err == MGR_ESESSION)
		res->authenticate = "DPoP error=\"invalid_token\", algs=\"EdDSA\"";
}

/* ---- routing ---- */

/* True when the path fits; {id} takes 32 hex digits. */
static bool match(const char *pattern, const char *path, uint8_t ret_id[MGR_ID_LEN])
{
	while (*pattern) {
		if (!strncmp(pattern, "{id}", 4)) {
			char hex[2 * MGR_ID_LEN + 1];
			size_t len = strcspn(path, "/");
			if (len != sizeof hex - 1)
				return false;
			memcpy(hex, path, len);
			hex[len] = 0;
			if (cv_hex_decode(ret_id, MGR_ID_LEN, hex) < 0)
				return false;
			pattern += 4;
			path += len;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return *path == 0;
}

static const struct mgr_route *const tables[] = {mgr_routes_account, mgr_routes_auth, mgr_routes_meeting,
						 mgr_routes_relay};

/* MGR_ENOTFOUND, or MGR_EMETHOD with the methods that there are. */
static int find_route(const struct mgr_request *req, struct mgr_response *res, uint8_t ret_id[MGR_ID_LEN],
		      const struct mgr_route **ret_route)
{
	int r = MGR_ENOTFOUND;
	for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
		for (const struct mgr_route *route = tables[t]; route->method; route++) {
			if (!(route->flags & MGR_ROUTE_RELAYS) == req->relays ||
			    !match(route->pattern, req->path, ret_id))
				continue;
			if (!strcmp(route->method, req->method)) {
				*ret_route = route;
				return 0;
			}
			size_t len = strlen(res->allow);
			snprintf(res->allow + len, sizeof res->allow - len, "%s%s", len ? ", " : "", route->method);
			r = MGR_EMETHOD;
		}
	}
	return r;
}

static bool too_deep(const char *text, size_t len)
{
	size_t depth = 0;
	bool quoted = false;
	for (size_t i = 0; i < len; i++) {
		if (quoted) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				quoted = false;
		} else if (text[i] == '"') {
			quoted = true;
		} else if (text[i] == '{' || text[i] == '[') {
			if (++depth > DEPTH_BOUND)
				return true;
		} else if ((text[i] == '}' || text[i] == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

static int parse_body(struct mgr_call *c, const struct mgr_route *route)
{
	json_error_t error;
	const struct mgr_request *req = c->req;
	if (req->body_len == 0)
		return route->flags & MGR_ROUTE_BODY ? mgr_fail(c->app, MGR_EREQUEST, "A JSON object is expected.") : 0;
	if (req->body_len > MGR_BODY_MAX)
		return MGR_ETOOLARGE;
	const char *type = req->content_type ? req->content_type : "";
	if (strncasecmp(type, "application/json", 16) || (type[16] && type[16] != ';' && type[16] != ' '))
		return MGR_EMEDIATYPE;
	if (too_deep(req->body, req->body_len))
		return mgr_fail(c->app, MGR_EREQUEST, "The JSON is nested too deeply.");
	c->in = json_loadb(req->body, req->body_len, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(c->in))
		return mgr_fail(c->app, MGR_EREQUEST, "The body must be one JSON object (line %d: %.100s).", error.line,
				c->in ? "not an object" : error.text);
	return 0;
}

static int identify(struct mgr_call *c, const struct mgr_route *route)
{
	const struct mgr_request *req = c->req;
	if (route->flags & MGR_ROUTE_CERT)
		return req->common_name ? mgr_relay_of(c->app, req->common_name, c->relay) : MGR_ECERT;
	if (!(route->flags & MGR_ROUTE_SESSION))
		return 0;
	return mgr_authenticate(c->app, req->authorization, req->proof, req->method, req->path, &c->who);
}

static int run_handler(struct mgr_call *c, const struct mgr_route *route)
{
	if (!(route->flags & (MGR_ROUTE_WRITE | MGR_ROUTE_KEEP)))
		return route->handler(c);
	int r = mgr_store_begin(c->app->store);
	if (r < 0)
		return r;
	r = route->handler(c);
	if (r < 0 && !(route->flags & MGR_ROUTE_KEEP)) {
		mgr_store_rollback(c->app->store);
		c->app->mail_added = c->app->events_added = false;
		return r;
	}
	int committed = mgr_store_commit(c->app->store);
	if (committed < 0)
		mgr_store_rollback(c->app->store);
	return committed < 0 ? committed : r;
}

static void handle(struct mgr_call *c)
{
	const struct mgr_route *route = NULL;
	int r = find_route(c->req, c->res, c->id, &route);
	if (r == 0)
		r = identify(c, route);
	if (r == 0)
		r = parse_body(c, route);
	if (r == 0)
		r = run_handler(c, route);
	if (route && route->flags & (MGR_ROUTE_SESSION | MGR_ROUTE_NONCE))
		mgr_nonce(c->app, c->res->nonce);
	if (r < 0) {
		if (mgr_problem(r)->status == 500)
			cv_log(CV_LOG_ERROR, "api", "request failed", cv_log_str("path", c->req->path),
			       cv_log_err("error", r), cv_log_str("store", mgr_store_error(c->app->store)));
		c->res->wait = false;
		if (r != MGR_EMETHOD)
			c->res->allow[0] = 0;
		if (r == MGR_ETHROTTLED)
			c->res->retry_after = c->app->retry_after;
		mgr_response_problem(c->res, r, c->app->detail);
	} else if (c->out) {
		c->res->allow[0] = 0;
		set_json(c->res, c->status ? c->status : 200, c->out, "application/json");
	} else {
		c->res->allow[0] = 0;
		c->res->status = c->status ? c->status : 204;
	}
}

void mgr_api_handle(struct mgr_app *app, const struct mgr_request *req, struct mgr_response *ret)
{
	struct mgr_relay relay;
	struct mgr_call c = {.app = app, .req = req, .res = ret, .relay = &relay};
	*ret = (struct mgr_response){0};
	cv_buf_init_secret(&ret->body, MGR_RESPONSE_MAX);
	app->detail[0] = 0;
	handle(&c);
	json_decref(c.in);
	json_decref(c.out);
	cv_wipe(&c.who, sizeof c.who);
}
