/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/text.h>
#include <net/tls.h>

#include "cmd/cmd.h"
#include "domain/account.h"
#include "domain/files.h"
#include "domain/relay.h"
#include "mail/mail.h"

#define CERT_DAYS 3650

static const char help[] =
	"Usage: conclave-manager init --organisation NAME --url URL --admin-email ADDRESS [OPTION]...\n"
	"\n"
	"Makes a new organisation: root key, identity issuer, grant signer, password keys, TLS certificate and spare\n"
	"key, a private authority for relays, database and configuration. Prints the administrator's validation link.\n"
	"Refuses when the data folder holds an organisation already.\n"
	"\n"
	"  --organisation NAME     shown in invitations\n"
	"  --url URL               how people reach this server: https://host or https://host:port\n"
	"  --admin-email ADDRESS   of the first administrator\n"
	"  --data DIR              data folder (default " MGR_DEFAULT_DATA ")\n"
	"  --listen [ADDRESS:]PORT where to listen (default: the port of URL on every address)\n"
	"  --relay-listen [ADDRESS:]PORT  where relays report (default 8445)\n"
	"  --relay-url URL         how relays reach that (default: the host of URL, the port of --relay-listen)\n"
	"  --cert FILE --key FILE  a TLS certificate (PEM, chain allowed) and its key (default: self-issued)\n"
	"  --mail-from ADDRESS     sender of mail (default: conclave@ and the host of URL)\n"
	"\n"
	"Lost password. Any administrator can send a user a new link (conclave-cli user send-link). For the\n"
	"administrator's own lost password, on this server:\n"
	"    conclave-manager validation-link ADDRESS --data DIR\n"
	"prints a new link; validating with it replaces the password and ends the account's sessions.\n"
	"\n"
	"The root key, DIR/keys/root.key, signs the organisation's certificates and its list of servers; whoever has "
	"it\n"
	"can pose as the organisation, and without it the list cannot be renewed. Back it up at once, encrypted and "
	"away\n"
	"from this server, for example:\n"
	"    tar -c -C DIR keys tls manager.conf | age -p > conclave-keys.age\n"
	"To keep it offline altogether, move root.key to a removable medium after the relays are enrolled. The server\n"
	"goes on without it; enrolling a relay, or renewing the list (it lasts 30 days, run warns 15 days before) "
	"then\n"
	"needs it for a moment:\n"
	"    conclave-manager sign-manifest --root-key /media/usb/root.key --data DIR\n"
	"To move to another machine, stop the manager and copy the whole folder DIR with its modes.\n"
	"Losing keys/opaque-oprf.seed or keys/opaque-ake.key makes every password useless: back up all of keys/.\n";

struct init {
	const char *organisation, *url, *email, *data, *listen, *relay_listen, *relay_url, *cert, *key, *mail_from;
	char url_text[MGR_URL_MAX + 2], host[256], listen_text[16], relay_url_text[320], mail_from_text[320];
	char cert_path[PATH_MAX], key_path[PATH_MAX];
};

static int parse(int argc, char **argv, struct init *in)
{
	static const struct option options[] = {
		{"organisation", required_argument, NULL, 'o'},
		{"url", required_argument, NULL, 'u'},
		{"admin-email", required_argument, NULL, 'e'},
		{"data", required_argument, NULL, 'd'},
		{"listen", required_argument, NULL, 'l'},
		{"relay-listen", required_argument, NULL, 'r'},
		{"relay-url", required_argument, NULL, 'R'},
		{"cert", required_argument, NULL, 'C'},
		{"key", required_argument, NULL, 'K'},
		{"mail-from", required_argument, NULL, 'm'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int c;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'o': in->organisation = optarg; break;
		case 'u': in->url = optarg; break;
		case 'e': in->email = optarg; break;
		case 'd': in->data = optarg; break;
		case 'l': in->listen = optarg; break;
		case 'r': in->relay_listen = optarg; break;
		case 'R': in->relay_url = optarg; break;
		case 'C': in->cert = optarg; break;
		case 'K': in->key = optarg; break;
		case 'm': in->mail_from = optarg; break;
		case 'h': mgr_help(help); return -1;
		default: return MGR_EXIT_USAGE;
		}
	}
	if (optind != argc || !in->organisation || !in->url || !in->email)
		return mgr_die(MGR_EXIT_USAGE, "init needs --organisation, --url and --admin-email (see init --help)");
	if (!in->cert != !in->key)
		return mgr_die(MGR_EXIT_USAGE, "--cert and --key go together");
	return 0;
}

static bool has_newline(const char *s)
{
	return s && (strchr(s, '\n') || strchr(s, '\r'));
}

static int complete(struct init *in)
{
	struct mgr_listen l;
	int n = snprintf(in->url_text, sizeof in->url_text, "%s", in->url);
	if (n > 8 && n < (int)sizeof in->url_text && in->url_text[n - 1] == '/')
		in->url_text[n - 1] = 0;
	in->url = in->url_text;
	if (mgr_url_check(in->url, in->host, sizeof in->host) < 0)
		return mgr_die(MGR_EXIT_USAGE, "--url must be https://host or https://host:port, without a path");
	if (!cv_text_printable(in->organisation, strlen(in->organisation)) || !*in->organisation ||
	    strlen(in->organisation) > 200 || strchr(in->organisation, ';'))
		return mgr_die(MGR_EXIT_USAGE, "--organisation must be 1 to 200 bytes of printable text without ';'");
	if (has_newline(in->listen) || has_newline(in->relay_listen) || has_newline(in->mail_from))
		return mgr_die(MGR_EXIT_USAGE, "line breaks are not allowed in values");
	const char *port = strrchr(in->url + 8, ':');
	if (!in->listen) {
		snprintf(in->listen_text, sizeof in->listen_text, "%s", port && !strchr(port, ']') ? port + 1 : "443");
		in->listen = in->listen_text;
	}
	if (!in->relay_listen)
		in->relay_listen = "8445";
	if (mgr_listen_parse(in->listen, &l) < 0 || mgr_listen_parse(in->relay_listen, &l) < 0)
		return mgr_die(MGR_EXIT_USAGE, "--listen and --relay-listen must be PORT or ADDRESS:PORT, in digits");
	if (!in->relay_url) {
		snprintf(in->relay_url_text, sizeof in->relay_url_text,
			 strchr(in->host, ':') ? "https://[%s]:%d" : "https://%s:%d", in->host, l.port);
		in->relay_url = in->relay_url_text;
	}
	if (mgr_url_check(in->relay_url, NULL, 0) < 0)
		return mgr_die(MGR_EXIT_USAGE, "--relay-url must be https://host or https://host:port, without a path");
	if (!in->mail_from) {
		snprintf(in->mail_from_text, sizeof in->mail_from_text, "Conclave <conclave@%s>", in->host);
		in->mail_from = in->mail_from_text;
	}
	if (!mgr_sender_check(in->mail_from))
		return mgr_die(MGR_EXIT_USAGE, "--mail-from must be an address, or 'Name <address>'");
	if (!in->data)
		in->data = MGR_DEFAULT_DATA;
	if (in->cert && (!realpath(in->cert, in->cert_path) || !realpath(in->key, in->key_path)))
		return mgr_die(MGR_EXIT_FAILED, "--cert or --key: %s", strerror(errno));
	return 0;
}

static bool is_empty(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	size_t n = 0;
	while (d && (e = readdir(d)))
		n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
	if (d)
		closedir(d);
	return d && n == 0;
}

static int check_fresh(const struct init *in)
{
	static const char *const taken[] = {MGR_CONF_FILE, MGR_DB_FILE, MGR_KEYS_DIR, "tls"};
	char path[MGR_PATH_MAX];
	for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
		if (mgr_path(path, in->data, taken[i]) < 0)
			return mgr_die(MGR_EXIT_USAGE, "the path of --data is too long");
		if (access(path, F_OK) == 0)
			return mgr_die(MGR_EXIT_FAILED,
				       "%s exists: this folder holds an organisation already; nothing was changed",
				       path);
	}
	/* A folder that holds other things keeps its mode: what is made in it is closed to others anyway. */
	if (mgr_dir_make(in->data) < 0 || (is_empty(in->data) && chmod(in->data, 0700) < 0))
		return mgr_die(MGR_EXIT_FAILED, "%s: %s", in->data, strerror(errno));
	return 0;
}

/* ---- TLS keys and certificates ---- */

static int make_key(const char *dir, const char *name, struct cv_buf *ret_pem)
{
	char path[MGR_PATH_MAX];
	int r = mgr_path(path, dir, name);
	if (r == 0)
		r = net_key_make(ret_pem);
	return r < 0 ? r : net_pem_write(path, (const char *)ret_pem->data, true);
}

static int make_cert(const char *dir, const char *name, const char *key_pem, const struct net_cert_opts *opts,
		     struct cv_buf *ret_pem)
{
	char path[MGR_PATH_MAX];
	int r = mgr_path(path, dir, name);
	if (r == 0)
		r = net_cert_make(opts, key_pem, ret_pem);
	return r < 0 ? r : net_pem_write(path, (const char *)ret_pem->data, false);
}

static int make_pair(const char *dir, const char *key_name, const char *cert_name, const struct net_cert_opts *opts,
		     struct cv_buf *key, struct cv_buf *cert)
{
	int r = make_key(dir, key_name, key);
	return r < 0 ? r : make_cert(dir, cert_name, (const char *)key->data, opts, cert);
}

static int make_tls(const struct init *in)
{
	char tls[MGR_PATH_MAX], ca_name[320], relay_host[256];
	struct cv_buf pem[7];
	const char *names[] = {in->host}, *relay_names[] = {relay_host};
	for (size_t i = 0; i < 7; i++)
		cv_buf_init_secret(&pem[i], 65536);
	snprintf(ca_name, sizeof ca_name, "Conclave relays of %.40s", in->host);
	struct net_cert_opts server = {.common_name = in->host, .names = names, .name_count = 1, .days = CERT_DAYS};
	struct net_cert_opts ca = {.common_name = ca_name, .days = CERT_DAYS, .ca = true};
	struct net_cert_opts relays = {
		.common_name = relay_host, .names = relay_names, .name_count = 1, .days = CERT_DAYS};
	int r = mgr_path(tls, in->data, "tls");
	if (r == 0)
		r = mgr_dir_make(tls);
	if (r == 0)
		r = mgr_url_check(in->relay_url, relay_host, sizeof relay_host);
	if (r == 0 && !in->cert)
		r = make_pair(tls, "server.key", "server.pem", &server, &pem[0], &pem[1]);
	if (r == 0)
		r = make_key(tls, "spare.key", &pem[2]);
	if (r == 0)
		r = make_pair(in->data, MGR_RELAY_CA_KEY, MGR_RELAY_CA, &ca, &pem[3], &pem[4]);
	relays.issuer_cert = (const char *)pem[4].data;
	relays.issuer_key_pem = (const char *)pem[3].data;
	if (r == 0)
		r = make_pair(in->data, MGR_RELAY_KEY, MGR_RELAY_CERT, &relays, &pem[5], &pem[6]);
	for (size_t i = 0; i < 7; i++)
		cv_buf_done(&pem[i]);
	return r;
}

static int write_conf(const struct init *in)
{
	char path[MGR_PATH_MAX], text[16384];
	int n = snprintf(text, sizeof text,
			 "# Configuration of conclave-manager. Relative paths start at this file's folder.\n"
			 "# Check changes with: conclave-manager check-config --config %s/" MGR_CONF_FILE "\n\n"
			 "[organisation]\nname = %s\n# Languages of mail to people whose own is not known: en, "
			 "fr.\nlanguages = en, fr\n\n"
			 "[server]\nurl = %s\nlisten = %s\n%s%s%s%s%s"
			 "# TLS 1.2 beside 1.3.\ntls12 = yes\n# Folder of the web page, when it is not the installed "
			 "one.\n# web = \n\n"
			 "[relays]\n# Where relays enrol and listen for events (mutual TLS).\nurl = %s\nlisten = %s\n\n"
			 "[mail]\nfrom = %s\n"
			 "# Without smtp each message becomes an .eml file in the outbox folder.\n"
			 "# smtp = smtp://mail.example.org:587\n# starttls = yes\n# user = conclave\n# password_file = "
			 "smtp-password\n"
			 "outbox = outbox\n\n"
			 "[accounts]\nlink_life = 7d\nsession_life = 12h\n# Organisers may invite people who have no "
			 "account yet.\n"
			 "organisers_add = yes\n\n"
			 "[meetings]\nfile_transfer = yes\nremote_control = no\nmessages = no\n"
			 "# Of voice and pictures: aes-128 or aes-256.\nmedia_cipher = aes-128\n\n"
			 "[log]\nlevel = info\n",
			 in->data, in->organisation, in->url, in->listen, in->cert ? "certificate = " : "",
			 in->cert ? in->cert_path : "", in->cert ? "\nkey = " : "", in->cert ? in->key_path : "",
			 in->cert ? "\n" : "", in->relay_url, in->relay_listen, in->mail_from);
	if (n <= 0 || n >= (int)sizeof text)
		return CV_ELIMIT;
	int r = mgr_path(path, in->data, MGR_CONF_FILE);
	return r < 0 ? r : cv_file_write(path, text, (size_t)n, 0600);
}

static int check_own_cert(const struct init *in)
{
	struct net_pin cert, key;
	if (!in->cert)
		return 0;
	if (net_pin_of_cert_file(in->cert_path, &cert) < 0)
		return mgr_die(MGR_EXIT_FAILED, "%s is no PEM certificate", in->cert);
	if (net_pin_of_key_file(in->key_path, &key) < 0)
		return mgr_die(MGR_EXIT_FAILED, "%s is no PEM key", in->key);
	if (memcmp(&cert, &key, sizeof cert))
		return mgr_die(MGR_EXIT_FAILED, "%s is not the key of %s", in->key, in->cert);
	return 0;
}

/* ---- the first account ---- */

struct first {
	const char *email;
	char link[MGR_LINK_MAX];
};

static int first_account(struct mgr_app *app, void *arg)
{
	struct first *f = arg;
	struct mgr_account a = {.role = MGR_ROLE_ADMINISTRATOR, .created = mgr_now(app)};
	int r = mgr_email_normalise(app, f->email, a.email);
	if (r == 0)
		r = mgr_id_new(app, a.id);
	if (r == 0)
		r = mgr_store_account_add(app->store, &a);
	if (r == 0)
		r = mgr_account_link(app, &a, f->link);
	if (r == 0)
		r = mgr_mail_validation(app, &a, f->link);
	return r < 0 ? r : mgr_manifest_sign(app);
}

static int make_files(const struct init *in)
{
	char keys[MGR_PATH_MAX], db[MGR_PATH_MAX];
	struct mgr_store *store;
	int r = mgr_path(keys, in->data, MGR_KEYS_DIR);
	if (r == 0)
		r = mgr_path(db, in->data, MGR_DB_FILE);
	if (r == 0)
		r = mgr_keys_create(keys, in->organisation, mgr_clock(NULL), cv_rng_system());
	if (r == 0)
		r = make_tls(in);
	if (r == 0)
		r = mgr_store_open(db, MGR_STORE_CREATE, NULL, &store);
	if (r < 0)
		return r;
	mgr_store_close(store);
	return write_conf(in);
}

int mgr_cmd_init(int argc, char **argv)
{
	struct init in = {0};
	struct mgr_site site;
	struct first first = {0};
	struct mgr_app probe = {0};
	char email[MGR_EMAIL_MAX + 1];
	int code = parse(argc, argv, &in);
	if (code)
		return code < 0 ? MGR_EXIT_OK : code;
	code = complete(&in);
	if (code)
		return code;
	if (mgr_email_normalise(&probe, in.email, email) < 0)
		return mgr_die(MGR_EXIT_USAGE, "--admin-email: %s", probe.detail);
	code = check_own_cert(&in);
	if (!code)
		code = check_fresh(&in);
	if (code)
		return code;
	int r = make_files(&in);
	if (r < 0)
		return mgr_die(MGR_EXIT_FAILED, "init did not finish (%s: %s); remove %s before trying again",
			       cv_strerror(r), strerror(errno), in.data);
	struct mgr_place place = {.data = in.data};
	code = mgr_site_open(&place, MGR_STORE_OPEN, &site);
	if (code)
		return code;
	first.email = email;
	r = mgr_site_change(&site, first_account, &first);
	if (r == 0)
		r = mgr_mail_flush(site.app.store, &site.conf, &site.keys, mgr_clock(NULL));
	if (r < 0)
		code = mgr_die(MGR_EXIT_FAILED, "init did not finish (%s %s); remove %s before trying again",
			       cv_strerror(r), site.app.detail, in.data);
	else
		printf("Organisation '%s' is ready in %s.\nFingerprint of its root: %s\n\n"
		       "Administrator's validation link (valid once, for 7 days):\n%s\n\n"
		       "Next: back up %s/keys/root.key (see 'conclave-manager init --help'), then start\n"
		       "    conclave-manager run --data %s\nand enrol a relay with\n    conclave-manager relay-token "
		       "--data %s\n",
		       in.organisation, in.data, site.keys.fingerprint, first.link, in.data, in.data, in.data);
	cv_wipe(&first, sizeof first);
	mgr_site_close(&site);
	return code;
}
