/* SPDX-License-Identifier: Apache-2.0 */
/* Which of the relays: all are asked at once, and taken in the order in which they answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <base/alloc.h>
#include <net/http.h>

#include "meeting_internal.h"

#define PROBE_MS      3000
#define PROBE_MORE_US 250000 /* once one relay has answered, the others have so much longer */
#define UNREACHED     INT64_MAX

struct probe_job {
	struct client_job job;
	struct client_meeting *m;
	size_t relay;
	unsigned round;
	char url[PROTO_URL_MAX + 16];
	struct net_pins pins;
	int64_t rtt;
	int error;
};

int client_probe_url(const char *url, char host[256], uint16_t *ret_port)
{
	const char *p = strstr(url, "://"), *end, *colon;
	unsigned long port = 443;
	size_t len;

	if (p == NULL || (strncmp(url, "wss://", 6) != 0 && strncmp(url, "https://", 8) != 0))
		return CV_EFORMAT;
	p += 3;
	end = p + strcspn(p, "/?#");
	if (*p == '[') {
		const char *close = memchr(p, ']', (size_t)(end - p));

		if (close == NULL)
			return CV_EFORMAT;
		colon = close + 1 < end && close[1] == ':' ? close + 1 : NULL;
		p++;
		len = (size_t)(close - p);
	} else {
		colon = memchr(p, ':', (size_t)(end - p));
		len = (size_t)((colon != NULL ? colon : end) - p);
	}
	if (colon != NULL)
		port = strtoul(colon + 1, NULL, 10);
	if (len == 0 || len > 255 || port == 0 || port > 65535)
		return CV_EFORMAT;
	memcpy(host, p, len);
	host[len] = '\0';
	*ret_port = (uint16_t)port;
	return 0;
}

static void probe_run(struct client_job *job)
{
	struct probe_job *p = (struct probe_job *)job;
	struct net_http_opts opts = {.pins = &p->pins, .timeout_ms = PROBE_MS, .connect_timeout_ms = PROBE_MS};
	struct net_http_call call = {.method = "GET", .url = p->url, .cancel = client_worker_cancel(job->worker)};
	struct net_http_result res;
	struct net_http *http;

	p->rtt = UNREACHED;
	if (net_http_new(&opts, &http) != 0)
		return;
	p->error = net_http_request(http, &call, &res);
	if (p->error == 0) {
		if (res.status == 204 || res.status == 200)
			p->rtt = res.first_byte_us - res.connect_us;
		net_http_result_done(&res);
	}
	net_http_free(http);
}

static void order_relays(struct client_meeting *m)
{
	m->n_order = 0;
	for (size_t i = 0; i < m->info.n_relays; i++) {
		size_t at = m->n_order;

		/* A member's run stays where it is. */
		if (m->unpinned[i] || (m->home_known && memcmp(m->info.relays[i], m->home, CLIENT_ID_LEN) != 0))
			continue;
		m->n_order++;
		while (at > 0 && m->rtt[m->order[at - 1]] > m->rtt[i]) {
			m->order[at] = m->order[at - 1];
			at--;
		}
		m->order[at] = i;
	}
	m->at_order = 0;
}

void client_probe_unpinned(struct client_meeting *m, const char *url)
{
	client_meeting_warn(m, "%s shows a key that the organisation's manifest does not pin: this relay is not used",
			    url);
}

void client_probe_done(struct client_meeting *m)
{
	cv_timer_stop(&m->retry);
	order_relays(m);
	client_join_connect(m);
}

static void probe_done(struct client_job *job)
{
	struct probe_job *p = (struct probe_job *)job;
	struct client_meeting *m = p->m;

	/* Told even when it comes too late to matter: somebody is between us and that relay. */
	if (p->error == CV_EPIN && m->phase != PHASE_ENDED)
		client_probe_unpinned(m, p->url);
	if (p->round == m->probe_round && m->phase == PHASE_PROBING) {
		m->rtt[p->relay] = p->rtt;
		m->unpinned[p->relay] = p->error == CV_EPIN;
		m->pin_failed = m->pin_failed || p->error == CV_EPIN;
		if (--m->probes == 0)
			client_probe_done(m);
		else if (p->rtt != UNREACHED && !cv_timer_running(&m->retry))
			cv_timer_set(&m->retry, PROBE_MORE_US);
	}
	cv_free(p);
}

void client_probe_start(struct client_meeting *m)
{
	m->phase = PHASE_PROBING;
	m->probes = 0;
	m->probe_round++;
	m->pin_failed = false;
	cv_timer_stop(&m->retry);
	memset(m->rtt, 0, sizeof(m->rtt));
	memset(m->unpinned, 0, sizeof(m->unpinned));
	/* With one relay there is nothing to choose. */
	for (size_t i = 0; m->info.n_relays > 1 && !m->home_known && i < m->info.n_relays; i++) {
		struct probe_job *p = cv_calloc(1, sizeof(*p));
		const char *url = NULL;
		char host[256];
		uint16_t port;

		m->rtt[i] = UNREACHED;
		if (p == NULL || client_trust_relay(client_meeting_trust(m), m->info.relays[i], &url, &p->pins) != 0 ||
		    client_probe_url(url, host, &port) != 0) {
			cv_free(p);
			continue;
		}
		snprintf(p->url, sizeof(p->url),
			 strchr(host, ':') != NULL ? "https://[%s]:%u/probe" : "https://%s:%u/probe", host, port);
		p->job.run = probe_run;
		p->job.done = probe_done;
		p->m = m;
		p->relay = i;
		p->round = m->probe_round;
		if (client_worker_submit(m->cpu, &p->job) != 0)
			cv_free(p);
		else
			m->probes++;
	}
	if (m->probes == 0)
		client_probe_done(m);
}
