/* SPDX-License-Identifier: Apache-2.0 */
/* Lines from a descriptor (standard input) on the loop, each bounded. Loop thread only. */
#ifndef BASE_LINE_H
#define BASE_LINE_H

#include <stddef.h>

#include <base/loop.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cv_line_reader;

struct cv_line_cbs {
	/* A line without its newline, NUL-terminated in place, borrowed. */
	void (*on_line)(void *arg, char *line, size_t len);
	/* The end: 0 at end of file, CV_EIO. No calls after it. A line longer than the maximum gives CV_ELIMIT here but
	 * goes on with the next line: only 0 and CV_EIO are final. */
	void (*on_end)(void *arg, int err);
};

/* Reads `fd` (made non-blocking; stays the caller's; regular files and /dev/null work too). The callbacks may free the
 * reader. CV_ENOMEM, CV_EIO. */
CV_PUBLIC int cv_line_reader_new(struct cv_loop *loop, int fd, size_t max_line, const struct cv_line_cbs *cbs,
				 void *arg, struct cv_line_reader **ret_reader) CV_NODISCARD;
/* Takes NULL. */
CV_PUBLIC void cv_line_reader_free(struct cv_line_reader *r);

#ifdef __cplusplus
}
#endif

#endif
