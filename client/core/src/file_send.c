/* SPDX-License-Identifier: Apache-2.0 */
/* The offerer's side of a transfer. */
#include <string.h>
#include <unistd.h>

#include <base/alloc.h>

#include "transfer.h"

#define PROGRESS_US 200000

int client_transfer_info(const struct client_files *f, const struct transfer *t, uint32_t leaf, uint32_t generation,
			 struct cv_buf *out)
{
	static const char label[] = "Conclave 1 File Key";

	cv_buf_put(out, label, sizeof(label) - 1);
	cv_buf_put(out, f->run_id, CLIENT_ID_LEN);
	cv_buf_put(out, t->id, CLIENT_ID_LEN);
	cv_buf_put_u32(out, leaf);
	return cv_buf_put_u32(out, generation);
}

static void chunk_nonce_aad(const struct transfer *t, uint32_t index, uint8_t nonce[12], uint8_t aad[28])
{
	uint32_t numbers[3] = {t->generation, index, t->chunks};

	memset(nonce, 0, 12);
	for (int i = 0; i < 4; i++)
		nonce[8 + i] = (uint8_t)(index >> (24 - 8 * i));
	memcpy(aad, t->id, CLIENT_ID_LEN);
	for (int n = 0; n < 3; n++) {
		for (int i = 0; i < 4; i++)
			aad[16 + 4 * n + i] = (uint8_t)(numbers[n] >> (24 - 8 * i));
	}
}

int client_chunk_seal(const struct transfer *t, uint32_t index, const uint8_t *clear, size_t len, uint8_t *ret)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[12], aad[28];
	int n, r = CV_ECRYPTO;

	chunk_nonce_aad(t, index, nonce, aad);
	if (ctx != NULL && EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, t->key, nonce) == 1 &&
	    EVP_EncryptUpdate(ctx, NULL, &n, aad, sizeof(aad)) == 1 &&
	    EVP_EncryptUpdate(ctx, ret, &n, clear, (int)len) == 1 && EVP_EncryptFinal_ex(ctx, ret + len, &n) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, PROTO_FILE_TAG, ret + len) == 1)
		r = 0;
	EVP_CIPHER_CTX_free(ctx);
	return r;
}

int client_chunk_open(const struct transfer *t, uint32_t index, const uint8_t *sealed, size_t len, uint8_t *ret)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[12], aad[28], tag[PROTO_FILE_TAG];
	int n, r = CV_EAUTH;

	chunk_nonce_aad(t, index, nonce, aad);
	memcpy(tag, sealed + len, sizeof(tag));
	if (ctx == NULL)
		r = CV_ENOMEM;
	else if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, t->key, nonce) == 1 &&
		 EVP_DecryptUpdate(ctx, NULL, &n, aad, sizeof(aad)) == 1 &&
		 EVP_DecryptUpdate(ctx, ret, &n, sealed, (int)len) == 1 &&
		 EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, sizeof(tag), tag) == 1 &&
		 EVP_DecryptFinal_ex(ctx, ret + len, &n) == 1)
		r = 0;
	EVP_CIPHER_CTX_free(ctx);
	return r;
}

/* The file key, sealed to the acceptors from `from` on. */
static int send_keys(struct client_files *f, struct transfer *t, size_t from)
{
	size_t n = t->n_acceptors - from;
	PB(AppMessage) msg = PB_INIT(APP_MESSAGE);
	PB(FileKey) key = PB_INIT(FILE_KEY);
	PB(SealedFileKey) *list = cv_calloc(n + 1, sizeof(*list));
	PB(SealedFileKey) **ptrs = cv_calloc(n + 1, sizeof(*ptrs));
	struct cv_buf *bufs = cv_calloc(2 * n + 1, sizeof(*bufs));
	int r = CV_ENOMEM;

	if (list == NULL || ptrs == NULL || bufs == NULL)
		goto out;
	r = 0;
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct acceptor *a = &t->acceptors[from + i];
		struct cv_buf info;

		cv_buf_init(&bufs[2 * i], 64);
		cv_buf_init(&bufs[2 * i + 1], 64);
		cv_buf_init(&info, 128);
		r = client_transfer_info(f, t, a->leaf, t->generation, &info);
		if (r == 0)
			r = mls_hpke_seal(CLIENT_SUITE, f->rng, (struct cv_span){a->hpke_key, sizeof(a->hpke_key)},
					  (struct cv_span){info.data, info.len}, (struct cv_span){NULL, 0},
					  (struct cv_span){t->key, FILE_KEY_LEN}, &bufs[2 * i], &bufs[2 * i + 1]);
		cv_buf_done(&info);
		list[i] = (PB(SealedFileKey))PB_INIT(SEALED_FILE_KEY);
		list[i].leaf = a->leaf;
		list[i].enc = (ProtobufCBinaryData){bufs[2 * i].len, bufs[2 * i].data};
		list[i].ciphertext = (ProtobufCBinaryData){bufs[2 * i + 1].len, bufs[2 * i + 1].data};
		ptrs[i] = &list[i];
	}
	if (r != 0)
		goto out;
	key.transfer_id = (ProtobufCBinaryData){CLIENT_ID_LEN, t->id};
	key.generation = t->generation;
	key.n_keys = n;
	key.keys = ptrs;
	msg.body_case = PB_APP(FILE_KEY);
	msg.file_key = &key;
	r = f->cb.app(f->cb.ctx, &msg);
out:
	for (size_t i = 0; bufs != NULL && i < 2 * n; i++)
		cv_buf_done(&bufs[i]);
	cv_free(bufs);
	cv_free(list);
	cv_free(ptrs);
	return r;
}

/* The chunk that the slowest acceptor waits for; chunks when all have everything. */
static uint32_t slowest(const struct transfer *t)
{
	uint32_t least = t->chunks;

	for (size_t i = 0; i < t->n_acceptors; i++) {
		if (!t->acceptors[i].done && t->acceptors[i].next < least)
			least = t->acceptors[i].next;
	}
	return least;
}

void client_send_accept(struct client_files *f, struct transfer *t, uint32_t leaf, const PB(FileAccept) * msg)
{
	struct acceptor *list, *a;
	int r;

	for (size_t i = 0; i < t->n_acceptors; i++) {
		if (t->acceptors[i].leaf == leaf)
			return;
	}
	if (t->n_acceptors >= PROTO_FILE_KEYS_MAX || msg->hpke_public_key.len != sizeof(a->hpke_key))
		return;
	list = cv_reallocarray(t->acceptors, t->n_acceptors + 1, sizeof(*list));
	if (list == NULL)
		return;
	t->acceptors = list;
	a = &list[t->n_acceptors];
	memset(a, 0, sizeof(*a));
	a->leaf = leaf;
	memcpy(a->hpke_key, msg->hpke_public_key.data, sizeof(a->hpke_key));
	t->n_acceptors++;
	r = send_keys(f, t, t->n_acceptors - 1);
	if (r != 0) {
		t->n_acceptors--;
		return;
	}
	/* A late acceptor begins at the beginning; the others pass over what they have. */
	t->at = slowest(t);
	t->moved_us = f->now_us;
	client_transfer_event(f, t, CLIENT_FILE_ACCEPTED, leaf, NULL, NULL);
	client_send_pump(f, t);
}

void client_send_left(struct client_files *f, struct transfer *t, uint32_t leaf)
{
	for (size_t i = 0; i < t->n_acceptors; i++) {
		if (t->acceptors[i].leaf != leaf)
			continue;
		memmove(&t->acceptors[i], &t->acceptors[i + 1], (t->n_acceptors - i - 1) * sizeof(t->acceptors[0]));
		t->n_acceptors--;
		/* Who is gone must not read on: a fresh key for those who stay. */
		if (cv_rng_fill(f->rng, t->key, sizeof(t->key)) != 0) {
			client_transfer_fail(f, t, "no randomness");
			return;
		}
		t->generation++;
		t->at = slowest(t);
		if (t->n_acceptors > 0)
			(void)!send_keys(f, t, 0);
		return;
	}
}

/*
 * A chunk is sent again for who comes late or has lost it, under the same key and nonce. It must then be the same: two
 * different texts would give away the key stream's part of both, and the key that authenticates. CV_EEXIST: it is not.
 */
static int same_as_before(struct transfer *t, const uint8_t *clear, size_t len)
{
	uint64_t sum;

	crypto_shorthash((uint8_t *)&sum, clear, len, t->sum_key);
	if (t->at < t->n_sums)
		return t->sums[t->at] == sum ? 0 : CV_EEXIST;
	if (t->n_sums == t->cap_sums) {
		size_t cap = t->cap_sums ? 2 * t->cap_sums : 64;
		uint64_t *p = cv_reallocarray(t->sums, cap, sizeof(*p));

		if (p == NULL)
			return CV_ENOMEM;
		t->sums = p;
		t->cap_sums = cap;
	}
	t->sums[t->n_sums++] = sum;
	return 0;
}

static int send_chunk(struct client_files *f, struct transfer *t)
{
	uint8_t msg[PROTO_FILE_HEAD_LEN + PROTO_FILE_CHUNK + PROTO_FILE_TAG], clear[PROTO_FILE_CHUNK];
	size_t len = transfer_chunk_len(t, t->at), got = 0;
	int r;

	while (got < len) {
		ssize_t n = pread(t->fd, clear + got, len - got, (off_t)((uint64_t)t->at * PROTO_FILE_CHUNK + got));

		if (n <= 0)
			return CV_EIO;
		got += (size_t)n;
	}
	proto_file_head_encode(t->id, t->generation, t->at, msg);
	r = same_as_before(t, clear, len);
	if (r == 0)
		r = client_chunk_seal(t, t->at, clear, len, msg + PROTO_FILE_HEAD_LEN);
	cv_wipe(clear, sizeof(clear));
	if (r != 0)
		return r;
	return f->cb.chunk(f->cb.ctx, msg, PROTO_FILE_HEAD_LEN + len + PROTO_FILE_TAG);
}

void client_send_pump(struct client_files *f, struct transfer *t)
{
	uint32_t least = slowest(t);

	while (t->at < t->chunks && t->at - least < PROTO_FILE_WINDOW && least < t->chunks) {
		int r = send_chunk(f, t);

		if (r == CV_EAGAIN || r == CV_ESTATE)
			return;
		if (r != 0) {
			(void)!client_files_cancel(f, t->id,
						   r == CV_EIO      ? "the file cannot be read any more"
						   : r == CV_EEXIST ? "the file was changed while it was sent"
								    : "the file cannot be sent");
			return;
		}
		t->at++;
		t->moved_us = f->now_us;
	}
}

void client_send_stalled(struct client_files *f, struct transfer *t)
{
	uint32_t least = slowest(t);

	if (least < t->chunks && t->at > least) {
		t->at = least;
		t->moved_us = f->now_us;
	}
}

void client_send_credit(struct client_files *f, struct transfer *t, uint32_t leaf, uint32_t next)
{
	for (size_t i = 0; i < t->n_acceptors; i++) {
		struct acceptor *a = &t->acceptors[i];

		/* nobody can have more than was sent */
		if (a->leaf != leaf || next > t->n_sums || next < a->next || a->done)
			continue;
		a->next = next;
		t->moved_us = f->now_us;
		if (next == t->chunks) {
			a->done = true;
			client_transfer_event(f, t, CLIENT_FILE_DONE, leaf, NULL, NULL);
		} else if (f->now_us - t->told_us >= PROGRESS_US) {
			t->told_us = f->now_us;
			client_transfer_event(f, t, CLIENT_FILE_PROGRESS, leaf, NULL, NULL);
		}
		if (t->at < slowest(t))
			t->at = slowest(t);
		client_send_pump(f, t);
		return;
	}
}
