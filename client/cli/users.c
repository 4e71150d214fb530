/* SPDX-License-Identifier: Apache-2.0 */
/* user list | invite | send-link | set-role | disable | enable: for administrators */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

static bool role_known(struct cli *cli, const char *role)
{
	if (strcmp(role, "user") == 0 || strcmp(role, "organiser") == 0 || strcmp(role, "administrator") == 0)
		return true;
	cli_usage_error(cli, "'%s' is no role: user, organiser or administrator", cli_safe(role));
	return false;
}

static int list(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL, *user;
	char **words;
	size_t i;
	int n, r = cli_options(cli, argc, argv, NULL, 0, 0, 0, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	if (cli_connect(cli) && client_api_call(cli->api, "GET", "/users", NULL, 0, &answer, &cli->err) == 0) {
		json_array_foreach(json_object_get(answer, "users"), i, user)
		{
			cli_say(cli, "%-13s  %-9s  %s %s <%s>", cli_field(user, "role"), cli_field(user, "state"),
				cli_field(user, "first_name"), cli_field(user, "last_name"), cli_field(user, "email"));
			cli_event(cli, "user", json_incref(user));
		}
	}
	json_decref(answer);
	return cli_finish(cli);
}

static int invite(struct cli *cli, int argc, char **argv)
{
	const char *role = "user";
	const struct cli_option options[] = {{"role", .value = &role}};
	json_t *body, *answer = NULL;
	char **words;
	int n, r = cli_options(cli, argc, argv, options, 1, 1, 1, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	if (!role_known(cli, role))
		return CLIENT_USAGE;
	body = json_pack("{s:s, s:s}", "email", words[0], "role", role);
	if (cli_connect(cli) && client_api_call(cli->api, "POST", "/users", body, 0, &answer, &cli->err) == 0) {
		cli_say(cli, "An invitation for %s is on its way.", cli_safe(words[0]));
		cli_event(cli, "user-invited",
			  json_is_object(answer) ? json_incref(answer) : json_pack("{s:s}", "email", words[0]));
	}
	json_decref(body);
	json_decref(answer);
	return cli_finish(cli);
}

/* The id of the account with this address. False: cli->err is set. */
static bool find(struct cli *cli, const char *email, char ret_id[2 * CLIENT_ID_LEN + 1])
{
	json_t *answer = NULL, *user;
	bool found = false;
	size_t i;

	if (client_api_call(cli->api, "GET", "/users", NULL, 0, &answer, &cli->err) != 0)
		return false;
	json_array_foreach(json_object_get(answer, "users"), i, user)
	{
		const char *id = json_string_value(json_object_get(user, "id"));

		if (!found && id && strlen(id) == 2 * CLIENT_ID_LEN &&
		    strcasecmp(cli_field(user, "email"), email) == 0) {
			memcpy(ret_id, id, 2 * CLIENT_ID_LEN + 1);
			found = true;
		}
	}
	json_decref(answer);
	if (!found)
		client_fail(&cli->err, CV_ENOTFOUND, CLIENT_REFUSED, "there is no account %s", cli_safe(email));
	return found;
}

static int change(struct cli *cli, const char *email, json_t *body, const char *done)
{
	char id[2 * CLIENT_ID_LEN + 1], path[64];
	json_t *answer = NULL;

	if (cli_connect(cli) && find(cli, email, id)) {
		snprintf(path, sizeof(path), "/users/%s", id);
		if (client_api_call(cli->api, "PATCH", path, body, 0, &answer, &cli->err) == 0) {
			cli_say(cli, "%s: %s.", cli_safe(email), done);
			cli_event(cli, "user-changed",
				  json_is_object(answer) ? json_incref(answer) : json_pack("{s:s}", "id", id));
		}
	}
	json_decref(body);
	json_decref(answer);
	return cli_finish(cli);
}

static int set_role(struct cli *cli, int argc, char **argv)
{
	char **words;
	int n, r = cli_options(cli, argc, argv, NULL, 0, 2, 2, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	if (!role_known(cli, words[1]))
		return CLIENT_USAGE;
	return change(cli, words[0], json_pack("{s:s}", "role", words[1]), words[1]);
}

static int set_disabled(struct cli *cli, int argc, char **argv, bool disabled)
{
	char **words;
	int n, r = cli_options(cli, argc, argv, NULL, 0, 1, 1, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	return change(cli, words[0], json_pack("{s:b}", "disabled", disabled), disabled ? "disabled" : "enabled again");
}

static int disable(struct cli *cli, int argc, char **argv)
{
	return set_disabled(cli, argc, argv, true);
}

static int enable(struct cli *cli, int argc, char **argv)
{
	return set_disabled(cli, argc, argv, false);
}

static int send_link(struct cli *cli, int argc, char **argv)
{
	char id[2 * CLIENT_ID_LEN + 1], path[64], **words;
	json_t *body, *answer = NULL;
	int n, r = cli_options(cli, argc, argv, NULL, 0, 1, 1, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	body = json_object();
	if (cli_connect(cli) && find(cli, words[0], id)) {
		snprintf(path, sizeof(path), "/users/%s/link", id);
		if (client_api_call(cli->api, "POST", path, body, 0, &answer, &cli->err) == 0) {
			cli_say(cli, "A new validation link for %s is on its way.", cli_safe(words[0]));
			cli_event(cli, "link-sent", json_pack("{s:s}", "email", words[0]));
		}
	}
	json_decref(body);
	json_decref(answer);
	return cli_finish(cli);
}

int cli_user(struct cli *cli, int argc, char **argv)
{
	static const struct {
		const char *name, *command;
		int (*run)(struct cli *cli, int argc, char **argv);
	} verbs[] = {
		{"list", "user list", list},
		{"invite", "user invite", invite},
		{"send-link", "user send-link", send_link},
		{"set-role", "user set-role", set_role},
		{"disable", "user disable", disable},
		{"enable", "user enable", enable},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0) {
			cli->command = verbs[i].command;
			return verbs[i].run(cli, argc - 1, argv + 1);
		}
	}
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		cli_help("user");
		return CLIENT_DONE;
	}
	return cli_usage_error(cli, "'user' is followed by list, invite, send-link, set-role, disable or enable");
}
