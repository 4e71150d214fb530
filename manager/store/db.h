/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver under the store: one connection to an SQL database. The store's statements are written once, in SQL that
 * SQLite and PostgreSQL share, with parameters $1, $2 … named in the order of their first appearance. Only files in
 * manager/store include this. A connection belongs to one thread.
 */
#ifndef MGR_STORE_DB_H
#define MGR_STORE_DB_H

#include <stddef.h>
#include <stdint.h>

#include <base/err.h>

enum mgr_arg_kind { MGR_ARG_INT, MGR_ARG_TEXT, MGR_ARG_BLOB, MGR_ARG_NULL };

struct mgr_arg {
	enum mgr_arg_kind kind;
	int64_t number;
	const void *data; /* borrowed until the statement is done */
	size_t len;
};

#define ARG_INT(v)     ((struct mgr_arg){.kind = MGR_ARG_INT, .number = (int64_t)(v)})
#define ARG_TEXT(s)    ((struct mgr_arg){.kind = MGR_ARG_TEXT, .data = (s)})
#define ARG_BLOB(p, n) ((struct mgr_arg){.kind = MGR_ARG_BLOB, .data = (p), .len = (n)})
#define ARG_ID(p)      ARG_BLOB((p), 16)
#define ARG_HASH(p)    ARG_BLOB((p), 32)
#define ARG_NULL       ((struct mgr_arg){.kind = MGR_ARG_NULL})
#define ARGS(...)                                                                                                      \
	(const struct mgr_arg[]){__VA_ARGS__}, sizeof((const struct mgr_arg[]){__VA_ARGS__}) / sizeof(struct mgr_arg)
#define NO_ARGS NULL, 0

struct mgr_db;
struct mgr_stmt;

struct mgr_db_ops {
	void (*close)(struct mgr_db *db);
	/* A script of several statements without parameters. */
	int (*script)(struct mgr_db *db, const char *sql);
	int (*version_get)(struct mgr_db *db, int64_t *ret_version);
	int (*version_set)(struct mgr_db *db, int64_t version);
	/* `sql` must be a constant of the program: the prepared statement is kept under its address. */
	int (*query)(struct mgr_db *db, const char *sql, const struct mgr_arg *args, size_t n,
		     struct mgr_stmt **ret_stmt);
	/* 1: a row; 0: no more. CV_EEXIST: a constraint refuses it; CV_EIO: anything else; the cause is in error(). */
	int (*step)(struct mgr_stmt *stmt);
	int64_t (*col_int)(struct mgr_stmt *stmt, int col);
	/* Borrowed until the next step; NULL for SQL NULL. Text ends with a NUL. */
	const void *(*col_data)(struct mgr_stmt *stmt, int col, size_t *ret_len);
	void (*done)(struct mgr_stmt *stmt);
	int64_t (*changes)(struct mgr_db *db);
	const char *(*error)(struct mgr_db *db);
};

struct mgr_db {
	const struct mgr_db_ops *ops;
	int depth; /* of nested mgr_db_begin */
};

/* Opens or (with `create`) makes the database file. CV_ENOTFOUND, CV_EIO. */
int mgr_sqlite_open(const char *path, int create, struct mgr_db **ret_db) CV_NODISCARD;

/* Runs a statement that gives no rows; ret_changes may be NULL. CV_EEXIST, CV_EIO. */
int mgr_db_run(struct mgr_db *db, const char *sql, const struct mgr_arg *args, size_t n,
	       int64_t *ret_changes) CV_NODISCARD;
/* First column of the first row. CV_ENOTFOUND without a row. */
int mgr_db_int(struct mgr_db *db, const char *sql, const struct mgr_arg *args, size_t n,
	       int64_t *ret_value) CV_NODISCARD;
/* As mgr_db_run, but CV_ENOTFOUND when no row was changed. */
int mgr_db_change(struct mgr_db *db, const char *sql, const struct mgr_arg *args, size_t n) CV_NODISCARD;

/* Calls `row` for each row until it returns other than 0, and returns that (0 at the end). */
int mgr_db_each(struct mgr_db *db, const char *sql, const struct mgr_arg *args, size_t n,
		int (*row)(void *arg, struct mgr_db *db, struct mgr_stmt *stmt), void *arg) CV_NODISCARD;

/* Fixed-size columns; CV_EFORMAT when the size differs or the text does not fit. */
int mgr_col_bytes(struct mgr_db *db, struct mgr_stmt *stmt, int col, void *dst, size_t len) CV_NODISCARD;
int mgr_col_text(struct mgr_db *db, struct mgr_stmt *stmt, int col, char *dst, size_t size) CV_NODISCARD;

#endif
