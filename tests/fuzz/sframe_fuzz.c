/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header decoder and a receiver in every state. Input: suite (1 byte), metadata length (1), metadata, frame.
 * What decodes must encode to the same bytes, and what opens must not open twice.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <base/reader.h>
#include <sframe/sframe.h>

static struct sframe_receiver *receiver_new(enum sframe_suite suite)
{
	static const struct sframe_mls_params mls = {.epoch_bits = 8, .sender_bits = 16};
	struct sframe_receiver *r;
	uint8_t key[32];

	memset(key, 7, sizeof(key));
	if (sframe_receiver_new(suite, &mls, 8, &r) != 0)
		abort();
	if (sframe_receiver_add_epoch(r, 1, key, sizeof(key)) != 0 ||
	    sframe_receiver_add_key(r, 0, 0x123, key, sizeof(key)) != 0)
		abort();
	return r;
}

static void check_header(const uint8_t *frame, size_t len)
{
	uint8_t again[SFRAME_HEADER_MAX];
	struct sframe_header h;
	size_t n;

	if (sframe_header_decode(frame, len, &h, &n) != 0)
		return;
	if (n > len || sframe_header_encode(&h, again) != n || memcmp(again, frame, n) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *metadata;
	struct sframe_receiver *r;
	struct cv_reader in;
	uint8_t suite, md_len, *out;
	size_t n;

	cv_reader_init(&in, data, size);
	if (cv_reader_get_u8(&in, &suite) != 0 || cv_reader_get_u8(&in, &md_len) != 0 ||
	    cv_reader_get(&in, md_len, &metadata) != 0)
		return 0;
	check_header(in.p, in.left);
	r = receiver_new((enum sframe_suite)(1 + suite % 5));
	out = malloc(in.left ? in.left : 1);
	if (!out)
		abort();
	if (sframe_open(r, metadata, md_len, in.p, in.left, out, in.left, &n, NULL) == 0) {
		if (n > in.left ||
		    sframe_open(r, metadata, md_len, in.p, in.left, out, in.left, &n, NULL) != CV_EREPLAY)
			abort();
	}
	free(out);
	sframe_receiver_free(r);
	return 0;
}
