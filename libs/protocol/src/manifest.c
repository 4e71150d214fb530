/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <base/text.h>
#include <proto/manifest.h>

static bool text_ok(const char *s, size_t max)
{
	size_t len = s ? strlen(s) : 0;

	return len && len <= max && cv_text_printable(s, len);
}

static bool head_ok(const struct proto_manifest *m)
{
	return m->expires > m->issued && text_ok(m->organisation, PROTO_NAME_MAX) &&
	       text_ok(m->manager_url, PROTO_URL_MAX) && m->n_servers <= PROTO_MANIFEST_SERVERS_MAX &&
	       m->n_intermediates <= PROTO_MANIFEST_INTERMEDIATES_MAX && m->n_domains <= PROTO_MANIFEST_DOMAINS_MAX;
}

static bool server_ok(const struct proto_server *s)
{
	return (s->kind == PROTO_SERVER_MANAGER || s->kind == PROTO_SERVER_RELAY) && text_ok(s->url, PROTO_URL_MAX) &&
	       s->n_pins >= PROTO_PINS_MIN && s->n_pins <= PROTO_PINS_MAX;
}

static bool intermediate_ok(const struct proto_intermediate *i)
{
	return (i->kind == PROTO_INTERMEDIATE_ISSUER || i->kind == PROTO_INTERMEDIATE_GRANTS) && i->certificate_len &&
	       i->certificate_len <= PROTO_CERTIFICATE_MAX;
}

static bool manifest_ok(const struct proto_manifest *m)
{
	if (!head_ok(m))
		return false;
	for (size_t i = 0; i < m->n_servers; i++)
		if (!server_ok(&m->servers[i]))
			return false;
	for (size_t i = 0; i < m->n_intermediates; i++)
		if (!intermediate_ok(&m->intermediates[i]))
			return false;
	for (size_t i = 0; i < m->n_domains; i++)
		if (!text_ok(m->domains[i], PROTO_NAME_MAX))
			return false;
	return true;
}

static void put_text(struct cv_buf *b, const char *s)
{
	cv_buf_put_vec(b, s, strlen(s));
}

int proto_manifest_sign(const struct proto_manifest *m, const uint8_t root_seed[PROTO_KEY_LEN], struct cv_buf *out)
{
	struct cv_buf b;
	size_t mark;
	int err;

	if (!manifest_ok(m))
		return CV_EINVAL;
	cv_buf_init(&b, PROTO_SIGNED_BODY_MAX);
	cv_buf_put_u64(&b, m->version);
	cv_buf_put_u64(&b, m->issued);
	cv_buf_put_u64(&b, m->expires);
	put_text(&b, m->organisation);
	put_text(&b, m->manager_url);
	mark = cv_buf_vec_begin(&b);
	for (size_t i = 0; i < m->n_servers; i++) {
		cv_buf_put_u8(&b, m->servers[i].kind);
		cv_buf_put(&b, m->servers[i].id, PROTO_ID_LEN);
		put_text(&b, m->servers[i].url);
		cv_buf_put_vec(&b, m->servers[i].pins, m->servers[i].n_pins * PROTO_HASH_LEN);
	}
	cv_buf_vec_end(&b, mark);
	mark = cv_buf_vec_begin(&b);
	for (size_t i = 0; i < m->n_intermediates; i++) {
		cv_buf_put_u8(&b, m->intermediates[i].kind);
		cv_buf_put_vec(&b, m->intermediates[i].certificate, m->intermediates[i].certificate_len);
	}
	cv_buf_vec_end(&b, mark);
	mark = cv_buf_vec_begin(&b);
	for (size_t i = 0; i < m->n_domains; i++)
		put_text(&b, m->domains[i]);
	cv_buf_vec_end(&b, mark);
	err = cv_buf_status(&b);
	if (!err)
		err = proto_signed_put(out, root_seed, PROTO_LABEL_MANIFEST, b.data, b.len);
	cv_buf_done(&b);
	return err;
}

/* A text of the manifest as an owned string; a NUL inside it would shorten it unseen. */
static int get_text(struct cv_reader *r, size_t max, char **ret)
{
	struct cv_span span;
	char *s;
	int err = cv_reader_get_vec(r, max, &span);

	if (err)
		return err;
	if (!span.len || !cv_text_printable(span.data, span.len) || memchr(span.data, 0, span.len))
		return CV_EFORMAT;
	s = cv_malloc(span.len + 1);
	if (!s)
		return CV_ENOMEM;
	memcpy(s, span.data, span.len);
	s[span.len] = 0;
	*ret = s;
	return 0;
}

/* Makes room for element `n`; arrays grow one step at a time and stay small. */
static int grow(void **array, size_t n, size_t max, size_t size)
{
	void *p;

	if (n >= max)
		return CV_ELIMIT;
	p = cv_reallocarray(*array, n + 1, size);
	if (!p)
		return CV_ENOMEM;
	memset((uint8_t *)p + n * size, 0, size);
	*array = p;
	return 0;
}

static int get_server(struct cv_reader *r, struct proto_manifest *m)
{
	struct cv_span pins;
	struct proto_server *s;
	void *array = m->servers;
	int err = grow(&array, m->n_servers, PROTO_MANIFEST_SERVERS_MAX, sizeof(*s));

	if (err)
		return err;
	m->servers = array;
	s = &m->servers[m->n_servers++];
	if ((err = cv_reader_get_u8(r, &s->kind)) || (err = cv_reader_copy(r, s->id, PROTO_ID_LEN)) ||
	    (err = get_text(r, PROTO_URL_MAX, &s->url)) || (err = cv_reader_get_vec(r, sizeof(s->pins), &pins)))
		return err;
	if (pins.len % PROTO_HASH_LEN)
		return CV_EFORMAT;
	s->n_pins = pins.len / PROTO_HASH_LEN;
	memcpy(s->pins, pins.data, pins.len);
	return 0;
}

static int get_intermediate(struct cv_reader *r, struct proto_manifest *m)
{
	struct cv_span der;
	struct proto_intermediate *p;
	void *array = m->intermediates;
	int err = grow(&array, m->n_intermediates, PROTO_MANIFEST_INTERMEDIATES_MAX, sizeof(*p));

	if (err)
		return err;
	m->intermediates = array;
	p = &m->intermediates[m->n_intermediates++];
	if ((err = cv_reader_get_u8(r, &p->kind)) || (err = cv_reader_get_vec(r, PROTO_CERTIFICATE_MAX, &der)))
		return err;
	p->certificate = cv_memdup(der.data, der.len);
	p->certificate_len = der.len;
	return p->certificate ? 0 : CV_ENOMEM;
}

static int get_domain(struct cv_reader *r, struct proto_manifest *m)
{
	void *array = m->domains;
	int err = grow(&array, m->n_domains, PROTO_MANIFEST_DOMAINS_MAX, sizeof(*m->domains));

	if (err)
		return err;
	m->domains = array;
	return get_text(r, PROTO_NAME_MAX, &m->domains[m->n_domains++]);
}

static int get_list(struct cv_reader *r, struct proto_manifest *m,
		    int (*get)(struct cv_reader *, struct proto_manifest *))
{
	struct cv_reader list;
	int err = cv_reader_sub(r, PROTO_SIGNED_BODY_MAX, &list);

	while (!err && list.left)
		err = get(&list, m);
	return err;
}

static int decode(struct cv_span body, struct proto_manifest *m)
{
	struct cv_reader r;
	int err;

	cv_reader_init(&r, body.data, body.len);
	if ((err = cv_reader_get_u64(&r, &m->version)) || (err = cv_reader_get_u64(&r, &m->issued)) ||
	    (err = cv_reader_get_u64(&r, &m->expires)) || (err = get_text(&r, PROTO_NAME_MAX, &m->organisation)) ||
	    (err = get_text(&r, PROTO_URL_MAX, &m->manager_url)) || (err = get_list(&r, m, get_server)) ||
	    (err = get_list(&r, m, get_intermediate)) || (err = get_list(&r, m, get_domain)) ||
	    (err = cv_reader_end(&r)))
		return err;
	return manifest_ok(m) ? 0 : CV_EFORMAT;
}

int proto_manifest_open(const void *data, size_t len, const uint8_t root_key[PROTO_KEY_LEN], struct proto_manifest *ret)
{
	struct proto_signers root = {.n = 1};
	struct proto_manifest m = {0};
	struct cv_span body;
	int err;

	memcpy(root.keys[0], root_key, PROTO_KEY_LEN);
	err = proto_signed_open(data, len, PROTO_LABEL_MANIFEST, &root, &body);
	if (err)
		return err;
	err = decode(body, &m);
	if (err) {
		proto_manifest_done(&m);
		return err;
	}
	*ret = m;
	return 0;
}

void proto_manifest_done(struct proto_manifest *m)
{
	cv_free(m->organisation);
	cv_free(m->manager_url);
	for (size_t i = 0; i < m->n_servers; i++)
		cv_free(m->servers[i].url);
	cv_free(m->servers);
	for (size_t i = 0; i < m->n_intermediates; i++)
		cv_free(m->intermediates[i].certificate);
	cv_free(m->intermediates);
	for (size_t i = 0; i < m->n_domains; i++)
		cv_free(m->domains[i]);
	cv_free(m->domains);
	*m = (struct proto_manifest){0};
}

int proto_manifest_check(const struct proto_manifest *m, uint64_t now, uint64_t least_version)
{
	int err = proto_times_check(m->issued, m->expires, now, 0);

	if (err)
		return err;
	return m->version < least_version ? CV_EREPLAY : 0;
}

const struct proto_server *proto_manifest_server(const struct proto_manifest *m, enum proto_server_kind kind,
						 const uint8_t *id)
{
	for (size_t i = 0; i < m->n_servers; i++)
		if (m->servers[i].kind == kind && (!id || !memcmp(m->servers[i].id, id, PROTO_ID_LEN)))
			return &m->servers[i];
	return NULL;
}
