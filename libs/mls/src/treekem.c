/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "treekem.h"

void mls_path_wipe(struct new_path *p)
{
	cv_wipe(p, sizeof(*p));
}

void mls_keys_prune(const struct tree *t, uint32_t own, struct tree_keys *keys)
{
	for (uint32_t level = 1; level <= TREE_DEPTH_MAX; level++)
		if (own >= t->n_leaves || t->n_leaves >> level == 0 || mls_tree_blank(t, leaf_ancestor(own, level)))
			cv_secret_wipe(&keys->level[level]);
}

uint32_t mls_path_common(const struct filtered_path *path, uint32_t leaf)
{
	uint32_t i = 0;

	while (i < path->n && !node_covers_leaf(path->step[i].node, leaf))
		i++;
	return i;
}

/* node_secret and its key pair, section 7.4. */
static int node_keys(struct mls_crypto *c, const struct cv_secret *path_secret, struct mls_hpke_key *ret)
{
	struct cv_secret node = {0};
	int err = mls_crypto_derive(c, path_secret, "node", &node);

	if (!err)
		err = mls_kem_derive(c, mls_secret_span(&node), ret);
	cv_secret_wipe(&node);
	return err;
}

int mls_path_new(struct tree *t, struct mls_crypto *c, uint32_t leaf, struct tree_keys *keys, struct new_path *ret)
{
	struct mls_hpke_key pair = {0};
	struct cv_secret secret = {0};
	int err;

	mls_tree_blank_path(t, leaf);
	mls_tree_filtered_path(t, leaf, &ret->path);
	mls_keys_prune(t, leaf, keys);
	err = mls_crypto_random_secret(c, c->suite->nh, &secret);
	for (uint32_t i = 0; !err && i < ret->path.n; i++) {
		uint32_t node = ret->path.step[i].node;

		ret->secret[i] = secret;
		err = node_keys(c, &secret, &pair);
		if (!err)
			err = mls_tree_set_parent(t, node, SPAN(pair.pub, pair.pub_len));
		if (!err)
			err = mls_crypto_derive(c, &ret->secret[i], "path", &secret);
		if (!err)
			cv_secret_move(&keys->level[node_level(node)], &pair.priv);
	}
	if (!err)
		err = mls_tree_hash_path(t, c, &ret->path, ret->parent_hash, &ret->parent_hash_len);
	if (!err)
		cv_secret_move(&ret->commit_secret, &secret);
	cv_secret_wipe(&secret);
	mls_hpke_key_wipe(&pair);
	return err;
}

/* One UpdatePathNode: the secret sealed to every node of the copath child's resolution. */
static int seal_step(const struct tree *t, struct mls_crypto *c, const struct path_step *s,
		     const struct cv_secret *secret, const struct hpke_info *info, const uint8_t *except,
		     struct node_list *scratch, struct cv_buf *out)
{
	uint8_t enc[MLS_PUBLIC_MAX], ct[CV_SECRET_MAX + TAG_LEN];
	size_t mark;
	int err = mls_tree_resolution(t, s->copath, except, scratch);

	if (err)
		return err;
	mls_put_span(out, mls_tree_key(t, s->node));
	mark = cv_buf_vec_begin(out);
	for (size_t i = 0; !err && i < scratch->n; i++) {
		err = mls_hpke_base_seal(c, mls_tree_key(t, scratch->v[i]), info, SPAN_NONE, mls_secret_span(secret),
					 enc, ct);
		if (!err) {
			cv_buf_put_vec(out, enc, c->suite->npk);
			cv_buf_put_vec(out, ct, secret->len + TAG_LEN);
		}
	}
	cv_buf_vec_end(out, mark);
	return err ? err : cv_buf_status(out);
}

int mls_path_seal(const struct tree *t, struct mls_crypto *c, const struct new_path *p, struct cv_span context,
		  const uint8_t *except, struct cv_buf *out)
{
	struct node_list scratch = {0};
	struct hpke_info info;
	size_t mark = cv_buf_vec_begin(out);
	int err = mls_hpke_label_info(c, "UpdatePathNode", context, &info);

	for (uint32_t i = 0; !err && i < p->path.n; i++)
		err = seal_step(t, c, &p->path.step[i], &p->secret[i], &info, except, &scratch, out);
	cv_buf_vec_end(out, mark);
	mls_node_list_done(&scratch);
	return err ? err : cv_buf_status(out);
}

/*
 * "none of the public keys in the UpdatePath appear in any node of the new ratchet tree" (section 12.4.2), of which the
 * path is about to hide the sender's leaf and the nodes above it: a key that moves up or down, or stays where it was,
 * heals nothing. All other nodes are still there when the whole tree is checked.
 */
static bool was_on_path(const struct tree *t, uint32_t sender, uint32_t from_level, struct cv_span key)
{
	for (uint32_t level = from_level; level <= TREE_DEPTH_MAX && t->n_leaves >> level; level++) {
		uint32_t x = leaf_ancestor(sender, level);

		if (!mls_tree_blank(t, x) && mls_span_equal(mls_tree_key(t, x), key))
			return true;
	}
	return false;
}

static int check_path_is_new(const struct tree *t, uint32_t sender, const struct update_path *up)
{
	struct path_node n;
	struct cv_reader r;

	/* The leaf against its predecessor is mls_leaf_check's; that of an external commit is in the tree already. */
	if (was_on_path(t, sender, 1, up->leaf.v.encryption_key))
		return CV_EEXIST;
	cv_reader_init(&r, up->nodes.data, up->nodes.len);
	while (r.left) {
		int err = mls_get_path_node(&r, &n);

		if (err)
			return err;
		if (was_on_path(t, sender, 0, n.encryption_key))
			return CV_EEXIST;
	}
	return 0;
}

int mls_path_merge(struct tree *t, struct mls_crypto *c, uint32_t sender, const struct update_path *up,
		   struct filtered_path *ret)
{
	uint8_t hash[DIGEST_MAX];
	struct cv_reader r;
	struct path_node n;
	size_t len;
	int err = check_path_is_new(t, sender, up);

	if (err)
		return err;
	mls_tree_blank_path(t, sender);
	mls_tree_filtered_path(t, sender, ret);
	cv_reader_init(&r, up->nodes.data, up->nodes.len);
	for (uint32_t i = 0; !err && i < ret->n; i++) {
		if (!r.left)
			return CV_EINVAL;
		err = mls_get_path_node(&r, &n);
		if (!err)
			err = mls_kem_check_public(c, n.encryption_key);
		if (!err)
			err = mls_tree_set_parent(t, ret->step[i].node, n.encryption_key);
	}
	if (err)
		return err;
	if (r.left)
		return CV_EINVAL;
	err = mls_tree_set_leaf(t, sender, up->leaf.raw);
	if (!err)
		err = mls_tree_hash_path(t, c, ret, hash, &len);
	if (err)
		return err;
	return mls_span_equal(up->leaf.parent_hash, SPAN(hash, len)) ? 0 : CV_EINVAL;
}

/* Key pairs from one path secret up to the root; every public key must be the one in the tree. */
static int derive_up(const struct tree *t, struct mls_crypto *c, const struct filtered_path *path, uint32_t from,
		     const struct cv_secret *secret, struct tree_keys *keys, struct cv_secret *ret_commit_secret)
{
	struct mls_hpke_key pair = {0};
	struct cv_secret s = *secret;
	int err = 0;

	for (uint32_t i = from; !err && i < path->n; i++) {
		uint32_t node = path->step[i].node;

		err = node_keys(c, &s, &pair);
		if (!err && !mls_span_equal(mls_tree_key(t, node), SPAN(pair.pub, pair.pub_len)))
			err = CV_EINVAL;
		if (!err)
			err = mls_crypto_derive(c, &s, "path", &s);
		if (!err)
			cv_secret_move(&keys->level[node_level(node)], &pair.priv);
	}
	if (!err && ret_commit_secret)
		*ret_commit_secret = s;
	cv_secret_wipe(&s);
	mls_hpke_key_wipe(&pair);
	return err;
}

/* The i-th of a path's nodes, and the k-th of its ciphertexts. `count` is how many there must be. */
static int find_ciphertext(const struct update_path *up, uint32_t i, size_t k, size_t count,
			   struct hpke_ciphertext *ret)
{
	struct hpke_ciphertext ct;
	struct path_node n;
	struct cv_reader r;
	size_t seen = 0;
	int err = 0;

	cv_reader_init(&r, up->nodes.data, up->nodes.len);
	do {
		err = mls_get_path_node(&r, &n);
		if (err)
			return err;
	} while (i--);
	cv_reader_init(&r, n.secrets.data, n.secrets.len);
	for (; r.left; seen++) {
		err = mls_get_hpke_ciphertext(&r, &ct);
		if (err)
			return err;
		if (seen == k)
			*ret = ct;
	}
	return seen == count ? 0 : CV_EINVAL;
}

/* Every node's list of ciphertexts must be as long as the resolution it answers to (section 12.4.2). */
static int check_counts(const struct tree *t, const struct filtered_path *path, const struct update_path *up,
			const uint8_t *except, struct node_list *scratch)
{
	struct hpke_ciphertext ct;
	struct path_node n;
	struct cv_reader r, secrets;
	int err = 0;

	cv_reader_init(&r, up->nodes.data, up->nodes.len);
	for (uint32_t i = 0; i < path->n; i++) {
		size_t count = 0;

		err = mls_tree_resolution(t, path->step[i].copath, except, scratch);
		if (!err)
			err = mls_get_path_node(&r, &n);
		if (err)
			return err;
		cv_reader_init(&secrets, n.secrets.data, n.secrets.len);
		for (; secrets.left; count++) {
			err = mls_get_hpke_ciphertext(&secrets, &ct);
			if (err)
				return err;
		}
		if (count != scratch->n)
			return CV_EINVAL;
	}
	return 0;
}

int mls_path_open(const struct tree *t, struct mls_crypto *c, const struct filtered_path *path,
		  const struct update_path *up, uint32_t own, struct cv_span context, const uint8_t *except,
		  struct tree_keys *keys, struct cv_secret *ret_commit_secret)
{
	struct node_list res = {0};
	struct cv_secret secret = {.len = c->suite->nh};
	const struct cv_secret *priv = NULL;
	struct hpke_ciphertext ct = {0};
	struct hpke_info info;
	uint32_t at = mls_path_common(path, own);
	size_t k = 0;
	int err = at < path->n ? check_counts(t, path, up, except, &res) : CV_EINVAL;

	if (!err)
		err = mls_tree_resolution(t, path->step[at].copath, except, &res);
	/* Which of the resolved nodes is ours: our leaf, or an ancestor of it whose key we hold. */
	for (; !err && k < res.n && !priv; k++) {
		uint32_t x = res.v[k];

		if (node_covers_leaf(x, own) && keys->level[node_level(x)].len)
			priv = &keys->level[node_level(x)];
	}
	if (!err && !priv)
		err = CV_ESTATE;
	if (!err)
		err = find_ciphertext(up, at, k - 1, res.n, &ct);
	if (!err && (ct.ciphertext.len != (size_t)c->suite->nh + TAG_LEN))
		err = CV_EINVAL;
	if (!err)
		err = mls_hpke_label_info(c, "UpdatePathNode", context, &info);
	if (!err)
		err = mls_hpke_base_open(c, priv, &info, ct.kem_output, SPAN_NONE, ct.ciphertext, secret.data);
	if (!err)
		err = derive_up(t, c, path, at, &secret, keys, ret_commit_secret);
	if (!err)
		mls_keys_prune(t, own, keys);
	cv_secret_wipe(&secret);
	mls_node_list_done(&res);
	return err;
}

int mls_path_join(const struct tree *t, struct mls_crypto *c, uint32_t sender, uint32_t own,
		  const struct cv_secret *secret, struct tree_keys *keys)
{
	struct filtered_path path;
	uint32_t at;

	mls_tree_filtered_path(t, sender, &path);
	at = mls_path_common(&path, own);
	if (at == path.n)
		return CV_EINVAL;
	for (uint32_t i = at; i < path.n; i++)
		if (mls_tree_blank(t, path.step[i].node))
			return CV_EINVAL;
	return derive_up(t, c, &path, at, secret, keys, NULL);
}
