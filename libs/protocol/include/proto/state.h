/* SPDX-License-Identifier: Apache-2.0 */
/* The meeting's state inside the MLS group (docs/protocol.md section 5): meeting_state and CommitData. */
#ifndef PROTO_STATE_H
#define PROTO_STATE_H

#include <stdbool.h>

#include <base/buf.h>
#include <base/reader.h>
#include <proto/ids.h>

#define PROTO_STATE_USERS_MAX 4096
#define PROTO_GRANT_MAX       1024 /* bytes of a Signed CreationGrant in the state */
#define PROTO_STATE_MAX       (256u * 1024)

struct proto_user_rights {
	uint8_t user_id[PROTO_ID_LEN];
	uint8_t rights;
};

struct proto_meeting_state {
	uint8_t *creation_grant; /* Signed; owned */
	size_t creation_grant_len;
	bool locked;
	uint8_t switches;
	struct proto_user_rights *overrides; /* sorted by user id, no doubles; owned */
	size_t n_overrides;
	uint8_t (*bans)[PROTO_ID_LEN]; /* sorted, no doubles; owned */
	size_t n_bans;
};

/* Takes a zeroed struct; leaves it zeroed. */
CV_PUBLIC void proto_meeting_state_done(struct proto_meeting_state *s);
/* Appends the encoding. CV_EINVAL: unsorted lists, unknown bits. */
CV_PUBLIC int proto_meeting_state_put(const struct proto_meeting_state *s, struct cv_buf *out) CV_NODISCARD;
/* Decodes all of `data`; on success *ret is owned by the caller (_done). CV_EFORMAT: unsorted, doubles, unknown bits.
 */
CV_PUBLIC int proto_meeting_state_decode(const void *data, size_t len, struct proto_meeting_state *ret) CV_NODISCARD;
CV_PUBLIC int proto_meeting_state_copy(const struct proto_meeting_state *s,
				       struct proto_meeting_state *ret) CV_NODISCARD;
CV_PUBLIC bool proto_meeting_state_equal(const struct proto_meeting_state *a, const struct proto_meeting_state *b);
/* The override if there is one, else `admitted` (the rights of the user's admission). */
CV_PUBLIC uint8_t proto_meeting_state_rights(const struct proto_meeting_state *s, const uint8_t user_id[PROTO_ID_LEN],
					     uint8_t admitted);
CV_PUBLIC bool proto_meeting_state_banned(const struct proto_meeting_state *s, const uint8_t user_id[PROTO_ID_LEN]);
/* Sets an override, or adds a ban (no error when it is there already). CV_ELIMIT, CV_ENOMEM. */
CV_PUBLIC int proto_meeting_state_set_rights(struct proto_meeting_state *s, const uint8_t user_id[PROTO_ID_LEN],
					     uint8_t rights) CV_NODISCARD;
CV_PUBLIC int proto_meeting_state_ban(struct proto_meeting_state *s, const uint8_t user_id[PROTO_ID_LEN]) CV_NODISCARD;

#define PROTO_REMOVALS_MAX    1024
#define PROTO_EVIDENCE_MAX    1024
#define PROTO_COMMIT_DATA_MAX (256u * 1024)

struct proto_removal {
	uint32_t leaf;
	uint8_t reason;          /* enum proto_reason */
	struct cv_span evidence; /* borrowed */
};

struct proto_commit_data {
	struct proto_removal *removals; /* owned array, evidence borrowed from the decoded bytes */
	size_t n_removals;
};

/* Appends the encoding. CV_EINVAL: unknown reason, missing or superfluous evidence, the same leaf twice. */
CV_PUBLIC int proto_commit_data_put(const struct proto_removal *removals, size_t n, struct cv_buf *out) CV_NODISCARD;
/* Decodes all of `data`, which must outlive *ret. Free with proto_commit_data_done. */
CV_PUBLIC int proto_commit_data_decode(const void *data, size_t len, struct proto_commit_data *ret) CV_NODISCARD;
CV_PUBLIC void proto_commit_data_done(struct proto_commit_data *d);

/* Outer fields of an MLSMessage holding a PrivateMessage (RFC 9420 sections 6 and 6.3), for who cannot read more. */
struct proto_mls_head {
	struct cv_span group_id; /* borrowed, as all spans here */
	uint64_t epoch;
	uint8_t content_type; /* 1 application, 2 proposal, 3 commit */
	struct cv_span authenticated_data;
};
#define PROTO_MLS_APPLICATION 1
#define PROTO_MLS_COMMIT      3
/* CV_EFORMAT: other version or wire format, unknown content type. All lengths are walked to the end. */
CV_PUBLIC int proto_mls_head_decode(const void *data, size_t len, struct proto_mls_head *ret) CV_NODISCARD;
/* 0 when `data` begins like an MLSMessage with a Welcome (wire format 3); CV_EFORMAT otherwise. */
CV_PUBLIC int proto_mls_welcome_check(const void *data, size_t len) CV_NODISCARD;

#endif
