/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <base/file.h>
#include <base/secret.h>

#define PATH_ROOM 4096

int cv_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return CV_EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* That a name is there must survive the machine's death too. Where folders cannot be synced there is nothing to do. */
static void sync_folder(const char *path)
{
	char dir[PATH_ROOM];
	const char *slash = strrchr(path, '/');
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

int cv_file_move(const char *from, const char *to)
{
	if (rename(from, to) != 0)
		return errno == ENOENT ? 0 : CV_EIO;
	sync_folder(to);
	return 0;
}

int cv_file_write(const char *path, const void *data, size_t len, mode_t mode)
{
	char temp[PATH_ROOM];
	int fd, saved, err;

	if (snprintf(temp, sizeof(temp), "%s.XXXXXX", path) >= (int)sizeof(temp))
		return CV_ELIMIT;
	fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return CV_EIO;
	err = fchmod(fd, mode) == 0 ? cv_write_all(fd, data, len) : CV_EIO;
	if (!err && fsync(fd) != 0)
		err = CV_EIO;
	saved = errno;
	if (close(fd) != 0 && !err) {
		err = CV_EIO;
		saved = errno;
	}
	if (!err && rename(temp, path) != 0) {
		err = CV_EIO;
		saved = errno;
	}
	if (err) {
		(void)unlink(temp);
		errno = saved;
		return err;
	}
	sync_folder(path);
	return 0;
}

int cv_file_read(const char *path, struct cv_buf *ret)
{
	uint8_t block[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? CV_ENOTFOUND : CV_EIO;
	while (!err) {
		ssize_t n = read(fd, block, sizeof(block));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			err = CV_EIO;
		if (n <= 0)
			break;
		err = cv_buf_put(ret, block, (size_t)n);
	}
	cv_wipe(block, sizeof(block));
	close(fd);
	return err;
}
