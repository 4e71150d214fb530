/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers outlive a stay in the group: who comes back with the same device, after a lost state or for too long away,
 * goes on where it was. What the offerer sealed before is not taken any more: acceptors bring a fresh key, and get one.
 */
#include <string.h>

#include <base/time.h>

#include "transfer.h"

/* So long a transfer waits for its offerer: who is lost after 20 s gives up after 30 (CLIENT_LOST_US). */
#define RETURN_US 20000000

void client_transfer_wait(struct client_files *f, struct transfer *t)
{
	t->waiting = true;
	t->waiting_us = f->now_us;
	t->keyed = false;
	cv_wipe(t->key, sizeof(t->key));
}

static void give_up(struct client_files *f, struct transfer *t)
{
	client_receive_close(t);
	client_transfer_event(f, t, CLIENT_FILE_CANCELLED, t->leaf, "the sender has left", NULL);
	client_transfer_drop(f, t);
}

void client_files_left(struct client_files *f, uint32_t leaf, bool may_return)
{
	struct transfer *next;

	f->now_us = cv_now_us();
	for (struct transfer *t = f->list; t != NULL; t = next) {
		next = t->next;
		if (t->mine)
			client_send_left(f, t, leaf);
		else if (t->leaf == leaf && !t->waiting && may_return)
			client_transfer_wait(f, t);
		else if (t->leaf == leaf && !t->waiting)
			give_up(f, t);
	}
}

void client_transfers_overdue(struct client_files *f)
{
	struct transfer *next;

	for (struct transfer *t = f->list; t != NULL; t = next) {
		next = t->next;
		if (t->waiting && f->now_us - t->waiting_us >= RETURN_US)
			give_up(f, t);
	}
}

void client_files_suspend(struct client_files *f)
{
	f->group = NULL;
}

static void renew_own(struct client_files *f, struct transfer *t)
{
	t->leaf = client_group_leaf(f->group);
	t->n_acceptors = 0;
	t->at = 0;
	t->generation++;
	if (cv_rng_fill(f->rng, t->key, sizeof(t->key)) != 0)
		client_transfer_fail(f, t, "no randomness");
}

void client_files_return(struct client_files *f, const struct client_group *group)
{
	struct transfer *next;

	f->group = group;
	f->now_us = cv_now_us();
	for (struct transfer *t = f->list; t != NULL; t = next) {
		next = t->next;
		if (t->mine)
			renew_own(f, t);
		else
			client_transfer_wait(f, t);
	}
	client_files_resumed(f);
	client_files_joined(f);
}

void client_transfer_resume(struct client_files *f, struct transfer *t, uint32_t sender)
{
	const struct client_member *m = client_group_member(f->group, sender);

	if (!t->waiting || m == NULL || memcmp(m->device_hash, t->device, sizeof(t->device)) != 0)
		return;
	t->waiting = false;
	t->leaf = sender;
	t->moved_us = f->now_us;
	if (t->accepted && client_transfer_accept(f, t) != 0)
		client_transfer_fail(f, t, "the transfer cannot be resumed");
}
