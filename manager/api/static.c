/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <base/alloc.h>
#include <base/buf.h>
#include <base/text.h>
#include <proto/signed.h>

#include "api/static.h"
#include "domain/files.h"

#define FILES_MAX 512
#define FILE_MAX  (16 * 1024 * 1024)
#define TOTAL_MAX (64 * 1024 * 1024)
#define DEPTH_MAX 4

struct mgr_static {
	struct mgr_static_file files[FILES_MAX];
	size_t n, total;
};

/* At "/", and in place of the pages when they are not installed. */
static const char builtin[] =
	"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Conclave</title></head><body>"
	"<h1>Conclave</h1><p>To validate your account, open the whole link from your invitation, or use the client in "
	"a "
	"terminal:</p><pre>conclave-cli validate LINK --first-name FIRST --last-name LAST</pre>"
	"<p lang=\"fr\">Pour valider votre compte, ouvrez le lien complet de votre invitation, ou utilisez la commande "
	"ci-dessus dans un terminal.</p></body></html>\n";

static const char *type_of(const char *path)
{
	static const struct {
		const char *extension, *type;
	} types[] = {
		{".html", "text/html; charset=utf-8"},
		{".js", "text/javascript; charset=utf-8"},
		{".mjs", "text/javascript; charset=utf-8"},
		{".css", "text/css; charset=utf-8"},
		{".json", "application/json"},
		{".map", "application/json"},
		{".webmanifest", "application/manifest+json"},
		{".wasm", "application/wasm"},
		{".svg", "image/svg+xml"},
		{".png", "image/png"},
		{".ico", "image/x-icon"},
		{".woff2", "font/woff2"},
		{".txt", "text/plain; charset=utf-8"},
	};
	const char *dot = strrchr(path, '.');
	for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++) {
		if (!strcmp(dot, types[i].extension))
			return types[i].type;
	}
	return "application/octet-stream";
}

/* Takes the memory of `data`. */
static int add_file(struct mgr_static *s, const char *path, uint8_t *data, size_t len)
{
	uint8_t hash[PROTO_HASH_LEN];
	char hex[33];
	if (s->n == FILES_MAX || s->total + len > TOTAL_MAX) {
		cv_free(data);
		return CV_ELIMIT;
	}
	struct mgr_static_file *f = &s->files[s->n];
	f->path = cv_strdup(path);
	if (!f->path) {
		cv_free(data);
		return CV_ENOMEM;
	}
	proto_sha256(data, len, hash);
	cv_hex_encode(hex, hash, 16);
	snprintf(f->etag, sizeof f->etag, "\"%s\"", hex);
	f->type = type_of(path);
	f->data = data;
	f->len = len;
	s->n++;
	s->total += len;
	return 0;
}

static int load_file(struct mgr_static *s, const char *file, const char *path)
{
	struct cv_buf content;
	uint8_t *data = NULL;
	size_t len = 0;
	cv_buf_init(&content, FILE_MAX);
	int r = cv_file_read(file, &content);
	if (r == 0)
		r = cv_buf_steal(&content, &data, &len);
	cv_buf_done(&content);
	return r < 0 ? r : add_file(s, path, data, len);
}

static int load_folder(struct mgr_static *s, const char *dir, const char *prefix, int depth)
{
	char file[MGR_PATH_MAX], path[MGR_PATH_MAX];
	struct dirent *e;
	int r = 0;
	DIR *d = opendir(dir);
	if (!d)
		return errno == ENOENT && depth == 0 ? CV_ENOTFOUND : CV_EIO;
	while (r == 0 && (e = readdir(d))) {
		struct stat st;
		const char *ending = strrchr(e->d_name, '.');
		/* Hidden files, and the folders that a build keeps for itself. */
		if (e->d_name[0] == '.' || (ending && !strcmp(ending, ".p")))
			continue;
		r = mgr_path(file, dir, e->d_name);
		if (r == 0)
			r = mgr_path(path, prefix, e->d_name);
		if (r < 0 || stat(file, &st) < 0)
			continue;
		if (S_ISDIR(st.st_mode))
			r = depth < DEPTH_MAX ? load_folder(s, file, path, depth + 1) : 0;
		else if (S_ISREG(st.st_mode))
			r = load_file(s, file, path);
	}
	closedir(d);
	return r;
}

static const struct mgr_static_file *find(const struct mgr_static *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!strcmp(s->files[i].path, path))
			return &s->files[i];
	}
	return NULL;
}

int mgr_static_load(const char *dir, struct mgr_static **ret_static)
{
	struct mgr_static *s = cv_calloc(1, sizeof *s);
	if (!s)
		return CV_ENOMEM;
	int r = dir ? load_folder(s, dir, "", 0) : CV_ENOTFOUND;
	if (r == CV_ENOTFOUND || (r == 0 && !find(s, "/index.html"))) {
		uint8_t *page = cv_memdup(builtin, sizeof builtin - 1);
		r = page ? add_file(s, "/index.html", page, sizeof builtin - 1) : CV_ENOMEM;
	}
	if (r < 0)
		mgr_static_free(s);
	else
		*ret_static = s;
	return r;
}

void mgr_static_free(struct mgr_static *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		cv_free(s->files[i].path);
		cv_free(s->files[i].data);
	}
	cv_free(s);
}

const struct mgr_static_file *mgr_static_find(const struct mgr_static *s, const char *path)
{
	char page[512];
	if (!strcmp(path, "/"))
		return find(s, "/index.html");
	/* The pages name their parts as /web/NAME. */
	if (!strncmp(path, "/web/", 5))
		return find(s, path + 4);
	if (strchr(path, '.') || strlen(path) > 400)
		return NULL;
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	snprintf(page, sizeof page, "%.*s.html", (int)len, path);
	const struct mgr_static_file *f = find(s, page);
	return f || strcmp(page, "/validate.html") ? f : find(s, "/index.html");
}

size_t mgr_static_count(const struct mgr_static *s)
{
	return s->n;
}
