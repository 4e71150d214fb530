/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <base/file.h>
#include <base/reader.h>
#include <base/secret.h>
#include <base/text.h>

static void test_buf_roundtrip(void **state)
{
	struct cv_buf b;
	struct cv_reader r, sub;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	size_t mark;

	cv_buf_init(&b, 70000);
	cv_buf_put_u8(&b, 7);
	cv_buf_put_u16(&b, 0x1234);
	cv_buf_put_u24(&b, 0xabcdef);
	cv_buf_put_u32(&b, 0xdeadbeef);
	cv_buf_put_u64(&b, 0x0123456789abcdefull);
	mark = cv_buf_vec_begin(&b);
	for (int i = 0; i < 20000; i++)
		cv_buf_put_u8(&b, (uint8_t)i);
	assert_int_equal(cv_buf_vec_end(&b, mark), 0);
	assert_int_equal(cv_buf_status(&b), 0);

	cv_reader_init(&r, b.data, b.len);
	assert_int_equal(cv_reader_get_u8(&r, &u8), 0);
	assert_int_equal(u8, 7);
	assert_int_equal(cv_reader_get_u16(&r, &u16), 0);
	assert_int_equal(u16, 0x1234);
	assert_int_equal(cv_reader_get_u24(&r, &u32), 0);
	assert_int_equal(u32, 0xabcdef);
	assert_int_equal(cv_reader_get_u32(&r, &u32), 0);
	assert_int_equal(u32, 0xdeadbeef);
	assert_int_equal(cv_reader_get_u64(&r, &u64), 0);
	assert_true(u64 == 0x0123456789abcdefull);
	assert_int_equal(cv_reader_end(&r), CV_ETRAILING);
	assert_int_equal(cv_reader_sub(&r, 19999, &sub), CV_ELIMIT);
	assert_int_equal(cv_reader_sub(&r, 20000, &sub), 0);
	assert_int_equal(sub.left, 20000);
	assert_int_equal(sub.p[19999], (uint8_t)19999);
	assert_int_equal(cv_reader_end(&r), 0);
	assert_int_equal(cv_reader_get_u8(&r, &u8), CV_ETRUNCATED);
	cv_buf_done(&b);
}

static void test_buf_maximum_is_hard(void **state)
{
	struct cv_buf b;

	cv_buf_init(&b, 3);
	assert_int_equal(cv_buf_put_u16(&b, 1), 0);
	assert_int_equal(cv_buf_put_u16(&b, 1), CV_ELIMIT);
	assert_int_equal(cv_buf_put_u8(&b, 1), CV_ELIMIT); /* sticky */
	assert_int_equal(cv_buf_status(&b), CV_ELIMIT);
	assert_int_equal(b.len, 2);
	cv_buf_reset(&b);
	assert_int_equal(cv_buf_put_u24(&b, 1), 0);
	cv_buf_done(&b);
}

static void test_buf_out_of_memory(void **state)
{
	struct cv_buf b;

	cv_buf_init_secret(&b, 4096);
	assert_int_equal(cv_buf_put(&b, "abc", 3), 0);
	cv_alloc_fail_at(0);
	assert_int_equal(cv_buf_put(&b, (uint8_t[200]){0}, 200), CV_ENOMEM);
	cv_alloc_fail_at(-1);
	assert_int_equal(b.len, 3);
	assert_memory_equal(b.data, "abc", 3);
	cv_buf_done(&b);
}

static void test_varint_refuses(void **state)
{
	static const struct {
		uint8_t bytes[8];
		size_t len;
		int err;
	} cases[] = {
		{{0x40, 0x3f}, 2, CV_EFORMAT},             /* 63 in two bytes */
		{{0x80, 0x00, 0x3f, 0xff}, 4, CV_EFORMAT}, /* 16383 in four */
		{{0xc0, 0, 0, 0, 0, 0, 0, 0}, 8, CV_EFORMAT},
		{{0x80, 0x01, 0x00}, 3, CV_ETRUNCATED},
		{{0}, 0, CV_ETRUNCATED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cv_reader r;
		uint32_t v = 99;

		cv_reader_init(&r, cases[i].bytes, cases[i].len);
		assert_int_equal(cv_reader_get_varint(&r, &v), cases[i].err);
		assert_int_equal(v, 99);
		assert_int_equal(r.left, cases[i].len);
	}
}

static void test_clean(void **state)
{
	static const struct {
		const char *in, *out;
		size_t size;
	} cleaned[] = {
		{"Zo\xc3\xab", "Zo\xc3\xab", 5},
		{"Zo\xc3\xab", "Zo", 4}, /* not half a character */
		{"a\nb\x1b[2J", "a?b?[2J", 16},
		{"a\xc2\x9b"
		 "2J",
		 "a?2J", 16}, /* CSI in one character */
		{"a\xe2\x80\xae"
		 "b",
		 "a?b", 16},
		{"\xff\x80\x80"
		 "a\xc3",
		 "?a?", 16},
		{"\n\n", "?", 2},
		{"", "", 1},
	};
	char clean[16];

	for (size_t i = 0; i < sizeof(cleaned) / sizeof(cleaned[0]); i++) {
		cv_text_clean(clean, cleaned[i].size, cleaned[i].in, '?');
		assert_string_equal(clean, cleaned[i].out);
	}
}

static void test_text(void **state)
{
	uint8_t out[8];
	char hex[9], b64[16];
	size_t n;

	cv_hex_encode(hex, "\x01\xab\xff\x00", 4);
	assert_string_equal(hex, "01abff00");
	assert_int_equal(cv_hex_decode(out, 4, "01ABff00"), 0);
	assert_int_equal(cv_hex_decode(out, 4, "01abff0"), CV_EFORMAT);
	assert_int_equal(cv_hex_decode(out, 4, "01abfg00"), CV_EFORMAT);
	cv_b64_encode(b64, "\xfb\xff", 2);
	assert_string_equal(b64, "-_8");
	assert_int_equal(cv_b64_decode(out, sizeof(out), "-_8", 3, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(cv_b64_decode(out, sizeof(out), "-_9", 3, &n), CV_EFORMAT); /* trailing bits */
	assert_int_equal(cv_b64_decode(out, 1, "-_8", 3, &n), CV_ELIMIT);

	assert_true(cv_utf8_valid("h\xc3\xa9", 3));
	assert_false(cv_utf8_valid("\xc0\x80", 2));
	assert_false(cv_utf8_valid("\xed\xa0\x80", 3));
	assert_false(cv_utf8_valid("a\0b", 3));
	assert_true(cv_text_printable("Zo\xc3\xab", 4));
	assert_false(cv_text_printable("a\nb", 3));
	assert_false(cv_text_printable("a\xe2\x80\xae"
				       "b",
				       5)); /* right-to-left override */
}

static void test_file(void **state)
{
	char dir[] = "/tmp/conclave-base-XXXXXX", path[64], other[64];
	struct cv_buf b;
	struct stat st;
	mode_t before = umask(077);
	struct dirent *e;
	unsigned names = 0;
	DIR *d;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	cv_buf_init(&b, 8);
	assert_int_equal(cv_file_read(path, &b), CV_ENOTFOUND);
	assert_int_equal(cv_file_write(path, "too long", 8, 0644), 0);
	assert_int_equal(cv_file_write(path, "12345", 5, 0644), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(cv_file_read(path, &b), 0);
	assert_int_equal(b.len, 5);
	assert_memory_equal(b.data, "12345", 5);
	assert_int_equal(cv_file_read(path, &b), CV_ELIMIT);
	/* what cannot be put in place leaves nothing */
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(cv_file_write(other, "x", 1, 0600), CV_EIO);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(rmdir(other), 0);
	assert_int_equal(cv_file_move(path, other), 0);
	assert_int_equal(cv_file_move(path, other), 0);
	d = opendir(dir);
	assert_non_null(d);
	while ((e = readdir(d)))
		names += e->d_name[0] != '.';
	closedir(d);
	assert_int_equal(names, 1);
	assert_int_equal(unlink(other), 0);
	assert_int_equal(rmdir(dir), 0);
	umask(before);
	cv_buf_done(&b);
}

static void test_secret(void **state)
{
	struct cv_secret a = {0}, b = {0};

	assert_int_equal(cv_secret_set(&a, "0123456789", 10), 0);
	assert_int_equal(cv_secret_set(&b, "0123456789", 10), 0);
	assert_true(cv_secret_equal(&a, &b));
	b.data[9] ^= 1;
	assert_false(cv_secret_equal(&a, &b));
	cv_secret_move(&b, &a);
	assert_int_equal(a.len, 0);
	assert_int_equal(a.data[0], 0);
	assert_int_equal(b.len, 10);
	assert_int_equal(cv_secret_set(&a, b.data, CV_SECRET_MAX + 1), CV_ELIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_buf_roundtrip),
		cmocka_unit_test(test_buf_maximum_is_hard),
		cmocka_unit_test(test_buf_out_of_memory),
		cmocka_unit_test(test_varint_refuses),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_secret),
	};

	return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
