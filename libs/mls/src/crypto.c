/* SPDX-License-Identifier: Apache-2.0 */
/* Hash, HMAC, HKDF with MLS labels, AEAD. */
#include <string.h>

#include "crypto.h"

#define BLOCK_MAX 128

static const struct cv_span mls_prefix = {(const uint8_t *)"MLS 1.0 ", 8};

static int digest_parts(struct mls_crypto *c, struct cv_span first, const struct cv_span *parts, size_t n, uint8_t *ret)
{
	if (EVP_DigestInit_ex2(c->md_ctx, c->md, NULL) != 1)
		return CV_ECRYPTO;
	if (first.len && EVP_DigestUpdate(c->md_ctx, first.data, first.len) != 1)
		return CV_ECRYPTO;
	for (size_t i = 0; i < n; i++)
		if (parts[i].len && EVP_DigestUpdate(c->md_ctx, parts[i].data, parts[i].len) != 1)
			return CV_ECRYPTO;
	return EVP_DigestFinal_ex(c->md_ctx, ret, NULL) == 1 ? 0 : CV_ECRYPTO;
}

int mls_crypto_hash(struct mls_crypto *c, const struct cv_span *parts, size_t n, uint8_t *ret)
{
	return digest_parts(c, SPAN_NONE, parts, n, ret);
}

/* RFC 2104, by hand: OpenSSL's own costs a fetch and several allocations per call, and HPKE makes a dozen calls. */
int mls_crypto_hmac(struct mls_crypto *c, struct cv_span key, const struct cv_span *parts, size_t n, uint8_t *ret)
{
	size_t block = c->suite->nh > 32 ? 128 : 64;
	uint8_t pad[BLOCK_MAX] = {0}, inner[DIGEST_MAX];
	struct cv_span in = SPAN(inner, c->suite->nh);
	int err;

	if (key.len > block) {
		err = mls_crypto_hash(c, &key, 1, pad);
		if (err)
			goto out;
	} else if (key.len) {
		memcpy(pad, key.data, key.len);
	}
	for (size_t i = 0; i < block; i++)
		pad[i] ^= 0x36;
	err = digest_parts(c, SPAN(pad, block), parts, n, inner);
	if (err)
		goto out;
	for (size_t i = 0; i < block; i++)
		pad[i] ^= 0x36 ^ 0x5c;
	err = digest_parts(c, SPAN(pad, block), &in, 1, ret);
	/* The state of a digest that is done is its output: here mostly a key. */
	if (!err && EVP_DigestInit_ex2(c->md_ctx, NULL, NULL) != 1)
		err = CV_ECRYPTO;
out:
	cv_wipe(pad, sizeof(pad));
	cv_wipe(inner, sizeof(inner));
	return err;
}

int mls_crypto_extract(struct mls_crypto *c, struct cv_span salt, struct cv_span ikm, struct cv_secret *ret)
{
	struct cv_secret out = {.len = c->suite->nh};
	int err = mls_crypto_hmac(c, salt, &ikm, 1, out.data);

	if (!err)
		*ret = out;
	cv_secret_wipe(&out);
	return err;
}

int mls_crypto_expand(struct mls_crypto *c, struct cv_span prk, const struct cv_span *info, size_t n, uint8_t *ret,
		      size_t len)
{
	struct cv_span parts[12];
	uint8_t t[DIGEST_MAX], counter = 0;
	size_t nh = c->suite->nh, done = 0;
	int err = 0;

	if (n > 10 || len > 255 * nh)
		return CV_EINVAL;
	memcpy(parts + 1, info, n * sizeof(*info));
	parts[n + 1] = SPAN(&counter, 1);
	while (done < len) {
		size_t take = len - done < nh ? len - done : nh;

		parts[0] = SPAN(t, counter ? nh : 0);
		counter++;
		err = mls_crypto_hmac(c, prk, parts, n + 2, t);
		if (err)
			break;
		memcpy(ret + done, t, take);
		done += take;
	}
	cv_wipe(t, sizeof(t));
	return err;
}

int mls_crypto_expand_label(struct mls_crypto *c, const struct cv_secret *secret, struct cv_span label,
			    struct cv_span context, uint8_t *ret, size_t len)
{
	uint8_t head[2 + 4], middle[4];
	size_t head_len, middle_len;

	if (len > UINT16_MAX)
		return CV_EINVAL;
	head[0] = (uint8_t)(len >> 8);
	head[1] = (uint8_t)len;
	head_len = 2 + mls_varint_write(head + 2, mls_prefix.len + label.len);
	middle_len = mls_varint_write(middle, context.len);
	return mls_crypto_expand(
		c, mls_secret_span(secret),
		(struct cv_span[]){SPAN(head, head_len), mls_prefix, label, SPAN(middle, middle_len), context}, 5, ret,
		len);
}

int mls_crypto_expand_secret(struct mls_crypto *c, const struct cv_secret *secret, const char *label,
			     struct cv_span context, struct cv_secret *ret)
{
	struct cv_secret out = {.len = c->suite->nh};
	int err = mls_crypto_expand_label(c, secret, SPAN(label, strlen(label)), context, out.data, out.len);

	if (!err)
		*ret = out;
	cv_secret_wipe(&out);
	return err;
}

int mls_crypto_derive(struct mls_crypto *c, const struct cv_secret *secret, const char *label, struct cv_secret *ret)
{
	return mls_crypto_expand_secret(c, secret, label, SPAN_NONE, ret);
}

int mls_crypto_derive_tree(struct mls_crypto *c, const struct cv_secret *secret, const char *label, uint32_t generation,
			   uint8_t *ret, size_t len)
{
	uint8_t g[4] = {(uint8_t)(generation >> 24), (uint8_t)(generation >> 16), (uint8_t)(generation >> 8),
			(uint8_t)generation};

	return mls_crypto_expand_label(c, secret, SPAN(label, strlen(label)), SPAN(g, 4), ret, len);
}

int mls_crypto_mac_check(struct mls_crypto *c, const struct cv_secret *key, const struct cv_span *parts, size_t n,
			 struct cv_span mac)
{
	uint8_t want[DIGEST_MAX];
	int err = mls_crypto_hmac(c, mls_secret_span(key), parts, n, want);

	if (!err && (mac.len != c->suite->nh || !cv_equal(want, mac.data, mac.len)))
		err = CV_EAUTH;
	cv_wipe(want, sizeof(want));
	return err;
}

int mls_crypto_ref_hash(struct mls_crypto *c, const char *label, struct cv_span value, uint8_t *ret)
{
	uint8_t head[4], middle[4];
	size_t label_len = strlen(label), head_len = mls_varint_write(head, label_len),
	       middle_len = mls_varint_write(middle, value.len);

	return mls_crypto_hash(
		c, (struct cv_span[]){SPAN(head, head_len), SPAN(label, label_len), SPAN(middle, middle_len), value}, 4,
		ret);
}

int mls_crypto_random_secret(struct mls_crypto *c, size_t len, struct cv_secret *ret)
{
	struct cv_secret out = {.len = (uint8_t)len};
	int err = len > CV_SECRET_MAX ? CV_EINVAL : cv_rng_fill(c->rng, out.data, len);

	if (!err)
		*ret = out;
	cv_secret_wipe(&out);
	return err;
}

static int seal(EVP_CIPHER_CTX *x, struct cv_span aad, struct cv_span pt, uint8_t *ret)
{
	int n;

	if (aad.len && EVP_EncryptUpdate(x, NULL, &n, aad.data, (int)aad.len) != 1)
		return CV_ECRYPTO;
	if (pt.len && EVP_EncryptUpdate(x, ret, &n, pt.data, (int)pt.len) != 1)
		return CV_ECRYPTO;
	if (EVP_EncryptFinal_ex(x, ret + pt.len, &n) != 1)
		return CV_ECRYPTO;
	return EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, ret + pt.len) == 1 ? 0 : CV_ECRYPTO;
}

int mls_crypto_seal(struct mls_crypto *c, const uint8_t *key, const uint8_t *nonce, struct cv_span aad,
		    struct cv_span pt, uint8_t *ret)
{
	int err = CV_ECRYPTO;

	if (EVP_EncryptInit_ex2(c->cipher_ctx, c->cipher, key, nonce, NULL) == 1)
		err = seal(c->cipher_ctx, aad, pt, ret);
	/* A context would keep the key until its next use: no message key lives longer than its message. */
	EVP_CIPHER_CTX_reset(c->cipher_ctx);
	return err;
}

static int open(EVP_CIPHER_CTX *x, struct cv_span aad, struct cv_span ct, uint8_t *ret)
{
	size_t len = ct.len - TAG_LEN;
	uint8_t tag[TAG_LEN];
	int n;

	memcpy(tag, ct.data + len, TAG_LEN);
	if (EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) != 1)
		return CV_ECRYPTO;
	if (aad.len && EVP_DecryptUpdate(x, NULL, &n, aad.data, (int)aad.len) != 1)
		return CV_ECRYPTO;
	if (len && EVP_DecryptUpdate(x, ret, &n, ct.data, (int)len) != 1)
		return CV_ECRYPTO;
	if (EVP_DecryptFinal_ex(x, ret + len, &n) == 1)
		return 0;
	cv_wipe(ret, len);
	return CV_EAUTH;
}

int mls_crypto_open(struct mls_crypto *c, const uint8_t *key, const uint8_t *nonce, struct cv_span aad,
		    struct cv_span ct, uint8_t *ret)
{
	int err = CV_ECRYPTO;

	if (ct.len < TAG_LEN)
		return CV_EAUTH;
	if (EVP_DecryptInit_ex2(c->cipher_ctx, c->cipher, key, nonce, NULL) == 1)
		err = open(c->cipher_ctx, aad, ct, ret);
	EVP_CIPHER_CTX_reset(c->cipher_ctx);
	return err;
}
