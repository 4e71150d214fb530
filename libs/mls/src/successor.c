/* SPDX-License-Identifier: Apache-2.0 */
/* From group to group: reinitialisation and branching, RFC 9420 sections 11.2 and 11.3. */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

static int read_reinit(const struct mls_group *g, struct proposal *ret)
{
	struct cv_reader r;

	if (!g->cur->reinit.len)
		return CV_ESTATE;
	ret->type = MLS_PROPOSAL_REINIT;
	cv_reader_init(&r, g->cur->reinit.data, g->cur->reinit.len);
	return mls_get_proposal_body(&r, ret);
}

int mls_group_reinit_info(const struct mls_group *g, struct mls_reinit_view *ret)
{
	struct proposal p;
	int err = read_reinit(g, &p);

	if (err)
		return err;
	ret->group_id = p.reinit.group_id;
	ret->version = p.reinit.version;
	ret->suite = p.reinit.suite;
	ret->extensions = p.reinit.extensions;
	return 0;
}

/* Stands between the new group and the application's policy: knows the old group's resumption PSK. */
struct descent {
	struct mls_group *old;
	enum mls_psk_usage usage;
	struct mls_policy policy;
	bool used;
};

static bool is_descent(const struct descent *d, const struct mls_psk_question *q)
{
	return q->usage == d->usage && q->epoch == d->old->cur->gc.epoch &&
	       mls_span_equal(q->group_id, d->old->cur->gc.group_id);
}

static int find_psk(void *ctx, const struct mls_psk_question *q, struct cv_span *ret)
{
	struct descent *d = ctx;

	if (is_descent(d, q)) {
		d->used = true;
		*ret = mls_secret_span(&d->old->cur->secrets.resumption);
		return 0;
	}
	return d->policy.psk ? d->policy.psk(d->policy.ctx, q, ret) : CV_ENOTFOUND;
}

static int judge_leaf(void *ctx, const struct mls_leaf_question *q)
{
	struct descent *d = ctx;

	return d->policy.leaf(d->policy.ctx, q);
}

static int identify(void *ctx, const struct mls_leaf_view *leaf, struct cv_span *ret)
{
	struct descent *d = ctx;

	return d->policy.identity(d->policy.ctx, leaf, ret);
}

static int judge_commit(void *ctx, const struct mls_commit_question *q)
{
	struct descent *d = ctx;

	return d->policy.commit ? d->policy.commit(d->policy.ctx, q) : 0;
}

static int judge_info(void *ctx, const struct mls_group *g, struct cv_span extensions)
{
	struct descent *d = ctx;

	return d->policy.group_info(d->policy.ctx, g, extensions);
}

static struct mls_group_options wrap(struct descent *d, const struct mls_group_options *o)
{
	struct mls_group_options w = *o;

	d->policy = o->policy;
	w.policy = (struct mls_policy){.leaf = judge_leaf,
				       .identity = o->policy.identity ? identify : NULL,
				       .commit = judge_commit,
				       .group_info = o->policy.group_info ? judge_info : NULL,
				       .psk = find_psk,
				       .ctx = d};
	return w;
}

/* Lists of the wire form become arrays again. */
static int to_array(struct cv_span list, struct mls_extension ret[MLS_EXTENSIONS_MAX], size_t *ret_n)
{
	size_t n = 0;

	for (size_t at = 0; n < MLS_EXTENSIONS_MAX && mls_extension_next(list, &at, &ret[n]);)
		n++;
	*ret_n = n;
	return 0;
}

/* Creates the group and adds everybody in one commit that mixes in the old group's resumption PSK. */
static int found(struct mls_group *old, enum mls_psk_usage usage, const struct mls_group_options *options,
		 uint16_t suite, const struct mls_member *member, struct cv_span group_id, struct cv_span extensions,
		 const struct cv_span *key_packages, size_t n_key_packages, struct mls_commit_output *out,
		 struct mls_group **ret)
{
	struct mls_psk_question psk = {.usage = usage, .group_id = old->cur->gc.group_id, .epoch = old->cur->gc.epoch};
	struct mls_commit what = {.adds = key_packages, .n_adds = n_key_packages, .psks = &psk, .n_psks = 1};
	struct descent d = {.old = old, .usage = usage};
	struct mls_group_options w = wrap(&d, options);
	struct mls_extension *list = cv_calloc(MLS_EXTENSIONS_MAX, sizeof(*list));
	struct mls_commit_output made = {0};
	struct mls_group *g = NULL;
	size_t n;
	int err = list ? to_array(extensions, list, &n) : CV_ENOMEM;

	if (!err)
		err = mls_group_create(&w, suite, member, group_id, list, n, &g);
	if (!err)
		err = mls_group_commit(g, &what, &made);
	if (!err)
		err = mls_group_merge_pending(g);
	/* "with the same members as the original group" (section 12.4.1) */
	if (!err && usage == MLS_PSK_REINIT)
		err = mls_tree_check_subset(old->cur->tree, g->cur->tree, &options->policy, g->crypto.rng);
	cv_free(list);
	if (err) {
		mls_commit_output_done(&made);
		mls_group_free(g);
		return err;
	}
	g->opt.policy = options->policy;
	*out = made;
	*ret = g;
	return 0;
}

int mls_group_reinit(struct mls_group *old, const struct mls_group_options *options, const struct mls_member *member,
		     const struct cv_span *key_packages, size_t n_key_packages, struct mls_commit_output *out,
		     struct mls_group **ret)
{
	struct proposal p;
	int err = read_reinit(old, &p);

	/* A later version is a valid proposal (section 12.1.5), and beyond what this library can make. */
	if (!err && p.reinit.version != MLS_VERSION)
		err = CV_EUNSUPPORTED;
	return err ? err
		   : found(old, MLS_PSK_REINIT, options, p.reinit.suite, member, p.reinit.group_id, p.reinit.extensions,
			   key_packages, n_key_packages, out, ret);
}

int mls_group_branch(struct mls_group *old, const struct mls_group_options *options, const struct mls_member *member,
		     struct cv_span group_id, const struct cv_span *key_packages, size_t n_key_packages,
		     struct mls_commit_output *out, struct mls_group **ret)
{
	if (mls_group_ended(old))
		return CV_ESTATE;
	return found(old, MLS_PSK_BRANCH, options, old->crypto.suite->id, member, group_id, old->cur->gc.extensions,
		     key_packages, n_key_packages, out, ret);
}

/* --- the other members' side --- */

/* Section 12.4.3.1: parameters as in the ReInit proposal, epoch 1, "all the members of the old group". */
static int check_reinit(const struct mls_group *old, const struct mls_group *g)
{
	struct proposal p;
	int err = read_reinit(old, &p);

	if (err)
		return err;
	if (!mls_span_equal(g->cur->gc.group_id, p.reinit.group_id) || p.reinit.version != MLS_VERSION ||
	    g->crypto.suite->id != p.reinit.suite || !mls_span_equal(g->cur->gc.extensions, p.reinit.extensions) ||
	    g->cur->gc.epoch != 1)
		return CV_EINVAL;
	return mls_tree_check_subset(old->cur->tree, g->cur->tree, &g->opt.policy, g->crypto.rng);
}

static int check_branch(const struct mls_group *old, const struct mls_group *g)
{
	if (g->crypto.suite->id != old->crypto.suite->id || g->cur->gc.epoch != 1)
		return CV_EINVAL;
	/* "Each LeafNode in a new subgroup MUST match some LeafNode in the original group" (section 11.3) */
	return mls_tree_check_subset(g->cur->tree, old->cur->tree, &g->opt.policy, g->crypto.rng);
}

int mls_group_join_successor(struct mls_group *old, const struct mls_group_options *options,
			     const struct mls_join *join, struct mls_group **ret)
{
	struct descent d = {.old = old, .usage = old->cur->reinit.len ? MLS_PSK_REINIT : MLS_PSK_BRANCH};
	struct mls_group_options w = wrap(&d, options);
	struct mls_group *g;
	int err = old->removed ? CV_ESTATE : mls_join_welcome(&w, join, true, &g);

	if (err)
		return err;
	g->opt.policy = options->policy;
	err = !d.used ? CV_EINVAL : d.usage == MLS_PSK_REINIT ? check_reinit(old, g) : check_branch(old, g);
	if (!err && options->policy.join)
		err = options->policy.join(options->policy.ctx, g);
	if (err)
		mls_group_free(g);
	else
		*ret = g;
	return err;
}
