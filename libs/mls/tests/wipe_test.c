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

struct disguise {
	uint8_t bytes[32]; /* each XOR MASK, so that this copy is not found */
};
static struct disguise secrets[SECRETS_MAX];
static size_t n_secrets;

static void remember(const struct cv_secret *s)
{
	if (s->len < 32)
		return;
	for (size_t i = 0; i < 32; i++)
		secrets[n_secrets].bytes[i] = s->data[i] ^ MASK;
	n_secrets++;
}

static bool found_at(const uint8_t *p, const struct disguise *d)
{
	for (size_t i = 0; i < 32; i++)
		if ((p[i] ^ MASK) != d->bytes[i])
			return false;
	return true;
}

/* How many secrets are in the heap. A stack is not searched: its frames are reused by the search itself. */
static int search_range(const uint8_t *from, const uint8_t *to)
{
	int found = 0;

	for (const uint8_t *p = from; p + 32 <= to; p++)
		for (size_t i = 0; i < n_secrets; i++)
			found += found_at(p, &secrets[i]);
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
	remember(&e->secrets.authenticator);
	remember(&e->keys.level[1]);
}

/* Runs in a process of its own. Gives the number of finds, or 100 when the search itself cannot find a thing. */
static int child(bool free_group)
{
	struct mls_commit_output out;
	struct person a, b;
	struct cv_span add;
	struct world w;
	int found;

	world_init(&w, 21);
	person_init(&a, &w, 1, "alice");
	person_init(&b, &w, 1, "bob");
	person_create(&a, "g");
	add = person_offer(&b);
	person_commit(&a, &(struct mls_commit){.adds = &add, .n_adds = 1, .force_path = true}, &out);
	assert_int_equal(person_join(&b, &out), 0);
	assert_speak(&a, &b);
	remember_epoch(a.group->cur);
	if (search_heap() < 1)
		return 100;
	mls_commit_output_done(&out);
	/* The next epoch replaces this one in both members. */
	person_commit(&b, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&a, &out.commit), 0);
	mls_commit_output_done(&out);
	if (free_group) {
		remember_epoch(a.group->cur);
		remember_epoch(b.group->cur);
		/* A leaf's key outlives others' commits; here it goes as well. */
		remember(&a.group->cur->keys.level[0]);
		remember(&b.group->cur->keys.level[0]);
		remember(&b.kp->init_priv);
		person_done(&a);
		person_done(&b);
	}
	found = search_heap();
	if (!free_group) {
		person_done(&a);
		person_done(&b);
	}
	return found < 0 ? 101 : found;
}

static void in_a_process(bool free_group)
{
	int status;
	pid_t pid;

#ifdef __SANITIZE_ADDRESS__
	skip(); /* its allocator does not use the heap that is searched */
#endif
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(child(free_group));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_past_epoch_is_wiped(void **state)
{
	in_a_process(false);
}

static void test_freed_group_is_wiped(void **state)
{
	in_a_process(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_past_epoch_is_wiped),
		cmocka_unit_test(test_freed_group_is_wiped),
	};

	return cmocka_run_group_tests_name("mls wipe", tests, NULL, NULL);
}
