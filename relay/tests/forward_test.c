/* SPDX-License-Identifier: Apache-2.0 */
/* Media, subscriptions, rights, files. */
#include <base/log.h>

#include "../forward/forward.h"
#include "fixture.h"

#define CAMERA PROTO_STREAM_CAMERA
#define VOICE  PROTO_STREAM_VOICE
#define KEY    PROTO_MEDIA_KEY
#define SYNC   PROTO_MEDIA_LAYER_SYNC

static struct world w;
static struct client a, b, c;

static int setup(void **state)
{
	world_init(&w);
	client_init(&a, 1);
	client_init(&b, 2);
	client_init(&c, 3);
	client_create(&w, &a, 15);
	client_join(&w, &a, &b, 1, 0, 0);
	client_join(&w, &a, &c, 2, 1, 0);
	world_pass(&w, 40);
	forget(&a);
	forget(&b);
	forget(&c);
	return 0;
}

static int teardown(void **state)
{
	client_done(&a);
	client_done(&b);
	client_done(&c);
	world_done(&w);
	return 0;
}

static void publish(struct client *who, uint32_t stream, bool active, uint32_t layers)
{
	struct PB(Publish) p = PB_INIT(PUBLISH);
	struct PB(Control) m = PB_INIT(CONTROL);

	p.stream = stream;
	p.active = active;
	p.spatial_layers = layers;
	m.body_case = PB_CONTROL(PUBLISH);
	m.publish = &p;
	client_send(who, &m);
}

/* One subscription, or none with spatial < 0. */
static void subscribe(struct client *who, uint32_t leaf, uint32_t stream, int spatial, uint32_t temporal)
{
	struct PB(Subscription) s = PB_INIT(SUBSCRIPTION), *list[] = {&s};
	struct PB(Subscribe) sub = PB_INIT(SUBSCRIBE);
	struct PB(Control) m = PB_INIT(CONTROL);

	s.leaf = leaf;
	s.stream = stream;
	s.max_spatial = spatial < 0 ? 0 : (uint32_t)spatial;
	s.max_temporal = temporal;
	sub.n_subscriptions = spatial >= 0;
	sub.subscriptions = list;
	m.body_case = PB_CONTROL(SUBSCRIBE);
	m.subscribe = &sub;
	client_send(who, &m);
}

static void test_voice_to_all(void **state)
{
	client_media(&a, 0, VOICE, 0, 0, 0, 0);
	assert_int_equal(b.n_in, 1);
	assert_int_equal(b.cls[0], NET_CLASS_AUDIO);
	assert_int_equal(take_kind(&c, PROTO_KIND_MEDIA), 1);
	assert_int_equal(take_kind(&a, PROTO_KIND_MEDIA), 0);
}

static void test_forged_media(void **state)
{
	struct relay_counts counts;
	uint8_t raw[64] = {PROTO_KIND_MEDIA, 0, 1, VOICE, 0, 0, 0, 0, 0, 0, 3, VOICE};

	/* another leaf in the fragment */
	client_media(&b, 0, VOICE, 0, 0, 0, 0);
	/* own leaf in the fragment, another in the KID: leaf 0x0001 said, 0x0000 sealed */
	raw[19] = 0xb1;
	raw[20] = VOICE;
	raw[22] = 0;
	client_send_raw(&b, raw, sizeof(raw));
	/* another stream in the KID */
	raw[20] = CAMERA;
	raw[22] = 1;
	client_send_raw(&b, raw, sizeof(raw));
	relay_get_counts(w.relay, &counts);
	assert_int_equal(counts.media_dropped, 3);
	assert_int_equal(take_kind(&a, PROTO_KIND_MEDIA), 0);
	assert_int_equal(take_kind(&c, PROTO_KIND_MEDIA), 0);
	raw[20] = VOICE;
	client_send_raw(&b, raw, sizeof(raw));
	assert_int_equal(take_kind(&a, PROTO_KIND_MEDIA), 1);
	/* what is no fragment at all ends the connection */
	client_send_raw(&b, raw, 12);
	assert_int_equal(refused(&b), PB_REFUSED(MALFORMED));
}

static void test_subscription_layers(void **state)
{
	publish(&a, CAMERA, true, 3);
	assert_true(got(&b, PB_CONTROL(STREAM_STATE)));
	subscribe(&b, 0, CAMERA, 1, 2);
	assert_true(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
	/* nothing before a key frame */
	client_media(&a, 0, CAMERA, 0, 1, 0x00, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 0);
	client_media(&a, 0, CAMERA, 1, 2, 0x00, KEY);
	client_media(&a, 0, CAMERA, 2, 2, 0x10, 0);
	client_media(&a, 0, CAMERA, 3, 2, 0x20, 0);
	assert_int_equal(b.cls[0], NET_CLASS_BASE);
	assert_int_equal(b.cls[1], NET_CLASS_UPPER);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 2);
	/* not subscribed, nothing */
	assert_int_equal(take_kind(&c, PROTO_KIND_MEDIA), 0);
	/* up: only from a layer sync on, and the sender is asked for one */
	w.now_us += KEY_INTERVAL_US;
	subscribe(&b, 0, CAMERA, 2, 0);
	assert_true(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
	client_media(&a, 0, CAMERA, 4, 3, 0x20, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 0);
	client_media(&a, 0, CAMERA, 5, 4, 0x20, SYNC);
	client_media(&a, 0, CAMERA, 6, 5, 0x20, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 2);
	/* temporal layers above the subscribed one */
	client_media(&a, 0, CAMERA, 7, 6, 0x01, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 0);
	subscribe(&b, 0, CAMERA, -1, 0);
	client_media(&a, 0, CAMERA, 8, 7, 0x00, KEY);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 0);
}

/* The key frame that was asked for is lost before it reaches the relay: asked again, until it comes. */
static void test_lost_key_frame(void **state)
{
	publish(&a, CAMERA, true, 2);
	subscribe(&b, 0, CAMERA, 4, 2); /* more layers than there are */
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
		forget(&a);
		client_media(&a, 0, CAMERA, i, i, 0x00, 0);
		world_pass(&w, 1100);
	}
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 0);
	client_media(&a, 0, CAMERA, 3, 3, 0x00, KEY);
	client_media(&a, 0, CAMERA, 4, 3, 0x10, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 2);
	forget(&a);
	world_pass(&w, 5000);
	assert_false(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
}

static void test_dropped_unit(void **state)
{
	publish(&a, CAMERA, true, 2);
	subscribe(&b, 0, CAMERA, 1, 2);
	client_media(&a, 0, CAMERA, 0, 0, 0x00, KEY);
	client_media(&a, 0, CAMERA, 1, 0, 0x10, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 2);
	forget(&a);
	/* an upper layer is lost: the lower one goes on, the upper waits for a sync, which is asked for later */
	relay_conn_dropped(b.conn, (uint64_t)CAMERA << 40 | (uint64_t)0x10 << 32 | 1);
	client_media(&a, 0, CAMERA, 2, 1, 0x00, 0);
	client_media(&a, 0, CAMERA, 3, 1, 0x10, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 1);
	world_pass(&w, 1100);
	assert_true(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
	client_media(&a, 0, CAMERA, 4, 2, 0x10, SYNC);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 1);
	/* a lost temporal layer holds those above it until the next lowest one */
	relay_conn_dropped(b.conn, (uint64_t)CAMERA << 40 | (uint64_t)0x01 << 32 | 5);
	client_media(&a, 0, CAMERA, 6, 3, 0x02, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 0);
	client_media(&a, 0, CAMERA, 7, 4, 0x00, 0);
	client_media(&a, 0, CAMERA, 8, 5, 0x02, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 2);
	/* the transport refuses a unit of the base layer: everything waits for a key frame */
	b.send_error = CV_ELIMIT;
	b.error_class = NET_CLASS_BASE;
	client_media(&a, 0, CAMERA, 9, 6, 0x00, 0);
	b.send_error = 0;
	client_media(&a, 0, CAMERA, 10, 6, 0x10, 0);
	client_media(&a, 0, CAMERA, 11, 7, 0x00, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 0);
	world_pass(&w, 400);
	assert_true(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
	client_media(&a, 0, CAMERA, 12, 8, 0x00, KEY);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 1);
}

static void test_wanted(void **state)
{
	struct PB(Control) * m;

	publish(&a, CAMERA, true, 3);
	world_pass(&w, 20);
	m = take_control(&a, PB_CONTROL(WANTED));
	assert_non_null(m);
	assert_false(m->wanted->wanted);
	proto_control_free(m);
	subscribe(&b, 0, CAMERA, 1, 2);
	subscribe(&c, 0, CAMERA, 9, 2);
	world_pass(&w, 20);
	m = take_control(&a, PB_CONTROL(WANTED));
	assert_non_null(m);
	assert_true(m->wanted->wanted);
	/* no more than the sender has */
	assert_int_equal(m->wanted->max_spatial, 2);
	proto_control_free(m);
	client_drop(&c);
	world_pass(&w, 20);
	m = take_control(&a, PB_CONTROL(WANTED));
	assert_non_null(m);
	assert_int_equal(m->wanted->max_spatial, 1);
	proto_control_free(m);
}

static void test_key_requests_limited(void **state)
{
	struct PB(KeyFrameRequest) k = PB_INIT(KEY_FRAME_REQUEST);
	struct PB(Control) m = PB_INIT(CONTROL);

	publish(&a, CAMERA, true, 1);
	subscribe(&b, 0, CAMERA, 0, 2);
	assert_true(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
	k.leaf = 0;
	k.stream = CAMERA;
	m.body_case = PB_CONTROL(KEY_FRAME_REQUEST);
	m.key_frame_request = &k;
	for (int i = 0; i < 10; i++)
		client_send(&b, &m);
	assert_false(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
	world_pass(&w, 320);
	assert_true(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
	assert_false(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
	/* only from who receives the stream */
	world_pass(&w, 400);
	client_send(&c, &m);
	assert_false(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
}

/* Somebody subscribes while the sender is away: its return brings the key frame. */
static void test_key_after_return(void **state)
{
	publish(&a, CAMERA, true, 1);
	client_drop(&a);
	subscribe(&b, 0, CAMERA, 0, 2);
	world_pass(&w, 400);
	forget(&a);
	a.last_seq = 2;
	client_open(&w, &a);
	client_enter(&w, &a, &(struct enter_opts){.resume = true, .epoch = 2, .rights = 15});
	publish(&a, CAMERA, true, 1);
	world_pass(&w, 20);
	assert_true(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
	forget(&b);
	client_media(&a, 0, CAMERA, 1, 10, 0, PROTO_MEDIA_KEY | PROTO_MEDIA_PICTURE_END);
	assert_int_equal(take_kind(&b, PROTO_KIND_MEDIA), 1);
	/* who has all has no need of another */
	world_pass(&w, 400);
	publish(&a, CAMERA, true, 1);
	world_pass(&w, 400);
	assert_false(got(&a, PB_CONTROL(KEY_FRAME_REQUEST)));
}

static void set_rights(struct client *by, const struct client *of, uint32_t rights)
{
	struct PB(SetRights) s = PB_INIT(SET_RIGHTS);
	struct PB(Control) m = PB_INIT(CONTROL);

	s.user_id = (ProtobufCBinaryData){PROTO_ID_LEN, (uint8_t *)of->user_id};
	s.rights = rights;
	m.body_case = PB_CONTROL(SET_RIGHTS);
	m.set_rights = &s;
	client_send(by, &m);
}

static void test_rights(void **state)
{
	struct PB(Control) * m;

	publish(&b, VOICE, true, 1);
	assert_true(got(&a, PB_CONTROL(STREAM_STATE)));
	client_media(&b, 1, VOICE, 0, 0, 0, 0);
	assert_int_equal(take_kind(&a, PROTO_KIND_MEDIA), 1);
	set_rights(&a, &b, PROTO_RIGHT_CAMERA);
	m = take_control(&a, PB_CONTROL(STREAM_STATE));
	assert_non_null(m);
	assert_false(m->stream_state->active);
	proto_control_free(m);
	client_media(&b, 1, VOICE, 1, 1, 0, 0);
	assert_int_equal(take_kind(&a, PROTO_KIND_MEDIA), 0);
	/* a stream that is published before the right arrives begins with it, one that was given up does not */
	publish(&b, VOICE, true, 1);
	assert_false(got(&a, PB_CONTROL(STREAM_STATE)));
	set_rights(&a, &b, PROTO_RIGHT_CAMERA | PROTO_RIGHT_MICROPHONE);
	assert_true(got(&a, PB_CONTROL(STREAM_STATE)));
	set_rights(&a, &b, PROTO_RIGHT_CAMERA);
	assert_true(got(&a, PB_CONTROL(STREAM_STATE)));
	publish(&b, VOICE, false, 0);
	set_rights(&a, &b, PROTO_RIGHT_CAMERA | PROTO_RIGHT_MICROPHONE);
	assert_false(got(&a, PB_CONTROL(STREAM_STATE)));
	set_rights(&a, &b, PROTO_RIGHT_CAMERA);
	/* they hold when the user enters again with a ticket that says more */
	client_drop(&b);
	world_pass(&w, 20100);
	client_commit(&w, &a, &(struct commit){.epoch = 2, .removals = {{1, PROTO_REASON_LOST, {0}}}, .n_removals = 1});
	assert_true(got(&a, PB_CONTROL(COMMIT_ACCEPTED)));
	client_join(&w, &a, &b, 1, 3, 15);
	client_media(&b, 1, VOICE, 2, 2, 0, 0);
	assert_int_equal(take_kind(&a, PROTO_KIND_MEDIA), 0);
	/* nobody gives rights without moderation */
	set_rights(&c, &c, 15);
	assert_int_equal(refused(&c), PB_REFUSED(DENIED));
}

/* ---- files */

static const uint8_t transfer[PROTO_ID_LEN] = {7};

static void file_control(struct client *who, int body_case, uint32_t next, uint64_t size)
{
	const ProtobufCBinaryData id = {PROTO_ID_LEN, (uint8_t *)transfer};
	struct PB(FileOpen) open = PB_INIT(FILE_OPEN);
	struct PB(FileJoin) join = PB_INIT(FILE_JOIN);
	struct PB(FileStop) stop = PB_INIT(FILE_STOP);
	struct PB(FileCredit) credit = PB_INIT(FILE_CREDIT);
	struct PB(Control) m = PB_INIT(CONTROL);

	open.transfer_id = join.transfer_id = stop.transfer_id = credit.transfer_id = id;
	open.size = size;
	open.chunk_size = PROTO_FILE_CHUNK;
	join.next_chunk = credit.next_chunk = next;
	m.body_case = (typeof(m.body_case))body_case;
	switch (body_case) {
	case PB_CONTROL(FILE_OPEN): m.file_open = &open; break;
	case PB_CONTROL(FILE_JOIN): m.file_join = &join; break;
	case PB_CONTROL(FILE_STOP): m.file_stop = &stop; break;
	default: m.file_credit = &credit;
	}
	client_send(who, &m);
}

static void chunk(struct client *who, uint32_t index)
{
	uint8_t text[40] = {0};
	struct proto_file_chunk k = {.index = index, .ciphertext = {text, sizeof(text)}};
	struct cv_buf buf;

	memcpy(k.transfer_id, transfer, sizeof(transfer));
	cv_buf_init(&buf, 1024);
	assert_int_equal(proto_file_chunk_put(&k, &buf), 0);
	client_send_raw(who, buf.data, buf.len);
	cv_buf_done(&buf);
}

static void test_file_only_to_acceptors(void **state)
{
	struct PB(Control) * m;

	file_control(&a, PB_CONTROL(FILE_OPEN), 0, 1000 * PROTO_FILE_CHUNK);
	file_control(&b, PB_CONTROL(FILE_JOIN), 0, 0);
	m = take_control(&a, PB_CONTROL(FILE_CREDIT));
	assert_non_null(m);
	assert_int_equal(m->file_credit->leaf, 1);
	proto_control_free(m);
	chunk(&a, 0);
	assert_int_equal(b.n_in, 1);
	assert_int_equal(b.cls[0], NET_CLASS_FILE);
	assert_int_equal(take_kind(&b, PROTO_KIND_FILE), 1);
	assert_int_equal(take_kind(&c, PROTO_KIND_FILE), 0);
	/* the window bounds what is queued for an acceptor */
	chunk(&a, PROTO_FILE_WINDOW + PROTO_FILE_CREDIT_STEP);
	assert_int_equal(take_kind(&b, PROTO_KIND_FILE), 0);
	file_control(&b, PB_CONTROL(FILE_CREDIT), 100, 0);
	assert_true(got(&a, PB_CONTROL(FILE_CREDIT)));
	chunk(&a, PROTO_FILE_WINDOW + PROTO_FILE_CREDIT_STEP);
	chunk(&a, 50); /* it has that one */
	assert_int_equal(take_kind(&b, PROTO_KIND_FILE), 1);
	/* only the offerer's chunks, only of the file's length */
	chunk(&c, 101);
	chunk(&a, 1000);
	assert_int_equal(take_kind(&b, PROTO_KIND_FILE), 0);
	file_control(&a, PB_CONTROL(FILE_STOP), 0, 0);
	assert_true(got(&b, PB_CONTROL(FILE_STOP)));
	chunk(&a, 101);
	assert_int_equal(take_kind(&b, PROTO_KIND_FILE), 0);
}

static void test_file_acceptor_stops(void **state)
{
	file_control(&a, PB_CONTROL(FILE_OPEN), 0, 100000);
	file_control(&b, PB_CONTROL(FILE_JOIN), 0, 0);
	file_control(&c, PB_CONTROL(FILE_JOIN), 0, 0);
	file_control(&b, PB_CONTROL(FILE_STOP), 0, 0);
	chunk(&a, 0);
	assert_int_equal(take_kind(&b, PROTO_KIND_FILE), 0);
	assert_int_equal(take_kind(&c, PROTO_KIND_FILE), 1);
}

static void test_file_needs_share(void **state)
{
	set_rights(&a, &b, PROTO_RIGHT_MICROPHONE);
	file_control(&b, PB_CONTROL(FILE_OPEN), 0, 100000);
	assert_int_equal(refused(&b), PB_REFUSED(DENIED));
}

/* Chunks go on after the offerer's connection was lost and came back. */
static void test_file_survives_reconnect(void **state)
{
	file_control(&a, PB_CONTROL(FILE_OPEN), 0, 1000000);
	file_control(&b, PB_CONTROL(FILE_JOIN), 0, 0);
	chunk(&a, 0);
	client_drop(&a);
	a.last_seq = 2;
	client_open(&w, &a);
	client_enter(&w, &a, &(struct enter_opts){.resume = true, .epoch = 2, .rights = 15});
	assert_int_not_equal(a.number, 0);
	file_control(&a, PB_CONTROL(FILE_OPEN), 0, 1000000);
	chunk(&a, 1);
	assert_int_equal(take_kind(&b, PROTO_KIND_FILE), 2);
}

static void test_kid(void **state)
{
	uint64_t kid, counter;

	assert_int_equal(relay_kid_decode("\x35", 1, &kid, &counter), 0);
	assert_int_equal(kid, 3);
	assert_int_equal(counter, 5);
	assert_int_equal(relay_kid_decode("\x99\x01\x02\x03\x04", 5, &kid, &counter), 0);
	assert_int_equal(kid, 0x0102);
	assert_int_equal(counter, 0x0304);
	assert_int_equal(relay_kid_decode("\x99\x01\x02\x03", 4, &kid, &counter), CV_ETRUNCATED);
	/* too long an encoding */
	assert_int_equal(relay_kid_decode("\x95\x00\x02", 3, &kid, &counter), CV_EFORMAT);
	assert_int_equal(relay_kid_decode("\x85\x07", 2, &kid, &counter), CV_EFORMAT);
	assert_int_equal(relay_kid_decode("", 0, &kid, &counter), CV_ETRUNCATED);
	assert_int_equal(relay_kid_decode("\xff\1\2\3\4\5\6\7\x8\1\2\3\4\5\6\7\x8", 17, &kid, &counter), 0);
	assert_int_equal(counter, 0x0102030405060708);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_voice_to_all),
		TEST(test_forged_media),
		TEST(test_subscription_layers),
		TEST(test_lost_key_frame),
		TEST(test_dropped_unit),
		TEST(test_wanted),
		TEST(test_key_requests_limited),
		TEST(test_key_after_return),
		TEST(test_rights),
		TEST(test_file_only_to_acceptors),
		TEST(test_file_acceptor_stops),
		TEST(test_file_needs_share),
		TEST(test_file_survives_reconnect),
		cmocka_unit_test(test_kid),
	};

	cv_log_set_level(CV_LOG_CRITICAL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
