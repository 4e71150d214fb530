/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and numbers of the protocol (docs/protocol.md) that several modules share. */
#ifndef PROTO_IDS_H
#define PROTO_IDS_H

#include <stdint.h>

#define PROTO_ID_LEN   16 /* user, meeting, run, relay, ticket, admission, transfer */
#define PROTO_HASH_LEN 32 /* SHA-256 */
#define PROTO_KEY_LEN  32 /* Ed25519 public key or seed */
#define PROTO_SIG_LEN  64 /* Ed25519 signature */

/* First byte of a tunnel message. */
enum proto_kind {
	PROTO_KIND_CONTROL = 1,
	PROTO_KIND_HANDSHAKE = 2,
	PROTO_KIND_APPLICATION = 3,
	PROTO_KIND_MEDIA = 4,
	PROTO_KIND_FILE = 5,
};

#define PROTO_MESSAGE_MAX   (1u << 20)  /* every kind but handshake, kind byte included */
#define PROTO_HANDSHAKE_MAX (16u << 20) /* handshake, kind byte included */

/* Bits of `rights`. */
#define PROTO_RIGHT_MICROPHONE 1u
#define PROTO_RIGHT_CAMERA     2u
#define PROTO_RIGHT_SHARE      4u
#define PROTO_RIGHT_MODERATION 8u
#define PROTO_RIGHTS_ALL       15u

/* Bits of `flags` in tickets and admissions. */
#define PROTO_FLAG_ORGANISER 1u
#define PROTO_FLAG_BROWSER   2u
#define PROTO_FLAGS_ALL      3u

/* Bits of `switches`. */
#define PROTO_SWITCH_FILES    1u
#define PROTO_SWITCH_CONTROL  2u
#define PROTO_SWITCH_MESSAGES 4u
/* Media under AES_256_GCM_SHA512_128; never changes in a run. */
#define PROTO_SWITCH_MEDIA_256 8u
#define PROTO_SWITCHES_ALL     15u

/* Why a leaf is removed (CommitData and RemoveRequest). */
enum proto_reason {
	PROTO_REASON_LEFT = 1,
	PROTO_REASON_REMOVED = 2,
	PROTO_REASON_REVOKED = 3,
	PROTO_REASON_LOST = 4,
	PROTO_REASON_REPLACED = 5,
};

/* Media streams; also the SFrame context. */
enum proto_stream {
	PROTO_STREAM_VOICE = 1,
	PROTO_STREAM_CAMERA = 2,
	PROTO_STREAM_SCREEN = 3,
};
#define PROTO_STREAM_MAX 3
/* The right that sending it needs; 0, which nobody has, for other numbers. */
static inline uint8_t proto_stream_right(uint32_t stream)
{
	switch (stream) {
	case PROTO_STREAM_VOICE: return PROTO_RIGHT_MICROPHONE;
	case PROTO_STREAM_CAMERA: return PROTO_RIGHT_CAMERA;
	case PROTO_STREAM_SCREEN: return PROTO_RIGHT_SHARE;
	default: return 0;
	}
}

/* MLS extension types of the group (section 5). */
#define PROTO_EXT_ADMISSION     0xF0A1u
#define PROTO_EXT_MEETING_STATE 0xF0A2u

/* Leaf indices fit the 16 bits that the KID has for them. */
#define PROTO_LEAF_MAX 0xffffu

/* Clock difference between verifiers and signers that is tolerated, seconds. */
#define PROTO_CLOCK_SKEW 300

#endif
