/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libs/opaque on a pipe, for tests against other implementations. One command per line, words parted by one space,
 * byte strings in base64url without padding, "-" for an empty one. Answers "ok WORD…" or "err TEXT".
 *
 *   setup PRIVATE SEED                        -> server public key        setup-new -> private, seed, public
 *   client-register-start PASSWORD            -> request
 *   client-register-finish RESPONSE IDC IDS   -> record, export key, server public key
 *   server-register CREDENTIAL REQUEST        -> response
 *   client-login-start PASSWORD               -> KE1
 *   client-login-finish KE2 IDC IDS           -> KE3, session key, export key, server public key
 *   server-login CREDENTIAL RECORD KE1 IDC IDS -> KE2
 *   server-finish KE3                         -> session key
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/text.h>
#include <opaque/opaque.h>

#define WORDS_MAX 6
#define LINE_MAX_ 16384

struct word {
	const char *text;
	uint8_t data[4096];
	size_t len;
};

static struct opaque_server_keys keys;
static struct opaque_client client;
static struct opaque_server_login server;
static struct word words[WORDS_MAX];
static char answer[LINE_MAX_];

static void reply(const void *data, size_t len)
{
	size_t at = strlen(answer);

	answer[at++] = ' ';
	cv_b64_encode(answer + at, data, len);
}

static struct opaque_ids ids_at(size_t i)
{
	return (struct opaque_ids){words[i].data, words[i].len, words[i + 1].data, words[i + 1].len};
}

static int setup(void)
{
	int err;

	if (words[1].len != OPAQUE_KEY_LEN || words[2].len != OPAQUE_OPRF_SEED_LEN)
		return CV_EFORMAT;
	err = opaque_server_keys_load(words[1].data, words[2].data, &keys);
	if (!err)
		reply(keys.public_key, sizeof(keys.public_key));
	return err;
}

static int setup_new(void)
{
	int err = opaque_server_keys_generate(cv_rng_system(), &keys);

	if (err)
		return err;
	reply(keys.private_key, sizeof(keys.private_key));
	reply(keys.oprf_seed, sizeof(keys.oprf_seed));
	reply(keys.public_key, sizeof(keys.public_key));
	return 0;
}

static int client_register_start(void)
{
	uint8_t request[OPAQUE_REQUEST_LEN];
	int err = opaque_client_register_start(&client, cv_rng_system(), words[1].data, words[1].len, request);

	if (!err)
		reply(request, sizeof(request));
	return err;
}

static int client_register_finish(void)
{
	uint8_t record[OPAQUE_RECORD_LEN], export_key[OPAQUE_EXPORT_KEY_LEN], public_key[OPAQUE_KEY_LEN];
	struct opaque_ids ids = ids_at(2);
	int err = opaque_client_register_finish(&client, &opaque_config_v1, &ids, cv_rng_system(), words[1].data,
						words[1].len, record, export_key, public_key);

	if (err)
		return err;
	reply(record, sizeof(record));
	reply(export_key, sizeof(export_key));
	reply(public_key, sizeof(public_key));
	return 0;
}

static int server_register(void)
{
	uint8_t response[OPAQUE_RESPONSE_LEN];
	int err = opaque_server_register_respond(&keys, words[1].data, words[1].len, words[2].data, words[2].len,
						 response);

	if (!err)
		reply(response, sizeof(response));
	return err;
}

static int client_login_start(void)
{
	uint8_t ke1[OPAQUE_KE1_LEN];
	int err = opaque_client_login_start(&client, cv_rng_system(), words[1].data, words[1].len, ke1);

	if (!err)
		reply(ke1, sizeof(ke1));
	return err;
}

static int client_login_finish(void)
{
	struct opaque_client_result result;
	struct opaque_ids ids = ids_at(2);
	uint8_t ke3[OPAQUE_KE3_LEN];
	int err =
		opaque_client_login_finish(&client, &opaque_config_v1, &ids, words[1].data, words[1].len, ke3, &result);

	if (err)
		return err;
	reply(ke3, sizeof(ke3));
	reply(result.session_key, sizeof(result.session_key));
	reply(result.export_key, sizeof(result.export_key));
	reply(result.server_public_key, sizeof(result.server_public_key));
	return 0;
}

static int server_login(void)
{
	struct opaque_ids ids = ids_at(4);
	uint8_t ke2[OPAQUE_KE2_LEN];
	int err = opaque_server_login_respond(&opaque_config_v1, &keys, &ids, words[1].data, words[1].len,
					      words[2].len ? words[2].data : NULL, words[2].len, words[3].data,
					      words[3].len, cv_rng_system(), ke2, &server);

	if (!err)
		reply(ke2, sizeof(ke2));
	return err;
}

static int server_finish(void)
{
	uint8_t session_key[OPAQUE_SESSION_KEY_LEN];
	int err = opaque_server_login_finish(&server, words[1].data, words[1].len, session_key);

	if (!err)
		reply(session_key, sizeof(session_key));
	return err;
}

static const struct {
	const char *name;
	size_t words;
	int (*run)(void);
} commands[] = {
	{"setup", 3, setup},
	{"setup-new", 1, setup_new},
	{"client-register-start", 2, client_register_start},
	{"client-register-finish", 4, client_register_finish},
	{"server-register", 3, server_register},
	{"client-login-start", 2, client_login_start},
	{"client-login-finish", 4, client_login_finish},
	{"server-login", 6, server_login},
	{"server-finish", 2, server_finish},
};

static int run(char *line)
{
	size_t n = 0;
	char *rest = NULL;

	line[strcspn(line, "\n")] = 0;
	for (char *w = strtok_r(line, " ", &rest); w; w = strtok_r(NULL, " ", &rest)) {
		if (n == WORDS_MAX)
			return CV_ELIMIT;
		words[n].text = w;
		words[n].len = 0;
		if (n > 0 && strcmp(w, "-") != 0 &&
		    cv_b64_decode(words[n].data, sizeof(words[n].data), w, strlen(w), &words[n].len) != 0)
			return CV_EFORMAT;
		n++;
	}
	for (size_t i = 0; n && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(words[0].text, commands[i].name) == 0)
			return n == commands[i].words ? commands[i].run() : CV_EINVAL;
	return CV_EUNSUPPORTED;
}

int main(void)
{
	static char line[LINE_MAX_];

	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		int err;

		answer[0] = 0;
		err = run(line);
		if (err)
			printf("err %s\n", cv_strerror(err));
		else
			printf("ok%s\n", answer);
	}
	return 0;
}
