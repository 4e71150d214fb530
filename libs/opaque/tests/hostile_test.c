/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, elements, scalars and lengths that are not what they should be. */
#include <base/text.h>

#include "world.h"

/* The group's order. */
static const uint8_t order[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
				  0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
				  0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

static void test_every_bit_of_ke2(void **state)
{
	struct world w;
	struct login l, copy;

	world_make(&w);
	begin(&w, good, &l);
	for (size_t bit = 0; bit < sizeof(l.ke2) * 8; bit += 3) {
		int err;

		copy = l;
		copy.ke2[bit / 8] ^= (uint8_t)(1 << bit % 8);
		err = finish_client(&copy, &fast, NULL);
		assert_true(err == CV_EAUTH || err == CV_EFORMAT);
	}
	assert_int_equal(finish_client(&l, &fast, NULL), 0);
}

static void test_every_bit_of_ke1(void **state)
{
	struct world w;
	struct login l, copy;

	world_make(&w);
	begin(&w, good, &l);
	for (size_t bit = 0; bit < sizeof(l.ke1) * 8; bit += 5) {
		uint8_t key[64];
		int err;

		copy = l;
		copy.ke1[bit / 8] ^= (uint8_t)(1 << bit % 8);
		err = respond(&w, NULL, w.record, &copy);
		if (err) {
			assert_int_equal(err, CV_EFORMAT);
			continue;
		}
		assert_int_equal(finish_client(&copy, &fast, NULL), CV_EAUTH);
		assert_int_equal(opaque_server_login_finish(&copy.s, copy.ke3, sizeof(copy.ke3), key), CV_EAUTH);
	}
}

static void test_every_bit_of_ke3(void **state)
{
	static const struct opaque_server_login wiped;
	uint8_t key[64] = {0}, zero[64] = {0};
	struct opaque_server_login s;
	struct world w;
	struct login l;

	world_make(&w);
	begin(&w, good, &l);
	assert_int_equal(finish_client(&l, &fast, NULL), 0);
	for (size_t bit = 0; bit < sizeof(l.ke3) * 8; bit++) {
		s = l.s;
		l.ke3[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(opaque_server_login_finish(&s, l.ke3, sizeof(l.ke3), key), CV_EAUTH);
		assert_memory_equal(&s, &wiped, sizeof(s));
		l.ke3[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	s = l.s;
	assert_int_equal(opaque_server_login_finish(&s, l.ke3, sizeof(l.ke3) - 1, key), CV_EAUTH);
	assert_memory_equal(key, zero, sizeof(key));
}

/* What must never be taken for an element: the identity, encodings that are not canonical, and no points at all. */
static void bad_element(size_t i, uint8_t e[32])
{
	static const char *const hex[] = {
		"0000000000000000000000000000000000000000000000000000000000000000", /* identity */
		"0000000000000000000000000000000000000000000000000000000000000080", /* the same, not canonical */
		"e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2df6", /* generator, highest bit set */
		"00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", /* not canonical */
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* p, that is 0 */
		"0100000000000000000000000000000000000000000000000000000000000000", /* negative */
		"26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371", /* not a square */
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", /* s = -1, so y = 0 */
	};

	assert_true(i < LEN(hex));
	assert_int_equal(cv_hex_decode(e, 32, hex[i]), 0);
}
#define BAD_ELEMENTS 9

static void test_bad_elements(void **state)
{
	uint8_t e[32], key[32], out[64], response[OPAQUE_RESPONSE_LEN], request[OPAQUE_REQUEST_LEN];
	uint8_t record[OPAQUE_RECORD_LEN], blind[32];
	struct opaque_client c;
	struct world w;
	struct login l;

	world_make(&w);
	assert_int_equal(oprf_scalar_random(cv_rng_system(), key), 0);
	assert_int_equal(oprf_scalar_random(cv_rng_system(), blind), 0);
	for (size_t i = 0; i < BAD_ELEMENTS; i++) {
		bad_element(i, e);
		assert_int_equal(oprf_element_check(e), CV_EFORMAT);
		assert_int_equal(oprf_evaluate(key, e, out), CV_EFORMAT);
		assert_int_equal(oprf_finalize("x", 1, blind, e, out), CV_EFORMAT);
		/* registration: request, both halves of the response, record */
		assert_int_equal(opaque_server_register_respond(&w.keys, "a", 1, e, 32, response), CV_EFORMAT);
		for (size_t half = 0; half < 64; half += 32) {
			assert_int_equal(opaque_client_register_start(&c, cv_rng_system(), "p", 1, request), 0);
			assert_int_equal(opaque_server_register_respond(&w.keys, "a", 1, request, 32, response), 0);
			memcpy(response + half, e, 32);
			assert_int_equal(opaque_client_register_finish_unstretched(&c, &fast, NULL, cv_rng_system(),
										   response, 64, record, out, NULL),
					 CV_EFORMAT);
		}
		memcpy(record, w.record, sizeof(record));
		memcpy(record + RECORD_PUBLIC_KEY, e, 32);
		assert_int_equal(opaque_record_check(record, sizeof(record)), CV_EFORMAT);
		begin(&w, good, &l);
		assert_int_equal(respond(&w, NULL, record, &l), CV_EFORMAT);
		/* login: both elements of KE1, both open elements of KE2 */
		memcpy(l.ke1 + KE1_BLINDED, e, 32);
		assert_int_equal(respond(&w, NULL, w.record, &l), CV_EFORMAT);
		begin(&w, good, &l);
		memcpy(l.ke1 + KE1_KEYSHARE, e, 32);
		assert_int_equal(respond(&w, NULL, w.record, &l), CV_EFORMAT);
		begin(&w, good, &l);
		memcpy(l.ke2 + KE2_EVALUATED, e, 32);
		assert_int_equal(finish_client(&l, &fast, NULL), CV_EFORMAT);
		begin(&w, good, &l);
		memcpy(l.ke2 + KE2_KEYSHARE, e, 32);
		assert_int_equal(finish_client(&l, &fast, NULL), CV_EFORMAT);
	}
}

static void test_scalars(void **state)
{
	uint8_t s[32] = {0}, seed[64] = {0}, out[32];
	struct opaque_server_keys keys;

	assert_int_equal(opaque_server_keys_load(s, seed, &keys), CV_EFORMAT); /* zero */
	assert_int_equal(oprf_blind("x", 1, s, out), CV_EINVAL);
	assert_int_equal(opaque_server_keys_load(order, seed, &keys), CV_EFORMAT);
	memcpy(s, order, 32);
	s[0]++; /* order + 1 is 1, not canonically */
	assert_int_equal(opaque_server_keys_load(s, seed, &keys), CV_EFORMAT);
	s[0] -= 2;
	assert_int_equal(opaque_server_keys_load(s, seed, &keys), 0);
	memset(s, 0xff, 32);
	assert_int_equal(opaque_server_keys_load(s, seed, &keys), CV_EFORMAT);
}

static void test_lengths(void **state)
{
	static const size_t wrong_ke1_lens[] = {0, 1, 95, 97};
	static const uint8_t big[OPAQUE_CREDENTIAL_ID_MAX + 1];
	uint8_t request[64] = {0}, out[OPAQUE_RECORD_LEN], key[64];
	struct opaque_server_login s;
	struct opaque_ids long_id = {big, OPAQUE_IDENTITY_MAX + 1, NULL, 0};
	struct opaque_config bad_ksf = {.ksf = 0};
	struct opaque_client c;
	struct world w;
	struct login l;

	world_make(&w);
	assert_int_equal(opaque_client_login_start(&c, cv_rng_system(), "", 0, out), CV_EINVAL);
	assert_int_equal(opaque_client_login_start(&c, cv_rng_system(), big, OPAQUE_PASSWORD_MAX + 1, out), CV_ELIMIT);
	assert_int_equal(opaque_client_login_start(&c, cv_rng_system(), big, OPAQUE_PASSWORD_MAX, out), 0);
	assert_int_equal(opaque_client_register_start(&c, cv_rng_system(), good, strlen(good), request), 0);
	assert_int_equal(opaque_server_register_respond(&w.keys, "a", 1, request, 31, out), CV_EFORMAT);
	assert_int_equal(opaque_server_register_respond(&w.keys, "a", 1, request, 33, out), CV_EFORMAT);
	assert_int_equal(opaque_server_register_respond(&w.keys, "", 0, request, 32, out), CV_EINVAL);
	assert_int_equal(opaque_server_register_respond(&w.keys, big, sizeof(big), request, 32, out), CV_EINVAL);
	assert_int_equal(
		opaque_client_register_finish_unstretched(&c, &fast, NULL, cv_rng_system(), out, 63, out, key, NULL),
		CV_EFORMAT);
	assert_int_equal(opaque_record_check(w.record, 191), CV_EFORMAT);
	begin(&w, good, &l);
	for (size_t i = 0; i < LEN(wrong_ke1_lens); i++)
		assert_int_equal(opaque_server_login_respond(&fast, &w.keys, NULL, "a", 1, w.record, 192, l.ke1,
							     wrong_ke1_lens[i], cv_rng_system(), l.ke2, &s),
				 CV_EFORMAT);
	assert_int_equal(opaque_server_login_respond(&fast, &w.keys, NULL, "a", 1, w.record, 191, l.ke1, 96,
						     cv_rng_system(), l.ke2, &s),
			 CV_EFORMAT);
	assert_int_equal(opaque_server_login_respond(&bad_ksf, &w.keys, NULL, "a", 1, w.record, 192, l.ke1, 96,
						     cv_rng_system(), l.ke2, &s),
			 CV_EINVAL);
	assert_int_equal(respond(&w, &long_id, w.record, &l), CV_EINVAL);
	assert_int_equal(opaque_client_login_finish_unstretched(&l.c, &fast, NULL, l.ke2, 319, l.ke3, &l.r),
			 CV_EFORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_bit_of_ke2), cmocka_unit_test(test_every_bit_of_ke1),
		cmocka_unit_test(test_every_bit_of_ke3), cmocka_unit_test(test_bad_elements),
		cmocka_unit_test(test_scalars),          cmocka_unit_test(test_lengths),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
