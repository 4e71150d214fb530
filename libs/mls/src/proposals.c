/* SPDX-License-Identifier: Apache-2.0 */
/* The list of a commit's proposals: read, and judged by RFC 9420 sections 12.1 and 12.2. */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

int mls_stage_push(struct stage *s, const struct staged *p)
{
	if (s->n == MLS_PROPOSALS_MAX)
		return CV_ELIMIT;
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 4;
		struct staged *v = cv_reallocarray(s->list, cap, sizeof(*v));

		if (!v)
			return CV_ENOMEM;
		s->list = v;
		s->cap = cap;
	}
	s->list[s->n++] = *p;
	return 0;
}

/*
 * No list may have one proposal twice, of whatever type. By reference that is told here: a few bytes each must not buy
 * thousands of signature checks of one KeyPackage.
 */
static int take_kept(const struct mls_group *g, struct cv_span ref, uint8_t *taken, struct staged *ret)
{
	size_t at;

	if (!mls_find_kept(g, ref, &at))
		return CV_ENOTFOUND;
	if (taken[at])
		return CV_EINVAL;
	taken[at] = 1;
	ret->p = g->kept[at]->p;
	ret->from = g->kept[at]->from;
	ret->by_reference = true;
	return 0;
}

int mls_stage_read(struct stage *s, struct cv_span proposals)
{
	uint8_t *taken = cv_calloc(s->g->n_kept + 1, 1);
	struct proposal_or_ref p;
	struct cv_reader r;
	int err = taken ? 0 : CV_ENOMEM;

	cv_reader_init(&r, proposals.data, proposals.len);
	while (!err && r.left) {
		struct staged one = {.from = s->committer};

		err = mls_get_proposal_or_ref(&r, &p);
		if (!err && p.kind == BY_REFERENCE)
			err = take_kept(s->g, p.ref, taken, &one);
		else if (!err)
			one.p = p.value;
		if (!err)
			err = mls_stage_push(s, &one);
	}
	cv_free(taken);
	return err;
}

/* --- each on its own --- */

static bool nonce_fits(const struct mls_group *g, const struct psk_id *p)
{
	return p->nonce.len == g->crypto.suite->nh;
}

/* Which types may come from where: sections 12.1.8, 12.4.3.2. */
static bool sender_may(uint8_t sender_type, uint16_t type)
{
	switch (sender_type) {
	case MLS_SENDER_MEMBER: return type != MLS_PROPOSAL_EXTERNAL_INIT;
	case MLS_SENDER_EXTERNAL: return type != MLS_PROPOSAL_EXTERNAL_INIT && type != MLS_PROPOSAL_UPDATE;
	case MLS_SENDER_NEW_MEMBER_PROPOSAL: return type == MLS_PROPOSAL_ADD;
	case MLS_SENDER_NEW_MEMBER_COMMIT:
		return type == MLS_PROPOSAL_EXTERNAL_INIT || type == MLS_PROPOSAL_REMOVE || type == MLS_PROPOSAL_PSK;
	default: return false;
	}
}

int mls_proposal_check(struct mls_group *g, const struct proposal *p, const struct sender *from)
{
	const struct epoch *e = g->cur;

	if (!sender_may(from->type, p->type))
		return CV_EINVAL;
	switch (p->type) {
	case MLS_PROPOSAL_ADD: return mls_key_package_check(&g->crypto, &p->add);
	case MLS_PROPOSAL_REMOVE: return mls_tree_leaf(e->tree, p->removed) ? 0 : CV_EINVAL;
	case MLS_PROPOSAL_PSK:
		/* Reinit and branch come by section 11 alone: in the first commit of the new group, its founder's. */
		if (!nonce_fits(g, &p->psk))
			return CV_EINVAL;
		if (p->psk.usage == MLS_PSK_EXTERNAL || p->psk.usage == MLS_PSK_APPLICATION)
			return 0;
		return e->gc.epoch == 0 && from->type == MLS_SENDER_MEMBER ? 0 : CV_EINVAL;
	case MLS_PROPOSAL_REINIT:
		return p->reinit.version >= MLS_VERSION ? mls_check_context_extensions(p->reinit.extensions)
							: CV_EINVAL;
	case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS: return mls_check_context_extensions(p->extensions);
	default: return 0;
	}
}

int mls_proposal_check_leaf(struct mls_group *g, const struct proposal *p, const struct sender *from)
{
	struct leaf_rules rules = {.crypto = &g->crypto,
				   .opt = &g->opt,
				   .group = g,
				   .group_id = g->cur->gc.group_id,
				   .extensions = g->cur->gc.extensions};

	if (p->type == MLS_PROPOSAL_ADD)
		return mls_leaf_check(&rules, &p->add.leaf, MLS_LEAF_IN_ADD, UINT32_MAX, NULL);
	if (p->type == MLS_PROPOSAL_UPDATE)
		return mls_leaf_check(&rules, &p->update, MLS_LEAF_IN_UPDATE, from->index,
				      mls_tree_leaf(g->cur->tree, from->index));
	return 0;
}

/* --- the list --- */

static bool psk_same(const struct psk_id *a, const struct psk_id *b)
{
	return a->usage == b->usage && mls_span_equal(a->id, b->id) && mls_span_equal(a->group_id, b->group_id) &&
	       a->epoch == b->epoch && mls_span_equal(a->nonce, b->nonce);
}

static int check_psks_differ(const struct stage *s)
{
	const struct psk_id *seen[MLS_PSKS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->list[i].p.type != MLS_PROPOSAL_PSK)
			continue;
		if (n == MLS_PSKS_MAX)
			return CV_ELIMIT;
		seen[n] = &s->list[i].p.psk;
		for (size_t k = 0; k < n; k++)
			if (psk_same(seen[k], seen[n]))
				return CV_EINVAL;
		n++;
	}
	return 0;
}

/* "multiple Update and/or Remove proposals that apply to the same leaf": a mark per leaf. */
static int check_leaves_once(const struct stage *s)
{
	uint32_t n = s->g->cur->tree->n_leaves;
	uint8_t *touched = cv_calloc(n, 1);
	int err = 0;

	if (!touched)
		return CV_ENOMEM;
	for (size_t i = 0; !err && i < s->n; i++) {
		const struct staged *p = &s->list[i];
		uint32_t leaf;

		if (p->p.type != MLS_PROPOSAL_UPDATE && p->p.type != MLS_PROPOSAL_REMOVE)
			continue;
		leaf = p->p.type == MLS_PROPOSAL_UPDATE ? p->from.index : p->p.removed;
		if (leaf >= n || touched[leaf])
			err = CV_EINVAL;
		else
			touched[leaf] = 1;
	}
	cv_free(touched);
	return err;
}

static int only_one(const struct staged **slot, const struct staged *p)
{
	if (*slot)
		return CV_EINVAL;
	*slot = p;
	return 0;
}

static int check_one(struct stage *s, struct staged *p)
{
	bool external = s->committer.type == MLS_SENDER_NEW_MEMBER_COMMIT;
	int err = mls_proposal_check(s->g, &p->p, &p->from);

	if (err)
		return err;
	if (external && p->by_reference)
		return CV_EINVAL;
	p->index = UINT32_MAX;
	switch (p->p.type) {
	case MLS_PROPOSAL_UPDATE:
		/* "It contains an Update proposal generated by the committer." */
		if (!p->by_reference || p->from.index == s->committer.index)
			return CV_EINVAL;
		p->index = p->from.index;
		break;
	case MLS_PROPOSAL_REMOVE:
		/* "It contains a Remove proposal that removes the committer." */
		if (!external && p->p.removed == s->committer.index)
			return CV_EINVAL;
		p->index = p->p.removed;
		break;
	case MLS_PROPOSAL_REINIT: return only_one(&s->reinit, p);
	case MLS_PROPOSAL_EXTERNAL_INIT: return only_one(&s->external_init, p);
	case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS: return only_one(&s->gce, p);
	default: break;
	}
	if (p->p.type == MLS_PROPOSAL_UPDATE || p->p.type == MLS_PROPOSAL_REMOVE)
		s->needs_path = true;
	return 0;
}

static size_t count_type(const struct stage *s, uint16_t type)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += s->list[i].p.type == type;
	return n;
}

int mls_stage_validate(struct stage *s)
{
	bool external = s->committer.type == MLS_SENDER_NEW_MEMBER_COMMIT;
	int err = 0;

	s->gce = s->reinit = s->external_init = NULL;
	s->needs_path = s->n == 0;
	for (size_t i = 0; !err && i < s->n; i++)
		err = check_one(s, &s->list[i]);
	if (!err && s->reinit && s->n > 1)
		err = CV_EINVAL;
	if (!err && external != (s->external_init != NULL))
		err = CV_EINVAL;
	if (!err && external && count_type(s, MLS_PROPOSAL_REMOVE) > 1)
		err = CV_EINVAL;
	if (!err)
		err = check_leaves_once(s);
	if (!err)
		err = check_psks_differ(s);
	if (s->gce || s->external_init)
		s->needs_path = true;
	return err;
}
