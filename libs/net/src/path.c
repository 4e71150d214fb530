/* SPDX-License-Identifier: Apache-2.0 */
/* What a tunnel knows of the path below it: its rate, whether that is felt, and so what may be written now. */
#include "internal.h"

#define BLOCKED_FOR_US 2000000 /* a link counts as narrow for so long after the kernel has refused */
#define INFLATED_US    50000   /* above the least RTT; a delayed acknowledgement takes 40 ms */
#define WINDOW_US      100000
#define INFO_AGE_US    20000
#define GATE_US        5000
#define QUEUE_DELAY_US 60000        /* what may wait in kernel and network beyond the path's own delay */
#define FIRST_FLIGHT   14480        /* bytes before the rate is known */
#define SLOW_RATE      (512 * 1024) /* bytes per second below which the kernel is given less in advance */
#define LOWAT_SLOW     4096
#define LOWAT_FAST     16384

/*
 * The path's rate from acknowledged bytes, per window. A window in which data waited (in the kernel or held back here)
 * measures the path; any other gives a lower bound. The kernel's own sample of two packets through a shaper's bucket
 * can be off by orders of magnitude.
 */
static void measure_rate(struct net_tunnel *t, int64_t now)
{
	int64_t span = now - t->window_us;
	uint64_t sample;

	if (t->window_us && span < WINDOW_US)
		return;
	if (t->window_us && t->info.acked >= t->window_acked && span < 10 * WINDOW_US) {
		sample = (t->info.acked - t->window_acked) * 1000000 / (uint64_t)span;
		t->rate_exact = t->window_gated || !t->info.app_limited;
		if (t->rate && t->rate_exact)
			t->rate = (t->rate + sample) / 2;
		else if (sample > t->rate)
			t->rate = sample;
	}
	t->window_us = now;
	t->window_acked = t->info.acked;
	t->window_gated = false;
}

void net_tunnel_refresh_info(struct net_tunnel *t, int64_t now, int64_t max_age)
{
	struct net_sock_info info;
	uint64_t allowed;
	bool slow;

	if (t->fd < 0 || (t->info_us && now - t->info_us < max_age) || net_sock_info(t->fd, &info))
		return;
	t->info = info;
	t->info_us = now;
	measure_rate(t, now);
	/* What may be on its way: (unacknowledged + unsent) / rate < least RTT + 60 ms. */
	allowed = t->rate ? t->rate * (info.min_rtt_us + QUEUE_DELAY_US) / 1000000 : FIRST_FLIGHT;
	if (allowed < 2 * NET_CHUNK_MIN)
		allowed = 2 * NET_CHUNK_MIN;
	t->credit = (int64_t)allowed - (int64_t)(info.backlog + t->wlen);
	slow = t->rate && t->rate < SLOW_RATE;
	if (slow != t->small_lowat) {
		t->small_lowat = slow;
		net_sock_set_lowat(t->fd, slow ? LOWAT_SLOW : LOWAT_FAST);
	}
}

/* The path's limit is felt: the kernel has refused lately, data waits, or packets queue on the way. Nothing is known
 * yet of a new one. */
static bool is_congested(const struct net_tunnel *t, int64_t now)
{
	return !t->rate || t->rate_exact || (t->blocked_us && now - t->blocked_us < BLOCKED_FOR_US) ||
	       (t->info.min_rtt_us && t->info.rtt_us > t->info.min_rtt_us + INFLATED_US);
}

bool net_tunnel_may_write(struct net_tunnel *t, int64_t now)
{
	net_tunnel_refresh_info(t, now, t->window_gated ? GATE_US : INFO_AGE_US);
	if (t->credit > 0 || !is_congested(t, now))
		return true;
	t->window_gated = true;
	cv_timer_set(&t->gate, GATE_US);
	return false;
}

size_t net_tunnel_chunk_size(struct net_tunnel *t, int64_t now)
{
	uint64_t size;

	if (!t->rate || !is_congested(t, now))
		return NET_CHUNK_MAX;
	size = t->rate / 100;
	return size < NET_CHUNK_MIN ? NET_CHUNK_MIN : size > NET_CHUNK_MAX ? NET_CHUNK_MAX : (size_t)size;
}
