/* SPDX-License-Identifier: Apache-2.0 */
/* A world and four clients that are not connected yet, new for each test. */
#ifndef RELAY_TEST_PEOPLE_H
#define RELAY_TEST_PEOPLE_H

#include "fixture.h"

extern struct world w;
extern struct client a, b, c, d;

int people_setup(void **state);
int people_teardown(void **state);

#define TEST(name) cmocka_unit_test_setup_teardown(name, people_setup, people_teardown)

#endif
