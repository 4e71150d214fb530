/* SPDX-License-Identifier: Apache-2.0 */
/* Proposal lists and KeyPackages that RFC 9420 tells receivers to refuse, sent by a member who signs them properly. */
#include "authority.h"
#include "cast.h"

/* The control of all that follows: a good list gets as far as the confirmation tag. */
static void test_control(void **state)
{
	struct cast *x = *state;

	put_add(&x->list, person_offer(&x->d));
	cast_commit_list(x);
	cast_refused(x, CV_EAUTH);
}

/* Section 12.2, one rule after the other. */
static void test_lists(void **state)
{
	struct cast *x = *state;
	uint32_t carol = mls_group_own_index(x->c.group);

	cast_commit_list(x); /* empty list without a path */
	cast_refused(x, CV_EINVAL);
	put_remove(&x->list, carol); /* Remove without a path */
	cast_commit_list(x);
	cast_refused(x, CV_EINVAL);
	put_extensions(&x->list); /* GroupContextExtensions without a path */
	cast_commit_list(x);
	cast_refused(x, CV_EINVAL);
	put_psk(&x->list, MLS_PSK_EXTERNAL, 31); /* a nonce that is not Nh long */
	cast_commit_list(x);
	cast_refused(x, CV_EINVAL);
	put_psk(&x->list, MLS_PSK_EXTERNAL, 32); /* the same PSK twice */
	put_psk(&x->list, MLS_PSK_EXTERNAL, 32);
	cast_commit_list(x);
	cast_refused(x, CV_EINVAL);
	put_psk(&x->list, MLS_PSK_BRANCH, 32); /* outside a branch */
	cast_commit_list(x);
	cast_refused(x, CV_EINVAL);
	put_psk(&x->list, MLS_PSK_REINIT, 32); /* outside a reinitialisation */
	cast_commit_list(x);
	cast_refused(x, CV_EINVAL);
	put_by_value(&x->list, MLS_PROPOSAL_EXTERNAL_INIT); /* by a member */
	cv_buf_put_vec(&x->list, "0123456789abcdef0123456789abcdef", 32);
	cast_commit_list(x);
	cast_refused(x, CV_EINVAL);
	put_by_value(&x->list, MLS_PROPOSAL_REINIT); /* ReInit and something else */
	cv_buf_put_vec(&x->list, "next", 4);
	cv_buf_put_u16(&x->list, 1);
	cv_buf_put_u16(&x->list, 1);
	mls_put_extensions(&x->list, NULL, 0);
	put_add(&x->list, person_offer(&x->d));
	cast_commit_list(x);
	cast_refused(x, CV_EINVAL);
	put_by_value(&x->list, MLS_PROPOSAL_REINIT); /* ReInit to an older protocol */
	cv_buf_put_vec(&x->list, "next", 4);
	cv_buf_put_u16(&x->list, 0);
	cv_buf_put_u16(&x->list, 1);
	mls_put_extensions(&x->list, NULL, 0);
	cast_commit_list(x);
	cast_refused(x, CV_EINVAL);
	cv_buf_put_u8(&x->list, BY_REFERENCE); /* a reference to nothing */
	cv_buf_put_vec(&x->list, "0123456789abcdef0123456789abcdef", 32);
	cast_commit_list(x);
	cast_refused(x, CV_ENOTFOUND);
	put_by_value(&x->list, 0x0a0a); /* a proposal type that nobody knows */
	cast_commit_list(x);
	cast_refused(x, CV_EUNSUPPORTED);
}

/* A commit that is right in all but its list: path, hashes and tags are made for it. */
static void commit_list_as_it_is(struct cast *x)
{
	assert_int_equal(forge_commit(x->a.group, SPAN_OF(x->list), FORGE_LIST, &x->msg, NULL), 0);
}

/* The committer itself, a member twice, nobody, and far out. */
static void test_removals(void **state)
{
	struct cast *x = *state;
	uint32_t carol = mls_group_own_index(x->c.group);

	put_remove(&x->list, mls_group_own_index(x->a.group));
	cast_commit_list_with_path(x, MLS_PRIVATE_MESSAGE);
	cast_refused(x, CV_EINVAL);
	put_remove(&x->list, carol);
	put_remove(&x->list, carol);
	commit_list_as_it_is(x);
	cast_refused(x, CV_EINVAL);
	put_remove(&x->list, 3);
	commit_list_as_it_is(x);
	cast_refused(x, CV_EINVAL);
	put_remove(&x->list, UINT32_MAX);
	cast_commit_list_with_path(x, MLS_PRIVATE_MESSAGE);
	cast_refused(x, CV_EINVAL);
	/* The control: Carol once. */
	put_remove(&x->list, carol);
	commit_list_as_it_is(x);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
}

/* Section 12.4.1: Update only by reference. */
static void test_update_by_value(void **state)
{
	struct cast *x = *state;
	struct cv_buf u;

	cv_buf_init(&u, BUF_MAX);
	assert_int_equal(mls_group_propose_update(x->a.group, NULL, NOTHING, &u), 0);
	put_by_value(&x->list, MLS_PROPOSAL_UPDATE);
	mls_put_leaf_node(&x->list, &x->a.group->kept[0]->p.update);
	cast_commit_list(x);
	cast_refused(x, CV_EINVAL);
	cv_buf_done(&u);
}

/* Sections 7.3 and 10.1: KeyPackages that must not be added. */
static void offer_spoiled(struct cast *x, void (*spoil)(struct cast *x, struct key_package *kp), bool sign_leaf,
			  struct cv_buf *out)
{
	struct cv_span offer = person_offer(&x->d);
	uint8_t sig[MLS_SIGNATURE_MAX], leaf_sig[MLS_SIGNATURE_MAX];
	struct mls_signer signer = x->d.member.signer;
	struct mls_message m;
	struct cv_buf leaf, tbs;
	struct cv_span part;
	size_t n;

	cv_buf_init(&leaf, BUF_MAX);
	cv_buf_init(&tbs, BUF_MAX);
	assert_int_equal(mls_get_message(offer, &m), 0);
	struct key_package kp = m.key_package;
	spoil(x, &kp);
	mls_put_leaf_tbs(&leaf, &kp.leaf);
	part = SPAN_OF(leaf);
	if (sign_leaf) {
		assert_int_equal(mls_crypto_sign(&signer, "LeafNodeTBS", &part, 1, leaf_sig, &n), 0);
		kp.leaf.signature = SPAN(leaf_sig, n);
	}
	kp.signature = SPAN_NONE;
	mls_put_key_package(&tbs, &kp);
	part = SPAN(tbs.data, tbs.len - 1);
	assert_int_equal(mls_crypto_sign(&signer, "KeyPackageTBS", &part, 1, sig, &n), 0);
	kp.signature = SPAN(sig, n);
	mls_put_message_head(out, MLS_KEY_PACKAGE);
	mls_put_key_package(out, &kp);
	cv_buf_done(&leaf);
	cv_buf_done(&tbs);
}

static void spoil_nothing(struct cast *x, struct key_package *kp)
{
}
static void spoil_expired(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.not_after = NOW - 1;
}
static void spoil_future(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.not_before = NOW + 1;
}
static void spoil_reversed(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.not_before = NOW;
	kp->leaf.v.not_after = NOW - 10;
}
/* The end before the beginning, each of them near enough to now for who allows a hundred seconds. */
static void spoil_backwards(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.not_before = NOW + 50;
	kp->leaf.v.not_after = NOW + 40;
}
static void spoil_source(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.source = MLS_LEAF_COMMIT;
	kp->leaf.parent_hash = SPAN_STR("x");
}
static void spoil_init_key(struct cast *x, struct key_package *kp)
{
	kp->init_key = kp->leaf.v.encryption_key;
}
static void spoil_small_order(struct cast *x, struct key_package *kp)
{
	static const uint8_t one[32] = {1};

	kp->leaf.v.encryption_key = SPAN(one, 32);
}
static void spoil_suite(struct cast *x, struct key_package *kp)
{
	kp->suite = 3;
}
static void spoil_version(struct cast *x, struct key_package *kp)
{
	kp->version = 2;
}
static void spoil_versions(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.capabilities.versions = SPAN_STR("\x00\x02");
}
static void spoil_suites(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.capabilities.suites = SPAN_STR("\x00\x03");
}
static void spoil_credentials(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.capabilities.credentials = SPAN_STR("\x00\x02");
}
static void spoil_extension(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.extensions = SPAN_STR("\xf0\x55\x00");
}
static void spoil_kp_extension(struct cast *x, struct key_package *kp)
{
	kp->extensions = SPAN_STR("\xf0\x55\x00");
}
static void spoil_member_key(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.encryption_key = mls_tree_leaf(x->c.group->cur->tree, 0)->v.encryption_key;
}
static void spoil_init_small_order(struct cast *x, struct key_package *kp)
{
	static const uint8_t one[32] = {1};

	kp->init_key = SPAN(one, 32);
}
static void spoil_extension_twice(struct cast *x, struct key_package *kp)
{
	kp->extensions = SPAN_STR("\x00\x01\x00\x00\x01\x00");
}
/* A certificate, which all members can live with, on a leaf that cannot live with their basic credentials. */
static void spoil_others_credentials(struct cast *x, struct key_package *kp)
{
	static uint8_t data[4096];
	struct cv_buf cert, chain;

	cv_buf_init(&cert, BUF_MAX);
	cv_buf_init(&chain, BUF_MAX);
	assert_int_equal(authority_issue(1, kp->leaf.v.signature_key, "dave", &cert), 0);
	assert_int_equal(mls_x509_chain((struct cv_span[]){SPAN_OF(cert)}, 1, &chain), 0);
	assert_in_range(chain.len, 1, sizeof(data));
	memcpy(data, chain.data, chain.len);
	kp->leaf.v.credential = (struct mls_credential){MLS_CREDENTIAL_X509, SPAN(data, chain.len)};
	kp->leaf.v.capabilities.credentials = SPAN_STR("\x00\x02");
	cv_buf_done(&cert);
	cv_buf_done(&chain);
	authority_close();
}
/* Nothing wrong but for the signature, when that is left as it was. */
static void spoil_lifetime(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.not_after++;
}
static void spoil_member_identity(struct cast *x, struct key_package *kp)
{
	kp->leaf.v.signature_key = x->c.member.signature_key;
}

static void test_key_packages(void **state)
{
	struct cast *x = *state;
	const struct {
		void (*spoil)(struct cast *x, struct key_package *kp);
		bool sign_leaf;
		int want;
	} all[] = {
		{spoil_nothing, true, CV_EAUTH}, /* the confirmation tag: the control */
		{spoil_expired, true, CV_EEXPIRED},        {spoil_future, true, CV_EEXPIRED},
		{spoil_reversed, true, CV_EEXPIRED},       {spoil_expired, false, CV_EEXPIRED},
		{spoil_source, true, CV_EINVAL},           {spoil_init_key, true, CV_EINVAL},
		{spoil_small_order, true, CV_EINVAL},      {spoil_suite, true, CV_EUNSUPPORTED},
		{spoil_version, true, CV_EUNSUPPORTED},    {spoil_versions, true, CV_EUNSUPPORTED},
		{spoil_suites, true, CV_EUNSUPPORTED},     {spoil_credentials, true, CV_EUNSUPPORTED},
		{spoil_extension, true, CV_EUNSUPPORTED},  {spoil_kp_extension, true, CV_EUNSUPPORTED},
		{spoil_member_key, true, CV_EEXIST},       {spoil_init_small_order, true, CV_EINVAL},
		{spoil_extension_twice, true, CV_EFORMAT}, {spoil_others_credentials, true, CV_EUNSUPPORTED},
	};
	struct cv_buf kp;

	cv_buf_init(&kp, BUF_MAX);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		cv_buf_reset(&kp);
		offer_spoiled(x, all[i].spoil, all[i].sign_leaf, &kp);
		put_add(&x->list, SPAN_OF(kp));
		cast_commit_list(x);
		cast_refused(x, all[i].want);
		/* The maker refuses it as well. */
		if (all[i].want != CV_EAUTH) {
			struct mls_commit_output out;
			struct cv_span one = SPAN_OF(kp);

			assert_int_equal(
				mls_group_commit(x->c.group, &(struct mls_commit){.adds = &one, .n_adds = 1}, &out),
				all[i].want);
			assert_false(mls_group_has_pending(x->c.group));
		}
	}
	/* The signature of the package. */
	cv_buf_reset(&kp);
	offer_spoiled(x, spoil_nothing, false, &kp);
	kp.data[kp.len - 1] ^= 1;
	put_add(&x->list, SPAN_OF(kp));
	cast_commit_list(x);
	cast_refused(x, CV_EAUTH);
	cv_buf_done(&kp);
}

/*
 * In a proposal of its own nothing stands behind a KeyPackage's checks: no look at the whole tree, no confirmation tag,
 * so that each must be the one that refuses. `package` says whether the package's own signature is right.
 */
static void test_proposed_key_packages(void **state)
{
	static const struct {
		void (*spoil)(struct cast *x, struct key_package *kp);
		bool leaf, package;
		int want;
	} all[] = {
		{spoil_lifetime, false, true, CV_EAUTH},
		{spoil_nothing, true, false, CV_EAUTH},
		{spoil_credentials, true, true, CV_EUNSUPPORTED},
		{spoil_backwards, true, true, CV_EEXPIRED},
		{spoil_lifetime, true, true, 0}, /* the control */
	};
	struct mls_key_package_view v;
	struct cast *x = *state;
	struct cv_buf kp;

	x->b.group->opt.lifetime_tolerance = 100;
	cv_buf_init(&kp, BUF_MAX);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		cv_buf_reset(&kp);
		offer_spoiled(x, all[i].spoil, all[i].leaf, &kp);
		kp.data[kp.len - 1] ^= !all[i].package;
		cv_buf_put_u16(&x->body, MLS_PROPOSAL_ADD);
		cv_buf_put(&x->body, kp.data + 4, kp.len - 4);
		assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, SPAN_OF(x->body),
					       SPAN_NONE, &x->msg),
				 0);
		if (all[i].want)
			cast_refused(x, all[i].want);
		else
			assert_int_equal(person_process(&x->b, &x->msg), 0);
		assert_int_equal(mls_group_n_proposals(x->b.group), !all[i].want);
		if (all[i].want == CV_EAUTH)
			assert_int_equal(mls_key_package_read(kp.data, kp.len, &v), CV_EAUTH);
	}
	cv_buf_reset(&kp);
	offer_spoiled(x, spoil_source, true, &kp);
	assert_int_equal(mls_key_package_read(kp.data, kp.len, &v), CV_EINVAL);
	cv_buf_done(&kp);
}

/* The same client twice in one commit, one who is a member already, and the longest validity allowed here. */
static void test_key_packages_and_members(void **state)
{
	struct cast *x = *state;
	struct cv_buf kp;

	cv_buf_init(&kp, BUF_MAX);
	offer_spoiled(x, spoil_nothing, true, &kp);
	put_add(&x->list, SPAN_OF(kp));
	put_add(&x->list, SPAN_OF(kp));
	cast_commit_list(x);
	cast_refused(x, CV_EEXIST);
	cv_buf_reset(&kp);
	offer_spoiled(x, spoil_member_identity, true, &kp);
	put_add(&x->list, SPAN_OF(kp));
	cast_commit_list(x);
	cast_refused(x, CV_EAUTH); /* Carol's key, Dave's signature */
	put_add(&x->list, person_offer(&x->c));
	cast_commit_list(x);
	cast_refused(x, CV_EEXIST);
	x->b.group->opt.lifetime_max = 300;
	put_add(&x->list, person_offer(&x->d));
	cast_commit_list(x);
	cast_refused(x, CV_EEXPIRED);
	cv_buf_done(&kp);
}

/* One proposal twice by reference: refused before its KeyPackage is looked at, a thousand times over if need be. */
static void test_reference_twice(void **state)
{
	struct cast *x = *state;
	struct cv_buf proposal;

	cv_buf_init(&proposal, BUF_MAX);
	assert_int_equal(mls_group_propose_add(x->a.group, person_offer(&x->d), NOTHING, &proposal), 0);
	assert_int_equal(person_process(&x->b, &proposal), 0);
	x->b.leaf_answer = CV_EDENIED; /* would be the answer to whoever looks */
	for (int times = 2; times; times--) {
		for (int i = 0; i < times; i++) {
			cv_buf_put_u8(&x->list, BY_REFERENCE);
			cv_buf_put_vec(&x->list, x->a.group->kept[0]->ref, 32);
		}
		cast_commit_list(x);
		cast_refused(x, times == 2 ? CV_EINVAL : CV_EDENIED);
	}
	cv_buf_done(&proposal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_CAST(test_control),
		WITH_CAST(test_lists),
		WITH_CAST(test_removals),
		WITH_CAST(test_update_by_value),
		WITH_CAST(test_key_packages),
		WITH_CAST(test_key_packages_and_members),
		WITH_CAST(test_proposed_key_packages),
		WITH_CAST(test_reference_twice),
	};

	return cmocka_run_group_tests_name("mls refuses lists", tests, NULL, NULL);
}
