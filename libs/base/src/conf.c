/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <base/conf.h>
#include <base/log.h>
#include <base/text.h>

#define KEYS_MAX 256

struct parse {
	const char *text;
	size_t left;
	const char *name;
	int line;
	const struct cv_conf_key *keys;
	size_t key_count;
	char *conf;
	bool seen[KEYS_MAX];
	char *msg;
	size_t msg_size;
	int err;
};

/* First error wins. What comes from the file is escaped by the caller. */
static int fail(struct parse *p, int err, bool with_line, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static int fail(struct parse *p, int err, bool with_line, const char *fmt, ...)
{
	char where[16] = "";
	char why[384];
	va_list ap;

	if (p->err)
		return p->err;
	if (with_line)
		snprintf(where, sizeof(where), ":%d", p->line);
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(p->msg, p->msg_size, "%s%s: %s", p->name, where, why);
	return p->err = err;
}

/* ---- values ---- */

static int get_number(const char *s, int64_t *ret, const char **ret_end)
{
	char *end;
	long long v;

	if (!((*s >= '0' && *s <= '9') || *s == '-'))
		return CV_EFORMAT;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || end == s)
		return CV_EFORMAT;
	*ret = v;
	*ret_end = end;
	return 0;
}

static int get_scaled(const char *s, enum cv_conf_type type, int64_t *ret)
{
	static const struct {
		enum cv_conf_type type;
		const char *unit;
		int64_t factor;
	} units[] = {
		{CV_CONF_INT, "", 1},
		{CV_CONF_DURATION, "ms", 1},
		{CV_CONF_DURATION, "s", 1000},
		{CV_CONF_DURATION, "m", 60000},
		{CV_CONF_DURATION, "h", 3600000},
		{CV_CONF_DURATION, "d", 86400000},
		{CV_CONF_SIZE, "", 1},
		{CV_CONF_SIZE, "K", 1024},
		{CV_CONF_SIZE, "M", 1024 * 1024},
		{CV_CONF_SIZE, "G", 1024 * 1024 * 1024},
	};
	const char *end;
	int64_t v;
	int err = get_number(s, &v, &end);

	if (err)
		return err;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].type == type && strcmp(units[i].unit, end) == 0)
			return __builtin_mul_overflow(v, units[i].factor, ret) ? CV_EFORMAT : 0;
	/* Zero needs no unit. */
	if (v == 0 && !*end) {
		*ret = 0;
		return 0;
	}
	return CV_EFORMAT;
}

static int get_bool(const char *s, bool *ret)
{
	static const char *const yes[] = {"yes", "true", "on", "1"}, *const no[] = {"no", "false", "off", "0"};

	for (size_t i = 0; i < 4; i++) {
		if (strcasecmp(s, yes[i]) == 0 || strcasecmp(s, no[i]) == 0) {
			*ret = strcasecmp(s, yes[i]) == 0;
			return 0;
		}
	}
	return CV_EFORMAT;
}

static int list_add(struct cv_conf_list *list, const char *item, size_t len)
{
	char **items;

	while (len && (*item == ' ' || *item == '\t')) {
		item++;
		len--;
	}
	while (len && (item[len - 1] == ' ' || item[len - 1] == '\t'))
		len--;
	if (!len)
		return 0;
	if (list->count == CV_CONF_LIST_MAX)
		return CV_ELIMIT;
	items = cv_reallocarray(list->items, list->count + 1, sizeof(char *));
	if (!items)
		return CV_ENOMEM;
	list->items = items;
	items[list->count] = cv_malloc(len + 1);
	if (!items[list->count])
		return CV_ENOMEM;
	memcpy(items[list->count], item, len);
	items[list->count++][len] = '\0';
	return 0;
}

static int get_list(const char *s, struct cv_conf_list *list)
{
	int err = 0;

	while (!err) {
		size_t len = strcspn(s, ",");

		err = list_add(list, s, len);
		if (!s[len])
			break;
		s += len + 1;
	}
	return err;
}

static int get_path(const struct parse *p, const char *s, char **ret)
{
	const char *slash = strrchr(p->name, '/');
	char *path;

	if (*s == '/' || !*s || !slash) {
		path = cv_strdup(s);
	} else {
		size_t dir = (size_t)(slash - p->name) + 1;

		path = cv_malloc(dir + strlen(s) + 1);
		if (path) {
			memcpy(path, p->name, dir);
			memcpy(path + dir, s, strlen(s) + 1);
		}
	}
	if (!path)
		return CV_ENOMEM;
	*ret = path;
	return 0;
}

static const char *expected(enum cv_conf_type type)
{
	switch (type) {
	case CV_CONF_INT: return "a whole number";
	case CV_CONF_BOOL: return "yes or no";
	case CV_CONF_DURATION: return "a duration such as 250ms, 20s, 5m, 2h or 7d";
	case CV_CONF_SIZE: return "a size such as 4096, 64K, 20M or 1G";
	case CV_CONF_LIST: return "at most 256 items separated by commas";
	case CV_CONF_STRING:
	case CV_CONF_PATH: break;
	}
	return "text";
}

static int set_value(struct parse *p, const struct cv_conf_key *k, const char *s, bool with_line)
{
	void *dst = p->conf + k->offset;
	char shown[160];
	int64_t n = 0;
	int err = 0;

	switch (k->type) {
	case CV_CONF_STRING: {
		char *copy = cv_strdup(s);

		if (copy)
			*(char **)dst = copy;
		else
			err = CV_ENOMEM;
		break;
	}
	case CV_CONF_PATH: err = get_path(p, s, dst); break;
	case CV_CONF_BOOL: err = get_bool(s, dst); break;
	case CV_CONF_LIST: err = get_list(s, dst); break;
	case CV_CONF_INT:
	case CV_CONF_DURATION:
	case CV_CONF_SIZE:
		err = get_scaled(s, k->type, &n);
		if (!err && (k->min || k->max) && (n < k->min || n > k->max))
			return fail(p, CV_EFORMAT, with_line, "'%s' in [%s] must be from %lld to %lld%s", k->key,
				    k->section, (long long)k->min, (long long)k->max,
				    k->type == CV_CONF_DURATION ? " ms" : "");
		if (!err)
			*(int64_t *)dst = n;
	}
	if (err == CV_ENOMEM)
		return fail(p, err, false, "out of memory");
	if (err) {
		cv_log_escape(shown, sizeof(shown), s, strlen(s));
		return fail(p, CV_EFORMAT, with_line, "'%s' in [%s] must be %s, not %s", k->key, k->section,
			    expected(k->type), shown);
	}
	return 0;
}

/* ---- file ---- */

/* fgets over memory that counts lines and refuses what inih would cut silently. */
static char *read_line(char *str, int num, void *stream)
{
	struct parse *p = stream;
	const char *nl;
	size_t len;

	if (!p->left || p->err)
		return NULL;
	p->line++;
	nl = memchr(p->text, '\n', p->left);
	len = nl ? (size_t)(nl - p->text) + 1 : p->left;
	if (len > CV_CONF_LINE_MAX || len + 1 > (size_t)num) {
		fail(p, CV_ELIMIT, true, "line longer than %d bytes", CV_CONF_LINE_MAX);
		return NULL;
	}
	if (memchr(p->text, '\0', len)) {
		fail(p, CV_EFORMAT, true, "NUL byte");
		return NULL;
	}
	memcpy(str, p->text, len);
	str[len] = '\0';
	p->text += len;
	p->left -= len;
	return str;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct parse *p = user;
	bool section_known = false;
	char shown[2][96];

	if (p->err)
		return 0;
	for (size_t i = 0; i < p->key_count; i++) {
		const struct cv_conf_key *k = &p->keys[i];

		if (strcmp(k->section, section) != 0)
			continue;
		section_known = true;
		if (strcmp(k->key, name) != 0)
			continue;
		if (p->seen[i] && k->type != CV_CONF_LIST)
			return fail(p, CV_EFORMAT, true, "'%s' in [%s] is given twice", k->key, k->section) == 0;
		p->seen[i] = true;
		return set_value(p, k, value, true) == 0;
	}
	cv_log_escape(shown[0], sizeof(shown[0]), name, strlen(name));
	cv_log_escape(shown[1], sizeof(shown[1]), section, strlen(section));
	if (section_known)
		fail(p, CV_EFORMAT, true, "unknown key '%s' in [%s]", shown[0], shown[1]);
	else
		fail(p, CV_EFORMAT, true, "unknown section [%s]", shown[1]);
	return 0;
}

static void zero(const struct cv_conf_key *keys, size_t key_count, char *conf)
{
	for (size_t i = 0; i < key_count; i++) {
		void *dst = conf + keys[i].offset;

		switch (keys[i].type) {
		case CV_CONF_STRING:
		case CV_CONF_PATH: *(char **)dst = NULL; break;
		case CV_CONF_BOOL: *(bool *)dst = false; break;
		case CV_CONF_LIST: *(struct cv_conf_list *)dst = (struct cv_conf_list){0}; break;
		case CV_CONF_INT:
		case CV_CONF_DURATION:
		case CV_CONF_SIZE: *(int64_t *)dst = 0; break;
		}
	}
}

void cv_conf_free(const struct cv_conf_key *keys, size_t key_count, void *conf)
{
	for (size_t i = 0; i < key_count; i++) {
		void *dst = (char *)conf + keys[i].offset;

		if (keys[i].type == CV_CONF_STRING || keys[i].type == CV_CONF_PATH) {
			cv_free(*(char **)dst);
		} else if (keys[i].type == CV_CONF_LIST) {
			struct cv_conf_list *list = dst;

			for (size_t j = 0; j < list->count; j++)
				cv_free(list->items[j]);
			cv_free(list->items);
		}
	}
	zero(keys, key_count, conf);
}

static void run_parse(struct parse *p)
{
	int line;

	ini_max_line = CV_CONF_LINE_MAX + 3;
	ini_stop_on_first_error = true;
	ini_allow_no_value = false;
	line = ini_parse_stream(read_line, p, on_value, p);
	if (line != 0 && !p->err)
		fail(p, CV_EFORMAT, true, "neither [section] nor key = value");
	for (size_t i = 0; i < p->key_count && !p->err; i++) {
		const struct cv_conf_key *k = &p->keys[i];

		if (p->seen[i])
			continue;
		if (k->required)
			fail(p, CV_EFORMAT, false, "'%s' in [%s] is missing", k->key, k->section);
		else if (k->def)
			set_value(p, k, k->def, false);
	}
}

int cv_conf_parse(const void *text, size_t len, const char *name, const struct cv_conf_key *keys, size_t key_count,
		  void *ret, char *ret_msg, size_t msg_size)
{
	struct parse p = {.text = text,
			  .left = len,
			  .name = name,
			  .keys = keys,
			  .key_count = key_count,
			  .conf = ret,
			  .msg = ret_msg,
			  .msg_size = msg_size};

	if (key_count > KEYS_MAX)
		return CV_EINVAL;
	zero(keys, key_count, ret);
	if (len > CV_CONF_FILE_MAX)
		fail(&p, CV_ELIMIT, false, "file larger than 1 MB");
	else
		run_parse(&p);
	if (p.err)
		cv_conf_free(keys, key_count, ret);
	return p.err;
}

static int read_file(int fd, struct cv_buf *b)
{
	for (;;) {
		uint8_t *p;
		ssize_t n;
		int err = cv_buf_extend(b, 4096, &p);

		if (err)
			return err;
		n = read(fd, p, 4096);
		b->len -= 4096 - (n > 0 ? (size_t)n : 0);
		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return CV_EIO;
	}
}

int cv_conf_load(const char *path, const struct cv_conf_key *keys, size_t key_count, void *ret, char *ret_msg,
		 size_t msg_size)
{
	struct cv_buf b;
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	cv_buf_init_secret(&b, CV_CONF_FILE_MAX + 8192);
	if (fd < 0) {
		err = errno == ENOENT ? CV_ENOTFOUND : CV_EIO;
	} else {
		errno = 0;
		err = read_file(fd, &b);
		if (err == CV_ELIMIT)
			errno = EFBIG;
	}
	if (err) {
		const char *why = strerrordesc_np(errno);

		zero(keys, key_count, ret);
		snprintf(ret_msg, msg_size, "%s: %s", path, why && errno ? why : cv_strerror(err));
		goto out;
	}
	err = cv_conf_parse(b.data ? (const void *)b.data : "", b.len, path, keys, key_count, ret, ret_msg, msg_size);
out:
	if (fd >= 0)
		close(fd);
	cv_buf_done(&b);
	return err;
}
