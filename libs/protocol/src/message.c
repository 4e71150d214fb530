/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <base/text.h>
#include <proto/lobby.h>
#include <proto/message.h>
#include <proto/signed.h>
#include <proto/state.h>

#include "internal.h"

/*
 * protobuf-c builds a struct for every submessage, so two bytes of input could become sixty of memory: the allocator
 * that it gets for unpacking has a budget.
 */
#define UNPACK_SLACK (512u * 1024)

static void *budget_alloc(void *ctx, size_t size)
{
	size_t *left = ctx;

	if (size > *left)
		return NULL;
	*left -= size;
	return cv_malloc(size);
}

static void budget_free(void *ctx, void *p)
{
	cv_free(p);
}

static ProtobufCAllocator plain_allocator = {budget_alloc, budget_free, NULL};

static int unpack(const ProtobufCMessageDescriptor *descriptor, const void *data, size_t len, size_t max,
		  int (*check)(const ProtobufCMessage *), ProtobufCMessage **ret)
{
	size_t left = 2 * len + UNPACK_SLACK;
	ProtobufCAllocator allocator = {budget_alloc, budget_free, &left};
	ProtobufCMessage *msg;
	int err;

	/* the kind byte counts */
	if (len > max - 1)
		return CV_ELIMIT;
	msg = protobuf_c_message_unpack(descriptor, &allocator, len, data);
	if (!msg)
		return CV_EFORMAT;
	err = check(msg);
	if (err) {
		protobuf_c_message_free_unpacked(msg, &plain_allocator);
		return err;
	}
	*ret = msg;
	return 0;
}

static int pack(const ProtobufCMessage *msg, int kind, size_t max, int (*check)(const ProtobufCMessage *),
		struct cv_buf *out)
{
	size_t len;
	uint8_t *p;
	int err;

	if (check(msg))
		return CV_EINVAL;
	len = protobuf_c_message_get_packed_size(msg);
	if (len > max - 1)
		return CV_ELIMIT;
	if (kind)
		cv_buf_put_u8(out, (uint8_t)kind);
	err = cv_buf_extend(out, len, &p);
	if (!err && len)
		protobuf_c_message_pack(msg, p);
	return err;
}

int proto_control_pack(const struct PB(Control) * msg, struct cv_buf *out)
{
	return pack(&msg->base, PROTO_KIND_CONTROL, PROTO_MESSAGE_MAX, proto_control_check, out);
}

int proto_control_unpack(const void *data, size_t len, struct PB(Control) * *ret)
{
	ProtobufCMessage *msg;
	int err = unpack(&conclave__tunnel__v1__control__descriptor, data, len, PROTO_MESSAGE_MAX, proto_control_check,
			 &msg);

	if (!err)
		*ret = (struct PB(Control) *)msg;
	return err;
}

void proto_control_free(struct PB(Control) * msg)
{
	if (msg)
		protobuf_c_message_free_unpacked(&msg->base, &plain_allocator);
}

static int handshake_check(const ProtobufCMessage *base)
{
	const struct PB(Handshake) *m = (const struct PB(Handshake) *)base;

	if (m->n_adds > PROTO_BINDINGS_MAX || m->n_removes > PROTO_BINDINGS_MAX)
		return CV_ELIMIT;
	if (!m->commit.len && !m->welcome.len)
		return CV_EFORMAT;
	/* Bindings say what a commit does: without one they mean nothing, and newcomers need their Welcome. */
	if (!m->commit.len && (m->n_adds || m->n_removes))
		return CV_EFORMAT;
	for (size_t i = 0; i < m->n_adds; i++)
		if (m->adds[i]->leaf > PROTO_LEAF_MAX)
			return CV_EFORMAT;
	for (size_t i = 0; i < m->n_removes; i++)
		if (m->removes[i] > PROTO_LEAF_MAX)
			return CV_EFORMAT;
	return 0;
}

int proto_handshake_pack(const struct PB(Handshake) * msg, struct cv_buf *out)
{
	return pack(&msg->base, PROTO_KIND_HANDSHAKE, PROTO_HANDSHAKE_MAX, handshake_check, out);
}

int proto_handshake_unpack(const void *data, size_t len, struct PB(Handshake) * *ret)
{
	ProtobufCMessage *msg;
	int err = unpack(&conclave__tunnel__v1__handshake__descriptor, data, len, PROTO_HANDSHAKE_MAX, handshake_check,
			 &msg);

	if (!err)
		*ret = (struct PB(Handshake) *)msg;
	return err;
}

void proto_handshake_free(struct PB(Handshake) * msg)
{
	if (msg)
		protobuf_c_message_free_unpacked(&msg->base, &plain_allocator);
}

int proto_app_pack(const struct PB(AppMessage) * msg, struct cv_buf *out)
{
	return pack(&msg->base, 0, PROTO_MESSAGE_MAX, proto_app_check, out);
}

int proto_app_unpack(const void *data, size_t len, struct PB(AppMessage) * *ret)
{
	ProtobufCMessage *msg;
	int err = unpack(&conclave__tunnel__v1__app_message__descriptor, data, len, PROTO_MESSAGE_MAX, proto_app_check,
			 &msg);

	if (!err)
		*ret = (struct PB(AppMessage) *)msg;
	return err;
}

void proto_app_free(struct PB(AppMessage) * msg)
{
	if (msg)
		protobuf_c_message_free_unpacked(&msg->base, &plain_allocator);
}
