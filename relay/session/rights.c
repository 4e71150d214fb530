/* SPDX-License-Identifier: Apache-2.0 */
/* Rights as moderators change them, and revocations by the manager. */
#include <string.h>

#include <base/text.h>

#include "session.h"

uint8_t run_rights(const struct relay_run *run, const uint8_t *user_id, uint8_t admitted)
{
	for (size_t i = 0; i < run->n_rights; i++)
		if (!memcmp(run->rights[i].user_id, user_id, PROTO_ID_LEN))
			return run->rights[i].rights;
	return admitted;
}

static int note_rights(struct relay_run *run, const uint8_t *user_id, uint8_t rights)
{
	struct user_rights *p;

	for (size_t i = 0; i < run->n_rights; i++) {
		if (!memcmp(run->rights[i].user_id, user_id, PROTO_ID_LEN)) {
			run->rights[i].rights = rights;
			return 0;
		}
	}
	if (run->n_rights >= RUN_RIGHTS_MAX)
		return CV_ELIMIT;
	p = cv_reallocarray(run->rights, run->n_rights + 1, sizeof(*p));
	if (!p)
		return CV_ENOMEM;
	run->rights = p;
	memcpy(p[run->n_rights].user_id, user_id, PROTO_ID_LEN);
	p[run->n_rights++].rights = rights;
	return 0;
}

static void apply_rights(struct relay_run *run, const uint8_t *user_id, uint8_t rights)
{
	for (struct relay_conn *c = run->conns; c; c = c->run_next)
		if (!memcmp(c->user_id, user_id, PROTO_ID_LEN))
			c->rights = rights;
	for (size_t i = 0; i < run->leaves; i++) {
		struct member *m = run->members[i];

		if (!m || memcmp(m->user_id, user_id, PROTO_ID_LEN))
			continue;
		m->rights = rights;
		for (uint32_t s = 1; s <= PROTO_STREAM_MAX; s++)
			if (stream_right(m, s))
				streams_allowed(m, s);
			else
				streams_stop(m, s);
	}
}

void conn_set_rights(struct relay_conn *c, const struct PB(SetRights) * m)
{
	char user[2 * PROTO_ID_LEN + 1];

	if (!(c->member->rights & PROTO_RIGHT_MODERATION)) {
		conn_refuse(c, PB_REFUSED(DENIED), "only a moderator changes rights");
		return;
	}
	if (note_rights(c->run, m->user_id.data, (uint8_t)m->rights)) {
		conn_refuse(c, PB_REFUSED(LIMIT), "too many changes of rights");
		return;
	}
	cv_hex_encode(user, m->user_id.data, PROTO_ID_LEN);
	cv_log(CV_LOG_INFO, "relay", "rights changed", cv_log_str("run", c->run->name), cv_log_str("user", user),
	       cv_log_uint("rights", m->rights), cv_log_uint("by", c->member->leaf));
	apply_rights(c->run, m->user_id.data, (uint8_t)m->rights);
}

/* ---- revocations */

static void forget(struct relay *r, size_t i)
{
	cv_free(r->revocations[i].data);
	r->revocations[i] = r->revocations[--r->n_revocations];
}

static int remember(struct relay *r, const struct proto_revocation *v, const void *data, size_t len)
{
	struct known_revocation *k;

	for (size_t i = r->n_revocations; i-- > 0;)
		if (r->revocations[i].what.expires < relay_wall_s(r))
			forget(r, i);
	if (r->n_revocations >= REVOCATIONS_MAX)
		return CV_ELIMIT;
	k = &r->revocations[r->n_revocations];
	k->data = cv_memdup(data, len);
	if (!k->data)
		return CV_ENOMEM;
	k->len = len;
	k->what = *v;
	r->n_revocations++;
	return 0;
}

static void enforce(struct relay_run *run, const struct proto_revocation *v, const void *data, size_t len)
{
	for (size_t i = 0; i < run->leaves; i++) {
		struct member *m = run->members[i];

		if (!m || !proto_revocation_covers(v, run->id, m->user_id, m->device_hash))
			continue;
		run_want_removal(run, m->leaf, PROTO_REASON_REVOKED, data, len, relay_now(run->relay));
		if (m->conn)
			conn_refuse(m->conn, PB_REFUSED(REVOKED), "account or device revoked");
	}
	for (struct relay_conn *c = run->conns, *next; c; c = next) {
		next = c->run_next;
		if (proto_revocation_covers(v, run->id, c->user_id, c->device_hash))
			conn_refuse(c, PB_REFUSED(REVOKED), "account or device revoked");
	}
	run_pump(run);
}

int relay_revoke(struct relay *r, const void *data, size_t len)
{
	struct proto_revocation v;
	int err;

	if (len > PROTO_EVIDENCE_MAX)
		return CV_ELIMIT;
	err = proto_revocation_open(data, len, &r->signers, &v);
	if (err)
		return err;
	if (v.expires < relay_wall_s(r))
		return CV_EEXPIRED;
	for (size_t i = 0; i < r->n_revocations; i++)
		if (r->revocations[i].len == len && !memcmp(r->revocations[i].data, data, len))
			return 0;
	/* who is here goes even when there is no room to remember it: the ban that follows keeps them out */
	err = remember(r, &v, data, len);
	for (struct relay_run *run = r->runs; run; run = run->next)
		enforce(run, &v, data, len);
	return err;
}

void relay_forget_revocations(struct relay *r, const uint8_t run_id[PROTO_ID_LEN])
{
	for (size_t i = r->n_revocations; i-- > 0;)
		if (!memcmp(r->revocations[i].what.run_id, run_id, PROTO_ID_LEN))
			forget(r, i);
}
