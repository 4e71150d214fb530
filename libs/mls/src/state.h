/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a group, RFC 9420 section 8.1 and appendix A. A commit never changes the epoch in force: it builds the
 * next one beside it, and the group's pointer moves when everything has been checked.
 */
#ifndef MLS_SRC_STATE_H
#define MLS_SRC_STATE_H

#include <mls/external.h>

#include "key_schedule.h"
#include "secret_tree.h"
#include "treekem.h"

#define PAST_EPOCHS_MAX       8
#define RESUMPTION_EPOCHS_MAX 32

struct epoch {
	struct cv_buf context;   /* encoded GroupContext, as it goes into keys and signatures */
	struct group_context gc; /* a view of it */
	struct tree *tree;
	struct tree_keys keys;
	uint32_t own;
	struct mls_signer signer; /* for the own leaf's signature key */
	struct epoch_secrets secrets;
	struct secret_tree *secret_tree;
	uint8_t interim[DIGEST_MAX], confirmation_tag[DIGEST_MAX];
	struct cv_buf reinit; /* body of the ReInit proposal that ended the group; else empty */
};

/* A proposal that came as a message of its own. */
struct kept_proposal {
	uint8_t ref[DIGEST_MAX];
	struct sender from;
	struct cv_buf raw; /* the Proposal */
	struct proposal p; /* a view of it */
};
/* The private side of an Update that we proposed. */
struct own_update {
	uint8_t pub[MLS_PUBLIC_MAX];
	struct cv_secret priv;
	struct mls_signer signer;
};
struct resumption {
	uint64_t epoch;
	struct cv_secret psk;
};

struct mls_group {
	struct mls_group_options opt;
	struct mls_crypto crypto;
	struct epoch *cur, *pending;
	struct epoch *past[PAST_EPOCHS_MAX]; /* newest first; only what receiving needs */
	struct resumption resumption[RESUMPTION_EPOCHS_MAX];
	size_t n_resumption;
	struct kept_proposal **kept;
	size_t n_kept, cap_kept, kept_bytes;
	struct own_update *updates;
	size_t n_updates;
	bool removed;
};

/* --- epoch.c --- */
int mls_epoch_new(struct epoch **ret) CV_NODISCARD;
void mls_epoch_free(struct epoch *e);
/* The next epoch in the making: tree and keys are copies, secrets and context still empty. */
int mls_epoch_fork(const struct epoch *e, struct epoch **ret) CV_NODISCARD;
/* Encodes a GroupContext into the epoch; spans may belong to another epoch but not to this one's own context. */
int mls_epoch_set_context(struct epoch *e, const struct group_context *gc) CV_NODISCARD;
/* After the secrets: the secret tree, and the encryption secret itself is wiped. */
int mls_epoch_start(struct epoch *e) CV_NODISCARD;
/* The confirmation tag of the epoch over its confirmed transcript hash; and the interim hash from it. */
int mls_epoch_confirm(struct epoch *e, struct mls_crypto *c) CV_NODISCARD;
/* Hash of the root, into nh bytes. */
int mls_epoch_tree_hash(struct epoch *e, struct mls_crypto *c, uint8_t *ret) CV_NODISCARD;

/* --- group.c --- */
int mls_group_new(const struct mls_group_options *options, uint16_t suite, struct mls_group **ret) CV_NODISCARD;
/* `next` becomes the current epoch, which is wiped or kept as a past one. Cannot fail. */
void mls_group_enter(struct mls_group *g, struct epoch *next);
/*
 * For a member who has been removed: "the client SHOULD promptly delete its group state and secret tree" (section
 * 12.4.2). What is public about the last epoch stays to be looked at.
 */
void mls_group_forget_secrets(struct mls_group *g);
/* The current epoch, or a kept past one; NULL. */
struct epoch *mls_group_find_epoch(struct mls_group *g, uint64_t epoch);
bool mls_group_ended(const struct mls_group *g);

/* --- kept.c: proposals waiting for a commit --- */
int mls_keep_proposal(struct mls_group *g, struct cv_span ref, const struct sender *from,
		      struct cv_span raw) CV_NODISCARD;
/* Takes the last one back. */
void mls_drop_proposal(struct mls_group *g);
/* Its place in g->kept. */
bool mls_find_kept(const struct mls_group *g, struct cv_span ref, size_t *ret_at);
/* CV_ELIMIT after MLS_OWN_UPDATES_MAX. */
int mls_keep_update(struct mls_group *g, const struct mls_hpke_key *key, struct mls_signer signer) CV_NODISCARD;
/* Takes the last one back: its proposal has not become one. */
void mls_drop_update(struct mls_group *g);
void mls_forget_kept(struct mls_group *g);

/* --- leaf.c --- */
struct leaf_parts {
	uint8_t source; /* enum mls_leaf_source */
	uint64_t not_before, not_after;
	struct cv_span parent_hash;
	struct cv_span encryption_key;
	struct cv_span group_id; /* for the signature, unless source is key_package */
	uint32_t index;
};
/* A signed LeafNode of ours from the application's description. */
int mls_leaf_build(struct mls_crypto *c, const struct mls_member *m, const struct leaf_parts *p,
		   struct cv_buf *out) CV_NODISCARD;
/* The same from a leaf in force: only the parts change. */
int mls_leaf_rebuild(const struct leaf_node *old, const struct mls_signer *signer, const struct leaf_parts *p,
		     struct cv_buf *out) CV_NODISCARD;
/* What a leaf is checked against, RFC 9420 section 7.3. */
struct leaf_rules {
	struct mls_crypto *crypto;
	const struct mls_group_options *opt;
	const struct mls_group *group;       /* for the policy; NULL while joining */
	struct cv_span group_id, extensions; /* of the GroupContext that will be in force */
};
/* Everything but uniqueness of keys and other members' support for the credential. Ends with the policy. */
int mls_leaf_check(const struct leaf_rules *rules, const struct leaf_node *l, enum mls_leaf_where where, uint32_t index,
		   const struct leaf_node *replaced) CV_NODISCARD;
int mls_leaf_verify(struct mls_crypto *c, const struct leaf_node *l, struct cv_span group_id,
		    uint32_t index) CV_NODISCARD;
/*
 * Whether the leaf's owner can read every extension of a GroupContext, and has all it requires. `own`: the leaf is
 * ours, so what we only announced for GREASE does not count (section 13.5).
 */
int mls_leaf_supports_context(const struct leaf_node *l, struct cv_span extensions, bool own) CV_NODISCARD;
/* Whether the leaf announces every extension of a list, but for those that the RFC itself defines. */
bool mls_leaf_knows(const struct leaf_node *l, struct cv_span extensions, bool own);
/* Form of the extensions that the RFC itself defines for GroupContexts. CV_EFORMAT. */
int mls_check_context_extensions(struct cv_span extensions) CV_NODISCARD;
/* The i-th external sender of a GroupContext: CV_ENOTFOUND. */
int mls_find_external_sender(struct cv_span extensions, uint32_t i, struct mls_external_sender *ret) CV_NODISCARD;

/* --- key_package.c --- */
struct mls_key_package {
	uint16_t suite;
	struct cv_buf message; /* the MLSMessage */
	struct key_package kp; /* a view of it */
	struct cv_secret init_priv, encryption_priv;
	uint8_t ref[DIGEST_MAX];
	size_t ref_len;
};
/* RFC 9420 section 10.1 without the lifetime. */
int mls_key_package_check(struct mls_crypto *c, const struct key_package *kp) CV_NODISCARD;

/* --- tree_check.c --- */
/*
 * The whole tree as it would be in force: every encryption key once, every signature key once, and every member
 * supports the credential types in use. RFC 9420 sections 7.3 and 12.2. CV_EEXIST, CV_EINVAL.
 */
int mls_tree_check_members(const struct tree *t, const struct cv_rng *rng) CV_NODISCARD;
/*
 * Which of some leaves could be added, beside the members but for those marked in `leaving` (a byte per leaf): that
 * have no key of theirs, nor of a later leaf in the list.
 */
int mls_tree_find_newcomers(const struct tree *t, const struct cv_rng *rng, const uint8_t *leaving,
			    const struct leaf_node *const *leaves, size_t n, bool *ret_new) CV_NODISCARD;
/* Every client of one tree is in the other, as the policy tells them apart: CV_EINVAL. */
int mls_tree_check_subset(const struct tree *part, const struct tree *whole, const struct mls_policy *policy,
			  const struct cv_rng *rng) CV_NODISCARD;

/* --- framing.c --- */
/* A FramedContent with its authentication, whichever wire format it came in or will go out in. */
struct framed {
	uint16_t wire_format;
	struct framed_content content;
	struct content_auth auth;
	struct cv_buf encoded; /* FramedContent when content.raw does not hold it already */
	struct cv_buf plain;   /* decrypted PrivateMessageContent, which the views above borrow */
	struct ratchet_step step;
	uint8_t sig[MLS_SIGNATURE_MAX];
};
void mls_framed_done(struct framed *f);
/* Fills content and encodes it; body as in struct framed_content. */
int mls_framed_init(struct framed *f, const struct epoch *e, uint16_t wire_format, uint8_t content_type,
		    struct cv_span authenticated_data, struct cv_span body) CV_NODISCARD;
int mls_framed_encode(struct framed *f) CV_NODISCARD;
/* Signs into f->sig and f->auth. `context`: encoded GroupContext, or empty for senders that have none. */
int mls_framed_sign(struct framed *f, const struct mls_signer *signer, struct cv_span context) CV_NODISCARD;
int mls_framed_verify(const struct framed *f, struct mls_crypto *c, struct cv_span signature_key,
		      struct cv_span context) CV_NODISCARD;
int mls_framed_ref(const struct framed *f, struct mls_crypto *c, uint8_t *ret) CV_NODISCARD;
/* Appends the MLSMessage in f->wire_format. */
int mls_framed_protect(struct framed *f, struct epoch *e, struct mls_crypto *c, const struct mls_group_options *opt,
		       struct cv_buf *out) CV_NODISCARD;
/* Opens a message up to (not including) the signature. PublicMessage of a member: checks the membership tag. */
int mls_framed_unprotect_public(struct framed *f, const struct epoch *e, struct mls_crypto *c,
				const struct public_message *m) CV_NODISCARD;
int mls_framed_unprotect_private(struct framed *f, struct epoch *e, struct mls_crypto *c,
				 const struct mls_group_options *opt, const struct private_message *m) CV_NODISCARD;

/* --- stage.c, proposals.c: the next epoch in the making --- */
struct staged {
	struct proposal p;
	struct sender from;
	bool by_reference;
	uint32_t index; /* Add: the leaf it got; Update: the sender's */
};
struct stage {
	struct mls_group *g;
	struct epoch *next;
	struct staged *list;
	size_t n, cap;
	struct sender committer; /* new_member_commit: index is the leaf it will get */
	bool own;                /* made here */
	const struct staged *gce, *reinit, *external_init;
	bool needs_path, removes_us;
	struct cv_span extensions; /* of the next GroupContext */
	uint8_t *added;            /* a mark per leaf */
	struct cv_secret init_secret, psk_secret, commit_secret;
	struct cv_buf psk_ids; /* PreSharedKeyIDs, as GroupSecrets take them */
	struct cv_secret joiner;
	struct leaf_node new_leaf; /* of the path; views into the message or the tree */
	bool has_new_leaf;
	struct cv_span authenticated_data;
};
void mls_stage_done(struct stage *s);
int mls_stage_push(struct stage *s, const struct staged *p) CV_NODISCARD;
/* Reads `ProposalOrRef proposals<V>`; what is by reference must be kept here (CV_ENOTFOUND). */
int mls_stage_read(struct stage *s, struct cv_span proposals) CV_NODISCARD;
/* RFC 9420 section 12.2: the list as a whole and each on its own. */
int mls_stage_validate(struct stage *s) CV_NODISCARD;
/* One proposal on its own, as far as that can be said without the list (sections 12.1 and 12.1.8). */
int mls_proposal_check(struct mls_group *g, const struct proposal *p, const struct sender *from) CV_NODISCARD;
/* The leaf of an Add or Update by the rules of the epoch in force, policy.leaf included; others have none. */
int mls_proposal_check_leaf(struct mls_group *g, const struct proposal *p, const struct sender *from) CV_NODISCARD;
/* Section 12.3: makes s->next with the proposals applied to its tree. */
int mls_stage_apply(struct stage *s) CV_NODISCARD;
/* After proposals and path: the tree as a whole, RFC 9420 section 12.2, last rule; CV_ELIMIT when it is too long. */
int mls_stage_check_tree(struct stage *s) CV_NODISCARD;
/* GroupContext of the next epoch with the transcript as it was: what path secrets are sealed under. */
int mls_stage_context(struct stage *s) CV_NODISCARD;
/* Transcript and key schedule; leaves s->next complete but for the check of the confirmation tag. */
int mls_stage_schedule(struct stage *s, const struct framed *commit) CV_NODISCARD;
/* Asks the policy about the whole. */
int mls_stage_ask(struct stage *s) CV_NODISCARD;
/* The leaf that the committer's new one replaces: its own, or what an external commit removes; NULL. */
const struct leaf_node *mls_stage_replaced(const struct stage *s);
/* A view of one proposal as the policy sees it. */
struct mls_change mls_change_view(const struct mls_group *g, const struct staged *s);

/* --- psk.c --- */
/* Mixes PreSharedKeyIDs one after another; `g` may be NULL. */
int mls_psk_find(const struct mls_group_options *opt, const struct mls_group *g, const struct psk_id *id,
		 struct cv_span *ret) CV_NODISCARD;
int mls_psk_mix(struct mls_crypto *c, const struct mls_group_options *opt, const struct mls_group *g,
		struct cv_span ids, struct cv_secret *ret) CV_NODISCARD;

/* --- welcome.c --- */
/* Which extensions a GroupInfo gets. */
struct info_parts {
	bool tree, external_pub;
	const struct mls_extension *more; /* the application's */
	size_t n_more;
};
/* Appends the GroupInfo of an epoch, signed. */
int mls_group_info_build(struct mls_crypto *c, struct epoch *e, const struct info_parts *p,
			 struct cv_buf *out) CV_NODISCARD;
/* The Welcome for everybody that the stage added; `path` NULL when there was none. */
int mls_welcome_build(struct stage *s, const struct new_path *path, const struct info_parts *p,
		      struct cv_buf *out) CV_NODISCARD;

/* --- join.c --- */
/* Checks a GroupInfo and the tree that goes with it; *ret is an epoch with context, tree, confirmation tag. */
int mls_join_tree(const struct mls_group *g, const struct group_info *gi, struct cv_span ratchet_tree,
		  struct epoch **ret) CV_NODISCARD;
/* mls_group_join; a Welcome with a PSK for reinitialisation or branching is CV_ENOTFOUND unless `successor`. */
int mls_join_welcome(const struct mls_group_options *options, const struct mls_join *j, bool successor,
		     struct mls_group **ret) CV_NODISCARD;

/* --- commit.c --- */
/* A signed commit before it is protected. */
struct commit_message {
	struct framed framed;
	struct cv_buf body;
};
/*
 * What mls_group_join_external shares with mls_group_commit: path, schedule, the message. It is protected last, when
 * nothing else can fail any more.
 */
int mls_commit_prepare(struct stage *s, const struct mls_member *member, struct cv_span proposals, bool with_path,
		       uint16_t wire_format, struct new_path *path, struct commit_message *m) CV_NODISCARD;
int mls_commit_protect(struct stage *s, struct commit_message *m, struct cv_buf *out) CV_NODISCARD;
/* After success or failure of both; `m` may be zero. */
void mls_commit_message_done(struct commit_message *m);

#endif
