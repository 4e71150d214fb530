/* SPDX-License-Identifier: Apache-2.0 */
/* Media between members of a real group: epochs change under way, rights are kept, foreign ciphertext opens nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <client/media.h>
#include <sframe/sframe.h>

#include "cast.h"

#define TALK     7u
#define WIRE_MAX 600

struct wire {
	struct cv_buf msgs[WIRE_MAX];
	size_t n;
};

struct ear {
	uint32_t units, last_leaf;
	uint8_t last_byte;
	size_t last_len;
	uint64_t last_capture;
	uint32_t warned; /* of damage */
};

static struct wire wire;

static int on_send(void *ctx, const struct client_fragment *f)
{
	struct cv_buf *b = &wire.msgs[wire.n];

	assert_true(wire.n < WIRE_MAX);
	cv_buf_init(b, 8192);
	assert_int_equal(cv_buf_put(b, f->head.data, f->head.len), 0);
	assert_int_equal(cv_buf_put(b, f->payload.data, f->payload.len), 0);
	wire.n++;
	return 0;
}

static void on_unit(void *ctx, const struct client_unit *u)
{
	struct ear *e = ctx;

	e->units++;
	e->last_leaf = u->leaf;
	e->last_len = u->data.len;
	e->last_byte = u->data.data[u->data.len - 1];
	e->last_capture = u->capture_us;
}

static void on_damaged(void *ctx, uint32_t leaf)
{
	struct ear *e = ctx;

	e->warned++;
	e->last_leaf = leaf;
}

static void wire_clear(void)
{
	for (size_t i = 0; i < wire.n; i++)
		cv_buf_done(&wire.msgs[i]);
	wire.n = 0;
}

static void epoch(struct person *p, struct client_media *m, int64_t now)
{
	struct client_base_key key;

	assert_int_equal(client_group_base_key(p->group, &key), 0);
	assert_int_equal(client_media_epoch(m, client_group_epoch(p->group), client_group_leaf(p->group), &key, now),
			 0);
}

static struct client_media *media_of(struct person *p, struct ear *ear, int64_t now)
{
	struct client_media_callbacks cb = {on_send, on_unit, on_damaged, ear};
	struct client_media *m;

	assert_int_equal(client_media_new(p->group, &cb, &m), 0);
	epoch(p, m, now);
	return m;
}

static void say(struct client_media *m, uint8_t stream, uint32_t frame, size_t len)
{
	static uint8_t data[300000];
	struct proto_media_header h = {.stream = stream, .frame = frame};

	memset(data, (int)frame, len);
	assert_int_equal(client_media_send(m, &h, 1000 + frame, (struct cv_span){data, len}), 0);
}

static void hear(struct client_media *m, int64_t now)
{
	for (size_t i = 0; i < wire.n; i++)
		(void)!client_media_receive(m, wire.msgs[i].data, wire.msgs[i].len, now);
}

struct two {
	struct cast c;
	struct person *ann, *bob;
	struct ear ear_a, ear_b;
	struct client_media *a, *b;
};

static void two_init_with(struct two *t, uint8_t rights, uint8_t more_switches)
{
	memset(t, 0, sizeof(*t));
	cast_init(&t->c);
	t->c.more_switches = more_switches;
	t->ann = cast_person(&t->c, "ann", rights, NULL);
	t->bob = cast_person(&t->c, "bob", TALK, NULL);
	cast_create(&t->c, t->ann);
	cast_admit(&t->c, t->ann, t->bob);
	t->a = media_of(t->ann, &t->ear_a, 0);
	t->b = media_of(t->bob, &t->ear_b, 0);
}

static void two_init(struct two *t, uint8_t rights)
{
	two_init_with(t, rights, 0);
}

static void two_done(struct two *t)
{
	wire_clear();
	client_media_free(t->a);
	client_media_free(t->b);
	cast_done(&t->c);
}

static void test_there_and_back(void **state)
{
	struct two t;

	two_init(&t, TALK);
	say(t.a, PROTO_STREAM_VOICE, 1, 100);
	assert_int_equal(wire.n, 1);
	hear(t.b, 0);
	assert_int_equal(t.ear_b.units, 1);
	assert_int_equal(t.ear_b.last_leaf, 0);
	assert_int_equal(t.ear_b.last_len, 100);
	assert_int_equal(t.ear_b.last_byte, 1);
	assert_int_equal(t.ear_b.last_capture, 1001);
	/* The same again is a replay. */
	hear(t.b, 0);
	assert_int_equal(t.ear_b.units, 1);
	wire_clear();
	say(t.a, PROTO_STREAM_CAMERA, 2, 200000);
	assert_true(wire.n > 40);
	hear(t.b, 0);
	assert_int_equal(t.ear_b.units, 2);
	assert_int_equal(t.ear_b.last_len, 200000);
	two_done(&t);
}

/* The organisation's choice of cipher, which all members of a run take from meeting_state. */
static void test_suites(void **state)
{
	static const uint8_t switches[] = {0, PROTO_SWITCH_MEDIA_256};
	static const uint16_t suites[] = {SFRAME_AES_128_GCM_SHA256_128, SFRAME_AES_256_GCM_SHA512_128};

	for (size_t i = 0; i < 2; i++) {
		struct client_base_key a, b;
		struct two t;

		two_init_with(&t, TALK, switches[i]);
		assert_int_equal(client_group_base_key(t.ann->group, &a), 0);
		assert_int_equal(client_group_base_key(t.bob->group, &b), 0);
		assert_int_equal(a.suite, suites[i]);
		assert_int_equal(a.len, sframe_suite_key_len(suites[i]));
		assert_int_equal(b.suite, a.suite);
		assert_int_equal(b.len, a.len);
		assert_memory_equal(a.bytes, b.bytes, a.len);
		say(t.a, PROTO_STREAM_VOICE, 1, 100);
		hear(t.b, 0);
		wire_clear();
		say(t.b, PROTO_STREAM_CAMERA, 2, 5000);
		hear(t.a, 0);
		assert_int_equal(t.ear_a.units, 1);
		assert_int_equal(t.ear_b.units, 1);
		/* No epoch has another suite than the first. */
		a.suite = suites[1 - i];
		assert_int_equal(client_media_epoch(t.a, 1000, 0, &a, 0), CV_EINVAL);
		two_done(&t);
	}
}

/* Voice sizes must not tell what is spoken. */
static void test_voice_sizes(void **state)
{
	struct two t;

	two_init(&t, TALK);
	say(t.a, PROTO_STREAM_VOICE, 1, 100);
	say(t.a, PROTO_STREAM_VOICE, 2, 93);
	assert_int_equal(wire.msgs[0].len, wire.msgs[1].len);
	hear(t.b, 0);
	assert_int_equal(t.ear_b.last_len, 93);
	two_done(&t);
}

/* Bytes of the wire: 11 of the fragment, 8 of the media header, then ciphertext. */
static void test_damaged(void **state)
{
	struct client_media_stats stats;
	struct two t;

	two_init(&t, TALK);
	for (uint32_t i = 1; i <= 7; i++)
		say(t.a, PROTO_STREAM_VOICE, i, 100);
	wire.msgs[0].data[wire.msgs[0].len - 1] ^= 1; /* the tag */
	wire.msgs[1].len -= 5;                        /* cut off */
	wire.msgs[2].data[15] ^= 1;                   /* the frame number in the clear header */
	wire.msgs[3].data[3] = wire.msgs[3].data[11] = PROTO_STREAM_CAMERA;
	wire.msgs[4].data[2] = 5; /* under a leaf that nobody has */
	wire.msgs[5].data[10] = 0x80;
	hear(t.b, 0);
	client_media_stats(t.b, &stats);
	assert_int_equal(t.ear_b.units, 1);
	assert_int_equal(stats.damaged, 6);
	assert_int_equal(stats.unopened, 6);
	assert_int_equal(stats.received, 1);
	/* Said once, and again when the leaf has another stay. */
	assert_int_equal(t.ear_b.warned, 1);
	client_media_forget(t.b, 0);
	hear(t.b, 0);
	assert_int_equal(t.ear_b.warned, 2);
	client_media_stats(t.b, &stats);
	/* All seven this time: the seventh is a replay. */
	assert_int_equal(stats.damaged, 13);
	assert_int_equal(t.ear_b.units, 1);
	two_done(&t);
}

static void test_epochs(void **state)
{
	struct client_change path = {.n_candidates = 0};
	struct client_media_stats stats;
	struct two t;

	two_init(&t, TALK);
	/* ann is ahead: bob holds her unit until he has the epoch. */
	assert_int_equal(cast_commit(&t.c, t.ann, &path), 0);
	epoch(t.ann, t.a, 1000);
	say(t.a, PROTO_STREAM_VOICE, 5, 50);
	hear(t.b, 1000);
	assert_int_equal(t.ear_b.units, 0);
	epoch(t.bob, t.b, 2000);
	assert_int_equal(t.ear_b.units, 1);
	wire_clear();
	/* bob is ahead, ann's old key still opens for a moment, then no more. */
	say(t.a, PROTO_STREAM_VOICE, 6, 50);
	say(t.a, PROTO_STREAM_VOICE, 7, 50);
	assert_int_equal(cast_commit(&t.c, t.bob, &path), 0);
	epoch(t.bob, t.b, 3000);
	assert_int_equal(client_media_receive(t.b, wire.msgs[0].data, wire.msgs[0].len, 3000), 0);
	assert_int_equal(t.ear_b.units, 2);
	client_media_tick(t.b, 3000 + CLIENT_MEDIA_KEY_OVERLAP_US);
	assert_int_not_equal(client_media_receive(t.b, wire.msgs[1].data, wire.msgs[1].len, 3000), 0);
	assert_int_equal(t.ear_b.units, 2);
	/* What waits for too long is forgotten. */
	wire_clear();
	assert_int_equal(cast_commit(&t.c, t.ann, &path), 0);
	epoch(t.ann, t.a, 4000);
	epoch(t.bob, t.b, 4000);
	assert_int_equal(cast_commit(&t.c, t.ann, &path), 0);
	epoch(t.ann, t.a, 5000);
	say(t.a, PROTO_STREAM_VOICE, 8, 50);
	hear(t.b, 5000);
	client_media_tick(t.b, 5001 + CLIENT_MEDIA_HELD_US);
	epoch(t.bob, t.b, 5002 + CLIENT_MEDIA_HELD_US);
	assert_int_equal(t.ear_b.units, 2);
	client_media_stats(t.b, &stats);
	assert_int_equal(stats.held_expired, 1);
	two_done(&t);
}

/* Units of epochs to come cannot fill the memory. */
static void test_hold_is_bounded(void **state)
{
	struct client_change path = {.n_candidates = 0};
	struct two t;

	two_init(&t, TALK);
	assert_int_equal(cast_commit(&t.c, t.ann, &path), 0);
	epoch(t.ann, t.a, 0);
	for (uint32_t i = 0; i < CLIENT_MEDIA_HELD_MAX + 100; i++)
		say(t.a, PROTO_STREAM_VOICE, i, 60);
	hear(t.b, 0);
	epoch(t.bob, t.b, 1);
	assert_int_equal(t.ear_b.units, CLIENT_MEDIA_HELD_MAX);
	two_done(&t);
}

/* A relay that lets a stream without the right pass gains nothing. */
static void test_rights(void **state)
{
	struct client_media_stats stats;
	struct two t;

	two_init(&t, PROTO_RIGHT_CAMERA);
	say(t.a, PROTO_STREAM_VOICE, 1, 50);
	say(t.a, PROTO_STREAM_SCREEN, 1, 50);
	hear(t.b, 0);
	assert_int_equal(t.ear_b.units, 0);
	client_media_stats(t.b, &stats);
	assert_int_equal(stats.without_right, 2);
	wire_clear();
	say(t.a, PROTO_STREAM_CAMERA, 1, 50);
	hear(t.b, 0);
	assert_int_equal(t.ear_b.units, 1);
	two_done(&t);
}

/* Another leaf's name on the fragment, a changed header, flipped bits. */
static void test_forged(void **state)
{
	struct two t;

	two_init(&t, TALK);
	say(t.a, PROTO_STREAM_VOICE, 1, 50);
	for (size_t i = 1; i < wire.msgs[0].len; i++) {
		/* The number of the unit alone (bytes 4 to 7) is of no consequence. */
		if (i >= 4 && i < 8)
			continue;
		wire.msgs[0].data[i] ^= 1;
		(void)!client_media_receive(t.b, wire.msgs[0].data, wire.msgs[0].len, 0);
		wire.msgs[0].data[i] ^= 1;
		assert_int_equal(t.ear_b.units, 0);
	}
	two_done(&t);
}

/* Who was removed opens nothing that comes after, a newcomer nothing from before; who stays opens all. */
static void test_before_and_after(void **state)
{
	struct client_change change = {.n_ban = 1};
	struct ear ear_c = {0};
	struct client_media *cm;
	struct person *cem;
	struct two t;

	two_init(&t, 15);
	say(t.a, PROTO_STREAM_VOICE, 1, 50);
	cem = cast_person(&t.c, "cem", TALK, NULL);
	cast_admit(&t.c, t.ann, cem);
	cm = media_of(cem, &ear_c, 0);
	hear(cm, 0);
	hear(t.b, 0);
	assert_int_equal(ear_c.units, 0);
	assert_int_equal(t.ear_b.units, 1);
	wire_clear();
	epoch(t.ann, t.a, 1);
	epoch(t.bob, t.b, 1);
	change.ban = (const uint8_t(*)[16])t.bob->user_id;
	assert_int_equal(cast_commit(&t.c, t.ann, &change), 0);
	epoch(t.ann, t.a, 2);
	epoch(cem, cm, 2);
	say(t.a, PROTO_STREAM_VOICE, 2, 50);
	hear(cm, 2);
	hear(t.b, 2);
	assert_int_equal(ear_c.units, 1);
	assert_int_equal(t.ear_b.units, 1);
	client_media_free(cm);
	two_done(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suites),           cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_voice_sizes),      cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_epochs),           cmocka_unit_test(test_hold_is_bounded),
		cmocka_unit_test(test_rights),           cmocka_unit_test(test_forged),
		cmocka_unit_test(test_before_and_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
