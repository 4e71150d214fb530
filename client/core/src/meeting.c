/* SPDX-License-Identifier: Apache-2.0 */
/* Life of a meeting and the commands of the user interface. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <base/alloc.h>
#include <base/text.h>
#include <base/time.h>

#include "meeting_internal.h"

#define TICK_US       100000
#define LEAVE_US      2000000
#define SAVE_AGAIN_US 30000000

void client_meeting_tell(struct client_meeting *m, const struct client_meeting_event *e)
{
	m->cb.event(m->cb.ctx, e);
}

void client_meeting_warn(struct client_meeting *m, const char *format, ...)
{
	char text[CLIENT_ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_ERROR, .text = text});
}

/* What the code of an ending is when only its outcome is known. */
static int code_of(enum client_outcome outcome)
{
	switch (outcome) {
	case CLIENT_DONE: return 0;
	case CLIENT_USAGE: return CV_EINVAL;
	case CLIENT_REFUSED: return CV_EDENIED;
	case CLIENT_UNREACHABLE: return CV_ECLOSED;
	default: return CV_EAUTH;
	}
}

__attribute__((format(printf, 3, 0))) static void set_end(struct client_error *e, enum client_outcome outcome,
							  const char *format, va_list ap)
{
	char text[CLIENT_ERROR_TEXT_MAX];

	vsnprintf(text, sizeof(text), format, ap);
	client_error_clear(e);
	client_fail(e, code_of(outcome), outcome, "%s", text);
}

void client_meeting_failed(struct client_meeting *m, const struct client_error *err)
{
	if (m->phase == PHASE_ENDED)
		return;
	if (client_hooks_stay(m->hooks) && m->phase == PHASE_IN && m->group != NULL && !client_group_active(m->group)) {
		client_join_cut(m);
		return;
	}
	m->end = *err;
	/* A leave that was asked for is done, however the connection ended. */
	if (m->phase == PHASE_LEAVING)
		m->end = (struct client_error){.outcome = CLIENT_DONE, .text = "left"};
	if (m->end.outcome == CLIENT_DONE && m->alarmed) {
		m->end = (struct client_error){.code = CV_EAUTH, .outcome = CLIENT_SECURITY};
		snprintf(m->end.text, sizeof(m->end.text),
			 "different groups were shown to different people (epoch %llu): do not trust this meeting",
			 (unsigned long long)m->alarmed_epoch);
	}
	client_report_untold(m, false);
	m->phase = PHASE_ENDED;
	cv_timer_stop(&m->tick);
	cv_timer_stop(&m->retry);
	client_join_cut(m);
	client_meeting_save_profile(m);
	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_LEFT,
							      .outcome = m->end.outcome,
							      .text = m->end.text,
							      .error = &m->end});
}

void client_meeting_over(struct client_meeting *m, enum client_outcome outcome, const char *format, ...)
{
	struct client_error e;
	va_list ap;

	va_start(ap, format);
	set_end(&e, outcome, format, ap);
	va_end(ap);
	client_meeting_failed(m, &e);
}

void client_meeting_refused(struct client_meeting *m, const char *problem, const char *format, ...)
{
	struct client_error e;
	va_list ap;

	va_start(ap, format);
	set_end(&e, CLIENT_REFUSED, format, ap);
	va_end(ap);
	snprintf(e.problem, sizeof(e.problem), "%s", problem);
	client_meeting_failed(m, &e);
}

void client_join_info_done(struct join_info *info)
{
	cv_free(info->ticket);
	cv_free(info->admission);
	cv_free(info->grant);
	cv_wipe(info, sizeof(*info));
}

const struct client_trust *client_meeting_trust(const struct client_meeting *m)
{
	return m->trusts != NULL ? &m->trusts->trust : NULL;
}

void client_meeting_save_profile(struct client_meeting *m)
{
	struct client_error err = {0};
	int64_t now = cv_now_us();
	bool told = m->save_again_us != 0;

	if (!m->profile_dirty || m->asking || (now < m->save_again_us && m->phase != PHASE_ENDED))
		return;
	if (client_profile_save(m->profile, &err) == 0) {
		m->profile_dirty = false;
		m->save_again_us = 0;
		return;
	}
	m->save_again_us = now + SAVE_AGAIN_US;
	if (!told)
		client_meeting_warn(m, "%s", err.text);
}

static void tick(void *arg)
{
	struct client_meeting *m = arg;
	int64_t now = cv_now_us();

	cv_timer_set(&m->tick, TICK_US);
	if (m->media != NULL)
		client_media_tick(m->media, now);
	if (m->compare != NULL)
		client_compare_tick(m->compare, now);
	if (m->phase == PHASE_LEAVING && (now - m->leave_us > LEAVE_US || (m->tunnel == NULL && m->left_manager))) {
		client_meeting_over(m, CLIENT_DONE, "left");
		return;
	}
	if (m->phase == PHASE_WAITING && now - m->welcome_us > CLIENT_WELCOME_US) {
		client_meeting_over(m, CLIENT_UNREACHABLE, "nobody in the meeting answered");
		return;
	}
	if (m->phase == PHASE_IN) {
		client_meeting_group_tick(m, now);
		client_report_tick(m, now);
	} else if (m->lost_us != 0 && m->group != NULL && client_group_active(m->group)) {
		/* Still a member: when the relay is lost to all, the manager must not take the run for dead. */
		client_report_tick(m, now);
	}
	if (now - m->second_us >= 1000000) {
		m->second_us = now;
		client_report_retell(m, now);
		if (m->files != NULL && m->phase == PHASE_IN)
			client_files_tick(m->files, now);
		client_meeting_save_profile(m);
	}
}

int client_meeting_new(const struct client_meeting_config *config, struct client_meeting **ret,
		       struct client_error *err)
{
	struct client_meeting *m;
	int r;

	if (config->profile->token[0] == '\0')
		return client_fail(err, CV_EDENIED, CLIENT_REFUSED, "nobody is signed in: run 'conclave-cli login'");
	m = cv_calloc(1, sizeof(*m));
	if (m == NULL)
		return client_fail_code(err, CV_ENOMEM, "meeting");
	m->loop = config->loop;
	m->profile = config->profile;
	m->clock = config->clock;
	m->cb = config->cb;
	memcpy(m->meeting_id, config->meeting_id, CLIENT_ID_LEN);
	cv_buf_init(&m->admit, PROTO_MESSAGE_MAX);
	cv_buf_init(&m->removal, PROTO_MESSAGE_MAX);
	m->shown_rights = cv_malloc(PROTO_LEAF_MAX + 1);
	m->hooks = client_hooks_new();
	r = m->shown_rights != NULL ? 0 : CV_ENOMEM;
	if (r == 0)
		r = client_worker_new(m->loop, 1, false, &m->http);
	if (r == 0)
		r = client_worker_new(m->loop, 3, true, &m->cpu);
	if (r == 0)
		r = cv_timer_init(&m->tick, m->loop, tick, m);
	if (r == 0)
		r = cv_timer_init(&m->retry, m->loop, client_join_retry, m);
	if (r != 0) {
		client_meeting_free(m);
		return client_fail_code(err, r, "meeting");
	}
	memset(m->shown_rights, 0xff, PROTO_LEAF_MAX + 1);
	cv_timer_set(&m->tick, TICK_US);
	client_join_ask(m);
	*ret = m;
	return 0;
}

void client_meeting_drop_group(struct client_meeting *m)
{
	client_meeting_compare_free(m);
	/* Transfers outlive our place in the group. */
	if (m->joined && m->files != NULL) {
		client_files_suspend(m->files);
	} else {
		client_files_free(m->files);
		m->files = NULL;
	}
	client_media_free(m->media);
	client_group_free(m->group);
	m->media = NULL;
	m->group = NULL;
	m->last_seq = 0;
	cv_buf_reset(&m->admit);
	cv_buf_reset(&m->removal);
	memset(m->shown_rights, 0xff, PROTO_LEAF_MAX + 1);
	m->n_streams = 0;
	for (struct op *op = m->ops; op != NULL; op = op->next)
		op->in_flight = false;
}

void client_meeting_free(struct client_meeting *m)
{
	if (m == NULL)
		return;
	/* No callbacks from here on. */
	m->phase = PHASE_ENDED;
	cv_timer_done(&m->tick);
	cv_timer_done(&m->retry);
	client_join_cut(m);
	client_worker_free(m->http);
	client_worker_free(m->cpu);
	if (m->shown_rights != NULL)
		client_meeting_drop_group(m);
	client_files_free(m->files);
	client_report_untold(m, true);
	client_api_free(m->api);
	net_tls_client_free(m->tls);
	while (m->trusts != NULL) {
		struct trust_list *t = m->trusts;

		m->trusts = t->next;
		client_trust_done(&t->trust);
		cv_free(t);
	}
	while (m->ops != NULL) {
		struct op *op = m->ops;

		m->ops = op->next;
		cv_free(op);
	}
	client_join_info_done(&m->info);
	cv_buf_done(&m->admit);
	cv_buf_done(&m->removal);
	cv_free(m->streams);
	cv_free(m->shown_rights);
	client_hooks_free(m->hooks);
	cv_free_wiped(m, sizeof(*m));
}

static void run_path(const struct client_meeting *m, const char *what, char dst[128])
{
	char run[2 * CLIENT_ID_LEN + 1];

	cv_hex_encode(run, m->info.run_id, CLIENT_ID_LEN);
	snprintf(dst, 128, "/runs/%s/%s", run, what);
}

void client_meeting_leave(struct client_meeting *m)
{
	PB(Control) c = PB_INIT(CONTROL);
	PB(Leave) leave = PB_INIT(LEAVE);
	uint8_t evidence[PROTO_SIG_LEN];
	char path[128];

	if (m->phase == PHASE_LEAVING || m->phase == PHASE_ENDED)
		return;
	if (m->phase != PHASE_IN || m->tunnel == NULL) {
		m->phase = PHASE_LEAVING;
		client_meeting_over(m, CLIENT_DONE, "left");
		return;
	}
	if (client_group_leave_evidence(m->group, evidence) == 0) {
		leave.evidence = (ProtobufCBinaryData){sizeof(evidence), evidence};
		c.body_case = PB_CONTROL(LEAVE);
		c.leave = &leave;
		(void)!client_tunnel_control(m, &c);
	}
	m->phase = PHASE_LEAVING;
	m->leave_us = cv_now_us();
	run_path(m, "leave", path);
	client_report_post(m, path, json_object(), false);
	net_tunnel_close(m->tunnel, 1000);
}

static bool moderates(const struct client_meeting *m)
{
	return (client_group_rights(m->group, client_group_leaf(m->group)) & PROTO_RIGHT_MODERATION) != 0;
}

int client_meeting_end(struct client_meeting *m)
{
	PB(Control) c = PB_INIT(CONTROL);
	PB(RunEnded) ended = PB_INIT(RUN_ENDED);
	char path[128];

	if (m->phase != PHASE_IN)
		return CV_ESTATE;
	/* The relay closes the connection of whoever asks without the right. */
	if (!moderates(m))
		return CV_EDENIED;
	ended.detail = (char *)(uintptr_t) "ended by a moderator";
	c.body_case = PB_CONTROL(RUN_ENDED);
	c.run_ended = &ended;
	(void)!client_tunnel_control(m, &c);
	run_path(m, "end", path);
	client_report_post(m, path, json_object(), true);
	return 0;
}

const struct client_group *client_meeting_group(const struct client_meeting *m)
{
	return m->joined ? m->group : NULL;
}

struct client_files *client_meeting_files(struct client_meeting *m)
{
	return m->phase == PHASE_IN ? m->files : NULL;
}

/* ---- media */

void client_meeting_publish(struct client_meeting *m, uint8_t stream, bool active, uint8_t layers)
{
	if (stream < 1 || stream > PROTO_STREAM_MAX)
		return;
	m->mine[stream].active = active;
	m->mine[stream].layers = layers;
	if (m->phase == PHASE_IN)
		client_tunnel_publish_all(m);
}

int client_meeting_send(struct client_meeting *m, const struct proto_media_header *header, int64_t capture_us,
			struct cv_span data)
{
	if (m->phase != PHASE_IN || m->silent)
		return CV_ESTATE;
	if (!(client_group_rights(m->group, client_group_leaf(m->group)) & proto_stream_right(header->stream)))
		return CV_EDENIED;
	return client_media_send(m->media, header, (uint64_t)(capture_us + m->unix_offset_us), data);
}

void client_meeting_want_key(struct client_meeting *m, uint32_t leaf, uint8_t stream, uint8_t spatial)
{
	PB(Control) c = PB_INIT(CONTROL);
	PB(KeyFrameRequest) k = PB_INIT(KEY_FRAME_REQUEST);

	if (m->phase != PHASE_IN)
		return;
	k.leaf = leaf;
	k.stream = stream;
	k.spatial = spatial;
	c.body_case = PB_CONTROL(KEY_FRAME_REQUEST);
	c.key_frame_request = &k;
	(void)!client_tunnel_control(m, &c);
}

/* ---- moderation */

static int moderate(struct client_meeting *m, const struct op *op)
{
	if (m->phase != PHASE_IN)
		return CV_ESTATE;
	if (!moderates(m))
		return CV_EDENIED;
	return client_meeting_op(m, op);
}

int client_meeting_remove(struct client_meeting *m, const uint8_t user_id[CLIENT_ID_LEN])
{
	struct op op = {.kind = OP_BAN};

	if (memcmp(user_id, m->profile->user_id, CLIENT_ID_LEN) == 0)
		return CV_EINVAL;
	memcpy(op.user_id, user_id, CLIENT_ID_LEN);
	return moderate(m, &op);
}

int client_meeting_set_rights(struct client_meeting *m, const uint8_t user_id[CLIENT_ID_LEN], uint8_t rights)
{
	struct op op = {.kind = OP_RIGHTS, .rights = rights};

	if (rights & ~PROTO_RIGHTS_ALL)
		return CV_EINVAL;
	memcpy(op.user_id, user_id, CLIENT_ID_LEN);
	return moderate(m, &op);
}

int client_meeting_lock(struct client_meeting *m, bool locked)
{
	struct op op = {.kind = OP_LOCK, .lock = locked};

	return moderate(m, &op);
}

int client_meeting_find(const struct client_meeting *m, const char *email, uint8_t ret_user[CLIENT_ID_LEN])
{
	if (m->group == NULL)
		return CV_ENOTFOUND;
	for (const struct client_member *p = client_group_next(m->group, 0); p != NULL;
	     p = client_group_next(m->group, p->leaf + 1)) {
		if (strcasecmp(p->email, email) == 0) {
			memcpy(ret_user, p->user_id, CLIENT_ID_LEN);
			return 0;
		}
	}
	return CV_ENOTFOUND;
}

void client_meeting_stats(struct client_meeting *m, struct client_meeting_stats *ret)
{
	struct net_tunnel_stats t = {0};

	memset(ret, 0, sizeof(*ret));
	if (m->media != NULL)
		client_media_stats(m->media, &ret->media);
	if (m->tunnel != NULL)
		net_tunnel_get_stats(m->tunnel, &t);
	ret->bytes_in = t.bytes_in;
	ret->bytes_out = t.bytes_out;
	ret->units_dropped = t.units_dropped;
	ret->rtt_us = t.ping_rtt_us;
}

#ifdef CONCLAVE_TEST_HOOKS
struct client_hooks *client_meeting_hooks(struct client_meeting *m)
{
	return m->hooks;
}
#endif
