//! The `sessions` table.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::columns::{Columns, hex, json_list, millis, to_json};
use crate::domain::ids::{Sid, Sub};
use crate::domain::session::{Ended, Flow, Session, SessionKey};
use crate::storage::Result;

/// The sessions of these `sid`s, ended or not.
pub(super) async fn by_sid(connection: &mut SqliteConnection, sids: &BTreeSet<Sid>) -> Result<Vec<Session>> {
    let rows = sqlx::query("SELECT * FROM sessions WHERE sid IN (SELECT value FROM json_each(?))")
        .bind(json_list(sids))
        .fetch_all(connection)
        .await?;
    rows.iter().map(session).collect()
}

/// The sessions of these `sub`s that have not ended.
pub(super) async fn live_of(connection: &mut SqliteConnection, subs: &[&str]) -> Result<Vec<Session>> {
    let rows = sqlx::query(
        "SELECT * FROM sessions WHERE sub IN (SELECT value FROM json_each(?)) AND ended_at IS NULL",
    )
    .bind(to_json(&subs))
    .fetch_all(connection)
    .await?;
    rows.iter().map(session).collect()
}

/// Those of these `sub`s of whom any session is known.
pub(super) async fn known_subs(connection: &mut SqliteConnection, subs: &[&str]) -> Result<BTreeSet<Sub>> {
    let rows = sqlx::query(
        "SELECT value AS sub FROM json_each(?) WHERE EXISTS (SELECT 1 FROM sessions WHERE sub = value)",
    )
    .bind(to_json(&subs))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Columns(row).parsed("sub")).collect()
}

/// Stores sessions in place of whatever their `sid`s meant before.
pub(super) async fn put(
    connection: &mut SqliteConnection,
    sessions: &[&Session],
    now: Timestamp,
) -> Result<()> {
    let rows: Vec<_> = sessions.iter().map(|session| row(session, now)).collect();
    sqlx::query(
        "INSERT OR REPLACE INTO sessions (sid, key, sub, flow, session_metadata, participants, created_at,
             updated_at, expires_at, ended_at, initiator, told_as_subject)
         SELECT value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
             value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11
         FROM json_each(?)",
    )
    .bind(to_json(&rows))
    .execute(connection)
    .await?;
    Ok(())
}

fn row(session: &Session, now: Timestamp) -> impl Serialize {
    (
        &session.sid,
        hex(session.key.0),
        &session.sub,
        session.flow.as_str(),
        to_json(&session.session_metadata),
        to_json(&session.participants),
        millis(session.created_at),
        millis(now),
        session.expires_at.map(millis),
        session.ended.map(|ended| millis(ended.at)),
        session.ended.map(|ended| ended.initiator),
        to_json(&session.told_as_subject),
    )
}

fn session(row: &SqliteRow) -> Result<Session> {
    let columns = Columns(row);
    let ended = match columns.time_option("ended_at")? {
        Some(at) => Some(Ended { at, initiator: columns.parsed("initiator")? }),
        None => None,
    };
    Ok(Session {
        key: SessionKey(columns.plain("key")?),
        sid: columns.parsed("sid")?,
        sub: columns.parsed_option("sub")?,
        flow: columns.word("flow", |word| Flow::ALL.into_iter().find(|flow| flow.as_str() == word))?,
        session_metadata: columns.json("session_metadata")?,
        participants: columns.json("participants")?,
        created_at: columns.time("created_at")?,
        expires_at: columns.time_option("expires_at")?,
        ended,
        told_as_subject: columns.json("told_as_subject")?,
    })
}
