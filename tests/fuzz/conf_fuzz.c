/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration text: whatever it is, it parses into a struct that can be freed, or gives one line of printable text.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <base/conf.h>

struct conf {
	char *text, *path;
	int64_t number, time, size;
	bool flag;
	struct cv_conf_list list;
};

static const struct cv_conf_key keys[] = {
	{"s", "text", CV_CONF_STRING, offsetof(struct conf, text), .def = "x"},
	{"s", "path", CV_CONF_PATH, offsetof(struct conf, path)},
	{"s", "number", CV_CONF_INT, offsetof(struct conf, number), .min = -5, .max = 5},
	{"t", "time", CV_CONF_DURATION, offsetof(struct conf, time)},
	{"t", "size", CV_CONF_SIZE, offsetof(struct conf, size)},
	{"t", "flag", CV_CONF_BOOL, offsetof(struct conf, flag)},
	{"t", "list", CV_CONF_LIST, offsetof(struct conf, list)},
};
#define N (sizeof(keys) / sizeof(keys[0]))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char msg[CV_CONF_MSG_MAX] = "";
	struct conf c;
	int err = cv_conf_parse(data, size, "dir/file", keys, N, &c, msg, sizeof(msg));

	if (!err) {
		if (!c.text || c.number < -5 || c.number > 5)
			abort();
		cv_conf_free(keys, N, &c);
	} else {
		if (!msg[0] || c.text)
			abort();
		for (const char *p = msg; *p; p++)
			if ((unsigned char)*p < ' ')
				abort();
	}
	return 0;
}
