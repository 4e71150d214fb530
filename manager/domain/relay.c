/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <base/log.h>
#include <base/text.h>
#include <net/tls.h>

#include "domain/files.h"
#include "domain/relay.h"

#define PEM_MAX 65536

int mgr_relay_token(struct mgr_app *app, char ret_token[MGR_TOKEN_TEXT])
{
	uint8_t hash[MGR_HASH_LEN];
	int64_t now = mgr_now(app);
	int r = mgr_token_new(app, ret_token, hash);
	return r < 0 ? r : mgr_store_relay_token_add(app->store, hash, now, now + MGR_RELAY_TOKEN_S);
}

static int read_pem(const struct mgr_app *app, const char *name, struct cv_buf *ret)
{
	char path[MGR_PATH_MAX];
	int r = mgr_path(path, app->conf->data, name);
	if (r == 0)
		r = cv_file_read(path, ret);
	return r < 0 ? r : cv_buf_put_u8(ret, 0);
}

static int certify(const struct mgr_app *app, const char *csr, const uint8_t relay_id[MGR_ID_LEN],
		   struct mgr_enrolled *out)
{
	char hex[2 * MGR_ID_LEN + 1];
	struct cv_buf key, ca_key;
	cv_buf_init(&key, PEM_MAX);
	cv_buf_init_secret(&ca_key, PEM_MAX);
	cv_hex_encode(hex, relay_id, MGR_ID_LEN);
	int r = net_csr_public(csr, &key);
	if (r == 0)
		r = read_pem(app, MGR_RELAY_CA, &out->ca);
	if (r == 0)
		r = read_pem(app, MGR_RELAY_CA_KEY, &ca_key);
	if (r < 0)
		goto out;
	struct net_cert_opts opts = {.common_name = hex,
				     .days = MGR_RELAY_CERT_DAYS,
				     .issuer_cert = (const char *)out->ca.data,
				     .issuer_key_pem = (const char *)ca_key.data};
	r = net_cert_make(&opts, (const char *)key.data, &out->certificate);
out:
	cv_buf_done(&key);
	cv_buf_done(&ca_key);
	return r;
}

static int check_pins(struct mgr_app *app, const struct mgr_enrol *in)
{
	if (in->n_pins < PROTO_PINS_MIN)
		return mgr_fail(app, MGR_EREQUEST, "spki_pins must hold at least two pins, one of them of a spare key");
	for (size_t i = 0; i < in->n_pins; i++) {
		for (size_t k = 0; k < i; k++) {
			if (!memcmp(in->pins[i], in->pins[k], MGR_HASH_LEN))
				return mgr_fail(app, MGR_EREQUEST, "spki_pins must differ from each other");
		}
	}
	return 0;
}

static int enrol(struct mgr_app *app, const struct mgr_enrol *in, struct mgr_enrolled *out)
{
	uint8_t hash[MGR_HASH_LEN];
	struct mgr_relay relay = {.created = mgr_now(app), .n_pins = in->n_pins};
	if (mgr_url_check(in->url, NULL, 0) < 0)
		return mgr_fail(app, MGR_EREQUEST, "url must be https://host or https://host:port");
	int r = check_pins(app, in);
	if (r < 0)
		return r;
	if (!app->keys->has_root)
		return MGR_EROOT;
	mgr_token_hash(in->token, hash);
	r = mgr_store_relay_token_use(app->store, hash, relay.created);
	if (r == CV_ENOTFOUND)
		return MGR_ETOKEN;
	if (r == 0)
		r = mgr_id_new(app, relay.id);
	if (r == 0)
		r = certify(app, in->csr, relay.id, out);
	if (r == CV_EFORMAT || r == CV_EAUTH)
		return mgr_fail(app, MGR_EREQUEST, "csr must be a PKCS#10 request or public key of a P-256 key in PEM");
	if (r < 0)
		return r;
	memcpy(relay.pins, in->pins, sizeof relay.pins);
	snprintf(relay.url, sizeof relay.url, "%s", in->url);
	r = mgr_store_relay_add(app->store, &relay);
	if (r == 0)
		r = mgr_manifest_sign(app);
	memcpy(out->relay_id, relay.id, MGR_ID_LEN);
	return r;
}

int mgr_relay_enrol(struct mgr_app *app, const struct mgr_enrol *in, struct mgr_enrolled *ret)
{
	struct mgr_enrolled out = {0};
	cv_buf_init(&out.certificate, PEM_MAX);
	cv_buf_init(&out.ca, PEM_MAX);
	int r = enrol(app, in, &out);
	if (r < 0) {
		mgr_enrolled_done(&out);
		return r;
	}
	cv_log(CV_LOG_NOTICE, "relay", "enrolled", cv_log_str("url", in->url));
	*ret = out;
	return 0;
}

void mgr_enrolled_done(struct mgr_enrolled *e)
{
	cv_buf_done(&e->certificate);
	cv_buf_done(&e->ca);
}

int mgr_relay_of(struct mgr_app *app, const char *common_name, struct mgr_relay *ret)
{
	uint8_t id[MGR_ID_LEN];
	struct mgr_relay relay;
	if (strlen(common_name) != 2 * MGR_ID_LEN || cv_hex_decode(id, sizeof id, common_name) < 0)
		return MGR_ECERT;
	int r = mgr_store_relay_get(app->store, id, &relay);
	if (r == CV_ENOTFOUND || (r == 0 && relay.retired))
		return MGR_ECERT;
	if (r == 0)
		*ret = relay;
	return r;
}
