/* SPDX-License-Identifier: Apache-2.0 */
/* LeafNodes: made, signed, checked. RFC 9420 sections 7.2, 7.3, 11.1, 13.4, 13.5. */
#include <string.h>

#include "state.h"

#define CAPABILITIES_MAX 512

/* --- capabilities --- */

struct list16 {
	uint16_t v[CAPABILITIES_MAX];
	size_t n;
};

static void list16_add(struct list16 *l, uint16_t v)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i] == v)
			return;
	if (l->n < CAPABILITIES_MAX)
		l->v[l->n++] = v;
}

/* 0x0A0A, 0x1A1A … 0xEAEA, RFC 9420 section 13.5. */
static void list16_grease(struct list16 *l, struct mls_crypto *c, bool grease)
{
	uint8_t x;

	if (grease && cv_rng_fill(c->rng, &x, 1) == 0)
		list16_add(l, (uint16_t)(0x0a0a + 0x1010 * (x % 15)));
}

static void list16_put(const struct list16 *l, struct cv_buf *b)
{
	size_t mark = cv_buf_vec_begin(b);

	for (size_t i = 0; i < l->n; i++)
		cv_buf_put_u16(b, l->v[i]);
	cv_buf_vec_end(b, mark);
}

static bool is_default_extension(uint16_t type)
{
	return type >= MLS_EXT_APPLICATION_ID && type <= MLS_EXT_EXTERNAL_SENDERS;
}

static bool is_default_proposal(uint16_t type)
{
	return type >= MLS_PROPOSAL_ADD && type <= MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS;
}

static void list16_add_types(struct list16 *l, const struct mls_extension *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_default_extension(e[i].type))
			list16_add(l, e[i].type);
}

static void put_capabilities(struct mls_crypto *c, const struct mls_member *m, struct cv_buf *b)
{
	struct list16 l = {.v = {MLS_VERSION}, .n = 1};

	list16_put(&l, b);
	l = (struct list16){.v = {c->suite->id}, .n = 1};
	for (size_t i = 0; i < m->n_suites; i++)
		list16_add(&l, m->suites[i]);
	list16_grease(&l, c, m->grease);
	list16_put(&l, b);
	l.n = 0;
	for (size_t i = 0; i < m->n_extension_types; i++)
		list16_add(&l, m->extension_types[i]);
	list16_add_types(&l, m->extensions, m->n_extensions);
	list16_add_types(&l, m->key_package_extensions, m->n_key_package_extensions);
	list16_grease(&l, c, m->grease);
	list16_put(&l, b);
	l.n = 0;
	list16_grease(&l, c, m->grease);
	list16_put(&l, b);
	l = (struct list16){.v = {MLS_CREDENTIAL_BASIC, MLS_CREDENTIAL_X509}, .n = 2};
	list16_add(&l, m->credential.type);
	for (size_t i = 0; i < m->n_credential_types; i++)
		list16_add(&l, m->credential_types[i]);
	list16_grease(&l, c, m->grease);
	list16_put(&l, b);
}

/* --- making --- */

static void put_source(struct cv_buf *b, const struct leaf_parts *p)
{
	cv_buf_put_u8(b, p->source);
	if (p->source == MLS_LEAF_KEY_PACKAGE) {
		cv_buf_put_u64(b, p->not_before);
		cv_buf_put_u64(b, p->not_after);
	} else if (p->source == MLS_LEAF_COMMIT) {
		mls_put_span(b, p->parent_hash);
	}
}

/* What follows the leaf in LeafNodeTBS unless it is for a KeyPackage; gives the number of spans used. */
struct tbs_tail {
	uint8_t head[4], index[4];
};
static size_t tbs_parts(struct tbs_tail *t, struct cv_span tbs, uint8_t source, struct cv_span group_id, uint32_t index,
			struct cv_span parts[4])
{
	parts[0] = tbs;
	if (source == MLS_LEAF_KEY_PACKAGE)
		return 1;
	for (int i = 0; i < 4; i++)
		t->index[i] = (uint8_t)(index >> (24 - 8 * i));
	parts[1] = SPAN(t->head, mls_varint_write(t->head, group_id.len));
	parts[2] = group_id;
	parts[3] = SPAN(t->index, 4);
	return 4;
}

static int sign_leaf(const struct mls_signer *signer, const struct leaf_parts *p, size_t start, struct cv_buf *out)
{
	uint8_t sig[MLS_SIGNATURE_MAX];
	struct cv_span parts[4];
	struct tbs_tail tail;
	size_t len, n;
	int err = cv_buf_status(out);

	if (err)
		return err;
	n = tbs_parts(&tail, SPAN(out->data + start, out->len - start), p->source, p->group_id, p->index, parts);
	err = mls_crypto_sign(signer, "LeafNodeTBS", parts, n, sig, &len);
	if (!err)
		err = cv_buf_put_vec(out, sig, len);
	return err;
}

int mls_leaf_build(struct mls_crypto *c, const struct mls_member *m, const struct leaf_parts *p, struct cv_buf *out)
{
	size_t start = out->len;

	if (!m->signer.sign || m->n_extensions > MLS_EXTENSIONS_MAX ||
	    m->n_suites + m->n_extension_types + m->n_credential_types + m->n_extensions + m->n_key_package_extensions >
		    CAPABILITIES_MAX / 2)
		return CV_EINVAL;
	mls_put_span(out, p->encryption_key);
	mls_put_span(out, m->signature_key);
	mls_put_credential(out, &m->credential);
	put_capabilities(c, m, out);
	put_source(out, p);
	mls_put_extensions(out, m->extensions, m->n_extensions);
	return sign_leaf(&m->signer, p, start, out);
}

int mls_leaf_rebuild(const struct leaf_node *old, const struct mls_signer *signer, const struct leaf_parts *p,
		     struct cv_buf *out)
{
	struct leaf_node l = *old;
	size_t start = out->len;

	l.v.encryption_key = p->encryption_key;
	l.v.source = p->source;
	l.v.not_before = p->not_before;
	l.v.not_after = p->not_after;
	l.parent_hash = p->parent_hash;
	mls_put_leaf_tbs(out, &l);
	return sign_leaf(signer, p, start, out);
}

/* --- checking --- */

int mls_leaf_verify(struct mls_crypto *c, const struct leaf_node *l, struct cv_span group_id, uint32_t index)
{
	struct cv_span parts[4];
	struct tbs_tail tail;
	size_t n = tbs_parts(&tail, l->tbs, l->v.source, group_id, index, parts);

	return mls_crypto_verify(c, l->v.signature_key, "LeafNodeTBS", parts, n, l->signature);
}

static uint16_t be16_at(struct cv_span s, size_t i)
{
	return (uint16_t)(s.data[i] << 8 | s.data[i + 1]);
}

static bool is_grease(uint16_t v)
{
	return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff) && v != 0xfafa;
}

static bool announces(struct cv_span have, uint16_t v, bool own)
{
	return mls_list16_has(have, v) && !(own && is_grease(v));
}

static bool has_all(struct cv_span have, struct cv_span want, bool (*by_default)(uint16_t), bool own)
{
	for (size_t i = 0; i < want.len; i += 2) {
		uint16_t v = be16_at(want, i);

		if (!(by_default && by_default(v)) && !announces(have, v, own))
			return false;
	}
	return true;
}

/* Extensions in any list of a leaf or a group need the leaf's word that it knows them (section 13.4). */
bool mls_leaf_knows(const struct leaf_node *l, struct cv_span extensions, bool own)
{
	struct mls_extension e;

	for (size_t at = 0; mls_extension_next(extensions, &at, &e);)
		if (!is_default_extension(e.type) && !announces(l->v.capabilities.extensions, e.type, own))
			return false;
	return true;
}

int mls_leaf_supports_context(const struct leaf_node *l, struct cv_span extensions, bool own)
{
	const struct mls_capabilities_view *have = &l->v.capabilities;
	struct mls_required_capabilities_view want;
	struct cv_span data;
	int err;

	if (!mls_leaf_knows(l, extensions, own))
		return CV_EUNSUPPORTED;
	if (mls_extension_find(extensions, MLS_EXT_REQUIRED_CAPABILITIES, &data))
		return 0;
	err = mls_required_capabilities_read(data, &want);
	if (err)
		return err;
	return has_all(have->extensions, want.extensions, is_default_extension, own) &&
			       has_all(have->proposals, want.proposals, is_default_proposal, own) &&
			       has_all(have->credentials, want.credentials, NULL, own)
		       ? 0
		       : CV_EUNSUPPORTED;
}

int mls_find_external_sender(struct cv_span extensions, uint32_t i, struct mls_external_sender *ret)
{
	struct cv_span data;
	size_t at = 0;

	if (mls_extension_find(extensions, MLS_EXT_EXTERNAL_SENDERS, &data))
		return CV_ENOTFOUND;
	do {
		if (mls_external_senders_next(data, &at, ret))
			return CV_ENOTFOUND;
	} while (i--);
	return 0;
}

int mls_check_context_extensions(struct cv_span extensions)
{
	struct mls_required_capabilities_view required;
	struct mls_external_sender sender;
	struct cv_span data;
	size_t at = 0;
	int err = 0;

	if (!mls_extension_find(extensions, MLS_EXT_REQUIRED_CAPABILITIES, &data))
		err = mls_required_capabilities_read(data, &required);
	if (err || mls_extension_find(extensions, MLS_EXT_EXTERNAL_SENDERS, &data))
		return err;
	err = mls_external_senders_next(data, &at, &sender);
	return err == CV_ENOTFOUND ? 0 : err;
}

/*
 * "reject any LeafNode where the total lifetime is longer" (section 7.2) holds wherever a lifetime is met; the time of
 * day is asked when a KeyPackage is added. In a tree that is being joined the leaf may be older than its lifetime.
 */
static int check_lifetime(const struct leaf_rules *rules, const struct leaf_node *l, enum mls_leaf_where where)
{
	const struct mls_group_options *o = rules->opt;
	uint64_t now = o->env->now(o->env->now_ctx), nb = l->v.not_before, na = l->v.not_after;

	if (na < nb || (o->lifetime_max && na - nb > o->lifetime_max))
		return CV_EEXPIRED;
	if (where != MLS_LEAF_IN_ADD)
		return 0;
	if (nb > now && nb - now > o->lifetime_tolerance)
		return CV_EEXPIRED;
	if (now > na && now - na > o->lifetime_tolerance)
		return CV_EEXPIRED;
	return 0;
}

static int check_source(const struct leaf_node *l, enum mls_leaf_where where)
{
	switch (where) {
	case MLS_LEAF_IN_ADD: return l->v.source == MLS_LEAF_KEY_PACKAGE ? 0 : CV_EINVAL;
	case MLS_LEAF_IN_UPDATE: return l->v.source == MLS_LEAF_UPDATE ? 0 : CV_EINVAL;
	case MLS_LEAF_IN_COMMIT: return l->v.source == MLS_LEAF_COMMIT ? 0 : CV_EINVAL;
	default: return 0;
	}
}

int mls_leaf_check(const struct leaf_rules *rules, const struct leaf_node *l, enum mls_leaf_where where, uint32_t index,
		   const struct leaf_node *replaced)
{
	const struct mls_capabilities_view *caps = &l->v.capabilities;
	struct mls_leaf_question q = {.where = where,
				      .group_id = rules->group_id,
				      .index = index,
				      .leaf = &l->v,
				      .replaced = replaced ? &replaced->v : NULL,
				      .group = rules->group};
	struct cv_span der;
	int err = check_source(l, where);

	if (!err &&
	    (!mls_list16_has(caps->versions, MLS_VERSION) || !mls_list16_has(caps->suites, rules->crypto->suite->id) ||
	     !mls_list16_has(caps->credentials, l->v.credential.type) || !mls_leaf_knows(l, l->v.extensions, false)))
		err = CV_EUNSUPPORTED;
	if (!err)
		err = mls_leaf_supports_context(l, rules->extensions, false);
	if (!err)
		err = mls_kem_check_public(rules->crypto, l->v.encryption_key);
	/* "the encryption_key value in the LeafNode is different from the committer's current leaf node" (12.4.2), and
	 * from the one "being replaced by the Update proposal" (7.3) */
	if (!err && replaced && mls_span_equal(replaced->v.encryption_key, l->v.encryption_key))
		err = CV_EINVAL;
	if (!err && l->v.source == MLS_LEAF_KEY_PACKAGE)
		err = check_lifetime(rules, l, where);
	if (!err && l->v.credential.type == MLS_CREDENTIAL_X509) {
		err = mls_x509_cert(&l->v.credential, 0, &der);
		if (!err)
			err = mls_x509_check_key(rules->crypto->suite, der, l->v.signature_key);
	}
	if (!err)
		err = mls_leaf_verify(rules->crypto, l, rules->group_id, index);
	return err ? err : rules->opt->policy.leaf(rules->opt->policy.ctx, &q);
}
