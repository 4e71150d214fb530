/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <arpa/inet.h>
#include <sodium.h>

#include "auth/auth.h"

/* An IPv6 client holds a /64 at least: its addresses count together. */
static void shorten_address(const char *text, char *dst, size_t size)
{
	struct in6_addr a;
	size_t len = strcspn(text, "%");
	if (len >= size)
		len = size - 1;
	memcpy(dst, text, len);
	dst[len] = 0;
	if (inet_pton(AF_INET6, dst, &a) != 1 || IN6_IS_ADDR_V4MAPPED(&a))
		return;
	memset(a.s6_addr + 8, 0, 8);
	if (!inet_ntop(AF_INET6, &a, dst, (socklen_t)size))
		dst[0] = 0;
}

void mgr_throttle_key(const struct mgr_app *app, const char *kind, const char *value, uint8_t ret_key[MGR_HASH_LEN])
{
	char address[INET6_ADDRSTRLEN + 8];
	crypto_auth_hmacsha256_state st;
	if (!strcmp(kind, "address")) {
		shorten_address(value, address, sizeof address);
		value = address;
	}
	crypto_auth_hmacsha256_init(&st, app->keys->queue_key, sizeof app->keys->queue_key);
	crypto_auth_hmacsha256_update(&st, (const uint8_t *)"throttle ", 9);
	crypto_auth_hmacsha256_update(&st, (const uint8_t *)kind, strlen(kind) + 1);
	crypto_auth_hmacsha256_update(&st, (const uint8_t *)value, strlen(value));
	crypto_auth_hmacsha256_final(&st, ret_key);
}

static int load(struct mgr_app *app, const uint8_t key[MGR_HASH_LEN], struct mgr_throttle *ret)
{
	struct mgr_throttle t = {0};
	int r = mgr_store_throttle_get(app->store, key, &t);
	if (r < 0 && r != CV_ENOTFOUND)
		return r;
	if (mgr_now(app) - t.last > MGR_THROTTLE_FORGET_S)
		t = (struct mgr_throttle){0};
	*ret = t;
	return 0;
}

int mgr_throttle_check(struct mgr_app *app, const uint8_t key[MGR_HASH_LEN], int64_t free)
{
	struct mgr_throttle t;
	int r = load(app, key, &t);
	if (r < 0)
		return r;
	if (t.failures < free)
		return 0;
	int64_t delay = 1;
	for (int64_t i = free; i < t.failures && delay < MGR_THROTTLE_MAX_S; i++)
		delay *= 2;
	if (delay > MGR_THROTTLE_MAX_S)
		delay = MGR_THROTTLE_MAX_S;
	int64_t left = t.last + delay - mgr_now(app);
	if (left <= 0)
		return 0;
	/* A clock that was set back must not lock anybody out for longer. */
	app->retry_after = left < delay ? left : delay;
	return MGR_ETHROTTLED;
}

int mgr_throttle_failed(struct mgr_app *app, const uint8_t key[MGR_HASH_LEN])
{
	struct mgr_throttle t;
	int r = load(app, key, &t);
	if (r < 0)
		return r;
	t.failures++;
	t.last = mgr_now(app);
	return mgr_store_throttle_set(app->store, key, &t);
}

int mgr_throttle_success(struct mgr_app *app, const uint8_t key[MGR_HASH_LEN], bool forget)
{
	struct mgr_throttle t;
	if (forget)
		return mgr_store_throttle_delete(app->store, key);
	int r = load(app, key, &t);
	if (r < 0 || t.failures == 0)
		return r;
	t.failures--;
	return mgr_store_throttle_set(app->store, key, &t);
}

int mgr_throttle_known(struct mgr_app *app, const uint8_t key[MGR_HASH_LEN], bool *ret_known)
{
	struct mgr_throttle t = {0};
	int r = mgr_store_throttle_get(app->store, key, &t);
	if (r < 0 && r != CV_ENOTFOUND)
		return r;
	*ret_known = r == 0 && mgr_now(app) - t.last < MGR_KNOWN_S;
	return 0;
}

int mgr_throttle_know(struct mgr_app *app, const uint8_t key[MGR_HASH_LEN])
{
	struct mgr_throttle t = {.last = mgr_now(app)};
	return mgr_store_throttle_set(app->store, key, &t);
}
