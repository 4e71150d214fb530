/* SPDX-License-Identifier: Apache-2.0 */
/* The small lists inside other structures: extensions, 16-bit numbers, certificate chains, external senders. */
#include <string.h>

#include "codec.h"

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

bool mls_list16_has(struct cv_span list, uint16_t value)
{
	for (size_t i = 0; i + 1 < list.len; i += 2)
		if (be16(list.data + i) == value)
			return true;
	return false;
}

bool mls_extension_next(struct cv_span list, size_t *at, struct mls_extension *ret)
{
	struct cv_reader r;
	struct mls_extension e;

	if (*at >= list.len)
		return false;
	cv_reader_init(&r, list.data + *at, list.len - *at);
	if (cv_reader_get_u16(&r, &e.type) || cv_reader_get_vec(&r, MLS_MESSAGE_MAX, &e.data))
		return false;
	*at = list.len - r.left;
	*ret = e;
	return true;
}

int mls_extension_find(struct cv_span list, uint16_t type, struct cv_span *ret_data)
{
	struct mls_extension e;

	for (size_t at = 0; mls_extension_next(list, &at, &e);) {
		if (e.type != type)
			continue;
		*ret_data = e.data;
		return 0;
	}
	return CV_ENOTFOUND;
}

int mls_x509_chain(const struct cv_span *certs, size_t n_certs, struct cv_buf *out)
{
	if (!n_certs || n_certs > MLS_CERTS_MAX)
		return CV_ELIMIT;
	for (size_t i = 0; i < n_certs; i++)
		cv_buf_put_vec(out, certs[i].data, certs[i].len);
	return cv_buf_status(out);
}

int mls_x509_cert(const struct mls_credential *cred, size_t i, struct cv_span *ret_der)
{
	struct cv_reader r;
	struct cv_span der;

	if (cred->type != MLS_CREDENTIAL_X509)
		return CV_EINVAL;
	cv_reader_init(&r, cred->data.data, cred->data.len);
	do {
		if (!r.left || cv_reader_get_vec(&r, MLS_IDENTITY_MAX, &der))
			return CV_ENOTFOUND;
	} while (i--);
	*ret_der = der;
	return 0;
}

static void put_list16(struct cv_buf *out, const uint16_t *v, size_t n)
{
	size_t mark = cv_buf_vec_begin(out);

	for (size_t i = 0; i < n; i++)
		cv_buf_put_u16(out, v[i]);
	cv_buf_vec_end(out, mark);
}

int mls_required_capabilities(const uint16_t *extensions, size_t n_extensions, const uint16_t *proposals,
			      size_t n_proposals, const uint16_t *credentials, size_t n_credentials, struct cv_buf *out)
{
	put_list16(out, extensions, n_extensions);
	put_list16(out, proposals, n_proposals);
	put_list16(out, credentials, n_credentials);
	return cv_buf_status(out);
}

static int get_list16(struct cv_reader *r, struct cv_span *ret)
{
	int err = cv_reader_get_vec(r, 2 * MLS_TYPES_MAX, ret);

	return err ? err : ret->len % 2 ? CV_EFORMAT : 0;
}

int mls_required_capabilities_read(struct cv_span data, struct mls_required_capabilities_view *ret)
{
	struct mls_required_capabilities_view v;
	struct cv_reader r;
	int err;

	cv_reader_init(&r, data.data, data.len);
	err = get_list16(&r, &v.extensions);
	if (!err)
		err = get_list16(&r, &v.proposals);
	if (!err)
		err = get_list16(&r, &v.credentials);
	if (!err)
		err = cv_reader_end(&r);
	if (!err)
		*ret = v;
	return err;
}

int mls_external_senders(const struct mls_external_sender *senders, size_t n_senders, struct cv_buf *out)
{
	size_t mark = cv_buf_vec_begin(out);

	for (size_t i = 0; i < n_senders; i++) {
		const struct mls_external_sender *s = &senders[i];

		cv_buf_put_vec(out, s->signature_key.data, s->signature_key.len);
		cv_buf_put_u16(out, s->credential.type);
		cv_buf_put_vec(out, s->credential.data.data, s->credential.data.len);
	}
	cv_buf_vec_end(out, mark);
	return cv_buf_status(out);
}

static int get_external_sender(struct cv_reader *r, struct mls_external_sender *ret)
{
	int err = cv_reader_get_vec(r, MLS_PUBLIC_MAX, &ret->signature_key);

	return err ? err : mls_get_credential(r, &ret->credential);
}

static int check_external_senders(struct cv_reader list)
{
	struct mls_external_sender s;
	size_t n = 0;
	int err = 0;

	while (!err && list.left)
		err = n++ < MLS_SENDERS_MAX ? get_external_sender(&list, &s) : CV_ELIMIT;
	return err;
}

int mls_external_senders_next(struct cv_span data, size_t *at, struct mls_external_sender *ret)
{
	struct mls_external_sender s;
	struct cv_reader r, list;
	size_t head;
	int err;

	cv_reader_init(&r, data.data, data.len);
	err = cv_reader_sub(&r, MLS_MESSAGE_MAX, &list);
	if (!err)
		err = cv_reader_end(&r);
	if (!err && !*at)
		err = check_external_senders(list);
	if (err)
		return err;
	head = data.len - list.left;
	if (*at && (*at < head || *at > data.len))
		return CV_EINVAL;
	if (*at)
		cv_reader_init(&list, data.data + *at, data.len - *at);
	if (!list.left)
		return CV_ENOTFOUND;
	err = get_external_sender(&list, &s);
	if (err)
		return err;
	*at = data.len - list.left;
	*ret = s;
	return 0;
}
