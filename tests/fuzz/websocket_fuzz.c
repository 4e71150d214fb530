/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket frames, from a client and from a server, in one piece and byte by byte: the outcome is the same. */
#include <stdlib.h>

#include "internal.h"

struct seen {
	size_t messages, bytes, controls;
};

static int on_message(void *arg, struct net_msg *m)
{
	struct seen *s = arg;

	if (!m->len || m->len > 4096 || (m->len > 1024 && m->data[0] != NET_KIND_HANDSHAKE))
		abort();
	s->messages++;
	for (size_t i = 0; i < m->len; i++)
		s->bytes += m->data[i];
	return 0;
}

static int on_control(void *arg, enum net_ws_opcode opcode, const uint8_t *data, size_t len)
{
	struct seen *s = arg;

	if (len > NET_WS_CONTROL_MAX || opcode < NET_WS_CLOSE)
		abort();
	s->controls++;
	for (size_t i = 0; i < len; i++)
		s->bytes += data[i];
	return 0;
}

static int run(const uint8_t *data, size_t size, size_t step, bool masked, struct seen *s)
{
	struct net_ws_decoder d;
	int err = 0;

	*s = (struct seen){0};
	net_ws_decoder_init(&d, masked, 1024, 4096);
	d.on_message = on_message;
	d.on_control = on_control;
	d.arg = s;
	for (size_t i = 0; i < size && !err; i += step)
		err = net_ws_feed(&d, data + i, size - i < step ? size - i : step);
	net_ws_decoder_done(&d);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int masked = 0; masked < 2; masked++) {
		struct seen whole, single;
		int a = size ? run(data, size, size, masked, &whole) : 0;
		int b = size ? run(data, size, 1, masked, &single) : 0;

		if (a != b || (size && (whole.messages != single.messages || whole.bytes != single.bytes ||
					whole.controls != single.controls)))
			abort();
	}
	return 0;
}
