/* SPDX-License-Identifier: Apache-2.0 */
/* Enrolment, events, the manifest, keys kept away. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/alloc.h>
#include <base/text.h>
#include <net/tls.h>
#include <proto/manifest.h>

#include "tests/fixture.h"
#include "domain/files.h"
#include "domain/relay.h"

#define PIN_A "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define PIN_B "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA"

static json_t *enrolment(const char *token, const char *csr, const char *a, const char *b)
{
	return json_pack("{s:s, s:s, s:s, s:[s, s]}", "token", token, "csr", csr, "url", "https://relay.example:8444",
			 "spki_pins", a, b);
}

static void open_manifest(struct site *s, struct proto_manifest *ret)
{
	struct cv_buf object;
	cv_buf_init(&object, PROTO_SIGNED_MAX);
	assert_int_equal(mgr_manifest_get(&s->app, &object), 0);
	assert_int_equal(proto_manifest_open(object.data, object.len, s->keys.root_key, ret), 0);
	cv_buf_done(&object);
}

static void relays_enrol_once(void **state)
{
	struct site *s = *state;
	char token[MGR_TOKEN_TEXT], name[64];
	struct cv_buf key, csr;
	struct proto_manifest before, after;
	cv_buf_init(&key, 65536);
	cv_buf_init(&csr, 65536);
	assert_int_equal(net_key_make(&key), 0);
	assert_int_equal(net_csr_make((char *)key.data, "relay", &csr), 0);
	const char *pem = (char *)csr.data;
	open_manifest(s, &before);
	assert_int_equal(before.n_servers, 1);
	assert_int_equal(before.servers[0].n_pins, 2);
	assert_int_equal(before.n_intermediates, 2);
	assert_int_equal(mgr_relay_token(&s->app, token), 0);
	const char *path = "/relay/v1/enrol";
	assert_int_equal(ask_relay(s, NULL, "POST", path, NULL, enrolment("wrong", pem, PIN_A, PIN_B)), 403);
	assert_string_equal(problem_name(s), "token-refused");
	/* What is refused does not use the token up. */
	assert_int_equal(ask_relay(s, NULL, "POST", path, NULL, enrolment(token, pem, PIN_A, PIN_A)), 400);
	assert_int_equal(ask_relay(s, NULL, "POST", path, NULL, enrolment(token, "rubbish", PIN_A, PIN_B)), 400);
	assert_int_equal(ask_relay(s, NULL, "POST", path, NULL, enrolment(token, pem, PIN_A, "short")), 400);
	assert_int_equal(ask_relay(s, NULL, "POST", path, NULL, enrolment(token, pem, PIN_A, PIN_B)), 201);
	const char *cert = json_string_value(json_object_get(s->json, "certificate"));
	const char *ca = json_string_value(json_object_get(s->json, "ca"));
	assert_int_equal(net_cert_verify(cert, ca, name, sizeof name), 0);
	assert_string_equal(name, json_string_value(json_object_get(s->json, "relay_id")));
	assert_int_equal(json_array_size(json_object_get(s->json, "grant_signers")), 1);
	open_manifest(s, &after);
	assert_true(after.version > before.version);
	assert_int_equal(after.n_servers, 2);
	assert_string_equal(after.servers[1].url, "https://relay.example:8444");
	assert_int_equal(ask_relay(s, NULL, "POST", path, NULL, enrolment(token, pem, PIN_A, PIN_B)), 403);
	/* Its certificate opens the rest. */
	assert_int_equal(ask_relay(s, name, "GET", "/relay/v1/keys", NULL, NULL), 200);
	assert_int_equal(ask_relay(s, NULL, "GET", "/relay/v1/keys", NULL, NULL), 401);
	assert_string_equal(problem_name(s), "certificate-required");
	assert_int_equal(ask_relay(s, "00000000000000000000000000000001", "GET", "/relay/v1/keys", NULL, NULL), 401);
	assert_int_equal(ask_relay(s, "x", "GET", "/relay/v1/keys", NULL, NULL), 401);
	/* The API for people is not there. */
	assert_int_equal(ask_relay(s, name, "GET", "/api/v1/manifest", NULL, NULL), 404);
	/* Enrolled again under the same address: the old certificate is worth nothing. */
	assert_int_equal(mgr_relay_token(&s->app, token), 0);
	assert_int_equal(ask_relay(s, NULL, "POST", path, NULL, enrolment(token, pem, PIN_A, PIN_B)), 201);
	assert_int_equal(ask_relay(s, name, "GET", "/relay/v1/keys", NULL, NULL), 401);
	assert_int_equal(mgr_relay_token(&s->app, token), 0);
	s->now += MGR_RELAY_TOKEN_S + 1;
	assert_int_equal(ask_relay(s, NULL, "POST", path, NULL, enrolment(token, pem, PIN_A, PIN_B)), 403);
	proto_manifest_done(&before);
	proto_manifest_done(&after);
	cv_buf_done(&key);
	cv_buf_done(&csr);
}

static void relays_hear_of_events(void **state)
{
	struct site *s = *state;
	struct mgr_relay relay = {.n_pins = 2, .created = s->now};
	char name[33], query[64];
	uint8_t run[MGR_ID_LEN] = {5};
	relay.id[0] = 1;
	snprintf(relay.url, sizeof relay.url, "https://relay.example");
	assert_int_equal(mgr_store_relay_add(s->app.store, &relay), 0);
	cv_hex_encode(name, relay.id, sizeof relay.id);
	assert_int_equal(mgr_store_event_add(s->app.store, "run-ended", run, NULL, 0, s->now), 0);
	assert_int_equal(mgr_store_event_add(s->app.store, "revocation", run, "xyz", 3, s->now), 0);
	assert_int_equal(ask_relay(s, name, "GET", "/relay/v1/events", "after=0", NULL), 200);
	assert_false(s->waits);
	const json_t *list = json_object_get(s->json, "events");
	size_t n = json_array_size(list);
	assert_true(n >= 2);
	const json_t *last = json_array_get(list, n - 1);
	assert_string_equal(json_string_value(json_object_get(last, "kind")), "revocation");
	assert_string_equal(json_string_value(json_object_get(last, "revocation")), "eHl6");
	/* Nothing new: the request waits. */
	snprintf(query, sizeof query, "x=1&after=%lld", (long long)json_integer_value(json_object_get(last, "n")));
	assert_int_equal(ask_relay(s, name, "GET", "/relay/v1/events", query, NULL), 200);
	assert_true(s->waits);
	assert_int_equal(json_array_size(json_object_get(s->json, "events")), 0);
	/* A number that this database never gave: it is older than the relay, which hears everything again. */
	assert_int_equal(ask_relay(s, name, "GET", "/relay/v1/events", "after=1000000", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(s->json, "events")), n);
	/* Old events are forgotten, their numbers never used again. */
	int64_t before = 0, after = 0;
	assert_int_equal(mgr_store_event_last(s->app.store, &before), 0);
	assert_int_equal(mgr_store_prune(s->app.store, s->now + 30 * 86400, 10), 0);
	assert_int_equal(mgr_store_event_add(s->app.store, "manifest", NULL, NULL, 0, s->now), 0);
	assert_int_equal(mgr_store_event_last(s->app.store, &after), 0);
	assert_true(after > before);
}

static void the_manifest_is_renewed(void **state)
{
	struct site *s = *state;
	struct proto_manifest m;
	open_manifest(s, &m);
	uint64_t version = m.version;
	proto_manifest_done(&m);
	/* Nothing to do yet. */
	assert_int_equal(mgr_manifest_tend(&s->app), 0);
	open_manifest(s, &m);
	assert_int_equal(m.version, version);
	assert_int_equal(proto_manifest_check(&m, (uint64_t)s->now, version + 1), CV_EREPLAY);
	assert_int_equal(proto_manifest_check(&m, (uint64_t)s->now + 31 * 86400, version), CV_EEXPIRED);
	proto_manifest_done(&m);
	s->now += 16 * 86400;
	/* Without the root key it stays as it is. */
	s->keys.has_root = false;
	assert_int_equal(mgr_manifest_sign(&s->app), MGR_EROOT);
	assert_int_equal(mgr_manifest_tend(&s->app), 0);
	open_manifest(s, &m);
	assert_int_equal(m.version, version);
	proto_manifest_done(&m);
	s->keys.has_root = true;
	assert_int_equal(mgr_manifest_tend(&s->app), 0);
	open_manifest(s, &m);
	assert_true(m.version > version);
	assert_int_equal(proto_manifest_check(&m, (uint64_t)s->now, m.version), 0);
	proto_manifest_done(&m);
}

static void intermediates_are_renewed(void **state)
{
	struct site *s = *state;
	struct proto_manifest m;
	struct proto_trust *trust;
	uint8_t before[PROTO_KEY_LEN];
	memcpy(before, s->keys.grants_seed, sizeof before);
	s->now += 330 * 86400;
	assert_int_equal(mgr_manifest_tend(&s->app), 0);
	assert_memory_not_equal(before, s->keys.grants_seed, sizeof before);
	open_manifest(s, &m);
	assert_int_equal(m.n_intermediates, 4);
	assert_int_equal(
		proto_trust_new((struct cv_span){s->keys.root.data, s->keys.root.len}, &m, (uint64_t)s->now, &trust),
		0);
	assert_int_equal(proto_trust_grant_signers(trust)->n, 2);
	proto_trust_free(trust);
	proto_manifest_done(&m);
}

/* A rotation that cannot be finished leaves the keys as they were; one that was cut off is finished when they are
 * loaded. */
static void renewal_is_whole_or_not_at_all(void **state)
{
	struct site *s = *state;
	char dir[MGR_PATH_MAX], next[MGR_PATH_MAX], ready[MGR_PATH_MAX], old[MGR_PATH_MAX], path[MGR_PATH_MAX];
	const char *what = "";
	uint8_t before[PROTO_KEY_LEN], seed[PROTO_KEY_LEN];
	struct mgr_keys k;
	assert_int_equal(mgr_path(dir, s->dir, MGR_KEYS_DIR), 0);
	assert_int_equal(mgr_path(next, dir, "next"), 0);
	assert_int_equal(mgr_path(ready, dir, "ready"), 0);
	memcpy(before, s->keys.issuer_seed, sizeof before);
	/* As far as the issuer's key, not its certificate. */
	assert_int_equal(mkdir(next, 0700), 0);
	assert_int_equal(mgr_path(path, next, "issuer.pem"), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_true(mgr_keys_rotate(dir, &s->keys, s->now, cv_rng_system()) < 0);
	assert_memory_equal(before, s->keys.issuer_seed, sizeof before);
	assert_int_equal(mgr_keys_load(dir, &k, &what), 0);
	assert_memory_equal(before, k.issuer_seed, sizeof before);
	mgr_keys_done(&k);
	assert_int_equal(rmdir(path), 0);
	/* Cut off in the middle of the moving. */
	assert_int_equal(mgr_path(path, dir, "issuer.pem"), 0);
	assert_int_equal(mgr_path(old, dir, "issuer-old.pem"), 0);
	assert_int_equal(mgr_keys_rotate(dir, &s->keys, s->now, cv_rng_system()), 0);
	memcpy(seed, s->keys.issuer_seed, sizeof seed);
	assert_memory_not_equal(before, seed, sizeof seed);
	assert_int_equal(mkdir(ready, 0700), 0);
	assert_int_equal(mgr_path(next, ready, "issuer.pem"), 0);
	assert_int_equal(rename(path, next), 0);
	assert_int_equal(rename(old, path), 0);
	assert_int_equal(mgr_keys_load(dir, &k, &what), 0);
	assert_memory_equal(seed, k.issuer_seed, sizeof seed);
	mgr_keys_done(&k);
	assert_int_equal(access(ready, F_OK), -1);
}

static void the_root_key_can_be_elsewhere(void **state)
{
	struct site *s = *state;
	char dir[MGR_PATH_MAX], from[MGR_PATH_MAX], to[MGR_PATH_MAX];
	const char *what = "";
	struct mgr_keys k;
	assert_int_equal(mgr_path(dir, s->dir, MGR_KEYS_DIR), 0);
	assert_int_equal(mgr_path(from, dir, "root.key"), 0);
	assert_int_equal(mgr_path(to, s->dir, "away.key"), 0);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(mgr_keys_load(dir, &k, &what), 0);
	assert_false(k.has_root);
	assert_string_equal(k.fingerprint, s->keys.fingerprint);
	assert_int_equal(mgr_path(from, dir, "issuer.key"), 0);
	assert_int_equal(mgr_keys_load_root(&k, from), CV_EAUTH);
	assert_int_equal(mgr_keys_load_root(&k, to), 0);
	assert_true(k.has_root);
	mgr_keys_done(&k);
	/* Every other key must be there and fit. */
	assert_int_equal(mgr_path(to, dir, "grants.key"), 0);
	assert_int_equal(rename(from, to), 0);
	assert_true(mgr_keys_load(dir, &k, &what) < 0);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, site_setup, site_teardown)
	const struct CMUnitTest tests[] = {
		T(relays_enrol_once),         T(relays_hear_of_events),          T(the_manifest_is_renewed),
		T(intermediates_are_renewed), T(renewal_is_whole_or_not_at_all), T(the_root_key_can_be_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
