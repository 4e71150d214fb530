/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>
#include <gst/vp9.h>

#include "compare.h"

#define STEADY_US 1000000 /* after a recording's start: entering is over */
#define PSNR_MAX  60.0    /* of identical pictures, so that the mean stays finite */

/* A recording that is read along with the source. */
struct reading {
	struct compare_recording *rec;
	struct compare_track *track;
	struct client_vp9_decoder *vp9;
	size_t line;                   /* of the current picture in rec->lines */
	const struct compare_line *at; /* NULL: ended */
	const struct compare_line *sent;
	struct client_raw_picture pic;
	uint64_t pairs_every, seen;
	unsigned pairs;
};

double compare_psnr(const struct client_raw_picture *a, const struct client_raw_picture *b)
{
	uint64_t sum = 0;
	for (unsigned y = 0; y < a->height; y++) {
		const uint8_t *p = a->plane[0] + (size_t)y * (size_t)a->stride[0];
		const uint8_t *q = b->plane[0] + (size_t)y * (size_t)b->stride[0];
		unsigned row = 0;
		for (unsigned x = 0; x < a->width; x++) {
			int d = p[x] - q[x];
			row += (unsigned)(d * d);
		}
		sum += row;
	}
	if (sum == 0)
		return PSNR_MAX;
	double v = 10 * log10(255.0 * 255.0 * a->width * a->height / (double)sum);
	return v > PSNR_MAX ? PSNR_MAX : v;
}

static int int64_order(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* Of the pictures or voice frames captured `from_us` after the recording's start, or later. */
static int measure_delays(const struct compare_lines *l, bool voice, int64_t from_us, int64_t *ret_p50_us,
			  int64_t *ret_p99_us)
{
	size_t n = 0;
	int64_t start = -1;
	int64_t *delay = cv_calloc(l->count + 1, sizeof(*delay));
	if (!delay)
		return CV_ENOMEM;
	for (size_t i = 0; i < l->count; i++) {
		if (l->line[i].voice != voice)
			continue;
		if (start < 0)
			start = l->line[i].time_us;
		if (l->line[i].time_us - start >= from_us)
			delay[n++] = l->line[i].delay_us;
	}
	if (n > 0) {
		qsort(delay, n, sizeof(*delay), int64_order);
		*ret_p50_us = delay[n / 2];
		*ret_p99_us = delay[n * 99 / 100 < n ? n * 99 / 100 : n - 1];
	}
	cv_free(delay);
	return 0;
}

/* Delays and gaps from the recording's list alone. */
static int measure_times(struct compare_recording *rec)
{
	bool begun = false;
	int64_t last = 0, first = 0;
	for (size_t i = 0; i < rec->lines.count; i++) {
		const struct compare_line *l = &rec->lines.line[i];
		if (l->voice)
			continue;
		int64_t at = l->time_us + l->delay_us;
		if (!begun)
			first = at;
		else if (at - first > STEADY_US && at - last > rec->gap_max_us)
			rec->gap_max_us = at - last;
		last = at;
		begun = true;
	}
	int64_t p50;
	int r = measure_delays(&rec->lines, false, 0, &rec->delay_p50_us, &rec->delay_p99_us);
	if (r == 0)
		r = measure_delays(&rec->lines, false, STEADY_US, &p50, &rec->delay_steady_us);
	if (r == 0)
		r = measure_delays(&rec->lines, true, 0, &rec->voice_delay_p50_us, &rec->voice_delay_p99_us);
	return r < 0 ? r : measure_delays(&rec->lines, true, STEADY_US, &p50, &rec->voice_delay_steady_us);
}

/* Decodes the next shown picture of the recording and finds what was sent as it. */
static void advance(struct reading *g, const struct compare_lines *sent)
{
	const uint8_t *data;
	size_t len;
	g->at = NULL;
	g->sent = NULL;
	while (g->line < g->rec->lines.count &&
	       (g->rec->lines.line[g->line].voice || g->rec->lines.line[g->line].part != 1))
		g->line++;
	if (g->line == g->rec->lines.count)
		return;
	do {
		if (compare_track_next(g->track, &data, &len) < 0)
			return;
	} while (client_vp9_decode(g->vp9, data, len, &g->pic) < 0);
	g->at = &g->rec->lines.line[g->line++];
	g->sent = compare_find(sent, false, g->at->frame);
	g->rec->width = g->pic.width;
	g->rec->height = g->pic.height;
}

static void judge(struct reading *g, const struct client_raw_picture *src, unsigned row, unsigned pairs,
		  struct compare_sheet *sheet)
{
	struct compare_recording *rec = g->rec;
	rec->decoded++;
	if (g->pic.width == src->width && g->pic.height == src->height && g->at->full) {
		double v = compare_psnr(src, &g->pic);
		rec->full++;
		rec->psnr_sum += v;
		if (rec->full == 1 || v < rec->psnr_min)
			rec->psnr_min = v;
	}
	if (sheet && g->pairs < pairs && g->seen >= g->pairs_every * g->pairs + g->pairs_every / 2) {
		compare_sheet_put(sheet, row, g->pairs * 2, src);
		compare_sheet_put(sheet, row, g->pairs * 2 + 1, &g->pic);
		g->pairs++;
	}
	g->seen++;
}

/* Pictures of the source from one place of it to a later one; `round` is how many it has. */
static uint64_t places(const struct compare_line *from, const struct compare_line *to, uint64_t round)
{
	return (to->round - from->round) * round + to->index - from->index;
}

/* How many pictures the camera gave, and how many were sent, while this recording received. */
static void count_sent(const struct compare_options *o, struct compare_recording *rec)
{
	uint32_t first = 0, last = 0;
	uint64_t round = 0;
	const struct compare_line *before = NULL;
	for (size_t i = 0; i < rec->lines.count; i++) {
		const struct compare_line *l = &rec->lines.line[i];
		if (l->voice)
			continue;
		if (rec->received++ == 0)
			first = l->frame;
		last = l->frame;
	}
	for (size_t i = 0; i < o->sent.count; i++)
		if (!o->sent.line[i].voice && o->sent.line[i].index >= round)
			round = o->sent.line[i].index + 1;
	for (size_t i = 0; rec->received && i < o->sent.count; i++) {
		const struct compare_line *l = &o->sent.line[i];
		if (l->voice || l->frame < first || l->frame > last)
			continue;
		rec->sent++;
		rec->offered += before ? places(before, l, round) : 1;
		before = l;
	}
}

static int open_reading(struct compare_options *o, unsigned i, struct reading *g)
{
	char path[4096];
	struct compare_recording *rec = &o->recording[i];
	g->rec = rec;
	count_sent(o, rec);
	int r = measure_times(rec);
	g->pairs_every = o->pairs && rec->received > o->pairs ? rec->received / o->pairs : 1;
	if (r == 0)
		r = client_vp9_decoder_new(&g->vp9);
	snprintf(path, sizeof(path), "%s.webm", rec->base);
	if (r == 0)
		r = compare_track_open(path, false, &g->track);
	if (r == 0 && rec->received > 0)
		advance(g, &o->sent);
	return r;
}

static bool same_place(const struct compare_line *l, const struct client_raw_picture *p)
{
	return l->round == p->round && l->index == p->index;
}

static bool passed(const struct compare_line *l, const struct client_raw_picture *p)
{
	return l->round < p->round || (l->round == p->round && l->index < p->index);
}

/* Reads the source once, all recordings beside it. */
static int walk(struct compare_options *o, struct client_source *src, struct reading *g, struct compare_sheet *sheet,
		char ret_text[CLIENT_TEXT_MAX])
{
	struct client_raw_picture pic;
	int r = 0;
	bool left = true;
	while (left && (r = client_source_picture(src, ret_text, &pic)) == 0) {
		left = false;
		for (unsigned i = 0; i < o->recordings; i++) {
			/* A picture that nobody sent, or a place that is over, cannot be compared. */
			while (g[i].at && (!g[i].sent || passed(g[i].sent, &pic)))
				advance(&g[i], &o->sent);
			if (g[i].at && same_place(g[i].sent, &pic)) {
				judge(&g[i], &pic, i, o->pairs, sheet);
				advance(&g[i], &o->sent);
			}
			left |= g[i].at && (o->most == 0 || g[i].rec->decoded < o->most);
		}
	}
	return r == CV_ENOTFOUND ? 0 : r;
}

int compare_pictures(struct compare_options *o, char ret_text[CLIENT_TEXT_MAX])
{
	struct reading *g = cv_calloc(COMPARE_RECORDINGS_MAX, sizeof(*g));
	struct client_source *src = NULL;
	struct compare_sheet *sheet = NULL;
	unsigned width, height, fps;
	int r = g ? client_source_open(CLIENT_SOURCE_PICTURE, o->camera, o->loop, ret_text, &src) : CV_ENOMEM;
	if (r < 0)
		goto out;
	client_source_format(src, &width, &height, &fps);
	if (o->sheet && (r = compare_sheet_new(o->recordings, o->pairs, width, height, &sheet)) < 0)
		goto out;
	for (unsigned i = 0; i < o->recordings; i++)
		if ((r = open_reading(o, i, &g[i])) < 0)
			goto out;
	r = walk(o, src, g, sheet, ret_text);
	if (r == 0 && sheet)
		r = compare_sheet_write(sheet, o->sheet);
out:
	for (unsigned i = 0; g && i < o->recordings; i++) {
		compare_track_close(g[i].track);
		client_vp9_decoder_free(g[i].vp9);
	}
	compare_sheet_free(sheet);
	client_source_close(src);
	cv_free(g);
	return r;
}
