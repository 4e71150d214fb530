/* SPDX-License-Identifier: Apache-2.0 */
/* Work in the background: epoch reports to the manager, the security code, other calls. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include <base/alloc.h>
#include <base/text.h>
#include <base/time.h>

#include <client/signin.h>

#include "meeting_internal.h"

#define REPORTERS     3 /* the lowest leaves report regularly */
#define TELL_ATTEMPTS 4 /* 1, 2 and 4 seconds apart */
#define CODE_LEN      48
#define CODE_MEM      (64u << 20)
#define CODE_OPS      3
/*
 * An epoch begins with key pictures for a newcomer. The code can wait until they are through, and members that share a
 * machine (terminal servers, several clients on one desk) take turns.
 */
#define CODE_AFTER_US 1000000
#define CODE_TURN_US  300000
#define CODE_TURNS    4

struct post_job {
	struct client_job job;
	struct client_meeting *m;
	char path[128];
	json_t *body, *answer;
	struct client_error err;
	bool report, loud;
	uint64_t epoch;
	int result;
	const char *undone; /* what is not done when the manager is not told; NULL: it need not be */
	unsigned attempts;
	int64_t due_us;
	struct post_job *next; /* while untold */
};

static void post_run(struct client_job *job)
{
	struct post_job *p = (struct post_job *)job;

	/* Without an api there has been no join, and there is nothing to report. */
	if (p->m->api == NULL)
		p->result = CV_ESTATE;
	else
		p->result = client_api_call(p->m->api, "POST", p->path, p->body, 0, &p->answer, &p->err);
}

/* Regular reports come from a few: whoever is told passes it on, so that everybody hears of it. */
static void pass_on(struct client_meeting *m, uint64_t epoch)
{
	PB(AppMessage) msg = PB_INIT(APP_MESSAGE);
	PB(Alarm) alarm = PB_INIT(ALARM);

	alarm.epoch = epoch;
	msg.body_case = PB_APP(ALARM);
	msg.alarm = &alarm;
	(void)!client_tunnel_app(m, &msg);
}

void client_report_alarm(struct client_meeting *m, uint64_t epoch, const struct client_member *by)
{
	/* One is enough: a member that cries wolf does it once. */
	if (m->alarmed)
		return;
	m->alarmed = true;
	m->alarmed_epoch = epoch;
	client_meeting_tell(m,
			    &(struct client_meeting_event){.kind = CLIENT_MEETING_ALARM, .epoch = epoch, .member = by});
	if (by == NULL)
		pass_on(m, epoch);
}

static void report_answer(struct client_meeting *m, const struct post_job *p)
{
	const json_t *alarm = json_object_get(p->answer, "alarm");
	uint64_t epoch;

	m->reporting = false;
	if (m->phase != PHASE_IN)
		return;
	if (p->result == 0 && json_is_object(alarm) && client_meeting_group(m) != NULL) {
		const json_t *e = json_object_get(alarm, "epoch");

		epoch = json_is_integer(e) ? (uint64_t)json_integer_value(e) : p->epoch;
		client_report_alarm(m, epoch, NULL);
	}
	if (p->result == 0 && json_is_true(json_object_get(p->answer, "cancelled")))
		client_meeting_refused(m, "meeting-cancelled", "the meeting was cancelled");
	else if (p->result == 0 && json_is_true(json_object_get(p->answer, "ended")))
		client_meeting_over(m, CLIENT_DONE, "the meeting has ended");
	else if (p->result == CV_EDENIED && strcmp(p->err.problem, "removed") == 0)
		client_meeting_refused(m, "removed", "removed from this meeting");
	else if (p->result == CV_EDENIED && strcmp(p->err.problem, "other-relay") == 0)
		client_meeting_over(m, CLIENT_UNREACHABLE, "the meeting is on another relay: join again");
}

static void post_free(struct post_job *p)
{
	json_decref(p->body);
	json_decref(p->answer);
	cv_free(p);
}

static void tell_failed(struct client_meeting *m, const struct post_job *p)
{
	client_meeting_warn(m, "%s: %s", p->undone,
			    p->err.text[0] != '\0' ? p->err.text : "the manager was not reached");
}

/* True: it waits for another attempt. */
static bool told_later(struct client_meeting *m, struct post_job *p)
{
	if (p->undone == NULL || p->result == 0 || m->phase == PHASE_ENDED)
		return false;
	if (++p->attempts >= TELL_ATTEMPTS) {
		tell_failed(m, p);
		return false;
	}
	p->due_us = cv_now_us() + ((int64_t)1000000 << (p->attempts - 1));
	p->next = m->untold;
	m->untold = p;
	return true;
}

static void post_done(struct client_job *job)
{
	struct post_job *p = (struct post_job *)job;
	struct client_meeting *m = p->m;

	if (p->report)
		report_answer(m, p);
	else if (p->loud && p->result != 0 && m->phase != PHASE_ENDED)
		client_meeting_warn(m, "%s", p->err.text);
	if (!p->report && m->phase == PHASE_LEAVING)
		m->left_manager = true;
	if (!told_later(m, p))
		post_free(p);
}

static void post(struct client_meeting *m, const char *path, json_t *body, bool report, bool loud, const char *undone)
{
	struct post_job *p = cv_calloc(1, sizeof(*p));

	if (p == NULL) {
		json_decref(body);
		return;
	}
	p->job.run = post_run;
	p->job.done = post_done;
	p->m = m;
	p->body = body;
	p->report = report;
	p->loud = loud;
	p->undone = undone;
	p->epoch = m->group != NULL ? client_group_epoch(m->group) : 0;
	snprintf(p->path, sizeof(p->path), "%s", path);
	if (report)
		m->reporting = true;
	if (client_worker_submit(m->http, &p->job) != 0) {
		if (report)
			m->reporting = false;
		post_free(p);
	}
}

void client_report_post(struct client_meeting *m, const char *path, json_t *body, bool loud)
{
	post(m, path, body, false, loud, NULL);
}

void client_report_tell(struct client_meeting *m, const char *what, json_t *body, const char *undone)
{
	char path[128], run[2 * CLIENT_ID_LEN + 1];

	cv_hex_encode(run, m->info.run_id, CLIENT_ID_LEN);
	snprintf(path, sizeof(path), "/runs/%s/%s", run, what);
	post(m, path, body, false, false, undone);
}

void client_report_retell(struct client_meeting *m, int64_t now_us)
{
	struct post_job *list = m->untold, *next;

	m->untold = NULL;
	for (struct post_job *p = list; p != NULL; p = next) {
		next = p->next;
		p->next = NULL;
		if (p->due_us <= now_us) {
			client_error_clear(&p->err);
			if (client_worker_submit(m->http, &p->job) == 0)
				continue;
		}
		p->next = m->untold;
		m->untold = p;
	}
}

void client_report_untold(struct client_meeting *m, bool quiet)
{
	while (m->untold != NULL) {
		struct post_job *p = m->untold;

		m->untold = p->next;
		if (!quiet)
			tell_failed(m, p);
		post_free(p);
	}
}

void client_report_epoch(struct client_meeting *m)
{
	uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN], hash[CLIENT_HASH_LEN];
	char path[128], run[2 * CLIENT_ID_LEN + 1], text[CV_B64_LEN(CLIENT_HASH_LEN) + 1];
	json_t *body;

	if (m->reporting || client_group_authenticator(m->group, authenticator) != 0)
		return;
	proto_sha256(authenticator, sizeof(authenticator), hash);
	client_hooks_report(m->hooks, hash);
	cv_wipe(authenticator, sizeof(authenticator));
	cv_hex_encode(run, m->info.run_id, CLIENT_ID_LEN);
	cv_b64_encode(text, hash, sizeof(hash));
	snprintf(path, sizeof(path), "/runs/%s/report", run);
	body = json_object();
	json_object_set_new(body, "epoch", json_integer((json_int_t)client_group_epoch(m->group)));
	json_object_set_new(body, "authenticator_hash", json_string(text));
	json_object_set_new(body, "members", json_integer((json_int_t)client_group_count(m->group)));
	cv_hex_encode(run, m->home, CLIENT_ID_LEN);
	json_object_set_new(body, "relay", json_string(run));
	m->report_us = cv_now_us();
	post(m, path, body, true, false, NULL);
}

/* ---- security code */

struct code_job {
	struct client_job job;
	struct client_meeting *m;
	uint64_t epoch;
	bool apart; /* for a comparison, beside the one at a time */
	uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN];
	char text[CLIENT_SECURITY_CODE_LEN];
	int result;
};

int client_security_code(const uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN], char ret[CLIENT_SECURITY_CODE_LEN])
{
	static const char label[] = "Conclave 1 Security Code";
	uint8_t salt[CLIENT_HASH_LEN], out[CODE_LEN];
	char *p = ret;

	proto_sha256(label, sizeof(label) - 1, salt);
	if (crypto_pwhash_argon2id(out, sizeof(out), (const char *)authenticator, CLIENT_AUTHENTICATOR_LEN, salt,
				   CODE_OPS, CODE_MEM, crypto_pwhash_argon2id_ALG_ARGON2ID13) != 0)
		return CV_ENOMEM;
	for (int i = 0; i < 6; i++) {
		uint64_t v = 0;

		for (int k = 0; k < 8; k++)
			v = v << 8 | out[8 * i + k];
		p += snprintf(p, 7, i == 0 ? "%05u" : " %05u", (unsigned)(v % 100000));
	}
	return 0;
}

static void code_run(struct client_job *job)
{
	struct code_job *c = (struct code_job *)job;

	c->result = client_security_code(c->authenticator, c->text);
	cv_wipe(c->authenticator, sizeof(c->authenticator));
}

static void code_done(struct client_job *job)
{
	struct code_job *c = (struct code_job *)job;
	struct client_meeting *m = c->m;

	if (!c->apart)
		m->coding = false;
	client_code_known(m, c->epoch, c->result == 0 ? c->text : NULL);
	cv_free_wiped(c, sizeof(*c));
	if (!m->coding && m->code_due && m->phase == PHASE_IN)
		client_report_code(m);
}

static int code_submit(struct client_meeting *m, uint64_t epoch, const uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN],
		       bool apart)
{
	struct code_job *c = cv_calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return CV_ENOMEM;
	c->job.run = code_run;
	c->job.done = code_done;
	c->m = m;
	c->epoch = epoch;
	c->apart = apart;
	memcpy(c->authenticator, authenticator, CLIENT_AUTHENTICATOR_LEN);
	r = client_worker_submit(m->cpu, &c->job);
	if (r != 0)
		cv_free_wiped(c, sizeof(*c));
	return r;
}

/* One at a time; epochs that pass meanwhile are left out. */
void client_report_code(struct client_meeting *m)
{
	uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN];

	m->code_due = m->coding;
	if (m->coding || m->group == NULL || client_code_told(m))
		return;
	if (client_group_authenticator(m->group, authenticator) == 0 &&
	    code_submit(m, client_group_epoch(m->group), authenticator, false) == 0) {
		m->coding = true;
		m->coding_epoch = client_group_epoch(m->group);
	}
	cv_wipe(authenticator, sizeof(authenticator));
}

int client_report_code_of(struct client_meeting *m, uint64_t epoch,
			  const uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN])
{
	bool apart = m->coding;
	int r;

	if (m->coding && m->coding_epoch == epoch)
		return 0;
	r = code_submit(m, epoch, authenticator, apart);
	if (r == 0 && !apart) {
		m->coding = true;
		m->coding_epoch = epoch;
	}
	return r;
}

void client_report_code_later(struct client_meeting *m)
{
	uint32_t turn = client_group_leaf(m->group) % CODE_TURNS;

	if (m->code_us == 0)
		m->code_us = cv_now_us() + CODE_AFTER_US + turn * CODE_TURN_US;
}

static void code_tick(struct client_meeting *m, int64_t now_us)
{
	if (m->code_us == 0 || now_us < m->code_us)
		return;
	m->code_us = 0;
	client_report_code(m);
}

void client_report_tick(struct client_meeting *m, int64_t now_us)
{
	code_tick(m, now_us);
	if (now_us - m->report_us < client_hooks_time(m->hooks, HOOK_REPORT, CLIENT_REPORT_US, 1000000))
		return;
	if (client_group_rank(m->group, client_group_leaf(m->group)) < REPORTERS)
		client_report_epoch(m);
}

/* ---- the identity certificate lives 24 hours, a meeting may live longer */

struct renew_job {
	struct client_job job;
	struct client_meeting *m;
	struct client_error err;
	uint64_t least;
	int result;
};

static void renew_run(struct client_job *job)
{
	struct renew_job *r = (struct renew_job *)job;

	r->result = client_renew_certificate(r->m->api, r->m->profile, r->m->clock, r->least, &r->err);
}

static void renew_done(struct client_job *job)
{
	struct renew_job *r = (struct renew_job *)job;
	struct client_meeting *m = r->m;

	m->asking = m->renewing = false;
	if (r->result == 0) {
		m->renew_failed = false;
		m->profile_dirty = true;
		memcpy(m->cert, m->profile->cert, sizeof(m->cert));
		if (m->phase == PHASE_IN)
			(void)!client_meeting_op(m, &(struct op){.kind = OP_PATH, .renew = true});
	} else if (m->phase != PHASE_ENDED) {
		/* Tried again, said once; the members do not throw out by the clock. */
		if (!m->renew_failed)
			client_meeting_warn(m, "the identity certificate cannot be renewed: %s", r->err.text);
		m->renew_failed = true;
	}
	cv_free(r);
}

uint64_t client_report_renew_at(const struct client_meeting *m)
{
	return (uint64_t)client_hooks_time(m->hooks, HOOK_RENEW, CLIENT_CERTIFICATE_LEFT, 1);
}

void client_report_renew(struct client_meeting *m)
{
	struct renew_job *r = cv_calloc(1, sizeof(*r));

	if (r == NULL || m->api == NULL) {
		cv_free(r);
		return;
	}
	r->job.run = renew_run;
	r->job.done = renew_done;
	r->m = m;
	r->least = client_report_renew_at(m);
	m->renew_us = cv_now_us();
	m->renewing = m->asking = true;
	if (client_worker_submit(m->http, &r->job) != 0) {
		m->renewing = m->asking = false;
		cv_free(r);
	}
}

/* ---- files are measured before they are offered */

struct measure_job {
	struct client_job job;
	struct client_meeting *m;
	char *path;
	uint64_t size;
	uint8_t sha256[CLIENT_HASH_LEN];
	int result, error; /* errno with CV_EIO */
};

static void measure_run(struct client_job *job)
{
	struct measure_job *f = (struct measure_job *)job;

	f->result = client_file_measure(f->path, &f->size, f->sha256);
	f->error = errno;
}

static void measure_done(struct client_job *job)
{
	struct measure_job *f = (struct measure_job *)job;
	struct client_meeting *m = f->m;
	uint8_t id[CLIENT_ID_LEN];
	int r = f->result;

	if (m->phase == PHASE_IN) {
		if (r == 0)
			r = client_files_offer(m->files, f->path, f->size, f->sha256, id);
		if (r == CV_EDENIED)
			client_meeting_warn(m, "%s cannot be sent: no right to share, or file transfer is switched off",
					    f->path);
		else if (r != 0)
			client_meeting_warn(m, "%s cannot be sent: %s", f->path,
					    r == CV_EIO && f->result == CV_EIO ? strerror(f->error) : cv_strerror(r));
	}
	cv_free(f->path);
	cv_free(f);
}

int client_meeting_send_file(struct client_meeting *m, const char *path)
{
	struct measure_job *f;
	int r;

	if (m->phase != PHASE_IN)
		return CV_ESTATE;
	f = cv_calloc(1, sizeof(*f));
	if (f == NULL)
		return CV_ENOMEM;
	f->job.run = measure_run;
	f->job.done = measure_done;
	f->m = m;
	f->path = cv_strdup(path);
	r = f->path != NULL ? client_worker_submit(m->cpu, &f->job) : CV_ENOMEM;
	if (r != 0) {
		cv_free(f->path);
		cv_free(f);
	}
	return r;
}
