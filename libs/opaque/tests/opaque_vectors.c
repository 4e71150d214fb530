/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the official vectors of RFC 9807 (OPAQUE) and RFC 9497 (OPRF). usage: opaque-vectors FILE */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include <base/text.h>

#include "internal.h"

#define HEX_MAX 1024

static unsigned int passed, failed;

/* A generator that gives out what the vector says, in order. */
struct script {
	uint8_t data[256];
	size_t len;
	size_t pos;
};

static int script_fill(void *ctx, uint8_t *out, size_t len)
{
	struct script *s = ctx;

	if (len > s->len - s->pos)
		return CV_ECRYPTO;
	memcpy(out, s->data + s->pos, len);
	s->pos += len;
	return 0;
}

/* The bytes of member `name`; 0 when there is none. */
static size_t get(const json_t *o, const char *name, uint8_t *dst)
{
	const char *hex = json_string_value(json_object_get(o, name));
	size_t len = hex ? strlen(hex) / 2 : 0;

	return hex && len <= HEX_MAX && cv_hex_decode(dst, len, hex) == 0 ? len : 0;
}

static bool same(const json_t *o, const char *name, const uint8_t *got, size_t len)
{
	uint8_t want[HEX_MAX];
	bool ok = get(o, name, want) == len && memcmp(want, got, len) == 0;

	if (ok)
		passed++;
	else
		failed++;
	if (!ok)
		printf("FAILED %s\n", name);
	return ok;
}

static void must(const char *what, int err)
{
	if (!err)
		return;
	failed++;
	printf("FAILED %s: %s\n", what, cv_strerror(err));
}

static struct cv_rng scripted(struct script *s, const json_t *in, const char *const *names, size_t count)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < count; i++)
		s->len += get(in, names[i], s->data + s->len);
	return (struct cv_rng){script_fill, s};
}

struct setup {
	struct opaque_config config;
	struct opaque_ids ids;
	struct opaque_server_keys keys;
	uint8_t context[HEX_MAX], client_id[HEX_MAX], server_id[HEX_MAX], credential[HEX_MAX], password[HEX_MAX];
	size_t credential_len, password_len;
};

static void set_up(struct setup *s, const json_t *config, const json_t *in)
{
	uint8_t sk[HEX_MAX], seed[HEX_MAX];

	memset(s, 0, sizeof(*s));
	s->config = (struct opaque_config){OPAQUE_KSF_ARGON2ID, s->context, get(config, "Context", s->context)};
	s->ids.client = s->client_id;
	s->ids.client_len = get(in, "client_identity", s->client_id);
	s->ids.server = s->server_id;
	s->ids.server_len = get(in, "server_identity", s->server_id);
	s->credential_len = get(in, "credential_identifier", s->credential);
	s->password_len = get(in, "password", s->password);
	if (get(in, "server_private_key", sk) != 32 || get(in, "oprf_seed", seed) != 64)
		must("server keys", CV_EFORMAT);
	else
		must("server keys", opaque_server_keys_load(sk, seed, &s->keys));
	same(in, "server_public_key", s->keys.public_key, 32);
}

static const char *const server_names[] = {"masking_nonce", "server_nonce", "server_keyshare_seed"};

static void run_fake(const json_t *entry)
{
	const json_t *in = json_object_get(entry, "inputs"), *out = json_object_get(entry, "outputs");
	uint8_t record[OPAQUE_RECORD_LEN] = {0}, ke1[HEX_MAX], ke2[OPAQUE_KE2_LEN] = {0};
	struct opaque_server_login login;
	struct script script;
	struct cv_rng rng;
	struct setup s;

	set_up(&s, json_object_get(entry, "config"), in);
	get(in, "client_public_key", record + RECORD_PUBLIC_KEY);
	get(in, "masking_key", record + RECORD_MASKING_KEY);
	rng = scripted(&script, in, server_names, 3);
	must("KE2", opaque_server_login_respond(&s.config, &s.keys, &s.ids, s.credential, s.credential_len, record,
						sizeof(record), ke1, get(in, "KE1", ke1), &rng, ke2, &login));
	same(out, "KE2", ke2, sizeof(ke2));
}

static void run_registration(const struct setup *s, const json_t *in, const json_t *out,
			     uint8_t record[OPAQUE_RECORD_LEN])
{
	static const char *const blind_names[] = {"blind_registration"}, *const nonce_names[] = {"envelope_nonce"};
	uint8_t request[OPAQUE_REQUEST_LEN] = {0}, response[OPAQUE_RESPONSE_LEN] = {0}, export_key[64] = {0};
	struct opaque_client c;
	struct script script;
	struct cv_rng rng = scripted(&script, in, blind_names, 1);

	must("registration start", opaque_client_register_start(&c, &rng, s->password, s->password_len, request));
	same(out, "registration_request", request, sizeof(request));
	must("registration response", opaque_server_register_respond(&s->keys, s->credential, s->credential_len,
								     request, sizeof(request), response));
	same(out, "registration_response", response, sizeof(response));
	rng = scripted(&script, in, nonce_names, 1);
	must("registration finish",
	     opaque_client_register_finish_unstretched(&c, &s->config, &s->ids, &rng, response, sizeof(response),
						       record, export_key, NULL));
	same(out, "registration_upload", record, OPAQUE_RECORD_LEN);
	same(out, "export_key", export_key, sizeof(export_key));
	must("record", opaque_record_check(record, OPAQUE_RECORD_LEN));
}

static void run_real(const json_t *entry)
{
	static const char *const names[] = {"blind_login", "client_nonce", "client_keyshare_seed"};
	const json_t *in = json_object_get(entry, "inputs"), *out = json_object_get(entry, "outputs");
	uint8_t record[OPAQUE_RECORD_LEN] = {0}, ke1[OPAQUE_KE1_LEN] = {0}, ke2[OPAQUE_KE2_LEN] = {0}, ke3[64] = {0};
	uint8_t session_key[64] = {0};
	struct opaque_client_result result = {0};
	struct opaque_server_login login;
	struct opaque_client c;
	struct script script;
	struct cv_rng rng;
	struct setup s;

	set_up(&s, json_object_get(entry, "config"), in);
	run_registration(&s, in, out, record);
	rng = scripted(&script, in, names, 3);
	must("KE1", opaque_client_login_start(&c, &rng, s.password, s.password_len, ke1));
	same(out, "KE1", ke1, sizeof(ke1));
	rng = scripted(&script, in, server_names, 3);
	must("KE2", opaque_server_login_respond(&s.config, &s.keys, &s.ids, s.credential, s.credential_len, record,
						sizeof(record), ke1, sizeof(ke1), &rng, ke2, &login));
	same(out, "KE2", ke2, sizeof(ke2));
	must("KE3", opaque_client_login_finish_unstretched(&c, &s.config, &s.ids, ke2, sizeof(ke2), ke3, &result));
	same(out, "KE3", ke3, sizeof(ke3));
	same(out, "session_key", result.session_key, 64);
	same(out, "export_key", result.export_key, 64);
	must("server finish", opaque_server_login_finish(&login, ke3, sizeof(ke3), session_key));
	same(out, "session_key", session_key, 64);
}

static void run_oprf(const json_t *suite)
{
	uint8_t seed[HEX_MAX], info[HEX_MAX], sk[32] = {0}, pk[32], in[HEX_MAX], blind[HEX_MAX], element[32] = {0};
	uint8_t evaluated[32] = {0}, output[64] = {0};
	size_t info_len = get(suite, "keyInfo", info), i;
	const json_t *v;

	if (get(suite, "seed", seed) != 32)
		must("seed", CV_EFORMAT);
	else
		must("DeriveKeyPair", oprf_derive_key(seed, info, info_len, sk, pk));
	same(suite, "skSm", sk, 32);
	json_array_foreach(json_object_get(suite, "vectors"), i, v)
	{
		size_t in_len = get(v, "Input", in);

		if (get(v, "Blind", blind) != 32)
			must("Blind", CV_EFORMAT);
		else
			must("Blind", oprf_blind(in, in_len, blind, element));
		same(v, "BlindedElement", element, 32);
		must("BlindEvaluate", oprf_evaluate(sk, element, evaluated));
		same(v, "EvaluationElement", evaluated, 32);
		must("Finalize", oprf_finalize(in, in_len, blind, evaluated, output));
		same(v, "Output", output, 64);
	}
}

int main(int argc, char **argv)
{
	json_t *root = argc == 2 ? json_load_file(argv[1], 0, NULL) : NULL;
	const json_t *entry;
	size_t i;

	if (!json_is_array(root) || sodium_init() < 0) {
		fprintf(stderr, "usage: opaque-vectors FILE (an array of OPAQUE or OPRF vectors)\n");
		json_decref(root);
		return 2;
	}
	json_array_foreach(root, i, entry)
	{
		const char *fake = json_string_value(json_object_get(json_object_get(entry, "config"), "Fake"));

		if (!fake)
			run_oprf(entry);
		else if (strcmp(fake, "True") == 0)
			run_fake(entry);
		else
			run_real(entry);
	}
	printf("%zu entries: %u values passed, %u failed\n", json_array_size(root), passed, failed);
	json_decref(root);
	return failed || !passed;
}
