/* SPDX-License-Identifier: Apache-2.0 */
/* Receiving: RFC 9420 sections 6, 12.1.8 and 12.4.2. */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

void mls_received_done(struct mls_received *r)
{
	if (r->plaintext.data)
		cv_wipe(r->plaintext.data, r->plaintext.len);
	cv_buf_done(&r->plaintext);
	cv_free(r->added);
	cv_free(r->removed);
	*r = (struct mls_received){0};
}

/* --- whose signature --- */

static int key_of_newcomer(const struct framed *f, struct cv_span *ret)
{
	struct proposal p;
	struct cv_reader r;
	struct commit c;
	int err;

	cv_reader_init(&r, f->content.body.data, f->content.body.len);
	if (f->content.sender.type == MLS_SENDER_NEW_MEMBER_PROPOSAL) {
		if (f->content.content_type != MLS_CONTENT_PROPOSAL)
			return CV_EINVAL;
		err = mls_get_proposal(&r, &p);
		if (!err && p.type != MLS_PROPOSAL_ADD)
			err = CV_EINVAL;
		if (!err)
			*ret = p.add.leaf.v.signature_key;
		return err;
	}
	if (f->content.content_type != MLS_CONTENT_COMMIT)
		return CV_EINVAL;
	err = mls_get_commit(&r, &c);
	if (!err && !c.has_path)
		err = CV_EINVAL;
	if (!err)
		*ret = c.path.leaf.v.signature_key;
	return err;
}

static int key_of_sender(const struct epoch *e, const struct framed *f, struct cv_span *ret)
{
	struct mls_external_sender sender;
	const struct leaf_node *l;
	int err;

	switch (f->content.sender.type) {
	case MLS_SENDER_MEMBER:
		l = mls_tree_leaf(e->tree, f->content.sender.index);
		if (!l)
			return CV_EINVAL;
		*ret = l->v.signature_key;
		return 0;
	case MLS_SENDER_EXTERNAL:
		if (f->content.content_type != MLS_CONTENT_PROPOSAL)
			return CV_EINVAL;
		err = mls_find_external_sender(e->gc.extensions, f->content.sender.index, &sender);
		if (err)
			return CV_EINVAL;
		*ret = sender.signature_key;
		return 0;
	default: return key_of_newcomer(f, ret);
	}
}

static int verify(struct mls_group *g, const struct epoch *e, const struct framed *f)
{
	/* FramedContentTBS has the GroupContext for these two (section 6.1). */
	bool inside =
		f->content.sender.type == MLS_SENDER_MEMBER || f->content.sender.type == MLS_SENDER_NEW_MEMBER_COMMIT;
	struct cv_span key;
	int err = key_of_sender(e, f, &key);

	return err ? err
		   : mls_framed_verify(f, &g->crypto, key, inside ? SPAN(e->context.data, e->context.len) : SPAN_NONE);
}

/* --- proposals --- */

static int ask_proposal(struct mls_group *g, const struct framed *f, const struct proposal *p)
{
	struct staged s = {.p = *p, .from = f->content.sender, .by_reference = true, .index = UINT32_MAX};
	struct mls_change change;
	struct mls_proposal_question q = {
		.group = g, .change = &change, .authenticated_data = f->content.authenticated_data};

	if (!g->opt.policy.proposal)
		return 0;
	if (p->type == MLS_PROPOSAL_UPDATE)
		s.index = f->content.sender.index;
	change = mls_change_view(g, &s);
	return g->opt.policy.proposal(g->opt.policy.ctx, &q);
}

static int take_proposal(struct mls_group *g, const struct framed *f)
{
	uint8_t ref[DIGEST_MAX];
	struct proposal p;
	struct cv_reader r;
	int err;

	cv_reader_init(&r, f->content.body.data, f->content.body.len);
	err = mls_get_proposal(&r, &p);
	if (!err)
		err = mls_proposal_check(g, &p, &f->content.sender);
	if (!err)
		err = mls_proposal_check_leaf(g, &p, &f->content.sender);
	if (!err)
		err = ask_proposal(g, f, &p);
	if (!err)
		err = mls_framed_ref(f, &g->crypto, ref);
	return err ? err : mls_keep_proposal(g, SPAN(ref, g->crypto.suite->nh), &f->content.sender, f->content.body);
}

/* --- commits --- */

static int take_path(struct stage *s, const struct commit *commit)
{
	struct mls_group *g = s->g;
	struct mls_crypto *c = &g->crypto;
	struct leaf_rules rules = {
		.crypto = c, .opt = &g->opt, .group = g, .group_id = g->cur->gc.group_id, .extensions = s->extensions};
	struct epoch *next = s->next;
	const struct update_path *up = &commit->path;
	const struct leaf_node *before = mls_stage_replaced(s);
	struct filtered_path path = {0};
	int err = 0;

	if (s->committer.type == MLS_SENDER_NEW_MEMBER_COMMIT)
		err = mls_tree_add(next->tree, up->leaf.raw, &s->committer.index);
	s->new_leaf = up->leaf;
	s->has_new_leaf = true;
	if (!err)
		err = mls_leaf_check(&rules, &up->leaf, MLS_LEAF_IN_COMMIT, s->committer.index, before);
	if (!err)
		err = mls_path_merge(next->tree, c, s->committer.index, up, &path);
	if (!err)
		err = mls_stage_check_tree(s);
	if (!err)
		err = mls_stage_context(s);
	return err ? err
		   : mls_path_open(next->tree, c, &path, up, next->own, SPAN(next->context.data, next->context.len),
				   s->added, &next->keys, &s->commit_secret);
}

static int take_external_init(struct stage *s)
{
	struct mls_crypto *c = &s->g->crypto;
	struct mls_hpke_key pair = {0};
	int err = mls_kem_derive(c, mls_secret_span(&s->g->cur->secrets.external), &pair);

	if (!err)
		err = mls_hpke_external_receive(c, &pair.priv, s->external_init->p.kem_output, &s->init_secret);
	mls_hpke_key_wipe(&pair);
	return err;
}

/* Everything up to the confirmation tag; nothing of the current epoch changes. */
static int stage_commit(struct stage *s, const struct framed *f, const struct commit *commit)
{
	struct cv_span tag = f->auth.confirmation_tag;
	size_t nh = s->g->crypto.suite->nh;
	int err = mls_stage_read(s, commit->proposals);

	if (!err)
		err = mls_stage_validate(s);
	if (!err && s->needs_path && !commit->has_path)
		err = CV_EINVAL;
	if (!err)
		err = mls_stage_apply(s);
	/* Without a leaf of ours there is nothing to decrypt: the signature and the policy must do. */
	if (err || s->removes_us)
		return err;
	if (commit->has_path) {
		err = take_path(s, commit);
	} else {
		err = mls_stage_check_tree(s);
		if (!err)
			err = mls_stage_context(s);
	}
	if (!err && s->external_init)
		err = take_external_init(s);
	if (!err)
		err = mls_stage_schedule(s, f);
	if (!err && (tag.len != nh || !cv_equal(tag.data, s->next->confirmation_tag, nh)))
		err = CV_EAUTH;
	return err;
}

/* What the commit did, for the caller. */
static int report(const struct stage *s, struct mls_received *r)
{
	bool external = s->committer.type == MLS_SENDER_NEW_MEMBER_COMMIT;

	r->added = cv_calloc(s->n + 1, sizeof(*r->added));
	r->removed = cv_calloc(s->n + 1, sizeof(*r->removed));
	if (!r->added || !r->removed)
		return CV_ENOMEM;
	for (size_t i = 0; i < s->n; i++) {
		if (s->list[i].p.type == MLS_PROPOSAL_ADD)
			r->added[r->n_added++] = s->list[i].index;
		else if (s->list[i].p.type == MLS_PROPOSAL_REMOVE)
			r->removed[r->n_removed++] = s->list[i].p.removed;
	}
	if (external && s->has_new_leaf) {
		r->added[r->n_added++] = s->committer.index;
		r->sender = s->committer.index;
	}
	r->extensions_changed = s->gce != NULL;
	r->kind = s->removes_us ? MLS_RECEIVED_REMOVED : s->reinit ? MLS_RECEIVED_REINIT : MLS_RECEIVED_COMMIT;
	return 0;
}

static int take_commit(struct mls_group *g, const struct framed *f, struct mls_received *r)
{
	struct stage s = {.g = g, .committer = f->content.sender, .authenticated_data = f->content.authenticated_data};
	struct cv_reader reader;
	struct commit commit;
	int err;

	cv_reader_init(&reader, f->content.body.data, f->content.body.len);
	err = mls_get_commit(&reader, &commit);
	if (!err)
		err = stage_commit(&s, f, &commit);
	if (!err)
		err = mls_stage_ask(&s);
	if (!err)
		err = report(&s, r);
	if (!err && s.removes_us) {
		g->removed = true;
		mls_group_forget_secrets(g);
	} else if (!err) {
		struct epoch *next = s.next;

		s.next = NULL;
		mls_group_enter(g, next);
	}
	mls_stage_done(&s);
	return err;
}

/* --- any message --- */

static int unprotect(struct mls_group *g, const struct mls_message *m, struct framed *f, struct epoch **ret)
{
	bool private = m->wire_format == MLS_PRIVATE_MESSAGE;
	struct cv_span group_id = private ? m->priv.group_id : m->pub.content.group_id;
	uint64_t epoch = private ? m->priv.epoch : m->pub.content.epoch;
	uint8_t type = private ? m->priv.content_type : m->pub.content.content_type;
	struct epoch *e;
	int err;

	if (!mls_span_equal(group_id, g->cur->gc.group_id))
		return CV_EINVAL;
	e = mls_group_find_epoch(g, epoch);
	/* Proposals and commits count only in the epoch they are made for. */
	if (!e || (e != g->cur && type != MLS_CONTENT_APPLICATION))
		return CV_EEPOCH;
	if (!private && m->pub.content.sender.type == MLS_SENDER_MEMBER && m->pub.content.sender.index == e->own)
		return CV_ESTATE;
	err = private ? mls_framed_unprotect_private(f, e, &g->crypto, &g->opt, &m->priv)
		      : mls_framed_unprotect_public(f, e, &g->crypto, &m->pub);
	if (!err)
		*ret = e;
	return err;
}

static int take_application(const struct framed *f, struct mls_received *r)
{
	r->kind = MLS_RECEIVED_APPLICATION;
	return cv_buf_put(&r->plaintext, f->content.body.data, f->content.body.len);
}

static int take(struct mls_group *g, const struct framed *f, struct mls_received *r)
{
	r->epoch = f->content.epoch;
	r->sender_type = f->content.sender.type;
	r->sender = f->content.sender.index;
	r->authenticated_data = f->content.authenticated_data;
	switch (f->content.content_type) {
	case MLS_CONTENT_APPLICATION: return take_application(f, r);
	case MLS_CONTENT_PROPOSAL: r->kind = MLS_RECEIVED_PROPOSAL; return take_proposal(g, f);
	default: return take_commit(g, f, r);
	}
}

int mls_group_process(struct mls_group *g, const void *msg, size_t len, struct mls_received *ret)
{
	struct mls_received r = {0};
	struct framed f = {0};
	struct mls_message m;
	struct epoch *e;
	int err;

	if (mls_group_ended(g))
		return CV_ESTATE;
	err = mls_get_message(SPAN(msg, len), &m);
	if (!err && m.wire_format != MLS_PUBLIC_MESSAGE && m.wire_format != MLS_PRIVATE_MESSAGE)
		err = CV_EINVAL;
	if (err)
		return err;
	cv_buf_init(&r.plaintext, MLS_MESSAGE_MAX);
	err = unprotect(g, &m, &f, &e);
	if (!err)
		err = verify(g, e, &f);
	if (!err)
		err = take(g, &f, &r);
	/*
	 * Only a message that was good uses its key up: a forgery must not burn the real one's. A commit has replaced
	 * the epoch, and with it the ratchets that the step points into.
	 */
	if (!err && f.content.content_type != MLS_CONTENT_COMMIT)
		mls_ratchet_step_keep(&f.step);
	mls_framed_done(&f);
	if (err)
		mls_received_done(&r);
	else
		*ret = r;
	return err;
}
