/* SPDX-License-Identifier: Apache-2.0 */
#include "internal.h"

const struct opaque_config opaque_config_v1 = {.ksf = OPAQUE_KSF_ARGON2ID};

int opaque_config_check(const struct opaque_config *config)
{
	if (config->ksf != OPAQUE_KSF_ARGON2ID)
		return CV_EINVAL;
	return config->context_len > OPAQUE_CONTEXT_MAX ? CV_EINVAL : 0;
}

int opaque_ids_resolve(const struct opaque_ids *ids, const uint8_t *client_public_key, const uint8_t *server_public_key,
		       struct cv_span *ret_client, struct cv_span *ret_server)
{
	if (ids && (ids->client_len > OPAQUE_IDENTITY_MAX || ids->server_len > OPAQUE_IDENTITY_MAX))
		return CV_EINVAL;
	*ret_client =
		ids && ids->client_len ? SPAN(ids->client, ids->client_len) : SPAN(client_public_key, OPAQUE_KEY_LEN);
	*ret_server =
		ids && ids->server_len ? SPAN(ids->server, ids->server_len) : SPAN(server_public_key, OPAQUE_KEY_LEN);
	return 0;
}

int opaque_dh_keypair(const uint8_t seed[32], uint8_t ret_private[OPAQUE_KEY_LEN], uint8_t ret_public[OPAQUE_KEY_LEN])
{
	static const char info[] = "OPAQUE-DeriveDiffieHellmanKeyPair";

	return oprf_derive_key(seed, info, sizeof(info) - 1, ret_private, ret_public);
}

/* Section 4.1.2 and 4.1.3: the same derivations in Store and in Recover. */
int opaque_envelope_open_keys(const uint8_t randomized_password[HASH_LEN], const uint8_t nonce[OPAQUE_NONCE_LEN],
			      struct opaque_envelope_keys *ret_keys)
{
	struct cv_span spans[2] = {SPAN(nonce, OPAQUE_NONCE_LEN)};
	uint8_t seed[32];
	int err;

	spans[1] = SPAN_S("AuthKey");
	opaque_hkdf_expand(randomized_password, spans, 2, ret_keys->auth_key, HASH_LEN);
	spans[1] = SPAN_S("ExportKey");
	opaque_hkdf_expand(randomized_password, spans, 2, ret_keys->export_key, OPAQUE_EXPORT_KEY_LEN);
	spans[1] = SPAN_S("PrivateKey");
	opaque_hkdf_expand(randomized_password, spans, 2, seed, sizeof(seed));
	err = opaque_dh_keypair(seed, ret_keys->client_private_key, ret_keys->client_public_key);
	cv_wipe(seed, sizeof(seed));
	return err;
}

/* struct { server_public_key[Npk]; server_identity<1..2^16-1>; client_identity<1..2^16-1> } CleartextCredentials */
int opaque_envelope_tag(const struct opaque_envelope_keys *keys, const uint8_t nonce[OPAQUE_NONCE_LEN],
			const uint8_t server_public_key[OPAQUE_KEY_LEN], const struct opaque_ids *ids,
			uint8_t ret_tag[OPAQUE_MAC_LEN])
{
	uint8_t server_len[2], client_len[2];
	struct cv_span client, server;
	int err = opaque_ids_resolve(ids, keys->client_public_key, server_public_key, &client, &server);

	if (err)
		return err;
	server_len[0] = (uint8_t)(server.len >> 8);
	server_len[1] = (uint8_t)server.len;
	client_len[0] = (uint8_t)(client.len >> 8);
	client_len[1] = (uint8_t)client.len;
	opaque_hmac(keys->auth_key, HASH_LEN,
		    (const struct cv_span[]){SPAN(nonce, OPAQUE_NONCE_LEN), SPAN(server_public_key, OPAQUE_KEY_LEN),
					     SPAN(server_len, 2), server, SPAN(client_len, 2), client},
		    6, ret_tag);
	return 0;
}

void opaque_masking_pad(const uint8_t masking_key[HASH_LEN], const uint8_t nonce[OPAQUE_NONCE_LEN],
			uint8_t ret_pad[MASKED_LEN])
{
	const struct cv_span spans[] = {SPAN(nonce, OPAQUE_NONCE_LEN), SPAN_S("CredentialResponsePad")};

	opaque_hkdf_expand(masking_key, spans, 2, ret_pad, MASKED_LEN);
}
