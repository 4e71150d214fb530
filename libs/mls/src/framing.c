/* SPDX-License-Identifier: Apache-2.0 */
/* Signing, MACs and encryption of messages: RFC 9420 sections 6.1 to 6.3. */
#include <string.h>

#include "state.h"

#define FRAME_MAX       MLS_MESSAGE_MAX
#define REUSE_GUARD_LEN 4
#define SENDER_DATA_LEN (4 + 4 + REUSE_GUARD_LEN)

void mls_framed_done(struct framed *f)
{
	cv_buf_done(&f->encoded);
	cv_buf_done(&f->plain);
	mls_ratchet_step_drop(&f->step);
}

int mls_framed_encode(struct framed *f)
{
	cv_buf_init_secret(&f->encoded, FRAME_MAX);
	mls_put_framed_content(&f->encoded, &f->content);
	f->content.raw = SPAN(f->encoded.data, f->encoded.len);
	return cv_buf_status(&f->encoded);
}

int mls_framed_init(struct framed *f, const struct epoch *e, uint16_t wire_format, uint8_t content_type,
		    struct cv_span authenticated_data, struct cv_span body)
{
	f->wire_format = wire_format;
	f->content = (struct framed_content){
		.group_id = e->gc.group_id,
		.epoch = e->gc.epoch,
		.sender = {.type = MLS_SENDER_MEMBER, .index = e->own},
		.authenticated_data = authenticated_data,
		.content_type = content_type,
		.body = body,
	};
	return mls_framed_encode(f);
}

/* FramedContentTBS: four parts. */
struct tbs_head {
	uint8_t b[4];
};
static void content_tbs(const struct framed *f, struct cv_span context, struct tbs_head *h, struct cv_span parts[3])
{
	*h = (struct tbs_head){{0, MLS_VERSION, (uint8_t)(f->wire_format >> 8), (uint8_t)f->wire_format}};
	parts[0] = SPAN(h->b, sizeof(h->b));
	parts[1] = f->content.raw;
	parts[2] = context;
}

int mls_framed_sign(struct framed *f, const struct mls_signer *signer, struct cv_span context)
{
	struct cv_span parts[3];
	struct tbs_head h;
	size_t len;
	int err;

	content_tbs(f, context, &h, parts);
	err = mls_crypto_sign(signer, "FramedContentTBS", parts, 3, f->sig, &len);
	if (!err)
		f->auth.signature = SPAN(f->sig, len);
	return err;
}

int mls_framed_verify(const struct framed *f, struct mls_crypto *c, struct cv_span signature_key,
		      struct cv_span context)
{
	struct cv_span parts[3];
	struct tbs_head h;

	content_tbs(f, context, &h, parts);
	return mls_crypto_verify(c, signature_key, "FramedContentTBS", parts, 3, f->auth.signature);
}

/* ProposalRef: over the AuthenticatedContent. */
int mls_framed_ref(const struct framed *f, struct mls_crypto *c, uint8_t *ret)
{
	struct cv_buf b;
	int err;

	cv_buf_init(&b, FRAME_MAX);
	cv_buf_put_u16(&b, f->wire_format);
	mls_put_span_raw(&b, f->content.raw);
	mls_put_content_auth(&b, f->content.content_type, &f->auth);
	err = cv_buf_status(&b);
	if (!err)
		err = mls_crypto_ref_hash(c, "MLS 1.0 Proposal Reference", SPAN(b.data, b.len), ret);
	cv_buf_done(&b);
	return err;
}

/* --- PublicMessage --- */

/* AuthenticatedContentTBM: FramedContentTBS and the FramedContentAuthData. */
static int encode_auth(const struct framed *f, struct cv_buf *b)
{
	cv_buf_init(b, 4 * MLS_SIGNATURE_MAX);
	mls_put_content_auth(b, f->content.content_type, &f->auth);
	return cv_buf_status(b);
}

static int membership_tag(const struct framed *f, const struct epoch *e, struct mls_crypto *c, struct cv_span check,
			  uint8_t *ret)
{
	struct cv_span parts[4];
	struct tbs_head h;
	struct cv_buf auth;
	int err = encode_auth(f, &auth);

	content_tbs(f, SPAN(e->context.data, e->context.len), &h, parts);
	parts[3] = SPAN(auth.data, auth.len);
	if (!err && ret)
		err = mls_crypto_hmac(c, mls_secret_span(&e->secrets.membership), parts, 4, ret);
	else if (!err)
		err = mls_crypto_mac_check(c, &e->secrets.membership, parts, 4, check);
	cv_buf_done(&auth);
	return err;
}

static int protect_public(struct framed *f, const struct epoch *e, struct mls_crypto *c, struct cv_buf *out)
{
	uint8_t tag[DIGEST_MAX];
	int err;

	/* "Applications MUST use PrivateMessage to encrypt application messages" (section 6) */
	if (f->content.content_type == MLS_CONTENT_APPLICATION)
		return CV_EINVAL;
	mls_put_message_head(out, MLS_PUBLIC_MESSAGE);
	mls_put_span_raw(out, f->content.raw);
	mls_put_content_auth(out, f->content.content_type, &f->auth);
	if (f->content.sender.type == MLS_SENDER_MEMBER) {
		err = membership_tag(f, e, c, SPAN_NONE, tag);
		if (err)
			return err;
		cv_buf_put_vec(out, tag, c->suite->nh);
	}
	return cv_buf_status(out);
}

int mls_framed_unprotect_public(struct framed *f, const struct epoch *e, struct mls_crypto *c,
				const struct public_message *m)
{
	f->wire_format = MLS_PUBLIC_MESSAGE;
	f->content = m->content;
	f->auth = m->auth;
	if (m->content.content_type == MLS_CONTENT_APPLICATION)
		return CV_EINVAL;
	if (m->content.sender.type != MLS_SENDER_MEMBER)
		return 0;
	return membership_tag(f, e, c, m->membership_tag, NULL);
}

/* --- PrivateMessage --- */

static enum ratchet_kind kind_of(uint8_t content_type)
{
	return content_type == MLS_CONTENT_APPLICATION ? RATCHET_APPLICATION : RATCHET_HANDSHAKE;
}

/* SenderDataAAD, and with authenticated_data PrivateContentAAD. */
static int put_aad(struct cv_buf *b, struct cv_span group_id, uint64_t epoch, uint8_t content_type,
		   const struct cv_span *authenticated_data)
{
	cv_buf_init(b, FRAME_MAX);
	mls_put_span(b, group_id);
	cv_buf_put_u64(b, epoch);
	cv_buf_put_u8(b, content_type);
	if (authenticated_data)
		mls_put_span(b, *authenticated_data);
	return cv_buf_status(b);
}

static void apply_guard(struct message_key *k, const uint8_t guard[REUSE_GUARD_LEN])
{
	for (size_t i = 0; i < REUSE_GUARD_LEN; i++)
		k->nonce[i] ^= guard[i];
}

/* PrivateMessageContent, padded so that the whole is a multiple of `padding`. */
static int put_private_content(struct cv_buf *b, const struct framed *f, uint32_t padding)
{
	uint8_t *zero;
	size_t rest;
	int err;

	cv_buf_init_secret(b, FRAME_MAX);
	if (f->content.content_type == MLS_CONTENT_APPLICATION)
		mls_put_span(b, f->content.body);
	else
		mls_put_span_raw(b, f->content.body);
	mls_put_content_auth(b, f->content.content_type, &f->auth);
	rest = padding ? b->len % padding : 0;
	if (!rest)
		return cv_buf_status(b);
	err = cv_buf_extend(b, padding - rest, &zero);
	if (!err)
		memset(zero, 0, padding - rest);
	return err;
}

static int seal_content(const struct framed *f, struct mls_crypto *c, const struct message_key *k, uint32_t padding,
			struct cv_buf *out)
{
	struct cv_buf aad, pt;
	uint8_t *ct = NULL;
	int err;

	err = put_aad(&aad, f->content.group_id, f->content.epoch, f->content.content_type,
		      &f->content.authenticated_data);
	if (put_private_content(&pt, f, padding) && !err)
		err = cv_buf_status(&pt);
	if (!err)
		err = cv_buf_extend(out, pt.len + TAG_LEN, &ct);
	if (!err)
		err = mls_crypto_seal(c, k->key, k->nonce, SPAN(aad.data, aad.len), SPAN(pt.data, pt.len), ct);
	cv_buf_done(&aad);
	cv_buf_done(&pt);
	return err;
}

static int seal_sender_data(const struct framed *f, const struct epoch *e, struct mls_crypto *c, uint32_t generation,
			    const uint8_t guard[REUSE_GUARD_LEN], struct cv_span ciphertext, uint8_t *ret)
{
	struct message_key k = {0};
	struct cv_buf aad, pt;
	int err = put_aad(&aad, f->content.group_id, f->content.epoch, f->content.content_type, NULL);

	cv_buf_init_secret(&pt, SENDER_DATA_LEN);
	cv_buf_put_u32(&pt, f->content.sender.index);
	cv_buf_put_u32(&pt, generation);
	cv_buf_put(&pt, guard, REUSE_GUARD_LEN);
	if (!err)
		err = cv_buf_status(&pt);
	if (!err)
		err = mls_sender_data_key(c, &e->secrets.sender_data, ciphertext, &k);
	if (!err)
		err = mls_crypto_seal(c, k.key, k.nonce, SPAN(aad.data, aad.len), SPAN(pt.data, pt.len), ret);
	cv_wipe(&k, sizeof(k));
	cv_buf_done(&aad);
	cv_buf_done(&pt);
	return err;
}

static int protect_private(struct framed *f, struct epoch *e, struct mls_crypto *c, uint32_t padding,
			   struct cv_buf *out)
{
	uint8_t guard[REUSE_GUARD_LEN], sender_data[SENDER_DATA_LEN + TAG_LEN];
	struct ratchet_step step = {0};
	struct cv_buf ct;
	int err;

	cv_buf_init(&ct, FRAME_MAX);
	err = cv_rng_fill(c->rng, guard, sizeof(guard));
	if (!err)
		err = mls_secret_tree_next(e->secret_tree, c, e->own, kind_of(f->content.content_type), &step);
	apply_guard(&step.key, guard);
	if (!err)
		err = seal_content(f, c, &step.key, padding, &ct);
	if (!err)
		err = seal_sender_data(f, e, c, step.key.generation, guard, SPAN(ct.data, ct.len), sender_data);
	if (!err) {
		mls_put_message_head(out, MLS_PRIVATE_MESSAGE);
		mls_put_span(out, f->content.group_id);
		cv_buf_put_u64(out, f->content.epoch);
		cv_buf_put_u8(out, f->content.content_type);
		mls_put_span(out, f->content.authenticated_data);
		cv_buf_put_vec(out, sender_data, sizeof(sender_data));
		err = cv_buf_put_vec(out, ct.data, ct.len);
	}
	/* Either the message is whole, and its key used up, or neither. */
	if (err)
		mls_ratchet_step_drop(&step);
	else
		mls_ratchet_step_keep(&step);
	cv_buf_done(&ct);
	return err;
}

int mls_framed_protect(struct framed *f, struct epoch *e, struct mls_crypto *c, const struct mls_group_options *opt,
		       struct cv_buf *out)
{
	size_t start = out->len;
	int err = f->wire_format == MLS_PUBLIC_MESSAGE ? protect_public(f, e, c, out)
						       : protect_private(f, e, c, opt->padding, out);

	if (err)
		out->len = start;
	return err;
}

struct sender_data {
	uint32_t leaf, generation;
	uint8_t guard[REUSE_GUARD_LEN];
};

static int open_sender_data(const struct epoch *e, struct mls_crypto *c, const struct private_message *m,
			    struct sender_data *ret)
{
	uint8_t pt[SENDER_DATA_LEN];
	struct message_key k = {0};
	struct cv_reader r;
	struct cv_buf aad;
	int err;

	if (m->encrypted_sender_data.len != SENDER_DATA_LEN + TAG_LEN)
		return CV_EFORMAT;
	err = put_aad(&aad, m->group_id, m->epoch, m->content_type, NULL);
	if (!err)
		err = mls_sender_data_key(c, &e->secrets.sender_data, m->ciphertext, &k);
	if (!err)
		err = mls_crypto_open(c, k.key, k.nonce, SPAN(aad.data, aad.len), m->encrypted_sender_data, pt);
	cv_reader_init(&r, pt, sizeof(pt));
	if (!err)
		err = cv_reader_get_u32(&r, &ret->leaf);
	if (!err)
		err = cv_reader_get_u32(&r, &ret->generation);
	if (!err)
		err = cv_reader_copy(&r, ret->guard, REUSE_GUARD_LEN);
	cv_wipe(&k, sizeof(k));
	cv_wipe(pt, sizeof(pt));
	cv_buf_done(&aad);
	return err;
}

static int open_content(struct framed *f, struct mls_crypto *c, const struct private_message *m,
			const uint8_t guard[REUSE_GUARD_LEN])
{
	struct cv_buf aad;
	uint8_t *pt = NULL;
	int err;

	if (m->ciphertext.len < TAG_LEN)
		return CV_EFORMAT;
	err = put_aad(&aad, m->group_id, m->epoch, m->content_type, &m->authenticated_data);
	cv_buf_init_secret(&f->plain, FRAME_MAX);
	if (!err)
		err = cv_buf_extend(&f->plain, m->ciphertext.len - TAG_LEN, &pt);
	apply_guard(&f->step.key, guard);
	if (!err)
		err = mls_crypto_open(c, f->step.key.key, f->step.key.nonce, SPAN(aad.data, aad.len), m->ciphertext,
				      pt);
	cv_wipe(&f->step.key, sizeof(f->step.key));
	cv_buf_done(&aad);
	return err;
}

static int parse_private_content(struct framed *f)
{
	uint8_t any = 0;
	struct cv_reader r;
	int err;

	cv_reader_init(&r, f->plain.data, f->plain.len);
	err = mls_get_content_body(&r, f->content.content_type, &f->content.body);
	if (!err)
		err = mls_get_content_auth(&r, f->content.content_type, &f->auth);
	/* "there are no non-zero bytes in the padding field" (section 6.3.1) */
	for (size_t i = 0; !err && i < r.left; i++)
		any |= r.p[i];
	return err ? err : any ? CV_EFORMAT : 0;
}

int mls_framed_unprotect_private(struct framed *f, struct epoch *e, struct mls_crypto *c,
				 const struct mls_group_options *opt, const struct private_message *m)
{
	struct sender_data sd;
	int err = open_sender_data(e, c, m, &sd);

	if (err)
		return err;
	/* "verify that the leaf index … identifies a non-blank node" (section 6.3.2); and not our own echo */
	if (!mls_tree_leaf(e->tree, sd.leaf))
		return CV_EINVAL;
	if (sd.leaf == e->own)
		return CV_ESTATE;
	err = mls_secret_tree_get(e->secret_tree, c, sd.leaf, kind_of(m->content_type), sd.generation, opt->max_forward,
				  opt->max_skipped, &f->step);
	if (err)
		return err;
	f->wire_format = MLS_PRIVATE_MESSAGE;
	f->content = (struct framed_content){
		.group_id = m->group_id,
		.epoch = m->epoch,
		.sender = {.type = MLS_SENDER_MEMBER, .index = sd.leaf},
		.authenticated_data = m->authenticated_data,
		.content_type = m->content_type,
	};
	err = open_content(f, c, m, sd.guard);
	if (!err)
		err = parse_private_content(f);
	return err ? err : mls_framed_encode(f);
}
