/* SPDX-License-Identifier: Apache-2.0 */
/* The web page's files, read into memory once: no request path ever touches the file system. */
#ifndef MGR_API_STATIC_H
#define MGR_API_STATIC_H

#include <stddef.h>

#include <base/err.h>

struct mgr_static;

struct mgr_static_file {
	char *path; /* "/app.js" */
	const char *type;
	char etag[48];
	unsigned char *data;
	size_t len;
};

/* Reads `dir` (NULL or missing: a built-in page that says what to do instead). CV_ELIMIT, CV_EIO, CV_ENOMEM. */
int mgr_static_load(const char *dir, struct mgr_static **ret_static) CV_NODISCARD;
void mgr_static_free(struct mgr_static *s);
/* "/" is index.html, /web/NAME is NAME, a path without extension is its .html file. NULL: none. */
const struct mgr_static_file *mgr_static_find(const struct mgr_static *s, const char *path);
size_t mgr_static_count(const struct mgr_static *s);

#endif
