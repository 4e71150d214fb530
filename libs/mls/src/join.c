/* SPDX-License-Identifier: Apache-2.0 */
/* Joining by Welcome: RFC 9420 section 12.4.3.1. */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

/* --- the tree of a group that we do not know yet --- */

static int check_leaves(const struct mls_group *g, const struct epoch *e)
{
	struct leaf_rules rules = {.crypto = (struct mls_crypto *)&g->crypto,
				   .opt = &g->opt,
				   .group_id = e->gc.group_id,
				   .extensions = e->gc.extensions};
	int err = 0;

	for (uint32_t i = 0; !err && i < e->tree->n_leaves; i++) {
		const struct leaf_node *l = mls_tree_leaf(e->tree, i);

		if (l)
			err = mls_leaf_check(&rules, l, MLS_LEAF_IN_TREE, i, NULL);
	}
	return err;
}

static int check_tree(const struct mls_group *g, struct epoch *e)
{
	struct mls_crypto *c = (struct mls_crypto *)&g->crypto;
	uint8_t hash[DIGEST_MAX];
	int err = mls_epoch_tree_hash(e, c, hash);

	if (!err && !mls_span_equal(e->gc.tree_hash, SPAN(hash, c->suite->nh)))
		err = CV_EINVAL;
	if (!err)
		err = mls_tree_check_parents(e->tree, c);
	if (!err)
		err = mls_tree_check_members(e->tree, c->rng);
	return err ? err : check_leaves(g, e);
}

static int check_signature(const struct mls_group *g, const struct epoch *e, const struct group_info *gi)
{
	const struct leaf_node *signer = mls_tree_leaf(e->tree, gi->signer);

	if (!signer)
		return CV_EINVAL;
	return mls_crypto_verify((struct mls_crypto *)&g->crypto, signer->v.signature_key, "GroupInfoTBS", &gi->tbs, 1,
				 gi->signature);
}

int mls_join_tree(const struct mls_group *g, const struct group_info *gi, struct cv_span ratchet_tree,
		  struct epoch **ret)
{
	size_t nh = g->crypto.suite->nh;
	struct cv_span data;
	struct epoch *e;
	int err;

	if (gi->context.suite != g->crypto.suite->id || gi->confirmation_tag.len != nh ||
	    gi->context.confirmed_transcript_hash.len != (gi->context.epoch ? nh : 0))
		return CV_EINVAL;
	err = mls_check_context_extensions(gi->context.extensions);
	if (err)
		return err;
	if (mls_extension_find(gi->extensions, MLS_EXT_RATCHET_TREE, &data) == 0)
		ratchet_tree = data;
	if (!ratchet_tree.len)
		return CV_ENOTFOUND;
	err = mls_epoch_new(&e);
	if (err)
		return err;
	err = mls_tree_decode(ratchet_tree, nh, &e->tree);
	if (!err)
		err = mls_epoch_set_context(e, &gi->context);
	if (!err)
		err = check_signature(g, e, gi);
	if (!err)
		err = check_tree(g, e);
	memcpy(e->confirmation_tag, gi->confirmation_tag.data, nh);
	if (err)
		mls_epoch_free(e);
	else
		*ret = e;
	return err;
}

/* --- the Welcome --- */

struct opened_welcome {
	struct cv_buf secrets_raw, group_info_raw;
	struct group_secrets secrets;
	struct group_info group_info;
	struct cv_secret joiner, psk;
};

static void opened_done(struct opened_welcome *o)
{
	cv_buf_done(&o->secrets_raw);
	cv_buf_done(&o->group_info_raw);
	cv_wipe(o, sizeof(*o));
}

static int find_secret(const struct welcome *w, const struct mls_key_package *kp, struct hpke_ciphertext *ret)
{
	struct welcome_secret s;
	struct cv_reader r;

	cv_reader_init(&r, w->secrets.data, w->secrets.len);
	while (r.left) {
		int err = mls_get_welcome_secret(&r, &s);

		if (err)
			return err;
		if (!mls_span_equal(s.new_member, SPAN(kp->ref, kp->ref_len)))
			continue;
		*ret = s.encrypted;
		return 0;
	}
	return CV_ENOTFOUND;
}

static int open_secrets(struct mls_crypto *c, const struct welcome *w, const struct mls_key_package *kp,
			struct opened_welcome *o)
{
	struct hpke_ciphertext ct;
	struct hpke_info info;
	struct cv_reader r;
	uint8_t *pt;
	int err = find_secret(w, kp, &ct);

	if (!err && ct.ciphertext.len < TAG_LEN)
		err = CV_EAUTH;
	if (!err)
		err = mls_hpke_label_info(c, "Welcome", w->encrypted_group_info, &info);
	if (!err)
		err = cv_buf_extend(&o->secrets_raw, ct.ciphertext.len - TAG_LEN, &pt);
	if (!err)
		err = mls_hpke_base_open(c, &kp->init_priv, &info, ct.kem_output, SPAN_NONE, ct.ciphertext, pt);
	if (err)
		return err;
	cv_reader_init(&r, o->secrets_raw.data, o->secrets_raw.len);
	err = mls_get_group_secrets(&r, &o->secrets);
	if (!err)
		err = cv_reader_end(&r);
	if (!err && o->secrets.joiner_secret.len != c->suite->nh)
		err = CV_EFORMAT;
	return err ? err : cv_secret_set(&o->joiner, o->secrets.joiner_secret.data, o->secrets.joiner_secret.len);
}

static int open_group_info(struct mls_crypto *c, const struct welcome *w, struct opened_welcome *o)
{
	struct cv_secret welcome = {0};
	uint8_t key[KEY_MAX], nonce[NONCE_LEN], *pt;
	struct cv_reader r;
	int err = w->encrypted_group_info.len < TAG_LEN ? CV_EAUTH : 0;

	if (!err)
		err = mls_schedule_welcome(c, &o->joiner, &o->psk, &welcome);
	if (!err)
		err = mls_crypto_expand_label(c, &welcome, SPAN_STR("key"), SPAN_NONE, key, c->suite->nk);
	if (!err)
		err = mls_crypto_expand_label(c, &welcome, SPAN_STR("nonce"), SPAN_NONE, nonce, NONCE_LEN);
	if (!err)
		err = cv_buf_extend(&o->group_info_raw, w->encrypted_group_info.len - TAG_LEN, &pt);
	if (!err)
		err = mls_crypto_open(c, key, nonce, SPAN_NONE, w->encrypted_group_info, pt);
	cv_secret_wipe(&welcome);
	cv_wipe(key, sizeof(key));
	if (err)
		return err;
	cv_reader_init(&r, o->group_info_raw.data, o->group_info_raw.len);
	err = mls_get_group_info(&r, &o->group_info);
	return err ? err : cv_reader_end(&r);
}

/* "if a PreSharedKeyID has type resumption with usage reinit or branch, verify that it is the only such PSK" */
static int check_psks(const struct opened_welcome *o, size_t nh, bool successor)
{
	struct cv_reader r;
	struct psk_id id;
	int special = 0;

	cv_reader_init(&r, o->secrets.psks.data, o->secrets.psks.len);
	while (r.left) {
		int err = mls_get_psk_id(&r, &id);

		if (err)
			return err;
		if (id.nonce.len != nh)
			return CV_EINVAL;
		special += id.usage == MLS_PSK_REINIT || id.usage == MLS_PSK_BRANCH;
	}
	if (special > 1)
		return CV_EINVAL;
	/* What such a group must be can only be told beside the group that it comes from. */
	return special && !successor ? CV_ENOTFOUND : 0;
}

/* --- our place in the group --- */

static int find_own(struct epoch *e, const struct mls_key_package *kp)
{
	for (uint32_t i = 0; i < e->tree->n_leaves; i++) {
		const struct leaf_node *l = mls_tree_leaf(e->tree, i);

		if (!l || !mls_span_equal(l->raw, kp->kp.leaf.raw))
			continue;
		e->own = i;
		return mls_leaf_supports_context(l, e->gc.extensions, true);
	}
	return CV_EINVAL;
}

static int take_keys(struct mls_crypto *c, struct epoch *e, const struct mls_key_package *kp,
		     const struct opened_welcome *o)
{
	struct cv_secret path = {0};
	int err = 0;

	e->keys.level[0] = kp->encryption_priv;
	if (!o->secrets.has_path_secret)
		return 0;
	if (o->secrets.path_secret.len != c->suite->nh || o->group_info.signer == e->own)
		return CV_EINVAL;
	err = cv_secret_set(&path, o->secrets.path_secret.data, o->secrets.path_secret.len);
	if (!err)
		err = mls_path_join(e->tree, c, o->group_info.signer, e->own, &path, &e->keys);
	cv_secret_wipe(&path);
	return err;
}

static int enter_epoch(struct mls_crypto *c, struct epoch *e, const struct opened_welcome *o)
{
	uint8_t claimed[DIGEST_MAX];
	int err = mls_schedule_epoch(c, &o->joiner, &o->psk, SPAN(e->context.data, e->context.len), &e->secrets);

	memcpy(claimed, e->confirmation_tag, c->suite->nh);
	if (!err)
		err = mls_epoch_confirm(e, c);
	if (!err && !cv_equal(claimed, e->confirmation_tag, c->suite->nh))
		err = CV_EAUTH;
	return err ? err : mls_epoch_start(e);
}

static int join(struct mls_group *g, const struct mls_join *j, const struct welcome *w, bool successor,
		struct opened_welcome *o)
{
	struct mls_crypto *c = &g->crypto;
	int err = open_secrets(c, w, j->key_package, o);

	if (!err)
		err = check_psks(o, c->suite->nh, successor);
	if (!err)
		err = mls_psk_mix(c, &g->opt, NULL, o->secrets.psks, &o->psk);
	if (!err)
		err = open_group_info(c, w, o);
	if (!err && j->expected_group_id.len && !mls_span_equal(j->expected_group_id, o->group_info.context.group_id))
		err = CV_EDENIED;
	if (!err)
		err = mls_join_tree(g, &o->group_info, j->ratchet_tree, &g->cur);
	if (!err)
		err = find_own(g->cur, j->key_package);
	if (!err)
		err = take_keys(c, g->cur, j->key_package, o);
	if (!err)
		err = enter_epoch(c, g->cur, o);
	if (err)
		return err;
	g->cur->signer = j->signer;
	if (g->opt.policy.group_info)
		err = g->opt.policy.group_info(g->opt.policy.ctx, g, o->group_info.extensions);
	if (err)
		return err;
	return g->opt.policy.join ? g->opt.policy.join(g->opt.policy.ctx, g) : 0;
}

int mls_join_welcome(const struct mls_group_options *options, const struct mls_join *j, bool successor,
		     struct mls_group **ret)
{
	struct opened_welcome o = {0};
	struct mls_message m;
	struct mls_group *g;
	int err = mls_get_message(j->welcome, &m);

	if (err)
		return err;
	if (m.wire_format != MLS_WELCOME || m.welcome.suite != j->key_package->suite || !j->signer.sign)
		return CV_EINVAL;
	err = mls_group_new(options, m.welcome.suite, &g);
	if (err)
		return err;
	cv_buf_init_secret(&o.secrets_raw, MLS_MESSAGE_MAX);
	cv_buf_init(&o.group_info_raw, MLS_MESSAGE_MAX);
	err = join(g, j, &m.welcome, successor, &o);
	opened_done(&o);
	if (err)
		mls_group_free(g);
	else
		*ret = g;
	return err;
}

int mls_group_join(const struct mls_group_options *options, const struct mls_join *j, struct mls_group **ret)
{
	return mls_join_welcome(options, j, false, ret);
}
