/* SPDX-License-Identifier: Apache-2.0 */
/* Tree hashes and parent hashes: RFC 9420 sections 7.8 and 7.9. */
#include <string.h>

#include <base/alloc.h>

#include "tree.h"

/* Leaves to be treated as absent: an ascending list. */
struct absent {
	const uint32_t *v;
	uint32_t n;
};

static uint32_t lower_bound(struct absent a, uint32_t leaf)
{
	uint32_t lo = 0, hi = a.n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (a.v[mid] < leaf)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Those of the list that are under a node. */
static struct absent under(struct absent a, uint32_t node)
{
	uint32_t first = node_first_leaf(node), lo = lower_bound(a, first),
		 hi = lower_bound(a, first + node_leaf_count(node));

	return lo < hi ? (struct absent){a.v + lo, hi - lo} : (struct absent){0};
}

static bool contains(struct absent a, uint32_t leaf)
{
	uint32_t i = lower_bound(a, leaf);

	return i < a.n && a.v[i] == leaf;
}

static int hash_leaf(struct mls_crypto *c, uint32_t leaf, const struct leaf_node *l, uint8_t *ret)
{
	uint8_t head[6] = {1,        (uint8_t)(leaf >> 24), (uint8_t)(leaf >> 16), (uint8_t)(leaf >> 8), (uint8_t)leaf,
			   l != NULL};

	return mls_crypto_hash(c, (struct cv_span[]){SPAN(head, 6), l ? l->raw : SPAN_NONE}, 2, ret);
}

static int hash_parent(struct mls_crypto *c, const struct parent_node *p, struct absent without, const uint8_t *left,
		       const uint8_t *right, uint8_t *ret)
{
	size_t nh = c->suite->nh, mark;
	struct cv_buf b;
	int err;

	cv_buf_init(&b, MLS_MESSAGE_MAX);
	cv_buf_put_u8(&b, 2);
	cv_buf_put_u8(&b, p != NULL);
	if (p) {
		cv_buf_put_vec(&b, p->key, p->key_len);
		cv_buf_put_vec(&b, p->parent_hash, p->parent_hash_len);
		mark = cv_buf_vec_begin(&b);
		for (uint32_t i = 0; i < p->n_unmerged; i++)
			if (!contains(without, p->unmerged[i]))
				cv_buf_put_u32(&b, p->unmerged[i]);
		cv_buf_vec_end(&b, mark);
	}
	cv_buf_put_vec(&b, left, nh);
	cv_buf_put_vec(&b, right, nh);
	err = cv_buf_status(&b);
	if (!err)
		err = mls_crypto_hash(c, &(struct cv_span){b.data, b.len}, 1, ret);
	cv_buf_done(&b);
	return err;
}

int mls_tree_hash(struct tree *t, struct mls_crypto *c, uint32_t node, const uint8_t **ret)
{
	uint8_t *at = t->hashes + (size_t)node * t->nh;
	const uint8_t *left, *right;
	int err = 0;

	if (t->hashed[node])
		goto out;
	if (node_is_leaf(node)) {
		err = hash_leaf(c, leaf_of_node(node), mls_tree_leaf(t, leaf_of_node(node)), at);
	} else {
		err = mls_tree_hash(t, c, node_left(node), &left);
		if (!err)
			err = mls_tree_hash(t, c, node_right(node), &right);
		if (!err)
			err = hash_parent(c, mls_tree_parent(t, node), (struct absent){0}, left, right, at);
	}
	if (err)
		return err;
	t->hashed[node] = 1;
out:
	*ret = at;
	return 0;
}

/*
 * The hash that a subtree had before the absent leaves were added to it. Only nodes above absent leaves are computed;
 * all others come from the cache, so the cost is O(absent * depth).
 */
static int original_hash(struct tree *t, struct mls_crypto *c, uint32_t node, struct absent without, uint8_t *ret)
{
	uint8_t left[DIGEST_MAX], right[DIGEST_MAX];
	const uint8_t *cached;
	int err;

	without = under(without, node);
	if (!without.n) {
		err = mls_tree_hash(t, c, node, &cached);
		if (!err)
			memcpy(ret, cached, t->nh);
		return err;
	}
	if (node_is_leaf(node))
		return hash_leaf(c, leaf_of_node(node), NULL, ret);
	err = original_hash(t, c, node_left(node), without, left);
	if (!err)
		err = original_hash(t, c, node_right(node), without, right);
	return err ? err : hash_parent(c, mls_tree_parent(t, node), without, left, right, ret);
}

/* ParentHashInput. `sibling` is the child of the node that is beside the path. */
static int parent_hash(struct tree *t, struct mls_crypto *c, uint32_t node, uint32_t sibling, uint8_t *ret)
{
	const struct parent_node *p = mls_tree_parent(t, node);
	uint8_t head[3][4], original[DIGEST_MAX];
	size_t nh = c->suite->nh, n[3];
	int err = original_hash(t, c, sibling, (struct absent){p->unmerged, p->n_unmerged}, original);

	if (err)
		return err;
	n[0] = mls_varint_write(head[0], p->key_len);
	n[1] = mls_varint_write(head[1], p->parent_hash_len);
	n[2] = mls_varint_write(head[2], nh);
	return mls_crypto_hash(c,
			       (struct cv_span[]){SPAN(head[0], n[0]), SPAN(p->key, p->key_len), SPAN(head[1], n[1]),
						  SPAN(p->parent_hash, p->parent_hash_len), SPAN(head[2], n[2]),
						  SPAN(original, nh)},
			       6, ret);
}

int mls_tree_hash_path(struct tree *t, struct mls_crypto *c, const struct filtered_path *path, uint8_t *ret,
		       size_t *ret_len)
{
	uint8_t hash[DIGEST_MAX];
	size_t len = 0;

	for (uint32_t i = path->n; i-- > 0;) {
		const struct path_step *s = &path->step[i];
		int err;

		mls_tree_set_parent_hash(t, s->node, SPAN(hash, len));
		err = parent_hash(t, c, s->node, s->copath, hash);
		if (err)
			return err;
		len = t->nh;
	}
	if (len)
		memcpy(ret, hash, len);
	*ret_len = len;
	return 0;
}

/* --- checking a tree that somebody else built --- */

static struct cv_span parent_hash_field(const struct tree *t, uint32_t node)
{
	const struct tree_node *n = t->nodes[node];

	return n->is_leaf ? n->leaf.parent_hash : SPAN(n->parent.parent_hash, n->parent.parent_hash_len);
}

/*
 * RFC 9420 section 7.9.2, for P and its child C with sibling S: exactly one node D of C's resolution is not an unmerged
 * leaf of P, and D's parent_hash is that of P with S. *ret_ok says whether it holds.
 */
static int linked(struct tree *t, struct mls_crypto *c, uint32_t p, uint32_t child, uint32_t sibling,
		  struct node_list *scratch, bool *ret_ok)
{
	const struct parent_node *pn = mls_tree_parent(t, p);
	struct absent unmerged = under((struct absent){pn->unmerged, pn->n_unmerged}, child);
	uint8_t want[DIGEST_MAX];
	uint32_t d = 0, others = 0;
	int err;

	*ret_ok = false;
	err = mls_tree_resolution(t, child, NULL, scratch);
	if (err || scratch->n != unmerged.n + 1)
		return err;
	for (size_t i = 0; i < scratch->n; i++) {
		uint32_t x = scratch->v[i];

		if (node_is_leaf(x) && contains(unmerged, leaf_of_node(x)))
			continue;
		d = x;
		others++;
	}
	if (others != 1)
		return 0;
	err = parent_hash(t, c, p, sibling, want);
	if (err)
		return err;
	*ret_ok = mls_span_equal(parent_hash_field(t, d), SPAN(want, t->nh));
	return 0;
}

/* RFC 9420 section 12.4.3.1: each entry is a member below, and every parent in between knows of it too. */
static int check_unmerged(const struct tree *t, uint32_t node)
{
	const struct parent_node *p = mls_tree_parent(t, node);

	for (uint32_t i = 0; i < p->n_unmerged; i++) {
		uint32_t leaf = p->unmerged[i];

		if (!node_covers_leaf(node, leaf) || !mls_tree_leaf(t, leaf))
			return CV_EINVAL;
		for (uint32_t x = node_parent(node_of_leaf(leaf)); x != node; x = node_parent(x)) {
			const struct parent_node *q = mls_tree_parent(t, x);

			if (q && !contains((struct absent){q->unmerged, q->n_unmerged}, leaf))
				return CV_EINVAL;
		}
	}
	return 0;
}

int mls_tree_check_parents(struct tree *t, struct mls_crypto *c)
{
	struct node_list scratch = {0};
	bool ok;
	int err = 0;

	for (uint32_t x = 1; !err && x < node_count(t->n_leaves); x += 2) {
		if (mls_tree_blank(t, x))
			continue;
		err = check_unmerged(t, x);
		if (!err)
			err = linked(t, c, x, node_left(x), node_right(x), &scratch, &ok);
		if (!err && !ok)
			err = linked(t, c, x, node_right(x), node_left(x), &scratch, &ok);
		if (!err && !ok)
			err = CV_EINVAL;
	}
	mls_node_list_done(&scratch);
	return err;
}
