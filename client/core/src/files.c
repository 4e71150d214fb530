/* SPDX-License-Identifier: Apache-2.0 */
/* Offers and what becomes of them: the messages of both sides. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/alloc.h>
#include <base/text.h>
#include <base/time.h>

#include "transfer.h"

int client_files_new(const struct client_group *group, const struct cv_rng *rng, const uint8_t run_id[CLIENT_ID_LEN],
		     const struct client_files_callbacks *cb, struct client_files **ret)
{
	struct client_files *f = cv_calloc(1, sizeof(*f));

	if (f == NULL)
		return CV_ENOMEM;
	f->group = group;
	f->rng = rng;
	memcpy(f->run_id, run_id, CLIENT_ID_LEN);
	f->cb = *cb;
	*ret = f;
	return 0;
}

static void transfer_free(struct transfer *t)
{
	client_receive_close(t);
	if (t->fd >= 0)
		close(t->fd);
	mls_hpke_key_wipe(&t->hpke);
	cv_free(t->acceptors);
	cv_free(t->sums);
	cv_free_wiped(t, sizeof(*t));
}

void client_files_free(struct client_files *f)
{
	if (f == NULL)
		return;
	while (f->list != NULL) {
		struct transfer *t = f->list;

		f->list = t->next;
		transfer_free(t);
	}
	cv_free(f);
}

struct transfer *client_transfer_find(struct client_files *f, const void *id)
{
	for (struct transfer *t = f->list; t != NULL; t = t->next) {
		if (memcmp(t->id, id, CLIENT_ID_LEN) == 0)
			return t;
	}
	return NULL;
}

void client_transfer_event(struct client_files *f, const struct transfer *t, enum client_file_state state,
			   uint32_t leaf, const char *text, const char *path)
{
	struct client_file_event e = {
		.state = state,
		.mine = t->mine,
		.leaf = leaf,
		.name = t->name,
		.path = path,
		.size = t->size,
		.text = text,
	};
	uint64_t bytes = (uint64_t)t->at * PROTO_FILE_CHUNK;

	e.bytes = bytes < t->size ? bytes : t->size;
	memcpy(e.transfer_id, t->id, CLIENT_ID_LEN);
	memcpy(e.sha256, t->sha256, CLIENT_HASH_LEN);
	f->cb.event(f->cb.ctx, &e);
}

static bool is_settled(const struct client_files *f, const void *id)
{
	size_t n = f->n_settled < SETTLED_MAX ? f->n_settled : SETTLED_MAX;

	for (size_t i = 0; i < n; i++) {
		if (memcmp(f->settled[i], id, CLIENT_ID_LEN) == 0)
			return true;
	}
	return false;
}

void client_transfer_settle(struct client_files *f, struct transfer *t)
{
	memcpy(f->settled[f->n_settled++ % SETTLED_MAX], t->id, CLIENT_ID_LEN);
	client_transfer_drop(f, t);
}

void client_transfer_drop(struct client_files *f, struct transfer *t)
{
	for (struct transfer **p = &f->list; *p != NULL; p = &(*p)->next) {
		if (*p == t) {
			*p = t->next;
			f->count--;
			break;
		}
	}
	transfer_free(t);
}

void client_transfer_fail(struct client_files *f, struct transfer *t, const char *text)
{
	PB(Control) c = PB_INIT(CONTROL);
	PB(FileStop) stop = PB_INIT(FILE_STOP);

	stop.transfer_id = (ProtobufCBinaryData){CLIENT_ID_LEN, t->id};
	c.body_case = PB_CONTROL(FILE_STOP);
	c.file_stop = &stop;
	(void)!f->cb.control(f->cb.ctx, &c);
	/* Nothing of it is left by the time that anybody hears of it. */
	client_receive_close(t);
	client_transfer_event(f, t, CLIENT_FILE_FAILED, t->leaf, text, NULL);
	client_transfer_settle(f, t);
}

static int transfer_new(struct client_files *f, const uint8_t id[CLIENT_ID_LEN], const char *name, uint64_t size,
			const uint8_t sha256[CLIENT_HASH_LEN], struct transfer **ret)
{
	struct transfer *t;
	uint32_t chunks;
	int r;

	if (f->count >= CLIENT_TRANSFERS_MAX)
		return CV_ELIMIT;
	r = proto_file_chunk_count(size, &chunks);
	if (r != 0)
		return r;
	t = cv_calloc(1, sizeof(*t));
	if (t == NULL)
		return CV_ENOMEM;
	memcpy(t->id, id, CLIENT_ID_LEN);
	memcpy(t->sha256, sha256, CLIENT_HASH_LEN);
	client_file_name(name, t->name);
	t->size = size;
	t->chunks = chunks;
	t->fd = -1;
	t->next = f->list;
	f->list = t;
	f->count++;
	*ret = t;
	return 0;
}

int client_file_measure(const char *path, uint64_t *ret_size, uint8_t ret_sha256[CLIENT_HASH_LEN])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	EVP_MD_CTX *hash = EVP_MD_CTX_new();
	uint64_t size = 0;
	struct stat st;
	int r = CV_EIO;

	if (fd < 0 || fstat(fd, &st) != 0)
		goto out;
	if (!S_ISREG(st.st_mode)) {
		r = CV_EINVAL;
		goto out;
	}
	if (hash == NULL || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1) {
		r = CV_ECRYPTO;
		goto out;
	}
	for (;;) {
		uint8_t block[65536];
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0)
			goto out;
		if (n == 0)
			break;
		size += (uint64_t)n;
		EVP_DigestUpdate(hash, block, (size_t)n);
	}
	r = EVP_DigestFinal_ex(hash, ret_sha256, NULL) == 1 ? 0 : CV_ECRYPTO;
	if (r == 0)
		*ret_size = size;
out:
	EVP_MD_CTX_free(hash);
	if (fd >= 0)
		close(fd);
	return r;
}

static int send_open(struct client_files *f, const struct transfer *t)
{
	PB(Control) c = PB_INIT(CONTROL);
	PB(FileOpen) open_msg = PB_INIT(FILE_OPEN);

	open_msg.transfer_id = (ProtobufCBinaryData){CLIENT_ID_LEN, (uint8_t *)(uintptr_t)t->id};
	open_msg.size = t->size;
	open_msg.chunk_size = PROTO_FILE_CHUNK;
	c.body_case = PB_CONTROL(FILE_OPEN);
	c.file_open = &open_msg;
	return f->cb.control(f->cb.ctx, &c);
}

static int send_offer(struct client_files *f, struct transfer *t)
{
	PB(AppMessage) msg = PB_INIT(APP_MESSAGE);
	PB(FileOffer) offer = PB_INIT(FILE_OFFER);

	offer.transfer_id = (ProtobufCBinaryData){CLIENT_ID_LEN, t->id};
	offer.name = t->name;
	offer.size = t->size;
	offer.sha256 = (ProtobufCBinaryData){CLIENT_HASH_LEN, t->sha256};
	offer.chunk_size = PROTO_FILE_CHUNK;
	msg.body_case = PB_APP(FILE_OFFER);
	msg.file_offer = &offer;
	return f->cb.app(f->cb.ctx, &msg);
}

static bool files_allowed(const struct client_files *f, uint32_t leaf)
{
	const struct proto_meeting_state *s = client_group_state(f->group);

	return s != NULL && (s->switches & PROTO_SWITCH_FILES) &&
	       (client_group_rights(f->group, leaf) & PROTO_RIGHT_SHARE);
}

int client_files_offer(struct client_files *f, const char *path, uint64_t size, const uint8_t sha256[CLIENT_HASH_LEN],
		       uint8_t ret_id[CLIENT_ID_LEN])
{
	const char *base = strrchr(path, '/');
	uint8_t id[CLIENT_ID_LEN];
	struct transfer *t;
	int r;

	if (!files_allowed(f, client_group_leaf(f->group)))
		return CV_EDENIED;
	r = cv_rng_fill(f->rng, id, sizeof(id));
	if (r == 0)
		r = transfer_new(f, id, base != NULL ? base + 1 : path, size, sha256, &t);
	if (r != 0)
		return r;
	t->mine = true;
	t->leaf = client_group_leaf(f->group);
	t->fd = open(path, O_RDONLY | O_CLOEXEC);
	r = t->fd >= 0 ? cv_rng_fill(f->rng, t->key, sizeof(t->key)) : CV_EIO;
	if (r == 0)
		r = cv_rng_fill(f->rng, t->sum_key, sizeof(t->sum_key));
	t->keyed = true;
	if (r == 0)
		r = send_open(f, t);
	if (r == 0)
		r = send_offer(f, t);
	if (r != 0) {
		client_transfer_drop(f, t);
		return r;
	}
	memcpy(ret_id, id, sizeof(id));
	client_transfer_event(f, t, CLIENT_FILE_OFFERED, t->leaf, NULL, NULL);
	return 0;
}

int client_transfer_accept(struct client_files *f, struct transfer *t)
{
	PB(AppMessage) msg = PB_INIT(APP_MESSAGE);
	PB(FileAccept) accept = PB_INIT(FILE_ACCEPT);
	int r;

	mls_hpke_key_wipe(&t->hpke);
	r = mls_hpke_generate(CLIENT_SUITE, f->rng, &t->hpke);
	if (r != 0)
		return r;
	accept.transfer_id = (ProtobufCBinaryData){CLIENT_ID_LEN, t->id};
	accept.hpke_public_key = (ProtobufCBinaryData){t->hpke.pub_len, t->hpke.pub};
	msg.body_case = PB_APP(FILE_ACCEPT);
	msg.file_accept = &accept;
	/* The relay must deliver to us before the first chunk can come. */
	client_receive_join(f, t);
	return f->cb.app(f->cb.ctx, &msg);
}

int client_files_accept(struct client_files *f, const uint8_t id[CLIENT_ID_LEN], const char *dir)
{
	struct transfer *t = client_transfer_find(f, id);
	int r;

	if (t == NULL || t->mine)
		return CV_ENOTFOUND;
	if (t->accepted || t->waiting)
		return CV_ESTATE;
	r = client_receive_open(f, t, dir);
	return r == 0 ? client_transfer_accept(f, t) : r;
}

int client_files_decline(struct client_files *f, const uint8_t id[CLIENT_ID_LEN])
{
	struct transfer *t = client_transfer_find(f, id);
	PB(AppMessage) msg = PB_INIT(APP_MESSAGE);
	PB(FileDecline) decline = PB_INIT(FILE_DECLINE);
	int r;

	if (t == NULL || t->mine)
		return CV_ENOTFOUND;
	if (t->accepted)
		return CV_ESTATE;
	decline.transfer_id = (ProtobufCBinaryData){CLIENT_ID_LEN, t->id};
	msg.body_case = PB_APP(FILE_DECLINE);
	msg.file_decline = &decline;
	r = f->cb.app(f->cb.ctx, &msg);
	client_transfer_settle(f, t);
	return r;
}

int client_files_cancel(struct client_files *f, const uint8_t id[CLIENT_ID_LEN], const char *reason)
{
	struct transfer *t = client_transfer_find(f, id);
	PB(AppMessage) msg = PB_INIT(APP_MESSAGE);
	PB(FileCancel) cancel = PB_INIT(FILE_CANCEL);
	int r;

	if (t == NULL)
		return CV_ENOTFOUND;
	cancel.transfer_id = (ProtobufCBinaryData){CLIENT_ID_LEN, t->id};
	cancel.reason = (char *)(uintptr_t)reason;
	msg.body_case = PB_APP(FILE_CANCEL);
	msg.file_cancel = &cancel;
	r = f->cb.app(f->cb.ctx, &msg);
	client_receive_close(t);
	client_transfer_event(f, t, CLIENT_FILE_CANCELLED, t->leaf, reason, NULL);
	client_transfer_settle(f, t);
	return r;
}

static void on_offer(struct client_files *f, uint32_t sender, const PB(FileOffer) * offer)
{
	const struct client_member *m = client_group_member(f->group, sender);
	struct transfer *t = client_transfer_find(f, offer->transfer_id.data);

	if (t != NULL) {
		client_transfer_resume(f, t, sender);
		return;
	}
	if (m == NULL || !files_allowed(f, sender) || offer->chunk_size != PROTO_FILE_CHUNK ||
	    is_settled(f, offer->transfer_id.data) ||
	    transfer_new(f, offer->transfer_id.data, offer->name, offer->size, offer->sha256.data, &t) != 0)
		return;
	t->leaf = sender;
	memcpy(t->device, m->device_hash, sizeof(t->device));
	client_transfer_event(f, t, CLIENT_FILE_OFFERED, sender, NULL, NULL);
}

static void on_cancel(struct client_files *f, uint32_t sender, struct transfer *t, const PB(FileCancel) * cancel)
{
	const char *reason = cancel->reason;

	if (t->mine) {
		client_send_left(f, t, sender);
		return;
	}
	if (t->leaf != sender || t->waiting)
		return;
	if (!cv_text_printable(reason, strlen(reason)) || reason[0] == '\0')
		reason = "cancelled by the sender";
	client_receive_close(t);
	client_transfer_event(f, t, CLIENT_FILE_CANCELLED, sender, reason, NULL);
	client_transfer_settle(f, t);
}

void client_files_app(struct client_files *f, uint32_t sender, const PB(AppMessage) * msg)
{
	struct transfer *t;

	f->now_us = cv_now_us();
	switch (msg->body_case) {
	case PB_APP(FILE_OFFER): on_offer(f, sender, msg->file_offer); break;
	case PB_APP(FILE_ACCEPT):
		t = client_transfer_find(f, msg->file_accept->transfer_id.data);
		if (t != NULL && t->mine)
			client_send_accept(f, t, sender, msg->file_accept);
		break;
	case PB_APP(FILE_DECLINE):
		t = client_transfer_find(f, msg->file_decline->transfer_id.data);
		if (t != NULL && t->mine)
			client_transfer_event(f, t, CLIENT_FILE_DECLINED, sender, NULL, NULL);
		break;
	case PB_APP(FILE_KEY):
		t = client_transfer_find(f, msg->file_key->transfer_id.data);
		if (t != NULL && !t->mine && t->accepted && t->leaf == sender && !t->waiting)
			client_receive_key(f, t, msg->file_key);
		break;
	case PB_APP(FILE_CANCEL):
		t = client_transfer_find(f, msg->file_cancel->transfer_id.data);
		if (t != NULL)
			on_cancel(f, sender, t, msg->file_cancel);
		break;
	default: break;
	}
}

void client_files_credit(struct client_files *f, const PB(FileCredit) * msg)
{
	struct transfer *t = client_transfer_find(f, msg->transfer_id.data);

	f->now_us = cv_now_us();
	if (t != NULL && t->mine)
		client_send_credit(f, t, msg->leaf, msg->next_chunk);
}

void client_files_stop(struct client_files *f, const PB(FileStop) * msg)
{
	struct transfer *t = client_transfer_find(f, msg->transfer_id.data);

	/* Only the relay says so: the offerer's connection is gone for good. */
	if (t != NULL && !t->mine && t->accepted && !t->waiting)
		client_transfer_fail(f, t, "the transfer was stopped");
}

void client_files_chunk(struct client_files *f, const void *msg, size_t len)
{
	struct proto_file_chunk c;
	struct transfer *t;

	f->now_us = cv_now_us();
	if (proto_file_chunk_decode(msg, len, &c) != 0)
		return;
	t = client_transfer_find(f, c.transfer_id);
	if (t != NULL && !t->mine && t->accepted)
		client_receive_chunk(f, t, &c);
}

void client_files_pump(struct client_files *f, int64_t now_us)
{
	struct transfer *next;

	f->now_us = now_us;
	for (struct transfer *t = f->list; t != NULL; t = next) {
		next = t->next;
		if (t->mine)
			client_send_pump(f, t);
	}
}

void client_files_joined(struct client_files *f)
{
	f->newcomers = true;
}

/* Everybody who knows the offer passes over its repetition. */
static void offer_again(struct client_files *f)
{
	f->newcomers = false;
	for (struct transfer *t = f->list; t != NULL; t = t->next) {
		/* Not sent: the tunnel is gone or full. The next tick tries again. */
		if (t->mine && files_allowed(f, t->leaf) && send_offer(f, t) != 0)
			f->newcomers = true;
	}
}

void client_files_tick(struct client_files *f, int64_t now_us)
{
	f->now_us = now_us;
	if (f->newcomers)
		offer_again(f);
	for (struct transfer *t = f->list; t != NULL; t = t->next) {
		if (t->mine && now_us - t->moved_us >= CLIENT_FILE_STALL_US)
			client_send_stalled(f, t);
	}
	client_files_pump(f, now_us);
	client_transfers_overdue(f);
}

void client_files_resumed(struct client_files *f)
{
	for (struct transfer *t = f->list; t != NULL; t = t->next) {
		if (t->mine)
			(void)!send_open(f, t);
		else if (t->accepted && !t->waiting)
			client_receive_join(f, t);
	}
}

bool client_files_busy(const struct client_files *f)
{
	for (const struct transfer *t = f->list; t != NULL; t = t->next) {
		if (!t->mine && t->accepted)
			return true;
		for (size_t i = 0; i < t->n_acceptors; i++) {
			if (!t->acceptors[i].done)
				return true;
		}
	}
	return false;
}
