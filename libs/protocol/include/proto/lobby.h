/* SPDX-License-Identifier: Apache-2.0 */
/* The lobby (docs/protocol.md section 4): KeyPackages cross the relay sealed under the run's lobby key. */
#ifndef PROTO_LOBBY_H
#define PROTO_LOBBY_H

#include <base/buf.h>
#include <base/secret.h>
#include <proto/ids.h>

#define PROTO_LOBBY_KEY_LEN  32
#define PROTO_LOBBY_OVERHEAD (12 + 16)
#define PROTO_LOBBY_MAX      (64u * 1024) /* of a sealed KeyPackage */

/* Appends nonce || AES-256-GCM(key, nonce, "Conclave 1 Lobby" || run_id, key_package). CV_ELIMIT, CV_ECRYPTO. */
CV_PUBLIC int proto_lobby_seal(const uint8_t key[PROTO_LOBBY_KEY_LEN], const uint8_t run_id[PROTO_ID_LEN],
			       const void *key_package, size_t len, const struct cv_rng *rng,
			       struct cv_buf *out) CV_NODISCARD;
/* Appends the KeyPackage. CV_EAUTH: sealed under another key or for another run, or altered. */
CV_PUBLIC int proto_lobby_open(const uint8_t key[PROTO_LOBBY_KEY_LEN], const uint8_t run_id[PROTO_ID_LEN],
			       const void *sealed, size_t len, struct cv_buf *out) CV_NODISCARD;

#endif
