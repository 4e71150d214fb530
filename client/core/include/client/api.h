/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager's API (docs/protocol.md section 3, proto/openapi.yaml): pinned HTTPS, DPoP proofs by the device key,
 * problem documents as one-line errors. Calls block: use a thread of its own beside an event loop, and one client_api
 * per thread.
 */
#ifndef CLIENT_API_H
#define CLIENT_API_H

#include <stdatomic.h>
#include <stdbool.h>

#include <jansson.h>

#include <client/clock.h>
#include <client/profile.h>
#include <client/trust.h>

#define CLIENT_RESPONSE_MAX (4u << 20) /* bytes of one answer */

struct client_api;

/*
 * For the manager of the profile, whose pins come from `trust`. Profile (device key, token) and clock are borrowed and
 * only read; `cancel` may be NULL: set it from another thread to end a call. CV_ENOMEM, CV_EPIN.
 */
CV_PUBLIC int client_api_new(const struct client_profile *profile, const struct client_trust *trust,
			     struct client_clock *clock, const atomic_bool *cancel, struct client_api **ret,
			     struct client_error *err) CV_NODISCARD;
/* Takes NULL. */
CV_PUBLIC void client_api_free(struct client_api *a);

#define CLIENT_API_ANONYMOUS 1u /* no token, no proof: validation and sign-in */
#define CLIENT_API_SET_CLOCK 2u /* take the clock's offset from this answer */
/*
 * One request. `path` begins behind /api/v1. `body` (borrowed, may be NULL) is sent as JSON. *ret_json, when asked for
 * (may be NULL), is a new reference, or NULL for an answer without content.
 * Errors: CV_EDENIED (the manager refuses; err->problem names the problem), CV_EINVAL (it does not take what was
 * typed, outcome CLIENT_USAGE), CV_EPIN, CV_EIO, CV_ETIMEOUT, CV_EFORMAT,
 * CV_ECLOSED (cancelled).
 */
CV_PUBLIC int client_api_call(struct client_api *a, const char *method, const char *path, const json_t *body,
			      unsigned flags, json_t **ret_json, struct client_error *err) CV_NODISCARD;

/*
 * The address of a manager in the one form that is kept and compared: https://host[:port] in lower case, without a
 * slash at its end. CV_EINVAL, outcome CLIENT_USAGE.
 */
CV_PUBLIC int client_manager_url(const char *text, char ret[CLIENT_URL_MAX + 1], struct client_error *err) CV_NODISCARD;

/*
 * First contact: fetches root and manifest from `manager_url` on a connection whose key is only noted, checks them
 * against `fingerprint` (32 bytes), and puts them into the profile (not saved). Sets the clock.
 */
CV_PUBLIC int client_api_first_contact(struct client_profile *p, struct client_clock *clock, const char *manager_url,
				       const uint8_t fingerprint[CLIENT_HASH_LEN],
				       struct client_error *err) CV_NODISCARD;
/* Only fetches: the SHA-256 of the root that `manager_url` shows, for a person to compare. */
CV_PUBLIC int client_api_show_root(const char *manager_url, struct client_clock *clock,
				   uint8_t ret_fingerprint[CLIENT_HASH_LEN], struct client_error *err) CV_NODISCARD;
/* Fetches the present manifest over the pinned connection into the profile (not saved). Sets the clock. */
CV_PUBLIC int client_api_refresh_manifest(struct client_api *a, struct client_profile *p,
					  struct client_error *err) CV_NODISCARD;

#endif
