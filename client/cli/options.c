/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <base/text.h>

#include "cli.h"

#define OPTIONS_MAX 24
#define OPT_HELP    1000

/* One getopt answer. */
static int take(struct cli *cli, const struct cli_option *o)
{
	if (o->flag) {
		*o->flag = true;
		return CLI_OPTIONS_OK;
	}
	/* JSON, to the manager and as events, is UTF-8: what is not would be left out without a word. */
	if (!o->path && !cv_utf8_valid(optarg, strlen(optarg))) {
		cli_usage_error(cli, "--%s is not UTF-8 text", o->name);
		return CLI_OPTIONS_WRONG;
	}
	if (o->value) {
		*o->value = optarg;
		return CLI_OPTIONS_OK;
	}
	if (*o->n_values == o->values_max) {
		cli_usage_error(cli, "--%s is given more than %zu times", o->name, o->values_max);
		return CLI_OPTIONS_WRONG;
	}
	o->values[(*o->n_values)++] = optarg;
	return CLI_OPTIONS_OK;
}

static int parse(struct cli *cli, int argc, char **argv, const struct cli_option *options, size_t n_options,
		 const struct option *table)
{
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
		if (c == OPT_HELP || c == 'h') {
			cli_help(cli->command);
			return CLI_OPTIONS_HELP;
		}
		if (c == ':') {
			cli_usage_error(cli, "%s needs a value", cli_safe(argv[optind - 1]));
			return CLI_OPTIONS_WRONG;
		}
		if (c < 0 || (size_t)c >= n_options) {
			cli_usage_error(cli, "there is no option '%s'", cli_safe(argv[optind - 1]));
			return CLI_OPTIONS_WRONG;
		}
		c = take(cli, &options[c]);
		if (c != CLI_OPTIONS_OK)
			return c;
	}
	return CLI_OPTIONS_OK;
}

int cli_options(struct cli *cli, int argc, char **argv, const struct cli_option *options, size_t n_options,
		int words_min, int words_max, char ***ret_words, int *ret_count)
{
	struct option table[OPTIONS_MAX + 2] = {0};
	int r, words;

	for (size_t i = 0; i < n_options && i < OPTIONS_MAX; i++)
		table[i] = (struct option){options[i].name, options[i].flag ? no_argument : required_argument, NULL,
					   (int)i};
	table[n_options] = (struct option){"help", no_argument, NULL, OPT_HELP};
	r = parse(cli, argc, argv, options, n_options, table);
	if (r != CLI_OPTIONS_OK)
		return r;
	words = argc - optind;
	for (int i = optind; i < argc; i++) {
		if (!cv_utf8_valid(argv[i], strlen(argv[i]))) {
			cli_usage_error(cli, "'%s' is not UTF-8 text", cli_safe(argv[i]));
			return CLI_OPTIONS_WRONG;
		}
	}
	if (words < words_min) {
		cli_usage_error(cli, "something is missing");
		return CLI_OPTIONS_WRONG;
	}
	if (words_max >= 0 && words > words_max) {
		cli_usage_error(cli, "'%s' is one word too many", cli_safe(argv[optind + words_max]));
		return CLI_OPTIONS_WRONG;
	}
	*ret_words = argv + optind;
	*ret_count = words;
	return CLI_OPTIONS_OK;
}

bool cli_number(struct cli *cli, const char *option, const char *text, long min, long max, long *ret)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max) {
		cli_usage_error(cli, "--%s takes a whole number from %ld to %ld", option, min, max);
		return false;
	}
	*ret = n;
	return true;
}

bool cli_id(struct cli *cli, const char *what, char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++) {
		if (!isxdigit((unsigned char)text[i]))
			n = 0;
		text[i] = (char)tolower((unsigned char)text[i]);
	}
	if (n == 2 * CLIENT_ID_LEN)
		return true;
	cli_usage_error(cli, "'%s' is no %s: it has 32 hexadecimal digits", cli_safe(text), what);
	return false;
}
