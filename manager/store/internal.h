/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the store's files. */
#ifndef MGR_STORE_INTERNAL_H
#define MGR_STORE_INTERNAL_H

#include "store/db.h"
#include "store/store.h"

struct mgr_store {
	struct mgr_db *db;
	char why[200]; /* what went wrong in the transaction that was rolled back last; "" since another has begun */
};

#define ACCOUNT_COLUMNS                                                                                                \
	"account.id, account.email, account.first_name, account.last_name, account.role, account.disabled, "           \
	"account.locale, account.record, account.created, account.validated"

/* Reads ACCOUNT_COLUMNS. */
int mgr_account_row(struct mgr_db *db, struct mgr_stmt *st, struct mgr_account *ret);

#endif
