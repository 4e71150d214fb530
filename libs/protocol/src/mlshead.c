/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9420 section 6: MLSMessage, and of PrivateMessage (section 6.3) what is not encrypted. */
#include <proto/state.h>

#define MLS10           1
#define WIRE_PRIVATE    2
#define WIRE_WELCOME    3
#define GROUP_ID_MAX    255
#define SENDER_DATA_MAX 4096

int proto_mls_head_decode(const void *data, size_t len, struct proto_mls_head *ret)
{
	struct proto_mls_head h;
	struct cv_span sender_data, ciphertext;
	uint16_t version, wire;
	struct cv_reader r;
	int err;

	cv_reader_init(&r, data, len);
	if ((err = cv_reader_get_u16(&r, &version)) || (err = cv_reader_get_u16(&r, &wire)))
		return err;
	if (version != MLS10 || wire != WIRE_PRIVATE)
		return CV_EFORMAT;
	if ((err = cv_reader_get_vec(&r, GROUP_ID_MAX, &h.group_id)) || (err = cv_reader_get_u64(&r, &h.epoch)) ||
	    (err = cv_reader_get_u8(&r, &h.content_type)) ||
	    (err = cv_reader_get_vec(&r, PROTO_COMMIT_DATA_MAX, &h.authenticated_data)) ||
	    (err = cv_reader_get_vec(&r, SENDER_DATA_MAX, &sender_data)) ||
	    (err = cv_reader_get_vec(&r, PROTO_HANDSHAKE_MAX, &ciphertext)) || (err = cv_reader_end(&r)))
		return err;
	if (h.content_type < PROTO_MLS_APPLICATION || h.content_type > PROTO_MLS_COMMIT)
		return CV_EFORMAT;
	*ret = h;
	return 0;
}

int proto_mls_welcome_check(const void *data, size_t len)
{
	uint16_t version, wire;
	struct cv_reader r;
	int err;

	cv_reader_init(&r, data, len);
	if ((err = cv_reader_get_u16(&r, &version)) || (err = cv_reader_get_u16(&r, &wire)))
		return err;
	return version == MLS10 && wire == WIRE_WELCOME && r.left ? 0 : CV_EFORMAT;
}
