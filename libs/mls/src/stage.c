/* SPDX-License-Identifier: Apache-2.0 */
/* The next epoch in the making: proposals applied, keys scheduled, policy asked. RFC 9420 sections 8 and 12.3. */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

void mls_stage_done(struct stage *s)
{
	mls_epoch_free(s->next);
	cv_free(s->list);
	cv_free(s->added);
	cv_buf_done(&s->psk_ids);
	cv_wipe(s, sizeof(*s));
}

static struct leaf_rules rules_of(const struct stage *s)
{
	return (struct leaf_rules){.crypto = &s->g->crypto,
				   .opt = &s->g->opt,
				   .group = s->g,
				   .group_id = s->g->cur->gc.group_id,
				   .extensions = s->extensions};
}

static int apply_update(struct stage *s, const struct leaf_rules *rules, struct staged *p)
{
	const struct mls_group *g = s->g;
	uint32_t leaf = p->from.index;
	int err = mls_leaf_check(rules, &p->p.update, MLS_LEAF_IN_UPDATE, leaf, mls_tree_leaf(s->next->tree, leaf));

	if (!err)
		err = mls_tree_set_leaf(s->next->tree, leaf, p->p.update.raw);
	if (err)
		return err;
	mls_tree_blank_path(s->next->tree, leaf);
	if (leaf != s->next->own || s->committer.type == MLS_SENDER_NEW_MEMBER_COMMIT)
		return 0;
	/* Our own Update takes effect: its private key was kept when it was proposed. */
	for (size_t i = 0; i < g->n_updates; i++) {
		const struct own_update *u = &g->updates[i];

		if (!mls_span_equal(p->p.update.v.encryption_key, SPAN(u->pub, g->crypto.suite->npk)))
			continue;
		s->next->keys.level[0] = u->priv;
		s->next->signer = u->signer;
		return 0;
	}
	return CV_ENOTFOUND;
}

static int apply_add(struct stage *s, const struct leaf_rules *rules, struct staged *p)
{
	int err = mls_leaf_check(rules, &p->p.add.leaf, MLS_LEAF_IN_ADD, UINT32_MAX, NULL);

	return err ? err : mls_tree_add(s->next->tree, p->p.add.leaf.raw, &p->index);
}

static int apply_type(struct stage *s, const struct leaf_rules *rules, uint16_t type)
{
	int err = 0;

	for (size_t i = 0; !err && i < s->n; i++) {
		struct staged *p = &s->list[i];

		if (p->p.type != type)
			continue;
		if (type == MLS_PROPOSAL_UPDATE)
			err = apply_update(s, rules, p);
		else if (type == MLS_PROPOSAL_REMOVE)
			mls_tree_remove(s->next->tree, p->p.removed);
		else
			err = apply_add(s, rules, p);
	}
	return err;
}

/* The committer by external commit takes the first free leaf (section 12.4.3.2); its leaf comes with the path. */
static int mark_added(struct stage *s)
{
	s->added = cv_calloc(2 * s->next->tree->n_leaves + 1, 1); /* twice: an external committer may double the tree */
	if (!s->added)
		return CV_ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].p.type == MLS_PROPOSAL_ADD)
			s->added[s->list[i].index] = 1;
	return 0;
}

/* Everybody must be able to live with new GroupContext extensions (section 12.1.7). */
static int check_new_extensions(const struct stage *s)
{
	const struct tree *t = s->next->tree;

	for (uint32_t i = 0; i < t->n_leaves; i++) {
		const struct leaf_node *l = mls_tree_leaf(t, i);
		int err = l ? mls_leaf_supports_context(l, s->extensions, i == s->next->own) : 0;

		if (err)
			return err;
	}
	return 0;
}

static int collect_psks(struct stage *s)
{
	cv_buf_init(&s->psk_ids, MLS_MESSAGE_MAX);
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].p.type == MLS_PROPOSAL_PSK)
			mls_put_psk_id(&s->psk_ids, &s->list[i].p.psk);
	return cv_buf_status(&s->psk_ids);
}

int mls_stage_apply(struct stage *s)
{
	const struct epoch *cur = s->g->cur;
	struct leaf_rules rules;
	int err = mls_epoch_fork(cur, &s->next);

	if (err)
		return err;
	s->extensions = s->gce ? s->gce->p.extensions : cur->gc.extensions;
	rules = rules_of(s);
	err = apply_type(s, &rules, MLS_PROPOSAL_UPDATE);
	if (err)
		return err;
	s->removes_us = false;
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].p.type == MLS_PROPOSAL_REMOVE && s->list[i].p.removed == cur->own)
			s->removes_us = true;
	err = apply_type(s, &rules, MLS_PROPOSAL_REMOVE);
	if (!err) {
		mls_tree_truncate(s->next->tree);
		err = apply_type(s, &rules, MLS_PROPOSAL_ADD);
	}
	if (!err && s->gce)
		err = check_new_extensions(s);
	if (!err)
		err = mark_added(s);
	if (!err)
		err = collect_psks(s);
	if (!err && !s->removes_us)
		mls_keys_prune(s->next->tree, s->next->own, &s->next->keys);
	return err;
}

int mls_stage_check_tree(struct stage *s)
{
	/* A longer one could not be sent to newcomers, nor read back from where it was saved. */
	if (mls_tree_size(s->next->tree) > MLS_MESSAGE_MAX)
		return CV_ELIMIT;
	return mls_tree_check_members(s->next->tree, s->g->crypto.rng);
}

static int set_context(struct stage *s, struct cv_span confirmed)
{
	const struct group_context *cur = &s->g->cur->gc;
	uint8_t tree_hash[DIGEST_MAX];
	struct group_context gc = {
		.suite = cur->suite,
		.group_id = cur->group_id,
		.epoch = cur->epoch + 1,
		.confirmed_transcript_hash = confirmed,
		.extensions = s->extensions,
	};
	int err = mls_epoch_tree_hash(s->next, &s->g->crypto, tree_hash);

	gc.tree_hash = SPAN(tree_hash, s->g->crypto.suite->nh);
	return err ? err : mls_epoch_set_context(s->next, &gc);
}

int mls_stage_context(struct stage *s)
{
	return set_context(s, s->g->cur->gc.confirmed_transcript_hash);
}

int mls_stage_schedule(struct stage *s, const struct framed *commit)
{
	struct mls_crypto *c = &s->g->crypto;
	struct epoch *cur = s->g->cur, *next = s->next;
	uint8_t confirmed[DIGEST_MAX];
	struct cv_span context;
	size_t nh = c->suite->nh;
	int err;

	if (!s->commit_secret.len)
		s->commit_secret.len = (uint8_t)nh; /* no path: nh zero bytes */
	if (!s->init_secret.len)
		s->init_secret = cur->secrets.init;
	err = mls_transcript_confirmed(c, SPAN(cur->interim, nh), commit->wire_format, commit->content.raw,
				       commit->auth.signature, confirmed);
	if (!err)
		err = set_context(s, SPAN(confirmed, nh));
	if (!err)
		err = mls_psk_mix(c, &s->g->opt, s->g, SPAN(s->psk_ids.data, s->psk_ids.len), &s->psk_secret);
	context = SPAN(next->context.data, next->context.len);
	if (!err)
		err = mls_schedule_joiner(c, &s->init_secret, &s->commit_secret, context, &s->joiner);
	if (!err)
		err = mls_schedule_epoch(c, &s->joiner, &s->psk_secret, context, &next->secrets);
	if (!err)
		err = mls_epoch_confirm(next, c);
	if (!err)
		err = mls_epoch_start(next);
	if (!err && s->reinit) {
		mls_put_proposal_body(&next->reinit, &s->reinit->p);
		err = cv_buf_status(&next->reinit);
	}
	return err;
}

const struct leaf_node *mls_stage_replaced(const struct stage *s)
{
	const struct tree *t = s->g->cur->tree;

	if (s->committer.type == MLS_SENDER_MEMBER)
		return mls_tree_leaf(t, s->committer.index);
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].p.type == MLS_PROPOSAL_REMOVE)
			return mls_tree_leaf(t, s->list[i].p.removed);
	return NULL;
}

struct mls_change mls_change_view(const struct mls_group *g, const struct staged *s)
{
	struct mls_change v = {.type = s->p.type,
			       .by_reference = s->by_reference,
			       .sender_type = s->from.type,
			       .sender = s->from.index,
			       .index = s->index};
	const struct leaf_node *l;

	switch (s->p.type) {
	case MLS_PROPOSAL_ADD:
		v.leaf = &s->p.add.leaf.v;
		v.version = s->p.add.version;
		v.suite = s->p.add.suite;
		v.extensions = s->p.add.extensions;
		break;
	case MLS_PROPOSAL_UPDATE: v.leaf = &s->p.update.v; break;
	case MLS_PROPOSAL_REMOVE:
		l = mls_tree_leaf(g->cur->tree, s->p.removed);
		v.leaf = l ? &l->v : NULL;
		v.index = s->p.removed;
		break;
	case MLS_PROPOSAL_PSK:
		v.psk = (struct mls_psk_question){.usage = s->p.psk.usage,
						  .psk_id = s->p.psk.id,
						  .group_id = s->p.psk.group_id,
						  .epoch = s->p.psk.epoch};
		break;
	case MLS_PROPOSAL_REINIT:
		v.version = s->p.reinit.version;
		v.suite = s->p.reinit.suite;
		v.group_id = s->p.reinit.group_id;
		v.extensions = s->p.reinit.extensions;
		break;
	case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS: v.extensions = s->p.extensions; break;
	}
	return v;
}

int mls_stage_ask(struct stage *s)
{
	const struct mls_policy *policy = &s->g->opt.policy;
	bool external = s->committer.type == MLS_SENDER_NEW_MEMBER_COMMIT;
	const struct leaf_node *before = external ? NULL : mls_tree_leaf(s->g->cur->tree, s->committer.index);
	struct mls_commit_question q = {
		.group = s->g,
		.own = s->own,
		.external = external,
		.committer = s->committer.index,
		.committer_leaf = before ? &before->v : &s->new_leaf.v,
		.new_leaf = s->has_new_leaf ? &s->new_leaf.v : NULL,
		.epoch = s->g->cur->gc.epoch,
		.authenticated_data = s->authenticated_data,
		.n_changes = s->n,
		.old_extensions = s->g->cur->gc.extensions,
		.new_extensions = s->extensions,
	};
	struct mls_change *changes;
	int err;

	if (!policy->commit)
		return 0;
	changes = cv_calloc(s->n, sizeof(*changes));
	if (!changes)
		return CV_ENOMEM;
	for (size_t i = 0; i < s->n; i++)
		changes[i] = mls_change_view(s->g, &s->list[i]);
	q.changes = changes;
	err = policy->commit(policy->ctx, &q);
	cv_free(changes);
	return err;
}
