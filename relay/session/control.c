/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages: who may send what, and when. */
#include "session.h"

static void pong(struct relay_conn *c, const struct PB(Ping) * ping)
{
	struct PB(Pong) p = PB_INIT(PONG);
	struct PB(Control) m = PB_INIT(CONTROL);

	p.token = ping->token;
	p.time_us = (uint64_t)c->relay->opts.host.wall_ms(c->relay->opts.host.arg) * 1000;
	m.body_case = PB_CONTROL(PONG);
	m.pong = &p;
	(void)!conn_send_control(c, &m);
}

static void ask_end(struct relay_conn *c, const struct PB(RunEnded) * m)
{
	if (!(c->member->rights & PROTO_RIGHT_MODERATION)) {
		conn_refuse(c, PB_REFUSED(DENIED), "only a moderator ends a run");
		return;
	}
	run_end(c->run, m->detail, false);
}

/* What a member may send. False: not one of these. */
static bool member_control(struct relay_conn *c, const struct PB(Control) * m)
{
	switch (m->body_case) {
	case PB_CONTROL(ADMIT_REJECTED): conn_admit_rejected(c, m->admit_rejected); return true;
	case PB_CONTROL(LEAVE): conn_leave(c, m->leave); return true;
	case PB_CONTROL(RUN_ENDED): ask_end(c, m->run_ended); return true;
	case PB_CONTROL(PUBLISH): conn_publish(c, m->publish); return true;
	case PB_CONTROL(SUBSCRIBE): conn_subscribe(c, m->subscribe); return true;
	case PB_CONTROL(KEY_FRAME_REQUEST): conn_key_frame_request(c, m->key_frame_request); return true;
	case PB_CONTROL(SET_RIGHTS): conn_set_rights(c, m->set_rights); return true;
	case PB_CONTROL(FILE_OPEN): conn_file_open(c, m->file_open); return true;
	case PB_CONTROL(FILE_JOIN): conn_file_join(c, m->file_join); return true;
	case PB_CONTROL(FILE_STOP): conn_file_stop(c, m->file_stop); return true;
	case PB_CONTROL(FILE_CREDIT): conn_file_credit(c, m->file_credit); return true;
	default: return false;
	}
}

static void dispatch(struct relay_conn *c, const struct PB(Control) * m)
{
	if (m->body_case == PB_CONTROL(PING)) {
		pong(c, m->ping);
		return;
	}
	if (m->body_case == PB_CONTROL(PONG))
		return;
	switch (c->state) {
	case CONN_HELLO:
		if (m->body_case == PB_CONTROL(ENTER))
			conn_enter(c, m->enter);
		else
			conn_violation(c, "expected Enter");
		return;
	case CONN_LOBBY:
		if (m->body_case == PB_CONTROL(JOIN_REQUEST))
			conn_join_request(c, m->join_request);
		else if (m->body_case == PB_CONTROL(EPOCH_READY))
			conn_epoch_ready(c, m->epoch_ready);
		else if (m->body_case == PB_CONTROL(LEAVE))
			conn_end(c, 1000);
		else
			conn_violation(c, "expected JoinRequest or EpochReady");
		return;
	case CONN_BOUND:
		if (m->body_case == PB_CONTROL(EPOCH_READY))
			conn_epoch_ready(c, m->epoch_ready);
		else if (!member_control(c, m))
			conn_violation(c, "control message that clients do not send");
		return;
	case CONN_CLOSED: return;
	}
}

void conn_control(struct relay_conn *c, const struct net_msg *m)
{
	struct PB(Control) *msg = NULL;

	if (proto_control_unpack(m->data + 1, m->len - 1, &msg)) {
		conn_violation(c, "control message that cannot be read");
		return;
	}
	dispatch(c, msg);
	proto_control_free(msg);
}
