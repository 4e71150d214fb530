/* SPDX-License-Identifier: Apache-2.0 */
/* /meetings and /runs */
#include <string.h>

#include <base/alloc.h>
#include <base/text.h>

#include "api/call.h"
#include "domain/meeting.h"
#include "domain/run.h"

#define EMAILS_AT_ONCE 1000

static json_t *time_or_null(int64_t t)
{
	return t ? json_integer((json_int_t)t) : json_null();
}

static int meeting_json(struct mgr_call *c, const struct mgr_meeting *m, json_t **ret)
{
	struct mgr_account organiser;
	struct mgr_run run;
	int r = mgr_store_account_by_id(c->app->store, m->organiser_id, &organiser);
	if (r < 0)
		return r;
	r = mgr_store_run_live(c->app->store, m->id, &run);
	if (r < 0 && r != CV_ENOTFOUND)
		return r;
	*ret = json_pack("{s:o, s:s, s:o, s:I, s:o, s:b, s:b}", "id", mgr_json_hex(m->id, sizeof m->id), "title",
			 m->title, "start", time_or_null(m->start), "duration_minutes", (json_int_t)m->duration_minutes,
			 "organiser", mgr_json_account(&organiser), "cancelled", m->cancelled != 0, "running",
			 r == 0 && run.reported != 0);
	cv_wipe(&run, sizeof run);
	return *ret ? 0 : CV_ENOMEM;
}

static int append_guest(void *arg, const struct mgr_account *a)
{
	return json_array_append_new(arg, mgr_json_account(a)) == 0 ? 0 : CV_ENOMEM;
}

/* The meeting with the list of those invited. */
static int answer_meeting(struct mgr_call *c, const struct mgr_meeting *m)
{
	int r = meeting_json(c, m, &c->out);
	if (r < 0)
		return r;
	json_t *invited = json_array();
	r = mgr_store_invitation_each(c->app->store, m->id, append_guest, invited);
	json_object_set_new(c->out, "invited", invited);
	return r;
}

static int meeting_create(struct mgr_call *c)
{
	struct mgr_new_meeting new = {0};
	struct mgr_meeting m;
	const char **emails = NULL;
	int r = mgr_in_text(c, "title", 4096, true, &new.title);
	if (r == 0)
		r = mgr_in_int(c, "start", false, 0, INT64_MAX, 0, &new.start);
	if (r == 0)
		r = mgr_in_int(c, "duration_minutes", false, 0, MGR_DURATION_MAX, 0, &new.duration_minutes);
	if (r == 0)
		r = mgr_in_texts(c, "invite", false, EMAILS_AT_ONCE, &emails, &new.n_invite);
	new.invite = emails;
	if (r == 0)
		r = mgr_meeting_create(c->app, &c->who.account, &new, &m);
	if (r == 0)
		r = answer_meeting(c, &m);
	c->status = 201;
	cv_free(emails);
	return r;
}

/* Meetings are collected first: a statement must not be asked again while it gives rows. */
struct meeting_list {
	struct mgr_meeting *m;
	size_t n, cap;
};

#define MEETINGS_MAX 10000

static int collect(void *arg, const struct mgr_meeting *m)
{
	struct meeting_list *l = arg;
	if (l->n == MEETINGS_MAX)
		return 1;
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 32;
		struct mgr_meeting *more = cv_reallocarray(l->m, cap, sizeof *more);
		if (!more)
			return CV_ENOMEM;
		l->m = more;
		l->cap = cap;
	}
	l->m[l->n++] = *m;
	return 0;
}

static int meeting_list(struct mgr_call *c)
{
	struct meeting_list l = {0};
	const struct mgr_account *a = &c->who.account;
	bool all = mgr_may(a->role, MGR_ACT_ALL_MEETINGS);
	json_t *list = json_array();
	int r = mgr_store_meeting_each(c->app->store, all ? NULL : a->id, collect, &l);
	for (size_t i = 0; r >= 0 && i < l.n; i++) {
		json_t *j = NULL;
		bool invited = false;
		r = meeting_json(c, &l.m[i], &j);
		if (r == 0)
			r = mgr_store_invitation_has(c->app->store, l.m[i].id, a->id, &invited);
		json_object_set_new(j, "you_are_invited", json_boolean(invited));
		json_array_append_new(list, j);
	}
	c->out = json_pack("{s:o}", "meetings", list);
	cv_free(l.m);
	return r < 0 ? r : 0;
}

static int meeting_show(struct mgr_call *c)
{
	struct mgr_meeting m;
	int r = mgr_meeting_get(c->app, &c->who.account, c->id, &m);
	return r < 0 ? r : answer_meeting(c, &m);
}

static int change_invitations(struct mgr_call *c, int (*change)(struct mgr_app *, const struct mgr_account *,
								const uint8_t *, const char *const *, size_t))
{
	struct mgr_meeting m;
	const char **emails = NULL;
	size_t n = 0;
	int r = mgr_in_texts(c, "emails", true, EMAILS_AT_ONCE, &emails, &n);
	if (r == 0)
		r = change(c->app, &c->who.account, c->id, emails, n);
	if (r == 0)
		r = mgr_meeting_get(c->app, &c->who.account, c->id, &m);
	if (r == 0)
		r = answer_meeting(c, &m);
	cv_free(emails);
	return r;
}

static int meeting_invite(struct mgr_call *c)
{
	return change_invitations(c, mgr_meeting_invite);
}

static int meeting_uninvite(struct mgr_call *c)
{
	return change_invitations(c, mgr_meeting_uninvite);
}

static int meeting_cancel(struct mgr_call *c)
{
	return mgr_meeting_cancel(c->app, &c->who.account, c->id);
}

static json_t *relays_json(const struct mgr_joined *j)
{
	json_t *list = json_array();
	for (size_t i = 0; i < j->n_relays; i++) {
		const struct mgr_relay *r = &j->relays[i];
		json_array_append_new(list, json_pack("{s:o, s:s, s:o}", "id", mgr_json_hex(r->id, sizeof r->id), "url",
						      r->url, "pins", mgr_json_pins(r)));
	}
	return list;
}

static int join(struct mgr_call *c)
{
	struct mgr_joined j;
	int r = mgr_run_join(c->app, &c->who.account, c->who.device_key, c->id, &j);
	if (r < 0)
		return r;
	json_t *meeting = json_pack("{s:o, s:s, s:o}", "id", mgr_json_hex(j.meeting.id, MGR_ID_LEN), "title",
				    j.meeting.title, "organiser", mgr_json_account(&j.organiser));
	json_t *grant = j.grant.len ? mgr_json_b64(j.grant.data, j.grant.len) : json_null();
	c->out =
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:I}", "run_id", mgr_json_hex(j.run_id, MGR_ID_LEN),
			  "meeting", meeting, "ticket", mgr_json_b64(j.ticket.data, j.ticket.len), "admission",
			  mgr_json_b64(j.admission.data, j.admission.len), "lobby_key",
			  mgr_json_b64(j.lobby_key, sizeof j.lobby_key), "creation_grant", grant, "relays",
			  relays_json(&j), "switches", (int)j.switches, "server_time", (json_int_t)mgr_now(c->app));
	mgr_joined_done(&j);
	return c->out ? 0 : CV_ENOMEM;
}

static int report(struct mgr_call *c)
{
	struct mgr_report in = {0};
	struct mgr_report_answer out = {0};
	int r = mgr_in_int(c, "epoch", true, 0, INT64_MAX, 0, &in.epoch);
	if (r == 0)
		r = mgr_in_bytes(c, "authenticator_hash", in.authenticator_hash, sizeof in.authenticator_hash);
	if (r == 0)
		r = mgr_in_int(c, "members", false, 0, PROTO_LEAF_MAX + 1, 0, &in.members);
	in.has_relay = json_object_get(c->in, "relay") != NULL;
	if (r == 0 && in.has_relay)
		r = mgr_in_id(c, "relay", in.relay);
	if (r == 0)
		r = mgr_run_report(c->app, &c->who.account, c->who.device_key, c->id, &in, &out);
	if (r < 0)
		return r;
	json_t *alarm = out.alarm ? json_pack("{s:I}", "epoch", (json_int_t)out.alarm_epoch) : json_null();
	c->out = json_pack("{s:o, s:b, s:b}", "alarm", alarm, "ended", out.ended, "cancelled", out.cancelled);
	return 0;
}

static int leave(struct mgr_call *c)
{
	return mgr_run_leave(c->app, &c->who.account, c->who.device_key, c->id);
}

static int end(struct mgr_call *c)
{
	return mgr_run_end(c->app, &c->who.account, c->id);
}

static int ban(struct mgr_call *c)
{
	uint8_t user_id[MGR_ID_LEN];
	int r = mgr_in_id(c, "user_id", user_id);
	return r < 0 ? r : mgr_run_ban(c->app, &c->who.account, c->id, user_id);
}

static int moderation(struct mgr_call *c)
{
	uint8_t user_id[MGR_ID_LEN];
	const json_t *granted = json_object_get(c->in, "granted");
	int r = mgr_in_id(c, "user_id", user_id);
	if (r == 0 && !json_is_boolean(granted))
		r = mgr_fail(c->app, MGR_EREQUEST, "granted must be true or false");
	return r < 0 ? r : mgr_run_moderation(c->app, &c->who.account, c->id, user_id, json_is_true(granted));
}

#define WRITE (MGR_ROUTE_SESSION | MGR_ROUTE_WRITE)

const struct mgr_route mgr_routes_meeting[] = {
	{"POST", "/api/v1/meetings", meeting_create, WRITE | MGR_ROUTE_BODY},
	{"GET", "/api/v1/meetings", meeting_list, MGR_ROUTE_SESSION},
	{"GET", "/api/v1/meetings/{id}", meeting_show, MGR_ROUTE_SESSION},
	{"DELETE", "/api/v1/meetings/{id}", meeting_cancel, WRITE},
	{"POST", "/api/v1/meetings/{id}/invitations", meeting_invite, WRITE | MGR_ROUTE_BODY},
	{"DELETE", "/api/v1/meetings/{id}/invitations", meeting_uninvite, WRITE | MGR_ROUTE_BODY},
	{"POST", "/api/v1/meetings/{id}/join", join, WRITE},
	{"POST", "/api/v1/runs/{id}/report", report, WRITE | MGR_ROUTE_BODY},
	{"POST", "/api/v1/runs/{id}/leave", leave, WRITE},
	{"POST", "/api/v1/runs/{id}/end", end, WRITE},
	{"POST", "/api/v1/runs/{id}/ban", ban, WRITE | MGR_ROUTE_BODY},
	{"POST", "/api/v1/runs/{id}/moderation", moderation, WRITE | MGR_ROUTE_BODY},
	{0},
};
