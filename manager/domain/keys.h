/* SPDX-License-Identifier: Apache-2.0 */
/* The organisation's keys: files of mode 0600 in the folder `keys`, never rows of the database. */
#ifndef MGR_DOMAIN_KEYS_H
#define MGR_DOMAIN_KEYS_H

#include <stdbool.h>

#include <opaque/opaque.h>
#include <proto/identity.h>

struct mgr_der {
	uint8_t *data; /* owned */
	size_t len;
};

struct mgr_keys {
	bool has_root; /* the root's private key is here (it may be kept offline) */
	uint8_t root_seed[PROTO_KEY_LEN];
	uint8_t root_key[PROTO_KEY_LEN];
	struct mgr_der root;
	char fingerprint[2 * PROTO_HASH_LEN + 1]; /* SHA-256 of the root's DER, hex */
	uint8_t issuer_seed[PROTO_KEY_LEN];
	struct mgr_der issuer;
	uint8_t grants_seed[PROTO_KEY_LEN];
	struct mgr_der grants;
	struct mgr_der old_issuer, old_grants; /* those before the last rotation; len 0: none */
	struct opaque_server_keys opaque;
	uint8_t queue_key[32]; /* seals mail that waits in the database */
};

/* Makes every key in the folder (which it makes too, 0700). CV_EEXIST when there are keys already. */
int mgr_keys_create(const char *dir, const char *organisation, int64_t now, const struct cv_rng *rng) CV_NODISCARD;
/* On failure ret_what (static) names the file. The root's private key may be missing. */
int mgr_keys_load(const char *dir, struct mgr_keys *ret, const char **ret_what) CV_NODISCARD;
/* Another place of the root key, PEM. CV_EAUTH: not the key of this organisation's root. */
int mgr_keys_load_root(struct mgr_keys *k, const char *path) CV_NODISCARD;
/* New intermediates, all or (on failure, or when the machine dies) none; the old ones stay valid until they expire.
 * Needs the root key (CV_ESTATE). */
int mgr_keys_rotate(const char *dir, struct mgr_keys *k, int64_t now, const struct cv_rng *rng) CV_NODISCARD;
/* Seconds until the first of the present intermediates expires (negative: expired). */
int mgr_keys_life(const struct mgr_keys *k, int64_t now, int64_t *ret_seconds) CV_NODISCARD;
/* Wipes. Takes a zeroed struct. */
void mgr_keys_done(struct mgr_keys *k);

/* ---- between keys.c and rotate.c ---- */

#define MGR_KEYS_READY "ready"
/* Keys and certificates of issuer and grant signer into `dir`. */
int mgr_keys_make_intermediates(const char *dir, const uint8_t root_seed[PROTO_KEY_LEN], struct cv_span root,
				int64_t now, const struct cv_rng *rng) CV_NODISCARD;
/* Moves what a rotation has made ready into place; 0 when there is nothing. CV_EIO. */
int mgr_keys_settle(const char *dir) CV_NODISCARD;

#endif
