-- SPDX-License-Identifier: Apache-2.0
-- Ids are 16 random bytes, hashes SHA-256, times Unix seconds.
CREATE TABLE setting (
	name TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT;

CREATE TABLE account (
	id BLOB PRIMARY KEY CHECK (length(id) = 16),
	email TEXT NOT NULL UNIQUE,
	first_name TEXT NOT NULL DEFAULT '',
	last_name TEXT NOT NULL DEFAULT '',
	role INTEGER NOT NULL CHECK (role IN (1, 2, 3)),
	disabled INTEGER NOT NULL DEFAULT 0,
	locale TEXT NOT NULL DEFAULT '',
	record BLOB CHECK (record IS NULL OR length(record) = 192),
	created INTEGER NOT NULL,
	validated INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE validation (
	hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
	user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	used INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX validation_user ON validation (user_id);

CREATE TABLE session (
	hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
	user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	device_key BLOB NOT NULL CHECK (length(device_key) = 32),
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL
) STRICT;
CREATE INDEX session_user ON session (user_id);
CREATE INDEX session_expires ON session (expires);

CREATE TABLE throttle (
	key BLOB PRIMARY KEY CHECK (length(key) = 32),
	failures INTEGER NOT NULL,
	last INTEGER NOT NULL
) STRICT;
CREATE INDEX throttle_last ON throttle (last);

CREATE TABLE proof_seen (
	hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
	expires INTEGER NOT NULL
) STRICT;
CREATE INDEX proof_seen_expires ON proof_seen (expires);

CREATE TABLE meeting (
	id BLOB PRIMARY KEY CHECK (length(id) = 16),
	title TEXT NOT NULL,
	organiser_id BLOB NOT NULL REFERENCES account (id),
	start INTEGER NOT NULL DEFAULT 0,
	duration_minutes INTEGER NOT NULL DEFAULT 0,
	created INTEGER NOT NULL,
	cancelled INTEGER NOT NULL DEFAULT 0,
	revision INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX meeting_organiser ON meeting (organiser_id);

CREATE TABLE invitation (
	meeting_id BLOB NOT NULL REFERENCES meeting (id) ON DELETE CASCADE,
	user_id BLOB NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	created INTEGER NOT NULL,
	PRIMARY KEY (meeting_id, user_id)
) STRICT;
CREATE INDEX invitation_user ON invitation (user_id);

CREATE TABLE run (
	id BLOB PRIMARY KEY CHECK (length(id) = 16),
	meeting_id BLOB NOT NULL REFERENCES meeting (id) ON DELETE CASCADE,
	creator_id BLOB NOT NULL,
	creator_device BLOB NOT NULL CHECK (length(creator_device) = 32),
	lobby_key BLOB CHECK (lobby_key IS NULL OR length(lobby_key) = 32),
	started INTEGER NOT NULL,
	reported INTEGER NOT NULL DEFAULT 0,
	alarm INTEGER NOT NULL DEFAULT 0,
	alarm_epoch INTEGER NOT NULL DEFAULT 0,
	ended INTEGER NOT NULL DEFAULT 0,
	end_reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE UNIQUE INDEX run_live ON run (meeting_id) WHERE ended = 0;

CREATE TABLE run_member (
	run_id BLOB NOT NULL REFERENCES run (id) ON DELETE CASCADE,
	user_id BLOB NOT NULL,
	device_hash BLOB NOT NULL CHECK (length(device_hash) = 32),
	joined INTEGER NOT NULL,
	reported INTEGER NOT NULL DEFAULT 0,
	gone INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (run_id, device_hash)
) STRICT;
CREATE INDEX run_member_user ON run_member (user_id);

CREATE TABLE run_ban (
	run_id BLOB NOT NULL REFERENCES run (id) ON DELETE CASCADE,
	user_id BLOB NOT NULL,
	created INTEGER NOT NULL,
	PRIMARY KEY (run_id, user_id)
) STRICT;

CREATE TABLE epoch_report (
	run_id BLOB NOT NULL REFERENCES run (id) ON DELETE CASCADE,
	epoch INTEGER NOT NULL,
	hash BLOB NOT NULL CHECK (length(hash) = 32),
	received INTEGER NOT NULL,
	PRIMARY KEY (run_id, epoch, hash)
) STRICT;

CREATE TABLE relay (
	id BLOB PRIMARY KEY CHECK (length(id) = 16),
	url TEXT NOT NULL,
	pins BLOB NOT NULL CHECK (length(pins) BETWEEN 64 AND 256 AND length(pins) % 32 = 0),
	created INTEGER NOT NULL,
	retired INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX relay_url ON relay (url) WHERE retired = 0;

CREATE TABLE relay_token (
	hash BLOB PRIMARY KEY CHECK (length(hash) = 32),
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	used INTEGER NOT NULL DEFAULT 0
) STRICT;

-- AUTOINCREMENT: a number is never given twice, so that a relay's "after" stays right when old rows are deleted.
CREATE TABLE event (
	n INTEGER PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL,
	run_id BLOB,
	object BLOB,
	created INTEGER NOT NULL
) STRICT;

CREATE TABLE mail (
	n INTEGER PRIMARY KEY AUTOINCREMENT,
	recipient TEXT NOT NULL,
	kind TEXT NOT NULL,
	message BLOB,
	created INTEGER NOT NULL,
	attempts INTEGER NOT NULL DEFAULT 0,
	due INTEGER NOT NULL,
	sent INTEGER NOT NULL DEFAULT 0,
	failed INTEGER NOT NULL DEFAULT 0,
	last_error TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX mail_due ON mail (due) WHERE sent = 0 AND failed = 0;
