/* SPDX-License-Identifier: Apache-2.0 */
/* The comparison on the screen, who may begin one, what the user answers. */
#include <string.h>

#include <base/alloc.h>

#include "compare_internal.h"
#include "profile_store.h"

int client_compare_new(const struct client_group *group, struct client_profile *profile, const struct cv_rng *rng,
		       const struct client_compare_callbacks *cb, struct client_compare **ret)
{
	struct client_compare *c = cv_calloc(1, sizeof(*c));

	if (c == NULL)
		return CV_ENOMEM;
	c->group = group;
	c->profile = profile;
	c->rng = rng;
	c->cb = *cb;
	memset(c->standing, NOBODY, sizeof(c->standing));
	*ret = c;
	return 0;
}

static void tell(struct client_compare *c, enum client_compare_state state, const struct comparison *n, size_t marked,
		 size_t unmarked, const char *text)
{
	c->cb.event(c->cb.ctx, &(struct client_compare_event){
				       .state = state,
				       .epoch = n->epoch,
				       .id = n->id,
				       .code = state == CLIENT_COMPARE_ENDED ? NULL : n->code,
				       .mine = n->mine,
				       .by = &n->members[n->by],
				       .members = n->members,
				       .n_members = n->n_members,
				       .marked = marked,
				       .unmarked = unmarked,
				       .text = text,
			       });
}

/* Off the screen. Takes NULL. */
static void drop(struct comparison *n)
{
	if (n != NULL)
		cv_free_wiped(n, sizeof(*n) + n->n_members * sizeof(n->members[0]));
}

static void end(struct client_compare *c, const char *text)
{
	struct comparison *n = c->now;

	if (n == NULL)
		return;
	c->now = NULL;
	tell(c, CLIENT_COMPARE_ENDED, n, 0, 0, text);
	drop(n);
}

void client_compare_free(struct client_compare *c)
{
	if (c == NULL)
		return;
	end(c, "you are no longer in the meeting");
	client_epochs_done(c);
	cv_free_wiped(c, sizeof(*c));
}

/* ---- who may begin one */

static struct starter *find_starter(struct client_compare *c, const uint8_t device_hash[CLIENT_HASH_LEN])
{
	for (size_t i = 0; i < c->n_starters; i++) {
		if (memcmp(c->starters[i].device_hash, device_hash, CLIENT_HASH_LEN) == 0)
			return &c->starters[i];
	}
	return NULL;
}

static int64_t latest(const struct starter *s)
{
	return s->until_us > s->sent_us ? s->until_us : s->sent_us;
}

/* When the table is full, the one that is held back for the shortest time gives way. */
static struct starter *remember(struct client_compare *c, const uint8_t device_hash[CLIENT_HASH_LEN])
{
	struct starter *s = find_starter(c, device_hash);

	if (s != NULL)
		return s;
	if (c->n_starters < STARTERS) {
		s = &c->starters[c->n_starters++];
	} else {
		s = &c->starters[0];
		for (size_t i = 1; i < STARTERS; i++) {
			if (latest(&c->starters[i]) < latest(s))
				s = &c->starters[i];
		}
	}
	memset(s, 0, sizeof(*s));
	memcpy(s->device_hash, device_hash, CLIENT_HASH_LEN);
	return s;
}

static bool compares(const struct comparison *n, const uint8_t device_hash[CLIENT_HASH_LEN])
{
	for (size_t i = 0; i < n->n_members; i++) {
		if (memcmp(n->members[i].device_hash, device_hash, CLIENT_HASH_LEN) == 0)
			return true;
	}
	return false;
}

static int may_begin(struct client_compare *c, const uint8_t device_hash[CLIENT_HASH_LEN], uint64_t epoch,
		     int64_t now_us, int64_t gap_us, int64_t member_us)
{
	const struct starter *s = find_starter(c, device_hash);
	const struct comparison *n = c->now;
	bool crossing = false;

	if (s != NULL && (now_us < s->until_us || now_us - s->sent_us < member_us))
		return CV_EAGAIN;
	if (n != NULL) {
		int64_t age = now_us - n->since_us;
		/* The beginner begins anew, or somebody who came later and cannot know of the one on the screen. */
		bool anew = memcmp(n->members[n->by].device_hash, device_hash, CLIENT_HASH_LEN) == 0 ||
			    !compares(n, device_hash);

		/* Two began at once: every screen takes the earlier epoch, whichever message came first. */
		crossing = age <= CLIENT_COMPARE_CROSS_US && epoch < n->epoch;
		if (!crossing && !anew && age < CLIENT_COMPARE_KEEP_US)
			return CV_ESTATE;
	}
	return !crossing && c->any && now_us - c->last_us < gap_us ? CV_EAGAIN : 0;
}

/* ---- freezing */

static void fill_member(struct client_compare *c, const struct seat *s, struct client_compare_member *ret)
{
	const struct client_member *m = client_group_member(c->group, s->leaf);
	const struct client_contact *k = NULL;
	struct client_who who = {ret->user_id, ret->device_hash, ret->email, ret->name};
	const char *email = "", *name = "";

	ret->leaf = s->leaf;
	memcpy(ret->user_id, s->user_id, CLIENT_ID_LEN);
	memcpy(ret->device_hash, s->device_hash, CLIENT_HASH_LEN);
	ret->self = memcmp(s->device_hash, c->profile->device_hash, CLIENT_HASH_LEN) == 0;
	if (m != NULL && memcmp(m->device_hash, s->device_hash, CLIENT_HASH_LEN) == 0) {
		email = m->email;
		name = m->name;
	} else if ((k = client_profile_contact(c->profile, s->user_id)) != NULL) {
		/* Gone since: as it was met. */
		email = k->email;
		name = k->name;
	}
	memcpy(ret->email, email, strnlen(email, sizeof(ret->email) - 1));
	memcpy(ret->name, name, strnlen(name, sizeof(ret->name) - 1));
	ret->standing = client_profile_standing(c->profile, &who);
}

static void show(struct client_compare *c, const char *code, int64_t now_us)
{
	memcpy(c->now->code, code, strnlen(code, CLIENT_SECURITY_CODE_LEN - 1));
	c->now->since_us = now_us;
	tell(c, CLIENT_COMPARE_FROZEN, c->now, 0, 0, NULL);
}

/* The screen holds on to this epoch; its code is shown as soon as it is known. */
static int freeze(struct client_compare *c, struct epoch_record *r, const uint8_t id[CLIENT_ID_LEN], uint32_t by,
		  bool mine, int64_t now_us)
{
	struct comparison *n = cv_calloc(1, sizeof(*n) + r->n_seats * sizeof(n->members[0]));
	int err;

	if (n == NULL)
		return CV_ENOMEM;
	memcpy(n->id, id, CLIENT_ID_LEN);
	n->epoch = r->epoch;
	n->since_us = now_us;
	n->mine = mine;
	n->n_members = r->n_seats;
	for (size_t i = 0; i < r->n_seats; i++) {
		fill_member(c, &r->seats[i], &n->members[i]);
		if (r->seats[i].leaf == by)
			n->by = i;
	}
	end(c, "another comparison has begun");
	memcpy(c->ids[c->n_ids++ % IDS], id, CLIENT_ID_LEN);
	remember(c, n->members[n->by].device_hash)->sent_us = now_us;
	c->any = true;
	c->last_us = now_us;
	c->now = n;
	if (r->code[0] != '\0') {
		show(c, r->code, now_us);
		return 0;
	}
	err = c->cb.code(c->cb.ctx, r->epoch, r->authenticator);
	if (err != 0)
		end(c, "the code cannot be computed");
	return err;
}

void client_compare_code(struct client_compare *c, uint64_t epoch, const char *code, int64_t now_us)
{
	struct epoch_record *r = client_epochs_find(c, epoch);

	if (r != NULL && code != NULL && r->code[0] == '\0') {
		memcpy(r->code, code, strnlen(code, sizeof(r->code) - 1));
		cv_wipe(r->authenticator, sizeof(r->authenticator));
	}
	if (c->now == NULL || c->now->epoch != epoch || c->now->code[0] != '\0')
		return;
	if (code != NULL)
		show(c, code, now_us);
	else
		end(c, "the code cannot be computed");
}

int client_compare_start(struct client_compare *c, int64_t now_us)
{
	PB(AppMessage) msg = PB_INIT(APP_MESSAGE);
	PB(CodeCompare) compare = PB_INIT(CODE_COMPARE);
	struct epoch_record *r = client_epochs_find(c, client_group_epoch(c->group));
	uint8_t id[CLIENT_ID_LEN];
	int err;

	if (!client_group_active(c->group) || r == NULL)
		return CV_ESTATE;
	if (r->n_seats < 2)
		return CV_ENOTFOUND;
	err = may_begin(c, c->profile->device_hash, r->epoch, now_us, CLIENT_COMPARE_GAP_US, CLIENT_COMPARE_MEMBER_US);
	/* Others may have begun one just before we came, and would not hear of ours. */
	if (err == 0 && now_us - c->entered_us < CLIENT_COMPARE_GAP_US)
		err = CV_EAGAIN;
	if (err == 0)
		err = cv_rng_fill(c->rng, id, sizeof(id));
	if (err != 0)
		return err;
	compare.comparison_id = (ProtobufCBinaryData){sizeof(id), id};
	compare.epoch = r->epoch;
	msg.body_case = PB_APP(CODE_COMPARE);
	msg.code_compare = &compare;
	err = c->cb.app(c->cb.ctx, &msg);
	return err != 0 ? err : freeze(c, r, id, client_group_leaf(c->group), true, now_us);
}

/* ---- what others send */

static bool id_seen(const struct client_compare *c, const void *id)
{
	size_t n = c->n_ids < IDS ? c->n_ids : IDS;

	for (size_t i = 0; i < n; i++) {
		if (memcmp(c->ids[i], id, CLIENT_ID_LEN) == 0)
			return true;
	}
	return false;
}

static void on_compare(struct client_compare *c, struct epoch_record *r, const struct seat *by,
		       const PB(CodeCompare) * msg, int64_t now_us)
{
	const struct client_member *here = client_group_member(c->group, by->leaf);

	/* An epoch is compared by those who are in it: not one that ended before the message was written. */
	if (msg->epoch != r->epoch || id_seen(c, msg->comparison_id.data))
		return;
	if (here == NULL || memcmp(here->device_hash, by->device_hash, CLIENT_HASH_LEN) != 0)
		return;
	if (may_begin(c, by->device_hash, r->epoch, now_us, CLIENT_COMPARE_GAP_RECEIVED_US,
		      CLIENT_COMPARE_MEMBER_RECEIVED_US) != 0)
		return;
	(void)!freeze(c, r, msg->comparison_id.data, by->leaf, false, now_us);
}

void client_compare_app(struct client_compare *c, uint32_t sender, uint64_t epoch, const PB(AppMessage) * msg,
			int64_t now_us)
{
	struct epoch_record *r = client_epochs_find(c, epoch);
	const struct seat *by = r != NULL ? client_epochs_seat(r, sender) : NULL;
	const struct comparison *n = c->now;

	if (by == NULL || sender == client_group_leaf(c->group))
		return;
	if (msg->body_case == PB_APP(CODE_COMPARE))
		on_compare(c, r, by, msg->code_compare, now_us);
	else if (msg->body_case == PB_APP(CODE_CANCEL) && n != NULL &&
		 memcmp(n->id, msg->code_cancel->comparison_id.data, CLIENT_ID_LEN) == 0 &&
		 memcmp(n->members[n->by].device_hash, by->device_hash, CLIENT_HASH_LEN) == 0)
		end(c, "called off by who began it");
}

void client_compare_tick(struct client_compare *c, int64_t now_us)
{
	client_epochs_tick(c, now_us);
	if (c->now != NULL && now_us - c->now->since_us >= CLIENT_COMPARE_US)
		end(c, "nobody answered in time");
}

/* ---- what the user answers */

/* Takes the comparison off the screen when it shows the code of this epoch. */
static struct comparison *answered(struct client_compare *c, uint64_t epoch)
{
	struct comparison *n = c->now;

	if (n == NULL || n->epoch != epoch || n->code[0] == '\0')
		return NULL;
	c->now = NULL;
	return n;
}

int client_compare_verified(struct client_compare *c, uint64_t epoch)
{
	struct comparison *n = answered(c, epoch);
	size_t marked = 0, unmarked = 0;

	if (n == NULL)
		return CV_ENOTFOUND;
	for (size_t i = 0; i < n->n_members; i++) {
		struct client_compare_member *m = &n->members[i];
		struct client_who who = {m->user_id, m->device_hash, m->email, m->name};

		if (m->self)
			continue;
		if (m->name[0] == '\0' || client_profile_verify(c->profile, &who) != 0) {
			unmarked++;
			continue;
		}
		if (m->standing != CLIENT_STANDING_VERIFIED)
			marked++;
		m->standing = CLIENT_STANDING_VERIFIED;
	}
	for (const struct client_member *m = client_group_next(c->group, 0); m != NULL;
	     m = client_group_next(c->group, m->leaf + 1))
		client_compare_member(c, m->leaf);
	tell(c, CLIENT_COMPARE_VERIFIED, n, marked, unmarked, NULL);
	drop(n);
	return 0;
}

int client_compare_differs(struct client_compare *c, uint64_t epoch)
{
	struct comparison *n = answered(c, epoch);

	if (n == NULL)
		return CV_ENOTFOUND;
	tell(c, CLIENT_COMPARE_DIFFERS, n, 0, 0, NULL);
	drop(n);
	return 0;
}

int client_compare_cancel(struct client_compare *c, int64_t now_us)
{
	PB(AppMessage) msg = PB_INIT(APP_MESSAGE);
	PB(CodeCancel) cancel = PB_INIT(CODE_CANCEL);
	struct comparison *n = c->now;

	if (n == NULL)
		return CV_ENOTFOUND;
	if (n->mine) {
		cancel.comparison_id = (ProtobufCBinaryData){CLIENT_ID_LEN, n->id};
		msg.body_case = PB_APP(CODE_CANCEL);
		msg.code_cancel = &cancel;
		/* When it does not get through, the others' screens let go by time. */
		(void)!c->cb.app(c->cb.ctx, &msg);
	} else {
		remember(c, n->members[n->by].device_hash)->until_us = now_us + CLIENT_COMPARE_DISMISSED_US;
	}
	end(c, "called off");
	return 0;
}
