/* SPDX-License-Identifier: Apache-2.0 */
/* secret-tree, key-schedule, psk_secret, transcript-hashes, message-protection, welcome. */
#include <string.h>

#include "vectors.h"

/* --- secret-tree --- */

static void check_leaf(struct vec *v, struct secret_tree *t, uint32_t leaf, json_t *generations)
{
	const char *names[2][2] = {{"handshake_key", "handshake_nonce"}, {"application_key", "application_nonce"}};
	json_t *o;
	size_t i;

	json_array_foreach(generations, i, o)
	{
		for (int kind = 0; kind < 2; kind++) {
			struct ratchet_step s;
			int err = mls_secret_tree_get(t, &v->crypto, leaf, (enum ratchet_kind)kind,
						      (uint32_t)vec_int(v, o, "generation"), 1000, 8, &s);

			if (!vec_check(v, err == 0, "generation is there"))
				return;
			vec_same(v, o, names[kind][0], s.key.key, v->crypto.suite->nk);
			vec_same(v, o, names[kind][1], s.key.nonce, NONCE_LEN);
			mls_ratchet_step_keep(&s);
		}
	}
}

void vec_secret_tree(struct vec *v)
{
	json_t *leaves = json_object_get(v->entry, "leaves"), *sd = json_object_get(v->entry, "sender_data"), *o;
	struct cv_secret secret = vec_secret(v, v->entry, "encryption_secret"),
			 sender = vec_secret(v, sd, "sender_data_secret");
	struct secret_tree *t = NULL;
	struct message_key k;
	size_t i;

	if (!vec_suite(v))
		return;
	vec_check(v, !mls_sender_data_key(&v->crypto, &sender, vec_hex(v, sd, "ciphertext"), &k), "sender data");
	vec_same(v, sd, "key", k.key, v->crypto.suite->nk);
	vec_same(v, sd, "nonce", k.nonce, NONCE_LEN);
	if (!vec_check(v, !mls_secret_tree_new((uint32_t)json_array_size(leaves), &secret, &t), "tree"))
		return;
	json_array_foreach(leaves, i, o) check_leaf(v, t, (uint32_t)i, o);
	mls_secret_tree_free(t);
}

/* --- key-schedule --- */

static void check_secrets(struct vec *v, json_t *o, const struct epoch_secrets *s)
{
	vec_same(v, o, "sender_data_secret", s->sender_data.data, s->sender_data.len);
	vec_same(v, o, "encryption_secret", s->encryption.data, s->encryption.len);
	vec_same(v, o, "exporter_secret", s->exporter.data, s->exporter.len);
	vec_same(v, o, "external_secret", s->external.data, s->external.len);
	vec_same(v, o, "confirmation_key", s->confirmation.data, s->confirmation.len);
	vec_same(v, o, "membership_key", s->membership.data, s->membership.len);
	vec_same(v, o, "resumption_psk", s->resumption.data, s->resumption.len);
	vec_same(v, o, "epoch_authenticator", s->authenticator.data, s->authenticator.len);
	vec_same(v, o, "init_secret", s->init.data, s->init.len);
}

static void check_epoch(struct vec *v, json_t *o, uint64_t epoch, struct cv_secret *init)
{
	struct cv_secret joiner = {0}, welcome = {0}, psk = vec_secret(v, o, "psk_secret"),
			 commit = vec_secret(v, o, "commit_secret");
	struct group_context gc = {.suite = v->crypto.suite->id,
				   .group_id = vec_hex(v, v->entry, "group_id"),
				   .epoch = epoch,
				   .tree_hash = vec_hex(v, o, "tree_hash"),
				   .confirmed_transcript_hash = vec_hex(v, o, "confirmed_transcript_hash")};
	json_t *exporter = json_object_get(o, "exporter");
	struct mls_hpke_key external = {0};
	struct epoch_secrets s = {0};
	struct cv_span context;
	struct cv_buf b;
	uint8_t out[256];
	size_t len = (size_t)vec_int(v, exporter, "length");

	cv_buf_init(&b, 4096);
	mls_put_group_context(&b, &gc);
	vec_same(v, o, "group_context", b.data, b.len);
	context = SPAN(b.data, b.len);
	vec_check(v, !mls_schedule_joiner(&v->crypto, init, &commit, context, &joiner), "joiner");
	vec_same(v, o, "joiner_secret", joiner.data, joiner.len);
	vec_check(v, !mls_schedule_welcome(&v->crypto, &joiner, &psk, &welcome), "welcome");
	vec_same(v, o, "welcome_secret", welcome.data, welcome.len);
	vec_check(v, !mls_schedule_epoch(&v->crypto, &joiner, &psk, context, &s), "epoch");
	check_secrets(v, o, &s);
	vec_check(v, !mls_kem_derive(&v->crypto, mls_secret_span(&s.external), &external), "external");
	vec_same(v, o, "external_pub", external.pub, external.pub_len);
	vec_check(v,
		  !mls_schedule_export(&v->crypto, &s.exporter, vec_text(v, exporter, "label"),
				       vec_hex(v, exporter, "context"), out, len),
		  "exporter");
	vec_same(v, exporter, "secret", out, len);
	*init = s.init;
	cv_buf_done(&b);
}

void vec_key_schedule(struct vec *v)
{
	struct cv_secret init = vec_secret(v, v->entry, "initial_init_secret");
	json_t *o;
	size_t i;

	if (!vec_suite(v))
		return;
	json_array_foreach(json_object_get(v->entry, "epochs"), i, o) check_epoch(v, o, i, &init);
}

/* --- psk_secret --- */

void vec_psk_secret(struct vec *v)
{
	json_t *psks = json_object_get(v->entry, "psks"), *o;
	struct cv_secret mixed = {0};
	size_t i;

	if (!vec_suite(v))
		return;
	mixed.len = v->crypto.suite->nh;
	json_array_foreach(psks, i, o)
	{
		struct psk_id id = {
			.usage = MLS_PSK_EXTERNAL, .id = vec_hex(v, o, "psk_id"), .nonce = vec_hex(v, o, "psk_nonce")};

		vec_check(v,
			  !mls_schedule_psk(&v->crypto, &id, (uint16_t)i, (uint16_t)json_array_size(psks),
					    vec_hex(v, o, "psk"), &mixed),
			  "mixes");
	}
	vec_same(v, v->entry, "psk_secret", mixed.data, mixed.len);
}

/* --- transcript-hashes --- */

void vec_transcript_hashes(struct vec *v)
{
	struct cv_secret key = vec_secret(v, v->entry, "confirmation_key");
	struct cv_span raw = vec_hex(v, v->entry, "authenticated_content"),
		       before = vec_hex(v, v->entry, "interim_transcript_hash_before"), confirmed;
	struct framed_content content;
	struct content_auth auth;
	struct cv_reader r;
	uint16_t wire;
	uint8_t hash[DIGEST_MAX];

	if (!vec_suite(v))
		return;
	cv_reader_init(&r, raw.data, raw.len);
	if (!vec_check(v,
		       !cv_reader_get_u16(&r, &wire) && !mls_get_framed_content(&r, &content) &&
			       !mls_get_content_auth(&r, content.content_type, &auth) && !r.left,
		       "decodes"))
		return;
	vec_check(v, !mls_transcript_confirmed(&v->crypto, before, wire, content.raw, auth.signature, hash),
		  "confirmed");
	vec_same(v, v->entry, "confirmed_transcript_hash_after", hash, v->crypto.suite->nh);
	confirmed = vec_hex(v, v->entry, "confirmed_transcript_hash_after");
	vec_check(v, !mls_crypto_mac_check(&v->crypto, &key, &confirmed, 1, auth.confirmation_tag), "confirmation tag");
	vec_check(v, !mls_transcript_interim(&v->crypto, confirmed, auth.confirmation_tag, hash), "interim");
	vec_same(v, v->entry, "interim_transcript_hash_after", hash, v->crypto.suite->nh);
}

/* --- message-protection --- */

struct protection {
	struct epoch *epoch;
	struct mls_sign_key *key;
	struct mls_signer signer;
	struct mls_group_options opt;
	struct cv_span pub;
	struct cv_secret encryption;
};

/* A tree of two members, so that leaf 1 may speak. */
static bool fill_tree(struct vec *v, struct protection *p)
{
	struct mls_member m = {.credential = {.type = MLS_CREDENTIAL_BASIC, .data = SPAN_STR("x")},
			       .signature_key = p->pub,
			       .signer = p->signer};
	struct leaf_parts parts = {.source = MLS_LEAF_KEY_PACKAGE, .encryption_key = SPAN_STR("k")};
	struct cv_buf leaf;
	uint32_t index;
	bool ok;

	cv_buf_init(&leaf, 4096);
	ok = !mls_leaf_build(&v->crypto, &m, &parts, &leaf) && !mls_tree_new(v->crypto.suite->nh, &p->epoch->tree) &&
	     !mls_tree_add(p->epoch->tree, SPAN(leaf.data, leaf.len), &index) &&
	     !mls_tree_add(p->epoch->tree, SPAN(leaf.data, leaf.len), &index);
	cv_buf_done(&leaf);
	return vec_check(v, ok, "tree");
}

/* A fresh secret tree: the ratchets of the last message are used up. */
static bool fresh(struct vec *v, struct protection *p, uint32_t own)
{
	mls_secret_tree_free(p->epoch->secret_tree);
	p->epoch->secret_tree = NULL;
	p->epoch->own = own;
	return vec_check(v, !mls_secret_tree_new(2, &p->encryption, &p->epoch->secret_tree), "secret tree");
}

/* The message opens to the body, and its signature holds. */
static void check_opens(struct vec *v, struct protection *p, struct cv_span msg, struct cv_span body)
{
	struct framed f = {0};
	struct mls_message m;
	struct cv_span got;
	int err = mls_get_message(msg, &m);

	if (!vec_check(v, !err, "decodes") || !fresh(v, p, 0))
		return;
	err = m.wire_format == MLS_PRIVATE_MESSAGE
		      ? mls_framed_unprotect_private(&f, p->epoch, &v->crypto, &p->opt, &m.priv)
		      : mls_framed_unprotect_public(&f, p->epoch, &v->crypto, &m.pub);
	vec_check(v, !err, "unprotects");
	got = f.content.body;
	vec_check(v, !err && mls_span_equal(got, body), "content");
	vec_check(
		v,
		!err && !mls_framed_verify(&f, &v->crypto, p->pub, SPAN(p->epoch->context.data, p->epoch->context.len)),
		"signature");
	mls_framed_done(&f);
}

/* Ours opens too. */
static void check_seals(struct vec *v, struct protection *p, uint16_t wire, uint8_t type, struct cv_span body)
{
	const uint8_t tag[DIGEST_MAX] = {1};
	struct framed f = {.wire_format = wire};
	struct cv_buf out;
	int err;

	cv_buf_init(&out, 1 << 16);
	if (!fresh(v, p, 1))
		return;
	err = mls_framed_init(&f, p->epoch, wire, type, SPAN_STR("aad"), body);
	if (!err)
		err = mls_framed_sign(&f, &p->signer, SPAN(p->epoch->context.data, p->epoch->context.len));
	f.auth.confirmation_tag = SPAN(tag, v->crypto.suite->nh);
	if (!err)
		err = mls_framed_protect(&f, p->epoch, &v->crypto, &p->opt, &out);
	mls_framed_done(&f);
	if (wire == MLS_PUBLIC_MESSAGE && type == MLS_CONTENT_APPLICATION)
		vec_check(v, err == CV_EINVAL, "application data is never public");
	else if (vec_check(v, !err, "protects"))
		check_opens(v, p, SPAN(out.data, out.len), body);
	cv_buf_done(&out);
}

static void check_messages(struct vec *v, struct protection *p)
{
	const char *names[] = {NULL, "application", "proposal", "commit"};
	char name[32];

	for (uint8_t type = MLS_CONTENT_APPLICATION; type <= MLS_CONTENT_COMMIT; type++) {
		struct cv_span body = vec_hex(v, v->entry, names[type]);

		snprintf(name, sizeof(name), "%s_priv", names[type]);
		check_opens(v, p, vec_hex(v, v->entry, name), body);
		if (type != MLS_CONTENT_APPLICATION) {
			snprintf(name, sizeof(name), "%s_pub", names[type]);
			check_opens(v, p, vec_hex(v, v->entry, name), body);
		}
		check_seals(v, p, MLS_PRIVATE_MESSAGE, type, body);
		check_seals(v, p, MLS_PUBLIC_MESSAGE, type, body);
	}
}

void vec_message_protection(struct vec *v)
{
	struct cv_span priv = vec_hex(v, v->entry, "signature_priv");
	struct protection p = {.pub = vec_hex(v, v->entry, "signature_pub"),
			       .encryption = vec_secret(v, v->entry, "encryption_secret"),
			       .opt = {.padding = 32, .max_forward = 100, .max_skipped = 10}};
	struct group_context gc = {.group_id = vec_hex(v, v->entry, "group_id"),
				   .epoch = vec_int(v, v->entry, "epoch"),
				   .tree_hash = vec_hex(v, v->entry, "tree_hash"),
				   .confirmed_transcript_hash = vec_hex(v, v->entry, "confirmed_transcript_hash")};

	if (!vec_suite(v) || !vec_check(v, !mls_epoch_new(&p.epoch), "memory"))
		return;
	gc.suite = v->crypto.suite->id;
	vec_check(v, !mls_epoch_set_context(p.epoch, &gc), "context");
	p.epoch->secrets.sender_data = vec_secret(v, v->entry, "sender_data_secret");
	p.epoch->secrets.membership = vec_secret(v, v->entry, "membership_key");
	if (vec_check(v, !mls_sign_key_new(gc.suite, priv.data, priv.len, &p.key), "signature key")) {
		p.signer = mls_sign_key_signer(p.key);
		if (fill_tree(v, &p))
			check_messages(v, &p);
	}
	mls_sign_key_free(p.key);
	mls_epoch_free(p.epoch);
}

/* --- welcome --- */

static void check_group_info(struct vec *v, const struct cv_secret *joiner, struct cv_span sealed)
{
	struct cv_secret psk = {.len = v->crypto.suite->nh}, welcome = {0};
	uint8_t key[KEY_MAX], nonce[NONCE_LEN], pt[4096];
	struct epoch_secrets s = {0};
	struct group_info gi;
	struct cv_reader r;

	if (!vec_check(v, sealed.len >= TAG_LEN && sealed.len <= sizeof(pt), "size"))
		return;
	vec_check(
		v,
		!mls_schedule_welcome(&v->crypto, joiner, &psk, &welcome) &&
			!mls_crypto_expand_label(&v->crypto, &welcome, SPAN_STR("key"), SPAN_NONE, key,
						 v->crypto.suite->nk) &&
			!mls_crypto_expand_label(&v->crypto, &welcome, SPAN_STR("nonce"), SPAN_NONE, nonce, NONCE_LEN),
		"welcome key");
	vec_check(v, !mls_crypto_open(&v->crypto, key, nonce, SPAN_NONE, sealed, pt), "group info opens");
	cv_reader_init(&r, pt, sealed.len - TAG_LEN);
	if (!vec_check(v, !mls_get_group_info(&r, &gi) && !r.left, "group info decodes"))
		return;
	vec_check(v,
		  !mls_crypto_verify(&v->crypto, vec_hex(v, v->entry, "signer_pub"), "GroupInfoTBS", &gi.tbs, 1,
				     gi.signature),
		  "group info signature");
	vec_check(v, !mls_schedule_epoch(&v->crypto, joiner, &psk, gi.context_raw, &s), "epoch");
	vec_check(v,
		  !mls_crypto_mac_check(&v->crypto, &s.confirmation, &gi.context.confirmed_transcript_hash, 1,
					gi.confirmation_tag),
		  "confirmation tag");
}

void vec_welcome(struct vec *v)
{
	struct cv_secret priv = vec_secret(v, v->entry, "init_priv"), joiner = {0};
	struct mls_message kp, w;
	struct welcome_secret ws;
	struct hpke_info info;
	struct group_secrets gs;
	struct cv_reader r;
	uint8_t ref[DIGEST_MAX], pt[4096];

	if (!vec_suite(v) || !vec_check(v,
					!mls_get_message(vec_hex(v, v->entry, "key_package"), &kp) &&
						!mls_get_message(vec_hex(v, v->entry, "welcome"), &w),
					"decode"))
		return;
	cv_reader_init(&r, w.welcome.secrets.data, w.welcome.secrets.len);
	vec_check(v, !mls_crypto_ref_hash(&v->crypto, "MLS 1.0 KeyPackage Reference", kp.key_package.raw, ref), "ref");
	if (!vec_check(v, !mls_get_welcome_secret(&r, &ws), "secret") ||
	    !vec_check(v, mls_span_equal(ws.new_member, SPAN(ref, v->crypto.suite->nh)), "for this key package"))
		return;
	vec_check(v, !mls_hpke_label_info(&v->crypto, "Welcome", w.welcome.encrypted_group_info, &info), "info");
	if (!vec_check(v,
		       !mls_hpke_base_open(&v->crypto, &priv, &info, ws.encrypted.kem_output, SPAN_NONE,
					   ws.encrypted.ciphertext, pt),
		       "secrets open"))
		return;
	cv_reader_init(&r, pt, ws.encrypted.ciphertext.len - TAG_LEN);
	if (vec_check(v,
		      !mls_get_group_secrets(&r, &gs) &&
			      !cv_secret_set(&joiner, gs.joiner_secret.data, gs.joiner_secret.len),
		      "secrets decode"))
		check_group_info(v, &joiner, w.welcome.encrypted_group_info);
}
