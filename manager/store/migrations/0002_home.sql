-- SPDX-License-Identifier: Apache-2.0
-- The relay that a run lives on, once it has one; and who moderates it besides the organiser.
ALTER TABLE run ADD COLUMN home_relay BLOB CHECK (home_relay IS NULL OR length(home_relay) = 16);

CREATE TABLE run_moderator (
	run_id BLOB NOT NULL REFERENCES run (id) ON DELETE CASCADE,
	user_id BLOB NOT NULL,
	PRIMARY KEY (run_id, user_id)
) STRICT;
