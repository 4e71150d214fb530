/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libs/mls on a pipe, for tests against other implementations: one JSON object per line in, one out. Byte strings are
 * lower-case hex. A process holds any number of members by name; "cmd" says what to do with "name":
 *
 *   member {suite, identity, x509}            key_package                       create {group_id, public}
 *   join {welcome, tree}                      join_external {group_info, tree, resync}
 *   commit {adds, removes, psks, extensions, tree_outside, group_info, force_path}   merge   clear
 *   propose {type, key_package | index | psk | extensions}
 *   process {message}      encrypt {plaintext}      group_info {with_tree}      state      leave      save_restore
 *   end {group_id, suite} (commits a ReInit)    reinit {group_id, suite, key_packages}    branch {group_id,
 * key_packages} join_successor {welcome, tree}            propose_join {group_id, epoch} psk {id, value}        issue
 * {suite, public_key, common_name}      authority
 *
 * Answers {"ok": true, …} or {"error": text}. Whoever is in a group gets its state with every answer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "authority.h"
#include "mls-peer.h"

#define MEMBERS_MAX 256
#define PSKS_MAX    32
#define LIST_MAX    1024

static struct peer_member *members[MEMBERS_MAX];
static struct {
	uint8_t id[64], value[64];
	size_t id_len, value_len;
} psks[PSKS_MAX];
static size_t n_psks;

uint64_t peer_now(void *ctx)
{
	return (uint64_t)time(NULL);
}

struct mls_env peer_env = {.now = peer_now};

/* ---- policy ---- */

static int accept_leaf(void *ctx, const struct mls_leaf_question *q)
{
	struct cv_span der;
	int err;

	if (q->leaf->credential.type == MLS_CREDENTIAL_BASIC)
		return q->leaf->credential.data.len ? 0 : CV_EDENIED;
	err = mls_x509_cert(&q->leaf->credential, 0, &der);
	return err ? err : authority_check(der);
}

static int find_psk(void *ctx, const struct mls_psk_question *q, struct cv_span *ret)
{
	if (q->usage != MLS_PSK_EXTERNAL)
		return CV_ENOTFOUND;
	for (size_t i = 0; i < n_psks; i++)
		if (psks[i].id_len == q->psk_id.len && memcmp(psks[i].id, q->psk_id.data, q->psk_id.len) == 0) {
			*ret = (struct cv_span){psks[i].value, psks[i].value_len};
			return 0;
		}
	return CV_ENOTFOUND;
}

struct mls_group_options peer_options(const json_t *in)
{
	return (struct mls_group_options){
		.env = &peer_env,
		.policy = {.leaf = accept_leaf, .psk = find_psk},
		.padding = 64,
		.past_epochs = 2,
		.public_handshake = json_is_true(json_object_get(in, "public")),
	};
}

/* ---- members ---- */

static struct peer_member *find_member(const json_t *in)
{
	const char *name = json_string_value(json_object_get(in, "name"));

	for (size_t i = 0; name && i < MEMBERS_MAX; i++)
		if (members[i] && strcmp(members[i]->name, name) == 0)
			return members[i];
	return NULL;
}

struct mls_member peer_self(struct peer_member *m)
{
	/* The private-use type that the tests put into the GroupContext. */
	static const uint16_t extension_types[] = {0xf0a1};

	return (struct mls_member){
		.extension_types = extension_types,
		.n_extension_types = 1,
		.credential = m->credential,
		.signature_key = mls_sign_key_public(m->key),
		.signer = mls_sign_key_signer(m->key),
		.grease = true,
	};
}

static int make_credential(struct peer_member *m, const json_t *in)
{
	struct cv_span identity = peer_bytes(in, "identity"), der;
	struct cv_buf cert;
	int err;

	cv_buf_init(&m->credential_data, 65536);
	if (!peer_flag(in, "x509")) {
		err = cv_buf_put(&m->credential_data, identity.data, identity.len);
		m->credential = (struct mls_credential){MLS_CREDENTIAL_BASIC, {m->credential_data.data, identity.len}};
		return err;
	}
	cv_buf_init(&cert, 65536);
	err = authority_issue(m->suite, mls_sign_key_public(m->key), m->name, &cert);
	der = (struct cv_span){cert.data, cert.len};
	if (!err)
		err = mls_x509_chain(&der, 1, &m->credential_data);
	m->credential = (struct mls_credential){MLS_CREDENTIAL_X509, {m->credential_data.data, m->credential_data.len}};
	cv_buf_done(&cert);
	return err;
}

static int cmd_member(struct peer_member *old, const json_t *in, json_t *out)
{
	const char *name = json_string_value(json_object_get(in, "name"));
	struct peer_member *m;
	size_t i = 0;
	int err;

	while (i < MEMBERS_MAX && members[i])
		i++;
	if (old || !name || strlen(name) >= sizeof(m->name) || i == MEMBERS_MAX)
		return CV_EINVAL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return CV_ENOMEM;
	members[i] = m;
	memcpy(m->name, name, strlen(name));
	m->suite = (uint16_t)json_integer_value(json_object_get(in, "suite"));
	err = mls_sign_key_generate(m->suite, peer_env.rng, &m->key);
	if (!err)
		err = make_credential(m, in);
	if (!err)
		peer_put_bytes(out, "signature_key", mls_sign_key_public(m->key));
	return err;
}

static int cmd_key_package(struct peer_member *m, const json_t *in, json_t *out)
{
	struct mls_key_package **place = &m->packages[m->next_package++ % PEER_PACKAGES], *kp;
	struct mls_member me = peer_self(m);
	int err = mls_key_package_new(&peer_env, m->suite, &me, peer_now(NULL) - 3600, peer_now(NULL) + 86400, &kp);

	if (err)
		return err;
	mls_key_package_free(*place);
	*place = kp;
	peer_put_bytes(out, "key_package", mls_key_package_message(kp));
	return 0;
}

static int cmd_create(struct peer_member *m, const json_t *in, json_t *out)
{
	struct mls_group_options o = peer_options(in);
	struct mls_extension ext[16];
	size_t n_ext = peer_extensions(in, ext);
	struct mls_member me = peer_self(m);

	return mls_group_create(&o, m->suite, &me, peer_bytes(in, "group_id"), ext, n_ext, &m->group);
}

static int cmd_join(struct peer_member *m, const json_t *in, json_t *out)
{
	struct mls_join j = {.welcome = peer_bytes(in, "welcome"),
			     .signer = mls_sign_key_signer(m->key),
			     .ratchet_tree = peer_bytes(in, "tree"),
			     .expected_group_id = peer_bytes(in, "group_id")};
	struct mls_group_options o = peer_options(in);
	int err = CV_ENOTFOUND;

	for (size_t i = 0; i < PEER_PACKAGES && err == CV_ENOTFOUND; i++) {
		j.key_package = m->packages[i];
		if (m->packages[i])
			err = mls_group_join(&o, &j, &m->group);
	}
	return err;
}

static int cmd_join_external(struct peer_member *m, const json_t *in, json_t *out)
{
	struct mls_external_join j = {.group_info = peer_bytes(in, "group_info"),
				      .ratchet_tree = peer_bytes(in, "tree"),
				      .resync = peer_flag(in, "resync")};
	struct mls_group_options o = peer_options(in);
	struct mls_member me = peer_self(m);
	struct mls_group *g;
	struct cv_buf commit;
	int err;

	cv_buf_init(&commit, MLS_MESSAGE_MAX);
	err = mls_group_join_external(&o, &me, &j, &commit, &g);
	if (!err) {
		mls_group_free(m->group);
		m->group = g;
	}
	peer_put_buf(out, "commit", &commit);
	return err;
}

static int cmd_commit(struct peer_member *m, const json_t *in, json_t *out)
{
	static struct cv_span adds[LIST_MAX];
	static uint32_t removes[LIST_MAX];
	const json_t *v;
	struct mls_psk_question psk[8] = {0};
	struct mls_extension ext[16];
	struct mls_commit_output result = {0};
	struct mls_commit c = {.adds = adds, .removes = removes, .psks = psk, .extensions = ext};
	size_t i;
	int err;

	json_array_foreach(json_object_get(in, "adds"), i, v) if (i < LIST_MAX) adds[c.n_adds++] = peer_bytes_of(v);
	json_array_foreach(json_object_get(in, "removes"), i, v) if (i < LIST_MAX) removes[c.n_removes++] =
		(uint32_t)json_integer_value(v);
	json_array_foreach(json_object_get(in, "psks"), i, v) if (i < 8) psk[c.n_psks++] =
		(struct mls_psk_question){.usage = MLS_PSK_EXTERNAL, .psk_id = peer_bytes_of(v)};
	c.set_extensions = json_is_array(json_object_get(in, "extensions"));
	c.n_extensions = peer_extensions(in, ext);
	c.tree_outside_welcome = peer_flag(in, "tree_outside");
	c.want_group_info = peer_flag(in, "group_info");
	c.force_path = peer_flag(in, "force_path");
	err = mls_group_commit(m->group, &c, &result);
	if (err)
		return err;
	peer_put_buf(out, "commit", &result.commit);
	peer_put_buf(out, "welcome", &result.welcome);
	peer_put_buf(out, "group_info", &result.group_info);
	peer_put_buf(out, "tree", &result.ratchet_tree);
	return 0;
}

static int cmd_merge(struct peer_member *m, const json_t *in, json_t *out)
{
	return mls_group_merge_pending(m->group);
}

static int cmd_clear(struct peer_member *m, const json_t *in, json_t *out)
{
	mls_group_clear_pending(m->group);
	return 0;
}

static int cmd_propose(struct peer_member *m, const json_t *in, json_t *out)
{
	const char *type = json_string_value(json_object_get(in, "type"));
	struct mls_psk_question psk = {.usage = MLS_PSK_EXTERNAL, .psk_id = peer_bytes(in, "psk")};
	uint32_t index = (uint32_t)json_integer_value(json_object_get(in, "index"));
	struct cv_span none = {NULL, 0};
	struct mls_extension ext[16];
	size_t n_ext = peer_extensions(in, ext);
	struct cv_buf b;
	int err = CV_EINVAL;

	cv_buf_init(&b, MLS_MESSAGE_MAX);
	if (type && strcmp(type, "add") == 0)
		err = mls_group_propose_add(m->group, peer_bytes(in, "key_package"), none, &b);
	else if (type && strcmp(type, "remove") == 0)
		err = mls_group_propose_remove(m->group, index, none, &b);
	else if (type && strcmp(type, "update") == 0)
		err = mls_group_propose_update(m->group, NULL, none, &b);
	else if (type && strcmp(type, "psk") == 0)
		err = mls_group_propose_psk(m->group, &psk, none, &b);
	else if (type && strcmp(type, "extensions") == 0)
		err = mls_group_propose_extensions(m->group, ext, n_ext, none, &b);
	peer_put_buf(out, "message", &b);
	return err;
}

static int cmd_process(struct peer_member *m, const json_t *in, json_t *out)
{
	static const char *const kinds[] = {"", "application", "proposal", "commit", "removed", "reinit"};
	struct cv_span message = peer_bytes(in, "message");
	struct mls_received r = {0};
	int err = mls_group_process(m->group, message.data, message.len, &r);

	if (err)
		return err;
	json_object_set_new(out, "kind", json_string(kinds[r.kind]));
	json_object_set_new(out, "sender", json_integer(r.sender));
	if (r.kind == MLS_RECEIVED_APPLICATION)
		peer_put_bytes(out, "plaintext", (struct cv_span){r.plaintext.data, r.plaintext.len});
	mls_received_done(&r);
	return 0;
}

static int cmd_encrypt(struct peer_member *m, const json_t *in, json_t *out)
{
	struct cv_buf b;
	int err;

	cv_buf_init(&b, MLS_MESSAGE_MAX);
	err = mls_group_encrypt(m->group, peer_bytes(in, "plaintext"), peer_bytes(in, "authenticated_data"), &b);
	peer_put_buf(out, "message", &b);
	return err;
}

static int cmd_group_info(struct peer_member *m, const json_t *in, json_t *out)
{
	struct cv_buf info, tree;
	int err;

	cv_buf_init(&info, MLS_MESSAGE_MAX);
	cv_buf_init(&tree, MLS_MESSAGE_MAX);
	err = mls_group_info(m->group, peer_flag(in, "with_tree"), &info);
	if (!err)
		err = mls_group_tree(m->group, &tree);
	peer_put_buf(out, "group_info", &info);
	peer_put_buf(out, "tree", &tree);
	return err;
}

static int cmd_state(struct peer_member *m, const json_t *in, json_t *out)
{
	return 0;
}

static int cmd_leave(struct peer_member *m, const json_t *in, json_t *out)
{
	mls_group_free(m->group);
	m->group = NULL;
	return 0;
}

/* The group goes to bytes and back, as after a restart. */
static int cmd_save_restore(struct peer_member *m, const json_t *in, json_t *out)
{
	const struct mls_own_key key = {mls_sign_key_public(m->key), mls_sign_key_signer(m->key)};
	struct mls_group_options o = peer_options(in);
	struct mls_group *again;
	struct cv_buf b;
	int err;

	cv_buf_init_secret(&b, MLS_MESSAGE_MAX * 4);
	err = mls_group_save(m->group, &b);
	if (!err)
		err = mls_group_restore(&o, &key, 1, b.data, b.len, &again);
	if (!err) {
		mls_group_free(m->group);
		m->group = again;
	}
	cv_buf_done(&b);
	return err;
}

/* ---- the rest ---- */

static int cmd_psk(struct peer_member *m, const json_t *in, json_t *out)
{
	struct cv_span id = peer_bytes(in, "id"), value = peer_bytes(in, "value");

	if (n_psks == PSKS_MAX || !id.len || id.len > 64 || !value.len || value.len > 64)
		return CV_ELIMIT;
	memcpy(psks[n_psks].id, id.data, id.len);
	memcpy(psks[n_psks].value, value.data, value.len);
	psks[n_psks].id_len = id.len;
	psks[n_psks++].value_len = value.len;
	return 0;
}

static int cmd_issue(struct peer_member *m, const json_t *in, json_t *out)
{
	const char *name = json_string_value(json_object_get(in, "common_name"));
	uint16_t suite = (uint16_t)json_integer_value(json_object_get(in, "suite"));
	struct cv_buf b;
	int err;

	cv_buf_init(&b, 65536);
	err = authority_issue(suite, peer_bytes(in, "public_key"), name ? name : "", &b);
	peer_put_buf(out, "certificate", &b);
	return err;
}

static int cmd_authority(struct peer_member *m, const json_t *in, json_t *out)
{
	struct cv_buf b;
	int err;

	cv_buf_init(&b, 65536);
	err = authority_certificate(&b);
	peer_put_buf(out, "certificate", &b);
	return err;
}

static const struct {
	const char *name;
	enum { ANYONE, MEMBER, IN_GROUP } who;
	int (*run)(struct peer_member *m, const json_t *in, json_t *out);
} commands[] = {
	{"member", ANYONE, cmd_member},
	{"psk", ANYONE, cmd_psk},
	{"issue", ANYONE, cmd_issue},
	{"authority", ANYONE, cmd_authority},
	{"key_package", MEMBER, cmd_key_package},
	{"create", MEMBER, cmd_create},
	{"join", MEMBER, cmd_join},
	{"join_external", MEMBER, cmd_join_external},
	{"commit", IN_GROUP, cmd_commit},
	{"merge", IN_GROUP, cmd_merge},
	{"clear", IN_GROUP, cmd_clear},
	{"propose", IN_GROUP, cmd_propose},
	{"process", IN_GROUP, cmd_process},
	{"encrypt", IN_GROUP, cmd_encrypt},
	{"group_info", IN_GROUP, cmd_group_info},
	{"state", IN_GROUP, cmd_state},
	{"propose_join", MEMBER, peer_cmd_propose_join},
	{"join_successor", IN_GROUP, peer_cmd_join_successor},
	{"end", IN_GROUP, peer_cmd_end},
	{"reinit", IN_GROUP, peer_cmd_reinit},
	{"branch", IN_GROUP, peer_cmd_branch},
	{"leave", IN_GROUP, cmd_leave},
	{"save_restore", IN_GROUP, cmd_save_restore},
};

static int run(const json_t *in, json_t *out)
{
	const char *cmd = json_string_value(json_object_get(in, "cmd"));
	struct peer_member *m = find_member(in);

	for (size_t i = 0; cmd && i < sizeof(commands) / sizeof(commands[0]); i++) {
		int err;

		if (strcmp(commands[i].name, cmd) != 0)
			continue;
		if ((commands[i].who != ANYONE && !m) || (commands[i].who == IN_GROUP && !m->group))
			return CV_ESTATE;
		err = commands[i].run(m, in, out);
		if (!err && m && m->group)
			peer_put_state(m->group, out);
		return err;
	}
	return CV_EUNSUPPORTED;
}

static void free_members(void)
{
	for (size_t i = 0; i < MEMBERS_MAX; i++) {
		struct peer_member *m = members[i];

		if (!m)
			continue;
		for (size_t k = 0; k < PEER_PACKAGES; k++)
			mls_key_package_free(m->packages[k]);
		mls_group_free(m->group);
		cv_buf_done(&m->credential_data);
		mls_sign_key_free(m->key);
		free(m);
	}
}

int main(void)
{
	char *line = NULL;
	size_t cap = 0;

	peer_env.rng = cv_rng_system();
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (getline(&line, &cap, stdin) > 0) {
		json_t *in = json_loads(line, 0, NULL), *out = json_object();
		int err = in ? run(in, out) : CV_EFORMAT;

		if (err)
			json_object_set_new(out, "error", json_string(cv_strerror(err)));
		else
			json_object_set_new(out, "ok", json_true());
		json_dumpf(out, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(in);
		json_decref(out);
		peer_free_bytes();
	}
	free(line);
	free_members();
	return 0;
}
