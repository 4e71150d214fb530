/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <base/text.h>

#include "cli.h"

#define SAFE_MAX   512
#define SAFE_TURNS 8

void cli_event(struct cli *cli, const char *name, json_t *fields)
{
	json_t *event = json_pack("{s:s}", "event", name);

	if (event && fields)
		json_object_update_missing(event, fields);
	if (event && cli->json) {
		errno = 0;
		json_dumpf(event, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		cli->unread = cli->unread || (ferror(stdout) && errno == EPIPE);
	}
	json_decref(event);
	json_decref(fields);
}

void cli_say(struct cli *cli, const char *format, ...)
{
	va_list ap;

	if (cli->json)
		return;
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
}

int cli_finish(struct cli *cli)
{
	const struct client_error *e = &cli->err;

	if (e->code == 0)
		return CLIENT_DONE;
	fprintf(stderr, "conclave-cli: %s\n", cli_safe(e->text));
	cli_event(cli, "error",
		  json_pack("{s:s, s:i, s:s, s:s}", "message", cli_safe(e->text), "exit", (int)e->outcome, "problem",
			    e->problem, "code", cv_strerror(e->code)));
	return e->outcome;
}

int cli_usage_error(struct cli *cli, const char *format, ...)
{
	char text[CLIENT_ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	fprintf(stderr, "conclave-cli: %s; see 'conclave-cli%s%s --help'\n", text, *cli->command ? " " : "",
		cli->command);
	cli_event(cli, "error", json_pack("{s:s, s:i}", "message", cli_safe(text), "exit", (int)CLIENT_USAGE));
	return CLIENT_USAGE;
}

const char *cli_safe(const char *text)
{
	static char buffers[SAFE_TURNS][SAFE_MAX];
	static unsigned turn;
	char *out = buffers[turn++ % SAFE_TURNS];

	cv_text_clean(out, SAFE_MAX, text ? text : "", '?');
	return out;
}

const char *cli_field(const json_t *object, const char *name)
{
	return cli_safe(json_string_value(json_object_get(object, name)));
}
