/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "mls_cast.h"

#define NOW           1900000000u
#define EXT_ADMISSION 0xf0a1

static const uint8_t run_id[16] = {0x52};

static uint64_t now(void *ctx)
{
	return NOW;
}

static struct cv_span span(const void *p, size_t n)
{
	return (struct cv_span){p, n};
}

static struct cv_span buf_span(const struct cv_buf *b)
{
	return span(b->data, b->len);
}

/* What a meeting's policy verifies of each leaf: certificate chain, admission, and that both name this device. */
static int check_leaf(void *ctx, const struct mls_leaf_question *q)
{
	const struct cast *c = ctx;
	struct proto_identity id;
	struct proto_admission a;
	struct cv_span leaf, issuer, ext;
	uint8_t hash[32];
	int err;

	if (!c->x509)
		return 0;
	if ((err = mls_x509_cert(&q->leaf->credential, 0, &leaf)) ||
	    (err = mls_x509_cert(&q->leaf->credential, 1, &issuer)) ||
	    (err = proto_trust_identity(c->trust, leaf, issuer, NOW, 0, &id)) ||
	    (err = mls_extension_find(q->leaf->extensions, EXT_ADMISSION, &ext)) ||
	    (err = proto_admission_open(ext.data, ext.len, proto_trust_grant_signers(c->trust), &a)))
		return err;
	proto_sha256(q->leaf->signature_key.data, q->leaf->signature_key.len, hash);
	return memcmp(hash, a.device_hash, 32) || memcmp(id.user_id, a.user_id, 16) ? CV_EDENIED : 0;
}

struct mls_group_options cast_options(const struct cast *c)
{
	return (struct mls_group_options){.env = &c->env, .policy = {.leaf = check_leaf, .ctx = (void *)c}};
}

static void make_organisation(struct cast *c)
{
	struct cv_buf signer;
	struct proto_manifest m = {.version = 1, .issued = NOW - 1000, .expires = NOW + 1000000};
	uint8_t key[32];

	memset(c->root_seed, 1, 32);
	memset(c->issuer_seed, 2, 32);
	memset(c->grant_seed, 3, 32);
	cv_buf_init(&signer, 4096);
	MUST(proto_root_issue(c->root_seed, "Bench", NOW - 1000, NOW + 1000000, c->env.rng, &c->root));
	proto_public_key(c->issuer_seed, key);
	MUST(proto_intermediate_issue(c->root_seed, buf_span(&c->root), PROTO_INTERMEDIATE_ISSUER, key, NOW - 1000,
				      NOW + 1000000, c->env.rng, &c->issuer));
	proto_public_key(c->grant_seed, key);
	MUST(proto_intermediate_issue(c->root_seed, buf_span(&c->root), PROTO_INTERMEDIATE_GRANTS, key, NOW - 1000,
				      NOW + 1000000, c->env.rng, &signer));
	m.intermediates = (struct proto_intermediate[]){
		{PROTO_INTERMEDIATE_ISSUER, c->issuer.data, c->issuer.len},
		{PROTO_INTERMEDIATE_GRANTS, signer.data, signer.len},
	};
	m.n_intermediates = 2;
	MUST(proto_trust_new(buf_span(&c->root), &m, NOW, &c->trust));
	cv_buf_done(&signer);
}

/* Certificate chain and admission of the i-th actor. */
static void make_papers(struct cast *c, size_t i, struct cv_span key, struct cv_buf *chain, struct cv_buf *admission)
{
	struct proto_identity id = {.not_before = NOW - 10, .not_after = NOW + 80000};
	struct proto_admission a = {.issued = NOW, .expires = NOW + 80000, .rights = 7};
	struct cv_buf der;
	struct cv_span certs[2];

	memcpy(id.user_id, &i, sizeof(i));
	id.user_id[15] = 1;
	snprintf(id.email, sizeof(id.email), "member%zu@example.org", i);
	snprintf(id.display_name, sizeof(id.display_name), "Member %zu", i);
	memcpy(id.device_key, key.data, 32);
	cv_buf_init(&der, 4096);
	MUST(proto_identity_issue(c->issuer_seed, buf_span(&c->issuer), &id, c->env.rng, &der));
	certs[0] = buf_span(&der);
	certs[1] = buf_span(&c->issuer);
	MUST(mls_x509_chain(certs, 2, chain));
	memcpy(a.admission_id, &i, sizeof(i));
	memcpy(a.run_id, run_id, 16);
	memcpy(a.user_id, id.user_id, 16);
	proto_sha256(key.data, key.len, a.device_hash);
	MUST(proto_admission_sign(&a, c->grant_seed, admission));
	if (!c->some_identity.len)
		MUST(cv_buf_put(&c->some_identity, der.data, der.len));
	cv_buf_done(&der);
}

static void with_member(struct cast *c, size_t i, void (*use)(struct cast *, size_t, const struct mls_member *, void *),
			void *arg)
{
	static const uint16_t types[] = {EXT_ADMISSION};
	struct mls_sign_key *key = c->actors[i].key;
	struct mls_member m = {.signature_key = mls_sign_key_public(key), .signer = mls_sign_key_signer(key)};
	struct mls_extension ext = {.type = EXT_ADMISSION};
	struct cv_buf chain, admission;
	char name[32];

	cv_buf_init(&chain, 8192);
	cv_buf_init(&admission, 4096);
	snprintf(name, sizeof(name), "member %zu", i);
	m.credential = (struct mls_credential){MLS_CREDENTIAL_BASIC, span(name, strlen(name))};
	if (c->x509) {
		make_papers(c, i, m.signature_key, &chain, &admission);
		m.credential = (struct mls_credential){MLS_CREDENTIAL_X509, buf_span(&chain)};
		ext.data = buf_span(&admission);
		m.extensions = &ext;
		m.n_extensions = 1;
		m.extension_types = types;
		m.n_extension_types = 1;
	}
	use(c, i, &m, arg);
	cv_buf_done(&chain);
	cv_buf_done(&admission);
}

static void make_key_package(struct cast *c, size_t i, const struct mls_member *m, void *arg)
{
	MUST(mls_key_package_new(&c->env, SUITE, m, NOW - 3600, NOW + 3600, &c->actors[i].kp));
}

void cast_init(struct cast *c, size_t n, bool x509)
{
	*c = (struct cast){.env = {.rng = cv_rng_system(), .now = now}, .x509 = x509, .n = n};
	c->actors = calloc(n, sizeof(*c->actors));
	if (!c->actors)
		abort();
	cv_buf_init(&c->root, 4096);
	cv_buf_init(&c->issuer, 4096);
	cv_buf_init(&c->some_identity, 4096);
	if (x509)
		make_organisation(c);
	for (size_t i = 0; i < n; i++) {
		MUST(mls_sign_key_generate(SUITE, c->env.rng, &c->actors[i].key));
		with_member(c, i, make_key_package, NULL);
	}
}

void cast_done(struct cast *c)
{
	for (size_t i = 0; i < c->n; i++) {
		mls_key_package_free(c->actors[i].kp);
		mls_sign_key_free(c->actors[i].key);
	}
	free(c->actors);
	proto_trust_free(c->trust);
	cv_buf_done(&c->root);
	cv_buf_done(&c->issuer);
	cv_buf_done(&c->some_identity);
}

static void create(struct cast *c, size_t i, const struct mls_member *m, void *arg)
{
	struct mls_group_options o = cast_options(c);

	MUST(mls_group_create(&o, SUITE, m, span(run_id, sizeof(run_id)), NULL, 0, arg));
}

struct mls_commit_output cast_add(const struct cast *c, struct mls_group *g, size_t from, size_t n)
{
	struct cv_span *adds = calloc(n, sizeof(*adds));
	struct mls_commit what = {.adds = adds, .n_adds = n};
	struct mls_commit_output out = {0};

	if (!adds)
		abort();
	for (size_t i = 0; i < n; i++)
		adds[i] = mls_key_package_message(c->actors[from + i].kp);
	MUST(mls_group_commit(g, &what, &out));
	free(adds);
	return out;
}

struct mls_group *cast_group(const struct cast *c, size_t members, struct cv_buf *ret_welcome)
{
	struct mls_group *g = NULL;
	struct mls_commit_output out;

	with_member((struct cast *)c, 0, create, &g);
	if (members < 2)
		return g;
	out = cast_add(c, g, 1, members - 1);
	MUST(mls_group_merge_pending(g));
	if (ret_welcome) {
		*ret_welcome = out.welcome;
		out.welcome = (struct cv_buf){0};
	}
	mls_commit_output_done(&out);
	return g;
}

struct mls_group *cast_join(const struct cast *c, size_t i, const struct cv_buf *welcome)
{
	struct mls_group_options o = cast_options(c);
	struct mls_join join = {.welcome = buf_span(welcome),
				.key_package = c->actors[i].kp,
				.signer = mls_sign_key_signer(c->actors[i].key)};
	struct mls_group *g = NULL;

	MUST(mls_group_join(&o, &join, &g));
	return g;
}
