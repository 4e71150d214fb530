/* SPDX-License-Identifier: Apache-2.0 */
/* The latest epochs with their members, so that a comparison may cross a commit; and the standing of who is here. */
#include <string.h>

#include <base/alloc.h>

#include "compare_internal.h"

static void record_done(struct epoch_record *r)
{
	cv_free(r->seats);
	cv_wipe(r, sizeof(*r));
}

void client_epochs_done(struct client_compare *c)
{
	for (size_t i = 0; i < EPOCHS; i++)
		record_done(&c->epochs[i]);
}

void client_epochs_tick(struct client_compare *c, int64_t now_us)
{
	for (size_t i = 0; i < EPOCHS; i++) {
		if (c->epochs[i].used && c->epochs[i].until_us != 0 && now_us >= c->epochs[i].until_us)
			record_done(&c->epochs[i]);
	}
}

struct epoch_record *client_epochs_find(struct client_compare *c, uint64_t epoch)
{
	for (size_t i = 0; i < EPOCHS; i++) {
		if (c->epochs[i].used && c->epochs[i].epoch == epoch)
			return &c->epochs[i];
	}
	return NULL;
}

const struct seat *client_epochs_seat(const struct epoch_record *r, uint32_t leaf)
{
	size_t low = 0, high = r->n_seats;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->seats[mid].leaf < leaf)
			low = mid + 1;
		else
			high = mid;
	}
	return low < r->n_seats && r->seats[low].leaf == leaf ? &r->seats[low] : NULL;
}

void client_compare_epoch(struct client_compare *c, int64_t now_us)
{
	struct epoch_record r = {.used = true, .epoch = client_group_epoch(c->group)};
	size_t room = client_group_count(c->group);

	if (!c->entered) {
		c->entered = true;
		c->entered_us = now_us;
	}
	client_epochs_tick(c, now_us);
	record_done(&c->epochs[EPOCHS - 1]);
	memmove(&c->epochs[1], &c->epochs[0], (EPOCHS - 1) * sizeof(c->epochs[0]));
	cv_wipe(&c->epochs[0], sizeof(c->epochs[0]));
	if (c->epochs[1].used && c->epochs[1].until_us == 0)
		c->epochs[1].until_us = now_us + CLIENT_COMPARE_PAST_US;
	r.seats = cv_calloc(room + 1, sizeof(r.seats[0]));
	if (r.seats == NULL || client_group_authenticator(c->group, r.authenticator) != 0) {
		record_done(&r);
		return;
	}
	for (const struct client_member *m = client_group_next(c->group, 0); m != NULL && r.n_seats < room;
	     m = client_group_next(c->group, m->leaf + 1)) {
		struct seat *s = &r.seats[r.n_seats++];

		s->leaf = m->leaf;
		memcpy(s->user_id, m->user_id, CLIENT_ID_LEN);
		memcpy(s->device_hash, m->device_hash, CLIENT_HASH_LEN);
	}
	c->epochs[0] = r;
	cv_wipe(r.authenticator, sizeof(r.authenticator));
}

const char *client_compare_known(const struct client_compare *c, uint64_t epoch)
{
	for (size_t i = 0; i < EPOCHS; i++) {
		if (c->epochs[i].used && c->epochs[i].epoch == epoch && c->epochs[i].code[0] != '\0')
			return c->epochs[i].code;
	}
	return NULL;
}

/* ---- standings */

struct client_who client_who_of(const struct client_member *m)
{
	return (struct client_who){m->user_id, m->device_hash, m->email, m->name};
}

void client_compare_gone(struct client_compare *c, uint32_t leaf)
{
	if (leaf > PROTO_LEAF_MAX || c->standing[leaf] == NOBODY)
		return;
	if (c->standing[leaf] != CLIENT_STANDING_VERIFIED)
		c->unverified--;
	c->standing[leaf] = NOBODY;
}

void client_compare_member(struct client_compare *c, uint32_t leaf)
{
	const struct client_member *m = client_group_member(c->group, leaf);
	struct client_who who;

	client_compare_gone(c, leaf);
	if (m == NULL || leaf > PROTO_LEAF_MAX || leaf == client_group_leaf(c->group))
		return;
	who = client_who_of(m);
	c->standing[leaf] = (uint8_t)client_profile_standing(c->profile, &who);
	if (c->standing[leaf] != CLIENT_STANDING_VERIFIED)
		c->unverified++;
}

enum client_standing client_compare_standing(const struct client_compare *c, uint32_t leaf)
{
	if (leaf == client_group_leaf(c->group))
		return CLIENT_STANDING_VERIFIED;
	if (leaf > PROTO_LEAF_MAX || c->standing[leaf] == NOBODY)
		return CLIENT_STANDING_UNVERIFIED;
	return (enum client_standing)c->standing[leaf];
}

size_t client_compare_unverified(const struct client_compare *c)
{
	return c->unverified;
}
