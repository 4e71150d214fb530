/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <base/log.h>

static char last[CV_LOG_LINE_MAX];
static int lines;

static void sink(void *arg, const struct cv_log_event *e)
{
	snprintf(last, sizeof(last), "%s", e->line);
	lines++;
}

static int setup(void **state)
{
	cv_log_set_sink(sink, NULL);
	cv_log_set_level(CV_LOG_INFO);
	lines = 0;
	return 0;
}

static int teardown(void **state)
{
	cv_log_set_sink(NULL, NULL);
	return 0;
}

static void test_line(void **state)
{
	cv_log(CV_LOG_INFO, "relay", "client joined", cv_log_str("run", "abc"), cv_log_uint("leaf", 3),
	       cv_log_int("delta", -4), cv_log_err("error", CV_EPIN), cv_log_str("none", NULL));
	assert_string_equal(last, "INFO relay client joined run=abc leaf=3 delta=-4 "
				  "error=\"the server's key is not one of the pinned keys\" none=-");
	cv_log(CV_LOG_ERROR, "relay", "no fields");
	assert_string_equal(last, "ERROR relay no fields");
}

static void test_nobody_writes_a_line_of_their_own(void **state)
{
	cv_log(CV_LOG_INFO, "x", "m", cv_log_str("name", "a\nERROR x forged k=v\r\x1b[2J\"\\"));
	assert_string_equal(last, "INFO x m name=\"a\\x0aERROR x forged k=v\\x0d\\x1b[2J\\\"\\\\\"");
	/* Right-to-left override: escaped. */
	cv_log(CV_LOG_INFO, "x", "m", cv_log_str("name", "\xe2\x80\xae"));
	assert_string_equal(last, "INFO x m name=\"\\xe2\\x80\\xae\"");
	cv_log(CV_LOG_INFO, "x", "m", cv_log_str("name", "Zo\xc3\xab"));
	assert_string_equal(last, "INFO x m name=\"Zo\xc3\xab\"");
	cv_log(CV_LOG_INFO, "x", "m", cv_log_str("empty", ""));
	assert_string_equal(last, "INFO x m empty=\"\"");
}

static void test_level_and_length(void **state)
{
	static char huge[20000];
	enum cv_log_level level;

	cv_log(CV_LOG_DEBUG, "x", "hidden");
	assert_int_equal(lines, 0);
	assert_int_equal(cv_log_level_parse("debug", &level), 0);
	cv_log_set_level(level);
	cv_log(CV_LOG_DEBUG, "x", "shown");
	assert_int_equal(lines, 1);
	assert_int_equal(cv_log_level_parse("loud", &level), CV_ENOTFOUND);
	memset(huge, 'a', sizeof(huge) - 1);
	cv_log(CV_LOG_INFO, "x", "m", cv_log_str("k", huge));
	assert_true(strlen(last) < CV_LOG_LINE_MAX);
	assert_true(strlen(last) > CV_LOG_LINE_MAX - 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_writes_a_line_of_their_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_level_and_length, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
