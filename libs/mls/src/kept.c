/* SPDX-License-Identifier: Apache-2.0 */
/* Proposals received or sent on their own, until a commit decides about them. */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

static void kept_free(struct kept_proposal *k)
{
	cv_buf_done(&k->raw);
	cv_free(k);
}

int mls_keep_proposal(struct mls_group *g, struct cv_span ref, const struct sender *from, struct cv_span raw)
{
	struct kept_proposal *k, **list;
	struct cv_reader r;
	size_t at;
	int err;

	if (mls_find_kept(g, ref, &at))
		return CV_EEXIST;
	if (g->n_kept == MLS_KEPT_MAX || raw.len > MLS_KEPT_BYTES_MAX - g->kept_bytes)
		return CV_ELIMIT;
	if (g->n_kept == g->cap_kept) {
		size_t cap = g->cap_kept ? 2 * g->cap_kept : 4;

		list = cv_reallocarray(g->kept, cap, sizeof(*list));
		if (!list)
			return CV_ENOMEM;
		g->kept = list;
		g->cap_kept = cap;
	}
	k = cv_calloc(1, sizeof(*k));
	if (!k)
		return CV_ENOMEM;
	memcpy(k->ref, ref.data, ref.len);
	k->from = *from;
	cv_buf_init(&k->raw, MLS_MESSAGE_MAX);
	err = cv_buf_put(&k->raw, raw.data, raw.len);
	if (!err) {
		cv_reader_init(&r, k->raw.data, k->raw.len);
		err = mls_get_proposal(&r, &k->p);
	}
	if (err) {
		kept_free(k);
		return err;
	}
	g->kept[g->n_kept++] = k;
	g->kept_bytes += raw.len;
	return 0;
}

void mls_drop_proposal(struct mls_group *g)
{
	struct kept_proposal *k = g->kept[--g->n_kept];

	g->kept_bytes -= k->raw.len;
	kept_free(k);
}

bool mls_find_kept(const struct mls_group *g, struct cv_span ref, size_t *ret_at)
{
	if (ref.len != g->crypto.suite->nh)
		return false;
	for (size_t i = 0; i < g->n_kept; i++) {
		if (memcmp(g->kept[i]->ref, ref.data, ref.len) != 0)
			continue;
		*ret_at = i;
		return true;
	}
	return false;
}

int mls_keep_update(struct mls_group *g, const struct mls_hpke_key *key, struct mls_signer signer)
{
	struct own_update *u;

	if (g->n_updates == MLS_OWN_UPDATES_MAX)
		return CV_ELIMIT;
	u = cv_malloc((g->n_updates + 1) * sizeof(*u));
	if (!u)
		return CV_ENOMEM;
	/* Not realloc: the old block holds private keys and must not be left behind. */
	if (g->n_updates)
		memcpy(u, g->updates, g->n_updates * sizeof(*u));
	cv_free_wiped(g->updates, g->n_updates * sizeof(*u));
	g->updates = u;
	u += g->n_updates++;
	memset(u, 0, sizeof(*u));
	memcpy(u->pub, key->pub, key->pub_len);
	u->priv = key->priv;
	u->signer = signer;
	return 0;
}

void mls_drop_update(struct mls_group *g)
{
	cv_wipe(&g->updates[--g->n_updates], sizeof(*g->updates));
}

void mls_forget_kept(struct mls_group *g)
{
	for (size_t i = 0; i < g->n_kept; i++)
		kept_free(g->kept[i]);
	cv_free(g->kept);
	g->kept = NULL;
	g->n_kept = g->cap_kept = g->kept_bytes = 0;
	cv_free_wiped(g->updates, g->n_updates * sizeof(*g->updates));
	g->updates = NULL;
	g->n_updates = 0;
}
