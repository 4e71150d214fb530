/* SPDX-License-Identifier: Apache-2.0 */
/* Root and intermediates, verified once and kept parsed: a thousand identities cost one signature each. */
#include <string.h>

#include <base/alloc.h>

#include "internal.h"

struct issuer {
	X509 *cert;
	uint8_t *der;
	size_t der_len;
};

struct proto_trust {
	struct issuer issuers[PROTO_MANIFEST_INTERMEDIATES_MAX];
	size_t n_issuers;
	struct proto_signers grants;
};

static int add(struct proto_trust *t, const struct proto_intermediate *in, X509 *root, uint64_t now)
{
	struct issuer *s = &t->issuers[t->n_issuers];
	X509 *cert = NULL;
	int err = proto_x509_load(in->certificate, in->certificate_len, &cert);

	if (err)
		return err;
	err = proto_x509_intermediate(cert, root, in->kind, now);
	if (err) {
		X509_free(cert);
		/* an old or a future one may stand in the manifest while keys are rotated */
		return err == CV_EEXPIRED ? 0 : err;
	}
	if (in->kind == PROTO_INTERMEDIATE_GRANTS) {
		err = proto_x509_key(cert, t->grants.keys[t->grants.n]);
		X509_free(cert);
		t->grants.n += !err;
		return err;
	}
	s->der = cv_memdup(in->certificate, in->certificate_len);
	if (!s->der) {
		X509_free(cert);
		return CV_ENOMEM;
	}
	s->der_len = in->certificate_len;
	s->cert = cert;
	t->n_issuers++;
	return 0;
}

int proto_trust_new(struct cv_span root, const struct proto_manifest *m, uint64_t now, struct proto_trust **ret)
{
	struct proto_trust *t = NULL;
	uint8_t key[PROTO_KEY_LEN];
	X509 *root_cert = NULL;
	int err;

	if ((err = proto_root_check(root.data, root.len, NULL, key)) ||
	    (err = proto_x509_load(root.data, root.len, &root_cert)))
		return err;
	err = proto_x509_valid_at(root_cert, now, 0);
	if (err)
		goto out;
	t = cv_calloc(1, sizeof(*t));
	if (!t) {
		err = CV_ENOMEM;
		goto out;
	}
	for (size_t i = 0; i < m->n_intermediates && !err; i++)
		err = add(t, &m->intermediates[i], root_cert, now);
	if (err)
		goto out;
	*ret = t;
	t = NULL;
out:
	proto_trust_free(t);
	X509_free(root_cert);
	return err;
}

void proto_trust_free(struct proto_trust *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n_issuers; i++) {
		X509_free(t->issuers[i].cert);
		cv_free(t->issuers[i].der);
	}
	cv_free(t);
}

int proto_trust_identity(const struct proto_trust *t, struct cv_span leaf, struct cv_span issuer, uint64_t now,
			 uint64_t tolerance, struct proto_identity *ret)
{
	const struct issuer *by = NULL;
	struct proto_identity id;
	X509 *cert = NULL;
	int err;

	for (size_t i = 0; i < t->n_issuers && !by; i++)
		if (t->issuers[i].der_len == issuer.len && !memcmp(t->issuers[i].der, issuer.data, issuer.len))
			by = &t->issuers[i];
	if (!by)
		return CV_EAUTH;
	err = proto_x509_load(leaf.data, leaf.len, &cert);
	if (err)
		return err;
	if ((err = proto_x509_valid_at(by->cert, now, 0)) || (err = proto_x509_issued_by(cert, by->cert)) ||
	    (err = proto_x509_identity(cert, &id)) || (err = proto_x509_valid_at(cert, now, tolerance)))
		goto out;
	*ret = id;
out:
	X509_free(cert);
	return err;
}

const struct proto_signers *proto_trust_grant_signers(const struct proto_trust *t)
{
	return &t->grants;
}
