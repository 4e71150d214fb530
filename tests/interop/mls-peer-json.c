/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <base/text.h>

#include "mls-peer.h"

#define ARENA_MAX 4096

static void *arena[ARENA_MAX];
static size_t arena_n;

struct cv_span peer_bytes_of(const json_t *value)
{
	const char *hex = json_string_value(value);
	size_t len = hex ? strlen(hex) / 2 : 0;
	uint8_t *p = len && arena_n < ARENA_MAX ? malloc(len) : NULL;

	if (!p)
		return (struct cv_span){NULL, 0};
	arena[arena_n++] = p;
	if (cv_hex_decode(p, len, hex) != 0)
		return (struct cv_span){NULL, 0};
	return (struct cv_span){p, len};
}

struct cv_span peer_bytes(const json_t *in, const char *key)
{
	return peer_bytes_of(json_object_get(in, key));
}

void peer_put_bytes(json_t *out, const char *key, struct cv_span v)
{
	char *hex = malloc(v.len * 2 + 1);

	if (!hex)
		abort();
	cv_hex_encode(hex, v.data, v.len);
	json_object_set_new(out, key, json_string(hex));
	free(hex);
}

void peer_put_buf(json_t *out, const char *key, struct cv_buf *b)
{
	if (b->len)
		peer_put_bytes(out, key, (struct cv_span){b->data, b->len});
	cv_buf_done(b);
}

bool peer_flag(const json_t *in, const char *key)
{
	return json_is_true(json_object_get(in, key));
}

size_t peer_extensions(const json_t *in, struct mls_extension *ret)
{
	const json_t *list = json_object_get(in, "extensions"), *e;
	size_t i;

	json_array_foreach(list, i, e) if (i < 16) ret[i] =
		(struct mls_extension){(uint16_t)json_integer_value(json_object_get(e, "type")), peer_bytes(e, "data")};
	return json_array_size(list);
}

static void put_members(const struct mls_group *g, json_t *out)
{
	json_t *list = json_array();

	for (uint32_t i = mls_group_next_member(g, 0); i != UINT32_MAX; i = mls_group_next_member(g, i + 1)) {
		struct mls_leaf_view leaf;
		json_t *m = json_object();

		if (mls_group_member(g, i, &leaf) != 0)
			abort();
		json_object_set_new(m, "index", json_integer(i));
		peer_put_bytes(m, "signature_key", leaf.signature_key);
		json_array_append_new(list, m);
	}
	json_object_set_new(out, "members", list);
}

void peer_put_state(struct mls_group *g, json_t *out)
{
	static const char context[] = "interop";
	json_t *s = json_object();
	uint8_t secret[32];

	if (mls_group_export(g, "test", (struct cv_span){(const uint8_t *)context, strlen(context)}, secret, 32) == 0)
		peer_put_bytes(s, "exporter", (struct cv_span){secret, 32});
	json_object_set_new(s, "epoch", json_integer((json_int_t)mls_group_epoch(g)));
	json_object_set_new(s, "own_index", json_integer(mls_group_own_index(g)));
	json_object_set_new(s, "active", json_boolean(mls_group_active(g)));
	peer_put_bytes(s, "group_id", mls_group_id(g));
	peer_put_bytes(s, "authenticator", mls_group_epoch_authenticator(g));
	peer_put_bytes(s, "transcript", mls_group_confirmed_transcript_hash(g));
	peer_put_bytes(s, "tree_hash", mls_group_tree_hash(g));
	put_members(g, s);
	json_object_set_new(out, "state", s);
}

void peer_free_bytes(void)
{
	while (arena_n)
		free(arena[--arena_n]);
}
