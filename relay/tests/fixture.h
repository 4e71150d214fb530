/* SPDX-License-Identifier: Apache-2.0 */
/* The relay's core with invented connections, an invented clock and messages that only look like MLS. */
#ifndef RELAY_TEST_FIXTURE_H
#define RELAY_TEST_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <proto/file.h>
#include <proto/media.h>
#include <proto/message.h>
#include <proto/state.h>

#include "../relay.h"

#define NOW 1800000000u

struct client {
	struct relay_conn *conn;
	uint8_t user_id[PROTO_ID_LEN];
	uint8_t seed[PROTO_KEY_LEN], key[PROTO_KEY_LEN];
	uint8_t nonce[32];
	uint32_t number, leaf;
	uint64_t last_seq;
	struct net_msg *in[512]; /* what the relay sent, as it would arrive */
	enum net_class cls[512];
	size_t n_in;
	int closed;     /* code */
	int send_error; /* what sends of video and files give */
	enum net_class error_class;
};

struct world {
	struct relay *relay;
	int64_t now_us, wall_ms;
	uint32_t random;
	uint8_t relay_id[PROTO_ID_LEN], run_id[PROTO_ID_LEN];
	uint8_t manager_seed[PROTO_KEY_LEN];
	uint32_t tickets;
};

void world_init(struct world *w);
void world_done(struct world *w);
/* Lets time pass in ticks. */
void world_pass(struct world *w, int64_t ms);

/* A user with a device; `n` tells users apart. */
void client_init(struct client *c, uint8_t n);
void client_done(struct client *c);
void client_open(struct world *w, struct client *c);
/* The transport ends. */
void client_drop(struct client *c);

void make_ticket(struct world *w, const struct client *c, uint8_t rights, struct cv_buf *out);
struct enter_opts {
	uint8_t rights; /* of the ticket; 0: microphone, camera, share */
	bool create;
	bool admission; /* instead of a ticket */
	bool resume;
	uint64_t epoch;
	const struct cv_buf *ticket; /* a given one */
	bool bad_proof;
};
void client_enter(struct world *w, struct client *c, const struct enter_opts *o);
void client_send(struct client *c, const struct PB(Control) * m);
void client_send_raw(struct client *c, const void *data, size_t len);
/* Opens, enters, creates the group on leaf 0. */
void client_create(struct world *w, struct client *c, uint8_t rights);
/* Opens, enters, sends JoinRequest. */
void client_knock(struct world *w, struct client *c, uint8_t rights);
void client_ready(struct client *c, uint64_t epoch);
/* knock, then `committer` admits it on `leaf`, EpochReady. */
void client_join(struct world *w, struct client *committer, struct client *c, uint32_t leaf, uint64_t epoch,
		 uint8_t rights);

struct commit {
	uint64_t epoch; /* the one it is made in */
	struct client *adds[8];
	uint32_t leaves[8];
	size_t n_adds;
	struct proto_removal removals[8];
	size_t n_removals;
	bool no_welcome, hide_removals;
};
void client_commit(struct world *w, struct client *c, const struct commit *k);
void client_app(struct world *w, struct client *c, uint64_t epoch, const char *text);
void client_media(struct client *c, uint32_t leaf, uint8_t stream, uint32_t unit, uint32_t frame, uint8_t layer,
		  uint8_t flags);

/* Takes the oldest control message of this kind off what has come in. NULL: none. To be freed. */
struct PB(Control) * take_control(struct client *c, int body_case);
struct PB(Handshake) * take_handshake(struct client *c);
/* Number of messages of a kind, which are taken off. */
size_t take_kind(struct client *c, uint8_t kind);
void forget(struct client *c);
/* The reason of a Refused that has come in; -1: none. */
int refused(struct client *c);
bool got(struct client *c, int body_case);

#endif
