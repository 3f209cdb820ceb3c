-- Ends of all sessions of a user, for those of them that are reported late or were too many for one transaction;
-- whose part in a session's end is decided; and when its members were reported.

CREATE TABLE subject_ends (
    -- In the order they were accepted, and never given twice.
    number           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    sub              TEXT    NOT NULL,
    ended_at         INTEGER NOT NULL,
    initiator        TEXT    NOT NULL,
    clients          TEXT    NOT NULL,             -- {client_id: its own sub or null}: told of each session
    exclude_clients  TEXT    NOT NULL,             -- client_ids
    session_metadata TEXT    NOT NULL,
    accepted_at      INTEGER NOT NULL,
    finished_at      INTEGER                       -- NULL: sessions are left to end
) STRICT;

CREATE INDEX subject_ends_by_sub ON subject_ends (sub, ended_at);
CREATE INDEX subject_ends_unfinished ON subject_ends (number) WHERE finished_at IS NULL;
CREATE INDEX subject_ends_unfinished_of ON subject_ends (sub, number) WHERE finished_at IS NULL;

-- What an end did in later transactions than the first: the rest of its answer.
CREATE TABLE subject_end_parts (
    id         INTEGER NOT NULL PRIMARY KEY,
    end_number INTEGER NOT NULL,                   -- subject_ends.number
    sessions   TEXT    NOT NULL,                   -- sids
    deliveries TEXT    NOT NULL                    -- domain::delivery::DeliverySummary
) STRICT;

CREATE INDEX subject_end_parts_of ON subject_end_parts (end_number);

-- Whom tokens about the user told of an end that is not finished: they are not told of each piece.
CREATE TABLE subject_end_told (
    end_number INTEGER NOT NULL,                   -- subject_ends.number
    client_id  TEXT    NOT NULL,
    sub        TEXT    NOT NULL,                   -- as the client knows it
    PRIMARY KEY (end_number, client_id, sub)
) STRICT, WITHOUT ROWID;

-- The end whose parts belong to the answer.
ALTER TABLE events ADD COLUMN end_number INTEGER;

-- Clients that have a delivery, were told by a token about the user, or are left out of it; `true`: all participants.
ALTER TABLE sessions RENAME COLUMN told_as_subject TO decided;
UPDATE sessions SET decided = 'true' WHERE ended_at IS NOT NULL;
ALTER TABLE sessions ADD COLUMN ended_again_at INTEGER;
-- {member: time}, where it is not created_at
ALTER TABLE sessions ADD COLUMN reported TEXT;
-- {client_id: time}, likewise
ALTER TABLE sessions ADD COLUMN own_subs_reported TEXT;
ALTER TABLE sessions ADD COLUMN begun_after INTEGER;     -- subject_ends.number
