/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MLS, suite 1, against the bare primitives that the work cannot do without. usage: bench-mls [JSON-FILE [LARGEST-N]]
 * Rows without a bound show how the work grows with N; bounds are those of groups of 1000. Ends with 1 when a bound is
 * missed.
 */
#include <stdlib.h>

#include "bench.h"
#include "mls_cast.h"

#define RUNS  3
#define SCALE 0.00011 /* the Ed25519 verification, in seconds, that absolute bounds are scaled by */

static double verify, seal;

static void row(const char *work, size_t n, double value, double reference, double bound)
{
	bench_add(&(struct bench_row){work, (unsigned)n, value, reference, n == 1000 ? bound : 0, 0});
}

static void join(const struct cast *c, size_t n, const struct cv_buf *welcome)
{
	double best = 1e9, reference = (double)n * verify;

	for (int i = 0; i < RUNS; i++) {
		double start = bench_now();
		struct mls_group *g = cast_join(c, n - 1, welcome);
		double took = bench_now() - start;

		best = took < best ? took : best;
		mls_group_free(g);
	}
	if (c->x509)
		reference = (double)n * (3 * verify + bare_x509_parse(c->some_identity.data, c->some_identity.len));
	row(c->x509 ? "join by Welcome, X.509 and admissions" : "join by Welcome", n, best, reference, 1.4);
}

/* A commit by `from`, timed, that `to` processes, timed; both go on into the new epoch. */
static void commit(struct mls_group *from, struct mls_group *to, const struct mls_commit *what, double *ret_create,
		   double *ret_process)
{
	struct mls_commit_output out = {0};
	struct mls_received got = {0};
	double start = bench_now();

	MUST(mls_group_commit(from, what, &out));
	*ret_create = bench_now() - start;
	start = bench_now();
	MUST(mls_group_process(to, out.commit.data, out.commit.len, &got));
	*ret_process = bench_now() - start;
	MUST(mls_group_merge_pending(from));
	mls_received_done(&got);
	mls_commit_output_done(&out);
}

/* Again before each size: the machine's speed changes with whatever else it does. */
static void measure_primitives(void)
{
	verify = bare_ed25519_verify();
	seal = bare_hpke_seal();
}

/* A group of `n` made by one commit, timed. */
static struct mls_group *bulk_add(const struct cast *c, size_t n, struct cv_buf *ret_welcome)
{
	struct mls_group *g = NULL;
	double best = 1e9;

	for (int i = 0; i < RUNS; i++) {
		double start, took;

		mls_group_free(g);
		cv_buf_done(ret_welcome);
		start = bench_now();
		g = cast_group(c, n, ret_welcome);
		took = bench_now() - start;
		best = took < best ? took : best;
	}
	row("bulk add in one commit", n, best, (double)(n - 1) * (2 * verify + seal), 1.2);
	return g;
}

static void work(const struct cast *c, size_t n)
{
	struct cv_buf welcome = {0};
	struct mls_group *first, *last;
	struct cv_span add = mls_key_package_message(c->actors[n].kp);
	double create, process;

	measure_primitives();
	first = bulk_add(c, n, &welcome);
	join(c, n, &welcome);
	last = cast_join(c, n - 1, &welcome);
	commit(first, last, &(struct mls_commit){.force_path = true}, &create, &process);
	row("path commit, fresh tree, create", n, create, (double)(n - 1) * seal, 1.4);
	row("path commit, fresh tree, process", n, process, verify, 0.010 / SCALE);
	commit(first, last, &(struct mls_commit){.adds = &add, .n_adds = 1}, &create, &process);
	row("add-only commit, create", n, create, verify, 0.005 / SCALE);
	row("add-only commit, process", n, process, verify, 0.003 / SCALE);
	commit(last, first, &(struct mls_commit){.force_path = true}, &create, &process);
	row("path commit by the last leaf, create", n, create, verify, 0);
	mls_group_free(first);
	mls_group_free(last);
	cv_buf_done(&welcome);
}

static void work_x509(const struct cast *c, size_t n)
{
	struct cv_buf welcome = {0};

	mls_group_free(cast_group(c, n, &welcome));
	measure_primitives();
	join(c, n, &welcome);
	cv_buf_done(&welcome);
}

static void each_size(size_t largest, bool x509, void (*fn)(const struct cast *, size_t))
{
	static const size_t sizes[] = {10, 100, 1000, 10000};
	struct cast c;

	cast_init(&c, largest + 1, x509);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]) && sizes[i] <= largest; i++)
		fn(&c, sizes[i]);
	cast_done(&c);
}

int main(int argc, char **argv)
{
	size_t largest = argc > 2 ? strtoul(argv[2], NULL, 10) : 10000;

	each_size(largest, false, work);
	each_size(largest, true, work_x509);
	bench_add(&(struct bench_row){"(one bare Ed25519 verification)", 1, verify, SCALE, 0, 0});
	bench_add(&(struct bench_row){"(one bare HPKE seal)", 1, seal, SCALE, 0, 0});
	return bench_report("MLS suite 1 against bare primitives (x: ratio to the reference)",
			    argc > 1 ? argv[1] : NULL) != 0;
}
