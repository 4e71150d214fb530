/* SPDX-License-Identifier: Apache-2.0 */
/* Lengths, ranges and limits of the protobuf messages. Control first, then AppMessage. */
#include <string.h>

#include <base/text.h>
#include <proto/file.h>
#include <proto/lobby.h>
#include <proto/signed.h>
#include <proto/state.h>

#include "internal.h"

#define EXACT(field, n)    ((field).len == (n))
#define OPTIONAL(field, n) (!(field).len || (field).len == (n))
#define SPATIAL_MAX        15
#define LAYERS_MAX         16

static bool text_ok(const char *s, size_t max)
{
	size_t len = s ? strnlen(s, max + 1) : 0;

	return len <= max && cv_utf8_valid(s ? s : "", len);
}

static bool stream_ok(uint32_t stream)
{
	return stream >= PROTO_STREAM_VOICE && stream <= PROTO_STREAM_MAX;
}

static int yes(bool ok)
{
	return ok ? 0 : CV_EFORMAT;
}

static int enter_check(const struct PB(Enter) * m)
{
	const size_t most = 2048; /* tickets, admissions and grants are a few hundred bytes */

	if (m->ticket.len > most || m->admission.len > most || m->creation_grant.len > PROTO_GRANT_MAX)
		return CV_ELIMIT;
	/* one of the two, never both */
	if (!m->ticket.len == !m->admission.len)
		return CV_EFORMAT;
	if (m->resume && m->resume->leaf > PROTO_LEAF_MAX)
		return CV_EFORMAT;
	return yes(EXACT(m->device_key, PROTO_KEY_LEN) && EXACT(m->proof, PROTO_SIG_LEN));
}

static int admit_request_check(const struct PB(AdmitRequest) * m)
{
	if (m->n_candidates > PROTO_CANDIDATES_MAX)
		return CV_ELIMIT;
	for (size_t i = 0; i < m->n_candidates; i++) {
		if (m->candidates[i]->sealed_key_package.len > PROTO_LOBBY_MAX)
			return CV_ELIMIT;
		if (m->candidates[i]->sealed_key_package.len < PROTO_LOBBY_OVERHEAD)
			return CV_EFORMAT;
	}
	return 0;
}

static int remove_request_check(const struct PB(RemoveRequest) * m)
{
	if (m->n_removals > PROTO_REQUEST_MAX)
		return CV_ELIMIT;
	for (size_t i = 0; i < m->n_removals; i++) {
		const struct PB(Removal) *r = m->removals[i];

		if (r->evidence.len > PROTO_EVIDENCE_MAX)
			return CV_ELIMIT;
		if (r->leaf > PROTO_LEAF_MAX || r->reason < PROTO_REASON_LEFT || r->reason > PROTO_REASON_REPLACED)
			return CV_EFORMAT;
	}
	return 0;
}

static int subscribe_check(const struct PB(Subscribe) * m)
{
	if (m->n_subscriptions > PROTO_SUBSCRIPTIONS_MAX)
		return CV_ELIMIT;
	for (size_t i = 0; i < m->n_subscriptions; i++) {
		const struct PB(Subscription) *s = m->subscriptions[i];

		if (s->leaf > PROTO_LEAF_MAX || !stream_ok(s->stream) || s->max_spatial > SPATIAL_MAX ||
		    s->max_temporal > SPATIAL_MAX)
			return CV_EFORMAT;
	}
	return 0;
}

/* Bodies that set up and tear down. CV_EAGAIN: another body. */
static int session_check(const struct PB(Control) * m)
{
	switch (m->body_case) {
	case PB_CONTROL(HELLO):
		return yes(m->hello->version == 1 && EXACT(m->hello->relay_id, PROTO_ID_LEN) &&
			   EXACT(m->hello->nonce, 32));
	case PB_CONTROL(ENTER): return enter_check(m->enter);
	case PB_CONTROL(ENTERED): return 0;
	case PB_CONTROL(REFUSED): return yes(text_ok(m->refused->detail, PROTO_DETAIL_MAX));
	case PB_CONTROL(JOIN_REQUEST):
		if (m->join_request->sealed_key_package.len > PROTO_LOBBY_MAX)
			return CV_ELIMIT;
		return yes(m->join_request->sealed_key_package.len >= PROTO_LOBBY_OVERHEAD);
	case PB_CONTROL(ADMIT_REQUEST): return admit_request_check(m->admit_request);
	case PB_CONTROL(REMOVE_REQUEST): return remove_request_check(m->remove_request);
	case PB_CONTROL(COMMIT_ACCEPTED): return 0;
	case PB_CONTROL(COMMIT_REJECTED): return yes(text_ok(m->commit_rejected->detail, PROTO_DETAIL_MAX));
	case PB_CONTROL(ADMIT_REJECTED): return yes(text_ok(m->admit_rejected->detail, PROTO_DETAIL_MAX));
	case PB_CONTROL(LEAVE): return yes(OPTIONAL(m->leave->evidence, PROTO_SIG_LEN));
	case PB_CONTROL(RUN_ENDED): return yes(text_ok(m->run_ended->detail, PROTO_DETAIL_MAX));
	case PB_CONTROL(EPOCH_READY): return yes(m->epoch_ready->leaf <= PROTO_LEAF_MAX);
	default: return CV_EAGAIN;
	}
}

int proto_control_check(const ProtobufCMessage *base)
{
	const struct PB(Control) *m = (const struct PB(Control) *)base;
	int err = session_check(m);

	if (err != CV_EAGAIN)
		return err;
	switch (m->body_case) {
	case PB_CONTROL(PUBLISH): return yes(stream_ok(m->publish->stream) && m->publish->spatial_layers <= LAYERS_MAX);
	case PB_CONTROL(STREAM_STATE):
		return yes(m->stream_state->leaf <= PROTO_LEAF_MAX && stream_ok(m->stream_state->stream) &&
			   m->stream_state->spatial_layers <= LAYERS_MAX);
	case PB_CONTROL(SUBSCRIBE): return subscribe_check(m->subscribe);
	case PB_CONTROL(WANTED): return yes(stream_ok(m->wanted->stream) && m->wanted->max_spatial <= SPATIAL_MAX);
	case PB_CONTROL(KEY_FRAME_REQUEST):
		return yes(m->key_frame_request->leaf <= PROTO_LEAF_MAX && stream_ok(m->key_frame_request->stream) &&
			   m->key_frame_request->spatial <= SPATIAL_MAX);
	case PB_CONTROL(SET_RIGHTS):
		return yes(EXACT(m->set_rights->user_id, PROTO_ID_LEN) && !(m->set_rights->rights & ~PROTO_RIGHTS_ALL));
	case PB_CONTROL(PRESENCE): return yes(m->presence->leaf <= PROTO_LEAF_MAX);
	case PB_CONTROL(FILE_OPEN):
		return yes(EXACT(m->file_open->transfer_id, PROTO_ID_LEN) &&
			   m->file_open->chunk_size == PROTO_FILE_CHUNK &&
			   m->file_open->size <= (uint64_t)PROTO_FILE_CHUNK * PROTO_FILE_CHUNKS_MAX);
	case PB_CONTROL(FILE_JOIN):
		return yes(EXACT(m->file_join->transfer_id, PROTO_ID_LEN) &&
			   m->file_join->next_chunk <= PROTO_FILE_CHUNKS_MAX);
	case PB_CONTROL(FILE_STOP): return yes(EXACT(m->file_stop->transfer_id, PROTO_ID_LEN));
	case PB_CONTROL(FILE_CREDIT):
		return yes(EXACT(m->file_credit->transfer_id, PROTO_ID_LEN) &&
			   m->file_credit->next_chunk <= PROTO_FILE_CHUNKS_MAX &&
			   m->file_credit->leaf <= PROTO_LEAF_MAX);
	case PB_CONTROL(PING):
	case PB_CONTROL(PONG): return 0;
	default: return CV_EFORMAT;
	}
}

static int file_key_check(const struct PB(FileKey) * m)
{
	if (m->n_keys > PROTO_FILE_KEYS_MAX)
		return CV_ELIMIT;
	if (!EXACT(m->transfer_id, PROTO_ID_LEN))
		return CV_EFORMAT;
	for (size_t i = 0; i < m->n_keys; i++)
		if (m->keys[i]->leaf > PROTO_LEAF_MAX || !EXACT(m->keys[i]->enc, 32) ||
		    !EXACT(m->keys[i]->ciphertext, 32 + 16))
			return CV_EFORMAT;
	return 0;
}

int proto_app_check(const ProtobufCMessage *base)
{
	const struct PB(AppMessage) *m = (const struct PB(AppMessage) *)base;

	switch (m->body_case) {
	case PB_APP(FILE_OFFER):
		return yes(EXACT(m->file_offer->transfer_id, PROTO_ID_LEN) && EXACT(m->file_offer->sha256, 32) &&
			   m->file_offer->name && m->file_offer->name[0] &&
			   text_ok(m->file_offer->name, PROTO_FILE_NAME_MAX) &&
			   m->file_offer->chunk_size == PROTO_FILE_CHUNK &&
			   m->file_offer->size <= (uint64_t)PROTO_FILE_CHUNK * PROTO_FILE_CHUNKS_MAX);
	case PB_APP(FILE_ACCEPT):
		return yes(EXACT(m->file_accept->transfer_id, PROTO_ID_LEN) &&
			   EXACT(m->file_accept->hpke_public_key, 32));
	case PB_APP(FILE_DECLINE): return yes(EXACT(m->file_decline->transfer_id, PROTO_ID_LEN));
	case PB_APP(FILE_KEY): return file_key_check(m->file_key);
	case PB_APP(FILE_CANCEL):
		return yes(EXACT(m->file_cancel->transfer_id, PROTO_ID_LEN) &&
			   text_ok(m->file_cancel->reason, PROTO_DETAIL_MAX));
	case PB_APP(PARTICIPANT_STATE):
	case PB_APP(ALARM): return 0;
	case PB_APP(CODE_COMPARE): return yes(EXACT(m->code_compare->comparison_id, PROTO_ID_LEN));
	case PB_APP(CODE_CANCEL): return yes(EXACT(m->code_cancel->comparison_id, PROTO_ID_LEN));
	default: return CV_EFORMAT;
	}
}
