/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include <base/alloc.h>
#include <base/file.h>
#include <base/log.h>
#include <base/text.h>
#include <net/http.h>

#include "keys.h"
#include "link.h"

#define POLL_TIMEOUT_MS 40000 /* the manager answers after 25 s at the latest */
#define RETRY_FIRST_MS  500
#define RETRY_MOST_MS   30000
#define KEYS_EVERY_US   ((int64_t)3600 * 1000000)
#define EVENTS_MAX      1024

struct relay_link {
	struct cv_loop *loop;
	const struct relay_config *config;
	struct relay_link_cbs cbs;
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock; /* for `wake` only */
	pthread_cond_t wake;
	atomic_bool stop;

	/* the thread's own */
	struct net_http *http;
	struct cv_buf root;
	uint64_t version;
	int64_t after;
	int64_t keys_us;
	bool keys_known;
};

enum news_kind { NEWS_SIGNERS, NEWS_REVOCATION, NEWS_RUN_ENDED };

/* One thing learned, on its way to the loop. */
struct news {
	struct relay_link *link;
	enum news_kind kind;
	union {
		struct proto_signers signers;
		struct {
			uint8_t run_id[PROTO_ID_LEN];
			bool cancelled;
		} ended;
		struct {
			size_t len;
			uint8_t data[1024];
		} revocation;
	};
};

static void deliver(void *arg)
{
	struct news *n = arg;
	struct relay_link *l = n->link;

	if (atomic_load(&l->stop))
		;
	else if (n->kind == NEWS_SIGNERS)
		l->cbs.on_signers(l->arg, &n->signers);
	else if (n->kind == NEWS_REVOCATION)
		l->cbs.on_revocation(l->arg, n->revocation.data, n->revocation.len);
	else
		l->cbs.on_run_ended(l->arg, n->ended.run_id, n->ended.cancelled);
	cv_free(n);
}

static int post(struct relay_link *l, const struct news *n)
{
	struct news *copy = cv_memdup(n, sizeof(*n));
	int err;

	if (!copy)
		return CV_ENOMEM;
	copy->link = l;
	err = cv_loop_post(l->loop, deliver, copy);
	if (err)
		cv_free(copy);
	return err;
}

/* GET on the manager; *ret is a JSON object. */
static int get(struct relay_link *l, const char *path, json_t **ret)
{
	struct net_http_call call = {.method = "GET", .cancel = &l->stop};
	struct net_http_result res = {0};
	char url[2048];
	json_t *j;
	int err;

	snprintf(url, sizeof(url), "%s%s", l->config->manager_url, path);
	call.url = url;
	err = net_http_request(l->http, &call, &res);
	if (err) {
		if (!atomic_load(&l->stop))
			cv_log(CV_LOG_WARNING, "link", "manager not reached", cv_log_str("path", path),
			       cv_log_err("error", err), cv_log_str("detail", res.detail));
		return err;
	}
	j = res.status == 200 ? json_loadb((const char *)res.body.data, res.body.len, JSON_REJECT_DUPLICATES, NULL)
			      : NULL;
	if (!json_is_object(j)) {
		cv_log(CV_LOG_WARNING, "link", "manager gave no answer", cv_log_str("path", path),
		       cv_log_int("status", res.status));
		json_decref(j);
		j = NULL;
		err = res.status == 401 || res.status == 403 ? CV_EDENIED : CV_EFORMAT;
	}
	net_http_result_done(&res);
	if (!err)
		*ret = j;
	return err;
}

static int b64_member(const json_t *j, const char *name, size_t max, struct cv_buf *ret)
{
	const char *text = json_string_value(json_object_get(j, name));
	size_t len = text ? strlen(text) : 0, got;
	uint8_t *p;
	int err;

	if (!text || len > CV_B64_LEN(max))
		return CV_EFORMAT;
	err = cv_buf_extend(ret, max, &p);
	if (err)
		return err;
	err = cv_b64_decode(p, max, text, len, &got);
	if (err)
		return err;
	ret->len -= max - got;
	return 0;
}

static int keep_manifest(const struct relay_link *l, const struct cv_buf *manifest)
{
	char *path = relay_path(l->config->data, RELAY_FILE_MANIFEST);
	int err = path ? cv_file_write(path, manifest->data, manifest->len, 0600) : CV_ENOMEM;

	cv_free(path);
	return err;
}

/* Root and manifest. The root is the one from enrolment: another one is an alarm, not news. */
static int fetch_keys(struct relay_link *l)
{
	struct news n = {.kind = NEWS_SIGNERS};
	struct cv_buf manifest;
	json_t *j = NULL;
	int err = get(l, "/relay/v1/keys", &j);

	if (err)
		return err;
	cv_buf_init(&manifest, RELAY_MANIFEST_MAX);
	err = b64_member(j, "manifest", RELAY_MANIFEST_MAX, &manifest);
	if (!err)
		err = relay_keys_read((struct cv_span){l->root.data, l->root.len},
				      (struct cv_span){manifest.data, manifest.len}, (uint64_t)time(NULL), &l->version,
				      &n.signers);
	if (err) {
		cv_log(CV_LOG_ERROR, "link", "manifest of the manager refused", cv_log_err("error", err));
		goto out;
	}
	if (keep_manifest(l, &manifest))
		cv_log(CV_LOG_ERROR, "link", "manifest not kept", cv_log_str("data", l->config->data));
	err = post(l, &n);
	if (!err) {
		cv_log(CV_LOG_INFO, "link", "keys fetched", cv_log_uint("manifest", l->version),
		       cv_log_uint("signers", n.signers.n));
		l->keys_us = cv_now_us();
		l->keys_known = true;
	}
out:
	cv_buf_done(&manifest);
	json_decref(j);
	return err;
}

/* One event. Those that cannot be read are logged and passed over: they would be the same the next time. */
static int take_event(struct relay_link *l, const json_t *e)
{
	const char *kind = json_string_value(json_object_get(e, "kind"));
	const char *run = json_string_value(json_object_get(e, "run_id"));
	const char *reason = json_string_value(json_object_get(e, "reason"));
	struct news n = {.kind = NEWS_RUN_ENDED};
	struct cv_buf b;
	int err = CV_EFORMAT;

	if (kind && !strcmp(kind, "manifest")) {
		l->keys_known = false;
		return 0;
	}
	if (kind && !strcmp(kind, "run-ended")) {
		err = run ? cv_hex_decode(n.ended.run_id, PROTO_ID_LEN, run) : CV_EFORMAT;
		n.ended.cancelled = reason && !strcmp(reason, "cancelled");
	} else if (kind && !strcmp(kind, "revocation")) {
		n.kind = NEWS_REVOCATION;
		cv_buf_init(&b, sizeof(n.revocation.data));
		err = b64_member(e, "revocation", sizeof(n.revocation.data), &b);
		if (!err) {
			memcpy(n.revocation.data, b.data, b.len);
			n.revocation.len = b.len;
		}
		cv_buf_done(&b);
	}
	if (err) {
		cv_log(CV_LOG_WARNING, "link", "event not understood", cv_log_str("kind", kind));
		return 0;
	}
	return post(l, &n);
}

static int poll_events(struct relay_link *l)
{
	const json_t *list;
	json_t *j = NULL;
	char path[64];
	int64_t last = 0; /* a manager that was restored from a backup counts lower than before */
	int err;

	snprintf(path, sizeof(path), "/relay/v1/events?after=%lld", (long long)l->after);
	err = get(l, path, &j);
	if (err)
		return err;
	list = json_object_get(j, "events");
	if (!json_is_array(list) || json_array_size(list) > EVENTS_MAX)
		err = CV_EFORMAT;
	for (size_t i = 0; !err && i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i), *n = json_object_get(e, "n");

		if (!json_is_integer(n) || json_integer_value(n) <= last)
			err = CV_EFORMAT;
		if (!err)
			err = take_event(l, e);
		if (!err)
			l->after = last = json_integer_value(n);
	}
	json_decref(j);
	return err;
}

static void pause_ms(struct relay_link *l, int64_t ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += ms % 1000 * 1000000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&l->lock);
	while (!atomic_load(&l->stop) && !pthread_cond_timedwait(&l->wake, &l->lock, &at))
		;
	pthread_mutex_unlock(&l->lock);
}

static void *work(void *arg)
{
	struct relay_link *l = arg;
	int64_t wait = RETRY_FIRST_MS;

	while (!atomic_load(&l->stop)) {
		bool stale = !l->keys_known || cv_now_us() - l->keys_us > KEYS_EVERY_US;
		int err = stale ? fetch_keys(l) : 0;

		if (!err)
			err = poll_events(l);
		if (!err) {
			wait = RETRY_FIRST_MS;
			continue;
		}
		pause_ms(l, wait);
		wait = wait * 2 > RETRY_MOST_MS ? RETRY_MOST_MS : wait * 2;
	}
	return NULL;
}

static int open_http(struct relay_link *l)
{
	const char *data = l->config->data;
	char *ca = relay_path(data, RELAY_FILE_CA), *cert = relay_path(data, RELAY_FILE_LINK_CERT);
	char *key = relay_path(data, RELAY_FILE_LINK_KEY);
	struct net_http_opts opts = {.ca_file = ca, .cert_file = cert, .key_file = key, .timeout_ms = POLL_TIMEOUT_MS};
	int err = ca && cert && key ? net_http_new(&opts, &l->http) : CV_ENOMEM;

	cv_free(ca);
	cv_free(cert);
	cv_free(key);
	return err;
}

int relay_link_new(struct cv_loop *loop, const struct relay_config *config, const struct cv_buf *root,
		   uint64_t manifest_version, const struct relay_link_cbs *cbs, void *arg, struct relay_link **ret)
{
	struct relay_link *l = cv_calloc(1, sizeof(*l));
	pthread_condattr_t attr;
	int err;

	if (!l)
		return CV_ENOMEM;
	l->loop = loop;
	l->config = config;
	l->cbs = *cbs;
	l->arg = arg;
	l->version = manifest_version;
	cv_buf_init(&l->root, RELAY_ROOT_MAX);
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->wake, &attr);
	pthread_condattr_destroy(&attr);
	err = cv_buf_put(&l->root, root->data, root->len);
	if (!err)
		err = open_http(l);
	if (!err && pthread_create(&l->thread, NULL, work, l))
		err = CV_EIO;
	if (err) {
		net_http_free(l->http);
		cv_buf_done(&l->root);
		cv_free(l);
		return err;
	}
	*ret = l;
	return 0;
}

void relay_link_free(struct relay_link *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	atomic_store(&l->stop, true);
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	/* what was posted before runs now, and finds that it is too late */
	(void)!cv_loop_run_once(l->loop, 0);
	net_http_free(l->http);
	cv_buf_done(&l->root);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	cv_free(l);
}
