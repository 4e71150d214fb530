/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "helper.h"

/* SplitMix64: reproducible, and good enough for tests. */
static uint64_t next(struct world *w)
{
	uint64_t z = w->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static int fill(void *ctx, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)next(ctx);
	return 0;
}

static uint64_t now(void *ctx)
{
	return ((struct world *)ctx)->now;
}

void world_init(struct world *w, uint64_t seed)
{
	*w = (struct world){.state = seed, .now = NOW};
	w->rng = (struct cv_rng){.fill = fill, .ctx = w};
	w->env = (struct mls_env){.rng = &w->rng, .now = now, .now_ctx = w};
}

uint32_t world_random(struct world *w, uint32_t below)
{
	return (uint32_t)(next(w) % below);
}

static int judge_leaf(void *ctx, const struct mls_leaf_question *q)
{
	return ((struct person *)ctx)->leaf_answer;
}

static int judge_commit(void *ctx, const struct mls_commit_question *q)
{
	struct person *p = ctx;

	p->commits_asked++;
	return p->commit_answer;
}

static int judge_proposal(void *ctx, const struct mls_proposal_question *q)
{
	return ((struct person *)ctx)->proposal_answer;
}

static int judge_join(void *ctx, const struct mls_group *g)
{
	return ((struct person *)ctx)->join_answer;
}

static int find_psk(void *ctx, const struct mls_psk_question *q, struct cv_span *ret)
{
	struct person *p = ctx;

	if (q->usage != MLS_PSK_EXTERNAL || q->psk_id.len != p->psk_id.len || !p->psk.len ||
	    memcmp(q->psk_id.data, p->psk_id.data, q->psk_id.len) != 0)
		return CV_ENOTFOUND;
	*ret = p->psk;
	return 0;
}

void person_init(struct person *p, struct world *w, uint16_t suite, const char *name)
{
	*p = (struct person){.world = w, .suite = suite};
	snprintf(p->name, sizeof(p->name), "%s", name);
	assert_int_equal(mls_sign_key_generate(suite, &w->rng, &p->key), 0);
	p->member = (struct mls_member){
		.credential = {.type = MLS_CREDENTIAL_BASIC, .data = {(const uint8_t *)p->name, strlen(p->name)}},
		.signature_key = mls_sign_key_public(p->key),
		.signer = mls_sign_key_signer(p->key),
		.grease = true,
	};
	p->options = (struct mls_group_options){
		.env = &w->env,
		.padding = 64,
		.policy = {.leaf = judge_leaf,
			   .commit = judge_commit,
			   .proposal = judge_proposal,
			   .join = judge_join,
			   .psk = find_psk,
			   .ctx = p},
	};
}

void person_done(struct person *p)
{
	mls_group_free(p->group);
	mls_key_package_free(p->kp);
	mls_sign_key_free(p->key);
	p->group = NULL;
	p->kp = NULL;
	p->key = NULL;
}

struct cv_span person_offer(struct person *p)
{
	mls_key_package_free(p->kp);
	assert_int_equal(mls_key_package_new(&p->world->env, p->suite, &p->member, p->world->now - 60,
					     p->world->now + 300, &p->kp),
			 0);
	return mls_key_package_message(p->kp);
}

void person_create(struct person *p, const char *group_id)
{
	assert_int_equal(mls_group_create(&p->options, p->suite, &p->member,
					  (struct cv_span){(const uint8_t *)group_id, strlen(group_id)}, NULL, 0,
					  &p->group),
			 0);
}

int person_join(struct person *p, const struct mls_commit_output *out)
{
	struct mls_join j = {.welcome = SPAN_OF(out->welcome),
			     .key_package = p->kp,
			     .signer = p->member.signer,
			     .ratchet_tree = SPAN_OF(out->ratchet_tree)};

	return mls_group_join(&p->options, &j, &p->group);
}

void person_commit(struct person *p, const struct mls_commit *what, struct mls_commit_output *out)
{
	assert_int_equal(mls_group_commit(p->group, what, out), 0);
	assert_int_equal(mls_group_merge_pending(p->group), 0);
}

int person_process(struct person *p, const struct cv_buf *message)
{
	struct mls_received r;
	int err = mls_group_process(p->group, message->data, message->len, &r);

	if (!err)
		mls_received_done(&r);
	return err;
}

int person_restore(struct person *p, const struct cv_buf *saved)
{
	const struct mls_own_key key = {p->member.signature_key, p->member.signer};
	struct mls_group *g;
	int err = mls_group_restore(&p->options, &key, 1, saved->data, saved->len, &g);

	if (err)
		return err;
	mls_group_free(p->group);
	p->group = g;
	return 0;
}

static void assert_same(struct cv_span a, struct cv_span b)
{
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
}

void assert_agree(struct person *a, struct person *b)
{
	uint8_t ea[32], eb[32];

	assert_int_equal(mls_group_epoch(a->group), mls_group_epoch(b->group));
	assert_same(mls_group_tree_hash(a->group), mls_group_tree_hash(b->group));
	assert_same(mls_group_confirmed_transcript_hash(a->group), mls_group_confirmed_transcript_hash(b->group));
	assert_same(mls_group_epoch_authenticator(a->group), mls_group_epoch_authenticator(b->group));
	assert_int_equal(mls_group_export(a->group, "test", TEXT("context"), ea, sizeof(ea)), 0);
	assert_int_equal(mls_group_export(b->group, "test", TEXT("context"), eb, sizeof(eb)), 0);
	assert_memory_equal(ea, eb, sizeof(ea));
}

void assert_speak(struct person *from, struct person *to)
{
	struct mls_received r;
	struct cv_buf msg;

	cv_buf_init(&msg, 1 << 20);
	assert_int_equal(mls_group_encrypt(from->group, TEXT("hello there"), TEXT("header"), &msg), 0);
	assert_int_equal(mls_group_process(to->group, msg.data, msg.len, &r), 0);
	assert_int_equal(r.kind, MLS_RECEIVED_APPLICATION);
	assert_int_equal(r.sender, mls_group_own_index(from->group));
	assert_same(SPAN_OF(r.plaintext), TEXT("hello there"));
	assert_same(r.authenticated_data, TEXT("header"));
	mls_received_done(&r);
	/* The same bytes again are a replay. */
	assert_int_equal(mls_group_process(to->group, msg.data, msg.len, &r), CV_EREPLAY);
	cv_buf_done(&msg);
}
