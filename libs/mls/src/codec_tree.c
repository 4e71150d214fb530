/* SPDX-License-Identifier: Apache-2.0 */
/* The ratchet_tree extension: RFC 9420 section 12.4.3.3. */
#include <string.h>

#include "tree.h"

enum { NODE_LEAF = 1, NODE_PARENT = 2 };

static int get_parent(struct cv_reader *r, struct tree_node **ret)
{
	struct cv_span key, hash, list;
	struct tree_node *n;
	struct cv_reader unmerged;
	uint32_t leaf;
	int err = cv_reader_get_vec(r, MLS_PUBLIC_MAX, &key);

	if (!err)
		err = cv_reader_get_vec(r, DIGEST_MAX, &hash);
	if (!err)
		err = cv_reader_get_vec(r, 4 * MLS_LEAVES_MAX, &list);
	if (!err && list.len % 4)
		err = CV_EFORMAT;
	if (!err)
		err = mls_tree_parent_new(&n);
	if (err)
		return err;
	memcpy(n->parent.key, key.data, key.len);
	n->parent.key_len = (uint16_t)key.len;
	memcpy(n->parent.parent_hash, hash.data, hash.len);
	n->parent.parent_hash_len = (uint16_t)hash.len;
	cv_reader_init(&unmerged, list.data, list.len);
	while (!err && unmerged.left) {
		err = cv_reader_get_u32(&unmerged, &leaf);
		/* "sorted in increasing order" (RFC 9420 section 7.1) */
		if (!err && n->parent.n_unmerged && leaf <= n->parent.unmerged[n->parent.n_unmerged - 1])
			err = CV_EFORMAT;
		if (!err)
			err = mls_tree_add_unmerged(&n->parent, leaf);
	}
	if (err)
		mls_tree_node_unref(n);
	else
		*ret = n;
	return err;
}

static int get_node(struct cv_reader *r, uint32_t index, struct tree_node **ret)
{
	struct leaf_node l;
	uint8_t present, type;
	int err = cv_reader_get_u8(r, &present);

	if (err)
		return err;
	if (present > 1)
		return CV_EFORMAT;
	if (!present) {
		*ret = NULL;
		return 0;
	}
	err = cv_reader_get_u8(r, &type);
	if (err)
		return err;
	if (type != (node_is_leaf(index) ? NODE_LEAF : NODE_PARENT))
		return CV_EFORMAT;
	if (type == NODE_PARENT)
		return get_parent(r, ret);
	err = mls_get_leaf_node(r, &l);
	return err ? err : mls_tree_leaf_new(l.raw, ret);
}

static int get_nodes(struct tree *t, struct cv_reader *r)
{
	uint32_t n = 0, slots = 0;
	int err = 0;

	while (!err && r->left) {
		if (n == node_count(slots)) {
			slots = slots ? 2 * slots : 1;
			err = mls_tree_extend(t, slots);
			if (err)
				return err;
		}
		err = get_node(r, n, &t->nodes[n]);
		if (!err && t->nodes[n] && node_is_leaf(n))
			t->n_members++;
		n++;
	}
	/* "The receiver MUST check that the last node in ratchet_tree is non-blank" (12.4.3.3). */
	if (!err && (!n || !t->nodes[n - 1]))
		err = CV_EFORMAT;
	return err;
}

int mls_tree_decode(struct cv_span data, size_t nh, struct tree **ret)
{
	struct tree *t;
	struct cv_reader r, list;
	int err = mls_tree_new(nh, &t);

	if (err)
		return err;
	cv_reader_init(&r, data.data, data.len);
	err = cv_reader_sub(&r, MLS_MESSAGE_MAX, &list);
	if (!err)
		err = cv_reader_end(&r);
	if (!err)
		err = get_nodes(t, &list);
	if (err)
		mls_tree_free(t);
	else
		*ret = t;
	return err;
}

static size_t vec_size(size_t len)
{
	uint8_t head[4];

	return mls_varint_write(head, len) + len;
}

size_t mls_tree_size(const struct tree *t)
{
	uint32_t n = node_count(t->n_leaves);
	size_t size = 0;

	while (n && !t->nodes[n - 1])
		n--;
	for (uint32_t i = 0; i < n; i++) {
		const struct tree_node *x = t->nodes[i];

		size += x ? 2 : 1;
		if (x && x->is_leaf)
			size += x->leaf.raw.len;
		else if (x)
			size += vec_size(x->parent.key_len) + vec_size(x->parent.parent_hash_len) +
				vec_size(sizeof(uint32_t) * x->parent.n_unmerged);
	}
	return vec_size(size);
}

void mls_tree_encode(const struct tree *t, struct cv_buf *b)
{
	uint32_t n = node_count(t->n_leaves);
	size_t mark = cv_buf_vec_begin(b), inner;

	while (n && !t->nodes[n - 1])
		n--;
	for (uint32_t i = 0; i < n; i++) {
		const struct tree_node *x = t->nodes[i];

		cv_buf_put_u8(b, x != NULL);
		if (!x)
			continue;
		cv_buf_put_u8(b, x->is_leaf ? NODE_LEAF : NODE_PARENT);
		if (x->is_leaf) {
			mls_put_leaf_node(b, &x->leaf);
			continue;
		}
		cv_buf_put_vec(b, x->parent.key, x->parent.key_len);
		cv_buf_put_vec(b, x->parent.parent_hash, x->parent.parent_hash_len);
		inner = cv_buf_vec_begin(b);
		for (uint32_t k = 0; k < x->parent.n_unmerged; k++)
			cv_buf_put_u32(b, x->parent.unmerged[k]);
		cv_buf_vec_end(b, inner);
	}
	cv_buf_vec_end(b, mark);
}
