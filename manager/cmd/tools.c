/* SPDX-License-Identifier: Apache-2.0 */
/* The small commands: check-config, relay-token, validation-link, sign-manifest. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <net/tls.h>

#include "cmd/cmd.h"
#include "domain/account.h"
#include "domain/files.h"
#include "domain/relay.h"

#define PLACE_HELP                                                                                                     \
	"  --data DIR     data folder (default " MGR_DEFAULT_DATA ")\n"                                                \
	"  --config FILE  configuration (default DIR/" MGR_CONF_FILE ")\n"

struct tool {
	struct mgr_place place;
	const char *url, *root_key, *operand;
};

/* 0; -1: help was printed; else an exit code. */
static int parse(int argc, char **argv, const char *help, int operands, struct tool *t)
{
	static const struct option options[] = {MGR_PLACE_OPTIONS,
						{"url", required_argument, NULL, 'u'},
						{"root-key", required_argument, NULL, 'k'},
						{0}};
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd': t->place.data = optarg; break;
		case 'c': t->place.config = optarg; break;
		case 'u': t->url = optarg; break;
		case 'k': t->root_key = optarg; break;
		case 'h': mgr_help(help); return -1;
		default: return MGR_EXIT_USAGE;
		}
	}
	if (argc - optind != operands)
		return mgr_die(MGR_EXIT_USAGE, "%s: wrong number of arguments (see %s --help)", argv[0], argv[0]);
	t->operand = operands ? argv[optind] : NULL;
	return 0;
}

static int failed(const struct mgr_site *site, int r)
{
	const struct mgr_problem *p = mgr_problem(r);
	if (site->app.detail[0])
		return mgr_die(MGR_EXIT_FAILED, "%s", site->app.detail);
	if (p->status != 500)
		return mgr_die(MGR_EXIT_FAILED, "%s. %s", p->title, p->detail);
	return mgr_die(MGR_EXIT_FAILED, "%s", cv_strerror(r));
}

/* ---- check-config ---- */

static const char check_help[] =
	"Usage: conclave-manager check-config [OPTION]...\n\n"
	"Checks configuration, keys, certificates and database without changing anything.\n\n" PLACE_HELP;

static int check_modes(const struct mgr_conf *c)
{
	static const char *const names[] = {"keys/root.key",         "keys/issuer.key",     "keys/grants.key",
					    "keys/opaque-oprf.seed", "keys/opaque-ake.key", "keys/mail-queue.key",
					    MGR_RELAY_CA_KEY,        MGR_RELAY_KEY};
	const char *const configured[] = {c->key, c->spare_key, c->smtp_password_file};
	char path[MGR_PATH_MAX];
	struct stat st;
	for (size_t i = 0; i < sizeof configured / sizeof configured[0]; i++) {
		if (configured[i] && stat(configured[i], &st) == 0 && (st.st_mode & 007))
			return mgr_die(MGR_EXIT_FAILED, "%s can be read by everybody: chmod 600 it", configured[i]);
	}
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (mgr_path(path, c->data, names[i]) < 0 || stat(path, &st) < 0)
			continue; /* root.key may be away; the others have been loaded */
		if (st.st_mode & 077)
			return mgr_die(MGR_EXIT_FAILED, "%s can be read by others: chmod 600 it", path);
	}
	return 0;
}

int mgr_cmd_check_config(int argc, char **argv)
{
	struct tool t = {0};
	struct mgr_site site;
	int code = parse(argc, argv, check_help, 0, &t);
	if (code)
		return code < 0 ? MGR_EXIT_OK : code;
	code = mgr_site_open(&t.place, MGR_STORE_LOOK, &site);
	if (code)
		return code;
	code = mgr_site_check(&site.conf);
	if (!code)
		code = check_modes(&site.conf);
	if (!code && site.schema < mgr_store_schema())
		printf("The database is an older release's (schema %lld); 'run' brings it to schema %lld.\n",
		       (long long)site.schema, (long long)mgr_store_schema());
	if (!code)
		printf("Configuration, keys and database are in order.\nRoot key: %s\nMail: %s %s\n",
		       site.keys.has_root ? "here" : "away", site.conf.smtp ? "by" : "files in",
		       site.conf.smtp ? site.conf.smtp : site.conf.outbox);
	mgr_site_close(&site);
	return code;
}

/* ---- relay-token ---- */

static const char token_help[] =
	"Usage: conclave-manager relay-token [--url RELAY-URL] [OPTION]...\n\n"
	"Makes a token with which one relay can enrol, once, within 24 hours, and prints the command for the relay's\n"
	"machine. RELAY-URL is how clients reach that relay (https://host or https://host:port).\n\n" PLACE_HELP;

static int make_token(struct mgr_app *app, void *arg)
{
	return mgr_relay_token(app, arg);
}

int mgr_cmd_relay_token(int argc, char **argv)
{
	struct tool t = {0};
	struct mgr_site site;
	struct net_pin pin;
	char token[MGR_TOKEN_TEXT], path[MGR_PATH_MAX], pin_text[NET_PIN_TEXT];
	int code = parse(argc, argv, token_help, 0, &t);
	if (code)
		return code < 0 ? MGR_EXIT_OK : code;
	if (t.url && mgr_url_check(t.url, NULL, 0) < 0)
		return mgr_die(MGR_EXIT_USAGE, "--url must be https://host or https://host:port");
	code = mgr_site_open(&t.place, MGR_STORE_OPEN, &site);
	if (code)
		return code;
	int r = mgr_path(path, site.conf.data, MGR_RELAY_CERT);
	if (r == 0)
		r = net_pin_of_cert_file(path, &pin);
	if (r == 0)
		r = mgr_site_change(&site, make_token, token);
	if (r < 0) {
		code = failed(&site, r);
	} else {
		net_pin_format(pin_text, &pin);
		/* The token goes in by standard input: arguments can be read by every process of the machine. */
		printf("echo %s | conclave-relay enrol --manager %s --pin %s --url %s\n", token, site.conf.relay_url,
		       pin_text, t.url ? t.url : "https://RELAY-HOST");
	}
	cv_wipe(token, sizeof token);
	mgr_site_close(&site);
	return code;
}

/* ---- validation-link ---- */

static const char link_help[] =
	"Usage: conclave-manager validation-link EMAIL [OPTION]...\n\n"
	"Prints a new validation link for an account, for an administrator whose password is lost. Older links stop\n"
	"working at once; the present password works until the link is used.\n\n" PLACE_HELP;

struct link_job {
	const char *email;
	char link[MGR_LINK_MAX];
};

static int make_link(struct mgr_app *app, void *arg)
{
	struct link_job *job = arg;
	struct mgr_account a;
	char email[MGR_EMAIL_MAX + 1];
	int r = mgr_email_normalise(app, job->email, email);
	if (r == 0)
		r = mgr_store_account_by_email(app->store, email, &a);
	if (r == CV_ENOTFOUND)
		return mgr_fail(app, MGR_ENOTFOUND, "There is no account with the address %s.", email);
	return r < 0 ? r : mgr_account_link(app, &a, job->link);
}

int mgr_cmd_validation_link(int argc, char **argv)
{
	struct tool t = {0};
	struct mgr_site site;
	struct link_job job = {0};
	int code = parse(argc, argv, link_help, 1, &t);
	if (code)
		return code < 0 ? MGR_EXIT_OK : code;
	code = mgr_site_open(&t.place, MGR_STORE_OPEN, &site);
	if (code)
		return code;
	job.email = t.operand;
	int r = mgr_site_change(&site, make_link, &job);
	if (r < 0)
		code = failed(&site, r);
	else
		printf("%s\n", job.link);
	cv_wipe(&job, sizeof job);
	mgr_site_close(&site);
	return code;
}

/* ---- sign-manifest ---- */

static const char manifest_help[] =
	"Usage: conclave-manager sign-manifest [--root-key FILE] [OPTION]...\n\n"
	"Signs the organisation's list of servers and keys anew for 30 days, and renews the identity issuer and grant\n"
	"signer when they have less than 60 days left (restart the manager then). FILE is the root key, when it is "
	"not\n"
	"kept on this server; it is not copied.\n\n" PLACE_HELP;

struct manifest_job {
	char keys_dir[MGR_PATH_MAX];
	bool rotated;
};

static int sign_manifest(struct mgr_app *app, void *arg)
{
	struct manifest_job *job = arg;
	int64_t left = 0;
	int r = mgr_keys_life(app->keys, mgr_now(app), &left);
	if (r == 0 && left < MGR_ROTATE_S && app->keys->has_root) {
		r = mgr_keys_rotate(job->keys_dir, app->keys, mgr_now(app), app->rng);
		job->rotated = r == 0;
	}
	return r < 0 ? r : mgr_manifest_sign(app);
}

int mgr_cmd_sign_manifest(int argc, char **argv)
{
	struct tool t = {0};
	struct mgr_site site;
	struct manifest_job job = {0};
	int code = parse(argc, argv, manifest_help, 0, &t);
	if (code)
		return code < 0 ? MGR_EXIT_OK : code;
	code = mgr_site_open(&t.place, MGR_STORE_OPEN, &site);
	if (code)
		return code;
	int r = t.root_key ? mgr_keys_load_root(&site.keys, t.root_key) : 0;
	if (r < 0) {
		code = mgr_die(MGR_EXIT_FAILED, "%s is not this organisation's root key (%s)", t.root_key,
			       cv_strerror(r));
		goto out;
	}
	r = mgr_path(job.keys_dir, site.conf.data, MGR_KEYS_DIR);
	if (r == 0)
		r = mgr_site_change(&site, sign_manifest, &job);
	if (r < 0)
		code = failed(&site, r);
	else
		printf("Signed.%s\n",
		       job.rotated ? " The signing keys were renewed: restart conclave-manager run." : "");
out:
	mgr_site_close(&site);
	return code;
}
