/* SPDX-License-Identifier: Apache-2.0 */
/* The seven cipher suites of RFC 9420 section 17.1, and the objects that OpenSSL needs for one of them. */
#include <string.h>

#include <openssl/obj_mac.h>

#include "crypto.h"

#define X25519_KEM .kem_id = 0x20, .dh = "X25519", .nsk = 32, .npk = 32, .ndh = 32
#define X448_KEM   .kem_id = 0x21, .dh = "X448", .nsk = 56, .npk = 56, .ndh = 56
#define P256_KEM                                                                                                       \
	.kem_id = 0x10, .dh = "P-256", .curve = NID_X9_62_prime256v1, .nsk = 32, .npk = 65, .ndh = 32, .bitmask = 0xff
#define P384_KEM .kem_id = 0x11, .dh = "P-384", .curve = NID_secp384r1, .nsk = 48, .npk = 97, .ndh = 48, .bitmask = 0xff
#define P521_KEM                                                                                                       \
	.kem_id = 0x12, .dh = "P-521", .curve = NID_secp521r1, .nsk = 66, .npk = 133, .ndh = 66, .bitmask = 0x01
#define SHA2_256    .kdf_id = 1, .digest = "SHA2-256", .nh = 32
#define SHA2_384    .kdf_id = 2, .digest = "SHA2-384", .nh = 48
#define SHA2_512    .kdf_id = 3, .digest = "SHA2-512", .nh = 64
#define AES128GCM   .aead_id = 1, .aead = "AES-128-GCM", .nk = 16
#define AES256GCM   .aead_id = 2, .aead = "AES-256-GCM", .nk = 32
#define CHACHA      .aead_id = 3, .aead = "ChaCha20-Poly1305", .nk = 32
#define ED25519     .sig = "ED25519", .sig_priv_len = 32, .sig_pub_len = 32
#define ED448       .sig = "ED448", .sig_priv_len = 57, .sig_pub_len = 57
#define ECDSA(n, p) .sig = "EC", .sig_priv_len = (n), .sig_pub_len = (p)

static const struct mls_suite suites[] = {
	{.id = 1, X25519_KEM, AES128GCM, SHA2_256, ED25519},
	{.id = 2, P256_KEM, AES128GCM, SHA2_256, ECDSA(32, 65)},
	{.id = 3, X25519_KEM, CHACHA, SHA2_256, ED25519},
	{.id = 4, X448_KEM, AES256GCM, SHA2_512, ED448},
	{.id = 5, P521_KEM, AES256GCM, SHA2_512, ECDSA(66, 133)},
	{.id = 6, X448_KEM, CHACHA, SHA2_512, ED448},
	{.id = 7, P384_KEM, AES256GCM, SHA2_384, ECDSA(48, 97)},
};

const struct mls_suite *mls_suite_find(uint16_t id)
{
	return id >= 1 && id <= sizeof(suites) / sizeof(suites[0]) ? &suites[id - 1] : NULL;
}

bool mls_suite_known(uint16_t suite)
{
	return mls_suite_find(suite) != NULL;
}

size_t mls_suite_hash_len(uint16_t suite)
{
	const struct mls_suite *s = mls_suite_find(suite);

	return s ? s->nh : 0;
}

void mls_crypto_done(struct mls_crypto *c)
{
	EVP_MD_free(c->md);
	EVP_MD_CTX_free(c->md_ctx);
	EVP_MD_CTX_free(c->sig_ctx);
	EVP_CIPHER_free(c->cipher);
	EVP_CIPHER_CTX_free(c->cipher_ctx);
	EC_GROUP_free(c->group);
	BN_CTX_free(c->bn);
	*c = (struct mls_crypto){0};
}

static int open_objects(struct mls_crypto *c)
{
	c->md = EVP_MD_fetch(NULL, c->suite->digest, NULL);
	c->cipher = EVP_CIPHER_fetch(NULL, c->suite->aead, NULL);
	c->md_ctx = EVP_MD_CTX_new();
	c->sig_ctx = EVP_MD_CTX_new();
	c->cipher_ctx = EVP_CIPHER_CTX_new();
	if (!c->md || !c->cipher || !c->md_ctx || !c->sig_ctx || !c->cipher_ctx)
		return CV_ECRYPTO;
	if (!c->suite->curve)
		return 0;
	c->group = EC_GROUP_new_by_curve_name(c->suite->curve);
	c->bn = BN_CTX_secure_new();
	return c->group && c->bn ? 0 : CV_ECRYPTO;
}

int mls_crypto_init(struct mls_crypto *c, uint16_t suite, const struct cv_rng *rng)
{
	struct mls_crypto n = {.suite = mls_suite_find(suite), .rng = rng};
	uint8_t id[10] = "HPKE";
	int err;

	if (!n.suite)
		return CV_EUNSUPPORTED;
	err = open_objects(&n);
	if (err)
		goto out;
	id[5] = (uint8_t)n.suite->kem_id;
	id[7] = (uint8_t)n.suite->kdf_id;
	id[9] = (uint8_t)n.suite->aead_id;
	err = mls_hpke_extract(&n, SPAN(id, sizeof(id)), SPAN_NONE, "psk_id_hash", SPAN_NONE, n.psk_id_hash);
out:
	if (err)
		mls_crypto_done(&n);
	else
		*c = n;
	return err;
}

bool mls_span_equal(struct cv_span a, struct cv_span b)
{
	return a.len == b.len && (!a.len || memcmp(a.data, b.data, a.len) == 0);
}

struct cv_span mls_secret_span(const struct cv_secret *s)
{
	return SPAN(s->data, s->len);
}

size_t mls_varint_write(uint8_t *p, size_t v)
{
	if (v < 64) {
		p[0] = (uint8_t)v;
		return 1;
	}
	if (v < 16384) {
		p[0] = (uint8_t)(0x40 | v >> 8);
		p[1] = (uint8_t)v;
		return 2;
	}
	p[0] = (uint8_t)(0x80 | v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
	return 4;
}
