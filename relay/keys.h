/* SPDX-License-Identifier: Apache-2.0 */
/* What the relay knows of its organisation: root, manifest, and from them the grant signers. */
#ifndef RELAY_KEYS_H
#define RELAY_KEYS_H

#include <base/buf.h>
#include <proto/identity.h>

#define RELAY_ROOT_MAX     PROTO_CERTIFICATE_MAX
#define RELAY_MANIFEST_MAX PROTO_SIGNED_MAX

/*
 * Checks a manifest under the root: signature, version not below *version, and takes its grant signers. The relay goes
 * on with an expired manifest while the manager is away (it logs that), since meetings must not stop.
 * CV_EAUTH, CV_EREPLAY, CV_EFORMAT. *version is raised.
 */
int relay_keys_read(struct cv_span root, struct cv_span manifest, uint64_t now, uint64_t *version,
		    struct proto_signers *ret) CV_NODISCARD;
/* From the data folder. */
int relay_keys_load(const char *data, uint64_t now, struct cv_buf *ret_root, uint64_t *ret_version,
		    struct proto_signers *ret) CV_NODISCARD;
/* Whether clients accept the key of this certificate (a PEM file) for this relay, by the manifest in the data folder.
 */
int relay_keys_pinned(const char *data, const uint8_t id[PROTO_ID_LEN], const char *certificate,
		      bool *ret_pinned) CV_NODISCARD;

#endif
