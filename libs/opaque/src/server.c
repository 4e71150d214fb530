/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"

int opaque_server_keys_generate(const struct cv_rng *rng, struct opaque_server_keys *ret_keys)
{
	struct opaque_server_keys k;
	int err;

	if (sodium_init() < 0)
		return CV_ECRYPTO;
	err = oprf_scalar_random(rng, k.private_key);
	if (!err)
		err = cv_rng_fill(rng, k.oprf_seed, sizeof(k.oprf_seed));
	if (!err)
		err = opaque_server_keys_load(k.private_key, k.oprf_seed, ret_keys);
	cv_wipe(&k, sizeof(k));
	return err;
}

int opaque_server_keys_load(const uint8_t private_key[OPAQUE_KEY_LEN], const uint8_t oprf_seed[OPAQUE_OPRF_SEED_LEN],
			    struct opaque_server_keys *ret_keys)
{
	uint8_t public_key[OPAQUE_KEY_LEN];
	int err;

	if (sodium_init() < 0)
		return CV_ECRYPTO;
	err = oprf_scalar_check(private_key);
	if (err)
		return err;
	if (crypto_scalarmult_ristretto255_base(public_key, private_key) != 0)
		return CV_EFORMAT;
	memmove(ret_keys->private_key, private_key, OPAQUE_KEY_LEN);
	memmove(ret_keys->oprf_seed, oprf_seed, OPAQUE_OPRF_SEED_LEN);
	memcpy(ret_keys->public_key, public_key, OPAQUE_KEY_LEN);
	return 0;
}

/* The key of one credential, from the seed; sections 5.2.2 and 6.3.2.2. */
static int oprf_key(const struct opaque_server_keys *keys, const struct cv_span *credential_id,
		    uint8_t ret_key[OPRF_SCALAR_LEN])
{
	static const char info[] = "OPAQUE-DeriveKeyPair";
	const struct cv_span spans[] = {*credential_id, SPAN_S("OprfKey")};
	uint8_t seed[OPRF_SEED_LEN], public_key[OPRF_ELEMENT_LEN];
	int err;

	if (credential_id->len < 1 || credential_id->len > OPAQUE_CREDENTIAL_ID_MAX)
		return CV_EINVAL;
	opaque_hkdf_expand(keys->oprf_seed, spans, 2, seed, sizeof(seed));
	err = oprf_derive_key(seed, info, sizeof(info) - 1, ret_key, public_key);
	cv_wipe(seed, sizeof(seed));
	return err;
}

static int evaluate(const struct opaque_server_keys *keys, const struct cv_span *credential_id, const uint8_t *blinded,
		    uint8_t ret_evaluated[OPRF_ELEMENT_LEN])
{
	uint8_t key[OPRF_SCALAR_LEN];
	int err;

	if (sodium_init() < 0)
		return CV_ECRYPTO;
	err = oprf_key(keys, credential_id, key);
	if (!err)
		err = oprf_evaluate(key, blinded, ret_evaluated);
	cv_wipe(key, sizeof(key));
	return err;
}

int opaque_server_register_respond(const struct opaque_server_keys *keys, const void *credential_id,
				   size_t credential_id_len, const void *request, size_t request_len,
				   uint8_t ret_response[OPAQUE_RESPONSE_LEN])
{
	const struct cv_span id = SPAN(credential_id, credential_id_len);
	int err;

	if (request_len != OPAQUE_REQUEST_LEN)
		return CV_EFORMAT;
	err = evaluate(keys, &id, request, ret_response);
	if (err)
		return err;
	memcpy(ret_response + OPRF_ELEMENT_LEN, keys->public_key, OPAQUE_KEY_LEN);
	return 0;
}

int opaque_record_check(const void *record, size_t record_len)
{
	if (record_len != OPAQUE_RECORD_LEN)
		return CV_EFORMAT;
	return oprf_element_check((const uint8_t *)record + RECORD_PUBLIC_KEY);
}

/*
 * A record for an account that does not exist (section 6.3.2.2): a public key and a masking key that nobody can tell
 * from random ones, and an empty envelope. They depend on the credential alone, so nothing has to be remembered.
 */
static void fake_record(const struct opaque_server_keys *keys, const struct cv_span *credential_id,
			uint8_t ret_record[OPAQUE_RECORD_LEN])
{
	struct cv_span spans[] = {*credential_id, SPAN_S("FakePublicKey")};
	uint8_t wide[64];

	opaque_hkdf_expand(keys->oprf_seed, spans, 2, wide, sizeof(wide));
	crypto_core_ristretto255_from_hash(ret_record + RECORD_PUBLIC_KEY, wide);
	spans[1] = SPAN_S("FakeMaskingKey");
	opaque_hkdf_expand(keys->oprf_seed, spans, 2, ret_record + RECORD_MASKING_KEY, HASH_LEN);
	memset(ret_record + RECORD_ENVELOPE, 0, OPAQUE_ENVELOPE_LEN);
	cv_wipe(wide, sizeof(wide));
}

/* The fake record is always made, and one of the two is taken without a branch: unknown accounts take the same time. */
static int choose_record(const struct opaque_server_keys *keys, const struct cv_span *credential_id,
			 const uint8_t *record, size_t record_len, uint8_t ret_record[OPAQUE_RECORD_LEN])
{
	uint8_t fake[OPAQUE_RECORD_LEN];
	const uint8_t *real = record ? record : fake;
	uint8_t mask = (uint8_t)(record ? 0xff : 0);

	if (record ? record_len != OPAQUE_RECORD_LEN : record_len != 0)
		return CV_EFORMAT;
	fake_record(keys, credential_id, fake);
	for (size_t i = 0; i < OPAQUE_RECORD_LEN; i++)
		ret_record[i] = (uint8_t)((real[i] & mask) | (fake[i] & (uint8_t)~mask));
	cv_wipe(fake, sizeof(fake));
	return oprf_element_check(ret_record + RECORD_PUBLIC_KEY);
}

/* CreateCredentialResponse, section 6.3.2.2. Fills ke2 up to KE2_NONCE. */
static int credential_response(const struct opaque_server_keys *keys, const struct cv_span *credential_id,
			       const uint8_t *record, const uint8_t *ke1, const struct cv_rng *rng, uint8_t *ke2)
{
	uint8_t *masked = ke2 + KE2_MASKED;
	int err;

	err = evaluate(keys, credential_id, ke1 + KE1_BLINDED, ke2 + KE2_EVALUATED);
	if (!err)
		err = cv_rng_fill(rng, ke2 + KE2_MASKING_NONCE, OPAQUE_NONCE_LEN);
	if (err)
		return err;
	opaque_masking_pad(record + RECORD_MASKING_KEY, ke2 + KE2_MASKING_NONCE, masked);
	for (size_t i = 0; i < OPAQUE_KEY_LEN; i++)
		masked[i] ^= keys->public_key[i];
	for (size_t i = 0; i < OPAQUE_ENVELOPE_LEN; i++)
		masked[OPAQUE_KEY_LEN + i] ^= record[RECORD_ENVELOPE + i];
	return 0;
}

/* AuthServerRespond, section 6.4.4. Fills the rest of ke2. */
static int auth_response(const struct opaque_config *config, const struct opaque_server_keys *keys,
			 const struct opaque_ids *ids, const uint8_t *record, const uint8_t *ke1,
			 const struct cv_rng *rng, uint8_t *ke2, struct opaque_ake_keys *ret_ake)
{
	uint8_t seed[32], secret[OPAQUE_KEY_LEN] = {0}, ikm[3 * OPAQUE_KEY_LEN];
	const uint8_t *client_public_key = record + RECORD_PUBLIC_KEY, *keyshare = ke1 + KE1_KEYSHARE;
	const uint8_t *const private_keys[3] = {secret, keys->private_key, secret};
	const uint8_t *const public_keys[3] = {keyshare, keyshare, client_public_key};
	struct cv_span client_id, server_id;
	int err;

	err = opaque_ids_resolve(ids, client_public_key, keys->public_key, &client_id, &server_id);
	if (!err)
		err = cv_rng_fill(rng, ke2 + KE2_NONCE, OPAQUE_NONCE_LEN);
	if (!err)
		err = cv_rng_fill(rng, seed, sizeof(seed));
	if (!err)
		err = opaque_dh_keypair(seed, secret, ke2 + KE2_KEYSHARE);
	if (!err)
		err = opaque_3dh(private_keys, public_keys, ikm);
	if (!err) {
		opaque_ake_derive(config, ikm, &client_id, &server_id, ke1, ke2, ret_ake);
		memcpy(ke2 + KE2_MAC, ret_ake->server_mac, OPAQUE_MAC_LEN);
	}
	cv_wipe(seed, sizeof(seed));
	cv_wipe(secret, sizeof(secret));
	cv_wipe(ikm, sizeof(ikm));
	return err;
}

int opaque_server_login_respond(const struct opaque_config *config, const struct opaque_server_keys *keys,
				const struct opaque_ids *ids, const void *credential_id, size_t credential_id_len,
				const void *record, size_t record_len, const void *ke1, size_t ke1_len,
				const struct cv_rng *rng, uint8_t ret_ke2[OPAQUE_KE2_LEN],
				struct opaque_server_login *ret_login)
{
	const struct cv_span id = SPAN(credential_id, credential_id_len);
	uint8_t chosen[OPAQUE_RECORD_LEN], ke2[OPAQUE_KE2_LEN];
	struct opaque_ake_keys ake = {0};
	int err;

	err = ke1_len == OPAQUE_KE1_LEN ? opaque_config_check(config) : CV_EFORMAT;
	if (err)
		return err;
	err = choose_record(keys, &id, record, record_len, chosen);
	if (!err)
		err = credential_response(keys, &id, chosen, ke1, rng, ke2);
	if (!err)
		err = auth_response(config, keys, ids, chosen, ke1, rng, ke2, &ake);
	if (!err) {
		memcpy(ret_ke2, ke2, OPAQUE_KE2_LEN);
		memcpy(ret_login->expected_mac, ake.client_mac, OPAQUE_MAC_LEN);
		memcpy(ret_login->session_key, ake.session_key, OPAQUE_SESSION_KEY_LEN);
	}
	cv_wipe(chosen, sizeof(chosen));
	cv_wipe(ke2, sizeof(ke2));
	cv_wipe(&ake, sizeof(ake));
	return err;
}

int opaque_server_login_finish(struct opaque_server_login *login, const void *ke3, size_t ke3_len,
			       uint8_t ret_session_key[OPAQUE_SESSION_KEY_LEN])
{
	int err = ke3_len == OPAQUE_KE3_LEN && cv_equal(login->expected_mac, ke3, OPAQUE_KE3_LEN) ? 0 : CV_EAUTH;

	if (!err)
		memcpy(ret_session_key, login->session_key, OPAQUE_SESSION_KEY_LEN);
	cv_wipe(login, sizeof(*login));
	return err;
}
