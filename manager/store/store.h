/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the manager remembers. No rules live here: callers decide, the store keeps. Ids are 16 bytes, hashes and keys
 * 32, times Unix seconds; 0 as a time means "never" or "not yet". E-mail addresses are normalised by the caller.
 *
 * Results: CV_ENOTFOUND no such row, CV_EEXIST a constraint refuses it, CV_EFORMAT a row holds what it must not,
 * CV_EIO the database failed (words in mgr_store_error). A store belongs to one thread; every thread opens its own.
 */
#ifndef MGR_STORE_H
#define MGR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/buf.h>
#include <base/err.h>

#define MGR_ID_LEN     16
#define MGR_HASH_LEN   32
#define MGR_EMAIL_MAX  254
#define MGR_NAME_MAX   128 /* bytes of a first or last name */
#define MGR_TITLE_MAX  256
#define MGR_URL_MAX    512
#define MGR_LOCALE_MAX 8
#define MGR_RECORD_LEN 192
#define MGR_PINS_MAX   8

struct mgr_store;

/* Newest schema this program knows. */
int64_t mgr_store_schema(void);
enum mgr_store_how {
	MGR_STORE_LOOK,   /* as it is: an older schema stays */
	MGR_STORE_OPEN,   /* and migrate it */
	MGR_STORE_CREATE, /* where there is none */
};
/*
 * Opens the database at `path`. CV_EUNSUPPORTED: the schema is newer than this program. CV_ENOTFOUND: no such file.
 * ret_version (may be NULL) gets the schema version that was found.
 */
int mgr_store_open(const char *path, enum mgr_store_how how, int64_t *ret_version,
		   struct mgr_store **ret_store) CV_NODISCARD;
void mgr_store_close(struct mgr_store *s);
/* The database's words for the last failure, borrowed. */
const char *mgr_store_error(struct mgr_store *s);

/* A transaction for writing. commit or rollback ends it. */
int mgr_store_begin(struct mgr_store *s) CV_NODISCARD;
int mgr_store_commit(struct mgr_store *s) CV_NODISCARD;
void mgr_store_rollback(struct mgr_store *s);

/* Small named values. get: CV_ENOTFOUND; CV_EFORMAT when it does not fit. */
int mgr_store_setting_get(struct mgr_store *s, const char *name, char *ret_value, size_t size) CV_NODISCARD;
int mgr_store_setting_set(struct mgr_store *s, const char *name, const char *value) CV_NODISCARD;

/* ---- accounts ---- */

enum mgr_role { MGR_ROLE_USER = 1, MGR_ROLE_ORGANISER = 2, MGR_ROLE_ADMINISTRATOR = 3 };

struct mgr_account {
	uint8_t id[MGR_ID_LEN];
	char email[MGR_EMAIL_MAX + 1];
	char first_name[MGR_NAME_MAX + 1];
	char last_name[MGR_NAME_MAX + 1];
	enum mgr_role role;
	bool disabled;
	char locale[MGR_LOCALE_MAX + 1]; /* "" the organisation's */
	bool has_record;
	uint8_t record[MGR_RECORD_LEN];
	int64_t created, validated;
};

int mgr_store_account_add(struct mgr_store *s, const struct mgr_account *a) CV_NODISCARD;
int mgr_store_account_by_id(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], struct mgr_account *ret) CV_NODISCARD;
int mgr_store_account_by_email(struct mgr_store *s, const char *email, struct mgr_account *ret) CV_NODISCARD;
/* Role, names, disabled, locale. */
int mgr_store_account_update(struct mgr_store *s, const struct mgr_account *a) CV_NODISCARD;
/* The OPAQUE record (and the time of validation). */
int mgr_store_account_set_record(struct mgr_store *s, const uint8_t id[MGR_ID_LEN],
				 const uint8_t record[MGR_RECORD_LEN], int64_t now) CV_NODISCARD;
/* In order of e-mail; the callback returns 0 to go on. */
int mgr_store_account_each(struct mgr_store *s, int (*row)(void *arg, const struct mgr_account *a),
			   void *arg) CV_NODISCARD;
int mgr_store_account_count(struct mgr_store *s, int64_t *ret_count) CV_NODISCARD;
/* Administrators that can sign in or still validate, without `except`. */
int mgr_store_administrators(struct mgr_store *s, const uint8_t except[MGR_ID_LEN], int64_t *ret_count) CV_NODISCARD;

struct mgr_validation {
	uint8_t user_id[MGR_ID_LEN];
	int64_t created, expires, used;
};

int mgr_store_validation_add(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN],
			     const struct mgr_validation *v) CV_NODISCARD;
int mgr_store_validation_get(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN],
			     struct mgr_validation *ret) CV_NODISCARD;
/* Marks it used; CV_ENOTFOUND when it is used already. */
int mgr_store_validation_use(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], int64_t now) CV_NODISCARD;
/* Makes every open link of the user unusable. */
int mgr_store_validation_revoke(struct mgr_store *s, const uint8_t user_id[MGR_ID_LEN], int64_t now) CV_NODISCARD;

/* ---- sessions, throttle, proofs ---- */

struct mgr_session {
	uint8_t user_id[MGR_ID_LEN];
	uint8_t device_key[32];
	int64_t created, expires;
};

int mgr_store_session_add(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN],
			  const struct mgr_session *session) CV_NODISCARD;
int mgr_store_session_get(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], struct mgr_session *ret) CV_NODISCARD;
int mgr_store_session_delete(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN]) CV_NODISCARD;
int mgr_store_session_delete_user(struct mgr_store *s, const uint8_t user_id[MGR_ID_LEN]) CV_NODISCARD;

struct mgr_throttle {
	int64_t failures, last;
};

/* CV_ENOTFOUND: none counted. */
int mgr_store_throttle_get(struct mgr_store *s, const uint8_t key[MGR_HASH_LEN], struct mgr_throttle *ret) CV_NODISCARD;
int mgr_store_throttle_set(struct mgr_store *s, const uint8_t key[MGR_HASH_LEN],
			   const struct mgr_throttle *t) CV_NODISCARD;
int mgr_store_throttle_delete(struct mgr_store *s, const uint8_t key[MGR_HASH_LEN]) CV_NODISCARD;

/* CV_EEXIST: seen before. */
int mgr_store_proof_add(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], int64_t expires) CV_NODISCARD;

/* Forgets what has expired at `now`, and the oldest throttle rows beyond `throttle_max`. */
int mgr_store_prune(struct mgr_store *s, int64_t now, int64_t throttle_max) CV_NODISCARD;

/* ---- meetings ---- */

struct mgr_meeting {
	uint8_t id[MGR_ID_LEN];
	char title[MGR_TITLE_MAX + 1];
	uint8_t organiser_id[MGR_ID_LEN];
	int64_t start; /* 0: any time */
	int64_t duration_minutes;
	int64_t created, cancelled;
	int64_t revision; /* counts changes, for calendars */
};

int mgr_store_meeting_add(struct mgr_store *s, const struct mgr_meeting *m) CV_NODISCARD;
int mgr_store_meeting_get(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], struct mgr_meeting *ret) CV_NODISCARD;
/* `cancelled` (0: no change) and the next revision. */
int mgr_store_meeting_touch(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], int64_t cancelled) CV_NODISCARD;
/* Meetings that `user_id` organises or is invited to; NULL: all. Latest start first. */
int mgr_store_meeting_each(struct mgr_store *s, const uint8_t *user_id,
			   int (*row)(void *arg, const struct mgr_meeting *m), void *arg) CV_NODISCARD;
int mgr_store_invitation_add(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN],
			     const uint8_t user_id[MGR_ID_LEN], int64_t now) CV_NODISCARD;
int mgr_store_invitation_delete(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN],
				const uint8_t user_id[MGR_ID_LEN]) CV_NODISCARD;
int mgr_store_invitation_has(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN],
			     const uint8_t user_id[MGR_ID_LEN], bool *ret_has) CV_NODISCARD;
int mgr_store_invitation_count(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN],
			       int64_t *ret_count) CV_NODISCARD;
int mgr_store_invitation_each(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN],
			      int (*row)(void *arg, const struct mgr_account *a), void *arg) CV_NODISCARD;

/* ---- runs ---- */

struct mgr_run {
	uint8_t id[MGR_ID_LEN];
	uint8_t meeting_id[MGR_ID_LEN];
	uint8_t creator_id[MGR_ID_LEN];
	uint8_t creator_device[MGR_HASH_LEN];
	uint8_t lobby_key[32]; /* zero after the end */
	int64_t started;
	int64_t reported; /* last report; 0: none */
	bool alarm;
	int64_t alarm_epoch;
	int64_t ended;
	bool has_home;
	uint8_t home[MGR_ID_LEN]; /* the relay that it lives on */
};

/* CV_EEXIST: the meeting has a live run. */
int mgr_store_run_add(struct mgr_store *s, const struct mgr_run *run) CV_NODISCARD;
int mgr_store_run_get(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], struct mgr_run *ret) CV_NODISCARD;
/* The meeting's run that has not ended. */
int mgr_store_run_live(struct mgr_store *s, const uint8_t meeting_id[MGR_ID_LEN], struct mgr_run *ret) CV_NODISCARD;
int mgr_store_run_each_live(struct mgr_store *s, int (*row)(void *arg, const struct mgr_run *run),
			    void *arg) CV_NODISCARD;
/* Forgets the lobby key too. CV_ENOTFOUND when it has ended already. */
int mgr_store_run_end(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], const char *reason, int64_t now) CV_NODISCARD;
int mgr_store_run_reported(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], int64_t now) CV_NODISCARD;
/* Only when it has none. CV_ENOTFOUND: it has. */
int mgr_store_run_set_home(struct mgr_store *s, const uint8_t id[MGR_ID_LEN],
			   const uint8_t relay_id[MGR_ID_LEN]) CV_NODISCARD;
int mgr_store_run_alarm(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], int64_t epoch) CV_NODISCARD;
/* A device has been let in (again). */
int mgr_store_member_add(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
			 const uint8_t device_hash[MGR_HASH_LEN], int64_t now) CV_NODISCARD;
/* CV_ENOTFOUND: this device was never let in. */
int mgr_store_member_reported(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN],
			      const uint8_t device_hash[MGR_HASH_LEN], int64_t now) CV_NODISCARD;
int mgr_store_member_gone(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN],
			  const uint8_t device_hash[MGR_HASH_LEN], int64_t now) CV_NODISCARD;
/* All devices of a user. */
int mgr_store_member_gone_user(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
			       int64_t now) CV_NODISCARD;
/* Devices that reported and have not left, and those let in since `since`. */
int mgr_store_member_present(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], int64_t since,
			     int64_t *ret_count) CV_NODISCARD;
/* Live runs that the user was let into and is not banned from. */
int mgr_store_run_each_of_user(struct mgr_store *s, const uint8_t user_id[MGR_ID_LEN],
			       int (*row)(void *arg, const struct mgr_run *run), void *arg) CV_NODISCARD;
/* Idempotent. */
int mgr_store_ban_add(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
		      int64_t now) CV_NODISCARD;
int mgr_store_ban_has(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
		      bool *ret_has) CV_NODISCARD;
/* Who moderates besides the organiser; idempotent. */
int mgr_store_moderator_set(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
			    bool moderates) CV_NODISCARD;
int mgr_store_moderator_has(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN],
			    bool *ret_has) CV_NODISCARD;
#define MGR_REPORT_VALUES 8 /* the second one is an alarm already */
/* Remembers the value; ret_values: how many different ones this epoch has now, at most MGR_REPORT_VALUES. Keeps the
 * newest `keep` epochs of the run. */
int mgr_store_report_add(struct mgr_store *s, const uint8_t run_id[MGR_ID_LEN], int64_t epoch,
			 const uint8_t hash[MGR_HASH_LEN], int64_t now, int64_t keep, int64_t *ret_values) CV_NODISCARD;

/* ---- relays ---- */

struct mgr_relay {
	uint8_t id[MGR_ID_LEN];
	char url[MGR_URL_MAX + 1];
	size_t n_pins;
	uint8_t pins[MGR_PINS_MAX][MGR_HASH_LEN];
	int64_t created, retired;
};

/* Retires another relay of the same URL first. */
int mgr_store_relay_add(struct mgr_store *s, const struct mgr_relay *r) CV_NODISCARD;
int mgr_store_relay_get(struct mgr_store *s, const uint8_t id[MGR_ID_LEN], struct mgr_relay *ret) CV_NODISCARD;
/* Those in service, oldest first. */
int mgr_store_relay_each(struct mgr_store *s, int (*row)(void *arg, const struct mgr_relay *r), void *arg) CV_NODISCARD;
int mgr_store_relay_token_add(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], int64_t now,
			      int64_t expires) CV_NODISCARD;
/* Uses the token up. CV_ENOTFOUND: unknown, used or expired. */
int mgr_store_relay_token_use(struct mgr_store *s, const uint8_t hash[MGR_HASH_LEN], int64_t now) CV_NODISCARD;

struct mgr_event {
	int64_t n;
	char kind[32];
	bool has_run;
	uint8_t run_id[MGR_ID_LEN];
	const uint8_t *object; /* borrowed during the callback; NULL: none */
	size_t object_len;
	int64_t created;
};

/* run_id and object may be NULL. */
int mgr_store_event_add(struct mgr_store *s, const char *kind, const uint8_t *run_id, const void *object, size_t len,
			int64_t now) CV_NODISCARD;
int mgr_store_event_each(struct mgr_store *s, int64_t after, int64_t limit,
			 int (*row)(void *arg, const struct mgr_event *e), void *arg) CV_NODISCARD;
/* Number of the newest event that was ever made; 0: none. */
int mgr_store_event_last(struct mgr_store *s, int64_t *ret_n) CV_NODISCARD;

/* ---- mail queue ---- */

#define MGR_MAIL_MAX (256 * 1024)

struct mgr_mail {
	int64_t n;
	char recipient[MGR_EMAIL_MAX + 1];
	char kind[32];
	int64_t created, attempts, due;
};

/* `message` is kept as it is given (the caller seals it). */
int mgr_store_mail_add(struct mgr_store *s, const char *recipient, const char *kind, const void *message, size_t len,
		       int64_t now) CV_NODISCARD;
/* The message that is due first and no later than `now`; appends it to ret_message. CV_ENOTFOUND: nothing is due. */
int mgr_store_mail_next(struct mgr_store *s, int64_t now, struct mgr_mail *ret_mail,
			struct cv_buf *ret_message) CV_NODISCARD;
/* When the next message is due; CV_ENOTFOUND: the queue is empty. */
int mgr_store_mail_next_due(struct mgr_store *s, int64_t *ret_due) CV_NODISCARD;
/* How often it has been tried, and when it is due again. */
int mgr_store_mail_attempt(struct mgr_store *s, int64_t n, int64_t attempts, int64_t due) CV_NODISCARD;
/* Sent: the message itself is forgotten. */
int mgr_store_mail_sent(struct mgr_store *s, int64_t n, int64_t now) CV_NODISCARD;
/* Not sent this time. */
int mgr_store_mail_failed(struct mgr_store *s, int64_t n, const char *why) CV_NODISCARD;
/* Given up: the message itself is forgotten. */
int mgr_store_mail_given_up(struct mgr_store *s, int64_t n, const char *why, int64_t now) CV_NODISCARD;

#endif
