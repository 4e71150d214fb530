/* SPDX-License-Identifier: Apache-2.0 */
/* From outside and from group to group: external joins and proposals, reinitialisation, branching. */
#ifndef MLS_EXTERNAL_H
#define MLS_EXTERNAL_H

#include <mls/group.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Appends a signed GroupInfo as MLSMessage, RFC 9420 section 12.4.3, with external_pub, and with the ratchet tree if
 * asked for: what an external joiner needs. CV_ESTATE: the group has ended; CV_ELIMIT, CV_ENOMEM, CV_ECRYPTO, or the
 * signer's error.
 */
CV_PUBLIC int mls_group_info(struct mls_group *g, bool with_tree, struct cv_buf *out) CV_NODISCARD;
/*
 * The same with extensions of the application's own, which policy.group_info shows to who joins by it. CV_EFORMAT: a
 * type twice; CV_EINVAL: one that this library writes itself, or too many.
 */
CV_PUBLIC int mls_group_info_with(struct mls_group *g, bool with_tree, const struct mls_extension *extensions,
				  size_t n_extensions, struct cv_buf *out) CV_NODISCARD;

/* How to join from outside. Everything is borrowed for the call. */
struct mls_external_join {
	struct cv_span group_info;        /* the MLSMessage */
	struct cv_span ratchet_tree;      /* when the GroupInfo carries none */
	struct cv_span expected_group_id; /* when not empty: refuse any other with CV_EDENIED */
	bool resync;                      /* also remove our former leaf: the one with our signature key */
	const struct mls_psk_question *psks;
	size_t n_psks;
	struct cv_span authenticated_data;
};
/*
 * Joins without being asked, RFC 9420 section 12.4.3.2. Appends the commit (a PublicMessage) to `commit`; the group in
 * *ret (for mls_group_free) is already in the new epoch: throw it away when the delivery service refuses the commit.
 * The GroupInfo and its tree are checked as by mls_group_join, with the same errors. CV_EDENIED: another group than
 * expected, or by policy; CV_ENOTFOUND: no external_pub, no ratchet tree, or a PSK that is not known here; CV_EINVAL:
 * no GroupInfo, or something in it that RFC 9420 forbids; CV_EAUTH; CV_EUNSUPPORTED: the group wants what `member` does
 * not announce; CV_ELIMIT, CV_ENOMEM, CV_ECRYPTO, or the signer's error.
 */
CV_PUBLIC int mls_group_join_external(const struct mls_group_options *options, const struct mls_member *member,
				      const struct mls_external_join *join, struct cv_buf *commit,
				      struct mls_group **ret) CV_NODISCARD;

/*
 * Asks, from outside, to be added (sender new_member_proposal, RFC 9420 section 12.1.8). Appends a PublicMessage;
 * `signer` is for the KeyPackage's signature key. CV_ELIMIT, CV_ENOMEM, or the signer's error.
 */
CV_PUBLIC int mls_propose_join(const struct mls_env *env, const struct mls_key_package *key_package,
			       struct mls_signer signer, struct cv_span group_id, uint64_t epoch,
			       struct cv_buf *out) CV_NODISCARD;
/* Where an external sender stands. Borrowed for the call. */
struct mls_external_proposer {
	uint16_t suite;
	struct cv_span group_id;
	uint64_t epoch;
	uint32_t index; /* into the group's external_senders extension */
	struct mls_signer signer;
};
/*
 * Proposals from an external sender, RFC 9420 section 12.1.8.1: all the types that it may send. Each appends a
 * PublicMessage. Whether the group takes it is seen there. CV_ELIMIT, CV_ENOMEM, or the signer's error; _add also
 * decoding errors, and CV_EINVAL when `key_package` is a message of another kind (its signatures are not verified
 * here).
 */
CV_PUBLIC int mls_external_propose_add(const struct mls_external_proposer *from, struct cv_span key_package,
				       struct cv_buf *out) CV_NODISCARD;
CV_PUBLIC int mls_external_propose_remove(const struct mls_external_proposer *from, uint32_t index,
					  struct cv_buf *out) CV_NODISCARD;
/* `rng` makes the nonce. CV_EUNSUPPORTED: from->suite is not known; CV_ECRYPTO. */
CV_PUBLIC int mls_external_propose_psk(const struct mls_external_proposer *from, const struct mls_psk_question *psk,
				       const struct cv_rng *rng, struct cv_buf *out) CV_NODISCARD;
/* Lists of GroupContext extensions. CV_EFORMAT: a type twice; decoding errors in what the RFC defines. */
CV_PUBLIC int mls_external_propose_extensions(const struct mls_external_proposer *from,
					      const struct mls_extension *extensions, size_t n_extensions,
					      struct cv_buf *out) CV_NODISCARD;
CV_PUBLIC int mls_external_propose_reinit(const struct mls_external_proposer *from, const struct mls_reinit *reinit,
					  struct cv_buf *out) CV_NODISCARD;

/* After a commit with ReInit: what the next group must be. Spans are borrowed from the group. */
struct mls_reinit_view {
	struct cv_span group_id;
	uint16_t version; /* 1: RFC 9420, the only one that mls_group_reinit can make */
	uint16_t suite;
	struct cv_span extensions; /* for mls_extension_find */
};
/* CV_ESTATE when the epoch in force does not follow a commit with ReInit. */
CV_PUBLIC int mls_group_reinit_info(const struct mls_group *g, struct mls_reinit_view *ret) CV_NODISCARD;
/*
 * Makes the group that follows `old` (which has had its ReInit) with all of the new KeyPackages in its first commit,
 * RFC 9420 section 11.2; the new group is in epoch 1 and its Welcome is in `out` (mls_commit_output_done), the group in
 * *ret is for mls_group_free. `member` must suit the new cipher suite. `old` is not changed. CV_ESTATE: it had no
 * ReInit; CV_EINVAL when a member of `old` is not among them (see policy.identity); CV_EUNSUPPORTED when the ReInit
 * asks for a later version of MLS or a suite that is not known; else as mls_group_create and mls_group_commit.
 */
CV_PUBLIC int mls_group_reinit(struct mls_group *old, const struct mls_group_options *options,
			       const struct mls_member *member, const struct cv_span *key_packages,
			       size_t n_key_packages, struct mls_commit_output *out,
			       struct mls_group **ret) CV_NODISCARD;
/*
 * Makes a group of some of the members of `old`, RFC 9420 section 11.3, likewise, with its suite and extensions. That
 * they are members is checked by those who join. CV_ESTATE: `old` has ended; else as mls_group_create and
 * mls_group_commit.
 */
CV_PUBLIC int mls_group_branch(struct mls_group *old, const struct mls_group_options *options,
			       const struct mls_member *member, struct cv_span group_id,
			       const struct cv_span *key_packages, size_t n_key_packages, struct mls_commit_output *out,
			       struct mls_group **ret) CV_NODISCARD;
/*
 * Joins a group that continues `old` by ReInit or as a branch of it: mls_group_join, plus that the Welcome proves
 * descent from `old`, that group parameters are as they must be, and that all members of `old` (ReInit) or none but
 * those (branch) are in it. CV_EINVAL when it is otherwise; CV_ESTATE: we were removed from `old`; else as
 * mls_group_join. *ret is for mls_group_free; `old` is not changed.
 */
CV_PUBLIC int mls_group_join_successor(struct mls_group *old, const struct mls_group_options *options,
				       const struct mls_join *join, struct mls_group **ret) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
