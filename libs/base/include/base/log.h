/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line per event: `LEVEL component message key=value …`. For programs: libraries return errors and do not log.
 *
 *     cv_log(CV_LOG_INFO, "relay", "client joined", cv_log_str("run", run), cv_log_uint("leaf", 3));
 *     cv_log(CV_LOG_ERROR, "relay", "cannot listen", cv_log_str("address", a), cv_log_err("error", err));
 *
 * Values are escaped (control characters, quotes, invalid UTF-8), so that nobody writes a line of their own into the
 * log. Never give a secret. Thread safe; a line is written with one write.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/err.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Numbers are the severities of RFC 5424. */
enum cv_log_level {
	CV_LOG_CRITICAL = 2,
	CV_LOG_ERROR = 3,
	CV_LOG_WARNING = 4,
	CV_LOG_NOTICE = 5,
	CV_LOG_INFO = 6,
	CV_LOG_DEBUG = 7,
};

enum cv_log_kind { CV_LOG_STR, CV_LOG_BYTES, CV_LOG_INT, CV_LOG_UINT, CV_LOG_ERRNO, CV_LOG_ERR };

struct cv_log_field {
	const char *key; /* NULL ends a list */
	enum cv_log_kind kind;
	const char *text;
	size_t len;
	int64_t number;
};

/* Text (NULL is written as "-"); foreign text of known length; numbers; a CV_E… as its phrase; an errno as its phrase.
 * The text is borrowed until cv_log returns. */
CV_PUBLIC struct cv_log_field cv_log_str(const char *key, const char *text);
CV_PUBLIC struct cv_log_field cv_log_text(const char *key, const void *text, size_t len);
CV_PUBLIC struct cv_log_field cv_log_int(const char *key, int64_t v);
CV_PUBLIC struct cv_log_field cv_log_uint(const char *key, uint64_t v);
CV_PUBLIC struct cv_log_field cv_log_err(const char *key, int err);
CV_PUBLIC struct cv_log_field cv_log_errno(const char *key, int errnum);

/* The first element stands there for calls without fields, and is passed over. */
#define cv_log(level, component, message, ...)                                                                         \
	cv_log_write((level), (component), (message), (const struct cv_log_field[]){{NULL}, ##__VA_ARGS__, {NULL}} + 1)

/* `fields` ends with a NULL key. Below the level nothing is done. `component` and `message` are constants of the
 * program; a line longer than CV_LOG_LINE_MAX is cut. */
#define CV_LOG_LINE_MAX 4096
CV_PUBLIC void cv_log_write(enum cv_log_level level, const char *component, const char *message,
			    const struct cv_log_field *fields);

/* Least urgent level that is written; CV_LOG_INFO at start. */
CV_PUBLIC void cv_log_set_level(enum cv_log_level level);
CV_PUBLIC bool cv_log_enabled(enum cv_log_level level);
/* "error", "warning", "notice", "info", "debug" …; CV_ENOTFOUND for anything else. */
CV_PUBLIC int cv_log_level_parse(const char *name, enum cv_log_level *ret_level) CV_NODISCARD;
CV_PUBLIC const char *cv_log_level_name(enum cv_log_level level);

/* Takes the place of standard error: gets the finished line without newline, and the parts for structured logs. Called
 * on the thread that logs, one call at a time. NULL goes back to standard error. */
struct cv_log_event {
	enum cv_log_level level;
	const char *component, *message, *line;
	const struct cv_log_field *fields;
};
CV_PUBLIC void cv_log_set_sink(void (*sink)(void *arg, const struct cv_log_event *event), void *arg);

/* Appends a value as the log writes it: bare when harmless, else quoted and escaped. Returns the bytes needed, like
 * snprintf; dst is always terminated (size > 0). */
CV_PUBLIC size_t cv_log_escape(char *dst, size_t size, const void *text, size_t len);

#ifdef __cplusplus
}
#endif

#endif
