/* SPDX-License-Identifier: Apache-2.0 */
/* Group state, media and files. */
#include <proto/file.h>
#include <proto/media.h>
#include <proto/state.h>

#include "test_util.h"

/* ---- meeting_state */

static int decode_state(const void *data, size_t len)
{
	struct proto_meeting_state s = {0};
	int err = proto_meeting_state_decode(data, len, &s);

	proto_meeting_state_done(&s);
	return err;
}

static void test_state(void **state)
{
	struct proto_meeting_state s = {.switches = 1}, got, copy;
	uint8_t id[PROTO_ID_LEN];
	struct cv_buf b;

	cv_buf_init(&b, PROTO_STATE_MAX);
	for (int i = 9; i > 0; i -= 2) {
		fill(id, sizeof(id), (uint8_t)i);
		assert_int_equal(proto_meeting_state_set_rights(&s, id, (uint8_t)i), 0);
		assert_int_equal(proto_meeting_state_ban(&s, id), 0);
		assert_int_equal(proto_meeting_state_ban(&s, id), 0);
	}
	assert_int_equal(proto_meeting_state_set_rights(&s, id, 2), 0);
	assert_int_equal(proto_meeting_state_set_rights(&s, id, 16), CV_EINVAL);
	assert_int_equal(s.n_bans, 5);
	assert_int_equal(s.n_overrides, 5);
	assert_int_equal(proto_meeting_state_put(&s, &b), 0);
	assert_int_equal(proto_meeting_state_decode(b.data, b.len, &got), 0);
	assert_true(proto_meeting_state_equal(&s, &got));
	assert_int_equal(proto_meeting_state_rights(&got, id, 7), 2);
	assert_true(proto_meeting_state_banned(&got, id));
	id[3] = 99;
	assert_int_equal(proto_meeting_state_rights(&got, id, 7), 7);
	assert_false(proto_meeting_state_banned(&got, id));
	assert_int_equal(proto_meeting_state_copy(&got, &copy), 0);
	copy.locked = true;
	assert_false(proto_meeting_state_equal(&got, &copy));
	for (size_t n = 0; n < b.len; n++)
		assert_int_not_equal(decode_state(b.data, n), 0);
	proto_meeting_state_done(&copy);
	proto_meeting_state_done(&got);
	proto_meeting_state_done(&s);
	cv_buf_done(&b);
}

static void test_state_refuses(void **state)
{
	uint8_t bans[2][PROTO_ID_LEN] = {{2}, {1}};
	struct proto_user_rights rights[2] = {{{1}, 1}, {{1}, 1}};
	struct proto_meeting_state s = {.bans = bans, .n_bans = 2};
	/* version, no grant, locked, switches, no overrides, then 32 bytes of bans */
	uint8_t wire[6 + 32] = {1, 0, 0, 0, 0, 32};
	struct cv_buf b;

	cv_buf_init(&b, 1024);
	assert_int_equal(proto_meeting_state_put(&s, &b), CV_EINVAL);
	s = (struct proto_meeting_state){.overrides = rights, .n_overrides = 2};
	assert_int_equal(proto_meeting_state_put(&s, &b), CV_EINVAL);
	s = (struct proto_meeting_state){.switches = 16};
	assert_int_equal(proto_meeting_state_put(&s, &b), CV_EINVAL);
	wire[6] = 1;
	wire[22] = 2;
	assert_int_equal(decode_state(wire, sizeof(wire)), 0);
	wire[22] = 1; /* a double */
	assert_int_equal(decode_state(wire, sizeof(wire)), CV_EFORMAT);
	wire[22] = 0; /* unsorted */
	assert_int_equal(decode_state(wire, sizeof(wire)), CV_EFORMAT);
	wire[22] = 2;
	wire[2] = 2; /* locked is 0 or 1 */
	assert_int_equal(decode_state(wire, sizeof(wire)), CV_EFORMAT);
	wire[2] = 0;
	wire[3] = 0x80; /* unknown switch */
	assert_int_equal(decode_state(wire, sizeof(wire)), CV_EFORMAT);
	wire[3] = 0;
	wire[5] = 31;
	assert_int_equal(decode_state(wire, sizeof(wire) - 1), CV_EFORMAT);
	cv_buf_done(&b);
}

static void test_commit_data(void **state)
{
	uint8_t evidence[64] = {1};
	struct proto_removal list[] = {
		{7, PROTO_REASON_LEFT, {evidence, 64}},
		{3, PROTO_REASON_LOST, {0}},
		{9, PROTO_REASON_REMOVED, {0}},
	};
	struct proto_commit_data d;
	struct cv_buf b;

	cv_buf_init(&b, PROTO_COMMIT_DATA_MAX);
	assert_int_equal(proto_commit_data_put(list, 3, &b), 0);
	assert_int_equal(proto_commit_data_decode(b.data, b.len, &d), 0);
	assert_int_equal(d.n_removals, 3);
	assert_int_equal(d.removals[0].leaf, 7);
	assert_int_equal(d.removals[0].evidence.len, 64);
	assert_int_equal(d.removals[1].reason, PROTO_REASON_LOST);
	proto_commit_data_done(&d);
	for (size_t n = 0; n < b.len; n++)
		assert_int_not_equal(proto_commit_data_decode(b.data, n, &d), 0);
	list[1].leaf = 7;
	assert_int_equal(proto_commit_data_put(list, 3, &b), CV_EINVAL);
	list[1].leaf = 3;
	list[0].evidence.len = 0;
	assert_int_equal(proto_commit_data_put(list, 3, &b), CV_EINVAL);
	list[0].reason = 6;
	assert_int_equal(proto_commit_data_put(list, 3, &b), CV_EINVAL);
	assert_int_equal(proto_commit_data_decode("\1\6\0\0\0\7\6\0", 8, &d), CV_EFORMAT);
	assert_int_equal(proto_commit_data_decode("\2\0", 2, &d), CV_EFORMAT);
	cv_buf_done(&b);
}

static void test_mls_head(void **state)
{
	struct proto_mls_head h;
	struct cv_buf b;

	cv_buf_init(&b, 1024);
	cv_buf_put_u16(&b, 1);
	cv_buf_put_u16(&b, 2);
	cv_buf_put_vec(&b, "group", 5);
	cv_buf_put_u64(&b, 77);
	cv_buf_put_u8(&b, PROTO_MLS_COMMIT);
	cv_buf_put_vec(&b, "aad", 3);
	cv_buf_put_vec(&b, "sender", 6);
	cv_buf_put_vec(&b, "cipher", 6);
	assert_int_equal(proto_mls_head_decode(b.data, b.len, &h), 0);
	assert_int_equal(h.epoch, 77);
	assert_int_equal(h.content_type, PROTO_MLS_COMMIT);
	assert_int_equal(h.group_id.len, 5);
	assert_memory_equal(h.authenticated_data.data, "aad", 3);
	for (size_t n = 0; n < b.len; n++)
		assert_int_not_equal(proto_mls_head_decode(b.data, n, &h), 0);
	b.data[3] = 1; /* a PublicMessage */
	assert_int_equal(proto_mls_head_decode(b.data, b.len, &h), CV_EFORMAT);
	b.data[3] = 3;
	assert_int_equal(proto_mls_welcome_check(b.data, b.len), 0);
	assert_int_not_equal(proto_mls_welcome_check(b.data, 4), 0);
	cv_buf_done(&b);
}

/* ---- media */

static void test_fragments(void **state)
{
	static uint8_t unit[3 * PROTO_FRAGMENT_PAYLOAD_MAX + 5];
	struct proto_media_header header = {PROTO_STREAM_CAMERA, 9, 0x21, PROTO_MEDIA_KEY, 0};
	const size_t sizes[] = {1, PROTO_FRAGMENT_PAYLOAD_MAX, PROTO_FRAGMENT_PAYLOAD_MAX + 1, sizeof(unit)};
	const size_t counts[] = {1, 1, 2, 4};
	uint8_t wire[PROTO_FRAGMENT_HEAD_MAX + PROTO_FRAGMENT_PAYLOAD_MAX];
	uint8_t said[PROTO_MEDIA_HEADER_LEN], meant[PROTO_MEDIA_HEADER_LEN];
	struct proto_reassembler r;
	struct proto_fragmenter cut;
	struct proto_fragment f;
	struct proto_unit got = {0};
	struct cv_span payload;
	size_t head;

	for (size_t i = 0; i < sizeof(unit); i++)
		unit[i] = (uint8_t)(i * 7);
	proto_reassembler_init(&r, 1 << 20);
	for (size_t i = 0; i < 4; i++) {
		size_t n = 0;

		assert_int_equal(proto_fragmenter_init(&cut, 5, (uint32_t)i, &header, unit, sizes[i]), 0);
		while (proto_fragmenter_next(&cut, wire, &head, &payload)) {
			memcpy(wire + head, payload.data, payload.len);
			assert_int_equal(proto_fragment_decode(wire, head + payload.len, &f), 0);
			assert_int_equal(f.leaf, 5);
			assert_int_equal(f.fragment, n);
			n++;
			assert_int_equal(proto_reassembler_put(&r, &f, &got), n == counts[i] ? 0 : CV_EAGAIN);
		}
		assert_int_equal(n, counts[i]);
		assert_int_equal(got.unit, i);
		assert_int_equal(got.ciphertext.len, sizes[i]);
		assert_memory_equal(got.ciphertext.data, unit, sizes[i]);
		proto_media_header_encode(&got.header, said);
		proto_media_header_encode(&header, meant);
		assert_memory_equal(said, meant, sizeof(said));
	}
	assert_int_equal(r.dropped, 0);
	proto_reassembler_done(&r);
	assert_int_equal(proto_fragmenter_init(&cut, 5, 0, &header, unit, 0), CV_EINVAL);
	assert_int_equal(proto_fragmenter_init(&cut, 5, 0, &header, unit, PROTO_UNIT_MAX + 1), CV_ELIMIT);
}

static struct proto_fragment fragment(uint32_t unit, uint16_t n, uint8_t flags, size_t len)
{
	static uint8_t zeros[PROTO_FRAGMENT_PAYLOAD_MAX];

	return (struct proto_fragment){.leaf = 1,
				       .stream = 2,
				       .unit = unit,
				       .fragment = n,
				       .flags = flags,
				       .header = {.stream = 2},
				       .ciphertext = {zeros, len}};
}

static void test_reassembly_hostile(void **state)
{
	struct proto_reassembler r;
	struct proto_unit got;
	struct proto_fragment f;

	proto_reassembler_init(&r, 8 * 4096);
	/* a middle without a beginning */
	f = fragment(1, 1, 0, 10);
	assert_int_equal(proto_reassembler_put(&r, &f, &got), CV_ESTATE);
	/* a gap, then what follows has lost its unit */
	f = fragment(2, 0, PROTO_FRAGMENT_FIRST, 10);
	assert_int_equal(proto_reassembler_put(&r, &f, &got), CV_EAGAIN);
	f = fragment(2, 2, 0, 10);
	assert_int_equal(proto_reassembler_put(&r, &f, &got), CV_EFORMAT);
	f = fragment(2, 1, 0, 10);
	assert_int_equal(proto_reassembler_put(&r, &f, &got), CV_ESTATE);
	/* the same beginning twice */
	f = fragment(3, 0, PROTO_FRAGMENT_FIRST, 10);
	assert_int_equal(proto_reassembler_put(&r, &f, &got), CV_EAGAIN);
	assert_int_equal(proto_reassembler_put(&r, &f, &got), CV_EFORMAT);
	/* more units at once than slots: the oldest goes */
	for (uint32_t u = 10; u < 10 + PROTO_REASSEMBLY_SLOTS + 1; u++) {
		f = fragment(u, 0, PROTO_FRAGMENT_FIRST, 10);
		assert_int_equal(proto_reassembler_put(&r, &f, &got), CV_EAGAIN);
	}
	f = fragment(10, 1, PROTO_FRAGMENT_LAST, 10);
	assert_int_equal(proto_reassembler_put(&r, &f, &got), CV_ESTATE);
	f = fragment(11, 1, PROTO_FRAGMENT_LAST, 10);
	assert_int_equal(proto_reassembler_put(&r, &f, &got), 0);
	assert_int_equal(got.ciphertext.len, 20);
	/* one unit alone above the limit */
	for (uint16_t n = 0; n < 8; n++) {
		f = fragment(50, n, n ? 0 : PROTO_FRAGMENT_FIRST, 4096);
		assert_int_equal(proto_reassembler_put(&r, &f, &got), CV_EAGAIN);
	}
	f = fragment(50, 8, 0, 1);
	assert_int_equal(proto_reassembler_put(&r, &f, &got), CV_ELIMIT);
	assert_true(r.dropped >= 4);
	proto_reassembler_done(&r);
}

static void test_fragment_refuses(void **state)
{
	struct proto_fragment f = fragment(1, 0, PROTO_FRAGMENT_FIRST, 4), got;
	struct cv_buf b;

	cv_buf_init(&b, 8192);
	assert_int_equal(proto_fragment_put(&f, &b), 0);
	assert_int_equal(b.len, 19 + 4);
	assert_int_equal(proto_fragment_decode(b.data, b.len, &got), 0);
	for (size_t n = 0; n <= 19; n++)
		assert_int_not_equal(proto_fragment_decode(b.data, n, &got), 0);
	b.data[0] = 5;
	assert_int_equal(proto_fragment_decode(b.data, b.len, &got), CV_EFORMAT);
	b.data[0] = 4;
	b.data[10] = 8 | 1;
	assert_int_equal(proto_fragment_decode(b.data, b.len, &got), CV_EFORMAT);
	b.data[10] = 1;
	b.data[9] = 1; /* "first", but number 1 */
	assert_int_equal(proto_fragment_decode(b.data, b.len, &got), CV_EFORMAT);
	b.data[9] = 0;
	b.data[11] = 1; /* header of another stream */
	assert_int_equal(proto_fragment_decode(b.data, b.len, &got), CV_EFORMAT);
	b.data[11] = 2;
	b.data[18] = 128; /* level */
	assert_int_equal(proto_fragment_decode(b.data, b.len, &got), CV_EFORMAT);
	f = fragment(1, PROTO_FRAGMENTS_MAX, 0, 4);
	assert_int_equal(proto_fragment_put(&f, &b), CV_EINVAL);
	f = fragment(1, 1, 0, PROTO_FRAGMENT_PAYLOAD_MAX + 1);
	assert_int_equal(proto_fragment_put(&f, &b), CV_EINVAL);
	cv_buf_done(&b);
}

static void test_file_chunk(void **state)
{
	static uint8_t text[PROTO_FILE_CHUNK + PROTO_FILE_TAG + 1];
	struct proto_file_chunk c = {.generation = 1, .index = 2, .ciphertext = {text, sizeof(text) - 1}}, got;
	struct cv_buf b;
	uint32_t n;

	cv_buf_init(&b, 1 << 16);
	fill(c.transfer_id, PROTO_ID_LEN, 3);
	assert_int_equal(proto_file_chunk_put(&c, &b), 0);
	assert_int_equal(proto_file_chunk_decode(b.data, b.len, &got), 0);
	assert_int_equal(got.generation, 1);
	assert_int_equal(got.index, 2);
	assert_int_equal(got.ciphertext.len, sizeof(text) - 1);
	for (size_t len = 0; len < PROTO_FILE_HEAD_LEN + PROTO_FILE_TAG; len++)
		assert_int_not_equal(proto_file_chunk_decode(b.data, len, &got), 0);
	c.ciphertext.len++;
	assert_int_equal(proto_file_chunk_put(&c, &b), CV_EINVAL);
	assert_int_equal(proto_file_chunk_count(0, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(proto_file_chunk_count(PROTO_FILE_CHUNK + 1, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(proto_file_chunk_count(UINT64_MAX, &n), CV_ELIMIT);
	cv_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_state),
		cmocka_unit_test(test_state_refuses),
		cmocka_unit_test(test_commit_data),
		cmocka_unit_test(test_mls_head),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_reassembly_hostile),
		cmocka_unit_test(test_fragment_refuses),
		cmocka_unit_test(test_file_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
