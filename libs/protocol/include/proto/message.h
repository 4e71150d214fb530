/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf messages of the tunnel (proto/tunnel.proto), packed and unpacked with their limits checked: exact lengths of
 * ids and hashes, list limits, sizes of blobs, UTF-8. Messages without a (known) body are refused.
 * Memory spent on unpacking is bounded by the input's size and a constant.
 */
#ifndef PROTO_MESSAGE_H
#define PROTO_MESSAGE_H

#include <tunnel.pb-c.h>

#include <base/buf.h>
#include <base/err.h>
#include <proto/ids.h>

/* Shorter names for the generated types. */
#define PB(name)      Conclave__Tunnel__V1__##name
#define PB_INIT(NAME) CONCLAVE__TUNNEL__V1__##NAME##__INIT
/* PB_CONTROL(HELLO) is the body case of a Control, PB_APP(FILE_OFFER) of an AppMessage, PB_REFUSED(BANNED) a reason. */
#define PB_CONTROL(NAME) CONCLAVE__TUNNEL__V1__CONTROL__BODY_##NAME
#define PB_APP(NAME)     CONCLAVE__TUNNEL__V1__APP_MESSAGE__BODY_##NAME
#define PB_REFUSED(NAME) CONCLAVE__TUNNEL__V1__REFUSED__REASON__##NAME

#define PROTO_DETAIL_MAX        200
#define PROTO_CANDIDATES_MAX    512
#define PROTO_REQUEST_MAX       512 /* removals in a RemoveRequest */
#define PROTO_SUBSCRIPTIONS_MAX 1024
#define PROTO_BINDINGS_MAX      1024 /* adds and removes of a Handshake */
#define PROTO_FILE_KEYS_MAX     1024
#define PROTO_FILE_NAME_MAX     255

/*
 * _pack appends a whole tunnel message, kind byte first (an AppMessage has none: it is MLS plaintext).
 * CV_EINVAL: the message breaks a rule that its receiver would check. CV_ELIMIT, CV_ENOMEM of the buffer.
 * _unpack takes what follows the kind byte. CV_EFORMAT: not protobuf, no known body, wrong lengths or ranges.
 * CV_ELIMIT: a named limit is passed. The result is freed with _free.
 */
CV_PUBLIC int proto_control_pack(const struct PB(Control) * msg, struct cv_buf *out) CV_NODISCARD;
CV_PUBLIC int proto_control_unpack(const void *data, size_t len, struct PB(Control) * *ret) CV_NODISCARD;
CV_PUBLIC void proto_control_free(struct PB(Control) * msg);

CV_PUBLIC int proto_handshake_pack(const struct PB(Handshake) * msg, struct cv_buf *out) CV_NODISCARD;
/* Either a commit (then perhaps a welcome, adds, removes) or a welcome alone. */
CV_PUBLIC int proto_handshake_unpack(const void *data, size_t len, struct PB(Handshake) * *ret) CV_NODISCARD;
CV_PUBLIC void proto_handshake_free(struct PB(Handshake) * msg);

CV_PUBLIC int proto_app_pack(const struct PB(AppMessage) * msg, struct cv_buf *out) CV_NODISCARD;
CV_PUBLIC int proto_app_unpack(const void *data, size_t len, struct PB(AppMessage) * *ret) CV_NODISCARD;
CV_PUBLIC void proto_app_free(struct PB(AppMessage) * msg);

#endif
