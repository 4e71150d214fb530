/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>
#include <gst/webm.h>
#include <media/vp9.h>

#include "internal.h"
#include "record.h"

#define CLOCK_JUMP_US 5000000 /* a sender's clock that leaves ours by more is set anew */
#define PARTS_MAX     100
/* So long a recording's first key picture may wait for one with all its layers: it decides the size of the part. */
#define WAIT_FULL_US 1500000
/* Pictures that show nothing (after a key picture without its upper layers) are kept back, see hold(). */
#define HELD_MAX       128
#define HELD_BYTES_MAX (8u << 20)

struct held {
	int64_t at_ms;
	size_t len;
	bool key;
};

struct client_record {
	char *base;
	struct client_webm *webm;
	FILE *list;
	unsigned part;
	uint64_t done_bytes; /* of finished parts */
	bool timed;          /* capture0 and arrival0 are set */
	int64_t capture0, arrival0;
	bool begun;        /* a key picture is in this part */
	int64_t first_key; /* arrival of the first key picture, 0: none yet */
	struct media_vp9_merge merge;
	struct cv_buf bytes;
	struct media_vp9_size want; /* of the last complete key picture */
	struct cv_buf held_bytes;
	struct held held[HELD_MAX];
	size_t n_held;
};

static int fail(const struct client_record *r, const char *suffix, int err, char ret_text[CLIENT_TEXT_MAX])
{
	client_text(ret_text, "recording %s%s: %s", r->base, suffix,
		    err == CV_EIO ? strerror(errno) : cv_strerror(err));
	return err;
}

static int open_part(struct client_record *r, char ret_text[CLIENT_TEXT_MAX])
{
	char suffix[24] = ".webm";
	if (r->part > 1)
		snprintf(suffix, sizeof(suffix), "-%u.webm", r->part);
	char *path = cv_malloc(strlen(r->base) + sizeof(suffix));
	if (!path)
		return fail(r, "", CV_ENOMEM, ret_text);
	memcpy(path, r->base, strlen(r->base));
	memcpy(path + strlen(r->base), suffix, sizeof(suffix));
	int err = client_webm_open(path, &r->webm);
	if (err < 0)
		fail(r, suffix, err, ret_text);
	cv_free(path);
	media_vp9_merge_init(&r->merge);
	r->begun = false;
	return err;
}

static int open_list(struct client_record *r, char ret_text[CLIENT_TEXT_MAX])
{
	static const char suffix[] = ".frames.jsonl";
	char *path = cv_malloc(strlen(r->base) + sizeof(suffix));
	if (!path)
		return fail(r, "", CV_ENOMEM, ret_text);
	memcpy(path, r->base, strlen(r->base));
	memcpy(path + strlen(r->base), suffix, sizeof(suffix));
	r->list = fopen(path, "we");
	cv_free(path);
	return r->list ? 0 : fail(r, suffix, CV_EIO, ret_text);
}

int client_record_open(const char *base, char ret_text[CLIENT_TEXT_MAX], struct client_record **ret)
{
	struct client_record *r = cv_calloc(1, sizeof(*r));
	if (!r || !(r->base = cv_strdup(base))) {
		cv_free(r);
		client_text(ret_text, "out of memory");
		return CV_ENOMEM;
	}
	r->part = 1;
	cv_buf_init(&r->bytes, MEDIA_PICTURE_BYTES_MAX + 4096);
	cv_buf_init(&r->held_bytes, HELD_BYTES_MAX);
	int err = open_part(r, ret_text);
	if (err == 0)
		err = open_list(r, ret_text);
	if (err < 0) {
		client_record_close(r, (char[CLIENT_TEXT_MAX]){0});
		return err;
	}
	*ret = r;
	return 0;
}

/* Milliseconds since the recording's start, by the sender's clock: picture and voice stay in step. */
static int64_t time_ms(struct client_record *r, int64_t capture_us, int64_t arrival_us)
{
	if (!r->timed) {
		r->timed = true;
		r->capture0 = capture_us;
		r->arrival0 = arrival_us;
	}
	int64_t elapsed = arrival_us - r->arrival0;
	/* Unsigned, because a sender may write anything into its times. */
	int64_t t = (int64_t)((uint64_t)capture_us - (uint64_t)r->capture0);
	if (t > elapsed + CLOCK_JUMP_US || t < elapsed - CLOCK_JUMP_US) {
		r->capture0 = (int64_t)((uint64_t)capture_us - (uint64_t)elapsed);
		t = elapsed;
	}
	return t < 0 ? 0 : t / 1000;
}

static int next_part(struct client_record *r, char ret_text[CLIENT_TEXT_MAX])
{
	r->done_bytes += client_webm_bytes(r->webm);
	int err = client_webm_close(r->webm);
	r->webm = NULL;
	if (err < 0)
		return fail(r, ".webm", err, ret_text);
	if (r->part == PARTS_MAX)
		return fail(r, ".webm", CV_ELIMIT, ret_text);
	r->part++;
	return open_part(r, ret_text);
}

static int add(struct client_record *r, enum media_kind kind, int64_t at_ms, bool key, const uint8_t *data, size_t len,
	       char ret_text[CLIENT_TEXT_MAX])
{
	int err = client_webm_add(r->webm, kind, at_ms, key, data, len);
	/* A kind that appears after the list of tracks was written needs a file of its own. */
	if (err == CV_ESTATE && (kind == MEDIA_VOICE || key)) {
		err = next_part(r, ret_text);
		if (err < 0)
			return err;
		if (kind == MEDIA_PICTURE) {
			r->begun = true;
			r->merge.full = r->want;
			err = client_webm_set_size(r->webm, r->want.width, r->want.height);
		}
		if (err == 0)
			err = client_webm_add(r->webm, kind, at_ms, key, data, len);
	}
	return err == 0 || err == CV_ESTATE ? 0 : fail(r, ".webm", err, ret_text);
}

/* Size of the highest layer of a key picture. 0x0 when it cannot be told. */
static struct media_vp9_size key_size(const struct media_picture *p)
{
	struct media_vp9_state st = {0};
	struct media_vp9_header h = {0};
	const uint8_t *at = p->data;
	for (unsigned i = 0; i < p->layers; at += p->layer_len[i], i++)
		if (media_vp9_parse(&st, at, p->layer_len[i], &h) < 0)
			return (struct media_vp9_size){0, 0};
	return h.size;
}

/* A key picture decides the size of a part: the first one, or a complete one of another size later. */
static int settle_size(struct client_record *r, const struct media_picture *p, char ret_text[CLIENT_TEXT_MAX])
{
	struct media_vp9_size size = key_size(p);
	if (size.width == 0)
		return 0;
	/* Fewer layers than before are a short-lived thing; another full size is another camera. */
	bool larger = size.width > r->want.width || size.height > r->want.height;
	bool other = size.width * r->want.height != size.height * r->want.width;
	if (r->begun && !larger && !other)
		return 0;
	if (!r->first_key)
		r->first_key = p->arrival_us;
	if (!r->begun && !p->full && p->arrival_us - r->first_key < WAIT_FULL_US)
		return 0;
	if (r->begun) {
		int err = next_part(r, ret_text);
		if (err < 0)
			return err;
	}
	r->want = size;
	r->begun = true;
	if (client_webm_set_size(r->webm, size.width, size.height) == CV_ESTATE) {
		/* Voice alone until now: its file has no picture track. */
		int err = next_part(r, ret_text);
		if (err < 0)
			return err;
		r->begun = true;
		return client_webm_set_size(r->webm, size.width, size.height);
	}
	return 0;
}

static void list_frame(struct client_record *r, const char *kind, uint32_t frame, int64_t at_ms, int64_t delay_us,
		       bool full)
{
	fprintf(r->list, "{\"kind\":\"%s\",\"frame\":%u,\"part\":%u,\"time_ms\":%lld,\"delay_us\":%lld,\"full\":%s}\n",
		kind, frame, r->part, (long long)at_ms, (long long)delay_us, full ? "true" : "false");
}

static void drop_held(struct client_record *r)
{
	cv_buf_reset(&r->held_bytes);
	r->n_held = 0;
}

static int write_held(struct client_record *r, char ret_text[CLIENT_TEXT_MAX])
{
	const uint8_t *at = r->held_bytes.data;
	int err = 0;
	for (size_t i = 0; i < r->n_held && err == 0; at += r->held[i].len, i++)
		err = add(r, MEDIA_PICTURE, r->held[i].at_ms, r->held[i].key, at, r->held[i].len, ret_text);
	drop_held(r);
	return err;
}

/*
 * A picture that shows nothing is written only when a shown one needs it for decoding: players count every packet as a
 * picture, and ffmpeg copies no streams with many invisible ones. Usually the next thing is another key picture.
 */
static int hold(struct client_record *r, int64_t at_ms, bool key, char ret_text[CLIENT_TEXT_MAX])
{
	if (r->n_held == HELD_MAX || cv_buf_put(&r->held_bytes, r->bytes.data, r->bytes.len) < 0) {
		int err = write_held(r, ret_text);
		return err < 0 ? err : add(r, MEDIA_PICTURE, at_ms, key, r->bytes.data, r->bytes.len, ret_text);
	}
	r->held[r->n_held++] = (struct held){.at_ms = at_ms, .len = r->bytes.len, .key = key};
	return 0;
}

int client_record_picture(struct client_record *r, const struct media_picture *p, int64_t now_us,
			  char ret_text[CLIENT_TEXT_MAX])
{
	struct media_vp9_size shown;
	if (p->key) {
		int err = settle_size(r, p, ret_text);
		if (err < 0)
			return err;
	}
	if (!r->begun)
		return 0;
	cv_buf_reset(&r->bytes);
	/* What the decoder took but this cannot parse is left out of the recording. */
	if (media_vp9_merge(&r->merge, p->data, p->layer_len, p->layers, &r->bytes, &shown) < 0)
		return 0;
	int64_t at_ms = time_ms(r, p->capture_us, p->arrival_us);
	if (p->key)
		drop_held(r); /* nothing before it is needed any more */
	if (!shown.width)
		return hold(r, at_ms, p->key, ret_text);
	int err = write_held(r, ret_text);
	if (err == 0)
		err = add(r, MEDIA_PICTURE, at_ms, p->key, r->bytes.data, r->bytes.len, ret_text);
	if (err == 0)
		list_frame(r, "picture", p->frame, at_ms, now_us - p->capture_us, p->full);
	return err;
}

int client_record_voice(struct client_record *r, const struct media_unit *u, int64_t now_us,
			char ret_text[CLIENT_TEXT_MAX])
{
	int64_t at_ms = time_ms(r, u->capture_us, now_us);
	int err = add(r, MEDIA_VOICE, at_ms, true, u->data, u->len, ret_text);
	if (err < 0)
		return err;
	list_frame(r, "voice", u->frame, at_ms, now_us - u->capture_us, true);
	return 0;
}

uint64_t client_record_bytes(const struct client_record *r)
{
	return r->done_bytes + (r->webm ? client_webm_bytes(r->webm) : 0);
}

int client_record_close(struct client_record *r, char ret_text[CLIENT_TEXT_MAX])
{
	int err = 0;
	if (!r)
		return 0;
	err = client_webm_close(r->webm);
	if (err < 0)
		fail(r, ".webm", err, ret_text);
	if (r->list && fclose(r->list) != 0 && err == 0)
		err = fail(r, ".frames.jsonl", CV_EIO, ret_text);
	cv_buf_done(&r->bytes);
	cv_buf_done(&r->held_bytes);
	cv_free(r->base);
	cv_free(r);
	return err;
}
