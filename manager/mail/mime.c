/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5322 messages by GMime, calendars by libical. */
#include <stdio.h>
#include <string.h>

#include <gmime/gmime.h>
#include <libical/ical.h>

#include <base/text.h>

#include "mail/mail.h"

static GMimePart *text_part(const char *subtype, const char *text)
{
	GMimeTextPart *part = g_mime_text_part_new_with_subtype(subtype);
	g_mime_text_part_set_charset(part, "utf-8");
	g_mime_text_part_set_text(part, text);
	g_mime_part_set_content_encoding(GMIME_PART(part), GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE);
	return GMIME_PART(part);
}

static void add_part(GMimeMultipart *parts, GMimePart *part)
{
	g_mime_multipart_add(parts, GMIME_OBJECT(part));
	g_object_unref(part);
}

static GMimeMultipart *body(const struct mgr_message *m)
{
	GMimeMultipart *parts = g_mime_multipart_new_with_subtype("alternative");
	add_part(parts, text_part("plain", m->text));
	add_part(parts, text_part("html", m->html));
	if (m->calendar) {
		GMimePart *calendar = text_part("calendar", m->calendar);
		g_mime_object_set_content_type_parameter(GMIME_OBJECT(calendar), "method", m->calendar_method);
		g_mime_object_set_content_type_parameter(GMIME_OBJECT(calendar), "name", "meeting.ics");
		add_part(parts, calendar);
	}
	return parts;
}

static int render(GMimeMessage *message, struct cv_buf *ret)
{
	GMimeFormatOptions *options = g_mime_format_options_new();
	g_mime_format_options_set_newline_format(options, GMIME_NEWLINE_FORMAT_DOS);
	char *text = g_mime_object_to_string(GMIME_OBJECT(message), options);
	size_t len = text ? strlen(text) : 0;
	int r = text ? cv_buf_put(ret, text, len) : CV_ENOMEM;
	if (text)
		explicit_bzero(text, len);
	g_free(text);
	g_mime_format_options_free(options);
	return r;
}

int mgr_mime_build(const struct mgr_app *app, const struct mgr_message *m, struct cv_buf *ret)
{
	uint8_t id[MGR_ID_LEN];
	char hex[2 * MGR_ID_LEN + 1], message_id[512];
	int r = mgr_id_new(app, id);
	if (r < 0)
		return r;
	cv_hex_encode(hex, id, sizeof id);
	snprintf(message_id, sizeof message_id, "%s@%s", hex, m->id_host);
	g_mime_init();
	GMimeMessage *message = g_mime_message_new(TRUE);
	InternetAddressList *from = internet_address_list_parse(NULL, m->from);
	if (!from || internet_address_list_length(from) != 1) {
		r = CV_EINVAL;
		goto out;
	}
	internet_address_list_append(g_mime_message_get_from(message), from);
	g_mime_message_add_mailbox(message, GMIME_ADDRESS_TYPE_TO, *m->to_name ? m->to_name : NULL, m->to);
	g_mime_message_set_subject(message, m->subject, "utf-8");
	GDateTime *date = g_date_time_new_from_unix_utc(m->date);
	if (date) {
		g_mime_message_set_date(message, date);
		g_date_time_unref(date);
	}
	g_mime_message_set_message_id(message, message_id);
	g_mime_object_set_header(GMIME_OBJECT(message), "Auto-Submitted", "auto-generated", NULL);
	GMimeMultipart *parts = body(m);
	g_mime_message_set_mime_part(message, GMIME_OBJECT(parts));
	g_object_unref(parts);
	r = render(message, ret);
out:
	if (from)
		g_object_unref(from);
	g_object_unref(message);
	return r;
}

static icalproperty *mailto(icalproperty *(*make)(const char *), const char *email, const char *name)
{
	char uri[MGR_EMAIL_MAX + 16];
	snprintf(uri, sizeof uri, "mailto:%s", email);
	icalproperty *p = make(uri);
	if (name && *name)
		icalproperty_add_parameter(p, icalparameter_new_cn(name));
	return p;
}

static icalcomponent *event_of(const struct mgr_calendar *c)
{
	icaltimezone *utc = icaltimezone_get_utc_timezone();
	icalcomponent *event = icalcomponent_new(ICAL_VEVENT_COMPONENT);
	int64_t minutes = c->duration_minutes ? c->duration_minutes : 60;
	icalproperty *attendee = mailto(icalproperty_new_attendee, c->attendee_email, NULL);
	icalproperty_add_parameter(attendee, icalparameter_new_role(ICAL_ROLE_REQPARTICIPANT));
	icalcomponent_add_property(event, icalproperty_new_uid(c->uid));
	icalcomponent_add_property(event, icalproperty_new_dtstamp(icaltime_from_timet_with_zone(c->stamp, 0, utc)));
	icalcomponent_add_property(event, icalproperty_new_dtstart(icaltime_from_timet_with_zone(c->start, 0, utc)));
	icalcomponent_add_property(
		event, icalproperty_new_dtend(icaltime_from_timet_with_zone(c->start + minutes * 60, 0, utc)));
	icalcomponent_add_property(event, icalproperty_new_summary(c->title));
	icalcomponent_add_property(event, icalproperty_new_description(c->description));
	icalcomponent_add_property(event, mailto(icalproperty_new_organizer, c->organiser_email, c->organiser_name));
	icalcomponent_add_property(event, attendee);
	icalcomponent_add_property(event, icalproperty_new_sequence((int)c->revision));
	icalcomponent_add_property(
		event, icalproperty_new_status(c->cancelled ? ICAL_STATUS_CANCELLED : ICAL_STATUS_CONFIRMED));
	return event;
}

int mgr_calendar_build(const struct mgr_calendar *c, struct cv_buf *ret)
{
	icalcomponent *calendar = icalcomponent_new(ICAL_VCALENDAR_COMPONENT);
	icalcomponent_add_property(calendar, icalproperty_new_prodid("-//Conclave//conclave-manager//EN"));
	icalcomponent_add_property(calendar, icalproperty_new_version("2.0"));
	icalcomponent_add_property(calendar,
				   icalproperty_new_method(c->cancelled ? ICAL_METHOD_CANCEL : ICAL_METHOD_REQUEST));
	icalcomponent_add_component(calendar, event_of(c));
	char *text = icalcomponent_as_ical_string_r(calendar);
	int r = text ? cv_buf_put(ret, text, strlen(text) + 1) : CV_ENOMEM;
	icalmemory_free_buffer(text);
	icalcomponent_free(calendar);
	return r;
}
