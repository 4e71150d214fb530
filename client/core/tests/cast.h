/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cast for tests: an organisation with its keys, people with certificates and admissions, and a delivery service in
 * memory. Everything is real but the sockets. Functions fail the test by cmocka's assertions.
 */
#ifndef CLIENT_CAST_H
#define CLIENT_CAST_H

#include <client/group.h>

#define CAST_MAX 12

struct person {
	struct client_group *group;
	uint8_t seed[32], key[32], user_id[16];
	uint8_t rights, flags;
	char name[32], email[64];
	struct cv_buf certificate, admission;
	bool in;                 /* gets deliveries */
	struct client_news news; /* of the last delivery */
};

struct cast {
	uint8_t root_seed[32], issuer_seed[32], grants_seed[32];
	struct cv_buf root, issuer, grants;
	struct proto_trust *trust;
	struct client_clock clock;
	uint8_t run_id[16];
	struct cv_buf creation_grant;
	uint8_t more_switches; /* of the group, beside files */
	struct person people[CAST_MAX];
	size_t n;
};

/* How a person differs from an ordinary one. Zeroed: nothing. */
struct odd {
	const uint8_t *run_id;           /* admission for another run */
	const uint8_t *user_id;          /* the user's id; NULL: made up */
	const uint8_t *admission_user;   /* admission for another user */
	const uint8_t *admission_device; /* device hash in the admission */
	const uint8_t *seed;             /* device key of somebody else */
	const uint8_t *issuer_seed;      /* certificate by another issuer */
	const uint8_t *grants_seed;      /* admission by another signer */
	int64_t certificate_left;        /* seconds, instead of 24 h */
	int64_t admission_left;
	bool no_extension;
};

void cast_init(struct cast *c);
void cast_done(struct cast *c);
/* A person with rights, not yet in the group. */
struct person *cast_person(struct cast *c, const char *name, uint8_t rights, const struct odd *odd);
/* Creates the group with the first person. */
void cast_create(struct cast *c, struct person *p);
/* `by` admits `who`; everybody applies. */
void cast_admit(struct cast *c, struct person *by, struct person *who);
/* `by` commits; the relay accepts; everybody but `by` and those not in gets it. 0, or the first member's refusal. */
int cast_commit(struct cast *c, struct person *by, const struct client_change *change);
/* Delivers a Handshake message to all but `from`. The first failure of anybody. */
int cast_deliver(struct cast *c, const struct person *from, const struct cv_buf *message);
/* The MLS messages inside a handshake. */
void cast_parts(const struct cv_buf *message, struct cv_buf *commit, struct cv_buf *welcome);
void cast_revocation(struct cast *c, const struct person *who, bool whole_user, struct cv_buf *out);
/* A new certificate for the same person and device; *ret is freed with cv_buf_done. */
void cast_renewed(struct cast *c, const struct person *p, uint64_t life, struct cv_buf *ret);
/* All who are in have one epoch and one authenticator. */
void cast_agree(const struct cast *c);

#endif
