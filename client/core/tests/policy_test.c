/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members decide: every rule of the meeting is broken once by a member whose own client keeps none of them, and every
 * honest member refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "cast.h"
#include "group_internal.h"

#define TALK 7u
#define LEAD 15u

/* A member that speaks MLS without our policy. */
struct hostile {
	struct person *person;
	struct mls_group_options options;
	struct mls_group *mls;
};

static int anything(void *ctx, const struct mls_leaf_question *q)
{
	return 0;
}

static struct cv_span span(const struct cv_buf *b)
{
	return (struct cv_span){b->data, b->len};
}

static void hostile_join(struct cast *c, struct hostile *h, struct person *by, struct person *p)
{
	uint64_t now = client_clock_now(&c->clock);
	struct client_candidate candidate = {.connection = 1};
	struct client_change change = {.candidates = &candidate, .n_candidates = 1};
	struct mls_key_package *kp;
	struct mls_extension ext;
	struct mls_member member;
	struct client_commit made;
	struct cv_buf commit, welcome;
	struct mls_join join;

	memset(h, 0, sizeof(*h));
	memset(&made, 0, sizeof(made));
	h->person = p;
	h->options.env = &p->group->env;
	h->options.policy.leaf = anything;
	client_group_as_member(p->group, &ext, &member);
	assert_int_equal(mls_key_package_new(&p->group->env, 1, &member, now - 60, now + 300, &kp), 0);
	candidate.key_package = mls_key_package_message(kp);
	assert_int_equal(client_group_commit(by->group, &change, &made), 0);
	assert_int_equal(made.n_refused, 0);
	client_news_done(&by->news);
	assert_int_equal(client_group_accepted(by->group, &by->news), 0);
	assert_int_equal(cast_deliver(c, by, &made.message), 0);
	cast_parts(&made.message, &commit, &welcome);
	join = (struct mls_join){.welcome = span(&welcome), .key_package = kp, .signer = member.signer};
	assert_int_equal(mls_group_join(&h->options, &join, &h->mls), 0);
	mls_key_package_free(kp);
	cv_buf_done(&commit);
	cv_buf_done(&welcome);
	client_commit_done(&made);
}

static void hostile_done(struct hostile *h)
{
	mls_group_free(h->mls);
}

/* The organiser ann, honest bob, hostile eve. */
struct scene {
	struct cast c;
	struct person *ann, *bob, *eve;
	struct hostile h;
};

static void scene_init(struct scene *s, uint8_t eve_rights)
{
	cast_init(&s->c);
	s->ann = cast_person(&s->c, "ann", LEAD, NULL);
	s->bob = cast_person(&s->c, "bob", TALK, NULL);
	s->eve = cast_person(&s->c, "eve", eve_rights, NULL);
	cast_create(&s->c, s->ann);
	cast_admit(&s->c, s->ann, s->bob);
	hostile_join(&s->c, &s->h, s->ann, s->eve);
}

static void scene_done(struct scene *s)
{
	hostile_done(&s->h);
	cast_done(&s->c);
}

/* ann commits the change; all apply it, eve's bare MLS as well. */
static void ann_commits(struct scene *s, const struct client_change *change)
{
	struct client_commit made;
	struct cv_buf commit, welcome;
	struct mls_received got;

	memset(&made, 0, sizeof(made));
	memset(&got, 0, sizeof(got));
	assert_int_equal(client_group_commit(s->ann->group, change, &made), 0);
	client_news_done(&s->ann->news);
	assert_int_equal(client_group_accepted(s->ann->group, &s->ann->news), 0);
	assert_int_equal(cast_deliver(&s->c, s->ann, &made.message), 0);
	cast_parts(&made.message, &commit, &welcome);
	assert_int_equal(mls_group_process(s->h.mls, commit.data, commit.len, &got), 0);
	mls_received_done(&got);
	cv_buf_done(&commit);
	cv_buf_done(&welcome);
	client_commit_done(&made);
}

/* What eve commits, with the reasons she gives. */
static void refused(struct scene *s, struct mls_commit *what, const struct proto_removal *removals, size_t n,
		    const char *why)
{
	struct mls_commit_output out;
	struct cv_buf data;
	struct client_news news;
	uint64_t epoch = client_group_epoch(s->bob->group);

	memset(&out, 0, sizeof(out));
	memset(&news, 0, sizeof(news));
	cv_buf_init(&data, PROTO_COMMIT_DATA_MAX);
	assert_int_equal(proto_commit_data_put(removals, n, &data), 0);
	what->authenticated_data = span(&data);
	assert_int_equal(mls_group_commit(s->h.mls, what, &out), 0);
	assert_int_equal(client_group_process(s->bob->group, out.commit.data, out.commit.len, &news), CV_EDENIED);
	assert_string_equal(client_group_why(s->bob->group), why);
	assert_int_equal(client_group_epoch(s->bob->group), epoch);
	assert_int_equal(client_group_process(s->ann->group, out.commit.data, out.commit.len, &news), CV_EDENIED);
	mls_group_clear_pending(s->h.mls);
	mls_commit_output_done(&out);
	cv_buf_done(&data);
}

static void key_package(struct scene *s, struct person *p, struct cv_buf *out)
{
	cv_buf_init(out, 65536);
	assert_int_equal(client_group_key_package(p->group, out), 0);
}

static void add_refused(struct scene *s, struct person *p, const char *why)
{
	struct mls_commit what = {.n_adds = 1};
	struct cv_span kp_span;
	struct cv_buf kp;

	key_package(s, p, &kp);
	kp_span = span(&kp);
	what.adds = &kp_span;
	refused(s, &what, NULL, 0, why);
	cv_buf_done(&kp);
}

static void test_adds(void **state)
{
	uint8_t other[32];
	struct odd odd;
	struct scene s;

	scene_init(&s, TALK);
	memset(other, 0x5a, sizeof(other));
	odd = (struct odd){.run_id = other};
	add_refused(&s, cast_person(&s.c, "run", TALK, &odd), "an admission for another run");
	odd = (struct odd){.admission_user = other};
	add_refused(&s, cast_person(&s.c, "user", TALK, &odd),
		    "an admission for another person than the certificate's");
	odd = (struct odd){.admission_device = other};
	add_refused(&s, cast_person(&s.c, "device", TALK, &odd), "an admission for another device key");
	odd = (struct odd){.grants_seed = other};
	add_refused(&s, cast_person(&s.c, "grants", TALK, &odd), "an admission that the manager did not sign");
	odd = (struct odd){.admission_left = -10};
	add_refused(&s, cast_person(&s.c, "late", TALK, &odd), "an admission that has expired or is about to");
	odd = (struct odd){.certificate_left = 200};
	add_refused(&s, cast_person(&s.c, "short", TALK, &odd), "an identity certificate that is about to expire");
	scene_done(&s);
}

static const char *invalid(int code)
{
	static char text[200];

	snprintf(text, sizeof(text), "an identity certificate that is not valid (%s)", cv_strerror(code));
	return text;
}

static void test_adds_identity(void **state)
{
	uint8_t other[32];
	struct odd odd;
	struct scene s;

	scene_init(&s, TALK);
	memset(other, 0x5a, sizeof(other));
	odd = (struct odd){.certificate_left = -30};
	add_refused(&s, cast_person(&s.c, "gone", TALK, &odd), invalid(CV_EEXPIRED));
	odd = (struct odd){.issuer_seed = other};
	add_refused(&s, cast_person(&s.c, "issuer", TALK, &odd), invalid(CV_EAUTH));
	scene_done(&s);
}

static void test_banned(void **state)
{
	struct scene s;
	struct person *dan, *dan2;
	struct client_change change = {.n_ban = 1};
	struct odd odd = {0};

	scene_init(&s, TALK);
	dan = cast_person(&s.c, "dan", TALK, NULL);
	change.ban = (const uint8_t(*)[16])dan->user_id;
	/* Banned before he ever came. */
	ann_commits(&s, &change);
	add_refused(&s, dan, "an addition of somebody who was removed");
	odd.user_id = dan->user_id;
	dan2 = cast_person(&s.c, "dan", TALK, &odd);
	add_refused(&s, dan2, "an addition of somebody who was removed");
	scene_done(&s);
}

static void test_removals(void **state)
{
	uint32_t bob = 1;
	uint8_t evidence[PROTO_SIG_LEN];
	struct mls_commit what = {.removes = &bob, .n_removes = 1};
	struct proto_removal r = {.leaf = 0};
	struct cv_buf revocation;
	struct scene s;

	scene_init(&s, TALK);
	/* ann is removed, bob looks on: eve's word against hers. */
	bob = 0;
	r.reason = PROTO_REASON_REMOVED;
	{
		struct mls_commit_output out;
		struct cv_buf data;
		struct client_news news;

		memset(&out, 0, sizeof(out));
		memset(&news, 0, sizeof(news));
		cv_buf_init(&data, 4096);
		assert_int_equal(proto_commit_data_put(&r, 1, &data), 0);
		what.authenticated_data = span(&data);
		assert_int_equal(mls_group_commit(s.h.mls, &what, &out), 0);
		assert_int_equal(client_group_process(s.bob->group, out.commit.data, out.commit.len, &news),
				 CV_EDENIED);
		assert_string_equal(client_group_why(s.bob->group), "a removal by somebody who does not moderate");
		/* The victim does not believe it either. */
		assert_int_equal(client_group_process(s.ann->group, out.commit.data, out.commit.len, &news),
				 CV_EDENIED);
		mls_group_clear_pending(s.h.mls);
		mls_commit_output_done(&out);
		cv_buf_done(&data);
	}
	/* A signature of eve's own in place of ann's. */
	memset(evidence, 7, sizeof(evidence));
	assert_int_equal(proto_sign_label(s.eve->seed, PROTO_LABEL_LEAVE, "x", 1, evidence), 0);
	r = (struct proto_removal){0, PROTO_REASON_LEFT, {evidence, sizeof(evidence)}};
	refused(&s, &what, &r, 1, "a removal as 'left' that the member did not sign");
	r = (struct proto_removal){0, PROTO_REASON_REPLACED, {NULL, 0}};
	refused(&s, &what, &r, 1, "a removal as 'replaced' without the replacement");
	cast_revocation(&s.c, s.bob, true, &revocation);
	r = (struct proto_removal){0, PROTO_REASON_REVOKED, span(&revocation)};
	refused(&s, &what, &r, 1, "a revocation of somebody else");
	revocation.data[40] ^= 1;
	refused(&s, &what, &r, 1, "a revocation that the manager did not sign");
	cv_buf_done(&revocation);
	r = (struct proto_removal){1, PROTO_REASON_LOST, {NULL, 0}};
	refused(&s, &what, &r, 1, "a removal whose reason names another leaf");
	refused(&s, &what, NULL, 0, "a removal without a reason");
	scene_done(&s);
}

/* 'left' of an earlier stay, or of another leaf, does not count. */
static void test_left_of_another(void **state)
{
	uint8_t content[PROTO_LEAVE_LEN], evidence[PROTO_SIG_LEN];
	uint32_t ann = 0;
	struct mls_commit what = {.removes = &ann, .n_removes = 1};
	struct proto_removal r;
	struct scene s;

	scene_init(&s, TALK);
	proto_leave_content(s.c.run_id, client_group_member(s.bob->group, 0)->admission_id, 5, content);
	assert_int_equal(proto_sign_label(s.ann->seed, PROTO_LABEL_LEAVE, content, sizeof(content), evidence), 0);
	r = (struct proto_removal){0, PROTO_REASON_LEFT, {evidence, sizeof(evidence)}};
	refused(&s, &what, &r, 1, "a removal as 'left' that the member did not sign");
	scene_done(&s);
}

static void state_refused(struct scene *s, const struct proto_meeting_state *next, const struct proto_removal *r,
			  uint32_t leaf, const char *why)
{
	struct cv_buf required, encoded;
	struct mls_extension ext[2];
	struct mls_commit what = {.set_extensions = true, .extensions = ext, .n_extensions = 2};

	if (r != NULL) {
		what.removes = &leaf;
		what.n_removes = 1;
	}
	cv_buf_init(&required, 256);
	cv_buf_init(&encoded, PROTO_STATE_MAX);
	assert_int_equal(client_state_extensions(next, &required, &encoded, ext), 0);
	refused(s, &what, r, r != NULL, why);
	cv_buf_done(&required);
	cv_buf_done(&encoded);
}

static void test_state(void **state)
{
	static const char why[] = "a change of rights, bans or lock by somebody who does not moderate";
	struct proto_meeting_state next = {0};
	struct scene s;

	scene_init(&s, TALK);
	assert_int_equal(proto_meeting_state_copy(client_group_state(s.bob->group), &next), 0);
	assert_int_equal(proto_meeting_state_set_rights(&next, s.eve->user_id, LEAD), 0);
	state_refused(&s, &next, NULL, 0, why);
	proto_meeting_state_done(&next);
	assert_int_equal(proto_meeting_state_copy(client_group_state(s.bob->group), &next), 0);
	assert_int_equal(proto_meeting_state_ban(&next, s.bob->user_id), 0);
	state_refused(&s, &next, NULL, 0, why);
	proto_meeting_state_done(&next);
	assert_int_equal(proto_meeting_state_copy(client_group_state(s.bob->group), &next), 0);
	next.locked = true;
	state_refused(&s, &next, NULL, 0, why);
	next.locked = false;
	next.switches ^= PROTO_SWITCH_MESSAGES;
	state_refused(&s, &next, NULL, 0, why);
	proto_meeting_state_done(&next);
	scene_done(&s);
}

/* A moderator may do much, but not everything. */
static void test_moderator(void **state)
{
	struct proto_removal r = {0, PROTO_REASON_REMOVED, {NULL, 0}};
	struct proto_meeting_state next = {0};
	uint32_t leaf = 0;
	struct mls_commit what = {.removes = &leaf, .n_removes = 1};
	struct scene s;

	scene_init(&s, LEAD);
	assert_int_equal(proto_meeting_state_copy(client_group_state(s.bob->group), &next), 0);
	next.switches ^= PROTO_SWITCH_MEDIA_256;
	state_refused(&s, &next, NULL, 0, "a change of the media cipher");
	proto_meeting_state_done(&next);
	/* Removing without the ban. */
	refused(&s, &what, &r, 1, "a removal without the ban that belongs to it");
	assert_int_equal(proto_meeting_state_copy(client_group_state(s.bob->group), &next), 0);
	next.creation_grant[20] ^= 1;
	state_refused(&s, &next, NULL, 0, "a change of the creation grant");
	proto_meeting_state_done(&next);
	scene_done(&s);
}

static void test_locked(void **state)
{
	struct client_change change = {.set_lock = true, .lock = true};
	struct scene s;

	scene_init(&s, TALK);
	ann_commits(&s, &change);
	add_refused(&s, cast_person(&s.c, "dan", TALK, NULL), "an addition to a locked meeting");
	scene_done(&s);
}

static void test_proposals(void **state)
{
	struct cv_buf msg;
	struct client_news news;
	struct mls_commit reinit = {.reinit = &(struct mls_reinit){.suite = 1, .group_id = {(const uint8_t *)"x", 1}}};
	struct scene s;

	scene_init(&s, TALK);
	memset(&news, 0, sizeof(news));
	cv_buf_init(&msg, 65536);
	assert_int_equal(mls_group_propose_remove(s.h.mls, 0, (struct cv_span){NULL, 0}, &msg), 0);
	assert_int_equal(client_group_process(s.bob->group, msg.data, msg.len, &news), CV_EDENIED);
	mls_group_clear_proposals(s.h.mls);
	cv_buf_done(&msg);
	refused(&s, &reinit, NULL, 0, "a proposal of type 5");
	scene_done(&s);
}

/* A path must not change who the committer is. */
static void test_path(void **state)
{
	struct mls_commit what = {.force_path = true};
	struct mls_extension ext;
	struct mls_member member;
	struct person *dan;
	struct odd odd = {0};
	struct scene s;

	scene_init(&s, TALK);
	odd.seed = s.eve->seed;
	odd.user_id = s.eve->user_id;
	dan = cast_person(&s.c, "eve", LEAD, &odd);
	/* Another admission with more rights, even a genuine one. */
	client_group_as_member(dan->group, &ext, &member);
	what.member = &member;
	refused(&s, &what, NULL, 0, "a path that changes the admission");
	scene_done(&s);
}

/* Who founds a group for a newcomer to be led into, and the extensions of its context. */
struct founding {
	struct mls_group_options options;
	struct mls_member member;
	struct mls_extension ext, group_ext[2];
};

/* The newcomer refuses a group of this founder, with this id. */
static void founding_refused(struct founding *g, struct person *founder, const uint8_t *group_id,
			     struct mls_commit *what, struct person *newcomer)
{
	struct mls_commit_output out;
	struct mls_group *mls;

	memset(&out, 0, sizeof(out));
	g->options.env = &founder->group->env;
	client_group_as_member(founder->group, &g->ext, &g->member);
	assert_int_equal(
		mls_group_create(&g->options, 1, &g->member, (struct cv_span){group_id, 16}, g->group_ext, 2, &mls), 0);
	assert_int_equal(mls_group_commit(mls, what, &out), 0);
	assert_int_equal(client_group_join(newcomer->group, out.welcome.data, out.welcome.len), CV_EDENIED);
	mls_commit_output_done(&out);
	mls_group_free(mls);
}

/* The relay leads a newcomer into a group of its own making. */
static void test_join(void **state)
{
	struct cast real, fake;
	struct person *ann, *mal, *bob;
	struct founding g = {.options = {.policy = {.leaf = anything}, .lifetime_max = 600}};
	struct mls_commit what = {.n_adds = 1};
	struct proto_meeting_state st = {.creation_grant_len = 3};
	struct cv_buf kp, required, encoded;
	struct cv_span kp_span;
	uint8_t junk[3] = {1, 2, 3};

	cast_init(&real);
	cast_init(&fake);
	ann = cast_person(&real, "ann", LEAD, NULL);
	mal = cast_person(&fake, "mal", LEAD, NULL);
	bob = cast_person(&real, "bob", TALK, NULL);
	cv_buf_init(&required, 256);
	cv_buf_init(&encoded, 4096);
	cv_buf_init(&kp, 65536);
	st.creation_grant = junk;
	assert_int_equal(client_state_extensions(&st, &required, &encoded, g.group_ext), 0);
	assert_int_equal(client_group_key_package(bob->group, &kp), 0);
	kp_span = span(&kp);
	what.adds = &kp_span;
	/* mal's certificates are of another organisation, and there is no grant. */
	founding_refused(&g, mal, real.run_id, &what, bob);
	assert_false(client_group_active(bob->group));
	/* A genuine member, but no grant. */
	founding_refused(&g, ann, real.run_id, &what, bob);
	assert_string_equal(client_group_why(bob->group), "a group whose creator had no grant for this run");
	/* Another group id than the run's. */
	founding_refused(&g, ann, fake.run_id, &what, bob);
	cv_buf_done(&kp);
	cv_buf_done(&required);
	cv_buf_done(&encoded);
	cast_done(&real);
	cast_done(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adds),      cmocka_unit_test(test_adds_identity),
		cmocka_unit_test(test_banned),    cmocka_unit_test(test_removals),
		cmocka_unit_test(test_state),     cmocka_unit_test(test_left_of_another),
		cmocka_unit_test(test_moderator), cmocka_unit_test(test_locked),
		cmocka_unit_test(test_proposals), cmocka_unit_test(test_path),
		cmocka_unit_test(test_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
