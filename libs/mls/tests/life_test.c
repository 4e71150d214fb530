/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole life of a group, with every cipher suite and either kind of credential: create, add, speak, propose,
 * commit, save, restore, update, join from outside, remove.
 */
#include <stdlib.h>

#include "authority.h"
#include "helper.h"

/* Somebody whose credential may be a certificate, and who then takes nobody without one. */
struct figure {
	struct person p;
	struct cv_buf chain;
};

struct play {
	struct world w;
	uint16_t suite;
	bool x509;
	struct figure a, b, c, d;
};

static int judge_certificate(void *ctx, const struct mls_leaf_question *q)
{
	struct cv_span der;
	int err = mls_x509_cert(&q->leaf->credential, 0, &der);

	return err ? err : authority_check(der);
}

/* A chain of two: a certificate for a key, and the authority's. */
static void certify(struct cv_buf *chain, uint16_t suite, struct cv_span key, const char *name)
{
	struct cv_buf cert, issuer;

	cv_buf_init(&cert, 65536);
	cv_buf_init(&issuer, 65536);
	cv_buf_init(chain, 65536);
	assert_int_equal(authority_issue(suite, key, name, &cert), 0);
	assert_int_equal(authority_certificate(&issuer), 0);
	assert_int_equal(mls_x509_chain((struct cv_span[]){SPAN_OF(cert), SPAN_OF(issuer)}, 2, chain), 0);
	cv_buf_done(&cert);
	cv_buf_done(&issuer);
}

static void enter(struct play *y, struct figure *f, const char *name)
{
	struct person *p = &f->p;

	person_init(p, &y->w, y->suite, name);
	f->chain = (struct cv_buf){0};
	if (!y->x509)
		return;
	certify(&f->chain, y->suite, p->member.signature_key, name);
	p->member.credential = (struct mls_credential){.type = MLS_CREDENTIAL_X509, .data = SPAN_OF(f->chain)};
	p->options.policy.leaf = judge_certificate;
}

static void leave(struct figure *f)
{
	person_done(&f->p);
	cv_buf_done(&f->chain);
}

static void all_agree(struct play *y)
{
	struct person *everybody[] = {&y->a.p, &y->b.p, &y->c.p, &y->d.p};

	for (size_t i = 1; i < 4; i++)
		if (everybody[i]->group)
			assert_agree(everybody[0], everybody[i]);
}

/* The group goes to bytes and back, as when the program is started anew. */
static void restart(struct person *p)
{
	struct cv_buf saved;

	cv_buf_init_secret(&saved, 1 << 20);
	assert_int_equal(mls_group_save(p->group, &saved), 0);
	assert_int_equal(person_restore(p, &saved), 0);
	cv_buf_done(&saved);
}

/* A commit of one, who is restarted while it is pending, followed by everybody else who is in the group. */
static void commit(struct play *y, struct person *from, const struct mls_commit *what)
{
	struct person *everybody[] = {&y->a.p, &y->b.p, &y->c.p, &y->d.p};
	struct mls_commit_output out;

	assert_int_equal(mls_group_commit(from->group, what, &out), 0);
	restart(from);
	assert_int_equal(mls_group_merge_pending(from->group), 0);
	for (size_t i = 0; i < 4; i++)
		if (everybody[i] != from && everybody[i]->group)
			assert_int_equal(person_process(everybody[i], &out.commit), 0);
	mls_commit_output_done(&out);
	all_agree(y);
}

static struct mls_leaf_view leaf_of(struct person *seen_by, struct person *whose)
{
	struct mls_leaf_view leaf;

	assert_int_equal(mls_group_member(seen_by->group, mls_group_own_index(whose->group), &leaf), 0);
	return leaf;
}

/* Everybody's credential stands in the tree as it was given. */
static void check_credentials(struct play *y)
{
	struct person *everybody[] = {&y->a.p, &y->b.p, &y->c.p};
	struct cv_span der;

	for (size_t i = 0; i < 3; i++) {
		struct mls_leaf_view leaf = leaf_of(&y->c.p, everybody[i]);
		struct cv_span want = everybody[i]->member.credential.data;

		assert_int_equal(leaf.credential.type, y->x509 ? MLS_CREDENTIAL_X509 : MLS_CREDENTIAL_BASIC);
		assert_int_equal(leaf.credential.data.len, want.len);
		assert_memory_equal(leaf.credential.data.data, want.data, want.len);
		if (!y->x509)
			continue;
		assert_int_equal(mls_x509_cert(&leaf.credential, 1, &der), 0);
		assert_int_equal(authority_check(der), 0);
		assert_int_equal(mls_x509_cert(&leaf.credential, 2, &der), CV_ENOTFOUND);
	}
}

/* Alice creates; Bob is added without a path, Carol by Bob with one. */
static void gather(struct play *y)
{
	struct person *a = &y->a.p, *b = &y->b.p, *c = &y->c.p;
	struct mls_commit_output out;
	struct cv_span add;

	person_create(a, "group");
	assert_int_equal(mls_group_epoch(a->group), 0);
	assert_int_equal(mls_group_n_members(a->group), 1);
	add = person_offer(b);
	person_commit(a, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	assert_int_equal(person_join(b, &out), 0);
	mls_commit_output_done(&out);
	assert_agree(a, b);
	assert_speak(a, b);
	assert_speak(b, a);
	add = person_offer(c);
	person_commit(b, &(struct mls_commit){.adds = &add, .n_adds = 1, .force_path = true}, &out);
	assert_int_equal(person_process(a, &out.commit), 0);
	assert_int_equal(person_join(c, &out), 0);
	mls_commit_output_done(&out);
	all_agree(y);
	assert_speak(c, a);
	assert_speak(a, c);
	check_credentials(y);
}

/* Update proposals, sent as messages of their own; everybody is saved and restored before they are committed. */
static void update_by_reference(struct play *y)
{
	struct person *a = &y->a.p, *b = &y->b.p, *c = &y->c.p;
	uint8_t old[2][MLS_PUBLIC_MAX];
	struct mls_leaf_view leaf;
	struct cv_buf msg[2], early, late;

	cv_buf_init(&early, 4096);
	cv_buf_init(&late, 4096);
	/* Of two messages the second comes before the restart, the first after it. */
	assert_int_equal(mls_group_encrypt(c->group, TEXT("first"), NOTHING, &late), 0);
	assert_int_equal(mls_group_encrypt(c->group, TEXT("second"), NOTHING, &early), 0);
	assert_int_equal(person_process(a, &early), 0);
	for (int i = 0; i < 2; i++) {
		struct person *from = i ? c : b;

		cv_buf_init(&msg[i], 1 << 20);
		leaf = leaf_of(a, from);
		memcpy(old[i], leaf.encryption_key.data, leaf.encryption_key.len);
		assert_int_equal(mls_group_propose_update(from->group, NULL, NOTHING, &msg[i]), 0);
		assert_int_equal(person_process(a, &msg[i]), 0);
		assert_int_equal(person_process(i ? b : c, &msg[i]), 0);
	}
	restart(a);
	restart(b);
	restart(c);
	assert_int_equal(mls_group_n_proposals(a->group), 2);
	assert_int_equal(person_process(a, &late), 0);
	assert_int_equal(person_process(a, &late), CV_EREPLAY);
	assert_int_equal(person_process(a, &early), CV_EREPLAY);
	commit(y, a, &(struct mls_commit){0});
	for (int i = 0; i < 2; i++) {
		leaf = leaf_of(a, i ? c : b);
		assert_int_equal(leaf.source, MLS_LEAF_UPDATE);
		assert_memory_not_equal(leaf.encryption_key.data, old[i], leaf.encryption_key.len);
		cv_buf_done(&msg[i]);
	}
	check_credentials(y);
	assert_speak(b, c);
	/* The new keys open the next paths, after a restart too. */
	restart(c);
	commit(y, b, &(struct mls_commit){0});
	restart(b);
	commit(y, c, &(struct mls_commit){0});
	cv_buf_done(&early);
	cv_buf_done(&late);
}

/* An external commit of somebody new, or of a member who comes back. */
static void join_external(struct play *y, struct person *who, struct person *helper, bool resync)
{
	struct person *everybody[] = {&y->a.p, &y->b.p, &y->c.p, &y->d.p};
	struct mls_external_join j = {.resync = resync};
	struct cv_buf info, made;

	cv_buf_init(&info, 1 << 20);
	cv_buf_init(&made, 1 << 20);
	assert_int_equal(mls_group_info(helper->group, true, &info), 0);
	j.group_info = SPAN_OF(info);
	mls_group_free(who->group);
	who->group = NULL;
	assert_int_equal(mls_group_join_external(&who->options, &who->member, &j, &made, &who->group), 0);
	for (size_t i = 0; i < 4; i++)
		if (everybody[i] != who && everybody[i]->group)
			assert_int_equal(person_process(everybody[i], &made), 0);
	all_agree(y);
	assert_speak(who, helper);
	assert_speak(helper, who);
	cv_buf_done(&info);
	cv_buf_done(&made);
}

/* A certificate for another key is no credential of this leaf; one that the authority has not signed is refused. */
static void refuse_certificates(struct play *y)
{
	struct person *a = &y->a.p;
	struct mls_commit_output out;
	struct figure eve;
	struct cv_span add, der;
	struct cv_buf wrong;

	enter(y, &eve, "eve");
	certify(&wrong, y->suite, a->member.signature_key, "eve");
	eve.p.member.credential.data = SPAN_OF(wrong);
	add = person_offer(&eve.p);
	assert_int_equal(mls_group_commit(a->group, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out), CV_EINVAL);
	cv_buf_reset(&wrong);
	eve.p.member.credential.data = SPAN_OF(eve.chain);
	assert_int_equal(mls_x509_cert(&eve.p.member.credential, 0, &der), 0);
	/* The last byte is one of the authority's signature. */
	((uint8_t *)(uintptr_t)der.data)[der.len - 1] ^= 1;
	add = person_offer(&eve.p);
	assert_int_equal(mls_group_commit(a->group, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out), CV_EDENIED);
	cv_buf_done(&wrong);
	leave(&eve);
}

/* Bob goes, and learns of it. */
static void remove_bob(struct play *y)
{
	struct person *a = &y->a.p, *b = &y->b.p, *c = &y->c.p;
	struct mls_commit_output out;
	struct mls_received r;
	uint32_t bob;

	assert_int_equal(mls_group_find_member(a->group, b->member.signature_key, &bob), 0);
	person_commit(a, &(struct mls_commit){.removes = &bob, .n_removes = 1}, &out);
	assert_int_equal(mls_group_process(b->group, out.commit.data, out.commit.len, &r), 0);
	assert_int_equal(r.kind, MLS_RECEIVED_REMOVED);
	mls_received_done(&r);
	assert_false(mls_group_active(b->group));
	assert_int_equal(mls_group_encrypt(b->group, TEXT("x"), NOTHING, &(struct cv_buf){.max = 4096}), CV_ESTATE);
	assert_int_equal(person_process(c, &out.commit), 0);
	assert_int_equal(person_process(&y->d.p, &out.commit), 0);
	mls_commit_output_done(&out);
	mls_group_free(b->group);
	b->group = NULL;
	all_agree(y);
	assert_speak(a, c);
	assert_int_equal(mls_group_n_members(a->group), 3);
}

static void life(uint16_t suite, bool x509)
{
	struct play *y = calloc(1, sizeof(*y));

	assert_non_null(y);
	y->suite = suite;
	y->x509 = x509;
	world_init(&y->w, suite);
	enter(y, &y->a, "alice");
	enter(y, &y->b, "bob");
	enter(y, &y->c, "carol");
	enter(y, &y->d, "dave");
	gather(y);
	commit(y, &y->c.p, &(struct mls_commit){0});
	commit(y, &y->a.p, &(struct mls_commit){0});
	update_by_reference(y);
	join_external(y, &y->d.p, &y->c.p, false);
	join_external(y, &y->b.p, &y->d.p, true);
	assert_int_equal(mls_group_n_members(y->a.p.group), 4);
	restart(&y->d.p);
	commit(y, &y->d.p, &(struct mls_commit){0});
	if (x509)
		refuse_certificates(y);
	remove_bob(y);
	leave(&y->a);
	leave(&y->b);
	leave(&y->c);
	leave(&y->d);
	authority_close();
	free(y);
}

#define LIFE(n)                                                                                                        \
	static void test_life_##n(void **state)                                                                        \
	{                                                                                                              \
		life(n, false);                                                                                        \
	}                                                                                                              \
	static void test_life_##n##_x509(void **state)                                                                 \
	{                                                                                                              \
		life(n, true);                                                                                         \
	}
LIFE(1)
LIFE(2)
LIFE(3)
LIFE(4)
LIFE(5)
LIFE(6)
LIFE(7)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_life_1), cmocka_unit_test(test_life_1_x509),
		cmocka_unit_test(test_life_2), cmocka_unit_test(test_life_2_x509),
		cmocka_unit_test(test_life_3), cmocka_unit_test(test_life_3_x509),
		cmocka_unit_test(test_life_4), cmocka_unit_test(test_life_4_x509),
		cmocka_unit_test(test_life_5), cmocka_unit_test(test_life_5_x509),
		cmocka_unit_test(test_life_6), cmocka_unit_test(test_life_6_x509),
		cmocka_unit_test(test_life_7), cmocka_unit_test(test_life_7_x509),
	};

	return cmocka_run_group_tests_name("mls life", tests, NULL, NULL);
}
