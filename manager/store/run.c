/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of meetings: members, bans, epoch reports. */
#include "store/internal.h"

#define COLUMNS                                                                                                        \
	"run.id, run.meeting_id, run.creator_id, run.creator_device, run.lobby_key, run.started, run.reported, "       \
	"run.alarm, run.alarm_epoch, run.ended, run.home_relay"

int mgr_store_run_add(struct mgr_store *s, const struct mgr_run *run)
{
	return mgr_db_run(s->db,
			  "INSERT INTO run (id, meeting_id, creator_id, creator_device, lobby_key, started)"
			  " VALUES ($1, $2, $3, $4, $5, $6)",
			  ARGS(ARG_ID(run->id), ARG_ID(run->meeting_id), ARG_ID(run->creator_id),
			       ARG_HASH(run->creator_device), ARG_HASH(run->lobby_key), ARG_INT(run->started)),
			  NULL);
}

static int run_row(struct mgr_db *db, struct mgr_stmt *st, struct mgr_run *ret)
{
	struct mgr_run run = {0};
	size_t len = 0;
	int r = mgr_col_bytes(db, st, 0, run.id, sizeof run.id);
	if (r == 0)
		r = mgr_col_bytes(db, st, 1, run.meeting_id, sizeof run.meeting_id);
	if (r == 0)
		r = mgr_col_bytes(db, st, 2, run.creator_id, sizeof run.creator_id);
	if (r == 0)
		r = mgr_col_bytes(db, st, 3, run.creator_device, sizeof run.creator_device);
	if (r == 0 && db->ops->col_data(st, 4, &len))
		r = mgr_col_bytes(db, st, 4, run.lobby_key, sizeof run.lobby_key);
	if (r == 0 && db->ops->col_data(st, 10, &len)) {
		run.has_home = true;
		r = mgr_col_bytes(db, st, 10, run.home, sizeof run.home);
	}
	if (r < 0)
		return r;
	run.started = db->ops->col_int(st, 5);
	run.reported = db->ops->col_int(st, 6);
	run.alarm = db->ops->col_int(st, 7) != 0;
	run.alarm_epoch = db->ops->col_int(st, 8);
	run.ended = db->ops->col_int(st, 9);
	*ret = run;
	return 0;
}

static int take_run(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	int r = run_row(db, st, arg);
	return r < 0 ? r : 1;
}

static int one_run(struct mgr_store *s, const char *sql, const uint8_t id[MGR_ID_LEN], struct mgr_run *ret)
{
	int r = mgr_db_each(s->db, sql, ARGS(ARG_ID(id)), take_run, ret);
	if (r < 0)
		return r;
	return r == 1 ? 0 : CV_ENOTFOUND;
}

int mgr_store_run_get(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], struct mgr_run *ret)
{
	return one_run(s, "SELECT " COLUMNS " FROM run WHERE id = $1", id, ret);
}

int mgr_store_run_live(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN], struct mgr_run *ret)
{
	return one_run(s, "SELECT " COLUMNS " FROM run WHERE meeting_id = $1 AND ended = 0", meeting_id, ret);
}

struct run_each {
	int (*row)(void *arg, const struct mgr_run *run);
	void *arg;
};

static int each_run(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	struct run_each *e = arg;
	struct mgr_run run;
	int r = run_row(db, st, &run);
	return r < 0 ? r : e->row(e->arg, &run);
}

int mgr_store_run_each_live(struct mgr_store *s, int (*row)(void *arg, const struct mgr_run *run), void *arg)
{
	struct run_each e = {row, arg};
	return mgr_db_each(s->db, "SELECT " COLUMNS " FROM run WHERE ended = 0", NO_ARGS, each_run, &e);
}

int mgr_store_run_each_of_user(struct mgr_store *s, const uint8_t user_id[MGR_ID_LEN],
			       int (*row)(void *arg, const struct mgr_run *run), void *arg)
{
	struct run_each e = {row, arg};
	return mgr_db_each(s->db,
			   "SELECT " COLUMNS " FROM run WHERE ended = 0"
			   " AND id IN (SELECT run_id FROM run_member WHERE user_id = $1)"
			   " AND id NOT IN (SELECT run_id FROM run_ban WHERE user_id = $1)",
			   ARGS(ARG_ID(user_id)), each_run, &e);
}

int mgr_store_run_end(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], const char *reason, int64_t now)
{
	return mgr_db_change(s->db,
			     "UPDATE run SET ended = $1, end_reason = $2, lobby_key = NULL WHERE id = $3 AND ended = 0",
			     ARGS(ARG_INT(now), ARG_TEXT(reason), ARG_ID(id)));
}

int mgr_store_run_reported(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], int64_t now)
{
	return mgr_db_change(s->db, "UPDATE run SET reported = $1 WHERE id = $2", ARGS(ARG_INT(now), ARG_ID(id)));
}

int mgr_store_run_set_home(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], const uint8_t relay_id[MGR_ID_LEN])
{
	return mgr_db_change(s->db, "UPDATE run SET home_relay = $1 WHERE id = $2 AND home_relay IS NULL",
			     ARGS(ARG_ID(relay_id), ARG_ID(id)));
}

int mgr_store_run_alarm(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], int64_t epoch)
{
	return mgr_db_change(s->db, "UPDATE run SET alarm = 1, alarm_epoch = $1 WHERE id = $2",
			     ARGS(ARG_INT(epoch), ARG_ID(id)));
}

int mgr_store_member_add(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
			 const uint8_t device_hash[MGR_HASH_LEN], int64_t now)
{
	return mgr_db_run(s->db,
			  "INSERT INTO run_member (run_id, user_id, device_hash, joined) VALUES ($1, $2, $3, $4)"
			  " ON CONFLICT (run_id, device_hash) DO UPDATE SET joined = excluded.joined, gone = 0,"
			  " user_id = excluded.user_id",
			  ARGS(ARG_ID(run_id), ARG_ID(user_id), ARG_HASH(device_hash), ARG_INT(now)), NULL);
}

int mgr_store_member_reported(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN],
			      const uint8_t device_hash[MGR_HASH_LEN], int64_t now)
{
	return mgr_db_change(s->db,
			     "UPDATE run_member SET reported = $1, gone = 0 WHERE run_id = $2 AND device_hash = $3",
			     ARGS(ARG_INT(now), ARG_ID(run_id), ARG_HASH(device_hash)));
}

int mgr_store_member_gone(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN],
			  const uint8_t device_hash[MGR_HASH_LEN], int64_t now)
{
	return mgr_db_change(s->db, "UPDATE run_member SET gone = $1 WHERE run_id = $2 AND device_hash = $3",
			     ARGS(ARG_INT(now), ARG_ID(run_id), ARG_HASH(device_hash)));
}

int mgr_store_member_gone_user(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
			       int64_t now)
{
	return mgr_db_run(s->db, "UPDATE run_member SET gone = $1 WHERE run_id = $2 AND user_id = $3",
			  ARGS(ARG_INT(now), ARG_ID(run_id), ARG_ID(user_id)), NULL);
}

int mgr_store_member_present(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], int64_t since, int64_t *ret_count)
{
	return mgr_db_int(s->db,
			  "SELECT count(*) FROM run_member WHERE run_id = $1 AND gone = 0"
			  " AND (reported > 0 OR joined >= $2)",
			  ARGS(ARG_ID(run_id), ARG_INT(since)), ret_count);
}

int mgr_store_ban_add(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
		      int64_t now)
{
	return mgr_db_run(s->db,
			  "INSERT INTO run_ban (run_id, user_id, created) VALUES ($1, $2, $3)"
			  " ON CONFLICT (run_id, user_id) DO NOTHING",
			  ARGS(ARG_ID(run_id), ARG_ID(user_id), ARG_INT(now)), NULL);
}

int mgr_store_ban_has(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
		      bool *ret_has)
{
	int64_t count = 0;
	int r = mgr_db_int(s->db, "SELECT count(*) FROM run_ban WHERE run_id = $1 AND user_id = $2",
			   ARGS(ARG_ID(run_id), ARG_ID(user_id)), &count);
	if (r < 0)
		return r;
	*ret_has = count > 0;
	return 0;
}

int mgr_store_moderator_set(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
			    bool moderates)
{
	return mgr_db_run(s->db,
			  moderates ? "INSERT INTO run_moderator (run_id, user_id) VALUES ($1, $2)"
				      " ON CONFLICT (run_id, user_id) DO NOTHING"
				    : "DELETE FROM run_moderator WHERE run_id = $1 AND user_id = $2",
			  ARGS(ARG_ID(run_id), ARG_ID(user_id)), NULL);
}

int mgr_store_moderator_has(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
			    bool *ret_has)
{
	int64_t count = 0;
	int r = mgr_db_int(s->db, "SELECT count(*) FROM run_moderator WHERE run_id = $1 AND user_id = $2",
			   ARGS(ARG_ID(run_id), ARG_ID(user_id)), &count);
	if (r < 0)
		return r;
	*ret_has = count > 0;
	return 0;
}

int mgr_store_report_add(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], int64_t epoch,
			 const uint8_t hash[MGR_HASH_LEN], int64_t now, int64_t keep, int64_t *ret_values)
{
	int r = mgr_db_run(
		s->db,
		"INSERT INTO epoch_report (run_id, epoch, hash, received) SELECT $1, $2, $3, $4"
		" WHERE (SELECT count(*) FROM epoch_report WHERE run_id = $1 AND epoch = $2) < $5"
		" ON CONFLICT (run_id, epoch, hash) DO NOTHING",
		ARGS(ARG_ID(run_id), ARG_INT(epoch), ARG_HASH(hash), ARG_INT(now), ARG_INT(MGR_REPORT_VALUES)), NULL);
	if (r < 0)
		return r;
	r = mgr_db_run(
		s->db,
		"DELETE FROM epoch_report WHERE run_id = $1 AND epoch <> $2 AND epoch NOT IN"
		" (SELECT epoch FROM epoch_report WHERE run_id = $1 ORDER BY received DESC, epoch DESC LIMIT $3)",
		ARGS(ARG_ID(run_id), ARG_INT(epoch), ARG_INT(keep)), NULL);
	if (r < 0)
		return r;
	return mgr_db_int(s->db, "SELECT count(*) FROM epoch_report WHERE run_id = $1 AND epoch = $2",
			  ARGS(ARG_ID(run_id), ARG_INT(epoch)), ret_values);
}
