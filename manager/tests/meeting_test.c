/* SPDX-License-Identifier: Apache-2.0 */
/* Meetings, joining, runs, reports, bans and revocations. */
#include <stdio.h>
#include <string.h>

#include <base/alloc.h>
#include <base/text.h>
#include <proto/signed.h>

#include "tests/fixture.h"
#include "domain/run.h"

struct cast {
	struct device org, ada, bob, out, admin;
	uint8_t org_id[MGR_ID_LEN], ada_id[MGR_ID_LEN], bob_id[MGR_ID_LEN];
	char meeting[33], run[33];
	struct proto_signers signers;
};

static struct cast cast;

static const char *path_of(const char *kind, const char *id, const char *tail)
{
	static char path[128];
	snprintf(path, sizeof path, "/api/v1/%s/%s%s", kind, id, tail);
	return path;
}

static void set_up(struct site *s)
{
	member_make(s, "org@example.org", MGR_ROLE_ORGANISER, &cast.org, cast.org_id);
	member_make(s, "ada@example.org", MGR_ROLE_USER, &cast.ada, cast.ada_id);
	member_make(s, "bob@example.org", MGR_ROLE_USER, &cast.bob, cast.bob_id);
	member_make(s, "out@example.org", MGR_ROLE_USER, &cast.out, NULL);
	member_make(s, "admin@example.org", MGR_ROLE_ADMINISTRATOR, &cast.admin, NULL);
	relay_make(s, "https://relay.example");
	cast.signers.n = 1;
	proto_public_key(s->keys.grants_seed, cast.signers.keys[0]);
	assert_int_equal(ask(s, &cast.org, "POST", "/api/v1/meetings",
			     json_pack("{s:s, s:[s, s], s:I, s:i}", "title", "Weekly", "invite", "Ada@Example.org",
				       "bob@example.org", "start", (json_int_t)s->now + 3600, "duration_minutes", 30)),
			 201);
	snprintf(cast.meeting, sizeof cast.meeting, "%s", json_string_value(json_object_get(s->json, "id")));
	assert_int_equal(json_array_size(json_object_get(s->json, "invited")), 3);
}

static int join(struct site *s, const struct device *dev)
{
	int status = ask(s, dev, "POST", path_of("meetings", cast.meeting, "/join"), json_object());
	if (status == 200)
		snprintf(cast.run, sizeof cast.run, "%s", json_string_value(json_object_get(s->json, "run_id")));
	return status;
}

static size_t signed_of(const struct site *s, const char *key, uint8_t *dst, size_t max)
{
	size_t len = 0;
	const char *text = json_string_value(json_object_get(s->json, key));
	assert_non_null(text);
	assert_int_equal(cv_b64_decode(dst, max, text, strlen(text), &len), 0);
	return len;
}

static bool has_grant(const struct site *s)
{
	return !json_is_null(json_object_get(s->json, "creation_grant"));
}

static int report(struct site *s, const struct device *dev, int epoch, char fill)
{
	char hash[44];
	memset(hash, fill, 42);
	strcpy(hash + 42, "A");
	return ask(s, dev, "POST", path_of("runs", cast.run, "/report"),
		   json_pack("{s:i, s:s, s:i}", "epoch", epoch, "authenticator_hash", hash, "members", 2));
}

static void joining_gives_ticket_and_admission(void **state)
{
	struct site *s = *state;
	uint8_t object[4096], hash[32], run[MGR_ID_LEN];
	struct proto_ticket t;
	struct proto_admission a;
	struct proto_creation_grant g;
	set_up(s);
	assert_int_equal(join(s, &cast.org), 200);
	proto_sha256(cast.org.key, 32, hash);
	assert_int_equal(cv_hex_decode(run, MGR_ID_LEN, cast.run), 0);
	size_t len = signed_of(s, "ticket", object, sizeof object);
	assert_int_equal(proto_ticket_open(object, len, &cast.signers, &t), 0);
	assert_memory_equal(t.run_id, run, sizeof run);
	assert_memory_equal(t.user_id, cast.org_id, MGR_ID_LEN);
	assert_memory_equal(t.device_hash, hash, sizeof hash);
	assert_int_equal(t.expires - t.issued, 60);
	assert_int_equal(t.rights, PROTO_RIGHTS_ALL);
	assert_int_equal(t.flags, PROTO_FLAG_ORGANISER);
	assert_int_equal(t.switches, PROTO_SWITCH_FILES);
	assert_int_equal(t.n_relays, 1);
	/* A ticket is never an admission. */
	assert_int_equal(proto_admission_open(object, len, &cast.signers, &a), CV_EAUTH);
	len = signed_of(s, "admission", object, sizeof object);
	assert_int_equal(proto_admission_open(object, len, &cast.signers, &a), 0);
	assert_memory_equal(a.run_id, run, sizeof run);
	assert_int_equal(a.expires - a.issued, 86400);
	len = signed_of(s, "creation_grant", object, sizeof object);
	assert_int_equal(proto_creation_grant_open(object, len, &cast.signers, &g), 0);
	assert_memory_equal(g.device_hash, hash, sizeof hash);
	const json_t *relay = json_array_get(json_object_get(s->json, "relays"), 0);
	assert_string_equal(json_string_value(json_object_get(relay, "url")), "https://relay.example");
	assert_int_equal(json_array_size(json_object_get(relay, "pins")), 2);
	assert_string_equal(json_string_value(json_object_get(json_object_get(s->json, "meeting"), "title")), "Weekly");
	char lobby[64];
	snprintf(lobby, sizeof lobby, "%s", json_string_value(json_object_get(s->json, "lobby_key")));
	/* The next one joins the same run, and never creates; no moderation for guests. */
	assert_int_equal(join(s, &cast.ada), 200);
	assert_false(has_grant(s));
	assert_string_equal(json_string_value(json_object_get(s->json, "lobby_key")), lobby);
	len = signed_of(s, "ticket", object, sizeof object);
	assert_int_equal(proto_ticket_open(object, len, &cast.signers, &t), 0);
	assert_int_equal(t.rights, PROTO_RIGHTS_ALL & ~PROTO_RIGHT_MODERATION);
	assert_int_equal(t.flags, 0);
	/* The creator may ask again until the group is there. */
	assert_int_equal(join(s, &cast.org), 200);
	assert_true(has_grant(s));
	assert_int_equal(report(s, &cast.org, 0, 'A'), 200);
	assert_int_equal(join(s, &cast.org), 200);
	assert_false(has_grant(s));
}

static void only_guests_join(void **state)
{
	struct site *s = *state;
	set_up(s);
	assert_int_equal(join(s, &cast.out), 403);
	assert_string_equal(problem_name(s), "not-invited");
	/* Not even an administrator. */
	assert_int_equal(join(s, &cast.admin), 403);
	assert_int_equal(ask(s, &cast.out, "GET", path_of("meetings", cast.meeting, ""), NULL), 404);
	assert_int_equal(ask(s, &cast.admin, "GET", path_of("meetings", cast.meeting, ""), NULL), 200);
	assert_int_equal(ask(s, &cast.ada, "GET", path_of("meetings", cast.meeting, ""), NULL), 200);
	/* Guests manage nothing. */
	assert_int_equal(ask(s, &cast.ada, "DELETE", path_of("meetings", cast.meeting, ""), NULL), 403);
	assert_int_equal(ask(s, &cast.ada, "POST", path_of("meetings", cast.meeting, "/invitations"),
			     json_pack("{s:[s]}", "emails", "out@example.org")),
			 403);
	assert_int_equal(ask(s, &cast.org, "POST", path_of("meetings", cast.meeting, "/invitations"),
			     json_pack("{s:[s]}", "emails", "out@example.org")),
			 200);
	assert_int_equal(join(s, &cast.out), 200);
	assert_int_equal(ask(s, &cast.org, "DELETE", path_of("meetings", cast.meeting, "/invitations"),
			     json_pack("{s:[s]}", "emails", "out@example.org")),
			 200);
	assert_int_equal(join(s, &cast.out), 403);
	assert_int_equal(ask(s, &cast.org, "DELETE", path_of("meetings", cast.meeting, "/invitations"),
			     json_pack("{s:[s]}", "emails", "out@example.org")),
			 404);
	/* Nothing half: one unknown address and nobody is uninvited. */
	assert_int_equal(ask(s, &cast.org, "DELETE", path_of("meetings", cast.meeting, "/invitations"),
			     json_pack("{s:[s, s]}", "emails", "ada@example.org", "out@example.org")),
			 404);
	assert_int_equal(join(s, &cast.ada), 200);
	assert_int_equal(ask(s, &cast.org, "DELETE", path_of("meetings", cast.meeting, ""), NULL), 204);
	assert_int_equal(join(s, &cast.ada), 409);
	assert_string_equal(problem_name(s), "meeting-cancelled");
	assert_int_equal(ask(s, &cast.ada, "GET", "/api/v1/meetings", NULL), 200);
	assert_true(
		json_is_true(json_object_get(json_array_get(json_object_get(s->json, "meetings"), 0), "cancelled")));
}

static void without_relay_nobody_joins(void **state)
{
	struct site *s = *state;
	struct device org;
	char path[128];
	member_make(s, "org@example.org", MGR_ROLE_ORGANISER, &org, NULL);
	assert_int_equal(ask(s, &org, "POST", "/api/v1/meetings", json_pack("{s:s}", "title", "T")), 201);
	snprintf(path, sizeof path, "/api/v1/meetings/%s/join", json_string_value(json_object_get(s->json, "id")));
	assert_int_equal(ask(s, &org, "POST", path, json_object()), 503);
	assert_string_equal(problem_name(s), "no-relay");
}

static void two_values_for_an_epoch_alarm(void **state)
{
	struct site *s = *state;
	uint8_t run[MGR_HASH_LEN] = {0};
	int64_t values = 0;
	set_up(s);
	assert_int_equal(join(s, &cast.org), 200);
	assert_int_equal(join(s, &cast.ada), 200);
	assert_int_equal(report(s, &cast.org, 1, 'A'), 200);
	assert_true(json_is_null(json_object_get(s->json, "alarm")));
	assert_int_equal(report(s, &cast.ada, 1, 'A'), 200);
	assert_true(json_is_null(json_object_get(s->json, "alarm")));
	assert_int_equal(report(s, &cast.ada, 2, 'B'), 200);
	assert_true(json_is_null(json_object_get(s->json, "alarm")));
	assert_int_equal(report(s, &cast.org, 2, 'C'), 200);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(s->json, "alarm"), "epoch")), 2);
	/* Everybody hears of it, whatever the epoch. */
	assert_int_equal(report(s, &cast.ada, 3, 'D'), 200);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(s->json, "alarm"), "epoch")), 2);
	/* Nobody reports who was never let in. */
	assert_int_equal(report(s, &cast.bob, 3, 'E'), 404);
	/* One member cannot fill the database: a few values of one epoch are enough to prove the alarm. */
	for (char fill = 'a'; fill <= 'z'; fill++)
		assert_int_equal(report(s, &cast.ada, 3, fill), 200);
	assert_int_equal(cv_hex_decode(run, MGR_ID_LEN, cast.run), 0);
	assert_int_equal(mgr_store_report_add(s->app.store, run, 3, run, s->now, 8, &values), 0);
	assert_int_equal(values, MGR_REPORT_VALUES);
}

static void runs_end_by_silence_and_by_leaving(void **state)
{
	struct site *s = *state;
	char first[33];
	set_up(s);
	assert_int_equal(join(s, &cast.org), 200);
	strcpy(first, cast.run);
	/* The creator never comes: after 15 s the next join begins another run. */
	s->now += 16;
	assert_int_equal(join(s, &cast.ada), 200);
	assert_string_not_equal(first, cast.run);
	assert_true(has_grant(s));
	assert_int_equal(report(s, &cast.ada, 0, 'A'), 200);
	s->now += 30;
	assert_int_equal(mgr_run_sweep(&s->app), 0);
	assert_int_equal(report(s, &cast.ada, 0, 'A'), 200);
	assert_true(json_is_false(json_object_get(s->json, "ended")));
	/* 30 s of silence. */
	s->now += 31;
	assert_int_equal(mgr_run_sweep(&s->app), 0);
	assert_int_equal(report(s, &cast.ada, 0, 'A'), 200);
	assert_true(json_is_true(json_object_get(s->json, "ended")));
	strcpy(first, cast.run);
	/* The last leave. */
	assert_int_equal(join(s, &cast.ada), 200);
	assert_string_not_equal(first, cast.run);
	assert_int_equal(report(s, &cast.ada, 0, 'A'), 200);
	assert_int_equal(join(s, &cast.org), 200);
	assert_int_equal(report(s, &cast.org, 1, 'B'), 200);
	assert_int_equal(ask(s, &cast.ada, "POST", path_of("runs", cast.run, "/leave"), json_object()), 204);
	assert_int_equal(report(s, &cast.org, 2, 'C'), 200);
	assert_true(json_is_false(json_object_get(s->json, "ended")));
	assert_int_equal(ask(s, &cast.org, "POST", path_of("runs", cast.run, "/leave"), json_object()), 204);
	strcpy(first, cast.run);
	assert_int_equal(join(s, &cast.bob), 200);
	assert_string_not_equal(first, cast.run);
	/* The manager's own absence is no silence. */
	assert_int_equal(report(s, &cast.bob, 0, 'A'), 200);
	s->now += 1000;
	s->app.started = s->now;
	assert_int_equal(mgr_run_sweep(&s->app), 0);
	assert_int_equal(report(s, &cast.bob, 0, 'A'), 200);
	assert_true(json_is_false(json_object_get(s->json, "ended")));
	/* A moderator. */
	assert_int_equal(ask(s, &cast.ada, "POST", path_of("runs", cast.run, "/end"), json_object()), 403);
	assert_int_equal(ask(s, &cast.org, "POST", path_of("runs", cast.run, "/end"), json_object()), 204);
	assert_int_equal(report(s, &cast.bob, 0, 'A'), 200);
	assert_true(json_is_true(json_object_get(s->json, "ended")));
}

struct last_event {
	char kind[32];
	size_t n, len;
	uint8_t object[4096];
};

static int take(void *arg, const struct mgr_event *e)
{
	struct last_event *l = arg;
	snprintf(l->kind, sizeof l->kind, "%s", e->kind);
	l->len = e->object_len < sizeof l->object ? e->object_len : 0;
	if (l->len)
		memcpy(l->object, e->object, l->len);
	l->n++;
	return 0;
}

static void check_revocation(struct site *s, const uint8_t user_id[MGR_ID_LEN])
{
	struct last_event last = {{0}};
	struct proto_revocation v;
	uint8_t run[MGR_ID_LEN], device[32] = {1};
	assert_int_equal(mgr_store_event_each(s->app.store, 0, 1000, take, &last), 0);
	assert_string_equal(last.kind, "revocation");
	assert_int_equal(proto_revocation_open(last.object, last.len, &cast.signers, &v), 0);
	assert_int_equal(cv_hex_decode(run, MGR_ID_LEN, cast.run), 0);
	assert_true(proto_revocation_covers(&v, run, user_id, device));
	/* Of this run alone: whoever is let in again later is not shut out of the next. */
	assert_memory_equal(v.run_id, run, sizeof run);
}

static void the_removed_stay_out(void **state)
{
	struct site *s = *state;
	char hex[33], path[128];
	set_up(s);
	assert_int_equal(join(s, &cast.org), 200);
	assert_int_equal(report(s, &cast.org, 0, 'A'), 200);
	assert_int_equal(join(s, &cast.ada), 200);
	assert_int_equal(report(s, &cast.ada, 1, 'B'), 200);
	cv_hex_encode(hex, cast.ada_id, MGR_ID_LEN);
	assert_int_equal(
		ask(s, &cast.bob, "POST", path_of("runs", cast.run, "/ban"), json_pack("{s:s}", "user_id", hex)), 403);
	assert_int_equal(
		ask(s, &cast.org, "POST", path_of("runs", cast.run, "/ban"), json_pack("{s:s}", "user_id", hex)), 204);
	check_revocation(s, cast.ada_id);
	assert_int_equal(join(s, &cast.ada), 403);
	assert_string_equal(problem_name(s), "removed");
	assert_int_equal(report(s, &cast.ada, 1, 'B'), 403);
	/* Uninvited while it runs. */
	assert_int_equal(join(s, &cast.bob), 200);
	assert_int_equal(ask(s, &cast.org, "DELETE", path_of("meetings", cast.meeting, "/invitations"),
			     json_pack("{s:[s]}", "emails", "bob@example.org")),
			 200);
	check_revocation(s, cast.bob_id);
	assert_int_equal(join(s, &cast.bob), 403);
	/* Disabled while it runs. */
	cv_hex_encode(hex, cast.org_id, MGR_ID_LEN);
	snprintf(path, sizeof path, "/api/v1/users/%s", hex);
	assert_int_equal(ask(s, &cast.admin, "PATCH", path, json_pack("{s:b}", "disabled", 1)), 200);
	check_revocation(s, cast.org_id);
	assert_int_equal(join(s, &cast.org), 401);
	/* In a new run those removed from the old one are guests again. */
	s->now += 60;
	assert_int_equal(join(s, &cast.ada), 200);
	assert_true(has_grant(s));
}

static int tell(struct site *s, const struct device *by, const char *what, const uint8_t user_id[MGR_ID_LEN],
		int granted)
{
	char hex[33], tail[32];
	cv_hex_encode(hex, user_id, MGR_ID_LEN);
	snprintf(tail, sizeof tail, "/%s", what);
	return ask(s, by, "POST", path_of("runs", cast.run, tail),
		   granted < 0 ? json_pack("{s:s}", "user_id", hex)
			       : json_pack("{s:s, s:b}", "user_id", hex, "granted", granted));
}

static void moderators_of_a_run_ban(void **state)
{
	struct site *s = *state;
	uint8_t out_id[MGR_ID_LEN] = {7};
	set_up(s);
	assert_int_equal(join(s, &cast.org), 200);
	assert_int_equal(report(s, &cast.org, 0, 'A'), 200);
	assert_int_equal(join(s, &cast.ada), 200);
	assert_int_equal(join(s, &cast.bob), 200);
	/* Nobody makes himself a moderator, nor one who is not invited. */
	assert_int_equal(tell(s, &cast.ada, "moderation", cast.ada_id, 1), 403);
	assert_int_equal(tell(s, &cast.out, "moderation", cast.ada_id, 1), 404);
	assert_int_equal(tell(s, &cast.org, "moderation", out_id, 1), 404);
	assert_int_equal(tell(s, &cast.org, "moderation", cast.ada_id, -1), 400);
	assert_int_equal(tell(s, &cast.ada, "ban", cast.bob_id, -1), 403);
	assert_int_equal(tell(s, &cast.org, "moderation", cast.ada_id, 1), 204);
	assert_int_equal(tell(s, &cast.org, "moderation", cast.ada_id, 1), 204);
	assert_int_equal(tell(s, &cast.ada, "ban", cast.bob_id, -1), 204);
	check_revocation(s, cast.bob_id);
	assert_int_equal(join(s, &cast.bob), 403);
	assert_string_equal(problem_name(s), "removed");
	/* The right taken back counts at once; and of the banned none counts. */
	assert_int_equal(tell(s, &cast.org, "moderation", cast.ada_id, 0), 204);
	assert_int_equal(tell(s, &cast.ada, "ban", cast.org_id, -1), 403);
	assert_int_equal(tell(s, &cast.org, "moderation", cast.bob_id, 1), 204);
	assert_int_equal(tell(s, &cast.bob, "ban", cast.ada_id, -1), 403);
	/* A right of this run, not of the meeting. */
	assert_int_equal(tell(s, &cast.org, "moderation", cast.ada_id, 1), 204);
	assert_int_equal(ask(s, &cast.ada, "DELETE", path_of("meetings", cast.meeting, ""), NULL), 403);
	assert_int_equal(ask(s, &cast.ada, "POST", path_of("runs", cast.run, "/end"), json_object()), 204);
	assert_int_equal(tell(s, &cast.org, "moderation", cast.ada_id, 1), 409);
	assert_int_equal(join(s, &cast.ada), 200);
	assert_int_equal(tell(s, &cast.ada, "ban", cast.bob_id, -1), 403);
}

static int report_relay(struct site *s, const struct device *dev, const char *relay)
{
	return ask(s, dev, "POST", path_of("runs", cast.run, "/report"),
		   json_pack("{s:i, s:s, s:s}", "epoch", 0, "authenticator_hash",
			     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "relay", relay));
}

static void keep_relay(const struct site *s, size_t i, char ret[33])
{
	const json_t *relay = json_array_get(json_object_get(s->json, "relays"), i);
	snprintf(ret, 33, "%s", json_string_value(json_object_get(relay, "id")));
}

/* With several relays the creator takes one, and nobody is sent to another. */
static void a_run_lives_on_one_relay(void **state)
{
	struct site *s = *state;
	uint8_t object[4096];
	struct proto_ticket t;
	char relays[2][33], home[33];
	set_up(s);
	s->now++; /* they are listed by age */
	relay_make(s, "https://relay2.example");
	assert_int_equal(join(s, &cast.org), 200);
	assert_true(has_grant(s));
	assert_int_equal(json_array_size(json_object_get(s->json, "relays")), 2);
	keep_relay(s, 0, relays[0]);
	keep_relay(s, 1, relays[1]);
	/* Nobody else before it has said which one: not even a ticket. */
	assert_int_equal(join(s, &cast.ada), 503);
	assert_string_equal(problem_name(s), "not-begun");
	assert_int_equal(report_relay(s, &cast.ada, relays[0]), 404);
	assert_int_equal(report(s, &cast.org, 0, 'A'), 400);
	assert_int_equal(report_relay(s, &cast.org, "00112233445566778899aabbccddeeff"), 400);
	assert_int_equal(report_relay(s, &cast.org, relays[1]), 200);
	assert_int_equal(join(s, &cast.ada), 200);
	assert_int_equal(json_array_size(json_object_get(s->json, "relays")), 1);
	keep_relay(s, 0, home);
	assert_string_equal(home, relays[1]);
	size_t len = signed_of(s, "ticket", object, sizeof object);
	assert_int_equal(proto_ticket_open(object, len, &cast.signers, &t), 0);
	assert_int_equal(t.n_relays, 1);
	cv_hex_encode(home, t.relays[0], MGR_ID_LEN);
	assert_string_equal(home, relays[1]);
	/* A group on the other one is not this run's. */
	assert_int_equal(report_relay(s, &cast.ada, relays[0]), 409);
	assert_string_equal(problem_name(s), "other-relay");
	assert_int_equal(report_relay(s, &cast.org, relays[0]), 409);
	assert_int_equal(report_relay(s, &cast.ada, relays[1]), 200);
	/* Whoever began it comes back to the same. */
	assert_int_equal(join(s, &cast.org), 200);
	assert_int_equal(json_array_size(json_object_get(s->json, "relays")), 1);
	/* Taken out of service under the run: said so, and nobody is sent elsewhere. */
	relay_make(s, "https://relay2.example");
	assert_int_equal(join(s, &cast.ada), 503);
	assert_string_equal(problem_name(s), "no-relay");
}

static void demotion_counts_at_once(void **state)
{
	struct site *s = *state;
	char hex[33], path[128];
	set_up(s);
	cv_hex_encode(hex, cast.org_id, MGR_ID_LEN);
	snprintf(path, sizeof path, "/api/v1/users/%s", hex);
	assert_int_equal(ask(s, &cast.admin, "PATCH", path, json_pack("{s:s}", "role", "user")), 200);
	assert_int_equal(ask(s, &cast.org, "POST", "/api/v1/meetings", json_pack("{s:s}", "title", "T")), 403);
	assert_int_equal(ask(s, &cast.org, "DELETE", path_of("meetings", cast.meeting, ""), NULL), 403);
	/* A guest as before, without moderation. */
	uint8_t object[4096];
	struct proto_admission a;
	assert_int_equal(join(s, &cast.org), 200);
	size_t len = signed_of(s, "admission", object, sizeof object);
	assert_int_equal(proto_admission_open(object, len, &cast.signers, &a), 0);
	assert_int_equal(a.rights & PROTO_RIGHT_MODERATION, 0);
	assert_int_equal(a.flags, 0);
	assert_int_equal(ask(s, &cast.admin, "DELETE", path_of("meetings", cast.meeting, ""), NULL), 204);
}

static void meetings_have_limits(void **state)
{
	struct site *s = *state;
	char title[400];
	set_up(s);
	memset(title, 'x', sizeof title);
	title[sizeof title - 1] = 0;
	assert_int_equal(ask(s, &cast.org, "POST", "/api/v1/meetings", json_pack("{s:s}", "title", title)), 400);
	assert_int_equal(ask(s, &cast.org, "POST", "/api/v1/meetings", json_pack("{s:s}", "title", " ")), 400);
	assert_int_equal(ask(s, &cast.org, "POST", "/api/v1/meetings",
			     json_pack("{s:s, s:i}", "title", "T", "duration_minutes", -1)),
			 400);
	assert_int_equal(ask(s, &cast.org, "POST", "/api/v1/meetings",
			     json_pack("{s:s, s:[s, i]}", "title", "T", "invite", "a@b.c", 1)),
			 400);
	s->conf.invitations_max = 3;
	assert_int_equal(ask(s, &cast.org, "POST", path_of("meetings", cast.meeting, "/invitations"),
			     json_pack("{s:[s]}", "emails", "out@example.org")),
			 409);
	s->conf.invitations_max = 10;
	s->conf.organisers_add = false;
	assert_int_equal(ask(s, &cast.org, "POST", path_of("meetings", cast.meeting, "/invitations"),
			     json_pack("{s:[s]}", "emails", "stranger@example.org")),
			 403);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, site_setup, site_teardown)
	const struct CMUnitTest tests[] = {
		T(joining_gives_ticket_and_admission),
		T(only_guests_join),
		T(without_relay_nobody_joins),
		T(two_values_for_an_epoch_alarm),
		T(runs_end_by_silence_and_by_leaving),
		T(the_removed_stay_out),
		T(moderators_of_a_run_ban),
		T(a_run_lives_on_one_relay),
		T(demotion_counts_at_once),
		T(meetings_have_limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
