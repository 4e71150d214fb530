/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"

int opaque_3dh(const uint8_t *const private_keys[3], const uint8_t *const public_keys[3],
	       uint8_t ret_ikm[3 * OPAQUE_KEY_LEN])
{
	for (size_t i = 0; i < 3; i++) {
		int err = oprf_evaluate(private_keys[i], public_keys[i], ret_ikm + i * OPAQUE_KEY_LEN);

		if (err) {
			cv_wipe(ret_ikm, 3 * OPAQUE_KEY_LEN);
			return err;
		}
	}
	return 0;
}

static void feed_vec16(crypto_hash_sha512_state *st, const void *p, size_t len)
{
	const uint8_t n[2] = {(uint8_t)(len >> 8), (uint8_t)len};

	crypto_hash_sha512_update(st, n, 2);
	if (len)
		crypto_hash_sha512_update(st, p, len);
}

/* Derive-Secret: Expand(secret, CustomLabel), section 6.4.2.1. `context` is a hash, or empty. */
static void derive_secret(const uint8_t secret[HASH_LEN], const char *label, const uint8_t *context, size_t context_len,
			  uint8_t ret[HASH_LEN])
{
	size_t label_len = strlen(label);
	const uint8_t head[3] = {0, HASH_LEN, (uint8_t)(7 + label_len)}, ctx_len = (uint8_t)context_len;
	const struct cv_span spans[] = {SPAN(head, 3), SPAN_S("OPAQUE-"), SPAN(label, label_len), SPAN(&ctx_len, 1),
					SPAN(context, context_len)};

	opaque_hkdf_expand(secret, spans, 5, ret, HASH_LEN);
}

void opaque_ake_derive(const struct opaque_config *config, const uint8_t ikm[3 * OPAQUE_KEY_LEN],
		       const struct cv_span *client_id, const struct cv_span *server_id,
		       const uint8_t ke1[OPAQUE_KE1_LEN], const uint8_t ke2[KE2_MAC], struct opaque_ake_keys *ret_keys)
{
	uint8_t preamble_hash[HASH_LEN], prk[HASH_LEN], handshake[HASH_LEN], mac_key[HASH_LEN];
	struct cv_span span = SPAN(ikm, 3 * OPAQUE_KEY_LEN);
	crypto_hash_sha512_state st, with_mac;

	/* Preamble, section 6.4.2.1. */
	crypto_hash_sha512_init(&st);
	crypto_hash_sha512_update(&st, (const uint8_t *)"OPAQUEv1-", 9);
	feed_vec16(&st, config->context, config->context_len);
	feed_vec16(&st, client_id->data, client_id->len);
	crypto_hash_sha512_update(&st, ke1, OPAQUE_KE1_LEN);
	feed_vec16(&st, server_id->data, server_id->len);
	crypto_hash_sha512_update(&st, ke2, KE2_MAC);
	with_mac = st;
	crypto_hash_sha512_final(&st, preamble_hash);

	opaque_hkdf_extract(&span, 1, prk);
	derive_secret(prk, "HandshakeSecret", preamble_hash, HASH_LEN, handshake);
	derive_secret(prk, "SessionKey", preamble_hash, HASH_LEN, ret_keys->session_key);
	derive_secret(handshake, "ServerMAC", NULL, 0, mac_key);
	span = SPAN(preamble_hash, HASH_LEN);
	opaque_hmac(mac_key, HASH_LEN, &span, 1, ret_keys->server_mac);
	derive_secret(handshake, "ClientMAC", NULL, 0, mac_key);
	crypto_hash_sha512_update(&with_mac, ret_keys->server_mac, OPAQUE_MAC_LEN);
	crypto_hash_sha512_final(&with_mac, preamble_hash);
	opaque_hmac(mac_key, HASH_LEN, &span, 1, ret_keys->client_mac);

	cv_wipe(prk, sizeof(prk));
	cv_wipe(handshake, sizeof(handshake));
	cv_wipe(mac_key, sizeof(mac_key));
}
