/* SPDX-License-Identifier: Apache-2.0 */
/* Registration and login as they should go, and with a wrong password, server or moment. */
#include <sys/resource.h>

#include <base/alloc.h>
#include <base/text.h>

#include "world.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER
#endif

/* A generator that can run dry: call number `fail_at` fails (never when negative). */
struct dry {
	int calls;
	int fail_at;
};

static int dry_fill(void *ctx, uint8_t *out, size_t len)
{
	struct dry *d = ctx;

	if (d->calls++ == d->fail_at)
		return CV_ECRYPTO;
	randombytes_buf(out, len);
	return 0;
}

static void test_argon2id_life(void **state)
{
	uint8_t server_key[OPAQUE_SESSION_KEY_LEN], stored[sizeof(struct opaque_server_login)];
	struct opaque_client_result r;
	uint8_t ke1[OPAQUE_KE1_LEN], ke2[OPAQUE_KE2_LEN], ke3[OPAQUE_KE3_LEN];
	struct opaque_server_login s;
	struct opaque_client c;
	struct world w;

	cv_alloc_fail_at(0); /* none of our own allocations is made at all */
	assert_int_equal(opaque_server_keys_generate(cv_rng_system(), &w.keys), 0);
	assert_int_equal(sign_up(&w, &opaque_config_v1, NULL), 0);
	assert_int_equal(opaque_client_login_start(&c, cv_rng_system(), good, strlen(good), ke1), 0);
	assert_int_equal(opaque_server_login_respond(&opaque_config_v1, &w.keys, NULL, account, strlen(account),
						     w.record, sizeof(w.record), ke1, sizeof(ke1), cv_rng_system(), ke2,
						     &s),
			 0);
	/* The server's state survives as bytes. */
	memcpy(stored, &s, sizeof(s));
	memset(&s, 0, sizeof(s));
	assert_int_equal(opaque_client_login_finish(&c, &opaque_config_v1, NULL, ke2, sizeof(ke2), ke3, &r), 0);
	memcpy(&s, stored, sizeof(s));
	assert_int_equal(opaque_server_login_finish(&s, ke3, sizeof(ke3), server_key), 0);
	assert_memory_equal(server_key, r.session_key, sizeof(server_key));
	assert_memory_equal(r.export_key, w.export_key, sizeof(w.export_key));
	assert_memory_equal(r.server_public_key, w.keys.public_key, OPAQUE_KEY_LEN);
	/* KE3 counts once: the state is wiped. */
	assert_int_equal(opaque_server_login_finish(&s, ke3, sizeof(ke3), server_key), CV_EAUTH);
	assert_int_equal(cv_alloc_count(), 0);
	cv_alloc_fail_at(-1);
}

static void test_stretching_matters(void **state)
{
	struct world w;
	struct login l;

	world_make(&w);
	begin(&w, good, &l);
	assert_int_equal(opaque_client_login_finish(&l.c, &fast, NULL, l.ke2, sizeof(l.ke2), l.ke3, &l.r), CV_EAUTH);
}

/* Only the parameters of a known version: neither none, nor any that somebody else may name. */
static void test_client_refuses_other_stretching(void **state)
{
	static const struct opaque_client wiped;
	static const uint8_t untouched[OPAQUE_RECORD_LEN];
	static const int kinds[] = {0, 2, 3, -1, 255};

	for (size_t i = 0; i < LEN(kinds); i++) {
		struct opaque_config config = {.ksf = (enum opaque_ksf)kinds[i]};
		uint8_t request[OPAQUE_REQUEST_LEN], response[OPAQUE_RESPONSE_LEN], record[OPAQUE_RECORD_LEN] = {0};
		uint8_t key[OPAQUE_EXPORT_KEY_LEN] = {0};
		struct opaque_client c;
		struct world w;
		struct login l;

		world_make(&w);
		begin(&w, good, &l);
		assert_int_equal(opaque_client_login_finish(&l.c, &config, NULL, l.ke2, sizeof(l.ke2), l.ke3, &l.r),
				 CV_EINVAL);
		assert_memory_equal(&l.c, &wiped, sizeof(l.c));
		assert_memory_equal(l.ke3, untouched, sizeof(l.ke3));
		assert_memory_equal(l.r.session_key, untouched, sizeof(l.r.session_key));
		assert_int_equal(opaque_client_register_start(&c, cv_rng_system(), good, strlen(good), request), 0);
		assert_int_equal(opaque_server_register_respond(&w.keys, "a", 1, request, 32, response), 0);
		assert_int_equal(opaque_client_register_finish(&c, &config, NULL, cv_rng_system(), response,
							       sizeof(response), record, key, NULL),
				 CV_EINVAL);
		assert_memory_equal(&c, &wiped, sizeof(c));
		assert_memory_equal(record, untouched, sizeof(record));
		assert_memory_equal(key, untouched, sizeof(key));
	}
}

static void test_wrong_password(void **state)
{
	static const char *const wrong[] = {"correct horsf", "correct hors", "correct horse ", "C", "\xc3\xa9"};
	uint8_t key[OPAQUE_SESSION_KEY_LEN];
	struct world w;
	struct login l;

	world_make(&w);
	for (size_t i = 0; i < LEN(wrong); i++) {
		begin(&w, wrong[i], &l);
		assert_int_equal(finish_client(&l, &fast, NULL), CV_EAUTH);
		assert_int_equal(opaque_server_login_finish(&l.s, l.ke3, sizeof(l.ke3), key), CV_EAUTH);
	}
	begin(&w, good, &l);
	assert_int_equal(finish_client(&l, &fast, NULL), 0);
	assert_int_equal(opaque_server_login_finish(&l.s, l.ke3, sizeof(l.ke3), key), 0);
}

static void test_wrong_server(void **state)
{
	struct world w, other;
	struct login l;

	world_make(&w);
	/* Another AKE key under the same seed: the envelope and 3DH both know the right one. */
	other = w;
	assert_int_equal(oprf_scalar_random(cv_rng_system(), other.keys.private_key), 0);
	assert_int_equal(opaque_server_keys_load(other.keys.private_key, w.keys.oprf_seed, &other.keys), 0);
	begin(&other, good, &l);
	assert_int_equal(finish_client(&l, &fast, NULL), CV_EAUTH);
	/* It claims the right public key, but does not know the private one. */
	memcpy(other.keys.public_key, w.keys.public_key, OPAQUE_KEY_LEN);
	begin(&other, good, &l);
	assert_int_equal(finish_client(&l, &fast, NULL), CV_EAUTH);
	/* Another seed. */
	other = w;
	other.keys.oprf_seed[0] ^= 1;
	begin(&other, good, &l);
	assert_int_equal(finish_client(&l, &fast, NULL), CV_EAUTH);
	/* Another credential's OPRF key with this record. */
	begin(&w, good, &l);
	assert_int_equal(opaque_server_login_respond(&fast, &w.keys, NULL, "other", 5, w.record, sizeof(w.record),
						     l.ke1, sizeof(l.ke1), cv_rng_system(), l.ke2, &l.s),
			 0);
	assert_int_equal(finish_client(&l, &fast, NULL), CV_EAUTH);
}

static void test_context_and_identities(void **state)
{
	static const struct opaque_config other = {.ksf = OPAQUE_KSF_ARGON2ID, .context = "tesu", .context_len = 4};
	struct opaque_ids ids = {"alice", 5, "bob", 3};
	/* Wrong in one of the two, or given where the other end takes the public key. */
	const struct opaque_ids others[] = {{"bob", 3, "alice", 5}, {"alice", 5, NULL, 0},  {NULL, 0, "bob", 3},
					    {"alicf", 5, "bob", 3}, {"alice", 5, "boc", 3}, {NULL, 0, NULL, 0}};
	uint8_t key[OPAQUE_SESSION_KEY_LEN];
	struct opaque_client_result first;
	struct world w;
	struct login l;

	world_make(&w);
	begin(&w, good, &l);
	assert_int_equal(finish_client(&l, &other, NULL), CV_EAUTH);
	begin(&w, good, &l);
	assert_int_equal(finish_client(&l, &fast, &ids), CV_EAUTH);

	assert_int_equal(sign_up(&w, &fast, &ids), 0);
	begin(&w, good, &l);
	assert_int_equal(respond(&w, &ids, w.record, &l), 0);
	assert_int_equal(finish_client(&l, &fast, &ids), 0);
	assert_int_equal(opaque_server_login_finish(&l.s, l.ke3, sizeof(l.ke3), key), 0);
	first = l.r;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		begin(&w, good, &l);
		assert_int_equal(respond(&w, &others[i], w.record, &l), 0);
		assert_int_equal(finish_client(&l, &fast, &ids), CV_EAUTH);
		begin(&w, good, &l);
		assert_int_equal(respond(&w, &ids, w.record, &l), 0);
		assert_int_equal(finish_client(&l, &fast, &others[i]), CV_EAUTH);
	}
	/* Session keys are fresh, the export key stays. */
	begin(&w, good, &l);
	assert_int_equal(respond(&w, &ids, w.record, &l), 0);
	assert_int_equal(finish_client(&l, &fast, &ids), 0);
	assert_memory_not_equal(l.r.session_key, first.session_key, 64);
	assert_memory_equal(l.r.export_key, first.export_key, 64);
}

static void test_order_of_calls(void **state)
{
	uint8_t request[32], out[OPAQUE_RECORD_LEN], key[64];
	struct opaque_client c = {0};
	struct world w;
	struct login l;

	world_make(&w);
	begin(&w, good, &l);
	assert_int_equal(opaque_client_login_finish_unstretched(&c, &fast, NULL, l.ke2, sizeof(l.ke2), l.ke3, &l.r),
			 CV_ESTATE);
	assert_int_equal(opaque_client_register_start(&c, cv_rng_system(), good, strlen(good), request), 0);
	assert_int_equal(opaque_client_login_finish_unstretched(&c, &fast, NULL, l.ke2, sizeof(l.ke2), l.ke3, &l.r),
			 CV_ESTATE);
	assert_int_equal(
		opaque_client_register_finish_unstretched(&c, &fast, NULL, cv_rng_system(), l.ke2, 64, out, key, NULL),
		CV_ESTATE);
	assert_int_equal(finish_client(&l, &fast, NULL), 0);
	assert_int_equal(opaque_client_login_finish_unstretched(&l.c, &fast, NULL, l.ke2, sizeof(l.ke2), l.ke3, &l.r),
			 CV_ESTATE);
	opaque_client_done(&l.c);
}

static void test_fake_record(void **state)
{
	struct world w;
	struct login l, real;
	uint8_t ke2[OPAQUE_KE2_LEN];

	world_make(&w);
	begin(&w, good, &l);
	real = l;
	assert_int_equal(respond(&w, NULL, NULL, &l), 0);
	/* The OPRF answers as it does for an account that exists, and as it did the last time. */
	assert_memory_equal(l.ke2 + KE2_EVALUATED, real.ke2 + KE2_EVALUATED, 32);
	memcpy(ke2, l.ke2, sizeof(ke2));
	assert_int_equal(respond(&w, NULL, NULL, &l), 0);
	assert_memory_equal(l.ke2 + KE2_EVALUATED, ke2 + KE2_EVALUATED, 32);
	assert_memory_not_equal(l.ke2 + KE2_MASKED, ke2 + KE2_MASKED, MASKED_LEN);
	assert_int_equal(oprf_element_check(l.ke2 + KE2_KEYSHARE), 0);
	assert_int_equal(finish_client(&l, &fast, NULL), CV_EAUTH);
	assert_int_equal(opaque_server_login_respond(&fast, &w.keys, NULL, "other", 5, NULL, 0, l.ke1, sizeof(l.ke1),
						     cv_rng_system(), l.ke2, &l.s),
			 0);
	assert_memory_not_equal(l.ke2 + KE2_EVALUATED, ke2 + KE2_EVALUATED, 32);
	assert_int_equal(opaque_server_login_respond(&fast, &w.keys, NULL, "other", 5, NULL, 192, l.ke1, sizeof(l.ke1),
						     cv_rng_system(), l.ke2, &l.s),
			 CV_EFORMAT);
}

static void test_generator_fails(void **state)
{
	static const struct opaque_client wiped;
	struct world w;
	struct login l;

	world_make(&w);
	for (int i = 0; i < 4; i++) {
		uint8_t request[32], response[64], record[192], key[64];
		struct dry d = {0, i}, now = {0, 0};
		struct cv_rng rng = {dry_fill, &d}, none = {dry_fill, &now};
		struct opaque_server_keys keys;
		struct opaque_client c;

		if (opaque_client_login_start(&c, &rng, good, strlen(good), l.ke1) != 0) {
			assert_memory_equal(&c, &wiped, sizeof(c));
			assert_true(d.calls == i + 1);
		}
		begin(&w, good, &l);
		d.calls = 0;
		d.fail_at = i;
		assert_int_equal(opaque_server_login_respond(&fast, &w.keys, NULL, account, strlen(account), w.record,
							     192, l.ke1, sizeof(l.ke1), &rng, l.ke2, &l.s),
				 i < 3 ? CV_ECRYPTO : 0);
		assert_int_equal(opaque_server_keys_generate(&none, &keys), CV_ECRYPTO);
		assert_int_equal(opaque_client_register_start(&c, cv_rng_system(), good, strlen(good), request), 0);
		assert_int_equal(opaque_server_register_respond(&w.keys, "a", 1, request, 32, response), 0);
		now.calls = 0;
		assert_int_equal(opaque_client_register_finish_unstretched(&c, &fast, NULL, &none, response, 64, record,
									   key, NULL),
				 CV_ECRYPTO);
		assert_memory_equal(&c, &wiped, sizeof(c));
	}
}

/* RFC 9380 appendix K.3. */
static void test_expand_message(void **state)
{
	static const char dst[] = "QUUX-V01-CS02-with-expander-SHA512-256";
	static const struct {
		const char *msg, *hex;
	} cases[] = {
		{"", "6b9a7312411d92f921c6f68ca0b6380730a1a4d982c507211a90964c394179ba"},
		{"abc", "0da749f12fbe5483eb066a5f595055679b976e93abe9be6f0f6318bce7aca8dc"},
	};
	uint8_t want[32], got[32], many[1];

	for (size_t i = 0; i < LEN(cases); i++) {
		assert_int_equal(cv_hex_decode(want, 32, cases[i].hex), 0);
		assert_int_equal(oprf_expand_message(cases[i].msg, strlen(cases[i].msg), dst, strlen(dst), got, 32), 0);
		assert_memory_equal(got, want, 32);
	}
	assert_int_equal(oprf_expand_message("", 0, dst, 0, got, 32), CV_EINVAL);
	assert_int_equal(oprf_expand_message("", 0, dst, 256, got, 32), CV_EINVAL);
	assert_int_equal(oprf_expand_message("", 0, dst, 10, many, 255 * 64 + 1), CV_EINVAL);
	assert_int_equal(oprf_expand_message("", 0, dst, 10, many, 0), CV_EINVAL);
}

#ifndef UNDER_SANITIZER
/* Argon2id wants 64 MiB. Without them the login fails cleanly, and nothing of the password stays. */
static void test_no_memory_for_argon2id(void **state)
{
	struct rlimit old, tight;
	struct world w;
	struct login l;
	int err;

	world_make(&w);
	begin(&w, good, &l);
	assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
	tight = old;
	tight.rlim_cur = 48 << 20;
	assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
	err = finish_client(&l, &opaque_config_v1, NULL);
	assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
	assert_int_equal(err, CV_ENOMEM);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_argon2id_life),
		cmocka_unit_test(test_stretching_matters),
		cmocka_unit_test(test_client_refuses_other_stretching),
		cmocka_unit_test(test_wrong_password),
		cmocka_unit_test(test_wrong_server),
		cmocka_unit_test(test_context_and_identities),
		cmocka_unit_test(test_order_of_calls),
		cmocka_unit_test(test_fake_record),
		cmocka_unit_test(test_generator_fails),
		cmocka_unit_test(test_expand_message),
#ifndef UNDER_SANITIZER
		cmocka_unit_test(test_no_memory_for_argon2id),
#endif
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
