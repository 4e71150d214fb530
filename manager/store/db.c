/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "store/db.h"

int mgr_db_each(struct mgr_db *db, const char *sql, const struct mgr_arg *args, size_t n,
		int (*row)(void *arg, struct mgr_db *db, struct mgr_stmt *stmt), void *arg)
{
	struct mgr_stmt *stmt;
	int r = db->ops->query(db, sql, args, n, &stmt);
	if (r < 0)
		return r;
	while ((r = db->ops->step(stmt)) > 0) {
		r = row(arg, db, stmt);
		if (r != 0)
			break;
	}
	db->ops->done(stmt);
	return r;
}

int mgr_db_run(struct mgr_db *db, const char *sql, const struct mgr_arg *args, size_t n, int64_t *ret_changes)
{
	struct mgr_stmt *stmt;
	int r = db->ops->query(db, sql, args, n, &stmt);
	if (r < 0)
		return r;
	while ((r = db->ops->step(stmt)) > 0)
		;
	db->ops->done(stmt);
	if (r == 0 && ret_changes)
		*ret_changes = db->ops->changes(db);
	return r;
}

int mgr_db_change(struct mgr_db *db, const char *sql, const struct mgr_arg *args, size_t n)
{
	int64_t changes = 0;
	int r = mgr_db_run(db, sql, args, n, &changes);
	if (r < 0)
		return r;
	return changes > 0 ? 0 : CV_ENOTFOUND;
}

static int take_int(void *arg, struct mgr_db *db, struct mgr_stmt *stmt)
{
	*(int64_t *)arg = db->ops->col_int(stmt, 0);
	return 1;
}

int mgr_db_int(struct mgr_db *db, const char *sql, const struct mgr_arg *args, size_t n, int64_t *ret_value)
{
	int r = mgr_db_each(db, sql, args, n, take_int, ret_value);
	if (r < 0)
		return r;
	return r == 1 ? 0 : CV_ENOTFOUND;
}

int mgr_col_bytes(struct mgr_db *db, struct mgr_stmt *stmt, int col, void *dst, size_t len)
{
	size_t have = 0;
	const void *data = db->ops->col_data(stmt, col, &have);
	if (!data || have != len)
		return CV_EFORMAT;
	memcpy(dst, data, len);
	return 0;
}

int mgr_col_text(struct mgr_db *db, struct mgr_stmt *stmt, int col, char *dst, size_t size)
{
	size_t have = 0;
	const char *text = db->ops->col_data(stmt, col, &have);
	if (!text)
		text = "";
	if (have >= size)
		return CV_EFORMAT;
	memcpy(dst, text, have);
	dst[have] = 0;
	return 0;
}
