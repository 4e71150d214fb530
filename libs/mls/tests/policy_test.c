/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy is shown of each proposal, and what it can refuse by it; and the lists that it reads: section 5.3.1. */
#include "helper.h"

#include "../src/state.h"

#define BUF_MAX (1 << 20)
#define EXT     0xf123

/* A person whose policy looks at every change, alone and in a commit. `p` comes first: it is the other hooks' ctx. */
struct judge {
	struct person p;
	int (*look)(struct judge *j, const struct mls_change *c);
	unsigned seen;
};

static int judge_proposal(void *ctx, const struct mls_proposal_question *q)
{
	struct judge *j = ctx;

	return j->look ? j->look(j, q->change) : 0;
}

static int judge_commit(void *ctx, const struct mls_commit_question *q)
{
	struct judge *j = ctx;
	int err = 0;

	for (size_t i = 0; !err && j->look && i < q->n_changes; i++)
		err = j->look(j, &q->changes[i]);
	return err;
}

static void judge_init(struct judge *j, struct world *w, uint16_t suite, const char *name)
{
	j->look = NULL;
	j->seen = 0;
	person_init(&j->p, w, suite, name);
	j->p.options.policy.commit = judge_commit;
	j->p.options.policy.proposal = judge_proposal;
}

/* Alice, who does as she likes, and Bob, who judges; both in epoch 1. */
struct pair {
	struct world w;
	struct judge a, b;
};

static void pair_init(struct pair *x, uint16_t suite)
{
	struct mls_commit_output out;
	struct cv_span add;

	world_init(&x->w, suite);
	judge_init(&x->a, &x->w, suite, "alice");
	judge_init(&x->b, &x->w, suite, "bob");
	person_create(&x->a.p, "pair");
	add = person_offer(&x->b.p);
	person_commit(&x->a.p, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	assert_int_equal(person_join(&x->b.p, &out), 0);
	mls_commit_output_done(&out);
}

static void pair_done(struct pair *x)
{
	person_done(&x->a.p);
	person_done(&x->b.p);
}

/* Alice commits; Bob's answer is `want`. When he refuses he is where he was, and she takes it back. */
static void commit(struct pair *x, const struct mls_commit *what, int want)
{
	uint64_t epoch = mls_group_epoch(x->b.p.group);
	struct mls_commit_output out;

	assert_int_equal(mls_group_commit(x->a.p.group, what, &out), 0);
	assert_int_equal(person_process(&x->b.p, &out.commit), want);
	mls_commit_output_done(&out);
	if (want) {
		assert_int_equal(mls_group_epoch(x->b.p.group), epoch);
		mls_group_clear_pending(x->a.p.group);
		return;
	}
	assert_int_equal(mls_group_merge_pending(x->a.p.group), 0);
	assert_agree(&x->a.p, &x->b.p);
}

/* --- ReInit --- */

static int no_downgrade(struct judge *j, const struct mls_change *c)
{
	if (c->type != MLS_PROPOSAL_REINIT)
		return 0;
	j->seen++;
	return c->version != 1 || mls_suite_hash_len(c->suite) < mls_suite_hash_len(j->p.suite) ? CV_EDENIED : 0;
}

static void test_reinit_downgrade(void **state)
{
	struct mls_reinit weaker = {.group_id = TEXT("next"), .suite = 1}, unknown = weaker, equal = weaker;
	struct mls_commit_output out;
	struct mls_reinit_view info;
	struct cv_buf m;
	struct pair x;

	unknown.suite = 0x7777;
	equal.suite = 4;
	pair_init(&x, 5);
	cv_buf_init(&m, BUF_MAX);
	x.b.look = no_downgrade;
	commit(&x, &(struct mls_commit){.reinit = &weaker}, CV_EDENIED);
	commit(&x, &(struct mls_commit){.reinit = &unknown}, CV_EDENIED);
	assert_int_equal(x.b.seen, 2);
	/* As a proposal of its own, and in a commit of his own. */
	assert_int_equal(mls_group_propose_reinit(x.a.p.group, &weaker, NOTHING, &m), 0);
	assert_int_equal(person_process(&x.b.p, &m), CV_EDENIED);
	assert_int_equal(mls_group_n_proposals(x.b.p.group), 0);
	mls_group_clear_proposals(x.a.p.group);
	assert_int_equal(mls_group_commit(x.b.p.group, &(struct mls_commit){.reinit = &weaker}, &out), CV_EDENIED);
	assert_false(mls_group_has_pending(x.b.p.group));
	assert_int_equal(x.b.seen, 4);
	/* No weaker than what there is. */
	commit(&x, &(struct mls_commit){.reinit = &equal}, 0);
	assert_int_equal(mls_group_reinit_info(x.b.p.group, &info), 0);
	assert_int_equal(info.suite, 4);
	assert_int_equal(info.version, 1);
	cv_buf_done(&m);
	pair_done(&x);
}

static int sees_version_2(struct judge *j, const struct mls_change *c)
{
	j->seen++;
	assert_int_equal(c->version, 2);
	return CV_EDENIED;
}

/* A later version is a valid proposal; only the policy can say that it is not wanted. */
static void test_reinit_version(void **state)
{
	struct proposal p = {.type = MLS_PROPOSAL_REINIT,
			     .reinit = {.group_id = TEXT("next"), .version = 2, .suite = 1}};
	struct framed f = {.wire_format = MLS_PUBLIC_MESSAGE};
	struct cv_buf body, m;
	struct epoch *e;
	struct pair x;

	pair_init(&x, 1);
	cv_buf_init(&body, BUF_MAX);
	cv_buf_init(&m, BUF_MAX);
	e = x.a.p.group->cur;
	x.b.look = sees_version_2;
	mls_put_proposal(&body, &p);
	assert_int_equal(mls_framed_init(&f, e, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, NOTHING, SPAN_OF(body)), 0);
	assert_int_equal(mls_framed_sign(&f, &e->signer, SPAN_OF(e->context)), 0);
	assert_int_equal(mls_framed_protect(&f, e, &x.a.p.group->crypto, &x.a.p.options, &m), 0);
	assert_int_equal(person_process(&x.b.p, &m), CV_EDENIED);
	assert_int_equal(x.b.seen, 1);
	mls_framed_done(&f);
	cv_buf_done(&body);
	cv_buf_done(&m);
	pair_done(&x);
}

/* --- PSKs --- */

static bool is(struct cv_span s, const char *text)
{
	return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static int sees_psks(struct judge *j, const struct mls_change *c)
{
	assert_int_equal(c->type, MLS_PROPOSAL_PSK);
	j->seen++;
	if (c->psk.usage == MLS_PSK_EXTERNAL)
		return is(c->psk.psk_id, "good") ? 0 : CV_EDENIED;
	assert_int_equal(c->psk.usage, MLS_PSK_APPLICATION);
	assert_true(is(c->psk.group_id, "pair"));
	/* Nothing from before epoch 2 is to be mixed in. */
	return c->psk.epoch >= 2 ? 0 : CV_EDENIED;
}

static void use_psk(struct pair *x, const struct mls_psk_question *q, int want)
{
	struct cv_buf m;

	x->a.p.psk_id = x->b.p.psk_id = q->psk_id;
	x->a.p.psk = x->b.p.psk = TEXT("a key that both have");
	cv_buf_init(&m, BUF_MAX);
	x->b.seen = 0;
	assert_int_equal(mls_group_propose_psk(x->a.p.group, q, NOTHING, &m), 0);
	assert_int_equal(person_process(&x->b.p, &m), want);
	mls_group_clear_proposals(x->a.p.group);
	mls_group_clear_proposals(x->b.p.group);
	commit(x, &(struct mls_commit){.psks = q, .n_psks = 1}, want);
	assert_int_equal(x->b.seen, 2);
	cv_buf_done(&m);
}

static void test_psks(void **state)
{
	struct pair x;

	pair_init(&x, 1);
	commit(&x, &(struct mls_commit){0}, 0);
	assert_int_equal(mls_group_epoch(x.a.p.group), 2);
	x.b.look = sees_psks;
	use_psk(&x, &(struct mls_psk_question){.usage = MLS_PSK_EXTERNAL, .psk_id = TEXT("good")}, 0);
	use_psk(&x, &(struct mls_psk_question){.usage = MLS_PSK_EXTERNAL, .psk_id = TEXT("bad")}, CV_EDENIED);
	use_psk(&x, &(struct mls_psk_question){.usage = MLS_PSK_APPLICATION, .group_id = TEXT("pair"), .epoch = 2}, 0);
	use_psk(&x, &(struct mls_psk_question){.usage = MLS_PSK_APPLICATION, .group_id = TEXT("pair"), .epoch = 1},
		CV_EDENIED);
	pair_done(&x);
}

/* --- KeyPackages --- */

/* The person's KeyPackage once more, with one extension of the KeyPackage (not of its leaf). */
static void offer_extended(struct person *p, const char *content, struct cv_buf *out)
{
	uint8_t sig[MLS_SIGNATURE_MAX];
	struct mls_signer signer = p->member.signer;
	struct cv_buf ext, tbs;
	struct mls_message m;
	struct cv_span part;
	size_t n;

	cv_buf_init(&ext, BUF_MAX);
	cv_buf_init(&tbs, BUF_MAX);
	cv_buf_init(out, BUF_MAX);
	assert_int_equal(mls_get_message(person_offer(p), &m), 0);
	cv_buf_put_u16(&ext, EXT);
	cv_buf_put_vec(&ext, content, strlen(content));
	m.key_package.extensions = SPAN_OF(ext);
	m.key_package.signature = NOTHING;
	mls_put_key_package(&tbs, &m.key_package);
	part = SPAN(tbs.data, tbs.len - 1); /* without the empty signature */
	assert_int_equal(mls_crypto_sign(&signer, "KeyPackageTBS", &part, 1, sig, &n), 0);
	m.key_package.signature = SPAN(sig, n);
	mls_put_message_head(out, MLS_KEY_PACKAGE);
	mls_put_key_package(out, &m.key_package);
	assert_int_equal(cv_buf_status(out), 0);
	cv_buf_done(&ext);
	cv_buf_done(&tbs);
}

static int wants_invitation(struct judge *j, const struct mls_change *c)
{
	struct cv_span got;

	assert_int_equal(c->type, MLS_PROPOSAL_ADD);
	assert_int_equal(c->version, 1);
	assert_int_equal(c->suite, j->p.suite);
	assert_int_equal(mls_extension_find(c->leaf->extensions, EXT, &got), CV_ENOTFOUND);
	j->seen++;
	return mls_extension_find(c->extensions, EXT, &got) == 0 && is(got, "invited") ? 0 : CV_EDENIED;
}

static void test_key_package_extensions(void **state)
{
	static const uint16_t types[] = {EXT};
	struct cv_buf good, bad, m;
	struct cv_span add;
	struct person d;
	struct pair x;

	pair_init(&x, 1);
	person_init(&d, &x.w, 1, "dave");
	d.member.extension_types = types;
	d.member.n_extension_types = 1;
	cv_buf_init(&m, BUF_MAX);
	offer_extended(&d, "gate-crasher", &bad);
	offer_extended(&d, "invited", &good);
	x.b.look = wants_invitation;
	assert_int_equal(mls_group_propose_add(x.a.p.group, SPAN_OF(bad), NOTHING, &m), 0);
	assert_int_equal(person_process(&x.b.p, &m), CV_EDENIED);
	mls_group_clear_proposals(x.a.p.group);
	add = SPAN_OF(bad);
	commit(&x, &(struct mls_commit){.adds = &add, .n_adds = 1}, CV_EDENIED);
	add = person_offer(&d);
	commit(&x, &(struct mls_commit){.adds = &add, .n_adds = 1}, CV_EDENIED);
	add = SPAN_OF(good);
	commit(&x, &(struct mls_commit){.adds = &add, .n_adds = 1}, 0);
	assert_int_equal(x.b.seen, 4);
	cv_buf_done(&m);
	cv_buf_done(&good);
	cv_buf_done(&bad);
	person_done(&d);
	pair_done(&x);
}

/* --- external_senders and required_capabilities --- */

static int knows_senders(struct judge *j, const struct mls_change *c)
{
	struct mls_external_sender s;
	struct cv_span data;
	size_t at = 0;
	int err;

	if (mls_extension_find(c->extensions, MLS_EXT_EXTERNAL_SENDERS, &data))
		return 0;
	while ((err = mls_external_senders_next(data, &at, &s)) == 0) {
		j->seen++;
		if (s.credential.type != MLS_CREDENTIAL_BASIC || !is(s.credential.data, "server"))
			return CV_EDENIED;
	}
	return err == CV_ENOTFOUND ? 0 : err;
}

static void test_external_sender_is_judged(void **state)
{
	struct mls_external_sender s[2] = {{.credential = {MLS_CREDENTIAL_BASIC, TEXT("server")}},
					   {.credential = {MLS_CREDENTIAL_BASIC, TEXT("mallory")}}};
	struct mls_extension ext = {.type = MLS_EXT_EXTERNAL_SENDERS};
	struct mls_commit what = {.set_extensions = true, .extensions = &ext, .n_extensions = 1};
	struct cv_buf list;
	struct pair x;

	pair_init(&x, 1);
	cv_buf_init(&list, BUF_MAX);
	s[0].signature_key = s[1].signature_key = x.a.p.member.signature_key;
	x.b.look = knows_senders;
	assert_int_equal(mls_external_senders(s, 2, &list), 0);
	ext.data = SPAN_OF(list);
	commit(&x, &what, CV_EDENIED);
	assert_int_equal(x.b.seen, 2);
	cv_buf_reset(&list);
	assert_int_equal(mls_external_senders(s, 1, &list), 0);
	ext.data = SPAN_OF(list);
	commit(&x, &what, 0);
	assert_int_equal(x.b.seen, 3);
	cv_buf_done(&list);
	pair_done(&x);
}

/* How the walk ends, and how many senders came before. */
static int walk(struct cv_span data, size_t *ret_n)
{
	struct mls_external_sender s;
	size_t at = 0;
	int err;

	for (*ret_n = 0; (err = mls_external_senders_next(data, &at, &s)) == 0; ++*ret_n)
		assert_true(*ret_n < data.len);
	return err;
}

static void test_read_external_senders(void **state)
{
	static const uint8_t long_key[MLS_PUBLIC_MAX + 1];
	struct mls_external_sender s[2] = {
		{.signature_key = TEXT("first key"), .credential = {MLS_CREDENTIAL_BASIC, TEXT("first")}},
		{.signature_key = TEXT("second"), .credential = {0x7777, TEXT("of a type to come")}},
	};
	struct mls_external_sender got, untouched = {.signature_key = TEXT("before")};
	struct cv_span data;
	struct cv_buf b;
	size_t at = 0, n;

	cv_buf_init(&b, BUF_MAX);
	assert_int_equal(mls_external_senders(s, 2, &b), 0);
	data = SPAN_OF(b);
	assert_int_equal(mls_external_senders_next(data, &at, &got), 0);
	assert_true(is(got.signature_key, "first key") && is(got.credential.data, "first"));
	assert_int_equal(mls_external_senders_next(data, &at, &got), 0);
	assert_true(is(got.signature_key, "second") && is(got.credential.data, "of a type to come"));
	assert_int_equal(got.credential.type, 0x7777);
	got = untouched;
	n = at;
	assert_int_equal(mls_external_senders_next(data, &at, &got), CV_ENOTFOUND);
	assert_int_equal(at, n);
	assert_true(is(got.signature_key, "before"));
	at = data.len + 1;
	assert_int_equal(mls_external_senders_next(data, &at, &got), CV_EINVAL);
	/* Cut anywhere, one byte more, any bit the other way: no loop, no read outside. */
	for (size_t cut = 0; cut < b.len; cut++)
		assert_int_equal(walk(SPAN(b.data, cut), &n), CV_ETRUNCATED);
	for (size_t bit = 0; bit < 8 * b.len; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_true(walk(data, &n) < 0);
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_int_equal(walk(data, &n), CV_ENOTFOUND);
	assert_int_equal(n, 2);
	cv_buf_put_u8(&b, 0);
	assert_int_equal(walk(SPAN_OF(b), &n), CV_ETRAILING);
	/* The list ends inside a sender; a key longer than any; an empty list. */
	b.data[0] -= 3;
	b.len -= 4;
	assert_int_equal(walk(SPAN_OF(b), &n), CV_ETRUNCATED);
	assert_int_equal(n, 0);
	cv_buf_reset(&b);
	s[0].signature_key = SPAN(long_key, sizeof(long_key));
	assert_int_equal(mls_external_senders(s, 1, &b), 0);
	assert_int_equal(walk(SPAN_OF(b), &n), CV_ELIMIT);
	cv_buf_reset(&b);
	assert_int_equal(mls_external_senders(NULL, 0, &b), 0);
	assert_int_equal(walk(SPAN_OF(b), &n), CV_ENOTFOUND);
	/* A certificate list that is none. */
	cv_buf_reset(&b);
	s[0] = (struct mls_external_sender){.signature_key = TEXT("k"), .credential = {MLS_CREDENTIAL_X509, NOTHING}};
	assert_int_equal(mls_external_senders(s, 1, &b), 0);
	assert_int_equal(walk(SPAN_OF(b), &n), CV_EFORMAT);
	cv_buf_done(&b);
}

static void test_read_required_capabilities(void **state)
{
	static const uint16_t extensions[] = {EXT, 5}, proposals[] = {0xf001}, credentials[] = {1, 2};
	struct mls_required_capabilities_view v, other;
	struct cv_buf b;

	cv_buf_init(&b, BUF_MAX);
	assert_int_equal(mls_required_capabilities(extensions, 2, proposals, 1, credentials, 2, &b), 0);
	assert_int_equal(mls_required_capabilities_read(SPAN_OF(b), &v), 0);
	assert_int_equal(v.extensions.len, 4);
	assert_true(mls_list16_has(v.extensions, EXT) && mls_list16_has(v.extensions, 5));
	assert_int_equal(v.proposals.len, 2);
	assert_true(mls_list16_has(v.proposals, 0xf001));
	assert_true(mls_list16_has(v.credentials, 1) && mls_list16_has(v.credentials, 2));
	assert_false(mls_list16_has(v.credentials, 3));
	other = v;
	for (size_t cut = 0; cut < b.len; cut++)
		assert_int_equal(mls_required_capabilities_read(SPAN(b.data, cut), &other), CV_ETRUNCATED);
	for (size_t bit = 0; bit < 8 * b.len; bit++) {
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (mls_required_capabilities_read(SPAN_OF(b), &other) == 0)
			assert_true(other.credentials.data + other.credentials.len == b.data + b.len);
		b.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	other = v;
	cv_buf_put_u8(&b, 0);
	assert_int_equal(mls_required_capabilities_read(SPAN_OF(b), &other), CV_ETRAILING);
	assert_int_equal(mls_required_capabilities_read(SPAN("\2\0\1\1\1\0", 6), &other), CV_EFORMAT);
	assert_int_equal(mls_required_capabilities_read(SPAN("\0\0\3\0\1\2", 6), &other), CV_EFORMAT);
	assert_memory_equal(&other, &v, sizeof(v));
	assert_int_equal(mls_required_capabilities_read(SPAN("\0\0\0", 3), &other), 0);
	assert_int_equal(other.extensions.len + other.proposals.len + other.credentials.len, 0);
	cv_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reinit_downgrade),
		cmocka_unit_test(test_reinit_version),
		cmocka_unit_test(test_psks),
		cmocka_unit_test(test_key_package_extensions),
		cmocka_unit_test(test_external_sender_is_judged),
		cmocka_unit_test(test_read_external_senders),
		cmocka_unit_test(test_read_required_capabilities),
	};

	return cmocka_run_group_tests_name("mls policy", tests, NULL, NULL);
}
