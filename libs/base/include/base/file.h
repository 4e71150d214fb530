/* SPDX-License-Identifier: Apache-2.0 */
/* Small files: read whole and bounded, written completely or not at all. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include <base/buf.h>
#include <base/err.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Appends the whole file to `ret`; a secret buffer's content is nowhere else. CV_ENOTFOUND, CV_EIO (errno), CV_ELIMIT
 * (more than `ret` takes), CV_ENOMEM. */
CV_PUBLIC int cv_file_read(const char *path, struct cv_buf *ret) CV_NODISCARD;
/* Through a temporary file in the same folder, synced, renamed over the old one; `mode` whatever the umask. CV_EIO
 * (errno; the old file is as it was), CV_ELIMIT (the path is too long). */
CV_PUBLIC int cv_file_write(const char *path, const void *data, size_t len, mode_t mode) CV_NODISCARD;
/* Renames, synced; nothing to move is no failure. CV_EIO (errno). */
CV_PUBLIC int cv_file_move(const char *from, const char *to) CV_NODISCARD;
/* All of it, at the file's position. CV_EIO (errno). */
CV_PUBLIC int cv_write_all(int fd, const void *data, size_t len) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
