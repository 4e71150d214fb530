/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "key_schedule.h"

int mls_schedule_joiner(struct mls_crypto *c, const struct cv_secret *init, const struct cv_secret *commit,
			struct cv_span context, struct cv_secret *ret)
{
	struct cv_secret s = {0};
	int err = mls_crypto_extract(c, mls_secret_span(init), mls_secret_span(commit), &s);

	if (!err)
		err = mls_crypto_expand_secret(c, &s, "joiner", context, ret);
	cv_secret_wipe(&s);
	return err;
}

int mls_schedule_welcome(struct mls_crypto *c, const struct cv_secret *joiner, const struct cv_secret *psk,
			 struct cv_secret *ret)
{
	struct cv_secret s = {0};
	int err = mls_crypto_extract(c, mls_secret_span(joiner), mls_secret_span(psk), &s);

	if (!err)
		err = mls_crypto_derive(c, &s, "welcome", ret);
	cv_secret_wipe(&s);
	return err;
}

int mls_schedule_epoch(struct mls_crypto *c, const struct cv_secret *joiner, const struct cv_secret *psk,
		       struct cv_span context, struct epoch_secrets *ret)
{
	struct cv_secret s = {0}, epoch = {0};
	int err = mls_crypto_extract(c, mls_secret_span(joiner), mls_secret_span(psk), &s);

	if (!err)
		err = mls_crypto_expand_secret(c, &s, "epoch", context, &epoch);
	if (!err)
		err = mls_schedule_from_epoch_secret(c, &epoch, ret);
	cv_secret_wipe(&s);
	cv_secret_wipe(&epoch);
	return err;
}

int mls_schedule_from_epoch_secret(struct mls_crypto *c, const struct cv_secret *epoch_secret,
				   struct epoch_secrets *ret)
{
	struct epoch_secrets e = {0};
	const struct {
		const char *label;
		struct cv_secret *to;
	} all[] = {
		{"sender data", &e.sender_data}, {"encryption", &e.encryption},        {"exporter", &e.exporter},
		{"external", &e.external},       {"confirm", &e.confirmation},         {"membership", &e.membership},
		{"resumption", &e.resumption},   {"authentication", &e.authenticator}, {"init", &e.init},
	};
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(all) / sizeof(all[0]); i++)
		err = mls_crypto_derive(c, epoch_secret, all[i].label, all[i].to);
	if (!err)
		*ret = e;
	cv_wipe(&e, sizeof(e));
	return err;
}

int mls_schedule_export(struct mls_crypto *c, const struct cv_secret *exporter, struct cv_span label,
			struct cv_span context, uint8_t *ret, size_t len)
{
	struct cv_secret s = {.len = c->suite->nh};
	uint8_t hash[DIGEST_MAX];
	int err = mls_crypto_expand_label(c, exporter, label, SPAN_NONE, s.data, s.len);

	if (!err)
		err = mls_crypto_hash(c, &context, 1, hash);
	if (!err)
		err = mls_crypto_expand_label(c, &s, SPAN_STR("exported"), SPAN(hash, c->suite->nh), ret, len);
	cv_secret_wipe(&s);
	return err;
}

int mls_schedule_psk(struct mls_crypto *c, const struct psk_id *id, uint16_t index, uint16_t count, struct cv_span psk,
		     struct cv_secret *inout)
{
	const uint8_t zero[DIGEST_MAX] = {0};
	struct cv_secret extracted = {0}, input = {0};
	struct cv_buf label;
	int err;

	cv_buf_init(&label, 4096);
	mls_put_psk_id(&label, id);
	cv_buf_put_u16(&label, index);
	cv_buf_put_u16(&label, count);
	err = cv_buf_status(&label);
	if (!err)
		err = mls_crypto_extract(c, SPAN(zero, c->suite->nh), psk, &extracted);
	if (!err)
		err = mls_crypto_expand_secret(c, &extracted, "derived psk", SPAN(label.data, label.len), &input);
	if (!err)
		err = mls_crypto_extract(c, mls_secret_span(&input), mls_secret_span(inout), inout);
	cv_secret_wipe(&extracted);
	cv_secret_wipe(&input);
	cv_buf_done(&label);
	return err;
}

int mls_transcript_confirmed(struct mls_crypto *c, struct cv_span interim, uint16_t wire_format, struct cv_span content,
			     struct cv_span signature, uint8_t *ret)
{
	uint8_t wire[2] = {(uint8_t)(wire_format >> 8), (uint8_t)wire_format}, head[4];
	size_t n = mls_varint_write(head, signature.len);

	return mls_crypto_hash(c, (struct cv_span[]){interim, SPAN(wire, 2), content, SPAN(head, n), signature}, 5,
			       ret);
}

int mls_transcript_interim(struct mls_crypto *c, struct cv_span confirmed, struct cv_span confirmation_tag,
			   uint8_t *ret)
{
	uint8_t head[4];
	size_t n = mls_varint_write(head, confirmation_tag.len);

	return mls_crypto_hash(c, (struct cv_span[]){confirmed, SPAN(head, n), confirmation_tag}, 3, ret);
}
