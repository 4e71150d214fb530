/* SPDX-License-Identifier: Apache-2.0 */
/* Answers to what never became a request. */
#include <stdio.h>

#include <base/buf.h>

#include "api/http_internal.h"

#define REFUSAL_MAX 2048

static int fill(struct mgr_response *res, struct cv_buf *ret_text)
{
	static const uint8_t pre[LWS_PRE]; /* libwebsockets wants room before what is written */
	char head[512];
	mgr_response_problem(res, MGR_EHTTP, NULL);
	int n = snprintf(
		head, sizeof head,
		"HTTP/1.1 %d Bad Request\r\nconnection: close\r\ncache-control: no-store\r\n"
		"x-content-type-options: nosniff\r\ncontent-security-policy: default-src 'none'\r\n"
		"strict-transport-security: max-age=31536000\r\ncontent-type: %s\r\ncontent-length: %zu\r\n\r\n",
		res->status, res->content_type, res->body.len);
	int r = cv_buf_put(ret_text, pre, sizeof pre);
	if (r == 0)
		r = cv_buf_put(ret_text, head, (size_t)n);
	return r < 0 ? r : cv_buf_put(ret_text, res->body.data, res->body.len);
}

int mgr_refuse(struct lws *wsi, bool raw)
{
	struct mgr_response res = {0};
	struct cv_buf text;
	cv_buf_init(&text, LWS_PRE + REFUSAL_MAX);
	int r = fill(&res, &text), len = (int)(text.len - LWS_PRE);
	if (r == 0 &&
	    lws_write(wsi, text.data + LWS_PRE, (size_t)len, raw ? LWS_WRITE_RAW : LWS_WRITE_HTTP_HEADERS) < len)
		r = CV_EIO;
	mgr_response_done(&res);
	cv_buf_done(&text);
	return r < 0 ? -1 : 0;
}

/*
 * What libwebsockets cannot read, or does not like, it answers itself by a page of HTML, and there is no hook for it.
 * But it calls this public function of its own by way of the dynamic linker, which finds ours first. (tests/system/
 * 02-api-input would notice if that ceased to be so.)
 */
int lws_return_http_status(struct lws *wsi, unsigned int code, const char *html_body)
{
	return mgr_refuse(wsi, false);
}
