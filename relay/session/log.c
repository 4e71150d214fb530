/* SPDX-License-Identifier: Apache-2.0 */
/* The last deliveries of a run, for members that come back. */
#include <string.h>

#include "session.h"

#define RING (LOG_COMMITS + LOG_APPLICATION)

int run_log_init(struct relay_run *run)
{
	run->log = cv_calloc(RING, sizeof(*run->log));
	return run->log ? 0 : CV_ENOMEM;
}

static void drop_first(struct relay_run *run)
{
	struct delivery *d = &run->log[run->log_first];

	run->log_floor = d->seq;
	run->log_bytes -= d->msg->len;
	run->log_commits -= d->commit;
	net_msg_unref(d->msg);
	run->log_first = (run->log_first + 1) % RING;
	run->log_count--;
}

void run_log_done(struct relay_run *run)
{
	while (run->log_count)
		drop_first(run);
	cv_free(run->log);
	run->log = NULL;
}

void run_log_add(struct relay_run *run, struct net_msg *msg, uint32_t sender, bool commit)
{
	struct delivery *d;

	/* a member that lacks the oldest entry cannot use the later ones, so the front goes first whatever is full */
	while (run->log_count && ((commit && run->log_commits >= LOG_COMMITS) ||
				  (!commit && run->log_count - run->log_commits >= LOG_APPLICATION) ||
				  run->log_bytes + msg->len > LOG_BYTES))
		drop_first(run);
	if (run->log_bytes + msg->len > LOG_BYTES) {
		run->log_floor = run->seq;
		return;
	}
	d = &run->log[(run->log_first + run->log_count) % RING];
	*d = (struct delivery){run->seq, run->epoch, net_msg_ref(msg), sender, commit};
	run->log_count++;
	run->log_commits += commit;
	run->log_bytes += msg->len;
}

bool run_log_covers(const struct relay_run *run, uint64_t seq)
{
	return seq >= run->log_floor;
}

void conn_send_application(struct relay_conn *c, uint64_t seq, struct net_msg *msg)
{
	struct net_send s = {.cls = NET_CLASS_APP, .msg = msg, .skip = 1, .head_len = 9};

	if (c->state == CONN_CLOSED)
		return;
	s.head[0] = PROTO_KIND_APPLICATION;
	for (int i = 0; i < 8; i++)
		s.head[1 + i] = (uint8_t)(seq >> (56 - 8 * i));
	/* nobody may miss a message and not know it: who cannot take it comes back and catches up */
	if (c->ops->send(c->t, &s) == CV_EAGAIN)
		conn_refuse(c, PB_REFUSED(LIMIT), "too slow for the messages of the group");
}

static void commit_accepted(struct relay_conn *c, uint64_t epoch, uint64_t seq)
{
	struct PB(CommitAccepted) accepted = PB_INIT(COMMIT_ACCEPTED);
	struct PB(Control) m = PB_INIT(CONTROL);

	accepted.epoch = epoch;
	accepted.seq = seq;
	m.body_case = PB_CONTROL(COMMIT_ACCEPTED);
	m.commit_accepted = &accepted;
	(void)!conn_send_control(c, &m);
}

void run_log_replay(struct relay_run *run, struct relay_conn *c, uint64_t after)
{
	for (size_t i = 0; i < run->log_count; i++) {
		struct delivery *d = &run->log[(run->log_first + i) % RING];
		bool own = c->member && d->sender == c->member->leaf;

		if (d->seq <= after || c->state != CONN_BOUND)
			continue;
		if (!d->commit && !own)
			conn_send_application(c, d->seq, d->msg);
		/* its own commit it cannot process: it learns that it was accepted */
		else if (d->commit && own)
			commit_accepted(c, d->epoch, d->seq);
		else if (d->commit)
			(void)!conn_send_msg(c, NET_CLASS_CONTROL, d->msg);
	}
}
