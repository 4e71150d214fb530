/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <base/secret.h>
#include <base/text.h>
#include <client/profile.h>
#include <proto/identity.h>

#include "profile_store.h"

static int make_directories(const char *dir)
{
	char path[4096];
	size_t len = strlen(dir);

	if (len == 0 || len >= sizeof(path))
		return CV_EINVAL;
	memcpy(path, dir, len + 1);
	for (char *p = path + 1; *p != '\0'; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return CV_EIO;
		*p = '/';
	}
	return mkdir(path, 0700) != 0 && errno != EEXIST ? CV_EIO : 0;
}

static int check_directory(const char *dir, struct client_error *err)
{
	struct stat st;

	if (make_directories(dir) != 0)
		return client_fail(err, CV_EIO, CLIENT_USAGE, "profile %s: %s", dir, strerror(errno));
	if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
		return client_fail(err, CV_EIO, CLIENT_USAGE, "profile %s is not a directory", dir);
	if (st.st_uid != geteuid())
		return client_fail(err, CV_EINVAL, CLIENT_USAGE, "profile %s belongs to another user", dir);
	if ((st.st_mode & 077) != 0 && chmod(dir, 0700) != 0)
		return client_fail(err, CV_EINVAL, CLIENT_USAGE, "others may read the profile %s", dir);
	return 0;
}

static char *default_directory(void)
{
	const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
	char path[4096];
	int n;

	if (data != NULL && data[0] == '/')
		n = snprintf(path, sizeof(path), "%s/conclave", data);
	else
		n = snprintf(path, sizeof(path), "%s/.local/share/conclave", home != NULL ? home : "");
	return n > 0 && n < (int)sizeof(path) ? cv_strdup(path) : NULL;
}

static int new_device_key(struct client_profile *p)
{
	return cv_rng_fill(cv_rng_system(), p->device_seed, sizeof(p->device_seed));
}

static int derive_device_key(struct client_profile *p)
{
	uint8_t secret[crypto_sign_SECRETKEYBYTES];
	int r;

	r = crypto_sign_seed_keypair(p->device_key, secret, p->device_seed);
	cv_wipe(secret, sizeof(secret));
	if (r != 0)
		return CV_ECRYPTO;
	crypto_hash_sha256(p->device_hash, p->device_key, sizeof(p->device_key));
	return 0;
}

/* Two files cannot be replaced at one moment: a stop of the machine in between may leave one's token beside another. */
static bool session_is_whole(const struct client_profile *p)
{
	struct proto_identity id;

	return p->certs == 0 || proto_identity_parse(p->cert[0].der, p->cert[0].len, &id) != 0 ||
	       memcmp(id.user_id, p->user_id, sizeof(id.user_id)) == 0;
}

int client_profile_load(struct client_profile *p, struct client_error *err)
{
	int r = client_profile_load_public(p, err);

	if (r == 0)
		r = client_profile_load_secrets(p, err);
	if (r == 0)
		r = derive_device_key(p);
	if (r != 0)
		return r;
	if (!session_is_whole(p))
		client_profile_sign_out(p);
	p->news = 0;
	if (p->root_der != NULL)
		crypto_hash_sha256(p->stored_root, p->root_der, p->root_len);
	return 0;
}

static int create(struct client_profile *p, struct client_error *err)
{
	int r = new_device_key(p);

	if (r == 0)
		r = derive_device_key(p);
	if (r == 0)
		r = client_profile_write_secrets(p, err);
	return r != 0 ? r : client_profile_write_public(p, err);
}

/* Where nothing may be written there is no lock, and nobody to be kept out by it. */
static int load_or_create(struct client_profile *p, struct client_error *err)
{
	struct client_error why = {0};
	int lock = -1, locked = client_profile_lock(p->dir, CLIENT_PROFILE_LOCK_US, &lock, &why), r = locked;

	if (r == 0 || r == CV_EDENIED)
		r = client_profile_load(p, err);
	if (r == CV_ENOTFOUND)
		r = locked == 0 ? create(p, err) : locked;
	client_profile_unlock(lock);
	return r != 0 && r == locked ? client_fail(err, r, why.outcome, "%s", why.text) : r;
}

int client_profile_open(const char *dir, struct client_profile **ret, struct client_error *err)
{
	struct client_profile *p;
	int r;

	if (sodium_init() < 0)
		return client_fail(err, CV_ECRYPTO, CLIENT_SECURITY, "the crypto library does not start");
	p = cv_calloc(1, sizeof(*p));
	if (p == NULL)
		return client_fail_code(err, CV_ENOMEM, "profile");
	p->dir = dir != NULL ? cv_strdup(dir) : default_directory();
	if (p->dir == NULL) {
		r = client_fail_code(err, CV_ENOMEM, "profile");
		goto out;
	}
	r = check_directory(p->dir, err);
	if (r != 0)
		goto out;
	r = load_or_create(p, err);
	if (r != 0) {
		client_fail_code(err, r, "profile");
		goto out;
	}
	*ret = p;
	p = NULL;
out:
	client_profile_free(p);
	return r;
}

void client_profile_free(struct client_profile *p)
{
	if (p == NULL)
		return;
	client_profile_forget_contacts(p);
	cv_free(p->root_der);
	cv_free(p->manifest);
	cv_free(p->dir);
	cv_free_wiped(p, sizeof(*p));
}

void client_profile_sign_out(struct client_profile *p)
{
	cv_wipe(p->token, sizeof(p->token));
	p->token_expires = 0;
	p->certs = 0;
	memset(p->user_id, 0, sizeof(p->user_id));
	p->email[0] = p->name[0] = p->role[0] = '\0';
	p->news = (p->news & ~CLIENT_NEWS_RENEWED) | CLIENT_NEWS_SESSION;
}

int client_profile_sign(const struct client_profile *p, const void *data, size_t len, uint8_t ret_signature[64])
{
	uint8_t key[crypto_sign_SECRETKEYBYTES];
	int r;

	memcpy(key, p->device_seed, 32);
	memcpy(key + 32, p->device_key, 32);
	r = crypto_sign_detached(ret_signature, NULL, data, len, key);
	cv_wipe(key, sizeof(key));
	return r == 0 ? 0 : CV_ECRYPTO;
}
