/* SPDX-License-Identifier: Apache-2.0 */
/* Tickets, admissions, creation grants and revocations: each as encode, decode, sign, open. */
#include <string.h>

#include <proto/signed.h>

static bool life_ok(uint64_t issued, uint64_t expires, uint64_t longest)
{
	return expires > issued && expires - issued <= longest;
}

static bool bits_ok(uint8_t rights, uint8_t flags, uint8_t switches)
{
	return !(rights & ~PROTO_RIGHTS_ALL) && !(flags & ~PROTO_FLAGS_ALL) && !(switches & ~PROTO_SWITCHES_ALL);
}

static int sign_body(struct cv_buf *body, const uint8_t *seed, enum proto_label label, struct cv_buf *out)
{
	int err = cv_buf_status(body);

	if (!err)
		err = proto_signed_put(out, seed, label, body->data, body->len);
	cv_buf_done(body);
	return err;
}

/* ---- ticket */

static bool ticket_ok(const struct proto_ticket *t)
{
	return life_ok(t->issued, t->expires, PROTO_TICKET_LIFE) && bits_ok(t->rights, t->flags, t->switches) &&
	       t->n_relays && t->n_relays <= PROTO_TICKET_RELAYS_MAX;
}

int proto_ticket_sign(const struct proto_ticket *t, const uint8_t seed[PROTO_KEY_LEN], struct cv_buf *out)
{
	struct cv_buf b;

	if (!ticket_ok(t))
		return CV_EINVAL;
	cv_buf_init(&b, 1024);
	cv_buf_put(&b, t->ticket_id, PROTO_ID_LEN);
	cv_buf_put(&b, t->run_id, PROTO_ID_LEN);
	cv_buf_put(&b, t->user_id, PROTO_ID_LEN);
	cv_buf_put(&b, t->device_hash, PROTO_HASH_LEN);
	cv_buf_put_u64(&b, t->issued);
	cv_buf_put_u64(&b, t->expires);
	cv_buf_put_u8(&b, t->rights);
	cv_buf_put_u8(&b, t->flags);
	cv_buf_put_u8(&b, t->switches);
	cv_buf_put_vec(&b, t->relays, t->n_relays * PROTO_ID_LEN);
	return sign_body(&b, seed, PROTO_LABEL_TICKET, out);
}

int proto_ticket_open(const void *data, size_t len, const struct proto_signers *signers, struct proto_ticket *ret)
{
	struct proto_ticket t = {0};
	struct cv_span body, relays;
	struct cv_reader r;
	int err = proto_signed_open(data, len, PROTO_LABEL_TICKET, signers, &body);

	if (err)
		return err;
	cv_reader_init(&r, body.data, body.len);
	if ((err = cv_reader_copy(&r, t.ticket_id, PROTO_ID_LEN)) ||
	    (err = cv_reader_copy(&r, t.run_id, PROTO_ID_LEN)) || (err = cv_reader_copy(&r, t.user_id, PROTO_ID_LEN)) ||
	    (err = cv_reader_copy(&r, t.device_hash, PROTO_HASH_LEN)) || (err = cv_reader_get_u64(&r, &t.issued)) ||
	    (err = cv_reader_get_u64(&r, &t.expires)) || (err = cv_reader_get_u8(&r, &t.rights)) ||
	    (err = cv_reader_get_u8(&r, &t.flags)) || (err = cv_reader_get_u8(&r, &t.switches)) ||
	    (err = cv_reader_get_vec(&r, sizeof(t.relays), &relays)) || (err = cv_reader_end(&r)))
		return err;
	if (relays.len % PROTO_ID_LEN)
		return CV_EFORMAT;
	t.n_relays = relays.len / PROTO_ID_LEN;
	if (!ticket_ok(&t))
		return CV_EFORMAT;
	memcpy(t.relays, relays.data, relays.len);
	*ret = t;
	return 0;
}

/* ---- admission */

static bool admission_ok(const struct proto_admission *a)
{
	return life_ok(a->issued, a->expires, PROTO_ADMISSION_LIFE) && bits_ok(a->rights, a->flags, a->switches);
}

int proto_admission_sign(const struct proto_admission *a, const uint8_t seed[PROTO_KEY_LEN], struct cv_buf *out)
{
	struct cv_buf b;

	if (!admission_ok(a))
		return CV_EINVAL;
	cv_buf_init(&b, 256);
	cv_buf_put(&b, a->admission_id, PROTO_ID_LEN);
	cv_buf_put(&b, a->run_id, PROTO_ID_LEN);
	cv_buf_put(&b, a->user_id, PROTO_ID_LEN);
	cv_buf_put(&b, a->device_hash, PROTO_HASH_LEN);
	cv_buf_put_u64(&b, a->issued);
	cv_buf_put_u64(&b, a->expires);
	cv_buf_put_u8(&b, a->rights);
	cv_buf_put_u8(&b, a->flags);
	cv_buf_put_u8(&b, a->switches);
	return sign_body(&b, seed, PROTO_LABEL_ADMISSION, out);
}

int proto_admission_open(const void *data, size_t len, const struct proto_signers *signers, struct proto_admission *ret)
{
	struct proto_admission a = {0};
	struct cv_span body;
	struct cv_reader r;
	int err = proto_signed_open(data, len, PROTO_LABEL_ADMISSION, signers, &body);

	if (err)
		return err;
	cv_reader_init(&r, body.data, body.len);
	if ((err = cv_reader_copy(&r, a.admission_id, PROTO_ID_LEN)) ||
	    (err = cv_reader_copy(&r, a.run_id, PROTO_ID_LEN)) || (err = cv_reader_copy(&r, a.user_id, PROTO_ID_LEN)) ||
	    (err = cv_reader_copy(&r, a.device_hash, PROTO_HASH_LEN)) || (err = cv_reader_get_u64(&r, &a.issued)) ||
	    (err = cv_reader_get_u64(&r, &a.expires)) || (err = cv_reader_get_u8(&r, &a.rights)) ||
	    (err = cv_reader_get_u8(&r, &a.flags)) || (err = cv_reader_get_u8(&r, &a.switches)) ||
	    (err = cv_reader_end(&r)))
		return err;
	if (!admission_ok(&a))
		return CV_EFORMAT;
	*ret = a;
	return 0;
}

/* ---- creation grant and revocation: the same fields, told apart by their labels */

static int scope_sign(const uint8_t *run, const uint8_t *user, const uint8_t *device, uint64_t issued, uint64_t expires,
		      const uint8_t *seed, enum proto_label label, struct cv_buf *out)
{
	struct cv_buf b;

	if (expires <= issued)
		return CV_EINVAL;
	cv_buf_init(&b, 256);
	cv_buf_put(&b, run, PROTO_ID_LEN);
	cv_buf_put(&b, user, PROTO_ID_LEN);
	cv_buf_put(&b, device, PROTO_HASH_LEN);
	cv_buf_put_u64(&b, issued);
	cv_buf_put_u64(&b, expires);
	return sign_body(&b, seed, label, out);
}

static int scope_open(const void *data, size_t len, enum proto_label label, const struct proto_signers *signers,
		      struct proto_revocation *ret)
{
	struct proto_revocation v = {0};
	struct cv_span body;
	struct cv_reader r;
	int err = proto_signed_open(data, len, label, signers, &body);

	if (err)
		return err;
	cv_reader_init(&r, body.data, body.len);
	if ((err = cv_reader_copy(&r, v.run_id, PROTO_ID_LEN)) || (err = cv_reader_copy(&r, v.user_id, PROTO_ID_LEN)) ||
	    (err = cv_reader_copy(&r, v.device_hash, PROTO_HASH_LEN)) || (err = cv_reader_get_u64(&r, &v.issued)) ||
	    (err = cv_reader_get_u64(&r, &v.expires)) || (err = cv_reader_end(&r)))
		return err;
	if (v.expires <= v.issued)
		return CV_EFORMAT;
	*ret = v;
	return 0;
}

int proto_creation_grant_sign(const struct proto_creation_grant *g, const uint8_t seed[PROTO_KEY_LEN],
			      struct cv_buf *out)
{
	return scope_sign(g->run_id, g->user_id, g->device_hash, g->issued, g->expires, seed,
			  PROTO_LABEL_CREATION_GRANT, out);
}

int proto_creation_grant_open(const void *data, size_t len, const struct proto_signers *signers,
			      struct proto_creation_grant *ret)
{
	struct proto_revocation v;
	int err = scope_open(data, len, PROTO_LABEL_CREATION_GRANT, signers, &v);

	if (err)
		return err;
	memcpy(ret->run_id, v.run_id, PROTO_ID_LEN);
	memcpy(ret->user_id, v.user_id, PROTO_ID_LEN);
	memcpy(ret->device_hash, v.device_hash, PROTO_HASH_LEN);
	ret->issued = v.issued;
	ret->expires = v.expires;
	return 0;
}

int proto_revocation_sign(const struct proto_revocation *v, const uint8_t seed[PROTO_KEY_LEN], struct cv_buf *out)
{
	return scope_sign(v->run_id, v->user_id, v->device_hash, v->issued, v->expires, seed, PROTO_LABEL_REVOCATION,
			  out);
}

int proto_revocation_open(const void *data, size_t len, const struct proto_signers *signers,
			  struct proto_revocation *ret)
{
	return scope_open(data, len, PROTO_LABEL_REVOCATION, signers, ret);
}

bool proto_revocation_covers(const struct proto_revocation *v, const uint8_t run_id[PROTO_ID_LEN],
			     const uint8_t user_id[PROTO_ID_LEN], const uint8_t device_hash[PROTO_HASH_LEN])
{
	if (memcmp(v->user_id, user_id, PROTO_ID_LEN))
		return false;
	if (!proto_id_is_zero(v->run_id, PROTO_ID_LEN) && memcmp(v->run_id, run_id, PROTO_ID_LEN))
		return false;
	return proto_id_is_zero(v->device_hash, PROTO_HASH_LEN) || !memcmp(v->device_hash, device_hash, PROTO_HASH_LEN);
}
