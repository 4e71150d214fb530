/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the group: create, join, process, export. Commits of our own are in group_commit.c. */
#include <string.h>

#include <sodium.h>

#include <base/alloc.h>
#include <sframe/sframe.h>

#include "group_internal.h"

#define KEY_PACKAGE_SKEW 300 /* seconds that a KeyPackage is valid before now */
#define CREDENTIAL_MAX   (16u * 1024)

static uint64_t env_now(void *ctx)
{
	return client_clock_now(((struct client_group *)ctx)->clock);
}

static int sign(void *ctx, const uint8_t *msg, size_t len, uint8_t *ret_sig, size_t *ret_len)
{
	struct client_group *g = ctx;
	uint8_t key[crypto_sign_SECRETKEYBYTES];
	int r;

	memcpy(key, g->seed, CLIENT_KEY_LEN);
	memcpy(key + CLIENT_KEY_LEN, g->device_key, CLIENT_KEY_LEN);
	r = crypto_sign_detached(ret_sig, NULL, msg, len, key);
	cv_wipe(key, sizeof(key));
	*ret_len = crypto_sign_BYTES;
	return r == 0 ? 0 : CV_ECRYPTO;
}

/* Fills what `member` borrows: `ext` must live as long. */
void client_group_as_member(struct client_group *g, struct mls_extension *ext, struct mls_member *member)
{
	static const uint16_t types[] = {PROTO_EXT_MEETING_STATE};

	*ext = (struct mls_extension){PROTO_EXT_ADMISSION, {g->admission.data, g->admission.len}};
	*member = (struct mls_member){
		.credential = {MLS_CREDENTIAL_X509, {g->credential.data, g->credential.len}},
		.signature_key = {g->device_key, CLIENT_KEY_LEN},
		.signer = {sign, g},
		.extension_types = types,
		.n_extension_types = 1,
		.extensions = ext,
		.n_extensions = 1,
		.grease = true,
	};
}

int client_group_new(const struct client_group_config *config, struct client_group **ret)
{
	struct client_group *g = cv_calloc(1, sizeof(*g));
	int r;

	if (g == NULL)
		return CV_ENOMEM;
	g->trust = config->trust;
	g->clock = config->clock;
	g->rng = config->rng;
	memcpy(g->run_id, config->run_id, sizeof(g->run_id));
	memcpy(g->seed, config->device_seed, sizeof(g->seed));
	memcpy(g->device_key, config->device_key, sizeof(g->device_key));
	cv_buf_init(&g->credential, CREDENTIAL_MAX);
	cv_buf_init(&g->admission, ADMISSION_MAX);
	r = mls_x509_chain(config->certificates, 2, &g->credential);
	if (r == 0)
		r = cv_buf_put(&g->admission, config->admission.data, config->admission.len);
	if (r != 0) {
		client_group_free(g);
		return r;
	}
	g->env = (struct mls_env){.rng = g->rng, .now = env_now, .now_ctx = g};
	g->options = (struct mls_group_options){
		.env = &g->env,
		.policy = client_policy(g),
		.padding = CLIENT_PADDING,
		.past_epochs = CLIENT_PAST_EPOCHS,
		.lifetime_tolerance = 60,
		.lifetime_max = CLIENT_KEY_PACKAGE_LIFE + KEY_PACKAGE_SKEW,
	};
	*ret = g;
	return 0;
}

void client_group_free(struct client_group *g)
{
	if (g == NULL)
		return;
	mls_group_free(g->mls);
	mls_key_package_free(g->key_package);
	client_members_done(g);
	client_effects_done(&g->ours);
	client_effects_done(&g->theirs);
	proto_meeting_state_done(&g->state);
	cv_buf_done(&g->credential);
	cv_buf_done(&g->admission);
	cv_free_wiped(g, sizeof(*g));
}

const char *client_group_why(const struct client_group *g)
{
	return g->why;
}

int client_group_create(struct client_group *g, struct cv_span creation_grant, uint8_t switches)
{
	struct proto_meeting_state state = {.creation_grant_len = creation_grant.len, .switches = switches};
	struct mls_extension leaf_ext, group_ext[2];
	struct mls_member member;
	struct cv_buf required, encoded;
	int r;

	if (g->mls != NULL)
		return CV_ESTATE;
	cv_buf_init(&required, 256);
	cv_buf_init(&encoded, PROTO_STATE_MAX);
	g->why[0] = '\0';
	state.creation_grant = cv_memdup(creation_grant.data, creation_grant.len);
	r = state.creation_grant != NULL ? client_state_extensions(&state, &required, &encoded, group_ext) : CV_ENOMEM;
	if (r != 0)
		goto out;
	client_group_as_member(g, &leaf_ext, &member);
	r = mls_group_create(&g->options, CLIENT_SUITE, &member, (struct cv_span){g->run_id, CLIENT_ID_LEN}, group_ext,
			     2, &g->mls);
	if (r != 0) {
		client_members_done(g);
		goto out;
	}
	g->state = state;
	memset(&state, 0, sizeof(state));
	g->self = *client_group_member(g, 0);
out:
	proto_meeting_state_done(&state);
	cv_buf_done(&required);
	cv_buf_done(&encoded);
	return r;
}

int client_group_key_package(struct client_group *g, struct cv_buf *out)
{
	uint64_t now = client_clock_now(g->clock);
	struct mls_key_package *kp;
	struct mls_extension ext;
	struct mls_member member;
	struct cv_span msg;
	int r;

	client_group_as_member(g, &ext, &member);
	r = mls_key_package_new(&g->env, CLIENT_SUITE, &member, now - KEY_PACKAGE_SKEW, now + CLIENT_KEY_PACKAGE_LIFE,
				&kp);
	if (r != 0)
		return r;
	msg = mls_key_package_message(kp);
	r = cv_buf_put(out, msg.data, msg.len);
	if (r != 0) {
		mls_key_package_free(kp);
		return r;
	}
	mls_key_package_free(g->key_package);
	g->key_package = kp;
	return 0;
}

int client_group_join(struct client_group *g, const void *welcome, size_t len)
{
	struct mls_join join = {
		.welcome = {welcome, len},
		.key_package = g->key_package,
		.signer = {sign, g},
		.expected_group_id = {g->run_id, CLIENT_ID_LEN},
	};
	int r;

	if (g->mls != NULL || g->key_package == NULL)
		return CV_ESTATE;
	g->why[0] = '\0';
	client_members_done(g);
	r = mls_group_join(&g->options, &join, &g->mls);
	if (r != 0) {
		client_members_done(g);
		return r;
	}
	/* One KeyPackage, one group. */
	mls_key_package_free(g->key_package);
	g->key_package = NULL;
	if (client_group_member(g, mls_group_own_index(g->mls)) == NULL || g->count != mls_group_n_members(g->mls)) {
		r = client_policy_refuse(g, CV_EDENIED, "a group whose members were not all shown");
		mls_group_free(g->mls);
		g->mls = NULL;
		client_members_done(g);
		return r;
	}
	g->self = *client_group_member(g, mls_group_own_index(g->mls));
	return 0;
}

bool client_group_active(const struct client_group *g)
{
	return g->mls != NULL && mls_group_active(g->mls);
}

void client_news_done(struct client_news *n)
{
	cv_buf_done(&n->plaintext);
	cv_free(n->added);
	cv_free(n->left);
	memset(n, 0, sizeof(*n));
}

/* The commit has been applied by MLS: the same to our tables, and the news of it. */
int client_group_apply(struct client_group *g, struct effects *fx, enum client_news_kind kind, struct client_news *ret)
{
	struct client_news news = {.kind = kind};

	if (!fx->set)
		return CV_ESTATE;
	news.sender = fx->committer;
	news.state_changed = fx->state_changed;
	news.path = fx->path;
	news.renewed = fx->renewed;
	for (size_t i = 0; i < fx->n_left; i++)
		client_members_clear(g, fx->left[i].member.leaf);
	if (fx->has_committer && client_group_member(g, fx->committer) != NULL)
		*g->members[fx->committer] = fx->committer_member;
	for (size_t i = 0; i < fx->n_added; i++) {
		client_members_put(g, fx->fresh[i]);
		fx->fresh[i] = NULL;
	}
	if (fx->state_changed && kind != CLIENT_NEWS_REMOVED) {
		news.lock_changed = fx->next.locked != g->state.locked;
		proto_meeting_state_done(&g->state);
		g->state = fx->next;
		memset(&fx->next, 0, sizeof(fx->next));
	}
	news.added = fx->leaves;
	news.n_added = fx->n_added;
	news.left = fx->left;
	news.n_left = fx->n_left;
	fx->leaves = NULL;
	fx->left = NULL;
	client_effects_done(fx);
	*ret = news;
	return 0;
}

int client_group_process(struct client_group *g, const void *msg, size_t len, struct client_news *ret)
{
	struct mls_received got;
	int r;

	if (!client_group_active(g))
		return CV_ESTATE;
	memset(&got, 0, sizeof(got));
	g->why[0] = '\0';
	client_effects_done(&g->theirs);
	r = mls_group_process(g->mls, msg, len, &got);
	if (r != 0)
		return r;
	switch (got.kind) {
	case MLS_RECEIVED_APPLICATION:
		memset(ret, 0, sizeof(*ret));
		ret->kind = CLIENT_NEWS_MESSAGE;
		ret->sender = got.sender;
		ret->epoch = got.epoch;
		ret->plaintext = got.plaintext;
		memset(&got.plaintext, 0, sizeof(got.plaintext));
		break;
	case MLS_RECEIVED_COMMIT:
		client_effects_done(&g->ours);
		r = client_group_apply(g, &g->theirs, CLIENT_NEWS_EPOCH, ret);
		break;
	case MLS_RECEIVED_REMOVED: r = client_group_apply(g, &g->theirs, CLIENT_NEWS_REMOVED, ret); break;
	default: r = client_policy_refuse(g, CV_EDENIED, "a message that has no place in a meeting"); break;
	}
	mls_received_done(&got);
	return r;
}

int client_group_seal(struct client_group *g, const void *data, size_t len, struct cv_buf *out)
{
	if (!client_group_active(g))
		return CV_ESTATE;
	return mls_group_encrypt(g->mls, (struct cv_span){data, len}, (struct cv_span){NULL, 0}, out);
}

uint64_t client_group_epoch(const struct client_group *g)
{
	return g->mls != NULL ? mls_group_epoch(g->mls) : 0;
}

uint32_t client_group_leaf(const struct client_group *g)
{
	return g->mls != NULL ? mls_group_own_index(g->mls) : UINT32_MAX;
}

const struct proto_meeting_state *client_group_state(const struct client_group *g)
{
	return g->mls != NULL ? &g->state : NULL;
}

int client_group_base_key(struct client_group *g, struct client_base_key *ret)
{
	bool strong = g->state.switches & PROTO_SWITCH_MEDIA_256;

	if (!client_group_active(g))
		return CV_ESTATE;
	ret->suite = strong ? SFRAME_AES_256_GCM_SHA512_128 : SFRAME_AES_128_GCM_SHA256_128;
	ret->len = strong ? 32 : 16;
	return mls_group_export(g->mls, SFRAME_MLS_EXPORTER_LABEL, (struct cv_span){NULL, 0}, ret->bytes, ret->len);
}

int client_group_authenticator(const struct client_group *g, uint8_t ret[CLIENT_AUTHENTICATOR_LEN])
{
	struct cv_span a;

	if (!client_group_active(g))
		return CV_ESTATE;
	a = mls_group_epoch_authenticator(g->mls);
	if (a.len != CLIENT_AUTHENTICATOR_LEN)
		return CV_ESTATE;
	memcpy(ret, a.data, a.len);
	return 0;
}

int client_group_leave_evidence(const struct client_group *g, uint8_t ret[PROTO_SIG_LEN])
{
	uint8_t content[PROTO_LEAVE_LEN];

	if (!client_group_active(g))
		return CV_ESTATE;
	proto_leave_content(g->run_id, g->self.admission_id, client_group_leaf(g), content);
	return proto_sign_label(g->seed, PROTO_LABEL_LEAVE, content, sizeof(content), ret);
}
