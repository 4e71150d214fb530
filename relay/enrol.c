/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include <base/alloc.h>
#include <base/file.h>
#include <base/log.h>
#include <base/secret.h>
#include <base/text.h>
#include <net/http.h>

#include "config.h"
#include "enrol.h"
#include "keys.h"

#define PEM_MAX       65536
#define TLS_CERT_DAYS 3650

__attribute__((format(printf, 2, 3))) static int fail(int err, const char *format, ...)
{
	va_list ap;

	fputs("conclave-relay: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	if (err)
		fprintf(stderr, ": %s", cv_strerror(err));
	fputc('\n', stderr);
	return err ? err : CV_EINVAL;
}

/* ---- keys */

static int make_key(const char *path)
{
	struct cv_buf pem;
	int err = 0;

	/* a second try after a failure keeps what the first one made */
	if (!access(path, F_OK))
		return 0;
	cv_buf_init_secret(&pem, PEM_MAX);
	err = net_key_make(&pem);
	if (!err)
		err = net_pem_write(path, (const char *)pem.data, true);
	cv_buf_done(&pem);
	return err;
}

static int make_tls(const struct relay_enrol *e, const char *cert, const char *key)
{
	char host[256];
	const char *names[] = {host};
	const struct net_cert_opts opts = {.common_name = host, .names = names, .name_count = 1, .days = TLS_CERT_DAYS};
	int err = relay_url_check(e->url, host, sizeof(host));

	return err ? err : net_cert_ensure(cert, key, &opts, NULL);
}

static int key_pin(const char *path, char ret[NET_PIN_TEXT])
{
	struct net_pin pin;
	int err = net_pin_of_key_file(path, &pin);

	if (!err)
		net_pin_format(ret, &pin);
	return err;
}

static int make_request(const struct relay_enrol *e, const char *link_key, const char *tls_key, const char *spare_key,
			char **ret)
{
	char pin[NET_PIN_TEXT], spare[NET_PIN_TEXT];
	struct cv_buf key, csr;
	json_t *j = NULL;
	int err;

	cv_buf_init_secret(&key, PEM_MAX);
	cv_buf_init(&csr, PEM_MAX);
	if ((err = net_pem_read(link_key, &key)) ||
	    (err = net_csr_make((const char *)key.data, "conclave-relay", &csr)) || (err = key_pin(tls_key, pin)) ||
	    (err = key_pin(spare_key, spare)))
		goto out;
	j = json_pack("{s:s, s:s, s:s, s:[s, s]}", "token", e->token, "csr", (const char *)csr.data, "url", e->url,
		      "spki_pins", pin, spare);
	*ret = j ? json_dumps(j, JSON_COMPACT) : NULL;
	err = *ret ? 0 : CV_ENOMEM;
out:
	json_decref(j);
	cv_buf_done(&key);
	cv_buf_done(&csr);
	return err;
}

/* ---- the manager */

static int refused(const struct net_http_result *res)
{
	json_t *j = json_loadb((const char *)res->body.data, res->body.len, 0, NULL);
	const char *title = json_string_value(json_object_get(j, "title"));
	const char *detail = json_string_value(json_object_get(j, "detail"));
	char what[256], why[512];

	cv_log_escape(what, sizeof(what), title ? title : "", title ? strlen(title) : 0);
	cv_log_escape(why, sizeof(why), detail ? detail : "", detail ? strlen(detail) : 0);
	json_decref(j);
	return fail(0, "the manager refused the enrolment (HTTP %d) %s %s", res->status, what, why) ? CV_EDENIED : 0;
}

static int ask(const struct relay_enrol *e, const char *body, json_t **ret)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	struct net_http_result res = {0};
	struct net_pins pins = {0};
	struct net_http *http = NULL;
	struct net_http_opts opts = {.pins = &pins};
	struct net_http_call call = {.method = "POST", .headers = headers, .body = body, .body_len = strlen(body)};
	struct net_pin pin;
	char url[2048];
	int err;

	if (net_pin_parse(e->pin, &pin) || net_pins_add(&pins, pin.sha256))
		return fail(0, "--pin is not a key pin (43 characters of base64url)");
	snprintf(url, sizeof(url), "%s/relay/v1/enrol", e->manager);
	call.url = url;
	err = net_http_new(&opts, &http);
	if (!err)
		err = net_http_request(http, &call, &res);
	net_http_free(http);
	if (err == CV_EPIN)
		return fail(err, "%s", e->manager);
	if (err)
		return fail(err, "%s cannot be asked (%s)", e->manager, res.detail);
	if (res.status == 201 || res.status == 200) {
		*ret = json_loadb((const char *)res.body.data, res.body.len, JSON_REJECT_DUPLICATES, NULL);
		err = json_is_object(*ret) ? 0 : fail(CV_EFORMAT, "answer of %s", e->manager);
	} else {
		err = refused(&res);
	}
	net_http_result_done(&res);
	return err;
}

/* ---- keeping what it answered */

static int keep_b64(const json_t *j, const char *member, const char *path, size_t max, struct cv_buf *ret)
{
	const char *text = json_string_value(json_object_get(j, member));
	uint8_t *p;
	size_t len;
	int err;

	if (!text || strlen(text) > CV_B64_LEN(max))
		return CV_EFORMAT;
	if ((err = cv_buf_extend(ret, max, &p)) || (err = cv_b64_decode(p, max, text, strlen(text), &len)))
		return err;
	ret->len = len;
	return cv_file_write(path, ret->data, ret->len, 0600);
}

static int keep_text(const json_t *j, const char *member, const char *path)
{
	const char *text = json_string_value(json_object_get(j, member));

	return text && *text ? cv_file_write(path, text, strlen(text), 0600) : CV_EFORMAT;
}

struct paths {
	char *link_key, *link_cert, *ca, *root, *manifest, *id, *tls_key, *tls_cert, *spare;
};

static int keep_answer(const json_t *j, const struct paths *p)
{
	const char *id = json_string_value(json_object_get(j, "relay_id"));
	struct proto_signers signers;
	uint8_t raw[PROTO_ID_LEN];
	struct cv_buf root, manifest;
	uint64_t version = 0;
	int err;

	cv_buf_init(&root, RELAY_ROOT_MAX);
	cv_buf_init(&manifest, RELAY_MANIFEST_MAX);
	if (!id || cv_hex_decode(raw, sizeof(raw), id)) {
		err = CV_EFORMAT;
		goto out;
	}
	if ((err = keep_text(j, "certificate", p->link_cert)) || (err = keep_text(j, "ca", p->ca)) ||
	    (err = keep_b64(j, "root", p->root, RELAY_ROOT_MAX, &root)) ||
	    (err = keep_b64(j, "manifest", p->manifest, RELAY_MANIFEST_MAX, &manifest)))
		goto out;
	err = relay_keys_read((struct cv_span){root.data, root.len}, (struct cv_span){manifest.data, manifest.len},
			      (uint64_t)time(NULL), &version, &signers);
	if (!err)
		err = cv_file_write(p->id, id, strlen(id), 0600);
out:
	cv_buf_done(&root);
	cv_buf_done(&manifest);
	return err;
}

/* /etc/conclave is nobody's but ours. What cannot be made shows when the file is written. */
static void make_folder_of(const char *file)
{
	char dir[4096];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", file);
	slash = strrchr(dir, '/');
	if (slash && slash != dir) {
		*slash = 0;
		(void)!mkdir(dir, 0755);
	}
}

static int write_config(const struct relay_enrol *e)
{
	char text[8192];
	int n;

	make_folder_of(e->config);
	n = snprintf(text, sizeof(text),
		     "; conclave-relay, see conclave-relay(8)\n\n[relay]\nlisten = %s\nurl = %s\ndata = %s\n\n"
		     "[manager]\nurl = %s\n",
		     e->listen, e->url, e->data, e->manager);

	if (e->tls_cert && n > 0 && (size_t)n < sizeof(text))
		n += snprintf(text + n, sizeof(text) - (size_t)n, "\n[tls]\ncertificate = %s\nkey = %s\n", e->tls_cert,
			      e->tls_key);
	if (n < 0 || (size_t)n >= sizeof(text))
		return CV_ELIMIT;
	return cv_file_write(e->config, text, (size_t)n, 0600);
}

static int make_paths(const struct relay_enrol *e, struct paths *p)
{
	*p = (struct paths){
		.link_key = relay_path(e->data, RELAY_FILE_LINK_KEY),
		.link_cert = relay_path(e->data, RELAY_FILE_LINK_CERT),
		.ca = relay_path(e->data, RELAY_FILE_CA),
		.root = relay_path(e->data, RELAY_FILE_ROOT),
		.manifest = relay_path(e->data, RELAY_FILE_MANIFEST),
		.id = relay_path(e->data, RELAY_FILE_ID),
		.spare = relay_path(e->data, RELAY_FILE_SPARE_KEY),
		.tls_key = e->tls_key ? cv_strdup(e->tls_key) : relay_path(e->data, RELAY_FILE_TLS_KEY),
		.tls_cert = e->tls_cert ? cv_strdup(e->tls_cert) : relay_path(e->data, RELAY_FILE_TLS_CERT),
	};
	return p->link_key && p->link_cert && p->ca && p->root && p->manifest && p->id && p->spare && p->tls_key &&
			       p->tls_cert
		       ? 0
		       : CV_ENOMEM;
}

static void free_paths(struct paths *p)
{
	char *all[] = {p->link_key, p->link_cert, p->ca,      p->root,    p->manifest,
		       p->id,       p->spare,     p->tls_key, p->tls_cert};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		cv_free(all[i]);
}

static int make_keys(const struct relay_enrol *e, const struct paths *p)
{
	int err;

	if (mkdir(e->data, 0700) && errno != EEXIST)
		return fail(0, "%s: %s", e->data, strerror(errno));
	if ((err = make_key(p->link_key)) || (err = make_key(p->spare)))
		return fail(err, "%s: cannot write keys", e->data);
	if (!e->tls_key && (err = make_tls(e, p->tls_cert, p->tls_key)))
		return fail(err, "%s: cannot make a TLS certificate", p->tls_cert);
	return 0;
}

int relay_enrol_run(const struct relay_enrol *e)
{
	struct paths paths;
	char *body = NULL;
	json_t *answer = NULL;
	bool written = false;
	int err = make_paths(e, &paths);

	if (err)
		goto out;
	if (!access(paths.id, F_OK)) {
		err = fail(0,
			   "a relay is enrolled in %s already; to enrol it anew, remove %s and its configuration first",
			   e->data, paths.id);
		goto out;
	}
	if (!access(e->config, F_OK)) {
		err = fail(0, "%s is there already: remove it, or name another file with --config", e->config);
		goto out;
	}
	if ((err = make_keys(e, &paths)))
		goto out;
	/* Before the manager is asked: a token counts once. */
	if ((err = write_config(e))) {
		fail(0, "%s cannot be written: %s", e->config, strerror(errno));
		goto out;
	}
	written = true;
	if ((err = make_request(e, paths.link_key, paths.tls_key, paths.spare, &body))) {
		fail(err, "cannot make the request");
		goto out;
	}
	if ((err = ask(e, body, &answer)))
		goto out;
	if ((err = keep_answer(answer, &paths)))
		fail(err, "the manager's answer cannot be used");
	else
		printf("enrolled as %s\nconfiguration: %s\nstart with: conclave-relay run --config %s\n", e->url,
		       e->config, e->config);
out:
	if (err && written)
		(void)unlink(e->config);
	if (body)
		cv_wipe(body, strlen(body));
	free(body);
	json_decref(answer);
	free_paths(&paths);
	return err;
}
