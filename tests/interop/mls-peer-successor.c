/* SPDX-License-Identifier: Apache-2.0 */
#include "mls-peer.h"

#define NEWCOMERS_MAX 64

static size_t key_packages(const json_t *in, struct cv_span *ret)
{
	const json_t *v;
	size_t i, n = 0;

	json_array_foreach(json_object_get(in, "key_packages"), i, v) if (n < NEWCOMERS_MAX) ret[n++] =
		peer_bytes_of(v);
	return n;
}

static void replace_group(struct peer_member *m, struct mls_group *g)
{
	mls_group_free(m->group);
	m->group = g;
}

int peer_cmd_end(struct peer_member *m, const json_t *in, json_t *out)
{
	struct mls_reinit reinit = {.group_id = peer_bytes(in, "group_id"),
				    .suite = (uint16_t)json_integer_value(json_object_get(in, "suite"))};
	struct mls_commit what = {.reinit = &reinit};
	struct mls_commit_output made = {0};
	int err = mls_group_commit(m->group, &what, &made);

	if (err)
		return err;
	peer_put_buf(out, "commit", &made.commit);
	mls_commit_output_done(&made);
	return 0;
}

static int put_successor(struct peer_member *m, int err, struct mls_commit_output *made, struct mls_group *g,
			 json_t *out)
{
	if (err)
		return err;
	peer_put_buf(out, "welcome", &made->welcome);
	mls_commit_output_done(made);
	replace_group(m, g);
	return 0;
}

int peer_cmd_reinit(struct peer_member *m, const json_t *in, json_t *out)
{
	struct mls_group_options o = peer_options(in);
	struct mls_member me = peer_self(m);
	struct mls_commit_output made = {0};
	struct cv_span kps[NEWCOMERS_MAX];
	struct mls_group *g = NULL;
	size_t n = key_packages(in, kps);
	int err = mls_group_reinit(m->group, &o, &me, kps, n, &made, &g);

	return put_successor(m, err, &made, g, out);
}

int peer_cmd_branch(struct peer_member *m, const json_t *in, json_t *out)
{
	struct mls_group_options o = peer_options(in);
	struct mls_member me = peer_self(m);
	struct mls_commit_output made = {0};
	struct cv_span kps[NEWCOMERS_MAX];
	struct mls_group *g = NULL;
	size_t n = key_packages(in, kps);
	int err = mls_group_branch(m->group, &o, &me, peer_bytes(in, "group_id"), kps, n, &made, &g);

	return put_successor(m, err, &made, g, out);
}

int peer_cmd_join_successor(struct peer_member *m, const json_t *in, json_t *out)
{
	struct mls_join j = {.welcome = peer_bytes(in, "welcome"),
			     .signer = mls_sign_key_signer(m->key),
			     .ratchet_tree = peer_bytes(in, "tree")};
	struct mls_group_options o = peer_options(in);
	struct mls_group *g = NULL;
	int err = CV_ENOTFOUND;

	for (size_t i = 0; i < PEER_PACKAGES && err == CV_ENOTFOUND; i++) {
		j.key_package = m->packages[i];
		if (m->packages[i])
			err = mls_group_join_successor(m->group, &o, &j, &g);
	}
	if (!err)
		replace_group(m, g);
	return err;
}

int peer_cmd_propose_join(struct peer_member *m, const json_t *in, json_t *out)
{
	const struct mls_key_package *kp = m->packages[(m->next_package + PEER_PACKAGES - 1) % PEER_PACKAGES];
	uint64_t epoch = (uint64_t)json_integer_value(json_object_get(in, "epoch"));
	struct cv_buf b;
	int err;

	if (!kp)
		return CV_ESTATE;
	cv_buf_init(&b, MLS_MESSAGE_MAX);
	err = mls_propose_join(&peer_env, kp, mls_sign_key_signer(m->key), peer_bytes(in, "group_id"), epoch, &b);
	peer_put_buf(out, "message", &b);
	return err;
}
