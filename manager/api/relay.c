/* SPDX-License-Identifier: Apache-2.0 */
/* /relay/v1, on the listener for relays. */
#include <string.h>

#include <base/text.h>

#include "api/call.h"
#include "domain/relay.h"

#define CSR_MAX        8192
#define EVENTS_AT_ONCE 256

/* Root, manifest and the grant signers' keys (raw, also found in the manifest's intermediates). */
static int put_keys(struct mgr_call *c)
{
	const struct mgr_keys *k = c->app->keys;
	const struct mgr_der *signers[] = {&k->grants, &k->old_grants};
	struct cv_buf object;
	uint8_t key[PROTO_KEY_LEN];
	json_t *list = json_array();
	cv_buf_init(&object, PROTO_SIGNED_MAX);
	int r = mgr_manifest_get(c->app, &object);
	for (size_t i = 0; r == 0 && i < 2; i++) {
		if (signers[i]->len && proto_cert_key(signers[i]->data, signers[i]->len, key) == 0)
			json_array_append_new(list, mgr_json_b64(key, sizeof key));
	}
	json_object_set_new(c->out, "root", mgr_json_b64(k->root.data, k->root.len));
	json_object_set_new(c->out, "manifest", mgr_json_b64(object.data, object.len));
	json_object_set_new(c->out, "grant_signers", list);
	cv_buf_done(&object);
	return r;
}

static int in_pins(struct mgr_call *c, struct mgr_enrol *in)
{
	const json_t *list = json_object_get(c->in, "spki_pins");
	size_t n = json_array_size(list);
	if (!json_is_array(list) || n < PROTO_PINS_MIN || n > MGR_PINS_MAX)
		return mgr_fail(c->app, MGR_EREQUEST, "spki_pins must hold 2 to %d pins", MGR_PINS_MAX);
	for (size_t i = 0; i < n; i++) {
		const char *s = json_string_value(json_array_get(list, i));
		size_t len = 0;
		if (!s || cv_b64_decode(in->pins[i], MGR_HASH_LEN, s, strlen(s), &len) < 0 || len != MGR_HASH_LEN)
			return mgr_fail(c->app, MGR_EREQUEST, "spki_pins must hold SHA-256 hashes in base64url");
	}
	in->n_pins = n;
	return 0;
}

static int enrol(struct mgr_call *c)
{
	struct mgr_enrol in = {0};
	struct mgr_enrolled out;
	int r = mgr_in_text(c, "token", 128, true, &in.token);
	if (r == 0)
		r = mgr_in_text(c, "csr", CSR_MAX, true, &in.csr);
	if (r == 0)
		r = mgr_in_text(c, "url", MGR_URL_MAX, true, &in.url);
	if (r == 0)
		r = in_pins(c, &in);
	if (r == 0)
		r = mgr_relay_enrol(c->app, &in, &out);
	if (r < 0)
		return r;
	c->out = json_pack("{s:o, s:s, s:s}", "relay_id", mgr_json_hex(out.relay_id, MGR_ID_LEN), "certificate",
			   (const char *)out.certificate.data, "ca", (const char *)out.ca.data);
	mgr_enrolled_done(&out);
	c->status = 201;
	return c->out ? put_keys(c) : CV_ENOMEM;
}

static int keys(struct mgr_call *c)
{
	c->out = json_object();
	return put_keys(c);
}

static int append_event(void *arg, const struct mgr_event *e)
{
	json_t *j =
		json_pack("{s:I, s:s, s:I}", "n", (json_int_t)e->n, "kind", e->kind, "time", (json_int_t)e->created);
	if (e->has_run)
		json_object_set_new(j, "run_id", mgr_json_hex(e->run_id, sizeof e->run_id));
	if (e->object && !strcmp(e->kind, "run-ended"))
		json_object_set_new(j, "reason", json_stringn((const char *)e->object, e->object_len));
	else if (e->object)
		json_object_set_new(j, "revocation", mgr_json_b64(e->object, e->object_len));
	return json_array_append_new(arg, j) == 0 ? 0 : CV_ENOMEM;
}

static int events(struct mgr_call *c)
{
	int64_t after = mgr_query_int(c, "after", 0), last = 0;
	json_t *list = json_array();
	int r = mgr_store_event_last(c->app->store, &last);
	/* The relay has seen what this database has not: it was restored from a backup, and counts from there again. */
	if (after > last)
		after = 0;
	if (r == 0)
		r = mgr_store_event_each(c->app->store, after, EVENTS_AT_ONCE, append_event, list);
	if (r == 0 && json_array_size(list) == 0 && !c->req->last_chance)
		c->res->wait = true;
	c->out = json_pack("{s:o}", "events", list);
	return r;
}

const struct mgr_route mgr_routes_relay[] = {
	{"POST", "/relay/v1/enrol", enrol, MGR_ROUTE_RELAYS | MGR_ROUTE_BODY | MGR_ROUTE_WRITE},
	{"GET", "/relay/v1/keys", keys, MGR_ROUTE_RELAYS | MGR_ROUTE_CERT},
	{"GET", "/relay/v1/events", events, MGR_ROUTE_RELAYS | MGR_ROUTE_CERT},
	{0},
};
