/* SPDX-License-Identifier: Apache-2.0 */
/* The environment's proxy for a host: the same variables and rules as libcurl has for plain HTTPS requests. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <net/tunnel.h>

static const char *variable(const char *small, const char *capital)
{
	const char *value = getenv(small);

	return value ? value : getenv(capital);
}

/* An entry stands for the host of that name and all below it: "example.org" and ".example.org" alike. */
static bool is_below(const char *host, const char *entry, size_t len)
{
	size_t host_len = strlen(host);

	if (len && entry[0] == '.') {
		entry++;
		len--;
	}
	if (!len || len > host_len || strncasecmp(host + host_len - len, entry, len) != 0)
		return false;
	return len == host_len || host[host_len - len - 1] == '.';
}

const char *net_proxy_from_env(const char *host)
{
	const char *proxy = variable("https_proxy", "HTTPS_PROXY"), *except = variable("no_proxy", "NO_PROXY");

	if (!proxy || !*proxy)
		return NULL;
	while (except && *except) {
		size_t len;

		except += strspn(except, ", ");
		len = strcspn(except, ", ");
		if ((len == 1 && *except == '*') || is_below(host, except, len))
			return NULL;
		except += len;
	}
	return proxy;
}
