/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <base/err.h>

#include "bench.h"

#define ROWS_MAX 64

static struct bench_row rows[ROWS_MAX];
static size_t n_rows;

void bench_must(int err, const char *what, const char *file, int line)
{
	if (err >= 0)
		return;
	fprintf(stderr, "%s:%d: %s: %s\n", file, line, what, cv_strerror(err));
	exit(1);
}

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double bench_best(int runs, void (*fn)(void *arg), void *arg)
{
	double best = 1e9;

	for (int i = 0; i < runs; i++) {
		double start = bench_now(), took;

		fn(arg);
		took = bench_now() - start;
		if (took < best)
			best = took;
	}
	return best;
}

void bench_add(const struct bench_row *row)
{
	if (n_rows < ROWS_MAX)
		rows[n_rows++] = *row;
}

static int missed(const struct bench_row *r)
{
	double ratio = r->value / r->reference;

	return r->bound > 0 && (r->higher_is_better ? ratio < r->bound : ratio > r->bound);
}

/* How the work grew since the same work's row with the next smaller N; 0 for the first. */
static double growth(const struct bench_row *r)
{
	for (const struct bench_row *before = r; before-- > rows;)
		if (before->work == r->work && before->n < r->n)
			return r->value / before->value;
	return 0;
}

static void print_row(const struct bench_row *r)
{
	double ratio = r->value / r->reference, grown = growth(r);

	if (r->higher_is_better)
		printf("%-44s %6u %9.0f MB/s %9.0f MB/s", r->work, r->n, r->value / 1e6, r->reference / 1e6);
	else
		printf("%-44s %6u %11.3f ms %11.3f ms", r->work, r->n, 1e3 * r->value, 1e3 * r->reference);
	printf("  x %8.3f", ratio);
	if (grown > 0)
		printf("  grew %6.2f", grown);
	else
		printf("%13s", "");
	if (r->bound > 0)
		printf("  %s %.2f  %s", r->higher_is_better ? ">=" : "<=", r->bound, missed(r) ? "MISSED" : "ok");
	printf("\n");
}

int bench_report(const char *title, const char *json_path)
{
	FILE *f = json_path ? fopen(json_path, "w") : NULL;
	int misses = 0;

	if (json_path && !f) {
		perror(json_path);
		exit(1);
	}
	printf("%s\n%-44s %6s %14s %14s\n", title, "work", "N", "measured", "reference");
	if (f)
		fprintf(f, "[\n");
	for (size_t i = 0; i < n_rows; i++) {
		const struct bench_row *r = &rows[i];

		print_row(r);
		misses += missed(r);
		if (f)
			fprintf(f,
				"  {\"work\": \"%s\", \"n\": %u, \"measured\": %.9g, \"reference\": %.9g, \"ratio\": "
				"%.4f, "
				"\"growth\": %.3f, \"bound\": %g}%s\n",
				r->work, r->n, r->value, r->reference, r->value / r->reference, growth(r), r->bound,
				i + 1 < n_rows ? "," : "");
	}
	if (f) {
		fprintf(f, "]\n");
		fclose(f);
	}
	fflush(stdout);
	if (misses)
		fprintf(stderr, "%d of the bounds missed\n", misses);
	return misses;
}
