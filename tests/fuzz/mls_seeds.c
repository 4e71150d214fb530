/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the seeds of fuzz-mls_session and fuzz-mls_join into two folders: mls-seeds SESSION-FOLDER JOIN-FOLDER */
#include <stdio.h>

#include "../../libs/mls/tests/forge.h"
#include "mls_doors.h"
#include "mls_steps.h"

static const char *folder;

static void write_seed(const char *name, struct cv_buf *b)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "wb");
	MUST(!f || cv_buf_status(b) || fwrite(b->data, 1, b->len, f) != b->len);
	MUST(fclose(f));
	cv_buf_done(b);
}

/* --- sessions --- */

static struct cv_buf start(enum mls_state_id state)
{
	struct cv_buf b;

	cv_buf_init(&b, FUZZ_MAX);
	cv_buf_put_u8(&b, state);
	return b;
}

static void step(struct cv_buf *b, unsigned kind, struct cv_span in)
{
	cv_buf_put_u8(b, (uint8_t)kind);
	cv_buf_put_vec16(b, in.data, in.len);
}

static void step_own(struct cv_buf *b, enum own_act act, struct cv_span in)
{
	cv_buf_put_u8(b, STEP_OWN);
	cv_buf_put_u16(b, (uint16_t)(1 + in.len));
	cv_buf_put_u8(b, act);
	mls_put_span_raw(b, in);
}

/* `head`: the bytes before the proposals; `listed`: as they stand in a commit's list. */
static void step_proposals(struct cv_buf *b, unsigned kind, struct cv_span head, bool listed, const struct proposal *p,
			   size_t n)
{
	struct cv_buf in;

	cv_buf_init(&in, FUZZ_MAX);
	mls_put_span_raw(&in, head);
	for (size_t i = 0; i < n; i++) {
		if (listed)
			cv_buf_put_u8(&in, BY_VALUE);
		mls_put_proposal(&in, &p[i]);
	}
	step(b, kind, BUF_SPAN(in));
	cv_buf_done(&in);
}

static struct proposal add_newcomer(const struct mls_state *s)
{
	return (struct proposal){.type = MLS_PROPOSAL_ADD, .add = s->who[NEWCOMER].kp->kp};
}

static const struct proposal remove_5 = {.type = MLS_PROPOSAL_REMOVE, .removed = 5};
static const struct proposal psk = {
	.type = MLS_PROPOSAL_PSK,
	.psk = {.usage = MLS_PSK_EXTERNAL, .id = SPAN_STR("id"), .nonce = SPAN_STR("0123456789abcdef0123456789abcdef")},
};
static const struct proposal no_extensions = {.type = MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS};
static const struct proposal reinit = {.type = MLS_PROPOSAL_REINIT,
				       .reinit = {.group_id = SPAN_STR("next"), .version = 1, .suite = 2}};

static const struct proposal old_psk = {
	.type = MLS_PROPOSAL_PSK,
	.psk = {.usage = MLS_PSK_APPLICATION,
		.group_id = SPAN_STR("fuzz"),
		.epoch = 5,
		.nonce = SPAN_STR("0123456789abcdef0123456789abcdef")},
};
static const struct proposal older_psk = {
	.type = MLS_PROPOSAL_PSK,
	.psk = {.usage = MLS_PSK_APPLICATION,
		.group_id = SPAN_STR("fuzz"),
		.epoch = 3,
		.nonce = SPAN_STR("0123456789abcdef0123456789abcdef")},
};

static void lives_of_two(void)
{
	struct cv_buf b = start(STATE_PAIR);

	step(&b, STEP_SPEAK | IN_PRIVATE, SPAN_STR("hello"));
	step(&b, STEP_SPEAK_LATE | IN_PRIVATE, SPAN_STR("late"));
	step(&b, STEP_COMMIT_HONESTLY, SPAN_STR("header"));
	step_own(&b, OWN_COMMIT, SPAN_NONE);
	step_own(&b, OWN_MERGE, SPAN_NONE);
	step_own(&b, OWN_ENCRYPT, SPAN_STR("hi"));
	step(&b, STEP_COMMIT_HONESTLY | IN_PRIVATE, SPAN_NONE);
	write_seed("pair", &b);

	b = start(STATE_PAIR);
	step_proposals(&b, STEP_COMMIT_LIST, SPAN_STR("\0\0"), true, &reinit, 1);
	step(&b, STEP_SPEAK | IN_PRIVATE, SPAN_STR("hello"));
	write_seed("pair_reinit", &b);

	b = start(STATE_ENDED);
	step(&b, STEP_SPEAK | IN_PRIVATE, SPAN_STR("hello"));
	step(&b, STEP_COMMIT_HONESTLY, SPAN_NONE);
	step_own(&b, OWN_COMMIT, SPAN_NONE);
	step_own(&b, OWN_ENCRYPT, SPAN_NONE);
	write_seed("ended", &b);
}

static void lives_of_many(const struct mls_state *s)
{
	struct proposal some[] = {add_newcomer(s), remove_5, psk}, odd[] = {no_extensions, no_extensions},
			psks[] = {psk, old_psk, older_psk}, twice[] = {psk, psk};
	struct cv_buf b = start(STATE_CROWD);

	step_proposals(&b, STEP_COMMIT_LIST, SPAN_STR("\0\0"), true, some, 3);
	step(&b, STEP_SPEAK | FROM_OTHER | IN_PRIVATE, SPAN_STR("hello"));
	step(&b, STEP_COMMIT_LIST | FROM_OTHER, SPAN_STR("\1\0"));
	step(&b, STEP_COMMIT_LIST | FROM_OTHER, SPAN_STR("\6\0"));
	step(&b, STEP_COMMIT_HONESTLY | FROM_OTHER, SPAN_NONE);
	write_seed("crowd_lists", &b);

	b = start(STATE_CROWD);
	step_proposals(&b, STEP_GRAFT_LIST | IN_PRIVATE, SPAN_STR("\0"), true, odd, 2);
	step_proposals(&b, STEP_GRAFT_LIST, SPAN_STR("\0"), true, twice, 2);
	step_proposals(&b, STEP_GRAFT_LIST, SPAN_STR("\0"), true, &psk, 1);
	step(&b, STEP_COMMIT_BODY, SPAN_STR("\7\1\0\3\0\0\0\5\0"));
	write_seed("crowd_grafts", &b);

	b = start(STATE_CROWD);
	step(&b, STEP_SPEAK_OUT_OF_ORDER, SPAN_STR("hello"));
	step(&b, STEP_SPEAK_OUT_OF_ORDER | FROM_OTHER, SPAN_NONE);
	step_proposals(&b, STEP_COMMIT_LIST, SPAN_STR("\0\0"), true, psks, 3);
	step(&b, STEP_SPEAK_OUT_OF_ORDER | FROM_OTHER, SPAN_STR("hello"));
	write_seed("order_and_psks", &b);

	b = start(STATE_CROWD);
	step_own(&b, OWN_COMMIT_CHANGES, SPAN_STR("\2"));
	step_own(&b, OWN_COMMIT_CHANGES, SPAN_STR("\5"));
	step_own(&b, OWN_MERGE, SPAN_NONE);
	step_own(&b, OWN_COMMIT_EXTENSIONS, SPAN_STR("\3\0\0\0"));
	step_own(&b, OWN_CLEAR_PENDING, SPAN_NONE);
	step_own(&b, OWN_PROPOSE_REMOVE, SPAN_STR("\0"));
	step_own(&b, OWN_COMMIT, SPAN_NONE);
	step_own(&b, OWN_MERGE, SPAN_NONE);
	write_seed("own", &b);

	b = start(STATE_PENDING);
	step_proposals(&b, STEP_PROPOSE, SPAN_NONE, false, &psk, 1);
	step_own(&b, OWN_MERGE, SPAN_NONE);
	step_own(&b, OWN_UPDATE, SPAN_NONE);
	step(&b, STEP_COMMIT_HONESTLY, SPAN_NONE);
	write_seed("pending", &b);

	b = start(STATE_KEPT);
	step(&b, STEP_COMMIT_LIST, SPAN_STR("\x09\x1f"));
	step(&b, STEP_COMMIT_LIST, SPAN_STR("\x00\x1f"));
	step(&b, STEP_COMMIT_HONESTLY | FROM_OTHER, SPAN_NONE);
	write_seed("kept", &b);

	b = start(STATE_UPDATING);
	step(&b, STEP_COMMIT_LIST, SPAN_STR("\0\3"));
	step(&b, STEP_COMMIT_LIST, SPAN_STR("\0\2"));
	step_own(&b, OWN_ENCRYPT, SPAN_STR("hi"));
	write_seed("updating", &b);
}

/* PEER wants another key. */
static void update(const struct mls_state *s)
{
	struct proposal p = {.type = MLS_PROPOSAL_UPDATE};
	struct mls_group *g = mls_state_open(s, PEER);
	struct cv_buf b = start(STATE_CROWD);

	p.update = *mls_tree_leaf(g->cur->tree, g->cur->own);
	p.update.v.source = MLS_LEAF_UPDATE;
	p.update.v.encryption_key = s->who[NEWCOMER].kp->kp.leaf.v.encryption_key;
	step_proposals(&b, STEP_PROPOSE | MENDED, SPAN_NONE, false, &p, 1);
	step(&b, STEP_COMMIT_LIST | FROM_OTHER, SPAN_STR("\0\1"));
	write_seed("update", &b);
	mls_group_free(g);
}

static void lives_with_others(struct mls_state *states)
{
	struct proposal add = add_newcomer(&states[STATE_SENDERS]), certified = add_newcomer(&states[STATE_X509]),
			p256 = add_newcomer(&states[STATE_P256]);
	struct cv_buf b = start(STATE_SENDERS);

	step_proposals(&b, STEP_EXTERNAL_PROPOSAL | MENDED, SPAN_STR("\0"), false, &add, 1);
	step_proposals(&b, STEP_EXTERNAL_PROPOSAL, SPAN_STR("\0"), false, &remove_5, 1);
	step(&b, STEP_COMMIT_HONESTLY, SPAN_NONE);
	write_seed("senders", &b);

	b = start(STATE_SENDERS);
	step_proposals(&b, STEP_NEWCOMER_PROPOSAL | MENDED, SPAN_NONE, false, &add, 1);
	step(&b, STEP_JOIN_OUTSIDE | MENDED, SPAN_NONE);
	step(&b, STEP_JOIN_OUTSIDE | IN_PRIVATE, SPAN_STR("header"));
	write_seed("newcomers", &b);

	b = start(STATE_X509);
	step_proposals(&b, STEP_PROPOSE | MENDED | IN_PRIVATE, SPAN_NONE, false, &certified, 1);
	step_own(&b, OWN_COMMIT, SPAN_NONE);
	step_own(&b, OWN_MERGE, SPAN_NONE);
	write_seed("x509", &b);

	b = start(STATE_P256);
	step_proposals(&b, STEP_COMMIT_LIST | MENDED, SPAN_STR("\0\0"), true, &p256, 1);
	step(&b, STEP_COMMIT_LIST | FROM_OTHER, SPAN_STR("\2\0\0"));
	write_seed("p256", &b);
}

/* The suites whose keys and hashes have other lengths: what a member does, and a list with every length in it. */
static void lives_in_other_suites(struct mls_state *states)
{
	static const uint8_t nonce[MLS_HASH_MAX];

	for (int i = STATE_X448; i <= STATE_P384; i++) {
		size_t nh = mls_suite_hash_len(states[i].suite);
		struct proposal list[] = {add_newcomer(&states[i]), psk};
		struct cv_buf b = start((enum mls_state_id)i);
		char name[32];

		list[1].psk.nonce = SPAN(nonce, nh);
		step(&b, STEP_SPEAK | IN_PRIVATE, SPAN_STR("hello"));
		step_proposals(&b, STEP_COMMIT_LIST, SPAN_STR("\0\0"), true, list, 2);
		if (i == STATE_X448) { /* the NIST curves are slow: their seeds are short */
			step_own(&b, OWN_UPDATE, SPAN_NONE);
			step(&b, STEP_COMMIT_HONESTLY | IN_PRIVATE, SPAN_NONE);
			step_own(&b, OWN_COMMIT, SPAN_NONE);
			step_own(&b, OWN_MERGE, SPAN_NONE);
			step(&b, STEP_JOIN_OUTSIDE, SPAN_NONE);
		}
		snprintf(name, sizeof(name), "suite_%u", (unsigned)states[i].suite);
		write_seed(name, &b);
	}
}

/* The body of an external commit, and one as it stands. */
static void external_commits(struct mls_state *s, const struct door *d)
{
	struct mls_external_join j = {0};
	struct cv_buf b = start(STATE_CROWD), message, commit;
	struct mls_message m;
	struct mls_group *g;

	cv_buf_init(&message, FUZZ_MAX);
	cv_buf_init(&commit, FUZZ_MAX);
	mls_put_message_head(&message, MLS_GROUP_INFO);
	mls_put_span_raw(&message, BUF_SPAN(d->inside_info));
	j.group_info = BUF_SPAN(message);
	MUST(mls_group_join_external(&fuzz_options, &s->who[NEWCOMER].member, &j, &commit, &g));
	MUST(mls_get_message(BUF_SPAN(commit), &m));
	step(&b, STEP_NEWCOMER_COMMIT, m.pub.content.body);
	step(&b, STEP_RAW, BUF_SPAN(commit));
	write_seed("external_commit", &b);
	mls_group_free(g);
	cv_buf_done(&message);
	cv_buf_done(&commit);
}

/* --- joins --- */

static struct cv_buf way(enum join_mode mode, int door, unsigned flags)
{
	struct cv_buf b;

	cv_buf_init(&b, FUZZ_MAX);
	cv_buf_put_u8(&b, mode);
	cv_buf_put_u8(&b, (uint8_t)door);
	cv_buf_put_u8(&b, (uint8_t)flags);
	return b;
}

static void welcomes(const struct door *d)
{
	static const char *const names[N_DOORS] = {"honest_crowd", "honest_x509", "honest_p256", "honest_reinit",
						   "honest_branch"};
	unsigned all = MEND_TREE_HASH | MEND_CONFIRMATION | MEND_SIGNATURE;
	struct cv_buf b;

	for (int i = 0; i < N_DOORS; i++) {
		b = way(JOIN_SEALED, i, all);
		cv_buf_put_u16(&b, 0);
		write_seed(names[i], &b);
	}
	b = way(JOIN_WELCOME, DOOR_BRANCH, 0);
	mls_put_span_raw(&b, BUF_SPAN(d[DOOR_BRANCH].welcome));
	write_seed("welcome", &b);
	b = way(JOIN_SEALED, DOOR_CROWD, all);
	cv_buf_put_vec16(&b, d[DOOR_CROWD].secrets.data, d[DOOR_CROWD].secrets.len);
	write_seed("secrets", &b);
	b = way(JOIN_SEALED, DOOR_REINIT, all);
	cv_buf_put_vec16(&b, d[DOOR_REINIT].secrets.data, d[DOOR_REINIT].secrets.len);
	write_seed("secrets_reinit", &b);
	b = way(JOIN_SEALED, DOOR_CROWD, all);
	cv_buf_put_u16(&b, 0);
	mls_put_span_raw(&b, BUF_SPAN(d[DOOR_CROWD].info));
	write_seed("group_info", &b);
}

static void outside(const struct door *d)
{
	struct cv_buf b = way(JOIN_EXTERNAL_MENDED, DOOR_CROWD, MEND_TREE_HASH | MEND_SIGNATURE), message;

	mls_put_span_raw(&b, BUF_SPAN(d[DOOR_CROWD].inside_info));
	write_seed("external_crowd", &b);
	b = way(JOIN_EXTERNAL_MENDED, DOOR_P256, MEND_TREE_HASH | MEND_SIGNATURE);
	write_seed("external_p256", &b);
	b = way(JOIN_EXTERNAL_MENDED, DOOR_X509, MEND_TREE_HASH | MEND_SIGNATURE | JOIN_RESYNC);
	write_seed("external_x509", &b);
	cv_buf_init(&message, FUZZ_MAX);
	MUST(mls_group_info(d[DOOR_CROWD].inside, false, &message));
	b = way(JOIN_EXTERNAL, DOOR_CROWD, JOIN_OUTSIDE_TREE);
	mls_put_span_raw(&b, BUF_SPAN(message));
	write_seed("external_raw", &b);
	cv_buf_done(&message);
}

static void saved(const struct door *d, const struct mls_state *states)
{
	const struct mls_key_package *kp = d[DOOR_CROWD].kp;
	struct cv_buf b = way(JOIN_KEY_PACKAGE_SAVED, DOOR_CROWD, 0);

	MUST(mls_key_package_save(kp, &b));
	write_seed("key_package", &b);
	b = way(JOIN_KEY_PACKAGE_PARTS, DOOR_P256, 0);
	kp = d[DOOR_P256].kp;
	cv_buf_put_vec16(&b, kp->init_priv.data, kp->init_priv.len);
	cv_buf_put_vec16(&b, kp->encryption_priv.data, kp->encryption_priv.len);
	mls_put_span_raw(&b, mls_key_package_message(kp));
	write_seed("key_package_parts", &b);
	b = way(JOIN_GROUP_SAVED, DOOR_BRANCH, 0);
	mls_put_span_raw(&b, BUF_SPAN(states[STATE_PAIR].saved[JUDGE]));
	write_seed("group", &b);
	b = way(JOIN_GROUP_SAVED, DOOR_CROWD, 0);
	mls_put_span_raw(&b, BUF_SPAN(states[STATE_UPDATING].saved[JUDGE]));
	write_seed("group_updating", &b);
}

int main(int argc, char **argv)
{
	struct mls_state *states = mls_states();
	const struct door *doors = mls_doors();

	if (argc != 3) {
		fprintf(stderr, "usage: %s SESSION-FOLDER JOIN-FOLDER\n", argv[0]);
		return 2;
	}
	folder = argv[1];
	lives_of_two();
	lives_of_many(&states[STATE_CROWD]);
	update(&states[STATE_CROWD]);
	lives_with_others(states);
	lives_in_other_suites(states);
	external_commits(&states[STATE_CROWD], &doors[DOOR_CROWD]);
	folder = argv[2];
	welcomes(doors);
	outside(doors);
	saved(doors, states);
	return 0;
}
