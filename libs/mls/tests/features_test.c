/* SPDX-License-Identifier: Apache-2.0 */
/* Proposals by reference, pre-shared keys, extensions, credentials, KeyPackages. */
#include <openssl/x509.h>

#include "trio.h"

static void test_proposals_by_reference(void **state)
{
	struct trio t;
	struct person d;
	struct mls_commit_output out;
	struct cv_buf update, add;

	trio_init(&t, 1);
	person_init(&d, &t.w, 1, "dave");
	cv_buf_init(&update, 1 << 20);
	cv_buf_init(&add, 1 << 20);
	/* Bob updates his leaf and proposes Dave; Alice commits both by reference. */
	assert_int_equal(mls_group_propose_update(t.b.group, NULL, NOTHING, &update), 0);
	assert_int_equal(mls_group_propose_add(t.b.group, person_offer(&d), NOTHING, &add), 0);
	assert_int_equal(person_process(&t.a, &update), 0);
	assert_int_equal(person_process(&t.a, &add), 0);
	/* Application data waits until proposals are decided (section 12.4). */
	assert_int_equal(mls_group_encrypt(t.a.group, TEXT("x"), NOTHING, &(struct cv_buf){.max = 4096}), CV_ESTATE);
	person_commit(&t.a, &(struct mls_commit){0}, &out);
	/* Carol has not got the proposals yet, then she has. */
	assert_int_equal(person_process(&t.c, &out.commit), CV_ENOTFOUND);
	assert_int_equal(person_process(&t.c, &add), 0);
	assert_int_equal(person_process(&t.c, &update), 0);
	assert_int_equal(mls_group_n_proposals(t.c.group), 2);
	assert_int_equal(person_process(&t.c, &out.commit), 0);
	assert_int_equal(mls_group_n_proposals(t.c.group), 0);
	assert_int_equal(person_process(&t.b, &out.commit), 0);
	assert_int_equal(person_join(&d, &out), 0);
	assert_agree(&t.a, &t.b);
	assert_agree(&t.a, &t.c);
	assert_agree(&t.a, &d);
	assert_speak(&t.b, &d);
	assert_speak(&d, &t.b);
	/* Bob's new leaf key is in use: Carol's path reaches him. */
	commit_all(&t.c, &t.b, &t.a, &(struct mls_commit){0});
	mls_commit_output_done(&out);
	cv_buf_done(&update);
	cv_buf_done(&add);
	person_done(&d);
	trio_done(&t);
}

/*
 * Two members propose Dave, one with an older KeyPackage of his, and Carol, who is there: Alice's commit has Dave once,
 * by the last of them or by the one that she is given herself; and Carol again when her old leaf goes, as Alice or as
 * Bob wants it.
 */
static void test_one_newcomer_proposed_twice(void **state)
{
	for (int given = 0; given < 3; given++) {
		struct cv_span add, again;
		struct mls_commit_output out;
		struct mls_commit what = {0};
		struct mls_key_package *older;
		struct cv_buf p[4];
		uint32_t carol;
		struct person d;
		struct trio t;

		trio_init(&t, 31);
		carol = mls_group_own_index(t.c.group);
		person_init(&d, &t.w, 1, "dave");
		for (int i = 0; i < 4; i++)
			cv_buf_init(&p[i], 1 << 20);
		assert_int_equal(mls_group_propose_add(t.b.group, person_offer(&d), NOTHING, &p[0]), 0);
		older = d.kp;
		d.kp = NULL;
		add = person_offer(&d);
		assert_int_equal(mls_group_propose_add(t.c.group, add, NOTHING, &p[1]), 0);
		again = person_offer(&t.c);
		assert_int_equal(mls_group_propose_add(t.b.group, again, NOTHING, &p[2]), 0);
		for (int i = 0; i < 3; i++)
			assert_int_equal(person_process(&t.a, &p[i]), 0);
		if (given == 2) {
			assert_int_equal(mls_group_propose_remove(t.b.group, carol, NOTHING, &p[3]), 0);
			assert_int_equal(person_process(&t.a, &p[3]), 0);
		}
		assert_int_equal(person_process(&t.b, &p[1]), 0);
		if (given == 1) {
			what.adds = &add;
			what.n_adds = 1;
			what.removes = &carol;
			what.n_removes = 1;
		}
		person_commit(&t.a, &what, &out);
		assert_int_equal(person_process(&t.b, &out.commit), 0);
		assert_int_equal(mls_group_n_members(t.a.group), 4);
		assert_int_equal(person_join(&d, &out), 0);
		assert_agree(&t.b, &d);
		if (given) {
			mls_group_free(t.c.group);
			t.c.group = NULL;
			assert_int_equal(person_join(&t.c, &out), 0);
			assert_agree(&t.b, &t.c);
		}
		mls_commit_output_done(&out);
		for (int i = 0; i < 4; i++)
			cv_buf_done(&p[i]);
		mls_key_package_free(older);
		person_done(&d);
		trio_done(&t);
	}
}

static void test_own_update_cannot_be_committed(void **state)
{
	struct trio t;
	struct cv_buf update, remove;

	trio_init(&t, 2);
	cv_buf_init(&update, 1 << 20);
	cv_buf_init(&remove, 1 << 20);
	assert_int_equal(mls_group_propose_update(t.a.group, NULL, NOTHING, &update), 0);
	/* Remove beats Update of the same leaf; Alice's own Update and removal stay out of her commit. */
	assert_int_equal(mls_group_propose_remove(t.b.group, mls_group_own_index(t.a.group), NOTHING, &remove), 0);
	assert_int_equal(person_process(&t.a, &remove), 0);
	commit_all(&t.a, &t.b, &t.c, &(struct mls_commit){0});
	assert_int_equal(mls_group_n_members(t.a.group), 3);
	cv_buf_done(&update);
	cv_buf_done(&remove);
	trio_done(&t);
}

/* Each holds a private key: whoever loops is told. The next epoch begins anew. */
static void test_own_updates_are_bounded(void **state)
{
	struct trio t;
	struct cv_buf update;
	size_t n = 0;
	int err;

	trio_init(&t, 3);
	cv_buf_init(&update, 1 << 20);
	do {
		cv_buf_reset(&update);
		err = mls_group_propose_update(t.a.group, NULL, NOTHING, &update);
	} while (!err && ++n < 1000);
	assert_int_equal(err, CV_ELIMIT);
	assert_int_equal(n, MLS_OWN_UPDATES_MAX);
	assert_int_equal(update.len, 0);
	assert_int_equal(mls_group_n_proposals(t.a.group), n);
	commit_all(&t.b, &t.a, &t.c, &(struct mls_commit){0});
	assert_int_equal(mls_group_propose_update(t.a.group, NULL, NOTHING, &update), 0);
	cv_buf_done(&update);
	trio_done(&t);
}

static void test_psk(void **state)
{
	struct mls_psk_question external = {.usage = MLS_PSK_EXTERNAL, .psk_id = TEXT("id")}, resumption;
	struct trio t;
	struct mls_commit_output out;

	trio_init(&t, 3);
	t.a.psk_id = t.b.psk_id = t.c.psk_id = external.psk_id;
	t.a.psk = t.b.psk = TEXT("a shared secret");
	person_commit(&t.a, &(struct mls_commit){.psks = &external, .n_psks = 1}, &out);
	assert_int_equal(person_process(&t.b, &out.commit), 0);
	/* Carol does not know it; with another value the confirmation tag fails; then she is told. */
	assert_int_equal(person_process(&t.c, &out.commit), CV_ENOTFOUND);
	t.c.psk = TEXT("another secret");
	assert_int_equal(person_process(&t.c, &out.commit), CV_EAUTH);
	t.c.psk = TEXT("a shared secret");
	assert_int_equal(person_process(&t.c, &out.commit), 0);
	assert_agree(&t.a, &t.b);
	assert_agree(&t.a, &t.c);
	mls_commit_output_done(&out);
	/* The resumption PSK of an epoch gone by. */
	resumption = (struct mls_psk_question){
		.usage = MLS_PSK_APPLICATION, .group_id = TEXT("trio"), .epoch = mls_group_epoch(t.b.group) - 1};
	commit_all(&t.b, &t.a, &t.c, &(struct mls_commit){.psks = &resumption, .n_psks = 1});
	/* One of an epoch that nobody remembers. */
	resumption.epoch = 0;
	assert_int_equal(mls_group_commit(t.c.group, &(struct mls_commit){.psks = &resumption, .n_psks = 1}, &out),
			 CV_ENOTFOUND);
	trio_done(&t);
}

static void test_public_handshake(void **state)
{
	struct trio t;
	struct mls_commit_output out;
	struct mls_peek peek;
	struct cv_buf p;

	world_init(&t.w, 13);
	person_init(&t.a, &t.w, 1, "alice");
	person_init(&t.b, &t.w, 1, "bob");
	person_init(&t.c, &t.w, 1, "carol");
	t.a.options.public_handshake = true;
	t.b.options.public_handshake = true;
	person_create(&t.a, "trio");
	struct cv_span adds[] = {person_offer(&t.b), person_offer(&t.c)};
	person_commit(&t.a, &(struct mls_commit){.adds = adds, .n_adds = 2}, &out);
	assert_int_equal(mls_peek(out.commit.data, out.commit.len, &peek), 0);
	assert_int_equal(peek.wire_format, MLS_PUBLIC_MESSAGE);
	assert_int_equal(peek.content_type, MLS_CONTENT_COMMIT);
	assert_int_equal(peek.epoch, 0);
	assert_int_equal(person_join(&t.b, &out), 0);
	assert_int_equal(person_join(&t.c, &out), 0);
	mls_commit_output_done(&out);
	cv_buf_init(&p, 4096);
	assert_int_equal(mls_group_propose_update(t.b.group, NULL, NOTHING, &p), 0);
	assert_int_equal(person_process(&t.a, &p), 0);
	assert_int_equal(person_process(&t.c, &p), 0);
	commit_all(&t.a, &t.b, &t.c, &(struct mls_commit){0});
	/* Public and private members understand each other. */
	commit_all(&t.c, &t.b, &t.a, &(struct mls_commit){0});
	cv_buf_done(&p);
	trio_done(&t);
}

static void test_extensions(void **state)
{
	const uint16_t mine = 0xf042;
	struct mls_extension ext[2] = {{.type = mine, .data = TEXT("state 1")},
				       {.type = MLS_EXT_REQUIRED_CAPABILITIES}};
	struct mls_extension leaf_ext = {.type = 0xf043, .data = TEXT("admission")};
	struct mls_commit_output out;
	struct mls_leaf_view leaf;
	struct person a, b, c;
	struct cv_buf required;
	struct cv_span add, data;
	struct world w;

	world_init(&w, 14);
	person_init(&a, &w, 1, "alice");
	person_init(&b, &w, 1, "bob");
	person_init(&c, &w, 1, "carol");
	a.member.extension_types = b.member.extension_types = &mine;
	a.member.n_extension_types = b.member.n_extension_types = 1;
	b.member.extensions = &leaf_ext;
	b.member.n_extensions = 1;
	assert_int_equal(mls_group_create(&a.options, 1, &a.member, TEXT("g"), ext, 1, &a.group), 0);
	add = person_offer(&b);
	person_commit(&a, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	assert_int_equal(person_join(&b, &out), 0);
	mls_commit_output_done(&out);
	assert_int_equal(mls_extension_find(mls_group_extensions(b.group), mine, &data), 0);
	assert_memory_equal(data.data, "state 1", 7);
	assert_int_equal(mls_group_member(a.group, 1, &leaf), 0);
	assert_int_equal(mls_extension_find(leaf.extensions, 0xf043, &data), 0);
	/* Carol's software does not know the group's extension. */
	add = person_offer(&c);
	assert_int_equal(mls_group_commit(a.group, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out),
			 CV_EUNSUPPORTED);
	/* Replaced for both. */
	ext[0].data = TEXT("state 2");
	commit_all(&b, &a, NULL, &(struct mls_commit){.set_extensions = true, .extensions = ext, .n_extensions = 1});
	assert_int_equal(mls_extension_find(mls_group_extensions(a.group), mine, &data), 0);
	assert_memory_equal(data.data, "state 2", 7);
	/* An extension that Bob's leaf does not announce cannot be set, nor required. */
	ext[0].type = 0xf099;
	assert_int_equal(
		mls_group_commit(a.group,
				 &(struct mls_commit){.set_extensions = true, .extensions = ext, .n_extensions = 1},
				 &out),
		CV_EUNSUPPORTED);
	cv_buf_init(&required, 256);
	assert_int_equal(mls_required_capabilities((uint16_t[]){0xf099}, 1, NULL, 0, NULL, 0, &required), 0);
	ext[1].data = SPAN_OF(required);
	assert_int_equal(
		mls_group_commit(a.group,
				 &(struct mls_commit){.set_extensions = true, .extensions = ext + 1, .n_extensions = 1},
				 &out),
		CV_EUNSUPPORTED);
	cv_buf_done(&required);
	person_done(&a);
	person_done(&b);
	person_done(&c);
}

static void test_new_leaf(void **state)
{
	struct trio t;
	struct mls_member renewed;
	struct mls_sign_key *key;
	struct mls_leaf_view leaf;

	trio_init(&t, 15);
	assert_int_equal(mls_sign_key_generate(1, &t.w.rng, &key), 0);
	renewed = t.b.member;
	renewed.credential.data = TEXT("bob the second");
	renewed.signature_key = mls_sign_key_public(key);
	renewed.signer = mls_sign_key_signer(key);
	commit_all(&t.b, &t.a, &t.c, &(struct mls_commit){.member = &renewed});
	assert_int_equal(mls_group_member(t.a.group, mls_group_own_index(t.b.group), &leaf), 0);
	assert_int_equal(leaf.credential.data.len, 14);
	assert_speak(&t.b, &t.a);
	commit_all(&t.b, &t.a, &t.c, &(struct mls_commit){0});
	trio_done(&t);
	mls_sign_key_free(key);
}

static void test_tree_outside(void **state)
{
	struct mls_commit_output out;
	struct person a, b;
	struct cv_span add;
	struct world w;
	struct mls_join j;

	world_init(&w, 16);
	person_init(&a, &w, 1, "alice");
	person_init(&b, &w, 1, "bob");
	person_create(&a, "g");
	add = person_offer(&b);
	person_commit(&a, &(struct mls_commit){.adds = &add, .n_adds = 1, .tree_outside_welcome = true}, &out);
	j = (struct mls_join){.welcome = SPAN_OF(out.welcome), .key_package = b.kp, .signer = b.member.signer};
	assert_int_equal(mls_group_join(&b.options, &j, &b.group), CV_ENOTFOUND);
	j.ratchet_tree = SPAN_OF(out.ratchet_tree);
	j.expected_group_id = TEXT("h");
	assert_int_equal(mls_group_join(&b.options, &j, &b.group), CV_EDENIED);
	j.expected_group_id = TEXT("g");
	b.join_answer = CV_EDENIED;
	assert_int_equal(mls_group_join(&b.options, &j, &b.group), CV_EDENIED);
	b.join_answer = 0;
	assert_int_equal(mls_group_join(&b.options, &j, &b.group), 0);
	assert_agree(&a, &b);
	mls_commit_output_done(&out);
	person_done(&a);
	person_done(&b);
}

/* A certificate for an Ed25519 key, signed by itself. */
static struct cv_span make_cert(const uint8_t seed[32], uint8_t **ret)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);
	int len;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"bob", -1, -1, 0);
	X509_set_issuer_name(x, name);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, NULL) > 0);
	*ret = NULL;
	len = i2d_X509(x, ret);
	assert_true(len > 0);
	X509_free(x);
	EVP_PKEY_free(key);
	return (struct cv_span){*ret, (size_t)len};
}

static void test_x509(void **state)
{
	uint8_t seed[32] = {1}, other[32] = {2}, *der, *wrong;
	struct mls_commit_output out;
	struct mls_leaf_view leaf;
	struct cv_span cert, cert2, got, add;
	struct person a, b;
	struct cv_buf chain;
	struct world w;

	world_init(&w, 17);
	person_init(&a, &w, 1, "alice");
	person_init(&b, &w, 1, "bob");
	mls_sign_key_free(b.key);
	assert_int_equal(mls_sign_key_new(1, seed, 32, &b.key), 0);
	b.member.signature_key = mls_sign_key_public(b.key);
	b.member.signer = mls_sign_key_signer(b.key);
	cert = make_cert(seed, &der);
	cert2 = make_cert(other, &wrong);
	cv_buf_init(&chain, 65536);
	assert_int_equal(mls_x509_chain((struct cv_span[]){cert, cert2}, 2, &chain), 0);
	b.member.credential = (struct mls_credential){.type = MLS_CREDENTIAL_X509, .data = SPAN_OF(chain)};
	person_create(&a, "g");
	add = person_offer(&b);
	person_commit(&a, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out);
	assert_int_equal(person_join(&b, &out), 0);
	assert_agree(&a, &b);
	mls_commit_output_done(&out);
	assert_int_equal(mls_group_member(a.group, 1, &leaf), 0);
	assert_int_equal(mls_x509_cert(&leaf.credential, 1, &got), 0);
	assert_int_equal(got.len, cert2.len);
	assert_int_equal(mls_x509_cert(&leaf.credential, 2, &got), CV_ENOTFOUND);
	commit_all(&b, &a, NULL, &(struct mls_commit){0});
	/* Somebody else's certificate first: refused. */
	cv_buf_reset(&chain);
	assert_int_equal(mls_x509_chain((struct cv_span[]){cert2, cert}, 2, &chain), 0);
	b.member.credential.data = SPAN_OF(chain);
	assert_int_equal(mls_group_commit(b.group, &(struct mls_commit){.member = &b.member}, &out), CV_EINVAL);
	add = person_offer(&b);
	assert_int_equal(mls_group_commit(a.group, &(struct mls_commit){.adds = &add, .n_adds = 1}, &out), CV_EINVAL);
	cv_buf_done(&chain);
	OPENSSL_free(der);
	OPENSSL_free(wrong);
	person_done(&a);
	person_done(&b);
}

static void test_key_package_storage(void **state)
{
	struct mls_key_package *again;
	struct mls_key_package_view view;
	struct cv_buf saved;
	struct person p;
	struct world w;
	struct cv_span m;

	world_init(&w, 18);
	person_init(&p, &w, 1, "alice");
	m = person_offer(&p);
	assert_int_equal(mls_key_package_read(m.data, m.len, &view), 0);
	assert_int_equal(view.suite, 1);
	assert_int_equal(view.leaf.not_after, w.now + 300);
	assert_memory_equal(view.ref, mls_key_package_ref(p.kp).data, view.ref_len);
	cv_buf_init_secret(&saved, 65536);
	assert_int_equal(mls_key_package_save(p.kp, &saved), 0);
	assert_int_equal(mls_key_package_restore(saved.data, saved.len, &again), 0);
	assert_memory_equal(mls_key_package_message(again).data, m.data, m.len);
	mls_key_package_free(again);
	saved.data[saved.len - 1] ^= 1;
	assert_int_equal(mls_key_package_restore(saved.data, saved.len, &again), CV_EINVAL);
	cv_buf_done(&saved);
	person_done(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_proposals_by_reference),
		cmocka_unit_test(test_one_newcomer_proposed_twice),
		cmocka_unit_test(test_own_update_cannot_be_committed),
		cmocka_unit_test(test_own_updates_are_bounded),
		cmocka_unit_test(test_psk),
		cmocka_unit_test(test_public_handshake),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_new_leaf),
		cmocka_unit_test(test_tree_outside),
		cmocka_unit_test(test_x509),
		cmocka_unit_test(test_key_package_storage),
	};

	return cmocka_run_group_tests_name("mls features", tests, NULL, NULL);
}
