/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <base/alloc.h>
#include <proto/lobby.h>

static struct world *the_world;

static int64_t now_us(void *arg)
{
	return the_world->now_us;
}

static int64_t wall_ms(void *arg)
{
	return the_world->wall_ms;
}

static int random_fill(void *ctx, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		the_world->random = the_world->random * 1664525u + 1013904223u;
		out[i] = (uint8_t)(the_world->random >> 24);
	}
	return 0;
}

static const struct cv_rng rng = {random_fill, NULL};

void world_init(struct world *w)
{
	struct relay_opts opts = {.host = {now_us, wall_ms, &rng, NULL}};
	struct proto_signers signers = {.n = 1};

	*w = (struct world){.now_us = 1000000, .wall_ms = NOW * 1000ll};
	the_world = w;
	memset(w->relay_id, 0xaa, sizeof(w->relay_id));
	memset(w->run_id, 0xbb, sizeof(w->run_id));
	memset(w->manager_seed, 0xcc, sizeof(w->manager_seed));
	proto_public_key(w->manager_seed, signers.keys[0]);
	memcpy(opts.relay_id, w->relay_id, PROTO_ID_LEN);
	relay_limits_default(&opts.limits);
	opts.limits.replay = 64;
	assert_int_equal(relay_new(&opts, &w->relay), 0);
	relay_set_signers(w->relay, &signers);
}

void world_done(struct world *w)
{
	relay_free(w->relay);
}

void world_pass(struct world *w, int64_t ms)
{
	for (int64_t t = 0; t < ms; t += 20) {
		w->now_us += RELAY_TICK_US;
		w->wall_ms += 20;
		relay_tick(w->relay);
	}
}

/* ---- the invented transport */

static int mock_send(void *t, const struct net_send *s)
{
	struct client *c = t;
	size_t len = s->head_len + s->msg->len - s->skip;

	if (c->closed)
		return CV_ESTATE;
	if (c->send_error && s->cls == c->error_class)
		return c->send_error;
	assert_true(c->n_in < 512);
	assert_int_equal(net_msg_new(len, &c->in[c->n_in]), 0);
	memcpy(c->in[c->n_in]->data, s->head, s->head_len);
	memcpy(c->in[c->n_in]->data + s->head_len, s->msg->data + s->skip, s->msg->len - s->skip);
	c->cls[c->n_in++] = s->cls;
	return 0;
}

static void mock_close(void *t, uint16_t code)
{
	struct client *c = t;

	c->closed = code;
}

static void mock_limits(void *t, size_t max_message, size_t max_handshake)
{
}

static const struct relay_transport transport = {mock_send, mock_close, mock_limits};

void client_init(struct client *c, uint8_t n)
{
	*c = (struct client){0};
	memset(c->user_id, n, sizeof(c->user_id));
	memset(c->seed, n, sizeof(c->seed));
	proto_public_key(c->seed, c->key);
}

void client_drop(struct client *c)
{
	if (c->conn)
		relay_conn_gone(c->conn, CV_ECLOSED);
	c->conn = NULL;
}

void forget(struct client *c)
{
	for (size_t i = 0; i < c->n_in; i++)
		net_msg_unref(c->in[i]);
	c->n_in = 0;
}

void client_done(struct client *c)
{
	client_drop(c);
	forget(c);
}

static void take(struct client *c, size_t i)
{
	net_msg_unref(c->in[i]);
	c->n_in--;
	memmove(&c->in[i], &c->in[i + 1], (c->n_in - i) * sizeof(c->in[0]));
	memmove(&c->cls[i], &c->cls[i + 1], (c->n_in - i) * sizeof(c->cls[0]));
}

struct PB(Control) * take_control(struct client *c, int body_case)
{
	for (size_t i = 0; i < c->n_in; i++) {
		struct PB(Control) *m = NULL;

		if (c->in[i]->data[0] != PROTO_KIND_CONTROL)
			continue;
		assert_int_equal(proto_control_unpack(c->in[i]->data + 1, c->in[i]->len - 1, &m), 0);
		if ((int)m->body_case == body_case) {
			take(c, i);
			return m;
		}
		proto_control_free(m);
	}
	return NULL;
}

bool got(struct client *c, int body_case)
{
	struct PB(Control) *m = take_control(c, body_case);

	proto_control_free(m);
	return m != NULL;
}

int refused(struct client *c)
{
	struct PB(Control) *m = take_control(c, PB_CONTROL(REFUSED));
	int reason = m ? (int)m->refused->reason : -1;

	if (m)
		assert_int_not_equal(c->closed, 0);
	proto_control_free(m);
	return reason;
}

struct PB(Handshake) * take_handshake(struct client *c)
{
	struct PB(Handshake) *m = NULL;

	for (size_t i = 0; i < c->n_in; i++) {
		if (c->in[i]->data[0] != PROTO_KIND_HANDSHAKE)
			continue;
		assert_int_equal(proto_handshake_unpack(c->in[i]->data + 1, c->in[i]->len - 1, &m), 0);
		c->last_seq = m->seq;
		take(c, i);
		return m;
	}
	return NULL;
}

size_t take_kind(struct client *c, uint8_t kind)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n_in;) {
		if (c->in[i]->data[0] != kind) {
			i++;
			continue;
		}
		take(c, i);
		n++;
	}
	return n;
}

/* ---- what clients do */

void client_open(struct world *w, struct client *c)
{
	struct PB(Control) * hello;

	client_drop(c);
	forget(c);
	c->closed = 0;
	assert_int_equal(relay_conn_new(w->relay, &transport, c, "192.0.2.1", &c->conn), 0);
	hello = take_control(c, PB_CONTROL(HELLO));
	assert_non_null(hello);
	assert_memory_equal(hello->hello->relay_id.data, w->relay_id, PROTO_ID_LEN);
	memcpy(c->nonce, hello->hello->nonce.data, 32);
	proto_control_free(hello);
}

void client_send_raw(struct client *c, const void *data, size_t len)
{
	struct net_msg *m;

	assert_int_equal(net_msg_new(len, &m), 0);
	memcpy(m->data, data, len);
	relay_conn_message(c->conn, m);
	net_msg_unref(m);
}

void client_send(struct client *c, const struct PB(Control) * m)
{
	struct cv_buf b;

	cv_buf_init(&b, PROTO_MESSAGE_MAX);
	assert_int_equal(proto_control_pack(m, &b), 0);
	client_send_raw(c, b.data, b.len);
	cv_buf_done(&b);
}

void make_ticket(struct world *w, const struct client *c, uint8_t rights, struct cv_buf *out)
{
	uint64_t now = (uint64_t)w->wall_ms / 1000;
	struct proto_ticket t = {.issued = now, .expires = now + 60, .rights = rights, .switches = 1, .n_relays = 1};

	w->tickets++;
	memcpy(t.ticket_id, &w->tickets, sizeof(w->tickets));
	memcpy(t.run_id, w->run_id, PROTO_ID_LEN);
	memcpy(t.user_id, c->user_id, PROTO_ID_LEN);
	memcpy(t.relays[0], w->relay_id, PROTO_ID_LEN);
	proto_sha256(c->key, PROTO_KEY_LEN, t.device_hash);
	assert_int_equal(proto_ticket_sign(&t, w->manager_seed, out), 0);
}

static void make_admission(struct world *w, const struct client *c, uint8_t rights, struct cv_buf *out)
{
	uint64_t now = (uint64_t)w->wall_ms / 1000;
	struct proto_admission a = {.issued = now, .expires = now + 3600, .rights = rights, .switches = 1};

	memcpy(a.run_id, w->run_id, PROTO_ID_LEN);
	memcpy(a.user_id, c->user_id, PROTO_ID_LEN);
	proto_sha256(c->key, PROTO_KEY_LEN, a.device_hash);
	assert_int_equal(proto_admission_sign(&a, w->manager_seed, out), 0);
}

static void make_grant(struct world *w, const struct client *c, struct cv_buf *out)
{
	uint64_t now = (uint64_t)w->wall_ms / 1000;
	struct proto_creation_grant g = {.issued = now, .expires = now + 60};

	memcpy(g.run_id, w->run_id, PROTO_ID_LEN);
	memcpy(g.user_id, c->user_id, PROTO_ID_LEN);
	proto_sha256(c->key, PROTO_KEY_LEN, g.device_hash);
	assert_int_equal(proto_creation_grant_sign(&g, w->manager_seed, out), 0);
}

void client_enter(struct world *w, struct client *c, const struct enter_opts *o)
{
	uint8_t rights = o->rights ? o->rights : 7, content[PROTO_DEVICE_PROOF_LEN], proof[PROTO_SIG_LEN];
	struct PB(Enter) enter = PB_INIT(ENTER);
	struct PB(Resume) resume = PB_INIT(RESUME);
	struct PB(Control) m = PB_INIT(CONTROL), *entered;
	struct cv_buf object, grant;

	cv_buf_init(&object, 4096);
	cv_buf_init(&grant, 4096);
	if (o->ticket)
		assert_int_equal(cv_buf_put(&object, o->ticket->data, o->ticket->len), 0);
	else if (o->admission)
		make_admission(w, c, rights, &object);
	else
		make_ticket(w, c, rights, &object);
	proto_device_proof_content(w->relay_id, c->nonce, object.data, object.len, content);
	assert_int_equal(proto_sign_label(c->seed, PROTO_LABEL_DEVICE_PROOF, content, sizeof(content), proof), 0);
	proof[0] ^= o->bad_proof;
	if (o->admission)
		enter.admission = (ProtobufCBinaryData){object.len, object.data};
	else
		enter.ticket = (ProtobufCBinaryData){object.len, object.data};
	enter.device_key = (ProtobufCBinaryData){PROTO_KEY_LEN, c->key};
	enter.proof = (ProtobufCBinaryData){sizeof(proof), proof};
	if (o->create) {
		make_grant(w, c, &grant);
		enter.creation_grant = (ProtobufCBinaryData){grant.len, grant.data};
	}
	if (o->resume) {
		resume.leaf = c->leaf;
		resume.epoch = o->epoch;
		resume.last_seq = c->last_seq;
		enter.resume = &resume;
	}
	m.body_case = PB_CONTROL(ENTER);
	m.enter = &enter;
	client_send(c, &m);
	cv_buf_done(&object);
	cv_buf_done(&grant);
	entered = take_control(c, PB_CONTROL(ENTERED));
	c->number = entered ? entered->entered->connection : 0;
	proto_control_free(entered);
}

void client_ready(struct client *c, uint64_t epoch)
{
	struct PB(EpochReady) ready = PB_INIT(EPOCH_READY);
	struct PB(Control) m = PB_INIT(CONTROL);

	ready.leaf = c->leaf;
	ready.epoch = epoch;
	m.body_case = PB_CONTROL(EPOCH_READY);
	m.epoch_ready = &ready;
	client_send(c, &m);
}

void client_create(struct world *w, struct client *c, uint8_t rights)
{
	client_open(w, c);
	client_enter(w, c, &(struct enter_opts){.create = true, .rights = rights});
	assert_int_not_equal(c->number, 0);
	c->leaf = 0;
	client_ready(c, 0);
	assert_int_equal(c->closed, 0);
}

void client_knock(struct world *w, struct client *c, uint8_t rights)
{
	uint8_t sealed[PROTO_LOBBY_OVERHEAD + 10] = {0};
	struct PB(JoinRequest) join = PB_INIT(JOIN_REQUEST);
	struct PB(Control) m = PB_INIT(CONTROL);

	client_open(w, c);
	client_enter(w, c, &(struct enter_opts){.rights = rights});
	assert_int_not_equal(c->number, 0);
	join.sealed_key_package = (ProtobufCBinaryData){sizeof(sealed), sealed};
	m.body_case = PB_CONTROL(JOIN_REQUEST);
	m.join_request = &join;
	client_send(c, &m);
}

static void put_mls(const struct world *w, uint64_t epoch, uint8_t type, const struct cv_buf *aad, struct cv_buf *out)
{
	cv_buf_put_u16(out, 1);
	cv_buf_put_u16(out, 2);
	cv_buf_put_vec(out, w->run_id, PROTO_ID_LEN);
	cv_buf_put_u64(out, epoch);
	cv_buf_put_u8(out, type);
	cv_buf_put_vec(out, aad ? aad->data : NULL, aad ? aad->len : 0);
	cv_buf_put_vec(out, "sender", 6);
	cv_buf_put_vec(out, "ciphertext", 10);
}

void client_commit(struct world *w, struct client *c, const struct commit *k)
{
	struct PB(Handshake) h = PB_INIT(HANDSHAKE);
	struct PB(Binding) bindings[8], *adds[8];
	uint32_t removes[8];
	struct cv_buf aad, mls, out;

	cv_buf_init(&aad, 8192);
	cv_buf_init(&mls, 8192);
	cv_buf_init(&out, 16384);
	assert_int_equal(proto_commit_data_put(k->removals, k->n_removals, &aad), 0);
	put_mls(w, k->epoch, PROTO_MLS_COMMIT, &aad, &mls);
	for (size_t i = 0; i < k->n_adds; i++) {
		bindings[i] = (struct PB(Binding))PB_INIT(BINDING);
		bindings[i].connection = k->adds[i]->number;
		bindings[i].leaf = k->leaves[i];
		adds[i] = &bindings[i];
	}
	for (size_t i = 0; i < k->n_removals; i++)
		removes[i] = k->removals[i].leaf;
	h.commit = (ProtobufCBinaryData){mls.len, mls.data};
	if (k->n_adds && !k->no_welcome)
		h.welcome = (ProtobufCBinaryData){9, (uint8_t *)"\0\1\0\3hello"};
	h.n_adds = k->n_adds;
	h.adds = adds;
	h.n_removes = k->hide_removals ? 0 : k->n_removals;
	h.removes = removes;
	assert_int_equal(proto_handshake_pack(&h, &out), 0);
	client_send_raw(c, out.data, out.len);
	cv_buf_done(&aad);
	cv_buf_done(&mls);
	cv_buf_done(&out);
}

void client_join(struct world *w, struct client *committer, struct client *c, uint32_t leaf, uint64_t epoch,
		 uint8_t rights)
{
	struct commit k = {.epoch = epoch, .adds = {c}, .leaves = {leaf}, .n_adds = 1};
	struct PB(Handshake) * h;

	client_knock(w, c, rights);
	client_commit(w, committer, &k);
	h = take_handshake(c);
	assert_non_null(h);
	assert_int_equal(h->epoch, epoch + 1);
	assert_int_not_equal(h->welcome.len, 0);
	proto_handshake_free(h);
	c->leaf = leaf;
	client_ready(c, epoch + 1);
	assert_true(got(committer, PB_CONTROL(COMMIT_ACCEPTED)));
}

void client_app(struct world *w, struct client *c, uint64_t epoch, const char *text)
{
	struct cv_buf b;

	cv_buf_init(&b, 4096);
	cv_buf_put_u8(&b, PROTO_KIND_APPLICATION);
	put_mls(w, epoch, PROTO_MLS_APPLICATION, NULL, &b);
	client_send_raw(c, b.data, b.len);
	cv_buf_done(&b);
}

/* SFrame header with a 4-byte key id and a counter below 8, then some ciphertext; one fragment per unit. */
void client_media(struct client *c, uint32_t leaf, uint8_t stream, uint32_t unit, uint32_t frame, uint8_t layer,
		  uint8_t flags)
{
	uint8_t sframe[25] = {0xb1, stream, (uint8_t)(c->leaf >> 8), (uint8_t)c->leaf, 1};
	struct proto_fragment f = {.leaf = (uint16_t)leaf,
				   .stream = stream,
				   .unit = unit,
				   .flags = PROTO_FRAGMENT_FIRST | PROTO_FRAGMENT_LAST,
				   .header = {stream, frame, layer, flags, 0},
				   .ciphertext = {sframe, sizeof(sframe)}};
	struct cv_buf b;

	cv_buf_init(&b, 4096);
	assert_int_equal(proto_fragment_put(&f, &b), 0);
	client_send_raw(c, b.data, b.len);
	cv_buf_done(&b);
}
