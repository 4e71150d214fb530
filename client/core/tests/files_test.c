/* SPDX-License-Identifier: Apache-2.0 */
/* A file from one member to others. */
#include "files_world.h"

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

/* What was sent once is not sent otherwise under the same key; and nobody has more than was sent. */
static void test_changed(void **state)
{
	PB(FileCredit) credit = PB_INIT(FILE_CREDIT);
	char path[256];
	FILE *file;
	int byte;

	make_file("a.bin", SIZE, path);
	offer(path);
	assert_int_equal(client_files_accept(sites[1].files, sites[1].id, dir), 0);
	run_some(60);
	credit.transfer_id = (ProtobufCBinaryData){16, sites[1].id};
	credit.leaf = leaf_of(&sites[1]);
	credit.next_chunk = (SIZE + PROTO_FILE_CHUNK - 1) / PROTO_FILE_CHUNK;
	client_files_credit(sites[0].files, &credit);
	assert_int_equal(sites[0].done, 0);
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, 20000, SEEK_SET), 0);
	byte = fgetc(file);
	assert_int_equal(fseek(file, 20000, SEEK_SET), 0);
	assert_true(fputc(byte ^ 1, file) != EOF);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(client_files_accept(sites[2].files, sites[2].id, dir), 0);
	run();
	assert_int_equal(sites[2].cancelled, 1);
	assert_string_equal(sites[2].text, "the file was changed while it was sent");
	assert_int_equal(sites[1].done + sites[2].done, 0);
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
	client_files_left(sites[0].files, leaf_of(&sites[2]), false);
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

/* The relay's and the group's part of coming back: the same device, another leaf. */
static void come_back(struct site *s)
{
	struct odd odd = {.seed = s->person->seed, .user_id = s->person->user_id};
	struct person *again;
	uint32_t before = leaf_of(s);
	struct person *admitter = s == &sites[0] ? sites[1].person : sites[0].person;

	client_files_suspend(s->files);
	s->joined = false;
	again = cast_person(&c, s->person->name, TALK, &odd);
	cast_admit(&c, admitter, again);
	s->person = again;
	for (size_t i = 0; i < SITES; i++) {
		if (&sites[i] == s || sites[i].files == NULL)
			continue;
		client_files_left(sites[i].files, before, true);
		client_files_joined(sites[i].files);
	}
	client_files_return(s->files, again->group);
	for (size_t i = 0; i < SITES; i++)
		client_files_tick(sites[i].files, 1000000);
}

static void test_return(void **state)
{
	char path[256];

	make_file("a.bin", SIZE, path);
	offer(path);
	assert_int_equal(client_files_accept(sites[1].files, sites[1].id, dir), 0);
	assert_int_equal(client_files_accept(sites[2].files, sites[2].id, dir), 0);
	run_some(100);
	assert_true(client_files_busy(sites[1].files));
	come_back(&sites[1]);
	run_some(100);
	assert_int_equal(sites[1].done, 0);
	come_back(&sites[0]);
	for (int64_t i = 1; i < 10 && (sites[1].done == 0 || sites[2].done == 0); i++) {
		run();
		client_files_tick(sites[0].files, INT64_MAX / 2 + i * CLIENT_FILE_STALL_US);
	}
	for (size_t i = 1; i < SITES; i++) {
		assert_int_equal(sites[i].offered, 1);
		assert_int_equal(sites[i].done, 1);
		assert_int_equal(sites[i].failed + sites[i].cancelled, 0);
		same_file(path, sites[i].path);
	}
	assert_int_equal(parts(), 0);
}

/* Only the device that made the offer goes on with it, and not for ever. */
static void test_no_return(void **state)
{
	PB(AppMessage) msg = PB_INIT(APP_MESSAGE);
	PB(FileOffer) forged = PB_INIT(FILE_OFFER);
	uint8_t sha[32] = {0};
	char name[] = "a.bin";
	char path[256];

	make_file("a.bin", SIZE, path);
	offer(path);
	assert_int_equal(client_files_accept(sites[1].files, sites[1].id, dir), 0);
	run_some(100);
	client_files_left(sites[1].files, leaf_of(&sites[0]), true);
	assert_int_equal(parts(), 1);
	forged.transfer_id = (ProtobufCBinaryData){16, sites[1].id};
	forged.name = name;
	forged.size = SIZE;
	forged.chunk_size = PROTO_FILE_CHUNK;
	forged.sha256 = (ProtobufCBinaryData){32, sha};
	msg.body_case = PB_APP(FILE_OFFER);
	msg.file_offer = &forged;
	sites[1].joined = false;
	client_files_app(sites[1].files, leaf_of(&sites[2]), &msg);
	assert_false(sites[1].joined);
	client_files_app(sites[1].files, leaf_of(&sites[0]), &msg);
	assert_true(sites[1].joined);
	client_files_left(sites[1].files, leaf_of(&sites[0]), true);
	client_files_tick(sites[1].files, INT64_MAX / 2);
	assert_int_equal(sites[1].cancelled, 1);
	assert_string_equal(sites[1].text, "the sender has left");
	assert_int_equal(parts(), 0);
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
		cmocka_unit_test_setup_teardown(test_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_hash, setup, teardown),
		cmocka_unit_test_setup_teardown(test_acceptor_leaves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_return, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_return, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel_decline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newcomer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
