/* SPDX-License-Identifier: Apache-2.0 */
/* Every MLS decoder; what is accepted must be encoded again to the same bytes. First byte: which decoder. */
#include <stdlib.h>

#include "../../libs/mls/src/state.h"

static void same(struct cv_span in, struct cv_buf *b)
{
	if (cv_buf_status(b) || !mls_span_equal(in, SPAN(b->data, b->len)))
		abort();
}

/* From the beginning the walk sees each entry and comes to its end; begun anywhere it must survive. */
static void walk(struct cv_span in, const struct mls_message *m)
{
	struct welcome_secret s;
	struct cv_span ref;
	struct cv_reader r;
	size_t at = 0;

	cv_reader_init(&r, m->welcome.secrets.data, m->welcome.secrets.len);
	while (!mls_welcome_next(in.data, in.len, &at, &ref))
		if (mls_get_welcome_secret(&r, &s) || !mls_span_equal(s.new_member, ref))
			abort();
	if (r.left)
		abort();
	for (size_t i = 1; i < in.len && i < 64; i++) {
		at = i;
		(void)!mls_welcome_next(in.data, in.len, &at, &ref);
	}
}

static void message(struct cv_span in, struct cv_buf *b)
{
	struct mls_message m;
	struct mls_peek p;

	if (mls_peek(in.data, in.len, &p) || mls_get_message(in, &m))
		return;
	mls_put_message(b, &m);
	same(in, b);
	if (m.wire_format == MLS_WELCOME)
		walk(in, &m);
}

static void proposal(struct cv_span in, struct cv_buf *b)
{
	struct cv_reader r;
	struct proposal p;

	cv_reader_init(&r, in.data, in.len);
	if (mls_get_proposal(&r, &p) || r.left)
		return;
	mls_put_proposal(b, &p);
	same(in, b);
}

static void commit(struct cv_span in, struct cv_buf *b)
{
	struct cv_reader r;
	struct commit c;

	cv_reader_init(&r, in.data, in.len);
	if (mls_get_commit(&r, &c) || r.left)
		return;
	mls_put_commit(b, &c);
	same(in, b);
}

static void secrets(struct cv_span in, struct cv_buf *b)
{
	struct group_secrets s;
	struct cv_reader r;

	cv_reader_init(&r, in.data, in.len);
	if (mls_get_group_secrets(&r, &s) || r.left)
		return;
	mls_put_group_secrets(b, &s);
	same(in, b);
}

/* A tree with anything in it: all that is computed about it must survive. */
static void tree(struct cv_span in, struct cv_buf *b)
{
	struct mls_crypto c;
	struct tree *t, *copy;
	uint32_t leaf;

	if (mls_tree_decode(in, 32, &t))
		return;
	mls_tree_encode(t, b);
	same(in, b);
	if (mls_tree_size(t) != in.len)
		abort();
	if (mls_crypto_init(&c, 1, cv_rng_system()))
		abort();
	(void)!mls_tree_check_members(t, c.rng);
	(void)!mls_tree_check_parents(t, &c);
	if (!mls_tree_clone(t, &copy)) {
		for (leaf = 0; leaf < copy->n_leaves && !mls_tree_leaf(copy, leaf); leaf++)
			;
		if (leaf < copy->n_leaves) {
			mls_tree_remove(copy, leaf);
			mls_tree_truncate(copy);
		}
		mls_tree_free(copy);
	}
	mls_tree_free(t);
	mls_crypto_done(&c);
}

static void certificate(struct cv_span in, struct cv_buf *b)
{
	(void)!mls_x509_check_key(mls_suite_find(1), in, SPAN_STR("0123456789abcdef0123456789abcdef"));
}

static void external_senders(struct cv_span in, struct cv_buf *b)
{
	struct mls_external_sender s[MLS_SENDERS_MAX];
	size_t n = 0, at = 0;
	int err;

	while ((err = mls_external_senders_next(in, &at, &s[n])) == 0)
		if (++n == MLS_SENDERS_MAX)
			return;
	/* Once begun, the walk can only come to its end. */
	if (n && err != CV_ENOTFOUND)
		abort();
	if (err != CV_ENOTFOUND)
		return;
	if (mls_external_senders(s, n, b))
		abort();
	same(in, b);
}

static void required_capabilities(struct cv_span in, struct cv_buf *b)
{
	struct mls_required_capabilities_view v;

	if (mls_required_capabilities_read(in, &v))
		return;
	mls_put_span(b, v.extensions);
	mls_put_span(b, v.proposals);
	mls_put_span(b, v.credentials);
	same(in, b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const all[])(struct cv_span in, struct cv_buf * b) = {
		message, proposal, commit, secrets, tree, certificate, external_senders, required_capabilities};
	struct cv_buf b;

	if (!size || data[0] >= sizeof(all) / sizeof(all[0]))
		return 0;
	cv_buf_init(&b, MLS_MESSAGE_MAX + 64);
	all[data[0]](SPAN(data + 1, size - 1), &b);
	cv_buf_done(&b);
	return 0;
}
