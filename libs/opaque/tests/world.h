/* SPDX-License-Identifier: Apache-2.0 */
/* A server with one account, and a login to it that a test can stop and change half way. */
#ifndef OPAQUE_TEST_WORLD_H
#define OPAQUE_TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "internal.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Stretching is tested by itself; everywhere else it would only take time. sign_up and finish_client do without, unless
 * the configuration is opaque_config_v1.
 */
extern const struct opaque_config fast;
/* The account and its password. */
extern const char account[9], good[14];

struct world {
	struct opaque_server_keys keys;
	uint8_t record[OPAQUE_RECORD_LEN];
	uint8_t export_key[OPAQUE_EXPORT_KEY_LEN];
};
/* A login up to KE2, for tests that then change something. */
struct login {
	struct opaque_client c;
	struct opaque_server_login s;
	uint8_t ke1[OPAQUE_KE1_LEN];
	uint8_t ke2[OPAQUE_KE2_LEN];
	uint8_t ke3[OPAQUE_KE3_LEN];
	struct opaque_client_result r;
};
/* Registers the account; what opaque_client_register_finish (or its sister without stretching) says. */
int sign_up(struct world *w, const struct opaque_config *config, const struct opaque_ids *ids);
/* New keys, and the account under `fast`. */
void world_make(struct world *w);
/* The server's answer to l->ke1; `record` NULL: for an account that there is not. */
int respond(const struct world *w, const struct opaque_ids *ids, const uint8_t *record, struct login *l);
/* A login up to KE2. */
void begin(const struct world *w, const char *password, struct login *l);
/* What opaque_client_login_finish (or its sister) says. Asserts that a failure gives nothing away, and that no secret
 * stays. */
int finish_client(struct login *l, const struct opaque_config *config, const struct opaque_ids *ids);

#endif
