/* SPDX-License-Identifier: Apache-2.0 */
/* The core's own structs; what the files of session/ and forward/ share. */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include <base/alloc.h>
#include <base/log.h>
#include <proto/message.h>
#include <proto/state.h>

#include "../forward/forward.h"
#include "../relay.h"

#define ENTER_TIMEOUT_US    10000000
#define LOBBY_TIMEOUT_US    30000000
#define BATCH_US            100000 /* join requests are gathered for so long */
#define LEAVE_BATCH_US      200000 /* leaves; section 4 allows 500 ms */
#define COMMITTER_US        500000
#define COMMITTER_REMOVE_US 2000000
#define COMMITTER_EACH_US   4000 /* more per candidate: a large batch takes its time */
#define GRACE_US            20000000
#define EMPTY_RUN_US        60000000 /* a run without any connection is forgotten after this */
#define REFUSE_CLOSE_CODE   4000
#define PROTOCOL_CLOSE_CODE 1002

#define LOG_COMMITS     32
#define LOG_APPLICATION 256
#define LOG_BYTES       (4u << 20)

#define REVOCATIONS_MAX 4096
#define ENDED_RUNS_MAX  4096
#define ENDED_RUN_US    ((int64_t)24 * 3600 * 1000000)
#define RUN_BANS_MAX    4096
#define RUN_RIGHTS_MAX  4096
#define RUN_LEAVES_MAX  (PROTO_LEAF_MAX + 1)
#define APP_EPOCHS_BACK 4 /* an application message may be so many epochs behind */
#define ADMIT_BYTES_MAX (768u * 1024)
#define HANDSHAKE_RATE  (1 << 20) /* bytes per second and connection */
#define HANDSHAKE_BURST (2 * PROTO_HANDSHAKE_MAX)
#define COMMIT_MAX      (4u << 20) /* every member gets it, so less than what a Welcome may have */

struct bucket {
	int64_t tokens, at_us;
};

enum conn_state {
	CONN_HELLO,  /* Hello sent */
	CONN_LOBBY,  /* ticket honoured */
	CONN_BOUND,  /* speaks for a leaf */
	CONN_CLOSED, /* refused or left; waits for the transport */
};

struct relay_conn {
	struct relay *relay;
	const struct relay_transport *ops;
	void *t;
	struct relay_conn *next, **prev; /* all connections of the relay */
	enum conn_state state;
	uint32_t number;
	char address[64];
	int64_t since_us;
	uint8_t nonce[32];
	struct bucket control, media, application, handshake;

	/* from CONN_LOBBY on */
	struct relay_run *run;
	struct relay_conn *run_next, **run_prev; /* all connections of the run */
	uint8_t user_id[PROTO_ID_LEN];
	uint8_t device_hash[PROTO_HASH_LEN];
	uint8_t rights, switches;
	bool may_create;      /* holds a valid creation grant */
	uint8_t *key_package; /* sealed; set while it waits to be admitted */
	size_t key_package_len;
	int64_t lobby_us; /* when it entered, then when it asked to join */
	bool offered;     /* named in the AdmitRequest that is out */

	struct member *member; /* CONN_BOUND */
	bool ready;            /* EpochReady has come, or resumed */
	struct subscriptions subs;
};

/* A leaf of the group. */
struct member {
	struct relay_run *run;
	uint32_t leaf;
	uint8_t user_id[PROTO_ID_LEN];
	uint8_t device_hash[PROTO_HASH_LEN];
	uint8_t rights, switches;
	uint64_t joined_epoch;
	struct relay_conn *conn; /* NULL while lost */
	int64_t lost_us;
	bool left;
	struct stream streams[PROTO_STREAM_MAX + 1];
};

struct removal {
	uint32_t leaf;
	uint8_t reason;
	uint8_t *evidence;
	size_t evidence_len;
	int64_t due_us;
};

struct delivery {
	uint64_t seq, epoch;
	struct net_msg *msg; /* whole Handshake message, or the application message as it came */
	uint32_t sender;     /* leaf */
	bool commit;
};

struct user_rights {
	uint8_t user_id[PROTO_ID_LEN];
	uint8_t rights;
};

struct ban {
	uint8_t user_id[PROTO_ID_LEN];
	uint8_t device_hash[PROTO_HASH_LEN]; /* all zero: all */
};

struct relay_run {
	struct relay *relay;
	struct relay_run *next, **prev;
	uint8_t id[PROTO_ID_LEN];
	char name[2 * PROTO_ID_LEN + 1]; /* hex, for the log */
	struct relay_conn *conns;
	size_t n_conns;
	int64_t empty_us; /* since when without connections */

	bool group;
	uint64_t epoch, seq;
	struct member **members; /* by leaf; NULL where there is none */
	size_t leaves;           /* length of the array */
	size_t n_members;

	struct delivery *log; /* ring of LOG_COMMITS + LOG_APPLICATION */
	size_t log_first, log_count, log_commits, log_bytes;
	uint64_t log_floor; /* everything after this seq is in the log */

	struct removal *removals;
	size_t n_removals, cap_removals;
	bool asked;         /* a committer has been asked and has not answered yet */
	bool asked_removal; /* the last request was for removals */
	uint32_t committer;
	int64_t committer_deadline_us;

	struct user_rights *rights;
	size_t n_rights;
	struct ban *bans;
	size_t n_bans;

	struct transfer *transfers;
	size_t n_transfers;
};

struct used_ticket {
	uint8_t id[PROTO_ID_LEN];
	uint64_t forget; /* Unix seconds; 0: free */
};

struct known_revocation {
	struct proto_revocation what;
	uint8_t *data; /* as signed, evidence for the members */
	size_t len;
};

struct ended_run {
	uint8_t id[PROTO_ID_LEN];
	int64_t until_us;
};

struct relay {
	struct relay_opts opts;
	struct proto_signers signers;
	struct relay_conn *conns;
	size_t n_conns;
	struct relay_run *runs;
	size_t n_runs;
	uint32_t next_number;
	struct used_ticket *used; /* open addressing, a power of two long */
	size_t n_used, cap_used;
	int64_t used_swept_us;
	struct known_revocation *revocations;
	size_t n_revocations;
	struct ended_run *ended;
	size_t n_ended, next_ended;
	struct relay_counts counts;
};

/* ---- core.c */
int64_t relay_now(const struct relay *r);
uint64_t relay_wall_s(const struct relay *r);
/* Takes n tokens from a bucket that fills with `rate` per second up to `burst`. */
bool bucket_take(struct bucket *b, int64_t now_us, int64_t rate, int64_t burst, int64_t n);
int conn_send_control(struct relay_conn *c, const struct PB(Control) * m);
int conn_send_msg(struct relay_conn *c, enum net_class cls, struct net_msg *m);
/* Packs once, for several receivers. NULL when out of memory. */
struct net_msg *control_msg(const struct PB(Control) * m);
/* Sends Refused (detail is copied), unbinds, closes. */
void conn_refuse(struct relay_conn *c, int reason, const char *detail);
/* Breaking the protocol: as conn_refuse(MALFORMED), with a warning in the log. */
void conn_violation(struct relay_conn *c, const char *detail);
/* Unbinds and closes without Refused. */
void conn_end(struct relay_conn *c, uint16_t code);

/* ---- control.c */
void conn_control(struct relay_conn *c, const struct net_msg *m);

/* ---- enter.c */
void conn_enter(struct relay_conn *c, const struct PB(Enter) * m);
/* False when the id is known, or the table is full. */
bool replay_note(struct relay *r, const uint8_t id[PROTO_ID_LEN], uint64_t forget, int *ret_err);
bool relay_run_ended(const struct relay *r, const uint8_t id[PROTO_ID_LEN]);

/* ---- run.c */
struct relay_run *run_find(struct relay *r, const uint8_t id[PROTO_ID_LEN]);
int run_get(struct relay *r, const uint8_t id[PROTO_ID_LEN], struct relay_run **ret) CV_NODISCARD;
void run_free(struct relay_run *run);
void run_attach(struct relay_run *run, struct relay_conn *c);
/* Takes the connection out of its run; its member is lost (or has left). */
void run_detach(struct relay_conn *c);
struct member *run_member(const struct relay_run *run, uint32_t leaf);
int member_new(struct relay_run *run, uint32_t leaf, const struct relay_conn *c, struct member **ret) CV_NODISCARD;
void member_free(struct member *m);
void member_bind(struct member *m, struct relay_conn *c);
/* To every bound connection but one (may be NULL); takes over the reference to msg. Takes NULL. */
void run_broadcast(struct relay_run *run, enum net_class cls, struct net_msg *msg, const struct relay_conn *except);
void run_presence(struct relay_run *run, uint32_t leaf, bool connected);
/* Tells a connection which members are lost at present. */
void run_tell_lost(struct relay_conn *c);
void run_tick(struct relay_run *run);
void run_end(struct relay_run *run, const char *detail, bool cancelled);
bool run_banned(const struct relay_run *run, const uint8_t *user_id, const uint8_t *device_hash);
/* device_hash NULL: the whole user. Connections of the banned are refused with `reason`. */
void run_ban(struct relay_run *run, const uint8_t *user_id, const uint8_t *device_hash, int reason);

/* ---- order.c */
void conn_handshake(struct relay_conn *c, const struct net_msg *m);
void conn_application(struct relay_conn *c, struct net_msg *m);
void conn_epoch_ready(struct relay_conn *c, const struct PB(EpochReady) * m);

/* ---- log.c */
int run_log_init(struct relay_run *run) CV_NODISCARD;
void run_log_done(struct relay_run *run);
/* Takes a reference of its own. */
void run_log_add(struct relay_run *run, struct net_msg *msg, uint32_t sender, bool commit);
/* True when every delivery after `seq` is there. */
bool run_log_covers(const struct relay_run *run, uint64_t seq);
void run_log_replay(struct relay_run *run, struct relay_conn *c, uint64_t after);
void conn_send_application(struct relay_conn *c, uint64_t seq, struct net_msg *msg);

/* ---- committer.c */
void conn_join_request(struct relay_conn *c, const struct PB(JoinRequest) * m);
void conn_admit_rejected(struct relay_conn *c, const struct PB(AdmitRejected) * m);
void conn_leave(struct relay_conn *c, const struct PB(Leave) * m);
/* Wants a leaf removed; a removal of the same leaf that waits already is kept unless the new one says more. */
void run_want_removal(struct relay_run *run, uint32_t leaf, uint8_t reason, const void *evidence, size_t len,
		      int64_t due_us);
void run_forget_removal(struct relay_run *run, uint32_t leaf);
/* Asks a committer when something is due. */
void run_pump(struct relay_run *run);
/* A commit has been accepted: whoever was asked need not answer any more. */
void run_asked_done(struct relay_run *run);

/* ---- rights.c */
uint8_t run_rights(const struct relay_run *run, const uint8_t *user_id, uint8_t admitted);
void conn_set_rights(struct relay_conn *c, const struct PB(SetRights) * m);
/* Those that are about this run alone. */
void relay_forget_revocations(struct relay *r, const uint8_t run_id[PROTO_ID_LEN]);

#endif
