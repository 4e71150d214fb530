/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <gst/webm.h>

#include "ebml.h"

#define PICTURE_MS        33 /* how long the last picture counts as shown */
#define CLUSTER_MS        1000
#define CLUSTER_KEY_MS    300  /* a key picture begins a new cluster when the present one is this long */
#define WAIT_TRACKS_MS    5000 /* for the other kind, before the list of tracks is written */
#define CLUSTER_BYTES_MAX (8 * 1024 * 1024)
#define BLOCKS_MAX        512
#define CUES_MAX          65536

struct block {
	int64_t time_ms;
	unsigned order; /* of arrival, to keep the sort stable */
	enum media_kind kind;
	bool key;
	size_t offset, len;
};

struct cue {
	int64_t time_ms;
	uint64_t position; /* in the segment */
};

struct client_webm {
	int fd;
	bool failed;
	bool header;         /* written */
	bool picture, voice; /* tracks */
	unsigned width, height;
	uint64_t end;         /* end of the last whole cluster: where the next one goes */
	uint64_t segment_at;  /* of the segment's first byte of content */
	uint64_t duration_at; /* of the duration's 8 bytes */
	uint64_t seek_at;     /* of the seek head */
	size_t seek_len;
	int64_t last_ms;    /* end of the last frame written */
	int64_t cluster_ms; /* where the last cluster written begins: the next one begins no earlier */
	int64_t next_ms[2]; /* earliest time of the next voice or picture: each track goes forward */
	struct cv_buf bytes;
	struct block block[BLOCKS_MAX];
	unsigned blocks;
	struct cue *cue;
	size_t cues, cue_cap;
};

static int write_at(int fd, uint64_t at, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (n == 0)
				errno = ENOSPC;
			return CV_EIO;
		}
		data += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

int client_webm_open(const char *path, struct client_webm **ret)
{
	struct client_webm *w = cv_calloc(1, sizeof(*w));
	if (!w)
		return CV_ENOMEM;
	cv_buf_init(&w->bytes, CLUSTER_BYTES_MAX);
	w->fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
	if (w->fd < 0) {
		int saved = errno;
		cv_free(w);
		errno = saved;
		return CV_EIO;
	}
	*ret = w;
	return 0;
}

int client_webm_set_size(struct client_webm *w, unsigned width, unsigned height)
{
	if (w->header)
		return CV_ESTATE;
	w->width = width;
	w->height = height;
	return 0;
}

static int write_header(struct client_webm *w)
{
	struct cv_buf b, c;
	cv_buf_init(&b, 4096);
	cv_buf_init(&c, 2048);
	client_ebml_begin(&b);
	client_ebml_id(&b, ID_SEGMENT);
	client_ebml_size(&b, 0x00ffffffffffffff); /* unknown until the end */
	w->segment_at = b.len;
	w->seek_at = b.len;
	client_ebml_seek_head(&b, 0);
	w->seek_len = b.len - w->seek_at;
	client_ebml_uint(&c, ID_TIMESTAMP_SCALE, 1000000);
	client_ebml_text(&c, ID_MUXING_APP, "Conclave");
	client_ebml_text(&c, ID_WRITING_APP, "Conclave " CONCLAVE_VERSION);
	client_ebml_double(&c, ID_DURATION, 0);
	client_ebml_nested(&b, ID_INFO, &c);
	w->duration_at = b.len - 8; /* the duration is the last element of the info */
	cv_buf_init(&c, 2048);
	if (w->picture)
		client_ebml_picture_track(&c, w->width, w->height);
	if (w->voice)
		client_ebml_voice_track(&c);
	client_ebml_nested(&b, ID_TRACKS, &c);
	int r = cv_buf_status(&b);
	if (r == 0)
		r = write_at(w->fd, 0, b.data, b.len);
	if (r == 0) {
		w->end = b.len;
		w->header = true;
	}
	cv_buf_done(&b);
	return r;
}

static int block_order(const void *va, const void *vb)
{
	const struct block *a = va, *b = vb;
	if (a->time_ms != b->time_ms)
		return a->time_ms < b->time_ms ? -1 : 1;
	return a->order < b->order ? -1 : 1;
}

static void put_block(struct cv_buf *b, const struct client_webm *w, const struct block *k, int64_t base_ms)
{
	client_ebml_head(b, ID_SIMPLE_BLOCK, k->len + 4);
	cv_buf_put_u8(b, 0x80 | (k->kind == MEDIA_PICTURE ? TRACK_PICTURE : TRACK_VOICE));
	cv_buf_put_u16(b, (uint16_t)(k->time_ms - base_ms));
	cv_buf_put_u8(b, k->key ? 0x80 : 0);
	cv_buf_put(b, w->bytes.data + k->offset, k->len);
}

/* Remembers clusters that hold a key picture (or voice, in a file without pictures). */
static int note_cue(struct client_webm *w, int64_t time_ms)
{
	bool useful = !w->picture;
	for (unsigned i = 0; i < w->blocks; i++)
		useful |= w->block[i].kind == MEDIA_PICTURE && w->block[i].key;
	if (!useful || w->cues == CUES_MAX)
		return 0;
	if (w->cues == w->cue_cap) {
		size_t cap = w->cue_cap ? w->cue_cap * 2 : 64;
		struct cue *more = cv_reallocarray(w->cue, cap, sizeof(*more));
		if (!more)
			return CV_ENOMEM;
		w->cue = more;
		w->cue_cap = cap;
	}
	w->cue[w->cues++] = (struct cue){time_ms, w->end - w->segment_at};
	return 0;
}

/* The duration: the end of the last frame that is in the file. */
static void note_end(struct client_webm *w)
{
	for (unsigned i = 0; i < w->blocks; i++) {
		const struct block *k = &w->block[i];
		int64_t end = k->time_ms + (k->kind == MEDIA_PICTURE ? PICTURE_MS : MEDIA_VOICE_US / 1000);
		if (end > w->last_ms)
			w->last_ms = end;
	}
}

/* Writes the collected blocks as one cluster, whole or not at all. */
static int write_cluster(struct client_webm *w)
{
	struct cv_buf b;
	int r = 0;
	if (w->blocks == 0)
		return 0;
	if (!w->header && (r = write_header(w)) < 0)
		return r;
	qsort(w->block, w->blocks, sizeof(w->block[0]), block_order);
	int64_t base_ms = w->block[0].time_ms;
	cv_buf_init(&b, CLUSTER_BYTES_MAX + 64 * BLOCKS_MAX);
	client_ebml_id(&b, ID_CLUSTER);
	size_t size_at = b.len;
	client_ebml_size(&b, 0);
	client_ebml_uint(&b, ID_TIMESTAMP, (uint64_t)base_ms);
	for (unsigned i = 0; i < w->blocks; i++)
		put_block(&b, w, &w->block[i], base_ms);
	r = cv_buf_status(&b);
	if (r < 0)
		goto out;
	uint64_t size = (b.len - size_at - 8) | 1ull << 56;
	for (int i = 0; i < 8; i++)
		b.data[size_at + (size_t)i] = (uint8_t)(size >> (56 - 8 * i));
	r = write_at(w->fd, w->end, b.data, b.len);
	if (r < 0)
		goto out;
	w->cluster_ms = base_ms;
	r = note_cue(w, base_ms);
	w->end += b.len;
	note_end(w);
out:
	cv_buf_done(&b);
	w->blocks = 0;
	cv_buf_reset(&w->bytes);
	return r;
}

/* The index and its pointer are a convenience: without room for them the file plays all the same. */
static void write_cues(struct client_webm *w)
{
	struct cv_buf b, all, point, pos;
	cv_buf_init(&b, 8 * 1024 * 1024);
	cv_buf_init(&all, 8 * 1024 * 1024);
	for (size_t i = 0; i < w->cues; i++) {
		cv_buf_init(&point, 128);
		cv_buf_init(&pos, 128);
		client_ebml_uint(&point, ID_CUE_TIME, (uint64_t)w->cue[i].time_ms);
		client_ebml_uint(&pos, ID_CUE_TRACK, w->picture ? TRACK_PICTURE : TRACK_VOICE);
		client_ebml_uint(&pos, ID_CUE_CLUSTER_POSITION, w->cue[i].position);
		client_ebml_nested(&point, ID_CUE_TRACK_POSITIONS, &pos);
		client_ebml_nested(&all, ID_CUE_POINT, &point);
	}
	client_ebml_nested(&b, ID_CUES, &all);
	if (w->cues > 0 && cv_buf_status(&b) == 0 && write_at(w->fd, w->end, b.data, b.len) == 0) {
		uint64_t at = w->end - w->segment_at;
		w->end += b.len;
		cv_buf_reset(&b);
		client_ebml_seek_head(&b, at);
		if (cv_buf_status(&b) == 0 && b.len == w->seek_len)
			(void)!write_at(w->fd, w->seek_at, b.data, b.len);
	}
	cv_buf_done(&b);
}

/* Cuts to whole clusters, writes the index, duration and the segment's length. */
static int finish(struct client_webm *w)
{
	int r = 0;
	struct cv_buf b;
	if (!w->header)
		return 0;
	if (ftruncate(w->fd, (off_t)w->end) < 0)
		r = CV_EIO;
	write_cues(w);
	if (ftruncate(w->fd, (off_t)w->end) < 0)
		r = CV_EIO;
	double ms = (double)w->last_ms;
	uint64_t bits;
	memcpy(&bits, &ms, sizeof(bits));
	cv_buf_init(&b, 16);
	cv_buf_put_u64(&b, bits);
	if (cv_buf_status(&b) < 0 || write_at(w->fd, w->duration_at, b.data, 8) < 0)
		r = CV_EIO;
	cv_buf_reset(&b);
	client_ebml_size(&b, w->end - w->segment_at);
	if (cv_buf_status(&b) < 0 || write_at(w->fd, w->segment_at - 8, b.data, 8) < 0)
		r = CV_EIO;
	cv_buf_done(&b);
	return r;
}

/* After a failed write: keep what is whole. errno stays that of the write. */
static int give_up(struct client_webm *w, int err)
{
	int saved = errno;
	w->failed = true;
	w->blocks = 0;
	cv_buf_reset(&w->bytes);
	(void)!finish(w);
	close(w->fd);
	w->fd = -1;
	errno = saved;
	return err;
}

/* Whether what is collected should be written before a frame at time_ms is added. */
static bool cluster_full(const struct client_webm *w, int64_t time_ms, enum media_kind kind, bool key, size_t len)
{
	if (w->blocks == 0)
		return false;
	int64_t first = w->block[0].time_ms;
	if (w->blocks == BLOCKS_MAX || w->bytes.len + len > CLUSTER_BYTES_MAX || time_ms - first > 30000)
		return true;
	/* The list of tracks cannot be changed later: give both kinds a chance to appear. */
	if (!w->header && !(w->picture && w->voice))
		return time_ms - first >= WAIT_TRACKS_MS;
	if (kind == MEDIA_PICTURE && key && time_ms - first >= CLUSTER_KEY_MS)
		return true;
	return time_ms - first >= CLUSTER_MS;
}

int client_webm_add(struct client_webm *w, enum media_kind kind, int64_t time_ms, bool key, const uint8_t *data,
		    size_t len)
{
	int r;
	if (w->failed)
		return CV_ECLOSED;
	if (len == 0 || len > CLUSTER_BYTES_MAX / 2 || time_ms < 0)
		return CV_EINVAL;
	if (w->header && !(kind == MEDIA_PICTURE ? w->picture : w->voice))
		return CV_ESTATE;
	if (kind == MEDIA_PICTURE && w->width == 0)
		return CV_ESTATE;
	if (cluster_full(w, time_ms, kind, key, len)) {
		r = write_cluster(w);
		if (r < 0)
			return give_up(w, r);
		if (w->header && !(kind == MEDIA_PICTURE ? w->picture : w->voice))
			return CV_ESTATE;
	}
	/* A picture that took long may well come after later voice: it keeps its time, by which clusters are sorted. */
	int64_t *next = &w->next_ms[kind == MEDIA_PICTURE], least = *next > w->cluster_ms ? *next : w->cluster_ms;
	if (time_ms < least)
		time_ms = least;
	*next = time_ms + 1;
	struct block *k = &w->block[w->blocks];
	*k = (struct block){time_ms, w->blocks, kind, key, w->bytes.len, len};
	r = cv_buf_put(&w->bytes, data, len);
	if (r < 0)
		return give_up(w, r);
	w->blocks++;
	if (kind == MEDIA_PICTURE)
		w->picture = true;
	else
		w->voice = true;
	return 0;
}

uint64_t client_webm_bytes(const struct client_webm *w)
{
	return w->end;
}

int client_webm_close(struct client_webm *w)
{
	int r = 0;
	if (!w)
		return 0;
	if (!w->failed) {
		r = write_cluster(w);
		int saved = errno;
		int r2 = finish(w);
		if (r == 0)
			r = r2;
		else
			errno = saved;
		if (close(w->fd) < 0 && r == 0)
			r = CV_EIO;
	}
	cv_free(w->cue);
	cv_buf_done(&w->bytes);
	cv_free(w);
	return r;
}
