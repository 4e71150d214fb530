/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states that the fuzzer meets groups in. Each is led there once, at the start, by honest members with seeded
 * randomness, and saved; a run restores who it needs. ECDSA signatures are random all the same: a seed made in
 * one process has the messages of suites 2, 5 and 7 by other names in the next, the rest is the same in each.
 */
#ifndef FUZZ_MLS_STATES_H
#define FUZZ_MLS_STATES_H

#include "../../libs/mls/src/state.h"
#include "mls_env.h"

#define BUF_SPAN(b) SPAN((b).data, (b).len)
#define FUZZ_MAX    (4u << 20) /* more than any input makes */

enum mls_state_id {
	STATE_PAIR,     /* two members */
	STATE_CROWD,    /* five, with a blank leaf, blank parents, an unmerged leaf, and past epochs kept */
	STATE_PENDING,  /* the same, a commit of our own pending */
	STATE_KEPT,     /* the same, proposals of every kind kept */
	STATE_UPDATING, /* the same, Updates of our own kept */
	STATE_SENDERS,  /* the same, with external senders and required capabilities */
	STATE_X509,     /* the same in suite 3, members with certificates and without */
	STATE_P256,     /* the same in suite 2 */
	STATE_ENDED,    /* two members after a ReInit */
	STATE_X448,     /* as the crowd, in suite 4: longer keys and hashes */
	STATE_P521,     /* two members in suite 5, whose private keys are longer than its hash */
	STATE_CHACHA,   /* two in suite 6 */
	STATE_P384,     /* two in suite 7 */
	N_STATES,
};
/* People by number; PEER founded the group, JUDGE is the member under test, NEWCOMER is outside. */
enum { PEER, OTHER_PEER, JUDGE, EARLIER, N_SEATS = EARLIER + 1, NEWCOMER = 7, N_PEOPLE };

struct someone {
	struct mls_sign_key *key;
	struct mls_member member;
	struct cv_buf chain; /* of certificates */
	struct mls_key_package *kp;
};
struct mls_state {
	const char *name;
	uint16_t suite;
	struct someone who[N_PEOPLE];
	struct cv_buf saved[N_SEATS]; /* EARLIER: PEER one epoch before the others; empty: nobody there */
};

extern const struct mls_group_options fuzz_options;
/* The resumption PSK by which the policy answers for a ReInit or a branch; empty: it knows none. */
extern struct cv_span fuzz_descent;

/* All of them; the first call makes them. Starts the randomness of a run. */
struct mls_state *mls_states(void);
/* A member as it was saved; NULL when the seat is empty. */
struct mls_group *mls_state_open(const struct mls_state *s, int seat);
/* For mls_group_restore. */
struct mls_own_key mls_state_key(const struct someone *p);
/* Saved, restored and saved again it must be the same bytes; nothing to do after our removal. */
void mls_state_check(const struct mls_group *g);

#endif
