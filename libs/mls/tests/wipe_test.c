/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 9420 section 9.2: what must be gone is gone. Secrets are remembered in a disguise, and then the writable memory
 * of a process is searched for them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "helper.h"

#include "../src/state.h"

#define SECRETS_MAX 32
#define MASK        0xa5
#define LEAST       12 /* bytes that are not found by chance */

struct disguise {
	size_t len;
	uint8_t bytes[64]; /* each XOR MASK, so that this copy is not found */
};
static struct disguise secrets[SECRETS_MAX];
static size_t n_secrets;

static void remember_bytes(const uint8_t *p, size_t len)
{
	struct disguise *d = &secrets[n_secrets++];

	assert_in_range(n_secrets, 1, SECRETS_MAX);
	assert_in_range(len, LEAST, sizeof(d->bytes));
	d->len = len;
	for (size_t i = 0; i < len; i++)
		d->bytes[i] = p[i] ^ MASK;
}

/* A leaf far from the sender has no key on some levels. */
static void remember(const struct cv_secret *s)
{
	if (s->len)
		remember_bytes(s->data, s->len < sizeof(secrets[0].bytes) ? s->len : sizeof(secrets[0].bytes));
}

static bool found_at(const uint8_t *p, const struct disguise *d)
{
	for (size_t i = 0; i < d->len; i++)
		if ((p[i] ^ MASK) != d->bytes[i])
			return false;
	return true;
}

/* How many secrets are in the heap. A stack is not searched: its frames are reused by the search itself. */
static int search_range(const uint8_t *from, const uint8_t *to)
{
	int found = 0;

	for (const uint8_t *p = from; p < to; p++)
		for (size_t i = 0; i < n_secrets; i++)
			found += (size_t)(to - p) >= secrets[i].len && found_at(p, &secrets[i]);
	return found;
}

static int search_heap(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512], perms[8];
	unsigned long from, to;
	int found = 0, heaps = 0;

	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) != 3 || perms[0] != 'r' || perms[1] != 'w' ||
		    !strstr(line, "[heap]"))
			continue;
		heaps++;
		found += search_range((const uint8_t *)from, (const uint8_t *)to);
	}
	if (maps)
		fclose(maps);
	return heaps ? found : -1;
}

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

struct pair {
	struct world w;
	struct person a, b;
	struct cv_buf m[3];
};

static void pair_init(struct pair *p, uint16_t suite)
{
	struct mls_commit_output out;
	struct cv_span add;

	n_secrets = 0;
	world_init(&p->w, 21);
	person_init(&p->a, &p->w, suite, "alice");
	person_init(&p->b, &p->w, suite, "bob");
	/* What is removed must not wait for the window of old PSKs. */
	p->a.options.resumption_epochs = p->b.options.resumption_epochs = 1;
	person_create(&p->a, "g");
	add = person_offer(&p->b);
	person_commit(&p->a, &(struct mls_commit){.adds = &add, .n_adds = 1, .force_path = true}, &out);
	assert_int_equal(person_join(&p->b, &out), 0);
	mls_commit_output_done(&out);
	for (int i = 0; i < 3; i++)
		cv_buf_init(&p->m[i], 4096);
}

static void pair_done(struct pair *p)
{
	for (int i = 0; i < 3; i++)
		cv_buf_done(&p->m[i]);
	person_done(&p->a);
	person_done(&p->b);
}

/* Each runs in a process of its own. The answer is the number of finds, 100 or more when the search finds nothing at
 * all where there is something. */

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
	for (int i = 0; i < 2; i++)
		assert_int_equal(mls_group_encrypt(p.a.group, TEXT("hi"), NOTHING, &p.m[i]), 0);
	remember_key(&p.b, &p.a, 0);
	assert_int_equal(person_process(&p.b, &p.m[1]), 0);
	remember_ratchet(&p.b, &p.a, 4);
	remember_epoch(p.b.group->cur);
	remember(&p.b.group->cur->keys.level[0]);
	if (search_heap() < 2)
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

static void in_a_process(int (*scene)(uint16_t suite))
{
#ifdef __SANITIZE_ADDRESS__
	skip(); /* its allocator does not use the heap that is searched */
#endif
	for (uint16_t suite = 1; suite <= 7; suite++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(scene(suite));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		if (WEXITSTATUS(status))
			fail_msg("suite %u: %d", suite, WEXITSTATUS(status));
	}
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
