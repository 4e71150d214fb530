/* SPDX-License-Identifier: Apache-2.0 */
/* SFrame against bare EVP AEAD on frames of 1200 bytes, one core. usage: bench-sframe [JSON-FILE]; 1: bound missed */
#include <stdlib.h>
#include <string.h>

#include <sframe/sframe.h>

#include "bench.h"

#define FRAME  1200
#define ROUNDS 200
#define RUNS   50
#define SUITE  SFRAME_AES_128_GCM_SHA256_128

struct pair {
	struct sframe_sender *sender;
	struct sframe_receiver *receiver;
	uint8_t plain[FRAME];
	uint8_t sealed[ROUNDS][FRAME + SFRAME_OVERHEAD_MAX];
	size_t sealed_len[ROUNDS];
};

static const uint8_t meta[8] = {2, 0, 0, 0, 1, 0, 0, 0};

static void seal_round(void *arg)
{
	struct pair *p = arg;

	for (int i = 0; i < ROUNDS; i++)
		MUST(sframe_seal(p->sender, meta, sizeof(meta), p->plain, FRAME, p->sealed[i], sizeof(p->sealed[i]),
				 &p->sealed_len[i]));
}

static void open_round(void *arg)
{
	struct pair *p = arg;
	uint8_t out[FRAME + SFRAME_OVERHEAD_MAX];
	size_t len;

	for (int i = 0; i < ROUNDS; i++)
		MUST(sframe_open(p->receiver, meta, sizeof(meta), p->sealed[i], p->sealed_len[i], out, sizeof(out),
				 &len, NULL));
}

int main(int argc, char **argv)
{
	struct pair *p = calloc(1, sizeof(*p));
	static const uint8_t base_key[32] = {7};
	double seal = 1e9, open = 1e9, bare_seal = 0, bare_open = 0;

	if (!p)
		return 1;
	MUST(sframe_sender_new(SUITE, &p->sender));
	MUST(sframe_receiver_new(SUITE, NULL, 4, &p->receiver));
	MUST(sframe_sender_set_key(p->sender, 1, 0x2000100, base_key, sizeof(base_key)));
	MUST(sframe_receiver_add_key(p->receiver, 1, 0x2000100, base_key, sizeof(base_key)));
	for (int i = 0; i < RUNS; i++) {
		double s = bench_best(1, seal_round, p), o = bench_best(1, open_round, p), bs, bo;

		/* In turn, so that a busy moment of the machine meets both. */
		bare_aes_gcm(FRAME, 1, &bs, &bo);
		bare_seal = bs > bare_seal ? bs : bare_seal;
		bare_open = bo > bare_open ? bo : bare_open;
		seal = s < seal ? s : seal;
		open = o < open ? o : open;
	}
	bench_add(&(struct bench_row){"SFrame seal, 1200 bytes, AES-128-GCM", FRAME, FRAME * ROUNDS / seal, bare_seal,
				      0.8, 1});
	bench_add(&(struct bench_row){"SFrame open, 1200 bytes, AES-128-GCM", FRAME, FRAME * ROUNDS / open, bare_open,
				      0.8, 1});
	sframe_sender_free(p->sender);
	sframe_receiver_free(p->receiver);
	free(p);
	return bench_report("SFrame against bare EVP AEAD, per core", argc > 1 ? argv[1] : NULL) != 0;
}
