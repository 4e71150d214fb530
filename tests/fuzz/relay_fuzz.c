/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hostile clients say to the relay: a creator with all rights, a member without moderation and somebody in the
 * lobby send whatever the input says. Each message: who, two bytes of length, the bytes. Time passes in between.
 */
#include <base/log.h>

#include "../../relay/tests/fixture.h"

#define MESSAGES_MAX 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world w;
static struct client clients[3];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cv_reader in;
	const uint8_t *p;
	uint16_t len;
	uint8_t who;

	cv_log_set_level(CV_LOG_CRITICAL);
	world_init(&w);
	for (uint8_t i = 0; i < 3; i++)
		client_init(&clients[i], (uint8_t)(i + 1));
	client_create(&w, &clients[0], 15);
	client_join(&w, &clients[0], &clients[1], 1, 0, 7);
	client_knock(&w, &clients[2], 7);
	cv_reader_init(&in, data, size);
	for (int n = 0; n < MESSAGES_MAX && !cv_reader_get_u8(&in, &who) && !cv_reader_get_u16(&in, &len); n++) {
		struct client *c = &clients[who % 3];

		if (cv_reader_get(&in, len, &p))
			break;
		if (!len || c->closed)
			client_drop(c);
		if (c->conn)
			client_send_raw(c, p, len);
		world_pass(&w, 40);
		for (int i = 0; i < 3; i++)
			forget(&clients[i]);
	}
	world_pass(&w, 1000);
	for (int i = 0; i < 3; i++)
		client_done(&clients[i]);
	world_done(&w);
	return 0;
}
