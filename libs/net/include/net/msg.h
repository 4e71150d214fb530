/* SPDX-License-Identifier: Apache-2.0 */
/* A message as a counted, immutable block, so that a relay queues one copy for all receivers. Thread safe counting. */
#ifndef NET_MSG_H
#define NET_MSG_H

#include <stddef.h>
#include <stdint.h>

#include <base/err.h>

struct net_msg {
	unsigned refs;
	size_t len;
	uint8_t data[]; /* first byte: the kind */
};

/* A block of `len` bytes to be filled before it is first sent; one reference, the caller's. CV_ENOMEM. */
CV_PUBLIC int net_msg_new(size_t len, struct net_msg **ret_msg) CV_NODISCARD;
/* Kind byte and a copy of the payload. */
CV_PUBLIC int net_msg_from(uint8_t kind, const void *payload, size_t len, struct net_msg **ret_msg) CV_NODISCARD;
CV_PUBLIC struct net_msg *net_msg_ref(struct net_msg *m);
/* Takes NULL. */
CV_PUBLIC void net_msg_unref(struct net_msg *m);

#endif
