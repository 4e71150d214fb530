/* SPDX-License-Identifier: Apache-2.0 */
/* Sign-in by OPAQUE, sessions bound to device keys by DPoP, and what slows guessing down (R67, R68, R74). */
#ifndef MGR_AUTH_H
#define MGR_AUTH_H

#include "domain/app.h"

/* ---- throttle ---- */

/*
 * Counts per account and per address (an IPv6 address counts as its /64). Every started login counts as failed; one
 * that is finished takes its own count back. Beyond the free attempts each further one must wait twice as long as the
 * one before, at most MGR_THROTTLE_MAX_S. Quiet for MGR_THROTTLE_FORGET_S, all is forgotten.
 *
 * An address from which an account has been signed in to within MGR_KNOWN_S has a count of its own for that account:
 * strangers who guess cannot lock its owner out.
 */
#define MGR_THROTTLE_FREE_ACCOUNT 5
#define MGR_THROTTLE_FREE_ADDRESS 30
#define MGR_THROTTLE_MAX_S        900
#define MGR_THROTTLE_FORGET_S     7200
#define MGR_KNOWN_S               (30 * 86400)
#define MGR_THROTTLE_ROWS         100000

/* Key of an account name or of an address; neither stands in the database in clear. */
void mgr_throttle_key(const struct mgr_app *app, const char *kind, const char *value, uint8_t ret_key[MGR_HASH_LEN]);
/* MGR_ETHROTTLED with app->retry_after, or 0. Counts nothing. */
int mgr_throttle_check(struct mgr_app *app, const uint8_t key[MGR_HASH_LEN], int64_t free) CV_NODISCARD;
int mgr_throttle_failed(struct mgr_app *app, const uint8_t key[MGR_HASH_LEN]) CV_NODISCARD;
/* The pair of an account and an address is known; mgr_throttle_know makes it so, and forgets its failures. */
int mgr_throttle_known(struct mgr_app *app, const uint8_t key[MGR_HASH_LEN], bool *ret_known) CV_NODISCARD;
int mgr_throttle_know(struct mgr_app *app, const uint8_t key[MGR_HASH_LEN]) CV_NODISCARD;
/* forget: all of it; else the one attempt that has turned out right. */
int mgr_throttle_success(struct mgr_app *app, const uint8_t key[MGR_HASH_LEN], bool forget) CV_NODISCARD;

/* ---- sign-in ---- */

#define MGR_LOGINS_MAX     1024
#define MGR_LOGIN_LIFE_S   60
#define MGR_DEVICE_MAC_LEN 64

/* Sign-ins under way, in memory only; when full, the oldest goes. CV_ENOMEM. */
int mgr_logins_new(struct mgr_logins **ret_logins) CV_NODISCARD;
void mgr_logins_free(struct mgr_logins *l);

/* Forgets sign-ins that were never finished, and logs them as failed. Call every few seconds. */
void mgr_login_sweep(struct mgr_app *app);

/* The writes of start are to be committed whatever it returns. MGR_ETHROTTLED, MGR_EREQUEST. */
int mgr_login_start(struct mgr_app *app, const char *email, const char *address, const uint8_t *ke1, size_t ke1_len,
		    uint8_t ret_login_id[MGR_ID_LEN], uint8_t ret_ke2[OPAQUE_KE2_LEN]) CV_NODISCARD;

struct mgr_login_finish {
	uint8_t login_id[MGR_ID_LEN];
	uint8_t ke3[OPAQUE_KE3_LEN];
	uint8_t device_key[PROTO_KEY_LEN];
	uint8_t device_signature[PROTO_SIG_LEN];
	uint8_t device_mac[MGR_DEVICE_MAC_LEN];
};
struct mgr_signed_in {
	char token[MGR_TOKEN_TEXT];
	int64_t expires_in;
	struct mgr_account account;
};
/* MGR_ESIGNIN for everything that does not fit; the log says which account and address, for fail2ban. */
int mgr_login_finish(struct mgr_app *app, const char *address, const struct mgr_login_finish *in,
		     struct mgr_signed_in *ret) CV_NODISCARD;

/* Appends the DER of an identity certificate, 24 h. */
int mgr_identity_issue(struct mgr_app *app, const struct mgr_account *a, const uint8_t device_key[PROTO_KEY_LEN],
		       struct cv_buf *ret_der) CV_NODISCARD;

/* ---- DPoP, RFC 9449 ---- */

#define MGR_PROOF_SKEW_S 60
#define MGR_PROOF_MAX    4096
#define MGR_NONCE_PERIOD 300
#define MGR_NONCE_TEXT   23
#define MGR_JTI_MAX      128

struct mgr_proof_want {
	const char *method, *url; /* url without query */
	const uint8_t *device_key;
	const uint8_t *token_hash; /* what `ath` must be */
};
/*
 * MGR_EPROOF, or MGR_ENONCE when all is right but the nonce. ret_seen: hash under which the proof must be remembered
 * (mgr_store_proof_add) and its expiry.
 */
int mgr_proof_check(const struct mgr_app *app, const char *proof, const struct mgr_proof_want *want,
		    uint8_t ret_seen[MGR_HASH_LEN], int64_t *ret_expires) CV_NODISCARD;
/* The present nonce. */
void mgr_nonce(const struct mgr_app *app, char ret_nonce[MGR_NONCE_TEXT]);

/* ---- sessions ---- */

struct mgr_principal {
	struct mgr_account account;
	uint8_t device_key[PROTO_KEY_LEN];
	uint8_t token_hash[MGR_HASH_LEN];
	int64_t expires;
};
/* Who sends this request. Remembers the proof: commit whatever the request comes to. MGR_ESESSION, MGR_EPROOF,
 * MGR_ENONCE. `authorization` and `proof` may be NULL. */
int mgr_authenticate(struct mgr_app *app, const char *authorization, const char *proof, const char *method,
		     const char *path, struct mgr_principal *ret) CV_NODISCARD;

#endif
