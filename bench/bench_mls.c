/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MLS, suite 1, against the bare primitives that the work cannot do without. usage: bench-mls [JSON-FILE]
 * Rows without a bound show how the work grows with N; bounds are those of groups of 1000.
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

static void work(const struct cast *c, size_t n)
{
	struct cv_buf welcome = {0};
	double start, create, process;
	struct mls_group *first, *last;
	struct cv_span add = mls_key_package_message(c->actors[n].kp);
	double bulk;

	measure_primitives();
	start = bench_now();
	first = cast_group(c, n, &welcome);
	bulk = bench_now() - start;

	row("bulk add in one commit", n, bulk, (double)(n - 1) * (2 * verify + seal), 1.2);
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

int main(int argc, char **argv)
{
	static const size_t sizes[] = {10, 100, 1000, 10000};
	struct cv_buf welcome = {0};
	struct cast c;

	cast_init(&c, 10001, false);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		work(&c, sizes[i]);
	cast_done(&c);

	cast_init(&c, 1000, true);
	mls_group_free(cast_group(&c, 1000, &welcome));
	measure_primitives();
	join(&c, 1000, &welcome);
	cv_buf_done(&welcome);
	cast_done(&c);

	bench_add(&(struct bench_row){"(one bare Ed25519 verification)", 1, verify, SCALE, 0, 0});
	bench_add(&(struct bench_row){"(one bare HPKE seal)", 1, seal, SCALE, 0, 0});
	bench_report("MLS suite 1 against bare primitives (x: ratio to the reference)", argc > 1 ? argv[1] : NULL);
	return 0;
}
