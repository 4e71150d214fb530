/* SPDX-License-Identifier: Apache-2.0 */
/*
 * People who compare the security code: each with a group, a profile and a comparison, messages sealed by MLS on a wire
 * in memory, delivered when the test says so. Functions fail the test by cmocka's assertions.
 */
#ifndef CLIENT_COMPARE_STAGE_H
#define CLIENT_COMPARE_STAGE_H

#include "cast.h"
#include "compare_internal.h"

#define STAGE_SITES   6
#define STAGE_NOTHING 99 /* site.last before any event */

struct site {
	struct person *person;
	struct client_profile *profile;
	struct client_compare *compare;
	bool hold;    /* codes are asked for, but not answered */
	bool no_code; /* there is no memory for codes */
	unsigned asked, frozen, ended;
	enum client_compare_state last;
	uint64_t epoch;
	char code[CLIENT_SECURITY_CODE_LEN];
	char by[CLIENT_NAME_MAX + 1];
	bool mine;
	size_t members, marked, unmarked;
	char text[64];
};

extern struct cast c;
extern struct site sites[STAGE_SITES];
extern size_t stage_messages; /* on the wire */
extern int64_t now;

/* Ann, Bob and Cem in one group, at a moment when a comparison may begin; _one: Ann alone. */
int stage_setup(void **state);
int stage_setup_one(void **state);
int stage_teardown(void **state);
/* One more, admitted by the first. */
struct site *stage_add(const char *name, const struct odd *odd);
/* An epoch has begun at everybody; next: by a path commit. */
void stage_begin(void);
void stage_next_epoch(struct site *by);
/* Message `i` reaches a member; what it cannot open is none. */
int stage_deliver_to(size_t i, struct site *to);
/* All messages, to everybody. */
void stage_deliver(void);
/* A CodeCompare as a hostile member may make it up. */
void stage_forged(struct site *to, uint32_t sender, uint64_t sealed_in, uint64_t epoch, uint8_t id);

enum client_standing stage_standing(const struct site *of, const struct site *who);
/* Device keys that a profile holds for verified. */
size_t stage_verified(const struct site *s);
uint64_t stage_epoch(const struct site *s);
uint32_t stage_leaf(const struct site *s);

#endif
