/* SPDX-License-Identifier: Apache-2.0 */
/* Who moderates a run, and who is kept out of it. */
#include <string.h>

#include <base/log.h>

#include "domain/meeting.h"
#include "domain/run_internal.h"

#define RUNS_AT_ONCE 64

/*
 * The organiser and administrators moderate. So does whom one of them, or such a one in turn, has told to: rights
 * change inside the group, where the manager does not look, so the client that changed them says it here.
 */
static int moderated_run(struct mgr_app *app, const struct mgr_account *by, const uint8_t run_id[MGR_ID_LEN],
			 struct mgr_run *ret_run)
{
	struct mgr_meeting m;
	bool moderates = false, banned = false;
	int r = mgr_run_get(app, run_id, ret_run);
	if (r < 0)
		return r;
	r = mgr_meeting_manage(app, by, ret_run->meeting_id, &m);
	if (r != MGR_EFORBIDDEN)
		return r;
	r = mgr_store_moderator_has(app->store, run_id, by->id, &moderates);
	if (r == 0)
		r = mgr_store_ban_has(app->store, run_id, by->id, &banned);
	if (r < 0)
		return r;
	return moderates && !banned ? 0 : MGR_EFORBIDDEN;
}

int mgr_run_end(struct mgr_app *app, const struct mgr_account *by, const uint8_t run_id[MGR_ID_LEN])
{
	struct mgr_run run;
	int r = moderated_run(app, by, run_id, &run);
	if (r == 0 && !run.ended)
		r = mgr_run_finish(app, &run, "moderator");
	cv_wipe(&run, sizeof run);
	return r;
}

int mgr_run_moderation(struct mgr_app *app, const struct mgr_account *by, const uint8_t run_id[MGR_ID_LEN],
		       const uint8_t user_id[MGR_ID_LEN], bool moderates)
{
	struct mgr_run run;
	bool invited = false;
	int r = moderated_run(app, by, run_id, &run);
	if (r == 0 && run.ended)
		r = MGR_ERUNENDED;
	if (r == 0 && moderates) {
		r = mgr_store_invitation_has(app->store, run.meeting_id, user_id, &invited);
		if (r == 0 && !invited)
			r = MGR_ENOTFOUND;
	}
	if (r == 0)
		r = mgr_store_moderator_set(app->store, run_id, user_id, moderates);
	cv_wipe(&run, sizeof run);
	return r;
}

/* ---- bans and revocations ---- */

static int revoke(struct mgr_app *app, const uint8_t run_id[MGR_ID_LEN], const uint8_t user_id[MGR_ID_LEN])
{
	uint64_t now = (uint64_t)mgr_now(app);
	struct cv_buf object;
	struct proto_revocation v = {.issued = now, .expires = now + PROTO_ADMISSION_LIFE};
	memcpy(v.run_id, run_id, PROTO_ID_LEN);
	memcpy(v.user_id, user_id, PROTO_ID_LEN);
	cv_buf_init(&object, MGR_SIGNED_OBJECT);
	int r = proto_revocation_sign(&v, app->keys->grants_seed, &object);
	if (r == 0)
		r = mgr_run_event(app, "revocation", run_id, object.data, object.len);
	cv_buf_done(&object);
	return r;
}

static int ban(struct mgr_app *app, const struct mgr_run *run, const uint8_t user_id[MGR_ID_LEN])
{
	bool banned = false;
	int r = mgr_store_ban_has(app->store, run->id, user_id, &banned);
	if (r < 0 || banned)
		return r;
	r = mgr_store_ban_add(app->store, run->id, user_id, mgr_now(app));
	if (r == 0)
		r = mgr_store_member_gone_user(app->store, run->id, user_id, mgr_now(app));
	return r < 0 ? r : revoke(app, run->id, user_id);
}

int mgr_run_ban(struct mgr_app *app, const struct mgr_account *by, const uint8_t run_id[MGR_ID_LEN],
		const uint8_t user_id[MGR_ID_LEN])
{
	struct mgr_run run;
	struct mgr_account target;
	int r = moderated_run(app, by, run_id, &run);
	if (r == 0) {
		r = mgr_store_account_by_id(app->store, user_id, &target);
		if (r == CV_ENOTFOUND)
			r = MGR_ENOTFOUND;
	}
	if (r == 0 && !memcmp(by->id, user_id, MGR_ID_LEN))
		r = MGR_ESELF;
	if (r == 0 && run.ended)
		r = MGR_ERUNENDED;
	if (r == 0)
		r = ban(app, &run, user_id);
	cv_wipe(&run, sizeof run);
	return r;
}

int mgr_run_revoke_in_meeting(struct mgr_app *app, const uint8_t meeting_id[MGR_ID_LEN],
			      const uint8_t user_id[MGR_ID_LEN])
{
	struct mgr_run run;
	int r = mgr_run_live(app, meeting_id, &run);
	if (r == CV_ENOTFOUND)
		return 0;
	if (r == 0)
		r = ban(app, &run, user_id);
	cv_wipe(&run, sizeof run);
	return r;
}

struct run_batch {
	struct mgr_run runs[RUNS_AT_ONCE];
	size_t n;
};

static int collect(void *arg, const struct mgr_run *run)
{
	struct run_batch *b = arg;
	b->runs[b->n++] = *run;
	return b->n == RUNS_AT_ONCE;
}

/* Run by run, not one revocation for all: that would also shut out whoever is enabled again within its life. */
int mgr_run_revoke_everywhere(struct mgr_app *app, const uint8_t user_id[MGR_ID_LEN])
{
	struct run_batch batch;
	int r;
	do {
		batch.n = 0;
		r = mgr_store_run_each_of_user(app->store, user_id, collect, &batch);
		for (size_t i = 0; r >= 0 && i < batch.n; i++)
			r = ban(app, &batch.runs[i], user_id);
	} while (r >= 0 && batch.n == RUNS_AT_ONCE);
	cv_wipe(&batch, sizeof batch);
	return r < 0 ? r : 0;
}
