/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <client/trust.h>

#include "profile_store.h"

static int pins_of(const struct proto_server *s, struct net_pins *ret)
{
	struct net_pins pins = {0};

	for (size_t i = 0; i < s->n_pins; i++) {
		int r = net_pins_add(&pins, s->pins[i]);

		if (r != 0)
			return r;
	}
	*ret = pins;
	return 0;
}

/* Decodes and verifies; `least` is the lowest version that may come. */
static int open_manifest(struct cv_span root, struct cv_span signed_manifest, const uint8_t *fingerprint,
			 const struct client_clock *clock, uint64_t least, struct client_trust *ret,
			 struct client_error *err)
{
	uint64_t now = client_clock_now(clock);
	struct client_trust t;
	int r;

	memset(&t, 0, sizeof(t));
	r = proto_root_check(root.data, root.len, fingerprint, t.root_key);
	if (r != 0)
		return client_fail(err, r, CLIENT_SECURITY,
				   "the organisation's root certificate is not the one that was invited to (%s)",
				   cv_strerror(r));
	r = proto_manifest_open(signed_manifest.data, signed_manifest.len, t.root_key, &t.manifest);
	if (r != 0)
		return client_fail(err, r, CLIENT_SECURITY,
				   "the manifest is not signed by the organisation's root (%s)", cv_strerror(r));
	/* A clock that is behind shows with the manager's first answer, and is then told as what it is. */
	if (!atomic_load(&clock->known) && now < t.manifest.issued)
		now = t.manifest.issued;
	r = proto_manifest_check(&t.manifest, now, least);
	if (r == CV_EREPLAY)
		client_fail(err, r, CLIENT_SECURITY, "the manifest is older than one seen before");
	else if (r != 0)
		client_fail(err, r, CLIENT_SECURITY,
			    "the organisation's manifest has expired (is this computer's clock right?)");
	if (r == 0) {
		r = proto_trust_new(root, &t.manifest, now, &t.chain);
		if (r != 0)
			client_fail(err, r, CLIENT_SECURITY, "the manifest's certificates are not valid (%s)",
				    cv_strerror(r));
	}
	if (r != 0) {
		client_trust_done(&t);
		return r;
	}
	*ret = t;
	return 0;
}

int client_trust_load(const struct client_profile *p, const struct client_clock *clock, struct client_trust *ret,
		      struct client_error *err)
{
	if (p->root_der == NULL || p->manifest == NULL || p->manager_url[0] == '\0')
		return client_fail(err, CV_ENOTFOUND, CLIENT_USAGE,
				   "this profile knows no organisation yet: validate an account or sign in first");
	return open_manifest((struct cv_span){p->root_der, p->root_len}, (struct cv_span){p->manifest, p->manifest_len},
			     NULL, clock, p->manifest_version, ret, err);
}

void client_trust_done(struct client_trust *t)
{
	proto_trust_free(t->chain);
	proto_manifest_done(&t->manifest);
	memset(t, 0, sizeof(*t));
}

int client_trust_take(struct client_profile *p, const struct client_clock *clock, const char *manager_url,
		      const uint8_t *fingerprint, struct cv_span root, struct cv_span manifest,
		      const struct net_pin *noted_pin, struct client_error *err)
{
	struct client_trust t;
	struct net_pins pins;
	uint8_t *root_copy = NULL, *manifest_copy = NULL;
	bool same_root =
		p->root_der != NULL && p->root_len == root.len && memcmp(p->root_der, root.data, root.len) == 0;
	int r;

	if (fingerprint == NULL && !same_root)
		return client_fail(err, CV_EAUTH, CLIENT_SECURITY,
				   "the manager shows another organisation root than before");
	if (strlen(manager_url) > CLIENT_URL_MAX)
		return client_fail(err, CV_ELIMIT, CLIENT_USAGE, "the manager's address is too long");
	memset(&t, 0, sizeof(t));
	r = open_manifest(root, manifest, fingerprint, clock, same_root ? p->manifest_version : 0, &t, err);
	if (r != 0)
		return r;
	r = client_trust_manager_pins(&t, &pins);
	if (r != 0 || !net_pins_have(&pins, noted_pin->sha256)) {
		r = client_fail(err, CV_EPIN, CLIENT_SECURITY,
				"the manager's key is not pinned by the organisation's manifest");
		goto out;
	}
	root_copy = cv_memdup(root.data, root.len);
	manifest_copy = cv_memdup(manifest.data, manifest.len);
	if (root_copy == NULL || manifest_copy == NULL) {
		r = client_fail_code(err, CV_ENOMEM, "manifest");
		goto out;
	}
	if (p->root_der != NULL && !same_root) {
		/* Session and contacts of one organisation are nothing for another one's servers. */
		client_profile_sign_out(p);
		client_profile_forget_contacts(p);
	}
	cv_free(p->root_der);
	cv_free(p->manifest);
	p->root_der = root_copy;
	p->root_len = root.len;
	p->manifest = manifest_copy;
	p->manifest_len = manifest.len;
	p->manifest_version = t.manifest.version;
	p->news |= CLIENT_NEWS_MANIFEST;
	if (strcmp(manager_url, p->manager_url) != 0) {
		memcpy(p->manager_url, manager_url, strlen(manager_url) + 1);
		p->news |= CLIENT_NEWS_ADDRESS;
	}
	root_copy = manifest_copy = NULL;
out:
	cv_free(root_copy);
	cv_free(manifest_copy);
	client_trust_done(&t);
	return r;
}

int client_trust_manager_pins(const struct client_trust *t, struct net_pins *ret)
{
	const struct proto_server *s = proto_manifest_server(&t->manifest, PROTO_SERVER_MANAGER, NULL);

	return s != NULL ? pins_of(s, ret) : CV_ENOTFOUND;
}

int client_trust_relay(const struct client_trust *t, const uint8_t relay_id[CLIENT_ID_LEN], const char **ret_url,
		       struct net_pins *ret_pins)
{
	const struct proto_server *s = proto_manifest_server(&t->manifest, PROTO_SERVER_RELAY, relay_id);
	int r;

	if (s == NULL)
		return CV_ENOTFOUND;
	r = pins_of(s, ret_pins);
	if (r == 0)
		*ret_url = s->url;
	return r;
}
