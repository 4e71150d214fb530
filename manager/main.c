/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <base/secret.h>

#include "cmd/cmd.h"

static const char help[] =
	"Usage: conclave-manager COMMAND [OPTION]...\n"
	"\n"
	"The management server: accounts, meetings, sign-in, the web page, and the relays' enrolment.\n"
	"\n"
	"  init             make a new organisation and print its administrator's validation link\n"
	"  run              serve\n"
	"  check-config     check configuration, keys and database\n"
	"  relay-token      let one relay enrol; prints the command for its machine\n"
	"  validation-link  a new link for an account, such as an administrator with a lost password\n"
	"  sign-manifest    sign the list of servers anew, with a root key that is kept elsewhere\n"
	"\n"
	"conclave-manager COMMAND --help explains a command. conclave-manager --version prints the version.\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"init", mgr_cmd_init},
	{"run", mgr_cmd_run},
	{"check-config", mgr_cmd_check_config},
	{"relay-token", mgr_cmd_relay_token},
	{"validation-link", mgr_cmd_validation_link},
	{"sign-manifest", mgr_cmd_sign_manifest},
};

int main(int argc, char **argv)
{
	if (argc < 2) {
		fputs(help, stderr);
		return MGR_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return mgr_help(help);
	if (!strcmp(argv[1], "--version")) {
		puts("conclave-manager " CONCLAVE_VERSION);
		return MGR_EXIT_OK;
	}
	if (cv_process_harden() < 0)
		return mgr_die(MGR_EXIT_FAILED, "cannot prepare the process");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	}
	return mgr_die(MGR_EXIT_USAGE, "there is no command '%s' (see conclave-manager --help)", argv[1]);
}
