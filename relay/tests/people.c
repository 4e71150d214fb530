/* SPDX-License-Identifier: Apache-2.0 */
#include "people.h"

struct world w;
struct client a, b, c, d;

int people_setup(void **state)
{
	world_init(&w);
	client_init(&a, 1);
	client_init(&b, 2);
	client_init(&c, 3);
	client_init(&d, 4);
	return 0;
}

int people_teardown(void **state)
{
	client_done(&a);
	client_done(&b);
	client_done(&c);
	client_done(&d);
	world_done(&w);
	return 0;
}
