/* SPDX-License-Identifier: Apache-2.0 */
/* Pre-shared keys: found, and mixed into psk_secret. RFC 9420 sections 8.4 and 8.6. */
#include "state.h"

int mls_psk_find(const struct mls_group_options *opt, const struct mls_group *g, const struct psk_id *id,
		 struct cv_span *ret)
{
	struct mls_psk_question q = {
		.usage = id->usage, .psk_id = id->id, .group_id = id->group_id, .epoch = id->epoch};
	struct cv_span psk;
	int err;

	if (g && g->cur && id->usage == MLS_PSK_APPLICATION && mls_span_equal(id->group_id, g->cur->gc.group_id)) {
		/* Whoever is only about to join knows the epoch but not its secret. */
		if (id->epoch == g->cur->gc.epoch && g->cur->secrets.resumption.len) {
			*ret = mls_secret_span(&g->cur->secrets.resumption);
			return 0;
		}
		for (size_t i = 0; i < g->n_resumption; i++) {
			if (g->resumption[i].epoch != id->epoch)
				continue;
			*ret = mls_secret_span(&g->resumption[i].psk);
			return 0;
		}
	}
	if (!opt->policy.psk)
		return CV_ENOTFOUND;
	err = opt->policy.psk(opt->policy.ctx, &q, &psk);
	if (!err && psk.len > MLS_PSK_MAX)
		err = CV_ELIMIT;
	if (!err)
		*ret = psk;
	return err;
}

static size_t count_ids(struct cv_span ids)
{
	struct cv_reader r;
	struct psk_id id;
	size_t n = 0;

	cv_reader_init(&r, ids.data, ids.len);
	while (r.left && !mls_get_psk_id(&r, &id))
		n++;
	return n;
}

int mls_psk_mix(struct mls_crypto *c, const struct mls_group_options *opt, const struct mls_group *g,
		struct cv_span ids, struct cv_secret *ret)
{
	struct cv_secret mixed = {.len = c->suite->nh};
	size_t count = count_ids(ids);
	struct cv_span psk;
	struct cv_reader r;
	struct psk_id id;
	int err = count > MLS_PSKS_MAX ? CV_ELIMIT : 0;

	cv_reader_init(&r, ids.data, ids.len);
	for (size_t i = 0; !err && i < count; i++) {
		err = mls_get_psk_id(&r, &id);
		if (!err)
			err = mls_psk_find(opt, g, &id, &psk);
		if (!err)
			err = mls_schedule_psk(c, &id, (uint16_t)i, (uint16_t)count, psk, &mixed);
	}
	if (!err)
		*ret = mixed;
	cv_secret_wipe(&mixed);
	return err;
}
