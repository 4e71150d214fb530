/* SPDX-License-Identifier: Apache-2.0 */
/* Alice makes a group, adds Bob and Carol, says hello, and removes Bob. A delivery service is where the arrows are. */
#include <mls/mls.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#define SUITE MLS_SUITE_X25519_AES128GCM_SHA256_ED25519

static uint64_t now(void *ctx)
{
	return (uint64_t)time(NULL);
}

/* A real application looks at the credential here: whom does this leaf belong to, and may they be in? */
static int accept_leaf(void *ctx, const struct mls_leaf_question *q)
{
	return q->leaf->credential.type == MLS_CREDENTIAL_BASIC ? 0 : CV_EDENIED;
}

struct person {
	struct mls_sign_key *key;
	struct mls_member member;
	struct mls_key_package *kp;
	struct mls_group *group;
};

static int born(struct person *p, const struct mls_env *env, const char *name)
{
	if (mls_sign_key_generate(SUITE, env->rng, &p->key))
		return 1;
	p->member.credential = (struct mls_credential){MLS_CREDENTIAL_BASIC, {(const uint8_t *)name, strlen(name)}};
	p->member.signature_key = mls_sign_key_public(p->key);
	p->member.signer = mls_sign_key_signer(p->key);
	return mls_key_package_new(env, SUITE, &p->member, now(NULL) - 3600, now(NULL) + 300, &p->kp);
}

static int join(struct person *p, const struct mls_group_options *o, const struct cv_buf *welcome)
{
	struct mls_join j = {{welcome->data, welcome->len}, p->kp, p->member.signer, {NULL, 0}, {NULL, 0}};

	return mls_group_join(o, &j, &p->group);
}

static int hear(struct person *p, const char *name, const struct cv_buf *msg)
{
	struct mls_received r;
	if (mls_group_process(p->group, msg->data, msg->len, &r))
		return 1;
	if (r.kind == MLS_RECEIVED_APPLICATION)
		printf("%s hears leaf %u: %.*s\n", name, r.sender, (int)r.plaintext.len, (char *)r.plaintext.data);
	else if (r.kind == MLS_RECEIVED_REMOVED)
		printf("%s is out\n", name);
	mls_received_done(&r);
	return 0;
}

static int meet(const struct mls_env *env, struct person p[3], struct cv_buf *msg, struct mls_commit_output *add,
		struct mls_commit_output *remove)
{
	const struct mls_group_options o = {.env = env, .policy.leaf = accept_leaf, .padding = 64};
	const struct cv_span text = {(const uint8_t *)"hello", 5}, none = {0}, id = {(const uint8_t *)"tea", 3};
	struct person *a = &p[0], *b = &p[1], *c = &p[2];
	struct cv_span kps[2];
	uint32_t bob = 1;

	if (born(a, env, "alice") || born(b, env, "bob") || born(c, env, "carol") ||
	    mls_group_create(&o, SUITE, &a->member, id, NULL, 0, &a->group))
		return 1;
	kps[0] = mls_key_package_message(b->kp); /* Bob -> Alice */
	kps[1] = mls_key_package_message(c->kp); /* Carol -> Alice */
	return mls_group_commit(a->group, &(struct mls_commit){.adds = kps, .n_adds = 2}, add) ||
	       mls_group_merge_pending(a->group) || /* once the delivery service has accepted the commit */
	       join(b, &o, &add->welcome) || join(c, &o, &add->welcome) || /* Alice -> Bob, Carol */
	       mls_group_encrypt(a->group, text, none, msg) || hear(b, "bob", msg) || hear(c, "carol", msg) ||
	       mls_group_commit(a->group, &(struct mls_commit){.removes = &bob, .n_removes = 1}, remove) ||
	       mls_group_merge_pending(a->group) || hear(b, "bob", &remove->commit) ||
	       hear(c, "carol", &remove->commit);
}

int main(void)
{
	const struct mls_env env = {cv_rng_system(), now, NULL};
	struct mls_commit_output add = {0}, remove = {0};
	struct cv_buf msg = {.max = 4096};
	struct person people[3] = {0};
	int ret = meet(&env, people, &msg, &add, &remove);

	for (int i = 0; i < 3; i++) {
		mls_group_free(people[i].group);
		mls_key_package_free(people[i].kp);
		mls_sign_key_free(people[i].key);
	}
	mls_commit_output_done(&add);
	mls_commit_output_done(&remove);
	cv_buf_done(&msg);
	return ret;
}
