/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: INI files against a table of known keys. An unknown section or key, a key given twice, a value that
 * does not fit and a missing required key are errors with one message naming file and line.
 *
 *     struct my_conf { char *listen; int64_t clients; bool tls12; int64_t grace_ms; struct cv_conf_list origins; };
 *     static const struct cv_conf_key keys[] = {
 *         {"server", "listen", CV_CONF_STRING, offsetof(struct my_conf, listen), .def = "[::]:443"},
 *         {"server", "clients", CV_CONF_INT, offsetof(struct my_conf, clients), .def = "1000", .min = 1, .max = 10000},
 *         …
 *     };
 *
 * Lines are `key = value`; whole-line comments begin with `;` or `#`, an inline comment with ` ;`. Lines of at most
 * CV_CONF_LINE_MAX bytes. Not thread safe (libinih has global settings): load before threads are started.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/err.h>

#define CV_CONF_LINE_MAX 2048
#define CV_CONF_FILE_MAX (1024 * 1024)
#define CV_CONF_LIST_MAX 256
#define CV_CONF_MSG_MAX  512 /* a good size for ret_msg */

enum cv_conf_type {
	CV_CONF_STRING,   /* char *, owned by the struct; NULL when absent without default */
	CV_CONF_PATH,     /* char *; a relative path is taken from the configuration file's folder */
	CV_CONF_INT,      /* int64_t within min..max (both 0: any) */
	CV_CONF_BOOL,     /* bool: yes/no, true/false, on/off, 1/0 */
	CV_CONF_DURATION, /* int64_t milliseconds: 250ms, 20s, 5m, 2h, 7d; min..max in ms */
	CV_CONF_SIZE,     /* int64_t bytes: 100, 64K, 20M, 1G (powers of 1024) */
	CV_CONF_LIST,     /* struct cv_conf_list: items separated by commas; may continue on indented lines */
};

struct cv_conf_list {
	char **items;
	size_t count;
};

struct cv_conf_key {
	const char *section, *key; /* section "" for keys before the first section */
	enum cv_conf_type type;
	size_t offset;   /* of the member in the struct */
	const char *def; /* as it would stand in the file; NULL: zero/NULL/empty */
	bool required;
	int64_t min, max;
};

/*
 * Fills `ret` (a struct that the keys describe; need not be initialised) from a file. On failure everything is freed
 * again and `ret_msg` (size >= 1) says why in one line, such as `relay.conf:12: unknown key 'lissen' in [server]`.
 * CV_ENOTFOUND no such file, CV_EIO, CV_EFORMAT, CV_ELIMIT, CV_ENOMEM.
 */
CV_PUBLIC int cv_conf_load(const char *path, const struct cv_conf_key *keys, size_t key_count, void *ret, char *ret_msg,
			   size_t msg_size) CV_NODISCARD;
/* The same from memory; `name` stands for the path (messages, folder of relative paths). */
CV_PUBLIC int cv_conf_parse(const void *text, size_t len, const char *name, const struct cv_conf_key *keys,
			    size_t key_count, void *ret, char *ret_msg, size_t msg_size) CV_NODISCARD;
/* Frees the members and zeroes them. */
CV_PUBLIC void cv_conf_free(const struct cv_conf_key *keys, size_t key_count, void *conf);

#endif
