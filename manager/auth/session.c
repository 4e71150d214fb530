/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "auth/auth.h"

int mgr_authenticate(struct mgr_app *app, const char *authorization, const char *proof, const char *method,
		     const char *path, struct mgr_principal *ret)
{
	struct mgr_session session;
	struct mgr_principal p = {0};
	char url[2 * MGR_URL_MAX];
	uint8_t seen[MGR_HASH_LEN];
	int64_t expires;
	if (!authorization || strncasecmp(authorization, "DPoP ", 5))
		return MGR_ESESSION;
	mgr_token_hash(authorization + 5, p.token_hash);
	int r = mgr_store_session_get(app->store, p.token_hash, &session);
	if (r == CV_ENOTFOUND)
		return MGR_ESESSION;
	if (r < 0)
		return r;
	if (session.expires <= mgr_now(app))
		return MGR_ESESSION;
	r = mgr_store_account_by_id(app->store, session.user_id, &p.account);
	if (r < 0)
		return r;
	if (p.account.disabled)
		return MGR_ESESSION;
	if (!proof)
		return MGR_EPROOF;
	snprintf(url, sizeof url, "%s%s", app->conf->url, path);
	struct mgr_proof_want want = {method, url, session.device_key, p.token_hash};
	r = mgr_proof_check(app, proof, &want, seen, &expires);
	if (r == 0) {
		r = mgr_store_proof_add(app->store, seen, expires);
		if (r == CV_EEXIST)
			r = MGR_EPROOF;
	}
	if (r < 0)
		return r;
	memcpy(p.device_key, session.device_key, sizeof p.device_key);
	p.expires = session.expires;
	*ret = p;
	return 0;
}
