-- Times are milliseconds since the Unix epoch; ids are 16-byte UUIDs; JSON is text.

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

-- Circuit breakers that are open; the others have no row.
CREATE TABLE breakers (
    client_id TEXT    NOT NULL PRIMARY KEY,
    since     INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    probes    INTEGER NOT NULL
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

CREATE INDEX sessions_by_sub ON sessions (sub, ended_at) WHERE sub IS NOT NULL;
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_ending ON sessions (ends_at) WHERE ended_at IS NULL AND ends_at IS NOT NULL;

-- Idempotency: which events were accepted, what they said (a digest) and what was answered. Found by a digest
-- of source and id, so that the one index whose entries come in no order is as small as it can be.
CREATE TABLE events (
    key         BLOB    NOT NULL UNIQUE,
    source      TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    digest      BLOB    NOT NULL,
    receipt     TEXT    NOT NULL,                -- domain::receipt::Receipt
    received_at INTEGER NOT NULL
) STRICT;

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

-- One delivery for each client of each life of a session.
CREATE UNIQUE INDEX deliveries_of_session ON deliveries (session_key, client_id) WHERE session_key IS NOT NULL;
-- What is due for a client, first attempts apart from retries and redeliveries.
CREATE INDEX deliveries_due ON deliveries (client_id, (failures + redeliveries > 0), due_at)
    WHERE state = 'pending';
CREATE INDEX deliveries_expiring ON deliveries (expires_at) WHERE state = 'pending';
CREATE INDEX deliveries_of_subject ON deliveries (sub) WHERE state = 'pending' AND sid IS NULL;
CREATE INDEX deliveries_leased ON deliveries (lease_until) WHERE state = 'in_flight';
-- What deliveries have come to, in order of time: for the audit trail, and to sweep them.
CREATE INDEX deliveries_settled ON deliveries (state, settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX deliveries_dead ON deliveries (client_id, id) WHERE state IN ('rejected', 'exhausted');

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

-- Redelivery by filter, a batch at a time.
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

-- API tokens. Of a secret only its SHA-256 is here.
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

-- The audit trail: changes through the API, and what deliveries had come to before they were redelivered. What
-- they have come to now is read from their own rows.
CREATE TABLE audit_log (
    at        INTEGER NOT NULL,
    id        BLOB    NOT NULL,
    type      TEXT    NOT NULL CHECK (type IN ('sapi', 'fapi', 'sslo', 'fslo')),
    client_id TEXT,
    event     TEXT    NOT NULL,                  -- domain::log::Change or Outcome
    PRIMARY KEY (at, id)
) STRICT, WITHOUT ROWID;

-- Written to see whether the store takes writes.
CREATE TABLE probe (written_at INTEGER NOT NULL) STRICT;
INSERT INTO probe VALUES (0);
