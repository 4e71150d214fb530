/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, in one line that a person understands, and what it means for the exit code. */
#ifndef CLIENT_ERROR_H
#define CLIENT_ERROR_H

#include <base/err.h>

/* The outcome of a command; also the exit code of conclave-cli. */
enum client_outcome {
	CLIENT_DONE = 0,        /* left, or the meeting ended */
	CLIENT_USAGE = 2,       /* the command line, or a local file that cannot be used */
	CLIENT_REFUSED = 3,     /* credentials, invitation, rights, removed, cancelled */
	CLIENT_UNREACHABLE = 4, /* a server does not answer */
	CLIENT_SECURITY = 5,    /* pin, certificate, signature, group */
};

#define CLIENT_ERROR_TEXT_MAX 320

struct client_error {
	int code; /* CV_E…; 0: none */
	enum client_outcome outcome;
	char problem[48]; /* name of the manager's problem document, "" when there is none */
	char text[CLIENT_ERROR_TEXT_MAX];
};

/*
 * Fills `err` (may be NULL) and returns `code`, so that `return client_fail(...)` reads well. Keeps the first error:
 * a later call on an error that is set changes nothing.
 */
CV_PUBLIC int client_fail(struct client_error *err, int code, enum client_outcome outcome, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* As client_fail, with the outcome that usually belongs to `code` (CV_EPIN: security, CV_ECLOSED: unreachable ...). */
CV_PUBLIC int client_fail_code(struct client_error *err, int code, const char *what);
CV_PUBLIC void client_error_clear(struct client_error *err);

#endif
