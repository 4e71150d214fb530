/* SPDX-License-Identifier: Apache-2.0 */
/* Meetings: made by organisers, joined by those invited (R26, R28, R29). */
#ifndef MGR_DOMAIN_MEETING_H
#define MGR_DOMAIN_MEETING_H

#include "domain/app.h"

#define MGR_DURATION_MAX (7 * 24 * 60) /* minutes */

struct mgr_new_meeting {
	const char *title;
	int64_t start; /* 0: any time */
	int64_t duration_minutes;
	const char *const *invite; /* e-mail addresses */
	size_t n_invite;
};

int mgr_meeting_create(struct mgr_app *app, const struct mgr_account *by, const struct mgr_new_meeting *m,
		       struct mgr_meeting *ret_meeting) CV_NODISCARD;
/* Those one may see. MGR_ENOTFOUND for others, so that ids tell nothing. */
int mgr_meeting_get(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN],
		    struct mgr_meeting *ret_meeting) CV_NODISCARD;
/* As get, for those who manage it: its organiser, and administrators. MGR_EFORBIDDEN. */
int mgr_meeting_manage(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN],
		       struct mgr_meeting *ret_meeting) CV_NODISCARD;
/* Unknown addresses get an account when the configuration allows it. Who is invited already stays so. */
int mgr_meeting_invite(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN],
		       const char *const *emails, size_t n) CV_NODISCARD;
/* Also out of a running meeting. MGR_ENOTFOUND when one of them is not invited. */
int mgr_meeting_uninvite(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN],
			 const char *const *emails, size_t n) CV_NODISCARD;
/* Ends a running meeting. Cancelling twice is no error. */
int mgr_meeting_cancel(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN]) CV_NODISCARD;

#endif
