/* SPDX-License-Identifier: Apache-2.0 */
/* Only for the test build (CONCLAVE_TEST_HOOKS): what captured ciphertext opens with the keys this client ever had. */
#ifndef CLIENT_HOOKS_H
#define CLIENT_HOOKS_H

#include <stdint.h>

#include <base/err.h>

struct client_hooks;

struct client_hooks_result {
	uint64_t fragments, units, decrypted;
	uint64_t epochs; /* kept keys */
};
/*
 * Feeds a capture (each message: 4 bytes of length, then a whole media message) to every epoch key that this client
 * ever held, wiped or not. CV_EIO: cannot be read.
 */
CV_PUBLIC int client_hooks_feed(struct client_hooks *h, const char *path, struct client_hooks_result *ret) CV_NODISCARD;

#endif
