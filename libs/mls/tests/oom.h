/* SPDX-License-Identifier: Apache-2.0 */
/* Every allocation of a call fails once: the call says CV_ENOMEM, nothing changes, and the next try succeeds. */
#ifndef MLS_TESTS_OOM_H
#define MLS_TESTS_OOM_H

#include "helper.h"

/*
 * Calls `op` with the n-th allocation failing, n = 0, 1, … until one run needs fewer, and succeeds. The groups of
 * `unchanged` (a list that ends with NULL; may be NULL) are what they were after each failure, to the last byte.
 */
void oom_every(int (*op)(void *ctx), void *ctx, struct person *const *unchanged);
#define UNCHANGED(...) ((struct person *const[]){__VA_ARGS__, NULL})

#endif
