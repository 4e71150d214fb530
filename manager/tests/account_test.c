/* SPDX-License-Identifier: Apache-2.0 */
/* Store, configuration, accounts, validation links, mail. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include <base/alloc.h>
#include <base/text.h>

#include "tests/fixture.h"
#include "domain/account.h"
#include "domain/files.h"
#include "domain/relay.h"
#include "mail/mail.h"
#include "store/internal.h"

static void store_refuses_newer_schema(void **state)
{
	struct site *s = *state;
	char path[MGR_PATH_MAX];
	struct mgr_store *other;
	int64_t version = 0;
	sqlite3 *raw;
	assert_int_equal(mgr_path(path, s->dir, "newer.db"), 0);
	assert_int_equal(mgr_store_open(path, MGR_STORE_OPEN, NULL, &other), CV_ENOTFOUND);
	assert_int_equal(mgr_store_open(path, MGR_STORE_CREATE, NULL, &other), 0);
	mgr_store_close(other);
	assert_int_equal(mgr_store_open(path, MGR_STORE_OPEN, &version, &other), 0);
	assert_int_equal(version, mgr_store_schema());
	mgr_store_close(other);
	assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
	assert_int_equal(sqlite3_exec(raw, "PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(mgr_store_open(path, MGR_STORE_LOOK, &version, &other), 0);
		assert_int_equal(version, 1);
		mgr_store_close(other);
	}
	assert_int_equal(sqlite3_exec(raw, "PRAGMA user_version = 9999", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(raw);
	assert_int_equal(mgr_store_open(path, MGR_STORE_OPEN, &version, &other), CV_EUNSUPPORTED);
	assert_int_equal(version, 9999);
}

static void store_keeps_foreign_keys_and_rolls_back(void **state)
{
	struct site *s = *state;
	uint8_t nobody[MGR_ID_LEN] = {9}, hash[MGR_HASH_LEN] = {7};
	struct mgr_session session = {.expires = s->now + 60};
	memcpy(session.user_id, nobody, sizeof nobody);
	assert_int_equal(mgr_store_session_add(s->app.store, hash, &session), CV_EEXIST);
	assert_int_equal(mgr_store_begin(s->app.store), 0);
	assert_int_equal(mgr_store_setting_set(s->app.store, "x", "1"), 0);
	mgr_store_rollback(s->app.store);
	char value[8];
	assert_int_equal(mgr_store_setting_get(s->app.store, "x", value, sizeof value), CV_ENOTFOUND);
}

/* A full disk: what the log says afterwards names it, whoever rolled back. */
static void store_tells_the_cause(void **state)
{
	struct site *s = *state;
	char large[8192];
	int r = 0;
	memset(large, 'x', sizeof large - 1);
	large[sizeof large - 1] = 0;
	assert_int_equal(s->app.store->db->ops->script(s->app.store->db, "PRAGMA max_page_count = 1"), 0);
	assert_int_equal(mgr_store_begin(s->app.store), 0);
	for (char name[] = "a"; r == 0 && *name <= 'z'; ++*name)
		r = mgr_store_setting_set(s->app.store, name, large);
	assert_int_equal(r, CV_EIO);
	mgr_store_rollback(s->app.store);
	assert_non_null(strstr(mgr_store_error(s->app.store), "full"));
	assert_int_equal(s->app.store->db->ops->script(s->app.store->db, "PRAGMA max_page_count = 1000000"), 0);
	assert_int_equal(mgr_store_begin(s->app.store), 0);
	assert_null(strstr(mgr_store_error(s->app.store), "full"));
	assert_int_equal(mgr_store_commit(s->app.store), 0);
}

static void emails_are_normalised(void **state)
{
	struct site *s = *state;
	static const char *const good[][2] = {{" Ada@Example.ORG ", "ada@example.org"},
					      {"a.b+c@x-y.example", "a.b+c@x-y.example"},
					      {"root@localhost", "root@localhost"}};
	static const char *const bad[] = {"",        "a",        "@b.c",   "a@",          "a b@c.d",
					  "a@b..c",  "a..b@c.d", ".a@c.d", "a@-b.c",      "a@b.c\r\nBcc: x@y.z",
					  "a@b@c",   "<a@b.c>",  "a@b_c",  "a@b.c,d@e.f", "é@b.c",
					  "a\"b@c.d"};
	char email[MGR_EMAIL_MAX + 1];
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(mgr_email_normalise(&s->app, good[i][0], email), 0);
		assert_string_equal(email, good[i][1]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(mgr_email_normalise(&s->app, bad[i], email), MGR_EREQUEST);
}

static void listen_addresses_and_urls(void **state)
{
	struct mgr_listen l;
	char host[64];
	assert_int_equal(mgr_listen_parse("8443", &l), 0);
	assert_int_equal(l.port, 8443);
	assert_string_equal(l.host, "");
	assert_int_equal(mgr_listen_parse("[::1]:1", &l), 0);
	assert_string_equal(l.host, "::1");
	assert_false(l.ipv4);
	assert_int_equal(mgr_listen_parse("127.0.0.1:65535", &l), 0);
	assert_true(l.ipv4);
	assert_int_equal(mgr_listen_parse("0", &l), CV_EFORMAT);
	assert_int_equal(mgr_listen_parse("65536", &l), CV_EFORMAT);
	assert_int_equal(mgr_listen_parse("x", &l), CV_EFORMAT);
	assert_int_equal(mgr_url_check("https://[::1]:8443", host, sizeof host), 0);
	assert_string_equal(host, "::1");
	assert_int_equal(mgr_url_check("https://a.b", host, sizeof host), 0);
	static const char *const bad[] = {"http://a.b",  "https://",        "https://a.b/", "https://a.b:0",
					  "https://u@a", "https://a.b?x=1", "https://a b",  "https://a:b"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(mgr_url_check(bad[i], NULL, 0), CV_EFORMAT);
}

static void link_works_once_and_expires(void **state)
{
	struct site *s = *state;
	char first[MGR_TOKEN_TEXT], second[MGR_TOKEN_TEXT], third[MGR_TOKEN_TEXT];
	link_make(s, "ada@example.org", first);
	assert_int_equal(ask(s, NULL, "POST", "/api/v1/validation/show", json_pack("{s:s}", "token", first)), 200);
	assert_string_equal(json_string_value(json_object_get(s->json, "email")), "ada@example.org");
	assert_int_equal(ask(s, NULL, "POST", "/api/v1/validation/show", json_pack("{s:s}", "token", "nonsense")), 404);
	assert_string_equal(problem_name(s), "link-unknown");
	/* A new link makes the old one void. */
	link_make(s, "ada@example.org", second);
	assert_int_equal(ask(s, NULL, "POST", "/api/v1/validation/show", json_pack("{s:s}", "token", first)), 410);
	/* Showing and starting do not use it up, finishing does. */
	assert_int_equal(ask(s, NULL, "POST", "/api/v1/validation/show", json_pack("{s:s}", "token", second)), 200);
	assert_int_equal(validate(s, second, "correct horse battery"), 204);
	assert_int_equal(validate(s, second, "correct horse battery"), 410);
	assert_string_equal(problem_name(s), "link-used");
	link_make(s, "ada@example.org", third);
	s->now += 7 * 86400 + 1;
	assert_int_equal(validate(s, third, "correct horse battery"), 410);
	assert_string_equal(problem_name(s), "link-expired");
}

static void finish_refuses_bad_records_and_names(void **state)
{
	struct site *s = *state;
	char token[MGR_TOKEN_TEXT];
	char zeros[CV_B64_LEN(192) + 1];
	uint8_t record[192] = {0};
	cv_b64_encode(zeros, record, sizeof record);
	link_make(s, "ada@example.org", token);
	assert_int_equal(ask(s, NULL, "POST", "/api/v1/validation/finish",
			     json_pack("{s:s, s:s, s:s, s:s}", "token", token, "first_name", "A", "last_name", "L",
				       "registration_record", zeros)),
			 400);
	assert_int_equal(ask(s, NULL, "POST", "/api/v1/validation/finish",
			     json_pack("{s:s, s:s, s:s, s:s}", "token", token, "first_name", "A\xe2\x80\xae",
				       "last_name", "L", "registration_record", zeros)),
			 400);
	assert_string_equal(problem_name(s), "bad-request");
	/* The link is still good. */
	assert_int_equal(validate(s, token, "correct horse battery"), 204);
}

static void tokens_are_not_in_the_database(void **state)
{
	struct site *s = *state;
	struct device admin;
	char path[MGR_PATH_MAX], token[MGR_TOKEN_TEXT];
	struct cv_buf file;
	member_make(s, "root@example.org", MGR_ROLE_ADMINISTRATOR, &admin, NULL);
	assert_int_equal(ask(s, &admin, "POST", "/api/v1/users", json_pack("{s:s}", "email", "new@example.org")), 201);
	assert_int_equal(mgr_mail_flush(s->app.store, &s->conf, &s->keys, s->now), 0);
	assert_int_equal(mgr_path(path, s->conf.outbox, "00000001.eml"), 0);
	cv_buf_init(&file, 1 << 20);
	assert_int_equal(cv_file_read(path, &file), 0);
	assert_int_equal(cv_buf_put_u8(&file, 0), 0);
	const char *t = strstr((char *)file.data, "#t=3D");
	assert_non_null(t);
	link_make(s, "other@example.org", token);
	cv_buf_reset(&file);
	cv_buf_done(&file);
	site_reopen(s); /* checkpoints */
	cv_buf_init(&file, 1 << 24);
	assert_int_equal(mgr_path(path, s->dir, MGR_DB_FILE), 0);
	assert_int_equal(cv_file_read(path, &file), 0);
	assert_null(memmem(file.data, file.len, token, strlen(token)));
	assert_null(memmem(file.data, file.len, admin.token, strlen(admin.token)));
	assert_null(memmem(file.data, file.len, "Open this link", 14));
	assert_non_null(memmem(file.data, file.len, "other@example.org", 17));
	cv_buf_done(&file);
}

static void mail_waits_and_backs_off(void **state)
{
	struct site *s = *state;
	struct device admin;
	struct mgr_mail mail = {0};
	struct cv_buf sealed;
	int64_t due = 0;
	char *outbox = s->conf.outbox;
	member_make(s, "root@example.org", MGR_ROLE_ADMINISTRATOR, &admin, NULL);
	assert_int_equal(ask(s, &admin, "POST", "/api/v1/users", json_pack("{s:s}", "email", "new@example.org")), 201);
	/* The outbox cannot be written: the message stays, survives a restart, and is due later. */
	s->conf.outbox = (char *)"/proc/nowhere/outbox";
	assert_int_equal(mgr_mail_flush(s->app.store, &s->conf, &s->keys, s->now), 0);
	site_reopen(s);
	assert_int_equal(mgr_store_mail_next_due(s->app.store, &due), 0);
	assert_true(due > s->now);
	cv_buf_init(&sealed, MGR_MAIL_MAX);
	assert_int_equal(mgr_store_mail_next(s->app.store, s->now, &mail, &sealed), CV_ENOTFOUND);
	assert_int_equal(mgr_store_mail_next(s->app.store, due, &mail, &sealed), 0);
	assert_string_equal(mail.recipient, "new@example.org");
	assert_int_equal(mail.attempts, 1);
	cv_buf_done(&sealed);
	s->conf.outbox = outbox;
	assert_int_equal(mgr_mail_flush(s->app.store, &s->conf, &s->keys, due), 0);
	assert_int_equal(mgr_store_mail_next_due(s->app.store, &due), CV_ENOTFOUND);
	/* Given up after days of trying. */
	assert_int_equal(ask(s, &admin, "POST", "/api/v1/users", json_pack("{s:s}", "email", "third@example.org")),
			 201);
	s->conf.outbox = (char *)"/proc/nowhere/outbox";
	assert_int_equal(mgr_mail_flush(s->app.store, &s->conf, &s->keys, s->now + 4 * 86400), 0);
	assert_int_equal(mgr_store_mail_next_due(s->app.store, &due), CV_ENOTFOUND);
	s->conf.outbox = outbox;
}

static size_t outbox_count(const struct site *s)
{
	DIR *d = opendir(s->conf.outbox);
	size_t n = 0;
	if (!d)
		return 0;
	for (const struct dirent *e; (e = readdir(d));)
		n += strstr(e->d_name, ".eml") != NULL;
	closedir(d);
	return n;
}

/* A database that takes no more writes must not make a mail come again and again. */
static void mail_is_not_sent_before_it_is_noted(void **state)
{
	static const struct {
		const char *trigger;
		size_t sent;
	} cases[] = {{"BEFORE UPDATE OF due ON mail", 0}, {"BEFORE UPDATE OF sent ON mail", 1}};
	struct site *s = *state;
	struct device admin;
	char path[MGR_PATH_MAX], sql[128];
	int64_t due = 0;
	sqlite3 *raw;
	member_make(s, "root@example.org", MGR_ROLE_ADMINISTRATOR, &admin, NULL);
	assert_int_equal(ask(s, &admin, "POST", "/api/v1/users", json_pack("{s:s}", "email", "new@example.org")), 201);
	assert_int_equal(mgr_path(path, s->dir, MGR_DB_FILE), 0);
	assert_int_equal(sqlite3_open(path, &raw), SQLITE_OK);
	for (size_t i = 0; i < 2; i++) {
		snprintf(sql, sizeof sql, "CREATE TRIGGER full %s BEGIN SELECT RAISE(ABORT, 'full'); END",
			 cases[i].trigger);
		assert_int_equal(sqlite3_exec(raw, sql, NULL, NULL, NULL), SQLITE_OK);
		for (int again = 0; again < 3; again++)
			(void)!mgr_mail_flush(s->app.store, &s->conf, &s->keys, s->now);
		assert_int_equal(outbox_count(s), cases[i].sent);
		assert_int_equal(sqlite3_exec(raw, "DROP TRIGGER full", NULL, NULL, NULL), SQLITE_OK);
	}
	sqlite3_close(raw);
	assert_int_equal(mgr_store_mail_next_due(s->app.store, &due), 0);
	assert_true(due > s->now);
}

static json_t *invite(const char *email, const char *role)
{
	return json_pack("{s:s, s:s}", "email", email, "role", role);
}

static void administrators_manage_accounts(void **state)
{
	struct site *s = *state;
	struct device admin, user;
	uint8_t admin_id[MGR_ID_LEN], user_id[MGR_ID_LEN];
	char path[128], hex[33];
	member_make(s, "root@example.org", MGR_ROLE_ADMINISTRATOR, &admin, admin_id);
	member_make(s, "user@example.org", MGR_ROLE_USER, &user, user_id);
	assert_int_equal(ask(s, &admin, "POST", "/api/v1/users", invite("New@Example.org", "organiser")), 201);
	assert_string_equal(json_string_value(json_object_get(s->json, "state")), "invited");
	/* Inviting again sends a new link; a validated account is there already. */
	assert_int_equal(ask(s, &admin, "POST", "/api/v1/users", invite("new@example.org", "user")), 201);
	assert_int_equal(ask(s, &admin, "POST", "/api/v1/users", invite("user@example.org", "user")), 409);
	assert_string_equal(problem_name(s), "account-exists");
	assert_int_equal(ask(s, &admin, "POST", "/api/v1/users", invite("x@example.org", "god")), 400);
	assert_int_equal(ask(s, &admin, "GET", "/api/v1/users", NULL), 200);
	assert_int_equal(json_array_size(json_object_get(s->json, "users")), 3);
	/* The last administrator stays one. */
	cv_hex_encode(hex, admin_id, MGR_ID_LEN);
	snprintf(path, sizeof path, "/api/v1/users/%s", hex);
	assert_int_equal(ask(s, &admin, "PATCH", path, json_pack("{s:s}", "role", "user")), 409);
	assert_string_equal(problem_name(s), "last-administrator");
	assert_int_equal(ask(s, &admin, "PATCH", path, json_pack("{s:b}", "disabled", 1)), 409);
	/* Disabling ends the sessions. */
	assert_int_equal(ask(s, &user, "GET", "/api/v1/auth/whoami", NULL), 200);
	cv_hex_encode(hex, user_id, MGR_ID_LEN);
	snprintf(path, sizeof path, "/api/v1/users/%s", hex);
	assert_int_equal(ask(s, &admin, "PATCH", path, json_pack("{s:b}", "disabled", 1)), 200);
	assert_int_equal(ask(s, &user, "GET", "/api/v1/auth/whoami", NULL), 401);
	assert_string_equal(problem_name(s), "not-signed-in");
	snprintf(path, sizeof path, "/api/v1/users/%s/link", hex);
	assert_int_equal(ask(s, &admin, "POST", path, NULL), 409);
}

static void mail_is_well_formed(void **state)
{
	struct site *s = *state;
	struct cv_buf mime, ics;
	cv_buf_init(&mime, 1 << 20);
	cv_buf_init(&ics, 1 << 20);
	struct mgr_calendar c = {.uid = "1@x",
				 .title = "Réunion; a,b\nATTENDEE:mailto:evil@x",
				 .description = "d",
				 .organiser_name = "Ada",
				 .organiser_email = "ada@example.org",
				 .attendee_email = "bob@example.org",
				 .start = 1800000000,
				 .duration_minutes = 30,
				 .stamp = s->now};
	assert_int_equal(mgr_calendar_build(&c, &ics), 0);
	assert_non_null(strstr((char *)ics.data, "DTSTART:20270115T080000Z"));
	assert_null(strstr((char *)ics.data, "\r\nATTENDEE:mailto:evil"));
	struct mgr_message m = {.from = "Conclave <conclave@manager.example>",
				.to = "bob@example.org",
				.to_name = "Bob, \"the\" <x>",
				.subject = "Sujet é\r\nBcc: evil@example.org",
				.text = "Text é\n.\n",
				.html = "<p>x</p>",
				.calendar = (char *)ics.data,
				.calendar_method = "REQUEST",
				.id_host = "manager.example",
				.date = s->now};
	assert_int_equal(mgr_mime_build(&s->app, &m, &mime), 0);
	assert_int_equal(cv_buf_put_u8(&mime, 0), 0);
	assert_null(strstr((char *)mime.data, "\r\nBcc:"));
	assert_non_null(strstr((char *)mime.data, "text/calendar"));
	assert_non_null(strstr((char *)mime.data, "method=REQUEST"));
	cv_buf_done(&mime);
	cv_buf_done(&ics);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, site_setup, site_teardown)
	const struct CMUnitTest tests[] = {
		T(store_refuses_newer_schema),
		T(store_keeps_foreign_keys_and_rolls_back),
		T(store_tells_the_cause),
		T(emails_are_normalised),
		T(listen_addresses_and_urls),
		T(link_works_once_and_expires),
		T(finish_refuses_bad_records_and_names),
		T(tokens_are_not_in_the_database),
		T(mail_waits_and_backs_off),
		T(mail_is_not_sent_before_it_is_noted),
		T(administrators_manage_accounts),
		T(mail_is_well_formed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
