/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <base/alloc.h>
#include <base/secret.h>

#include "internal.h"

#define SEEN_LEN 16

struct sframe_sender {
	enum sframe_suite suite;
	bool has_key;
	bool had_epoch; /* `epoch` has been used, whether or not its key is still here */
	bool exhausted; /* counter 2^64-1 is used up */
	uint64_t epoch;
	uint64_t kid;
	uint64_t next;
	uint64_t limit; /* 0: none */
	struct sframe_aead aead;
	uint8_t seen[SFRAME_SEEN_KEYS][SEEN_LEN]; /* fingerprints of the keys taken last, in turn */
	size_t n_seen;
};

int sframe_sender_new(enum sframe_suite suite, struct sframe_sender **ret_sender)
{
	struct sframe_sender *s;

	if (!sframe_suite_info(suite))
		return CV_EUNSUPPORTED;
	s = cv_calloc(1, sizeof(*s));
	if (!s)
		return CV_ENOMEM;
	s->suite = suite;
	*ret_sender = s;
	return 0;
}

void sframe_sender_free(struct sframe_sender *s)
{
	if (!s)
		return;
	sframe_aead_done(&s->aead);
	cv_free_wiped(s, sizeof(*s));
}

/* Key and salt come from the same secret for one KID: the same salt means the same key. */
static int fingerprint(const struct sframe_aead *a, uint8_t ret[EVP_MAX_MD_SIZE])
{
	unsigned int n;

	return EVP_Digest(a->salt, sizeof(a->salt), ret, &n, EVP_sha256(), NULL) == 1 ? 0 : CV_ECRYPTO;
}

static bool was_taken(const struct sframe_sender *s, const uint8_t *print)
{
	size_t n = s->n_seen < SFRAME_SEEN_KEYS ? s->n_seen : SFRAME_SEEN_KEYS;

	for (size_t i = 0; i < n; i++)
		if (cv_equal(s->seen[i], print, SEEN_LEN))
			return true;
	return false;
}

int sframe_sender_set_key(struct sframe_sender *s, uint64_t epoch, uint64_t kid, const void *base_key,
			  size_t base_key_len)
{
	uint8_t print[EVP_MAX_MD_SIZE];
	struct sframe_aead aead;
	int err;

	if (s->had_epoch && epoch <= s->epoch)
		return CV_ESTATE;
	err = sframe_aead_init(&aead, s->suite, true, kid, base_key, base_key_len);
	if (err)
		return err;
	/* KIDs come again after 2^E epochs, but with another base key. */
	err = fingerprint(&aead, print);
	if (!err && was_taken(s, print))
		err = CV_ESTATE;
	if (err) {
		sframe_aead_done(&aead);
		return err;
	}
	memcpy(s->seen[s->n_seen++ % SFRAME_SEEN_KEYS], print, SEEN_LEN);
	sframe_aead_done(&s->aead);
	s->aead = aead;
	s->has_key = true;
	s->had_epoch = true;
	s->exhausted = false;
	s->epoch = epoch;
	s->kid = kid;
	s->next = 0;
	return 0;
}

void sframe_sender_clear_key(struct sframe_sender *s)
{
	sframe_aead_done(&s->aead);
	s->has_key = false;
}

int sframe_sender_skip_to(struct sframe_sender *s, uint64_t counter)
{
	if (!s->has_key || s->exhausted || counter < s->next)
		return CV_ESTATE;
	s->next = counter;
	return 0;
}

void sframe_sender_set_limit(struct sframe_sender *s, uint64_t limit)
{
	s->limit = limit;
}

/* Whether the next frame may be sealed, and how long it gets. */
static int seal_prepare(const struct sframe_sender *s, size_t metadata_len, size_t plaintext_len,
			uint8_t header[SFRAME_HEADER_MAX], size_t *ret_header_len, size_t *ret_total)
{
	struct sframe_header h = {s->kid, s->next};

	if (!s->has_key)
		return CV_ESTATE;
	if (s->exhausted || (s->limit && s->next >= s->limit))
		return CV_ELIMIT;
	if (plaintext_len > SFRAME_PLAINTEXT_MAX || metadata_len > SFRAME_METADATA_MAX)
		return CV_ELIMIT;
	*ret_header_len = sframe_header_encode(&h, header);
	*ret_total = *ret_header_len + plaintext_len + s->aead.info->tag_len;
	return 0;
}

/* The counter is spent before the cipher runs, so that no error path can lead to its second use. */
static uint64_t spend_counter(struct sframe_sender *s)
{
	uint64_t ctr = s->next;

	if (ctr == UINT64_MAX)
		s->exhausted = true;
	else
		s->next++;
	return ctr;
}

int sframe_seal(struct sframe_sender *s, const void *metadata, size_t metadata_len, const void *plaintext,
		size_t plaintext_len, uint8_t *dst, size_t dst_size, size_t *ret_len)
{
	uint8_t header[SFRAME_HEADER_MAX];
	struct sframe_aad aad = {header, 0, metadata, metadata_len};
	size_t total;
	int err;

	err = seal_prepare(s, metadata_len, plaintext_len, header, &aad.header_len, &total);
	if (err)
		return err;
	if (dst_size < total)
		return CV_EINVAL;
	memcpy(dst, header, aad.header_len);
	err = sframe_aead_seal(&s->aead, spend_counter(s), &aad, plaintext, plaintext_len, dst + aad.header_len);
	if (err)
		return err;
	*ret_len = total;
	return 0;
}

int sframe_seal_buf(struct sframe_sender *s, const void *metadata, size_t metadata_len, const void *plaintext,
		    size_t plaintext_len, struct cv_buf *out)
{
	uint8_t header[SFRAME_HEADER_MAX], *p;
	size_t header_len, total, before = out->len;
	int err;

	err = seal_prepare(s, metadata_len, plaintext_len, header, &header_len, &total);
	if (err)
		return err;
	err = cv_buf_extend(out, total, &p);
	if (err)
		return err;
	err = sframe_seal(s, metadata, metadata_len, plaintext, plaintext_len, p, total, &total);
	if (err)
		out->len = before;
	return err;
}
