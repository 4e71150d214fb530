/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <media/picture.h>

#define KEY_AGAIN_US 500000
#define CYCLE        4 /* pictures from one base picture to the next */

struct pending {
	bool used;
	uint32_t frame;
	uint8_t tid;
	bool key;
	int end; /* highest encoded layer, -1 while unknown */
	int64_t capture_us, first_us, last_us;
	uint8_t *data[MEDIA_SPATIAL_MAX];
	size_t len[MEDIA_SPATIAL_MAX];
	bool sync[MEDIA_SPATIAL_MAX];
};

/* A decoded picture that later ones refer to. */
struct reference {
	bool valid;
	uint32_t frame;
	unsigned layers;
};

struct media_pictures {
	struct pending slot[MEDIA_PICTURE_SLOTS];
	uint8_t top;
	bool started;                  /* released is valid */
	uint32_t released;             /* number of the last picture that was released or skipped */
	struct reference base, middle; /* last pictures of temporal layers 0 and 1 */
	bool gap;                      /* a number is missing since the last base picture */
	unsigned cycle;                /* distance of base pictures as last seen without a gap */
	bool key_wanted;
	int64_t key_asked_us;
	struct media_pictures_stats st;
};

void media_picture_done(struct media_picture *p)
{
	cv_free(p->data);
	memset(p, 0, sizeof(*p));
}

int media_pictures_new(struct media_pictures **ret)
{
	struct media_pictures *b = cv_calloc(1, sizeof(*b));
	if (!b)
		return CV_ENOMEM;
	b->top = MEDIA_SPATIAL_MAX - 1;
	b->cycle = CYCLE;
	b->key_wanted = true;
	b->key_asked_us = INT64_MIN;
	*ret = b;
	return 0;
}

static void clear(struct pending *p)
{
	for (unsigned i = 0; i < MEDIA_SPATIAL_MAX; i++)
		cv_free(p->data[i]);
	memset(p, 0, sizeof(*p));
}

void media_pictures_free(struct media_pictures *b)
{
	if (!b)
		return;
	for (unsigned i = 0; i < MEDIA_PICTURE_SLOTS; i++)
		clear(&b->slot[i]);
	cv_free(b);
}

void media_pictures_set_top(struct media_pictures *b, uint8_t sid)
{
	b->top = sid < MEDIA_SPATIAL_MAX ? sid : MEDIA_SPATIAL_MAX - 1;
}

static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

static struct pending *oldest(struct media_pictures *b)
{
	struct pending *o = NULL;
	for (unsigned i = 0; i < MEDIA_PICTURE_SLOTS; i++)
		if (b->slot[i].used && (!o || before(b->slot[i].frame, o->frame)))
			o = &b->slot[i];
	return o;
}

/* The slot of a picture's units, a new one if need be; the oldest picture gives way when all are taken. */
static struct pending *slot_for(struct media_pictures *b, const struct media_unit *u, int64_t now_us)
{
	struct pending *free_slot = NULL;
	for (unsigned i = 0; i < MEDIA_PICTURE_SLOTS; i++) {
		if (b->slot[i].used && b->slot[i].frame == u->frame)
			return &b->slot[i];
		if (!b->slot[i].used)
			free_slot = &b->slot[i];
	}
	if (!free_slot) {
		free_slot = oldest(b);
		clear(free_slot);
		b->st.incomplete++;
	}
	free_slot->used = true;
	free_slot->frame = u->frame;
	free_slot->tid = u->tid;
	free_slot->key = u->key;
	free_slot->end = -1;
	free_slot->capture_us = u->capture_us;
	free_slot->first_us = now_us;
	return free_slot;
}

int media_pictures_push(struct media_pictures *b, const struct media_unit *u, int64_t now_us)
{
	if (u->kind != MEDIA_PICTURE || u->sid >= MEDIA_SPATIAL_MAX || u->tid >= MEDIA_TEMPORAL_LAYERS || u->len == 0)
		return CV_EINVAL;
	if (u->len > MEDIA_UNIT_MAX)
		return CV_ELIMIT;
	/* A sender that came back counts from 0 again, which begins with a key picture. */
	if (b->started && !before(b->released, u->frame) && !(u->key && b->released - u->frame > 1000)) {
		b->st.late++;
		return CV_EEXPIRED;
	}
	uint8_t *copy = cv_memdup(u->data, u->len);
	if (!copy)
		return CV_ENOMEM;
	if (b->started && !before(b->released, u->frame)) {
		for (unsigned i = 0; i < MEDIA_PICTURE_SLOTS; i++)
			clear(&b->slot[i]);
		b->started = false;
	}
	struct pending *p = slot_for(b, u, now_us);
	if (p->data[u->sid]) {
		cv_free(copy);
		return CV_EREPLAY;
	}
	p->data[u->sid] = copy;
	p->len[u->sid] = u->len;
	p->sync[u->sid] = u->layer_sync || u->key;
	p->last_us = now_us;
	if (u->end_of_picture)
		p->end = u->sid;
	b->st.units++;
	return 0;
}

static unsigned present(const struct pending *p)
{
	unsigned n = 0;
	while (n < MEDIA_SPATIAL_MAX && p->data[n])
		n++;
	return n;
}

static bool has_upper(const struct pending *p)
{
	for (unsigned i = 1; i < MEDIA_SPATIAL_MAX; i++)
		if (p->data[i])
			return true;
	return false;
}

static bool complete(const struct media_pictures *b, const struct pending *p, int64_t now_us)
{
	unsigned n = present(p);
	if ((p->end >= 0 && n > (unsigned)p->end) || n > b->top)
		return true;
	if (now_us - p->first_us >= MEDIA_PICTURE_WAIT_US)
		return true;
	/*
	 * The tunnel serves base layers before upper ones and keeps the order within each: what p lacks comes no more
	 * once a later picture has something of the same class.
	 */
	for (unsigned i = 0; i < MEDIA_PICTURE_SLOTS; i++) {
		const struct pending *later = &b->slot[i];
		bool same_class = n == 0 ? later->data[0] != NULL : has_upper(later);
		if (later->used && before(p->frame, later->frame) && same_class)
			return true;
	}
	return false;
}

/* Layers decoded in the picture that p refers to; 0 when that picture is missing. */
static unsigned reference_layers(const struct media_pictures *b, const struct pending *p)
{
	uint32_t k = p->frame - b->base.frame;
	if (!b->base.valid || k == 0)
		return 0;
	if (p->tid == 0) {
		bool sync = false;
		for (unsigned i = 0; i < MEDIA_SPATIAL_MAX; i++)
			sync |= p->data[i] && p->sync[i];
		/* A switch-up point begins the temporal pattern anew, earlier than expected. */
		if (!b->gap || k == b->cycle || (sync && k < b->cycle))
			return b->base.layers;
		return 0;
	}
	if (p->tid == 1)
		return !b->gap || k * 2 == b->cycle ? b->base.layers : 0;
	if (k == 1)
		return b->base.layers;
	if (b->middle.valid && b->middle.frame == p->frame - 1)
		return b->middle.layers;
	if (b->gap)
		return 0;
	return b->middle.valid && b->middle.layers < b->base.layers ? b->middle.layers : b->base.layers;
}

static void note_decoded(struct media_pictures *b, const struct pending *p, unsigned layers)
{
	if (p->key || p->tid == 0) {
		if (!p->key && b->base.valid && !b->gap)
			b->cycle = p->frame - b->base.frame;
		if (p->key || b->cycle > CYCLE)
			b->cycle = CYCLE;
		b->base = (struct reference){true, p->frame, layers};
		b->middle.valid = false;
		b->gap = false;
	} else if (p->tid == 1) {
		b->middle = (struct reference){true, p->frame, layers};
	}
}

/* How many layers of p can be decoded. */
static unsigned usable(struct media_pictures *b, const struct pending *p)
{
	unsigned have = present(p), n = 0;
	if (p->key)
		return have;
	unsigned ref = reference_layers(b, p);
	if (ref == 0)
		return 0;
	while (n < have && (n < ref || p->sync[n]))
		n++;
	return n;
}

static int hand_out(const struct pending *p, unsigned layers, struct media_picture *ret)
{
	struct media_picture pic = {.frame = p->frame,
				    .tid = p->tid,
				    .key = p->key,
				    .layers = (uint8_t)layers,
				    .full = p->end >= 0 && layers == (unsigned)p->end + 1,
				    .layer_sync = p->sync[layers - 1],
				    .capture_us = p->capture_us,
				    .arrival_us = p->last_us};
	for (unsigned i = 0; i < layers; i++)
		pic.len += p->len[i];
	pic.data = cv_malloc(pic.len);
	if (!pic.data)
		return CV_ENOMEM;
	size_t at = 0;
	for (unsigned i = 0; i < layers; i++) {
		memcpy(pic.data + at, p->data[i], p->len[i]);
		pic.layer_len[i] = p->len[i];
		at += p->len[i];
	}
	*ret = pic;
	return 0;
}

/* One pending picture that is complete: hands it out or counts it as undecodable (CV_EAGAIN). */
static int release(struct media_pictures *b, struct pending *p, struct media_picture *ret)
{
	int r = CV_EAGAIN;
	if (!p->key && b->started && p->frame != b->released + 1)
		b->gap = true;
	unsigned layers = usable(b, p);
	if (layers > 0) {
		r = hand_out(p, layers, ret);
		if (r == 0)
			b->st.pictures++;
		else
			layers = 0;
	}
	if (layers > 0) {
		note_decoded(b, p, layers);
		if (p->key)
			b->key_wanted = false;
		/* Layers came that cannot be used: without a key picture it would stay so. */
		if (present(p) > layers)
			b->key_wanted = true;
	} else {
		b->st.undecodable++;
		b->gap = true;
		if (p->tid == 0) {
			b->base.valid = false;
			b->key_wanted = true;
		}
	}
	if (!b->base.valid)
		b->key_wanted = true;
	b->released = p->frame;
	b->started = true;
	clear(p);
	return r;
}

int media_pictures_pop(struct media_pictures *b, int64_t now_us, struct media_picture *ret)
{
	struct pending *p;
	while ((p = oldest(b)) && complete(b, p, now_us)) {
		int r = release(b, p, ret);
		if (r != CV_EAGAIN)
			return r;
	}
	return CV_EAGAIN;
}

int64_t media_pictures_deadline(const struct media_pictures *b)
{
	int64_t at = INT64_MAX;
	for (unsigned i = 0; i < MEDIA_PICTURE_SLOTS; i++)
		if (b->slot[i].used && b->slot[i].first_us + MEDIA_PICTURE_WAIT_US < at)
			at = b->slot[i].first_us + MEDIA_PICTURE_WAIT_US;
	return at;
}

void media_pictures_broken(struct media_pictures *b)
{
	b->base.valid = b->middle.valid = false;
	b->key_wanted = true;
}

bool media_pictures_key_wanted(struct media_pictures *b, int64_t now_us)
{
	/* Nothing arrived yet: there is nobody to ask, and a sender begins with a key picture. */
	if (!b->key_wanted || b->st.units == 0)
		return false;
	if (b->key_asked_us != INT64_MIN && now_us - b->key_asked_us < KEY_AGAIN_US)
		return false;
	/* The first picture may still be on its way. */
	if (!b->started)
		return false;
	b->key_asked_us = now_us;
	return true;
}

void media_pictures_stats(const struct media_pictures *b, struct media_pictures_stats *ret)
{
	*ret = b->st;
}
