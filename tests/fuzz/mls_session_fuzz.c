/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any messages in any state: the input chooses one of the states of mls_states.h and then gives at most STEPS_MAX steps
 * (mls_steps.h). A step is a message to JUDGE in most cases: the content as it is, or what an honest or dishonest
 * member, external sender or newcomer makes of it. The other members follow, so that the group goes on. Whatever
 * is refused must leave JUDGE where it was; whatever is accepted must survive a save.
 */
#include <string.h>

#include "../../libs/mls/tests/forge.h"
#include "mls_mend.h"
#include "mls_steps.h"

#define STEPS_MAX 8
#define SAID_MAX  (2 * STEPS_MAX)

/* A message that JUDGE has sent or accepted: others hear it when they are needed again. */
struct said {
	int from;
	struct cv_buf msg;
};
struct session {
	const struct mls_state *s;
	struct mls_group *at[EARLIER]; /* opened when first needed; NULL: not yet, nobody there, or removed */
	bool gone[EARLIER];
	struct said said[SAID_MAX];
	size_t n_said, n_heard[EARLIER];
	struct cv_buf pending;   /* the message of JUDGE's pending commit */
	struct cv_buf msg, body; /* of the step in progress */
};
struct step {
	int from;     /* PEER or OTHER_PEER */
	bool private; /* as PrivateMessage, where there is a choice */
	bool mend;    /* sign leaves and KeyPackages inside anew */
	struct cv_span in;
};

/* --- what JUDGE makes of a message --- */

struct mark {
	uint64_t epoch;
	uint8_t authenticator[DIGEST_MAX];
	struct cv_buf saved; /* everything that a group is */
};

static struct mark mark(const struct mls_group *g)
{
	struct mark m = {.epoch = mls_group_epoch(g)};

	memcpy(m.authenticator, g->cur->secrets.authenticator.data, sizeof(m.authenticator));
	cv_buf_init(&m.saved, 4 * FUZZ_MAX);
	if (!g->removed)
		MUST(mls_group_save(g, &m.saved));
	return m;
}

/* A PrivateMessage may have unfolded the tree of the keys for receiving before it was refused. */
static void must_be_unmoved(const struct mls_group *g, const struct mark *before, bool private)
{
	struct mark now = mark(g);

	MUST(now.epoch != before->epoch);
	MUST(memcmp(now.authenticator, before->authenticator, sizeof(now.authenticator)) != 0);
	MUST(!private && !mls_span_equal(BUF_SPAN(now.saved), BUF_SPAN(before->saved)));
	cv_buf_done(&now.saved);
}

static int hear(struct mls_group *g, struct cv_span msg)
{
	bool ended = mls_group_ended(g);
	struct mark before = mark(g);
	struct mls_received r;
	struct mls_peek p;
	int err = mls_group_process(g, msg.data, msg.len, &r);

	if (err) {
		must_be_unmoved(g, &before, !mls_peek(msg.data, msg.len, &p) && p.wire_format == MLS_PRIVATE_MESSAGE);
	} else {
		MUST(ended);
		if (r.kind == MLS_RECEIVED_COMMIT || r.kind == MLS_RECEIVED_REINIT)
			MUST(mls_group_epoch(g) != before.epoch + 1);
		else
			MUST(mls_group_epoch(g) != before.epoch);
		mls_received_done(&r);
	}
	cv_buf_done(&before.saved);
	return err;
}

/* Proposals that JUDGE has are known to their sender as well, who does not hear its own messages. */
static void share_kept(const struct mls_group *from, struct mls_group *to)
{
	size_t nh = from->crypto.suite->nh;

	for (size_t i = 0; i < from->n_kept; i++) {
		const struct kept_proposal *k = from->kept[i];
		int err = mls_keep_proposal(to, SPAN(k->ref, nh), &k->from, BUF_SPAN(k->raw));

		MUST(err && err != CV_EEXIST);
	}
}

/* Two a step at most. */
static void say(struct session *x, int from, struct cv_span msg)
{
	struct said *said = &x->said[x->n_said++];

	said->from = from;
	cv_buf_init(&said->msg, FUZZ_MAX);
	mls_put_span_raw(&said->msg, msg);
}

static void deliver(struct session *x, int from, struct cv_span msg)
{
	if (hear(x->at[JUDGE], msg))
		return;
	mls_state_check(x->at[JUDGE]);
	say(x, from, msg);
}

/* A member who has heard all that was said, or NULL. */
static struct mls_group *catch_up(struct session *x, int who)
{
	if (!x->at[who] && !x->gone[who])
		x->at[who] = mls_state_open(x->s, who);
	for (; x->at[who] && x->n_heard[who] < x->n_said; x->n_heard[who]++) {
		const struct said *said = &x->said[x->n_heard[who]];

		if (said->from != who)
			(void)!hear(x->at[who], BUF_SPAN(said->msg));
		x->gone[who] = x->at[who]->removed;
	}
	return x->gone[who] ? NULL : x->at[who];
}

/* --- steps: from inside --- */

/* Who is added signs itself: NEWCOMER. */
static struct cv_span content(struct session *x, struct mls_group *g, int who_updates, const struct step *st,
			      struct cv_span in)
{
	bool add = in.len > 1 && in.data[1] == MLS_PROPOSAL_ADD;

	if (!st->mend)
		return in;
	mend_proposal(g, &x->s->who[add ? NEWCOMER : who_updates], g->cur->own, in, &x->body);
	return BUF_SPAN(x->body);
}

static uint16_t wire_format(const struct step *st)
{
	return st->private ? MLS_PRIVATE_MESSAGE : MLS_PUBLIC_MESSAGE;
}

static void raw(struct session *x, struct mls_group *g, const struct step *st)
{
	deliver(x, N_SEATS, st->in);
}

static void speak(struct session *x, struct mls_group *g, const struct step *st)
{
	if (!forge_message(g, wire_format(st), MLS_CONTENT_APPLICATION, st->in, SPAN_NONE, &x->msg))
		deliver(x, st->from, BUF_SPAN(x->msg));
}

/* Two messages, the second first, then both again. */
static void speak_out_of_order(struct session *x, struct mls_group *g, const struct step *st)
{
	if (forge_message(g, MLS_PRIVATE_MESSAGE, MLS_CONTENT_APPLICATION, st->in, SPAN_NONE, &x->body) ||
	    forge_message(g, MLS_PRIVATE_MESSAGE, MLS_CONTENT_APPLICATION, st->in, SPAN_NONE, &x->msg))
		return;
	deliver(x, st->from, BUF_SPAN(x->msg));
	deliver(x, st->from, BUF_SPAN(x->body));
	MUST(!hear(x->at[JUDGE], BUF_SPAN(x->msg)));
	MUST(!hear(x->at[JUDGE], BUF_SPAN(x->body)));
}

/* What PEER said an epoch ago, and what it proposed then. */
static void speak_late(struct session *x, struct mls_group *g, const struct step *st)
{
	struct mls_group *before = mls_state_open(x->s, EARLIER);

	if (!forge_message(before, wire_format(st), st->mend ? MLS_CONTENT_PROPOSAL : MLS_CONTENT_APPLICATION, st->in,
			   SPAN_NONE, &x->msg))
		deliver(x, N_SEATS, BUF_SPAN(x->msg));
	mls_group_free(before);
}

static void propose(struct session *x, struct mls_group *g, const struct step *st)
{
	struct cv_span body = content(x, g, st->from, st, st->in);

	if (!forge_message(g, wire_format(st), MLS_CONTENT_PROPOSAL, body, SPAN_NONE, &x->msg))
		deliver(x, st->from, BUF_SPAN(x->msg));
}

static void commit_body(struct session *x, struct mls_group *g, const struct step *st)
{
	static const uint8_t tag[DIGEST_MAX];

	if (!forge_message(g, wire_format(st), MLS_CONTENT_COMMIT, st->in, SPAN(tag, g->crypto.suite->nh), &x->msg))
		deliver(x, st->from, BUF_SPAN(x->msg));
}

/* `ProposalOrRef proposals<V>`: the kept ones that the first byte marks, then those of the input. */
static void put_list(struct session *x, struct mls_group *g, const struct step *st, struct cv_span in,
		     struct cv_buf *out)
{
	const struct mls_group *judge = x->at[JUDGE];
	uint8_t marks = in.len ? in.data[0] : 0;

	for (size_t i = 0; i < judge->n_kept && i < 8; i++) {
		if (!(marks >> i & 1))
			continue;
		cv_buf_put_u8(out, BY_REFERENCE);
		mls_put_span(out, SPAN(judge->kept[i]->ref, judge->crypto.suite->nh));
	}
	if (in.len)
		in = SPAN(in.data + 1, in.len - 1);
	if (st->mend)
		mend_proposals(g, &x->s->who[NEWCOMER], in, out);
	else
		mls_put_span_raw(out, in);
}

/* A commit made for the list, right in everything or wrong in one thing. */
static void commit_list(struct session *x, struct mls_group *g, const struct step *st)
{
	/* Those that can be made of any tree. */
	static const enum forgery wrongs[] = {
		FORGE_NOTHING,        FORGE_PARENT_HASH,     FORGE_SAME_LEAF_KEY,      FORGE_LEAF_SOURCE,
		FORGE_NODE_MISSING,   FORGE_NODE_EXTRA,      FORGE_CIPHERTEXT_MISSING, FORGE_CIPHERTEXT_EXTRA,
		FORGE_LEAF_SIGNATURE, FORGE_CONFIRMATION_TAG};
	uint8_t which = st->in.len ? st->in.data[0] : 0;

	if (which >= sizeof(wrongs) / sizeof(wrongs[0]) || st->in.len < 1)
		return;
	put_list(x, g, st, SPAN(st->in.data + 1, st->in.len - 1), &x->body);
	if (!forge_commit(g, BUF_SPAN(x->body), wrongs[which], &x->msg, NULL))
		deliver(x, st->from, BUF_SPAN(x->msg));
}

/* The list under the path of an honest empty commit: the rules for lists, of any list. */
static void graft_list(struct session *x, struct mls_group *g, const struct step *st)
{
	struct cv_buf honest, list;
	struct mls_message m;
	struct cv_reader r;
	struct commit c;

	cv_buf_init(&honest, FUZZ_MAX);
	cv_buf_init(&list, FUZZ_MAX);
	put_list(x, g, st, st->in, &list);
	MUST(forge_commit(g, SPAN_NONE, FORGE_NOTHING, &honest, NULL));
	MUST(mls_get_message(BUF_SPAN(honest), &m));
	cv_reader_init(&r, m.pub.content.body.data, m.pub.content.body.len);
	MUST(mls_get_commit(&r, &c));
	mls_put_span(&x->body, BUF_SPAN(list));
	cv_buf_put_u8(&x->body, 1);
	mls_put_update_path(&x->body, &c.path);
	if (!forge_message(g, wire_format(st), MLS_CONTENT_COMMIT, BUF_SPAN(x->body), m.pub.auth.confirmation_tag,
			   &x->msg))
		deliver(x, st->from, BUF_SPAN(x->msg));
	cv_buf_done(&honest);
	cv_buf_done(&list);
}

/* As the library makes one, of what the member has kept; the committer goes on to the next epoch. */
static void commit_honestly(struct session *x, struct mls_group *g, const struct step *st)
{
	struct mls_commit what = {.authenticated_data = st->in, .drop_proposals = st->mend, .force_path = st->private};
	struct mls_commit_output out;

	if (mls_group_commit(g, &what, &out))
		return;
	MUST(mls_group_merge_pending(g));
	deliver(x, st->from, BUF_SPAN(out.commit));
	mls_commit_output_done(&out);
}

/* --- steps: from outside --- */

static void from_outside(struct session *x, struct mls_group *g, const struct sender *as, uint8_t content_type,
			 struct cv_span body)
{
	static const uint8_t tag[DIGEST_MAX];
	const struct mls_signer *signer = &x->s->who[NEWCOMER].member.signer;

	if (!forge_message_as(g, as, signer, MLS_PUBLIC_MESSAGE, content_type, body, SPAN(tag, g->crypto.suite->nh),
			      &x->msg))
		deliver(x, N_SEATS, BUF_SPAN(x->msg));
}

static void external_proposal(struct session *x, struct mls_group *g, const struct step *st)
{
	struct sender as = {.type = MLS_SENDER_EXTERNAL, .index = st->in.len ? st->in.data[0] : 0};

	if (st->in.len)
		from_outside(x, g, &as, MLS_CONTENT_PROPOSAL,
			     content(x, g, NEWCOMER, st, SPAN(st->in.data + 1, st->in.len - 1)));
}

static void newcomer_proposal(struct session *x, struct mls_group *g, const struct step *st)
{
	static const struct sender as = {.type = MLS_SENDER_NEW_MEMBER_PROPOSAL};

	from_outside(x, g, &as, MLS_CONTENT_PROPOSAL, content(x, g, NEWCOMER, st, st->in));
}

static void newcomer_commit(struct session *x, struct mls_group *g, const struct step *st)
{
	static const struct sender as = {.type = MLS_SENDER_NEW_MEMBER_COMMIT};

	from_outside(x, g, &as, MLS_CONTENT_COMMIT, st->in);
}

/* An honest external commit of NEWCOMER, or of OTHER_PEER who comes back. */
static void join_outside(struct session *x, struct mls_group *g, const struct step *st)
{
	static const struct mls_psk_question psk = {.usage = MLS_PSK_EXTERNAL, .psk_id = SPAN_STR("id")};
	const struct someone *who = &x->s->who[st->mend ? OTHER_PEER : NEWCOMER];
	struct mls_external_join j = {
		.resync = st->mend, .psks = &psk, .n_psks = st->private ? 1 : 0, .authenticated_data = st->in};
	struct mls_group *joined;

	if (mls_group_info(g, true, &x->body))
		return;
	j.group_info = BUF_SPAN(x->body);
	if (mls_group_join_external(&fuzz_options, &who->member, &j, &x->msg, &joined))
		return;
	mls_state_check(joined);
	mls_group_free(joined);
	deliver(x, st->mend ? OTHER_PEER : N_SEATS, BUF_SPAN(x->msg));
}

/* --- steps: JUDGE acts --- */

static void own_commit(struct session *x, const struct mls_commit *what)
{
	struct mark before = mark(x->at[JUDGE]);
	struct mls_commit_output out;

	if (mls_group_commit(x->at[JUDGE], what, &out)) {
		must_be_unmoved(x->at[JUDGE], &before, false);
		cv_buf_done(&before.saved);
		return;
	}
	cv_buf_done(&before.saved);
	cv_buf_done(&x->pending);
	x->pending = out.commit;
	cv_buf_init(&out.commit, FUZZ_MAX);
	mls_commit_output_done(&out);
}

static void own_merge(struct session *x)
{
	if (mls_group_merge_pending(x->at[JUDGE]))
		return;
	mls_state_check(x->at[JUDGE]);
	say(x, JUDGE, BUF_SPAN(x->pending));
}

/* A member and a KeyPackage that the fuzzer names. */
static void own_changes(struct session *x, struct cv_span in)
{
	uint32_t removed = in.len ? in.data[0] : 0;
	struct cv_span add = in.len ? SPAN(in.data + 1, in.len - 1) : SPAN_NONE;

	own_commit(x, &(struct mls_commit){.removes = &removed, .n_removes = 1, .adds = &add, .n_adds = add.len > 0});
}

static void own_extensions(struct session *x, struct cv_span in)
{
	struct mls_extension e = {.type = in.len ? in.data[0] : 0, .data = in.len ? SPAN(in.data + 1, in.len - 1) : in};

	own_commit(x, &(struct mls_commit){.set_extensions = true, .extensions = &e, .n_extensions = 1});
}

static int own_message(struct mls_group *g, uint8_t which, struct cv_span in, struct cv_buf *out)
{
	switch (which) {
	case OWN_ENCRYPT: return mls_group_encrypt(g, in, SPAN_NONE, out);
	case OWN_UPDATE: return mls_group_propose_update(g, NULL, in, out);
	case OWN_PROPOSE_ADD: return mls_group_propose_add(g, in, SPAN_NONE, out);
	default: return mls_group_propose_remove(g, in.len ? in.data[0] : 0, SPAN_NONE, out);
	}
}

static void own(struct session *x, struct mls_group *peer, const struct step *st)
{
	uint8_t what = st->in.len ? st->in.data[0] : 0;
	struct cv_span in = st->in.len ? SPAN(st->in.data + 1, st->in.len - 1) : SPAN_NONE;
	struct mls_group *g = x->at[JUDGE];

	switch (what) {
	case OWN_ENCRYPT:
	case OWN_UPDATE:
	case OWN_PROPOSE_ADD:
	case OWN_PROPOSE_REMOVE:
		if (!own_message(g, what, in, &x->msg))
			say(x, JUDGE, BUF_SPAN(x->msg));
		mls_state_check(g);
		break;
	case OWN_COMMIT: own_commit(x, &(struct mls_commit){.authenticated_data = in}); break;
	case OWN_COMMIT_NOTHING: own_commit(x, &(struct mls_commit){.drop_proposals = true}); break;
	case OWN_MERGE: own_merge(x); break;
	case OWN_CLEAR_PENDING: mls_group_clear_pending(g); break;
	case OWN_CLEAR_PROPOSALS: mls_group_clear_proposals(g); break;
	case OWN_COMMIT_CHANGES: own_changes(x, in); break;
	case OWN_COMMIT_EXTENSIONS: own_extensions(x, in); break;
	}
}

/* --- a session --- */

static void (*const kinds[N_STEPS])(struct session *x, struct mls_group *g, const struct step *st) = {
	[STEP_RAW] = raw,
	[STEP_SPEAK] = speak,
	[STEP_SPEAK_OUT_OF_ORDER] = speak_out_of_order,
	[STEP_SPEAK_LATE] = speak_late,
	[STEP_PROPOSE] = propose,
	[STEP_COMMIT_BODY] = commit_body,
	[STEP_COMMIT_LIST] = commit_list,
	[STEP_GRAFT_LIST] = graft_list,
	[STEP_COMMIT_HONESTLY] = commit_honestly,
	[STEP_EXTERNAL_PROPOSAL] = external_proposal,
	[STEP_NEWCOMER_PROPOSAL] = newcomer_proposal,
	[STEP_NEWCOMER_COMMIT] = newcomer_commit,
	[STEP_JOIN_OUTSIDE] = join_outside,
	[STEP_OWN] = own,
};

/* Whoever is asked for, or else the other one, if it is in JUDGE's epoch; NULL. */
static struct mls_group *sender(struct session *x, int *from)
{
	struct mls_group *judge = x->at[JUDGE], *g;

	for (int i = 0; i < 2; i++, *from = !*from) {
		g = catch_up(x, *from);
		if (!g || !mls_span_equal(mls_group_epoch_authenticator(g), mls_group_epoch_authenticator(judge)))
			continue;
		share_kept(judge, g);
		return g;
	}
	return NULL;
}

static bool next_step(struct session *x, struct cv_reader *r)
{
	struct step st;
	struct mls_group *g;
	uint16_t len;
	uint8_t kind;

	if (cv_reader_get_u8(r, &kind) || cv_reader_get_u16(r, &len) || x->at[JUDGE]->removed)
		return false;
	st = (struct step){.from = kind & FROM_OTHER ? OTHER_PEER : PEER,
			   .private = kind & IN_PRIVATE,
			   .mend = kind & MENDED,
			   .in = {.len = len < r->left ? len : r->left}};
	MUST(cv_reader_get(r, st.in.len, &st.in.data));
	kind &= KIND_MASK;
	g = kind == STEP_RAW || kind == STEP_OWN ? NULL : sender(x, &st.from);
	if (kind >= N_STEPS || (!g && kind != STEP_RAW && kind != STEP_OWN))
		return true;
	cv_buf_init(&x->msg, FUZZ_MAX);
	cv_buf_init(&x->body, FUZZ_MAX);
	kinds[kind](x, g, &st);
	cv_buf_done(&x->msg);
	cv_buf_done(&x->body);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct mls_state *states = mls_states();
	struct session x = {0};
	struct cv_reader r;

	if (!size || data[0] >= N_STATES)
		return 0;
	x.s = &states[data[0]];
	x.at[JUDGE] = mls_state_open(x.s, JUDGE);
	if (data[0] == STATE_PENDING)
		own_commit(&x, &(struct mls_commit){0});
	cv_reader_init(&r, data + 1, size - 1);
	for (int i = 0; i < STEPS_MAX && next_step(&x, &r); i++)
		;
	for (int i = 0; i < EARLIER; i++)
		mls_group_free(x.at[i]);
	for (size_t i = 0; i < x.n_said; i++)
		cv_buf_done(&x.said[i].msg);
	cv_buf_done(&x.pending);
	return 0;
}
