/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The link to the manager (docs/protocol.md, section 3): mutual TLS, on a thread of its own. What it learns it hands to
 * the loop's thread by the callbacks; it touches nothing else of the relay.
 */
#ifndef RELAY_LINK_H
#define RELAY_LINK_H

#include <base/loop.h>
#include <proto/signed.h>

#include "config.h"

struct relay_link;

struct relay_link_cbs {
	/* All on the loop's thread. */
	void (*on_signers)(void *arg, const struct proto_signers *signers);
	void (*on_revocation)(void *arg, const void *data, size_t len);
	void (*on_run_ended)(void *arg, const uint8_t run_id[PROTO_ID_LEN], bool cancelled);
};

/* Starts the thread. `config` is borrowed until relay_link_free. CV_EINVAL, CV_EIO, CV_ENOMEM. */
int relay_link_new(struct cv_loop *loop, const struct relay_config *config, const struct cv_buf *root,
		   uint64_t manifest_version, const struct relay_link_cbs *cbs, void *arg,
		   struct relay_link **ret) CV_NODISCARD;
/* Interrupts the request under way, joins the thread, delivers nothing more. Takes NULL. */
void relay_link_free(struct relay_link *l);

#endif
