/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures: Ed25519, Ed448 (RFC 8032) and ECDSA in strict DER. RFC 9420 sections 5.1 and 5.1.2. */
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <base/alloc.h>

#include "crypto.h"

struct mls_sign_key {
	const struct mls_suite *suite;
	EVP_PKEY *pkey;
	EVP_MD_CTX *ctx;
	uint8_t pub[MLS_PUBLIC_MAX];
};

static int ec_pkey(const struct mls_suite *s, int selection, struct cv_span pub, const uint8_t *priv, EVP_PKEY **ret)
{
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *x = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	BIGNUM *k = priv ? BN_secure_new() : NULL;
	OSSL_PARAM *params = NULL;
	EVP_PKEY *p = NULL;

	if (!b || !x || (priv && (!k || !BN_bin2bn(priv, s->sig_priv_len, k))))
		goto out;
	if (OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, s->dh, 0) != 1 ||
	    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, pub.data, pub.len) != 1 ||
	    (k && OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_PRIV_KEY, k) != 1))
		goto out;
	params = OSSL_PARAM_BLD_to_param(b);
	if (!params || EVP_PKEY_fromdata_init(x) != 1 || EVP_PKEY_fromdata(x, &p, selection, params) != 1)
		p = NULL;
out:
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	EVP_PKEY_CTX_free(x);
	BN_clear_free(k);
	*ret = p;
	return p ? 0 : CV_EINVAL;
}

static int public_pkey(const struct mls_suite *s, struct cv_span pub, EVP_PKEY **ret)
{
	if (pub.len != s->sig_pub_len)
		return CV_EINVAL;
	if (!s->curve) {
		*ret = EVP_PKEY_new_raw_public_key_ex(NULL, s->sig, NULL, pub.data, pub.len);
		return *ret ? 0 : CV_EINVAL;
	}
	if (pub.data[0] != POINT_CONVERSION_UNCOMPRESSED)
		return CV_EINVAL;
	return ec_pkey(s, EVP_PKEY_PUBLIC_KEY, pub, NULL, ret);
}

static int private_pkey(struct mls_sign_key *k, const uint8_t *priv)
{
	const struct mls_suite *s = k->suite;
	struct cv_secret secret = {0};
	struct mls_crypto c;
	size_t len = s->sig_pub_len;
	int err;

	if (!s->curve) {
		k->pkey = EVP_PKEY_new_raw_private_key_ex(NULL, s->sig, NULL, priv, s->sig_priv_len);
		return k->pkey && EVP_PKEY_get_raw_public_key(k->pkey, k->pub, &len) == 1 ? 0 : CV_EINVAL;
	}
	err = mls_crypto_init(&c, s->id, NULL);
	if (err)
		return err;
	err = cv_secret_set(&secret, priv, s->sig_priv_len);
	if (!err)
		err = mls_kem_public(&c, &secret, k->pub);
	if (!err)
		err = ec_pkey(s, EVP_PKEY_KEYPAIR, SPAN(k->pub, len), priv, &k->pkey);
	cv_secret_wipe(&secret);
	mls_crypto_done(&c);
	return err;
}

int mls_sign_key_new(uint16_t suite, const void *priv, size_t len, struct mls_sign_key **ret)
{
	const struct mls_suite *s = mls_suite_find(suite);
	uint8_t padded[DH_MAX] = {0};
	struct mls_sign_key *k;
	int err;

	if (!s)
		return CV_EUNSUPPORTED;
	if (len > s->sig_priv_len || (len < s->sig_priv_len && !s->curve))
		return CV_EINVAL;
	k = cv_calloc(1, sizeof(*k));
	if (!k)
		return CV_ENOMEM;
	k->suite = s;
	k->ctx = EVP_MD_CTX_new();
	/* A scalar may come without its leading zeros. */
	memcpy(padded + s->sig_priv_len - len, priv, len);
	err = k->ctx ? private_pkey(k, padded) : CV_ECRYPTO;
	cv_wipe(padded, sizeof(padded));
	if (err)
		mls_sign_key_free(k);
	else
		*ret = k;
	return err;
}

int mls_sign_key_generate(uint16_t suite, const struct cv_rng *rng, struct mls_sign_key **ret)
{
	const struct mls_suite *s = mls_suite_find(suite);
	struct mls_hpke_key pair = {0};
	uint8_t seed[DH_MAX];
	int err;

	if (!s)
		return CV_EUNSUPPORTED;
	if (s->curve) {
		/* On a NIST curve the KEM's key pair is drawn in just the way that ECDSA needs. */
		err = mls_hpke_generate(suite, rng, &pair);
		if (!err)
			err = mls_sign_key_new(suite, pair.priv.data, pair.priv.len, ret);
		mls_hpke_key_wipe(&pair);
		return err;
	}
	err = cv_rng_fill(rng, seed, s->sig_priv_len);
	if (!err)
		err = mls_sign_key_new(suite, seed, s->sig_priv_len, ret);
	cv_wipe(seed, sizeof(seed));
	return err;
}

void mls_sign_key_free(struct mls_sign_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	EVP_MD_CTX_free(k->ctx);
	cv_free_wiped(k, sizeof(*k));
}

struct cv_span mls_sign_key_public(const struct mls_sign_key *k)
{
	return SPAN(k->pub, k->suite->sig_pub_len);
}

static int key_sign(void *ctx, const uint8_t *msg, size_t len, uint8_t *ret_sig, size_t *ret_len)
{
	struct mls_sign_key *k = ctx;
	const char *md = k->suite->curve ? k->suite->digest : NULL;
	size_t n = MLS_SIGNATURE_MAX;

	EVP_MD_CTX_reset(k->ctx);
	if (EVP_DigestSignInit_ex(k->ctx, NULL, md, NULL, NULL, k->pkey, NULL) != 1 ||
	    EVP_DigestSign(k->ctx, ret_sig, &n, msg, len) != 1)
		return CV_ECRYPTO;
	*ret_len = n;
	return 0;
}

struct mls_signer mls_sign_key_signer(struct mls_sign_key *key)
{
	return (struct mls_signer){.sign = key_sign, .ctx = key};
}

int mls_crypto_verify_plain(struct mls_crypto *c, struct cv_span pub, struct cv_span msg, struct cv_span sig)
{
	const char *md = c->suite->curve ? c->suite->digest : NULL;
	EVP_PKEY *p = NULL;
	int err = public_pkey(c->suite, pub, &p);

	if (err)
		return err;
	EVP_MD_CTX_reset(c->sig_ctx);
	if (EVP_DigestVerifyInit_ex(c->sig_ctx, NULL, md, NULL, NULL, p, NULL) != 1)
		err = CV_ECRYPTO;
	else if (EVP_DigestVerify(c->sig_ctx, sig.data, sig.len, msg.data, msg.len) != 1)
		err = CV_EAUTH;
	EVP_PKEY_free(p);
	return err;
}

int mls_signature_verify(uint16_t suite, struct cv_span public_key, const void *msg, size_t len, struct cv_span sig)
{
	struct mls_crypto c;
	int err = mls_crypto_init(&c, suite, NULL);

	if (err)
		return err;
	err = mls_crypto_verify_plain(&c, public_key, SPAN(msg, len), sig);
	mls_crypto_done(&c);
	return err;
}

/* SignContent, RFC 9420 section 5.1.2. */
static int sign_content(const char *label, const struct cv_span *parts, size_t n, struct cv_buf *out)
{
	size_t mark = cv_buf_vec_begin(out);

	cv_buf_put(out, "MLS 1.0 ", 8);
	cv_buf_put(out, label, strlen(label));
	cv_buf_vec_end(out, mark);
	mark = cv_buf_vec_begin(out);
	for (size_t i = 0; i < n; i++)
		cv_buf_put(out, parts[i].data, parts[i].len);
	cv_buf_vec_end(out, mark);
	return cv_buf_status(out);
}

int mls_crypto_sign(const struct mls_signer *signer, const char *label, const struct cv_span *parts, size_t n,
		    uint8_t *ret_sig, size_t *ret_len)
{
	struct cv_buf b;
	int err;

	cv_buf_init_secret(&b, MLS_MESSAGE_MAX + 1024); /* application data is signed in the clear */
	err = sign_content(label, parts, n, &b);
	if (!err)
		err = signer->sign(signer->ctx, b.data, b.len, ret_sig, ret_len);
	cv_buf_done(&b);
	return err;
}

int mls_crypto_verify(struct mls_crypto *c, struct cv_span pub, const char *label, const struct cv_span *parts,
		      size_t n, struct cv_span sig)
{
	struct cv_buf b;
	int err;

	cv_buf_init_secret(&b, MLS_MESSAGE_MAX + 1024); /* application data is signed in the clear */
	err = sign_content(label, parts, n, &b);
	if (!err)
		err = mls_crypto_verify_plain(c, pub, SPAN(b.data, b.len), sig);
	cv_buf_done(&b);
	return err;
}
