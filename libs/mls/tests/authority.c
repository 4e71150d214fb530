/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include "authority.h"

static EVP_PKEY *ca_key;
static X509 *ca_cert;

static EVP_PKEY *ec_key(const char *group, struct cv_span point)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	EVP_PKEY *key = NULL;

	if (ctx && build && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point.data, point.len) == 1)
		params = OSSL_PARAM_BLD_to_param(build);
	if (!params || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(build);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *raw_key(uint16_t suite, struct cv_span public_key)
{
	switch (suite) {
	case MLS_SUITE_X25519_AES128GCM_SHA256_ED25519:
	case MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519:
		return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key.data, public_key.len);
	case MLS_SUITE_P256_AES128GCM_SHA256_P256: return ec_key("P-256", public_key);
	case MLS_SUITE_P384_AES256GCM_SHA384_P384: return ec_key("P-384", public_key);
	case MLS_SUITE_P521_AES256GCM_SHA512_P521: return ec_key("P-521", public_key);
	default: return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED448, NULL, public_key.data, public_key.len);
	}
}

static X509 *make_cert(const char *subject, EVP_PKEY *subject_key, const char *issuer, EVP_PKEY *issuer_key)
{
	static long serial = 1;
	X509 *cert = X509_new();

	if (!cert)
		return NULL;
	if (X509_set_version(cert, X509_VERSION_3) != 1 ||
	    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++) != 1 ||
	    !X509_gmtime_adj(X509_getm_notBefore(cert), -3600) || !X509_gmtime_adj(X509_getm_notAfter(cert), 86400) ||
	    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8, (const unsigned char *)subject,
				       -1, -1, 0) != 1 ||
	    X509_NAME_add_entry_by_txt(X509_get_issuer_name(cert), "CN", MBSTRING_UTF8, (const unsigned char *)issuer,
				       -1, -1, 0) != 1 ||
	    X509_set_pubkey(cert, subject_key) != 1 || X509_sign(cert, issuer_key, NULL) == 0) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

static int ca_ready(void)
{
	if (ca_cert)
		return 0;
	ca_key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	ca_cert = ca_key ? make_cert("test authority", ca_key, "test authority", ca_key) : NULL;
	return ca_cert ? 0 : CV_ECRYPTO;
}

static int put_der(X509 *cert, struct cv_buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der), err;

	if (len <= 0)
		return CV_ECRYPTO;
	err = cv_buf_put(out, der, (size_t)len);
	OPENSSL_free(der);
	return err;
}

int authority_issue(uint16_t suite, struct cv_span public_key, const char *common_name, struct cv_buf *out)
{
	EVP_PKEY *key = raw_key(suite, public_key);
	int err = key ? ca_ready() : CV_EFORMAT;
	X509 *cert = err ? NULL : make_cert(common_name, key, "test authority", ca_key);

	if (!err)
		err = cert ? put_der(cert, out) : CV_ECRYPTO;
	X509_free(cert);
	EVP_PKEY_free(key);
	return err;
}

int authority_certificate(struct cv_buf *out)
{
	int err = ca_ready();

	return err ? err : put_der(ca_cert, out);
}

int authority_check(struct cv_span der)
{
	const unsigned char *p = der.data;
	X509 *cert = d2i_X509(NULL, &p, (long)der.len);
	int ok = cert && p == der.data + der.len && ca_ready() == 0 && X509_verify(cert, ca_key) == 1;

	X509_free(cert);
	return ok ? 0 : CV_EDENIED;
}

void authority_close(void)
{
	X509_free(ca_cert);
	EVP_PKEY_free(ca_key);
	ca_cert = NULL;
	ca_key = NULL;
}
