/* SPDX-License-Identifier: Apache-2.0 */
/* Commits of our own: admitting, removing, changing the meeting's state, renewing our keys. */
#include <stdio.h>
#include <string.h>

#include <base/alloc.h>

#include "group_internal.h"

struct draft {
	struct client_group *g;
	struct cv_span *adds;
	uint32_t *connections;
	uint8_t (*devices)[CLIENT_KEY_LEN];
	size_t n_adds;
	struct proto_removal *removals;
	uint32_t *removes;
	size_t n_removes;
	struct proto_meeting_state state;
	bool state_changed;
	struct client_commit out;
};

static int draft_init(struct draft *d, struct client_group *g, const struct client_change *change)
{
	/* A candidate may bring the removal of its old leaf, a ban one per device. */
	size_t removals = change->n_removals + change->n_candidates + g->count + 1;

	memset(d, 0, sizeof(*d));
	d->g = g;
	cv_buf_init(&d->out.message, PROTO_HANDSHAKE_MAX);
	d->adds = cv_calloc(change->n_candidates + 1, sizeof(d->adds[0]));
	d->connections = cv_calloc(change->n_candidates + 1, sizeof(d->connections[0]));
	d->devices = cv_calloc(change->n_candidates + 1, sizeof(d->devices[0]));
	d->out.refused = cv_calloc(change->n_candidates + 1, sizeof(d->out.refused[0]));
	d->removals = cv_calloc(removals, sizeof(d->removals[0]));
	d->removes = cv_calloc(removals, sizeof(d->removes[0]));
	if (d->adds == NULL || d->connections == NULL || d->devices == NULL || d->out.refused == NULL ||
	    d->removals == NULL || d->removes == NULL)
		return CV_ENOMEM;
	return proto_meeting_state_copy(&g->state, &d->state);
}

static void draft_done(struct draft *d)
{
	cv_free(d->adds);
	cv_free(d->connections);
	cv_free(d->devices);
	cv_free(d->removals);
	cv_free(d->removes);
	proto_meeting_state_done(&d->state);
	client_commit_done(&d->out);
}

void client_commit_done(struct client_commit *c)
{
	cv_buf_done(&c->message);
	cv_free(c->refused);
	c->refused = NULL;
	c->n_refused = 0;
}

static bool has_removal(const struct draft *d, uint32_t leaf)
{
	for (size_t i = 0; i < d->n_removes; i++) {
		if (d->removes[i] == leaf)
			return true;
	}
	return false;
}

static void put_removal(struct draft *d, uint32_t leaf, uint8_t reason, struct cv_span evidence)
{
	if (has_removal(d, leaf) || d->n_removes >= REMOVALS_MAX)
		return;
	d->removes[d->n_removes] = leaf;
	d->removals[d->n_removes++] = (struct proto_removal){leaf, reason, evidence};
}

static int draft_removals(struct draft *d, const struct client_change *change)
{
	struct client_group *g = d->g;

	for (size_t i = 0; i < change->n_removals; i++) {
		const struct proto_removal *r = &change->removals[i];
		const struct client_member *m = client_group_member(g, r->leaf);
		struct proto_revocation revocation;

		if (m == NULL || r->leaf == client_group_leaf(g) || r->reason == PROTO_REASON_REMOVED ||
		    r->reason == PROTO_REASON_REPLACED || client_policy_removal(g, r, m, &revocation) != 0)
			continue;
		if (r->reason == PROTO_REASON_REVOKED &&
		    proto_id_is_zero(revocation.device_hash, sizeof(revocation.device_hash))) {
			int e = proto_meeting_state_ban(&d->state, m->user_id);

			if (e != 0)
				return e;
			d->state_changed = true;
		}
		put_removal(d, r->leaf, r->reason, r->evidence);
	}
	return 0;
}

static int draft_moderation(struct draft *d, const struct client_change *change)
{
	struct client_group *g = d->g;
	int r;

	if (change->n_ban == 0 && change->n_rights == 0 && !change->set_lock)
		return 0;
	if (!(client_group_rights(g, client_group_leaf(g)) & PROTO_RIGHT_MODERATION))
		return client_policy_refuse(g, CV_EDENIED, "you do not moderate this meeting");
	for (size_t i = 0; i < change->n_ban; i++) {
		if (memcmp(change->ban[i], g->self.user_id, CLIENT_ID_LEN) == 0)
			return client_policy_refuse(g, CV_EDENIED, "you cannot remove yourself");
		for (const struct client_member *m = client_group_next(g, 0); m != NULL;
		     m = client_group_next(g, m->leaf + 1)) {
			if (memcmp(m->user_id, change->ban[i], CLIENT_ID_LEN) == 0)
				put_removal(d, m->leaf, PROTO_REASON_REMOVED, (struct cv_span){NULL, 0});
		}
		r = proto_meeting_state_ban(&d->state, change->ban[i]);
		if (r != 0)
			return r;
	}
	for (size_t i = 0; i < change->n_rights; i++) {
		r = proto_meeting_state_set_rights(&d->state, change->rights[i].user_id, change->rights[i].rights);
		if (r != 0)
			return r;
	}
	if (change->set_lock)
		d->state.locked = change->lock;
	d->state_changed = !proto_meeting_state_equal(&d->state, &g->state);
	return 0;
}

static void refuse_candidate(struct draft *d, uint32_t connection, const char *detail)
{
	struct client_refusal *f = &d->out.refused[d->out.n_refused++];

	f->connection = connection;
	snprintf(f->detail, sizeof(f->detail), "%.*s", PROTO_DETAIL_MAX, detail);
}

/* Judged one by one, so that one bad KeyPackage does not keep the others out. */
static int judge_candidate(struct draft *d, const struct client_candidate *c, struct client_member *ret)
{
	struct client_group *g = d->g;
	struct mls_key_package_view kp;
	uint64_t now = client_clock_now(g->clock);
	int r;

	r = mls_key_package_read(c->key_package.data, c->key_package.len, &kp);
	if (r == CV_ENOMEM)
		return r;
	if (r != 0 || kp.suite != CLIENT_SUITE)
		return client_policy_refuse(g, CV_EDENIED, "a KeyPackage that is not valid");
	if (kp.leaf.not_after < now || kp.leaf.not_before > now)
		return client_policy_refuse(g, CV_EDENIED, "a KeyPackage that has expired");
	g->committing = true;
	r = client_policy_leaf(g, MLS_LEAF_IN_ADD, &kp.leaf, NULL, ret);
	g->committing = false;
	if (r != 0)
		return r;
	if (proto_meeting_state_banned(&d->state, ret->user_id))
		return client_policy_refuse(g, CV_EDENIED, "removed from this meeting");
	/* Whoever moderates may add somebody; the relay's asking alone is no reason to. */
	if (g->state.locked && client_members_device(g, ret->device_key) == NULL)
		return client_policy_refuse(g, CV_EDENIED, "the meeting is locked");
	if (memcmp(ret->device_key, g->device_key, CLIENT_KEY_LEN) == 0)
		return client_policy_refuse(g, CV_EDENIED, "our own device");
	for (size_t i = 0; i < d->n_adds; i++) {
		if (memcmp(d->devices[i], ret->device_key, CLIENT_KEY_LEN) == 0)
			return client_policy_refuse(g, CV_EDENIED, "the same device twice");
	}
	return 0;
}

static int draft_candidates(struct draft *d, const struct client_change *change)
{
	for (size_t i = 0; i < change->n_candidates; i++) {
		const struct client_candidate *c = &change->candidates[i];
		const struct client_member *old;
		struct client_member m;
		int r = judge_candidate(d, c, &m);

		if (r == CV_ENOMEM)
			return r;
		if (r != 0) {
			refuse_candidate(d, c->connection, d->g->why);
			continue;
		}
		old = client_members_device(d->g, m.device_key);
		if (old != NULL)
			put_removal(d, old->leaf, PROTO_REASON_REPLACED, (struct cv_span){NULL, 0});
		memcpy(d->devices[d->n_adds], m.device_key, CLIENT_KEY_LEN);
		d->connections[d->n_adds] = c->connection;
		d->adds[d->n_adds++] = c->key_package;
	}
	return 0;
}

/* Connection of the Add that carries this device. */
static uint32_t connection_of(const struct draft *d, const struct client_member *m)
{
	for (size_t i = 0; i < d->n_adds; i++) {
		if (memcmp(d->devices[i], m->device_key, CLIENT_KEY_LEN) == 0)
			return d->connections[i];
	}
	return 0;
}

static int pack(struct draft *d, const struct mls_commit_output *made)
{
	const struct effects *fx = &d->g->ours;
	PB(Handshake) h = PB_INIT(HANDSHAKE);
	PB(Binding) *list = cv_calloc(fx->n_added + 1, sizeof(*list));
	PB(Binding) **adds = cv_calloc(fx->n_added + 1, sizeof(*adds));
	int r = CV_ENOMEM;

	if (list == NULL || adds == NULL)
		goto out;
	for (size_t i = 0; i < fx->n_added; i++) {
		list[i] = (PB(Binding))PB_INIT(BINDING);
		list[i].leaf = fx->added[i].leaf;
		list[i].connection = connection_of(d, &fx->added[i]);
		adds[i] = &list[i];
	}
	h.commit = (ProtobufCBinaryData){made->commit.len, made->commit.data};
	h.welcome = (ProtobufCBinaryData){made->welcome.len, made->welcome.data};
	h.n_adds = fx->n_added;
	h.adds = adds;
	h.n_removes = d->n_removes;
	h.removes = d->removes;
	h.epoch = client_group_epoch(d->g) + 1;
	r = proto_handshake_pack(&h, &d->out.message);
out:
	cv_free(list);
	cv_free(adds);
	return r;
}

static int commit_draft(struct draft *d, const struct client_change *change)
{
	struct client_group *g = d->g;
	struct mls_commit what = {.adds = d->adds,
				  .n_adds = d->n_adds,
				  .removes = d->removes,
				  .n_removes = d->n_removes,
				  .drop_proposals = true};
	struct mls_commit_output made;
	struct cv_buf data, required, encoded;
	struct mls_extension leaf_ext, group_ext[2];
	struct mls_member member;
	int r;

	memset(&made, 0, sizeof(made));
	cv_buf_init(&data, PROTO_COMMIT_DATA_MAX);
	cv_buf_init(&required, 256);
	cv_buf_init(&encoded, PROTO_STATE_MAX);
	r = proto_commit_data_put(d->removals, d->n_removes, &data);
	if (r == 0 && d->state_changed) {
		r = client_state_extensions(&d->state, &required, &encoded, group_ext);
		what.set_extensions = true;
		what.extensions = group_ext;
		what.n_extensions = 2;
	}
	if (r == 0 && change->certificates != NULL) {
		cv_buf_reset(&g->credential);
		r = mls_x509_chain(change->certificates, 2, &g->credential);
		client_group_as_member(g, &leaf_ext, &member);
		what.member = &member;
	}
	if (r == 0) {
		what.authenticated_data = (struct cv_span){data.data, data.len};
		client_effects_done(&g->ours);
		g->committing = true;
		r = mls_group_commit(g->mls, &what, &made);
		g->committing = false;
	}
	if (r == 0) {
		r = pack(d, &made);
		if (r != 0)
			client_group_rejected(g);
	}
	mls_commit_output_done(&made);
	cv_buf_done(&data);
	cv_buf_done(&required);
	cv_buf_done(&encoded);
	return r;
}

int client_group_commit(struct client_group *g, const struct client_change *change, struct client_commit *ret)
{
	bool asked = change->n_candidates != 0 || change->n_removals != 0 || change->n_ban != 0 ||
		     change->n_rights != 0 || change->set_lock;
	struct draft d;
	int r;

	if (!client_group_active(g) || mls_group_has_pending(g->mls))
		return CV_ESTATE;
	if (change->n_candidates > PROTO_CANDIDATES_MAX || change->n_removals > PROTO_REQUEST_MAX)
		return CV_ELIMIT;
	r = draft_init(&d, g, change);
	g->why[0] = '\0';
	if (r == 0)
		r = draft_removals(&d, change);
	if (r == 0)
		r = draft_moderation(&d, change);
	if (r == 0)
		r = draft_candidates(&d, change);
	if (r == 0 && asked && d.n_adds == 0 && d.n_removes == 0 && !d.state_changed)
		r = CV_ENOTFOUND;
	else if (r == 0)
		r = commit_draft(&d, change);
	if (r == 0 || r == CV_ENOTFOUND) {
		*ret = d.out;
		memset(&d.out, 0, sizeof(d.out));
	}
	draft_done(&d);
	return r;
}

bool client_group_pending(const struct client_group *g)
{
	return g->mls != NULL && mls_group_has_pending(g->mls);
}

int client_group_accepted(struct client_group *g, struct client_news *ret)
{
	int r;

	if (!client_group_pending(g))
		return CV_ESTATE;
	r = mls_group_merge_pending(g->mls);
	return r != 0 ? r : client_group_apply(g, &g->ours, CLIENT_NEWS_EPOCH, ret);
}

void client_group_rejected(struct client_group *g)
{
	if (g->mls != NULL)
		mls_group_clear_pending(g->mls);
	client_effects_done(&g->ours);
}
