/* SPDX-License-Identifier: Apache-2.0 */
/* conclave-cli: what its commands share. One process, one command; everything here runs on the main thread. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>

#include <jansson.h>

#include <client/api.h>
#include <client/clock.h>
#include <client/error.h>
#include <client/profile.h>
#include <client/trust.h>

struct cli {
	const char *profile_dir; /* NULL: the default */
	bool json;               /* events as JSON lines on standard output */
	bool unread;             /* nobody reads them any more */
	const char *command;     /* as typed, for messages: "meeting create" */
	struct client_error err;
	struct client_clock clock;
	struct client_profile *profile; /* after cli_open */
	struct client_trust trust;      /* after cli_connect */
	struct client_api *api;         /* after cli_connect */
};

/* Commands: argv[0] is the (sub)command's name. Each returns the exit code. */
int cli_validate(struct cli *cli, int argc, char **argv);
int cli_login(struct cli *cli, int argc, char **argv);
int cli_logout(struct cli *cli, int argc, char **argv);
int cli_whoami(struct cli *cli, int argc, char **argv);
int cli_meeting(struct cli *cli, int argc, char **argv);
int cli_user(struct cli *cli, int argc, char **argv);
int cli_join(struct cli *cli, int argc, char **argv);

/* Opens the profile; with a signed-in user required or not. False: cli->err is set. */
bool cli_open(struct cli *cli, bool signed_in);
/* cli_open(signed_in), then trust, API and the newest manifest. False: cli->err is set. */
bool cli_connect(struct cli *cli);
void cli_close(struct cli *cli);

/*
 * Prints cli->err (standard error: "conclave-cli: …"; with --json also an `error` event) and returns its exit code.
 * Nothing set: CLIENT_DONE.
 */
int cli_finish(struct cli *cli);
/* A mistake in the command line: prints it with a hint to --help, returns CLIENT_USAGE. */
int cli_usage_error(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints one JSON line {"event": name, …fields}. Steals `fields` (an object; NULL: none). Only with --json. */
void cli_event(struct cli *cli, const char *name, json_t *fields);
/* A line for people on standard output; nothing with --json. */
void cli_say(struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Options of a command, on top of getopt_long. Unknown options, missing values and (unless `positionals` allows them)
 * missing or superfluous words are usage errors. `--help` prints the command's help and gives CLI_OPTIONS_HELP.
 */
struct cli_option {
	const char *name;    /* without dashes */
	bool *flag;          /* set when given; NULL: takes a value */
	bool path;           /* the value is a file's or folder's name, any bytes; else UTF-8 text */
	const char **value;  /* last value given */
	const char **values; /* each value given, up to values_max, counted in *n_values */
	size_t values_max;
	size_t *n_values;
};
#define CLI_OPTIONS_OK    0
#define CLI_OPTIONS_HELP  1
#define CLI_OPTIONS_WRONG 2
/* `ret_words` points to the words that are no options (inside argv), *ret_count counts them. */
int cli_options(struct cli *cli, int argc, char **argv, const struct cli_option *options, size_t n_options,
		int words_min, int words_max, char ***ret_words, int *ret_count);
/* Prints the help of cli->command. */
void cli_help(const char *command);

/* A decimal number in [min, max]; false: the usage error has been printed. */
bool cli_number(struct cli *cli, const char *option, const char *text, long min, long max, long *ret);
/* 32 hex digits (upper case is lowered in place). False: the usage error has been printed. */
bool cli_id(struct cli *cli, const char *what, char *text);

/* Text that came from a server, made safe for a terminal: NULL becomes "", control characters and what turns the
 * direction of text "?". Static buffers, eight in turn. */
const char *cli_safe(const char *text);
/* A string field of an object, "" when missing, as cli_safe gives it. */
const char *cli_field(const json_t *object, const char *name);

#endif
