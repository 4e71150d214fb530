/* SPDX-License-Identifier: Apache-2.0 */
#include <proto/media.h>

void proto_reassembler_init(struct proto_reassembler *r, size_t max_bytes)
{
	*r = (struct proto_reassembler){.max_bytes = max_bytes, .done = -1};
	for (int i = 0; i < PROTO_REASSEMBLY_SLOTS; i++)
		cv_buf_init(&r->slots[i].ciphertext, PROTO_UNIT_MAX);
}

void proto_reassembler_done(struct proto_reassembler *r)
{
	for (int i = 0; i < PROTO_REASSEMBLY_SLOTS; i++) {
		cv_buf_done(&r->slots[i].ciphertext);
		r->slots[i].used = false;
	}
	r->done = -1;
}

static void slot_free(struct proto_reassembler *r, int i, bool gave_up)
{
	/* Memory is kept for the next unit while all slots together stay below the limit. */
	if (r->slots[i].ciphertext.cap > r->max_bytes / PROTO_REASSEMBLY_SLOTS)
		cv_buf_done(&r->slots[i].ciphertext);
	else
		cv_buf_reset(&r->slots[i].ciphertext);
	r->slots[i].used = false;
	if (gave_up)
		r->dropped++;
}

static int slot_find(const struct proto_reassembler *r, uint32_t unit)
{
	for (int i = 0; i < PROTO_REASSEMBLY_SLOTS; i++)
		if (r->slots[i].used && r->slots[i].unit == unit)
			return i;
	return -1;
}

/* The unit that began first; numbers wrap, so they are compared by their distance to `unit`. -1: all slots free. */
static int slot_oldest(const struct proto_reassembler *r, uint32_t unit, int except)
{
	uint32_t distance = 0;
	int oldest = -1;

	for (int i = 0; i < PROTO_REASSEMBLY_SLOTS; i++) {
		uint32_t d = unit - r->slots[i].unit;

		if (!r->slots[i].used || i == except)
			continue;
		if (oldest < 0 || d > distance) {
			oldest = i;
			distance = d;
		}
	}
	return oldest;
}

static int slot_take(struct proto_reassembler *r, uint32_t unit)
{
	int i;

	for (i = 0; i < PROTO_REASSEMBLY_SLOTS; i++)
		if (!r->slots[i].used)
			return i;
	i = slot_oldest(r, unit, -1);
	slot_free(r, i, true);
	return i;
}

static size_t bytes_held(const struct proto_reassembler *r)
{
	size_t sum = 0;

	for (int i = 0; i < PROTO_REASSEMBLY_SLOTS; i++)
		sum += r->slots[i].used ? r->slots[i].ciphertext.len : 0;
	return sum;
}

/* Gives older units up until `len` more bytes fit. */
static int make_room(struct proto_reassembler *r, int keep, size_t len)
{
	while (bytes_held(r) + len > r->max_bytes) {
		int i = slot_oldest(r, r->slots[keep].unit, keep);

		if (i < 0)
			return CV_ELIMIT;
		slot_free(r, i, true);
	}
	return 0;
}

int proto_reassembler_put(struct proto_reassembler *r, const struct proto_fragment *f, struct proto_unit *ret)
{
	struct proto_reassembly_slot *s;
	int i, err;

	if (r->done >= 0)
		slot_free(r, r->done, false);
	r->done = -1;
	i = slot_find(r, f->unit);
	if (f->flags & PROTO_FRAGMENT_FIRST) {
		if (i >= 0) {
			slot_free(r, i, true);
			return CV_EFORMAT;
		}
		i = slot_take(r, f->unit);
		r->slots[i].used = true;
		r->slots[i].unit = f->unit;
		r->slots[i].next = 0;
		r->slots[i].header = f->header;
	} else if (i < 0) {
		return CV_ESTATE;
	}
	s = &r->slots[i];
	err = f->fragment == s->next ? make_room(r, i, f->ciphertext.len) : CV_EFORMAT;
	if (!err)
		err = cv_buf_put(&s->ciphertext, f->ciphertext.data, f->ciphertext.len);
	if (err) {
		slot_free(r, i, true);
		return err;
	}
	s->next++;
	if (!(f->flags & PROTO_FRAGMENT_LAST))
		return CV_EAGAIN;
	r->done = i;
	*ret = (struct proto_unit){s->unit, s->header, {s->ciphertext.data, s->ciphertext.len}};
	return 0;
}
