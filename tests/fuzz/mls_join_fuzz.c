/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways into a group, and what was saved: the input (mls_steps.h) chooses who joins what (mls_doors.h), how, and what is
 * mended around its content (mls_mend.h). Whoever gets in must be able to speak, to save and to restore.
 */
#include <string.h>

#include "mls_doors.h"
#include "mls_steps.h"

/* --- Welcome --- */

static void join(const struct door *d, unsigned flags, struct cv_span welcome)
{
	struct mls_join j = {.welcome = welcome, .key_package = d->kp, .signer = d->joiner->member.signer};
	struct mls_group *g;
	struct cv_buf msg;
	int err;

	if (flags & JOIN_OUTSIDE_TREE)
		j.ratchet_tree = BUF_SPAN(d->tree);
	err = d->old ? mls_group_join_successor(d->old, &fuzz_options, &j, &g) : mls_group_join(&fuzz_options, &j, &g);
	if (err)
		return;
	mls_state_check(g);
	cv_buf_init(&msg, FUZZ_MAX);
	MUST(mls_group_encrypt(g, SPAN_STR("hello"), SPAN_NONE, &msg));
	cv_buf_done(&msg);
	mls_group_free(g);
}

static void welcome(struct door *d, unsigned flags, struct cv_span in)
{
	join(d, flags, in);
}

/* length (2), GroupSecrets, GroupInfo: sealed as a member seals them. */
static void sealed(struct door *d, unsigned flags, struct cv_span in)
{
	struct cv_span secrets, info;
	struct cv_reader r;
	struct cv_buf msg;

	cv_reader_init(&r, in.data, in.len);
	if (cv_reader_get_vec16(&r, FUZZ_MAX, &secrets))
		return;
	info = SPAN(r.p, r.left);
	cv_buf_init(&msg, FUZZ_MAX);
	mend_welcome(d->host, d->kp, flags, secrets.len ? secrets : BUF_SPAN(d->secrets),
		     info.len ? info : BUF_SPAN(d->info), &msg);
	join(d, flags, BUF_SPAN(msg));
	cv_buf_done(&msg);
}

/* --- external commit --- */

/* A member hears of it, and does not have to like it. */
static void tell(const struct door *d, struct cv_span commit)
{
	struct mls_group *g = mls_state_open(d->s, JUDGE);
	struct mls_received r;

	if (!mls_group_process(g, commit.data, commit.len, &r)) {
		mls_received_done(&r);
		mls_state_check(g);
	}
	mls_group_free(g);
}

static void join_external(struct door *d, unsigned flags, struct cv_span message)
{
	const struct someone *who = &d->s->who[flags & JOIN_RESYNC ? OTHER_PEER : NEWCOMER];
	struct mls_external_join j = {.group_info = message, .resync = flags & JOIN_RESYNC};
	struct mls_group *g;
	struct cv_buf commit;

	if (flags & JOIN_OUTSIDE_TREE)
		j.ratchet_tree = BUF_SPAN(d->inside_tree);
	cv_buf_init(&commit, FUZZ_MAX);
	if (!mls_group_join_external(&fuzz_options, &who->member, &j, &commit, &g)) {
		mls_state_check(g);
		mls_group_free(g);
		tell(d, BUF_SPAN(commit));
	} else {
		MUST(commit.len);
	}
	cv_buf_done(&commit);
}

/* The content of a GroupInfo without the head of its message. */
static void external(struct door *d, unsigned flags, struct cv_span in)
{
	struct cv_buf msg;

	cv_buf_init(&msg, FUZZ_MAX);
	mls_put_message_head(&msg, MLS_GROUP_INFO);
	mend_group_info(d->inside, flags & ~MEND_CONFIRMATION, NULL, NULL, in.len ? in : BUF_SPAN(d->inside_info),
			&msg);
	join_external(d, flags, BUF_SPAN(msg));
	cv_buf_done(&msg);
}

/* --- what was saved --- */

static void check_key_package(struct mls_key_package *kp)
{
	struct mls_key_package_view view;
	struct mls_key_package *copy;
	struct cv_span m = mls_key_package_message(kp);
	struct cv_buf a, b;

	cv_buf_init(&a, FUZZ_MAX);
	cv_buf_init(&b, FUZZ_MAX);
	MUST(mls_key_package_save(kp, &a));
	MUST(mls_key_package_restore(a.data, a.len, &copy));
	MUST(mls_key_package_save(copy, &b));
	MUST(!mls_span_equal(BUF_SPAN(a), BUF_SPAN(b)));
	MUST(!mls_span_equal(mls_key_package_ref(kp), mls_key_package_ref(copy)));
	(void)!mls_key_package_read(m.data, m.len, &view);
	mls_key_package_free(copy);
	cv_buf_done(&a);
	cv_buf_done(&b);
}

/* Restored, it is used: for the door's honest Welcome. */
static void use_key_package(const struct door *d, struct mls_key_package *kp)
{
	struct mls_join j = {.welcome = BUF_SPAN(d->welcome), .key_package = kp, .signer = d->joiner->member.signer};
	struct mls_group *g;

	check_key_package(kp);
	if (!mls_group_join(&fuzz_options, &j, &g))
		mls_group_free(g);
	mls_key_package_free(kp);
}

static void key_package_saved(struct door *d, unsigned flags, struct cv_span in)
{
	struct mls_key_package *kp;

	if (!mls_key_package_restore(in.data, in.len, &kp))
		use_key_package(d, kp);
}

/* length (2), init key, length (2), encryption key, the message */
static void key_package_parts(struct door *d, unsigned flags, struct cv_span in)
{
	struct cv_span init, encryption;
	struct mls_key_package *kp;
	struct cv_reader r;

	cv_reader_init(&r, in.data, in.len);
	if (cv_reader_get_vec16(&r, FUZZ_MAX, &init) || cv_reader_get_vec16(&r, FUZZ_MAX, &encryption))
		return;
	if (!mls_key_package_import(SPAN(r.p, r.left), init, encryption, &kp))
		use_key_package(d, kp);
}

/* Whatever was restored can be saved again, and lives on. */
static void group_saved(struct door *d, unsigned flags, struct cv_span in)
{
	struct mls_own_key key = mls_state_key(&d->s->who[JUDGE]);
	struct mls_commit_output out;
	struct mls_group *g;
	struct mls_received r;

	if (mls_group_restore(&fuzz_options, &key, 1, in.data, in.len, &g))
		return;
	mls_state_check(g);
	if (!mls_group_process(g, d->message.data, d->message.len, &r))
		mls_received_done(&r);
	mls_state_check(g);
	if (!mls_group_commit(g, &(struct mls_commit){0}, &out)) {
		MUST(mls_group_merge_pending(g));
		mls_state_check(g);
		mls_commit_output_done(&out);
	}
	mls_group_free(g);
}

/* --- */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const modes[N_MODES])(struct door * d, unsigned flags, struct cv_span in) = {
		[JOIN_WELCOME] = welcome,
		[JOIN_SEALED] = sealed,
		[JOIN_EXTERNAL] = join_external,
		[JOIN_EXTERNAL_MENDED] = external,
		[JOIN_KEY_PACKAGE_SAVED] = key_package_saved,
		[JOIN_KEY_PACKAGE_PARTS] = key_package_parts,
		[JOIN_GROUP_SAVED] = group_saved,
	};
	struct door *doors = mls_doors();

	if (size < 3 || data[0] >= N_MODES || data[1] >= N_DOORS)
		return 0;
	fuzz_descent = doors[data[1]].descent;
	modes[data[0]](&doors[data[1]], data[2], SPAN(data + 3, size - 3));
	return 0;
}
