/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that can be wrong with a request, as RFC 9457 problem documents tell it. */
#ifndef MGR_DOMAIN_PROBLEM_H
#define MGR_DOMAIN_PROBLEM_H

#include <base/err.h>

/* Negative results of the manager's functions, beside the CV_E… ones (which become `server-error`). */
enum mgr_err {
	MGR_EREQUEST = -1000,     /* malformed request; the detail names the field */
	MGR_ELINKUNKNOWN = -1001, /* validation token */
	MGR_ELINKUSED = -1002,
	MGR_ELINKEXPIRED = -1003,
	MGR_ESIGNIN = -1004,    /* any failure of a sign-in */
	MGR_ETHROTTLED = -1005, /* too many attempts */
	MGR_ESESSION = -1006,   /* no valid access token */
	MGR_EPROOF = -1007,     /* DPoP proof missing or wrong */
	MGR_ENONCE = -1008,     /* DPoP nonce missing or stale */
	MGR_EFORBIDDEN = -1009,
	MGR_ENOTFOUND = -1010,
	MGR_EMETHOD = -1011,
	MGR_ENOTINVITED = -1012,
	MGR_ECANCELLED = -1013,
	MGR_EREMOVED = -1014, /* banned from this run */
	MGR_ERUNENDED = -1015,
	MGR_ENORELAY = -1016,
	MGR_EACCOUNT = -1017, /* the account exists */
	MGR_ELASTADMIN = -1018,
	MGR_ETOOLARGE = -1019,
	MGR_ELENGTH = -1020,
	MGR_EMEDIATYPE = -1021,
	MGR_ETOKEN = -1022,      /* relay enrolment */
	MGR_ECERT = -1023,       /* relay without certificate */
	MGR_EROOT = -1024,       /* the root key is needed and is not here */
	MGR_EDISABLED = -1025,   /* the account to act on is disabled */
	MGR_EFULL = -1026,       /* a limit of the deployment is reached */
	MGR_ESELF = -1027,       /* not on oneself */
	MGR_ENOTBEGUN = -1028,   /* the run has no relay yet */
	MGR_EOTHERRELAY = -1029, /* a report from a relay that is not the run's */
	MGR_EHTTP = -1030,       /* not a request at all */
	MGR_EHEADERS = -1031,    /* more headers than are read */
	MGR_EADDRESS = -1032,    /* path or query too long */
};

struct mgr_problem {
	int err;
	int status;
	const char *name; /* type is urn:conclave:problem:<name> */
	const char *title;
	const char *detail; /* says what to do */
};

/* Never NULL: what is not in the table is `server-error`. */
const struct mgr_problem *mgr_problem(int err);

#endif
