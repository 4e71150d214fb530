/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9420 sections 6.1, 7.3 and 12.1.8: who may send what, and Updates that must not be taken. */
#include "cast.h"

/* The group knows one external sender, whose key is Dave's. */
static void let_dave_propose(struct cast *x)
{
	struct mls_external_sender sender = {.signature_key = x->d.member.signature_key,
					     .credential = x->d.member.credential};
	struct mls_extension ext = {.type = MLS_EXT_EXTERNAL_SENDERS};
	struct mls_commit_output out;
	struct cv_buf list;

	cv_buf_init(&list, 4096);
	assert_int_equal(mls_external_senders(&sender, 1, &list), 0);
	ext.data = SPAN_OF(list);
	person_commit(&x->a, &(struct mls_commit){.set_extensions = true, .extensions = &ext, .n_extensions = 1}, &out);
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	assert_int_equal(person_process(&x->c, &out.commit), 0);
	mls_commit_output_done(&out);
	cv_buf_done(&list);
}

/* x->body, signed by Dave in the given role; Bob's answer. */
static void send_as(struct cast *x, uint8_t sender_type, uint8_t content_type, int want)
{
	static const uint8_t tag[32];
	struct sender from = {.type = sender_type};

	assert_int_equal(forge_message_as(x->a.group, &from, &x->d.member.signer, MLS_PUBLIC_MESSAGE, content_type,
					  SPAN_OF(x->body), SPAN(tag, content_type == MLS_CONTENT_COMMIT ? 32 : 0),
					  &x->msg),
			 0);
	cast_refused(x, want);
}

static void body_remove(struct cast *x)
{
	cv_buf_put_u16(&x->body, MLS_PROPOSAL_REMOVE);
	cv_buf_put_u32(&x->body, 0);
}

static void body_add(struct cast *x)
{
	struct cv_span offer = person_offer(&x->d);

	cv_buf_put_u16(&x->body, MLS_PROPOSAL_ADD);
	cv_buf_put(&x->body, offer.data + 4, offer.len - 4);
}

static void body_update(struct cast *x)
{
	cv_buf_put_u16(&x->body, MLS_PROPOSAL_UPDATE);
	mls_put_leaf_node(&x->body, mls_tree_leaf(x->a.group->cur->tree, 0));
}

static void body_external_init(struct cast *x)
{
	cv_buf_put_u16(&x->body, MLS_PROPOSAL_EXTERNAL_INIT);
	cv_buf_put_vec(&x->body, "0123456789abcdef0123456789abcdef", 32);
}

/* A commit that adds Dave: nothing is wrong with it but its sender, and the confirmation tag behind that. */
static void body_commit(struct cast *x)
{
	put_add(&x->list, person_offer(&x->d));
	cv_buf_put_vec(&x->body, x->list.data, x->list.len);
	cv_buf_put_u8(&x->body, 0);
}

/* "The content_type of the message MUST be proposal", "types other than the above MUST be rejected". */
static void test_external_sender(void **state)
{
	struct cast *x = *state;

	let_dave_propose(x);
	body_update(x);
	send_as(x, MLS_SENDER_EXTERNAL, MLS_CONTENT_PROPOSAL, CV_EINVAL);
	body_external_init(x);
	send_as(x, MLS_SENDER_EXTERNAL, MLS_CONTENT_PROPOSAL, CV_EINVAL);
	body_commit(x);
	send_as(x, MLS_SENDER_EXTERNAL, MLS_CONTENT_COMMIT, CV_EINVAL);
	cv_buf_put_u16(&x->body, 0x0a0a); /* a type that nobody knows */
	send_as(x, MLS_SENDER_EXTERNAL, MLS_CONTENT_PROPOSAL, CV_EUNSUPPORTED);
	/* The control. */
	body_remove(x);
	assert_int_equal(forge_message_as(x->a.group, &(struct sender){.type = MLS_SENDER_EXTERNAL},
					  &x->d.member.signer, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL,
					  SPAN_OF(x->body), SPAN_NONE, &x->msg),
			 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
}

/* "The content_type of the message MUST be proposal and the proposal_type of the Proposal MUST be add." */
static void test_new_member_proposal(void **state)
{
	struct cast *x = *state;
	struct sender from = {.type = MLS_SENDER_NEW_MEMBER_PROPOSAL};

	body_remove(x);
	send_as(x, from.type, MLS_CONTENT_PROPOSAL, CV_EINVAL);
	body_update(x);
	send_as(x, from.type, MLS_CONTENT_PROPOSAL, CV_EINVAL);
	body_external_init(x);
	send_as(x, from.type, MLS_CONTENT_PROPOSAL, CV_EINVAL);
	body_commit(x);
	send_as(x, from.type, MLS_CONTENT_COMMIT, CV_EINVAL);
	/* Dave's KeyPackage, somebody else's signature on the message. */
	body_add(x);
	assert_int_equal(forge_message_as(x->a.group, &from, &x->a.member.signer, MLS_PUBLIC_MESSAGE,
					  MLS_CONTENT_PROPOSAL, SPAN_OF(x->body), SPAN_NONE, &x->msg),
			 0);
	cast_refused(x, CV_EAUTH);
	body_add(x);
	assert_int_equal(forge_message_as(x->a.group, &from, &x->d.member.signer, MLS_PUBLIC_MESSAGE,
					  MLS_CONTENT_PROPOSAL, SPAN_OF(x->body), SPAN_NONE, &x->msg),
			 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
}

/* "The content_type of the message MUST be commit"; "External Commits MUST contain a path field". */
static void test_new_member_commit(void **state)
{
	struct cast *x = *state;

	body_add(x);
	send_as(x, MLS_SENDER_NEW_MEMBER_COMMIT, MLS_CONTENT_PROPOSAL, CV_EINVAL);
	put_by_value(&x->list, MLS_PROPOSAL_EXTERNAL_INIT);
	cv_buf_put_vec(&x->list, "0123456789abcdef0123456789abcdef", 32);
	cv_buf_put_vec(&x->body, x->list.data, x->list.len);
	cv_buf_put_u8(&x->body, 0);
	send_as(x, MLS_SENDER_NEW_MEMBER_COMMIT, MLS_CONTENT_COMMIT, CV_EINVAL);
}

/* "the signature … MUST verify using the public key for the credential in the leaf_node of the path field" */
static void test_external_commit_signature(void **state)
{
	struct cast *x = *state;
	struct sender from = {.type = MLS_SENDER_NEW_MEMBER_COMMIT};
	struct mls_external_join j = {0};
	struct mls_message m;
	struct cv_buf gi, made;

	cv_buf_init(&gi, BUF_MAX);
	cv_buf_init(&made, BUF_MAX);
	assert_int_equal(mls_group_info(x->a.group, true, &gi), 0);
	j.group_info = SPAN_OF(gi);
	assert_int_equal(mls_group_join_external(&x->d.options, &x->d.member, &j, &made, &x->d.group), 0);
	assert_int_equal(mls_get_message(SPAN_OF(made), &m), 0);
	assert_int_equal(forge_message_as(x->a.group, &from, &x->a.member.signer, MLS_PUBLIC_MESSAGE,
					  MLS_CONTENT_COMMIT, m.pub.content.body, m.pub.auth.confirmation_tag, &x->msg),
			 0);
	cast_refused(x, CV_EAUTH);
	assert_int_equal(person_process(&x->b, &made), 0);
	cv_buf_done(&gi);
	cv_buf_done(&made);
}

static uint32_t place_of(struct person *p)
{
	return mls_group_own_index(p->group);
}

/* Section 12.2: from outside "at most one Remove proposal"; two members out at one stroke would otherwise go through.
 */
static void test_external_commit_removes_two(void **state)
{
	struct cast *x = *state;

	put_remove(&x->list, place_of(&x->a));
	put_remove(&x->list, place_of(&x->c));
	assert_int_equal(forge_external(x->b.group, &x->d.options, &x->d.member, SPAN_OF(x->list), &x->msg), 0);
	cast_refused(x, CV_EINVAL);
	/* The control: one of them. */
	put_remove(&x->list, place_of(&x->c));
	assert_int_equal(forge_external(x->b.group, &x->d.options, &x->d.member, SPAN_OF(x->list), &x->msg), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	assert_int_equal(mls_group_n_members(x->b.group), 3);
}

/* --- Update --- */

struct wrong_update {
	uint8_t source;
	bool same_key, other_group, other_leaf, bad_signature, small_order;
	struct cv_span extensions; /* content of the list, when not empty */
	int want;
};

/* An Update of Alice's into x->body. */
static void put_update(struct cast *x, const struct wrong_update *w)
{
	static const uint8_t one[32] = {1};
	struct mls_group *g = x->a.group;
	struct leaf_node old = *mls_tree_leaf(g->cur->tree, g->cur->own);
	struct mls_hpke_key key = {0};
	struct leaf_parts parts = {.source = w->source,
				   .group_id = w->other_group ? SPAN_STR("other") : g->cur->gc.group_id,
				   .index = w->other_leaf ? 1 : g->cur->own,
				   .not_before = NOW - 10,
				   .not_after = NOW + 10,
				   .parent_hash = SPAN_STR("0123456789abcdef0123456789abcdef")};

	assert_int_equal(mls_kem_generate(&g->crypto, &key), 0);
	parts.encryption_key = w->same_key      ? old.v.encryption_key
			       : w->small_order ? SPAN(one, 32)
						: SPAN(key.pub, key.pub_len);
	if (w->extensions.len)
		old.v.extensions = w->extensions;
	cv_buf_put_u16(&x->body, MLS_PROPOSAL_UPDATE);
	assert_int_equal(mls_leaf_rebuild(&old, &g->cur->signer, &parts, &x->body), 0);
	if (w->bad_signature)
		x->body.data[x->body.len - 1] ^= 1;
	mls_hpke_key_wipe(&key);
}

static void test_updates(void **state)
{
	static const struct wrong_update all[] = {
		{.source = MLS_LEAF_UPDATE, .same_key = true, .want = CV_EINVAL},
		{.source = MLS_LEAF_COMMIT, .want = CV_EINVAL},
		{.source = MLS_LEAF_KEY_PACKAGE, .want = CV_EINVAL},
		{.source = MLS_LEAF_UPDATE, .other_group = true, .want = CV_EAUTH},
		{.source = MLS_LEAF_UPDATE, .other_leaf = true, .want = CV_EAUTH},
		{.source = MLS_LEAF_UPDATE, .bad_signature = true, .want = CV_EAUTH},
		{.source = MLS_LEAF_UPDATE, .small_order = true, .want = CV_EINVAL},
		{.source = MLS_LEAF_UPDATE,
		 .extensions = {(const uint8_t *)"\xf0\x55\x00", 3},
		 .want = CV_EUNSUPPORTED},
		/* The same type twice: "MUST NOT have more than one extension of any given type" (section 13.4). */
		{.source = MLS_LEAF_UPDATE,
		 .extensions = {(const uint8_t *)"\x00\x01\x00\x00\x01\x00", 6},
		 .want = CV_EFORMAT},
	};
	struct cast *x = *state;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		put_update(x, &all[i]);
		assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, SPAN_OF(x->body),
					       SPAN_NONE, &x->msg),
				 0);
		cast_refused(x, all[i].want);
		assert_int_equal(mls_group_n_proposals(x->b.group), 0);
	}
	put_update(x, &(struct wrong_update){.source = MLS_LEAF_UPDATE});
	assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, SPAN_OF(x->body),
				       SPAN_NONE, &x->msg),
			 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	/* By policy: "the AS MUST also verify that the set of presented identifiers … is valid as a successor". */
	mls_group_clear_proposals(x->b.group);
	x->b.leaf_answer = CV_EDENIED;
	assert_int_equal(person_process(&x->b, &x->msg), CV_EDENIED);
}

/* "types other than the above MUST be rejected" (12.1.8): Alice's own good Update, sent on by the external sender 0. */
static void test_proposals_not_theirs(void **state)
{
	struct sender from = {.type = MLS_SENDER_EXTERNAL, .index = 0};
	struct cast *x = *state;

	let_dave_propose(x);
	assert_int_equal(place_of(&x->a), from.index);
	put_update(x, &(struct wrong_update){.source = MLS_LEAF_UPDATE});
	assert_int_equal(forge_message_as(x->a.group, &from, &x->d.member.signer, MLS_PUBLIC_MESSAGE,
					  MLS_CONTENT_PROPOSAL, SPAN_OF(x->body), SPAN_NONE, &x->msg),
			 0);
	cast_refused(x, CV_EINVAL);
	assert_int_equal(mls_group_n_proposals(x->b.group), 0);
	/* Nor may any member propose what is an external committer's alone. */
	body_external_init(x);
	assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, SPAN_OF(x->body),
				       SPAN_NONE, &x->msg),
			 0);
	cast_refused(x, CV_EINVAL);
	assert_int_equal(mls_group_n_proposals(x->b.group), 0);
	/* The control: Alice herself. */
	put_update(x, &(struct wrong_update){.source = MLS_LEAF_UPDATE});
	assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, SPAN_OF(x->body),
				       SPAN_NONE, &x->msg),
			 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
}

/* --- the size of a group --- */

/* An Update of somebody's whose leaf has this much in it; those who are to know of it take it. */
static void propose_size(struct person *p, struct person *x, struct person *y, const struct cv_buf *data)
{
	const struct mls_extension e = {.type = 0xf0ee, .data = SPAN_OF(*data)};
	struct mls_member m = p->member;
	struct cv_buf msg;

	m.extensions = &e;
	m.n_extensions = 1;
	cv_buf_init(&msg, MLS_MESSAGE_MAX);
	assert_int_equal(mls_group_propose_update(p->group, &m, NOTHING, &msg), 0);
	assert_int_equal(person_process(x, &msg), 0);
	assert_int_equal(person_process(y, &msg), 0);
	cv_buf_done(&msg);
}

/* No tree may grow that could neither be sent to a newcomer nor be read back from where it was saved. */
static void test_tree_too_long(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out;
	struct cv_buf data, saved;
	uint8_t *p;

	cv_buf_init(&data, MLS_MESSAGE_MAX);
	assert_int_equal(cv_buf_extend(&data, 9u << 20, &p), 0);
	memset(p, 0, data.len);
	propose_size(&x->b, &x->a, &x->c, &data);
	person_commit(&x->a, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	assert_int_equal(person_process(&x->c, &out.commit), 0);
	mls_commit_output_done(&out);
	propose_size(&x->c, &x->a, &x->b, &data);
	assert_int_equal(mls_group_commit(x->a.group, &(struct mls_commit){0}, &out), CV_ELIMIT);
	cv_buf_put_u8(&x->list, BY_REFERENCE);
	cv_buf_put_vec(&x->list, x->a.group->kept[0]->ref, 32);
	assert_int_equal(forge_commit(x->a.group, SPAN_OF(x->list), FORGE_NOTHING, &x->msg, NULL), 0);
	cast_refused(x, CV_ELIMIT);
	/* What there is can be saved and restored, and a smaller leaf is taken. */
	mls_group_clear_proposals(x->b.group);
	cv_buf_init_secret(&saved, 64u << 20);
	assert_int_equal(mls_group_save(x->b.group, &saved), 0);
	assert_int_equal(person_restore(&x->b, &saved), 0);
	cv_buf_done(&saved);
	data.len = 1u << 20;
	mls_group_clear_proposals(x->a.group);
	propose_size(&x->c, &x->a, &x->b, &data);
	person_commit(&x->a, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	mls_commit_output_done(&out);
	cv_buf_done(&data);
}

/* Proposals and commits count in their epoch alone (sections 12.1 and 12.4.2), application data for a while. */
static void test_past_epochs(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out, late;

	x->b.group->opt.past_epochs = 2;
	assert_int_equal(mls_group_propose_remove(x->c.group, 0, NOTHING, &x->msg), 0);
	mls_group_clear_proposals(x->c.group);
	assert_int_equal(mls_group_commit(x->c.group, &(struct mls_commit){0}, &late), 0);
	mls_group_clear_pending(x->c.group);
	assert_int_equal(mls_group_encrypt(x->c.group, TEXT("late"), NOTHING, &x->body), 0);
	person_commit(&x->a, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	assert_int_equal(person_process(&x->b, &x->body), 0);
	assert_int_equal(person_process(&x->b, &late.commit), CV_EEPOCH);
	assert_int_equal(person_process(&x->b, &out.commit), CV_EEPOCH);
	cast_refused(x, CV_EEPOCH);
	mls_commit_output_done(&out);
	mls_commit_output_done(&late);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CAST(test_external_sender),
		WITH_CAST(test_new_member_proposal),
		WITH_CAST(test_new_member_commit),
		WITH_CAST(test_external_commit_signature),
		WITH_CAST(test_updates),
		WITH_CAST(test_past_epochs),
		WITH_CAST(test_tree_too_long),
		WITH_CAST(test_proposals_not_theirs),
		WITH_CAST(test_external_commit_removes_two),
	};

	return cmocka_run_group_tests_name("mls refuses senders", tests, NULL, NULL);
}
