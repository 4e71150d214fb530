/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group as one of its members sees it: create or join, commit, process, speak, export. RFC 9420 sections 11 and 12.
 *
 * Every call either succeeds or leaves the group as it was (a receive key that has been used stays used).
 * A commit made here is *pending* until the delivery service has accepted it: then call mls_group_merge_pending, or
 * mls_group_clear_pending when another commit won the epoch.
 */
#ifndef MLS_GROUP_H
#define MLS_GROUP_H

#include <mls/key_package.h>
#include <mls/message.h>
#include <mls/policy.h>
#include <mls/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mls_group;

/* How a group behaves here; nothing of it is on the wire. Copied; policy.ctx and env are borrowed. */
struct mls_group_options {
	const struct mls_env *env; /* required */
	struct mls_policy policy;  /* policy.leaf is required */
	uint32_t padding;          /* PrivateMessages are padded to a multiple of this many bytes; 0: none */
	uint32_t max_forward;      /* how many generations a sender may be ahead; 0: 1024 */
	uint32_t max_skipped;      /* receive keys kept per sender for messages out of order; 0: 64 */
	uint32_t past_epochs; /* application messages are still read for so many past epochs (at most 8); 0: none */
	uint32_t resumption_epochs;  /* resumption PSKs kept for so many past epochs (at most 32); 0: 4 */
	uint32_t lifetime_tolerance; /* seconds by which a KeyPackage's validity may be missed on Add */
	uint64_t lifetime_max; /* longest validity (not_after - not_before) accepted in a KeyPackage's leaf, on Add or
				  in a tree that is being joined, in seconds; 0: any (RFC 9420 section 7.2 wants one) */
	bool public_handshake; /* send proposals and commits as PublicMessage instead of PrivateMessage */
};

/*
 * A new group of one, for mls_group_free. `extensions` become the GroupContext's. The creator's leaf is valid from a
 * day ago for 90 days (less under lifetime_max), or until its first path. CV_EINVAL: options that are not allowed, a
 * group id longer than MLS_GROUP_ID_MAX, or a `member` that makes no leaf; CV_EUNSUPPORTED: suite not known, or
 * extensions that `member` does not announce; CV_EFORMAT, CV_ETRUNCATED, CV_ETRAILING: extensions or credential
 * malformed; CV_EAUTH: the signer's key is not the member's; CV_ELIMIT, CV_ENOMEM, CV_ECRYPTO, the signer's error, the
 * policy's refusal.
 */
CV_PUBLIC int mls_group_create(const struct mls_group_options *options, uint16_t suite, const struct mls_member *member,
			       struct cv_span group_id, const struct mls_extension *extensions, size_t n_extensions,
			       struct mls_group **ret) CV_NODISCARD;

/* How to join by Welcome. Everything is borrowed for the call, the signer (its ctx) for the life of the group. */
struct mls_join {
	struct cv_span welcome; /* the MLSMessage */
	const struct mls_key_package
		*key_package;        /* the one of ours that it is for (see mls_welcome_next); borrowed for the call */
	struct mls_signer signer;    /* for the key package's signature key */
	struct cv_span ratchet_tree; /* when the Welcome carries none; else empty */
	struct cv_span expected_group_id; /* when not empty: refuse any other with CV_EDENIED */
};
/*
 * Joins by Welcome, RFC 9420 section 12.4.3.1: verifies the GroupInfo, every leaf, every parent hash, the confirmation
 * tag. *ret is for mls_group_free. That the group id is unique among the groups of this client (section 12.4.3) is
 * policy.join's to see.
 * CV_ENOTFOUND: the Welcome is not for `key_package`, there is no ratchet tree, or a PSK is not known here (one of a
 * ReInit or a branch is for mls_group_join_successor alone). CV_EAUTH: it does not open, or a signature or tag does not
 * verify. CV_EDENIED: another group than expected, or by policy. CV_EINVAL: no Welcome, or one of another suite;
 * options that are not allowed; hashes, keys or leaves that contradict each other. CV_EEXIST: two members have one key.
 * CV_EEXPIRED: a leaf's validity is none, or longer than lifetime_max. CV_EUNSUPPORTED: a leaf does not announce what
 * the group wants. Decoding errors, CV_ENOMEM, CV_ECRYPTO.
 */
CV_PUBLIC int mls_group_join(const struct mls_group_options *options, const struct mls_join *join,
			     struct mls_group **ret) CV_NODISCARD;
/* Wipes and frees. Takes NULL. */
CV_PUBLIC void mls_group_free(struct mls_group *g);

/* What to commit. Zeroed: an empty commit with a path (an update of our own keys). Everything is borrowed for the call.
 */
struct mls_commit {
	const struct cv_span *adds; /* KeyPackages as MLSMessages */
	size_t n_adds;
	const uint32_t *removes; /* leaf indexes */
	size_t n_removes;
	bool set_extensions; /* replace the GroupContext's extensions by `extensions` */
	const struct mls_extension *extensions;
	size_t n_extensions;
	const struct mls_psk_question *psks; /* pre-shared keys to mix in; the policy's psk hook gives their values */
	size_t n_psks;
	const struct mls_reinit *reinit; /* alone (kept proposals stay out): end this group, RFC 9420 section 11.2 */
	bool drop_proposals;             /* leave out the proposals received since the epoch began */
	bool force_path;                 /* a path even where Adds alone would not need one */
	struct cv_span authenticated_data;
	const struct mls_member *member; /* new credential, key or extensions for our leaf (implies a path); or NULL */
	bool tree_outside_welcome; /* leave the ratchet tree out of the Welcome: give mls_group_tree to newcomers */
	/*
	 * The application's own in the GroupInfos of this commit: in the Welcome, and in the one of want_group_info.
	 * Checked as by mls_group_info_with (<mls/external.h>).
	 */
	const struct mls_extension *info_extensions;
	size_t n_info_extensions;
	bool want_group_info; /* also give the new epoch's GroupInfo (with tree and external_pub) */
};
/* The group that follows a ReInit. */
struct mls_reinit {
	struct cv_span group_id;
	uint16_t suite;
	const struct mls_extension *extensions;
	size_t n_extensions;
};
/* MLSMessages, owned by the caller (mls_commit_output_done); a part that there is no need for has len 0. */
struct mls_commit_output {
	struct cv_buf commit;
	struct cv_buf welcome;
	struct cv_buf group_info;
	struct cv_buf ratchet_tree; /* with tree_outside_welcome: the new epoch's tree, as mls_join takes it */
};
/* Frees what *o owns. Takes a zeroed struct. */
CV_PUBLIC void mls_commit_output_done(struct mls_commit_output *o);

/*
 * Makes a commit, RFC 9420 section 12.4.1; the new epoch is pending. Proposals received since the epoch began go in by
 * reference unless drop_proposals. Left out are those of an Update of our own, that contradict others, or that add who
 * is a member or is added by a later one or by `what`; with any other that cannot be committed (a PSK not known here,
 * an Update to another's key) this fails, and drop_proposals helps.
 * CV_ESTATE: one is pending, or the group has ended. CV_EINVAL: a proposal list that RFC 9420 section 12.2 forbids, or
 * a KeyPackage or `member` that no leaf may be like. CV_EEXPIRED, CV_EAUTH, CV_EUNSUPPORTED, decoding errors: for
 * KeyPackages (and extensions). CV_EEXIST: a key is in the group already. CV_ENOTFOUND: a PSK that is not known here.
 * CV_EDENIED or another answer of the policy. CV_ELIMIT: more than MLS_PROPOSALS_MAX, MLS_PSKS_MAX, MLS_LEAVES_MAX, or
 * a message or the tree longer than MLS_MESSAGE_MAX. CV_ENOMEM, CV_ECRYPTO, the signer's error.
 */
CV_PUBLIC int mls_group_commit(struct mls_group *g, const struct mls_commit *what,
			       struct mls_commit_output *ret) CV_NODISCARD;
/* Whether a commit of ours waits for mls_group_merge_pending. */
CV_PUBLIC bool mls_group_has_pending(const struct mls_group *g);
/* The pending epoch becomes the current one; the old one's secrets are wiped. CV_ESTATE without one. */
CV_PUBLIC int mls_group_merge_pending(struct mls_group *g) CV_NODISCARD;
/* Forgets (wipes) the pending commit. Harmless without one. */
CV_PUBLIC void mls_group_clear_pending(struct mls_group *g);

/*
 * Proposals as messages of their own, RFC 9420 section 12.1. Each appends an MLSMessage to send, and keeps the proposal
 * for the next commit of ours. The policy is asked when a commit carries it.
 * All: CV_ESTATE: the group has ended; CV_EEXIST: the very same message waits already; CV_ELIMIT: MLS_KEPT_MAX or
 * MLS_KEPT_BYTES_MAX wait, or longer than MLS_MESSAGE_MAX; CV_ENOMEM, CV_ECRYPTO, or the signer's error. And these:
 */
/*
 * `key_package`: the MLSMessage. CV_EAUTH: its signature; CV_EINVAL, CV_EUNSUPPORTED: not for this group; decoding
 * errors. Leaf and lifetime are checked when it is committed.
 */
CV_PUBLIC int mls_group_propose_add(struct mls_group *g, struct cv_span key_package, struct cv_span authenticated_data,
				    struct cv_buf *out) CV_NODISCARD;
/* CV_EINVAL: there is no leaf at `index`. */
CV_PUBLIC int mls_group_propose_remove(struct mls_group *g, uint32_t index, struct cv_span authenticated_data,
				       struct cv_buf *out) CV_NODISCARD;
/*
 * `member` NULL: as now, with a fresh encryption key. The keys take effect when somebody else commits it. CV_EINVAL: a
 * `member` that makes no leaf; CV_EFORMAT: its credential or extensions; CV_ELIMIT also: MLS_OWN_UPDATES_MAX wait.
 */
CV_PUBLIC int mls_group_propose_update(struct mls_group *g, const struct mls_member *member,
				       struct cv_span authenticated_data, struct cv_buf *out) CV_NODISCARD;
/* The whole new list for the GroupContext. CV_EFORMAT: a type twice; decoding errors in what the RFC defines. */
CV_PUBLIC int mls_group_propose_extensions(struct mls_group *g, const struct mls_extension *extensions,
					   size_t n_extensions, struct cv_span authenticated_data,
					   struct cv_buf *out) CV_NODISCARD;
/* CV_EINVAL: usage reinit or branch after epoch 0 (section 11). That the key is known is checked with the commit. */
CV_PUBLIC int mls_group_propose_psk(struct mls_group *g, const struct mls_psk_question *psk,
				    struct cv_span authenticated_data, struct cv_buf *out) CV_NODISCARD;
/* CV_EFORMAT: an extension type twice; CV_ELIMIT also: a group id over MLS_GROUP_ID_MAX; decoding errors as above. */
CV_PUBLIC int mls_group_propose_reinit(struct mls_group *g, const struct mls_reinit *reinit,
				       struct cv_span authenticated_data, struct cv_buf *out) CV_NODISCARD;
/* How many proposals, ours and others', are kept for the next commit. */
CV_PUBLIC size_t mls_group_n_proposals(const struct mls_group *g);
/* Forgets them, and wipes the private keys of our own Updates among them. */
CV_PUBLIC void mls_group_clear_proposals(struct mls_group *g);

/*
 * Encrypts application data, RFC 9420 section 6.3. Appends the MLSMessage. CV_ESTATE: the group has ended, or proposals
 * wait for a commit (section 12.4); CV_ELIMIT: longer than MLS_MESSAGE_MAX, or 2^32 generations are used up; CV_ENOMEM,
 * CV_ECRYPTO, or the signer's error.
 */
CV_PUBLIC int mls_group_encrypt(struct mls_group *g, struct cv_span plaintext, struct cv_span authenticated_data,
				struct cv_buf *out) CV_NODISCARD;

enum mls_received_kind {
	MLS_RECEIVED_APPLICATION = 1,
	MLS_RECEIVED_PROPOSAL = 2, /* checked and kept for the next commit */
	MLS_RECEIVED_COMMIT = 3,   /* applied: the group is in the next epoch */
	MLS_RECEIVED_REMOVED = 4,  /* a commit that removes us: the group has ended here, only mls_group_free is left */
	MLS_RECEIVED_REINIT = 5,   /* a commit with ReInit, applied: see mls_group_reinit_info */
};
struct mls_received {
	enum mls_received_kind kind;
	uint64_t epoch;      /* of the message */
	uint8_t sender_type; /* enum mls_sender_type */
	uint32_t sender;     /* leaf index (external commit: the new one), or index of the external sender */
	struct cv_span authenticated_data; /* borrowed from the message given in */
	struct cv_buf plaintext;           /* application data; owned by the caller */
	/* Commit: what it did. Owned; indexes of leaves. */
	uint32_t *added, *removed;
	size_t n_added, n_removed;
	bool extensions_changed;
};
/* Wipes and frees what *r owns. Takes a zeroed struct. */
CV_PUBLIC void mls_received_done(struct mls_received *r);

/*
 * Takes a PublicMessage or PrivateMessage for this group, RFC 9420 sections 6 and 12.4.2.
 * *ret is for mls_received_done.
 * CV_EEPOCH: another epoch than the current (or a kept past) one. CV_EREPLAY: generation used, or fallen out of the
 * window. CV_ELIMIT: too far ahead, too many proposals, or too long a tree. CV_EAUTH: signature, tag or AEAD.
 * CV_ESTATE: our own message, or the group has ended. CV_EDENIED, or another answer of the policy. CV_EINVAL: another
 * kind of message, another group, or a proposal list, leaf or path that the RFC forbids. CV_EEXPIRED, CV_EUNSUPPORTED:
 * a leaf or KeyPackage. CV_EEXIST: a proposal that waits already, or a key that is in the group already. CV_ENOTFOUND:
 * a proposal reference or PSK that is not known here. Decoding errors, CV_ENOMEM, CV_ECRYPTO. A valid commit clears a
 * pending one of ours.
 */
CV_PUBLIC int mls_group_process(struct mls_group *g, const void *msg, size_t len,
				struct mls_received *ret) CV_NODISCARD;

/* --- State of the current epoch. Spans are borrowed until the group changes. --- */

/* Its suite (enum mls_suite_id), id and epoch. */
CV_PUBLIC uint16_t mls_group_suite(const struct mls_group *g);
CV_PUBLIC struct cv_span mls_group_id(const struct mls_group *g);
CV_PUBLIC uint64_t mls_group_epoch(const struct mls_group *g);
/* The index of our leaf. */
CV_PUBLIC uint32_t mls_group_own_index(const struct mls_group *g);
/* False after a commit that removed us, or with ReInit. */
CV_PUBLIC bool mls_group_active(const struct mls_group *g);
/* Of the GroupContext, for mls_extension_find. */
CV_PUBLIC struct cv_span mls_group_extensions(const struct mls_group *g);
/* RFC 9420 section 8.7, KDF.Nh bytes; empty after our removal. */
CV_PUBLIC struct cv_span mls_group_epoch_authenticator(const struct mls_group *g);
/* KDF.Nh bytes each, RFC 9420 sections 8.2 and 7.8; the transcript hash is empty in epoch 0. */
CV_PUBLIC struct cv_span mls_group_confirmed_transcript_hash(const struct mls_group *g);
CV_PUBLIC struct cv_span mls_group_tree_hash(const struct mls_group *g);
/* The resumption PSK of this epoch, to be handed to other groups' psk hooks: a secret of KDF.Nh
 * bytes; empty after our removal. */
CV_PUBLIC struct cv_span mls_group_resumption_psk(const struct mls_group *g);
/* How many leaves have a member. */
CV_PUBLIC uint32_t mls_group_n_members(const struct mls_group *g);
/* The leaf at an index, borrowed until the group changes. CV_ENOTFOUND: there is none. */
CV_PUBLIC int mls_group_member(const struct mls_group *g, uint32_t index, struct mls_leaf_view *ret) CV_NODISCARD;
/* The first index >= from with a member, or UINT32_MAX. */
CV_PUBLIC uint32_t mls_group_next_member(const struct mls_group *g, uint32_t from);
/* The leaf with this signature key. CV_ENOTFOUND. */
CV_PUBLIC int mls_group_find_member(const struct mls_group *g, struct cv_span signature_key,
				    uint32_t *ret_index) CV_NODISCARD;
/*
 * MLS-Exporter(label, context, len), RFC 9420 section 8.5; `ret` becomes a secret of the caller's. CV_EINVAL: `len`
 * more than 255 * KDF.Nh; CV_ESTATE: we were removed; CV_ECRYPTO.
 */
CV_PUBLIC int mls_group_export(struct mls_group *g, const char *label, struct cv_span context, uint8_t *ret,
			       size_t len) CV_NODISCARD;
/* The same of the epoch that is pending. CV_ESTATE without one; CV_EINVAL, CV_ECRYPTO as above. */
CV_PUBLIC int mls_group_pending_export(struct mls_group *g, const char *label, struct cv_span context, uint8_t *ret,
				       size_t len) CV_NODISCARD;
/* Its authenticator; empty without one. */
CV_PUBLIC struct cv_span mls_group_pending_epoch_authenticator(const struct mls_group *g);
/* Appends the ratchet tree as in the ratchet_tree extension, RFC 9420 section 12.4.3.3. CV_ELIMIT, CV_ENOMEM. */
CV_PUBLIC int mls_group_tree(const struct mls_group *g, struct cv_buf *out) CV_NODISCARD;

/*
 * Appends everything of the group, own keys, secrets and a pending commit included; `out` must be secret. Signature
 * keys, policy and env are the application's, and handed in again on restore. Whoever goes on from an old state, or
 * from the same one twice, uses keys twice: save after each change and before its message is sent. CV_ESTATE after
 * removal; CV_ENOMEM; CV_ELIMIT when `out` is too small.
 */
CV_PUBLIC int mls_group_save(const struct mls_group *g, struct cv_buf *out) CV_NODISCARD;
/* One of the member's own signature keys. */
struct mls_own_key {
	struct cv_span public_key; /* as in LeafNodes; borrowed for the call */
	struct mls_signer signer;  /* its ctx for the life of the group */
};
/*
 * `keys`: the signature key of the own leaf, and of each Update or commit that waits with another one. *ret is for
 * mls_group_free. CV_ENOTFOUND when a key is missing; CV_EUNSUPPORTED for another version's form; CV_EINVAL (options);
 * decoding errors; CV_ENOMEM, CV_ECRYPTO.
 */
CV_PUBLIC int mls_group_restore(const struct mls_group_options *options, const struct mls_own_key *keys, size_t n_keys,
				const void *data, size_t len, struct mls_group **ret) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
