/* SPDX-License-Identifier: Apache-2.0 */
/* Small files: whole reads with a limit, writes that are there completely or not at all. */
#ifndef MGR_DOMAIN_FILES_H
#define MGR_DOMAIN_FILES_H

#include <sys/types.h>

#include <base/buf.h>

#define MGR_PATH_MAX 4096
#define MGR_FILE_MAX (256 * 1024)

/* dir/name into dst (MGR_PATH_MAX bytes). CV_ELIMIT. */
int mgr_path(char dst[MGR_PATH_MAX], const char *dir, const char *name) CV_NODISCARD;
/* A folder of mode 0700, parents excluded; it may exist. CV_EIO. */
int mgr_dir_make(const char *path) CV_NODISCARD;
/* Through a temporary file in the same folder, synced, renamed. CV_EIO. */
int mgr_file_write(const char *path, const void *data, size_t len, mode_t mode) CV_NODISCARD;
/* Renames, synced; nothing to move is no failure. CV_EIO. */
int mgr_file_move(const char *from, const char *to) CV_NODISCARD;
/* Appends the whole file to `ret` (bounded by its maximum). CV_ENOTFOUND, CV_EIO, CV_ELIMIT. */
int mgr_file_read(const char *path, struct cv_buf *ret) CV_NODISCARD;

#endif
