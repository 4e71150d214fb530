/* SPDX-License-Identifier: Apache-2.0 */
/* The meeting's policy: who may be a leaf, and what a commit may do (docs/protocol.md section 5). */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <base/alloc.h>

#include "group_internal.h"

/* Certificates of members that are in the group already are not judged by the clock. Seconds. */
#define ANY_AGE ((uint64_t)366 * 86400)

int client_policy_refuse(struct client_group *g, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(g->why, sizeof(g->why), format, ap);
	va_end(ap);
	return code;
}

/* What is not good is refused; want of memory here is nobody's fault. */
static int refuse_for(struct client_group *g, int r, const char *why)
{
	return r == CV_ENOMEM ? r : client_policy_refuse(g, CV_EDENIED, "%s", why);
}

/* The admission in the leaf: genuine, for this run, for this person and device. */
static int check_admission(struct client_group *g, const struct mls_leaf_view *leaf, const struct proto_identity *id,
			   struct proto_admission *ret)
{
	struct cv_span data;
	uint8_t hash[CLIENT_HASH_LEN];
	int r;

	if (mls_extension_find(leaf->extensions, PROTO_EXT_ADMISSION, &data) != 0)
		return client_policy_refuse(g, CV_EDENIED, "a leaf without admission");
	r = proto_admission_open(data.data, data.len, proto_trust_grant_signers(g->trust), ret);
	if (r != 0)
		return refuse_for(g, r, "an admission that the manager did not sign");
	if (memcmp(ret->run_id, g->run_id, CLIENT_ID_LEN) != 0)
		return client_policy_refuse(g, CV_EDENIED, "an admission for another run");
	if (memcmp(ret->user_id, id->user_id, CLIENT_ID_LEN) != 0)
		return client_policy_refuse(g, CV_EDENIED, "an admission for another person than the certificate's");
	proto_sha256(leaf->signature_key.data, leaf->signature_key.len, hash);
	if (memcmp(ret->device_hash, hash, sizeof(hash)) != 0)
		return client_policy_refuse(g, CV_EDENIED, "an admission for another device key");
	return 0;
}

static int check_identity(struct client_group *g, const struct mls_leaf_view *leaf, bool by_clock,
			  struct proto_identity *ret)
{
	struct cv_span cert, issuer, more;
	int r;

	if (leaf->credential.type != MLS_CREDENTIAL_X509 || mls_x509_cert(&leaf->credential, 0, &cert) != 0 ||
	    mls_x509_cert(&leaf->credential, 1, &issuer) != 0 || mls_x509_cert(&leaf->credential, 2, &more) == 0)
		return client_policy_refuse(g, CV_EDENIED, "a credential that is not certificate and issuer");
	r = proto_trust_identity(g->trust, cert, issuer, client_clock_now(g->clock), by_clock ? 0 : ANY_AGE, ret);
	if (r == CV_ENOMEM)
		return r;
	if (r != 0)
		return client_policy_refuse(g, CV_EDENIED, "an identity certificate that is not valid (%s)",
					    cv_strerror(r));
	if (leaf->signature_key.len != CLIENT_KEY_LEN ||
	    memcmp(leaf->signature_key.data, ret->device_key, CLIENT_KEY_LEN) != 0)
		return client_policy_refuse(g, CV_EDENIED, "a certificate for another device key");
	return 0;
}

static bool same_span(struct cv_span a, struct cv_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* In a path the member stays who it is; a renewed certificate or admission is judged by the clock like a new one. */
static int check_renewal(struct client_group *g, const struct mls_leaf_view *leaf, const struct mls_leaf_view *old,
			 bool *ret_renewed)
{
	struct cv_span a, b;

	if (!same_span(leaf->signature_key, old->signature_key))
		return client_policy_refuse(g, CV_EDENIED, "a path that changes the device key");
	if (mls_extension_find(leaf->extensions, PROTO_EXT_ADMISSION, &a) != 0 ||
	    mls_extension_find(old->extensions, PROTO_EXT_ADMISSION, &b) != 0 || !same_span(a, b))
		return client_policy_refuse(g, CV_EDENIED, "a path that changes the admission");
	*ret_renewed = !same_span(leaf->credential.data, old->credential.data);
	return 0;
}

int client_policy_leaf(struct client_group *g, enum mls_leaf_where where, const struct mls_leaf_view *leaf,
		       const struct mls_leaf_view *replaced, struct client_member *ret)
{
	uint64_t now = client_clock_now(g->clock);
	uint64_t life = g->committing ? CLIENT_LIFE_AT_ADD : CLIENT_LIFE_AT_ADD_RECEIVED;
	bool by_clock = where == MLS_LEAF_IN_ADD || where == MLS_LEAF_IN_OWN;
	struct proto_identity id;
	struct proto_admission adm;
	int r;

	if (where == MLS_LEAF_IN_UPDATE || (where == MLS_LEAF_IN_COMMIT && replaced == NULL))
		return client_policy_refuse(g, CV_EDENIED, "an update proposal or an external commit");
	if (replaced != NULL) {
		r = check_renewal(g, leaf, replaced, &by_clock);
		if (r != 0)
			return r;
	}
	r = check_identity(g, leaf, by_clock, &id);
	if (r == 0)
		r = check_admission(g, leaf, &id, &adm);
	if (r != 0)
		return r;
	if (by_clock && replaced == NULL &&
	    (proto_times_check(adm.issued, adm.expires, now, 0) != 0 || adm.expires < now + life))
		return client_policy_refuse(g, CV_EDENIED, "an admission that has expired or is about to");
	if (where == MLS_LEAF_IN_ADD && id.not_after < now + life)
		return client_policy_refuse(g, CV_EDENIED, "an identity certificate that is about to expire");
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->user_id, id.user_id, sizeof(ret->user_id));
	memcpy(ret->device_key, id.device_key, sizeof(ret->device_key));
	memcpy(ret->device_hash, adm.device_hash, sizeof(ret->device_hash));
	memcpy(ret->email, id.email, sizeof(ret->email));
	memcpy(ret->name, id.display_name, sizeof(ret->name));
	memcpy(ret->admission_id, adm.admission_id, sizeof(ret->admission_id));
	ret->admission_issued = adm.issued;
	ret->admitted = adm.rights;
	ret->flags = adm.flags;
	ret->certificate_until = id.not_after;
	return 0;
}

static int hook_leaf(void *ctx, const struct mls_leaf_question *q)
{
	struct client_group *g = ctx;
	struct client_member m;
	int r;

	if (q->group_id.len != 0 &&
	    (q->group_id.len != CLIENT_ID_LEN || memcmp(q->group_id.data, g->run_id, CLIENT_ID_LEN) != 0))
		return client_policy_refuse(g, CV_EDENIED, "a group of another run");
	r = client_policy_leaf(g, q->where, q->leaf, q->replaced, &m);
	if (r != 0 || (q->where != MLS_LEAF_IN_TREE && q->where != MLS_LEAF_IN_OWN))
		return r;
	/* Joining or creating: the table of members is built on the way. */
	m.leaf = q->where == MLS_LEAF_IN_OWN ? 0 : q->index;
	if (m.leaf > PROTO_LEAF_MAX)
		return client_policy_refuse(g, CV_ELIMIT, "a leaf beyond the limit");
	return client_members_set(g, &m);
}

static int hook_proposal(void *ctx, const struct mls_proposal_question *q)
{
	return client_policy_refuse(ctx, CV_EDENIED, "a proposal outside a commit");
}

static int hook_psk(void *ctx, const struct mls_psk_question *q, struct cv_span *ret_psk)
{
	return client_policy_refuse(ctx, CV_EDENIED, "a pre-shared key");
}

/* ---- a commit as a whole */

struct verdict {
	struct client_group *g;
	const struct mls_commit_question *q;
	struct proto_commit_data data;
	struct proto_meeting_state next;   /* what the commit makes */
	struct proto_meeting_state demand; /* the old state with the bans that removals demand */
	bool moderates;
	struct effects *fx;
};

int client_policy_removal(struct client_group *g, const struct proto_removal *removal,
			  const struct client_member *member, struct proto_revocation *ret_revocation)
{
	uint8_t content[PROTO_LEAVE_LEN];
	uint64_t now = client_clock_now(g->clock);
	int r;

	switch (removal->reason) {
	case PROTO_REASON_LEFT:
		proto_leave_content(g->run_id, member->admission_id, member->leaf, content);
		if (removal->evidence.len != PROTO_SIG_LEN ||
		    proto_verify_label(member->device_key, PROTO_LABEL_LEAVE, content, sizeof(content),
				       removal->evidence.data) != 0)
			return client_policy_refuse(g, CV_EDENIED, "a removal as 'left' that the member did not sign");
		return 0;
	case PROTO_REASON_REVOKED:
		r = proto_revocation_open(removal->evidence.data, removal->evidence.len,
					  proto_trust_grant_signers(g->trust), ret_revocation);
		if (r != 0)
			return refuse_for(g, r, "a revocation that the manager did not sign");
		if (proto_times_check(ret_revocation->issued, ret_revocation->expires, now, 0) != 0 ||
		    !proto_revocation_covers(ret_revocation, g->run_id, member->user_id, member->device_hash))
			return client_policy_refuse(g, CV_EDENIED, "a revocation of somebody else");
		return 0;
	default:
		if (removal->evidence.len != 0)
			return client_policy_refuse(g, CV_EDENIED, "a removal with superfluous evidence");
		return 0;
	}
}

static bool adds_device(const struct mls_commit_question *q, const uint8_t key[CLIENT_KEY_LEN])
{
	for (size_t i = 0; i < q->n_changes; i++) {
		const struct mls_change *c = &q->changes[i];

		if (c->type == MLS_PROPOSAL_ADD && c->leaf->signature_key.len == CLIENT_KEY_LEN &&
		    memcmp(c->leaf->signature_key.data, key, CLIENT_KEY_LEN) == 0)
			return true;
	}
	return false;
}

static bool removes_leaf(const struct mls_commit_question *q, uint32_t leaf)
{
	for (size_t i = 0; i < q->n_changes; i++) {
		if (q->changes[i].type == MLS_PROPOSAL_REMOVE && q->changes[i].index == leaf)
			return true;
	}
	return false;
}

static int judge_removal(struct verdict *v, const struct mls_change *c, const struct proto_removal *removal)
{
	struct client_group *g = v->g;
	const struct client_member *m = client_group_member(g, c->index);
	struct proto_revocation revocation;
	int r;

	if (m == NULL || removal->leaf != c->index)
		return client_policy_refuse(g, CV_EDENIED, "a removal whose reason names another leaf");
	r = client_policy_removal(g, removal, m, &revocation);
	if (r != 0)
		return r;
	if (removal->reason == PROTO_REASON_REMOVED) {
		if (!v->moderates)
			return client_policy_refuse(g, CV_EDENIED, "a removal by somebody who does not moderate");
		for (const struct client_member *o = client_group_next(g, 0); o != NULL;
		     o = client_group_next(g, o->leaf + 1)) {
			if (memcmp(o->user_id, m->user_id, CLIENT_ID_LEN) == 0 && !removes_leaf(v->q, o->leaf))
				return client_policy_refuse(g, CV_EDENIED, "a removal that leaves a device behind");
		}
	}
	if (removal->reason == PROTO_REASON_REPLACED && !adds_device(v->q, m->device_key))
		return client_policy_refuse(g, CV_EDENIED, "a removal as 'replaced' without the replacement");
	if (removal->reason == PROTO_REASON_REMOVED ||
	    (removal->reason == PROTO_REASON_REVOKED &&
	     proto_id_is_zero(revocation.device_hash, sizeof(revocation.device_hash)))) {
		r = proto_meeting_state_ban(&v->demand, m->user_id);
		if (r != 0)
			return r;
	}
	v->fx->left[v->fx->n_left++] =
		(struct client_left){.member = *m, .reason = removal->reason, .by = v->q->committer};
	return 0;
}

static int judge_add(struct verdict *v, const struct mls_change *c)
{
	struct client_group *g = v->g;
	struct client_member m;
	const struct client_member *old;
	int r;

	r = client_policy_leaf(g, MLS_LEAF_IN_ADD, c->leaf, NULL, &m);
	if (r != 0)
		return r;
	if (c->index > PROTO_LEAF_MAX)
		return client_policy_refuse(g, CV_EDENIED, "a leaf beyond the limit");
	if (proto_meeting_state_banned(&v->next, m.user_id))
		return client_policy_refuse(g, CV_EDENIED, "an addition of somebody who was removed");
	old = client_members_device(g, m.device_key);
	/* A member that comes back with the same device is no newcomer. */
	if (g->state.locked && !v->moderates && old == NULL)
		return client_policy_refuse(g, CV_EDENIED, "an addition to a locked meeting");
	if (old != NULL && !removes_leaf(v->q, old->leaf))
		return client_policy_refuse(g, CV_EDENIED, "a second leaf with the same device key");
	for (size_t i = 0; i < v->fx->n_added; i++) {
		if (memcmp(v->fx->added[i].device_key, m.device_key, CLIENT_KEY_LEN) == 0)
			return client_policy_refuse(g, CV_EDENIED, "a second leaf with the same device key");
	}
	m.leaf = c->index;
	v->fx->added[v->fx->n_added++] = m;
	return 0;
}

/* Beside meeting_state, no extension of the group may change. */
static int judge_extensions(struct verdict *v)
{
	struct mls_extension a, b;
	size_t at_old = 0, at_new = 0;

	for (;;) {
		bool more_old = mls_extension_next(v->q->old_extensions, &at_old, &a);
		bool more_new = mls_extension_next(v->q->new_extensions, &at_new, &b);

		if (!more_old && !more_new)
			return 0;
		if (more_old != more_new || a.type != b.type ||
		    (a.type != PROTO_EXT_MEETING_STATE && !same_span(a.data, b.data)))
			return client_policy_refuse(v->g, CV_EDENIED, "a change of the group's extensions");
	}
}

static int judge_state(struct verdict *v)
{
	struct client_group *g = v->g;

	if (v->next.creation_grant_len != g->state.creation_grant_len ||
	    memcmp(v->next.creation_grant, g->state.creation_grant, g->state.creation_grant_len) != 0)
		return client_policy_refuse(g, CV_EDENIED, "a change of the creation grant");
	if ((v->next.switches ^ g->state.switches) & PROTO_SWITCH_MEDIA_256)
		return client_policy_refuse(g, CV_EDENIED, "a change of the media cipher");
	for (size_t i = 0; i < v->demand.n_bans; i++) {
		if (!proto_meeting_state_banned(&g->state, v->demand.bans[i]) &&
		    !proto_meeting_state_banned(&v->next, v->demand.bans[i]))
			return client_policy_refuse(g, CV_EDENIED, "a removal without the ban that belongs to it");
	}
	if (!v->moderates && !proto_meeting_state_equal(&v->next, &v->demand))
		return client_policy_refuse(g, CV_EDENIED,
					    "a change of rights, bans or lock by somebody who does not moderate");
	v->fx->state_changed = !proto_meeting_state_equal(&v->next, &g->state);
	return 0;
}

static int judge_changes(struct verdict *v)
{
	struct client_group *g = v->g;
	size_t removals = 0;
	int r;

	/* Removals first: additions are judged by the bans that they bring. */
	for (size_t i = 0; i < v->q->n_changes; i++) {
		const struct mls_change *c = &v->q->changes[i];

		if (c->by_reference || c->sender_type != MLS_SENDER_MEMBER)
			return client_policy_refuse(g, CV_EDENIED, "a proposal by reference or from outside");
		if (c->type != MLS_PROPOSAL_ADD && c->type != MLS_PROPOSAL_REMOVE &&
		    c->type != MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS)
			return client_policy_refuse(g, CV_EDENIED, "a proposal of type %u", (unsigned)c->type);
		if (c->type != MLS_PROPOSAL_REMOVE)
			continue;
		if (removals == v->data.n_removals)
			return client_policy_refuse(g, CV_EDENIED, "a removal without a reason");
		r = judge_removal(v, c, &v->data.removals[removals++]);
		if (r != 0)
			return r;
	}
	if (removals != v->data.n_removals)
		return client_policy_refuse(g, CV_EDENIED, "a reason without its removal");
	for (size_t i = 0; i < v->q->n_changes; i++) {
		if (v->q->changes[i].type != MLS_PROPOSAL_ADD)
			continue;
		r = judge_add(v, &v->q->changes[i]);
		if (r != 0)
			return r;
	}
	return 0;
}

static int prepare(struct verdict *v)
{
	struct client_group *g = v->g;
	const struct mls_commit_question *q = v->q;
	int r;

	r = proto_commit_data_decode(q->authenticated_data.data, q->authenticated_data.len, &v->data);
	if (r != 0)
		return refuse_for(g, r, "a commit without proper reasons");
	r = client_state_read(q->new_extensions, &v->next);
	if (r != 0)
		return refuse_for(g, r, "a commit without proper meeting state");
	r = proto_meeting_state_copy(&g->state, &v->demand);
	if (r != 0)
		return r;
	client_effects_done(v->fx);
	v->fx->added = cv_calloc(q->n_changes + 1, sizeof(v->fx->added[0]));
	v->fx->left = cv_calloc(q->n_changes + 1, sizeof(v->fx->left[0]));
	if (v->fx->added == NULL || v->fx->left == NULL)
		return CV_ENOMEM;
	v->moderates = (client_group_rights(g, q->committer) & PROTO_RIGHT_MODERATION) != 0;
	return 0;
}

static int hook_commit(void *ctx, const struct mls_commit_question *q)
{
	struct client_group *g = ctx;
	struct verdict v = {.g = g, .q = q, .fx = q->own ? &g->ours : &g->theirs};
	int r;

	if (q->external)
		return client_policy_refuse(g, CV_EDENIED, "an external commit");
	if (client_group_member(g, q->committer) == NULL)
		return client_policy_refuse(g, CV_EDENIED, "a commit by nobody");
	r = prepare(&v);
	if (r == 0)
		r = judge_extensions(&v);
	if (r == 0)
		r = judge_changes(&v);
	if (r == 0)
		r = judge_state(&v);
	if (r == 0 && q->new_leaf != NULL) {
		r = client_policy_leaf(g, MLS_LEAF_IN_COMMIT, q->new_leaf, q->committer_leaf, &v.fx->committer_member);
		v.fx->committer_member.leaf = q->committer;
		v.fx->has_committer = true;
		v.fx->renewed = !same_span(q->new_leaf->credential.data, q->committer_leaf->credential.data);
	}
	if (r == 0)
		r = client_effects_provide(g, v.fx, &v.next);
	v.fx->path = q->new_leaf != NULL;
	v.fx->committer = q->committer;
	v.fx->set = r == 0;
	proto_commit_data_done(&v.data);
	proto_meeting_state_done(&v.next);
	proto_meeting_state_done(&v.demand);
	if (r != 0)
		client_effects_done(v.fx);
	return r;
}

/* The group that a Welcome leads into. */
static int hook_join(void *ctx, const struct mls_group *mls)
{
	struct client_group *g = ctx;
	struct proto_creation_grant grant;
	struct cv_span id = mls_group_id(mls);
	struct proto_meeting_state state = {0};
	int r;

	if (id.len != CLIENT_ID_LEN || memcmp(id.data, g->run_id, CLIENT_ID_LEN) != 0)
		return client_policy_refuse(g, CV_EDENIED, "a group of another run");
	r = client_state_read(mls_group_extensions(mls), &state);
	if (r != 0)
		return refuse_for(g, r, "a group without meeting state");
	r = proto_creation_grant_open(state.creation_grant, state.creation_grant_len,
				      proto_trust_grant_signers(g->trust), &grant);
	if (r != 0 || memcmp(grant.run_id, g->run_id, CLIENT_ID_LEN) != 0) {
		r = refuse_for(g, r, "a group whose creator had no grant for this run");
		goto out;
	}
	for (const struct client_member *m = client_group_next(g, 0); m != NULL;
	     m = client_group_next(g, m->leaf + 1)) {
		if (proto_meeting_state_banned(&state, m->user_id)) {
			r = client_policy_refuse(g, CV_EDENIED, "a group with somebody in it who was removed");
			goto out;
		}
	}
	proto_meeting_state_done(&g->state);
	g->state = state;
	return 0;
out:
	proto_meeting_state_done(&state);
	return r;
}

struct mls_policy client_policy(struct client_group *g)
{
	return (struct mls_policy){
		.leaf = hook_leaf,
		.commit = hook_commit,
		.proposal = hook_proposal,
		.join = hook_join,
		.psk = hook_psk,
		.ctx = g,
	};
}
