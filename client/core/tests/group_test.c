/* SPDX-License-Identifier: Apache-2.0 */
/* Whole lives of a meeting's group among honest members. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "cast.h"
#include "group_internal.h"

#define TALK 7u
#define LEAD 15u

static struct cv_span span(const struct cv_buf *b)
{
	return (struct cv_span){b->data, b->len};
}

static void test_meeting(void **state)
{
	struct cast c;
	struct person *ann, *bob, *cem;
	struct cv_buf msg;

	cast_init(&c);
	ann = cast_person(&c, "ann", LEAD, NULL);
	bob = cast_person(&c, "bob", TALK, NULL);
	cem = cast_person(&c, "cem", TALK, NULL);
	cast_create(&c, ann);
	assert_int_equal(client_group_epoch(ann->group), 0);
	cast_admit(&c, ann, bob);
	cast_agree(&c);
	cast_admit(&c, bob, cem);
	cast_agree(&c);
	assert_int_equal(client_group_count(cem->group), 3);
	assert_string_equal(client_group_member(cem->group, 0)->email, "ann@example.org");
	assert_int_equal(client_group_rights(cem->group, 0), LEAD);
	assert_int_equal(client_group_rights(cem->group, 1), TALK);
	assert_int_equal(ann->news.n_added, 1);
	assert_int_equal(ann->news.added[0], 2);
	cv_buf_init(&msg, 4096);
	assert_int_equal(client_group_seal(cem->group, "hello", 5, &msg), 0);
	assert_int_equal(msg.len > 256, 1);
	client_news_done(&ann->news);
	assert_int_equal(client_group_process(ann->group, msg.data, msg.len, &ann->news), 0);
	assert_int_equal(ann->news.kind, CLIENT_NEWS_MESSAGE);
	assert_int_equal(ann->news.sender, 2);
	assert_memory_equal(ann->news.plaintext.data, "hello", 5);
	cv_buf_done(&msg);
	assert_int_equal(cast_commit(&c, cem, &(struct client_change){.n_candidates = 0}), 0);
	assert_true(bob->news.path);
	cast_agree(&c);
	cast_done(&c);
}

static void test_remove_bans(void **state)
{
	struct cast c;
	struct person *ann, *bob, *cem, *bob2;
	struct client_change change = {.n_ban = 1};
	struct client_candidate candidate = {.connection = 9};
	struct client_commit made;
	struct odd odd = {.seed = NULL};
	struct cv_buf kp;

	cast_init(&c);
	ann = cast_person(&c, "ann", LEAD, NULL);
	bob = cast_person(&c, "bob", TALK, NULL);
	cem = cast_person(&c, "cem", TALK, NULL);
	cast_create(&c, ann);
	cast_admit(&c, ann, bob);
	cast_admit(&c, ann, cem);
	change.ban = (const uint8_t(*)[16])bob->user_id;
	assert_int_equal(cast_commit(&c, cem, &change), CV_EDENIED);
	assert_int_equal(cast_commit(&c, ann, &change), 0);
	assert_false(bob->in);
	assert_int_equal(bob->news.kind, CLIENT_NEWS_REMOVED);
	assert_int_equal(bob->news.left[0].reason, PROTO_REASON_REMOVED);
	assert_int_equal(cem->news.left[0].reason, PROTO_REASON_REMOVED);
	assert_string_equal(cem->news.left[0].member.name, "bob");
	cast_agree(&c);
	assert_true(proto_meeting_state_banned(client_group_state(cem->group), bob->user_id));
	/* With another device he does not get in either. */
	odd.user_id = bob->user_id;
	bob2 = cast_person(&c, "bob", TALK, &odd);
	cv_buf_init(&kp, 65536);
	assert_int_equal(client_group_key_package(bob2->group, &kp), 0);
	candidate.key_package = span(&kp);
	change = (struct client_change){.candidates = &candidate, .n_candidates = 1};
	memset(&made, 0, sizeof(made));
	assert_int_equal(client_group_commit(cem->group, &change, &made), CV_ENOTFOUND);
	assert_int_equal(made.n_refused, 1);
	assert_int_equal(made.refused[0].connection, 9);
	client_commit_done(&made);
	cv_buf_done(&kp);
	cast_done(&c);
}

static void test_rights(void **state)
{
	struct cast c;
	struct person *ann, *bob, *cem;
	struct client_rights_change rights = {.rights = LEAD};
	struct client_change change = {.rights = &rights, .n_rights = 1};

	cast_init(&c);
	ann = cast_person(&c, "ann", LEAD, NULL);
	bob = cast_person(&c, "bob", TALK, NULL);
	cem = cast_person(&c, "cem", 0, NULL);
	cast_create(&c, ann);
	cast_admit(&c, ann, bob);
	memcpy(rights.user_id, bob->user_id, 16);
	assert_int_equal(cast_commit(&c, ann, &change), 0);
	assert_true(bob->news.state_changed);
	assert_int_equal(client_group_rights(bob->group, 1), LEAD);
	/* The right is real: bob uses it, and a newcomer gets to know all of it. */
	memcpy(rights.user_id, ann->user_id, 16);
	rights.rights = 1;
	assert_int_equal(cast_commit(&c, bob, &change), 0);
	assert_int_equal(client_group_rights(ann->group, 0), 1);
	cast_admit(&c, ann, cem);
	assert_int_equal(client_group_rights(cem->group, 0), 1);
	assert_int_equal(client_group_rights(cem->group, 1), LEAD);
	assert_int_equal(client_group_rights(cem->group, 2), 0);
	change = (struct client_change){.set_lock = true, .lock = true};
	assert_int_equal(cast_commit(&c, ann, &change), CV_EDENIED);
	assert_int_equal(cast_commit(&c, bob, &change), 0);
	assert_true(client_group_state(cem->group)->locked);
	assert_true(cem->news.lock_changed);
	cast_agree(&c);
	cast_done(&c);
}

static void test_leave_lost_revoked(void **state)
{
	struct cast c;
	struct person *ann, *bob, *cem, *dan;
	uint8_t evidence[PROTO_SIG_LEN];
	struct proto_removal removals[3];
	struct client_change change = {.removals = removals, .n_removals = 3};
	struct cv_buf revocation;

	cast_init(&c);
	ann = cast_person(&c, "ann", TALK, NULL);
	bob = cast_person(&c, "bob", TALK, NULL);
	cem = cast_person(&c, "cem", TALK, NULL);
	dan = cast_person(&c, "dan", TALK, NULL);
	cast_create(&c, ann);
	cast_admit(&c, ann, bob);
	cast_admit(&c, ann, cem);
	cast_admit(&c, ann, dan);
	assert_int_equal(client_group_leave_evidence(bob->group, evidence), 0);
	cast_revocation(&c, dan, true, &revocation);
	removals[0] = (struct proto_removal){1, PROTO_REASON_LEFT, {evidence, sizeof(evidence)}};
	removals[1] = (struct proto_removal){2, PROTO_REASON_LOST, {NULL, 0}};
	removals[2] = (struct proto_removal){3, PROTO_REASON_REVOKED, span(&revocation)};
	assert_int_equal(cast_commit(&c, ann, &change), 0);
	assert_int_equal(client_group_count(ann->group), 1);
	assert_int_equal(ann->news.n_left, 3);
	assert_int_equal(bob->news.kind, CLIENT_NEWS_REMOVED);
	assert_true(proto_meeting_state_banned(client_group_state(ann->group), dan->user_id));
	assert_false(proto_meeting_state_banned(client_group_state(ann->group), cem->user_id));
	cv_buf_done(&revocation);
	cast_done(&c);
}

/* Bad requests of the relay are left out instead of spoiling the commit. */
static void test_bad_requests(void **state)
{
	struct cast c;
	struct person *ann, *bob, *cem;
	uint8_t evidence[PROTO_SIG_LEN] = {1};
	struct proto_removal removals[4];
	struct client_change change = {.removals = removals, .n_removals = 4};
	struct cv_buf revocation;

	cast_init(&c);
	ann = cast_person(&c, "ann", LEAD, NULL);
	bob = cast_person(&c, "bob", TALK, NULL);
	cem = cast_person(&c, "cem", TALK, NULL);
	cast_create(&c, ann);
	cast_admit(&c, ann, bob);
	cast_admit(&c, ann, cem);
	cast_revocation(&c, cem, true, &revocation);
	removals[0] = (struct proto_removal){1, PROTO_REASON_LEFT, {evidence, sizeof(evidence)}};
	removals[1] = (struct proto_removal){1, PROTO_REASON_REVOKED, span(&revocation)};
	removals[2] = (struct proto_removal){1, PROTO_REASON_REMOVED, {NULL, 0}};
	removals[3] = (struct proto_removal){9, PROTO_REASON_LOST, {NULL, 0}};
	assert_int_equal(cast_commit(&c, ann, &change), CV_ENOTFOUND);
	assert_int_equal(client_group_count(ann->group), 3);
	cv_buf_done(&revocation);
	cast_done(&c);
}

/* The same device comes back: its old leaf goes in the same commit. */
static void test_replaced(void **state)
{
	struct cast c;
	struct person *ann, *bob, *again;
	struct odd odd = {0};

	cast_init(&c);
	ann = cast_person(&c, "ann", TALK, NULL);
	bob = cast_person(&c, "bob", TALK, NULL);
	cast_create(&c, ann);
	cast_admit(&c, ann, bob);
	odd.seed = bob->seed;
	odd.user_id = bob->user_id;
	again = cast_person(&c, "bob", TALK, &odd);
	cast_admit(&c, ann, again);
	assert_false(bob->in);
	assert_int_equal(bob->news.left[0].reason, PROTO_REASON_REPLACED);
	assert_int_equal(client_group_count(ann->group), 2);
	cast_agree(&c);
	cast_done(&c);
}

static void test_rejected(void **state)
{
	struct cast c;
	struct person *ann, *bob;
	struct client_change path = {.n_candidates = 0};
	struct client_commit mine, theirs;

	cast_init(&c);
	ann = cast_person(&c, "ann", LEAD, NULL);
	bob = cast_person(&c, "bob", TALK, NULL);
	cast_create(&c, ann);
	cast_admit(&c, ann, bob);
	memset(&mine, 0, sizeof(mine));
	memset(&theirs, 0, sizeof(theirs));
	/* Both commit; the relay takes ann's. */
	assert_int_equal(client_group_commit(ann->group, &path, &mine), 0);
	assert_int_equal(client_group_commit(bob->group, &path, &theirs), 0);
	assert_int_equal(client_group_epoch(ann->group), 1);
	client_group_rejected(bob->group);
	client_news_done(&ann->news);
	assert_int_equal(client_group_accepted(ann->group, &ann->news), 0);
	assert_int_equal(cast_deliver(&c, ann, &mine.message), 0);
	cast_agree(&c);
	client_commit_done(&mine);
	client_commit_done(&theirs);
	/* And without having been told: the foreign commit clears the pending one. */
	memset(&mine, 0, sizeof(mine));
	memset(&theirs, 0, sizeof(theirs));
	assert_int_equal(client_group_commit(ann->group, &path, &mine), 0);
	assert_int_equal(client_group_commit(bob->group, &path, &theirs), 0);
	client_news_done(&ann->news);
	assert_int_equal(client_group_accepted(ann->group, &ann->news), 0);
	assert_int_equal(cast_deliver(&c, ann, &mine.message), 0);
	assert_false(client_group_pending(bob->group));
	assert_int_equal(client_group_accepted(bob->group, &bob->news), CV_ESTATE);
	cast_agree(&c);
	client_commit_done(&mine);
	client_commit_done(&theirs);
	cast_done(&c);
}

/* A newcomer has nothing from before, a removed one nothing from after. */
static void test_keys(void **state)
{
	struct cast c;
	struct person *ann, *bob;
	struct client_change change = {.n_ban = 1};
	struct client_base_key before, with, after, key;
	uint8_t exported[16];

	cast_init(&c);
	ann = cast_person(&c, "ann", LEAD, NULL);
	bob = cast_person(&c, "bob", TALK, NULL);
	cast_create(&c, ann);
	assert_int_equal(client_group_base_key(ann->group, &before), 0);
	cast_admit(&c, ann, bob);
	assert_int_equal(client_group_base_key(ann->group, &with), 0);
	assert_int_equal(client_group_base_key(bob->group, &key), 0);
	assert_memory_equal(with.bytes, key.bytes, 16);
	assert_memory_not_equal(before.bytes, key.bytes, 16);
	/* RFC 9605 section 5.2: MLS-Exporter("SFrame 1.0 Base Key", "", AEAD.Nk). */
	assert_int_equal(
		mls_group_export(bob->group->mls, "SFrame 1.0 Base Key", (struct cv_span){NULL, 0}, exported, 16), 0);
	assert_memory_equal(with.bytes, exported, 16);
	change.ban = (const uint8_t(*)[16])bob->user_id;
	assert_int_equal(cast_commit(&c, ann, &change), 0);
	assert_int_equal(client_group_base_key(ann->group, &after), 0);
	assert_int_equal(client_group_base_key(bob->group, &key), CV_ESTATE);
	assert_memory_not_equal(after.bytes, with.bytes, 16);
	assert_int_equal(client_group_seal(bob->group, "x", 1, &(struct cv_buf){.max = 4096}), CV_ESTATE);
	cast_done(&c);
}

/* Locked: nobody lets newcomers in for the relay's asking, moderators least; a member with its device comes back. */
static void test_locked(void **state)
{
	struct cast c;
	struct person *ann, *bob, *cem, *again;
	struct client_change change = {.set_lock = true, .lock = true};
	struct odd odd = {0};
	struct client_candidate candidate = {.connection = 7};
	struct client_commit made;
	struct cv_buf kp;

	memset(&made, 0, sizeof(made));
	cast_init(&c);
	ann = cast_person(&c, "ann", LEAD, NULL);
	bob = cast_person(&c, "bob", TALK, NULL);
	cem = cast_person(&c, "cem", TALK, NULL);
	cast_create(&c, ann);
	cast_admit(&c, ann, bob);
	assert_int_equal(cast_commit(&c, ann, &change), 0);
	cv_buf_init(&kp, 65536);
	assert_int_equal(client_group_key_package(cem->group, &kp), 0);
	candidate.key_package = span(&kp);
	change = (struct client_change){.candidates = &candidate, .n_candidates = 1};
	assert_int_equal(client_group_commit(ann->group, &change, &made), CV_ENOTFOUND);
	assert_int_equal(made.n_refused, 1);
	assert_string_equal(made.refused[0].detail, "the meeting is locked");
	client_commit_done(&made);
	cv_buf_done(&kp);
	/* bob's device comes back, having lost its state. */
	odd.seed = bob->seed;
	odd.user_id = bob->user_id;
	again = cast_person(&c, "bob", TALK, &odd);
	cast_admit(&c, ann, again);
	assert_int_equal(client_group_count(again->group), 2);
	change = (struct client_change){.set_lock = true, .lock = false};
	assert_int_equal(cast_commit(&c, ann, &change), 0);
	assert_true(again->news.lock_changed);
	cast_admit(&c, again, cem);
	change = (struct client_change){.set_lock = true, .lock = true};
	assert_int_equal(cast_commit(&c, ann, &change), 0);
	/* Without Moderation too, and everybody takes it. */
	odd.seed = cem->seed;
	odd.user_id = cem->user_id;
	cast_admit(&c, again, cast_person(&c, "cem", TALK, &odd));
	assert_int_equal(client_group_count(ann->group), 3);
	cast_agree(&c);
	cast_done(&c);
}

/* A certificate that runs out is renewed by a path update. */
static void test_renewal(void **state)
{
	struct cast c;
	struct person *ann, *bob;
	struct odd odd = {.certificate_left = 3600};
	struct cv_span certs[2];
	struct client_change change = {.certificates = certs};
	struct cv_buf renewed;
	uint64_t before;

	cast_init(&c);
	ann = cast_person(&c, "ann", TALK, NULL);
	bob = cast_person(&c, "bob", TALK, &odd);
	cast_create(&c, ann);
	cast_admit(&c, ann, bob);
	before = client_group_member(ann->group, 1)->certificate_until;
	cast_renewed(&c, bob, 80000, &renewed);
	certs[0] = span(&renewed);
	certs[1] = span(&c.issuer);
	assert_int_equal(cast_commit(&c, bob, &change), 0);
	assert_true(client_group_member(ann->group, 1)->certificate_until > before + 70000);
	assert_true(client_group_member(bob->group, 1)->certificate_until > before + 70000);
	assert_true(ann->news.renewed && bob->news.renewed);
	change.certificates = NULL;
	assert_int_equal(cast_commit(&c, bob, &change), 0);
	assert_true(ann->news.path && !ann->news.renewed);
	cast_agree(&c);
	cv_buf_done(&renewed);
	cast_done(&c);
}

/* A leaf is not thrown out by the clock, and a newcomer takes it; but nobody takes an expired one for a new one. */
static void test_expired(void **state)
{
	struct cast c;
	struct person *ann, *bob, *cem;
	struct odd odd = {.certificate_left = 3600};
	struct cv_span certs[2];
	struct client_change change = {.n_candidates = 0};
	struct cv_buf renewed;

	cast_init(&c);
	ann = cast_person(&c, "ann", TALK, NULL);
	bob = cast_person(&c, "bob", TALK, &odd);
	cast_create(&c, ann);
	cast_admit(&c, ann, bob);
	cast_renewed(&c, bob, 7200, &renewed);
	c.clock.offset += 10800;
	assert_true(client_group_member(ann->group, 1)->certificate_until < client_clock_now(&c.clock));
	assert_int_equal(cast_commit(&c, bob, &change), 0);
	assert_int_equal(cast_commit(&c, ann, &change), 0);
	cem = cast_person(&c, "cem", TALK, NULL);
	cast_admit(&c, bob, cem);
	cast_agree(&c);
	certs[0] = span(&renewed);
	certs[1] = span(&c.issuer);
	change.certificates = certs;
	assert_int_equal(cast_commit(&c, bob, &change), CV_EDENIED);
	assert_non_null(strstr(client_group_why(bob->group), "an identity certificate that is not valid"));
	cv_buf_done(&renewed);
	cast_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_meeting),  cmocka_unit_test(test_remove_bans),
		cmocka_unit_test(test_rights),   cmocka_unit_test(test_leave_lost_revoked),
		cmocka_unit_test(test_replaced), cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_rejected), cmocka_unit_test(test_keys),
		cmocka_unit_test(test_renewal),  cmocka_unit_test(test_expired),
		cmocka_unit_test(test_locked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
