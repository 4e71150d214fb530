/* SPDX-License-Identifier: Apache-2.0 */
#include "../../libs/mls/tests/forge.h"
#include "mls_doors.h"

static const enum mls_state_id states[N_DOORS] = {[DOOR_CROWD] = STATE_CROWD,
						  [DOOR_X509] = STATE_X509,
						  [DOOR_P256] = STATE_P256,
						  [DOOR_REINIT] = STATE_ENDED,
						  [DOOR_BRANCH] = STATE_PAIR};

/* The host lets the joiner in; the Welcome stays in out. */
static void let_in(struct door *d, int which, struct mls_commit_output *out)
{
	struct mls_group *peer = mls_state_open(d->s, PEER);
	const struct mls_member *member = &d->s->who[PEER].member;
	struct cv_span kp = mls_key_package_message(d->kp);

	if (which == DOOR_REINIT) {
		MUST(mls_group_reinit(peer, &fuzz_options, member, &kp, 1, out, &d->host));
	} else if (which == DOOR_BRANCH) {
		MUST(mls_group_branch(peer, &fuzz_options, member, SPAN_STR("branch"), &kp, 1, out, &d->host));
	} else {
		MUST(mls_group_commit(
			peer,
			&(struct mls_commit){.adds = &kp, .n_adds = 1, .drop_proposals = true, .force_path = true},
			out));
		MUST(mls_group_merge_pending(peer));
		d->host = peer;
		return;
	}
	mls_group_free(peer);
}

static void look_inside(struct door *d)
{
	struct cv_buf info;

	d->inside = mls_state_open(d->s, PEER);
	cv_buf_init(&info, FUZZ_MAX);
	cv_buf_init(&d->inside_info, FUZZ_MAX);
	cv_buf_init(&d->inside_tree, FUZZ_MAX);
	cv_buf_init(&d->message, FUZZ_MAX);
	MUST(mls_group_tree(d->inside, &d->inside_tree));
	MUST(forge_message(d->inside, MLS_PRIVATE_MESSAGE, MLS_CONTENT_APPLICATION, SPAN_STR("hello"), SPAN_NONE,
			   &d->message));
	if (!mls_group_info(d->inside, true, &info)) /* not after a ReInit */
		mls_put_span_raw(&d->inside_info, SPAN(info.data + 4, info.len - 4));
	cv_buf_done(&info);
}

static void make(struct door *d, int which, struct mls_state *s)
{
	bool successor = which == DOOR_REINIT || which == DOOR_BRANCH;
	struct mls_commit_output out;

	d->s = s;
	d->joiner = &s->who[successor ? JUDGE : NEWCOMER];
	d->kp = d->joiner->kp;
	if (successor) {
		d->old = mls_state_open(s, JUDGE);
		d->descent = mls_group_resumption_psk(d->old);
	}
	fuzz_descent = d->descent;
	let_in(d, which, &out);
	d->welcome = out.welcome;
	cv_buf_init(&out.welcome, FUZZ_MAX);
	mls_commit_output_done(&out);
	cv_buf_init(&d->secrets, FUZZ_MAX);
	cv_buf_init(&d->info, FUZZ_MAX);
	cv_buf_init(&d->tree, FUZZ_MAX);
	open_welcome(d->host, d->kp, BUF_SPAN(d->welcome), &d->secrets, &d->info);
	MUST(mls_group_tree(d->host, &d->tree));
	look_inside(d);
}

struct door *mls_doors(void)
{
	static struct door doors[N_DOORS];
	struct mls_state *s = mls_states();

	if (!doors[0].s) {
		for (int i = 0; i < N_DOORS; i++)
			make(&doors[i], i, &s[states[i]]);
		mls_states();
	}
	return doors;
}
