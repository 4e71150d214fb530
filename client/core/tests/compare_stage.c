/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <base/alloc.h>
#include <proto/signed.h>

#include "compare_stage.h"
#include "profile_store.h"

#define TALK   7u
#define LEAD   15u
#define SECOND 1000000
#define WIRE   8

/* A message on its way: sealed by its sender. */
struct message {
	struct site *from;
	struct cv_buf sealed;
};

struct cast c;
struct site sites[STAGE_SITES];
static size_t n_sites;
static struct message wire[WIRE];
size_t stage_messages;
int64_t now;

static int on_app(void *ctx, const PB(AppMessage) * msg)
{
	struct site *s = ctx;
	struct cv_buf plain;

	assert_true(stage_messages < WIRE);
	cv_buf_init(&plain, 65536);
	assert_int_equal(proto_app_pack(msg, &plain), 0);
	wire[stage_messages].from = s;
	cv_buf_init(&wire[stage_messages].sealed, 65536);
	assert_int_equal(client_group_seal(s->person->group, plain.data, plain.len, &wire[stage_messages].sealed), 0);
	stage_messages++;
	cv_buf_done(&plain);
	return 0;
}

/* Not Argon2id: what counts here is that it is one per authenticator. */
static void code_for(const uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN], char ret[CLIENT_SECURITY_CODE_LEN])
{
	for (int i = 0; i < 6; i++)
		snprintf(ret + 6 * i, 7, i < 5 ? "%05u " : "%05u",
			 authenticator[2 * i] * 256u + authenticator[2 * i + 1]);
}

static int on_code(void *ctx, uint64_t epoch, const uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN])
{
	struct site *s = ctx;
	char code[CLIENT_SECURITY_CODE_LEN];

	s->asked++;
	if (s->no_code)
		return CV_ENOMEM;
	code_for(authenticator, code);
	if (!s->hold)
		client_compare_code(s->compare, epoch, code, now);
	return 0;
}

static void on_event(void *ctx, const struct client_compare_event *e)
{
	struct site *s = ctx;

	s->last = e->state;
	s->epoch = e->epoch;
	s->mine = e->mine;
	s->members = e->n_members;
	s->marked = e->marked;
	s->unmarked = e->unmarked;
	s->frozen += e->state == CLIENT_COMPARE_FROZEN;
	s->ended += e->state == CLIENT_COMPARE_ENDED;
	snprintf(s->by, sizeof(s->by), "%s", e->by->name);
	snprintf(s->code, sizeof(s->code), "%s", e->code != NULL ? e->code : "");
	snprintf(s->text, sizeof(s->text), "%s", e->text != NULL ? e->text : "");
}

/* What client_meeting does when an epoch begins. */
static void begin_epoch(struct site *s)
{
	struct client_group *g = s->person->group;

	client_compare_epoch(s->compare, now);
	for (uint32_t leaf = 0; leaf < STAGE_SITES; leaf++) {
		const struct client_member *m = client_group_member(g, leaf);
		enum client_contact_news news;
		struct client_who who;

		if (m == NULL) {
			client_compare_gone(s->compare, leaf);
		} else if (leaf != client_group_leaf(g)) {
			who = client_who_of(m);
			assert_int_equal(client_profile_meet(s->profile, &who, &news), 0);
			client_compare_member(s->compare, leaf);
		}
	}
}

void stage_begin(void)
{
	for (size_t i = 0; i < n_sites; i++) {
		if (sites[i].person->in)
			begin_epoch(&sites[i]);
	}
}

struct site *stage_add(const char *name, const struct odd *odd)
{
	struct site *s = &sites[n_sites++];
	const struct client_compare_callbacks cb = {on_app, on_code, on_event, s};

	memset(s, 0, sizeof(*s));
	s->person = cast_person(&c, name, n_sites == 1 ? LEAD : TALK, odd);
	s->profile = cv_calloc(1, sizeof(*s->profile));
	assert_non_null(s->profile);
	memcpy(s->profile->user_id, s->person->user_id, CLIENT_ID_LEN);
	proto_sha256(s->person->key, 32, s->profile->device_hash);
	assert_int_equal(client_compare_new(s->person->group, s->profile, cv_rng_system(), &cb, &s->compare), 0);
	s->last = STAGE_NOTHING;
	if (n_sites == 1)
		cast_create(&c, s->person);
	else
		cast_admit(&c, sites[0].person, s->person);
	stage_begin();
	return s;
}

int stage_setup_one(void **state)
{
	n_sites = stage_messages = 0;
	now = 1000 * SECOND;
	cast_init(&c);
	stage_add("ann", NULL);
	return 0;
}

int stage_setup(void **state)
{
	stage_setup_one(state);
	stage_add("bob", NULL);
	stage_add("cem", NULL);
	assert_int_equal(client_compare_start(sites[2].compare, now), CV_EAGAIN);
	now += CLIENT_COMPARE_GAP_US;
	return 0;
}

int stage_teardown(void **state)
{
	for (size_t i = 0; i < n_sites; i++) {
		client_compare_free(sites[i].compare);
		client_profile_free(sites[i].profile);
	}
	for (size_t i = 0; i < stage_messages; i++)
		cv_buf_done(&wire[i].sealed);
	cast_done(&c);
	return 0;
}

void stage_next_epoch(struct site *by)
{
	assert_int_equal(cast_commit(&c, by->person, &(struct client_change){.n_candidates = 0}), 0);
	stage_begin();
}

/* Message `i` reaches a member; what it cannot open is none. */
int stage_deliver_to(size_t i, struct site *to)
{
	struct client_news news = {0};
	PB(AppMessage) *app = NULL;
	int r = client_group_process(to->person->group, wire[i].sealed.data, wire[i].sealed.len, &news);

	if (r != 0)
		return r;
	assert_int_equal(news.kind, CLIENT_NEWS_MESSAGE);
	assert_int_equal(proto_app_unpack(news.plaintext.data, news.plaintext.len, &app), 0);
	client_compare_app(to->compare, news.sender, news.epoch, app, now);
	proto_app_free(app);
	client_news_done(&news);
	return 0;
}

void stage_deliver(void)
{
	for (size_t i = 0; i < stage_messages; i++) {
		for (size_t k = 0; k < n_sites; k++) {
			if (&sites[k] != wire[i].from && sites[k].person->in)
				assert_int_equal(stage_deliver_to(i, &sites[k]), 0);
		}
		cv_buf_done(&wire[i].sealed);
	}
	stage_messages = 0;
}

/* A message as a hostile member may make it up. */
void stage_forged(struct site *to, uint32_t sender, uint64_t sealed_in, uint64_t epoch, uint8_t id)
{
	PB(AppMessage) msg = PB_INIT(APP_MESSAGE);
	PB(CodeCompare) compare = PB_INIT(CODE_COMPARE);
	uint8_t raw[CLIENT_ID_LEN];

	memset(raw, id, sizeof(raw));
	compare.comparison_id = (ProtobufCBinaryData){sizeof(raw), raw};
	compare.epoch = epoch;
	msg.body_case = PB_APP(CODE_COMPARE);
	msg.code_compare = &compare;
	client_compare_app(to->compare, sender, sealed_in, &msg, now);
}

enum client_standing stage_standing(const struct site *of, const struct site *who)
{
	const struct client_group *g = who->person->group;
	const struct client_member *m = client_group_member(g, client_group_leaf(g));
	struct client_who w = client_who_of(m);

	return client_profile_standing(of->profile, &w);
}

size_t stage_verified(const struct site *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->profile->contact_count; i++) {
		for (size_t k = 0; k < s->profile->contacts[i].devices; k++)
			n += (s->profile->contacts[i].device_flags[k] & CLIENT_DEVICE_VERIFIED) != 0;
	}
	return n;
}

uint64_t stage_epoch(const struct site *s)
{
	return client_group_epoch(s->person->group);
}

uint32_t stage_leaf(const struct site *s)
{
	return client_group_leaf(s->person->group);
}
