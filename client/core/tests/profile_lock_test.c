/* SPDX-License-Identifier: Apache-2.0 */
/* Several processes on one profile: the lock, the first creation, and many savers at once. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "profile_store.h"

#define PROCESSES 5
#define SAVES     5
#define CREATIONS 6
#define TRIES     60 /* of five seconds each, on a machine whose disk is busy */
#define NOBODY    65534

static char dir[64];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/conclave-profile-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

/* A shell command in the folder. */
static int run(const char *what)
{
	char command[256];

	snprintf(command, sizeof(command), "cd '%s' && %s", dir, what);
	return system(command);
}

static int teardown(void **state)
{
	char command[256];

	snprintf(command, sizeof(command), "chmod u+w '%s'; rm -r '%s'", dir, dir);
	return system(command);
}

static void open_profile(struct client_profile **ret)
{
	struct client_error err = {0};

	if (client_profile_open(dir, ret, &err) != 0)
		fail_msg("%s", err.text);
}

/* All children begin at the same time: when the pipe that they read from is closed. */
static void start_children(int (*work)(int number, int out), int n, pid_t *pids, int out)
{
	int gate[2];

	assert_int_equal(pipe(gate), 0);
	for (int i = 0; i < n; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			char c;

			close(gate[1]);
			_exit(read(gate[0], &c, 1) == 0 ? work(i, out) : 9);
		}
	}
	close(gate[0]);
	close(gate[1]);
}

static void wait_children(const pid_t *pids, int n)
{
	for (int i = 0; i < n; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
	}
}

static int create_one(int number, int out)
{
	struct client_profile *p;
	int r;

	for (int i = 0; (r = client_profile_open(dir, &p, NULL)) == CV_EAGAIN && i < TRIES; i++)
		;
	if (r != 0)
		return 1;
	r = write(out, p->device_key, CLIENT_KEY_LEN) == CLIENT_KEY_LEN ? 0 : 2;
	client_profile_free(p);
	return r;
}

/* Whoever comes first makes the keys, and all the others have the same. */
static void test_created_by_several(void **state)
{
	for (int round = 0; round < CREATIONS; round++) {
		uint8_t key[PROCESSES][CLIENT_KEY_LEN];
		struct client_profile *p;
		pid_t pids[PROCESSES];
		int out[2];

		assert_int_equal(pipe(out), 0);
		start_children(create_one, PROCESSES, pids, out[1]);
		wait_children(pids, PROCESSES);
		assert_int_equal(read(out[0], key, sizeof(key)), sizeof(key));
		close(out[0]);
		close(out[1]);
		open_profile(&p);
		for (int i = 0; i < PROCESSES; i++)
			assert_memory_equal(key[i], p->device_key, CLIENT_KEY_LEN);
		client_profile_free(p);
		assert_int_equal(run("rm *"), 0);
	}
}

static struct client_who who(uint8_t user[CLIENT_ID_LEN], int number, int i)
{
	memset(user, 0, CLIENT_ID_LEN);
	user[0] = (uint8_t)(1 + number);
	user[1] = (uint8_t)i;
	return (struct client_who){user, (const uint8_t *)"01234567890123456789012345678901", "x@example.org", "X"};
}

static int save_many(int number, int out)
{
	struct client_profile *p;
	int r;

	for (int i = 0; (r = client_profile_open(dir, &p, NULL)) == CV_EAGAIN && i < TRIES; i++)
		;
	if (r != 0)
		return 1;
	for (int i = 0; r == 0 && i < SAVES; i++) {
		uint8_t user[CLIENT_ID_LEN];
		struct client_who w = who(user, number, i);
		enum client_contact_news news;

		if (client_profile_meet(p, &w, &news) != 0 || (number == 0 && client_profile_verify(p, &w) != 0))
			return 2;
		p->manifest_version = (uint64_t)(10 * i + number);
		for (int k = 0; (r = client_profile_save(p, NULL)) == CV_EAGAIN && k < TRIES; k++)
			;
	}
	client_profile_free(p);
	return r == 0 ? 0 : 3;
}

/* Each adds people and saves time and again, with manifests in any order: in the end all people are there. */
static void test_saved_by_several(void **state)
{
	struct client_profile *p;
	pid_t pids[PROCESSES];

	start_children(save_many, PROCESSES, pids, -1);
	wait_children(pids, PROCESSES);
	open_profile(&p);
	assert_int_equal(p->contact_count, PROCESSES * SAVES);
	assert_int_equal(p->manifest_version, 10 * (SAVES - 1) + PROCESSES - 1);
	for (int number = 0; number < PROCESSES; number++) {
		for (int i = 0; i < SAVES; i++) {
			uint8_t user[CLIENT_ID_LEN];
			struct client_who w = who(user, number, i);

			assert_non_null(client_profile_contact(p, user));
			assert_int_equal(client_profile_standing(p, &w),
					 number == 0 ? CLIENT_STANDING_VERIFIED : CLIENT_STANDING_UNVERIFIED);
		}
	}
	client_profile_free(p);
	/* No temporary file is left behind. */
	assert_int_equal(run("test $(ls -A | wc -l) = 4"), 0);
}

static void test_lock(void **state)
{
	struct client_profile *p;
	struct client_error err = {0};
	struct stat st;
	char path[256];
	int first, second;

	open_profile(&p);
	/* Free while a profile is open: a meeting keeps nobody out. */
	assert_int_equal(client_profile_lock(dir, 0, &first, NULL), 0);
	assert_int_equal(client_profile_lock(dir, 0, &second, &err), CV_EAGAIN);
	assert_non_null(strstr(err.text, "another process"));
	client_profile_unlock(first);
	assert_int_equal(client_profile_lock(dir, 0, &second, NULL), 0);
	client_profile_unlock(second);
	assert_int_equal(client_profile_save(p, NULL), 0);
	assert_int_equal(client_profile_lock(dir, 0, &first, NULL), 0);
	client_profile_unlock(first);
	snprintf(path, sizeof(path), "%s/profile.lock", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* What cannot be locked is not written, nor read while somebody else may write. */
	assert_int_equal(run("rm profile.lock && mkdir profile.lock"), 0);
	client_error_clear(&err);
	assert_int_equal(client_profile_save(p, &err), CV_EIO);
	assert_int_equal(err.outcome, CLIENT_USAGE);
	assert_non_null(strstr(err.text, "profile.lock cannot be locked"));
	client_profile_free(p);
	client_error_clear(&err);
	assert_int_equal(client_profile_open(dir, &p, &err), CV_EIO);
	assert_non_null(strstr(err.text, "profile.lock cannot be locked"));
}

/* Files that are gone do not come again by a process that remembers them; others' keys are not written over. */
static void test_removed_meanwhile(void **state)
{
	struct client_profile *p, *q;
	struct client_error err = {0};
	uint8_t user[CLIENT_ID_LEN];
	struct client_who w = who(user, 1, 1);
	enum client_contact_news news;

	open_profile(&p);
	client_profile_sign_out(p);
	snprintf(p->token, sizeof(p->token), "token");
	assert_int_equal(client_profile_save(p, NULL), 0);
	assert_int_equal(client_profile_meet(p, &w, &news), 0);
	assert_int_equal(run("rm *"), 0);
	assert_int_equal(client_profile_save(p, &err), CV_ESTATE);
	assert_non_null(strstr(err.text, "removed"));
	assert_int_equal(run("test ! -e secrets"), 0);
	open_profile(&q);
	client_error_clear(&err);
	assert_int_equal(client_profile_save(p, &err), CV_ESTATE);
	assert_non_null(strstr(err.text, "made anew"));
	assert_memory_not_equal(p->device_key, q->device_key, CLIENT_KEY_LEN);
	client_profile_free(p);
	open_profile(&p);
	assert_memory_equal(p->device_key, q->device_key, CLIENT_KEY_LEN);
	assert_int_equal(p->contact_count, 0);
	assert_string_equal(p->token, "");
	client_profile_free(p);
	client_profile_free(q);
}

static int read_only(int number, int out)
{
	struct client_profile *p;
	struct client_error err = {0};

	/* For root nothing is read-only. */
	if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
		return errno == EPERM ? 0 : 1;
	if (number == 1)
		return client_profile_open(dir, &p, &err) == CV_EDENIED && err.outcome == CLIENT_USAGE &&
				       strstr(err.text, "profile.lock cannot be locked: Permission denied") != NULL
			       ? 0
			       : 2;
	if (client_profile_open(dir, &p, &err) != 0)
		return 3;
	if (client_profile_save(p, &err) != CV_EDENIED)
		return 4;
	client_profile_free(p);
	return 0;
}

static void read_only_child(int number)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(read_only(number, -1));
	wait_children(&pid, 1);
}

/* Where nothing may be written, what is there is of use nevertheless, and what is not there is said. */
static void test_read_only(void **state)
{
	struct client_profile *p;

	open_profile(&p);
	client_profile_free(p);
	assert_int_equal(run("rm profile.lock && chmod 500 ."), 0);
	if (geteuid() == 0 && run("chown -R 65534:65534 . 2>/dev/null") != 0)
		skip();
	read_only_child(0);
	assert_int_equal(run("chmod 700 . && rm secrets && chmod 500 ."), 0);
	read_only_child(1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_created_by_several), TEST(test_saved_by_several), TEST(test_lock),
		TEST(test_removed_meanwhile),  TEST(test_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
