/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <client/error.h>

int client_fail(struct client_error *err, int code, enum client_outcome outcome, const char *format, ...)
{
	va_list ap;

	if (err == NULL || err->code != 0)
		return code;
	err->code = code;
	err->outcome = outcome;
	va_start(ap, format);
	vsnprintf(err->text, sizeof(err->text), format, ap);
	va_end(ap);
	/* One line, whatever the parts held. */
	for (char *p = err->text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	}
	return code;
}

static enum client_outcome outcome_of(int code)
{
	switch (code) {
	case CV_EINVAL: return CLIENT_USAGE;
	case CV_EDENIED:
	case CV_EAGAIN:
	case CV_ENOTFOUND:
	case CV_EEXIST:
	case CV_ELIMIT:
	case CV_ESTATE: return CLIENT_REFUSED;
	case CV_ECLOSED:
	case CV_ETIMEOUT:
	case CV_EIO:
	case CV_ENOMEM: return CLIENT_UNREACHABLE;
	default: return CLIENT_SECURITY;
	}
}

int client_fail_code(struct client_error *err, int code, const char *what)
{
	return client_fail(err, code, outcome_of(code), "%s: %s", what, cv_strerror(code));
}

void client_error_clear(struct client_error *err)
{
	memset(err, 0, sizeof(*err));
}
