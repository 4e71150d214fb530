/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

#define CONTEXT_MAX MLS_MESSAGE_MAX

int mls_epoch_new(struct epoch **ret)
{
	struct epoch *e = cv_calloc(1, sizeof(*e));

	if (!e)
		return CV_ENOMEM;
	cv_buf_init(&e->context, CONTEXT_MAX);
	cv_buf_init(&e->reinit, CONTEXT_MAX);
	*ret = e;
	return 0;
}

void mls_epoch_free(struct epoch *e)
{
	if (!e)
		return;
	cv_buf_done(&e->context);
	cv_buf_done(&e->reinit);
	mls_tree_free(e->tree);
	mls_secret_tree_free(e->secret_tree);
	cv_free_wiped(e, sizeof(*e));
}

int mls_epoch_fork(const struct epoch *e, struct epoch **ret)
{
	struct epoch *n;
	int err = mls_epoch_new(&n);

	if (err)
		return err;
	n->own = e->own;
	n->signer = e->signer;
	n->keys = e->keys;
	err = mls_tree_clone(e->tree, &n->tree);
	if (err)
		mls_epoch_free(n);
	else
		*ret = n;
	return err;
}

int mls_epoch_set_context(struct epoch *e, const struct group_context *gc)
{
	struct cv_reader r;
	struct cv_buf b;
	int err;

	cv_buf_init(&b, CONTEXT_MAX);
	mls_put_group_context(&b, gc);
	err = cv_buf_status(&b);
	if (!err) {
		cv_reader_init(&r, b.data, b.len);
		err = mls_get_group_context(&r, &e->gc);
	}
	if (err) {
		cv_buf_done(&b);
		return err;
	}
	cv_buf_done(&e->context);
	e->context = b;
	return 0;
}

int mls_epoch_start(struct epoch *e)
{
	int err = mls_secret_tree_new(e->tree->n_leaves, &e->secrets.encryption, &e->secret_tree);

	if (!err)
		cv_secret_wipe(&e->secrets.encryption);
	return err;
}

int mls_epoch_confirm(struct epoch *e, struct mls_crypto *c)
{
	struct cv_span confirmed = e->gc.confirmed_transcript_hash;
	int err = mls_crypto_hmac(c, mls_secret_span(&e->secrets.confirmation), &confirmed, 1, e->confirmation_tag);

	return err ? err : mls_transcript_interim(c, confirmed, SPAN(e->confirmation_tag, c->suite->nh), e->interim);
}

int mls_epoch_tree_hash(struct epoch *e, struct mls_crypto *c, uint8_t *ret)
{
	const uint8_t *hash;
	int err = mls_tree_hash(e->tree, c, tree_root(e->tree->n_leaves), &hash);

	if (!err)
		memcpy(ret, hash, c->suite->nh);
	return err;
}
