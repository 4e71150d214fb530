/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of libs/protocol share. */
#ifndef PROTO_INTERNAL_H
#define PROTO_INTERNAL_H

#include <openssl/x509.h>

#include <proto/identity.h>
#include <proto/message.h>

/* Rules for the fields of each message (check.c). 0, CV_EFORMAT or CV_ELIMIT. */
int proto_control_check(const ProtobufCMessage *base) CV_NODISCARD;
int proto_app_check(const ProtobufCMessage *base) CV_NODISCARD;

/* DER with nothing behind it, at most PROTO_CERTIFICATE_MAX bytes. Freed with X509_free. */
int proto_x509_load(const void *der, size_t len, X509 **ret) CV_NODISCARD;
/* Raw Ed25519 key of a certificate. CV_EFORMAT for another type. */
int proto_x509_key(X509 *cert, uint8_t ret[PROTO_KEY_LEN]) CV_NODISCARD;
/* Begin and end as Unix seconds. */
int proto_x509_times(X509 *cert, uint64_t *ret_not_before, uint64_t *ret_not_after) CV_NODISCARD;
/* Parses an identity certificate that is loaded already. */
int proto_x509_identity(X509 *cert, struct proto_identity *ret) CV_NODISCARD;
/* `cert` is signed by the key of `issuer`, names it, and `issuer` may sign certificates. CV_EAUTH. */
int proto_x509_issued_by(X509 *cert, X509 *issuer) CV_NODISCARD;
/* not_before - PROTO_CLOCK_SKEW <= now <= not_after + tolerance. CV_EEXPIRED. */
int proto_x509_valid_at(X509 *cert, uint64_t now, uint64_t tolerance) CV_NODISCARD;
/* An intermediate of this kind, certified by root, within its times. CV_EAUTH, CV_EFORMAT, CV_EEXPIRED. */
int proto_x509_intermediate(X509 *cert, X509 *root, enum proto_intermediate_kind kind, uint64_t now) CV_NODISCARD;

#endif
