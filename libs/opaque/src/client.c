/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"

enum phase { PHASE_NONE = 0, PHASE_REGISTER = 1, PHASE_LOGIN = 2 };

#define ARGON_PASSES 3
#define ARGON_MEMORY ((size_t)64 << 20)

void opaque_client_done(struct opaque_client *c)
{
	cv_wipe(c, sizeof(*c));
}

/* Keeps the password and blinds it. */
static int start(struct opaque_client *c, enum phase phase, const struct cv_rng *rng, const void *password,
		 size_t password_len, uint8_t ret_blinded[OPRF_ELEMENT_LEN])
{
	int err;

	opaque_client_done(c);
	if (sodium_init() < 0)
		return CV_ECRYPTO;
	if (password_len == 0)
		return CV_EINVAL;
	if (password_len > OPAQUE_PASSWORD_MAX)
		return CV_ELIMIT;
	err = oprf_scalar_random(rng, c->blind);
	if (!err)
		err = oprf_blind(password, password_len, c->blind, ret_blinded);
	if (err) {
		opaque_client_done(c);
		return err;
	}
	memcpy(c->password, password, password_len);
	c->password_len = password_len;
	c->phase = (uint8_t)phase;
	return 0;
}

int opaque_client_register_start(struct opaque_client *c, const struct cv_rng *rng, const void *password,
				 size_t password_len, uint8_t ret_request[OPAQUE_REQUEST_LEN])
{
	return start(c, PHASE_REGISTER, rng, password, password_len, ret_request);
}

int opaque_client_login_start(struct opaque_client *c, const struct cv_rng *rng, const void *password,
			      size_t password_len, uint8_t ret_ke1[OPAQUE_KE1_LEN])
{
	uint8_t seed[32], blinded[OPRF_ELEMENT_LEN];
	int err;

	err = start(c, PHASE_LOGIN, rng, password, password_len, blinded);
	if (err)
		return err;
	memcpy(c->ke1 + KE1_BLINDED, blinded, sizeof(blinded));
	err = cv_rng_fill(rng, c->ke1 + KE1_NONCE, OPAQUE_NONCE_LEN);
	if (!err)
		err = cv_rng_fill(rng, seed, sizeof(seed));
	if (!err)
		err = opaque_dh_keypair(seed, c->secret, c->ke1 + KE1_KEYSHARE);
	cv_wipe(seed, sizeof(seed));
	if (err) {
		opaque_client_done(c);
		return err;
	}
	memcpy(ret_ke1, c->ke1, OPAQUE_KE1_LEN);
	return 0;
}

/* Key stretching, section 7: Argon2id's parameters are part of the protocol version, never negotiated. */
static int argon2id(const uint8_t in[HASH_LEN], uint8_t ret[HASH_LEN])
{
	static const uint8_t salt[crypto_pwhash_SALTBYTES];

	if (crypto_pwhash(ret, HASH_LEN, (const char *)in, HASH_LEN, salt, ARGON_PASSES, ARGON_MEMORY,
			  crypto_pwhash_ALG_ARGON2ID13) != 0)
		return CV_ENOMEM;
	return 0;
}

static int no_stretching(const uint8_t in[HASH_LEN], uint8_t ret[HASH_LEN])
{
	memcpy(ret, in, HASH_LEN);
	return 0;
}

typedef int stretch_fn(const uint8_t in[HASH_LEN], uint8_t ret[HASH_LEN]);

/* randomized_password = Extract("", oprf_output || Stretch(oprf_output)). The clear password is wiped in here. */
static int randomized_password(struct opaque_client *c, stretch_fn *stretch, const uint8_t evaluated[OPRF_ELEMENT_LEN],
			       uint8_t ret[HASH_LEN])
{
	uint8_t output[OPRF_OUTPUT_LEN], stretched[HASH_LEN];
	const struct cv_span spans[] = {SPAN(output, sizeof(output)), SPAN(stretched, sizeof(stretched))};
	int err;

	err = oprf_finalize(c->password, c->password_len, c->blind, evaluated, output);
	cv_wipe(c->password, sizeof(c->password));
	cv_wipe(c->blind, sizeof(c->blind));
	if (!err)
		err = stretch(output, stretched);
	if (!err)
		opaque_hkdf_extract(spans, 2, ret);
	cv_wipe(output, sizeof(output));
	cv_wipe(stretched, sizeof(stretched));
	return err;
}

static void masking_key(const uint8_t rwd[HASH_LEN], uint8_t ret[HASH_LEN])
{
	const struct cv_span span = SPAN_S("MaskingKey");

	opaque_hkdf_expand(rwd, &span, 1, ret, HASH_LEN);
}

/* Store, section 4.1.2, and FinalizeRegistrationRequest, section 5.2.3. */
static int make_record(const uint8_t rwd[HASH_LEN], const struct opaque_ids *ids, const uint8_t *nonce,
		       const uint8_t *server_public_key, uint8_t ret_record[OPAQUE_RECORD_LEN],
		       uint8_t ret_export_key[OPAQUE_EXPORT_KEY_LEN])
{
	struct opaque_envelope_keys keys;
	uint8_t tag[OPAQUE_MAC_LEN];
	int err;

	err = opaque_envelope_open_keys(rwd, nonce, &keys);
	if (!err)
		err = opaque_envelope_tag(&keys, nonce, server_public_key, ids, tag);
	if (!err) {
		memcpy(ret_record + RECORD_PUBLIC_KEY, keys.client_public_key, OPAQUE_KEY_LEN);
		masking_key(rwd, ret_record + RECORD_MASKING_KEY);
		memcpy(ret_record + RECORD_ENVELOPE, nonce, OPAQUE_NONCE_LEN);
		memcpy(ret_record + RECORD_ENVELOPE + OPAQUE_NONCE_LEN, tag, sizeof(tag));
		memcpy(ret_export_key, keys.export_key, OPAQUE_EXPORT_KEY_LEN);
	}
	cv_wipe(&keys, sizeof(keys));
	return err;
}

static int register_finish(struct opaque_client *c, stretch_fn *stretch, const struct opaque_config *config,
			   const struct opaque_ids *ids, const struct cv_rng *rng, const void *response,
			   size_t response_len, uint8_t ret_record[OPAQUE_RECORD_LEN],
			   uint8_t ret_export_key[OPAQUE_EXPORT_KEY_LEN], uint8_t ret_server_public_key[OPAQUE_KEY_LEN])
{
	const uint8_t *evaluated = response, *server_public_key = evaluated + OPRF_ELEMENT_LEN;
	uint8_t rwd[HASH_LEN] = {0}, nonce[OPAQUE_NONCE_LEN];
	int err = opaque_config_check(config);

	if (err)
		goto out;
	err = c->phase == PHASE_REGISTER ? 0 : CV_ESTATE;
	if (err)
		goto out;
	err = response_len == OPAQUE_RESPONSE_LEN ? oprf_element_check(server_public_key) : CV_EFORMAT;
	if (err)
		goto out;
	err = randomized_password(c, stretch, evaluated, rwd);
	if (err)
		goto out;
	err = cv_rng_fill(rng, nonce, sizeof(nonce));
	if (err)
		goto out;
	err = make_record(rwd, ids, nonce, server_public_key, ret_record, ret_export_key);
	if (!err && ret_server_public_key)
		memcpy(ret_server_public_key, server_public_key, OPAQUE_KEY_LEN);
out:
	cv_wipe(rwd, sizeof(rwd));
	opaque_client_done(c);
	return err;
}

int opaque_client_register_finish(struct opaque_client *c, const struct opaque_config *config,
				  const struct opaque_ids *ids, const struct cv_rng *rng, const void *response,
				  size_t response_len, uint8_t ret_record[OPAQUE_RECORD_LEN],
				  uint8_t ret_export_key[OPAQUE_EXPORT_KEY_LEN],
				  uint8_t ret_server_public_key[OPAQUE_KEY_LEN])
{
	return register_finish(c, argon2id, config, ids, rng, response, response_len, ret_record, ret_export_key,
			       ret_server_public_key);
}

int opaque_client_register_finish_unstretched(struct opaque_client *c, const struct opaque_config *config,
					      const struct opaque_ids *ids, const struct cv_rng *rng,
					      const void *response, size_t response_len,
					      uint8_t ret_record[OPAQUE_RECORD_LEN],
					      uint8_t ret_export_key[OPAQUE_EXPORT_KEY_LEN],
					      uint8_t ret_server_public_key[OPAQUE_KEY_LEN])
{
	return register_finish(c, no_stretching, config, ids, rng, response, response_len, ret_record, ret_export_key,
			       ret_server_public_key);
}

/*
 * Recover, section 4.1.3. Any failure is CV_EAUTH: with a wrong password everything behind the mask is noise, and the
 * caller must not learn which part of it was found wrong first.
 */
static int open_envelope(const uint8_t rwd[HASH_LEN], const uint8_t *ke2, const struct opaque_ids *ids,
			 struct opaque_envelope_keys *ret_keys, uint8_t ret_server_public_key[OPAQUE_KEY_LEN])
{
	uint8_t mask_key[HASH_LEN], clear[MASKED_LEN], tag[OPAQUE_MAC_LEN];
	const uint8_t *server_public_key = clear, *nonce = clear + OPAQUE_KEY_LEN;
	int err;

	masking_key(rwd, mask_key);
	opaque_masking_pad(mask_key, ke2 + KE2_MASKING_NONCE, clear);
	for (size_t i = 0; i < MASKED_LEN; i++)
		clear[i] ^= ke2[KE2_MASKED + i];
	err = opaque_envelope_open_keys(rwd, nonce, ret_keys);
	if (!err)
		err = opaque_envelope_tag(ret_keys, nonce, server_public_key, ids, tag);
	if (!err && !cv_equal(tag, nonce + OPAQUE_NONCE_LEN, OPAQUE_MAC_LEN))
		err = CV_EAUTH;
	if (!err && oprf_element_check(server_public_key) != 0)
		err = CV_EAUTH;
	if (!err)
		memcpy(ret_server_public_key, server_public_key, OPAQUE_KEY_LEN);
	cv_wipe(mask_key, sizeof(mask_key));
	cv_wipe(clear, sizeof(clear));
	cv_wipe(tag, sizeof(tag));
	return err;
}

/* AuthClientFinalize, section 6.4.3. */
static int finish_ake(const struct opaque_client *c, const struct opaque_config *config, const struct opaque_ids *ids,
		      const struct opaque_envelope_keys *env, const uint8_t *server_public_key, const uint8_t *ke2,
		      struct opaque_ake_keys *ret_ake)
{
	const uint8_t *server_keyshare = ke2 + KE2_KEYSHARE;
	const uint8_t *const private_keys[3] = {c->secret, c->secret, env->client_private_key};
	const uint8_t *const public_keys[3] = {server_keyshare, server_public_key, server_keyshare};
	uint8_t ikm[3 * OPAQUE_KEY_LEN];
	struct cv_span client_id, server_id;
	int err;

	err = opaque_ids_resolve(ids, env->client_public_key, server_public_key, &client_id, &server_id);
	if (!err)
		err = opaque_3dh(private_keys, public_keys, ikm);
	if (!err)
		opaque_ake_derive(config, ikm, &client_id, &server_id, c->ke1, ke2, ret_ake);
	cv_wipe(ikm, sizeof(ikm));
	if (!err && !cv_equal(ret_ake->server_mac, ke2 + KE2_MAC, OPAQUE_MAC_LEN))
		err = CV_EAUTH;
	return err;
}

static int login_finish(struct opaque_client *c, stretch_fn *stretch, const struct opaque_config *config,
			const struct opaque_ids *ids, const void *ke2, size_t ke2_len, uint8_t ret_ke3[OPAQUE_KE3_LEN],
			struct opaque_client_result *ret_result)
{
	uint8_t rwd[HASH_LEN] = {0}, server_public_key[OPAQUE_KEY_LEN];
	struct opaque_envelope_keys env = {0};
	struct opaque_ake_keys ake = {0};
	const uint8_t *msg = ke2;
	int err = opaque_config_check(config);

	if (err)
		goto out;
	err = c->phase == PHASE_LOGIN ? 0 : CV_ESTATE;
	if (err)
		goto out;
	err = ke2_len == OPAQUE_KE2_LEN ? oprf_element_check(msg + KE2_KEYSHARE) : CV_EFORMAT;
	if (err)
		goto out;
	err = randomized_password(c, stretch, msg + KE2_EVALUATED, rwd);
	if (err)
		goto out;
	err = open_envelope(rwd, msg, ids, &env, server_public_key);
	if (err)
		goto out;
	err = finish_ake(c, config, ids, &env, server_public_key, msg, &ake);
	if (err)
		goto out;
	memcpy(ret_ke3, ake.client_mac, OPAQUE_KE3_LEN);
	memcpy(ret_result->session_key, ake.session_key, OPAQUE_SESSION_KEY_LEN);
	memcpy(ret_result->export_key, env.export_key, OPAQUE_EXPORT_KEY_LEN);
	memcpy(ret_result->server_public_key, server_public_key, OPAQUE_KEY_LEN);
out:
	cv_wipe(rwd, sizeof(rwd));
	cv_wipe(&env, sizeof(env));
	cv_wipe(&ake, sizeof(ake));
	opaque_client_done(c);
	return err;
}

int opaque_client_login_finish(struct opaque_client *c, const struct opaque_config *config,
			       const struct opaque_ids *ids, const void *ke2, size_t ke2_len,
			       uint8_t ret_ke3[OPAQUE_KE3_LEN], struct opaque_client_result *ret_result)
{
	return login_finish(c, argon2id, config, ids, ke2, ke2_len, ret_ke3, ret_result);
}

int opaque_client_login_finish_unstretched(struct opaque_client *c, const struct opaque_config *config,
					   const struct opaque_ids *ids, const void *ke2, size_t ke2_len,
					   uint8_t ret_ke3[OPAQUE_KE3_LEN], struct opaque_client_result *ret_result)
{
	return login_finish(c, no_stretching, config, ids, ke2, ke2_len, ret_ke3, ret_result);
}
