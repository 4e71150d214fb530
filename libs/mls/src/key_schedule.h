/* SPDX-License-Identifier: Apache-2.0 */
/* Key schedule, transcript hashes, pre-shared keys, exporter: RFC 9420 section 8. */
#ifndef MLS_SRC_KEY_SCHEDULE_H
#define MLS_SRC_KEY_SCHEDULE_H

#include "codec.h"

struct epoch_secrets {
	struct cv_secret sender_data, encryption, exporter, external, confirmation, membership, resumption,
		authenticator, init;
};

/* joiner_secret from the last epoch's init_secret (or the external one) and the commit_secret. */
int mls_schedule_joiner(struct mls_crypto *c, const struct cv_secret *init, const struct cv_secret *commit,
			struct cv_span context, struct cv_secret *ret) CV_NODISCARD;
int mls_schedule_welcome(struct mls_crypto *c, const struct cv_secret *joiner, const struct cv_secret *psk,
			 struct cv_secret *ret) CV_NODISCARD;
int mls_schedule_epoch(struct mls_crypto *c, const struct cv_secret *joiner, const struct cv_secret *psk,
		       struct cv_span context, struct epoch_secrets *ret) CV_NODISCARD;
/* The first epoch's, from a random epoch_secret. */
int mls_schedule_from_epoch_secret(struct mls_crypto *c, const struct cv_secret *epoch_secret,
				   struct epoch_secrets *ret) CV_NODISCARD;
/* MLS-Exporter, section 8.5. */
int mls_schedule_export(struct mls_crypto *c, const struct cv_secret *exporter, struct cv_span label,
			struct cv_span context, uint8_t *ret, size_t len) CV_NODISCARD;

/* psk_secret, section 8.4, one key at a time: start with nh zero bytes. */
int mls_schedule_psk(struct mls_crypto *c, const struct psk_id *id, uint16_t index, uint16_t count, struct cv_span psk,
		     struct cv_secret *inout) CV_NODISCARD;

/* Section 8.2. `content` is the encoded FramedContent. Hashes are nh bytes; the first interim one is empty. */
int mls_transcript_confirmed(struct mls_crypto *c, struct cv_span interim, uint16_t wire_format, struct cv_span content,
			     struct cv_span signature, uint8_t *ret) CV_NODISCARD;
int mls_transcript_interim(struct mls_crypto *c, struct cv_span confirmed, struct cv_span confirmation_tag,
			   uint8_t *ret) CV_NODISCARD;

#endif
