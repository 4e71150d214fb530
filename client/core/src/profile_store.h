/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a profile. */
#ifndef CLIENT_PROFILE_STORE_H
#define CLIENT_PROFILE_STORE_H

#include <client/profile.h>

#define CLIENT_PROFILE_LOCK_US 5000000 /* a save takes a few milliseconds, on a busy disk a second */

/*
 * The one lock of the profile in `dir`, for at most `wait_us` waited for; *ret_fd is given back with
 * client_profile_unlock. CV_EDENIED: the folder may not be written; CV_EAGAIN: somebody else has it; CV_EIO.
 */
int client_profile_lock(const char *dir, int64_t wait_us, int *ret_fd, struct client_error *err) CV_NODISCARD;
/* Takes -1. */
void client_profile_unlock(int fd);

/* Both files into a profile that has nothing but `dir`, with all that follows from them. CV_ENOTFOUND (err untouched)
 * when there are no secrets yet. */
int client_profile_load(struct client_profile *p, struct client_error *err) CV_NODISCARD;
/* 0 also when there is no file yet. */
int client_profile_load_public(struct client_profile *p, struct client_error *err) CV_NODISCARD;
/* CV_ENOTFOUND (err untouched) when there are no secrets yet. */
int client_profile_load_secrets(struct client_profile *p, struct client_error *err) CV_NODISCARD;
/* One file each, as it stands in memory. Secrets first: a public file without its device key would look like a fresh
 * installation. */
int client_profile_write_public(const struct client_profile *p, struct client_error *err) CV_NODISCARD;
int client_profile_write_secrets(const struct client_profile *p, struct client_error *err) CV_NODISCARD;

/* contacts.c */
int client_profile_add_contact(struct client_profile *p, const uint8_t user_id[CLIENT_ID_LEN], const char *email,
			       const char *name, struct client_contact **ret) CV_NODISCARD;
/* Borrowed until contacts change; NULL: never met. */
const struct client_contact *client_profile_contact(const struct client_profile *p,
						    const uint8_t user_id[CLIENT_ID_LEN]);
void client_profile_forget_contacts(struct client_profile *p);
/* What `ours` knows, into what was read from the disk; the rules are those of client_profile_save. CV_ENOMEM,
 * CV_ELIMIT: then `into` is of no use. */
int client_profile_merge_contacts(struct client_profile *into, const struct client_profile *ours) CV_NODISCARD;

#endif
