/* SPDX-License-Identifier: Apache-2.0 */
#include <proto/lobby.h>

#include "test_util.h"

#define DAY 86400u

static uint32_t rng_state = 1;
static const struct cv_rng rng = {test_fill, &rng_state};
static uint8_t root_seed[32], issuer_seed[32], grant_seed[32], device_seed[32];
static struct cv_buf root, issuer, grant, leaf, false_root, false_issuer, false_leaf;
static struct proto_identity alice;

static struct cv_span span(const struct cv_buf *b)
{
	return (struct cv_span){b->data, b->len};
}

static void issue_chain(const uint8_t *seed, struct cv_buf *r, struct cv_buf *i, struct cv_buf *l)
{
	uint8_t key[32];

	cv_buf_init(r, PROTO_CERTIFICATE_MAX);
	cv_buf_init(i, PROTO_CERTIFICATE_MAX);
	cv_buf_init(l, PROTO_CERTIFICATE_MAX);
	assert_int_equal(proto_root_issue(seed, "Example", NOW - DAY, NOW + 3650 * DAY, &rng, r), 0);
	proto_public_key(issuer_seed, key);
	assert_int_equal(proto_intermediate_issue(seed, span(r), PROTO_INTERMEDIATE_ISSUER, key, NOW - DAY,
						  NOW + 365 * DAY, &rng, i),
			 0);
	assert_int_equal(proto_identity_issue(issuer_seed, span(i), &alice, &rng, l), 0);
}

static int setup(void **state)
{
	uint8_t key[32], other[32];

	fill(root_seed, 32, 1);
	fill(issuer_seed, 32, 2);
	fill(grant_seed, 32, 3);
	fill(device_seed, 32, 4);
	fill(other, 32, 5);
	alice.not_before = NOW;
	alice.not_after = NOW + DAY;
	fill(alice.user_id, sizeof(alice.user_id), 0xab);
	strcpy(alice.email, "alice@example.org");
	strcpy(alice.display_name, "Alice Ångström");
	proto_public_key(device_seed, alice.device_key);
	issue_chain(root_seed, &root, &issuer, &leaf);
	issue_chain(other, &false_root, &false_issuer, &false_leaf);
	cv_buf_init(&grant, PROTO_CERTIFICATE_MAX);
	proto_public_key(grant_seed, key);
	return proto_intermediate_issue(root_seed, span(&root), PROTO_INTERMEDIATE_GRANTS, key, NOW - DAY, NOW + DAY,
					&rng, &grant);
}

static int teardown(void **state)
{
	struct cv_buf *all[] = {&root, &issuer, &grant, &leaf, &false_root, &false_issuer, &false_leaf};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		cv_buf_done(all[i]);
	return 0;
}

static void test_parse(void **state)
{
	struct proto_identity id;

	assert_int_equal(proto_identity_parse(leaf.data, leaf.len, &id), 0);
	assert_string_equal(id.email, alice.email);
	assert_string_equal(id.display_name, alice.display_name);
	assert_memory_equal(id.user_id, alice.user_id, PROTO_ID_LEN);
	assert_memory_equal(id.device_key, alice.device_key, PROTO_KEY_LEN);
	assert_int_equal(id.not_before, NOW);
	assert_int_equal(id.not_after, NOW + DAY);
	/* a CA is nobody's identity */
	assert_int_equal(proto_identity_parse(issuer.data, issuer.len, &id), CV_EFORMAT);
	assert_int_equal(proto_identity_parse(grant.data, grant.len, &id), CV_EFORMAT);
}

static int verify(const struct cv_buf *l, const struct cv_buf *i, const struct cv_buf *r, uint64_t now,
		  uint64_t tolerance)
{
	struct proto_identity id;

	return proto_identity_verify(span(l), span(i), span(r), now, tolerance, &id);
}

static void test_verify(void **state)
{
	assert_int_equal(verify(&leaf, &issuer, &root, NOW, 0), 0);
	assert_int_equal(verify(&leaf, &issuer, &root, NOW - PROTO_CLOCK_SKEW, 0), 0);
	assert_int_equal(verify(&leaf, &issuer, &root, NOW - PROTO_CLOCK_SKEW - 1, 0), CV_EEXPIRED);
	assert_int_equal(verify(&leaf, &issuer, &root, NOW + DAY + 1, 0), CV_EEXPIRED);
	assert_int_equal(verify(&leaf, &issuer, &root, NOW + DAY + 1, 600), 0);
	/* the issuer's key is the same in both organisations; what counts is who certified it */
	assert_int_equal(verify(&leaf, &false_issuer, &root, NOW, 0), CV_EAUTH);
	assert_int_equal(verify(&leaf, &issuer, &false_root, NOW, 0), CV_EAUTH);
	assert_int_equal(verify(&leaf, &root, &root, NOW, 0), CV_EAUTH);
	assert_int_equal(verify(&leaf, &grant, &root, NOW, 0), CV_EAUTH);
	assert_int_equal(verify(&leaf, &leaf, &root, NOW, 0), CV_EAUTH);
}

static int open_leaf(const void *data, size_t len)
{
	struct proto_identity id;

	return proto_identity_verify((struct cv_span){data, len}, span(&issuer), span(&root), NOW, 0, &id);
}

static void test_mutations(void **state)
{
	mutate(leaf.data, leaf.len, open_leaf);
}

static void test_issue_refuses(void **state)
{
	struct proto_identity bad = alice;
	struct cv_buf b;
	uint8_t key[32] = {1};

	cv_buf_init(&b, PROTO_CERTIFICATE_MAX);
	strcpy(bad.email, "no address");
	assert_int_equal(proto_identity_issue(issuer_seed, span(&issuer), &bad, &rng, &b), CV_EINVAL);
	bad = alice;
	strcpy(bad.display_name, "Eve\xe2\x80\xae");
	assert_int_equal(proto_identity_issue(issuer_seed, span(&issuer), &bad, &rng, &b), CV_EINVAL);
	/* a seed that is not the issuer's */
	assert_int_equal(proto_identity_issue(root_seed, span(&issuer), &alice, &rng, &b), CV_EINVAL);
	assert_int_equal(proto_intermediate_issue(issuer_seed, span(&root), PROTO_INTERMEDIATE_ISSUER, key, NOW,
						  NOW + 1, &rng, &b),
			 CV_EINVAL);
	cv_buf_done(&b);
}

static void test_long_name(void **state)
{
	struct proto_identity id = alice, got;
	struct cv_buf b;

	memset(id.display_name, 0, sizeof(id.display_name));
	for (int i = 0; i < 70; i++)
		strcat(id.display_name, "é");
	cv_buf_init(&b, PROTO_CERTIFICATE_MAX);
	assert_int_equal(proto_identity_issue(issuer_seed, span(&issuer), &id, &rng, &b), 0);
	assert_int_equal(proto_identity_parse(b.data, b.len, &got), 0);
	assert_int_equal(strlen(got.display_name), 2 * PROTO_CN_MAX);
	cv_buf_done(&b);
}

static void test_trust(void **state)
{
	struct proto_intermediate list[] = {
		{PROTO_INTERMEDIATE_ISSUER, issuer.data, issuer.len},
		{PROTO_INTERMEDIATE_GRANTS, grant.data, grant.len},
	};
	struct proto_manifest m = {.intermediates = list, .n_intermediates = 2};
	struct proto_trust *t = NULL;
	struct proto_identity id;
	uint8_t key[32];

	assert_int_equal(proto_trust_new(span(&root), &m, NOW, &t), 0);
	assert_int_equal(proto_trust_identity(t, span(&leaf), span(&issuer), NOW, 0, &id), 0);
	assert_string_equal(id.email, alice.email);
	assert_int_equal(proto_trust_identity(t, span(&leaf), span(&false_issuer), NOW, 0, &id), CV_EAUTH);
	assert_int_equal(proto_trust_identity(t, span(&leaf), span(&issuer), NOW + 2 * DAY, 0, &id), CV_EEXPIRED);
	assert_int_equal(proto_trust_identity(t, span(&root), span(&issuer), NOW, 0, &id), CV_EAUTH);
	proto_public_key(grant_seed, key);
	assert_int_equal(proto_trust_grant_signers(t)->n, 1);
	assert_memory_equal(proto_trust_grant_signers(t)->keys[0], key, 32);
	proto_trust_free(t);
	/* an expired grant signer is left out, a foreign intermediate spoils the manifest */
	assert_int_equal(proto_trust_new(span(&root), &m, NOW + 2 * DAY, &t), 0);
	assert_int_equal(proto_trust_grant_signers(t)->n, 0);
	proto_trust_free(t);
	list[0].certificate = false_issuer.data;
	list[0].certificate_len = false_issuer.len;
	assert_int_equal(proto_trust_new(span(&root), &m, NOW, &t), CV_EAUTH);
	list[0] = (struct proto_intermediate){PROTO_INTERMEDIATE_GRANTS, issuer.data, issuer.len};
	assert_int_equal(proto_trust_new(span(&root), &m, NOW, &t), CV_EAUTH);
}

static void test_root(void **state)
{
	uint8_t hash[32], key[32], want[32];

	proto_sha256(root.data, root.len, hash);
	assert_int_equal(proto_root_check(root.data, root.len, hash, key), 0);
	proto_public_key(root_seed, want);
	assert_memory_equal(key, want, 32);
	assert_int_equal(proto_root_check(false_root.data, false_root.len, hash, key), CV_EAUTH);
	assert_int_equal(proto_root_check(issuer.data, issuer.len, NULL, key), CV_EAUTH);
	assert_int_equal(proto_cert_key(grant.data, grant.len, key), 0);
	proto_public_key(grant_seed, want);
	assert_memory_equal(key, want, 32);
	assert_int_equal(proto_cert_spki_sha256(grant.data, grant.len, hash), 0);
	assert_int_not_equal(proto_cert_spki_sha256(grant.data, grant.len / 2, hash), 0);
}

static uint8_t lobby_key[32], lobby_run[16];

static int open_lobby(const void *data, size_t len)
{
	struct cv_buf b;
	int err;

	cv_buf_init(&b, PROTO_LOBBY_MAX);
	err = proto_lobby_open(lobby_key, lobby_run, data, len, &b);
	if (!err && (b.len != 11 || memcmp(b.data, "key package", 11)))
		err = CV_EFORMAT;
	cv_buf_done(&b);
	return err;
}

static void test_lobby(void **state)
{
	struct cv_buf b;

	cv_buf_init(&b, PROTO_LOBBY_MAX);
	fill(lobby_key, sizeof(lobby_key), 1);
	fill(lobby_run, sizeof(lobby_run), 2);
	assert_int_equal(proto_lobby_seal(lobby_key, lobby_run, "key package", 11, &rng, &b), 0);
	assert_int_equal(b.len, 11 + PROTO_LOBBY_OVERHEAD);
	mutate(b.data, b.len, open_lobby);
	lobby_run[0] ^= 1;
	assert_int_equal(open_lobby(b.data, b.len), CV_EAUTH);
	cv_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),     cmocka_unit_test(test_verify),
		cmocka_unit_test(test_mutations), cmocka_unit_test(test_issue_refuses),
		cmocka_unit_test(test_long_name), cmocka_unit_test(test_trust),
		cmocka_unit_test(test_root),      cmocka_unit_test(test_lobby),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
