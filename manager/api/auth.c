/* SPDX-License-Identifier: Apache-2.0 */
/* /manifest and /auth */
#include <string.h>

#include <base/text.h>

#include "api/call.h"
#include "domain/relay.h"

static int manifest(struct mgr_call *c)
{
	struct cv_buf object;
	const struct mgr_der *root = &c->app->keys->root;
	cv_buf_init(&object, PROTO_SIGNED_MAX);
	int r = mgr_manifest_get(c->app, &object);
	if (r == 0)
		c->out = json_pack("{s:o, s:o}", "root", mgr_json_b64(root->data, root->len), "manifest",
				   mgr_json_b64(object.data, object.len));
	cv_buf_done(&object);
	return r;
}

static int login_start(struct mgr_call *c)
{
	const char *email;
	uint8_t ke1[OPAQUE_KE1_LEN], ke2[OPAQUE_KE2_LEN], id[MGR_ID_LEN];
	int r = mgr_in_text(c, "email", MGR_EMAIL_MAX, true, &email);
	if (r == 0)
		r = mgr_in_bytes(c, "ke1", ke1, sizeof ke1);
	if (r == 0)
		r = mgr_login_start(c->app, email, c->req->address, ke1, sizeof ke1, id, ke2);
	if (r == 0)
		c->out = json_pack("{s:o, s:o}", "login_id", mgr_json_hex(id, sizeof id), "ke2",
				   mgr_json_b64(ke2, sizeof ke2));
	return r;
}

static int put_certificate(struct mgr_call *c, const struct mgr_account *a, const uint8_t key[PROTO_KEY_LEN])
{
	struct cv_buf der;
	const struct mgr_der *issuer = &c->app->keys->issuer;
	cv_buf_init(&der, PROTO_CERTIFICATE_MAX);
	int r = mgr_identity_issue(c->app, a, key, &der);
	if (r == 0)
		json_object_set_new(
			c->out, "certificate",
			json_pack("[o, o]", mgr_json_b64(der.data, der.len), mgr_json_b64(issuer->data, issuer->len)));
	cv_buf_done(&der);
	return r;
}

static int login_finish(struct mgr_call *c)
{
	struct mgr_login_finish in;
	struct mgr_signed_in out = {0};
	int r = mgr_in_id(c, "login_id", in.login_id);
	if (r == 0)
		r = mgr_in_bytes(c, "ke3", in.ke3, sizeof in.ke3);
	if (r == 0)
		r = mgr_in_bytes(c, "device_key", in.device_key, sizeof in.device_key);
	if (r == 0)
		r = mgr_in_bytes(c, "device_signature", in.device_signature, sizeof in.device_signature);
	if (r == 0)
		r = mgr_in_bytes(c, "device_mac", in.device_mac, sizeof in.device_mac);
	if (r == 0)
		r = mgr_login_finish(c->app, c->req->address, &in, &out);
	if (r < 0)
		return r;
	c->out = json_pack("{s:s, s:s, s:I, s:o}", "access_token", out.token, "token_type", "DPoP", "expires_in",
			   (json_int_t)out.expires_in, "user", mgr_json_account(&out.account));
	r = put_certificate(c, &out.account, in.device_key);
	cv_wipe(&out, sizeof out);
	return r;
}

static int logout(struct mgr_call *c)
{
	return mgr_store_session_delete(c->app->store, c->who.token_hash);
}

static int whoami(struct mgr_call *c)
{
	c->out = json_pack("{s:o, s:s, s:I}", "user", mgr_json_account(&c->who.account), "organisation",
			   c->app->conf->organisation, "expires_in", (json_int_t)(c->who.expires - mgr_now(c->app)));
	return 0;
}

static int certificate(struct mgr_call *c)
{
	c->out = json_object();
	return put_certificate(c, &c->who.account, c->who.device_key);
}

const struct mgr_route mgr_routes_auth[] = {
	{"GET", "/api/v1/manifest", manifest, 0},
	{"POST", "/api/v1/auth/login/start", login_start, MGR_ROUTE_BODY | MGR_ROUTE_KEEP},
	{"POST", "/api/v1/auth/login/finish", login_finish, MGR_ROUTE_BODY | MGR_ROUTE_WRITE | MGR_ROUTE_NONCE},
	{"POST", "/api/v1/auth/logout", logout, MGR_ROUTE_SESSION | MGR_ROUTE_WRITE},
	{"GET", "/api/v1/auth/whoami", whoami, MGR_ROUTE_SESSION},
	{"POST", "/api/v1/auth/certificate", certificate, MGR_ROUTE_SESSION},
	{0},
};
