/* SPDX-License-Identifier: Apache-2.0 */
/* The table of members by leaf, and the meeting's state as the group's extensions hold it. */
#include <string.h>

#include <base/alloc.h>

#include "group_internal.h"

int client_members_reserve(struct client_group *g, uint32_t leaf)
{
	size_t room = g->room == 0 ? 16 : g->room;
	struct client_member **list;

	if (leaf > PROTO_LEAF_MAX)
		return CV_ELIMIT;
	if (leaf < g->room)
		return 0;
	while (room <= leaf)
		room *= 2;
	list = cv_reallocarray(g->members, room, sizeof(struct client_member *));
	if (list == NULL)
		return CV_ENOMEM;
	memset(list + g->room, 0, (room - g->room) * sizeof(struct client_member *));
	g->members = list;
	g->room = room;
	return 0;
}

void client_members_put(struct client_group *g, struct client_member *owned)
{
	client_members_clear(g, owned->leaf);
	g->members[owned->leaf] = owned;
	g->count++;
}

int client_members_set(struct client_group *g, const struct client_member *m)
{
	struct client_member *copy;
	int r = client_members_reserve(g, m->leaf);

	if (r != 0)
		return r;
	copy = cv_memdup(m, sizeof(*m));
	if (copy == NULL)
		return CV_ENOMEM;
	client_members_put(g, copy);
	return 0;
}

void client_members_clear(struct client_group *g, uint32_t leaf)
{
	if (leaf >= g->room || g->members[leaf] == NULL)
		return;
	cv_free(g->members[leaf]);
	g->members[leaf] = NULL;
	g->count--;
}

void client_members_done(struct client_group *g)
{
	for (size_t i = 0; i < g->room; i++)
		cv_free(g->members[i]);
	cv_free(g->members);
	g->members = NULL;
	g->room = g->count = 0;
}

const struct client_member *client_members_device(const struct client_group *g, const uint8_t key[CLIENT_KEY_LEN])
{
	for (size_t i = 0; i < g->room; i++) {
		if (g->members[i] != NULL && memcmp(g->members[i]->device_key, key, CLIENT_KEY_LEN) == 0)
			return g->members[i];
	}
	return NULL;
}

size_t client_group_count(const struct client_group *g)
{
	return g->count;
}

const struct client_member *client_group_member(const struct client_group *g, uint32_t leaf)
{
	return leaf < g->room ? g->members[leaf] : NULL;
}

const struct client_member *client_group_next(const struct client_group *g, uint32_t from)
{
	for (size_t i = from; i < g->room; i++) {
		if (g->members[i] != NULL)
			return g->members[i];
	}
	return NULL;
}

uint32_t client_group_rank(const struct client_group *g, uint32_t leaf)
{
	uint32_t rank = 0;

	for (size_t i = 0; i < g->room && i < leaf; i++)
		rank += g->members[i] != NULL;
	return rank;
}

uint8_t client_group_rights(const struct client_group *g, uint32_t leaf)
{
	const struct client_member *m = client_group_member(g, leaf);

	return m != NULL ? proto_meeting_state_rights(&g->state, m->user_id, m->admitted) : 0;
}

int client_state_read(struct cv_span extensions, struct proto_meeting_state *ret)
{
	struct cv_span data;
	int r;

	r = mls_extension_find(extensions, PROTO_EXT_MEETING_STATE, &data);
	return r != 0 ? r : proto_meeting_state_decode(data.data, data.len, ret);
}

int client_state_extensions(const struct proto_meeting_state *state, struct cv_buf *required, struct cv_buf *encoded,
			    struct mls_extension ret[2])
{
	static const uint16_t types[] = {PROTO_EXT_ADMISSION, PROTO_EXT_MEETING_STATE};
	static const uint16_t credentials[] = {MLS_CREDENTIAL_X509};
	int r;

	r = mls_required_capabilities(types, 2, NULL, 0, credentials, 1, required);
	if (r == 0)
		r = proto_meeting_state_put(state, encoded);
	if (r != 0)
		return r;
	ret[0] = (struct mls_extension){MLS_EXT_REQUIRED_CAPABILITIES, {required->data, required->len}};
	ret[1] = (struct mls_extension){PROTO_EXT_MEETING_STATE, {encoded->data, encoded->len}};
	return 0;
}

/* ---- effects of a commit */

void client_effects_done(struct effects *e)
{
	for (size_t i = 0; e->fresh != NULL && i < e->n_added; i++)
		cv_free(e->fresh[i]);
	cv_free(e->fresh);
	cv_free(e->leaves);
	cv_free(e->added);
	cv_free(e->left);
	proto_meeting_state_done(&e->next);
	memset(e, 0, sizeof(*e));
}

int client_effects_provide(struct client_group *g, struct effects *fx, struct proto_meeting_state *next)
{
	fx->fresh = cv_calloc(fx->n_added + 1, sizeof(struct client_member *));
	fx->leaves = cv_calloc(fx->n_added + 1, sizeof(fx->leaves[0]));
	if (fx->fresh == NULL || fx->leaves == NULL)
		return CV_ENOMEM;
	for (size_t i = 0; i < fx->n_added; i++) {
		int r = client_members_reserve(g, fx->added[i].leaf);

		if (r != 0)
			return r;
		fx->leaves[i] = fx->added[i].leaf;
		fx->fresh[i] = cv_memdup(&fx->added[i], sizeof(fx->added[i]));
		if (fx->fresh[i] == NULL)
			return CV_ENOMEM;
	}
	fx->next = *next;
	memset(next, 0, sizeof(*next));
	return 0;
}
