/* SPDX-License-Identifier: Apache-2.0 */
/* The queue of outgoing mail. */
#include "store/internal.h"

int mgr_store_mail_add(struct mgr_store *s, const char *recipient, const char *kind, const void *message, size_t len,
		       int64_t now)
{
	if (len > MGR_MAIL_MAX)
		return CV_ELIMIT;
	return mgr_db_run(s->db,
			  "INSERT INTO mail (recipient, kind, message, created, due) VALUES ($1, $2, $3, $4, $4)",
			  ARGS(ARG_TEXT(recipient), ARG_TEXT(kind), ARG_BLOB(message, len), ARG_INT(now)), NULL);
}

struct mail_out {
	struct mgr_mail *mail;
	struct cv_buf *message;
};

static int take_mail(void *arg, struct mgr_db *db, struct mgr_stmt *st)
{
	struct mail_out *out = arg;
	struct mgr_mail m = {.n = db->ops->col_int(st, 0)};
	size_t len = 0;
	int r = mgr_col_text(db, st, 1, m.recipient, sizeof m.recipient);
	if (r == 0)
		r = mgr_col_text(db, st, 2, m.kind, sizeof m.kind);
	const void *message = db->ops->col_data(st, 3, &len);
	if (r == 0 && message)
		r = cv_buf_put(out->message, message, len);
	if (r < 0)
		return r;
	m.created = db->ops->col_int(st, 4);
	m.attempts = db->ops->col_int(st, 5);
	m.due = db->ops->col_int(st, 6);
	*out->mail = m;
	return 1;
}

int mgr_store_mail_next(struct mgr_store *s, int64_t now, struct mgr_mail *ret_mail, struct cv_buf *ret_message)
{
	struct mail_out out = {ret_mail, ret_message};
	int r = mgr_db_each(s->db,
			    "SELECT n, recipient, kind, message, created, attempts, due FROM mail"
			    " WHERE sent = 0 AND failed = 0 AND due <= $1 ORDER BY due, n LIMIT 1",
			    ARGS(ARG_INT(now)), take_mail, &out);
	if (r < 0)
		return r;
	return r == 1 ? 0 : CV_ENOTFOUND;
}

int mgr_store_mail_next_due(struct mgr_store *s, int64_t *ret_due)
{
	return mgr_db_int(s->db, "SELECT due FROM mail WHERE sent = 0 AND failed = 0 ORDER BY due LIMIT 1", NO_ARGS,
			  ret_due);
}

int mgr_store_mail_attempt(struct mgr_store *s, int64_t n, int64_t attempts, int64_t due)
{
	return mgr_db_change(s->db, "UPDATE mail SET attempts = $1, due = $2 WHERE n = $3",
			     ARGS(ARG_INT(attempts), ARG_INT(due), ARG_INT(n)));
}

int mgr_store_mail_sent(struct mgr_store *s, int64_t n, int64_t now)
{
	return mgr_db_change(s->db, "UPDATE mail SET sent = $1, message = NULL, last_error = '' WHERE n = $2",
			     ARGS(ARG_INT(now), ARG_INT(n)));
}

int mgr_store_mail_failed(struct mgr_store *s, int64_t n, const char *why)
{
	return mgr_db_change(s->db, "UPDATE mail SET last_error = $1 WHERE n = $2", ARGS(ARG_TEXT(why), ARG_INT(n)));
}

int mgr_store_mail_given_up(struct mgr_store *s, int64_t n, const char *why, int64_t now)
{
	return mgr_db_change(s->db, "UPDATE mail SET failed = $1, last_error = $2, message = NULL WHERE n = $3",
			     ARGS(ARG_INT(now), ARG_TEXT(why), ARG_INT(n)));
}
