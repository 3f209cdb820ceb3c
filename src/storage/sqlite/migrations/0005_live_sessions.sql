-- A page of a user's live sessions is read along the index from where it begins, however many there are.
DROP INDEX sessions_by_sub;
CREATE INDEX sessions_by_sub ON sessions (sub, ended_at, key) WHERE sub IS NOT NULL;
