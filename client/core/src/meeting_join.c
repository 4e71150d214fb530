/* SPDX-License-Identifier: Apache-2.0 */
/* The way in: asking the manager, connecting to the best relay, coming back. */
#include <stdio.h>
#include <string.h>

#include <base/alloc.h>
#include <base/text.h>
#include <base/time.h>
#include <client/signin.h>

#include "json.h"
#include "meeting_internal.h"

#define SIGNED_MAX    2048
#define CERTIFICATE_S 3600    /* renewed at joining when it lives shorter than this */
#define RETRY_US      1000000 /* between attempts to come back */
#define UNBEGUN_US    300000  /* before asking again for a run that somebody is beginning */
#define HANDSHAKE_US  8000000

/* ---- the manager */

struct ask_job {
	struct client_job job;
	struct client_meeting *m;
	struct client_error err;
	struct join_info info;
	struct trust_list *trust;
	struct client_cert cert[2];
	int result;
};

static int parse_relays(const json_t *list, struct join_info *info)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (info->n_relays == RELAYS_MAX)
			break;
		if (client_json_hex(item, "id", info->relays[info->n_relays], CLIENT_ID_LEN) != 0)
			return CV_EFORMAT;
		info->n_relays++;
	}
	return info->n_relays > 0 ? 0 : CV_ENOTFOUND;
}

static int parse_join(const json_t *j, struct join_info *info)
{
	const json_t *grant = json_object_get(j, "creation_grant");
	uint64_t switches = 0;
	int r;

	r = client_json_hex(j, "run_id", info->run_id, CLIENT_ID_LEN);
	if (r == 0)
		r = client_json_text_or_empty(json_object_get(j, "meeting"), "title", info->title, sizeof(info->title));
	if (r == 0)
		r = client_json_b64(j, "ticket", SIGNED_MAX, &info->ticket, &info->ticket_len);
	if (r == 0)
		r = client_json_b64(j, "admission", SIGNED_MAX, &info->admission, &info->admission_len);
	if (r == 0)
		r = client_json_b64_exact(j, "lobby_key", info->lobby_key, sizeof(info->lobby_key));
	if (r == 0 && grant != NULL && !json_is_null(grant))
		r = client_json_b64_value(grant, SIGNED_MAX, &info->grant, &info->grant_len);
	if (r == 0)
		r = client_json_uint(j, "switches", &switches);
	if (r == 0 && (switches & ~(uint64_t)PROTO_SWITCHES_ALL) != 0)
		r = CV_EFORMAT;
	info->switches = (uint8_t)switches;
	return r == 0 ? parse_relays(json_object_get(j, "relays"), info) : r;
}

/* The admission must be ours, or nobody would let us in. */
static int check_admission(const struct ask_job *a)
{
	const struct client_profile *p = a->m->profile;
	struct proto_admission adm;
	int r;

	r = proto_admission_open(a->info.admission, a->info.admission_len,
				 proto_trust_grant_signers(a->trust->trust.chain), &adm);
	if (r == 0 && (memcmp(adm.run_id, a->info.run_id, CLIENT_ID_LEN) != 0 ||
		       memcmp(adm.user_id, p->user_id, CLIENT_ID_LEN) != 0 ||
		       memcmp(adm.device_hash, p->device_hash, CLIENT_HASH_LEN) != 0))
		r = CV_EAUTH;
	return r;
}

static int ask(struct ask_job *a)
{
	struct client_meeting *m = a->m;
	char id[2 * CLIENT_ID_LEN + 1], path[128];
	json_t *body = json_object(), *answer = NULL;
	int r = 0;

	if (m->api == NULL) {
		struct client_trust trust;

		r = client_trust_load(m->profile, m->clock, &trust, &a->err);
		if (r == 0) {
			r = client_api_new(m->profile, &trust, m->clock, client_worker_cancel(m->http), &m->api,
					   &a->err);
			client_trust_done(&trust);
		}
	}
	if (r == 0)
		r = client_api_refresh_manifest(m->api, m->profile, &a->err);
	if (r == 0)
		r = client_renew_certificate(m->api, m->profile, m->clock, CERTIFICATE_S, &a->err);
	cv_hex_encode(id, m->meeting_id, CLIENT_ID_LEN);
	snprintf(path, sizeof(path), "/meetings/%s/join", id);
	if (r == 0)
		r = client_api_call(m->api, "POST", path, body, CLIENT_API_SET_CLOCK, &answer, &a->err);
	if (r == 0 && parse_join(answer, &a->info) != 0)
		r = client_fail(&a->err, CV_EFORMAT, CLIENT_SECURITY, "the manager's answer cannot be read");
	if (r == 0) {
		a->trust = cv_calloc(1, sizeof(*a->trust));
		r = a->trust != NULL ? client_trust_load(m->profile, m->clock, &a->trust->trust, &a->err) : CV_ENOMEM;
	}
	if (r == 0 && check_admission(a) != 0)
		r = client_fail(&a->err, CV_EAUTH, CLIENT_SECURITY, "the manager's admission is not valid");
	if (r == 0)
		memcpy(a->cert, m->profile->cert, sizeof(a->cert));
	if (r != 0)
		client_fail_code(&a->err, r, "join");
	json_decref(body);
	json_decref(answer);
	return r;
}

static void ask_run(struct client_job *job)
{
	struct ask_job *a = (struct ask_job *)job;

	a->result = ask(a);
}

static void take_answer(struct client_meeting *m, struct ask_job *a)
{
	bool other_run = m->joined && memcmp(m->info.run_id, a->info.run_id, CLIENT_ID_LEN) != 0;

	if (other_run) {
		client_meeting_over(m, CLIENT_DONE, "the meeting has ended");
		return;
	}
	client_join_info_done(&m->info);
	m->info = a->info;
	memset(&a->info, 0, sizeof(a->info));
	memcpy(m->cert, a->cert, sizeof(m->cert));
	a->trust->next = m->trusts;
	m->trusts = a->trust;
	a->trust = NULL;
	m->by_ticket = true;
	m->unbegun_us = 0;
	if (!m->joined)
		m->unix_offset_us = (int64_t)client_clock_now_us(m->clock) - cv_now_us();
	client_probe_start(m);
}

/* Nobody is left in the run, or nobody has begun it: when the manager has noticed too, there is another one. */
void client_join_again(struct client_meeting *m, const char *why)
{
	int64_t now = cv_now_us();

	client_join_cut(m);
	client_meeting_drop_group(m);
	if (m->again_us == 0)
		m->again_us = now;
	if (now - m->again_us > CLIENT_WELCOME_US) {
		client_meeting_over(m, CLIENT_UNREACHABLE, "%s", why);
		return;
	}
	m->phase = PHASE_UNBEGUN;
	cv_timer_set(&m->retry, UNBEGUN_US);
}

/* Several relays, and the client that begins the run has not said yet which one it took. */
static void unbegun(struct client_meeting *m)
{
	int64_t now = cv_now_us();

	if (m->unbegun_us == 0)
		m->unbegun_us = now;
	if (now - m->unbegun_us > CLIENT_WELCOME_US) {
		client_meeting_over(m, CLIENT_UNREACHABLE, "the meeting is being started, but does not begin");
		return;
	}
	m->phase = PHASE_UNBEGUN;
	cv_timer_set(&m->retry, UNBEGUN_US);
}

static void ask_done(struct client_job *job)
{
	struct ask_job *a = (struct ask_job *)job;
	struct client_meeting *m = a->m;

	m->asking = false;
	m->profile_dirty = true;
	if (m->phase != PHASE_ASKING) {
		/* Left, or ended, meanwhile. */
	} else if (a->result == 0) {
		take_answer(m, a);
	} else if (strcmp(a->err.problem, "not-begun") == 0) {
		unbegun(m);
	} else if (m->lost_us != 0 && a->err.outcome == CLIENT_UNREACHABLE && m->info.admission != NULL) {
		/* The manager is away too: the admission lets a member back in. */
		m->by_ticket = false;
		client_probe_start(m);
	} else {
		client_meeting_failed(m, &a->err);
	}
	client_join_info_done(&a->info);
	if (a->trust != NULL) {
		client_trust_done(&a->trust->trust);
		cv_free(a->trust);
	}
	cv_free(a);
}

void client_join_ask(struct client_meeting *m)
{
	struct ask_job *a = cv_calloc(1, sizeof(*a));

	m->phase = PHASE_ASKING;
	if (a == NULL) {
		client_meeting_over(m, CLIENT_UNREACHABLE, "out of memory");
		return;
	}
	a->job.run = ask_run;
	a->job.done = ask_done;
	a->m = m;
	m->asking = true;
	if (client_worker_submit(m->http, &a->job) != 0) {
		m->asking = false;
		cv_free(a);
		client_meeting_over(m, CLIENT_UNREACHABLE, "too much work waiting");
	}
}

/* ---- connecting */

void client_join_cut(struct client_meeting *m)
{
	net_tunnel_abort(m->tunnel);
	m->tunnel = NULL;
	m->open = false;
}

static int connect_to(struct client_meeting *m, size_t relay)
{
	struct net_connect_opts opts = {
		.tunnel = {.max_message = PROTO_HANDSHAKE_MAX, .handshake_timeout_us = HANDSHAKE_US}};
	struct net_pins pins;
	struct net_tls_client_opts tls = {.pins = &pins};
	const char *url;
	char host[256];
	int r;

	r = client_trust_relay(client_meeting_trust(m), m->info.relays[relay], &url, &pins);
	if (r == 0)
		r = client_probe_url(url, host, &opts.port);
	if (r != 0)
		return r;
	net_tls_client_free(m->tls);
	m->tls = NULL;
	r = net_tls_client_new(&tls, &m->tls);
	if (r != 0)
		return r;
	opts.host = host;
	opts.tls = m->tls;
	opts.proxy = net_proxy_from_env(host);
	opts.tunnel.queue_max[NET_CLASS_CONTROL] = PROTO_HANDSHAKE_MAX;
	return net_tunnel_connect(m->loop, &opts, &client_tunnel_callbacks, m, &m->tunnel);
}

void client_join_connect(struct client_meeting *m)
{
	client_join_cut(m);
	m->refused = false;
	while (m->at_order < m->n_order) {
		size_t relay = m->order[m->at_order++];

		m->phase = PHASE_CONNECTING;
		if (connect_to(m, relay) == 0)
			return;
	}
	if (m->lost_us != 0)
		client_join_lost(m, "no relay can be reached");
	else if (m->pin_failed)
		client_meeting_over(m, CLIENT_SECURITY,
				    "the relay shows a key that the organisation's manifest does not pin");
	else
		client_meeting_over(m, CLIENT_UNREACHABLE, "no relay can be reached");
}

void client_join_unpinned(struct client_meeting *m)
{
	m->pin_failed = true;
	if (!m->joined && m->at_order < m->n_order) {
		client_probe_unpinned(m, client_join_relay(m));
		client_join_connect(m);
		return;
	}
	client_meeting_over(m, CLIENT_SECURITY, "the relay shows a key that the organisation's manifest does not pin");
}

void client_join_settle(struct client_meeting *m)
{
	memcpy(m->home, m->info.relays[m->order[m->at_order - 1]], CLIENT_ID_LEN);
	m->home_known = true;
}

/* ---- coming back */

void client_join_lost(struct client_meeting *m, const char *why)
{
	int64_t now = cv_now_us();

	client_join_cut(m);
	if (m->lost_us == 0) {
		m->lost_us = now;
		client_meeting_tell(m, &(struct client_meeting_event){.kind = CLIENT_MEETING_LOST, .text = why});
	}
	if (now - m->lost_us >= CLIENT_LOST_US) {
		client_meeting_over(m, CLIENT_UNREACHABLE, "the relay is lost (%s), given up after 30 seconds", why);
		return;
	}
	m->phase = PHASE_PAUSE;
	cv_timer_set(&m->retry, now - m->lost_us < RETRY_US / 2 ? RETRY_US / 10 : RETRY_US);
}

void client_join_retry(void *arg)
{
	struct client_meeting *m = arg;

	if (m->phase == PHASE_PROBING) {
		client_probe_done(m);
		return;
	}
	if (m->phase == PHASE_UNBEGUN) {
		client_join_ask(m);
		return;
	}
	if (m->phase != PHASE_PAUSE)
		return;
	if (cv_now_us() - m->lost_us >= CLIENT_LOST_US)
		client_meeting_over(m, CLIENT_UNREACHABLE, "the relay is lost, given up after 30 seconds");
	else if (!m->asking)
		client_join_ask(m);
	else
		cv_timer_set(&m->retry, RETRY_US);
}

const char *client_join_relay(const struct client_meeting *m)
{
	const char *url = "";
	struct net_pins pins;

	if (m->at_order == 0 ||
	    client_trust_relay(client_meeting_trust(m), m->info.relays[m->order[m->at_order - 1]], &url, &pins) != 0)
		return "";
	return url;
}
