/* SPDX-License-Identifier: Apache-2.0 */
/* Which hosts the environment's proxy is for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <net/tunnel.h>

#define PROXY "http://proxy.example:3128"

static int setup(void **state)
{
	(void)state;
	unsetenv("HTTPS_PROXY");
	unsetenv("no_proxy");
	unsetenv("NO_PROXY");
	return setenv("https_proxy", PROXY, 1);
}

static void test_variables(void **state)
{
	(void)state;
	assert_string_equal(net_proxy_from_env("relay.example"), PROXY);
	setenv("HTTPS_PROXY", "other:1", 1);
	assert_string_equal(net_proxy_from_env("relay.example"), PROXY);
	unsetenv("https_proxy");
	assert_string_equal(net_proxy_from_env("relay.example"), "other:1");
	/* set and empty: none */
	setenv("https_proxy", "", 1);
	assert_null(net_proxy_from_env("relay.example"));
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	assert_null(net_proxy_from_env("relay.example"));
}

static void test_exceptions(void **state)
{
	static const struct {
		const char *except, *host;
		bool proxied;
	} cases[] = {
		{"", "relay.example", true},
		{"*", "relay.example", false},
		{"relay.example", "relay.example", false},
		{"RELAY.example", "relay.EXAMPLE", false},
		{"example", "relay.example", false},
		{".example", "relay.example", false},
		{"a.test, .example ,b.test", "relay.example", false},
		{"a.test,b.test", "relay.example", true},
		{"lay.example", "relay.example", true}, /* a name's end is not a domain */
		{"meet.relay.example", "relay.example", true},
		{".", "relay.example", true},
		{",, ,", "relay.example", true},
		{"10.1.2.3", "10.1.2.3", false},
		{"2.3", "10.1.22.3", true},
		{"::1", "::1", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("no_proxy", cases[i].except, 1);
		if (cases[i].proxied)
			assert_string_equal(net_proxy_from_env(cases[i].host), PROXY);
		else
			assert_null(net_proxy_from_env(cases[i].host));
	}
	unsetenv("no_proxy");
	setenv("NO_PROXY", "relay.example", 1);
	assert_null(net_proxy_from_env("relay.example"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_variables, setup),
		cmocka_unit_test_setup(test_exceptions, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
