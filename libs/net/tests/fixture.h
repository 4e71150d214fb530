/* SPDX-License-Identifier: Apache-2.0 */
/* A server with a self-issued certificate in a temporary folder, a client context that pins it, and one loop. */
#ifndef NET_FIXTURE_H
#define NET_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <net/server.h>
#include <net/tls.h>
#include <net/tunnel.h>

#define FIXTURE_LOG 64

struct end {
	struct net_tunnel *t;
	int opened, closed, err, status;
	uint16_t code;
	int messages;
	size_t bytes;
	uint8_t kinds[8192]; /* of the messages, in order */
	uint64_t dropped[FIXTURE_LOG];
	int drops, drained;
	bool echo;
	bool pause_at_open;
	struct net_msg *last;
};

struct fixture {
	struct cv_loop *loop;
	char dir[64], cert[96], key[96];
	struct net_pins pins;
	struct net_tls_server *tls_server;
	struct net_tls_client *tls_client;
	struct net_server *server;
	struct end client, peer; /* `peer` is the server's side of the last tunnel */
	int asked, failures, last_failure;
	int refuse_with;
	struct net_peer failure_peer;
};

extern struct fixture f;

int fixture_setup(void **state);
int fixture_teardown(void **state);
/* Starts the server; `opts` may be NULL; address, tls are filled in. */
void fixture_listen(const struct net_server_opts *opts);
/* Connects f.client; `opts` may be NULL. */
void fixture_connect(const struct net_tunnel_opts *opts);
/* Both, until both sides are open. */
void fixture_open(const struct net_server_opts *server, const struct net_tunnel_opts *client);
/* Turns the loop until `cond` holds; a test that waits for ever fails after 30 s. */
void fixture_until(bool (*cond)(void));
bool both_open(void);
bool client_closed(void);
bool both_closed(void);
/* Whether so many messages have come, for fixture_until. */
extern int fixture_want;
bool client_has_all(void);
bool peer_has_all(void);
void send_to(struct end *from, enum net_class cls, uint8_t kind, size_t len);
void send_unit(struct end *from, enum net_class cls, uint8_t kind, size_t len, uint64_t unit, bool last);

#define WITH_FIXTURE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

#endif
