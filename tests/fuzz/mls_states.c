/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include <openssl/x509.h>

#include "mls_states.h"

/* --- the policy --- */

/* Reads what a hook was shown, so that a sanitizer sees what does not live any more. */
static volatile uint8_t seen; /* volatile: the reading must not be optimised away */

static int look(struct cv_span s)
{
	for (size_t i = 0; i < s.len; i++)
		seen ^= s.data[i];
	return 0;
}

static void look_leaf(const struct mls_leaf_view *l)
{
	if (!l)
		return;
	look(l->encryption_key);
	look(l->signature_key);
	look(l->credential.data);
	look(l->capabilities.proposals);
	look(l->extensions);
}

static void look_change(const struct mls_change *c)
{
	look_leaf(c->leaf);
	look(c->extensions);
	look(c->group_id);
	look(c->psk.psk_id);
	look(c->psk.group_id);
}

static int accept_leaf(void *ctx, const struct mls_leaf_question *q)
{
	look_leaf(q->leaf);
	look_leaf(q->replaced);
	return look(q->group_id);
}

static int accept_commit(void *ctx, const struct mls_commit_question *q)
{
	for (size_t i = 0; i < q->n_changes; i++)
		look_change(&q->changes[i]);
	look_leaf(q->committer_leaf);
	look_leaf(q->new_leaf);
	look(q->old_extensions);
	look(q->new_extensions);
	return look(q->authenticated_data);
}

static int accept_proposal(void *ctx, const struct mls_proposal_question *q)
{
	look_change(q->change);
	return look(q->authenticated_data);
}

static int accept_info(void *ctx, const struct mls_group *g, struct cv_span extensions)
{
	return look(extensions);
}

static int accept_join(void *ctx, const struct mls_group *g)
{
	look(mls_group_extensions(g));
	return look(mls_group_tree_hash(g));
}

struct cv_span fuzz_descent;

/* One external key is known, and what a target has said about the group before. */
static int find_psk(void *ctx, const struct mls_psk_question *q, struct cv_span *ret)
{
	if ((q->usage == MLS_PSK_REINIT || q->usage == MLS_PSK_BRANCH) && fuzz_descent.len) {
		*ret = fuzz_descent;
		return 0;
	}
	if (q->usage != MLS_PSK_EXTERNAL || !mls_span_equal(q->psk_id, SPAN_STR("id")))
		return CV_ENOTFOUND;
	*ret = SPAN_STR("a pre-shared key");
	return 0;
}

const struct mls_group_options fuzz_options = {.env = &fuzz_env,
					       .past_epochs = 2,
					       .policy = {.leaf = accept_leaf,
							  .commit = accept_commit,
							  .proposal = accept_proposal,
							  .group_info = accept_info,
							  .join = accept_join,
							  .psk = find_psk}};

/* --- people --- */

/* The same bytes each time: Ed25519, and no clock. */
static void certify(struct someone *p, const uint8_t seed[32])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	uint8_t *der = NULL;
	int len;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"someone", -1, -1, 0);
	X509_set_issuer_name(x, name);
	ASN1_TIME_set(X509_getm_notBefore(x), FUZZ_NOW - 60);
	ASN1_TIME_set(X509_getm_notAfter(x), FUZZ_NOW + 3600);
	MUST(X509_set_pubkey(x, key) != 1 || X509_sign(x, key, NULL) <= 0);
	len = i2d_X509(x, &der);
	MUST(len <= 0);
	cv_buf_init(&p->chain, FUZZ_MAX);
	MUST(mls_x509_chain(&SPAN(der, (size_t)len), 1, &p->chain));
	p->member.credential = (struct mls_credential){.type = MLS_CREDENTIAL_X509, .data = BUF_SPAN(p->chain)};
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(key);
}

static void person(struct mls_state *s, int i, bool certified)
{
	static const char names[N_PEOPLE][2] = {"0", "1", "2", "3", "4", "5", "6", "7"};
	struct someone *p = &s->who[i];
	uint8_t seed[32];

	MUST(cv_rng_fill(&fuzz_rng, seed, sizeof(seed)));
	MUST(certified ? mls_sign_key_new(s->suite, seed, sizeof(seed), &p->key)
		       : mls_sign_key_generate(s->suite, &fuzz_rng, &p->key));
	p->member = (struct mls_member){.credential = {.type = MLS_CREDENTIAL_BASIC, .data = SPAN(names[i], 1)},
					.signature_key = mls_sign_key_public(p->key),
					.signer = mls_sign_key_signer(p->key)};
	if (certified)
		certify(p, seed);
	MUST(mls_key_package_new(&fuzz_env, s->suite, &p->member, FUZZ_NOW - 60, FUZZ_NOW + 300, &p->kp));
}

/* --- what they live through --- */

struct life {
	struct mls_state *s;
	struct mls_group *g[N_PEOPLE];
};

/* Everybody but the sender takes it; who is removed by it leaves. */
static void take(struct life *l, int from, const struct cv_buf *msg)
{
	struct mls_received r;

	for (int i = 0; i < N_PEOPLE; i++) {
		if (i == from || !l->g[i])
			continue;
		MUST(mls_group_process(l->g[i], msg->data, msg->len, &r));
		if (r.kind == MLS_RECEIVED_REMOVED) {
			mls_group_free(l->g[i]);
			l->g[i] = NULL;
		}
		mls_received_done(&r);
	}
}

static void commit(struct life *l, int from, const struct mls_commit *what)
{
	struct mls_commit_output out;

	MUST(mls_group_commit(l->g[from], what, &out));
	take(l, from, &out.commit);
	MUST(mls_group_merge_pending(l->g[from]));
	for (int i = 0; out.welcome.len && i < N_PEOPLE; i++) {
		struct mls_join j = {.welcome = BUF_SPAN(out.welcome),
				     .key_package = l->s->who[i].kp,
				     .signer = l->s->who[i].member.signer};

		if (!l->g[i] && mls_group_join(&fuzz_options, &j, &l->g[i]))
			l->g[i] = NULL;
	}
	mls_commit_output_done(&out);
}

/* By Adds alone: newcomers are unmerged leaves of whatever is above them. */
static void add(struct life *l, int first, int last)
{
	struct cv_span kp[N_PEOPLE];
	size_t n = 0;

	for (int i = first; i <= last; i++)
		kp[n++] = mls_key_package_message(l->s->who[i].kp);
	commit(l, PEER, &(struct mls_commit){.adds = kp, .n_adds = n});
	for (int i = first; i <= last; i++)
		MUST(!l->g[i]);
}

static void keep_earlier(struct life *l)
{
	struct cv_buf *b = &l->s->saved[EARLIER];

	cv_buf_init(b, FUZZ_MAX);
	MUST(mls_group_save(l->g[PEER], b));
}

static void lead_pair(struct life *l)
{
	add(l, JUDGE, JUDGE);
	keep_earlier(l);
	commit(l, PEER, &(struct mls_commit){0});
}

static void lead_crowd(struct life *l)
{
	static const uint32_t two[] = {3, 4};

	add(l, OTHER_PEER, 5);
	commit(l, JUDGE, &(struct mls_commit){0});
	commit(l, 5, &(struct mls_commit){0});
	commit(l, OTHER_PEER, &(struct mls_commit){.removes = two, .n_removes = 2});
	keep_earlier(l);
	add(l, 6, 6);
}

/* --- how they end up --- */

static void keep_all_kinds(struct life *l)
{
	static const struct mls_psk_question psk = {.usage = MLS_PSK_EXTERNAL, .psk_id = SPAN_STR("id")};
	struct cv_buf m[5];

	for (int i = 0; i < 5; i++)
		cv_buf_init(&m[i], FUZZ_MAX);
	MUST(mls_group_propose_update(l->g[OTHER_PEER], NULL, SPAN_NONE, &m[0]));
	take(l, OTHER_PEER, &m[0]);
	MUST(mls_group_propose_add(l->g[PEER], mls_key_package_message(l->s->who[NEWCOMER].kp), SPAN_NONE, &m[1]));
	take(l, PEER, &m[1]);
	MUST(mls_group_propose_remove(l->g[PEER], 5, SPAN_NONE, &m[2]));
	take(l, PEER, &m[2]);
	MUST(mls_group_propose_psk(l->g[JUDGE], &psk, SPAN_NONE, &m[3]));
	take(l, JUDGE, &m[3]);
	MUST(mls_group_propose_extensions(l->g[5], NULL, 0, SPAN_NONE, &m[4]));
	take(l, 5, &m[4]);
	for (int i = 0; i < 5; i++)
		cv_buf_done(&m[i]);
}

static void keep_updates(struct life *l)
{
	struct cv_buf m;

	for (int i = 0; i < 2; i++) {
		cv_buf_init(&m, FUZZ_MAX);
		MUST(mls_group_propose_update(l->g[JUDGE], NULL, SPAN_NONE, &m));
		take(l, JUDGE, &m);
		cv_buf_done(&m);
	}
}

static void reinitialise(struct life *l)
{
	static const struct mls_reinit next = {.group_id = SPAN_STR("next"), .suite = 1};

	commit(l, PEER, &(struct mls_commit){.reinit = &next});
}

static const struct plan {
	const char *name;
	uint16_t suite;
	bool certificates, senders;
	void (*lead)(struct life *l), (*end)(struct life *l);
} plans[N_STATES] = {
	[STATE_PAIR] = {"pair", 1, .lead = lead_pair},
	[STATE_CROWD] = {"crowd", 1, .lead = lead_crowd},
	[STATE_PENDING] = {"pending", 1, .lead = lead_crowd}, /* not saved: whoever opens it commits */
	[STATE_KEPT] = {"kept", 1, .lead = lead_crowd, .end = keep_all_kinds},
	[STATE_UPDATING] = {"updating", 1, .lead = lead_crowd, .end = keep_updates},
	[STATE_SENDERS] = {"senders", 1, .senders = true, .lead = lead_crowd},
	[STATE_X509] = {"x509", 3, .certificates = true, .lead = lead_crowd},
	[STATE_P256] = {"p256", 2, .lead = lead_crowd, .end = keep_all_kinds},
	[STATE_ENDED] = {"ended", 1, .lead = lead_pair, .end = reinitialise},
	[STATE_X448] = {"x448", 4, .lead = lead_crowd},
	[STATE_P521] = {"p521", 5, .lead = lead_pair},
	[STATE_CHACHA] = {"chacha", 6, .lead = lead_pair},
	[STATE_P384] = {"p384", 7, .lead = lead_pair},
};

/* NEWCOMER and OTHER_PEER may propose from outside; everybody must know certificates. */
static void found(struct life *l, bool senders)
{
	static const uint16_t credentials[] = {MLS_CREDENTIAL_BASIC, MLS_CREDENTIAL_X509};
	const struct someone *a = &l->s->who[NEWCOMER], *b = &l->s->who[OTHER_PEER];
	const struct mls_external_sender list[] = {{a->member.signature_key, a->member.credential},
						   {b->member.signature_key, b->member.credential}};
	struct mls_extension e[] = {{.type = MLS_EXT_EXTERNAL_SENDERS}, {.type = MLS_EXT_REQUIRED_CAPABILITIES}};
	struct cv_buf data[2];

	cv_buf_init(&data[0], FUZZ_MAX);
	cv_buf_init(&data[1], FUZZ_MAX);
	MUST(mls_external_senders(list, 2, &data[0]));
	MUST(mls_required_capabilities(NULL, 0, NULL, 0, credentials, 2, &data[1]));
	e[0].data = BUF_SPAN(data[0]);
	e[1].data = BUF_SPAN(data[1]);
	MUST(mls_group_create(&fuzz_options, l->s->suite, &l->s->who[PEER].member, SPAN_STR("fuzz"), e, senders ? 2 : 0,
			      &l->g[PEER]));
	cv_buf_done(&data[0]);
	cv_buf_done(&data[1]);
}

static void make(struct mls_state *s, const struct plan *plan)
{
	struct life l = {.s = s};

	s->name = plan->name;
	s->suite = plan->suite;
	for (int i = 0; i < N_PEOPLE; i++)
		person(s, i, plan->certificates && i != OTHER_PEER && i != 5);
	found(&l, plan->senders);
	plan->lead(&l);
	if (plan->end)
		plan->end(&l);
	for (int i = 0; i < EARLIER; i++) {
		cv_buf_init(&s->saved[i], FUZZ_MAX);
		if (l.g[i])
			MUST(mls_group_save(l.g[i], &s->saved[i]));
	}
	for (int i = 0; i < N_PEOPLE; i++)
		mls_group_free(l.g[i]);
}

struct mls_state *mls_states(void)
{
	static struct mls_state states[N_STATES];

	for (int i = 0; !states[N_STATES - 1].name && i < N_STATES; i++) {
		fuzz_seed(100u + (unsigned)i);
		make(&states[i], &plans[i]);
	}
	fuzz_seed(2);
	return states;
}

struct mls_own_key mls_state_key(const struct someone *p)
{
	return (struct mls_own_key){.public_key = p->member.signature_key, .signer = p->member.signer};
}

struct mls_group *mls_state_open(const struct mls_state *s, int seat)
{
	struct mls_own_key key = mls_state_key(&s->who[seat == EARLIER ? PEER : seat]);
	struct mls_group *g;

	if (!s->saved[seat].len)
		return NULL;
	MUST(mls_group_restore(&fuzz_options, &key, 1, s->saved[seat].data, s->saved[seat].len, &g));
	return g;
}

void mls_state_check(const struct mls_group *g)
{
	struct mls_own_key key = {.signer = g->cur->signer};
	struct mls_group *copy;
	struct cv_buf a, b;

	if (g->removed)
		return;
	key.public_key = mls_tree_leaf(g->cur->tree, g->cur->own)->v.signature_key;
	cv_buf_init(&a, 4 * FUZZ_MAX);
	cv_buf_init(&b, 4 * FUZZ_MAX);
	MUST(mls_group_save(g, &a));
	MUST(mls_group_restore(&fuzz_options, &key, 1, a.data, a.len, &copy));
	MUST(mls_group_save(copy, &b));
	MUST(!mls_span_equal(BUF_SPAN(a), BUF_SPAN(b)));
	mls_group_free(copy);
	cv_buf_done(&a);
	cv_buf_done(&b);
}
