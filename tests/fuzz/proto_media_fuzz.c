/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of one length byte each, as media fragments into a reassembler and as file chunks. */
#include <stdint.h>
#include <stdlib.h>

#include <proto/file.h>
#include <proto/media.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proto_reassembler r;
	struct proto_fragment f;
	struct proto_file_chunk c;
	struct proto_unit u;
	struct cv_reader in;
	const uint8_t *p;
	uint8_t len;

	proto_reassembler_init(&r, 256);
	cv_reader_init(&in, data, size);
	while (!cv_reader_get_u8(&in, &len) && !cv_reader_get(&in, len, &p)) {
		if (!proto_fragment_decode(p, len, &f) && !proto_reassembler_put(&r, &f, &u) &&
		    (!u.ciphertext.len || u.ciphertext.len > 256))
			abort();
		(void)!proto_file_chunk_decode(p, len, &c);
	}
	proto_reassembler_done(&r);
	return 0;
}
