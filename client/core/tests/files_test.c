/* SPDX-License-Identifier: Apache-2.0 */
/* A file from one member to others over a delivery service in memory that forwards like a relay. */
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

#include <base/secret.h>
#include <client/files.h>
#include <proto/signed.h>

#include "cast.h"

#define TALK  7u
#define SIZE  (3u * 1024 * 1024 + 77)
#define SITES 3

struct site {
	struct person *person;
	struct client_files *files;
	bool joined;   /* FileJoin was sent */
	uint32_t drop; /* every so many chunks are lost on the way; 0: none */
	uint32_t flip; /* a bit of this chunk is flipped once; UINT32_MAX: none */
	uint32_t chunks;
	enum client_file_state last;
	unsigned done, failed, offered, cancelled;
	uint8_t id[16];
	char path[512];
	char text[128];
};

static struct cast c;
static struct site sites[SITES];
static char dir[64];

static uint32_t leaf_of(const struct site *s)
{
	return client_group_leaf(s->person->group);
}

/* Messages are delivered at once: a queue keeps calls from nesting without end. */
struct item {
	struct site *from, *to;
	PB(AppMessage) * app;
	PB(Control) * control;
	struct cv_buf chunk;
};
#define QUEUE 4096
static struct item queue[QUEUE];
static size_t head, tail;

static struct item *push(struct site *from, struct site *to)
{
	struct item *i = &queue[tail % QUEUE];

	assert_true(tail - head < QUEUE);
	tail++;
	memset(i, 0, sizeof(*i));
	i->from = from;
	i->to = to;
	return i;
}

static int on_app(void *ctx, const PB(AppMessage) * msg)
{
	struct cv_buf b;

	cv_buf_init(&b, 65536);
	assert_int_equal(proto_app_pack(msg, &b), 0);
	for (size_t i = 0; i < SITES; i++) {
		if (&sites[i] != ctx && sites[i].files != NULL)
			assert_int_equal(proto_app_unpack(b.data, b.len, &push(ctx, &sites[i])->app), 0);
	}
	cv_buf_done(&b);
	return 0;
}

static int on_control(void *ctx, const PB(Control) * msg)
{
	struct site *s = ctx;
	struct cv_buf b;

	cv_buf_init(&b, 65536);
	assert_int_equal(proto_control_pack(msg, &b), 0);
	if (msg->body_case == PB_CONTROL(FILE_JOIN))
		s->joined = true;
	if (msg->body_case == PB_CONTROL(FILE_CREDIT)) {
		struct item *i = push(s, &sites[0]);

		assert_int_equal(proto_control_unpack(b.data + 1, b.len - 1, &i->control), 0);
		i->control->file_credit->leaf = leaf_of(s);
	}
	cv_buf_done(&b);
	return 0;
}

static int on_chunk(void *ctx, const void *msg, size_t len)
{
	for (size_t i = 1; i < SITES; i++) {
		struct site *s = &sites[i];
		struct item *it;

		if (!s->joined || (s->drop != 0 && ++s->chunks % s->drop == 0))
			continue;
		it = push(ctx, s);
		cv_buf_init(&it->chunk, 65536);
		assert_int_equal(cv_buf_put(&it->chunk, msg, len), 0);
		if (s->flip != UINT32_MAX && it->chunk.data[24] == (uint8_t)s->flip) {
			it->chunk.data[60] ^= 4;
			s->flip = UINT32_MAX;
		}
	}
	return 0;
}

static void on_event(void *ctx, const struct client_file_event *e)
{
	struct site *s = ctx;

	s->last = e->state;
	memcpy(s->id, e->transfer_id, 16);
	s->done += e->state == CLIENT_FILE_DONE;
	s->failed += e->state == CLIENT_FILE_FAILED;
	s->offered += e->state == CLIENT_FILE_OFFERED;
	s->cancelled += e->state == CLIENT_FILE_CANCELLED;
	if (e->path != NULL)
		snprintf(s->path, sizeof(s->path), "%s", e->path);
	if (e->text != NULL)
		snprintf(s->text, sizeof(s->text), "%s", e->text);
}

static void run_some(size_t n)
{
	while (head < tail && n-- > 0) {
		struct item i = queue[head++ % QUEUE];

		if (i.to->files != NULL && i.app != NULL)
			client_files_app(i.to->files, leaf_of(i.from), i.app);
		else if (i.to->files != NULL && i.control != NULL)
			client_files_credit(i.to->files, i.control->file_credit);
		else if (i.to->files != NULL)
			client_files_chunk(i.to->files, i.chunk.data, i.chunk.len);
		if (i.app != NULL)
			proto_app_free(i.app);
		if (i.control != NULL)
			proto_control_free(i.control);
		cv_buf_done(&i.chunk);
	}
}

static void run(void)
{
	run_some(SIZE_MAX);
}

static int setup(void **state)
{
	const char *names[SITES] = {"ann", "bob", "cem"};

	memset(sites, 0, sizeof(sites));
	head = tail = 0;
	cast_init(&c);
	snprintf(dir, sizeof(dir), "/tmp/conclave-files-XXXXXX");
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < SITES; i++) {
		struct client_files_callbacks cb = {on_app, on_control, on_chunk, on_event, &sites[i]};

		sites[i].person = cast_person(&c, names[i], TALK, NULL);
		sites[i].flip = UINT32_MAX;
		if (i == 0)
			cast_create(&c, sites[0].person);
		else
			cast_admit(&c, sites[0].person, sites[i].person);
		assert_int_equal(
			client_files_new(sites[i].person->group, cv_rng_system(), c.run_id, &cb, &sites[i].files), 0);
	}
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	run();
	for (size_t i = 0; i < SITES; i++)
		client_files_free(sites[i].files);
	cast_done(&c);
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

static void make_file(const char *name, size_t size, char path[256])
{
	static uint8_t data[SIZE];
	FILE *f;

	snprintf(path, 256, "%s/%s", dir, name);
	assert_int_equal(cv_rng_fill(cv_rng_system(), data, size), 0);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, size, f), size);
	fclose(f);
}

static void offer(const char *path)
{
	uint8_t sha[32], id[16];
	uint64_t size;

	assert_int_equal(client_file_measure(path, &size, sha), 0);
	assert_int_equal(client_files_offer(sites[0].files, path, size, sha, id), 0);
	run();
	assert_int_equal(sites[1].offered, 1);
	assert_memory_equal(sites[1].id, id, 16);
}

static void same_file(const char *a, const char *b)
{
	uint8_t x[32], y[32];
	uint64_t n, m;

	assert_int_equal(client_file_measure(a, &n, x), 0);
	assert_int_equal(client_file_measure(b, &m, y), 0);
	assert_int_equal(n, m);
	assert_memory_equal(x, y, 32);
}

static unsigned parts(void)
{
	char command[128];
	FILE *p;
	int n = -1;

	snprintf(command, sizeof(command), "ls -A '%s' | grep -c part", dir);
	p = popen(command, "r");
	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return (unsigned)n;
}

static void test_transfer(void **state)
{
	char path[256];
	struct stat st;

	make_file("minutes.bin", SIZE, path);
	offer(path);
	assert_int_equal(client_files_accept(sites[1].files, sites[1].id, dir), 0);
	assert_int_equal(parts(), 1);
	run();
	assert_int_equal(sites[1].done, 1);
	assert_int_equal(sites[0].done, 1);
	assert_int_equal(parts(), 0);
	/* The source is in the same folder: nothing is ever replaced. */
	assert_true(strstr(sites[1].path, "minutes (1).bin") != NULL);
	same_file(path, sites[1].path);
	assert_int_equal(stat(sites[1].path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
	/* cem has not accepted: nothing. */
	assert_int_equal(sites[2].done, 0);
	/* Later he does, from the beginning. */
	assert_int_equal(client_files_accept(sites[2].files, sites[2].id, dir), 0);
	run();
	assert_int_equal(sites[2].done, 1);
	same_file(path, sites[2].path);
}

static void test_empty(void **state)
{
	char path[256];

	make_file("empty", 0, path);
	offer(path);
	assert_int_equal(client_files_accept(sites[1].files, sites[1].id, dir), 0);
	run();
	assert_int_equal(sites[1].done, 1);
	same_file(path, sites[1].path);
}

static void test_losses(void **state)
{
	char path[256];

	make_file("a.bin", SIZE, path);
	offer(path);
	sites[1].drop = 37;
	sites[2].flip = 5;
	assert_int_equal(client_files_accept(sites[1].files, sites[1].id, dir), 0);
	assert_int_equal(client_files_accept(sites[2].files, sites[2].id, dir), 0);
	run();
	assert_int_equal(sites[1].done, 0);
	/* Nothing moves: after a while the offerer goes back to what was confirmed. */
	for (int64_t i = 1; i < 60 && (sites[1].done == 0 || sites[2].done == 0); i++) {
		client_files_tick(sites[0].files, INT64_MAX / 2 + i * CLIENT_FILE_STALL_US);
		run();
	}
	assert_int_equal(sites[1].done, 1);
	assert_int_equal(sites[2].done, 1);
	same_file(path, sites[1].path);
	same_file(path, sites[2].path);
}

/* The offerer lies about the content. */
static void test_wrong_hash(void **state)
{
	uint8_t sha[32] = {1}, id[16];
	char path[256];

	make_file("a.bin", 50000, path);
	assert_int_equal(client_files_offer(sites[0].files, path, 50000, sha, id), 0);
	run();
	assert_int_equal(client_files_accept(sites[1].files, sites[1].id, dir), 0);
	run();
	assert_int_equal(sites[1].failed, 1);
	assert_int_equal(sites[1].done, 0);
	assert_int_equal(parts(), 0);
}

static void test_acceptor_leaves(void **state)
{
	char path[256];

	make_file("a.bin", SIZE, path);
	offer(path);
	assert_int_equal(client_files_accept(sites[1].files, sites[1].id, dir), 0);
	assert_int_equal(client_files_accept(sites[2].files, sites[2].id, dir), 0);
	/* Some of it goes, then cem is gone; bob gets the rest under a new key. */
	run_some(60);
	client_files_left(sites[0].files, leaf_of(&sites[2]));
	client_files_free(sites[2].files);
	sites[2].files = NULL;
	run();
	for (int64_t i = 1; i < 10 && sites[1].done == 0; i++) {
		client_files_tick(sites[0].files, INT64_MAX / 2 + i * CLIENT_FILE_STALL_US);
		run();
	}
	assert_int_equal(sites[1].done, 1);
	same_file(path, sites[1].path);
}

static void test_cancel_decline(void **state)
{
	char path[256];

	make_file("a.bin", SIZE, path);
	offer(path);
	assert_int_equal(client_files_decline(sites[1].files, sites[1].id), 0);
	assert_int_equal(client_files_accept(sites[1].files, sites[1].id, dir), CV_ENOTFOUND);
	assert_int_equal(client_files_accept(sites[2].files, sites[2].id, dir), 0);
	assert_int_equal(client_files_cancel(sites[0].files, sites[0].id, "no more"), 0);
	run();
	assert_int_equal(sites[2].cancelled, 1);
	assert_string_equal(sites[2].text, "no more");
	assert_int_equal(parts(), 0);
}

/* Offers are repeated for who comes later; nobody else is asked twice. */
static void test_newcomer(void **state)
{
	struct client_files_callbacks cb = {on_app, on_control, on_chunk, on_event, &sites[2]};
	uint32_t dealt = 0;
	char path[256];

	make_file("a.bin", 50000, path);
	/* cem is not there yet. */
	client_files_free(sites[2].files);
	sites[2].files = NULL;
	offer(path);
	assert_int_equal(client_files_accept(sites[1].files, sites[1].id, dir), 0);
	run();
	assert_int_equal(sites[1].done, 1);
	client_files_tick(sites[0].files, 1000000);
	assert_int_equal(head, tail); /* nobody came: nothing is repeated */
	assert_int_equal(client_files_new(sites[2].person->group, cv_rng_system(), c.run_id, &cb, &sites[2].files), 0);
	for (int64_t second = 2; second < 5; second++) {
		client_files_joined(sites[0].files);
		client_files_tick(sites[0].files, second * 1000000);
		dealt += (uint32_t)(tail - head);
		run();
		assert_int_equal(sites[1].offered, 1);
		assert_int_equal(sites[2].offered, 1);
		if (second == 3)
			assert_int_equal(client_files_decline(sites[2].files, sites[2].id), 0);
		run();
	}
	assert_int_equal(dealt, 6);
	/* A declined one can still be offered as a new transfer. */
	sites[1].offered = 0;
	offer(path);
	assert_int_equal(sites[2].offered, 2);
	assert_int_equal(client_files_accept(sites[2].files, sites[2].id, dir), 0);
	run();
	assert_int_equal(sites[2].done, 1);
	same_file(path, sites[2].path);
}

static void test_rights(void **state)
{
	struct client_files_callbacks cb = {on_app, on_control, on_chunk, on_event, &sites[2]};
	struct person *mute = cast_person(&c, "mute", 0, NULL);
	struct client_files *files;
	uint8_t sha[32] = {0}, id[16];
	char path[256];

	make_file("a.bin", 100, path);
	cast_admit(&c, sites[0].person, mute);
	assert_int_equal(client_files_new(mute->group, cv_rng_system(), c.run_id, &cb, &files), 0);
	assert_int_equal(client_files_offer(files, path, 100, sha, id), CV_EDENIED);
	client_files_free(files);
}

static void test_names(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"minutes.pdf", "minutes.pdf"},
		{"../../etc/passwd", "_._.._etc_passwd"},
		{"a\nb\x7f.txt", "a_b_.txt"},
		{".bashrc", "_bashrc"},
		{"-rf", "_rf"},
		{"photo\xe2\x80\xaegnp.exe", "photo_gnp.exe"},
		{"C:\\x|y?", "C__x_y_"},
		{"trailing. .", "trailing"},
		{"", "file"},
		{"..", "file"},
		{"r\xc3\xa9sum\xc3\xa9.odt", "r\xc3\xa9sum\xc3\xa9.odt"},
	};
	char name[CLIENT_FILE_NAME_MAX + 1], big[600];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		client_file_name(cases[i].in, name);
		assert_string_equal(name, cases[i].out);
	}
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	client_file_name(big, name);
	assert_int_equal(strlen(name), CLIENT_FILE_NAME_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_transfer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
		cmocka_unit_test_setup_teardown(test_losses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_hash, setup, teardown),
		cmocka_unit_test_setup_teardown(test_acceptor_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_decline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newcomer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
