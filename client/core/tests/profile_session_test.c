/* SPDX-License-Identifier: Apache-2.0 */
/* Session, organisation and manifest of a profile that two processes use: never a mixture, never one of before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <base/alloc.h>
#include <client/trust.h>
#include <proto/identity.h>

#include "profile_pair.h"

static void sign_in(struct client_profile *p, uint8_t user, const char *token, const char *cert)
{
	client_profile_sign_out(p);
	memset(p->user_id, user, sizeof(p->user_id));
	snprintf(p->email, sizeof(p->email), "%u@example.org", user);
	snprintf(p->token, sizeof(p->token), "%s", token);
	p->certs = 1;
	p->cert[0].len = strlen(cert);
	memcpy(p->cert[0].der, cert, strlen(cert));
}

/* As client_renew_certificate does. */
static void renew(struct client_profile *p, const char *cert)
{
	p->cert[0].len = strlen(cert);
	memcpy(p->cert[0].der, cert, strlen(cert));
	p->news |= CLIENT_NEWS_RENEWED;
}

static void assert_session(const struct client_profile *p, uint8_t user, const char *token, const char *cert)
{
	char email[32];

	snprintf(email, sizeof(email), "%u@example.org", user);
	assert_string_equal(p->token, token);
	assert_string_equal(p->email, token[0] != '\0' ? email : "");
	assert_int_equal(p->user_id[15], user);
	assert_int_equal(p->certs, token[0] != '\0' ? 1 : 0);
	if (token[0] != '\0')
		assert_memory_equal(p->cert[0].der, cert, strlen(cert));
}

/* In a meeting here, signed out there: what the meeting stores signs nobody in again. */
static void test_signed_out_elsewhere(void **state)
{
	sign_in(a, 1, "one", "cert 1");
	save(a);
	reopen(&b);
	assert_session(b, 1, "one", "cert 1");
	client_profile_sign_out(b);
	save(b);
	meet(a, 7, 70, "Ann");
	save(a);
	assert_session(a, 1, "one", "cert 1");
	renew(a, "cert 2");
	save(a);
	assert_session(a, 1, "one", "cert 2");
	reopen(&b);
	assert_session(b, 0, "", "");
	assert_non_null(contact(b, 7));
	/* Its own word counts. */
	sign_in(a, 1, "two", "cert 3");
	save(a);
	save(b);
	reopen(&b);
	assert_session(b, 1, "two", "cert 3");
}

static void test_signed_in_elsewhere(void **state)
{
	sign_in(a, 1, "one", "cert 1");
	save(a);
	reopen(&b);
	sign_in(b, 2, "two", "cert two");
	save(b);
	renew(a, "cert 2");
	meet(a, 7, 70, "Ann");
	save(a);
	reopen(&b);
	assert_session(b, 2, "two", "cert two");
	assert_non_null(contact(b, 7));
	assert_session(a, 1, "one", "cert 2");
	/* The same user in a new session: its certificate stays with it as well. */
	sign_in(b, 1, "three", "cert three");
	save(b);
	renew(a, "cert 4");
	save(a);
	reopen(&b);
	assert_session(b, 1, "three", "cert three");
}

static void test_renewed(void **state)
{
	sign_in(a, 1, "one", "cert 1");
	save(a);
	reopen(&b);
	renew(a, "cert 2");
	save(a);
	meet(b, 7, 70, "Ann");
	save(b);
	reopen(&b);
	assert_session(b, 1, "one", "cert 2");
}

/* The machine stopped between the two files of a sign-in as somebody else. */
static void test_torn_session(void **state)
{
	uint8_t seed[32] = {1}, key[32];
	struct proto_identity id = {.email = "2@example.org", .display_name = "Two"};
	struct cv_buf root, issuer, leaf;
	char command[256];

	id.not_before = 1000;
	id.not_after = 90000;
	memset(id.user_id, 2, sizeof(id.user_id));
	memcpy(id.device_key, a->device_key, sizeof(id.device_key));
	proto_public_key(seed, key);
	cv_buf_init(&root, 4096);
	cv_buf_init(&issuer, 4096);
	cv_buf_init(&leaf, 4096);
	assert_int_equal(proto_root_issue(seed, "Test", 0, 1000000, cv_rng_system(), &root), 0);
	assert_int_equal(proto_intermediate_issue(seed, (struct cv_span){root.data, root.len},
						  PROTO_INTERMEDIATE_ISSUER, key, 0, 1000000, cv_rng_system(), &issuer),
			 0);
	assert_int_equal(
		proto_identity_issue(seed, (struct cv_span){issuer.data, issuer.len}, &id, cv_rng_system(), &leaf), 0);
	sign_in(a, 1, "one", "cert 1");
	save(a);
	snprintf(command, sizeof(command), "cp '%s/profile.json' '%s/kept'", dir, dir);
	assert_int_equal(system(command), 0);
	sign_in(a, 2, "two", "");
	memcpy(a->cert[0].der, leaf.data, leaf.len);
	a->cert[0].len = leaf.len;
	save(a);
	reopen(&b);
	assert_string_equal(b->token, "two");
	snprintf(command, sizeof(command), "mv '%s/kept' '%s/profile.json'", dir, dir);
	assert_int_equal(system(command), 0);
	reopen(&b);
	assert_session(b, 0, "", "");
	cv_buf_done(&root);
	cv_buf_done(&issuer);
	cv_buf_done(&leaf);
}

/* ---- organisation and manifest */

static void set_organisation(struct client_profile *p, const char *root, const char *manifest, uint64_t version)
{
	cv_free(p->root_der);
	cv_free(p->manifest);
	p->root_der = cv_memdup(root, strlen(root));
	p->root_len = strlen(root);
	p->manifest = cv_memdup(manifest, strlen(manifest));
	p->manifest_len = strlen(manifest);
	p->manifest_version = version;
	p->news |= CLIENT_NEWS_MANIFEST;
	snprintf(p->manager_url, sizeof(p->manager_url), "https://%s.example", root);
}

static void assert_manifest(const struct client_profile *p, const char *root, const char *manifest, uint64_t version)
{
	assert_int_equal(p->manifest_version, version);
	assert_int_equal(p->manifest_len, strlen(manifest));
	assert_memory_equal(p->manifest, manifest, strlen(manifest));
	assert_int_equal(p->root_len, strlen(root));
	assert_memory_equal(p->root_der, root, strlen(root));
}

static void test_manifest_never_back(void **state)
{
	set_organisation(a, "one", "five", 5);
	save(a);
	reopen(&b);
	set_organisation(b, "one", "nine", 9);
	save(b);
	/* With the old one in memory, then with one taken from the manager meanwhile that is old too. */
	meet(a, 7, 70, "Ann");
	save(a);
	assert_manifest(a, "one", "nine", 9);
	reopen(&b);
	assert_manifest(b, "one", "nine", 9);
	set_organisation(a, "one", "seven", 7);
	save(a);
	assert_manifest(a, "one", "nine", 9);
	reopen(&b);
	assert_manifest(b, "one", "nine", 9);
	/* Signed again under the same version: the one just taken. */
	set_organisation(a, "one", "new nine", 9);
	save(a);
	save(b);
	assert_manifest(b, "one", "new nine", 9);
	set_organisation(a, "one", "ten", 10);
	save(a);
	reopen(&b);
	assert_manifest(b, "one", "ten", 10);
}

static void test_other_organisation(void **state)
{
	struct client_error err = {0};

	/* A first contact here and another one there: who comes second is told. */
	set_organisation(a, "one", "m", 5);
	verify(a, 1, 10, "Ann");
	sign_in(a, 1, "one", "cert 1");
	save(a);
	set_organisation(b, "two", "m", 99);
	verify(b, 2, 20, "Bob");
	sign_in(b, 2, "two", "cert two");
	assert_int_equal(client_profile_save(b, &err), CV_ESTATE);
	assert_int_equal(err.outcome, CLIENT_USAGE);
	assert_non_null(strstr(err.text, "belongs to https://one.example"));
	reopen(&b);
	assert_manifest(b, "one", "m", 5);
	assert_session(b, 1, "one", "cert 1");
	assert_int_equal(b->contact_count, 1);
	/* Given to another one on purpose, while the first one runs on: nothing of that is stored any more. */
	client_profile_forget_contacts(b);
	set_organisation(b, "two", "n", 2);
	sign_in(b, 2, "two", "cert two");
	verify(b, 2, 20, "Bob");
	save(b);
	meet(a, 3, 30, "Cy");
	assert_int_equal(client_profile_save(a, NULL), CV_ESTATE);
	assert_non_null(contact(a, 3));
	reopen(&b);
	assert_manifest(b, "two", "n", 2);
	assert_session(b, 2, "two", "cert two");
	assert_int_equal(b->contact_count, 1);
	assert_non_null(contact(b, 2));
}

/* Whoever takes another root has the contacts and the session of the former organisation no more. */
static void test_root_changes(void **state)
{
	struct client_clock clock = {0};
	uint64_t now = client_clock_now(&clock);
	char url[] = "https://m.example", name[] = "Other";
	struct proto_server manager = {.kind = PROTO_SERVER_MANAGER, .url = url, .n_pins = 2};
	struct proto_manifest m = {.version = 3, .issued = now, .expires = now + 1000, .servers = &manager};
	struct net_pin pin;
	struct cv_buf root, manifest;
	struct cv_span spans[2];
	uint8_t seed[32] = {9}, fingerprint[32];

	memset(manager.pins[0], 1, 32);
	memset(manager.pins[1], 2, 32);
	memset(pin.sha256, 1, 32);
	m.organisation = name;
	m.manager_url = url;
	m.n_servers = 1;
	cv_buf_init(&root, 4096);
	cv_buf_init(&manifest, 4096);
	assert_int_equal(proto_root_issue(seed, "Other", now - 60, now + 10000, cv_rng_system(), &root), 0);
	assert_int_equal(proto_manifest_sign(&m, seed, &manifest), 0);
	spans[0] = (struct cv_span){root.data, root.len};
	spans[1] = (struct cv_span){manifest.data, manifest.len};
	proto_sha256(root.data, root.len, fingerprint);
	set_organisation(a, "one", "m", 5);
	sign_in(a, 1, "one", "cert 1");
	verify(a, 1, 10, "Ann");
	save(a);
	assert_int_equal(client_trust_take(a, &clock, "https://m.example", NULL, spans[0], spans[1], &pin, NULL),
			 CV_EAUTH);
	assert_int_equal(a->contact_count, 1);
	assert_int_equal(client_trust_take(a, &clock, "https://m.example", fingerprint, spans[0], spans[1], &pin, NULL),
			 0);
	save(a);
	reopen(&b);
	assert_int_equal(b->contact_count, 0);
	assert_session(b, 0, "", "");
	assert_int_equal(b->manifest_version, 3);
	assert_string_equal(b->manager_url, "https://m.example");
	cv_buf_done(&root);
	cv_buf_done(&manifest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAIR_TEST(test_signed_out_elsewhere),
		PAIR_TEST(test_signed_in_elsewhere),
		PAIR_TEST(test_renewed),
		PAIR_TEST(test_torn_session),
		PAIR_TEST(test_manifest_never_back),
		PAIR_TEST(test_other_organisation),
		PAIR_TEST(test_root_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
