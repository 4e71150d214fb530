/* SPDX-License-Identifier: Apache-2.0 */
/* Registers an account and signs in. Client and server share nothing here but the messages. */
#include <stdio.h>
#include <string.h>

#include <opaque/opaque.h>

static const char account[] = "account-17";

static int sign_up(const struct opaque_server_keys *server, const char *password, uint8_t record[OPAQUE_RECORD_LEN])
{
	uint8_t request[OPAQUE_REQUEST_LEN], response[OPAQUE_RESPONSE_LEN], export_key[OPAQUE_EXPORT_KEY_LEN];
	const struct cv_rng *rng = cv_rng_system();
	struct opaque_client client;
	int err;

	/* client */
	err = opaque_client_register_start(&client, rng, password, strlen(password), request);
	if (err)
		return err;
	/* server */
	err = opaque_server_register_respond(server, account, strlen(account), request, sizeof(request), response);
	if (err)
		goto out;
	/* client, which sends the record to the server */
	err = opaque_client_register_finish(&client, &opaque_config_v1, NULL, rng, response, sizeof(response), record,
					    export_key, NULL);
	/* server */
	if (!err)
		err = opaque_record_check(record, OPAQUE_RECORD_LEN);
	cv_wipe(export_key, sizeof(export_key));
out:
	opaque_client_done(&client);
	return err;
}

static int sign_in(const struct opaque_server_keys *server, const char *password, const uint8_t *record)
{
	uint8_t ke1[OPAQUE_KE1_LEN], ke2[OPAQUE_KE2_LEN], ke3[OPAQUE_KE3_LEN], server_key[OPAQUE_SESSION_KEY_LEN];
	const struct cv_rng *rng = cv_rng_system();
	struct opaque_client_result result;
	struct opaque_server_login login;
	struct opaque_client client;
	int err;

	/* client */
	err = opaque_client_login_start(&client, rng, password, strlen(password), ke1);
	if (err)
		return err;
	/* server; `record` is NULL for an unknown account */
	err = opaque_server_login_respond(&opaque_config_v1, server, NULL, account, strlen(account), record,
					  record ? OPAQUE_RECORD_LEN : 0, ke1, sizeof(ke1), rng, ke2, &login);
	if (err)
		goto out;
	/* client: knows now that it talks to the right server */
	err = opaque_client_login_finish(&client, &opaque_config_v1, NULL, ke2, sizeof(ke2), ke3, &result);
	if (err)
		goto out;
	/* server: knows now that the password was right */
	err = opaque_server_login_finish(&login, ke3, sizeof(ke3), server_key);
	if (!err && !cv_equal(server_key, result.session_key, sizeof(server_key)))
		err = CV_EAUTH;
	cv_wipe(server_key, sizeof(server_key));
	cv_wipe(&result, sizeof(result));
out:
	opaque_client_done(&client);
	cv_wipe(&login, sizeof(login));
	return err;
}

int main(void)
{
	uint8_t record[OPAQUE_RECORD_LEN];
	struct opaque_server_keys server;
	int err;

	err = opaque_server_keys_generate(cv_rng_system(), &server);
	if (!err)
		err = sign_up(&server, "correct horse", record);
	if (err)
		return fprintf(stderr, "failed: %s\n", cv_strerror(err)), 1;
	printf("right password: %s\n", cv_strerror(sign_in(&server, "correct horse", record)));
	printf("wrong password: %s\n", cv_strerror(sign_in(&server, "battery staple", record)));
	printf("unknown account: %s\n", cv_strerror(sign_in(&server, "correct horse", NULL)));
	cv_wipe(&server, sizeof(server));
	return 0;
}
