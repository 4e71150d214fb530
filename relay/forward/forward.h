/* SPDX-License-Identifier: Apache-2.0 */
/* Forwarding of media and files: streams, subscriptions, transfers. */
#ifndef RELAY_FORWARD_H
#define RELAY_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <net/msg.h>
#include <proto/media.h>
#include <proto/message.h>

struct relay_conn;
struct relay_run;
struct member;

#define SPATIAL_LAYERS     8
#define NO_HOLD            0xff
#define OPEN_UNITS         8
#define KEY_INTERVAL_US    300000 /* at most one request for a key frame per stream in this time */
#define MEDIA_BURST        2      /* seconds of the rate */
#define RESYNC_BASE_US     200000 /* after a receiver lost the lowest layer */
#define RESYNC_UPPER_US    1000000
#define KEY_AGAIN_US       1000000 /* a key frame that was asked for may be lost on its way to us */
#define TRANSFERS_MAX      64      /* of one run */
#define TRANSFERS_OPEN_MAX 16      /* of one offerer */
#define TRANSFERS_JOIN_MAX 4       /* of one acceptor: each may have a window of chunks queued */

/* One receiver of one video stream. */
struct subscriber {
	struct relay_conn *conn;
	uint8_t max_spatial, max_temporal;
	int8_t current;               /* highest spatial layer that is whole at the receiver; -1: needs a key frame */
	uint8_t hold[SPATIAL_LAYERS]; /* temporal layers from here on wait for the next lowest one; NO_HOLD */
	uint32_t stamp;               /* of the Subscribe that named it last */
};

struct open_unit {
	bool used;
	uint32_t unit;
	uint8_t layer;
};

/* One published stream of a member. */
struct stream {
	bool active;
	uint8_t spatial_layers;
	uint8_t asked_layers; /* as published, with or without the right; 0: not published */
	struct subscriber *subs;
	size_t n_subs, cap_subs;
	struct open_unit units[OPEN_UNITS];
	size_t next_unit;
	bool sync; /* sync_frame is set */
	bool sync_is_key;
	uint32_t sync_frame; /* the picture that carried a key or a layer sync last */
	bool wanted_known, wanted, wanted_dirty;
	uint8_t wanted_spatial;
	bool key_pending;
	uint8_t key_spatial;
	int64_t key_us; /* when the last request was sent */
	bool key_sent;
	int64_t resync_us; /* when to ask for what receivers lost; 0: nothing */
};

/* A connection's own list, sorted as it was sent; the streams hold the working copies. */
struct subscriptions {
	struct subscription {
		uint16_t leaf;
		uint8_t stream, max_spatial, max_temporal;
	} * list;
	size_t n;
	uint32_t stamp;
};

struct acceptor {
	uint32_t leaf;
	uint32_t next_chunk; /* credit: all below have been received */
};

struct transfer {
	uint8_t id[PROTO_ID_LEN];
	uint32_t leaf; /* offerer */
	uint32_t chunks;
	struct acceptor *acceptors;
	size_t n_acceptors;
};

/* ---- kid.c: RFC 9605 section 4.3, KID and counter only. CV_ETRUNCATED, CV_EFORMAT (not minimal). */
int relay_kid_decode(const void *data, size_t len, uint64_t *ret_kid, uint64_t *ret_counter) CV_NODISCARD;

/* ---- media.c */
void conn_media(struct relay_conn *c, struct net_msg *m);
/* A receiver's transport gave a unit up: what depends on it is held back. */
void media_dropped(struct relay_conn *c, uint64_t unit);

/* ---- streams.c */
void conn_publish(struct relay_conn *c, const struct PB(Publish) * m);
void conn_subscribe(struct relay_conn *c, const struct PB(Subscribe) * m);
void conn_key_frame_request(struct relay_conn *c, const struct PB(KeyFrameRequest) * m);
/* Tells a newcomer of all active streams. */
void streams_tell(struct relay_conn *c);
/* Subscriptions that were made before the leaf existed take effect. */
void streams_adopt(struct member *m);
void streams_stop(struct member *m, uint32_t stream);
/* The member has gained the right: what it published already begins. */
void streams_allowed(struct member *m, uint32_t stream);
void streams_done(struct member *m);
/* Forgets a receiver everywhere. */
void subscriptions_done(struct relay_conn *c);
/* Receivers lost something: a key frame or layer sync is asked for after `delay_us`. */
void stream_resync(struct member *m, uint32_t stream, int64_t delay_us);
struct subscriber *stream_subscriber(struct stream *s, const struct relay_conn *c);
/* Asks the sender, at once or when KEY_INTERVAL_US has passed. spatial 0: a key frame. */
void stream_want_key(struct member *m, uint32_t stream, uint8_t spatial);
/* Wanted and postponed requests. */
void streams_tick(struct relay_run *run);
bool stream_right(const struct member *m, uint32_t stream);

/* ---- files.c */
void conn_file_open(struct relay_conn *c, const struct PB(FileOpen) * m);
void conn_file_join(struct relay_conn *c, const struct PB(FileJoin) * m);
void conn_file_stop(struct relay_conn *c, const struct PB(FileStop) * m);
void conn_file_credit(struct relay_conn *c, const struct PB(FileCredit) * m);
void conn_file_chunk(struct relay_conn *c, struct net_msg *m);
/* The leaf is gone: its transfers and its part in others end. */
void files_leaf_gone(struct relay_run *run, uint32_t leaf);
void files_done(struct relay_run *run);

#endif
