/* SPDX-License-Identifier: Apache-2.0 */
/* validate, login, logout, whoami */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <base/text.h>
#include <client/signin.h>

#include "cli.h"

static int read_password(struct cli *cli, bool from_stdin, const char *prompt, struct client_password *ret)
{
	return from_stdin ? client_password_read(STDIN_FILENO, ret, &cli->err)
			  : client_password_prompt(prompt, ret, &cli->err);
}

/* A new password from a terminal is typed twice. */
static int read_new_password(struct cli *cli, bool from_stdin, struct client_password *ret)
{
	struct client_password again;
	int r = read_password(cli, from_stdin, "Choose a password: ", ret);

	if (r != 0 || from_stdin)
		return r;
	r = client_password_prompt("The same again: ", &again, &cli->err);
	if (r == 0 && (again.len != ret->len || memcmp(again.text, ret->text, ret->len) != 0))
		r = client_fail(&cli->err, CV_EINVAL, CLIENT_USAGE, "the two passwords differ; nothing was registered");
	client_password_wipe(&again);
	return r;
}

/* A profile knows one organisation: its session and its contacts are nothing for another one's servers. */
static bool same_organisation(struct cli *cli, const uint8_t fingerprint[CLIENT_HASH_LEN], const char *manager)
{
	uint8_t known[CLIENT_HASH_LEN];

	if (cli->profile->root_der == NULL)
		return true;
	proto_sha256(cli->profile->root_der, cli->profile->root_len, known);
	if (memcmp(known, fingerprint, CLIENT_HASH_LEN) == 0)
		return true;
	client_fail(&cli->err, CV_EAUTH, CLIENT_SECURITY,
		    "this profile belongs to %s, whose organisation has another fingerprint; use another profile "
		    "(--profile DIR) for %s",
		    cli->profile->manager_url, cli_safe(manager));
	return false;
}

int cli_validate(struct cli *cli, int argc, char **argv)
{
	struct client_validation v = {0};
	struct client_password password = {0};
	struct client_link link;
	bool from_stdin = false;
	const struct cli_option options[] = {
		{"first-name", .value = &v.first_name},
		{"last-name", .value = &v.last_name},
		{"password-stdin", .flag = &from_stdin},
	};
	char **words;
	int n, r = cli_options(cli, argc, argv, options, 3, 1, 1, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	if (!v.first_name || !v.last_name)
		return cli_usage_error(cli, "--first-name and --last-name are needed");
	if (client_link_parse(words[0], &link, &cli->err) == 0 && cli_open(cli, false) &&
	    same_organisation(cli, link.fingerprint, link.manager_url) &&
	    read_new_password(cli, from_stdin, &password) == 0 &&
	    client_validate(cli->profile, &cli->clock, &link, &v, &password, &cli->err) == 0) {
		cli_say(cli, "The account %s at %s is ready. Sign in with: conclave-cli login --manager %s %s",
			cli_safe(v.email), cli_safe(v.organisation), cli->profile->manager_url, cli_safe(v.email));
		cli_event(cli, "validated",
			  json_pack("{s:s, s:s, s:s}", "email", v.email, "organisation", v.organisation, "manager",
				    cli->profile->manager_url));
	}
	client_password_wipe(&password);
	cv_wipe(&link, sizeof(link));
	return cli_finish(cli);
}

/* First contact without an invitation link: the person compares the fingerprint, once. */
static int ask_fingerprint(struct cli *cli, const char *manager, uint8_t ret[CLIENT_HASH_LEN])
{
	char hex[2 * CLIENT_HASH_LEN + 1], answer[16] = "";
	int r = client_api_show_root(manager, &cli->clock, ret, &cli->err);

	if (r != 0)
		return r;
	cv_hex_encode(hex, ret, CLIENT_HASH_LEN);
	if (!isatty(STDIN_FILENO) || cli->json)
		return client_fail(&cli->err, CV_EDENIED, CLIENT_USAGE,
				   "this manager has not been met before; pass --org with the fingerprint that your "
				   "invitation shows (it shows itself as %s)",
				   hex);
	fprintf(stderr,
		"First contact with %s. The fingerprint of its organisation is\n  %s\n"
		"Compare it with your invitation or ask your administrator. Is it the same? [y/N] ",
		cli_safe(manager), hex);
	if (!fgets(answer, sizeof(answer), stdin) || strncasecmp(answer, "y", 1) != 0)
		return client_fail(&cli->err, CV_EDENIED, CLIENT_REFUSED, "the fingerprint was not confirmed");
	return 0;
}

static int meet_manager(struct cli *cli, const char *manager, const char *org)
{
	char url[CLIENT_URL_MAX + 1] = "";
	uint8_t fingerprint[CLIENT_HASH_LEN];
	int r = manager ? client_manager_url(manager, url, &cli->err) : 0;

	if (r == 0 && org && cv_hex_decode(fingerprint, sizeof(fingerprint), org) != 0)
		r = client_fail(&cli->err, CV_EINVAL, CLIENT_USAGE, "--org takes 64 hexadecimal digits");
	if (r != 0)
		return r;
	if (cli->profile->manager_url[0]) {
		char known[CLIENT_URL_MAX + 1];

		if (client_manager_url(cli->profile->manager_url, known, &cli->err) != 0)
			return cli->err.code;
		if (manager && strcmp(url, known) != 0)
			return client_fail(&cli->err, CV_EINVAL, CLIENT_USAGE,
					   "this profile belongs to %s; use another one (--profile DIR) for %s",
					   cli->profile->manager_url, cli_safe(manager));
		return !org || same_organisation(cli, fingerprint, known) ? 0 : cli->err.code;
	}
	if (!manager)
		return client_fail(&cli->err, CV_EINVAL, CLIENT_USAGE,
				   "--manager URL is needed the first time; it stands in your invitation");
	if (!org)
		r = ask_fingerprint(cli, manager, fingerprint);
	return r != 0 ? r : client_api_first_contact(cli->profile, &cli->clock, manager, fingerprint, &cli->err);
}

int cli_login(struct cli *cli, int argc, char **argv)
{
	const char *manager = NULL, *org = NULL;
	struct client_password password = {0};
	bool from_stdin = false;
	const struct cli_option options[] = {
		{"manager", .value = &manager},
		{"org", .value = &org},
		{"password-stdin", .flag = &from_stdin},
	};
	char **words;
	int n, r = cli_options(cli, argc, argv, options, 3, 1, 1, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	if (cli_open(cli, false) && meet_manager(cli, manager, org) == 0 &&
	    read_password(cli, from_stdin, "Password: ", &password) == 0 &&
	    client_login(cli->profile, &cli->clock, words[0], &password, &cli->err) == 0) {
		cli_say(cli, "Signed in as %s <%s>.", cli_safe(cli->profile->name), cli_safe(cli->profile->email));
		cli_event(cli, "signed-in",
			  json_pack("{s:s, s:s, s:s}", "email", cli->profile->email, "name", cli->profile->name, "role",
				    cli->profile->role));
	}
	client_password_wipe(&password);
	return cli_finish(cli);
}

static bool no_words(struct cli *cli, int argc, char **argv, int *ret_exit)
{
	char **words;
	int n, r = cli_options(cli, argc, argv, NULL, 0, 0, 0, &words, &n);

	*ret_exit = r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	return r == CLI_OPTIONS_OK;
}

int cli_logout(struct cli *cli, int argc, char **argv)
{
	int code;

	if (!no_words(cli, argc, argv, &code))
		return code;
	if (cli_open(cli, false) && client_logout(cli->profile, &cli->clock, &cli->err) == 0) {
		cli_say(cli, "Signed out.");
		cli_event(cli, "signed-out", NULL);
	}
	return cli_finish(cli);
}

int cli_whoami(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL;
	int code;

	if (!no_words(cli, argc, argv, &code))
		return code;
	if (cli_connect(cli) && client_api_call(cli->api, "GET", "/auth/whoami", NULL, 0, &answer, &cli->err) == 0) {
		const json_t *user = json_object_get(answer, "user") ? json_object_get(answer, "user") : answer;

		cli_say(cli, "%s %s <%s>, %s, at %s", cli_field(user, "first_name"), cli_field(user, "last_name"),
			cli_field(user, "email"), cli_field(user, "role"), cli->profile->manager_url);
		cli_event(cli, "whoami", json_incref((json_t *)user));
	}
	json_decref(answer);
	return cli_finish(cli);
}
