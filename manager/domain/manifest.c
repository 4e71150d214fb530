/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>
#include <base/log.h>
#include <base/text.h>
#include <net/tls.h>

#include "domain/files.h"
#include "domain/relay.h"

#define SIGNED_TEXT_MAX (CV_B64_LEN(PROTO_SIGNED_MAX) + 1)

struct servers {
	struct proto_server list[PROTO_MANIFEST_SERVERS_MAX];
	struct mgr_relay relays[PROTO_MANIFEST_SERVERS_MAX];
	size_t n;
};

static int take_relay(void *arg, const struct mgr_relay *r)
{
	struct servers *s = arg;
	if (s->n == PROTO_MANIFEST_SERVERS_MAX)
		return CV_ELIMIT;
	struct proto_server *out = &s->list[s->n];
	s->relays[s->n] = *r;
	*out = (struct proto_server){.kind = PROTO_SERVER_RELAY, .url = s->relays[s->n].url, .n_pins = r->n_pins};
	memcpy(out->id, r->id, PROTO_ID_LEN);
	memcpy(out->pins, r->pins, r->n_pins * PROTO_HASH_LEN);
	s->n++;
	return 0;
}

static int own_pins(const struct mgr_app *app, struct proto_server *out)
{
	struct net_pin pin;
	int r = net_pin_of_cert_file(app->conf->certificate, &pin);
	if (r < 0)
		return r;
	memcpy(out->pins[0], pin.sha256, PROTO_HASH_LEN);
	r = net_pin_of_key_file(app->conf->spare_key, &pin);
	if (r < 0)
		return r;
	memcpy(out->pins[1], pin.sha256, PROTO_HASH_LEN);
	out->n_pins = 2;
	return 0;
}

static int manager_id(struct mgr_app *app, uint8_t ret_id[PROTO_ID_LEN])
{
	char hex[2 * PROTO_ID_LEN + 1];
	int r = mgr_store_setting_get(app->store, "manager_id", hex, sizeof hex);
	if (r == 0)
		return cv_hex_decode(ret_id, PROTO_ID_LEN, hex);
	if (r != CV_ENOTFOUND)
		return r;
	r = mgr_id_new(app, ret_id);
	if (r < 0)
		return r;
	cv_hex_encode(hex, ret_id, PROTO_ID_LEN);
	return mgr_store_setting_set(app->store, "manager_id", hex);
}

static int fill_servers(struct mgr_app *app, struct servers *s)
{
	struct proto_server *own = &s->list[0];
	*own = (struct proto_server){.kind = PROTO_SERVER_MANAGER, .url = app->conf->url};
	s->n = 1;
	int r = manager_id(app, own->id);
	if (r == 0)
		r = own_pins(app, own);
	if (r == 0)
		r = mgr_store_relay_each(app->store, take_relay, s);
	return r;
}

static size_t fill_intermediates(const struct mgr_keys *k, struct proto_intermediate out[4])
{
	const struct {
		const struct mgr_der *der;
		uint8_t kind;
	} all[] = {{&k->issuer, PROTO_INTERMEDIATE_ISSUER},
		   {&k->grants, PROTO_INTERMEDIATE_GRANTS},
		   {&k->old_issuer, PROTO_INTERMEDIATE_ISSUER},
		   {&k->old_grants, PROTO_INTERMEDIATE_GRANTS}};
	size_t n = 0;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		if (all[i].der->len)
			out[n++] = (struct proto_intermediate){all[i].kind, all[i].der->data, all[i].der->len};
	}
	return n;
}

/* A database that cannot be read must not take the version back to 1. */
static int present_version(struct mgr_app *app, int64_t *ret_version)
{
	char text[32];
	int r = mgr_store_setting_get(app->store, "manifest_version", text, sizeof text);
	if (r < 0 && r != CV_ENOTFOUND)
		return r;
	*ret_version = r == 0 ? strtoll(text, NULL, 10) : 0;
	return 0;
}

static int keep(struct mgr_app *app, const struct cv_buf *object, int64_t version, int64_t expires)
{
	char number[32];
	char *text = cv_malloc(CV_B64_LEN(object->len) + 1);
	if (!text)
		return CV_ENOMEM;
	cv_b64_encode(text, object->data, object->len);
	int r = mgr_store_setting_set(app->store, "manifest", text);
	cv_free(text);
	snprintf(number, sizeof number, "%lld", (long long)version);
	if (r == 0)
		r = mgr_store_setting_set(app->store, "manifest_version", number);
	snprintf(number, sizeof number, "%lld", (long long)expires);
	if (r == 0)
		r = mgr_store_setting_set(app->store, "manifest_expires", number);
	if (r == 0)
		r = mgr_store_event_add(app->store, "manifest", NULL, NULL, 0, mgr_now(app));
	app->events_added = true;
	return r;
}

int mgr_manifest_sign(struct mgr_app *app)
{
	struct proto_intermediate intermediates[4];
	struct cv_buf object;
	int64_t now = mgr_now(app), version = 0;
	if (!app->keys->has_root)
		return MGR_EROOT;
	int r = present_version(app, &version);
	if (r < 0)
		return r;
	version++;
	struct servers *servers = cv_calloc(1, sizeof *servers);
	if (!servers)
		return CV_ENOMEM;
	cv_buf_init(&object, PROTO_SIGNED_MAX);
	r = fill_servers(app, servers);
	if (r < 0)
		goto out;
	struct proto_manifest m = {.version = (uint64_t)version,
				   .issued = (uint64_t)now,
				   .expires = (uint64_t)(now + MGR_MANIFEST_S),
				   .organisation = app->conf->organisation,
				   .manager_url = app->conf->url,
				   .servers = servers->list,
				   .n_servers = servers->n,
				   .intermediates = intermediates,
				   .n_intermediates = fill_intermediates(app->keys, intermediates)};
	r = proto_manifest_sign(&m, app->keys->root_seed, &object);
	if (r == 0)
		r = keep(app, &object, version, now + MGR_MANIFEST_S);
	if (r == 0)
		cv_log(CV_LOG_NOTICE, "manifest", "signed", cv_log_int("version", version),
		       cv_log_uint("servers", servers->n));
out:
	cv_buf_done(&object);
	cv_free(servers);
	return r;
}

int mgr_manifest_get(struct mgr_app *app, struct cv_buf *ret)
{
	char *text = cv_malloc(SIGNED_TEXT_MAX);
	uint8_t *raw = cv_malloc(PROTO_SIGNED_MAX);
	size_t len = 0;
	int r = text && raw ? mgr_store_setting_get(app->store, "manifest", text, SIGNED_TEXT_MAX) : CV_ENOMEM;
	if (r == 0)
		r = cv_b64_decode(raw, PROTO_SIGNED_MAX, text, strlen(text), &len);
	if (r == 0)
		r = cv_buf_put(ret, raw, len);
	cv_free(text);
	cv_free(raw);
	return r;
}

/* True when the manager's URL, name, pins or intermediates are no longer what the manifest says. */
static bool manifest_differs(struct mgr_app *app)
{
	struct proto_manifest m = {0};
	struct proto_server own = {0};
	struct cv_buf object;
	cv_buf_init(&object, PROTO_SIGNED_MAX);
	bool differs = true;
	if (mgr_manifest_get(app, &object) < 0 ||
	    proto_manifest_open(object.data, object.len, app->keys->root_key, &m) < 0)
		goto out;
	const struct proto_server *said = proto_manifest_server(&m, PROTO_SERVER_MANAGER, NULL);
	if (!said || own_pins(app, &own) < 0)
		goto out;
	differs = strcmp(m.manager_url, app->conf->url) || strcmp(m.organisation, app->conf->organisation) ||
		  said->n_pins != own.n_pins || memcmp(said->pins, own.pins, own.n_pins * PROTO_HASH_LEN) != 0 ||
		  m.n_intermediates < 2 || m.intermediates[0].certificate_len != app->keys->issuer.len ||
		  memcmp(m.intermediates[0].certificate, app->keys->issuer.data, app->keys->issuer.len) != 0;
out:
	proto_manifest_done(&m);
	cv_buf_done(&object);
	return differs;
}

int mgr_manifest_pinned(struct mgr_app *app, const char *certificate, bool *ret_pinned)
{
	struct proto_manifest m = {0};
	struct net_pin pin;
	struct cv_buf object;
	bool pinned = false;
	cv_buf_init(&object, PROTO_SIGNED_MAX);
	int r = net_pin_of_cert_file(certificate, &pin);
	if (r == 0)
		r = mgr_manifest_get(app, &object);
	if (r == 0)
		r = proto_manifest_open(object.data, object.len, app->keys->root_key, &m);
	const struct proto_server *own = r == 0 ? proto_manifest_server(&m, PROTO_SERVER_MANAGER, NULL) : NULL;
	for (size_t i = 0; own && i < own->n_pins; i++)
		pinned = pinned || !memcmp(own->pins[i], pin.sha256, PROTO_HASH_LEN);
	proto_manifest_done(&m);
	cv_buf_done(&object);
	if (r == 0)
		*ret_pinned = pinned;
	return r;
}

static int tend_intermediates(struct mgr_app *app, bool *ret_rotated)
{
	char dir[MGR_PATH_MAX];
	int64_t left = 0;
	int r = mgr_keys_life(app->keys, mgr_now(app), &left);
	if (r < 0 || left > MGR_ROTATE_S)
		return r;
	if (!app->keys->has_root) {
		cv_log(left > 0 ? CV_LOG_WARNING : CV_LOG_CRITICAL, "keys",
		       "the identity issuer and grant signer expire soon and the root key is away: run sign-manifest",
		       cv_log_int("days", left / 86400));
		return 0;
	}
	r = mgr_path(dir, app->conf->data, MGR_KEYS_DIR);
	if (r == 0)
		r = mgr_keys_rotate(dir, app->keys, mgr_now(app), app->rng);
	if (r == 0) {
		*ret_rotated = true;
		cv_log(CV_LOG_NOTICE, "keys", "identity issuer and grant signer renewed");
	}
	return r;
}

int mgr_manifest_tend(struct mgr_app *app)
{
	char text[32];
	bool rotated = false;
	int r = tend_intermediates(app, &rotated);
	if (r < 0)
		return r;
	r = mgr_store_setting_get(app->store, "manifest_expires", text, sizeof text);
	if (r < 0 && r != CV_ENOTFOUND)
		return r;
	int64_t left = r == 0 ? strtoll(text, NULL, 10) - mgr_now(app) : -1;
	if (!rotated && left > MGR_MANIFEST_RENEW && !manifest_differs(app))
		return 0;
	r = mgr_manifest_sign(app);
	if (r != MGR_EROOT)
		return r;
	cv_log(left > 0 ? CV_LOG_WARNING : CV_LOG_CRITICAL, "manifest",
	       "the manifest must be signed anew and the root key is away: run sign-manifest",
	       cv_log_int("days", left / 86400));
	return 0;
}
