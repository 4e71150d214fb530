/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one thing that MLS itself asks of a certificate: that its public key is the leaf's (RFC 9420 section 5.3).
 * A walk over the DER of RFC 5280's Certificate to subjectPublicKeyInfo; trust is the policy's business, and
 * whoever judges it parses the certificate in full.
 */
#include "crypto.h"

enum { DER_BIT_STRING = 0x03, DER_SEQUENCE = 0x30, DER_VERSION = 0xa0 };

/* One element: its tag, its content, and the whole of it. Definite lengths in shortest form only. */
static int der_next(struct cv_reader *r, uint8_t *ret_tag, struct cv_reader *ret_content, struct cv_span *ret_whole)
{
	const uint8_t *start = r->p, *p;
	uint8_t tag, first;
	uint32_t len = 0;
	int err = cv_reader_get_u8(r, &tag);

	if (!err)
		err = cv_reader_get_u8(r, &first);
	if (err)
		return err;
	if (first < 0x80) {
		len = first;
	} else {
		if (first < 0x81 || first > 0x83)
			return CV_EFORMAT;
		for (unsigned i = first & 0x7f; i; i--) {
			uint8_t b;

			err = cv_reader_get_u8(r, &b);
			if (err)
				return err;
			len = len << 8 | b;
		}
		if (len < (first == 0x81 ? 0x80u : 1u << (8 * ((first & 0x7fu) - 1))))
			return CV_EFORMAT;
	}
	err = cv_reader_get(r, len, &p);
	if (err)
		return err;
	*ret_tag = tag;
	cv_reader_init(ret_content, p, len);
	*ret_whole = SPAN(start, (size_t)(p - start) + len);
	return 0;
}

static int der_expect(struct cv_reader *r, uint8_t tag, struct cv_reader *ret_content, struct cv_span *ret_whole)
{
	uint8_t got;
	int err = der_next(r, &got, ret_content, ret_whole);

	return err ? err : got == tag ? 0 : CV_EFORMAT;
}

static int find_spki(struct cv_span der, struct cv_reader *ret_spki)
{
	struct cv_reader r, cert, tbs, skip;
	struct cv_span whole;
	uint8_t tag;
	int err;

	cv_reader_init(&r, der.data, der.len);
	err = der_expect(&r, DER_SEQUENCE, &cert, &whole);
	if (!err)
		err = cv_reader_end(&r);
	if (!err)
		err = der_expect(&cert, DER_SEQUENCE, &tbs, &whole);
	if (err)
		return err;
	if (tbs.left && tbs.p[0] == DER_VERSION) {
		err = der_next(&tbs, &tag, &skip, &whole);
		if (err)
			return err;
	}
	/* serialNumber, signature, issuer, validity, subject */
	for (int i = 0; i < 5; i++) {
		err = der_next(&tbs, &tag, &skip, &whole);
		if (err)
			return err;
	}
	return der_expect(&tbs, DER_SEQUENCE, ret_spki, &whole);
}

/* The content of AlgorithmIdentifier that goes with a suite's signature key (RFC 8410, RFC 5480). */
static struct cv_span suite_algorithm(const struct mls_suite *s)
{
	switch (s->sig_pub_len) {
	case 32: return SPAN_STR("\x06\x03\x2b\x65\x70");
	case 57: return SPAN_STR("\x06\x03\x2b\x65\x71");
	case 65: return SPAN_STR("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07");
	case 97: return SPAN_STR("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22");
	default: return SPAN_STR("\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23");
	}
}

int mls_x509_check_key(const struct mls_suite *s, struct cv_span der, struct cv_span signature_key)
{
	struct cv_reader spki, algorithm, bits;
	struct cv_span whole;
	uint8_t unused;
	int err = find_spki(der, &spki);

	if (!err)
		err = der_expect(&spki, DER_SEQUENCE, &algorithm, &whole);
	if (!err)
		err = der_expect(&spki, DER_BIT_STRING, &bits, &whole);
	if (!err)
		err = cv_reader_get_u8(&bits, &unused);
	if (err)
		return err;
	if (unused || !mls_span_equal(SPAN(algorithm.p, algorithm.left), suite_algorithm(s)) ||
	    !mls_span_equal(SPAN(bits.p, bits.left), signature_key))
		return CV_EINVAL;
	return 0;
}
