/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of the test build (CONCLAVE_TEST_HOOKS), absent from all others: hand out keys so that tests can search for
 * them, keep ciphertext and old keys so that tests can show what they open, go on after being removed. Where:
 *   CONCLAVE_HOOK_SECRETS   file that gets one JSON object per epoch, and one for every other secret
 *   CONCLAVE_HOOK_CAPTURE   file that gets every media message sent and received (length, then bytes)
 *   CONCLAVE_HOOK_STAY      "1": being removed does not end the meeting here
 */
#ifndef CLIENT_TEST_HOOKS_H
#define CLIENT_TEST_HOOKS_H

#include <client/files.h>
#include <client/group.h>

#ifdef CONCLAVE_TEST_HOOKS

#include <client/test_hooks.h>

struct client_hooks *client_hooks_new(void);
void client_hooks_free(struct client_hooks *h);
void client_hooks_epoch(struct client_hooks *h, uint64_t epoch, uint32_t leaf, const uint8_t *base_key,
			const uint8_t *authenticator);
void client_hooks_secret(struct client_hooks *h, const char *name, const uint8_t *data, size_t len);
void client_hooks_files(struct client_hooks *h, const struct client_files *files);
void client_hooks_media(struct client_hooks *h, const void *msg, size_t len);
bool client_hooks_stay(const struct client_hooks *h);

#else

struct client_hooks;
static inline struct client_hooks *client_hooks_new(void)
{
	return NULL;
}
static inline void client_hooks_free(struct client_hooks *h)
{
}
static inline void client_hooks_epoch(struct client_hooks *h, uint64_t epoch, uint32_t leaf, const uint8_t *base_key,
				      const uint8_t *authenticator)
{
}
static inline void client_hooks_secret(struct client_hooks *h, const char *name, const uint8_t *data, size_t len)
{
}
static inline void client_hooks_files(struct client_hooks *h, const struct client_files *files)
{
}
static inline void client_hooks_media(struct client_hooks *h, const void *msg, size_t len)
{
}
static inline bool client_hooks_stay(const struct client_hooks *h)
{
	return false;
}

#endif
#endif
