/* SPDX-License-Identifier: Apache-2.0 */
/* A certification authority for tests: one per process, made on first use. Also behind tests/interop. */
#ifndef MLS_TESTS_AUTHORITY_H
#define MLS_TESTS_AUTHORITY_H

#include <mls/mls.h>

/* Appends a DER certificate for a raw public signature key of `suite`. 0 or CV_E…. */
int authority_issue(uint16_t suite, struct cv_span public_key, const char *common_name,
		    struct cv_buf *out) CV_NODISCARD;
/* Appends the authority's own certificate, DER. */
int authority_certificate(struct cv_buf *out) CV_NODISCARD;
/* 0 when `der` is signed by the authority, else CV_EDENIED. */
int authority_check(struct cv_span der) CV_NODISCARD;
/* Gives its key and certificate up; the next use makes others. */
void authority_close(void);

#endif
