/* SPDX-License-Identifier: Apache-2.0 */
/* One transfer, seen from either side; shared by files.c (messages), file_send.c and file_receive.c. */
#ifndef CLIENT_TRANSFER_H
#define CLIENT_TRANSFER_H

#include <openssl/evp.h>
#include <sodium.h>

#include <mls/hpke.h>

#include <client/files.h>

#define FILE_KEY_LEN 32
#define SETTLED_MAX  CLIENT_TRANSFERS_MAX

struct acceptor {
	uint32_t leaf;
	uint8_t hpke_key[32];
	uint32_t next; /* all chunks below have arrived there */
	bool done;
};

struct transfer {
	struct transfer *next;
	uint8_t id[CLIENT_ID_LEN];
	bool mine;
	uint32_t leaf;                   /* offerer */
	uint8_t device[CLIENT_HASH_LEN]; /* the offerer's, by which it is known when it comes back */
	bool waiting;                    /* for that */
	int64_t waiting_us;
	char name[CLIENT_FILE_NAME_MAX + 1];
	uint64_t size;
	uint8_t sha256[CLIENT_HASH_LEN];
	uint32_t chunks;
	int fd; /* source, or temporary file; -1 */
	bool keyed;
	uint32_t generation;
	uint8_t key[FILE_KEY_LEN];
	uint32_t at; /* next chunk to send or to receive */
	int64_t moved_us;
	int64_t told_us; /* last progress event */

	/* offerer */
	struct acceptor *acceptors;
	size_t n_acceptors;
	uint8_t sum_key[crypto_shorthash_KEYBYTES];
	uint64_t *sums; /* of the clear text of each chunk that was ever sent: sent again, it must be the same */
	uint32_t n_sums;
	size_t cap_sums;

	/* acceptor */
	bool accepted;
	struct mls_hpke_key hpke;
	char *dir, *temp;
	EVP_MD_CTX *hash;
};

struct client_files {
	const struct client_group *group;
	const struct cv_rng *rng;
	uint8_t run_id[CLIENT_ID_LEN];
	struct client_files_callbacks cb;
	struct transfer *list;
	size_t count;
	int64_t now_us;
	bool newcomers; /* who came since the last tick has not seen what is offered */

	/* What was received, declined or cancelled here, the oldest first to go: offers are repeated for newcomers. */
	uint8_t settled[SETTLED_MAX][CLIENT_ID_LEN];
	size_t n_settled;
};

/* files.c */
struct transfer *client_transfer_find(struct client_files *f, const void *id);
void client_transfer_event(struct client_files *f, const struct transfer *t, enum client_file_state state,
			   uint32_t leaf, const char *text, const char *path);
void client_transfer_drop(struct client_files *f, struct transfer *t);
/* As client_transfer_drop; the offer, repeated for newcomers, is not shown again. */
void client_transfer_settle(struct client_files *f, struct transfer *t);
/* As client_transfer_drop after telling why. */
void client_transfer_fail(struct client_files *f, struct transfer *t, const char *text);
/* info = label || run || transfer || leaf || generation */
int client_transfer_info(const struct client_files *f, const struct transfer *t, uint32_t leaf, uint32_t generation,
			 struct cv_buf *out) CV_NODISCARD;
/* AES-256-GCM of one chunk with nonce and aad of section 7. `len` without tag; in: seal reads clear text. */
int client_chunk_seal(const struct transfer *t, uint32_t index, const uint8_t *clear, size_t len,
		      uint8_t *ret) CV_NODISCARD;
int client_chunk_open(const struct transfer *t, uint32_t index, const uint8_t *sealed, size_t len,
		      uint8_t *ret) CV_NODISCARD;
static inline size_t transfer_chunk_len(const struct transfer *t, uint32_t index)
{
	uint64_t at = (uint64_t)index * PROTO_FILE_CHUNK;

	return t->size - at < PROTO_FILE_CHUNK ? (size_t)(t->size - at) : PROTO_FILE_CHUNK;
}

/* Asks the offerer for the key, with a fresh one of ours, and the relay for the chunks that are missing. */
int client_transfer_accept(struct client_files *f, struct transfer *t) CV_NODISCARD;

/* files_return.c */
void client_transfer_wait(struct client_files *f, struct transfer *t);
/* The offer has come again: goes on when it was waiting for this very device. */
void client_transfer_resume(struct client_files *f, struct transfer *t, uint32_t sender);
/* Gives up what has waited for too long. */
void client_transfers_overdue(struct client_files *f);

/* file_send.c */
void client_send_accept(struct client_files *f, struct transfer *t, uint32_t leaf, const PB(FileAccept) * msg);
void client_send_left(struct client_files *f, struct transfer *t, uint32_t leaf);
void client_send_pump(struct client_files *f, struct transfer *t);
void client_send_stalled(struct client_files *f, struct transfer *t);
void client_send_credit(struct client_files *f, struct transfer *t, uint32_t leaf, uint32_t next);

/* file_receive.c */
void client_receive_key(struct client_files *f, struct transfer *t, const PB(FileKey) * msg);
void client_receive_chunk(struct client_files *f, struct transfer *t, const struct proto_file_chunk *c);
int client_receive_open(struct client_files *f, struct transfer *t, const char *dir) CV_NODISCARD;
void client_receive_join(struct client_files *f, struct transfer *t);
void client_receive_close(struct transfer *t);

#endif
