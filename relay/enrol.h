/* SPDX-License-Identifier: Apache-2.0 */
/* `conclave-relay enrol`: makes the relay's keys and lets the manager certify them. */
#ifndef RELAY_ENROL_H
#define RELAY_ENROL_H

#include <base/err.h>

struct relay_enrol {
	const char *manager; /* https://host:port of the manager's listener for relays */
	const char *pin;     /* of that listener, base64url */
	const char *token;
	const char *url; /* where clients reach this relay */
	const char *listen;
	const char *data;     /* folder; made when missing */
	const char *config;   /* written; must not exist */
	const char *tls_cert; /* NULL: self-issued in the data folder */
	const char *tls_key;
};

/* 0, or CV_E… after a line on standard error. */
int relay_enrol_run(const struct relay_enrol *e) CV_NODISCARD;

#endif
