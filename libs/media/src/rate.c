/* SPDX-License-Identifier: Apache-2.0 */
#include <media/rate.h>

#define QUEUE_CALM_US  20000   /* shorter queues are none */
#define QUEUE_HIGH_US  60000   /* longer ones: the link is full */
#define HOLD_US        1000000 /* after a cut, wait for its effect */
#define CALM_US        2000000 /* grow only after so long without a queue */
#define REPORT_MAX_US  1000000 /* a longer silence between reports counts as this much */
#define ADMIT_BASE_US  200000
#define ADMIT_UPPER_US 100000
#define ADMIT_TOP_US   60000

static uint32_t clamp(const struct media_rate *r, uint64_t bps)
{
	if (bps < r->min_bps)
		return r->min_bps;
	return bps > r->max_bps ? r->max_bps : (uint32_t)bps;
}

int media_rate_init(struct media_rate *r, uint32_t min_bps, uint32_t start_bps, uint32_t max_bps)
{
	if (min_bps == 0 || min_bps > start_bps || start_bps > max_bps)
		return CV_EINVAL;
	*r = (struct media_rate){.min_bps = min_bps,
				 .max_bps = max_bps,
				 .bps = start_bps,
				 .changed_us = INT64_MIN / 2,
				 .calm_since_us = -1,
				 .last_us = -1};
	return 0;
}

uint32_t media_rate_report(struct media_rate *r, int64_t now_us, int64_t queue_delay_us, uint32_t delivered_bps,
			   bool limited)
{
	int64_t step = r->last_us < 0 ? 0 : now_us - r->last_us;
	if (step < 0)
		step = 0;
	if (step > REPORT_MAX_US)
		step = REPORT_MAX_US;
	r->last_us = now_us;
	if (r->delivered_bps == 0)
		r->delivered_bps = delivered_bps;
	else
		r->delivered_bps = (uint32_t)(((uint64_t)r->delivered_bps * 7 + delivered_bps) / 8);
	if (queue_delay_us > QUEUE_HIGH_US) {
		r->calm_since_us = -1;
		if (now_us - r->changed_us < HOLD_US)
			return r->bps;
		/* What left is a lower bound while the sender was the limit; then only the cut applies. */
		uint64_t cut = (uint64_t)r->bps * 7 / 10;
		uint64_t link = (uint64_t)r->delivered_bps * 17 / 20;
		if (limited && link < cut)
			cut = link > r->bps / 4 ? link : r->bps / 4;
		r->bps = clamp(r, cut);
		r->changed_us = now_us;
		return r->bps;
	}
	if (queue_delay_us > QUEUE_CALM_US) {
		r->calm_since_us = -1;
		return r->bps;
	}
	if (r->calm_since_us < 0)
		r->calm_since_us = now_us;
	/* 8 % a second: slow enough that a full link is seen by a short queue, not by a long one. */
	if (now_us - r->calm_since_us >= CALM_US)
		r->bps = clamp(r, r->bps + (uint64_t)r->bps * 8 * (uint64_t)step / 100000000 + 1);
	return r->bps;
}

bool media_rate_admit(const struct media_unit *u, int64_t queue_delay_us)
{
	if (u->kind == MEDIA_VOICE)
		return true;
	if (u->sid == 0 && u->tid == 0)
		return queue_delay_us < ADMIT_BASE_US;
	if (u->sid == 0)
		return queue_delay_us < ADMIT_UPPER_US;
	return queue_delay_us < (u->tid == 0 ? ADMIT_UPPER_US : ADMIT_TOP_US);
}
