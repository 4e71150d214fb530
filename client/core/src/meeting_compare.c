/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing the security code in a meeting, and who of its members is known and verified. */
#include <string.h>

#include <base/alloc.h>
#include <base/time.h>

#include "compare_internal.h"
#include "meeting_internal.h"
#include "profile_store.h"

static int send_app(void *ctx, const PB(AppMessage) * msg)
{
	return client_tunnel_app(ctx, msg);
}

static int want_code(void *ctx, uint64_t epoch, const uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN])
{
	return client_report_code_of(ctx, epoch, authenticator);
}

static void tell_compare(void *ctx, const struct client_compare_event *e)
{
	struct client_meeting *m = ctx;

	/* After LEFT nothing is told any more. */
	if (m->phase == PHASE_ENDED)
		return;
	client_meeting_tell(
		m, &(struct client_meeting_event){.kind = CLIENT_MEETING_COMPARE, .epoch = e->epoch, .compare = e});
}

int client_meeting_compare_new(struct client_meeting *m)
{
	struct client_compare_callbacks cb = {send_app, want_code, tell_compare, m};

	return client_compare_new(m->group, m->profile, cv_rng_system(), &cb, &m->compare);
}

void client_meeting_compare_free(struct client_meeting *m)
{
	struct client_compare *c = m->compare;

	m->compare = NULL;
	client_compare_free(c);
}

bool client_code_told(const struct client_meeting *m)
{
	return m->compare != NULL && client_compare_known(m->compare, client_group_epoch(m->group)) != NULL;
}

void client_code_known(struct client_meeting *m, uint64_t epoch, const char *code)
{
	if (m->phase == PHASE_ENDED)
		return;
	if (code != NULL && (m->compare == NULL || client_compare_known(m->compare, epoch) == NULL))
		client_meeting_tell(m, &(struct client_meeting_event){
					       .kind = CLIENT_MEETING_SECURITY_CODE, .epoch = epoch, .text = code});
	if (m->compare != NULL)
		client_compare_code(m->compare, epoch, code, cv_now_us());
}

/* ---- contacts */

static void tell_contact(struct client_meeting *m, const struct client_member *p, bool renamed)
{
	const struct client_contact *known = client_profile_contact(m->profile, p->user_id);

	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_CONTACT,
							      .member = p,
							      .present = true,
							      .standing = client_compare_standing(m->compare, p->leaf),
							      .renamed = renamed,
							      .text = known != NULL ? known->name : NULL});
}

void client_meeting_meet(struct client_meeting *m, const struct client_member *p, bool present)
{
	struct client_who who = client_who_of(p);
	struct client_meeting_event e = {
		.kind = CLIENT_MEETING_PARTICIPANT_JOINED,
		.member = p,
		.rights = client_group_rights(m->group, p->leaf),
		.present = present,
	};
	enum client_contact_news news = CLIENT_CONTACT_KNOWN;
	int r = client_profile_meet(m->profile, &who, &news);

	if (r == 0 && (news == CLIENT_CONTACT_FIRST || news == CLIENT_CONTACT_NEW_DEVICE))
		m->profile_dirty = true;
	client_compare_member(m->compare, p->leaf);
	e.standing = client_compare_standing(m->compare, p->leaf);
	client_meeting_tell(m, &e);
	if (r != 0 || (news != CLIENT_CONTACT_NEW_DEVICE && news != CLIENT_CONTACT_RENAMED))
		return;
	tell_contact(m, p, news == CLIENT_CONTACT_RENAMED);
}

void client_meeting_renewed(struct client_meeting *m, uint32_t leaf)
{
	const struct client_member *p = client_group_member(m->group, leaf);
	enum client_standing before = client_compare_standing(m->compare, leaf);

	client_compare_member(m->compare, leaf);
	if (p != NULL && before == CLIENT_STANDING_VERIFIED &&
	    client_compare_standing(m->compare, leaf) == CLIENT_STANDING_CHANGED)
		tell_contact(m, p, true);
}

void client_meeting_tell_unverified(struct client_meeting *m)
{
	size_t n = client_compare_unverified(m->compare);

	if (n == m->told_unverified)
		return;
	m->told_unverified = n;
	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_VERIFICATION, .unverified = n});
}

enum client_standing client_meeting_standing(const struct client_meeting *m, uint32_t leaf)
{
	return m->compare != NULL ? client_compare_standing(m->compare, leaf) : CLIENT_STANDING_UNVERIFIED;
}

/* ---- commands */

int client_meeting_code_compare(struct client_meeting *m)
{
	return m->phase == PHASE_IN ? client_compare_start(m->compare, cv_now_us()) : CV_ESTATE;
}

int client_meeting_code_verified(struct client_meeting *m, uint64_t epoch)
{
	int r = m->compare != NULL ? client_compare_verified(m->compare, epoch) : CV_ESTATE;

	if (r != 0)
		return r;
	/* At once: what the user has done by hand is not lost with the process; and if it is, it is said. */
	m->profile_dirty = true;
	m->save_again_us = 0;
	client_meeting_save_profile(m);
	client_meeting_tell_unverified(m);
	return 0;
}

int client_meeting_code_differs(struct client_meeting *m, uint64_t epoch)
{
	return m->compare != NULL ? client_compare_differs(m->compare, epoch) : CV_ESTATE;
}

int client_meeting_code_cancel(struct client_meeting *m)
{
	return m->compare != NULL ? client_compare_cancel(m->compare, cv_now_us()) : CV_ESTATE;
}
