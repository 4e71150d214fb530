/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Encoded units to tunnel fragments and back: SFrame with the keys of the group's epochs (docs/protocol.md section 6).
 * Senders change to a new epoch's key with the next unit; receivers hold the old key for at most a second and units of
 * an epoch that is still to come for at most half a second. No sockets, no timers. Not thread safe.
 */
#ifndef CLIENT_MEDIA_H
#define CLIENT_MEDIA_H

#include <base/reader.h>
#include <net/tunnel.h>
#include <proto/media.h>

#include <client/group.h>

#define CLIENT_MEDIA_HELD_MAX       256             /* units of unknown epochs held at most */
#define CLIENT_MEDIA_HELD_BYTES_MAX (2u << 20)      /* and their bytes */
#define CLIENT_MEDIA_HELD_US        500000          /* and for how long */
#define CLIENT_MEDIA_KEY_OVERLAP_US 900000          /* how long an old epoch's receive key lives on */
#define CLIENT_MEDIA_STREAMS_EXTRA  64              /* reassemblers beyond three per member */
#define CLIENT_MEDIA_UNIT_MAX       (1024u * 1024u) /* codec bytes of one unit */

/* A unit as the codec gave it or will get it. */
struct client_unit {
	uint32_t leaf; /* received: who sent it */
	struct proto_media_header header;
	uint64_t capture_us; /* Unix microseconds, corrected clock */
	struct cv_span data; /* borrowed */
};

/* One tunnel message ready to go. */
struct client_fragment {
	enum net_class cls;
	uint64_t unit; /* unique per tunnel and class, not 0 */
	bool unit_end;
	struct cv_span head, payload; /* borrowed; kind byte first */
};

struct client_media_callbacks {
	/* A fragment to send. A negative result gives the rest of the unit up. */
	int (*send)(void *ctx, const struct client_fragment *f);
	/* A unit that was opened, from a member that holds the right. */
	void (*unit)(void *ctx, const struct client_unit *u);
	/* What comes under this leaf is damaged, forged or repeated. Once per stay; may be NULL. */
	void (*damaged)(void *ctx, uint32_t leaf);
	void *ctx;
};

struct client_media_stats {
	uint64_t sent, received;     /* units */
	uint64_t held, held_expired; /* of epochs still to come */
	uint64_t unopened;           /* no key any more, or damaged */
	uint64_t damaged;            /* wrong tag or header, replayed, malformed: not what a member has sent */
	uint64_t without_right;
};

struct client_media;

/* `group` is borrowed: for rights. CV_ENOMEM. */
CV_PUBLIC int client_media_new(const struct client_group *group, const struct client_media_callbacks *cb,
			       struct client_media **ret) CV_NODISCARD;
/* Wipes and frees. Takes NULL. */
CV_PUBLIC void client_media_free(struct client_media *m);
/*
 * A new epoch of the group has begun: senders take its key, receivers add it, held units that it opens are delivered.
 * `now_us`: any steady clock. CV_ECRYPTO, CV_EINVAL (not newer than the last, or of another suite than
 * it), CV_ENOMEM.
 */
CV_PUBLIC int client_media_epoch(struct client_media *m, uint64_t epoch, uint32_t leaf,
				 const struct client_base_key *base_key, int64_t now_us) CV_NODISCARD;
/* Wipes receive keys of epochs that ended long enough ago, forgets held units that waited too long. */
CV_PUBLIC void client_media_tick(struct client_media *m, int64_t now_us);
/* Wipes the sending keys: nothing can be sent until the next epoch. */
CV_PUBLIC void client_media_stop_sending(struct client_media *m);
/* Forgets what is under way from a leaf that left. */
CV_PUBLIC void client_media_forget(struct client_media *m, uint32_t leaf);
/* Seals and hands the fragments to the send callback. CV_ESTATE: no key; CV_ELIMIT; the callback's error. */
CV_PUBLIC int client_media_send(struct client_media *m, const struct proto_media_header *header, uint64_t capture_us,
				struct cv_span data) CV_NODISCARD;
/* Takes a tunnel message of kind media, kind byte first. Bad ones are counted and dropped: CV_EFORMAT etc. for logs. */
CV_PUBLIC int client_media_receive(struct client_media *m, const void *msg, size_t len, int64_t now_us) CV_NODISCARD;
CV_PUBLIC void client_media_stats(const struct client_media *m, struct client_media_stats *ret);

#endif
