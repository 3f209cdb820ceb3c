-- Auth0's present codes instead of its older ones; the user whom a change is about, where the configuration has
-- users named; and indexes for what is searched by. Codes are domain::log::LogType's: not checked here, so that
-- there can be more of them.
CREATE TABLE audit_trail (
    at        INTEGER NOT NULL,
    id        BLOB    NOT NULL,
    type      TEXT    NOT NULL,
    client_id TEXT,
    user_id   TEXT,
    event     TEXT    NOT NULL,                  -- domain::log::Change or Outcome
    PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;

INSERT INTO audit_trail (at, id, type, client_id, event)
    SELECT at, id,
        CASE type WHEN 'sslo' THEN 'oidc_backchannel_logout_succeeded'
                  WHEN 'fslo' THEN 'oidc_backchannel_logout_failed' ELSE type END,
        client_id, event
    FROM audit_log;

DROP TABLE audit_log;
ALTER TABLE audit_trail RENAME TO audit_log;

CREATE INDEX audit_log_by_type ON audit_log (type, at, id);
-- A delivery's earlier outcomes.
CREATE INDEX audit_log_by_id ON audit_log (id);
CREATE INDEX audit_log_by_user ON audit_log (user_id) WHERE user_id IS NOT NULL;
-- A user's deliveries that belong to no session.
CREATE INDEX deliveries_settled_of_subject ON deliveries (sub) WHERE sid IS NULL AND settled_at IS NOT NULL;
