-- Who reported an event: its ids are its own. `key` is half a SHA-256 of source and id, followed by 8 bytes that
-- tell the reporter, so that one look into its index finds the events of every reporter. Rows from before have the
-- first part only, and nobody knows who reported them.
ALTER TABLE events ADD COLUMN reporter TEXT;                             -- what it is called in the log

-- What `digest` is made of: see intake::digest. Rows from before have the first release's.
ALTER TABLE events ADD COLUMN digest_version INTEGER NOT NULL DEFAULT 1;

-- For which sources a token may report events, a JSON list; NULL: any.
ALTER TABLE api_tokens ADD COLUMN sources TEXT;
