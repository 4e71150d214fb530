/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <openssl/hmac.h>

#include <base/secret.h>

#include "internal.h"

#define HASH_MAX  64
#define LABEL_MAX 40

static const struct sframe_suite_info suites[] = {
	[SFRAME_AES_128_CTR_HMAC_SHA256_80] = {EVP_sha256, EVP_aes_128_ctr, 32, 48, 16, 10},
	[SFRAME_AES_128_CTR_HMAC_SHA256_64] = {EVP_sha256, EVP_aes_128_ctr, 32, 48, 16, 8},
	[SFRAME_AES_128_CTR_HMAC_SHA256_32] = {EVP_sha256, EVP_aes_128_ctr, 32, 48, 16, 4},
	[SFRAME_AES_128_GCM_SHA256_128] = {EVP_sha256, EVP_aes_128_gcm, 32, 16, 16, 16},
	[SFRAME_AES_256_GCM_SHA512_128] = {EVP_sha512, EVP_aes_256_gcm, 64, 32, 32, 16},
};

const struct sframe_suite_info *sframe_suite_info(enum sframe_suite suite)
{
	size_t i = (size_t)suite;

	return i < sizeof(suites) / sizeof(suites[0]) && suites[i].hash ? &suites[i] : NULL;
}

size_t sframe_suite_tag_len(enum sframe_suite suite)
{
	const struct sframe_suite_info *info = sframe_suite_info(suite);

	return info ? info->tag_len : 0;
}

size_t sframe_suite_key_len(enum sframe_suite suite)
{
	const struct sframe_suite_info *info = sframe_suite_info(suite);

	return info ? info->key_len : 0;
}

static int hmac(const struct sframe_suite_info *info, const void *key, size_t key_len, const uint8_t *data, size_t len,
		uint8_t *ret)
{
	unsigned int n = 0;

	return HMAC(info->hash(), key, (int)key_len, data, len, ret, &n) && n == info->hash_len ? 0 : CV_ECRYPTO;
}

/* HKDF-Expand (RFC 5869) with info = label || KID || suite. */
static int expand(const struct sframe_suite_info *info, enum sframe_suite suite, uint64_t kid, const uint8_t *prk,
		  const char *label, uint8_t *ret, size_t ret_len)
{
	uint8_t block[HASH_MAX + LABEL_MAX + 8 + 2 + 1], t[HASH_MAX] = {0};
	size_t label_len = strlen(label), done = 0, t_len = 0;
	int err = 0;

	for (uint8_t i = 1; done < ret_len; i++) {
		size_t n = t_len, take;

		memcpy(block, t, t_len);
		memcpy(block + n, label, label_len);
		n += label_len;
		for (int shift = 56; shift >= 0; shift -= 8)
			block[n++] = (uint8_t)(kid >> shift);
		block[n++] = (uint8_t)((unsigned int)suite >> 8);
		block[n++] = (uint8_t)suite;
		block[n++] = i;
		err = hmac(info, prk, info->hash_len, block, n, t);
		if (err)
			break;
		t_len = info->hash_len;
		take = ret_len - done < t_len ? ret_len - done : t_len;
		memcpy(ret + done, t, take);
		done += take;
	}
	cv_wipe(block, sizeof(block));
	cv_wipe(t, sizeof(t));
	return err;
}

int sframe_key_derive(enum sframe_suite suite, uint64_t kid, const void *base_key, size_t base_key_len,
		      struct sframe_keys *ret_keys)
{
	const struct sframe_suite_info *info = sframe_suite_info(suite);
	struct sframe_keys keys = {0};
	uint8_t secret[HASH_MAX];
	int err;

	if (!info)
		return CV_EUNSUPPORTED;
	if (base_key_len == 0 || base_key_len > SFRAME_BASE_KEY_MAX)
		return CV_EINVAL;
	keys.key_len = info->key_len;
	err = hmac(info, "", 0, base_key, base_key_len, secret);
	if (err)
		goto out;
	err = expand(info, suite, kid, secret, "SFrame 1.0 Secret key ", keys.key, info->key_len);
	if (err)
		goto out;
	err = expand(info, suite, kid, secret, "SFrame 1.0 Secret salt ", keys.salt, SFRAME_SALT_LEN);
	if (err)
		goto out;
	*ret_keys = keys;
out:
	cv_wipe(&keys, sizeof(keys));
	cv_wipe(secret, sizeof(secret));
	return err;
}

static bool params_valid(const struct sframe_mls_params *p)
{
	return p->epoch_bits >= 1 && p->epoch_bits <= 16 && p->sender_bits >= 1 && p->sender_bits <= 32;
}

int sframe_mls_kid(const struct sframe_mls_params *p, uint64_t context, uint32_t leaf, uint64_t epoch,
		   uint64_t *ret_kid)
{
	unsigned int low = (unsigned int)p->epoch_bits + p->sender_bits;

	if (!params_valid(p))
		return CV_EINVAL;
	if ((uint64_t)leaf >> p->sender_bits || context >> (64 - low))
		return CV_ELIMIT;
	*ret_kid = context << low | (uint64_t)leaf << p->epoch_bits | (epoch & ((1u << p->epoch_bits) - 1));
	return 0;
}

void sframe_mls_kid_split(const struct sframe_mls_params *p, uint64_t kid, uint64_t *ret_context, uint32_t *ret_leaf,
			  uint32_t *ret_epoch_low)
{
	if (ret_context)
		*ret_context = kid >> (p->epoch_bits + p->sender_bits);
	if (ret_leaf)
		*ret_leaf = (uint32_t)(kid >> p->epoch_bits & (((uint64_t)1 << p->sender_bits) - 1));
	if (ret_epoch_low)
		*ret_epoch_low = (uint32_t)(kid & ((1u << p->epoch_bits) - 1));
}
