/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rotation of the intermediates. Six files change, and a key without its certificate keeps the manager from starting:
 * they are made in the folder `next`, which becomes `ready` by one rename when all are there. Whoever loads the keys
 * first moves what is ready into place.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "domain/files.h"
#include "domain/keys.h"

#define NEXT "next"

static const char *const rotated[] = {"issuer-old.pem", "grants-old.pem", "issuer.key",
				      "issuer.pem",     "grants.key",     "grants.pem"};

int mgr_keys_settle(const char *dir)
{
	char ready[MGR_PATH_MAX], from[MGR_PATH_MAX], to[MGR_PATH_MAX];
	int r = mgr_path(ready, dir, MGR_KEYS_READY);
	if (r < 0 || access(ready, F_OK) < 0)
		return r;
	for (size_t i = 0; r == 0 && i < sizeof rotated / sizeof rotated[0]; i++) {
		r = mgr_path(from, ready, rotated[i]);
		if (r == 0)
			r = mgr_path(to, dir, rotated[i]);
		if (r == 0)
			r = cv_file_move(from, to);
	}
	if (r == 0 && rmdir(ready) < 0 && errno != ENOENT)
		r = CV_EIO;
	return r;
}

static int keep_old(const char *dir, const char *next, const char *name, const char *old)
{
	char from[MGR_PATH_MAX], to[MGR_PATH_MAX];
	struct cv_buf pem;
	cv_buf_init(&pem, MGR_FILE_MAX);
	int r = mgr_path(from, dir, name);
	if (r == 0)
		r = mgr_path(to, next, old);
	if (r == 0)
		r = cv_file_read(from, &pem);
	if (r == 0)
		r = cv_file_write(to, pem.data, pem.len, 0644);
	cv_buf_done(&pem);
	return r;
}

static int make_ready(const char *dir, const struct mgr_keys *k, int64_t now, const struct cv_rng *rng)
{
	char next[MGR_PATH_MAX], ready[MGR_PATH_MAX];
	int r = mgr_path(next, dir, NEXT);
	if (r == 0)
		r = mgr_path(ready, dir, MGR_KEYS_READY);
	if (r == 0)
		r = mgr_dir_make(next);
	if (r == 0)
		r = keep_old(dir, next, "issuer.pem", "issuer-old.pem");
	if (r == 0)
		r = keep_old(dir, next, "grants.pem", "grants-old.pem");
	if (r == 0)
		r = mgr_keys_make_intermediates(next, k->root_seed, (struct cv_span){k->root.data, k->root.len}, now,
						rng);
	return r < 0 ? r : cv_file_move(next, ready);
}

int mgr_keys_rotate(const char *dir, struct mgr_keys *k, int64_t now, const struct cv_rng *rng)
{
	const char *what = NULL;
	struct mgr_keys fresh;
	if (!k->has_root)
		return CV_ESTATE;
	int r = mgr_keys_settle(dir);
	if (r == 0)
		r = make_ready(dir, k, now, rng);
	if (r == 0)
		r = mgr_keys_load(dir, &fresh, &what);
	if (r < 0)
		return r;
	/* The root key may have come from elsewhere (mgr_keys_load_root). */
	memcpy(fresh.root_seed, k->root_seed, sizeof fresh.root_seed);
	fresh.has_root = true;
	mgr_keys_done(k);
	*k = fresh;
	cv_wipe(&fresh, sizeof fresh);
	return 0;
}
