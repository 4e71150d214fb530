/* SPDX-License-Identifier: Apache-2.0 */
/* Shared between the files of the net library only. */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <base/buf.h>
#include <base/loop.h>
#include <base/reader.h>
#include <net/server.h>
#include <net/tls.h>
#include <net/tunnel.h>

/* ---- sock.c ---- */

struct net_sock_info {
	uint32_t rtt_us, min_rtt_us;
	uint64_t rate;    /* bytes per second delivered; a lower bound while app_limited */
	uint64_t backlog; /* bytes written and not yet acknowledged */
	uint64_t acked;   /* bytes acknowledged so far */
	bool app_limited;
};

void net_sock_tune(int fd);
void net_sock_set_lowat(int fd, unsigned bytes);
int net_sock_info(int fd, struct net_sock_info *ret_info) CV_NODISCARD;
void net_sock_address(const struct sockaddr_storage *sa, char *dst, size_t size, uint16_t *ret_port);
int net_sock_listen(const char *address, uint16_t port, bool reuse_port, int *ret_fd, uint16_t *ret_port) CV_NODISCARD;
/* Starts a non-blocking connect. */
int net_sock_connect(const struct sockaddr_storage *sa, socklen_t len, int *ret_fd) CV_NODISCARD;

/* ---- resolve.c ---- */

#define NET_ADDRESSES_MAX 8

struct net_addresses {
	struct sockaddr_storage sa[NET_ADDRESSES_MAX];
	socklen_t len[NET_ADDRESSES_MAX];
	size_t count;
};

struct net_resolve;
/* Resolves on a thread of its own; cb on the loop, unless cancelled. A numeric host is answered at once by
 * net_resolve_numeric. */
int net_resolve_start(struct cv_loop *loop, const char *host, uint16_t port,
		      void (*cb)(void *arg, int err, const struct net_addresses *a), void *arg,
		      struct net_resolve **ret_resolve) CV_NODISCARD;
int net_resolve_numeric(const char *host, uint16_t port, struct net_addresses *ret_addresses) CV_NODISCARD;
/* Takes NULL. Frees; no callback after it. Call it from the callback too. */
void net_resolve_cancel(struct net_resolve *r);

/* ---- http_head.c ---- */

struct net_http_header {
	const char *name, *value;
};

/* The head of a request or response, NUL-terminated pieces of one owned copy. */
struct net_http_head {
	char *text;
	const char *method, *path, *query; /* request */
	int status;                        /* response */
	struct net_http_header headers[NET_HTTP_HEADERS_MAX];
	size_t count;
};

/*
 * Parses a head from the front of `data`. CV_EAGAIN: not complete; CV_ELIMIT: longer than NET_HTTP_HEAD_MAX or too many
 * headers; CV_EFORMAT; CV_ENOMEM. `*ret_used`: bytes of the head.
 */
int net_http_request_parse(const uint8_t *data, size_t len, struct net_http_head *ret_head,
			   size_t *ret_used) CV_NODISCARD;
int net_http_response_parse(const uint8_t *data, size_t len, struct net_http_head *ret_head,
			    size_t *ret_used) CV_NODISCARD;
void net_http_head_done(struct net_http_head *h);
const char *net_http_header(const struct net_http_head *h, const char *name);
size_t net_http_header_count(const struct net_http_head *h, const char *name);
/* Whether a comma-separated header (all its occurrences) lists a token, any case. */
bool net_http_has_token(const struct net_http_head *h, const char *name, const char *token);
/* Content-Length: 0 when absent. CV_EFORMAT, CV_ELIMIT above max, CV_EUNSUPPORTED for a transfer coding. */
int net_http_body_length(const struct net_http_head *h, size_t max, size_t *ret_len) CV_NODISCARD;
const char *net_http_reason(int status);

/* ---- ws.c: RFC 6455 framing ---- */

enum net_ws_opcode {
	NET_WS_CONTINUATION = 0,
	NET_WS_TEXT = 1,
	NET_WS_BINARY = 2,
	NET_WS_CLOSE = 8,
	NET_WS_PING = 9,
	NET_WS_PONG = 10,
};

#define NET_WS_HEADER_MAX  14
#define NET_WS_CONTROL_MAX 125
#define NET_KIND_HANDSHAKE 2

struct net_ws_decoder {
	bool expect_mask; /* on the server's side */
	size_t max_message, max_handshake;
	/* A finished message, borrowed; a control frame. Anything but 0 stops the decoder with that result. */
	int (*on_message)(void *arg, struct net_msg *m);
	int (*on_control)(void *arg, enum net_ws_opcode opcode, const uint8_t *data, size_t len);
	void *arg;

	uint8_t header[NET_WS_HEADER_MAX];
	size_t header_have;
	bool in_payload, fin;
	enum net_ws_opcode opcode;
	uint64_t left; /* of the frame's payload */
	uint8_t mask[4];
	unsigned mask_pos;
	uint8_t control[NET_WS_CONTROL_MAX];
	size_t control_len;
	struct net_msg *msg; /* under construction */
	size_t msg_len, msg_cap;
	bool in_message; /* a first frame without FIN has been seen */
};

void net_ws_decoder_init(struct net_ws_decoder *d, bool expect_mask, size_t max_message, size_t max_handshake);
void net_ws_decoder_done(struct net_ws_decoder *d);
/* CV_EFORMAT (close 1002), CV_ELIMIT (1009), CV_ENOMEM, or what a callback returned. Not to be fed after a failure. */
int net_ws_feed(struct net_ws_decoder *d, const uint8_t *data, size_t len) CV_NODISCARD;
/* Writes a final frame's header, with a mask unless NULL. Returns its size, at most NET_WS_HEADER_MAX. */
size_t net_ws_header(uint8_t *dst, enum net_ws_opcode opcode, size_t len, const uint8_t mask[4]);
/* dst ^= mask, beginning at position `pos` of the payload. */
void net_ws_mask(uint8_t *dst, size_t len, const uint8_t mask[4], size_t pos);
/* Sec-WebSocket-Accept for a key; dst holds 29 bytes. */
int net_ws_accept(const char *key, char dst[29]) CV_NODISCARD;
/* A fresh Sec-WebSocket-Key; dst holds 25 bytes. */
int net_ws_key(char dst[25]) CV_NODISCARD;
/* Whether a key is 16 bytes of base64. */
bool net_ws_key_valid(const char *key);

/* ---- tls.c ---- */

struct net_tls_server {
	SSL_CTX *ctx;
	char *cert_file, *key_file, *ca_file;
	bool require_client, allow_tls12;
};

struct net_tls_client {
	unsigned refs;
	SSL_CTX *ctx;
	struct net_pins pins;
	bool has_ca;
	SSL_SESSION *session;
};

/* A connection's SSL over `fd`. The client's holds a reference to the context. */
int net_tls_accept(struct net_tls_server *s, int fd, SSL **ret_ssl) CV_NODISCARD;
int net_tls_connect(struct net_tls_client *c, int fd, const char *name, SSL **ret_ssl) CV_NODISCARD;
struct net_tls_client *net_tls_client_ref(struct net_tls_client *c);
/* One step. 0 done (and the peer is the right one), CV_EAGAIN with *ret_want = CV_LOOP_READ or _WRITE; CV_EPIN,
 * CV_EAUTH, CV_EUNSUPPORTED (no common version), CV_ECLOSED, CV_EIO, CV_EFORMAT. */
int net_tls_handshake(SSL *ssl, unsigned *ret_want) CV_NODISCARD;
/* Result of a failed SSL_read/SSL_write; as above. */
int net_tls_error(SSL *ssl, int ret, unsigned *ret_want) CV_NODISCARD;
void net_tls_peer(SSL *ssl, struct net_peer *peer);
int net_spki_pin(X509 *cert, struct net_pin *ret_pin) CV_NODISCARD;

/* ---- queue.c ---- */

#define NET_UNITS_MAX 256 /* video units known to a queue at once */

struct net_entry {
	struct net_msg *msg; /* owned reference; NULL: dropped */
	size_t skip;
	uint8_t head_len;
	bool unit_end;
	uint8_t head[NET_HEAD_MAX];
	uint64_t unit;
	int64_t at_us;
};

struct net_unit {
	uint64_t id;
	int64_t first_us;
	size_t queued; /* messages */
	bool started, dead, ended, notify;
};

struct net_queue {
	struct net_entry *ring;
	size_t head, count, cap;
	size_t bytes, max;
	bool video;
	bool refused; /* a CV_EAGAIN has been given since it was last down to half */
	struct net_unit *units;
	size_t unit_count, unit_cap;
	bool notify; /* some unit wants on_drop */
	uint64_t units_dropped;
};

void net_queue_init(struct net_queue *q, bool video, size_t max);
void net_queue_done(struct net_queue *q);
/* Queues, taking a reference. CV_ELIMIT, CV_EEXPIRED, CV_ENOMEM as net_tunnel_send tells. */
int net_queue_put(struct net_queue *q, const struct net_send *s, int64_t now, int64_t max_age) CV_NODISCARD;
/* The next message, the reference with it; false when there is none. Drops stale units on the way. */
bool net_queue_pop(struct net_queue *q, int64_t now, int64_t max_age, struct net_entry *ret_entry);
/* Age of the oldest message, -1 when empty. */
int64_t net_queue_age(const struct net_queue *q, int64_t now);
/* A dropped unit that has not been told of yet. */
bool net_queue_dropped(struct net_queue *q, uint64_t *ret_unit);
static inline size_t net_entry_size(const struct net_entry *e)
{
	return e->head_len + e->msg->len - e->skip;
}

/* ---- tunnel*.c ---- */

enum net_state {
	NET_RESOLVING,
	NET_CONNECTING,
	NET_PROXY,   /* CONNECT sent */
	NET_TLS,     /* handshake */
	NET_UPGRADE, /* client: request sent; server: answer being written */
	NET_OPEN,
	NET_CLOSING, /* our close frame is queued or sent */
	NET_DEAD,    /* on_close is due */
};

#define NET_CHUNK_MAX 16384 /* one TLS record */
#define NET_CHUNK_MIN 1400
#define NET_READ_SIZE 16384
#define NET_MASKS     64

struct net_connector; /* client only: what is needed until the tunnel is open */

struct net_tunnel {
	struct cv_loop *loop;
	struct net_tunnel_cbs cbs;
	void *arg;
	struct net_tunnel_opts opts;
	enum net_state state;
	bool client;
	int busy;     /* callbacks of ours on the stack */
	bool aborted; /* free when the stack is left */

	int fd;
	SSL *ssl;
	struct net_tls_client *tls;
	struct cv_fd watch;
	struct cv_deferred flush, more, end;
	struct cv_timer timer; /* handshake, keepalive, close */
	struct cv_timer gate;  /* video admission; while connecting, the next address */
	struct net_peer peer;
	struct net_connector *conn;
	struct cv_buf head; /* HTTP head being read, or bytes after it */

	bool paused;
	unsigned read_want, write_want; /* what TLS waits for */
	struct net_ws_decoder dec;
	int64_t last_in_us;

	struct net_queue queue[NET_CLASSES];
	uint8_t *wbuf; /* handed to SSL_write as it is until that succeeds */
	size_t wlen;
	struct net_entry cur; /* message being copied; msg NULL: none */
	size_t cur_off;
	uint8_t cur_mask[4];
	uint8_t masks[NET_MASKS * 4];
	size_t mask_next;
	int64_t app_granted_us;

	bool pong_due, ping_due, close_due, close_sent, peer_closed;
	bool deaf; /* the decoder has failed: what still comes is thrown away */
	uint8_t pong[NET_WS_CONTROL_MAX];
	size_t pong_len;
	int64_t ping_sent_us;
	uint64_t ping_id;
	uint16_t close_code, peer_code;
	int end_err;
	int http_status;

	int64_t blocked_us, info_us; /* when the kernel last refused, when it was last asked */
	struct net_sock_info info;
	uint64_t rate;
	int64_t credit;    /* bytes below audio that may still be written on a congested path */
	int64_t window_us; /* start of the rate's present sample */
	uint64_t window_acked;
	bool window_gated; /* something was held back in it */
	bool rate_exact;   /* the last sample was no lower bound */
	bool small_lowat;
	struct net_tunnel_stats stats;

	void (*on_free)(void *owner, struct net_tunnel *t);
	void *owner;
	struct net_tunnel *next, *prev; /* the server's list */
};

int net_tunnel_new(struct cv_loop *loop, const struct net_tunnel_opts *opts, bool client,
		   struct net_tunnel **ret_tunnel) CV_NODISCARD;
/* Server: takes fd and ssl, writes the answer (text) and opens. The bytes after the request's head are the first ones
 * read. On failure fd and ssl stay the caller's. */
int net_tunnel_adopt(struct net_tunnel *t, int fd, SSL *ssl, const struct net_peer *peer, const char *answer,
		     const uint8_t *rest, size_t rest_len) CV_NODISCARD;
void net_tunnel_enter(struct net_tunnel *t);
void net_tunnel_leave(struct net_tunnel *t);
/* The end with `err`: everything is shut, on_close comes at the end of the turn. */
void net_tunnel_fail(struct net_tunnel *t, int err);
/* Close frame, then the end with `err`. */
void net_tunnel_close_with(struct net_tunnel *t, uint16_t code, int err);
void net_tunnel_opened(struct net_tunnel *t);
void net_tunnel_on_io(void *arg, unsigned events);
void net_tunnel_on_flush(void *arg);
void net_tunnel_on_more(void *arg);
void net_tunnel_update_interest(struct net_tunnel *t);

/* ---- connect.c ---- */

void net_connector_free(struct net_connector *c);
/* Events before the tunnel is open. */
void net_connect_on_io(struct net_tunnel *t, unsigned events);
void net_connect_on_gate(struct net_tunnel *t);

/* ---- path.c ---- */

/* Asks the kernel again when what is known is older than `max_age`. */
void net_tunnel_refresh_info(struct net_tunnel *t, int64_t now, int64_t max_age);
/* Whether anything below audio may be written. When not, the tunnel's gate will ask again. */
bool net_tunnel_may_write(struct net_tunnel *t, int64_t now);
/* Bytes per record: small where a full one would take long. */
size_t net_tunnel_chunk_size(struct net_tunnel *t, int64_t now);

/* ---- tunnel_io.c ---- */

/* Reads and handles what is there, also while paused when `force`. */
void net_tunnel_read(struct net_tunnel *t, bool force);
/* Gives received bytes to the decoder. */
void net_tunnel_feed(struct net_tunnel *t, const uint8_t *data, size_t len);
void net_tunnel_decoder_init(struct net_tunnel *t);

#endif
