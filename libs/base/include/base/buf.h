/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer with a hard maximum, and the writer for all wire formats.
 *
 * Errors are sticky: after the first failed put every later put fails with the same error and writes nothing,
 * so an encoder may write a whole structure and ask cv_buf_status() once. Not thread safe.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/err.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cv_buf {
	uint8_t *data; /* owned; NULL while empty */
	size_t len;
	size_t cap;
	size_t max;  /* len never passes it */
	bool secret; /* wipe on growth and on done */
	int err;     /* first failure, sticky */
};

/* `max` is the hard maximum in bytes. No allocation. */
CV_PUBLIC void cv_buf_init(struct cv_buf *b, size_t max);
/* As cv_buf_init; memory is wiped whenever it is given up. */
CV_PUBLIC void cv_buf_init_secret(struct cv_buf *b, size_t max);
/* Frees (wipes) the memory and leaves an empty buffer of the same maximum. Takes a zeroed struct. */
CV_PUBLIC void cv_buf_done(struct cv_buf *b);
/* Empties without freeing (wipes when secret) and clears the sticky error. */
CV_PUBLIC void cv_buf_reset(struct cv_buf *b);
/* Sticky status: 0, CV_ENOMEM or CV_ELIMIT. */
CV_PUBLIC int cv_buf_status(const struct cv_buf *b) CV_NODISCARD;
/* Gives the memory to the caller (cv_free) and leaves the buffer empty. CV_E… of the sticky error instead if there is
 * one. */
CV_PUBLIC int cv_buf_steal(struct cv_buf *b, uint8_t **ret_data, size_t *ret_len) CV_NODISCARD;

/* All puts: 0, or the sticky error. Integers are big-endian. */
CV_PUBLIC int cv_buf_put(struct cv_buf *b, const void *src, size_t len);
CV_PUBLIC int cv_buf_put_u8(struct cv_buf *b, uint8_t v);
CV_PUBLIC int cv_buf_put_u16(struct cv_buf *b, uint16_t v);
CV_PUBLIC int cv_buf_put_u24(struct cv_buf *b, uint32_t v);
CV_PUBLIC int cv_buf_put_u32(struct cv_buf *b, uint32_t v);
CV_PUBLIC int cv_buf_put_u64(struct cv_buf *b, uint64_t v);
/* Variable-size integer of RFC 9000 as MLS uses it (1, 2 or 4 bytes, minimal; at most 2^30-1). RFC 9420 section 2.1.2.
 */
CV_PUBLIC int cv_buf_put_varint(struct cv_buf *b, uint32_t v);
/* Variable-size vector: varint length, then the bytes. */
CV_PUBLIC int cv_buf_put_vec(struct cv_buf *b, const void *src, size_t len);
/* Vector with a 16-bit length. CV_ELIMIT above 65535. */
CV_PUBLIC int cv_buf_put_vec16(struct cv_buf *b, const void *src, size_t len);
/* Reserves `len` bytes and hands them out for writing; the pointer lives until the next put. */
CV_PUBLIC int cv_buf_extend(struct cv_buf *b, size_t len, uint8_t **ret_p) CV_NODISCARD;
/* Removes `len` bytes from the front (len <= b->len). */
CV_PUBLIC void cv_buf_consume(struct cv_buf *b, size_t len);

/*
 * Writing a vector whose length is not known yet: remember the mark, write the content, close it.
 * The content is moved by 0..3 bytes when the varint needs it.
 */
CV_PUBLIC size_t cv_buf_vec_begin(struct cv_buf *b);
CV_PUBLIC int cv_buf_vec_end(struct cv_buf *b, size_t mark);

#ifdef __cplusplus
}
#endif

#endif
