/* SPDX-License-Identifier: Apache-2.0 */
/* The organisation's manifest (docs/protocol.md section 2): servers with their pins, intermediates, domains. */
#ifndef PROTO_MANIFEST_H
#define PROTO_MANIFEST_H

#include <proto/signed.h>

#define PROTO_NAME_MAX                   255
#define PROTO_URL_MAX                    1024
#define PROTO_PINS_MIN                   2
#define PROTO_PINS_MAX                   8
#define PROTO_CERTIFICATE_MAX            4096
#define PROTO_MANIFEST_SERVERS_MAX       128
#define PROTO_MANIFEST_INTERMEDIATES_MAX 32
#define PROTO_MANIFEST_DOMAINS_MAX       256

enum proto_server_kind {
	PROTO_SERVER_MANAGER = 1,
	PROTO_SERVER_RELAY = 2,
};

enum proto_intermediate_kind {
	PROTO_INTERMEDIATE_ISSUER = 1, /* identity issuer */
	PROTO_INTERMEDIATE_GRANTS = 2, /* grant signer */
};

struct proto_server {
	uint8_t kind; /* enum proto_server_kind */
	uint8_t id[PROTO_ID_LEN];
	char *url; /* owned by the manifest */
	size_t n_pins;
	uint8_t pins[PROTO_PINS_MAX][PROTO_HASH_LEN];
};

struct proto_intermediate {
	uint8_t kind;         /* enum proto_intermediate_kind */
	uint8_t *certificate; /* DER, owned by the manifest */
	size_t certificate_len;
};

/* All pointers are owned and freed by proto_manifest_done. To encode, fill it with cv_malloc'ed memory or with
 * borrowed memory and do not call _done. */
struct proto_manifest {
	uint64_t version;
	uint64_t issued;
	uint64_t expires;
	char *organisation; /* UTF-8 */
	char *manager_url;
	struct proto_server *servers;
	size_t n_servers;
	struct proto_intermediate *intermediates;
	size_t n_intermediates;
	char **domains;
	size_t n_domains;
};

/* Appends the Signed manifest, signed by the root. CV_EINVAL: a value out of range (fewer than two pins, …). */
CV_PUBLIC int proto_manifest_sign(const struct proto_manifest *m, const uint8_t root_seed[PROTO_KEY_LEN],
				  struct cv_buf *out) CV_NODISCARD;
/* Decodes and verifies under the root's raw public key. On success *ret is owned by the caller (_done). */
CV_PUBLIC int proto_manifest_open(const void *data, size_t len, const uint8_t root_key[PROTO_KEY_LEN],
				  struct proto_manifest *ret) CV_NODISCARD;
/* Takes a zeroed struct. */
CV_PUBLIC void proto_manifest_done(struct proto_manifest *m);
/* CV_EEXPIRED outside its times at `now`, CV_EREPLAY when its version is lower than `least_version`. */
CV_PUBLIC int proto_manifest_check(const struct proto_manifest *m, uint64_t now, uint64_t least_version) CV_NODISCARD;
/* The server of this kind and id (id NULL: the first of the kind); borrowed, NULL when there is none. */
CV_PUBLIC const struct proto_server *proto_manifest_server(const struct proto_manifest *m, enum proto_server_kind kind,
							   const uint8_t *id);

#endif
