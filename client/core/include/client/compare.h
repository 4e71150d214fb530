/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Comparing the security code (R81, docs/protocol.md section 5). Any member may begin a comparison of the present
 * epoch: every member's screen then holds on to that epoch's code and to the list of who was in it, through later
 * epochs, until its own user answers, the beginner calls it off, or the time is over. Only the user's own answer "the
 * same" marks anybody, and only on this device: the device keys of the members of the epoch that was compared, in the
 * profile's contacts. Nothing that comes from the network can mark a key.
 *
 * No sockets, no timers, no threads: messages and codes go in and out by callbacks, the time is handed in (cv_now_us),
 * so that tests run whole comparisons in one process. Not thread safe.
 */
#ifndef CLIENT_COMPARE_H
#define CLIENT_COMPARE_H

#include <proto/message.h>

#include <client/group.h>

#define CLIENT_SECURITY_CODE_LEN 36 /* six groups of five digits, with NUL */

#define CLIENT_COMPARE_US       300000000 /* how long a comparison stays on the screen */
#define CLIENT_COMPARE_KEEP_US  60000000  /* so long another one of a member of that epoch does not take its place */
#define CLIENT_COMPARE_CROSS_US 5000000   /* two that began within this time are one: the earlier epoch is taken */
#define CLIENT_COMPARE_PAST_US  30000000  /* a comparison of an epoch may come so long after its end */
/* Between entering or a comparison and the next one, and between two of one member. For others' the shorter values
 * count, so that what keeps to the longer ones is not refused for a little jitter. */
#define CLIENT_COMPARE_GAP_US             6000000
#define CLIENT_COMPARE_GAP_RECEIVED_US    3000000
#define CLIENT_COMPARE_MEMBER_US          60000000
#define CLIENT_COMPARE_MEMBER_RECEIVED_US 40000000
#define CLIENT_COMPARE_DISMISSED_US       600000000 /* who was called off by the user is not heard for so long */

enum client_compare_state {
	CLIENT_COMPARE_FROZEN,   /* code, by, members: to be shown until one of the following */
	CLIENT_COMPARE_VERIFIED, /* the user said: the same. `marked` device keys are verified now */
	CLIENT_COMPARE_DIFFERS,  /* the user said: another one. Nobody is marked. To be shown as a warning */
	CLIENT_COMPARE_ENDED,    /* text says why; nobody is marked */
};

/* A member of the epoch that is compared. */
struct client_compare_member {
	uint32_t leaf;
	uint8_t user_id[CLIENT_ID_LEN];
	uint8_t device_hash[CLIENT_HASH_LEN];
	char email[CLIENT_EMAIL_MAX + 1];
	char name[CLIENT_NAME_MAX + 1]; /* "": gone meanwhile and not known: is not marked */
	bool self;
	enum client_standing standing;
};

/* Everything is borrowed for the call. */
struct client_compare_event {
	enum client_compare_state state;
	uint64_t epoch;
	const uint8_t *id;                      /* CLIENT_ID_LEN */
	const char *code;                       /* not with ENDED */
	bool mine;                              /* we began it */
	const struct client_compare_member *by; /* who began it */
	const struct client_compare_member *members;
	size_t n_members;
	size_t marked;    /* VERIFIED: device keys that were not verified before */
	size_t unmarked;  /* VERIFIED: keys that could not be remembered */
	const char *text; /* ENDED: one line */
};

struct client_compare_callbacks {
	/* Sends inside MLS; 0 or CV_E…. */
	int (*app)(void *ctx, const PB(AppMessage) * msg);
	/* Asks for the code of an epoch: client_compare_code brings it, perhaps at once. 0 or CV_E…. */
	int (*code)(void *ctx, uint64_t epoch, const uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN]);
	void (*event)(void *ctx, const struct client_compare_event *e);
	void *ctx;
};

struct client_compare;

/* Group, profile, rng are borrowed; the profile's contacts are changed, saving is the caller's. CV_ENOMEM. */
CV_PUBLIC int client_compare_new(const struct client_group *group, struct client_profile *profile,
				 const struct cv_rng *rng, const struct client_compare_callbacks *cb,
				 struct client_compare **ret) CV_NODISCARD;
/* Wipes and frees; a comparison on the screen ends. Takes NULL. */
CV_PUBLIC void client_compare_free(struct client_compare *c);

/* ---- what happens in the group */
/* A new epoch of the group (the first one too). Without memory for it, it cannot be compared. */
CV_PUBLIC void client_compare_epoch(struct client_compare *c, int64_t now_us);
/* A member has come, is gone, has renewed its certificate. After client_profile_meet; not for ourselves. */
CV_PUBLIC void client_compare_member(struct client_compare *c, uint32_t leaf);
CV_PUBLIC void client_compare_gone(struct client_compare *c, uint32_t leaf);
/* The code of an epoch is known; NULL: it cannot be computed. */
CV_PUBLIC void client_compare_code(struct client_compare *c, uint64_t epoch, const char *code, int64_t now_us);
/* The code of one of the latest epochs if it is known; borrowed until the next epoch. */
CV_PUBLIC const char *client_compare_known(const struct client_compare *c, uint64_t epoch);
/*
 * A message by the member at leaf `sender`, sealed in `epoch`. Ignored: what is of another epoch than the sender says
 * or one not remembered, of who was no member then or is none now, a repeated id, what comes too often or while another
 * is on the screen, a cancellation by anybody but the beginner.
 */
CV_PUBLIC void client_compare_app(struct client_compare *c, uint32_t sender, uint64_t epoch, const PB(AppMessage) * msg,
				  int64_t now_us);
CV_PUBLIC void client_compare_tick(struct client_compare *c, int64_t now_us);

/* ---- what the user wants */
/*
 * Begins a comparison of the present epoch. CV_ENOTFOUND: nobody else is here; CV_ESTATE: one is on the screen;
 * CV_EAGAIN: too soon after the last one; CV_ENOMEM and what the callbacks give.
 */
CV_PUBLIC int client_compare_start(struct client_compare *c, int64_t now_us) CV_NODISCARD;
/* The answers, for the epoch that the user read: CV_ENOTFOUND when no code of that epoch is on the screen. */
CV_PUBLIC int client_compare_verified(struct client_compare *c, uint64_t epoch) CV_NODISCARD;
CV_PUBLIC int client_compare_differs(struct client_compare *c, uint64_t epoch) CV_NODISCARD;
/* Takes it off the screen; everybody's when it was ours. CV_ENOTFOUND. */
CV_PUBLIC int client_compare_cancel(struct client_compare *c, int64_t now_us) CV_NODISCARD;

/* Standing of a present member; UNVERIFIED when there is none at the leaf. */
CV_PUBLIC enum client_standing client_compare_standing(const struct client_compare *c, uint32_t leaf);
/* How many present members are not verified, ourselves left out. */
CV_PUBLIC size_t client_compare_unverified(const struct client_compare *c);

#endif
