/* SPDX-License-Identifier: Apache-2.0 */
/* What RFC 9420 says that a receiver must refuse, sent by members who sign it properly. */
#include "helper.h"

#include "forge.h"

#define BUF_MAX (1 << 20)

/* Alice (dishonest), Bob (the judge), Carol, and Dave who is outside. */
struct cast {
	struct world w;
	struct person a, b, c, d;
	struct cv_buf list, msg, body;
};

static int setup(void **state)
{
	static struct cast x;
	struct mls_commit_output out;
	struct cv_span adds[2];

	world_init(&x.w, 77);
	person_init(&x.a, &x.w, 1, "alice");
	person_init(&x.b, &x.w, 1, "bob");
	person_init(&x.c, &x.w, 1, "carol");
	person_init(&x.d, &x.w, 1, "dave");
	person_create(&x.a, "court");
	adds[0] = person_offer(&x.b);
	adds[1] = person_offer(&x.c);
	person_commit(&x.a, &(struct mls_commit){.adds = adds, .n_adds = 2}, &out);
	if (person_join(&x.b, &out) || person_join(&x.c, &out))
		return -1;
	mls_commit_output_done(&out);
	cv_buf_init(&x.list, BUF_MAX);
	cv_buf_init(&x.msg, BUF_MAX);
	cv_buf_init(&x.body, BUF_MAX);
	*state = &x;
	return 0;
}

static int teardown(void **state)
{
	struct cast *x = *state;

	person_done(&x->a);
	person_done(&x->b);
	person_done(&x->c);
	person_done(&x->d);
	cv_buf_done(&x->list);
	cv_buf_done(&x->msg);
	cv_buf_done(&x->body);
	return 0;
}

/* Bob refuses with `want`, and is where he was: the next honest commit is fine for him. */
static void refused(struct cast *x, int want)
{
	struct cv_span before = mls_group_epoch_authenticator(x->b.group);
	uint8_t copy[32];

	memcpy(copy, before.data, 32);
	assert_int_equal(person_process(&x->b, &x->msg), want);
	assert_memory_equal(mls_group_epoch_authenticator(x->b.group).data, copy, 32);
	cv_buf_reset(&x->msg);
	cv_buf_reset(&x->list);
	cv_buf_reset(&x->body);
}

static void by_value(struct cv_buf *b, uint16_t type)
{
	cv_buf_put_u8(b, BY_VALUE);
	cv_buf_put_u16(b, type);
}

static void put_remove(struct cv_buf *b, uint32_t leaf)
{
	by_value(b, MLS_PROPOSAL_REMOVE);
	cv_buf_put_u32(b, leaf);
}

static struct cv_span inner(struct cv_span message)
{
	return SPAN(message.data + 4, message.len - 4);
}

static void put_add(struct cv_buf *b, struct cv_span message)
{
	by_value(b, MLS_PROPOSAL_ADD);
	mls_put_span_raw(b, inner(message));
}

static void put_psk(struct cv_buf *b, enum mls_psk_usage usage, size_t nonce_len)
{
	struct psk_id id = {.usage = usage,
			    .id = SPAN_STR("id"),
			    .group_id = SPAN_STR("court"),
			    .epoch = 1,
			    .nonce = SPAN("0123456789abcdef0123456789abcdef", nonce_len)};

	by_value(b, MLS_PROPOSAL_PSK);
	mls_put_psk_id(b, &id);
}

static void put_extensions(struct cv_buf *b)
{
	by_value(b, MLS_PROPOSAL_GROUP_CONTEXT_EXTENSIONS);
	mls_put_extensions(b, NULL, 0);
}

/* A commit without a path over x->list; its confirmation tag is nonsense, so nothing gets past it by luck. */
static void commit_list(struct cast *x)
{
	static const uint8_t tag[32];

	cv_buf_put_vec(&x->body, x->list.data, x->list.len);
	cv_buf_put_u8(&x->body, 0);
	assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_COMMIT, SPAN_OF(x->body),
				       SPAN(tag, 32), &x->msg),
			 0);
}

/* The control of all that follows: a good list gets as far as the confirmation tag. */
static void test_control(void **state)
{
	struct cast *x = *state;

	put_add(&x->list, person_offer(&x->d));
	commit_list(x);
	refused(x, CV_EAUTH);
}

/* Section 12.2, one rule after the other. */
static void test_lists(void **state)
{
	struct cast *x = *state;
	uint32_t alice = mls_group_own_index(x->a.group), carol = mls_group_own_index(x->c.group);

	commit_list(x); /* empty list without a path */
	refused(x, CV_EINVAL);
	put_remove(&x->list, carol); /* Remove without a path */
	commit_list(x);
	refused(x, CV_EINVAL);
	put_extensions(&x->list); /* GroupContextExtensions without a path */
	commit_list(x);
	refused(x, CV_EINVAL);
	put_psk(&x->list, MLS_PSK_EXTERNAL, 31); /* a nonce that is not Nh long */
	commit_list(x);
	refused(x, CV_EINVAL);
	put_psk(&x->list, MLS_PSK_EXTERNAL, 32); /* the same PSK twice */
	put_psk(&x->list, MLS_PSK_EXTERNAL, 32);
	commit_list(x);
	refused(x, CV_EINVAL);
	put_psk(&x->list, MLS_PSK_BRANCH, 32); /* outside a branch */
	commit_list(x);
	refused(x, CV_EINVAL);
	put_psk(&x->list, MLS_PSK_REINIT, 32); /* outside a reinitialisation */
	commit_list(x);
	refused(x, CV_EINVAL);
	by_value(&x->list, MLS_PROPOSAL_EXTERNAL_INIT); /* by a member */
	cv_buf_put_vec(&x->list, "0123456789abcdef0123456789abcdef", 32);
	commit_list(x);
	refused(x, CV_EINVAL);
	by_value(&x->list, MLS_PROPOSAL_REINIT); /* ReInit and something else */
	cv_buf_put_vec(&x->list, "next", 4);
	cv_buf_put_u16(&x->list, 1);
	cv_buf_put_u16(&x->list, 1);
	mls_put_extensions(&x->list, NULL, 0);
	put_add(&x->list, person_offer(&x->d));
	commit_list(x);
	refused(x, CV_EINVAL);
	by_value(&x->list, MLS_PROPOSAL_REINIT); /* ReInit to an older protocol */
	cv_buf_put_vec(&x->list, "next", 4);
	cv_buf_put_u16(&x->list, 0);
	cv_buf_put_u16(&x->list, 1);
	mls_put_extensions(&x->list, NULL, 0);
	commit_list(x);
	refused(x, CV_EINVAL);
	cv_buf_put_u8(&x->list, BY_REFERENCE); /* a reference to nothing */
	cv_buf_put_vec(&x->list, "0123456789abcdef0123456789abcdef", 32);
	commit_list(x);
	refused(x, CV_ENOTFOUND);
	by_value(&x->list, 0x0a0a); /* a proposal type that nobody knows */
	commit_list(x);
	refused(x, CV_EUNSUPPORTED);

	/* With a path, so that only the rule in question stands in the way. */
	const struct {
		uint32_t leaf[2];
		size_t n;
	} removals[] = {{{alice}, 1}, {{carol, carol}, 2}, {{3}, 1}, {{UINT32_MAX}, 1}};
	for (size_t i = 0; i < 4; i++) {
		struct cv_buf up;
		size_t at;

		cv_buf_init(&up, BUF_MAX);
		for (size_t k = 0; k < removals[i].n; k++)
			put_remove(&x->list, removals[i].leaf[k]);
		/* The path of an honest empty commit, put under a dishonest list. */
		assert_int_equal(forge_commit(x->a.group, SPAN_NONE, FORGE_NOTHING, &up, NULL), 0);
		struct mls_message m;
		struct cv_reader r;
		struct commit c;
		assert_int_equal(mls_get_message(SPAN_OF(up), &m), 0);
		cv_reader_init(&r, m.pub.content.body.data, m.pub.content.body.len);
		assert_int_equal(mls_get_commit(&r, &c), 0);
		c.proposals = SPAN_OF(x->list);
		at = x->body.len;
		mls_put_commit(&x->body, &c);
		assert_true(x->body.len > at);
		assert_int_equal(forge_message(x->a.group, MLS_PRIVATE_MESSAGE, MLS_CONTENT_COMMIT, SPAN_OF(x->body),
					       m.pub.auth.confirmation_tag, &x->msg),
				 0);
		refused(x, CV_EINVAL);
		cv_buf_done(&up);
	}
}

/* Section 12.4.1: Update only by reference. */
static void test_update_by_value(void **state)
{
	struct cast *x = *state;
	struct cv_buf u;

	cv_buf_init(&u, BUF_MAX);
	assert_int_equal(mls_group_propose_update(x->a.group, NULL, NOTHING, &u), 0);
	by_value(&x->list, MLS_PROPOSAL_UPDATE);
	mls_put_leaf_node(&x->list, &x->a.group->kept[0]->p.update);
	commit_list(x);
	refused(x, CV_EINVAL);
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
		{spoil_expired, true, CV_EEXPIRED},       {spoil_future, true, CV_EEXPIRED},
		{spoil_reversed, true, CV_EEXPIRED},      {spoil_expired, false, CV_EEXPIRED},
		{spoil_source, true, CV_EINVAL},          {spoil_init_key, true, CV_EINVAL},
		{spoil_small_order, true, CV_EINVAL},     {spoil_suite, true, CV_EUNSUPPORTED},
		{spoil_version, true, CV_EUNSUPPORTED},   {spoil_versions, true, CV_EUNSUPPORTED},
		{spoil_suites, true, CV_EUNSUPPORTED},    {spoil_credentials, true, CV_EUNSUPPORTED},
		{spoil_extension, true, CV_EUNSUPPORTED}, {spoil_kp_extension, true, CV_EUNSUPPORTED},
		{spoil_member_key, true, CV_EEXIST},
	};
	struct cv_buf kp;

	cv_buf_init(&kp, BUF_MAX);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		cv_buf_reset(&kp);
		offer_spoiled(x, all[i].spoil, all[i].sign_leaf, &kp);
		put_add(&x->list, SPAN_OF(kp));
		commit_list(x);
		refused(x, all[i].want);
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
	/* Signatures: of the leaf, of the package. */
	cv_buf_reset(&kp);
	offer_spoiled(x, spoil_nothing, false, &kp);
	kp.data[kp.len - 1] ^= 1;
	put_add(&x->list, SPAN_OF(kp));
	commit_list(x);
	refused(x, CV_EAUTH);
	/* The same client twice in one commit, and one who is a member already. */
	cv_buf_reset(&kp);
	offer_spoiled(x, spoil_nothing, true, &kp);
	put_add(&x->list, SPAN_OF(kp));
	put_add(&x->list, SPAN_OF(kp));
	commit_list(x);
	refused(x, CV_EEXIST);
	cv_buf_reset(&kp);
	offer_spoiled(x, spoil_member_identity, true, &kp);
	put_add(&x->list, SPAN_OF(kp));
	commit_list(x);
	refused(x, CV_EAUTH); /* Carol's key, Dave's signature */
	put_add(&x->list, person_offer(&x->c));
	commit_list(x);
	refused(x, CV_EEXIST);
	/* The longest validity allowed here. */
	x->b.group->opt.lifetime_max = 300;
	put_add(&x->list, person_offer(&x->d));
	commit_list(x);
	refused(x, CV_EEXPIRED);
	cv_buf_done(&kp);
}

static void test_paths(void **state)
{
	struct cast *x = *state;
	static const int want[FORGE_LAST] = {
		[FORGE_PARENT_HASH] = CV_EINVAL,        [FORGE_SAME_LEAF_KEY] = CV_EINVAL,
		[FORGE_LEAF_SOURCE] = CV_EINVAL,        [FORGE_LEAF_SIGNATURE] = CV_EAUTH,
		[FORGE_NODE_MISSING] = CV_EINVAL,       [FORGE_NODE_EXTRA] = CV_EINVAL,
		[FORGE_CIPHERTEXT_MISSING] = CV_EINVAL, [FORGE_CIPHERTEXT_EXTRA] = CV_EINVAL,
		[FORGE_NODE_KEY] = CV_EINVAL,           [FORGE_REUSED_KEY] = CV_EEXIST,
		[FORGE_SMALL_ORDER_KEY] = CV_EINVAL,    [FORGE_CONFIRMATION_TAG] = CV_EAUTH,
	};

	for (int what = FORGE_PARENT_HASH; what <= FORGE_CONFIRMATION_TAG; what++) {
		assert_int_equal(forge_commit(x->a.group, SPAN_NONE, (enum forgery)what, &x->msg, NULL), 0);
		refused(x, want[what]);
	}
	/* The control: nothing forged, accepted. */
	assert_int_equal(forge_commit(x->a.group, SPAN_NONE, FORGE_NOTHING, &x->msg, NULL), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
}

static void test_framing(void **state)
{
	struct cast *x = *state;
	struct cv_buf proposal;
	struct sender as_carol = {.type = MLS_SENDER_MEMBER, .index = mls_group_own_index(x->c.group)},
		      nobody = {.type = MLS_SENDER_MEMBER, .index = 3},
		      outside = {.type = MLS_SENDER_EXTERNAL, .index = 0};

	cv_buf_init(&proposal, BUF_MAX);
	cv_buf_put_u16(&proposal, MLS_PROPOSAL_REMOVE);
	cv_buf_put_u32(&proposal, as_carol.index);
	/* In another member's name: the tag fits (all members have the key), the signature does not. */
	for (uint16_t wire = MLS_PUBLIC_MESSAGE; wire <= MLS_PRIVATE_MESSAGE; wire++) {
		uint32_t own = x->a.group->cur->own;

		x->a.group->cur->own = as_carol.index; /* the ratchet in a PrivateMessage is Carol's */
		assert_int_equal(forge_message_as(x->a.group, &as_carol, &x->a.member.signer, wire,
						  MLS_CONTENT_PROPOSAL, SPAN_OF(proposal), SPAN_NONE, &x->msg),
				 0);
		x->a.group->cur->own = own;
		assert_int_equal(person_process(&x->b, &x->msg), CV_EAUTH);
		cv_buf_reset(&x->msg);
	}
	/* The forgery has not used up Carol's generation. */
	assert_int_equal(mls_group_propose_update(x->c.group, NULL, NOTHING, &x->msg), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	mls_group_clear_proposals(x->b.group);
	cv_buf_reset(&x->msg);
	/* A blank leaf, an external sender that there is not. */
	assert_int_equal(forge_message_as(x->a.group, &nobody, NULL, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL,
					  SPAN_OF(proposal), SPAN_NONE, &x->msg),
			 0);
	assert_int_equal(person_process(&x->b, &x->msg), CV_EINVAL);
	cv_buf_reset(&x->msg);
	assert_int_equal(forge_message_as(x->a.group, &outside, NULL, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL,
					  SPAN_OF(proposal), SPAN_NONE, &x->msg),
			 0);
	assert_int_equal(person_process(&x->b, &x->msg), CV_EINVAL);
	cv_buf_reset(&x->msg);
	/* The membership tag is the end of a PublicMessage. */
	assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, SPAN_OF(proposal),
				       SPAN_NONE, &x->msg),
			 0);
	x->msg.data[x->msg.len - 1] ^= 1;
	assert_int_equal(person_process(&x->b, &x->msg), CV_EAUTH);
	x->msg.data[x->msg.len - 1] ^= 1;
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	assert_int_equal(person_process(&x->b, &x->msg), CV_EEXIST); /* twice the same proposal */
	cv_buf_reset(&x->msg);
	/* Another group, another epoch. */
	x->a.group->cur->gc.epoch++;
	assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, SPAN_OF(proposal),
				       SPAN_NONE, &x->msg),
			 0);
	x->a.group->cur->gc.epoch--;
	assert_int_equal(person_process(&x->b, &x->msg), CV_EEPOCH);
	cv_buf_reset(&x->msg);
	x->a.group->cur->gc.group_id.len--;
	assert_int_equal(forge_message(x->a.group, MLS_PUBLIC_MESSAGE, MLS_CONTENT_PROPOSAL, SPAN_OF(proposal),
				       SPAN_NONE, &x->msg),
			 0);
	x->a.group->cur->gc.group_id.len++;
	assert_int_equal(person_process(&x->b, &x->msg), CV_EINVAL);
	cv_buf_done(&proposal);
}

/* Section 6.2: application data is never public. */
static void test_public_application(void **state)
{
	struct cast *x = *state;
	struct cv_buf m;

	cv_buf_init(&m, BUF_MAX);
	mls_put_message_head(&m, MLS_PUBLIC_MESSAGE);
	mls_put_span(&m, mls_group_id(x->b.group));
	cv_buf_put_u64(&m, mls_group_epoch(x->b.group));
	cv_buf_put_u8(&m, MLS_SENDER_MEMBER);
	cv_buf_put_u32(&m, 0);
	cv_buf_put_vec(&m, NULL, 0);
	cv_buf_put_u8(&m, MLS_CONTENT_APPLICATION);
	cv_buf_put_vec(&m, "hello", 5);
	cv_buf_put_vec(&m, "signature", 9);
	cv_buf_put_vec(&m, "0123456789abcdef0123456789abcdef", 32);
	assert_int_equal(person_process(&x->b, &m), CV_EINVAL);
	cv_buf_done(&m);
}

/* Section 6.3.1: padding is zero. */
static void test_padding(void **state)
{
	struct cast *x = *state;
	struct mls_received r;
	uint8_t *zero;
	size_t tail;

	/* The content is sealed with one byte of padding set, by a member who knows all keys. */
	for (int spoil = 0; spoil < 2; spoil++) {
		struct framed f = {.wire_format = MLS_PRIVATE_MESSAGE};
		struct epoch *e = x->a.group->cur;
		struct cv_buf body;

		cv_buf_init(&body, 4096);
		cv_buf_put(&body, "hello", 5);
		assert_int_equal(
			mls_framed_init(&f, e, MLS_PRIVATE_MESSAGE, MLS_CONTENT_APPLICATION, SPAN_NONE, SPAN_OF(body)),
			0);
		assert_int_equal(mls_framed_sign(&f, &e->signer, SPAN_OF(e->context)), 0);
		/* The signature field goes last before the padding: a longer one is padding to the reader. */
		x->a.group->opt.padding = 0;
		tail = f.auth.signature.len;
		memset(f.sig + tail, 0, 8);
		f.sig[tail + 3] = (uint8_t)spoil;
		struct cv_buf pt;
		cv_buf_init(&pt, 4096);
		cv_buf_put_vec(&pt, "hello", 5);
		cv_buf_put_vec(&pt, f.sig, tail);
		cv_buf_put(&pt, f.sig + tail, 8);
		/* PrivateMessageContent by hand: a "commit" body is written as it is, so it carries the bytes for us.
		 */
		f.content.content_type = MLS_CONTENT_APPLICATION;
		struct message_key k;
		uint8_t guard[4] = {1, 2, 3, 4}, sd[12 + TAG_LEN];
		struct cv_buf aad, ct, sdp;
		cv_buf_init(&aad, 4096);
		cv_buf_init(&ct, 4096);
		cv_buf_init(&sdp, 64);
		assert_int_equal(
			mls_secret_tree_next(e->secret_tree, &x->a.group->crypto, e->own, RATCHET_APPLICATION, &k), 0);
		for (int i = 0; i < 4; i++)
			k.nonce[i] ^= guard[i];
		mls_put_span(&aad, e->gc.group_id);
		cv_buf_put_u64(&aad, e->gc.epoch);
		cv_buf_put_u8(&aad, MLS_CONTENT_APPLICATION);
		cv_buf_put_vec(&aad, NULL, 0);
		assert_int_equal(cv_buf_extend(&ct, pt.len + TAG_LEN, &zero), 0);
		assert_int_equal(mls_crypto_seal(&x->a.group->crypto, k.key, k.nonce, SPAN_OF(aad), SPAN_OF(pt), zero),
				 0);
		cv_buf_put_u32(&sdp, e->own);
		cv_buf_put_u32(&sdp, k.generation);
		cv_buf_put(&sdp, guard, 4);
		assert_int_equal(mls_sender_data_key(&x->a.group->crypto, &e->secrets.sender_data, SPAN_OF(ct), &k), 0);
		assert_int_equal(mls_crypto_seal(&x->a.group->crypto, k.key, k.nonce, SPAN(aad.data, aad.len - 1),
						 SPAN_OF(sdp), sd),
				 0);
		cv_buf_reset(&x->msg);
		mls_put_message_head(&x->msg, MLS_PRIVATE_MESSAGE);
		cv_buf_put(&x->msg, aad.data, aad.len);
		cv_buf_put_vec(&x->msg, sd, sizeof(sd));
		cv_buf_put_vec(&x->msg, ct.data, ct.len);
		assert_int_equal(mls_group_process(x->b.group, x->msg.data, x->msg.len, &r), spoil ? CV_EFORMAT : 0);
		if (!spoil)
			mls_received_done(&r);
		mls_framed_done(&f);
		cv_buf_done(&aad);
		cv_buf_done(&ct);
		cv_buf_done(&sdp);
		cv_buf_done(&pt);
		cv_buf_done(&body);
	}
}

/* Every single bit of a message matters, and a spoiled copy does not harm the real one. */
static void test_every_bit(void **state)
{
	struct cast *x = *state;
	struct mls_received r;

	for (int kind = 0; kind < 2; kind++) {
		cv_buf_reset(&x->msg);
		if (kind)
			assert_int_equal(
				mls_group_propose_remove(x->a.group, mls_group_own_index(x->c.group), NOTHING, &x->msg),
				0);
		else
			assert_int_equal(mls_group_encrypt(x->a.group, TEXT("hello"), TEXT("header"), &x->msg), 0);
		for (size_t bit = 0; bit < 8 * x->msg.len; bit++) {
			x->msg.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_not_equal(mls_group_process(x->b.group, x->msg.data, x->msg.len, &r), 0);
			x->msg.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t cut = 0; cut < x->msg.len; cut++)
			assert_int_not_equal(mls_group_process(x->b.group, x->msg.data, cut, &r), 0);
		assert_int_equal(mls_group_process(x->b.group, x->msg.data, x->msg.len, &r), 0);
		mls_received_done(&r);
	}
}

/* --- trees that somebody shows to a newcomer --- */

static void nothing_wrong(struct tree *t)
{
}
static void wrong_parent_hash(struct tree *t)
{
	t->nodes[1]->parent.parent_hash[0] ^= 1;
	if (!t->nodes[1]->parent.parent_hash_len)
		t->nodes[1]->parent.parent_hash_len = 32;
}
static void foreign_unmerged(struct tree *t)
{
	static uint32_t leaf;

	leaf = 2; /* not below node 1 */
	t->nodes[1]->parent.unmerged = &leaf;
	t->nodes[1]->parent.n_unmerged = 1;
}
static void repair_unmerged(struct mls_group *g)
{
	g->cur->tree->nodes[1]->parent.unmerged = NULL;
	g->cur->tree->nodes[1]->parent.n_unmerged = 0;
}
static void wrong_parent_key(struct tree *t)
{
	t->nodes[1]->parent.key[0] ^= 1;
}
static void wrong_leaf(struct tree *t)
{
	((uint8_t *)t->nodes[0]->leaf.signature.data)[0] ^= 1;
}
static void same_key_twice(struct tree *t)
{
	memcpy((uint8_t *)t->nodes[4]->leaf.v.signature_key.data, t->nodes[0]->leaf.v.signature_key.data, 32);
}

static int show(struct cast *x, void (*spoil)(struct tree *t))
{
	struct mls_external_join j;
	struct mls_group *g = NULL;
	struct cv_buf gi, commit;
	int err;

	cv_buf_init(&gi, BUF_MAX);
	cv_buf_init(&commit, BUF_MAX);
	assert_int_equal(forge_group_info(x->a.group, spoil, &gi), 0);
	j = (struct mls_external_join){.group_info = SPAN_OF(gi)};
	err = mls_group_join_external(&x->d.options, &x->d.member, &j, &commit, &g);
	mls_group_free(g);
	cv_buf_done(&gi);
	cv_buf_done(&commit);
	return err;
}

static void test_trees(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out;
	struct cv_span saved;
	uint8_t key[32];

	/* While all parents are blank, no parent hash stands before the check of the keys. */
	saved = x->a.group->cur->tree->nodes[4]->leaf.v.signature_key;
	memcpy(key, saved.data, 32);
	assert_int_equal(show(x, same_key_twice), CV_EEXIST);
	memcpy((uint8_t *)saved.data, key, 32);
	/* Alice's path fills node 1 and the root. */
	person_commit(&x->a, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	mls_commit_output_done(&out);
	assert_int_equal(show(x, nothing_wrong), 0);
	assert_int_equal(show(x, wrong_parent_hash), CV_EINVAL);
	wrong_parent_hash(x->a.group->cur->tree);
	assert_int_equal(show(x, wrong_parent_key), CV_EINVAL);
	wrong_parent_key(x->a.group->cur->tree);
	assert_int_equal(show(x, foreign_unmerged), CV_EINVAL);
	repair_unmerged(x->a.group);
	assert_int_equal(show(x, wrong_leaf), CV_EAUTH);
	wrong_leaf(x->a.group->cur->tree);
	assert_int_equal(show(x, nothing_wrong), 0);
}

static void test_group_info(void **state)
{
	struct cast *x = *state;
	struct mls_external_join j;
	struct mls_group *g = NULL;
	struct cv_buf gi, commit;

	cv_buf_init(&gi, BUF_MAX);
	cv_buf_init(&commit, BUF_MAX);
	assert_int_equal(mls_group_info(x->a.group, true, &gi), 0);
	j = (struct mls_external_join){.group_info = SPAN_OF(gi), .expected_group_id = TEXT("other")};
	assert_int_equal(mls_group_join_external(&x->d.options, &x->d.member, &j, &commit, &g), CV_EDENIED);
	j.expected_group_id = NOTHING;
	gi.data[gi.len - 1] ^= 1;
	assert_int_equal(mls_group_join_external(&x->d.options, &x->d.member, &j, &commit, &g), CV_EAUTH);
	gi.data[gi.len - 1] ^= 1;
	x->d.leaf_answer = CV_EDENIED;
	assert_int_equal(mls_group_join_external(&x->d.options, &x->d.member, &j, &commit, &g), CV_EDENIED);
	assert_int_equal(commit.len, 0);
	cv_buf_done(&gi);
	cv_buf_done(&commit);
}

static void test_welcome(void **state)
{
	struct cast *x = *state;
	struct cv_span offer = person_offer(&x->d);
	struct mls_commit_output out = {0};
	struct mls_key_package *other;

	cv_buf_init(&out.welcome, BUF_MAX);
	put_add(&x->list, offer);
	assert_int_equal(forge_commit(x->a.group, SPAN_OF(x->list), FORGE_WELCOME_TAG, &x->msg, &out.welcome), 0);
	assert_int_equal(person_join(&x->d, &out), CV_EAUTH);
	cv_buf_reset(&out.welcome);
	cv_buf_reset(&x->msg);
	assert_int_equal(forge_commit(x->a.group, SPAN_OF(x->list), FORGE_PARENT_HASH, &x->msg, &out.welcome), 0);
	assert_int_equal(person_join(&x->d, &out), CV_EINVAL);
	cv_buf_reset(&out.welcome);
	cv_buf_reset(&x->msg);
	assert_int_equal(forge_commit(x->a.group, SPAN_OF(x->list), FORGE_NODE_KEY, &x->msg, &out.welcome), 0);
	assert_int_equal(person_join(&x->d, &out), CV_EINVAL);
	cv_buf_reset(&out.welcome);
	cv_buf_reset(&x->msg);
	assert_int_equal(forge_commit(x->a.group, SPAN_OF(x->list), FORGE_NOTHING, &x->msg, &out.welcome), 0);
	/* Every byte of it matters. */
	for (size_t i = 0; i < out.welcome.len; i += 3) {
		out.welcome.data[i] ^= 0x10;
		assert_int_not_equal(person_join(&x->d, &out), 0);
		out.welcome.data[i] ^= 0x10;
	}
	/* For another KeyPackage it is not. */
	other = x->d.kp;
	x->d.kp = NULL;
	person_offer(&x->d);
	assert_int_equal(person_join(&x->d, &out), CV_ENOTFOUND);
	mls_key_package_free(x->d.kp);
	x->d.kp = other;
	assert_int_equal(person_join(&x->d, &out), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	assert_agree(&x->b, &x->d);
	mls_commit_output_done(&out);
}

/* Section 12.4.3.2: what an external commit may hold. */
static void external_commit(struct cast *x, int want)
{
	struct sender newcomer = {.type = MLS_SENDER_NEW_MEMBER_COMMIT};
	static const uint8_t tag[32];
	struct mls_message m;
	struct cv_buf honest;
	struct cv_reader r;
	struct commit c;

	cv_buf_init(&honest, BUF_MAX);
	assert_int_equal(forge_commit(x->a.group, SPAN_NONE, FORGE_NOTHING, &honest, NULL), 0);
	assert_int_equal(mls_get_message(SPAN_OF(honest), &m), 0);
	cv_reader_init(&r, m.pub.content.body.data, m.pub.content.body.len);
	assert_int_equal(mls_get_commit(&r, &c), 0);
	c.proposals = SPAN_OF(x->list);
	mls_put_commit(&x->body, &c);
	assert_int_equal(forge_message_as(x->a.group, &newcomer, &x->a.member.signer, MLS_PUBLIC_MESSAGE,
					  MLS_CONTENT_COMMIT, SPAN_OF(x->body), SPAN(tag, 32), &x->msg),
			 0);
	cv_buf_done(&honest);
	refused(x, want);
}

static void put_external_init(struct cv_buf *b)
{
	by_value(b, MLS_PROPOSAL_EXTERNAL_INIT);
	cv_buf_put_vec(b, "0123456789abcdef0123456789abcdef", 32);
}

static void test_external_commits(void **state)
{
	struct cast *x = *state;

	external_commit(x, CV_EINVAL); /* no ExternalInit */
	put_external_init(&x->list);
	put_external_init(&x->list);
	external_commit(x, CV_EINVAL);
	put_external_init(&x->list);
	put_add(&x->list, person_offer(&x->d));
	external_commit(x, CV_EINVAL);
	put_external_init(&x->list);
	put_extensions(&x->list);
	external_commit(x, CV_EINVAL);
	put_external_init(&x->list);
	put_remove(&x->list, 0);
	put_remove(&x->list, 2);
	external_commit(x, CV_EINVAL);
	/* By reference, even to a proposal that Bob keeps. */
	assert_int_equal(mls_group_propose_remove(x->c.group, 0, NOTHING, &x->msg), 0);
	assert_int_equal(person_process(&x->b, &x->msg), 0);
	cv_buf_reset(&x->msg);
	put_external_init(&x->list);
	cv_buf_put_u8(&x->list, BY_REFERENCE);
	cv_buf_put_vec(&x->list, x->b.group->kept[0]->ref, 32);
	external_commit(x, CV_EINVAL);
}

/* The policy has the last word, before anything changes. */
static void test_policy(void **state)
{
	struct cast *x = *state;
	struct mls_commit_output out;
	uint64_t epoch = mls_group_epoch(x->b.group);

	assert_int_equal(mls_group_commit(x->a.group, &(struct mls_commit){0}, &out), 0);
	x->b.commit_answer = CV_EDENIED;
	assert_int_equal(person_process(&x->b, &out.commit), CV_EDENIED);
	assert_int_equal(mls_group_epoch(x->b.group), epoch);
	assert_int_equal(mls_group_commit(x->b.group, &(struct mls_commit){0}, &out), CV_EDENIED);
	assert_false(mls_group_has_pending(x->b.group));
	x->b.commit_answer = 0;
	x->b.leaf_answer = CV_EDENIED;
	assert_int_equal(person_process(&x->b, &out.commit), CV_EDENIED);
	x->b.leaf_answer = 0;
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	/* A removal that the policy does not allow is not accepted even by the one removed. */
	uint32_t carol = mls_group_own_index(x->c.group);
	mls_commit_output_done(&out);
	assert_int_equal(mls_group_merge_pending(x->a.group), 0);
	person_commit(&x->a, &(struct mls_commit){.removes = &carol, .n_removes = 1}, &out);
	x->b.commit_answer = CV_EDENIED;
	assert_int_equal(person_process(&x->b, &out.commit), CV_EDENIED);
	x->b.commit_answer = 0;
	assert_int_equal(person_process(&x->b, &out.commit), 0);
	mls_commit_output_done(&out);
}

int main(void)
{
#define WITH_CAST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_CAST(test_control),
		WITH_CAST(test_lists),
		WITH_CAST(test_update_by_value),
		WITH_CAST(test_key_packages),
		WITH_CAST(test_paths),
		WITH_CAST(test_framing),
		WITH_CAST(test_public_application),
		WITH_CAST(test_padding),
		WITH_CAST(test_every_bit),
		WITH_CAST(test_trees),
		WITH_CAST(test_group_info),
		WITH_CAST(test_welcome),
		WITH_CAST(test_external_commits),
		WITH_CAST(test_policy),
	};

	return cmocka_run_group_tests_name("mls negative", tests, NULL, NULL);
}
