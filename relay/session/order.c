/* SPDX-License-Identifier: Apache-2.0 */
/* The delivery service: which commit makes the next epoch, and who gets it. */
#include <string.h>

#include "session.h"

static void reject(struct relay_conn *c, uint64_t commit_epoch, const char *detail)
{
	struct PB(CommitRejected) rejected = PB_INIT(COMMIT_REJECTED);
	struct PB(Control) m = PB_INIT(CONTROL);

	rejected.epoch = c->run->epoch;
	rejected.commit_epoch = commit_epoch;
	rejected.detail = (char *)detail;
	m.body_case = PB_CONTROL(COMMIT_REJECTED);
	m.commit_rejected = &rejected;
	cv_log(CV_LOG_INFO, "relay", "commit rejected", cv_log_str("run", c->run->name),
	       cv_log_uint("leaf", c->member->leaf), cv_log_uint("epoch", c->run->epoch),
	       cv_log_uint("commit_epoch", commit_epoch), cv_log_str("detail", detail));
	(void)!conn_send_control(c, &m);
	if (c->run->asked && c->run->committer == c->member->leaf)
		run_asked_done(c->run);
	run_pump(c->run);
}

static struct relay_conn *lobby_conn(const struct relay_run *run, uint32_t number)
{
	for (struct relay_conn *c = run->conns; c; c = c->run_next)
		if (c->number == number && c->state == CONN_LOBBY && c->key_package)
			return c;
	return NULL;
}

static bool adds_device(const struct relay_run *run, const struct PB(Handshake) * m, const uint8_t *device_hash)
{
	for (size_t i = 0; i < m->n_adds; i++) {
		const struct relay_conn *c = lobby_conn(run, m->adds[i]->connection);

		if (c && !memcmp(c->device_hash, device_hash, PROTO_HASH_LEN))
			return true;
	}
	return false;
}

static bool revocation_holds(const struct relay_run *run, const struct member *m, struct cv_span evidence)
{
	struct proto_revocation v;

	return !proto_revocation_open(evidence.data, evidence.len, &run->relay->signers, &v) &&
	       proto_revocation_covers(&v, run->id, m->user_id, m->device_hash);
}

/* Why this removal cannot be; NULL when it can. */
static const char *removal_fault(const struct relay_conn *c, const struct PB(Handshake) * h,
				 const struct proto_removal *r)
{
	const struct member *m = run_member(c->run, r->leaf);

	if (!m)
		return "removes a leaf that is not there";
	if (r->leaf == c->member->leaf)
		return "removes its own leaf";
	switch (r->reason) {
	case PROTO_REASON_LEFT: return m->conn ? "removes a connected member as left" : NULL;
	case PROTO_REASON_REMOVED:
		return c->member->rights & PROTO_RIGHT_MODERATION ? NULL : "removes without the right to";
	case PROTO_REASON_REVOKED: return revocation_holds(c->run, m, r->evidence) ? NULL : "revocation not valid";
	case PROTO_REASON_LOST: return m->conn ? "removes a connected member as lost" : NULL;
	default: return adds_device(c->run, h, m->device_hash) ? NULL : "replaces by another device";
	}
}

static bool removed_by(const struct PB(Handshake) * h, uint32_t leaf)
{
	for (size_t i = 0; i < h->n_removes; i++)
		if (h->removes[i] == leaf)
			return true;
	return false;
}

static const char *adds_fault(const struct relay_run *run, const struct PB(Handshake) * h)
{
	if (h->n_adds && proto_mls_welcome_check(h->welcome.data, h->welcome.len))
		return "adds without a Welcome";
	if (run->n_members + h->n_adds > run->relay->opts.limits.members + h->n_removes)
		return "the meeting is full";
	for (size_t i = 0; i < h->n_adds; i++) {
		uint32_t leaf = h->adds[i]->leaf;

		if (!lobby_conn(run, h->adds[i]->connection))
			return "a newcomer is gone";
		if (run_member(run, leaf) && !removed_by(h, leaf))
			return "adds a leaf that is taken";
		for (size_t j = 0; j < i; j++)
			if (h->adds[j]->leaf == leaf || h->adds[j]->connection == h->adds[i]->connection)
				return "adds twice";
	}
	return NULL;
}

/* The cleartext of the commit against what its sender tells the relay. */
static const char *commit_fault(const struct relay_conn *c, const struct PB(Handshake) * h,
				const struct proto_commit_data *data)
{
	if (data->n_removals != h->n_removes)
		return "removals disagree with the commit";
	for (size_t i = 0; i < data->n_removals; i++) {
		const char *fault;

		if (data->removals[i].leaf != h->removes[i])
			return "removals disagree with the commit";
		fault = removal_fault(c, h, &data->removals[i]);
		if (fault)
			return fault;
	}
	return adds_fault(c->run, h);
}

static struct net_msg *handshake_msg(const struct PB(Handshake) * h)
{
	struct net_msg *msg = NULL;
	struct cv_buf b;

	cv_buf_init(&b, PROTO_HANDSHAKE_MAX);
	if (!proto_handshake_pack(h, &b) && !net_msg_new(b.len, &msg))
		memcpy(msg->data, b.data, b.len);
	cv_buf_done(&b);
	return msg;
}

static void accept_message(struct relay_conn *c)
{
	struct PB(CommitAccepted) accepted = PB_INIT(COMMIT_ACCEPTED);
	struct PB(Control) m = PB_INIT(CONTROL);

	accepted.epoch = c->run->epoch;
	accepted.seq = c->run->seq;
	m.body_case = PB_CONTROL(COMMIT_ACCEPTED);
	m.commit_accepted = &accepted;
	(void)!conn_send_control(c, &m);
}

static void apply_removal(struct relay_run *run, const struct proto_removal *r)
{
	struct member *m = run_member(run, r->leaf);
	struct relay_conn *c = m->conn;
	uint8_t user[PROTO_ID_LEN], device[PROTO_HASH_LEN];
	struct proto_revocation v;
	bool whole_user = true;

	memcpy(user, m->user_id, sizeof(user));
	memcpy(device, m->device_hash, sizeof(device));
	run_forget_removal(run, r->leaf);
	files_leaf_gone(run, r->leaf);
	if (c) {
		c->member = NULL;
		m->conn = NULL;
		c->state = CONN_LOBBY;
	}
	member_free(m);
	if (r->reason == PROTO_REASON_REVOKED) {
		whole_user = proto_revocation_open(r->evidence.data, r->evidence.len, &run->relay->signers, &v) ||
			     proto_id_is_zero(v.device_hash, PROTO_HASH_LEN);
		run_ban(run, user, whole_user ? NULL : device, PB_REFUSED(REVOKED));
	} else if (r->reason == PROTO_REASON_REMOVED) {
		run_ban(run, user, NULL, PB_REFUSED(BANNED));
	}
	if (c)
		conn_refuse(c, PB_REFUSED(REPLACED), "the leaf was removed");
}

/* Newcomers get their leaf and their Welcome. */
static void apply_adds(struct relay_run *run, const struct PB(Handshake) * h)
{
	struct PB(Handshake) out = PB_INIT(HANDSHAKE);
	struct net_msg *welcome;

	if (!h->n_adds)
		return;
	out.seq = run->seq;
	out.epoch = run->epoch;
	out.welcome = h->welcome;
	welcome = handshake_msg(&out);
	for (size_t i = 0; i < h->n_adds; i++) {
		struct relay_conn *c = lobby_conn(run, h->adds[i]->connection);
		struct member *m;

		if (!c)
			continue;
		if (!welcome || member_new(run, h->adds[i]->leaf, c, &m)) {
			conn_refuse(c, PB_REFUSED(LIMIT), "out of memory");
			continue;
		}
		member_bind(m, c);
		(void)!conn_send_msg(c, NET_CLASS_CONTROL, welcome);
		cv_log(CV_LOG_INFO, "relay", "joined", cv_log_str("run", run->name),
		       cv_log_uint("connection", c->number), cv_log_uint("leaf", m->leaf),
		       cv_log_uint("epoch", run->epoch));
	}
	net_msg_unref(welcome);
}

static void accept_commit(struct relay_conn *c, const struct PB(Handshake) * h, const struct proto_commit_data *data)
{
	struct PB(Handshake) out = PB_INIT(HANDSHAKE);
	struct relay_run *run = c->run;
	struct net_msg *msg;

	out.seq = run->seq + 1;
	out.epoch = run->epoch + 1;
	out.commit = h->commit;
	msg = handshake_msg(&out);
	if (!msg) {
		reject(c, run->epoch, "out of memory");
		return;
	}
	run->seq++;
	run->epoch++;
	run_log_add(run, msg, c->member->leaf, true);
	cv_log(CV_LOG_INFO, "relay", "epoch", cv_log_str("run", run->name), cv_log_uint("epoch", run->epoch),
	       cv_log_uint("leaf", c->member->leaf), cv_log_uint("adds", h->n_adds),
	       cv_log_uint("removes", h->n_removes));
	/* the removed get it too: it is how they know */
	run_broadcast(run, NET_CLASS_CONTROL, msg, c);
	accept_message(c);
	run_asked_done(run);
	for (size_t i = 0; i < data->n_removals; i++)
		if (run_member(run, data->removals[i].leaf))
			apply_removal(run, &data->removals[i]);
	apply_adds(run, h);
	run_pump(run);
}

static void take_commit(struct relay_conn *c, const struct PB(Handshake) * h)
{
	struct relay_run *run = c->run;
	struct proto_commit_data data;
	struct proto_mls_head head;
	const char *fault;

	if (proto_mls_head_decode(h->commit.data, h->commit.len, &head) || head.content_type != PROTO_MLS_COMMIT ||
	    head.group_id.len != PROTO_ID_LEN || memcmp(head.group_id.data, run->id, PROTO_ID_LEN)) {
		conn_violation(c, "not a commit of this group");
		return;
	}
	if (head.epoch != run->epoch) {
		reject(c, head.epoch, "another commit was first");
		return;
	}
	if (proto_commit_data_decode(head.authenticated_data.data, head.authenticated_data.len, &data)) {
		conn_violation(c, "commit data that cannot be read");
		return;
	}
	fault = commit_fault(c, h, &data);
	if (fault)
		reject(c, head.epoch, fault);
	else
		accept_commit(c, h, &data);
	proto_commit_data_done(&data);
}

void conn_handshake(struct relay_conn *c, const struct net_msg *m)
{
	struct PB(Handshake) *h = NULL;

	if (!bucket_take(&c->handshake, relay_now(c->relay), HANDSHAKE_RATE, HANDSHAKE_BURST, (int64_t)m->len)) {
		conn_refuse(c, PB_REFUSED(LIMIT), "too many handshake bytes");
		return;
	}
	if (proto_handshake_unpack(m->data + 1, m->len - 1, &h) || !h->commit.len || h->commit.len > COMMIT_MAX) {
		proto_handshake_free(h);
		conn_violation(c, "handshake that cannot be read");
		return;
	}
	take_commit(c, h);
	proto_handshake_free(h);
}

void conn_application(struct relay_conn *c, struct net_msg *m)
{
	struct relay_run *run = c->run;
	int64_t rate = c->relay->opts.limits.application_rate;
	struct proto_mls_head head;

	if (proto_mls_head_decode(m->data + 1, m->len - 1, &head) || head.content_type != PROTO_MLS_APPLICATION ||
	    head.group_id.len != PROTO_ID_LEN || memcmp(head.group_id.data, run->id, PROTO_ID_LEN) ||
	    head.epoch > run->epoch) {
		conn_violation(c, "not an application message of this group");
		return;
	}
	if (!bucket_take(&c->application, relay_now(c->relay), rate, 8 * rate + PROTO_MESSAGE_MAX, (int64_t)m->len)) {
		conn_refuse(c, PB_REFUSED(LIMIT), "too many application messages");
		return;
	}
	if (run->epoch - head.epoch > APP_EPOCHS_BACK) {
		cv_log(CV_LOG_NOTICE, "relay", "application message of an old epoch", cv_log_str("run", run->name),
		       cv_log_uint("leaf", c->member->leaf), cv_log_uint("epoch", head.epoch));
		return;
	}
	run->seq++;
	run_log_add(run, m, c->member->leaf, false);
	for (size_t i = 0; i < run->leaves; i++) {
		struct relay_conn *to = run->members[i] ? run->members[i]->conn : NULL;

		if (to && to != c)
			conn_send_application(to, run->seq, m);
	}
}

/* The creator: the group begins. */
static void create_group(struct relay_conn *c, const struct PB(EpochReady) * m)
{
	struct relay_run *run = c->run;
	struct member *member;

	if (!c->may_create || m->leaf || m->epoch) {
		conn_violation(c, "EpochReady without a leaf");
		return;
	}
	if (run->group) {
		conn_refuse(c, PB_REFUSED(DENIED), "the group exists already");
		return;
	}
	if (member_new(run, 0, c, &member)) {
		conn_refuse(c, PB_REFUSED(LIMIT), "out of memory");
		return;
	}
	run->group = true;
	member_bind(member, c);
	c->ready = true;
	cv_log(CV_LOG_INFO, "relay", "group created", cv_log_str("run", run->name),
	       cv_log_uint("connection", c->number));
	run_pump(run);
}

void conn_epoch_ready(struct relay_conn *c, const struct PB(EpochReady) * m)
{
	if (c->state == CONN_LOBBY) {
		create_group(c, m);
		return;
	}
	if (m->leaf != c->member->leaf || m->epoch > c->run->epoch || m->epoch < c->member->joined_epoch) {
		conn_violation(c, "EpochReady of another leaf or epoch");
		return;
	}
	if (c->ready)
		return;
	c->ready = true;
	streams_tell(c);
	run_tell_lost(c);
	run_pump(c->run);
}
