/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

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
