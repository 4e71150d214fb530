/* SPDX-License-Identifier: Apache-2.0 */
/* Small files of the profile: read whole, replaced by renaming. */
#ifndef CLIENT_FILES_IO_H
#define CLIENT_FILES_IO_H

#include <base/buf.h>

/* Appends the file to `out`. CV_ENOTFOUND, CV_EIO, CV_ELIMIT (longer than out->max). */
int client_file_read(const char *dir, const char *name, struct cv_buf *out) CV_NODISCARD;
/* Mode 0600, as cv_file_write. */
int client_file_replace(const char *dir, const char *name, const void *data, size_t len) CV_NODISCARD;

#endif
