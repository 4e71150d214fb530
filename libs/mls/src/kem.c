/* SPDX-License-Identifier: Apache-2.0 */
/* DHKEM over X25519, X448, P-256, P-384, P-521: RFC 9180 sections 4.1 and 7.1. */
#include <string.h>

#include "crypto.h"

/* Candidates 0..255. Each fails with probability 2^-32 at worst. */
#define SCALAR_TRIES 256

static struct cv_span kem_suite_id(const struct mls_crypto *c, uint8_t buf[5])
{
	memcpy(buf, "KEM", 3);
	buf[3] = 0;
	buf[4] = (uint8_t)c->suite->kem_id;
	return SPAN(buf, 5);
}

/* A scalar in [1, order), or NULL. */
static BIGNUM *scalar_new(const struct mls_crypto *c, const uint8_t *priv)
{
	BIGNUM *k = BN_secure_new();

	if (k &&
	    (!BN_bin2bn(priv, c->suite->nsk, k) || BN_is_zero(k) || BN_cmp(k, EC_GROUP_get0_order(c->group)) >= 0)) {
		BN_clear_free(k);
		return NULL;
	}
	if (k)
		BN_set_flags(k, BN_FLG_CONSTTIME);
	return k;
}

static int nist_public(struct mls_crypto *c, const uint8_t *priv, uint8_t *ret_pub)
{
	BIGNUM *k = scalar_new(c, priv);
	EC_POINT *p = EC_POINT_new(c->group);
	int err = CV_EINVAL;

	if (!k || !p)
		goto out;
	if (EC_POINT_mul(c->group, p, k, NULL, NULL, c->bn) != 1 ||
	    EC_POINT_point2oct(c->group, p, POINT_CONVERSION_UNCOMPRESSED, ret_pub, c->suite->npk, c->bn) !=
		    c->suite->npk)
		goto out;
	err = 0;
out:
	BN_clear_free(k);
	EC_POINT_clear_free(p);
	return err;
}

/* Uncompressed, on the curve, not infinity: all that RFC 9180 section 7.1.4 asks for on curves of prime order. */
static EC_POINT *nist_point(struct mls_crypto *c, struct cv_span pub)
{
	EC_POINT *p;

	if (pub.len != c->suite->npk || pub.data[0] != POINT_CONVERSION_UNCOMPRESSED)
		return NULL;
	p = EC_POINT_new(c->group);
	if (p && EC_POINT_oct2point(c->group, p, pub.data, pub.len, c->bn) != 1) {
		EC_POINT_free(p);
		return NULL;
	}
	return p;
}

static int nist_dh(struct mls_crypto *c, const uint8_t *priv, struct cv_span pub, uint8_t *ret)
{
	EC_POINT *peer = nist_point(c, pub), *p = EC_POINT_new(c->group);
	BIGNUM *k = scalar_new(c, priv), *x = BN_secure_new();
	int err = CV_EINVAL;

	if (!peer || !p || !k || !x)
		goto out;
	if (EC_POINT_mul(c->group, p, NULL, peer, k, c->bn) != 1 ||
	    EC_POINT_get_affine_coordinates(c->group, p, x, NULL, c->bn) != 1 ||
	    BN_bn2binpad(x, ret, c->suite->ndh) != c->suite->ndh)
		goto out;
	err = 0;
out:
	EC_POINT_clear_free(p);
	EC_POINT_free(peer);
	BN_clear_free(k);
	BN_clear_free(x);
	return err;
}

static int ecx_dh(const struct mls_crypto *c, EVP_PKEY *mine, struct cv_span pub, uint8_t *ret)
{
	EVP_PKEY *peer = EVP_PKEY_new_raw_public_key_ex(NULL, c->suite->dh, NULL, pub.data, pub.len);
	EVP_PKEY_CTX *x = peer ? EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL) : NULL;
	size_t len = c->suite->ndh;
	int err = CV_EINVAL;

	/* EVP_PKEY_derive refuses the all-zero result of a small-order point (RFC 9180 section 7.1.4). */
	if (x && EVP_PKEY_derive_init(x) == 1 && EVP_PKEY_derive_set_peer_ex(x, peer, 0) == 1 &&
	    EVP_PKEY_derive(x, ret, &len) == 1 && len == c->suite->ndh)
		err = 0;
	EVP_PKEY_CTX_free(x);
	EVP_PKEY_free(peer);
	return err;
}

static EVP_PKEY *ecx_key(const struct mls_crypto *c, const uint8_t *priv)
{
	return EVP_PKEY_new_raw_private_key_ex(NULL, c->suite->dh, NULL, priv, c->suite->nsk);
}

static int ecx_public(const struct mls_crypto *c, const uint8_t *priv, uint8_t *ret_pub)
{
	EVP_PKEY *k = ecx_key(c, priv);
	size_t len = c->suite->npk;
	int ok = k && EVP_PKEY_get_raw_public_key(k, ret_pub, &len) == 1;

	EVP_PKEY_free(k);
	return ok ? 0 : CV_ECRYPTO;
}

int mls_kem_public(struct mls_crypto *c, const struct cv_secret *priv, uint8_t *ret_pub)
{
	if (priv->len != c->suite->nsk)
		return CV_EINVAL;
	return c->suite->curve ? nist_public(c, priv->data, ret_pub) : ecx_public(c, priv->data, ret_pub);
}

/* The shared point of any pair is zero for these; whoever put one into a leaf would block every later path commit. */
static bool ecx_small_order(struct cv_span pub)
{
	static const uint8_t order8[2][32] = {
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a,
		 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b,
		 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
	};
	uint8_t k[56];
	bool low_ff = true, low_00 = true;

	memcpy(k, pub.data, pub.len);
	if (pub.len == 32) {
		k[31] &= 0x7f;
		if (!memcmp(k, order8[0], 32) || !memcmp(k, order8[1], 32))
			return true;
		/* 0, 1, and p-1, p, p+1 with p = 2^255-19 */
		for (size_t i = 1; i < 32; i++) {
			low_00 = low_00 && k[i] == 0;
			low_ff = low_ff && k[i] == (i == 31 ? 0x7f : 0xff);
		}
		return (low_00 && k[0] <= 1) || (low_ff && k[0] >= 0xec && k[0] <= 0xee);
	}
	/* 0, 1, and p-1, p, p+1 with p = 2^448-2^224-1 */
	for (size_t i = 1; i < 28; i++) {
		low_00 = low_00 && k[i] == 0;
		low_ff = low_ff && k[i] == 0xff;
	}
	for (size_t i = 29; i < 56; i++) {
		low_00 = low_00 && k[i] == 0;
		low_ff = low_ff && k[i] == 0xff;
	}
	if (low_00 && k[0] <= 1 && k[28] == 0)
		return true;
	if (low_ff && k[0] >= 0xfe && k[28] == 0xfe)
		return true;
	for (size_t i = 0; i < 56; i++)
		if (k[i] != (i < 28 ? 0 : 0xff))
			return false;
	return true;
}

int mls_kem_check_public(struct mls_crypto *c, struct cv_span pub)
{
	EC_POINT *p;

	if (pub.len != c->suite->npk)
		return CV_EINVAL;
	if (!c->suite->curve)
		return ecx_small_order(pub) ? CV_EINVAL : 0;
	p = nist_point(c, pub);
	EC_POINT_free(p);
	return p ? 0 : CV_EINVAL;
}

int mls_kem_generate(struct mls_crypto *c, struct mls_hpke_key *ret)
{
	struct cv_secret ikm = {0};
	int err = mls_crypto_random_secret(c, c->suite->nsk, &ikm);

	if (!err)
		err = mls_kem_derive(c, mls_secret_span(&ikm), ret);
	cv_secret_wipe(&ikm);
	return err;
}

/* The candidate loop of RFC 9180 section 7.1.3. */
static int nist_derive(struct mls_crypto *c, struct cv_span id, struct cv_span prk, uint8_t *ret_priv, uint8_t *ret_pub)
{
	for (unsigned i = 0; i < SCALAR_TRIES; i++) {
		uint8_t counter = (uint8_t)i;
		int err = mls_hpke_expand(c, id, prk, "candidate", SPAN(&counter, 1), ret_priv, c->suite->nsk);

		if (err)
			return err;
		ret_priv[0] &= c->suite->bitmask;
		if (nist_public(c, ret_priv, ret_pub) == 0)
			return 0;
	}
	return CV_ECRYPTO;
}

int mls_kem_derive(struct mls_crypto *c, struct cv_span ikm, struct mls_hpke_key *ret)
{
	struct mls_hpke_key k = {.pub_len = c->suite->npk, .priv.len = c->suite->nsk};
	uint8_t prk[DIGEST_MAX], id_buf[5];
	struct cv_span id = kem_suite_id(c, id_buf);
	int err = mls_hpke_extract(c, id, SPAN_NONE, "dkp_prk", ikm, prk);

	if (err)
		goto out;
	if (c->suite->curve) {
		err = nist_derive(c, id, SPAN(prk, c->suite->nh), k.priv.data, k.pub);
	} else {
		err = mls_hpke_expand(c, id, SPAN(prk, c->suite->nh), "sk", SPAN_NONE, k.priv.data, k.priv.len);
		if (!err)
			err = ecx_public(c, k.priv.data, k.pub);
	}
	if (!err)
		*ret = k;
out:
	cv_wipe(prk, sizeof(prk));
	mls_hpke_key_wipe(&k);
	return err;
}

/* ExtractAndExpand(dh, enc || pkR). */
static int shared_secret(struct mls_crypto *c, const uint8_t *dh, struct cv_span enc, struct cv_span pub,
			 struct cv_secret *ret)
{
	uint8_t prk[DIGEST_MAX], context[2 * MLS_PUBLIC_MAX], id_buf[5];
	struct cv_secret out = {.len = c->suite->nh};
	struct cv_span id = kem_suite_id(c, id_buf);
	int err = mls_hpke_extract(c, id, SPAN_NONE, "eae_prk", SPAN(dh, c->suite->ndh), prk);

	if (err)
		goto out;
	memcpy(context, enc.data, enc.len);
	memcpy(context + enc.len, pub.data, pub.len);
	err = mls_hpke_expand(c, id, SPAN(prk, c->suite->nh), "shared_secret", SPAN(context, enc.len + pub.len),
			      out.data, out.len);
	if (!err)
		*ret = out;
out:
	cv_wipe(prk, sizeof(prk));
	cv_secret_wipe(&out);
	return err;
}

static int dh(struct mls_crypto *c, const struct cv_secret *priv, struct cv_span peer, uint8_t *ret, uint8_t *ret_pub)
{
	EVP_PKEY *k;
	size_t len = c->suite->npk;
	int err;

	if (peer.len != c->suite->npk || priv->len != c->suite->nsk)
		return CV_EINVAL;
	if (c->suite->curve) {
		err = ret_pub ? nist_public(c, priv->data, ret_pub) : 0;
		return err ? err : nist_dh(c, priv->data, peer, ret);
	}
	k = ecx_key(c, priv->data);
	if (!k)
		return CV_ECRYPTO;
	err = ret_pub && EVP_PKEY_get_raw_public_key(k, ret_pub, &len) != 1 ? CV_ECRYPTO : ecx_dh(c, k, peer, ret);
	EVP_PKEY_free(k);
	return err;
}

int mls_kem_encap(struct mls_crypto *c, const struct mls_hpke_key *ephemeral, struct cv_span pub,
		  struct cv_secret *ret_shared)
{
	uint8_t point[DH_MAX];
	int err = dh(c, &ephemeral->priv, pub, point, NULL);

	if (!err)
		err = shared_secret(c, point, SPAN(ephemeral->pub, ephemeral->pub_len), pub, ret_shared);
	cv_wipe(point, sizeof(point));
	return err;
}

int mls_kem_decap(struct mls_crypto *c, const struct cv_secret *priv, struct cv_span enc, struct cv_secret *ret_shared)
{
	uint8_t point[DH_MAX], pub[MLS_PUBLIC_MAX];
	int err = dh(c, priv, enc, point, pub);

	if (!err)
		err = shared_secret(c, point, enc, SPAN(pub, c->suite->npk), ret_shared);
	cv_wipe(point, sizeof(point));
	return err;
}

/*
 * Encap with a fresh key. For X25519 and X448 one OpenSSL key object gives both the public key and the shared point:
 * this is the hot path of a path commit, and each import of a private key costs a scalar multiplication.
 */
int mls_kem_encap_fresh(struct mls_crypto *c, struct cv_span pub, uint8_t *ret_enc, struct cv_secret *ret_shared)
{
	uint8_t point[DH_MAX];
	struct mls_hpke_key e = {0};
	struct cv_secret priv = {0};
	int err;

	if (c->suite->curve) {
		err = mls_kem_generate(c, &e);
		if (err)
			return err;
		err = mls_kem_encap(c, &e, pub, ret_shared);
		if (!err)
			memcpy(ret_enc, e.pub, e.pub_len);
		mls_hpke_key_wipe(&e);
		return err;
	}
	err = mls_crypto_random_secret(c, c->suite->nsk, &priv);
	if (!err)
		err = dh(c, &priv, pub, point, ret_enc);
	if (!err)
		err = shared_secret(c, point, SPAN(ret_enc, c->suite->npk), pub, ret_shared);
	cv_secret_wipe(&priv);
	cv_wipe(point, sizeof(point));
	return err;
}
