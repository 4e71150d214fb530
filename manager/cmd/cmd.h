/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of conclave-manager. Each gets its own argv (argv[0] is its name) and returns the exit code. */
#ifndef MGR_CMD_H
#define MGR_CMD_H

#include <getopt.h>

#include "domain/app.h"

#define MGR_EXIT_OK     0
#define MGR_EXIT_FAILED 1
#define MGR_EXIT_USAGE  2

#define MGR_DEFAULT_DATA "/var/lib/conclave-manager"
#define MGR_CONF_FILE    "manager.conf"

int mgr_cmd_init(int argc, char **argv);
int mgr_cmd_run(int argc, char **argv);
int mgr_cmd_check_config(int argc, char **argv);
int mgr_cmd_relay_token(int argc, char **argv);
int mgr_cmd_validation_link(int argc, char **argv);
int mgr_cmd_sign_manifest(int argc, char **argv);

/* Prints `text` (a command's help) to standard output; returns MGR_EXIT_OK. */
int mgr_help(const char *text);
/* Error line on standard error; returns `code`. */
int mgr_die(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* --data and --config, which every command but init has. */
struct mgr_place {
	const char *data;   /* default MGR_DEFAULT_DATA */
	const char *config; /* default <data>/manager.conf */
};
#define MGR_PLACE_OPTIONS                                                                                              \
	{"data", required_argument, NULL, 'd'}, {"config", required_argument, NULL, 'c'},                              \
	{                                                                                                              \
		"help", no_argument, NULL, 'h'                                                                         \
	}

/* An existing organisation, opened. */
struct mgr_site {
	struct mgr_conf conf;
	struct mgr_keys keys;
	struct mgr_app app; /* with the store */
	char db_path[4096];
	int64_t schema; /* that the database had when it was opened */
};
/* Loads configuration, keys and database (which an older program may have made: `how`); prints what is wrong. 0 or an
 * exit code. */
int mgr_site_open(const struct mgr_place *place, enum mgr_store_how how, struct mgr_site *ret);
/* What the configuration names is there and fits: certificate, keys, folders. Prints what is wrong. 0 or an exit code.
 */
int mgr_site_check(const struct mgr_conf *c);
void mgr_site_close(struct mgr_site *s);
/* Runs `change` in a transaction. */
int mgr_site_change(struct mgr_site *s, int (*change)(struct mgr_app *app, void *arg), void *arg) CV_NODISCARD;

int64_t mgr_clock(void *arg);

#endif
