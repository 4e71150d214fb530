/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares what a sender sent with what receivers recorded: pictures by their frame numbers, voice aligned.
 * The sent side is made anew from the sender's file, by the numbers in the log of its frames.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>

#include "compare.h"

static const char usage[] =
	"usage: media-compare [--camera FILE] [--voice FILE] [--loop] --sent LOG [--sent LOG]\n"
	"                     [--sheet OUT.png] [--pairs N] [--most PICTURES] RECORDING...\n"
	"LOG is a sender's list of sent frames, RECORDING the path of a recording without its extension.\n"
	"Prints one JSON object with an entry per recording. The sheet has a row per recording: sent, received, ...\n";

static int parse(int argc, char **argv, struct compare_options *o)
{
	static const struct option names[] = {
		{"camera", 1, NULL, 'c'}, {"voice", 1, NULL, 'v'}, {"loop", 0, NULL, 'l'},
		{"sent", 1, NULL, 's'},   {"sheet", 1, NULL, 'o'}, {"pairs", 1, NULL, 'p'},
		{"most", 1, NULL, 'm'},   {"help", 0, NULL, 'h'},  {NULL, 0, NULL, 0}};
	int c;
	o->pairs = 4;
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 'c': o->camera = optarg; break;
		case 'v': o->voice = optarg; break;
		case 'l': o->loop = true; break;
		case 'm': o->most = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'o': o->sheet = optarg; break;
		case 'p':
			o->pairs = (unsigned)strtoul(optarg, NULL, 10);
			if (o->pairs < 1 || o->pairs > COMPARE_PAIRS_MAX)
				return CV_EINVAL;
			break;
		case 's':
			if (compare_read_lines(optarg, &o->sent) < 0) {
				fprintf(stderr, "media-compare: %s: %s\n", optarg, strerror(errno));
				return CV_EIO;
			}
			break;
		default: return CV_EINVAL;
		}
	}
	for (; optind < argc; optind++) {
		if (o->recordings == COMPARE_RECORDINGS_MAX)
			return CV_EINVAL;
		o->recording[o->recordings++].base = argv[optind];
	}
	return o->recordings > 0 && o->sent.count > 0 ? 0 : CV_EINVAL;
}

static int load_lists(struct compare_options *o)
{
	for (unsigned i = 0; i < o->recordings; i++) {
		char path[4096];
		snprintf(path, sizeof(path), "%s.frames.jsonl", o->recording[i].base);
		int r = compare_read_lines(path, &o->recording[i].lines);
		if (r < 0) {
			fprintf(stderr, "media-compare: %s: %s\n", path,
				r == CV_EIO ? strerror(errno) : cv_strerror(r));
			return r;
		}
	}
	return 0;
}

static void print_recording(const struct compare_options *o, const struct compare_recording *r)
{
	printf("{\"recording\":\"%s\"", r->base);
	if (o->camera)
		printf(",\"picture\":{\"offered\":%llu,\"sent\":%llu,\"received\":%llu,\"decoded\":%llu,\"full\":%llu,"
		       "\"psnr_y_mean\":%.2f,\"psnr_y_min\":%.2f,\"width\":%u,\"height\":%u,"
		       "\"delay_p50_ms\":%.1f,\"delay_p99_ms\":%.1f,\"delay_steady_ms\":%.1f,\"gap_max_ms\":%.1f}",
		       (unsigned long long)r->offered, (unsigned long long)r->sent, (unsigned long long)r->received,
		       (unsigned long long)r->decoded, (unsigned long long)r->full,
		       r->full ? r->psnr_sum / (double)r->full : 0, r->psnr_min, r->width, r->height,
		       (double)r->delay_p50_us / 1000, (double)r->delay_p99_us / 1000,
		       (double)r->delay_steady_us / 1000, (double)r->gap_max_us / 1000);
	if (o->voice)
		printf(",\"voice\":{\"sent\":%llu,\"received\":%llu,\"correlation\":%.4f,\"lag_samples\":%d,"
		       "\"delay_p50_ms\":%.1f,\"delay_p99_ms\":%.1f,\"delay_steady_ms\":%.1f}",
		       (unsigned long long)r->voice_sent, (unsigned long long)r->voice_received, r->correlation, r->lag,
		       (double)r->voice_delay_p50_us / 1000, (double)r->voice_delay_p99_us / 1000,
		       (double)r->voice_delay_steady_us / 1000);
	printf("}");
}

int main(int argc, char **argv)
{
	static struct compare_options o;
	char text[CLIENT_TEXT_MAX] = "";
	int r = parse(argc, argv, &o);
	if (r < 0) {
		if (r == CV_EINVAL)
			fputs(usage, stderr);
		return 2;
	}
	if (load_lists(&o) < 0)
		return 1;
	r = client_media_init(text);
	if (r == 0 && o.camera)
		r = compare_pictures(&o, text);
	if (r == 0 && o.voice)
		r = compare_voices(&o, text);
	if (r < 0) {
		fprintf(stderr, "media-compare: %s\n", text[0] ? text : cv_strerror(r));
		return 1;
	}
	printf("{\"recordings\":[");
	for (unsigned i = 0; i < o.recordings; i++) {
		printf("%s", i ? "," : "");
		print_recording(&o, &o.recording[i]);
		cv_free(o.recording[i].lines.line);
	}
	printf("]}\n");
	cv_free(o.sent.line);
	return 0;
}
