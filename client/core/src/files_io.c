/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <base/file.h>
#include <base/text.h>
#include <client/files.h>

#include "files_io.h"

#define PATH_ROOM 4096

int client_file_read(const char *dir, const char *name, struct cv_buf *out)
{
	char path[PATH_ROOM];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return CV_ELIMIT;
	return cv_file_read(path, out);
}

int client_file_replace(const char *dir, const char *name, const void *data, size_t len)
{
	char path[PATH_ROOM];

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return CV_ELIMIT;
	return cv_file_write(path, data, len, 0600);
}

void client_file_name(const char *name, char ret[CLIENT_FILE_NAME_MAX + 1])
{
	size_t out;

	cv_text_clean(ret, CLIENT_FILE_NAME_MAX + 1, name, '_');
	for (out = 0; ret[out] != '\0'; out++) {
		if (strchr("/\\:*?\"<>|", ret[out]) != NULL)
			ret[out] = '_';
	}
	/* No hidden files, no names that a shell or a desktop trims. */
	while (out > 0 && (ret[out - 1] == '.' || ret[out - 1] == ' '))
		out--;
	ret[out] = '\0';
	if (out > 0 && (ret[0] == '.' || ret[0] == ' ' || ret[0] == '-' || ret[0] == '~'))
		ret[0] = '_';
	if (out == 0)
		snprintf(ret, CLIENT_FILE_NAME_MAX + 1, "file");
}
