/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTEROP_MLS_PEER_H
#define INTEROP_MLS_PEER_H

#include <jansson.h>

#include <mls/mls.h>

#define PEER_PACKAGES 4 /* KeyPackages that a member keeps until its Welcome comes */

struct peer_member {
	char name[64];
	uint16_t suite;
	struct mls_sign_key *key;
	struct mls_credential credential;
	struct cv_buf credential_data;
	struct mls_key_package *packages[PEER_PACKAGES];
	unsigned int next_package;
	struct mls_group *group;
};

extern struct mls_env peer_env;
uint64_t peer_now(void *ctx);
struct mls_group_options peer_options(const json_t *in);
struct mls_member peer_self(struct peer_member *m);

/* Commands about groups that follow a group, and about newcomers who ask. */
int peer_cmd_end(struct peer_member *m, const json_t *in, json_t *out) CV_NODISCARD;
int peer_cmd_reinit(struct peer_member *m, const json_t *in, json_t *out) CV_NODISCARD;
int peer_cmd_branch(struct peer_member *m, const json_t *in, json_t *out) CV_NODISCARD;
int peer_cmd_join_successor(struct peer_member *m, const json_t *in, json_t *out) CV_NODISCARD;
int peer_cmd_propose_join(struct peer_member *m, const json_t *in, json_t *out) CV_NODISCARD;

/* Bytes of a hex string (of a member of an object); they live until peer_free_bytes. Empty when missing or malformed.
 */
struct cv_span peer_bytes_of(const json_t *value);
struct cv_span peer_bytes(const json_t *in, const char *key);
void peer_free_bytes(void);
bool peer_flag(const json_t *in, const char *key);
/* "extensions" of a request, at most 16 of them. Returns their number. */
size_t peer_extensions(const json_t *in, struct mls_extension *ret);
void peer_put_bytes(json_t *out, const char *key, struct cv_span v);
/* Also gives the buffer's memory up; an empty one puts nothing. */
void peer_put_buf(json_t *out, const char *key, struct cv_buf *b);
/* "state": everything that members of one group must agree on. */
void peer_put_state(struct mls_group *g, json_t *out);

#endif
