/* SPDX-License-Identifier: Apache-2.0 */
/* Entering: ticket or admission, device proof, replay, bans, creation grant, resumption. */
#include <string.h>

#include <base/text.h>

#include "session.h"

/* ---- ticket ids that were used */

static size_t used_slot(const struct relay *r, const uint8_t *id)
{
	size_t i = 0;

	/* ids are random and signed by the manager: their own bytes are a good hash */
	memcpy(&i, id, sizeof(i));
	return i & (r->cap_used - 1);
}

/* Expired entries are removed all at once, since removing one of an open-addressing table breaks its chains. */
static void used_sweep(struct relay *r)
{
	uint64_t now = relay_wall_s(r);
	struct used_ticket *fresh = cv_calloc(r->cap_used, sizeof(*fresh)), *old = r->used;

	r->used_swept_us = relay_now(r);
	if (!fresh)
		return;
	r->used = fresh;
	r->n_used = 0;
	for (size_t i = 0; i < r->cap_used; i++) {
		size_t at;

		if (!old[i].forget || old[i].forget < now)
			continue;
		for (at = used_slot(r, old[i].id); fresh[at].forget; at = (at + 1) & (r->cap_used - 1))
			;
		fresh[at] = old[i];
		r->n_used++;
	}
	cv_free(old);
}

bool replay_note(struct relay *r, const uint8_t id[PROTO_ID_LEN], uint64_t forget, int *ret_err)
{
	size_t at;

	if (r->n_used >= r->opts.limits.replay / 2 && relay_now(r) - r->used_swept_us > 1000000)
		used_sweep(r);
	for (at = used_slot(r, id); r->used[at].forget; at = (at + 1) & (r->cap_used - 1)) {
		if (!memcmp(r->used[at].id, id, PROTO_ID_LEN)) {
			*ret_err = PB_REFUSED(TICKET_USED);
			return false;
		}
	}
	/* better nobody enters than somebody twice */
	if (r->n_used >= r->opts.limits.replay) {
		*ret_err = PB_REFUSED(LIMIT);
		return false;
	}
	memcpy(r->used[at].id, id, PROTO_ID_LEN);
	r->used[at].forget = forget;
	r->n_used++;
	return true;
}

/* ---- what the client shows */

struct claim {
	uint8_t run_id[PROTO_ID_LEN];
	uint8_t user_id[PROTO_ID_LEN];
	uint8_t device_hash[PROTO_HASH_LEN];
	uint8_t rights, switches;
};

/* All of these return 0 or a reason to refuse. */
static int check_ticket(struct relay *r, const ProtobufCBinaryData *bytes, struct claim *ret, struct proto_ticket *t)
{
	bool here = false;

	if (proto_ticket_open(bytes->data, bytes->len, &r->signers, t))
		return PB_REFUSED(TICKET_INVALID);
	for (size_t i = 0; i < t->n_relays; i++)
		here = here || !memcmp(t->relays[i], r->opts.relay_id, PROTO_ID_LEN);
	if (!here)
		return PB_REFUSED(TICKET_INVALID);
	if (proto_times_check(t->issued, t->expires, relay_wall_s(r), PROTO_CLOCK_SKEW))
		return PB_REFUSED(TICKET_EXPIRED);
	memcpy(ret->run_id, t->run_id, PROTO_ID_LEN);
	memcpy(ret->user_id, t->user_id, PROTO_ID_LEN);
	memcpy(ret->device_hash, t->device_hash, PROTO_HASH_LEN);
	ret->rights = t->rights;
	ret->switches = t->switches;
	return 0;
}

static int check_admission(struct relay *r, const ProtobufCBinaryData *bytes, struct claim *ret)
{
	struct proto_admission a;

	if (proto_admission_open(bytes->data, bytes->len, &r->signers, &a))
		return PB_REFUSED(TICKET_INVALID);
	if (proto_times_check(a.issued, a.expires, relay_wall_s(r), 0))
		return PB_REFUSED(TICKET_EXPIRED);
	memcpy(ret->run_id, a.run_id, PROTO_ID_LEN);
	memcpy(ret->user_id, a.user_id, PROTO_ID_LEN);
	memcpy(ret->device_hash, a.device_hash, PROTO_HASH_LEN);
	ret->rights = a.rights;
	ret->switches = a.switches;
	return 0;
}

static int check_proof(struct relay_conn *c, const struct PB(Enter) * m, const ProtobufCBinaryData *object,
		       const struct claim *claim)
{
	uint8_t content[PROTO_DEVICE_PROOF_LEN], hash[PROTO_HASH_LEN];

	proto_sha256(m->device_key.data, m->device_key.len, hash);
	if (memcmp(hash, claim->device_hash, sizeof(hash)))
		return PB_REFUSED(TICKET_INVALID);
	proto_device_proof_content(c->relay->opts.relay_id, c->nonce, object->data, object->len, content);
	if (proto_verify_label(m->device_key.data, PROTO_LABEL_DEVICE_PROOF, content, sizeof(content), m->proof.data))
		return PB_REFUSED(TICKET_INVALID);
	return 0;
}

static int check_revoked(struct relay *r, const struct claim *claim)
{
	for (size_t i = 0; i < r->n_revocations; i++) {
		const struct proto_revocation *v = &r->revocations[i].what;

		if (v->expires >= relay_wall_s(r) &&
		    proto_revocation_covers(v, claim->run_id, claim->user_id, claim->device_hash))
			return PB_REFUSED(REVOKED);
	}
	return 0;
}

static int check_grant(struct relay *r, const ProtobufCBinaryData *bytes, const struct claim *claim)
{
	struct proto_creation_grant g;

	if (proto_creation_grant_open(bytes->data, bytes->len, &r->signers, &g) ||
	    memcmp(g.run_id, claim->run_id, PROTO_ID_LEN) || memcmp(g.user_id, claim->user_id, PROTO_ID_LEN) ||
	    memcmp(g.device_hash, claim->device_hash, PROTO_HASH_LEN))
		return PB_REFUSED(TICKET_INVALID);
	if (proto_times_check(g.issued, g.expires, relay_wall_s(r), 0))
		return PB_REFUSED(TICKET_EXPIRED);
	return 0;
}

static int check_all(struct relay_conn *c, const struct PB(Enter) * m, struct claim *claim)
{
	const ProtobufCBinaryData *object = m->ticket.len ? &m->ticket : &m->admission;
	struct proto_ticket ticket;
	struct relay *r = c->relay;
	struct relay_run *run;
	int refused;

	refused = m->ticket.len ? check_ticket(r, object, claim, &ticket) : check_admission(r, object, claim);
	if (!refused)
		refused = check_proof(c, m, object, claim);
	if (!refused && m->creation_grant.len)
		refused = check_grant(r, &m->creation_grant, claim);
	if (!refused)
		refused = check_revoked(r, claim);
	if (refused)
		return refused;
	run = run_find(r, claim->run_id);
	if (run && run_banned(run, claim->user_id, claim->device_hash))
		return PB_REFUSED(BANNED);
	if (relay_run_ended(r, claim->run_id))
		return PB_REFUSED(NO_SUCH_RUN);
	/* last, so that only whoever proved to hold the device key uses a ticket up */
	if (m->ticket.len)
		(void)!replay_note(r, ticket.ticket_id, ticket.expires + PROTO_CLOCK_SKEW, &refused);
	return refused;
}

bool relay_run_ended(const struct relay *r, const uint8_t id[PROTO_ID_LEN])
{
	int64_t now = relay_now(r);

	for (size_t i = 0; i < r->n_ended; i++)
		if (r->ended[i].until_us > now && !memcmp(r->ended[i].id, id, PROTO_ID_LEN))
			return true;
	return false;
}

static bool run_has_device(const struct relay_run *run, const uint8_t *user_id, const uint8_t *device_hash)
{
	for (size_t i = 0; i < run->leaves; i++)
		if (run->members[i] && !memcmp(run->members[i]->device_hash, device_hash, PROTO_HASH_LEN) &&
		    !memcmp(run->members[i]->user_id, user_id, PROTO_ID_LEN))
			return true;
	return false;
}

/* ---- in */

static const char *refusal_text(int reason)
{
	switch (reason) {
	case PB_REFUSED(TICKET_INVALID): return "ticket, admission, grant or device proof not valid here";
	case PB_REFUSED(TICKET_EXPIRED): return "ticket expired or not valid yet";
	case PB_REFUSED(TICKET_USED): return "ticket already used";
	case PB_REFUSED(BANNED): return "removed from this meeting";
	case PB_REFUSED(REVOKED): return "account or device revoked";
	case PB_REFUSED(NO_SUCH_RUN): return "the meeting has ended";
	case PB_REFUSED(FULL): return "the meeting is full";
	default: return "a limit of the relay was passed";
	}
}

/* The same device on another connection: the older one goes. */
static void replace_older(struct relay_run *run, const struct relay_conn *c)
{
	for (struct relay_conn *o = run->conns, *next; o; o = next) {
		next = o->run_next;
		if (o != c && !memcmp(o->device_hash, c->device_hash, PROTO_HASH_LEN) &&
		    !memcmp(o->user_id, c->user_id, PROTO_ID_LEN))
			conn_refuse(o, PB_REFUSED(REPLACED), "the same device entered again");
	}
}

static struct member *resumable(const struct relay_run *run, const struct relay_conn *c,
				const struct PB(Resume) * resume)
{
	struct member *m = run->group ? run_member(run, resume->leaf) : NULL;

	if (!m || m->left || memcmp(m->device_hash, c->device_hash, PROTO_HASH_LEN) ||
	    memcmp(m->user_id, c->user_id, PROTO_ID_LEN))
		return NULL;
	if (resume->epoch > run->epoch || resume->last_seq > run->seq || !run_log_covers(run, resume->last_seq))
		return NULL;
	return m;
}

static void send_entered(struct relay_conn *c, bool resumed)
{
	struct PB(Entered) entered = PB_INIT(ENTERED);
	struct PB(Control) m = PB_INIT(CONTROL);

	entered.group_exists = c->run->group;
	entered.resumed = resumed;
	entered.connection = c->number;
	entered.participants = (uint32_t)c->run->n_members;
	entered.epoch = c->run->epoch;
	m.body_case = PB_CONTROL(ENTERED);
	m.entered = &entered;
	(void)!conn_send_control(c, &m);
}

static void resume_member(struct relay_conn *c, struct member *m, uint64_t last_seq)
{
	run_forget_removal(c->run, m->leaf);
	member_bind(m, c);
	c->ready = true;
	send_entered(c, true);
	run_log_replay(c->run, c, last_seq);
	streams_tell(c);
	run_tell_lost(c);
	run_presence(c->run, m->leaf, true);
	cv_log(CV_LOG_INFO, "relay", "resumed", cv_log_str("run", c->run->name), cv_log_uint("connection", c->number),
	       cv_log_uint("leaf", m->leaf), cv_log_uint("after", last_seq));
}

void conn_enter(struct relay_conn *c, const struct PB(Enter) * m)
{
	char user[2 * PROTO_ID_LEN + 1];
	struct member *back = NULL;
	struct claim claim = {0};
	struct relay_run *run;
	int refused = check_all(c, m, &claim);

	if (!refused && run_get(c->relay, claim.run_id, &run))
		refused = PB_REFUSED(LIMIT);
	/* twice as many connections as members, for those who wait; those who come back are members already */
	if (!refused && (run->n_conns >= 2 * c->relay->opts.limits.members ||
			 (!m->resume && run->n_members >= c->relay->opts.limits.members &&
			  !run_has_device(run, claim.user_id, claim.device_hash))))
		refused = PB_REFUSED(FULL);
	if (refused) {
		conn_refuse(c, refused, refusal_text(refused));
		return;
	}
	memcpy(c->user_id, claim.user_id, PROTO_ID_LEN);
	memcpy(c->device_hash, claim.device_hash, PROTO_HASH_LEN);
	c->rights = run_rights(run, claim.user_id, claim.rights);
	c->switches = claim.switches;
	c->may_create = m->creation_grant.len != 0;
	c->state = CONN_LOBBY;
	c->lobby_us = relay_now(c->relay);
	run_attach(run, c);
	c->ops->set_limits(c->t, PROTO_MESSAGE_MAX, PROTO_HANDSHAKE_MAX);
	cv_hex_encode(user, c->user_id, PROTO_ID_LEN);
	cv_log(CV_LOG_INFO, "relay", "entered", cv_log_str("run", run->name), cv_log_str("user", user),
	       cv_log_uint("connection", c->number), cv_log_str("address", c->address));
	replace_older(run, c);
	if (m->resume) {
		back = resumable(run, c, m->resume);
		if (!back) {
			conn_refuse(c, PB_REFUSED(CANNOT_RESUME), "too long away, or not of this group");
			return;
		}
		resume_member(c, back, m->resume->last_seq);
		return;
	}
	send_entered(c, false);
}
