/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whom the client believes: the organisation's root, its signed manifest, and from it the pins of every server, the
 * identity issuers and the grant signers (docs/protocol.md section 2).
 */
#ifndef CLIENT_TRUST_H
#define CLIENT_TRUST_H

#include <net/tls.h>
#include <proto/identity.h>
#include <proto/manifest.h>

#include <client/clock.h>
#include <client/profile.h>

#define CLIENT_MANIFEST_MAX (128u * 1024)

struct client_trust {
	struct proto_manifest manifest;
	uint8_t root_key[CLIENT_KEY_LEN];
	struct proto_trust *chain; /* for certificates and grants */
};

/*
 * From what the profile remembers. CV_ENOTFOUND, outcome CLIENT_USAGE: no first contact yet; CV_EAUTH, CV_EFORMAT,
 * CV_EEXPIRED, CV_EREPLAY: outcome CLIENT_SECURITY. Free with client_trust_done.
 */
CV_PUBLIC int client_trust_load(const struct client_profile *p, const struct client_clock *clock,
				struct client_trust *ret, struct client_error *err) CV_NODISCARD;
/* Takes a zeroed struct; leaves it zeroed. */
CV_PUBLIC void client_trust_done(struct client_trust *t);

/*
 * Checks a root and a manifest that came from `manager_url` and puts them into the profile (not saved).
 * `fingerprint` NULL on later contacts: then `root` must be the root that the profile has. With a fingerprint another
 * root than the profile's may come: then session and contacts of the former organisation are forgotten.
 * `noted_pin`: what key the manager showed on the connection; it must be pinned by the manifest. Errors as
 * client_trust_load; CV_EPIN.
 */
CV_PUBLIC int client_trust_take(struct client_profile *p, const struct client_clock *clock, const char *manager_url,
				const uint8_t *fingerprint, struct cv_span root, struct cv_span manifest,
				const struct net_pin *noted_pin, struct client_error *err) CV_NODISCARD;

/* The pins of the manager. CV_ENOTFOUND. */
CV_PUBLIC int client_trust_manager_pins(const struct client_trust *t, struct net_pins *ret) CV_NODISCARD;
/* URL (borrowed) and pins of a relay. CV_ENOTFOUND: the manifest does not know it. */
CV_PUBLIC int client_trust_relay(const struct client_trust *t, const uint8_t relay_id[CLIENT_ID_LEN],
				 const char **ret_url, struct net_pins *ret_pins) CV_NODISCARD;

#endif
