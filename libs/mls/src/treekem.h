/* SPDX-License-Identifier: Apache-2.0 */
/* TreeKEM: path secrets made, sent, received. RFC 9420 sections 7.4 to 7.6. */
#ifndef MLS_SRC_TREEKEM_H
#define MLS_SRC_TREEKEM_H

#include "tree.h"

/* The private keys that one member holds: its leaf's (level 0) and those of its ancestors; empty where it has none. */
struct tree_keys {
	struct cv_secret level[TREE_DEPTH_MAX + 1];
};

/* A path being made: its secrets stay here until they are sealed to the others. */
struct new_path {
	struct filtered_path path;
	struct cv_secret secret[TREE_DEPTH_MAX]; /* of each step */
	struct cv_secret commit_secret;
	uint8_t parent_hash[DIGEST_MAX]; /* for the new leaf */
	size_t parent_hash_len;
};

/*
 * Blanks and refills the direct path of `leaf`, whose own keys in *keys are replaced but for level 0 (the caller's).
 * The tree is changed also when it fails: work on a copy.
 */
int mls_path_new(struct tree *t, struct mls_crypto *c, uint32_t leaf, struct tree_keys *keys,
		 struct new_path *ret) CV_NODISCARD;
/* Appends `UpdatePathNode nodes<V>`; `context` is the new epoch's GroupContext, `except` marks leaves just added. */
int mls_path_seal(const struct tree *t, struct mls_crypto *c, const struct new_path *p, struct cv_span context,
		  const uint8_t *except, struct cv_buf *out) CV_NODISCARD;
void mls_path_wipe(struct new_path *p);

/*
 * Merges the public part of a received path (section 12.4.2) into a copy of the tree: the leaf in wire form and the
 * nodes; checks shape and parent hash. CV_EINVAL.
 */
int mls_path_merge(struct tree *t, struct mls_crypto *c, uint32_t sender, const struct update_path *up,
		   struct filtered_path *ret) CV_NODISCARD;
/*
 * Opens the secret meant for `own`, derives upwards, checks it against the public keys, updates *keys.
 * CV_EINVAL when a public key does not follow from its secret; CV_EAUTH.
 */
int mls_path_open(const struct tree *t, struct mls_crypto *c, const struct filtered_path *path,
		  const struct update_path *up, uint32_t own, struct cv_span context, const uint8_t *except,
		  struct tree_keys *keys, struct cv_secret *ret_commit_secret) CV_NODISCARD;
/* For a newcomer: from the path secret of the lowest node it shares with `sender`. */
int mls_path_join(const struct tree *t, struct mls_crypto *c, uint32_t sender, uint32_t own,
		  const struct cv_secret *secret, struct tree_keys *keys) CV_NODISCARD;
/* Wipes keys of nodes that are blank now, or above the tree. */
void mls_keys_prune(const struct tree *t, uint32_t own, struct tree_keys *keys);
/* The index of the step that is the lowest common ancestor, or of the first above it: path->n when there is none. */
uint32_t mls_path_common(const struct filtered_path *path, uint32_t leaf);

#endif
