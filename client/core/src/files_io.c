/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/secret.h>
#include <base/text.h>
#include <client/files.h>

#include "files_io.h"

#define PATH_ROOM 4096

int client_file_read(const char *dir, const char *name, struct cv_buf *out)
{
	char path[PATH_ROOM];
	uint8_t block[4096];
	int fd, r = 0;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return CV_ELIMIT;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? CV_ENOTFOUND : CV_EIO;
	for (;;) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = CV_EIO;
		if (n > 0)
			r = cv_buf_put(out, block, (size_t)n);
		if (n <= 0 || r != 0)
			break;
	}
	/* it may be a key */
	cv_wipe(block, sizeof(block));
	close(fd);
	return r;
}

int client_file_replace(const char *dir, const char *name, const void *data, size_t len)
{
	char path[PATH_ROOM], temp[PATH_ROOM];
	const uint8_t *p = data;
	int fd, r = CV_EIO;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path) ||
	    snprintf(temp, sizeof(temp), "%s/.%s.%ld", dir, name, (long)getpid()) >= (int)sizeof(temp))
		return CV_ELIMIT;
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return CV_EIO;
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			goto out;
		p += n;
		len -= (size_t)n;
	}
	if (fsync(fd) != 0)
		goto out;
	r = 0;
out:
	if (close(fd) != 0)
		r = CV_EIO;
	if (r == 0 && rename(temp, path) != 0)
		r = CV_EIO;
	if (r != 0)
		unlink(temp);
	return r;
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
