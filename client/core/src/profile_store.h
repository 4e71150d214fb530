/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a profile. */
#ifndef CLIENT_PROFILE_STORE_H
#define CLIENT_PROFILE_STORE_H

#include <client/profile.h>

/* 0 also when there is no file yet. */
int client_profile_load_public(struct client_profile *p, struct client_error *err) CV_NODISCARD;
/* CV_ENOTFOUND (err untouched) when there are no secrets yet. */
int client_profile_load_secrets(struct client_profile *p, struct client_error *err) CV_NODISCARD;
int client_profile_add_contact(struct client_profile *p, const uint8_t user_id[CLIENT_ID_LEN], const char *email,
			       const char *name, struct client_contact **ret) CV_NODISCARD;
/* Borrowed until contacts change; NULL: never met. */
const struct client_contact *client_profile_contact(const struct client_profile *p,
						    const uint8_t user_id[CLIENT_ID_LEN]);

#endif
