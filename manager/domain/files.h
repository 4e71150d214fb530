/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and folders of the data folder; files by base/file.h. */
#ifndef MGR_DOMAIN_FILES_H
#define MGR_DOMAIN_FILES_H

#include <base/file.h>

#define MGR_PATH_MAX 4096
#define MGR_FILE_MAX (256 * 1024)

/* dir/name into dst (MGR_PATH_MAX bytes). CV_ELIMIT. */
int mgr_path(char dst[MGR_PATH_MAX], const char *dir, const char *name) CV_NODISCARD;
/* A folder of mode 0700, parents excluded; it may exist. CV_EIO. */
int mgr_dir_make(const char *path) CV_NODISCARD;

#endif
