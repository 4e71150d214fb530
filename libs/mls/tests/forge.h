/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dishonest member: messages that are signed, tagged and encrypted as they should be, and wrong in what they say.
 * Only what RFC 9420 tells receivers to check stands between these and the group. Knows the library's inside.
 */
#ifndef MLS_TESTS_FORGE_H
#define MLS_TESTS_FORGE_H

#include "../src/state.h"

/* Any body in a message from a member: signature, membership tag, encryption are right. `tag` is the confirmation tag.
 */
int forge_message(struct mls_group *g, uint16_t wire_format, uint8_t content_type, struct cv_span body,
		  struct cv_span tag, struct cv_buf *out) CV_NODISCARD;
/* The same with another signer, or another sender. NULL: as in the group. */
int forge_message_as(struct mls_group *g, const struct sender *sender, const struct mls_signer *signer,
		     uint16_t wire_format, uint8_t content_type, struct cv_span body, struct cv_span tag,
		     struct cv_buf *out) CV_NODISCARD;

/* What is wrong with a commit that is otherwise right in every hash and tag. */
enum forgery {
	FORGE_NOTHING,
	FORGE_PARENT_HASH,   /* of the new leaf */
	FORGE_SAME_LEAF_KEY, /* the new leaf has the old encryption key */
	FORGE_LEAF_SOURCE,   /* update instead of commit */
	FORGE_LEAF_SIGNATURE,
	FORGE_NODE_MISSING, /* the path is one node short */
	FORGE_NODE_EXTRA,
	FORGE_CIPHERTEXT_MISSING,
	FORGE_CIPHERTEXT_EXTRA,
	FORGE_NODE_KEY,   /* a public key that does not follow from its secret */
	FORGE_REUSED_KEY, /* a path node has the key of somebody's leaf */
	FORGE_SMALL_ORDER_KEY,
	FORGE_KEPT_NODE_KEY, /* the root keeps the key that it has */
	FORGE_ROOT_TO_LEAF,  /* the new leaf has the key that the root has */
	FORGE_LEAF_TO_ROOT,  /* the root gets the key that the committer's leaf has */
	FORGE_CONFIRMATION_TAG,
	FORGE_LIST,        /* nothing but what the proposals hold, which is not looked at */
	FORGE_WELCOME_TAG, /* only the Welcome's GroupInfo carries a wrong confirmation tag */
	FORGE_LAST,
};
/* A commit with path over the content of `ProposalOrRef proposals<V>`; `welcome` may be NULL. Nothing stays pending. */
int forge_commit(struct mls_group *g, struct cv_span proposals, enum forgery what, struct cv_buf *commit,
		 struct cv_buf *welcome) CV_NODISCARD;

/*
 * An external commit of the member's, from the GroupInfo that `g` gives, with `more` (content of a list of proposals)
 * behind its ExternalInit, whatever the rules say of them. All its hashes and tags are right.
 */
int forge_external(struct mls_group *g, const struct mls_group_options *options, const struct mls_member *member,
		   struct cv_span more, struct cv_buf *commit) CV_NODISCARD;

/* Signs a GroupInfo anew in the member's name, and appends it as an MLSMessage. */
int forge_group_info_as(struct mls_group *g, const struct group_info *gi, struct cv_buf *out) CV_NODISCARD;
/* A GroupInfo signed by the member over a tree that `spoil` has changed; hash and context fit the changed tree. */
int forge_group_info(struct mls_group *g, void (*spoil)(struct tree *t), struct cv_buf *out) CV_NODISCARD;

#endif
