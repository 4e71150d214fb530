/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/log.h>
#include <base/text.h>

#include "domain/meeting.h"
#include "domain/run_internal.h"

#define DAY 86400

static struct cv_log_field log_id(const char *key, const uint8_t id[MGR_ID_LEN], char hex[2 * MGR_ID_LEN + 1])
{
	cv_hex_encode(hex, id, MGR_ID_LEN);
	return cv_log_str(key, hex);
}

int mgr_run_event(struct mgr_app *app, const char *kind, const uint8_t *run_id, const void *object, size_t len)
{
	int r = mgr_store_event_add(app->store, kind, run_id, object, len, mgr_now(app));
	if (r == 0)
		app->events_added = true;
	return r;
}

int mgr_run_finish(struct mgr_app *app, const struct mgr_run *run, const char *reason)
{
	char hex[2 * MGR_ID_LEN + 1];
	int r = mgr_store_run_end(app->store, run->id, reason, mgr_now(app));
	if (r == CV_ENOTFOUND)
		return 0;
	if (r == 0)
		r = mgr_run_event(app, "run-ended", run->id, reason, strlen(reason));
	if (r == 0)
		cv_log(CV_LOG_INFO, "run", "ended", log_id("run", run->id, hex), cv_log_str("reason", reason));
	return r;
}

/* Why the run is over by the clock; NULL: it goes on. Silence from before this process began is the manager's own. */
static const char *run_stale(const struct mgr_app *app, const struct mgr_run *run)
{
	int64_t now = mgr_now(app);
	int64_t since = run->reported ? run->reported : run->started;
	if (since < app->started)
		since = app->started;
	if (!run->reported && now - since > MGR_RUN_CREATE_S)
		return "not begun";
	if (run->reported && now - since > MGR_RUN_SILENCE_S)
		return "silence";
	return NULL;
}

int mgr_run_live(struct mgr_app *app, const uint8_t meeting_id[MGR_ID_LEN], struct mgr_run *ret)
{
	int r = mgr_store_run_live(app->store, meeting_id, ret);
	if (r < 0)
		return r;
	const char *stale = run_stale(app, ret);
	if (!stale)
		return 0;
	r = mgr_run_finish(app, ret, stale);
	return r < 0 ? r : CV_ENOTFOUND;
}

static int begin_run(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_hash[MGR_HASH_LEN],
		     const uint8_t meeting_id[MGR_ID_LEN], struct mgr_run *ret)
{
	struct mgr_run run = {.started = mgr_now(app)};
	char hex[2 * MGR_ID_LEN + 1];
	memcpy(run.meeting_id, meeting_id, MGR_ID_LEN);
	memcpy(run.creator_id, by->id, MGR_ID_LEN);
	memcpy(run.creator_device, device_hash, MGR_HASH_LEN);
	int r = mgr_id_new(app, run.id);
	if (r == 0)
		r = cv_rng_fill(app->rng, run.lobby_key, sizeof run.lobby_key);
	if (r == 0)
		r = mgr_store_run_add(app->store, &run);
	if (r == 0) {
		cv_log(CV_LOG_INFO, "run", "begun", log_id("run", run.id, hex));
		*ret = run;
	}
	cv_wipe(&run, sizeof run);
	return r;
}

struct relay_list {
	struct mgr_relay *relays;
	size_t n;
};

static int take_relay(void *arg, const struct mgr_relay *r)
{
	struct relay_list *l = arg;
	l->relays[l->n++] = *r;
	return l->n == PROTO_TICKET_RELAYS_MAX;
}

static int load_relays(struct mgr_app *app, struct mgr_joined *j)
{
	struct relay_list list = {j->relays, 0};
	int r = mgr_store_relay_each(app->store, take_relay, &list);
	j->n_relays = list.n;
	if (r < 0)
		return r;
	return list.n > 0 ? 0 : MGR_ENORELAY;
}

static int sign_ticket(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_hash[MGR_HASH_LEN],
		       uint8_t rights, uint8_t flags, struct mgr_joined *j)
{
	uint64_t now = (uint64_t)mgr_now(app);
	struct proto_ticket t = {.issued = now,
				 .expires = now + PROTO_TICKET_LIFE,
				 .rights = rights,
				 .flags = flags,
				 .switches = (uint8_t)j->switches,
				 .n_relays = j->n_relays};
	memcpy(t.run_id, j->run_id, PROTO_ID_LEN);
	memcpy(t.user_id, by->id, PROTO_ID_LEN);
	memcpy(t.device_hash, device_hash, PROTO_HASH_LEN);
	for (size_t i = 0; i < j->n_relays; i++)
		memcpy(t.relays[i], j->relays[i].id, PROTO_ID_LEN);
	int r = mgr_id_new(app, t.ticket_id);
	return r < 0 ? r : proto_ticket_sign(&t, app->keys->grants_seed, &j->ticket);
}

static int sign_admission(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_hash[MGR_HASH_LEN],
			  uint8_t rights, uint8_t flags, struct mgr_joined *j)
{
	uint64_t now = (uint64_t)mgr_now(app);
	struct proto_admission a = {.issued = now,
				    .expires = now + PROTO_ADMISSION_LIFE,
				    .rights = rights,
				    .flags = flags,
				    .switches = (uint8_t)j->switches};
	memcpy(a.run_id, j->run_id, PROTO_ID_LEN);
	memcpy(a.user_id, by->id, PROTO_ID_LEN);
	memcpy(a.device_hash, device_hash, PROTO_HASH_LEN);
	int r = mgr_id_new(app, a.admission_id);
	return r < 0 ? r : proto_admission_sign(&a, app->keys->grants_seed, &j->admission);
}

static bool is_creator(const struct mgr_run *run, const struct mgr_account *by, const uint8_t device_hash[MGR_HASH_LEN])
{
	return !memcmp(run->creator_id, by->id, MGR_ID_LEN) && !memcmp(run->creator_device, device_hash, MGR_HASH_LEN);
}

/* For the creator alone, again when it asks again, and never once the group has been reported. The grant stays in the
 * group's state, where newcomers verify it, so it lives as long as an admission. */
static int sign_grant(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_hash[MGR_HASH_LEN],
		      const struct mgr_run *run, struct mgr_joined *j)
{
	if (run->reported || !is_creator(run, by, device_hash))
		return 0;
	struct proto_creation_grant g = {.issued = (uint64_t)run->started, .expires = (uint64_t)(run->started + DAY)};
	memcpy(g.run_id, run->id, PROTO_ID_LEN);
	memcpy(g.user_id, by->id, PROTO_ID_LEN);
	memcpy(g.device_hash, device_hash, PROTO_HASH_LEN);
	return proto_creation_grant_sign(&g, app->keys->grants_seed, &j->grant);
}

/*
 * A run lives on one relay. With several in service its creator takes the one that it reaches best, and says which with
 * its first report; until then nobody else gets a ticket, so that nobody waits, or begins a group, on another one.
 */
static int choose_relays(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_hash[MGR_HASH_LEN],
			 struct mgr_run *run, struct mgr_joined *j)
{
	if (!run->has_home && j->n_relays == 1) {
		int r = mgr_store_run_set_home(app->store, run->id, j->relays[0].id);
		if (r < 0)
			return r;
		memcpy(run->home, j->relays[0].id, MGR_ID_LEN);
		run->has_home = true;
	}
	if (!run->has_home)
		return is_creator(run, by, device_hash) ? 0 : MGR_ENOTBEGUN;
	for (size_t i = 0; i < j->n_relays; i++) {
		if (memcmp(j->relays[i].id, run->home, MGR_ID_LEN))
			continue;
		j->relays[0] = j->relays[i];
		j->n_relays = 1;
		return 0;
	}
	return mgr_fail(app, MGR_ENORELAY, "The relay that this meeting runs on is no longer in service.");
}

static int check_entry(struct mgr_app *app, const struct mgr_account *by, const uint8_t meeting_id[MGR_ID_LEN],
		       struct mgr_joined *j)
{
	bool invited = false;
	int r = mgr_store_meeting_get(app->store, meeting_id, &j->meeting);
	if (r == CV_ENOTFOUND)
		return MGR_ENOTINVITED; /* whether it exists is nobody's business who is not invited */
	if (r == 0)
		r = mgr_store_invitation_has(app->store, meeting_id, by->id, &invited);
	if (r < 0)
		return r;
	if (!invited || !mgr_may(by->role, MGR_ACT_JOIN))
		return MGR_ENOTINVITED;
	if (j->meeting.cancelled)
		return MGR_ECANCELLED;
	r = mgr_store_account_by_id(app->store, j->meeting.organiser_id, &j->organiser);
	return r < 0 ? r : load_relays(app, j);
}

static int join(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_key[PROTO_KEY_LEN],
		const uint8_t meeting_id[MGR_ID_LEN], struct mgr_joined *j)
{
	struct mgr_run run;
	uint8_t device_hash[PROTO_HASH_LEN];
	bool banned = false;
	proto_sha256(device_key, PROTO_KEY_LEN, device_hash);
	int r = check_entry(app, by, meeting_id, j);
	if (r < 0)
		return r;
	r = mgr_run_live(app, meeting_id, &run);
	if (r == CV_ENOTFOUND)
		r = begin_run(app, by, device_hash, meeting_id, &run);
	if (r == 0)
		r = mgr_store_ban_has(app->store, run.id, by->id, &banned);
	if (r == 0 && banned)
		r = MGR_EREMOVED;
	if (r == 0)
		r = choose_relays(app, by, device_hash, &run, j);
	if (r < 0)
		goto out;
	/* Who is no organiser any more moderates no longer either. */
	bool organiser = !memcmp(j->meeting.organiser_id, by->id, MGR_ID_LEN) && mgr_may(by->role, MGR_ACT_ORGANISE);
	uint8_t rights = PROTO_RIGHT_MICROPHONE | PROTO_RIGHT_CAMERA | PROTO_RIGHT_SHARE |
			 (organiser ? PROTO_RIGHT_MODERATION : 0u);
	uint8_t flags = organiser ? PROTO_FLAG_ORGANISER : 0u;
	j->switches = mgr_conf_switches(app->conf);
	memcpy(j->run_id, run.id, MGR_ID_LEN);
	memcpy(j->lobby_key, run.lobby_key, sizeof j->lobby_key);
	r = mgr_store_member_add(app->store, run.id, by->id, device_hash, mgr_now(app));
	if (r == 0)
		r = sign_ticket(app, by, device_hash, rights, flags, j);
	if (r == 0)
		r = sign_admission(app, by, device_hash, rights, flags, j);
	if (r == 0)
		r = sign_grant(app, by, device_hash, &run, j);
out:
	cv_wipe(&run, sizeof run);
	return r;
}

int mgr_run_join(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_key[PROTO_KEY_LEN],
		 const uint8_t meeting_id[MGR_ID_LEN], struct mgr_joined *ret_joined)
{
	struct mgr_joined j = {0};
	cv_buf_init(&j.ticket, MGR_SIGNED_OBJECT);
	cv_buf_init(&j.admission, MGR_SIGNED_OBJECT);
	cv_buf_init(&j.grant, MGR_SIGNED_OBJECT);
	int r = join(app, by, device_key, meeting_id, &j);
	if (r < 0)
		mgr_joined_done(&j);
	else
		*ret_joined = j;
	return r;
}

void mgr_joined_done(struct mgr_joined *j)
{
	cv_buf_done(&j->ticket);
	cv_buf_done(&j->admission);
	cv_buf_done(&j->grant);
	cv_wipe(j->lobby_key, sizeof j->lobby_key);
}

/* ---- reports, leaving, ends ---- */

int mgr_run_get(struct mgr_app *app, const uint8_t run_id[MGR_ID_LEN], struct mgr_run *ret)
{
	int r = mgr_store_run_get(app->store, run_id, ret);
	return r == CV_ENOTFOUND ? MGR_ENOTFOUND : r;
}

/* The creator's first report settles where the run lives; from then on a group on another relay is not this run's. */
static int check_relay(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_hash[MGR_HASH_LEN],
		       struct mgr_run *run, const struct mgr_report *report)
{
	struct mgr_relay relay;
	if (run->has_home)
		return report->has_relay && memcmp(report->relay, run->home, MGR_ID_LEN) ? MGR_EOTHERRELAY : 0;
	if (!is_creator(run, by, device_hash))
		return MGR_ENOTBEGUN;
	if (!report->has_relay)
		return mgr_fail(app, MGR_EREQUEST, "relay is missing: the first report names it.");
	int r = mgr_store_relay_get(app->store, report->relay, &relay);
	if (r == CV_ENOTFOUND || (r == 0 && relay.retired))
		return mgr_fail(app, MGR_EREQUEST, "relay is not the id of a relay in service.");
	if (r == 0)
		r = mgr_store_run_set_home(app->store, run->id, relay.id);
	if (r < 0)
		return r;
	memcpy(run->home, relay.id, MGR_ID_LEN);
	run->has_home = true;
	return 0;
}

static int is_cancelled(struct mgr_app *app, const uint8_t meeting_id[MGR_ID_LEN], bool *ret_cancelled)
{
	struct mgr_meeting m;
	int r = mgr_store_meeting_get(app->store, meeting_id, &m);
	if (r == 0)
		*ret_cancelled = m.cancelled != 0;
	return r;
}

static int check_values(struct mgr_app *app, const struct mgr_account *by, struct mgr_run *run,
			const struct mgr_report *report)
{
	char hex[2 * MGR_ID_LEN + 1];
	int64_t values = 0;
	int r = mgr_store_report_add(app->store, run->id, report->epoch, report->authenticator_hash, mgr_now(app),
				     MGR_REPORT_EPOCHS, &values);
	if (r < 0 || values < 2 || run->alarm)
		return r;
	run->alarm = true;
	run->alarm_epoch = report->epoch;
	cv_log(CV_LOG_CRITICAL, "run", "two groups in one epoch: a relay shows different groups to different people",
	       log_id("run", run->id, hex), cv_log_int("epoch", report->epoch), cv_log_str("reporter", by->email));
	return mgr_store_run_alarm(app->store, run->id, report->epoch);
}

int mgr_run_report(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_key[PROTO_KEY_LEN],
		   const uint8_t run_id[MGR_ID_LEN], const struct mgr_report *report,
		   struct mgr_report_answer *ret_answer)
{
	struct mgr_run run;
	uint8_t device_hash[PROTO_HASH_LEN];
	bool banned = false;
	int64_t now = mgr_now(app);
	proto_sha256(device_key, PROTO_KEY_LEN, device_hash);
	int r = mgr_run_get(app, run_id, &run);
	if (r == 0)
		r = mgr_store_ban_has(app->store, run_id, by->id, &banned);
	if (r == 0 && banned)
		r = MGR_EREMOVED;
	if (r == 0)
		r = mgr_store_member_reported(app->store, run_id, device_hash, now);
	if (r == CV_ENOTFOUND)
		r = MGR_ENOTFOUND;
	if (r == 0 && !run.ended)
		r = check_relay(app, by, device_hash, &run, report);
	if (r < 0)
		goto out;
	const char *stale = run.ended ? NULL : run_stale(app, &run);
	if (stale) {
		r = mgr_run_finish(app, &run, stale);
		run.ended = now;
	} else if (!run.ended) {
		r = mgr_store_run_reported(app->store, run_id, now);
	}
	if (r == 0)
		r = check_values(app, by, &run, report);
	if (r == 0)
		*ret_answer = (struct mgr_report_answer){run.alarm, run.alarm_epoch, run.ended != 0, false};
	if (r == 0 && run.ended)
		r = is_cancelled(app, run.meeting_id, &ret_answer->cancelled);
out:
	cv_wipe(&run, sizeof run);
	return r;
}

int mgr_run_leave(struct mgr_app *app, const struct mgr_account *by, const uint8_t device_key[PROTO_KEY_LEN],
		  const uint8_t run_id[MGR_ID_LEN])
{
	struct mgr_run run;
	uint8_t device_hash[PROTO_HASH_LEN];
	int64_t present = 0, now = mgr_now(app);
	proto_sha256(device_key, PROTO_KEY_LEN, device_hash);
	int r = mgr_run_get(app, run_id, &run);
	if (r == 0)
		r = mgr_store_member_gone(app->store, run_id, device_hash, now);
	if (r == 0)
		r = mgr_store_member_present(app->store, run_id, now - MGR_JOIN_GRACE_S, &present);
	if (r == 0 && present == 0 && !run.ended)
		r = mgr_run_finish(app, &run, "last leave");
	cv_wipe(&run, sizeof run);
	return r == CV_ENOTFOUND ? MGR_ENOTFOUND : r;
}

#define RUNS_AT_ONCE 64

struct run_batch {
	struct mgr_app *app;
	struct mgr_run runs[RUNS_AT_ONCE];
	size_t n;
};

static int collect(void *arg, const struct mgr_run *run)
{
	struct run_batch *b = arg;
	if (!run_stale(b->app, run))
		return 0;
	b->runs[b->n++] = *run;
	return b->n == RUNS_AT_ONCE;
}

int mgr_run_end_of_meeting(struct mgr_app *app, const uint8_t meeting_id[MGR_ID_LEN], const char *reason)
{
	struct mgr_run run;
	int r = mgr_store_run_live(app->store, meeting_id, &run);
	if (r == CV_ENOTFOUND)
		return 0;
	if (r == 0)
		r = mgr_run_finish(app, &run, reason);
	cv_wipe(&run, sizeof run);
	return r;
}

int mgr_run_sweep(struct mgr_app *app)
{
	struct run_batch batch = {.app = app};
	/* At most RUNS_AT_ONCE in one sweep; the next one takes the rest. */
	int r = mgr_store_run_each_live(app->store, collect, &batch);
	for (size_t i = 0; r >= 0 && i < batch.n; i++)
		r = mgr_run_finish(app, &batch.runs[i], run_stale(app, &batch.runs[i]));
	cv_wipe(&batch, sizeof batch);
	return r < 0 ? r : 0;
}
