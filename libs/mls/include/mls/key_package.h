/* SPDX-License-Identifier: Apache-2.0 */
/* KeyPackages: what a client publishes so that others can add it, RFC 9420 section 10. */
#ifndef MLS_KEY_PACKAGE_H
#define MLS_KEY_PACKAGE_H

#include <mls/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A KeyPackage of our own: the public message and the private keys that a Welcome needs. Use each for one group, and
 * free it once that group is joined: with its init key whoever has the Welcome could read on (RFC 9420 section 16.8).
 */
struct mls_key_package;

/*
 * Makes one. Its validity is [not_before, not_after] in seconds (RFC 9420 section 7.2; give not_before a margin for
 * others' clocks, an hour is usual). Its own extensions are member->key_package_extensions. *ret is for
 * mls_key_package_free. CV_EINVAL: not_after before not_before, no signer, or a member with more capabilities or
 * extensions than a leaf may have; CV_EUNSUPPORTED: suite not known; CV_EFORMAT: a malformed credential, or an
 * extension given twice in one list; CV_ELIMIT, CV_ENOMEM, CV_ECRYPTO, or the signer's error.
 */
CV_PUBLIC int mls_key_package_new(const struct mls_env *env, uint16_t suite, const struct mls_member *member,
				  uint64_t not_before, uint64_t not_after, struct mls_key_package **ret) CV_NODISCARD;
/* Wipes and frees. Takes NULL. */
CV_PUBLIC void mls_key_package_free(struct mls_key_package *kp);
/* The MLSMessage to publish; borrowed from `kp`. */
CV_PUBLIC struct cv_span mls_key_package_message(const struct mls_key_package *kp);
/* Its KeyPackageRef (RFC 9420 section 5.2), by which a Welcome names it; borrowed from `kp`. */
CV_PUBLIC struct cv_span mls_key_package_ref(const struct mls_key_package *kp);
/* Appends public and private parts for mls_key_package_restore; `out` should be secret. CV_ELIMIT, CV_ENOMEM. */
CV_PUBLIC int mls_key_package_save(const struct mls_key_package *kp, struct cv_buf *out) CV_NODISCARD;
/*
 * What was saved; *ret is for mls_key_package_free. Decoding errors; CV_EUNSUPPORTED also for another version's form;
 * CV_EINVAL when the private keys are not those of the public ones; CV_ENOMEM, CV_ECRYPTO.
 */
CV_PUBLIC int mls_key_package_restore(const void *data, size_t len, struct mls_key_package **ret) CV_NODISCARD;
/*
 * From parts made elsewhere: the MLSMessage, and the raw private HPKE keys for its init_key and its leaf's
 * encryption_key. Copied; *ret is for mls_key_package_free. Its signatures are not verified. CV_EINVAL when they do not
 * belong together, or the message is no KeyPackage; decoding errors; CV_ENOMEM, CV_ECRYPTO.
 */
CV_PUBLIC int mls_key_package_import(struct cv_span message, struct cv_span init_priv, struct cv_span encryption_priv,
				     struct mls_key_package **ret) CV_NODISCARD;

/* Somebody's KeyPackage, read. Spans are borrowed from the message. */
struct mls_key_package_view {
	uint16_t suite;
	struct cv_span init_key;
	struct mls_leaf_view leaf;
	struct cv_span extensions;
	uint8_t ref[MLS_HASH_MAX];
	size_t ref_len;
};
/*
 * Reads an MLSMessage that holds a KeyPackage and verifies both signatures, the suite, and that init and encryption key
 * differ (RFC 9420 section 10.1). The lifetime is not checked. CV_EAUTH: a signature does not verify; CV_EINVAL:
 * another kind of message, or a key that nobody can use; CV_EUNSUPPORTED also for an extension that its leaf does not
 * announce; decoding errors; CV_ENOMEM, CV_ECRYPTO.
 */
CV_PUBLIC int mls_key_package_read(const void *msg, size_t len, struct mls_key_package_view *ret) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
