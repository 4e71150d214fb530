/* SPDX-License-Identifier: Apache-2.0 */
/* The relay as a server: listener, loop, link to the manager around the core. */
#ifndef RELAY_SERVER_H
#define RELAY_SERVER_H

#include "config.h"

/* Serves until SIGINT or SIGTERM; SIGHUP reads the TLS certificate again (if clients know its key). 0, or CV_E… after a
 * line in the log. */
int relay_server_run(const struct relay_config *config) CV_NODISCARD;
/* Everything that `run` reads, without listening. On failure `ret_msg` says why. */
int relay_server_check(const struct relay_config *config, char *ret_msg, size_t size) CV_NODISCARD;

#endif
