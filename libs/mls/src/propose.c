/* SPDX-License-Identifier: Apache-2.0 */
/* Proposals as messages of their own, from members and from outside: RFC 9420 sections 12.1 and 12.1.8. */
#include <string.h>

#include "state.h"

/* --- bodies --- */

static int put_add(struct cv_buf *b, struct cv_span key_package)
{
	struct mls_message m;
	int err = mls_get_message(key_package, &m);

	if (err)
		return err;
	if (m.wire_format != MLS_KEY_PACKAGE)
		return CV_EINVAL;
	cv_buf_put_u16(b, MLS_PROPOSAL_ADD);
	mls_put_span_raw(b, m.key_package.raw);
	return cv_buf_status(b);
}

static int put_remove(struct cv_buf *b, uint32_t index)
{
	cv_buf_put_u16(b, MLS_PROPOSAL_REMOVE);
	return cv_buf_put_u32(b, index);
}

static int put_extensions(struct cv_buf *b, const struct mls_extension *extensions, size_t n_extensions)
{
	cv_buf_put_u16(b, MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS);
	mls_put_extensions(b, extensions, n_extensions);
	return cv_buf_status(b);
}

static int put_psk(struct cv_buf *b, size_t nh, const struct cv_rng *rng, const struct mls_psk_question *psk)
{
	uint8_t nonce[DIGEST_MAX];
	struct psk_id id = {.usage = psk->usage,
			    .id = psk->psk_id,
			    .group_id = psk->group_id,
			    .epoch = psk->epoch,
			    .nonce = SPAN(nonce, nh)};
	int err = cv_rng_fill(rng, nonce, nh);

	if (err)
		return err;
	cv_buf_put_u16(b, MLS_PROPOSAL_PSK);
	mls_put_psk_id(b, &id);
	return cv_buf_status(b);
}

static int put_reinit(struct cv_buf *b, const struct mls_reinit *reinit)
{
	cv_buf_put_u16(b, MLS_PROPOSAL_REINIT);
	mls_put_span(b, reinit->group_id);
	cv_buf_put_u16(b, MLS_VERSION);
	cv_buf_put_u16(b, reinit->suite);
	mls_put_extensions(b, reinit->extensions, reinit->n_extensions);
	return cv_buf_status(b);
}

/* --- from a member --- */

/* Signs, protects and keeps the proposal in `body`, which is consumed. */
static int send_body(struct mls_group *g, struct cv_buf *body, int err, struct cv_span authenticated_data,
		     struct cv_buf *out)
{
	struct framed f = {.wire_format = g->opt.public_handshake ? MLS_PUBLIC_MESSAGE : MLS_PRIVATE_MESSAGE};
	struct cv_span raw = SPAN(body->data, body->len);
	uint8_t ref[DIGEST_MAX];
	struct proposal p;
	struct cv_reader r;

	if (!err && mls_group_ended(g))
		err = CV_ESTATE;
	if (!err)
		err = mls_framed_init(&f, g->cur, f.wire_format, MLS_CONTENT_PROPOSAL, authenticated_data, raw);
	cv_reader_init(&r, raw.data, raw.len);
	if (!err)
		err = mls_get_proposal(&r, &p);
	if (!err)
		err = mls_proposal_check(g, &p, &f.content.sender);
	if (!err)
		err = mls_proposal_check_leaf(g, &p, &f.content.sender);
	if (!err)
		err = mls_framed_sign(&f, &g->cur->signer, SPAN(g->cur->context.data, g->cur->context.len));
	if (!err)
		err = mls_framed_ref(&f, &g->crypto, ref);
	/* Kept first: a proposal that is out, and unknown here, could not be committed. */
	if (!err)
		err = mls_keep_proposal(g, SPAN(ref, g->crypto.suite->nh), &f.content.sender, raw);
	if (!err) {
		err = mls_framed_protect(&f, g->cur, &g->crypto, &g->opt, out);
		if (err)
			mls_drop_proposal(g);
	}
	mls_framed_done(&f);
	cv_buf_done(body);
	return err;
}

int mls_group_propose_add(struct mls_group *g, struct cv_span key_package, struct cv_span authenticated_data,
			  struct cv_buf *out)
{
	struct cv_buf body;

	cv_buf_init(&body, MLS_MESSAGE_MAX);
	return send_body(g, &body, put_add(&body, key_package), authenticated_data, out);
}

int mls_group_propose_remove(struct mls_group *g, uint32_t index, struct cv_span authenticated_data, struct cv_buf *out)
{
	struct cv_buf body;

	cv_buf_init(&body, MLS_MESSAGE_MAX);
	return send_body(g, &body, put_remove(&body, index), authenticated_data, out);
}

int mls_group_propose_update(struct mls_group *g, const struct mls_member *member, struct cv_span authenticated_data,
			     struct cv_buf *out)
{
	const struct epoch *e = g->cur;
	struct mls_hpke_key key = {0};
	struct leaf_parts parts = {.source = MLS_LEAF_UPDATE, .group_id = e->gc.group_id, .index = e->own};
	struct mls_signer signer = member ? member->signer : e->signer;
	size_t n = g->n_updates;
	struct cv_buf body;
	int err = mls_group_ended(g) ? CV_ESTATE : mls_kem_generate(&g->crypto, &key);

	cv_buf_init(&body, MLS_MESSAGE_MAX);
	cv_buf_put_u16(&body, MLS_PROPOSAL_UPDATE);
	parts.encryption_key = SPAN(key.pub, key.pub_len);
	if (!err)
		err = member ? mls_leaf_build(&g->crypto, member, &parts, &body)
			     : mls_leaf_rebuild(mls_tree_leaf(e->tree, e->own), &signer, &parts, &body);
	/* The key first: a proposal that is out without its private key would lock us out. */
	if (!err)
		err = mls_keep_update(g, &key, signer);
	mls_hpke_key_wipe(&key);
	err = send_body(g, &body, err, authenticated_data, out);
	if (err && g->n_updates > n)
		mls_drop_update(g);
	return err;
}

int mls_group_propose_extensions(struct mls_group *g, const struct mls_extension *extensions, size_t n_extensions,
				 struct cv_span authenticated_data, struct cv_buf *out)
{
	struct cv_buf body;

	cv_buf_init(&body, MLS_MESSAGE_MAX);
	return send_body(g, &body, put_extensions(&body, extensions, n_extensions), authenticated_data, out);
}

int mls_group_propose_psk(struct mls_group *g, const struct mls_psk_question *psk, struct cv_span authenticated_data,
			  struct cv_buf *out)
{
	struct cv_buf body;

	cv_buf_init(&body, MLS_MESSAGE_MAX);
	return send_body(g, &body, put_psk(&body, g->crypto.suite->nh, g->crypto.rng, psk), authenticated_data, out);
}

int mls_group_propose_reinit(struct mls_group *g, const struct mls_reinit *reinit, struct cv_span authenticated_data,
			     struct cv_buf *out)
{
	struct cv_buf body;

	cv_buf_init(&body, MLS_MESSAGE_MAX);
	return send_body(g, &body, put_reinit(&body, reinit), authenticated_data, out);
}

/* --- from outside: always PublicMessage, without a GroupContext in the signature --- */

static int send_outside(const struct framed_content *content, const struct mls_signer *signer, struct cv_buf *out)
{
	struct framed f = {.wire_format = MLS_PUBLIC_MESSAGE, .content = *content};
	size_t start = out->len;
	int err = mls_framed_encode(&f);

	if (!err)
		err = mls_framed_sign(&f, signer, SPAN_NONE);
	if (!err)
		err = mls_framed_protect(&f, NULL, NULL, NULL, out);
	if (err)
		out->len = start;
	mls_framed_done(&f);
	return err;
}

int mls_propose_join(const struct mls_env *env, const struct mls_key_package *key_package, struct mls_signer signer,
		     struct cv_span group_id, uint64_t epoch, struct cv_buf *out)
{
	struct framed_content content = {.group_id = group_id,
					 .epoch = epoch,
					 .sender.type = MLS_SENDER_NEW_MEMBER_PROPOSAL,
					 .content_type = MLS_CONTENT_PROPOSAL};
	struct cv_buf body;
	int err;

	cv_buf_init(&body, MLS_MESSAGE_MAX);
	err = put_add(&body, mls_key_package_message(key_package));
	content.body = SPAN(body.data, body.len);
	if (!err)
		err = send_outside(&content, &signer, out);
	cv_buf_done(&body);
	return err;
}

static int send_external(const struct mls_external_proposer *from, struct cv_buf *body, int err, struct cv_buf *out)
{
	struct framed_content content = {.group_id = from->group_id,
					 .epoch = from->epoch,
					 .sender = {.type = MLS_SENDER_EXTERNAL, .index = from->index},
					 .content_type = MLS_CONTENT_PROPOSAL,
					 .body = SPAN(body->data, body->len)};

	struct proposal p;
	struct cv_reader r;

	cv_reader_init(&r, body->data, body->len);
	if (!err)
		err = mls_get_proposal(&r, &p);
	if (!err && p.type == MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS)
		err = mls_check_context_extensions(p.extensions);
	if (!err && p.type == MLS_PROPOSAL_REINIT)
		err = mls_check_context_extensions(p.reinit.extensions);
	if (!err)
		err = send_outside(&content, &from->signer, out);
	cv_buf_done(body);
	return err;
}

int mls_external_propose_add(const struct mls_external_proposer *from, struct cv_span key_package, struct cv_buf *out)
{
	struct cv_buf body;

	cv_buf_init(&body, MLS_MESSAGE_MAX);
	return send_external(from, &body, put_add(&body, key_package), out);
}

int mls_external_propose_remove(const struct mls_external_proposer *from, uint32_t index, struct cv_buf *out)
{
	struct cv_buf body;

	cv_buf_init(&body, MLS_MESSAGE_MAX);
	return send_external(from, &body, put_remove(&body, index), out);
}

int mls_external_propose_psk(const struct mls_external_proposer *from, const struct mls_psk_question *psk,
			     const struct cv_rng *rng, struct cv_buf *out)
{
	const struct mls_suite *suite = mls_suite_find(from->suite);
	struct cv_buf body;

	if (!suite)
		return CV_EUNSUPPORTED;
	cv_buf_init(&body, MLS_MESSAGE_MAX);
	return send_external(from, &body, put_psk(&body, suite->nh, rng, psk), out);
}

int mls_external_propose_extensions(const struct mls_external_proposer *from, const struct mls_extension *extensions,
				    size_t n_extensions, struct cv_buf *out)
{
	struct cv_buf body;

	cv_buf_init(&body, MLS_MESSAGE_MAX);
	return send_external(from, &body, put_extensions(&body, extensions, n_extensions), out);
}

int mls_external_propose_reinit(const struct mls_external_proposer *from, const struct mls_reinit *reinit,
				struct cv_buf *out)
{
	struct cv_buf body;

	cv_buf_init(&body, MLS_MESSAGE_MAX);
	return send_external(from, &body, put_reinit(&body, reinit), out);
}
