/* SPDX-License-Identifier: Apache-2.0 */
/* People for the MLS bench: members with basic or X.509 credentials, their KeyPackages, and what they may do. */
#ifndef BENCH_MLS_CAST_H
#define BENCH_MLS_CAST_H

#include <mls/group.h>
#include <proto/identity.h>
#include <proto/signed.h>

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

/* A KeyPackage with its keys. */
struct actor {
	struct mls_sign_key *key;
	struct mls_key_package *kp;
};

struct cast {
	struct mls_env env;
	bool x509; /* X.509 credentials and an admission in each leaf, verified by the policy; else basic, accepted */
	struct proto_trust *trust;
	struct cv_buf root, issuer, some_identity;
	uint8_t root_seed[32], issuer_seed[32], grant_seed[32];
	struct actor *actors;
	size_t n;
};

/* `n` actors; the first one creates groups and needs no KeyPackage but has one all the same. */
void cast_init(struct cast *c, size_t n, bool x509);
void cast_done(struct cast *c);
struct mls_group_options cast_options(const struct cast *c);
/* A group of the first `members` actors, all added by the first in one commit. `ret_welcome` may be NULL. */
struct mls_group *cast_group(const struct cast *c, size_t members, struct cv_buf *ret_welcome);
/* The i-th actor joins. */
struct mls_group *cast_join(const struct cast *c, size_t i, const struct cv_buf *welcome);
/* A commit that adds the actors [from, from + n), left pending. */
struct mls_commit_output cast_add(const struct cast *c, struct mls_group *g, size_t from, size_t n);

#endif
