/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The meeting's MLS group and its policy (docs/protocol.md section 5): who may be in it, what a commit may change, what
 * this member commits on the relay's or a person's demand. No sockets and no timers: bytes go in, bytes come out, so
 * that tests run whole meetings in one process. Not thread safe.
 *
 * Members decide, not the relay: every commit is judged by every member. One that breaks a rule is not applied; the
 * call fails and client_group_why says which rule: the group has split and the member has to leave (exit code 5).
 */
#ifndef CLIENT_GROUP_H
#define CLIENT_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/secret.h>
#include <proto/identity.h>
#include <proto/message.h>
#include <proto/state.h>

#include <client/clock.h>
#include <client/profile.h>

/* MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519 */
#define CLIENT_SUITE                1
#define CLIENT_KEY_PACKAGE_LIFE     300 /* seconds */
#define CLIENT_LIFE_AT_ADD          900 /* seconds that certificate and admission must still live when committing */
#define CLIENT_LIFE_AT_ADD_RECEIVED 300 /* the same for receivers of the commit */
#define CLIENT_PADDING              256 /* bytes */
#define CLIENT_PAST_EPOCHS          4   /* application messages of so many past epochs are still read */
#define CLIENT_AUTHENTICATOR_LEN    32
#define CLIENT_BASE_KEY_MAX         32

/* What the media keys of an epoch come from. Wipe after use. */
struct client_base_key {
	uint16_t suite; /* of SFrame, as meeting_state says */
	uint8_t len;    /* its Nk: 16 or 32 */
	uint8_t bytes[CLIENT_BASE_KEY_MAX];
};

/* A member as certificate and admission say it. */
struct client_member {
	uint32_t leaf;
	uint8_t user_id[CLIENT_ID_LEN];
	uint8_t device_key[CLIENT_KEY_LEN];
	uint8_t device_hash[CLIENT_HASH_LEN];
	char email[PROTO_EMAIL_MAX + 1];
	char name[4 * PROTO_CN_MAX + 1];
	uint8_t admission_id[CLIENT_ID_LEN];
	uint64_t admission_issued;
	uint8_t admitted; /* rights of the admission */
	uint8_t flags;    /* PROTO_FLAG_… */
	uint64_t certificate_until;
};

/* Borrowed until client_group_free: trust, clock, spans. */
struct client_group_config {
	const struct proto_trust *trust;
	const struct client_clock *clock;
	const struct cv_rng *rng;
	uint8_t run_id[CLIENT_ID_LEN];
	uint8_t device_seed[CLIENT_KEY_LEN]; /* copied, wiped with the group */
	uint8_t device_key[CLIENT_KEY_LEN];
	struct cv_span certificates[2]; /* identity certificate, identity issuer */
	struct cv_span admission;       /* Signed */
};

struct client_group;

/* CV_ENOMEM; CV_EAUTH, CV_EFORMAT: our own certificate or admission is not valid. Free with client_group_free. */
CV_PUBLIC int client_group_new(const struct client_group_config *config, struct client_group **ret) CV_NODISCARD;
/* Wipes and frees. Takes NULL. */
CV_PUBLIC void client_group_free(struct client_group *g);
/* The rule that was broken by what a call refused last, one line, "" when none. */
CV_PUBLIC const char *client_group_why(const struct client_group *g);

/* Creates the group of the run with the creation grant (Signed) and the run's function switches. */
CV_PUBLIC int client_group_create(struct client_group *g, struct cv_span creation_grant, uint8_t switches) CV_NODISCARD;
/* Makes a fresh KeyPackage (kept with its private keys) and appends the MLSMessage. */
CV_PUBLIC int client_group_key_package(struct client_group *g, struct cv_buf *out) CV_NODISCARD;
/* Joins by Welcome for the KeyPackage made last. */
CV_PUBLIC int client_group_join(struct client_group *g, const void *welcome, size_t len) CV_NODISCARD;
/* True between create/join and being removed. */
CV_PUBLIC bool client_group_active(const struct client_group *g);

struct client_left {
	struct client_member member;
	uint8_t reason; /* enum proto_reason */
	uint32_t by;    /* leaf of the committer */
};

enum client_news_kind {
	CLIENT_NEWS_MESSAGE, /* application data of a member */
	CLIENT_NEWS_EPOCH,   /* a commit was applied: a new epoch */
	CLIENT_NEWS_REMOVED, /* a commit removed this member; left[] holds the reason of our own leaf */
};
/* What happened. Owned by the caller; client_news_done. */
struct client_news {
	enum client_news_kind kind;
	uint32_t sender; /* leaf of the sender or committer */
	uint64_t epoch;  /* MESSAGE: that it was sealed in, the present one or a past one that is still read */
	struct cv_buf plaintext;
	uint32_t *added;
	size_t n_added;
	struct client_left *left;
	size_t n_left;
	bool state_changed; /* rights, bans, lock or switches */
	bool path;          /* the committer renewed its keys */
	bool renewed;       /* and has another identity certificate than before */
	bool lock_changed;
};
/* Takes a zeroed struct. */
CV_PUBLIC void client_news_done(struct client_news *n);

/*
 * Takes a commit or application message (MLSMessage). CV_EEPOCH, CV_EREPLAY, CV_ENOTFOUND: of another epoch or seen
 * before, harmless. CV_EDENIED and what else a commit gives: the group has split, leave. A foreign commit that is
 * applied drops our pending one.
 */
CV_PUBLIC int client_group_process(struct client_group *g, const void *msg, size_t len,
				   struct client_news *ret) CV_NODISCARD;
/* Application data for all members; appends the MLSMessage. */
CV_PUBLIC int client_group_seal(struct client_group *g, const void *data, size_t len, struct cv_buf *out) CV_NODISCARD;

struct client_candidate {
	uint32_t connection;
	struct cv_span key_package; /* MLSMessage, opened from the lobby */
};
struct client_rights_change {
	uint8_t user_id[CLIENT_ID_LEN];
	uint8_t rights;
};
/* What to commit; zeroed: a path update. Everything is borrowed for the call. */
struct client_change {
	const struct client_candidate *candidates;
	size_t n_candidates;
	const struct proto_removal *removals; /* as asked for by the relay: left, revoked, lost; others are ignored */
	size_t n_removals;
	const uint8_t (*ban)[CLIENT_ID_LEN]; /* users to remove as moderator */
	size_t n_ban;
	const struct client_rights_change *rights; /* as moderator */
	size_t n_rights;
	bool set_lock, lock;                /* as moderator: whether to change the lock, and to what */
	const struct cv_span *certificates; /* two renewed certificates for our leaf, or NULL */
};
struct client_refusal {
	uint32_t connection;
	char detail[PROTO_DETAIL_MAX + 1];
};
/* The commit to hand to the relay: a whole tunnel message (kind handshake). client_commit_done. */
struct client_commit {
	struct cv_buf message;
	struct client_refusal *refused; /* candidates that the policy does not let in */
	size_t n_refused;
};
CV_PUBLIC void client_commit_done(struct client_commit *c);
/*
 * Makes a commit; it is pending until client_group_accepted or client_group_rejected (or a foreign commit).
 * Candidates whose device is in the group already replace their old leaf. Removals whose evidence does not hold are
 * left out. CV_ENOTFOUND: nothing is left to commit (ret->refused is filled in all the same). CV_ESTATE: one is
 * pending. CV_EDENIED: we do not moderate.
 */
CV_PUBLIC int client_group_commit(struct client_group *g, const struct client_change *change,
				  struct client_commit *ret) CV_NODISCARD;
CV_PUBLIC bool client_group_pending(const struct client_group *g);
/* The relay has accepted our commit: its epoch begins. */
CV_PUBLIC int client_group_accepted(struct client_group *g, struct client_news *ret) CV_NODISCARD;
CV_PUBLIC void client_group_rejected(struct client_group *g);

/* ---- the present epoch */
CV_PUBLIC uint64_t client_group_epoch(const struct client_group *g);
CV_PUBLIC uint32_t client_group_leaf(const struct client_group *g);
CV_PUBLIC size_t client_group_count(const struct client_group *g);
/* Borrowed until the next change; NULL: no member there. */
CV_PUBLIC const struct client_member *client_group_member(const struct client_group *g, uint32_t leaf);
/* The first member at or above `from`, NULL at the end. */
CV_PUBLIC const struct client_member *client_group_next(const struct client_group *g, uint32_t from);
/* Rights in force (PROTO_RIGHT_…); 0 when there is no member at the leaf. */
CV_PUBLIC uint8_t client_group_rights(const struct client_group *g, uint32_t leaf);
/* NULL before create/join. */
CV_PUBLIC const struct proto_meeting_state *client_group_state(const struct client_group *g);
/* How many members have a lower leaf. */
CV_PUBLIC uint32_t client_group_rank(const struct client_group *g, uint32_t leaf);
/* SFrame base key and epoch authenticator of the present epoch. CV_ESTATE. */
CV_PUBLIC int client_group_base_key(struct client_group *g, struct client_base_key *ret) CV_NODISCARD;
CV_PUBLIC int client_group_authenticator(const struct client_group *g,
					 uint8_t ret[CLIENT_AUTHENTICATOR_LEN]) CV_NODISCARD;
/* Evidence that we leave: Sign(device key, "Leave", …). CV_ESTATE. */
CV_PUBLIC int client_group_leave_evidence(const struct client_group *g, uint8_t ret[PROTO_SIG_LEN]) CV_NODISCARD;

#endif
