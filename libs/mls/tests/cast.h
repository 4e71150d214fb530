/* SPDX-License-Identifier: Apache-2.0 */
/* A group with a dishonest member: Alice sends, Bob judges, Carol stands by, Dave is outside. */
#ifndef MLS_TESTS_CAST_H
#define MLS_TESTS_CAST_H

#include "helper.h"

#include "forge.h"

#define BUF_MAX (1 << 20)

struct cast {
	struct world w;
	struct person a, b, c, d;
	struct cv_buf list; /* proposals in the making, content of `ProposalOrRef proposals<V>` */
	struct cv_buf body, msg;
};
int cast_setup(void **state);
int cast_teardown(void **state);
#define WITH_CAST(f) cmocka_unit_test_setup_teardown(f, cast_setup, cast_teardown)

/* Bob refuses x->msg with `want` and is where he was. Empties list, body and msg for the next one. */
void cast_refused(struct cast *x, int want);
/*
 * A commit of Alice's without a path over x->list into x->msg; its confirmation tag is nonsense, so nothing gets past
 * it by luck.
 */
void cast_commit_list(struct cast *x);
/* x->list with the path of an empty commit of Alice's, honest or forged, into x->body. */
void cast_path_under_list(struct cast *x, enum forgery what);
/* A commit of x->list with an honest path into x->msg, so that only the rule in question stands in the way. */
void cast_commit_list_with_path(struct cast *x, uint16_t wire_format);

/* Proposals by value. */
void put_by_value(struct cv_buf *b, uint16_t type);
void put_remove(struct cv_buf *b, uint32_t leaf);
void put_add(struct cv_buf *b, struct cv_span message);
void put_psk(struct cv_buf *b, enum mls_psk_usage usage, size_t nonce_len);
void put_extensions(struct cv_buf *b);

#endif
