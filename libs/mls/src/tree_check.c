/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of all members together: keys are unique, credential types are understood by all. */
#include <string.h>

#include <base/alloc.h>

#include "state.h"

/*
 * A set of keys by open addressing. Keys are chosen by peers, so the hash is keyed (SipHash-2-4, Aumasson and
 * Bernstein): nobody can prepare a thousand keys that collide here.
 */
struct key_set {
	uint64_t k0, k1;
	struct cv_span *slot;
	size_t mask;
};

static uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static uint64_t sip_hash(const struct key_set *s, struct cv_span key)
{
	uint64_t v[4] = {s->k0 ^ 0x736f6d6570736575u, s->k1 ^ 0x646f72616e646f6du, s->k0 ^ 0x6c7967656e657261u,
			 s->k1 ^ 0x7465646279746573u};

	for (size_t i = 0; i <= key.len; i += 8) {
		uint64_t m = 0;

		if (key.len - i >= 8)
			memcpy(&m, key.data + i, 8);
		else if (key.len > i)
			memcpy(&m, key.data + i, key.len - i);
		if (key.len - i < 8)
			m |= (uint64_t)key.len << 56;
		v[3] ^= m;
		sip_round(v);
		sip_round(v);
		v[0] ^= m;
	}
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static int set_init(struct key_set *s, const struct cv_rng *rng, size_t max)
{
	uint64_t seed[2];
	size_t n = 16;
	int err = cv_rng_fill(rng, seed, sizeof(seed));

	if (err)
		return err;
	while (n < 2 * max)
		n *= 2;
	s->k0 = seed[0];
	s->k1 = seed[1];
	s->mask = n - 1;
	s->slot = cv_calloc(n, sizeof(*s->slot));
	return s->slot ? 0 : CV_ENOMEM;
}

static int set_add(struct key_set *s, struct cv_span key)
{
	size_t i = sip_hash(s, key) & s->mask;

	for (; s->slot[i].data; i = (i + 1) & s->mask)
		if (mls_span_equal(s->slot[i], key))
			return CV_EEXIST;
	s->slot[i] = key;
	return 0;
}

static bool set_has(const struct key_set *s, struct cv_span key)
{
	for (size_t i = sip_hash(s, key) & s->mask; s->slot[i].data; i = (i + 1) & s->mask)
		if (mls_span_equal(s->slot[i], key))
			return true;
	return false;
}

/* Without the policy's word a client is its credential as it stands in the leaf, the type before it. */
static int client_of(const struct leaf_node *l, const struct mls_policy *policy, struct cv_span *ret)
{
	const uint8_t *from = l->v.signature_key.data + l->v.signature_key.len, *data = l->v.credential.data.data;

	if (policy->identity)
		return policy->identity(policy->ctx, &l->v, ret);
	*ret = SPAN(from, (size_t)(data - from) + l->v.credential.data.len);
	return 0;
}

int mls_tree_check_subset(const struct tree *part, const struct tree *whole, const struct mls_policy *policy,
			  const struct cv_rng *rng)
{
	struct key_set set = {0};
	struct cv_span client;
	int err = set_init(&set, rng, whole->n_leaves);

	for (uint32_t i = 0; !err && i < whole->n_leaves; i++) {
		const struct leaf_node *l = mls_tree_leaf(whole, i);

		if (l)
			err = client_of(l, policy, &client);
		if (!err && l && !set_has(&set, client))
			err = set_add(&set, client);
	}
	for (uint32_t i = 0; !err && i < part->n_leaves; i++) {
		const struct leaf_node *l = mls_tree_leaf(part, i);

		if (l)
			err = client_of(l, policy, &client);
		if (!err && l && !set_has(&set, client))
			err = CV_EINVAL;
	}
	cv_free(set.slot);
	return err;
}

static int check_keys(const struct tree *t, const struct cv_rng *rng, bool signature)
{
	struct key_set set = {0};
	uint32_t n = node_count(t->n_leaves);
	int err = set_init(&set, rng, n);

	for (uint32_t x = 0; !err && x < n; x += signature ? 2 : 1) {
		if (mls_tree_blank(t, x))
			continue;
		err = set_add(&set,
			      signature ? mls_tree_leaf(t, leaf_of_node(x))->v.signature_key : mls_tree_key(t, x));
	}
	cv_free(set.slot);
	return err;
}

/* The distinct credential types in use; there are never more than a handful. */
#define CREDENTIAL_TYPES_MAX 32

static int check_credentials(const struct tree *t)
{
	uint16_t types[CREDENTIAL_TYPES_MAX];
	size_t n = 0;

	for (uint32_t i = 0; i < t->n_leaves; i++) {
		const struct leaf_node *l = mls_tree_leaf(t, i);
		size_t k = 0;

		if (!l)
			continue;
		while (k < n && types[k] != l->v.credential.type)
			k++;
		if (k == CREDENTIAL_TYPES_MAX)
			return CV_ELIMIT;
		if (k == n)
			types[n++] = l->v.credential.type;
	}
	for (uint32_t i = 0; i < t->n_leaves; i++) {
		const struct leaf_node *l = mls_tree_leaf(t, i);

		for (size_t k = 0; l && k < n; k++)
			if (!mls_list16_has(l->v.capabilities.credentials, types[k]))
				return CV_EUNSUPPORTED;
	}
	return 0;
}

int mls_tree_check_members(const struct tree *t, const struct cv_rng *rng)
{
	int err = check_keys(t, rng, false);

	if (!err)
		err = check_keys(t, rng, true);
	return err ? err : check_credentials(t);
}

static int put_members(const struct tree *t, const uint8_t *leaving, struct key_set *encryption,
		       struct key_set *signature)
{
	int err = 0;

	for (uint32_t x = 0; !err && x < node_count(t->n_leaves); x++) {
		if (mls_tree_blank(t, x) || (node_is_leaf(x) && leaving[leaf_of_node(x)]))
			continue;
		err = set_add(encryption, mls_tree_key(t, x));
		if (!err && node_is_leaf(x))
			err = set_add(signature, mls_tree_leaf(t, leaf_of_node(x))->v.signature_key);
	}
	return err;
}

int mls_tree_find_newcomers(const struct tree *t, const struct cv_rng *rng, const uint8_t *leaving,
			    const struct leaf_node *const *leaves, size_t n, bool *ret_new)
{
	struct key_set encryption = {0}, signature = {0};
	int err = set_init(&encryption, rng, node_count(t->n_leaves) + n);

	if (!err)
		err = set_init(&signature, rng, t->n_leaves + n);
	if (!err)
		err = put_members(t, leaving, &encryption, &signature);
	for (size_t i = n; !err && i-- > 0;) {
		const struct mls_leaf_view *v = &leaves[i]->v;

		ret_new[i] = !set_has(&encryption, v->encryption_key) && !set_has(&signature, v->signature_key);
		if (!ret_new[i])
			continue;
		err = set_add(&encryption, v->encryption_key);
		if (!err)
			err = set_add(&signature, v->signature_key);
	}
	cv_free(encryption.slot);
	cv_free(signature.slot);
	return err;
}
