/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/x509.h>

#include "bench.h"

#define ROUNDS 200
#define RUNS   5

static void must1(int ok)
{
	if (ok != 1)
		abort();
}

struct verify {
	EVP_PKEY *key;
	uint8_t msg[256], sig[64];
};

static void verify_round(void *arg)
{
	struct verify *v = arg;

	for (int i = 0; i < ROUNDS; i++) {
		EVP_MD_CTX *ctx = EVP_MD_CTX_new();

		must1(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, v->key));
		must1(EVP_DigestVerify(ctx, v->sig, sizeof(v->sig), v->msg, sizeof(v->msg)));
		EVP_MD_CTX_free(ctx);
	}
}

double bare_ed25519_verify(void)
{
	struct verify v = {.key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = sizeof(v.sig);
	double best;

	must1(EVP_DigestSignInit(ctx, NULL, NULL, NULL, v.key));
	must1(EVP_DigestSign(ctx, v.sig, &len, v.msg, sizeof(v.msg)));
	EVP_MD_CTX_free(ctx);
	best = bench_best(RUNS, verify_round, &v) / ROUNDS;
	EVP_PKEY_free(v.key);
	return best;
}

static void gcm(EVP_CIPHER_CTX *ctx, const uint8_t *iv, const uint8_t *in, size_t len, uint8_t *out, uint8_t *tag)
{
	int n;

	must1(EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, iv));
	must1(EVP_EncryptUpdate(ctx, out, &n, in, (int)len));
	must1(EVP_EncryptFinal_ex(ctx, out + n, &n));
	must1(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, tag));
}

/* Key generation, one Diffie-Hellman, the seven HMAC steps of ExtractAndExpand and KeySchedule, one AEAD. */
static void seal_round(void *arg)
{
	EVP_PKEY *peer = arg;

	for (int i = 0; i < ROUNDS; i++) {
		EVP_PKEY *eph = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
		EVP_PKEY_CTX *dh = EVP_PKEY_CTX_new(eph, NULL);
		EVP_CIPHER_CTX *aead = EVP_CIPHER_CTX_new();
		uint8_t secret[32], iv[12] = {0}, plain[32] = {0}, out[32], tag[16];
		size_t len = sizeof(secret);

		must1(EVP_PKEY_derive_init(dh));
		must1(EVP_PKEY_derive_set_peer(dh, peer));
		must1(EVP_PKEY_derive(dh, secret, &len));
		for (int k = 0; k < 7; k++)
			HMAC(EVP_sha256(), secret, sizeof(secret), plain, sizeof(plain), secret, NULL);
		must1(EVP_EncryptInit_ex(aead, EVP_aes_128_gcm(), NULL, secret, NULL));
		gcm(aead, iv, plain, sizeof(plain), out, tag);
		EVP_CIPHER_CTX_free(aead);
		EVP_PKEY_CTX_free(dh);
		EVP_PKEY_free(eph);
	}
}

double bare_hpke_seal(void)
{
	EVP_PKEY *peer = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	double best = bench_best(RUNS, seal_round, peer) / ROUNDS;

	EVP_PKEY_free(peer);
	return best;
}

struct x509 {
	const uint8_t *der;
	size_t len;
};

static void x509_round(void *arg)
{
	const struct x509 *x = arg;

	for (int i = 0; i < ROUNDS; i++) {
		const unsigned char *p = x->der;
		X509 *cert = d2i_X509(NULL, &p, (long)x->len);

		if (!cert || !X509_get0_pubkey(cert))
			abort();
		X509_free(cert);
	}
}

double bare_x509_parse(const uint8_t *der, size_t len)
{
	struct x509 x = {der, len};

	return bench_best(RUNS, x509_round, &x) / ROUNDS;
}

struct aead {
	EVP_CIPHER_CTX *ctx;
	size_t frame;
	int opening;
	uint8_t in[65536], out[65536], tag[16];
};

static void aead_round(void *arg)
{
	struct aead *a = arg;
	uint8_t iv[12] = {0};
	int n;

	for (int i = 0; i < ROUNDS; i++) {
		memcpy(iv, &i, sizeof(i));
		if (!a->opening) {
			gcm(a->ctx, iv, a->in, a->frame, a->out, a->tag);
			continue;
		}
		must1(EVP_DecryptInit_ex(a->ctx, NULL, NULL, NULL, iv));
		must1(EVP_DecryptUpdate(a->ctx, a->out, &n, a->in, (int)a->frame));
		must1(EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_GCM_SET_TAG, 16, a->tag));
		/* The tag does not belong to these bytes; the work of comparing it is the same. */
		EVP_DecryptFinal_ex(a->ctx, a->out + n, &n);
	}
}

void bare_aes_gcm(size_t frame, int runs, double *ret_seal, double *ret_open)
{
	struct aead *a = calloc(1, sizeof(*a));
	static const uint8_t key[16] = {1};

	if (!a || frame > sizeof(a->in))
		abort();
	a->ctx = EVP_CIPHER_CTX_new();
	a->frame = frame;
	must1(EVP_EncryptInit_ex(a->ctx, EVP_aes_128_gcm(), NULL, key, NULL));
	*ret_seal = (double)(frame * ROUNDS) / bench_best(runs, aead_round, a);
	must1(EVP_DecryptInit_ex(a->ctx, EVP_aes_128_gcm(), NULL, key, NULL));
	a->opening = 1;
	*ret_open = (double)(frame * ROUNDS) / bench_best(runs, aead_round, a);
	EVP_CIPHER_CTX_free(a->ctx);
	free(a);
}
