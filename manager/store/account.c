/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts, validation links, sessions, throttle counts and seen proofs. */
#include "store/internal.h"

int mgr_account_row(struct mgr_db *db, struct mgr_stmt *st, struct mgr_account *ret)
{
	struct mgr_account a = {0};
	size_t record_len = 0;
	int r = mgr_col_bytes(db, st, 0, a.id, sizeof a.id);
	if (r == 0)
		r = mgr_col_text(db, st, 1, a.email, sizeof a.email);
	if (r == 0)
		r = mgr_col_text(db, st, 2, a.first_name, sizeof a.first_name);
	if (r == 0)
		r = mgr_col_text(db, st, 3, a.last_name, sizeof a.last_name);
	if (r == 0)
		r = mgr_col_text(db, st, 6, a.locale, sizeof a.locale);
	if (r == 0 && db->ops->col_data(st, 7, &record_len)) {
		a.has_record = true;
		r = mgr_col_bytes(db, st, 7, a.record, sizeof a.record);
	}
	if (r < 0)
		return r;
	a.role = (enum mgr_role)db->ops->col_int(st, 4);
	a.disabled = db->ops->col_int(st, 5) != 0;
	a.created = db->ops->col_int(st, 8);
	a.validated = db->ops->col_int(st, 9);
	*ret = a;
	return 0;
}

int mgr_store_account_add(struct mgr_store *s, const struct mgr_account *a)
{
	return mgr_db_run(s->db,
			  "INSERT INTO account (id, email, first_name, last_name, role, disabled, locale, created)"
			  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
			  ARGS(ARG_ID(a->id), ARG_TEXT(a->email), ARG_TEXT(a->first_name), ARG_TEXT(a->last_name),
			       ARG_INT(a->role), ARG_INT(a->disabled), ARG_TEXT(a->locale), ARG_INT(a->created)),
			  NULL);
}

static int take_account(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	int r = mgr_account_row(db, st, arg);
	return r < 0 ? r : 1;
}

static int one_account(struct mgr_store *s, const char *sql, struct mgr_arg key, struct mgr_account *ret)
{
	int r = mgr_db_each(s->db, sql, &key, 1, take_account, ret);
	if (r < 0)
		return r;
	return r == 1 ? 0 : CV_ENOTFOUND;
}

int mgr_store_account_by_id(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], struct mgr_account *ret)
{
	return one_account(s, "SELECT " ACCOUNT_COLUMNS " FROM account WHERE id = $1", ARG_ID(id), ret);
}

int mgr_store_account_by_email(struct mgr_store *s, const char *email, struct mgr_account *ret)
{
	return one_account(s, "SELECT " ACCOUNT_COLUMNS " FROM account WHERE email = $1", ARG_TEXT(email), ret);
}

int mgr_store_account_update(struct mgr_store *s, const struct mgr_account *a)
{
	return mgr_db_change(s->db,
			     "UPDATE account SET first_name = $1, last_name = $2, role = $3, disabled = $4, locale = $5"
			     " WHERE id = $6",
			     ARGS(ARG_TEXT(a->first_name), ARG_TEXT(a->last_name), ARG_INT(a->role),
				  ARG_INT(a->disabled), ARG_TEXT(a->locale), ARG_ID(a->id)));
}

int mgr_store_account_set_record(struct mgr_store *s, const uint8_t id[MGR_ID_LEN],
				 const uint8_t record[MGR_RECORD_LEN], int64_t now)
{
	return mgr_db_change(s->db, "UPDATE account SET record = $1, validated = $2 WHERE id = $3",
			     ARGS(ARG_BLOB(record, MGR_RECORD_LEN), ARG_INT(now), ARG_ID(id)));
}

struct account_each {
	int (*row)(void *arg, const struct mgr_account *a);
	void *arg;
};

static int each_account(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	struct account_each *e = arg;
	struct mgr_account a;
	int r = mgr_account_row(db, st, &a);
	return r < 0 ? r : e->row(e->arg, &a);
}

int mgr_store_account_each(struct mgr_store *s, int (*row)(void *arg, const struct mgr_account *a), void *arg)
{
	struct account_each e = {row, arg};
	return mgr_db_each(s->db, "SELECT " ACCOUNT_COLUMNS " FROM account ORDER BY email", NO_ARGS, each_account, &e);
}

int mgr_store_invitation_each(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN],
			      int (*row)(void *arg, const struct mgr_account *a), void *arg)
{
	struct account_each e = {row, arg};
	return mgr_db_each(s->db,
			   "SELECT " ACCOUNT_COLUMNS " FROM invitation JOIN account ON account.id = invitation.user_id"
			   " WHERE invitation.meeting_id = $1 ORDER BY account.email",
			   ARGS(ARG_ID(meeting_id)), each_account, &e);
}

int mgr_store_account_count(struct mgr_store *s, int64_t *ret_count)
{
	return mgr_db_int(s->db, "SELECT count(*) FROM account", NO_ARGS, ret_count);
}

int mgr_store_administrators(struct mgr_store *s, const uint8_t except[MGR_ID_LEN], int64_t *ret_count)
{
	return mgr_db_int(s->db, "SELECT count(*) FROM account WHERE role = 3 AND disabled = 0 AND id <> $1",
			  ARGS(ARG_ID(except)), ret_count);
}

/* ---- validation links ---- */

int mgr_store_validation_add(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], const struct mgr_validation *v)
{
	return mgr_db_run(s->db, "INSERT INTO validation (hash, user_id, created, expires) VALUES ($1, $2, $3, $4)",
			  ARGS(ARG_HASH(hash), ARG_ID(v->user_id), ARG_INT(v->created), ARG_INT(v->expires)), NULL);
}

static int take_validation(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	struct mgr_validation *v = arg;
	int r = mgr_col_bytes(db, st, 0, v->user_id, sizeof v->user_id);
	if (r < 0)
		return r;
	v->created = db->ops->col_int(st, 1);
	v->expires = db->ops->col_int(st, 2);
	v->used = db->ops->col_int(st, 3);
	return 1;
}

int mgr_store_validation_get(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], struct mgr_validation *ret)
{
	struct mgr_validation v = {0};
	int r = mgr_db_each(s->db, "SELECT user_id, created, expires, used FROM validation WHERE hash = $1",
			    ARGS(ARG_HASH(hash)), take_validation, &v);
	if (r < 0)
		return r;
	if (r == 0)
		return CV_ENOTFOUND;
	*ret = v;
	return 0;
}

int mgr_store_validation_use(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], int64_t now)
{
	return mgr_db_change(s->db, "UPDATE validation SET used = $1 WHERE hash = $2 AND used = 0",
			     ARGS(ARG_INT(now), ARG_HASH(hash)));
}

int mgr_store_validation_revoke(struct mgr_store *s, const uint8_t user_id[MGR_ID_LEN], int64_t now)
{
	return mgr_db_run(s->db, "UPDATE validation SET used = $1 WHERE user_id = $2 AND used = 0",
			  ARGS(ARG_INT(now), ARG_ID(user_id)), NULL);
}

/* ---- sessions ---- */

int mgr_store_session_add(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], const struct mgr_session *session)
{
	return mgr_db_run(
		s->db, "INSERT INTO session (hash, user_id, device_key, created, expires) VALUES ($1, $2, $3, $4, $5)",
		ARGS(ARG_HASH(hash), ARG_ID(session->user_id), ARG_HASH(session->device_key), ARG_INT(session->created),
		     ARG_INT(session->expires)),
		NULL);
}

static int take_session(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	struct mgr_session *v = arg;
	int r = mgr_col_bytes(db, st, 0, v->user_id, sizeof v->user_id);
	if (r == 0)
		r = mgr_col_bytes(db, st, 1, v->device_key, sizeof v->device_key);
	if (r < 0)
		return r;
	v->created = db->ops->col_int(st, 2);
	v->expires = db->ops->col_int(st, 3);
	return 1;
}

int mgr_store_session_get(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], struct mgr_session *ret)
{
	struct mgr_session v = {0};
	int r = mgr_db_each(s->db, "SELECT user_id, device_key, created, expires FROM session WHERE hash = $1",
			    ARGS(ARG_HASH(hash)), take_session, &v);
	if (r < 0)
		return r;
	if (r == 0)
		return CV_ENOTFOUND;
	*ret = v;
	return 0;
}

int mgr_store_session_delete(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN])
{
	return mgr_db_change(s->db, "DELETE FROM session WHERE hash = $1", ARGS(ARG_HASH(hash)));
}

int mgr_store_session_delete_user(struct mgr_store *s, const uint8_t user_id[MGR_ID_LEN])
{
	return mgr_db_run(s->db, "DELETE FROM session WHERE user_id = $1", ARGS(ARG_ID(user_id)), NULL);
}

/* ---- throttle and proofs ---- */

static int take_throttle(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	struct mgr_throttle *t = arg;
	t->failures = db->ops->col_int(st, 0);
	t->last = db->ops->col_int(st, 1);
	return 1;
}

int mgr_store_throttle_get(struct mgr_store *s, const uint8_t key[MGR_HASH_LEN], struct mgr_throttle *ret)
{
	int r = mgr_db_each(s->db, "SELECT failures, last FROM throttle WHERE key = $1", ARGS(ARG_HASH(key)),
			    take_throttle, ret);
	if (r < 0)
		return r;
	return r == 1 ? 0 : CV_ENOTFOUND;
}

int mgr_store_throttle_set(struct mgr_store *s, const uint8_t key[MGR_HASH_LEN], const struct mgr_throttle *t)
{
	return mgr_db_run(s->db,
			  "INSERT INTO throttle (key, failures, last) VALUES ($1, $2, $3)"
			  " ON CONFLICT (key) DO UPDATE SET failures = excluded.failures, last = excluded.last",
			  ARGS(ARG_HASH(key), ARG_INT(t->failures), ARG_INT(t->last)), NULL);
}

int mgr_store_throttle_delete(struct mgr_store *s, const uint8_t key[MGR_HASH_LEN])
{
	return mgr_db_run(s->db, "DELETE FROM throttle WHERE key = $1", ARGS(ARG_HASH(key)), NULL);
}

int mgr_store_proof_add(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], int64_t expires)
{
	return mgr_db_run(s->db, "INSERT INTO proof_seen (hash, expires) VALUES ($1, $2)",
			  ARGS(ARG_HASH(hash), ARG_INT(expires)), NULL);
}
