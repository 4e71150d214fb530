/* SPDX-License-Identifier: Apache-2.0 */
/* conclave-cli join: from the command line to the exit code. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/text.h>
#include <base/time.h>

#include "join.h"

#define SECOND_US 1000000

/* The clock of --duration runs from joining, or from the moment when as many are there as are expected. */
void join_check_clock(struct join *j)
{
	if (j->end_running || !j->joined || j->o.duration == 0 || (long)j->participants < j->o.expect)
		return;
	j->end_running = true;
	cv_timer_set(&j->end, j->o.duration * SECOND_US);
}

void join_local_error(struct join *j, const char *text)
{
	if (j->local_error[0] == '\0')
		snprintf(j->local_error, sizeof(j->local_error), "%s", text);
	join_error(j, NULL, text);
}

static void on_end(void *arg)
{
	struct join *j = arg;

	client_meeting_leave(j->meeting);
}

static void on_second(void *arg)
{
	struct join *j = arg;

	cv_timer_set(&j->second, SECOND_US);
	if (j->over)
		return;
	if (j->cli->json && j->joined)
		cli_event(j->cli, "stats", join_stats(j));
	else if (!j->comparing) /* while somebody types the answer, the line stays */
		join_status(j);
	if (j->cli->unread && !j->interrupted) {
		/* Whoever started this has gone: nobody would know that a camera is on here. */
		j->interrupted = true;
		join_local_error(j, "nobody reads the events any more: leaving");
		client_meeting_leave(j->meeting);
	}
}

static void on_signal(void *arg, int signo)
{
	struct join *j = arg;

	if (signo == SIGHUP && !j->cli->json && isatty(STDIN_FILENO) == 0)
		return;
	if (j->interrupted || j->meeting == NULL) {
		/* The second time there is no waiting. */
		j->over = true;
		cv_loop_quit(j->loop);
		return;
	}
	j->interrupted = true;
	client_meeting_leave(j->meeting);
}

static int parse(struct cli *cli, int argc, char **argv, struct join_options *o, uint8_t id[CLIENT_ID_LEN])
{
	const char *duration = NULL, *expect = NULL;
	const struct cli_option options[] = {
		{"audio", .path = true, .value = &o->audio},
		{"camera", .path = true, .value = &o->camera},
		{"loop", .flag = &o->loop},
		{"record", .path = true, .value = &o->record},
		{"send-file", .path = true, .values = o->send_files, .values_max = SEND_FILES_MAX,
		 .n_values = &o->n_send_files},
		{"accept-files", .path = true, .value = &o->accept_dir},
		{"duration", .value = &duration},
		{"expect", .value = &expect},
	};
	char **words;
	int n, r = cli_options(cli, argc, argv, options, sizeof(options) / sizeof(options[0]), 1, 1, &words, &n);

	if (r != CLI_OPTIONS_OK)
		return r;
	if (!cli_id(cli, "meeting", words[0]) ||
	    (duration != NULL && !cli_number(cli, "duration", duration, 1, 7 * 86400, &o->duration)) ||
	    (expect != NULL && !cli_number(cli, "expect", expect, 1, 16384, &o->expect)))
		return CLI_OPTIONS_WRONG;
	return cv_hex_decode(id, CLIENT_ID_LEN, words[0]) == 0 ? CLI_OPTIONS_OK : CLI_OPTIONS_WRONG;
}

static bool directory_ready(struct cli *cli, const char *dir)
{
	struct stat st;

	if (dir == NULL || mkdir(dir, 0700) == 0)
		return true;
	if (errno == EEXIST && stat(dir, &st) == 0 && S_ISDIR(st.st_mode) && access(dir, W_OK) == 0)
		return true;
	client_fail(&cli->err, CV_EINVAL, CLIENT_USAGE, "%s: %s", cli_safe(dir),
		    errno == EEXIST ? "is not a directory that can be written to" : strerror(errno));
	return false;
}

/* Files to send are looked at before anybody waits for them. */
static bool files_ready(struct cli *cli, const struct join_options *o)
{
	for (size_t i = 0; i < o->n_send_files; i++) {
		struct stat st;

		if (stat(o->send_files[i], &st) == 0 && S_ISREG(st.st_mode) && access(o->send_files[i], R_OK) == 0)
			continue;
		client_fail(&cli->err, CV_EINVAL, CLIENT_USAGE, "%s cannot be read as a file",
			    cli_safe(o->send_files[i]));
		return false;
	}
	return directory_ready(cli, o->record) && directory_ready(cli, o->accept_dir);
}

static bool start(struct join *j, const uint8_t id[CLIENT_ID_LEN])
{
	struct cli *cli = j->cli;
	struct client_meeting_config config = {
		.profile = cli->profile,
		.clock = &cli->clock,
		.cb = {.event = join_on_event, .unit = join_on_unit, .ctx = j},
	};
	int r;

	memcpy(config.meeting_id, id, CLIENT_ID_LEN);
	r = cv_loop_new(&j->loop);
	/* Before any thread is started: they inherit what is blocked. */
	if (r == 0)
		r = cv_loop_signals(j->loop, on_signal, j);
	if (r == 0)
		r = cv_timer_init(&j->second, j->loop, on_second, j);
	if (r == 0)
		r = cv_timer_init(&j->end, j->loop, on_end, j);
	if (r != 0) {
		client_fail_code(&cli->err, r, "event loop");
		return false;
	}
	config.loop = j->loop;
	if (!join_media_open(j) || !join_commands_start(j))
		return false;
	cv_timer_set(&j->second, SECOND_US);
	j->started_us = cv_now_us();
	join_status(j);
	return client_meeting_new(&config, &j->meeting, &cli->err) == 0;
}

static void finish(struct join *j)
{
	join_media_close(j);
	client_meeting_free(j->meeting);
	join_commands_stop(j);
	if (j->loop != NULL) {
		cv_timer_done(&j->second);
		cv_timer_done(&j->end);
		cv_loop_free(j->loop);
	}
}

int cli_join(struct cli *cli, int argc, char **argv)
{
	static struct join j;
	uint8_t id[CLIENT_ID_LEN];
	int r;

	j.cli = cli;
	r = parse(cli, argc, argv, &j.o, id);
	if (r != CLI_OPTIONS_OK)
		return r == CLI_OPTIONS_HELP ? CLIENT_DONE : CLIENT_USAGE;
	if (cli_open(cli, true) && files_ready(cli, &j.o) && start(&j, id)) {
		r = j.over ? 0 : cv_loop_run(j.loop);
		if (r != 0)
			client_fail_code(&cli->err, r, "event loop");
	}
	join_status_clear(&j);
	finish(&j);
	if (cli->err.code == 0 && j.told_left)
		return join_left(&j);
	if (cli->err.code == 0 && j.local_error[0] != '\0') {
		/* Told already when it happened. */
		return CLIENT_USAGE;
	}
	return cli_finish(cli);
}
