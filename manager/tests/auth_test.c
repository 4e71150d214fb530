/* SPDX-License-Identifier: Apache-2.0 */
/* Sign-in, throttling, DPoP, roles, and what the router refuses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>
#include <base/text.h>
#include <proto/identity.h>

#include "tests/fixture.h"
#include "domain/account.h"

#define PASSWORD "correct horse battery"

static void make_ada(struct site *s)
{
	char token[MGR_TOKEN_TEXT];
	link_make(s, "ada@example.org", token);
	assert_int_equal(validate(s, token, PASSWORD), 204);
}

static void sign_in_gives_token_and_certificate(void **state)
{
	struct site *s = *state;
	struct device dev;
	struct proto_identity id;
	uint8_t leaf[4096], issuer[4096];
	size_t leaf_len, issuer_len;
	make_ada(s);
	assert_int_equal(sign_in(s, " ADA@example.org", PASSWORD, "192.0.2.7", &dev), 200);
	const json_t *user = json_object_get(s->json, "user");
	assert_string_equal(json_string_value(json_object_get(user, "email")), "ada@example.org");
	assert_string_equal(json_string_value(json_object_get(user, "first_name")), "Ada");
	assert_string_equal(json_string_value(json_object_get(user, "role")), "user");
	const json_t *chain = json_object_get(s->json, "certificate");
	const char *a = json_string_value(json_array_get(chain, 0)), *b = json_string_value(json_array_get(chain, 1));
	assert_int_equal(cv_b64_decode(leaf, sizeof leaf, a, strlen(a), &leaf_len), 0);
	assert_int_equal(cv_b64_decode(issuer, sizeof issuer, b, strlen(b), &issuer_len), 0);
	assert_int_equal(proto_identity_verify((struct cv_span){leaf, leaf_len}, (struct cv_span){issuer, issuer_len},
					       (struct cv_span){s->keys.root.data, s->keys.root.len}, (uint64_t)s->now,
					       0, &id),
			 0);
	assert_string_equal(id.email, "ada@example.org");
	assert_string_equal(id.display_name, "Ada Lovelace");
	assert_memory_equal(id.device_key, dev.key, 32);
	assert_true(s->nonce[0] != 0);
	assert_int_equal(ask(s, &dev, "GET", "/api/v1/auth/whoami", NULL), 200);
	assert_int_equal(ask(s, &dev, "POST", "/api/v1/auth/certificate", NULL), 200);
	assert_int_equal(ask(s, &dev, "POST", "/api/v1/auth/logout", NULL), 204);
	assert_int_equal(ask(s, &dev, "GET", "/api/v1/auth/whoami", NULL), 401);
	/* A session ends by itself. */
	assert_int_equal(sign_in(s, "ada@example.org", PASSWORD, "192.0.2.7", &dev), 200);
	s->now += 12 * 3600 + 1;
	assert_int_equal(ask(s, &dev, "GET", "/api/v1/auth/whoami", NULL), 401);
}

static void failures_look_the_same(void **state)
{
	struct site *s = *state;
	struct device dev;
	char first[512], token[MGR_TOKEN_TEXT];
	make_ada(s);
	assert_int_equal(sign_in(s, "ada@example.org", "wrong password", "192.0.2.7", &dev), 401);
	assert_string_equal(problem_name(s), "sign-in-failed");
	char *wrong = json_dumps(s->json, JSON_SORT_KEYS);
	assert_int_equal(sign_in(s, "nobody@example.org", PASSWORD, "192.0.2.7", &dev), 401);
	char *unknown = json_dumps(s->json, JSON_SORT_KEYS);
	assert_string_equal(wrong, unknown);
	free(wrong);
	free(unknown);
	/* Not validated yet. */
	link_make(s, "later@example.org", token);
	assert_int_equal(sign_in(s, "later@example.org", PASSWORD, "192.0.2.7", &dev), 401);
	/* A fake answer is stable: the blinded element for one request is the same each time. */
	for (int i = 0; i < 2; i++) {
		struct opaque_client c;
		uint8_t ke1[OPAQUE_KE1_LEN], ke2[OPAQUE_KE2_LEN], id[MGR_ID_LEN];
		memset(&c, 0, sizeof c);
		struct cv_rng fixed = *cv_rng_system();
		assert_int_equal(opaque_client_login_start(&c, &fixed, "x", 1, ke1), 0);
		static uint8_t kept[OPAQUE_KE1_LEN];
		if (i == 0)
			memcpy(kept, ke1, sizeof kept);
		assert_int_equal(
			mgr_login_start(&s->app, "nobody@example.org", "192.0.2.8", kept, sizeof kept, id, ke2), 0);
		if (i == 0)
			memcpy(first, ke2, 32);
		else
			assert_memory_equal(first, ke2, 32);
		opaque_client_done(&c);
	}
}

static void a_login_finishes_once(void **state)
{
	struct site *s = *state;
	struct mgr_login_finish in = {{0}};
	struct mgr_signed_in out;
	uint8_t ke1[OPAQUE_KE1_LEN], ke2[OPAQUE_KE2_LEN];
	struct opaque_client c;
	make_ada(s);
	assert_int_equal(opaque_client_login_start(&c, cv_rng_system(), "x", 1, ke1), 0);
	opaque_client_done(&c);
	assert_int_equal(mgr_login_finish(&s->app, "192.0.2.1", &in, &out), MGR_ESIGNIN);
	assert_int_equal(mgr_login_start(&s->app, "ada@example.org", "192.0.2.1", ke1, sizeof ke1, in.login_id, ke2),
			 0);
	assert_int_equal(mgr_login_finish(&s->app, "192.0.2.1", &in, &out), MGR_ESIGNIN);
	assert_int_equal(mgr_login_finish(&s->app, "192.0.2.1", &in, &out), MGR_ESIGNIN);
	/* KE1 that is none. */
	memset(ke1, 0xff, sizeof ke1);
	assert_int_equal(mgr_login_start(&s->app, "ada@example.org", "192.0.2.1", ke1, sizeof ke1, in.login_id, ke2),
			 MGR_EREQUEST);
}

static void guessing_is_throttled(void **state)
{
	struct site *s = *state;
	struct device dev;
	int tries = 0;
	char address[64];
	make_ada(s);
	/* Many addresses, one account. */
	for (tries = 0; tries < 20; tries++) {
		snprintf(address, sizeof address, "198.51.100.%d", tries);
		if (sign_in(s, "ada@example.org", "wrong password", address, &dev) == 429)
			break;
	}
	assert_int_equal(tries, MGR_THROTTLE_FREE_ACCOUNT);
	assert_string_equal(problem_name(s), "too-many-attempts");
	assert_true(s->retry_after >= 1);
	/* The right password is throttled like any other, so that it cannot be told; after the wait it works and the
	 * count is gone. */
	assert_int_equal(sign_in(s, "ada@example.org", PASSWORD, "203.0.113.1", &dev), 429);
	s->now += s->retry_after;
	assert_int_equal(sign_in(s, "ada@example.org", PASSWORD, "203.0.113.1", &dev), 200);
	assert_int_equal(sign_in(s, "ada@example.org", "wrong password", "203.0.113.1", &dev), 401);
	/* Delays double and are bounded. */
	uint8_t key[MGR_HASH_LEN];
	mgr_throttle_key(&s->app, "account", "x@example.org", key);
	int64_t before = 0;
	for (int i = 0; i < 30; i++) {
		assert_int_equal(mgr_throttle_failed(&s->app, key), 0);
		if (mgr_throttle_check(&s->app, key, 5) == MGR_ETHROTTLED) {
			assert_true(s->app.retry_after == MGR_THROTTLE_MAX_S || s->app.retry_after >= 2 * before);
			before = s->app.retry_after;
		}
	}
	assert_int_equal(before, MGR_THROTTLE_MAX_S);
	s->now += MGR_THROTTLE_FORGET_S + 1;
	assert_int_equal(mgr_throttle_check(&s->app, key, 5), 0);
	/* Unfinished sign-ins count as failed, per address; an IPv6 /64 is one address. */
	uint8_t a[MGR_HASH_LEN], b[MGR_HASH_LEN], c[MGR_HASH_LEN];
	mgr_throttle_key(&s->app, "address", "2001:db8:1:2:3::4", a);
	mgr_throttle_key(&s->app, "address", "2001:db8:1:2:ffff::1", b);
	mgr_throttle_key(&s->app, "address", "2001:db8:1:3::1", c);
	assert_memory_equal(a, b, sizeof a);
	assert_memory_not_equal(a, c, sizeof a);
}

/* Strangers who guess do not lock the owner out. */
static void known_addresses_count_apart(void **state)
{
	struct site *s = *state;
	struct device dev;
	char address[64];
	int status = 0;
	make_ada(s);
	assert_int_equal(sign_in(s, "ada@example.org", PASSWORD, "203.0.113.1", &dev), 200);
	for (int i = 0; i < 20 && status != 429; i++) {
		snprintf(address, sizeof address, "198.51.100.%d", i);
		status = sign_in(s, "ada@example.org", "wrong password", address, &dev);
	}
	assert_int_equal(status, 429);
	assert_int_equal(sign_in(s, "ada@example.org", PASSWORD, "203.0.113.2", &dev), 429);
	assert_int_equal(sign_in(s, "ada@example.org", PASSWORD, "203.0.113.1", &dev), 200);
	/* The guessers stay throttled after that; and the known address is throttled by its own failures. */
	assert_int_equal(sign_in(s, "ada@example.org", PASSWORD, "198.51.100.77", &dev), 429);
	for (int i = 0; i < MGR_THROTTLE_FREE_ACCOUNT; i++)
		assert_int_equal(sign_in(s, "ada@example.org", "wrong password", "203.0.113.1", &dev), 401);
	assert_int_equal(sign_in(s, "ada@example.org", PASSWORD, "203.0.113.1", &dev), 429);
	s->now += MGR_KNOWN_S + 1;
	assert_int_equal(sign_in(s, "ada@example.org", PASSWORD, "203.0.113.1", &dev), 200);
}

static void addresses_are_throttled(void **state)
{
	struct site *s = *state;
	struct opaque_client c;
	uint8_t ke1[OPAQUE_KE1_LEN], ke2[OPAQUE_KE2_LEN], id[MGR_ID_LEN];
	char email[64];
	int i, r = 0;
	assert_int_equal(opaque_client_login_start(&c, cv_rng_system(), "x", 1, ke1), 0);
	opaque_client_done(&c);
	for (i = 0; i < 100 && r == 0; i++) {
		snprintf(email, sizeof email, "u%d@example.org", i);
		r = mgr_login_start(&s->app, email, "192.0.2.66", ke1, sizeof ke1, id, ke2);
	}
	assert_int_equal(r, MGR_ETHROTTLED);
	assert_int_equal(i - 1, MGR_THROTTLE_FREE_ADDRESS);
	assert_int_equal(mgr_login_start(&s->app, "x@example.org", "192.0.2.67", ke1, sizeof ke1, id, ke2), 0);
}

/* ---- DPoP ---- */

static int64_t moved;

static void set(json_t *object, const char *key, const char *value)
{
	json_object_set_new(object, key, json_string(value));
}
static void wrong_htu(json_t *h, json_t *c)
{
	set(c, "htu", TEST_URL "/api/v1/users");
}
static void wrong_host(json_t *h, json_t *c)
{
	set(c, "htu", "https://evil.example:8443/api/v1/auth/whoami");
}
static void wrong_htm(json_t *h, json_t *c)
{
	set(c, "htm", "POST");
}
static void wrong_ath(json_t *h, json_t *c)
{
	set(c, "ath", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}
static void no_ath(json_t *h, json_t *c)
{
	json_object_del(c, "ath");
}
static void no_jti(json_t *h, json_t *c)
{
	json_object_del(c, "jti");
}
static void moved_iat(json_t *h, json_t *c)
{
	json_object_set_new(c, "iat", json_integer(json_integer_value(json_object_get(c, "iat")) + moved));
}
static void text_iat(json_t *h, json_t *c)
{
	set(c, "iat", "1800000000");
}
static void wrong_typ(json_t *h, json_t *c)
{
	set(h, "typ", "jwt");
}
static void wrong_alg(json_t *h, json_t *c)
{
	set(h, "alg", "none");
}
static void private_jwk(json_t *h, json_t *c)
{
	set(json_object_get(h, "jwk"), "d", "AA");
}
static void other_jwk(json_t *h, json_t *c)
{
	set(json_object_get(h, "jwk"), "x", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}
static void no_nonce(json_t *h, json_t *c)
{
	json_object_del(c, "nonce");
}
static void foreign_nonce(json_t *h, json_t *c)
{
	set(c, "nonce", "AAAAAAAAAAAAAAAAAAAAAA");
}
static void loud_htu(json_t *h, json_t *c)
{
	set(c, "htu", "HTTPS://Manager.Example:8443/api/v1/auth/whoami?x=1#y");
}

static int with_proof(struct site *s, const struct device *dev, const char *proof)
{
	char authorization[128];
	snprintf(authorization, sizeof authorization, "DPoP %s", dev->token);
	struct mgr_request req = {.method = "GET",
				  .path = "/api/v1/auth/whoami",
				  .address = "192.0.2.1",
				  .authorization = authorization,
				  .proof = proof};
	return ask_raw(s, &req);
}

static int with_change(struct site *s, const struct device *dev, void (*change)(json_t *, json_t *))
{
	char *proof = make_proof(s, dev, "GET", "/api/v1/auth/whoami", change);
	int status = with_proof(s, dev, proof);
	cv_free(proof);
	return status;
}

static void proofs_are_checked(void **state)
{
	struct site *s = *state;
	struct device dev, other;
	void (*const wrong[])(json_t *, json_t *) = {wrong_htu, wrong_host, wrong_htm, wrong_ath,   no_ath,   no_jti,
						     text_iat,  wrong_typ,  wrong_alg, private_jwk, other_jwk};
	member_make(s, "ada@example.org", MGR_ROLE_USER, &dev, NULL);
	/* First contact: no nonce yet, the answer brings one. */
	assert_int_equal(with_change(s, &dev, no_nonce), 401);
	assert_string_equal(problem_name(s), "use_dpop_nonce");
	assert_int_equal(with_change(s, &dev, foreign_nonce), 401);
	assert_string_equal(problem_name(s), "use_dpop_nonce");
	assert_int_equal(with_change(s, &dev, NULL), 200);
	assert_int_equal(with_change(s, &dev, loud_htu), 200);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		assert_int_equal(with_change(s, &dev, wrong[i]), 401);
		assert_string_equal(problem_name(s), "proof-invalid");
	}
	static const struct {
		int64_t by;
		int status;
	} times[] = {{-60, 200}, {-61, 401}, {60, 200}, {61, 401}};
	for (size_t i = 0; i < 4; i++) {
		moved = times[i].by;
		assert_int_equal(with_change(s, &dev, moved_iat), times[i].status);
	}
	/* Signed by another key, with the right jwk in the header; and another device's own proof. */
	device_make(&other);
	memcpy(other.token, dev.token, sizeof other.token);
	assert_int_equal(with_change(s, &other, NULL), 401);
	memcpy(other.key, dev.key, sizeof other.key);
	assert_int_equal(with_change(s, &other, NULL), 401);
	assert_int_equal(with_proof(s, &dev, NULL), 401);
	assert_int_equal(with_proof(s, &dev, ""), 401);
	assert_int_equal(with_proof(s, &dev, "a.b.c"), 401);
	assert_int_equal(with_proof(s, &dev, "...."), 401);
}

static void proofs_work_once(void **state)
{
	struct site *s = *state;
	struct device dev;
	member_make(s, "ada@example.org", MGR_ROLE_USER, &dev, NULL);
	assert_int_equal(ask(s, &dev, "GET", "/api/v1/auth/whoami", NULL), 200);
	char *proof = make_proof(s, &dev, "GET", "/api/v1/auth/whoami", NULL);
	assert_int_equal(with_proof(s, &dev, proof), 200);
	assert_int_equal(with_proof(s, &dev, proof), 401);
	assert_string_equal(problem_name(s), "proof-invalid");
	site_reopen(s);
	assert_int_equal(with_proof(s, &dev, proof), 401);
	/* Every bit of it counts. */
	size_t len = strlen(proof);
	for (size_t i = 0; i < len; i += 7) {
		char old = proof[i];
		proof[i] = old == 'A' ? 'B' : 'A';
		assert_int_equal(with_proof(s, &dev, proof), 401);
		proof[i] = old;
	}
	cv_free(proof);
	/* A nonce lives for two periods at most. */
	assert_int_equal(with_change(s, &dev, NULL), 200);
	s->now += 2 * MGR_NONCE_PERIOD;
	char stale[32];
	memcpy(stale, s->nonce, sizeof stale);
	proof = make_proof(s, &dev, "GET", "/api/v1/auth/whoami", NULL);
	assert_int_equal(with_proof(s, &dev, proof), 401);
	assert_string_equal(problem_name(s), "use_dpop_nonce");
	assert_string_not_equal(stale, s->nonce);
	cv_free(proof);
	assert_int_equal(with_change(s, &dev, NULL), 200);
}

/* ---- roles ---- */

static void roles_bound_what_one_may(void **state)
{
	struct site *s = *state;
	static const struct {
		const char *method, *path, *body;
		int status[3]; /* user, organiser, administrator */
	} cases[] = {
		{"GET", "/api/v1/auth/whoami", NULL, {200, 200, 200}},
		{"GET", "/api/v1/meetings", NULL, {200, 200, 200}},
		{"POST", "/api/v1/meetings", "{\"title\":\"T\",\"invite\":[]}", {403, 201, 201}},
		{"POST", "/api/v1/meetings", "{\"title\":\"T\",\"invite\":[\"new@example.org\"]}", {403, 201, 201}},
		{"GET", "/api/v1/users", NULL, {403, 403, 200}},
		{"POST", "/api/v1/users", "{\"email\":\"x@example.org\"}", {403, 403, 201}},
		{"PATCH",
		 "/api/v1/users/00000000000000000000000000000001",
		 "{\"role\":\"administrator\"}",
		 {403, 403, 404}},
		{"POST", "/api/v1/users/00000000000000000000000000000001/link", NULL, {403, 403, 404}},
		{"GET", "/api/v1/meetings/00000000000000000000000000000001", NULL, {404, 404, 404}},
		{"POST", "/api/v1/meetings/00000000000000000000000000000001/join", "{}", {403, 403, 403}},
		{"DELETE", "/api/v1/meetings/00000000000000000000000000000001", NULL, {404, 404, 404}},
		{"POST", "/api/v1/runs/00000000000000000000000000000001/end", "{}", {404, 404, 404}},
	};
	struct device dev[3];
	for (int role = 1; role <= 3; role++) {
		char email[32];
		snprintf(email, sizeof email, "r%d@example.org", role);
		member_make(s, email, (enum mgr_role)role, &dev[role - 1], NULL);
	}
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (int k = 0; k < 3; k++) {
			json_t *body = cases[i].body ? json_loads(cases[i].body, 0, NULL) : NULL;
			int status = ask(s, &dev[k], cases[i].method, cases[i].path, body);
			if (status != cases[i].status[k])
				fail_msg("%s %s as role %d: %d", cases[i].method, cases[i].path, k + 1, status);
		}
		assert_int_equal(ask(s, NULL, cases[i].method, cases[i].path, NULL), 401);
	}
}

static void the_router_refuses_nonsense(void **state)
{
	struct site *s = *state;
	static const struct {
		const char *method, *path, *type, *body;
		int status;
	} cases[] = {
		{"GET", "/api/v1/nothing", NULL, "", 404},
		{"GET", "/api/v1/manifest", NULL, "", 200},
		{"GET", "/api/v1/manifest/", NULL, "", 404},
		{"PUT", "/api/v1/manifest", NULL, "", 405},
		{"GET", "/relay/v1/keys", NULL, "", 404},
		{"GET", "/api/v1/users/0123", NULL, "", 404},
		{"POST", "/api/v1/validation/show", "text/plain", "{\"token\":\"x\"}", 415},
		{"POST", "/api/v1/validation/show", NULL, "{\"token\":\"x\"}", 415},
		{"POST", "/api/v1/validation/show", "application/jsonx", "{\"token\":\"x\"}", 415},
		{"POST", "/api/v1/validation/show", "application/json", "", 400},
		{"POST", "/api/v1/validation/show", "application/json", "{", 400},
		{"POST", "/api/v1/validation/show", "application/json", "[]", 400},
		{"POST", "/api/v1/validation/show", "application/json", "{\"token\":\"x\"}x", 400},
		{"POST", "/api/v1/validation/show", "application/json", "{\"token\":\"x\",\"token\":\"y\"}", 400},
		{"POST", "/api/v1/validation/show", "application/json", "{\"token\":1}", 400},
		{"POST", "/api/v1/validation/show", "application/json", "{\"token\":\"\\u0000\"}", 400},
		{"POST", "/api/v1/validation/show", "application/json",
		 "{\"x\":[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]}", 400},
		{"POST", "/api/v1/validation/show", "application/json", "{\"token\":\"x\"}", 404},
		{"POST", "/api/v1/auth/login/start", "application/json", "{\"email\":\"a@b.c\",\"ke1\":\"AAAA\"}", 400},
		{"POST", "/api/v1/auth/login/start", "application/json", "{\"email\":\"a@b.c\",\"ke1\":\"%%%\"}", 400},
		{"POST", "/api/v1/auth/login/finish", "application/json", "{\"login_id\":\"zz\"}", 400},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct mgr_request req = {.method = cases[i].method,
					  .path = cases[i].path,
					  .address = "192.0.2.1",
					  .content_type = cases[i].type,
					  .body = cases[i].body,
					  .body_len = strlen(cases[i].body)};
		if (ask_raw(s, &req) != cases[i].status)
			fail_msg("%s %s %s: %d", cases[i].method, cases[i].path, cases[i].body, s->status);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, site_setup, site_teardown)
	const struct CMUnitTest tests[] = {
		T(sign_in_gives_token_and_certificate),
		T(failures_look_the_same),
		T(a_login_finishes_once),
		T(guessing_is_throttled),
		T(known_addresses_count_apart),
		T(addresses_are_throttled),
		T(proofs_are_checked),
		T(proofs_work_once),
		T(roles_bound_what_one_may),
		T(the_router_refuses_nonsense),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
