/* SPDX-License-Identifier: Apache-2.0 */
/* Three members with their transfers, over a delivery service in memory that forwards like a relay. */
#ifndef CLIENT_FILES_WORLD_H
#define CLIENT_FILES_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <base/secret.h>
#include <client/files.h>
#include <proto/signed.h>
#include "cast.h"

#define TALK  7u
#define SIZE  (3u * 1024 * 1024 + 77)
#define SITES 3

struct site {
	struct person *person;
	struct client_files *files;
	bool joined;   /* FileJoin was sent */
	uint32_t drop; /* every so many chunks are lost on the way; 0: none */
	uint32_t flip; /* a bit of this chunk is flipped once; UINT32_MAX: none */
	uint32_t chunks;
	enum client_file_state last;
	unsigned done, failed, offered, cancelled;
	uint8_t id[16];
	char path[512];
	char text[128];
};

extern struct cast c;
extern struct site sites[SITES];
extern char dir[64];
extern size_t head, tail; /* of the queue of messages under way */

uint32_t leaf_of(const struct site *s);
/* The callbacks of a site. */
int on_app(void *ctx, const PB(AppMessage) * msg);
int on_control(void *ctx, const PB(Control) * msg);
int on_chunk(void *ctx, const void *msg, size_t len);
void on_event(void *ctx, const struct client_file_event *e);
/* Delivers so many messages; all. */
void run_some(size_t n);
void run(void);
int setup(void **state);
int teardown(void **state);
void make_file(const char *name, size_t size, char path[256]);
/* The first site offers a file, the others hear of it. */
void offer(const char *path);
void same_file(const char *a, const char *b);
/* Unfinished files. */
unsigned parts(void);

#endif
