-- A store as it was before events had reporters (schema 1): two sessions, and five events that were accepted.
-- Their bodies are in `upgrades.rs`.
BEGIN TRANSACTION;
CREATE TABLE _sqlx_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
INSERT INTO "_sqlx_migrations" VALUES(1,'initial','2026-11-28 05:05:52',1,X'4F326558BC93F8BD7BDE8DD2E99D44B3798123BEE01EB5A414CEA01EE40C32E5E19C921A7C8D2C4BD10A45178FD1B36F',3487131);
CREATE TABLE api_tokens (
    id           BLOB    NOT NULL PRIMARY KEY,
    hash         BLOB    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,                -- domain::access::ScopeSet
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE attempts (
    delivery_id     BLOB    NOT NULL,            -- deliveries.id; a reference would be looked up for each
    number          INTEGER NOT NULL,
    started_at      INTEGER NOT NULL,
    duration_us     INTEGER NOT NULL,
    sign_us         INTEGER,
    dns_us          INTEGER,
    connect_us      INTEGER,
    answer_us       INTEGER,
    body_us         INTEGER,
    jti             BLOB,
    kid             TEXT,
    uri             TEXT,                        -- what it was posted to
    remote_address  TEXT,
    status          INTEGER,
    error           TEXT,
    answer          TEXT,
    outcome_unknown INTEGER NOT NULL,
    PRIMARY KEY (delivery_id, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE audit_log (
    at        INTEGER NOT NULL,
    id        BLOB    NOT NULL,
    type      TEXT    NOT NULL CHECK (type IN ('sapi', 'fapi', 'sslo', 'fslo')),
    client_id TEXT,
    event     TEXT    NOT NULL,                  -- domain::log::Change or Outcome
    PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE breakers (
    client_id TEXT    NOT NULL PRIMARY KEY,
    since     INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    probes    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE clients (
    client_id  TEXT    NOT NULL PRIMARY KEY,
    origin     TEXT    NOT NULL CHECK (origin IN ('file', 'api')),
    document   TEXT    NOT NULL,                 -- domain::client::Client
    subscribed INTEGER NOT NULL CHECK (subscribed IN (0, 1)),
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    revision   INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE deliveries (
    id               BLOB    NOT NULL PRIMARY KEY,
    session_key      BLOB,
    sid              TEXT,
    sub              TEXT,
    sub_is_public    INTEGER NOT NULL CHECK (sub_is_public IN (0, 1)),
    client_id        TEXT    NOT NULL,
    initiator        TEXT    NOT NULL,
    session_metadata TEXT    NOT NULL,
    state            TEXT    NOT NULL
        CHECK (state IN ('pending', 'in_flight', 'delivered', 'rejected', 'exhausted', 'discarded')),
    attempts         INTEGER NOT NULL DEFAULT 0, -- over all redeliveries
    failures         INTEGER NOT NULL DEFAULT 0, -- since it was queued or redelivered: its place in the schedule
    redeliveries     INTEGER NOT NULL DEFAULT 0,
    outcome_unknown  INTEGER NOT NULL DEFAULT 0, -- some attempt may have reached the RP without an answer
    created_at       INTEGER NOT NULL,
    due_at           INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    lease_token      BLOB,
    lease_until      INTEGER,
    settled_at       INTEGER,
    CHECK (sid IS NOT NULL OR sub IS NOT NULL),
    CHECK ((state = 'in_flight') = (lease_token IS NOT NULL)),
    CHECK ((lease_token IS NULL) = (lease_until IS NULL)),
    CHECK ((state IN ('pending', 'in_flight')) = (settled_at IS NULL))
) STRICT;
CREATE TABLE events (
    key         BLOB    NOT NULL UNIQUE,
    source      TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    digest      BLOB    NOT NULL,
    receipt     TEXT    NOT NULL,                -- domain::receipt::Receipt
    received_at INTEGER NOT NULL
) STRICT;
INSERT INTO "events" VALUES(X'248F8000B52DFB9976EC554D781DF205','https://op.example.com','old-1',X'B8E54BDF3123A50972A4BE8B3504CE4B4A7200F818D4C3378ED5CE1E401CF562','{"id":"old-1","sessions":["s-1"],"deliveries":[]}',1795842354105);
INSERT INTO "events" VALUES(X'632B02E47C660A1EB0DB5D493E3A034B','https://op.example.com','old-2',X'89E19E501D905AB71453D4149614C2C3CF731072C95B7977E4DE66266320EE31','{"id":"old-2","sessions":["s-1"],"deliveries":[]}',1795842354113);
INSERT INTO "events" VALUES(X'31655D0521008B826DA32BDD4C439910','https://op.example.com','old-3',X'EAA6C963ADA4BFFF42AFE8ABE1E9E6827ABD4936B5C10F12FBBB954DC3890F10','{"id":"old-3","sessions":["s-1"],"deliveries":[]}',1795842354117);
INSERT INTO "events" VALUES(X'FB5F3DC778E539CAA0BCF82113F6E7D5','https://op.example.com','old-4',X'71F01D7F6FAC3378B9A76A75476E483641F7F51070294D0D8C38DC41446C7E87','{"id":"old-4","sessions":["s-0"],"deliveries":[{"id":"01a2208b-abc9-7195-99ec-3678e4a4c60e","client_id":"shop","state":"pending"}]}',1795842354121);
INSERT INTO "events" VALUES(X'5D377F317178380A8E3706A7EACBAC18','https://op.example.com','old-5',X'4EB685C2EC72CEF1FF3C53008F7A18574DB7C66D32C1B0E36F41549604F865D7','{"id":"old-5","sessions":[],"deliveries":[]}',1795842354128);
CREATE TABLE probe (written_at INTEGER NOT NULL) STRICT;
INSERT INTO "probe" VALUES(0);
CREATE TABLE redelivery_jobs (
    id           BLOB    NOT NULL PRIMARY KEY,
    filter       TEXT    NOT NULL,               -- domain::delivery::DeliveryFilter
    until        BLOB    NOT NULL,               -- the last delivery to look at
    cursor       BLOB,                           -- the last one looked at
    matched      INTEGER NOT NULL,
    redelivered  INTEGER NOT NULL DEFAULT 0,
    skipped      INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL,
    completed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE sessions (
    sid              TEXT    NOT NULL PRIMARY KEY,
    key              BLOB    NOT NULL,           -- tells one life of a sid from the next
    sub              TEXT,
    flow             TEXT    NOT NULL,
    session_metadata TEXT    NOT NULL,
    participants     TEXT    NOT NULL,           -- {client_id: its own sub or null}
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    authenticated_at INTEGER,
    idle_expires_at  INTEGER,
    expires_at       INTEGER,
    ends_at          INTEGER,                    -- the earlier of the two
    revision         INTEGER NOT NULL,
    ended_at         INTEGER,
    initiator        TEXT,
    told_as_subject  TEXT    NOT NULL,           -- client_ids
    CHECK ((ended_at IS NULL) = (initiator IS NULL))
) STRICT;
INSERT INTO "sessions" VALUES('s-1',X'01A2208BABB9761ABB95BAD3F2A30B71','alice','browser','{}','{"blog":"p-2","shop":null}',1795842354105,1795842354117,1767323045500,4071006245000,4084139045000,4071006245000,3,NULL,NULL,'[]');
INSERT INTO "sessions" VALUES('s-0',X'01A2208BABC9718BB60CB074626DA8CA','bob','browser','{"a":"b"}','{"shop":null}',1795842354121,1795842354121,NULL,NULL,NULL,NULL,1,1795842354121,'rp-logout','[]');
CREATE INDEX sessions_by_sub ON sessions (sub, ended_at) WHERE sub IS NOT NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_ending ON sessions (ends_at) WHERE ended_at IS NULL AND ends_at IS NOT NULL;
CREATE UNIQUE INDEX deliveries_of_session ON deliveries (session_key, client_id) WHERE session_key IS NOT NULL;
CREATE INDEX deliveries_due ON deliveries (client_id, (failures + redeliveries > 0), due_at)
    WHERE state = 'pending';
CREATE INDEX deliveries_expiring ON deliveries (expires_at) WHERE state = 'pending';
CREATE INDEX deliveries_of_subject ON deliveries (sub) WHERE state = 'pending' AND sid IS NULL;
CREATE INDEX deliveries_leased ON deliveries (lease_until) WHERE state = 'in_flight';
CREATE INDEX deliveries_settled ON deliveries (state, settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (client_id, id) WHERE state IN ('rejected', 'exhausted');
COMMIT;
