/* SPDX-License-Identifier: Apache-2.0 */
/* Ways into a group: who joins, who lets them in, and what an honest member would hand out. Made once. */
#ifndef FUZZ_MLS_DOORS_H
#define FUZZ_MLS_DOORS_H

#include "mls_mend.h"

enum {
	DOOR_CROWD, /* NEWCOMER into the states of these names */
	DOOR_X509,
	DOOR_P256,
	DOOR_REINIT, /* JUDGE into the group that follows STATE_ENDED */
	DOOR_BRANCH, /* JUDGE into a branch of STATE_PAIR */
	N_DOORS,
};
struct door {
	struct mls_state *s;
	const struct someone *joiner;
	const struct mls_key_package *kp;
	struct mls_group *old;       /* for DOOR_REINIT and DOOR_BRANCH: as JUDGE sees it */
	struct cv_span descent;      /* and its resumption PSK */
	struct mls_group *host;      /* PEER, who has added the joiner */
	struct cv_buf welcome;       /* by which it did */
	struct cv_buf secrets, info; /* GroupSecrets and GroupInfo in it */
	struct cv_buf tree;          /* of that epoch */
	struct mls_group *inside;    /* PEER in the state as it was saved: for external joins */
	struct cv_buf inside_info;   /* its GroupInfo, without the head of the message */
	struct cv_buf inside_tree;
	struct cv_buf message; /* said by PEER to JUDGE in that state */
};
/* All of them; the first call makes them. Starts the randomness of a run. */
struct door *mls_doors(void);

#endif
