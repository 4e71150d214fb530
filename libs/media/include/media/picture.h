/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From layer units to pictures that a decoder can take. The buffer gathers the units of one picture, decides when it
 * is complete, releases pictures in order of their numbers, and keeps track of what each picture refers to (temporal
 * pattern 0 2 1 2, spatial layers upwards), so that nothing is handed out that would decode to garbage.
 *
 * What is handed out is decodable, provided that the caller decodes all of it. When a base picture is missing, the
 * buffer withholds pictures until the next key picture and says that one is wanted.
 *
 * Pure logic: time is handed in (microseconds of any steady clock). Not thread safe.
 */
#ifndef MEDIA_PICTURE_H
#define MEDIA_PICTURE_H

#include <media/unit.h>

#define MEDIA_PICTURE_SLOTS     8      /* unfinished pictures held at most */
#define MEDIA_PICTURE_WAIT_US   200000 /* an unfinished picture waits at most this long for more layers */
#define MEDIA_PICTURE_BYTES_MAX (MEDIA_SPATIAL_MAX * MEDIA_UNIT_MAX)

struct media_picture {
	uint32_t frame;
	uint8_t tid;
	bool key;
	uint8_t layers;  /* spatial layers present, from 0 upwards: 1..MEDIA_SPATIAL_MAX */
	bool full;       /* holds every layer that was encoded (the end of the picture was seen) */
	bool layer_sync; /* the highest present layer is a switch-up point */
	int64_t capture_us;
	int64_t arrival_us; /* arrival of its last unit */
	uint8_t *data;      /* layers one after the other, lowest first; owned, cv_free by media_picture_done */
	size_t len;
	size_t layer_len[MEDIA_SPATIAL_MAX];
};

/* Frees data and zeroes the struct. */
CV_PUBLIC void media_picture_done(struct media_picture *p);

struct media_pictures;

struct media_pictures_stats {
	uint64_t units, pictures, undecodable, late, incomplete;
};

/* CV_ENOMEM. Freed with media_pictures_free (takes NULL). */
CV_PUBLIC int media_pictures_new(struct media_pictures **ret) CV_NODISCARD;
CV_PUBLIC void media_pictures_free(struct media_pictures *b);

/*
 * The highest spatial layer that will arrive (what was subscribed to): with it a picture is complete although the end
 * of the picture was dropped on the way. MEDIA_SPATIAL_MAX - 1 at first.
 */
CV_PUBLIC void media_pictures_set_top(struct media_pictures *b, uint8_t sid);

/*
 * Takes a copy of a unit. CV_EINVAL (not a picture, bad layer number, empty), CV_ELIMIT (too long), CV_EEXPIRED (its
 * picture was released already), CV_EREPLAY (there already), CV_ENOMEM.
 */
CV_PUBLIC int media_pictures_push(struct media_pictures *b, const struct media_unit *u, int64_t now_us) CV_NODISCARD;

/*
 * Gives the next picture that is complete, or that waited long enough, and is decodable. CV_EAGAIN when there is none
 * at `now_us`. Ownership of ret->data passes to the caller.
 */
CV_PUBLIC int media_pictures_pop(struct media_pictures *b, int64_t now_us, struct media_picture *ret) CV_NODISCARD;

/* When pop should be tried again although nothing arrives, INT64_MAX if never. */
CV_PUBLIC int64_t media_pictures_deadline(const struct media_pictures *b);

/* The caller's decoder failed on a picture that was handed out: withhold everything until a key picture. */
CV_PUBLIC void media_pictures_broken(struct media_pictures *b);

/*
 * True when a key picture is needed and it is time to ask for it (again): at once, then once per 500 ms until a key
 * picture came.
 */
CV_PUBLIC bool media_pictures_key_wanted(struct media_pictures *b, int64_t now_us);

CV_PUBLIC void media_pictures_stats(const struct media_pictures *b, struct media_pictures_stats *ret);

#endif
