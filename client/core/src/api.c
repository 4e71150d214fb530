/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <base/secret.h>
#include <base/text.h>
#include <client/api.h>
#include <net/http.h>

#include "dpop.h"
#include "json.h"

#define NONCE_MAX  128
#define URL_ROOM   1024
#define PROOF_ROOM 4096

struct client_api {
	const struct client_profile *profile;
	struct client_clock *clock;
	const atomic_bool *cancel;
	struct net_http *http;
	char base[CLIENT_URL_MAX + 16];
	char nonce[NONCE_MAX + 1];
};

int client_manager_url(const char *text, char ret[CLIENT_URL_MAX + 1], struct client_error *err)
{
	const size_t scheme = 8;
	size_t len = strlen(text);

	while (len > scheme && text[len - 1] == '/')
		len--;
	if (strncasecmp(text, "https://", scheme) != 0 || len == scheme || len > CLIENT_URL_MAX ||
	    strcspn(text + scheme, " /?#@\"\\") < len - scheme)
		return client_fail(err, CV_EINVAL, CLIENT_USAGE,
				   "'%s' is not the address of a manager: https://host or https://host:port", text);
	for (size_t i = 0; i < len; i++)
		ret[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : text[i]);
	ret[len] = '\0';
	return 0;
}

static int base_url(const char *manager_url, char *dst, size_t size, struct client_error *err)
{
	char url[CLIENT_URL_MAX + 1];
	int r = client_manager_url(manager_url, url, err);

	if (r == 0)
		snprintf(dst, size, "%s/api/v1", url);
	return r;
}

int client_api_new(const struct client_profile *profile, const struct client_trust *trust, struct client_clock *clock,
		   const atomic_bool *cancel, struct client_api **ret, struct client_error *err)
{
	struct net_http_opts opts = {.max_response = CLIENT_RESPONSE_MAX};
	struct net_pins pins;
	struct client_api *a;
	int r;

	r = client_trust_manager_pins(trust, &pins);
	if (r != 0)
		return client_fail(err, CV_EPIN, CLIENT_SECURITY, "the manifest names no manager");
	a = cv_calloc(1, sizeof(*a));
	if (a == NULL)
		return client_fail_code(err, CV_ENOMEM, "manager");
	a->profile = profile;
	a->clock = clock;
	a->cancel = cancel;
	opts.pins = &pins;
	r = base_url(profile->manager_url, a->base, sizeof(a->base), err);
	if (r == 0)
		r = net_http_new(&opts, &a->http);
	if (r != 0) {
		client_fail_code(err, r, "manager");
		client_api_free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void client_api_free(struct client_api *a)
{
	if (a == NULL)
		return;
	net_http_free(a->http);
	cv_free(a);
}

static int transport_error(struct client_error *err, int r, const char *url, const char *detail)
{
	switch (r) {
	case CV_EPIN:
		return client_fail(err, r, CLIENT_SECURITY,
				   "%s shows a key that the organisation's manifest does not pin; nothing was sent",
				   url);
	case CV_EAUTH: return client_fail(err, r, CLIENT_SECURITY, "%s: %s", url, detail);
	case CV_EFORMAT: return client_fail(err, r, CLIENT_SECURITY, "%s does not answer as a manager does", url);
	case CV_EINVAL: return client_fail(err, r, CLIENT_USAGE, "%s: %s", url, detail);
	default:
		return client_fail(err, r, CLIENT_UNREACHABLE, "%s cannot be reached: %s", url,
				   detail[0] != '\0' ? detail : cv_strerror(r));
	}
}

/* Status of 300 and more: what the problem document says (RFC 9457). */
static int problem(struct client_error *err, int status, const struct cv_buf *body)
{
	static const char prefix[] = "urn:conclave:problem:";
	json_t *j = json_loadb((const char *)body->data, body->len, 0, NULL);
	const char *type = json_string_value(json_object_get(j, "type"));
	const char *detail = json_string_value(json_object_get(j, "detail"));
	const char *title = json_string_value(json_object_get(j, "title"));
	const char *name = "";
	char text[256];
	int r;

	if (type != NULL && strncmp(type, prefix, sizeof(prefix) - 1) == 0)
		name = type + sizeof(prefix) - 1;
	if (title != NULL && !cv_text_printable(title, strlen(title)))
		title = NULL;
	if (detail != NULL && !cv_text_printable(detail, strlen(detail)))
		detail = NULL;
	if (title == NULL)
		title = "no reason given";
	snprintf(text, sizeof(text), "%s%s%s", title, detail != NULL ? ": " : "", detail != NULL ? detail : "");
	if (status >= 500)
		r = client_fail(err, CV_EIO, CLIENT_UNREACHABLE, "the manager failed: %s (HTTP %d)", text, status);
	else if (strcmp(name, "bad-request") == 0)
		r = client_fail(err, CV_EINVAL, CLIENT_USAGE, "the manager does not take this: %s (HTTP %d)",
				detail != NULL ? detail : title, status);
	else
		r = client_fail(err, CV_EDENIED, CLIENT_REFUSED, "the manager refuses: %s (HTTP %d)", text, status);
	if (err != NULL && err->code == r)
		snprintf(err->problem, sizeof(err->problem), "%s", name);
	json_decref(j);
	return r;
}

static bool is_problem(const struct net_http_result *res, const char *name)
{
	struct client_error e = {0};

	problem(&e, res->status, &res->body);
	return strcmp(e.problem, name) == 0;
}

/* One round trip; the result is the caller's on success. */
static int round_trip(struct client_api *a, const char *method, const char *url, const char *body, bool anonymous,
		      struct net_http_result *ret, struct client_error *err)
{
	const char *headers[5] = {"Accept: application/json"};
	struct net_http_call call = {.method = method, .url = url, .headers = headers, .cancel = a->cancel};
	char authorization[CLIENT_TOKEN_MAX + 32] = "";
	struct cv_buf proof;
	size_t n = 1;
	int r = 0;

	cv_buf_init(&proof, PROOF_ROOM);
	if (body != NULL) {
		headers[n++] = "Content-Type: application/json";
		call.body = body;
		call.body_len = strlen(body);
	}
	if (!anonymous) {
		snprintf(authorization, sizeof(authorization), "Authorization: DPoP %s", a->profile->token);
		headers[n++] = authorization;
		r = cv_buf_put(&proof, "DPoP: ", 6);
		if (r == 0)
			r = client_dpop_proof(a->profile, method, url, client_clock_now(a->clock), a->nonce,
					      a->profile->token, &proof);
		headers[n++] = (const char *)proof.data;
	}
	headers[n] = NULL;
	memset(ret, 0, sizeof(*ret));
	if (r == 0) {
		r = net_http_request(a->http, &call, ret);
		if (r != 0)
			transport_error(err, r, a->profile->manager_url, ret->detail);
	}
	cv_wipe(authorization, sizeof(authorization));
	cv_buf_done(&proof);
	return r;
}

static void remember_nonce(struct client_api *a, const struct net_http_result *res)
{
	const char *nonce = net_http_result_header(res, "DPoP-Nonce");

	if (nonce != NULL && strlen(nonce) <= NONCE_MAX)
		snprintf(a->nonce, sizeof(a->nonce), "%s", nonce);
}

static int read_answer(struct client_api *a, const struct net_http_result *res, unsigned flags, json_t **ret_json,
		       struct client_error *err)
{
	json_t *j = NULL;
	int r;

	if (flags & CLIENT_API_SET_CLOCK) {
		r = client_clock_set_date(a->clock, net_http_result_header(res, "Date"), err);
		if (r != 0)
			return r;
	}
	if (res->status < 200 || res->status >= 300)
		return problem(err, res->status, &res->body);
	if (res->body.len > 0) {
		j = json_loadb((const char *)res->body.data, res->body.len, JSON_REJECT_DUPLICATES, NULL);
		if (j == NULL)
			return client_fail(err, CV_EFORMAT, CLIENT_SECURITY, "the manager's answer is not JSON");
	}
	if (ret_json != NULL)
		*ret_json = j;
	else
		json_decref(j);
	return 0;
}

int client_api_call(struct client_api *a, const char *method, const char *path, const json_t *body, unsigned flags,
		    json_t **ret_json, struct client_error *err)
{
	bool anonymous = (flags & CLIENT_API_ANONYMOUS) != 0;
	char url[URL_ROOM], *text = NULL;
	struct net_http_result res;
	int r;

	if (!anonymous && a->profile->token[0] == '\0')
		return client_fail(err, CV_EDENIED, CLIENT_REFUSED, "nobody is signed in: run 'conclave-cli login'");
	if (snprintf(url, sizeof(url), "%s%s", a->base, path) >= (int)sizeof(url))
		return client_fail_code(err, CV_ELIMIT, path);
	if (body != NULL) {
		text = json_dumps(body, JSON_COMPACT);
		if (text == NULL)
			return client_fail_code(err, CV_ENOMEM, "request");
	}
	r = round_trip(a, method, url, text, anonymous, &res, err);
	if (r == 0) {
		remember_nonce(a, &res);
		if (res.status == 401 && !anonymous && is_problem(&res, "use_dpop_nonce")) {
			net_http_result_done(&res);
			r = round_trip(a, method, url, text, anonymous, &res, err);
			if (r == 0)
				remember_nonce(a, &res);
		}
	}
	if (r == 0) {
		r = read_answer(a, &res, flags, ret_json, err);
		net_http_result_done(&res);
	}
	if (text != NULL) {
		cv_wipe(text, strlen(text));
		free(text);
	}
	return r;
}

struct contact {
	uint8_t *root, *manifest;
	size_t root_len, manifest_len;
	struct net_pin pin;
};

static void contact_done(struct contact *c)
{
	cv_free(c->root);
	cv_free(c->manifest);
}

static int parse_contact(json_t *j, struct contact *c, struct client_error *err)
{
	int r;

	r = client_json_b64(j, "root", CLIENT_CERT_MAX, &c->root, &c->root_len);
	if (r == 0)
		r = client_json_b64(j, "manifest", CLIENT_MANIFEST_MAX, &c->manifest, &c->manifest_len);
	if (r != 0)
		client_fail(err, r, CLIENT_SECURITY, "the manager's manifest cannot be read");
	return r;
}

/* Some other server behind that address is no attack, only a wrong address. */
static bool is_manager(const struct net_http_result *res)
{
	struct client_error e = {0};

	if (net_http_result_header(res, "Date") == NULL)
		return false;
	if (res->status >= 200 && res->status < 300)
		return res->body.len > 0 && res->body.data[0] == '{';
	problem(&e, res->status, &res->body);
	return e.problem[0] != '\0' || res->status >= 500;
}

/* On a connection whose key is only noted. */
static int fetch_contact(const char *manager_url, struct client_clock *clock, struct contact *ret,
			 struct client_error *err)
{
	static const struct client_profile nobody;
	struct net_http_opts opts = {.note_only = true, .max_response = CLIENT_RESPONSE_MAX};
	struct client_api a = {.profile = &nobody, .clock = clock};
	struct net_http_result res;
	char url[URL_ROOM];
	json_t *j = NULL;
	int r;

	r = base_url(manager_url, a.base, sizeof(a.base), err);
	if (r != 0)
		return r;
	snprintf(url, sizeof(url), "%s/manifest", a.base);
	r = net_http_new(&opts, &a.http);
	if (r != 0)
		return client_fail_code(err, r, manager_url);
	r = net_http_request(a.http, &(struct net_http_call){.method = "GET", .url = url}, &res);
	if (r != 0) {
		transport_error(err, r, manager_url, res.detail);
		goto out;
	}
	if (is_manager(&res))
		r = read_answer(&a, &res, CLIENT_API_SET_CLOCK, &j, err);
	else
		r = client_fail(err, CV_ENOTFOUND, CLIENT_USAGE, "%s answers, but is no manager: check the address",
				manager_url);
	if (r == 0)
		r = net_pin_parse(res.tls_pin, &ret->pin);
	if (r == 0)
		r = parse_contact(j, ret, err);
	net_http_result_done(&res);
out:
	if (r != 0)
		client_fail_code(err, r, manager_url);
	json_decref(j);
	net_http_free(a.http);
	return r;
}

int client_api_first_contact(struct client_profile *p, struct client_clock *clock, const char *manager_url,
			     const uint8_t fingerprint[CLIENT_HASH_LEN], struct client_error *err)
{
	char url[CLIENT_URL_MAX + 1];
	struct contact c = {0};
	int r = client_manager_url(manager_url, url, err);

	if (r == 0)
		r = fetch_contact(url, clock, &c, err);
	if (r == 0)
		r = client_trust_take(p, clock, url, fingerprint, (struct cv_span){c.root, c.root_len},
				      (struct cv_span){c.manifest, c.manifest_len}, &c.pin, err);
	contact_done(&c);
	return r;
}

int client_api_show_root(const char *manager_url, struct client_clock *clock, uint8_t ret_fingerprint[CLIENT_HASH_LEN],
			 struct client_error *err)
{
	struct contact c = {0};
	int r;

	r = fetch_contact(manager_url, clock, &c, err);
	if (r == 0)
		proto_sha256(c.root, c.root_len, ret_fingerprint);
	contact_done(&c);
	return r;
}

int client_api_refresh_manifest(struct client_api *a, struct client_profile *p, struct client_error *err)
{
	struct net_http_result res;
	struct contact c = {0};
	char url[URL_ROOM];
	json_t *j = NULL;
	int r;

	snprintf(url, sizeof(url), "%s/manifest", a->base);
	r = round_trip(a, "GET", url, NULL, true, &res, err);
	if (r != 0)
		return r;
	r = read_answer(a, &res, CLIENT_API_SET_CLOCK, &j, err);
	if (r == 0)
		r = net_pin_parse(res.tls_pin, &c.pin);
	if (r == 0)
		r = parse_contact(j, &c, err);
	if (r == 0 && (c.manifest_len != p->manifest_len || memcmp(c.manifest, p->manifest, c.manifest_len) != 0)) {
		r = client_trust_take(p, a->clock, p->manager_url, NULL, (struct cv_span){c.root, c.root_len},
				      (struct cv_span){c.manifest, c.manifest_len}, &c.pin, err);
	}
	if (r != 0)
		client_fail_code(err, r, "manifest");
	net_http_result_done(&res);
	json_decref(j);
	contact_done(&c);
	return r;
}
