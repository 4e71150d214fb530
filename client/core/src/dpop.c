/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <sodium.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <base/secret.h>
#include <base/text.h>

#include "dpop.h"
#include "json.h"

static int put_b64(struct cv_buf *out, const void *data, size_t len)
{
	size_t chars = CV_B64_LEN(len);
	char *text = cv_malloc(chars + 1);
	int r;

	if (text == NULL)
		return CV_ENOMEM;
	cv_b64_encode(text, data, len);
	r = cv_buf_put(out, text, chars);
	cv_free(text);
	return r;
}

static int put_json(struct cv_buf *out, json_t *j)
{
	char *text = json_dumps(j, JSON_COMPACT);
	int r;

	if (text == NULL)
		return CV_ENOMEM;
	r = put_b64(out, text, strlen(text));
	free(text);
	return r;
}

static json_t *header_of(const struct client_profile *p)
{
	json_t *jwk = json_object(), *header = json_object();

	json_object_set_new(jwk, "kty", json_string("OKP"));
	json_object_set_new(jwk, "crv", json_string("Ed25519"));
	json_object_set_new(jwk, "x", client_json_from_b64(p->device_key, sizeof(p->device_key)));
	json_object_set_new(header, "typ", json_string("dpop+jwt"));
	json_object_set_new(header, "alg", json_string("EdDSA"));
	json_object_set_new(header, "jwk", jwk);
	return header;
}

int client_dpop_proof(const struct client_profile *p, const char *method, const char *url, uint64_t now,
		      const char *nonce, const char *token, struct cv_buf *out)
{
	json_t *header = header_of(p), *claims = json_object();
	uint8_t jti[16], ath[32], signature[64];
	size_t start = out->len;
	int r;

	r = cv_rng_fill(cv_rng_system(), jti, sizeof(jti));
	if (r != 0)
		goto out;
	json_object_set_new(claims, "jti", client_json_from_b64(jti, sizeof(jti)));
	json_object_set_new(claims, "htm", json_string(method));
	json_object_set_new(claims, "htu", json_stringn(url, strcspn(url, "?#")));
	json_object_set_new(claims, "iat", json_integer((json_int_t)now));
	if (token != NULL) {
		crypto_hash_sha256(ath, (const uint8_t *)token, strlen(token));
		json_object_set_new(claims, "ath", client_json_from_b64(ath, sizeof(ath)));
	}
	if (nonce != NULL && nonce[0] != '\0')
		json_object_set_new(claims, "nonce", json_string(nonce));
	r = put_json(out, header);
	if (r == 0)
		r = cv_buf_put(out, ".", 1);
	if (r == 0)
		r = put_json(out, claims);
	if (r == 0)
		r = client_profile_sign(p, out->data + start, out->len - start, signature);
	if (r == 0)
		r = cv_buf_put(out, ".", 1);
	if (r == 0)
		r = put_b64(out, signature, sizeof(signature));
	if (r == 0)
		r = cv_buf_put_u8(out, 0);
out:
	json_decref(header);
	json_decref(claims);
	return r;
}
