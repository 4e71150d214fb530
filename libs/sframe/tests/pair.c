/* SPDX-License-Identifier: Apache-2.0 */
#include "pair.h"

const struct sframe_mls_params meeting = {.epoch_bits = 8, .sender_bits = 16};

const uint8_t base_a[32] = "base key of the first epoch ...";

const uint8_t base_b[32] = "base key of the second epoch ..";

const char md[9] = "metadata";

struct pair pair_new(enum sframe_suite suite, uint64_t kid)
{
	struct pair p;

	assert_int_equal(sframe_sender_new(suite, &p.s), 0);
	assert_int_equal(sframe_receiver_new(suite, NULL, 16, &p.r), 0);
	assert_int_equal(sframe_sender_set_key(p.s, 1, kid, base_a, sizeof(base_a)), 0);
	assert_int_equal(sframe_receiver_add_key(p.r, 1, kid, base_a, sizeof(base_a)), 0);
	return p;
}

void pair_free(struct pair *p)
{
	sframe_sender_free(p->s);
	sframe_receiver_free(p->r);
}

size_t seal_at(struct pair *p, uint64_t ctr, uint8_t *dst)
{
	size_t n;

	assert_int_equal(sframe_sender_skip_to(p->s, ctr), 0);
	assert_int_equal(sframe_seal(p->s, md, sizeof(md), "frame", 5, dst, 64, &n), 0);
	return n;
}

int open_frame(struct sframe_receiver *r, const uint8_t *frame, size_t len)
{
	uint8_t out[64];
	size_t n = 12345;
	int err = sframe_open(r, md, sizeof(md), frame, len, out, sizeof(out), &n, NULL);

	if (err)
		assert_int_equal(n, 12345);
	else
		assert_true(n == 5 && memcmp(out, "frame", 5) == 0);
	return err;
}
