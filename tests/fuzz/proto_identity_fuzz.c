/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: as an identity, as a root, as its own issuer. */
#include <stdint.h>

#include <proto/identity.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct cv_span span = {data, size};
	uint8_t hash[PROTO_HASH_LEN];
	struct proto_identity id;

	(void)!proto_identity_parse(data, size, &id);
	(void)!proto_cert_spki_sha256(data, size, hash);
	(void)!proto_identity_verify(span, span, span, 1800000000, 0, &id);
	return 0;
}
