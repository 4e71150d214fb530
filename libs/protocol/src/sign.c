/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <sodium.h>

#include <base/alloc.h>
#include <base/secret.h>
#include <proto/signed.h>

#define PREFIX "Conclave 1 "

const char *proto_label_text(enum proto_label label)
{
	static const char *const text[] = {
		[PROTO_LABEL_TICKET] = "Ticket",
		[PROTO_LABEL_ADMISSION] = "Admission",
		[PROTO_LABEL_CREATION_GRANT] = "Creation Grant",
		[PROTO_LABEL_REVOCATION] = "Revocation",
		[PROTO_LABEL_MANIFEST] = "Manifest",
		[PROTO_LABEL_DEVICE_PROOF] = "Device Proof",
		[PROTO_LABEL_SIGN_IN] = "Sign-in",
		[PROTO_LABEL_LEAVE] = "Leave",
	};

	return (size_t)label < sizeof(text) / sizeof(text[0]) ? text[label] : NULL;
}

/* "Conclave 1 " || label || 0x00 || content, to be freed with cv_free. */
static int signed_bytes(enum proto_label label, const void *content, size_t len, uint8_t **ret, size_t *ret_len)
{
	const char *text = proto_label_text(label);
	struct cv_buf b;
	int err;

	if (!text)
		return CV_EINVAL;
	cv_buf_init(&b, sizeof(PREFIX) + 32 + PROTO_SIGNED_BODY_MAX);
	cv_buf_put(&b, PREFIX, strlen(PREFIX));
	cv_buf_put(&b, text, strlen(text) + 1);
	cv_buf_put(&b, content, len);
	err = cv_buf_steal(&b, ret, ret_len);
	cv_buf_done(&b);
	return err;
}

int proto_sign_label(const uint8_t seed[PROTO_KEY_LEN], enum proto_label label, const void *content, size_t len,
		     uint8_t ret_signature[PROTO_SIG_LEN])
{
	uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret_key[crypto_sign_SECRETKEYBYTES];
	uint8_t *bytes = NULL;
	size_t bytes_len = 0;
	int err = signed_bytes(label, content, len, &bytes, &bytes_len);

	if (err)
		return err;
	crypto_sign_seed_keypair(public_key, secret_key, seed);
	crypto_sign_detached(ret_signature, NULL, bytes, bytes_len, secret_key);
	cv_wipe(secret_key, sizeof(secret_key));
	cv_free(bytes);
	return 0;
}

int proto_verify_label(const uint8_t key[PROTO_KEY_LEN], enum proto_label label, const void *content, size_t len,
		       const uint8_t signature[PROTO_SIG_LEN])
{
	uint8_t *bytes = NULL;
	size_t bytes_len = 0;
	int err = signed_bytes(label, content, len, &bytes, &bytes_len);

	if (err)
		return err;
	if (crypto_sign_verify_detached(signature, bytes, bytes_len, key))
		err = CV_EAUTH;
	cv_free(bytes);
	return err;
}

void proto_public_key(const uint8_t seed[PROTO_KEY_LEN], uint8_t ret_key[PROTO_KEY_LEN])
{
	uint8_t secret_key[crypto_sign_SECRETKEYBYTES];

	crypto_sign_seed_keypair(ret_key, secret_key, seed);
	cv_wipe(secret_key, sizeof(secret_key));
}

void proto_sha256(const void *data, size_t len, uint8_t ret_hash[PROTO_HASH_LEN])
{
	crypto_hash_sha256(ret_hash, data, len);
}

bool proto_id_is_zero(const void *id, size_t len)
{
	return sodium_is_zero(id, len) == 1;
}

int proto_signed_put(struct cv_buf *out, const uint8_t seed[PROTO_KEY_LEN], enum proto_label label, const void *body,
		     size_t len)
{
	uint8_t key[PROTO_KEY_LEN], signer[PROTO_HASH_LEN], signature[PROTO_SIG_LEN];
	int err;

	if (len > PROTO_SIGNED_BODY_MAX)
		return CV_ELIMIT;
	err = proto_sign_label(seed, label, body, len, signature);
	if (err)
		return err;
	proto_public_key(seed, key);
	proto_sha256(key, sizeof(key), signer);
	cv_buf_put_u8(out, 1);
	cv_buf_put(out, signer, sizeof(signer));
	cv_buf_put_vec(out, body, len);
	return cv_buf_put(out, signature, sizeof(signature));
}

int proto_signed_open(const void *data, size_t len, enum proto_label label, const struct proto_signers *signers,
		      struct cv_span *ret_body)
{
	const uint8_t *signer, *signature;
	uint8_t id[PROTO_HASH_LEN], version;
	struct cv_reader r;
	struct cv_span body;
	int err;

	cv_reader_init(&r, data, len);
	if ((err = cv_reader_get_u8(&r, &version)))
		return err;
	if (version != 1)
		return CV_EFORMAT;
	if ((err = cv_reader_get(&r, PROTO_HASH_LEN, &signer)) ||
	    (err = cv_reader_get_vec(&r, PROTO_SIGNED_BODY_MAX, &body)) ||
	    (err = cv_reader_get(&r, PROTO_SIG_LEN, &signature)) || (err = cv_reader_end(&r)))
		return err;
	for (size_t i = 0; i < signers->n; i++) {
		proto_sha256(signers->keys[i], PROTO_KEY_LEN, id);
		if (memcmp(id, signer, sizeof(id)))
			continue;
		err = proto_verify_label(signers->keys[i], label, body.data, body.len, signature);
		if (!err)
			*ret_body = body;
		return err;
	}
	return CV_EAUTH;
}

int proto_times_check(uint64_t issued, uint64_t expires, uint64_t now, uint64_t late)
{
	/* A sum that wraps would turn "never" into "long ago". */
	uint64_t end = expires > UINT64_MAX - late ? UINT64_MAX : expires + late;

	if (issued > PROTO_CLOCK_SKEW && now < issued - PROTO_CLOCK_SKEW)
		return CV_EEXPIRED;
	return now > end ? CV_EEXPIRED : 0;
}

void proto_device_proof_content(const uint8_t relay_id[PROTO_ID_LEN], const uint8_t nonce[32], const void *object,
				size_t len, uint8_t ret[PROTO_DEVICE_PROOF_LEN])
{
	memcpy(ret, relay_id, PROTO_ID_LEN);
	memcpy(ret + PROTO_ID_LEN, nonce, 32);
	proto_sha256(object, len, ret + PROTO_ID_LEN + 32);
}

void proto_leave_content(const uint8_t run_id[PROTO_ID_LEN], const uint8_t admission_id[PROTO_ID_LEN], uint32_t leaf,
			 uint8_t ret[PROTO_LEAVE_LEN])
{
	memcpy(ret, run_id, PROTO_ID_LEN);
	memcpy(ret + PROTO_ID_LEN, admission_id, PROTO_ID_LEN);
	for (int i = 0; i < 4; i++)
		ret[2 * PROTO_ID_LEN + i] = (uint8_t)(leaf >> (24 - 8 * i));
}

void proto_sign_in_content(const uint8_t login_id[PROTO_ID_LEN], struct cv_span ke1, struct cv_span ke2,
			   struct cv_span ke3, const uint8_t device_key[PROTO_KEY_LEN], uint8_t ret[PROTO_SIGN_IN_LEN])
{
	crypto_hash_sha256_state st;

	memcpy(ret, login_id, PROTO_ID_LEN);
	crypto_hash_sha256_init(&st);
	crypto_hash_sha256_update(&st, ke1.data, ke1.len);
	crypto_hash_sha256_update(&st, ke2.data, ke2.len);
	crypto_hash_sha256_update(&st, ke3.data, ke3.len);
	crypto_hash_sha256_final(&st, ret + PROTO_ID_LEN);
	memcpy(ret + PROTO_ID_LEN + PROTO_HASH_LEN, device_key, PROTO_KEY_LEN);
}
