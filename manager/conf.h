/* SPDX-License-Identifier: Apache-2.0 */
/* The manager's configuration file, manager.conf in the data folder. */
#ifndef MGR_CONF_H
#define MGR_CONF_H

#include <base/conf.h>

struct mgr_conf {
	/* [organisation] */
	char *organisation;
	struct cv_conf_list languages; /* of mail to people whose own is not known */
	/* [server] */
	char *url; /* https://host[:port], without final slash */
	char *listen;
	char *certificate, *key, *spare_key;
	bool tls12;
	char *web;
	char *data;
	/* [relays] */
	char *relay_url;
	char *relay_listen;
	/* [mail] */
	char *smtp; /* smtp://host[:port] or smtps://…; NULL: outbox */
	bool starttls;
	char *smtp_user, *smtp_password_file, *smtp_ca;
	char *mail_from;
	char *outbox;
	/* [accounts] */
	int64_t link_ms, session_ms;
	bool organisers_add;
	int64_t accounts_max;
	/* [meetings] */
	bool files, remote_control, messages;
	char *media_cipher; /* aes-128 or aes-256 */
	int64_t invitations_max;
	/* [log] */
	char *log_level;
};

/* Loads and checks what can be checked without touching anything else. ret_msg says why it failed. */
int mgr_conf_load(const char *path, struct mgr_conf *ret, char *ret_msg, size_t msg_size) CV_NODISCARD;
void mgr_conf_free(struct mgr_conf *c);
/* PROTO_SWITCH_… bits of the [meetings] section. */
unsigned mgr_conf_switches(const struct mgr_conf *c);

/* "address" or "Name <address>", as a sender of mail. */
bool mgr_sender_check(const char *from);

struct mgr_listen {
	char host[64]; /* "" every address */
	int port;
	bool ipv4; /* IPv4 only */
};
/* "8443", "*:8443", "0.0.0.0:8443", "127.0.0.1:8443", "[::1]:8443". CV_EFORMAT. */
int mgr_listen_parse(const char *text, struct mgr_listen *ret) CV_NODISCARD;
/* An https URL without path, query, user or final slash; ret_host (may be NULL) gets the host without brackets. */
int mgr_url_check(const char *url, char *ret_host, size_t size) CV_NODISCARD;

#endif
