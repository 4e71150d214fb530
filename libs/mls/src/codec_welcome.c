/* SPDX-License-Identifier: Apache-2.0 */
/* GroupContext, GroupInfo, GroupSecrets, EncryptedGroupSecrets: RFC 9420 sections 8.1 and 12.4.3. */
#include "codec.h"

int mls_get_group_context(struct cv_reader *r, struct group_context *ret)
{
	uint16_t version;
	int err = cv_reader_get_u16(r, &version);

	if (!err && version != MLS_VERSION)
		return CV_EUNSUPPORTED;
	if (!err)
		err = cv_reader_get_u16(r, &ret->suite);
	if (!err)
		err = cv_reader_get_vec(r, MLS_GROUP_ID_MAX, &ret->group_id);
	if (!err)
		err = cv_reader_get_u64(r, &ret->epoch);
	if (!err)
		err = cv_reader_get_vec(r, MLS_HASH_MAX, &ret->tree_hash);
	if (!err)
		err = cv_reader_get_vec(r, MLS_HASH_MAX, &ret->confirmed_transcript_hash);
	return err ? err : mls_get_extensions(r, &ret->extensions);
}

void mls_put_group_context(struct cv_buf *b, const struct group_context *c)
{
	cv_buf_put_u16(b, MLS_VERSION);
	cv_buf_put_u16(b, c->suite);
	mls_put_span(b, c->group_id);
	cv_buf_put_u64(b, c->epoch);
	mls_put_span(b, c->tree_hash);
	mls_put_span(b, c->confirmed_transcript_hash);
	mls_put_span(b, c->extensions);
}

int mls_get_group_info(struct cv_reader *r, struct group_info *ret)
{
	const uint8_t *start = r->p;
	int err = mls_get_group_context(r, &ret->context);

	if (err)
		return err;
	ret->context_raw = SPAN(start, (size_t)(r->p - start));
	err = mls_get_extensions(r, &ret->extensions);
	if (!err)
		err = cv_reader_get_vec(r, MLS_HASH_MAX, &ret->confirmation_tag);
	if (!err)
		err = cv_reader_get_u32(r, &ret->signer);
	if (err)
		return err;
	ret->tbs = SPAN(start, (size_t)(r->p - start));
	err = cv_reader_get_vec(r, MLS_SIGNATURE_MAX, &ret->signature);
	ret->raw = SPAN(start, (size_t)(r->p - start));
	return err;
}

void mls_put_group_info_tbs(struct cv_buf *b, const struct group_info *g)
{
	mls_put_group_context(b, &g->context);
	mls_put_span(b, g->extensions);
	mls_put_span(b, g->confirmation_tag);
	cv_buf_put_u32(b, g->signer);
}

void mls_put_group_info(struct cv_buf *b, const struct group_info *g)
{
	mls_put_group_info_tbs(b, g);
	mls_put_span(b, g->signature);
}

int mls_get_group_secrets(struct cv_reader *r, struct group_secrets *ret)
{
	struct cv_reader list;
	struct psk_id p;
	uint8_t present;
	size_t n = 0;
	int err = cv_reader_get_vec(r, MLS_HASH_MAX, &ret->joiner_secret);

	if (!err)
		err = cv_reader_get_u8(r, &present);
	if (!err && present > 1)
		return CV_EFORMAT;
	ret->path_secret = SPAN_NONE;
	if (!err && present)
		err = cv_reader_get_vec(r, MLS_HASH_MAX, &ret->path_secret);
	if (!err)
		err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &ret->psks);
	if (err)
		return err;
	ret->has_path_secret = present;
	cv_reader_init(&list, ret->psks.data, ret->psks.len);
	while (!err && list.left)
		err = n++ == MLS_PSKS_MAX ? CV_ELIMIT : mls_get_psk_id(&list, &p);
	return err;
}

void mls_put_group_secrets(struct cv_buf *b, const struct group_secrets *g)
{
	mls_put_span(b, g->joiner_secret);
	cv_buf_put_u8(b, g->has_path_secret);
	if (g->has_path_secret)
		mls_put_span(b, g->path_secret);
	mls_put_span(b, g->psks);
}

int mls_get_welcome_secret(struct cv_reader *r, struct welcome_secret *ret)
{
	int err = cv_reader_get_vec(r, MLS_HASH_MAX, &ret->new_member);

	return err ? err : mls_get_hpke_ciphertext(r, &ret->encrypted);
}

void mls_put_welcome_secret(struct cv_buf *b, const struct welcome_secret *s)
{
	mls_put_span(b, s->new_member);
	mls_put_hpke_ciphertext(b, &s->encrypted);
}
