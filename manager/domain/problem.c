/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#include "domain/problem.h"

static const struct mgr_problem problems[] = {
	{MGR_EREQUEST, 400, "bad-request", "The request is malformed", "Correct the named field and send it again."},
	{MGR_ELINKUNKNOWN, 404, "link-unknown", "This validation link is not known",
	 "Check that the whole link was copied; otherwise ask an administrator for a new one."},
	{MGR_ELINKUSED, 410, "link-used", "This validation link has been used already",
	 "Sign in with the password chosen then, or ask an administrator for a new link."},
	{MGR_ELINKEXPIRED, 410, "link-expired", "This validation link has expired",
	 "Ask an administrator for a new link."},
	{MGR_ESIGNIN, 401, "sign-in-failed", "Sign-in failed", "Check the e-mail address and the password."},
	{MGR_ETHROTTLED, 429, "too-many-attempts", "Too many attempts",
	 "Wait as long as Retry-After says, then try again."},
	{MGR_ESESSION, 401, "not-signed-in", "Not signed in", "Sign in and repeat the request."},
	{MGR_EPROOF, 401, "proof-invalid", "The DPoP proof is missing or does not fit this request",
	 "Make a fresh proof with the device key; check method, address, clock and access token hash."},
	{MGR_ENONCE, 401, "use_dpop_nonce", "The DPoP proof needs the server's present nonce",
	 "Repeat the request with a proof that carries the nonce of the DPoP-Nonce header."},
	{MGR_EFORBIDDEN, 403, "forbidden", "Your role does not allow this",
	 "Ask an organiser of the meeting or an administrator."},
	{MGR_ENOTFOUND, 404, "not-found", "There is no such thing", "Check the identifier."},
	{MGR_EMETHOD, 405, "method-not-allowed", "This method is not possible here", "See the Allow header."},
	{MGR_ENOTINVITED, 403, "not-invited", "You are not invited to this meeting",
	 "Ask the meeting's organiser to invite you."},
	{MGR_ECANCELLED, 409, "meeting-cancelled", "This meeting has been cancelled",
	 "Ask its organiser for another one."},
	{MGR_EREMOVED, 403, "removed", "You have been removed from this meeting",
	 "Ask the organiser; a restarted meeting lets you in again if you are still invited."},
	{MGR_ERUNENDED, 409, "run-ended", "This run of the meeting has ended",
	 "Join the meeting again to start another."},
	{MGR_ENORELAY, 503, "no-relay", "No relay is enrolled",
	 "An administrator enrols one with conclave-manager relay-token."},
	{MGR_ENOTBEGUN, 503, "not-begun", "The meeting is just being started",
	 "Ask again in a moment: somebody else is choosing its relay."},
	{MGR_EOTHERRELAY, 409, "other-relay", "This run of the meeting is on another relay", "Join the meeting again."},
	{MGR_EACCOUNT, 409, "account-exists", "There is an account with this e-mail address",
	 "Use the existing account."},
	{MGR_ELASTADMIN, 409, "last-administrator", "This is the last administrator",
	 "Make somebody else an administrator first."},
	{MGR_ETOOLARGE, 413, "too-large", "The request is too large", "Request bodies are at most 64 KiB."},
	{MGR_EHTTP, 400, "not-http", "This is not a valid HTTP request",
	 "Send HTTP/1.1 as RFC 9112 describes it: a known method, a path, Host, at most one Content-Length, no "
	 "Upgrade."},
	{MGR_EHEADERS, 431, "headers-too-large", "The headers are too large",
	 "All headers of a request together are at most 8 KiB."},
	{MGR_EADDRESS, 414, "address-too-long", "The address is too long",
	 "Path and query are at most 511 bytes each."},
	{MGR_ELENGTH, 411, "length-required", "The length of the body is missing", "Send Content-Length."},
	{MGR_EMEDIATYPE, 415, "unsupported-media-type", "The body must be JSON",
	 "Send Content-Type: application/json."},
	{MGR_ETOKEN, 403, "token-refused", "The enrolment token is unknown, used or expired",
	 "Make another with conclave-manager relay-token."},
	{MGR_ECERT, 401, "certificate-required", "A relay's certificate is needed here",
	 "Enrol the relay; an enrolment that was replaced by a newer one is no longer valid."},
	{MGR_EROOT, 503, "root-key-away", "The organisation's root key is not on this server",
	 "An administrator brings it back or runs conclave-manager sign-manifest with it."},
	{MGR_EDISABLED, 409, "account-disabled", "This account is disabled", "An administrator can enable it again."},
	{MGR_EFULL, 409, "limit-reached", "A limit of this organisation is reached",
	 "See the limits in the documentation."},
	{MGR_ESELF, 409, "not-on-yourself", "This cannot be done to your own account", "Ask another administrator."},
};

static const struct mgr_problem internal = {0, 500, "server-error", "The server could not do this",
					    "Try again later; the server's log names the cause."};

const struct mgr_problem *mgr_problem(int err)
{
	for (size_t i = 0; i < sizeof problems / sizeof problems[0]; i++) {
		if (problems[i].err == err)
			return &problems[i];
	}
	return &internal;
}
