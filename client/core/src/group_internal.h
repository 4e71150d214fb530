/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLIENT_GROUP_INTERNAL_H
#define CLIENT_GROUP_INTERNAL_H

#include <mls/mls.h>

#include <client/group.h>

#define WHY_MAX       200
#define ADMISSION_MAX 2048
#define REMOVALS_MAX  PROTO_REMOVALS_MAX

/* What a commit will do when it is applied, as the policy's commit hook saw it. */
struct effects {
	bool set;
	uint32_t committer;
	bool path;
	bool state_changed;
	struct client_member *added;
	size_t n_added;
	struct client_left *left;
	size_t n_left;
	bool has_committer; /* the committer's leaf was renewed */
	bool renewed;       /* with another certificate */
	struct client_member committer_member;
	/* Made before the commit is applied, so that nothing can fail after: members added, their leaves, the state. */
	struct client_member **fresh;
	uint32_t *leaves;
	struct proto_meeting_state next;
};

struct client_group {
	const struct proto_trust *trust;
	const struct client_clock *clock;
	const struct cv_rng *rng;
	uint8_t run_id[CLIENT_ID_LEN];
	uint8_t seed[CLIENT_KEY_LEN];
	uint8_t device_key[CLIENT_KEY_LEN];
	struct cv_buf credential; /* X.509 chain in wire form */
	struct cv_buf admission;  /* Signed */
	struct client_member self;

	struct mls_env env;
	struct mls_group_options options;
	struct mls_key_package *key_package;
	struct mls_group *mls;
	bool committing; /* inside mls_group_commit: the committer's stricter rules hold */

	struct proto_meeting_state state;
	struct client_member **members; /* by leaf; NULL: blank */
	size_t room;
	size_t count;

	struct effects theirs; /* of the commit being processed */
	struct effects ours;   /* of the pending commit */
	char why[WHY_MAX];
};

/* policy.c */
struct mls_policy client_policy(struct client_group *g);
/* Judges a leaf as it would be judged in an Add by us. */
int client_policy_leaf(struct client_group *g, enum mls_leaf_where where, const struct mls_leaf_view *leaf,
		       const struct mls_leaf_view *replaced, struct client_member *ret) CV_NODISCARD;
int client_policy_removal(struct client_group *g, const struct proto_removal *removal,
			  const struct client_member *member, struct proto_revocation *ret_revocation) CV_NODISCARD;
int client_policy_refuse(struct client_group *g, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* group.c */
void client_group_as_member(struct client_group *g, struct mls_extension *ext, struct mls_member *member);
int client_group_apply(struct client_group *g, struct effects *fx, enum client_news_kind kind,
		       struct client_news *ret) CV_NODISCARD;

/* members.c */
int client_members_set(struct client_group *g, const struct client_member *m) CV_NODISCARD;
/* Makes room for a leaf, so that client_members_put cannot fail; that takes over `owned`. */
int client_members_reserve(struct client_group *g, uint32_t leaf) CV_NODISCARD;
void client_members_put(struct client_group *g, struct client_member *owned);
/* Takes all the memory that applying the commit will need, and *next over. */
int client_effects_provide(struct client_group *g, struct effects *fx, struct proto_meeting_state *next) CV_NODISCARD;
void client_effects_done(struct effects *e);
void client_members_clear(struct client_group *g, uint32_t leaf);
void client_members_done(struct client_group *g);
const struct client_member *client_members_device(const struct client_group *g, const uint8_t key[CLIENT_KEY_LEN]);
/* Reads the meeting_state of an extension list. */
int client_state_read(struct cv_span extensions, struct proto_meeting_state *ret) CV_NODISCARD;
/* Appends required_capabilities and meeting_state contents for a commit or creation. */
int client_state_extensions(const struct proto_meeting_state *state, struct cv_buf *required, struct cv_buf *encoded,
			    struct mls_extension ret[2]) CV_NODISCARD;

#endif
