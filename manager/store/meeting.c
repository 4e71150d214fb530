/* SPDX-License-Identifier: Apache-2.0 */
/* Meetings and invitations. */
#include "store/internal.h"

#define COLUMNS "id, title, organiser_id, start, duration_minutes, created, cancelled, revision"

int mgr_store_meeting_add(struct mgr_store *s, const struct mgr_meeting *m)
{
	return mgr_db_run(s->db,
			  "INSERT INTO meeting (id, title, organiser_id, start, duration_minutes, created)"
			  " VALUES ($1, $2, $3, $4, $5, $6)",
			  ARGS(ARG_ID(m->id), ARG_TEXT(m->title), ARG_ID(m->organiser_id), ARG_INT(m->start),
			       ARG_INT(m->duration_minutes), ARG_INT(m->created)),
			  NULL);
}

static int meeting_row(struct mgr_db *db, struct mgr_stmt *st, struct mgr_meeting *ret)
{
	struct mgr_meeting m = {0};
	int r = mgr_col_bytes(db, st, 0, m.id, sizeof m.id);
	if (r == 0)
		r = mgr_col_text(db, st, 1, m.title, sizeof m.title);
	if (r == 0)
		r = mgr_col_bytes(db, st, 2, m.organiser_id, sizeof m.organiser_id);
	if (r < 0)
		return r;
	m.start = db->ops->col_int(st, 3);
	m.duration_minutes = db->ops->col_int(st, 4);
	m.created = db->ops->col_int(st, 5);
	m.cancelled = db->ops->col_int(st, 6);
	m.revision = db->ops->col_int(st, 7);
	*ret = m;
	return 0;
}

static int take_meeting(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	int r = meeting_row(db, st, arg);
	return r < 0 ? r : 1;
}

int mgr_store_meeting_get(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], struct mgr_meeting *ret)
{
	int r = mgr_db_each(s->db, "SELECT " COLUMNS " FROM meeting WHERE id = $1", ARGS(ARG_ID(id)), take_meeting,
			    ret);
	if (r < 0)
		return r;
	return r == 1 ? 0 : CV_ENOTFOUND;
}

int mgr_store_meeting_touch(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], int64_t cancelled)
{
	return mgr_db_change(s->db,
			     "UPDATE meeting SET revision = revision + 1,"
			     " cancelled = CASE WHEN cancelled = 0 THEN $1 ELSE cancelled END WHERE id = $2",
			     ARGS(ARG_INT(cancelled), ARG_ID(id)));
}

struct meeting_each {
	int (*row)(void *arg, const struct mgr_meeting *m);
	void *arg;
};

static int each_meeting(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	struct meeting_each *e = arg;
	struct mgr_meeting m;
	int r = meeting_row(db, st, &m);
	return r < 0 ? r : e->row(e->arg, &m);
}

int mgr_store_meeting_each(struct mgr_store *s, const uint8_t *user_id,
			   int (*row)(void *arg, const struct mgr_meeting *m), void *arg)
{
	struct meeting_each e = {row, arg};
	if (!user_id)
		return mgr_db_each(s->db, "SELECT " COLUMNS " FROM meeting ORDER BY start DESC, created DESC, id",
				   NO_ARGS, each_meeting, &e);
	return mgr_db_each(s->db,
			   "SELECT " COLUMNS " FROM meeting WHERE organiser_id = $1"
			   " OR id IN (SELECT meeting_id FROM invitation WHERE user_id = $1)"
			   " ORDER BY start DESC, created DESC, id",
			   ARGS(ARG_ID(user_id)), each_meeting, &e);
}

int mgr_store_invitation_add(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN],
			     const uint8_t user_id[MGR_ID_LEN], int64_t now)
{
	return mgr_db_run(s->db, "INSERT INTO invitation (meeting_id, user_id, created) VALUES ($1, $2, $3)",
			  ARGS(ARG_ID(meeting_id), ARG_ID(user_id), ARG_INT(now)), NULL);
}

int mgr_store_invitation_delete(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN],
				const uint8_t user_id[MGR_ID_LEN])
{
	return mgr_db_change(s->db, "DELETE FROM invitation WHERE meeting_id = $1 AND user_id = $2",
			     ARGS(ARG_ID(meeting_id), ARG_ID(user_id)));
}

int mgr_store_invitation_has(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN],
			     const uint8_t user_id[MGR_ID_LEN], bool *ret_has)
{
	int64_t count = 0;
	int r = mgr_db_int(s->db, "SELECT count(*) FROM invitation WHERE meeting_id = $1 AND user_id = $2",
			   ARGS(ARG_ID(meeting_id), ARG_ID(user_id)), &count);
	if (r < 0)
		return r;
	*ret_has = count > 0;
	return 0;
}

int mgr_store_invitation_count(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN], int64_t *ret_count)
{
	return mgr_db_int(s->db, "SELECT count(*) FROM invitation WHERE meeting_id = $1", ARGS(ARG_ID(meeting_id)),
			  ret_count);
}
