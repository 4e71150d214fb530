/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of HTTP requests and responses: what is accepted holds no control characters and is found again. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static void check_text(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			abort();
}

static void check(struct net_http_head *h, size_t used, size_t size)
{
	size_t len = 0;

	if (used > size || used > NET_HTTP_HEAD_MAX || h->count > NET_HTTP_HEADERS_MAX)
		abort();
	for (size_t i = 0; i < h->count; i++) {
		check_text(h->headers[i].name);
		check_text(h->headers[i].value);
		if (!net_http_header(h, h->headers[i].name))
			abort();
	}
	(void)net_http_has_token(h, "Connection", "upgrade");
	if (net_http_body_length(h, NET_HTTP_BODY_MAX, &len) == 0 && len > NET_HTTP_BODY_MAX)
		abort();
	net_http_head_done(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_http_head h;
	size_t used;

	if (net_http_request_parse(data, size, &h, &used) == 0) {
		check_text(h.method);
		check_text(h.path);
		check_text(h.query);
		if (h.path[0] != '/')
			abort();
		check(&h, used, size);
	}
	if (net_http_response_parse(data, size, &h, &used) == 0) {
		if (h.status < 100 || h.status > 999)
			abort();
		check(&h, used, size);
	}
	return 0;
}
