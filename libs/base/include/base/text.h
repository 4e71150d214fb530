/* SPDX-License-Identifier: Apache-2.0 */
/* Hex, base64url without padding (RFC 4648 section 5), UTF-8 checks, small string helpers. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/buf.h>
#include <base/err.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Lower-case hex with a final NUL: dst holds 2*len+1 bytes. */
CV_PUBLIC void cv_hex_encode(char *dst, const void *src, size_t len);
/* Exactly `len` bytes from 2*len hex digits of either case and a NUL. CV_EFORMAT otherwise. */
CV_PUBLIC int cv_hex_decode(void *dst, size_t len, const char *hex) CV_NODISCARD;

#define CV_B64_LEN(n) (((n)*4 + 2) / 3) /* characters for n bytes, without NUL */
/* dst holds CV_B64_LEN(len)+1 bytes. */
CV_PUBLIC void cv_b64_encode(char *dst, const void *src, size_t len);
/* Strict: no padding, no white space, zero trailing bits. Writes at most `max` bytes (CV_ELIMIT above). */
CV_PUBLIC int cv_b64_decode(void *dst, size_t max, const char *text, size_t text_len, size_t *ret_len) CV_NODISCARD;

/* Well-formed UTF-8 (no surrogates, no overlong forms) without NUL. */
CV_PUBLIC bool cv_utf8_valid(const void *text, size_t len);
/* Text for people: well-formed UTF-8 without control or bidirectional-override characters. */
CV_PUBLIC bool cv_text_printable(const void *text, size_t len);
/* `text` as cv_text_printable wants it: `instead` for each character that is not. What `size` (with the NUL) has no
 * room for is cut off, never inside a character. */
CV_PUBLIC void cv_text_clean(char *dst, size_t size, const char *text, char instead);

#ifdef __cplusplus
}
#endif

#endif
