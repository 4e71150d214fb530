/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <base/alloc.h>
#include <base/secret.h>
#include <proto/manifest.h>
#include <proto/signed.h>

#include "cast.h"

#define YEAR 31536000

static void fill(void *p, size_t len)
{
	assert_int_equal(cv_rng_fill(cv_rng_system(), p, len), 0);
}

static struct cv_span span(const struct cv_buf *b)
{
	return (struct cv_span){b->data, b->len};
}

void cast_init(struct cast *c)
{
	uint64_t now = client_clock_now(&c->clock);
	struct proto_manifest m = {.version = 1};
	struct proto_intermediate list[2];
	uint8_t key[32];

	memset(c, 0, sizeof(*c));
	now = client_clock_now(&c->clock);
	fill(c->root_seed, 32);
	fill(c->issuer_seed, 32);
	fill(c->grants_seed, 32);
	fill(c->run_id, 16);
	cv_buf_init(&c->root, 4096);
	cv_buf_init(&c->issuer, 4096);
	cv_buf_init(&c->grants, 4096);
	cv_buf_init(&c->creation_grant, 4096);
	assert_int_equal(proto_root_issue(c->root_seed, "Test", now - 60, now + YEAR, cv_rng_system(), &c->root), 0);
	proto_public_key(c->issuer_seed, key);
	assert_int_equal(proto_intermediate_issue(c->root_seed, span(&c->root), PROTO_INTERMEDIATE_ISSUER, key,
						  now - 60, now + YEAR / 2, cv_rng_system(), &c->issuer),
			 0);
	proto_public_key(c->grants_seed, key);
	assert_int_equal(proto_intermediate_issue(c->root_seed, span(&c->root), PROTO_INTERMEDIATE_GRANTS, key,
						  now - 60, now + YEAR / 2, cv_rng_system(), &c->grants),
			 0);
	list[0] = (struct proto_intermediate){PROTO_INTERMEDIATE_ISSUER, c->issuer.data, c->issuer.len};
	list[1] = (struct proto_intermediate){PROTO_INTERMEDIATE_GRANTS, c->grants.data, c->grants.len};
	m.issued = now - 60;
	m.expires = now + YEAR / 2;
	m.intermediates = list;
	m.n_intermediates = 2;
	assert_int_equal(proto_trust_new(span(&c->root), &m, now, &c->trust), 0);
}

void cast_done(struct cast *c)
{
	for (size_t i = 0; i < c->n; i++) {
		client_group_free(c->people[i].group);
		client_news_done(&c->people[i].news);
		cv_buf_done(&c->people[i].certificate);
		cv_buf_done(&c->people[i].admission);
	}
	proto_trust_free(c->trust);
	cv_buf_done(&c->root);
	cv_buf_done(&c->issuer);
	cv_buf_done(&c->grants);
	cv_buf_done(&c->creation_grant);
}

static void make_admission(struct cast *c, struct person *p, const struct odd *odd)
{
	uint64_t now = client_clock_now(&c->clock);
	struct proto_admission a = {.issued = now - 5, .expires = now + 86000, .rights = p->rights, .flags = p->flags};

	fill(a.admission_id, 16);
	memcpy(a.run_id, odd->run_id != NULL ? odd->run_id : c->run_id, 16);
	memcpy(a.user_id, odd->admission_user != NULL ? odd->admission_user : p->user_id, 16);
	proto_sha256(p->key, 32, a.device_hash);
	if (odd->admission_device != NULL)
		memcpy(a.device_hash, odd->admission_device, 32);
	if (odd->admission_left != 0) {
		a.expires = now + (uint64_t)odd->admission_left;
		a.issued = a.expires - 80000;
	}
	cv_buf_init(&p->admission, 4096);
	assert_int_equal(
		proto_admission_sign(&a, odd->grants_seed != NULL ? odd->grants_seed : c->grants_seed, &p->admission),
		0);
}

static void make_certificate(struct cast *c, struct person *p, const struct odd *odd)
{
	uint64_t now = client_clock_now(&c->clock);
	struct proto_identity id = {.not_before = now - 5, .not_after = now + 86400};

	memcpy(id.user_id, p->user_id, 16);
	memcpy(id.device_key, p->key, 32);
	snprintf(id.email, sizeof(id.email), "%s", p->email);
	snprintf(id.display_name, sizeof(id.display_name), "%s", p->name);
	if (odd->certificate_left != 0) {
		id.not_after = now + (uint64_t)odd->certificate_left;
		id.not_before = id.not_after - 80000;
	}
	cv_buf_init(&p->certificate, 4096);
	if (odd->issuer_seed != NULL) {
		struct cv_buf other, issuer;
		uint8_t key[32], root_seed[32];

		/* Somebody else's organisation. */
		fill(root_seed, 32);
		cv_buf_init(&other, 8192);
		assert_int_equal(proto_root_issue(root_seed, "Test", now - 60, now + YEAR, cv_rng_system(), &other), 0);
		proto_public_key(odd->issuer_seed, key);
		cv_buf_init(&issuer, 4096);
		assert_int_equal(proto_intermediate_issue(root_seed, span(&other), PROTO_INTERMEDIATE_ISSUER, key,
							  now - 60, now + YEAR / 2, cv_rng_system(), &issuer),
				 0);
		assert_int_equal(
			proto_identity_issue(odd->issuer_seed, span(&issuer), &id, cv_rng_system(), &p->certificate),
			0);
		cv_buf_done(&other);
		cv_buf_done(&issuer);
		return;
	}
	assert_int_equal(proto_identity_issue(c->issuer_seed, span(&c->issuer), &id, cv_rng_system(), &p->certificate),
			 0);
}

struct person *cast_person(struct cast *c, const char *name, uint8_t rights, const struct odd *odd)
{
	static const struct odd ordinary;
	struct client_group_config config;
	struct person *p;

	assert_true(c->n < CAST_MAX);
	p = &c->people[c->n++];
	memset(p, 0, sizeof(*p));
	if (odd == NULL)
		odd = &ordinary;
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->email, sizeof(p->email), "%s@example.org", name);
	fill(p->seed, 32);
	if (odd->seed != NULL)
		memcpy(p->seed, odd->seed, 32);
	proto_public_key(p->seed, p->key);
	fill(p->user_id, 16);
	if (odd->user_id != NULL)
		memcpy(p->user_id, odd->user_id, 16);
	p->rights = rights;
	p->flags = rights & PROTO_RIGHT_MODERATION ? PROTO_FLAG_ORGANISER : 0;
	make_certificate(c, p, odd);
	make_admission(c, p, odd);
	memset(&config, 0, sizeof(config));
	config.trust = c->trust;
	config.clock = &c->clock;
	config.rng = cv_rng_system();
	memcpy(config.run_id, odd->run_id != NULL ? odd->run_id : c->run_id, 16);
	memcpy(config.device_seed, p->seed, 32);
	memcpy(config.device_key, p->key, 32);
	config.certificates[0] = span(&p->certificate);
	config.certificates[1] = span(&c->issuer);
	config.admission = span(&p->admission);
	assert_int_equal(client_group_new(&config, &p->group), 0);
	return p;
}

void cast_create(struct cast *c, struct person *p)
{
	uint64_t now = client_clock_now(&c->clock);
	struct proto_creation_grant g = {.issued = now - 5, .expires = now + 300};

	memcpy(g.run_id, c->run_id, 16);
	memcpy(g.user_id, p->user_id, 16);
	proto_sha256(p->key, 32, g.device_hash);
	assert_int_equal(proto_creation_grant_sign(&g, c->grants_seed, &c->creation_grant), 0);
	assert_int_equal(client_group_create(p->group, span(&c->creation_grant), PROTO_SWITCH_FILES | c->more_switches),
			 0);
	p->in = true;
}

void cast_parts(const struct cv_buf *message, struct cv_buf *commit, struct cv_buf *welcome)
{
	PB(Handshake) * h;

	assert_int_equal(message->data[0], PROTO_KIND_HANDSHAKE);
	assert_int_equal(proto_handshake_unpack(message->data + 1, message->len - 1, &h), 0);
	cv_buf_init(commit, PROTO_HANDSHAKE_MAX);
	cv_buf_init(welcome, PROTO_HANDSHAKE_MAX);
	assert_int_equal(cv_buf_put(commit, h->commit.data, h->commit.len), 0);
	assert_int_equal(cv_buf_put(welcome, h->welcome.data, h->welcome.len), 0);
	proto_handshake_free(h);
}

int cast_deliver(struct cast *c, const struct person *from, const struct cv_buf *message)
{
	struct cv_buf commit, welcome;
	int first = 0;

	cast_parts(message, &commit, &welcome);
	for (size_t i = 0; i < c->n; i++) {
		struct person *p = &c->people[i];
		int r;

		if (p == from || !p->in)
			continue;
		client_news_done(&p->news);
		r = client_group_process(p->group, commit.data, commit.len, &p->news);
		if (r != 0 && first == 0)
			first = r;
		if (r == 0 && p->news.kind == CLIENT_NEWS_REMOVED)
			p->in = false;
	}
	cv_buf_done(&commit);
	cv_buf_done(&welcome);
	return first;
}

int cast_commit(struct cast *c, struct person *by, const struct client_change *change)
{
	struct client_commit made;
	int r;

	memset(&made, 0, sizeof(made));
	r = client_group_commit(by->group, change, &made);
	if (r != 0) {
		client_commit_done(&made);
		return r;
	}
	client_news_done(&by->news);
	assert_int_equal(client_group_accepted(by->group, &by->news), 0);
	r = cast_deliver(c, by, &made.message);
	client_commit_done(&made);
	return r;
}

void cast_admit(struct cast *c, struct person *by, struct person *who)
{
	struct client_change change = {.n_candidates = 1};
	struct client_candidate candidate = {.connection = 7};
	struct cv_buf kp, commit, welcome;
	struct client_commit made;

	memset(&made, 0, sizeof(made));
	cv_buf_init(&kp, 65536);
	assert_int_equal(client_group_key_package(who->group, &kp), 0);
	candidate.key_package = span(&kp);
	change.candidates = &candidate;
	assert_int_equal(client_group_commit(by->group, &change, &made), 0);
	assert_int_equal(made.n_refused, 0);
	client_news_done(&by->news);
	assert_int_equal(client_group_accepted(by->group, &by->news), 0);
	assert_int_equal(cast_deliver(c, by, &made.message), 0);
	cast_parts(&made.message, &commit, &welcome);
	assert_int_equal(client_group_join(who->group, welcome.data, welcome.len), 0);
	who->in = true;
	cv_buf_done(&kp);
	cv_buf_done(&commit);
	cv_buf_done(&welcome);
	client_commit_done(&made);
}

void cast_revocation(struct cast *c, const struct person *who, bool whole_user, struct cv_buf *out)
{
	uint64_t now = client_clock_now(&c->clock);
	struct proto_revocation r = {.issued = now - 5, .expires = now + 3600};

	memcpy(r.run_id, c->run_id, 16);
	memcpy(r.user_id, who->user_id, 16);
	if (!whole_user)
		proto_sha256(who->key, 32, r.device_hash);
	cv_buf_init(out, 4096);
	assert_int_equal(proto_revocation_sign(&r, c->grants_seed, out), 0);
}

void cast_agree(const struct cast *c)
{
	const struct person *first = NULL;
	uint8_t a[32], b[32];

	for (size_t i = 0; i < c->n; i++) {
		const struct person *p = &c->people[i];

		if (!p->in)
			continue;
		assert_int_equal(client_group_authenticator(p->group, b), 0);
		if (first != NULL) {
			assert_int_equal(client_group_epoch(p->group), client_group_epoch(first->group));
			assert_int_equal(client_group_count(p->group), client_group_count(first->group));
			assert_memory_equal(a, b, 32);
		} else {
			memcpy(a, b, 32);
			first = p;
		}
	}
}

void cast_renewed(struct cast *c, const struct person *p, uint64_t life, struct cv_buf *ret)
{
	uint64_t now = client_clock_now(&c->clock);
	struct proto_identity id = {.not_before = now - 5, .not_after = now + life};

	memcpy(id.user_id, p->user_id, 16);
	memcpy(id.device_key, p->key, 32);
	snprintf(id.email, sizeof(id.email), "%s", p->email);
	snprintf(id.display_name, sizeof(id.display_name), "%s", p->name);
	cv_buf_init(ret, 4096);
	assert_int_equal(proto_identity_issue(c->issuer_seed, span(&c->issuer), &id, cv_rng_system(), ret), 0);
}
