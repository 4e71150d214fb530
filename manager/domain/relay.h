/* SPDX-License-Identifier: Apache-2.0 */
/* Relays and the manifest that lists them (docs/protocol.md sections 2 and 3; R11, R79). */
#ifndef MGR_DOMAIN_RELAY_H
#define MGR_DOMAIN_RELAY_H

#include "domain/app.h"

#define MGR_RELAY_TOKEN_S   86400
#define MGR_MANIFEST_S      (30 * 86400)
#define MGR_MANIFEST_RENEW  (15 * 86400) /* signed anew when less is left */
#define MGR_RELAY_CERT_DAYS 3650
#define MGR_ROTATE_S        (60 * 86400) /* intermediates are renewed when less is left */

/* Files below the data folder. */
#define MGR_DB_FILE      "conclave.db"
#define MGR_KEYS_DIR     "keys"
#define MGR_RELAY_CA     "tls/relay-ca.pem"
#define MGR_RELAY_CA_KEY "tls/relay-ca.key"
#define MGR_RELAY_CERT   "tls/relays.pem" /* of the listener for relays, by that CA */
#define MGR_RELAY_KEY    "tls/relays.key"

/* A one-time token, MGR_RELAY_TOKEN_S. */
int mgr_relay_token(struct mgr_app *app, char ret_token[MGR_TOKEN_TEXT]) CV_NODISCARD;

struct mgr_enrol {
	const char *token, *csr, *url; /* csr: PKCS#10 in PEM */
	size_t n_pins;
	uint8_t pins[MGR_PINS_MAX][MGR_HASH_LEN];
};
struct mgr_enrolled {
	uint8_t relay_id[MGR_ID_LEN];
	struct cv_buf certificate, ca; /* PEM, NUL-terminated */
};
/* Uses the token up, and signs a new manifest. MGR_ETOKEN, MGR_EROOT, MGR_EREQUEST. */
int mgr_relay_enrol(struct mgr_app *app, const struct mgr_enrol *in, struct mgr_enrolled *ret) CV_NODISCARD;
void mgr_enrolled_done(struct mgr_enrolled *e);
/* The relay of a client certificate's common name. MGR_ECERT when it is none in service. */
int mgr_relay_of(struct mgr_app *app, const char *common_name, struct mgr_relay *ret) CV_NODISCARD;

/* Signs the next version of the manifest and keeps it. MGR_EROOT without the root key. */
int mgr_manifest_sign(struct mgr_app *app) CV_NODISCARD;
/* The present one, appended. CV_ENOTFOUND before init. */
int mgr_manifest_get(struct mgr_app *app, struct cv_buf *ret) CV_NODISCARD;
/* Rotates intermediates and renews the manifest when it is time; without the root key it warns in the log. Also signs
 * anew when the manager's own pins or URL have changed. Call at start and every hour, in a transaction. */
int mgr_manifest_tend(struct mgr_app *app) CV_NODISCARD;

/* Whether clients accept the key of this certificate (a PEM file) for the manager, by the present manifest. */
int mgr_manifest_pinned(struct mgr_app *app, const char *certificate, bool *ret_pinned) CV_NODISCARD;

#endif
