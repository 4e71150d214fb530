/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks of the test build (CONCLAVE_TEST_HOOKS), absent from all others: hand out keys so that tests can search for
 * them, keep ciphertext and old keys so that tests can show what they open, go on after being removed. Where:
 *   CONCLAVE_HOOK_SECRETS   file that gets one JSON object per epoch, and one for every other secret
 *   CONCLAVE_HOOK_CAPTURE   file that gets every media message sent and received (length, then bytes)
 *   CONCLAVE_HOOK_STAY      "1": being removed does not end the meeting here
 *   CONCLAVE_HOOK_REPORTS   "wrong": the manager is told another epoch authenticator than the group has
 * Times in seconds, instead of the product's, so that tests need not wait for minutes:
 *   CONCLAVE_HOOK_PATH_S    between path updates            CONCLAVE_HOOK_SILENT_S  without epoch until nothing is sent
 *   CONCLAVE_HOOK_REPORT_S  between reports to the manager  CONCLAVE_HOOK_RENEW_S   life left when a certificate is
 * renewed
 */
#ifndef CLIENT_TEST_HOOKS_H
#define CLIENT_TEST_HOOKS_H

#include <client/files.h>
#include <client/group.h>

enum client_hook_time { HOOK_PATH, HOOK_SILENT, HOOK_REPORT, HOOK_RENEW, HOOK_TIMES };

#ifdef CONCLAVE_TEST_HOOKS

#include <client/test_hooks.h>

struct client_hooks *client_hooks_new(void);
void client_hooks_free(struct client_hooks *h);
void client_hooks_epoch(struct client_hooks *h, uint64_t epoch, uint32_t leaf, const struct client_base_key *base_key,
			const uint8_t *authenticator);
void client_hooks_secret(struct client_hooks *h, const char *name, const uint8_t *data, size_t len);
void client_hooks_files(struct client_hooks *h, const struct client_files *files);
void client_hooks_media(struct client_hooks *h, const void *msg, size_t len);
bool client_hooks_stay(const struct client_hooks *h);
/* What a report to the manager says; may be changed here. */
void client_hooks_report(const struct client_hooks *h, uint8_t hash[CLIENT_HASH_LEN]);
/* `value`, unless a test has set another; `second` is how much of it makes a second. */
int64_t client_hooks_time(const struct client_hooks *h, enum client_hook_time which, int64_t value, int64_t second);

#else

struct client_hooks;
static inline struct client_hooks *client_hooks_new(void)
{
	return NULL;
}
static inline void client_hooks_free(struct client_hooks *h)
{
}
static inline void client_hooks_epoch(struct client_hooks *h, uint64_t epoch, uint32_t leaf,
				      const struct client_base_key *base_key, const uint8_t *authenticator)
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
static inline void client_hooks_report(const struct client_hooks *h, uint8_t hash[CLIENT_HASH_LEN])
{
}
static inline int64_t client_hooks_time(const struct client_hooks *h, enum client_hook_time which, int64_t value,
					int64_t second)
{
	return value;
}

#endif
#endif
