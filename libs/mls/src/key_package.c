/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9420 section 10. */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

#define KEY_PACKAGE_MAX (1u << 20)
#define SAVE_VERSION    1

static int sign_key_package(const struct mls_signer *signer, size_t start, struct cv_buf *out)
{
	uint8_t sig[MLS_SIGNATURE_MAX];
	struct cv_span tbs;
	size_t len;
	int err = cv_buf_status(out);

	if (err)
		return err;
	tbs = SPAN(out->data + start, out->len - start);
	err = mls_crypto_sign(signer, "KeyPackageTBS", &tbs, 1, sig, &len);
	return err ? err : cv_buf_put_vec(out, sig, len);
}

static int build(struct mls_crypto *c, const struct mls_member *member, const struct leaf_parts *parts,
		 struct cv_span init_key, struct cv_buf *out)
{
	size_t start;
	int err;

	mls_put_message_head(out, MLS_KEY_PACKAGE);
	start = out->len;
	cv_buf_put_u16(out, MLS_VERSION);
	cv_buf_put_u16(out, c->suite->id);
	mls_put_span(out, init_key);
	err = mls_leaf_build(c, member, parts, out);
	if (err)
		return err;
	mls_put_extensions(out, member->key_package_extensions, member->n_key_package_extensions);
	return sign_key_package(&member->signer, start, out);
}

/* Takes over `message`; the views and the reference follow from it. */
static int adopt(struct mls_crypto *c, struct cv_buf *message, const struct cv_secret *init,
		 const struct cv_secret *encryption, struct mls_key_package **ret)
{
	struct mls_key_package *k = cv_calloc(1, sizeof(*k));
	struct mls_message m;
	int err;

	if (!k)
		return CV_ENOMEM;
	err = mls_get_message(SPAN(message->data, message->len), &m);
	if (!err && m.wire_format != MLS_KEY_PACKAGE)
		err = CV_EINVAL;
	if (!err)
		err = mls_crypto_ref_hash(c, "MLS 1.0 KeyPackage Reference", m.key_package.raw, k->ref);
	if (err) {
		cv_free(k);
		return err;
	}
	k->suite = c->suite->id;
	k->kp = m.key_package;
	k->ref_len = c->suite->nh;
	k->init_priv = *init;
	k->encryption_priv = *encryption;
	k->message = *message;
	cv_buf_init(message, message->max);
	*ret = k;
	return 0;
}

int mls_key_package_new(const struct mls_env *env, uint16_t suite, const struct mls_member *member, uint64_t not_before,
			uint64_t not_after, struct mls_key_package **ret)
{
	struct mls_hpke_key init = {0}, leaf = {0};
	struct leaf_parts parts = {.source = MLS_LEAF_KEY_PACKAGE, .not_before = not_before, .not_after = not_after};
	struct mls_crypto c;
	struct cv_buf out;
	int err = not_after < not_before ? CV_EINVAL : mls_crypto_init(&c, suite, env->rng);

	if (err)
		return err;
	cv_buf_init(&out, KEY_PACKAGE_MAX);
	err = mls_kem_generate(&c, &init);
	if (!err)
		err = mls_kem_generate(&c, &leaf);
	parts.encryption_key = SPAN(leaf.pub, leaf.pub_len);
	if (!err)
		err = build(&c, member, &parts, SPAN(init.pub, init.pub_len), &out);
	if (!err)
		err = adopt(&c, &out, &init.priv, &leaf.priv, ret);
	cv_buf_done(&out);
	mls_hpke_key_wipe(&init);
	mls_hpke_key_wipe(&leaf);
	mls_crypto_done(&c);
	return err;
}

void mls_key_package_free(struct mls_key_package *kp)
{
	if (!kp)
		return;
	cv_buf_done(&kp->message);
	cv_free_wiped(kp, sizeof(*kp));
}

struct cv_span mls_key_package_message(const struct mls_key_package *kp)
{
	return SPAN(kp->message.data, kp->message.len);
}

struct cv_span mls_key_package_ref(const struct mls_key_package *kp)
{
	return SPAN(kp->ref, kp->ref_len);
}

int mls_key_package_save(const struct mls_key_package *kp, struct cv_buf *out)
{
	cv_buf_put_u8(out, SAVE_VERSION);
	mls_put_span(out, mls_key_package_message(kp));
	mls_put_span(out, mls_secret_span(&kp->init_priv));
	mls_put_span(out, mls_secret_span(&kp->encryption_priv));
	return cv_buf_status(out);
}

int mls_key_package_restore(const void *data, size_t len, struct mls_key_package **ret)
{
	struct cv_span message, init, encryption;
	struct cv_reader r;
	uint8_t version;
	int err;

	cv_reader_init(&r, data, len);
	err = cv_reader_get_u8(&r, &version);
	if (!err && version != SAVE_VERSION)
		return CV_EUNSUPPORTED;
	if (!err)
		err = cv_reader_get_vec(&r, KEY_PACKAGE_MAX, &message);
	if (!err)
		err = cv_reader_get_vec(&r, CV_SECRET_MAX, &init);
	if (!err)
		err = cv_reader_get_vec(&r, CV_SECRET_MAX, &encryption);
	if (!err)
		err = cv_reader_end(&r);
	return err ? err : mls_key_package_import(message, init, encryption, ret);
}

/* The private key, and whether it belongs to the public one. A scalar may come without its leading zeros. */
static int take_private(struct mls_crypto *c, struct cv_span priv, struct cv_span pub, struct cv_secret *ret)
{
	size_t nsk = c->suite->nsk;
	uint8_t got[MLS_PUBLIC_MAX];
	int err;

	if (priv.len > nsk || (priv.len < nsk && !c->suite->curve))
		return CV_EINVAL;
	cv_secret_wipe(ret);
	ret->len = (uint8_t)nsk;
	memcpy(ret->data + nsk - priv.len, priv.data, priv.len);
	err = mls_kem_public(c, ret, got);
	return err ? err : mls_span_equal(SPAN(got, c->suite->npk), pub) ? 0 : CV_EINVAL;
}

int mls_key_package_import(struct cv_span message, struct cv_span init_priv, struct cv_span encryption_priv,
			   struct mls_key_package **ret)
{
	struct cv_secret init = {0}, encryption = {0};
	struct mls_message m;
	struct mls_crypto c;
	struct cv_buf copy;
	int err = mls_get_message(message, &m);

	if (!err && m.wire_format != MLS_KEY_PACKAGE)
		err = CV_EINVAL;
	if (!err)
		err = mls_crypto_init(&c, m.key_package.suite, NULL);
	if (err)
		return err;
	cv_buf_init(&copy, KEY_PACKAGE_MAX);
	err = take_private(&c, init_priv, m.key_package.init_key, &init);
	if (!err)
		err = take_private(&c, encryption_priv, m.key_package.leaf.v.encryption_key, &encryption);
	if (!err)
		err = cv_buf_put(&copy, message.data, message.len);
	if (!err)
		err = adopt(&c, &copy, &init, &encryption, ret);
	cv_buf_done(&copy);
	cv_secret_wipe(&init);
	cv_secret_wipe(&encryption);
	mls_crypto_done(&c);
	return err;
}

int mls_key_package_check(struct mls_crypto *c, const struct key_package *kp)
{
	if (kp->version != MLS_VERSION || kp->suite != c->suite->id)
		return CV_EUNSUPPORTED;
	if (mls_span_equal(kp->init_key, kp->leaf.v.encryption_key) || mls_kem_check_public(c, kp->init_key))
		return CV_EINVAL;
	if (!mls_leaf_knows(&kp->leaf, kp->extensions, false))
		return CV_EUNSUPPORTED;
	return mls_crypto_verify(c, kp->leaf.v.signature_key, "KeyPackageTBS", &kp->tbs, 1, kp->signature);
}

int mls_key_package_read(const void *msg, size_t len, struct mls_key_package_view *ret)
{
	struct mls_key_package_view v = {0};
	struct mls_message m;
	struct mls_crypto c;
	int err = mls_get_message(SPAN(msg, len), &m);

	if (!err && m.wire_format != MLS_KEY_PACKAGE)
		err = CV_EINVAL;
	if (!err)
		err = mls_crypto_init(&c, m.key_package.suite, NULL);
	if (err)
		return err;
	err = m.key_package.leaf.v.source == MLS_LEAF_KEY_PACKAGE ? 0 : CV_EINVAL;
	if (!err)
		err = mls_key_package_check(&c, &m.key_package);
	if (!err)
		err = mls_leaf_verify(&c, &m.key_package.leaf, SPAN_NONE, 0);
	if (!err)
		err = mls_crypto_ref_hash(&c, "MLS 1.0 KeyPackage Reference", m.key_package.raw, v.ref);
	if (!err) {
		v.suite = m.key_package.suite;
		v.init_key = m.key_package.init_key;
		v.leaf = m.key_package.leaf.v;
		v.extensions = m.key_package.extensions;
		v.ref_len = c.suite->nh;
		*ret = v;
	}
	mls_crypto_done(&c);
	return err;
}
