/* SPDX-License-Identifier: Apache-2.0 */
/* Error codes shared by all libraries. A function that can fail returns 0 or one of these. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#ifdef __cplusplus
extern "C" {
#endif

#define CV_NODISCARD __attribute__((warn_unused_result))
/* Marks a symbol that stays visible when a library is built shared. */
#define CV_PUBLIC __attribute__((visibility("default")))

enum cv_err {
	CV_OK = 0,
	CV_EINVAL = -1,        /* the caller's argument is not allowed */
	CV_ENOMEM = -2,        /* out of memory */
	CV_ETRUNCATED = -3,    /* input ends before the value does */
	CV_ETRAILING = -4,     /* bytes left over after the value */
	CV_EFORMAT = -5,       /* input violates its format */
	CV_ELIMIT = -6,        /* a named limit would be passed */
	CV_ECRYPTO = -7,       /* the crypto provider failed */
	CV_EAUTH = -8,         /* a signature, MAC, tag or proof does not verify */
	CV_ENOTFOUND = -9,     /* no such thing */
	CV_EEXIST = -10,       /* there is one already */
	CV_EREPLAY = -11,      /* seen before, or too old for the window */
	CV_EEXPIRED = -12,     /* outside its period of validity */
	CV_EDENIED = -13,      /* policy or rights forbid it */
	CV_EUNSUPPORTED = -14, /* known kind, not supported here */
	CV_ESTATE = -15,       /* not possible in this state */
	CV_EIO = -16,          /* the system call failed, see errno */
	CV_ECLOSED = -17,      /* the peer closed, or it is already closed */
	CV_ETIMEOUT = -18,     /* took too long */
	CV_EPIN = -19,         /* the server's key is not one of the pinned keys */
	CV_EAGAIN = -20,       /* not now; call again when told */
	CV_EEPOCH = -21,       /* belongs to another epoch */
};

/* A short English phrase for `err` (a static string, never NULL). */
CV_PUBLIC const char *cv_strerror(int err);

#ifdef __cplusplus
}
#endif

#endif
