/* SPDX-License-Identifier: Apache-2.0 */
/* PreSharedKeyID, Proposal, UpdatePath, Commit: RFC 9420 sections 7.6, 8.4, 12.1, 12.4. */
#include "codec.h"

enum { PSK_TYPE_EXTERNAL = 1, PSK_TYPE_RESUMPTION = 2 };

int mls_get_psk_id(struct cv_reader *r, struct psk_id *ret)
{
	struct psk_id p = {0};
	uint8_t type, usage = 0;
	int err = cv_reader_get_u8(r, &type);

	if (err)
		return err;
	if (type == PSK_TYPE_EXTERNAL) {
		err = cv_reader_get_vec(r, MLS_PSK_MAX, &p.id);
	} else if (type == PSK_TYPE_RESUMPTION) {
		err = cv_reader_get_u8(r, &usage);
		if (!err && (usage < MLS_PSK_APPLICATION || usage > MLS_PSK_BRANCH))
			err = CV_EFORMAT;
		if (!err)
			err = cv_reader_get_vec(r, MLS_GROUP_ID_MAX, &p.group_id);
		if (!err)
			err = cv_reader_get_u64(r, &p.epoch);
	} else {
		err = CV_EFORMAT;
	}
	if (!err)
		err = cv_reader_get_vec(r, MLS_HASH_MAX, &p.nonce);
	if (err)
		return err;
	p.usage = usage;
	*ret = p;
	return 0;
}

void mls_put_psk_id(struct cv_buf *b, const struct psk_id *p)
{
	if (p->usage == MLS_PSK_EXTERNAL) {
		cv_buf_put_u8(b, PSK_TYPE_EXTERNAL);
		mls_put_span(b, p->id);
	} else {
		cv_buf_put_u8(b, PSK_TYPE_RESUMPTION);
		cv_buf_put_u8(b, (uint8_t)p->usage);
		mls_put_span(b, p->group_id);
		cv_buf_put_u64(b, p->epoch);
	}
	mls_put_span(b, p->nonce);
}

static int get_reinit(struct cv_reader *r, struct proposal *p)
{
	int err = cv_reader_get_vec(r, MLS_GROUP_ID_MAX, &p->reinit.group_id);

	if (!err)
		err = cv_reader_get_u16(r, &p->reinit.version);
	if (!err)
		err = cv_reader_get_u16(r, &p->reinit.suite);
	return err ? err : mls_get_extensions(r, &p->reinit.extensions);
}

int mls_get_proposal_body(struct cv_reader *r, struct proposal *ret)
{
	switch (ret->type) {
	case MLS_PROPOSAL_ADD: return mls_get_key_package(r, &ret->add);
	case MLS_PROPOSAL_UPDATE: return mls_get_leaf_node(r, &ret->update);
	case MLS_PROPOSAL_REMOVE: return cv_reader_get_u32(r, &ret->removed);
	case MLS_PROPOSAL_PSK: return mls_get_psk_id(r, &ret->psk);
	case MLS_PROPOSAL_REINIT: return get_reinit(r, ret);
	case MLS_PROPOSAL_EXTERNAL_INIT: return cv_reader_get_vec(r, MLS_PUBLIC_MAX, &ret->kem_output);
	case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS: return mls_get_extensions(r, &ret->extensions);
	/* A proposal has no length of its own: one of an unknown type cannot even be skipped. */
	default: return CV_EUNSUPPORTED;
	}
}

int mls_get_proposal(struct cv_reader *r, struct proposal *ret)
{
	int err = cv_reader_get_u16(r, &ret->type);

	return err ? err : mls_get_proposal_body(r, ret);
}

void mls_put_proposal_body(struct cv_buf *b, const struct proposal *p)
{
	switch (p->type) {
	case MLS_PROPOSAL_ADD: mls_put_key_package(b, &p->add); break;
	case MLS_PROPOSAL_UPDATE: mls_put_leaf_node(b, &p->update); break;
	case MLS_PROPOSAL_REMOVE: cv_buf_put_u32(b, p->removed); break;
	case MLS_PROPOSAL_PSK: mls_put_psk_id(b, &p->psk); break;
	case MLS_PROPOSAL_REINIT:
		mls_put_span(b, p->reinit.group_id);
		cv_buf_put_u16(b, p->reinit.version);
		cv_buf_put_u16(b, p->reinit.suite);
		mls_put_span(b, p->reinit.extensions);
		break;
	case MLS_PROPOSAL_EXTERNAL_INIT: mls_put_span(b, p->kem_output); break;
	case MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS: mls_put_span(b, p->extensions); break;
	}
}

void mls_put_proposal(struct cv_buf *b, const struct proposal *p)
{
	cv_buf_put_u16(b, p->type);
	mls_put_proposal_body(b, p);
}

int mls_get_proposal_or_ref(struct cv_reader *r, struct proposal_or_ref *ret)
{
	int err = cv_reader_get_u8(r, &ret->kind);

	if (err)
		return err;
	switch (ret->kind) {
	case BY_VALUE: return mls_get_proposal(r, &ret->value);
	case BY_REFERENCE: return cv_reader_get_vec(r, MLS_HASH_MAX, &ret->ref);
	default: return CV_EFORMAT;
	}
}

void mls_put_proposal_or_ref(struct cv_buf *b, const struct proposal_or_ref *p)
{
	cv_buf_put_u8(b, p->kind);
	if (p->kind == BY_VALUE)
		mls_put_proposal(b, &p->value);
	else
		mls_put_span(b, p->ref);
}

/* --- UpdatePath --- */

int mls_get_hpke_ciphertext(struct cv_reader *r, struct hpke_ciphertext *ret)
{
	int err = cv_reader_get_vec(r, MLS_PUBLIC_MAX, &ret->kem_output);

	return err ? err : cv_reader_get_vec(r, MLS_MESSAGE_MAX, &ret->ciphertext);
}

void mls_put_hpke_ciphertext(struct cv_buf *b, const struct hpke_ciphertext *c)
{
	mls_put_span(b, c->kem_output);
	mls_put_span(b, c->ciphertext);
}

int mls_get_path_node(struct cv_reader *r, struct path_node *ret)
{
	struct hpke_ciphertext c;
	struct cv_reader secrets;
	int err = cv_reader_get_vec(r, MLS_PUBLIC_MAX, &ret->encryption_key);

	if (!err)
		err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &ret->secrets);
	if (err)
		return err;
	cv_reader_init(&secrets, ret->secrets.data, ret->secrets.len);
	while (!err && secrets.left)
		err = mls_get_hpke_ciphertext(&secrets, &c);
	return err;
}

int mls_get_update_path(struct cv_reader *r, struct update_path *ret)
{
	struct cv_reader nodes;
	struct path_node n;
	int err = mls_get_leaf_node(r, &ret->leaf);

	if (!err)
		err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &ret->nodes);
	if (err)
		return err;
	cv_reader_init(&nodes, ret->nodes.data, ret->nodes.len);
	while (!err && nodes.left)
		err = mls_get_path_node(&nodes, &n);
	return err;
}

static void put_path_node(struct cv_buf *b, const struct path_node *n)
{
	struct cv_reader r;
	struct hpke_ciphertext c;
	size_t mark;

	mls_put_span(b, n->encryption_key);
	mark = cv_buf_vec_begin(b);
	cv_reader_init(&r, n->secrets.data, n->secrets.len);
	while (r.left && !mls_get_hpke_ciphertext(&r, &c))
		mls_put_hpke_ciphertext(b, &c);
	cv_buf_vec_end(b, mark);
}

void mls_put_update_path(struct cv_buf *b, const struct update_path *p)
{
	struct cv_reader r;
	struct path_node n;
	size_t mark;

	mls_put_leaf_node(b, &p->leaf);
	mark = cv_buf_vec_begin(b);
	cv_reader_init(&r, p->nodes.data, p->nodes.len);
	while (r.left && !mls_get_path_node(&r, &n))
		put_path_node(b, &n);
	cv_buf_vec_end(b, mark);
}

/* --- Commit --- */

int mls_get_commit(struct cv_reader *r, struct commit *ret)
{
	struct proposal_or_ref p;
	struct cv_reader list;
	uint8_t present;
	size_t n = 0;
	int err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &ret->proposals);

	if (err)
		return err;
	cv_reader_init(&list, ret->proposals.data, ret->proposals.len);
	while (list.left) {
		if (n++ == MLS_PROPOSALS_MAX)
			return CV_ELIMIT;
		err = mls_get_proposal_or_ref(&list, &p);
		if (err)
			return err;
	}
	err = cv_reader_get_u8(r, &present);
	if (err)
		return err;
	if (present > 1)
		return CV_EFORMAT;
	ret->has_path = present;
	return present ? mls_get_update_path(r, &ret->path) : 0;
}

void mls_put_commit(struct cv_buf *b, const struct commit *c)
{
	struct proposal_or_ref p;
	struct cv_reader r;
	size_t mark = cv_buf_vec_begin(b);

	cv_reader_init(&r, c->proposals.data, c->proposals.len);
	while (r.left && !mls_get_proposal_or_ref(&r, &p))
		mls_put_proposal_or_ref(b, &p);
	cv_buf_vec_end(b, mark);
	cv_buf_put_u8(b, c->has_path);
	if (c->has_path)
		mls_put_update_path(b, &c->path);
}
