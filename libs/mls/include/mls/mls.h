/* SPDX-License-Identifier: Apache-2.0 */
/* All of the library. Read in this order: types, key_package, policy, group; message, external and hpke when needed. */
#ifndef MLS_MLS_H
#define MLS_MLS_H

#include <mls/external.h>
#include <mls/group.h>
#include <mls/hpke.h>
#include <mls/key_package.h>
#include <mls/message.h>
#include <mls/policy.h>
#include <mls/types.h>

#endif
