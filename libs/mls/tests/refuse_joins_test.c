/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9420 sections 12.4.3 and 7.9: GroupInfos and ratchet trees that a newcomer must not take. */
#include "cast.h"

/* What is done to a GroupInfo before it is signed again. */
typedef void (*spoiler)(struct cast *x, struct group_info *gi, struct cv_buf *scratch);

static int join_by(struct cast *x, struct cv_span group_info, struct cv_span tree)
{
	struct mls_external_join j = {.group_info = group_info, .ratchet_tree = tree};
	struct mls_group *g = NULL;
	struct cv_buf commit;
	int err;

	cv_buf_init(&commit, BUF_MAX);
	err = mls_group_join_external(&x->d.options, &x->d.member, &j, &commit, &g);
	if (err)
		assert_int_equal(commit.len, 0);
	mls_group_free(g);
	cv_buf_done(&commit);
	return err;
}

/* Alice's GroupInfo, spoiled and properly signed; Dave's answer. */
static int offered(struct cast *x, spoiler spoil)
{
	struct cv_buf honest, spoiled, scratch;
	struct mls_message m;
	int err;

	cv_buf_init(&honest, BUF_MAX);
	cv_buf_init(&spoiled, BUF_MAX);
	cv_buf_init(&scratch, BUF_MAX);
	assert_int_equal(mls_group_info(x->a.group, true, &honest), 0);
	assert_int_equal(mls_get_message(SPAN_OF(honest), &m), 0);
	spoil(x, &m.group_info, &scratch);
	assert_int_equal(forge_group_info_as(x->a.group, &m.group_info, &spoiled), 0);
	err = join_by(x, SPAN_OF(spoiled), SPAN_NONE);
	cv_buf_done(&honest);
	cv_buf_done(&spoiled);
	cv_buf_done(&scratch);
	return err;
}

/* The list of gi's extensions without `drop`, and with one more unless its type is 0. */
static void change_extensions(struct group_info *gi, uint16_t drop, uint16_t type, struct cv_span data,
			      struct cv_buf *scratch)
{
	struct mls_extension e;

	for (size_t at = 0; mls_extension_next(gi->extensions, &at, &e);) {
		if (e.type == drop)
			continue;
		cv_buf_put_u16(scratch, e.type);
		mls_put_span(scratch, e.data);
	}
	if (type) {
		cv_buf_put_u16(scratch, type);
		mls_put_span(scratch, data);
	}
	gi->extensions = SPAN_OF(*scratch);
}

static void nothing(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
}
/* "unknown extensions in GroupInfo.extensions MUST be ignored" */
static void unknown_extension(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	change_extensions(gi, 0, 0x5a5a, SPAN_STR("anything"), scratch);
}
static void signer_blank(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->signer = 3;
}
static void signer_outside(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->signer = UINT32_MAX;
}
static void signer_other(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->signer = 1;
}
static void tree_hash(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->context.tree_hash = SPAN_STR("0123456789abcdef0123456789abcdef");
}
static void short_tag(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->confirmation_tag.len--;
}
static void short_transcript(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->context.confirmed_transcript_hash.len--;
}
static void other_suite(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->context.suite = 2;
}
static void no_suite(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->context.suite = 0x7a7a;
}
static void same_type_twice(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	change_extensions(gi, 0, MLS_EXT_EXTERNAL_PUB, SPAN_NONE, scratch);
}
static void no_tree(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	change_extensions(gi, MLS_EXT_RATCHET_TREE, 0, SPAN_NONE, scratch);
}
static void no_external_pub(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	change_extensions(gi, MLS_EXT_EXTERNAL_PUB, 0, SPAN_NONE, scratch);
}
/* `struct { HPKEPublicKey external_pub; }` is a vector: its length stands before it. */
static void bare_external_pub(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	struct cv_span data;

	assert_int_equal(mls_extension_find(gi->extensions, MLS_EXT_EXTERNAL_PUB, &data), 0);
	assert_int_equal(data.len, 33);
	assert_int_equal(data.data[0], 32);
	change_extensions(gi, MLS_EXT_EXTERNAL_PUB, MLS_EXT_EXTERNAL_PUB, SPAN(data.data + 1, 32), scratch);
}
static void long_external_pub(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	change_extensions(gi, MLS_EXT_EXTERNAL_PUB, MLS_EXT_EXTERNAL_PUB, SPAN_STR("\x01\x05\x00"), scratch);
}
static void zero_external_pub(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	static const uint8_t zero[33] = {32};

	change_extensions(gi, MLS_EXT_EXTERNAL_PUB, MLS_EXT_EXTERNAL_PUB, SPAN(zero, 33), scratch);
}
/* "treat the enclosing GroupInfo message as invalid and not join the group" */
static void context_extension(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->context.extensions = SPAN_STR("\xf0\x55\x00");
}
static void context_twice(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->context.extensions = SPAN_STR("\x00\x03\x03\x00\x00\x00\x00\x03\x03\x00\x00\x00");
}
static void context_senders(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->context.extensions = SPAN_STR("\x00\x05\x02\x01\x05"); /* external_senders: no sender */
}

static void test_group_infos(void **state)
{
	static const struct {
		spoiler spoil;
		int want;
	} all[] = {
		{nothing, 0},
		{unknown_extension, 0},
		{signer_blank, CV_EINVAL},
		{signer_outside, CV_EINVAL},
		{signer_other, CV_EAUTH},
		{tree_hash, CV_EINVAL},
		{short_tag, CV_EINVAL},
		{short_transcript, CV_EINVAL},
		{other_suite, CV_EINVAL},
		{no_suite, CV_EUNSUPPORTED},
		{same_type_twice, CV_EFORMAT},
		{no_tree, CV_ENOTFOUND},
		{no_external_pub, CV_ENOTFOUND},
		{bare_external_pub, CV_EFORMAT},
		{long_external_pub, CV_ETRAILING},
		{zero_external_pub, CV_EINVAL},
		{context_extension, CV_EUNSUPPORTED},
		{context_twice, CV_EFORMAT},
		{context_senders, CV_ETRUNCATED},
	};
	struct cast *x = *state;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		int err = offered(x, all[i].spoil);

		/* A bare key begins with a random byte, which is read as a length. */
		if (all[i].spoil == bare_external_pub)
			assert_int_not_equal(err, 0);
		else
			assert_int_equal(err, all[i].want);
	}
}

static void greased_context(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->context.extensions = SPAN_STR("\x3a\x3a\x00");
}
static void known_context(struct cast *x, struct group_info *gi, struct cv_buf *scratch)
{
	gi->context.extensions = SPAN_STR("\xf0\x55\x00");
}

/* Everybody announces both types, but nobody can do what a GREASE value stands for (section 13.5). */
static void test_greased_group(void **state)
{
	static const uint16_t types[] = {0x3a3a, 0xf055};
	struct cast *x = *state;

	x->a.member.extension_types = x->d.member.extension_types = types;
	x->a.member.n_extension_types = x->d.member.n_extension_types = 2;
	mls_group_free(x->a.group);
	x->a.group = NULL;
	person_create(&x->a, "court");
	assert_int_equal(offered(x, nothing), 0);
	assert_int_equal(offered(x, known_context), 0);
	assert_int_equal(offered(x, greased_context), CV_EUNSUPPORTED);
}

/* Dave's answer to a Welcome, of suite 1, into a group with these in its context. */
static int welcomed(struct cast *x, uint16_t suite, struct cv_span extensions)
{
	struct mls_commit_output out;
	struct group_context gc;
	struct epoch copy = {0};
	struct cv_span add;
	int err;

	mls_group_free(x->a.group);
	mls_group_free(x->d.group);
	x->a.group = x->d.group = NULL;
	person_create(&x->a, "court");
	gc = x->a.group->cur->gc;
	gc.extensions = extensions;
	gc.suite = suite;
	cv_buf_init(&copy.context, BUF_MAX);
	assert_int_equal(mls_epoch_set_context(&copy, &gc), 0);
	assert_int_equal(mls_epoch_set_context(x->a.group->cur, &copy.gc), 0);
	cv_buf_done(&copy.context);
	add = person_offer(&x->d);
	person_commit(&x->a, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	err = person_join(&x->d, &out);
	mls_commit_output_done(&out);
	return err;
}

/* The same by Welcome; and a founder cannot do either what it only announces. */
static void test_greased_welcome(void **state)
{
	static const uint16_t types[] = {0x3a3a, 0xf055};
	static const struct mls_extension greased = {.type = 0x3a3a}, known = {.type = 0xf055};
	struct cast *x = *state;
	struct mls_group *g = NULL;

	x->a.member.extension_types = x->d.member.extension_types = types;
	x->a.member.n_extension_types = x->d.member.n_extension_types = 2;
	assert_int_equal(welcomed(x, 1, SPAN_STR("\xf0\x55\x00")), 0);
	assert_int_equal(welcomed(x, 1, SPAN_STR("\x3a\x3a\x00")), CV_EUNSUPPORTED);
	assert_int_equal(mls_group_create(&x->a.options, 1, &x->a.member, TEXT("court"), &greased, 1, &g),
			 CV_EUNSUPPORTED);
	assert_int_equal(mls_group_create(&x->a.options, 1, &x->a.member, TEXT("court"), &known, 1, &g), 0);
	mls_group_free(g);
}

/* "the cipher_suite in the GroupInfo matches the cipher_suite in the KeyPackage": suite 3 has all keys of suite 1. */
static void test_group_info_of_another_suite(void **state)
{
	static const uint16_t suites[] = {3};
	struct cast *x = *state;

	x->a.member.suites = x->d.member.suites = suites;
	x->a.member.n_suites = x->d.member.n_suites = 1;
	assert_int_equal(welcomed(x, 1, SPAN_NONE), 0);
	assert_int_equal(welcomed(x, 3, SPAN_NONE), CV_EINVAL);
}

/* "the client MUST verify that the root hash of the ratchet tree matches", wherever the tree comes from. */
static void test_tree_of_another_epoch(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out;
	struct cv_buf gi, old, now;

	cv_buf_init(&gi, BUF_MAX);
	cv_buf_init(&old, BUF_MAX);
	cv_buf_init(&now, BUF_MAX);
	assert_int_equal(mls_group_tree(x->a.group, &old), 0);
	person_commit(&x->a, &(struct mls_commit){0}, &out);
	assert_int_equal(mls_group_tree(x->a.group, &now), 0);
	assert_int_equal(mls_group_info(x->a.group, false, &gi), 0);
	assert_int_equal(join_by(x, SPAN_OF(gi), SPAN_OF(old)), CV_EINVAL);
	assert_int_equal(join_by(x, SPAN_OF(gi), SPAN_OF(now)), 0);
	mls_commit_output_done(&out);
	cv_buf_done(&gi);
	cv_buf_done(&old);
	cv_buf_done(&now);
}

/* Section 7.2: "reject any LeafNode where the total lifetime is longer", members' leaves included. */
static void test_lifetimes_in_trees(void **state)
{
	struct cast *x = *state;

	x->d.options.lifetime_max = 359; /* Bob's and Carol's KeyPackages are for 360 seconds */
	assert_int_equal(offered(x, nothing), CV_EEXPIRED);
	x->d.options.lifetime_max = 91 * 86400;
	assert_int_equal(offered(x, nothing), 0);
	/* Of a leaf in a tree the time of day is not asked. */
	x->w.now += 1000;
	assert_int_equal(offered(x, nothing), 0);
}

/* --- the form of a tree, sections 7.1 and 12.4.3.3 --- */

static int decode(const struct cv_buf *b)
{
	struct tree *t = NULL;
	int err = mls_tree_decode(SPAN_OF(*b), 32, &t);

	mls_tree_free(t);
	return err;
}

/* Alice's and Bob's leaves, a parent over them with the given unmerged_leaves, and what stands behind. */
static int tree_of(struct cast *x, const uint32_t *unmerged, size_t n, const char *tail, size_t tail_len)
{
	struct cv_buf b;
	size_t mark, inner;
	int err;

	cv_buf_init(&b, BUF_MAX);
	mark = cv_buf_vec_begin(&b);
	cv_buf_put(&b, "\x01\x01", 2);
	mls_put_leaf_node(&b, mls_tree_leaf(x->a.group->cur->tree, 0));
	cv_buf_put(&b, "\x01\x02", 2);
	cv_buf_put_vec(&b, "0123456789abcdef0123456789abcdef", 32);
	cv_buf_put_vec(&b, NULL, 0);
	inner = cv_buf_vec_begin(&b);
	for (size_t i = 0; i < n; i++)
		cv_buf_put_u32(&b, unmerged[i]);
	cv_buf_vec_end(&b, inner);
	cv_buf_put(&b, "\x01\x01", 2);
	mls_put_leaf_node(&b, mls_tree_leaf(x->a.group->cur->tree, 1));
	cv_buf_put(&b, tail, tail_len);
	cv_buf_vec_end(&b, mark);
	err = decode(&b);
	cv_buf_done(&b);
	return err;
}

static void test_form_of_trees(void **state)
{
	struct cast *x = *state;
	struct cv_buf b;

	assert_int_equal(tree_of(x, (uint32_t[]){0, 1}, 2, "", 0), 0);
	assert_int_equal(tree_of(x, (uint32_t[]){1, 0}, 2, "", 0), CV_EFORMAT); /* "sorted in increasing order" */
	assert_int_equal(tree_of(x, (uint32_t[]){1, 1}, 2, "", 0), CV_EFORMAT);
	assert_int_equal(tree_of(x, NULL, 0, "\x00", 1), CV_EFORMAT); /* blank nodes after the last */
	assert_int_equal(tree_of(x, NULL, 0, "\x00\x00", 2), CV_EFORMAT);
	assert_int_equal(tree_of(x, NULL, 0, "\x02", 1), CV_EFORMAT);     /* optional<> is 0 or 1 */
	assert_int_equal(tree_of(x, NULL, 0, "\x01\x03", 2), CV_EFORMAT); /* neither leaf nor parent */
	assert_int_equal(tree_of(x, NULL, 0, "\x01\x01", 2), CV_EFORMAT); /* a leaf in a parent's place */
	cv_buf_init(&b, BUF_MAX);
	cv_buf_put(&b, "\x00", 1); /* no node at all */
	assert_int_equal(decode(&b), CV_EFORMAT);
	cv_buf_reset(&b);
	cv_buf_put(&b, "\x02\x01\x02", 3); /* a parent in a leaf's place */
	assert_int_equal(decode(&b), CV_EFORMAT);
	cv_buf_done(&b);
}

/* --- what the tree says, sections 7.9.2 and 12.4.3.1 --- */

static uint32_t blank_leaf = 5, below[2] = {3, 5};

static struct parent_node *parent(struct tree *t, uint32_t node)
{
	return &t->nodes[node]->parent;
}
static void unspoiled(struct tree *t)
{
}
/* "every non-blank intermediate node … also has an entry for the leaf" */
static void forgotten_between(struct tree *t)
{
	parent(t, 3)->n_unmerged = 0;
}
static void forgotten_above(struct tree *t)
{
	parent(t, 7)->n_unmerged = 0;
}
/* "the entry represents a non-blank leaf node" */
static void blank_unmerged(struct tree *t)
{
	parent(t, 7)->unmerged = &blank_leaf;
}
static void more_unmerged(struct tree *t)
{
	parent(t, 7)->unmerged = below;
	parent(t, 7)->n_unmerged = 2;
}
/* "the encryption key in the parent node does not appear in any other node" */
static void key_of_a_leaf(struct tree *t)
{
	memcpy(parent(t, 1)->key, t->nodes[2]->leaf.v.encryption_key.data, 32);
}
static void key_of_a_parent(struct tree *t)
{
	memcpy(parent(t, 1)->key, parent(t, 3)->key, 32);
}
/* "each non-blank parent node P is parent-hash valid" */
static void hash_of_nothing(struct tree *t)
{
	parent(t, 3)->parent_hash_len = 0;
}

static int shown(struct cast *x, void (*spoil)(struct tree *t))
{
	struct tree *t = x->a.group->cur->tree;
	struct parent_node saved[3];
	struct cv_buf gi;
	int err;

	/* The forged tree shares its nodes with the real one. */
	for (int i = 0; i < 3; i++)
		saved[i] = *parent(t, (2u << i) - 1);
	cv_buf_init(&gi, BUF_MAX);
	assert_int_equal(forge_group_info(x->a.group, spoil, &gi), 0);
	err = join_by(x, SPAN_OF(gi), SPAN_NONE);
	for (int i = 0; i < 3; i++)
		*parent(t, (2u << i) - 1) = saved[i];
	cv_buf_done(&gi);
	return err;
}

/* Six leaves in eight places: nodes 1, 3 and 7 hold keys, leaf 3 is unmerged at 3 and 7, node 5 above it is blank. */
static void test_meaning_of_trees(void **state)
{
	static void (*const wrong[])(struct tree * t) = {
		forgotten_between, forgotten_above, blank_unmerged,  more_unmerged,
		key_of_a_leaf,     key_of_a_parent, hash_of_nothing,
	};
	struct cast *x = *state;
	struct mls_commit_output out;
	struct person more[3];
	struct cv_span adds[2];
	uint32_t third = 3;

	for (int i = 0; i < 3; i++)
		person_init(&more[i], &x->w, 1, (const char *[]){"eve", "frank", "grace"}[i]);
	adds[0] = person_offer(&more[0]);
	adds[1] = person_offer(&more[1]);
	person_commit(&x->a, &(struct mls_commit){.adds = adds, .n_adds = 2}, &out);
	mls_commit_output_done(&out);
	person_commit(&x->a, &(struct mls_commit){.removes = &third, .n_removes = 1}, &out);
	mls_commit_output_done(&out);
	adds[0] = person_offer(&more[2]);
	person_commit(&x->a, &(struct mls_commit){.adds = adds, .n_adds = 1}, &out);
	mls_commit_output_done(&out);
	struct tree *t = x->a.group->cur->tree;
	assert_int_equal(parent(t, 3)->n_unmerged, 1);
	assert_int_equal(parent(t, 7)->n_unmerged, 1);
	assert_true(mls_tree_blank(t, 5));
	assert_int_equal(shown(x, unspoiled), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int err = shown(x, wrong[i]);

		assert_true(err == CV_EINVAL || err == CV_EEXIST);
	}
	assert_int_equal(shown(x, unspoiled), 0);
	for (int i = 0; i < 3; i++)
		person_done(&more[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CAST(test_group_infos),        WITH_CAST(test_tree_of_another_epoch),
		WITH_CAST(test_lifetimes_in_trees), WITH_CAST(test_form_of_trees),
		WITH_CAST(test_meaning_of_trees),   WITH_CAST(test_greased_group),
		WITH_CAST(test_greased_welcome),    WITH_CAST(test_group_info_of_another_suite),
	};

	return cmocka_run_group_tests_name("mls refuses joins", tests, NULL, NULL);
}
