/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>
#include <proto/state.h>

void proto_meeting_state_done(struct proto_meeting_state *s)
{
	cv_free(s->creation_grant);
	cv_free(s->overrides);
	cv_free(s->bans);
	*s = (struct proto_meeting_state){0};
}

/* Sorted by user id without doubles, known bits only. */
static bool state_ok(const struct proto_meeting_state *s)
{
	if (s->creation_grant_len > PROTO_GRANT_MAX || (s->switches & ~PROTO_SWITCHES_ALL) ||
	    s->n_overrides > PROTO_STATE_USERS_MAX || s->n_bans > PROTO_STATE_USERS_MAX)
		return false;
	for (size_t i = 0; i < s->n_overrides; i++) {
		if (s->overrides[i].rights & ~PROTO_RIGHTS_ALL)
			return false;
		if (i && memcmp(s->overrides[i - 1].user_id, s->overrides[i].user_id, PROTO_ID_LEN) >= 0)
			return false;
	}
	for (size_t i = 1; i < s->n_bans; i++)
		if (memcmp(s->bans[i - 1], s->bans[i], PROTO_ID_LEN) >= 0)
			return false;
	return true;
}

int proto_meeting_state_put(const struct proto_meeting_state *s, struct cv_buf *out)
{
	size_t mark;

	if (!state_ok(s))
		return CV_EINVAL;
	cv_buf_put_u8(out, 1);
	cv_buf_put_vec(out, s->creation_grant, s->creation_grant_len);
	cv_buf_put_u8(out, s->locked);
	cv_buf_put_u8(out, s->switches);
	mark = cv_buf_vec_begin(out);
	for (size_t i = 0; i < s->n_overrides; i++) {
		cv_buf_put(out, s->overrides[i].user_id, PROTO_ID_LEN);
		cv_buf_put_u8(out, s->overrides[i].rights);
	}
	cv_buf_vec_end(out, mark);
	return cv_buf_put_vec(out, s->bans, s->n_bans * PROTO_ID_LEN);
}

static int get_overrides(struct cv_reader *r, struct proto_meeting_state *s)
{
	const size_t each = PROTO_ID_LEN + 1;
	struct cv_reader list;
	int err = cv_reader_sub(r, PROTO_STATE_USERS_MAX * each, &list);

	if (err)
		return err;
	if (list.left % each)
		return CV_EFORMAT;
	if (!list.left)
		return 0;
	s->overrides = cv_calloc(list.left / each, sizeof(*s->overrides));
	if (!s->overrides)
		return CV_ENOMEM;
	while (list.left) {
		struct proto_user_rights *o = &s->overrides[s->n_overrides++];

		if ((err = cv_reader_copy(&list, o->user_id, PROTO_ID_LEN)) ||
		    (err = cv_reader_get_u8(&list, &o->rights)))
			return err;
	}
	return 0;
}

static int get_bans(struct cv_reader *r, struct proto_meeting_state *s)
{
	struct cv_span list;
	int err = cv_reader_get_vec(r, PROTO_STATE_USERS_MAX * PROTO_ID_LEN, &list);

	if (err)
		return err;
	if (list.len % PROTO_ID_LEN)
		return CV_EFORMAT;
	if (!list.len)
		return 0;
	s->bans = cv_memdup(list.data, list.len);
	if (!s->bans)
		return CV_ENOMEM;
	s->n_bans = list.len / PROTO_ID_LEN;
	return 0;
}

static int decode(struct cv_reader *r, struct proto_meeting_state *s)
{
	uint8_t version, locked;
	struct cv_span grant;
	int err;

	if ((err = cv_reader_get_u8(r, &version)))
		return err;
	if (version != 1)
		return CV_EFORMAT;
	if ((err = cv_reader_get_vec(r, PROTO_GRANT_MAX, &grant)) || (err = cv_reader_get_u8(r, &locked)) ||
	    (err = cv_reader_get_u8(r, &s->switches)))
		return err;
	if (locked > 1)
		return CV_EFORMAT;
	s->locked = locked;
	s->creation_grant = cv_memdup(grant.data, grant.len);
	if (!s->creation_grant)
		return CV_ENOMEM;
	s->creation_grant_len = grant.len;
	if ((err = get_overrides(r, s)) || (err = get_bans(r, s)) || (err = cv_reader_end(r)))
		return err;
	return state_ok(s) ? 0 : CV_EFORMAT;
}

int proto_meeting_state_decode(const void *data, size_t len, struct proto_meeting_state *ret)
{
	struct proto_meeting_state s = {0};
	struct cv_reader r;
	int err;

	cv_reader_init(&r, data, len);
	err = decode(&r, &s);
	if (err) {
		proto_meeting_state_done(&s);
		return err;
	}
	*ret = s;
	return 0;
}

int proto_meeting_state_copy(const struct proto_meeting_state *s, struct proto_meeting_state *ret)
{
	struct proto_meeting_state c = *s;

	c.creation_grant = cv_memdup(s->creation_grant, s->creation_grant_len);
	c.overrides = cv_memdup(s->overrides, s->n_overrides * sizeof(*s->overrides));
	c.bans = cv_memdup(s->bans, s->n_bans * sizeof(*s->bans));
	if (!c.creation_grant || !c.overrides || !c.bans) {
		proto_meeting_state_done(&c);
		return CV_ENOMEM;
	}
	*ret = c;
	return 0;
}

bool proto_meeting_state_equal(const struct proto_meeting_state *a, const struct proto_meeting_state *b)
{
	return a->locked == b->locked && a->switches == b->switches && a->creation_grant_len == b->creation_grant_len &&
	       a->n_overrides == b->n_overrides && a->n_bans == b->n_bans &&
	       (!a->creation_grant_len || !memcmp(a->creation_grant, b->creation_grant, a->creation_grant_len)) &&
	       (!a->n_overrides || !memcmp(a->overrides, b->overrides, a->n_overrides * sizeof(*a->overrides))) &&
	       (!a->n_bans || !memcmp(a->bans, b->bans, a->n_bans * sizeof(*a->bans)));
}

/* Index of the first element that is not below `id`; elements begin with the user id. */
static size_t lower_bound(const void *array, size_t n, size_t size, const uint8_t *id)
{
	size_t lo = 0, hi = n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (memcmp((const uint8_t *)array + mid * size, id, PROTO_ID_LEN) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

uint8_t proto_meeting_state_rights(const struct proto_meeting_state *s, const uint8_t user_id[PROTO_ID_LEN],
				   uint8_t admitted)
{
	size_t i = lower_bound(s->overrides, s->n_overrides, sizeof(*s->overrides), user_id);

	if (i < s->n_overrides && !memcmp(s->overrides[i].user_id, user_id, PROTO_ID_LEN))
		return s->overrides[i].rights;
	return admitted;
}

bool proto_meeting_state_banned(const struct proto_meeting_state *s, const uint8_t user_id[PROTO_ID_LEN])
{
	size_t i = lower_bound(s->bans, s->n_bans, sizeof(*s->bans), user_id);

	return i < s->n_bans && !memcmp(s->bans[i], user_id, PROTO_ID_LEN);
}

/* Opens a gap of one element at `at` in an array of `n`. */
static int insert(void **array, size_t n, size_t size, size_t at)
{
	uint8_t *p;

	if (n >= PROTO_STATE_USERS_MAX)
		return CV_ELIMIT;
	p = cv_reallocarray(*array, n + 1, size);
	if (!p)
		return CV_ENOMEM;
	memmove(p + (at + 1) * size, p + at * size, (n - at) * size);
	*array = p;
	return 0;
}

int proto_meeting_state_set_rights(struct proto_meeting_state *s, const uint8_t user_id[PROTO_ID_LEN], uint8_t rights)
{
	size_t i = lower_bound(s->overrides, s->n_overrides, sizeof(*s->overrides), user_id);
	void *array = s->overrides;
	int err;

	if (rights & ~PROTO_RIGHTS_ALL)
		return CV_EINVAL;
	if (i < s->n_overrides && !memcmp(s->overrides[i].user_id, user_id, PROTO_ID_LEN)) {
		s->overrides[i].rights = rights;
		return 0;
	}
	err = insert(&array, s->n_overrides, sizeof(*s->overrides), i);
	if (err)
		return err;
	s->overrides = array;
	memcpy(s->overrides[i].user_id, user_id, PROTO_ID_LEN);
	s->overrides[i].rights = rights;
	s->n_overrides++;
	return 0;
}

int proto_meeting_state_ban(struct proto_meeting_state *s, const uint8_t user_id[PROTO_ID_LEN])
{
	size_t i = lower_bound(s->bans, s->n_bans, sizeof(*s->bans), user_id);
	void *array = s->bans;
	int err;

	if (i < s->n_bans && !memcmp(s->bans[i], user_id, PROTO_ID_LEN))
		return 0;
	err = insert(&array, s->n_bans, sizeof(*s->bans), i);
	if (err)
		return err;
	s->bans = array;
	memcpy(s->bans[i], user_id, PROTO_ID_LEN);
	s->n_bans++;
	return 0;
}

/* ---- CommitData */

static int compare_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static bool removal_ok(const struct proto_removal *r)
{
	bool needs_evidence = r->reason == PROTO_REASON_LEFT || r->reason == PROTO_REASON_REVOKED;

	if (r->reason < PROTO_REASON_LEFT || r->reason > PROTO_REASON_REPLACED || r->leaf > PROTO_LEAF_MAX)
		return false;
	return needs_evidence ? r->evidence.len && r->evidence.len <= PROTO_EVIDENCE_MAX : !r->evidence.len;
}

static int removals_check(const struct proto_removal *removals, size_t n)
{
	uint32_t *leaves;
	int err = 0;

	for (size_t i = 0; i < n; i++)
		if (!removal_ok(&removals[i]))
			return CV_EFORMAT;
	if (n < 2)
		return 0;
	leaves = cv_calloc(n, sizeof(*leaves));
	if (!leaves)
		return CV_ENOMEM;
	for (size_t i = 0; i < n; i++)
		leaves[i] = removals[i].leaf;
	qsort(leaves, n, sizeof(*leaves), compare_u32);
	for (size_t i = 1; i < n && !err; i++)
		if (leaves[i] == leaves[i - 1])
			err = CV_EFORMAT;
	cv_free(leaves);
	return err;
}

int proto_commit_data_put(const struct proto_removal *removals, size_t n, struct cv_buf *out)
{
	size_t mark;
	int err;

	if (n > PROTO_REMOVALS_MAX)
		return CV_ELIMIT;
	err = removals_check(removals, n);
	if (err)
		return err == CV_EFORMAT ? CV_EINVAL : err;
	cv_buf_put_u8(out, 1);
	mark = cv_buf_vec_begin(out);
	for (size_t i = 0; i < n; i++) {
		cv_buf_put_u32(out, removals[i].leaf);
		cv_buf_put_u8(out, removals[i].reason);
		cv_buf_put_vec(out, removals[i].evidence.data, removals[i].evidence.len);
	}
	return cv_buf_vec_end(out, mark);
}

static int get_removals(struct cv_reader *list, struct proto_commit_data *d)
{
	size_t cap = 0;
	int err;

	while (list->left) {
		struct proto_removal *r;

		if (d->n_removals == cap) {
			cap = cap ? cap * 2 : 8;
			if (cap > PROTO_REMOVALS_MAX)
				return CV_ELIMIT;
			r = cv_reallocarray(d->removals, cap, sizeof(*r));
			if (!r)
				return CV_ENOMEM;
			d->removals = r;
		}
		r = &d->removals[d->n_removals++];
		if ((err = cv_reader_get_u32(list, &r->leaf)) || (err = cv_reader_get_u8(list, &r->reason)) ||
		    (err = cv_reader_get_vec(list, PROTO_EVIDENCE_MAX, &r->evidence)))
			return err;
	}
	return removals_check(d->removals, d->n_removals);
}

int proto_commit_data_decode(const void *data, size_t len, struct proto_commit_data *ret)
{
	struct proto_commit_data d = {0};
	struct cv_reader r, list;
	uint8_t version;
	int err;

	if (len > PROTO_COMMIT_DATA_MAX)
		return CV_ELIMIT;
	cv_reader_init(&r, data, len);
	if ((err = cv_reader_get_u8(&r, &version)))
		return err;
	if (version != 1)
		return CV_EFORMAT;
	if ((err = cv_reader_sub(&r, PROTO_COMMIT_DATA_MAX, &list)) || (err = cv_reader_end(&r)))
		return err;
	err = get_removals(&list, &d);
	if (err) {
		proto_commit_data_done(&d);
		return err;
	}
	*ret = d;
	return 0;
}

void proto_commit_data_done(struct proto_commit_data *d)
{
	cv_free(d->removals);
	*d = (struct proto_commit_data){0};
}
