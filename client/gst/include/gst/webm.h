/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebM file with at most one VP9 and one Opus track, written cluster by cluster: after any write error the file is
 * cut back to its last whole cluster and stays playable. Not thread safe.
 */
#ifndef CLIENT_GST_WEBM_H
#define CLIENT_GST_WEBM_H

#include <media/unit.h>

struct client_webm;

/* Creates (replaces) the file. CV_EIO with errno, CV_ENOMEM. Tracks are declared with the first frames. */
int client_webm_open(const char *path, struct client_webm **ret) CV_NODISCARD;
/* Size of the picture track, before the first cluster is written. CV_ESTATE afterwards. */
int client_webm_set_size(struct client_webm *w, unsigned width, unsigned height) CV_NODISCARD;
/*
 * Adds a frame. time_ms counts from the recording's start; voice and pictures come each in order of time, and roughly
 * in order among themselves. A frame that is not later than its track's last one follows it by 1 ms. `key`: decoding
 * can begin here. Picture data is a whole superframe. CV_EIO with errno: the disk is full or failed; the file has been
 * cut and closed, later calls give CV_ECLOSED.
 */
int client_webm_add(struct client_webm *w, enum media_kind kind, int64_t time_ms, bool key, const uint8_t *data,
		    size_t len) CV_NODISCARD;
/* Bytes written. */
uint64_t client_webm_bytes(const struct client_webm *w);
/* Writes what is left, duration and index, and closes. Frees in any case. CV_EIO with errno; takes NULL. */
int client_webm_close(struct client_webm *w);

#endif
