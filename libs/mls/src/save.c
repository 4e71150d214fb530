/* SPDX-License-Identifier: Apache-2.0 */
/* A group on disk. The form is our own and carries a version. */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

#define SAVE_VERSION 2
#define SAVE_MAX     (64u << 20)

static void put_secret(struct cv_buf *b, const struct cv_secret *s)
{
	cv_buf_put_vec(b, s->data, s->len);
}

static int get_secret(struct cv_reader *r, struct cv_secret *ret)
{
	struct cv_span s;
	int err = cv_reader_get_vec(r, CV_SECRET_MAX, &s);

	return err ? err : cv_secret_set(ret, s.data, s.len);
}

/* The secrets in the order of the struct. */
static struct cv_secret *secret_at(struct epoch_secrets *s, size_t i)
{
	struct cv_secret *all[] = {&s->sender_data, &s->encryption, &s->exporter,      &s->external, &s->confirmation,
				   &s->membership,  &s->resumption, &s->authenticator, &s->init};

	return i < sizeof(all) / sizeof(all[0]) ? all[i] : NULL;
}

/* --- epochs --- */

static void put_epoch(const struct epoch *e, size_t nh, struct cv_buf *b)
{
	struct epoch_secrets copy = e->secrets;

	cv_buf_put_vec(b, e->context.data, e->context.len);
	mls_tree_encode(e->tree, b);
	cv_buf_put_u32(b, e->tree->n_leaves);
	cv_buf_put_u32(b, e->own);
	for (size_t i = 0; i <= TREE_DEPTH_MAX; i++)
		put_secret(b, &e->keys.level[i]);
	for (size_t i = 0; secret_at(&copy, i); i++)
		put_secret(b, secret_at(&copy, i));
	cv_wipe(&copy, sizeof(copy));
	mls_secret_tree_put(e->secret_tree, b);
	cv_buf_put(b, e->interim, nh);
	cv_buf_put(b, e->confirmation_tag, nh);
	cv_buf_put_vec(b, e->reinit.data, e->reinit.len);
}

static int get_tree(struct cv_reader *r, struct epoch *e, size_t nh)
{
	const uint8_t *start = r->p;
	struct cv_span content;
	uint32_t n_leaves;
	int err = cv_reader_get_vec(r, SAVE_MAX, &content);

	if (!err)
		err = mls_tree_decode(SPAN(start, (size_t)(r->p - start)), nh, &e->tree);
	if (!err)
		err = cv_reader_get_u32(r, &n_leaves);
	if (!err && n_leaves != e->tree->n_leaves)
		err = CV_EFORMAT;
	if (!err)
		err = cv_reader_get_u32(r, &e->own);
	return err ? err : mls_tree_leaf(e->tree, e->own) ? 0 : CV_EFORMAT;
}

static int get_context(struct cv_reader *r, struct epoch *e)
{
	struct group_context gc = {0};
	struct cv_reader inner;
	int err = cv_reader_sub(r, MLS_MESSAGE_MAX, &inner);

	if (!err)
		err = mls_get_group_context(&inner, &gc);
	if (!err)
		err = cv_reader_end(&inner);
	return err ? err : mls_epoch_set_context(e, &gc);
}

static int get_epoch(struct cv_reader *r, size_t nh, struct epoch **slot)
{
	struct cv_span reinit;
	struct epoch *e;
	int err = mls_epoch_new(slot);

	if (err)
		return err;
	e = *slot;
	err = get_context(r, e);
	if (!err)
		err = get_tree(r, e, nh);
	for (size_t i = 0; !err && i <= TREE_DEPTH_MAX; i++)
		err = get_secret(r, &e->keys.level[i]);
	for (size_t i = 0; !err && secret_at(&e->secrets, i); i++)
		err = get_secret(r, secret_at(&e->secrets, i));
	if (!err)
		err = mls_secret_tree_read(r, e->tree->n_leaves, nh, &e->secret_tree);
	if (!err)
		err = cv_reader_copy(r, e->interim, nh);
	if (!err)
		err = cv_reader_copy(r, e->confirmation_tag, nh);
	if (!err)
		err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &reinit);
	return err ? err : cv_buf_put(&e->reinit, reinit.data, reinit.len);
}

/* --- what waits, what is remembered --- */

static void put_kept(const struct mls_group *g, struct cv_buf *b)
{
	size_t nh = g->crypto.suite->nh;

	cv_buf_put_u32(b, (uint32_t)g->n_kept);
	for (size_t i = 0; i < g->n_kept; i++) {
		cv_buf_put(b, g->kept[i]->ref, nh);
		cv_buf_put_u8(b, g->kept[i]->from.type);
		cv_buf_put_u32(b, g->kept[i]->from.index);
		cv_buf_put_vec(b, g->kept[i]->raw.data, g->kept[i]->raw.len);
	}
	cv_buf_put_u32(b, (uint32_t)g->n_updates);
	for (size_t i = 0; i < g->n_updates; i++) {
		cv_buf_put(b, g->updates[i].pub, MLS_PUBLIC_MAX);
		put_secret(b, &g->updates[i].priv);
	}
	cv_buf_put_u32(b, (uint32_t)g->n_resumption);
	for (size_t i = 0; i < g->n_resumption; i++) {
		cv_buf_put_u64(b, g->resumption[i].epoch);
		put_secret(b, &g->resumption[i].psk);
	}
}

static int get_kept(struct cv_reader *r, struct mls_group *g)
{
	struct cv_span ref = SPAN(NULL, g->crypto.suite->nh), raw;
	struct sender from;
	uint32_t n;
	int err = cv_reader_get_u32(r, &n);

	for (uint32_t i = 0; !err && i < n; i++) {
		err = cv_reader_get(r, ref.len, &ref.data);
		if (!err)
			err = cv_reader_get_u8(r, &from.type);
		if (!err)
			err = cv_reader_get_u32(r, &from.index);
		if (!err)
			err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &raw);
		if (!err)
			err = mls_keep_proposal(g, ref, &from, raw);
	}
	return err;
}

/* --- signers --- */

struct signers {
	const struct mls_own_key *keys;
	size_t n;
};

static int find_signer(const struct signers *s, const struct leaf_node *leaf, struct mls_signer *ret)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!mls_span_equal(s->keys[i].public_key, leaf->v.signature_key))
			continue;
		*ret = s->keys[i].signer;
		return 0;
	}
	return CV_ENOTFOUND;
}

static int find_own_signer(const struct signers *s, struct epoch *e)
{
	return find_signer(s, mls_tree_leaf(e->tree, e->own), &e->signer);
}

/* An Update may bring a new signature key: it stands in the proposal. */
static int find_update_signer(const struct signers *s, const struct mls_group *g, struct cv_span encryption_key,
			      struct mls_signer *ret)
{
	for (size_t i = 0; i < g->n_kept; i++) {
		const struct proposal *p = &g->kept[i]->p;

		if (p->type == MLS_PROPOSAL_UPDATE && mls_span_equal(p->update.v.encryption_key, encryption_key))
			return find_signer(s, &p->update, ret);
	}
	return CV_EFORMAT;
}

static int get_updates(struct cv_reader *r, struct mls_group *g, const struct signers *signers)
{
	struct mls_signer signer;
	struct mls_hpke_key key = {.pub_len = MLS_PUBLIC_MAX};
	uint32_t n;
	int err = cv_reader_get_u32(r, &n);

	for (uint32_t i = 0; !err && i < n; i++) {
		err = cv_reader_copy(r, key.pub, MLS_PUBLIC_MAX);
		if (!err)
			err = get_secret(r, &key.priv);
		if (!err)
			err = find_update_signer(signers, g, SPAN(key.pub, g->crypto.suite->npk), &signer);
		if (!err)
			err = mls_keep_update(g, &key, signer);
	}
	mls_hpke_key_wipe(&key);
	return err;
}

static int get_resumption(struct cv_reader *r, struct mls_group *g)
{
	uint32_t n;
	int err = cv_reader_get_u32(r, &n);

	if (!err && n > RESUMPTION_EPOCHS_MAX)
		err = CV_EFORMAT;
	for (uint32_t i = 0; !err && i < n; i++) {
		err = cv_reader_get_u64(r, &g->resumption[i].epoch);
		if (!err)
			err = get_secret(r, &g->resumption[i].psk);
		g->n_resumption = i + 1;
	}
	/* A smaller window than the one that it was saved with keeps the newest. */
	if (!err && n > g->opt.resumption_epochs) {
		size_t drop = n - g->opt.resumption_epochs;

		memmove(g->resumption, g->resumption + drop, (n - drop) * sizeof(g->resumption[0]));
		g->n_resumption = n - drop;
	}
	return err;
}

/* --- the group --- */

int mls_group_save(const struct mls_group *g, struct cv_buf *out)
{
	size_t nh = g->crypto.suite->nh, n_past = 0;

	if (g->removed)
		return CV_ESTATE;
	while (n_past < PAST_EPOCHS_MAX && g->past[n_past])
		n_past++;
	cv_buf_put_u8(out, SAVE_VERSION);
	cv_buf_put_u16(out, g->crypto.suite->id);
	put_epoch(g->cur, nh, out);
	cv_buf_put_u8(out, g->pending != NULL);
	if (g->pending)
		put_epoch(g->pending, nh, out);
	cv_buf_put_u8(out, (uint8_t)n_past);
	for (size_t i = 0; i < n_past; i++)
		put_epoch(g->past[i], nh, out);
	put_kept(g, out);
	return cv_buf_status(out);
}

static int get_pending(struct cv_reader *r, struct mls_group *g, const struct signers *signers)
{
	uint8_t has;
	int err = cv_reader_get_u8(r, &has);

	if (err || !has)
		return err;
	err = has == 1 ? get_epoch(r, g->crypto.suite->nh, &g->pending) : CV_EFORMAT;
	return err ? err : find_own_signer(signers, g->pending);
}

static int get_past(struct cv_reader *r, struct mls_group *g)
{
	struct epoch *surplus = NULL;
	uint8_t n;
	int err = cv_reader_get_u8(r, &n);

	if (!err && n > PAST_EPOCHS_MAX)
		return CV_EFORMAT;
	for (uint8_t i = 0; !err && i < n; i++) {
		struct epoch **slot = i < g->opt.past_epochs ? &g->past[i] : &surplus;

		err = get_epoch(r, g->crypto.suite->nh, slot);
		mls_epoch_free(surplus);
		surplus = NULL;
	}
	return err;
}

int mls_group_restore(const struct mls_group_options *options, const struct mls_own_key *keys, size_t n_keys,
		      const void *data, size_t len, struct mls_group **ret)
{
	const struct signers signers = {keys, n_keys};
	struct mls_group *g;
	struct cv_reader r;
	uint16_t suite;
	uint8_t version;
	int err;

	cv_reader_init(&r, data, len);
	err = cv_reader_get_u8(&r, &version);
	if (!err && version != SAVE_VERSION)
		return CV_EUNSUPPORTED;
	if (!err)
		err = cv_reader_get_u16(&r, &suite);
	if (!err)
		err = mls_group_new(options, suite, &g);
	if (err)
		return err;
	err = get_epoch(&r, g->crypto.suite->nh, &g->cur);
	if (!err && g->cur->gc.suite != suite)
		err = CV_EFORMAT;
	if (!err)
		err = find_own_signer(&signers, g->cur);
	if (!err)
		err = get_pending(&r, g, &signers);
	if (!err)
		err = get_past(&r, g);
	if (!err)
		err = get_kept(&r, g);
	if (!err)
		err = get_updates(&r, g, &signers);
	if (!err)
		err = get_resumption(&r, g);
	if (!err)
		err = cv_reader_end(&r);
	if (err) {
		mls_group_free(g);
		return err;
	}
	*ret = g;
	return 0;
}
