/* SPDX-License-Identifier: Apache-2.0 */
#include "test_util.h"

static uint8_t seed[PROTO_KEY_LEN];
static struct proto_signers signers;

static int setup(void **state)
{
	uint8_t other[PROTO_KEY_LEN];

	fill(seed, sizeof(seed), 7);
	fill(other, sizeof(other), 8);
	signers.n = 2;
	proto_public_key(other, signers.keys[0]);
	proto_public_key(seed, signers.keys[1]);
	return 0;
}

static struct proto_ticket ticket(void)
{
	struct proto_ticket t = {
		.issued = NOW, .expires = NOW + 60, .rights = 7, .flags = 1, .switches = 1, .n_relays = 2};

	fill(t.ticket_id, sizeof(t.ticket_id), 1);
	fill(t.run_id, sizeof(t.run_id), 2);
	fill(t.user_id, sizeof(t.user_id), 3);
	fill(t.device_hash, sizeof(t.device_hash), 4);
	fill(t.relays[0], PROTO_ID_LEN, 5);
	fill(t.relays[1], PROTO_ID_LEN, 6);
	return t;
}

static int open_ticket(const void *data, size_t len)
{
	struct proto_ticket t;

	return proto_ticket_open(data, len, &signers, &t);
}

static void test_ticket(void **state)
{
	struct proto_ticket t = ticket(), got;
	struct proto_admission a;
	struct proto_signers none = {0};
	struct cv_buf b;

	cv_buf_init(&b, 4096);
	assert_int_equal(proto_ticket_sign(&t, seed, &b), 0);
	assert_int_equal(proto_ticket_open(b.data, b.len, &signers, &got), 0);
	assert_memory_equal(&t, &got, sizeof(t));
	/* a ticket is never an admission, and an unknown signer is none */
	assert_int_equal(proto_admission_open(b.data, b.len, &signers, &a), CV_EAUTH);
	assert_int_equal(proto_ticket_open(b.data, b.len, &none, &got), CV_EAUTH);
	mutate(b.data, b.len, open_ticket);
	cv_buf_done(&b);
}

static void test_ticket_ranges(void **state)
{
	struct proto_ticket bad[6];
	struct cv_buf b;

	for (int i = 0; i < 6; i++)
		bad[i] = ticket();
	bad[0].rights = 16;
	bad[1].flags = 4;
	bad[2].switches = 16;
	bad[3].expires = NOW;
	bad[4].expires = NOW + PROTO_TICKET_LIFE + 1;
	bad[5].n_relays = 0;
	cv_buf_init(&b, 4096);
	for (int i = 0; i < 6; i++)
		assert_int_equal(proto_ticket_sign(&bad[i], seed, &b), CV_EINVAL);
	cv_buf_done(&b);
}

/* The same rules hold for bytes that somebody signed: unknown bits, a list that is no multiple of an id. */
static void test_ticket_bytes(void **state)
{
	struct proto_ticket t = ticket(), got;
	struct cv_span body;
	struct cv_buf b, again;
	uint8_t copy[256];

	cv_buf_init(&b, 4096);
	cv_buf_init(&again, 4096);
	assert_int_equal(proto_ticket_sign(&t, seed, &b), 0);
	assert_int_equal(proto_signed_open(b.data, b.len, PROTO_LABEL_TICKET, &signers, &body), 0);
	assert_true(body.len < sizeof(copy));
	memcpy(copy, body.data, body.len);
	copy[96] |= 0x80; /* rights */
	assert_int_equal(proto_signed_put(&again, seed, PROTO_LABEL_TICKET, copy, body.len), 0);
	assert_int_equal(proto_ticket_open(again.data, again.len, &signers, &got), CV_EFORMAT);
	cv_buf_reset(&again);
	memcpy(copy, body.data, body.len);
	copy[99] = 31;
	assert_int_equal(proto_signed_put(&again, seed, PROTO_LABEL_TICKET, copy, body.len - 1), 0);
	assert_int_equal(proto_ticket_open(again.data, again.len, &signers, &got), CV_EFORMAT);
	cv_buf_done(&again);
	cv_buf_done(&b);
}

static int open_admission(const void *data, size_t len)
{
	struct proto_admission a;

	return proto_admission_open(data, len, &signers, &a);
}

static void test_admission(void **state)
{
	struct proto_admission a = {.issued = NOW, .expires = NOW + 86400, .rights = 15, .flags = 3, .switches = 7},
			       got;
	struct cv_buf b;

	fill(a.admission_id, sizeof(a.admission_id), 1);
	fill(a.run_id, sizeof(a.run_id), 2);
	cv_buf_init(&b, 4096);
	assert_int_equal(proto_admission_sign(&a, seed, &b), 0);
	assert_int_equal(proto_admission_open(b.data, b.len, &signers, &got), 0);
	assert_memory_equal(&a, &got, sizeof(a));
	mutate(b.data, b.len, open_admission);
	a.expires++;
	assert_int_equal(proto_admission_sign(&a, seed, &b), CV_EINVAL);
	cv_buf_done(&b);
}

static int open_grant(const void *data, size_t len)
{
	struct proto_creation_grant g;

	return proto_creation_grant_open(data, len, &signers, &g);
}

static int open_revocation(const void *data, size_t len)
{
	struct proto_revocation v;

	return proto_revocation_open(data, len, &signers, &v);
}

static void test_scopes(void **state)
{
	struct proto_creation_grant g = {.issued = NOW, .expires = NOW + 60}, g2;
	struct proto_revocation v = {.issued = NOW, .expires = NOW + 60}, v2;
	uint8_t run[PROTO_ID_LEN], user[PROTO_ID_LEN], device[PROTO_HASH_LEN];
	struct cv_buf b;

	cv_buf_init(&b, 4096);
	fill(g.run_id, sizeof(g.run_id), 9);
	assert_int_equal(proto_creation_grant_sign(&g, seed, &b), 0);
	assert_int_equal(proto_creation_grant_open(b.data, b.len, &signers, &g2), 0);
	assert_memory_equal(&g, &g2, sizeof(g));
	assert_int_equal(proto_revocation_open(b.data, b.len, &signers, &v2), CV_EAUTH);
	mutate(b.data, b.len, open_grant);
	cv_buf_reset(&b);
	fill(user, sizeof(user), 3);
	fill(run, sizeof(run), 4);
	fill(device, sizeof(device), 5);
	memcpy(v.user_id, user, sizeof(user));
	assert_int_equal(proto_revocation_sign(&v, seed, &b), 0);
	assert_int_equal(proto_revocation_open(b.data, b.len, &signers, &v2), 0);
	mutate(b.data, b.len, open_revocation);
	assert_true(proto_revocation_covers(&v2, run, user, device));
	memcpy(v2.run_id, run, sizeof(run));
	memcpy(v2.device_hash, device, sizeof(device));
	assert_true(proto_revocation_covers(&v2, run, user, device));
	assert_false(proto_revocation_covers(&v2, user, user, device));
	device[0] ^= 1;
	assert_false(proto_revocation_covers(&v2, run, user, device));
	cv_buf_done(&b);
}

static void test_times(void **state)
{
	assert_int_equal(proto_times_check(NOW, NOW + 60, NOW, 0), 0);
	assert_int_equal(proto_times_check(NOW, NOW + 60, NOW - PROTO_CLOCK_SKEW, 0), 0);
	assert_int_equal(proto_times_check(NOW, NOW + 60, NOW - PROTO_CLOCK_SKEW - 1, 0), CV_EEXPIRED);
	assert_int_equal(proto_times_check(NOW, NOW + 60, NOW + 60, 0), 0);
	assert_int_equal(proto_times_check(NOW, NOW + 60, NOW + 61, 0), CV_EEXPIRED);
	assert_int_equal(proto_times_check(NOW, NOW + 60, NOW + 60 + PROTO_CLOCK_SKEW, PROTO_CLOCK_SKEW), 0);
	assert_int_equal(proto_times_check(NOW, NOW + 60, NOW + 61 + PROTO_CLOCK_SKEW, PROTO_CLOCK_SKEW), CV_EEXPIRED);
	/* an end that would wrap with the tolerance stays in the future */
	assert_int_equal(proto_times_check(0, UINT64_MAX, NOW, PROTO_CLOCK_SKEW), 0);
}

static void test_labels(void **state)
{
	uint8_t sig[PROTO_SIG_LEN], proof[PROTO_DEVICE_PROOF_LEN], leave[PROTO_LEAVE_LEN];
	uint8_t id[PROTO_ID_LEN] = {1}, nonce[32] = {2};

	proto_device_proof_content(id, nonce, "ticket", 6, proof);
	assert_int_equal(proto_sign_label(seed, PROTO_LABEL_DEVICE_PROOF, proof, sizeof(proof), sig), 0);
	assert_int_equal(proto_verify_label(signers.keys[1], PROTO_LABEL_DEVICE_PROOF, proof, sizeof(proof), sig), 0);
	assert_int_equal(proto_verify_label(signers.keys[1], PROTO_LABEL_LEAVE, proof, sizeof(proof), sig), CV_EAUTH);
	assert_int_equal(proto_verify_label(signers.keys[0], PROTO_LABEL_DEVICE_PROOF, proof, sizeof(proof), sig),
			 CV_EAUTH);
	proof[0] ^= 1;
	assert_int_equal(proto_verify_label(signers.keys[1], PROTO_LABEL_DEVICE_PROOF, proof, sizeof(proof), sig),
			 CV_EAUTH);
	proto_leave_content(id, id, 0x01020304, leave);
	assert_memory_equal(leave + 32, "\1\2\3\4", 4);
	assert_null(proto_label_text((enum proto_label)99));
}

/* ---- manifest */

static struct proto_server servers[2];
static struct proto_intermediate intermediates[1];
static char *domains[] = {(char *)"directory.example"};

static struct proto_manifest manifest(void)
{
	servers[0] =
		(struct proto_server){.kind = PROTO_SERVER_MANAGER, .url = (char *)"https://m.example", .n_pins = 2};
	servers[1] = (struct proto_server){.kind = PROTO_SERVER_RELAY, .url = (char *)"wss://r.example", .n_pins = 3};
	fill(servers[1].id, PROTO_ID_LEN, 9);
	fill(servers[1].pins[2], PROTO_HASH_LEN, 1);
	intermediates[0] = (struct proto_intermediate){PROTO_INTERMEDIATE_ISSUER, (uint8_t *)"DER", 3};
	return (struct proto_manifest){
		.version = 3,
		.issued = NOW,
		.expires = NOW + 1000,
		.organisation = (char *)"Société",
		.manager_url = (char *)"https://m.example",
		.servers = servers,
		.n_servers = 2,
		.intermediates = intermediates,
		.n_intermediates = 1,
		.domains = domains,
		.n_domains = 1,
	};
}

static int open_manifest(const void *data, size_t len)
{
	struct proto_manifest m = {0};
	int err = proto_manifest_open(data, len, signers.keys[1], &m);

	proto_manifest_done(&m);
	return err;
}

static void test_manifest(void **state)
{
	struct proto_manifest m = manifest(), got;
	const struct proto_server *s;
	uint8_t id[PROTO_ID_LEN];
	struct cv_buf b;

	cv_buf_init(&b, PROTO_SIGNED_MAX);
	assert_int_equal(proto_manifest_sign(&m, seed, &b), 0);
	assert_int_equal(proto_manifest_open(b.data, b.len, signers.keys[0], &got), CV_EAUTH);
	assert_int_equal(proto_manifest_open(b.data, b.len, signers.keys[1], &got), 0);
	assert_string_equal(got.organisation, "Société");
	assert_string_equal(got.domains[0], "directory.example");
	assert_int_equal(got.intermediates[0].certificate_len, 3);
	fill(id, sizeof(id), 9);
	s = proto_manifest_server(&got, PROTO_SERVER_RELAY, id);
	assert_non_null(s);
	assert_string_equal(s->url, "wss://r.example");
	assert_int_equal(s->n_pins, 3);
	assert_memory_equal(s->pins, servers[1].pins, 3 * PROTO_HASH_LEN);
	assert_null(proto_manifest_server(&got, PROTO_SERVER_MANAGER, id));
	assert_non_null(proto_manifest_server(&got, PROTO_SERVER_MANAGER, NULL));
	assert_int_equal(proto_manifest_check(&got, NOW, 3), 0);
	assert_int_equal(proto_manifest_check(&got, NOW, 4), CV_EREPLAY);
	assert_int_equal(proto_manifest_check(&got, NOW + 1001, 3), CV_EEXPIRED);
	proto_manifest_done(&got);
	mutate(b.data, b.len, open_manifest);
	servers[0].n_pins = 1;
	assert_int_equal(proto_manifest_sign(&m, seed, &b), CV_EINVAL);
	cv_buf_done(&b);
}

/* Every single failing allocation gives CV_ENOMEM and leaves nothing behind. */
static void test_manifest_oom(void **state)
{
	struct proto_manifest m = manifest(), got = {0};
	struct cv_buf b;
	int err = CV_ENOMEM;

	cv_buf_init(&b, PROTO_SIGNED_MAX);
	assert_int_equal(proto_manifest_sign(&m, seed, &b), 0);
	for (long n = 0; err; n++) {
		assert_true(n < 100);
		cv_alloc_fail_at(n);
		err = proto_manifest_open(b.data, b.len, signers.keys[1], &got);
		cv_alloc_fail_at(-1);
		if (err)
			assert_int_equal(err, CV_ENOMEM);
	}
	proto_manifest_done(&got);
	cv_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ticket),       cmocka_unit_test(test_ticket_ranges),
		cmocka_unit_test(test_ticket_bytes), cmocka_unit_test(test_admission),
		cmocka_unit_test(test_scopes),       cmocka_unit_test(test_times),
		cmocka_unit_test(test_labels),       cmocka_unit_test(test_manifest),
		cmocka_unit_test(test_manifest_oom),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
