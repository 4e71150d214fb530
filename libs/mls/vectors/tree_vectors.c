/* SPDX-License-Identifier: Apache-2.0 */
/* tree-operations, tree-validation, treekem. */
#include <stdlib.h>
#include <string.h>

#include "vectors.h"

static struct tree *load(struct vec *v, const char *name)
{
	struct tree *t = NULL;

	vec_check(v, !mls_tree_decode(vec_hex(v, v->entry, name), v->crypto.suite->nh, &t), name);
	return t;
}

static void same_root(struct vec *v, json_t *o, const char *name, struct tree *t)
{
	const uint8_t *hash = NULL;

	if (vec_check(v, !mls_tree_hash(t, &v->crypto, tree_root(t->n_leaves), &hash), "hash"))
		vec_same(v, o, name, hash, v->crypto.suite->nh);
}

/* --- tree-operations --- */

static void apply(struct vec *v, struct tree *t, const struct proposal *p, uint32_t sender)
{
	uint32_t index;
	int err = CV_EINVAL;

	switch (p->type) {
	case MLS_PROPOSAL_ADD: err = mls_tree_add(t, p->add.leaf.raw, &index); break;
	case MLS_PROPOSAL_UPDATE:
		err = mls_tree_set_leaf(t, sender, p->update.raw);
		mls_tree_blank_path(t, sender);
		break;
	case MLS_PROPOSAL_REMOVE:
		mls_tree_remove(t, p->removed);
		mls_tree_truncate(t);
		err = 0;
		break;
	}
	vec_check(v, !err, "applies");
}

void vec_tree_operations(struct vec *v)
{
	struct cv_span raw = vec_hex(v, v->entry, "proposal");
	struct proposal p;
	struct cv_reader r;
	struct cv_buf b;
	struct tree *t;

	if (!vec_suite(v) || !(t = load(v, "tree_before")))
		return;
	same_root(v, v->entry, "tree_hash_before", t);
	cv_reader_init(&r, raw.data, raw.len);
	if (vec_check(v, !mls_get_proposal(&r, &p) && !r.left, "proposal decodes"))
		apply(v, t, &p, (uint32_t)vec_int(v, v->entry, "proposal_sender"));
	same_root(v, v->entry, "tree_hash_after", t);
	cv_buf_init(&b, MLS_MESSAGE_MAX);
	mls_tree_encode(t, &b);
	vec_same(v, v->entry, "tree_after", b.data, b.len);
	cv_buf_done(&b);
	mls_tree_free(t);
}

/* --- tree-validation --- */

static bool same_list(json_t *want, const struct node_list *got)
{
	if (json_array_size(want) != got->n)
		return false;
	for (size_t i = 0; i < got->n; i++)
		if ((uint32_t)json_integer_value(json_array_get(want, i)) != got->v[i])
			return false;
	return true;
}

void vec_tree_validation(struct vec *v)
{
	json_t *hashes = json_object_get(v->entry, "tree_hashes"), *res = json_object_get(v->entry, "resolutions");
	struct cv_span group_id = vec_hex(v, v->entry, "group_id");
	struct node_list list = {0};
	struct cv_buf b;
	struct tree *t;

	if (!vec_suite(v) || !(t = load(v, "tree")))
		return;
	vec_check(v, json_array_size(hashes) == node_count(t->n_leaves), "number of nodes");
	for (uint32_t x = 0; x < node_count(t->n_leaves); x++) {
		const uint8_t *hash = NULL;

		vec_check(v, !mls_tree_hash(t, &v->crypto, x, &hash), "hashes");
		vec_check(v,
			  hash && mls_span_equal(vec_hex_value(v, json_array_get(hashes, x)),
						 SPAN(hash, v->crypto.suite->nh)),
			  "tree hash");
		vec_check(v, !mls_tree_resolution(t, x, NULL, &list) && same_list(json_array_get(res, x), &list),
			  "resolution");
	}
	vec_check(v, !mls_tree_check_parents(t, &v->crypto), "parent hashes");
	vec_check(v, !mls_tree_check_members(t, vec_env.rng), "keys are unique");
	for (uint32_t i = 0; i < t->n_leaves; i++) {
		const struct leaf_node *l = mls_tree_leaf(t, i);

		vec_check(v, !l || !mls_leaf_verify(&v->crypto, l, group_id, i), "leaf signature");
	}
	cv_buf_init(&b, MLS_MESSAGE_MAX);
	mls_tree_encode(t, &b);
	vec_same(v, v->entry, "tree", b.data, b.len);
	cv_buf_done(&b);
	mls_node_list_done(&list);
	mls_tree_free(t);
}

/* --- treekem --- */

static bool node_key(struct vec *v, const struct cv_secret *path_secret, struct mls_hpke_key *ret)
{
	struct cv_secret node = {0};

	return vec_check(v,
			 !mls_crypto_derive(&v->crypto, path_secret, "node", &node) &&
				 !mls_kem_derive(&v->crypto, mls_secret_span(&node), ret),
			 "node key");
}

/* Keys of one member, checked against the public tree. */
static void load_keys(struct vec *v, const struct tree *t, json_t *o, struct tree_keys *keys)
{
	uint32_t own = (uint32_t)vec_int(v, o, "index");
	uint8_t pub[MLS_PUBLIC_MAX];
	json_t *s;
	size_t i;

	memset(keys, 0, sizeof(*keys));
	keys->level[0] = vec_secret(v, o, "encryption_priv");
	vec_check(v,
		  !mls_kem_public(&v->crypto, &keys->level[0], pub) &&
			  mls_span_equal(SPAN(pub, v->crypto.suite->npk), mls_tree_key(t, node_of_leaf(own))),
		  "leaf key");
	json_array_foreach(json_object_get(o, "path_secrets"), i, s)
	{
		struct cv_secret secret = vec_secret(v, s, "path_secret");
		uint32_t node = (uint32_t)vec_int(v, s, "node");
		struct mls_hpke_key k;

		if (!node_key(v, &secret, &k))
			return;
		vec_check(v, mls_span_equal(SPAN(k.pub, k.pub_len), mls_tree_key(t, node)), "path key");
		keys->level[node_level(node)] = k.priv;
	}
}

static void context_of(struct vec *v, struct tree *t, struct cv_buf *out)
{
	struct group_context gc = {.suite = v->crypto.suite->id,
				   .group_id = vec_hex(v, v->entry, "group_id"),
				   .epoch = vec_int(v, v->entry, "epoch"),
				   .confirmed_transcript_hash = vec_hex(v, v->entry, "confirmed_transcript_hash")};
	const uint8_t *hash = NULL;

	vec_check(v, !mls_tree_hash(t, &v->crypto, tree_root(t->n_leaves), &hash), "hash");
	gc.tree_hash = SPAN(hash, v->crypto.suite->nh);
	cv_buf_init(out, 4096);
	mls_put_group_context(out, &gc);
}

/* Every member's, loaded once per entry: deriving them is what costs time. */
#define MEMBERS_MAX 64
static struct tree_keys members[MEMBERS_MAX];

static bool load_members(struct vec *v, const struct tree *t)
{
	json_t *list = json_object_get(v->entry, "leaves_private"), *o;
	size_t i;

	if (!vec_check(v, json_array_size(list) <= MEMBERS_MAX, "number of members"))
		return false;
	json_array_foreach(list, i, o) load_keys(v, t, o, &members[i]);
	return true;
}

/* Everybody but the sender opens the path; `secrets` (may be NULL) are the path secrets they must find. */
static void all_open(struct vec *v, const struct tree *after, const struct filtered_path *path,
		     const struct update_path *up, uint32_t sender, const struct cv_buf *context, json_t *secrets,
		     const struct cv_secret *commit_secret)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(v->entry, "leaves_private"), i, o)
	{
		uint32_t own = (uint32_t)vec_int(v, o, "index");
		struct cv_secret got = {0};
		struct mls_hpke_key k;
		struct tree_keys keys;

		if (own == sender)
			continue;
		keys = members[i];
		mls_keys_prune(after, own, &keys);
		if (!vec_check(v,
			       !mls_path_open(after, &v->crypto, path, up, own, SPAN(context->data, context->len), NULL,
					      &keys, &got),
			       "path opens"))
			return;
		vec_check(v, cv_secret_equal(&got, commit_secret), "commit secret");
		if (!secrets)
			continue;
		got = (struct cv_secret){0};
		struct cv_span want = vec_hex_value(v, json_array_get(secrets, own));
		vec_check(v, !cv_secret_set(&got, want.data, want.len), "path secret");
		if (!node_key(v, &got, &k))
			return;
		uint32_t at = mls_path_common(path, own);
		vec_check(v, at < path->n && cv_secret_equal(&k.priv, &keys.level[node_level(path->step[at].node)]),
			  "path secret");
	}
}

static void check_update_path(struct vec *v, struct tree *t, json_t *o)
{
	struct cv_span raw = vec_hex(v, o, "update_path");
	uint32_t sender = (uint32_t)vec_int(v, o, "sender");
	struct cv_secret commit_secret = vec_secret(v, o, "commit_secret");
	struct filtered_path path;
	struct update_path up;
	struct tree *after = NULL;
	struct cv_buf context;
	struct cv_reader r;

	cv_reader_init(&r, raw.data, raw.len);
	if (!vec_check(v, !mls_get_update_path(&r, &up) && !r.left, "update path decodes") ||
	    !vec_check(v, !mls_tree_clone(t, &after), "clone"))
		return;
	if (vec_check(v, !mls_path_merge(after, &v->crypto, sender, &up, &path), "update path merges")) {
		vec_check(v, !mls_leaf_verify(&v->crypto, &up.leaf, vec_hex(v, v->entry, "group_id"), sender), "leaf");
		same_root(v, o, "tree_hash_after", after);
		context_of(v, after, &context);
		all_open(v, after, &path, &up, sender, &context, json_object_get(o, "path_secrets"), &commit_secret);
		cv_buf_done(&context);
	}
	mls_tree_free(after);
}

static json_t *member(struct vec *v, uint32_t index)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(v->entry, "leaves_private"), i,
			   o) if (vec_int(v, o, "index") == index) return o;
	return NULL;
}

/* A path of our own from the same sender, for the same members. */
static void check_own_path(struct vec *v, struct tree *t, uint32_t sender)
{
	json_t *o = member(v, sender);
	struct cv_span priv = vec_hex(v, o, "signature_priv");
	struct mls_sign_key *key = NULL;
	struct new_path p = {0};
	struct tree_keys keys;
	struct mls_hpke_key leaf = {0};
	struct tree *after = NULL;
	struct update_path up;
	struct cv_buf out, context;
	struct cv_reader r;
	struct mls_signer signer;

	cv_buf_init(&out, MLS_MESSAGE_MAX);
	if (!vec_check(v, !mls_sign_key_new(v->crypto.suite->id, priv.data, priv.len, &key), "signature key") ||
	    !vec_check(v, !mls_tree_clone(t, &after), "clone"))
		return;
	signer = mls_sign_key_signer(key);
	load_keys(v, t, o, &keys);
	vec_check(v, !mls_kem_generate(&v->crypto, &leaf), "leaf key");
	vec_check(v, !mls_path_new(after, &v->crypto, sender, &keys, &p), "own path");
	struct leaf_parts parts = {.source = MLS_LEAF_COMMIT,
				   .parent_hash = SPAN(p.parent_hash, p.parent_hash_len),
				   .encryption_key = SPAN(leaf.pub, leaf.pub_len),
				   .group_id = vec_hex(v, v->entry, "group_id"),
				   .index = sender};
	vec_check(v, !mls_leaf_rebuild(mls_tree_leaf(t, sender), &signer, &parts, &out), "own leaf");
	vec_check(v, !mls_tree_set_leaf(after, sender, SPAN(out.data, out.len)), "set leaf");
	context_of(v, after, &context);
	vec_check(v, !mls_path_seal(after, &v->crypto, &p, SPAN(context.data, context.len), NULL, &out),
		  "own path seals");
	cv_reader_init(&r, out.data, out.len);
	if (vec_check(v, !mls_get_update_path(&r, &up) && !r.left, "own path decodes"))
		all_open(v, after, &p.path, &up, sender, &context, NULL, &p.commit_secret);
	vec_check(v, !mls_tree_check_parents(after, &v->crypto), "own parent hashes");
	cv_buf_done(&context);
	cv_buf_done(&out);
	mls_tree_free(after);
	mls_sign_key_free(key);
}

void vec_treekem(struct vec *v)
{
	struct tree *t;
	json_t *o;
	size_t i;

	if (!vec_suite(v) || !(t = load(v, "ratchet_tree")))
		return;
	if (!load_members(v, t))
		goto out;
	json_array_foreach(json_object_get(v->entry, "update_paths"), i, o)
	{
		check_update_path(v, t, o);
		/* From two senders is enough: each costs a seal and an open per member. */
		if (!v->failed && i < 2)
			check_own_path(v, t, (uint32_t)vec_int(v, o, "sender"));
	}
out:
	mls_tree_free(t);
}
