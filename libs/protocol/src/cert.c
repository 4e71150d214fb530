/* SPDX-License-Identifier: Apache-2.0 */
/* Issuing certificates: root, intermediates, identities. RFC 5280, RFC 8410. */
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include <base/alloc.h>
#include <base/text.h>

#include "internal.h"

static int new_cert(EVP_PKEY *subject, uint64_t not_before, uint64_t not_after, const struct cv_rng *rng, X509 **ret)
{
	uint8_t serial[16];
	BIGNUM *bn = NULL;
	X509 *x;
	int err;

	if (not_after <= not_before)
		return CV_EINVAL;
	err = cv_rng_fill(rng, serial, sizeof(serial));
	if (err)
		return err;
	/* positive, never zero, all 16 bytes used (RFC 5280 section 4.1.2.2) */
	serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40);
	x = X509_new();
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	if (!x || !bn || !X509_set_version(x, X509_VERSION_3) || !BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x)) ||
	    !ASN1_TIME_set(X509_getm_notBefore(x), (time_t)not_before) ||
	    !ASN1_TIME_set(X509_getm_notAfter(x), (time_t)not_after) || !X509_set_pubkey(x, subject)) {
		BN_free(bn);
		X509_free(x);
		return CV_ECRYPTO;
	}
	BN_free(bn);
	*ret = x;
	return 0;
}

static int add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (!ext)
		return CV_ECRYPTO;
	ok = X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
	return ok ? 0 : CV_ECRYPTO;
}

/* Names longer than X.520 allows are cut between characters. */
static int add_name(X509_NAME *name, int nid, const char *text)
{
	size_t len = 0, chars = 0;

	for (size_t i = 0; text[i]; i++) {
		if (((uint8_t)text[i] & 0xc0) == 0x80)
			continue;
		if (chars == PROTO_CN_MAX) {
			len = i;
			break;
		}
		chars++;
	}
	if (!len)
		len = strlen(text);
	return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const unsigned char *)text, (int)len, -1, 0)
		       ? 0
		       : CV_ECRYPTO;
}

static int finish(X509 *cert, EVP_PKEY *signer, struct cv_buf *out)
{
	unsigned char *der = NULL;
	int len, err;

	if (!X509_sign(cert, signer, NULL))
		return CV_ECRYPTO;
	len = i2d_X509(cert, &der);
	if (len < 0)
		return CV_ECRYPTO;
	err = len > PROTO_CERTIFICATE_MAX ? CV_ELIMIT : cv_buf_put(out, der, (size_t)len);
	OPENSSL_free(der);
	return err;
}

static EVP_PKEY *seed_key(const uint8_t *seed)
{
	return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, PROTO_KEY_LEN);
}

static EVP_PKEY *public_key(const uint8_t *key)
{
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, PROTO_KEY_LEN);
}

int proto_root_issue(const uint8_t root_seed[PROTO_KEY_LEN], const char *organisation, uint64_t not_before,
		     uint64_t not_after, const struct cv_rng *rng, struct cv_buf *out)
{
	X509 *x = NULL;
	EVP_PKEY *key;
	int err;

	if (!*organisation || !cv_text_printable(organisation, strlen(organisation)))
		return CV_EINVAL;
	key = seed_key(root_seed);
	if (!key)
		return CV_ECRYPTO;
	err = new_cert(key, not_before, not_after, rng, &x);
	if (err)
		goto out;
	if ((err = add_name(X509_get_subject_name(x), NID_organizationName, organisation)) ||
	    (err = add_name(X509_get_subject_name(x), NID_commonName, "Conclave organisation root")))
		goto out;
	if (!X509_set_issuer_name(x, X509_get_subject_name(x))) {
		err = CV_ECRYPTO;
		goto out;
	}
	if ((err = add_ext(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:1")) ||
	    (err = add_ext(x, x, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature")) ||
	    (err = add_ext(x, x, NID_subject_key_identifier, "hash")))
		goto out;
	err = finish(x, key, out);
out:
	X509_free(x);
	EVP_PKEY_free(key);
	return err;
}

/* The issuer's certificate and its private key, which must belong together. */
static int load_issuer(const uint8_t *seed, struct cv_span der, X509 **ret_cert, EVP_PKEY **ret_key)
{
	uint8_t own[PROTO_KEY_LEN], said[PROTO_KEY_LEN];
	X509 *cert = NULL;
	EVP_PKEY *key;
	int err = proto_x509_load(der.data, der.len, &cert);

	if (err)
		return err;
	proto_public_key(seed, own);
	err = proto_x509_key(cert, said);
	if (!err && memcmp(own, said, sizeof(own)))
		err = CV_EINVAL;
	key = err ? NULL : seed_key(seed);
	if (!key) {
		X509_free(cert);
		return err ? err : CV_ECRYPTO;
	}
	*ret_cert = cert;
	*ret_key = key;
	return 0;
}

static const char *intermediate_name(enum proto_intermediate_kind kind)
{
	return kind == PROTO_INTERMEDIATE_ISSUER ? "Conclave identity issuer" : "Conclave grant signer";
}

int proto_intermediate_issue(const uint8_t root_seed[PROTO_KEY_LEN], struct cv_span root,
			     enum proto_intermediate_kind kind, const uint8_t key[PROTO_KEY_LEN], uint64_t not_before,
			     uint64_t not_after, const struct cv_rng *rng, struct cv_buf *out)
{
	bool ca = kind == PROTO_INTERMEDIATE_ISSUER;
	X509 *root_cert = NULL, *x = NULL;
	EVP_PKEY *signer = NULL, *subject = NULL;
	int err;

	if (!ca && kind != PROTO_INTERMEDIATE_GRANTS)
		return CV_EINVAL;
	err = load_issuer(root_seed, root, &root_cert, &signer);
	if (err)
		return err;
	subject = public_key(key);
	err = subject ? new_cert(subject, not_before, not_after, rng, &x) : CV_ECRYPTO;
	if (err)
		goto out;
	if ((err = add_name(X509_get_subject_name(x), NID_commonName, intermediate_name(kind))))
		goto out;
	if (!X509_set_issuer_name(x, X509_get_subject_name(root_cert))) {
		err = CV_ECRYPTO;
		goto out;
	}
	if ((err = add_ext(x, root_cert, NID_basic_constraints,
			   ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE")) ||
	    (err = add_ext(x, root_cert, NID_key_usage, ca ? "critical,keyCertSign" : "critical,digitalSignature")) ||
	    (err = add_ext(x, root_cert, NID_subject_key_identifier, "hash")) ||
	    (err = add_ext(x, root_cert, NID_authority_key_identifier, "keyid:always")))
		goto out;
	err = finish(x, signer, out);
out:
	X509_free(x);
	EVP_PKEY_free(subject);
	EVP_PKEY_free(signer);
	X509_free(root_cert);
	return err;
}

/* SAN with rfc822Name and the user's URN, built by hand: an address must not be read as configuration syntax. */
static int add_san(X509 *cert, const struct proto_identity *id)
{
	char hex[2 * PROTO_ID_LEN + 1], urn[64];
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	const struct {
		int type;
		const char *text;
	} entries[] = {{GEN_EMAIL, id->email}, {GEN_URI, urn}};
	int err = names ? 0 : CV_ENOMEM;

	cv_hex_encode(hex, id->user_id, PROTO_ID_LEN);
	snprintf(urn, sizeof(urn), "urn:uuid:%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
	for (size_t i = 0; i < 2 && !err; i++) {
		ASN1_IA5STRING *s = ASN1_IA5STRING_new();
		GENERAL_NAME *name = GENERAL_NAME_new();

		if (!s || !name || !ASN1_STRING_set(s, entries[i].text, -1)) {
			ASN1_IA5STRING_free(s);
			GENERAL_NAME_free(name);
			err = CV_ENOMEM;
			break;
		}
		GENERAL_NAME_set0_value(name, entries[i].type, s);
		if (!sk_GENERAL_NAME_push(names, name)) {
			GENERAL_NAME_free(name);
			err = CV_ENOMEM;
		}
	}
	if (!err && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) != 1)
		err = CV_ECRYPTO;
	GENERAL_NAMES_free(names);
	return err;
}

static bool email_ok(const char *email)
{
	size_t len = strlen(email);

	if (!len || len > PROTO_EMAIL_MAX || !memchr(email, '@', len))
		return false;
	for (size_t i = 0; i < len; i++)
		if (email[i] <= ' ' || email[i] > '~')
			return false;
	return true;
}

int proto_identity_issue(const uint8_t issuer_seed[PROTO_KEY_LEN], struct cv_span issuer,
			 const struct proto_identity *id, const struct cv_rng *rng, struct cv_buf *out)
{
	X509 *issuer_cert = NULL, *x = NULL;
	EVP_PKEY *signer = NULL, *subject = NULL;
	int err;

	if (!email_ok(id->email) || !*id->display_name ||
	    !cv_text_printable(id->display_name, strlen(id->display_name)))
		return CV_EINVAL;
	err = load_issuer(issuer_seed, issuer, &issuer_cert, &signer);
	if (err)
		return err;
	subject = public_key(id->device_key);
	err = subject ? new_cert(subject, id->not_before, id->not_after, rng, &x) : CV_ECRYPTO;
	if (err)
		goto out;
	if ((err = add_name(X509_get_subject_name(x), NID_commonName, id->display_name)))
		goto out;
	if (!X509_set_issuer_name(x, X509_get_subject_name(issuer_cert))) {
		err = CV_ECRYPTO;
		goto out;
	}
	if ((err = add_ext(x, issuer_cert, NID_basic_constraints, "critical,CA:FALSE")) ||
	    (err = add_ext(x, issuer_cert, NID_key_usage, "critical,digitalSignature")) ||
	    (err = add_ext(x, issuer_cert, NID_authority_key_identifier, "keyid:always")) || (err = add_san(x, id)))
		goto out;
	err = finish(x, signer, out);
out:
	X509_free(x);
	EVP_PKEY_free(subject);
	EVP_PKEY_free(signer);
	X509_free(issuer_cert);
	return err;
}
