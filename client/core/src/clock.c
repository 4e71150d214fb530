/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <client/clock.h>

int client_clock_set(struct client_clock *c, int64_t manager_time, struct client_error *err)
{
	int64_t offset = manager_time - (int64_t)time(NULL);

	if (offset > CLIENT_CLOCK_MAX_OFFSET || offset < -CLIENT_CLOCK_MAX_OFFSET) {
		long long minutes = (long long)(offset < 0 ? -offset : offset) / 60;

		return client_fail(err, CV_EEXPIRED, CLIENT_USAGE,
				   "this computer's clock is %lld minutes %s the manager's; set it right (5 minutes "
				   "are allowed)",
				   minutes, offset > 0 ? "behind" : "ahead of");
	}
	if (offset <= CLIENT_CLOCK_GRAIN && offset >= -CLIENT_CLOCK_GRAIN)
		offset = 0;
	atomic_store(&c->offset, offset);
	atomic_store(&c->known, true);
	return 0;
}

int client_clock_set_date(struct client_clock *c, const char *date, struct client_error *err)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;
	char month[4] = "";
	const char *m;
	int day = 0, year = 0, hour = 0, minute = 0, second = 0;

	if (date == NULL ||
	    sscanf(date, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &day, month, &year, &hour, &minute, &second) != 6)
		return client_fail(err, CV_EFORMAT, CLIENT_SECURITY, "the manager's answer has no valid Date");
	m = strstr(months, month);
	if (m == NULL || (m - months) % 3 != 0 || year < 1970 || day < 1 || day > 31)
		return client_fail(err, CV_EFORMAT, CLIENT_SECURITY, "the manager's answer has no valid Date");
	memset(&tm, 0, sizeof(tm));
	tm.tm_year = year - 1900;
	tm.tm_mon = (int)(m - months) / 3;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	return client_clock_set(c, (int64_t)timegm(&tm), err);
}

static uint64_t now_us(const struct client_clock *c)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)((int64_t)ts.tv_sec + atomic_load(&c->offset)) * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t client_clock_now(const struct client_clock *c)
{
	return now_us(c) / 1000000;
}

uint64_t client_clock_now_us(const struct client_clock *c)
{
	return now_us(c);
}
