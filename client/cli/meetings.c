/* SPDX-License-Identifier: Apache-2.0 */
/* meeting create | list | show | invite | uninvite | cancel */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli.h"

#define INVITED_MAX 1000

/* "+01:00" or "+0100" in seconds. */
static bool parse_zone(const char *text, int *ret)
{
	unsigned hours, minutes;
	int used = 0;

	if ((*text != '+' && *text != '-') || strspn(text + 1, "0123456789:") != strlen(text + 1) ||
	    (sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &used) != 2 &&
	     sscanf(text + 1, "%2u%2u%n", &hours, &minutes, &used) != 2) ||
	    text[1 + used] || hours > 14 || minutes > 59)
		return false;
	*ret = (*text == '+' ? 1 : -1) * (int)(hours * 3600 + minutes * 60);
	return true;
}

/* 2026-03-01T14:30[:00][Z|+01:00]; local time when no zone is given. No day that the month does not have. */
static bool parse_start(const char *text, json_int_t *ret)
{
	struct tm tm = {.tm_isdst = -1};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M", &tm);
	int zone = 0, day = tm.tm_mday;
	time_t t;

	if (end && *end == ':')
		end = strptime(end, ":%S", &tm);
	if (!end || (*end && strcmp(end, "Z") != 0 && !parse_zone(end, &zone)))
		return false;
	t = *end ? timegm(&tm) : mktime(&tm);
	*ret = t - zone;
	return tm.tm_mday == day && *ret > 0;
}

static const char *when(const json_t *meeting)
{
	static char text[32];
	json_int_t start = json_integer_value(json_object_get(meeting, "start"));
	time_t t = (time_t)start;
	struct tm tm;

	if (start <= 0 || !localtime_r(&t, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm))
		return "any time";
	return text;
}

static const char *state(const json_t *meeting)
{
	return json_is_true(json_object_get(meeting, "cancelled")) ? "  (cancelled)"
	       : json_is_true(json_object_get(meeting, "running")) ? "  (running)"
								   : "";
}

static json_t *emails_of(char **words, int n)
{
	json_t *list = json_array();

	for (int i = 0; i < n; i++)
		json_array_append_new(list, json_string(words[i]));
	return list;
}

/* A request about one meeting; on success the event `name` with the answer (or the id alone). */
static int call(struct cli *cli, const char *method, const char *id, const char *tail, json_t *body, const char *name,
		json_t **ret_answer)
{
	json_t *answer = NULL;
	char path[128];

	snprintf(path, sizeof(path), "/meetings/%s%s", id, tail);
	if (cli_connect(cli) && client_api_call(cli->api, method, path, body, 0, &answer, &cli->err) == 0)
		cli_event(cli, name, json_is_object(answer) ? json_incref(answer) : json_pack("{s:s}", "id", id));
	json_decref(body);
	*ret_answer = answer;
	return cli->err.code;
}

static int create(struct cli *cli, int argc, char **argv)
{
	const char *title = NULL, *start = NULL, *duration = NULL, *invited[INVITED_MAX];
	size_t n_invited = 0;
	const struct cli_option options[] = {
		{"title", .value = &title},
		{"start", .value = &start},
		{"duration", .value = &duration},
		{"invite", .values = invited, .values_max = INVITED_MAX, .n_values = &n_invited},
	};
	json_t *body, *emails, *answer = NULL;
	json_int_t at = 0;
	long minutes;
	char **words;
	int n, r = cli_options(cli, argc, argv, options, 4, 0, -1, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	if (!title || !n_invited)
		return cli_usage_error(cli, "--title and --invite are needed");
	/* --invite takes several addresses: those that follow it arrive as words. */
	emails = emails_of(words, n);
	for (size_t i = 0; i < n_invited; i++)
		json_array_insert_new(emails, i, json_string(invited[i]));
	body = json_pack("{s:s, s:o}", "title", title, "invite", emails);
	if (start && !parse_start(start, &at)) {
		json_decref(body);
		return cli_usage_error(cli, "--start takes a time like 2026-03-01T14:30 or 2026-03-01T14:30Z");
	}
	if (duration && !cli_number(cli, "duration", duration, 1, 7 * 24 * 60, &minutes)) {
		json_decref(body);
		return CLIENT_USAGE;
	}
	if (start)
		json_object_set_new(body, "start", json_integer(at));
	if (duration)
		json_object_set_new(body, "duration_minutes", json_integer(minutes));
	if (cli_connect(cli) && client_api_call(cli->api, "POST", "/meetings", body, 0, &answer, &cli->err) == 0) {
		cli_say(cli, "Meeting '%s' (%s) has the id %s. Join it with: conclave-cli join %s", cli_safe(title),
			when(answer), cli_field(answer, "id"), cli_field(answer, "id"));
		cli_event(cli, "meeting-created", json_incref(answer));
	}
	json_decref(body);
	json_decref(answer);
	return cli_finish(cli);
}

static int list(struct cli *cli, int argc, char **argv)
{
	json_t *answer = NULL, *meeting;
	char **words;
	size_t i;
	int n, r = cli_options(cli, argc, argv, NULL, 0, 0, 0, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	if (cli_connect(cli) && client_api_call(cli->api, "GET", "/meetings", NULL, 0, &answer, &cli->err) == 0) {
		const json_t *all = json_object_get(answer, "meetings");

		if (json_array_size(all) == 0)
			cli_say(cli, "No meetings.");
		json_array_foreach(all, i, meeting)
		{
			cli_say(cli, "%s  %-16s  %s%s", cli_field(meeting, "id"), when(meeting),
				cli_field(meeting, "title"), state(meeting));
			cli_event(cli, "meeting", json_incref(meeting));
		}
	}
	json_decref(answer);
	return cli_finish(cli);
}

static void print_meeting(struct cli *cli, const json_t *m)
{
	long long minutes = (long long)json_integer_value(json_object_get(m, "duration_minutes"));
	const json_t *organiser = json_object_get(m, "organiser");
	json_t *person;
	size_t i;

	cli_say(cli, "%s%s\n  id        %s", cli_field(m, "title"), state(m), cli_field(m, "id"));
	if (minutes > 0)
		cli_say(cli, "  when      %s, %lld minutes", when(m), minutes);
	else
		cli_say(cli, "  when      %s", when(m));
	cli_say(cli, "  organiser %s %s <%s>", cli_field(organiser, "first_name"), cli_field(organiser, "last_name"),
		cli_field(organiser, "email"));
	json_array_foreach(json_object_get(m, "invited"), i, person)
	{
		if (json_is_string(person))
			cli_say(cli, "  invited   %s", cli_safe(json_string_value(person)));
		else
			cli_say(cli, "  invited   %s %s <%s>", cli_field(person, "first_name"),
				cli_field(person, "last_name"), cli_field(person, "email"));
	}
}

static int show_or_cancel(struct cli *cli, int argc, char **argv)
{
	bool show = strcmp(argv[0], "show") == 0;
	json_t *answer = NULL;
	char **words;
	int n, r = cli_options(cli, argc, argv, NULL, 0, 1, 1, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	if (!cli_id(cli, "meeting id", words[0]))
		return CLIENT_USAGE;
	r = call(cli, show ? "GET" : "DELETE", words[0], "", NULL, show ? "meeting" : "meeting-cancelled", &answer);
	if (r == 0 && show)
		print_meeting(cli, answer);
	else if (r == 0)
		cli_say(cli, "Cancelled.");
	json_decref(answer);
	return cli_finish(cli);
}

static int invite_or_uninvite(struct cli *cli, int argc, char **argv)
{
	bool invite = strcmp(argv[0], "invite") == 0;
	json_t *answer = NULL;
	char **words;
	int n, r = cli_options(cli, argc, argv, NULL, 0, 2, -1, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	if (!cli_id(cli, "meeting id", words[0]))
		return CLIENT_USAGE;
	if (call(cli, invite ? "POST" : "DELETE", words[0], "/invitations",
		 json_pack("{s:o}", "emails", emails_of(words + 1, n - 1)), invite ? "invited" : "uninvited",
		 &answer) == 0)
		cli_say(cli, "%s %d %s.", invite ? "Invited" : "Uninvited", n - 1, n == 2 ? "person" : "people");
	json_decref(answer);
	return cli_finish(cli);
}

int cli_meeting(struct cli *cli, int argc, char **argv)
{
	static const struct {
		const char *name, *command;
		int (*run)(struct cli *cli, int argc, char **argv);
	} verbs[] = {
		{"create", "meeting create", create},
		{"list", "meeting list", list},
		{"show", "meeting show", show_or_cancel},
		{"invite", "meeting invite", invite_or_uninvite},
		{"uninvite", "meeting uninvite", invite_or_uninvite},
		{"cancel", "meeting cancel", show_or_cancel},
	};

	for (size_t i = 0; argc > 1 && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0) {
			cli->command = verbs[i].command;
			return verbs[i].run(cli, argc - 1, argv + 1);
		}
	}
	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		cli_help("meeting");
		return CLIENT_DONE;
	}
	return cli_usage_error(cli, "'meeting' is followed by create, list, show, invite, uninvite or cancel");
}
