/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile: what one installation of the client remembers, in one directory of mode 0700.
 *
 *   profile.json   manager, organisation root, manifest and its version, who is signed in, contacts' device keys.
 *                  Nothing in it is secret.
 *   secrets        device key, session token, identity certificate; XChaCha20-Poly1305 under the storage key.
 *   storage.key    the storage key, unless $CONCLAVE_STORAGE_KEY_FILE names another place (a removable medium, a file
 *                  that the session's key ring hands out).
 *   profile.lock   empty; locked (flock) while the others are read or written, never longer.
 *
 * Files are replaced by renaming. State of a running meeting is never stored. A handle is not thread safe, but several
 * processes may use one profile at once, even while one of them is in a meeting: none loses what another has stored
 * (see client_profile_save).
 */
#ifndef CLIENT_PROFILE_H
#define CLIENT_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/reader.h>
#include <client/error.h>

#define CLIENT_ID_LEN           16
#define CLIENT_HASH_LEN         32
#define CLIENT_KEY_LEN          32
#define CLIENT_URL_MAX          255
#define CLIENT_EMAIL_MAX        254
#define CLIENT_NAME_MAX         260
#define CLIENT_TOKEN_MAX        512
#define CLIENT_CERT_MAX         4096
#define CLIENT_CERTS_MAX        4
#define CLIENT_CONTACTS_MAX     4096
#define CLIENT_CONTACT_KEYS_MAX 16

struct client_cert {
	size_t len;
	uint8_t der[CLIENT_CERT_MAX];
};

/* A person met before: whose device keys are remembered so that a change shows (R81). */
struct client_contact {
	uint8_t user_id[CLIENT_ID_LEN];
	char *email;
	char *name;
	size_t devices;
	uint8_t device_hash[CLIENT_CONTACT_KEYS_MAX][CLIENT_HASH_LEN];
	uint8_t device_flags[CLIENT_CONTACT_KEYS_MAX]; /* CLIENT_DEVICE_… */
	bool named; /* email and name were set by this process since the profile was opened or saved */
};
#define CLIENT_DEVICE_VERIFIED 1u /* the user compared a security code with this device in the meeting */
#define CLIENT_DEVICE_CHANGED  2u /* came when other keys of this person were known, and has not been verified since */

/* What this process has changed since the profile was opened or saved, and what therefore is ours to be stored. */
#define CLIENT_NEWS_MANIFEST 1u /* taken from the manager (client_trust_take) */
#define CLIENT_NEWS_ADDRESS  2u /* the manager's address is another one */
#define CLIENT_NEWS_SESSION  4u /* signed in or out */
#define CLIENT_NEWS_RENEWED  8u /* a new identity certificate in the same session */

struct client_profile {
	char *dir;
	unsigned news;                        /* CLIENT_NEWS_… */
	uint8_t stored_root[CLIENT_HASH_LEN]; /* SHA-256 of the root that was last read or stored; zeros: none */

	/* The organisation. manager_url is "" before the first contact. */
	char manager_url[CLIENT_URL_MAX + 1];
	uint8_t *root_der; /* NULL before the first contact */
	size_t root_len;
	uint8_t *manifest; /* Signed Manifest as received; NULL before the first contact */
	size_t manifest_len;
	uint64_t manifest_version; /* the highest ever seen */

	/* Who is signed in. token is "" when nobody is. */
	uint8_t user_id[CLIENT_ID_LEN];
	char email[CLIENT_EMAIL_MAX + 1];
	char name[CLIENT_NAME_MAX + 1];
	char role[32];
	char token[CLIENT_TOKEN_MAX + 1]; /* secret */
	uint64_t token_expires;           /* Unix seconds */
	size_t certs;                     /* leaf, issuer */
	struct client_cert cert[CLIENT_CERTS_MAX];

	/* This installation's Ed25519 key. */
	uint8_t device_seed[CLIENT_KEY_LEN]; /* secret */
	uint8_t device_key[CLIENT_KEY_LEN];
	uint8_t device_hash[CLIENT_HASH_LEN]; /* SHA-256 of device_key */

	struct client_contact *contacts;
	size_t contact_count;
};

/*
 * Opens or creates the profile in `dir` (NULL: $XDG_DATA_HOME/conclave or ~/.local/share/conclave). A new one gets a
 * new device key; when several processes create it at once, all get the same one. Of a session whose certificate is
 * another user's (the machine stopped between two files) nothing is taken: nobody is signed in then.
 * CV_EINVAL: the directory belongs to somebody else or others may read it; CV_EAUTH: the secrets do not open with the
 * storage key; CV_EAGAIN: another process has kept the lock for five seconds; CV_EFORMAT, CV_EIO (also where the
 * file system has no locks). CV_EDENIED: there is nothing yet and nothing may be written; what is there already is
 * opened in a folder that may only be read, too (not locked then). Free with client_profile_free.
 */
CV_PUBLIC int client_profile_open(const char *dir, struct client_profile **ret, struct client_error *err) CV_NODISCARD;
/* Wipes and frees. Takes NULL. */
CV_PUBLIC void client_profile_free(struct client_profile *p);
/*
 * Stores what this process has changed, on top of what is on the disk now, under the lock:
 *
 *   manifest       the one with the higher version, whoever stored it: the version on the disk never goes back.
 *   contacts       all of both sides, with all their device keys. VERIFIED is kept from either side and ends CHANGED; a
 *                  key that is new to the disk where others of this person are known counts as changed. Verified keys
 *                  and people come before others where the limits would be passed. Name and address stay those that
 *                  were verified; where both sides have verified, or neither has, those that this process set since
 *                  it opened or saved the profile, else those on the disk.
 *   session        (token, user, certificate) as a whole: ours when this process has signed in or out, else the one on
 *                  the disk. A renewed certificate is stored only into the very session that it was got in. So who is
 *                  in a meeting while another process signs out, or in as somebody else, goes on with the session that
 *                  it has in memory, but does not store it.
 *   organisation   one profile has one. Where another process has meanwhile given the profile to another organisation,
 *                  nothing at all is stored (CV_ESTATE), contacts neither: they are nothing for the other one. Where
 *                  this process did so itself, what is on the disk of the former organisation is replaced.
 *
 * Afterwards `p` has the stored contacts (pointers to its former ones are dead) and manifest, but its own session and
 * manager's address. After a failure nothing in `p` has changed, and the next save tries again. CV_ESTATE also when the
 * profile's files were removed or made anew meanwhile; CV_EDENIED: the folder may not be written; CV_EAGAIN, CV_EIO and
 * others as client_profile_open; CV_ELIMIT: more verified people than fit.
 */
CV_PUBLIC int client_profile_save(struct client_profile *p, struct client_error *err) CV_NODISCARD;

/* Forgets the session (token, certificate, name); the device key and contacts stay. */
CV_PUBLIC void client_profile_sign_out(struct client_profile *p);

/* ---- contacts (contacts.c): device keys by person; what is changed here is not saved by itself */
/* Who somebody is, as the identity certificate says it. Borrowed. */
struct client_who {
	const uint8_t *user_id;     /* CLIENT_ID_LEN */
	const uint8_t *device_hash; /* CLIENT_HASH_LEN */
	const char *email, *name;
};
/* What client_profile_meet found. */
enum client_contact_news {
	CLIENT_CONTACT_KNOWN,      /* this device of this person was seen before */
	CLIENT_CONTACT_FIRST,      /* a person never met before */
	CLIENT_CONTACT_NEW_DEVICE, /* a person met before (or the profile's own user), with a device key not seen
				      before: to be shown */
	CLIENT_CONTACT_RENAMED,    /* a verified person under another name or address: to be shown */
};
/* Looks a member up and remembers the device key; never marks it verified. CV_ENOMEM, CV_ELIMIT. */
CV_PUBLIC int client_profile_meet(struct client_profile *p, const struct client_who *who,
				  enum client_contact_news *ret) CV_NODISCARD;

enum client_standing {
	CLIENT_STANDING_UNVERIFIED,
	CLIENT_STANDING_VERIFIED, /* this device key, under this name and address, was verified; also our own device */
	CLIENT_STANDING_CHANGED,  /* a known person with another device key or name than before, not verified since */
};
CV_PUBLIC enum client_standing client_profile_standing(const struct client_profile *p, const struct client_who *who);
/*
 * Marks the device key as verified under that name and address: only ever upon the user's own word. It stays so until
 * the contact is forgotten with the profile. CV_ENOMEM; CV_ELIMIT: too many contacts.
 */
CV_PUBLIC int client_profile_verify(struct client_profile *p, const struct client_who *who) CV_NODISCARD;

/* Ed25519 by the device key over `len` bytes as they are (JWS, MLS). CV_ECRYPTO. */
CV_PUBLIC int client_profile_sign(const struct client_profile *p, const void *data, size_t len,
				  uint8_t ret_signature[64]) CV_NODISCARD;

#endif
