/* SPDX-License-Identifier: Apache-2.0 */
/* conclave-relay's configuration file and the files of its data folder. */
#ifndef RELAY_CONFIG_H
#define RELAY_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <base/buf.h>
#include <base/conf.h>

#define RELAY_CONFIG_DEFAULT "/etc/conclave/relay.conf"
#define RELAY_DATA_DEFAULT   "/var/lib/conclave-relay"

/* In the data folder; written by `enrol`. */
#define RELAY_FILE_ID        "relay-id" /* 32 hex digits */
#define RELAY_FILE_LINK_KEY  "link.key" /* for mutual TLS with the manager */
#define RELAY_FILE_LINK_CERT "link.pem"
#define RELAY_FILE_CA        "manager-ca.pem"
#define RELAY_FILE_ROOT      "root.der"
#define RELAY_FILE_MANIFEST  "manifest.bin" /* the last one seen; kept up to date by `run` */
#define RELAY_FILE_TLS_KEY   "tls.key"
#define RELAY_FILE_TLS_CERT  "tls.pem"
#define RELAY_FILE_SPARE_KEY "spare.key" /* its pin is in the manifest too: the key to change to */

struct relay_config {
	char *listen, *url, *data, *origin;
	char *manager_url;
	char *tls_certificate, *tls_key;
	bool allow_tls12;
	int64_t max_connections, max_per_address, max_runs, max_members;
	int64_t control_rate, media_rate, application_rate, queue_files;
	char *log_level;
};

/* Loads, completes and checks. On failure `ret_msg` says why in one line. */
int relay_config_load(const char *path, struct relay_config *ret, char *ret_msg, size_t msg_size) CV_NODISCARD;
void relay_config_free(struct relay_config *c);

/* "8443", "127.0.0.1:8443", "[::1]:8443". ret_address is "" for all addresses; `size` of it at least 64. CV_EFORMAT. */
int relay_listen_parse(const char *text, char *ret_address, size_t size, uint16_t *ret_port) CV_NODISCARD;
/* "https://host[:port]" without a path. ret_host gets the host without brackets; NULL: only checked. CV_EFORMAT. */
int relay_url_check(const char *url, char *ret_host, size_t size) CV_NODISCARD;
/* dir/name, to be freed. NULL when out of memory. */
char *relay_path(const char *dir, const char *name) CV_NODISCARD;

#endif
