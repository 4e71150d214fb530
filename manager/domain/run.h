/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of meetings: joining, reports, ends, bans and revocations (docs/protocol.md section 3). */
#ifndef MGR_DOMAIN_RUN_H
#define MGR_DOMAIN_RUN_H

#include "domain/app.h"

#define MGR_RUN_CREATE_S  15 /* the creator's first report must come within */
#define MGR_RUN_SILENCE_S 30 /* without any report the run is over */
#define MGR_JOIN_GRACE_S  60 /* a ticket's life: who was let in may still be on the way */
#define MGR_REPORT_EPOCHS 256
#define MGR_SIGNED_OBJECT 4096

struct mgr_joined {
	uint8_t run_id[MGR_ID_LEN];
	struct mgr_meeting meeting;
	struct mgr_account organiser;
	struct cv_buf ticket, admission, grant; /* Signed; grant empty: join, never create */
	uint8_t lobby_key[32];
	unsigned switches;
	struct mgr_relay relays[PROTO_TICKET_RELAYS_MAX];
	size_t n_relays;
};

/* MGR_ENOTINVITED, MGR_ECANCELLED, MGR_EREMOVED, MGR_ENORELAY; MGR_ENOTBEGUN: the run has no relay yet, ask again. */
int mgr_run_join(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_key[PROTO_KEY_LEN],
		 const uint8_t meeting_id[MGR_ID_LEN], struct mgr_joined *ret_joined) CV_NODISCARD;
/* Takes a zeroed struct. */
void mgr_joined_done(struct mgr_joined *j);

struct mgr_report {
	int64_t epoch;
	uint8_t authenticator_hash[MGR_HASH_LEN];
	int64_t members;
	bool has_relay;
	uint8_t relay[MGR_ID_LEN]; /* that the group is on */
};
struct mgr_report_answer {
	bool alarm;
	int64_t alarm_epoch;
	bool ended;
	bool cancelled; /* with its meeting */
};
/*
 * MGR_ENOTFOUND: no such run, or this device was never let into it. MGR_EREMOVED. MGR_EOTHERRELAY: the run lives on
 * another relay than the one reported.
 */
int mgr_run_report(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_key[PROTO_KEY_LEN],
		   const uint8_t run_id[MGR_ID_LEN], const struct mgr_report *report,
		   struct mgr_report_answer *ret_answer) CV_NODISCARD;
int mgr_run_leave(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_key[PROTO_KEY_LEN],
		  const uint8_t run_id[MGR_ID_LEN]) CV_NODISCARD;
/* By the meeting's organiser, an administrator, or whom one of those has made a moderator of the run. MGR_EFORBIDDEN.
 */
int mgr_run_end(struct mgr_app *app, const struct mgr_account *by, const uint8_t run_id[MGR_ID_LEN]) CV_NODISCARD;
int mgr_run_ban(struct mgr_app *app, const struct mgr_account *by, const uint8_t run_id[MGR_ID_LEN],
		const uint8_t user_id[MGR_ID_LEN]) CV_NODISCARD;

/* Who moderates beside the organiser: only the invited. */
int mgr_run_moderation(struct mgr_app *app, const struct mgr_account *by, const uint8_t run_id[MGR_ID_LEN],
		       const uint8_t user_id[MGR_ID_LEN], bool moderates) CV_NODISCARD;

/* ---- for other parts of the domain ---- */

/* Out of the running meeting, if there is one: ban and revocation. */
int mgr_run_revoke_in_meeting(struct mgr_app *app, const uint8_t meeting_id[MGR_ID_LEN],
			      const uint8_t user_id[MGR_ID_LEN]) CV_NODISCARD;
/* Out of every run that the user was let into. */
int mgr_run_revoke_everywhere(struct mgr_app *app, const uint8_t user_id[MGR_ID_LEN]) CV_NODISCARD;
int mgr_run_end_of_meeting(struct mgr_app *app, const uint8_t meeting_id[MGR_ID_LEN], const char *reason) CV_NODISCARD;
/* Ends runs that are silent or were never begun. Call every few seconds, in a transaction. */
int mgr_run_sweep(struct mgr_app *app) CV_NODISCARD;

#endif
