/* SPDX-License-Identifier: Apache-2.0 */
/* The recording of one participant: WebM files and the list of their frames. Used by one viewer's thread. */
#ifndef CLIENT_GST_RECORD_H
#define CLIENT_GST_RECORD_H

#include <gst/events.h>
#include <media/picture.h>

struct client_record;

/* Creates "<base>.webm" and "<base>.frames.jsonl". CV_EIO, CV_ENOMEM; ret_text says why. */
int client_record_open(const char *base, char ret_text[CLIENT_TEXT_MAX], struct client_record **ret) CV_NODISCARD;
/*
 * Adds a picture that was decoded at now_us. Pictures of another size than the recording's are hidden, and the last
 * one of the right size is repeated; a sender that changes its size for good gets a new file "<base>-2.webm" and so
 * on. A failure (full disk) closes the files; ret_text says why.
 */
int client_record_picture(struct client_record *r, const struct media_picture *p, int64_t now_us,
			  char ret_text[CLIENT_TEXT_MAX]) CV_NODISCARD;
int client_record_voice(struct client_record *r, const struct media_unit *u, int64_t now_us,
			char ret_text[CLIENT_TEXT_MAX]) CV_NODISCARD;
uint64_t client_record_bytes(const struct client_record *r);
/* Ends the files properly and frees in any case. */
int client_record_close(struct client_record *r, char ret_text[CLIENT_TEXT_MAX]);

#endif
