/* SPDX-License-Identifier: Apache-2.0 */
/* What run.c (joining, reports, ends) and ban.c (moderators, bans, revocations) share. */
#ifndef MGR_DOMAIN_RUN_INTERNAL_H
#define MGR_DOMAIN_RUN_INTERNAL_H

#include "domain/run.h"

/* MGR_ENOTFOUND. */
int mgr_run_get(struct mgr_app *app, const uint8_t run_id[MGR_ID_LEN], struct mgr_run *ret) CV_NODISCARD;
/* The meeting's run, unless it is over by the clock: then it is ended. CV_ENOTFOUND. */
int mgr_run_live(struct mgr_app *app, const uint8_t meeting_id[MGR_ID_LEN], struct mgr_run *ret) CV_NODISCARD;
/* Ends it and tells the relays; 0 also when it has ended before. */
int mgr_run_finish(struct mgr_app *app, const struct mgr_run *run, const char *reason) CV_NODISCARD;
/* For the relays. run_id and object may be NULL. */
int mgr_run_event(struct mgr_app *app, const char *kind, const uint8_t *run_id, const void *object,
		  size_t len) CV_NODISCARD;

#endif
