/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"

static void hmac_start(crypto_auth_hmacsha512_state *st, const uint8_t *key, size_t key_len)
{
	static const uint8_t none[1];

	crypto_auth_hmacsha512_init(st, key_len ? key : none, key_len);
}

static void hmac_feed(crypto_auth_hmacsha512_state *st, const struct cv_span *spans, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (spans[i].len)
			crypto_auth_hmacsha512_update(st, spans[i].data, spans[i].len);
}

void opaque_hmac(const uint8_t *key, size_t key_len, const struct cv_span *spans, size_t count,
		 uint8_t ret_mac[HASH_LEN])
{
	crypto_auth_hmacsha512_state st;

	hmac_start(&st, key, key_len);
	hmac_feed(&st, spans, count);
	crypto_auth_hmacsha512_final(&st, ret_mac);
	cv_wipe(&st, sizeof(st));
}

void opaque_hkdf_extract(const struct cv_span *spans, size_t count, uint8_t ret_prk[HASH_LEN])
{
	opaque_hmac(NULL, 0, spans, count, ret_prk);
}

void opaque_hkdf_expand(const uint8_t prk[HASH_LEN], const struct cv_span *spans, size_t count, uint8_t *out,
			size_t out_len)
{
	crypto_auth_hmacsha512_state st;
	uint8_t t[HASH_LEN];
	size_t done = 0;

	for (uint8_t i = 1; done < out_len; i++) {
		size_t take = out_len - done < HASH_LEN ? out_len - done : HASH_LEN;

		hmac_start(&st, prk, HASH_LEN);
		if (i > 1)
			crypto_auth_hmacsha512_update(&st, t, HASH_LEN);
		hmac_feed(&st, spans, count);
		crypto_auth_hmacsha512_update(&st, &i, 1);
		crypto_auth_hmacsha512_final(&st, t);
		memcpy(out + done, t, take);
		done += take;
	}
	cv_wipe(&st, sizeof(st));
	cv_wipe(t, sizeof(t));
}
