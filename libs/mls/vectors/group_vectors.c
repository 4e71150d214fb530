/* SPDX-License-Identifier: Apache-2.0 */
/* messages, passive-client. */
#include <string.h>

#include "vectors.h"

/* --- messages: decoded and encoded again, byte for byte --- */

static void again_message(struct vec *v, const char *name)
{
	struct cv_span raw = vec_hex(v, v->entry, name);
	struct mls_message m;
	struct cv_buf b;

	cv_buf_init(&b, MLS_MESSAGE_MAX);
	if (vec_check(v, !mls_get_message(raw, &m), name)) {
		mls_put_message(&b, &m);
		vec_check(v, mls_span_equal(raw, SPAN(b.data, b.len)), name);
	}
	cv_buf_done(&b);
}

static void again_proposal(struct vec *v, const char *name, uint16_t type)
{
	struct cv_span raw = vec_hex(v, v->entry, name);
	struct proposal p = {.type = type};
	struct cv_reader r;
	struct cv_buf b;

	cv_buf_init(&b, MLS_MESSAGE_MAX);
	cv_reader_init(&r, raw.data, raw.len);
	if (vec_check(v, !mls_get_proposal_body(&r, &p) && !r.left, name)) {
		mls_put_proposal_body(&b, &p);
		vec_check(v, mls_span_equal(raw, SPAN(b.data, b.len)), name);
	}
	cv_buf_done(&b);
}

static void again_tree(struct vec *v)
{
	struct cv_span raw = vec_hex(v, v->entry, "ratchet_tree");
	struct tree *t = NULL;
	struct cv_buf b;

	cv_buf_init(&b, MLS_MESSAGE_MAX);
	if (vec_check(v, !mls_tree_decode(raw, 32, &t), "ratchet_tree")) {
		mls_tree_encode(t, &b);
		vec_check(v, mls_span_equal(raw, SPAN(b.data, b.len)), "ratchet_tree");
	}
	mls_tree_free(t);
	cv_buf_done(&b);
}

static void again_secrets_and_commit(struct vec *v)
{
	struct cv_span raw = vec_hex(v, v->entry, "group_secrets");
	struct group_secrets gs;
	struct commit c;
	struct cv_reader r;
	struct cv_buf b;

	cv_buf_init(&b, MLS_MESSAGE_MAX);
	cv_reader_init(&r, raw.data, raw.len);
	if (vec_check(v, !mls_get_group_secrets(&r, &gs) && !r.left, "group_secrets")) {
		mls_put_group_secrets(&b, &gs);
		vec_check(v, mls_span_equal(raw, SPAN(b.data, b.len)), "group_secrets");
	}
	cv_buf_reset(&b);
	raw = vec_hex(v, v->entry, "commit");
	cv_reader_init(&r, raw.data, raw.len);
	if (vec_check(v, !mls_get_commit(&r, &c) && !r.left, "commit")) {
		mls_put_commit(&b, &c);
		vec_check(v, mls_span_equal(raw, SPAN(b.data, b.len)), "commit");
	}
	cv_buf_done(&b);
}

void vec_messages(struct vec *v)
{
	static const char *const messages[] = {"mls_welcome",
					       "mls_group_info",
					       "mls_key_package",
					       "public_message_application",
					       "public_message_proposal",
					       "public_message_commit",
					       "private_message"};

	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		again_message(v, messages[i]);
	again_proposal(v, "add_proposal", MLS_PROPOSAL_ADD);
	again_proposal(v, "update_proposal", MLS_PROPOSAL_UPDATE);
	again_proposal(v, "remove_proposal", MLS_PROPOSAL_REMOVE);
	again_proposal(v, "pre_shared_key_proposal", MLS_PROPOSAL_PSK);
	again_proposal(v, "re_init_proposal", MLS_PROPOSAL_REINIT);
	again_proposal(v, "external_init_proposal", MLS_PROPOSAL_EXTERNAL_INIT);
	again_proposal(v, "group_context_extensions_proposal", MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS);
	again_tree(v);
	again_secrets_and_commit(v);
}

/* --- passive-client --- */

static int accept_leaf(void *ctx, const struct mls_leaf_question *q)
{
	return 0;
}

static int find_psk(void *ctx, const struct mls_psk_question *q, struct cv_span *ret)
{
	struct vec *v = ctx;
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(v->entry, "external_psks"), i, o)
	{
		if (q->usage != MLS_PSK_EXTERNAL || !mls_span_equal(q->psk_id, vec_hex(v, o, "psk_id")))
			continue;
		*ret = vec_hex(v, o, "psk");
		return 0;
	}
	return CV_ENOTFOUND;
}

static bool deliver(struct vec *v, struct mls_group *g, struct cv_span msg, const char *what)
{
	struct mls_received r;
	int err = mls_group_process(g, msg.data, msg.len, &r);

	if (!err)
		mls_received_done(&r);
	return vec_check(v, !err, what);
}

static void follow(struct vec *v, struct mls_group *g)
{
	struct cv_span a = mls_group_epoch_authenticator(g);
	json_t *epoch, *p;
	size_t i, k;

	vec_same(v, v->entry, "initial_epoch_authenticator", a.data, a.len);
	json_array_foreach(json_object_get(v->entry, "epochs"), i, epoch)
	{
		json_array_foreach(json_object_get(epoch, "proposals"), k,
				   p) if (!deliver(v, g, vec_hex_value(v, p), "proposal")) return;
		if (!deliver(v, g, vec_hex(v, epoch, "commit"), "commit"))
			return;
		a = mls_group_epoch_authenticator(g);
		if (!vec_same(v, epoch, "epoch_authenticator", a.data, a.len))
			return;
	}
}

void vec_passive(struct vec *v)
{
	struct cv_span sig = vec_hex(v, v->entry, "signature_priv");
	struct mls_group_options opt = {.env = &vec_env,
					.lifetime_tolerance = UINT32_MAX,
					.resumption_epochs = RESUMPTION_EPOCHS_MAX,
					.policy = {.leaf = accept_leaf, .psk = find_psk, .ctx = v}};
	struct mls_key_package *kp = NULL;
	struct mls_sign_key *key = NULL;
	struct mls_group *g = NULL;
	struct mls_join j = {.welcome = vec_hex(v, v->entry, "welcome")};
	uint16_t suite = (uint16_t)vec_int(v, v->entry, "cipher_suite");

	if (json_is_string(json_object_get(v->entry, "ratchet_tree")))
		j.ratchet_tree = vec_hex(v, v->entry, "ratchet_tree");
	if (!vec_check(v,
		       !mls_key_package_import(vec_hex(v, v->entry, "key_package"), vec_hex(v, v->entry, "init_priv"),
					       vec_hex(v, v->entry, "encryption_priv"), &kp),
		       "key package"))
		return;
	if (vec_check(v, !mls_sign_key_new(suite, sig.data, sig.len, &key), "signature key")) {
		j.key_package = kp;
		j.signer = mls_sign_key_signer(key);
		if (vec_check(v, !mls_group_join(&opt, &j, &g), "joins"))
			follow(v, g);
	}
	mls_group_free(g);
	mls_sign_key_free(key);
	mls_key_package_free(kp);
}
