/* SPDX-License-Identifier: Apache-2.0 */
/* Strict reading of JSON objects from foreign hands: every member has a type, a length limit and an encoding. */
#ifndef CLIENT_JSON_H
#define CLIENT_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include <base/buf.h>
#include <base/err.h>

/* Text member copied to dst (`size` with NUL). CV_EFORMAT: missing, no text, or too long. */
int client_json_text(const json_t *object, const char *key, char *dst, size_t size) CV_NODISCARD;
/* As client_json_text, "" when missing or null. */
int client_json_text_or_empty(const json_t *object, const char *key, char *dst, size_t size) CV_NODISCARD;
/* Exactly `len` bytes in hex or in base64url. */
int client_json_hex(const json_t *object, const char *key, void *dst, size_t len) CV_NODISCARD;
int client_json_b64_exact(const json_t *object, const char *key, void *dst, size_t len) CV_NODISCARD;
/* At most `max` bytes of base64url, in new memory (cv_free). */
int client_json_b64(const json_t *object, const char *key, size_t max, uint8_t **ret, size_t *ret_len) CV_NODISCARD;
int client_json_b64_value(const json_t *value, size_t max, uint8_t **ret, size_t *ret_len) CV_NODISCARD;
int client_json_uint(const json_t *object, const char *key, uint64_t *ret) CV_NODISCARD;

/* New references; NULL when out of memory. */
json_t *client_json_from_b64(const void *data, size_t len);
json_t *client_json_from_hex(const void *data, size_t len);

#endif
