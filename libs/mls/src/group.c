/* SPDX-License-Identifier: Apache-2.0 */
/* Creation of a group, the change of epochs, and what can be asked of it. RFC 9420 sections 8.5, 8.7, 9.2, 11. */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

#define MAX_FORWARD_DEFAULT       1024
#define MAX_SKIPPED_DEFAULT       64
#define RESUMPTION_EPOCHS_DEFAULT 4
/* The creator's own leaf was never a KeyPackage; it gets a validity that no clock will quarrel about. */
#define CREATOR_BEFORE 86400u
#define CREATOR_AFTER  (90u * 86400u)

int mls_group_new(const struct mls_group_options *options, uint16_t suite, struct mls_group **ret)
{
	struct mls_group *g;
	int err;

	if (!options->env || !options->env->rng || !options->env->now || !options->policy.leaf ||
	    options->past_epochs > PAST_EPOCHS_MAX || options->resumption_epochs > RESUMPTION_EPOCHS_MAX)
		return CV_EINVAL;
	g = cv_calloc(1, sizeof(*g));
	if (!g)
		return CV_ENOMEM;
	g->opt = *options;
	if (!g->opt.max_forward)
		g->opt.max_forward = MAX_FORWARD_DEFAULT;
	if (!g->opt.max_skipped)
		g->opt.max_skipped = MAX_SKIPPED_DEFAULT;
	if (!g->opt.resumption_epochs)
		g->opt.resumption_epochs = RESUMPTION_EPOCHS_DEFAULT;
	err = mls_crypto_init(&g->crypto, suite, options->env->rng);
	if (err)
		cv_free(g);
	else
		*ret = g;
	return err;
}

void mls_group_free(struct mls_group *g)
{
	if (!g)
		return;
	mls_epoch_free(g->cur);
	mls_epoch_free(g->pending);
	for (size_t i = 0; i < PAST_EPOCHS_MAX; i++)
		mls_epoch_free(g->past[i]);
	mls_forget_kept(g);
	mls_crypto_done(&g->crypto);
	cv_free_wiped(g, sizeof(*g));
}

static int create_leaf(struct mls_group *g, const struct mls_member *member, struct epoch *e, struct cv_span group_id,
		       struct cv_span extensions)
{
	uint64_t now = g->opt.env->now(g->opt.env->now_ctx), max = g->opt.lifetime_max;
	/* As long as members who join may accept, who have the same longest lifetime (section 7.2). */
	uint64_t before = max && max / 2 < CREATOR_BEFORE ? max / 2 : CREATOR_BEFORE,
		 after = max && max - before < CREATOR_AFTER ? max - before : CREATOR_AFTER;
	struct mls_hpke_key key = {0};
	struct leaf_parts parts = {.source = MLS_LEAF_KEY_PACKAGE,
				   .not_before = now > before ? now - before : 0,
				   .not_after = now + after};
	struct leaf_rules rules = {
		.crypto = &g->crypto, .opt = &g->opt, .group_id = group_id, .extensions = extensions};
	struct cv_buf leaf;
	uint32_t index;
	int err = mls_kem_generate(&g->crypto, &key);

	cv_buf_init(&leaf, MLS_MESSAGE_MAX);
	parts.encryption_key = SPAN(key.pub, key.pub_len);
	if (!err)
		err = mls_leaf_build(&g->crypto, member, &parts, &leaf);
	if (!err)
		err = mls_tree_add(e->tree, SPAN(leaf.data, leaf.len), &index);
	if (!err)
		err = mls_leaf_check(&rules, mls_tree_leaf(e->tree, index), MLS_LEAF_IN_OWN, index, NULL);
	if (!err)
		err = mls_leaf_supports_context(mls_tree_leaf(e->tree, index), extensions, true);
	if (!err) {
		e->own = index;
		e->signer = member->signer;
		cv_secret_move(&e->keys.level[0], &key.priv);
	}
	mls_hpke_key_wipe(&key);
	cv_buf_done(&leaf);
	return err;
}

static int create_secrets(struct mls_group *g, struct epoch *e, struct cv_span group_id, struct cv_span extensions)
{
	struct group_context gc = {.suite = g->crypto.suite->id, .group_id = group_id, .extensions = extensions};
	struct cv_secret epoch_secret = {0};
	uint8_t tree_hash[DIGEST_MAX];
	int err = mls_epoch_tree_hash(e, &g->crypto, tree_hash);

	gc.tree_hash = SPAN(tree_hash, g->crypto.suite->nh);
	if (!err)
		err = mls_epoch_set_context(e, &gc);
	if (!err)
		err = mls_crypto_random_secret(&g->crypto, g->crypto.suite->nh, &epoch_secret);
	if (!err)
		err = mls_schedule_from_epoch_secret(&g->crypto, &epoch_secret, &e->secrets);
	if (!err)
		err = mls_epoch_confirm(e, &g->crypto);
	if (!err)
		err = mls_epoch_start(e);
	cv_secret_wipe(&epoch_secret);
	return err;
}

int mls_group_create(const struct mls_group_options *options, uint16_t suite, const struct mls_member *member,
		     struct cv_span group_id, const struct mls_extension *extensions, size_t n_extensions,
		     struct mls_group **ret)
{
	struct mls_group *g;
	struct cv_span list = {0};
	struct cv_reader r;
	struct cv_buf b;
	int err;

	if (group_id.len > MLS_GROUP_ID_MAX)
		return CV_EINVAL;
	err = mls_group_new(options, suite, &g);
	if (err)
		return err;
	cv_buf_init(&b, MLS_MESSAGE_MAX);
	mls_put_extensions(&b, extensions, n_extensions);
	err = cv_buf_status(&b);
	cv_reader_init(&r, b.data, b.len);
	if (!err)
		err = mls_get_extensions(&r, &list);
	if (!err)
		err = mls_check_context_extensions(list);
	if (!err)
		err = mls_epoch_new(&g->cur);
	if (!err)
		err = mls_tree_new(g->crypto.suite->nh, &g->cur->tree);
	if (!err)
		err = create_leaf(g, member, g->cur, group_id, list);
	if (!err)
		err = create_secrets(g, g->cur, group_id, list);
	cv_buf_done(&b);
	if (err)
		mls_group_free(g);
	else
		*ret = g;
	return err;
}

/* --- from epoch to epoch --- */

/* What still reads late application messages stays; everything else is wiped (section 9.2). */
static void retire(struct epoch *e)
{
	struct cv_secret sender_data = e->secrets.sender_data;

	cv_wipe(&e->secrets, sizeof(e->secrets));
	cv_wipe(&e->keys, sizeof(e->keys));
	cv_secret_move(&e->secrets.sender_data, &sender_data);
}

static void remember_resumption(struct mls_group *g)
{
	size_t max = g->opt.resumption_epochs;

	if (g->n_resumption == max) {
		memmove(g->resumption, g->resumption + 1, (max - 1) * sizeof(g->resumption[0]));
		g->n_resumption--;
	}
	g->resumption[g->n_resumption++] =
		(struct resumption){.epoch = g->cur->gc.epoch, .psk = g->cur->secrets.resumption};
}

void mls_group_enter(struct mls_group *g, struct epoch *next)
{
	struct epoch *old = g->cur;
	size_t n = g->opt.past_epochs;

	remember_resumption(g);
	mls_forget_kept(g);
	mls_group_clear_pending(g);
	if (n) {
		mls_epoch_free(g->past[n - 1]);
		memmove(g->past + 1, g->past, (n - 1) * sizeof(g->past[0]));
		retire(old);
		g->past[0] = old;
	} else {
		mls_epoch_free(old);
	}
	g->cur = next;
}

void mls_group_forget_secrets(struct mls_group *g)
{
	mls_group_clear_pending(g);
	mls_forget_kept(g);
	for (size_t i = 0; i < PAST_EPOCHS_MAX; i++) {
		mls_epoch_free(g->past[i]);
		g->past[i] = NULL;
	}
	cv_wipe(g->resumption, sizeof(g->resumption));
	g->n_resumption = 0;
	cv_wipe(&g->cur->secrets, sizeof(g->cur->secrets));
	cv_wipe(&g->cur->keys, sizeof(g->cur->keys));
	mls_secret_tree_free(g->cur->secret_tree);
	g->cur->secret_tree = NULL;
}

struct epoch *mls_group_find_epoch(struct mls_group *g, uint64_t epoch)
{
	if (g->cur->gc.epoch == epoch)
		return g->cur;
	for (size_t i = 0; i < PAST_EPOCHS_MAX; i++)
		if (g->past[i] && g->past[i]->gc.epoch == epoch)
			return g->past[i];
	return NULL;
}

bool mls_group_ended(const struct mls_group *g)
{
	return g->removed || g->cur->reinit.len;
}

bool mls_group_has_pending(const struct mls_group *g)
{
	return g->pending != NULL;
}

int mls_group_merge_pending(struct mls_group *g)
{
	struct epoch *next = g->pending;

	if (!next)
		return CV_ESTATE;
	g->pending = NULL;
	mls_group_enter(g, next);
	return 0;
}

void mls_group_clear_pending(struct mls_group *g)
{
	mls_epoch_free(g->pending);
	g->pending = NULL;
}

size_t mls_group_n_proposals(const struct mls_group *g)
{
	return g->n_kept;
}

void mls_group_clear_proposals(struct mls_group *g)
{
	mls_forget_kept(g);
}

/* --- state --- */

uint16_t mls_group_suite(const struct mls_group *g)
{
	return g->crypto.suite->id;
}

struct cv_span mls_group_id(const struct mls_group *g)
{
	return g->cur->gc.group_id;
}

uint64_t mls_group_epoch(const struct mls_group *g)
{
	return g->cur->gc.epoch;
}

uint32_t mls_group_own_index(const struct mls_group *g)
{
	return g->cur->own;
}

bool mls_group_active(const struct mls_group *g)
{
	return !mls_group_ended(g);
}

struct cv_span mls_group_extensions(const struct mls_group *g)
{
	return g->cur->gc.extensions;
}

struct cv_span mls_group_epoch_authenticator(const struct mls_group *g)
{
	return mls_secret_span(&g->cur->secrets.authenticator);
}

struct cv_span mls_group_pending_epoch_authenticator(const struct mls_group *g)
{
	return g->pending ? mls_secret_span(&g->pending->secrets.authenticator) : SPAN_NONE;
}

struct cv_span mls_group_confirmed_transcript_hash(const struct mls_group *g)
{
	return g->cur->gc.confirmed_transcript_hash;
}

struct cv_span mls_group_tree_hash(const struct mls_group *g)
{
	return g->cur->gc.tree_hash;
}

struct cv_span mls_group_resumption_psk(const struct mls_group *g)
{
	return mls_secret_span(&g->cur->secrets.resumption);
}

uint32_t mls_group_n_members(const struct mls_group *g)
{
	return g->cur->tree->n_members;
}

int mls_group_member(const struct mls_group *g, uint32_t index, struct mls_leaf_view *ret)
{
	const struct leaf_node *l = mls_tree_leaf(g->cur->tree, index);

	if (!l)
		return CV_ENOTFOUND;
	*ret = l->v;
	return 0;
}

uint32_t mls_group_next_member(const struct mls_group *g, uint32_t from)
{
	while (from < g->cur->tree->n_leaves && !mls_tree_leaf(g->cur->tree, from))
		from++;
	return from < g->cur->tree->n_leaves ? from : UINT32_MAX;
}

int mls_group_find_member(const struct mls_group *g, struct cv_span signature_key, uint32_t *ret_index)
{
	const struct tree *t = g->cur->tree;

	for (uint32_t i = 0; i < t->n_leaves; i++) {
		const struct leaf_node *l = mls_tree_leaf(t, i);

		if (!l || !mls_span_equal(l->v.signature_key, signature_key))
			continue;
		*ret_index = i;
		return 0;
	}
	return CV_ENOTFOUND;
}

static int export(struct mls_group *g, struct epoch *e, const char *label, struct cv_span context, uint8_t *ret,
		  size_t len)
{
	if (!e || g->removed)
		return CV_ESTATE;
	return mls_schedule_export(&g->crypto, &e->secrets.exporter, SPAN(label, strlen(label)), context, ret, len);
}

int mls_group_export(struct mls_group *g, const char *label, struct cv_span context, uint8_t *ret, size_t len)
{
	return export(g, g->cur, label, context, ret, len);
}

int mls_group_pending_export(struct mls_group *g, const char *label, struct cv_span context, uint8_t *ret, size_t len)
{
	return export(g, g->pending, label, context, ret, len);
}

int mls_group_tree(const struct mls_group *g, struct cv_buf *out)
{
	mls_tree_encode(g->cur->tree, out);
	return cv_buf_status(out);
}

int mls_group_encrypt(struct mls_group *g, struct cv_span plaintext, struct cv_span authenticated_data,
		      struct cv_buf *out)
{
	struct framed f = {0};
	int err;

	/* Whoever has seen valid proposals "MUST send a Commit message before sending application data" (section 12.4).
	 */
	if (mls_group_ended(g) || g->n_kept)
		return CV_ESTATE;
	err = mls_framed_init(&f, g->cur, MLS_PRIVATE_MESSAGE, MLS_CONTENT_APPLICATION, authenticated_data, plaintext);
	if (!err)
		err = mls_framed_sign(&f, &g->cur->signer, SPAN(g->cur->context.data, g->cur->context.len));
	if (!err)
		err = mls_framed_protect(&f, g->cur, &g->crypto, &g->opt, out);
	mls_framed_done(&f);
	return err;
}
