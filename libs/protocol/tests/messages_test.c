/* SPDX-License-Identifier: Apache-2.0 */
/* The protobuf messages: what may be packed, and what bytes are taken. */
#include <proto/file.h>
#include <proto/message.h>

#include "test_util.h"

static ProtobufCBinaryData bytes(const void *p, size_t len)
{
	return (ProtobufCBinaryData){len, (uint8_t *)p};
}

static void test_control(void **state)
{
	static uint8_t zeros[64];
	struct PB(Hello) hello = PB_INIT(HELLO);
	struct PB(Enter) enter = PB_INIT(ENTER);
	struct PB(Control) m = PB_INIT(CONTROL), *got = NULL;
	struct cv_buf b;

	cv_buf_init(&b, PROTO_MESSAGE_MAX);
	assert_int_equal(proto_control_pack(&m, &b), CV_EINVAL);
	hello.version = 1;
	hello.relay_id = bytes(zeros, 16);
	hello.nonce = bytes(zeros, 32);
	m.body_case = PB_CONTROL(HELLO);
	m.hello = &hello;
	assert_int_equal(proto_control_pack(&m, &b), 0);
	assert_int_equal(b.data[0], PROTO_KIND_CONTROL);
	assert_int_equal(proto_control_unpack(b.data + 1, b.len - 1, &got), 0);
	assert_int_equal(got->body_case, PB_CONTROL(HELLO));
	proto_control_free(got);
	hello.nonce.len = 31;
	assert_int_equal(proto_control_pack(&m, &b), CV_EINVAL);
	/* ticket and admission exclude each other */
	m.body_case = PB_CONTROL(ENTER);
	m.enter = &enter;
	enter.device_key = bytes(zeros, 32);
	enter.proof = bytes(zeros, 64);
	assert_int_equal(proto_control_pack(&m, &b), CV_EINVAL);
	enter.ticket = bytes(zeros, 10);
	cv_buf_reset(&b);
	assert_int_equal(proto_control_pack(&m, &b), 0);
	enter.admission = bytes(zeros, 10);
	assert_int_equal(proto_control_pack(&m, &b), CV_EINVAL);
	cv_buf_done(&b);
}

static void test_control_bytes(void **state)
{
	struct PB(Control) *got = NULL;
	static uint8_t flood[3 * 1000 + 4];
	const uint8_t unknown[] = {0xfa, 0x07, 0x00};                   /* body 127 */
	const uint8_t publish[] = {0xf2, 0x01, 0x02, 0x08, 0x04};       /* stream 4 */
	const uint8_t refused[] = {0x22, 0x04, 0x12, 0x02, 0xc3, 0x28}; /* detail is not UTF-8 */

	assert_int_equal(proto_control_unpack("", 0, &got), CV_EFORMAT);
	assert_int_equal(proto_control_unpack(unknown, sizeof(unknown), &got), CV_EFORMAT);
	assert_int_equal(proto_control_unpack(publish, sizeof(publish), &got), CV_EFORMAT);
	assert_int_equal(proto_control_unpack(refused, sizeof(refused), &got), CV_EFORMAT);
	/* a thousand and more candidates of two bytes each */
	flood[0] = 0x5a;
	flood[1] = 0x80 | (2 * 1000 & 0x7f);
	flood[2] = 2 * 1000 >> 7;
	for (int i = 0; i < 1000; i++)
		flood[3 + 2 * i] = 0x0a;
	assert_int_equal(proto_control_unpack(flood, 3 + 2 * 1000, &got), CV_ELIMIT);
	assert_int_equal(proto_control_unpack(flood, PROTO_MESSAGE_MAX, &got), CV_ELIMIT);
	assert_null(got);
}

/* A hundred thousand empty submessages meet the memory budget before any list limit can be looked at. */
static void test_memory_budget(void **state)
{
	const size_t n = 100000, inner = 2 * n;
	uint8_t *flood = cv_calloc(1, inner + 4);
	struct PB(Control) *got = NULL;

	assert_non_null(flood);
	flood[0] = 0x5a;
	flood[1] = (uint8_t)(0x80 | (inner & 0x7f));
	flood[2] = (uint8_t)(0x80 | (inner >> 7 & 0x7f));
	flood[3] = (uint8_t)(inner >> 14);
	for (size_t i = 0; i < n; i++)
		flood[4 + 2 * i] = 0x0a;
	assert_int_equal(proto_control_unpack(flood, inner + 4, &got), CV_EFORMAT);
	cv_free(flood);
}

static void test_handshake(void **state)
{
	struct PB(Handshake) m = PB_INIT(HANDSHAKE), *got = NULL;
	struct PB(Binding) add = PB_INIT(BINDING), *adds[] = {&add};
	struct cv_buf b;

	cv_buf_init(&b, PROTO_HANDSHAKE_MAX);
	assert_int_equal(proto_handshake_pack(&m, &b), CV_EINVAL);
	m.welcome = bytes("w", 1);
	m.n_adds = 1;
	m.adds = adds;
	assert_int_equal(proto_handshake_pack(&m, &b), CV_EINVAL);
	m.commit = bytes("c", 1);
	add.leaf = 65536;
	assert_int_equal(proto_handshake_pack(&m, &b), CV_EINVAL);
	add.leaf = 65535;
	assert_int_equal(proto_handshake_pack(&m, &b), 0);
	assert_int_equal(b.data[0], PROTO_KIND_HANDSHAKE);
	assert_int_equal(proto_handshake_unpack(b.data + 1, b.len - 1, &got), 0);
	assert_int_equal(got->n_adds, 1);
	assert_int_equal(got->adds[0]->leaf, 65535);
	proto_handshake_free(got);
	cv_buf_done(&b);
}

static void test_app(void **state)
{
	static uint8_t zeros[64];
	struct PB(FileOffer) offer = PB_INIT(FILE_OFFER);
	struct PB(AppMessage) m = PB_INIT(APP_MESSAGE), *got = NULL;
	struct cv_buf b;

	cv_buf_init(&b, PROTO_MESSAGE_MAX);
	m.body_case = PB_APP(FILE_OFFER);
	m.file_offer = &offer;
	offer.transfer_id = bytes(zeros, 16);
	offer.sha256 = bytes(zeros, 32);
	offer.name = (char *)"report.pdf";
	offer.chunk_size = PROTO_FILE_CHUNK;
	assert_int_equal(proto_app_pack(&m, &b), 0);
	assert_int_equal(proto_app_unpack(b.data, b.len, &got), 0);
	assert_string_equal(got->file_offer->name, "report.pdf");
	proto_app_free(got);
	offer.name = (char *)"";
	assert_int_equal(proto_app_pack(&m, &b), CV_EINVAL);
	offer.name = (char *)"x";
	offer.chunk_size = 1;
	assert_int_equal(proto_app_pack(&m, &b), CV_EINVAL);
	cv_buf_done(&b);
}

static int unpack_app(const void *data, size_t len)
{
	struct PB(AppMessage) *got = NULL;
	int r = proto_app_unpack(data, len, &got);

	proto_app_free(got);
	return r;
}

static void test_code_compare(void **state)
{
	static uint8_t id[PROTO_ID_LEN + 1] = {1, 2, 3};
	struct PB(CodeCompare) compare = PB_INIT(CODE_COMPARE);
	struct PB(CodeCancel) cancel = PB_INIT(CODE_CANCEL);
	struct PB(AppMessage) m = PB_INIT(APP_MESSAGE), *got = NULL;
	struct cv_buf b;

	cv_buf_init(&b, PROTO_MESSAGE_MAX);
	m.body_case = PB_APP(CODE_COMPARE);
	m.code_compare = &compare;
	compare.epoch = UINT64_MAX;
	compare.comparison_id = bytes(id, PROTO_ID_LEN);
	assert_int_equal(proto_app_pack(&m, &b), 0);
	assert_int_equal(proto_app_unpack(b.data, b.len, &got), 0);
	assert_int_equal(got->body_case, PB_APP(CODE_COMPARE));
	assert_true(got->code_compare->epoch == UINT64_MAX);
	assert_memory_equal(got->code_compare->comparison_id.data, id, PROTO_ID_LEN);
	proto_app_free(got);
	for (size_t n = 0; n < b.len; n++)
		assert_int_not_equal(unpack_app(b.data, n), 0);
	/* An id of another length, by its length byte and the outer one; none at all. */
	assert_int_equal(unpack_app("\x42\x06\x0a\x04"
				    "abcd",
				    8),
			 CV_EFORMAT);
	assert_int_equal(unpack_app("\x42\x02\x10\x05", 4), CV_EFORMAT);
	assert_int_equal(unpack_app("\x4a\x00", 2), CV_EFORMAT);
	compare.comparison_id.len++;
	assert_int_equal(proto_app_pack(&m, &b), CV_EINVAL);
	m.body_case = PB_APP(CODE_CANCEL);
	m.code_cancel = &cancel;
	assert_int_equal(proto_app_pack(&m, &b), CV_EINVAL);
	cancel.comparison_id = bytes(id, PROTO_ID_LEN);
	cv_buf_reset(&b);
	assert_int_equal(proto_app_pack(&m, &b), 0);
	assert_int_equal(unpack_app(b.data, b.len), 0);
	cv_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control),       cmocka_unit_test(test_control_bytes),
		cmocka_unit_test(test_memory_budget), cmocka_unit_test(test_handshake),
		cmocka_unit_test(test_app),           cmocka_unit_test(test_code_compare),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
