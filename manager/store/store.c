/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, migrations, transactions, settings, and the sweep of what has expired. */
#include <stdio.h>
#include <string.h>

#include <base/alloc.h>

#include "store/internal.h"

static const char migration_1[] =
#include "0001_first.sql.inc"
	;
static const char migration_2[] =
#include "0002_home.sql.inc"
	;

static const char *const migrations[] = {migration_1, migration_2};

int64_t mgr_store_schema(void)
{
	return (int64_t)(sizeof migrations / sizeof migrations[0]);
}

static int migrate(struct mgr_db *db, int64_t from)
{
	for (int64_t v = from; v < mgr_store_schema(); v++) {
		int r = db->ops->script(db, "BEGIN IMMEDIATE");
		if (r < 0)
			return r;
		r = db->ops->script(db, migrations[v]);
		if (r == 0)
			r = db->ops->version_set(db, v + 1);
		if (r == 0)
			r = db->ops->script(db, "COMMIT");
		if (r < 0) {
			(void)db->ops->script(db, "ROLLBACK");
			return r;
		}
	}
	return 0;
}

int mgr_store_open(const char *path, enum mgr_store_how how, int64_t *ret_version, struct mgr_store **ret_store)
{
	struct mgr_store *s = cv_calloc(1, sizeof *s);
	if (!s)
		return CV_ENOMEM;
	int64_t version = 0;
	int r = mgr_sqlite_open(path, how == MGR_STORE_CREATE, &s->db);
	if (r < 0)
		goto out;
	r = s->db->ops->version_get(s->db, &version);
	if (r < 0)
		goto out;
	if (ret_version)
		*ret_version = version;
	if (version < 0 || version > mgr_store_schema()) {
		r = CV_EUNSUPPORTED;
		goto out;
	}
	if (how != MGR_STORE_LOOK)
		r = migrate(s->db, version);
out:
	if (r < 0) {
		mgr_store_close(s);
		return r;
	}
	*ret_store = s;
	return 0;
}

void mgr_store_close(struct mgr_store *s)
{
	if (!s)
		return;
	if (s->db)
		s->db->ops->close(s->db);
	cv_free(s);
}

const char *mgr_store_error(struct mgr_store *s)
{
	return s->why[0] ? s->why : s->db->ops->error(s->db);
}

int mgr_store_begin(struct mgr_store *s)
{
	s->why[0] = 0;
	return mgr_db_run(s->db, "BEGIN IMMEDIATE", NO_ARGS, NULL);
}

int mgr_store_commit(struct mgr_store *s)
{
	return mgr_db_run(s->db, "COMMIT", NO_ARGS, NULL);
}

void mgr_store_rollback(struct mgr_store *s)
{
	/* The cause, before rolling back puts its own words in its place. */
	snprintf(s->why, sizeof s->why, "%s", s->db->ops->error(s->db));
	/* Fails only when the database has rolled back by itself. */
	int r = mgr_db_run(s->db, "ROLLBACK", NO_ARGS, NULL);
	(void)r;
}

struct text_out {
	char *dst;
	size_t size;
};

static int take_text(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	struct text_out *t = arg;
	int r = mgr_col_text(db, st, 0, t->dst, t->size);
	return r < 0 ? r : 1;
}

int mgr_store_setting_get(struct mgr_store *s, const char *name, char *ret_value, size_t size)
{
	struct text_out t = {ret_value, size};
	int r = mgr_db_each(s->db, "SELECT value FROM setting WHERE name = $1", ARGS(ARG_TEXT(name)), take_text, &t);
	if (r < 0)
		return r;
	return r == 1 ? 0 : CV_ENOTFOUND;
}

int mgr_store_setting_set(struct mgr_store *s, const char *name, const char *value)
{
	return mgr_db_run(s->db,
			  "INSERT INTO setting (name, value) VALUES ($1, $2)"
			  " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
			  ARGS(ARG_TEXT(name), ARG_TEXT(value)), NULL);
}

#define EVENT_LIFE      (7 * 86400)
#define RUN_KEEP        (90 * 86400)
#define MAIL_KEEP       (90 * 86400)
#define THROTTLE_FORGET (30 * 86400)
#define LINK_KEEP       (30 * 86400)

int mgr_store_prune(struct mgr_store *s, int64_t now, int64_t throttle_max)
{
	struct {
		const char *sql;
		int64_t limit;
	} jobs[] = {
		{"DELETE FROM proof_seen WHERE expires < $1", now},
		{"DELETE FROM session WHERE expires < $1", now},
		{"DELETE FROM throttle WHERE last < $1", now - THROTTLE_FORGET},
		{"DELETE FROM throttle WHERE key NOT IN (SELECT key FROM throttle ORDER BY last DESC LIMIT $1)",
		 throttle_max},
		{"DELETE FROM validation WHERE expires < $1", now - LINK_KEEP},
		{"DELETE FROM relay_token WHERE expires < $1", now - LINK_KEEP},
		{"DELETE FROM event WHERE created < $1", now - EVENT_LIFE},
		{"DELETE FROM run WHERE ended > 0 AND ended < $1", now - RUN_KEEP},
		{"DELETE FROM mail WHERE (sent > 0 OR failed > 0) AND created < $1", now - MAIL_KEEP},
	};
	for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
		int r = mgr_db_run(s->db, jobs[i].sql, ARGS(ARG_INT(jobs[i].limit)), NULL);
		if (r < 0)
			return r;
	}
	return 0;
}
