/* SPDX-License-Identifier: Apache-2.0 */
/* First byte: meeting_state, CommitData, the outside of an MLS message, a sealed KeyPackage. What decodes must encode
 * to the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <proto/lobby.h>
#include <proto/state.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct cv_buf *b, const uint8_t *data, size_t size)
{
	if (b->err || b->len != size || memcmp(b->data, data, size))
		abort();
}

static void state(const uint8_t *data, size_t size, struct cv_buf *b)
{
	struct proto_meeting_state s;

	if (proto_meeting_state_decode(data, size, &s))
		return;
	if (proto_meeting_state_put(&s, b))
		abort();
	same(b, data, size);
	proto_meeting_state_done(&s);
}

static void commit_data(const uint8_t *data, size_t size, struct cv_buf *b)
{
	struct proto_commit_data d;

	if (proto_commit_data_decode(data, size, &d))
		return;
	if (proto_commit_data_put(d.removals, d.n_removals, b))
		abort();
	same(b, data, size);
	proto_commit_data_done(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t key[PROTO_LOBBY_KEY_LEN], run[PROTO_ID_LEN];
	struct proto_mls_head head;
	struct cv_buf b;

	if (size < 1)
		return 0;
	cv_buf_init(&b, PROTO_STATE_MAX);
	switch (data[0] % 4) {
	case 0: state(data + 1, size - 1, &b); break;
	case 1: commit_data(data + 1, size - 1, &b); break;
	case 2:
		(void)!proto_mls_head_decode(data + 1, size - 1, &head);
		(void)!proto_mls_welcome_check(data + 1, size - 1);
		break;
	default: (void)!proto_lobby_open(key, run, data + 1, size - 1, &b);
	}
	cv_buf_done(&b);
	return 0;
}
