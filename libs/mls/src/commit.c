/* SPDX-License-Identifier: Apache-2.0 */
/* Making a commit: RFC 9420 section 12.4.1. */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

/* --- the list of proposals --- */

/* Which leaf a kept proposal touches, or UINT32_MAX. */
static uint32_t touches(const struct kept_proposal *k)
{
	if (k->p.type == MLS_PROPOSAL_REMOVE)
		return k->p.removed;
	return k->p.type == MLS_PROPOSAL_UPDATE ? k->from.index : UINT32_MAX;
}

/*
 * Kept proposals that this commit can carry: not our own Update nor our own removal (another member must commit
 * those), one per leaf with Remove before Update (section 12.2), one GroupContextExtensions, ReInit only alone.
 */
static bool can_carry(const struct mls_group *g, const struct mls_commit *what, size_t at)
{
	const struct kept_proposal *k = g->kept[at];
	uint32_t leaf = touches(k);

	if (leaf != UINT32_MAX && leaf == g->cur->own)
		return false;
	if (k->p.type == MLS_PROPOSAL_REINIT)
		return g->n_kept == 1 && !what->n_adds && !what->n_removes && !what->set_extensions && !what->n_psks;
	if (k->p.type == MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS && what->set_extensions)
		return false;
	for (size_t i = 0; leaf != UINT32_MAX && i < what->n_removes; i++)
		if (what->removes[i] == leaf)
			return false;
	for (size_t i = 0; i < g->n_kept; i++) {
		const struct kept_proposal *o = g->kept[i];
		bool same = leaf != UINT32_MAX && touches(o) == leaf;

		if (i == at ||
		    (!same && !(k->p.type == o->p.type && k->p.type == MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS)))
			continue;
		if (k->p.type == MLS_PROPOSAL_UPDATE && o->p.type == MLS_PROPOSAL_REMOVE)
			return false;
		/* Of two of one kind the later one counts. */
		if (k->p.type == o->p.type && i > at)
			return false;
	}
	return true;
}

/* What the Adds among them are weighed against. */
struct add_choice {
	uint8_t *leaving; /* a byte per leaf */
	struct leaf_node *given;
	const struct leaf_node **leaves; /* of kept Adds, then of given ones */
	bool *is_new;
	size_t n;
};

static void add_choice_done(struct add_choice *a)
{
	cv_free(a->leaving);
	cv_free(a->given);
	cv_free(a->leaves);
	cv_free(a->is_new);
}

static int gather_adds(struct add_choice *a, const struct mls_group *g, const struct mls_commit *what,
		       const bool *carry)
{
	size_t max = g->n_kept + what->n_adds + 1;
	struct mls_message m;

	a->leaving = cv_calloc(g->cur->tree->n_leaves, 1);
	a->given = cv_calloc(what->n_adds + 1, sizeof(*a->given));
	a->leaves = cv_calloc(max, sizeof(*a->leaves));
	a->is_new = cv_calloc(max, sizeof(*a->is_new));
	if (!a->leaving || !a->given || !a->leaves || !a->is_new)
		return CV_ENOMEM;
	for (size_t i = 0; i < what->n_removes; i++)
		if (what->removes[i] < g->cur->tree->n_leaves)
			a->leaving[what->removes[i]] = 1;
	for (size_t i = 0; i < g->n_kept; i++) {
		const struct proposal *p = &g->kept[i]->p;

		if (carry[i] && p->type == MLS_PROPOSAL_REMOVE)
			a->leaving[p->removed] = 1;
		else if (carry[i] && p->type == MLS_PROPOSAL_ADD)
			a->leaves[a->n++] = &p->add.leaf;
	}
	for (size_t i = 0; i < what->n_adds; i++) {
		if (mls_get_message(what->adds[i], &m) || m.wire_format != MLS_KEY_PACKAGE)
			continue; /* put_add says so */
		a->given[i] = m.key_package.leaf;
		a->leaves[a->n++] = &a->given[i];
	}
	return 0;
}

/*
 * "multiple Add proposals that together contain KeyPackages that represent the same client", or one who is a member
 * (section 12.2): two members may well have proposed the same newcomer. What the caller gives comes first, then the
 * last.
 */
static int leave_out_adds(const struct mls_group *g, const struct mls_commit *what, bool *carry)
{
	struct add_choice a = {0};
	size_t at = 0;
	int err = gather_adds(&a, g, what, carry);

	if (!err)
		err = mls_tree_find_newcomers(g->cur->tree, g->crypto.rng, a.leaving, a.leaves, a.n, a.is_new);
	for (size_t i = 0; !err && i < g->n_kept; i++)
		if (carry[i] && g->kept[i]->p.type == MLS_PROPOSAL_ADD)
			carry[i] = a.is_new[at++];
	add_choice_done(&a);
	return err;
}

/* The references that go into the commit. */
static int put_kept(const struct mls_group *g, const struct mls_commit *what, struct cv_buf *b)
{
	bool *carry = cv_calloc(g->n_kept + 1, sizeof(*carry)), adds = false;
	int err = carry ? 0 : CV_ENOMEM;

	for (size_t i = 0; !err && i < g->n_kept; i++) {
		carry[i] = can_carry(g, what, i);
		adds = adds || (carry[i] && g->kept[i]->p.type == MLS_PROPOSAL_ADD);
	}
	if (!err && adds)
		err = leave_out_adds(g, what, carry);
	for (size_t i = 0; !err && i < g->n_kept; i++) {
		if (!carry[i])
			continue;
		cv_buf_put_u8(b, BY_REFERENCE);
		cv_buf_put_vec(b, g->kept[i]->ref, g->crypto.suite->nh);
	}
	cv_free(carry);
	return err;
}

static void put_by_value(struct cv_buf *b, uint16_t type)
{
	cv_buf_put_u8(b, BY_VALUE);
	cv_buf_put_u16(b, type);
}

static int put_add(struct cv_buf *b, struct cv_span message)
{
	struct mls_message m;
	int err = mls_get_message(message, &m);

	if (err)
		return err;
	if (m.wire_format != MLS_KEY_PACKAGE)
		return CV_EINVAL;
	put_by_value(b, MLS_PROPOSAL_ADD);
	mls_put_span_raw(b, m.key_package.raw);
	return 0;
}

static int put_psk(struct cv_buf *b, struct mls_crypto *c, const struct mls_psk_question *q)
{
	uint8_t nonce[DIGEST_MAX];
	struct psk_id id = {.usage = q->usage,
			    .id = q->psk_id,
			    .group_id = q->group_id,
			    .epoch = q->epoch,
			    .nonce = SPAN(nonce, c->suite->nh)};
	int err = cv_rng_fill(c->rng, nonce, c->suite->nh);

	if (err)
		return err;
	put_by_value(b, MLS_PROPOSAL_PSK);
	mls_put_psk_id(b, &id);
	return 0;
}

static void put_reinit(struct cv_buf *b, const struct mls_reinit *r)
{
	put_by_value(b, MLS_PROPOSAL_REINIT);
	mls_put_span(b, r->group_id);
	cv_buf_put_u16(b, MLS_VERSION);
	cv_buf_put_u16(b, r->suite);
	mls_put_extensions(b, r->extensions, r->n_extensions);
}

/* The content of `ProposalOrRef proposals<V>`. */
static int put_proposals(struct mls_group *g, const struct mls_commit *what, struct cv_buf *b)
{
	/* ReInit goes alone. */
	bool kept = g->n_kept && !what->drop_proposals && !what->reinit;
	int err = kept ? put_kept(g, what, b) : 0;

	if (err)
		return err;
	if (what->set_extensions) {
		put_by_value(b, MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS);
		mls_put_extensions(b, what->extensions, what->n_extensions);
	}
	for (size_t i = 0; i < what->n_removes; i++) {
		put_by_value(b, MLS_PROPOSAL_REMOVE);
		cv_buf_put_u32(b, what->removes[i]);
	}
	for (size_t i = 0; !err && i < what->n_adds; i++)
		err = put_add(b, what->adds[i]);
	for (size_t i = 0; !err && i < what->n_psks; i++)
		err = put_psk(b, &g->crypto, &what->psks[i]);
	if (what->reinit)
		put_reinit(b, what->reinit);
	return err ? err : cv_buf_status(b);
}

/* --- the path --- */

static int build_leaf(struct stage *s, const struct mls_member *member, const struct mls_hpke_key *key,
		      const struct new_path *path, struct cv_buf *out)
{
	struct epoch *next = s->next;
	struct leaf_parts parts = {
		.source = MLS_LEAF_COMMIT,
		.parent_hash = SPAN(path->parent_hash, path->parent_hash_len),
		.encryption_key = SPAN(key->pub, key->pub_len),
		.group_id = s->g->cur->gc.group_id,
		.index = next->own,
	};

	if (!member)
		return mls_leaf_rebuild(mls_tree_leaf(next->tree, next->own), &next->signer, &parts, out);
	next->signer = member->signer;
	return mls_leaf_build(&s->g->crypto, member, &parts, out);
}

/* New keys for our leaf and its ancestors in s->next. */
static int make_path(struct stage *s, const struct mls_member *member, struct new_path *path)
{
	struct mls_crypto *c = &s->g->crypto;
	struct leaf_rules rules = {.crypto = c,
				   .opt = &s->g->opt,
				   .group = s->g,
				   .group_id = s->g->cur->gc.group_id,
				   .extensions = s->extensions};
	struct epoch *next = s->next;
	const struct leaf_node *before = mls_stage_replaced(s);
	struct mls_hpke_key key = {0};
	struct cv_buf leaf;
	int err = mls_kem_generate(c, &key);

	cv_buf_init(&leaf, MLS_MESSAGE_MAX);
	if (!err)
		err = mls_path_new(next->tree, c, next->own, &next->keys, path);
	if (!err)
		err = build_leaf(s, member, &key, path, &leaf);
	if (!err)
		err = mls_tree_set_leaf(next->tree, next->own, SPAN(leaf.data, leaf.len));
	if (!err) {
		s->new_leaf = *mls_tree_leaf(next->tree, next->own);
		s->has_new_leaf = true;
		err = mls_leaf_check(&rules, &s->new_leaf, MLS_LEAF_IN_COMMIT, next->own, before);
	}
	if (!err) {
		cv_secret_move(&next->keys.level[0], &key.priv);
		s->commit_secret = path->commit_secret;
	}
	mls_hpke_key_wipe(&key);
	cv_buf_done(&leaf);
	return err;
}

static int put_path(struct stage *s, const struct new_path *path, struct cv_buf *body)
{
	struct epoch *next = s->next;

	mls_put_span_raw(body, s->new_leaf.raw);
	return mls_path_seal(next->tree, &s->g->crypto, path, SPAN(next->context.data, next->context.len), s->added,
			     body);
}

/* --- the message --- */

int mls_commit_prepare(struct stage *s, const struct mls_member *member, struct cv_span proposals, bool with_path,
		       uint16_t wire_format, struct new_path *path, struct commit_message *m)
{
	struct mls_group *g = s->g;
	/* A member signs with the key of its leaf in force; an external committer has only the new one. */
	const struct mls_signer *signer = s->committer.type == MLS_SENDER_MEMBER ? &g->cur->signer : &s->next->signer;
	struct framed *f = &m->framed;
	int err = with_path ? make_path(s, member, path) : 0;

	*f = (struct framed){.wire_format = wire_format};
	cv_buf_init(&m->body, MLS_MESSAGE_MAX);
	mls_put_span(&m->body, proposals);
	cv_buf_put_u8(&m->body, with_path);
	if (!err)
		err = mls_stage_check_tree(s);
	if (!err)
		err = mls_stage_context(s);
	if (!err && with_path)
		err = put_path(s, path, &m->body);
	if (!err)
		err = cv_buf_status(&m->body);
	if (!err)
		err = mls_framed_init(f, g->cur, wire_format, MLS_CONTENT_COMMIT, s->authenticated_data,
				      SPAN(m->body.data, m->body.len));
	if (!err && s->committer.type != MLS_SENDER_MEMBER) {
		cv_buf_done(&f->encoded);
		f->content.sender = (struct sender){.type = s->committer.type};
		err = mls_framed_encode(f);
	}
	if (!err)
		err = mls_framed_sign(f, signer, SPAN(g->cur->context.data, g->cur->context.len));
	if (!err)
		err = mls_stage_schedule(s, f);
	if (!err)
		err = mls_stage_ask(s);
	f->auth.confirmation_tag = SPAN(s->next->confirmation_tag, g->crypto.suite->nh);
	return err;
}

int mls_commit_protect(struct stage *s, struct commit_message *m, struct cv_buf *out)
{
	struct mls_group *g = s->g;

	return mls_framed_protect(&m->framed, g->cur, &g->crypto, &g->opt, out);
}

void mls_commit_message_done(struct commit_message *m)
{
	mls_framed_done(&m->framed);
	cv_buf_done(&m->body);
}

void mls_commit_output_done(struct mls_commit_output *o)
{
	cv_buf_done(&o->commit);
	cv_buf_done(&o->welcome);
	cv_buf_done(&o->group_info);
	cv_buf_done(&o->ratchet_tree);
}

static int make_output(struct stage *s, const struct mls_commit *what, const struct new_path *path,
		       struct mls_commit_output *out)
{
	struct info_parts parts = {
		.tree = !what->tree_outside_welcome, .more = what->info_extensions, .n_more = what->n_info_extensions};
	bool adds = false;
	int err = 0;

	for (size_t i = 0; i < s->n; i++)
		adds = adds || s->list[i].p.type == MLS_PROPOSAL_ADD;
	if (adds)
		err = mls_welcome_build(s, s->has_new_leaf ? path : NULL, &parts, &out->welcome);
	if (!err && adds && what->tree_outside_welcome) {
		mls_tree_encode(s->next->tree, &out->ratchet_tree);
		err = cv_buf_status(&out->ratchet_tree);
	}
	if (!err && what->want_group_info) {
		mls_put_message_head(&out->group_info, MLS_GROUP_INFO);
		parts.tree = parts.external_pub = true;
		err = mls_group_info_build(&s->g->crypto, s->next, &parts, &out->group_info);
	}
	return err;
}

int mls_group_commit(struct mls_group *g, const struct mls_commit *what, struct mls_commit_output *ret)
{
	struct mls_commit_output out;
	struct commit_message m = {0};
	struct new_path path = {0};
	struct cv_buf proposals;
	struct stage s = {.g = g, .own = true, .authenticated_data = what->authenticated_data};
	bool with_path;
	int err;

	if (g->pending || mls_group_ended(g))
		return CV_ESTATE;
	s.committer = (struct sender){.type = MLS_SENDER_MEMBER, .index = g->cur->own};
	cv_buf_init(&proposals, MLS_MESSAGE_MAX);
	cv_buf_init(&out.commit, MLS_MESSAGE_MAX);
	cv_buf_init(&out.welcome, MLS_MESSAGE_MAX);
	cv_buf_init(&out.group_info, MLS_MESSAGE_MAX);
	cv_buf_init(&out.ratchet_tree, MLS_MESSAGE_MAX);
	err = put_proposals(g, what, &proposals);
	if (!err)
		err = mls_stage_read(&s, SPAN(proposals.data, proposals.len));
	if (!err)
		err = mls_stage_validate(&s);
	if (!err)
		err = mls_stage_apply(&s);
	with_path = s.needs_path || what->force_path || what->member;
	if (!err)
		err = mls_commit_prepare(&s, what->member, SPAN(proposals.data, proposals.len), with_path,
					 g->opt.public_handshake ? MLS_PUBLIC_MESSAGE : MLS_PRIVATE_MESSAGE, &path, &m);
	if (!err)
		err = make_output(&s, what, &path, &out);
	if (!err)
		err = mls_commit_protect(&s, &m, &out.commit);
	if (!err) {
		g->pending = s.next;
		s.next = NULL;
		*ret = out;
	} else {
		mls_commit_output_done(&out);
	}
	mls_commit_message_done(&m);
	mls_path_wipe(&path);
	mls_stage_done(&s);
	cv_buf_done(&proposals);
	return err;
}
