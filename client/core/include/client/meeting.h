/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A meeting from joining to leaving: asks the manager, takes the best relay, enters, joins or creates the group, does
 * the committer's duties, sends and receives media and files, reports epochs, comes back after a lost connection.
 *
 * Everything runs on one event loop's thread; HTTP and Argon2id run on threads of their own inside. The user interface
 * gets events and decrypted units by callbacks on the loop's thread, and must not free the meeting inside one.
 */
#ifndef CLIENT_MEETING_H
#define CLIENT_MEETING_H

#include <base/loop.h>
#include <client/compare.h>
#include <client/files.h>
#include <client/group.h>
#include <client/media.h>
#include <client/profile.h>

#define CLIENT_LOST_US    30000000 /* how long a lost relay is tried for */
#define CLIENT_WELCOME_US 35000000 /* how long a newcomer waits to be let in */
#define CLIENT_REPORT_US  10000000
#define CLIENT_PATH_US    300000000 /* a path update at least so often */
#define CLIENT_SILENT_US  600000000 /* no new epoch for so long: nothing is sent any more */

enum client_meeting_event_kind {
	CLIENT_MEETING_JOINED,
	CLIENT_MEETING_LEFT,               /* the end; outcome and text */
	CLIENT_MEETING_PARTICIPANT_JOINED, /* also for everybody present when we join */
	CLIENT_MEETING_PARTICIPANT_LEFT,
	CLIENT_MEETING_EPOCH,
	CLIENT_MEETING_SECURITY_CODE,
	CLIENT_MEETING_STREAM,     /* a stream starts or stops */
	CLIENT_MEETING_WANTED,     /* which layers of ours anybody wants */
	CLIENT_MEETING_KEY_WANTED, /* somebody needs a key picture or a layer sync of ours */
	CLIENT_MEETING_FILE,
	CLIENT_MEETING_RIGHTS,       /* a participant's rights changed */
	CLIENT_MEETING_CONTACT,      /* a person known from before has a device key not seen before, or another name */
	CLIENT_MEETING_COMPARE,      /* a comparison of the security code begins or ends */
	CLIENT_MEETING_VERIFICATION, /* the number of present members that are not verified has changed */
	CLIENT_MEETING_PRESENCE,     /* a participant's connection was lost or is back */
	CLIENT_MEETING_LOCK,         /* the meeting was locked (active) or unlocked: nobody new is let in while it is */
	CLIENT_MEETING_RENEWED,      /* a participant has a new identity certificate, seen by all */
	CLIENT_MEETING_DAMAGED,      /* media of a participant that is no such media; told once for each */
	CLIENT_MEETING_ALARM, /* different groups are shown to different people; member: who passes it on, or NULL */
	CLIENT_MEETING_LOST,  /* our connection is lost, trying again */
	CLIENT_MEETING_BACK,  /* and is back */
	CLIENT_MEETING_ERROR, /* something asked for could not be done; the meeting goes on */
};

struct client_meeting_event {
	enum client_meeting_event_kind kind;
	const struct client_member *member; /* PARTICIPANT_…, STREAM, RIGHTS, CONTACT, PRESENCE, FILE; may be NULL */
	uint8_t rights;                     /* JOINED, PARTICIPANT_JOINED, RIGHTS */
	uint8_t reason;                     /* PARTICIPANT_LEFT: enum proto_reason */
	bool self;                          /* PARTICIPANT_…, RIGHTS: it is us */
	bool present;                       /* PARTICIPANT_JOINED: was there when we came; PRESENCE: connected */
	enum client_standing standing;      /* PARTICIPANT_JOINED, CONTACT */
	bool renamed;                       /* CONTACT: it is the name or address; text: the one known */
	size_t unverified;                  /* VERIFICATION */
	uint64_t epoch;                     /* EPOCH, SECURITY_CODE, ALARM */
	uint32_t participants;              /* EPOCH, JOINED */
	uint8_t stream;                     /* STREAM, WANTED, KEY_WANTED */
	bool active;                        /* STREAM, WANTED, LOCK */
	bool locked;                        /* JOINED */
	uint8_t spatial;                    /* STREAM: layers; WANTED: highest; KEY_WANTED: 0 key, else sync to it */
	const struct client_file_event *file;
	const struct client_compare_event *compare;
	enum client_outcome outcome;      /* LEFT */
	const struct client_error *error; /* LEFT: the same with its code and problem; code 0: nothing was wrong */
	const char *text;         /* LEFT, ERROR: one line; SECURITY_CODE: the code; JOINED: the title; LOST: why */
	const char *tls, *cipher; /* JOINED, BACK */
	const char *relay;        /* JOINED, BACK: its address */
	const uint8_t *run_id;    /* JOINED */
};

struct client_meeting_callbacks {
	void (*event)(void *ctx, const struct client_meeting_event *e);
	/* A unit of a member; capture_us here is on the clock of cv_now_us. Borrowed. */
	void (*unit)(void *ctx, const struct client_unit *u);
	void *ctx;
};

struct client_meeting_config {
	struct cv_loop *loop;
	struct client_profile *profile; /* borrowed; only the meeting uses it until it is freed */
	struct client_clock *clock;     /* borrowed */
	uint8_t meeting_id[CLIENT_ID_LEN];
	struct client_meeting_callbacks cb;
};

struct client_meeting;

/* Starts joining; what comes of it is told by events. CV_ENOMEM, CV_EIO; CV_EDENIED when nobody is signed in. */
CV_PUBLIC int client_meeting_new(const struct client_meeting_config *config, struct client_meeting **ret,
				 struct client_error *err) CV_NODISCARD;
/* Cuts everything off and frees. Takes NULL. */
CV_PUBLIC void client_meeting_free(struct client_meeting *m);
/* Leaves in good order: signed leave to the relay, told to the manager; LEFT follows within two seconds. */
CV_PUBLIC void client_meeting_leave(struct client_meeting *m);
/* Ends the run for all (moderator; organiser at the manager). */
CV_PUBLIC int client_meeting_end(struct client_meeting *m) CV_NODISCARD;

/* Borrowed; NULL before JOINED. */
CV_PUBLIC const struct client_group *client_meeting_group(const struct client_meeting *m);

/* ---- media */
/* Tells that a stream of ours starts or stops, with its number of spatial layers. */
CV_PUBLIC void client_meeting_publish(struct client_meeting *m, uint8_t stream, bool active, uint8_t layers);
/*
 * Sends a unit; capture_us on the clock of cv_now_us. CV_ESTATE: not in the meeting or nothing may be sent;
 * CV_EDENIED: no right; CV_ELIMIT, CV_EEXPIRED: the unit was dropped.
 */
CV_PUBLIC int client_meeting_send(struct client_meeting *m, const struct proto_media_header *header, int64_t capture_us,
				  struct cv_span data) CV_NODISCARD;
/* Asks a sender for a key picture (spatial 0) or a switch-up point. */
CV_PUBLIC void client_meeting_want_key(struct client_meeting *m, uint32_t leaf, uint8_t stream, uint8_t spatial);

/* ---- moderation: committed when the relay lets us; ERROR follows when it cannot be done */
CV_PUBLIC int client_meeting_remove(struct client_meeting *m, const uint8_t user_id[CLIENT_ID_LEN]) CV_NODISCARD;
CV_PUBLIC int client_meeting_set_rights(struct client_meeting *m, const uint8_t user_id[CLIENT_ID_LEN],
					uint8_t rights) CV_NODISCARD;
CV_PUBLIC int client_meeting_lock(struct client_meeting *m, bool locked) CV_NODISCARD;
/* The user of a member by e-mail address (any case). CV_ENOTFOUND. */
CV_PUBLIC int client_meeting_find(const struct client_meeting *m, const char *email,
				  uint8_t ret_user[CLIENT_ID_LEN]) CV_NODISCARD;

/* ---- comparing the security code; errors as in compare.h, and CV_ESTATE: not in the meeting */
CV_PUBLIC int client_meeting_code_compare(struct client_meeting *m) CV_NODISCARD;
CV_PUBLIC int client_meeting_code_verified(struct client_meeting *m, uint64_t epoch) CV_NODISCARD;
CV_PUBLIC int client_meeting_code_differs(struct client_meeting *m, uint64_t epoch) CV_NODISCARD;
CV_PUBLIC int client_meeting_code_cancel(struct client_meeting *m) CV_NODISCARD;
/* Of a present member, ourselves VERIFIED. */
CV_PUBLIC enum client_standing client_meeting_standing(const struct client_meeting *m, uint32_t leaf);

/* ---- files */
/* Measures the file on a thread, then offers it; ERROR when it cannot be. */
CV_PUBLIC int client_meeting_send_file(struct client_meeting *m, const char *path) CV_NODISCARD;
/* NULL while we are not in the meeting; for accept, decline, cancel. */
CV_PUBLIC struct client_files *client_meeting_files(struct client_meeting *m);

struct client_meeting_stats {
	struct client_media_stats media;
	uint64_t bytes_in, bytes_out;
	uint64_t units_dropped;
	int64_t rtt_us;
};
CV_PUBLIC void client_meeting_stats(struct client_meeting *m, struct client_meeting_stats *ret);

#ifdef CONCLAVE_TEST_HOOKS
struct client_hooks;
/* Only in the test build: see test_hooks.h. */
CV_PUBLIC struct client_hooks *client_meeting_hooks(struct client_meeting *m);
#endif

#endif
