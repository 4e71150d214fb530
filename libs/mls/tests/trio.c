/* SPDX-License-Identifier: Apache-2.0 */
#include "trio.h"

void trio_init(struct trio *t, uint64_t seed)
{
	struct mls_commit_output out;
	struct cv_span adds[2];

	world_init(&t->w, seed);
	person_init(&t->a, &t->w, 1, "alice");
	person_init(&t->b, &t->w, 1, "bob");
	person_init(&t->c, &t->w, 1, "carol");
	person_create(&t->a, "trio");
	adds[0] = person_offer(&t->b);
	adds[1] = person_offer(&t->c);
	person_commit(&t->a, &(struct mls_commit){.adds = adds, .n_adds = 2}, &out);
	assert_int_equal(person_join(&t->b, &out), 0);
	assert_int_equal(person_join(&t->c, &out), 0);
	mls_commit_output_done(&out);
}

void trio_done(struct trio *t)
{
	person_done(&t->a);
	person_done(&t->b);
	person_done(&t->c);
}

void commit_all(struct person *from, struct person *x, struct person *y, const struct mls_commit *what)
{
	struct mls_commit_output out;

	person_commit(from, what, &out);
	assert_int_equal(person_process(x, &out.commit), 0);
	assert_agree(from, x);
	if (y) {
		assert_int_equal(person_process(y, &out.commit), 0);
		assert_agree(from, y);
	}
	mls_commit_output_done(&out);
}

int read_message(struct person *p, const struct cv_buf *m)
{
	struct mls_received r;
	int err = mls_group_process(p->group, m->data, m->len, &r);

	if (!err) {
		assert_int_equal(r.kind, MLS_RECEIVED_APPLICATION);
		mls_received_done(&r);
	}
	return err;
}
