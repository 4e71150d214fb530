/* SPDX-License-Identifier: Apache-2.0 */
/* Runs and their members. */
#include <string.h>

#include <base/text.h>

#include "session.h"

struct relay_run *run_find(struct relay *r, const uint8_t id[PROTO_ID_LEN])
{
	for (struct relay_run *run = r->runs; run; run = run->next)
		if (!memcmp(run->id, id, PROTO_ID_LEN))
			return run;
	return NULL;
}

int run_get(struct relay *r, const uint8_t id[PROTO_ID_LEN], struct relay_run **ret)
{
	struct relay_run *run = run_find(r, id);
	int err;

	if (run) {
		*ret = run;
		return 0;
	}
	if (r->n_runs >= r->opts.limits.runs)
		return CV_ELIMIT;
	run = cv_calloc(1, sizeof(*run));
	if (!run)
		return CV_ENOMEM;
	run->relay = r;
	memcpy(run->id, id, PROTO_ID_LEN);
	cv_hex_encode(run->name, id, PROTO_ID_LEN);
	run->empty_us = relay_now(r);
	err = run_log_init(run);
	if (err) {
		cv_free(run);
		return err;
	}
	run->next = r->runs;
	run->prev = &r->runs;
	if (r->runs)
		r->runs->prev = &run->next;
	r->runs = run;
	r->n_runs++;
	*ret = run;
	return 0;
}

void run_free(struct relay_run *run)
{
	while (run->conns) {
		struct relay_conn *c = run->conns;

		if (c->member)
			c->member->conn = NULL;
		c->member = NULL;
		subscriptions_done(c);
		run->conns = c->run_next;
		c->run = NULL;
	}
	for (size_t i = 0; i < run->leaves; i++)
		if (run->members[i])
			member_free(run->members[i]);
	files_done(run);
	run_log_done(run);
	for (size_t i = 0; i < run->n_removals; i++)
		cv_free(run->removals[i].evidence);
	cv_free(run->removals);
	cv_free(run->members);
	cv_free(run->rights);
	cv_free(run->bans);
	*run->prev = run->next;
	if (run->next)
		run->next->prev = run->prev;
	run->relay->n_runs--;
	cv_free(run);
}

void run_attach(struct relay_run *run, struct relay_conn *c)
{
	c->run = run;
	c->run_next = run->conns;
	c->run_prev = &run->conns;
	if (run->conns)
		run->conns->run_prev = &c->run_next;
	run->conns = c;
	run->n_conns++;
}

void run_detach(struct relay_conn *c)
{
	struct relay_run *run = c->run;
	struct member *m = c->member;

	subscriptions_done(c);
	*c->run_prev = c->run_next;
	if (c->run_next)
		c->run_next->run_prev = c->run_prev;
	c->run = NULL;
	run->n_conns--;
	if (!run->n_conns)
		run->empty_us = relay_now(run->relay);
	if (!m)
		return;
	c->member = NULL;
	m->conn = NULL;
	m->lost_us = relay_now(run->relay);
	cv_log(CV_LOG_INFO, "relay", m->left ? "left" : "lost", cv_log_str("run", run->name),
	       cv_log_uint("leaf", m->leaf));
	if (!m->left)
		run_want_removal(run, m->leaf, PROTO_REASON_LOST, NULL, 0, m->lost_us + GRACE_US);
	run_presence(run, m->leaf, false);
}

struct member *run_member(const struct relay_run *run, uint32_t leaf)
{
	return leaf < run->leaves ? run->members[leaf] : NULL;
}

/* Room for this leaf in the array. */
static int leaves_grow(struct relay_run *run, uint32_t leaf)
{
	struct member **p;
	size_t n = run->leaves ? run->leaves : 16;

	if (leaf < run->leaves)
		return 0;
	if (leaf >= RUN_LEAVES_MAX)
		return CV_ELIMIT;
	while (n <= leaf)
		n *= 2;
	p = cv_reallocarray(run->members, n, sizeof(*p));
	if (!p)
		return CV_ENOMEM;
	memset(p + run->leaves, 0, (n - run->leaves) * sizeof(*p));
	run->members = p;
	run->leaves = n;
	return 0;
}

int member_new(struct relay_run *run, uint32_t leaf, const struct relay_conn *c, struct member **ret)
{
	struct member *m;
	int err;

	if (run->n_members >= run->relay->opts.limits.members)
		return CV_ELIMIT;
	err = leaves_grow(run, leaf);
	if (err)
		return err;
	if (run->members[leaf])
		return CV_EEXIST;
	m = cv_calloc(1, sizeof(*m));
	if (!m)
		return CV_ENOMEM;
	m->run = run;
	m->leaf = leaf;
	memcpy(m->user_id, c->user_id, PROTO_ID_LEN);
	memcpy(m->device_hash, c->device_hash, PROTO_HASH_LEN);
	m->rights = run_rights(run, c->user_id, c->rights);
	m->switches = c->switches;
	m->joined_epoch = run->epoch;
	run->members[leaf] = m;
	run->n_members++;
	*ret = m;
	return 0;
}

void member_free(struct member *m)
{
	streams_done(m);
	m->run->members[m->leaf] = NULL;
	m->run->n_members--;
	cv_free(m);
}

void member_bind(struct member *m, struct relay_conn *c)
{
	m->conn = c;
	c->member = m;
	c->state = CONN_BOUND;
	cv_free(c->key_package);
	c->key_package = NULL;
	streams_adopt(m);
}

void run_broadcast(struct relay_run *run, enum net_class cls, struct net_msg *msg, const struct relay_conn *except)
{
	if (!msg)
		return;
	for (size_t i = 0; i < run->leaves; i++) {
		struct relay_conn *c = run->members[i] ? run->members[i]->conn : NULL;

		/* a queue that overflows closes its own connection */
		if (c && c != except)
			(void)!conn_send_msg(c, cls, msg);
	}
	net_msg_unref(msg);
}

void run_presence(struct relay_run *run, uint32_t leaf, bool connected)
{
	struct PB(Presence) presence = PB_INIT(PRESENCE);
	struct PB(Control) m = PB_INIT(CONTROL);
	const struct member *who = run_member(run, leaf);

	presence.leaf = leaf;
	presence.connected = connected;
	m.body_case = PB_CONTROL(PRESENCE);
	m.presence = &presence;
	run_broadcast(run, NET_CLASS_CONTROL, control_msg(&m), who ? who->conn : NULL);
}

void run_tell_lost(struct relay_conn *c)
{
	for (size_t i = 0; i < c->run->leaves; i++) {
		struct PB(Presence) presence = PB_INIT(PRESENCE);
		struct PB(Control) m = PB_INIT(CONTROL);

		if (!c->run->members[i] || c->run->members[i]->conn)
			continue;
		presence.leaf = (uint32_t)i;
		m.body_case = PB_CONTROL(PRESENCE);
		m.presence = &presence;
		(void)!conn_send_control(c, &m);
	}
}

bool run_banned(const struct relay_run *run, const uint8_t *user_id, const uint8_t *device_hash)
{
	for (size_t i = 0; i < run->n_bans; i++) {
		const struct ban *b = &run->bans[i];

		if (memcmp(b->user_id, user_id, PROTO_ID_LEN))
			continue;
		if (proto_id_is_zero(b->device_hash, PROTO_HASH_LEN) ||
		    !memcmp(b->device_hash, device_hash, PROTO_HASH_LEN))
			return true;
	}
	return false;
}

void run_ban(struct relay_run *run, const uint8_t *user_id, const uint8_t *device_hash, int reason)
{
	struct ban ban = {0}, *p;

	memcpy(ban.user_id, user_id, PROTO_ID_LEN);
	if (device_hash)
		memcpy(ban.device_hash, device_hash, PROTO_HASH_LEN);
	p = run->n_bans < RUN_BANS_MAX ? cv_reallocarray(run->bans, run->n_bans + 1, sizeof(*p)) : NULL;
	if (p) {
		run->bans = p;
		run->bans[run->n_bans++] = ban;
	} else {
		/* the members keep the ban in the group's state; only this first line of defence is missing */
		cv_log(CV_LOG_ERROR, "relay", "ban not remembered", cv_log_str("run", run->name));
	}
	for (struct relay_conn *c = run->conns, *next; c; c = next) {
		next = c->run_next;
		if (!memcmp(c->user_id, user_id, PROTO_ID_LEN) &&
		    (!device_hash || !memcmp(c->device_hash, device_hash, PROTO_HASH_LEN)))
			conn_refuse(c, reason, "removed from the meeting");
	}
}

static bool has_present(const struct relay_run *run)
{
	for (size_t i = 0; i < run->leaves; i++)
		if (run->members[i] && run->members[i]->conn)
			return true;
	return false;
}

static void refuse_lobby(struct relay_run *run, const char *detail)
{
	for (struct relay_conn *c = run->conns, *next; c; c = next) {
		next = c->run_next;
		if (c->state == CONN_LOBBY)
			conn_refuse(c, PB_REFUSED(NO_SUCH_RUN), detail);
	}
}

void run_end(struct relay_run *run, const char *detail, bool cancelled)
{
	struct PB(RunEnded) ended = PB_INIT(RUN_ENDED);
	struct PB(Control) m = PB_INIT(CONTROL);
	struct relay *r = run->relay;
	struct net_msg *msg;

	cv_log(CV_LOG_INFO, "relay", "run ended", cv_log_str("run", run->name), cv_log_str("detail", detail));
	memcpy(r->ended[r->next_ended].id, run->id, PROTO_ID_LEN);
	r->ended[r->next_ended].until_us = relay_now(r) + ENDED_RUN_US;
	r->next_ended = (r->next_ended + 1) % ENDED_RUNS_MAX;
	if (r->n_ended < ENDED_RUNS_MAX)
		r->n_ended++;
	/* that it has ended keeps everyone out */
	relay_forget_revocations(r, run->id);
	ended.detail = (char *)detail;
	ended.cancelled = cancelled;
	m.body_case = PB_CONTROL(RUN_ENDED);
	m.run_ended = &ended;
	/* who waits to be let in by nobody is told so, and may begin another run */
	if (!cancelled && !has_present(run))
		refuse_lobby(run, "nobody is left in the meeting");
	msg = control_msg(&m);
	/* nobody is lost or present any more: members are taken out before their connections close */
	for (struct relay_conn *c = run->conns; c; c = c->run_next) {
		if (msg)
			(void)!conn_send_msg(c, NET_CLASS_CONTROL, msg);
		if (c->member)
			c->member->conn = NULL;
		c->member = NULL;
	}
	net_msg_unref(msg);
	while (run->conns)
		conn_end(run->conns, 1000);
	run_free(run);
}

void relay_end_run(struct relay *r, const uint8_t run_id[PROTO_ID_LEN], bool cancelled)
{
	struct relay_run *run;

	if (relay_run_ended(r, run_id))
		return;
	/* a run that is not here is created only to be remembered as ended */
	if (!run_get(r, run_id, &run))
		run_end(run, cancelled ? "the meeting was cancelled" : "ended by the manager", cancelled);
}

static void expire_lobby(struct relay_run *run, int64_t now)
{
	for (struct relay_conn *c = run->conns, *next; c; c = next) {
		next = c->run_next;
		if (c->state != CONN_LOBBY || now - c->lobby_us < LOBBY_TIMEOUT_US)
			continue;
		if (run->group && has_present(run))
			conn_refuse(c, PB_REFUSED(ADMISSION_REFUSED), "no member admitted the newcomer");
		else if (run->group)
			conn_refuse(c, PB_REFUSED(NO_SUCH_RUN), "nobody is left in the meeting");
		else
			conn_refuse(c, PB_REFUSED(NO_SUCH_RUN), "nobody has started the meeting");
	}
}

void run_tick(struct relay_run *run)
{
	int64_t now = relay_now(run->relay);

	if (!run->n_conns && now - run->empty_us > EMPTY_RUN_US) {
		cv_log(CV_LOG_INFO, "relay", "run forgotten", cv_log_str("run", run->name));
		run_free(run);
		return;
	}
	expire_lobby(run, now);
	run_pump(run);
	streams_tick(run);
}
