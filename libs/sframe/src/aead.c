/* SPDX-License-Identifier: Apache-2.0 */
#include <endian.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/params.h>

#include <base/secret.h>

#include "internal.h"

#define HMAC_LEN       32
#define AAD_JOINED_MAX 64

static int init_mac(struct sframe_aead *a, const uint8_t *key, size_t len)
{
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
			       OSSL_PARAM_construct_end()};
	EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	int ok;

	if (!hmac)
		return CV_ECRYPTO;
	a->mac = EVP_MAC_CTX_new(hmac);
	EVP_MAC_free(hmac);
	ok = a->mac && EVP_MAC_init(a->mac, key, len, params) == 1;
	return ok ? 0 : CV_ECRYPTO;
}

int sframe_aead_init(struct sframe_aead *a, enum sframe_suite suite, bool encrypt, uint64_t kid, const void *base_key,
		     size_t base_key_len)
{
	struct sframe_keys keys;
	int err;

	memset(a, 0, sizeof(*a));
	a->info = sframe_suite_info(suite);
	err = sframe_key_derive(suite, kid, base_key, base_key_len, &keys);
	if (err)
		return err;
	memcpy(a->salt, keys.salt, sizeof(a->salt));
	a->cipher = EVP_CIPHER_CTX_new();
	if (!a->cipher || EVP_CipherInit_ex(a->cipher, a->info->cipher(), NULL, keys.key, NULL, encrypt) != 1) {
		err = CV_ECRYPTO;
		goto out;
	}
	if (a->info->key_len > a->info->enc_len)
		err = init_mac(a, keys.key + a->info->enc_len, keys.key_len - a->info->enc_len);
out:
	cv_wipe(&keys, sizeof(keys));
	if (err)
		sframe_aead_done(a);
	return err;
}

void sframe_aead_done(struct sframe_aead *a)
{
	/* OpenSSL wipes the keys that its contexts hold. */
	EVP_CIPHER_CTX_free(a->cipher);
	EVP_MAC_CTX_free(a->mac);
	cv_wipe(a, sizeof(*a));
}

/* Section 4.4.3: nonce = salt XOR counter; for CTR mode the 32-bit block counter (0) follows (section 4.5.1). */
static void make_iv(const struct sframe_aead *a, uint64_t ctr, uint8_t iv[16])
{
	uint64_t low;

	memcpy(iv, a->salt, SFRAME_SALT_LEN);
	memset(iv + SFRAME_SALT_LEN, 0, 16 - SFRAME_SALT_LEN);
	memcpy(&low, iv + SFRAME_SALT_LEN - 8, 8);
	low ^= htobe64(ctr);
	memcpy(iv + SFRAME_SALT_LEN - 8, &low, 8);
}

static void put_u64(uint8_t *dst, uint64_t v)
{
	for (size_t i = 0; i < 8; i++)
		dst[i] = (uint8_t)(v >> (56 - 8 * i));
}

/* Section 4.5.1: HMAC over the three lengths, nonce, additional data and ciphertext. */
static int compute_tag(struct sframe_aead *a, const uint8_t *iv, const struct sframe_aad *aad, const uint8_t *ct,
		       size_t len, uint8_t ret_tag[HMAC_LEN])
{
	uint8_t head[24 + SFRAME_SALT_LEN];
	size_t n = 0;

	put_u64(head, aad->header_len + aad->metadata_len);
	put_u64(head + 8, len);
	put_u64(head + 16, a->info->tag_len);
	memcpy(head + 24, iv, SFRAME_SALT_LEN);
	if (EVP_MAC_init(a->mac, NULL, 0, NULL) != 1 || EVP_MAC_update(a->mac, head, sizeof(head)) != 1 ||
	    EVP_MAC_update(a->mac, aad->header, aad->header_len) != 1 ||
	    (aad->metadata_len && EVP_MAC_update(a->mac, aad->metadata, aad->metadata_len) != 1) ||
	    (len && EVP_MAC_update(a->mac, ct, len) != 1) || EVP_MAC_final(a->mac, ret_tag, &n, HMAC_LEN) != 1 ||
	    n != HMAC_LEN)
		return CV_ECRYPTO;
	return 0;
}

/* `params` may be NULL. What the cipher has to know goes in with the nonce: every call costs some hundred instructions.
 */
static int gcm_start(struct sframe_aead *a, const uint8_t *iv, const OSSL_PARAM *params, const struct sframe_aad *aad)
{
	uint8_t joined[SFRAME_HEADER_MAX + AAD_JOINED_MAX];
	const uint8_t *first = aad->header;
	size_t first_len = aad->header_len, rest = aad->metadata_len;
	int n;

	/* One call for what is short, as metadata nearly always is: calls cost more than copies here. */
	if (rest && rest <= AAD_JOINED_MAX) {
		memcpy(joined, aad->header, aad->header_len);
		memcpy(joined + aad->header_len, aad->metadata, rest);
		first = joined;
		first_len += rest;
		rest = 0;
	}
	if (EVP_CipherInit_ex2(a->cipher, NULL, NULL, iv, -1, params) != 1 ||
	    EVP_CipherUpdate(a->cipher, NULL, &n, first, (int)first_len) != 1 ||
	    (rest && EVP_CipherUpdate(a->cipher, NULL, &n, aad->metadata, (int)rest) != 1))
		return CV_ECRYPTO;
	return 0;
}

static int ctr_crypt(struct sframe_aead *a, const uint8_t *iv, const uint8_t *src, size_t len, uint8_t *dst)
{
	int n = 0;

	if (EVP_CipherInit_ex(a->cipher, NULL, NULL, NULL, iv, -1) != 1)
		return CV_ECRYPTO;
	if (len && (EVP_CipherUpdate(a->cipher, dst, &n, src, (int)len) != 1 || (size_t)n != len))
		return CV_ECRYPTO;
	return 0;
}

int sframe_aead_seal(struct sframe_aead *a, uint64_t ctr, const struct sframe_aad *aad, const uint8_t *pt, size_t len,
		     uint8_t *dst)
{
	uint8_t iv[16], tag[HMAC_LEN];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, dst + len, a->info->tag_len),
		OSSL_PARAM_construct_end()};
	int n = 0, err;

	make_iv(a, ctr, iv);
	if (a->mac) {
		err = ctr_crypt(a, iv, pt, len, dst);
		if (!err)
			err = compute_tag(a, iv, aad, dst, len, tag);
		if (!err)
			memcpy(dst + len, tag, a->info->tag_len);
		cv_wipe(tag, sizeof(tag));
		return err;
	}
	err = gcm_start(a, iv, NULL, aad);
	if (err)
		return err;
	if ((len && EVP_EncryptUpdate(a->cipher, dst, &n, pt, (int)len) != 1) ||
	    EVP_EncryptFinal_ex(a->cipher, dst + len, &n) != 1 || EVP_CIPHER_CTX_get_params(a->cipher, params) != 1)
		return CV_ECRYPTO;
	return 0;
}

static int gcm_open(struct sframe_aead *a, const uint8_t *iv, const struct sframe_aad *aad, const uint8_t *ct,
		    size_t len, uint8_t *dst)
{
	uint8_t tag[SFRAME_TAG_MAX], none[16];
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, a->info->tag_len),
		OSSL_PARAM_construct_end()};
	int n = 0, err;

	memcpy(tag, ct + len, a->info->tag_len);
	err = gcm_start(a, iv, params, aad);
	if (err)
		return err;
	if (len && EVP_DecryptUpdate(a->cipher, dst, &n, ct, (int)len) != 1)
		return CV_ECRYPTO;
	return EVP_DecryptFinal_ex(a->cipher, none, &n) == 1 ? 0 : CV_EAUTH;
}

int sframe_aead_open(struct sframe_aead *a, uint64_t ctr, const struct sframe_aad *aad, const uint8_t *ct, size_t len,
		     uint8_t *dst)
{
	uint8_t iv[16], tag[HMAC_LEN];
	int err;

	make_iv(a, ctr, iv);
	if (a->mac) {
		err = compute_tag(a, iv, aad, ct, len, tag);
		if (!err && !cv_equal(tag, ct + len, a->info->tag_len))
			err = CV_EAUTH;
		if (!err)
			err = ctr_crypt(a, iv, ct, len, dst);
		cv_wipe(tag, sizeof(tag));
	} else {
		err = gcm_open(a, iv, aad, ct, len, dst);
	}
	if (err && len)
		cv_wipe(dst, len);
	return err;
}
