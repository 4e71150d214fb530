/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and verifying certificates. RFC 5280, RFC 8410. */
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <base/text.h>

#include "internal.h"

int proto_x509_load(const void *der, size_t len, X509 **ret)
{
	const unsigned char *p = der;
	X509 *x;

	if (!len || len > PROTO_CERTIFICATE_MAX)
		return CV_ELIMIT;
	x = d2i_X509(NULL, &p, (long)len);
	if (!x)
		return CV_EFORMAT;
	if (p != (const unsigned char *)der + len) {
		X509_free(x);
		return CV_ETRAILING;
	}
	*ret = x;
	return 0;
}

int proto_x509_key(X509 *cert, uint8_t ret[PROTO_KEY_LEN])
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	size_t len = PROTO_KEY_LEN;

	if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 || !EVP_PKEY_get_raw_public_key(key, ret, &len) ||
	    len != PROTO_KEY_LEN)
		return CV_EFORMAT;
	return 0;
}

static int to_unix(const ASN1_TIME *t, uint64_t *ret)
{
	struct tm tm;
	time_t v;

	if (!t || !ASN1_TIME_to_tm(t, &tm))
		return CV_EFORMAT;
	v = timegm(&tm);
	if (v < 0)
		return CV_EFORMAT;
	*ret = (uint64_t)v;
	return 0;
}

int proto_x509_times(X509 *cert, uint64_t *ret_not_before, uint64_t *ret_not_after)
{
	uint64_t from, to;
	int err;

	if ((err = to_unix(X509_get0_notBefore(cert), &from)) || (err = to_unix(X509_get0_notAfter(cert), &to)))
		return err;
	if (to <= from)
		return CV_EFORMAT;
	*ret_not_before = from;
	*ret_not_after = to;
	return 0;
}

int proto_x509_valid_at(X509 *cert, uint64_t now, uint64_t tolerance)
{
	uint64_t from, to;
	int err = proto_x509_times(cert, &from, &to);

	return err ? err : proto_times_check(from, to, now, tolerance);
}

static int get_common_name(X509 *cert, char *ret, size_t max)
{
	X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	unsigned char *text = NULL;
	int len, err = 0;

	/* exactly one name: a second one could be what somebody else shows */
	if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
		return CV_EFORMAT;
	len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (len <= 0 || (size_t)len > max || memchr(text, 0, (size_t)len) || !cv_text_printable(text, (size_t)len)) {
		err = CV_EFORMAT;
	} else {
		memcpy(ret, text, (size_t)len);
		ret[len] = 0;
	}
	OPENSSL_free(text);
	return err;
}

/* "urn:uuid:xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" in lower case (RFC 4122 section 3) */
static int parse_urn(const uint8_t *s, size_t len, uint8_t ret[PROTO_ID_LEN])
{
	static const char prefix[] = "urn:uuid:";
	char hex[2 * PROTO_ID_LEN + 1];
	size_t n = 0;

	if (len != sizeof(prefix) - 1 + 36 || memcmp(s, prefix, sizeof(prefix) - 1))
		return CV_EFORMAT;
	s += sizeof(prefix) - 1;
	for (size_t i = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return CV_EFORMAT;
			continue;
		}
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return CV_EFORMAT;
		hex[n++] = (char)s[i];
	}
	hex[n] = 0;
	return cv_hex_decode(ret, PROTO_ID_LEN, hex);
}

static int parse_email(const uint8_t *s, size_t len, char *ret)
{
	if (!len || len > PROTO_EMAIL_MAX || !memchr(s, '@', len))
		return CV_EFORMAT;
	for (size_t i = 0; i < len; i++)
		if (s[i] <= ' ' || s[i] > '~')
			return CV_EFORMAT;
	memcpy(ret, s, len);
	ret[len] = 0;
	return 0;
}

/* Exactly one address and one URN, nothing else. */
static int get_san(X509 *cert, struct proto_identity *id)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	bool email = false, urn = false;
	int err = 0;

	if (!names)
		return CV_EFORMAT;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !err; i++) {
		GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const ASN1_STRING *s;

		if (name->type != GEN_EMAIL && name->type != GEN_URI) {
			err = CV_EFORMAT;
			break;
		}
		s = name->d.ia5;
		if (name->type == GEN_EMAIL && !email) {
			err = parse_email(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s), id->email);
			email = true;
		} else if (name->type == GEN_URI && !urn) {
			err = parse_urn(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s), id->user_id);
			urn = true;
		} else {
			err = CV_EFORMAT;
		}
	}
	GENERAL_NAMES_free(names);
	return err ? err : email && urn ? 0 : CV_EFORMAT;
}

int proto_x509_identity(X509 *cert, struct proto_identity *ret)
{
	struct proto_identity id = {0};
	int err;

	if (X509_check_ca(cert) || !(X509_get_extension_flags(cert) & EXFLAG_KUSAGE) ||
	    !(X509_get_key_usage(cert) & KU_DIGITAL_SIGNATURE) || (X509_get_extension_flags(cert) & EXFLAG_CRITICAL))
		return CV_EFORMAT;
	if ((err = get_common_name(cert, id.display_name, sizeof(id.display_name) - 1)) || (err = get_san(cert, &id)) ||
	    (err = proto_x509_key(cert, id.device_key)) ||
	    (err = proto_x509_times(cert, &id.not_before, &id.not_after)))
		return err;
	*ret = id;
	return 0;
}

int proto_identity_parse(const void *der, size_t len, struct proto_identity *ret)
{
	X509 *cert = NULL;
	int err = proto_x509_load(der, len, &cert);

	if (err)
		return err;
	err = proto_x509_identity(cert, ret);
	X509_free(cert);
	return err;
}

int proto_x509_issued_by(X509 *cert, X509 *issuer)
{
	/* X509_check_issued compares names, key identifiers and the right to sign certificates. */
	if (X509_check_issued(issuer, cert) != X509_V_OK || X509_check_ca(issuer) != 1 ||
	    X509_verify(cert, X509_get0_pubkey(issuer)) != 1)
		return CV_EAUTH;
	return 0;
}

int proto_x509_intermediate(X509 *cert, X509 *root, enum proto_intermediate_kind kind, uint64_t now)
{
	uint8_t key[PROTO_KEY_LEN];
	bool ca = X509_check_ca(cert) == 1;
	int err;

	if (ca != (kind == PROTO_INTERMEDIATE_ISSUER) || (X509_get_extension_flags(cert) & EXFLAG_CRITICAL))
		return CV_EAUTH;
	if (ca && X509_get_pathlen(cert) != 0)
		return CV_EAUTH;
	if ((err = proto_x509_key(cert, key)) || (err = proto_x509_issued_by(cert, root)))
		return err;
	return proto_x509_valid_at(cert, now, 0);
}

int proto_identity_verify(struct cv_span leaf, struct cv_span issuer, struct cv_span root, uint64_t now,
			  uint64_t tolerance, struct proto_identity *ret)
{
	X509 *l = NULL, *i = NULL, *r = NULL;
	struct proto_identity id;
	uint8_t key[PROTO_KEY_LEN];
	int err;

	if ((err = proto_root_check(root.data, root.len, NULL, key)) ||
	    (err = proto_x509_load(leaf.data, leaf.len, &l)) || (err = proto_x509_load(issuer.data, issuer.len, &i)) ||
	    (err = proto_x509_load(root.data, root.len, &r)))
		goto out;
	if ((err = proto_x509_valid_at(r, now, 0)) ||
	    (err = proto_x509_intermediate(i, r, PROTO_INTERMEDIATE_ISSUER, now)) ||
	    (err = proto_x509_issued_by(l, i)) || (err = proto_x509_identity(l, &id)) ||
	    (err = proto_x509_valid_at(l, now, tolerance)))
		goto out;
	*ret = id;
out:
	X509_free(l);
	X509_free(i);
	X509_free(r);
	return err;
}

int proto_cert_spki_sha256(const void *der, size_t len, uint8_t ret[PROTO_HASH_LEN])
{
	const unsigned char *p = der;
	unsigned char *spki = NULL;
	X509 *cert;
	int n;

	/* any server's certificate, so not bound to the size of our own */
	if (!len || len > 65536)
		return CV_ELIMIT;
	cert = d2i_X509(NULL, &p, (long)len);
	if (!cert)
		return CV_EFORMAT;
	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki);
	X509_free(cert);
	if (n <= 0)
		return CV_EFORMAT;
	proto_sha256(spki, (size_t)n, ret);
	OPENSSL_free(spki);
	return 0;
}

int proto_cert_key(const void *der, size_t len, uint8_t ret[PROTO_KEY_LEN])
{
	X509 *cert = NULL;
	int err = proto_x509_load(der, len, &cert);

	if (err)
		return err;
	err = proto_x509_key(cert, ret);
	X509_free(cert);
	return err;
}

int proto_root_check(const void *der, size_t len, const uint8_t *fingerprint, uint8_t ret_key[PROTO_KEY_LEN])
{
	uint8_t hash[PROTO_HASH_LEN], key[PROTO_KEY_LEN];
	X509 *cert = NULL;
	int err = proto_x509_load(der, len, &cert);

	if (err)
		return err;
	proto_sha256(der, len, hash);
	if (fingerprint && memcmp(hash, fingerprint, sizeof(hash)))
		err = CV_EAUTH;
	if (!err)
		err = proto_x509_key(cert, key);
	if (!err)
		err = proto_x509_issued_by(cert, cert);
	if (!err)
		memcpy(ret_key, key, sizeof(key));
	X509_free(cert);
	return err;
}
