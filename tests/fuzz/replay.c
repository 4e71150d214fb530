/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replays seeds through a fuzz target without libFuzzer: each file as it is, cut at every length, and with every
 * bit flipped (for large seeds at a stride, so that one seed costs a bounded number of runs).
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEED_MAX (1 << 20)

static size_t runs_per_seed = 4000;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly the size, so that a sanitizer sees the first byte read past the end. */
static void run_copy(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static void run_mutations(uint8_t *data, size_t size)
{
	size_t stride = 1 + size / (runs_per_seed / 2), bits = size * 8, bit_stride = 1 + bits / (runs_per_seed / 2);

	run_copy(data, size);
	for (size_t len = 0; len < size; len += stride)
		run_copy(data, len);
	for (size_t bit = 0; bit < bits; bit += bit_stride) {
		data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		run_copy(data, size);
		data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
}

static int run_file(const char *path)
{
	uint8_t *data;
	size_t size;
	FILE *f = fopen(path, "rb");

	if (!f) {
		perror(path);
		return -1;
	}
	data = malloc(SEED_MAX);
	size = data ? fread(data, 1, SEED_MAX, f) : 0;
	fclose(f);
	if (!data)
		return -1;
	run_mutations(data, size);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	int files = 0;
	struct dirent *e;
	DIR *d;

	if (argc == 3)
		runs_per_seed = strtoul(argv[2], NULL, 10);
	if (argc < 2 || argc > 3 || runs_per_seed < 2 || !(d = opendir(argv[1]))) {
		fprintf(stderr, "usage: %s CORPUS-FOLDER [RUNS-PER-SEED]\n", argv[0]);
		return 2;
	}
	while ((e = readdir(d))) {
		char path[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], e->d_name);
		if (run_file(path) != 0)
			return 1;
		files++;
	}
	closedir(d);
	if (!files) {
		fprintf(stderr, "no seeds in %s\n", argv[1]);
		return 1;
	}
	printf("%d seeds replayed\n", files);
	return 0;
}
