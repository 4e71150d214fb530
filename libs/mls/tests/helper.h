/* SPDX-License-Identifier: Apache-2.0 */
/* People and their groups, for tests: seeded randomness, a clock that is set by hand, a policy that can be told off. */
#ifndef MLS_TESTS_HELPER_H
#define MLS_TESTS_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <mls/mls.h>

#define SPAN_OF(b) ((struct cv_span){(b).data, (b).len})
#define TEXT(s)    ((struct cv_span){(const uint8_t *)(s), sizeof(s) - 1})
#define NOTHING    ((struct cv_span){NULL, 0})
#define NOW        1700000000u

/* One world per test: time and randomness for everybody in it. */
struct world {
	uint64_t state;
	struct cv_rng rng;
	struct mls_env env;
	uint64_t now;
};
void world_init(struct world *w, uint64_t seed);
uint32_t world_random(struct world *w, uint32_t below);

struct person {
	struct world *world;
	uint16_t suite;
	char name[32];
	struct mls_sign_key *key;
	struct mls_member member;
	struct mls_group_options options;
	struct mls_key_package *kp;
	struct mls_group *group;
	/* What the policy says; 0 accepts. */
	int leaf_answer, commit_answer, proposal_answer, join_answer;
	unsigned commits_asked;
	struct cv_span psk_id, psk;
};
void person_init(struct person *p, struct world *w, uint16_t suite, const char *name);
void person_done(struct person *p);
/* A fresh KeyPackage in p->kp; its message. */
struct cv_span person_offer(struct person *p);
void person_create(struct person *p, const char *group_id);
/* Joins by a Welcome that must be for p->kp. */
int person_join(struct person *p, const struct mls_commit_output *out);
/* Commits, asserts success, merges; the caller frees *out. */
void person_commit(struct person *p, const struct mls_commit *what, struct mls_commit_output *out);
int person_process(struct person *p, const struct cv_buf *message);
/* Puts what was saved in the place of p->group, with p's own key alone. The group stays as it was on failure. */
int person_restore(struct person *p, const struct cv_buf *saved);
/* Both have the same epoch, tree hash, transcript, authenticator and exporter. */
void assert_agree(struct person *a, struct person *b);
/* `from` sends, `to` reads, byte for byte. */
void assert_speak(struct person *from, struct person *to);

#endif
