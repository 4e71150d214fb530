/* SPDX-License-Identifier: Apache-2.0 */
/* Several processes on one profile: the lock, and what one of them has changed put on top of what is on the disk. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include <base/alloc.h>
#include <base/secret.h>
#include <base/time.h>

#include "profile_store.h"

#define LOCK_FILE     "profile.lock"
#define LOCK_PAUSE_US 10000

/* Whoever has the lock may have been halted: waiting has an end, for a meeting goes on meanwhile. */
static int wait_for_lock(int fd, int64_t wait_us)
{
	int64_t until = cv_now_us() + wait_us;

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return CV_EIO;
		if (cv_now_us() >= until)
			return CV_EAGAIN;
		(void)nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_US * 1000L}, NULL);
	}
	return 0;
}

int client_profile_lock(const char *dir, int64_t wait_us, int *ret_fd, struct client_error *err)
{
	char path[4096];
	int fd, r;

	if (snprintf(path, sizeof(path), "%s/%s", dir, LOCK_FILE) >= (int)sizeof(path))
		return client_fail(err, CV_ELIMIT, CLIENT_USAGE, "the path of the profile is too long");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		r = errno == EACCES || errno == EPERM || errno == EROFS ? CV_EDENIED : CV_EIO;
		return client_fail(err, r, CLIENT_USAGE, "%s cannot be locked: %s", path, strerror(errno));
	}
	r = wait_for_lock(fd, wait_us);
	if (r == 0) {
		*ret_fd = fd;
		return 0;
	}
	if (r == CV_EAGAIN)
		client_fail(err, r, CLIENT_USAGE, "another process keeps the profile %s locked: try again", dir);
	else
		client_fail(err, r, CLIENT_USAGE, "%s cannot be locked: %s", path, strerror(errno));
	close(fd);
	return r;
}

void client_profile_unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

static bool same_root(const struct client_profile *a, const struct client_profile *b)
{
	return a->root_len == b->root_len && (a->root_len == 0 || memcmp(a->root_der, b->root_der, a->root_len) == 0);
}

static int set_bytes(uint8_t **field, size_t *field_len, const uint8_t *data, size_t len)
{
	uint8_t *copy = len > 0 ? cv_memdup(data, len) : NULL;

	if (len > 0 && copy == NULL)
		return CV_ENOMEM;
	cv_free(*field);
	*field = copy;
	*field_len = len;
	return 0;
}

static int copy_organisation(struct client_profile *to, const struct client_profile *from)
{
	int r = set_bytes(&to->root_der, &to->root_len, from->root_der, from->root_len);

	if (r == 0)
		r = set_bytes(&to->manifest, &to->manifest_len, from->manifest, from->manifest_len);
	if (r != 0)
		return r;
	to->manifest_version = from->manifest_version;
	memcpy(to->manager_url, from->manager_url, sizeof(to->manager_url));
	return 0;
}

static int merge_organisation(struct client_profile *disk, const struct client_profile *ours, struct client_error *err)
{
	if (same_root(disk, ours)) {
		bool newer = ours->manifest_version > disk->manifest_version ||
			     (ours->manifest_version == disk->manifest_version && (ours->news & CLIENT_NEWS_MANIFEST));
		int r = 0;

		if (newer) {
			r = set_bytes(&disk->manifest, &disk->manifest_len, ours->manifest, ours->manifest_len);
			disk->manifest_version = ours->manifest_version;
		}
		if ((ours->news & CLIENT_NEWS_ADDRESS) || disk->manager_url[0] == '\0')
			memcpy(disk->manager_url, ours->manager_url, sizeof(disk->manager_url));
		return r != 0 ? client_fail_code(err, r, "profile") : 0;
	}
	if (ours->root_der == NULL)
		return 0;
	if (disk->root_der != NULL) {
		if (memcmp(disk->stored_root, ours->stored_root, CLIENT_HASH_LEN) != 0)
			return client_fail(err, CV_ESTATE, CLIENT_USAGE,
					   "the profile %s belongs to %s meanwhile: nothing is stored there for %s",
					   disk->dir, disk->manager_url, ours->manager_url);
		client_profile_forget_contacts(disk);
	}
	return copy_organisation(disk, ours) != 0 ? client_fail_code(err, CV_ENOMEM, "profile") : 0;
}

static void copy_certificates(struct client_profile *to, const struct client_profile *from)
{
	to->certs = from->certs;
	memcpy(to->cert, from->cert, sizeof(to->cert));
	memcpy(to->name, from->name, sizeof(to->name));
}

/* True: the disk's session has become ours, or changed with ours. */
static bool merge_session(struct client_profile *disk, const struct client_profile *ours)
{
	if (ours->news & CLIENT_NEWS_SESSION) {
		memcpy(disk->user_id, ours->user_id, sizeof(disk->user_id));
		memcpy(disk->email, ours->email, sizeof(disk->email));
		memcpy(disk->role, ours->role, sizeof(disk->role));
		memcpy(disk->token, ours->token, sizeof(disk->token));
		disk->token_expires = ours->token_expires;
		copy_certificates(disk, ours);
		return true;
	}
	if (!(ours->news & CLIENT_NEWS_RENEWED) || disk->token[0] == '\0' || strcmp(disk->token, ours->token) != 0 ||
	    memcmp(disk->user_id, ours->user_id, sizeof(disk->user_id)) != 0)
		return false;
	copy_certificates(disk, ours);
	return true;
}

static int merge(struct client_profile *disk, const struct client_profile *ours, bool *ret_session,
		 struct client_error *err)
{
	int r;

	if (memcmp(disk->device_key, ours->device_key, sizeof(disk->device_key)) != 0)
		return client_fail(err, CV_ESTATE, CLIENT_USAGE,
				   "the profile %s was made anew meanwhile: nothing is stored there", disk->dir);
	r = merge_organisation(disk, ours, err);
	if (r != 0)
		return r;
	r = client_profile_merge_contacts(disk, ours);
	if (r == CV_ELIMIT)
		return client_fail(err, r, CLIENT_USAGE, "the profile %s has no room for more than %d verified people",
				   disk->dir, CLIENT_CONTACTS_MAX);
	if (r != 0)
		return client_fail_code(err, r, "profile");
	*ret_session = merge_session(disk, ours);
	return 0;
}

/* What another process has found out is worth knowing here too; only our session stays our own. */
static void take_stored(struct client_profile *p, struct client_profile *stored)
{
	uint8_t *root = p->root_der, *manifest = p->manifest;
	struct client_contact *contacts = p->contacts;
	size_t count = p->contact_count;

	p->root_der = stored->root_der;
	p->root_len = stored->root_len;
	p->manifest = stored->manifest;
	p->manifest_len = stored->manifest_len;
	p->manifest_version = stored->manifest_version;
	/* Else it stays with the session: a meeting's other thread may be reading it. */
	if (p->manager_url[0] == '\0')
		memcpy(p->manager_url, stored->manager_url, sizeof(p->manager_url));
	p->contacts = stored->contacts;
	p->contact_count = stored->contact_count;
	stored->root_der = root;
	stored->manifest = manifest;
	stored->contacts = contacts;
	stored->contact_count = count;
	memset(p->stored_root, 0, sizeof(p->stored_root));
	if (p->root_der != NULL)
		crypto_hash_sha256(p->stored_root, p->root_der, p->root_len);
	p->news = 0;
}

int client_profile_save(struct client_profile *p, struct client_error *err)
{
	struct client_profile *disk = cv_calloc(1, sizeof(*disk));
	bool session = false;
	int lock = -1, r;

	if (disk == NULL || (disk->dir = cv_strdup(p->dir)) == NULL) {
		r = client_fail_code(err, CV_ENOMEM, "profile");
		goto out;
	}
	r = client_profile_lock(p->dir, CLIENT_PROFILE_LOCK_US, &lock, err);
	if (r != 0)
		goto out;
	r = client_profile_load(disk, err);
	if (r == CV_ENOTFOUND)
		r = client_fail(err, CV_ESTATE, CLIENT_USAGE,
				"the profile %s was removed meanwhile: nothing is stored there", p->dir);
	if (r == 0)
		r = merge(disk, p, &session, err);
	if (r == 0 && session)
		r = client_profile_write_secrets(disk, err);
	if (r == 0)
		r = client_profile_write_public(disk, err);
	if (r == 0)
		take_stored(p, disk);
	else
		client_fail_code(err, r, "profile");
out:
	client_profile_unlock(lock);
	client_profile_free(disk);
	return r;
}
