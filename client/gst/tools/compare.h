/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of media-compare: what was sent, what a recording holds, and how close the two are. */
#ifndef COMPARE_H
#define COMPARE_H

#include <gst/source.h>

#define COMPARE_RECORDINGS_MAX 32
#define COMPARE_FRAMES_MAX     (1u << 20)
#define COMPARE_PAIRS_MAX      16
#define COMPARE_TILE_WIDTH     320

/* One line of a sender's log or of a recording's list. */
struct compare_line {
	bool voice;
	uint32_t frame;
	uint64_t index, round, sample; /* sent */
	unsigned part;                 /* received */
	bool full;
	int64_t time_us, delay_us; /* received: capture time within the recording, capture to decoded */
};

struct compare_lines {
	struct compare_line *line;
	size_t count;
};

/* Reads a file of JSON lines. A last line that was cut off is ignored. CV_EIO, CV_EFORMAT, CV_ENOMEM. */
int compare_read_lines(const char *path, struct compare_lines *ret) CV_NODISCARD;
/* The sent line with this number of picture or voice, NULL if there is none. */
const struct compare_line *compare_find(const struct compare_lines *l, bool voice, uint32_t frame);

/* Encoded frames of one track of a WebM file, in order. */
struct compare_track;
int compare_track_open(const char *path, bool voice, struct compare_track **ret) CV_NODISCARD;
void compare_track_close(struct compare_track *t);
/* Next frame, borrowed until the next call. CV_ENOTFOUND at the end. */
int compare_track_next(struct compare_track *t, const uint8_t **ret_data, size_t *ret_len) CV_NODISCARD;

struct compare_recording {
	const char *base;
	struct compare_lines lines;
	/* picture */
	uint64_t offered, sent, received, decoded, full; /* offered by the camera, also what the sender left out */
	double psnr_sum, psnr_min;
	unsigned width, height;
	int64_t delay_p50_us, delay_p99_us, delay_steady_us, gap_max_us;
	/* voice */
	uint64_t voice_sent, voice_received;
	int64_t voice_delay_p50_us, voice_delay_p99_us, voice_delay_steady_us;
	double correlation;
	int lag;
};

struct compare_options {
	const char *camera, *voice;
	bool loop;
	struct compare_lines sent;
	struct compare_recording recording[COMPARE_RECORDINGS_MAX];
	unsigned recordings;
	const char *sheet;
	unsigned pairs;
	unsigned most; /* pictures compared per recording; 0: all */
};

/* A canvas of rows (one per recording) of pairs, sent left and received right. */
struct compare_sheet;
int compare_sheet_new(unsigned rows, unsigned pairs, unsigned width, unsigned height,
		      struct compare_sheet **ret) CV_NODISCARD;
void compare_sheet_free(struct compare_sheet *s);
void compare_sheet_put(struct compare_sheet *s, unsigned row, unsigned column, const struct client_raw_picture *pic);
int compare_sheet_write(const struct compare_sheet *s, const char *path) CV_NODISCARD;

int compare_pictures(struct compare_options *o, char ret_text[CLIENT_TEXT_MAX]) CV_NODISCARD;
int compare_voices(struct compare_options *o, char ret_text[CLIENT_TEXT_MAX]) CV_NODISCARD;
double compare_psnr(const struct client_raw_picture *a, const struct client_raw_picture *b);

#endif
