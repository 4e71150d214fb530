/* SPDX-License-Identifier: Apache-2.0 */
/* Alice sends two frames to Bob under the key of an MLS epoch, then both move to the next epoch. */
#include <stdio.h>
#include <string.h>

#include <sframe/sframe.h>

static const struct sframe_mls_params params = {.epoch_bits = 8, .sender_bits = 16};

/* In a meeting this is mls_group_export(group, SFRAME_MLS_EXPORTER_LABEL, …, 16). */
static void base_key_of_epoch(uint64_t epoch, uint8_t key[16])
{
	memset(key, 0x40 + (int)epoch, 16);
}

static int send_one(struct sframe_sender *alice, struct sframe_receiver *bob, const char *text)
{
	static const char metadata[] = "stream 1, frame 7"; /* readable by everyone on the way, changeable by no one */
	uint8_t frame[256], plain[256];
	size_t frame_len, plain_len;
	struct sframe_header who;
	uint32_t leaf;
	int err;

	err = sframe_seal(alice, metadata, sizeof(metadata), text, strlen(text), frame, sizeof(frame), &frame_len);
	if (err)
		return err;
	err = sframe_open(bob, metadata, sizeof(metadata), frame, frame_len, plain, sizeof(plain), &plain_len, &who);
	if (err)
		return err;
	sframe_mls_kid_split(&params, who.kid, NULL, &leaf, NULL);
	printf("leaf %u, counter %llu: %.*s (%zu bytes on the wire)\n", leaf, (unsigned long long)who.ctr,
	       (int)plain_len, (const char *)plain, frame_len);
	return 0;
}

static int enter_epoch(struct sframe_sender *alice, struct sframe_receiver *bob, uint64_t epoch)
{
	const uint64_t stream = 1;
	const uint32_t alice_leaf = 5;
	uint8_t base_key[16];
	uint64_t kid;
	int err;

	base_key_of_epoch(epoch, base_key);
	err = sframe_mls_kid(&params, stream, alice_leaf, epoch, &kid);
	if (!err)
		err = sframe_sender_set_key(alice, epoch, kid, base_key, sizeof(base_key));
	if (!err)
		err = sframe_receiver_add_epoch(bob, epoch, base_key, sizeof(base_key));
	return err;
}

int main(void)
{
	struct sframe_receiver *bob = NULL;
	struct sframe_sender *alice = NULL;
	int err;

	err = sframe_sender_new(SFRAME_AES_128_GCM_SHA256_128, &alice);
	if (!err)
		err = sframe_receiver_new(SFRAME_AES_128_GCM_SHA256_128, &params, 100, &bob);
	for (uint64_t epoch = 1; !err && epoch <= 2; epoch++) {
		err = enter_epoch(alice, bob, epoch);
		if (!err)
			err = send_one(alice, bob, "a frame");
		if (!err)
			err = send_one(alice, bob, "another frame");
		if (!err)
			sframe_receiver_drop_before(bob, epoch); /* once the frames still under way have arrived */
	}
	sframe_sender_free(alice);
	sframe_receiver_free(bob);
	if (err)
		fprintf(stderr, "failed: %s\n", cv_strerror(err));
	return err != 0;
}
