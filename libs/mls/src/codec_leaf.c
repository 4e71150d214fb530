/* SPDX-License-Identifier: Apache-2.0 */
/* Extensions, credentials, LeafNode, KeyPackage: RFC 9420 sections 5.3, 7.2, 10, 13. */
#include <string.h>

#include "codec.h"

void mls_put_span(struct cv_buf *b, struct cv_span s)
{
	cv_buf_put_vec(b, s.data, s.len);
}

void mls_put_span_raw(struct cv_buf *b, struct cv_span s)
{
	cv_buf_put(b, s.data, s.len);
}

/* --- Extension extensions<V> --- */

/* "MUST NOT have more than one extension of any given type" (section 13.4): a short list is compared pairwise. */
static int check_extension_list(struct cv_span list)
{
	uint16_t types[MLS_EXTENSIONS_MAX];
	struct cv_span data;
	struct cv_reader r;
	size_t n = 0;
	int err;

	cv_reader_init(&r, list.data, list.len);
	while (r.left) {
		if (n == MLS_EXTENSIONS_MAX)
			return CV_ELIMIT;
		err = cv_reader_get_u16(&r, &types[n]);
		if (!err)
			err = cv_reader_get_vec(&r, MLS_MESSAGE_MAX, &data);
		if (err)
			return err;
		for (size_t i = 0; i < n; i++)
			if (types[i] == types[n])
				return CV_EFORMAT;
		n++;
	}
	return 0;
}

int mls_get_extensions(struct cv_reader *r, struct cv_span *ret)
{
	struct cv_span list;
	int err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &list);

	if (!err)
		err = check_extension_list(list);
	if (!err)
		*ret = list;
	return err;
}

void mls_put_extensions(struct cv_buf *b, const struct mls_extension *e, size_t n)
{
	size_t mark = cv_buf_vec_begin(b);

	for (size_t i = 0; i < n; i++) {
		cv_buf_put_u16(b, e[i].type);
		mls_put_span(b, e[i].data);
	}
	cv_buf_vec_end(b, mark);
}

/* --- Credential --- */

static int check_chain(struct cv_span list)
{
	struct cv_reader r;
	struct cv_span der;
	size_t n = 0;

	cv_reader_init(&r, list.data, list.len);
	while (r.left) {
		int err = cv_reader_get_vec(&r, MLS_IDENTITY_MAX, &der);

		if (err)
			return err;
		if (n++ == MLS_CERTS_MAX)
			return CV_ELIMIT;
	}
	return n ? 0 : CV_EFORMAT;
}

int mls_get_credential(struct cv_reader *r, struct mls_credential *ret)
{
	struct mls_credential c;
	int err = cv_reader_get_u16(r, &c.type);

	/* Types beyond the two of the RFC are read as one opaque vector, as all registered ones are. */
	if (!err)
		err = cv_reader_get_vec(r, MLS_IDENTITY_MAX, &c.data);
	if (!err && c.type == MLS_CREDENTIAL_X509)
		err = check_chain(c.data);
	if (!err)
		*ret = c;
	return err;
}

void mls_put_credential(struct cv_buf *b, const struct mls_credential *c)
{
	cv_buf_put_u16(b, c->type);
	mls_put_span(b, c->data);
}

/* --- LeafNode --- */

static int get_list16(struct cv_reader *r, struct cv_span *ret)
{
	struct cv_span list;
	int err = cv_reader_get_vec(r, 2 * MLS_TYPES_MAX, &list);

	if (err)
		return err;
	if (list.len % 2)
		return CV_EFORMAT;
	*ret = list;
	return 0;
}

static int get_capabilities(struct cv_reader *r, struct mls_capabilities_view *c)
{
	int err = get_list16(r, &c->versions);

	if (!err)
		err = get_list16(r, &c->suites);
	if (!err)
		err = get_list16(r, &c->extensions);
	if (!err)
		err = get_list16(r, &c->proposals);
	if (!err)
		err = get_list16(r, &c->credentials);
	return err;
}

static int get_leaf_source(struct cv_reader *r, struct leaf_node *l)
{
	int err = cv_reader_get_u8(r, &l->v.source);

	if (err)
		return err;
	switch (l->v.source) {
	case MLS_LEAF_KEY_PACKAGE:
		err = cv_reader_get_u64(r, &l->v.not_before);
		return err ? err : cv_reader_get_u64(r, &l->v.not_after);
	case MLS_LEAF_UPDATE: return 0;
	case MLS_LEAF_COMMIT: return cv_reader_get_vec(r, MLS_HASH_MAX, &l->parent_hash);
	default: return CV_EFORMAT;
	}
}

int mls_get_leaf_node(struct cv_reader *r, struct leaf_node *ret)
{
	struct leaf_node l = {0};
	const uint8_t *start = r->p;
	int err = cv_reader_get_vec(r, MLS_PUBLIC_MAX, &l.v.encryption_key);

	if (!err)
		err = cv_reader_get_vec(r, MLS_PUBLIC_MAX, &l.v.signature_key);
	if (!err)
		err = mls_get_credential(r, &l.v.credential);
	if (!err)
		err = get_capabilities(r, &l.v.capabilities);
	if (!err)
		err = get_leaf_source(r, &l);
	if (!err)
		err = mls_get_extensions(r, &l.v.extensions);
	if (err)
		return err;
	l.tbs = SPAN(start, (size_t)(r->p - start));
	err = cv_reader_get_vec(r, MLS_SIGNATURE_MAX, &l.signature);
	if (err)
		return err;
	l.raw = SPAN(start, (size_t)(r->p - start));
	*ret = l;
	return 0;
}

void mls_put_leaf_tbs(struct cv_buf *b, const struct leaf_node *l)
{
	mls_put_span(b, l->v.encryption_key);
	mls_put_span(b, l->v.signature_key);
	mls_put_credential(b, &l->v.credential);
	mls_put_span(b, l->v.capabilities.versions);
	mls_put_span(b, l->v.capabilities.suites);
	mls_put_span(b, l->v.capabilities.extensions);
	mls_put_span(b, l->v.capabilities.proposals);
	mls_put_span(b, l->v.capabilities.credentials);
	cv_buf_put_u8(b, l->v.source);
	if (l->v.source == MLS_LEAF_KEY_PACKAGE) {
		cv_buf_put_u64(b, l->v.not_before);
		cv_buf_put_u64(b, l->v.not_after);
	} else if (l->v.source == MLS_LEAF_COMMIT) {
		mls_put_span(b, l->parent_hash);
	}
	mls_put_span(b, l->v.extensions);
}

void mls_put_leaf_node(struct cv_buf *b, const struct leaf_node *l)
{
	mls_put_leaf_tbs(b, l);
	mls_put_span(b, l->signature);
}

/* --- KeyPackage --- */

int mls_get_key_package(struct cv_reader *r, struct key_package *ret)
{
	struct key_package k = {0};
	const uint8_t *start = r->p;
	int err = cv_reader_get_u16(r, &k.version);

	if (!err)
		err = cv_reader_get_u16(r, &k.suite);
	if (!err)
		err = cv_reader_get_vec(r, MLS_PUBLIC_MAX, &k.init_key);
	if (!err)
		err = mls_get_leaf_node(r, &k.leaf);
	if (!err)
		err = mls_get_extensions(r, &k.extensions);
	if (err)
		return err;
	k.tbs = SPAN(start, (size_t)(r->p - start));
	err = cv_reader_get_vec(r, MLS_SIGNATURE_MAX, &k.signature);
	if (err)
		return err;
	k.raw = SPAN(start, (size_t)(r->p - start));
	*ret = k;
	return 0;
}

void mls_put_key_package(struct cv_buf *b, const struct key_package *k)
{
	cv_buf_put_u16(b, k->version);
	cv_buf_put_u16(b, k->suite);
	mls_put_span(b, k->init_key);
	mls_put_leaf_node(b, &k->leaf);
	mls_put_span(b, k->extensions);
	mls_put_span(b, k->signature);
}
