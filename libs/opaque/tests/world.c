/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

const struct opaque_config fast = {.ksf = OPAQUE_KSF_ARGON2ID, .context = "test", .context_len = 4};

const char account[9] = "7d4f5bd2";

const char good[14] = "correct horse";

int sign_up(struct world *w, const struct opaque_config *config, const struct opaque_ids *ids)
{
	uint8_t request[OPAQUE_REQUEST_LEN], response[OPAQUE_RESPONSE_LEN], seen[OPAQUE_KEY_LEN];
	struct opaque_client c;
	int err;

	assert_int_equal(opaque_client_register_start(&c, cv_rng_system(), good, strlen(good), request), 0);
	assert_int_equal(
		opaque_server_register_respond(&w->keys, account, strlen(account), request, sizeof(request), response),
		0);
	err = (config == &opaque_config_v1 ? opaque_client_register_finish : opaque_client_register_finish_unstretched)(
		&c, config, ids, cv_rng_system(), response, sizeof(response), w->record, w->export_key, seen);
	if (!err) {
		assert_memory_equal(seen, w->keys.public_key, OPAQUE_KEY_LEN);
		assert_int_equal(opaque_record_check(w->record, sizeof(w->record)), 0);
	}
	return err;
}

void world_make(struct world *w)
{
	assert_int_equal(opaque_server_keys_generate(cv_rng_system(), &w->keys), 0);
	assert_int_equal(sign_up(w, &fast, NULL), 0);
}

int respond(const struct world *w, const struct opaque_ids *ids, const uint8_t *record, struct login *l)
{
	return opaque_server_login_respond(&fast, &w->keys, ids, account, strlen(account), record,
					   record ? OPAQUE_RECORD_LEN : 0, l->ke1, sizeof(l->ke1), cv_rng_system(),
					   l->ke2, &l->s);
}

void begin(const struct world *w, const char *password, struct login *l)
{
	memset(l, 0, sizeof(*l));
	assert_int_equal(opaque_client_login_start(&l->c, cv_rng_system(), password, strlen(password), l->ke1), 0);
	assert_int_equal(respond(w, NULL, w->record, l), 0);
}

int finish_client(struct login *l, const struct opaque_config *config, const struct opaque_ids *ids)
{
	static const struct login nothing;
	int err = (config == &opaque_config_v1 ? opaque_client_login_finish : opaque_client_login_finish_unstretched)(
		&l->c, config, ids, l->ke2, sizeof(l->ke2), l->ke3, &l->r);

	if (err) {
		assert_memory_equal(l->ke3, nothing.ke3, sizeof(l->ke3));
		assert_memory_equal(&l->r, &nothing.r, sizeof(l->r));
	}
	/* Whatever happened, nothing of the password is left. */
	assert_memory_equal(&l->c, &nothing.c, sizeof(l->c));
	return err;
}
