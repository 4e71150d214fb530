/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The structures of RFC 9420 on the wire. Decoding takes no memory: every structure is a view of its input, lists stay
 * in wire form (checked once, walked again where needed). Decoders check form only; meaning is checked where it is
 * used. get_* and put_* are inverse to each other, byte for byte, because the encoding is canonical.
 */
#ifndef MLS_SRC_CODEC_H
#define MLS_SRC_CODEC_H

#include <mls/message.h>
#include <mls/policy.h>
#include <mls/types.h>

#include "crypto.h"

#define MLS_VERSION 1

/* Section 7.2 */
struct leaf_node {
	struct mls_leaf_view v;
	struct cv_span parent_hash; /* only for MLS_LEAF_COMMIT */
	struct cv_span signature;
	struct cv_span tbs; /* everything before the signature */
	struct cv_span raw; /* the whole */
};
/* Section 10 */
struct key_package {
	uint16_t version, suite;
	struct cv_span init_key;
	struct leaf_node leaf;
	struct cv_span extensions;
	struct cv_span signature;
	struct cv_span tbs, raw;
};
/* Section 8.1 */
struct group_context {
	uint16_t suite;
	struct cv_span group_id;
	uint64_t epoch;
	struct cv_span tree_hash, confirmed_transcript_hash;
	struct cv_span extensions;
};
/* Section 8.4 */
struct psk_id {
	enum mls_psk_usage usage;
	struct cv_span id;       /* external */
	struct cv_span group_id; /* resumption */
	uint64_t epoch;
	struct cv_span nonce;
};
/* Section 12.1 */
struct proposal {
	uint16_t type; /* enum mls_proposal_type */
	union {
		struct key_package add;
		struct leaf_node update;
		uint32_t removed;
		struct psk_id psk;
		struct {
			struct cv_span group_id;
			uint16_t version, suite;
			struct cv_span extensions;
		} reinit;
		struct cv_span kem_output; /* ExternalInit */
		struct cv_span extensions; /* GroupContextExtensions */
	};
};
/* Section 12.4 */
enum { BY_VALUE = 1, BY_REFERENCE = 2 };
struct proposal_or_ref {
	uint8_t kind;
	struct proposal value;
	struct cv_span ref;
};
/* Section 7.6 */
struct hpke_ciphertext {
	struct cv_span kem_output, ciphertext;
};
struct update_path {
	struct leaf_node leaf;
	struct cv_span nodes; /* walk with get_path_node */
};
struct path_node {
	struct cv_span encryption_key;
	struct cv_span secrets; /* walk with get_hpke_ciphertext */
};
struct commit {
	struct cv_span proposals; /* walk with get_proposal_or_ref */
	bool has_path;
	struct update_path path;
};
/* Section 6 */
struct sender {
	uint8_t type; /* enum mls_sender_type */
	uint32_t index;
};
struct framed_content {
	struct cv_span group_id;
	uint64_t epoch;
	struct sender sender;
	struct cv_span authenticated_data;
	uint8_t content_type; /* enum mls_content_type */
	struct cv_span body;  /* application data without its length, or the Proposal, or the Commit */
	struct cv_span raw;   /* the whole FramedContent; empty when it came out of a PrivateMessage */
};
struct content_auth {
	struct cv_span signature;
	struct cv_span confirmation_tag; /* commits only */
};
struct public_message {
	struct framed_content content;
	struct content_auth auth;
	struct cv_span membership_tag; /* members only */
};
struct private_message {
	struct cv_span group_id;
	uint64_t epoch;
	uint8_t content_type;
	struct cv_span authenticated_data;
	struct cv_span encrypted_sender_data;
	struct cv_span ciphertext;
};
/* Section 12.4.3 */
struct group_info {
	struct group_context context;
	struct cv_span context_raw;
	struct cv_span extensions;
	struct cv_span confirmation_tag;
	uint32_t signer;
	struct cv_span signature;
	struct cv_span tbs, raw;
};
struct group_secrets {
	struct cv_span joiner_secret;
	bool has_path_secret;
	struct cv_span path_secret;
	struct cv_span psks; /* walk with get_psk_id */
};
struct welcome {
	uint16_t suite;
	struct cv_span secrets; /* walk with get_welcome_secret */
	struct cv_span encrypted_group_info;
};
struct welcome_secret {
	struct cv_span new_member;
	struct hpke_ciphertext encrypted;
};
struct mls_message {
	uint16_t wire_format;
	union {
		struct public_message pub;
		struct private_message priv;
		struct welcome welcome;
		struct group_info group_info;
		struct key_package key_package;
	};
};

int mls_get_leaf_node(struct cv_reader *r, struct leaf_node *ret) CV_NODISCARD;
int mls_get_key_package(struct cv_reader *r, struct key_package *ret) CV_NODISCARD;
int mls_get_group_context(struct cv_reader *r, struct group_context *ret) CV_NODISCARD;
int mls_get_psk_id(struct cv_reader *r, struct psk_id *ret) CV_NODISCARD;
int mls_get_proposal(struct cv_reader *r, struct proposal *ret) CV_NODISCARD;
/* The body alone, of the type in ret->type. */
int mls_get_proposal_body(struct cv_reader *r, struct proposal *ret) CV_NODISCARD;
int mls_get_proposal_or_ref(struct cv_reader *r, struct proposal_or_ref *ret) CV_NODISCARD;
int mls_get_hpke_ciphertext(struct cv_reader *r, struct hpke_ciphertext *ret) CV_NODISCARD;
int mls_get_update_path(struct cv_reader *r, struct update_path *ret) CV_NODISCARD;
int mls_get_path_node(struct cv_reader *r, struct path_node *ret) CV_NODISCARD;
int mls_get_commit(struct cv_reader *r, struct commit *ret) CV_NODISCARD;
int mls_get_framed_content(struct cv_reader *r, struct framed_content *ret) CV_NODISCARD;
int mls_get_content_body(struct cv_reader *r, uint8_t content_type, struct cv_span *ret) CV_NODISCARD;
int mls_get_content_auth(struct cv_reader *r, uint8_t content_type, struct content_auth *ret) CV_NODISCARD;
int mls_get_group_info(struct cv_reader *r, struct group_info *ret) CV_NODISCARD;
int mls_get_group_secrets(struct cv_reader *r, struct group_secrets *ret) CV_NODISCARD;
int mls_get_welcome_secret(struct cv_reader *r, struct welcome_secret *ret) CV_NODISCARD;
/* The whole input must be one MLSMessage. */
int mls_get_message(struct cv_span msg, struct mls_message *ret) CV_NODISCARD;
/* An extension list (the content of `Extension extensions<V>`): well-formed, no type twice. */
int mls_get_extensions(struct cv_reader *r, struct cv_span *ret) CV_NODISCARD;
int mls_get_credential(struct cv_reader *r, struct mls_credential *ret) CV_NODISCARD;

void mls_put_span(struct cv_buf *b, struct cv_span s);     /* as a vector */
void mls_put_span_raw(struct cv_buf *b, struct cv_span s); /* as it is */
void mls_put_credential(struct cv_buf *b, const struct mls_credential *c);
void mls_put_extensions(struct cv_buf *b, const struct mls_extension *e, size_t n);
void mls_put_leaf_tbs(struct cv_buf *b, const struct leaf_node *l);
void mls_put_leaf_node(struct cv_buf *b, const struct leaf_node *l);
void mls_put_key_package(struct cv_buf *b, const struct key_package *k);
void mls_put_group_context(struct cv_buf *b, const struct group_context *c);
void mls_put_psk_id(struct cv_buf *b, const struct psk_id *p);
void mls_put_proposal(struct cv_buf *b, const struct proposal *p);
void mls_put_proposal_body(struct cv_buf *b, const struct proposal *p);
void mls_put_proposal_or_ref(struct cv_buf *b, const struct proposal_or_ref *p);
void mls_put_hpke_ciphertext(struct cv_buf *b, const struct hpke_ciphertext *c);
void mls_put_update_path(struct cv_buf *b, const struct update_path *p);
void mls_put_commit(struct cv_buf *b, const struct commit *c);
void mls_put_sender(struct cv_buf *b, const struct sender *s);
void mls_put_framed_content(struct cv_buf *b, const struct framed_content *c);
void mls_put_content_body(struct cv_buf *b, uint8_t content_type, struct cv_span body);
void mls_put_content_auth(struct cv_buf *b, uint8_t content_type, const struct content_auth *a);
void mls_put_group_info(struct cv_buf *b, const struct group_info *g);
void mls_put_group_info_tbs(struct cv_buf *b, const struct group_info *g);
void mls_put_group_secrets(struct cv_buf *b, const struct group_secrets *g);
void mls_put_welcome_secret(struct cv_buf *b, const struct welcome_secret *s);
/* version and wire format, then whatever follows is the caller's; and the whole of a decoded message. */
void mls_put_message_head(struct cv_buf *b, uint16_t wire_format);
void mls_put_message(struct cv_buf *b, const struct mls_message *m);

#endif
