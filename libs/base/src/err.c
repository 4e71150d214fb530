/* SPDX-License-Identifier: Apache-2.0 */
#include <base/err.h>

const char *cv_strerror(int err)
{
	switch (err) {
	case CV_OK: return "success";
	case CV_EINVAL: return "invalid argument";
	case CV_ENOMEM: return "out of memory";
	case CV_ETRUNCATED: return "input too short";
	case CV_ETRAILING: return "unexpected bytes after the end";
	case CV_EFORMAT: return "malformed input";
	case CV_ELIMIT: return "limit exceeded";
	case CV_ECRYPTO: return "cryptographic operation failed";
	case CV_EAUTH: return "authentication failed";
	case CV_ENOTFOUND: return "not found";
	case CV_EEXIST: return "already exists";
	case CV_EREPLAY: return "replayed or too old";
	case CV_EEXPIRED: return "expired or not yet valid";
	case CV_EDENIED: return "not permitted";
	case CV_EUNSUPPORTED: return "not supported";
	case CV_ESTATE: return "not possible in this state";
	case CV_EIO: return "input/output error";
	case CV_ECLOSED: return "connection closed";
	case CV_ETIMEOUT: return "timed out";
	case CV_EPIN: return "the server's key is not one of the pinned keys";
	case CV_EAGAIN: return "try again";
	case CV_EEPOCH: return "belongs to another epoch";
	default: return "unknown error";
	}
}
