/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OPAQUE, RFC 9807: sign-in by password in which the server never sees the password. OPAQUE-3DH with
 * ristretto255-SHA512, HKDF-SHA512 and HMAC-SHA512.
 *
 *   registration   client_register_start -> request (32) -> server_register_respond -> response (64)
 *                  -> client_register_finish -> record (192), kept by the server
 *   login          client_login_start -> KE1 (96) -> server_login_respond -> KE2 (320)
 *                  -> client_login_finish -> KE3 (64) -> server_login_finish
 *
 * Both ends of a login hold the same session key afterwards; the client also holds the export key, the same as at its
 * registration, which the server never knows. No allocation (except inside Argon2id, 64 MiB, in the client's finish
 * functions, which take about 0.1 s), no clock; randomness is handed in. Everything secret on the stack is wiped.
 * Functions on different objects may run on different threads.
 *
 * Messages are handed over as pointer and length; a wrong length is CV_EFORMAT (of KE3: CV_EAUTH, as any wrong KE3).
 * The results of a call that fails are not to be used.
 */
#ifndef OPAQUE_OPAQUE_H
#define OPAQUE_OPAQUE_H

#include <stddef.h>
#include <stdint.h>

#include <base/err.h>
#include <base/secret.h>

#ifdef __cplusplus
extern "C" {
#endif

#define OPAQUE_KEY_LEN           32 /* private and public keys */
#define OPAQUE_OPRF_SEED_LEN     64
#define OPAQUE_NONCE_LEN         32
#define OPAQUE_MAC_LEN           64
#define OPAQUE_SESSION_KEY_LEN   64
#define OPAQUE_EXPORT_KEY_LEN    64
#define OPAQUE_ENVELOPE_LEN      (OPAQUE_NONCE_LEN + OPAQUE_MAC_LEN)
#define OPAQUE_REQUEST_LEN       32  /* RegistrationRequest */
#define OPAQUE_RESPONSE_LEN      64  /* RegistrationResponse */
#define OPAQUE_RECORD_LEN        192 /* RegistrationRecord: client public key, masking key, envelope */
#define OPAQUE_KE1_LEN           96
#define OPAQUE_KE2_LEN           320
#define OPAQUE_KE3_LEN           64
#define OPAQUE_PASSWORD_MAX      1024  /* bytes; the RFC allows 65535 */
#define OPAQUE_IDENTITY_MAX      65535 /* bytes of an explicit identity */
#define OPAQUE_CREDENTIAL_ID_MAX 1024  /* bytes */
#define OPAQUE_CONTEXT_MAX       65535 /* bytes */

/* Key stretching, RFC 9807 section 7: one name per set of parameters. Nothing else is accepted, least of all none. */
enum opaque_ksf {
	OPAQUE_KSF_ARGON2ID = 1, /* t=3, 64 MiB, p=1, salt of 16 zero bytes, 64 bytes out */
};

/* What both ends must have in common. */
struct opaque_config {
	enum opaque_ksf ksf;
	const void *context; /* borrowed; may be NULL when context_len is 0 */
	size_t context_len;
};

/* Version 1 of the protocol: Argon2id as above, empty context. Its parameters never change; others get another name. */
CV_PUBLIC extern const struct opaque_config opaque_config_v1;

/* Explicit identities, borrowed. NULL (or an empty identity) means that end's public key, as in section 4. */
struct opaque_ids {
	const void *client;
	size_t client_len;
	const void *server;
	size_t server_len;
};

/* ---- Client ---- */

/*
 * The client between start and finish. It holds a copy of the password: the caller can and should wipe its own at once
 * after start. Whatever finish returns, it wipes the whole object; opaque_client_done wipes one that is given up.
 * Fields are private.
 */
struct opaque_client {
	uint8_t phase;
	uint8_t ke1[OPAQUE_KE1_LEN];
	uint8_t blind[OPAQUE_KEY_LEN];
	uint8_t secret[OPAQUE_KEY_LEN];
	size_t password_len;
	uint8_t password[OPAQUE_PASSWORD_MAX];
};

/* What a finished login gives to the client. */
struct opaque_client_result {
	uint8_t session_key[OPAQUE_SESSION_KEY_LEN];
	uint8_t export_key[OPAQUE_EXPORT_KEY_LEN];
	uint8_t server_public_key[OPAQUE_KEY_LEN];
};

/*
 * Passwords are bytes here: text must be UTF-8 in Unicode form NFC already. CV_EINVAL: empty; CV_ELIMIT: longer than
 * OPAQUE_PASSWORD_MAX; CV_ECRYPTO. On failure the object is wiped. Section 5.2.1.
 */
CV_PUBLIC int opaque_client_register_start(struct opaque_client *c, const struct cv_rng *rng, const void *password,
					   size_t password_len, uint8_t ret_request[OPAQUE_REQUEST_LEN]) CV_NODISCARD;
/*
 * `ids` may be NULL. `ret_server_public_key` may be NULL; the client may compare it with a key that it knows.
 * CV_ESTATE: no registration started; CV_EFORMAT: response malformed (identity or non-canonical element too);
 * CV_EINVAL: `config` is not one of a known version, or it or `ids` are too long; CV_ENOMEM: Argon2id found no memory;
 * CV_ECRYPTO. Section 5.2.3.
 */
CV_PUBLIC int opaque_client_register_finish(struct opaque_client *c, const struct opaque_config *config,
					    const struct opaque_ids *ids, const struct cv_rng *rng,
					    const void *response, size_t response_len,
					    uint8_t ret_record[OPAQUE_RECORD_LEN],
					    uint8_t ret_export_key[OPAQUE_EXPORT_KEY_LEN],
					    uint8_t ret_server_public_key[OPAQUE_KEY_LEN]) CV_NODISCARD;
/* As register_start: CV_EINVAL, CV_ELIMIT, CV_ECRYPTO. Section 6.2.1 (GenerateKE1). */
CV_PUBLIC int opaque_client_login_start(struct opaque_client *c, const struct cv_rng *rng, const void *password,
					size_t password_len, uint8_t ret_ke1[OPAQUE_KE1_LEN]) CV_NODISCARD;
/*
 * CV_EAUTH: wrong password, unknown user or not the right server (these cannot and must not be told apart);
 * CV_EFORMAT: KE2 malformed; CV_ESTATE: no login started; CV_EINVAL, CV_ENOMEM, CV_ECRYPTO as above. Section 6.2.3
 * (GenerateKE3).
 */
CV_PUBLIC int opaque_client_login_finish(struct opaque_client *c, const struct opaque_config *config,
					 const struct opaque_ids *ids, const void *ke2, size_t ke2_len,
					 uint8_t ret_ke3[OPAQUE_KE3_LEN],
					 struct opaque_client_result *ret_result) CV_NODISCARD;
/* Wipes. Takes a zeroed, finished or half-way object. */
CV_PUBLIC void opaque_client_done(struct opaque_client *c);

/* ---- Server ---- */

/* The server's long-term secrets. Losing oprf_seed or private_key makes every record useless. Wipe with cv_wipe. */
struct opaque_server_keys {
	uint8_t private_key[OPAQUE_KEY_LEN];
	uint8_t public_key[OPAQUE_KEY_LEN];
	uint8_t oprf_seed[OPAQUE_OPRF_SEED_LEN];
};

/* The server between KE2 and KE3. Plain bytes: may be stored and restored as they are, but only once. Wipe after use.
 */
struct opaque_server_login {
	uint8_t expected_mac[OPAQUE_MAC_LEN];
	uint8_t session_key[OPAQUE_SESSION_KEY_LEN];
};

/* Fresh keys, once per deployment. CV_ECRYPTO. */
CV_PUBLIC int opaque_server_keys_generate(const struct cv_rng *rng, struct opaque_server_keys *ret_keys) CV_NODISCARD;
/* From stored values, copied; computes the public key. CV_EFORMAT: not a canonical non-zero scalar; CV_ECRYPTO. */
CV_PUBLIC int opaque_server_keys_load(const uint8_t private_key[OPAQUE_KEY_LEN],
				      const uint8_t oprf_seed[OPAQUE_OPRF_SEED_LEN],
				      struct opaque_server_keys *ret_keys) CV_NODISCARD;

/*
 * `credential_id` names the credential for good (an account id, never an e-mail address that may change): 1 ..
 * OPAQUE_CREDENTIAL_ID_MAX bytes. CV_EFORMAT: request malformed (identity or non-canonical element too); CV_EINVAL:
 * length of `credential_id`; CV_ECRYPTO. Section 5.2.2.
 */
CV_PUBLIC int opaque_server_register_respond(const struct opaque_server_keys *keys, const void *credential_id,
					     size_t credential_id_len, const void *request, size_t request_len,
					     uint8_t ret_response[OPAQUE_RESPONSE_LEN]) CV_NODISCARD;
/* To be called before a record is stored. CV_EFORMAT: wrong length, or its public key is no valid element. */
CV_PUBLIC int opaque_record_check(const void *record, size_t record_len) CV_NODISCARD;
/*
 * Answers KE1. `record` NULL (record_len 0): the account does not exist; the answer is then made with a fake record
 * (section 6.3.2.2) and cannot be told from a real one, provided that `credential_id` is the same for every login to
 * the same unknown account (a keyed hash of the address for example). Real and fake answers cost the same work.
 * CV_EFORMAT: KE1 or record malformed; CV_EINVAL: `config` is not one of a known version, or something is too long (or
 * `credential_id` empty); CV_ECRYPTO. Section 6.2.2 (GenerateKE2).
 */
CV_PUBLIC int opaque_server_login_respond(const struct opaque_config *config, const struct opaque_server_keys *keys,
					  const struct opaque_ids *ids, const void *credential_id,
					  size_t credential_id_len, const void *record, size_t record_len,
					  const void *ke1, size_t ke1_len, const struct cv_rng *rng,
					  uint8_t ret_ke2[OPAQUE_KE2_LEN],
					  struct opaque_server_login *ret_login) CV_NODISCARD;
/* CV_EAUTH: KE3 is not genuine: the password was wrong. Wipes `login` whatever happens. Section 6.2.4 (ServerFinish).
 */
CV_PUBLIC int opaque_server_login_finish(struct opaque_server_login *login, const void *ke3, size_t ke3_len,
					 uint8_t ret_session_key[OPAQUE_SESSION_KEY_LEN]) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
