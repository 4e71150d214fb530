/* SPDX-License-Identifier: Apache-2.0 */
/* KIDs of MLS epochs and leaves, and a receiver's keys as epochs come and go (RFC 9605 section 5.2). */
#include "pair.h"

static void test_mls_kid(void **state)
{
	uint64_t kid, context;
	uint32_t leaf, epoch;

	assert_int_equal(sframe_mls_kid(&meeting, 3, 0xabcd, 0x1ff, &kid), 0);
	assert_int_equal(kid, 0x3abcdff);
	sframe_mls_kid_split(&meeting, kid, &context, &leaf, &epoch);
	assert_true(context == 3 && leaf == 0xabcd && epoch == 0xff);
	assert_int_equal(sframe_mls_kid(&meeting, ((uint64_t)1 << 40) - 1, 0xffff, 0xff, &kid), 0);
	assert_true(kid == UINT64_MAX);
}

/* The KIDs of RFC 9605 figure 9: E = 4, S = 6. */
static void test_mls_kid_of_the_rfc(void **state)
{
	static const struct {
		uint64_t context, epoch, kid;
		uint32_t leaf;
	} figure[] = {
		{0, 14, 0x3e, 3},  {0, 14, 0x7e, 7},  {0, 14, 0x14e, 20}, {0, 15, 0x3f, 3},   {0, 15, 0x5f, 5},
		{2, 16, 0x820, 2}, {3, 16, 0xc20, 2}, {0, 17, 0x211, 33}, {0, 17, 0x331, 51},
	};
	static const struct sframe_mls_params params = {.epoch_bits = 4, .sender_bits = 6};
	uint64_t kid;

	for (size_t i = 0; i < LEN(figure); i++) {
		assert_int_equal(sframe_mls_kid(&params, figure[i].context, figure[i].leaf, figure[i].epoch, &kid), 0);
		assert_int_equal(kid, figure[i].kid);
	}
}

static size_t mls_frame(struct sframe_sender *s, uint64_t epoch, uint32_t leaf, const uint8_t *base, uint8_t *f)
{
	uint64_t kid;
	size_t n;

	assert_int_equal(sframe_mls_kid(&meeting, 1, leaf, epoch, &kid), 0);
	assert_int_equal(sframe_sender_set_key(s, epoch, kid, base, 32), 0);
	assert_int_equal(sframe_seal(s, md, sizeof(md), "frame", 5, f, 64, &n), 0);
	return n;
}

static void test_mls_rotation(void **state)
{
	struct sframe_receiver *r;
	struct sframe_sender *s, *t;
	uint8_t f1[64], f2[64], f3[64], g[64], out[64];
	size_t n1, n2, n3, ng, n;
	struct sframe_header h;

	assert_int_equal(sframe_receiver_new(4, &meeting, 2, &r), 0);
	assert_int_equal(sframe_sender_new(4, &s), 0);
	assert_int_equal(sframe_sender_new(4, &t), 0);
	n1 = mls_frame(s, 255, 7, base_a, f1);
	n2 = mls_frame(s, 256, 7, base_b, f2);
	ng = mls_frame(t, 256, 8, base_b, g);
	assert_int_equal(open_frame(r, f1, n1), CV_ENOTFOUND);
	assert_int_equal(sframe_receiver_add_epoch(r, 255, base_a, 32), 0);
	assert_int_equal(sframe_receiver_add_epoch(r, 255, base_b, 32), CV_EEXIST);
	assert_int_equal(open_frame(r, f1, n1), 0);
	assert_int_equal(open_frame(r, f2, n2), CV_ENOTFOUND);
	assert_int_equal(sframe_receiver_add_epoch(r, 256, base_b, 32), 0);
	/* Frames that are not genuine make no entry, whatever KID they name. */
	f2[n2 - 1] ^= 1;
	assert_int_equal(open_frame(r, f2, n2), CV_EAUTH);
	assert_int_equal(sframe_receiver_key_count(r), 1);
	f2[n2 - 1] ^= 1;
	assert_int_equal(sframe_open(r, md, sizeof(md), f2, n2, out, sizeof(out), &n, &h), 0);
	assert_true(h.kid == 0x1000700 && h.ctr == 0);
	assert_int_equal(open_frame(r, f2, n2), CV_EREPLAY);
	assert_int_equal(open_frame(r, f1, n1), CV_EREPLAY); /* both epochs are held */
	assert_int_equal(open_frame(r, g, ng), CV_ELIMIT);   /* max_keys */
	sframe_receiver_drop_before(r, 256);
	assert_int_equal(sframe_receiver_key_count(r), 1);
	assert_int_equal(open_frame(r, f1, n1), CV_ENOTFOUND);
	assert_int_equal(open_frame(r, g, ng), 0);
	/* 256 epochs later the KID comes again, with another key. */
	n3 = mls_frame(s, 512, 7, base_a, f3);
	assert_int_equal(open_frame(r, f3, n3), CV_EREPLAY); /* taken for the old key until that is dropped */
	sframe_receiver_drop_before(r, 512);
	assert_int_equal(sframe_receiver_key_count(r), 0);
	assert_int_equal(sframe_receiver_add_epoch(r, 512, base_a, 32), 0);
	assert_int_equal(open_frame(r, f3, n3), 0);
	for (uint64_t e = 513; e < 512 + SFRAME_EPOCHS_MAX; e++)
		assert_int_equal(sframe_receiver_add_epoch(r, e, base_a, 32), 0);
	assert_int_equal(sframe_receiver_add_epoch(r, 600, base_a, 32), CV_ELIMIT);
	sframe_sender_free(s);
	sframe_sender_free(t);
	sframe_receiver_free(r);
}

/* Section 5.2: a new epoch with the low-order bits of an old one takes its place; an older one never does. */
static void test_mls_rollover(void **state)
{
	struct sframe_receiver *r;
	struct sframe_sender *s;
	uint8_t f1[64], f2[64], f3[64];
	size_t n1, n2, n3;

	assert_int_equal(sframe_receiver_new(4, &meeting, 8, &r), 0);
	assert_int_equal(sframe_sender_new(4, &s), 0);
	n1 = mls_frame(s, 255, 7, base_a, f1);
	n2 = mls_frame(s, 256, 7, base_a, f2);
	n3 = mls_frame(s, 511, 7, base_b, f3);
	assert_int_equal(sframe_receiver_add_epoch(r, 255, base_a, 32), 0);
	assert_int_equal(sframe_receiver_add_epoch(r, 256, base_a, 32), 0);
	assert_int_equal(open_frame(r, f1, n1), 0);
	assert_int_equal(open_frame(r, f2, n2), 0);
	assert_int_equal(open_frame(r, f3, n3), CV_EREPLAY); /* the KID and counter of f1, as long as 255 is held */
	assert_int_equal(sframe_receiver_add_epoch(r, 511, base_b, 32), 0);
	assert_int_equal(sframe_receiver_key_count(r), 1); /* what is left is epoch 256's */
	assert_int_equal(open_frame(r, f1, n1), CV_EAUTH);
	assert_int_equal(open_frame(r, f3, n3), 0);
	assert_int_equal(open_frame(r, f2, n2), CV_EREPLAY);
	assert_int_equal(sframe_receiver_add_epoch(r, 255, base_a, 32), CV_EEXIST);
	assert_int_equal(open_frame(r, f3, n3), CV_EREPLAY);
	sframe_sender_free(s);
	sframe_receiver_free(r);
}

static void test_many_keys(void **state)
{
	struct sframe_receiver *r;
	uint8_t f[64];

	assert_int_equal(sframe_receiver_new(4, NULL, 1000, &r), 0);
	for (uint64_t kid = 0; kid < 1000; kid++)
		assert_int_equal(sframe_receiver_add_key(r, kid / 500, kid << 24, base_a, 32), 0);
	assert_int_equal(sframe_receiver_add_key(r, 1, 1, base_a, 32), CV_ELIMIT);
	for (uint64_t kid = 0; kid < 1000; kid += 333) {
		struct pair p = pair_new(4, kid << 24);
		size_t n = seal_at(&p, 3, f);

		assert_int_equal(open_frame(r, f, n), 0);
		pair_free(&p);
	}
	sframe_receiver_drop_before(r, 1);
	assert_int_equal(sframe_receiver_key_count(r), 500);
	sframe_receiver_free(r);
}

/*
 * Section 4.4.1: "Implementations MUST mark each base_key as usable for encryption or decryption, never both". The mark
 * is the type of the object that takes the key: one seals and has no way to open, the other opens and has none to seal.
 */
#define TAKES(f, ...) _Static_assert(_Generic(&(f), int (*)(__VA_ARGS__) : 1, default : 0), #f)
TAKES(sframe_sender_set_key, struct sframe_sender *, uint64_t, uint64_t, const void *, size_t);
TAKES(sframe_seal, struct sframe_sender *, const void *, size_t, const void *, size_t, uint8_t *, size_t, size_t *);
TAKES(sframe_seal_buf, struct sframe_sender *, const void *, size_t, const void *, size_t, struct cv_buf *);
TAKES(sframe_receiver_add_key, struct sframe_receiver *, uint64_t, uint64_t, const void *, size_t);
TAKES(sframe_receiver_add_epoch, struct sframe_receiver *, uint64_t, const void *, size_t);
TAKES(sframe_open, struct sframe_receiver *, const void *, size_t, const void *, size_t, uint8_t *, size_t, size_t *,
      struct sframe_header *);

/* And below them: what was made ready in one direction does not work in the other where the cipher tells them apart. */
static void test_one_direction(void **state)
{
	const uint8_t header[1] = {0x50};
	const struct sframe_aad aad = {.header = header, .header_len = 1};

	for (enum sframe_suite suite = 1; suite <= 5; suite++) {
		struct sframe_aead out, in;
		uint8_t sealed[5 + SFRAME_TAG_MAX], got[5 + SFRAME_TAG_MAX];

		assert_int_equal(sframe_aead_init(&out, suite, true, 5, base_a, sizeof(base_a)), 0);
		assert_int_equal(sframe_aead_init(&in, suite, false, 5, base_a, sizeof(base_a)), 0);
		assert_true(EVP_CIPHER_CTX_is_encrypting(out.cipher));
		assert_false(EVP_CIPHER_CTX_is_encrypting(in.cipher));
		assert_int_equal(sframe_aead_seal(&out, 0, &aad, (const uint8_t *)"frame", 5, sealed), 0);
		assert_int_equal(sframe_aead_open(&in, 0, &aad, sealed, 5, got), 0);
		assert_memory_equal(got, "frame", 5);
		if (suite >= SFRAME_AES_128_GCM_SHA256_128) {
			assert_int_not_equal(sframe_aead_open(&out, 0, &aad, sealed, 5, got), 0);
			assert_int_not_equal(sframe_aead_seal(&in, 0, &aad, (const uint8_t *)"frame", 5, got), 0);
		}
		sframe_aead_done(&out);
		sframe_aead_done(&in);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mls_kid),      cmocka_unit_test(test_mls_kid_of_the_rfc),
		cmocka_unit_test(test_mls_rotation), cmocka_unit_test(test_mls_rollover),
		cmocka_unit_test(test_many_keys),    cmocka_unit_test(test_one_direction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
