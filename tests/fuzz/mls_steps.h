/* SPDX-License-Identifier: Apache-2.0 */
/* The form of the inputs of fuzz-mls_session and fuzz-mls_join, which mls_seeds.c writes too. */
#ifndef FUZZ_MLS_STEPS_H
#define FUZZ_MLS_STEPS_H

/* Session: state (1 byte), then steps: kind (1) with these flags, length (2), content. */
enum step_kind {
	STEP_RAW,                /* the content is the message */
	STEP_SPEAK,              /* application data */
	STEP_SPEAK_OUT_OF_ORDER, /* the same twice, in the wrong order and again */
	STEP_SPEAK_LATE,         /* from the epoch before; MENDED: a proposal instead */
	STEP_PROPOSE,            /* a Proposal */
	STEP_COMMIT_BODY,        /* a Commit, with a wrong confirmation tag */
	STEP_COMMIT_LIST,        /* what is wrong (1), which kept ones (1), more proposals: a commit made for them */
	STEP_GRAFT_LIST,         /* which kept ones (1), more proposals: under the path of an empty commit */
	STEP_COMMIT_HONESTLY,   /* a member commits what it keeps; MENDED: nothing; the content is authenticated data */
	STEP_EXTERNAL_PROPOSAL, /* index of the external sender (1), a Proposal */
	STEP_NEWCOMER_PROPOSAL, /* a Proposal */
	STEP_NEWCOMER_COMMIT,   /* a Commit */
	STEP_JOIN_OUTSIDE, /* an honest external commit; MENDED: of a member who comes back; IN_PRIVATE: with a PSK */
	STEP_OWN,          /* enum own_act (1), content: the member under test acts itself */
	N_STEPS,
};
#define KIND_MASK 0x1f
enum {
	FROM_OTHER = 0x20, /* else from PEER */
	IN_PRIVATE = 0x40, /* as PrivateMessage */
	MENDED = 0x80,     /* leaves and KeyPackages inside are signed anew */
};
enum own_act {
	OWN_ENCRYPT,
	OWN_UPDATE,
	OWN_PROPOSE_ADD,
	OWN_PROPOSE_REMOVE,
	OWN_COMMIT,
	OWN_COMMIT_NOTHING, /* leaves out what is kept */
	OWN_MERGE,
	OWN_CLEAR_PENDING,
	OWN_CLEAR_PROPOSALS,
	OWN_COMMIT_CHANGES,    /* leaf to remove (1), KeyPackage to add */
	OWN_COMMIT_EXTENSIONS, /* type (1), data */
};

/* Join: mode (1), door (1), MEND_… and these flags (1), content. */
enum join_mode {
	JOIN_WELCOME,           /* the message */
	JOIN_SEALED,            /* length (2), GroupSecrets, GroupInfo; empty: the honest one */
	JOIN_EXTERNAL,          /* the message */
	JOIN_EXTERNAL_MENDED,   /* GroupInfo; empty: the honest one */
	JOIN_KEY_PACKAGE_SAVED, /* for mls_key_package_restore */
	JOIN_KEY_PACKAGE_PARTS, /* length (2), init key, length (2), encryption key, the message */
	JOIN_GROUP_SAVED,       /* for mls_group_restore */
	N_MODES,
};
enum {
	JOIN_OUTSIDE_TREE = 8, /* the honest tree is handed in beside */
	JOIN_RESYNC = 16,      /* a member comes back by external commit */
};

#endif
