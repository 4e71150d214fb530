/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File transfer between participants (docs/protocol.md section 7): offers and keys as MLS messages, chunks under a file
 * key that only the acceptors have, a window of unacknowledged chunks, a received file shown under its final name only
 * when size and SHA-256 agree. Names are sanitised. Loop thread only; disk access is by chunks of 16 KB.
 */
#ifndef CLIENT_FILES_H
#define CLIENT_FILES_H

#include <proto/file.h>
#include <proto/message.h>

#include <client/group.h>

#define CLIENT_TRANSFERS_MAX 256 /* offers and transfers known at once */
#define CLIENT_FILE_STALL_US 3000000
#define CLIENT_FILE_NAME_MAX 255

enum client_file_state {
	CLIENT_FILE_OFFERED,  /* somebody offers, or our offer is out */
	CLIENT_FILE_PROGRESS, /* chunks went */
	CLIENT_FILE_DONE,     /* received whole and right; or: an acceptor of ours has it all */
	CLIENT_FILE_DECLINED, /* somebody declined our offer */
	CLIENT_FILE_ACCEPTED, /* somebody accepted our offer */
	CLIENT_FILE_CANCELLED,
	CLIENT_FILE_FAILED,
};

struct client_file_event {
	enum client_file_state state;
	uint8_t transfer_id[CLIENT_ID_LEN];
	bool mine;            /* we offer it */
	uint32_t leaf;        /* offerer; for events of our own offer: the acceptor */
	const char *name;     /* sanitised */
	const char *path;     /* DONE of a received file: where it is now */
	uint64_t size, bytes; /* bytes so far */
	uint8_t sha256[CLIENT_HASH_LEN];
	const char *text; /* FAILED, CANCELLED: one line */
};

struct client_files_callbacks {
	/* Sends inside MLS; 0 or CV_E…. */
	int (*app)(void *ctx, const PB(AppMessage) * msg);
	int (*control)(void *ctx, const PB(Control) * msg);
	/* A whole tunnel message of kind file. CV_EAGAIN: queue full, client_files_pump is called when there is room.
	 */
	int (*chunk)(void *ctx, const void *msg, size_t len);
	void (*event)(void *ctx, const struct client_file_event *e);
	void *ctx;
};

struct client_files;

/* `group`, `rng` are borrowed. CV_ENOMEM. */
CV_PUBLIC int client_files_new(const struct client_group *group, const struct cv_rng *rng,
			       const uint8_t run_id[CLIENT_ID_LEN], const struct client_files_callbacks *cb,
			       struct client_files **ret) CV_NODISCARD;
/* Closes files, removes unfinished ones, wipes keys. Takes NULL. */
CV_PUBLIC void client_files_free(struct client_files *f);

/* Size and SHA-256 of a regular file: takes long for large files, any thread. CV_EIO (errno), CV_EINVAL, CV_ELIMIT. */
CV_PUBLIC int client_file_measure(const char *path, uint64_t *ret_size,
				  uint8_t ret_sha256[CLIENT_HASH_LEN]) CV_NODISCARD;
/* Offers a measured file to everybody. CV_EDENIED: no right to share, or files are switched off; CV_EIO; CV_ELIMIT. */
CV_PUBLIC int client_files_offer(struct client_files *f, const char *path, uint64_t size,
				 const uint8_t sha256[CLIENT_HASH_LEN], uint8_t ret_id[CLIENT_ID_LEN]) CV_NODISCARD;
/* Accepts an offer; the file will be in `dir`. CV_ENOTFOUND; CV_ESTATE: accepted already; CV_EIO (errno). */
CV_PUBLIC int client_files_accept(struct client_files *f, const uint8_t id[CLIENT_ID_LEN],
				  const char *dir) CV_NODISCARD;
CV_PUBLIC int client_files_decline(struct client_files *f, const uint8_t id[CLIENT_ID_LEN]) CV_NODISCARD;
/* Ends a transfer from either side. */
CV_PUBLIC int client_files_cancel(struct client_files *f, const uint8_t id[CLIENT_ID_LEN],
				  const char *reason) CV_NODISCARD;

/* What comes in. Messages that make no sense are ignored. */
CV_PUBLIC void client_files_app(struct client_files *f, uint32_t sender, const PB(AppMessage) * msg);
CV_PUBLIC void client_files_credit(struct client_files *f, const PB(FileCredit) * msg);
CV_PUBLIC void client_files_stop(struct client_files *f, const PB(FileStop) * msg);
/* A tunnel message of kind file, kind byte first. */
CV_PUBLIC void client_files_chunk(struct client_files *f, const void *msg, size_t len);
/* Sends chunks while window and queue allow. `now_us`: any steady clock. */
CV_PUBLIC void client_files_pump(struct client_files *f, int64_t now_us);
/* Once a second: goes back to the slowest acceptor when nothing moves, offers again what newcomers have not seen. */
CV_PUBLIC void client_files_tick(struct client_files *f, int64_t now_us);
/*
 * A member left: keys of transfers it took part in are renewed. What it offers ends; or waits for 20 s, when the
 * same device may come back as another leaf: its offer, repeated then, goes on where it was.
 */
CV_PUBLIC void client_files_left(struct client_files *f, uint32_t leaf, bool may_return);
/* Our own place in the group is lost: until client_files_return nothing of the above may be called. */
CV_PUBLIC void client_files_suspend(struct client_files *f);
/* We are a member again, of this group and under another leaf: goes on with everything. */
CV_PUBLIC void client_files_return(struct client_files *f, const struct client_group *group);
/* Somebody joined: the next tick repeats our offers. Who knows a transfer, or is done with it, ignores that. */
CV_PUBLIC void client_files_joined(struct client_files *f);
/* The tunnel is back: tells the relay again what is open. */
CV_PUBLIC void client_files_resumed(struct client_files *f);
/* True while an offer of ours is being sent or an accepted file is under way. */
CV_PUBLIC bool client_files_busy(const struct client_files *f);

/* `name` made harmless: no path, no control or bidirectional characters, not hidden, never empty, at most 255 bytes. */
CV_PUBLIC void client_file_name(const char *name, char ret[CLIENT_FILE_NAME_MAX + 1]);

#endif
