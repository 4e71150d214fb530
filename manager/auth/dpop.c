/* SPDX-License-Identifier: Apache-2.0 */
/* Proofs of possession of the device key, RFC 9449 with EdDSA (RFC 8037). */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>
#include <sodium.h>

#include <base/text.h>

#include "auth/auth.h"

static void nonce_of(const struct mgr_app *app, int64_t period, char ret_nonce[MGR_NONCE_TEXT])
{
	char text[32];
	uint8_t mac[crypto_auth_hmacsha256_BYTES];
	crypto_auth_hmacsha256_state st;
	int n = snprintf(text, sizeof text, "nonce %lld", (long long)period);
	crypto_auth_hmacsha256_init(&st, app->nonce_key, sizeof app->nonce_key);
	crypto_auth_hmacsha256_update(&st, (const uint8_t *)text, (size_t)n);
	crypto_auth_hmacsha256_final(&st, mac);
	cv_b64_encode(ret_nonce, mac, 16);
}

void mgr_nonce(const struct mgr_app *app, char ret_nonce[MGR_NONCE_TEXT])
{
	nonce_of(app, mgr_now(app) / MGR_NONCE_PERIOD, ret_nonce);
}

static bool nonce_valid(const struct mgr_app *app, const char *nonce)
{
	char want[MGR_NONCE_TEXT];
	int64_t period = mgr_now(app) / MGR_NONCE_PERIOD;
	for (int64_t p = period; p >= period - 1; p--) {
		nonce_of(app, p, want);
		if (!strcmp(nonce, want))
			return true;
	}
	return false;
}

/* One base64url part of the token as a JSON object. */
static json_t *part(const char *text, size_t len)
{
	uint8_t raw[MGR_PROOF_MAX];
	size_t raw_len;
	if (cv_b64_decode(raw, sizeof raw, text, len, &raw_len) < 0)
		return NULL;
	json_t *j = json_loadb((const char *)raw, raw_len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(j))
		return j;
	json_decref(j);
	return NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));
	return s ? s : "";
}

static bool header_ok(const json_t *header, const uint8_t device_key[PROTO_KEY_LEN])
{
	uint8_t key[PROTO_KEY_LEN];
	size_t len;
	const json_t *jwk = json_object_get(header, "jwk");
	const char *x = text_of(jwk, "x");
	if (strcmp(text_of(header, "typ"), "dpop+jwt") || strcmp(text_of(header, "alg"), "EdDSA") ||
	    json_object_get(header, "crit"))
		return false;
	if (strcmp(text_of(jwk, "kty"), "OKP") || strcmp(text_of(jwk, "crv"), "Ed25519") || json_object_get(jwk, "d"))
		return false;
	return cv_b64_decode(key, sizeof key, x, strlen(x), &len) == 0 && len == sizeof key &&
	       cv_equal(key, device_key, sizeof key);
}

/* Scheme and host in lower case, without default port, query and fragment (RFC 3986 section 6.2, as RFC 9449 asks). */
static void normalise_url(const char *url, char *dst, size_t size)
{
	size_t n = 0;
	const char *host = strstr(url, "://");
	const char *path = host ? strchr(host + 3, '/') : NULL;
	for (const char *p = url; *p && *p != '?' && *p != '#' && n + 1 < size; p++) {
		if (p == path && n >= 4 && !memcmp(dst + n - 4, ":443", 4))
			n -= 4;
		dst[n++] = !path || p < path ? (char)tolower((unsigned char)*p) : *p;
	}
	dst[n] = 0;
}

static bool claims_ok(const struct mgr_app *app, const json_t *claims, const struct mgr_proof_want *want)
{
	char have_url[1024], want_url[1024];
	uint8_t ath[MGR_HASH_LEN];
	size_t len;
	const json_t *iat = json_object_get(claims, "iat");
	const char *jti = text_of(claims, "jti");
	const char *ath_text = text_of(claims, "ath");
	if (!*jti || strlen(jti) > MGR_JTI_MAX || strcmp(text_of(claims, "htm"), want->method))
		return false;
	normalise_url(text_of(claims, "htu"), have_url, sizeof have_url);
	normalise_url(want->url, want_url, sizeof want_url);
	if (strcmp(have_url, want_url))
		return false;
	if (!json_is_integer(iat) || json_integer_value(iat) > mgr_now(app) + MGR_PROOF_SKEW_S ||
	    json_integer_value(iat) < mgr_now(app) - MGR_PROOF_SKEW_S)
		return false;
	return cv_b64_decode(ath, sizeof ath, ath_text, strlen(ath_text), &len) == 0 && len == sizeof ath &&
	       cv_equal(ath, want->token_hash, sizeof ath);
}

static int check_parts(const struct mgr_app *app, const json_t *header, const json_t *claims,
		       const struct mgr_proof_want *want)
{
	if (!header_ok(header, want->device_key) || !claims_ok(app, claims, want))
		return MGR_EPROOF;
	return nonce_valid(app, text_of(claims, "nonce")) ? 0 : MGR_ENONCE;
}

int mgr_proof_check(const struct mgr_app *app, const char *proof, const struct mgr_proof_want *want,
		    uint8_t ret_seen[MGR_HASH_LEN], int64_t *ret_expires)
{
	uint8_t signature[PROTO_SIG_LEN];
	size_t len = strlen(proof), sig_len;
	const char *dot1 = strchr(proof, '.');
	const char *dot2 = dot1 ? strchr(dot1 + 1, '.') : NULL;
	if (len > MGR_PROOF_MAX || !dot2 || strchr(dot2 + 1, '.'))
		return MGR_EPROOF;
	if (cv_b64_decode(signature, sizeof signature, dot2 + 1, strlen(dot2 + 1), &sig_len) < 0 ||
	    sig_len != sizeof signature)
		return MGR_EPROOF;
	/* The signature first: nothing that the device did not write is parsed. */
	if (crypto_sign_ed25519_verify_detached(signature, (const uint8_t *)proof, (unsigned long long)(dot2 - proof),
						want->device_key) != 0)
		return MGR_EPROOF;
	json_t *header = part(proof, (size_t)(dot1 - proof));
	json_t *claims = part(dot1 + 1, (size_t)(dot2 - dot1 - 1));
	int r = header && claims ? check_parts(app, header, claims, want) : MGR_EPROOF;
	if (r == 0) {
		crypto_hash_sha256_state st;
		const char *jti = text_of(claims, "jti");
		crypto_hash_sha256_init(&st);
		crypto_hash_sha256_update(&st, want->device_key, PROTO_KEY_LEN);
		crypto_hash_sha256_update(&st, (const uint8_t *)jti, strlen(jti));
		crypto_hash_sha256_final(&st, ret_seen);
		*ret_expires = json_integer_value(json_object_get(claims, "iat")) + 2 * MGR_PROOF_SKEW_S;
	}
	json_decref(header);
	json_decref(claims);
	return r;
}
