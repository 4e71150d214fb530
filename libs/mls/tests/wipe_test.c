/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9420 section 9.2: what must be gone is gone, of epochs, of messages, of members who leave. */
#include "heap.h"

static void remember_epoch(const struct epoch *e)
{
	remember(&e->secrets.exporter);
	remember(&e->secrets.init);
	remember(&e->secrets.confirmation);
	remember(&e->secrets.membership);
	remember(&e->secrets.external);
	remember(&e->secrets.sender_data);
	remember(&e->secrets.resumption);
	remember(&e->secrets.authenticator);
	remember(&e->keys.level[1]);
}

/* The key of the sender's application message of that generation, as the receiver will derive it; and what follows. */
static struct ratchet_step peek(const struct person *to, const struct person *from, uint32_t generation)
{
	struct ratchet_step s;

	assert_int_equal(mls_secret_tree_get(to->group->cur->secret_tree, &to->group->crypto, from->group->cur->own,
					     RATCHET_APPLICATION, generation, 16, 16, &s),
			 0);
	return s;
}

static void remember_key(const struct person *to, const struct person *from, uint32_t generation)
{
	struct ratchet_step s = peek(to, from, generation);

	remember_bytes(s.key.key, to->group->crypto.suite->nk);
	remember_bytes(s.key.nonce, sizeof(s.key.nonce));
	mls_ratchet_step_drop(&s);
}

static void remember_ratchet(const struct person *to, const struct person *from, uint32_t generation)
{
	struct ratchet_step s = peek(to, from, generation);

	remember(&s.secret);
	mls_ratchet_step_drop(&s);
}

static int epochs(uint16_t suite, bool free_group)
{
	struct mls_commit_output out;
	struct pair p;
	int found;

	pair_init(&p, suite);
	assert_speak(&p.a, &p.b);
	remember_epoch(p.a.group->cur);
	if (search_heap() < 1)
		return 100;
	/* The next two epochs replace this one in both members, its resumption PSK too. */
	for (int i = 0; i < 2; i++) {
		person_commit(&p.b, &(struct mls_commit){0}, &out);
		assert_int_equal(person_process(&p.a, &out.commit), 0);
		mls_commit_output_done(&out);
	}
	if (free_group) {
		remember_epoch(p.a.group->cur);
		remember_epoch(p.b.group->cur);
		/* A leaf's key outlives others' commits; here it goes as well. */
		remember(&p.a.group->cur->keys.level[0]);
		remember(&p.b.group->cur->keys.level[0]);
		remember(&p.b.kp->init_priv);
		remember_ratchet(&p.b, &p.a, 0);
		pair_done(&p);
	}
	found = search_heap();
	if (!free_group)
		pair_done(&p);
	return found < 0 ? 101 : found;
}

static int past_epoch(uint16_t suite)
{
	return epochs(suite, false);
}

static int freed_group(uint16_t suite)
{
	return epochs(suite, true);
}

/* A key is consumed when it has opened a message, and a ratchet's secret when a key derived from it has been. */
static int messages(uint16_t suite)
{
	struct pair p;
	int found;

	pair_init(&p, suite);
	for (int i = 0; i < 3; i++)
		assert_int_equal(mls_group_encrypt(p.a.group, TEXT("hi"), NOTHING, &p.m[i]), 0);
	/* The second message comes first: the first one's key is kept for it. */
	remember_key(&p.b, &p.a, 0);
	assert_int_equal(person_process(&p.b, &p.m[1]), 0);
	if (search_heap() < 1)
		return 100;
	assert_int_equal(person_process(&p.b, &p.m[0]), 0);
	found = search_heap();
	if (found)
		return found;
	remember_key(&p.b, &p.a, 2);
	remember_ratchet(&p.b, &p.a, 2);
	n_secrets--; /* the secret that the ratchet has now got to is the sender's too: not looked for yet */
	assert_int_equal(person_process(&p.b, &p.m[2]), 0);
	found = search_heap();
	if (found)
		return found;
	/* Now it is; and gone after one more message. */
	n_secrets++;
	if (search_heap() < 1)
		return 101;
	assert_speak(&p.a, &p.b);
	found = search_heap();
	pair_done(&p);
	return found;
}

/* Who is removed keeps nothing: no keys of messages that never came, no past epochs, no PSKs. */
static int removal(uint16_t suite)
{
	struct mls_commit_output out;
	uint32_t bob = 1;
	struct pair p;
	int found;

	pair_init(&p, suite);
	/* An epoch that is kept for late messages, and its resumption PSK. */
	p.b.group->opt.past_epochs = 1;
	remember(&p.b.group->cur->secrets.resumption);
	remember(&p.b.group->cur->secrets.sender_data);
	person_commit(&p.a, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&p.b, &out.commit), 0);
	mls_commit_output_done(&out);
	for (int i = 0; i < 2; i++)
		assert_int_equal(mls_group_encrypt(p.a.group, TEXT("hi"), NOTHING, &p.m[i]), 0);
	remember_key(&p.b, &p.a, 0);
	assert_int_equal(person_process(&p.b, &p.m[1]), 0);
	remember_ratchet(&p.b, &p.a, 4);
	remember_epoch(p.b.group->cur);
	remember(&p.b.group->cur->keys.level[0]);
	if (search_heap() < 4)
		return 100;
	person_commit(&p.a, &(struct mls_commit){.removes = &bob, .n_removes = 1}, &out);
	person_done(&p.a);
	assert_int_equal(person_process(&p.b, &out.commit), 0);
	mls_commit_output_done(&out);
	/* The KeyPackage is the application's to free. */
	mls_key_package_free(p.b.kp);
	p.b.kp = NULL;
	found = search_heap();
	pair_done(&p);
	return found;
}

static void test_past_epoch_is_wiped(void **state)
{
	in_a_process(past_epoch);
}

static void test_freed_group_is_wiped(void **state)
{
	in_a_process(freed_group);
}

static void test_used_message_keys_are_wiped(void **state)
{
	in_a_process(messages);
}

static void test_removed_member_keeps_nothing(void **state)
{
	in_a_process(removal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_past_epoch_is_wiped),
		cmocka_unit_test(test_freed_group_is_wiped),
		cmocka_unit_test(test_used_message_keys_are_wiped),
		cmocka_unit_test(test_removed_member_keeps_nothing),
	};

	return cmocka_run_group_tests_name("mls wipe", tests, NULL, NULL);
}
