/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tunnel: binary messages over WebSocket (RFC 6455, subprotocol conclave.tunnel.1) over TLS over TCP, non-blocking,
 * on a cv_loop. SIGPIPE must be ignored (cv_process_harden). Both sides look the same; the relay's side comes from
 * net/server.h. Loop thread only.
 *
 * Life: connect (or a server's on_tunnel) gives the tunnel; on_open once it may carry messages; then messages; on_close
 * exactly once, as the last callback. The tunnel frees itself after on_close has returned. net_tunnel_abort frees it
 * without further callbacks.
 *
 * Order of service. Each message belongs to a class; within one class order is kept, and a lower class number goes
 * first whenever the connection takes more bytes. Writing is put off to the end of the loop's turn and gathers what is
 * queued into few TLS records. On a congested path the classes below audio are given no more than it carries in its
 * least round trip plus 60 ms, so that a late audio message overtakes queued video. A message is never interleaved with
 * another: keep messages of the low classes at or below NET_FRAGMENT_SIZE.
 *
 * Video (base and upper) is dropped by whole units (one spatial/temporal layer of one frame; the sender's or relay's
 * choice, named by a 64-bit number that is unique per tunnel and class for as long as it is queued):
 *  - a unit of which nothing has been written is dropped as a whole when its first message is older than video_max_age;
 *  - a unit of which something has been written is finished, unless it gets older than twice that: then its rest is
 *    dropped;
 *  - a unit that does not fit into the queue's maximum is dropped as a whole, its messages that are still to come too;
 *  - on_drop names each dropped unit once, so that its dependents can be left out.
 * Nothing is dropped after it has been encrypted. Control, handshake and audio are never dropped: when their queue
 * passes its maximum the tunnel closes with CV_ELIMIT. Application and file messages are refused with CV_EAGAIN while
 * their queue is full; on_drained tells when there is room.
 * So that an endless picture on a narrow link does not silence the group, one waiting application message per second
 * goes before video.
 */
#ifndef NET_TUNNEL_H
#define NET_TUNNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <base/loop.h>
#include <net/msg.h>
#include <net/tls.h>

#define NET_SUBPROTOCOL   "conclave.tunnel.1"
#define NET_FRAGMENT_SIZE 4096 /* largest message that should be sent in the classes below audio */
#define NET_HEAD_MAX      32   /* per-receiver bytes before a shared message */

enum net_class {
	NET_CLASS_CONTROL, /* control and handshake */
	NET_CLASS_AUDIO,
	NET_CLASS_BASE,  /* video, lowest spatial layer */
	NET_CLASS_UPPER, /* video, other layers */
	NET_CLASS_APP,
	NET_CLASS_FILE,
};
#define NET_CLASSES 6

/* Limits and times; a zero means the default. */
struct net_tunnel_opts {
	size_t max_message;            /* received message, bytes with kind; default 1 MiB. Above: closes, 1009 */
	size_t max_handshake;          /* the same for kind 2 (handshake); default 16 MiB */
	size_t queue_max[NET_CLASSES]; /* bytes; default 32, 1, 4, 4, 4 and 1 MiB */
	int64_t video_max_age_us;      /* default 250 ms */
	int64_t handshake_timeout_us;  /* TCP, TLS and upgrade; default 10 s */
	int64_t ping_interval_us;      /* default 5 s */
	int64_t dead_after_us;         /* nothing received for so long: CV_ETIMEOUT; default 20 s */
};

struct net_tunnel;

struct net_tunnel_cbs {
	void (*on_open)(void *arg, struct net_tunnel *t);
	/* `m` is borrowed: net_msg_ref to keep it (and to queue it elsewhere). m->len >= 1, m->data[0] is the kind. */
	void (*on_message)(void *arg, struct net_tunnel *t, struct net_msg *m);
	/* The queue of a class that has refused a message (CV_EAGAIN) is down to half. May be NULL. */
	void (*on_drained)(void *arg, struct net_tunnel *t, enum net_class cls);
	/* A video unit was dropped after its first message had been accepted. May be NULL. */
	void (*on_drop)(void *arg, struct net_tunnel *t, enum net_class cls, uint64_t unit);
	/*
	 * The end. 0: closed by net_tunnel_close; CV_ECLOSED by the peer (see net_tunnel_close_code); CV_EPIN, CV_EAUTH
	 * (the peer's certificate, or ours refused); CV_ETIMEOUT; CV_EIO unreachable or broken; CV_EFORMAT not the
	 * protocol; CV_EUNSUPPORTED no common TLS version; CV_EDENIED the server refused the upgrade
	 * (net_tunnel_http_status); CV_ELIMIT; CV_ENOMEM.
	 */
	void (*on_close)(void *arg, struct net_tunnel *t, int err);
};

struct net_connect_opts {
	const char *host; /* name or address */
	uint16_t port;
	const char *path; /* default "/tunnel" */
	struct net_tls_client *tls;
	const char *server_name; /* SNI and Host header; default: host */
	const char *proxy;       /* "host:port" or "http://user:password@host:port", crossed with CONNECT; NULL: none */
	struct net_tunnel_opts tunnel;
};

/*
 * Starts connecting (name resolution runs on a thread of its own). Errors that show at once are returned and give no
 * callback; later ones come by on_close. `cbs` is copied, the strings too, the context is kept.
 */
CV_PUBLIC int net_tunnel_connect(struct cv_loop *loop, const struct net_connect_opts *opts,
				 const struct net_tunnel_cbs *cbs, void *arg,
				 struct net_tunnel **ret_tunnel) CV_NODISCARD;

/*
 * The proxy that the environment names (https_proxy, HTTPS_PROXY) for this host, NULL when it names none or excepts the
 * host (no_proxy, NO_PROXY: names and the domains below them, or "*"). Borrowed from the environment.
 */
CV_PUBLIC const char *net_proxy_from_env(const char *host);

/* Server side, in or after on_tunnel: who gets the callbacks from now on. */
CV_PUBLIC void net_tunnel_set_cbs(struct net_tunnel *t, const struct net_tunnel_cbs *cbs, void *arg);

struct net_send {
	enum net_class cls;
	struct net_msg *msg; /* a reference is taken when the message is accepted */
	size_t skip;         /* bytes of msg left out at its front */
	uint8_t head_len;    /* bytes of head sent in their place; the kind is the first byte of the result */
	uint8_t head[NET_HEAD_MAX];
	uint64_t unit; /* video classes: the unit's number; else ignored */
	bool unit_end; /* video classes: the unit's last message */
};

/*
 * Queues a message. 0; CV_ESTATE before on_open and after closing began; CV_EAGAIN (application, file: full, nothing
 * queued); CV_ELIMIT (control, audio: the tunnel closes; video: the unit does not fit and is dropped); CV_EEXPIRED
 * (video: the unit has been dropped already); CV_EINVAL; CV_ENOMEM. Never calls back from inside.
 */
CV_PUBLIC int net_tunnel_send(struct net_tunnel *t, const struct net_send *s) CV_NODISCARD;
/* Kind and payload copied into a message of its own, for the classes without units. */
CV_PUBLIC int net_tunnel_send_bytes(struct net_tunnel *t, enum net_class cls, uint8_t kind, const void *payload,
				    size_t len) CV_NODISCARD;

/* Bytes queued in a class, not yet handed to TLS. */
CV_PUBLIC size_t net_tunnel_queued(const struct net_tunnel *t, enum net_class cls);

/* Other limits for received messages from the next one on: a server allows a peer little until it knows who it is. */
CV_PUBLIC void net_tunnel_set_limits(struct net_tunnel *t, size_t max_message, size_t max_handshake);

/* Stops and resumes reading (back-pressure onto the peer by TCP); what was read already (some 16 KB) is still
 * delivered. While paused the peer is not taken for dead. */
CV_PUBLIC void net_tunnel_pause(struct net_tunnel *t, bool paused);

/* Writes what is queued in control, then a close frame with `code` (RFC 6455 section 7.4; 1000 normal, 4000-4999 ours),
 * waits at most 2 s for the answer; on_close(0). Harmless when already closing. */
CV_PUBLIC void net_tunnel_close(struct net_tunnel *t, uint16_t code);
/* Frees at once, no callbacks, not on_close either. Allowed in every callback but on_close. Takes NULL. */
CV_PUBLIC void net_tunnel_abort(struct net_tunnel *t);

/* Code of the peer's close frame (1005 none), and the HTTP status of a refused upgrade (0 none). For on_close. */
CV_PUBLIC uint16_t net_tunnel_close_code(const struct net_tunnel *t);
CV_PUBLIC int net_tunnel_http_status(const struct net_tunnel *t);

struct net_tunnel_stats {
	uint64_t bytes_in, bytes_out; /* WebSocket bytes, before TLS */
	uint64_t messages_in, messages_out;
	uint64_t writes; /* TLS records written */
	uint64_t units_dropped;
	int64_t ping_rtt_us; /* last ping, -1 none yet */
	uint32_t tcp_rtt_us, tcp_min_rtt_us;
	uint64_t rate; /* estimated bytes per second of the path, 0 unknown */
};
CV_PUBLIC void net_tunnel_get_stats(struct net_tunnel *t, struct net_tunnel_stats *ret_stats);

struct net_peer {
	char address[64]; /* numeric, "192.0.2.1" or "2001:db8::1" */
	uint16_t port;
	char tls[16]; /* "TLSv1.3" */
	char cipher[48];
	bool resumed;
	bool has_cert;      /* the peer showed a certificate that the authority vouches for (server side) */
	char cert_cn[64];   /* its common name */
	struct net_pin pin; /* of the peer's certificate, when there is one */
};
CV_PUBLIC void net_tunnel_get_peer(const struct net_tunnel *t, struct net_peer *ret_peer);

#endif
