/* SPDX-License-Identifier: Apache-2.0 */
/* File transfers: chunks go to those who asked for them, credits go back to the offerer. */
#include <string.h>

#include <proto/file.h>

#include "../session/session.h"

static struct transfer *find(const struct relay_run *run, const uint8_t *id)
{
	for (size_t i = 0; i < run->n_transfers; i++)
		if (!memcmp(run->transfers[i].id, id, PROTO_ID_LEN))
			return &run->transfers[i];
	return NULL;
}

static struct acceptor *find_acceptor(const struct transfer *t, uint32_t leaf)
{
	for (size_t i = 0; i < t->n_acceptors; i++)
		if (t->acceptors[i].leaf == leaf)
			return &t->acceptors[i];
	return NULL;
}

static void remove_transfer(struct relay_run *run, struct transfer *t)
{
	cv_free(t->acceptors);
	*t = run->transfers[--run->n_transfers];
}

static bool files_allowed(struct relay_conn *c)
{
	if (c->member->switches & PROTO_SWITCH_FILES)
		return true;
	conn_refuse(c, PB_REFUSED(DENIED), "file transfer is switched off");
	return false;
}

void conn_file_open(struct relay_conn *c, const struct PB(FileOpen) * m)
{
	struct relay_run *run = c->run;
	struct transfer *t = find(run, m->transfer_id.data);
	unsigned own = 0;
	uint32_t chunks;

	if (!files_allowed(c))
		return;
	if (!(c->member->rights & PROTO_RIGHT_SHARE)) {
		conn_refuse(c, PB_REFUSED(DENIED), "files need the right to share");
		return;
	}
	/* after a lost connection the offerer opens the same transfer again */
	if (t && t->leaf == c->member->leaf)
		return;
	for (size_t i = 0; i < run->n_transfers; i++)
		own += run->transfers[i].leaf == c->member->leaf;
	if (t || own >= TRANSFERS_OPEN_MAX || run->n_transfers >= TRANSFERS_MAX ||
	    proto_file_chunk_count(m->size, &chunks)) {
		conn_refuse(c, PB_REFUSED(LIMIT), "too many transfers");
		return;
	}
	t = cv_reallocarray(run->transfers, run->n_transfers + 1, sizeof(*t));
	if (!t) {
		conn_refuse(c, PB_REFUSED(LIMIT), "out of memory");
		return;
	}
	run->transfers = t;
	t = &run->transfers[run->n_transfers++];
	*t = (struct transfer){.leaf = c->member->leaf, .chunks = chunks};
	memcpy(t->id, m->transfer_id.data, PROTO_ID_LEN);
	cv_log(CV_LOG_INFO, "relay", "transfer opened", cv_log_str("run", run->name), cv_log_uint("leaf", t->leaf),
	       cv_log_uint("chunks", chunks));
}

/* The offerer learns how far an acceptor is. */
static void tell_credit(struct relay_run *run, const struct transfer *t, const struct acceptor *a)
{
	struct PB(FileCredit) credit = PB_INIT(FILE_CREDIT);
	struct PB(Control) c = PB_INIT(CONTROL);
	const struct member *offerer = run_member(run, t->leaf);

	if (!offerer || !offerer->conn)
		return;
	credit.transfer_id = (ProtobufCBinaryData){PROTO_ID_LEN, (uint8_t *)t->id};
	credit.next_chunk = a->next_chunk;
	credit.leaf = a->leaf;
	c.body_case = PB_CONTROL(FILE_CREDIT);
	c.file_credit = &credit;
	(void)!conn_send_control(offerer->conn, &c);
}

static struct acceptor *add_acceptor(struct transfer *t, uint32_t leaf)
{
	struct acceptor *a = cv_reallocarray(t->acceptors, t->n_acceptors + 1, sizeof(*a));

	if (!a)
		return NULL;
	t->acceptors = a;
	a = &t->acceptors[t->n_acceptors++];
	a->leaf = leaf;
	return a;
}

void conn_file_join(struct relay_conn *c, const struct PB(FileJoin) * m)
{
	struct relay_run *run = c->run;
	struct transfer *t = find(run, m->transfer_id.data);
	struct acceptor *a;
	unsigned joined = 0;

	if (!files_allowed(c))
		return;
	/* it may have been stopped a moment ago */
	if (!t || t->leaf == c->member->leaf)
		return;
	a = find_acceptor(t, c->member->leaf);
	for (size_t i = 0; i < run->n_transfers; i++)
		joined += find_acceptor(&run->transfers[i], c->member->leaf) != NULL;
	if (!a && joined >= TRANSFERS_JOIN_MAX) {
		conn_refuse(c, PB_REFUSED(LIMIT), "too many transfers at once");
		return;
	}
	if (!a)
		a = add_acceptor(t, c->member->leaf);
	if (!a) {
		conn_refuse(c, PB_REFUSED(LIMIT), "out of memory");
		return;
	}
	a->next_chunk = m->next_chunk;
	tell_credit(run, t, a);
}

void conn_file_credit(struct relay_conn *c, const struct PB(FileCredit) * m)
{
	struct transfer *t = find(c->run, m->transfer_id.data);
	struct acceptor *a = t ? find_acceptor(t, c->member->leaf) : NULL;

	if (!a || m->next_chunk < a->next_chunk || m->next_chunk > t->chunks)
		return;
	a->next_chunk = m->next_chunk;
	tell_credit(c->run, t, a);
}

/* The offerer's stop reaches the acceptors; an acceptor's ends its own part. */
void conn_file_stop(struct relay_conn *c, const struct PB(FileStop) * m)
{
	struct transfer *t = find(c->run, m->transfer_id.data);
	struct PB(FileStop) stop = PB_INIT(FILE_STOP);
	struct PB(Control) out = PB_INIT(CONTROL);
	struct acceptor *a;

	if (!t)
		return;
	if (t->leaf != c->member->leaf) {
		a = find_acceptor(t, c->member->leaf);
		if (a)
			*a = t->acceptors[--t->n_acceptors];
		return;
	}
	stop.transfer_id = m->transfer_id;
	out.body_case = PB_CONTROL(FILE_STOP);
	out.file_stop = &stop;
	for (size_t i = 0; i < t->n_acceptors; i++) {
		const struct member *to = run_member(c->run, t->acceptors[i].leaf);

		if (to && to->conn)
			(void)!conn_send_control(to->conn, &out);
	}
	remove_transfer(c->run, t);
}

void conn_file_chunk(struct relay_conn *c, struct net_msg *msg)
{
	struct proto_file_chunk chunk;
	struct relay_run *run = c->run;
	struct transfer *t;

	if (proto_file_chunk_decode(msg->data, msg->len, &chunk)) {
		conn_violation(c, "file chunk that cannot be read");
		return;
	}
	t = find(run, chunk.transfer_id);
	if (!t || t->leaf != c->member->leaf || chunk.index >= t->chunks)
		return;
	if (!(c->member->rights & PROTO_RIGHT_SHARE) || !(c->member->switches & PROTO_SWITCH_FILES))
		return;
	for (size_t i = 0; i < t->n_acceptors; i++) {
		const struct acceptor *a = &t->acceptors[i];
		const struct member *to = run_member(run, a->leaf);

		/* not what it has, and not more than the window that bounds its queue */
		if (!to || !to->conn || chunk.index < a->next_chunk ||
		    chunk.index - a->next_chunk >= PROTO_FILE_WINDOW + PROTO_FILE_CREDIT_STEP)
			continue;
		if (conn_send_msg(to->conn, NET_CLASS_FILE, msg) == CV_EAGAIN)
			cv_log(CV_LOG_NOTICE, "relay", "file chunk dropped, queue full", cv_log_str("run", run->name),
			       cv_log_uint("leaf", a->leaf), cv_log_uint("chunk", chunk.index));
	}
}

void files_leaf_gone(struct relay_run *run, uint32_t leaf)
{
	for (size_t i = 0; i < run->n_transfers;) {
		struct transfer *t = &run->transfers[i];
		struct acceptor *a = find_acceptor(t, leaf);

		if (t->leaf == leaf) {
			remove_transfer(run, t);
			continue;
		}
		if (a)
			*a = t->acceptors[--t->n_acceptors];
		i++;
	}
}

void files_done(struct relay_run *run)
{
	while (run->n_transfers)
		remove_transfer(run, &run->transfers[0]);
	cv_free(run->transfers);
	run->transfers = NULL;
}
