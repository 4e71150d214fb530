/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>

#include "secret_tree.h"

static size_t skipped_size(const struct skipped_keys *s)
{
	return sizeof(*s) + s->n * sizeof(s->key[0]);
}

static void skipped_free(struct skipped_keys *s)
{
	if (s)
		cv_free_wiped(s, skipped_size(s));
}

static void node_free(struct secret_node *n)
{
	if (!n)
		return;
	node_free(n->child[0]);
	node_free(n->child[1]);
	if (n->ratchets) {
		skipped_free(n->ratchets[0].skipped);
		skipped_free(n->ratchets[1].skipped);
		cv_free_wiped(n->ratchets, 2 * sizeof(*n->ratchets));
	}
	cv_free_wiped(n, sizeof(*n));
}

int mls_secret_tree_new(uint32_t n_leaves, const struct cv_secret *encryption_secret, struct secret_tree **ret)
{
	struct secret_tree *t = cv_calloc(1, sizeof(*t));

	if (!t)
		return CV_ENOMEM;
	t->n_leaves = n_leaves;
	t->root = cv_calloc(1, sizeof(*t->root));
	if (!t->root) {
		cv_free(t);
		return CV_ENOMEM;
	}
	t->root->secret = *encryption_secret;
	*ret = t;
	return 0;
}

void mls_secret_tree_free(struct secret_tree *t)
{
	if (!t)
		return;
	node_free(t->root);
	cv_free(t);
}

/* Gives both children their secrets; the node's own is gone then. */
static int split(struct mls_crypto *c, struct secret_node *n)
{
	struct secret_node *l, *r;
	int err;

	if (n->child[0])
		return 0;
	l = cv_calloc(1, sizeof(*l));
	r = cv_calloc(1, sizeof(*r));
	err = l && r ? 0 : CV_ENOMEM;
	if (!err)
		err = mls_crypto_expand_secret(c, &n->secret, "tree", SPAN_STR("left"), &l->secret);
	if (!err)
		err = mls_crypto_expand_secret(c, &n->secret, "tree", SPAN_STR("right"), &r->secret);
	if (err) {
		node_free(l);
		node_free(r);
		return err;
	}
	n->child[0] = l;
	n->child[1] = r;
	cv_secret_wipe(&n->secret);
	return 0;
}

static int start_ratchets(struct mls_crypto *c, struct secret_node *leaf)
{
	struct ratchet *r;
	int err;

	if (leaf->ratchets)
		return 0;
	r = cv_calloc(2, sizeof(*r));
	if (!r)
		return CV_ENOMEM;
	err = mls_crypto_derive(c, &leaf->secret, "handshake", &r[RATCHET_HANDSHAKE].secret);
	if (!err)
		err = mls_crypto_derive(c, &leaf->secret, "application", &r[RATCHET_APPLICATION].secret);
	if (err) {
		cv_free_wiped(r, 2 * sizeof(*r));
		return err;
	}
	leaf->ratchets = r;
	cv_secret_wipe(&leaf->secret);
	return 0;
}

static int find_ratchet(struct secret_tree *t, struct mls_crypto *c, uint32_t leaf, enum ratchet_kind kind,
			struct ratchet **ret)
{
	struct secret_node *n = t->root;
	int err = 0;

	if (leaf >= t->n_leaves)
		return CV_EINVAL;
	for (uint32_t half = t->n_leaves / 2; !err && half; half /= 2) {
		err = split(c, n);
		if (!err)
			n = n->child[(leaf & half) != 0];
	}
	if (!err)
		err = start_ratchets(c, n);
	if (!err)
		*ret = &n->ratchets[kind];
	return err;
}

/* Key and nonce of a generation, and the ratchet's next secret in place of this one. */
static int turn(struct mls_crypto *c, struct cv_secret *secret, uint32_t generation, struct message_key *ret)
{
	struct cv_secret next = {.len = c->suite->nh};
	struct message_key k = {.generation = generation};
	int err = mls_crypto_derive_tree(c, secret, "key", generation, k.key, c->suite->nk);

	if (!err)
		err = mls_crypto_derive_tree(c, secret, "nonce", generation, k.nonce, NONCE_LEN);
	if (!err)
		err = mls_crypto_derive_tree(c, secret, "secret", generation, next.data, next.len);
	if (!err) {
		*secret = next;
		*ret = k;
	}
	cv_secret_wipe(&next);
	cv_wipe(&k, sizeof(k));
	return err;
}

int mls_secret_tree_next(struct secret_tree *t, struct mls_crypto *c, uint32_t leaf, enum ratchet_kind kind,
			 struct ratchet_step *ret)
{
	struct ratchet_step s = {0};
	int err = find_ratchet(t, c, leaf, kind, &s.ratchet);

	if (err)
		return err;
	if (s.ratchet->generation == UINT32_MAX)
		return CV_ELIMIT;
	s.secret = s.ratchet->secret;
	s.generation = s.ratchet->generation;
	err = turn(c, &s.secret, s.generation++, &s.key);
	if (!err)
		*ret = s;
	cv_wipe(&s, sizeof(s));
	return err;
}

/* The key out of those held back; the step's list is what remains. */
static int take_skipped(const struct ratchet *r, uint32_t generation, struct ratchet_step *s)
{
	const struct skipped_keys *old = r->skipped;
	size_t at = 0, left;

	while (old && at < old->n && old->key[at].generation != generation)
		at++;
	if (!old || at == old->n)
		return CV_EREPLAY;
	left = old->n - 1;
	s->secret = r->secret;
	s->generation = r->generation;
	s->key = old->key[at];
	if (!left)
		return 0;
	s->skipped = cv_malloc(sizeof(*s->skipped) + left * sizeof(old->key[0]));
	if (!s->skipped)
		return CV_ENOMEM;
	s->skipped->n = left;
	memcpy(s->skipped->key, old->key, at * sizeof(old->key[0]));
	memcpy(s->skipped->key + at, old->key + at + 1, (left - at) * sizeof(old->key[0]));
	return 0;
}

/* Turns the ratchet up to the generation; keeps the newest `max_skipped` of all keys passed over. */
static int run_ahead(struct mls_crypto *c, const struct ratchet *r, uint32_t generation, uint32_t max_skipped,
		     struct ratchet_step *s)
{
	size_t old = r->skipped ? r->skipped->n : 0, passed = generation - r->generation, total = old + passed,
	       keep = total < max_skipped ? total : max_skipped, drop = total - keep, at = 0;
	int err = 0;

	s->secret = r->secret;
	s->generation = r->generation;
	if (keep) {
		s->skipped = cv_calloc(1, sizeof(*s->skipped) + keep * sizeof(s->skipped->key[0]));
		if (!s->skipped)
			return CV_ENOMEM;
		s->skipped->n = keep;
	}
	for (size_t i = drop; i < old; i++)
		s->skipped->key[at++] = r->skipped->key[i];
	for (size_t i = 0; !err && i <= passed; i++) {
		err = turn(c, &s->secret, s->generation++, &s->key);
		if (!err && i < passed && old + i >= drop)
			s->skipped->key[at++] = s->key;
	}
	return err;
}

int mls_secret_tree_get(struct secret_tree *t, struct mls_crypto *c, uint32_t leaf, enum ratchet_kind kind,
			uint32_t generation, uint32_t max_forward, uint32_t max_skipped, struct ratchet_step *ret)
{
	struct ratchet_step s = {0};
	int err = find_ratchet(t, c, leaf, kind, &s.ratchet);

	if (err)
		return err;
	if (generation < s.ratchet->generation)
		err = take_skipped(s.ratchet, generation, &s);
	else if (generation == UINT32_MAX || generation - s.ratchet->generation > max_forward)
		err = CV_ELIMIT;
	else
		err = run_ahead(c, s.ratchet, generation, max_skipped, &s);
	if (err)
		mls_ratchet_step_drop(&s);
	else
		*ret = s;
	cv_wipe(&s, sizeof(s));
	return err;
}

void mls_ratchet_step_keep(struct ratchet_step *s)
{
	struct ratchet *r = s->ratchet;

	if (!r)
		return;
	skipped_free(r->skipped);
	r->skipped = s->skipped;
	r->generation = s->generation;
	cv_secret_move(&r->secret, &s->secret);
	cv_wipe(s, sizeof(*s));
}

void mls_ratchet_step_drop(struct ratchet_step *s)
{
	skipped_free(s->skipped);
	cv_wipe(s, sizeof(*s));
}

int mls_sender_data_key(struct mls_crypto *c, const struct cv_secret *sender_data_secret, struct cv_span ciphertext,
			struct message_key *ret)
{
	struct cv_span sample = SPAN(ciphertext.data, ciphertext.len < c->suite->nh ? ciphertext.len : c->suite->nh);
	int err = mls_crypto_expand_label(c, sender_data_secret, SPAN_STR("key"), sample, ret->key, c->suite->nk);

	return err ? err
		   : mls_crypto_expand_label(c, sender_data_secret, SPAN_STR("nonce"), sample, ret->nonce, NONCE_LEN);
}

/* --- saving --- */

enum { SAVED_SECRET = 1, SAVED_CHILDREN = 2, SAVED_RATCHETS = 3 };

static void put_ratchet(const struct ratchet *r, struct cv_buf *b)
{
	size_t n = r->skipped ? r->skipped->n : 0;

	cv_buf_put_vec(b, r->secret.data, r->secret.len);
	cv_buf_put_u32(b, r->generation);
	cv_buf_put_u32(b, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		const struct message_key *k = &r->skipped->key[i];

		cv_buf_put_u32(b, k->generation);
		cv_buf_put(b, k->key, KEY_MAX);
		cv_buf_put(b, k->nonce, NONCE_LEN);
	}
}

static void put_node(const struct secret_node *n, struct cv_buf *b)
{
	if (n->ratchets) {
		cv_buf_put_u8(b, SAVED_RATCHETS);
		put_ratchet(&n->ratchets[0], b);
		put_ratchet(&n->ratchets[1], b);
	} else if (n->child[0]) {
		cv_buf_put_u8(b, SAVED_CHILDREN);
		put_node(n->child[0], b);
		put_node(n->child[1], b);
	} else {
		cv_buf_put_u8(b, SAVED_SECRET);
		cv_buf_put_vec(b, n->secret.data, n->secret.len);
	}
}

void mls_secret_tree_put(const struct secret_tree *t, struct cv_buf *b)
{
	put_node(t->root, b);
}

static int read_secret(struct cv_reader *r, size_t nh, struct cv_secret *ret)
{
	struct cv_span s;
	int err = cv_reader_get_vec(r, nh, &s);

	if (!err && s.len != nh)
		err = CV_EFORMAT;
	return err ? err : cv_secret_set(ret, s.data, s.len);
}

static int read_ratchet(struct cv_reader *r, size_t nh, struct ratchet *ret)
{
	uint32_t n = 0;
	int err = read_secret(r, nh, &ret->secret);

	if (!err)
		err = cv_reader_get_u32(r, &ret->generation);
	if (!err)
		err = cv_reader_get_u32(r, &n);
	if (err || !n)
		return err;
	if (n > r->left / (4 + KEY_MAX + NONCE_LEN))
		return CV_ETRUNCATED;
	ret->skipped = cv_calloc(1, sizeof(*ret->skipped) + n * sizeof(ret->skipped->key[0]));
	if (!ret->skipped)
		return CV_ENOMEM;
	ret->skipped->n = n;
	for (uint32_t i = 0; !err && i < n; i++) {
		struct message_key *k = &ret->skipped->key[i];

		err = cv_reader_get_u32(r, &k->generation);
		if (!err)
			err = cv_reader_copy(r, k->key, KEY_MAX);
		if (!err)
			err = cv_reader_copy(r, k->nonce, NONCE_LEN);
	}
	return err;
}

static int read_node(struct cv_reader *r, uint32_t n_leaves, size_t nh, struct secret_node **slot)
{
	struct secret_node *n = cv_calloc(1, sizeof(*n));
	uint8_t kind;
	int err;

	if (!n)
		return CV_ENOMEM;
	*slot = n;
	err = cv_reader_get_u8(r, &kind);
	if (err)
		return err;
	if (kind == SAVED_SECRET)
		return read_secret(r, nh, &n->secret);
	if (kind == SAVED_CHILDREN && n_leaves > 1) {
		err = read_node(r, n_leaves / 2, nh, &n->child[0]);
		return err ? err : read_node(r, n_leaves / 2, nh, &n->child[1]);
	}
	if (kind != SAVED_RATCHETS || n_leaves != 1)
		return CV_EFORMAT;
	n->ratchets = cv_calloc(2, sizeof(*n->ratchets));
	if (!n->ratchets)
		return CV_ENOMEM;
	err = read_ratchet(r, nh, &n->ratchets[0]);
	return err ? err : read_ratchet(r, nh, &n->ratchets[1]);
}

int mls_secret_tree_read(struct cv_reader *r, uint32_t n_leaves, size_t nh, struct secret_tree **ret)
{
	struct secret_tree *t = cv_calloc(1, sizeof(*t));
	int err;

	if (!t)
		return CV_ENOMEM;
	t->n_leaves = n_leaves;
	err = read_node(r, n_leaves, nh, &t->root);
	if (err)
		mls_secret_tree_free(t);
	else
		*ret = t;
	return err;
}
