/* SPDX-License-Identifier: Apache-2.0 */
/* The two clocks. Libraries that must be pure take the time as an argument instead. Thread safe. */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stddef.h>
#include <stdint.h>

#include <base/err.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Monotonic microseconds from an arbitrary start; never goes back. For delays and ages. */
CV_PUBLIC int64_t cv_now_us(void);
/* Milliseconds since 1970 (UTC). For validity periods and for people; may jump. */
CV_PUBLIC int64_t cv_wall_ms(void);

/* A moment as "2026-11-22T01:16:13.123Z" (RFC 3339, UTC); dst holds CV_TIME_TEXT bytes. */
#define CV_TIME_TEXT 32
CV_PUBLIC void cv_time_format(char dst[CV_TIME_TEXT], int64_t wall_ms);

#ifdef __cplusplus
}
#endif

#endif
