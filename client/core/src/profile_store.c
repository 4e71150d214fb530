/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <sodium.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <base/secret.h>

#include "files_io.h"
#include "json.h"
#include "profile_store.h"

#define PUBLIC_FILE   "profile.json"
#define SECRETS_FILE  "secrets"
#define KEY_FILE      "storage.key"
#define PUBLIC_MAX    (8u << 20)
#define SECRETS_MAX   (64u << 10)
#define MANIFEST_MAX  (256u << 10)
#define SECRETS_MAGIC "CONCLAVE-SECRETS-1\n"
#define MAGIC_LEN     (sizeof(SECRETS_MAGIC) - 1)
#define KEY_LEN       crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define NONCE_LEN     crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_LEN       crypto_aead_xchacha20poly1305_ietf_ABYTES

static int damaged(struct client_error *err, const struct client_profile *p, const char *file)
{
	return client_fail(err, CV_EFORMAT, CLIENT_USAGE, "%s/%s is damaged", p->dir, file);
}

/* Each hash of `list` must be one of the contact's devices. */
static int load_device_flags(struct client_contact *c, const json_t *list, uint8_t flag)
{
	const json_t *hash;
	size_t j;

	json_array_foreach(list, j, hash)
	{
		uint8_t *raw;
		size_t len, k = 0;
		int r = client_json_b64_value(hash, CLIENT_HASH_LEN, &raw, &len);

		if (r != 0)
			return r;
		while (k < c->devices && (len != CLIENT_HASH_LEN || memcmp(c->device_hash[k], raw, len) != 0))
			k++;
		cv_free(raw);
		if (k == c->devices)
			return CV_EFORMAT;
		c->device_flags[k] |= flag;
	}
	return 0;
}

static int load_contacts(struct client_profile *p, const json_t *list)
{
	const json_t *item, *hash;
	size_t i, j;

	json_array_foreach(list, i, item)
	{
		uint8_t id[CLIENT_ID_LEN];
		char email[CLIENT_EMAIL_MAX + 1], name[CLIENT_NAME_MAX + 1];
		struct client_contact *c;
		const json_t *devices = json_object_get(item, "devices");
		int r;

		if (client_json_hex(item, "user_id", id, sizeof(id)) != 0 ||
		    client_json_text(item, "email", email, sizeof(email)) != 0 ||
		    client_json_text(item, "name", name, sizeof(name)) != 0 ||
		    json_array_size(devices) > CLIENT_CONTACT_KEYS_MAX)
			return CV_EFORMAT;
		r = client_profile_add_contact(p, id, email, name, &c);
		if (r != 0)
			return r;
		json_array_foreach(devices, j, hash)
		{
			uint8_t *raw;
			size_t len;

			r = client_json_b64_value(hash, CLIENT_HASH_LEN, &raw, &len);
			if (r != 0)
				return r;
			if (len == CLIENT_HASH_LEN)
				memcpy(c->device_hash[c->devices++], raw, len);
			cv_free(raw);
			if (len != CLIENT_HASH_LEN)
				return CV_EFORMAT;
		}
		r = load_device_flags(c, json_object_get(item, "verified"), CLIENT_DEVICE_VERIFIED);
		if (r == 0)
			r = load_device_flags(c, json_object_get(item, "changed"), CLIENT_DEVICE_CHANGED);
		if (r != 0)
			return r;
	}
	return 0;
}

static int load_public_json(struct client_profile *p, const json_t *j)
{
	if (client_json_text_or_empty(j, "manager_url", p->manager_url, sizeof(p->manager_url)) != 0 ||
	    client_json_uint(j, "manifest_version", &p->manifest_version) != 0 ||
	    client_json_text_or_empty(j, "email", p->email, sizeof(p->email)) != 0 ||
	    client_json_text_or_empty(j, "name", p->name, sizeof(p->name)) != 0 ||
	    client_json_text_or_empty(j, "role", p->role, sizeof(p->role)) != 0 ||
	    client_json_hex(j, "user_id", p->user_id, sizeof(p->user_id)) != 0)
		return CV_EFORMAT;
	if (json_object_get(j, "root") != NULL &&
	    client_json_b64(j, "root", CLIENT_CERT_MAX, &p->root_der, &p->root_len) != 0)
		return CV_EFORMAT;
	if (json_object_get(j, "manifest") != NULL &&
	    client_json_b64(j, "manifest", MANIFEST_MAX, &p->manifest, &p->manifest_len) != 0)
		return CV_EFORMAT;
	return load_contacts(p, json_object_get(j, "contacts"));
}

int client_profile_load_public(struct client_profile *p, struct client_error *err)
{
	struct cv_buf b;
	json_t *j = NULL;
	int r;

	cv_buf_init(&b, PUBLIC_MAX);
	r = client_file_read(p->dir, PUBLIC_FILE, &b);
	if (r == CV_ENOTFOUND) {
		r = 0;
		goto out;
	}
	if (r != 0) {
		client_fail(err, r, CLIENT_USAGE, "%s/%s cannot be read", p->dir, PUBLIC_FILE);
		goto out;
	}
	j = json_loadb((const char *)b.data, b.len, JSON_REJECT_DUPLICATES, NULL);
	r = j != NULL ? load_public_json(p, j) : CV_EFORMAT;
	if (r != 0)
		damaged(err, p, PUBLIC_FILE);
out:
	json_decref(j);
	cv_buf_done(&b);
	return r;
}

static json_t *devices_with(const struct client_contact *c, uint8_t flag)
{
	json_t *list = json_array();

	for (size_t k = 0; k < c->devices; k++) {
		if (flag == 0 || (c->device_flags[k] & flag))
			json_array_append_new(list, client_json_from_b64(c->device_hash[k], CLIENT_HASH_LEN));
	}
	return list;
}

int client_profile_write_public(const struct client_profile *p, struct client_error *err)
{
	json_t *j = json_object(), *contacts = json_array();
	char *text;
	int r;

	json_object_set_new(j, "manager_url", json_string(p->manager_url));
	json_object_set_new(j, "manifest_version", json_integer((json_int_t)p->manifest_version));
	json_object_set_new(j, "user_id", client_json_from_hex(p->user_id, sizeof(p->user_id)));
	json_object_set_new(j, "email", json_string(p->email));
	json_object_set_new(j, "name", json_string(p->name));
	json_object_set_new(j, "role", json_string(p->role));
	if (p->root_der != NULL)
		json_object_set_new(j, "root", client_json_from_b64(p->root_der, p->root_len));
	if (p->manifest != NULL)
		json_object_set_new(j, "manifest", client_json_from_b64(p->manifest, p->manifest_len));
	for (size_t i = 0; i < p->contact_count; i++) {
		const struct client_contact *c = &p->contacts[i];
		json_t *item = json_object();

		json_object_set_new(item, "user_id", client_json_from_hex(c->user_id, sizeof(c->user_id)));
		json_object_set_new(item, "email", json_string(c->email));
		json_object_set_new(item, "name", json_string(c->name));
		json_object_set_new(item, "devices", devices_with(c, 0));
		json_object_set_new(item, "verified", devices_with(c, CLIENT_DEVICE_VERIFIED));
		json_object_set_new(item, "changed", devices_with(c, CLIENT_DEVICE_CHANGED));
		json_array_append_new(contacts, item);
	}
	json_object_set_new(j, "contacts", contacts);
	text = json_dumps(j, JSON_INDENT(1));
	json_decref(j);
	if (text == NULL)
		return client_fail_code(err, CV_ENOMEM, "profile");
	r = client_file_replace(p->dir, PUBLIC_FILE, text, strlen(text));
	free(text);
	if (r != 0)
		return client_fail(err, r, CLIENT_USAGE, "%s/%s cannot be written", p->dir, PUBLIC_FILE);
	return 0;
}

/* `create`: makes a key when there is none. */
static int storage_key(const struct client_profile *p, bool create, uint8_t ret_key[KEY_LEN], struct client_error *err)
{
	const char *elsewhere = getenv("CONCLAVE_STORAGE_KEY_FILE");
	struct cv_buf b;
	int r;

	cv_buf_init_secret(&b, KEY_LEN);
	r = elsewhere != NULL ? client_file_read("", elsewhere, &b) : client_file_read(p->dir, KEY_FILE, &b);
	if (r == CV_ENOTFOUND && create && elsewhere == NULL) {
		r = cv_rng_fill(cv_rng_system(), ret_key, KEY_LEN);
		if (r == 0)
			r = client_file_replace(p->dir, KEY_FILE, ret_key, KEY_LEN);
	} else if (r == 0 && b.len == KEY_LEN) {
		memcpy(ret_key, b.data, KEY_LEN);
	} else {
		r = CV_EAUTH;
	}
	cv_buf_done(&b);
	if (r != 0)
		return client_fail(err, r, CLIENT_USAGE, "the profile's storage key (%s) cannot be used",
				   elsewhere != NULL ? elsewhere : KEY_FILE);
	return 0;
}

static int parse_secrets(struct client_profile *p, const uint8_t *data, size_t len)
{
	struct cv_reader r;
	struct cv_span token;
	uint8_t certs;

	cv_reader_init(&r, data, len);
	if (cv_reader_copy(&r, p->device_seed, sizeof(p->device_seed)) != 0 ||
	    cv_reader_get_vec(&r, CLIENT_TOKEN_MAX, &token) != 0 || cv_reader_get_u64(&r, &p->token_expires) != 0 ||
	    cv_reader_get_u8(&r, &certs) != 0 || certs > CLIENT_CERTS_MAX)
		return CV_EFORMAT;
	memcpy(p->token, token.data, token.len);
	p->token[token.len] = '\0';
	for (uint8_t i = 0; i < certs; i++) {
		struct cv_span der;

		if (cv_reader_get_vec(&r, CLIENT_CERT_MAX, &der) != 0)
			return CV_EFORMAT;
		memcpy(p->cert[i].der, der.data, der.len);
		p->cert[i].len = der.len;
	}
	p->certs = certs;
	return cv_reader_end(&r);
}

int client_profile_load_secrets(struct client_profile *p, struct client_error *err)
{
	struct cv_buf sealed, clear;
	uint8_t key[KEY_LEN], *out;
	unsigned long long clear_len = 0;
	int r;

	cv_buf_init(&sealed, SECRETS_MAX);
	cv_buf_init_secret(&clear, SECRETS_MAX);
	r = client_file_read(p->dir, SECRETS_FILE, &sealed);
	if (r == CV_ENOTFOUND)
		goto out;
	if (r != 0 || sealed.len < MAGIC_LEN + NONCE_LEN + TAG_LEN ||
	    memcmp(sealed.data, SECRETS_MAGIC, MAGIC_LEN) != 0) {
		r = damaged(err, p, SECRETS_FILE);
		goto out;
	}
	r = storage_key(p, false, key, err);
	if (r != 0)
		goto out;
	r = cv_buf_extend(&clear, sealed.len, &out);
	if (r == 0 &&
	    crypto_aead_xchacha20poly1305_ietf_decrypt(out, &clear_len, NULL, sealed.data + MAGIC_LEN + NONCE_LEN,
						       sealed.len - MAGIC_LEN - NONCE_LEN, sealed.data, MAGIC_LEN,
						       sealed.data + MAGIC_LEN, key) != 0)
		r = client_fail(err, CV_EAUTH, CLIENT_USAGE, "%s/%s does not open with the storage key", p->dir,
				SECRETS_FILE);
	if (r == 0)
		r = parse_secrets(p, clear.data, (size_t)clear_len);
	if (r != 0)
		damaged(err, p, SECRETS_FILE);
out:
	cv_wipe(key, sizeof(key));
	cv_buf_done(&sealed);
	cv_buf_done(&clear);
	return r;
}

int client_profile_write_secrets(const struct client_profile *p, struct client_error *err)
{
	struct cv_buf clear, sealed;
	uint8_t key[KEY_LEN], nonce[NONCE_LEN], *out;
	int r;

	cv_buf_init_secret(&clear, SECRETS_MAX);
	cv_buf_init(&sealed, SECRETS_MAX);
	cv_buf_put(&clear, p->device_seed, sizeof(p->device_seed));
	cv_buf_put_vec(&clear, p->token, strlen(p->token));
	cv_buf_put_u64(&clear, p->token_expires);
	cv_buf_put_u8(&clear, (uint8_t)p->certs);
	for (size_t i = 0; i < p->certs; i++)
		cv_buf_put_vec(&clear, p->cert[i].der, p->cert[i].len);
	r = storage_key(p, true, key, err);
	if (r == 0)
		r = cv_rng_fill(cv_rng_system(), nonce, sizeof(nonce));
	cv_buf_put(&sealed, SECRETS_MAGIC, MAGIC_LEN);
	cv_buf_put(&sealed, nonce, sizeof(nonce));
	if (r == 0)
		r = cv_buf_status(&clear);
	if (r == 0)
		r = cv_buf_extend(&sealed, clear.len + TAG_LEN, &out);
	if (r == 0) {
		crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, clear.data, clear.len,
							   (const uint8_t *)SECRETS_MAGIC, MAGIC_LEN, NULL, nonce, key);
		r = client_file_replace(p->dir, SECRETS_FILE, sealed.data, sealed.len);
	}
	cv_wipe(key, sizeof(key));
	cv_buf_done(&clear);
	cv_buf_done(&sealed);
	if (r != 0)
		return client_fail(err, r, CLIENT_USAGE, "%s/%s cannot be written", p->dir, SECRETS_FILE);
	return 0;
}
