/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <base/secret.h>
#include <base/text.h>

#include "json.h"

int client_json_text(const json_t *object, const char *key, char *dst, size_t size)
{
	const json_t *v = json_object_get(object, key);
	size_t len = v != NULL ? json_string_length(v) : 0;

	if (!json_is_string(v) || len >= size || memchr(json_string_value(v), '\0', len) != NULL)
		return CV_EFORMAT;
	memcpy(dst, json_string_value(v), len);
	dst[len] = '\0';
	return 0;
}

int client_json_text_or_empty(const json_t *object, const char *key, char *dst, size_t size)
{
	const json_t *v = json_object_get(object, key);

	if (v == NULL || json_is_null(v)) {
		dst[0] = '\0';
		return 0;
	}
	return client_json_text(object, key, dst, size);
}

int client_json_hex(const json_t *object, const char *key, void *dst, size_t len)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_string(v))
		return CV_EFORMAT;
	return cv_hex_decode(dst, len, json_string_value(v));
}

int client_json_b64_value(const json_t *value, size_t max, uint8_t **ret, size_t *ret_len)
{
	size_t text_len, len;
	uint8_t *data;
	int r;

	if (!json_is_string(value))
		return CV_EFORMAT;
	text_len = json_string_length(value);
	if (text_len > CV_B64_LEN(max))
		return CV_ELIMIT;
	data = cv_malloc(text_len + 1);
	if (data == NULL)
		return CV_ENOMEM;
	r = cv_b64_decode(data, max < text_len + 1 ? max : text_len + 1, json_string_value(value), text_len, &len);
	if (r != 0) {
		cv_free(data);
		return r;
	}
	*ret = data;
	*ret_len = len;
	return 0;
}

int client_json_b64(const json_t *object, const char *key, size_t max, uint8_t **ret, size_t *ret_len)
{
	return client_json_b64_value(json_object_get(object, key), max, ret, ret_len);
}

int client_json_b64_exact(const json_t *object, const char *key, void *dst, size_t len)
{
	uint8_t *data;
	size_t got;
	int r;

	r = client_json_b64(object, key, len, &data, &got);
	if (r != 0)
		return r;
	if (got == len)
		memcpy(dst, data, len);
	else
		r = CV_EFORMAT;
	cv_free_wiped(data, got);
	return r;
}

int client_json_uint(const json_t *object, const char *key, uint64_t *ret)
{
	const json_t *v = json_object_get(object, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return CV_EFORMAT;
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

json_t *client_json_from_b64(const void *data, size_t len)
{
	size_t room = CV_B64_LEN(len) + 1;
	char *text = cv_malloc(room);
	json_t *v;

	if (text == NULL)
		return NULL;
	cv_b64_encode(text, data, len);
	v = json_string(text);
	cv_free_wiped(text, room);
	return v;
}

json_t *client_json_from_hex(const void *data, size_t len)
{
	size_t room = 2 * len + 1;
	char *text = cv_malloc(room);
	json_t *v;

	if (text == NULL)
		return NULL;
	cv_hex_encode(text, data, len);
	v = json_string(text);
	cv_free_wiped(text, room);
	return v;
}
