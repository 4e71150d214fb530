/* SPDX-License-Identifier: Apache-2.0 */
/* P-256 keys, X.509 certificates and requests for servers and for the deployment's private authority. */
#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <unistd.h>

#include <base/secret.h>

#include "internal.h"
#include "pem.h"

#define PEM_MAX (64 * 1024)

/* What a memory BIO holds, with NUL, appended. */
static int take_bio(BIO *bio, struct cv_buf *ret_pem)
{
	char *text;
	long len = BIO_get_mem_data(bio, &text);
	int err;

	if (len <= 0)
		return CV_ECRYPTO;
	err = cv_buf_put(ret_pem, text, (size_t)len);
	if (!err)
		err = cv_buf_put_u8(ret_pem, 0);
	if (!err)
		ret_pem->len--;
	return err;
}

int net_key_make(struct cv_buf *ret_pem)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_secmem());
	int err = CV_ECRYPTO;

	if (key && bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1)
		err = take_bio(bio, ret_pem);
	BIO_free(bio);
	EVP_PKEY_free(key);
	return err;
}

static int write_public(EVP_PKEY *key, struct cv_buf *ret_pem)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int err = CV_ECRYPTO;

	if (bio && PEM_write_bio_PUBKEY(bio, key) == 1)
		err = take_bio(bio, ret_pem);
	BIO_free(bio);
	return err;
}

static int set_name(X509_NAME *name, const char *common_name)
{
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) == 1
		       ? 0
		       : CV_EINVAL;
}

static int add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	int ok;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext && X509_add_ext(cert, ext, -1) == 1;
	X509_EXTENSION_free(ext);
	return ok ? 0 : CV_ECRYPTO;
}

/* Built as objects, not as configuration text: a name cannot bring syntax of its own. */
static int add_names(X509 *cert, const char *const *names, size_t count)
{
	GENERAL_NAMES *list = GENERAL_NAMES_new();
	int err = list ? 0 : CV_ENOMEM;

	for (size_t i = 0; i < count && !err; i++) {
		ASN1_OCTET_STRING *ip = a2i_IPADDRESS(names[i]);
		GENERAL_NAME *gn = GENERAL_NAME_new();
		ASN1_IA5STRING *dns = ip ? NULL : ASN1_IA5STRING_new();

		if (gn && ip) {
			GENERAL_NAME_set0_value(gn, GEN_IPADD, ip);
		} else if (gn && dns && ASN1_STRING_set(dns, names[i], -1) == 1) {
			GENERAL_NAME_set0_value(gn, GEN_DNS, dns);
		} else {
			ASN1_OCTET_STRING_free(ip);
			ASN1_IA5STRING_free(dns);
			err = CV_ENOMEM;
		}
		if (err || !sk_GENERAL_NAME_push(list, gn)) {
			GENERAL_NAME_free(gn);
			err = CV_ENOMEM;
		}
	}
	if (!err && count && X509_add1_ext_i2d(cert, NID_subject_alt_name, list, 0, 0) != 1)
		err = CV_ECRYPTO;
	GENERAL_NAMES_free(list);
	return err;
}

static int set_serial(X509 *cert)
{
	uint8_t serial[16];
	BIGNUM *bn;
	int ok;

	if (RAND_bytes(serial, sizeof(serial)) != 1)
		return CV_ECRYPTO;
	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, always 16 bytes: RFC 5280 section 4.1.2.2 */
	bn = BN_bin2bn(serial, sizeof(serial), NULL);
	ok = bn && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert));
	BN_free(bn);
	return ok ? 0 : CV_ECRYPTO;
}

static int fill(X509 *cert, const struct net_cert_opts *o, EVP_PKEY *key, X509 *issuer)
{
	int err = set_serial(cert);

	if (!err &&
	    (X509_set_version(cert, X509_VERSION_3) != 1 || !X509_gmtime_adj(X509_getm_notBefore(cert), -3600) ||
	     !X509_time_adj_ex(X509_getm_notAfter(cert), o->days, 0, NULL) || X509_set_pubkey(cert, key) != 1))
		err = CV_ECRYPTO;
	if (!err)
		err = set_name(X509_get_subject_name(cert), o->common_name);
	if (!err && X509_set_issuer_name(cert, X509_get_subject_name(issuer)) != 1)
		err = CV_ECRYPTO;
	if (!err)
		err = add_ext(cert, issuer, NID_basic_constraints,
			      o->ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE");
	if (!err)
		err = add_ext(cert, issuer, NID_key_usage,
			      o->ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
	if (!err && !o->ca)
		err = add_ext(cert, issuer, NID_ext_key_usage, "serverAuth,clientAuth");
	if (!err)
		err = add_ext(cert, issuer, NID_subject_key_identifier, "hash");
	if (!err && issuer != cert)
		err = add_ext(cert, issuer, NID_authority_key_identifier, "keyid:always");
	if (!err)
		err = add_names(cert, o->names, o->name_count);
	return err;
}

int net_cert_make(const struct net_cert_opts *opts, const char *key_pem, struct cv_buf *ret_pem)
{
	EVP_PKEY *key = NULL, *issuer_key = NULL;
	X509 *cert = NULL, *issuer = NULL;
	BIO *bio = NULL;
	int err;

	if (!opts->common_name || opts->days <= 0 || !opts->issuer_cert != !opts->issuer_key_pem)
		return CV_EINVAL;
	err = net_pem_key(key_pem, opts->issuer_cert != NULL, &key);
	if (err)
		goto out;
	if (opts->issuer_cert) {
		err = net_pem_cert(opts->issuer_cert, &issuer);
		if (!err)
			err = net_pem_key(opts->issuer_key_pem, false, &issuer_key);
		if (!err && X509_check_private_key(issuer, issuer_key) != 1)
			err = CV_EINVAL;
		if (err)
			goto out;
	}
	err = CV_ENOMEM;
	cert = X509_new();
	bio = BIO_new(BIO_s_mem());
	if (!cert || !bio)
		goto out;
	err = fill(cert, opts, key, issuer ? issuer : cert);
	if (err)
		goto out;
	err = CV_ECRYPTO;
	/* Ed25519 keys sign without a separate digest; for all others SHA-256. */
	if (!X509_sign(cert, issuer_key ? issuer_key : key,
		       EVP_PKEY_get_id(issuer_key ? issuer_key : key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256()))
		goto out;
	if (PEM_write_bio_X509(bio, cert) == 1)
		err = take_bio(bio, ret_pem);
out:
	BIO_free(bio);
	X509_free(cert);
	X509_free(issuer);
	EVP_PKEY_free(key);
	EVP_PKEY_free(issuer_key);
	return err;
}

int net_csr_make(const char *key_pem, const char *common_name, struct cv_buf *ret_pem)
{
	X509_REQ *req = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	EVP_PKEY *key = NULL;
	int err = req && bio ? net_pem_key(key_pem, false, &key) : CV_ENOMEM;

	if (!err)
		err = set_name(X509_REQ_get_subject_name(req), common_name);
	if (!err && (X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 || X509_REQ_set_pubkey(req, key) != 1 ||
		     !X509_REQ_sign(req, key, EVP_sha256()) || PEM_write_bio_X509_REQ(bio, req) != 1))
		err = CV_ECRYPTO;
	if (!err)
		err = take_bio(bio, ret_pem);
	EVP_PKEY_free(key);
	BIO_free(bio);
	X509_REQ_free(req);
	return err;
}

int net_csr_public(const char *csr_pem, struct cv_buf *ret_pem)
{
	BIO *bio = BIO_new_mem_buf(csr_pem, -1);
	X509_REQ *req = bio ? PEM_read_bio_X509_REQ(bio, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key = req ? X509_REQ_get0_pubkey(req) : NULL;
	int err;

	if (!key || EVP_PKEY_base_id(key) != EVP_PKEY_EC || EVP_PKEY_bits(key) != 256)
		err = CV_EFORMAT;
	else if (X509_REQ_verify(req, key) != 1)
		err = CV_EAUTH;
	else
		err = write_public(key, ret_pem);
	X509_REQ_free(req);
	BIO_free(bio);
	return err;
}

int net_cert_verify(const char *cert_pem, const char *ca_pem, char *ret_cn, size_t cn_size)
{
	X509 *cert = NULL, *ca = NULL;
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int err = store && ctx ? 0 : CV_ENOMEM;

	if (!err)
		err = net_pem_cert(cert_pem, &cert);
	if (!err)
		err = net_pem_cert(ca_pem, &ca);
	if (!err && (X509_STORE_add_cert(store, ca) != 1 || X509_STORE_CTX_init(ctx, store, cert, NULL) != 1))
		err = CV_ENOMEM;
	if (!err && X509_verify_cert(ctx) != 1)
		err = CV_EAUTH;
	if (!err && X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, ret_cn, (int)cn_size) < 0)
		ret_cn[0] = '\0';
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	X509_free(cert);
	X509_free(ca);
	return err;
}

int net_cert_ensure(const char *cert_path, const char *key_path, const struct net_cert_opts *opts, bool *ret_made)
{
	bool have_key = access(key_path, F_OK) == 0, have_cert = access(cert_path, F_OK) == 0;
	struct cv_buf key, cert;
	int err = 0;

	cv_buf_init_secret(&key, PEM_MAX * 4 + 1);
	cv_buf_init(&cert, PEM_MAX);
	if (have_key && have_cert)
		goto out;
	/* A certificate whose key is lost is somebody's mistake; overwriting it would hide that. */
	err = have_cert ? CV_EEXIST : have_key ? net_pem_read(key_path, &key) : net_key_make(&key);
	if (!err)
		err = net_cert_make(opts, (const char *)key.data, &cert);
	if (!err && !have_key)
		err = net_pem_write(key_path, (const char *)key.data, true);
	if (!err)
		err = net_pem_write(cert_path, (const char *)cert.data, false);
out:
	if (!err && ret_made)
		*ret_made = !have_cert;
	cv_buf_done(&key);
	cv_buf_done(&cert);
	return err;
}
