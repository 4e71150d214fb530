/* SPDX-License-Identifier: Apache-2.0 */
/* Who is to be admitted and removed, and which member is asked to do it. */
#include <string.h>

#include "session.h"

void conn_join_request(struct relay_conn *c, const struct PB(JoinRequest) * m)
{
	if (c->key_package) {
		conn_violation(c, "a second JoinRequest");
		return;
	}
	c->key_package = cv_memdup(m->sealed_key_package.data, m->sealed_key_package.len);
	if (!c->key_package) {
		conn_refuse(c, PB_REFUSED(LIMIT), "out of memory");
		return;
	}
	c->key_package_len = m->sealed_key_package.len;
	c->lobby_us = relay_now(c->relay);
}

void conn_admit_rejected(struct relay_conn *c, const struct PB(AdmitRejected) * m)
{
	struct relay_conn *who;

	/* only who has been asked may answer, and only about those it was asked about */
	if (!c->run->asked || c->run->committer != c->member->leaf)
		return;
	for (who = c->run->conns; who; who = who->run_next)
		if (who->number == m->connection && who->offered && who->state == CONN_LOBBY && who->key_package)
			break;
	if (!who)
		return;
	cv_log(CV_LOG_NOTICE, "relay", "admission refused", cv_log_str("run", c->run->name),
	       cv_log_uint("connection", who->number), cv_log_uint("by", c->member->leaf),
	       cv_log_str("detail", m->detail));
	conn_refuse(who, PB_REFUSED(ADMISSION_REFUSED), m->detail);
}

/* The last one closes the door: nobody is left who could admit or remove anybody. */
static void end_when_empty(struct relay_run *run)
{
	for (size_t i = 0; i < run->leaves; i++)
		if (run->members[i] && !run->members[i]->left)
			return;
	run_end(run, "everybody has left", false);
}

void conn_leave(struct relay_conn *c, const struct PB(Leave) * m)
{
	struct relay_run *run = c->run;
	struct member *member = c->member;
	int64_t now = relay_now(c->relay);

	member->left = true;
	for (uint32_t s = 1; s <= PROTO_STREAM_MAX; s++)
		streams_stop(member, s);
	if (m->evidence.len)
		run_want_removal(run, member->leaf, PROTO_REASON_LEFT, m->evidence.data, m->evidence.len,
				 now + LEAVE_BATCH_US);
	else
		run_want_removal(run, member->leaf, PROTO_REASON_LOST, NULL, 0, now + LEAVE_BATCH_US);
	conn_end(c, 1000);
	end_when_empty(run);
}

static struct removal *find_removal(const struct relay_run *run, uint32_t leaf)
{
	for (size_t i = 0; i < run->n_removals; i++)
		if (run->removals[i].leaf == leaf)
			return &run->removals[i];
	return NULL;
}

void run_want_removal(struct relay_run *run, uint32_t leaf, uint8_t reason, const void *evidence, size_t len,
		      int64_t due_us)
{
	struct removal *r = find_removal(run, leaf);
	uint8_t *copy = NULL;

	/* a revocation outranks everything, a signed leave outranks a loss */
	if (r && (r->reason == PROTO_REASON_REVOKED || (reason == PROTO_REASON_LOST && r->reason != reason)))
		return;
	if (len) {
		copy = cv_memdup(evidence, len);
		if (!copy)
			goto nomem;
	}
	if (!r && run->n_removals == run->cap_removals) {
		size_t cap = run->cap_removals ? 2 * run->cap_removals : 16;
		struct removal *p = cv_reallocarray(run->removals, cap, sizeof(*p));

		if (!p)
			goto nomem;
		run->removals = p;
		run->cap_removals = cap;
	}
	if (r)
		cv_free(r->evidence);
	else
		r = &run->removals[run->n_removals++];
	*r = (struct removal){leaf, reason, copy, len, due_us};
	return;
nomem:
	cv_free(copy);
	cv_log(CV_LOG_ERROR, "relay", "removal forgotten for lack of memory", cv_log_str("run", run->name),
	       cv_log_uint("leaf", leaf));
}

void run_forget_removal(struct relay_run *run, uint32_t leaf)
{
	struct removal *r = find_removal(run, leaf);

	if (!r)
		return;
	cv_free(r->evidence);
	*r = run->removals[--run->n_removals];
}

/* ---- asking */

/* A committer is present, has joined, and is not itself about to go. */
static bool may_commit(const struct relay_run *run, uint32_t leaf)
{
	const struct member *m = run->members[leaf];
	const struct removal *r = m ? find_removal(run, leaf) : NULL;

	return m && m->conn && m->conn->ready && !m->left && !r;
}

/* The lowest leaf at or above `from`, else from the beginning. -1: nobody. */
static int64_t choose(const struct relay_run *run, uint32_t from)
{
	for (size_t n = 0; n < run->leaves; n++) {
		uint32_t leaf = (uint32_t)((from + n) % run->leaves);

		if (may_commit(run, leaf))
			return leaf;
	}
	return -1;
}

static int send_admit(struct relay_run *run, struct relay_conn *to, size_t *ret_n)
{
	static struct PB(Candidate) candidates[PROTO_CANDIDATES_MAX];
	static struct PB(Candidate) * list[PROTO_CANDIDATES_MAX];
	struct PB(AdmitRequest) admit = PB_INIT(ADMIT_REQUEST);
	struct PB(Control) m = PB_INIT(CONTROL);
	size_t n = 0, bytes = 0;

	for (struct relay_conn *c = run->conns; c && n < PROTO_CANDIDATES_MAX; c = c->run_next) {
		c->offered = false;
		if (c->state != CONN_LOBBY || !c->key_package)
			continue;
		bytes += c->key_package_len + 16;
		if (bytes > ADMIT_BYTES_MAX)
			break;
		candidates[n] = (struct PB(Candidate))PB_INIT(CANDIDATE);
		candidates[n].connection = c->number;
		candidates[n].sealed_key_package = (ProtobufCBinaryData){c->key_package_len, c->key_package};
		list[n] = &candidates[n];
		c->offered = true;
		n++;
	}
	*ret_n = n;
	if (!n)
		return 0;
	admit.n_candidates = n;
	admit.candidates = list;
	admit.epoch = run->epoch;
	m.body_case = PB_CONTROL(ADMIT_REQUEST);
	m.admit_request = &admit;
	return conn_send_control(to, &m);
}

static int send_remove(struct relay_run *run, struct relay_conn *to, int64_t now, size_t *ret_n)
{
	static struct PB(Removal) removals[PROTO_REQUEST_MAX];
	static struct PB(Removal) * list[PROTO_REQUEST_MAX];
	struct PB(RemoveRequest) remove = PB_INIT(REMOVE_REQUEST);
	struct PB(Control) m = PB_INIT(CONTROL);
	size_t n = 0;

	for (size_t i = 0; i < run->n_removals && n < PROTO_REQUEST_MAX; i++) {
		const struct removal *r = &run->removals[i];

		if (r->due_us > now)
			continue;
		removals[n] = (struct PB(Removal))PB_INIT(REMOVAL);
		removals[n].leaf = r->leaf;
		removals[n].reason = r->reason;
		removals[n].evidence = (ProtobufCBinaryData){r->evidence_len, r->evidence};
		list[n] = &removals[n];
		n++;
	}
	*ret_n = n;
	if (!n)
		return 0;
	remove.n_removals = n;
	remove.removals = list;
	remove.epoch = run->epoch;
	m.body_case = PB_CONTROL(REMOVE_REQUEST);
	m.remove_request = &remove;
	return conn_send_control(to, &m);
}

static bool removal_due(const struct relay_run *run, int64_t now)
{
	for (size_t i = 0; i < run->n_removals; i++)
		if (run->removals[i].due_us <= now)
			return true;
	return false;
}

static bool admission_due(const struct relay_run *run, int64_t now)
{
	for (const struct relay_conn *c = run->conns; c; c = c->run_next)
		if (c->state == CONN_LOBBY && c->key_package && now - c->lobby_us >= BATCH_US)
			return true;
	return false;
}

/*
 * One kind of request at a time, since a commit answers one: when both are due they take turns, so that neither a
 * stream of newcomers nor one of removals holds the other up.
 */
static void ask(struct relay_run *run, uint32_t from, int64_t now)
{
	bool remove = removal_due(run, now) && (!run->asked_removal || !admission_due(run, now));
	int64_t leaf = choose(run, from);
	size_t adds = 0, removes = 0;
	struct relay_conn *to;

	run->asked = false;
	if (leaf < 0)
		return;
	to = run->members[leaf]->conn;
	if (remove ? send_remove(run, to, now, &removes) : send_admit(run, to, &adds))
		return;
	run->asked = true;
	run->asked_removal = remove;
	run->committer = (uint32_t)leaf;
	run->committer_deadline_us =
		now + (removes ? COMMITTER_REMOVE_US : COMMITTER_US) + COMMITTER_EACH_US * (int64_t)(adds + removes);
	cv_log(CV_LOG_DEBUG, "relay", "committer asked", cv_log_str("run", run->name),
	       cv_log_uint("leaf", (uint64_t)leaf), cv_log_uint("adds", adds), cv_log_uint("removes", removes));
}

static bool something_due(const struct relay_run *run, int64_t now)
{
	return removal_due(run, now) || admission_due(run, now);
}

void run_pump(struct relay_run *run)
{
	int64_t now = relay_now(run->relay);

	if (!run->group)
		return;
	if (run->asked) {
		/* the next one, when this one is gone or takes too long */
		if (run->committer < run->leaves && may_commit(run, run->committer) && now < run->committer_deadline_us)
			return;
		run->asked = false;
		if (something_due(run, now))
			ask(run, run->committer + 1, now);
		return;
	}
	if (something_due(run, now))
		ask(run, 0, now);
}

void run_asked_done(struct relay_run *run)
{
	run->asked = false;
}
