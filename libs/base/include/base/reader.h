/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded reader: the only way foreign bytes are decoded. Borrowed memory, nothing is copied.
 * Every get fails with CV_ETRUNCATED when the input is too short, and then moves nothing.
 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include <stddef.h>
#include <stdint.h>

#include <base/err.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cv_reader {
	const uint8_t *p;
	size_t left;
};

/* A borrowed span of bytes. */
struct cv_span {
	const uint8_t *data;
	size_t len;
};

CV_PUBLIC void cv_reader_init(struct cv_reader *r, const void *data, size_t len);
CV_PUBLIC int cv_reader_get_u8(struct cv_reader *r, uint8_t *ret) CV_NODISCARD;
CV_PUBLIC int cv_reader_get_u16(struct cv_reader *r, uint16_t *ret) CV_NODISCARD;
CV_PUBLIC int cv_reader_get_u24(struct cv_reader *r, uint32_t *ret) CV_NODISCARD;
CV_PUBLIC int cv_reader_get_u32(struct cv_reader *r, uint32_t *ret) CV_NODISCARD;
CV_PUBLIC int cv_reader_get_u64(struct cv_reader *r, uint64_t *ret) CV_NODISCARD;
/* Variable-size integer, RFC 9420 section 2.1.2: CV_EFORMAT for the 8-byte form and for a non-minimal form. */
CV_PUBLIC int cv_reader_get_varint(struct cv_reader *r, uint32_t *ret) CV_NODISCARD;
/* `len` bytes, borrowed. */
CV_PUBLIC int cv_reader_get(struct cv_reader *r, size_t len, const uint8_t **ret_p) CV_NODISCARD;
/* `len` bytes copied to dst. */
CV_PUBLIC int cv_reader_copy(struct cv_reader *r, void *dst, size_t len) CV_NODISCARD;
/* A varint-length vector of at most `max` bytes (CV_ELIMIT above), borrowed. */
CV_PUBLIC int cv_reader_get_vec(struct cv_reader *r, size_t max, struct cv_span *ret) CV_NODISCARD;
/* A vector with a 16-bit length, borrowed. */
CV_PUBLIC int cv_reader_get_vec16(struct cv_reader *r, size_t max, struct cv_span *ret) CV_NODISCARD;
/* As get_vec, as a reader over the content. */
CV_PUBLIC int cv_reader_sub(struct cv_reader *r, size_t max, struct cv_reader *ret) CV_NODISCARD;
/* CV_ETRAILING unless everything is read. */
CV_PUBLIC int cv_reader_end(const struct cv_reader *r) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
