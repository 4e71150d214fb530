/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 9420 section 5.3.1: each event at which a credential is shown to the application, and what the application
 * refuses there; external senders; and the uniqueness of group ids (12.4.3), which only the application can see.
 */
#include "cast.h"

/* --- leaves --- */

/* What Bob's (or Dave's) application has been asked about leaves, and the one place where it says no. */
static struct {
	enum mls_leaf_where refuse;
	unsigned asked;
} say;
#define NOWHERE ((enum mls_leaf_where)(-1))

static int judge_place(void *ctx, const struct mls_leaf_question *q)
{
	if (q->where != say.refuse)
		return 0;
	say.asked++;
	return CV_EDENIED;
}

/* Bob's group asks `hook` about leaves from here on. */
static void bob_asks(struct cast *x, int (*hook)(void *ctx, const struct mls_leaf_question *q))
{
	x->b.group->opt.policy.leaf = hook;
	say.refuse = NOWHERE;
	say.asked = 0;
}

/* Bob refuses x->msg because of a leaf in that place, then takes it. */
static void refused_in(struct cast *x, enum mls_leaf_where where)
{
	uint64_t epoch = mls_group_epoch(x->b.group);
	size_t kept = mls_group_n_proposals(x->b.group);

	say.refuse = where;
	say.asked = 0;
	assert_int_equal(person_process(&x->b, &x->msg), CV_EDENIED);
	assert_int_equal(say.asked, 1);
	assert_int_equal(mls_group_epoch(x->b.group), epoch);
	assert_int_equal(mls_group_n_proposals(x->b.group), kept);
	say.refuse = NOWHERE;
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	cv_buf_reset(&x->msg);
}

/* x->msg: a commit of Alice's, who goes on from it. */
static void alice_commits(struct cast *x, const struct mls_commit *what)
{
	struct mls_commit_output out;

	person_commit(&x->a, what, &out);
	cv_buf_reset(&x->msg);
	assert_int_equal(cv_buf_put(&x->msg, out.commit.data, out.commit.len), 0);
	mls_commit_output_done(&out);
}

/* "When a member receives a KeyPackage that it will use in an Add proposal"; "… validating an Add proposal". */
static void test_adds(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out;
	struct cv_span offer = person_offer(&x->d);
	struct mls_commit add = {.adds = &offer, .n_adds = 1};

	bob_asks(x, judge_place);
	/* Bob himself adds. */
	say.refuse = MLS_LEAF_IN_ADD;
	assert_int_equal(mls_group_commit(x->b.group, &add, &out), CV_EDENIED);
	assert_false(mls_group_has_pending(x->b.group));
	assert_int_equal(say.asked, 1);
	/* He proposes it. */
	cv_buf_reset(&x->msg);
	assert_int_equal(mls_group_propose_add(x->b.group, offer, NOTHING, &x->msg), CV_EDENIED);
	assert_int_equal(x->msg.len, 0);
	assert_int_equal(mls_group_n_proposals(x->b.group), 0);
	assert_int_equal(say.asked, 2);
	/* A member proposes it. */
	assert_int_equal(mls_group_propose_add(x->c.group, offer, NOTHING, &x->msg), 0);
	refused_in(x, MLS_LEAF_IN_ADD);
	mls_group_clear_proposals(x->b.group);
	/* The newcomer asks. */
	assert_int_equal(mls_propose_join(&x->w.env, x->d.kp, x->d.member.signer, TEXT("court"),
					  mls_group_epoch(x->b.group), &x->msg),
			 0);
	refused_in(x, MLS_LEAF_IN_ADD);
	mls_group_clear_proposals(x->b.group);
	/* A member commits it. */
	alice_commits(x, &add);
	refused_in(x, MLS_LEAF_IN_ADD);
	assert_int_equal(mls_group_n_members(x->b.group), 4);
	assert_agree(&x->a, &x->b);
}

/* What was acceptable when it was proposed is judged again when it is committed. */
static void test_add_of_old(void **state)
{
	struct cast *x = *state;

	bob_asks(x, judge_place);
	assert_int_equal(mls_group_propose_add(x->c.group, person_offer(&x->d), NOTHING, &x->msg), 0);
	assert_int_equal(person_process(&x->a, &x->msg), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	alice_commits(x, &(struct mls_commit){0});
	refused_in(x, MLS_LEAF_IN_ADD);
	assert_agree(&x->a, &x->b);
}

/* "When validating a LeafNode in an Update proposal … an UpdatePath of a Commit", by a member or a newcomer. */
static void test_updates_and_commits(void **state)
{
	struct cast *x = *state;
	struct mls_external_join j = {0};
	struct cv_buf gi;

	bob_asks(x, judge_place);
	assert_int_equal(mls_group_propose_update(x->c.group, NULL, NOTHING, &x->msg), 0);
	refused_in(x, MLS_LEAF_IN_UPDATE);
	alice_commits(x, &(struct mls_commit){0});
	refused_in(x, MLS_LEAF_IN_COMMIT);
	cv_buf_init(&gi, BUF_MAX);
	assert_int_equal(mls_group_info(x->a.group, true, &gi), 0);
	j.group_info = SPAN_OF(gi);
	assert_int_equal(mls_group_join_external(&x->d.options, &x->d.member, &j, &x->msg, &x->d.group), 0);
	refused_in(x, MLS_LEAF_IN_COMMIT);
	assert_agree(&x->b, &x->d);
	cv_buf_done(&gi);
}

/* "When validating a ratchet tree": Dave is welcomed, or comes by himself, among people whom he does not accept. */
static void test_trees_of_strangers(void **state)
{
	struct cast *x = *state;
	struct mls_external_join j = {0};
	struct mls_commit_output out;
	struct cv_span offer = person_offer(&x->d);
	struct cv_buf gi;

	x->d.options.policy.leaf = judge_place;
	say.refuse = MLS_LEAF_IN_TREE;
	say.asked = 0;
	cv_buf_init(&gi, BUF_MAX);
	assert_int_equal(mls_group_info(x->a.group, true, &gi), 0);
	j.group_info = SPAN_OF(gi);
	assert_int_equal(mls_group_join_external(&x->d.options, &x->d.member, &j, &x->msg, &x->d.group), CV_EDENIED);
	assert_int_equal(x->msg.len, 0);
	person_commit(&x->a, &(struct mls_commit){.adds = &offer, .n_adds = 1}, &out);
	assert_int_equal(person_join(&x->d, &out), CV_EDENIED);
	assert_null(x->d.group);
	assert_int_equal(say.asked, 2);
	say.refuse = NOWHERE;
	assert_int_equal(person_join(&x->d, &out), 0);
	mls_commit_output_done(&out);
	cv_buf_done(&gi);
}

/* The set of identifiers in a new credential must succeed the old one's; here: be the same. */
static int judge_successor(void *ctx, const struct mls_leaf_question *q)
{
	if (q->where != MLS_LEAF_IN_UPDATE && q->where != MLS_LEAF_IN_COMMIT)
		return 0;
	say.asked++;
	if (!q->replaced)
		return CV_EINVAL;
	return mls_span_equal(q->replaced->credential.data, q->leaf->credential.data) ? 0 : CV_EDENIED;
}

/* "verify that the set of presented identifiers in the new credential is valid as a successor" */
static void test_successors(void **state)
{
	struct cast *x = *state;
	struct mls_member other = x->c.member;
	struct mls_external_join j = {.resync = true};
	struct mls_commit_output out;
	struct mls_group *again = NULL;
	struct cv_buf gi;

	bob_asks(x, judge_successor);
	other.credential.data = TEXT("the other carol");
	/* By Update, by Commit, by external commit in place of the old leaf; then the same under the old name. */
	assert_int_equal(mls_group_propose_update(x->c.group, &other, NOTHING, &x->msg), 0);
	cast_refused(x, CV_EDENIED);
	assert_int_equal(mls_group_n_proposals(x->b.group), 0);
	assert_int_equal(mls_group_propose_update(x->c.group, NULL, NOTHING, &x->msg), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	cv_buf_reset(&x->msg);
	assert_int_equal(mls_group_commit(x->c.group, &(struct mls_commit){.member = &other}, &out), 0);
	assert_int_equal(person_process(&x->b, &out.commit), CV_EDENIED);
	mls_group_clear_pending(x->c.group);
	mls_commit_output_done(&out);
	cv_buf_init(&gi, BUF_MAX);
	assert_int_equal(mls_group_info(x->a.group, true, &gi), 0);
	j.group_info = SPAN_OF(gi);
	assert_int_equal(mls_group_join_external(&x->c.options, &other, &j, &x->msg, &again), 0);
	mls_group_free(again);
	cast_refused(x, CV_EDENIED);
	assert_int_equal(mls_group_join_external(&x->c.options, &x->c.member, &j, &x->msg, &again), 0);
	mls_group_free(again);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	assert_int_equal(say.asked, 5);
	cv_buf_done(&gi);
}

/* --- external senders --- */

/* An application that knows one external sender, Dave, and wants to see no other in its group. */
static struct cv_span trusted;
static unsigned judged;

static int judge_senders(struct cv_span extensions)
{
	struct mls_external_sender sender;
	struct cv_span data;
	size_t at = 0;
	int err;

	judged++;
	if (mls_extension_find(extensions, MLS_EXT_EXTERNAL_SENDERS, &data))
		return 0;
	while ((err = mls_external_senders_next(data, &at, &sender)) == 0)
		if (!mls_span_equal(sender.signature_key, trusted))
			return CV_EDENIED;
	return err == CV_ENOTFOUND ? 0 : err;
}

static int senders_in_commit(void *ctx, const struct mls_commit_question *q)
{
	return mls_span_equal(q->old_extensions, q->new_extensions) ? 0 : judge_senders(q->new_extensions);
}

static int senders_in_proposal(void *ctx, const struct mls_proposal_question *q)
{
	return q->change->type == MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS ? judge_senders(q->change->extensions) : 0;
}

static int senders_in_group(void *ctx, const struct mls_group *g)
{
	return judge_senders(mls_group_extensions(g));
}

/* GroupContext extensions that name these people as external senders; data in `list`. */
static struct mls_commit naming(struct cv_buf *list, struct mls_extension *ext, const struct person **who, size_t n)
{
	struct mls_external_sender senders[2];

	for (size_t i = 0; i < n; i++)
		senders[i] = (struct mls_external_sender){.signature_key = who[i]->member.signature_key,
							  .credential = who[i]->member.credential};
	cv_buf_reset(list);
	assert_int_equal(mls_external_senders(senders, n, list), 0);
	*ext = (struct mls_extension){.type = MLS_EXT_EXTERNAL_SENDERS, .data = SPAN_OF(*list)};
	return (struct mls_commit){.set_extensions = true, .extensions = ext, .n_extensions = n ? 1 : 0};
}

/* Bob refuses this list of external senders in others' commits and proposals, and makes no such commit either. */
static void senders_refused(struct cast *x, const struct mls_commit *what)
{
	struct mls_commit_output out;

	assert_int_equal(mls_group_commit(x->a.group, what, &out), 0);
	mls_group_clear_pending(x->a.group);
	cv_buf_reset(&x->msg);
	cv_buf_put(&x->msg, out.commit.data, out.commit.len);
	mls_commit_output_done(&out);
	cast_refused(x, CV_EDENIED);
	assert_int_equal(mls_group_commit(x->b.group, what, &out), CV_EDENIED);
	assert_false(mls_group_has_pending(x->b.group));
	assert_int_equal(
		mls_group_propose_extensions(x->c.group, what->extensions, what->n_extensions, NOTHING, &x->msg), 0);
	mls_group_clear_proposals(x->c.group);
	cast_refused(x, CV_EDENIED);
	assert_int_equal(mls_group_n_proposals(x->b.group), 0);
}

/* "When a member adds, or processes a commit that adds or changes, external_senders". */
static void test_senders_in_the_group(void **state)
{
	struct cast *x = *state;
	const struct person *dave[] = {&x->d}, *both[] = {&x->d, &x->a}, *alice[] = {&x->a};
	struct mls_extension ext;
	struct mls_commit what;
	struct cv_buf list;

	cv_buf_init(&list, 4096);
	trusted = x->d.member.signature_key;
	judged = 0;
	x->b.group->opt.policy.commit = senders_in_commit;
	x->b.group->opt.policy.proposal = senders_in_proposal;
	/* Added: a stranger, a stranger behind one who is known; then the known one alone. */
	what = naming(&list, &ext, alice, 1);
	senders_refused(x, &what);
	what = naming(&list, &ext, both, 2);
	senders_refused(x, &what);
	what = naming(&list, &ext, dave, 1);
	alice_commits(x, &what);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	assert_int_equal(person_process(&x->c, &x->msg), 0);
	/* Changed, then taken away. */
	what = naming(&list, &ext, alice, 1);
	senders_refused(x, &what);
	what = naming(&list, &ext, NULL, 0);
	alice_commits(x, &what);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	assert_agree(&x->a, &x->b);
	assert_int_equal(judged, 11);
	cv_buf_done(&list);
}

/* And when somebody joins a group that has them. */
static void test_senders_when_joining(void **state)
{
	struct cast *x = *state;
	const struct person *alice[] = {&x->a};
	struct mls_external_join j = {.resync = true}; /* in place of the leaf that the commit gives him */
	struct cv_span offer = person_offer(&x->d);
	struct mls_commit_output out;
	struct mls_extension ext;
	struct mls_commit what;
	struct cv_buf list, gi;

	cv_buf_init(&list, 4096);
	cv_buf_init(&gi, BUF_MAX);
	x->d.options.policy.join = senders_in_group;
	what = naming(&list, &ext, alice, 1);
	what.adds = &offer;
	what.n_adds = 1;
	trusted = x->d.member.signature_key;
	person_commit(&x->a, &what, &out);
	assert_int_equal(mls_group_info(x->a.group, true, &gi), 0);
	j.group_info = SPAN_OF(gi);
	assert_int_equal(person_join(&x->d, &out), CV_EDENIED);
	assert_int_equal(mls_group_join_external(&x->d.options, &x->d.member, &j, &x->msg, &x->d.group), CV_EDENIED);
	assert_int_equal(x->msg.len, 0);
	assert_null(x->d.group);
	trusted = x->a.member.signature_key;
	assert_int_equal(person_join(&x->d, &out), 0);
	mls_commit_output_done(&out);
	cv_buf_done(&list);
	cv_buf_done(&gi);
}

/* --- group ids --- */

/* The groups that Dave is in. */
static const struct mls_group *groups[4];

static int judge_group_id(void *ctx, const struct mls_group *g)
{
	for (size_t i = 0; i < 4 && groups[i]; i++)
		if (mls_span_equal(mls_group_id(groups[i]), mls_group_id(g)))
			return CV_EDENIED;
	return 0;
}

/* "Verify that the group_id is unique among the groups that the client is currently participating in." */
static void test_group_id_in_use(void **state)
{
	struct cast *x = *state;
	struct mls_external_join j = {.resync = true};
	struct cv_span offer;
	struct mls_commit_output out;
	struct person again;
	struct cv_buf gi;

	person_init(&again, &x->w, 1, "dave's second device");
	again.options.policy.join = judge_group_id;
	cv_buf_init(&gi, BUF_MAX);
	/* Dave is in a group of another name, and in one of the name that the court has. */
	person_create(&x->d, "cour");
	groups[0] = x->d.group;
	groups[1] = x->b.group;
	offer = person_offer(&again);
	person_commit(&x->a, &(struct mls_commit){.adds = &offer, .n_adds = 1}, &out);
	assert_int_equal(mls_group_info(x->a.group, true, &gi), 0);
	j.group_info = SPAN_OF(gi);
	assert_int_equal(person_join(&again, &out), CV_EDENIED);
	assert_int_equal(mls_group_join_external(&again.options, &again.member, &j, &x->msg, &again.group), CV_EDENIED);
	assert_int_equal(x->msg.len, 0);
	assert_null(again.group);
	/* It has left that one. */
	groups[1] = NULL;
	assert_int_equal(person_join(&again, &out), 0);
	assert_agree(&x->a, &again);
	mls_commit_output_done(&out);
	cv_buf_done(&gi);
	person_done(&again);
}

/* A branch may not take the name of a group that the client is in, its parent's for a start. */
static void test_branch_of_the_same_name(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out;
	struct person a, b;
	struct mls_join j;
	struct cv_span add;

	person_init(&a, &x->w, 1, "alice");
	person_init(&b, &x->w, 1, "bob");
	b.options.policy.join = judge_group_id;
	groups[0] = x->b.group;
	groups[1] = NULL;
	add = person_offer(&b);
	assert_int_equal(mls_group_branch(x->a.group, &a.options, &a.member, TEXT("court"), &add, 1, &out, &a.group),
			 0);
	j = (struct mls_join){.welcome = SPAN_OF(out.welcome), .key_package = b.kp, .signer = b.member.signer};
	assert_int_equal(mls_group_join_successor(x->b.group, &b.options, &j, &b.group), CV_EDENIED);
	assert_null(b.group);
	b.options.policy.join = NULL;
	assert_int_equal(mls_group_join_successor(x->b.group, &b.options, &j, &b.group), 0);
	mls_commit_output_done(&out);
	person_done(&a);
	person_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CAST(test_adds),
		WITH_CAST(test_add_of_old),
		WITH_CAST(test_updates_and_commits),
		WITH_CAST(test_trees_of_strangers),
		WITH_CAST(test_successors),
		WITH_CAST(test_senders_in_the_group),
		WITH_CAST(test_senders_when_joining),
		WITH_CAST(test_group_id_in_use),
		WITH_CAST(test_branch_of_the_same_name),
	};

	return cmocka_run_group_tests_name("mls refuses by policy", tests, NULL, NULL);
}
