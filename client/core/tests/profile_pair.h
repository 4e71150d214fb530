/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: two handles on one profile, as two processes have them, and people whom they meet. Failures are cmocka's.
 */
#ifndef CLIENT_PROFILE_PAIR_H
#define CLIENT_PROFILE_PAIR_H

#include "profile_store.h"

extern char dir[64];
extern struct client_profile *a, *b;

/* A new folder with a profile, open twice. */
int pair_setup(void **state);
int pair_teardown(void **state);
void save(struct client_profile *p);
/* As a third process finds it. */
void reopen(struct client_profile **p);

/* People and their devices have numbers, their names are their own. */
enum client_contact_news meet(struct client_profile *p, uint16_t user, uint16_t device, const char *name);
void verify(struct client_profile *p, uint16_t user, uint16_t device, const char *name);
enum client_standing standing(const struct client_profile *p, uint16_t user, uint16_t device, const char *name);
const struct client_contact *contact(const struct client_profile *p, uint16_t user);

#define PAIR_TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)

#endif
