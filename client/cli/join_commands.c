/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: with --json as JSON lines on standard input, each answered by an event, `done` or `error`; else as words
 * typed on the terminal.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/text.h>

#ifdef CONCLAVE_TEST_HOOKS
#include <client/test_hooks.h>
#endif

#include "join.h"

#define LINE_MAX_BYTES 16384

static const char *text_of(const json_t *command, const char *key)
{
	const char *text = json_string_value(json_object_get(command, key));

	return text != NULL ? text : "";
}

static void done(struct join *j, const char *name)
{
	cli_event(j->cli, "done", json_pack("{s:s}", "command", name));
}

static void answer(struct join *j, const char *name, int r)
{
	if (r == 0)
		done(j, name);
	else if (r == CV_EDENIED)
		join_error(j, name, "you have no right to do that");
	else if (r == CV_ENOTFOUND)
		join_error(j, name, "there is no such participant or transfer");
	else if (r == CV_ESTATE)
		join_error(j, name, "that is not possible just now");
	else
		join_error(j, name, cv_strerror(r));
}

static void mute(struct join *j, const json_t *command, const char *name, bool muted)
{
	const char *stream = text_of(command, "stream");
	bool all = stream[0] == '\0';
	bool voice = all || strcmp(stream, "audio") == 0 || strcmp(stream, "voice") == 0 ||
		     strcmp(stream, "microphone") == 0;
	bool camera = strcmp(stream, "video") == 0 || strcmp(stream, "camera") == 0;

	if (!voice && !camera) {
		join_error(j, name, "the stream is 'audio' or 'video'");
		return;
	}
	if (voice) {
		j->voice_muted = muted;
		client_microphone_mute(j->microphone, muted);
	}
	if (camera) {
		j->camera_muted = muted;
		client_camera_mute(j->camera, muted);
	}
	join_media_publish(j);
	done(j, name);
}

static void mute_checked(struct join *j, const json_t *command, const char *name, bool muted)
{
	const char *stream = text_of(command, "stream");
	bool camera = strcmp(stream, "video") == 0 || strcmp(stream, "camera") == 0;

	if (camera ? j->camera == NULL : j->microphone == NULL)
		join_error(j, name, "there is no such stream here");
	else
		mute(j, command, name, muted);
}

static bool parse_rights(const json_t *list, uint8_t *ret)
{
	static const char *const names[] = {"microphone", "camera", "share", "moderation"};
	const json_t *item;
	uint8_t rights = 0;
	size_t i;

	if (!json_is_array(list))
		return false;
	json_array_foreach(list, i, item)
	{
		const char *name = json_string_value(item);
		int k = 0;

		while (k < 4 && (name == NULL || strcmp(names[k], name) != 0))
			k++;
		if (k == 4)
			return false;
		rights |= (uint8_t)(1u << k);
	}
	*ret = rights;
	return true;
}

static void set_rights(struct join *j, const json_t *command)
{
	uint8_t user[CLIENT_ID_LEN], rights;
	int r;

	if (!parse_rights(json_object_get(command, "rights"), &rights)) {
		join_error(j, "set-rights", "rights is a list of microphone, camera, share, moderation");
		return;
	}
	r = client_meeting_find(j->meeting, text_of(command, "user"), user);
	answer(j, "set-rights", r != 0 ? r : client_meeting_set_rights(j->meeting, user, rights));
}

static void remove_user(struct join *j, const json_t *command)
{
	uint8_t user[CLIENT_ID_LEN];
	int r = client_meeting_find(j->meeting, text_of(command, "user"), user);

	if (r == 0)
		r = client_meeting_remove(j->meeting, user);
	if (r == CV_EINVAL)
		join_error(j, "remove", "that is yourself: use 'leave'");
	else
		answer(j, "remove", r);
}

static void transfer(struct join *j, const json_t *command, const char *name)
{
	struct client_files *files = client_meeting_files(j->meeting);
	const char *dir = text_of(command, "directory");
	uint8_t id[CLIENT_ID_LEN];
	int r;

	if (dir[0] == '\0')
		dir = j->o.accept_dir;
	if (cv_hex_decode(id, sizeof(id), text_of(command, "transfer")) != 0) {
		join_error(j, name, "transfer has 32 hexadecimal digits");
		return;
	}
	if (files == NULL)
		r = CV_ESTATE;
	else if (strcmp(name, "decline") == 0)
		r = client_files_decline(files, id);
	else if (strcmp(name, "cancel") == 0)
		r = client_files_cancel(files, id, "cancelled");
	else if (dir == NULL) {
		join_error(j, name, "no directory is given");
		return;
	} else
		r = client_files_accept(files, id, dir);
	answer(j, name, r);
}

#ifdef CONCLAVE_TEST_HOOKS
static void feed(struct join *j, const json_t *command)
{
	struct client_hooks_result res;
	int r = client_hooks_feed(client_meeting_hooks(j->meeting), text_of(command, "path"), &res);

	if (r != 0)
		answer(j, "feed", r);
	else
		cli_event(j->cli, "fed",
			  json_pack("{s:s, s:I, s:I, s:I, s:I}", "path", text_of(command, "path"), "fragments",
				    (json_int_t)res.fragments, "units", (json_int_t)res.units, "decrypted",
				    (json_int_t)res.decrypted, "epochs", (json_int_t)res.epochs));
}
#endif

static void run(struct join *j, const json_t *command)
{
	const char *name = text_of(command, "command");

	if (strcmp(name, "leave") == 0) {
		done(j, name);
		client_meeting_leave(j->meeting);
	} else if (strcmp(name, "end") == 0) {
		answer(j, name, client_meeting_end(j->meeting));
	} else if (strcmp(name, "mute") == 0 || strcmp(name, "unmute") == 0) {
		mute_checked(j, command, name, name[0] == 'm');
	} else if (strcmp(name, "set-rights") == 0) {
		set_rights(j, command);
	} else if (strcmp(name, "remove") == 0) {
		remove_user(j, command);
	} else if (strcmp(name, "lock") == 0 || strcmp(name, "unlock") == 0) {
		answer(j, name, client_meeting_lock(j->meeting, name[0] == 'l'));
	} else if (strcmp(name, "send-file") == 0) {
		answer(j, name, client_meeting_send_file(j->meeting, text_of(command, "path")));
	} else if (strcmp(name, "accept") == 0 || strcmp(name, "decline") == 0 || strcmp(name, "cancel") == 0) {
		transfer(j, command, name);
#ifdef CONCLAVE_TEST_HOOKS
	} else if (strcmp(name, "feed") == 0) {
		feed(j, command);
#endif
	} else if (!join_compare_command(j, name, command)) {
		join_error(j, cli_safe(name), "there is no such command");
	}
}

static void on_line(void *arg, char *line, size_t len)
{
	struct join *j = arg;
	json_t *command;

	if (len == 0 || j->over)
		return;
	command = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(command))
		join_error(j, "", "a command is a JSON object on one line");
	else if (j->meeting != NULL)
		run(j, command);
	json_decref(command);
}

static void on_end(void *arg, int err)
{
	struct join *j = arg;

	/* Nothing more will be asked; the meeting goes on. */
	if (err == CV_ELIMIT)
		join_error(j, "", "a command is too long");
}

/* ---- typed on the terminal */

static const struct {
	const char *word, *command;
	bool epoch; /* a number follows */
} words[] = {
	{"compare", "code-compare", false}, {"same", "code-verified", true}, {"differs", "code-differs", true},
	{"cancel", "code-cancel", false},   {"who", "participants", false},  {"leave", "leave", false},
};

static json_t *parse_words(char *line)
{
	const char *delimiters = " \t\r";
	char *rest, *word = strtok_r(line, delimiters, &rest), *number, *end;
	json_t *command = NULL;

	for (size_t i = 0; word != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(word, words[i].word) != 0)
			continue;
		command = json_pack("{s:s}", "command", words[i].command);
		if (!words[i].epoch)
			break;
		number = strtok_r(NULL, delimiters, &rest);
		if (number == NULL)
			number = (char *)"";
		errno = 0;
		json_object_set_new(command, "epoch", json_integer(strtoll(number, &end, 10)));
		if (*number < '0' || *number > '9' || *end != '\0' || errno != 0) {
			json_decref(command);
			return NULL;
		}
		break;
	}
	if (command != NULL && strtok_r(NULL, delimiters, &rest) != NULL) {
		json_decref(command);
		command = NULL;
	}
	return command;
}

static void on_typed(void *arg, char *line, size_t len)
{
	struct join *j = arg;
	json_t *command;

	if (len == 0 || j->over || j->meeting == NULL)
		return;
	command = parse_words(line);
	if (command == NULL)
		join_line(j, "You can type: compare, same EPOCH, differs EPOCH, cancel, who, leave.");
	else
		run(j, command);
	json_decref(command);
}

static void on_typed_end(void *arg, int err)
{
}

/* The terminal by a description of its own: what is set on it does not touch the shell's, nor our output. */
static void listen_to_terminal(struct join *j)
{
	const struct cv_line_cbs cbs = {.on_line = on_typed, .on_end = on_typed_end};

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return;
	j->input_fd = open("/dev/tty", O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	/* In the background the terminal belongs to others: reading fails then instead of stopping the process. */
	if (j->input_fd >= 0 && signal(SIGTTIN, SIG_IGN) != SIG_ERR)
		(void)!cv_line_reader_new(j->loop, j->input_fd, LINE_MAX_BYTES, &cbs, j, &j->input);
}

bool join_commands_start(struct join *j)
{
	const struct cv_line_cbs cbs = {.on_line = on_line, .on_end = on_end};
	int r;

	j->input_fd = -1;
	if (!j->cli->json) {
		listen_to_terminal(j);
		return true;
	}
	r = cv_line_reader_new(j->loop, STDIN_FILENO, LINE_MAX_BYTES, &cbs, j, &j->input);
	if (r != 0)
		client_fail_code(&j->cli->err, r, "standard input");
	return r == 0;
}

void join_commands_stop(struct join *j)
{
	cv_line_reader_free(j->input);
	j->input = NULL;
	if (j->input_fd > 0)
		close(j->input_fd);
	j->input_fd = -1;
}
