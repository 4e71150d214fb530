/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9420 sections 12.4.3.1, 11.2 and 11.3: Welcomes, those into a successor of the group among them. */
#include "cast.h"

/* "if the cipher suite indicated in the KeyPackage does not match the one in the Welcome message, return an error" */
static void test_welcome_for_another_suite(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out = {0};
	struct mls_message m;
	struct cv_buf honest;

	put_add(&x->list, person_offer(&x->d));
	cv_buf_init(&honest, BUF_MAX);
	cv_buf_init(&out.welcome, BUF_MAX);
	assert_int_equal(forge_commit(x->a.group, SPAN_OF(x->list), FORGE_NOTHING, &x->msg, &honest), 0);
	for (uint16_t suite = 0; suite <= 8; suite++) {
		assert_int_equal(mls_get_message(SPAN_OF(honest), &m), 0);
		m.welcome.suite = suite;
		cv_buf_reset(&out.welcome);
		mls_put_message(&out.welcome, &m);
		mls_group_free(x->d.group);
		x->d.group = NULL;
		assert_int_equal(person_join(&x->d, &out), suite == 1 ? 0 : CV_EINVAL);
	}
	cv_buf_done(&honest);
	mls_commit_output_done(&out);
}

/* A Welcome whose GroupSecrets are as given, sealed to Dave's KeyPackage by somebody who knows the GroupInfo's key. */
static int welcomed_with(struct cast *x, const struct mls_commit_output *made, const struct group_secrets *gs)
{
	struct mls_commit_output out = {0};
	struct welcome_secret ws;
	uint8_t enc[32], ct[1024];
	struct mls_message m, kp;
	struct cv_buf plain, list;
	struct hpke_info info;
	struct mls_crypto *c = &x->a.group->crypto;
	int err;

	cv_buf_init(&plain, 1000);
	cv_buf_init(&list, 4096);
	cv_buf_init(&out.welcome, BUF_MAX);
	assert_int_equal(mls_get_message(SPAN_OF(made->welcome), &m), 0);
	assert_int_equal(mls_get_message(mls_key_package_message(x->d.kp), &kp), 0);
	mls_put_group_secrets(&plain, gs);
	assert_int_equal(mls_hpke_label_info(c, "Welcome", m.welcome.encrypted_group_info, &info), 0);
	assert_int_equal(mls_hpke_base_seal(c, kp.key_package.init_key, &info, SPAN_NONE, SPAN_OF(plain), enc, ct), 0);
	ws.new_member = mls_key_package_ref(x->d.kp);
	ws.encrypted.kem_output = SPAN(enc, 32);
	ws.encrypted.ciphertext = SPAN(ct, plain.len + TAG_LEN);
	mls_put_welcome_secret(&list, &ws);
	m.welcome.secrets = SPAN_OF(list);
	mls_put_message(&out.welcome, &m);
	err = person_join(&x->d, &out);
	mls_group_free(x->d.group);
	x->d.group = NULL;
	cv_buf_done(&plain);
	cv_buf_done(&list);
	mls_commit_output_done(&out);
	return err;
}

/* The GroupSecrets of a Welcome that is for Dave. */
static void open_secrets(struct cast *x, const struct mls_commit_output *made, uint8_t plain[512],
			 struct group_secrets *ret)
{
	struct mls_crypto *c = &x->a.group->crypto;
	struct welcome_secret ws;
	struct mls_message m;
	struct hpke_info info;
	struct cv_reader r;

	assert_int_equal(mls_get_message(SPAN_OF(made->welcome), &m), 0);
	cv_reader_init(&r, m.welcome.secrets.data, m.welcome.secrets.len);
	assert_int_equal(mls_get_welcome_secret(&r, &ws), 0);
	assert_int_equal(mls_hpke_label_info(c, "Welcome", m.welcome.encrypted_group_info, &info), 0);
	assert_int_equal(mls_hpke_base_open(c, &x->d.kp->init_priv, &info, ws.encrypted.kem_output, SPAN_NONE,
					    ws.encrypted.ciphertext, plain),
			 0);
	cv_reader_init(&r, plain, ws.encrypted.ciphertext.len - TAG_LEN);
	assert_int_equal(mls_get_group_secrets(&r, ret), 0);
}

static void put_id(struct cv_buf *b, enum mls_psk_usage usage, size_t nonce_len)
{
	struct psk_id id = {.usage = usage,
			    .id = SPAN_STR("id"),
			    .group_id = SPAN_STR("court"),
			    .epoch = 1,
			    .nonce = SPAN("0123456789abcdef0123456789abcdef", nonce_len)};

	mls_put_psk_id(b, &id);
}

static int welcomed_with_psks(struct cast *x, const struct mls_commit_output *made, struct group_secrets gs,
			      const enum mls_psk_usage *usages, size_t n, size_t nonce_len)
{
	struct cv_buf ids;
	int err;

	cv_buf_init(&ids, 1024);
	for (size_t i = 0; i < n; i++)
		put_id(&ids, usages[i], nonce_len);
	gs.psks = SPAN_OF(ids);
	err = welcomed_with(x, made, &gs);
	cv_buf_done(&ids);
	return err;
}

static void test_group_secrets(void **state)
{
	struct cast *x = *state;
	struct cv_span offer = person_offer(&x->d);
	struct mls_commit_output made;
	struct group_secrets gs, wrong;
	uint8_t plain[512], secret[33] = {1};

	person_commit(&x->a, &(struct mls_commit){.adds = &offer, .n_adds = 1, .force_path = true}, &made);
	open_secrets(x, &made, plain, &gs);
	assert_true(gs.has_path_secret);
	assert_int_equal(welcomed_with(x, &made, &gs), 0); /* the control */
	wrong = gs;
	wrong.joiner_secret = SPAN(secret, 32);
	assert_int_equal(welcomed_with(x, &made, &wrong), CV_EAUTH);
	wrong.joiner_secret = SPAN(gs.joiner_secret.data, 31);
	assert_int_equal(welcomed_with(x, &made, &wrong), CV_EFORMAT);
	/* "The private key MUST be the private key that corresponds to the public key in the node." */
	wrong = gs;
	wrong.path_secret = SPAN(secret, 32);
	assert_int_equal(welcomed_with(x, &made, &wrong), CV_EINVAL);
	wrong.path_secret = SPAN(gs.path_secret.data, 31);
	assert_int_equal(welcomed_with(x, &made, &wrong), CV_EINVAL);
	/* PSKs that Dave does not have, or that no Welcome outside sections 11.2 and 11.3 may name. */
	enum mls_psk_usage one[] = {MLS_PSK_EXTERNAL, MLS_PSK_REINIT, MLS_PSK_BRANCH, MLS_PSK_APPLICATION};
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(welcomed_with_psks(x, &made, gs, &one[i], 1, 32), CV_ENOTFOUND);
	assert_int_equal(welcomed_with_psks(x, &made, gs, one + 1, 2, 32), CV_EINVAL); /* "the only such PSK" */
	assert_int_equal(welcomed_with_psks(x, &made, gs, one, 1, 31), CV_EINVAL);
	/* "Identify a leaf whose LeafNode is identical to the one in the KeyPackage": another one's is not in the tree.
	 */
	person_offer(&x->d);
	assert_int_equal(welcomed_with(x, &made, &gs), CV_EINVAL);
	mls_commit_output_done(&made);
}

/* Even when the application would hand the old group's PSK out: the checks of a successor need the old group. */
static int any_psk(void *ctx, const struct mls_psk_question *q, struct cv_span *ret)
{
	*ret = TEXT("a secret");
	return 0;
}

static void test_successor_needs_its_group(void **state)
{
	const enum mls_psk_usage usage[] = {MLS_PSK_REINIT};
	struct cast *x = *state;
	struct cv_span offer = person_offer(&x->d);
	struct mls_commit_output made;
	struct group_secrets gs;
	uint8_t plain[512];

	x->d.options.policy.psk = any_psk;
	person_commit(&x->a, &(struct mls_commit){.adds = &offer, .n_adds = 1}, &made);
	open_secrets(x, &made, plain, &gs);
	assert_int_equal(welcomed_with_psks(x, &made, gs, usage, 1, 32), CV_ENOTFOUND);
	assert_int_equal(welcomed_with(x, &made, &gs), 0);
	mls_commit_output_done(&made);
}

/* --- successors --- */

static struct mls_group *old_group;

static int psk_of_old_group(void *ctx, const struct mls_psk_question *q, struct cv_span *ret)
{
	*ret = mls_group_resumption_psk(old_group);
	return 0;
}

static int succeed(struct cast *x, struct person *p, const struct cv_buf *welcome)
{
	struct mls_join j = {.welcome = SPAN_OF(*welcome), .key_package = p->kp, .signer = p->member.signer};
	int err = mls_group_join_successor(x->b.group, &p->options, &j, &p->group);

	mls_group_free(p->group);
	p->group = NULL;
	return err;
}

/* "The epoch in the Welcome message MUST be 1": a branch of a group that has lived already is none. */
static void test_branch_in_a_later_epoch(void **state)
{
	struct cast *x = *state;
	struct psk_id id = {.usage = MLS_PSK_BRANCH,
			    .group_id = SPAN_STR("court"),
			    .epoch = mls_group_epoch(x->a.group),
			    .nonce = SPAN_STR("0123456789abcdef0123456789abcdef")};
	struct mls_commit_output out;
	struct person a, b;
	struct cv_buf welcome;

	person_init(&a, &x->w, 1, "alice");
	person_init(&b, &x->w, 1, "bob");
	old_group = x->a.group;
	a.options.policy.psk = psk_of_old_group;
	person_create(&a, "side room");
	put_add(&x->list, person_offer(&b));
	put_by_value(&x->list, MLS_PROPOSAL_PSK);
	mls_put_psk_id(&x->list, &id);
	cv_buf_init(&welcome, BUF_MAX);
	assert_int_equal(forge_commit(a.group, SPAN_OF(x->list), FORGE_LIST, &x->msg, &welcome), 0);
	assert_int_equal(succeed(x, &b, &welcome), 0); /* the control: from epoch 0 to 1 */
	person_commit(&a, &(struct mls_commit){0}, &out);
	mls_commit_output_done(&out);
	cv_buf_reset(&welcome);
	assert_int_equal(forge_commit(a.group, SPAN_OF(x->list), FORGE_LIST, &x->msg, &welcome), 0);
	assert_int_equal(succeed(x, &b, &welcome), CV_EINVAL);
	cv_buf_done(&welcome);
	person_done(&a);
	person_done(&b);
}

/* "The version and cipher_suite values in the Welcome message are the same as those used by the old group" */
static void test_branch_of_another_suite(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out;
	struct person a, b;
	struct cv_span add;

	person_init(&a, &x->w, 3, "alice");
	person_init(&b, &x->w, 3, "bob");
	add = person_offer(&b);
	/* Both suites hash alike, so that only the rule stands in the way. */
	x->a.group->crypto.suite = mls_suite_find(3);
	assert_int_equal(
		mls_group_branch(x->a.group, &a.options, &a.member, TEXT("side room"), &add, 1, &out, &a.group), 0);
	x->a.group->crypto.suite = mls_suite_find(1);
	assert_int_equal(succeed(x, &b, &out.welcome), CV_EINVAL);
	mls_commit_output_done(&out);
	person_done(&a);
	person_done(&b);
}

/* The group ends by a ReInit to "next", and Alice founds what follows. `adds`: KeyPackages of Bob's and Carol's. */
static void end_group(struct cast *x)
{
	struct mls_reinit next = {.group_id = TEXT("next"), .suite = 1};
	struct mls_commit_output out;

	person_commit(&x->a, &(struct mls_commit){.reinit = &next}, &out);
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	mls_commit_output_done(&out);
}

/* "MUST be the same as the corresponding fields in the ReInit proposal" */
static void test_reinit_as_proposed(void **state)
{
	static const size_t fields[] = {1, 6, 8}; /* group_id, version, cipher_suite, where they stand in a ReInit */
	struct cast *x = *state;
	struct mls_commit_output out;
	struct person a, b, c;
	struct cv_span adds[2];
	struct cv_buf *reinit;

	end_group(x);
	person_init(&a, &x->w, 1, "alice");
	person_init(&b, &x->w, 1, "bob");
	person_init(&c, &x->w, 1, "carol");
	adds[0] = person_offer(&b);
	adds[1] = person_offer(&c);
	assert_int_equal(mls_group_reinit(x->a.group, &a.options, &a.member, adds, 2, &out, &a.group), 0);
	reinit = &x->b.group->cur->reinit;
	assert_int_equal(reinit->len, 10);
	for (size_t i = 0; i < 3; i++) {
		reinit->data[fields[i]] ^= 3;
		assert_int_equal(succeed(x, &b, &out.welcome), CV_EINVAL);
		reinit->data[fields[i]] ^= 3;
	}
	reinit->data[9] = 3; /* extensions */
	cv_buf_put(reinit, "\xf0\x55\x00", 3);
	assert_int_equal(succeed(x, &b, &out.welcome), CV_EINVAL);
	reinit->data[9] = 0;
	reinit->len = 10;
	assert_int_equal(succeed(x, &b, &out.welcome), 0);
	/* To a version that this library does not speak nobody can go. */
	x->a.group->cur->reinit.data[6] = 2;
	assert_int_equal(mls_group_reinit(x->a.group, &a.options, &a.member, adds, 2, &out, &a.group), CV_EUNSUPPORTED);
	mls_commit_output_done(&out);
	person_done(&a);
	person_done(&b);
	person_done(&c);
}

/* Which proof the Welcome of "next" brings along; NULL: none. */
static int next_with(struct cast *x, struct person *a, struct person *b, struct person *c, const struct psk_id *proof)
{
	struct cv_buf welcome, commit;
	int err;

	mls_group_free(a->group);
	a->group = NULL;
	person_create(a, "next");
	cv_buf_reset(&x->list);
	put_add(&x->list, person_offer(b));
	put_add(&x->list, person_offer(c));
	if (proof) {
		put_by_value(&x->list, MLS_PROPOSAL_PSK);
		mls_put_psk_id(&x->list, proof);
	}
	cv_buf_init(&welcome, BUF_MAX);
	cv_buf_init(&commit, BUF_MAX);
	assert_int_equal(forge_commit(a->group, SPAN_OF(x->list), FORGE_LIST, &commit, &welcome), 0);
	err = succeed(x, b, &welcome);
	cv_buf_done(&welcome);
	cv_buf_done(&commit);
	return err;
}

/* The group ends by ReInit; who goes on, and what proves it. */
static void end_for_next(struct cast *x, struct psk_id *proof, struct person *a, struct person *b, struct person *c)
{
	end_group(x);
	*proof = (struct psk_id){.usage = MLS_PSK_REINIT,
				 .group_id = SPAN_STR("court"),
				 .epoch = mls_group_epoch(x->a.group),
				 .nonce = SPAN_STR("0123456789abcdef0123456789abcdef")};
	person_init(a, &x->w, 1, "alice");
	person_init(b, &x->w, 1, "bob");
	person_init(c, &x->w, 1, "carol");
	old_group = x->a.group;
}

/* Section 11.2: the Welcome's PSK, usage reinit, of the old group's last epoch, is what makes a group its successor. */
static void test_reinit_without_proof(void **state)
{
	struct cast *x = *state;
	struct psk_id proof, wrong;
	struct person a, b, c;

	end_for_next(x, &proof, &a, &b, &c);
	a.options.policy.psk = b.options.policy.psk = psk_of_old_group;
	assert_int_equal(next_with(x, &a, &b, &c, &proof), 0); /* the control */
	assert_int_equal(next_with(x, &a, &b, &c, NULL), CV_EINVAL);
	/* Whatever the application would hand out under these names. */
	wrong = proof;
	wrong.usage = MLS_PSK_BRANCH;
	assert_int_equal(next_with(x, &a, &b, &c, &wrong), CV_EINVAL);
	wrong.usage = MLS_PSK_APPLICATION;
	assert_int_equal(next_with(x, &a, &b, &c, &wrong), CV_EINVAL);
	wrong = proof;
	wrong.epoch--;
	assert_int_equal(next_with(x, &a, &b, &c, &wrong), CV_EINVAL);
	wrong = proof;
	wrong.group_id = SPAN_STR("cour");
	assert_int_equal(next_with(x, &a, &b, &c, &wrong), CV_EINVAL);
	person_done(&a);
	person_done(&b);
	person_done(&c);
}

/* "The epoch in the Welcome message MUST be 1" for a ReInit as for a branch. */
static void test_reinit_in_a_later_epoch(void **state)
{
	struct cast *x = *state;
	struct psk_id proof;
	struct mls_commit_output out;
	struct person a, b, c;
	struct cv_buf welcome;
	struct cv_span add;

	end_for_next(x, &proof, &a, &b, &c);
	a.options.policy.psk = psk_of_old_group;
	person_create(&a, "next");
	add = person_offer(&c);
	person_commit(&a, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	mls_commit_output_done(&out);
	put_add(&x->list, person_offer(&b));
	put_by_value(&x->list, MLS_PROPOSAL_PSK);
	mls_put_psk_id(&x->list, &proof);
	cv_buf_init(&welcome, BUF_MAX);
	assert_int_equal(forge_commit(a.group, SPAN_OF(x->list), FORGE_LIST, &x->msg, &welcome), 0);
	assert_int_equal(succeed(x, &b, &welcome), CV_EINVAL);
	cv_buf_done(&welcome);
	person_done(&a);
	person_done(&b);
	person_done(&c);
}

/* The first letter of a name: what this application knows people by. */
static int first_letter(void *ctx, const struct mls_leaf_view *leaf, struct cv_span *ret)
{
	*ret = SPAN(leaf->credential.data.data, 1);
	return 0;
}

/* "verify that all the members of the old group are also members of the new group, according to the application" */
static void test_reinit_without_carol(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out;
	struct person a, b, c;
	struct cv_span adds[2];

	end_group(x);
	person_init(&a, &x->w, 1, "alice");
	person_init(&b, &x->w, 1, "bob");
	person_init(&c, &x->w, 1, "carol's other name");
	adds[0] = person_offer(&b);
	adds[1] = person_offer(&c);
	mls_tree_remove(x->a.group->cur->tree, 2); /* Alice is not to notice */
	assert_int_equal(mls_group_reinit(x->a.group, &a.options, &a.member, adds, 1, &out, &a.group), 0);
	assert_int_equal(succeed(x, &b, &out.welcome), CV_EINVAL);
	mls_commit_output_done(&out);
	mls_group_free(a.group);
	a.group = NULL;
	/* Who is who is for the application to say. */
	assert_int_equal(mls_group_reinit(x->a.group, &a.options, &a.member, adds, 2, &out, &a.group), 0);
	assert_int_equal(succeed(x, &b, &out.welcome), CV_EINVAL);
	b.options.policy.identity = first_letter;
	assert_int_equal(succeed(x, &b, &out.welcome), 0);
	mls_commit_output_done(&out);
	person_done(&a);
	person_done(&b);
	person_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CAST(test_welcome_for_another_suite), WITH_CAST(test_group_secrets),
		WITH_CAST(test_successor_needs_its_group), WITH_CAST(test_branch_in_a_later_epoch),
		WITH_CAST(test_branch_of_another_suite),   WITH_CAST(test_reinit_as_proposed),
		WITH_CAST(test_reinit_without_carol),      WITH_CAST(test_reinit_without_proof),
		WITH_CAST(test_reinit_in_a_later_epoch),
	};

	return cmocka_run_group_tests_name("mls refuses welcomes", tests, NULL, NULL);
}
