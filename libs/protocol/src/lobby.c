/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <openssl/evp.h>

#include <base/alloc.h>
#include <proto/lobby.h>

#define NONCE_LEN 12
#define TAG_LEN   16
#define AAD_TEXT  "Conclave 1 Lobby"
#define AAD_LEN   (sizeof(AAD_TEXT) - 1 + PROTO_ID_LEN)

static void make_aad(const uint8_t *run_id, uint8_t aad[AAD_LEN])
{
	memcpy(aad, AAD_TEXT, sizeof(AAD_TEXT) - 1);
	memcpy(aad + sizeof(AAD_TEXT) - 1, run_id, PROTO_ID_LEN);
}

int proto_lobby_seal(const uint8_t key[PROTO_LOBBY_KEY_LEN], const uint8_t run_id[PROTO_ID_LEN],
		     const void *key_package, size_t len, const struct cv_rng *rng, struct cv_buf *out)
{
	uint8_t nonce[NONCE_LEN], aad[AAD_LEN], *text = NULL;
	EVP_CIPHER_CTX *ctx = NULL;
	int n, err;

	if (len > PROTO_LOBBY_MAX - PROTO_LOBBY_OVERHEAD)
		return CV_ELIMIT;
	text = cv_malloc(len + TAG_LEN);
	ctx = EVP_CIPHER_CTX_new();
	if (!text || !ctx) {
		err = CV_ENOMEM;
		goto out;
	}
	err = cv_rng_fill(rng, nonce, sizeof(nonce));
	if (err)
		goto out;
	make_aad(run_id, aad);
	if (!EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, nonce) ||
	    !EVP_EncryptUpdate(ctx, NULL, &n, aad, sizeof(aad)) ||
	    !EVP_EncryptUpdate(ctx, text, &n, key_package, (int)len) || !EVP_EncryptFinal_ex(ctx, text + len, &n) ||
	    !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, text + len)) {
		err = CV_ECRYPTO;
		goto out;
	}
	cv_buf_put(out, nonce, sizeof(nonce));
	err = cv_buf_put(out, text, len + TAG_LEN);
out:
	EVP_CIPHER_CTX_free(ctx);
	cv_free(text);
	return err;
}

int proto_lobby_open(const uint8_t key[PROTO_LOBBY_KEY_LEN], const uint8_t run_id[PROTO_ID_LEN], const void *sealed,
		     size_t len, struct cv_buf *out)
{
	const uint8_t *p = sealed;
	uint8_t aad[AAD_LEN], tag[TAG_LEN], *text = NULL;
	EVP_CIPHER_CTX *ctx = NULL;
	size_t text_len;
	int n, err;

	if (len > PROTO_LOBBY_MAX)
		return CV_ELIMIT;
	if (len < PROTO_LOBBY_OVERHEAD)
		return CV_ETRUNCATED;
	text_len = len - PROTO_LOBBY_OVERHEAD;
	text = cv_malloc(text_len + 1);
	ctx = EVP_CIPHER_CTX_new();
	if (!text || !ctx) {
		err = CV_ENOMEM;
		goto out;
	}
	make_aad(run_id, aad);
	memcpy(tag, p + len - TAG_LEN, TAG_LEN);
	err = CV_EAUTH;
	if (!EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, p) ||
	    !EVP_DecryptUpdate(ctx, NULL, &n, aad, sizeof(aad)) ||
	    !EVP_DecryptUpdate(ctx, text, &n, p + NONCE_LEN, (int)text_len) ||
	    !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) ||
	    EVP_DecryptFinal_ex(ctx, text + text_len, &n) != 1)
		goto out;
	err = cv_buf_put(out, text, text_len);
out:
	EVP_CIPHER_CTX_free(ctx);
	cv_free(text);
	return err;
}
