/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Array indexes of a full binary tree: RFC 9420 section 4.1 and appendix C. Leaves are the even nodes; a tree of n
 * leaves (a power of two) has 2n-1 nodes; its left half keeps its numbers when the tree doubles.
 */
#ifndef MLS_SRC_TREE_MATH_H
#define MLS_SRC_TREE_MATH_H

#include <stdbool.h>
#include <stdint.h>

/* Levels above the leaves in the largest tree that is taken: 2^14 leaves. */
#define TREE_DEPTH_MAX 14

static inline uint32_t node_of_leaf(uint32_t leaf)
{
	return 2 * leaf;
}

static inline uint32_t leaf_of_node(uint32_t node)
{
	return node / 2;
}

static inline bool node_is_leaf(uint32_t node)
{
	return node % 2 == 0;
}

static inline uint32_t node_count(uint32_t n_leaves)
{
	return n_leaves ? 2 * n_leaves - 1 : 0;
}

static inline uint32_t tree_root(uint32_t n_leaves)
{
	return n_leaves - 1;
}

/* 0 for leaves. */
static inline uint32_t node_level(uint32_t node)
{
	return (uint32_t)__builtin_ctz(~node);
}

static inline uint32_t node_left(uint32_t node)
{
	return node ^ (1u << (node_level(node) - 1));
}

static inline uint32_t node_right(uint32_t node)
{
	return node ^ (3u << (node_level(node) - 1));
}

/* In a tree without end; the root of the real one has no parent. */
static inline uint32_t node_parent(uint32_t node)
{
	uint32_t k = node_level(node);

	return (node | 1u << k) & ~(1u << (k + 1));
}

static inline uint32_t node_sibling(uint32_t node)
{
	uint32_t p = node_parent(node);

	return node < p ? node_right(p) : node_left(p);
}

/* The ancestor of a leaf at a level. */
static inline uint32_t leaf_ancestor(uint32_t leaf, uint32_t level)
{
	return ((leaf >> level) << (level + 1)) + (1u << level) - 1;
}

/* Leaves under a node: [first, first + count). */
static inline uint32_t node_first_leaf(uint32_t node)
{
	return (node + 1 - (1u << node_level(node))) / 2;
}

static inline uint32_t node_leaf_count(uint32_t node)
{
	return 1u << node_level(node);
}

static inline bool node_covers_leaf(uint32_t node, uint32_t leaf)
{
	return leaf - node_first_leaf(node) < node_leaf_count(node);
}

#endif
