/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <base/alloc.h>
#include <base/conf.h>

struct conf {
	char *listen, *key, *absent;
	int64_t clients, grace, room;
	bool tls12, on;
	struct cv_conf_list origins;
};

static const struct cv_conf_key keys[] = {
	{"server", "listen", CV_CONF_STRING, offsetof(struct conf, listen), .def = "[::]:443"},
	{"server", "key", CV_CONF_PATH, offsetof(struct conf, key), .required = true},
	{"server", "absent", CV_CONF_STRING, offsetof(struct conf, absent)},
	{"server", "clients", CV_CONF_INT, offsetof(struct conf, clients), .def = "1000", .min = 1, .max = 10000},
	{"limits", "grace", CV_CONF_DURATION, offsetof(struct conf, grace), .def = "20s", .min = 1, .max = 86400000},
	{"limits", "room", CV_CONF_SIZE, offsetof(struct conf, room), .def = "20M"},
	{"limits", "tls12", CV_CONF_BOOL, offsetof(struct conf, tls12)},
	{"limits", "on", CV_CONF_BOOL, offsetof(struct conf, on), .def = "yes"},
	{"limits", "origins", CV_CONF_LIST, offsetof(struct conf, origins)},
};
#define N (sizeof(keys) / sizeof(keys[0]))

static char msg[CV_CONF_MSG_MAX];

static int parse(const char *text, struct conf *c)
{
	msg[0] = '\0';
	return cv_conf_parse(text, strlen(text), "/etc/conclave/relay.conf", keys, N, c, msg, sizeof(msg));
}

static void test_values_and_defaults(void **state)
{
	struct conf c;

	assert_int_equal(parse("# comment\n[server]\nkey = tls/key.pem ; inline\nclients=7\n\n[limits]\ngrace = 5m\n"
			       "origins = a, b ,c\n  d, e\nroom = 3K\n",
			       &c),
			 0);
	assert_string_equal(c.listen, "[::]:443");
	assert_string_equal(c.key, "/etc/conclave/tls/key.pem");
	assert_null(c.absent);
	assert_int_equal(c.clients, 7);
	assert_int_equal(c.grace, 300000);
	assert_int_equal(c.room, 3072);
	assert_false(c.tls12);
	assert_true(c.on);
	assert_int_equal(c.origins.count, 5);
	assert_string_equal(c.origins.items[1], "b");
	assert_string_equal(c.origins.items[4], "e");
	cv_conf_free(keys, N, &c);
	assert_null(c.key);
}

static void test_errors_name_file_and_line(void **state)
{
	static const struct {
		const char *text, *msg;
	} bad[] = {
		{"[server]\nkey=k\nlissen = x\n", "/etc/conclave/relay.conf:3: unknown key 'lissen' in [server]"},
		{"[server]\nkey=k\n[sever]\nlisten=x\n", "/etc/conclave/relay.conf:4: unknown section [sever]"},
		{"listen=x\n", "/etc/conclave/relay.conf:1: unknown section [\"\"]"},
		{"[server]\nlisten=x\n", "/etc/conclave/relay.conf: 'key' in [server] is missing"},
		{"[server]\nkey=k\nkey=l\n", "/etc/conclave/relay.conf:3: 'key' in [server] is given twice"},
		{"[server]\nclients = many\n",
		 "/etc/conclave/relay.conf:2: 'clients' in [server] must be a whole number, not many"},
		{"[server]\nclients = 0\n",
		 "/etc/conclave/relay.conf:2: 'clients' in [server] must be from 1 to 10000"},
		{"[server]\nclients = 99999999999999999999\n",
		 "/etc/conclave/relay.conf:2: 'clients' in [server] must be a whole number, not 99999999999999999999"},
		{"[limits]\ngrace = 20\n", "/etc/conclave/relay.conf:2: 'grace' in [limits] must be a duration such as "
					   "250ms, 20s, 5m, 2h or 7d, not 20"},
		{"[limits]\ntls12 = perhaps\n",
		 "/etc/conclave/relay.conf:2: 'tls12' in [limits] must be yes or no, not perhaps"},
		{"[server]\nnonsense\n", "/etc/conclave/relay.conf:2: neither [section] nor key = value"},
		{"[server\nkey=k\n", "/etc/conclave/relay.conf:1: neither [section] nor key = value"},
	};
	struct conf c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(bad[i].text, &c), CV_EFORMAT);
		assert_string_equal(msg, bad[i].msg);
		assert_null(c.key);
	}
}

static void test_limits(void **state)
{
	static char text[5000] = "[server]\nkey=";
	struct conf c;
	size_t n = strlen(text);

	memset(text + n, 'a', 3000);
	assert_int_equal(parse(text, &c), CV_ELIMIT);
	assert_string_equal(msg, "/etc/conclave/relay.conf:2: line longer than 2048 bytes");
	memset(text + n, 0, 3000);
	memset(text + n, 'a', 1500);
	assert_int_equal(parse(text, &c), 0);
	assert_int_equal(strlen(c.key), 1500 + strlen("/etc/conclave/"));
	cv_conf_free(keys, N, &c);
	assert_int_equal(cv_conf_parse("[server]\nkey=a\0b\n", 17, "x", keys, N, &c, msg, sizeof(msg)), CV_EFORMAT);
	assert_string_equal(msg, "x:2: NUL byte");
}

static void test_missing_file(void **state)
{
	struct conf c;

	assert_int_equal(cv_conf_load("/nonexistent/x.conf", keys, N, &c, msg, sizeof(msg)), CV_ENOTFOUND);
	assert_string_equal(msg, "/nonexistent/x.conf: No such file or directory");
}

static void test_every_failed_allocation_is_clean(void **state)
{
	static const char text[] = "[server]\nkey=k\n[limits]\norigins=a,b\n c\n";
	struct conf c;
	int err;

	for (long n = 0;; n++) {
		cv_alloc_fail_at(n);
		err = parse(text, &c);
		cv_alloc_fail_at(-1);
		if (!err)
			break;
		assert_int_equal(err, CV_ENOMEM);
		assert_null(c.key);
		assert_true(n < 100);
	}
	cv_conf_free(keys, N, &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_and_defaults),
		cmocka_unit_test(test_errors_name_file_and_line),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_missing_file),
		cmocka_unit_test(test_every_failed_allocation_is_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
