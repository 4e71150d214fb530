/* SPDX-License-Identifier: Apache-2.0 */
/* compare.c: the comparison on the screen and who may begin one. compare_epochs.c: the latest epochs, standings. */
#ifndef CLIENT_COMPARE_INTERNAL_H
#define CLIENT_COMPARE_INTERNAL_H

#include <client/compare.h>

#define EPOCHS   (CLIENT_PAST_EPOCHS + 1)
#define IDS      32
#define STARTERS 256 /* more than can begin one within CLIENT_COMPARE_DISMISSED_US */

struct seat {
	uint32_t leaf;
	uint8_t user_id[CLIENT_ID_LEN];
	uint8_t device_hash[CLIENT_HASH_LEN];
};

/* An epoch whose code may be compared. */
struct epoch_record {
	bool used;
	uint64_t epoch;
	int64_t until_us;                                /* 0: the present one */
	uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN]; /* wiped when the code is known */
	char code[CLIENT_SECURITY_CODE_LEN];             /* "": not known */
	struct seat *seats;                              /* sorted by leaf */
	size_t n_seats;
};

struct comparison {
	uint8_t id[CLIENT_ID_LEN];
	uint64_t epoch;
	int64_t since_us;
	bool mine;
	char code[CLIENT_SECURITY_CODE_LEN]; /* "": being computed, not on the screen yet */
	size_t by;
	size_t n_members;
	struct client_compare_member members[];
};

struct starter {
	uint8_t device_hash[CLIENT_HASH_LEN];
	int64_t sent_us;  /* when it began one last */
	int64_t until_us; /* dismissed until then */
};

struct client_compare {
	const struct client_group *group;
	struct client_profile *profile;
	const struct cv_rng *rng;
	struct client_compare_callbacks cb;
	struct epoch_record epochs[EPOCHS]; /* the newest first */
	struct comparison *now;
	uint8_t ids[IDS][CLIENT_ID_LEN];
	size_t n_ids;
	struct starter starters[STARTERS];
	size_t n_starters;
	bool any, entered;  /* last_us counts, entered_us counts */
	int64_t last_us;    /* when the last comparison began */
	int64_t entered_us; /* there may have been one just before */
	size_t unverified;
	uint8_t standing[PROTO_LEAF_MAX + 1]; /* enum client_standing of present members, NOBODY elsewhere */
};
#define NOBODY 0xff

/* compare_epochs.c */
void client_epochs_done(struct client_compare *c);
void client_epochs_tick(struct client_compare *c, int64_t now_us);
/* NULL: not remembered (any more). */
struct epoch_record *client_epochs_find(struct client_compare *c, uint64_t epoch);
/* NULL: nobody sat there. */
const struct seat *client_epochs_seat(const struct epoch_record *r, uint32_t leaf);
struct client_who client_who_of(const struct client_member *m);

#endif
