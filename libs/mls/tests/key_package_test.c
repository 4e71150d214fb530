/* SPDX-License-Identifier: Apache-2.0 */
/* What a KeyPackage can carry, and who a Welcome is for: RFC 9420 sections 10, 12.4.3.1, 13.4. */
#include "../src/state.h"
#include "trio.h"

#define LAST_RESORT 0x000a /* the MLS extensions draft's: may be used for more than one group */
#define OWN_TYPE    0xf077

static bool holds(struct cv_span list, uint16_t type, struct cv_span want)
{
	struct cv_span data;

	return !mls_extension_find(list, type, &data) && data.len == want.len &&
	       (!want.len || !memcmp(data.data, want.data, want.len));
}

static const struct mls_extension two[] = {{.type = LAST_RESORT},
					   {.type = OWN_TYPE, .data = {(const uint8_t *)"x", 1}}};

/* They arrive as they were given, in the package and not in the leaf, which announces their types. */
static void test_extensions_there_and_back(void **state)
{
	struct mls_key_package_view v;
	struct mls_key_package *again;
	struct cv_buf saved;
	struct cv_span m;
	struct person p;
	struct world w;

	world_init(&w, 1);
	person_init(&p, &w, 1, "dave");
	p.member.key_package_extensions = two;
	p.member.n_key_package_extensions = 2;
	m = person_offer(&p);
	assert_int_equal(mls_key_package_read(m.data, m.len, &v), 0);
	assert_true(holds(v.extensions, LAST_RESORT, NOTHING));
	assert_true(holds(v.extensions, OWN_TYPE, TEXT("x")));
	assert_int_equal(v.leaf.extensions.len, 0);
	assert_true(mls_list16_has(v.leaf.capabilities.extensions, LAST_RESORT));
	assert_true(mls_list16_has(v.leaf.capabilities.extensions, OWN_TYPE));
	assert_memory_equal(v.ref, mls_key_package_ref(p.kp).data, v.ref_len);
	cv_buf_init_secret(&saved, 1 << 20);
	assert_int_equal(mls_key_package_save(p.kp, &saved), 0);
	assert_int_equal(mls_key_package_restore(saved.data, saved.len, &again), 0);
	assert_int_equal(mls_key_package_message(again).len, m.len);
	assert_memory_equal(mls_key_package_message(again).data, m.data, m.len);
	mls_key_package_free(again);
	cv_buf_done(&saved);
	person_done(&p);
}

static int offer(struct person *p, const struct mls_extension *e, size_t n)
{
	struct mls_key_package *kp;
	int err;

	p->member.key_package_extensions = e;
	p->member.n_key_package_extensions = n;
	err = mls_key_package_new(&p->world->env, 1, &p->member, NOW - 10, NOW + 10, &kp);
	if (!err)
		mls_key_package_free(kp);
	return err;
}

/* One type twice in one list is none; the same in package and leaf is two lists; a list has an end. */
static void test_lists_of_extensions(void **state)
{
	const struct mls_extension twice[] = {{.type = OWN_TYPE}, {.type = LAST_RESORT}, {.type = OWN_TYPE}};
	const struct mls_extension application_id = {.type = MLS_EXT_APPLICATION_ID, .data = TEXT("app")};
	struct mls_extension many[MLS_EXTENSIONS_MAX + 1] = {0};
	struct person p;
	struct world w;

	world_init(&w, 2);
	person_init(&p, &w, 1, "dave");
	assert_int_equal(offer(&p, twice, 3), CV_EFORMAT);
	assert_int_equal(offer(&p, twice, 2), 0);
	p.member.extensions = two;
	p.member.n_extensions = 2;
	assert_int_equal(offer(&p, twice, 2), 0);
	/* A type that the RFC defines need not be announced. */
	assert_int_equal(offer(&p, &application_id, 1), 0);
	p.member.n_extensions = 0;
	p.member.grease = false;
	for (size_t i = 0; i <= MLS_EXTENSIONS_MAX; i++)
		many[i].type = (uint16_t)(0xf000 + i);
	assert_int_equal(offer(&p, many, MLS_EXTENSIONS_MAX), 0);
	assert_int_equal(offer(&p, many, MLS_EXTENSIONS_MAX + 1), CV_EINVAL);
	person_done(&p);
}

static bool seen;

static int look(void *ctx, const struct mls_commit_question *q)
{
	for (size_t i = 0; i < q->n_changes; i++)
		if (q->changes[i].type == MLS_PROPOSAL_ADD)
			seen = holds(q->changes[i].extensions, OWN_TYPE, TEXT("x")) &&
			       holds(q->changes[i].extensions, LAST_RESORT, NOTHING);
	return 0;
}

/* Members are shown them; one package of last resort gets its owner into two groups; a later leaf still knows them. */
static void test_last_resort(void **state)
{
	struct mls_commit_output out;
	struct mls_leaf_view leaf;
	struct mls_group *first;
	struct person d, e;
	struct cv_span add;
	struct trio t;

	trio_init(&t, 3);
	person_init(&d, &t.w, 1, "dave");
	person_init(&e, &t.w, 1, "erin");
	d.member.key_package_extensions = two;
	d.member.n_key_package_extensions = 2;
	t.b.group->opt.policy.commit = look;
	seen = false;
	add = person_offer(&d);
	person_commit(&t.a, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	assert_int_equal(person_process(&t.b, &out.commit), 0);
	assert_true(seen);
	assert_int_equal(person_process(&t.c, &out.commit), 0);
	assert_int_equal(person_join(&d, &out), 0);
	assert_speak(&t.b, &d);
	mls_commit_output_done(&out);
	commit_all(&d, &t.a, &t.b, &(struct mls_commit){.member = &d.member});
	assert_int_equal(mls_group_member(t.a.group, mls_group_own_index(d.group), &leaf), 0);
	assert_true(mls_list16_has(leaf.capabilities.extensions, OWN_TYPE));
	assert_int_equal(leaf.extensions.len, 0);
	first = d.group;
	d.group = NULL;
	person_create(&e, "another");
	person_commit(&e, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	assert_int_equal(person_join(&d, &out), 0);
	assert_speak(&e, &d);
	mls_commit_output_done(&out);
	mls_group_free(first);
	person_done(&d);
	person_done(&e);
	trio_done(&t);
}

/* Credential types of others' that a member can live with, section 7.3. */
static void test_credential_types(void **state)
{
	static const uint16_t types[] = {0xf0aa, MLS_CREDENTIAL_BASIC};
	struct mls_commit_output out;
	struct person a, b;
	struct cv_span add;
	struct world w;

	world_init(&w, 4);
	person_init(&a, &w, 1, "alice");
	person_init(&b, &w, 1, "bob");
	b.member.credential.type = 0xf0aa;
	add = person_offer(&b);
	for (size_t n = 0; n < 3; n += 2) {
		a.member.credential_types = types;
		a.member.n_credential_types = n;
		person_create(&a, "odd");
		assert_int_equal(mls_group_commit(a.group, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out),
				 n ? 0 : CV_EUNSUPPORTED);
		if (n)
			break;
		mls_group_free(a.group);
		a.group = NULL;
	}
	assert_int_equal(mls_group_merge_pending(a.group), 0);
	assert_int_equal(person_join(&b, &out), 0);
	assert_speak(&a, &b);
	mls_commit_output_done(&out);
	person_done(&a);
	person_done(&b);
}

/* A Welcome names each newcomer once, in the order of the Adds. */
static void test_walk_of_a_welcome(void **state)
{
	struct mls_commit_output out;
	struct person p[3];
	struct cv_span adds[2], ref;
	size_t at = 0, second;
	struct world w;

	world_init(&w, 5);
	for (int i = 0; i < 3; i++)
		person_init(&p[i], &w, 1, i ? i == 1 ? "bob" : "carol" : "alice");
	person_create(&p[0], "walk");
	adds[0] = person_offer(&p[1]);
	adds[1] = person_offer(&p[2]);
	person_commit(&p[0], &(struct mls_commit){.adds = adds, .n_adds = 2}, &out);
	for (int i = 1; i < 3; i++) {
		second = at;
		assert_int_equal(mls_welcome_next(out.welcome.data, out.welcome.len, &at, &ref), 0);
		assert_int_equal(ref.len, 32);
		assert_memory_equal(ref.data, mls_key_package_ref(p[i].kp).data, 32);
	}
	assert_int_equal(mls_welcome_next(out.welcome.data, out.welcome.len, &at, &ref), CV_ENOTFOUND);
	for (at = 1; at < 7; at++)
		assert_int_equal(mls_welcome_next(out.welcome.data, out.welcome.len, &at, &ref), CV_EINVAL);
	at = out.welcome.len;
	assert_int_equal(mls_welcome_next(out.welcome.data, out.welcome.len, &at, &ref), CV_EINVAL);
	/* Of another kind, cut short. */
	at = 0;
	assert_int_equal(mls_welcome_next(adds[0].data, adds[0].len, &at, &ref), CV_EINVAL);
	assert_int_equal(mls_welcome_next(out.welcome.data, out.welcome.len - 1, &at, &ref), CV_ETRUNCATED);
	for (size_t len = 0; len < 9; len++) {
		at = second;
		assert_int_not_equal(mls_welcome_next(out.welcome.data, len, &at, &ref), 0);
	}
	mls_commit_output_done(&out);
	for (int i = 0; i < 3; i++)
		person_done(&p[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_extensions_there_and_back),
		cmocka_unit_test(test_lists_of_extensions),
		cmocka_unit_test(test_last_resort),
		cmocka_unit_test(test_credential_types),
		cmocka_unit_test(test_walk_of_a_welcome),
	};

	return cmocka_run_group_tests_name("mls key packages", tests, NULL, NULL);
}
