/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bit rate a sender should encode at, from how its own tunnel does: how long what is queued there will take to
 * leave, and how fast it leaves. Additive growth in calm, multiplicative cut at the first sign of a queue, and a pause
 * after each cut so that its effect is seen first. On TCP a standing queue is the only sign of a full link.
 *
 * Pure logic: time is handed in (microseconds). Not thread safe.
 */
#ifndef MEDIA_RATE_H
#define MEDIA_RATE_H

#include <media/unit.h>

struct media_rate {
	uint32_t min_bps, max_bps;
	uint32_t bps;           /* what the encoder should use now */
	int64_t changed_us;     /* last cut */
	int64_t calm_since_us;  /* no queue since then */
	int64_t last_us;        /* last report */
	uint32_t delivered_bps; /* smoothed rate at which bytes left */
};

/* Start, floor and ceiling in bit/s. CV_EINVAL unless 0 < min <= start <= max. */
CV_PUBLIC int media_rate_init(struct media_rate *r, uint32_t min_bps, uint32_t start_bps,
			      uint32_t max_bps) CV_NODISCARD;
/*
 * A report about the tunnel: `queue_delay_us` is the time until a byte queued now leaves ((unacked + unsent) / rate),
 * minus the least round trip; `delivered_bps` what left since the last report; `limited` whether the link, not the
 * sender, was the limit (there was always something to send). Returns the new rate.
 */
CV_PUBLIC uint32_t media_rate_report(struct media_rate *r, int64_t now_us, int64_t queue_delay_us,
				     uint32_t delivered_bps, bool limited);

/*
 * Whether a unit may still enter the tunnel: video is admitted by whole layers only while the queue is short enough.
 * The base layer is admitted up to 200 ms of queue, each layer above and each temporal layer earlier; voice always.
 */
CV_PUBLIC bool media_rate_admit(const struct media_unit *u, int64_t queue_delay_us);

#endif
