/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>
#include <base/text.h>

#include "api/call.h"

static const json_t *member(const struct mgr_call *c, const char *key)
{
	const json_t *v = json_object_get(c->in, key);
	return json_is_null(v) ? NULL : v;
}

int mgr_in_text(struct mgr_call *c, const char *key, size_t max, bool required, const char **ret)
{
	const json_t *v = member(c, key);
	if (!v && !required) {
		*ret = NULL;
		return 0;
	}
	const char *s = json_string_value(v);
	if (!s || strlen(s) > max)
		return mgr_fail(c->app, MGR_EREQUEST, "%s must be a text of at most %zu bytes", key, max);
	*ret = s;
	return 0;
}

int mgr_in_bytes(struct mgr_call *c, const char *key, uint8_t *dst, size_t len)
{
	const char *s = json_string_value(member(c, key));
	size_t have = 0;
	if (!s || cv_b64_decode(dst, len, s, strlen(s), &have) < 0 || have != len)
		return mgr_fail(c->app, MGR_EREQUEST, "%s must be %zu bytes in base64url", key, len);
	return 0;
}

int mgr_in_id(struct mgr_call *c, const char *key, uint8_t ret_id[MGR_ID_LEN])
{
	const char *s = json_string_value(member(c, key));
	if (!s || strlen(s) != 2 * MGR_ID_LEN || cv_hex_decode(ret_id, MGR_ID_LEN, s) < 0)
		return mgr_fail(c->app, MGR_EREQUEST, "%s must be an id of 32 hex digits", key);
	return 0;
}

int mgr_in_int(struct mgr_call *c, const char *key, bool required, int64_t min, int64_t max, int64_t def, int64_t *ret)
{
	const json_t *v = member(c, key);
	if (!v && !required) {
		*ret = def;
		return 0;
	}
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return mgr_fail(c->app, MGR_EREQUEST, "%s must be an integer from %lld to %lld", key, (long long)min,
				(long long)max);
	*ret = json_integer_value(v);
	return 0;
}

int mgr_in_bool(struct mgr_call *c, const char *key, int *ret)
{
	const json_t *v = member(c, key);
	if (v && !json_is_boolean(v))
		return mgr_fail(c->app, MGR_EREQUEST, "%s must be true or false", key);
	*ret = v ? json_is_true(v) : -1;
	return 0;
}

int mgr_in_texts(struct mgr_call *c, const char *key, bool required, size_t max, const char ***ret_list, size_t *ret_n)
{
	const json_t *v = member(c, key);
	if (!v && !required) {
		*ret_list = NULL;
		*ret_n = 0;
		return 0;
	}
	size_t n = json_array_size(v);
	if (!json_is_array(v) || n > max || (required && n == 0))
		return mgr_fail(c->app, MGR_EREQUEST, "%s must be an array of %d to %zu texts", key, required, max);
	const char **list = cv_calloc(n + 1, sizeof *list);
	if (!list)
		return CV_ENOMEM;
	for (size_t i = 0; i < n; i++) {
		list[i] = json_string_value(json_array_get(v, i));
		if (!list[i]) {
			cv_free(list);
			return mgr_fail(c->app, MGR_EREQUEST, "%s must hold texts only", key);
		}
	}
	*ret_list = list;
	*ret_n = n;
	return 0;
}

int64_t mgr_query_int(const struct mgr_call *c, const char *key, int64_t def)
{
	size_t len = strlen(key);
	for (const char *p = c->req->query; p; p = strchr(p, '&')) {
		if (*p == '&')
			p++;
		if (!strncmp(p, key, len) && p[len] == '=') {
			char *end;
			long long v = strtoll(p + len + 1, &end, 10);
			return end > p + len + 1 && (*end == 0 || *end == '&') && v >= 0 ? v : def;
		}
	}
	return def;
}

json_t *mgr_json_hex(const void *data, size_t len)
{
	char text[2 * 64 + 1];
	if (len > 64)
		return NULL;
	cv_hex_encode(text, data, len);
	return json_string(text);
}

json_t *mgr_json_b64(const void *data, size_t len)
{
	char *text = cv_malloc(CV_B64_LEN(len) + 1);
	if (!text)
		return NULL;
	cv_b64_encode(text, data, len);
	json_t *j = json_string(text);
	cv_free_wiped(text, CV_B64_LEN(len) + 1);
	return j;
}

json_t *mgr_json_account(const struct mgr_account *a)
{
	const char *state = a->disabled ? "disabled" : a->has_record ? "active" : "invited";
	return json_pack("{s:o, s:s, s:s, s:s, s:s, s:s}", "id", mgr_json_hex(a->id, sizeof a->id), "email", a->email,
			 "first_name", a->first_name, "last_name", a->last_name, "role", mgr_role_name(a->role),
			 "state", state);
}

json_t *mgr_json_pins(const struct mgr_relay *r)
{
	json_t *pins = json_array();
	for (size_t i = 0; i < r->n_pins; i++)
		json_array_append_new(pins, mgr_json_b64(r->pins[i], MGR_HASH_LEN));
	return pins;
}
