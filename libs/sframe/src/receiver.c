/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <base/secret.h>

#include "internal.h"

#define BUCKETS_MIN 16

struct slot {
	struct slot *next; /* in its bucket */
	uint64_t kid;
	uint64_t epoch;
	struct sframe_aead aead;
	struct sframe_window window;
};

struct epoch_key {
	uint64_t epoch;
	size_t len; /* 0: place is free */
	uint8_t base_key[SFRAME_BASE_KEY_MAX];
};

struct sframe_receiver {
	enum sframe_suite suite;
	bool has_mls;
	struct sframe_mls_params mls;
	struct slot **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	size_t max_keys;
	struct epoch_key epochs[SFRAME_EPOCHS_MAX];
};

static struct slot **bucket_of(struct slot **buckets, size_t count, uint64_t kid)
{
	uint64_t h = kid * 0x9e3779b97f4a7c15u;

	return &buckets[(size_t)(h >> 32) & (count - 1)];
}

static struct slot *find_slot(const struct sframe_receiver *r, uint64_t kid)
{
	struct slot *s = *bucket_of(r->buckets, r->bucket_count, kid);

	while (s && s->kid != kid)
		s = s->next;
	return s;
}

static void slot_free(struct slot *s)
{
	if (!s)
		return;
	sframe_aead_done(&s->aead);
	cv_free_wiped(s, sizeof(*s));
}

int sframe_receiver_new(enum sframe_suite suite, const struct sframe_mls_params *mls, size_t max_keys,
			struct sframe_receiver **ret_receiver)
{
	struct sframe_receiver *r;
	uint64_t kid;

	if (!sframe_suite_info(suite))
		return CV_EUNSUPPORTED;
	if (max_keys < 1 || max_keys > SFRAME_KEYS_MAX || (mls && sframe_mls_kid(mls, 0, 0, 0, &kid)))
		return CV_EINVAL;
	r = cv_calloc(1, sizeof(*r));
	if (!r)
		return CV_ENOMEM;
	r->buckets = cv_calloc(BUCKETS_MIN, sizeof(struct slot *));
	if (!r->buckets) {
		cv_free(r);
		return CV_ENOMEM;
	}
	r->bucket_count = BUCKETS_MIN;
	r->suite = suite;
	r->max_keys = max_keys;
	if (mls) {
		r->has_mls = true;
		r->mls = *mls;
	}
	*ret_receiver = r;
	return 0;
}

void sframe_receiver_free(struct sframe_receiver *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->bucket_count; i++)
		while (r->buckets[i]) {
			struct slot *s = r->buckets[i];

			r->buckets[i] = s->next;
			slot_free(s);
		}
	cv_free(r->buckets);
	cv_free_wiped(r, sizeof(*r));
}

/* Twice the buckets. A table that cannot grow stays correct, only slower, so failure is no error. */
static void grow(struct sframe_receiver *r)
{
	size_t count = r->bucket_count * 2;
	struct slot **buckets = cv_calloc(count, sizeof(struct slot *));

	if (!buckets)
		return;
	for (size_t i = 0; i < r->bucket_count; i++)
		while (r->buckets[i]) {
			struct slot *s = r->buckets[i], **b = bucket_of(buckets, count, s->kid);

			r->buckets[i] = s->next;
			s->next = *b;
			*b = s;
		}
	cv_free(r->buckets);
	r->buckets = buckets;
	r->bucket_count = count;
}

static void insert(struct sframe_receiver *r, struct slot *s)
{
	struct slot **b;

	if (r->count >= r->bucket_count)
		grow(r);
	b = bucket_of(r->buckets, r->bucket_count, s->kid);
	s->next = *b;
	*b = s;
	r->count++;
}

static int slot_new(const struct sframe_receiver *r, uint64_t epoch, uint64_t kid, const void *base_key, size_t len,
		    struct slot **ret_slot)
{
	struct slot *s;
	int err;

	if (r->count >= r->max_keys)
		return CV_ELIMIT;
	s = cv_calloc(1, sizeof(*s));
	if (!s)
		return CV_ENOMEM;
	err = sframe_aead_init(&s->aead, r->suite, false, kid, base_key, len);
	if (err) {
		cv_free(s);
		return err;
	}
	s->kid = kid;
	s->epoch = epoch;
	*ret_slot = s;
	return 0;
}

int sframe_receiver_add_key(struct sframe_receiver *r, uint64_t epoch, uint64_t kid, const void *base_key,
			    size_t base_key_len)
{
	struct slot *s;
	int err;

	if (find_slot(r, kid))
		return CV_EEXIST;
	err = slot_new(r, epoch, kid, base_key, base_key_len, &s);
	if (err)
		return err;
	insert(r, s);
	return 0;
}

static struct epoch_key *find_epoch(struct sframe_receiver *r, uint64_t epoch)
{
	uint64_t mask = ((uint64_t)1 << r->mls.epoch_bits) - 1;

	for (size_t i = 0; i < SFRAME_EPOCHS_MAX; i++)
		if (r->epochs[i].len && ((r->epochs[i].epoch ^ epoch) & mask) == 0)
			return &r->epochs[i];
	return NULL;
}

/* Wipes the keys and base keys of the epochs from `first` to `last`. */
static void drop_epochs(struct sframe_receiver *r, uint64_t first, uint64_t last)
{
	for (size_t i = 0; i < r->bucket_count; i++) {
		struct slot **p = &r->buckets[i];

		while (*p) {
			struct slot *s = *p;

			if (s->epoch < first || s->epoch > last) {
				p = &s->next;
				continue;
			}
			*p = s->next;
			slot_free(s);
			r->count--;
		}
	}
	for (size_t i = 0; i < SFRAME_EPOCHS_MAX; i++)
		if (r->epochs[i].len && r->epochs[i].epoch >= first && r->epochs[i].epoch <= last)
			cv_wipe(&r->epochs[i], sizeof(r->epochs[i]));
}

int sframe_receiver_add_epoch(struct sframe_receiver *r, uint64_t epoch, const void *base_key, size_t base_key_len)
{
	struct epoch_key *e;

	if (!r->has_mls)
		return CV_ESTATE;
	if (base_key_len == 0 || base_key_len > SFRAME_BASE_KEY_MAX)
		return CV_EINVAL;
	e = find_epoch(r, epoch);
	if (e && e->epoch >= epoch)
		return CV_EEXIST;
	/* "receivers MUST remove an old epoch when a new epoch with the same low-order E bits is introduced" (5.2) */
	if (e)
		drop_epochs(r, e->epoch, e->epoch);
	for (size_t i = 0; i < SFRAME_EPOCHS_MAX; i++) {
		e = &r->epochs[i];
		if (e->len)
			continue;
		e->epoch = epoch;
		e->len = base_key_len;
		memcpy(e->base_key, base_key, base_key_len);
		return 0;
	}
	return CV_ELIMIT;
}

void sframe_receiver_drop_before(struct sframe_receiver *r, uint64_t epoch)
{
	if (epoch > 0)
		drop_epochs(r, 0, epoch - 1);
}

int sframe_receiver_drop_key(struct sframe_receiver *r, uint64_t kid)
{
	struct slot **p = bucket_of(r->buckets, r->bucket_count, kid);

	for (; *p; p = &(*p)->next) {
		struct slot *s = *p;

		if (s->kid != kid)
			continue;
		*p = s->next;
		slot_free(s);
		r->count--;
		return 0;
	}
	return CV_ENOTFOUND;
}

size_t sframe_receiver_key_count(const struct sframe_receiver *r)
{
	return r->count;
}

/*
 * The key for `kid`: one that is held, or one derived from its MLS epoch. A derived key is not entered here: only a
 * genuine frame may make the table grow, else anybody could fill it with invented KIDs.
 */
static int get_slot(struct sframe_receiver *r, uint64_t kid, struct slot **ret_slot, bool *ret_fresh)
{
	struct slot *s = find_slot(r, kid);
	struct epoch_key *e;

	*ret_fresh = false;
	if (s) {
		*ret_slot = s;
		return 0;
	}
	e = r->has_mls ? find_epoch(r, kid) : NULL;
	if (!e)
		return CV_ENOTFOUND;
	*ret_fresh = true;
	return slot_new(r, e->epoch, kid, e->base_key, e->len, ret_slot);
}

int sframe_open(struct sframe_receiver *r, const void *metadata, size_t metadata_len, const void *frame, size_t len,
		uint8_t *dst, size_t dst_size, size_t *ret_len, struct sframe_header *ret_header)
{
	size_t tag_len = sframe_suite_tag_len(r->suite), header_len, pt_len;
	struct sframe_header h;
	struct sframe_aad aad;
	struct slot *s;
	bool fresh;
	int err;

	err = sframe_header_decode(frame, len, &h, &header_len);
	if (err)
		return err;
	if (len - header_len < tag_len)
		return CV_ETRUNCATED;
	pt_len = len - header_len - tag_len;
	if (pt_len > SFRAME_PLAINTEXT_MAX || metadata_len > SFRAME_METADATA_MAX)
		return CV_ELIMIT;
	if (dst_size < pt_len)
		return CV_EINVAL;
	err = get_slot(r, h.kid, &s, &fresh);
	if (err)
		return err;
	aad = (struct sframe_aad){frame, header_len, metadata, metadata_len};
	err = sframe_window_check(&s->window, h.ctr);
	if (!err)
		err = sframe_aead_open(&s->aead, h.ctr, &aad, (const uint8_t *)frame + header_len, pt_len, dst);
	if (err) {
		if (fresh)
			slot_free(s);
		return err;
	}
	sframe_window_mark(&s->window, h.ctr);
	if (fresh)
		insert(r, s);
	*ret_len = pt_len;
	if (ret_header)
		*ret_header = h;
	return 0;
}
