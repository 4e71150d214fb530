/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts right what a fuzzer cannot: signatures, hashes, encryption around bytes of its choice, so that they meet the
 * rules behind the cryptography. What cannot be read is handed on as it is.
 */
#ifndef FUZZ_MLS_MEND_H
#define FUZZ_MLS_MEND_H

#include "mls_states.h"

/* A Proposal whose leaf and KeyPackage (Add, Update) are signed by `who`; `index`: the leaf of an Update's sender. */
void mend_proposal(struct mls_group *g, const struct someone *who, uint32_t index, struct cv_span in,
		   struct cv_buf *out);
/* The same for each Proposal by value in the content of `ProposalOrRef proposals<V>`. */
void mend_proposals(struct mls_group *g, const struct someone *who, struct cv_span in, struct cv_buf *out);

enum { MEND_TREE_HASH = 1, MEND_CONFIRMATION = 2, MEND_SIGNATURE = 4 };
/*
 * A GroupInfo: the context's tree hash is that of the tree inside; the confirmation tag follows from the joiner secret
 * (MEND_CONFIRMATION: needs both secrets); `host` signs.
 */
void mend_group_info(struct mls_group *host, unsigned what, const struct cv_secret *joiner, const struct cv_secret *psk,
		     struct cv_span in, struct cv_buf *out);
/* A Welcome of these GroupSecrets and this GroupInfo, mended, for one KeyPackage. */
void mend_welcome(struct mls_group *host, const struct mls_key_package *kp, unsigned what, struct cv_span secrets,
		  struct cv_span info, struct cv_buf *out);
/* What an honest Welcome holds. */
void open_welcome(struct mls_group *host, const struct mls_key_package *kp, struct cv_span welcome,
		  struct cv_buf *ret_secrets, struct cv_buf *ret_info);

#endif
