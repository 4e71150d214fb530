/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's core (docs/protocol.md, section 4): connections, runs, the delivery service, forwarding.
 *
 * It knows no sockets: a connection is a handle with three functions, time is asked from the host. It links neither mls
 * nor sframe and holds no key. One thread.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/secret.h>
#include <net/tunnel.h>
#include <proto/ids.h>
#include <proto/signed.h>

struct relay;
struct relay_conn;

/* How the core reaches a connection. None of them calls back into the core. */
struct relay_transport {
	/* As net_tunnel_send. */
	int (*send)(void *t, const struct net_send *s);
	/* Sends what is queued, then closes with this WebSocket code; relay_conn_gone follows later. */
	void (*close)(void *t, uint16_t code);
	/* Largest message accepted from now on. */
	void (*set_limits)(void *t, size_t max_message, size_t max_handshake);
};

struct relay_host {
	int64_t (*now_us)(void *arg);  /* monotonic */
	int64_t (*wall_ms)(void *arg); /* Unix time */
	const struct cv_rng *rng;
	void *arg;
};

struct relay_limits {
	size_t runs;
	size_t members;           /* of one run */
	size_t connections;       /* all together */
	size_t replay;            /* ticket ids remembered */
	int64_t control_rate;     /* control, handshake and application messages per second and connection */
	int64_t media_rate;       /* bytes per second and connection */
	int64_t application_rate; /* bytes per second and connection */
};
void relay_limits_default(struct relay_limits *l);

struct relay_opts {
	uint8_t relay_id[PROTO_ID_LEN];
	struct relay_limits limits;
	struct relay_host host;
};

/* CV_ENOMEM. */
int relay_new(const struct relay_opts *opts, struct relay **ret) CV_NODISCARD;
/* Closes nothing: connections must be gone or are forgotten. Takes NULL. */
void relay_free(struct relay *r);

/* Keys that tickets, admissions, grants and revocations are verified with. */
void relay_set_signers(struct relay *r, const struct proto_signers *signers);
/*
 * A Signed Revocation from the manager: remembered, and enforced at once. CV_EAUTH, CV_EEXPIRED, decoding errors;
 * CV_ELIMIT, CV_ENOMEM: enforced on who is here, but not remembered.
 */
int relay_revoke(struct relay *r, const void *data, size_t len) CV_NODISCARD;
/* The manager has ended the run (`cancelled`: with its meeting); nobody enters it again. */
void relay_end_run(struct relay *r, const uint8_t run_id[PROTO_ID_LEN], bool cancelled);
/* Timers: to be called every RELAY_TICK_US while there is a connection or a run. */
#define RELAY_TICK_US 20000
void relay_tick(struct relay *r);
bool relay_idle(const struct relay *r);

struct relay_counts {
	size_t connections, runs, members;
	uint64_t media_in, media_out; /* fragments */
	uint64_t media_dropped;
};
void relay_get_counts(const struct relay *r, struct relay_counts *ret);

/*
 * A connection is open: the core sends Hello. `address` is for the log. CV_ELIMIT: too many, CV_ENOMEM; then the caller
 * closes it. *ret lives until relay_conn_gone.
 */
int relay_conn_new(struct relay *r, const struct relay_transport *ops, void *t, const char *address,
		   struct relay_conn **ret) CV_NODISCARD;
/* A message, kind byte first; borrowed. */
void relay_conn_message(struct relay_conn *c, struct net_msg *m);
/* The transport dropped a video unit that had been queued. */
void relay_conn_dropped(struct relay_conn *c, uint64_t unit);
/* The connection has ended, whoever ended it. Frees `c`. */
void relay_conn_gone(struct relay_conn *c, int err);

#endif
