/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <base/alloc.h>
#include <base/secret.h>
#include <base/text.h>
#include <client/signin.h>
#include <opaque/opaque.h>
#include <proto/identity.h>
#include <proto/signed.h>

#include "json.h"

#define MAC_LABEL "Conclave 1 Sign-in MAC"

int client_link_parse(const char *link, struct client_link *ret, struct client_error *err)
{
	const char *path = strstr(link, "/validate#");
	struct client_link l = {0};
	const char *token, *org;
	size_t url_len, token_len;

	if (strncmp(link, "https://", 8) != 0 || path == NULL)
		goto bad;
	url_len = (size_t)(path - link);
	token = strstr(path, "#t=");
	org = strstr(path, "&org=");
	if (token == NULL || org == NULL || token + 3 > org || url_len > CLIENT_URL_MAX)
		goto bad;
	token += 3;
	token_len = (size_t)(org - token);
	if (token_len == 0 || token_len > CLIENT_LINK_TOKEN_MAX ||
	    cv_hex_decode(l.fingerprint, sizeof(l.fingerprint), org + 5) != 0)
		goto bad;
	memcpy(l.manager_url, link, url_len);
	memcpy(l.token, token, token_len);
	*ret = l;
	return 0;
bad:
	return client_fail(err, CV_EFORMAT, CLIENT_USAGE,
			   "this is not a validation link (https://…/validate#t=…&org=…)");
}

/* Trust of the profile and an API client on it. */
struct session {
	struct client_trust trust;
	struct client_api *api;
};

static int session_open(struct session *s, struct client_profile *p, struct client_clock *clock,
			struct client_error *err)
{
	int r;

	memset(s, 0, sizeof(*s));
	r = client_trust_load(p, clock, &s->trust, err);
	if (r == 0)
		r = client_api_new(p, &s->trust, clock, NULL, &s->api, err);
	return r;
}

static void session_close(struct session *s)
{
	client_api_free(s->api);
	client_trust_done(&s->trust);
}

static json_t *token_body(const struct client_link *link)
{
	json_t *j = json_object();

	json_object_set_new(j, "token", json_string(link->token));
	return j;
}

static int show_validation(struct client_api *api, const struct client_link *link, struct client_validation *v,
			   struct client_error *err)
{
	json_t *body = token_body(link), *answer = NULL;
	int r;

	r = client_api_call(api, "POST", "/validation/show", body, CLIENT_API_ANONYMOUS | CLIENT_API_SET_CLOCK, &answer,
			    err);
	if (r == 0 &&
	    (client_json_text(answer, "email", v->email, sizeof(v->email)) != 0 ||
	     client_json_text_or_empty(answer, "organisation", v->organisation, sizeof(v->organisation)) != 0))
		r = client_fail(err, CV_EFORMAT, CLIENT_SECURITY, "the manager's answer cannot be read");
	json_decref(body);
	json_decref(answer);
	return r;
}

/* OPAQUE registration; wipes the password after the blinding, the last time it is used here. */
static int register_password(struct client_api *api, const struct client_link *link, const struct client_validation *v,
			     struct client_password *password, struct client_error *err)
{
	uint8_t request[OPAQUE_REQUEST_LEN], response[OPAQUE_RESPONSE_LEN], record[OPAQUE_RECORD_LEN];
	uint8_t export_key[OPAQUE_EXPORT_KEY_LEN], server_key[OPAQUE_KEY_LEN];
	json_t *body = token_body(link), *answer = NULL;
	struct opaque_client c;
	int r;

	memset(&c, 0, sizeof(c));
	r = opaque_client_register_start(&c, cv_rng_system(), password->text, password->len, request);
	client_password_wipe(password);
	if (r != 0)
		goto out;
	json_object_set_new(body, "registration_request", client_json_from_b64(request, sizeof(request)));
	r = client_api_call(api, "POST", "/validation/start", body, CLIENT_API_ANONYMOUS, &answer, err);
	if (r != 0)
		goto out;
	r = client_json_b64_exact(answer, "registration_response", response, sizeof(response));
	if (r == 0)
		r = opaque_client_register_finish(&c, &opaque_config_v1, NULL, cv_rng_system(), response,
						  sizeof(response), record, export_key, server_key);
	if (r != 0)
		goto out;
	json_object_del(body, "registration_request");
	json_object_set_new(body, "registration_record", client_json_from_b64(record, sizeof(record)));
	json_object_set_new(body, "first_name", json_string(v->first_name));
	json_object_set_new(body, "last_name", json_string(v->last_name));
	r = client_api_call(api, "POST", "/validation/finish", body, CLIENT_API_ANONYMOUS, NULL, err);
out:
	if (r != 0)
		client_fail_code(err, r, "account validation");
	opaque_client_done(&c);
	cv_wipe(export_key, sizeof(export_key));
	json_decref(body);
	json_decref(answer);
	return r;
}

int client_validate(struct client_profile *p, struct client_clock *clock, const struct client_link *link,
		    struct client_validation *v, struct client_password *password, struct client_error *err)
{
	struct client_person person = {.email = v->email, .first_name = v->first_name, .last_name = v->last_name};
	struct session s;
	int r;

	memset(&s, 0, sizeof(s));
	r = client_api_first_contact(p, clock, link->manager_url, link->fingerprint, err);
	if (r == 0)
		r = session_open(&s, p, clock, err);
	if (r == 0)
		r = show_validation(s.api, link, v, err);
	if (r == 0)
		r = client_password_check(password, &person, err);
	if (r == 0)
		r = register_password(s.api, link, v, password, err);
	if (r == 0)
		r = client_profile_save(p, err);
	client_password_wipe(password);
	session_close(&s);
	return r;
}

/* HMAC-SHA512 under HKDF-Expand(session_key, label, 64). */
static int sign_in_mac(const uint8_t session_key[OPAQUE_SESSION_KEY_LEN], const uint8_t *content, size_t len,
		       uint8_t ret_mac[64])
{
	uint8_t key[64];
	unsigned int mac_len = 64;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY, r = CV_ECRYPTO;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int("mode", &mode),
		OSSL_PARAM_construct_utf8_string("digest", (char *)(uintptr_t) "SHA512", 0),
		OSSL_PARAM_construct_octet_string("key", (void *)(uintptr_t)session_key, OPAQUE_SESSION_KEY_LEN),
		OSSL_PARAM_construct_octet_string("info", (void *)(uintptr_t)MAC_LABEL, sizeof(MAC_LABEL) - 1),
		OSSL_PARAM_construct_end(),
	};

	if (ctx != NULL && EVP_KDF_derive(ctx, key, sizeof(key), params) == 1 &&
	    HMAC(EVP_sha512(), key, sizeof(key), content, len, ret_mac, &mac_len) != NULL)
		r = 0;
	cv_wipe(key, sizeof(key));
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return r;
}

static int take_certificates(struct client_profile *p, const json_t *list)
{
	const json_t *item;
	size_t i;

	if (json_array_size(list) < 2 || json_array_size(list) > CLIENT_CERTS_MAX)
		return CV_EFORMAT;
	json_array_foreach(list, i, item)
	{
		uint8_t *der;
		size_t len;
		int r = client_json_b64_value(item, CLIENT_CERT_MAX, &der, &len);

		if (r != 0)
			return r;
		memcpy(p->cert[i].der, der, len);
		p->cert[i].len = len;
		cv_free(der);
	}
	p->certs = json_array_size(list);
	return 0;
}

/* The certificate must be for this device and by the organisation's issuer: else nobody would accept it anyway. */
static int check_certificate(struct client_profile *p, const struct client_trust *t, const struct client_clock *clock,
			     struct client_error *err)
{
	struct proto_identity id;
	int r;

	r = proto_trust_identity(t->chain, (struct cv_span){p->cert[0].der, p->cert[0].len},
				 (struct cv_span){p->cert[1].der, p->cert[1].len}, client_clock_now(clock), 0, &id);
	if (r == 0 && (memcmp(id.device_key, p->device_key, sizeof(id.device_key)) != 0 ||
		       memcmp(id.user_id, p->user_id, sizeof(id.user_id)) != 0))
		r = CV_EAUTH;
	if (r != 0)
		return client_fail(err, r, CLIENT_SECURITY, "the manager's identity certificate is not valid (%s)",
				   cv_strerror(r));
	snprintf(p->name, sizeof(p->name), "%s", id.display_name);
	return 0;
}

static int take_login(struct client_profile *p, const struct client_trust *t, const struct client_clock *clock,
		      const json_t *answer, struct client_error *err)
{
	const json_t *user = json_object_get(answer, "user");
	uint64_t life = 0;

	if (client_json_text(answer, "access_token", p->token, sizeof(p->token)) != 0 ||
	    client_json_uint(answer, "expires_in", &life) != 0 ||
	    client_json_hex(user, "id", p->user_id, sizeof(p->user_id)) != 0 ||
	    client_json_text(user, "email", p->email, sizeof(p->email)) != 0 ||
	    client_json_text(user, "role", p->role, sizeof(p->role)) != 0 ||
	    take_certificates(p, json_object_get(answer, "certificate")) != 0)
		return client_fail(err, CV_EFORMAT, CLIENT_SECURITY, "the manager's answer cannot be read");
	p->token_expires = client_clock_now(clock) + life;
	return check_certificate(p, t, clock, err);
}

struct login {
	struct opaque_client client;
	uint8_t id[PROTO_ID_LEN];
	uint8_t ke1[OPAQUE_KE1_LEN], ke2[OPAQUE_KE2_LEN], ke3[OPAQUE_KE3_LEN];
	struct opaque_client_result result;
};

static int login_start(struct client_api *api, struct login *l, const char *email, struct client_password *password,
		       struct client_error *err)
{
	json_t *body = json_object(), *answer = NULL;
	int r;

	r = opaque_client_login_start(&l->client, cv_rng_system(), password->text, password->len, l->ke1);
	client_password_wipe(password);
	if (r != 0)
		goto out;
	json_object_set_new(body, "email", json_string(email));
	json_object_set_new(body, "ke1", client_json_from_b64(l->ke1, sizeof(l->ke1)));
	r = client_api_call(api, "POST", "/auth/login/start", body, CLIENT_API_ANONYMOUS | CLIENT_API_SET_CLOCK,
			    &answer, err);
	if (r != 0)
		goto out;
	if (client_json_hex(answer, "login_id", l->id, sizeof(l->id)) != 0 ||
	    client_json_b64_exact(answer, "ke2", l->ke2, sizeof(l->ke2)) != 0) {
		r = client_fail(err, CV_EFORMAT, CLIENT_SECURITY, "the manager's answer cannot be read");
		goto out;
	}
	r = opaque_client_login_finish(&l->client, &opaque_config_v1, NULL, l->ke2, sizeof(l->ke2), l->ke3, &l->result);
	if (r == CV_EAUTH)
		client_fail(err, r, CLIENT_REFUSED, "sign-in failed: wrong e-mail address or password");
out:
	if (r != 0)
		client_fail_code(err, r, "sign-in");
	json_decref(body);
	json_decref(answer);
	return r;
}

static int login_finish(struct client_api *api, struct login *l, const struct client_profile *p, json_t **ret_answer,
			struct client_error *err)
{
	uint8_t content[PROTO_SIGN_IN_LEN], signature[PROTO_SIG_LEN], mac[64];
	json_t *body = json_object();
	int r;

	proto_sign_in_content(l->id, (struct cv_span){l->ke1, sizeof(l->ke1)}, (struct cv_span){l->ke2, sizeof(l->ke2)},
			      (struct cv_span){l->ke3, sizeof(l->ke3)}, p->device_key, content);
	r = proto_sign_label(p->device_seed, PROTO_LABEL_SIGN_IN, content, sizeof(content), signature);
	if (r == 0)
		r = sign_in_mac(l->result.session_key, content, sizeof(content), mac);
	if (r != 0) {
		client_fail_code(err, r, "sign-in");
		goto out;
	}
	json_object_set_new(body, "login_id", client_json_from_hex(l->id, sizeof(l->id)));
	json_object_set_new(body, "ke3", client_json_from_b64(l->ke3, sizeof(l->ke3)));
	json_object_set_new(body, "device_key", client_json_from_b64(p->device_key, sizeof(p->device_key)));
	json_object_set_new(body, "device_signature", client_json_from_b64(signature, sizeof(signature)));
	json_object_set_new(body, "device_mac", client_json_from_b64(mac, sizeof(mac)));
	r = client_api_call(api, "POST", "/auth/login/finish", body, CLIENT_API_ANONYMOUS, ret_answer, err);
out:
	json_decref(body);
	return r;
}

int client_login(struct client_profile *p, struct client_clock *clock, const char *email,
		 struct client_password *password, struct client_error *err)
{
	struct session s;
	struct login *l = cv_calloc(1, sizeof(*l));
	json_t *answer = NULL;
	int r;

	memset(&s, 0, sizeof(s));
	r = l != NULL ? session_open(&s, p, clock, err) : client_fail_code(err, CV_ENOMEM, "sign-in");
	if (r == 0)
		r = login_start(s.api, l, email, password, err);
	if (r == 0)
		r = login_finish(s.api, l, p, &answer, err);
	client_password_wipe(password);
	if (r == 0) {
		client_profile_sign_out(p);
		r = take_login(p, &s.trust, clock, answer, err);
		if (r == 0)
			r = client_profile_save(p, err);
		else
			client_profile_sign_out(p);
	}
	json_decref(answer);
	if (l != NULL)
		opaque_client_done(&l->client);
	cv_free_wiped(l, sizeof(*l));
	session_close(&s);
	return r;
}

int client_logout(struct client_profile *p, struct client_clock *clock, struct client_error *err)
{
	struct client_error e = {0};
	struct session s;
	int r = 0;

	/* The session ends here even when the manager cannot be told. */
	if (p->token[0] != '\0') {
		r = session_open(&s, p, clock, &e);
		if (r == 0)
			r = client_api_call(s.api, "POST", "/auth/logout", NULL, 0, NULL, &e);
		session_close(&s);
	}
	client_profile_sign_out(p);
	if (client_profile_save(p, err) != 0)
		return CV_EIO;
	/* One that the manager does not know any more has ended too. */
	if (r == 0 || r == CV_EDENIED)
		return 0;
	return client_fail(err, r, e.outcome,
			   "signed out here, but the manager still has the session until it runs out: %s", e.text);
}

int client_renew_certificate(struct client_api *a, struct client_profile *p, struct client_clock *clock,
			     uint64_t least_life, struct client_error *err)
{
	struct proto_identity id;
	struct client_trust trust;
	json_t *answer = NULL;
	int r;

	if (p->certs >= 2 && proto_identity_parse(p->cert[0].der, p->cert[0].len, &id) == 0 &&
	    id.not_after >= client_clock_now(clock) + least_life)
		return 0;
	r = client_api_call(a, "POST", "/auth/certificate", NULL, 0, &answer, err);
	if (r != 0)
		return r;
	r = take_certificates(p, json_object_get(answer, "certificate"));
	json_decref(answer);
	if (r != 0)
		return client_fail(err, r, CLIENT_SECURITY, "the manager's answer cannot be read");
	r = client_trust_load(p, clock, &trust, err);
	if (r != 0)
		return r;
	r = check_certificate(p, &trust, clock, err);
	if (r == 0)
		p->news |= CLIENT_NEWS_RENEWED;
	client_trust_done(&trust);
	return r;
}
