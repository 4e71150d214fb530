/* SPDX-License-Identifier: Apache-2.0 */
/* What the mail says, in English and French; to people whose language is not known, in both. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <base/text.h>
#include <sodium.h>

#include "domain/account.h"
#include "mail/mail.h"

#define TEXT_MAX (64 * 1024)

struct words {
	const char *code;
	const char *hello, *hello_nobody;
	const char *subject_new, *subject_again, *subject_meeting[3];
	const char *new_intro, *again_intro, *link_intro, *terminal, *once, *fingerprint;
	const char *meeting[3];
	const char *title, *organiser, *start, *any_time, *duration, *minutes, *join;
};

static const struct words languages[] = {
	{
		.code = "en",
		.hello = "Hello",
		.hello_nobody = "Hello,",
		.subject_new = "Your account for meetings at",
		.subject_again = "Choose a new password for meetings at",
		.subject_meeting = {"Invitation to a meeting:", "You are no longer invited:", "Meeting cancelled:"},
		.new_intro = "You are invited to take part in the encrypted meetings of",
		.again_intro = "A new password has been requested for your account for the meetings of",
		.link_intro = "Open this link, confirm your name and choose a password:",
		.terminal = "Or, in a terminal:",
		.once = "The link works once, for a limited time. Do not pass it on.",
		.fingerprint = "Fingerprint of the organisation:",
		.meeting = {"You are invited to a meeting.", "You are no longer invited to this meeting.",
			    "This meeting has been cancelled."},
		.title = "Title",
		.organiser = "Organiser",
		.start = "Start",
		.any_time = "at any time",
		.duration = "Duration",
		.minutes = "minutes",
		.join = "To join, sign in with the Conclave client, or in a terminal:",
	},
	{
		.code = "fr",
		.hello = "Bonjour",
		.hello_nobody = "Bonjour,",
		.subject_new = "Votre compte pour les réunions de",
		.subject_again = "Choisissez un nouveau mot de passe pour les réunions de",
		.subject_meeting = {"Invitation à une réunion :", "Vous n’êtes plus invité :", "Réunion annulée :"},
		.new_intro = "Vous êtes invité à participer aux réunions chiffrées de",
		.again_intro = "Un nouveau mot de passe a été demandé pour votre compte des réunions de",
		.link_intro = "Ouvrez ce lien, confirmez votre nom et choisissez un mot de passe :",
		.terminal = "Ou, dans un terminal :",
		.once = "Le lien ne sert qu’une fois, pendant un temps limité. Ne le transmettez à personne.",
		.fingerprint = "Empreinte de l’organisation :",
		.meeting = {"Vous êtes invité à une réunion.", "Vous n’êtes plus invité à cette réunion.",
			    "Cette réunion est annulée."},
		.title = "Titre",
		.organiser = "Organisateur",
		.start = "Début",
		.any_time = "à tout moment",
		.duration = "Durée",
		.minutes = "minutes",
		.join = "Pour y entrer, identifiez-vous dans le client Conclave, ou dans un terminal :",
	},
};

/* Text and HTML grow side by side, so that they say the same. */
struct page {
	struct cv_buf text, html, subject;
};

static void page_init(struct page *p)
{
	cv_buf_init_secret(&p->text, TEXT_MAX);
	cv_buf_init_secret(&p->html, TEXT_MAX);
	cv_buf_init(&p->subject, 2048);
	const char *head = "<!doctype html><html><head><meta charset=\"utf-8\"></head>"
			   "<body style=\"font-family:sans-serif;line-height:1.5;max-width:40em\">";
	cv_buf_put(&p->html, head, strlen(head));
}

static void page_done(struct page *p)
{
	cv_buf_done(&p->text);
	cv_buf_done(&p->html);
	cv_buf_done(&p->subject);
}

static void put(struct cv_buf *b, const char *s)
{
	cv_buf_put(b, s, strlen(s));
}

static void put_escaped(struct cv_buf *b, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '&': put(b, "&amp;"); break;
		case '<': put(b, "&lt;"); break;
		case '>': put(b, "&gt;"); break;
		case '"': put(b, "&quot;"); break;
		case '\'': put(b, "&#39;"); break;
		default: cv_buf_put(b, s, 1);
		}
	}
}

/* A paragraph of up to two pieces joined by a space. */
static void paragraph(struct page *p, const char *a, const char *b, const char *end)
{
	put(&p->text, a);
	put(&p->html, "<p>");
	put_escaped(&p->html, a);
	if (b) {
		put(&p->text, " ");
		put(&p->text, b);
		put(&p->html, " ");
		put_escaped(&p->html, b);
	}
	put(&p->text, end);
	put(&p->text, "\n\n");
	put_escaped(&p->html, end);
	put(&p->html, "</p>\n");
}

static void link_paragraph(struct page *p, const char *link)
{
	put(&p->text, link);
	put(&p->text, "\n\n");
	put(&p->html, "<p><a href=\"");
	put_escaped(&p->html, link);
	put(&p->html, "\">");
	put_escaped(&p->html, link);
	put(&p->html, "</a></p>\n");
}

static void code_paragraph(struct page *p, const char *code)
{
	put(&p->text, "    ");
	put(&p->text, code);
	put(&p->text, "\n\n");
	put(&p->html, "<pre>");
	put_escaped(&p->html, code);
	put(&p->html, "</pre>\n");
}

static void greeting(struct page *p, const struct words *w, const struct mgr_account *to)
{
	if (*to->first_name)
		paragraph(p, w->hello, to->first_name, ",");
	else
		paragraph(p, w->hello_nobody, NULL, "");
}

static void separator(struct page *p)
{
	put(&p->text, "----\n\n");
	put(&p->html, "<hr>\n");
	put(&p->subject, " / ");
}

/* The language's words for the i-th block of a message to `to`, or NULL after the last. */
static const struct words *block_words(const struct mgr_app *app, const struct mgr_account *to, size_t i)
{
	const char *code;
	if (*to->locale)
		code = i == 0 ? to->locale : NULL;
	else
		code = i < app->conf->languages.count ? app->conf->languages.items[i] : NULL;
	for (size_t k = 0; code && k < sizeof languages / sizeof languages[0]; k++) {
		if (!strcmp(languages[k].code, code))
			return &languages[k];
	}
	return NULL;
}

static int enqueue(struct mgr_app *app, struct page *p, const struct mgr_account *to, const char *kind,
		   const struct mgr_calendar *calendar)
{
	char host[256], name[2 * MGR_NAME_MAX + 2] = "";
	struct cv_buf message, sealed, ics;
	cv_buf_init_secret(&message, MGR_MAIL_MAX);
	cv_buf_init(&sealed, MGR_MAIL_MAX);
	cv_buf_init(&ics, TEXT_MAX);
	put(&p->html, "</body></html>\n");
	int r = cv_buf_put_u8(&p->text, 0);
	if (r == 0)
		r = cv_buf_put_u8(&p->html, 0);
	if (r == 0)
		r = cv_buf_put_u8(&p->subject, 0);
	if (r == 0)
		r = mgr_url_check(app->conf->url, host, sizeof host);
	if (r == 0 && calendar)
		r = mgr_calendar_build(calendar, &ics);
	if (r < 0)
		goto out;
	if (*to->first_name && *to->last_name)
		snprintf(name, sizeof name, "%s %s", to->first_name, to->last_name);
	struct mgr_message m = {.from = app->conf->mail_from,
				.to = to->email,
				.to_name = name,
				.subject = (const char *)p->subject.data,
				.text = (const char *)p->text.data,
				.html = (const char *)p->html.data,
				.calendar = ics.len ? (const char *)ics.data : NULL,
				.calendar_method = calendar && calendar->cancelled ? "CANCEL" : "REQUEST",
				.id_host = host,
				.date = mgr_now(app)};
	r = mgr_mime_build(app, &m, &message);
	if (r == 0)
		r = mgr_mail_seal(app->keys, app->rng, &message, &sealed);
	if (r == 0)
		r = mgr_store_mail_add(app->store, to->email, kind, sealed.data, sealed.len, mgr_now(app));
	if (r == 0)
		app->mail_added = true;
out:
	cv_buf_done(&message);
	cv_buf_done(&sealed);
	cv_buf_done(&ics);
	return r;
}

int mgr_mail_validation(struct mgr_app *app, const struct mgr_account *to, const char *link)
{
	struct page p;
	char command[MGR_LINK_MAX + 128];
	const struct words *w;
	page_init(&p);
	snprintf(command, sizeof command, "conclave-cli validate '%s' --first-name … --last-name …", link);
	for (size_t i = 0; (w = block_words(app, to, i)); i++) {
		if (i > 0)
			separator(&p);
		put(&p.subject, to->has_record ? w->subject_again : w->subject_new);
		put(&p.subject, " ");
		put(&p.subject, app->conf->organisation);
		greeting(&p, w, to);
		paragraph(&p, to->has_record ? w->again_intro : w->new_intro, app->conf->organisation, ".");
		paragraph(&p, w->link_intro, NULL, "");
		link_paragraph(&p, link);
		paragraph(&p, w->terminal, NULL, "");
		code_paragraph(&p, command);
		paragraph(&p, w->once, NULL, "");
		paragraph(&p, w->fingerprint, app->keys->fingerprint, "");
	}
	int r = enqueue(app, &p, to, to->has_record ? "password" : "validation", NULL);
	cv_wipe(command, sizeof command);
	page_done(&p);
	return r;
}

static void format_time(int64_t when, char *dst, size_t size)
{
	struct tm tm;
	time_t t = (time_t)when;
	if (!gmtime_r(&t, &tm) || strftime(dst, size, "%Y-%m-%d %H:%M UTC", &tm) == 0)
		snprintf(dst, size, "-");
}

static void meeting_lines(struct page *p, const struct words *w, const struct mgr_meeting *m, const char *organiser)
{
	char line[MGR_TITLE_MAX + 64], when[64];
	snprintf(line, sizeof line, "%s:", w->title);
	paragraph(p, line, m->title, "");
	snprintf(line, sizeof line, "%s:", w->organiser);
	paragraph(p, line, organiser, "");
	if (m->start)
		format_time(m->start, when, sizeof when);
	else
		snprintf(when, sizeof when, "%s", w->any_time);
	snprintf(line, sizeof line, "%s:", w->start);
	paragraph(p, line, when, "");
	if (m->duration_minutes) {
		snprintf(line, sizeof line, "%s: %lld", w->duration, (long long)m->duration_minutes);
		paragraph(p, line, w->minutes, "");
	}
}

int mgr_mail_meeting(struct mgr_app *app, enum mgr_mail_kind kind, const struct mgr_meeting *m,
		     const struct mgr_account *to)
{
	static const char *const kinds[] = {"invited", "uninvited", "cancelled"};
	struct mgr_account organiser;
	struct page p;
	const struct words *w;
	char name[2 * MGR_NAME_MAX + 2], who[sizeof name + MGR_EMAIL_MAX + 4];
	char hex[2 * MGR_ID_LEN + 1], command[64], uid[64 + 256], host[256];
	int r = mgr_store_account_by_id(app->store, m->organiser_id, &organiser);
	if (r == 0)
		r = mgr_url_check(app->conf->url, host, sizeof host);
	if (r < 0)
		return r;
	page_init(&p);
	cv_hex_encode(hex, m->id, sizeof m->id);
	mgr_display_name(&organiser, name, sizeof name);
	snprintf(who, sizeof who, "%s <%s>", name, organiser.email);
	snprintf(command, sizeof command, "conclave-cli join %s", hex);
	snprintf(uid, sizeof uid, "%s@%s", hex, host);
	for (size_t i = 0; (w = block_words(app, to, i)); i++) {
		if (i > 0)
			separator(&p);
		put(&p.subject, w->subject_meeting[kind]);
		put(&p.subject, " ");
		put(&p.subject, m->title);
		greeting(&p, w, to);
		paragraph(&p, w->meeting[kind], NULL, "");
		meeting_lines(&p, w, m, who);
		if (kind == MGR_MAIL_INVITED) {
			paragraph(&p, w->join, NULL, "");
			code_paragraph(&p, command);
		}
	}
	struct mgr_calendar calendar = {.uid = uid,
					.title = m->title,
					.description = command,
					.organiser_name = name,
					.organiser_email = organiser.email,
					.attendee_email = to->email,
					.start = m->start,
					.duration_minutes = m->duration_minutes,
					.revision = m->revision,
					.stamp = mgr_now(app),
					.cancelled = kind != MGR_MAIL_INVITED};
	r = enqueue(app, &p, to, kinds[kind], m->start ? &calendar : NULL);
	page_done(&p);
	return r;
}

/* ---- sealing ---- */

int mgr_mail_seal(const struct mgr_keys *keys, const struct cv_rng *rng, const struct cv_buf *message,
		  struct cv_buf *ret)
{
	uint8_t nonce[crypto_secretbox_NONCEBYTES];
	uint8_t *box;
	int r = cv_rng_fill(rng, nonce, sizeof nonce);
	if (r == 0)
		r = cv_buf_put(ret, nonce, sizeof nonce);
	if (r == 0)
		r = cv_buf_extend(ret, message->len + crypto_secretbox_MACBYTES, &box);
	if (r == 0)
		crypto_secretbox_easy(box, message->data, message->len, nonce, keys->queue_key);
	return r;
}

int mgr_mail_open(const struct mgr_keys *keys, const struct cv_buf *sealed, struct cv_buf *ret)
{
	uint8_t *clear;
	if (sealed->len < crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES)
		return CV_ETRUNCATED;
	size_t len = sealed->len - crypto_secretbox_NONCEBYTES;
	int r = cv_buf_extend(ret, len - crypto_secretbox_MACBYTES, &clear);
	if (r < 0)
		return r;
	if (crypto_secretbox_open_easy(clear, sealed->data + crypto_secretbox_NONCEBYTES, len, sealed->data,
				       keys->queue_key) != 0) {
		cv_buf_reset(ret);
		return CV_EAUTH;
	}
	return 0;
}
