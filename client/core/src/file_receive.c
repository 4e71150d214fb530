/* SPDX-License-Identifier: Apache-2.0 */
/* The acceptor's side of a transfer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/alloc.h>
#include <base/file.h>

#include "transfer.h"

#define PROGRESS_US  200000
#define PATH_ROOM    4096
#define FLUSH_CHUNKS 32
#define NAMES_MAX    1000 /* "name (999).ext" is the last that is tried */

int client_receive_open(struct client_files *f, struct transfer *t, const char *dir)
{
	char temp[PATH_ROOM];

	if (snprintf(temp, sizeof(temp), "%s/.conclave-XXXXXX.part", dir) >= (int)sizeof(temp))
		return CV_ELIMIT;
	t->fd = mkostemps(temp, 5, O_CLOEXEC);
	if (t->fd < 0)
		return CV_EIO;
	t->dir = cv_strdup(dir);
	t->temp = cv_strdup(temp);
	t->hash = EVP_MD_CTX_new();
	if (t->dir == NULL || t->temp == NULL || t->hash == NULL ||
	    EVP_DigestInit_ex(t->hash, EVP_sha256(), NULL) != 1) {
		unlink(temp);
		client_receive_close(t);
		return CV_ENOMEM;
	}
	t->accepted = true;
	t->moved_us = f->now_us;
	return 0;
}

void client_receive_close(struct transfer *t)
{
	if (t->mine)
		return;
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	if (t->temp != NULL)
		unlink(t->temp);
	cv_free(t->temp);
	cv_free(t->dir);
	t->temp = t->dir = NULL;
	EVP_MD_CTX_free(t->hash);
	t->hash = NULL;
	t->accepted = false;
}

void client_receive_join(struct client_files *f, struct transfer *t)
{
	PB(Control) c = PB_INIT(CONTROL);
	PB(FileJoin) join = PB_INIT(FILE_JOIN);

	join.transfer_id = (ProtobufCBinaryData){CLIENT_ID_LEN, t->id};
	join.next_chunk = t->at;
	c.body_case = PB_CONTROL(FILE_JOIN);
	c.file_join = &join;
	(void)!f->cb.control(f->cb.ctx, &c);
}

static void send_credit(struct client_files *f, struct transfer *t)
{
	PB(Control) c = PB_INIT(CONTROL);
	PB(FileCredit) credit = PB_INIT(FILE_CREDIT);

	credit.transfer_id = (ProtobufCBinaryData){CLIENT_ID_LEN, t->id};
	credit.next_chunk = t->at;
	c.body_case = PB_CONTROL(FILE_CREDIT);
	c.file_credit = &credit;
	(void)!f->cb.control(f->cb.ctx, &c);
}

void client_receive_key(struct client_files *f, struct transfer *t, const PB(FileKey) * msg)
{
	uint32_t own = client_group_leaf(f->group);

	if (t->keyed && msg->generation <= t->generation)
		return;
	for (size_t i = 0; i < msg->n_keys; i++) {
		const PB(SealedFileKey) *k = msg->keys[i];
		struct cv_buf info, key;
		int r;

		if (k->leaf != own)
			continue;
		cv_buf_init(&info, 128);
		cv_buf_init_secret(&key, 64);
		r = client_transfer_info(f, t, own, msg->generation, &info);
		if (r == 0)
			r = mls_hpke_open(CLIENT_SUITE, &t->hpke, (struct cv_span){k->enc.data, k->enc.len},
					  (struct cv_span){info.data, info.len}, (struct cv_span){NULL, 0},
					  (struct cv_span){k->ciphertext.data, k->ciphertext.len}, &key);
		if (r == 0 && key.len == FILE_KEY_LEN) {
			memcpy(t->key, key.data, FILE_KEY_LEN);
			t->generation = msg->generation;
			t->keyed = true;
			/* Resumed: the offerer knows us as an acceptor from now on, and need not begin at the
			 * beginning. */
			if (t->at > 0)
				send_credit(f, t);
		}
		cv_buf_done(&info);
		cv_buf_done(&key);
		return;
	}
}

/* Gives the finished file its name; an existing file is never replaced. */
static int place(struct transfer *t, char path[PATH_ROOM])
{
	const char *dot = strrchr(t->name, '.');
	int stem = dot != NULL && dot != t->name ? (int)(dot - t->name) : (int)strlen(t->name);
	int fd, error;

	for (int i = 0; i < NAMES_MAX; i++) {
		int n = i == 0 ? snprintf(path, PATH_ROOM, "%s/%s", t->dir, t->name)
			       : snprintf(path, PATH_ROOM, "%s/%.*s (%d)%s", t->dir, stem, t->name, i, t->name + stem);

		if (n >= PATH_ROOM)
			return CV_ELIMIT;
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return CV_EIO;
		close(fd);
		/* What is replaced is our own empty file. */
		if (rename(t->temp, path) == 0)
			return 0;
		error = errno;
		unlink(path);
		errno = error;
		return CV_EIO;
	}
	return CV_EEXIST;
}

static void finish(struct client_files *f, struct transfer *t)
{
	uint8_t hash[EVP_MAX_MD_SIZE];
	char path[PATH_ROOM];

	if (EVP_DigestFinal_ex(t->hash, hash, NULL) != 1 || memcmp(hash, t->sha256, CLIENT_HASH_LEN) != 0) {
		client_transfer_fail(f, t, "the file that arrived is not the one that was offered (SHA-256)");
		return;
	}
	if (fsync(t->fd) != 0 || place(t, path) != 0) {
		char text[160];

		snprintf(text, sizeof(text), "the file cannot be put in place: %s", strerror(errno));
		client_transfer_fail(f, t, text);
		return;
	}
	send_credit(f, t);
	client_receive_close(t);
	client_transfer_event(f, t, CLIENT_FILE_DONE, t->leaf, NULL, path);
	client_transfer_settle(f, t);
}

void client_receive_chunk(struct client_files *f, struct transfer *t, const struct proto_file_chunk *c)
{
	uint8_t clear[PROTO_FILE_CHUNK];
	size_t len;

	/* Out of turn: repeated for a slower acceptor, or lost before; the offerer goes back to what we confirmed. */
	if (!t->keyed || c->generation != t->generation || c->index != t->at || c->index >= t->chunks)
		return;
	len = transfer_chunk_len(t, c->index);
	if (c->ciphertext.len != len + PROTO_FILE_TAG)
		return;
	/* What does not open is not the offerer's: dropped, it will come again. */
	if (client_chunk_open(t, c->index, c->ciphertext.data, len, clear) != 0)
		return;
	if (cv_write_all(t->fd, clear, len) != 0) {
		char text[160];

		snprintf(text, sizeof(text), "the file cannot be written: %s", strerror(errno));
		client_transfer_fail(f, t, text);
		return;
	}
	EVP_DigestUpdate(t->hash, clear, len);
	t->at++;
	if (t->at == t->chunks) {
		finish(f, t);
		return;
	}
	/* Begins to write to the disk now, so that the sync at the end does not hold the loop up. */
	if (t->at % FLUSH_CHUNKS == 0)
		(void)!sync_file_range(t->fd, (off_t)(t->at - FLUSH_CHUNKS) * PROTO_FILE_CHUNK,
				       (off_t)FLUSH_CHUNKS * PROTO_FILE_CHUNK, SYNC_FILE_RANGE_WRITE);
	if (t->at % PROTO_FILE_CREDIT_STEP == 0)
		send_credit(f, t);
	if (f->now_us - t->told_us >= PROGRESS_US) {
		t->told_us = f->now_us;
		client_transfer_event(f, t, CLIENT_FILE_PROGRESS, t->leaf, NULL, NULL);
	}
}
