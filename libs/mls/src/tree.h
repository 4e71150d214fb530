/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ratchet tree: RFC 9420 sections 4.1, 7.7 to 7.9 and 12.4.3.3.
 *
 * Nodes are shared between the trees of successive epochs by reference count and copied when one of several owners
 * changes them, so that a staged epoch costs pointers and not leaves. Hashes are cached per position.
 */
#ifndef MLS_SRC_TREE_H
#define MLS_SRC_TREE_H

#include "codec.h"
#include "tree_math.h"

struct parent_node {
	uint8_t key[MLS_PUBLIC_MAX], parent_hash[DIGEST_MAX];
	uint16_t key_len, parent_hash_len;
	uint32_t *unmerged; /* ascending leaf indexes; owned */
	uint32_t n_unmerged, cap_unmerged;
};
struct tree_node {
	uint32_t refs;
	bool is_leaf;
	union {
		struct leaf_node leaf; /* views into raw */
		struct parent_node parent;
	};
	uint8_t raw[];
};
struct tree {
	uint32_t n_leaves; /* slots; a power of two, or 0 */
	uint32_t n_members;
	uint32_t first_free; /* no free slot is below it */
	uint32_t cap_leaves;
	uint32_t nh;
	struct tree_node **nodes;
	uint8_t *hashes; /* nh bytes per node */
	uint8_t *hashed; /* whether hashes holds the node's */
};
struct node_list {
	uint32_t *v;
	size_t n, cap;
};
/* One step of a filtered direct path: a node and its child beside the path. */
struct path_step {
	uint32_t node, copath;
};
struct filtered_path {
	uint32_t n;
	struct path_step step[TREE_DEPTH_MAX];
};

int mls_tree_new(size_t nh, struct tree **ret) CV_NODISCARD;
void mls_tree_free(struct tree *t);
int mls_tree_clone(const struct tree *t, struct tree **ret) CV_NODISCARD;
/* The parts that trees are made of, for those who read one in. A leaf comes in wire form. */
int mls_tree_leaf_new(struct cv_span raw, struct tree_node **ret) CV_NODISCARD;
int mls_tree_parent_new(struct tree_node **ret) CV_NODISCARD;
void mls_tree_node_unref(struct tree_node *n);
int mls_tree_add_unmerged(struct parent_node *p, uint32_t leaf) CV_NODISCARD;
/* More slots, blank. `leaves` is a power of two. */
int mls_tree_extend(struct tree *t, uint32_t leaves) CV_NODISCARD;

/* The content of a ratchet_tree extension. Form only: see mls_tree_check for the rest. */
int mls_tree_decode(struct cv_span data, size_t nh, struct tree **ret) CV_NODISCARD;
void mls_tree_encode(const struct tree *t, struct cv_buf *b);
/* How much that would write. */
size_t mls_tree_size(const struct tree *t);

/* NULL when blank or out of range. */
const struct leaf_node *mls_tree_leaf(const struct tree *t, uint32_t leaf);
const struct parent_node *mls_tree_parent(const struct tree *t, uint32_t node);
bool mls_tree_blank(const struct tree *t, uint32_t node);
struct cv_span mls_tree_key(const struct tree *t, uint32_t node);

/* Changes. Leaves come in wire form and are copied. */
int mls_tree_add(struct tree *t, struct cv_span leaf, uint32_t *ret_leaf) CV_NODISCARD;
int mls_tree_set_leaf(struct tree *t, uint32_t leaf, struct cv_span raw) CV_NODISCARD;
void mls_tree_remove(struct tree *t, uint32_t leaf);
void mls_tree_blank_path(struct tree *t, uint32_t leaf);
/* Halves the tree while its right half is empty. Once after all removals of a commit. */
void mls_tree_truncate(struct tree *t);
int mls_tree_set_parent(struct tree *t, uint32_t node, struct cv_span key) CV_NODISCARD;
void mls_tree_set_parent_hash(struct tree *t, uint32_t node, struct cv_span hash);

/* Nodes that cover all members below `node`; leaves marked in `except` (a byte per leaf, may be NULL) are left out. */
int mls_tree_resolution(const struct tree *t, uint32_t node, const uint8_t *except, struct node_list *ret) CV_NODISCARD;
void mls_tree_filtered_path(const struct tree *t, uint32_t leaf, struct filtered_path *ret);
void mls_node_list_done(struct node_list *l);

/* Tree hash of a node, RFC 9420 section 7.8; nh bytes, borrowed from the cache until the tree changes. */
int mls_tree_hash(struct tree *t, struct mls_crypto *c, uint32_t node, const uint8_t **ret) CV_NODISCARD;
/* Sets the parent hashes along a path just merged, RFC 9420 section 7.9; gives the leaf's. */
int mls_tree_hash_path(struct tree *t, struct mls_crypto *c, const struct filtered_path *path, uint8_t *ret,
		       size_t *ret_len) CV_NODISCARD;
/* Every parent node chains down to a leaf, RFC 9420 section 7.9.2, and unmerged_leaves are in order. CV_EINVAL. */
int mls_tree_check_parents(struct tree *t, struct mls_crypto *c) CV_NODISCARD;

#endif
