/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random group lives from seeds: whatever happens, in whatever order messages arrive, all members agree, every tree
 * stands up to a newcomer's checks, and those who were removed are out.
 */
#include <stdio.h>
#include <stdlib.h>

#include "helper.h"

#include "../src/state.h"

#define PEOPLE    14
#define STEPS     150
#define INBOX_MAX 8

struct member {
	struct person p;
	bool in;
	bool away; /* misses messages, gets them later */
	struct cv_buf inbox[INBOX_MAX];
	size_t n_inbox;
};
struct walk {
	struct world w;
	struct member m[PEOPLE];
	unsigned n_in, blanks_with_unmerged, joins, removals, references, externals;
};

static void receive(struct member *m, const struct cv_buf *msg)
{
	struct mls_received r;

	assert_int_equal(mls_group_process(m->p.group, msg->data, msg->len, &r), 0);
	mls_received_done(&r);
	if (!mls_group_active(m->p.group)) {
		mls_group_free(m->p.group);
		m->p.group = NULL;
		m->in = false;
	}
}

static void catch_up(struct member *m)
{
	for (size_t i = 0; i < m->n_inbox; i++) {
		if (m->in)
			receive(m, &m->inbox[i]);
		cv_buf_done(&m->inbox[i]);
	}
	m->n_inbox = 0;
	m->away = false;
}

/* To everybody but the sender; who is away finds it later. */
static void broadcast(struct walk *k, const struct member *from, const struct cv_buf *msg)
{
	for (size_t i = 0; i < PEOPLE; i++) {
		struct member *m = &k->m[i];

		if (!m->in || m == from)
			continue;
		if (m->away && m->n_inbox < INBOX_MAX) {
			cv_buf_init(&m->inbox[m->n_inbox], 1 << 20);
			assert_int_equal(cv_buf_put(&m->inbox[m->n_inbox++], msg->data, msg->len), 0);
			continue;
		}
		catch_up(m);
		if (m->in)
			receive(m, msg);
	}
}

static struct member *pick(struct walk *k, bool in)
{
	for (;;) {
		struct member *m = &k->m[world_random(&k->w, PEOPLE)];

		if (m->in != in)
			continue;
		if (in)
			catch_up(m);
		if (m->in == in)
			return m;
	}
}

static unsigned count_in(const struct walk *k)
{
	unsigned n = 0;

	for (size_t i = 0; i < PEOPLE; i++)
		n += k->m[i].in;
	return n;
}

/* A blank between a parent with unmerged leaves and one above it: the case that broke another library. */
static bool blank_over_unmerged(const struct tree *t)
{
	for (uint32_t x = 1; x < node_count(t->n_leaves); x += 2) {
		const struct parent_node *p = mls_tree_parent(t, x);

		if (!p || !p->n_unmerged || x == tree_root(t->n_leaves) || !mls_tree_blank(t, node_parent(x)))
			continue;
		for (uint32_t y = node_parent(x); y != tree_root(t->n_leaves);) {
			y = node_parent(y);
			if (!mls_tree_blank(t, y))
				return true;
		}
	}
	return false;
}

static void check_all(struct walk *k)
{
	struct member *first = NULL;

	for (size_t i = 0; i < PEOPLE; i++) {
		struct member *m = &k->m[i];

		if (!m->in || m->away)
			continue;
		if (!first) {
			first = m;
			assert_int_equal(mls_tree_check_parents(m->p.group->cur->tree, &m->p.group->crypto), 0);
			k->blanks_with_unmerged += blank_over_unmerged(m->p.group->cur->tree);
		} else {
			assert_agree(&first->p, &m->p);
		}
	}
}

/* Everything that is decided by a commit of one random member. */
static void step_commit(struct walk *k)
{
	struct member *from = pick(k, true), *newcomers[3];
	struct mls_commit what = {.force_path = world_random(&k->w, 2)};
	struct mls_commit_output out;
	struct cv_span adds[3];
	uint32_t removes[4];

	for (uint32_t i = world_random(&k->w, 4); i && count_in(k) + what.n_adds < PEOPLE - 1; i--) {
		struct member *m = pick(k, false);

		for (size_t n = 0; n < what.n_adds; n++)
			if (newcomers[n] == m)
				m = NULL;
		if (!m)
			continue;
		newcomers[what.n_adds] = m;
		adds[what.n_adds++] = person_offer(&m->p);
	}
	/* Neighbours leave together now and then: only that makes wide gaps in the tree. */
	if (world_random(&k->w, 3) == 0 && count_in(k) > 5) {
		uint32_t at = world_random(&k->w, from->p.group->cur->tree->n_leaves);

		for (uint32_t i = world_random(&k->w, 4) + 1; i; i--) {
			at = mls_group_next_member(from->p.group, at);
			if (at == UINT32_MAX)
				break;
			if (at != mls_group_own_index(from->p.group))
				removes[what.n_removes++] = at;
			at++;
		}
		k->removals += what.n_removes != 0;
	}
	what.removes = removes;
	what.adds = adds;
	person_commit(&from->p, &what, &out);
	broadcast(k, from, &out.commit);
	for (size_t n = 0; n < what.n_adds; n++) {
		assert_int_equal(person_join(&newcomers[n]->p, &out), 0);
		newcomers[n]->in = true;
		k->joins++;
	}
	mls_commit_output_done(&out);
}

/* Some propose, another commits by reference. */
static void step_references(struct walk *k)
{
	for (uint32_t i = world_random(&k->w, 3); i; i--) {
		struct member *m = pick(k, true);
		struct cv_buf msg;

		if (m->p.group->n_updates)
			continue;
		cv_buf_init(&msg, 1 << 20);
		assert_int_equal(mls_group_propose_update(m->p.group, NULL, NOTHING, &msg), 0);
		broadcast(k, m, &msg);
		cv_buf_done(&msg);
		k->references++;
	}
	/* Nobody may stay behind with an own Update while others commit: all are there. */
	for (size_t i = 0; i < PEOPLE; i++)
		catch_up(&k->m[i]);
	step_commit(k);
}

static void step_external(struct walk *k)
{
	struct member *host, *m;
	struct mls_external_join j = {.resync = false};
	struct cv_buf gi, commit;

	if (count_in(k) == PEOPLE)
		return;
	host = pick(k, true);
	m = pick(k, false);
	cv_buf_init(&gi, 1 << 20);
	cv_buf_init(&commit, 1 << 20);
	assert_int_equal(mls_group_info(host->p.group, true, &gi), 0);
	j.group_info = SPAN_OF(gi);
	assert_int_equal(mls_group_join_external(&m->p.options, &m->p.member, &j, &commit, &m->p.group), 0);
	broadcast(k, m, &commit);
	m->in = true;
	k->externals++;
	cv_buf_done(&gi);
	cv_buf_done(&commit);
}

/* A burst from one, delivered to another in a shuffled order. */
static void step_talk(struct walk *k)
{
	struct member *from = pick(k, true), *to = pick(k, true);
	uint32_t order[5] = {0, 1, 2, 3, 4};
	struct cv_buf msg[5];

	if (from == to || mls_group_epoch(from->p.group) != mls_group_epoch(to->p.group))
		return;
	for (uint32_t i = 0; i < 5; i++) {
		uint32_t other = world_random(&k->w, i + 1), t = order[i];

		order[i] = order[other];
		order[other] = t;
		cv_buf_init(&msg[i], 4096);
		assert_int_equal(mls_group_encrypt(from->p.group, TEXT("hello"), NOTHING, &msg[i]), 0);
	}
	for (uint32_t i = 0; i < 5; i++) {
		assert_int_equal(person_process(&to->p, &msg[order[i]]), 0);
		assert_int_equal(person_process(&to->p, &msg[order[i]]), CV_EREPLAY);
	}
	for (uint32_t i = 0; i < 5; i++)
		cv_buf_done(&msg[i]);
}

static void step(struct walk *k)
{
	switch (world_random(&k->w, 8)) {
	case 0: step_external(k); break;
	case 1:
	case 2: step_references(k); break;
	case 3: step_talk(k); break;
	case 4: pick(k, true)->away = count_in(k) > 2; break;
	default: step_commit(k);
	}
}

static unsigned total_blanks;

/* Mostly suite 1; the others cost more, P-521 most of all. */
static uint16_t suite_of(uint64_t seed)
{
	static const uint16_t suites[] = {7, 1, 2, 1, 3, 1, 4, 1, 1, 1, 5, 1, 6, 1, 1, 1};

	return suites[seed % (sizeof(suites) / sizeof(suites[0]))];
}

static void walk(uint64_t seed)
{
	struct walk *k = calloc(1, sizeof(*k));
	char name[16];

	assert_non_null(k);
	world_init(&k->w, seed);
	for (size_t i = 0; i < PEOPLE; i++) {
		snprintf(name, sizeof(name), "person %zu", i);
		person_init(&k->m[i].p, &k->w, suite_of(seed), name);
		k->m[i].p.options.public_handshake = i % 2;
	}
	person_create(&k->m[0].p, "walk");
	k->m[0].in = true;
	for (int i = 0; i < STEPS; i++) {
		step(k);
		check_all(k);
	}
	for (size_t i = 0; i < PEOPLE; i++)
		catch_up(&k->m[i]);
	check_all(k);
	/* The walk went where it should. */
	assert_true(k->joins > 10 && k->removals > 5 && k->references > 5 && k->externals > 3);
	total_blanks += k->blanks_with_unmerged;
	for (size_t i = 0; i < PEOPLE; i++)
		person_done(&k->m[i].p);
	free(k);
}

static void test_walks(void **state)
{
	const char *from = getenv("MLS_WALK_SEED"), *n = getenv("MLS_WALKS");
	uint64_t seed = from ? strtoull(from, NULL, 10) : 1, walks = n ? strtoull(n, NULL, 10) : 4;

	for (uint64_t i = 0; i < walks; i++) {
		print_message("seed %llu, cipher suite %u\n", (unsigned long long)(seed + i), suite_of(seed + i));
		walk(seed + i);
	}
	/* Not every life has such a tree; some of four do. */
	if (walks >= 4)
		assert_true(total_blanks > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_walks)};

	return cmocka_run_group_tests_name("mls walks", tests, NULL, NULL);
}
