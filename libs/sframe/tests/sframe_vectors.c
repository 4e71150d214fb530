/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the official vector file (RFC 9605 appendix C). usage: sframe-vectors FILE
 * The header entries hold values up to 2^64-1, more than jansson's signed integers can: they are read from the text.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include <base/text.h>

#include "internal.h"

#define FILE_MAX (1 << 20)
#define HEX_MAX  256

static unsigned int passed, failed;

static void verdict(const char *kind, unsigned int i, bool ok)
{
	if (ok)
		passed++;
	else
		failed++;
	if (!ok)
		printf("FAILED %s[%u]\n", kind, i);
}

static char *read_text(const char *path)
{
	FILE *f = fopen(path, "rb");
	char *text = f ? calloc(1, FILE_MAX + 1) : NULL;
	size_t n = text ? fread(text, 1, FILE_MAX, f) : 0;

	if (f)
		fclose(f);
	if (n == 0 || n == FILE_MAX) {
		free(text);
		return NULL;
	}
	return text;
}

/* The unsigned number after "name": in an object's text. */
static bool scan_u64(const char *object, const char *end, const char *name, uint64_t *ret)
{
	char key[32], *stop;
	const char *p;

	snprintf(key, sizeof(key), "\"%s\":", name);
	p = strstr(object, key);
	if (!p || p >= end)
		return false;
	p += strlen(key);
	p += strspn(p, " \t\r\n");
	if (*p < '0' || *p > '9')
		return false;
	errno = 0;
	*ret = strtoull(p, &stop, 10);
	return errno == 0 && stop <= end;
}

/* The bytes of the hex string "name" of an object; -1 when missing. */
static int get_hex(const json_t *o, const char *name, uint8_t *dst)
{
	const char *hex = json_string_value(json_object_get(o, name));
	size_t len = hex ? strlen(hex) / 2 : 0;

	if (!hex || len > HEX_MAX || cv_hex_decode(dst, len, hex) != 0)
		return -1;
	return (int)len;
}

static bool header_ok(uint64_t kid, uint64_t ctr, const json_t *o)
{
	struct sframe_header h = {kid, ctr}, back = {0, 0};
	uint8_t want[HEX_MAX], got[SFRAME_HEADER_MAX];
	int want_len = get_hex(o, "encoded", want);
	size_t back_len = 0;

	if (want_len < 1 || sframe_header_encode(&h, got) != (size_t)want_len ||
	    memcmp(got, want, (size_t)want_len) != 0)
		return false;
	return sframe_header_decode(want, (size_t)want_len, &back, &back_len) == 0 && back_len == (size_t)want_len &&
	       back.kid == kid && back.ctr == ctr;
}

static void run_headers(const json_t *root, const char *text)
{
	const json_t *list = json_object_get(root, "header"), *o;
	const char *p = strstr(text, "\"header\"");
	size_t i;

	json_array_foreach(list, i, o)
	{
		uint64_t kid, ctr;
		const char *end;

		p = p ? strchr(p, '{') : NULL;
		end = p ? strchr(p, '}') : NULL;
		verdict("header", (unsigned int)i,
			end && scan_u64(p, end, "kid", &kid) && scan_u64(p, end, "ctr", &ctr) &&
				header_ok(kid, ctr, o));
		p = end;
	}
}

/* The AEAD of suites 1-3 alone; its key and nonce are put in place of derived ones. */
static bool ctr_hmac_ok(const json_t *o)
{
	enum sframe_suite suite = (enum sframe_suite)json_integer_value(json_object_get(o, "cipher_suite"));
	uint8_t key[HEX_MAX], nonce[HEX_MAX], ad[HEX_MAX], pt[HEX_MAX], ct[HEX_MAX], out[HEX_MAX * 2];
	int key_len = get_hex(o, "key", key), nonce_len = get_hex(o, "nonce", nonce), ad_len = get_hex(o, "aad", ad);
	int pt_len = get_hex(o, "pt", pt), ct_len = get_hex(o, "ct", ct);
	struct sframe_aad aad = {ad, (size_t)ad_len, NULL, 0};
	struct sframe_aead a;
	bool ok;

	if (key_len != SFRAME_KEY_MAX || nonce_len != SFRAME_SALT_LEN || ad_len < 0 || pt_len < 0 ||
	    ct_len != pt_len + (int)sframe_suite_tag_len(suite) || sframe_aead_init(&a, suite, true, 0, "x", 1) != 0)
		return false;
	memcpy(a.salt, nonce, sizeof(a.salt));
	ok = EVP_CipherInit_ex(a.cipher, NULL, NULL, key, NULL, 1) == 1 &&
	     EVP_MAC_init(a.mac, key + 16, 32, NULL) == 1 &&
	     sframe_aead_seal(&a, 0, &aad, pt, (size_t)pt_len, out) == 0 && memcmp(out, ct, (size_t)ct_len) == 0 &&
	     sframe_aead_open(&a, 0, &aad, ct, (size_t)pt_len, out) == 0 && memcmp(out, pt, (size_t)pt_len) == 0;
	sframe_aead_done(&a);
	return ok;
}

static bool derive_ok(const json_t *o, enum sframe_suite suite, uint64_t kid, const uint8_t *base, size_t base_len)
{
	uint8_t key[HEX_MAX], salt[HEX_MAX];
	struct sframe_keys keys;

	return get_hex(o, "sframe_salt", salt) == SFRAME_SALT_LEN &&
	       sframe_key_derive(suite, kid, base, base_len, &keys) == 0 &&
	       get_hex(o, "sframe_key", key) == keys.key_len && memcmp(key, keys.key, keys.key_len) == 0 &&
	       memcmp(salt, keys.salt, SFRAME_SALT_LEN) == 0;
}

static bool sframe_ok(const json_t *o)
{
	enum sframe_suite suite = (enum sframe_suite)json_integer_value(json_object_get(o, "cipher_suite"));
	uint64_t kid = (uint64_t)json_integer_value(json_object_get(o, "kid"));
	uint64_t ctr = (uint64_t)json_integer_value(json_object_get(o, "ctr"));
	uint8_t base[HEX_MAX], md[HEX_MAX], pt[HEX_MAX], ct[HEX_MAX], out[HEX_MAX * 2];
	int base_len = get_hex(o, "base_key", base), md_len = get_hex(o, "metadata", md), pt_len = get_hex(o, "pt", pt);
	int ct_len = get_hex(o, "ct", ct);
	struct sframe_receiver *r = NULL;
	struct sframe_sender *s = NULL;
	struct sframe_header h;
	size_t n = 0;
	bool ok;

	if (base_len < 1 || md_len < 0 || pt_len < 0 || ct_len < 0)
		return false;
	ok = derive_ok(o, suite, kid, base, (size_t)base_len) && sframe_sender_new(suite, &s) == 0 &&
	     sframe_sender_set_key(s, 0, kid, base, (size_t)base_len) == 0 && sframe_sender_skip_to(s, ctr) == 0 &&
	     sframe_seal(s, md, (size_t)md_len, pt, (size_t)pt_len, out, sizeof(out), &n) == 0 && n == (size_t)ct_len &&
	     memcmp(out, ct, n) == 0 && sframe_receiver_new(suite, NULL, 1, &r) == 0 &&
	     sframe_receiver_add_key(r, 0, kid, base, (size_t)base_len) == 0 &&
	     sframe_open(r, md, (size_t)md_len, ct, (size_t)ct_len, out, sizeof(out), &n, &h) == 0 &&
	     n == (size_t)pt_len && memcmp(out, pt, n) == 0 && h.kid == kid && h.ctr == ctr;
	sframe_sender_free(s);
	sframe_receiver_free(r);
	return ok;
}

int main(int argc, char **argv)
{
	char *text = argc == 2 ? read_text(argv[1]) : NULL;
	json_t *root = text ? json_loads(text, JSON_DECODE_INT_AS_REAL, NULL) : NULL;
	json_t *exact = NULL;
	const json_t *o;
	char *rest;
	size_t i;

	if (!root) {
		fprintf(stderr, "usage: sframe-vectors FILE (a file of RFC 9605 vectors)\n");
		free(text);
		return 2;
	}
	run_headers(root, text);
	/* Everything behind the headers fits into signed integers. */
	rest = strstr(text, "\"aes_ctr_hmac\"");
	if (rest && rest > text) {
		*--rest = '{';
		exact = json_loads(rest, 0, NULL);
	}
	json_array_foreach(json_object_get(exact, "aes_ctr_hmac"), i, o)
		verdict("aes_ctr_hmac", (unsigned int)i, ctr_hmac_ok(o));
	json_array_foreach(json_object_get(exact, "sframe"), i, o) verdict("sframe", (unsigned int)i, sframe_ok(o));
	if (json_array_size(json_object_get(exact, "aes_ctr_hmac")) == 0 ||
	    json_array_size(json_object_get(exact, "sframe")) == 0)
		failed++;
	printf("%u passed, %u failed\n", passed, failed);
	json_decref(exact);
	json_decref(root);
	free(text);
	return failed || !passed;
}
