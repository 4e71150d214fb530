/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "forge.h"

static int finish(struct framed *f, struct mls_group *g, const struct mls_signer *signer, bool context,
		  struct cv_span tag, struct cv_buf *out)
{
	struct epoch *e = g->cur;
	int err = mls_framed_sign(f, signer, context ? SPAN(e->context.data, e->context.len) : SPAN_NONE);

	f->auth.confirmation_tag = tag;
	if (!err)
		err = mls_framed_protect(f, e, &g->crypto, &g->opt, out);
	return err;
}

int forge_message_as(struct mls_group *g, const struct sender *sender, const struct mls_signer *signer,
		     uint16_t wire_format, uint8_t content_type, struct cv_span body, struct cv_span tag,
		     struct cv_buf *out)
{
	struct framed f = {.wire_format = wire_format};
	bool inside = true;
	int err;

	f.content = (struct framed_content){.group_id = g->cur->gc.group_id,
					    .epoch = g->cur->gc.epoch,
					    .sender = {.type = MLS_SENDER_MEMBER, .index = g->cur->own},
					    .content_type = content_type,
					    .body = body};
	if (sender) {
		f.content.sender = *sender;
		inside = sender->type == MLS_SENDER_MEMBER || sender->type == MLS_SENDER_NEW_MEMBER_COMMIT;
	}
	err = mls_framed_encode(&f);
	if (!err)
		err = finish(&f, g, signer ? signer : &g->cur->signer, inside, tag, out);
	mls_framed_done(&f);
	return err;
}

int forge_message(struct mls_group *g, uint16_t wire_format, uint8_t content_type, struct cv_span body,
		  struct cv_span tag, struct cv_buf *out)
{
	return forge_message_as(g, NULL, NULL, wire_format, content_type, body, tag, out);
}

/* --- commits --- */

static int forge_leaf(struct stage *s, enum forgery what, struct new_path *p, struct cv_buf *out)
{
	struct epoch *next = s->next;
	const struct leaf_node *old = mls_tree_leaf(next->tree, next->own);
	struct mls_hpke_key key = {0};
	struct leaf_parts parts = {.source = what == FORGE_LEAF_SOURCE ? MLS_LEAF_UPDATE : MLS_LEAF_COMMIT,
				   .group_id = s->g->cur->gc.group_id,
				   .index = next->own};
	int err = mls_kem_generate(&s->g->crypto, &key);

	if (what == FORGE_PARENT_HASH)
		p->parent_hash[0] ^= 1;
	parts.parent_hash = SPAN(p->parent_hash, p->parent_hash_len);
	parts.encryption_key = SPAN(key.pub, key.pub_len);
	if (what == FORGE_SAME_LEAF_KEY)
		parts.encryption_key = old->v.encryption_key;
	else if (what == FORGE_ROOT_TO_LEAF)
		parts.encryption_key = mls_tree_key(s->g->cur->tree, tree_root(s->g->cur->tree->n_leaves));
	else
		next->keys.level[0] = key.priv;
	if (!err)
		err = mls_leaf_rebuild(old, &next->signer, &parts, out);
	if (!err && what == FORGE_LEAF_SIGNATURE)
		out->data[out->len - 1] ^= 1;
	return err;
}

/* Wrong public keys go into the tree before anything is hashed. */
static int spoil_tree(struct stage *s, enum forgery what, struct new_path *p)
{
	static const uint8_t zero[32];
	struct tree *t = s->next->tree;
	uint32_t node = p->path.n ? p->path.step[p->path.n - 1].node : 0, other = s->next->own ? 0 : 1;
	struct mls_hpke_key key = {0};
	int err = 0;

	if (what == FORGE_NODE_KEY) {
		err = mls_kem_generate(&s->g->crypto, &key);
		if (!err)
			err = mls_tree_set_parent(t, node, SPAN(key.pub, key.pub_len));
	} else if (what == FORGE_REUSED_KEY) {
		err = mls_tree_set_parent(t, node, mls_tree_leaf(t, other)->v.encryption_key);
	} else if (what == FORGE_KEPT_NODE_KEY) {
		err = mls_tree_set_parent(t, node, mls_tree_key(s->g->cur->tree, node));
	} else if (what == FORGE_LEAF_TO_ROOT) {
		err = mls_tree_set_parent(t, node, mls_tree_leaf(s->g->cur->tree, s->next->own)->v.encryption_key);
	} else if (what == FORGE_SMALL_ORDER_KEY) {
		err = mls_tree_set_parent(t, node, SPAN(zero, 32));
	} else {
		return 0;
	}
	if (!err)
		err = mls_tree_hash_path(t, &s->g->crypto, &p->path, p->parent_hash, &p->parent_hash_len);
	return err;
}

/* `UpdatePathNode nodes<V>` rewritten with one thing wrong in its shape. */
static int spoil_nodes(struct cv_span nodes, enum forgery what, struct cv_buf *out)
{
	struct cv_reader r, list, secrets;
	struct hpke_ciphertext ct, last = {0};
	struct path_node n;
	size_t mark = cv_buf_vec_begin(out), inner, i = 0;
	int err;

	cv_reader_init(&r, nodes.data, nodes.len);
	err = cv_reader_sub(&r, MLS_MESSAGE_MAX, &list);
	for (; !err && list.left; i++) {
		err = mls_get_path_node(&list, &n);
		if (err || (what == FORGE_NODE_MISSING && !list.left))
			break;
		mls_put_span(out, n.encryption_key);
		inner = cv_buf_vec_begin(out);
		cv_reader_init(&secrets, n.secrets.data, n.secrets.len);
		while (!err && secrets.left) {
			err = mls_get_hpke_ciphertext(&secrets, &ct);
			last = ct;
			if (what != FORGE_CIPHERTEXT_MISSING || i || secrets.left)
				mls_put_hpke_ciphertext(out, &ct);
		}
		if (what == FORGE_CIPHERTEXT_EXTRA && !i)
			mls_put_hpke_ciphertext(out, &last);
		cv_buf_vec_end(out, inner);
	}
	if (!err && what == FORGE_NODE_EXTRA) {
		mls_put_span(out, n.encryption_key);
		cv_buf_put_vec(out, NULL, 0);
	}
	cv_buf_vec_end(out, mark);
	return err ? err : cv_buf_status(out);
}

static int forge_path(struct stage *s, enum forgery what, struct new_path *p, struct cv_buf *body)
{
	struct epoch *next = s->next;
	struct cv_buf leaf, nodes;
	int err;

	cv_buf_init(&leaf, 1 << 20);
	cv_buf_init(&nodes, 1 << 20);
	err = mls_path_new(next->tree, &s->g->crypto, next->own, &next->keys, p);
	if (!err)
		err = spoil_tree(s, what, p);
	if (!err)
		err = forge_leaf(s, what, p, &leaf);
	if (!err)
		err = mls_tree_set_leaf(next->tree, next->own, SPAN(leaf.data, leaf.len));
	s->commit_secret = p->commit_secret;
	if (!err)
		err = mls_stage_context(s);
	if (!err)
		err = mls_path_seal(next->tree, &s->g->crypto, p, SPAN(next->context.data, next->context.len), s->added,
				    &nodes);
	cv_buf_put(body, leaf.data, leaf.len);
	if (!err)
		err = spoil_nodes(SPAN(nodes.data, nodes.len), what, body);
	cv_buf_done(&leaf);
	cv_buf_done(&nodes);
	return err;
}

int forge_commit(struct mls_group *g, struct cv_span proposals, enum forgery what, struct cv_buf *commit,
		 struct cv_buf *welcome)
{
	struct framed f = {.wire_format = MLS_PUBLIC_MESSAGE};
	struct stage s = {.g = g, .own = true};
	struct new_path path = {0};
	struct cv_buf body;
	int err;

	s.committer = (struct sender){.type = MLS_SENDER_MEMBER, .index = g->cur->own};
	cv_buf_init(&body, 1 << 20);
	mls_put_span(&body, proposals);
	cv_buf_put_u8(&body, 1);
	err = mls_stage_read(&s, proposals);
	if (!err)
		err = mls_stage_validate(&s);
	if (what == FORGE_LIST)
		err = 0;
	if (!err)
		err = mls_stage_apply(&s);
	if (!err)
		err = forge_path(&s, what, &path, &body);
	if (!err)
		err = mls_framed_init(&f, g->cur, MLS_PUBLIC_MESSAGE, MLS_CONTENT_COMMIT, SPAN_NONE,
				      SPAN(body.data, body.len));
	if (!err)
		err = mls_framed_sign(&f, &g->cur->signer, SPAN(g->cur->context.data, g->cur->context.len));
	if (!err)
		err = mls_stage_schedule(&s, &f);
	if (!err && (what == FORGE_CONFIRMATION_TAG || what == FORGE_WELCOME_TAG))
		s.next->confirmation_tag[0] ^= 1;
	if (!err && welcome)
		err = mls_welcome_build(&s, &path, &(struct info_parts){.tree = true}, welcome);
	if (!err && what == FORGE_WELCOME_TAG)
		s.next->confirmation_tag[0] ^= 1;
	if (!err) {
		f.auth.confirmation_tag = SPAN(s.next->confirmation_tag, g->crypto.suite->nh);
		err = mls_framed_protect(&f, g->cur, &g->crypto, &g->opt, commit);
	}
	mls_framed_done(&f);
	mls_path_wipe(&path);
	mls_stage_done(&s);
	cv_buf_done(&body);
	return err;
}

/* --- from outside --- */

/* The group as somebody outside sees it. */
static int look_in(const struct mls_group_options *options, const struct group_info *gi, struct mls_group **ret)
{
	struct mls_group *g;
	int err = mls_group_new(options, gi->context.suite, &g);

	if (err)
		return err;
	err = mls_join_tree(g, gi, SPAN_NONE, &g->cur);
	if (err) {
		mls_group_free(g);
		return err;
	}
	g->cur->own = UINT32_MAX;
	*ret = g;
	return mls_transcript_interim(&g->crypto, g->cur->gc.confirmed_transcript_hash,
				      SPAN(g->cur->confirmation_tag, g->crypto.suite->nh), g->cur->interim);
}

/* ExternalInit and the others, staged without a word about whether they go together; a leaf for the member. */
static int stage_external(struct stage *s, const struct mls_member *member, struct cv_span pub, struct cv_span more,
			  struct cv_buf *list)
{
	struct mls_crypto *c = &s->g->crypto;
	struct leaf_parts parts = {.source = MLS_LEAF_UPDATE, .group_id = s->g->cur->gc.group_id};
	uint8_t kem_output[MLS_PUBLIC_MAX];
	struct mls_hpke_key key = {0};
	struct cv_buf leaf;
	int err = mls_hpke_external_send(c, pub, kem_output, &s->init_secret);

	cv_buf_put_u8(list, BY_VALUE);
	cv_buf_put_u16(list, MLS_PROPOSAL_EXTERNAL_INIT);
	cv_buf_put_vec(list, kem_output, c->suite->npk);
	mls_put_span_raw(list, more);
	if (!err)
		err = mls_stage_read(s, SPAN(list->data, list->len));
	if (!err) {
		err = mls_stage_validate(s) == CV_ENOMEM ? CV_ENOMEM : 0;
		if (!err)
			err = mls_stage_apply(s);
	}
	cv_buf_init(&leaf, 1 << 20);
	if (!err)
		err = mls_kem_generate(c, &key);
	parts.encryption_key = SPAN(key.pub, key.pub_len);
	if (!err)
		err = mls_leaf_build(c, member, &parts, &leaf);
	if (!err)
		err = mls_tree_add(s->next->tree, SPAN(leaf.data, leaf.len), &s->next->own);
	if (!err)
		s->committer.index = s->next->own;
	mls_hpke_key_wipe(&key);
	cv_buf_done(&leaf);
	return err;
}

int forge_external(struct mls_group *g, const struct mls_group_options *options, const struct mls_member *member,
		   struct cv_span more, struct cv_buf *commit)
{
	struct stage s = {.own = true, .committer = {.type = MLS_SENDER_NEW_MEMBER_COMMIT}};
	struct commit_message m = {0};
	struct new_path path = {0};
	struct cv_buf info, list;
	struct mls_hpke_key pair = {0};
	struct mls_message gi;
	int err;

	cv_buf_init(&info, 1 << 20);
	cv_buf_init(&list, 1 << 20);
	err = mls_group_info(g, true, &info);
	if (!err)
		err = mls_get_message(SPAN(info.data, info.len), &gi);
	if (!err)
		err = mls_kem_derive(&g->crypto, mls_secret_span(&g->cur->secrets.external), &pair);
	if (!err)
		err = look_in(options, &gi.group_info, &s.g);
	if (!err)
		err = stage_external(&s, member, SPAN(pair.pub, pair.pub_len), more, &list);
	if (!err)
		err = mls_commit_prepare(&s, member, SPAN(list.data, list.len), true, MLS_PUBLIC_MESSAGE, &path, &m);
	if (!err)
		err = mls_commit_protect(&s, &m, commit);
	g = s.g;
	mls_commit_message_done(&m);
	mls_path_wipe(&path);
	mls_hpke_key_wipe(&pair);
	mls_stage_done(&s);
	mls_group_free(g);
	cv_buf_done(&info);
	cv_buf_done(&list);
	return err;
}

/* --- GroupInfo --- */

int forge_group_info_as(struct mls_group *g, const struct group_info *gi, struct cv_buf *out)
{
	uint8_t sig[MLS_SIGNATURE_MAX];
	struct group_info signed_again = *gi;
	struct cv_span part;
	struct cv_buf tbs;
	size_t n = 0;
	int err;

	cv_buf_init(&tbs, 1 << 20);
	mls_put_group_info_tbs(&tbs, gi);
	part = SPAN(tbs.data, tbs.len);
	err = mls_crypto_sign(&g->cur->signer, "GroupInfoTBS", &part, 1, sig, &n);
	signed_again.signature = SPAN(sig, n);
	mls_put_message_head(out, MLS_GROUP_INFO);
	mls_put_group_info(out, &signed_again);
	cv_buf_done(&tbs);
	return err ? err : cv_buf_status(out);
}

int forge_group_info(struct mls_group *g, void (*spoil)(struct tree *t), struct cv_buf *out)
{
	struct group_context gc = g->cur->gc;
	struct epoch *e;
	uint8_t hash[DIGEST_MAX];
	int err = mls_epoch_fork(g->cur, &e);

	if (err)
		return err;
	e->secrets = g->cur->secrets;
	memcpy(e->confirmation_tag, g->cur->confirmation_tag, sizeof(e->confirmation_tag));
	spoil(e->tree);
	memset(e->tree->hashed, 0, node_count(e->tree->n_leaves));
	err = mls_epoch_tree_hash(e, &g->crypto, hash);
	gc.tree_hash = SPAN(hash, g->crypto.suite->nh);
	if (!err)
		err = mls_epoch_set_context(e, &gc);
	mls_put_message_head(out, MLS_GROUP_INFO);
	if (!err)
		err = mls_group_info_build(&g->crypto, e, &(struct info_parts){.tree = true, .external_pub = true},
					   out);
	mls_epoch_free(e);
	return err;
}
