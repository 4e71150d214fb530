/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application's say: the 'Authentication Service' of RFC 9420 section 5.3.1 and every rule of its own.
 *
 * Every hook is optional except `leaf`, returns 0 to accept or a negative CV_E… (usually CV_EDENIED) to refuse, and is
 * called before any state changes; its refusal becomes the result of the call in progress. The same hooks judge what
 * this client creates and what it receives. A hook must not call functions that change the group.
 */
#ifndef MLS_POLICY_H
#define MLS_POLICY_H

#include <mls/types.h>

struct mls_group;

/* Where a leaf is met. */
enum mls_leaf_where {
	MLS_LEAF_IN_ADD,    /* in an Add proposal, ours or another's */
	MLS_LEAF_IN_UPDATE, /* in an Update proposal */
	MLS_LEAF_IN_COMMIT, /* in the path of a commit */
	MLS_LEAF_IN_TREE,   /* in the tree of a group that is being joined */
	MLS_LEAF_IN_OWN,    /* our own, when a group is created */
};
struct mls_leaf_question {
	enum mls_leaf_where where;
	struct cv_span group_id;          /* of the group it is for */
	uint32_t index;                   /* leaf index; of an Add not known yet: UINT32_MAX */
	const struct mls_leaf_view *leaf; /* its signature, capabilities and key uniqueness are already checked */
	const struct mls_leaf_view
		*replaced; /* Update, Commit: the leaf in force (external commit: the one it removes); else NULL */
	const struct mls_group *group; /* the state before; NULL while joining or creating */
};

/* What names a pre-shared key in a proposal or a Welcome, RFC 9420 section 8.4. */
enum mls_psk_usage {
	MLS_PSK_EXTERNAL = 0,    /* by psk_id */
	MLS_PSK_APPLICATION = 1, /* resumption: by group_id and epoch */
	MLS_PSK_REINIT = 2,
	MLS_PSK_BRANCH = 3,
};
struct mls_psk_question {
	enum mls_psk_usage usage;
	struct cv_span psk_id;   /* MLS_PSK_EXTERNAL */
	struct cv_span group_id; /* the others */
	uint64_t epoch;
};

/*
 * One proposal: in force in a commit, or on its own. Spans are borrowed for the call. A hook that wants no downgrade
 * refuses a ReInit by suite and version; mls_suite_hash_len and the numbers of enum mls_suite_id tell suites apart.
 */
struct mls_change {
	uint16_t type;                    /* enum mls_proposal_type */
	bool by_reference;                /* it came as a message of its own before */
	uint8_t sender_type;              /* enum mls_sender_type (<mls/message.h>) of the proposer */
	uint32_t sender;                  /* leaf index or index into external_senders of the proposer */
	uint32_t index;                   /* Add: the leaf it gets; Update, Remove: the leaf it is about */
	const struct mls_leaf_view *leaf; /* Add, Update: the new leaf; Remove: the leaf removed; else NULL */
	uint16_t version;                 /* Add: of the KeyPackage; ReInit: of the next group (1: RFC 9420); else 0 */
	uint16_t suite;                   /* likewise; one that this library does not know is possible in a ReInit */
	struct cv_span extensions;        /* GroupContextExtensions, ReInit: the new list. Add: the KeyPackage's own,
					     those of its leaf are in `leaf` */
	struct cv_span group_id;          /* ReInit: the next group's id */
	struct mls_psk_question psk;      /* PSK: what names it */
};
/* A whole commit, checked and ready to be applied. */
struct mls_commit_question {
	const struct mls_group *group;              /* the state before it */
	bool own;                                   /* made by this client */
	bool external;                              /* the committer joins by it (RFC 9420 section 12.4.3.2) */
	uint32_t committer;                         /* leaf index; for an external commit the one it gets */
	const struct mls_leaf_view *committer_leaf; /* as before the commit; external: its new leaf */
	const struct mls_leaf_view *new_leaf;       /* the committer's leaf from the path; NULL without a path */
	uint64_t epoch;                             /* the epoch it ends */
	struct cv_span authenticated_data;
	const struct mls_change *changes;
	size_t n_changes;
	struct cv_span old_extensions, new_extensions; /* of the GroupContext, for mls_extension_find */
};
/* A proposal that came as a message of its own and would be kept for a later commit. */
struct mls_proposal_question {
	const struct mls_group *group;
	const struct mls_change *change;
	struct cv_span authenticated_data;
};

struct mls_policy {
	/* Accepts a leaf: who is it, and may it be here? Required. */
	int (*leaf)(void *ctx, const struct mls_leaf_question *q);
	/*
	 * The name by which the application tells clients apart, for the rules that compare the members of two groups
	 * (RFC 9420 sections 11.2 and 11.3): borrowed until the call in progress ends, not empty. NULL: two leaves are
	 * the same client when their whole credentials are equal.
	 */
	int (*identity)(void *ctx, const struct mls_leaf_view *leaf, struct cv_span *ret);
	/* Accepts a commit as a whole. NULL: all. */
	int (*commit)(void *ctx, const struct mls_commit_question *q);
	/*
	 * Accepts a proposal received on its own. NULL: all. A meeting that wants none refuses here. Those of our own
	 * are judged with the commit that carries them; `leaf` is asked about theirs at once.
	 */
	int (*proposal)(void *ctx, const struct mls_proposal_question *q);
	/*
	 * Shown the extensions of the GroupInfo by which we join (mls_extension_find), before `join`; the ratchet tree
	 * and external_pub may be among them. "Unknown extensions MUST be ignored" (RFC 9420 section 12.4.3): refuse
	 * for what is in one that the application knows. NULL: not looked at.
	 */
	int (*group_info)(void *ctx, const struct mls_group *group, struct cv_span extensions);
	/* Accepts the group that a Welcome or an external commit leads into; called last, with the group complete.
	 * NULL: all. */
	int (*join)(void *ctx, const struct mls_group *group);
	/*
	 * Finds a pre-shared key: `ret_psk` is borrowed until the call in progress ends. CV_ENOTFOUND. Resumption keys
	 * of this group's own recent epochs are found without it. NULL: there are none.
	 */
	int (*psk)(void *ctx, const struct mls_psk_question *q, struct cv_span *ret_psk);
	void *ctx;
};

#endif
