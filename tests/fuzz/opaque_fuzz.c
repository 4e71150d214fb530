/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every decoder of OPAQUE. Input: which message (1 byte), then its bytes: 0 registration request, 1 registration
 * response, 2 record (login with it), 3 KE1, 4 KE2, 5 KE3. The generator is fixed, so that runs repeat; the client does
 * not stretch, so that runs are many.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../libs/opaque/src/internal.h"

static int fixed_fill(void *ctx, uint8_t *out, size_t len)
{
	memset(out, 5, len);
	return 0;
}

static const struct cv_rng rng = {fixed_fill, NULL};
static const struct opaque_config config = {.ksf = OPAQUE_KSF_ARGON2ID};

/* Nothing that an input says may ever pass for a proof of the password. */
static void client_message(int kind, const uint8_t *data, size_t size)
{
	uint8_t request[OPAQUE_KE1_LEN], record[OPAQUE_RECORD_LEN], key[OPAQUE_EXPORT_KEY_LEN], ke3[OPAQUE_KE3_LEN];
	struct opaque_client_result result;
	struct opaque_client c;

	if (kind == 1) {
		if (opaque_client_register_start(&c, &rng, "password", 8, request) != 0)
			abort();
		if (opaque_client_register_finish_unstretched(&c, &config, NULL, &rng, data, size, record, key, NULL) ==
			    0 &&
		    opaque_record_check(record, sizeof(record)) != 0)
			abort();
		return;
	}
	if (opaque_client_login_start(&c, &rng, "password", 8, request) != 0)
		abort();
	if (opaque_client_login_finish_unstretched(&c, &config, NULL, data, size, ke3, &result) == 0)
		abort();
}

static void server_message(const struct opaque_server_keys *keys, int kind, const uint8_t *data, size_t size)
{
	uint8_t response[OPAQUE_RESPONSE_LEN], ke1[OPAQUE_KE1_LEN], ke2[OPAQUE_KE2_LEN], key[OPAQUE_SESSION_KEY_LEN];
	struct opaque_server_login login = {.expected_mac = {1, 2, 3}};
	struct opaque_client c;
	int err = 0;

	if (kind == 0)
		err = opaque_server_register_respond(keys, "id", 2, data, size, response);
	if (kind == 2) {
		if (opaque_client_login_start(&c, &rng, "password", 8, ke1) != 0)
			abort();
		opaque_client_done(&c);
		err = opaque_server_login_respond(&config, keys, NULL, "id", 2, data, size, ke1, sizeof(ke1), &rng, ke2,
						  &login);
		if (size && (err == 0) != (opaque_record_check(data, size) == 0))
			abort();
	}
	if (kind == 3)
		err = opaque_server_login_respond(&config, keys, NULL, "id", 2, NULL, 0, data, size, &rng, ke2, &login);
	if (kind == 5 && opaque_server_login_finish(&login, data, size, key) == 0)
		abort();
	if (err && err != CV_EFORMAT)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct opaque_server_keys keys;
	int kind;

	if (size < 1 || opaque_server_keys_generate(&rng, &keys) != 0)
		return 0;
	kind = data[0] % 6;
	if (kind == 1 || kind == 4)
		client_message(kind, data + 1, size - 1);
	else
		server_message(&keys, kind, data + 1, size - 1);
	return 0;
}
