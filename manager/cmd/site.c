/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/time.h>
#include <net/tls.h>

#include "cmd/cmd.h"
#include "domain/files.h"
#include "domain/relay.h"

int mgr_help(const char *text)
{
	fputs(text, stdout);
	return MGR_EXIT_OK;
}

int mgr_die(int code, const char *format, ...)
{
	va_list ap;
	fputs("conclave-manager: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

int64_t mgr_clock(void *arg)
{
	return cv_wall_ms() / 1000;
}

static int load_conf(const struct mgr_place *place, struct mgr_conf *ret)
{
	char path[MGR_PATH_MAX], why[CV_CONF_MSG_MAX];
	const char *file = place->config;
	if (!file) {
		if (mgr_path(path, place->data ? place->data : MGR_DEFAULT_DATA, MGR_CONF_FILE) < 0)
			return mgr_die(MGR_EXIT_USAGE, "the path of --data is too long");
		file = path;
	}
	int r = mgr_conf_load(file, ret, why, sizeof why);
	if (r == CV_ENOTFOUND)
		return mgr_die(MGR_EXIT_FAILED,
			       "%s: no such file; run 'conclave-manager init' first, or name its folder with --data",
			       file);
	return r < 0 ? mgr_die(MGR_EXIT_FAILED, "%s", why) : 0;
}

static int open_store(struct mgr_site *s, enum mgr_store_how how)
{
	int r = mgr_store_open(s->db_path, how, &s->schema, &s->app.store);
	if (r == CV_EUNSUPPORTED)
		return mgr_die(MGR_EXIT_FAILED,
			       "%s has schema version %lld; this program knows %lld: install the newer release again",
			       s->db_path, (long long)s->schema, (long long)mgr_store_schema());
	if (r == CV_EFORMAT)
		return mgr_die(MGR_EXIT_FAILED, "%s is no database, or a damaged one: put a backup in its place",
			       s->db_path);
	return r < 0 ? mgr_die(MGR_EXIT_FAILED, "%s: %s", s->db_path, cv_strerror(r)) : 0;
}

int mgr_site_open(const struct mgr_place *place, enum mgr_store_how how, struct mgr_site *ret)
{
	struct mgr_site *s = ret;
	char dir[MGR_PATH_MAX];
	const char *what = "";
	memset(s, 0, sizeof *s);
	int code = load_conf(place, &s->conf);
	if (code)
		return code;
	if (mgr_path(dir, s->conf.data, MGR_KEYS_DIR) < 0 || mgr_path(s->db_path, s->conf.data, MGR_DB_FILE) < 0) {
		code = mgr_die(MGR_EXIT_USAGE, "the path of the data folder is too long");
		goto out;
	}
	int r = mgr_keys_load(dir, &s->keys, &what);
	if (r < 0) {
		code = mgr_die(MGR_EXIT_FAILED, "%s/%s: %s", dir, what, cv_strerror(r));
		goto out;
	}
	s->app = (struct mgr_app){.conf = &s->conf,
				  .keys = &s->keys,
				  .rng = cv_rng_system(),
				  .now = mgr_clock,
				  .started = mgr_clock(NULL)};
	code = open_store(s, how);
	if (!code && cv_rng_fill(s->app.rng, s->app.nonce_key, sizeof s->app.nonce_key) < 0)
		code = mgr_die(MGR_EXIT_FAILED, "no randomness");
out:
	if (code)
		mgr_site_close(s);
	return code;
}

static int check_tls(const struct mgr_conf *c)
{
	struct net_pin cert, key, spare;
	if (net_pin_of_cert_file(c->certificate, &cert) < 0)
		return mgr_die(MGR_EXIT_FAILED, "%s: no readable PEM certificate", c->certificate);
	if (net_pin_of_key_file(c->key, &key) < 0)
		return mgr_die(MGR_EXIT_FAILED, "%s: no readable PEM key", c->key);
	if (memcmp(&cert, &key, sizeof cert))
		return mgr_die(MGR_EXIT_FAILED, "%s is not the key of %s", c->key, c->certificate);
	if (net_pin_of_key_file(c->spare_key, &spare) < 0)
		return mgr_die(MGR_EXIT_FAILED, "%s: no readable PEM key", c->spare_key);
	if (!memcmp(&spare, &key, sizeof key))
		return mgr_die(MGR_EXIT_FAILED, "%s ([server] spare_key) must be another key than the one in use",
			       c->spare_key);
	return 0;
}

/* There and writable, or makeable. */
static bool outbox_usable(const char *dir)
{
	char parent[MGR_PATH_MAX];
	struct stat st;
	if (stat(dir, &st) == 0)
		return S_ISDIR(st.st_mode) && access(dir, W_OK | X_OK) == 0;
	int n = snprintf(parent, sizeof parent, "%s", dir);
	char *slash = n > 0 && n < (int)sizeof parent ? strrchr(parent, '/') : NULL;
	if (slash)
		slash[slash == parent] = 0;
	return errno == ENOENT && access(slash ? parent : ".", W_OK | X_OK) == 0;
}

int mgr_site_check(const struct mgr_conf *c)
{
	struct stat st;
	int code = check_tls(c);
	if (code)
		return code;
	if (c->web && (stat(c->web, &st) < 0 || !S_ISDIR(st.st_mode)))
		return mgr_die(MGR_EXIT_FAILED, "%s ([server] web) is no folder", c->web);
	if (c->smtp && c->smtp_password_file && access(c->smtp_password_file, R_OK) < 0)
		return mgr_die(MGR_EXIT_FAILED, "%s ([mail] password_file): %s", c->smtp_password_file,
			       strerror(errno));
	if (c->smtp && c->smtp_ca && access(c->smtp_ca, R_OK) < 0)
		return mgr_die(MGR_EXIT_FAILED, "%s ([mail] ca): %s", c->smtp_ca, strerror(errno));
	if (!c->smtp && !outbox_usable(c->outbox))
		return mgr_die(MGR_EXIT_FAILED, "%s ([mail] outbox) is no folder that can be written to", c->outbox);
	return 0;
}

void mgr_site_close(struct mgr_site *s)
{
	mgr_store_close(s->app.store);
	mgr_keys_done(&s->keys);
	mgr_conf_free(&s->conf);
	memset(s, 0, sizeof *s);
}

int mgr_site_change(struct mgr_site *s, int (*change)(struct mgr_app *app, void *arg), void *arg)
{
	int r = mgr_store_begin(s->app.store);
	if (r < 0)
		return r;
	r = change(&s->app, arg);
	if (r == 0)
		r = mgr_store_commit(s->app.store);
	if (r < 0)
		mgr_store_rollback(s->app.store);
	return r;
}
