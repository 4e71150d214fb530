/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <client/media.h>
#include <sframe/sframe.h>

#define KEYS_MAX    16384
#define VOICE_ROUND 16 /* voice units are padded to a multiple of this many bytes */
#define EPOCHS_HELD 6  /* receive epochs at once; more would mean six commits within the overlap */
#define AHEAD_MAX   8  /* epochs that a unit may be ahead of ours */
#define VOICE_BYTES (64u * 1024)
#define VIDEO_BYTES (2u * 1024 * 1024)

static const struct sframe_mls_params mls_params = {.epoch_bits = 8, .sender_bits = 16};

struct incoming {
	struct proto_reassembler reassembler;
	bool told; /* of damage */
};

struct held {
	struct held *next;
	int64_t at_us;
	uint32_t leaf;
	struct proto_media_header header;
	size_t len;
	uint8_t ciphertext[];
};

struct old_epoch {
	uint64_t epoch;
	int64_t ends_us;
};

struct client_media {
	const struct client_group *group;
	struct client_media_callbacks cb;
	struct sframe_sender *senders[PROTO_STREAM_MAX + 1]; /* by stream */
	uint32_t next_unit[PROTO_STREAM_MAX + 1];
	struct sframe_receiver *receiver; /* as the senders NULL until the first epoch says the suite */
	uint16_t suite;
	bool keyed;
	uint64_t epoch;
	uint32_t leaf;
	struct old_epoch old[EPOCHS_HELD];
	size_t n_old;

	struct incoming **incoming; /* by leaf * PROTO_STREAM_MAX + stream - 1 */
	size_t incoming_room;
	size_t incoming_count;
	struct held *held_first, **held_last;
	size_t n_held, held_bytes;
	struct cv_buf plain, sealed;
	struct client_media_stats stats;
};

int client_media_new(const struct client_group *group, const struct client_media_callbacks *cb,
		     struct client_media **ret)
{
	struct client_media *m = cv_calloc(1, sizeof(*m));

	if (m == NULL)
		return CV_ENOMEM;
	m->group = group;
	m->cb = *cb;
	m->held_last = &m->held_first;
	cv_buf_init_secret(&m->plain, PROTO_UNIT_MAX);
	cv_buf_init(&m->sealed, PROTO_UNIT_MAX + SFRAME_OVERHEAD_MAX);
	*ret = m;
	return 0;
}

static void drop_incoming(struct client_media *m, size_t i)
{
	if (m->incoming[i] == NULL)
		return;
	proto_reassembler_done(&m->incoming[i]->reassembler);
	cv_free(m->incoming[i]);
	m->incoming[i] = NULL;
	m->incoming_count--;
}

static struct held *pop_held(struct client_media *m)
{
	struct held *h = m->held_first;

	if (h == NULL)
		return NULL;
	m->held_first = h->next;
	if (m->held_first == NULL)
		m->held_last = &m->held_first;
	m->n_held--;
	m->held_bytes -= h->len;
	return h;
}

void client_media_free(struct client_media *m)
{
	if (m == NULL)
		return;
	for (struct held *h = pop_held(m); h != NULL; h = pop_held(m))
		cv_free(h);
	for (size_t i = 0; i < m->incoming_room; i++)
		drop_incoming(m, i);
	cv_free(m->incoming);
	for (unsigned s = 1; s <= PROTO_STREAM_MAX; s++)
		sframe_sender_free(m->senders[s]);
	sframe_receiver_free(m->receiver);
	cv_buf_done(&m->plain);
	cv_buf_done(&m->sealed);
	cv_free(m);
}

/* ---- keys */

/* Senders and receiver of the suite that the meeting has from its first epoch on. */
static int take_suite(struct client_media *m, uint16_t suite)
{
	int r = 0;

	if (m->keyed)
		return suite == m->suite ? 0 : CV_EINVAL;
	for (unsigned s = 1; s <= PROTO_STREAM_MAX && r == 0; s++) {
		if (m->senders[s] == NULL)
			r = sframe_sender_new(suite, &m->senders[s]);
	}
	if (r == 0 && m->receiver == NULL)
		r = sframe_receiver_new(suite, &mls_params, KEYS_MAX, &m->receiver);
	m->suite = suite;
	return r;
}

static int set_senders(struct client_media *m, uint64_t epoch, uint32_t leaf, const struct client_base_key *key)
{
	for (unsigned s = 1; s <= PROTO_STREAM_MAX; s++) {
		uint64_t kid;
		int r = sframe_mls_kid(&mls_params, s, leaf, epoch, &kid);

		if (r == 0)
			r = sframe_sender_set_key(m->senders[s], epoch, kid, key->bytes, key->len);
		if (r != 0)
			return r;
	}
	return 0;
}

static int open_unit(struct client_media *m, uint32_t leaf, const struct proto_media_header *header,
		     struct cv_span ciphertext);

/* A lost key is the network's or the clock's doing, everything else somebody's. */
static int judged(struct client_media *m, uint32_t leaf, int r)
{
	bool told = false;

	if (r == 0 || r == CV_EDENIED || r == CV_EAGAIN || r == CV_ENOMEM)
		return r;
	m->stats.unopened++;
	if (r == CV_ENOTFOUND)
		return r;
	m->stats.damaged++;
	for (unsigned s = 0; s < PROTO_STREAM_MAX; s++) {
		size_t i = (size_t)leaf * PROTO_STREAM_MAX + s;
		struct incoming *in = i < m->incoming_room ? m->incoming[i] : NULL;

		if (in == NULL)
			continue;
		told = told || in->told;
		in->told = true;
	}
	/* What nobody can have sent, under a leaf that is made up or our own, is counted and not worth a word. */
	if (!told && m->cb.damaged != NULL && leaf != m->leaf && client_group_member(m->group, leaf) != NULL)
		m->cb.damaged(m->cb.ctx, leaf);
	return r;
}

static void deliver_held(struct client_media *m, int64_t now_us)
{
	size_t n = m->n_held;

	while (n-- > 0) {
		struct held *h = pop_held(m);
		int r = CV_ENOTFOUND;

		if (now_us - h->at_us <= CLIENT_MEDIA_HELD_US)
			r = open_unit(m, h->leaf, &h->header, (struct cv_span){h->ciphertext, h->len});
		else
			m->stats.held_expired++;
		if (r == CV_EAGAIN) {
			/* Of an epoch further on: back to the end of the queue. */
			h->next = NULL;
			*m->held_last = h;
			m->held_last = &h->next;
			m->n_held++;
			m->held_bytes += h->len;
			continue;
		}
		cv_free(h);
	}
}

int client_media_epoch(struct client_media *m, uint64_t epoch, uint32_t leaf, const struct client_base_key *base_key,
		       int64_t now_us)
{
	int r;

	if (m->keyed && epoch <= m->epoch)
		return CV_EINVAL;
	r = take_suite(m, base_key->suite);
	if (r != 0)
		return r;
	if (m->keyed) {
		if (m->n_old == EPOCHS_HELD - 1) {
			sframe_receiver_drop_before(m->receiver, m->old[0].epoch + 1);
			memmove(m->old, m->old + 1, (m->n_old - 1) * sizeof(m->old[0]));
			m->n_old--;
		}
		m->old[m->n_old++] = (struct old_epoch){m->epoch, now_us + CLIENT_MEDIA_KEY_OVERLAP_US};
	}
	r = sframe_receiver_add_epoch(m->receiver, epoch, base_key->bytes, base_key->len);
	if (r == 0)
		r = set_senders(m, epoch, leaf, base_key);
	if (r != 0)
		return r;
	m->keyed = true;
	m->epoch = epoch;
	m->leaf = leaf;
	deliver_held(m, now_us);
	return 0;
}

void client_media_tick(struct client_media *m, int64_t now_us)
{
	while (m->n_old > 0 && m->old[0].ends_us <= now_us) {
		sframe_receiver_drop_before(m->receiver, m->old[0].epoch + 1);
		memmove(m->old, m->old + 1, (m->n_old - 1) * sizeof(m->old[0]));
		m->n_old--;
	}
	while (m->held_first != NULL && now_us - m->held_first->at_us > CLIENT_MEDIA_HELD_US) {
		cv_free(pop_held(m));
		m->stats.held_expired++;
	}
}

void client_media_stop_sending(struct client_media *m)
{
	for (unsigned s = 1; s <= PROTO_STREAM_MAX && m->keyed; s++)
		sframe_sender_clear_key(m->senders[s]);
}

/* ---- sending */

static enum net_class class_of(const struct proto_media_header *h)
{
	if (h->stream == PROTO_STREAM_VOICE)
		return NET_CLASS_AUDIO;
	return h->layer >> 4 == 0 ? NET_CLASS_BASE : NET_CLASS_UPPER;
}

static int send_fragments(struct client_media *m, const struct proto_media_header *header)
{
	uint32_t number = m->next_unit[header->stream]++;
	uint8_t head[PROTO_FRAGMENT_HEAD_MAX];
	struct proto_fragmenter cut;
	struct client_fragment f = {.cls = class_of(header)};
	size_t left = m->sealed.len;
	int r;

	r = proto_fragmenter_init(&cut, (uint16_t)m->leaf, number, header, m->sealed.data, m->sealed.len);
	if (r != 0)
		return r;
	f.unit = ((uint64_t)header->stream << 32 | number) + 1;
	f.head.data = head;
	while (proto_fragmenter_next(&cut, head, &f.head.len, &f.payload)) {
		left -= f.payload.len;
		f.unit_end = left == 0;
		r = m->cb.send(m->cb.ctx, &f);
		if (r != 0)
			return r;
	}
	return 0;
}

int client_media_send(struct client_media *m, const struct proto_media_header *header, uint64_t capture_us,
		      struct cv_span data)
{
	uint8_t metadata[PROTO_MEDIA_HEADER_LEN];
	int r;

	if (!m->keyed)
		return CV_ESTATE;
	if (header->stream < 1 || header->stream > PROTO_STREAM_MAX)
		return CV_EINVAL;
	if (data.len > CLIENT_MEDIA_UNIT_MAX)
		return CV_ELIMIT;
	cv_buf_reset(&m->plain);
	cv_buf_reset(&m->sealed);
	cv_buf_put_u64(&m->plain, capture_us);
	cv_buf_put_u32(&m->plain, (uint32_t)data.len);
	cv_buf_put(&m->plain, data.data, data.len);
	/* Sizes must not tell what is spoken. */
	while (header->stream == PROTO_STREAM_VOICE && m->plain.len % VOICE_ROUND != 0 &&
	       cv_buf_put_u8(&m->plain, 0) == 0)
		;
	r = cv_buf_status(&m->plain);
	if (r != 0)
		return r;
	proto_media_header_encode(header, metadata);
	r = sframe_seal_buf(m->senders[header->stream], metadata, sizeof(metadata), m->plain.data, m->plain.len,
			    &m->sealed);
	if (r == 0)
		r = send_fragments(m, header);
	if (r == 0)
		m->stats.sent++;
	return r;
}

/* ---- receiving */

static int deliver(struct client_media *m, uint32_t leaf, const struct proto_media_header *header, size_t len)
{
	struct client_unit u = {.leaf = leaf, .header = *header};
	struct cv_reader r;
	uint32_t data_len = 0;
	int e;

	cv_reader_init(&r, m->plain.data, len);
	e = cv_reader_get_u64(&r, &u.capture_us);
	if (e == 0)
		e = cv_reader_get_u32(&r, &data_len);
	if (e == 0)
		e = cv_reader_get(&r, data_len, &u.data.data);
	if (e != 0 || data_len == 0)
		return CV_EFORMAT;
	u.data.len = data_len;
	/* A hostile relay gives nobody a right: meeting_state decides, here. */
	if (!(client_group_rights(m->group, leaf) & proto_stream_right(header->stream))) {
		m->stats.without_right++;
		return CV_EDENIED;
	}
	m->stats.received++;
	m->cb.unit(m->cb.ctx, &u);
	return 0;
}

/* CV_EAGAIN: the unit is of an epoch that is still to come. */
static int open_unit(struct client_media *m, uint32_t leaf, const struct proto_media_header *header,
		     struct cv_span ciphertext)
{
	uint8_t metadata[PROTO_MEDIA_HEADER_LEN], *dst;
	struct sframe_header h;
	uint64_t context;
	uint32_t kid_leaf, epoch_low, ahead;
	size_t head_len, len;
	int r;

	r = sframe_header_decode(ciphertext.data, ciphertext.len, &h, &head_len);
	if (r != 0)
		goto out;
	sframe_mls_kid_split(&mls_params, h.kid, &context, &kid_leaf, &epoch_low);
	if (context != header->stream || kid_leaf != leaf) {
		r = CV_EFORMAT;
		goto out;
	}
	if (!m->keyed)
		return CV_EAGAIN;
	cv_buf_reset(&m->plain);
	r = cv_buf_extend(&m->plain, ciphertext.len, &dst);
	if (r != 0)
		goto out;
	proto_media_header_encode(header, metadata);
	r = sframe_open(m->receiver, metadata, sizeof(metadata), ciphertext.data, ciphertext.len, dst, ciphertext.len,
			&len, NULL);
	if (r == CV_ENOTFOUND) {
		ahead = (epoch_low - (uint32_t)(m->epoch & 0xff)) & 0xff;
		if (ahead >= 1 && ahead <= AHEAD_MAX)
			return CV_EAGAIN;
	}
	if (r == 0)
		r = deliver(m, leaf, header, len);
out:
	return judged(m, leaf, r);
}

static int hold(struct client_media *m, uint32_t leaf, const struct proto_unit *u, int64_t now_us)
{
	struct held *h;

	if (u->ciphertext.len > CLIENT_MEDIA_HELD_BYTES_MAX)
		return CV_ELIMIT;
	while (m->n_held >= CLIENT_MEDIA_HELD_MAX || m->held_bytes + u->ciphertext.len > CLIENT_MEDIA_HELD_BYTES_MAX) {
		cv_free(pop_held(m));
		m->stats.held_expired++;
	}
	h = cv_malloc(sizeof(*h) + u->ciphertext.len);
	if (h == NULL)
		return CV_ENOMEM;
	h->next = NULL;
	h->at_us = now_us;
	h->leaf = leaf;
	h->header = u->header;
	h->len = u->ciphertext.len;
	memcpy(h->ciphertext, u->ciphertext.data, h->len);
	*m->held_last = h;
	m->held_last = &h->next;
	m->n_held++;
	m->held_bytes += h->len;
	m->stats.held++;
	return 0;
}

static int find_incoming(struct client_media *m, uint16_t leaf, uint8_t stream, struct incoming **ret)
{
	size_t i = (size_t)leaf * PROTO_STREAM_MAX + stream - 1;
	struct incoming *in;

	if (i >= m->incoming_room) {
		size_t room = m->incoming_room == 0 ? 64 : m->incoming_room;
		struct incoming **list;

		while (room <= i)
			room *= 2;
		list = cv_reallocarray(m->incoming, room, sizeof(struct incoming *));
		if (list == NULL)
			return CV_ENOMEM;
		memset(list + m->incoming_room, 0, (room - m->incoming_room) * sizeof(struct incoming *));
		m->incoming = list;
		m->incoming_room = room;
	}
	if (m->incoming[i] == NULL) {
		if (m->incoming_count >= client_group_count(m->group) * PROTO_STREAM_MAX + CLIENT_MEDIA_STREAMS_EXTRA)
			return CV_ELIMIT;
		in = cv_calloc(1, sizeof(*in));
		if (in == NULL)
			return CV_ENOMEM;
		proto_reassembler_init(&in->reassembler, stream == PROTO_STREAM_VOICE ? VOICE_BYTES : VIDEO_BYTES);
		m->incoming[i] = in;
		m->incoming_count++;
	}
	*ret = m->incoming[i];
	return 0;
}

int client_media_receive(struct client_media *m, const void *msg, size_t len, int64_t now_us)
{
	struct proto_fragment f;
	struct proto_unit unit;
	struct incoming *in;
	int r;

	r = proto_fragment_decode(msg, len, &f);
	if (r != 0) {
		m->stats.unopened++;
		m->stats.damaged++;
		return r;
	}
	r = find_incoming(m, f.leaf, f.stream, &in);
	if (r == 0)
		r = proto_reassembler_put(&in->reassembler, &f, &unit);
	/* Fragments without a beginning follow one that was refused, or come when we have just begun to listen. */
	if (r == CV_EFORMAT)
		return judged(m, f.leaf, r);
	if (r != 0)
		return r == CV_EAGAIN ? 0 : r;
	r = open_unit(m, f.leaf, &unit.header, unit.ciphertext);
	return r == CV_EAGAIN ? hold(m, f.leaf, &unit, now_us) : r;
}

void client_media_forget(struct client_media *m, uint32_t leaf)
{
	for (unsigned s = 0; s < PROTO_STREAM_MAX; s++) {
		size_t i = (size_t)leaf * PROTO_STREAM_MAX + s;

		if (i < m->incoming_room)
			drop_incoming(m, i);
	}
}

void client_media_stats(const struct client_media *m, struct client_media_stats *ret)
{
	*ret = m->stats;
}
