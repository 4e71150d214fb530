/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message to a member of a group of two (many messages, in other states: mls_session_fuzz.c). Each input is given
 * to a member restored from the same saved state. Mode 0: the bytes as they are. Modes 1 to 3: the bytes are the body
 * of a proposal, of a commit, of the proposals in a commit with a good path, signed and tagged as a member does it, so
 * that the fuzzer meets the rules behind the cryptography. Mode 4: a Welcome. Mode 5: a saved group.
 */
#include <stdlib.h>

#include "../../libs/mls/tests/forge.h"
#include "mls_env.h"

static int accept_leaf(void *ctx, const struct mls_leaf_question *q)
{
	return 0;
}

static const struct mls_group_options options = {.env = &fuzz_env, .policy = {.leaf = accept_leaf}, .past_epochs = 1};

static struct {
	struct mls_sign_key *key[3];
	struct mls_member member[3];
	struct mls_key_package *kp[3];
	struct cv_buf saved[2]; /* of members 0 and 1 */
} stage;

static void person(int i)
{
	MUST(mls_sign_key_generate(1, &fuzz_rng, &stage.key[i]));
	stage.member[i] = (struct mls_member){.credential = {.type = MLS_CREDENTIAL_BASIC, .data = SPAN_STR("someone")},
					      .signature_key = mls_sign_key_public(stage.key[i]),
					      .signer = mls_sign_key_signer(stage.key[i])};
	MUST(mls_key_package_new(&fuzz_env, 1, &stage.member[i], FUZZ_NOW - 1, FUZZ_NOW + 999, &stage.kp[i]));
}

static void setup(void)
{
	struct mls_commit_output out;
	struct mls_group *a, *b;
	struct cv_span add;
	struct mls_join j;

	fuzz_seed(1);
	for (int i = 0; i < 3; i++)
		person(i);
	MUST(mls_group_create(&options, 1, &stage.member[0], SPAN_STR("fuzz"), NULL, 0, &a));
	add = mls_key_package_message(stage.kp[1]);
	MUST(mls_group_commit(a, &(struct mls_commit){.adds = &add, .n_adds = 1, .force_path = true}, &out));
	MUST(mls_group_merge_pending(a));
	j = (struct mls_join){.welcome = SPAN(out.welcome.data, out.welcome.len),
			      .key_package = stage.kp[1],
			      .signer = stage.member[1].signer};
	MUST(mls_group_join(&options, &j, &b));
	cv_buf_init(&stage.saved[0], 1 << 20);
	cv_buf_init(&stage.saved[1], 1 << 20);
	MUST(mls_group_save(a, &stage.saved[0]));
	MUST(mls_group_save(b, &stage.saved[1]));
	mls_commit_output_done(&out);
	mls_group_free(a);
	mls_group_free(b);
}

static struct mls_group *restore(int i)
{
	const struct mls_own_key key = {stage.member[i].signature_key, stage.member[i].signer};
	struct mls_group *g;

	MUST(mls_group_restore(&options, &key, 1, stage.saved[i].data, stage.saved[i].len, &g));
	return g;
}

static void give(struct mls_group *g, struct cv_span msg)
{
	struct mls_received r;

	if (mls_group_process(g, msg.data, msg.len, &r) == 0)
		mls_received_done(&r);
}

/* From member 0, properly signed, to member 1. */
static void forged(int mode, struct cv_span in)
{
	struct mls_group *a = restore(0), *b = restore(1);
	static const uint8_t tag[32];
	struct cv_buf msg;
	int err;

	cv_buf_init(&msg, MLS_MESSAGE_MAX);
	if (mode == 3)
		err = forge_commit(a, in, FORGE_NOTHING, &msg, NULL);
	else
		err = forge_message(a, MLS_PUBLIC_MESSAGE, mode == 1 ? MLS_CONTENT_PROPOSAL : MLS_CONTENT_COMMIT, in,
				    SPAN(tag, 32), &msg);
	if (!err)
		give(b, SPAN(msg.data, msg.len));
	cv_buf_done(&msg);
	mls_group_free(a);
	mls_group_free(b);
}

static void welcome(struct cv_span in)
{
	struct mls_join j = {.welcome = in, .key_package = stage.kp[2], .signer = stage.member[2].signer};
	struct mls_group *g;

	if (mls_group_join(&options, &j, &g) == 0)
		mls_group_free(g);
}

static void saved(struct cv_span in)
{
	const struct mls_own_key key = {stage.member[0].signature_key, stage.member[0].signer};
	struct mls_group *g;

	if (mls_group_restore(&options, &key, 1, in.data, in.len, &g))
		return;
	give(g, in);
	mls_group_free(g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mls_group *g;
	struct cv_span in;

	if (!stage.key[0])
		setup();
	if (!size)
		return 0;
	in = SPAN(data + 1, size - 1);
	fuzz_seed(2);
	switch (data[0]) {
	case 0:
		g = restore(1);
		give(g, in);
		mls_group_free(g);
		break;
	case 1:
	case 2:
	case 3: forged(data[0], in); break;
	case 4: welcome(in); break;
	case 5: saved(in); break;
	}
	return 0;
}
