/* SPDX-License-Identifier: Apache-2.0 */
/* The relay as a whole: connections, their messages, time. */
#include <string.h>

#include <base/text.h>

#include "session.h"

void relay_limits_default(struct relay_limits *l)
{
	*l = (struct relay_limits){
		.runs = 1000,
		.members = 1000,
		.connections = 4000,
		.replay = 65536,
		.control_rate = 100,
		.media_rate = 4 << 20,
		.application_rate = 256 << 10,
	};
}

int relay_new(const struct relay_opts *opts, struct relay **ret)
{
	struct relay *r = cv_calloc(1, sizeof(*r));
	size_t cap = 16;

	if (!r)
		return CV_ENOMEM;
	r->opts = *opts;
	/* open addressing wants a third of its places empty */
	while (cap < opts->limits.replay + opts->limits.replay / 2)
		cap *= 2;
	r->cap_used = cap;
	r->used = cv_calloc(cap, sizeof(*r->used));
	r->revocations = cv_calloc(REVOCATIONS_MAX, sizeof(*r->revocations));
	r->ended = cv_calloc(ENDED_RUNS_MAX, sizeof(*r->ended));
	if (!r->used || !r->revocations || !r->ended) {
		relay_free(r);
		return CV_ENOMEM;
	}
	*ret = r;
	return 0;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	while (r->conns)
		relay_conn_gone(r->conns, 0);
	while (r->runs)
		run_free(r->runs);
	for (size_t i = 0; i < r->n_revocations; i++)
		cv_free(r->revocations[i].data);
	cv_free(r->revocations);
	cv_free(r->ended);
	cv_free(r->used);
	cv_free(r);
}

void relay_set_signers(struct relay *r, const struct proto_signers *signers)
{
	r->signers = *signers;
}

int64_t relay_now(const struct relay *r)
{
	return r->opts.host.now_us(r->opts.host.arg);
}

uint64_t relay_wall_s(const struct relay *r)
{
	int64_t ms = r->opts.host.wall_ms(r->opts.host.arg);

	return ms < 0 ? 0 : (uint64_t)ms / 1000;
}

bool bucket_take(struct bucket *b, int64_t now_us, int64_t rate, int64_t burst, int64_t n)
{
	int64_t gone = b->at_us ? now_us - b->at_us : 0;

	/* full after `burst / rate` seconds, so longer absences need not be multiplied out */
	if (!b->at_us || gone > 60000000)
		b->tokens = burst;
	else
		b->tokens += gone * rate / 1000000;
	/* a fraction of a token must not get lost on frequent calls */
	if (!b->at_us || gone * rate >= 1000000)
		b->at_us = now_us;
	if (b->tokens > burst)
		b->tokens = burst;
	if (b->tokens < n)
		return false;
	b->tokens -= n;
	return true;
}

struct net_msg *control_msg(const struct PB(Control) * m)
{
	struct net_msg *msg = NULL;
	struct cv_buf b;

	cv_buf_init(&b, PROTO_MESSAGE_MAX);
	if (!proto_control_pack(m, &b) && !net_msg_new(b.len, &msg))
		memcpy(msg->data, b.data, b.len);
	cv_buf_done(&b);
	return msg;
}

int conn_send_msg(struct relay_conn *c, enum net_class cls, struct net_msg *m)
{
	const struct net_send s = {.cls = cls, .msg = m};

	return c->state == CONN_CLOSED ? CV_ESTATE : c->ops->send(c->t, &s);
}

int conn_send_control(struct relay_conn *c, const struct PB(Control) * m)
{
	struct net_msg *msg = control_msg(m);
	int err = msg ? conn_send_msg(c, NET_CLASS_CONTROL, msg) : CV_ENOMEM;

	net_msg_unref(msg);
	return err;
}

static int send_hello(struct relay_conn *c)
{
	struct relay *r = c->relay;
	struct PB(Hello) hello = PB_INIT(HELLO);
	struct PB(Control) m = PB_INIT(CONTROL);

	hello.version = 1;
	hello.relay_id = (ProtobufCBinaryData){PROTO_ID_LEN, r->opts.relay_id};
	hello.nonce = (ProtobufCBinaryData){sizeof(c->nonce), c->nonce};
	hello.time_ms = (uint64_t)r->opts.host.wall_ms(r->opts.host.arg);
	m.body_case = PB_CONTROL(HELLO);
	m.hello = &hello;
	return conn_send_control(c, &m);
}

int relay_conn_new(struct relay *r, const struct relay_transport *ops, void *t, const char *address,
		   struct relay_conn **ret)
{
	struct relay_conn *c;
	int err;

	if (r->n_conns >= r->opts.limits.connections)
		return CV_ELIMIT;
	c = cv_calloc(1, sizeof(*c));
	if (!c)
		return CV_ENOMEM;
	c->relay = r;
	c->ops = ops;
	c->t = t;
	c->number = ++r->next_number;
	c->since_us = relay_now(r);
	strncpy(c->address, address, sizeof(c->address) - 1);
	err = cv_rng_fill(r->opts.host.rng, c->nonce, sizeof(c->nonce));
	if (!err)
		err = send_hello(c);
	if (err) {
		cv_free(c);
		return err;
	}
	/* until it has entered it has nothing large to say */
	ops->set_limits(t, 16384, 16384);
	c->next = r->conns;
	c->prev = &r->conns;
	if (r->conns)
		r->conns->prev = &c->next;
	r->conns = c;
	r->n_conns++;
	*ret = c;
	return 0;
}

void relay_conn_gone(struct relay_conn *c, int err)
{
	cv_log(CV_LOG_INFO, "relay", "connection closed", cv_log_uint("connection", c->number),
	       cv_log_str("address", c->address), cv_log_err("reason", err));
	if (c->run)
		run_detach(c);
	cv_free(c->key_package);
	*c->prev = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->relay->n_conns--;
	cv_free(c);
}

void conn_end(struct relay_conn *c, uint16_t code)
{
	if (c->state == CONN_CLOSED)
		return;
	c->state = CONN_CLOSED;
	if (c->run)
		run_detach(c);
	c->ops->close(c->t, code);
}

static const char *reason_name(int reason)
{
	const ProtobufCEnumValue *v =
		protobuf_c_enum_descriptor_get_value(&conclave__tunnel__v1__refused__reason__descriptor, reason);

	return v ? v->name : NULL;
}

void conn_refuse(struct relay_conn *c, int reason, const char *detail)
{
	struct PB(Refused) refused = PB_INIT(REFUSED);
	struct PB(Control) m = PB_INIT(CONTROL);
	char text[PROTO_DETAIL_MAX + 1];

	if (c->state == CONN_CLOSED)
		return;
	strncpy(text, detail, sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	if (!cv_utf8_valid(text, strlen(text)))
		text[0] = 0;
	refused.reason = reason;
	refused.detail = text;
	refused.time_ms = (uint64_t)c->relay->opts.host.wall_ms(c->relay->opts.host.arg);
	m.body_case = PB_CONTROL(REFUSED);
	m.refused = &refused;
	cv_log(CV_LOG_NOTICE, "relay", "refused", cv_log_uint("connection", c->number),
	       cv_log_str("address", c->address), cv_log_str("run", c->run ? c->run->name : NULL),
	       cv_log_str("reason", reason_name(reason)), cv_log_str("detail", text));
	/* when even this cannot be queued the connection closes without it */
	(void)!conn_send_control(c, &m);
	conn_end(c, reason == PB_REFUSED(MALFORMED) ? PROTOCOL_CLOSE_CODE : REFUSE_CLOSE_CODE);
}

void conn_violation(struct relay_conn *c, const char *detail)
{
	cv_log(CV_LOG_WARNING, "relay", "protocol violation", cv_log_uint("connection", c->number),
	       cv_log_str("address", c->address), cv_log_str("detail", detail));
	conn_refuse(c, PB_REFUSED(MALFORMED), detail);
}

void relay_conn_message(struct relay_conn *c, struct net_msg *m)
{
	const struct relay_limits *l = &c->relay->opts.limits;
	uint8_t kind = m->len ? m->data[0] : 0;
	int64_t now = relay_now(c->relay);

	if (c->state == CONN_CLOSED)
		return;
	if (kind <= PROTO_KIND_APPLICATION && !bucket_take(&c->control, now, l->control_rate, 4 * l->control_rate, 1)) {
		conn_refuse(c, PB_REFUSED(LIMIT), "too many messages");
		return;
	}
	if (kind != PROTO_KIND_CONTROL && c->state != CONN_BOUND) {
		conn_violation(c, "not a member yet");
		return;
	}
	switch (kind) {
	case PROTO_KIND_CONTROL: conn_control(c, m); break;
	case PROTO_KIND_HANDSHAKE: conn_handshake(c, m); break;
	case PROTO_KIND_APPLICATION: conn_application(c, m); break;
	case PROTO_KIND_MEDIA: conn_media(c, m); break;
	case PROTO_KIND_FILE: conn_file_chunk(c, m); break;
	default: conn_violation(c, "unknown kind of message");
	}
}

void relay_conn_dropped(struct relay_conn *c, uint64_t unit)
{
	if (c->state == CONN_BOUND)
		media_dropped(c, unit);
}

void relay_tick(struct relay *r)
{
	int64_t now = relay_now(r);

	for (struct relay_conn *c = r->conns, *next; c; c = next) {
		next = c->next;
		if (c->state == CONN_HELLO && now - c->since_us > ENTER_TIMEOUT_US)
			conn_refuse(c, PB_REFUSED(LIMIT), "did not enter in time");
	}
	for (struct relay_run *run = r->runs, *next; run; run = next) {
		next = run->next;
		run_tick(run);
	}
}

bool relay_idle(const struct relay *r)
{
	return !r->conns && !r->runs;
}

void relay_get_counts(const struct relay *r, struct relay_counts *ret)
{
	*ret = r->counts;
	ret->connections = r->n_conns;
	ret->runs = r->n_runs;
	ret->members = 0;
	for (const struct relay_run *run = r->runs; run; run = run->next)
		ret->members += run->n_members;
}
