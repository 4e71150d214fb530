/* SPDX-License-Identifier: Apache-2.0 */
/* Contacts: which device keys a person had, and which of them the user has verified (R81). */
#include <string.h>

#include <base/alloc.h>

#include "profile_store.h"

#define NO_DEVICE SIZE_MAX

static struct client_contact *find(const struct client_profile *p, const uint8_t user_id[CLIENT_ID_LEN])
{
	/* From the end: who has just been met is looked up again. */
	for (size_t i = p->contact_count; i-- > 0;) {
		if (memcmp(p->contacts[i].user_id, user_id, CLIENT_ID_LEN) == 0)
			return &p->contacts[i];
	}
	return NULL;
}

const struct client_contact *client_profile_contact(const struct client_profile *p,
						    const uint8_t user_id[CLIENT_ID_LEN])
{
	return find(p, user_id);
}

static size_t find_device(const struct client_contact *c, const uint8_t hash[CLIENT_HASH_LEN])
{
	for (size_t i = 0; i < c->devices; i++) {
		if (memcmp(c->device_hash[i], hash, CLIENT_HASH_LEN) == 0)
			return i;
	}
	return NO_DEVICE;
}

static bool any_verified(const struct client_contact *c)
{
	for (size_t i = 0; i < c->devices; i++) {
		if (c->device_flags[i] & CLIENT_DEVICE_VERIFIED)
			return true;
	}
	return false;
}

/* The oldest key gives way, one that was never verified first: else made-up devices would push out what is verified. */
static void make_room(struct client_contact *c)
{
	size_t at = 0;

	if (c->devices < CLIENT_CONTACT_KEYS_MAX)
		return;
	for (size_t i = 0; i < c->devices; i++) {
		if (!(c->device_flags[i] & CLIENT_DEVICE_VERIFIED)) {
			at = i;
			break;
		}
	}
	c->devices--;
	memmove(c->device_hash[at], c->device_hash[at + 1], (c->devices - at) * sizeof(c->device_hash[0]));
	memmove(&c->device_flags[at], &c->device_flags[at + 1], c->devices - at);
}

static size_t add_device(struct client_contact *c, const uint8_t hash[CLIENT_HASH_LEN], uint8_t flags)
{
	make_room(c);
	memcpy(c->device_hash[c->devices], hash, CLIENT_HASH_LEN);
	c->device_flags[c->devices] = flags;
	return c->devices++;
}

static int set_text(char **field, const char *text)
{
	char *copy;

	if (strcmp(*field, text) == 0)
		return 0;
	copy = cv_strdup(text);
	if (copy == NULL)
		return CV_ENOMEM;
	cv_free(*field);
	*field = copy;
	return 0;
}

static int set_name(struct client_contact *c, const char *email, const char *name)
{
	int r = set_text(&c->email, email);

	return r != 0 ? r : set_text(&c->name, name);
}

static bool same_name(const struct client_contact *c, const struct client_who *who)
{
	return strcmp(c->email, who->email) == 0 && strcmp(c->name, who->name) == 0;
}

int client_profile_add_contact(struct client_profile *p, const uint8_t user_id[CLIENT_ID_LEN], const char *email,
			       const char *name, struct client_contact **ret)
{
	struct client_contact *list, *c;

	if (p->contact_count >= CLIENT_CONTACTS_MAX)
		return CV_ELIMIT;
	list = cv_reallocarray(p->contacts, p->contact_count + 1, sizeof(*list));
	if (list == NULL)
		return CV_ENOMEM;
	p->contacts = list;
	c = &list[p->contact_count];
	memset(c, 0, sizeof(*c));
	memcpy(c->user_id, user_id, CLIENT_ID_LEN);
	c->email = cv_strdup(email);
	c->name = cv_strdup(name);
	if (c->email == NULL || c->name == NULL) {
		cv_free(c->email);
		cv_free(c->name);
		return CV_ENOMEM;
	}
	p->contact_count++;
	*ret = c;
	return 0;
}

void client_profile_forget_contacts(struct client_profile *p)
{
	for (size_t i = 0; i < p->contact_count; i++) {
		cv_free(p->contacts[i].email);
		cv_free(p->contacts[i].name);
	}
	cv_free(p->contacts);
	p->contacts = NULL;
	p->contact_count = 0;
}

int client_profile_meet(struct client_profile *p, const struct client_who *who, enum client_contact_news *ret)
{
	struct client_contact *c = find(p, who->user_id);
	/* Another device under our own name is news even the first time. */
	bool known = c != NULL || memcmp(who->user_id, p->user_id, CLIENT_ID_LEN) == 0;
	int r;

	if (c == NULL) {
		r = client_profile_add_contact(p, who->user_id, who->email, who->name, &c);
		if (r != 0)
			return r;
		c->named = true;
	} else if (any_verified(c)) {
		/* What was verified is a key under a name: the old name is kept for comparing. */
		if (!same_name(c, who) && find_device(c, who->device_hash) != NO_DEVICE) {
			*ret = CLIENT_CONTACT_RENAMED;
			return 0;
		}
	} else if (!same_name(c, who)) {
		(void)!set_name(c, who->email, who->name);
		c->named = true;
	}
	if (find_device(c, who->device_hash) != NO_DEVICE) {
		*ret = CLIENT_CONTACT_KNOWN;
		return 0;
	}
	add_device(c, who->device_hash, known ? CLIENT_DEVICE_CHANGED : 0);
	*ret = known ? CLIENT_CONTACT_NEW_DEVICE : CLIENT_CONTACT_FIRST;
	return 0;
}

enum client_standing client_profile_standing(const struct client_profile *p, const struct client_who *who)
{
	const struct client_contact *c;
	size_t at;

	if (memcmp(who->device_hash, p->device_hash, CLIENT_HASH_LEN) == 0)
		return CLIENT_STANDING_VERIFIED;
	c = find(p, who->user_id);
	if (c == NULL)
		return CLIENT_STANDING_UNVERIFIED;
	at = find_device(c, who->device_hash);
	if (at == NO_DEVICE || (c->device_flags[at] & CLIENT_DEVICE_CHANGED) || (any_verified(c) && !same_name(c, who)))
		return CLIENT_STANDING_CHANGED;
	return c->device_flags[at] & CLIENT_DEVICE_VERIFIED ? CLIENT_STANDING_VERIFIED : CLIENT_STANDING_UNVERIFIED;
}

int client_profile_verify(struct client_profile *p, const struct client_who *who)
{
	struct client_contact *c = find(p, who->user_id);
	size_t at;
	int r = 0;

	if (c == NULL)
		r = client_profile_add_contact(p, who->user_id, who->email, who->name, &c);
	else
		r = set_name(c, who->email, who->name);
	if (r != 0)
		return r;
	c->named = true;
	at = find_device(c, who->device_hash);
	if (at == NO_DEVICE)
		at = add_device(c, who->device_hash, 0);
	c->device_flags[at] = CLIENT_DEVICE_VERIFIED;
	return 0;
}

/* ---- what two processes have learned, put together */

/* Contacts of both sides mostly stand at the same place: the hint spares the search. */
static struct client_contact *find_near(const struct client_profile *p, const uint8_t user_id[CLIENT_ID_LEN],
					size_t hint)
{
	if (hint < p->contact_count && memcmp(p->contacts[hint].user_id, user_id, CLIENT_ID_LEN) == 0)
		return &p->contacts[hint];
	return find(p, user_id);
}

static bool all_verified(const struct client_contact *c)
{
	for (size_t i = 0; i < c->devices; i++) {
		if (!(c->device_flags[i] & CLIENT_DEVICE_VERIFIED))
			return false;
	}
	return true;
}

/* Marks before keys, and verified keys before others: only then make_room knows which ones may go. */
static void merge_devices(struct client_contact *c, const struct client_contact *ours)
{
	bool known = c->devices > 0;

	for (size_t i = 0; i < ours->devices; i++) {
		size_t at = find_device(c, ours->device_hash[i]);

		if (at == NO_DEVICE)
			continue;
		c->device_flags[at] |= ours->device_flags[i];
		if (c->device_flags[at] & CLIENT_DEVICE_VERIFIED)
			c->device_flags[at] = CLIENT_DEVICE_VERIFIED;
	}
	for (size_t i = 0; i < ours->devices; i++) {
		if ((ours->device_flags[i] & CLIENT_DEVICE_VERIFIED) &&
		    find_device(c, ours->device_hash[i]) == NO_DEVICE)
			add_device(c, ours->device_hash[i], CLIENT_DEVICE_VERIFIED);
	}
	for (size_t i = 0; i < ours->devices; i++) {
		if ((ours->device_flags[i] & CLIENT_DEVICE_VERIFIED) ||
		    find_device(c, ours->device_hash[i]) != NO_DEVICE ||
		    (c->devices == CLIENT_CONTACT_KEYS_MAX && all_verified(c)))
			continue;
		/* To whoever stored first, ours is a second key: as if we had met after that. */
		add_device(c, ours->device_hash[i], known ? CLIENT_DEVICE_CHANGED : ours->device_flags[i]);
	}
}

static int merge_contact(struct client_contact *c, const struct client_contact *ours)
{
	bool verified = any_verified(ours);

	/* A verified name is kept for comparing, against one that was only met. Else the later word. */
	if (verified == any_verified(c) ? ours->named : verified) {
		int r = set_name(c, ours->email, ours->name);

		if (r != 0)
			return r;
	}
	merge_devices(c, ours);
	return 0;
}

/* Somebody who was never verified gives way to one who was. */
static int make_contact_room(struct client_profile *p)
{
	size_t at = 0;

	if (p->contact_count < CLIENT_CONTACTS_MAX)
		return 0;
	while (at < p->contact_count && any_verified(&p->contacts[at]))
		at++;
	if (at == p->contact_count)
		return CV_ELIMIT;
	cv_free(p->contacts[at].email);
	cv_free(p->contacts[at].name);
	p->contact_count--;
	memmove(&p->contacts[at], &p->contacts[at + 1], (p->contact_count - at) * sizeof(p->contacts[0]));
	return 0;
}

/* Those of ours that the disk does not have. */
static int add_missing(struct client_profile *into, const struct client_profile *ours, bool verified)
{
	for (size_t i = 0; i < ours->contact_count; i++) {
		const struct client_contact *o = &ours->contacts[i];
		struct client_contact *c;
		int r;

		if (any_verified(o) != verified || find_near(into, o->user_id, i) != NULL)
			continue;
		if (!verified && into->contact_count == CLIENT_CONTACTS_MAX)
			return 0;
		r = make_contact_room(into);
		if (r == 0)
			r = client_profile_add_contact(into, o->user_id, o->email, o->name, &c);
		if (r != 0)
			return r;
		c->devices = o->devices;
		memcpy(c->device_hash, o->device_hash, sizeof(c->device_hash));
		memcpy(c->device_flags, o->device_flags, sizeof(c->device_flags));
	}
	return 0;
}

int client_profile_merge_contacts(struct client_profile *into, const struct client_profile *ours)
{
	int r;

	for (size_t i = 0; i < ours->contact_count; i++) {
		struct client_contact *c = find_near(into, ours->contacts[i].user_id, i);

		r = c != NULL ? merge_contact(c, &ours->contacts[i]) : 0;
		if (r != 0)
			return r;
	}
	r = add_missing(into, ours, true);
	return r != 0 ? r : add_missing(into, ours, false);
}
