/* SPDX-License-Identifier: Apache-2.0 */
/* Epochs of the meeting's group: joining, commits of others, what a new epoch means. */
#include <stdio.h>
#include <string.h>

#include <base/alloc.h>
#include <base/text.h>
#include <base/time.h>
#include <net/msg.h>

#include "meeting_internal.h"

/* ---- callbacks of media and files */

static int send_fragment(void *ctx, const struct client_fragment *f)
{
	struct client_meeting *m = ctx;
	struct net_send s = {.cls = f->cls, .unit = f->unit, .unit_end = f->unit_end};
	int r;

	if (m->tunnel == NULL)
		return CV_ESTATE;
	r = net_msg_new(f->head.len + f->payload.len, &s.msg);
	if (r != 0)
		return r;
	memcpy(s.msg->data, f->head.data, f->head.len);
	memcpy(s.msg->data + f->head.len, f->payload.data, f->payload.len);
	client_hooks_media(m->hooks, s.msg->data, s.msg->len);
	r = net_tunnel_send(m->tunnel, &s);
	net_msg_unref(s.msg);
	return r;
}

static void take_unit(void *ctx, const struct client_unit *u)
{
	struct client_meeting *m = ctx;
	struct client_unit local = *u;

	local.capture_us = (uint64_t)((int64_t)u->capture_us - m->unix_offset_us);
	m->cb.unit(m->cb.ctx, &local);
}

static void damaged(void *ctx, uint32_t leaf)
{
	struct client_meeting *m = ctx;

	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_DAMAGED,
							      .member = client_group_member(m->group, leaf)});
}

static int send_app(void *ctx, const PB(AppMessage) * msg)
{
	return client_tunnel_app(ctx, msg);
}

static int send_control(void *ctx, const PB(Control) * msg)
{
	return client_tunnel_control(ctx, msg);
}

static int send_chunk(void *ctx, const void *msg, size_t len)
{
	struct client_meeting *m = ctx;

	if (m->tunnel == NULL)
		return CV_ESTATE;
	return net_tunnel_send_bytes(m->tunnel, NET_CLASS_FILE, PROTO_KIND_FILE, (const uint8_t *)msg + 1, len - 1);
}

static void tell_file(void *ctx, const struct client_file_event *e)
{
	struct client_meeting *m = ctx;

	client_hooks_files(m->hooks, m->files);
	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_FILE,
							      .member = client_group_member(m->group, e->leaf),
							      .file = e});
}

int client_meeting_start_group(struct client_meeting *m)
{
	struct client_group_config config = {
		.trust = client_meeting_trust(m)->chain,
		.clock = m->clock,
		.rng = cv_rng_system(),
		.certificates = {{m->cert[0].der, m->cert[0].len}, {m->cert[1].der, m->cert[1].len}},
		.admission = {m->info.admission, m->info.admission_len},
	};
	struct client_media_callbacks media = {send_fragment, take_unit, damaged, m};
	struct client_files_callbacks files = {send_app, send_control, send_chunk, tell_file, m};
	int r;

	memcpy(config.run_id, m->info.run_id, CLIENT_ID_LEN);
	memcpy(config.device_seed, m->profile->device_seed, CLIENT_KEY_LEN);
	memcpy(config.device_key, m->profile->device_key, CLIENT_KEY_LEN);
	r = client_group_new(&config, &m->group);
	if (r == 0)
		r = client_media_new(m->group, &media, &m->media);
	if (r == 0 && m->files == NULL)
		r = client_files_new(m->group, cv_rng_system(), m->info.run_id, &files, &m->files);
	if (r == 0)
		r = client_meeting_compare_new(m);
	client_hooks_secret(m->hooks, "device_seed", config.device_seed, CLIENT_KEY_LEN);
	client_hooks_secret(m->hooks, "lobby_key", m->info.lobby_key, sizeof(m->info.lobby_key));
	cv_wipe(&config, sizeof(config));
	if (r != 0)
		client_meeting_over(m, CLIENT_SECURITY, "the group cannot be prepared: %s", cv_strerror(r));
	return r;
}

/* ---- what an epoch means */

static void tell_member(struct client_meeting *m, enum client_meeting_event_kind kind, const struct client_member *p,
			bool present)
{
	client_meeting_tell(m, &(struct client_meeting_event){.kind = kind,
							      .member = p,
							      .rights = client_group_rights(m->group, p->leaf),
							      .self = p->leaf == client_group_leaf(m->group),
							      .present = present});
}

static void show_rights(struct client_meeting *m)
{
	for (const struct client_member *p = client_group_next(m->group, 0); p != NULL;
	     p = client_group_next(m->group, p->leaf + 1)) {
		uint8_t now = client_group_rights(m->group, p->leaf), *shown = &m->shown_rights[p->leaf];

		if (*shown == now)
			continue;
		if (*shown != 0xff)
			tell_member(m, CLIENT_MEETING_RIGHTS, p, true);
		*shown = now;
	}
}

static void newcomer(struct client_meeting *m, uint32_t leaf, bool present)
{
	const struct client_member *p = client_group_member(m->group, leaf);

	if (p == NULL)
		return;
	m->shown_rights[leaf] = client_group_rights(m->group, leaf);
	if (leaf == client_group_leaf(m->group))
		return;
	client_meeting_meet(m, p, present);
}

/* Keys of the present epoch into use. */
static int take_epoch(struct client_meeting *m)
{
	uint8_t authenticator[CLIENT_AUTHENTICATOR_LEN];
	struct client_base_key base_key = {0};
	uint64_t epoch = client_group_epoch(m->group);
	int r;

	r = client_group_base_key(m->group, &base_key);
	if (r == 0)
		r = client_group_authenticator(m->group, authenticator);
	if (r == 0)
		client_hooks_epoch(m->hooks, epoch, client_group_leaf(m->group), &base_key, authenticator);
	if (r == 0)
		r = client_media_epoch(m->media, epoch, client_group_leaf(m->group), &base_key, cv_now_us());
	cv_wipe(&base_key, sizeof(base_key));
	cv_wipe(authenticator, sizeof(authenticator));
	if (r != 0) {
		client_meeting_over(m, CLIENT_SECURITY, "the keys of epoch %llu cannot be made: %s",
				    (unsigned long long)epoch, cv_strerror(r));
		return r;
	}
	m->epoch_us = cv_now_us();
	if (m->silent) {
		m->silent = false;
		client_meeting_warn(m, "a new epoch has come: sending again");
	}
	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_EPOCH,
							      .epoch = epoch,
							      .participants = (uint32_t)client_group_count(m->group)});
	client_compare_epoch(m->compare, m->epoch_us);
	client_report_code_later(m);
	return 0;
}

static void gone(struct client_meeting *m, const struct client_left *left)
{
	client_media_forget(m->media, left->member.leaf);
	client_files_left(m->files, left->member.leaf,
			  left->reason == PROTO_REASON_LOST || left->reason == PROTO_REASON_REPLACED);
	client_compare_gone(m->compare, left->member.leaf);
	m->shown_rights[left->member.leaf] = 0xff;
	for (size_t i = 0; i < m->n_streams;) {
		if (m->streams[i].leaf == left->member.leaf)
			m->streams[i] = m->streams[--m->n_streams];
		else
			i++;
	}
	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_PARTICIPANT_LEFT,
							      .member = &left->member,
							      .reason = left->reason});
}

static void removed(struct client_meeting *m, const struct client_news *news)
{
	uint8_t reason = PROTO_REASON_LOST;

	for (size_t i = 0; i < news->n_left; i++) {
		if (memcmp(news->left[i].member.device_key, m->profile->device_key, CLIENT_KEY_LEN) == 0)
			reason = news->left[i].reason;
	}
	if (client_hooks_stay(m->hooks)) {
		client_meeting_warn(m, "removed, but staying");
		return;
	}
	switch (reason) {
	case PROTO_REASON_REMOVED: client_meeting_refused(m, "removed", "removed by a moderator"); break;
	case PROTO_REASON_REVOKED: client_meeting_refused(m, "revoked", CLIENT_REVOKED_TEXT); break;
	case PROTO_REASON_REPLACED:
		client_meeting_refused(m, "replaced", "this device entered the meeting a second time");
		break;
	case PROTO_REASON_LEFT: client_meeting_over(m, CLIENT_DONE, "left"); break;
	default:
		/* Taken for lost while we were away: back as a newcomer. */
		client_meeting_drop_group(m);
		client_join_lost(m, "taken for lost by the others");
		break;
	}
}

void client_meeting_apply(struct client_meeting *m, struct client_news *news)
{
	if (news->kind == CLIENT_NEWS_REMOVED) {
		removed(m, news);
		return;
	}
	if (news->path)
		m->path_us = cv_now_us();
	if (take_epoch(m) != 0)
		return;
	for (size_t i = 0; i < news->n_left; i++)
		gone(m, &news->left[i]);
	for (size_t i = 0; i < news->n_added; i++)
		newcomer(m, news->added[i], false);
	if (news->renewed)
		client_meeting_renewed(m, news->sender);
	client_meeting_tell_unverified(m);
	if (news->n_added > 0)
		client_files_joined(m->files);
	if (news->state_changed)
		show_rights(m);
	if (news->lock_changed)
		client_meeting_tell(
			m, &(struct client_meeting_event){.kind = CLIENT_MEETING_LOCK,
							  .member = client_group_member(m->group, news->sender),
							  .active = client_group_state(m->group)->locked});
	if (news->renewed && client_group_member(m->group, news->sender) != NULL)
		tell_member(m, CLIENT_MEETING_RENEWED, client_group_member(m->group, news->sender), true);
	client_meeting_work(m);
}

/* ---- joining */

static void epoch_ready(struct client_meeting *m)
{
	PB(Control) c = PB_INIT(CONTROL);
	PB(EpochReady) ready = PB_INIT(EPOCH_READY);

	ready.leaf = client_group_leaf(m->group);
	ready.epoch = client_group_epoch(m->group);
	c.body_case = PB_CONTROL(EPOCH_READY);
	c.epoch_ready = &ready;
	(void)!client_tunnel_control(m, &c);
}

static void entered_group(struct client_meeting *m)
{
	struct net_peer peer;
	bool again = m->joined;

	net_tunnel_get_peer(m->tunnel, &peer);
	/* Before anything else: until then the relay takes us for a newcomer. */
	epoch_ready(m);
	if (again)
		client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_BACK,
								      .tls = peer.tls,
								      .cipher = peer.cipher,
								      .relay = client_join_relay(m)});
	m->phase = PHASE_IN;
	m->joined = true;
	m->lost_us = 0;
	client_join_settle(m);
	m->path_us = cv_now_us();
	client_meeting_tell(
		m, &(struct client_meeting_event){.kind = CLIENT_MEETING_JOINED,
						  .member = client_group_member(m->group, client_group_leaf(m->group)),
						  .rights = client_group_rights(m->group, client_group_leaf(m->group)),
						  .self = true,
						  .epoch = client_group_epoch(m->group),
						  .participants = (uint32_t)client_group_count(m->group),
						  .locked = client_group_state(m->group)->locked,
						  .text = m->info.title,
						  .run_id = m->info.run_id,
						  .relay = client_join_relay(m),
						  .tls = peer.tls,
						  .cipher = peer.cipher});
	if (take_epoch(m) != 0)
		return;
	for (const struct client_member *p = client_group_next(m->group, 0); p != NULL;
	     p = client_group_next(m->group, p->leaf + 1))
		newcomer(m, p->leaf, true);
	client_meeting_tell_unverified(m);
	client_report_epoch(m);
	client_tunnel_publish_all(m);
	if (again)
		client_files_return(m->files, m->group);
}

void client_meeting_create(struct client_meeting *m)
{
	int r;

	r = client_group_create(m->group, (struct cv_span){m->info.grant, m->info.grant_len}, m->info.switches);
	if (r != 0) {
		client_meeting_over(m, CLIENT_SECURITY, "the group cannot be created: %s",
				    client_group_why(m->group)[0] != '\0' ? client_group_why(m->group)
									  : cv_strerror(r));
		return;
	}
	entered_group(m);
}

void client_meeting_ask_in(struct client_meeting *m)
{
	PB(Control) c = PB_INIT(CONTROL);
	PB(JoinRequest) join = PB_INIT(JOIN_REQUEST);
	struct cv_buf kp, sealed;
	int r;

	cv_buf_init(&kp, PROTO_LOBBY_MAX);
	cv_buf_init(&sealed, PROTO_LOBBY_MAX + PROTO_LOBBY_OVERHEAD);
	r = client_group_key_package(m->group, &kp);
	if (r == 0)
		r = proto_lobby_seal(m->info.lobby_key, m->info.run_id, kp.data, kp.len, cv_rng_system(), &sealed);
	if (r == 0) {
		join.sealed_key_package = (ProtobufCBinaryData){sealed.len, sealed.data};
		c.body_case = PB_CONTROL(JOIN_REQUEST);
		c.join_request = &join;
		r = client_tunnel_control(m, &c);
	}
	cv_buf_done(&kp);
	cv_buf_done(&sealed);
	if (r != 0) {
		client_meeting_over(m, CLIENT_SECURITY, "the KeyPackage cannot be made: %s", cv_strerror(r));
		return;
	}
	m->phase = PHASE_WAITING;
	m->welcome_us = cv_now_us();
}

static void on_welcome(struct client_meeting *m, const PB(Handshake) * h)
{
	int r;

	if (m->phase != PHASE_WAITING)
		return;
	r = client_group_join(m->group, h->welcome.data, h->welcome.len);
	if (r != 0) {
		client_meeting_over(m, CLIENT_SECURITY, "the group is not to be trusted: %s",
				    client_group_why(m->group)[0] != '\0' ? client_group_why(m->group)
									  : cv_strerror(r));
		return;
	}
	m->last_seq = h->seq;
	entered_group(m);
}

static void on_commit(struct client_meeting *m, const PB(Handshake) * h)
{
	struct client_news news;
	int r;

	if (m->phase != PHASE_IN || h->seq <= m->last_seq)
		return;
	if (!client_group_active(m->group))
		return;
	m->last_seq = h->seq;
	memset(&news, 0, sizeof(news));
	r = client_group_process(m->group, h->commit.data, h->commit.len, &news);
	if (r == CV_EEPOCH && h->epoch > client_group_epoch(m->group) + 1) {
		client_meeting_drop_group(m);
		client_join_lost(m, "a commit is missing");
		return;
	}
	if (r == CV_EEPOCH || r == CV_EREPLAY)
		return;
	if (r == CV_ENOMEM) {
		client_meeting_drop_group(m);
		client_join_lost(m, "there was no memory for a commit");
		return;
	}
	if (r != 0) {
		client_meeting_over(m, CLIENT_SECURITY, "a commit breaks the meeting's rules: %s",
				    client_group_why(m->group)[0] != '\0' ? client_group_why(m->group)
									  : cv_strerror(r));
		return;
	}
	for (struct op *op = m->ops; op != NULL; op = op->next)
		op->in_flight = false;
	client_meeting_apply(m, &news);
	client_news_done(&news);
}

void client_meeting_handshake(struct client_meeting *m, const void *data, size_t len)
{
	PB(Handshake) * h;

	if (proto_handshake_unpack(data, len, &h) != 0) {
		client_meeting_warn(m, "the relay sent a malformed handshake message");
		return;
	}
	if (h->commit.len > 0 && m->group != NULL)
		on_commit(m, h);
	else if (h->welcome.len > 0 && m->group != NULL)
		on_welcome(m, h);
	proto_handshake_free(h);
}

void client_meeting_application(struct client_meeting *m, const void *data, size_t len)
{
	struct client_news news;
	struct cv_reader r;
	PB(AppMessage) * app;
	uint64_t seq;

	cv_reader_init(&r, data, len);
	if (m->phase != PHASE_IN || cv_reader_get_u64(&r, &seq) != 0 || seq <= m->last_seq)
		return;
	m->last_seq = seq;
	memset(&news, 0, sizeof(news));
	/* What does not open is not of a member: no news. A commit in disguise would be a relay's trick. */
	if (client_group_process(m->group, r.p, r.left, &news) != 0)
		return;
	if (news.kind != CLIENT_NEWS_MESSAGE) {
		client_meeting_apply(m, &news);
	} else if (proto_app_unpack(news.plaintext.data, news.plaintext.len, &app) == 0) {
		switch (app->body_case) {
		case PB_APP(ALARM):
			client_report_alarm(m, app->alarm->epoch, client_group_member(m->group, news.sender));
			break;
		case PB_APP(CODE_COMPARE):
		case PB_APP(CODE_CANCEL):
			client_compare_app(m->compare, news.sender, news.epoch, app, cv_now_us());
			break;
		default: client_files_app(m->files, news.sender, app); break;
		}
		proto_app_free(app);
	}
	client_news_done(&news);
}
