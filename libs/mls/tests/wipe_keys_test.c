/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9420 section 9.2, single keys: outdated, consumed, never used, or only passed on. */
#include <stdlib.h>

#include "heap.h"

/* An epoch that is over, and kept for late messages, keeps what those need and nothing else. */
static int late_epoch(uint16_t suite)
{
	struct mls_commit_output out;
	const struct epoch *e;
	struct cv_buf late;
	struct pair p;
	int found;

	pair_init(&p, suite);
	p.a.group->opt.past_epochs = p.b.group->opt.past_epochs = 1;
	e = p.a.group->cur;
	remember(&e->secrets.exporter);
	remember(&e->secrets.init);
	remember(&e->secrets.confirmation);
	remember(&e->secrets.membership);
	remember(&e->secrets.external);
	remember(&e->secrets.authenticator);
	remember(&e->keys.level[1]);
	if (search_heap() < 7)
		return 100;
	cv_buf_init(&late, 4096);
	assert_int_equal(mls_group_encrypt(p.a.group, TEXT("late"), NOTHING, &late), 0);
	person_commit(&p.b, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&p.a, &out.commit), 0);
	mls_commit_output_done(&out);
	found = search_heap();
	assert_int_equal(person_process(&p.b, &late), 0);
	cv_buf_done(&late);
	pair_done(&p);
	return found;
}

/* "consumed" are also the secrets of the tree's nodes, from the encryption secret down to the sender's leaf. */
static int tree_nodes(uint16_t suite)
{
	struct cv_secret leaf = {0};
	const struct cv_secret *root;
	struct pair p;
	int found;

	pair_init(&p, suite);
	root = &p.b.group->cur->secret_tree->root->secret;
	remember(root);
	assert_int_equal(mls_crypto_expand_secret(&p.b.group->crypto, root, "tree", SPAN_STR("left"), &leaf), 0);
	remember(&leaf);
	cv_secret_wipe(&leaf);
	if (n_secrets != 2 || search_heap() < 2) /* each of the two has the root */
		return 100;
	assert_speak(&p.a, &p.b);
	found = search_heap();
	pair_done(&p);
	return found;
}

/* An Update's private key is for the epoch that follows; when that comes without the Update it is of no use. */
static int unused_update(uint16_t suite)
{
	struct mls_commit_output out;
	struct pair p;
	int found;

	pair_init(&p, suite);
	assert_int_equal(mls_group_propose_update(p.b.group, NULL, NOTHING, &p.m[0]), 0);
	remember(&p.b.group->updates[0].priv);
	if (search_heap() < 1)
		return 100;
	person_commit(&p.a, &(struct mls_commit){.drop_proposals = true}, &out);
	assert_int_equal(person_process(&p.b, &out.commit), 0);
	mls_commit_output_done(&out);
	found = search_heap();
	pair_done(&p);
	return found;
}

/* What a Welcome carries for Bob: the joiner secret and his path secret. */
static void remember_group_secrets(const struct pair *p, const struct cv_buf *welcome)
{
	struct mls_crypto c;
	struct welcome_secret ws;
	struct group_secrets gs;
	struct mls_message m;
	struct hpke_info info;
	struct cv_reader r;
	uint8_t plain[512];

	assert_int_equal(mls_crypto_init(&c, p->b.suite, NULL), 0);
	assert_int_equal(mls_get_message(SPAN_OF(*welcome), &m), 0);
	cv_reader_init(&r, m.welcome.secrets.data, m.welcome.secrets.len);
	assert_int_equal(mls_get_welcome_secret(&r, &ws), 0);
	assert_int_equal(mls_hpke_label_info(&c, "Welcome", m.welcome.encrypted_group_info, &info), 0);
	assert_int_equal(mls_hpke_base_open(&c, &p->b.kp->init_priv, &info, ws.encrypted.kem_output, SPAN_NONE,
					    ws.encrypted.ciphertext, plain),
			 0);
	cv_reader_init(&r, plain, ws.encrypted.ciphertext.len - TAG_LEN);
	assert_int_equal(mls_get_group_secrets(&r, &gs), 0);
	remember_bytes(gs.joiner_secret.data, gs.joiner_secret.len);
	remember_bytes(gs.path_secret.data, gs.path_secret.len);
	cv_wipe(plain, sizeof(plain));
	mls_crypto_done(&c);
}

/* Neither who writes a Welcome nor who joins by it keeps the secrets that the epoch was derived from. */
static int joining(uint16_t suite)
{
	struct mls_commit_output out;
	struct cv_span add;
	struct pair p;
	uint8_t *proof;
	int found;

	pair_init(&p, suite);
	n_secrets = 0;
	mls_group_free(p.b.group);
	mls_group_free(p.a.group);
	p.a.group = p.b.group = NULL;
	person_create(&p.a, "g");
	add = person_offer(&p.b);
	person_commit(&p.a, &(struct mls_commit){.adds = &add, .n_adds = 1, .force_path = true}, &out);
	remember_group_secrets(&p, &out.welcome);
	found = search_heap();
	if (found)
		return found;
	proof = malloc(secrets[0].len);
	assert_non_null(proof);
	for (size_t i = 0; i < secrets[0].len; i++)
		proof[i] = secrets[0].bytes[i] ^ MASK;
	if (search_heap() != 1)
		return 100;
	cv_wipe(proof, secrets[0].len);
	free(proof);
	assert_int_equal(person_join(&p.b, &out), 0);
	found = search_heap();
	mls_commit_output_done(&out);
	pair_done(&p);
	return found;
}

/* A private key is outdated when its node is blank, whoever made it so. Dave's path gave Carol the key above them. */
static int blanked(uint16_t suite)
{
	struct mls_commit_output out;
	uint32_t dave = 3;
	struct person c, d;
	struct cv_span adds[2];
	struct pair p;
	int found;

	pair_init(&p, suite);
	person_init(&c, &p.w, suite, "carol");
	person_init(&d, &p.w, suite, "dave");
	c.options.resumption_epochs = 1;
	adds[0] = person_offer(&c);
	adds[1] = person_offer(&d);
	person_commit(&p.a, &(struct mls_commit){.adds = adds, .n_adds = 2}, &out);
	assert_int_equal(person_process(&p.b, &out.commit), 0);
	assert_int_equal(person_join(&c, &out) | person_join(&d, &out), 0);
	mls_commit_output_done(&out);
	person_commit(&d, &(struct mls_commit){0}, &out);
	assert_int_equal(person_process(&p.a, &out.commit) | person_process(&p.b, &out.commit), 0);
	assert_int_equal(person_process(&c, &out.commit), 0);
	mls_commit_output_done(&out);
	person_done(&d);
	remember(&c.group->cur->keys.level[1]);
	if (n_secrets != 1 || search_heap() < 1)
		return 100;
	person_commit(&p.a, &(struct mls_commit){.removes = &dave, .n_removes = 1}, &out);
	assert_int_equal(person_process(&c, &out.commit), 0);
	mls_commit_output_done(&out);
	found = search_heap();
	person_done(&c);
	pair_done(&p);
	return found;
}

/* Who has read a message and given it up has nothing of it left. */
static int plaintext(uint16_t suite)
{
	static const struct cv_span text = TEXT("a text that is long enough to be looked for");
	struct mls_received r;
	struct pair p;
	int found;

	pair_init(&p, suite);
	remember_bytes(text.data, text.len);
	assert_int_equal(mls_group_encrypt(p.a.group, text, NOTHING, &p.m[0]), 0);
	found = search_heap();
	if (found)
		return found;
	assert_int_equal(mls_group_process(p.b.group, p.m[0].data, p.m[0].len, &r), 0);
	if (search_heap() != 1) /* the caller's */
		return 100;
	mls_received_done(&r);
	found = search_heap();
	pair_done(&p);
	return found;
}

static void test_late_epoch_keeps_little(void **state)
{
	in_a_process(late_epoch);
}

static void test_tree_nodes_are_wiped(void **state)
{
	in_a_process(tree_nodes);
}

static void test_unused_update_is_wiped(void **state)
{
	in_a_process(unused_update);
}

static void test_joiner_secret_is_wiped(void **state)
{
	in_a_process(joining);
}

static void test_key_of_a_blanked_node_is_wiped(void **state)
{
	in_a_process(blanked);
}

static void test_plaintext_is_wiped(void **state)
{
	in_a_process(plaintext);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_epoch_keeps_little), cmocka_unit_test(test_tree_nodes_are_wiped),
		cmocka_unit_test(test_unused_update_is_wiped),  cmocka_unit_test(test_key_of_a_blanked_node_is_wiped),
		cmocka_unit_test(test_joiner_secret_is_wiped),  cmocka_unit_test(test_plaintext_is_wiped),
	};

	return cmocka_run_group_tests_name("mls wipe keys", tests, NULL, NULL);
}
