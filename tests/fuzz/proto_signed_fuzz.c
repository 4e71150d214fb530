/* SPDX-License-Identifier: Apache-2.0 */
/* First byte: which object. The rest is opened as it is, and as a body that a trusted signer has signed. */
#include <stdint.h>
#include <string.h>

#include <proto/manifest.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_one(int which, const void *p, size_t len, const struct proto_signers *signers)
{
	struct proto_ticket t;
	struct proto_admission a;
	struct proto_creation_grant g;
	struct proto_revocation v;
	struct proto_manifest m;

	switch (which) {
	case PROTO_LABEL_TICKET: (void)!proto_ticket_open(p, len, signers, &t); break;
	case PROTO_LABEL_ADMISSION: (void)!proto_admission_open(p, len, signers, &a); break;
	case PROTO_LABEL_CREATION_GRANT: (void)!proto_creation_grant_open(p, len, signers, &g); break;
	case PROTO_LABEL_REVOCATION: (void)!proto_revocation_open(p, len, signers, &v); break;
	default:
		if (!proto_manifest_open(p, len, signers->keys[0], &m))
			proto_manifest_done(&m);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t seed[PROTO_KEY_LEN] = {1};
	static struct proto_signers signers;
	struct cv_buf b;
	int which;

	if (!signers.n) {
		proto_public_key(seed, signers.keys[0]);
		signers.n = 1;
	}
	if (size < 1)
		return 0;
	which = data[0] % 5;
	open_one(which, data + 1, size - 1, &signers);
	cv_buf_init(&b, PROTO_SIGNED_MAX);
	if (!proto_signed_put(&b, seed, (enum proto_label)which, data + 1, size - 1))
		open_one(which, b.data, b.len, &signers);
	cv_buf_done(&b);
	return 0;
}
