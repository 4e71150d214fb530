/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <base/alloc.h>
#include <base/text.h>

#include "domain/files.h"
#include "domain/keys.h"

#define ROOT_DAYS         3652
#define INTERMEDIATE_DAYS 365
#define DAY               86400

/* ---- PEM of Ed25519 keys and certificates ---- */

static int seed_to_pem(const uint8_t seed[PROTO_KEY_LEN], struct cv_buf *ret_pem)
{
	int r = CV_ECRYPTO;
	char *text;
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, PROTO_KEY_LEN);
	BIO *bio = BIO_new(BIO_s_secmem());
	if (key && bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
		long len = BIO_get_mem_data(bio, &text);
		r = cv_buf_put(ret_pem, text, (size_t)len);
	}
	BIO_free(bio);
	EVP_PKEY_free(key);
	return r;
}

static int seed_from_pem(const struct cv_buf *pem, uint8_t ret_seed[PROTO_KEY_LEN])
{
	int r = CV_EFORMAT;
	size_t len = PROTO_KEY_LEN;
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
	if (key && EVP_PKEY_id(key) == EVP_PKEY_ED25519 && EVP_PKEY_get_raw_private_key(key, ret_seed, &len) == 1)
		r = 0;
	EVP_PKEY_free(key);
	BIO_free(bio);
	return r;
}

static int der_to_pem(const struct cv_buf *der, struct cv_buf *ret_pem)
{
	int r = CV_ECRYPTO;
	char *text;
	const uint8_t *p = der->data;
	X509 *x = d2i_X509(NULL, &p, (long)der->len);
	BIO *bio = BIO_new(BIO_s_mem());
	if (x && bio && PEM_write_bio_X509(bio, x) == 1) {
		long len = BIO_get_mem_data(bio, &text);
		r = cv_buf_put(ret_pem, text, (size_t)len);
	}
	BIO_free(bio);
	X509_free(x);
	return r;
}

static int der_from_pem(const struct cv_buf *pem, struct mgr_der *ret)
{
	int r = CV_EFORMAT;
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	int len = x ? i2d_X509(x, NULL) : 0;
	if (len > 0 && len <= PROTO_CERTIFICATE_MAX) {
		uint8_t *data = cv_malloc((size_t)len);
		uint8_t *p = data;
		r = CV_ENOMEM;
		if (data) {
			(void)i2d_X509(x, &p);
			*ret = (struct mgr_der){data, (size_t)len};
			r = 0;
		}
	}
	X509_free(x);
	BIO_free(bio);
	return r;
}

/* ---- making ---- */

static int write_seed(const char *dir, const char *name, const uint8_t seed[PROTO_KEY_LEN])
{
	char path[MGR_PATH_MAX];
	struct cv_buf pem;
	cv_buf_init_secret(&pem, 4096);
	int r = mgr_path(path, dir, name);
	if (r == 0)
		r = seed_to_pem(seed, &pem);
	if (r == 0)
		r = cv_file_write(path, pem.data, pem.len, 0600);
	cv_buf_done(&pem);
	return r;
}

static int write_cert(const char *dir, const char *name, const struct cv_buf *der)
{
	char path[MGR_PATH_MAX];
	struct cv_buf pem;
	cv_buf_init(&pem, 16384);
	int r = mgr_path(path, dir, name);
	if (r == 0)
		r = der_to_pem(der, &pem);
	if (r == 0)
		r = cv_file_write(path, pem.data, pem.len, 0644);
	cv_buf_done(&pem);
	return r;
}

static int write_hex(const char *dir, const char *name, const uint8_t *secret, size_t len)
{
	char path[MGR_PATH_MAX];
	char hex[2 * 64 + 2];
	int r = mgr_path(path, dir, name);
	if (r < 0)
		return r;
	cv_hex_encode(hex, secret, len);
	hex[2 * len] = '\n';
	r = cv_file_write(path, hex, 2 * len + 1, 0600);
	cv_wipe(hex, sizeof hex);
	return r;
}

static int make_intermediate(const char *dir, const char *cert_name, const char *key_name,
			     enum proto_intermediate_kind kind, const uint8_t root_seed[PROTO_KEY_LEN],
			     struct cv_span root, int64_t now, const struct cv_rng *rng)
{
	uint8_t seed[PROTO_KEY_LEN], key[PROTO_KEY_LEN];
	struct cv_buf der;
	cv_buf_init(&der, PROTO_CERTIFICATE_MAX);
	int r = cv_rng_fill(rng, seed, sizeof seed);
	if (r < 0)
		goto out;
	proto_public_key(seed, key);
	r = proto_intermediate_issue(root_seed, root, kind, key, (uint64_t)(now - 3600),
				     (uint64_t)(now + INTERMEDIATE_DAYS * DAY), rng, &der);
	if (r == 0)
		r = write_seed(dir, key_name, seed);
	if (r == 0)
		r = write_cert(dir, cert_name, &der);
out:
	cv_wipe(seed, sizeof seed);
	cv_buf_done(&der);
	return r;
}

int mgr_keys_make_intermediates(const char *dir, const uint8_t root_seed[PROTO_KEY_LEN], struct cv_span root,
				int64_t now, const struct cv_rng *rng)
{
	int r = make_intermediate(dir, "issuer.pem", "issuer.key", PROTO_INTERMEDIATE_ISSUER, root_seed, root, now,
				  rng);
	if (r < 0)
		return r;
	return make_intermediate(dir, "grants.pem", "grants.key", PROTO_INTERMEDIATE_GRANTS, root_seed, root, now, rng);
}

static int make_opaque(const char *dir, const struct cv_rng *rng)
{
	struct opaque_server_keys keys;
	uint8_t queue[32];
	int r = opaque_server_keys_generate(rng, &keys);
	if (r == 0)
		r = write_hex(dir, "opaque-oprf.seed", keys.oprf_seed, sizeof keys.oprf_seed);
	if (r == 0)
		r = write_hex(dir, "opaque-ake.key", keys.private_key, sizeof keys.private_key);
	if (r == 0)
		r = cv_rng_fill(rng, queue, sizeof queue);
	if (r == 0)
		r = write_hex(dir, "mail-queue.key", queue, sizeof queue);
	cv_wipe(&keys, sizeof keys);
	cv_wipe(queue, sizeof queue);
	return r;
}

int mgr_keys_create(const char *dir, const char *organisation, int64_t now, const struct cv_rng *rng)
{
	uint8_t seed[PROTO_KEY_LEN];
	char path[MGR_PATH_MAX];
	struct cv_buf der;
	cv_buf_init(&der, PROTO_CERTIFICATE_MAX);
	int r = mgr_dir_make(dir);
	if (r == 0)
		r = mgr_path(path, dir, "root.pem");
	if (r < 0)
		return r;
	if (access(path, F_OK) == 0)
		return CV_EEXIST;
	r = cv_rng_fill(rng, seed, sizeof seed);
	if (r < 0)
		goto out;
	r = proto_root_issue(seed, organisation, (uint64_t)(now - 3600), (uint64_t)(now + (int64_t)ROOT_DAYS * DAY),
			     rng, &der);
	if (r < 0)
		goto out;
	r = mgr_keys_make_intermediates(dir, seed, (struct cv_span){der.data, der.len}, now, rng);
	if (r == 0)
		r = make_opaque(dir, rng);
	if (r == 0)
		r = write_seed(dir, "root.key", seed);
	if (r == 0)
		r = write_cert(dir, "root.pem", &der);
out:
	cv_wipe(seed, sizeof seed);
	cv_buf_done(&der);
	return r;
}

/* ---- loading ---- */

static int read_named(const char *dir, const char *name, struct cv_buf *ret)
{
	char path[MGR_PATH_MAX];
	int r = mgr_path(path, dir, name);
	return r < 0 ? r : cv_file_read(path, ret);
}

static int load_seed(const char *dir, const char *name, uint8_t ret_seed[PROTO_KEY_LEN], const char **ret_what)
{
	struct cv_buf pem;
	cv_buf_init_secret(&pem, MGR_FILE_MAX);
	int r = read_named(dir, name, &pem);
	if (r == 0)
		r = seed_from_pem(&pem, ret_seed);
	if (r < 0)
		*ret_what = name;
	cv_buf_done(&pem);
	return r;
}

static int load_cert(const char *dir, const char *name, struct mgr_der *ret, const char **ret_what)
{
	struct cv_buf pem;
	cv_buf_init(&pem, MGR_FILE_MAX);
	int r = read_named(dir, name, &pem);
	if (r == 0)
		r = der_from_pem(&pem, ret);
	if (r < 0)
		*ret_what = name;
	cv_buf_done(&pem);
	return r;
}

static int load_hex(const char *dir, const char *name, uint8_t *ret, size_t len, const char **ret_what)
{
	struct cv_buf text;
	char hex[2 * 64 + 1];
	cv_buf_init_secret(&text, MGR_FILE_MAX);
	int r = read_named(dir, name, &text);
	if (r == 0) {
		r = CV_EFORMAT;
		if (text.len == 2 * len + 1 && text.data[2 * len] == '\n') {
			memcpy(hex, text.data, 2 * len);
			hex[2 * len] = 0;
			r = cv_hex_decode(ret, len, hex);
			cv_wipe(hex, sizeof hex);
		}
	}
	if (r < 0)
		*ret_what = name;
	cv_buf_done(&text);
	return r;
}

static int load_opaque(const char *dir, struct mgr_keys *k, const char **ret_what)
{
	uint8_t seed[OPAQUE_OPRF_SEED_LEN], key[OPAQUE_KEY_LEN];
	int r = load_hex(dir, "opaque-oprf.seed", seed, sizeof seed, ret_what);
	if (r == 0)
		r = load_hex(dir, "opaque-ake.key", key, sizeof key, ret_what);
	if (r == 0) {
		r = opaque_server_keys_load(key, seed, &k->opaque);
		if (r < 0)
			*ret_what = "opaque-ake.key";
	}
	if (r == 0)
		r = load_hex(dir, "mail-queue.key", k->queue_key, sizeof k->queue_key, ret_what);
	cv_wipe(seed, sizeof seed);
	cv_wipe(key, sizeof key);
	return r;
}

static int load_old(const char *dir, const char *name, struct mgr_der *ret, const char **ret_what)
{
	int r = load_cert(dir, name, ret, ret_what);
	return r == CV_ENOTFOUND ? 0 : r;
}

static int check_pair(const struct mgr_der *cert, const uint8_t seed[PROTO_KEY_LEN])
{
	uint8_t have[PROTO_KEY_LEN], want[PROTO_KEY_LEN];
	int r = proto_cert_key(cert->data, cert->len, have);
	if (r < 0)
		return r;
	proto_public_key(seed, want);
	return memcmp(have, want, sizeof have) ? CV_EAUTH : 0;
}

static int load_all(const char *dir, struct mgr_keys *k, const char **ret_what)
{
	uint8_t hash[PROTO_HASH_LEN];
	int r = load_cert(dir, "root.pem", &k->root, ret_what);
	if (r < 0)
		return r;
	r = proto_root_check(k->root.data, k->root.len, NULL, k->root_key);
	if (r < 0) {
		*ret_what = "root.pem";
		return r;
	}
	proto_sha256(k->root.data, k->root.len, hash);
	cv_hex_encode(k->fingerprint, hash, sizeof hash);
	r = load_seed(dir, "root.key", k->root_seed, ret_what);
	k->has_root = r == 0;
	if (r < 0 && r != CV_ENOTFOUND)
		return r;
	struct {
		const char *cert, *key;
		struct mgr_der *der;
		uint8_t *seed;
	} pairs[] = {{"issuer.pem", "issuer.key", &k->issuer, k->issuer_seed},
		     {"grants.pem", "grants.key", &k->grants, k->grants_seed}};
	for (size_t i = 0; i < 2; i++) {
		r = load_cert(dir, pairs[i].cert, pairs[i].der, ret_what);
		if (r == 0)
			r = load_seed(dir, pairs[i].key, pairs[i].seed, ret_what);
		if (r == 0) {
			r = check_pair(pairs[i].der, pairs[i].seed);
			if (r < 0)
				*ret_what = pairs[i].key;
		}
		if (r < 0)
			return r;
	}
	if (k->has_root && check_pair(&k->root, k->root_seed) < 0) {
		*ret_what = "root.key";
		return CV_EAUTH;
	}
	r = load_old(dir, "issuer-old.pem", &k->old_issuer, ret_what);
	if (r == 0)
		r = load_old(dir, "grants-old.pem", &k->old_grants, ret_what);
	return r == 0 ? load_opaque(dir, k, ret_what) : r;
}

int mgr_keys_load(const char *dir, struct mgr_keys *ret, const char **ret_what)
{
	struct mgr_keys k = {0};
	int r = mgr_keys_settle(dir);
	if (r < 0) {
		*ret_what = MGR_KEYS_READY;
		return r;
	}
	r = load_all(dir, &k, ret_what);
	if (r < 0)
		mgr_keys_done(&k);
	else
		*ret = k;
	cv_wipe(&k, sizeof k);
	return r;
}

int mgr_keys_load_root(struct mgr_keys *k, const char *path)
{
	uint8_t seed[PROTO_KEY_LEN];
	struct cv_buf pem;
	cv_buf_init_secret(&pem, MGR_FILE_MAX);
	int r = cv_file_read(path, &pem);
	if (r == 0)
		r = seed_from_pem(&pem, seed);
	if (r == 0)
		r = check_pair(&k->root, seed);
	if (r == 0) {
		memcpy(k->root_seed, seed, sizeof seed);
		k->has_root = true;
	}
	cv_wipe(seed, sizeof seed);
	cv_buf_done(&pem);
	return r;
}

static int cert_life(const struct mgr_der *der, int64_t now, int64_t *ret_seconds)
{
	const uint8_t *p = der->data;
	struct tm tm;
	X509 *x = d2i_X509(NULL, &p, (long)der->len);
	if (!x)
		return CV_EFORMAT;
	int ok = ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm);
	X509_free(x);
	if (ok != 1)
		return CV_EFORMAT;
	*ret_seconds = (int64_t)timegm(&tm) - now;
	return 0;
}

int mgr_keys_life(const struct mgr_keys *k, int64_t now, int64_t *ret_seconds)
{
	int64_t issuer = 0, grants = 0;
	int r = cert_life(&k->issuer, now, &issuer);
	if (r == 0)
		r = cert_life(&k->grants, now, &grants);
	if (r < 0)
		return r;
	*ret_seconds = issuer < grants ? issuer : grants;
	return 0;
}

void mgr_keys_done(struct mgr_keys *k)
{
	cv_free(k->root.data);
	cv_free(k->issuer.data);
	cv_free(k->grants.data);
	cv_free(k->old_issuer.data);
	cv_free(k->old_grants.data);
	cv_wipe(k, sizeof *k);
}
