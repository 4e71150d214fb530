/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <base/text.h>

#include "domain/app.h"

int64_t mgr_now(const struct mgr_app *app)
{
	return app->now(app->now_arg);
}

int mgr_fail(struct mgr_app *app, int err, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	vsnprintf(app->detail, sizeof app->detail, format, ap);
	va_end(ap);
	/* A cut in the middle of a character would make the problem document malformed. */
	while (*app->detail && !cv_utf8_valid(app->detail, strlen(app->detail)))
		app->detail[strlen(app->detail) - 1] = 0;
	return err;
}

int mgr_id_new(const struct mgr_app *app, uint8_t ret_id[MGR_ID_LEN])
{
	return cv_rng_fill(app->rng, ret_id, MGR_ID_LEN);
}

void mgr_token_hash(const char *text, uint8_t ret_hash[MGR_HASH_LEN])
{
	proto_sha256(text, strlen(text), ret_hash);
}

int mgr_token_new(const struct mgr_app *app, char ret_text[MGR_TOKEN_TEXT], uint8_t ret_hash[MGR_HASH_LEN])
{
	uint8_t token[MGR_TOKEN_LEN];
	int r = cv_rng_fill(app->rng, token, sizeof token);
	if (r < 0)
		return r;
	cv_b64_encode(ret_text, token, sizeof token);
	cv_wipe(token, sizeof token);
	mgr_token_hash(ret_text, ret_hash);
	return 0;
}

/* One row per role, one column per action (R28, R29, R62). */
static const bool permissions[][MGR_ACT_ALL_MEETINGS + 1] = {
	[MGR_ROLE_USER] = {[MGR_ACT_JOIN] = true},
	[MGR_ROLE_ORGANISER] = {[MGR_ACT_JOIN] = true, [MGR_ACT_ORGANISE] = true, [MGR_ACT_ADD_ACCOUNT] = true},
	[MGR_ROLE_ADMINISTRATOR] = {[MGR_ACT_JOIN] = true,
				    [MGR_ACT_ORGANISE] = true,
				    [MGR_ACT_ADD_ACCOUNT] = true,
				    [MGR_ACT_MANAGE_ACCOUNTS] = true,
				    [MGR_ACT_ALL_MEETINGS] = true},
};

bool mgr_may(enum mgr_role role, enum mgr_action action)
{
	if (role < MGR_ROLE_USER || role > MGR_ROLE_ADMINISTRATOR || action > MGR_ACT_ALL_MEETINGS)
		return false;
	return permissions[role][action];
}

static const char *const role_names[] = {
	[MGR_ROLE_USER] = "user",
	[MGR_ROLE_ORGANISER] = "organiser",
	[MGR_ROLE_ADMINISTRATOR] = "administrator",
};

const char *mgr_role_name(enum mgr_role role)
{
	return role >= MGR_ROLE_USER && role <= MGR_ROLE_ADMINISTRATOR ? role_names[role] : "none";
}

int mgr_role_parse(const char *name, enum mgr_role *ret_role)
{
	for (int r = MGR_ROLE_USER; r <= MGR_ROLE_ADMINISTRATOR; r++) {
		if (!strcmp(name, role_names[r])) {
			*ret_role = (enum mgr_role)r;
			return 0;
		}
	}
	return CV_ENOTFOUND;
}

static bool domain_ok(const char *domain)
{
	size_t label = 0, labels = 1;
	for (const char *p = domain; *p; p++) {
		if (*p == '.') {
			if (label == 0 || p[-1] == '-')
				return false;
			label = 0;
			labels++;
		} else if (!isalnum((unsigned char)*p) && (*p != '-' || label == 0)) {
			return false;
		} else if (++label > 63) {
			return false;
		}
	}
	return label > 0 && labels >= 1 && domain[strlen(domain) - 1] != '-';
}

int mgr_email_normalise(struct mgr_app *app, const char *text, char ret_email[MGR_EMAIL_MAX + 1])
{
	char email[MGR_EMAIL_MAX + 1];
	while (*text == ' ')
		text++;
	size_t len = strlen(text);
	while (len > 0 && text[len - 1] == ' ')
		len--;
	if (len == 0 || len > MGR_EMAIL_MAX)
		return mgr_fail(app, MGR_EREQUEST, "email must have 1 to %d characters", MGR_EMAIL_MAX);
	for (size_t i = 0; i < len; i++)
		email[i] = (char)tolower((unsigned char)text[i]);
	email[len] = 0;
	const char *at = strchr(email, '@');
	if (!at || at == email || at - email > 64 || !domain_ok(at + 1))
		return mgr_fail(app, MGR_EREQUEST, "email must be an address like name@example.org");
	for (const char *p = email; p < at; p++) {
		bool dot = *p == '.' && p > email && p + 1 < at && p[1] != '.';
		if (!isalnum((unsigned char)*p) && !dot && !strchr("!#$%&'*+-/=?^_`{|}~", *p))
			return mgr_fail(app, MGR_EREQUEST, "email holds a character that mail cannot be sent to");
	}
	memcpy(ret_email, email, len + 1);
	return 0;
}

int mgr_text_check(struct mgr_app *app, const char *what, const char *text, size_t min, size_t max, char *ret_text)
{
	while (*text == ' ')
		text++;
	size_t len = strlen(text);
	while (len > 0 && text[len - 1] == ' ')
		len--;
	if (len < min || len > max)
		return mgr_fail(app, MGR_EREQUEST, "%s must have %zu to %zu bytes", what, min, max);
	if (!cv_text_printable(text, len))
		return mgr_fail(app, MGR_EREQUEST, "%s must be printable text", what);
	memcpy(ret_text, text, len);
	ret_text[len] = 0;
	return 0;
}
