/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "profile_pair.h"

char dir[64];
struct client_profile *a, *b;

static struct client_profile *open_profile(void)
{
	struct client_profile *p = NULL;
	struct client_error err = {0};

	if (client_profile_open(dir, &p, &err) != 0)
		fail_msg("%s", err.text);
	return p;
}

void save(struct client_profile *p)
{
	struct client_error err = {0};

	if (client_profile_save(p, &err) != 0)
		fail_msg("%s", err.text);
}

int pair_setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/conclave-profile-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	a = open_profile();
	b = open_profile();
	return 0;
}

int pair_teardown(void **state)
{
	char command[128];

	client_profile_free(a);
	client_profile_free(b);
	a = b = NULL;
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

void reopen(struct client_profile **p)
{
	client_profile_free(*p);
	*p = open_profile();
}

/* Person and device `n`, under a name. */
struct ids {
	uint8_t user[CLIENT_ID_LEN], device[CLIENT_HASH_LEN];
};

static struct client_who who(struct ids *ids, uint16_t user, uint16_t device, const char *name)
{
	memset(ids, 0, sizeof(*ids));
	memcpy(ids->user, &user, sizeof(user));
	memcpy(ids->device, &device, sizeof(device));
	return (struct client_who){ids->user, ids->device, "x@example.org", name};
}

enum client_contact_news meet(struct client_profile *p, uint16_t user, uint16_t device, const char *name)
{
	struct ids ids;
	struct client_who w = who(&ids, user, device, name);
	enum client_contact_news news;

	assert_int_equal(client_profile_meet(p, &w, &news), 0);
	return news;
}

void verify(struct client_profile *p, uint16_t user, uint16_t device, const char *name)
{
	struct ids ids;
	struct client_who w = who(&ids, user, device, name);

	assert_int_equal(client_profile_verify(p, &w), 0);
}

enum client_standing standing(const struct client_profile *p, uint16_t user, uint16_t device, const char *name)
{
	struct ids ids;
	struct client_who w = who(&ids, user, device, name);

	return client_profile_standing(p, &w);
}

const struct client_contact *contact(const struct client_profile *p, uint16_t user)
{
	struct ids ids;

	return client_profile_contact(p, who(&ids, user, 0, "").user_id);
}
