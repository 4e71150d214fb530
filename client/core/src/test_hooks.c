/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>
#include <base/text.h>
#include <proto/media.h>
#include <sframe/sframe.h>

#include "test_hooks.h"
#include "transfer.h"

#define EPOCHS_MAX 4096

struct kept {
	uint64_t epoch;
	struct client_base_key base_key;
};

struct client_hooks {
	FILE *secrets, *capture;
	bool stay, wrong_reports;
	int64_t seconds[HOOK_TIMES]; /* 0: as in the product */
	struct kept kept[EPOCHS_MAX];
	size_t n;
};

struct client_hooks *client_hooks_new(void)
{
	const char *secrets = getenv("CONCLAVE_HOOK_SECRETS"), *capture = getenv("CONCLAVE_HOOK_CAPTURE");
	static const char *const times[HOOK_TIMES] = {
		[HOOK_PATH] = "CONCLAVE_HOOK_PATH_S",
		[HOOK_SILENT] = "CONCLAVE_HOOK_SILENT_S",
		[HOOK_REPORT] = "CONCLAVE_HOOK_REPORT_S",
		[HOOK_RENEW] = "CONCLAVE_HOOK_RENEW_S",
	};
	const char *stay = getenv("CONCLAVE_HOOK_STAY"), *reports = getenv("CONCLAVE_HOOK_REPORTS");
	struct client_hooks *h = cv_calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->secrets = secrets != NULL ? fopen(secrets, "we") : NULL;
	h->capture = capture != NULL ? fopen(capture, "we") : NULL;
	h->stay = stay != NULL && strcmp(stay, "1") == 0;
	h->wrong_reports = reports != NULL && strcmp(reports, "wrong") == 0;
	for (int i = 0; i < HOOK_TIMES; i++) {
		const char *text = getenv(times[i]);

		h->seconds[i] = text != NULL ? strtol(text, NULL, 10) : 0;
	}
	return h;
}

void client_hooks_free(struct client_hooks *h)
{
	if (h == NULL)
		return;
	if (h->secrets != NULL)
		fclose(h->secrets);
	if (h->capture != NULL)
		fclose(h->capture);
	cv_free(h);
}

bool client_hooks_stay(const struct client_hooks *h)
{
	return h != NULL && h->stay;
}

void client_hooks_report(const struct client_hooks *h, uint8_t hash[CLIENT_HASH_LEN])
{
	if (h != NULL && h->wrong_reports)
		hash[0] ^= 1;
}

int64_t client_hooks_time(const struct client_hooks *h, enum client_hook_time which, int64_t value, int64_t second)
{
	return h != NULL && h->seconds[which] != 0 ? h->seconds[which] * second : value;
}

void client_hooks_epoch(struct client_hooks *h, uint64_t epoch, uint32_t leaf, const struct client_base_key *base_key,
			const uint8_t *authenticator)
{
	static const struct sframe_mls_params params = {.epoch_bits = 8, .sender_bits = 16};
	char base[2 * CLIENT_BASE_KEY_MAX + 1], auth[2 * CLIENT_AUTHENTICATOR_LEN + 1], key[2 * SFRAME_KEY_MAX + 1];
	struct sframe_keys keys;

	if (h == NULL)
		return;
	if (h->n < EPOCHS_MAX) {
		h->kept[h->n].epoch = epoch;
		h->kept[h->n++].base_key = *base_key;
	}
	if (h->secrets == NULL)
		return;
	cv_hex_encode(base, base_key->bytes, base_key->len);
	cv_hex_encode(auth, authenticator, CLIENT_AUTHENTICATOR_LEN);
	fprintf(h->secrets, "{\"epoch\":%llu,\"leaf\":%u,\"base_key\":\"%s\",\"authenticator\":\"%s\"",
		(unsigned long long)epoch, leaf, base, auth);
	for (uint64_t s = 1; s <= PROTO_STREAM_MAX; s++) {
		uint64_t kid;

		if (sframe_mls_kid(&params, s, leaf, epoch, &kid) != 0 ||
		    sframe_key_derive(base_key->suite, kid, base_key->bytes, base_key->len, &keys) != 0)
			continue;
		cv_hex_encode(key, keys.key, keys.key_len);
		fprintf(h->secrets, ",\"stream%llu\":\"%s\"", (unsigned long long)s, key);
	}
	fprintf(h->secrets, "}\n");
	fflush(h->secrets);
}

void client_hooks_media(struct client_hooks *h, const void *msg, size_t len)
{
	uint8_t head[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};

	if (h == NULL || h->capture == NULL)
		return;
	fwrite(head, 1, sizeof(head), h->capture);
	fwrite(msg, 1, len, h->capture);
	fflush(h->capture);
}

void client_hooks_secret(struct client_hooks *h, const char *name, const uint8_t *data, size_t len)
{
	char hex[2 * SFRAME_BASE_KEY_MAX + 1];

	if (h == NULL || h->secrets == NULL || len > SFRAME_BASE_KEY_MAX)
		return;
	cv_hex_encode(hex, data, len);
	fprintf(h->secrets, "{\"%s\":\"%s\"}\n", name, hex);
	fflush(h->secrets);
}

void client_hooks_files(struct client_hooks *h, const struct client_files *files)
{
	for (const struct transfer *t = files->list; t != NULL; t = t->next) {
		if (t->keyed)
			client_hooks_secret(h, "file_key", t->key, sizeof(t->key));
	}
}

/* One receiver per kept key, so that each has replay windows of its own, fresh for every capture. */
static struct sframe_receiver **receivers_new(const struct client_hooks *h)
{
	struct sframe_receiver **list = cv_calloc(h->n + 1, sizeof(struct sframe_receiver *));

	for (size_t i = 0; list != NULL && i < h->n; i++)
		(void)!sframe_receiver_new(h->kept[i].base_key.suite, NULL, 1024, &list[i]);
	return list;
}

/* A unit is open when any of the kept base keys opens it, whatever epoch its KID names. */
static bool opens(const struct client_hooks *h, struct sframe_receiver **list, const struct proto_unit *u)
{
	uint8_t metadata[PROTO_MEDIA_HEADER_LEN], *plain = cv_malloc(u->ciphertext.len + 1);
	struct sframe_header head;
	bool opened = false;
	size_t len;

	if (plain == NULL || sframe_header_decode(u->ciphertext.data, u->ciphertext.len, &head, &len) != 0) {
		cv_free(plain);
		return false;
	}
	proto_media_header_encode(&u->header, metadata);
	for (size_t i = 0; i < h->n && !opened; i++) {
		if (list[i] == NULL)
			continue;
		/* Known already for all but the first unit of the KID. */
		(void)!sframe_receiver_add_key(list[i], 0, head.kid, h->kept[i].base_key.bytes,
					       h->kept[i].base_key.len);
		opened = sframe_open(list[i], metadata, sizeof(metadata), u->ciphertext.data, u->ciphertext.len, plain,
				     u->ciphertext.len, &len, NULL) == 0;
	}
	cv_free(plain);
	return opened;
}

#define TRACKS 192 /* leaf * streams that a test capture may hold */

int client_hooks_feed(struct client_hooks *h, const char *path, struct client_hooks_result *ret)
{
	struct client_hooks_result res = {.epochs = h->n};
	struct sframe_receiver **receivers = receivers_new(h);
	struct proto_reassembler *tracks = cv_calloc(TRACKS, sizeof(*tracks));
	FILE *in = fopen(path, "re");
	uint8_t head[4], *msg = cv_malloc(PROTO_MESSAGE_MAX);
	int r = CV_EIO;

	if (in == NULL || tracks == NULL || msg == NULL || receivers == NULL)
		goto out;
	for (size_t i = 0; i < TRACKS; i++)
		proto_reassembler_init(&tracks[i], PROTO_UNIT_MAX);
	while (fread(head, 1, sizeof(head), in) == sizeof(head)) {
		size_t len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
		struct proto_fragment f;
		struct proto_unit u;
		size_t track;

		if (len > PROTO_MESSAGE_MAX || fread(msg, 1, len, in) != len)
			break;
		if (proto_fragment_decode(msg, len, &f) != 0)
			continue;
		res.fragments++;
		track = (size_t)f.leaf * PROTO_STREAM_MAX + f.stream - 1u;
		if (track >= TRACKS || proto_reassembler_put(&tracks[track], &f, &u) != 0)
			continue;
		res.units++;
		res.decrypted += opens(h, receivers, &u);
	}
	for (size_t i = 0; i < TRACKS; i++)
		proto_reassembler_done(&tracks[i]);
	*ret = res;
	r = 0;
out:
	if (in != NULL)
		fclose(in);
	for (size_t i = 0; receivers != NULL && i < h->n; i++)
		sframe_receiver_free(receivers[i]);
	cv_free(receivers);
	cv_free(tracks);
	cv_free(msg);
	return r;
}
