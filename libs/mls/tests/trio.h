/* SPDX-License-Identifier: Apache-2.0 */
/* Three members of suite 1 in epoch 1. */
#ifndef MLS_TESTS_TRIO_H
#define MLS_TESTS_TRIO_H

#include "helper.h"

struct trio {
	struct world w;
	struct person a, b, c;
};
void trio_init(struct trio *t, uint64_t seed);
void trio_done(struct trio *t);
/* `from` commits, the others follow (y may be NULL); everybody agrees. */
void commit_all(struct person *from, struct person *x, struct person *y, const struct mls_commit *what);
/* Reads application data; the result of mls_group_process. */
int read_message(struct person *p, const struct cv_buf *m);

#endif
