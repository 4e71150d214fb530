/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, trees, GroupInfos, Welcomes and external commits that are properly signed and wrong. */
#include "cast.h"

static void test_paths(void **state)
{
	struct cast *x = *state;
	static const int want[FORGE_LAST] = {
		[FORGE_PARENT_HASH] = CV_EINVAL,        [FORGE_SAME_LEAF_KEY] = CV_EINVAL,
		[FORGE_LEAF_SOURCE] = CV_EINVAL,        [FORGE_LEAF_SIGNATURE] = CV_EAUTH,
		[FORGE_NODE_MISSING] = CV_EINVAL,       [FORGE_NODE_EXTRA] = CV_EINVAL,
		[FORGE_CIPHERTEXT_MISSING] = CV_EINVAL, [FORGE_CIPHERTEXT_EXTRA] = CV_EINVAL,
		[FORGE_NODE_KEY] = CV_EINVAL,           [FORGE_REUSED_KEY] = CV_EEXIST,
		[FORGE_SMALL_ORDER_KEY] = CV_EINVAL,    [FORGE_CONFIRMATION_TAG] = CV_EAUTH,
	};

	for (int what = FORGE_PARENT_HASH; what <= FORGE_CONFIRMATION_TAG; what++) {
		if (!want[what])
			continue; /* needs nodes that hold keys already */
		assert_int_equal(forge_commit(x->a.group, SPAN_NONE, (enum forgery)what, &x->msg, NULL), 0);
		/* Carol, whose secret is in another node of the path than Bob's: each looks at all of it. */
		assert_int_equal(person_process(&x->c, &x->msg), want[what]);
		cast_refused(x, want[what]);
	}
	/* The control: nothing forged, accepted. */
	assert_int_equal(forge_commit(x->a.group, SPAN_NONE, FORGE_NOTHING, &x->msg, NULL), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	assert_int_equal(person_process(&x->c, &x->msg), 0);
}

/* Section 12.4.2: "none of the public keys in the UpdatePath appear in any node", those that it replaces included. */
static void test_paths_with_old_keys(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out;

	person_commit(&x->a, &(struct mls_commit){0}, &out); /* fills the nodes above Alice */
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	mls_commit_output_done(&out);
	for (int what = FORGE_KEPT_NODE_KEY; what <= FORGE_LEAF_TO_ROOT; what++) {
		assert_int_equal(forge_commit(x->a.group, SPAN_NONE, (enum forgery)what, &x->msg, NULL), 0);
		cast_refused(x, CV_EEXIST);
	}
	assert_int_equal(forge_commit(x->a.group, SPAN_NONE, FORGE_NOTHING, &x->msg, NULL), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
}

/* --- trees that somebody shows to a newcomer --- */

static void nothing_wrong(struct tree *t)
{
}
static void wrong_parent_hash(struct tree *t)
{
	t->nodes[1]->parent.parent_hash[0] ^= 1;
	if (!t->nodes[1]->parent.parent_hash_len)
		t->nodes[1]->parent.parent_hash_len = 32;
}
static void foreign_unmerged(struct tree *t)
{
	static uint32_t leaf;

	leaf = 2; /* not below node 1 */
	t->nodes[1]->parent.unmerged = &leaf;
	t->nodes[1]->parent.n_unmerged = 1;
}
static void repair_unmerged(struct mls_group *g)
{
	g->cur->tree->nodes[1]->parent.unmerged = NULL;
	g->cur->tree->nodes[1]->parent.n_unmerged = 0;
}
static void wrong_parent_key(struct tree *t)
{
	t->nodes[1]->parent.key[0] ^= 1;
}
static void wrong_leaf(struct tree *t)
{
	((uint8_t *)t->nodes[0]->leaf.signature.data)[0] ^= 1;
}
static void same_key_twice(struct tree *t)
{
	memcpy((uint8_t *)t->nodes[4]->leaf.v.signature_key.data, t->nodes[0]->leaf.v.signature_key.data, 32);
}

static int show(struct cast *x, void (*spoil)(struct tree *t))
{
	struct mls_external_join j;
	struct mls_group *g = NULL;
	struct cv_buf gi, commit;
	int err;

	cv_buf_init(&gi, BUF_MAX);
	cv_buf_init(&commit, BUF_MAX);
	assert_int_equal(forge_group_info(x->a.group, spoil, &gi), 0);
	j = (struct mls_external_join){.group_info = SPAN_OF(gi)};
	err = mls_group_join_external(&x->d.options, &x->d.member, &j, &commit, &g);
	mls_group_free(g);
	cv_buf_done(&gi);
	cv_buf_done(&commit);
	return err;
}

static void test_trees(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out;
	struct cv_span saved;
	uint8_t key[32];

	/* While all parents are blank, no parent hash stands before the check of the keys. */
	saved = x->a.group->cur->tree->nodes[4]->leaf.v.signature_key;
	memcpy(key, saved.data, 32);
	assert_int_equal(show(x, same_key_twice), CV_EEXIST);
	memcpy((uint8_t *)saved.data, key, 32);
	/* Alice's path fills node 1 and the root. */
	person_commit(&x->a, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	mls_commit_output_done(&out);
	assert_int_equal(show(x, nothing_wrong), 0);
	assert_int_equal(show(x, wrong_parent_hash), CV_EINVAL);
	wrong_parent_hash(x->a.group->cur->tree);
	assert_int_equal(show(x, wrong_parent_key), CV_EINVAL);
	wrong_parent_key(x->a.group->cur->tree);
	assert_int_equal(show(x, foreign_unmerged), CV_EINVAL);
	repair_unmerged(x->a.group);
	assert_int_equal(show(x, wrong_leaf), CV_EAUTH);
	wrong_leaf(x->a.group->cur->tree);
	assert_int_equal(show(x, nothing_wrong), 0);
}

static void test_group_info(void **state)
{
	struct cast *x = *state;
	struct mls_external_join j;
	struct mls_group *g = NULL;
	struct cv_buf gi, commit;

	cv_buf_init(&gi, BUF_MAX);
	cv_buf_init(&commit, BUF_MAX);
	assert_int_equal(mls_group_info(x->a.group, true, &gi), 0);
	j = (struct mls_external_join){.group_info = SPAN_OF(gi), .expected_group_id = TEXT("other")};
	assert_int_equal(mls_group_join_external(&x->d.options, &x->d.member, &j, &commit, &g), CV_EDENIED);
	j.expected_group_id = NOTHING;
	gi.data[gi.len - 1] ^= 1;
	assert_int_equal(mls_group_join_external(&x->d.options, &x->d.member, &j, &commit, &g), CV_EAUTH);
	gi.data[gi.len - 1] ^= 1;
	x->d.leaf_answer = CV_EDENIED;
	assert_int_equal(mls_group_join_external(&x->d.options, &x->d.member, &j, &commit, &g), CV_EDENIED);
	assert_int_equal(commit.len, 0);
	cv_buf_done(&gi);
	cv_buf_done(&commit);
}

static void test_welcome(void **state)
{
	struct cast *x = *state;
	struct cv_span offer = person_offer(&x->d);
	struct mls_commit_output out = {0};
	struct mls_key_package *other;

	cv_buf_init(&out.welcome, BUF_MAX);
	put_add(&x->list, offer);
	assert_int_equal(forge_commit(x->a.group, SPAN_OF(x->list), FORGE_WELCOME_TAG, &x->msg, &out.welcome), 0);
	assert_int_equal(person_join(&x->d, &out), CV_EAUTH);
	cv_buf_reset(&out.welcome);
	cv_buf_reset(&x->msg);
	assert_int_equal(forge_commit(x->a.group, SPAN_OF(x->list), FORGE_PARENT_HASH, &x->msg, &out.welcome), 0);
	assert_int_equal(person_join(&x->d, &out), CV_EINVAL);
	cv_buf_reset(&out.welcome);
	cv_buf_reset(&x->msg);
	assert_int_equal(forge_commit(x->a.group, SPAN_OF(x->list), FORGE_NODE_KEY, &x->msg, &out.welcome), 0);
	assert_int_equal(person_join(&x->d, &out), CV_EINVAL);
	cv_buf_reset(&out.welcome);
	cv_buf_reset(&x->msg);
	assert_int_equal(forge_commit(x->a.group, SPAN_OF(x->list), FORGE_NOTHING, &x->msg, &out.welcome), 0);
	/* Every byte of it matters. */
	for (size_t i = 0; i < out.welcome.len; i += 3) {
		out.welcome.data[i] ^= 0x10;
		assert_int_not_equal(person_join(&x->d, &out), 0);
		out.welcome.data[i] ^= 0x10;
	}
	/* For another KeyPackage it is not. */
	other = x->d.kp;
	x->d.kp = NULL;
	person_offer(&x->d);
	assert_int_equal(person_join(&x->d, &out), CV_ENOTFOUND);
	mls_key_package_free(x->d.kp);
	x->d.kp = other;
	assert_int_equal(person_join(&x->d, &out), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	assert_agree(&x->b, &x->d);
	mls_commit_output_done(&out);
}

/* Section 12.4.3.2: what an external commit may hold. */
static void external_commit_of(struct cast *x, enum forgery what, int want)
{
	struct sender newcomer = {.type = MLS_SENDER_NEW_MEMBER_COMMIT};
	static const uint8_t tag[32];

	cast_path_under_list(x, what);
	assert_int_equal(forge_message_as(x->a.group, &newcomer, &x->a.member.signer, MLS_PUBLIC_MESSAGE,
					  MLS_CONTENT_COMMIT, SPAN_OF(x->body), SPAN(tag, 32), &x->msg),
			 0);
	cast_refused(x, want);
}

static void external_commit(struct cast *x, int want)
{
	external_commit_of(x, FORGE_NOTHING, want);
}

static void put_external_init(struct cv_buf *b)
{
	put_by_value(b, MLS_PROPOSAL_EXTERNAL_INIT);
	cv_buf_put_vec(b, "0123456789abcdef0123456789abcdef", 32);
}

static void test_external_commits(void **state)
{
	struct cast *x = *state;

	external_commit(x, CV_EINVAL); /* no ExternalInit */
	put_external_init(&x->list);
	put_external_init(&x->list);
	external_commit(x, CV_EINVAL);
	put_external_init(&x->list);
	put_add(&x->list, person_offer(&x->d));
	external_commit(x, CV_EINVAL);
	put_external_init(&x->list);
	put_extensions(&x->list);
	external_commit(x, CV_EINVAL);
	put_external_init(&x->list);
	put_remove(&x->list, 0);
	put_remove(&x->list, 2);
	external_commit(x, CV_EINVAL);
	/* The new leaf "MUST meet the same criteria as would the LeafNode in an Update for the removed leaf". */
	put_external_init(&x->list);
	put_remove(&x->list, 0);
	external_commit_of(x, FORGE_SAME_LEAF_KEY, CV_EINVAL);
	put_external_init(&x->list);
	put_remove(&x->list, 0);
	external_commit(x, CV_EAUTH); /* the control: as far as the confirmation tag */
	/* By reference, even to a proposal that Bob keeps. */
	assert_int_equal(mls_group_propose_remove(x->c.group, 0, NOTHING, &x->msg), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	cv_buf_reset(&x->msg);
	put_external_init(&x->list);
	cv_buf_put_u8(&x->list, BY_REFERENCE);
	cv_buf_put_vec(&x->list, x->b.group->kept[0]->ref, 32);
	external_commit(x, CV_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CAST(test_paths),   WITH_CAST(test_paths_with_old_keys),
		WITH_CAST(test_trees),   WITH_CAST(test_group_info),
		WITH_CAST(test_welcome), WITH_CAST(test_external_commits),
	};

	return cmocka_run_group_tests_name("mls refuses trees", tests, NULL, NULL);
}
