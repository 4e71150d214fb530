/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/core_names.h>
#include <openssl/params.h>

#include <base/alloc.h>
#include <base/log.h>
#include <base/text.h>

#include "auth/auth.h"
#include "domain/account.h"

#define IDENTITY_LIFE_S 86400
#define MAC_KEY_LEN     64

/* What an attempt counts against. */
struct throttle_keys {
	uint8_t account[MGR_HASH_LEN]; /* of the address typed, from anywhere */
	uint8_t pair[MGR_HASH_LEN];    /* of it, from this network address */
	uint8_t address[MGR_HASH_LEN];
	bool known; /* the pair has signed in before: it counts instead of the account */
};

struct login {
	uint8_t id[MGR_ID_LEN];
	bool used, real;
	int64_t started;
	char address[64];
	uint8_t user_id[MGR_ID_LEN];
	struct throttle_keys keys;
	uint8_t ke1[OPAQUE_KE1_LEN];
	uint8_t ke2[OPAQUE_KE2_LEN];
	struct opaque_server_login opaque;
};

struct mgr_logins {
	struct login entry[MGR_LOGINS_MAX];
};

int mgr_logins_new(struct mgr_logins **ret_logins)
{
	struct mgr_logins *l = cv_calloc(1, sizeof *l);
	if (!l)
		return CV_ENOMEM;
	*ret_logins = l;
	return 0;
}

void mgr_logins_free(struct mgr_logins *l)
{
	if (l)
		cv_free_wiped(l, sizeof *l);
}

/* A client that knows the password to be wrong from KE2 never sends KE3, so a failed sign-in mostly shows like this. */
static void give_up(struct login *l)
{
	/* This and the other lines on sign-ins are what manager/fail2ban reads. */
	if (l->used)
		cv_log(CV_LOG_WARNING, "auth", "sign-in failed", cv_log_str("address", l->address),
		       cv_log_str("why", "not finished"));
	cv_wipe(l, sizeof *l);
}

void mgr_login_sweep(struct mgr_app *app)
{
	for (size_t i = 0; i < MGR_LOGINS_MAX; i++) {
		struct login *l = &app->logins->entry[i];
		if (l->used && mgr_now(app) - l->started > MGR_LOGIN_LIFE_S)
			give_up(l);
	}
}

static struct login *login_slot(struct mgr_app *app)
{
	struct login *oldest = &app->logins->entry[0];
	for (size_t i = 0; i < MGR_LOGINS_MAX; i++) {
		struct login *l = &app->logins->entry[i];
		if (!l->used || mgr_now(app) - l->started > MGR_LOGIN_LIFE_S) {
			oldest = l;
			break;
		}
		if (l->started < oldest->started)
			oldest = l;
	}
	give_up(oldest);
	return oldest;
}

/* For logs: somebody may type a password into the field for the address, so only what has an address's form is
 * repeated. */
static const char *log_email(const char *email)
{
	return strchr(email, '@') ? email : "-";
}

/* Lower case and trimmed; what is no address still has a stable, throttled, fake account. */
static void fold(struct mgr_app *app, const char *text, char ret_email[MGR_EMAIL_MAX + 1])
{
	if (mgr_email_normalise(app, text, ret_email) == 0)
		return;
	size_t n = 0;
	for (; n < MGR_EMAIL_MAX && text[n]; n++)
		ret_email[n] = (char)tolower((unsigned char)text[n]);
	ret_email[n] = 0;
}

/* Credential identifier of an address without account: stable, and not to be told from a real one. */
static void fake_credential(const struct mgr_app *app, const char *email, char ret_text[2 * MGR_ID_LEN + 1])
{
	uint8_t mac[EVP_MAX_MD_SIZE] = {0};
	unsigned len = 0;
	char text[MGR_EMAIL_MAX + 32];
	int n = snprintf(text, sizeof text, "Conclave 1 Fake Account%c%s", 0, email);
	HMAC(EVP_sha512(), app->keys->opaque.oprf_seed, sizeof app->keys->opaque.oprf_seed, (const uint8_t *)text,
	     (size_t)n, mac, &len);
	cv_hex_encode(ret_text, mac, MGR_ID_LEN);
}

static int make_keys(struct mgr_app *app, const char *email, const char *address, struct throttle_keys *k)
{
	char hex[2 * MGR_HASH_LEN + 1], pair[MGR_EMAIL_MAX + sizeof hex + 1];
	mgr_throttle_key(app, "account", email, k->account);
	mgr_throttle_key(app, "address", address, k->address);
	cv_hex_encode(hex, k->address, sizeof k->address);
	snprintf(pair, sizeof pair, "%s %s", hex, email);
	mgr_throttle_key(app, "pair", pair, k->pair);
	return mgr_throttle_known(app, k->pair, &k->known);
}

static int check_throttles(struct mgr_app *app, const struct throttle_keys *k, const char *email, const char *address)
{
	const uint8_t *account = k->known ? k->pair : k->account;
	const char *by = "account";
	int r = mgr_throttle_check(app, account, MGR_THROTTLE_FREE_ACCOUNT);
	if (r == 0) {
		by = "address";
		r = mgr_throttle_check(app, k->address, MGR_THROTTLE_FREE_ADDRESS);
	}
	if (r == MGR_ETHROTTLED)
		cv_log(CV_LOG_WARNING, "auth", "sign-in throttled", cv_log_str("address", address),
		       cv_log_str("by", by), cv_log_str("email", log_email(email)));
	if (r == 0)
		r = mgr_throttle_failed(app, account);
	if (r == 0)
		r = mgr_throttle_failed(app, k->address);
	return r;
}

static int count_success(struct mgr_app *app, const struct throttle_keys *k)
{
	int r = k->known ? 0 : mgr_throttle_success(app, k->account, true);
	if (r == 0)
		r = mgr_throttle_know(app, k->pair);
	return r < 0 ? r : mgr_throttle_success(app, k->address, false);
}

int mgr_login_start(struct mgr_app *app, const char *email_text, const char *address, const uint8_t *ke1,
		    size_t ke1_len, uint8_t ret_login_id[MGR_ID_LEN], uint8_t ret_ke2[OPAQUE_KE2_LEN])
{
	char email[MGR_EMAIL_MAX + 1], credential[2 * MGR_ID_LEN + 1];
	struct throttle_keys keys;
	struct mgr_account a = {0};
	fold(app, email_text, email);
	app->detail[0] = 0;
	int r = make_keys(app, email, address, &keys);
	if (r == 0)
		r = check_throttles(app, &keys, email, address);
	if (r < 0)
		return r;
	r = mgr_store_account_by_email(app->store, email, &a);
	if (r < 0 && r != CV_ENOTFOUND)
		return r;
	bool real = r == 0 && a.has_record && !a.disabled;
	char real_credential[2 * MGR_ID_LEN + 1];
	/* Both are computed always: the answer's time must not tell. */
	fake_credential(app, email, credential);
	mgr_credential_id(a.id, real_credential);
	if (real)
		memcpy(credential, real_credential, sizeof credential);
	struct login l = {.used = true, .real = real, .started = mgr_now(app)};
	r = opaque_server_login_respond(&opaque_config_v1, &app->keys->opaque, NULL, credential, strlen(credential),
					real ? a.record : NULL, real ? sizeof a.record : 0, ke1, ke1_len, app->rng,
					l.ke2, &l.opaque);
	if (r == CV_EFORMAT)
		r = mgr_fail(app, MGR_EREQUEST, "ke1 is not a valid OPAQUE message");
	if (r == 0)
		r = mgr_id_new(app, l.id);
	if (r < 0)
		goto out;
	snprintf(l.address, sizeof l.address, "%s", address);
	memcpy(l.user_id, a.id, sizeof l.user_id);
	l.keys = keys;
	memcpy(l.ke1, ke1, sizeof l.ke1);
	*login_slot(app) = l;
	memcpy(ret_login_id, l.id, sizeof l.id);
	memcpy(ret_ke2, l.ke2, sizeof l.ke2);
out:
	cv_wipe(&l, sizeof l);
	return r;
}

static int take_login(struct mgr_app *app, const uint8_t id[MGR_ID_LEN], struct login *ret)
{
	for (size_t i = 0; i < MGR_LOGINS_MAX; i++) {
		struct login *l = &app->logins->entry[i];
		if (!l->used || !cv_equal(l->id, id, MGR_ID_LEN))
			continue;
		*ret = *l;
		cv_wipe(l, sizeof *l);
		return mgr_now(app) - ret->started > MGR_LOGIN_LIFE_S ? MGR_ESIGNIN : 0;
	}
	return MGR_ESIGNIN;
}

static int mac_key(const uint8_t session_key[OPAQUE_SESSION_KEY_LEN], uint8_t ret_key[MAC_KEY_LEN])
{
	static const char info[] = "Conclave 1 Sign-in MAC";
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA512", 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)session_key, OPAQUE_SESSION_KEY_LEN),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, sizeof info - 1),
		OSSL_PARAM_construct_end(),
	};
	int ok = ctx && EVP_KDF_derive(ctx, ret_key, MAC_KEY_LEN, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok ? 0 : CV_ECRYPTO;
}

/* The device's signature and its MAC under the session key: the certificate is for exactly this device. */
static int check_device(const struct login *l, const struct mgr_login_finish *in,
			const uint8_t session_key[OPAQUE_SESSION_KEY_LEN])
{
	uint8_t content[PROTO_SIGN_IN_LEN], key[MAC_KEY_LEN], mac[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	proto_sign_in_content(in->login_id, (struct cv_span){l->ke1, sizeof l->ke1},
			      (struct cv_span){l->ke2, sizeof l->ke2}, (struct cv_span){in->ke3, sizeof in->ke3},
			      in->device_key, content);
	int r = proto_verify_label(in->device_key, PROTO_LABEL_SIGN_IN, content, sizeof content, in->device_signature);
	if (r == 0)
		r = mac_key(session_key, key);
	if (r < 0)
		return r;
	if (!HMAC(EVP_sha512(), key, sizeof key, content, sizeof content, mac, &len) || len != MGR_DEVICE_MAC_LEN ||
	    !cv_equal(mac, in->device_mac, MGR_DEVICE_MAC_LEN))
		r = CV_EAUTH;
	cv_wipe(key, sizeof key);
	return r;
}

static int open_session(struct mgr_app *app, const uint8_t device_key[PROTO_KEY_LEN], struct mgr_signed_in *ret)
{
	uint8_t hash[MGR_HASH_LEN];
	struct mgr_session s = {.created = mgr_now(app)};
	s.expires = s.created + app->conf->session_ms / 1000;
	memcpy(s.user_id, ret->account.id, MGR_ID_LEN);
	memcpy(s.device_key, device_key, PROTO_KEY_LEN);
	int r = mgr_token_new(app, ret->token, hash);
	if (r == 0)
		r = mgr_store_session_add(app->store, hash, &s);
	ret->expires_in = s.expires - s.created;
	return r;
}

static int finish(struct mgr_app *app, struct login *l, const struct mgr_login_finish *in, struct mgr_signed_in *ret)
{
	uint8_t session_key[OPAQUE_SESSION_KEY_LEN];
	int r = opaque_server_login_finish(&l->opaque, in->ke3, sizeof in->ke3, session_key);
	if (r == 0)
		r = check_device(l, in, session_key);
	cv_wipe(session_key, sizeof session_key);
	if (r < 0 || !l->real)
		return MGR_ESIGNIN;
	r = mgr_store_account_by_id(app->store, l->user_id, &ret->account);
	if (r < 0 || ret->account.disabled || !ret->account.has_record)
		return MGR_ESIGNIN;
	r = count_success(app, &l->keys);
	return r < 0 ? r : open_session(app, in->device_key, ret);
}

int mgr_login_finish(struct mgr_app *app, const char *address, const struct mgr_login_finish *in,
		     struct mgr_signed_in *ret)
{
	struct login l = {0};
	struct mgr_account a = {0};
	struct mgr_signed_in out = {0};
	int r = take_login(app, in->login_id, &l);
	if (r == 0)
		r = finish(app, &l, in, &out);
	if (r == 0) {
		cv_log(CV_LOG_INFO, "auth", "signed in", cv_log_str("address", address),
		       cv_log_str("email", out.account.email));
		*ret = out;
	} else if (r == MGR_ESIGNIN) {
		const char *email = l.real && mgr_store_account_by_id(app->store, l.user_id, &a) == 0 ? a.email : "-";
		cv_log(CV_LOG_WARNING, "auth", "sign-in failed", cv_log_str("address", address),
		       cv_log_str("email", email));
	}
	cv_wipe(&l, sizeof l);
	cv_wipe(&out, sizeof out);
	return r;
}

int mgr_identity_issue(struct mgr_app *app, const struct mgr_account *a, const uint8_t device_key[PROTO_KEY_LEN],
		       struct cv_buf *ret_der)
{
	struct proto_identity id = {.not_before = (uint64_t)(mgr_now(app) - PROTO_CLOCK_SKEW),
				    .not_after = (uint64_t)(mgr_now(app) + IDENTITY_LIFE_S)};
	char name[2 * MGR_NAME_MAX + 2];
	memcpy(id.user_id, a->id, PROTO_ID_LEN);
	memcpy(id.device_key, device_key, PROTO_KEY_LEN);
	snprintf(id.email, sizeof id.email, "%s", a->email);
	mgr_display_name(a, name, sizeof name);
	/* display_name has room for any two names: 4 * PROTO_CN_MAX bytes. */
	size_t len = strlen(name);
	while (len >= sizeof id.display_name || !cv_utf8_valid(name, len))
		len--;
	memcpy(id.display_name, name, len);
	id.display_name[len] = 0;
	return proto_identity_issue(app->keys->issuer_seed,
				    (struct cv_span){app->keys->issuer.data, app->keys->issuer.len}, &id, app->rng,
				    ret_der);
}
