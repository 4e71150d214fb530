/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <sodium.h>

#include <base/text.h>

void cv_hex_encode(char *dst, const void *src, size_t len)
{
	sodium_bin2hex(dst, 2 * len + 1, src, len);
}

int cv_hex_decode(void *dst, size_t len, const char *hex)
{
	size_t got = 0, text_len = strlen(hex);

	if (text_len != 2 * len || sodium_hex2bin(dst, len, hex, text_len, NULL, &got, NULL) != 0 || got != len)
		return CV_EFORMAT;
	return 0;
}

void cv_b64_encode(char *dst, const void *src, size_t len)
{
	sodium_bin2base64(dst, CV_B64_LEN(len) + 1, src, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

int cv_b64_decode(void *dst, size_t max, const char *text, size_t text_len, size_t *ret_len)
{
	size_t got = 0;

	if (text_len > CV_B64_LEN(max))
		return CV_ELIMIT;
	if (sodium_base642bin(dst, max, text, text_len, NULL, &got, NULL, sodium_base64_VARIANT_URLSAFE_NO_PADDING) !=
	    0)
		return CV_EFORMAT;
	*ret_len = got;
	return 0;
}

/* Length of the sequence at p and its code point, or 0 when it is not well-formed. */
static size_t utf8_next(const uint8_t *p, size_t left, uint32_t *ret_cp)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
	uint32_t cp = n == 1 ? p[0] : p[0] & (0x7fu >> n);

	if (!n || n > left)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		cp = cp << 6 | (p[i] & 0x3f);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	*ret_cp = cp;
	return n;
}

static bool utf8_all(const uint8_t *p, size_t len, bool printable)
{
	while (len) {
		uint32_t cp;
		size_t n = utf8_next(p, len, &cp);

		if (!n || cp == 0)
			return false;
		if (printable &&
		    (cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x200e && cp <= 0x200f) ||
		     (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069) || cp == 0x061c || cp == 0xfeff))
			return false;
		p += n;
		len -= n;
	}
	return true;
}

bool cv_utf8_valid(const void *text, size_t len)
{
	return utf8_all(text, len, false);
}

bool cv_text_printable(const void *text, size_t len)
{
	return utf8_all(text, len, true);
}

void cv_text_clean(char *dst, size_t size, const char *text, char instead)
{
	size_t out = 0, len;

	for (; *text; text += len) {
		bool shown;

		for (len = 1; ((uint8_t)text[len] & 0xc0) == 0x80;)
			len++;
		shown = cv_text_printable(text, len);
		if ((shown ? len : 1) >= size - out)
			break;
		if (shown)
			memcpy(dst + out, text, len);
		else
			dst[out] = instead;
		out += shown ? len : 1;
	}
	dst[out] = '\0';
}
