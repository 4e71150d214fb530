/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "../../libs/mls/tests/forge.h"
#include "mls_mend.h"

/* --- leaves and KeyPackages --- */

static void sign_leaf(const struct someone *who, struct leaf_node *l, struct cv_span group_id, uint32_t index,
		      struct cv_buf *out)
{
	uint8_t sig[MLS_SIGNATURE_MAX];
	struct cv_buf tbs;
	struct cv_span part;
	size_t len;

	cv_buf_init(&tbs, FUZZ_MAX);
	l->v.signature_key = who->member.signature_key;
	mls_put_leaf_tbs(&tbs, l);
	if (l->v.source != MLS_LEAF_KEY_PACKAGE) {
		mls_put_span(&tbs, group_id);
		cv_buf_put_u32(&tbs, index);
	}
	part = BUF_SPAN(tbs);
	MUST(mls_crypto_sign(&who->member.signer, "LeafNodeTBS", &part, 1, sig, &len));
	l->signature = SPAN(sig, len);
	mls_put_leaf_node(out, l);
	cv_buf_done(&tbs);
}

static void sign_key_package(const struct someone *who, struct key_package *k, struct cv_buf *out)
{
	uint8_t sig[MLS_SIGNATURE_MAX];
	size_t start = out->len, len;
	struct cv_span part;

	cv_buf_put_u16(out, k->version);
	cv_buf_put_u16(out, k->suite);
	mls_put_span(out, k->init_key);
	sign_leaf(who, &k->leaf, SPAN_NONE, 0, out);
	mls_put_span(out, k->extensions);
	part = SPAN(out->data + start, out->len - start);
	MUST(mls_crypto_sign(&who->member.signer, "KeyPackageTBS", &part, 1, sig, &len));
	mls_put_span(out, SPAN(sig, len));
}

void mend_proposal(struct mls_group *g, const struct someone *who, uint32_t index, struct cv_span in,
		   struct cv_buf *out)
{
	struct cv_reader r;
	struct proposal p;
	bool read;

	cv_reader_init(&r, in.data, in.len);
	read = !mls_get_proposal(&r, &p) && !r.left;
	if (!read || (p.type != MLS_PROPOSAL_ADD && p.type != MLS_PROPOSAL_UPDATE)) {
		mls_put_span_raw(out, in);
		return;
	}
	cv_buf_put_u16(out, p.type);
	if (p.type == MLS_PROPOSAL_ADD)
		sign_key_package(who, &p.add, out);
	else
		sign_leaf(who, &p.update, g->cur->gc.group_id, index, out);
}

void mend_proposals(struct mls_group *g, const struct someone *who, struct cv_span in, struct cv_buf *out)
{
	struct proposal_or_ref p;
	struct cv_reader r;

	cv_reader_init(&r, in.data, in.len);
	while (r.left) {
		const uint8_t *start = r.p;
		size_t left = r.left;

		if (mls_get_proposal_or_ref(&r, &p)) {
			mls_put_span_raw(out, SPAN(start, left));
			return;
		}
		cv_buf_put_u8(out, *start);
		if (p.kind == BY_VALUE)
			mend_proposal(g, who, 0, SPAN(start + 1, left - r.left - 1), out);
		else
			mls_put_span_raw(out, SPAN(start + 1, left - r.left - 1));
	}
}

/* --- GroupInfo --- */

static void mend_tree_hash(struct mls_crypto *c, struct group_info *gi, uint8_t hash[DIGEST_MAX])
{
	struct cv_span tree;
	struct epoch *e;

	if (mls_extension_find(gi->extensions, MLS_EXT_RATCHET_TREE, &tree))
		return;
	MUST(mls_epoch_new(&e));
	if (!mls_tree_decode(tree, c->suite->nh, &e->tree) && !mls_epoch_tree_hash(e, c, hash))
		gi->context.tree_hash = SPAN(hash, c->suite->nh);
	mls_epoch_free(e);
}

static void mend_confirmation(struct mls_crypto *c, const struct cv_secret *joiner, const struct cv_secret *psk,
			      struct group_info *gi, uint8_t tag[DIGEST_MAX])
{
	struct epoch *e;

	MUST(mls_epoch_new(&e));
	MUST(mls_epoch_set_context(e, &gi->context));
	MUST(mls_schedule_epoch(c, joiner, psk, BUF_SPAN(e->context), &e->secrets));
	MUST(mls_epoch_confirm(e, c));
	memcpy(tag, e->confirmation_tag, c->suite->nh);
	gi->confirmation_tag = SPAN(tag, c->suite->nh);
	mls_epoch_free(e);
}

void mend_group_info(struct mls_group *host, unsigned what, const struct cv_secret *joiner, const struct cv_secret *psk,
		     struct cv_span in, struct cv_buf *out)
{
	uint8_t hash[DIGEST_MAX], tag[DIGEST_MAX];
	struct group_info gi;
	struct cv_reader r;
	struct cv_buf message;

	cv_reader_init(&r, in.data, in.len);
	if (mls_get_group_info(&r, &gi) || r.left) {
		mls_put_span_raw(out, in);
		return;
	}
	if (what & MEND_TREE_HASH)
		mend_tree_hash(&host->crypto, &gi, hash);
	if (what & MEND_CONFIRMATION)
		mend_confirmation(&host->crypto, joiner, psk, &gi, tag);
	if (!(what & MEND_SIGNATURE)) {
		mls_put_group_info(out, &gi);
		return;
	}
	cv_buf_init(&message, FUZZ_MAX);
	MUST(forge_group_info_as(host, &gi, &message));
	mls_put_span_raw(out, SPAN(message.data + 4, message.len - 4)); /* without the head of an MLSMessage */
	cv_buf_done(&message);
}

/* --- Welcome --- */

/* The joiner secret and the PSKs that the GroupSecrets name, as far as they do. */
static void read_secrets(struct mls_crypto *c, struct cv_span secrets, struct cv_secret *ret_joiner,
			 struct cv_secret *ret_psk)
{
	struct group_secrets gs;
	struct cv_reader r;

	ret_joiner->len = ret_psk->len = c->suite->nh;
	cv_reader_init(&r, secrets.data, secrets.len);
	if (mls_get_group_secrets(&r, &gs) || gs.joiner_secret.len != c->suite->nh)
		return;
	MUST(cv_secret_set(ret_joiner, gs.joiner_secret.data, gs.joiner_secret.len));
	(void)!mls_psk_mix(c, &fuzz_options, NULL, gs.psks, ret_psk);
}

static void welcome_keys(struct mls_crypto *c, const struct cv_secret *joiner, const struct cv_secret *psk,
			 uint8_t key[KEY_MAX], uint8_t nonce[NONCE_LEN])
{
	struct cv_secret welcome = {0};

	MUST(mls_schedule_welcome(c, joiner, psk, &welcome));
	MUST(mls_crypto_expand_label(c, &welcome, SPAN_STR("key"), SPAN_NONE, key, c->suite->nk));
	MUST(mls_crypto_expand_label(c, &welcome, SPAN_STR("nonce"), SPAN_NONE, nonce, NONCE_LEN));
}

void mend_welcome(struct mls_group *host, const struct mls_key_package *kp, unsigned what, struct cv_span secrets,
		  struct cv_span info, struct cv_buf *out)
{
	struct mls_crypto *c = &host->crypto;
	uint8_t key[KEY_MAX], nonce[NONCE_LEN], enc[MLS_PUBLIC_MAX], *p;
	struct cv_secret joiner = {0}, psk = {0};
	struct cv_buf plain, sealed, list, ct;
	struct hpke_info hpke;

	cv_buf_init(&plain, FUZZ_MAX);
	cv_buf_init(&sealed, FUZZ_MAX);
	cv_buf_init(&list, FUZZ_MAX);
	cv_buf_init(&ct, FUZZ_MAX);
	read_secrets(c, secrets, &joiner, &psk);
	mend_group_info(host, what, &joiner, &psk, info, &plain);
	welcome_keys(c, &joiner, &psk, key, nonce);
	MUST(cv_buf_extend(&sealed, plain.len + TAG_LEN, &p));
	MUST(mls_crypto_seal(c, key, nonce, SPAN_NONE, BUF_SPAN(plain), p));
	MUST(mls_hpke_label_info(c, "Welcome", BUF_SPAN(sealed), &hpke));
	MUST(cv_buf_extend(&ct, secrets.len + TAG_LEN, &p));
	MUST(mls_hpke_base_seal(c, kp->kp.init_key, &hpke, SPAN_NONE, secrets, enc, p));
	cv_buf_put_vec(&list, kp->ref, kp->ref_len);
	cv_buf_put_vec(&list, enc, c->suite->npk);
	cv_buf_put_vec(&list, ct.data, ct.len);
	mls_put_message_head(out, MLS_WELCOME);
	cv_buf_put_u16(out, c->suite->id);
	mls_put_span(out, BUF_SPAN(list));
	mls_put_span(out, BUF_SPAN(sealed));
	cv_buf_done(&plain);
	cv_buf_done(&sealed);
	cv_buf_done(&list);
	cv_buf_done(&ct);
}

void open_welcome(struct mls_group *host, const struct mls_key_package *kp, struct cv_span welcome,
		  struct cv_buf *ret_secrets, struct cv_buf *ret_info)
{
	struct mls_crypto *c = &host->crypto;
	uint8_t key[KEY_MAX], nonce[NONCE_LEN], *p;
	struct cv_secret joiner = {0}, psk = {0};
	struct welcome_secret s;
	struct hpke_info hpke;
	struct mls_message m;
	struct cv_reader r;

	MUST(mls_get_message(welcome, &m));
	cv_reader_init(&r, m.welcome.secrets.data, m.welcome.secrets.len);
	MUST(mls_get_welcome_secret(&r, &s));
	MUST(mls_hpke_label_info(c, "Welcome", m.welcome.encrypted_group_info, &hpke));
	MUST(cv_buf_extend(ret_secrets, s.encrypted.ciphertext.len - TAG_LEN, &p));
	MUST(mls_hpke_base_open(c, &kp->init_priv, &hpke, s.encrypted.kem_output, SPAN_NONE, s.encrypted.ciphertext,
				p));
	read_secrets(c, BUF_SPAN(*ret_secrets), &joiner, &psk);
	welcome_keys(c, &joiner, &psk, key, nonce);
	MUST(cv_buf_extend(ret_info, m.welcome.encrypted_group_info.len - TAG_LEN, &p));
	MUST(mls_crypto_open(c, key, nonce, SPAN_NONE, m.welcome.encrypted_group_info, p));
}
