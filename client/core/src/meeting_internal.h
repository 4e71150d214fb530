/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a meeting: meeting.c (life, commands), meeting_join.c (manager, connecting), meeting_probe.c (which
 * relay), meeting_tunnel.c (entering, messages), meeting_group.c (epochs), meeting_commit.c (our commits),
 * meeting_report.c (reports, security code), meeting_compare.c (comparing the code, contacts).
 */
#ifndef CLIENT_MEETING_INTERNAL_H
#define CLIENT_MEETING_INTERNAL_H

#include <net/tunnel.h>
#include <proto/lobby.h>
#include <proto/message.h>
#include <proto/signed.h>

#include <client/api.h>
#include <client/meeting.h>
#include <client/worker.h>

#include "test_hooks.h"

#define RELAYS_MAX PROTO_TICKET_RELAYS_MAX
#define TITLE_MAX  255

#define CLIENT_REVOKED_TEXT "the organisation has taken back this account, device or invitation"

enum phase {
	PHASE_ASKING,     /* the manager */
	PHASE_UNBEGUN,    /* somebody else is choosing the relay; asking again in a moment */
	PHASE_PROBING,    /* the relays */
	PHASE_CONNECTING, /* TLS and upgrade */
	PHASE_ENTERING,   /* Hello, Enter */
	PHASE_WAITING,    /* for the Welcome */
	PHASE_IN,
	PHASE_PAUSE, /* lost, waiting before the next attempt */
	PHASE_LEAVING,
	PHASE_ENDED,
};

/* What the manager answered to join. */
struct join_info {
	uint8_t run_id[CLIENT_ID_LEN];
	char title[TITLE_MAX + 1];
	uint8_t *ticket, *admission, *grant; /* Signed; grant may be NULL */
	size_t ticket_len, admission_len, grant_len;
	uint8_t lobby_key[PROTO_LOBBY_KEY_LEN];
	uint8_t relays[RELAYS_MAX][CLIENT_ID_LEN];
	size_t n_relays;
	uint8_t switches;
};

/* Manifests that something may still borrow from. */
struct trust_list {
	struct trust_list *next;
	struct client_trust trust;
};

enum op_kind { OP_BAN, OP_RIGHTS, OP_LOCK, OP_PATH };
struct op {
	struct op *next;
	enum op_kind kind;
	uint8_t user_id[CLIENT_ID_LEN];
	uint8_t rights;
	bool lock;
	bool renew; /* OP_PATH: with the new certificates */
	bool in_flight;
	unsigned rejections; /* by the relay */
};

struct my_stream {
	bool active;
	uint8_t layers;
};

/* A stream of somebody, as the relay tells. */
struct stream {
	uint32_t leaf;
	uint8_t stream;
	uint8_t layers;
};

struct client_meeting {
	struct cv_loop *loop;
	struct client_profile *profile;
	struct client_clock *clock;
	struct client_meeting_callbacks cb;
	uint8_t meeting_id[CLIENT_ID_LEN];
	enum phase phase;
	int64_t unix_offset_us; /* corrected Unix time minus cv_now_us, fixed for the meeting */

	struct client_worker *http; /* one thread: one client_api at a time */
	struct client_worker *cpu;
	bool asking; /* a join job uses the profile's manifest and certificates */
	bool profile_dirty;
	int64_t save_again_us; /* the profile could not be saved: told, and not tried again before this; 0: it could */
	struct trust_list *trusts; /* the newest first */
	struct client_api *api;    /* used on the http thread only */
	struct join_info info;
	struct client_cert cert[2];

	/* relay */
	size_t order[RELAYS_MAX]; /* relays by round trip */
	int64_t rtt[RELAYS_MAX];
	size_t n_order, at_order;
	unsigned probes;      /* of this round that have not come back */
	unsigned probe_round; /* what comes back from an earlier one is of no use */
	bool unpinned[RELAYS_MAX];
	bool pin_failed;    /* one of the relays tried showed another key */
	bool home_known;    /* from joining on: the run lives there */
	int64_t unbegun_us; /* since when PHASE_UNBEGUN comes again and again; 0: it does not */
	int64_t again_us;   /* since when another run is waited for; 0: it is not */
	uint8_t home[CLIENT_ID_LEN];
	struct net_tls_client *tls;
	struct net_tunnel *tunnel;
	bool open;
	bool refused;   /* told why; the connection is about to close */
	bool by_ticket; /* the ticket has not been shown yet */
	struct cv_timer retry;

	/* group */
	struct client_group *group;
	struct client_media *media;
	struct client_files *files;
	struct client_compare *compare;
	size_t told_unverified;
	uint64_t last_seq;
	bool joined;     /* JOINED was told */
	int64_t lost_us; /* when the connection was lost; 0: it is there */
	int64_t welcome_us;
	int64_t epoch_us; /* when the present epoch began */
	int64_t path_us;  /* when somebody last renewed keys */
	bool silent;      /* no epoch for too long: nothing is sent */
	struct op *ops;
	struct cv_buf admit, removal; /* requests that came while a commit was pending */
	int64_t request_us;

	/* media */
	struct my_stream mine[PROTO_STREAM_MAX + 1];
	struct stream *streams;
	size_t n_streams;
	uint8_t *shown_rights; /* by leaf; 0xff: not shown */

	/* reports */
	bool reporting, coding, renewing, renew_failed;
	int64_t renew_us; /* when renewing was tried last */
	int64_t report_us;
	bool code_due;
	bool alarmed;          /* that different groups are shown to different people */
	uint64_t coding_epoch; /* of the job under way, when `coding` */
	int64_t code_us;       /* when the present epoch's code is to be made, 0: not asked for */
	uint64_t alarmed_epoch;

	struct cv_timer tick;
	int64_t second_us;
	int64_t leave_us;
	bool left_manager;
	struct post_job *untold; /* what the manager has to know and could not be told yet */
	struct client_hooks *hooks;
	struct client_error end; /* how it ended; its code is 0 when nothing was wrong */
};

/* meeting.c */
void client_meeting_tell(struct client_meeting *m, const struct client_meeting_event *e);
void client_meeting_warn(struct client_meeting *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Ends the meeting: LEFT is told, the tunnel cut. */
void client_meeting_over(struct client_meeting *m, enum client_outcome outcome, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* As client_meeting_over with CLIENT_REFUSED; `problem` is the manager's name for it, or the relay's refusal. */
void client_meeting_refused(struct client_meeting *m, const char *problem, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* As client_meeting_over, with an error of ours. */
void client_meeting_failed(struct client_meeting *m, const struct client_error *err);
void client_meeting_drop_group(struct client_meeting *m);
const struct client_trust *client_meeting_trust(const struct client_meeting *m);
void client_join_info_done(struct join_info *info);
void client_meeting_save_profile(struct client_meeting *m);

/* meeting_join.c */
void client_join_ask(struct client_meeting *m);
/* Asks the manager again in a moment, for a run that somebody is in; `why` ends it when there is none for long. */
void client_join_again(struct client_meeting *m, const char *why);
void client_join_connect(struct client_meeting *m);
void client_join_lost(struct client_meeting *m, const char *why);
void client_join_cut(struct client_meeting *m);
void client_join_retry(void *arg);
/* The relay just tried showed a key that is not pinned: another one, or the end. */
void client_join_unpinned(struct client_meeting *m);
/* The relay just entered is the run's from now on. */
void client_join_settle(struct client_meeting *m);
/* Address of the relay that is connected; borrowed. */
const char *client_join_relay(const struct client_meeting *m);

/* meeting_probe.c */
void client_probe_start(struct client_meeting *m);
/* Waits for no more answers: connects in the order known now. */
void client_probe_done(struct client_meeting *m);
void client_probe_unpinned(struct client_meeting *m, const char *url);
/* Host and port of "wss://host:port/…" or "https://host:port": scheme and path are the protocol's. CV_EFORMAT. */
int client_probe_url(const char *url, char host[256], uint16_t *ret_port) CV_NODISCARD;

/* meeting_tunnel.c */
extern const struct net_tunnel_cbs client_tunnel_callbacks;
int client_tunnel_control(struct client_meeting *m, const PB(Control) * msg);
int client_tunnel_app(struct client_meeting *m, const PB(AppMessage) * msg);
void client_tunnel_subscribe(struct client_meeting *m);
void client_tunnel_publish_all(struct client_meeting *m);

/* meeting_group.c */
int client_meeting_start_group(struct client_meeting *m) CV_NODISCARD;
void client_meeting_create(struct client_meeting *m);
void client_meeting_ask_in(struct client_meeting *m);
void client_meeting_handshake(struct client_meeting *m, const void *data, size_t len);
void client_meeting_application(struct client_meeting *m, const void *data, size_t len);
/* An epoch of ours or somebody's has begun. */
void client_meeting_apply(struct client_meeting *m, struct client_news *news);

/* meeting_commit.c */
void client_meeting_admit(struct client_meeting *m, const PB(AdmitRequest) * req, const void *raw, size_t len);
void client_meeting_removals(struct client_meeting *m, const PB(RemoveRequest) * req, const void *raw, size_t len);
void client_meeting_accepted(struct client_meeting *m, const PB(CommitAccepted) * msg);
void client_meeting_rejected(struct client_meeting *m, const PB(CommitRejected) * msg);
void client_meeting_work(struct client_meeting *m);
void client_meeting_group_tick(struct client_meeting *m, int64_t now_us);
int client_meeting_op(struct client_meeting *m, const struct op *op) CV_NODISCARD;

/* meeting_compare.c */
int client_meeting_compare_new(struct client_meeting *m) CV_NODISCARD;
void client_meeting_compare_free(struct client_meeting *m);
/* A code has been computed (NULL: cannot be). Told once, and handed to a comparison that waits for it. */
void client_code_known(struct client_meeting *m, uint64_t epoch, const char *code);
/* Whether the code of the present epoch has been told already. */
bool client_code_told(const struct client_meeting *m);
/* A member that is new here or in the group: told, and remembered as a contact. */
void client_meeting_meet(struct client_meeting *m, const struct client_member *p, bool present);
/* A member has renewed its keys, perhaps with a certificate that names it differently. */
void client_meeting_renewed(struct client_meeting *m, uint32_t leaf);
/* Tells how many are not verified when that has changed. */
void client_meeting_tell_unverified(struct client_meeting *m);

/* meeting_report.c */
#define CLIENT_CERTIFICATE_LEFT 7200      /* seconds of life at which a certificate is renewed in the meeting */
#define CLIENT_RENEW_AGAIN_US   120000000 /* after a failure */
void client_report_epoch(struct client_meeting *m);
void client_report_tick(struct client_meeting *m, int64_t now_us);
void client_report_code(struct client_meeting *m);
/* Shows the alarm, once; `by` is the member that told us, NULL: the manager did. */
void client_report_alarm(struct client_meeting *m, uint64_t epoch, const struct client_member *by);
/* Seconds of life at which our certificate is to be renewed. */
uint64_t client_report_renew_at(const struct client_meeting *m);
/* The same, but when the new epoch's first second is over. */
void client_report_code_later(struct client_meeting *m);
/* Computes the code of this epoch now, for a comparison; client_code_known gets it. */
int client_report_code_of(struct client_meeting *m, uint64_t epoch,
			  const uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN]) CV_NODISCARD;
/* Fetches a new identity certificate in the background and commits it. */
void client_report_renew(struct client_meeting *m);
/* Six groups of five digits from an epoch authenticator (docs/protocol.md section 5). Takes about 0.1 s. */
int client_security_code(const uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN],
			 char ret[CLIENT_SECURITY_CODE_LEN]) CV_NODISCARD;
/* POST path in the background; what comes of it is only told as an ERROR when `loud`. */
void client_report_post(struct client_meeting *m, const char *path, json_t *body, bool loud);
/*
 * POST /runs/RUN/what in the background, again for some seconds while it fails; then an ERROR that begins with
 * `undone`, a literal.
 */
void client_report_tell(struct client_meeting *m, const char *what, json_t *body, const char *undone);
/* Tries again what is due. */
void client_report_retell(struct client_meeting *m, int64_t now_us);
/* The end: an ERROR for all that was not told, and it is forgotten. `quiet`: without. */
void client_report_untold(struct client_meeting *m, bool quiet);

#endif
