/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <base/log.h>
#include <base/text.h>
#include <proto/ids.h>

#include "conf.h"
#include "store/store.h"

#define AT(member) offsetof(struct mgr_conf, member)
#define DAY_MS     (86400LL * 1000)

static const struct cv_conf_key keys[] = {
	{"organisation", "name", CV_CONF_STRING, AT(organisation), .required = true},
	{"organisation", "languages", CV_CONF_LIST, AT(languages), .def = "en, fr"},
	{"server", "url", CV_CONF_STRING, AT(url), .required = true},
	{"server", "listen", CV_CONF_STRING, AT(listen), .def = "443"},
	{"server", "certificate", CV_CONF_PATH, AT(certificate), .def = "tls/server.pem"},
	{"server", "key", CV_CONF_PATH, AT(key), .def = "tls/server.key"},
	{"server", "spare_key", CV_CONF_PATH, AT(spare_key), .def = "tls/spare.key"},
	{"server", "tls12", CV_CONF_BOOL, AT(tls12), .def = "yes"},
	{"server", "web", CV_CONF_PATH, AT(web)},
	{"server", "data", CV_CONF_PATH, AT(data), .def = "."},
	{"relays", "url", CV_CONF_STRING, AT(relay_url), .required = true},
	{"relays", "listen", CV_CONF_STRING, AT(relay_listen), .def = "8445"},
	{"mail", "smtp", CV_CONF_STRING, AT(smtp)},
	{"mail", "starttls", CV_CONF_BOOL, AT(starttls), .def = "yes"},
	{"mail", "user", CV_CONF_STRING, AT(smtp_user)},
	{"mail", "password_file", CV_CONF_PATH, AT(smtp_password_file)},
	{"mail", "ca", CV_CONF_PATH, AT(smtp_ca)},
	{"mail", "from", CV_CONF_STRING, AT(mail_from), .required = true},
	{"mail", "outbox", CV_CONF_PATH, AT(outbox), .def = "outbox"},
	{"accounts", "link_life", CV_CONF_DURATION, AT(link_ms), .def = "7d", .min = 60000, .max = 30 * DAY_MS},
	{"accounts", "session_life", CV_CONF_DURATION, AT(session_ms), .def = "12h", .min = 60000, .max = 7 * DAY_MS},
	{"accounts", "organisers_add", CV_CONF_BOOL, AT(organisers_add), .def = "yes"},
	{"accounts", "max", CV_CONF_INT, AT(accounts_max), .def = "10000", .min = 1, .max = 1000000},
	{"meetings", "file_transfer", CV_CONF_BOOL, AT(files), .def = "yes"},
	{"meetings", "remote_control", CV_CONF_BOOL, AT(remote_control), .def = "no"},
	{"meetings", "messages", CV_CONF_BOOL, AT(messages), .def = "no"},
	{"meetings", "media_cipher", CV_CONF_STRING, AT(media_cipher), .def = "aes-128"},
	{"meetings", "invitations_max", CV_CONF_INT, AT(invitations_max), .def = "1000", .min = 1, .max = 10000},
	{"log", "level", CV_CONF_STRING, AT(log_level), .def = "info"},
};
#define KEY_COUNT (sizeof keys / sizeof keys[0])

int mgr_listen_parse(const char *text, struct mgr_listen *ret)
{
	struct mgr_listen l = {0};
	const char *colon = strrchr(text, ':');
	const char *port = colon ? colon + 1 : text;
	size_t host_len = colon ? (size_t)(colon - text) : 0;
	const char *host = text;
	if (host_len >= 2 && host[0] == '[' && host[host_len - 1] == ']') {
		host++;
		host_len -= 2;
	}
	char *end;
	long n = strtol(port, &end, 10);
	if (!isdigit((unsigned char)*port) || *end || n < 1 || n > 65535 || host_len >= sizeof l.host)
		return CV_EFORMAT;
	memcpy(l.host, host, host_len);
	l.port = (int)n;
	if (!strcmp(l.host, "*") || !strcmp(l.host, "::"))
		l.host[0] = 0;
	l.ipv4 = l.host[0] && !strchr(l.host, ':');
	/* In digits: a name would have to be looked up, and may have several. */
	struct in6_addr address;
	if (l.host[0] && inet_pton(l.ipv4 ? AF_INET : AF_INET6, l.host, &address) != 1)
		return CV_EFORMAT;
	if (!strcmp(l.host, "0.0.0.0"))
		l.host[0] = 0;
	*ret = l;
	return 0;
}

int mgr_url_check(const char *url, char *ret_host, size_t size)
{
	if (strncmp(url, "https://", 8) || strlen(url) > MGR_URL_MAX)
		return CV_EFORMAT;
	const char *host = url + 8;
	size_t len = strcspn(host, ":/");
	const char *port = host + len;
	if (*host == '[') {
		len = strcspn(host, "]");
		if (host[len] != ']')
			return CV_EFORMAT;
		port = host + len + 1;
		host++;
		len--;
	}
	if (len == 0 || len > 253)
		return CV_EFORMAT;
	for (size_t i = 0; i < len; i++) {
		if (!isalnum((unsigned char)host[i]) && !strchr(url[8] == '[' ? ":." : "-._", host[i]))
			return CV_EFORMAT;
	}
	if (*port) {
		char *end;
		if (*port != ':' || !isdigit((unsigned char)port[1]))
			return CV_EFORMAT;
		long n = strtol(port + 1, &end, 10);
		if (*end || n < 1 || n > 65535)
			return CV_EFORMAT;
	}
	if (ret_host) {
		if (len >= size)
			return CV_ELIMIT;
		memcpy(ret_host, host, len);
		ret_host[len] = 0;
	}
	return 0;
}

bool mgr_sender_check(const char *from)
{
	const char *open = strchr(from, '<'), *address = open ? open + 1 : from, *at = strchr(address, '@');
	size_t len = strcspn(address, ">");
	if (!cv_text_printable(from, strlen(from)) || (open ? strcmp(address + len, ">") != 0 : address[len] != 0))
		return false;
	return at && at > address && at + 1 < address + len && strcspn(address, " ,;<\"") >= len &&
	       !strchr(at + 1, '@');
}

static const char *mail_problem(const struct mgr_conf *c)
{
	if (!mgr_sender_check(c->mail_from))
		return "[mail] from must be an address, or a name and <an address>";
	if (!c->smtp)
		return NULL;
	if (strncmp(c->smtp, "smtp://", 7) && strncmp(c->smtp, "smtps://", 8))
		return "[mail] smtp must begin with smtp:// or smtps://";
	if (strchr(c->smtp, '@'))
		return "[mail] smtp must not hold user or password: use user and password_file";
	const char *host = strstr(c->smtp, "://") + 3;
	if (!*host || strcspn(host, " /?#") == 0 || strchr(host, ' '))
		return "[mail] smtp must name a server: smtp://host or smtp://host:port";
	if (c->smtp_user && !c->starttls && strncmp(c->smtp, "smtps://", 8))
		return "[mail] starttls = no sends the password in the clear: use smtps://, or no user";
	return NULL;
}

static bool same_place(const struct mgr_listen *a, const struct mgr_listen *b)
{
	return a->port == b->port && (!a->host[0] || !b->host[0] || !strcmp(a->host, b->host));
}

static const char *conf_problem(const struct mgr_conf *c)
{
	struct mgr_listen l, relays;
	enum cv_log_level level;
	if (!*c->organisation || strlen(c->organisation) > 200 ||
	    !cv_text_printable(c->organisation, strlen(c->organisation)))
		return "[organisation] name must be 1 to 200 bytes of printable text";
	if (mgr_url_check(c->url, NULL, 0) < 0)
		return "[server] url must be https://host or https://host:port, without a path";
	if (mgr_url_check(c->relay_url, NULL, 0) < 0)
		return "[relays] url must be https://host or https://host:port, without a path";
	if (mgr_listen_parse(c->listen, &l) < 0)
		return "[server] listen must be port or address:port, the address in digits";
	if (mgr_listen_parse(c->relay_listen, &relays) < 0)
		return "[relays] listen must be port or address:port, the address in digits";
	if (same_place(&l, &relays))
		return "[relays] listen must be another port than that of [server]";
	for (size_t i = 0; i < c->languages.count; i++) {
		if (strcmp(c->languages.items[i], "en") && strcmp(c->languages.items[i], "fr"))
			return "[organisation] languages knows en and fr";
	}
	if (c->languages.count == 0 || c->languages.count > 2)
		return "[organisation] languages needs one or two of en, fr";
	if (c->smtp_user && !c->smtp_password_file)
		return "[mail] user needs password_file";
	if (strcmp(c->media_cipher, "aes-128") && strcmp(c->media_cipher, "aes-256"))
		return "[meetings] media_cipher is aes-128 or aes-256";
	if (cv_log_level_parse(c->log_level, &level) < 0)
		return "[log] level must be error, warning, notice, info or debug";
	return mail_problem(c);
}

int mgr_conf_load(const char *path, struct mgr_conf *ret, char *ret_msg, size_t msg_size)
{
	struct mgr_conf c;
	int r = cv_conf_load(path, keys, KEY_COUNT, &c, ret_msg, msg_size);
	if (r < 0)
		return r;
	const char *problem = conf_problem(&c);
	if (problem) {
		snprintf(ret_msg, msg_size, "%s: %s", path, problem);
		mgr_conf_free(&c);
		return CV_EFORMAT;
	}
	*ret = c;
	return 0;
}

void mgr_conf_free(struct mgr_conf *c)
{
	cv_conf_free(keys, KEY_COUNT, c);
}

unsigned mgr_conf_switches(const struct mgr_conf *c)
{
	return (c->files ? PROTO_SWITCH_FILES : 0u) | (c->remote_control ? PROTO_SWITCH_CONTROL : 0u) |
	       (c->messages ? PROTO_SWITCH_MESSAGES : 0u) |
	       (strcmp(c->media_cipher, "aes-256") == 0 ? PROTO_SWITCH_MEDIA_256 : 0u);
}
