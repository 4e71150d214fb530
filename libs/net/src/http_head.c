/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of HTTP/1.1 requests and responses (RFC 9112), strictly: CRLF only, no folding, known characters. */
#include <string.h>
#include <strings.h>

#include <base/alloc.h>

#include "internal.h"

static bool is_token_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!is_token_char(*s))
			return false;
	return true;
}

/* Field values and reason phrases: visible characters, spaces, tabs, bytes above ASCII. */
static bool is_text(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

/* The end of the head (past the empty line), 0 when it is not there. */
static size_t find_end(const uint8_t *data, size_t len)
{
	const uint8_t *p = len > NET_HTTP_HEAD_MAX ? memmem(data, NET_HTTP_HEAD_MAX, "\r\n\r\n", 4)
						   : memmem(data, len, "\r\n\r\n", 4);

	return p ? (size_t)(p - data) + 4 : 0;
}

/* Cuts the next line out of the copy. False when there is none or it holds a stray CR or LF. */
static bool next_line(char **at, char **ret_line)
{
	char *line = *at, *end = strstr(line, "\r\n");

	if (!end)
		return false;
	*end = '\0';
	if (strpbrk(line, "\r\n"))
		return false;
	*at = end + 2;
	*ret_line = line;
	return true;
}

static int parse_headers(struct net_http_head *h, char *at)
{
	char *line, *colon, *value, *end;

	for (;;) {
		if (!next_line(&at, &line))
			return CV_EFORMAT;
		if (!*line)
			return 0;
		if (h->count == NET_HTTP_HEADERS_MAX)
			return CV_ELIMIT;
		colon = strchr(line, ':');
		if (!colon)
			return CV_EFORMAT;
		*colon = '\0';
		value = colon + 1;
		value += strspn(value, " \t");
		end = value + strlen(value);
		while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
			*--end = '\0';
		if (!is_token(line) || !is_text(value))
			return CV_EFORMAT;
		h->headers[h->count++] = (struct net_http_header){line, value};
	}
}

static int parse_request_line(struct net_http_head *h, char *line)
{
	char *path, *version, *query;

	path = strchr(line, ' ');
	if (!path)
		return CV_EFORMAT;
	*path++ = '\0';
	version = strchr(path, ' ');
	if (!version)
		return CV_EFORMAT;
	*version++ = '\0';
	if (!is_token(line) || *path != '/' || strcmp(version, "HTTP/1.1") != 0)
		return CV_EFORMAT;
	for (const char *p = path; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || *p == '#')
			return CV_EFORMAT;
	query = strchr(path, '?');
	if (query)
		*query++ = '\0';
	h->method = line;
	h->path = path;
	h->query = query ? query : "";
	return 0;
}

static int parse_status_line(struct net_http_head *h, const char *line)
{
	if (strncmp(line, "HTTP/1.", 7) != 0 || (line[7] != '0' && line[7] != '1') || line[8] != ' ')
		return CV_EFORMAT;
	line += 9;
	for (int i = 0; i < 3; i++)
		if (line[i] < '0' || line[i] > '9')
			return CV_EFORMAT;
	if (line[3] != '\0' && line[3] != ' ')
		return CV_EFORMAT;
	h->status = (line[0] - '0') * 100 + (line[1] - '0') * 10 + line[2] - '0';
	return h->status >= 100 && is_text(line + 3) ? 0 : CV_EFORMAT;
}

static int parse(const uint8_t *data, size_t len, bool request, struct net_http_head *ret_head, size_t *ret_used)
{
	struct net_http_head h = {0};
	size_t used = find_end(data, len);
	char *at, *line;
	int err;

	if (!used)
		return len >= NET_HTTP_HEAD_MAX ? CV_ELIMIT : CV_EAGAIN;
	if (memchr(data, '\0', used))
		return CV_EFORMAT;
	h.text = cv_malloc(used + 1);
	if (!h.text)
		return CV_ENOMEM;
	memcpy(h.text, data, used);
	h.text[used] = '\0';
	at = h.text;
	if (!next_line(&at, &line))
		err = CV_EFORMAT;
	else
		err = request ? parse_request_line(&h, line) : parse_status_line(&h, line);
	if (!err)
		err = parse_headers(&h, at);
	if (!err && request && net_http_header_count(&h, "Host") != 1)
		err = CV_EFORMAT;
	if (err) {
		net_http_head_done(&h);
		return err;
	}
	*ret_head = h;
	*ret_used = used;
	return 0;
}

int net_http_request_parse(const uint8_t *data, size_t len, struct net_http_head *ret_head, size_t *ret_used)
{
	return parse(data, len, true, ret_head, ret_used);
}

int net_http_response_parse(const uint8_t *data, size_t len, struct net_http_head *ret_head, size_t *ret_used)
{
	return parse(data, len, false, ret_head, ret_used);
}

void net_http_head_done(struct net_http_head *h)
{
	cv_free(h->text);
	*h = (struct net_http_head){0};
}

const char *net_http_header(const struct net_http_head *h, const char *name)
{
	for (size_t i = 0; i < h->count; i++)
		if (strcasecmp(h->headers[i].name, name) == 0)
			return h->headers[i].value;
	return NULL;
}

size_t net_http_header_count(const struct net_http_head *h, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < h->count; i++)
		n += strcasecmp(h->headers[i].name, name) == 0;
	return n;
}

static bool list_has(const char *list, const char *token)
{
	size_t want = strlen(token);

	while (*list) {
		size_t len;

		list += strspn(list, " \t,");
		len = strcspn(list, ",");
		while (len && (list[len - 1] == ' ' || list[len - 1] == '\t'))
			len--;
		if (len == want && strncasecmp(list, token, len) == 0)
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

bool net_http_has_token(const struct net_http_head *h, const char *name, const char *token)
{
	for (size_t i = 0; i < h->count; i++)
		if (strcasecmp(h->headers[i].name, name) == 0 && list_has(h->headers[i].value, token))
			return true;
	return false;
}

int net_http_body_length(const struct net_http_head *h, size_t max, size_t *ret_len)
{
	size_t n = net_http_header_count(h, "Content-Length"), len = 0;
	const char *s;

	if (net_http_header_count(h, "Transfer-Encoding"))
		return CV_EUNSUPPORTED;
	if (n > 1)
		return CV_EFORMAT;
	if (n == 1) {
		s = net_http_header(h, "Content-Length");
		if (!*s)
			return CV_EFORMAT;
		for (; *s; s++) {
			if (*s < '0' || *s > '9')
				return CV_EFORMAT;
			len = len * 10 + (size_t)(*s - '0');
			if (len > max)
				return CV_ELIMIT;
		}
	}
	*ret_len = len;
	return 0;
}

const char *net_http_reason(int status)
{
	switch (status) {
	case 101: return "Switching Protocols";
	case 200: return "OK";
	case 201: return "Created";
	case 204: return "No Content";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 409: return "Conflict";
	case 413: return "Content Too Large";
	case 415: return "Unsupported Media Type";
	case 426: return "Upgrade Required";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	default: return "Status";
	}
}
