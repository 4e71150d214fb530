/* SPDX-License-Identifier: Apache-2.0 */
/* What happens in the meeting, for people and as JSON lines. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <base/text.h>
#include <base/time.h>

#include "join.h"

#define BAR        30
#define STATUS_MAX 640
#define WIDE       110 /* columns */

static const char *const stream_names[] = {"", "voice", "camera", "screen"};
static const char *const reasons[] = {"", "left", "removed", "revoked", "lost", "replaced"};

static const char *reason_name(uint8_t reason)
{
	return reason < sizeof(reasons) / sizeof(reasons[0]) ? reasons[reason] : "";
}

void join_status_clear(struct join *j)
{
	if (j->status_shown) {
		fputs("\r\033[K", stdout);
		j->status_shown = false;
	}
}

static size_t columns(void)
{
	struct winsize w;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 1 ? w.ws_col : 80u;
}

/* In one row, whatever the terminal's width: what wraps cannot be taken away again. */
static void show_status(struct join *j, char *text)
{
	size_t room = columns(), used = 0;
	char *end = text;

	for (; *end != '\0'; end++) {
		if (((unsigned char)*end & 0xc0) != 0x80 && ++used == room)
			break;
	}
	*end = '\0';
	join_status_clear(j);
	fputs(text, stdout);
	fflush(stdout);
	j->status_shown = true;
}

void join_line(struct join *j, const char *format, ...)
{
	va_list ap;

	if (j->cli->json)
		return;
	join_status_clear(j);
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	join_status(j);
}

void join_status(struct join *j)
{
	int64_t s = (cv_now_us() - (j->joined ? j->joined_us : j->started_us)) / 1000000;
	char text[STATUS_MAX];

	if (j->cli->json || j->over || !isatty(STDOUT_FILENO))
		return;
	if (j->joined)
		snprintf(text, sizeof(text), "%d:%02d:%02d  %u here  %s", (int)(s / 3600), (int)(s / 60 % 60),
			 (int)(s % 60), j->participants, join_code_status(j, columns() >= WIDE));
	else
		snprintf(text, sizeof(text), "%d:%02d  waiting to be let in; Ctrl-C gives up", (int)(s / 60),
			 (int)(s % 60));
	show_status(j, text);
}

void join_error(struct join *j, const char *command, const char *text)
{
	json_t *fields = json_pack("{s:s}", "message", cli_safe(text));

	join_status_clear(j);
	if (command != NULL)
		json_object_set_new(fields, "command", json_string(command));
	fprintf(stderr, "conclave-cli: %s\n", cli_safe(text));
	cli_event(j->cli, "error", fields);
	join_status(j);
}

json_t *join_rights(uint8_t rights)
{
	static const char *const names[] = {"microphone", "camera", "share", "moderation"};
	json_t *list = json_array();

	for (int i = 0; i < 4; i++) {
		if (rights & (1u << i))
			json_array_append_new(list, json_string(names[i]));
	}
	return list;
}

json_t *join_member(const struct client_member *m)
{
	char user[2 * CLIENT_ID_LEN + 1], device[2 * CLIENT_HASH_LEN + 1];

	if (m == NULL)
		return json_object();
	cv_hex_encode(user, m->user_id, CLIENT_ID_LEN);
	cv_hex_encode(device, m->device_hash, CLIENT_HASH_LEN);
	return json_pack("{s:i, s:s, s:s, s:s, s:s, s:b, s:b}", "leaf", (int)m->leaf, "user", user, "email", m->email,
			 "name", m->name, "device", device, "browser", (m->flags & PROTO_FLAG_BROWSER) != 0,
			 "organiser", (m->flags & PROTO_FLAG_ORGANISER) != 0);
}

/* ---- files */

static void bar(struct join *j, const struct client_file_event *f)
{
	int filled = f->size > 0 ? (int)(f->bytes * BAR / f->size) : BAR;
	char text[STATUS_MAX];

	if (j->cli->json || !isatty(STDOUT_FILENO))
		return;
	snprintf(text, sizeof(text), "[%.*s%*s] %3d %% %s", filled, "==============================", BAR - filled, "",
		 f->size > 0 ? (int)(f->bytes * 100 / f->size) : 100, cli_safe(f->name));
	show_status(j, text);
}

static const char *file_event_name(const struct client_file_event *f)
{
	switch (f->state) {
	case CLIENT_FILE_OFFERED: return "file-offered";
	case CLIENT_FILE_PROGRESS: return "file-progress";
	case CLIENT_FILE_DONE: return "file-done";
	case CLIENT_FILE_ACCEPTED: return "file-accepted";
	case CLIENT_FILE_DECLINED: return "file-declined";
	case CLIENT_FILE_CANCELLED: return "file-cancelled";
	default: return "file-failed";
	}
}

static void file_line(struct join *j, const struct client_meeting_event *e)
{
	const struct client_file_event *f = e->file;
	const char *who = e->member != NULL ? cli_safe(e->member->name) : "somebody", *name = cli_safe(f->name);

	switch (f->state) {
	case CLIENT_FILE_OFFERED:
		if (f->mine)
			join_line(j, "You offer %s (%llu bytes).", name, (unsigned long long)f->size);
		else
			join_line(j, "%s offers %s (%llu bytes)%s.", who, name, (unsigned long long)f->size,
				  j->o.accept_dir != NULL ? "" : "; join with --accept-files DIR to take files");
		break;
	case CLIENT_FILE_PROGRESS: bar(j, f); break;
	case CLIENT_FILE_DONE:
		if (f->mine)
			join_line(j, "%s has %s.", who, name);
		else
			join_line(j, "%s is there: %s", name, cli_safe(f->path));
		break;
	case CLIENT_FILE_ACCEPTED: join_line(j, "%s takes %s.", who, name); break;
	case CLIENT_FILE_DECLINED: join_line(j, "%s declines %s.", who, name); break;
	default: join_line(j, "%s: %s", name, f->text != NULL ? cli_safe(f->text) : "ended"); break;
	}
}

static void on_file(struct join *j, const struct client_meeting_event *e)
{
	const struct client_file_event *f = e->file;
	char id[2 * CLIENT_ID_LEN + 1], sha[2 * CLIENT_HASH_LEN + 1];
	json_t *fields = join_member(e->member);

	cv_hex_encode(id, f->transfer_id, CLIENT_ID_LEN);
	cv_hex_encode(sha, f->sha256, CLIENT_HASH_LEN);
	json_object_set_new(fields, "transfer", json_string(id));
	json_object_set_new(fields, "name", json_string(f->name));
	json_object_set_new(fields, "mine", json_boolean(f->mine));
	json_object_set_new(fields, "size", json_integer((json_int_t)f->size));
	json_object_set_new(fields, "bytes", json_integer((json_int_t)f->bytes));
	json_object_set_new(fields, "sha256", json_string(sha));
	if (f->path != NULL) {
		json_t *path = json_string(f->path);

		/* A folder's name may be no UTF-8. */
		json_object_set_new(fields, "path", path != NULL ? path : json_string(cli_safe(f->path)));
	}
	if (f->text != NULL)
		json_object_set_new(fields, "message", json_string(cli_safe(f->text)));
	cli_event(j->cli, file_event_name(f), fields);
	file_line(j, e);
	if (f->state == CLIENT_FILE_OFFERED && !f->mine && j->o.accept_dir != NULL) {
		int r = client_files_accept(client_meeting_files(j->meeting), f->transfer_id, j->o.accept_dir);

		if (r != 0)
			join_error(j, "accept", cv_strerror(r));
	}
}

/* ---- people */

static void on_joined(struct join *j, const struct client_meeting_event *e)
{
	json_t *fields = join_member(e->member);
	bool first = !j->joined;

	j->joined = true;
	j->participants = e->participants;
	j->epoch = e->epoch;
	if (first)
		j->joined_us = cv_now_us();
	else
		join_viewers_check(j);
	if (e->run_id != NULL) {
		char run[2 * CLIENT_ID_LEN + 1];

		cv_hex_encode(run, e->run_id, CLIENT_ID_LEN);
		json_object_set_new(fields, "run", json_string(run));
	}
	json_object_set_new(fields, "relay", json_string(e->relay));
	json_object_set_new(fields, "title", json_string(e->text));
	json_object_set_new(fields, "rights", join_rights(e->rights));
	json_object_set_new(fields, "participants", json_integer(e->participants));
	json_object_set_new(fields, "locked", json_boolean(e->locked));
	json_object_set_new(fields, "epoch", json_integer((json_int_t)e->epoch));
	json_object_set_new(fields, "tls", json_string(e->tls));
	json_object_set_new(fields, "cipher", json_string(e->cipher));
	cli_event(j->cli, "joined", fields);
	join_line(j, "You are in: %s (%u present). Ctrl-C leaves.", cli_safe(e->text), e->participants);
	join_media_publish(j);
	for (size_t i = 0; first && i < j->o.n_send_files; i++) {
		int r = client_meeting_send_file(j->meeting, j->o.send_files[i]);

		if (r != 0)
			join_error(j, "send-file", cv_strerror(r));
	}
	join_check_clock(j);
}

static void on_left(struct join *j, const struct client_meeting_event *e)
{
	j->told_left = true;
	j->ending = *e->error;
	j->over = true;
	cv_loop_quit(j->loop);
}

int join_left(struct join *j)
{
	/* Something here failed, a recording above all: told when it happened, and no success. */
	bool local = j->ending.outcome == CLIENT_DONE && j->local_error[0] != '\0';
	int code = local ? CLIENT_USAGE : (int)j->ending.outcome;
	json_t *fields = json_pack("{s:i, s:s}", "exit", code, "reason", cli_safe(j->ending.text));

	join_status_clear(j);
	if (local)
		json_object_set_new(fields, "failed", json_string(cli_safe(j->local_error)));
	cli_event(j->cli, "left", fields);
	if (j->joined)
		cli_say(j->cli, "%s",
			j->ending.outcome == CLIENT_DONE ? "You have left the meeting."
							 : "The meeting is over for you.");
	else if (j->ending.outcome == CLIENT_DONE)
		cli_say(j->cli, "You have not entered the meeting.");
	if (j->ending.outcome == CLIENT_DONE)
		return code;
	j->cli->err = j->ending;
	return cli_finish(j->cli);
}

static void on_participant(struct join *j, const struct client_meeting_event *e, bool joined)
{
	json_t *fields = join_member(e->member);

	if (joined) {
		json_object_set_new(fields, "rights", join_rights(e->rights));
		json_object_set_new(fields, "present", json_boolean(e->present));
		join_standing(fields, e->standing);
	} else {
		json_object_set_new(fields, "reason", json_string(reason_name(e->reason)));
		join_viewer_gone(j, e->member->leaf);
	}
	cli_event(j->cli, joined ? "participant-joined" : "participant-left", fields);
	if (joined)
		join_line(j, "%s <%s> %s%s%s.", cli_safe(e->member->name), cli_safe(e->member->email),
			  e->present ? "is here" : "comes in",
			  e->member->flags & PROTO_FLAG_BROWSER ? " (in a browser)" : "",
			  join_standing_text(e->standing));
	else
		join_line(j, "%s is gone (%s).", cli_safe(e->member->name), reason_name(e->reason));
}

static void on_epoch(struct join *j, const struct client_meeting_event *e)
{
	j->epoch = e->epoch;
	j->participants = e->participants;
	j->code[0] = '\0';
	cli_event(j->cli, "epoch",
		  json_pack("{s:I, s:i}", "epoch", (json_int_t)e->epoch, "participants", (int)e->participants));
	join_check_clock(j);
}

static void on_code(struct join *j, const struct client_meeting_event *e)
{
	if (e->epoch == j->epoch)
		snprintf(j->code, sizeof(j->code), "%s", e->text);
	cli_event(j->cli, "security-code", json_pack("{s:I, s:s}", "epoch", (json_int_t)e->epoch, "code", e->text));
	if (!j->cli->json && !isatty(STDOUT_FILENO))
		join_line(j, "Security code of epoch %llu: %s", (unsigned long long)e->epoch, e->text);
	join_status(j);
}

static void on_rights(struct join *j, const struct client_meeting_event *e)
{
	json_t *fields = join_member(e->member);

	json_object_set_new(fields, "rights", join_rights(e->rights));
	json_object_set_new(fields, "self", json_boolean(e->self));
	cli_event(j->cli, "rights-changed", fields);
	join_line(j, "%s now %s:%s%s%s%s%s.", e->self ? "You" : cli_safe(e->member->name), e->self ? "have" : "has",
		  e->rights & PROTO_RIGHT_MICROPHONE ? " microphone" : "",
		  e->rights & PROTO_RIGHT_CAMERA ? " camera" : "", e->rights & PROTO_RIGHT_SHARE ? " share" : "",
		  e->rights & PROTO_RIGHT_MODERATION ? " moderation" : "", e->rights == 0 ? " no rights" : "");
	if (e->self)
		join_media_publish(j);
}

static void on_stream(struct join *j, const struct client_meeting_event *e)
{
	json_t *fields = join_member(e->member);
	const char *name = e->stream <= PROTO_STREAM_MAX ? stream_names[e->stream] : "";

	json_object_set_new(fields, "stream", json_string(name));
	json_object_set_new(fields, "spatial_layers", json_integer(e->spatial));
	cli_event(j->cli, e->active ? "stream-added" : "stream-removed", fields);
}

static void on_presence(struct join *j, const struct client_meeting_event *e)
{
	json_t *fields = join_member(e->member);

	json_object_set_new(fields, "connected", json_boolean(e->present));
	cli_event(j->cli, "presence", fields);
}

static void on_lock(struct join *j, const struct client_meeting_event *e)
{
	cli_event(j->cli, e->active ? "locked" : "unlocked", join_member(e->member));
	join_line(j, e->active ? "%s has locked the meeting: nobody new comes in." : "%s has unlocked the meeting.",
		  e->member != NULL ? cli_safe(e->member->name) : "Somebody");
}

static void on_renewed(struct join *j, const struct client_meeting_event *e)
{
	json_t *fields = join_member(e->member);

	json_object_set_new(fields, "until", json_integer((json_int_t)e->member->certificate_until));
	json_object_set_new(fields, "self", json_boolean(e->self));
	cli_event(j->cli, "certificate-renewed", fields);
}

static void on_damaged(struct join *j, const struct client_meeting_event *e)
{
	static const char what[] =
		"arrive damaged, forged or repeated (the network, the relay, or an attack): they are "
		"dropped";
	json_t *fields = join_member(e->member);
	const char *who = e->member != NULL ? cli_safe(e->member->name) : "somebody";
	char text[CLIENT_ERROR_TEXT_MAX];

	snprintf(text, sizeof(text), "some media of %.100s %s", who, what);
	json_object_set_new(fields, "message", json_string(text));
	cli_event(j->cli, "media-damaged", fields);
	join_line(j, "ATTENTION: %s.", text);
}

static void on_alarm(struct join *j, const struct client_meeting_event *e)
{
	json_t *fields = join_member(e->member);

	json_object_set_new(fields, "epoch", json_integer((json_int_t)e->epoch));
	cli_event(j->cli, "alarm", fields);
	join_line(j, "ALARM%s%s: not everybody is shown the same group (epoch %llu). Compare the security code.",
		  e->member != NULL ? " passed on by " : "", e->member != NULL ? cli_safe(e->member->name) : "",
		  (unsigned long long)e->epoch);
}

static void on_wanted(struct join *j, const struct client_meeting_event *e)
{
	if (e->stream == PROTO_STREAM_CAMERA && j->camera != NULL)
		client_camera_set_top(j->camera, e->active ? e->spatial : -1);
}

static void on_key_wanted(struct join *j, const struct client_meeting_event *e)
{
	if (e->stream != PROTO_STREAM_CAMERA || j->camera == NULL)
		return;
	if (e->spatial == 0)
		client_camera_request_key(j->camera);
	else
		client_camera_request_sync(j->camera, e->spatial);
}

void join_on_event(void *ctx, const struct client_meeting_event *e)
{
	struct join *j = ctx;

	switch (e->kind) {
	case CLIENT_MEETING_JOINED: on_joined(j, e); break;
	case CLIENT_MEETING_LEFT: on_left(j, e); break;
	case CLIENT_MEETING_PARTICIPANT_JOINED: on_participant(j, e, true); break;
	case CLIENT_MEETING_PARTICIPANT_LEFT: on_participant(j, e, false); break;
	case CLIENT_MEETING_EPOCH: on_epoch(j, e); break;
	case CLIENT_MEETING_SECURITY_CODE: on_code(j, e); break;
	case CLIENT_MEETING_STREAM: on_stream(j, e); break;
	case CLIENT_MEETING_WANTED: on_wanted(j, e); break;
	case CLIENT_MEETING_KEY_WANTED: on_key_wanted(j, e); break;
	case CLIENT_MEETING_FILE: on_file(j, e); break;
	case CLIENT_MEETING_RIGHTS: on_rights(j, e); break;
	case CLIENT_MEETING_CONTACT: join_on_contact(j, e); break;
	case CLIENT_MEETING_COMPARE: join_on_compare(j, e->compare); break;
	case CLIENT_MEETING_VERIFICATION: join_on_verification(j, e->unverified); break;
	case CLIENT_MEETING_PRESENCE: on_presence(j, e); break;
	case CLIENT_MEETING_LOCK: on_lock(j, e); break;
	case CLIENT_MEETING_RENEWED: on_renewed(j, e); break;
	case CLIENT_MEETING_DAMAGED: on_damaged(j, e); break;
	case CLIENT_MEETING_ALARM: on_alarm(j, e); break;
	case CLIENT_MEETING_LOST:
		cli_event(j->cli, "connection-lost", json_pack("{s:s}", "message", e->text));
		join_line(j, "The connection is lost (%s); trying again.", e->text);
		break;
	case CLIENT_MEETING_BACK:
		cli_event(j->cli, "connection-back",
			  json_pack("{s:s, s:s, s:s}", "relay", e->relay, "tls", e->tls, "cipher", e->cipher));
		join_line(j, "The connection is back.");
		break;
	case CLIENT_MEETING_ERROR: join_error(j, NULL, e->text); break;
	}
}
