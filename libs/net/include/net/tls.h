/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS contexts, certificates and pins (R69).
 *
 * Two ways of knowing the peer:
 * - pins: the leaf certificate's SubjectPublicKeyInfo must hash (SHA-256) to one of the pins. Nothing else is checked:
 *   no authority, no name, no validity period. The pin says everything, and comes from the organisation's signed
 *   manifest. Compared during the handshake and again after it, on resumed sessions too; a failure is CV_EPIN, and no
 *   byte of the application has been sent or read.
 * - authority: a private CA of the deployment (mutual TLS between manager and relays), with the host name checked by
 *   clients. Pins may be given in addition; then both must hold.
 *
 * TLS 1.3; with allow_tls12 also 1.2 with ECDHE and AEAD suites only. No 0-RTT, no renegotiation, no compression.
 * Contexts are counted internally: connections keep theirs alive. Loop thread or before threads start.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/buf.h>
#include <base/err.h>

#define NET_PIN_LEN  32
#define NET_PIN_TEXT 44 /* 43 characters of base64url and NUL */
#define NET_PINS_MAX 16

struct net_pin {
	uint8_t sha256[NET_PIN_LEN];
};

struct net_pins {
	struct net_pin pin[NET_PINS_MAX];
	size_t count;
};

/* CV_ELIMIT when full. */
CV_PUBLIC int net_pins_add(struct net_pins *pins, const uint8_t sha256[NET_PIN_LEN]) CV_NODISCARD;
CV_PUBLIC bool net_pins_have(const struct net_pins *pins, const uint8_t sha256[NET_PIN_LEN]);
/* base64url of the 32 bytes. CV_EFORMAT. */
CV_PUBLIC void net_pin_format(char dst[NET_PIN_TEXT], const struct net_pin *pin);
CV_PUBLIC int net_pin_parse(const char *text, struct net_pin *ret_pin) CV_NODISCARD;
/* Pin of the first certificate, or of the private or public key, in PEM text or a PEM file. CV_EFORMAT, CV_EIO. */
CV_PUBLIC int net_pin_of_cert(const char *cert_pem, struct net_pin *ret_pin) CV_NODISCARD;
CV_PUBLIC int net_pin_of_key(const char *key_pem, struct net_pin *ret_pin) CV_NODISCARD;
CV_PUBLIC int net_pin_of_cert_file(const char *path, struct net_pin *ret_pin) CV_NODISCARD;
CV_PUBLIC int net_pin_of_key_file(const char *path, struct net_pin *ret_pin) CV_NODISCARD;

/* ---- contexts ---- */

struct net_tls_server;
struct net_tls_client;

struct net_tls_server_opts {
	const char *cert_file; /* PEM chain, leaf first */
	const char *key_file;  /* PEM, unencrypted */
	const char *ca_file;   /* PEM; clients may then authenticate with a certificate of this authority; NULL: none */
	bool require_client;   /* refuse clients without certificate (with ca_file) */
	bool allow_tls12;
};

/* CV_EINVAL, CV_EIO (a file cannot be read), CV_EFORMAT (not PEM, key does not fit), CV_ENOMEM. */
CV_PUBLIC int net_tls_server_new(const struct net_tls_server_opts *opts,
				 struct net_tls_server **ret_server) CV_NODISCARD;
/* Reads the same files again; new connections use them. On failure the old ones stay in use. */
CV_PUBLIC int net_tls_server_reload(struct net_tls_server *s) CV_NODISCARD;
CV_PUBLIC void net_tls_server_free(struct net_tls_server *s);

struct net_tls_client_opts {
	const struct net_pins *pins; /* copied; NULL or empty only with ca_file */
	const char *ca_file;         /* NULL: pins only */
	const char *cert_file;       /* own certificate for mutual TLS; NULL: none */
	const char *key_file;
	bool allow_tls12;
};

/* Keeps the last session for resumption, so use one context per server. CV_EINVAL with neither pins nor CA. */
CV_PUBLIC int net_tls_client_new(const struct net_tls_client_opts *opts,
				 struct net_tls_client **ret_client) CV_NODISCARD;
/* Other pins (a new manifest) from the next connection on; resumption does not get around them. */
CV_PUBLIC int net_tls_client_set_pins(struct net_tls_client *c, const struct net_pins *pins) CV_NODISCARD;
CV_PUBLIC void net_tls_client_free(struct net_tls_client *c);

/* ---- keys and certificates ---- */

/* New P-256 private key (PKCS#8 PEM, NUL-terminated, appended to `ret_pem`, which should be a secret buffer). */
CV_PUBLIC int net_key_make(struct cv_buf *ret_pem) CV_NODISCARD;

struct net_cert_opts {
	const char *common_name;
	const char *const *names; /* DNS names and IP addresses for subjectAltName */
	size_t name_count;
	int days;                   /* validity from an hour ago */
	bool ca;                    /* an authority (path length 0) instead of a server/client certificate */
	const char *issuer_cert;    /* PEM; NULL: self-issued */
	const char *issuer_key_pem; /* PEM; with issuer_cert */
};

/* Certificate for `key_pem` (private key, or with an issuer also a public key), PEM with NUL, appended. Extended key
 * usage: server and client. CV_EINVAL, CV_EFORMAT, CV_ECRYPTO. */
CV_PUBLIC int net_cert_make(const struct net_cert_opts *opts, const char *key_pem, struct cv_buf *ret_pem) CV_NODISCARD;
/* PKCS#10 request for a key's certificate, PEM with NUL; and the public key (PEM with NUL) of a request for a P-256
 * key: CV_EFORMAT, CV_EAUTH (its signature does not hold). */
CV_PUBLIC int net_csr_make(const char *key_pem, const char *common_name, struct cv_buf *ret_pem) CV_NODISCARD;
CV_PUBLIC int net_csr_public(const char *csr_pem, struct cv_buf *ret_pem) CV_NODISCARD;
/* CV_EAUTH unless `cert_pem` is signed by `ca_pem` and inside its validity; ret_cn (size >= 1) gets its common name. */
CV_PUBLIC int net_cert_verify(const char *cert_pem, const char *ca_pem, char *ret_cn, size_t cn_size) CV_NODISCARD;

/* Text to a file of mode 0600 (private) or 0644, as cv_file_write. */
CV_PUBLIC int net_pem_write(const char *path, const char *pem, bool is_private) CV_NODISCARD;
/* Reads a file of at most 256 KB with a NUL after it (not counted in len). CV_ENOTFOUND, CV_EIO, CV_ELIMIT. */
CV_PUBLIC int net_pem_read(const char *path, struct cv_buf *ret_pem) CV_NODISCARD;
/* Makes key and self-issued certificate files when the key file is missing (first start). ret_made may be NULL. */
CV_PUBLIC int net_cert_ensure(const char *cert_path, const char *key_path, const struct net_cert_opts *opts,
			      bool *ret_made) CV_NODISCARD;

#endif
