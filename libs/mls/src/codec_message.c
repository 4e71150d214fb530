/* SPDX-License-Identifier: Apache-2.0 */
/* Framing: FramedContent, PublicMessage, PrivateMessage, MLSMessage. RFC 9420 section 6. */
#include "codec.h"

/* Before a Welcome's list of secrets: version, wire format, suite. */
#define WELCOME_HEAD 6

static int get_sender(struct cv_reader *r, struct sender *ret)
{
	struct sender s = {0};
	int err = cv_reader_get_u8(r, &s.type);

	if (err)
		return err;
	if (s.type == MLS_SENDER_MEMBER || s.type == MLS_SENDER_EXTERNAL)
		err = cv_reader_get_u32(r, &s.index);
	else if (s.type != MLS_SENDER_NEW_MEMBER_PROPOSAL && s.type != MLS_SENDER_NEW_MEMBER_COMMIT)
		err = CV_EFORMAT;
	if (!err)
		*ret = s;
	return err;
}

void mls_put_sender(struct cv_buf *b, const struct sender *s)
{
	cv_buf_put_u8(b, s->type);
	if (s->type == MLS_SENDER_MEMBER || s->type == MLS_SENDER_EXTERNAL)
		cv_buf_put_u32(b, s->index);
}

int mls_get_content_body(struct cv_reader *r, uint8_t content_type, struct cv_span *ret)
{
	const uint8_t *start = r->p;
	struct proposal p;
	struct commit c;
	int err;

	switch (content_type) {
	case MLS_CONTENT_APPLICATION: return cv_reader_get_vec(r, MLS_MESSAGE_MAX, ret);
	case MLS_CONTENT_PROPOSAL: err = mls_get_proposal(r, &p); break;
	case MLS_CONTENT_COMMIT: err = mls_get_commit(r, &c); break;
	default: return CV_EFORMAT;
	}
	if (!err)
		*ret = SPAN(start, (size_t)(r->p - start));
	return err;
}

void mls_put_content_body(struct cv_buf *b, uint8_t content_type, struct cv_span body)
{
	struct cv_reader r;
	struct proposal p;
	struct commit c;

	cv_reader_init(&r, body.data, body.len);
	if (content_type == MLS_CONTENT_APPLICATION)
		mls_put_span(b, body);
	else if (content_type == MLS_CONTENT_PROPOSAL && !mls_get_proposal(&r, &p))
		mls_put_proposal(b, &p);
	else if (content_type == MLS_CONTENT_COMMIT && !mls_get_commit(&r, &c))
		mls_put_commit(b, &c);
}

int mls_get_framed_content(struct cv_reader *r, struct framed_content *ret)
{
	struct framed_content c = {0};
	const uint8_t *start = r->p;
	int err = cv_reader_get_vec(r, MLS_GROUP_ID_MAX, &c.group_id);

	if (!err)
		err = cv_reader_get_u64(r, &c.epoch);
	if (!err)
		err = get_sender(r, &c.sender);
	if (!err)
		err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &c.authenticated_data);
	if (!err)
		err = cv_reader_get_u8(r, &c.content_type);
	if (!err)
		err = mls_get_content_body(r, c.content_type, &c.body);
	if (err)
		return err;
	c.raw = SPAN(start, (size_t)(r->p - start));
	*ret = c;
	return 0;
}

void mls_put_framed_content(struct cv_buf *b, const struct framed_content *c)
{
	mls_put_span(b, c->group_id);
	cv_buf_put_u64(b, c->epoch);
	mls_put_sender(b, &c->sender);
	mls_put_span(b, c->authenticated_data);
	cv_buf_put_u8(b, c->content_type);
	if (c->content_type == MLS_CONTENT_APPLICATION)
		mls_put_span(b, c->body);
	else
		mls_put_span_raw(b, c->body);
}

int mls_get_content_auth(struct cv_reader *r, uint8_t content_type, struct content_auth *ret)
{
	struct content_auth a = {0};
	int err = cv_reader_get_vec(r, MLS_SIGNATURE_MAX, &a.signature);

	if (!err && content_type == MLS_CONTENT_COMMIT)
		err = cv_reader_get_vec(r, MLS_HASH_MAX, &a.confirmation_tag);
	if (!err)
		*ret = a;
	return err;
}

void mls_put_content_auth(struct cv_buf *b, uint8_t content_type, const struct content_auth *a)
{
	mls_put_span(b, a->signature);
	if (content_type == MLS_CONTENT_COMMIT)
		mls_put_span(b, a->confirmation_tag);
}

static int get_public_message(struct cv_reader *r, struct public_message *ret)
{
	int err = mls_get_framed_content(r, &ret->content);

	if (!err)
		err = mls_get_content_auth(r, ret->content.content_type, &ret->auth);
	ret->membership_tag = SPAN_NONE;
	if (!err && ret->content.sender.type == MLS_SENDER_MEMBER)
		err = cv_reader_get_vec(r, MLS_HASH_MAX, &ret->membership_tag);
	return err;
}

static void put_public_message(struct cv_buf *b, const struct public_message *m)
{
	const struct framed_content *c = &m->content;

	mls_put_span(b, c->group_id);
	cv_buf_put_u64(b, c->epoch);
	mls_put_sender(b, &c->sender);
	mls_put_span(b, c->authenticated_data);
	cv_buf_put_u8(b, c->content_type);
	mls_put_content_body(b, c->content_type, c->body);
	mls_put_content_auth(b, c->content_type, &m->auth);
	if (c->sender.type == MLS_SENDER_MEMBER)
		mls_put_span(b, m->membership_tag);
}

static int get_private_message(struct cv_reader *r, struct private_message *ret)
{
	int err = cv_reader_get_vec(r, MLS_GROUP_ID_MAX, &ret->group_id);

	if (!err)
		err = cv_reader_get_u64(r, &ret->epoch);
	if (!err)
		err = cv_reader_get_u8(r, &ret->content_type);
	if (!err && (ret->content_type < MLS_CONTENT_APPLICATION || ret->content_type > MLS_CONTENT_COMMIT))
		err = CV_EFORMAT;
	if (!err)
		err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &ret->authenticated_data);
	if (!err)
		err = cv_reader_get_vec(r, 64, &ret->encrypted_sender_data);
	if (!err)
		err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &ret->ciphertext);
	return err;
}

static void put_private_message(struct cv_buf *b, const struct private_message *m)
{
	mls_put_span(b, m->group_id);
	cv_buf_put_u64(b, m->epoch);
	cv_buf_put_u8(b, m->content_type);
	mls_put_span(b, m->authenticated_data);
	mls_put_span(b, m->encrypted_sender_data);
	mls_put_span(b, m->ciphertext);
}

static int get_welcome(struct cv_reader *r, struct welcome *ret)
{
	struct welcome_secret s;
	struct cv_reader list;
	size_t n = 0;
	int err = cv_reader_get_u16(r, &ret->suite);

	if (!err)
		err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &ret->secrets);
	if (!err)
		err = cv_reader_get_vec(r, MLS_MESSAGE_MAX, &ret->encrypted_group_info);
	if (err)
		return err;
	cv_reader_init(&list, ret->secrets.data, ret->secrets.len);
	while (!err && list.left)
		err = n++ == MLS_LEAVES_MAX ? CV_ELIMIT : mls_get_welcome_secret(&list, &s);
	return err;
}

static void put_welcome(struct cv_buf *b, const struct welcome *w)
{
	struct welcome_secret s;
	struct cv_reader r;
	size_t mark;

	cv_buf_put_u16(b, w->suite);
	mark = cv_buf_vec_begin(b);
	cv_reader_init(&r, w->secrets.data, w->secrets.len);
	while (r.left && !mls_get_welcome_secret(&r, &s))
		mls_put_welcome_secret(b, &s);
	cv_buf_vec_end(b, mark);
	mls_put_span(b, w->encrypted_group_info);
}

void mls_put_message_head(struct cv_buf *b, uint16_t wire_format)
{
	cv_buf_put_u16(b, MLS_VERSION);
	cv_buf_put_u16(b, wire_format);
}

int mls_get_message(struct cv_span msg, struct mls_message *ret)
{
	struct cv_reader r;
	uint16_t version;
	int err;

	if (msg.len > MLS_MESSAGE_MAX)
		return CV_ELIMIT;
	cv_reader_init(&r, msg.data, msg.len);
	err = cv_reader_get_u16(&r, &version);
	if (!err && version != MLS_VERSION)
		return CV_EUNSUPPORTED;
	if (!err)
		err = cv_reader_get_u16(&r, &ret->wire_format);
	if (err)
		return err;
	switch (ret->wire_format) {
	case MLS_PUBLIC_MESSAGE: err = get_public_message(&r, &ret->pub); break;
	case MLS_PRIVATE_MESSAGE: err = get_private_message(&r, &ret->priv); break;
	case MLS_WELCOME: err = get_welcome(&r, &ret->welcome); break;
	case MLS_GROUP_INFO: err = mls_get_group_info(&r, &ret->group_info); break;
	case MLS_KEY_PACKAGE: err = mls_get_key_package(&r, &ret->key_package); break;
	default: err = CV_EUNSUPPORTED;
	}
	return err ? err : cv_reader_end(&r);
}

void mls_put_message(struct cv_buf *b, const struct mls_message *m)
{
	mls_put_message_head(b, m->wire_format);
	switch (m->wire_format) {
	case MLS_PUBLIC_MESSAGE: put_public_message(b, &m->pub); break;
	case MLS_PRIVATE_MESSAGE: put_private_message(b, &m->priv); break;
	case MLS_WELCOME: put_welcome(b, &m->welcome); break;
	case MLS_GROUP_INFO: mls_put_group_info(b, &m->group_info); break;
	case MLS_KEY_PACKAGE: mls_put_key_package(b, &m->key_package); break;
	}
}

/* --- public interface --- */

static void peek_content(const struct mls_message *m, struct mls_peek *p)
{
	if (m->wire_format == MLS_PUBLIC_MESSAGE) {
		p->group_id = m->pub.content.group_id;
		p->epoch = m->pub.content.epoch;
		p->content_type = m->pub.content.content_type;
		p->authenticated_data = m->pub.content.authenticated_data;
	} else {
		p->group_id = m->priv.group_id;
		p->epoch = m->priv.epoch;
		p->content_type = m->priv.content_type;
		p->authenticated_data = m->priv.authenticated_data;
	}
}

int mls_peek(const void *msg, size_t len, struct mls_peek *ret)
{
	struct mls_peek p = {0};
	struct mls_message m;
	int err = mls_get_message(SPAN(msg, len), &m);

	if (err)
		return err;
	p.wire_format = m.wire_format;
	switch (m.wire_format) {
	case MLS_WELCOME: p.suite = m.welcome.suite; break;
	case MLS_KEY_PACKAGE: p.suite = m.key_package.suite; break;
	case MLS_GROUP_INFO:
		p.suite = m.group_info.context.suite;
		p.group_id = m.group_info.context.group_id;
		p.epoch = m.group_info.context.epoch;
		break;
	default: peek_content(&m, &p);
	}
	*ret = p;
	return 0;
}

int mls_welcome_next(const void *msg, size_t len, size_t *at, struct cv_span *ret_ref)
{
	const uint8_t *bytes = msg;
	struct welcome_secret s;
	struct cv_span secrets;
	struct mls_message m;
	struct cv_reader r;
	size_t first, end;
	int err = *at ? 0 : mls_get_message(SPAN(msg, len), &m);

	if (!err && !*at && m.wire_format != MLS_WELCOME)
		err = CV_EINVAL;
	if (err)
		return err;
	if (len < WELCOME_HEAD)
		return CV_EINVAL;
	cv_reader_init(&r, bytes + WELCOME_HEAD, len - WELCOME_HEAD);
	err = cv_reader_get_vec(&r, MLS_MESSAGE_MAX, &secrets);
	if (err)
		return err;
	end = len - r.left;
	first = end - secrets.len;
	if (*at && (*at < first || *at > end))
		return CV_EINVAL;
	if (*at)
		secrets = SPAN(bytes + *at, end - *at);
	if (!secrets.len)
		return CV_ENOTFOUND;
	cv_reader_init(&r, secrets.data, secrets.len);
	err = mls_get_welcome_secret(&r, &s);
	if (err)
		return err;
	*at = end - r.left;
	*ret_ref = s.new_member;
	return 0;
}
