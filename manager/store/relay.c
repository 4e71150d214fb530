/* SPDX-License-Identifier: Apache-2.0 */
/* Relays, their enrolment tokens, and the events they are told. */
#include <string.h>

#include "store/internal.h"

int mgr_store_relay_add(struct mgr_store *s, const struct mgr_relay *relay)
{
	int r = mgr_db_run(s->db, "UPDATE relay SET retired = $1 WHERE url = $2 AND retired = 0",
			   ARGS(ARG_INT(relay->created), ARG_TEXT(relay->url)), NULL);
	if (r < 0)
		return r;
	return mgr_db_run(s->db, "INSERT INTO relay (id, url, pins, created) VALUES ($1, $2, $3, $4)",
			  ARGS(ARG_ID(relay->id), ARG_TEXT(relay->url),
			       ARG_BLOB(relay->pins, relay->n_pins * MGR_HASH_LEN), ARG_INT(relay->created)),
			  NULL);
}

static int relay_row(struct mgr_db *db, struct mgr_stmt *st, struct mgr_relay *ret)
{
	struct mgr_relay relay = {0};
	size_t len = 0;
	int r = mgr_col_bytes(db, st, 0, relay.id, sizeof relay.id);
	if (r == 0)
		r = mgr_col_text(db, st, 1, relay.url, sizeof relay.url);
	if (r < 0)
		return r;
	const void *pins = db->ops->col_data(st, 2, &len);
	if (!pins || len > sizeof relay.pins || len % MGR_HASH_LEN)
		return CV_EFORMAT;
	memcpy(relay.pins, pins, len);
	relay.n_pins = len / MGR_HASH_LEN;
	relay.created = db->ops->col_int(st, 3);
	relay.retired = db->ops->col_int(st, 4);
	*ret = relay;
	return 0;
}

static int take_relay(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	int r = relay_row(db, st, arg);
	return r < 0 ? r : 1;
}

int mgr_store_relay_get(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], struct mgr_relay *ret)
{
	int r = mgr_db_each(s->db, "SELECT id, url, pins, created, retired FROM relay WHERE id = $1", ARGS(ARG_ID(id)),
			    take_relay, ret);
	if (r < 0)
		return r;
	return r == 1 ? 0 : CV_ENOTFOUND;
}

struct relay_each {
	int (*row)(void *arg, const struct mgr_relay *r);
	void *arg;
};

static int each_relay(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	struct relay_each *e = arg;
	struct mgr_relay relay;
	int r = relay_row(db, st, &relay);
	return r < 0 ? r : e->row(e->arg, &relay);
}

int mgr_store_relay_each(struct mgr_store *s, int (*row)(void *arg, const struct mgr_relay *r), void *arg)
{
	struct relay_each e = {row, arg};
	return mgr_db_each(s->db,
			   "SELECT id, url, pins, created, retired FROM relay WHERE retired = 0 ORDER BY created, id",
			   NO_ARGS, each_relay, &e);
}

int mgr_store_relay_token_add(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], int64_t now, int64_t expires)
{
	return mgr_db_run(s->db, "INSERT INTO relay_token (hash, created, expires) VALUES ($1, $2, $3)",
			  ARGS(ARG_HASH(hash), ARG_INT(now), ARG_INT(expires)), NULL);
}

int mgr_store_relay_token_use(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], int64_t now)
{
	return mgr_db_change(s->db, "UPDATE relay_token SET used = $1 WHERE hash = $2 AND used = 0 AND expires >= $1",
			     ARGS(ARG_INT(now), ARG_HASH(hash)));
}

int mgr_store_event_add(struct mgr_store *s, const char *kind, const uint8_t *run_id, const void *object, size_t len,
			int64_t now)
{
	return mgr_db_run(s->db, "INSERT INTO event (kind, run_id, object, created) VALUES ($1, $2, $3, $4)",
			  ARGS(ARG_TEXT(kind), run_id ? ARG_ID(run_id) : ARG_NULL,
			       object ? ARG_BLOB(object, len) : ARG_NULL, ARG_INT(now)),
			  NULL);
}

struct event_each {
	int (*row)(void *arg, const struct mgr_event *e);
	void *arg;
};

static int each_event(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	struct event_each *each = arg;
	struct mgr_event e = {.n = db->ops->col_int(st, 0)};
	size_t len = 0;
	int r = mgr_col_text(db, st, 1, e.kind, sizeof e.kind);
	if (r == 0 && db->ops->col_data(st, 2, &len)) {
		e.has_run = true;
		r = mgr_col_bytes(db, st, 2, e.run_id, sizeof e.run_id);
	}
	if (r < 0)
		return r;
	e.object = db->ops->col_data(st, 3, &e.object_len);
	e.created = db->ops->col_int(st, 4);
	return each->row(each->arg, &e);
}

int mgr_store_event_each(struct mgr_store *s, int64_t after, int64_t limit,
			 int (*row)(void *arg, const struct mgr_event *e), void *arg)
{
	struct event_each e = {row, arg};
	return mgr_db_each(s->db, "SELECT n, kind, run_id, object, created FROM event WHERE n > $1 ORDER BY n LIMIT $2",
			   ARGS(ARG_INT(after), ARG_INT(limit)), each_event, &e);
}

int mgr_store_event_last(struct mgr_store *s, int64_t *ret_n)
{
	return mgr_db_int(s->db, "SELECT coalesce(max(n), 0) FROM event", NO_ARGS, ret_n);
}
