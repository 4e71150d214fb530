/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that are framed, signed, tagged or encrypted wrongly; and what the policy does not want. */
#include "cast.h"

static void test_framing(void **state)
{
	struct cast *x = *state;
	struct cv_buf proposal;
	struct sender as_carol = {.type = MLS_SENDER_MEMBER, .index = mls_group_own_index(x->c.group)},
		      nobody = {.type = MLS_SENDER_MEMBER, .index = 3},
		      outside = {.type = MLS_SENDER_EXTERNAL, .index = 0};

	cv_buf_init(&proposal, BUF_MAX);
	cv_buf_put_u16(&proposal, MLS_PROPOSAL_REMOVE);
	cv_buf_put_u32(&proposal, as_carol.index);
	/* In another member's name: the tag fits (all members have the key), the signature does not. */
	for (uint16_t wire = MLS_PUBLIC_MESSAGE; wire <= MLS_PRIVATE_MESSAGE; wire++) {
		uint32_t own = x->a.group->cur->own;

		x->a.group->cur->own = as_carol.index; /* the ratchet in a PrivateMessage is Carol's */
		assert_int_equal(forge_message_as(x->a.group, &as_carol, &x->a.member.signer, wire,
						  MLS_CONTENT_PROPOSAL, SPAN_OF(proposal), SPAN_NONE, &x->msg),
				 0);
		x->a.group->cur->own = own;
		assert_int_equal(person_process(&x->b, &x->msg), CV_EAUTH);
		cv_buf_reset(&x->msg);
	}
	/* The forgery has not used up Carol's generation. */
	assert_int_equal(mls_group_propose_update(x->c.group, NULL, NOTHING, &x->msg), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	mls_group_clear_proposals(x->b.group);
	cv_buf_reset(&x->msg);
	/* A blank leaf, an external sender that there is not. */
	assert_int_equal(forge_message_as(x->a.group, &nobody, NULL, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL,
					  SPAN_OF(proposal), SPAN_NONE, &x->msg),
			 0);
	assert_int_equal(person_process(&x->b, &x->msg), CV_EINVAL);
	cv_buf_reset(&x->msg);
	assert_int_equal(forge_message_as(x->a.group, &outside, NULL, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL,
					  SPAN_OF(proposal), SPAN_NONE, &x->msg),
			 0);
	assert_int_equal(person_process(&x->b, &x->msg), CV_EINVAL);
	cv_buf_reset(&x->msg);
	/* The membership tag is the end of a PublicMessage. */
	assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, SPAN_OF(proposal),
				       SPAN_NONE, &x->msg),
			 0);
	x->msg.data[x->msg.len - 1] ^= 1;
	assert_int_equal(person_process(&x->b, &x->msg), CV_EAUTH);
	x->msg.data[x->msg.len - 1] ^= 1;
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	assert_int_equal(person_process(&x->b, &x->msg), CV_EEXIST); /* twice the same proposal */
	cv_buf_reset(&x->msg);
	cv_buf_done(&proposal);
}

/* Another group, another epoch. */
static void test_another_group(void **state)
{
	struct cast *x = *state;
	struct cv_buf proposal;

	cv_buf_init(&proposal, BUF_MAX);
	cv_buf_put_u16(&proposal, MLS_PROPOSAL_REMOVE);
	cv_buf_put_u32(&proposal, mls_group_own_index(x->c.group));
	x->a.group->cur->gc.epoch++;
	assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, SPAN_OF(proposal),
				       SPAN_NONE, &x->msg),
			 0);
	x->a.group->cur->gc.epoch--;
	assert_int_equal(person_process(&x->b, &x->msg), CV_EEPOCH);
	cv_buf_reset(&x->msg);
	x->a.group->cur->gc.group_id.len--;
	assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, SPAN_OF(proposal),
				       SPAN_NONE, &x->msg),
			 0);
	x->a.group->cur->gc.group_id.len++;
	assert_int_equal(person_process(&x->b, &x->msg), CV_EINVAL);
	cv_buf_done(&proposal);
}

/* Section 6.2: application data is never public. */
static void test_public_application(void **state)
{
	struct cast *x = *state;
	struct cv_buf m;

	cv_buf_init(&m, BUF_MAX);
	mls_put_message_head(&m, MLS_PUBLIC_MESSAGE);
	mls_put_span(&m, mls_group_id(x->b.group));
	cv_buf_put_u64(&m, mls_group_epoch(x->b.group));
	cv_buf_put_u8(&m, MLS_SENDER_MEMBER);
	cv_buf_put_u32(&m, 0);
	cv_buf_put_vec(&m, NULL, 0);
	cv_buf_put_u8(&m, MLS_CONTENT_APPLICATION);
	cv_buf_put_vec(&m, "hello", 5);
	cv_buf_put_vec(&m, "signature", 9);
	cv_buf_put_vec(&m, "0123456789abcdef0123456789abcdef", 32);
	assert_int_equal(person_process(&x->b, &m), CV_EINVAL);
	cv_buf_done(&m);
}

/* Application data from Alice whose plaintext, padding included, is `pt`: sealed by hand, in the name of `leaf`. */
static void seal_by_hand(struct cast *x, uint32_t leaf, struct cv_span pt)
{
	struct mls_crypto *c = &x->a.group->crypto;
	struct epoch *e = x->a.group->cur;
	uint8_t guard[4] = {1, 2, 3, 4}, sender[12 + TAG_LEN], *to;
	struct cv_buf aad, ct, plain;
	struct ratchet_step step;
	struct message_key k;

	cv_buf_init(&aad, 4096);
	cv_buf_init(&ct, 4096);
	cv_buf_init(&plain, 64);
	assert_int_equal(mls_secret_tree_next(e->secret_tree, c, e->own, RATCHET_APPLICATION, &step), 0);
	k = step.key;
	mls_ratchet_step_keep(&step);
	for (int i = 0; i < 4; i++)
		k.nonce[i] ^= guard[i];
	mls_put_span(&aad, e->gc.group_id);
	cv_buf_put_u64(&aad, e->gc.epoch);
	cv_buf_put_u8(&aad, MLS_CONTENT_APPLICATION);
	cv_buf_put_vec(&aad, NULL, 0);
	assert_int_equal(cv_buf_extend(&ct, pt.len + TAG_LEN, &to), 0);
	assert_int_equal(mls_crypto_seal(c, k.key, k.nonce, SPAN_OF(aad), pt, to), 0);
	cv_buf_put_u32(&plain, leaf);
	cv_buf_put_u32(&plain, k.generation);
	cv_buf_put(&plain, guard, 4);
	assert_int_equal(mls_sender_data_key(c, &e->secrets.sender_data, SPAN_OF(ct), &k), 0);
	/* SenderDataAAD is the same without the (empty) authenticated data. */
	assert_int_equal(mls_crypto_seal(c, k.key, k.nonce, SPAN(aad.data, aad.len - 1), SPAN_OF(plain), sender), 0);
	cv_buf_reset(&x->msg);
	mls_put_message_head(&x->msg, MLS_PRIVATE_MESSAGE);
	cv_buf_put(&x->msg, aad.data, aad.len);
	cv_buf_put_vec(&x->msg, sender, sizeof(sender));
	cv_buf_put_vec(&x->msg, ct.data, ct.len);
	cv_buf_done(&aad);
	cv_buf_done(&ct);
	cv_buf_done(&plain);
}

/* PrivateMessageContent with "hello", signed by Alice as its sender. */
static void put_hello(struct cast *x, struct cv_buf *pt)
{
	struct framed f = {.wire_format = MLS_PRIVATE_MESSAGE};
	struct epoch *e = x->a.group->cur;

	assert_int_equal(
		mls_framed_init(&f, e, MLS_PRIVATE_MESSAGE, MLS_CONTENT_APPLICATION, SPAN_NONE, SPAN_STR("hello")), 0);
	assert_int_equal(mls_framed_sign(&f, &e->signer, SPAN_OF(e->context)), 0);
	cv_buf_init(pt, 4096);
	cv_buf_put_vec(pt, "hello", 5);
	mls_put_span(pt, f.auth.signature);
	mls_framed_done(&f);
}

/* Section 6.3.2: "the recipient MUST verify that the leaf index … identifies a non-blank node". */
static void test_sender_data(void **state)
{
	static const struct {
		uint32_t leaf;
		int want;
	} all[] = {{3, CV_EINVAL}, {4, CV_EINVAL}, {UINT32_MAX, CV_EINVAL}, {1, CV_ESTATE}, {2, CV_EAUTH}, {0, 0}};
	struct cast *x = *state;
	struct cv_buf pt;

	put_hello(x, &pt);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		seal_by_hand(x, all[i].leaf,
			     SPAN_OF(pt)); /* blank, outside, far outside, Bob's own, Carol's, Alice's */
		assert_int_equal(person_process(&x->b, &x->msg), all[i].want);
	}
	assert_int_equal(person_process(&x->b, &x->msg), CV_EREPLAY);
	cv_buf_done(&pt);
}

/* Section 6.3.1: padding is zero. */
static void test_padding(void **state)
{
	static const uint8_t padding[2][8] = {{0}, {0, 0, 0, 1}};
	struct cast *x = *state;
	struct mls_received r;
	struct cv_buf pt;

	for (int i = 0; i < 2; i++) {
		put_hello(x, &pt);
		cv_buf_put(&pt, padding[i], 8);
		seal_by_hand(x, 0, SPAN_OF(pt));
		assert_int_equal(mls_group_process(x->b.group, x->msg.data, x->msg.len, &r), i ? CV_EFORMAT : 0);
		if (!i)
			mls_received_done(&r);
		cv_buf_done(&pt);
	}
}

/* Every single bit of a message matters, and a spoiled copy does not harm the real one. */
static void test_every_bit(void **state)
{
	struct cast *x = *state;
	struct mls_received r;

	for (int kind = 0; kind < 2; kind++) {
		cv_buf_reset(&x->msg);
		if (kind)
			assert_int_equal(
				mls_group_propose_remove(x->a.group, mls_group_own_index(x->c.group), NOTHING, &x->msg),
				0);
		else
			assert_int_equal(mls_group_encrypt(x->a.group, TEXT("hello"), TEXT("header"), &x->msg), 0);
		for (size_t bit = 0; bit < 8 * x->msg.len; bit++) {
			x->msg.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_not_equal(mls_group_process(x->b.group, x->msg.data, x->msg.len, &r), 0);
			x->msg.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t cut = 0; cut < x->msg.len; cut++)
			assert_int_not_equal(mls_group_process(x->b.group, x->msg.data, cut, &r), 0);
		assert_int_equal(cv_buf_put_u8(&x->msg, 0), 0);
		assert_int_equal(mls_group_process(x->b.group, x->msg.data, x->msg.len, &r), CV_ETRAILING);
		x->msg.len--;
		assert_int_equal(mls_group_process(x->b.group, x->msg.data, x->msg.len, &r), 0);
		mls_received_done(&r);
	}
}

/* The policy has the last word, before anything changes. */
static void test_policy(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out;
	uint64_t epoch = mls_group_epoch(x->b.group);

	assert_int_equal(mls_group_commit(x->a.group, &(struct mls_commit){0}, &out), 0);
	x->b.commit_answer = CV_EDENIED;
	assert_int_equal(person_process(&x->b, &out.commit), CV_EDENIED);
	assert_int_equal(mls_group_epoch(x->b.group), epoch);
	assert_int_equal(mls_group_commit(x->b.group, &(struct mls_commit){0}, &out), CV_EDENIED);
	assert_false(mls_group_has_pending(x->b.group));
	x->b.commit_answer = 0;
	x->b.leaf_answer = CV_EDENIED;
	assert_int_equal(person_process(&x->b, &out.commit), CV_EDENIED);
	x->b.leaf_answer = 0;
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	/* A removal that the policy does not allow is not accepted even by the one removed. */
	uint32_t carol = mls_group_own_index(x->c.group);
	mls_commit_output_done(&out);
	assert_int_equal(mls_group_merge_pending(x->a.group), 0);
	person_commit(&x->a, &(struct mls_commit){.removes = &carol, .n_removes = 1}, &out);
	x->b.commit_answer = CV_EDENIED;
	assert_int_equal(person_process(&x->b, &out.commit), CV_EDENIED);
	x->b.commit_answer = 0;
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	mls_commit_output_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CAST(test_framing),     WITH_CAST(test_another_group), WITH_CAST(test_public_application),
		WITH_CAST(test_padding),     WITH_CAST(test_every_bit),     WITH_CAST(test_policy),
		WITH_CAST(test_sender_data),
	};

	return cmocka_run_group_tests_name("mls refuses frames", tests, NULL, NULL);
}
