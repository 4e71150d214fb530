/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conclave-cli join: join.c (options, beginning and end), join_events.c (what happens, for people and as JSON),
 * join_compare.c (comparing the security code, who is verified), join_commands.c (commands), join_media.c (camera,
 * microphone, viewers, statistics).
 */
#ifndef CLI_JOIN_H
#define CLI_JOIN_H

#include <base/line.h>
#include <base/loop.h>
#include <client/meeting.h>
#include <gst/sender.h>
#include <gst/viewer.h>

#include "cli.h"

#define SEND_FILES_MAX 64
#define TOKEN_CAMERA   1u
#define TOKEN_VOICE    2u
#define TOKEN_VIEWER   16u /* plus the leaf */

struct join_options {
	const char *audio, *camera, *record, *accept_dir;
	const char *send_files[SEND_FILES_MAX];
	size_t n_send_files;
	bool loop;
	long duration; /* seconds, 0: none */
	long expect;   /* participants, 0: at once */
};

/* Somebody whose media come. */
struct viewer {
	struct viewer *next;
	uint32_t leaf;
	char email[PROTO_EMAIL_MAX + 1];
	struct client_viewer *media;
};

struct join {
	struct cli *cli;
	struct join_options o;
	struct cv_loop *loop;
	struct client_meeting *meeting;

	struct client_events *events;
	struct cv_fd events_watch;
	struct client_camera *camera;
	struct client_microphone *microphone;
	bool camera_muted, voice_muted;
	bool media_started;
	uint8_t camera_layers;
	uint64_t camera_bytes, camera_units, voice_bytes, voice_units; /* sent */
	struct viewer *viewers;
	unsigned n_recordings;

	struct cv_timer second, end;
	bool end_running;
	struct cv_line_reader *input;
	int input_fd; /* the terminal, opened for commands; -1: none */
	bool joined, over, interrupted;
	bool told_left;             /* LEFT has come: `ending` is filled in */
	struct client_error ending; /* its code is 0 when nothing was wrong */
	int64_t started_us, joined_us;
	uint32_t participants;
	uint64_t epoch;
	char code[CLIENT_SECURITY_CODE_LEN];
	size_t unverified; /* present members */
	bool comparing;    /* a code is held on the screen */
	uint64_t compared_epoch;
	char compared_code[CLIENT_SECURITY_CODE_LEN];
	bool status_shown;
	char local_error[CLIENT_TEXT_MAX];
};

/* join.c */
void join_check_clock(struct join *j);
void join_local_error(struct join *j, const char *text);

/* join_events.c */
void join_on_event(void *ctx, const struct client_meeting_event *e);
/* The last event, when the recordings are closed: what they came to decides the exit code too, which is returned. */
int join_left(struct join *j);
void join_status(struct join *j);
void join_status_clear(struct join *j);
/* A line above the status line. */
void join_line(struct join *j, const char *format, ...) __attribute__((format(printf, 2, 3)));
json_t *join_member(const struct client_member *m);
json_t *join_rights(uint8_t rights);
/* "error" event, and a line on standard error for people. */
void join_error(struct join *j, const char *command, const char *text);

/* join_compare.c */
void join_on_compare(struct join *j, const struct client_compare_event *e);
void join_on_verification(struct join *j, size_t unverified);
void join_on_contact(struct join *j, const struct client_meeting_event *e);
/* "verified", "changed" into an event; and for people, "" when verified. */
void join_standing(json_t *fields, enum client_standing standing);
const char *join_standing_text(enum client_standing standing);
/* What the status line says of code and verification; not `wide`: in 60 columns. */
const char *join_code_status(const struct join *j, bool wide);
/* code-compare, code-verified, code-differs, code-cancel, participants. False: none of these. */
bool join_compare_command(struct join *j, const char *name, const json_t *command);

/* join_commands.c */
/* JSON lines from standard input, or words from the terminal. */
bool join_commands_start(struct join *j);
void join_commands_stop(struct join *j);

/* join_media.c */
bool join_media_open(struct join *j);
void join_media_close(struct join *j);
/* As rights and switches allow; starts the sources when it is the first time. */
void join_media_publish(struct join *j);
void join_on_unit(void *ctx, const struct client_unit *u);
void join_viewer_gone(struct join *j, uint32_t leaf);
/* We have entered anew: whoever is not where it was before is somebody else. */
void join_viewers_check(struct join *j);
json_t *join_stats(struct join *j);

#endif
