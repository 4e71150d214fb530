/* SPDX-License-Identifier: Apache-2.0 */
/* Profile, clock, passwords, links, proofs, security code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pty.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmp.h>
#include <cmocka.h>
#include <sodium.h>

#include <base/text.h>
#include <client/signin.h>

#include "dpop.h"
#include "meeting_internal.h"

static char dir[64];

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/conclave-core-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

static void test_profile(void **state)
{
	static const uint8_t user[16] = {1, 2, 3}, device[2][32] = {{7}, {8}};
	struct client_profile *p;
	struct client_error err = {0};
	enum client_contact_news news;
	uint8_t key[32];
	char path[128];
	struct stat st;

	assert_int_equal(client_profile_open(dir, &p, &err), 0);
	memcpy(key, p->device_key, 32);
	client_profile_sign_out(p);
	snprintf(p->token, sizeof(p->token), "secret-token-that-must-not-be-readable");
	snprintf(p->manager_url, sizeof(p->manager_url), "https://m.example");
	p->manifest_version = 42;
	assert_int_equal(client_profile_meet(p, &(struct client_who){user, device[0], "a@b.c", "A"}, &news), 0);
	assert_int_equal(news, CLIENT_CONTACT_FIRST);
	assert_int_equal(client_profile_meet(p, &(struct client_who){user, device[0], "a@b.c", "A"}, &news), 0);
	assert_int_equal(news, CLIENT_CONTACT_KNOWN);
	assert_int_equal(client_profile_verify(p, &(struct client_who){user, device[0], "a@b.c", "A"}), 0);
	assert_int_equal(client_profile_save(p, &err), 0);
	client_profile_free(p);
	assert_int_equal(client_profile_open(dir, &p, &err), 0);
	assert_memory_equal(key, p->device_key, 32);
	assert_string_equal(p->token, "secret-token-that-must-not-be-readable");
	assert_int_equal(p->manifest_version, 42);
	assert_int_equal(client_profile_meet(p, &(struct client_who){user, device[1], "a@b.c", "A"}, &news), 0);
	assert_int_equal(news, CLIENT_CONTACT_NEW_DEVICE);
	assert_int_equal(client_profile_save(p, &err), 0);
	client_profile_free(p);
	/* What was verified stays so; the other key stays a change. */
	assert_int_equal(client_profile_open(dir, &p, &err), 0);
	assert_int_equal(client_profile_standing(p, &(struct client_who){user, device[0], "a@b.c", "A"}),
			 CLIENT_STANDING_VERIFIED);
	assert_int_equal(client_profile_standing(p, &(struct client_who){user, device[1], "a@b.c", "A"}),
			 CLIENT_STANDING_CHANGED);
	client_profile_free(p);
	/* Nobody else reads it, and the token stands nowhere in clear. */
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	snprintf(path, sizeof(path), "grep -rq secret-token '%s'", dir);
	assert_int_not_equal(system(path), 0);
	snprintf(path, sizeof(path), "%s/secrets", dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Devices without number do not push out the one that was verified, nor make themselves it. */
static void test_many_devices(void **state)
{
	static const uint8_t user[16] = {5}, good[32] = {1};
	struct client_profile *p;
	struct client_error err = {0};
	enum client_contact_news news;

	assert_int_equal(client_profile_open(dir, &p, &err), 0);
	assert_int_equal(client_profile_meet(p, &(struct client_who){user, good, "a@b.c", "A"}, &news), 0);
	assert_int_equal(client_profile_verify(p, &(struct client_who){user, good, "a@b.c", "A"}), 0);
	for (uint8_t i = 0; i < 3 * CLIENT_CONTACT_KEYS_MAX; i++) {
		uint8_t device[32] = {2, i};
		struct client_who who = {user, device, "a@b.c", "A"};

		assert_int_equal(client_profile_meet(p, &who, &news), 0);
		assert_int_equal(news, CLIENT_CONTACT_NEW_DEVICE);
		assert_int_equal(client_profile_standing(p, &who), CLIENT_STANDING_CHANGED);
	}
	assert_int_equal(client_profile_standing(p, &(struct client_who){user, good, "a@b.c", "A"}),
			 CLIENT_STANDING_VERIFIED);
	assert_int_equal(client_profile_meet(p, &(struct client_who){user, good, "a@b.c", "B"}, &news), 0);
	assert_int_equal(news, CLIENT_CONTACT_RENAMED);
	client_profile_free(p);
}

static void test_profile_damaged(void **state)
{
	struct client_profile *p;
	struct client_error err = {0};
	char path[128];
	FILE *f;
	int last;

	assert_int_equal(client_profile_open(dir, &p, &err), 0);
	client_profile_free(p);
	snprintf(path, sizeof(path), "%s/secrets", dir);
	f = fopen(path, "r+");
	assert_non_null(f);
	assert_int_equal(fseek(f, -1, SEEK_END), 0);
	last = fgetc(f);
	assert_int_equal(fseek(f, -1, SEEK_END), 0);
	assert_true(fputc(last ^ 1, f) != EOF);
	assert_int_equal(fclose(f), 0);
	assert_int_not_equal(client_profile_open(dir, &p, &err), 0);
	assert_int_equal(err.outcome, CLIENT_USAGE);
	assert_non_null(strstr(err.text, "secrets"));
}

static void test_clock(void **state)
{
	struct client_clock c = {0};
	struct client_error err = {0};
	time_t now = time(NULL);
	char date[64];
	struct tm tm;

	assert_int_equal(client_clock_set(&c, now + 290, &err), 0);
	assert_true(client_clock_now(&c) >= (uint64_t)now + 289);
	assert_int_equal(client_clock_set(&c, now + 1, &err), 0);
	assert_int_equal(atomic_load(&c.offset), 0);
	assert_int_equal(client_clock_set(&c, now + 600, &err), CV_EEXPIRED);
	assert_string_equal(err.text, "this computer's clock is 10 minutes behind the manager's; set it right (5 "
				      "minutes are allowed)");
	client_error_clear(&err);
	assert_int_equal(client_clock_set(&c, now - 600, &err), CV_EEXPIRED);
	assert_non_null(strstr(err.text, "ahead of"));
	now -= 200;
	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	client_error_clear(&err);
	assert_int_equal(client_clock_set_date(&c, date, &err), 0);
	assert_true(atomic_load(&c.offset) <= -199 && atomic_load(&c.offset) >= -202);
	assert_int_equal(client_clock_set_date(&c, "yesterday", &err), CV_EFORMAT);
	assert_int_equal(client_clock_set_date(&c, NULL, &err), CV_EFORMAT);
}

static int check(const char *text, const struct client_person *person)
{
	struct client_password p;
	struct client_error err = {0};
	int r = client_password_set(&p, text, strlen(text), &err);

	return r != 0 ? r : client_password_check(&p, person, &err);
}

static void test_password_policy(void **state)
{
	const struct client_person anna = {"anna.arendt@example.org", "Anna", "Arendt"};

	assert_int_equal(check("seven Otters juggle brass lanterns", &anna), 0);
	assert_int_equal(check("x9#Lq2!vT7pz", &anna), 0);
	assert_int_equal(check("password", &anna), CV_EDENIED);
	assert_int_equal(check("P@ssw0rd123", &anna), CV_EDENIED);
	assert_int_equal(check("qwertyuiop", &anna), CV_EDENIED);
	assert_int_equal(check("aaaaaaaaaaaaaaaa", &anna), CV_EDENIED);
	/* On the list of the commonest, although it looks good to zxcvbn. */
	assert_int_equal(check("..QlVvCvDeEro", NULL), CV_EDENIED);
	assert_int_equal(check("seven ARENDT juggle brass lanterns", &anna), CV_EDENIED);
	assert_int_equal(check("seven example juggle brass lanterns", &anna), CV_EDENIED);
	assert_int_equal(check("", &anna), CV_EINVAL);
	assert_int_equal(check("\xff\xfe", &anna), CV_EINVAL);
}

static void test_password_form(void **state)
{
	struct client_password p;
	struct client_error err = {0};
	char big[300];
	int fds[2];

	/* e and a combining acute become one character. */
	assert_int_equal(client_password_set(&p, "cafe\xcc\x81", 6, &err), 0);
	assert_string_equal(p.text, "caf\xc3\xa9");
	memset(big, 'a', sizeof(big));
	assert_int_equal(client_password_set(&p, big, 257, &err), CV_ELIMIT);
	assert_int_equal(client_password_set(&p, big, 256, NULL), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "first line\r\nsecond\n", 19), 19);
	client_error_clear(&err);
	assert_int_equal(client_password_read(fds[0], &p, &err), 0);
	assert_string_equal(p.text, "first line");
	assert_int_equal(client_password_read(fds[0], &p, &err), 0);
	assert_string_equal(p.text, "second");
	client_password_wipe(&p);
	for (size_t i = 0; i < sizeof(p); i++)
		assert_int_equal(((uint8_t *)&p)[i], 0);
	close(fds[0]);
	close(fds[1]);
}

/* Ctrl-C at the prompt: the program ends, and the terminal shows again what is typed. */
static void test_password_prompt(void **state)
{
	struct client_password p;
	struct client_error err = {0};
	struct termios t;
	char said[64] = "";
	int master, slave, status;
	pid_t pid;

	for (int stop = 0; stop < 2; stop++) {
		assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
		pid = fork();
		if (pid == 0) {
			signal(SIGINT, SIG_DFL);
			if (login_tty(slave) != 0)
				_exit(2);
			_exit(client_password_prompt("Password: ", &p, &err) || strcmp(p.text, "secret"));
		}
		assert_true(pid > 0);
		assert_true(read(master, said, sizeof(said)) > 0);
		do
			assert_int_equal(tcgetattr(slave, &t), 0);
		while (t.c_lflag & ECHO);
		assert_true(write(master, stop ? "sec\x03" : "secret\n", stop ? 4 : 7) > 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(stop ? WIFSIGNALED(status) && WTERMSIG(status) == SIGINT
				 : WIFEXITED(status) && WEXITSTATUS(status) == 0);
		assert_int_equal(tcgetattr(slave, &t), 0);
		assert_true(t.c_lflag & ECHO);
		close(master);
		close(slave);
	}
}

static void test_link(void **state)
{
	struct client_link l;
	struct client_error err = {0};
	char link[256], hex[65];

	memset(hex, 'a', 64);
	hex[64] = '\0';
	snprintf(link, sizeof(link), "https://m.example:8443/validate#t=abc-_1&org=%s", hex);
	assert_int_equal(client_link_parse(link, &l, &err), 0);
	assert_string_equal(l.manager_url, "https://m.example:8443");
	assert_string_equal(l.token, "abc-_1");
	assert_int_equal(l.fingerprint[31], 0xaa);
	link[strlen(link) - 1] = '\0';
	assert_int_equal(client_link_parse(link, &l, &err), CV_EFORMAT);
	assert_int_equal(client_link_parse("http://m.example/validate#t=a&org=b", &l, NULL), CV_EFORMAT);
	assert_int_equal(client_link_parse("https://m.example/", &l, NULL), CV_EFORMAT);
}

static void test_dpop(void **state)
{
	struct client_profile *p;
	struct client_error err = {0};
	struct cv_buf proof;
	uint8_t signature[64], claims[512];
	char *dot1, *dot2;
	size_t n;

	assert_int_equal(client_profile_open(dir, &p, &err), 0);
	cv_buf_init(&proof, 4096);
	assert_int_equal(client_dpop_proof(p, "GET", "https://m/api/v1/x?y=1", 1000, "nonce", "token", &proof), 0);
	dot1 = strchr((char *)proof.data, '.');
	dot2 = strrchr((char *)proof.data, '.');
	assert_true(dot1 != NULL && dot2 > dot1);
	assert_int_equal(cv_b64_decode(signature, sizeof(signature), dot2 + 1, strlen(dot2 + 1), &n), 0);
	assert_int_equal(
		crypto_sign_verify_detached(signature, proof.data, (size_t)(dot2 - (char *)proof.data), p->device_key),
		0);
	assert_int_equal(cv_b64_decode(claims, sizeof(claims) - 1, dot1 + 1, (size_t)(dot2 - dot1 - 1), &n), 0);
	claims[n] = '\0';
	assert_non_null(strstr((char *)claims, "\"htu\":\"https://m/api/v1/x\""));
	assert_non_null(strstr((char *)claims, "\"nonce\":\"nonce\""));
	assert_non_null(strstr((char *)claims, "\"ath\""));
	cv_buf_done(&proof);
	client_profile_free(p);
}

static void test_security_code(void **state)
{
	uint8_t a[32] = {1};
	char one[CLIENT_SECURITY_CODE_LEN], two[CLIENT_SECURITY_CODE_LEN];

	assert_int_equal(client_security_code(a, one), 0);
	assert_int_equal(strlen(one), 35);
	assert_int_equal(strspn(one, "0123456789 "), 35);
	assert_int_equal(client_security_code(a, two), 0);
	assert_string_equal(one, two);
	a[31] = 1;
	assert_int_equal(client_security_code(a, two), 0);
	assert_string_not_equal(one, two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_profile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_devices, setup, teardown),
		cmocka_unit_test_setup_teardown(test_profile_damaged, setup, teardown),
		cmocka_unit_test(test_clock),
		cmocka_unit_test(test_password_policy),
		cmocka_unit_test(test_password_form),
		cmocka_unit_test(test_password_prompt),
		cmocka_unit_test(test_link),
		cmocka_unit_test_setup_teardown(test_dpop, setup, teardown),
		cmocka_unit_test(test_security_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
