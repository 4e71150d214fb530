/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket framing, RFC 6455 section 5: binary messages, control frames, no extensions. */
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include <base/alloc.h>
#include <base/secret.h>

#include "internal.h"

#define GROW_FIRST 4096

void net_ws_decoder_init(struct net_ws_decoder *d, bool expect_mask, size_t max_message, size_t max_handshake)
{
	*d = (struct net_ws_decoder){
		.expect_mask = expect_mask, .max_message = max_message, .max_handshake = max_handshake};
}

void net_ws_decoder_done(struct net_ws_decoder *d)
{
	net_msg_unref(d->msg);
	d->msg = NULL;
}

static size_t limit(const struct net_ws_decoder *d)
{
	if (d->msg_len)
		return d->msg->data[0] == NET_KIND_HANDSHAKE ? d->max_handshake : d->max_message;
	return d->max_handshake > d->max_message ? d->max_handshake : d->max_message;
}

/* Bytes of the header, as far as they are known. */
static size_t header_size(const struct net_ws_decoder *d)
{
	size_t n = 2;

	if (d->header_have >= 2) {
		uint8_t len7 = d->header[1] & 0x7f;

		n += len7 == 127 ? 8 : len7 == 126 ? 2 : 0;
		n += d->header[1] & 0x80 ? 4 : 0;
	}
	return n;
}

/* What may follow what: section 5.4; no text, no extension bits. */
static int check_opcode(struct net_ws_decoder *d, uint8_t opcode, uint64_t len)
{
	switch (opcode) {
	case NET_WS_CONTINUATION: return d->in_message ? 0 : CV_EFORMAT;
	case NET_WS_BINARY: return d->in_message ? CV_EFORMAT : 0;
	case NET_WS_CLOSE:
	case NET_WS_PING:
	case NET_WS_PONG: return d->fin && len <= NET_WS_CONTROL_MAX ? 0 : CV_EFORMAT;
	default: return CV_EFORMAT;
	}
}

static int begin_frame(struct net_ws_decoder *d)
{
	struct cv_reader r;
	uint8_t b0, b1;
	uint16_t len16;
	uint64_t len;
	int err;

	cv_reader_init(&r, d->header, d->header_have);
	err = cv_reader_get_u8(&r, &b0);
	if (!err)
		err = cv_reader_get_u8(&r, &b1);
	if (err)
		return err;
	if (b0 & 0x70 || !!(b1 & 0x80) != d->expect_mask)
		return CV_EFORMAT;
	len = b1 & 0x7f;
	if (len == 127) {
		err = cv_reader_get_u64(&r, &len);
		/* Section 5.2: the most significant bit is 0, the minimal form is used. */
		if (!err && (len >> 63 || len <= UINT16_MAX))
			err = CV_EFORMAT;
	} else if (len == 126) {
		err = cv_reader_get_u16(&r, &len16);
		len = len16;
		if (!err && len < 126)
			err = CV_EFORMAT;
	}
	if (!err && d->expect_mask)
		err = cv_reader_copy(&r, d->mask, sizeof(d->mask));
	if (err)
		return err;
	d->fin = b0 & 0x80;
	err = check_opcode(d, b0 & 0x0f, len);
	if (err)
		return err;
	d->opcode = b0 & 0x0f;
	d->left = len;
	d->mask_pos = 0;
	d->in_payload = true;
	d->control_len = 0;
	if (d->opcode > NET_WS_BINARY)
		return 0;
	/* An endless chain of empty fragments is refused as well as a large one. */
	if (!d->fin && !len)
		return CV_EFORMAT;
	if (d->msg_len > limit(d) || len > limit(d) - d->msg_len)
		return CV_ELIMIT;
	d->in_message = true;
	return 0;
}

/* Room for `add` bytes more. Memory follows what has arrived, not what a header claims. */
static int reserve(struct net_ws_decoder *d, size_t add)
{
	size_t need = d->msg_len + add, cap = d->msg_cap ? d->msg_cap : GROW_FIRST;
	struct net_msg *m;

	if (need <= d->msg_cap)
		return 0;
	/* A message that fits into few bytes gets exactly those: most do. */
	if (!d->msg_cap && d->fin && d->msg_len + d->left <= GROW_FIRST)
		cap = d->msg_len + (size_t)d->left;
	while (cap < need)
		cap *= 2;
	m = cv_reallocarray(d->msg, sizeof(*m) + cap, 1);
	if (!m)
		return CV_ENOMEM;
	m->refs = 1;
	d->msg = m;
	d->msg_cap = cap;
	return 0;
}

static int take_data(struct net_ws_decoder *d, const uint8_t *p, size_t n)
{
	int err = reserve(d, n);

	if (err)
		return err;
	memcpy(d->msg->data + d->msg_len, p, n);
	if (d->expect_mask)
		net_ws_mask(d->msg->data + d->msg_len, n, d->mask, d->mask_pos);
	d->msg_len += n;
	/* The kind decides the limit, as soon as it is known. */
	return d->msg_len + d->left - n > limit(d) ? CV_ELIMIT : 0;
}

static int end_frame(struct net_ws_decoder *d)
{
	struct net_msg *m = d->msg;
	int err;

	d->in_payload = false;
	d->header_have = 0;
	if (d->opcode > NET_WS_BINARY)
		return d->on_control(d->arg, d->opcode, d->control, d->control_len);
	if (!d->fin)
		return 0;
	/* Without a byte there is no kind. */
	if (!d->msg_len)
		return CV_EFORMAT;
	m->len = d->msg_len;
	d->msg = NULL;
	d->msg_len = d->msg_cap = 0;
	d->in_message = false;
	err = d->on_message(d->arg, m);
	net_msg_unref(m);
	return err;
}

static int take_payload(struct net_ws_decoder *d, const uint8_t *p, size_t n)
{
	int err = 0;

	if (d->opcode > NET_WS_BINARY) {
		memcpy(d->control + d->control_len, p, n);
		if (d->expect_mask)
			net_ws_mask(d->control + d->control_len, n, d->mask, d->mask_pos);
		d->control_len += n;
	} else {
		err = take_data(d, p, n);
	}
	d->mask_pos += (unsigned)n;
	d->left -= n;
	return err;
}

int net_ws_feed(struct net_ws_decoder *d, const uint8_t *data, size_t len)
{
	int err = 0;

	while (!err) {
		if (d->in_payload) {
			size_t n = d->left < len ? (size_t)d->left : len;

			if (n) {
				err = take_payload(d, data, n);
				data += n;
				len -= n;
			}
			if (!err && !d->left)
				err = end_frame(d);
			else if (!len)
				break;
		} else {
			size_t need = header_size(d);

			if (d->header_have == need) {
				err = begin_frame(d);
				continue;
			}
			if (!len)
				break;
			d->header[d->header_have++] = *data++;
			len--;
		}
	}
	return err;
}

size_t net_ws_header(uint8_t *dst, enum net_ws_opcode opcode, size_t len, const uint8_t mask[4])
{
	size_t n = 2;

	dst[0] = (uint8_t)(0x80 | opcode);
	dst[1] = mask ? 0x80 : 0;
	if (len < 126) {
		dst[1] |= (uint8_t)len;
	} else if (len <= UINT16_MAX) {
		dst[1] |= 126;
		dst[n++] = (uint8_t)(len >> 8);
		dst[n++] = (uint8_t)len;
	} else {
		dst[1] |= 127;
		for (int i = 7; i >= 0; i--)
			dst[n++] = (uint8_t)((uint64_t)len >> (8 * i));
	}
	if (mask) {
		memcpy(dst + n, mask, 4);
		n += 4;
	}
	return n;
}

void net_ws_mask(uint8_t *dst, size_t len, const uint8_t mask[4], size_t pos)
{
	uint8_t turned[8];
	uint64_t wide, word;
	size_t i = 0;

	for (size_t k = 0; k < 8; k++)
		turned[k] = mask[(pos + k) & 3];
	memcpy(&wide, turned, 8);
	for (; i + 8 <= len; i += 8) {
		memcpy(&word, dst + i, 8);
		word ^= wide;
		memcpy(dst + i, &word, 8);
	}
	for (; i < len; i++)
		dst[i] ^= turned[i & 7];
}

int net_ws_accept(const char *key, char dst[29])
{
	static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	char both[128];
	uint8_t sha[20];
	size_t len = strlen(key);

	if (len + sizeof(guid) > sizeof(both))
		return CV_EFORMAT;
	memcpy(both, key, len);
	memcpy(both + len, guid, sizeof(guid) - 1);
	if (EVP_Digest(both, len + sizeof(guid) - 1, sha, NULL, EVP_sha1(), NULL) != 1)
		return CV_ECRYPTO;
	EVP_EncodeBlock((unsigned char *)dst, sha, sizeof(sha));
	return 0;
}

int net_ws_key(char dst[25])
{
	uint8_t nonce[16];

	if (RAND_bytes(nonce, sizeof(nonce)) != 1)
		return CV_ECRYPTO;
	EVP_EncodeBlock((unsigned char *)dst, nonce, sizeof(nonce));
	return 0;
}

bool net_ws_key_valid(const char *key)
{
	uint8_t out[18];

	/* 16 bytes are 22 characters and two of padding. */
	return strlen(key) == 24 && strcmp(key + 22, "==") == 0 && key[21] != '=' &&
	       EVP_DecodeBlock(out, (const unsigned char *)key, 24) == 18;
}
