/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTEROP_MLS_PEER_H
#define INTEROP_MLS_PEER_H

#include <jansson.h>

#include <mls/mls.h>

/* A certification authority of the tests: one per process, made on first use. 0 or CV_E…. */
/* Appends a DER certificate for a raw public signature key of `suite`. */
int peer_ca_issue(uint16_t suite, struct cv_span public_key, const char *common_name, struct cv_buf *out) CV_NODISCARD;
/* Appends the authority's own certificate, DER. */
int peer_ca_certificate(struct cv_buf *out) CV_NODISCARD;
/* 0 when `der` is signed by the authority, else CV_EDENIED. */
int peer_ca_check(struct cv_span der) CV_NODISCARD;

/* Bytes of a hex string (of a member of an object); they live until peer_free_bytes. Empty when missing or malformed.
 */
struct cv_span peer_bytes_of(const json_t *value);
struct cv_span peer_bytes(const json_t *in, const char *key);
void peer_free_bytes(void);
bool peer_flag(const json_t *in, const char *key);
/* "extensions" of a request, at most 16 of them. Returns their number. */
size_t peer_extensions(const json_t *in, struct mls_extension *ret);
void peer_put_bytes(json_t *out, const char *key, struct cv_span v);
/* Also gives the buffer's memory up; an empty one puts nothing. */
void peer_put_buf(json_t *out, const char *key, struct cv_buf *b);
/* "state": everything that members of one group must agree on. */
void peer_put_state(struct mls_group *g, json_t *out);

#endif
