/* SPDX-License-Identifier: Apache-2.0 */
/* Pins (SHA-256 of SubjectPublicKeyInfo) and PEM files. */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include <base/file.h>
#include <base/secret.h>
#include <base/text.h>

#include "internal.h"
#include "pem.h"

#define PEM_FILE_MAX (256 * 1024)

int net_pins_add(struct net_pins *pins, const uint8_t sha256[NET_PIN_LEN])
{
	if (pins->count == NET_PINS_MAX)
		return CV_ELIMIT;
	memcpy(pins->pin[pins->count++].sha256, sha256, NET_PIN_LEN);
	return 0;
}

bool net_pins_have(const struct net_pins *pins, const uint8_t sha256[NET_PIN_LEN])
{
	for (size_t i = 0; i < pins->count; i++)
		if (cv_equal(pins->pin[i].sha256, sha256, NET_PIN_LEN))
			return true;
	return false;
}

void net_pin_format(char dst[NET_PIN_TEXT], const struct net_pin *pin)
{
	cv_b64_encode(dst, pin->sha256, NET_PIN_LEN);
}

int net_pin_parse(const char *text, struct net_pin *ret_pin)
{
	struct net_pin pin = {0};
	size_t len;

	if (cv_b64_decode(pin.sha256, sizeof(pin.sha256), text, strlen(text), &len) || len != NET_PIN_LEN)
		return CV_EFORMAT;
	*ret_pin = pin;
	return 0;
}

static int pin_of_pubkey(X509_PUBKEY *pk, struct net_pin *ret_pin)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(pk, &der), err = 0;
	struct net_pin pin;

	if (len <= 0)
		return CV_ECRYPTO;
	if (EVP_Digest(der, (size_t)len, pin.sha256, NULL, EVP_sha256(), NULL) != 1)
		err = CV_ECRYPTO;
	OPENSSL_free(der);
	if (!err)
		*ret_pin = pin;
	return err;
}

int net_spki_pin(X509 *cert, struct net_pin *ret_pin)
{
	return pin_of_pubkey(X509_get_X509_PUBKEY(cert), ret_pin);
}

int net_pem_cert(const char *pem, X509 **ret_cert)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	if (!cert)
		return CV_EFORMAT;
	*ret_cert = cert;
	return 0;
}

/* An encrypted key must not make the library ask on the terminal. */
static int no_password(char *buf, int size, int rwflag, void *u)
{
	return -1;
}

int net_pem_key(const char *pem, bool public_too, EVP_PKEY **ret_key)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

	BIO_free(bio);
	if (!key && public_too) {
		bio = BIO_new_mem_buf(pem, -1);
		key = bio ? PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL) : NULL;
		BIO_free(bio);
	}
	if (!key)
		return CV_EFORMAT;
	*ret_key = key;
	return 0;
}

int net_pin_of_cert(const char *cert_pem, struct net_pin *ret_pin)
{
	X509 *cert;
	int err = net_pem_cert(cert_pem, &cert);

	if (err)
		return err;
	err = net_spki_pin(cert, ret_pin);
	X509_free(cert);
	return err;
}

int net_pin_of_key(const char *key_pem, struct net_pin *ret_pin)
{
	X509_PUBKEY *pk = NULL;
	EVP_PKEY *key;
	int err = net_pem_key(key_pem, true, &key);

	if (err)
		return err;
	err = X509_PUBKEY_set(&pk, key) == 1 ? pin_of_pubkey(pk, ret_pin) : CV_ECRYPTO;
	X509_PUBKEY_free(pk);
	EVP_PKEY_free(key);
	return err;
}

static int pin_of_file(const char *path, int (*pin_of)(const char *pem, struct net_pin *ret), struct net_pin *ret_pin)
{
	struct cv_buf pem;
	int err;

	cv_buf_init_secret(&pem, PEM_FILE_MAX + 1);
	err = net_pem_read(path, &pem);
	if (!err)
		err = pin_of((const char *)pem.data, ret_pin);
	cv_buf_done(&pem);
	return err;
}

int net_pin_of_cert_file(const char *path, struct net_pin *ret_pin)
{
	return pin_of_file(path, net_pin_of_cert, ret_pin);
}

int net_pin_of_key_file(const char *path, struct net_pin *ret_pin)
{
	return pin_of_file(path, net_pin_of_key, ret_pin);
}

int net_pem_read(const char *path, struct cv_buf *ret_pem)
{
	size_t start = ret_pem->len;
	int err = cv_file_read(path, ret_pem);

	if (!err && ret_pem->len - start > PEM_FILE_MAX)
		err = CV_ELIMIT;
	if (!err)
		err = cv_buf_put_u8(ret_pem, 0);
	if (err)
		return err;
	ret_pem->len--; /* the NUL stays behind the text */
	if (memchr(ret_pem->data + start, '\0', ret_pem->len - start))
		return CV_EFORMAT;
	return 0;
}

int net_pem_write(const char *path, const char *pem, bool is_private)
{
	return cv_file_write(path, pem, strlen(pem), is_private ? 0600 : 0644);
}
