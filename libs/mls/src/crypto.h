/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The crypto suite provider: everything that depends on the cipher suite, over OpenSSL. RFC 9420 section 5,
 * RFC 9180 sections 4 and 5. One struct mls_crypto per group; it keeps fetched algorithms and reusable contexts.
 */
#ifndef MLS_SRC_CRYPTO_H
#define MLS_SRC_CRYPTO_H

#include <openssl/ec.h>
#include <openssl/evp.h>

#include <mls/hpke.h>
#include <mls/types.h>

#define NONCE_LEN  12
#define TAG_LEN    16
#define KEY_MAX    32
#define DIGEST_MAX 64
#define DH_MAX     66

/* A span over an object, a string literal, nothing. */
#define SPAN(p, n)  ((struct cv_span){(const uint8_t *)(p), (n)})
#define SPAN_STR(s) SPAN(s, sizeof(s) - 1)
#define SPAN_NONE   ((struct cv_span){NULL, 0})

struct mls_suite {
	uint16_t id, kem_id, kdf_id, aead_id;
	const char *digest, *aead;
	const char *dh;   /* OpenSSL's name of the key type or of the curve */
	const char *sig;  /* "ED25519", "ED448", or the curve for ECDSA */
	int curve;        /* NID for NIST curves, 0 for X25519 and X448 */
	uint8_t nh, nk;   /* hash and AEAD key length */
	uint8_t nsk, npk; /* KEM key lengths; npk is also Nenc */
	uint8_t ndh;      /* shared point's length */
	uint8_t sig_priv_len, sig_pub_len;
	uint8_t bitmask; /* RFC 9180 section 7.1.3, NIST curves */
};

struct mls_crypto {
	const struct mls_suite *suite;
	const struct cv_rng *rng;
	EVP_MD *md;
	EVP_MD_CTX *md_ctx, *sig_ctx;
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *cipher_ctx;
	EC_GROUP *group; /* NIST curves only */
	BN_CTX *bn;
	uint8_t psk_id_hash[DIGEST_MAX]; /* HPKE: the same for every message in mode Base */
};

const struct mls_suite *mls_suite_find(uint16_t id);
/* `rng` may be NULL where nothing random is made. */
int mls_crypto_init(struct mls_crypto *c, uint16_t suite, const struct cv_rng *rng) CV_NODISCARD;
void mls_crypto_done(struct mls_crypto *c);

/* Hash and KDF. Inputs come in parts, so that nothing has to be pasted together first. */
int mls_crypto_hash(struct mls_crypto *c, const struct cv_span *parts, size_t n, uint8_t *ret) CV_NODISCARD;
int mls_crypto_hmac(struct mls_crypto *c, struct cv_span key, const struct cv_span *parts, size_t n,
		    uint8_t *ret) CV_NODISCARD;
int mls_crypto_extract(struct mls_crypto *c, struct cv_span salt, struct cv_span ikm,
		       struct cv_secret *ret) CV_NODISCARD;
int mls_crypto_expand(struct mls_crypto *c, struct cv_span prk, const struct cv_span *info, size_t n, uint8_t *ret,
		      size_t len) CV_NODISCARD;
/* ExpandWithLabel, DeriveSecret, DeriveTreeSecret: RFC 9420 sections 8 and 9. */
int mls_crypto_expand_label(struct mls_crypto *c, const struct cv_secret *secret, struct cv_span label,
			    struct cv_span context, uint8_t *ret, size_t len) CV_NODISCARD;
int mls_crypto_expand_secret(struct mls_crypto *c, const struct cv_secret *secret, const char *label,
			     struct cv_span context, struct cv_secret *ret) CV_NODISCARD;
int mls_crypto_derive(struct mls_crypto *c, const struct cv_secret *secret, const char *label,
		      struct cv_secret *ret) CV_NODISCARD;
int mls_crypto_derive_tree(struct mls_crypto *c, const struct cv_secret *secret, const char *label, uint32_t generation,
			   uint8_t *ret, size_t len) CV_NODISCARD;
/* MAC(key, message) and its check in constant time: CV_EAUTH. */
int mls_crypto_mac_check(struct mls_crypto *c, const struct cv_secret *key, const struct cv_span *parts, size_t n,
			 struct cv_span mac) CV_NODISCARD;
/* RefHash, RFC 9420 section 5.2. `ret` has room for nh bytes. */
int mls_crypto_ref_hash(struct mls_crypto *c, const char *label, struct cv_span value, uint8_t *ret) CV_NODISCARD;
int mls_crypto_random_secret(struct mls_crypto *c, size_t len, struct cv_secret *ret) CV_NODISCARD;

/* AEAD. `ret` of seal has room for plaintext + TAG_LEN, of open for ciphertext - TAG_LEN. Open: CV_EAUTH. */
int mls_crypto_seal(struct mls_crypto *c, const uint8_t *key, const uint8_t *nonce, struct cv_span aad,
		    struct cv_span pt, uint8_t *ret) CV_NODISCARD;
int mls_crypto_open(struct mls_crypto *c, const uint8_t *key, const uint8_t *nonce, struct cv_span aad,
		    struct cv_span ct, uint8_t *ret) CV_NODISCARD;

/* Signatures, RFC 9420 section 5.1.2: SignWithLabel over content that comes in parts. */
int mls_crypto_sign(const struct mls_signer *signer, const char *label, const struct cv_span *parts, size_t n,
		    uint8_t *ret_sig, size_t *ret_len) CV_NODISCARD;
int mls_crypto_verify(struct mls_crypto *c, struct cv_span pub, const char *label, const struct cv_span *parts,
		      size_t n, struct cv_span sig) CV_NODISCARD;
int mls_crypto_verify_plain(struct mls_crypto *c, struct cv_span pub, struct cv_span msg,
			    struct cv_span sig) CV_NODISCARD;
/* RFC 9420 section 5.3: the end-entity certificate's key must be the leaf's. CV_EINVAL when not, CV_EFORMAT. */
int mls_x509_check_key(const struct mls_suite *s, struct cv_span der, struct cv_span signature_key) CV_NODISCARD;

/* KEM keys. kem_public: from a private key. kem_check_public: CV_EINVAL for what nobody could encrypt to. */
int mls_kem_public(struct mls_crypto *c, const struct cv_secret *priv, uint8_t *ret_pub) CV_NODISCARD;
int mls_kem_check_public(struct mls_crypto *c, struct cv_span pub) CV_NODISCARD;
int mls_kem_generate(struct mls_crypto *c, struct mls_hpke_key *ret) CV_NODISCARD;
int mls_kem_derive(struct mls_crypto *c, struct cv_span ikm, struct mls_hpke_key *ret) CV_NODISCARD;
/* Encap with a given ephemeral key, Decap: the shared secret (nh bytes). `key` may lack its public part. */
int mls_kem_encap(struct mls_crypto *c, const struct mls_hpke_key *ephemeral, struct cv_span pub,
		  struct cv_secret *ret_shared) CV_NODISCARD;
int mls_kem_encap_fresh(struct mls_crypto *c, struct cv_span pub, uint8_t *ret_enc,
			struct cv_secret *ret_shared) CV_NODISCARD;
int mls_kem_decap(struct mls_crypto *c, const struct cv_secret *priv, struct cv_span enc,
		  struct cv_secret *ret_shared) CV_NODISCARD;
/* LabeledExtract and LabeledExpand, RFC 9180 section 4. */
int mls_hpke_extract(struct mls_crypto *c, struct cv_span suite_id, struct cv_span salt, const char *label,
		     struct cv_span ikm, uint8_t *ret) CV_NODISCARD;
int mls_hpke_expand(struct mls_crypto *c, struct cv_span suite_id, struct cv_span prk, const char *label,
		    struct cv_span info, uint8_t *ret, size_t len) CV_NODISCARD;

/* HPKE. The info is hashed once for all messages that share it: a Welcome's info holds the whole tree. */
struct hpke_info {
	uint8_t context[1 + 2 * DIGEST_MAX]; /* key_schedule_context */
	size_t len;
};
struct hpke_ctx {
	uint8_t key[KEY_MAX];
	uint8_t base_nonce[NONCE_LEN];
	struct cv_secret exporter_secret; /* only when asked for */
};
int mls_hpke_info_init(struct mls_crypto *c, struct cv_span info, struct hpke_info *ret) CV_NODISCARD;
int mls_hpke_setup(struct mls_crypto *c, const struct cv_secret *shared, const struct hpke_info *info, bool exporter,
		   struct hpke_ctx *ret) CV_NODISCARD;
/* Only the test vectors count: MLS and the public interface seal once per context, so no sequence number can overflow.
 */
void mls_hpke_nonce(const struct hpke_ctx *h, uint64_t seq, uint8_t ret[NONCE_LEN]);
int mls_hpke_export(struct mls_crypto *c, const struct hpke_ctx *h, struct cv_span context, uint8_t *ret,
		    size_t len) CV_NODISCARD;
int mls_hpke_base_seal(struct mls_crypto *c, struct cv_span pub, const struct hpke_info *info, struct cv_span aad,
		       struct cv_span pt, uint8_t *ret_enc, uint8_t *ret_ct) CV_NODISCARD;
int mls_hpke_base_open(struct mls_crypto *c, const struct cv_secret *priv, const struct hpke_info *info,
		       struct cv_span enc, struct cv_span aad, struct cv_span ct, uint8_t *ret_pt) CV_NODISCARD;
/* EncryptWithLabel's info, RFC 9420 section 5.1.3. */
int mls_hpke_label_info(struct mls_crypto *c, const char *label, struct cv_span context,
			struct hpke_info *ret) CV_NODISCARD;
/* ExternalInit, RFC 9420 section 8.3: from external_pub, and with external_priv. */
int mls_hpke_external_send(struct mls_crypto *c, struct cv_span pub, uint8_t *ret_enc,
			   struct cv_secret *ret_init) CV_NODISCARD;
int mls_hpke_external_receive(struct mls_crypto *c, const struct cv_secret *priv, struct cv_span enc,
			      struct cv_secret *ret_init) CV_NODISCARD;

/* Public values only: lengths and bytes may be compared as they are. */
bool mls_span_equal(struct cv_span a, struct cv_span b);
/* A borrowed view of a secret. */
struct cv_span mls_secret_span(const struct cv_secret *s);
/* A varint (RFC 9420 section 2.1.2) in at most 4 bytes; gives its length. */
size_t mls_varint_write(uint8_t *p, size_t v);

#endif
