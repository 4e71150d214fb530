/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing the security code, and who of those present is verified, for people and as JSON lines. */
#include <stdio.h>
#include <string.h>

#include <base/text.h>

#include "join.h"

#define DIFFERS                                                                                                        \
	"SECURITY WARNING: the security codes differ. Somebody may be listening between you. Say nothing "             \
	"confidential, leave this meeting, and tell your administrator on another way."

void join_standing(json_t *fields, enum client_standing standing)
{
	json_object_set_new(fields, "verified", json_boolean(standing == CLIENT_STANDING_VERIFIED));
	json_object_set_new(fields, "changed", json_boolean(standing == CLIENT_STANDING_CHANGED));
}

const char *join_standing_text(enum client_standing standing)
{
	return standing == CLIENT_STANDING_VERIFIED  ? ""
	       : standing == CLIENT_STANDING_CHANGED ? " (ANOTHER DEVICE OR NAME THAN BEFORE)"
						     : " (not verified)";
}

const char *join_code_status(const struct join *j, bool wide)
{
	static char text[256];
	const char *label = j->comparing ? (wide ? "COMPARE the security code of epoch" : "COMPARE epoch") : "epoch";
	const char *code = j->comparing ? j->compared_code : j->code[0] != '\0' ? j->code : "…";
	char unverified[64] = "";

	if (j->unverified > 0 && (wide || !j->comparing))
		snprintf(unverified, sizeof(unverified), "  %zu not verified", j->unverified);
	snprintf(text, sizeof(text), "%s %llu%s %s%s", label,
		 (unsigned long long)(j->comparing ? j->compared_epoch : j->epoch),
		 wide && !j->comparing ? "  security code" : ":", code, unverified);
	return text;
}

/* ---- events */

static json_t *compared_member(const struct client_compare_member *m)
{
	char user[2 * CLIENT_ID_LEN + 1], device[2 * CLIENT_HASH_LEN + 1];
	json_t *fields;

	cv_hex_encode(user, m->user_id, CLIENT_ID_LEN);
	cv_hex_encode(device, m->device_hash, CLIENT_HASH_LEN);
	fields = json_pack("{s:i, s:s, s:s, s:s, s:s, s:b}", "leaf", (int)m->leaf, "user", user, "email", m->email,
			   "name", m->name, "device", device, "self", m->self);
	join_standing(fields, m->standing);
	return fields;
}

static json_t *compare_fields(const struct client_compare_event *e, bool members)
{
	char id[2 * CLIENT_ID_LEN + 1];
	json_t *fields, *list;

	cv_hex_encode(id, e->id, CLIENT_ID_LEN);
	fields = json_pack("{s:s, s:I, s:b, s:s, s:s}", "comparison", id, "epoch", (json_int_t)e->epoch, "mine",
			   e->mine, "by", e->by->email, "by_name", e->by->name);
	if (e->code != NULL)
		json_object_set_new(fields, "code", json_string(e->code));
	if (members) {
		list = json_array();
		for (size_t i = 0; i < e->n_members; i++)
			json_array_append_new(list, compared_member(&e->members[i]));
		json_object_set_new(fields, "members", list);
	}
	return fields;
}

static void on_frozen(struct join *j, const struct client_compare_event *e)
{
	unsigned long long epoch = e->epoch;

	j->comparing = true;
	j->compared_epoch = e->epoch;
	snprintf(j->compared_code, sizeof(j->compared_code), "%s", e->code);
	cli_event(j->cli, "code-frozen", compare_fields(e, true));
	join_line(j, "%s %s to compare the security code of epoch %llu with everybody who was in it:",
		  e->mine ? "You" : cli_safe(e->by->name), e->mine ? "want" : "wants", epoch);
	join_line(j, "    %s", e->code);
	for (size_t i = 0; i < e->n_members; i++) {
		const struct client_compare_member *m = &e->members[i];

		join_line(j, "    %s <%s>%s", cli_safe(m->name), cli_safe(m->email),
			  m->self ? " (you)" : join_standing_text(m->standing));
	}
	join_line(j,
		  "Read it to each other, so that you know the voice or the face. Then type 'same %llu' if everybody "
		  "has this code, 'differs %llu' if anybody has another one, 'cancel' for neither.",
		  epoch, epoch);
}

static void on_verified(struct join *j, const struct client_compare_event *e)
{
	json_t *fields = compare_fields(e, true);

	json_object_set_new(fields, "marked", json_integer((json_int_t)e->marked));
	json_object_set_new(fields, "unmarked", json_integer((json_int_t)e->unmarked));
	cli_event(j->cli, "code-verified", fields);
	join_line(j, "Verified: everybody else of epoch %llu; %zu for the first time with this device.",
		  (unsigned long long)e->epoch, e->marked);
	if (e->unmarked > 0) {
		char text[128];

		snprintf(text, sizeof(text), "%zu members could not be marked: there is no room for more contacts",
			 e->unmarked);
		join_error(j, "code-verified", text);
	}
}

void join_on_compare(struct join *j, const struct client_compare_event *e)
{
	if (e->state == CLIENT_COMPARE_FROZEN) {
		on_frozen(j, e);
		return;
	}
	j->comparing = false;
	cv_wipe(j->compared_code, sizeof(j->compared_code));
	if (e->state == CLIENT_COMPARE_VERIFIED) {
		on_verified(j, e);
	} else if (e->state == CLIENT_COMPARE_DIFFERS) {
		json_t *fields = compare_fields(e, false);

		json_object_set_new(fields, "message", json_string(DIFFERS));
		cli_event(j->cli, "code-differs", fields);
		join_line(j, "%s", DIFFERS);
	} else {
		json_t *fields = compare_fields(e, false);

		json_object_set_new(fields, "message", json_string(e->text));
		cli_event(j->cli, "code-ended", fields);
		join_line(j, "The comparison of epoch %llu is over: %s. Nobody was marked.",
			  (unsigned long long)e->epoch, e->text);
	}
}

void join_on_verification(struct join *j, size_t unverified)
{
	j->unverified = unverified;
	cli_event(j->cli, "verification", json_pack("{s:I}", "unverified", (json_int_t)unverified));
	if (!j->comparing)
		join_status(j);
}

void join_on_contact(struct join *j, const struct client_meeting_event *e)
{
	json_t *fields = join_member(e->member);

	json_object_set_new(fields, "what", json_string(e->renamed ? "name" : "device"));
	if (e->renamed && e->text != NULL)
		json_object_set_new(fields, "known_as", json_string(e->text));
	join_standing(fields, e->standing);
	cli_event(j->cli, "contact-changed", fields);
	if (e->renamed)
		join_line(j,
			  "ATTENTION: %s <%s> was verified here under another name or address: %s. Compare the code.",
			  cli_safe(e->member->name), cli_safe(e->member->email), cli_safe(e->text));
	else
		join_line(j,
			  "ATTENTION: %s <%s> has a device key that was not seen here before. Compare the security "
			  "code.",
			  cli_safe(e->member->name), cli_safe(e->member->email));
}

/* ---- commands */

static void participants(struct join *j)
{
	const struct client_group *g = client_meeting_group(j->meeting);
	json_t *list = json_array();

	for (const struct client_member *m = g != NULL ? client_group_next(g, 0) : NULL; m != NULL;
	     m = client_group_next(g, m->leaf + 1)) {
		bool self = m->leaf == client_group_leaf(g);
		enum client_standing standing = client_meeting_standing(j->meeting, m->leaf);
		json_t *item = join_member(m);

		json_object_set_new(item, "rights", join_rights(client_group_rights(g, m->leaf)));
		json_object_set_new(item, "self", json_boolean(self));
		join_standing(item, standing);
		json_array_append_new(list, item);
		join_line(j, "    %s <%s>%s", cli_safe(m->name), cli_safe(m->email),
			  self ? " (you)" : join_standing_text(standing));
	}
	cli_event(j->cli, "participants",
		  json_pack("{s:I, s:I, s:o}", "epoch", (json_int_t)(g != NULL ? client_group_epoch(g) : 0),
			    "unverified", (json_int_t)j->unverified, "participants", list));
}

static void answer(struct join *j, const char *name, int r)
{
	bool start = strcmp(name, "code-compare") == 0;

	if (r == 0)
		cli_event(j->cli, "done", json_pack("{s:s}", "command", name));
	else if (start && r == CV_ENOTFOUND)
		join_error(j, name, "nobody else is here to compare the code with");
	else if (start && r == CV_ESTATE)
		join_error(j, name,
			   j->comparing ? "a comparison is on the screen: answer it, or cancel it, first"
					: "that is not possible just now");
	else if (start && r == CV_EAGAIN)
		join_error(j, name, "too soon: everybody may begin one comparison a minute, a few seconds apart");
	else if (r == CV_ENOTFOUND || r == CV_ESTATE)
		join_error(j, name, "no code of that epoch is on the screen to be compared");
	else
		join_error(j, name, cv_strerror(r));
}

bool join_compare_command(struct join *j, const char *name, const json_t *command)
{
	const json_t *epoch = json_object_get(command, "epoch");
	bool verified = strcmp(name, "code-verified") == 0;

	if (strcmp(name, "participants") == 0) {
		participants(j);
	} else if (strcmp(name, "code-compare") == 0) {
		answer(j, name, client_meeting_code_compare(j->meeting));
	} else if (strcmp(name, "code-cancel") == 0) {
		answer(j, name, client_meeting_code_cancel(j->meeting));
	} else if (!verified && strcmp(name, "code-differs") != 0) {
		return false;
	} else if (!json_is_integer(epoch) || json_integer_value(epoch) < 0) {
		/* The user says what was read: another comparison may have come meanwhile. */
		join_error(j, name, "'epoch' says which epoch's code was compared");
	} else {
		uint64_t n = (uint64_t)json_integer_value(epoch);

		answer(j, name,
		       verified ? client_meeting_code_verified(j->meeting, n)
				: client_meeting_code_differs(j->meeting, n));
	}
	return true;
}
