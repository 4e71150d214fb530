/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts: validation (OPAQUE registration), sign-in (OPAQUE login bound to the device key), sign-out. The password
 * never leaves this process; `password` is wiped as soon as OPAQUE has used it, on every path. Calls block.
 */
#ifndef CLIENT_SIGNIN_H
#define CLIENT_SIGNIN_H

#include <client/api.h>
#include <client/password.h>

#define CLIENT_LINK_TOKEN_MAX 128

/* A validation link taken apart. */
struct client_link {
	char manager_url[CLIENT_URL_MAX + 1];
	char token[CLIENT_LINK_TOKEN_MAX + 1]; /* secret */
	uint8_t fingerprint[CLIENT_HASH_LEN];
};
/* CV_EFORMAT, outcome CLIENT_USAGE. */
CV_PUBLIC int client_link_parse(const char *link, struct client_link *ret, struct client_error *err) CV_NODISCARD;

struct client_validation {
	const char *first_name, *last_name;
	char email[CLIENT_EMAIL_MAX + 1];       /* filled in */
	char organisation[CLIENT_NAME_MAX + 1]; /* filled in */
};
/*
 * Makes first contact by the link, checks the password against the policy, registers it. Nobody is signed in
 * afterwards. The profile is saved. A weak password is refused (CV_EDENIED, CLIENT_USAGE) before anything is registered
 * and leaves the link unused.
 */
CV_PUBLIC int client_validate(struct client_profile *p, struct client_clock *clock, const struct client_link *link,
			      struct client_validation *v, struct client_password *password,
			      struct client_error *err) CV_NODISCARD;
/*
 * Signs in at the profile's manager (first contact must have been made). Saves token and certificate. Every failure of
 * the account looks the same: CV_EDENIED, problem "sign-in-failed".
 */
CV_PUBLIC int client_login(struct client_profile *p, struct client_clock *clock, const char *email,
			   struct client_password *password, struct client_error *err) CV_NODISCARD;
/* Ends the session at the manager (if it can be reached) and forgets it here. Saves. */
CV_PUBLIC int client_logout(struct client_profile *p, struct client_clock *clock,
			    struct client_error *err) CV_NODISCARD;
/* A fresh identity certificate when less than `least_life` seconds are left of the present one. Not saved. */
CV_PUBLIC int client_renew_certificate(struct client_api *a, struct client_profile *p, struct client_clock *clock,
				       uint64_t least_life, struct client_error *err) CV_NODISCARD;

#endif
