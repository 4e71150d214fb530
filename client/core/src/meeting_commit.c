/* SPDX-License-Identifier: Apache-2.0 */
/* Commits of our own: the committer's duties, moderation, path updates. */
#include <stdio.h>
#include <string.h>

#include <base/alloc.h>
#include <base/text.h>
#include <base/time.h>

#include "meeting_internal.h"

#define REQUEST_US     450000  /* a request that waited longer has gone to the next member */
#define PATH_STEP_US   5000000 /* members take turns with path updates, so far apart */
#define REJECTIONS_MAX 8       /* of one change, before it is given up */
#define PATH_TURNS     24
#define PATH_AGAIN_US  30000000 /* after the relay has refused a path update for good */

static int send_commit(struct client_meeting *m, const struct client_change *change)
{
	struct client_commit commit;
	int r;

	memset(&commit, 0, sizeof(commit));
	r = client_group_commit(m->group, change, &commit);
	if (r != 0 && r != CV_ENOTFOUND)
		return r;
	for (size_t i = 0; i < commit.n_refused; i++) {
		PB(Control) c = PB_INIT(CONTROL);
		PB(AdmitRejected) no = PB_INIT(ADMIT_REJECTED);

		no.connection = commit.refused[i].connection;
		no.detail = commit.refused[i].detail;
		c.body_case = PB_CONTROL(ADMIT_REJECTED);
		c.admit_rejected = &no;
		(void)!client_tunnel_control(m, &c);
	}
	if (r == 0) {
		r = net_tunnel_send_bytes(m->tunnel, NET_CLASS_CONTROL, PROTO_KIND_HANDSHAKE, commit.message.data + 1,
					  commit.message.len - 1);
		if (r != 0)
			client_group_rejected(m->group);
	}
	client_commit_done(&commit);
	return r;
}

static void wait_with(struct client_meeting *m, struct cv_buf *store, const void *raw, size_t len)
{
	cv_buf_reset(store);
	(void)!cv_buf_put(store, raw, len);
	m->request_us = cv_now_us();
}

void client_meeting_admit(struct client_meeting *m, const PB(AdmitRequest) * req, const void *raw, size_t len)
{
	struct client_change change = {.n_candidates = req->n_candidates};
	struct client_candidate *list;
	struct cv_buf *opened;
	int r = CV_ENOMEM;

	if (m->phase != PHASE_IN || m->tunnel == NULL || !client_group_active(m->group))
		return;
	if (client_group_pending(m->group)) {
		wait_with(m, &m->admit, raw, len);
		return;
	}
	list = cv_calloc(req->n_candidates + 1, sizeof(*list));
	opened = cv_calloc(req->n_candidates + 1, sizeof(*opened));
	if (list == NULL || opened == NULL)
		goto out;
	for (size_t i = 0; i < req->n_candidates; i++) {
		const PB(Candidate) *c = req->candidates[i];

		/* One that does not open stays empty, and is refused as a KeyPackage that is not valid. */
		cv_buf_init(&opened[i], PROTO_LOBBY_MAX);
		(void)!proto_lobby_open(m->info.lobby_key, m->info.run_id, c->sealed_key_package.data,
					c->sealed_key_package.len, &opened[i]);
		list[i] = (struct client_candidate){c->connection, {opened[i].data, opened[i].len}};
	}
	change.candidates = list;
	r = send_commit(m, &change);
out:
	for (size_t i = 0; opened != NULL && i < req->n_candidates; i++)
		cv_buf_done(&opened[i]);
	cv_free(opened);
	cv_free(list);
	if (r != 0 && r != CV_ENOTFOUND && r != CV_ESTATE)
		client_meeting_warn(m, "newcomers cannot be let in: %s", cv_strerror(r));
}

void client_meeting_removals(struct client_meeting *m, const PB(RemoveRequest) * req, const void *raw, size_t len)
{
	struct client_change change = {.n_removals = req->n_removals};
	struct proto_removal *list;
	int r;

	if (m->phase != PHASE_IN || m->tunnel == NULL || !client_group_active(m->group))
		return;
	if (client_group_pending(m->group)) {
		wait_with(m, &m->removal, raw, len);
		return;
	}
	list = cv_calloc(req->n_removals + 1, sizeof(*list));
	if (list == NULL)
		return;
	for (size_t i = 0; i < req->n_removals; i++) {
		const PB(Removal) *r1 = req->removals[i];

		list[i] = (struct proto_removal){r1->leaf, (uint8_t)r1->reason, {r1->evidence.data, r1->evidence.len}};
	}
	change.removals = list;
	r = send_commit(m, &change);
	cv_free(list);
	if (r != 0 && r != CV_ENOTFOUND && r != CV_ESTATE)
		client_meeting_warn(m, "participants cannot be removed: %s", cv_strerror(r));
}

int client_meeting_op(struct client_meeting *m, const struct op *op)
{
	struct op *copy = cv_memdup(op, sizeof(*op)), **last = &m->ops;

	if (copy == NULL)
		return CV_ENOMEM;
	copy->next = NULL;
	while (*last != NULL)
		last = &(*last)->next;
	*last = copy;
	client_meeting_work(m);
	return 0;
}

/* The first operation alone in a commit: what it says cannot depend on another. */
static int commit_op(struct client_meeting *m, struct op *op)
{
	struct client_change change = {.n_ban = 0};
	struct client_rights_change rights = {.rights = op->rights};
	const struct cv_span certs[2] = {{m->cert[0].der, m->cert[0].len}, {m->cert[1].der, m->cert[1].len}};
	uint8_t ban[1][CLIENT_ID_LEN];

	memcpy(ban[0], op->user_id, CLIENT_ID_LEN);
	memcpy(rights.user_id, op->user_id, CLIENT_ID_LEN);
	switch (op->kind) {
	case OP_BAN:
		change.ban = (const uint8_t(*)[CLIENT_ID_LEN])ban;
		change.n_ban = 1;
		break;
	case OP_RIGHTS:
		change.rights = &rights;
		change.n_rights = 1;
		break;
	case OP_LOCK:
		change.set_lock = true;
		change.lock = op->lock;
		break;
	case OP_PATH: change.certificates = op->renew ? certs : NULL; break;
	}
	return send_commit(m, &change);
}

static void drop_op(struct client_meeting *m)
{
	struct op *op = m->ops;

	m->ops = op->next;
	cv_free(op);
}

static bool again(struct client_meeting *m, struct cv_buf *store)
{
	PB(Control) * c;
	struct cv_buf raw = *store;

	if (store->len == 0)
		return false;
	cv_buf_init(store, PROTO_MESSAGE_MAX);
	if (cv_now_us() - m->request_us <= REQUEST_US && proto_control_unpack(raw.data, raw.len, &c) == 0) {
		if (c->body_case == PB_CONTROL(ADMIT_REQUEST))
			client_meeting_admit(m, c->admit_request, raw.data, raw.len);
		else if (c->body_case == PB_CONTROL(REMOVE_REQUEST))
			client_meeting_removals(m, c->remove_request, raw.data, raw.len);
		proto_control_free(c);
	}
	cv_buf_done(&raw);
	return client_group_pending(m->group);
}

/* Commits what waits, one thing at a time. */
void client_meeting_work(struct client_meeting *m)
{
	while (m->phase == PHASE_IN && m->tunnel != NULL && client_group_active(m->group) &&
	       !client_group_pending(m->group)) {
		int r;

		if (again(m, &m->removal) || again(m, &m->admit))
			return;
		if (m->ops == NULL || m->ops->in_flight)
			return;
		r = commit_op(m, m->ops);
		if (r == 0) {
			m->ops->in_flight = true;
			return;
		}
		if (r != CV_ENOTFOUND)
			client_meeting_warn(m, "%s",
					    client_group_why(m->group)[0] != '\0' ? client_group_why(m->group)
										  : cv_strerror(r));
		drop_op(m);
	}
}

/* The manager cannot see the group's rights, and acts only on what those ban of whom it knows that they moderate. */
static void tell_moderation(struct client_meeting *m, const struct op *op)
{
	bool has = (op->rights & PROTO_RIGHT_MODERATION) != 0, had = !has;
	char user[2 * CLIENT_ID_LEN + 1];
	json_t *body;

	for (const struct client_member *p = client_group_next(m->group, 0); p != NULL;
	     p = client_group_next(m->group, p->leaf + 1)) {
		if (memcmp(p->user_id, op->user_id, CLIENT_ID_LEN) == 0)
			had = (m->shown_rights[p->leaf] & PROTO_RIGHT_MODERATION) != 0;
	}
	if (has == had)
		return;
	cv_hex_encode(user, op->user_id, CLIENT_ID_LEN);
	body = json_object();
	json_object_set_new(body, "user_id", json_string(user));
	json_object_set_new(body, "granted", json_boolean(has));
	client_report_tell(
		m, "moderation", body,
		has ? "the manager does not know of the new moderator, and will go on letting in whom they remove"
		    : "the manager still takes them for a moderator");
}

/* What a finished operation means for relay and manager. */
static void op_done(struct client_meeting *m, const struct op *op)
{
	char user[2 * CLIENT_ID_LEN + 1];
	PB(Control) c = PB_INIT(CONTROL);
	PB(SetRights) rights = PB_INIT(SET_RIGHTS);
	json_t *body;

	switch (op->kind) {
	case OP_RIGHTS:
		rights.user_id = (ProtobufCBinaryData){CLIENT_ID_LEN, (uint8_t *)(uintptr_t)op->user_id};
		rights.rights = op->rights;
		c.body_case = PB_CONTROL(SET_RIGHTS);
		c.set_rights = &rights;
		(void)!client_tunnel_control(m, &c);
		tell_moderation(m, op);
		break;
	case OP_BAN:
		/* The group is rid of them, members and relay let them in no more; the manager is to give them no
		 * more tickets either. */
		cv_hex_encode(user, op->user_id, CLIENT_ID_LEN);
		body = json_object();
		json_object_set_new(body, "user_id", json_string(user));
		client_report_tell(
			m, "ban", body,
			"removed, and kept out by relay and members; but the manager still gives out tickets");
		break;
	default: break;
	}
}

void client_meeting_accepted(struct client_meeting *m, const PB(CommitAccepted) * msg)
{
	struct client_news news;
	struct op *op = m->ops != NULL && m->ops->in_flight ? m->ops : NULL;
	int r;

	if (m->phase != PHASE_IN || !client_group_pending(m->group) || msg->epoch != client_group_epoch(m->group) + 1)
		return;
	memset(&news, 0, sizeof(news));
	r = client_group_accepted(m->group, &news);
	if (r != 0) {
		client_meeting_over(m, CLIENT_SECURITY, "our own commit cannot be applied: %s", cv_strerror(r));
		return;
	}
	m->last_seq = msg->seq;
	if (op != NULL) {
		op_done(m, op);
		drop_op(m);
	}
	client_meeting_apply(m, &news);
	client_news_done(&news);
}

static int64_t path_interval(const struct client_meeting *m)
{
	return client_hooks_time(m->hooks, HOOK_PATH, CLIENT_PATH_US, 1000000);
}

void client_meeting_rejected(struct client_meeting *m, const PB(CommitRejected) * msg)
{
	/* The answer to a commit of an epoch that is over: the one under way now is not meant. */
	if (m->phase != PHASE_IN || m->group == NULL || msg->commit_epoch != client_group_epoch(m->group))
		return;
	client_group_rejected(m->group);
	/* The commit that won is on its way, and what waits is tried again in its epoch. When there is none, the relay
	 * does not want ours: a few attempts, since it may not know of a right yet. */
	if (m->ops != NULL && m->ops->in_flight && ++m->ops->rejections >= REJECTIONS_MAX) {
		/* Nobody has asked for a path update; that none gets through is told when it has lasted too long. */
		if (m->ops->kind == OP_PATH)
			m->path_us = cv_now_us() - path_interval(m) + PATH_AGAIN_US;
		else
			client_meeting_warn(m, "the relay does not take the change: %s", msg->detail);
		drop_op(m);
	}
	for (struct op *op = m->ops; op != NULL; op = op->next)
		op->in_flight = false;
}

/* Path updates in turn, so that one member does them while it is there and the next when it is not. */
void client_meeting_group_tick(struct client_meeting *m, int64_t now_us)
{
	uint32_t n = (uint32_t)client_group_count(m->group), turn;
	const struct client_member *self;

	if (!m->silent && now_us - m->epoch_us > client_hooks_time(m->hooks, HOOK_SILENT, CLIENT_SILENT_US, 1000000)) {
		m->silent = true;
		client_media_stop_sending(m->media);
		client_meeting_warn(m, "no new epoch for 10 minutes: nothing is sent until one comes");
	}
	client_meeting_work(m);
	if (m->phase != PHASE_IN || n == 0 || m->ops != NULL)
		return;
	self = client_group_member(m->group, client_group_leaf(m->group));
	if (!m->renewing && !m->asking && self != NULL &&
	    (!m->renew_failed || now_us - m->renew_us >= CLIENT_RENEW_AGAIN_US) &&
	    self->certificate_until < client_clock_now(m->clock) + client_report_renew_at(m))
		client_report_renew(m);
	turn = (client_group_rank(m->group, client_group_leaf(m->group)) + n -
		(uint32_t)(client_group_epoch(m->group) % n)) %
	       n;
	if (turn < PATH_TURNS && now_us - m->path_us >= path_interval(m) + (int64_t)turn * PATH_STEP_US)
		(void)!client_meeting_op(m, &(struct op){.kind = OP_PATH});
}
