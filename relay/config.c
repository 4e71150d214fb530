/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>
#include <base/log.h>

#include "config.h"

#define AT(field) offsetof(struct relay_config, field)

static const struct cv_conf_key keys[] = {
	{"relay", "listen", CV_CONF_STRING, AT(listen), .def = "443"},
	{"relay", "url", CV_CONF_STRING, AT(url), .required = true},
	{"relay", "data", CV_CONF_PATH, AT(data), .def = RELAY_DATA_DEFAULT},
	{"relay", "origin", CV_CONF_STRING, AT(origin)},
	{"manager", "url", CV_CONF_STRING, AT(manager_url), .required = true},
	{"tls", "certificate", CV_CONF_PATH, AT(tls_certificate)},
	{"tls", "key", CV_CONF_PATH, AT(tls_key)},
	{"tls", "allow_tls12", CV_CONF_BOOL, AT(allow_tls12), .def = "no"},
	{"limits", "connections", CV_CONF_INT, AT(max_connections), .def = "4000", .min = 1, .max = 100000},
	{"limits", "connections_per_address", CV_CONF_INT, AT(max_per_address), .def = "0", .min = 0, .max = 100000},
	{"limits", "runs", CV_CONF_INT, AT(max_runs), .def = "1000", .min = 1, .max = 100000},
	{"limits", "members_per_run", CV_CONF_INT, AT(max_members), .def = "1000", .min = 2, .max = 4096},
	{"limits", "messages_per_second", CV_CONF_INT, AT(control_rate), .def = "100", .min = 10, .max = 100000},
	{"limits", "media_per_second", CV_CONF_SIZE, AT(media_rate), .def = "4M", .min = 65536, .max = 1 << 30},
	{"limits", "application_per_second", CV_CONF_SIZE, AT(application_rate), .def = "256K", .min = 16384,
	 .max = 1 << 30},
	{"limits", "file_queue", CV_CONF_SIZE, AT(queue_files), .def = "12M", .min = 1 << 20, .max = 1 << 30},
	{"log", "level", CV_CONF_STRING, AT(log_level), .def = "info"},
};
#define KEY_COUNT (sizeof(keys) / sizeof(keys[0]))

char *relay_path(const char *dir, const char *name)
{
	size_t len = strlen(dir) + strlen(name) + 2;
	char *p = cv_malloc(len);

	if (p)
		snprintf(p, len, "%s/%s", dir, name);
	return p;
}

static int parse_port(const char *text, uint16_t *ret)
{
	char *end;
	long v;

	if (*text < '0' || *text > '9')
		return CV_EFORMAT;
	errno = 0;
	v = strtol(text, &end, 10);
	if (errno || *end || v < 0 || v > 65535)
		return CV_EFORMAT;
	*ret = (uint16_t)v;
	return 0;
}

int relay_listen_parse(const char *text, char *ret_address, size_t size, uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':'), *begin = text;
	struct in6_addr any;
	char host[64];
	size_t len;
	uint16_t port;
	int err;

	err = parse_port(colon ? colon + 1 : text, &port);
	if (err)
		return err;
	len = colon ? (size_t)(colon - text) : 0;
	if (len && text[0] == '[') {
		if (text[len - 1] != ']')
			return CV_EFORMAT;
		begin++;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return CV_EFORMAT;
	}
	if (len >= sizeof(host) || len >= size)
		return CV_EFORMAT;
	memcpy(host, begin, len);
	host[len] = 0;
	/* In digits: a name would have to be looked up, and may have several. */
	if (len && inet_pton(begin == text ? AF_INET : AF_INET6, host, &any) != 1)
		return CV_EFORMAT;
	memcpy(ret_address, host, len + 1);
	*ret_port = port;
	return 0;
}

int relay_url_check(const char *url, char *ret_host, size_t size)
{
	static const char scheme[] = "https://";
	const char *host, *end;
	uint16_t port;

	if (strncmp(url, scheme, sizeof(scheme) - 1))
		return CV_EFORMAT;
	host = url + sizeof(scheme) - 1;
	if (*host == '[') {
		host++;
		end = strchr(host, ']');
		if (!end || (end[1] && end[1] != ':') || (end[1] && parse_port(end + 2, &port)))
			return CV_EFORMAT;
	} else {
		end = host + strcspn(host, ":");
		if (*end && parse_port(end + 1, &port))
			return CV_EFORMAT;
	}
	if (end == host || strcspn(host, "/?#@ \t\"\\") < strlen(host))
		return CV_EFORMAT;
	if (ret_host) {
		if ((size_t)(end - host) >= size)
			return CV_EFORMAT;
		memcpy(ret_host, host, (size_t)(end - host));
		ret_host[end - host] = 0;
	}
	return 0;
}

static int complete(struct relay_config *c, char *msg, size_t size)
{
	enum cv_log_level level;
	char address[64];
	uint16_t port;

	if (!c->tls_certificate != !c->tls_key) {
		snprintf(msg, size, "[tls] certificate and key belong together");
		return CV_EFORMAT;
	}
	if (!c->tls_key) {
		c->tls_certificate = relay_path(c->data, RELAY_FILE_TLS_CERT);
		c->tls_key = relay_path(c->data, RELAY_FILE_TLS_KEY);
	}
	if (!c->tls_certificate || !c->tls_key) {
		snprintf(msg, size, "out of memory");
		return CV_ENOMEM;
	}
	if (relay_listen_parse(c->listen, address, sizeof(address), &port)) {
		snprintf(msg, size, "[relay] listen must be port, address:port or [address]:port, in digits");
		return CV_EFORMAT;
	}
	if (relay_url_check(c->url, NULL, 0) || relay_url_check(c->manager_url, NULL, 0)) {
		snprintf(msg, size,
			 "url in [relay] and [manager] must be https://host or https://host:port, without a path");
		return CV_EFORMAT;
	}
	if (cv_log_level_parse(c->log_level, &level)) {
		snprintf(msg, size, "[log] level must be error, warning, notice, info or debug");
		return CV_EFORMAT;
	}
	return 0;
}

int relay_config_load(const char *path, struct relay_config *ret, char *ret_msg, size_t msg_size)
{
	char why[CV_CONF_MSG_MAX];
	int err = cv_conf_load(path, keys, KEY_COUNT, ret, ret_msg, msg_size);

	if (err)
		return err;
	err = complete(ret, why, sizeof(why));
	if (err) {
		snprintf(ret_msg, msg_size, "%s: %s", path, why);
		relay_config_free(ret);
	}
	return err;
}

void relay_config_free(struct relay_config *c)
{
	cv_conf_free(keys, KEY_COUNT, c);
}
