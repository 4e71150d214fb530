/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "heap.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define UNDER_SANITIZER
#endif

struct disguise secrets[SECRETS_MAX];
size_t n_secrets;

void remember_bytes(const uint8_t *p, size_t len)
{
	struct disguise *d = &secrets[n_secrets++];

	assert_in_range(n_secrets, 1, SECRETS_MAX);
	assert_in_range(len, LEAST, sizeof(d->bytes));
	d->len = len;
	for (size_t i = 0; i < len; i++)
		d->bytes[i] = p[i] ^ MASK;
}

void remember(const struct cv_secret *s)
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

static int search_range(const uint8_t *from, const uint8_t *to)
{
	int found = 0;

	for (const uint8_t *p = from; p < to; p++)
		for (size_t i = 0; i < n_secrets; i++)
			found += (size_t)(to - p) >= secrets[i].len && found_at(p, &secrets[i]);
	return found;
}

int search_heap(void)
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

void pair_init(struct pair *p, uint16_t suite)
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

void pair_done(struct pair *p)
{
	for (int i = 0; i < 3; i++)
		cv_buf_done(&p->m[i]);
	person_done(&p->a);
	person_done(&p->b);
}

void in_a_process(int (*scene)(uint16_t suite))
{
#ifdef UNDER_SANITIZER
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
