/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <media/jitter.h>

#define TARGET_MIN_US 20000
#define TARGET_MAX_US 400000
#define CONCEAL_MAX   5   /* frames concealed in a row before the sender counts as silent */
#define SHRINK_POPS   100 /* calm pops (2 s) before the target shrinks by a frame */
#define CATCH_UP_POPS 25
#define TIME_MAX_US   (INT64_MAX / 4)
#define JUMP_FRAMES   500 /* a number further away than this begins a new stream */
#define FRAME_US      MEDIA_VOICE_US

struct slot {
	bool used;
	struct media_jitter_frame f;
};

struct media_jitter {
	struct slot slot[MEDIA_JITTER_SLOTS];
	unsigned held;
	bool started;    /* next is valid */
	bool playing;    /* between the first play and the next dry spell */
	bool known;      /* transit is valid */
	uint32_t next;   /* number that is played next */
	uint32_t newest; /* highest number held */
	int64_t transit; /* of the last frame */
	int64_t fastest; /* least transit, drifts upwards slowly so that clocks may differ */
	int64_t target;
	int64_t peak;    /* greatest delay over the fastest in the present window */
	unsigned window; /* pops in it */
	unsigned concealed_in_row;
	struct media_jitter_stats st;
};

/* a is before b, in serial-number arithmetic. */
static bool before(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

int media_jitter_new(struct media_jitter **ret)
{
	struct media_jitter *j = cv_calloc(1, sizeof(*j));
	if (!j)
		return CV_ENOMEM;
	j->target = TARGET_MIN_US;
	*ret = j;
	return 0;
}

void media_jitter_free(struct media_jitter *j)
{
	cv_free(j);
}

static struct slot *slot_of(struct media_jitter *j, uint32_t frame)
{
	return &j->slot[frame % MEDIA_JITTER_SLOTS];
}

static void drop_all(struct media_jitter *j)
{
	j->st.dropped += j->held;
	for (unsigned i = 0; i < MEDIA_JITTER_SLOTS; i++)
		j->slot[i].used = false;
	j->held = 0;
	j->started = j->playing = j->known = false;
}

/* Learns from a frame's transit time how much must be kept back. */
static void measure(struct media_jitter *j, int64_t transit)
{
	if (!j->known) {
		j->known = true;
		j->transit = j->fastest = transit;
		return;
	}
	int64_t d = transit > j->transit ? transit - j->transit : j->transit - transit;
	j->st.jitter_us += (d - j->st.jitter_us) / 16;
	j->transit = transit;
	if (transit < j->fastest)
		j->fastest = transit;
	else
		j->fastest += 20; /* 1 ms per second: more than any two clocks drift apart */
	int64_t late = transit - j->fastest;
	if (late > j->peak)
		j->peak = late;
	if (late > j->target)
		j->target = late > TARGET_MAX_US ? TARGET_MAX_US : late;
}

int media_jitter_push(struct media_jitter *j, const struct media_unit *u, int64_t now_us)
{
	if (u->kind != MEDIA_VOICE || u->len == 0)
		return CV_EINVAL;
	if (u->len > MEDIA_VOICE_BYTES_MAX)
		return CV_ELIMIT;
	if (u->capture_us > TIME_MAX_US || u->capture_us < -TIME_MAX_US)
		return CV_EINVAL;
	if (j->started) {
		int32_t ahead = (int32_t)(u->frame - j->next);
		if (ahead > JUMP_FRAMES || ahead < -JUMP_FRAMES)
			drop_all(j);
	}
	j->st.received++;
	measure(j, now_us - u->capture_us);
	if (!j->started) {
		j->started = true;
		j->next = j->newest = u->frame;
	}
	if (before(u->frame, j->next)) {
		/* Nothing was played yet: the stream simply begins earlier. */
		if (j->playing || j->st.played || j->newest - u->frame >= MEDIA_JITTER_SLOTS) {
			j->st.late++;
			return CV_EEXPIRED;
		}
		j->next = u->frame;
	}
	if (before(j->newest, u->frame))
		j->newest = u->frame;
	/* Make room: the oldest give way, the listener jumps ahead. */
	while (j->newest - j->next >= MEDIA_JITTER_SLOTS) {
		struct slot *old = slot_of(j, j->next);
		if (old->used) {
			old->used = false;
			j->held--;
			j->st.dropped++;
		}
		j->next++;
	}
	struct slot *s = slot_of(j, u->frame);
	if (s->used) {
		j->st.duplicate++;
		return CV_EREPLAY;
	}
	s->used = true;
	j->held++;
	s->f.frame = u->frame;
	s->f.capture_us = u->capture_us;
	s->f.arrival_us = now_us;
	s->f.len = u->len;
	memcpy(s->f.data, u->data, u->len);
	return 0;
}

/* Once per window of calm, give back what was not needed. */
static void shrink(struct media_jitter *j)
{
	if (++j->window < SHRINK_POPS)
		return;
	int64_t need = j->peak + FRAME_US / 2;
	if (need < TARGET_MIN_US)
		need = TARGET_MIN_US;
	if (j->target > need) {
		int64_t step = (j->target - need) / 2 > FRAME_US ? (j->target - need) / 2 : FRAME_US;
		j->target = j->target - step > need ? j->target - step : need;
	}
	j->window = 0;
	j->peak = 0;
}

/* Twice a second, when more is held than the target asks for: skip one frame, the delay falls by 20 ms. */
static void catch_up(struct media_jitter *j)
{
	int64_t held_us = (int64_t)(j->newest - j->next + 1) * FRAME_US;
	if (j->window % CATCH_UP_POPS != 0 || held_us <= j->target + 2 * FRAME_US)
		return;
	struct slot *s = slot_of(j, j->next);
	if (s->used) {
		s->used = false;
		j->held--;
		j->st.dropped++;
	}
	j->next++;
}

enum media_jitter_action media_jitter_pop(struct media_jitter *j, int64_t now_us, struct media_jitter_frame *ret)
{
	if (!j->started || (!j->playing && j->held == 0))
		return MEDIA_JITTER_WAIT;
	if (!j->playing) {
		/* Fill up to the target first, counted from the arrival of the oldest frame. */
		while (!slot_of(j, j->next)->used)
			j->next++;
		if (now_us - slot_of(j, j->next)->f.arrival_us < j->target && (int64_t)j->held * FRAME_US <= j->target)
			return MEDIA_JITTER_WAIT;
		j->playing = true;
		j->concealed_in_row = 0;
	}
	shrink(j);
	catch_up(j);
	struct slot *s = slot_of(j, j->next);
	if (s->used) {
		*ret = s->f;
		s->used = false;
		j->held--;
		j->next++;
		j->concealed_in_row = 0;
		j->st.played++;
		return MEDIA_JITTER_PLAY;
	}
	if (j->held == 0) {
		/* Dry. Keep the number: what is on its way is late, not lost. */
		if (j->concealed_in_row >= CONCEAL_MAX) {
			j->playing = false;
			return MEDIA_JITTER_WAIT;
		}
		j->concealed_in_row++;
		j->st.concealed++;
		memset(ret, 0, sizeof(*ret));
		ret->frame = j->next;
		return MEDIA_JITTER_CONCEAL;
	}
	memset(ret, 0, sizeof(*ret));
	ret->frame = j->next++;
	j->st.concealed++;
	return MEDIA_JITTER_CONCEAL;
}

void media_jitter_stats(const struct media_jitter *j, struct media_jitter_stats *ret)
{
	*ret = j->st;
	ret->target_us = j->target;
	ret->depth = j->held;
}
