/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <base/log.h>
#include <base/text.h>

static atomic_int level_max = CV_LOG_INFO;
static pthread_mutex_t sink_lock = PTHREAD_MUTEX_INITIALIZER;
static void (*sink_cb)(void *arg, const struct cv_log_event *event);
static void *sink_arg;

static const struct {
	const char *name;
	enum cv_log_level level;
} names[] = {
	{"critical", CV_LOG_CRITICAL}, {"error", CV_LOG_ERROR}, {"warning", CV_LOG_WARNING},
	{"notice", CV_LOG_NOTICE},     {"info", CV_LOG_INFO},   {"debug", CV_LOG_DEBUG},
};

struct cv_log_field cv_log_str(const char *key, const char *text)
{
	return (struct cv_log_field){
		.key = key, .kind = CV_LOG_STR, .text = text ? text : "-", .len = text ? strlen(text) : 1};
}

struct cv_log_field cv_log_text(const char *key, const void *text, size_t len)
{
	return (struct cv_log_field){.key = key, .kind = CV_LOG_BYTES, .text = text, .len = text ? len : 0};
}

struct cv_log_field cv_log_int(const char *key, int64_t v)
{
	return (struct cv_log_field){.key = key, .kind = CV_LOG_INT, .number = v};
}

struct cv_log_field cv_log_uint(const char *key, uint64_t v)
{
	return (struct cv_log_field){.key = key, .kind = CV_LOG_UINT, .number = (int64_t)v};
}

struct cv_log_field cv_log_err(const char *key, int err)
{
	return (struct cv_log_field){.key = key, .kind = CV_LOG_ERR, .number = err};
}

struct cv_log_field cv_log_errno(const char *key, int errnum)
{
	return (struct cv_log_field){.key = key, .kind = CV_LOG_ERRNO, .number = errnum};
}

void cv_log_set_level(enum cv_log_level level)
{
	atomic_store(&level_max, (int)level);
}

bool cv_log_enabled(enum cv_log_level level)
{
	return (int)level <= atomic_load(&level_max);
}

int cv_log_level_parse(const char *name, enum cv_log_level *ret_level)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcasecmp(name, names[i].name) == 0) {
			*ret_level = names[i].level;
			return 0;
		}
	}
	return CV_ENOTFOUND;
}

const char *cv_log_level_name(enum cv_log_level level)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].level == level)
			return names[i].name;
	return "unknown";
}

void cv_log_set_sink(void (*sink)(void *arg, const struct cv_log_event *event), void *arg)
{
	pthread_mutex_lock(&sink_lock);
	sink_cb = sink;
	sink_arg = arg;
	pthread_mutex_unlock(&sink_lock);
}

/* A bounded text under construction; `need` goes on counting when the room is used up. */
struct out {
	char *dst;
	size_t size, need;
};

static void out_char(struct out *o, char c)
{
	if (o->need + 1 < o->size)
		o->dst[o->need] = c;
	o->need++;
}

static void out_text(struct out *o, const char *s)
{
	for (; *s; s++)
		out_char(o, *s);
}

static bool is_bare(const unsigned char *p, size_t len)
{
	if (!len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f || strchr("\"\\=", p[i]))
			return false;
	return true;
}

static void out_value(struct out *o, const void *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *p = text;
	bool printable;

	if (is_bare(p, len)) {
		for (size_t i = 0; i < len; i++)
			out_char(o, (char)p[i]);
		return;
	}
	/* Foreign letters stay readable when the whole is proper text; else every byte outside ASCII is escaped. */
	printable = cv_text_printable(text, len);
	out_char(o, '"');
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '"' || p[i] == '\\') {
			out_char(o, '\\');
			out_char(o, (char)p[i]);
		} else if ((p[i] >= ' ' && p[i] < 0x7f) || (p[i] >= 0x80 && printable)) {
			out_char(o, (char)p[i]);
		} else {
			out_text(o, "\\x");
			out_char(o, hex[p[i] >> 4]);
			out_char(o, hex[p[i] & 15]);
		}
	}
	out_char(o, '"');
}

static void out_end(struct out *o)
{
	if (o->size)
		o->dst[o->need < o->size ? o->need : o->size - 1] = '\0';
}

size_t cv_log_escape(char *dst, size_t size, const void *text, size_t len)
{
	struct out o = {dst, size, 0};

	out_value(&o, text, len);
	out_end(&o);
	return o.need;
}

static void out_field(struct out *o, const struct cv_log_field *f)
{
	char tmp[128];

	out_char(o, ' ');
	out_text(o, f->key);
	out_char(o, '=');
	switch (f->kind) {
	case CV_LOG_STR:
	case CV_LOG_BYTES: out_value(o, f->text, f->len); return;
	case CV_LOG_INT: snprintf(tmp, sizeof(tmp), "%lld", (long long)f->number); break;
	case CV_LOG_UINT: snprintf(tmp, sizeof(tmp), "%llu", (unsigned long long)f->number); break;
	case CV_LOG_ERR: snprintf(tmp, sizeof(tmp), "%s", cv_strerror((int)f->number)); break;
	case CV_LOG_ERRNO: {
		const char *s = strerrordesc_np((int)f->number);

		snprintf(tmp, sizeof(tmp), "%s", s ? s : "unknown error");
		break;
	}
	default: return;
	}
	out_value(o, tmp, strlen(tmp));
}

void cv_log_write(enum cv_log_level level, const char *component, const char *message,
		  const struct cv_log_field *fields)
{
	char line[CV_LOG_LINE_MAX];
	struct out o = {line, sizeof(line) - 1, 0}; /* one byte kept for the newline */
	int saved_errno = errno;

	if (!cv_log_enabled(level))
		return;
	for (const char *s = cv_log_level_name(level); *s; s++)
		out_char(&o, (char)(*s - 'a' + 'A'));
	out_char(&o, ' ');
	out_text(&o, component);
	out_char(&o, ' ');
	out_text(&o, message);
	for (const struct cv_log_field *f = fields; f->key; f++)
		out_field(&o, f);
	out_end(&o);

	pthread_mutex_lock(&sink_lock);
	if (sink_cb) {
		sink_cb(sink_arg, &(struct cv_log_event){level, component, message, line, fields});
	} else {
		size_t len = strlen(line);

		line[len] = '\n';
		(void)!write(STDERR_FILENO, line, len + 1);
	}
	pthread_mutex_unlock(&sink_lock);
	errno = saved_errno;
}
