/* SPDX-License-Identifier: Apache-2.0 */
/* A tunnel message by its kind (any other kind: an AppMessage). What is taken must be packable again. */
#include <stdint.h>
#include <stdlib.h>

#include <proto/message.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct PB(Control) *control = NULL;
	struct PB(Handshake) *handshake = NULL;
	struct PB(AppMessage) *app = NULL;
	struct cv_buf b;

	if (size < 1)
		return 0;
	cv_buf_init(&b, PROTO_HANDSHAKE_MAX);
	if (data[0] == PROTO_KIND_CONTROL && !proto_control_unpack(data + 1, size - 1, &control)) {
		if (proto_control_pack(control, &b))
			abort();
		proto_control_free(control);
	} else if (data[0] == PROTO_KIND_HANDSHAKE && !proto_handshake_unpack(data + 1, size - 1, &handshake)) {
		if (proto_handshake_pack(handshake, &b))
			abort();
		proto_handshake_free(handshake);
	} else if (data[0] > PROTO_KIND_HANDSHAKE && !proto_app_unpack(data + 1, size - 1, &app)) {
		if (proto_app_pack(app, &b))
			abort();
		proto_app_free(app);
	}
	cv_buf_done(&b);
	return 0;
}
