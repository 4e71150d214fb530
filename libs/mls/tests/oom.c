/* SPDX-License-Identifier: Apache-2.0 */
#include <base/alloc.h>

#include "oom.h"

#include "../src/state.h"

#define PEOPLE_MAX 4

/* The secret tree unfolds where it is looked at, without giving a key away: it is unfolded before pictures are taken.
 */
static void unfold(struct mls_group *g)
{
	struct epoch *e = g->cur;

	for (uint32_t leaf = 0; leaf < e->tree->n_leaves; leaf++)
		for (int kind = RATCHET_HANDSHAKE; kind <= RATCHET_APPLICATION; kind++) {
			struct ratchet_step step;

			assert_int_equal(mls_secret_tree_next(e->secret_tree, &g->crypto, leaf, kind, &step), 0);
			mls_ratchet_step_drop(&step);
		}
}

static void picture(const struct person *p, struct cv_buf *ret)
{
	cv_buf_init_secret(ret, 1 << 20);
	assert_int_equal(mls_group_save(p->group, ret), 0);
}

static void compare(const struct person *p, const struct cv_buf *before)
{
	struct cv_buf now;

	picture(p, &now);
	assert_int_equal(now.len, before->len);
	assert_memory_equal(now.data, before->data, now.len);
	cv_buf_done(&now);
}

void oom_every(int (*op)(void *ctx), void *ctx, struct person *const *unchanged)
{
	struct cv_buf before[PEOPLE_MAX];
	size_t n_people = 0;
	long n = 0;

	for (; unchanged && unchanged[n_people]; n_people++) {
		assert_in_range(n_people, 0, PEOPLE_MAX - 1);
		unfold(unchanged[n_people]->group);
		picture(unchanged[n_people], &before[n_people]);
	}
	for (;; n++) {
		long made;
		int err;

		cv_alloc_fail_at(n);
		err = op(ctx);
		made = cv_alloc_count();
		cv_alloc_fail_at(-1);
		if (made <= n) {
			assert_int_equal(err, 0);
			break;
		}
		assert_int_equal(err, CV_ENOMEM);
		for (size_t i = 0; i < n_people; i++)
			compare(unchanged[i], &before[i]);
	}
	assert_true(n > 0); /* it has allocated at all */
	for (size_t i = 0; i < n_people; i++)
		cv_buf_done(&before[i]);
}
