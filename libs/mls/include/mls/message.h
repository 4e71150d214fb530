/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at an MLSMessage without any key, RFC 9420 section 6. For routing; nothing here is authenticated. */
#ifndef MLS_MESSAGE_H
#define MLS_MESSAGE_H

#include <mls/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mls_wire_format {
	MLS_PUBLIC_MESSAGE = 1,
	MLS_PRIVATE_MESSAGE = 2,
	MLS_WELCOME = 3,
	MLS_GROUP_INFO = 4,
	MLS_KEY_PACKAGE = 5,
};
enum mls_content_type {
	MLS_CONTENT_APPLICATION = 1,
	MLS_CONTENT_PROPOSAL = 2,
	MLS_CONTENT_COMMIT = 3,
};
enum mls_sender_type {
	MLS_SENDER_MEMBER = 1,
	MLS_SENDER_EXTERNAL = 2,
	MLS_SENDER_NEW_MEMBER_PROPOSAL = 3,
	MLS_SENDER_NEW_MEMBER_COMMIT = 4,
};

struct mls_peek {
	uint16_t wire_format;              /* enum mls_wire_format */
	uint16_t suite;                    /* Welcome, KeyPackage, GroupInfo; else 0 */
	struct cv_span group_id;           /* Public/PrivateMessage, GroupInfo; borrowed from the message; else empty */
	uint64_t epoch;                    /* Public/PrivateMessage, GroupInfo; else 0 */
	uint8_t content_type;              /* Public/PrivateMessage: enum mls_content_type; else 0 */
	struct cv_span authenticated_data; /* Public/PrivateMessage; borrowed */
};
/* The whole message must be well-formed: CV_EFORMAT, CV_ETRUNCATED, CV_ETRAILING, CV_ELIMIT, CV_EUNSUPPORTED. */
CV_PUBLIC int mls_peek(const void *msg, size_t len, struct mls_peek *ret) CV_NODISCARD;
/*
 * Walks the KeyPackageRefs that a Welcome is for (as mls_key_package_ref): *at starts at 0 and is moved on. Borrowed
 * from the message. CV_ENOTFOUND: there are no more; CV_EINVAL: no Welcome, or *at is not from here; else as mls_peek
 * (the message is checked as a whole at 0).
 */
CV_PUBLIC int mls_welcome_next(const void *msg, size_t len, size_t *at, struct cv_span *ret_ref) CV_NODISCARD;

#ifdef __cplusplus
}
#endif

#endif
