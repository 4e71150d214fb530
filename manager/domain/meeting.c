/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/log.h>

#include "domain/account.h"
#include "domain/meeting.h"
#include "domain/run.h"
#include "mail/mail.h"

int mgr_meeting_get(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN],
		    struct mgr_meeting *ret_meeting)
{
	struct mgr_meeting m;
	bool invited = false;
	int r = mgr_store_meeting_get(app->store, id, &m);
	if (r == CV_ENOTFOUND)
		return MGR_ENOTFOUND;
	if (r == 0)
		r = mgr_store_invitation_has(app->store, id, by->id, &invited);
	if (r < 0)
		return r;
	if (!invited && memcmp(m.organiser_id, by->id, MGR_ID_LEN) && !mgr_may(by->role, MGR_ACT_ALL_MEETINGS))
		return MGR_ENOTFOUND;
	*ret_meeting = m;
	return 0;
}

int mgr_meeting_manage(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN],
		       struct mgr_meeting *ret_meeting)
{
	struct mgr_meeting m;
	int r = mgr_meeting_get(app, by, id, &m);
	if (r < 0)
		return r;
	bool own = !memcmp(m.organiser_id, by->id, MGR_ID_LEN) && mgr_may(by->role, MGR_ACT_ORGANISE);
	if (!own && !mgr_may(by->role, MGR_ACT_ALL_MEETINGS))
		return MGR_EFORBIDDEN;
	*ret_meeting = m;
	return 0;
}

/* The account of an address that is to be invited, made when there is none. */
static int find_guest(struct mgr_app *app, const struct mgr_account *by, const char *text, struct mgr_account *ret)
{
	char email[MGR_EMAIL_MAX + 1];
	int r = mgr_email_normalise(app, text, email);
	if (r < 0)
		return r;
	r = mgr_store_account_by_email(app->store, email, ret);
	if (r == 0 && ret->disabled)
		return mgr_fail(app, MGR_EDISABLED, "The account of %s is disabled.", email);
	if (r != CV_ENOTFOUND)
		return r;
	if (!mgr_may(by->role, MGR_ACT_MANAGE_ACCOUNTS) &&
	    !(app->conf->organisers_add && mgr_may(by->role, MGR_ACT_ADD_ACCOUNT)))
		return mgr_fail(app, MGR_EFORBIDDEN, "%s has no account; ask an administrator to invite them.", email);
	struct mgr_invite invite = {.email = email, .role = MGR_ROLE_USER};
	return mgr_account_invite(app, &invite, ret);
}

static int invite_all(struct mgr_app *app, const struct mgr_account *by, const struct mgr_meeting *m,
		      const char *const *emails, size_t n)
{
	int64_t count = 0;
	int r = mgr_store_invitation_count(app->store, m->id, &count);
	if (r < 0)
		return r;
	if (count + (int64_t)n > app->conf->invitations_max)
		return mgr_fail(app, MGR_EFULL, "A meeting has at most %lld invitations.",
				(long long)app->conf->invitations_max);
	for (size_t i = 0; i < n; i++) {
		struct mgr_account guest;
		bool has = false;
		r = find_guest(app, by, emails[i], &guest);
		if (r == 0)
			r = mgr_store_invitation_has(app->store, m->id, guest.id, &has);
		if (r < 0)
			return r;
		if (has)
			continue;
		r = mgr_store_invitation_add(app->store, m->id, guest.id, mgr_now(app));
		if (r == 0)
			r = mgr_mail_meeting(app, MGR_MAIL_INVITED, m, &guest);
		if (r < 0)
			return r;
	}
	return 0;
}

int mgr_meeting_create(struct mgr_app *app, const struct mgr_account *by, const struct mgr_new_meeting *new,
		       struct mgr_meeting *ret_meeting)
{
	struct mgr_meeting m = {
		.start = new->start, .duration_minutes = new->duration_minutes, .created = mgr_now(app)};
	if (!mgr_may(by->role, MGR_ACT_ORGANISE))
		return MGR_EFORBIDDEN;
	if (new->duration_minutes < 0 || new->duration_minutes > MGR_DURATION_MAX)
		return mgr_fail(app, MGR_EREQUEST, "duration_minutes must be 0 to %d", MGR_DURATION_MAX);
	if (new->start < 0 || new->start > 253402300799)
		return mgr_fail(app, MGR_EREQUEST, "start must be a time in Unix seconds");
	int r = mgr_text_check(app, "title", new->title, 1, MGR_TITLE_MAX, m.title);
	if (r == 0)
		r = mgr_id_new(app, m.id);
	if (r < 0)
		return r;
	memcpy(m.organiser_id, by->id, MGR_ID_LEN);
	r = mgr_store_meeting_add(app->store, &m);
	/* The organiser is a guest like any other: join asks for an invitation and nothing else. */
	if (r == 0)
		r = mgr_store_invitation_add(app->store, m.id, by->id, m.created);
	if (r == 0)
		r = invite_all(app, by, &m, new->invite, new->n_invite);
	if (r == 0)
		*ret_meeting = m;
	return r;
}

int mgr_meeting_invite(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN],
		       const char *const *emails, size_t n)
{
	struct mgr_meeting m;
	int r = mgr_meeting_manage(app, by, id, &m);
	if (r < 0)
		return r;
	if (m.cancelled)
		return MGR_ECANCELLED;
	return invite_all(app, by, &m, emails, n);
}

static int uninvite_one(struct mgr_app *app, const struct mgr_meeting *m, const char *text)
{
	char email[MGR_EMAIL_MAX + 1];
	struct mgr_account guest;
	int r = mgr_email_normalise(app, text, email);
	if (r < 0)
		return r;
	r = mgr_store_account_by_email(app->store, email, &guest);
	if (r == 0)
		r = mgr_store_invitation_delete(app->store, m->id, guest.id);
	if (r == CV_ENOTFOUND)
		return mgr_fail(app, MGR_ENOTFOUND, "%s is not invited to this meeting.", email);
	if (r == 0)
		r = mgr_run_revoke_in_meeting(app, m->id, guest.id);
	if (r == 0 && !guest.disabled)
		r = mgr_mail_meeting(app, MGR_MAIL_UNINVITED, m, &guest);
	return r;
}

int mgr_meeting_uninvite(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN],
			 const char *const *emails, size_t n)
{
	struct mgr_meeting m;
	int r = mgr_meeting_manage(app, by, id, &m);
	if (r == 0)
		r = mgr_store_meeting_touch(app->store, id, 0);
	m.revision++;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = uninvite_one(app, &m, emails[i]);
	return r;
}

struct cancel_mail {
	struct mgr_app *app;
	const struct mgr_meeting *m;
};

static int mail_cancelled(void *arg, const struct mgr_account *guest)
{
	struct cancel_mail *c = arg;
	if (guest->disabled)
		return 0;
	return mgr_mail_meeting(c->app, MGR_MAIL_CANCELLED, c->m, guest);
}

int mgr_meeting_cancel(struct mgr_app *app, const struct mgr_account *by, const uint8_t id[MGR_ID_LEN])
{
	struct mgr_meeting m;
	int r = mgr_meeting_manage(app, by, id, &m);
	if (r < 0 || m.cancelled)
		return r;
	r = mgr_store_meeting_touch(app->store, id, mgr_now(app));
	m.revision++;
	if (r == 0)
		r = mgr_run_end_of_meeting(app, id, "cancelled");
	struct cancel_mail c = {app, &m};
	if (r == 0)
		r = mgr_store_invitation_each(app->store, id, mail_cancelled, &c);
	if (r == 0)
		cv_log(CV_LOG_NOTICE, "meeting", "cancelled", cv_log_str("by", by->email));
	return r;
}
