/* SPDX-License-Identifier: Apache-2.0 */
/* The tunnel: entering, and what its messages mean. */
#include <stdio.h>
#include <string.h>

#include <base/alloc.h>
#include <base/time.h>

#include "meeting_internal.h"

#define STREAMS_MAX 4096
#define BROKEN_TEXT "the relay does not keep to the protocol (%s)"

/* A relay that breaks the protocol is as good as lost. */
static void broken(struct client_meeting *m, const char *what)
{
	if (m->phase == PHASE_ENDED)
		return;
	if (m->joined) {
		client_join_lost(m, what);
		return;
	}
	if (m->at_order >= m->n_order && !m->pin_failed) {
		client_meeting_over(m, CLIENT_UNREACHABLE, BROKEN_TEXT, what);
		return;
	}
	client_meeting_warn(m, BROKEN_TEXT, what);
	client_join_connect(m);
}

int client_tunnel_control(struct client_meeting *m, const PB(Control) * msg)
{
	struct cv_buf b;
	int r;

	if (m->tunnel == NULL || !m->open)
		return CV_ESTATE;
	cv_buf_init(&b, PROTO_MESSAGE_MAX);
	r = proto_control_pack(msg, &b);
	if (r == 0)
		r = net_tunnel_send_bytes(m->tunnel, NET_CLASS_CONTROL, PROTO_KIND_CONTROL, b.data + 1, b.len - 1);
	cv_buf_done(&b);
	return r;
}

int client_tunnel_app(struct client_meeting *m, const PB(AppMessage) * msg)
{
	struct cv_buf plain, sealed;
	int r;

	if (m->tunnel == NULL || m->phase != PHASE_IN)
		return CV_ESTATE;
	cv_buf_init_secret(&plain, PROTO_MESSAGE_MAX / 2);
	cv_buf_init(&sealed, PROTO_MESSAGE_MAX);
	r = proto_app_pack(msg, &plain);
	if (r == 0)
		r = client_group_seal(m->group, plain.data, plain.len, &sealed);
	if (r == 0)
		r = net_tunnel_send_bytes(m->tunnel, NET_CLASS_APP, PROTO_KIND_APPLICATION, sealed.data, sealed.len);
	cv_buf_done(&plain);
	cv_buf_done(&sealed);
	return r;
}

/* ---- streams */

void client_tunnel_publish_all(struct client_meeting *m)
{
	for (unsigned s = 1; s <= PROTO_STREAM_MAX; s++) {
		PB(Control) c = PB_INIT(CONTROL);
		PB(Publish) p = PB_INIT(PUBLISH);

		if (m->mine[s].layers == 0)
			continue;
		p.stream = s;
		p.active = m->mine[s].active;
		p.spatial_layers = m->mine[s].layers;
		c.body_case = PB_CONTROL(PUBLISH);
		c.publish = &p;
		(void)!client_tunnel_control(m, &c);
	}
}

/* Everything that is there, whole: a terminal has no tiles to choose for. */
void client_tunnel_subscribe(struct client_meeting *m)
{
	size_t n = m->n_streams < PROTO_SUBSCRIPTIONS_MAX ? m->n_streams : PROTO_SUBSCRIPTIONS_MAX;
	PB(Subscription) *list = cv_calloc(n + 1, sizeof(*list));
	PB(Subscription) **ptrs = cv_calloc(n + 1, sizeof(*ptrs));
	PB(Control) c = PB_INIT(CONTROL);
	PB(Subscribe) s = PB_INIT(SUBSCRIBE);

	if (list != NULL && ptrs != NULL) {
		for (size_t i = 0; i < n; i++) {
			const struct stream *from = &m->streams[i];

			list[i] = (PB(Subscription))PB_INIT(SUBSCRIPTION);
			list[i].leaf = from->leaf;
			list[i].stream = from->stream;
			list[i].max_spatial = from->layers > 0 ? from->layers - 1u : 0;
			list[i].max_temporal = from->stream == PROTO_STREAM_VOICE ? 0 : 2;
			list[i].priority = from->stream == PROTO_STREAM_VOICE ? 0 : 1;
			ptrs[i] = &list[i];
		}
		s.n_subscriptions = n;
		s.subscriptions = ptrs;
		c.body_case = PB_CONTROL(SUBSCRIBE);
		c.subscribe = &s;
		(void)!client_tunnel_control(m, &c);
	}
	cv_free(list);
	cv_free(ptrs);
}

static void on_stream(struct client_meeting *m, const PB(StreamState) * s)
{
	size_t i = 0;

	if (s->stream < 1 || s->stream > PROTO_STREAM_MAX || s->leaf > PROTO_LEAF_MAX || m->group == NULL ||
	    s->leaf == client_group_leaf(m->group))
		return;
	while (i < m->n_streams && (m->streams[i].leaf != s->leaf || m->streams[i].stream != s->stream))
		i++;
	if (!s->active) {
		if (i == m->n_streams)
			return;
		m->streams[i] = m->streams[--m->n_streams];
	} else {
		if (i == m->n_streams) {
			struct stream *list = m->n_streams < STREAMS_MAX
						      ? cv_reallocarray(m->streams, m->n_streams + 1, sizeof(*list))
						      : NULL;

			if (list == NULL)
				return;
			m->streams = list;
			m->n_streams++;
		}
		m->streams[i] = (struct stream){s->leaf, (uint8_t)s->stream, (uint8_t)s->spatial_layers};
	}
	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_STREAM,
							      .member = client_group_member(m->group, s->leaf),
							      .stream = (uint8_t)s->stream,
							      .active = s->active,
							      .spatial = (uint8_t)s->spatial_layers});
	client_tunnel_subscribe(m);
}

/* ---- entering */

static void on_hello(struct client_meeting *m, const PB(Hello) * hello)
{
	uint8_t content[PROTO_DEVICE_PROOF_LEN], proof[PROTO_SIG_LEN];
	PB(Control) c = PB_INIT(CONTROL);
	PB(Enter) enter = PB_INIT(ENTER);
	PB(Resume) resume = PB_INIT(RESUME);
	ProtobufCBinaryData ticket = {m->info.ticket_len, m->info.ticket};
	ProtobufCBinaryData admission = {m->info.admission_len, m->info.admission};
	ProtobufCBinaryData object = m->by_ticket ? ticket : admission;
	const uint8_t *expected = m->info.relays[m->order[m->at_order - 1]];

	if (m->phase != PHASE_ENTERING || hello->version != 1) {
		broken(m, "unexpected Hello");
		return;
	}
	/* The pin says which key, the id which relay: a ticket shown to one is no good to another. */
	if (memcmp(hello->relay_id.data, expected, CLIENT_ID_LEN) != 0) {
		client_meeting_over(m, CLIENT_SECURITY, "the relay says that it is another one");
		return;
	}
	proto_device_proof_content(expected, hello->nonce.data, object.data, object.len, content);
	if (proto_sign_label(m->profile->device_seed, PROTO_LABEL_DEVICE_PROOF, content, sizeof(content), proof) != 0) {
		client_meeting_over(m, CLIENT_SECURITY, "the device key cannot sign");
		return;
	}
	if (m->by_ticket)
		enter.ticket = ticket;
	else
		enter.admission = admission;
	m->by_ticket = false;
	enter.device_key = (ProtobufCBinaryData){CLIENT_KEY_LEN, m->profile->device_key};
	enter.proof = (ProtobufCBinaryData){sizeof(proof), proof};
	if (m->info.grant != NULL && m->group == NULL)
		enter.creation_grant = (ProtobufCBinaryData){m->info.grant_len, m->info.grant};
	if (m->group != NULL && client_group_active(m->group)) {
		resume.leaf = client_group_leaf(m->group);
		resume.epoch = client_group_epoch(m->group);
		resume.last_seq = m->last_seq;
		enter.resume = &resume;
	}
	c.body_case = PB_CONTROL(ENTER);
	c.enter = &enter;
	if (client_tunnel_control(m, &c) != 0)
		broken(m, "Enter cannot be sent");
}

static void back(struct client_meeting *m, const PB(Entered) * e)
{
	struct net_peer peer;

	net_tunnel_get_peer(m->tunnel, &peer);
	m->phase = PHASE_IN;
	m->lost_us = 0;
	/* A commit of ours may have got lost with the connection. When the relay is an epoch further, either it is the
	 * one: then CommitAccepted is among what follows; or another one was: that takes its place when it comes. */
	if (e->epoch == client_group_epoch(m->group)) {
		client_group_rejected(m->group);
		for (struct op *op = m->ops; op != NULL; op = op->next)
			op->in_flight = false;
	}
	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_BACK,
							      .tls = peer.tls,
							      .cipher = peer.cipher,
							      .relay = client_join_relay(m)});
	m->n_streams = 0;
	client_tunnel_publish_all(m);
	client_files_resumed(m->files);
}

static void on_entered(struct client_meeting *m, const PB(Entered) * e)
{
	if (m->phase != PHASE_ENTERING) {
		broken(m, "unexpected Entered");
		return;
	}
	if (e->resumed && m->group != NULL) {
		back(m, e);
		return;
	}
	if (m->group != NULL) {
		/* Not resumed: the group here is of no use any more. */
		client_meeting_drop_group(m);
	}
	if (client_meeting_start_group(m) != 0)
		return;
	if (m->info.grant != NULL && !e->group_exists)
		client_meeting_create(m);
	else
		client_meeting_ask_in(m);
}

static void on_refused(struct client_meeting *m, const PB(Refused) * r)
{
	m->refused = true;
	switch ((int)r->reason) {
	case PB_REFUSED(BANNED): client_meeting_refused(m, "removed", "removed from this meeting"); return;
	case PB_REFUSED(REVOKED): client_meeting_refused(m, "revoked", CLIENT_REVOKED_TEXT); return;
	case PB_REFUSED(ADMISSION_REFUSED):
		client_meeting_refused(m, "not-admitted", "the members do not let this client in%s%s",
				       r->detail[0] != '\0' ? ": " : "", r->detail);
		return;
	case PB_REFUSED(REPLACED):
		client_meeting_refused(m, "replaced", "this device entered the meeting a second time");
		return;
	case PB_REFUSED(FULL): client_meeting_refused(m, "relay-full", "the relay is full"); return;
	case PB_REFUSED(TICKET_EXPIRED):
		client_meeting_refused(m, "ticket-expired", "the ticket has expired on its way; is the clock right?");
		return;
	case PB_REFUSED(CANNOT_RESUME):
		/* Missed too much: as a newcomer, with a new ticket. */
		if (m->group != NULL && m->lost_us != 0) {
			client_meeting_drop_group(m);
			client_join_lost(m, "the group went on for too long");
			return;
		}
		break;
	case PB_REFUSED(NO_SUCH_RUN):
		if (m->joined) {
			client_join_lost(m, "the relay does not know the meeting any more");
			return;
		}
		client_join_again(m, "the meeting has not begun on the relay");
		return;
	default: break;
	}
	if (m->lost_us != 0)
		client_join_lost(m, "the relay refuses");
	else
		client_meeting_refused(m, "relay-refused", "the relay refuses this client: %s", r->detail);
}

static void on_run_ended(struct client_meeting *m, const PB(RunEnded) * e)
{
	if (e->cancelled)
		client_meeting_refused(m, "meeting-cancelled", "the meeting was cancelled");
	else
		client_meeting_over(m, CLIENT_DONE, "the meeting has ended");
}

static void on_wanted(struct client_meeting *m, const PB(Wanted) * w)
{
	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_WANTED,
							      .stream = (uint8_t)w->stream,
							      .active = w->wanted,
							      .spatial = (uint8_t)w->max_spatial});
}

static void on_key_wanted(struct client_meeting *m, const PB(KeyFrameRequest) * k)
{
	client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_KEY_WANTED,
							      .stream = (uint8_t)k->stream,
							      .spatial = (uint8_t)k->spatial});
}

static void on_presence(struct client_meeting *m, const PB(Presence) * p)
{
	const struct client_member *member = m->group != NULL ? client_group_member(m->group, p->leaf) : NULL;

	if (member != NULL)
		client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_PRESENCE,
								      .member = member,
								      .present = p->connected});
}

static void on_ping(struct client_meeting *m, const PB(Ping) * ping)
{
	PB(Control) c = PB_INIT(CONTROL);
	PB(Pong) pong = PB_INIT(PONG);

	pong.token = ping->token;
	pong.time_us = client_clock_now_us(m->clock);
	c.body_case = PB_CONTROL(PONG);
	c.pong = &pong;
	(void)!client_tunnel_control(m, &c);
}

static void on_control(struct client_meeting *m, const uint8_t *data, size_t len)
{
	PB(Control) * c;

	if (proto_control_unpack(data, len, &c) != 0) {
		broken(m, "malformed control message");
		return;
	}
	switch (c->body_case) {
	case PB_CONTROL(HELLO): on_hello(m, c->hello); break;
	case PB_CONTROL(ENTERED): on_entered(m, c->entered); break;
	case PB_CONTROL(REFUSED): on_refused(m, c->refused); break;
	case PB_CONTROL(RUN_ENDED): on_run_ended(m, c->run_ended); break;
	case PB_CONTROL(ADMIT_REQUEST): client_meeting_admit(m, c->admit_request, data, len); break;
	case PB_CONTROL(REMOVE_REQUEST): client_meeting_removals(m, c->remove_request, data, len); break;
	case PB_CONTROL(COMMIT_ACCEPTED): client_meeting_accepted(m, c->commit_accepted); break;
	case PB_CONTROL(COMMIT_REJECTED): client_meeting_rejected(m, c->commit_rejected); break;
	case PB_CONTROL(ADMIT_REJECTED):
		client_meeting_refused(m, "not-admitted", "the members do not let this client in: %s",
				       c->admit_rejected->detail);
		break;
	case PB_CONTROL(STREAM_STATE): on_stream(m, c->stream_state); break;
	case PB_CONTROL(WANTED): on_wanted(m, c->wanted); break;
	case PB_CONTROL(KEY_FRAME_REQUEST): on_key_wanted(m, c->key_frame_request); break;
	case PB_CONTROL(PRESENCE): on_presence(m, c->presence); break;
	case PB_CONTROL(FILE_CREDIT):
		if (m->files != NULL && m->phase == PHASE_IN)
			client_files_credit(m->files, c->file_credit);
		break;
	case PB_CONTROL(FILE_STOP):
		if (m->files != NULL && m->phase == PHASE_IN)
			client_files_stop(m->files, c->file_stop);
		break;
	case PB_CONTROL(PING): on_ping(m, c->ping); break;
	case PB_CONTROL(PONG): break;
	default: broken(m, "unexpected control message"); break;
	}
	proto_control_free(c);
}

static void on_message(void *arg, struct net_tunnel *t, struct net_msg *msg)
{
	struct client_meeting *m = arg;
	const uint8_t *data = msg->data;
	size_t len = msg->len;

	/* A message may end the meeting; the rest of what came with it is then of no interest. */
	if (m->phase == PHASE_ENDED || m->phase == PHASE_LEAVING)
		return;
	switch (data[0]) {
	case PROTO_KIND_CONTROL: on_control(m, data + 1, len - 1); break;
	case PROTO_KIND_HANDSHAKE: client_meeting_handshake(m, data + 1, len - 1); break;
	case PROTO_KIND_APPLICATION: client_meeting_application(m, data + 1, len - 1); break;
	case PROTO_KIND_MEDIA:
		client_hooks_media(m->hooks, data, len);
		if (m->media != NULL)
			(void)!client_media_receive(m->media, data, len, cv_now_us());
		break;
	case PROTO_KIND_FILE:
		if (m->files != NULL && m->phase == PHASE_IN)
			client_files_chunk(m->files, data, len);
		break;
	default: broken(m, "unknown kind of message"); break;
	}
}

static void on_open(void *arg, struct net_tunnel *t)
{
	struct client_meeting *m = arg;

	m->open = true;
	if (m->phase == PHASE_CONNECTING)
		m->phase = PHASE_ENTERING;
}

static void on_drained(void *arg, struct net_tunnel *t, enum net_class cls)
{
	struct client_meeting *m = arg;

	if (cls == NET_CLASS_FILE && m->files != NULL && m->phase == PHASE_IN)
		client_files_pump(m->files, cv_now_us());
}

static void on_close(void *arg, struct net_tunnel *t, int err)
{
	struct client_meeting *m = arg;
	const char *why = err == 0 ? "closed" : cv_strerror(err);

	if (m->tunnel != t)
		return;
	/* It frees itself. */
	m->tunnel = NULL;
	m->open = false;
	if (m->phase == PHASE_ENDED || m->phase == PHASE_LEAVING || m->phase == PHASE_PAUSE || m->phase == PHASE_ASKING)
		return;
	if (client_hooks_stay(m->hooks) && m->group != NULL && !client_group_active(m->group))
		return;
	if (err == CV_EPIN || err == CV_EAUTH) {
		client_join_unpinned(m);
		return;
	}
	if (err == CV_EFORMAT || err == CV_ELIMIT)
		broken(m, why);
	else if (m->joined)
		client_join_lost(m, why);
	else if (m->phase == PHASE_CONNECTING || m->at_order < m->n_order)
		client_join_connect(m);
	else
		client_meeting_over(m, CLIENT_UNREACHABLE, "the relay closed the connection (%s)", why);
}

const struct net_tunnel_cbs client_tunnel_callbacks = {
	.on_open = on_open,
	.on_message = on_message,
	.on_drained = on_drained,
	.on_close = on_close,
};
