/* SPDX-License-Identifier: Apache-2.0 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <sodium.h>

#include <base/alloc.h>
#include <base/log.h>
#include <base/text.h>
#include <net/tls.h>

#include "tests/fixture.h"
#include "domain/account.h"
#include "domain/files.h"
#include "domain/relay.h"

#define START 1800000000

static int64_t clock_of(void *arg)
{
	return *(int64_t *)arg;
}

static void write_text(const char *dir, const char *name, const char *text)
{
	char path[MGR_PATH_MAX];
	assert_int_equal(mgr_path(path, dir, name), 0);
	assert_int_equal(cv_file_write(path, text, strlen(text), 0600), 0);
}

static void make_pem(const char *dir, const char *key_name, const char *cert_name, bool ca)
{
	struct cv_buf key, cert;
	char path[MGR_PATH_MAX];
	struct net_cert_opts opts = {.common_name = "manager.example", .days = 30, .ca = ca};
	cv_buf_init(&key, 65536);
	cv_buf_init(&cert, 65536);
	assert_int_equal(net_key_make(&key), 0);
	write_text(dir, key_name, (char *)key.data);
	if (cert_name) {
		assert_int_equal(net_cert_make(&opts, (char *)key.data, &cert), 0);
		assert_int_equal(mgr_path(path, dir, cert_name), 0);
		assert_int_equal(net_pem_write(path, (char *)cert.data, false), 0);
	}
	cv_buf_done(&key);
	cv_buf_done(&cert);
}

static void load_conf(struct site *s)
{
	char path[MGR_PATH_MAX], why[CV_CONF_MSG_MAX] = "";
	write_text(
		s->dir, "manager.conf",
		"[organisation]\nname = Test & Söhne\n[server]\nurl = " TEST_URL
		"\n[relays]\nurl = https://manager.example:8445\n[mail]\nfrom = Conclave <conclave@manager.example>\n");
	assert_int_equal(mgr_path(path, s->dir, "manager.conf"), 0);
	if (mgr_conf_load(path, &s->conf, why, sizeof why) < 0)
		fail_msg("%s", why);
}

int site_setup(void **state)
{
	const char *what = "";
	char path[MGR_PATH_MAX];
	struct site *s = cv_calloc(1, sizeof *s);
	assert_non_null(s);
	assert_true(sodium_init() >= 0);
	cv_log_set_level(CV_LOG_CRITICAL);
	snprintf(s->dir, sizeof s->dir, "/tmp/conclave-manager-test-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	s->now = START;
	load_conf(s);
	assert_int_equal(mgr_path(path, s->dir, "tls"), 0);
	assert_int_equal(mgr_dir_make(path), 0);
	make_pem(s->dir, "tls/server.key", "tls/server.pem", false);
	make_pem(s->dir, "tls/spare.key", NULL, false);
	make_pem(s->dir, MGR_RELAY_CA_KEY, MGR_RELAY_CA, true);
	assert_int_equal(mgr_path(path, s->dir, MGR_KEYS_DIR), 0);
	assert_int_equal(mgr_keys_create(path, "Test", START, cv_rng_system()), 0);
	assert_int_equal(mgr_keys_create(path, "Test", START, cv_rng_system()), CV_EEXIST);
	if (mgr_keys_load(path, &s->keys, &what) < 0)
		fail_msg("%s", what);
	s->app = (struct mgr_app){.conf = &s->conf,
				  .keys = &s->keys,
				  .rng = cv_rng_system(),
				  .now = clock_of,
				  .now_arg = &s->now,
				  .started = START};
	randombytes_buf(s->app.nonce_key, sizeof s->app.nonce_key);
	assert_int_equal(mgr_path(path, s->dir, MGR_DB_FILE), 0);
	assert_int_equal(mgr_store_open(path, MGR_STORE_CREATE, NULL, &s->app.store), 0);
	assert_int_equal(mgr_logins_new(&s->app.logins), 0);
	assert_int_equal(mgr_manifest_sign(&s->app), 0);
	*state = s;
	return 0;
}

void site_reopen(struct site *s)
{
	char path[MGR_PATH_MAX];
	mgr_store_close(s->app.store);
	assert_int_equal(mgr_path(path, s->dir, MGR_DB_FILE), 0);
	assert_int_equal(mgr_store_open(path, MGR_STORE_OPEN, NULL, &s->app.store), 0);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

int site_teardown(void **state)
{
	struct site *s = *state;
	json_decref(s->json);
	mgr_store_close(s->app.store);
	mgr_logins_free(s->app.logins);
	mgr_keys_done(&s->keys);
	mgr_conf_free(&s->conf);
	nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	cv_free(s);
	return 0;
}

/* ---- requests ---- */

int ask_raw(struct site *s, const struct mgr_request *req)
{
	struct mgr_response res;
	mgr_api_handle(&s->app, req, &res);
	json_decref(s->json);
	s->json = json_loadb((const char *)res.body.data, res.body.len, 0, NULL);
	s->status = res.status;
	s->retry_after = res.retry_after;
	s->waits = res.wait;
	if (res.nonce[0])
		snprintf(s->nonce, sizeof s->nonce, "%s", res.nonce);
	if (res.status >= 400) {
		assert_string_equal(res.content_type, "application/problem+json");
		assert_int_equal(json_integer_value(json_object_get(s->json, "status")), res.status);
	}
	mgr_response_done(&res);
	return s->status;
}

static char *b64_json(json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);
	char *out = cv_malloc(CV_B64_LEN(strlen(text)) + 1);
	cv_b64_encode(out, text, strlen(text));
	free(text);
	return out;
}

char *make_proof(struct site *s, const struct device *dev, const char *method, const char *path,
		 void (*change)(json_t *header, json_t *claims))
{
	char x[CV_B64_LEN(32) + 1], ath[CV_B64_LEN(32) + 1], jti[33], url[512], sig_text[CV_B64_LEN(64) + 1];
	uint8_t hash[32], sig[64], id[16], secret[64], pub[32];
	cv_b64_encode(x, dev->key, 32);
	mgr_token_hash(dev->token, hash);
	cv_b64_encode(ath, hash, 32);
	randombytes_buf(id, sizeof id);
	cv_hex_encode(jti, id, sizeof id);
	snprintf(url, sizeof url, "%s%s", TEST_URL, path);
	json_t *header = json_pack("{s:s, s:s, s:{s:s, s:s, s:s}}", "typ", "dpop+jwt", "alg", "EdDSA", "jwk", "kty",
				   "OKP", "crv", "Ed25519", "x", x);
	json_t *claims = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "jti", jti, "htm", method, "htu", url, "iat",
				   (json_int_t)s->now, "ath", ath, "nonce", s->nonce);
	if (change)
		change(header, claims);
	char *h = b64_json(header), *c = b64_json(claims);
	size_t len = strlen(h) + strlen(c) + sizeof sig_text + 4;
	char *proof = cv_malloc(len);
	snprintf(proof, len, "%s.%s", h, c);
	crypto_sign_seed_keypair(pub, secret, dev->seed);
	crypto_sign_detached(sig, NULL, (uint8_t *)proof, strlen(proof), secret);
	cv_b64_encode(sig_text, sig, sizeof sig);
	strcat(strcat(proof, "."), sig_text);
	cv_free(h);
	cv_free(c);
	json_decref(header);
	json_decref(claims);
	return proof;
}

int ask(struct site *s, const struct device *dev, const char *method, const char *path, json_t *body)
{
	char authorization[128];
	char *proof = NULL, *text = body ? json_dumps(body, 0) : NULL;
	struct mgr_request req = {.method = method, .path = path, .address = "192.0.2.1", .body = text};
	if (text) {
		req.body_len = strlen(text);
		req.content_type = "application/json; charset=utf-8";
	}
	if (dev) {
		char nonce[MGR_NONCE_TEXT];
		mgr_nonce(&s->app, nonce);
		snprintf(s->nonce, sizeof s->nonce, "%s", nonce);
		snprintf(authorization, sizeof authorization, "DPoP %s", dev->token);
		proof = make_proof(s, dev, method, path, NULL);
		req.authorization = authorization;
		req.proof = proof;
	}
	ask_raw(s, &req);
	cv_free(proof);
	free(text);
	json_decref(body);
	return s->status;
}

int ask_relay(struct site *s, const char *common_name, const char *method, const char *path, const char *query,
	      json_t *body)
{
	char *text = body ? json_dumps(body, 0) : NULL;
	struct mgr_request req = {.method = method,
				  .path = path,
				  .query = query,
				  .address = "192.0.2.9",
				  .relays = true,
				  .common_name = common_name,
				  .content_type = text ? "application/json" : NULL,
				  .body = text,
				  .body_len = text ? strlen(text) : 0};
	ask_raw(s, &req);
	free(text);
	json_decref(body);
	return s->status;
}

const char *problem_name(const struct site *s)
{
	static const char prefix[] = "urn:conclave:problem:";
	const char *type = json_string_value(json_object_get(s->json, "type"));
	return type && !strncmp(type, prefix, sizeof prefix - 1) ? type + sizeof prefix - 1 : "";
}

/* ---- people and relays ---- */

void device_make(struct device *dev)
{
	randombytes_buf(dev->seed, sizeof dev->seed);
	proto_public_key(dev->seed, dev->key);
}

void member_make(struct site *s, const char *email, enum mgr_role role, struct device *dev, uint8_t ret_id[MGR_ID_LEN])
{
	struct mgr_account a = {.role = role, .created = s->now};
	struct mgr_session session = {.created = s->now, .expires = s->now + 12 * 3600};
	uint8_t hash[MGR_HASH_LEN], record[MGR_RECORD_LEN] = {1};
	assert_int_equal(mgr_id_new(&s->app, a.id), 0);
	snprintf(a.email, sizeof a.email, "%s", email);
	snprintf(a.first_name, sizeof a.first_name, "First");
	snprintf(a.last_name, sizeof a.last_name, "Last");
	assert_int_equal(mgr_store_account_add(s->app.store, &a), 0);
	assert_int_equal(mgr_store_account_set_record(s->app.store, a.id, record, s->now), 0);
	device_make(dev);
	memcpy(session.user_id, a.id, MGR_ID_LEN);
	memcpy(session.device_key, dev->key, sizeof dev->key);
	assert_int_equal(mgr_token_new(&s->app, dev->token, hash), 0);
	assert_int_equal(mgr_store_session_add(s->app.store, hash, &session), 0);
	if (ret_id)
		memcpy(ret_id, a.id, MGR_ID_LEN);
}

void relay_make(struct site *s, const char *url)
{
	struct mgr_relay r = {.n_pins = 2, .created = s->now};
	assert_int_equal(mgr_id_new(&s->app, r.id), 0);
	snprintf(r.url, sizeof r.url, "%s", url);
	randombytes_buf(r.pins, sizeof r.pins);
	assert_int_equal(mgr_store_relay_add(s->app.store, &r), 0);
}

void link_make(struct site *s, const char *email, char token[MGR_TOKEN_TEXT])
{
	struct mgr_account a;
	char link[MGR_LINK_MAX];
	if (mgr_store_account_by_email(s->app.store, email, &a) == CV_ENOTFOUND) {
		a = (struct mgr_account){.role = MGR_ROLE_USER, .created = s->now};
		assert_int_equal(mgr_id_new(&s->app, a.id), 0);
		snprintf(a.email, sizeof a.email, "%s", email);
		assert_int_equal(mgr_store_account_add(s->app.store, &a), 0);
	}
	assert_int_equal(mgr_account_link(&s->app, &a, link), 0);
	const char *t = strstr(link, "#t=");
	assert_non_null(t);
	assert_non_null(strstr(link, s->keys.fingerprint));
	snprintf(token, MGR_TOKEN_TEXT, "%.43s", t + 3);
}

static json_t *b64(const void *data, size_t len)
{
	char text[1024];
	cv_b64_encode(text, data, len);
	return json_string(text);
}

static void b64_into(const struct site *s, const char *key, uint8_t *dst, size_t len)
{
	size_t have = 0;
	const char *text = json_string_value(json_object_get(s->json, key));
	assert_non_null(text);
	assert_int_equal(cv_b64_decode(dst, len, text, strlen(text), &have), 0);
	assert_int_equal(have, len);
}

int validate(struct site *s, const char *token, const char *password)
{
	struct opaque_client c;
	uint8_t request[OPAQUE_REQUEST_LEN], response[OPAQUE_RESPONSE_LEN], record[OPAQUE_RECORD_LEN];
	uint8_t export_key[OPAQUE_EXPORT_KEY_LEN];
	assert_int_equal(opaque_client_register_start(&c, cv_rng_system(), password, strlen(password), request), 0);
	if (ask(s, NULL, "POST", "/api/v1/validation/start",
		json_pack("{s:s, s:o}", "token", token, "registration_request", b64(request, sizeof request))) != 200) {
		opaque_client_done(&c);
		return s->status;
	}
	b64_into(s, "registration_response", response, sizeof response);
	assert_int_equal(opaque_client_register_finish(&c, &opaque_config_v1, NULL, cv_rng_system(), response,
						       sizeof response, record, export_key, NULL),
			 0);
	return ask(s, NULL, "POST", "/api/v1/validation/finish",
		   json_pack("{s:s, s:s, s:s, s:o}", "token", token, "first_name", "Ada", "last_name", "Lovelace",
			     "registration_record", b64(record, sizeof record)));
}

static void mac_of(const uint8_t session_key[OPAQUE_SESSION_KEY_LEN], const uint8_t *content, size_t len,
		   uint8_t ret_mac[64])
{
	uint8_t key[64];
	unsigned n;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_HKDF, NULL);
	size_t key_len = sizeof key;
	assert_true(EVP_PKEY_derive_init(ctx) > 0);
	assert_true(EVP_PKEY_CTX_set_hkdf_mode(ctx, EVP_PKEY_HKDEF_MODE_EXPAND_ONLY) > 0);
	assert_true(EVP_PKEY_CTX_set_hkdf_md(ctx, EVP_sha512()) > 0);
	assert_true(EVP_PKEY_CTX_set1_hkdf_key(ctx, session_key, OPAQUE_SESSION_KEY_LEN) > 0);
	assert_true(EVP_PKEY_CTX_add1_hkdf_info(ctx, (const uint8_t *)"Conclave 1 Sign-in MAC", 22) > 0);
	assert_true(EVP_PKEY_derive(ctx, key, &key_len) > 0);
	EVP_PKEY_CTX_free(ctx);
	assert_non_null(HMAC(EVP_sha512(), key, sizeof key, content, len, ret_mac, &n));
}

int sign_in(struct site *s, const char *email, const char *password, const char *address, struct device *dev)
{
	struct opaque_client c;
	struct opaque_client_result result;
	uint8_t ke1[OPAQUE_KE1_LEN], ke2[OPAQUE_KE2_LEN], ke3[OPAQUE_KE3_LEN] = {0};
	uint8_t id[MGR_ID_LEN], content[PROTO_SIGN_IN_LEN], signature[64], mac[64] = {0};
	assert_int_equal(opaque_client_login_start(&c, cv_rng_system(), password, strlen(password), ke1), 0);
	json_t *start = json_pack("{s:s, s:o}", "email", email, "ke1", b64(ke1, sizeof ke1));
	char *text = json_dumps(start, 0);
	struct mgr_request req = {.method = "POST",
				  .path = "/api/v1/auth/login/start",
				  .address = address,
				  .content_type = "application/json",
				  .body = text,
				  .body_len = strlen(text)};
	ask_raw(s, &req);
	free(text);
	json_decref(start);
	if (s->status != 200) {
		opaque_client_done(&c);
		return s->status;
	}
	b64_into(s, "ke2", ke2, sizeof ke2);
	assert_int_equal(cv_hex_decode(id, sizeof id, json_string_value(json_object_get(s->json, "login_id"))), 0);
	/* A client that has found the password wrong goes on with rubbish, as an attacker would. */
	if (opaque_client_login_finish(&c, &opaque_config_v1, NULL, ke2, sizeof ke2, ke3, &result) < 0)
		memset(&result, 0, sizeof result);
	device_make(dev);
	proto_sign_in_content(id, (struct cv_span){ke1, sizeof ke1}, (struct cv_span){ke2, sizeof ke2},
			      (struct cv_span){ke3, sizeof ke3}, dev->key, content);
	assert_int_equal(proto_sign_label(dev->seed, PROTO_LABEL_SIGN_IN, content, sizeof content, signature), 0);
	mac_of(result.session_key, content, sizeof content, mac);
	char hex[2 * MGR_ID_LEN + 1];
	cv_hex_encode(hex, id, sizeof id);
	ask(s, NULL, "POST", "/api/v1/auth/login/finish",
	    json_pack("{s:s, s:o, s:o, s:o, s:o}", "login_id", hex, "ke3", b64(ke3, sizeof ke3), "device_key",
		      b64(dev->key, 32), "device_signature", b64(signature, 64), "device_mac", b64(mac, 64)));
	if (s->status == 200)
		snprintf(dev->token, sizeof dev->token, "%s",
			 json_string_value(json_object_get(s->json, "access_token")));
	return s->status;
}
