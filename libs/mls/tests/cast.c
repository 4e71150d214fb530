/* SPDX-License-Identifier: Apache-2.0 */
#include "cast.h"

int cast_setup(void **state)
{
	static struct cast x;
	struct mls_commit_output out;
	struct cv_span adds[2];

	world_init(&x.w, 77);
	person_init(&x.a, &x.w, 1, "alice");
	person_init(&x.b, &x.w, 1, "bob");
	person_init(&x.c, &x.w, 1, "carol");
	person_init(&x.d, &x.w, 1, "dave");
	person_create(&x.a, "court");
	adds[0] = person_offer(&x.b);
	adds[1] = person_offer(&x.c);
	person_commit(&x.a, &(struct mls_commit){.adds = adds, .n_adds = 2}, &out);
	if (person_join(&x.b, &out) || person_join(&x.c, &out))
		return -1;
	mls_commit_output_done(&out);
	cv_buf_init(&x.list, BUF_MAX);
	cv_buf_init(&x.msg, BUF_MAX);
	cv_buf_init(&x.body, BUF_MAX);
	*state = &x;
	return 0;
}

int cast_teardown(void **state)
{
	struct cast *x = *state;

	person_done(&x->a);
	person_done(&x->b);
	person_done(&x->c);
	person_done(&x->d);
	cv_buf_done(&x->list);
	cv_buf_done(&x->msg);
	cv_buf_done(&x->body);
	return 0;
}

void cast_refused(struct cast *x, int want)
{
	struct cv_span before = mls_group_epoch_authenticator(x->b.group);
	uint8_t copy[32];

	memcpy(copy, before.data, 32);
	assert_int_equal(person_process(&x->b, &x->msg), want);
	assert_memory_equal(mls_group_epoch_authenticator(x->b.group).data, copy, 32);
	cv_buf_reset(&x->msg);
	cv_buf_reset(&x->list);
	cv_buf_reset(&x->body);
}

void put_by_value(struct cv_buf *b, uint16_t type)
{
	cv_buf_put_u8(b, BY_VALUE);
	cv_buf_put_u16(b, type);
}

void put_remove(struct cv_buf *b, uint32_t leaf)
{
	put_by_value(b, MLS_PROPOSAL_REMOVE);
	cv_buf_put_u32(b, leaf);
}

static struct cv_span inner(struct cv_span message)
{
	return SPAN(message.data + 4, message.len - 4);
}

void put_add(struct cv_buf *b, struct cv_span message)
{
	put_by_value(b, MLS_PROPOSAL_ADD);
	mls_put_span_raw(b, inner(message));
}

void put_psk(struct cv_buf *b, enum mls_psk_usage usage, size_t nonce_len)
{
	struct psk_id id = {.usage = usage,
			    .id = SPAN_STR("id"),
			    .group_id = SPAN_STR("court"),
			    .epoch = 1,
			    .nonce = SPAN("0123456789abcdef0123456789abcdef", nonce_len)};

	put_by_value(b, MLS_PROPOSAL_PSK);
	mls_put_psk_id(b, &id);
}

void put_extensions(struct cv_buf *b)
{
	put_by_value(b, MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS);
	mls_put_extensions(b, NULL, 0);
}

void cast_commit_list(struct cast *x)
{
	static const uint8_t tag[32];

	cv_buf_put_vec(&x->body, x->list.data, x->list.len);
	cv_buf_put_u8(&x->body, 0);
	assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_COMMIT, SPAN_OF(x->body),
				       SPAN(tag, 32), &x->msg),
			 0);
}

void cast_path_under_list(struct cast *x, enum forgery what)
{
	struct mls_message m;
	struct cv_buf made;
	struct cv_reader r;
	struct commit c;

	cv_buf_init(&made, BUF_MAX);
	assert_int_equal(forge_commit(x->a.group, SPAN_NONE, what, &made, NULL), 0);
	assert_int_equal(mls_get_message(SPAN_OF(made), &m), 0);
	cv_reader_init(&r, m.pub.content.body.data, m.pub.content.body.len);
	assert_int_equal(mls_get_commit(&r, &c), 0);
	cv_buf_put_vec(&x->body, x->list.data, x->list.len);
	cv_buf_put_u8(&x->body, 1);
	mls_put_update_path(&x->body, &c.path);
	cv_buf_done(&made);
}

void cast_commit_list_with_path(struct cast *x, uint16_t wire_format)
{
	static const uint8_t tag[32];

	cast_path_under_list(x, FORGE_NOTHING);
	assert_int_equal(
		forge_message(x->a.group, wire_format, MLS_CONTENT_COMMIT, SPAN_OF(x->body), SPAN(tag, 32), &x->msg),
		0);
}
