/* SPDX-License-Identifier: Apache-2.0 */
/* conclave-cli: the whole client in a terminal. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <base/log.h>
#include <base/secret.h>

#include "cli.h"

static const struct {
	const char *name;
	int (*run)(struct cli *cli, int argc, char **argv);
} commands[] = {
	{"validate", cli_validate}, {"login", cli_login}, {"logout", cli_logout}, {"whoami", cli_whoami},
	{"meeting", cli_meeting},   {"user", cli_user},   {"join", cli_join},
};

static int run(struct cli *cli, int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(argv[0], commands[i].name) == 0) {
			cli->command = commands[i].name;
			return commands[i].run(cli, argc, argv);
		}
	}
	return cli_usage_error(cli, "there is no command '%s'", cli_safe(argv[0]));
}

/* Options that stand before the command. Returns the index of the command, 0 when there is nothing more to do. */
static int global_options(struct cli *cli, int argc, char **argv, int *ret_exit)
{
	int i = 1;

	*ret_exit = CLIENT_DONE;
	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--json") == 0) {
			cli->json = true;
		} else if (strcmp(argv[i], "--profile") == 0 && i + 1 < argc) {
			cli->profile_dir = argv[++i];
		} else if (strncmp(argv[i], "--profile=", 10) == 0 && argv[i][10]) {
			cli->profile_dir = argv[i] + 10;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			cli_help(NULL);
			return 0;
		} else if (strcmp(argv[i], "--version") == 0) {
			printf("conclave-cli %s\n", CONCLAVE_VERSION);
			return 0;
		} else {
			*ret_exit = strcmp(argv[i], "--profile") == 0
					    ? cli_usage_error(cli, "--profile needs a directory")
					    : cli_usage_error(cli, "there is no option '%s' before the command",
							      cli_safe(argv[i]));
			return 0;
		}
	}
	if (i < argc && strcmp(argv[i], "help") == 0) {
		cli_help(NULL);
		return 0;
	}
	if (i == argc) {
		*ret_exit = cli_usage_error(cli, "no command given");
		return 0;
	}
	return i;
}

/* Standard streams that were closed would be the next files and connections that are opened. */
static bool have_streams(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	}
	return true;
}

/* What could not be written was not said: no success. */
static int wrote(int code)
{
	if ((fflush(stdout) == 0 && !ferror(stdout)) || code != CLIENT_DONE)
		return code;
	fputs("conclave-cli: the output cannot be written (a full disk, or nobody reads it)\n", stderr);
	return CLIENT_USAGE;
}

int main(int argc, char **argv)
{
	struct cli cli = {.command = ""};
	int code, at;

	if (!have_streams())
		return CLIENT_USAGE;
	if (cv_process_harden() != 0) {
		fputs("conclave-cli: the process cannot be protected against core dumps and tracing\n", stderr);
		return CLIENT_USAGE;
	}
	cv_log_set_level(CV_LOG_WARNING);
	setvbuf(stdout, NULL, _IOLBF, 0);
	at = global_options(&cli, argc, argv, &code);
	if (at > 0)
		code = run(&cli, argc - at, argv + at);
	code = wrote(code);
	cli_close(&cli);
	return code;
}
