/* SPDX-License-Identifier: Apache-2.0 */
/* tree-math, deserialization, crypto-basics, hpke. */
#include <string.h>

#include "vectors.h"

static bool node_is(json_t *list, size_t i, bool exists, uint32_t want)
{
	json_t *value = json_array_get(list, i);

	return exists ? json_is_integer(value) && (uint32_t)json_integer_value(value) == want : json_is_null(value);
}

void vec_tree_math(struct vec *v)
{
	uint32_t leaves = (uint32_t)vec_int(v, v->entry, "n_leaves"), n = node_count(leaves), root;

	vec_check(v, n == vec_int(v, v->entry, "n_nodes"), "n_nodes");
	root = tree_root(leaves);
	vec_check(v, root == vec_int(v, v->entry, "root"), "root");
	for (uint32_t x = 0; x < n; x++) {
		bool parent = !node_is_leaf(x);

		vec_check(v, node_is(json_object_get(v->entry, "left"), x, parent, parent ? node_left(x) : 0), "left");
		vec_check(v, node_is(json_object_get(v->entry, "right"), x, parent, parent ? node_right(x) : 0),
			  "right");
		vec_check(v, node_is(json_object_get(v->entry, "parent"), x, x != root, node_parent(x)), "parent");
		vec_check(v, node_is(json_object_get(v->entry, "sibling"), x, x != root, node_sibling(x)), "sibling");
	}
}

void vec_deserialization(struct vec *v)
{
	struct cv_span header = vec_hex(v, v->entry, "vlbytes_header");
	struct cv_reader r;
	uint32_t len = 0;
	uint8_t again[4];

	cv_reader_init(&r, header.data, header.len);
	vec_check(v, cv_reader_get_varint(&r, &len) == 0 && !r.left, "decodes");
	vec_check(v, len == vec_int(v, v->entry, "length"), "length");
	vec_check(v, mls_span_equal(header, SPAN(again, mls_varint_write(again, len))), "encodes");
}

static void check_encrypt(struct vec *v, json_t *o)
{
	struct cv_span pub = vec_hex(v, o, "pub"), pt = vec_hex(v, o, "plaintext"), enc = vec_hex(v, o, "kem_output"),
		       ct = vec_hex(v, o, "ciphertext");
	struct cv_secret priv = vec_secret(v, o, "priv");
	uint8_t out[1024], enc2[MLS_PUBLIC_MAX], ct2[1024];
	struct hpke_info info;

	vec_check(v,
		  !mls_hpke_label_info(&v->crypto, json_string_value(json_object_get(o, "label")),
				       vec_hex(v, o, "context"), &info),
		  "info");
	vec_check(v, !mls_hpke_base_open(&v->crypto, &priv, &info, enc, SPAN_NONE, ct, out), "opens");
	vec_check(v, ct.len == pt.len + TAG_LEN && !memcmp(out, pt.data, pt.len), "plaintext");
	vec_check(v, !mls_hpke_base_seal(&v->crypto, pub, &info, SPAN_NONE, pt, enc2, ct2), "seals");
	memset(out, 0, sizeof(out));
	vec_check(v,
		  !mls_hpke_base_open(&v->crypto, &priv, &info, SPAN(enc2, v->crypto.suite->npk), SPAN_NONE,
				      SPAN(ct2, pt.len + TAG_LEN), out) &&
			  !memcmp(out, pt.data, pt.len),
		  "opens own");
	ct2[0] ^= 1;
	vec_check(v,
		  mls_hpke_base_open(&v->crypto, &priv, &info, SPAN(enc2, v->crypto.suite->npk), SPAN_NONE,
				     SPAN(ct2, pt.len + TAG_LEN), out) == CV_EAUTH,
		  "refuses a changed ciphertext");
}

static void check_sign(struct vec *v, json_t *o)
{
	struct cv_span content = vec_hex(v, o, "content"), pub = vec_hex(v, o, "pub"), priv = vec_hex(v, o, "priv"),
		       sig = vec_hex(v, o, "signature");
	const char *label = json_string_value(json_object_get(o, "label"));
	struct mls_sign_key *key = NULL;
	struct mls_signer signer;
	uint8_t own[MLS_SIGNATURE_MAX];
	size_t len = 0;

	vec_check(v, !mls_crypto_verify(&v->crypto, pub, label, &content, 1, sig), "signature verifies");
	vec_check(v, mls_crypto_verify(&v->crypto, pub, "other", &content, 1, sig) == CV_EAUTH, "label counts");
	if (!vec_check(v, !mls_sign_key_new(v->crypto.suite->id, priv.data, priv.len, &key), "private key"))
		return;
	vec_check(v, mls_span_equal(mls_sign_key_public(key), pub), "public key");
	signer = mls_sign_key_signer(key);
	vec_check(v, !mls_crypto_sign(&signer, label, &content, 1, own, &len), "signs");
	vec_check(v, !mls_crypto_verify(&v->crypto, pub, label, &content, 1, SPAN(own, len)), "own verifies");
	mls_sign_key_free(key);
}

void vec_crypto_basics(struct vec *v)
{
	json_t *o = json_object_get(v->entry, "ref_hash");
	struct cv_secret secret, derived = {0};
	uint8_t out[256];
	size_t len;

	if (!vec_suite(v))
		return;
	vec_check(v,
		  !mls_crypto_ref_hash(&v->crypto, json_string_value(json_object_get(o, "label")),
				       vec_hex(v, o, "value"), out),
		  "ref_hash");
	vec_same(v, o, "out", out, v->crypto.suite->nh);

	o = json_object_get(v->entry, "expand_with_label");
	secret = vec_secret(v, o, "secret");
	len = (size_t)vec_int(v, o, "length");
	vec_check(v,
		  !mls_crypto_expand_label(&v->crypto, &secret, vec_text(v, o, "label"), vec_hex(v, o, "context"), out,
					   len),
		  "expand_with_label");
	vec_same(v, o, "out", out, len);

	o = json_object_get(v->entry, "derive_secret");
	secret = vec_secret(v, o, "secret");
	vec_check(v, !mls_crypto_derive(&v->crypto, &secret, json_string_value(json_object_get(o, "label")), &derived),
		  "derive_secret");
	vec_same(v, o, "out", derived.data, derived.len);

	o = json_object_get(v->entry, "derive_tree_secret");
	secret = vec_secret(v, o, "secret");
	len = (size_t)vec_int(v, o, "length");
	vec_check(v,
		  !mls_crypto_derive_tree(&v->crypto, &secret, json_string_value(json_object_get(o, "label")),
					  (uint32_t)vec_int(v, o, "generation"), out, len),
		  "derive_tree_secret");
	vec_same(v, o, "out", out, len);
	check_sign(v, json_object_get(v->entry, "sign_with_label"));
	check_encrypt(v, json_object_get(v->entry, "encrypt_with_label"));
}

/* --- RFC 9180 appendix A --- */

static uint16_t suite_of(struct vec *v)
{
	for (uint16_t id = 1; mls_suite_known(id); id++) {
		const struct mls_suite *s = mls_suite_find(id);

		if (s->kem_id == vec_int(v, v->entry, "kem_id") && s->aead_id == vec_int(v, v->entry, "aead_id"))
			return id;
	}
	return 0;
}

/* The appendix has P-256 with ChaCha20-Poly1305, which no MLS suite has: a suite made for the purpose. */
static const struct mls_suite *odd_suite(struct vec *v, struct mls_suite *odd)
{
	const struct mls_suite *chacha = mls_suite_find(MLS_SUITE_X25519_CHACHA20POLY1305_SHA256_ED25519);

	*odd = *mls_suite_find(MLS_SUITE_P256_AES128GCM_SHA256_P256);
	odd->aead_id = chacha->aead_id;
	odd->aead = chacha->aead;
	odd->nk = chacha->nk;
	EVP_CIPHER_free(v->crypto.cipher);
	v->crypto.cipher = EVP_CIPHER_fetch(NULL, odd->aead, NULL);
	return odd;
}

static void check_encryptions(struct vec *v, const struct hpke_ctx *h)
{
	json_t *list = json_object_get(v->entry, "encryptions"), *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		struct cv_span aad = vec_hex(v, o, "aad"), pt = vec_hex(v, o, "pt"), ct = vec_hex(v, o, "ct");
		uint8_t nonce[NONCE_LEN], out[1024];

		mls_hpke_nonce(h, vec_int(v, o, "seq"), nonce);
		vec_same(v, o, "nonce", nonce, NONCE_LEN);
		vec_check(v, !mls_crypto_seal(&v->crypto, h->key, nonce, aad, pt, out), "seals");
		vec_same(v, o, "ct", out, pt.len + TAG_LEN);
		vec_check(v, !mls_crypto_open(&v->crypto, h->key, nonce, aad, ct, out), "opens");
		vec_check(v, !memcmp(out, pt.data, pt.len), "pt");
	}
}

static void check_exports(struct vec *v, const struct hpke_ctx *h)
{
	json_t *list = json_object_get(v->entry, "exports"), *o;
	uint8_t out[256];
	size_t i;

	json_array_foreach(list, i, o)
	{
		size_t len = (size_t)vec_int(v, o, "L");

		vec_check(v, !mls_hpke_export(&v->crypto, h, vec_hex(v, o, "exporter_context"), out, len), "exports");
		vec_same(v, o, "exported_value", out, len);
	}
}

static bool open_suite(struct vec *v, struct mls_suite *odd)
{
	uint16_t id = suite_of(v);
	struct cv_span hpke_id;
	uint8_t buf[10] = "HPKE";

	if (id)
		return vec_check(v, !mls_crypto_init(&v->crypto, id, vec_env.rng), "suite");
	if (mls_crypto_init(&v->crypto, MLS_SUITE_P256_AES128GCM_SHA256_P256, vec_env.rng))
		return vec_check(v, false, "suite");
	v->crypto.suite = odd_suite(v, odd);
	buf[5] = (uint8_t)odd->kem_id;
	buf[7] = (uint8_t)odd->kdf_id;
	buf[9] = (uint8_t)odd->aead_id;
	hpke_id = SPAN(buf, 10);
	return vec_check(
		v, !mls_hpke_extract(&v->crypto, hpke_id, SPAN_NONE, "psk_id_hash", SPAN_NONE, v->crypto.psk_id_hash),
		"suite");
}

void vec_hpke(struct vec *v)
{
	struct mls_hpke_key e = {0}, r = {0};
	struct cv_secret shared = {0}, again = {0};
	struct mls_suite odd;
	struct hpke_info info;
	struct hpke_ctx h = {0};

	if (!vec_check(v, vec_int(v, v->entry, "mode") == 0, "mode base") || !open_suite(v, &odd))
		return;
	vec_check(v, !mls_kem_derive(&v->crypto, vec_hex(v, v->entry, "ikmE"), &e), "derives E");
	vec_same(v, v->entry, "skEm", e.priv.data, e.priv.len);
	vec_same(v, v->entry, "pkEm", e.pub, e.pub_len);
	vec_check(v, !mls_kem_derive(&v->crypto, vec_hex(v, v->entry, "ikmR"), &r), "derives R");
	vec_same(v, v->entry, "skRm", r.priv.data, r.priv.len);
	vec_same(v, v->entry, "pkRm", r.pub, r.pub_len);
	vec_check(v, !mls_kem_encap(&v->crypto, &e, SPAN(r.pub, r.pub_len), &shared), "encap");
	vec_same(v, v->entry, "shared_secret", shared.data, shared.len);
	vec_check(v, !mls_kem_decap(&v->crypto, &r.priv, vec_hex(v, v->entry, "enc"), &again), "decap");
	vec_check(v, cv_secret_equal(&shared, &again), "both sides");
	vec_check(v, !mls_hpke_info_init(&v->crypto, vec_hex(v, v->entry, "info"), &info), "info");
	vec_same(v, v->entry, "key_schedule_context", info.context, info.len);
	vec_check(v, !mls_hpke_setup(&v->crypto, &shared, &info, true, &h), "setup");
	vec_same(v, v->entry, "key", h.key, v->crypto.suite->nk);
	vec_same(v, v->entry, "base_nonce", h.base_nonce, NONCE_LEN);
	vec_same(v, v->entry, "exporter_secret", h.exporter_secret.data, h.exporter_secret.len);
	check_encryptions(v, &h);
	check_exports(v, &h);
}
