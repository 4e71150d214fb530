/* SPDX-License-Identifier: Apache-2.0 */
/* GroupInfo for the public, and joining by external commit: RFC 9420 sections 12.4.3 and 12.4.3.2. */
#include <string.h>

#include "state.h"

int mls_group_info(struct mls_group *g, bool with_tree, struct cv_buf *out)
{
	return mls_group_info_with(g, with_tree, NULL, 0, out);
}

int mls_group_info_with(struct mls_group *g, bool with_tree, const struct mls_extension *extensions,
			size_t n_extensions, struct cv_buf *out)
{
	const struct info_parts parts = {
		.tree = with_tree, .external_pub = true, .more = extensions, .n_more = n_extensions};
	size_t start = out->len;
	int err;

	if (mls_group_ended(g))
		return CV_ESTATE;
	mls_put_message_head(out, MLS_GROUP_INFO);
	err = mls_group_info_build(&g->crypto, g->cur, &parts, out);
	if (err)
		out->len = start;
	return err;
}

static int find_external_pub(const struct group_info *gi, struct cv_span *ret)
{
	struct cv_span data;
	struct cv_reader r;
	int err = mls_extension_find(gi->extensions, MLS_EXT_EXTERNAL_PUB, &data);

	if (err)
		return err;
	cv_reader_init(&r, data.data, data.len);
	err = cv_reader_get_vec(&r, MLS_PUBLIC_MAX, ret);
	return err ? err : cv_reader_end(&r);
}

/* ProposalOrRef list: ExternalInit, Remove of our former leaf, PSKs. All by value. */
static int put_proposals(struct mls_group *g, const struct mls_external_join *j, struct cv_span kem_output,
			 uint32_t former, struct cv_buf *b)
{
	uint8_t nonce[DIGEST_MAX];

	cv_buf_put_u8(b, BY_VALUE);
	cv_buf_put_u16(b, MLS_PROPOSAL_EXTERNAL_INIT);
	mls_put_span(b, kem_output);
	if (former != UINT32_MAX) {
		cv_buf_put_u8(b, BY_VALUE);
		cv_buf_put_u16(b, MLS_PROPOSAL_REMOVE);
		cv_buf_put_u32(b, former);
	}
	for (size_t i = 0; i < j->n_psks; i++) {
		struct psk_id id = {.usage = j->psks[i].usage,
				    .id = j->psks[i].psk_id,
				    .group_id = j->psks[i].group_id,
				    .epoch = j->psks[i].epoch,
				    .nonce = SPAN(nonce, g->crypto.suite->nh)};
		int err = cv_rng_fill(g->crypto.rng, nonce, g->crypto.suite->nh);

		if (err)
			return err;
		cv_buf_put_u8(b, BY_VALUE);
		cv_buf_put_u16(b, MLS_PROPOSAL_PSK);
		mls_put_psk_id(b, &id);
	}
	return cv_buf_status(b);
}

/* A first leaf for the place that we will get; the path replaces it at once. */
static int take_place(struct stage *s, const struct mls_member *member)
{
	struct mls_crypto *c = &s->g->crypto;
	struct leaf_parts parts = {.source = MLS_LEAF_UPDATE, .group_id = s->g->cur->gc.group_id};
	struct mls_hpke_key key = {0};
	struct cv_buf leaf;
	int err = mls_kem_generate(c, &key);

	cv_buf_init(&leaf, MLS_MESSAGE_MAX);
	parts.encryption_key = SPAN(key.pub, key.pub_len);
	if (!err)
		err = mls_leaf_build(c, member, &parts, &leaf);
	if (!err)
		err = mls_tree_add(s->next->tree, SPAN(leaf.data, leaf.len), &s->next->own);
	if (!err)
		err = mls_leaf_supports_context(mls_tree_leaf(s->next->tree, s->next->own), s->extensions, true);
	s->committer.index = s->next->own;
	mls_hpke_key_wipe(&key);
	cv_buf_done(&leaf);
	return err;
}

static int commit(struct mls_group *g, const struct mls_member *member, const struct mls_external_join *j,
		  struct cv_span external_pub, struct cv_buf *out)
{
	struct stage s = {.g = g,
			  .own = true,
			  .committer = {.type = MLS_SENDER_NEW_MEMBER_COMMIT},
			  .authenticated_data = j->authenticated_data};
	uint8_t kem_output[MLS_PUBLIC_MAX];
	uint32_t former = UINT32_MAX;
	struct commit_message m = {0};
	struct new_path path = {0};
	struct cv_buf proposals;
	int err;

	cv_buf_init(&proposals, MLS_MESSAGE_MAX);
	if (j->resync && mls_group_find_member(g, member->signature_key, &former))
		former = UINT32_MAX;
	err = mls_kem_check_public(&g->crypto, external_pub);
	if (!err)
		err = mls_hpke_external_send(&g->crypto, external_pub, kem_output, &s.init_secret);
	if (!err)
		err = put_proposals(g, j, SPAN(kem_output, g->crypto.suite->npk), former, &proposals);
	if (!err)
		err = mls_stage_read(&s, SPAN(proposals.data, proposals.len));
	if (!err)
		err = mls_stage_validate(&s);
	if (!err)
		err = mls_stage_apply(&s);
	if (!err)
		err = take_place(&s, member);
	if (!err)
		err = mls_commit_prepare(&s, member, SPAN(proposals.data, proposals.len), true, MLS_PUBLIC_MESSAGE,
					 &path, &m);
	if (!err)
		err = mls_commit_protect(&s, &m, out);
	if (!err) {
		mls_epoch_free(g->cur);
		g->cur = s.next;
		s.next = NULL;
	}
	mls_commit_message_done(&m);
	mls_path_wipe(&path);
	mls_stage_done(&s);
	cv_buf_done(&proposals);
	return err;
}

/* The group as its GroupInfo shows it: no secrets, no leaf of ours, an interim hash to build on. */
static int look_in(struct mls_group *g, const struct group_info *gi, const struct mls_external_join *j)
{
	size_t nh = g->crypto.suite->nh;
	int err = mls_join_tree(g, gi, j->ratchet_tree, &g->cur);

	if (err)
		return err;
	g->cur->own = UINT32_MAX;
	return mls_transcript_interim(&g->crypto, g->cur->gc.confirmed_transcript_hash,
				      SPAN(g->cur->confirmation_tag, nh), g->cur->interim);
}

int mls_group_join_external(const struct mls_group_options *options, const struct mls_member *member,
			    const struct mls_external_join *j, struct cv_buf *out, struct mls_group **ret)
{
	struct cv_span external_pub;
	size_t start = out->len;
	struct mls_message m;
	struct mls_group *g;
	int err = mls_get_message(j->group_info, &m);

	if (!err && m.wire_format != MLS_GROUP_INFO)
		err = CV_EINVAL;
	if (!err && j->expected_group_id.len && !mls_span_equal(j->expected_group_id, m.group_info.context.group_id))
		err = CV_EDENIED;
	if (!err)
		err = find_external_pub(&m.group_info, &external_pub);
	if (!err)
		err = mls_group_new(options, m.group_info.context.suite, &g);
	if (err)
		return err;
	err = look_in(g, &m.group_info, j);
	if (!err)
		err = commit(g, member, j, external_pub, out);
	if (!err && options->policy.group_info)
		err = options->policy.group_info(options->policy.ctx, g, m.group_info.extensions);
	if (!err && options->policy.join)
		err = options->policy.join(options->policy.ctx, g);
	if (err) {
		out->len = start;
		mls_group_free(g);
	} else {
		*ret = g;
	}
	return err;
}
