/* SPDX-License-Identifier: Apache-2.0 */
/* File chunks on the tunnel (docs/protocol.md section 7). Only the cleartext head; sealing is the client's. */
#ifndef PROTO_FILE_H
#define PROTO_FILE_H

#include <base/buf.h>
#include <base/reader.h>
#include <proto/ids.h>

#define PROTO_FILE_CHUNK       16384 /* bytes of the file in a chunk; the last one is shorter */
#define PROTO_FILE_TAG         16
#define PROTO_FILE_CHUNKS_MAX  0x80000000u
#define PROTO_FILE_HEAD_LEN    (1 + PROTO_ID_LEN + 4 + 4)
#define PROTO_FILE_WINDOW      128 /* chunks that the offerer may be ahead of the slowest acceptor */
#define PROTO_FILE_CREDIT_STEP 16  /* an acceptor sends FileCredit every so many chunks */

struct proto_file_chunk {
	uint8_t transfer_id[PROTO_ID_LEN];
	uint32_t generation;
	uint32_t index;
	struct cv_span ciphertext; /* borrowed; with tag, 16..16400 bytes */
};

/* Decodes a whole tunnel message, kind byte included. CV_EFORMAT, CV_ELIMIT. */
CV_PUBLIC int proto_file_chunk_decode(const void *data, size_t len, struct proto_file_chunk *ret) CV_NODISCARD;
CV_PUBLIC int proto_file_chunk_put(const struct proto_file_chunk *c, struct cv_buf *out) CV_NODISCARD;
/* The head alone (kind byte first), for who seals the ciphertext behind it in place. */
CV_PUBLIC void proto_file_head_encode(const uint8_t transfer_id[PROTO_ID_LEN], uint32_t generation, uint32_t index,
				      uint8_t ret[PROTO_FILE_HEAD_LEN]);
/* Number of chunks of a file of `size` bytes (an empty file has one, empty). CV_ELIMIT above PROTO_FILE_CHUNKS_MAX. */
CV_PUBLIC int proto_file_chunk_count(uint64_t size, uint32_t *ret) CV_NODISCARD;

#endif
