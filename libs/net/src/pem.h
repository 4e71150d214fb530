/* SPDX-License-Identifier: Apache-2.0 */
/* PEM text to OpenSSL objects; CV_EFORMAT. */
#ifndef NET_PEM_H
#define NET_PEM_H

#include <openssl/x509.h>
#include <stdbool.h>

#include <base/err.h>

int net_pem_cert(const char *pem, X509 **ret_cert) CV_NODISCARD;
int net_pem_key(const char *pem, bool public_too, EVP_PKEY **ret_key) CV_NODISCARD;

#endif
