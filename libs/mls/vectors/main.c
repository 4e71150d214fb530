/* SPDX-License-Identifier: Apache-2.0 */
/* usage: mls-vectors [--kind KIND] FILE... ; the kind follows from the file's name unless it is given. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/text.h>

#include "vectors.h"

static const struct kind {
	const char *name; /* the file's name begins so */
	void (*run)(struct vec *v);
} kinds[] = {
	{"tree-math", vec_tree_math},
	{"deserialization", vec_deserialization},
	{"crypto-basics", vec_crypto_basics},
	{"secret-tree", vec_secret_tree},
	{"message-protection", vec_message_protection},
	{"key-schedule", vec_key_schedule},
	{"psk_secret", vec_psk_secret},
	{"transcript-hashes", vec_transcript_hashes},
	{"welcome", vec_welcome},
	{"tree-operations", vec_tree_operations},
	{"tree-validation", vec_tree_validation},
	{"treekem", vec_treekem},
	{"messages", vec_messages},
	{"passive-client", vec_passive},
	{"hpke", vec_hpke},
	{"rfc9180", vec_hpke},
};

static uint64_t now(void *ctx)
{
	return 1700000000;
}

static int fill(void *ctx, uint8_t *out, size_t len)
{
	return cv_rng_fill(cv_rng_system(), out, len);
}

static const struct cv_rng rng = {.fill = fill};
const struct mls_env vec_env = {.rng = &rng, .now = now};

bool vec_check(struct vec *v, bool ok, const char *what)
{
	if (!ok && !v->failed)
		v->failed = what;
	return ok;
}

struct cv_span vec_hex_value(struct vec *v, json_t *value)
{
	const char *s = json_string_value(value);
	size_t len = s ? strlen(s) / 2 : 0;
	uint8_t *p;

	if (!vec_check(v, s && v->n_blobs < sizeof(v->blobs) / sizeof(v->blobs[0]), "a hex string"))
		return SPAN_NONE;
	p = malloc(len + 1);
	if (!p)
		abort();
	v->blobs[v->n_blobs++] = p;
	vec_check(v, cv_hex_decode(p, len, s) == 0, "valid hex");
	return SPAN(p, len);
}

struct cv_span vec_hex(struct vec *v, json_t *obj, const char *name)
{
	json_t *value = json_object_get(obj, name);

	if (!vec_check(v, json_is_string(value), name))
		return SPAN_NONE;
	return vec_hex_value(v, value);
}

struct cv_secret vec_secret(struct vec *v, json_t *obj, const char *name)
{
	struct cv_span s = vec_hex(v, obj, name);
	struct cv_secret secret = {0};

	vec_check(v, cv_secret_set(&secret, s.data, s.len) == 0, name);
	return secret;
}

uint64_t vec_int(struct vec *v, json_t *obj, const char *name)
{
	json_t *value = json_object_get(obj, name);

	vec_check(v, json_is_integer(value), name);
	return (uint64_t)json_integer_value(value);
}

struct cv_span vec_text(struct vec *v, json_t *obj, const char *name)
{
	json_t *value = json_object_get(obj, name);

	vec_check(v, json_is_string(value), name);
	return SPAN(json_string_value(value), json_string_length(value));
}

bool vec_same(struct vec *v, json_t *obj, const char *name, const void *got, size_t len)
{
	return vec_check(v, mls_span_equal(vec_hex(v, obj, name), SPAN(got, len)), name);
}

bool vec_suite(struct vec *v)
{
	uint16_t suite = (uint16_t)vec_int(v, v->entry, "cipher_suite");

	return vec_check(v, mls_crypto_init(&v->crypto, suite, cv_rng_system()) == 0, "cipher suite");
}

static const char *run_entry(const struct kind *k, json_t *entry)
{
	static struct vec v;

	memset(&v, 0, sizeof(v));
	v.entry = entry;
	k->run(&v);
	mls_crypto_done(&v.crypto);
	for (size_t i = 0; i < v.n_blobs; i++)
		free(v.blobs[i]);
	return v.failed;
}

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(name, kinds[i].name, strlen(kinds[i].name)) == 0)
			return &kinds[i];
	return NULL;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* How many entries failed; -1 when the file cannot be used. */
static int run_file(const char *kind_name, const char *path)
{
	const struct kind *k = find_kind(kind_name ? kind_name : base_name(path));
	json_error_t e;
	json_t *file = json_load_file(path, 0, &e);
	int failed = 0;
	size_t n;

	if (!k || !file) {
		fprintf(stderr, "%s: %s\n", path, k ? e.text : "kind not known, give it by --kind");
		json_decref(file);
		return -1;
	}
	n = json_is_array(file) ? json_array_size(file) : 1;
	for (size_t i = 0; i < n; i++) {
		const char *why = run_entry(k, json_is_array(file) ? json_array_get(file, i) : file);

		if (!why)
			continue;
		printf("%s[%zu]: failed: %s\n", base_name(path), i, why);
		failed++;
	}
	printf("%s: %zu passed, %d failed\n", base_name(path), n - (size_t)failed, failed);
	json_decref(file);
	return failed;
}

int main(int argc, char **argv)
{
	const char *kind = NULL;
	int first = 1, bad = 0;

	if (argc > 2 && strcmp(argv[1], "--kind") == 0) {
		kind = argv[2];
		first = 3;
	}
	if (first >= argc) {
		fprintf(stderr, "usage: %s [--kind KIND] FILE...\nkinds:", argv[0]);
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			fprintf(stderr, " %s", kinds[i].name);
		fprintf(stderr, "\n");
		return 2;
	}
	for (int i = first; i < argc; i++)
		bad |= run_file(kind, argv[i]) != 0;
	return bad;
}
