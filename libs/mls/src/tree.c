/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>

#include "tree.h"

/* --- nodes --- */

int mls_tree_leaf_new(struct cv_span raw, struct tree_node **ret)
{
	struct tree_node *n = cv_malloc(sizeof(*n) + raw.len);
	struct cv_reader r;
	int err;

	if (!n)
		return CV_ENOMEM;
	memset(n, 0, sizeof(*n));
	n->refs = 1;
	n->is_leaf = true;
	memcpy(n->raw, raw.data, raw.len);
	cv_reader_init(&r, n->raw, raw.len);
	err = mls_get_leaf_node(&r, &n->leaf);
	if (!err)
		err = cv_reader_end(&r);
	if (err)
		cv_free(n);
	else
		*ret = n;
	return err;
}

int mls_tree_parent_new(struct tree_node **ret)
{
	struct tree_node *n = cv_calloc(1, sizeof(*n));

	if (!n)
		return CV_ENOMEM;
	n->refs = 1;
	*ret = n;
	return 0;
}

void mls_tree_node_unref(struct tree_node *n)
{
	if (!n || --n->refs)
		return;
	if (!n->is_leaf)
		cv_free(n->parent.unmerged);
	cv_free(n);
}

/* A parent node that nobody else sees. */
static int own_parent(struct tree *t, uint32_t node, struct parent_node **ret)
{
	struct tree_node *old = t->nodes[node], *n;
	int err;

	if (old->refs == 1) {
		*ret = &old->parent;
		return 0;
	}
	err = mls_tree_parent_new(&n);
	if (err)
		return err;
	n->parent = old->parent;
	n->parent.cap_unmerged = n->parent.n_unmerged;
	n->parent.unmerged = NULL;
	if (old->parent.n_unmerged) {
		n->parent.unmerged = cv_memdup(old->parent.unmerged, old->parent.n_unmerged * sizeof(uint32_t));
		if (!n->parent.unmerged) {
			cv_free(n);
			return CV_ENOMEM;
		}
	}
	mls_tree_node_unref(old);
	t->nodes[node] = n;
	*ret = &n->parent;
	return 0;
}

int mls_tree_add_unmerged(struct parent_node *p, uint32_t leaf)
{
	uint32_t at = p->n_unmerged;

	if (p->n_unmerged == p->cap_unmerged) {
		uint32_t cap = p->cap_unmerged ? 2 * p->cap_unmerged : 4;
		uint32_t *v = cv_reallocarray(p->unmerged, cap, sizeof(*v));

		if (!v)
			return CV_ENOMEM;
		p->unmerged = v;
		p->cap_unmerged = cap;
	}
	while (at && p->unmerged[at - 1] > leaf)
		at--;
	memmove(p->unmerged + at + 1, p->unmerged + at, (p->n_unmerged - at) * sizeof(uint32_t));
	p->unmerged[at] = leaf;
	p->n_unmerged++;
	return 0;
}

/* --- the tree --- */

int mls_tree_new(size_t nh, struct tree **ret)
{
	struct tree *t = cv_calloc(1, sizeof(*t));

	if (!t)
		return CV_ENOMEM;
	t->nh = (uint32_t)nh;
	*ret = t;
	return 0;
}

void mls_tree_free(struct tree *t)
{
	if (!t)
		return;
	for (uint32_t i = 0; i < node_count(t->n_leaves); i++)
		mls_tree_node_unref(t->nodes[i]);
	cv_free(t->nodes);
	cv_free(t->hashes);
	cv_free(t->hashed);
	cv_free(t);
}

static int reserve(struct tree *t, uint32_t leaves)
{
	uint32_t n = node_count(leaves);
	void *p;

	if (leaves > MLS_LEAVES_MAX)
		return CV_ELIMIT;
	if (leaves <= t->cap_leaves)
		return 0;
	p = cv_reallocarray(t->nodes, n, sizeof(*t->nodes));
	if (!p)
		return CV_ENOMEM;
	t->nodes = p;
	p = cv_reallocarray(t->hashes, n, t->nh);
	if (!p)
		return CV_ENOMEM;
	t->hashes = p;
	p = cv_reallocarray(t->hashed, n, 1);
	if (!p)
		return CV_ENOMEM;
	t->hashed = p;
	t->cap_leaves = leaves;
	return 0;
}

int mls_tree_extend(struct tree *t, uint32_t leaves)
{
	uint32_t old = node_count(t->n_leaves), n = node_count(leaves);
	int err = reserve(t, leaves);

	if (err)
		return err;
	memset(t->nodes + old, 0, (n - old) * sizeof(*t->nodes));
	memset(t->hashed + old, 0, n - old);
	t->n_leaves = leaves;
	return 0;
}

int mls_tree_clone(const struct tree *t, struct tree **ret)
{
	uint32_t n = node_count(t->n_leaves);
	struct tree *c;
	int err = mls_tree_new(t->nh, &c);

	if (err)
		return err;
	err = t->n_leaves ? mls_tree_extend(c, t->n_leaves) : 0;
	if (err) {
		mls_tree_free(c);
		return err;
	}
	if (n) {
		memcpy(c->nodes, t->nodes, n * sizeof(*t->nodes));
		memcpy(c->hashes, t->hashes, (size_t)n * t->nh);
		memcpy(c->hashed, t->hashed, n);
	}
	for (uint32_t i = 0; i < n; i++)
		if (c->nodes[i])
			c->nodes[i]->refs++;
	c->n_members = t->n_members;
	c->first_free = t->first_free;
	*ret = c;
	return 0;
}

const struct leaf_node *mls_tree_leaf(const struct tree *t, uint32_t leaf)
{
	if (leaf >= t->n_leaves || !t->nodes[node_of_leaf(leaf)])
		return NULL;
	return &t->nodes[node_of_leaf(leaf)]->leaf;
}

const struct parent_node *mls_tree_parent(const struct tree *t, uint32_t node)
{
	return t->nodes[node] ? &t->nodes[node]->parent : NULL;
}

bool mls_tree_blank(const struct tree *t, uint32_t node)
{
	return !t->nodes[node];
}

struct cv_span mls_tree_key(const struct tree *t, uint32_t node)
{
	const struct tree_node *n = t->nodes[node];

	return n->is_leaf ? n->leaf.v.encryption_key : SPAN(n->parent.key, n->parent.key_len);
}

/* A changed leaf changes the hashes of all its ancestors. */
static void forget_hashes(struct tree *t, uint32_t node)
{
	uint32_t root = tree_root(t->n_leaves);

	for (;; node = node_parent(node)) {
		t->hashed[node] = 0;
		if (node == root)
			return;
	}
}

int mls_tree_set_leaf(struct tree *t, uint32_t leaf, struct cv_span raw)
{
	struct tree_node *n, **slot = &t->nodes[node_of_leaf(leaf)];
	int err = mls_tree_leaf_new(raw, &n);

	if (err)
		return err;
	if (!*slot)
		t->n_members++;
	mls_tree_node_unref(*slot);
	*slot = n;
	forget_hashes(t, node_of_leaf(leaf));
	return 0;
}

int mls_tree_add(struct tree *t, struct cv_span leaf, uint32_t *ret_leaf)
{
	uint32_t at = t->first_free, root;
	struct parent_node *p;
	int err = 0;

	while (at < t->n_leaves && !mls_tree_blank(t, node_of_leaf(at)))
		at++;
	if (at == t->n_leaves)
		err = mls_tree_extend(t, t->n_leaves ? 2 * t->n_leaves : 1);
	if (!err)
		err = mls_tree_set_leaf(t, at, leaf);
	if (err)
		return err;
	t->first_free = at + 1;
	root = tree_root(t->n_leaves);
	for (uint32_t x = node_of_leaf(at); x != root;) {
		x = node_parent(x);
		if (mls_tree_blank(t, x))
			continue;
		err = own_parent(t, x, &p);
		if (!err)
			err = mls_tree_add_unmerged(p, at);
		if (err)
			return err;
	}
	*ret_leaf = at;
	return 0;
}

void mls_tree_blank_path(struct tree *t, uint32_t leaf)
{
	uint32_t root = tree_root(t->n_leaves), x = node_of_leaf(leaf);

	forget_hashes(t, x);
	while (x != root) {
		x = node_parent(x);
		mls_tree_node_unref(t->nodes[x]);
		t->nodes[x] = NULL;
	}
}

void mls_tree_remove(struct tree *t, uint32_t leaf)
{
	struct tree_node **slot = &t->nodes[node_of_leaf(leaf)];

	mls_tree_blank_path(t, leaf);
	mls_tree_node_unref(*slot);
	*slot = NULL;
	t->n_members--;
	if (leaf < t->first_free)
		t->first_free = leaf;
}

void mls_tree_truncate(struct tree *t)
{
	uint32_t last = t->n_leaves, keep = 1;

	while (last && mls_tree_blank(t, node_of_leaf(last - 1)))
		last--;
	while (keep < last)
		keep *= 2;
	if (!last)
		keep = 0;
	/* Parents outside are blank: a parent above the last member is on the direct path of whoever was removed. */
	for (uint32_t i = node_count(keep); i < node_count(t->n_leaves); i++) {
		mls_tree_node_unref(t->nodes[i]);
		t->nodes[i] = NULL;
	}
	t->n_leaves = keep;
}

int mls_tree_set_parent(struct tree *t, uint32_t node, struct cv_span key)
{
	struct tree_node *n;
	int err;

	if (key.len > MLS_PUBLIC_MAX)
		return CV_EINVAL;
	err = mls_tree_parent_new(&n);
	if (err)
		return err;
	memcpy(n->parent.key, key.data, key.len);
	n->parent.key_len = (uint16_t)key.len;
	mls_tree_node_unref(t->nodes[node]);
	t->nodes[node] = n;
	forget_hashes(t, node);
	return 0;
}

/* Only for nodes of a path just merged: nobody shares them yet. */
void mls_tree_set_parent_hash(struct tree *t, uint32_t node, struct cv_span hash)
{
	struct parent_node *p = &t->nodes[node]->parent;

	if (hash.len)
		memcpy(p->parent_hash, hash.data, hash.len);
	p->parent_hash_len = (uint16_t)hash.len;
	forget_hashes(t, node);
}

/* --- resolution and paths --- */

void mls_node_list_done(struct node_list *l)
{
	cv_free(l->v);
	*l = (struct node_list){0};
}

static int list_push(struct node_list *l, uint32_t node)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		uint32_t *v = cv_reallocarray(l->v, cap, sizeof(*v));

		if (!v)
			return CV_ENOMEM;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = node;
	return 0;
}

static int resolve(const struct tree *t, uint32_t node, const uint8_t *except, struct node_list *l)
{
	const struct parent_node *p;
	int err;

	if (node_is_leaf(node))
		return mls_tree_blank(t, node) || (except && except[leaf_of_node(node)]) ? 0 : list_push(l, node);
	p = mls_tree_parent(t, node);
	if (!p) {
		err = resolve(t, node_left(node), except, l);
		return err ? err : resolve(t, node_right(node), except, l);
	}
	err = list_push(l, node);
	for (uint32_t i = 0; !err && i < p->n_unmerged; i++)
		if (!except || !except[p->unmerged[i]])
			err = list_push(l, node_of_leaf(p->unmerged[i]));
	return err;
}

int mls_tree_resolution(const struct tree *t, uint32_t node, const uint8_t *except, struct node_list *ret)
{
	ret->n = 0;
	return resolve(t, node, except, ret);
}

static bool empty(const struct tree *t, uint32_t node)
{
	if (!mls_tree_blank(t, node))
		return false;
	return node_is_leaf(node) || (empty(t, node_left(node)) && empty(t, node_right(node)));
}

void mls_tree_filtered_path(const struct tree *t, uint32_t leaf, struct filtered_path *ret)
{
	uint32_t root = tree_root(t->n_leaves);

	ret->n = 0;
	for (uint32_t x = node_of_leaf(leaf); x != root;) {
		uint32_t beside = node_sibling(x);

		x = node_parent(x);
		if (!empty(t, beside))
			ret->step[ret->n++] = (struct path_step){x, beside};
	}
}
