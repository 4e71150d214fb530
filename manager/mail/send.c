/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways out: SMTP by libcurl, or files in the outbox folder. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "domain/files.h"
#include "mail/mail.h"

#define SMTP_TIMEOUT_S 60

int mgr_outbox_write(const char *dir, int64_t n, const uint8_t *message, size_t len, char why[MGR_MAIL_WHY])
{
	char name[64], path[MGR_PATH_MAX];
	snprintf(name, sizeof name, "%08lld.eml", (long long)n);
	int r = mgr_dir_make(dir);
	if (r == 0)
		r = mgr_path(path, dir, name);
	if (r == 0)
		r = cv_file_write(path, message, len, 0600);
	if (r < 0)
		snprintf(why, MGR_MAIL_WHY, "cannot write into %.100s: %.60s", dir, strerror(errno));
	return r;
}

struct upload {
	const uint8_t *p;
	size_t left;
	const int *stop;
};

static size_t give(char *dst, size_t size, size_t count, void *arg)
{
	struct upload *u = arg;
	size_t n = size * count < u->left ? size * count : u->left;
	memcpy(dst, u->p, n);
	u->p += n;
	u->left -= n;
	return n;
}

static int progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct upload *u = arg;
	return u->stop && __atomic_load_n(u->stop, __ATOMIC_RELAXED);
}

/* The bare address of "Name <address>" or "address". */
static void bare_address(const char *from, char *dst, size_t size)
{
	const char *open = strrchr(from, '<');
	const char *start = open ? open + 1 : from;
	size_t len = open ? strcspn(start, ">") : strlen(start);
	snprintf(dst, size, "<%.*s>", (int)len, start);
}

static int read_password(const struct mgr_conf *conf, struct cv_buf *ret)
{
	int r = cv_file_read(conf->smtp_password_file, ret);
	if (r < 0)
		return r;
	while (ret->len > 0 && isspace(ret->data[ret->len - 1]))
		ret->len--;
	return cv_buf_put_u8(ret, 0);
}

static int configure(CURL *curl, const struct mgr_conf *conf, const char *from, struct curl_slist *to,
		     struct upload *upload, const struct cv_buf *password, char *error)
{
	int rc = curl_easy_setopt(curl, CURLOPT_URL, conf->smtp);
	rc |= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	rc |= curl_easy_setopt(curl, CURLOPT_USE_SSL, conf->starttls ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_NONE);
	rc |= curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (conf->smtp_ca)
		rc |= curl_easy_setopt(curl, CURLOPT_CAINFO, conf->smtp_ca);
	if (conf->smtp_user) {
		rc |= curl_easy_setopt(curl, CURLOPT_USERNAME, conf->smtp_user);
		rc |= curl_easy_setopt(curl, CURLOPT_PASSWORD, (const char *)password->data);
	}
	rc |= curl_easy_setopt(curl, CURLOPT_MAIL_FROM, from);
	rc |= curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, to);
	rc |= curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
	rc |= curl_easy_setopt(curl, CURLOPT_READDATA, upload);
	rc |= curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)upload->left);
	rc |= curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	rc |= curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)SMTP_TIMEOUT_S);
	rc |= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	rc |= curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	rc |= curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress);
	rc |= curl_easy_setopt(curl, CURLOPT_XFERINFODATA, upload);
	rc |= curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	return rc == CURLE_OK ? 0 : CV_EUNSUPPORTED;
}

int mgr_smtp_send(const struct mgr_conf *conf, const char *recipient, const uint8_t *message, size_t len,
		  const int *stop, char why[MGR_MAIL_WHY], bool *ret_final)
{
	char from[MGR_EMAIL_MAX + 64], to[MGR_EMAIL_MAX + 4], error[CURL_ERROR_SIZE] = "";
	struct upload upload = {message, len, stop};
	struct curl_slist *rcpt = NULL;
	struct cv_buf password;
	long code = 0;
	int r = 0;
	CURL *curl = curl_easy_init();
	cv_buf_init_secret(&password, 4096);
	bare_address(conf->mail_from, from, sizeof from);
	snprintf(to, sizeof to, "<%s>", recipient);
	rcpt = curl_slist_append(NULL, to);
	if (!curl || !rcpt) {
		r = CV_ENOMEM;
		snprintf(why, MGR_MAIL_WHY, "out of memory");
		goto out;
	}
	if (conf->smtp_user) {
		r = read_password(conf, &password);
		if (r < 0) {
			snprintf(why, MGR_MAIL_WHY, "cannot read the SMTP password file");
			goto out;
		}
	}
	r = configure(curl, conf, from, rcpt, &upload, &password, error);
	CURLcode rc = r == 0 ? curl_easy_perform(curl) : CURLE_FAILED_INIT;
	if (rc == CURLE_OK)
		goto out;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
	snprintf(why, MGR_MAIL_WHY, "%.150s (reply %ld)", *error ? error : curl_easy_strerror(rc), code);
	/* A refused recipient or message stays refused; a refused sign-in or address of ours may be repaired. */
	*ret_final = code >= 550 && code <= 554;
	r = CV_EIO;
out:
	curl_slist_free_all(rcpt);
	curl_easy_cleanup(curl);
	cv_buf_done(&password);
	return r;
}
