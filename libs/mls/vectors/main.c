/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: mls-vectors [--quiet] [--kind KIND] FILE...
 * The kind follows from the file's name unless it is given. One line per entry: "FILE INDEX passed" or "FILE INDEX
 * failed: WHY"; then a summary per file. --quiet leaves out the lines of entries that passed.
 */
#include <getopt.h>
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

/* How many entries failed; -1 when the file cannot be used or holds none. */
static int run_file(const char *kind_name, const char *path, bool quiet)
{
	const struct kind *k = find_kind(kind_name ? kind_name : base_name(path));
	json_error_t e;
	json_t *file = json_load_file(path, 0, &e);
	int failed = 0;
	size_t n;

	if (!file || !k) {
		if (!file)
			fprintf(stderr, "%s: %s\n", path, e.text);
		else if (kind_name)
			fprintf(stderr, "%s: there is no kind \"%s\", see --help\n", path, kind_name);
		else
			fprintf(stderr, "%s: its name does not begin with a kind, give one by --kind (see --help)\n",
				path);
		json_decref(file);
		return -1;
	}
	n = json_is_array(file) ? json_array_size(file) : 1;
	for (size_t i = 0; i < n; i++) {
		const char *why = run_entry(k, json_is_array(file) ? json_array_get(file, i) : file);

		if (why)
			printf("%s %zu failed: %s\n", base_name(path), i, why);
		else if (!quiet)
			printf("%s %zu passed\n", base_name(path), i);
		failed += why != NULL;
	}
	printf("%s: %zu passed, %d failed\n", base_name(path), n - (size_t)failed, failed);
	json_decref(file);
	return n ? failed : -1;
}

static int usage(FILE *to, const char *program)
{
	fprintf(to,
		"usage: %s [--quiet] [--kind KIND] FILE...\n"
		"Runs test vectors of the official forms, and prints for each entry that it passed or why it failed.\n"
		"KIND is what the file's name begins with unless given; --quiet leaves out what passed. Kinds:\n",
		program);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		fprintf(to, " %s", kinds[i].name);
	fprintf(to, "\n");
	return to == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"quiet", no_argument, NULL, 'q'},
		{"kind", required_argument, NULL, 'k'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *kind = NULL;
	bool quiet = false;
	int bad = 0, o;

	while ((o = getopt_long(argc, argv, "qk:h", options, NULL)) >= 0) {
		if (o == 'q')
			quiet = true;
		else if (o == 'k')
			kind = optarg;
		else if (o == 'h')
			return usage(stdout, argv[0]);
		else
			return usage(stderr, argv[0]);
	}
	if (optind >= argc)
		return usage(stderr, argv[0]);
	for (int i = optind; i < argc; i++)
		bad |= run_file(kind, argv[i], quiet) != 0;
	return bad;
}
