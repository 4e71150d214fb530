/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mail (R15, R22). Messages are composed on the service thread and put into the queue of the database, sealed with the
 * queue key since they may hold validation links; a worker thread with its own store sends them.
 */
#ifndef MGR_MAIL_H
#define MGR_MAIL_H

#include "domain/app.h"

enum mgr_mail_kind { MGR_MAIL_INVITED, MGR_MAIL_UNINVITED, MGR_MAIL_CANCELLED };

/* Invitation to choose a password (again). Sets app->mail_added, as all of these. */
int mgr_mail_validation(struct mgr_app *app, const struct mgr_account *to, const char *link) CV_NODISCARD;
int mgr_mail_meeting(struct mgr_app *app, enum mgr_mail_kind kind, const struct mgr_meeting *m,
		     const struct mgr_account *to) CV_NODISCARD;

/* ---- composing ---- */

struct mgr_message {
	const char *from, *to; /* to: bare address */
	const char *to_name;
	const char *subject;
	const char *text, *html;
	const char *calendar; /* iCalendar, NULL: none */
	const char *calendar_method;
	const char *id_host; /* right side of the Message-ID */
	int64_t date;
};
/* Appends the RFC 5322 message with CRLF line ends. Main thread only. */
int mgr_mime_build(const struct mgr_app *app, const struct mgr_message *m, struct cv_buf *ret) CV_NODISCARD;

struct mgr_calendar {
	const char *uid, *title, *description, *organiser_name, *organiser_email, *attendee_email;
	int64_t start, duration_minutes, revision, stamp;
	bool cancelled;
};
int mgr_calendar_build(const struct mgr_calendar *c, struct cv_buf *ret) CV_NODISCARD;

/* ---- the queue's worker ---- */

struct mgr_mailer;
/* Starts the thread. CV_EIO (the store), CV_ENOMEM. `conf` must outlive it; of `keys` it copies what it needs. */
int mgr_mailer_start(const struct mgr_conf *conf, const struct mgr_keys *keys, const char *db_path,
		     struct mgr_mailer **ret_mailer) CV_NODISCARD;
/* There may be new mail. Any thread. */
void mgr_mailer_wake(struct mgr_mailer *m);
/* Waits for the message that is being sent (at most a minute). Takes NULL. */
void mgr_mailer_stop(struct mgr_mailer *m);

/* Sends everything that is due, without a thread: for commands whose mail goes to the outbox. */
int mgr_mail_flush(struct mgr_store *store, const struct mgr_conf *conf, const struct mgr_keys *keys,
		   int64_t now) CV_NODISCARD;

/* Ways out. `why` (200 bytes) says in words why it failed; *ret_final: trying again cannot help. */
#define MGR_MAIL_WHY 200
int mgr_smtp_send(const struct mgr_conf *conf, const char *recipient, const uint8_t *message, size_t len,
		  const int *stop, char why[MGR_MAIL_WHY], bool *ret_final) CV_NODISCARD;
/* One .eml file, there completely or not at all. */
int mgr_outbox_write(const char *dir, int64_t n, const uint8_t *message, size_t len,
		     char why[MGR_MAIL_WHY]) CV_NODISCARD;

/* nonce || secretbox under the queue key. */
int mgr_mail_seal(const struct mgr_keys *keys, const struct cv_rng *rng, const struct cv_buf *message,
		  struct cv_buf *ret) CV_NODISCARD;
int mgr_mail_open(const struct mgr_keys *keys, const struct cv_buf *sealed, struct cv_buf *ret) CV_NODISCARD;

#endif
