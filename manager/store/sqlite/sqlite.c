/* SPDX-License-Identifier: Apache-2.0 */
/* The SQLite driver: WAL, foreign keys, a busy timeout, and a cache of prepared statements. */
#include <stdio.h>
#include <string.h>

#include <sqlite3.h>

#include <base/alloc.h>

#include "store/db.h"

#define BUSY_TIMEOUT_MS 5000
#define CACHE_MAX       192

struct mgr_stmt {
	sqlite3_stmt *raw;
	const char *sql;
	struct sqlite_db *db;
	int busy;
};

struct sqlite_db {
	struct mgr_db base;
	sqlite3 *raw;
	struct mgr_stmt cache[CACHE_MAX];
	size_t used;
};

static void db_close(struct mgr_db *base)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	if (!db)
		return;
	for (size_t i = 0; i < db->used; i++)
		sqlite3_finalize(db->cache[i].raw);
	sqlite3_close(db->raw);
	cv_free(db);
}

static int map_error(int rc)
{
	if ((rc & 0xff) == SQLITE_CONSTRAINT)
		return CV_EEXIST;
	if ((rc & 0xff) == SQLITE_NOTADB || (rc & 0xff) == SQLITE_CORRUPT)
		return CV_EFORMAT;
	return rc == SQLITE_NOMEM ? CV_ENOMEM : CV_EIO;
}

static int db_script(struct mgr_db *base, const char *sql)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	int rc = sqlite3_exec(db->raw, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : map_error(rc);
}

static int db_version_get(struct mgr_db *base, int64_t *ret_version)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	sqlite3_stmt *s;
	if (sqlite3_prepare_v2(db->raw, "PRAGMA user_version", -1, &s, NULL) != SQLITE_OK)
		return CV_EIO;
	int rc = sqlite3_step(s);
	if (rc == SQLITE_ROW)
		*ret_version = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return rc == SQLITE_ROW ? 0 : CV_EIO;
}

static int db_version_set(struct mgr_db *base, int64_t version)
{
	char sql[64];
	snprintf(sql, sizeof sql, "PRAGMA user_version = %lld", (long long)version);
	return db_script(base, sql);
}

static struct mgr_stmt *cache_slot(struct sqlite_db *db, const char *sql)
{
	for (size_t i = 0; i < db->used; i++) {
		if (db->cache[i].sql == sql && !db->cache[i].busy)
			return &db->cache[i];
	}
	if (db->used < CACHE_MAX)
		return &db->cache[db->used++];
	for (size_t i = 0; i < CACHE_MAX; i++) {
		if (!db->cache[i].busy) {
			sqlite3_finalize(db->cache[i].raw);
			db->cache[i] = (struct mgr_stmt){0};
			return &db->cache[i];
		}
	}
	return NULL;
}

static int bind_all(sqlite3_stmt *s, const struct mgr_arg *args, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = SQLITE_OK;
		int at = (int)i + 1;
		switch (args[i].kind) {
		case MGR_ARG_INT: rc = sqlite3_bind_int64(s, at, args[i].number); break;
		case MGR_ARG_TEXT: rc = sqlite3_bind_text(s, at, args[i].data, -1, SQLITE_STATIC); break;
		case MGR_ARG_BLOB:
			rc = sqlite3_bind_blob64(s, at, args[i].data ? args[i].data : "", args[i].len, SQLITE_STATIC);
			break;
		case MGR_ARG_NULL: rc = sqlite3_bind_null(s, at); break;
		}
		if (rc != SQLITE_OK)
			return rc == SQLITE_NOMEM ? CV_ENOMEM : CV_EINVAL;
	}
	return sqlite3_bind_parameter_count(s) == (int)n ? 0 : CV_EINVAL;
}

static void stmt_done(struct mgr_stmt *stmt)
{
	sqlite3_reset(stmt->raw);
	sqlite3_clear_bindings(stmt->raw);
	stmt->busy = 0;
}

static int db_query(struct mgr_db *base, const char *sql, const struct mgr_arg *args, size_t n,
		    struct mgr_stmt **ret_stmt)
{
	struct sqlite_db *db = (struct sqlite_db *)base;
	struct mgr_stmt *stmt = cache_slot(db, sql);
	if (!stmt)
		return CV_ELIMIT;
	if (!stmt->raw) {
		int rc = sqlite3_prepare_v3(db->raw, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->raw, NULL);
		if (rc != SQLITE_OK)
			return map_error(rc);
		stmt->sql = sql;
		stmt->db = db;
	}
	stmt->busy = 1;
	int r = bind_all(stmt->raw, args, n);
	if (r < 0) {
		stmt_done(stmt);
		return r;
	}
	*ret_stmt = stmt;
	return 0;
}

static int stmt_step(struct mgr_stmt *stmt)
{
	int rc = sqlite3_step(stmt->raw);
	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : map_error(rc);
}

static int64_t stmt_int(struct mgr_stmt *stmt, int col)
{
	return sqlite3_column_int64(stmt->raw, col);
}

static const void *stmt_data(struct mgr_stmt *stmt, int col, size_t *ret_len)
{
	int type = sqlite3_column_type(stmt->raw, col);
	if (type == SQLITE_NULL)
		return NULL;
	const void *p = type == SQLITE_BLOB ? sqlite3_column_blob(stmt->raw, col)
					    : (const void *)sqlite3_column_text(stmt->raw, col);
	*ret_len = (size_t)sqlite3_column_bytes(stmt->raw, col);
	return p ? p : "";
}

static int64_t db_changes(struct mgr_db *base)
{
	return sqlite3_changes64(((struct sqlite_db *)base)->raw);
}

static const char *db_error(struct mgr_db *base)
{
	return sqlite3_errmsg(((struct sqlite_db *)base)->raw);
}

static const struct mgr_db_ops sqlite_ops = {
	.close = db_close,
	.script = db_script,
	.version_get = db_version_get,
	.version_set = db_version_set,
	.query = db_query,
	.step = stmt_step,
	.col_int = stmt_int,
	.col_data = stmt_data,
	.done = stmt_done,
	.changes = db_changes,
	.error = db_error,
};

int mgr_sqlite_open(const char *path, int create, struct mgr_db **ret_db)
{
	struct sqlite_db *db = cv_calloc(1, sizeof *db);
	if (!db)
		return CV_ENOMEM;
	db->base.ops = &sqlite_ops;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
	int r = CV_EIO;
	int rc = sqlite3_open_v2(path, &db->raw, flags, NULL);
	if (rc != SQLITE_OK) {
		r = rc == SQLITE_CANTOPEN && !create ? CV_ENOTFOUND : CV_EIO;
		goto out;
	}
	sqlite3_extended_result_codes(db->raw, 1);
	sqlite3_busy_timeout(db->raw, BUSY_TIMEOUT_MS);
	/* secure_delete: used tokens and sent messages do not stay in free pages. trusted_schema off: nothing in the
	 * file can call functions with side effects. */
	r = db_script(&db->base, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
				 "PRAGMA secure_delete = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;");
out:
	if (r < 0) {
		db_close(&db->base);
		return r;
	}
	*ret_db = &db->base;
	return 0;
}
