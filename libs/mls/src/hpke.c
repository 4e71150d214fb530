/* SPDX-License-Identifier: Apache-2.0 */
/* HPKE, RFC 9180 section 5, mode Base; and the two uses that RFC 9420 makes of it. */
#include <string.h>

#include "crypto.h"

int mls_hpke_extract(struct mls_crypto *c, struct cv_span suite_id, struct cv_span salt, const char *label,
		     struct cv_span ikm, uint8_t *ret)
{
	return mls_crypto_hmac(
		c, salt, (struct cv_span[]){SPAN_STR("HPKE-v1"), suite_id, SPAN(label, strlen(label)), ikm}, 4, ret);
}

int mls_hpke_expand(struct mls_crypto *c, struct cv_span suite_id, struct cv_span prk, const char *label,
		    struct cv_span info, uint8_t *ret, size_t len)
{
	uint8_t l[2] = {(uint8_t)(len >> 8), (uint8_t)len};

	if (len > UINT16_MAX)
		return CV_EINVAL;
	return mls_crypto_expand(
		c, prk, (struct cv_span[]){SPAN(l, 2), SPAN_STR("HPKE-v1"), suite_id, SPAN(label, strlen(label)), info},
		5, ret, len);
}

static struct cv_span hpke_suite_id(const struct mls_crypto *c, uint8_t buf[10])
{
	const struct mls_suite *s = c->suite;
	const uint8_t id[10] = {
		'H', 'P', 'K', 'E', 0, (uint8_t)s->kem_id, 0, (uint8_t)s->kdf_id, 0, (uint8_t)s->aead_id};

	memcpy(buf, id, sizeof(id));
	return SPAN(buf, 10);
}

int mls_hpke_info_init(struct mls_crypto *c, struct cv_span info, struct hpke_info *ret)
{
	uint8_t id_buf[10], hash[DIGEST_MAX];
	size_t nh = c->suite->nh;
	int err = mls_hpke_extract(c, hpke_suite_id(c, id_buf), SPAN_NONE, "info_hash", info, hash);

	if (err)
		return err;
	ret->context[0] = 0; /* mode_base */
	memcpy(ret->context + 1, c->psk_id_hash, nh);
	memcpy(ret->context + 1 + nh, hash, nh);
	ret->len = 1 + 2 * nh;
	return 0;
}

int mls_hpke_setup(struct mls_crypto *c, const struct cv_secret *shared, const struct hpke_info *info, bool exporter,
		   struct hpke_ctx *ret)
{
	uint8_t id_buf[10], secret[DIGEST_MAX];
	struct cv_span id = hpke_suite_id(c, id_buf), prk = SPAN(secret, c->suite->nh),
		       context = SPAN(info->context, info->len);
	struct hpke_ctx h = {0};
	int err = mls_hpke_extract(c, id, mls_secret_span(shared), "secret", SPAN_NONE, secret);

	if (!err)
		err = mls_hpke_expand(c, id, prk, "key", context, h.key, c->suite->nk);
	if (!err)
		err = mls_hpke_expand(c, id, prk, "base_nonce", context, h.base_nonce, NONCE_LEN);
	if (!err && exporter) {
		h.exporter_secret.len = c->suite->nh;
		err = mls_hpke_expand(c, id, prk, "exp", context, h.exporter_secret.data, c->suite->nh);
	}
	if (!err)
		*ret = h;
	cv_wipe(secret, sizeof(secret));
	cv_wipe(&h, sizeof(h));
	return err;
}

void mls_hpke_nonce(const struct hpke_ctx *h, uint64_t seq, uint8_t ret[NONCE_LEN])
{
	memcpy(ret, h->base_nonce, NONCE_LEN);
	for (size_t i = 0; i < 8; i++)
		ret[NONCE_LEN - 1 - i] ^= (uint8_t)(seq >> (8 * i));
}

int mls_hpke_export(struct mls_crypto *c, const struct hpke_ctx *h, struct cv_span context, uint8_t *ret, size_t len)
{
	uint8_t id_buf[10];

	return mls_hpke_expand(c, hpke_suite_id(c, id_buf), mls_secret_span(&h->exporter_secret), "sec", context, ret,
			       len);
}

int mls_hpke_base_seal(struct mls_crypto *c, struct cv_span pub, const struct hpke_info *info, struct cv_span aad,
		       struct cv_span pt, uint8_t *ret_enc, uint8_t *ret_ct)
{
	struct cv_secret shared = {0};
	struct hpke_ctx h = {0};
	int err = mls_kem_encap_fresh(c, pub, ret_enc, &shared);

	if (!err)
		err = mls_hpke_setup(c, &shared, info, false, &h);
	if (!err)
		err = mls_crypto_seal(c, h.key, h.base_nonce, aad, pt, ret_ct);
	cv_secret_wipe(&shared);
	cv_wipe(&h, sizeof(h));
	return err;
}

int mls_hpke_base_open(struct mls_crypto *c, const struct cv_secret *priv, const struct hpke_info *info,
		       struct cv_span enc, struct cv_span aad, struct cv_span ct, uint8_t *ret_pt)
{
	struct cv_secret shared = {0};
	struct hpke_ctx h = {0};
	int err = mls_kem_decap(c, priv, enc, &shared);

	if (!err)
		err = mls_hpke_setup(c, &shared, info, false, &h);
	if (!err)
		err = mls_crypto_open(c, h.key, h.base_nonce, aad, ct, ret_pt);
	cv_secret_wipe(&shared);
	cv_wipe(&h, sizeof(h));
	return err;
}

int mls_hpke_label_info(struct mls_crypto *c, const char *label, struct cv_span context, struct hpke_info *ret)
{
	struct cv_buf b;
	size_t mark;
	int err;

	cv_buf_init(&b, MLS_MESSAGE_MAX + 1024);
	mark = cv_buf_vec_begin(&b);
	cv_buf_put(&b, "MLS 1.0 ", 8);
	cv_buf_put(&b, label, strlen(label));
	cv_buf_vec_end(&b, mark);
	cv_buf_put_vec(&b, context.data, context.len);
	err = cv_buf_status(&b);
	if (!err)
		err = mls_hpke_info_init(c, SPAN(b.data, b.len), ret);
	cv_buf_done(&b);
	return err;
}

static int external_init(struct mls_crypto *c, const struct cv_secret *shared, struct cv_secret *ret)
{
	struct cv_secret init = {.len = c->suite->nh};
	struct hpke_info info;
	struct hpke_ctx h = {0};
	int err = mls_hpke_info_init(c, SPAN_NONE, &info);

	if (!err)
		err = mls_hpke_setup(c, shared, &info, true, &h);
	if (!err)
		err = mls_hpke_export(c, &h, SPAN_STR("MLS 1.0 external init secret"), init.data, init.len);
	if (!err)
		*ret = init;
	cv_secret_wipe(&init);
	cv_wipe(&h, sizeof(h));
	return err;
}

int mls_hpke_external_send(struct mls_crypto *c, struct cv_span pub, uint8_t *ret_enc, struct cv_secret *ret_init)
{
	struct cv_secret shared = {0};
	int err = mls_kem_encap_fresh(c, pub, ret_enc, &shared);

	if (!err)
		err = external_init(c, &shared, ret_init);
	cv_secret_wipe(&shared);
	return err;
}

int mls_hpke_external_receive(struct mls_crypto *c, const struct cv_secret *priv, struct cv_span enc,
			      struct cv_secret *ret_init)
{
	struct cv_secret shared = {0};
	int err = mls_kem_decap(c, priv, enc, &shared);

	if (!err)
		err = external_init(c, &shared, ret_init);
	cv_secret_wipe(&shared);
	return err;
}

/* --- public interface --- */

int mls_hpke_generate(uint16_t suite, const struct cv_rng *rng, struct mls_hpke_key *ret)
{
	struct mls_crypto c;
	int err = mls_crypto_init(&c, suite, rng);

	if (err)
		return err;
	err = mls_kem_generate(&c, ret);
	mls_crypto_done(&c);
	return err;
}

int mls_hpke_derive(uint16_t suite, const void *ikm, size_t len, struct mls_hpke_key *ret)
{
	struct mls_crypto c;
	int err = mls_crypto_init(&c, suite, NULL);

	if (err)
		return err;
	err = mls_kem_derive(&c, SPAN(ikm, len), ret);
	mls_crypto_done(&c);
	return err;
}

void mls_hpke_key_wipe(struct mls_hpke_key *k)
{
	cv_wipe(k, sizeof(*k));
}

/* OpenSSL counts in int. */
static bool fits(struct cv_span info, struct cv_span aad, struct cv_span text)
{
	return info.len <= MLS_HPKE_MAX && aad.len <= MLS_HPKE_MAX && text.len <= MLS_HPKE_MAX;
}

int mls_hpke_seal(uint16_t suite, const struct cv_rng *rng, struct cv_span pub, struct cv_span info, struct cv_span aad,
		  struct cv_span plaintext, struct cv_buf *enc, struct cv_buf *ciphertext)
{
	struct mls_crypto c;
	struct hpke_info hi;
	size_t enc_at = enc->len, ct_at = ciphertext->len;
	uint8_t *e, *ct;
	int err = fits(info, aad, plaintext) ? mls_crypto_init(&c, suite, rng) : CV_ELIMIT;

	if (err)
		return err;
	err = cv_buf_extend(enc, c.suite->npk, &e);
	if (!err)
		err = cv_buf_extend(ciphertext, plaintext.len + TAG_LEN, &ct);
	if (!err)
		err = mls_hpke_info_init(&c, info, &hi);
	if (!err)
		err = mls_hpke_base_seal(&c, pub, &hi, aad, plaintext, e, ct);
	if (err) {
		enc->len = enc_at;
		ciphertext->len = ct_at;
	}
	mls_crypto_done(&c);
	return err;
}

int mls_hpke_open(uint16_t suite, const struct mls_hpke_key *key, struct cv_span enc, struct cv_span info,
		  struct cv_span aad, struct cv_span ciphertext, struct cv_buf *plaintext)
{
	struct mls_crypto c;
	struct hpke_info hi;
	size_t at = plaintext->len;
	uint8_t *pt;
	int err;

	if (ciphertext.len < TAG_LEN)
		return CV_EAUTH;
	err = fits(info, aad, ciphertext) ? mls_crypto_init(&c, suite, NULL) : CV_ELIMIT;
	if (err)
		return err;
	err = cv_buf_extend(plaintext, ciphertext.len - TAG_LEN, &pt);
	if (!err)
		err = mls_hpke_info_init(&c, info, &hi);
	if (!err)
		err = mls_hpke_base_open(&c, &key->priv, &hi, enc, aad, ciphertext, pt);
	if (err)
		plaintext->len = at;
	mls_crypto_done(&c);
	return err;
}
