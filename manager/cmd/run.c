/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <curl/curl.h>

#include <base/log.h>

#include "api/http.h"
#include "auth/auth.h"
#include "cmd/cmd.h"
#include "domain/relay.h"
#include "domain/run.h"
#include "mail/mail.h"

#define SWEEP_EVERY_S 5
#define PRUNE_EVERY_S 60
#define TEND_EVERY_S  3600

static const char help[] =
	"Usage: conclave-manager run [OPTION]...\n\n"
	"Serves the API, the web page and the relays until SIGTERM or SIGINT. Logs to standard error.\n"
	"SIGHUP: takes a renewed TLS certificate into use. Its key must be the one before, or the spare one.\n\n"
	"  --data DIR     data folder (default " MGR_DEFAULT_DATA ")\n"
	"  --config FILE  configuration (default DIR/" MGR_CONF_FILE ")\n";

struct server {
	struct mgr_site site;
	struct mgr_static *pages;
	struct mgr_mailer *mailer;
	struct mgr_http *http;
	int64_t ticks;
};

static struct mgr_http *running; /* for the signal handler */

static void on_signal(int signo)
{
	if (running && signo == SIGHUP)
		mgr_http_wake_reload(running);
	else if (running)
		mgr_http_stop(running);
}

static void on_mail(void *arg)
{
	struct server *s = arg;
	mgr_mailer_wake(s->mailer);
}

static void report(struct server *s, const char *what, int r)
{
	if (r < 0)
		cv_log(CV_LOG_ERROR, "manager", "periodic work failed", cv_log_str("what", what),
		       cv_log_err("error", r), cv_log_str("store", mgr_store_error(s->site.app.store)));
}

static int sweep(struct mgr_app *app, void *arg)
{
	return mgr_run_sweep(app);
}

static int prune(struct mgr_app *app, void *arg)
{
	return mgr_store_prune(app->store, mgr_now(app), MGR_THROTTLE_ROWS);
}

static int tend(struct mgr_app *app, void *arg)
{
	return mgr_manifest_tend(app);
}

static void on_tick(void *arg)
{
	struct server *s = arg;
	s->ticks++;
	if (s->ticks % SWEEP_EVERY_S == 0) {
		report(s, "runs", mgr_site_change(&s->site, sweep, NULL));
		mgr_login_sweep(&s->site.app);
	}
	if (s->ticks % PRUNE_EVERY_S == 0)
		report(s, "prune", mgr_site_change(&s->site, prune, NULL));
	if (s->ticks % TEND_EVERY_S == 0)
		report(s, "manifest", mgr_site_change(&s->site, tend, NULL));
}

/* A key that the manifest does not pin would lock every client out, so it is not taken into use. */
static void on_reload(void *arg)
{
	struct server *s = arg;
	const char *file = s->site.conf.certificate;
	bool pinned = false;
	int r = mgr_manifest_pinned(&s->site.app, file, &pinned);
	if (r == 0 && !pinned) {
		cv_log(CV_LOG_ERROR, "manager",
		       "certificate not reloaded: clients do not know its key; renew it for the key before, or the "
		       "spare one",
		       cv_log_str("file", file));
		return;
	}
	if (r == 0)
		r = mgr_http_load_certificate(s->http);
	if (r < 0) {
		cv_log(CV_LOG_ERROR, "manager", "certificate not reloaded: it cannot be read, or is not for the key",
		       cv_log_str("file", file), cv_log_err("error", r));
		return;
	}
	cv_log(CV_LOG_NOTICE, "manager", "certificate reloaded", cv_log_str("file", file));
	report(s, "manifest", mgr_site_change(&s->site, tend, NULL));
}

/* The configured folder, else the installed one, else that of the build tree. */
static const char *web_folder(const struct mgr_conf *c)
{
	static const char *const places[] = {MGR_WEB_DIR, MGR_WEB_BUILD_DIR};
	struct stat st;
	if (c->web)
		return c->web;
	for (size_t i = 0; i < 2; i++) {
		if (stat(places[i], &st) == 0 && S_ISDIR(st.st_mode))
			return places[i];
	}
	return NULL;
}

static int load_pages(struct server *s)
{
	const char *dir = web_folder(&s->site.conf);
	int r = mgr_static_load(dir, &s->pages);
	if (r < 0)
		return mgr_die(MGR_EXIT_FAILED, "%s: %s", dir ? dir : "web page", cv_strerror(r));
	if (dir)
		cv_log(CV_LOG_INFO, "manager", "web page loaded", cv_log_str("folder", dir),
		       cv_log_uint("files", mgr_static_count(s->pages)));
	else
		cv_log(CV_LOG_WARNING, "manager",
		       "no web page installed: serving a page that names the terminal client");
	return 0;
}

static void handle_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	sigemptyset(&sa.sa_mask);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
}

static int start(struct server *s)
{
	enum cv_log_level level;
	const struct mgr_conf *c = &s->site.conf;
	if (cv_log_level_parse(c->log_level, &level) == 0)
		cv_log_set_level(level);
	int code = mgr_site_check(c);
	if (code)
		return code;
	int r = mgr_site_change(&s->site, tend, NULL);
	if (r < 0)
		return mgr_die(MGR_EXIT_FAILED, "the manifest cannot be kept up: %s (database: %s)", cv_strerror(r),
			       mgr_store_error(s->site.app.store));
	r = mgr_logins_new(&s->site.app.logins);
	if (r < 0)
		return mgr_die(MGR_EXIT_FAILED, "%s", cv_strerror(r));
	code = load_pages(s);
	if (code)
		return code;
	struct mgr_http_opts opts = {.app = &s->site.app,
				     .pages = s->pages,
				     .on_mail = on_mail,
				     .on_tick = on_tick,
				     .on_reload = on_reload,
				     .arg = s};
	r = mgr_http_new(&opts, &s->http);
	if (r < 0)
		return mgr_die(MGR_EXIT_FAILED, "cannot serve on %s and %s (see the log above)", c->listen,
			       c->relay_listen);
	running = s->http;
	handle_signals();
	r = mgr_mailer_start(c, &s->site.keys, s->site.db_path, &s->mailer);
	if (r < 0)
		return mgr_die(MGR_EXIT_FAILED, "the mail queue cannot be opened: %s", cv_strerror(r));
	if (c->smtp)
		cv_log(CV_LOG_NOTICE, "mail", "sending by SMTP", cv_log_str("server", c->smtp));
	else
		cv_log(CV_LOG_NOTICE, "mail", "no SMTP server configured: messages are written as .eml files",
		       cv_log_str("folder", c->outbox));
	cv_log(CV_LOG_NOTICE, "manager", "serving", cv_log_str("url", c->url), cv_log_str("listen", c->listen),
	       cv_log_str("relays", c->relay_listen), cv_log_str("version", CONCLAVE_VERSION));
	return 0;
}

int mgr_cmd_run(int argc, char **argv)
{
	static const struct option options[] = {MGR_PLACE_OPTIONS, {0}};
	struct mgr_place place = {0};
	struct server s = {0};
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd': place.data = optarg; break;
		case 'c': place.config = optarg; break;
		case 'h': return mgr_help(help);
		default: return MGR_EXIT_USAGE;
		}
	}
	if (optind != argc)
		return mgr_die(MGR_EXIT_USAGE, "run takes no arguments (see run --help)");
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return mgr_die(MGR_EXIT_FAILED, "cannot prepare the process");
	int code = mgr_site_open(&place, MGR_STORE_OPEN, &s.site);
	if (code)
		return code;
	code = start(&s);
	if (!code) {
		if (mgr_http_run(s.http) < 0)
			code = mgr_die(MGR_EXIT_FAILED, "the server's loop failed");
		cv_log(CV_LOG_NOTICE, "manager", "stopping");
	}
	running = NULL;
	mgr_mailer_stop(s.mailer);
	mgr_http_free(s.http);
	mgr_static_free(s.pages);
	mgr_logins_free(s.site.app.logins);
	mgr_site_close(&s.site);
	curl_global_cleanup();
	return code;
}
