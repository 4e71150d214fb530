/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "domain/files.h"

int mgr_path(char dst[MGR_PATH_MAX], const char *dir, const char *name)
{
	int n = snprintf(dst, MGR_PATH_MAX, "%s/%s", dir, name);
	return n > 0 && n < MGR_PATH_MAX ? 0 : CV_ELIMIT;
}

int mgr_dir_make(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : CV_EIO;
}

static int write_all(int fd, const uint8_t *p, size_t len)
{
	while (len > 0) {
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

static void sync_folder(const char *path)
{
	char dir[MGR_PATH_MAX];
	snprintf(dir, sizeof dir, "%s", path);
	char *slash = strrchr(dir, '/');
	if (!slash)
		return;
	slash[slash == dir ? 1 : 0] = 0;
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
}

int mgr_file_write(const char *path, const void *data, size_t len, mode_t mode)
{
	char temp[MGR_PATH_MAX];
	int n = snprintf(temp, sizeof temp, "%s.XXXXXX", path);
	if (n <= 0 || n >= (int)sizeof temp)
		return CV_ELIMIT;
	int fd = mkostemp(temp, O_CLOEXEC);
	if (fd < 0)
		return CV_EIO;
	int r = fchmod(fd, mode) == 0 ? write_all(fd, data, len) : CV_EIO;
	if (r == 0 && fsync(fd) < 0)
		r = CV_EIO;
	if (close(fd) < 0 && r == 0)
		r = CV_EIO;
	if (r == 0 && rename(temp, path) < 0)
		r = CV_EIO;
	if (r < 0)
		(void)unlink(temp);
	else
		sync_folder(path);
	return r;
}

int mgr_file_move(const char *from, const char *to)
{
	if (rename(from, to) < 0)
		return errno == ENOENT ? 0 : CV_EIO;
	sync_folder(to);
	return 0;
}

int mgr_file_read(const char *path, struct cv_buf *ret)
{
	uint8_t chunk[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? CV_ENOTFOUND : CV_EIO;
	int r = 0;
	for (;;) {
		ssize_t n = read(fd, chunk, sizeof chunk);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = CV_EIO;
		if (n <= 0)
			break;
		r = cv_buf_put(ret, chunk, (size_t)n);
		if (r < 0)
			break;
	}
	explicit_bzero(chunk, sizeof chunk);
	close(fd);
	return r;
}
