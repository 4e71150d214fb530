/* SPDX-License-Identifier: Apache-2.0 */
/* GroupInfo and Welcome, the sender's side: RFC 9420 section 12.4.3. */
#include <string.h>

#include "state.h"

static void put_tree_extension(const struct tree *t, struct cv_buf *out)
{
	size_t mark;

	cv_buf_put_u16(out, MLS_EXT_RATCHET_TREE);
	mark = cv_buf_vec_begin(out);
	mls_tree_encode(t, out);
	cv_buf_vec_end(out, mark);
}

static int put_external_pub(struct mls_crypto *c, const struct epoch *e, struct cv_buf *out)
{
	struct mls_hpke_key pair = {0};
	size_t mark;
	int err = mls_kem_derive(c, mls_secret_span(&e->secrets.external), &pair);

	if (err)
		return err;
	cv_buf_put_u16(out, MLS_EXT_EXTERNAL_PUB);
	mark = cv_buf_vec_begin(out);
	cv_buf_put_vec(out, pair.pub, pair.pub_len);
	cv_buf_vec_end(out, mark);
	mls_hpke_key_wipe(&pair);
	return 0;
}

/* The application's own: each type once, and not what this library writes itself. */
static int put_more(const struct info_parts *p, struct cv_buf *out)
{
	if (p->n_more > MLS_EXTENSIONS_MAX - 2)
		return CV_EINVAL;
	for (size_t i = 0; i < p->n_more; i++) {
		if (p->more[i].type == MLS_EXT_RATCHET_TREE || p->more[i].type == MLS_EXT_EXTERNAL_PUB)
			return CV_EINVAL;
		for (size_t k = 0; k < i; k++)
			if (p->more[k].type == p->more[i].type)
				return CV_EFORMAT;
		cv_buf_put_u16(out, p->more[i].type);
		mls_put_span(out, p->more[i].data);
	}
	return 0;
}

int mls_group_info_build(struct mls_crypto *c, struct epoch *e, const struct info_parts *p, struct cv_buf *out)
{
	uint8_t sig[MLS_SIGNATURE_MAX];
	struct cv_span tbs;
	size_t start = out->len, mark, len;
	int err = 0;

	mls_put_span_raw(out, SPAN(e->context.data, e->context.len));
	mark = cv_buf_vec_begin(out);
	if (p->tree)
		put_tree_extension(e->tree, out);
	if (p->external_pub)
		err = put_external_pub(c, e, out);
	if (!err)
		err = put_more(p, out);
	cv_buf_vec_end(out, mark);
	cv_buf_put_vec(out, e->confirmation_tag, c->suite->nh);
	cv_buf_put_u32(out, e->own);
	if (!err)
		err = cv_buf_status(out);
	if (err)
		return err;
	tbs = SPAN(out->data + start, out->len - start);
	err = mls_crypto_sign(&e->signer, "GroupInfoTBS", &tbs, 1, sig, &len);
	return err ? err : cv_buf_put_vec(out, sig, len);
}

/* EncryptedGroupSecrets for one newcomer. */
static int put_secrets(struct stage *s, const struct staged *add, const struct new_path *path,
		       const struct hpke_info *info, struct cv_buf *out)
{
	struct mls_crypto *c = &s->g->crypto;
	struct group_secrets gs = {.joiner_secret = mls_secret_span(&s->joiner),
				   .psks = SPAN(s->psk_ids.data, s->psk_ids.len)};
	uint8_t ref[DIGEST_MAX], enc[MLS_PUBLIC_MAX], *ct;
	struct cv_buf plain, sealed;
	uint32_t at;
	int err;

	if (path) {
		at = mls_path_common(&path->path, add->index);
		/* The newcomer's own leaf is in the tree: its common ancestor with us is on the filtered path. */
		if (at == path->path.n)
			return CV_ESTATE;
		gs.has_path_secret = true;
		gs.path_secret = mls_secret_span(&path->secret[at]);
	}
	cv_buf_init(&sealed, MLS_MESSAGE_MAX);
	cv_buf_init_secret(&plain, MLS_MESSAGE_MAX);
	mls_put_group_secrets(&plain, &gs);
	err = cv_buf_status(&plain);
	if (!err)
		err = mls_crypto_ref_hash(c, "MLS 1.0 KeyPackage Reference", add->p.add.raw, ref);
	if (!err)
		err = cv_buf_extend(&sealed, plain.len + TAG_LEN, &ct);
	if (!err)
		err = mls_hpke_base_seal(c, add->p.add.init_key, info, SPAN_NONE, SPAN(plain.data, plain.len), enc, ct);
	if (!err) {
		cv_buf_put_vec(out, ref, c->suite->nh);
		cv_buf_put_vec(out, enc, c->suite->npk);
		err = cv_buf_put_vec(out, sealed.data, sealed.len);
	}
	cv_buf_done(&sealed);
	cv_buf_done(&plain);
	return err;
}

/* AEAD(welcome_key, welcome_nonce, GroupInfo) */
static int seal_group_info(struct stage *s, const struct info_parts *p, struct cv_buf *ret)
{
	struct mls_crypto *c = &s->g->crypto;
	struct cv_secret welcome = {0};
	uint8_t key[KEY_MAX], nonce[NONCE_LEN], *ct = NULL;
	struct cv_buf gi;
	int err;

	cv_buf_init(&gi, MLS_MESSAGE_MAX);
	err = mls_group_info_build(c, s->next, p, &gi);
	if (!err)
		err = mls_schedule_welcome(c, &s->joiner, &s->psk_secret, &welcome);
	if (!err)
		err = mls_crypto_expand_label(c, &welcome, SPAN_STR("key"), SPAN_NONE, key, c->suite->nk);
	if (!err)
		err = mls_crypto_expand_label(c, &welcome, SPAN_STR("nonce"), SPAN_NONE, nonce, NONCE_LEN);
	if (!err)
		err = cv_buf_extend(ret, gi.len + TAG_LEN, &ct);
	if (!err)
		err = mls_crypto_seal(c, key, nonce, SPAN_NONE, SPAN(gi.data, gi.len), ct);
	cv_secret_wipe(&welcome);
	cv_wipe(key, sizeof(key));
	cv_buf_done(&gi);
	return err;
}

int mls_welcome_build(struct stage *s, const struct new_path *path, const struct info_parts *p, struct cv_buf *out)
{
	struct mls_crypto *c = &s->g->crypto;
	struct hpke_info info;
	struct cv_buf sealed;
	size_t mark;
	int err;

	cv_buf_init(&sealed, MLS_MESSAGE_MAX);
	err = seal_group_info(s, p, &sealed);
	if (!err)
		err = mls_hpke_label_info(c, "Welcome", SPAN(sealed.data, sealed.len), &info);
	mls_put_message_head(out, MLS_WELCOME);
	cv_buf_put_u16(out, c->suite->id);
	mark = cv_buf_vec_begin(out);
	for (size_t i = 0; !err && i < s->n; i++)
		if (s->list[i].p.type == MLS_PROPOSAL_ADD)
			err = put_secrets(s, &s->list[i], path, &info, out);
	cv_buf_vec_end(out, mark);
	cv_buf_put_vec(out, sealed.data, sealed.len);
	cv_buf_done(&sealed);
	return err ? err : cv_buf_status(out);
}
