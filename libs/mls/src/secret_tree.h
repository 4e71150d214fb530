/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secret tree and its ratchets: RFC 9420 sections 9 and 6.3.2. Nodes exist only where a secret is held; a secret is
 * wiped the moment what follows from it has been derived (section 9.2).
 */
#ifndef MLS_SRC_SECRET_TREE_H
#define MLS_SRC_SECRET_TREE_H

#include "codec.h"
#include "tree_math.h"

enum ratchet_kind { RATCHET_HANDSHAKE, RATCHET_APPLICATION };

struct message_key {
	uint32_t generation;
	uint8_t key[KEY_MAX];
	uint8_t nonce[NONCE_LEN];
};
/* Keys of generations that have been passed over, ascending; one allocation, wiped as a whole. */
struct skipped_keys {
	size_t n;
	struct message_key key[];
};
struct ratchet {
	struct cv_secret secret; /* empty until used */
	uint32_t generation;     /* of the next key from `secret` */
	struct skipped_keys *skipped;
};
struct secret_node {
	struct cv_secret secret; /* empty once both children have theirs */
	struct secret_node *child[2];
	struct ratchet *ratchets; /* of a leaf: two, indexed by enum ratchet_kind */
};
struct secret_tree {
	uint32_t n_leaves;
	struct secret_node *root;
};
/* What sealing or opening one message will change, prepared beforehand so that keeping it cannot fail. */
struct ratchet_step {
	struct ratchet *ratchet;
	struct cv_secret secret;
	uint32_t generation;
	struct skipped_keys *skipped;
	struct message_key key; /* for the message itself */
};

int mls_secret_tree_new(uint32_t n_leaves, const struct cv_secret *encryption_secret,
			struct secret_tree **ret) CV_NODISCARD;
void mls_secret_tree_free(struct secret_tree *t);

/*
 * The next key for sending; nothing changes until mls_ratchet_step_keep, which must come before anything sealed with it
 * goes out. CV_ELIMIT when the generations are used up.
 */
int mls_secret_tree_next(struct secret_tree *t, struct mls_crypto *c, uint32_t leaf, enum ratchet_kind kind,
			 struct ratchet_step *ret) CV_NODISCARD;
/*
 * The key of one generation for receiving; nothing changes until mls_ratchet_step_keep. CV_EREPLAY when used or no
 * longer held, CV_ELIMIT when more than `max_forward` ahead. At most `max_skipped` keys are held back.
 */
int mls_secret_tree_get(struct secret_tree *t, struct mls_crypto *c, uint32_t leaf, enum ratchet_kind kind,
			uint32_t generation, uint32_t max_forward, uint32_t max_skipped,
			struct ratchet_step *ret) CV_NODISCARD;
void mls_ratchet_step_keep(struct ratchet_step *s);
void mls_ratchet_step_drop(struct ratchet_step *s);

/* sender_data_key and _nonce from the start of a ciphertext, section 6.3.2. */
int mls_sender_data_key(struct mls_crypto *c, const struct cv_secret *sender_data_secret, struct cv_span ciphertext,
			struct message_key *ret) CV_NODISCARD;

/* Everything still held, for saving and restoring a group. */
void mls_secret_tree_put(const struct secret_tree *t, struct cv_buf *b);
int mls_secret_tree_read(struct cv_reader *r, uint32_t n_leaves, size_t nh, struct secret_tree **ret) CV_NODISCARD;

#endif
