/* SPDX-License-Identifier: Apache-2.0 */
/* DPoP proofs, RFC 9449: a JWS (RFC 7515, EdDSA of RFC 8037) by the device key over one request. */
#ifndef CLIENT_DPOP_H
#define CLIENT_DPOP_H

#include <client/profile.h>

/*
 * Appends the compact serialisation, with NUL. `nonce` NULL or "": none; `token` NULL: no ath. CV_ENOMEM, CV_ECRYPTO,
 * CV_ELIMIT.
 */
int client_dpop_proof(const struct client_profile *p, const char *method, const char *url, uint64_t now,
		      const char *nonce, const char *token, struct cv_buf *out) CV_NODISCARD;

#endif
